#!/usr/bin/env bats
# The costs of a tunnel: system calls, descriptors, pipes.  It counts, and never
# measures times.

load helper
LOOKS_INSIDE=yes

# traced NAME COMMAND...: runs a command while strace counts the system calls
# of the only worker, into $DIR/NAME.
traced() {
	local name=$1 worker tracer

	shift
	need_linux
	need_command strace
	worker=$(worker_pids)
	strace -qq -c -o "$DIR/$name" -p "$worker" 2>"$DIR/strace.err" 3>&- &
	tracer=$!
	own_pid "$tracer"
	wait_for traced_or_dead "$worker" "$tracer"
	if dead "$tracer"; then
		skip "strace: $(cat "$DIR/strace.err")"
	fi
	"$@"
	kill -INT "$tracer"
	wait_for dead "$tracer"
	cat "$DIR/$name"
}

traced_or_dead() {
	dead "$2" || ! grep -q '^TracerPid:[[:blank:]]*0$' "/proc/$1/status"
}

# calls NAME CALL: prints how often the worker made this call ("total": any
# call, except those of malloc() of musl, which maps a page for each setup).
calls() {
	awk -v call="$2" '
		$NF == call { n = $4 }
		call == "total" && $NF ~ /^(mmap|munmap)$/ { maps += $4 }
		END { print n - maps }' "$DIR/$1"
}

# worker_pipes: prints how many ends of pipes the workers have open.
worker_pipes() {
	local pid

	for pid in $(worker_pids); do
		find "/proc/$pid/fd" -lname 'pipe:*'
	done | wc -l
}

worker_pipes_are() {
	[ "$(worker_pipes)" = "$1" ]
}

@test "cost: a tunnel takes few system calls, including those for its logs" {
	local n

	adit_start "Workers 1" "AccessLog \"$DIR/access\""
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64 shut eof
	traced one client -c 100 tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64 shut eof
	n=$(calls one total)
	# 19 of them: accept4, recvfrom of the head, socket, connect, three
	# options of the server's socket, sendto of the reply, twice recvfrom
	# and sendto, twice recvfrom of the end of file, shutdown, twice an
	# option and close.  Tunnels that come one at a time do not share the
	# rest: four writes to logs, and a poll for each event.
	echo "$n system calls for 100 tunnels"
	[ "$n" -gt 1900 ]
	# Counted: 2 480 to 2 520.
	[ "$n" -le 2750 ]
	[ "$(calls one accept4)" -le 110 ]
	[ "$(calls one poll)" -le 800 ]
	[ "$(calls one shutdown)" -le 110 ]
	[ "$(calls one setsockopt)" -le 500 ]
	[ "$(calls one getsockopt)" -le 10 ]
	[ "$(calls one fcntl)" = 0 ]
	[ "$(calls one write)" -le 410 ]
	# 64 at once share waits and writes.
	traced all client -n 64 -c 4 -- \
	    send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\n\r\n" \
	    skip '\r\n\r\n' fillup x 64 take 64 shut eof
	n=$(calls all total)
	echo "$n system calls for 4 times 64 tunnels"
	# Counted: 5 700 to 5 830.  19 for each as above, three epoll_ctl, as all
	# wait for a moment, and waits and writes that many share.
	[ "$n" -gt 4500 ]
	[ "$(calls all poll)" -le 500 ]
	[ "$(calls all accept4)" -le 320 ]
	if ! shim; then
		[ "$n" -le 6500 ]
		[ "$(calls all epoll_ctl)" -le 800 ]
	fi
	[ "$(calls all setsockopt)" -le 1350 ]
	[ "$(calls all write)" -le 130 ]
}

