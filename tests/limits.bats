#!/usr/bin/env bats
# MaxClients, and descriptors that run out.

load helper
LOOKS_INSIDE=yes

# hold NAME: opens a tunnel that stays until $DIR/NAME.go exists.
hold() {
	client_start "$1" -t 120 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up wait "$DIR/$1.go" \
	    rtt 1 5 shut eof
}

held() {
	hold "$1"
	wait_for peer_said "$1" up
}

release() {
	touch "$DIR/$1.go"
}

# ups NAME...: prints how many of these have a tunnel.
ups() {
	local name n=0

	for name; do
		if peer_said "$name" up; then
			n=$((n + 1))
		fi
	done
	echo "$n"
}

ups_are() {
	local n=$1

	shift
	[ "$(ups "$@")" = "$n" ]
}

# does_not_spin: whether it uses almost no CPU time in a second.
does_not_spin() {
	local before after

	# shellcheck disable=SC2046
	before=$(ticks "$ADIT_PID" $(child_pids))
	sleep 1
	# shellcheck disable=SC2046
	after=$(ticks "$ADIT_PID" $(child_pids))
	echo "$((after - before)) ticks"
	[ $((after - before)) -lt $(($(getconf CLK_TCK) / 5)) ]
}

# small N COMMAND...: starts adit with N descriptors, for ADIT_WRAP.
small() {
	# shellcheck disable=SC2016
	ADIT_WRAP=(sh -c 'ulimit -n "$0" && exec "$@"' "$1")
}

@test "limits: MaxClients is the number of clients at once, and the next one waits" {
	need_proc
	peer_start srv server echo
	adit_start "MaxClients 2" "Workers 1"
	held a
	held b
	hold c
	log_wait '^WARNING .*: Maximum number of connections reached\. Refusing new connections\.$'
	does_not_spin
	[ "$(ups a b c)" = 2 ]
	release a
	wait_for peer_said c up
	release b
	release c
	peer_wait a
	peer_wait b
	peer_wait c
	[ "$(log_count 'Maximum number of connections')" = 1 ]
}

