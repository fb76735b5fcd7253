#!/usr/bin/env bats
# Under a service manager: sockets that it hands over, and messages to it.

load helper
LOOKS_INSIDE=yes

bats_require_minimum_version 1.5.0

setup() {
	common_setup
	NOTES=$DIR/notes
	MANAGER=("$BUILD/manager" -o "$NOTES")
	[ -x "$BUILD/manager" ] || skip "manager was not built"
}

# notes N: whether the manager has got N messages.
notes() {
	[ "$(grep -c = "$NOTES")" = "$1" ]
}

# note N: prints the Nth message.
note() {
	grep = "$NOTES" | sed -n "$1p"
}

# given N: prints the port of the Nth socket.
given() {
	sed -n 's/^port //p' "$NOTES" | sed -n "$1p"
}

# reload: sends HUP, and waits until the reload has finished.
reload() {
	local n

	n=$(log_count 'Reloading config file (finished|failed)')
	kill -HUP "$ADIT_PID"
	wait_for reloaded $((n + 1))
}

reloaded() {
	[ "$(log_count 'Reloading config file (finished|failed)')" = "$1" ]
}

@test "service: the manager learns when it is ready, by a socket with a path or an abstract one" {
	local name

	# Only Linux has names without a file.
	for name in "$DIR/notify" "@$DIR/notify"; do
		[ "$(uname)" = Linux ] || [ "${name#@}" = "$name" ] || continue
		ADIT_WRAP=("${MANAGER[@]}" -s "$name")
		adit_start
		wait_for notes 1
		[ "$(note 1)" = "READY=1 MAINPID=$ADIT_PID STATUS=Serving" ]
		client
		adit_stop
		wait_for notes 2
		[ "$(note 2)" = STOPPING=1 ]
		: >"$LOG"
	done
}

@test "service: the manager learns the process number of a daemon" {
	ADIT_WRAP=("${MANAGER[@]}" -s "$DIR/notify")
	adit_conf "PidFile \"$DIR/pid\"" "LogFile \"$DIR/adit.log\""
	"${ADIT_WRAP[@]}" "$ADIT" -c "$CONF" >>"$LOG" 2>>"$STDERR" 3>&-
	ADIT_PID=$(cat "$DIR/pid")
	own_pid "$ADIT_PID"
	wait_for notes 1
	[ "$(note 1)" = "READY=1 MAINPID=$ADIT_PID STATUS=Serving" ]
}

@test "service: the manager learns when a reload begins and when it ends, with success or not" {
	local first

	ADIT_WRAP=("${MANAGER[@]}" -s "$DIR/notify")
	adit_start
	kill -HUP "$ADIT_PID"
	wait_for notes 3
	[[ $(note 2) =~ ^RELOADING=1\ MONOTONIC_USEC=([0-9]+)$ ]]
	first=${BASH_REMATCH[1]}
	[ "$(note 3)" = "READY=1 MAINPID=$ADIT_PID STATUS=Serving" ]
	echo "Nonsense 1" >>"$CONF"
	kill -HUP "$ADIT_PID"
	wait_for notes 5
	[[ $(note 4) =~ ^RELOADING=1\ MONOTONIC_USEC=([0-9]+)$ ]]
	[ "${BASH_REMATCH[1]}" -gt "$first" ]
	[[ $(note 5) == "READY=1 MAINPID=$ADIT_PID STATUS=Reload failed: "*"Nonsense"* ]]
	sed -i.bak '/^Nonsense/d' "$CONF"
	kill -HUP "$ADIT_PID"
	wait_for notes 7
	[ "$(note 7)" = "READY=1 MAINPID=$ADIT_PID STATUS=Serving" ]
}

