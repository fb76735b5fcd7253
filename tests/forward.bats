#!/usr/bin/env bats
# Plain HTTP: what is passed on of a request and of its answer, where each ends,
# and that no message that can be read in two ways is passed on.

load helper
LOOKS_INSIDE=yes
load http

# start [LINE...]: adit without Via, whose number the tests cannot know.
start() {
	adit_start "DisableViaHeader yes" "AccessLog \"$DIR/access\"" "$@"
}

# asks LINE PASSED: a request with only this line and Host is passed on with
# that line.
asks() {
	passes "$1 HTTP/1.1\r\nHost: x\r\n\r\n" \
	    "$2 HTTP/1.1\r\nHost: @\r\n\r\n" "$SMALL" "$SMALL"
}

# Requests.

@test "forward: a URL of any form leads to the host that it names, and the server gets its path" {
	start
	asks 'GET http://@/' 'GET /'
	asks 'GET http://@' 'GET /'
	asks 'GET http://@?q=/a' 'GET /?q=/a'
	asks 'GET http://@/a/../b//c?d?e' 'GET /a/../b//c?d?e'
	asks 'GET http://@/http://other.example:81/@' 'GET /http://other.example:81/@'
	asks 'GET HTTP://@/A%2fb%C3%A9' 'GET /A%2fb%C3%A9'
	asks 'GET http://@/\xc3\xa9?\xff' 'GET /%C3%A9?%FF'
	asks 'DELETE http://@/x' 'DELETE /x'
	asks 'PROPFIND http://@/x' 'PROPFIND /x'
	asks "connect http://@/x" 'connect /x'
	asks 'OPTIONS http://@' 'OPTIONS *'
	asks 'OPTIONS http://@/' 'OPTIONS /'
	asks 'OPTIONS http://@?q' 'OPTIONS /?q'
	asks 'OPTIONS http://@/*' 'OPTIONS /*'
}

@test "forward: user, password and fragment of a URL are cut off, and appear nowhere" {
	local at reply url

	start
	at=$(free_port)
	peer_start origin server -p "$at" head send "$SMALL"
	for url in sesame:sesame@ sesame@ @ sesame%40x:se@same@ 'sesame\\@'; do
		client send "GET http://${url}127.0.0.1:$at/x?a@b#sesame HTTP/1.1\r\nHost: x\r\n\r\n" \
		    expect "$SMALL"
	done
	client send "HEAD http://sesame@127.0.0.1:$at#sesame HTTP/1.0\r\n\r\nx" \
	    skip '200 OK'
	[ "$(grep -c "^GET /x?a@b HTTP/1.1" "$DIR/origin.out")" = 5 ]
	grep -q "^HEAD / HTTP/1.1" "$DIR/origin.out"
	[ "$(grep -c "^Host: 127.0.0.1:$at" "$DIR/origin.out")" = 6 ]
	# Not on an error page, nor in the answer to TRACE.
	reply=$(refused_after 403 destination_ip_prohibited \
	    send "GET http://u:sesame@127.0.0.1:$PORT/p#sesame HTTP/1.1\r\nHost: x\r\n\r\n")
	grep -q "http://127.0.0.1:$PORT/p<" <<<"$reply"
	fails grep sesame <<<"$reply"
	reply=$(refused_after 400 http_request_error \
	    send "GET http://u:sesame@127.0.0.1:$at/ HTTP/1.1\r\n\r\n")
	fails grep sesame <<<"$reply"
	client send "TRACE http://u:sesame@h.invalid/p#sesame HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n" \
	    skip '\r\n\r\n' expect 'TRACE http://h.invalid/p HTTP/1.1\r\nHost: x\r\n'
	wait_for access_lines 9
	access_is 1 "- http://127.0.0.1:$at/x\\?a@b 127.0.0.1:$at 200/forwarded [0-9]+ [0-9]+ [0-9.]+"
	adit_stop
	fails grep -ai sesame "$LOG" "$DIR/access" "$STDERR" "$DIR/origin.out"
}

@test "forward: the host behind the last @ of a URL is the one that is judged" {
	echo 'denied' >"$DIR/filter"
	start "DenyTo 127.0.0.1:7" "Filter \"$DIR/filter\"" "FilterURLs yes"
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	refused_after 403 destination_ip_prohibited \
	    send "GET http://127.0.0.1:$origin_PORT@127.0.0.1:7/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 403 destination_ip_prohibited \
	    send "GET http://a@127.0.0.1:$origin_PORT@127.0.0.1:7/@127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 403 http_request_denied \
	    send "GET http://a@127.0.0.1:$origin_PORT/denied#a HTTP/1.1\r\nHost: x\r\n\r\n"
	client send "GET http://denied:denied@127.0.0.1:$origin_PORT/#denied HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL"
}

@test "forward: the port of a URL may be empty or have leading zeros, that of a CONNECT may not" {
	local port target

	start "ConnectTimeout 2"
	port=$(free_port)
	peer_start origin server -p "$port" \
	    expect "GET /x HTTP/1.1\r\nHost: 127.0.0.1:$port\r\n\r\n" send "$SMALL"
	client send "GET http://127.0.0.1:000$port/x HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL"
	# Only the kind of answer tells that this is port 80.
	client send "GET http://tinyproxy.stats:/ HTTP/1.1\r\nHost: x:\r\n\r\n" \
	    skip 'HTTP/1.1 200 OK'
	for target in 127.0.0.1: "127.0.0.1:0$port"; do
		refused_after 400 http_request_error \
		    send "CONNECT $target HTTP/1.1\r\n\r\n"
	done
}

@test "forward: an invalid Host and an unknown transfer coding get answers of their own" {
	local host

	start
	for host in a:b:c x:98777 %zz '[::1' x:y; do
		refused_after 400 http_request_error \
		    send "GET http://h.invalid/ HTTP/1.1\r\nHost: $host\r\n\r\n"
	done
	refused_after 501 http_request_error \
	    send "POST http://h.invalid/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
}

@test "forward: a Host that differs from the URL has no effect" {
	start
	passes 'GET http://@/ HTTP/1.1\r\nHost: other.example\r\nA: b\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\nA: b\r\n\r\n" "$SMALL" "$SMALL"
	passes 'GET http://@/ HTTP/1.0\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n$CLOSE" "$SMALL" \
	    "${OK}Content-Length: 2\r\n${CLOSE}ok"
}

@test "forward: a server with an IPv6 address is reached, and Host has it in brackets" {
	local port

	need_ipv6
	start
	port=$(free_port)
	peer_start origin server -a ::1 -p "$port" -n 1 \
	    expect "GET /x HTTP/1.1\r\nHost: [0:0::1]:$port\r\n\r\n" send "$SMALL"
	client send "GET http://[0:0::1]:$port/x HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL"
	peer_wait origin
}

@test "forward: a target that is not an http URL gets 400, and no server gets a request" {
	local target

	start
	peer_start origin server touch "$DIR/touched" send "$SMALL"
	for target in / '*' "127.0.0.1:$origin_PORT" "127.0.0.1:$origin_PORT/" \
	    "//127.0.0.1:$origin_PORT/" "https://127.0.0.1:$origin_PORT/" \
	    "ftp://127.0.0.1:$origin_PORT/" "http:/127.0.0.1:$origin_PORT/" \
	    "http://127.1:$origin_PORT/" "https://u:p@127.0.0.1:$origin_PORT/" \
	    "u:p@127.0.0.1:$origin_PORT" "http://127.0.0.1:0x$origin_PORT/" \
	    "http://2130706433:$origin_PORT/"; do
		refused_after 400 http_request_error \
		    send "GET $target HTTP/1.1\r\nHost: 127.0.0.1:$origin_PORT\r\n\r\n"
	done
	[ ! -e "$DIR/touched" ]
}

