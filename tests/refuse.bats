#!/usr/bin/env bats
# What is refused, and how; clients that are slow, greedy or have left.

load helper
LOOKS_INSIDE=yes

# settled N: waits until the children of adit have N descriptors again.
settled() {
	wait_for -t "${2:-20}" fd_count_is "$1" || {
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

# refused CODE TYPE TEXT: the same, after sending this text.
refused() {
	refused_after "$1" "$2" send "$3"
}

# refused_connect CODE TYPE TARGET
refused_connect() {
	refused "$1" "$2" "CONNECT $3 HTTP/1.1\r\nHost: a\r\n\r\n"
}

@test "refuse: a target that refuses the connection gives 502, at once" {
	adit_start
	peer_start DEAD closed
	refused_connect 502 connection_refused "127.0.0.1:$DEAD_PORT"
	refused_connect 502 connection_refused "localhost:$DEAD_PORT"
	log_wait "opensock: Could not establish a connection to localhost:$DEAD_PORT: "
}

@test "refuse: a name that does not exist gives 502" {
	name_server
	adit_start
	refused_connect 502 dns_error nowhere.test:443
	log_wait 'opensock: Could not retrieve address info for nowhere.test:443: '
}

@test "refuse: a target without a route gives 502" {
	need_root
	need_command unshare nsenter ip
	unshare -n true || skip "needs network namespaces"
	unshare -n sh -c 'ip link set lo up && echo ready && exec sleep 1000' \
		>"$DIR/space" 3>&- &
	SPACE=$!
	own_pid $SPACE
	wait_for grep -q ready "$DIR/space"
	ADIT_WRAP=(nsenter -t "$SPACE" -n --)
	adit_conf
	adit_launch
	adit_ready
	PEER_HERE=$PEER
	peer_there() { nsenter -t "$SPACE" -n -- "$PEER_HERE" "$@"; }
	PEER=peer_there
	refused_connect 502 destination_ip_unroutable 192.0.2.1:443
	refused_connect 502 destination_ip_unroutable '[2001:db8::1]:443'
	PEER=$PEER_HERE
}

@test "refuse: a link-local target without a zone gives 502" {
	need_linux
	need_ipv6
	adit_start
	refused_connect 502 destination_ip_unroutable '[fe80::1]:9'
}

@test "refuse: a target that never answers gives 504 after ConnectTimeout" {
	need_linux
	adit_start "ConnectTimeout 1"
	base
	peer_start FULL full
	refused_connect 504 connection_timeout "127.0.0.1:$FULL_PORT"
	settled "$BASE"
}

@test "refuse: a name server that never answers gives 504 after ConnectTimeout" {
	name_server slow.test=never
	adit_start "ConnectTimeout 1"
	refused_connect 504 dns_timeout slow.test:443
}

@test "refuse: adit does not connect to itself, by any name" {
	local host

	adit_start "Listen 0.0.0.0"
	for host in 127.0.0.1 localhost LOCALHOST. 127.0.0.2 127.255.255.254 \
	    '[::ffff:127.0.0.1]' '[::ffff:7f00:1]'; do
		refused_connect 403 destination_ip_prohibited "$host:$PORT"
	done
}

@test "refuse: adit does not connect to itself on IPv6" {
	need_ipv6
	adit_start "Listen ::1" "Listen 127.0.0.1"
	refused_connect 403 destination_ip_prohibited "[::1]:$PORT"
	refused_connect 403 destination_ip_prohibited "localhost:$PORT"
}

@test "refuse: a malformed host is never a target" {
	local host

	adit_start
	for host in 0.0.0.0 255.255.255.255 224.0.0.1 239.1.2.3 '[::]' \
	    '[ff02::1]' '[ff0e::1]' '[::ffff:0.0.0.0]' '[::ffff:224.0.0.1]' \
	    '[64:ff9b::e000:1]'; do
		refused_connect 403 destination_ip_prohibited "$host:443"
	done
}

@test "refuse: a port that is not in ConnectPort gives 403" {
	adit_start "ConnectPort 443" "ConnectPort 563"
	peer_start ECHO server echo
	refused_connect 403 http_request_denied "127.0.0.1:$ECHO_PORT"
	log_wait "Refused CONNECT method on port $ECHO_PORT"
}

@test "refuse: each kind of bad request has its own status" {
	adit_start
	refused 400 http_request_error 'nonsense\r\n\r\n'
	refused 400 http_request_error 'GET http://a/ HTTP/1.1\nHost: a\n\n'
	refused 400 http_request_error 'CONNECT http://a:1 HTTP/1.1\r\n\r\n'
	refused 400 http_request_error 'CONNECT a:0 HTTP/1.1\r\n\r\n'
	refused 400 http_request_error 'CONNECT 0x7f.1:80 HTTP/1.1\r\n\r\n'
	refused 400 http_request_error \
		'CONNECT a:1 HTTP/1.1\r\nContent-Length : 0\r\n\r\n'
	refused 400 http_request_error \
		'CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'
	refused 400 http_request_error \
		'CONNECT a:1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'
	refused 400 http_request_error 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 400 http_request_error \
		'connect 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\n\r\n'
	refused 501 http_request_error \
		'POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'
	refused 505 http_request_error 'CONNECT a:1 HTTP/2.0\r\n\r\n'
}

@test "refuse: a refusal is a complete HTTP reply that a browser can show" {
	local reply

	adit_start
	peer_start DEAD closed
	reply=$(client send "CONNECT 127.0.0.1:$DEAD_PORT HTTP/1.1\r\n\r\n" \
		refused 502)
	[ "$(head -n 1 <<<"$reply")" = 'HTTP/1.1 502 Bad Gateway' ]
	grep -qx 'Connection: close' <<<"$reply"
	grep -qx 'Content-Type: text/html.*' <<<"$reply"
	grep -qE '^Content-Length: [1-9][0-9]*$' <<<"$reply"
	grep -qE '^Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) 2[0-9]{3} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT$' <<<"$reply"
	grep -qx 'Proxy-Status: adit; error=connection_refused' <<<"$reply"
	# Each field once, and an HTML page after them.
	[ "$(sed '/^$/q' <<<"$reply" | grep -ci '^content-length:')" = 1 ]
	[ "$(sed '/^$/q' <<<"$reply" | grep -ci '^connection:')" = 1 ]
	sed '1,/^$/d' <<<"$reply" | grep -qi '<html'
	sed '1,/^$/d' <<<"$reply" | grep -qi '</html>'
}

@test "refuse: text of a request is escaped in an error page" {
	local reply

	adit_start
	peer_start DEAD closed
	for reply in \
	    "$(client send "GET http://127.0.0.1:$DEAD_PORT/<script>?<b> HTTP/1.1\r\nHost: a\r\n\r\n" refused 502)" \
	    "$(client send 'CONNECT <script>x</script>:1 HTTP/1.1\r\n\r\n' refused 400)" \
	    "$(client send '<script> / HTTP/1.1\r\n\r\n' gone; client send '<b>"&:1 x HTTP/1.1\r\n\r\n' refused 400)" \
	    "$(client send 'CONNECT a:1 HTTP/1.1\r\nHost: <script>\r\n\r\n' refused 400)" \
	    "$(client send 'GET http://<script>/ HTTP/1.1\r\nHost: a\r\n\r\n' refused 400)"; do
		[ -n "$reply" ]
		fails grep -qi -e '<script' -e '<b>' <<<"$reply"
	done
}

@test "refuse: bytes after a refused request are never read as a request" {
	local next head

	adit_start
	peer_start DEAD closed
	peer_start ECHO server echo
	for next in "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\n\r\n" \
	    'GET http://127.0.0.1/ HTTP/1.1\r\nHost: a\r\n\r\n'; do
		for head in "502 CONNECT 127.0.0.1:$DEAD_PORT HTTP/1.1\r\n" \
		    '400 CONNECT 127.0.0.1:0 HTTP/1.1\r\n' \
		    '400 CONNECT a:1 HTTP/1.1\r\nContent-Length: 5\r\n' \
		    '400 CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n' \
		    '403 CONNECT 0.0.0.0:80 HTTP/1.1\r\n' \
		    '403 CONNECT 0.0.0.0:80 HTTP/1.1\r\nConnection: keep-alive\r\n' \
		    '400 GET / HTTP/1.1\r\nHost: a\r\n' \
		    '400 POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n' \
		    '505 CONNECT a:1 HTTP/3.0\r\n'; do
			client send "${head#* }\r\n$next" \
				refused "${head%% *}" >/dev/null
			# In a segment of its own too.
			client send "${head#* }\r\n" pause 5 \
				try send "$next" refused "${head%% *}" \
				>/dev/null
		done
	done
	fails log_has "Request .*CONNECT 127.0.0.1:$ECHO_PORT"
	fails log_has "Established"
}

@test "refuse: early data of a refused request goes nowhere" {
	adit_start "ConnectPort 1"
	peer_start TOUCHY server touch "$DIR/touched" echo
	refused 403 http_request_denied \
		"CONNECT 127.0.0.1:$TOUCHY_PORT HTTP/1.1\r\n\r\nsecret"
	fails test -e "$DIR/touched"
	fails log_has Established
}

@test "refuse: a client that is still sending gets the reply, not a reset" {
	adit_start
	peer_start DEAD closed
	client -n 20 -- send "CONNECT 127.0.0.1:$DEAD_PORT HTTP/1.1\r\n\r\n" \
		pattern 64K pause 100 refused 502
	# Late bytes are read too: otherwise a reset could overtake the reply.
	client -n 5 -- send 'CONNECT a:0 HTTP/1.1\r\n\r\n' refused 400 \
		pattern 64K pause 50 pattern 64K pause 50 pattern 64K
}

@test "refuse: a refused client that does not close is disconnected" {
	adit_start
	base
	client_start REFUSED -n 5 127.0.0.1 "$PORT" \
		send 'CONNECT a:0 HTTP/1.1\r\n\r\n' touch "$DIR/sent" hold
	wait_for test -e "$DIR/sent"
	settled "$BASE"
}

@test "refuse: a refused client that goes on sending is disconnected" {
	adit_start
	base
	client send 'CONNECT a:0 HTTP/1.1\r\n\r\n' stream
	settled "$BASE"
}

@test "refuse: a head that arrives too slowly gives 408" {
	adit_start "HeaderTimeout 1"
	base
	refused_after 408 http_request_error
	refused 408 http_request_error 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nX: '
	# Bytes that keep coming do not prolong it.
	refused_after 408 http_request_error \
		try drip 40 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nX: abcdef'
	settled "$BASE"
}

@test "refuse: endless empty lines do not keep a connection open" {
	adit_start "HeaderTimeout 1"
	client try drip 20 '\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n' \
		try skip 'HTTP/1.1 40' gone
}

@test "refuse: an endless request line gives 414" {
	adit_start
	refused_after 414 http_request_error \
		send 'CONNECT ' fillup a 8192 send ':1 HTTP/1.1\r\n\r\n'
	refused_after 414 http_request_error send 'CONNECT ' fillup a 8300
}

@test "refuse: a head of more than 64 KiB gives 431" {
	adit_start
	refused_after 431 http_request_error \
		send 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nX: ' \
		try fillup x 65536 try send '\r\n\r\n'
	refused_after 431 http_request_error \
		send 'CONNECT 127.0.0.1:1 HTTP/1.1\r\n' try fillup x 65600
}

@test "refuse: one byte more than the longest head gives 431" {
	local head='CONNECT 127.0.0.1:1 HTTP/1.1'

	adit_start
	refused_after 431 http_request_error send "$head\r\nX: " \
		fillup x "$((65537 - ${#head} - 3 - 6))" send '\r\n\r\n'
}

@test "refuse: an endless head takes neither memory nor a place" {
	adit_start
	base
	client -n 20 -- send 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nX: ' \
		try fillup x 10M gone
	settled "$BASE"
}

@test "refuse: hundreds of unfinished heads do not keep others out, and end with 408" {
	adit_start "HeaderTimeout 4"
	base
	client_start SLOW -n 500 127.0.0.1 "$PORT" \
		send 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost' touch "$DIR/sent" \
		skip 'HTTP/1.1 408 Request Timeout\r\n' skip '</html>' gone
	wait_for test -e "$DIR/sent"
	client -n 20 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 20 100 shut eof
	peer_wait SLOW
	settled "$BASE"
}

@test "refuse: clients that leave during the connecting free everything at once" {
	need_linux
	adit_start "ConnectTimeout 1000"
	base
	peer_start FULL full
	client -n 50 -- send "CONNECT 127.0.0.1:$FULL_PORT HTTP/1.1\r\n\r\n" \
		pause 100 close
	client -n 50 -- send "CONNECT 127.0.0.1:$FULL_PORT HTTP/1.1\r\n\r\n" \
		pause 100 shut gone
	client -n 50 -- send "CONNECT 127.0.0.1:$FULL_PORT HTTP/1.1\r\n\r\n" \
		pause 100 rst
	client -n 50 -- send "CONNECT 127.0.0.1:$FULL_PORT HTTP/1.1\r\n\r\n" \
		rst
	client -n 50 -- \
		send "CONNECT 127.0.0.1:$FULL_PORT HTTP/1.1\r\n\r\nhello" \
		pause 100 rst
	settled "$BASE"
}

@test "refuse: a client that shuts its side after early data waits for the connection" {
	need_linux
	adit_start "ConnectTimeout 2"
	base
	peer_start FULL full
	client send "CONNECT 127.0.0.1:$FULL_PORT HTTP/1.1\r\n\r\nhello" \
		shut quiet 500 refused 504
	settled "$BASE"
}

@test "refuse: clients that leave during the look-up free everything at once" {
	name_server a.test=never b.test=never c.test=never
	adit_start "ConnectTimeout 1000"
	base
	client -n 50 -- send 'CONNECT a.test:443 HTTP/1.1\r\n\r\n' pause 100 \
		close
	client -n 50 -- send 'CONNECT b.test:443 HTTP/1.1\r\n\r\n' pause 100 \
		rst
	client -n 50 -- send 'CONNECT c.test:443 HTTP/1.1\r\n\r\n' rst
	settled_but_helpers
	# Names in /etc/hosts and addresses are served during that time.
	client -n 20 -- tunnel "localhost:$ECHO_PORT" rtt 2 100 shut eof
	client -n 20 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 2 100 shut eof
}

@test "refuse: look-ups for clients that have left do not keep others waiting" {
	NAME_OPTIONS="timeout:2 attempts:1"
	name_server dead.test=never good.test=127.0.0.1
	adit_start "ConnectTimeout 40"
	peer_start ECHO server echo
	client -n 800 -- send 'CONNECT dead.test:443 HTTP/1.1\r\n\r\n' rst
	# Some of these look-ups have begun; all of them would take minutes.
	client -t 60 -- tunnel "good.test:$ECHO_PORT" rtt 1 9 shut eof
}

# settled_but_helpers: as settled, only for the workers; a helper that waits for
# the name server has a socket for it.
settled_but_helpers() {
	local pids n

	read -r -d '' -a pids < <(worker_pids && printf '\0')
	n=${#pids[@]}
	[ "$n" -gt 0 ]
	wait_for workers_have_no_clients "${pids[@]}"
}

# workers_have_no_clients PID...: whether none of them has a connection on the
# proxy's port; for wait_for.
workers_have_no_clients() {
	local inodes pid

	# Closed by the client or not: 0A is the listening socket.
	inodes=$(awk -v port="$(printf ':%04X$' "$PORT")" \
		'$2 ~ port && $4 != "0A" && $10 != 0 { print $10 }' \
		/proc/net/tcp /proc/net/tcp6 2>/dev/null)
	for pid; do
		if holds_socket "$pid" "$inodes"; then
			return 1
		fi
	done
}

@test "refuse: clients that leave in the middle of the head free everything" {
	adit_start
	base
	client -n 200 -- close
	client -n 200 -- send 'CONN' close
	client -n 200 -- send 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost' pause 50 rst
	client -n 200 -- rst
	client -n 50 -- send 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost' shut gone
	settled "$BASE"
}

@test "refuse: after thousands of refused clients every descriptor is free again" {
	adit_start
	base
	peer_start MANY echod
	peer_start DEAD closed
	client -c 10 -n 200 -- tunnel "127.0.0.1:$MANY_PORT" rtt 1 64 shut eof
	client -c 5 -n 200 -- tunnel "127.0.0.1:$MANY_PORT" rtt 1 64 close
	client -c 5 -n 200 -- tunnel "127.0.0.1:$MANY_PORT" rtt 1 64 rst
	client -c 5 -n 100 -- \
		send "CONNECT 127.0.0.1:$DEAD_PORT HTTP/1.1\r\n\r\n" \
		refused 502 >/dev/null
	client -c 5 -n 100 -- \
		send "CONNECT 127.0.0.1:$MANY_PORT HTTP/1.1\r\n\r\n" rst
	settled "$BASE" 40
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 shut eof
}
