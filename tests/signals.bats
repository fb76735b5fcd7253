#!/usr/bin/env bats
# Signals to the master and to its children, and children that die.

load helper
LOOKS_INSIDE=yes

# ended NAME WORD: waits until that peer has ended with success; it must have
# printed the word.
ended() {
	peer_wait "$1" >"$DIR/ended" || {
		cat "$DIR/ended"
		return 1
	}
	grep -qx "$2" "$DIR/ended"
}

# tunnels N: opens N tunnels through adit, with N clients in the background.
# Each prints "up", waits for $DIR/go, makes a round trip and prints "whole".
tunnels() {
	local i

	[ -n "$srv_PID" ] || peer_start srv server echo
	for i in $(seq "$1"); do
		client_start "t$i" 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up \
		    wait "$DIR/go" rtt 3 100 say whole shut eof
	done
	for i in $(seq "$1"); do
		wait_for peer_said "t$i" up
	done
}

# whole N: sets WHOLE to the number of the N tunnels that work.
whole() {
	local i

	WHOLE=0
	touch "$DIR/go"
	for i in $(seq "$1"); do
		if ended "t$i" whole; then
			WHOLE=$((WHOLE + 1))
		fi
	done
}

# many N: opens N quiet tunnels of one client, in the background.
many() {
	peer_start srv echod
	client_start many -n "$1" 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up "${@:2}"
	wait_for -t 60 peer_said many up
}

