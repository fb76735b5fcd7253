#!/usr/bin/env bats
# Reverse proxying: paths lead to their servers, and nothing that a client sends
# leads anywhere else.

load helper
load http

# start [LINE...]: adit with /app/ mapped to http://127.0.0.1:$ORIGIN/base/.
start() {
	ORIGIN=$(free_port)
	AT=127.0.0.1:$ORIGIN
	adit_start "DisableViaHeader yes" "AccessLog \"$DIR/access\"" \
	    "ReversePath \"/app/\" \"http://$AT/base/\"" "${@//@/$AT}"
}

# asks PATH PASSED [FIELD]: a request for PATH, with this field, becomes one for
# PASSED at the server.
asks() {
	local field=${3:+$3\\r\\n}

	passes "GET $1 HTTP/1.1\r\nHost: x\r\n$field\r\n" \
	    "GET $2 HTTP/1.1\r\nHost: @\r\n$field\r\n" "$SMALL" "$SMALL"
}

# trap_start: a server at $ORIGIN that no request may reach.
trap_start() {
	peer_start TRAP server -p "$ORIGIN" touch "$DIR/touched" send "$SMALL"
}

# untouched: whether no request has reached it; ends it.
untouched() {
	kill "$TRAP_PID"
	wait_for dead "$TRAP_PID"
	[ ! -e "$DIR/touched" ]
}

# unmapped REQUEST-LINE [FIELDS]: the request gets 400, since no mapping
# matches.
unmapped() {
	refused_after 400 http_request_error \
	    send "$1 HTTP/1.1\r\nHost: x\r\n$2\r\n" >"$DIR/reply"
	grep -q -e 'No mapping found for requested url\.' \
	    -e 'The path contains &#34;\.\.&#34;\.' "$DIR/reply" || {
		printf 'another answer: %s\n' "$1"
		cat "$DIR/reply"
		return 1
	}
}

# foreign: sets OWN to an address of this machine that is not loopback.
foreign() {
	OWN=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -vE '^127|:' |
		grep -m 1 .) || skip "this machine has no address but loopback"
}

# Paths.

@test "reverse: a request below a path goes below its URL, to the server of that URL" {
	start
	asks /app/ /base/
	asks /app/x /base/x
	asks '/app/x?q=1&r=/../y' '/base/x?q=1&r=/../y'
	asks '/app/?q' '/base/?q'
	asks /app//x//y /base//x//y
	asks /app/a/.../..b /base/a/.../..b
	asks /app/A%2fb%C3%A9 /base/A%2fb%C3%A9
	asks '/app/\xc3\xa9' '/base/%C3%A9'
	passes 'HEAD /app/x HTTP/1.0\r\n\r\n' \
	    "HEAD /base/x HTTP/1.1\r\nHost: @\r\n$CLOSE" "$SMALL" \
	    "${OK}Content-Length: 2\r\n$CLOSE"
	log_wait "Request \(file descriptor [0-9]+\): GET /app/x HTTP/1\.1"
	log_wait "Rewriting URL: /app/x -> http://$AT/base/x"
	access_is 2 "- /app/x $AT 200/forwarded [0-9]+ [0-9]+ [0-9.]+"
}

@test "reverse: neither the form of a path nor that of a Host leads to another server" {
	local path

	start 'ReversePath "/root/" "http://@"'
	for path in @evil.example .evil.example :81 :81/ //evil.example/ \
	    http://evil.example/ '@evil.example:80/x' '%40evil.example' \
	    '&@evil.example' '[::1]' '%2f%2fevil.example' '?@evil.example'; do
		passes "GET /root/$path HTTP/1.1\r\nHost: evil.example\r\n\r\n" \
		    "GET /$path HTTP/1.1\r\nHost: @\r\n\r\n" "$SMALL" "$SMALL"
	done
}