@test "forward: fields for one connection go no further, nor do those that Connection names" {
	start
	passes "GET http://@/ HTTP/1.1\r\nHost: x\r\nA: 1\r\nConnection: close, B , c,Host, Content-Length\r\nB: 2\r\nProxy-Connection: D\r\nD: 3\r\nKeep-Alive: 300\r\nTE: trailers\r\nUpgrade: x\r\nProxy-Authorization: Basic eDp5\r\nC: 4\r\nProxy-Authenticate: x\r\nE: 5\r\nContent-Length: 0\r\nAuthorization: Basic eDp5\r\n\r\n" \
	    "GET / HTTP/1.1\r\nHost: @\r\nA: 1\r\nE: 5\r\nAuthorization: Basic eDp5\r\nContent-Length: 0\r\n$CLOSE" \
	    "${OK}F: 1\r\nConnection: keep-alive, G, Content-Length,Date\r\nG: 2\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: H\r\nH: 3\r\nDate: now\r\nUpgrade: h2c\r\nContent-Length: 2\r\nI: 4\r\n\r\nok" \
	    "${OK}F: 1\r\nI: 4\r\nContent-Length: 2\r\n${CLOSE}ok"
	# Requests that have crashed a proxy.
	passes "GET http://@/ HTTP/1.1\r\nHost: x\r\nConnection: connection, proxy-connection, transfer-encoding, ,\r\n\r\n" \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "${OK}Connection: connection, content-length,,\r\nContent-Length: 2\r\n\r\nok" "$SMALL"
}

@test "forward: repeated fields keep their order, and all are passed on as they were sent" {
	local fields='A: 1\r\nSet-Cookie: x=1; path=/\r\na: 2\r\nb:\r\nSet-Cookie: y=\xe4"\\ \t,\r\nB:3\r\nA: 1\r\n'

	start
	passes "GET http://@/ HTTP/1.1\r\nHost: x\r\n$fields\r\n" \
	    "GET / HTTP/1.1\r\nHost: @\r\n$fields\r\n" \
	    "${OK}$fields\r\nno length" "${OK}$fields${CLOSE}no length"
}

@test "forward: Via names the proxy in both directions, with the version that each side used" {
	local port

	adit_start 'ViaProxyName "here"'
	port=$(free_port)
	peer_start origin server -p "$port" head \
	    send "HTTP/1.0 200 OK\r\nVia: 1.0 far\r\nContent-Length: 0\r\n\r\n"
	client send "GET http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\nVia: 1.0 near\r\nConnection: via\r\n\r\n" \
	    head >"$DIR/answer"
	[ "$(grep -i '^via' "$DIR/answer" | sed 's/-[0-9a-f]*/-N/')" = \
	    $'Via: 1.0 far\nVia: 1.0 here-N (adit)' ]
	[ "$(grep -i '^via' "$DIR/origin.out" | sed 's/-[0-9a-f]*/-N/')" = \
	    $'Via: 1.0 near\nVia: 1.1 here-N (adit)' ]
}

@test "forward: a request that has been here before is refused" {
	local port reply via

	echo '{request}' >"$DIR/page"
	adit_start "ErrorFile 502 \"$DIR/page\""
	port=$(free_port)
	peer_start origin server -p "$port" head send "$SMALL"
	client send "GET http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\n\r\n" head
	via=$(grep '^Via: ' "$DIR/origin.out")
	reply=$(refused_after 502 proxy_loop_detected \
	    send "GET http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\n$via\r\nConnection: via\r\n\r\n")
	grep -q "^GET http://127.0.0.1:$port/ HTTP/1.1" <<<"$reply"
}

@test "forward: AddHeader, Anonymous and XTinyproxy work as in tinyproxy" {
	start 'AddHeader "X-A" "one two"' 'AddHeader "x-b" "3"' "XTinyproxy yes"
	passes "GET http://@/ HTTP/1.1\r\nHost: x\r\nx-tinyproxy: 10.0.0.1\r\nX-A: 0\r\n\r\n" \
	    "GET / HTTP/1.1\r\nHost: @\r\nX-A: 0\r\nX-Tinyproxy: 127.0.0.1\r\nX-A: one two\r\nx-b: 3\r\n\r\n" \
	    "$SMALL" "$SMALL"
	adit_stop
	start 'Anonymous "Accept"' 'Anonymous "cookie"'
	passes "POST http://@/ HTTP/1.1\r\nHost: x\r\nAccept: a\r\nUser-Agent: b\r\nCOOKIE: c\r\nAuthorization: d\r\nContent-Type: e\r\nContent-Length: 1\r\n\r\nx" \
	    "POST / HTTP/1.1\r\nHost: @\r\nAccept: a\r\nCOOKIE: c\r\nContent-Type: e\r\nContent-Length: 1\r\n\r\nx" \
	    "${OK}Server: s\r\nContent-Length: 2\r\n\r\nok" \
	    "${OK}Server: s\r\nContent-Length: 2\r\n\r\nok"
}

@test "forward: TRACE and OPTIONS go as far as Max-Forwards says, and TRACE reveals no secrets" {
	local reply

	start
	passes "TRACE http://@/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: 3\r\n\r\n" \
	    "TRACE / HTTP/1.1\r\nHost: @\r\nMax-Forwards: 2\r\n\r\n" "$SMALL" "$SMALL"
	passes "OPTIONS http://@ HTTP/1.1\r\nHost: x\r\nmax-forwards: 1\r\n\r\n" \
	    "OPTIONS * HTTP/1.1\r\nHost: @\r\nMax-Forwards: 0\r\n\r\n" "$SMALL" "$SMALL"
	passes "GET http://@/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n" \
	    "GET / HTTP/1.1\r\nHost: @\r\nMax-Forwards: 0\r\n\r\n" "$SMALL" "$SMALL"
	reply=$(client send "OPTIONS http://h.invalid/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\nGET http://h.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n" print)
	[ "$(head -n 1 <<<"$reply")" = "HTTP/1.1 200 OK" ]
	[ "$(grep -c '^HTTP' <<<"$reply")" = 1 ]
	grep -qxE 'Allow: .*GET.*' <<<"$reply"
	client send "TRACE http://h.invalid/p HTTP/1.1\r\nHost: x\r\nCookie: sesame\r\nA: b\r\nAUTHORIZATION: Basic sesame\r\nProxy-Authorization: Basic sesame\r\nMax-Forwards: 0\r\n\r\n" \
	    expect "${OK}Content-Type: message/http\r\nContent-Length: 69\r\n$CLOSE" \
	    expect 'TRACE http://h.invalid/p HTTP/1.1\r\nHost: x\r\nA: b\r\nMax-Forwards: 0\r\n\r\n' eof
	access_is 5 '- http://h.invalid/p - 200/forwarded [0-9]+ [0-9]+ [0-9.]+'
}

@test "forward: a TRACE of the largest size comes back whole" {
	start
	client send "TRACE http://h.invalid/p HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\nA: " \
	    fillup a 65000 send '\r\n\r\n' skip '\r\n\r\n' skip 'A: aaaa' \
	    take 64996 expect '\r\n\r\n' eof
}

# Content.

@test "forward: content goes to the server with the length that it has" {
	start
	passes "POST http://@/ HTTP/1.1\r\nHost: x\r\nContent-Length: 005\r\n\r\na\r\n\r\n" \
	    "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 5\r\n\r\na\r\n\r\n" "$SMALL" "$SMALL"
	passes "POST http://@/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" \
	    "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 0\r\n\r\n" "$SMALL" "$SMALL"
	passes "GET http://@/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab" \
	    "GET / HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\n\r\nab" "$SMALL" "$SMALL"
	passes "POST http://@/ HTTP/1.0\r\nContent-Length: 2\r\n\r\nab" \
	    "POST / HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\n${CLOSE}ab" \
	    "$SMALL" "${OK}Content-Length: 2\r\n${CLOSE}ok"
}

@test "forward: chunks are passed on both ways in one form, with the trailers of answers alone" {
	start 'Anonymous "Accept"' 'AddHeader "X-A" "b"'
	passes "POST http://@/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nTrailer: T\r\n\r\n1 ;a=b\r\nx\r\n000000000000000000000A  \r\n0123456789\r\n0000;c\r\nT: u\r\nX-A: c\r\nVia: 1.1 d\r\n\r\n" \
	    "POST / HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n1\r\nx\r\na\r\n0123456789\r\n0\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n2;a\r\nok\r\n0\r\nV: w\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nV: w\r\n\r\n"
}

@test "forward: a client of HTTP/1.0 gets chunked content without chunks, and sees its end" {
	local port

	start
	port=$(free_port)
	peer_start origin server -p "$port" skip '\r\n\r\n' \
	    send "${OK}Transfer-Encoding: chunked\r\n\r\n2;a\r\nok\r\n" \
	    drip 5 "3\r\nxyz\r\n0\r\nV: w\r\n\r\n" hold
	client send "GET http://127.0.0.1:$port/ HTTP/1.0\r\nConnection: keep-alive\r\nProxy-Connection: keep-alive\r\n\r\n" \
	    expect "${OK}${CLOSE}okxyz" eof
}

