#!/usr/bin/env bats
# HUP and USR1: new rules and new logs, without disturbing a client.

load helper
LOOKS_INSIDE=yes
load stream

# reload [SIGNAL]: sends HUP, or that signal, and waits until the reload has
# finished.
reload() {
	local n

	n=$(log_count 'Reloading config file finished')
	kill -"${1:-HUP}" "$ADIT_PID"
	wait_for log_counts $((n + 1)) 'Reloading config file finished'
}

# reload_fails: the same for a wrong configuration.
reload_fails() {
	local n

	n=$(log_count 'Reloading config file failed!')
	kill -HUP "$ADIT_PID"
	wait_for log_counts $((n + 1)) 'Reloading config file failed!'
}

# children_are N, for wait_for.
children_are() {
	[ "$(child_pids | wc -l)" = "$1" ]
}

@test "reload: new rules are in force as soon as the log says that the reload has finished" {
	peer_start srv server echo
	adit_start
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	echo "ConnectPort 443" >>"$CONF"
	reload HUP
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	echo "ConnectPort $srv_PORT" >>"$CONF"
	reload USR1
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	echo "BasicAuth alice secret" >>"$CONF"
	reload
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 407
	sed -i.bak '/^Allow/d; /^BasicAuth/d' "$CONF"
	echo "Deny 127.0.0.1" >>"$CONF"
	reload
	client refused 403
	log_wait "^NOTICE .*: Reloading config file \($CONF\)\$"
	log_wait '^NOTICE .*: Reloading config file finished$'
}

@test "reload: a reload in a daemon works as it does in the foreground" {
	peer_start srv server echo
	adit_daemon "LogFile \"$DIR/adit.log\""
	LOG=$DIR/adit.log
	echo "ConnectPort 443" >>"$CONF"
	reload
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	[ "$(cat "$DIR/pid")" = "$ADIT_PID" ]
	reload USR1
	alive "$ADIT_PID"
}

@test "reload: many reloads refuse or cut no connection" {
	peer_start srv server echo
	adit_start "Workers 2"
	stream_start
	for i in 1 2 3 4 5 6 7 8; do
		reload
	done
	stream_stop
}

@test "reload: tunnels outlive reloads" {
	local i

	peer_start srv server echo
	adit_start "Workers 2"
	for i in 1 2 3 4; do
		tunnel_start "t$i"
		reload
	done
	for i in 1 2 3 4; do
		tunnel_whole "t$i"
	done
}

@test "reload: a tunnel outlives the rule that allowed it" {
	peer_start srv server echo
	adit_start
	tunnel_start t
	sed -i.bak '/^Allow/d' "$CONF"
	echo "Deny 127.0.0.1" >>"$CONF"
	reload
	client refused 403
	tunnel_whole t
}

@test "reload: old processes end when their last tunnel has ended" {
	local n

	need_proc
	peer_start srv server echo
	adit_start "Workers 2"
	n=$(child_pids | wc -l)
	tunnel_start t
	reload
	reload
	reload
	# One worker still has a tunnel; the others and all helpers have none.
	wait_for children_are $((n + 1))
	tunnel_whole t
	wait_for children_are "$n"
}

@test "reload: a client that connected before the reload and sends its request after it is served" {
	peer_start srv server echo
	adit_start
	client_start slow 127.0.0.1 "$PORT" send "CONNECT 127.0.0.1:" say up \
	    wait "$DIR/go" send "$srv_PORT HTTP/1.1\r\n\r\n" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 5 say whole
	wait_for peer_said slow up
	log_wait 'Connect \(file'
	reload
	touch "$DIR/go"
	ended slow whole
}

@test "reload: Listen may change from one address to all and back, without a refused client" {
	local i

	peer_start srv server echo
	adit_start "Workers 2"
	stream_start
	for i in 1 2 3; do
		sed -i.bak 's/^Listen 127.0.0.1$/#&/' "$CONF"
		reload
		"$PEER" client 127.0.0.9 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
		    rtt 1 5 shut eof
		sed -i.bak 's/^#Listen 127.0.0.1$/Listen 127.0.0.1/' "$CONF"
		reload
		fails "$PEER" client 127.0.0.9 "$PORT"
	done
	stream_stop
}

