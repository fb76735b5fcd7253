# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# Shared by the .bats files; each begins with `load helper`.  tests/each runs
# them, or bats.
#
# setup() and teardown() are defined here.  A file that needs more defines its
# own and calls common_setup or common_teardown in it.  Do not use `run` for
# functions that start a process: a subshell could not tell the test its number.
#
# Every test has:
#   DIR      its own directory
#   CONF     $DIR/adit.conf, written by adit_conf
#   LOG      $DIR/log, adit's standard output
#   STDERR   $DIR/stderr, adit's standard error
#   ADIT     the program, ../adit unless the environment says otherwise
#   BUILD    where tests/run puts the programs made from *.c, such as parse_test
#   PEER     the other end, made from peer.c; `$PEER` alone prints its usage
# and, after adit_start, PORT and ADIT_PID.
#
# A file whose tests look at the descriptors or the memory of processes says
# LOOKS_INSIDE=yes: an ordinary user can do that only with Sandbox no.
#
# Each program that a test starts costs more than a hundred commands of bash.
# What every test does, and what is tried again and again, is written in bash.

# Set for each test, before setup() of a file does anything else.
common_setup() {
	DIR=$BATS_TEST_TMPDIR
	CONF=$DIR/adit.conf
	LOG=$DIR/log
	STDERR=$DIR/stderr
	: "${ADIT:=$BATS_TEST_DIRNAME/../adit}"
	case $ADIT in
	/*) ;;
	*) ADIT=$BATS_CWD/$ADIT ;;
	esac
	BUILD=${ADIT_TEST_BUILD:-$BATS_TEST_DIRNAME/build}
	PEER=$BUILD/peer
	NAP=$BATS_RUN_TMPDIR/nap
	if ! [ -x "$PEER" ]; then
		echo "there is no $PEER; tests/run makes it"
		return 1
	fi
	OWN_PIDS=()
	declare -gA BORN=()
	ADIT_PID=
	PORT=
	STATUS=
	CRASH_OK=
	ADIT_WRAP=()
	INSIDE=()
	STDERR_OK=':([0-9]+:)? warning: '
	run_setup
	SANITIZER=$BATS_RUN_TMPDIR/sanitizer/$BATS_SUITE_TEST_NUMBER
	export ASAN_OPTIONS="log_path=$SANITIZER${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
	export UBSAN_OPTIONS="log_path=$SANITIZER:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
	cd "$DIR" || return 1
	# bats notes the place of each command before it runs, which costs more
	# than most commands.  From here on it notes those of the test alone.
	set +T
}

# run_setup: what all tests of a file share is made by the first.
run_setup() {
	[ ! -e "$NAP" ] || return 0
	# Workers that have given up root write their reports here.
	mkdir -m 1777 "$BATS_RUN_TMPDIR/sanitizer"
	# mktemp(1) has left it to its owner.
	chmod go+x "$BATS_RUN_TMPDIR"
	mkfifo "$NAP"
}

# Ends the processes of the test.  Fails if a sanitizer has reported an error,
# if standard error has an unexpected line, if a child has died from a signal
# (unless CRASH_OK is set), or if a child has outlived the master.
common_teardown() {
	local bad=0

	orphans_check || bad=1
	processes_end
	sanitizer_check || bad=1
	stderr_check || bad=1
	crash_check || bad=1
	if [ "$bad" = 1 ] || [ -z "$BATS_TEST_COMPLETED" ]; then
		evidence_show
	fi
	return "$bad"
}

setup() { common_setup; }
teardown() { common_teardown; }

# Prints the end of each log of a failed test; lines that repeat the one before
# are only counted.
evidence_show() {
	local f

	for f in "$CONF" "$LOG" "$STDERR" "$DIR"/*.err; do
		[ -s "$f" ] || continue
		echo "--- ${f##*/}"
		uniq -c "$f" | sed 's/^ *1 //; s/^ *\([0-9]*\) /(\1 times) /' |
			tail -n 30 | cut -c 1-400
	done
}