# serves: opens one tunnel after the other.
serves() {
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "signals: TERM and INT stop at once with status 0, with any number of tunnels" {
	local signal

	for signal in TERM INT; do
		: >"$LOG"
		adit_start "Workers 2"
		many 400 reset
		adit_stop "$signal"
		[ "$STATUS" = 0 ]
		# Every tunnel ends with a reset, not with an end of file.
		peer_wait many
		fails client
		log_wait '^NOTICE .*: Shutting down\.$'
		kill "$srv_PID"
	done
}

@test "signals: TERM stops while clients are in every state" {
	peer_start full full
	peer_start srv server pattern 100M
	adit_start "Workers 2"
	client_start head -n 10 127.0.0.1 "$PORT" send CONN say up gone
	client_start dial -n 10 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.1:$full_PORT HTTP/1.1\r\n\r\n" say up gone
	client_start name -n 10 127.0.0.1 "$PORT" \
	    send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\n\r\n" say up gone
	client_start busy -n 4 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    take 1M say up hold
	for c in head dial name busy; do
		wait_for peer_said $c up
	done
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "signals: TERM stops a daemon, frees its port and leaves nothing behind" {
	local children

	adit_daemon "LogFile \"$DIR/adit.log\"" "Workers 3"
	client
	children=$(child_pids)
	[ -n "$children" ]
	adit_stop
	# shellcheck disable=SC2086
	wait_for dead $children
	fails client
	grep -q 'Shutting down' "$DIR/adit.log"
}

@test "signals: QUIT lets tunnels finish, accepts no new ones, and ends with status 0" {
	adit_start
	tunnels 3
	kill -QUIT "$ADIT_PID"
	log_wait '^NOTICE .*: Draining'
	wait_for fails client
	alive "$ADIT_PID"
	whole 3
	[ "$WHOLE" = 3 ]
	wait_for dead "$ADIT_PID"
	wait "$ADIT_PID"
}

@test "signals: QUIT serves a request whose head is still arriving" {
	peer_start srv server echo
	adit_start
	client_start slow 127.0.0.1 "$PORT" send "CONNECT 127.0.0.1:" say up \
	    wait "$DIR/go" send "$srv_PORT HTTP/1.1\r\n\r\n" \
	    skip '\r\n\r\n' rtt 1 5 say whole shut eof
	wait_for peer_said slow up
	wait_for log_has 'Connect \(file'
	kill -QUIT "$ADIT_PID"
	wait_for fails client
	touch "$DIR/go"
	ended slow whole
	wait_for dead "$ADIT_PID"
	wait "$ADIT_PID"
}

@test "signals: QUIT without a tunnel ends at once" {
	adit_start
	adit_stop QUIT
	[ "$STATUS" = 0 ]
}

@test "signals: QUIT resets tunnels that are left after DrainTimeout" {
	peer_start srv server echo
	adit_start "DrainTimeout 1"
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" say up \
	    reset say torn
	wait_for peer_said t up
	adit_stop QUIT
	[ "$STATUS" = 0 ]
	ended t torn
}

@test "signals: QUIT with DrainTimeout 0 is as quick as TERM" {
	adit_start "DrainTimeout 0"
	many 50 reset
	adit_stop QUIT
	[ "$STATUS" = 0 ]
	peer_wait many
}

@test "signals: TERM ends a drain" {
	adit_start
	tunnels 1
	kill -QUIT "$ADIT_PID"
	log_wait Draining
	adit_stop TERM
	[ "$STATUS" = 0 ]
}

@test "signals: with DrainOnTerm one TERM drains and the next stops" {
	adit_start "DrainOnTerm yes"
	tunnels 2
	kill -TERM "$ADIT_PID"
	log_wait '^NOTICE .*: Draining'
	wait_for fails client
	alive "$ADIT_PID"
	adit_stop TERM
	[ "$STATUS" = 0 ]
	: >"$LOG"
	adit_start "DrainOnTerm yes"
	adit_stop TERM
	[ "$STATUS" = 0 ]
}

@test "signals: with DrainOnTerm an end of the last tunnel ends a drain, and INT stops" {
	adit_start "DrainOnTerm yes"
	tunnels 1
	kill -TERM "$ADIT_PID"
	log_wait '^NOTICE .*: Draining'
	whole 1
	[ "$WHOLE" = 1 ]
	wait_for dead "$ADIT_PID"
	wait "$ADIT_PID"
	: >"$LOG"
	adit_start "DrainOnTerm yes"
	rm "$DIR/go"
	tunnels 1
	adit_stop INT
	[ "$STATUS" = 0 ]
}

@test "signals: until DrainDelay is over new clients are served, and no reload begins" {
	adit_start "DrainDelay 3600"
	kill -QUIT "$ADIT_PID"
	log_wait 'Not ready any more: draining in 3600 seconds'
	client
	kill -HUP "$ADIT_PID"
	client
	fails log_has 'Reloading'
	adit_stop TERM
	[ "$STATUS" = 0 ]
}

@test "signals: signals that an init script sends to every process do no harm" {
	local before pid signal

	need_proc
	adit_start "Workers 2"
	tunnels 3
	before=$(child_pids)
	for signal in HUP USR1 TERM INT QUIT PIPE; do
		for pid in $before; do
			kill -$signal "$pid"
		done
	done
	serves
	whole 3
	[ "$WHOLE" = 3 ]
	[ "$(child_pids)" = "$before" ]
	fails log_has 'died|Reloading|Shutting'
}

@test "signals: TERM to every process at once is a normal stop" {
	local children

	adit_start "Workers 3"
	tunnels 2
	children=$(child_pids)
	# shellcheck disable=SC2086
	kill -TERM $children "$ADIT_PID" $children
	wait_for dead "$ADIT_PID"
	wait "$ADIT_PID"
	# shellcheck disable=SC2086
	wait_for dead $children
	fails log_has 'died'
}

@test "signals: HUP to every process at once is one reload" {
	adit_start "Workers 2"
	tunnels 2
	# shellcheck disable=SC2046
	kill -HUP $(child_pids) "$ADIT_PID"
	log_wait 'Reloading config file finished'
	serves
	whole 2
	[ "$WHOLE" = 2 ]
	fails log_has 'died'
}

@test "signals: signals without a meaning have no effect on the master" {
	adit_start
	tunnels 1
	kill -PIPE "$ADIT_PID"
	kill -CHLD "$ADIT_PID"
	kill -WINCH "$ADIT_PID"
	serves
	whole 1
	[ "$WHOLE" = 1 ]
	fails log_has 'died|Reloading|Shutting'
}

@test "signals: when the master is killed its children end" {
	local children

	adit_start "Workers 2"
	many 50 gone
	children=$(child_pids)
	[ -n "$children" ]
	kill -KILL "$ADIT_PID"
	# shellcheck disable=SC2086
	wait_for dead $children
	peer_wait many
	fails client
}

@test "signals: old children that finish their tunnels end with their master too" {
	local children

	adit_start "Workers 1"
	tunnels 1
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	children=$(child_pids)
	kill -KILL "$ADIT_PID"
	# shellcheck disable=SC2086
	wait_for dead $children
}

@test "signals: if the master was killed, adit can be started again on the same port" {
	adit_daemon "LogFile \"$DIR/adit.log\""
	many 20 gone
	kill -KILL "$ADIT_PID"
	wait_for fails client
	wait_for "$ADIT" -c "$CONF" 2>>"$STDERR" 3>&-
	ADIT_PID=$(cat "$DIR/pid")
	own_pid "$ADIT_PID"
	serves
}

# by_descriptors PID...: prints these processes, the one with the fewest
# descriptors first.
by_descriptors() {
	local pid

	for pid; do
		echo "$(fd_count "$pid") $pid"
	done | sort -n | cut -d ' ' -f 2
}

# workers_new OLD: whether two workers listen, and they are not the old ones.
workers_new() {
	local now

	now=$(worker_pids)
	[ "$(wc -w <<<"$now")" = 2 ] && [ "$now" != "$1" ]
}

@test "signals: a killed worker is logged and replaced, and the others go on" {
	local idle kept old poor rich

	need_proc
	CRASH_OK=1
	adit_start "Workers 2"
	old=$(worker_pids)
	# shellcheck disable=SC2086
	idle=$(fd_count $old)
	tunnels 10
	# shellcheck disable=SC2086
	poor=$(by_descriptors $old | sed -n 1p)
	# shellcheck disable=SC2086
	rich=$(by_descriptors $old | sed -n 2p)
	kept=$((($(fd_count "$rich") - idle / 2) / 2))
	[ "$kept" -ge 5 ]
	kill -KILL "$poor"
	log_wait "^ERROR .*: Worker [0-9]+ \(pid $poor\) died from signal 9 \([^)]+\)"
	wait_for workers_new "$old"
	serves
	whole 10
	[ "$WHOLE" = "$kept" ]
	alive "$rich"
}

@test "signals: when all workers are killed at once, they are replaced and serve" {
	local old

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 2"
	old=$(worker_pids)
	# shellcheck disable=SC2086
	kill -KILL $old
	wait_for workers_new "$old"
	serves
	[ "$(log_count 'Worker [0-9]+ \(pid [0-9]+\) died from signal 9')" = 2 ]
}

@test "signals: workers killed under load lose only their own connections" {
	local i lost

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 2"
	# One connection after the other: each death can hit one at most.
	(
		while [ ! -e "$DIR/stop" ]; do
			if "$PEER" client 127.0.0.1 "$PORT" \
			    tunnel "127.0.0.1:$srv_PORT" rtt 2 10 shut eof; then
				echo good
			else
				echo lost
			fi
		done
	) >"$DIR/stream.out" 2>"$DIR/stream.err" 3>&- &
	own_pid $!
	for i in 1 2 3 4; do
		wait_for stream_goes_on
		wait_for two_workers
		kill -KILL "$(worker_pids | shuf | head -n 1)"
		wait_for log_counts "$i" 'died from signal 9'
	done
	wait_for stream_goes_on
	touch "$DIR/stop"
	lost=$(grep -c lost "$DIR/stream.out") || true
	echo "$lost lost of $(wc -l <"$DIR/stream.out")"
	[ "$lost" -le 4 ]
}

# stream_goes_on: whether three more connections succeeded.
stream_goes_on() {
	local n

	n=$(grep -c good "$DIR/stream.out") || true
	wait_for goods_are $((n + 3))
}

goods_are() {
	[ "$(grep -c good "$DIR/stream.out")" -ge "$1" ]
}

@test "signals: a client in the backlog of a worker that died is served by the next" {
	local pid

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 1"
	pid=$(worker_pids)
	kill -STOP "$pid"
	client_start w 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5 \
	    say whole
	kill -KILL "$pid"
	ended w whole
}

@test "signals: a worker that dies again and again is always replaced, more and more slowly" {
	local i old

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 1"
	for i in 1 2 3 4 5 6; do
		wait_for one_worker
		old=$(worker_pids)
		kill -KILL "$old"
		wait_for log_counts "$i" 'died from signal 9'
		wait_for dead "$old"
	done
	serves
	wait_for one_worker
	[ "$(log_count 'died from signal 9')" = 6 ]
	# The first one at once; then each wait is longer, up to a few seconds.
	grep -m 1 'died from signal 9' "$LOG" | grep -q '; restarting$'
	sed -n 's/.*; restarting in \([0-9]*\) ms$/\1/p' "$LOG" >"$DIR/waits"
	[ "$(wc -l <"$DIR/waits")" = 5 ]
	sort -nu "$DIR/waits" | cmp - "$DIR/waits"
	[ "$(tail -n 1 "$DIR/waits")" -le 5000 ]
}

one_worker() {
	[ "$(worker_pids | wc -w)" = 1 ]
}

@test "signals: a worker that crashes is logged with its own signal" {
	local pid signal

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 2"
	# Sanitizers catch SEGV and similar signals.
	for signal in ABRT SYS; do
		wait_for two_workers
		pid=$(worker_pids | head -n 1)
		kill -$signal "$pid"
		log_wait "^ERROR .*: Worker [0-9]+ \(pid $pid\) died from signal $(kill -l $signal) \("
	done
	serves
}

two_workers() {
	[ "$(worker_pids | wc -w)" = 2 ]
}

@test "signals: a killed desk or helper is replaced, and names are found again" {
	local pid

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start
	pid=$(desk_pids)
	kill -KILL "$pid"
	log_wait "^ERROR .*: Desk \(pid $pid\) died from signal 9 \(.*; restarting"
	client tunnel "localhost:$srv_PORT" rtt 1 5 shut eof
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\n\r\n" refused 502
	pid=$(helper_pids)
	kill -KILL "$pid"
	log_wait "^ERROR .*: Helper \(pid $pid\) died from signal 9 \("
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\n\r\n" refused 502
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "signals: a worker that hangs does not prevent a stop" {
	local pid

	need_proc
	adit_start "Workers 2"
	pid=$(worker_pids | head -n 1)
	kill -STOP "$pid"
	adit_stop
	[ "$STATUS" = 0 ]
	kill -CONT "$pid" 2>/dev/null || true
	wait_for dead "$pid"
}

# reload: sends HUP, and waits until the reload has finished.
reload() {
	local n

	n=$(log_count 'Reloading config file finished')
	kill -HUP "$ADIT_PID"
	wait_for log_counts $((n + 1)) 'Reloading config file finished'
}

# processes REGEX: prints the children of adit with such a title.
processes() {
	local pid

	for pid in $(child_pids); do
		! grep -qaE -e "$1" "/proc/$pid/cmdline" || echo "$pid"
	done
}

# hang: the only helper is stopped, and clients wait for names.
hang() {
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\n\r\n" refused 502
	kill -STOP "$(helper_pids)"
	client_start name -n 4 127.0.0.1 "$PORT" \
	    send "CONNECT other-name.invalid:1 HTTP/1.1\r\n\r\n" say up gone
	wait_for peer_said name up
}

# become STATE: brings adit into that state.
become() {
	# shellcheck disable=SC2046
	case $1 in
	quiet) ;;
	reloading) kill -HUP "$ADIT_PID" ;;
	draining) reload ;;
	draining-more)
		client_start more 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" say up wait "$DIR/go" shut eof
		wait_for peer_said more up
		reload
		reload
		;;
	worker-killed) kill -KILL $(processes 'worker 0') ;;
	desk-killed) kill -KILL $(processes desk) ;;
	all-killed) kill -KILL $(child_pids) ;;
	stopped) kill -STOP $(child_pids) ;;
	hanging) hang ;;
	esac
}

