#!/usr/bin/env bats
# The command line: options, exit statuses, and becoming a daemon.

load helper
LOOKS_INSIDE=yes

bats_require_minimum_version 1.5.0

# Ends a daemon that a failed test has started, and has not stopped.
teardown() {
	local process

	if [ -z "$BATS_TEST_COMPLETED" ]; then
		for process in /proc/[1-9]*; do
			if grep -qsaF "$DIR/" "$process/cmdline"; then
				own_pid "${process#/proc/}"
			fi
		done
	fi
	common_teardown
}

# fd_is_null PID: whether the standard descriptors point at /dev/null.
fd_is_null() {
	local n

	for n in 0 1 2; do
		[ "$(readlink "/proc/$1/fd/$n")" = /dev/null ] || return 1
	done
}

# stat_field PID N: field N of /proc/PID/stat, see proc(5).
stat_field() {
	sed 's/.*)//' "/proc/$1/stat" | awk -v n="$2" '{ print $(n - 2) }'
}

# builtin_free: skips the test if the built-in configuration cannot be used.
builtin_free() {
	! [ -e /usr/local/etc/adit/adit.conf ] ||
		skip "there is a configuration file in the default place"
	if "$PEER" client 127.0.0.1 8888 2>/dev/null; then
		skip "port 8888 is in use"
	fi
}

# builtin_start: adit without any configuration, on port 8888.
builtin_start() {
	"$ADIT" -d >>"$LOG" 2>>"$STDERR" </dev/null 3>&- &
	ADIT_PID=$!
	own_pid "$ADIT_PID"
	PORT=8888
	log_wait 'Starting main loop. Accepting connections.'
}

