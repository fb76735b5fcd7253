#!/usr/bin/env bats
# Setting up a tunnel: targets, heads, early data, real clients.

load helper

OK='HTTP/1.1 200 Connection established\r\n\r\n'

# origin: an HTTPS server with a certificate of its own; sets ORIGIN_PORT.
# It serves the files of $DIR/www, one connection after the other.
origin() {
	need_command openssl curl
	mkdir "$DIR/www"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-nodes -days 2 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
		-keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>"$DIR/req.err" ||
		cat "$DIR/req.err"
	(
		cd "$DIR/www" || exit
		exec openssl s_server -accept "${1:-127.0.0.1}:0" -WWW \
			-key "$DIR/key.pem" -cert "$DIR/cert.pem"
	) >"$DIR/origin.out" 2>"$DIR/origin.err" </dev/null 3>&- &
	own_pid $!
	wait_for grep -q '^ACCEPT.*:[1-9]' "$DIR/origin.out"
	ORIGIN_PORT=$(sed -n 's/^ACCEPT.*:\([0-9]*\)$/\1/p' "$DIR/origin.out")
}

# fetch ARGUMENT...: curl through adit, with the certificate of the origin.
fetch() {
	curl -sS -m 60 --noproxy '' -x "http://127.0.0.1:$PORT" \
		--cacert "$DIR/cert.pem" "$@"
}

@test "connect: an IPv4 target is reached, and bytes are carried in both directions" {
	adit_start
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 100 100 shut eof
}

@test "connect: a target in [IPv6] is reached" {
	need_ipv6
	adit_start
	peer_start ECHO server -a ::1 echo
	client tunnel "[::1]:$ECHO_PORT" rtt 10 100 shut eof
	client tunnel "[0:0:0:0:0:0:0:1]:$ECHO_PORT" rtt 10 100 shut eof
}

@test "connect: IPv6 targets without brackets, as wget and openssl send them, are reached" {
	need_ipv6
	adit_start
	peer_start ECHO server -a ::1 echo
	client tunnel "::1:$ECHO_PORT" rtt 10 100 shut eof
}

@test "connect: lines may end in LF, as irssi sends them, and what follows is data" {
	adit_start
	peer_start ECHO server echo
	client send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.0\n\n" expect "$OK" \
	    rtt 3 100 shut eof
	client send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\nHost: x\r\nA: b\n\r\n\nearly\n" \
	    expect "$OK\nearly\n" shut eof
}

@test "connect: a client on IPv6 is served" {
	need_ipv6
	adit_start "Listen ::1" "Allow ::1"
	peer_start ECHO server echo
	"$PEER" client ::1 "$PORT" tunnel "127.0.0.1:$ECHO_PORT" rtt 10 9 \
		shut eof
}

@test "connect: without Listen clients of both families are served" {
	need_ipv6
	adit_conf "Allow ::1" "Allow 127.0.0.1"
	sed -i '/^Listen/d' "$CONF"
	adit_launch
	adit_ready
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 10 9 shut eof
	"$PEER" client ::1 "$PORT" tunnel "127.0.0.1:$ECHO_PORT" rtt 10 9 \
		shut eof
}

@test "connect: a name in /etc/hosts is reached, in any case, also with a last dot" {
	adit_start
	peer_start ECHO server echo
	client tunnel "localhost:$ECHO_PORT" rtt 1 9 shut eof
	client tunnel "LocalHost:$ECHO_PORT" rtt 1 9 shut eof
	client tunnel "localhost.:$ECHO_PORT" rtt 1 9 shut eof
}

@test "connect: a thousand clients that ask for the same name at once are all served" {
	adit_start
	peer_start MANY echod
	client -n 1000 -- \
		send "CONNECT localhost:$MANY_PORT HTTP/1.1\r\n\r\nhello" \
		expect "${OK}hello" shut eof
}

@test "connect: if the first address of a name is dead, the second is used" {
	need_ipv6
	namespaces "::1 two.test" "127.0.0.1 two.test"
	adit_start
	peer_start ECHO server echo
	client tunnel "two.test:$ECHO_PORT" rtt 1 9 shut eof
}