@test "forward: messages in pieces of one byte are read as the same messages" {
	local port

	start
	port=$(free_port)
	peer_start origin server -n 1 -p "$port" \
	    expect "POST / HTTP/1.1\r\nHost: 127.0.0.1:$port\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" \
	    drip 1 "${OK}A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	client drip 1 "POST http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n" \
	    expect "${OK}A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	peer_wait origin
}

@test "forward: an answer without a length ends when the server closes" {
	start
	passes 'GET http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "HTTP/1.0 200 Fine\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" \
	    "HTTP/1.1 200 Fine\r\nA: b\r\n${CLOSE}HTTP/1.1 200 OK\r\n\r\n"
	access_is 1 '- http://[^ ]+ 127.0.0.1:[0-9]+ 200/forwarded [0-9]+ [0-9]+ [0-9.]+'
}

@test "forward: answers without content end with their head, whatever their fields or bytes say" {
	local head port

	start
	for head in 'HEAD HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n' \
	    'GET HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n' \
	    'GET HTTP/1.1 204 No Content\r\n\r\n' \
	    'HEAD HTTP/1.1 404 Not Found\r\n\r\n'; do
		port=$(free_port)
		peer_start origin server -p "$port" skip '\r\n\r\n' \
		    send "${head#* }HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		client send "${head%% *} http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\n\r\n" \
		    expect "${head#* }" \
		    send "${head%% *} http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\n\r\n" \
		    expect "${head#* }" quiet 50
		end_pid TERM "$origin_PID"
	done
	# Lengths where no content can be, and chunks that never arrive.
	passes 'GET http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n' \
	    'HTTP/1.1 204 No Content\r\n\r\n'
	passes 'HEAD http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "HEAD / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n" "${OK}\r\n"
}

@test "forward: an answer of the proxy to HEAD ends with its head, for every error" {
	local head reply

	start 'DenyTo private:1' 'AllowTo *' 'BasicAuth joe sesame'
	for head in '400 http://h/ HTTP/1.1\r\n\r\n' \
	    '400 http://h/ HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n' \
	    '400 /x HTTP/1.1\r\nHost: x\r\n\r\n' \
	    '407 http://h/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    '403 http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic am9lOnNlc2FtZQ==\r\n\r\n' \
	    '502 http://127.0.0.1:2/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic am9lOnNlc2FtZQ==\r\n\r\n'; do
		reply=$(client send "HEAD ${head#* }" print)
		[ "$(head -n 1 <<<"$reply" | cut -d ' ' -f 2)" = "${head%% *}" ]
		grep -q '^Content-Length: [1-9]' <<<"$reply"
		fails grep -q '<' <<<"$reply"
	done
}

@test "forward: a status without a reason is passed on, with its space" {
	start
	passes 'GET http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    'HTTP/1.1 204\r\nA: b\r\n\r\n' 'HTTP/1.1 204 \r\nA: b\r\n\r\n'
	passes 'GET http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    'HTTP/1.1 204 \r\nA: b\r\n\r\n' 'HTTP/1.1 204 \r\nA: b\r\n\r\n'
}

@test "forward: many megabytes go both ways at once, byte for byte" {
	local n=$((24 * 1024 * 1024))

	start
	peer_start origin server -n 1 skip '\r\n\r\n' \
	    send "${OK}Content-Length: $n\r\n\r\n" duplex $n $n
	client send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: $n\r\n\r\n" \
	    skip '\r\n\r\n' duplex $n $n
	peer_wait origin
}

@test "forward: a slow reader at either end holds the other back, and takes bounded memory" {
	local before grown

	need_proc
	start
	peer_start deaf server -R 8192 skip '\r\n\r\n' hold
	peer_start loud server -R 8192 skip '\r\n\r\n' \
	    send "${OK}Content-Length: 999999999\r\n\r\n" fill 64M hold
	before=$(resident)
	client_start up -n 10 -- 127.0.0.1 "$PORT" \
	    send "POST http://127.0.0.1:$deaf_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" \
	    fill 64M touch "$DIR/up" hold
	client_start down -R 8192 -n 10 -- 127.0.0.1 "$PORT" \
	    send "GET http://127.0.0.1:$loud_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" hold
	wait_for -t 60 [ -e "$DIR/up" ]
	wait_for -t 60 filled 10
	grown=$(($(resident) - before))
	echo "$grown KiB for 20 connections"
	sanitized || [ "$grown" -lt 8192 ]
}

filled() {
	[ "$(grep -c filled "$DIR/loud.out")" -ge "$1" ]
}

@test "forward: 100 Continue reaches the client at once, and the proxy sends none by itself" {
	local port

	start
	port=$(free_port)
	peer_start origin server -n 1 -p "$port" \
	    expect "POST / HTTP/1.1\r\nHost: 127.0.0.1:$port\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n" \
	    send 'HTTP/1.1 100 Continue\r\n\r\n' expect abc send "$SMALL"
	client send "POST http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n" \
	    expect 'HTTP/1.1 100 Continue\r\n\r\n' send abc expect "$SMALL"
	peer_wait origin
}

@test "forward: answers of 100 to 199 are passed on, except to HTTP/1.0" {
	local early='HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'

	start
	passes 'GET http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "HTTP/1.1 100 Continue\r\n\r\n$early${early}$SMALL" \
	    "HTTP/1.1 100 Continue\r\n\r\n$early${early}$SMALL"
	passes 'GET http://@/ HTTP/1.0\r\nExpect: 100-continue\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n$CLOSE" \
	    "$early$SMALL" "${OK}Content-Length: 2\r\n${CLOSE}ok"
}

@test "forward: answers of 100 to 199 without end give 502, for HTTP/1.0 too" {
	local i interim= minor

	start
	for i in {1..16}; do
		interim=${interim}HTTP/1.1\ 102\ Wait\\r\\n\\r\\n
	done
	peer_start patient server skip '\r\n\r\n' send "$interim" send "$interim$SMALL"
	peer_start endless server skip '\r\n\r\n' send "$interim" send "$interim" \
	    try send "$interim$SMALL"
	peer_start long server skip '\r\n\r\n' send 'HTTP/1.1 102 Wait\r\nA: ' \
	    fillup a 16400 try send "\r\n\r\n$SMALL"
	for minor in 0 1; do
		client send "GET http://127.0.0.1:$patient_PORT/ HTTP/1.$minor\r\nHost: x\r\n\r\n" \
		    skip 'HTTP/1.1 200 OK'
		client send "GET http://127.0.0.1:$endless_PORT/ HTTP/1.$minor\r\nHost: x\r\n\r\n" \
		    skip 'HTTP/1.1 502 ' skip 'sent too many interim answers'
		client send "GET http://127.0.0.1:$long_PORT/ HTTP/1.$minor\r\nHost: x\r\n\r\n" \
		    skip 'HTTP/1.1 502 ' skip 'sent too many interim answers'
	done
}

@test "forward: if a server answers before the upload is over, the client gets the answer and the upload ends" {
	local answer='HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n'

	start
	peer_start origin server skip '\r\n\r\n' send "$answer\r\nno" try gone
	client send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" \
	    pattern 100K expect "$answer${CLOSE}no" eof
	# And a server that closes at once.
	peer_start rude server skip '\r\n\r\n' send "$answer\r\nno" close
	client send "POST http://127.0.0.1:$rude_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" \
	    try pattern 4M skip "$answer${CLOSE}no" gone
	access_is 1 '- [^ ]+ [^ ]+ 413/forwarded [0-9]+ [0-9]+ [0-9.]+'
}

@test "forward: a ws:// client gets its tunnel, in both directions, and its end" {
	local port

	start
	port=$(free_port)
	peer_start origin server -n 1 -p "$port" \
	    expect "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:$port\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nConnection: upgrade\r\n\r\n" \
	    send 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: b\r\nUpgrade: websocket\r\n\r\nhello' \
	    expect early echo
	client send "GET http://127.0.0.1:$port/chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\nearly" \
	    skip 'Switching Protocols\r\n' skip '\r\n\r\n' expect hello \
	    rtt 50 1000 shut eof
	peer_wait origin
	access_is 1 '- http://127.0.0.1:[0-9]+/chat 127.0.0.1:[0-9]+ 101/closed [0-9]+ [0-9]+ [0-9.]+'
}

@test "forward: no change of protocol is passed on that was not asked for or that hides requests" {
	start
	peer_start origin server skip '\r\n\r\n' \
	    send 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n' hold
	refused_after 502 http_protocol_error \
	    send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 502 http_protocol_error \
	    send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\n\r\n"
	refused_after 502 http_protocol_error \
	    send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\n"
	passes 'GET http://@/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: a, h2c\r\nHTTP2-Settings: x\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" "$SMALL" "$SMALL"
	passes 'GET http://@/ HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n$CLOSE" "$SMALL" \
	    "${OK}Content-Length: 2\r\n${CLOSE}ok"
}

# Odd answers.

# becomes ANSWER RECEIVED: what a client of HTTP/1.1 gets for this answer.
becomes() {
	passes 'GET http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET / HTTP/1.1\r\nHost: @\r\n\r\n" "$1" "$2"
}

@test "forward: odd heads of answers are taken, and passed on in the plainest form" {
	start
	becomes "${OK}X-A : 1\r\nB\t: 2\r\nContent-Length : 2\r\n\r\nok" \
	    "${OK}X-A: 1\r\nB: 2\r\nContent-Length: 2\r\n\r\nok"
	becomes 'HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nok' \
	    "${OK}A: b\r\nContent-Length: 2\r\n\r\nok"
	becomes "${OK}A: b\r\n\tc\n  d\r\nContent-Length:\r\n 2\r\n\r\nok" \
	    "${OK}A: b c d\r\nContent-Length: 2\r\n\r\nok"
	becomes "${OK}Content-Length: 2\r\nContent-Length: 02, 2\r\n\r\nok" "$SMALL"
	becomes "${OK}Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok" "$SMALL"
	becomes "${OK}Transfer-Encoding: identity\r\n\r\nok" "${OK}${CLOSE}ok"
	becomes "\r\n\r\n$SMALL" "$SMALL"
	becomes "HTTP/1.1 100 Continue\r\n\r\n\r\n$SMALL" \
	    "HTTP/1.1 100 Continue\r\n\r\n$SMALL"
	becomes 'HTTP/1.1 999 Go away\r\nContent-Length: 0\r\n\r\n' \
	    'HTTP/1.1 999 Go away\r\nContent-Length: 0\r\n\r\n'
	fails log_has 'Left out'
	becomes "${OK}: x\r\n y\r\nA\r\nB C: d\r\nD: e\r\nContent-Length: 2\r\n\r\nok" \
	    "${OK}D: e\r\nContent-Length: 2\r\n\r\nok"
	log_wait 'Left out lines without a field name of the answer from http://127.0.0.1:[0-9]+/'
}

@test "forward: if an answer has chunks they count, whatever its version and Content-Length say" {
	start
	becomes "${OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	becomes 'HTTP/1.0 200 OK\r\nTransfer-Encoding: identity, Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n' \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	becomes "${OK}Transfer-Encoding: chunked\r\n\r\n002 ;a\nok\n0 \nV : w\n x\nContent-Length: 5\nCookie: a\n: b\nA23456789012345678901234567890123456789012345678901234567890123456: x\n\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nV: w x\r\n\r\n"
	# Without content there are no chunks.
	passes 'HEAD http://@/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "HEAD / HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "${OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" "${OK}\r\n"
	becomes 'HTTP/1.1 304 x\nContent-Length: 3\nContent-Length: 3\n\n' \
	    'HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n'
	becomes 'HTTP/1.1 204 x\nTransfer-Encoding: chunked\n\n' \
	    'HTTP/1.1 204 x\r\n\r\n'
}

@test "forward: the ICY of a radio station is passed on as HTTP/1.0, up to the end of the connection" {
	local port

	start
	port=$(free_port)
	peer_start origin server -p "$port" skip '\r\n\r\n' \
	    send 'ICY 200 OK\r\nicy-name:x\r\nContent-Length: 2\r\nicy-metaint: 8192\r\n\r\nmusic' \
	    wait "$DIR/go" send ' and more'
	client_start near 127.0.0.1 "$PORT" \
	    send "GET http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "HTTP/1.0 200 OK\r\nicy-name:x\r\nicy-metaint: 8192\r\n${CLOSE}music" \
	    touch "$DIR/go" expect ' and more' eof
	peer_wait near
}

# Malformed answers.

@test "forward: an answer that is cut off looks cut off to the client, which gets the part before" {
	local end head

	start
	for head in 'HTTP/1.1 Content-Length: 10\r\n\r\nabc' \
	    'HTTP/1.1 Transfer-Encoding: chunked\r\n\r\n5\r\nabc' \
	    'HTTP/1.1 Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n' \
	    'HTTP/1.1 Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n' \
	    'HTTP/1.1 Transfer-Encoding: chunked\r\n\r\n3\r\nabcx' \
	    'HTTP/1.0 Transfer-Encoding: chunked\r\n\r\n5\r\nabc' \
	    'HTTP/1.0 Content-Length: 10\r\n\r\nabc'; do
		for end in close rst; do
			peer_start origin server skip '\r\n\r\n' \
			    send "$OK${head#* }" wait "$DIR/go" "$end"
			client_start near 127.0.0.1 "$PORT" \
			    send "GET http://127.0.0.1:$origin_PORT/ ${head%% *}\r\nHost: x\r\n\r\n" \
			    skip abc touch "$DIR/go" reset
			case $head in
			*abcx) end_pid TERM "$near_PID" ;;
			*) peer_wait near ;;
			esac
			rm -f "$DIR/go"
			end_pid TERM "$origin_PID"
		done
	done
	# An end that only a reset can show.
	peer_start origin server skip '\r\n\r\n' send "$OK\r\nabc" wait "$DIR/go" rst
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    skip abc touch "$DIR/go" reset
	wait_for grep -q ' 200/server_reset ' "$DIR/access"
}