@test "service: a drain asks the manager for time, says what is left, and is a stop only at its end" {
	ADIT_WRAP=("${MANAGER[@]}" -s "$DIR/notify")
	peer_start srv server echo
	adit_start "DrainDelay 1"
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" say up \
	    wait "$DIR/go" rtt 3 100 say whole shut eof
	wait_for peer_said t up
	kill -QUIT "$ADIT_PID"
	wait_for notes 3
	[ "$(note 2)" = "STATUS=Draining in 1 seconds EXTEND_TIMEOUT_USEC=61000000" ]
	[ "$(note 3)" = "STATUS=Draining: 1 connection left EXTEND_TIMEOUT_USEC=60000000" ]
	log_wait 'Draining: 1 connection left'
	touch "$DIR/go"
	peer_wait t
	wait_for dead "$ADIT_PID"
	wait_for notes 4
	[ "$(note 4)" = STOPPING=1 ]
}

@test "service: a start that fails is never reported as ready" {
	ADIT_WRAP=("${MANAGER[@]}" -s "$DIR/notify")
	adit_conf "Listen 192.0.2.77"
	run -71 timeout 20 "${ADIT_WRAP[@]}" "$ADIT" -d -c "$CONF"
	notes 0
}

@test "service: a missing manager or a malformed path does not prevent it from serving" {
	local path

	for path in "$DIR/none" "relative" "@" "/$(printf '%0200d' 1)"; do
		ADIT_WRAP=(env NOTIFY_SOCKET="$path")
		adit_start
		client
		reload
		adit_stop
		: >"$LOG"
	done
}

@test "service: it serves the sockets that it is given, and not Port and Listen" {
	local port

	peer_start srv server echo
	ADIT_WRAP=("${MANAGER[@]}" -l 127.0.0.1 -l 127.0.0.1)
	adit_start
	for port in "$(given 1)" "$(given 2)"; do
		"$PEER" client 127.0.0.1 "$port" \
		    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
		log_wait "Listening on 127.0.0.1:$port"
	done
	fails client
	log_wait 'The sockets come from the service manager'
}

