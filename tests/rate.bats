#!/usr/bin/env bats
# RateLimit: bytes per second in each direction of a tunnel.

load helper

# ms: the time in milliseconds.
ms() {
	local t=$EPOCHREALTIME

	echo "${t%???}" | tr -d .,
}

# takes_from MIN MAX COMMAND...: whether the command takes that many
# milliseconds.
takes_from() {
	local began took min=$1 max=$2

	shift 2
	began=$(ms)
	"$@"
	took=$(($(ms) - began))
	echo "$took ms; $*"
	[ "$took" -ge "$min" ]
	[ "$took" -le "$max" ]
}

@test "rate: a tunnel carries its bytes per second from the target, and loses none" {
	adit_start "RateLimit 100000"
	peer_start FAR server -n 1 pattern 300K shut eof
	takes_from 2000 15000 \
	    client tunnel "127.0.0.1:$FAR_PORT" check 300K shut eof
	peer_wait FAR
}

@test "rate: a tunnel carries its bytes per second to the target" {
	adit_start "RateLimit 100000"
	peer_start FAR server -n 1 check 300K eof send x
	takes_from 2000 15000 \
	    client tunnel "127.0.0.1:$FAR_PORT" pattern 300K shut expect x eof
	peer_wait FAR
}

@test "rate: each direction and each tunnel has a limit of its own" {
	adit_start "RateLimit 100000"
	peer_start FAR server -n 12 duplex 600K 600K shut eof
	# With one limit for both directions it would take twelve seconds.
	takes_from 5000 10500 twelve
	peer_wait FAR
}

# twelve: runs twelve tunnels at the same time.
twelve() {
	local i

	for i in $(seq 12); do
		client_start "C$i" 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$FAR_PORT" duplex 600K 600K shut eof
	done
	for i in $(seq 12); do
		peer_wait "C$i"
	done
}

@test "rate: a flow that is spliced is limited too" {
	adit_start "Workers 1" "RateLimit 64000000"
	peer_start FAR server -n 1 pattern 160M shut eof
	takes_from 2300 25000 \
	    client tunnel "127.0.0.1:$FAR_PORT" check 160M shut eof
	peer_wait FAR
}

@test "rate: a slow tunnel is smooth: bytes pass in each second" {
	adit_start "RateLimit 2048"
	peer_start FAR server -n 1 pattern 6K shut eof
	# Each action has to read 1K, and has a second more than it needs.
	takes_from 2000 20000 client -t 2 -- tunnel "127.0.0.1:$FAR_PORT" \
	    check 1K check 1K check 1K check 1K check 1K check 1K shut eof
	peer_wait FAR
}

@test "rate: a tunnel with little to say is not delayed" {
	adit_start "RateLimit 20000"
	peer_start ECHO server echo
	# 4 KiB each way, far below the limit.
	takes_from 0 4000 client tunnel "127.0.0.1:$ECHO_PORT" rtt 64 64 shut eof
}

@test "rate: Timeout does not end a slow tunnel, and ends a quiet one" {
	adit_start "RateLimit 1024" "Timeout 1" "AccessLog \"$DIR/access\""
	peer_start FAR server -n 1 pattern 4K reset
	takes_from 3000 20000 \
	    client tunnel "127.0.0.1:$FAR_PORT" check 4K reset
	peer_wait FAR
	wait_for grep -q ' 200/idle ' "$DIR/access"
}

@test "rate: a reset is passed on while its tunnel pauses, and so are the bytes before it" {
	need_linux
	adit_start "RateLimit 2048"
	peer_start DOWN server -n 1 pattern 6K pause 300 rst
	client tunnel "127.0.0.1:$DOWN_PORT" check 6K reset
	peer_wait DOWN
	peer_start UP server -n 1 check 6K reset
	client tunnel "127.0.0.1:$UP_PORT" pattern 6K pause 300 rst
	peer_wait UP
}

@test "rate: an answer arrives whole if the target has closed and the client has sent more" {
	need_linux
	adit_start "RateLimit 4096"
	peer_start FAR server -n 1 pattern 16K close
	client tunnel "127.0.0.1:$FAR_PORT" take 1 send more \
		take 16383 gone
	peer_wait FAR
}

@test "rate: a worker whose tunnels pause sleeps, even if a side has closed" {
	local before slept pid taken woken

	need_proc
	need_linux
	adit_start "Workers 1" "RateLimit 4096"
	peer_start FAR server pattern 64K shut gone
	peer_start UP server sink
	pid=$(worker_pids)
	# Both directions have ended at the target, except for unread bytes.
	client_start A -n 5 -t 60 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$FAR_PORT" shut take 1 touch "$DIR/1" \
	    wait "$DIR/go" rst
	client_start B -n 5 -t 60 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$UP_PORT" pattern 64K touch "$DIR/2" \
	    wait "$DIR/go" rst
	wait_for test -e "$DIR/1" -a -e "$DIR/2"
	before=$(ticks "$pid")
	slept=$(sleeps "$pid")
	sleep 2
	taken=$(($(ticks "$pid") - before))
	woken=$(($(sleeps "$pid") - slept))
	echo "$taken ticks, awake $woken times in two seconds"
	# Ten tunnels, each of which is read eight times in a second.
	[ "$taken" -lt $(($(getconf CLK_TCK) / 2)) ]
	[ "$woken" -gt 10 ]
	[ "$woken" -lt 800 ]
	touch "$DIR/go"
	peer_wait A
	peer_wait B
}
