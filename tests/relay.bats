#!/usr/bin/env bats
# An open tunnel: integrity, half-close, resets, back-pressure, deadlines.

load helper
LOOKS_INSIDE=yes

# settled N: waits until the children of adit have N descriptors again.
settled() {
	wait_for fd_count_is "$1" || {
		echo "there are $(fd_count) descriptors instead of $1"
		return 1
	}
}

# base: opens and closes one tunnel, then sets BASE to the number of descriptors
# of an idle adit.
base() {
	need_proc
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 shut eof
	log_wait 'Closed connection'
	BASE=$(fd_count)
}

@test "relay: 64 MiB in both directions at once arrive unchanged" {
	adit_start
	peer_start FAR server -n 1 duplex 64M 64M shut eof
	client tunnel "127.0.0.1:$FAR_PORT" duplex 64M 64M shut eof
	peer_wait FAR
}

@test "relay: 64 MiB up arrive unchanged" {
	adit_start
	peer_start FAR server -n 1 check 64M eof send thanks
	client tunnel "127.0.0.1:$FAR_PORT" pattern 64M shut expect thanks eof
	peer_wait FAR
}

@test "relay: 64 MiB down arrive unchanged" {
	adit_start
	peer_start FAR server -n 1 pattern 64M shut eof
	client tunnel "127.0.0.1:$FAR_PORT" check 64M eof
	peer_wait FAR
}

@test "relay: eight tunnels at once do not mix their bytes" {
	local i

	adit_start "Workers 2"
	peer_start FAR server -n 8 duplex 6M 6M shut eof
	for i in 1 2 3 4 5 6 7 8; do
		client_start "NEAR$i" 127.0.0.1 "$PORT" \
			tunnel "127.0.0.1:$FAR_PORT" duplex 6M 6M shut eof
	done
	for i in 1 2 3 4 5 6 7 8; do
		peer_wait "NEAR$i"
	done
	peer_wait FAR
}

@test "relay: pieces of awkward sizes arrive whole" {
	local size script=()

	adit_start
	peer_start ECHO server echo
	for size in 1 2 1447 1448 1449 4095 16384 65535 65536 131071 \
	    262143 262144; do
		script+=(rtt 4 "$size")
	done
	client tunnel "127.0.0.1:$ECHO_PORT" "${script[@]}" shut eof
}

@test "relay: a slow reader gets every byte" {
	local i script=()

	adit_start
	for i in 1 2 3 4 5 6 7 8 9 10; do
		script+=(check 100K pause 30)
	done
	peer_start FAR server -n 1 -R 8192 "${script[@]}" check 7000K eof
	client tunnel "127.0.0.1:$FAR_PORT" pattern 8000K shut eof
	peer_wait FAR
}

@test "relay: a client that has shut its side still gets the answer" {
	adit_start
	peer_start FAR server -n 1 check 100K eof pattern 1M
	client tunnel "127.0.0.1:$FAR_PORT" pattern 100K shut check 1M eof
	peer_wait FAR
}

@test "relay: a target that has shut its side still gets the rest" {
	adit_start
	peer_start FAR server -n 1 pattern 1M shut check 1M eof
	client tunnel "127.0.0.1:$FAR_PORT" check 1M eof pattern 1M shut
	peer_wait FAR
}

@test "relay: a stalled reader gets the end of file after the last byte" {
	adit_start
	peer_start FAR server -n 1 -R 8192 wait "$DIR/go" check 3M eof send x
	client_start NEAR 127.0.0.1 "$PORT" tunnel "127.0.0.1:$FAR_PORT" \
		pattern 3M shut expect x eof
	log_wait Established
	sleep 0.2
	touch "$DIR/go"
	peer_wait NEAR
	peer_wait FAR
}