@test "forward: an answer that is cut off during an upload looks cut off too" {
	start
	peer_start origin server skip '\r\n\r\n' send "$OK\r\nabc" take 300000 rst
	# The worker may send first or read first.
	client -n 30 -- \
	    send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" \
	    try fill 9M gone
	wait_for access_lines 30
	[ "$(grep -c ' 200/server_reset ' "$DIR/access")" = 30 ]
}

@test "forward: a malformed answer of a server gives 502, with the reason" {
	local answer

	start
	for answer in '' 'HTTP/1.1 200 OK\r\n' 'SSH-2.0-OpenSSH_9.2\r\n' \
	    '220 mail.example ESMTP\r\n\r\n' '<html>hello</html>\n' \
	    'HTTP/2 200 OK\r\n\r\n' 'HTTP/1.1 99 x\r\n\r\n' \
	    "${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab" \
	    "${OK}Content-Length: 1, 2\r\n\r\nab" \
	    "${OK}Content-Length: 1\r\n 2\r\n\r\na" \
	    "${OK}A: b\rSet-Cookie: c\r\n\r\n" "${OK}A: b\0c\r\n\r\n" \
	    "${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\nx" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n" \
	    'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n' \
	    'HTTP/1.1 100 Continue\r\n\r\nx\r\n\r\n'; do
		peer_start origin server skip '\r\n\r\n' send "$answer"
		client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.0\r\n\r\n" \
		    refused 502 >"$DIR/reply" || {
			echo "answer: $answer"
			return 1
		}
		grep -q 'Proxy-Status: adit; error=http_protocol_error' "$DIR/reply"
		end_pid TERM "$origin_PID"
	done
	peer_start origin server skip '\r\n\r\n' rst
	refused_after 502 http_protocol_error \
	    send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
	peer_start endless server skip '\r\n\r\n' send "${OK}A: " fillup a 70000 try hold
	refused_after 502 http_protocol_error \
	    send "GET http://127.0.0.1:$endless_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
}

@test "forward: if a server cannot be reached, the client gets the same answer as for CONNECT" {
	local reply

	start "ConnectTimeout 1"
	peer_start closed closed
	peer_start full full
	refused_after 502 connection_refused \
	    send "GET http://127.0.0.1:$closed_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 504 connection_timeout \
	    send "GET http://127.0.0.1:$full_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 502 dns_error \
	    send "GET http://no-such-name.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n"
	# The answer to a HEAD has no content.
	reply=$(client send "HEAD http://127.0.0.1:$closed_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" print)
	[ "$(head -n 1 <<<"$reply")" = "HTTP/1.1 502 Bad Gateway" ]
	fails grep -q '<html' <<<"$reply"
}