# born PID: sets BORN_NOW to the time when the process began, or to nothing if
# there is no such process or only a zombie.  Process numbers are used again,
# and soon if many tests run; number and birth together identify a process.
born() {
	local stat fields

	BORN_NOW=
	if [ -r /proc/self/stat ]; then
		read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
		# After the name in brackets come the state and, 19 fields
		# later, the time.
		# shellcheck disable=SC2206
		fields=(${stat##*) })
		[ "${fields[0]}" = Z ] || BORN_NOW=${fields[19]}
	else
		BORN_NOW=$(ps -o lstart= -p "$1") || true
	fi
}

# know_pid PID...: from now on alive and dead refer to these processes, and not
# to others that get the same numbers.
know_pid() {
	local pid

	for pid; do
		born "$pid"
		BORN[$pid]=${BORN_NOW:-never}
	done
}

# own_pid PID...: teardown ends these processes.
own_pid() {
	local pid

	for pid; do
		program_wait "$pid"
	done
	know_pid "$@"
	OWN_PIDS+=("$@")
}

# program_wait PID: waits briefly until a child runs its program.  Before that it
# is a copy of this bash, which would run the teardown of this test if a signal
# ended it.
program_wait() {
	local own name tries=0

	[ -r "/proc/$BASHPID/comm" ] || return 0
	read -r own <"/proc/$BASHPID/comm"
	while [ "$tries" -lt 50 ] &&
	    read -r name 2>/dev/null <"/proc/$1/comm" &&
	    [ "$name" = "$own" ]; do
		tries=$((tries + 1))
		nap 0.002
	done
}

# alive PID: whether the process exists, is not a zombie, and is the one that
# own_pid or know_pid was called with.
alive() {
	kill -0 "$1" 2>/dev/null || return 1
	born "$1"
	[ -n "$BORN_NOW" ] && [ "${BORN[$1]:-$BORN_NOW}" = "$BORN_NOW" ]
}

# end_pid SIGNAL PID...: sends the signal to those that are alive.
end_pid() {
	local pid signal=$1

	shift
	for pid; do
		if alive "$pid"; then
			kill -"$signal" "$pid" 2>/dev/null || true
		fi
	done
}

# dead PID...: whether none of them is alive.
dead() {
	local pid

	for pid; do
		if alive "$pid"; then
			return 1
		fi
	done
	return 0
}

# wait_for [-t SECONDS] COMMAND...: repeats the command until it succeeds; fails
# with a message after 20 (or SECONDS) seconds.
wait_for() {
	local limit=20 end tries=0

	if [ "$1" = -t ]; then
		limit=$2
		shift 2
	fi
	end=$((SECONDS + limit + 1))
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "waited $limit seconds in vain for: $*"
			return 1
		fi
		tries=$((tries + 1))
		if [ "$tries" -lt 50 ]; then
			nap 0.02
		else
			nap 0.05
		fi
	done
}

# nap SECONDS: waits without a process: nobody ever writes to that FIFO.
nap() {
	read -r -t "$1" _ <>"$NAP" || true
}

# file_says REGEX FILE...: whether a line of a file matches (as grep -E has it),
# for files that are asked often and are short.
file_says() {
	local regex=$1 file line lines

	shift
	for file; do
		[ -f "$file" ] || continue
		mapfile -t -n 500 lines <"$file"
		if [ "${#lines[@]}" = 500 ]; then
			! grep -qaE -e "$regex" "$file" || return 0
			continue
		fi
		for line in "${lines[@]}"; do
			[[ $line =~ $regex ]] && return 0
		done
	done
	return 1
}

# has_line FILE TEXT: whether this is a line of the file.
has_line() {
	local IFS=$'\n' lines

	mapfile -t lines <"$1"
	[[ $'\n'"${lines[*]}"$'\n' == *$'\n'"$2"$'\n'* ]]
}

# lines_are FILE N: whether a file has that many lines or more; for wait_for.
lines_are() {
	local lines

	[ -f "$1" ] || return 1
	mapfile lines <"$1"
	[ "${#lines[@]}" -ge "$2" ] || return 1
	# The last one may be on its way yet.
	[ "$2" = 0 ] || [[ ${lines[$2 - 1]} == *$'\n' ]]
}

# fails COMMAND...: succeeds if the command fails.  (`! command` does not fail a
# test.)
fails() {
	if "$@"; then
		echo "succeeded, but must not: $*"
		return 1
	fi
}

# Ends every process of this test, first with TERM, then with KILL.
processes_end() {
	local pid

	end_pid TERM "${OWN_PIDS[@]}"
	if ! wait_for -t 5 dead "${OWN_PIDS[@]}" >/dev/null; then
		end_pid KILL "${OWN_PIDS[@]}"
	fi
	for pid in "${OWN_PIDS[@]}"; do
		wait "$pid" 2>/dev/null || true
	done
	OWN_PIDS=()
}

# Stops adit, and fails if one of its children is still running afterwards.
orphans_check() {
	local children

	if [ -z "$ADIT_PID" ] || dead "$ADIT_PID"; then
		return 0
	fi
	family
	children=("${FAMILY[@]}")
	know_pid "${children[@]}"
	end_pid TERM "$ADIT_PID"
	if ! wait_for -t 10 dead "$ADIT_PID" "${children[@]}"; then
		echo "adit or a child of it did not end: ${children[*]}"
		end_pid KILL "$ADIT_PID" "${children[@]}"
		return 1
	fi
}

sanitizer_check() {
	local f bad=0

	for f in "$SANITIZER".*; do
		[ -s "$f" ] || continue
		bad=1
		echo "--- a sanitizer says"
		head -n 40 "$f"
	done
	return "$bad"
}

# stderr_expected REGEX: matching lines on adit's standard error are expected.
stderr_expected() {
	STDERR_OK="$STDERR_OK|$1"
}

stderr_check() {
	local line lines

	[ -s "$STDERR" ] || return 0
	mapfile -t lines <"$STDERR"
	for line in "${lines[@]}"; do
		[[ ! $line =~ $STDERR_OK ]] || continue
		echo "unexpected on standard error:"
		grep -avE "$STDERR_OK" "$STDERR" | head -n 20
		return 1
	done
}

crash_check() {
	[ -z "$CRASH_OK" ] || return 0
	logs_find
	if file_says "died from signal" "${LOGS[@]}"; then
		logs_grep "died from signal"
		echo "a child of adit died"
		return 1
	fi
}

# need_root: skips tests of what only root may do.
need_root() {
	[ "$EUID" = 0 ] || skip "needs root"
}

# need_user: skips tests that show nothing as root.
need_user() {
	[ "$EUID" != 0 ] || skip "needs an ordinary user"
}

# need_proc: skips tests that read Linux' /proc.
need_proc() {
	[ -r /proc/self/fd ] || skip "needs /proc"
}

# need_descriptors: skips tests that count what the children of adit have open,
# where only root may see it.
need_descriptors() {
	[ "$EUID" != 0 ] || return 0
	children
	[ -r "/proc/${CHILDREN[0]}/fd" ] ||
		skip "needs root, to count descriptors"
}

# need_linux: skips tests of the behaviour of Linux' TCP.
need_linux() {
	[ "$(uname)" = Linux ] || skip "needs Linux"
}

# need_ipv6: skips tests on ::1.
need_ipv6() {
	"$PEER" port -a ::1 >/dev/null 2>&1 || skip "needs IPv6 on loopback"
}

# need_command NAME...: skips tests with other programs.
need_command() {
	local name

	for name; do
		command -v "$name" >/dev/null || skip "needs $name"
	done
}

# need_crypt: skips tests with an AuthFile where adit has no crypt(3).
need_crypt() {
	"$BUILD/login_test" '$5$3lv5Ua9HuK4So0Tx$3TBJcJ3bZanwuBuRA3qqHjZJGl/GppQThRb1YFUfJA3' ||
		skip "there is no crypt()"
}

# sanitized: whether $ADIT was built with AddressSanitizer, for tests that
# measure memory.
sanitized() {
	grep -qa __asan_init "$ADIT"
}

# recipe_print FILE: prints a recipe with a user, lists and a program that are
# here.
recipe_print() {
	sed -e 's/^User adit$/User nobody/' \
	    -e "s,\"/etc/adit/,\"$BATS_TEST_DIRNAME/recipes/lists/," \
	    -e 's,"/usr/lib/squid/[^ ]*,"/bin/sh,' "$1"
}

# network ADDRESS...: from here on adit, peers and name servers run in a network
# of their own, a machine that has these addresses; INSIDE=(COMMAND...) runs
# other commands there.  Call it before namespaces and name_server.
network() {
	need_root
	need_command unshare nsenter ip
	unshare -n true 2>/dev/null || skip "needs network namespaces"
	# shellcheck disable=SC2016
	unshare -n sh -c 'ip link set lo up
		for a; do
			case $a in
			*:*) ip addr add "$a/128" dev lo nodad || exit ;;
			*) ip addr add "$a/32" dev lo || exit ;;
			esac
		done
		echo ready && exec sleep 1000' sh "$@" >"$DIR/network" 2>&1 3>&- &
	own_pid $!
	INSIDE=(nsenter -t "$!" -n --)
	ADIT_WRAP=("${INSIDE[@]}")
	wait_for test -s "$DIR/network"
	grep -q ready "$DIR/network" ||
		skip "needs namespaces of its own: $(tail -n 1 "$DIR/network")"
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${INSIDE[*]}" "$PEER" \
		>"$DIR/peer"
	chmod +x "$DIR/peer"
	PEER=$DIR/peer
}