@test "relay: a half-closed tunnel stays open for the other direction" {
	adit_start
	peer_start FAR server -n 1 eof pause 500 send late pause 500 send later
	client tunnel "127.0.0.1:$FAR_PORT" shut quiet 200 expect late \
		expect later eof
	peer_wait FAR
}

@test "relay: a tunnel that both sides have shut is gone" {
	adit_start
	base
	peer_start FAR server -n 5 shut eof
	client -n 5 -- tunnel "127.0.0.1:$FAR_PORT" shut eof
	peer_wait FAR
	settled "$BASE"
}

@test "relay: the client gets a reset of the target as a reset, not as an end of file" {
	adit_start
	base
	peer_start FAR server send 'Content-Length: 1000\r\n\r\nbegin' \
		wait "$DIR/go" rst
	client -n 5 -- tunnel "127.0.0.1:$FAR_PORT" skip begin \
		touch "$DIR/go" reset
	settled "$BASE"
}

@test "relay: the target gets a reset of the client as a reset, not as an end of file" {
	adit_start
	base
	peer_start FAR server -n 5 skip begin send ok reset
	client -n 5 -- tunnel "127.0.0.1:$FAR_PORT" send begin \
		expect ok rst
	peer_wait FAR
	settled "$BASE"
}

@test "relay: a reset by the target reaches a client that has shut its side" {
	adit_start
	peer_start FAR server eof send part wait "$DIR/go" rst
	client tunnel "127.0.0.1:$FAR_PORT" shut expect part \
		touch "$DIR/go" reset
}

@test "relay: a reset by the client reaches a target that has shut its side" {
	adit_start
	peer_start FAR server -n 1 send part shut expect more \
		touch "$DIR/go" reset
	client tunnel "127.0.0.1:$FAR_PORT" expect part eof send more \
		wait "$DIR/go" rst
	peer_wait FAR
}

@test "relay: a reset by the target reaches a client that is sending" {
	adit_start
	peer_start FAR server check 1M rst
	client tunnel "127.0.0.1:$FAR_PORT" stream reset
}

@test "relay: a reset by the client reaches a target that is sending" {
	adit_start
	peer_start FAR server -n 1 stream reset
	client tunnel "127.0.0.1:$FAR_PORT" check 1M rst
	peer_wait FAR
}

@test "relay: a client that closes with unread data resets the target" {
	# The kernel sends a reset when a socket with unread data is closed.
	adit_start
	peer_start FAR server -n 1 stream reset
	client tunnel "127.0.0.1:$FAR_PORT" take 1K close
	peer_wait FAR
}

@test "relay: the death of a worker looks like a reset, not like an end of file" {
	need_linux
	need_proc
	adit_start "Workers 1"
	CRASH_OK=1
	peer_start FAR server -n 2 send part reset
	client_start NEAR -n 2 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$FAR_PORT" expect part touch "$DIR/go" reset
	wait_for test -e "$DIR/go"
	kill -KILL "$(worker_pids)"
	peer_wait NEAR
	peer_wait FAR
}

@test "relay: a client that resets while its target stalls frees everything" {
	adit_start
	base
	peer_start FAR server -R 8192 wait "$DIR/go" reset touch "$DIR/seen"
	client tunnel "127.0.0.1:$FAR_PORT" fill 100M rst
	settled "$BASE"
	touch "$DIR/go"
	wait_for test -e "$DIR/seen"
}

@test "relay: a target that resets while its client stalls frees everything" {
	adit_start
	base
	peer_start FAR server fill 100M touch "$DIR/go" rst
	client -R 8192 -- tunnel "127.0.0.1:$FAR_PORT" wait "$DIR/go" \
		pause 200 reset
	settled "$BASE"
}

@test "relay: a target that never reads stops its client, and memory does not grow" {
	local before after most=8192

	need_proc
	adit_start
	peer_start STALL server -R 65536 hold
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 4 256K shut eof
	before=$(resident)
	client_start FULL -n 8 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$STALL_PORT" fill 64M \
		touch "$DIR/filled" hold
	wait_for -t 60 test -e "$DIR/filled"
	after=$(resident)
	echo "resident: $before KiB before, $after KiB after"
	sanitized || [ "$((after - before))" -lt "$most" ]
	# Other tunnels are not affected.
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 10 100 shut eof
}