@test "forward: a silent server gives 504, a silent client 408, and half an answer a reset" {
	start "Timeout 1"
	peer_start silent server hold
	peer_start half server skip '\r\n\r\n' send "${OK}Content-Length: 5\r\n\r\nab" hold
	refused_after 504 http_response_timeout \
	    send "GET http://127.0.0.1:$silent_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 408 http_request_error \
	    send "POST http://127.0.0.1:$silent_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"
	client send "GET http://127.0.0.1:$half_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    skip '\r\n\r\nab' reset
	access_is 3 '- [^ ]+ [^ ]+ 200/idle [0-9]+ [0-9]+ [0-9.]+'
}

@test "forward: when a client leaves, its request at the server ends" {
	start
	peer_start origin server skip '\r\n\r\n' touch "$DIR/asked" gone touch "$DIR/ended"
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    wait "$DIR/asked" rst
	wait_for [ -e "$DIR/ended" ]
	rm "$DIR/asked" "$DIR/ended"
	client send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab" \
	    wait "$DIR/asked" close
	wait_for [ -e "$DIR/ended" ]
	access_is 2 '- [^ ]+ [^ ]+ -/client_left [0-9]+ 0 [0-9.]+'
}

@test "forward: a client that only shuts its side gets its answer" {
	start
	peer_start origin server skip '\r\n\r\n' pause 300 send "$SMALL"
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    shut expect "$SMALL" eof
}

# Several requests on one connection.