@test "service: given sockets survive reloads and workers, whatever Port and Listen say" {
	local pid

	peer_start srv server echo
	ADIT_WRAP=("${MANAGER[@]}" -l 127.0.0.1)
	adit_start "Workers 2"
	CRASH_OK=1
	PORT=$(given 1)
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5 \
	    say up wait "$DIR/go" rtt 3 100 say whole shut eof
	wait_for peer_said t up
	sed -i.bak 's/^Listen.*/Listen 127.0.0.3/' "$CONF"
	reload
	sed -i.bak '/^Listen/d' "$CONF"
	reload
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	touch "$DIR/go"
	peer_wait t
	for pid in $(worker_pids); do
		kill -KILL "$pid"
	done
	wait_for client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "service: a given socket cannot be a target, by any address" {
	ADIT_WRAP=("${MANAGER[@]}" -l 127.0.0.1 -l 0.0.0.0)
	adit_start "AllowTo 127.0.0.0/8"
	PORT=$(given 1)
	client send "CONNECT 127.0.0.1:$(given 1) HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.1:$(given 2) HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.9:$(given 2) HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.9:$(given 1) HTTP/1.1\r\n\r\n" refused 502
}

@test "service: on a given socket for both families IPv4 clients match IPv4 rules" {
	need_linux
	need_ipv6
	peer_start srv server echo
	ADIT_WRAP=("${MANAGER[@]}" -l ::)
	adit_start "Allow 127.0.0.2" "Allow ::1"
	PORT=$(given 1)
	"$PEER" client -b 127.0.0.2 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	"$PEER" client -b 127.0.0.3 127.0.0.1 "$PORT" refused 403
	"$PEER" client ::1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	"$PEER" client -b 127.0.0.2 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.1:$PORT HTTP/1.1\r\n\r\n" refused 403
}

@test "service: sockets that are meant for another process are not used" {
	ADIT_WRAP=("${MANAGER[@]}" -p 1 -l 127.0.0.1)
	adit_start
	client
	fails "$PEER" client 127.0.0.1 "$(given 1)"
	fails log_has 'service manager'
}

@test "service: a descriptor that is not a listening TCP or Unix socket stops the start, and is named" {
	local socket

	adit_conf
	for socket in "-b 127.0.0.1"; do
		# shellcheck disable=SC2086
		run -71 timeout 20 "${MANAGER[@]}" -l 127.0.0.1 $socket \
		    -n "web:other:third" "$ADIT" -d -c "$CONF"
		[[ $output == *"adit: Descriptor 4 (other) from the service manager is not a listening TCP or Unix socket"* ]]
	done
	run -71 timeout 20 env -u LISTEN_FDNAMES "${MANAGER[@]}" -b 127.0.0.1 \
	    "$ADIT" -d -c "$CONF"
	[[ $output == *"Descriptor 3 from the service manager"* ]]
	# Fewer sockets than announced.
	run -71 timeout 20 "${MANAGER[@]}" -l 127.0.0.1 \
	    sh -c 'LISTEN_FDS=2 exec "$@"' - "$ADIT" -d -c "$CONF"
	[[ $output == *"Descriptor 4 from the service manager"* ]]
}

@test "service: Unix sockets that it is given have clients, rules name them, and they are not removed" {
	adit_conf "AllowTo * client \"$DIR/unix\""
	peer_start srv server echo
	"${MANAGER[@]}" -l 127.0.0.1 -u "$DIR/unix" "$ADIT" -d -c "$CONF" \
	    >>"$LOG" 2>>"$STDERR" </dev/null 3>&- &
	ADIT_PID=$!
	own_pid "$ADIT_PID"
	log_wait 'Starting main loop'
	# The rule allows it; the floor for this machine refuses it.
	"$PEER" client "$DIR/unix" 0 send \
	    "CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 403
	log_wait "Refused address of 127.0.0.1:$srv_PORT: .* client $DIR/unix, uid"
	reload
	kill -USR2 "$ADIT_PID"
	log_wait 'Upgraded to'
	wait_for reloaded 2
	sed -i.bak "s,^AllowTo.*,AllowTo 127.0.0.1 client \"$DIR/unix\"," "$CONF"
	reload
	"$PEER" client "$DIR/unix" 0 tunnel "127.0.0.1:$srv_PORT" rtt 1 10
	kill "$ADIT_PID"
	wait_for dead "$ADIT_PID"
	[ -S "$DIR/unix" ]
}

@test "service: more sockets than it can serve stop the start" {
	adit_conf
	for n in 65 99999999999999999999; do
		run -71 timeout 20 "${MANAGER[@]}" -l 127.0.0.1 \
		    sh -c 'n=$1; shift; LISTEN_FDS=$n exec "$@"' - $n \
		    "$ADIT" -d -c "$CONF"
		[[ $output == *"more than 64 sockets"* ]]
	done
}

@test "service: malformed variables about sockets are ignored" {
	local n

	for n in -1 1x "" 0; do
		ADIT_WRAP=("${MANAGER[@]}" -l 127.0.0.1
		    sh -c 'n=$1; shift; LISTEN_FDS=$n exec "$@"' - "$n")
		adit_start
		client
		adit_stop
		: >"$LOG"
	done
}

@test "service: each process has given sockets open once, and no other descriptor of the manager" {
	local pid n

	need_proc
	ADIT_WRAP=("${MANAGER[@]}" -l 127.0.0.1 -s "$DIR/notify")
	adit_start
	PORT=$(given 1)
	for pid in "$ADIT_PID" $(worker_pids); do
		n=$(find "/proc/$pid/fd" -lname "socket:\[$(listen_inodes "$PORT")\]" |
			wc -l)
		[ "$n" = 1 ]
	done
	for pid in $(desk_pids); do
		fails holds_socket "$pid" "$(listen_inodes "$PORT")"
	done
	for pid in "$ADIT_PID" $(family_pids); do
		fails grep -q notes < <(readlink "/proc/$pid/fd"/*)
	done
	n=$(fd_count "$ADIT_PID")
	reload
	reload
	wait_for fd_count_is "$n" "$ADIT_PID"
}