@test "relay: a client that never reads stops its target, and memory does not grow" {
	local before after most=8192

	need_proc
	adit_start
	peer_start FLOOD server fill 64M touch "$DIR/filled" hold
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 4 256K shut eof
	before=$(resident)
	client_start DEAF -n 8 -R 65536 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$FLOOD_PORT" hold
	wait_for -t 60 test -e "$DIR/filled"
	wait_for -t 60 peer_said_times FLOOD 8 '^filled '
	after=$(resident)
	echo "resident: $before KiB before, $after KiB after"
	sanitized || [ "$((after - before))" -lt "$most" ]
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 10 100 shut eof
}

# peer_said_times NAME N REGEX: whether N lines match; for wait_for.
peer_said_times() {
	[ "$(grep -caE -e "$3" "$DIR/$1.out")" = "$2" ]
}

@test "relay: a stalled target that reads again gets every byte" {
	adit_start
	peer_start FAR server -n 1 -R 65536 wait "$DIR/NEAR.full" \
		checkfill "$DIR/NEAR.out" check 1M eof
	client_start NEAR 127.0.0.1 "$PORT" tunnel "127.0.0.1:$FAR_PORT" \
		fill 100M touch "$DIR/NEAR.full" pattern 1M shut eof
	peer_wait NEAR
	peer_wait FAR
}

@test "relay: a stalled client that reads again gets every byte" {
	adit_start
	peer_start FAR server -n 1 fill 100M touch "$DIR/full" \
		pattern 1M shut eof
	client -R 65536 -- tunnel "127.0.0.1:$FAR_PORT" wait "$DIR/full" \
		checkfill "$DIR/FAR.out" check 1M eof
	peer_wait FAR
}

@test "relay: a stalled direction does not stop the other" {
	adit_start
	peer_start FAR server -n 1 fill 100M check 10M touch "$DIR/read" \
		shut eof
	client -R 65536 -- tunnel "127.0.0.1:$FAR_PORT" pattern 10M \
		wait "$DIR/read" checkfill "$DIR/FAR.out" eof
	peer_wait FAR
}

@test "relay: Timeout resets a quiet tunnel, and frees it" {
	adit_start "Timeout 1"
	base
	peer_start FAR server -n 3 reset
	client -n 3 -- tunnel "127.0.0.1:$FAR_PORT" reset
	peer_wait FAR
	settled "$BASE"
}

@test "relay: Timeout resets a tunnel whose target stalls" {
	adit_start "Timeout 1"
	peer_start FAR server -R 8192 hold
	client tunnel "127.0.0.1:$FAR_PORT" try fill 100M reset
}

@test "relay: Timeout resets a quiet half-closed tunnel" {
	adit_start "Timeout 1"
	peer_start FAR server -n 1 eof reset
	client tunnel "127.0.0.1:$FAR_PORT" shut reset
	peer_wait FAR
}

@test "relay: Timeout does not end a tunnel in which one side sends now and then" {
	adit_start "Timeout 3"
	peer_start UP server -n 1 skip abcdefghijklmnop eof send end
	peer_start DOWN server -n 1 drip 300 abcdefghijklmnop shut eof
	client_start UPPER 127.0.0.1 "$PORT" tunnel "127.0.0.1:$UP_PORT" \
		drip 300 abcdefghijklmnop shut expect end eof
	client tunnel "127.0.0.1:$DOWN_PORT" expect abcdefghijklmnop eof
	peer_wait UPPER
	peer_wait UP
	peer_wait DOWN
}

