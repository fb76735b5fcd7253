#!/usr/bin/env bats
# The limits for one client address: MaxClientsPerHost, MaxRatePerHost.

load helper

# hold NAME ADDRESS: opens a tunnel from there that stays until $DIR/NAME.go
# exists.
hold() {
	client_start "$1" -t 120 -b "$2" 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up wait "$DIR/$1.go" \
	    rtt 1 5 shut eof
}

# holds ADDRESS NAME...: a tunnel for each, one after the other.
holds() {
	local address=$1 name

	shift
	for name; do
		hold "$name" "$address"
		wait_for peer_said "$name" up
	done
}

release() {
	touch "$DIR/$1.go"
	peer_wait "$1"
}

# over ADDRESS: a client from there gets the reply that it is above a limit.
over() {
	local reply

	reply=$(client -b "$1" -- send "$(head_of)" refused 503) || return
	grep -qx 'Proxy-Status: adit; error=connection_limit_reached' \
	    <<<"$reply" && grep -qx 'Retry-After: 1' <<<"$reply"
}

head_of() {
	printf 'CONNECT 127.0.0.1:%s HTTP/1.1\\r\\n\\r\\n' "$srv_PORT"
}

# serves ADDRESS: whether a client from there is served; for wait_for.
serves() {
	client -b "$1" -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof \
	    >"$DIR/serves" 2>&1
}

# serves_two ADDRESS: whether two clients from there are, at the same time.
serves_two() {
	client -n 2 -b "$1" -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 pause 100 \
	    rtt 1 5 shut eof >"$DIR/serves" 2>&1
}

# refuses ADDRESS: whether a client from there is not; for wait_for.
refuses() {
	! serves "$1"
}

# carriers: prints the workers that have accepted clients, and how many each.
carriers() {
	sed -n 's/^CONNECT .* \[\([0-9]*\)\]: Connect (.*/\1/p' "$LOG" |
		sort | uniq -c
}

workers_changed() {
	[ "$(worker_pids | wc -l)" = 4 ] && ! worker_pids | grep -qx "$1"
}

@test "quota: MaxClientsPerHost counts the connections of one address in all workers, and no others" {
	peer_start srv server echo
	adit_start "Workers 4" "MaxClientsPerHost 3"
	holds 127.0.0.2 a b c
	over 127.0.0.2
	holds 127.0.0.3 d e f
	over 127.0.0.3
	[ "$(carriers | wc -l)" -gt 1 ]
	log_wait '^WARNING .*: Too many connections from "127\.0\.0\.2": MaxClientsPerHost is 3\.$'
	release b
	wait_for serves 127.0.0.2
	holds 127.0.0.2 g
	wait_for refuses 127.0.0.2
	release d
	wait_for serves 127.0.0.3
	wait_for refuses 127.0.0.2
}

@test "quota: the connections of a killed worker no longer count, and the others do" {
	local victim lost i

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 4" "MaxClientsPerHost 9"
	for i in 1 2 3 4 5 6 7 8 9; do
		client_start "c$i" -t 120 -b 127.0.0.2 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up gone
		wait_for peer_said "c$i" up
	done
	wait_for connected_are 9
	read -r lost victim <<<"$(carriers | sort -rn | head -n 1)"
	echo "$lost of 9 will be lost"
	[ "$lost" -lt 9 ]
	over 127.0.0.2
	kill -KILL "$victim"
	wait_for workers_changed "$victim"
	for i in $(seq "$lost"); do
		holds 127.0.0.2 "d$i"
	done
	wait_for refuses 127.0.0.2
}

connected_are() {
	[ "$(log_count ': Connect ')" = "$1" ]
}

@test "quota: connections of old workers count after a reload, until they end or their worker is killed" {
	local old

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 1" "MaxClientsPerHost 3"
	old=$(worker_pids)
	holds 127.0.0.2 a b
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	holds 127.0.0.2 c
	over 127.0.0.2
	release a
	wait_for serves 127.0.0.2
	holds 127.0.0.2 d
	wait_for refuses 127.0.0.2
	kill -KILL "$old"
	wait_for serves 127.0.0.2
	holds 127.0.0.2 e
	wait_for refuses 127.0.0.2
}

@test "quota: new limits are in force after a reload" {
	peer_start srv server echo
	adit_start "MaxClientsPerHost 1"
	holds 127.0.0.2 a
	over 127.0.0.2
	sed -i.bak 's/^MaxClientsPerHost.*/MaxClientsPerHost 2/' "$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	wait_for serves 127.0.0.2
	sed -i.bak '/^MaxClientsPerHost/d' "$CONF"
	kill -HUP "$ADIT_PID"
	wait_for reloads_are 2
	holds 127.0.0.2 b c d
}

reloads_are() {
	[ "$(log_count 'Reloading config file finished')" = "$1" ]
}

# turned_away ADDRESS: a client from there is refused for its port, not for a limit.
turned_away() {
	client -b "$1" -- send "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n" \
	    refused 403
}