@test "reload: a client that came before Listen changed to all addresses may send its request later" {
	peer_start srv server echo
	adit_start "Workers 2"
	client_start late 127.0.0.1 "$PORT" say up wait "$DIR/late.go" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say whole shut eof
	wait_for peer_said late up
	sed -i.bak 's/^Listen 127.0.0.1$/#&/' "$CONF"
	reload
	tunnel_whole late
	# Nor do another reload and the way back change that.
	client_start later 127.0.0.1 "$PORT" say up wait "$DIR/later.go" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say whole shut eof
	wait_for peer_said later up
	reload
	sed -i.bak 's/^#Listen 127.0.0.1$/Listen 127.0.0.1/' "$CONF"
	reload
	fails "$PEER" client 127.0.0.9 "$PORT"
	tunnel_whole later
}

@test "reload: adding and removing a Listen does not disturb the others" {
	local i

	peer_start srv server echo
	adit_start "Workers 2"
	stream_start
	for i in 1 2 3; do
		echo "Listen 127.0.0.2" >>"$CONF"
		reload
		"$PEER" client 127.0.0.2 "$PORT"
		sed -i.bak '/^Listen 127.0.0.2$/d' "$CONF"
		reload
		fails "$PEER" client 127.0.0.2 "$PORT"
	done
	stream_stop
}

@test "reload: after a change of Port the new port is served, the old one is not, and its tunnels go on" {
	local old

	peer_start srv server echo
	adit_start
	tunnel_start t
	client_start slow 127.0.0.1 "$PORT" send "CONNECT 127.0.0.1:" say up \
	    wait "$DIR/go" send "$srv_PORT HTTP/1.1\r\n\r\n" \
	    skip '\r\n\r\n' rtt 1 5 say whole
	wait_for peer_said slow up
	wait_for log_counts 2 'Connect \(file'
	old=$PORT
	PORT=$(free_port)
	sed -i.bak "s/^Port .*/Port $PORT/" "$CONF"
	reload
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	fails "$PEER" client 127.0.0.1 "$old"
	touch "$DIR/go"
	ended slow whole
	tunnel_whole t
}

@test "reload: clients in the backlog of the old port are still served" {
	local i old pid

	need_proc
	peer_start srv server echo
	adit_start "Workers 1" "MaxClients 2"
	# The places are taken; three more wait.
	tunnel_start a
	tunnel_start b
	for i in 1 2 3; do
		client_start "w$i" -t 60 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say whole shut eof
	done
	log_wait 'Maximum number of connections reached'
	old=$PORT
	PORT=$(free_port)
	sed -i.bak "s/^Port .*/Port $PORT/" "$CONF"
	kill -HUP "$ADIT_PID"
	wait_for client
	tunnel_whole a
	tunnel_whole b
	for i in 1 2 3; do
		ended "w$i" whole
	done
}

@test "reload: a Port that is in use changes nothing" {
	local taken

	peer_start srv server echo
	peer_start other server -a 127.0.0.1 echo
	adit_start
	tunnel_start t
	sed -i.bak "s/^Port .*/Port $other_PORT/" "$CONF"
	echo "ConnectPort 443" >>"$CONF"
	reload_fails
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	tunnel_whole t
}

@test "reload: a configuration with an error changes nothing and says where it is" {
	local bad n

	need_proc
	peer_start srv server echo
	adit_start
	tunnel_start t
	n=$(child_pids)
	for bad in "Nonsense 5" "Timeout x" "Allow 10.0.0.0/99" "Port 0" \
	    'Filter "/x"' "MaxClients 0"; do
		cp "$CONF" "$DIR/good"
		printf 'Deny 127.0.0.1\nConnectPort 443\n%s\n' "$bad" >>"$CONF"
		reload_fails
		log_wait "^ERROR .*: $CONF:[0-9]+: ${bad%% *}: ."
		client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
		cp "$DIR/good" "$CONF"
	done
	[ "$(child_pids)" = "$n" ]
	log_wait '^WARNING .*: Reloading config file failed!$'
	fails log_has 'Reloading config file finished'
	tunnel_whole t
	# The next configuration without an error is accepted.
	echo "ConnectPort 443" >>"$CONF"
	reload
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
}

@test "reload: a missing configuration file changes nothing" {
	peer_start srv server echo
	adit_start
	mv "$CONF" "$CONF.away"
	reload_fails
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	mv "$CONF.away" "$CONF"
	reload
}

@test "reload: a user that does not exist changes nothing" {
	need_root
	adit_start
	echo "User no-such-user-here" >>"$CONF"
	reload_fails
	client
}