@test "cli: -v prints name and version" {
	run -0 --separate-stderr "$ADIT" -v
	[[ $output =~ ^adit\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[ -z "$stderr" ]
}

@test "cli: -h explains every option on standard output" {
	local option

	run -0 --separate-stderr "$ADIT" -h
	for option in -c -d -h -T -t -v; do
		[[ $output == *"$option"* ]] || [[ $output == *"[-"*"${option#-}"* ]]
	done
	[ -z "$stderr" ]
}

@test "cli: --help and --version do what -h and -v do" {
	run -0 --separate-stderr "$ADIT" --help
	[ -z "$stderr" ]
	[ "$output" = "$("$ADIT" -h)" ]
	run -0 --separate-stderr "$ADIT" --version
	[ -z "$stderr" ]
	[ "$output" = "$("$ADIT" -v)" ]
	run -64 --separate-stderr "$ADIT" --verison
	[ -z "$output" ]
	[[ $stderr == *"unknown option: --verison; did you mean --version?"* ]]
	run -64 "$ADIT" --foreground
}

@test "cli: a wrong command line gives status 64 and the usage, unlike a failed start" {
	local args

	adit_conf
	for args in "-x" "-c" "-d -q" "extra" "-t extra" \
	    "-c $CONF extra" "-d -c $CONF extra" "-l" "-T extra" \
	    "-T 127.0.0.1 - 127.0.0.1:443"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr timeout 20 "$ADIT" $args
		[[ $stderr == *usage* ]]
		[ -z "$output" ]
	done
}

@test "cli: several options may share one dash" {
	adit_conf "ConnectPort 443"
	run -0 --separate-stderr "$ADIT" -dtc "$CONF"
	[ "$output" = "adit: $CONF: the configuration is right" ]
}

@test "cli: -t says that a configuration has no errors, and starts nothing" {
	adit_conf "ConnectPort 443" "PidFile \"$DIR/pid\"" "LogFile \"$DIR/l\""
	run -0 --separate-stderr "$ADIT" -t -c "$CONF"
	[ "$output" = "adit: $CONF: the configuration is right" ]
	[ -z "$stderr" ]
	[ ! -e "$DIR/pid" ]
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "cli: -t works while the same configuration is running" {
	adit_start
	run -0 "$ADIT" -t -c "$CONF"
	client
}

@test "cli: -t reports every error with its line, and returns 70" {
	adit_conf "Timeout -1" "ConnectPort 443" "Nonsense 5"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	grep -qE "^(adit: )?$CONF:[0-9]+: Timeout: ." <<<"$stderr"
	grep -qE "^(adit: )?$CONF:[0-9]+: Nonsense: ." <<<"$stderr"
	[ "$(grep -c . <<<"$stderr")" = 2 ]
	[ -z "$output" ]
}

@test "cli: -T prints what is in effect, and starts nothing" {
	adit_conf "ConnectPort 443" "PidFile \"$DIR/pid\"" "LogFile \"$DIR/l\""
	run -0 --separate-stderr "$ADIT" -T -c "$CONF"
	[ -z "$stderr" ]
	grep -qx "Port $PORT" <<<"$output"
	grep -qx "PidFile \"$DIR/pid\"" <<<"$output"
	[ ! -e "$DIR/pid" ]
	[ ! -e "$DIR/l" ]
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "cli: -T reports the same errors and warnings as -t, with the same status" {
	local text

	for text in "Timeout -1" "Listn ::1" "Filter \"$DIR/none\"" "Timeout 0"; do
		adit_conf "$text"
		"$ADIT" -t -c "$CONF" >"$DIR/out" 2>"$DIR/t.err" || STATUS=$?
		run "-${STATUS:-0}" --separate-stderr "$ADIT" -T -c "$CONF"
		[ "$stderr" = "$(cat "$DIR/t.err")" ]
		[ -n "$stderr" ]
		[ "${STATUS:-0}" = 0 ] || [ -z "$output" ]
		STATUS=
	done
	run -70 --separate-stderr "$ADIT" -T -c "$DIR/none.conf"
	[ "$stderr" = "adit: $DIR/none.conf: No such file or directory" ]
}

@test "cli: -T reports a full disk" {
	[ -c /dev/full ] || skip "needs /dev/full"
	adit_conf "ConnectPort 443"
	run -71 --separate-stderr sh -c "'$ADIT' -T -c '$CONF' >/dev/full"
	[[ $stderr == *"standard output: No space left on device"* ]]
}

@test "cli: without a configuration file -T prints the built-in one, which can be read again" {
	! [ -e /usr/local/etc/adit/adit.conf ] ||
		skip "there is a configuration file in the default place"
	"$ADIT" -T >"$DIR/builtin" 2>"$DIR/err"
	[ ! -s "$DIR/err" ]
	grep -qx 'Listen 127.0.0.1' "$DIR/builtin"
	grep -qx 'Allow ::1' "$DIR/builtin"
	[ "$(grep -c '^ConnectPort' "$DIR/builtin")" = 2 ]
	"$ADIT" -T -c "$DIR/builtin" >"$DIR/again" 2>"$DIR/err"
	[ ! -s "$DIR/err" ]
	cmp "$DIR/builtin" "$DIR/again"
}

@test "cli: a start with a wrong configuration says why and returns 70" {
	adit_conf "Timeout -1"
	for option in "" -d; do
		# shellcheck disable=SC2086
		run -70 --separate-stderr timeout 20 "$ADIT" $option -c "$CONF"
		grep -qE "^(adit: )?$CONF:[0-9]+: Timeout: ." <<<"$stderr"
	done
}

@test "cli: a start without the given configuration file names it and returns 70" {
	local option

	for option in -t -d ""; do
		# shellcheck disable=SC2086
		run -70 --separate-stderr timeout 20 \
		    "$ADIT" $option -c "$DIR/none.conf"
		[ "$stderr" = "adit: $DIR/none.conf: No such file or directory" ]
	done
	run -70 --separate-stderr "$ADIT" -t -c none.conf
	[[ $stderr == *none.conf:\ No\ such\ file\ or\ directory ]]
}

@test "cli: a directory or an empty name as the configuration file is refused" {
	run -70 --separate-stderr timeout 20 "$ADIT" -t -c "$DIR"
	[ -n "$stderr" ]
	run -70 --separate-stderr timeout 20 "$ADIT" -d -c ""
	[ -n "$stderr" ]
}

@test "cli: without a configuration file it serves only this machine and says how to try it" {
	builtin_free
	builtin_start
	[ "$(sed -n 1p "$LOG")" = \
	    "adit 0.1.0 listens on 127.0.0.1:8888 (no configuration file); try:" ]
	[ "$(sed -n 2p "$LOG")" = \
	    "    curl -x http://127.0.0.1:8888 https://example.com/" ]
	# Ports 443 and 563 are allowed, others are not.
	for port in 443 563; do
		client send "CONNECT 127.0.0.1:$port HTTP/1.1\r\n\r\n" \
		    head >"$DIR/reply"
		grep -qE '^HTTP/1.1 (200|502)' "$DIR/reply"
	done
	client send "CONNECT 127.0.0.1:80 HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.1:8888 HTTP/1.1\r\n\r\n" refused 403
	fails "$PEER" client ::1 8888
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "cli: without a configuration file it does not run as root" {
	local pid

	need_root
	need_proc
	builtin_free
	builtin_start
	for pid in $(child_pids); do
		grep -qE "^Uid:[[:blank:]]+$(id -u nobody)[[:blank:]]" \
		    "/proc/$pid/status"
	done
}

@test "cli: -d stays in the foreground, and returns 0 when it is stopped" {
	adit_start
	client
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "cli: a daemon is ready when the command returns" {
	peer_start srv server echo
	adit_daemon "LogFile \"$DIR/adit.log\""
	"$PEER" client 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	grep -q 'Starting main loop. Accepting connections.' "$DIR/adit.log"
	[ "$(wc -l <"$DIR/pid")" = 1 ]
	grep -qE '^[1-9][0-9]*$' "$DIR/pid"
	alive "$(cat "$DIR/pid")"
	adit_stop
}

@test "cli: a daemon can be started, stopped and started again at once, ten times" {
	local i

	adit_daemon "LogFile \"$DIR/adit.log\""
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$PEER" client 127.0.0.1 "$PORT"
		adit_stop
		"$ADIT" -c "$CONF" >>"$LOG" 2>>"$STDERR" 3>&-
		ADIT_PID=$(cat "$DIR/pid")
		own_pid "$ADIT_PID"
	done
}

@test "cli: a daemon leaves the terminal: /dev/null, its own session, no directory" {
	local pid

	need_proc
	adit_daemon "LogFile \"$DIR/adit.log\""
	for pid in "$ADIT_PID" $(child_pids); do
		fd_is_null "$pid"
		[ "$(stat_field "$pid" 7)" = 0 ]
		[ "$(readlink "/proc/$pid/cwd")" = / ]
	done
	[ "$(stat_field "$ADIT_PID" 6)" != "$(stat_field $$ 6)" ]
}

@test "cli: a daemon does not keep the pipes of the command open" {
	adit_conf "PidFile \"$DIR/pid\"" "LogFile \"$DIR/adit.log\""
	# The substitution returns only when all writers of the pipe are gone.
	run -0 timeout -k 1 20 sh -c "echo \"\$('$ADIT' -c '$CONF' 2>&1)\""
	ADIT_PID=$(cat "$DIR/pid")
	own_pid "$ADIT_PID"
	client
}

@test "cli: a daemon that inherits closed descriptors still writes its log to the right file" {
	adit_conf "PidFile \"$DIR/pid\"" "LogFile \"$DIR/adit.log\""
	"$ADIT" -c "$CONF" <&- >&- 2>&- 3>&-
	ADIT_PID=$(cat "$DIR/pid")
	own_pid "$ADIT_PID"
	client send "GET / HTTP/1.1\r\n\r\n" refused 400
	if [ -d /proc/self/fd ]; then
		fd_is_null "$ADIT_PID"
	fi
	adit_stop
	wait_for grep -q 'Shutting down' "$DIR/adit.log"
}

@test "cli: a daemon without a log gives a warning" {
	stderr_expected 'warning|no log|log'
	adit_daemon
	grep -qi 'log' "$STDERR"
	client
}

@test "cli: a daemon with a log prints nothing" {
	adit_daemon "LogFile \"$DIR/adit.log\"" "ConnectPort 443"
	[ ! -s "$STDERR" ]
	[ ! -s "$LOG" ]
}

@test "cli: a second daemon on the same port returns 71, and the first goes on" {
	local first

	adit_daemon "LogFile \"$DIR/adit.log\"" "ConnectPort 443"
	first=$(cat "$DIR/pid")
	run -71 --separate-stderr timeout 20 "$ADIT" -c "$CONF"
	[[ $stderr == *"127.0.0.1:$PORT"* ]]
	[[ $stderr == *"in use"* ]]
	[ "$(cat "$DIR/pid")" = "$first" ]
	run -71 --separate-stderr timeout 20 "$ADIT" -d -c "$CONF"
	[[ $stderr$output == *"in use"* ]]
	[ "$(cat "$DIR/pid")" = "$first" ]
	client
}

@test "cli: an address that this machine does not have returns 71" {
	local option

	adit_conf "Listen 192.0.2.77"
	for option in "" -d; do
		# shellcheck disable=SC2086
		run -71 --separate-stderr timeout 20 "$ADIT" $option -c "$CONF"
		[[ $stderr$output == *192.0.2.77* ]]
	done
}

@test "cli: one bad Listen among good ones returns 71, and nothing keeps listening" {
	adit_conf "Listen 127.0.0.1" "Listen 192.0.2.77"
	run -71 timeout 20 "$ADIT" -c "$CONF"
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "cli: a PID file that cannot be written returns 71, and nothing keeps running" {
	local option

	for option in "" -d; do
		adit_conf "PidFile \"$DIR/none/pid\"" "LogFile \"$DIR/adit.log\""
		# shellcheck disable=SC2086
		run -71 timeout 20 "$ADIT" $option -c "$CONF"
		fails "$PEER" client 127.0.0.1 "$PORT"
	done
}

@test "cli: a log file that cannot be opened returns 71" {
	local option

	for option in "" -d; do
		adit_conf "LogFile \"$DIR/none/adit.log\""
		# shellcheck disable=SC2086
		run -71 --separate-stderr timeout 20 "$ADIT" $option -c "$CONF"
		[[ $stderr == *"$DIR/none/adit.log"* ]]
		adit_conf "AccessLog \"$DIR/none/access.log\""
		# shellcheck disable=SC2086
		run -71 --separate-stderr timeout 20 "$ADIT" $option -c "$CONF"
		[[ $stderr == *"$DIR/none/access.log"* ]]
	done
}

@test "cli: a start that fails names the line of the directive" {
	local line

	for line in 'Listen 192.0.2.77' "LogFile \"$DIR/none/log\"" \
	    "AccessLog \"$DIR/none/log\"" "PidFile \"$DIR/none/pid\""; do
		printf 'Port %s\nConnectPort 443\nUser %s\n# x\n%s\n' \
		    "$(free_port)" "${ADIT_TEST_USER:-nobody}" "$line" >"$CONF"
		run -71 --separate-stderr timeout 20 "$ADIT" -c "$CONF"
		[[ $stderr == *"$CONF:5: ${line%% *}: "* ]]
	done
}

@test "cli: a user or group that does not exist is reported with its line" {
	need_root
	local line

	for line in 'User nosuchuser' 'User nobody\nGroup nosuchgroup'; do
		printf 'Port 8888\nConnectPort 443\n%b\n' "$line" >"$CONF"
		run -67 --separate-stderr timeout 20 "$ADIT" -t -c "$CONF"
		[[ $stderr == *"$CONF:$(wc -l <"$CONF"): "*": there is no "* ]]
	done
}

@test "cli: -d writes a PID file too" {
	adit_start "PidFile \"$DIR/pid\""
	[ "$(cat "$DIR/pid")" = "$ADIT_PID" ]
}

@test "cli: an old PID file does not prevent a start" {
	echo 2147483647 >"$DIR/pid"
	adit_daemon "LogFile \"$DIR/adit.log\""
	[ "$(cat "$DIR/pid")" = "$ADIT_PID" ]
	alive "$ADIT_PID"
	"$PEER" client 127.0.0.1 "$PORT"
}

@test "cli: the PID file is removed when the daemon ends" {
	local signal

	for signal in TERM QUIT; do
		adit_daemon "LogFile \"$DIR/adit.log\""
		adit_stop $signal
		[ ! -e "$DIR/pid" ]
	done
}

@test "cli: a PID file that another process has written since then stays" {
	adit_daemon "LogFile \"$DIR/adit.log\""
	rm "$DIR/pid"
	echo 1 >"$DIR/pid"
	adit_stop
	[ "$(cat "$DIR/pid")" = 1 ]
}

@test "cli: all users can read the PID file, whatever the umask" {
	umask 077
	adit_daemon "LogFile \"$DIR/adit.log\""
	[ -n "$(find "$DIR/pid" -perm 644)" ]
}

@test "cli: no other user can write to the PID file, whatever the umask" {
	umask 0
	adit_daemon "LogFile \"$DIR/adit.log\""
	[ -z "$(find "$DIR/pid" -perm /022)" ]
	[ -z "$(find "$DIR/adit.log" -perm /022)" ]
}

@test "cli: the PID file is not written through a symbolic link of another user" {
	need_root
	mkdir -m 1777 "$DIR/run"
	echo precious >"$DIR/victim"
	ln -s "$DIR/victim" "$DIR/run/pid"
	chown -h nobody "$DIR/run/pid"
	adit_conf "PidFile \"$DIR/run/pid\"" "LogFile \"$DIR/adit.log\""
	"$ADIT" -c "$CONF" >>"$LOG" 2>"$DIR/pid.err" 3>&- || STATUS=$?
	if [ -n "$STATUS" ]; then
		[ "$STATUS" = 71 ]
		grep -q "$DIR/run/pid" "$DIR/pid.err"
	else
		ADIT_PID=$(cat "$DIR/run/pid")
		own_pid "$ADIT_PID"
		[ ! -L "$DIR/run/pid" ]
	fi
	[ "$(cat "$DIR/victim")" = precious ]
}

@test "cli: the PID file is not written through a hard link of another user" {
	need_root
	mkdir -m 1777 "$DIR/run"
	echo precious >"$DIR/victim"
	ln "$DIR/victim" "$DIR/run/pid"
	adit_conf "PidFile \"$DIR/run/pid\"" "LogFile \"$DIR/adit.log\""
	"$ADIT" -c "$CONF" >>"$LOG" 2>"$DIR/pid.err" 3>&- || STATUS=$?
	if [ -z "$STATUS" ]; then
		ADIT_PID=$(cat "$DIR/run/pid")
		own_pid "$ADIT_PID"
	fi
	[ "$(cat "$DIR/victim")" = precious ]
}

@test "cli: a FIFO in place of the PID file does not hang the start" {
	mkfifo "$DIR/pid"
	adit_conf "PidFile \"$DIR/pid\"" "LogFile \"$DIR/adit.log\""
	STATUS=0
	timeout 20 "$ADIT" -c "$CONF" >>"$LOG" 2>"$DIR/pid.err" 3>&- ||
		STATUS=$?
	if [ "$STATUS" = 0 ]; then
		[ -f "$DIR/pid" ]
		ADIT_PID=$(cat "$DIR/pid")
		own_pid "$ADIT_PID"
	else
		[ "$STATUS" = 71 ]
	fi
}

@test "cli: a reload finds a configuration that was given by a relative path" {
	stderr_expected 'warning'
	adit_conf "PidFile \"$DIR/pid\"" "LogFile \"$DIR/adit.log\""
	"$ADIT" -c "${CONF##*/}" >>"$LOG" 2>>"$STDERR" 3>&-
	ADIT_PID=$(cat "$DIR/pid")
	own_pid "$ADIT_PID"
	kill -HUP "$ADIT_PID"
	wait_for grep -q 'Reloading config file finished' "$DIR/adit.log"
	client
}

@test "cli: clients on IPv6 are served" {
	need_ipv6
	peer_start srv server -a ::1 echo
	adit_start "Listen ::1" "Allow ::1"
	"$PEER" client ::1 "$PORT" tunnel "[::1]:$srv_PORT" rtt 1 5
	log_wait "Listening on \[::1\]:$PORT"
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "cli: all Listen addresses are served, and no others" {
	peer_start srv server echo
	adit_start "Listen 127.0.0.1" "Listen 127.0.0.2"
	"$PEER" client 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	"$PEER" client 127.0.0.2 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	log_wait "Listening on 127.0.0.2:$PORT"
	fails "$PEER" client 127.0.0.3 "$PORT"
}

@test "cli: without Listen every address is served" {
	peer_start srv server echo
	PORT=$(free_port)
	adit_conf "Port $PORT" "Listen 127.0.0.1"
	sed -i.bak /Listen/d "$CONF"
	adit_launch
	adit_ready
	"$PEER" client 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	"$PEER" client 127.0.0.9 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	if "$PEER" port -a ::1 >/dev/null 2>&1; then
		"$PEER" client ::1 "$PORT" refused 403
	fi
}

# need_titles: skips the test on systems where no process can change its title.
need_titles() {
	case $(uname) in
	Linux | FreeBSD | OpenBSD | NetBSD | DragonFly) ;;
	*) skip "no process can change its title here" ;;
	esac
}

# title_has REGEX PID...: whether the title of one of the processes matches.
title_has() {
	local pid regex=$1

	shift
	for pid; do
		if ps -o args= -p "$pid" | grep -qxE -e "$regex"; then
			return 0
		fi
	done
	return 1
}

# family_has REGEX: the same for adit's children, and their children.
family_has() {
	# shellcheck disable=SC2046
	title_has "$1" $(family_pids)
}

@test "cli: ps shows what each process is, and the configuration of the master" {
	local title

	need_titles
	adit_start "Workers 2" "ConnectTimeout 5"
	title_has "adit: master $CONF" "$ADIT_PID"
	for title in 'worker 0' 'worker 1' desk; do
		family_has "adit: $title"
	done
	client_start name 127.0.0.1 "$PORT" \
	    send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\n\r\n" say up hold
	wait_for family_has 'adit: helper, names'
}

@test "cli: ps shows which workers drain and which accept clients" {
	need_titles
	peer_start srv server echo
	adit_start "Workers 1"
	client_start held 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 5 say up wait "$DIR/go" shut eof
	wait_for peer_said held up
	fails family_has '.*draining'
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	family_has 'adit: worker 0'
	family_has 'adit: worker 0, draining'
	touch "$DIR/go"
	peer_wait held
	wait_for fails family_has '.*draining'
}

@test "cli: pgrep and killall find all processes by the name of the program" {
	local pid

	need_proc
	adit_start "Workers 2"
	for pid in "$ADIT_PID" $(child_pids); do
		[ "$(ps -o comm= -p "$pid")" = "$(basename "$ADIT")" ]
	done
}

@test "cli: a title fills the room of the command line, and no more" {
	local whole

	need_linux
	ADIT_WRAP=(bash -c 'exec -c -a a "$@"' bash)
	adit_start "Workers 1"
	whole="adit: master $CONF"
	# The room of "a -d -c $CONF".
	[ "$(ps -o args= -p "$ADIT_PID")" = "${whole:0:8 + ${#CONF}}" ]
	[ "$(tr -d '\0' <"/proc/$ADIT_PID/cmdline" | wc -c)" = \
	    $((8 + ${#CONF})) ]
	family_has 'adit: worker 0'
}

@test "cli: without room for a title the command line stays" {
	local pid

	need_linux
	builtin_free
	ADIT_WRAP=(bash -c 'exec -c -a a "$1" -d' bash)
	adit_conf "Port 8888"
	adit_launch
	log_wait 'Starting main loop. Accepting connections.'
	[ "$(ps -o args= -p "$ADIT_PID")" = 'a -d' ]
	for pid in $(child_pids); do
		[ "$(ps -o args= -p "$pid")" = 'a -d' ]
	done
}