@test "signals: TERM ends adit and all its children at once in every state" {
	local children state

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	for state in reloading draining draining-more worker-killed \
	    desk-killed all-killed stopped hanging "draining stopped" \
	    "draining reloading" "draining all-killed"; do
		echo "state: $state"
		: >"$LOG"
		adit_start "Workers 1"
		client_start t 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" say up gone
		wait_for peer_said t up
		for s in $state; do
			become "$s"
		done
		children=$(family_pids)
		kill -TERM "$ADIT_PID"
		wait_for -t 2 dead "$ADIT_PID"
		wait "$ADIT_PID"
		# shellcheck disable=SC2086
		wait_for -t 2 dead $children
	done
}

@test "signals: QUIT ends adit and all its children at once after the last tunnel" {
	local state

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	for state in quiet reloading draining draining-more stopped \
	    "draining stopped" "draining reloading"; do
		echo "state: $state"
		: >"$LOG"
		rm -f "$DIR/go"
		adit_start "Workers 1"
		client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
		    say up wait "$DIR/go" rtt 1 5 say whole shut eof
		wait_for peer_said t up
		for s in $state; do
			become "$s"
		done
		kill -QUIT "$ADIT_PID"
		wait_for fails client
		alive "$ADIT_PID"
		touch "$DIR/go"
		ended t whole
		wait_for -t 2 dead "$ADIT_PID"
		wait "$ADIT_PID"
	done
}

