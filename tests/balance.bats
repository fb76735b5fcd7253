#!/usr/bin/env bats
# Which worker listens: one at a time, the one with the fewest tunnels.

load helper
LOOKS_INSIDE=yes

# need_syscall: for tests that read from /proc for what a worker waits.
need_syscall() {
	local line

	need_proc
	read -r line 2>/dev/null <"/proc/$BASHPID/syscall" ||
		skip "needs /proc/PID/syscall"
}

# watched PID: sets WATCHED to the number of descriptors for which the worker
# waits, in poll() and in its lot; or to nothing when it does not sleep.  One
# that waits in the lot alone has an address where others have a number.
watched() {
	local line lot

	WATCHED=
	read -r -a line 2>/dev/null <"/proc/$1/syscall" || return 0
	[ "${#line[@]}" -ge 3 ] || return 0
	mapfile -t lot < <(grep -h '^tfd:' /proc/"$1"/fdinfo/* 2>/dev/null)
	WATCHED=$((line[2]))
	[ "$WATCHED" -gt 0 ] && [ "$WATCHED" -lt 65536 ] || WATCHED=1
	WATCHED=$((WATCHED + ${#lot[@]}))
}

# listeners_find: sets LISTENERS to the workers that listen.  While the proxy is
# idle they wait for one descriptor more than the other workers; there must be
# others.
listeners_find() {
	local least='' most='' pid

	LISTENERS=()
	holders_find "$PORT"
	for pid in "${HOLDERS[@]}"; do
		watched "$pid"
		[ -n "$WATCHED" ] || return 1
		if [ -z "$least" ] || [ "$WATCHED" -lt "$least" ]; then
			least=$WATCHED
		fi
		if [ -z "$most" ] || [ "$WATCHED" -gt "$most" ]; then
			most=$WATCHED
			LISTENERS=()
		fi
		[ "$WATCHED" -lt "$most" ] || LISTENERS+=("$pid")
	done
	[ -n "$most" ] && [ "$most" = $((least + 1)) ]
}

# one_listens: whether exactly one worker listens; for wait_for.
one_listens() {
	listeners_find && [ "${#LISTENERS[@]}" = 1 ]
}

workers_are() {
	holders_find "$PORT"
	[ "${#HOLDERS[@]}" = "$1" ]
}

# sockets PID: prints how many sockets the process has.
sockets() {
	find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | wc -l
}

# loads: sets LOADS to the number of tunnels of each worker, and TOTAL to their
# sum.  IDLE is the number of sockets of a worker without tunnels.
loads() {
	local pid

	LOADS=()
	TOTAL=0
	for pid in $(worker_pids); do
		LOADS+=($((($(sockets "$pid") - IDLE) / 2)))
		TOTAL=$((TOTAL + LOADS[-1]))
	done
}

loads_are() {
	loads
	[ "$TOTAL" = "$1" ]
}

# balanced N: whether there are N tunnels, and no worker has more than the mean
# and a fifth.
balanced() {
	local n

	wait_for loads_are "$1"
	echo "${LOADS[*]}"
	for n in "${LOADS[@]}"; do
		[ $((n * ${#LOADS[@]} * 10)) -le $(($1 * 12)) ] || return 1
	done
}

# balance_start WORKERS: adit, and a server.
balance_start() {
	need_proc
	peer_start srv echod
	adit_start "Workers $1" "LogLevel Notice"
	wait_for workers_are "$1"
	IDLE=$(sockets "$(worker_pids | head -n 1)")
}

# burst NAME N: N tunnels of one client that connects as fast as it can.
burst() {
	client_start "$1" -n "$2" -t 60 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up hold
	wait_for -t 60 peer_said "$1" up
}

# switches: prints how often the workers have gone to sleep.
switches() {
	local pid

	for pid in $(worker_pids); do
		sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' \
		    "/proc/$pid/status"
	done | awk '{ n += $1 } END { print n }'
}

@test "balance: tunnels opened one by one are spread evenly" {
	local i

	balance_start 4
	for i in $(seq 48); do
		burst "t$i" 1
	done
	balanced 48
}

@test "balance: two tunnels are on two workers" {
	balance_start 2
	burst a 1
	burst b 1
	wait_for loads_are 2
	[ "${LOADS[*]}" = "1 1" ]
}

# loads_in_order: as loads, by the numbers of the workers; PIDS are theirs.
loads_in_order() {
	local n pid

	PIDS=()
	for pid in $(worker_pids); do
		n=$(tr '\0' '\n' <"/proc/$pid/cmdline" |
		    sed -n 's/.*worker \([0-9]*\).*/\1/p')
		PIDS[n]=$pid
	done
	LOADS=()
	TOTAL=0
	for pid in "${PIDS[@]}"; do
		LOADS+=($((($(sockets "$pid") - IDLE) / 2)))
		TOTAL=$((TOTAL + LOADS[-1]))
	done
}

# first_have N K: whether there are N tunnels, on the first K workers, none of
# which has more than the mean and a fifth.  Where clients wait for long, as on
# a busy machine, the master lets another worker help: with one in ten at most.
first_have() {
	local i others=0

	loads_in_order
	for i in "${!LOADS[@]}"; do
		if [ "$i" -ge "$2" ]; then
			others=$((others + LOADS[i]))
		else
			[ $((LOADS[i] * $2 * 10)) -le $(($1 * 12)) ] || return 1
		fi
	done
	[ "$TOTAL" = "$1" ] && [ "$others" -le $(($1 / 10)) ]
}

total_is() {
	loads_in_order
	[ "$TOTAL" = "$1" ]
}

# slept I: prints how often the workers from I on have gone to sleep.
slept() {
	local pid

	for pid in "${PIDS[@]:$1}"; do
		sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' \
		    "/proc/$pid/status"
	done | awk '{ n += $1 } END { print n }'
}

@test "balance: workers beyond the processors are a reserve until the others are nearly full, stop or die" {
	local before cpus i places

	need_proc
	CRASH_OK=1
	cpus=$(getconf _NPROCESSORS_ONLN)
	[ "$cpus" -le 8 ] || skip "too many processors"
	# shellcheck disable=SC2016
	ADIT_WRAP=(sh -c 'ulimit -n 256 && exec "$@"' sh)
	peer_start srv echod
	adit_start "Workers auto" "LogLevel Notice" "MaxClients $((250 * cpus))"
	wait_for workers_are $((3 * cpus))
	loads_in_order
	[ "${#PIDS[@]}" = $((3 * cpus)) ] || skip "processes have no titles"
	IDLE=$(sockets "${PIDS[0]}")
	before=$(slept "$cpus")
	burst few "$cpus"
	wait_for first_have "$cpus" "$cpus"
	client -c 50 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	burst more $((20 * cpus))
	wait_for first_have $((21 * cpus)) "$cpus"
	# All of these clients would wake them more than a hundred times.
	[ $(($(slept "$cpus") - before)) -le 20 ]
	# No client waits for one that was stopped, or was killed.
	kill -STOP "${PIDS[0]}"
	burst stopped $((20 * cpus))
	loads_in_order
	echo "stopped: ${LOADS[*]}"
	[ "${LOADS[cpus]}" -gt 0 ]
	kill -CONT "${PIDS[0]}"
	kill -KILL "${PIDS[0]}"
	burst killed 1
	wait_for workers_other "${PIDS[0]}" $((3 * cpus))
	# The first ones are nearly full, and the next ones join them.
	loads_in_order
	places=$((95 * cpus))
	burst full $((places - TOTAL))
	wait_for total_is "$places"
	echo "nearly full: ${LOADS[*]}"
	burst next $((60 * cpus))
	wait_for total_is $((places + 60 * cpus))
	echo "next: ${LOADS[*]}"
	for i in $(seq 0 $((2 * cpus - 1))); do
		[ "${LOADS[i]}" -gt 20 ]
	done
	for i in $(seq $((2 * cpus)) $((3 * cpus - 1))); do
		[ "${LOADS[i]}" -le 5 ]
	done
}

@test "balance: tunnels that come one after the other stay on one worker" {
	local first second total

	balance_start 2
	client -c 5 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	mapfile -t PIDS < <(worker_pids)
	total=$(slept 0)
	second=$(slept 1)
	client -c 200 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	wait_for loads_are 0
	total=$(($(slept 0) - total))
	second=$(($(slept 1) - second))
	first=$((total - second))
	echo "sleeps: $first and $second"
	# The client does not wait for the end of one before it opens the
	# next.  The other worker wakes for at most one in ten.
	[ "$first" -le 20 ] || [ "$second" -le 20 ]
}

@test "balance: tunnels opened in bursts are spread evenly" {
	balance_start 8
	burst one 240
	balanced 240
	client_start two -n 80 -t 60 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" say up hold
	client_start three -n 80 -t 60 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" say up hold
	client_start four -n 80 -t 60 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" say up hold
	wait_for -t 60 peer_said two up
	wait_for -t 60 peer_said three up
	wait_for -t 60 peer_said four up
	balanced 480
}

# shared_burst N: whether some of N clients that come at once got to each of the
# workers; and closes their tunnels.
shared_burst() {
	local all before i shared=yes

	loads
	all=$TOTAL
	before=("${LOADS[@]}")
	client_start some -n "$1" -t 60 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
	    skip "\r\n\r\n" hold
	wait_for loads_are $((all + $1))
	echo "${before[*]}, then ${LOADS[*]}"
	for i in "${!LOADS[@]}"; do
		[ "${LOADS[i]}" -gt "${before[i]}" ] || shared=
	done
	# shellcheck disable=SC2154
	kill "$some_PID"
	wait_for loads_are "$all"
	[ -n "$shared" ]
}

@test "balance: when many clients come at once, more than one worker sets up tunnels" {
	local i

	balance_start 2
	burst one 400
	burst two 400
	wait_for loads_are 800
	# One alone would take as many before it passes the baton on.
	for i in $(seq 20); do
		! shared_burst 40 || return 0
	done
	return 1
}

@test "balance: a worker that was started again gets new tunnels until it has its share" {
	local left n pid

	CRASH_OK=1
	balance_start 4
	burst one 200
	balanced 200
	pid=$(worker_pids | head -n 1)
	kill -KILL "$pid"
	wait_for workers_other "$pid" 4
	loads
	left=$TOTAL
	[ "$left" -ge 140 ] && [ "$left" -lt 200 ]
	n=$((400 - left))
	burst two "$n"
	balanced 400
}

# workers_other PID N: whether there are N workers besides that one.
workers_other() {
	workers_are "$2" && fails grep -qx "$1" <<<"$(worker_pids)"
}

@test "balance: when tunnels end, new ones go to the worker with the fewest" {
	local i

	balance_start 4
	for i in $(seq 40); do
		burst "t$i" 1
	done
	balanced 40
	# Every fourth tunnel ends: these may all be in one worker.
	for i in $(seq 1 4 40); do
		pid=t${i}_PID
		kill "${!pid}"
	done
	wait_for loads_are 30
	for i in $(seq 10); do
		burst "u$i" 1
	done
	balanced 40
}

@test "balance: with 64 workers one connection wakes one or two of them" {
	local after before

	need_proc
	adit_start "Workers 64" "LogLevel Notice"
	wait_for workers_are 64
	client -c 70 -- send "GET / HTTP/1.1\r\n\r\n" refused 400
	before=$(switches)
	client -c 100 -- send "GET / HTTP/1.1\r\n\r\n" refused 400
	after=$(switches)
	echo "$((after - before)) for 100 connections"
	# One wake-up for the client, one for its end, and one for the next
	# worker when the baton moves.
	[ $((after - before)) -lt 600 ]
	[ $((after - before)) -ge 10 ]
}

@test "balance: exactly one worker listens, whatever happens" {
	local i

	need_syscall
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 3"
	wait_for one_listens
	client -n 5 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	wait_for one_listens
	for i in 1 2 3; do
		kill -HUP "$ADIT_PID"
		wait_for reloads_are "$i"
		wait_for workers_are 3
		wait_for one_listens
	done
	kill -KILL "${LISTENERS[0]}"
	wait_for workers_other "${LISTENERS[0]}" 3
	wait_for one_listens
	# shellcheck disable=SC2046
	kill -KILL $(worker_pids)
	wait_for log_counts 4 'died from signal 9'
	wait_for workers_are 3
	wait_for one_listens
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

reloads_are() {
	[ "$(log_count 'Reloading config file finished')" = "$1" ]
}

@test "balance: when the listening worker is killed, another one listens" {
	local i

	need_syscall
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 3"
	for i in $(seq 8); do
		wait_for one_listens
		kill -KILL "${LISTENERS[0]}"
		client -t 3 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	done
	# Each restart waits longer; the clients did not wait for restarts.
	log_wait 'restarting in [0-9]+ ms'
}

@test "balance: workers killed under load leave no client waiting" {
	local i

	need_proc
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 4" "LogLevel Notice"
	for i in 1 2 3; do
		(
			while [ ! -e "$DIR/stop" ]; do
				"$PEER" client -t 15 127.0.0.1 "$PORT" \
				    tunnel "127.0.0.1:$srv_PORT" rtt 2 10 \
				    shut eof && echo good
			done
		) >"$DIR/stream$i.out" 2>"$DIR/stream$i.err" 3>&- &
		own_pid $!
	done
	for i in $(seq 8); do
		holders_find "$PORT"
		[ "${#HOLDERS[@]}" = 0 ] ||
			kill -KILL "${HOLDERS[RANDOM % ${#HOLDERS[@]}]}"
		all_go_on
	done
	touch "$DIR/stop"
	# A client that was cut off does not count as one that waited.
	cat "$DIR"/stream?.err
	fails grep -qi 'time' "$DIR"/stream?.err
}

# all_go_on: whether each stream has succeeded once more.
all_go_on() {
	local i lines

	for i in 1 2 3; do
		mapfile -t lines <"$DIR/stream$i.out"
		wait_for lines_are "$DIR/stream$i.out" $((${#lines[@]} + 1))
	done
}

@test "balance: when the listening worker is stopped, another one listens; when it goes on, it gets its share" {
	local pid

	need_syscall
	balance_start 3
	wait_for one_listens
	pid=${LISTENERS[0]}
	kill -STOP "$pid"
	burst one 60
	loads
	kill -CONT "$pid"
	[ "$TOTAL" = 60 ]
	burst two 60
	balanced 120
}

# rapid: whether a worker has used more than a fifth of a second of a processor;
# then RAPID is its number.
rapid() {
	local pid stat

	RAPID=
	for pid in $(worker_pids); do
		read -r stat <"/proc/$pid/stat"
		read -r -a stat <<<"${stat##*) }"
		[ $((stat[11] + stat[12])) -lt 20 ] || RAPID=$pid
	done
	[ -n "$RAPID" ]
}

@test "balance: a worker with a tunnel at full speed leaves new clients to others" {
	balance_start 2
	peer_start fast server stream
	client_start sink 127.0.0.1 "$PORT" tunnel "127.0.0.1:$fast_PORT" sink
	wait_for rapid
	# On a busy machine even that tunnel rests now and then.
	wait_for others_have_12
}

# others_have_12: whether none of 12 new tunnels is on the worker RAPID, of two;
# for wait_for.
others_have_12() {
	local before

	loads
	before=$TOTAL
	burst few 12
	wait_for loads_are $((before + 12))
	echo "${LOADS[*]}"
	[ $((($(sockets "$RAPID") - IDLE) / 2)) = 1 ] && return
	kill "$few_PID"
	wait_for loads_are "$before"
	return 1
}

@test "balance: when all workers except one are stopped, that one serves" {
	local pids

	need_proc
	balance_start 3
	mapfile -t pids < <(worker_pids)
	kill -STOP "${pids[0]}" "${pids[2]}"
	burst one 30
	kill -CONT "${pids[0]}" "${pids[2]}"
	burst two 60
	balanced 90
}

@test "balance: after a reload under load one worker listens, and tunnels are spread evenly" {
	local i

	need_syscall
	balance_start 4
	echo "LogLevel Info" >>"$CONF"
	(
		while [ ! -e "$DIR/stop" ]; do
			"$PEER" client -n 5 -t 15 127.0.0.1 "$PORT" \
			    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof ||
				exit 1
		done
	) >"$DIR/stream.out" 2>"$DIR/stream.err" 3>&- &
	STREAM=$!
	own_pid "$STREAM"
	for i in 1 2 3 4; do
		kill -HUP "$ADIT_PID"
		wait_for reloads_are "$i"
	done
	touch "$DIR/stop"
	wait_for dead "$STREAM"
	wait "$STREAM"
	wait_for workers_are 4
	wait_for one_listens
	burst one 100
	balanced 100
}

@test "balance: a place of MaxClients that one worker frees can be used at once by another" {
	local began i

	need_proc
	peer_start srv echod
	adit_start "Workers 4" "LogLevel Notice" "MaxClients 3"
	# One client always waits, at a worker without clients.  A pause of 100
	# ms before every three clients would take half a minute.
	began=$SECONDS
	for i in $(seq 15); do
		client_start "c$i" -c 100 -t 60 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	done
	for i in $(seq 15); do
		peer_wait "c$i"
	done
	echo "$((SECONDS - began)) seconds"
	[ $((SECONDS - began)) -le 15 ]
}

@test "balance: when all descriptors of all workers are in use, the next client waits and is served later" {
	local i most

	# shellcheck disable=SC2016
	ADIT_WRAP=(sh -c 'ulimit -n 64 && exec "$@"' sh)
	peer_start srv echod
	adit_start "Workers 3" "LogLevel Notice" "MaxClients 1000"
	log_wait 'MaxClients 1000 is more than 3 '
	most=$(sed -n 's/.*MaxClients 1000 is more than 3 .*they serve //p' \
	    "$LOG")
	echo "they serve $most"
	for i in $(seq $((most + 8))); do
		client_start "c$i" -t 60 127.0.0.1 "$PORT" \
		    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up \
		    wait "$DIR/go$((i % 2))" rtt 1 5 shut eof
	done
	# No worker pauses while another has room.
	wait_for ups_are "$most"
	touch "$DIR/go0"
	wait_for ups_are $((most + 8))
	touch "$DIR/go1"
	for i in $(seq $((most + 8))); do
		peer_wait "c$i"
	done
	fails log_has 'died'
}

ups_are() {
	[ "$(grep -lx up "$DIR"/c*.out | wc -l)" = "$1" ]
}
