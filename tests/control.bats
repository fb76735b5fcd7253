#!/usr/bin/env bats
# ControlSocket: what is asked there, and by whom.

load helper
load control

setup() {
	common_setup
	need_command nc
	nc -h 2>&1 | grep -q -e -U || skip "needs nc with -U"
	SOCK=$DIR/control
	AS=()
}

# control_start [LINE...]: starts adit with a control socket and an access log.
control_start() {
	adit_start "ControlSocket \"$SOCK\"" "AccessLog \"$DIR/access\"" "$@"
}

# tunnel_open NAME [USER:PASSWORD]: opens a tunnel to the server srv that stays.
tunnel_open() {
	local auth=

	[ -z "${2:-}" ] ||
		auth="Proxy-Authorization: Basic $(printf %s "$2" | base64)\r\n"
	client_start "$1" 127.0.0.1 "$PORT" send \
	    "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n$auth\r\n" head rtt 1 5 \
	    say open hold
	wait_for peer_said "$1" open
}

# tunnels_are N: whether so many tunnels are shown; for wait_for.
tunnels_are() {
	asked 0 sessions
	[ "$(grep -c . <<<"$OUT")" = "$1" ]
}

@test "control: status and ready" {
	control_start
	asked 0 status
	grep -q "^version: *$("$ADIT" -v | cut -d ' ' -f 2)\$" <<<"$OUT"
	grep -q '^state: *running; ready$' <<<"$OUT"
	grep -q "^master: *$ADIT_PID, for [0-9]* s\$" <<<"$OUT"
	asked 0 ready
	[ "$OUT" = ready ]
	asked 0 STATUS
	if command -v jq >/dev/null; then
		asked 0 -j status
		[ "$(jq -r '.phase, .ready, .pid' <<<"$OUT")" = "running
true
$ADIT_PID" ]
	fi
}

@test "control: ready says no while all workers are stopped, or while it drains" {
	local pid

	need_proc
	peer_start srv echod
	control_start "Workers 2"
	tunnel_open t
	for pid in $(worker_pids); do
		kill -STOP "$pid"
	done
	asked 1 ready
	[ -n "$ERR" ]
	for pid in $(worker_pids); do
		kill -CONT "$pid"
	done
	wait_for asked 0 ready
	asked 0 drain
	wait_for asked 1 ready
	[ "$ERR" = draining ]
	asked 0 status
	grep -q '^state: *draining; not ready: draining$' <<<"$OUT"
	asked 1 reload
	asked 1 upgrade
	kill "$t_PID"
	wait_for dead "$ADIT_PID"
	[ ! -e "$SOCK" ]
}

@test "control: sessions by id, client, user and target" {
	local id

	peer_start srv echod
	control_start "BasicAuth alice a" "BasicAuth bob b"
	tunnel_open a alice:a
	tunnel_open b bob:b
	asked 0 sessions
	[ "$(grep -c . <<<"$OUT")" = 2 ]
	asked 0 sessions user alice
	[ "$(cut -f 2-5 <<<"$OUT")" = "$(printf '127.0.0.1\talice\t%s\t%s' \
	    "127.0.0.1:$srv_PORT" "127.0.0.1:$srv_PORT")" ]
	[ "$(cut -f 6,7 <<<"$OUT")" = "$(printf '5\t5')" ]
	id=$(cut -f 1 <<<"$OUT")
	asked 0 sessions "$id"
	[ "$(cut -f 3 <<<"$OUT")" = alice ]
	for filter in "client 127.0.0.0/8" "client ::ffff:127.0.0.1" \
	    "target 127.0.0.1" "target 127.0.0.1:$srv_PORT"; do
		asked 0 sessions "$filter"
		[ "$(grep -c . <<<"$OUT")" = 2 ]
	done
	for filter in "client 127.0.0.2" "target 127.0.0.1:1" "user eve" 99.9 \
	    "target 127.0.0"; do
		asked 0 sessions "$filter"
		[ -z "$OUT" ]
	done
	if command -v jq >/dev/null; then
		asked 0 -j sessions user bob
		[ "$(jq -r '.user, .bytes_up, .tunnel' <<<"$OUT")" = "bob
5
true" ]
	fi
}

@test "control: kill by id, client, user and target" {
	local which

	peer_start srv echod
	control_start "BasicAuth alice a" "BasicAuth bob b" \
	    "BasicAuth j\"x b"
	tunnel_open bob bob:b
	for which in id "client 127.0.0.1" "user alice" \
	    "target 127.0.0.1:$srv_PORT"; do
		tunnel_open a alice:a
		if [ "$which" = id ]; then
			asked 0 sessions user alice
			which=$(cut -f 1 <<<"$OUT")
		fi
		asked 0 kill "$which"
		[[ $OUT =~ ^(1 connection|2 connections)\ ended$ ]]
		if [[ $OUT = 2* ]]; then
			wait_for tunnels_are 0
			tunnel_open bob bob:b
		fi
		wait_for tunnels_are 1
		kill "$a_PID"
	done
	asked 1 kill user alice
	[ "$ERR" = "0 connections ended" ]
	asked 0 kill user bob
	wait_for grep -q ' alice .* 200/killed ' "$DIR/access"
	fails grep -v ' 200/killed ' "$DIR/access"
	log_wait "^NOTICE .*ControlSocket: user $(id -u): 1 connection ended"
}

@test "control: a client whose tunnel is killed gets a reset" {
	peer_start srv echod
	control_start
	client_start c 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    say open reset
	wait_for peer_said c open
	wait_for tunnels_are 1
	asked 0 kill target 127.0.0.1
	peer_wait c
}

@test "control: a user whose name is not plain ASCII" {
	peer_start srv echod
	printf 'BasicAuth j\303\274rgen a\n' >"$DIR/line"
	control_start "$(cat "$DIR/line")"
	tunnel_open t "$(printf 'j\303\274rgen:a')"
	asked 0 sessions "user j\303\274rgen"
	[ "$(grep -c . <<<"$OUT")" = 1 ]
	asked 0 kill "user j\303\274rgen"
}

@test "control: reload waits for its result, and gives the messages and the status of a start" {
	control_start
	asked 0 reload
	[ "$OUT" = "generation 2 serves" ]
	cp "$CONF" "$DIR/right"
	echo "Prot 1" >>"$CONF"
	asked 70 reload
	grep -qF "$CONF:$(wc -l <"$CONF"): " <<<"$ERR"
	grep -qi "unknown directive" <<<"$ERR"
	client close
	asked 0 status
	grep -q '^reloads: .*1 failed; the last one: ' <<<"$OUT"
	cp "$DIR/right" "$CONF"
	echo "ControlGroup no-such-group" >>"$CONF"
	asked 67 reload
	grep -qF "ControlGroup: no-such-group: no such group" <<<"$ERR"
	cp "$DIR/right" "$CONF"
	echo "PacFile \"$DIR/none\"" >>"$CONF"
	ask reload
	[ "$STATUS" != 0 ]
	cp "$DIR/right" "$CONF"
	asked 0 reload
	asked 0 status
	grep -q '^state: *running; ready$' <<<"$OUT"
}

# denied: whether the new rules hold for a client; for wait_for.
denied() {
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
}

@test "control: a reload is answered when no worker with the old rules takes clients any more" {
	need_proc
	peer_start srv server echo
	control_start "Workers 1"
	client tunnel "127.0.0.1:$srv_PORT"
	cp "$CONF" "$DIR/right"
	echo "DenyTo 127.0.0.1" >"$CONF"
	cat "$DIR/right" >>"$CONF"
	# A debugger has the worker.  One that is only stopped, the master lets go
	# on.
	mkfifo "$DIR/orders"
	# The debugger may give up at once.
	exec 7<>"$DIR/orders"
	"$BUILD/drive" "$(worker_pids)" <"$DIR/orders" >"$DIR/held" \
	    2>"$DIR/drive.err" 3>&- 7>&- &
	own_pid "$!"
	echo 'close 999' >&7
	wait_for held_or_dead "$!"
	[ -s "$DIR/held" ] || skip "$(cat "$DIR/drive.err")"
	"$ADIT" -s -c "$CONF" reload >"$DIR/said" 2>"$DIR/heard" 3>&- 7>&- &
	own_pid "$!"
	wait_for denied
	# Time for an answer that comes too early.
	asked 0 status
	asked 0 status
	asked 0 status
	[ ! -s "$DIR/said" ]
	exec 7>&-
	wait_for file_says "^generation 2 serves" "$DIR/said"
}

# held_or_dead PID: whether that debugger has a process, or has given up.
held_or_dead() {
	[ -s "$DIR/held" ] || dead "$1"
}

# control_pids: prints the control processes.
control_pids() {
	ps -o pid=,args= --ppid "$ADIT_PID" | awk '/: control/ { print $1 }'
}

@test "control: a process that was stopped goes on, and one that was replaced is not left behind" {
	local pid

	need_proc
	control_start
	asked 0 ready
	pid=$(control_pids)
	know_pid "$pid"
	kill -STOP "$pid"
	wait_for grep -q '^State:.T' "/proc/$pid/status"
	kill -CONT "$pid"
	# The master answers this, after it has seen what happens to children.
	asked 0 log info
	asked 0 log info
	[ "$(control_pids)" = "$pid" ]
	[ "$(log_count 'Control process')" = 0 ]
	kill -STOP "$pid"
	kill -HUP "$ADIT_PID"
	log_wait "Reloading config file finished"
	asked 0 ready
	wait_for dead "$pid"
	pid=$(control_pids)
	know_pid "$pid"
	kill -STOP "$pid"
	kill -USR2 "$ADIT_PID"
	log_wait "Upgraded to"
	wait_for dead "$pid"
	asked 0 ready
	[ "$(control_pids | wc -l)" = 1 ]
	[ "$(log_count 'Control process')" = 0 ]
}

@test "control: several reloads at once all get an answer" {
	local i

	control_start
	for i in 1 2 3 4 5; do
		echo reload | timeout 30 nc -N -U "$SOCK" >"$DIR/reload.$i" 3>&- &
		own_pid $!
	done
	for i in 1 2 3 4 5; do
		wait_for file_says '^=[01]$' "$DIR/reload.$i"
	done
	# One that came while the process changed may have to try again.
	grep -q '^=0$' "$DIR"/reload.*
}

@test "control: reopen, log, stop" {
	control_start "LogFile \"$DIR/file\""
	mv "$DIR/file" "$DIR/moved"
	asked 0 reopen
	wait_for [ -e "$DIR/file" ]
	asked 0 log notice
	client close
	client close
	asked 0 log info
	wait_for client_logged
	fails grep -q Connect "$DIR/moved"
	asked 0 stop
	wait_for dead "$ADIT_PID"
	[ ! -e "$SOCK" ]
}

# Connects, until the log says so.
client_logged() {
	client close
	file_says '^CONNECT ' "$DIR/file"
}

@test "control: log without the lines that a level leaves out" {
	control_start "LogFile \"$DIR/file\""
	asked 0 log error
	asked 64 bogus
	client close
	fails grep -q bogus "$DIR/file"
	asked 0 reload
	wait_for client_logged
}

@test "control: wrong, short, long and unknown commands" {
	local line

	control_start
	while read -r line; do
		asked 64 "$line"
		[ -n "$ERR" ]
	done <<-'END'

	   
	bogus
	statuss
	-j
	-x status
	status now
	ready ready
	reload x
	stop it
	drain 5
	kill
	kill 1
	kill 1.
	kill .1
	kill 1.2.3
	kill -1.5
	kill 1.99999999999999999999999
	kill 99999999999.1
	kill client
	kill client nowhere
	kill client 10.0.0.1/8
	kill client 10.0.0.0/8 x
	kill all
	kill user
	kill user a b
	sessions client
	sessions who alice
	log
	log loud
	log info info
	a b c d e f g h i j k
	END
	# The length ends it, the end of file, and a byte that is no text.
	ask_bytes "$(printf '%09000d' 0)"
	[ "$STATUS" = 64 ]
	ask_bytes "status $(printf '%08000d' 0)\n"
	[ "$STATUS" = 64 ]
	ask_bytes "user $(printf '%0300d' 0)\n"
	[ "$STATUS" = 64 ]
	ask_bytes 'stop'
	[ "$STATUS" = 64 ]
	ask_bytes 'stop\0\n'
	[ "$STATUS" = 64 ]
	log_wait 'ControlSocket: refused to user [0-9]*: '
	asked 0 status
	# Only the first line counts.
	ask_bytes 'status\nstop\n'
	[ "$STATUS" = 0 ]
	alive "$ADIT_PID"
}

@test "control: another user may ask, and change nothing" {
	need_root
	need_command setpriv
	peer_start srv echod
	chmod 711 "$DIR"
	control_start "ControlMode 0666"
	tunnel_open t
	AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	asked 0 status
	asked 0 ready
	asked 0 sessions
	[ "$(grep -c . <<<"$OUT")" = 1 ]
	for command in reload reopen drain stop upgrade "log error" \
	    "kill client 127.0.0.1" "kill target 127.0.0.1"; do
		asked 1 "$command"
		grep -q 'only root and the user who has started adit' <<<"$ERR"
	done
	AS=()
	tunnels_are 1
	[ "$(log_count 'ControlSocket: refused')" = 8 ]
}

@test "control: the mode and the group of the socket" {
	need_root
	need_command setpriv
	command -v stat >/dev/null || skip "needs stat"
	chmod 711 "$DIR"
	control_start
	[ "$(stat -c %a "$SOCK")" = 660 ]
	AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	fails ask status
	AS=()
	printf 'ControlMode 0620\nControlGroup 65534\n' >>"$CONF"
	asked 0 reload
	[ "$(stat -c '%a %g' "$SOCK")" = "620 65534" ]
	AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	asked 0 status
}

@test "control: a socket that is left is replaced, one in use is an error" {
	control_start
	adit_stop KILL
	wait_for processes_end
	[ -S "$SOCK" ]
	: >"$LOG"
	control_start
	asked 0 ready
	cp "$CONF" "$DIR/first"
	adit_conf "ControlSocket \"$SOCK\""
	status=0
	timeout 20 "$ADIT" -d -c "$CONF" >"$DIR/out" 2>&1 || status=$?
	[ "$status" = 71 ]
	grep -qF "ControlSocket: $SOCK: another process listens there" "$DIR/out"
	asked 0 ready
	"$ADIT" -t -c "$CONF" >"$DIR/out" 2>&1
	grep -qF "note: ControlSocket: $SOCK is in use" "$DIR/out"
}

@test "control: -t finds what is wrong with a ControlSocket" {
	local path why

	mkdir "$DIR/open"
	chmod 777 "$DIR/open"
	: >"$DIR/file"
	mkdir "$DIR/folder"
	while read -r path why; do
		adit_conf "ControlSocket \"$path\""
		for options in -t -d; do
			status=0
			timeout 20 "$ADIT" "$options" -c "$CONF" >"$DIR/out" 2>&1 ||
				status=$?
			cat "$DIR/out"
			[ "$status" = 71 ]
			grep -F "ControlSocket: $path: " "$DIR/out" | grep -qF "$why"
		done
	done <<-END
	$DIR/none/control No such file
	$DIR/open/control other users can write to its directory
	$DIR/file there is a file that is no socket
	$DIR/folder there is a file that is no socket
	$DIR/$(printf '%0120d' 0) the path of a socket has at most
	END
	adit_conf "ControlSocket \"$SOCK\"" "ControlGroup no-such-group"
	for options in -t -d; do
		status=0
		timeout 20 "$ADIT" "$options" -c "$CONF" >"$DIR/out" 2>&1 || status=$?
		[ "$status" = 67 ]
		grep -qF "ControlGroup: no-such-group: no such group" "$DIR/out"
	done
	[ ! -e "$SOCK" ]
}

@test "control: a reload moves the socket, and a failed one leaves it" {
	local old=$SOCK

	control_start
	sed -i.bak "s,^ControlSocket.*,ControlSocket \"$DIR/other\"," "$CONF"
	asked 0 reload
	SOCK=$DIR/other
	wait_for asked 0 ready
	[ ! -e "$old" ]
	sed -i.bak "s,^ControlSocket.*,ControlSocket \"$DIR/none/x\"," "$CONF"
	asked 71 reload
	asked 0 ready
	sed -i.bak '/^ControlSocket/d' "$CONF"
	asked 0 reload
	[ ! -e "$SOCK" ]
}

@test "control: peers that say nothing do not keep others away" {
	local i

	control_start
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		nc -U "$SOCK" <>"$NAP" >/dev/null 2>&1 3>&- &
		own_pid $!
	done
	asked 0 status
}