@test "reload: new rules are in force even when a log cannot be opened, and the old log stays in use" {
	peer_start srv server echo
	adit_start "LogFile \"$DIR/adit.log\"" "AccessLog \"$DIR/access\""
	LOG=$DIR/adit.log
	echo "ConnectPort 443" >>"$CONF"
	sed -i.bak "s,$DIR/access,$DIR/none/access,; s,$DIR/adit.log,$DIR," \
	    "$CONF"
	reload
	log_wait "^ERROR .*: AccessLog $DIR/none/access: $DIR/none: No such file or directory; still writing to $DIR/access\$"
	log_wait "^ERROR .*: LogFile $DIR: Is a directory; still writing to $DIR/adit.log\$"
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	wait_for access_lines 1
	# A rotation of the old log is still followed.
	mv "$LOG" "$LOG.1"
	mv "$DIR/access" "$DIR/access.1"
	kill -HUP "$ADIT_PID"
	wait_for grep -qs 'Reloading config file finished' "$LOG"
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	wait_for access_lines 1
	# Once it can be opened, the new log is used.
	mkdir "$DIR/none"
	reload
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	wait_for lines_are "$DIR/none/access" 1
	[ "$(wc -l <"$DIR/access")" = 1 ]
}

@test "reload: a log whose directory is gone stays open, and a first access log that cannot be opened is said" {
	mkdir "$DIR/logs"
	adit_start "LogFile \"$DIR/logs/adit.log\""
	LOG=$DIR/gone/adit.log
	mv "$DIR/logs" "$DIR/gone"
	echo "AccessLog \"$DIR/logs/access\"" >>"$CONF"
	reload
	log_wait "^ERROR .*: LogFile $DIR/logs/adit.log: $DIR/logs: No such file or directory; still writing to the file that was open\$"
	log_wait "^ERROR .*: AccessLog $DIR/logs/access: $DIR/logs: No such file or directory; nothing is written\$"
	client send "GET / HTTP/1.1\r\n\r\n" refused 400
	log_wait 'Refused request'
}

# rotate N: renames both logs to .N, reloads, and waits until the reload has
# finished.
rotate() {
	mv "$DIR/adit.log" "$DIR/adit.log.$1"
	mv "$DIR/access" "$DIR/access.$1"
	kill -USR1 "$ADIT_PID"
	wait_for grep -qs 'Reloading config file finished' "$DIR/adit.log"
	wc -c "$DIR"/adit.log.? "$DIR"/access.? >"$DIR/sizes"
}

# rotated: whether the renamed logs have kept their sizes.
rotated() {
	[ "$(wc -c "$DIR"/adit.log.? "$DIR"/access.?)" = "$(cat "$DIR/sizes")" ]
}

@test "reload: after a rotation no worker writes to the renamed logs, not even the oldest" {
	peer_start srv server echo
	adit_start "Workers 2" "LogFile \"$DIR/adit.log\"" \
	    "AccessLog \"$DIR/access\""
	LOG=$DIR/adit.log
	tunnel_start old1
	tunnel_start old2
	rotate 1
	tunnel_whole old1
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	wait_for access_lines 2
	wait_for log_counts 2 'Closed connection'
	rotated
	tunnel_start old3
	rotate 2
	tunnel_start old4
	tunnel_whole old2
	tunnel_whole old3
	tunnel_whole old4
	wait_for access_lines 3
	wait_for log_counts 3 'Closed connection'
	rotated
}

@test "reload: logs are reopened even when the configuration is wrong" {
	adit_start "LogFile \"$DIR/adit.log\""
	LOG=$DIR/adit.log
	echo "Nonsense" >>"$CONF"
	mv "$DIR/adit.log" "$DIR/adit.log.1"
	kill -HUP "$ADIT_PID"
	wait_for grep -qs 'Reloading config file failed!' "$DIR/adit.log"
	client send "GET / HTTP/1.1\r\n\r\n" refused 400
	wait_for grep -q 'Refused request' "$DIR/adit.log"
	fails grep -q 'Refused request' "$DIR/adit.log.1"
}

@test "reload: many rotations in a row lose no line" {
	local i

	peer_start srv server echo
	adit_start "LogFile \"$DIR/adit.log\"" "AccessLog \"$DIR/access\""
	LOG=$DIR/adit.log
	for i in 1 2 3 4 5; do
		client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
		wait_for access_lines 1
		mv "$DIR/adit.log" "$DIR/adit.log.$i"
		mv "$DIR/access" "$DIR/access.$i"
		kill -USR1 "$ADIT_PID"
		wait_for grep -qs 'Reloading config file finished' "$DIR/adit.log"
	done
	cat "$DIR"/access.? >"$DIR/all"
	[ "$(wc -l <"$DIR/all")" = 5 ]
	[ "$(cat "$DIR"/adit.log.? | grep -c 'Established connection')" = 5 ]
}