@test "connect: if the first address of a name never answers, the next is used" {
	local port

	need_linux
	namespaces "127.0.0.2 two.test" "127.0.0.1 two.test"
	adit_start "ConnectTimeout 20"
	port=$(free_port)
	peer_start FULL full -a 127.0.0.2 -p "$port"
	peer_start ECHO server -p "$port" echo
	client -t 15 tunnel "two.test:$port" rtt 1 9 shut eof
}

@test "connect: a client of HTTP/1.0 is served" {
	adit_start
	peer_start ECHO server echo
	client send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.0\r\n\r\n" \
		expect "$OK" rtt 1 9 shut eof
}

@test "connect: clients that send no Host, or the Host of another target, are served" {
	adit_start
	peer_start ECHO server echo
	client send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\n\r\n" \
		expect "$OK" rtt 1 9 shut eof
	client send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\nHost: other.test\r\n\r\n" \
		expect "$OK" rtt 1 9 shut eof
}

@test "connect: the fields that real clients send do no harm" {
	adit_start
	peer_start ECHO server echo
	client send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\nHost: 127.0.0.1:$ECHO_PORT\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nProxy-Connection: Keep-Alive\r\nConnection: connection, proxy-connection\r\nContent-Length: 0\r\nX-Empty:\r\n\r\n" \
		expect "$OK" rtt 1 9 shut eof
}

@test "connect: after the 200 the client gets only bytes from the target" {
	adit_start
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" quiet 300 rtt 1 9 shut eof
}

@test "connect: if the target sends first, its bytes arrive" {
	adit_start
	peer_start SSH server send 'SSH-2.0-test\r\n' echo
	client tunnel "127.0.0.1:$SSH_PORT" expect 'SSH-2.0-test\r\n' \
		rtt 1 9 shut eof
}

@test "connect: if the target sends first and closes at once, its bytes arrive" {
	adit_start
	peer_start TIME server send 'noon' shut gone
	client -c 50 -- tunnel "127.0.0.1:$TIME_PORT" expect noon eof shut
}

@test "connect: HTTP inside the tunnel is passed on as bytes" {
	local text

	adit_start
	peer_start ECHO server echo
	for text in 'GET / HTTP/1.1\r\n\r\n' 'CONNECT x:1 HTTP/1.1\r\n\r\n' \
	    '\r\n\r\n\r\n' '\0\0\xff\n'; do
		client tunnel "127.0.0.1:$ECHO_PORT" send "$text" \
			expect "$text" shut eof
	done
	[ "$(log_count 'Request .*x:1')" = 0 ]
}

@test "connect: early data in the same segment as the head arrives" {
	adit_start
	peer_start ECHO server echo
	client send "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\n\r\nhello" \
		expect "${OK}hello" rtt 1 9 shut eof
}

@test "connect: a megabyte of early data arrives whole and in order" {
	adit_start
	peer_start SINK server -n 1 check 1M send thanks check 64K eof shut
	client send "CONNECT localhost:$SINK_PORT HTTP/1.1\r\n\r\n" \
		pattern 1M expect "${OK}thanks" pattern 64K shut eof
	peer_wait SINK
}

@test "connect: a client that sends early data and shuts its side gets its answer" {
	adit_start
	peer_start SUM server skip question eof send answer
	client send "CONNECT localhost:$SUM_PORT HTTP/1.1\r\n\r\nquestion" \
		shut expect "${OK}answer" eof
}

@test "connect: a head that arrives byte by byte is understood" {
	adit_start
	peer_start ECHO server echo
	client drip 1 "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\nHost: a\r\n\r\nhello" \
		expect "${OK}hello" rtt 1 9 shut eof
}