# starting: starts adit, and returns when it has its first child, which is most
# likely before all of them are ready.
starting() {
	: >"$LOG"
	adit_conf "Workers 1"
	adit_launch
	children
	while [ "${#CHILDREN[@]}" = 0 ] && alive "$ADIT_PID"; do
		children
	done
}

@test "signals: TERM, INT and QUIT that come while adit starts end it at once" {
	local i signal

	for signal in TERM INT QUIT; do
		for i in 1 2 3; do
			starting
			kill "-$signal" "$ADIT_PID"
			wait_for -t 2 dead "$ADIT_PID"
			wait "$ADIT_PID"
		done
	done
}

@test "signals: HUP that comes while adit starts is a reload after the start" {
	local i

	need_proc
	for i in 1 2 3; do
		starting
		kill -HUP "$ADIT_PID"
		log_wait 'Reloading config file finished'
		adit_stop
	done
	# It comes while the file is read, too.
	: >"$LOG"
	adit_conf "Workers 1" "$(printf 'Deny 10.1.%d.1\n' {1..250} {1..250})"
	adit_launch
	wait_for grep -q '^SigCgt:.*[13579bdf]$' "/proc/$ADIT_PID/status"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
}

@test "signals: a stop during a reload stops" {
	local i

	for i in 1 2 3; do
		: >"$LOG"
		adit_start "Workers 2"
		kill -HUP "$ADIT_PID"
		adit_stop
		[ "$STATUS" = 0 ]
	done
}