@test "forward: one connection carries many requests, to several servers, each with its line in the log" {
	local i script=()

	start
	peer_start one server skip '\r\n\r\n' send "${OK}Content-Length: 3\r\n\r\none" hold
	peer_start two server skip '\r\n\r\n' send "${OK}Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n" hold
	for i in 1 2 3 4 5 6 7 8 9 10; do
		script+=(send "GET http://127.0.0.1:$one_PORT/$i HTTP/1.1\r\nHost: x\r\n\r\n"
			skip '\r\n\r\none'
			send "POST http://127.0.0.1:$two_PORT/$i HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
			skip '3\r\ntwo\r\n0\r\n\r\n')
	done
	client "${script[@]}" quiet 50 send \
	    "GET http://127.0.0.1:$one_PORT/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" \
	    skip 'Connection: close\r\n\r\none' eof
	wait_for access_lines 21
	[ "$(grep -cE "http://127.0.0.1:$one_PORT/[0-9l].* 200/forwarded " "$DIR/access")" = 11 ]
	[ "$(grep -cE "http://127.0.0.1:$two_PORT/[0-9]+ .* 200/forwarded " "$DIR/access")" = 10 ]
	access_is 21 '- [^ ]+ [^ ]+ 200/forwarded [0-9]+ [0-9]+ [0-9.]+'
}

@test "forward: requests that arrive all at once are answered one after the other" {
	local all='' got='' i once=()

	start
	for i in 1 2 3 4 5 6 7 8 9; do
		once+=(skip '\r\n\r\n' send "$SMALL"
			skip '\r\n\r\n1\r\nx\r\n0\r\n\r\n' send "$SMALL")
	done
	peer_start origin server -n 1 "${once[@]}" gone
	for i in 1 2 3 4 5 6 7 8 9; do
		all+="GET http://127.0.0.1:$origin_PORT/$i HTTP/1.1\r\nHost: x\r\n\r\n"
		got+=$SMALL
		all+="POST http://127.0.0.1:$origin_PORT/$i HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\r\n"
		got+=$SMALL
	done
	client send "$all" expect "$got" quiet 50
	peer_wait origin
	wait_for access_lines 18
	[ "$(grep -c ' 200/forwarded ' "$DIR/access")" = 18 ]
}

@test "forward: hundreds of requests in one segment are served; of hundreds that the proxy answers itself only the first is" {
	local i all='' own=''

	start
	peer_start closed closed
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	for i in {1..300}; do
		all+="GET http://127.0.0.1:$origin_PORT/$i HTTP/1.1\r\nHost: x\r\n\r\n"
		own+="OPTIONS http://h/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n"
	done
	client send "$all" take $((300 * 40)) quiet 20
	client send "$own" skip "$CLOSE" eof
	client send "GET http://127.0.0.1:$closed_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n$all" \
	    refused 502
	wait_for access_lines 302
}

@test "forward: a connection to a server serves the requests of one client, and of no other" {
	local get times

	start
	times=(skip '\r\n\r\n' send "$SMALL")
	peer_start origin server "${times[@]}" "${times[@]}" eof say ended
	get=(send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
		expect "$SMALL")
	client -c 3 -- "${get[@]}" "${get[@]}"
	wait_for said_ended 3
	wait_for access_lines 6
	[ "$(grep -c ' 200/forwarded ' "$DIR/access")" = 6 ]
}

said_ended() {
	[ "$(grep -c ended "$DIR/origin.out")" = "$1" ]
}

@test "forward: a tunnel can follow a plain request on one connection" {
	start
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	peer_start srv server echo
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL" tunnel "127.0.0.1:$srv_PORT" rtt 3 100 shut eof
	wait_for access_lines 2
	access_is 2 "- 127.0.0.1:$srv_PORT 127.0.0.1:$srv_PORT 200/closed 300 300 [0-9.]+"
}

@test "forward: an idle client is closed without a reply, and adds no line to the access log" {
	start "HeaderTimeout 1"
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL" eof
	# A client that has sent half a request gets a reply.
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL" send "GET " refused 408
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL" close
	wait_for access_lines 4
	adit_stop
	[ "$(grep -c forwarded "$DIR/access")" = 3 ]
	[ "$(wc -l <"$DIR/access")" = 4 ]
}

@test "forward: idle clients never take the places of clients that send requests" {
	local closing="${OK}Content-Length: 2\r\n${CLOSE}ok"

	start "MaxClients 6"
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	client_start idle -n 3 -- 127.0.0.1 "$PORT" \
	    send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL" touch "$DIR/idle" hold
	wait_for [ -e "$DIR/idle" ]
	client -n 3 -- send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$closing" eof
}

@test "forward: idle clients do not slow down busy ones, and do not delay a reload" {
	local old

	need_proc
	start
	old=$(child_pids | sort | tr '\n' ' ')
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	peer_start slow server skip '\r\n\r\n' touch "$DIR/asked" wait "$DIR/go" send "$SMALL"
	client_start idle -n 20 -- 127.0.0.1 "$PORT" \
	    send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL" touch "$DIR/idle" eof
	client_start busy 127.0.0.1 "$PORT" \
	    send "GET http://127.0.0.1:$slow_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "${OK}Content-Length: 2\r\n${CLOSE}ok" eof
	wait_for [ -e "$DIR/idle" ]
	wait_for [ -e "$DIR/asked" ]
	sleep 0.2
	kill -HUP "$ADIT_PID"
	peer_wait idle
	log_wait 'Reloading config file finished'
	touch "$DIR/go"
	peer_wait busy
	wait_for gone_all "$old"
}

gone_all() {
	local pid

	for pid in $1; do
		case " $(child_pids | tr '\n' ' ')" in
		*" $pid "*) return 1 ;;
		esac
	done
}

# Rules for targets.

@test "forward: rules, floors and filters hold for plain requests as for CONNECT, but ConnectPort does not" {
	echo 'filtered' >"$DIR/filter"
	start "ConnectPort 1" "DenyTo 127.0.0.1:7" "DenyTo .example" \
	    "Filter \"$DIR/filter\""
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	client send "GET http://127.0.0.1:$origin_PORT/filtered HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL"
	refused_after 403 destination_ip_prohibited \
	    send 'GET http://127.0.0.1:7/ HTTP/1.1\r\nHost: x\r\n\r\n'
	refused_after 403 destination_ip_prohibited \
	    send 'GET http://0.0.0.0/ HTTP/1.1\r\nHost: x\r\n\r\n'
	refused_after 403 destination_ip_prohibited \
	    send "GET http://127.0.0.1:$PORT/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 403 http_request_denied \
	    send 'GET http://A.Example./ HTTP/1.1\r\nHost: x\r\n\r\n'
	refused_after 403 http_request_denied \
	    send 'GET http://www.FILTERED.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n'
	refused_after 403 http_request_denied \
	    send "CONNECT 127.0.0.1:$origin_PORT HTTP/1.1\r\n\r\n"
	log_wait 'Proxying refused on filtered domain "www.filtered.invalid"'
}

@test "forward: each request on a connection is judged by itself" {
	local auth good

	start "DenyTo 127.0.0.1:7" "BasicAuth alice sesame"
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	good="GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n"
	auth="Proxy-Authorization: Basic $(printf alice:sesame | base64)"
	client send "$good$auth\r\n\r\n" expect "$SMALL" \
	    send "GET http://127.0.0.1:7/ HTTP/1.1\r\nHost: x\r\n$auth\r\n\r\n" refused 403
	client send "$good$auth\r\n\r\n" expect "$SMALL" send "$good\r\n" refused 407
	client send "$good$auth\r\n\r\n$good\r\n" expect "$SMALL" refused 407
	access_is 1 "alice http://127.0.0.1:$origin_PORT/ 127.0.0.1:$origin_PORT 200/forwarded [0-9]+ [0-9]+ [0-9.]+"
	access_is 2 'alice http://127.0.0.1:7/ - 403/destination_ip_prohibited 0 0 [0-9.]+'
	access_is 4 "- http://127.0.0.1:$origin_PORT/ - 407/http_request_denied 0 0 [0-9.]+"
	adit_stop
	fails grep -ai -e sesame -e "${auth##* }" "$LOG" "$DIR/access" "$STDERR"
}

@test "forward: credentials for the proxy never reach a server" {
	start "BasicAuth alice sesame"
	passes "GET http://@/ HTTP/1.1\r\nHost: x\r\nproxy-authorization: Basic $(printf alice:sesame | base64)\r\nAuthorization: Basic mine\r\n\r\n" \
	    "GET / HTTP/1.1\r\nHost: @\r\nAuthorization: Basic mine\r\n\r\n" "$SMALL" "$SMALL"
}

@test "forward: with FilterURLs a filter sees the whole URL, whatever its spelling" {
	local url

	printf '%s\n' '/ads/' '^http://127\.0\.0\.1:[0-9]*/secret' >"$DIR/filter"
	start "Filter \"$DIR/filter\"" "FilterURLs yes"
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	for url in /ads/x /a/ADS/ /%61ds/ /a/../ads/ /a/%2e%2E/%61d%73/x /./ads/ \
	    '/?/ads/' /secret /Secret '/x/../%73ecret?q'; do
		refused_after 403 http_request_denied \
		    send "GET http://127.0.0.1:$origin_PORT$url HTTP/1.1\r\nHost: x\r\n\r\n"
	done
	for url in '' / /ad/ '?ads' /a/secret /%2fads%2F /\\xc3\\xa9; do
		client send "GET http://127.0.0.1:$origin_PORT$url HTTP/1.1\r\nHost: x\r\n\r\n" \
		    expect "$SMALL"
	done
	log_wait "Proxying refused on filtered url \"http://127.0.0.1:$origin_PORT/a/ADS/\""
}

@test "forward: with FilterCaseSensitive the case of paths matters, and that of hosts never does" {
	printf '%s\n' '/Ads' 'bad\.invalid' >"$DIR/filter"
	start "Filter \"$DIR/filter\"" "FilterURLs yes" "FilterCaseSensitive yes"
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	refused_after 403 http_request_denied \
	    send "GET http://127.0.0.1:$origin_PORT/Ads HTTP/1.1\r\nHost: x\r\n\r\n"
	client send "GET http://127.0.0.1:$origin_PORT/ads HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL"
	refused_after 403 http_request_denied \
	    send 'GET http://BAD.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n'
	refused_after 403 http_request_denied \
	    send 'CONNECT BAD.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n'
}

@test "forward: with FilterDefaultDeny only URLs that a pattern matches are allowed" {
	echo '^http://127\.0\.0\.1:[0-9]*/public/' >"$DIR/filter"
	start "Filter \"$DIR/filter\"" "FilterURLs yes" "FilterDefaultDeny yes"
	peer_start origin server skip '\r\n\r\n' send "$SMALL"
	client send "GET http://127.0.0.1:$origin_PORT/public/x HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL"
	for url in / /public /public/../secret /public/%2e%2e/secret '/?/public/'; do
		refused_after 403 http_request_denied \
		    send "GET http://127.0.0.1:$origin_PORT$url HTTP/1.1\r\nHost: x\r\n\r\n"
	done
}

@test "forward: RateLimit holds for downloads and uploads by plain HTTP too" {
	local began n=$((300 * 1024))

	start "RateLimit 100000"
	peer_start down server skip '\r\n\r\n' send "${OK}Content-Length: $n\r\n\r\n" pattern $n
	peer_start up server skip '\r\n\r\n' check $n send "$SMALL"
	began=$(date +%s%N)
	client send "GET http://127.0.0.1:$down_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    skip '\r\n\r\n' check $n
	[ $((($(date +%s%N) - began) / 1000000)) -ge 2000 ]
	began=$(date +%s%N)
	client send "POST http://127.0.0.1:$up_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: $n\r\n\r\n" \
	    pattern $n expect "$SMALL"
	[ $((($(date +%s%N) - began) / 1000000)) -ge 2000 ]
}

# Parents.

@test "forward: an http parent gets the whole URL, with the credentials for it and Via" {
	local port

	port=$(free_port)
	start "Upstream http joe:sesame@127.0.0.1:$port"
	peer_start parent server -p "$port" -n 4 \
	    head send "$SMALL"
	client send 'GET http://H.Example:80/p?q HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic eDp5\r\n\r\n' \
	    expect "$SMALL" \
	    send 'GET http://h.example:81 HTTP/1.1\r\nHost: x\r\n\r\n' expect "$SMALL" \
	    send 'OPTIONS http://h.example HTTP/1.1\r\nHost: x\r\n\r\n' expect "$SMALL" \
	    send 'GET http://[2001:DB8:0::1]:81?q HTTP/1.1\r\nHost: x\r\n\r\n' expect "$SMALL"
	peer_wait parent >"$DIR/got"
	diff - "$DIR/got" <<-EOF
	$port
	GET http://h.example/p?q HTTP/1.1
	Host: h.example
	Proxy-Authorization: Basic $(printf joe:sesame | base64)

	GET http://h.example:81/ HTTP/1.1
	Host: h.example:81
	Proxy-Authorization: Basic $(printf joe:sesame | base64)

	OPTIONS http://h.example HTTP/1.1
	Host: h.example
	Proxy-Authorization: Basic $(printf joe:sesame | base64)

	GET http://[2001:db8:0::1]:81/?q HTTP/1.1
	Host: [2001:db8:0::1]:81
	Proxy-Authorization: Basic $(printf joe:sesame | base64)

	EOF
}

@test "forward: a SOCKS parent gets the target, and the server behind it the request" {
	local port

	port=$(free_port)
	start "Upstream socks5 127.0.0.1:$port"
	peer_start parent server -p "$port" -n 1 \
	    expect '\x05\x01\x00' send '\x05\x00' \
	    expect '\x05\x01\x00\x03\x09h.example\x00\x50' \
	    send '\x05\x00\x00\x01\0\0\0\0\0\0' \
	    expect "GET /p HTTP/1.1\r\nHost: h.example\r\n\r\n" send "$SMALL"
	client send 'GET http://h.example/p HTTP/1.1\r\nHost: x\r\n\r\n' expect "$SMALL"
	peer_wait parent
	# A parent that sends something before it is asked.
	port=$(free_port)
	adit_stop
	start "Upstream socks5 127.0.0.1:$port"
	peer_start eager server -p "$port" \
	    expect '\x05\x01\x00' send '\x05\x00' take 16 \
	    send "\x05\x00\x00\x01\0\0\0\0\0\0$SMALL" gone
	refused_after 502 http_protocol_error \
	    send 'GET http://h.example/p HTTP/1.1\r\nHost: x\r\n\r\n'
}

@test "forward: if a parent is down, the next one is used; the refusal of a parent is passed on" {
	local dead port

	port=$(free_port)
	dead=$(free_port)
	start "Upstream http 127.0.0.1:$dead" "Upstream http 127.0.0.1:$port"
	peer_start parent server -p "$port" skip '\r\n\r\n' \
	    send 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'
	client send 'GET http://h.example/p HTTP/1.1\r\nHost: x\r\n\r\n' \
	    expect 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'
}

@test "forward: a parent does not count as dead because of a server without a good answer" {
	local first

	first=$(free_port)
	start "Upstream http 127.0.0.1:$first" "Upstream http 127.0.0.1:1"
	peer_start parent server -p "$first" skip '\r\n\r\n' \
	    send "${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n" gone
	for _ in 1 2; do
		refused_after 502 http_protocol_error \
		    send 'GET http://h.example/p HTTP/1.1\r\nHost: x\r\n\r\n'
	done
	log_wait 'Could not get an answer from'
	fails log_has 'Could not connect to upstream proxy'
}

@test "forward: a parent that wants other credentials gives 502, and its challenge does not reach the client" {
	local port reply

	port=$(free_port)
	start "Upstream http 127.0.0.1:$port"
	peer_start parent server -p "$port" skip '\r\n\r\n' \
	    send 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
	reply=$(refused_after 502 http_protocol_error \
	    send 'GET http://h.example/p HTTP/1.1\r\nHost: x\r\n\r\n')
	fails grep -qi proxy-authenticate <<<"$reply"
	grep -q 'The parent proxy asked this proxy for credentials' <<<"$reply"
}

@test "forward: a request that a parent sends back here is recognized" {
	local port

	port=$(free_port)
	adit_start "Port $port" "Upstream http 127.0.0.1:$port"
	client send 'GET http://h.example/p HTTP/1.1\r\nHost: x\r\n\r\n' \
	    skip 'HTTP/1.1 502 ' skip 'error=proxy_loop_detected'
}

# Ambiguous messages.

# ambiguous ROW...: each row follows "POST http://origin/ HTTP/1.1", Host and
# CR LF.  The request gets 400, and the origin gets nothing.
ambiguous() {
	local next row

	next="GET http://127.0.0.1:$origin_PORT/SMUGGLED HTTP/1.1\r\nHost: x\r\n\r\n"
	for row; do
		client send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\n$row$next" \
		    refused 400 >/dev/null || {
			echo "row: $row"
			return 1
		}
	done
	fails grep -qa . "$DIR/heard"
}