@test "reverse: no spelling of a path leads out of the mapped path" {
	local path

	start "ReverseMagic yes"
	trap_start
	for path in /app/.. /app/../ /app/../secret /app/x/../../secret \
	    '/app/..?q' /app/%2e%2e/x /app/.%2E/x /app/%2e./x /app/..%2fx \
	    /app%2f..%2fx '/app/..\\x' '/app/x\\..' /app/..%5cx \
	    '/app/..;a=b/x' '/app/..%3B/x' '/app/..;' /app/..%00/x \
	    /app/..%00x; do
		unmapped "GET $path"
		unmapped "GET $path" 'Cookie: yummy_magical_cookie=/app/\r\n'
		grep -q 'contains &#34;\.\.&#34;' "$DIR/reply"
	done
	untouched
}

@test "reverse: if several lines match the last one counts, and a line without a path matches all" {
	start 'ReversePath "/app/sub/" "http://@/sub/"'
	asks /app/sub/x /sub/x
	asks /app/subs /base/subs
	adit_stop
	stderr_expected 'ReversePath: .* too, since the last'
	start 'ReversePath "/app/sub/" "http://@/sub/"' 'ReversePath "http://@/"'
	asks /app/sub/x /app/sub/x
	asks / /
	asks '/?x' '/?x'
}

@test "reverse: a path without its last slash is redirected, and the Location has no byte from the client" {
	local head path

	start 'ReversePath "/b" "http://@/"'
	trap_start
	for path in app b; do
		head=$(client send "GET /$path HTTP/1.1\r\nHost: evil.example\r\n\r\n" head)
		grep -qx 'HTTP/1.1 301 Moved Permanently' <<<"$head"
		grep -qx "Location: /$path/" <<<"$head"
		fails grep evil <<<"$head"
	done
	client send 'HEAD /app HTTP/1.1\r\nHost: x\r\n\r\n' skip '\r\n\r\n' eof
	# Bytes after it are not read as another request.
	client send "POST /app HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nGET /app/ HTTP/1.1\r\nHost: x\r\n\r\n" \
	    skip '</html>\n' eof
	access_is 1 '- /app - 301/redirected 0 [0-9]+ [0-9.]+'
	untouched
}