@test "connect: a head in two parts is understood, wherever it is cut" {
	local head='CONNECT 127.0.0.1:PORT HTTP/1.1\r\nHost: a\r\n\r\nhello'
	local at first

	adit_start
	peer_start ECHO server echo
	head=${head/PORT/$ECHO_PORT}
	for ((at = 1; at < ${#head}; at++)); do
		first=${head:0:at}
		[ "${first: -1}" != "\\" ] || continue
		client send "$first" pause 2 send "${head:at}" \
			expect "${OK}hello" shut eof
	done
}

@test "connect: empty lines before the request are skipped" {
	adit_start
	peer_start ECHO server echo
	client send "\r\n\r\nCONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\n\r\n" \
		expect "$OK" rtt 1 9 shut eof
}

@test "connect: the longest head that is allowed passes" {
	local head

	adit_start
	peer_start ECHO server echo
	head="CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1"
	# The rest of the head is the line, "X: " and three line ends.
	client send "$head\r\nX: " fillup x "$((65536 - ${#head} - 3 - 6))" \
		send '\r\n\r\nhello' expect "${OK}hello" shut eof
}

@test "connect: curl fetches over HTTPS" {
	adit_start
	origin
	head -c 3000000 /dev/urandom >"$DIR/www/file"
	fetch -o "$DIR/got" "https://127.0.0.1:$ORIGIN_PORT/file"
	cmp "$DIR/www/file" "$DIR/got"
	fetch -o "$DIR/got2" "https://localhost:$ORIGIN_PORT/file"
	cmp "$DIR/www/file" "$DIR/got2"
	fetch --proxy1.0 "127.0.0.1:$PORT" -o "$DIR/got3" \
		"https://localhost:$ORIGIN_PORT/file"
	cmp "$DIR/www/file" "$DIR/got3"
	log_wait "Request .*: CONNECT localhost:$ORIGIN_PORT HTTP/1.1"
}

@test "connect: curl fetches over HTTPS from an IPv6 address" {
	need_ipv6
	adit_start
	origin '[::1]'
	head -c 100000 /dev/urandom >"$DIR/www/file"
	fetch -o "$DIR/got" "https://[::1]:$ORIGIN_PORT/file"
	cmp "$DIR/www/file" "$DIR/got"
}

@test "connect: several curls at once get what each asked for" {
	local i

	adit_start
	origin
	for i in 1 2 3 4 5 6; do
		head -c "${i}00000" /dev/urandom >"$DIR/www/file$i"
	done
	for i in 1 2 3 4 5 6; do
		fetch -o "$DIR/got$i" \
			"https://localhost:$ORIGIN_PORT/file$i" 3>&- &
		own_pid $!
		eval "curl$i=$!"
	done
	for i in 1 2 3 4 5 6; do
		eval "wait \$curl$i"
		cmp "$DIR/www/file$i" "$DIR/got$i"
	done
}

@test "connect: openssl s_client -proxy gets its TLS session" {
	adit_start
	origin
	echo hello >"$DIR/www/file"
	printf 'GET /file HTTP/1.0\r\n\r\n' | timeout 60 openssl s_client \
		-quiet -no_ign_eof -proxy "127.0.0.1:$PORT" \
		-connect "127.0.0.1:$ORIGIN_PORT" -CAfile "$DIR/cert.pem" \
		-verify_return_error >"$DIR/got" 2>"$DIR/client.err" || true
	# s_client may leave at its end of file before the page has arrived;
	# only a verified session counts.
	grep -q 'verify return:1' "$DIR/client.err"
	fails grep -q 'error' "$DIR/client.err"
}

@test "connect: nc -X connect works, as in ssh's ProxyCommand" {
	local got

	need_command nc
	nc -h 2>&1 | grep -q -e '-X' || skip "needs an nc that knows CONNECT"
	adit_start
	peer_start REV server skip hello eof send 'good bye' shut
	got=$(printf hello | timeout 60 nc -N -X connect \
		-x "127.0.0.1:$PORT" 127.0.0.1 "$REV_PORT")
	[ "$got" = 'good bye' ]
}

@test "connect: the log names client, request and target of a tunnel" {
	adit_start
	peer_start ECHO server echo
	client tunnel "localhost:$ECHO_PORT" rtt 1 9 shut eof
	log_wait 'Connect \(file descriptor [0-9]+\): 127\.0\.0\.1$'
	log_wait "Request \\(file descriptor [0-9]+\\): CONNECT localhost:$ECHO_PORT HTTP/1\\.1 \\(file descriptor [0-9]+, client 127\\.0\\.0\\.1\\)\$"
	log_wait 'Established connection to host "localhost" using file descriptor [0-9]+\. \(file descriptor [0-9]+, client 127\.0\.0\.1\)$'
	log_wait 'Closed connection between local client \(fd:[0-9]+\) and remote client \(fd:[0-9]+\) \(file descriptor [0-9]+, client 127\.0\.0\.1\)$'
}