@test "forward: nothing is passed on of a request whose head can be read in two ways" {
	start
	: >"$DIR/heard"
	peer_start origin server try print
	ambiguous 'Content-Length : 5\r\n\r\nabcde' \
	    'Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde' \
	    'Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde' \
	    'Content-Length: 5, 5\r\n\r\nabcde' 'Content-Length: +5\r\n\r\nabcde' \
	    'Content-Length: -5\r\n\r\nabcde' 'Content-Length: 0x5\r\n\r\nabcde' \
	    'Content-Length: 5 5\r\n\r\nabcde' 'Content-Length: 5;\r\n\r\nabcde' \
	    'Content-Length: 5.0\r\n\r\nabcde' 'Content-Length: "5"\r\n\r\nabcde' \
	    'Content-Length\t: 5\r\n\r\nabcde' 'Content-Length\r\n: 5\r\n\r\nabcde' \
	    'Content-Length: 5 \x0b\r\n\r\nabcde' 'Content-Length:\r\n 5\r\n\r\nabcde' \
	    'Content-Length: 18446744073709551621\r\n\r\nabcde' \
	    'Content-Length: 4294967301\r\nContent-Length: 5\r\n\r\nabcde' \
	    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked chunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nabcde' \
	    'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n' \
	    'Transfer-Encoding: \0chunked\r\n\r\n0\r\n\r\n' \
	    'A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
	    'A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
	    'A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
	    'A: b\0Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
	    ' Content-Length: 5\r\n\r\nabcde' '\tContent-Length: 5\r\n\r\nabcde' \
	    'A\r\nContent-Length: 5\r\n\r\nabcde' ': x\r\nContent-Length: 5\r\n\r\nabcde' \
	    'A B: c\r\n\r\n' 'A\xc2\xa0: b\r\n\r\n' 'A: b\n\n' 'A: b\r\n\n' \
	    'A: b\n\r\n' 'Host: y\r\n\r\n' 'host : y\r\n\r\n' \
	    'Max-Forwards: 1\r\nMax-Forwards: 2\r\n\r\n'
	# The request line before all of these.
	local line next="GET http://127.0.0.1:$origin_PORT/SMUGGLED HTTP/1.1\r\nHost: x\r\n\r\n"
	for line in "GET  http://127.0.0.1:$origin_PORT/ HTTP/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/  HTTP/1.1" \
	    "GET\thttp://127.0.0.1:$origin_PORT/ HTTP/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/\tHTTP/1.1 HTTP/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1 HTTP/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1 " \
	    "GET http://127.0.0.1:$origin_PORT/\rA: b HTTP/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/\nA: b HTTP/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/\0 HTTP/1.1" \
	    " GET http://127.0.0.1:$origin_PORT/ HTTP/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/ http/1.1" \
	    "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1x" \
	    "GET http://127.0.0.1:$origin_PORT/" \
	    "G\x00T http://127.0.0.1:$origin_PORT/ HTTP/1.1"; do
		client send "$line\r\nHost: x\r\n\r\n$next" refused 400 >/dev/null || {
			echo "line: $line"
			return 1
		}
	done
	client send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$next" \
	    refused 400
	client send "GET http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\n\r\n$next" refused 400
	[ "$(wc -l <"$DIR/origin.out")" = 1 ]
	fails log_has Established
}

@test "forward: content whose end can be read in two ways never reaches the server whole" {
	local next row

	start
	peer_start origin server try print
	next="GET http://127.0.0.1:$origin_PORT/SMUGGLED HTTP/1.1\r\nHost: x\r\n\r\n"
	for row in '5\nabcde\n0\n\n' '5\r\nabcde0\r\n\r\n' '5\r\nabcdef\r\n0\r\n\r\n' \
	    ' 5\r\nabcde\r\n0\r\n\r\n' \
	    '0x5\r\nabcde\r\n0\r\n\r\n' '+5\r\nabcde\r\n0\r\n\r\n' \
	    '-1\r\nabcde\r\n0\r\n\r\n' '\r\n0\r\n\r\n' 'g\r\n\r\n' \
	    '10000000000000005\r\nabcde\r\n0\r\n\r\n' \
	    'fffffffffffffff0\r\nabcde\r\n0\r\n\r\n' \
	    '5;a="b\r\nc"\r\nabcde\r\n0\r\n\r\n' '5 5\r\nabcde\r\n0\r\n\r\n' \
	    '5,5\r\nabcde\r\n0\r\n\r\n' '5\0\r\nabcde\r\n0\r\n\r\n' \
	    '6\r\nabcde\r\n0\r\n\r\n' '0\r\nA: b\rC: d\r\n\r\n' \
	    '0\r\nCookie: b\r\n\r\n' '0\r\nConnection: close\r\n\r\n' \
	    '5;a\nb\r\nabcde\r\n0\r\n\r\n' '5;a\rb\r\nabcde\r\n0\r\n\r\n' \
	    '5\r\r\nabcde\r\n0\r\n\r\n' '5\r\nabcde\r\n0\r\n\n' \
	    '5\r\nabcde\r\n0\n\r\n' '5\r\nabcde\r\n0\r\n\r\r\n' \
	    '0\r\nContent-Length: 5\r\n\r\n' '0\r\ntransfer-encoding: chunked\r\n\r\n' \
	    '0\r\nHost: y\r\n\r\n' '0\r\nA : b\r\n\r\n' '0\r\n A: b\r\n\r\n' \
	    '0\r\nA: b\n\r\n' '0\r\nA\r\n\r\n' '0\r\n\nGET /SMUGGLED HTTP/1.0\r\n\r\n' \
	    '0\r\nGET /SMUGGLED HTTP/1.0\r\n\r\n'; do
		client send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n$row$next" \
		    refused 400 >/dev/null || {
			echo "row: $row"
			return 1
		}
		client send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" \
		    try drip 1 "$row" try send "$next" \
		    skip 'HTTP/1.1 400 ' gone || {
			echo "row, byte by byte: $row"
			return 1
		}
	done
	end_pid TERM "$origin_PID"
	fails grep -a -e SMUGGLED "$DIR/origin.out"
	# No last chunk with its empty line, for strict and for lax readers.
	tr -d '\r' <"$DIR/origin.out" | grep -aA 2 -x -e 0 >"$DIR/ends"
	fails grep -ax -e '' "$DIR/ends"
}

@test "forward: bytes after the content are the next request, and not a part of this one" {
	local port

	start
	port=$(free_port)
	peer_start origin server -p "$port" head take 3 try print
	client send "POST http://127.0.0.1:$port/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET http://127.0.0.1:$port/2 HTTP/1.1\r\nHost: x\r\n\r\n" \
	    quiet 100
	grep -q '^POST /1 ' "$DIR/origin.out"
	fails grep -q '/2' "$DIR/origin.out"
}