@test "reverse: a path without a mapping gets 400, and no server gets a request, whatever Host says" {
	local path

	start 'ReversePath "/b/" "http://@/"'
	trap_start
	for path in / /x /app? '/app?x' /apps/ /APP/ //app/ /%61pp/ /a /./app/ \
	    "http:/$AT/" "/@$AT/"; do
		case $path in
		/*) unmapped "GET $path" ;;
		*) refused_after 400 http_request_error send "GET $path HTTP/1.1\r\nHost: $AT\r\n\r\n" ;;
		esac
	done
	refused_after 400 http_request_error \
	    send "GET / HTTP/1.1\r\nHost: $AT\r\n\r\n"
	refused_after 400 http_request_error \
	    send 'GET / HTTP/1.1\r\nHost: tinyproxy.stats\r\n\r\n'
	refused_after 400 http_request_error send "GET /app/#x HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 400 http_request_error send "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 400 http_request_error send "CONNECT /app/ HTTP/1.1\r\nHost: x\r\n\r\n"
	refused_after 400 http_request_error send "GET /app/ HTTP/1.1\r\n\r\n"
	untouched
	log_wait 'Refused request from "127.0.0.1": No mapping found'
	access_is 1 '- / - 400/http_request_error 0 0 [0-9.]+'
}

@test "reverse: without any mapping a path is malformed, for every client" {
	adit_start "BasicAuth alice sesame"
	refused_after 400 http_request_error \
	    send 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n' >"$DIR/reply"
	grep -q 'This is a proxy' "$DIR/reply"
}

# Messages.

@test "reverse: a path cannot insert a field or a request" {
	local path

	start "ReverseMagic yes"
	trap_start
	for path in '/app/ x' '/app/\rX: y' '/app/\nX: y' '/app/\r\nX : y' \
	    '/app/\tx' '/app/\x00x' '/app/\x7fx' '/app/\x0bx'; do
		refused_after 400 http_request_error \
		    send "GET $path HTTP/1.1\r\nHost: x\r\n\r\n"
	done
	# Content whose end can be read in two ways.
	refused_after 400 http_request_error \
	    send "POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	refused_after 400 http_request_error \
	    send "POST /app/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"
	refused_after 400 http_request_error \
	    send "GET /x HTTP/1.1\r\nHost: x\r\nCookie: yummy_magical_cookie=/app/\n x\r\n\r\n"
	untouched
	passes 'GET /app/%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET /base/%0d%0aX:%20y HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "$SMALL" "${OK}Set-Cookie: yummy_magical_cookie=/app/; path=/\r\nContent-Length: 2\r\n\r\nok"
}

@test "reverse: fields and content are passed on as for a URL, also in pieces" {
	start "AddHeader \"A\" \"b\""
	passes "POST /app/x HTTP/1.1\r\nHost: x\r\nX: 1\r\nConnection: Y\r\nY: 2\r\nTE: trailers\r\nContent-Length: 5\r\n\r\nhello" \
	    "POST /base/x HTTP/1.1\r\nHost: @\r\nX: 1\r\nContent-Length: 5\r\nA: b\r\n\r\nhello" \
	    "$SMALL" "$SMALL"
	passes "PUT /app/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" \
	    "PUT /base/x HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" \
	    "${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	peer_start origin server -n 1 -p "$ORIGIN" \
	    expect "POST /base/x HTTP/1.1\r\nHost: $AT\r\nContent-Length: 5\r\nA: b\r\n\r\nhello" \
	    drip 1 "$SMALL"
	client drip 1 "POST /app/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" \
	    expect "$SMALL"
	peer_wait origin
}

@test "reverse: a ws:// client gets its tunnel through a path" {
	local up='Connection: upgrade\r\nUpgrade: websocket\r\n'

	start
	peer_start origin server -n 1 -p "$ORIGIN" \
	    expect "GET /base/ws HTTP/1.1\r\nHost: $AT\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n" \
	    send "HTTP/1.1 101 Go\r\n$up\r\n" expect ping send pong eof shut
	client send "GET /app/ws HTTP/1.1\r\nHost: x\r\n$up\r\n" \
	    skip '\r\n\r\n' send ping expect pong shut eof
	peer_wait origin
}

@test "reverse: one connection may ask for paths and URLs in turn, and each request has its log line" {
	start 'ReversePath "/b/" "http://@/"'
	peer_start origin server -p "$ORIGIN" skip '\r\n\r\n' send "$SMALL"
	client send 'GET /app/1 HTTP/1.1\r\nHost: x\r\n\r\n' expect "$SMALL" \
	    send "GET http://$AT/2 HTTP/1.1\r\nHost: x\r\n\r\n" expect "$SMALL" \
	    send "GET /b/3 HTTP/1.1\r\nHost: x\r\n\r\nGET http://$AT/4 HTTP/1.1\r\nHost: x\r\n\r\nGET /app/5 HTTP/1.1\r\nHost: x\r\n\r\n" \
	    expect "$SMALL" expect "$SMALL" expect "$SMALL" \
	    tunnel "$AT" send 'x\r\n\r\n' expect "$SMALL" shut eof
	# The bytes are those that the client has sent.
	access_is 1 "- /app/1 $AT 200/forwarded 32 [0-9]+ [0-9.]+"
	access_is 2 "- http://$AT/2 $AT 200/forwarded [0-9]+ [0-9]+ [0-9.]+"
	access_is 3 "- /b/3 $AT 200/forwarded 30 [0-9]+ [0-9.]+"
	access_is 4 "- http://$AT/4 $AT 200/forwarded [0-9]+ [0-9]+ [0-9.]+"
	access_is 5 "- /app/5 $AT 200/forwarded 32 [0-9]+ [0-9.]+"
	access_is 6 "- $AT $AT 200/closed [0-9]+ [0-9]+ [0-9.]+"
	# A refused request is the last one.
	client send 'GET /app/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /app/2 HTTP/1.1\r\nHost: x\r\n\r\n' \
	    expect "$SMALL" refused 400 >/dev/null
	access_is 8 '- /none - 400/http_request_error 0 0 [0-9.]+'
}

@test "reverse: a request that becomes too long by the mapping is refused, and never cut" {
	local more path

	start
	# The line has 8192 bytes with the URL, 8 + 15 + 6 + 13 of them others.
	more=$((8192 - ${#AT} - 7 - 6 - 13))
	path=$(printf '%*s' "$more" '' | tr ' ' x)
	asks "/app/$path" "/base/$path"
	refused_after 414 http_request_error \
	    send "GET /app/x$path HTTP/1.1\r\nHost: x\r\n\r\n"
	trap_start
	client send "GET /app/ HTTP/1.1\r\nHost: x\r\nX: " fillup y 65487 \
	    send '\r\n\r\n' refused 431
	client send "GET /app/ HTTP/1.1\r\nHost: x\r\nX: " fillup y 65600 \
	    try send '\r\n\r\n' refused 431
	untouched
}

@test "reverse: a request that the proxy answers itself reveals nothing about the server of its path" {
	start
	client send "TRACE /app/x HTTP/1.1\r\nHost: x\r\nCookie: a\r\nA: b\r\nMax-Forwards: 0\r\n\r\n" \
	    skip '\r\n\r\n' \
	    expect 'TRACE /app/x HTTP/1.1\r\nHost: x\r\nA: b\r\nMax-Forwards: 0\r\n\r\n' eof
	access_is 1 '- /app/x - 200/forwarded 68 [0-9]+ [0-9.]+'
	refused_after 502 connection_refused \
	    send 'GET /app/x HTTP/1.1\r\nHost: x\r\n\r\n' >"$DIR/reply"
	fails grep -q -e "$ORIGIN" -e base "$DIR/reply"
	grep -q 'Target: <code>/app/x</code>' "$DIR/reply"
}

# ReverseOnly.

@test "reverse: with ReverseOnly only mappings can be used, and no CONNECT" {
	local target

	start "ReverseOnly yes" 'ReversePath "/stats/" "http://tinyproxy.stats/"'
	asks /app/x /base/x
	trap_start
	for target in "http://$AT/base/x" "http://$AT/app/x" http://x.invalid/ \
	    "http://127.0.0.1:$PORT/app/x" http://tinyproxy.stats/; do
		unmapped "GET $target"
	done
	unmapped "CONNECT $AT"
	unmapped "CONNECT tinyproxy.stats:443"
	unmapped "GET /"
	untouched
	client send 'GET /stats/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    skip '<title>Statistics' skip '</html>'
}

@test "reverse: without ReverseOnly URLs and tunnels still work" {
	start "ReverseOnly no"
	passes 'GET http://@/app/x HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET /app/x HTTP/1.1\r\nHost: @\r\n\r\n" "$SMALL" "$SMALL"
	peer_start ECHO server echo
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 1 5
}

@test "reverse: a mapping that leads to the proxy itself is refused" {
	PORT=$(free_port)
	adit_start "Port $PORT" "ReversePath \"/me/\" \"http://127.0.0.1:$PORT/\"" \
	    "ReversePath \"/name/\" \"http://localhost:$PORT/\""
	refused_after 403 destination_ip_prohibited \
	    send 'GET /me/me/ HTTP/1.1\r\nHost: x\r\n\r\n'
	refused_after 403 destination_ip_prohibited \
	    send 'GET /name/ HTTP/1.1\r\nHost: x\r\n\r\n'
}

# ReverseMagic.

COOKIE='Set-Cookie: yummy_magical_cookie=/app/; path=/\r\n'

# chosen FIELD: this field leads /x to the mapping of /app/.
chosen() {
	passes "GET /x HTTP/1.1\r\nHost: x\r\n$1\r\n\r\n" \
	    "GET /base/x HTTP/1.1\r\nHost: @\r\n$1\r\n\r\n" "$SMALL" \
	    "${OK}${COOKIE}Content-Length: 2\r\n\r\nok"
}

@test "reverse: with ReverseMagic a cookie leads paths without a mapping to the mapping that was used last" {
	start "ReverseMagic yes" 'ReversePath "/b/" "http://@/b/"'
	passes 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET /base/ HTTP/1.1\r\nHost: @\r\n\r\n" "$SMALL" \
	    "${OK}${COOKIE}Content-Length: 2\r\n\r\nok"
	chosen 'Cookie: yummy_magical_cookie=/app/'
	chosen 'cookie: a=b; yummy_magical_cookie=/app/ ;c=d'
	chosen 'Cookie: a=b\r\nCookie: yummy_magical_cookie=/app/'
	chosen 'Cookie: yummy_magical_cookie=/app/; yummy_magical_cookie=/b/'
	# A path with a mapping leads there, whatever the cookie says.
	passes 'GET /b/x HTTP/1.1\r\nHost: x\r\nCookie: yummy_magical_cookie=/app/\r\n\r\n' \
	    "GET /b/x HTTP/1.1\r\nHost: @\r\nCookie: yummy_magical_cookie=/app/\r\n\r\n" \
	    "$SMALL" "${OK}Set-Cookie: yummy_magical_cookie=/b/; path=/\r\nContent-Length: 2\r\n\r\nok"
	# A URL belongs to no mapping.
	passes 'GET http://@/x HTTP/1.1\r\nHost: x\r\nCookie: yummy_magical_cookie=/app/\r\n\r\n' \
	    "GET /x HTTP/1.1\r\nHost: @\r\nCookie: yummy_magical_cookie=/app/\r\n\r\n" \
	    "$SMALL" "$SMALL"
	# Interim answers do not set it.
	passes 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET /base/ HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "HTTP/1.1 103 Early\r\nA: b\r\n\r\n${OK}Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n" \
	    "HTTP/1.1 103 Early\r\nA: b\r\n\r\n${OK}Set-Cookie: a=b\r\n${COOKIE}Content-Length: 0\r\n\r\n"
}

@test "reverse: a cookie selects an existing mapping, or nothing" {
	local cookie

	start "ReverseMagic yes"
	trap_start
	for cookie in '' = =/ =/app =/app/x =/ap '=/none/' =/APP/ '=app/' \
	    "=http://$AT/" '=/app/%0d%0aX: y' '="/app/"' '=/app/,' '=/../app/'; do
		unmapped "GET /x" "Cookie: yummy_magical_cookie$cookie\r\n"
	done
	for cookie in xyummy_magical_cookie=/app/ a=yummy_magical_cookie=/app/ \
	    YUMMY_MAGICAL_COOKIE=/app/ 'yummy_magical_cookie =/app/' ';;; ;' \
	    '"yummy_magical_cookie=/app/"'; do
		unmapped "GET /x" "Cookie: $cookie\r\n"
	done
	unmapped "GET /x" 'Cookie2: yummy_magical_cookie=/app/\r\n'
	# The first one counts; also with huge ones, and very many.
	unmapped "GET /x" 'Cookie: yummy_magical_cookie=/none/; yummy_magical_cookie=/app/\r\n'
	client send 'GET /x HTTP/1.1\r\nHost: x\r\nCookie: yummy_magical_cookie=/' \
	    fillup a 60000 send '\r\n\r\n' refused 400
	client send 'GET /x HTTP/1.1\r\nHost: x\r\nCookie: ' fillup ';' 60000 \
	    send '\r\n\r\n' refused 400
	client send 'GET /x HTTP/1.1\r\nHost: x\r\nCookie: ' fillup ';' 70000 \
	    try send '\r\n\r\n' refused 431
	untouched
}

@test "reverse: without ReverseMagic no cookie is read or set" {
	start
	asks /app/ /base/ 'Cookie: yummy_magical_cookie=/app/'
	trap_start
	unmapped "GET /x" 'Cookie: yummy_magical_cookie=/app/\r\n'
	untouched
}

# ReverseBaseURL.

# redirects LOCATION BECAME: what this Location in an answer of /app/ becomes.
redirects() {
	passes 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET /base/ HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "HTTP/1.1 302 x\r\nLocation: $1\r\nContent-Length: 0\r\n\r\n" \
	    "HTTP/1.1 302 x\r\nLocation: $2\r\nContent-Length: 0\r\n\r\n"
}

@test "reverse: redirections to mapped URLs lead back to the proxy, and others do not change" {
	local location

	start 'ReverseBaseURL "https://proxy.example"' \
	    'ReversePath "/b/" "http://@/b/"' 'ReversePath "/c/" "http://C.example"'
	redirects 'http://@/base/x?y#z' 'https://proxy.example/app/x?y#z'
	redirects 'HTTP://@/base/' 'https://proxy.example/app/'
	redirects 'http://@/b/x' 'https://proxy.example/b/x'
	redirects 'http://c.example:80?x' 'https://proxy.example/c/?x'
	for location in 'http://@/base' 'http://@/BASE/' 'http://@/' '/base/x' x '' \
	    'https://@/base/' '//@/base/' 'http://u@@/base/' \
	    "http://@.evil.example/base/" 'http://c.example.evil/' \
	    'http://127.0.0.1/base/' '#http://@/base/'; do
		location=${location//@@/\\x40@}
		redirects "$location" "$location"
	done
	# An answer to a request for a URL is not changed.
	passes 'GET http://@/base/ HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET /base/ HTTP/1.1\r\nHost: @\r\n\r\n" \
	    "HTTP/1.1 302 x\r\nLocation: http://@/base/\r\nContent-Length: 0\r\n\r\n" \
	    "HTTP/1.1 302 x\r\nLocation: http://@/base/\r\nContent-Length: 0\r\n\r\n"
}

@test "reverse: without ReverseBaseURL redirections do not change" {
	start
	redirects 'http://@/base/x' 'http://@/base/x'
}

@test "reverse: an answer that becomes too large by redirections gives 502, and takes bounded memory" {
	local base fields head

	base=http://proxy.example/$(printf '%900s' '' | tr ' ' b)/
	start "ReverseBaseURL \"$base\""
	fields=$(printf "Location: http://$AT/base/\\\\r\\\\n%.0s" {1..1500})
	# An interim answer is not cut either.
	for head in "${OK}${fields}Content-Length: 0\r\n\r\n" \
	    "HTTP/1.1 103 Early\r\n${fields}\r\n$SMALL"; do
		peer_start origin server -n 1 -p "$ORIGIN" skip '\r\n\r\n' \
		    send "$head"
		refused_after 502 http_protocol_error \
		    send 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n'
		peer_wait origin
	done
	redirects 'http://@/base/x' "${base}app/x"
}

# Rules and users.

@test "reverse: paths need credentials too, and a client without a password cannot find out which exist" {
	local auth long path

	start "BasicAuth alice sesame" "ReverseOnly yes"
	auth="Proxy-Authorization: Basic $(printf alice:sesame | base64)"
	trap_start
	long=$(printf '%8170s' '' | tr ' ' x)
	for path in /app/ /app /none /app/../x "/app/$long"; do
		refused_after 407 http_request_denied \
		    send "GET $path HTTP/1.1\r\nHost: x\r\n\r\n"
	done
	refused_after 407 http_request_denied \
	    send "GET /app/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${auth#*: }\r\n\r\n"
	unmapped "GET /none" "$auth\r\n"
	refused_after 414 http_request_error \
	    send "GET /app/$long HTTP/1.1\r\nHost: x\r\n$auth\r\n\r\n"
	untouched
	passes "GET /app/ HTTP/1.1\r\nHost: x\r\n$auth\r\nAuthorization: Basic mine\r\n\r\n" \
	    "GET /base/ HTTP/1.1\r\nHost: @\r\nAuthorization: Basic mine\r\n\r\n" \
	    "$SMALL" "$SMALL"
	access_is 9 "alice /app/ $AT 200/forwarded [0-9]+ [0-9]+ [0-9.]+"
	adit_stop
	fails grep -ai -e sesame -e "${auth##* }" "$LOG" "$DIR/access" "$STDERR"
}

@test "reverse: rules, filters and parents see the URL that a path is mapped to" {
	start "DenyTo 127.0.0.1" "AllowTo *"
	trap_start
	refused_after 403 destination_ip_prohibited \
	    send 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n'
	untouched
	adit_stop
	start "AllowTo 10.0.0.0/8"
	refused_after 403 destination_ip_prohibited \
	    send 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n'
	adit_stop
	echo '/base/ads' >"$DIR/filter"
	start "Filter \"$DIR/filter\"" "FilterURLs yes"
	asks /app/x /base/x
	refused_after 403 http_request_denied \
	    send 'GET /app/%61ds/ HTTP/1.1\r\nHost: x\r\n\r\n'
	log_wait "Proxying refused on filtered url \"http://$AT/base/ads/\""
	adit_stop
	start "Upstream http @" 'ReversePath "/far/" "http://far.example:81/f/"'
	passes 'GET /far/x HTTP/1.1\r\nHost: x\r\n\r\n' \
	    "GET http://far.example:81/f/x HTTP/1.1\r\nHost: far.example:81\r\n\r\n" \
	    "$SMALL" "$SMALL"
}

@test "reverse: a mapping opens its server on loopback to clients from elsewhere, and opens nothing else there" {
	local target

	foreign
	start "Listen $OWN" "Allow $OWN" \
	    'ReversePath "/name/" "http://localhost:7/"'
	peer_start origin server -p "$ORIGIN" skip '\r\n\r\n' send "$SMALL"
	peer_start other server touch "$DIR/touched" send "$SMALL"
	elsewhere() {
		"$PEER" client -b "$OWN" "$OWN" "$PORT" "$@"
	}
	elsewhere send 'GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n' expect "$SMALL"
	elsewhere send 'GET /name/ HTTP/1.1\r\nHost: x\r\n\r\n' refused 502
	for target in "http://127.0.0.1:$other_PORT/" "http://$AT/" \
	    "http://localhost:$ORIGIN/base/" "http://[::1]:$ORIGIN/"; do
		elsewhere send "GET $target HTTP/1.1\r\nHost: x\r\n\r\n" refused 403
	done
	elsewhere send "CONNECT $AT HTTP/1.1\r\n\r\n" refused 403
	[ ! -e "$DIR/touched" ]
}

@test "reverse: a mapping opens no loopback by a name whose address others choose, nor at a parent" {
	local names='rebind.test app.localhost app.localdomain localdomain'
	local lines path

	foreign
	for path in $names; do
		lines+="ReversePath \"/$path/\" \"http://$path:9/\""$'\n'
	done
	namespaces "127.0.0.1 $names"
	start "Listen $OWN" "Allow $OWN" "$lines"
	for path in $names; do
		"$PEER" client -b "$OWN" "$OWN" "$PORT" \
		    send "GET /$path/ HTTP/1.1\r\nHost: x\r\n\r\n" \
		    refused 403
	done
	adit_stop
	start "Listen $OWN" "Allow $OWN" "Upstream http 127.0.0.1:9" \
	    "ReversePath \"/name/\" \"http://localhost:9/\""
	for path in app name; do
		"$PEER" client -b "$OWN" "$OWN" "$PORT" \
		    send "GET /$path/ HTTP/1.1\r\nHost: x\r\n\r\n" refused 403
	done
}

@test "reverse: targets that are always refused cannot be reached through a mapping either" {
	local path

	adit_start 'ReversePath "/zero/" "http://0.0.0.0:9/"' \
	    'ReversePath "/six/" "http://[::]:9/"' \
	    'ReversePath "/multi/" "http://224.0.0.1:9/"'
	for path in zero six multi; do
		refused_after 403 destination_ip_prohibited \
		    send "GET /$path/ HTTP/1.1\r\nHost: x\r\n\r\n"
	done
}

@test "reverse: mappings change with a reload, and a wrong mapping changes nothing" {
	stderr_expected 'ReversePath'
	start
	asks /app/x /base/x
	sed -i.bak 's,^ReversePath.*,ReversePath "/new/" "http://'"$AT"'/n",' "$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'ReversePath: the URL must end in /'
	asks /app/x /base/x
	sed -i.bak 's,/n"$,/n/",' "$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	asks /new/x /n/x
	unmapped "GET /app/x"
}

@test "reverse: curl is redirected to paths of the proxy, and its cookie leads on" {
	start "ReverseMagic yes" 'ReverseBaseURL "http://proxy.test/"'
	peer_start first server -n 1 -p "$ORIGIN" \
	    skip 'GET /base/login HTTP/1.1\r\n' skip '\r\n\r\n' \
	    send "HTTP/1.1 302 x\r\nLocation: http://$AT/base/home\r\nContent-Length: 0\r\n\r\n"
	curl -s --noproxy '*' -c "$DIR/jar" -D "$DIR/head" \
	    "http://127.0.0.1:$PORT/app/login"
	peer_wait first
	grep -q "^Location: http://proxy.test/app/home" "$DIR/head"
	grep -q 'yummy_magical_cookie.*/app/' "$DIR/jar"
	peer_start second server -n 1 -p "$ORIGIN" \
	    skip 'GET /base/style.css HTTP/1.1\r\n' skip '\r\n\r\n' send "$SMALL"
	[ "$(curl -s --noproxy '*' -b "$DIR/jar" "http://127.0.0.1:$PORT/style.css")" = ok ]
}

# Transparent.

@test "reverse: with Transparent a path without a mapping follows its Host, under all rules" {
	local host

	start "Transparent yes" "DenyTo 127.0.0.9" "ConnectPort 443"
	passes "GET /a?b HTTP/1.1\r\nHost: @\r\nA: b\r\n\r\n" \
	    "GET /a?b HTTP/1.1\r\nHost: @\r\nA: b\r\n\r\n" "$SMALL" "$SMALL"
	asks /app/c /base/c
	wait_for file_says " http://$AT/a[?]b " "$DIR/access"
	refused_after 403 destination_ip_prohibited send \
	    "GET / HTTP/1.1\r\nHost: 127.0.0.9\r\n\r\n" >"$DIR/reply"
	refused_after 403 destination_ip_prohibited send \
	    "GET / HTTP/1.1\r\nHost: 127.0.0.1:$PORT\r\n\r\n" >"$DIR/reply"
	for host in '' 'a/b' '127.0.0.1?x' 'a b' 'a#b' '127.0.0.1/@127.0.0.1' \
	    '127.0.0.1:x' '[::1' ; do
		refused_after 400 http_request_error send \
		    "GET / HTTP/1.1\r\nHost: $host\r\n\r\n" >"$DIR/reply"
	done
	refused_after 400 http_request_error send "GET / HTTP/1.0\r\n\r\n" \
	    >"$DIR/reply"
	fails "$ADIT" -t -c "$CONF" 127.0.0.1 - http://127.0.0.9/
}