@test "relay: TunnelTimeout ends a tunnel with resets, however busy it is" {
	adit_start "TunnelTimeout 1"
	base
	peer_start FAR server echo
	client tunnel "127.0.0.1:$FAR_PORT" try rtt 1000000000 64 reset
	client tunnel "127.0.0.1:$FAR_PORT" reset
	settled "$BASE"
	log_wait 'Closed connection'
}

@test "relay: small writes do not wait for acknowledgements (Nagle)" {
	need_linux
	adit_start
	"$PEER" nodelay 127.0.0.1 "$PORT"
}

@test "relay: a tunnel can be quiet for a while, again and again" {
	adit_start
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 pause 300 rtt 9 9 \
		pause 30 rtt 1 64K pause 300 rtt 9 9 pause 20 rtt 1 1 \
		pause 300 shut eof
}

@test "relay: a quiet tunnel wakes when the target sends" {
	adit_start
	peer_start FAR server -n 1 pause 300 send one pause 300 pattern 1M eof
	client tunnel "127.0.0.1:$FAR_PORT" expect one check 1M pause 300 shut \
		eof
	peer_wait FAR
}

@test "relay: a quiet tunnel passes on end of file and resets" {
	adit_start
	base
	peer_start FAR server -n 1 eof send answer
	client tunnel "127.0.0.1:$FAR_PORT" pause 300 shut expect answer eof
	peer_wait FAR
	peer_start FAR2 server -n 1 reset
	client tunnel "127.0.0.1:$FAR2_PORT" pause 300 rst
	peer_wait FAR2
	peer_start FAR3 server -n 1 pause 300 rst
	client tunnel "127.0.0.1:$FAR3_PORT" reset
	peer_wait FAR3
	peer_start FAR4 server -n 1 send x shut pause 300 eof
	client tunnel "127.0.0.1:$FAR4_PORT" expect x eof pause 300 shut
	peer_wait FAR4
	settled "$BASE"
}

@test "relay: a thousand quiet tunnels all wake, twice, and all end" {
	adit_start
	base
	peer_start MANY echod
	client -n 1000 -t 60 -- tunnel "127.0.0.1:$MANY_PORT" pause 200 \
		rtt 1 64 pause 200 rtt 2 1000 pause 200 shut eof
	settled "$BASE"
}

@test "relay: busy tunnels go on beside a thousand quiet ones" {
	adit_start
	peer_start MANY echod
	peer_start ECHO server echo
	client_start QUIET -n 1000 -t 60 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$MANY_PORT" touch "$DIR/quiet" \
		wait "$DIR/go" rtt 1 64 shut eof
	wait_for -t 60 test -e "$DIR/quiet"
	client -n 8 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 300 64 shut eof
	touch "$DIR/go"
	peer_wait QUIET
}

@test "relay: a worker with only quiet or stalled tunnels sleeps" {
	local before after pid slept woken

	need_proc
	adit_start "Workers 1"
	peer_start MANY echod
	peer_start STALL server -R 8192 hold
	peer_start HALF server eof hold
	client_start A -n 50 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$MANY_PORT" touch "$DIR/1" hold
	client_start B -n 4 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$STALL_PORT" fill 100M touch "$DIR/2" hold
	client_start C -n 4 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$HALF_PORT" shut touch "$DIR/3" hold
	wait_for -t 60 test -e "$DIR/1"
	wait_for -t 60 test -e "$DIR/2"
	wait_for -t 60 test -e "$DIR/3"
	sleep 0.3
	pid=$(worker_pids)
	before=$(ticks "$pid")
	slept=$(sleeps "$pid")
	sleep 2
	after=$(ticks "$pid")
	woken=$(($(sleeps "$pid") - slept))
	echo "$before ticks before, $after two seconds later; $woken times awake"
	# A worker that never sleeps takes about 200 ticks; one that wakes to
	# look for quiet tunnels wakes 200 times.
	[ "$((after - before))" -lt 50 ]
	[ "$woken" -lt 60 ]
}