@test "forward: a client cannot insert a field or a request into what the server gets" {
	start 'AddHeader "X-A" "b"'
	passes "GET http://@/%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\nB: %0d%0aX: y\r\n\r\n" \
	    "GET /%0d%0aX:%20y HTTP/1.1\r\nHost: @\r\nB: %0d%0aX: y\r\nX-A: b\r\n\r\n" \
	    "$SMALL" "$SMALL"
}

# Resources.

@test "forward: descriptors and memory are free again after thousands of requests, however they end" {
	local before fds port

	need_proc
	start "Workers 1"
	# It says that it closes: a POST on a connection that is about to close
	# could not be repeated.
	peer_start origin server -s skip '\r\n\r\n' \
	    send "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
	peer_start cut server -s skip '\r\n\r\n' send "${OK}Content-Length: 5\r\n\r\nab"
	peer_start closed closed
	port=$origin_PORT
	round() {
		client -c 15 -n 10 -- \
		    send "GET http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\n\r\n" expect "$SMALL" \
		    send "POST http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\n\r\n" \
		    expect "$SMALL$SMALL"
		client -c 10 -n 10 -- \
		    send "GET http://127.0.0.1:$cut_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" gone
		client -c 10 -n 10 -- \
		    send "GET http://127.0.0.1:$closed_PORT/ HTTP/1.1\r\nHost: x\r\n\r\n" gone
		client -c 10 -n 10 -- \
		    send "POST http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab" rst
		client -c 10 -n 10 -- \
		    send "POST http://127.0.0.1:$port/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx" gone
	}
	fds=$(fd_count)
	round
	wait_for fd_count_is "$fds"
	before=$(resident)
	round
	round
	wait_for fd_count_is "$fds"
	echo "$before KiB, then $(resident)"
	sanitized || [ "$(resident)" -le $((before + 512)) ]
}

@test "forward: a connection that ends while it is not watched costs no processor time" {
	local before worker

	need_proc
	start "Workers 1"
	peer_start origin server -R 8192 skip '\r\n\r\n' \
	    send "${OK}Content-Length: 99999999\r\n\r\n" try fill 64M rst
	client_start near -R 8192 127.0.0.1 "$PORT" \
	    send "POST http://127.0.0.1:$origin_PORT/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab" \
	    wait "$DIR/go" skip '\r\n\r\n' reset
	wait_for -t 30 grep -q filled "$DIR/origin.out"
	sleep 0.3
	worker=$(worker_pids)
	before=$(ticks "$worker")
	sleep 1
	[ $(($(ticks "$worker") - before)) -le 10 ]
	touch "$DIR/go"
	peer_wait near
}

# Real programs.

# web NAME: a real web server, Python's, for $DIR/www.
web() {
	need_command python3
	mkdir -p "$DIR/www"
	(cd "$DIR/www" && exec python3 -u -m http.server --bind 127.0.0.1 0) \
	    >"$DIR/web.out" 2>"$DIR/web.err" 3>&- &
	own_pid $!
	wait_for grep -q 'port [0-9]' "$DIR/web.out"
	WEB=http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\).*/\1/p' "$DIR/web.out")
}

@test "forward: curl downloads, uploads and keeps its connection through the proxy" {
	start
	web
	head -c 3000000 /dev/urandom >"$DIR/www/big"
	curl -sS -o "$DIR/one" -o "$DIR/two" -x "http://127.0.0.1:$PORT" \
	    "$WEB/big" "$WEB/big"
	cmp "$DIR/www/big" "$DIR/one"
	cmp "$DIR/www/big" "$DIR/two"
	wait_for access_lines 2
	curl -sSI -x "http://127.0.0.1:$PORT" "$WEB/big" | grep -q 'ength: 3000000'
	[ "$(curl -sS -o "$DIR/one" -o "$DIR/two" -w '%{num_connects}' \
	    -x "http://127.0.0.1:$PORT" "$WEB/big" "$WEB/big")" = 10 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -x "http://127.0.0.1:$PORT" "$WEB/no")" = 404 ]
	# A large upload, which curl announces with Expect.
	peer_start sink server skip '\r\n\r\n' send 'HTTP/1.1 100 Continue\r\n\r\n' \
	    take 3000000 send "$SMALL"
	[ "$(curl -sS -T "$DIR/www/big" -H 'Expect: 100-continue' \
	    -x "http://127.0.0.1:$PORT" "http://127.0.0.1:$sink_PORT/")" = ok ]
}

@test "forward: curl asks again after a 417, on a new connection" {
	start
	echo hello >"$DIR/file"
	peer_start origin server head send 'HTTP/1.1 417 x\r\nContent-Length: 0\r\n\r\n'
	curl -sS -T "$DIR/file" -H 'Expect: 100-continue' -o /dev/null \
	    -x "http://127.0.0.1:$PORT" "http://127.0.0.1:$origin_PORT/"
	[ "$(grep -c '^PUT' "$DIR/origin.out")" = 2 ]
	wait_for access_lines 2
}

@test "forward: wget downloads a page" {
	need_command wget
	start
	web
	head -c 300000 /dev/urandom >"$DIR/www/big"
	http_proxy=http://127.0.0.1:$PORT no_proxy='' wget -q -O "$DIR/got" "$WEB/big"
	cmp "$DIR/www/big" "$DIR/got"
}

@test "forward: apt gets all its files from a mirror that is far away over one connection" {
	local apt=/usr/lib/apt/apt-helper at files=() i

	need_command python3
	[ -x "$apt" ] || skip "needs apt"
	start
	python3 "$BATS_TEST_DIRNAME/mirror.py" >"$DIR/mirror" 2>&1 3>&- &
	own_pid $!
	wait_for grep -q '^port' "$DIR/mirror"
	at=127.0.0.1:$(sed -n 's/^port //p' "$DIR/mirror")
	for i in {1..8}; do
		files+=("http://$at/$i" "$DIR/$i" '')
	done
	"$apt" -o "Acquire::http::Proxy=http://127.0.0.1:$PORT" \
	    -o APT::Sandbox::User= download-file "${files[@]}" </dev/null
	[ "$(cat "$DIR"/[1-8])" = "$(printf 'hello%.0s' {1..8})" ]
	[ "$(grep -c '^request' "$DIR/mirror")" = 8 ]
	[ "$(grep -c '^connection' "$DIR/mirror")" = 1 ]
}

@test "forward: git clones over http" {
	need_command git
	start
	web
	git -C "$DIR" init -q source
	git -C "$DIR/source" -c user.name=a -c user.email=a@a.example \
	    commit -q --allow-empty -m one
	git clone -q --bare "$DIR/source" "$DIR/www/r.git"
	git -C "$DIR/www/r.git" update-server-info
	http_proxy=http://127.0.0.1:$PORT no_proxy='' \
	    git clone -q "$WEB/r.git" "$DIR/clone"
	[ "$(git -C "$DIR/clone" log --format=%s)" = one ]
}

@test "forward: Python sends requests through the proxy, with a user" {
	need_command python3
	start "BasicAuth joe sesame"
	web
	echo hello >"$DIR/www/file"
	[ "$(http_proxy=http://joe:sesame@127.0.0.1:$PORT no_proxy='' python3 -c '
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode(), end="")' "$WEB/file")" = hello ]
}

@test "forward: a user in the URL does not keep wget, curl and Python from their page" {
	local host secret=user:sesame@

	start
	web
	echo hello >"$DIR/www/file"
	host=${WEB#http://}
	[ "$(curl -sS -x "http://127.0.0.1:$PORT" "http://$secret$host/file#sesame")" = hello ]
	[ "$(curl -sS -x "http://127.0.0.1:$PORT" \
	    --request-target "http://$secret$host/file#sesame" "$WEB/other")" = hello ]
	[ "$(http_proxy=http://127.0.0.1:$PORT no_proxy='' python3 -c '
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode(), end="")' \
	    "http://$secret$host/file")" = hello ]
	if command -v wget >/dev/null; then
		http_proxy=http://127.0.0.1:$PORT no_proxy='' \
		    wget -q -O "$DIR/got" "http://$secret$host/file#sesame"
		[ "$(cat "$DIR/got")" = hello ]
	fi
	adit_stop
	grep -q "http://$host/file .* 200/forwarded" "$DIR/access"
	fails grep -a -e sesame "$LOG" "$DIR/access" "$DIR/web.out" "$DIR/web.err"
}
