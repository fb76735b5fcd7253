#!/usr/bin/env bats
# What adit -t finds out about a start, without one: its exit status and its
# messages are those of the start.

load helper

bats_require_minimum_version 1.5.0

# tried STATUS LINE...: adit -t, and then a start, with these lines end with
# STATUS; 0: both succeed.  What -t has said is in $DIR/said.
tried() {
	local status=$1 got=0

	shift
	adit_conf "$@"
	timeout 20 "${ADIT_WRAP[@]}" "$ADIT" -t -c "$CONF" >"$DIR/out" \
	    2>"$DIR/said" 3>&- || got=$?
	cat "$DIR/out" "$DIR/said"
	[ "$got" = "$status" ]
	if [ "$status" = 0 ]; then
		grep -q 'the configuration is right$' "$DIR/out"
		: >"$LOG"
		adit_launch
		wait_for adit_listens
		adit_stop
		return
	fi
	got=0
	timeout 20 "${ADIT_WRAP[@]}" "$ADIT" -d -c "$CONF" >"$DIR/out" \
	    2>"$DIR/start" 3>&- || got=$?
	cat "$DIR/start"
	[ "$got" = "$status" ]
}

# Whether somebody listens on PORT.
adit_listens() {
	"${INSIDE[@]}" "$PEER" client 127.0.0.1 "$PORT" 2>/dev/null
}

# said DIRECTIVE TEXT: whether -t and the start have named the file, the line
# and the directive, and said this.
said() {
	local line place

	line=$(grep -n "^$1 " "$CONF" | tail -n 1 | cut -d : -f 1)
	place="$CONF:$line: $1: $2"
	grep -qF -- "$place" "$DIR/said"
}

# Both name the file, the line and the directive.
both_said() {
	said "$@"
	grep -qF -- "$(grep -F "$1: $2" "$DIR/said" | head -n 1)" "$DIR/start"
}

@test "trial: -t finds a log whose directory is missing, is a file, or that is a directory" {
	local d

	: >"$DIR/file"
	for d in LogFile AccessLog; do
		tried 71 "$d \"$DIR/none/x/adit.log\""
		both_said "$d" "$DIR/none/x/adit.log: $DIR/none: No such file"
		tried 71 "$d \"$DIR/file/adit.log\""
		both_said "$d" "$DIR/file/adit.log: $DIR/file: Not a directory"
		tried 71 "$d \"$DIR\""
		both_said "$d" "$DIR: Is a directory"
		tried 71 "$d \"$DIR/\""
		both_said "$d" "$DIR/: it is a directory"
	done
}

@test "trial: -t finds a PID file that a start could not write" {
	local kind

	mkdir "$DIR/dir" "$DIR/dir2"
	mkfifo "$DIR/fifo"
	: >"$DIR/file"
	ln -s "$DIR/file" "$DIR/link"
	ln "$DIR/file" "$DIR/hard"
	tried 71 "PidFile \"$DIR/none/pid\""
	both_said PidFile "$DIR/none/pid: $DIR/none: No such file"
	for kind in dir fifo link hard; do
		tried 71 "PidFile \"$DIR/$kind\""
		both_said PidFile "$DIR/$kind: it "
	done
	tried 0 "PidFile \"$DIR/pid\""
}

@test "trial: -t finds files that this user may not write" {
	need_user
	mkdir "$DIR/closed"
	: >"$DIR/closed.log"
	chmod 500 "$DIR/closed"
	chmod 400 "$DIR/closed.log"
	tried 71 "LogFile \"$DIR/closed/adit.log\""
	both_said LogFile "$DIR/closed/adit.log: Permission denied"
	tried 71 "AccessLog \"$DIR/closed.log\""
	tried 71 "PidFile \"$DIR/closed/pid\""
}

@test "trial: -t finds files that root without capabilities may not write" {
	need_root
	need_command setpriv
	mkdir -m 750 "$DIR/closed"
	: >"$DIR/closed.log"
	chmod 600 "$DIR/closed.log"
	chown nobody "$DIR/closed" "$DIR/closed.log"
	ADIT_WRAP=(setpriv --bounding-set=-all --inh-caps=-all)
	tried 71 "User root" "LogFile \"$DIR/closed/adit.log\""
	both_said LogFile "$DIR/closed/adit.log: Permission denied"
	tried 71 "User root" "AccessLog \"$DIR/closed.log\""
	tried 71 "User root" "PidFile \"$DIR/closed/pid\""
}