# counted_start: starts adit so that valgrind counts what the only worker
# executes in user space, for counted_end.
counted_start() {
	need_command valgrind objcopy
	sanitized && skip "valgrind cannot run what a sanitizer is in"
	# valgrind does not understand the notes for debuggers of all compilers.
	objcopy --strip-debug "$ADIT" "$DIR/adit"
	ADIT=$DIR/adit
	valgrind -q --tool=none "$ADIT" -v >"$DIR/valgrind.out" 2>&1 ||
		skip "valgrind: $(tail -n 1 "$DIR/valgrind.out")"
	ADIT_WRAP=(valgrind --tool=callgrind "--log-file=$DIR/valgrind.%p"
		--callgrind-out-file=/dev/null
		--collect-atstart=no --toggle-collect=worker_run)
	[ "$EUID" != 0 ] || set -- "Sandbox no"
	adit_start "Workers 1" "AccessLog \"$DIR/access\"" "$@"
	peer_start ECHO server echo
}

# counted_end N: stops adit, and prints the instructions for each of N things.
counted_end() {
	kill "$ADIT_PID"
	wait_for dead "$ADIT_PID"
	awk -v n="$1" '/Collected : / { sum += $NF }
		END { print int(sum / n) }' "$DIR"/valgrind.*
}

@test "cost: a tunnel takes few instructions" {
	local n most=28000

	counted_start
	client -c 100 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64 shut eof
	n=$(counted_end 100)
	# 25 300 with gcc, 24 800 with clang, 30 100 with musl.
	grep -qa GLIBC_ "$ADIT" || most=33000
	echo "$n instructions for a tunnel"
	[ "$n" -gt 10000 ]
	[ "$n" -le "$most" ]
}

@test "cost: a round trip takes few instructions" {
	local n most=2750

	counted_start
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 5000 64 shut eof
	n=$(counted_end 5000)
	# 1 640 with gcc, 1 680 with clang, 2 050 with musl, and more where few
	# trips come in a millisecond; 2 860 if each turn looked at everything.
	# A lot that is poll() has the tunnel in the poll set: 2 650.
	if ! grep -qa GLIBC_ "$ADIT" || ! grep -qa 'epoll_wait' "$ADIT"; then
		most=3200
	fi
	echo "$n instructions for a round trip"
	[ "$n" -gt 500 ]
	[ "$n" -le "$most" ]
}

# talk_begin: starts ten tunnels that speak, and do so again after talk_now.
talk_begin() {
	local i talk=()

	for i in {1..12}; do
		talk+=(rtt 1 64 pause 10)
	done
	client_start TALK -n 10 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64 pause 100 rtt 1 64 \
		touch "$DIR/settled" wait "$DIR/go" "${talk[@]}" \
		touch "$DIR/done" wait "$DIR/end"
	wait_for test -e "$DIR/settled"
}

talk_now() {
	touch "$DIR/go"
	wait_for test -e "$DIR/done"
}

@test "cost: a tunnel that speaks now and then takes few system calls for it" {
	local n

	adit_start "Workers 1"
	peer_start ECHO server echo
	talk_begin
	traced talk talk_now
	[ "$(calls talk epoll_wait)" -gt 0 ] || skip "this lot is poll()"
	n=$(calls talk total)
	# Six for each, as no two come at once: twice a wait, recvfrom and
	# sendto.  At first the listener is in the poll set, and each wait is
	# two calls.  Counted: 750 to 765.
	echo "$n system calls for 120 round trips"
	[ "$n" -gt 480 ]
	[ "$n" -le 790 ]
	[ "$(calls talk epoll_ctl)" -le 4 ]
	[ "$(calls talk poll)" -le 60 ]
	touch "$DIR/end"
	peer_wait TALK
}

@test "cost: no turn of the loop asks about clients that wait" {
	adit_start "Workers 1"
	peer_start ECHO server echo
	# Half a request.
	client_start SLOW -n 50 127.0.0.1 "$PORT" send "CONNECT 127.0.0.1" \
		touch "$DIR/waits" wait "$DIR/end"
	wait_for test -e "$DIR/waits"
	# Servers that do not answer.
	peer_start FULL full
	client_start TRIES -n 20 127.0.0.1 "$PORT" \
		send "CONNECT 127.0.0.1:$FULL_PORT HTTP/1.1\r\n\r\n" \
		touch "$DIR/tries" wait "$DIR/end"
	wait_for test -e "$DIR/tries"
	talk_begin
	traced talk talk_now
	[ "$(calls talk epoll_wait)" -gt 0 ] || skip "this lot is poll()"
	# As without them: once they are parked, the lot is asked alone.
	[ "$(calls talk poll)" -le 60 ]
	touch "$DIR/end"
	peer_wait TALK
}