@test "limits: MaxClients counts the clients of all workers together, exactly" {
	local i names

	need_proc
	peer_start srv server echo
	adit_start "MaxClients 5" "Workers 3"
	names=$(printf 'c%d ' $(seq 12))
	for i in $names; do
		hold "$i"
	done
	# shellcheck disable=SC2086
	wait_for ups_are 5 $names
	does_not_spin
	# shellcheck disable=SC2086
	[ "$(ups $names)" = 5 ]
	# Each client that leaves lets one in, until all have been served.
	while [ -n "$names" ]; do
		for i in $names; do
			! peer_said "$i" up || break
		done
		release "$i"
		peer_wait "$i"
		names=$(tr ' ' '\n' <<<"$names" | grep -vx "$i" | tr '\n' ' ')
		names=${names# }
		# shellcheck disable=SC2086
		[ -z "${names// /}" ] || wait_for some_up $names
		[ -n "${names// /}" ] || names=
	done
	[ "$(log_count 'Maximum number of connections')" = 1 ]
}

some_up() {
	[ "$(ups "$@")" -ge 1 ]
}

@test "limits: MaxClients 1 serves one client after the other" {
	local i

	peer_start srv server echo
	adit_start "MaxClients 1" "Workers 2"
	for i in 1 2 3 4 5 6; do
		client_start "c$i" -c 5 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	done
	for i in 1 2 3 4 5 6; do
		peer_wait "c$i"
	done
}

@test "limits: a client that only connects counts, and its place is free when it leaves" {
	peer_start srv server echo
	adit_start "MaxClients 3"
	client_start idle -n 3 127.0.0.1 "$PORT" say up wait "$DIR/go" close
	wait_for peer_said idle up
	hold late
	log_wait 'Maximum number of connections reached'
	touch "$DIR/go"
	wait_for peer_said late up
}

@test "limits: a refused client gives its place back" {
	local i

	peer_start srv server echo
	adit_start "MaxClients 2" "ConnectPort $srv_PORT"
	for i in $(seq 20); do
		client send "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n" refused 403
		client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n" rst
		client send "CONNECT no-such-name.invalid:$srv_PORT HTTP/1.1\r\n\r\n" \
		    close
	done
	held a
	held b
}

@test "limits: a worker that is killed gives its places back" {
	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "MaxClients 2" "Workers 1"
	client_start lost -n 2 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    say up gone
	wait_for peer_said lost up
	kill -KILL "$(worker_pids)"
	held a
	held b
	hold c
	log_wait 'Maximum number of connections reached'
	[ "$(ups a b c)" = 2 ]
}

@test "limits: tunnels of old workers count after a reload, until they end or their worker is killed" {
	local old

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "MaxClients 2" "Workers 1"
	old=$(worker_pids)
	held a
	held b
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	hold c
	hold d
	log_wait 'Maximum number of connections reached'
	[ "$(ups c d)" = 0 ]
	release a
	wait_for ups_are 1 c d
	kill -KILL "$old"
	wait_for ups_are 2 c d
}

@test "limits: a new MaxClients holds after a reload" {
	peer_start srv server echo
	adit_start "MaxClients 1" "Workers 1"
	held a
	hold b
	log_wait 'Maximum number of connections reached'
	sed -i.bak 's/^MaxClients.*/MaxClients 10/' "$CONF"
	kill -HUP "$ADIT_PID"
	wait_for peer_said b up
	held c
}

@test "limits: a full proxy stops as quickly as an empty one" {
	peer_start srv server echo
	adit_start "MaxClients 1"
	held a
	hold b
	hold c
	log_wait 'Maximum number of connections reached'
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "limits: a full proxy can reload" {
	peer_start srv server echo
	adit_start "MaxClients 1" "Workers 1"
	held a
	hold b
	log_wait 'Maximum number of connections reached'
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	release a
	wait_for peer_said b up
}

@test "limits: without MaxClients the descriptors are the limit; more clients wait, and none is lost" {
	local i

	need_proc
	small 64
	peer_start srv server echo
	adit_start "Workers 1"
	for i in $(seq 40); do
		hold "c$i"
	done
	wait_for some_up_stays
	does_not_spin
	for i in $(seq 40); do
		release "c$i"
	done
	for i in $(seq 40); do
		peer_wait "c$i"
	done
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	fails log_has 'died'
}

# some_up_stays: whether some clients are served, but not all.
some_up_stays() {
	local n

	# shellcheck disable=SC2046
	n=$(ups $(printf 'c%d ' $(seq 40)))
	[ "$n" -ge 8 ] && [ "$n" -lt 40 ]
}

@test "limits: the soft limit of descriptors is raised to the hard one" {
	need_proc
	# shellcheck disable=SC2016
	ADIT_WRAP=(sh -c 'ulimit -Sn 32 && exec "$@"' sh)
	[ "$(ulimit -Hn)" != unlimited ] || skip "there is no hard limit"
	peer_start srv server echo
	adit_start "Workers 1"
	for pid in $(worker_pids); do
		grep -qE "^Max open files +$(ulimit -Hn) " "/proc/$pid/limits"
	done
	client -n 50 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "limits: there is one worker for each processor, or as many as Workers says" {
	need_proc
	adit_start
	[ "$(worker_pids | wc -l)" = "$(getconf _NPROCESSORS_ONLN)" ]
	adit_stop
	: >"$LOG"
	adit_start "Workers 7"
	[ "$(worker_pids | wc -l)" = 7 ]
}

@test "limits: if Workers cannot serve MaxClients, the log says so" {
	small 64
	adit_start "MaxClients 1000" "Workers 2"
	log_wait '^WARNING .*: MaxClients 1000 is more than 2 workers can serve'
}

@test "limits: if MaxClients needs more descriptors than one process has, there are more workers" {
	need_proc
	small 64
	peer_start srv server echo
	adit_start "MaxClients 100"
	[ "$(worker_pids | wc -l)" -gt 2 ]
	client_start many -n 100 -t 60 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up wait "$DIR/go" \
	    rtt 1 5 shut eof
	wait_for -t 60 peer_said many up
	touch "$DIR/go"
	peer_wait many
}

@test "limits: a request without a free descriptor gets a reply, and later ones are served" {
	local i

	need_proc
	small 48
	peer_start srv server echo
	adit_start "Workers 1"
	# Clients without a request take descriptors too.
	client_start idle -n 60 -t 60 127.0.0.1 "$PORT" say up wait "$DIR/go" \
	    close
	wait_for peer_said idle up
	does_not_spin
	touch "$DIR/go"
	peer_wait idle
	for i in 1 2 3 4 5; do
		client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	done
}

# fill N ACTION...: N connections of one client that do this and then hold.
fill() {
	local n=$1

	shift
	client_start fill -n "$n" 127.0.0.1 "$PORT" "$@" touch "$DIR/filled" hold
	wait_for test -e "$DIR/filled"
}

# place_found: a client at another address gets a tunnel, long before any
# timeout would have made room for it.
place_found() {
	"$PEER" client -b 127.0.0.9 -t 20 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "limits: half request heads give way to other clients when all places are taken" {
	peer_start srv server echo
	adit_start "MaxClients 20" "HeaderTimeout 600" \
	    "AccessLog \"$DIR/access\""
	fill 20 send 'CONNECT a'
	place_found
	place_found
	grep -q '408/http_request_timeout' "$DIR/access" ||
	    wait_for file_says ' 408/' "$DIR/access"
}

@test "limits: tunnels that their clients have closed give way when all places are taken" {
	peer_start srv server echo
	peer_start mute server hold
	adit_start "MaxClients 20" "HalfClosedTimeout 600" \
	    "AccessLog \"$DIR/access\""
	fill 20 tunnel "127.0.0.1:$mute_PORT" shut
	place_found
	wait_for file_says ' 200/gave_way ' "$DIR/access"
}

@test "limits: clients with tunnels in use give way to nobody" {
	peer_start srv server echo
	adit_start "MaxClients 20"
	fill 20 tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	fails "$PEER" client -b 127.0.0.9 -t 2 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT"
	alive "$fill_PID"
}

@test "limits: a tunnel of which one side has ended lasts for HalfClosedTimeout without a byte" {
	peer_start mute server hold
	adit_start "HalfClosedTimeout 1" "AccessLog \"$DIR/access\""
	client tunnel "127.0.0.1:$mute_PORT" shut reset
	access_is 1 "- .* 200/idle .*"
}

@test "limits: a plain request whose client has gone ends after HalfClosedTimeout" {
	need_linux
	peer_start mute server hold
	adit_start "HalfClosedTimeout 1" "MaxClientsPerHost 1" \
	    "AccessLog \"$DIR/access\""
	client send "GET http://127.0.0.1:$mute_PORT/ HTTP/1.1\r\nHost: a\r\n\r\n" \
	    close
	wait_for access_lines 1
	access_is 1 "- .* 504/http_response_timeout .*"
}