@test "trial: -t creates no log and no PID file, and changes none" {
	adit_conf "LogFile \"$DIR/new.log\"" "AccessLog \"$DIR/old.log\"" \
	    "PidFile \"$DIR/pid\""
	echo before >"$DIR/old.log"
	echo 1 >"$DIR/pid"
	"$ADIT" -t -c "$CONF" 2>>"$STDERR"
	[ ! -e "$DIR/new.log" ]
	[ "$(cat "$DIR/old.log" "$DIR/pid")" = "before
1" ]
}

@test "trial: -t finds a Listen that is not here, in its line" {
	need_linux
	tried 71 "Listen 127.0.0.1" "Listen 192.0.2.77" "User root"
	said Listen "cannot listen on 192.0.2.77:"
	grep -q '192\.0\.2\.77:[0-9]*: ' "$DIR/start"
}

@test "trial: a Listen that stands twice, or beside all addresses, is an error" {
	local first second

	while read -r first second; do
		tried 70 "Listen $first" "Listen $second"
		said Listen "$second is already covered by $first"
	done <<-END
	127.0.0.3 127.0.0.3
	127.0.0.3 0.0.0.0
	0.0.0.0 127.0.0.3
	::1 ::
	:: ::1
	END
	tried 0 "Listen 127.0.0.1" "Listen 127.0.0.4"
}

@test "trial: a port in use is a note for -t, since adit itself may use it" {
	local line

	adit_start "LogFile \"$DIR/adit.log\"" "PidFile \"$DIR/pid\""
	line=$(grep -n '^Listen' "$CONF" | cut -d : -f 1)
	run -0 --separate-stderr "$ADIT" -t -c "$CONF"
	[[ $output == *"$CONF:$line: note: Listen: 127.0.0.1:$PORT is in use"* ]]
	[[ $output == *": the configuration is right" ]]
	client
	# It takes no client away, and ends nothing.
	for _ in 1 2 3 4 5; do
		"$ADIT" -t -c "$CONF" 2>/dev/null &
	done
	client -c 20
	wait -n
	client
}

@test "trial: -t finds that the user cannot be changed, with the status of the start" {
	need_root
	need_command setpriv
	ADIT_WRAP=(setpriv --bounding-set=-setuid,-setgid)
	tried 77 "User nobody"
	said User "this process may not change"
	mkdir -m 755 "$DIR/empty"
	ADIT_WRAP=(setpriv --bounding-set=-sys_chroot)
	tried 71 "User nobody" "Chroot \"$DIR/empty\""
	said Chroot "this process may not change its root"
}

@test "trial: as root, -t notes a file that only root could start with" {
	local note

	need_root
	need_crypt
	echo pattern >"$DIR/filter"
	printf 'carol:%s\n' '$5$3lv5Ua9HuK4So0Tx$3TBJcJ3bZanwuBuRA3qqHjZJGl/GppQThRb1YFUfJA3' |
		tee "$DIR/users" >"$DIR/more"
	sed -i s/carol/dave/ "$DIR/more"
	chmod 600 "$DIR/filter" "$DIR/users"
	chmod 644 "$DIR/more"
	tried 0 "User nobody" "AuthFile \"$DIR/users\"" \
	    "AuthFile \"$DIR/more\"" "Filter \"$DIR/filter\""
	note="$CONF:[0-9]+: note: (AuthFile: $DIR/users|Filter: $DIR/filter): user nobody cannot read it"
	[ "$(grep -cE "$note" "$DIR/out")" = 2 ]
	[ "$(grep -c 'note:' "$DIR/out")" = 2 ]
}

@test "trial: with FreeBind adit listens on an address that is not here yet" {
	network 192.0.2.1
	tried 71 "Listen 127.0.0.1" "Listen 192.0.2.77"
	said Listen "cannot listen on 192.0.2.77:"
	grep -q 'with FreeBind yes' "$DIR/said"
	stderr_expected 'No interface has'
	adit_start "Listen 127.0.0.1" "Listen 192.0.2.77" \
	    "Listen 2001:db8::77" "FreeBind yes"
	grep -qF "No interface has the address of 192.0.2.77:$PORT yet" \
	    "$STDERR"
	grep -qF "No interface has the address of [2001:db8::77]:$PORT yet" \
	    "$STDERR"
	"${INSIDE[@]}" ip addr add 192.0.2.77/32 dev lo
	"$PEER" client 192.0.2.77 "$PORT"
}