@test "cost: a large flow is not copied" {
	need_linux
	adit_start "Workers 1"
	peer_start FAR server -n 1 pattern 256M shut eof
	traced large client tunnel "127.0.0.1:$FAR_PORT" check 256M shut eof
	peer_wait FAR
	[ "$(calls large splice)" -gt 100 ]
	# Without splice() there are 1 024 calls and more.
	[ "$(calls large recvfrom)" -lt 500 ]
}

@test "cost: a tunnel that is quiet again keeps no pipe" {
	local pipes

	need_linux
	need_proc
	adit_start "Workers 1"
	pipes=$(worker_pipes)
	peer_start FAR server -n 8 pattern 32M take 1 shut eof
	client_start NEAR -n 8 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$FAR_PORT" check 32M touch "$DIR/read" \
		wait "$DIR/go" send x eof shut
	wait_for -t 60 test -e "$DIR/read"
	wait_for worker_pipes_are "$pipes"
	touch "$DIR/go"
	peer_wait NEAR
	peer_wait FAR
}

@test "cost: if stalled tunnels hold all pipes, another tunnel still goes on" {
	need_linux
	need_proc
	adit_start "Workers 1"
	peer_start FLOOD server fill 64M touch "$DIR/filled" hold
	client_start DEAF -n 40 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$FLOOD_PORT" take 1M hold
	wait_for -t 100 peer_said_times FLOOD 40 '^filled '
	echo "$(worker_pipes) ends of pipes"
	peer_start FAR server -n 1 pattern 64M shut eof
	client tunnel "127.0.0.1:$FAR_PORT" check 64M shut eof
	peer_wait FAR
}

# peer_said_times NAME N REGEX: whether N lines match; for wait_for.
peer_said_times() {
	[ "$(grep -caE -e "$3" "$DIR/$1.out")" = "$2" ]
}

@test "cost: urgent data in a large flow does not keep a worker busy" {
	local n

	adit_start "Workers 1"
	peer_start FAR server -n 1 check 64M touch "$DIR/read" expect xz \
		shut eof
	traced urgent client tunnel "127.0.0.1:$FAR_PORT" pattern 64M \
		urgent 'x!' wait "$DIR/read" pause 500 send z shut eof
	peer_wait FAR
	[ "$(calls urgent splice)" -gt 10 ]
	n=$(calls urgent total)
	echo "$n system calls"
	# A worker that spins makes 10 000 calls in that half second.
	[ "$n" -lt 8000 ]
}