@test "reload: another LogFile, LogLevel and AccessLog are in force after a reload" {
	peer_start srv server echo
	adit_start "LogFile \"$DIR/one.log\""
	LOG=$DIR/one.log
	sed -i.bak "s/one.log/two.log/" "$CONF"
	printf 'AccessLog "%s"\nLogLevel Connect\n' "$DIR/access" >>"$CONF"
	kill -HUP "$ADIT_PID"
	wait_for grep -qs 'Reloading config file finished' "$DIR/two.log"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	wait_for access_lines 1
	grep -q 'Established connection' "$DIR/two.log"
	fails grep -q '^INFO.*Closed' "$DIR/two.log"
}

@test "reload: DrainTimeout resets the tunnels of old workers" {
	peer_start srv server echo
	adit_start "DrainTimeout 1" "AccessLog \"$DIR/access\""
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" say up \
	    reset say torn
	wait_for peer_said t up
	reload
	ended t torn
	wait_for access_lines 1
	grep -q ' 200/drained ' "$DIR/access"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "reload: beyond MaxDraining the oldest tunnels end, and the log says how many" {
	local i

	peer_start srv server echo
	adit_start "MaxDraining 2"
	for i in 1 2 3 4; do
		client_start "t$i" 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" say up \
		    reset say torn
		wait_for peer_said "t$i" up
		reload
	done
	ended t1 torn
	ended t2 torn
	[ "$(log_count 'MaxDraining 2: ending the oldest generation that drains cuts 1 connection')" = 2 ]
	alive "$t3_PID"
	alive "$t4_PID"
}

@test "reload: DrainTimeout 0 ends tunnels at the reload" {
	peer_start srv server echo
	adit_start "DrainTimeout 0"
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" say up \
	    reset say torn
	wait_for peer_said t up
	reload
	ended t torn
}

@test "reload: after twenty signals in a row the last configuration is in force" {
	local i

	peer_start srv server echo
	adit_start "Workers 2"
	stream_start
	for i in $(seq 20); do
		kill -HUP "$ADIT_PID"
	done
	stream_stop
	echo "ConnectPort 443" >>"$CONF"
	kill -HUP "$ADIT_PID"
	wait_for client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 403
	fails log_has 'died|failed'
}

@test "reload: thirty reloads leave no open descriptor and no old process" {
	local children fds i

	need_proc
	peer_start srv server echo
	adit_start "Workers 2" "LogFile \"$DIR/adit.log\"" \
	    "AccessLog \"$DIR/access\""
	LOG=$DIR/adit.log
	reload
	wait_for children_settled
	children=$(child_pids | wc -l)
	fds=$(fd_count "$ADIT_PID")
	for i in $(seq 30); do
		reload
	done
	wait_for children_are "$children"
	wait_for fd_count_is "$fds" "$ADIT_PID"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

# children_settled: whether only the two workers hold the sockets, and no child
# is about to end.
children_settled() {
	local before

	before=$(child_pids)
	sleep 0.2
	[ "$(worker_pids | wc -l)" = 2 ] && [ "$(child_pids)" = "$before" ]
}

@test "reload: Workers may change at a reload" {
	need_proc
	adit_start "Workers 1"
	[ "$(worker_pids | wc -l)" = 1 ]
	sed -i.bak 's/^Workers.*/Workers 3/' "$CONF"
	reload
	wait_for workers_are 3
	sed -i.bak 's/^Workers.*/Workers 2/' "$CONF"
	reload
	wait_for workers_are 2
	client
}

workers_are() {
	[ "$(worker_pids | wc -l)" = "$1" ]
}

@test "reload: a worker killed after a reload comes back with the new rules" {
	local pid

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 1"
	echo "ConnectPort 443" >>"$CONF"
	reload
	wait_for workers_are 1
	pid=$(worker_pids)
	kill -KILL "$pid"
	log_wait "Worker [0-9]+ \(pid $pid\) died from signal 9"
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
}

@test "reload: an old worker that is killed is not replaced" {
	local n old

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 1"
	n=$(child_pids | wc -l)
	old=$(worker_pids)
	tunnel_start t
	reload
	kill -KILL "$old"
	wait_for children_are "$n"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	[ "$(child_pids | wc -l)" = "$n" ]
}

# newcomer OLD: waits for a child of adit that is not among these, and stops it;
# sets NEWCOMER.  It looks as often as it can: a child starts in a few ms.
newcomer() {
	local pid end=$((SECONDS + 10))

	NEWCOMER=
	while [ -z "$NEWCOMER" ] && [ "$SECONDS" -lt "$end" ]; do
		children
		for pid in "${CHILDREN[@]}"; do
			[[ " $1 " == *" $pid "* ]] || NEWCOMER=$pid
		done
	done
	kill -STOP "$NEWCOMER"
}

# hang_start: begins a reload whose first worker, or its desk, is stopped while
# it starts.  That takes some milliseconds, so it tries often.
hang_start() {
	local n try

	for try in {1..200}; do
		wait_for settled
		n=$(log_count 'Reloading config file finished')
		children
		kill -HUP "$ADIT_PID"
		newcomer "${CHILDREN[*]}"
		if ! wait_for -t 1 log_counts $((n + 1)) 'config file finished' \
		    >/dev/null; then
			return 0
		fi
		kill -CONT "$NEWCOMER"
	done
	echo "no worker was stopped in time"
	return 1
}

# settled: whether adit has its two workers and the desk, and no other child.
settled() {
	children
	[ "${#CHILDREN[@]}" = 3 ]
}

@test "reload: a child that hangs while it starts fails that reload, and neither the next one nor the logs wait for ever" {
	need_proc
	CRASH_OK=1
	adit_start "Workers 2" "LogFile \"$DIR/adit.log\""
	LOG=$DIR/adit.log
	hang_start
	# Logs are reopened even now; the reload is remembered, and said.
	mv "$LOG" "$LOG.1"
	kill -USR1 "$ADIT_PID"
	log_wait '^NOTICE .*: Reloading config file when the reload in progress is over$'
	client send "GET / HTTP/1.1\r\n\r\n" refused 400
	log_wait 'Refused request'
	wait_for -t 40 log_has "^ERROR .*: (Worker [01]|Desk) \(pid $NEWCOMER\) did not say in time that it is ready"
	log_wait 'Reloading config file failed!'
	log_wait 'Reloading config file finished'
	client
}

@test "reload: a worker that hangs while it starts does not delay a stop" {
	need_proc
	adit_start "Workers 2"
	hang_start
	kill -TERM "$ADIT_PID"
	wait_for -t 2 dead "$ADIT_PID" "$NEWCOMER"
	wait "$ADIT_PID"
}

@test "reload: a worker that was stopped goes on, and leaves its sockets to the next" {
	need_proc
	adit_start "Workers 2"
	# shellcheck disable=SC2046
	kill -STOP $(worker_pids)
	reload
	client
}

# tunnels_and_reloads N: reloads N times, each time with one more tunnel.
tunnels_and_reloads() {
	local i

	for i in $(seq "$1"); do
		client_start "n$i" 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" say up hold
		wait_for peer_said "n$i" up
		reload
	done
}

@test "reload: when descriptors run out, the oldest tunnels end, and reloads go on" {
	peer_start srv server echo
	ADIT_WRAP=(sh -c 'ulimit -n 40; exec "$@"' sh)
	adit_start "Workers 1"
	client_start first 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    say up reset say torn
	wait_for peer_said first up
	tunnels_and_reloads 24
	log_wait '^WARNING .*: No room for new workers \((Too many open files|No file descriptors available)\): ending the oldest that drain cuts [12] connections$'
	fails log_has 'failed'
	ended first torn
	tunnel_start last
	reload
	tunnel_whole last
}

# memory PID...: prints how much memory in KiB these processes have for
# themselves, on average.
memory() {
	local files

	printf -v files '/proc/%s/smaps_rollup ' "$@"
	# shellcheck disable=SC2086
	awk '$1 == "Private_Dirty:" { sum += $2; n++ }
		END { print int(sum / n) }' $files
}

@test "reload: a worker that drains takes no more memory for each older one that drains too" {
	local new old

	[ -r /proc/self/smaps_rollup ] || skip "needs /proc/PID/smaps_rollup"
	! sanitized || skip "a sanitizer has memory of its own"
	peer_start srv server echo
	adit_start "Workers 1"
	tunnels_and_reloads 20
	wait_for draining_are 20
	# One process has up to fifteen pages more than the next, but ten have
	# not.  A page that is written at each reload shows as 30 KiB and more.
	old=$(memory "${DRAINING[@]:0:10}")
	new=$(memory "${DRAINING[@]:10}")
	echo "older: $old KiB, newer: $new KiB"
	[ "$new" -le $((old + 16)) ]
}

# draining_are N: whether so many children of adit drain; sets DRAINING to them,
# the oldest first.
draining_are() {
	local pid

	DRAINING=()
	children
	for pid in "${CHILDREN[@]}"; do
		! grep -qa draining "/proc/$pid/cmdline" || DRAINING+=("$pid")
	done
	[ "${#DRAINING[@]}" = "$1" ]
}