# network_apart: starts a process in an empty network; sets APART to its pid.
network_apart() {
	unshare -n sleep 1000 3>&- &
	APART=$!
	own_pid "$APART"
	wait_for is_apart "$APART"
}

# is_apart PID: whether a process has a network of its own by now.
is_apart() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# namespaces [HOSTS]: from here on adit_start gives adit a mount namespace with
# these lines in /etc/hosts.  Names are looked up only there and, if NAME_SERVER
# is set to an address of this machine, at that name server with NAME_OPTIONS,
# see resolv.conf(5).
namespaces() {
	need_root
	need_command unshare
	unshare -m true 2>/dev/null || skip "needs mount namespaces"
	[ -f /etc/nsswitch.conf ] || skip "needs nsswitch.conf"
	printf "%s\n" "127.0.0.1 localhost" "$@" >"$DIR/hosts"
	printf "nameserver %s\noptions %s\n" \
		"${NAME_SERVER:-127.0.0.1}" \
		"${NAME_OPTIONS:-timeout:60 attempts:1}" >"$DIR/resolv.conf"
	echo "hosts: files${NAME_SERVER:+ dns}" >"$DIR/nsswitch.conf"
	chmod 644 "$DIR/hosts" "$DIR/resolv.conf" "$DIR/nsswitch.conf"
	# shellcheck disable=SC2016
	ADIT_WRAP=("${INSIDE[@]}" unshare -m sh -c 'for f in hosts resolv.conf nsswitch.conf; do
		mount --bind "$0/$f" "/etc/$f" || exit 1
	done
	exec "$@"' "$DIR")
}

# name_server RULE...: as namespaces, with a name server that has these rules of
# dns.c.
name_server() {
	need_root
	NAME_SERVER=127.$((RANDOM % 200 + 20)).$((RANDOM % 256)).$((RANDOM % 254 + 1))
	namespaces
	"${INSIDE[@]}" "$BUILD/dns" "$NAME_SERVER" 53 "$@" >"$DIR/dns.out" \
		2>"$DIR/dns.err" 3>&- &
	own_pid $!
	wait_for file_says . "$DIR/dns.out" "$DIR/dns.err"
	grep -q ready "$DIR/dns.out" ||
		skip "needs a name server of its own: $(tail -n 1 "$DIR/dns.err")"
}

# free_port: prints a port without a listener, below the range from which
# kernels give ports to clients; no other test of this run gets it.
free_port() {
	port_take
	echo "$FREE_PORT"
}

# port_take: sets FREE_PORT to such a port, from a supply for many tests.
port_take() {
	local ports supply=$BATS_RUN_TMPDIR/supply

	[ -s "$supply" ] || "$PEER" port -n 16 \
	    "${ADIT_TEST_PORTS:-$BATS_RUN_TMPDIR}" >"$supply" || return
	mapfile -t ports <"$supply"
	FREE_PORT=${ports[0]}
	: >"$supply"
	[ "${#ports[@]}" = 1 ] || printf '%s\n' "${ports[@]:1}" >"$supply"
}

# adit_conf [LINE...]: writes $CONF with these lines (`-` reads them from
# standard input) and a new PORT.  Before them come Port, Listen 127.0.0.1,
# Allow 127.0.0.0/8 and, for root, User, each only if the lines do not have that
# directive.  ADIT_TEST_USER is the user, nobody by default.
adit_conf() {
	local lines

	if [ "$*" = - ]; then
		lines=$(cat)
	else
		printf -v lines '%s\n' "$@"
		lines=${lines%$'\n'}
	fi
	{
		if conf_names Port "$lines"; then
			PORT=$(sed -n 's/^[ \t]*[Pp]ort[ \t]*//p' \
			    <<<"$lines" | tail -n 1)
		else
			port_take
			PORT=$FREE_PORT
			echo "Port $PORT"
		fi
		conf_names Listen "$lines" || echo "Listen 127.0.0.1"
		conf_names '(Allow|Deny)' "$lines" || echo "Allow 127.0.0.0/8"
		if [ "$EUID" = 0 ] && ! conf_names User "$lines"; then
			echo "User ${ADIT_TEST_USER:-nobody}"
		fi
		if [ "$EUID" != 0 ] && [ -n "${LOOKS_INSIDE:-}" ]; then
			echo "Sandbox no"
		fi
		printf '%s\n' "$lines"
	} >"$CONF"
}

# conf_names DIRECTIVE TEXT: whether the text has a line with the directive.
conf_names() {
	local found=1

	if [ "${#2}" -gt 10000 ]; then
		grep -qiE "^[[:blank:]]*$1[[:blank:]]" <<<"$2"
		return
	fi
	shopt -s nocasematch
	[[ $'\n'$2 =~ $'\n'[[:blank:]]*$1[[:blank:]] ]] && found=0
	shopt -u nocasematch
	return "$found"
}

# adit_start [LINE...]: adit_conf, then starts adit with -d and waits until it
# is ready.  If another process took the port it tries again with another port.
# ADIT_WRAP may hold a command that starts it, such as (strace -f -o FILE).
adit_start() {
	local try lines

	if [ "$*" = - ]; then
		lines=$(cat)
		set -- "$lines"
	fi
	for try in 1 2 3 4 5; do
		adit_conf "$@"
		adit_launch
		if adit_ready; then
			return 0
		fi
		if ! grep -q 'in use' "$STDERR" "$LOG"; then
			break
		fi
		: >"$STDERR"
		: >"$LOG"
	done
	echo "adit did not start (attempt $try)"
	evidence_show
	return 1
}

# adit_launch [OPTION...]: starts adit with -d, the existing $CONF and these
# options in the background, and does not wait; sets ADIT_PID.
adit_launch() {
	logs_find
	starts
	STARTED=$STARTS
	# Where the readiness line is not logged, a connection shows it.
	SILENT=
	if file_says '^[[:blank:]]*([Ll]og[Ll]evel[[:blank:]]+[^iI]|[Ss]yslog[[:blank:]]+([Yy]es|[Oo]n))' \
	    "$CONF"; then
		SILENT=yes
	fi
	"${ADIT_WRAP[@]}" "$ADIT" -d -c "$CONF" "$@" \
		>>"$LOG" 2>>"$STDERR" </dev/null 3>&- &
	ADIT_PID=$!
	own_pid "$ADIT_PID"
}

# adit_ready: waits until adit serves; fails if it has ended instead.
adit_ready() {
	wait_for -t 30 adit_ready_or_dead && alive "$ADIT_PID"
}

adit_ready_or_dead() {
	if dead "$ADIT_PID"; then
		return 0
	fi
	if [ -n "$SILENT" ]; then
		"$PEER" client 127.0.0.1 "$PORT" 2>/dev/null
		return
	fi
	starts
	[ "$STARTS" -gt "$STARTED" ]
}

# starts: sets STARTS to how often adit has been ready, by LOGS; STARTED is how
# often that was before the last adit_launch.
starts() {
	local file line lines
	local ready="Starting main loop. Accepting connections."

	STARTS=0
	for file in "${LOGS[@]}"; do
		# A FIFO would be waited for.
		[ -f "$file" ] || continue
		mapfile -t -n 500 lines <"$file"
		if [ "${#lines[@]}" = 500 ]; then
			STARTS=$((STARTS + $(grep -acF "$ready" "$file")))
			continue
		fi
		for line in "${lines[@]}"; do
			[[ $line != *"$ready"* ]] ||
				STARTS=$((STARTS + 1))
		done
	done
}

# logs_find: sets LOGS to standard output and the LogFile of $CONF.
logs_find() {
	local file

	conf_find LogFile
	LOGS=("$LOG")
	[ -z "$FOUND" ] || LOGS+=("$FOUND")
}

# logs_grep ARGUMENT...: grep in standard output and in the LogFile of $CONF.
logs_grep() {
	logs_find
	if [ -n "${LOGS[1]}" ] && [ -f "${LOGS[1]}" ]; then
		grep -as "$@" "${LOGS[@]}"
	else
		grep -as "$@" "$LOG"
	fi
}

# conf_find DIRECTIVE: sets FOUND to the string behind it in $CONF, without its
# quotes.
conf_find() {
	local line lines

	FOUND=
	[ -f "$CONF" ] || return 0
	mapfile -t -n 500 lines <"$CONF"
	if [ "${#lines[@]}" = 500 ]; then
		mapfile -t lines < <(grep -a "$1" "$CONF")
	fi
	for line in "${lines[@]}"; do
		[[ $line != *"$1"* ]] ||
			[[ ! $line =~ ^[[:blank:]]*"$1"[[:blank:]]*\"([^\"]*)\" ]] ||
			FOUND=${BASH_REMATCH[1]}
	done
}

# checks FILE OUT ERR [PROGRAM]: lets adit -t read a configuration that need not
# be for this machine: its files and addresses may be missing here.  Leaves what
# -t says of these out of ERR.
checks() {
	local status=0

	timeout 20 "${4:-$ADIT}" -t -c "$1" >"$2" 2>"$3" || status=$?
	[ "$status" = 0 ] || [ "$status" = 71 ] || return "$status"
	sed -i.all -E '/:[0-9]+: (LogFile|AccessLog|DecisionLog|PidFile|Listen|Port|TransparentPort): /d' "$3"
	sed -i.all -e 's/, but a start .*would fail$//' \
	    -e '/: note: .* is in use, /d' "$2"
}

# adit_daemon [LINE...]: adit_conf with a PidFile, then starts adit without
# -d.  Returns its status; sets ADIT_PID from the PID file on success.
adit_daemon() {
	adit_conf "PidFile \"$DIR/pid\"" "$@"
	"$ADIT" -c "$CONF" >>"$LOG" 2>>"$STDERR" </dev/null 3>&- || return
	conf_find PidFile
	read -r ADIT_PID <"$FOUND" || return
	own_pid "$ADIT_PID"
}

# adit_stop [SIGNAL]: sends TERM (or SIGNAL) and waits until adit has ended;
# sets STATUS to its exit status.  Fails if it does not end.
adit_stop() {
	local signal=${1:-TERM}

	kill -"$signal" "$ADIT_PID"
	wait_for dead "$ADIT_PID" || return 1
	STATUS=0
	wait "$ADIT_PID" 2>/dev/null || STATUS=$?
}

# basic USER:PASSWORD: prints the field of a request with these credentials,
# which may have escapes of printf %b.
basic() {
	local LC_ALL=C text i n a b c code=
	local digits=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/

	if [[ $1 == *'\0'* ]]; then
		code=$(printf '%b' "$1" | base64 -w 0)
	else
		printf -v text '%b' "$1"
		for ((i = 0; i < ${#text}; i += 3)); do
			printf -v a %d "'${text:i:1}"
			printf -v b %d "'${text:i + 1:1}"
			printf -v c %d "'${text:i + 2:1}"
			n=$(((a & 255) << 16 | (b & 255) << 8 | (c & 255)))
			code+=${digits:n >> 18:1}${digits:n >> 12 & 63:1}
			code+=${digits:n >> 6 & 63:1}${digits:n & 63:1}
		done
		case $((${#text} % 3)) in
		1) code=${code%??}== ;;
		2) code=${code%?}= ;;
		esac
	fi
	printf 'Proxy-Authorization: Basic %s' "$code"
}

# log_has REGEX: whether a line of adit's standard output matches (grep -E).
log_has() {
	file_says "$1" "$LOG"
}

# log_wait REGEX: waits for such a line.
log_wait() {
	wait_for file_says "$1" "$LOG"
}

# log_count REGEX: prints how many lines match.
log_count() {
	local line lines n=0

	mapfile -t -n 500 lines <"$LOG"
	if [ "${#lines[@]}" = 500 ]; then
		grep -caE -e "$1" "$LOG" || true
		return 0
	fi
	for line in "${lines[@]}"; do
		[[ ! $line =~ $1 ]] || n=$((n + 1))
	done
	echo "$n"
}

# log_counts N REGEX: whether N lines match, or more; for wait_for.
log_counts() {
	[ "$(log_count "$2")" -ge "$1" ]
}

# access_lines N: whether the access log, $DIR/access, has N lines; for
# wait_for.
access_lines() {
	lines_are "$DIR/access" "$1"
}

# access_is N REGEX: waits for its line N, and compares that line from the user
# on, without the reason and the id at its end.
access_is() {
	local lines line

	wait_for access_lines "$1"
	mapfile -t -n 1 -s "$(($1 - 1))" lines <"$DIR/access"
	line=${lines[0]#* }
	line=${line% * *}
	[[ ${line#* } =~ ^($2)$ ]] || {
		echo "line $1 of the access log is not: $2"
		cat "$DIR/access"
		return 1
	}
}

# children [PID]: sets CHILDREN to the children of adit (or of that process).
children() {
	local pid=${1:-$ADIT_PID}

	CHILDREN=()
	if [ -r "/proc/$$/task/$$/children" ]; then
		read -r -a CHILDREN 2>/dev/null \
		    <"/proc/$pid/task/$pid/children" || true
	else
		# shellcheck disable=SC2207
		CHILDREN=($(ps -A -o pid= -o ppid= |
			awk -v p="$pid" '$2 == p { print $1 }'))
	fi
}

# child_pids [PID]: prints them.
child_pids() {
	children "$@"
	[ "${#CHILDREN[@]}" = 0 ] || printf '%s\n' "${CHILDREN[@]}"
}

# family: sets FAMILY to the children of adit, and theirs.
family() {
	local pid

	FAMILY=()
	children
	for pid in "${CHILDREN[@]}"; do
		children "$pid"
		FAMILY+=("$pid" "${CHILDREN[@]}")
	done
}

# family_pids: prints them.
family_pids() {
	family
	[ "${#FAMILY[@]}" = 0 ] || printf '%s\n' "${FAMILY[@]}"
}

# worker_pids [PORT]: prints the children of adit that hold a listening socket
# of the port.  Needs /proc.
worker_pids() {
	holders_find "${1:-$PORT}"
	[ "${#HOLDERS[@]}" = 0 ] || printf '%s\n' "${HOLDERS[@]}"
}

# desk_pids [PORT]: prints the other children of adit.  Needs /proc.
desk_pids() {
	local pid

	holders_find "${1:-$PORT}"
	for pid in "${CHILDREN[@]}"; do
		[[ " ${HOLDERS[*]} " == *" $pid "* ]] || echo "$pid"
	done
}

# helper_pids: prints the children of adit's desk.
helper_pids() {
	local pid pids

	children
	pids=("${CHILDREN[@]}")
	for pid in "${pids[@]}"; do
		child_pids "$pid"
	done
}

# helpers_are N: for wait_for.
helpers_are() {
	local pid pids n=0

	children
	pids=("${CHILDREN[@]}")
	for pid in "${pids[@]}"; do
		children "$pid"
		n=$((n + ${#CHILDREN[@]}))
	done
	[ "$n" = "$1" ]
}

# holders_find PORT: sets CHILDREN to the children of adit, and HOLDERS to those
# of them that have a listening socket of the port open.
holders_find() {
	local inode pid found dirs=() names=()

	HOLDERS=()
	listen_find "$1"
	children
	for inode in "${INODES[@]}"; do
		names+=(-o -lname "socket:\[$inode\]")
	done
	for pid in "${CHILDREN[@]}"; do
		dirs+=("/proc/$pid/fd")
	done
	if [ "${#names[@]}" = 0 ] || [ "${#dirs[@]}" = 0 ]; then
		return 0
	fi
	if ! [ -r "${dirs[0]}" ]; then
		workers_find
		return 0
	fi
	found=$(find "${dirs[@]}" \( "${names[@]:1}" \) 2>/dev/null) || true
	for pid in "${CHILDREN[@]}"; do
		[[ $found != *"/proc/$pid/fd/"* ]] || HOLDERS+=("$pid")
	done
}

# workers_find: sets HOLDERS to the children of adit that are workers and do not
# drain, by their titles: others of their user see no more of them.
workers_find() {
	local pid title

	for pid in "${CHILDREN[@]}"; do
		title=
		IFS= read -r -d '' title 2>/dev/null <"/proc/$pid/cmdline" || true
		[[ $title != *": worker"* || $title == *draining* ]] ||
			HOLDERS+=("$pid")
	done
}

# holds_socket PID INODES: whether the process has one of these sockets open.
holds_socket() {
	local inode

	for inode in $2; do
		if find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null |
		    grep -q .; then
			return 0
		fi
	done
	return 1
}

# listen_inodes PORT: prints the inode numbers of the sockets listening on a
# port.
listen_inodes() {
	listen_find "$1"
	[ "${#INODES[@]}" = 0 ] || printf '%s\n' "${INODES[@]}"
}

# listen_find PORT: sets INODES to them.
listen_find() {
	local file hex line lines fields

	INODES=()
	printf -v hex %04X "$1"
	for file in /proc/net/tcp /proc/net/tcp6; do
		[ -r "$file" ] || continue
		# Sockets that listen come first.
		mapfile -t -s 1 -n 1000 lines <"$file"
		for line in "${lines[@]}"; do
			# shellcheck disable=SC2206
			fields=($line)
			[ "${fields[3]}" = 0A ] || break
			[ "${fields[1]##*:}" != "$hex" ] ||
				INODES+=("${fields[9]}")
		done
	done
}

# fd_count [PID...]: prints how many descriptors these processes have open
# together, without them all children of adit.  Needs /proc.
fd_count() {
	descriptors "$@"
	echo "$DESCRIPTORS"
}

# descriptors [PID...]: sets DESCRIPTORS to that.
descriptors() {
	local pid fds

	if [ $# = 0 ]; then
		children
		set -- "${CHILDREN[@]}"
	fi
	DESCRIPTORS=0
	for pid; do
		fds=("/proc/$pid/fd/"[0-9]*)
		[ "${fds[0]}" = "/proc/$pid/fd/[0-9]*" ] ||
			DESCRIPTORS=$((DESCRIPTORS + ${#fds[@]}))
	done
}

# fd_count_is N [PID...]: for wait_for.
fd_count_is() {
	local n=$1

	shift
	descriptors "$@"
	[ "$DESCRIPTORS" = "$n" ]
}

# resident [PID...]: prints the resident memory of these processes in total, in
# KiB; by default of all children of adit.  Needs /proc.
resident() {
	local pid name value n=0

	# shellcheck disable=SC2046
	[ $# -gt 0 ] || set -- $(child_pids)
	for pid; do
		while read -r name value _; do
			[ "$name" != VmRSS: ] || n=$((n + value))
		done <"/proc/$pid/status"
	done
	echo "$n"
}

# ticks PID...: prints the processor time that these processes have used in
# total, in clock ticks.  Needs /proc.
ticks() {
	local pid

	for pid; do
		sed 's/.*) //' "/proc/$pid/stat"
	done | awk '{ n += $12 + $13 } END { print n }'
}

# sleeps PID: prints how often the process has gone to sleep.  Needs Linux.
sleeps() {
	awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"
}

# peer_start NAME MODE ARGUMENT...: starts a peer that prints its port (modes
# server, echod, full, closed) in the background and waits for the port; sets
# NAME_PORT and NAME_PID.  Its output goes to $DIR/NAME.out, NAME.err.
peer_start() {
	local name=$1

	shift
	client_pid "$name" "$@"
	wait_for peer_ready_or_dead "$name"
	if ! [ -s "$DIR/$name.out" ]; then
		cat "$DIR/$name.err"
		return 1
	fi
	read -r "${name?}_PORT" <"$DIR/$name.out"
}

peer_ready_or_dead() {
	local pid=$1_PID

	[ -s "$DIR/$1.out" ] || dead "${!pid}"
}

# client_start NAME ARGUMENT...: starts `peer client ARGUMENT...` in the
# background; sets NAME_PID.  Its output goes to $DIR/NAME.out, NAME.err.
client_start() {
	local name=$1

	shift
	client_pid "$name" client "$@"
}

client_pid() {
	local name=$1

	shift
	: >"$DIR/$name.out"
	"$PEER" "$@" >"$DIR/$name.out" 2>"$DIR/$name.err" </dev/null 3>&- &
	printf -v "${name}_PID" %s "$!"
	own_pid "$!"
}

# peer_wait NAME: waits until that peer has ended by itself; prints its output
# (without the port of a server) and returns its status.
peer_wait() {
	local pid=$1_PID status=0

	if ! wait_for -t 60 dead "${!pid}"; then
		return 1
	fi
	wait "${!pid}" || status=$?
	if [ -s "$DIR/$1.out" ] || [ -s "$DIR/$1.err" ]; then
		cat "$DIR/$1.out" "$DIR/$1.err"
	fi
	return "$status"
}

# peer_said NAME REGEX: whether a line of that peer's output matches; for
# wait_for.
peer_said() {
	file_says "$2" "$DIR/$1.out"
}

# client ARGUMENT...: a client of adit, as `peer client` to 127.0.0.1 $PORT.
# Options of peer come first: client -n 10 -- ACTION...
client() {
	local options=()

	while [ "${1#-}" != "$1" ]; do
		if [ "$1" = -- ]; then
			shift
			break
		fi
		options+=("$1" "$2")
		shift 2
	done
	"$PEER" client "${options[@]}" 127.0.0.1 "$PORT" "$@"
}

# refused_after CODE TYPE ACTION...: runs the actions, reads the reply and
# prints it; it must have that status and that Proxy-Status, be complete, and be
# followed by the end of file.
refused_after() {
	local reply code=$1 type=$2

	shift 2
	reply=$(client "$@" refused "$code") || {
		echo "after: $*"
		return 1
	}
	# Most types are plain words, for which there is no need of a program.
	[[ $'\n'$reply == *$'\n'"Proxy-Status: adit; error=$type"* ]] ||
	    grep -qx "Proxy-Status: adit; error=$type.*" <<<"$reply" || {
		printf 'after: %s\n%s\n' "$*" "$reply"
		return 1
	}
	printf '%s\n' "$reply"
}