@test "cost: a plain request takes few system calls, the fewest where connections are kept" {
	local get i n once all=() asked=()

	adit_start "Workers 1" "AccessLog \"$DIR/access\""
	once=(skip '\r\n\r\n'
		send 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
	for i in {1..100}; do
		all+=("${once[@]}")
	done
	peer_start KEPT server "${all[@]}"
	get="GET http://127.0.0.1:$KEPT_PORT/ HTTP/1.1\r\nHost: x\r\n"
	for i in {1..100}; do
		asked+=(send "$get\r\n" skip '\r\n\r\nok')
	done
	traced kept client "${asked[@]}"
	n=$(calls kept total)
	# recvfrom and sendto of the request and of the answer, and a poll for
	# each; and now and then a write to each log.  Counted: 613.
	echo "$n system calls for 100 requests on a connection"
	[ "$n" -gt 400 ]
	[ "$n" -le 680 ]
	[ "$(calls kept recvfrom)" -le 204 ]
	[ "$(calls kept sendto)" -le 204 ]
	[ "$(calls kept connect)" = 1 ]
	[ "$(calls kept setsockopt)" -le 3 ]
	peer_start SRV server "${once[@]}"
	get="GET http://127.0.0.1:$SRV_PORT/ HTTP/1.1\r\nHost: x\r\n"
	traced closed client -c 100 -- send "${get}Connection: close\r\n\r\n" \
	    skip '\r\n\r\nok' eof
	n=$(calls closed total)
	# 10 of them: accept4, recvfrom of the request, socket, connect, sendto,
	# recvfrom of the answer, sendto, close of the server, an option and
	# close of the client.  Counted: 1 395 to 1 411.
	echo "$n system calls for 100 requests with connections of their own"
	[ "$n" -gt 1000 ]
	[ "$n" -le 1650 ]
	[ "$(calls closed recvfrom)" -le 204 ]
	[ "$(calls closed setsockopt)" -le 104 ]
	[ "$(calls closed shutdown)" = 0 ]
}
# memory: prints how many bytes of memory the workers have for themselves.
memory() {
	local pid

	for pid in $(worker_pids); do
		cat "/proc/$pid/status"
	done | awk '/^Rss(Anon|Shmem):/ { n += $2 } END { print n * 1024 }'
}

# shim: whether the lot is the kqueue of tests/kqueue, which makes more calls.
shim() {
	grep -qa kqueue_filters "$ADIT"
}

# held N ACTION...: N times 100 clients do that, and stay until release.
held() {
	local i n=$1

	shift
	rm -f "$DIR"/held.* "$DIR/go"
	for i in $(seq "$n"); do
		client_start "HELD$i" -t 100 -n 100 127.0.0.1 "$PORT" "$@" \
		    touch "$DIR/held.$i" wait "$DIR/go" close
		wait_for -t 100 test -e "$DIR/held.$i"
	done
	HELD=$n
}

release() {
	local i

	touch "$DIR/go"
	for i in $(seq "$HELD"); do
		peer_wait "HELD$i"
	done
	wait_for fd_count_is "$FDS"
}

@test "cost: quiet tunnels and requests under way take little memory" {
	local before get used quiet=470 most=4096

	# The shim keeps something for each.
	! shim || quiet=510
	need_proc
	! sanitized || skip "a sanitizer has memory of its own"
	adit_start "Workers 1" "AccessLog \"$DIR/access\""
	FDS=$(fd_count)
	peer_start ECHO echod
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64 shut eof
	# The clients of a hundred connect before the first of them asks.
	held 1 tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64
	release
	before=$(memory)
	held 11 tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64
	used=$((($(memory) - before) / 1000))
	# Counted: 434.  384 are its own, and 50 what malloc() leaves between
	# the heads of a hundred requests.
	echo "$used bytes for a quiet tunnel"
	[ "$used" -gt 200 ]
	[ "$used" -le "$quiet" ]
	release
	# It keeps that for the next tunnels, and a page or two more.
	[ $(($(memory) - before)) -le $((1000 * quiet + 65536)) ]
	before=$(memory)
	get="GET http://127.0.0.1:$ECHO_PORT/ HTTP/1.1\r\nHost: x\r\nX: "
	kill -STOP "$ECHO_PID"
	held 5 send "$get" fillup x 960 send '\r\n\r\n'
	# Each has its server.
	wait_for fd_count_is $((FDS + 1000))
	used=$((($(memory) - before) / 500))
	# Counted: 2 555, of which 1 024 are the head.  malloc() of musl takes
	# whole pages for some of it, in all 4 420.
	grep -qa GLIBC_ "$ADIT" || most=5000
	echo "$used bytes for a request under way"
	[ "$used" -gt 1000 ]
	[ "$used" -le "$most" ]
	kill -CONT "$ECHO_PID"
	release
}

@test "cost: the memory of a worker follows its load, and not MaxClients" {
	local few

	need_proc
	! sanitized || skip "a sanitizer has memory of its own"
	peer_start ECHO echod
	adit_start "Workers 1" "MaxClients 100"
	FDS=$(fd_count)
	held 1 tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64
	few=$(memory)
	release
	adit_stop
	adit_start "Workers 1" "MaxClients 120000"
	FDS=$(fd_count)
	held 1 tunnel "127.0.0.1:$ECHO_PORT" rtt 1 64
	# Counted: the same.
	echo "$few bytes with MaxClients 100, $(memory) with 120000"
	[ "$(memory)" -le $((few + 65536)) ]
	release
}