# shut_down PID: does what the worker PID could do: shuts down all listening
# sockets that it has.
shut_down() {
	python3 - "$1" <<-'EOF'
	import ctypes, os, socket, sys
	pid, libc = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True)
	pidfd, n = libc.syscall(434, pid, 0), 0    # pidfd_open()
	for fd in os.listdir("/proc/%d/fd" % pid):
	    copy = libc.syscall(438, pidfd, int(fd), 0)    # pidfd_getfd()
	    try:
	        s = socket.socket(fileno=copy)
	        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
	            s.shutdown(socket.SHUT_RDWR)
	            n += 1
	    except OSError:
	        pass
	sys.exit(0 if n > 0 else 77)
	EOF
}

@test "signals: listening sockets that a worker has shut down are opened anew, with other workers" {
	local before status=0

	need_linux
	need_command python3
	peer_start srv server echo
	adit_start "Workers 1" "Listen 127.0.0.1" "Listen \"$DIR/adit.sock\"" \
	    "AllowTo 127.0.0.1"
	before=$(worker_pids)
	shut_down "$before" 2>"$DIR/shut.err" || status=$?
	[ "$status" = 0 ] || skip "descriptors of a worker cannot be had ($status: $(tail -n 1 "$DIR/shut.err"))"
	log_wait '^ERROR .*: A worker has shut down a listening socket; opening it anew'
	log_wait 'Reloading config file finished'
	wait_for dead "$before"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	"$PEER" client "$DIR/adit.sock" 0 tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 5 shut eof
	[ "$(log_count 'has shut down a listening socket')" = 1 ]
}