@test "quota: silent, refused and leaving clients count as long as they are connected, and no longer" {
	local i

	peer_start srv server echo
	adit_start "Workers 2" "MaxClientsPerHost 2" "ConnectPort $srv_PORT"
	for i in $(seq 10); do
		# A worker may not have heard yet that the last ones are gone.
		wait_for turned_away 127.0.0.2
		client -b 127.0.0.2 -- send "CONNECT 127.0.0.1:$srv_PORT H" rst
		client -b 127.0.0.2 -- \
		    send "CONNECT no-such-name.invalid:$srv_PORT HTTP/1.1\r\n\r\n" \
		    close
	done
	wait_for serves_two 127.0.0.2
	client_start idle -b 127.0.0.2 -n 2 127.0.0.1 "$PORT" \
	    send C say up wait "$DIR/go" close
	wait_for peer_said idle up
	wait_for refuses 127.0.0.2
	serves 127.0.0.3
	touch "$DIR/go"
	peer_wait idle
	wait_for serves 127.0.0.2
	holds 127.0.0.2 a b
}

@test "quota: a denied client gets 403 below the limit and above it" {
	peer_start srv server echo
	adit_start "MaxClientsPerHost 1" "Deny 127.0.0.9" "Allow 127.0.0.0/8"
	client_start far -n 3 -b 127.0.0.9 127.0.0.1 "$PORT" \
	    send "$(head_of)" refused 403
	peer_wait far
	serves 127.0.0.2
}

@test "quota: a flood from one address leaves room for another, fills no log, and gets few answers" {
	local answers dropped

	peer_start srv server echo
	adit_start "Workers 2" "MaxClients 24" "MaxClientsPerHost 4" \
	    "AccessLog \"$DIR/access\"" "LogLevel notice"
	client_start flood -n 300 -t 60 -b 127.0.0.2 127.0.0.1 "$PORT" \
	    try send "CONNECT 127" say up wait "$DIR/go" close
	wait_for -t 60 peer_said flood up
	serves 127.0.0.3
	holds 127.0.0.3 a b c d
	wait_for dropped_are 200
	answers=$(grep -c ' 503/connection_limit_reached ' "$DIR/access") || true
	dropped=$(grep -c ' -/connection_limit_reached ' "$DIR/access")
	echo "$answers answered, $dropped dropped"
	# Four at once, and two in each second.
	[ "$answers" -le $((4 + 2 * (SECONDS + 1))) ]
	[ "$(log_count 'Too many connections')" -ge 1 ]
	[ "$(log_count .)" -lt 20 ]
	fails log_has 'Maximum number of connections'
	touch "$DIR/go"
	peer_wait flood
	wait_for serves 127.0.0.2
}

dropped_are() {
	[ "$(grep -c ' -/connection_limit_reached ' "$DIR/access")" -ge "$1" ]
}

# ms: the time in milliseconds.
ms() {
	local t=$EPOCHREALTIME

	echo "${t%???}" | tr -d .,
}

# asks N: as many clients from 127.0.0.2, each as soon as the one before has its
# answer; sets SERVED to how many of them were served.
asks() {
	client -c "$1" -b 127.0.0.2 -- try send "$(head_of)" \
	    try skip '\r\n\r\n' >/dev/null
	SERVED=$(log_count ': Established connection')
}

# served N: whether more clients make N that were served; for wait_for.
served() {
	asks 1
	[ "$SERVED" -ge "$1" ]
}

@test "quota: MaxRatePerHost is the number of new connections in a second, and the rate recovers" {
	local began took

	peer_start srv server echo
	adit_start "MaxRatePerHost 3"
	began=$(ms)
	asks 50
	log_wait '^WARNING .*: Too many new connections from "127\.0\.0\.2": MaxRatePerHost is 3\.$'
	wait_for served 9
	took=$(($(ms) - began))
	echo "$SERVED in $took ms"
	# Three at once, and three in each second.
	[ "$SERVED" -le $((3 + took * 3 / 1000 + 1)) ]
	serves 127.0.0.3
}

@test "quota: MaxRatePerHost counts the new connections of all workers together" {
	local began n took

	peer_start srv server echo
	adit_start "Workers 4" "MaxRatePerHost 16"
	began=$(ms)
	client_start many -n 200 -b 127.0.0.2 127.0.0.1 "$PORT" \
	    try send "$(head_of)" say up wait "$DIR/go" close
	wait_for peer_said many up
	log_wait 'Too many new connections'
	# The server accepts all clients, and echoes to one after the other.
	sleep 0.2
	took=$(($(ms) - began))
	n=$(log_count ': Request ')
	echo "$n in $took ms"
	[ "$n" -ge 16 ]
	[ "$n" -le $((16 + took * 16 / 1000 + 1)) ]
	[ "$(carriers | wc -l)" -gt 1 ]
	[ "$(log_count 'Too many new connections')" -le 4 ]
	touch "$DIR/go"
	peer_wait many
}

@test "quota: a client that is too fast learns when to try again" {
	peer_start srv server echo
	adit_start "MaxRatePerHost 1"
	wait_for too_fast
	wait_for serves 127.0.0.2
	serves 127.0.0.3
}

too_fast() {
	serves 127.0.0.2
	over 127.0.0.2
}

@test "quota: MaxRatePerHost does not affect open tunnels" {
	peer_start srv server echo
	adit_start "MaxRatePerHost 5"
	client_start five -n 5 -b 127.0.0.2 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" say up wait "$DIR/go" rtt 100 5 shut \
	    eof
	wait_for peer_said five up
	touch "$DIR/go"
	peer_wait five
}
