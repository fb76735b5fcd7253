#!/usr/bin/env bats
# Parent proxies: which targets go through which parent, what the parents get,
# how their answers are handled, and requests that come back in a circle.

load helper

# parent NAME ACTION...: starts a parent that does this for each connection.
parent() {
	local name=$1

	shift
	peer_start "$name" server "$@"
}

# asks TARGET: opens a tunnel to the target, which echoes.
asks() {
	client tunnel "$1" rtt 2 100 shut eof
}

# refusal CODE TYPE TARGET
refusal() {
	refused_after "$1" "$2" \
	    send "CONNECT $3 HTTP/1.1\r\nHost: x\r\n\r\n" >"$DIR/reply"
}

OK='HTTP/1.1 200 OK\r\nServer: x\r\n\r\n'
# What a SOCKS5 parent sends in an exchange without credentials.
S5_HELLO='\x05\x01\x00'
S5_OK='\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34'

@test "upstream: an http parent is asked for the tunnel, and gets no other field of the client" {
	parent UP head send "$OK" echo
	adit_start "Upstream http 127.0.0.1:$UP_PORT" "AccessLog \"$DIR/access\""
	client send "CONNECT Some.Example.:4433 HTTP/1.1\r\nHost: some.example\r\nUser-Agent: secret-agent\r\nProxy-Authorization: Basic YTpi\r\nCookie: a=b\r\n\r\n" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 2 100 shut eof
	sed -n '2,$p' "$DIR/UP.out" | tr -d '\r' >"$DIR/head"
	[ "$(sed -n 1p "$DIR/head")" = 'CONNECT some.example:4433 HTTP/1.1' ]
	[ "$(sed -n 2p "$DIR/head")" = 'Host: some.example:4433' ]
	grep -qxE 'Via: 1\.1 adit-[0-9a-f]{16} \(adit\)' "$DIR/head"
	[ "$(grep -c . "$DIR/head")" = 3 ]
	log_wait "Found upstream proxy http 127.0.0.1:$UP_PORT for some.example"
	log_wait 'Established connection to upstream proxy "127.0.0.1" using'
	wait_for grep -q " Some.Example.:4433 127.0.0.1:$UP_PORT 200/closed 200 200 " "$DIR/access"
}

@test "upstream: an http parent gets the credentials that are configured for it" {
	parent UP skip "Proxy-Authorization: Basic $(printf 'joe:pa ss:1' | base64)\r\n" \
	    skip '\r\n\r\n' send "$OK" echo
	adit_start "Upstream http joe:pa_ss:1@127.0.0.1:$UP_PORT \"nobody.example\"" \
	    "Upstream http joe:pa_ss:1@127.0.0.1:$UP_PORT"
	sed -i 's/pa_ss/pa ss/' "$CONF"
	# A word cannot contain a blank: it is an error, and is not cut off.
	fails "$ADIT" -t -c "$CONF" 2>"$DIR/errors"
	fails grep -q 'pa ss\|ss:1' "$DIR/errors"
	parent UP2 skip "Proxy-Authorization: Basic $(printf 'joe:pa_ss:1' | base64)\r\n" \
	    skip '\r\n\r\n' send "$OK" echo
	adit_start "Upstream http joe:pa_ss:1@127.0.0.1:$UP2_PORT"
	asks some.example:443
	adit_stop
	fails grep -q 'pa_ss' "$LOG"
}

@test "upstream: credentials of every length are encoded as they should be" {
	local user

	for user in a ab abc abcd 'a?~}' "$(printf 'x%.0s' {1..255})"; do
		parent UP skip "Basic $(printf '%s:%s' "$user" ">>>" | base64 -w 0)\r\n" \
		    skip '\r\n\r\n' send "$OK" echo
		adit_start "Upstream http $user:>>>@127.0.0.1:$UP_PORT"
		asks some.example:443
		adit_stop
	done
}

@test "upstream: SOCKS5 gets names as names, and addresses as addresses" {
	local hello="expect $S5_HELLO send \x05\x00"

	# shellcheck disable=SC2086
	parent UP1 $hello expect '\x05\x01\x00\x03\x0csome.example\x01\xbb' send "$S5_OK" echo
	adit_start "Upstream socks5 127.0.0.1:$UP1_PORT" "AllowTo *"
	asks Some.Example.:443
	adit_stop
	# shellcheck disable=SC2086
	parent UP2 $hello expect '\x05\x01\x00\x01\x0a\x01\x02\x03\x00\x50' send "$S5_OK" echo
	adit_start "Upstream socks5 127.0.0.1:$UP2_PORT"
	asks 10.1.2.3:80
	adit_stop
	# shellcheck disable=SC2086
	parent UP3 $hello expect '\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\xff\xff' \
	    send '\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\x00' echo
	adit_start "Upstream socks5 127.0.0.1:$UP3_PORT"
	asks '[2001:db8::5]:65535'
	log_wait 'Established connection to socks5 proxy "127.0.0.1" using'
}

@test "upstream: SOCKS5 gets user and password when it asks for them" {
	parent UP expect '\x05\x02\x00\x02' send '\x05\x02' \
	    expect '\x01\x03joe\x06sesame' send '\x01\x00' \
	    expect '\x05\x01\x00\x03\x01x\x01\xbb' \
	    send '\x05\x00\x00\x03\x04here\x00\x00' echo
	adit_start "Upstream socks5 joe:sesame@127.0.0.1:$UP_PORT"
	asks x:443
}

@test "upstream: SOCKS4 gets IPv4 addresses as addresses, and all other targets as names" {
	parent UP1 expect '\x04\x01\x01\xbb\0\0\0\x01\0some.example\0' \
	    send '\0\x5a\0\0\0\0\0\0' echo
	adit_start "Upstream socks4 127.0.0.1:$UP1_PORT"
	asks some.example:443
	adit_stop
	parent UP2 expect '\x04\x01\x01\xbb\x0a\x01\x02\x03joe\0' \
	    send '\0\x5a\0\0\0\0\0\0' echo
	adit_start "Upstream socks4 joe:x@127.0.0.1:$UP2_PORT"
	asks 10.1.2.3:443
	adit_stop
	parent UP3 expect '\x04\x01\x01\xbb\0\0\0\x01\x002001:db8::5\0' \
	    send '\0\x5a\0\0\0\0\0\0' echo
	adit_start "Upstream socks4 127.0.0.1:$UP3_PORT"
	asks '[2001:db8::5]:443'
}

@test "upstream: the first bytes of the server arrive, in one segment with the answer of the parent or byte by byte" {
	parent UP1 head send "${OK}SSH-2.0-x\r\n" echo
	adit_start "Upstream http 127.0.0.1:$UP1_PORT"
	client tunnel a.example:22 expect 'SSH-2.0-x\r\n' rtt 2 100 shut eof
	adit_stop
	parent UP2 head drip 2 "${OK}SSH-2.0-x\r\n" echo
	adit_start "Upstream http 127.0.0.1:$UP2_PORT"
	client tunnel a.example:22 expect 'SSH-2.0-x\r\n' rtt 2 100 shut eof
	adit_stop
	parent UP3 take 3 drip 5 '\x05\x00' take 16 drip 5 "${S5_OK}SSH-2.0-x\r\n" echo
	adit_start "Upstream socks5 127.0.0.1:$UP3_PORT"
	client tunnel a.example:9 expect 'SSH-2.0-x\r\n' rtt 2 100 shut eof
	adit_stop
	parent UP4 head send 'HTTP/1.1 100 Continue\r\n\r\n' pause 50 \
	    send 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' echo
	adit_start "Upstream http 127.0.0.1:$UP4_PORT"
	client tunnel a.example:22 expect 'hello' rtt 2 100 shut eof
}

@test "upstream: early data waits until the parent has accepted, and goes nowhere if it refuses" {
	parent UP1 head quiet 300 send "$OK" expect hello echo
	adit_start "Upstream http 127.0.0.1:$UP1_PORT"
	client send 'CONNECT a.example:1 HTTP/1.1\r\n\r\nhello' \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 9 shut eof
	adit_stop
	parent UP2 head quiet 200 send 'HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n' gone
	adit_start "Upstream http 127.0.0.1:$UP2_PORT"
	refused_after 403 'http_request_denied; received-status=403' \
	    send 'CONNECT a.example:1 HTTP/1.1\r\n\r\nhello'
}

@test "upstream: a refusal that keeps the connection alive opens no tunnel, and its status is passed on" {
	local status

	for status in 400 403 404 429 451 500 502 503 504 599; do
		parent UP head send "HTTP/1.1 $status What\r\nConnection: keep-alive\r\nContent-Length: 0\r\nX-Evil: 1\r\n\r\n" \
		    end
		adit_start "Upstream http 127.0.0.1:$UP_PORT"
		refusal "$status" ".*received-status=$status" a.example:443
		fails grep -q Evil "$DIR/reply"
		wait_for peer_said UP '^0 bytes'
		log_wait "Upstream proxy 127.0.0.1 refused a.example:443: .*$status"
		adit_stop
	done
}

@test "upstream: a parent that wants other credentials gives 502, and its challenge does not reach the client" {
	local reply

	for reply in 'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n' \
	    'HTTP/1.0 401 Who\r\n\r\n'; do
		parent UP head send "$reply" gone
		adit_start "Upstream http 127.0.0.1:$UP_PORT"
		refusal 502 'http_request_denied; received-status=40[17]' a.example:443
		fails grep -qi authenticate "$DIR/reply"
		adit_stop
	done
	parent UP take 3 send '\x05\xff' gone
	adit_start "Upstream socks5 127.0.0.1:$UP_PORT"
	refusal 502 http_request_denied a.example:443
	adit_stop
	parent UP take 4 send '\x05\x02' take 5 send '\x01\x01' gone
	adit_start "Upstream socks5 a:b@127.0.0.1:$UP_PORT"
	refusal 502 http_request_denied a.example:443
}

@test "upstream: a malformed answer of an http parent gives 502, however long it is" {
	local reply

	for reply in 'SSH-2.0-OpenSSH\r\n' 'HTTP/1.1 200 OK\n\n' 'HTTP/2 200\r\n\r\n' \
	    'HTTP/1.1 2000 OK\r\n\r\n' 'HTTP/1.1 20\r\n\r\n' 'HTTP/1.1  200 OK\r\n\r\n' \
	    'HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n' 'HTTP/1.1 101 Switch\r\n\r\n' \
	    'HTTP/1.1 200 OK\r\nX: \0\r\n\r\n' 'HTTP/1.1 600 OK\r\n\r\n' '\0' \
	    'HTTP/1.1 099 OK\r\n\r\n' 'HTTP/1.1 200\r'; do
		parent UP head send "$reply" shut gone
		adit_start "Upstream http 127.0.0.1:$UP_PORT"
		refusal 502 '\(http_protocol_error\|connection_terminated\)' a.example:443
		adit_stop
	done
	parent UP head send 'HTTP/1.1 200 OK\r\nX: ' try fillup x 1M gone
	adit_start "Upstream http 127.0.0.1:$UP_PORT"
	refusal 502 http_protocol_error a.example:443
}

@test "upstream: each error of a SOCKS parent has its own status, and a malformed answer gives 502" {
	local code

	for code in '01 502 destination_unavailable' '02 502 destination_ip_prohibited' \
	    '03 502 destination_ip_unroutable' '04 502 destination_ip_unroutable' \
	    '05 502 connection_refused' '06 504 connection_timeout' \
	    '07 502 destination_unavailable' '08 502 destination_unavailable' \
	    '09 502 http_protocol_error' 'ff 502 http_protocol_error'; do
		# shellcheck disable=SC2086
		set -- $code
		parent UP take 3 send '\x05\0' take 16 send "\\x05\\x$1\\0\\x01\\0\\0\\0\\0\\0\\0" gone
		adit_start "Upstream socks5 127.0.0.1:$UP_PORT"
		refusal "$2" "$3" a.example:443
		adit_stop
	done
	for code in '\x04\0' '\x05\x01' '\x05\0\x05\0' 'HTTP/1.1 400 Bad\r\n\r\n'; do
		parent UP take 3 send "$code" gone
		adit_start "Upstream socks5 127.0.0.1:$UP_PORT"
		refusal 502 http_protocol_error a.example:443
		adit_stop
	done
	parent UP take 3 send '\x05\0' take 16 send '\x05\0\0\x02\0\0' gone
	adit_start "Upstream socks5 127.0.0.1:$UP_PORT"
	refusal 502 http_protocol_error a.example:443
	adit_stop
	parent UP take 19 send '\0\x5b\0\0\0\0\0\0' gone
	adit_start "Upstream socks4 127.0.0.1:$UP_PORT"
	refusal 502 destination_unavailable a.example:443
	adit_stop
	parent UP take 19 send 'HTTP/1.1' gone
	adit_start "Upstream socks4 127.0.0.1:$UP_PORT"
	refusal 502 http_protocol_error a.example:443
}

@test "upstream: a parent that closes or resets in the middle gives 502" {
	parent UP1 head send 'HTTP/1.1 200 OK\r\n' shut gone
	adit_start "Upstream http 127.0.0.1:$UP1_PORT"
	refusal 502 connection_terminated a.example:443
	adit_stop
	parent UP2 head rst
	adit_start "Upstream http 127.0.0.1:$UP2_PORT"
	refusal 502 connection_terminated a.example:443
	adit_stop
	parent UP3 take 3 send '\x05\0' close
	adit_start "Upstream socks5 127.0.0.1:$UP3_PORT"
	refusal 502 connection_terminated a.example:443
	adit_stop
	parent UP4 close
	adit_start "Upstream socks4 127.0.0.1:$UP4_PORT"
	refusal 502 connection_terminated a.example:443
}

@test "upstream: a silent parent gives 504 after ConnectTimeout, and other clients are served during that time" {
	local kind

	for kind in http socks4 socks5; do
		parent UP hold
		peer_start ECHO server echo
		adit_start "Workers 1" "ConnectTimeout 2" \
		    "Upstream $kind 127.0.0.1:$UP_PORT \"silent.example\""
		client_start WAITING 127.0.0.1 "$PORT" \
		    send 'CONNECT silent.example:443 HTTP/1.1\r\n\r\n' refused 504
		wait_for log_has 'Established connection to .* proxy'
		asks "127.0.0.1:$ECHO_PORT"
		peer_wait WAITING >"$DIR/reply"
		grep -q 'Proxy-Status: adit; error=http_response_timeout' "$DIR/reply"
		adit_stop
	done
}

@test "upstream: if a client leaves, its connection to the parent ends" {
	parent UP head say asked gone say left hold
	adit_start "Upstream http 127.0.0.1:$UP_PORT"
	client send 'CONNECT a.example:443 HTTP/1.1\r\n\r\n' wait "$DIR/go" rst &
	own_pid $!
	wait_for peer_said UP '^asked$'
	touch "$DIR/go"
	wait_for peer_said UP '^left$'
}

@test "upstream: a parent that refuses connections or whose name does not resolve gives 502" {
	peer_start DEAD closed
	adit_start "Upstream http 127.0.0.1:$DEAD_PORT" \
	    "Upstream http 0.0.0.0:0 \".ads.example\"" \
	    "Upstream http 255.255.255.255:65535 \".invalid\""
	refusal 502 connection_refused a.example:443
	grep -q 'The parent proxy refused' "$DIR/reply"
	refusal 502 '.*' x.ads.example:443
	refusal 502 '.*' bogus.invalid:443
	log_wait 'WARNING.*Could not connect to upstream proxy\.'
}

@test "upstream: if a parent is dead the next one for the same site is used, and the dead one is left out for a while" {
	peer_start DEAD closed
	parent UP head send "$OK" echo
	adit_start "Workers 1" "Upstream http 127.0.0.1:$DEAD_PORT" \
	    "Upstream http 127.0.0.1:$UP_PORT"
	asks a.example:1
	asks a.example:2
	asks a.example:3
	adit_stop
	[ "$(log_count "Found upstream proxy http 127.0.0.1:$DEAD_PORT")" = 1 ]
	[ "$(log_count "Found upstream proxy http 127.0.0.1:$UP_PORT")" = 3 ]
}

@test "upstream: a parent that is silent leaves time for the next one" {
	parent UP1 hold
	parent UP2 head send "$OK" echo
	adit_start "ConnectTimeout 4" "Upstream http 127.0.0.1:$UP1_PORT" \
	    "Upstream http 127.0.0.1:$UP2_PORT"
	asks a.example:1
}

@test "upstream: if all parents are dead they are still tried, so one that is back is found" {
	local port

	port=$(free_port)
	peer_start DEAD closed
	adit_start "Workers 1" "Upstream http 127.0.0.1:$port" \
	    "Upstream http 127.0.0.1:$DEAD_PORT"
	refusal 502 connection_refused a.example:443
	parent UP -p "$port" head send "$OK" echo
	asks a.example:443
}

@test "upstream: a parent that refuses a target does not count as dead, and no other is asked" {
	parent UP1 head send 'HTTP/1.1 403 No\r\n\r\n' gone
	parent UP2 head send "$OK" echo
	adit_start "Upstream http 127.0.0.1:$UP1_PORT" "Upstream http 127.0.0.1:$UP2_PORT"
	refusal 403 '.*' a.example:443
	refusal 403 '.*' a.example:443
	adit_stop
	fails log_has "Found upstream proxy http 127.0.0.1:$UP2_PORT"
}

@test "upstream: the last site that matches counts, then the line without a site, as in tinyproxy" {
	local name expected

	peer_start ECHO server echo
	adit_start "Upstream http 127.0.0.1:1 \".example\"" \
	    "Upstream http 127.0.0.1:2 \"www.Example\"" \
	    "Upstream http 127.0.0.1:3 \".deep.example\"" \
	    "Upstream http 127.0.0.1:4" "Upstream none \"127.0.0.0/8\"" \
	    "Upstream http 127.0.0.1:5 \"10.0.0.0/255.0.0.0\"" \
	    "Upstream http 127.0.0.1:6 \"10.1.0.0/16\"" \
	    "Upstream http 127.0.0.1:7 \"10.1.1.1\"" \
	    "Upstream http 127.0.0.1:8 \".\"" \
	    "Upstream http 127.0.0.1:9 \"2001:db8::/32\"" \
	    "Upstream http 127.0.0.1:10 \"sub.example\"" \
	    "Upstream http 127.0.0.1:11 \".sub.example\""
	while read -r name expected; do
		client send "CONNECT $name:443 HTTP/1.1\r\n\r\n" refused 502 >"$DIR/reply"
		name=${name#[} name=${name%]} name=${name%.}
		log_wait "Found upstream proxy http 127.0.0.1:$expected for ${name,,} \\(file"
	done <<-'EOF'
		a.example 1
		WWW.EXAMPLE. 2
		a.deep.example 3
		deep.example 1
		example 8
		other.test 4
		badexample.test 4
		10.2.3.4 5
		10.1.3.4 6
		10.1.1.1 7
		11.1.1.1 4
		intranet 8
		[2001:db8::1] 9
		[2001:db9::1] 4
		sub.example 10
		a.sub.example 11
	EOF
	asks "127.0.0.1:$ECHO_PORT"
	log_wait 'No upstream proxy for 127.0.0.1'
}

@test "upstream: a target that has a parent is never connected to directly" {
	peer_start DEAD closed
	peer_start ECHO server echo
	adit_start "Upstream none \"localhost\"" \
	    "Upstream http 127.0.0.1:$DEAD_PORT \"localhost\""
	refusal 502 connection_refused "localhost:$ECHO_PORT"
}

@test "upstream: names are not looked up here if a parent does it" {
	name_server there.example=127.0.0.1 "*.example=127.0.0.1"
	parent UP head send "$OK" echo
	adit_start "Upstream http 127.0.0.1:$UP_PORT"
	asks other.example:443
	fails grep -q other "$DIR/dns.out"
}

@test "upstream: rules for targets, ports and users also hold with a parent" {
	parent UP head send "$OK" echo
	adit_start "Upstream http 127.0.0.1:$UP_PORT" "DenyTo bad.example" \
	    "DenyTo 10.0.0.0/8" "DenyTo private" "ConnectPort 443"
	refusal 403 http_request_denied bad.example:443
	refusal 403 http_request_denied BAD.EXAMPLE.:443
	refusal 403 destination_ip_prohibited 10.1.1.1:443
	refusal 403 destination_ip_prohibited '[::ffff:10.1.1.1]:443'
	refusal 403 http_request_denied good.example:22
	asks good.example:443
	adit_stop
	adit_start "Upstream http 127.0.0.1:$UP_PORT" "AllowTo good.example" "AllowTo 10.0.0.0/8"
	refusal 403 http_request_denied other.example:443
	asks good.example:443
	asks 10.1.1.1:443
	adit_stop
	adit_start "Upstream http 127.0.0.1:$UP_PORT" "BasicAuth a b"
	refusal 407 http_request_denied good.example:443
}

@test "upstream: a target that would send a second line or name to a parent is refused" {
	local target

	parent UP say asked hold
	for kind in http socks4 socks5; do
		adit_start "Upstream $kind a:b@127.0.0.1:$UP_PORT"
		for target in 'a%0d%0aX:1:443' 'a\0b:443' 'a b:443' 'a\tb:443' \
		    '[a]:443' 'a@b:443' 'a/b:443' '\xc3\xa4.example:443' \
		    "$(printf 'a%.0s' {1..64}).example:443" \
		    "$(printf 'abcdefg.%.0s' {1..32}):443"; do
			refusal 400 http_request_error "$target"
		done
		client send 'CONNECT a:443\r\nX: y HTTP/1.1\r\n\r\n' refused 400
		adit_stop
	done
	fails grep -q asked "$DIR/UP.out"
}

@test "upstream: a request that comes back through two parents is recognized" {
	local one

	adit_conf "Upstream http 127.0.0.1:1"
	one=$PORT
	adit_start "Upstream http 127.0.0.1:$one"
	two=$PORT
	sed -i "s/^Port .*/Port $one/; s/^Upstream .*/Upstream http 127.0.0.1:$two/" "$CONF"
	adit_launch
	wait_for "$PEER" client 127.0.0.1 "$one"
	PORT=$one
	refusal 502 '.*; received-status=502' a.example:443
	log_wait 'Prevented endless loop (file descriptor [0-9]*): 127.0.0.1' ||
	    log_wait 'Prevented endless loop'
	[ "$(log_count 'Prevented endless loop')" = 1 ]
}

@test "upstream: the Via of other proxies is passed on to the parent, and too much of it counts as a loop" {
	local via

	parent UP head send "$OK" echo
	adit_start "Upstream http 127.0.0.1:$UP_PORT" 'ViaProxyName "gate"'
	client send 'CONNECT a.example:1 HTTP/1.1\r\nVia: 1.0 fred\r\nVIA: 1.1 bob (x)\r\n\r\n' \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 9 shut eof
	grep -qE '^Via: 1\.0 fred, 1\.1 bob \(x\), 1\.1 gate-[0-9a-f]{16} \(adit\)' "$DIR/UP.out"
	via=$(grep -oE 'gate-[0-9a-f]{16}' "$DIR/UP.out")
	refused_after 502 proxy_loop_detected \
	    send "CONNECT a.example:1 HTTP/1.1\r\nVia: 1.1 $via\r\n\r\n"
	refused_after 502 proxy_loop_detected \
	    send "CONNECT a.example:1 HTTP/1.1\r\n$(printf 'Via: 1.1 x%s\\r\\n' 1 2 3 4 5 6 7 8 9)\r\n"
	refused_after 502 proxy_loop_detected \
	    send "CONNECT a.example:1 HTTP/1.1\r\nVia: $(printf 'x%.0s' {1..1030})\r\n\r\n"
	client send "CONNECT a.example:1 HTTP/1.1\r\nVia: $(printf 'x%.0s' {1..1000})\r\n\r\n" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 9 shut eof
	adit_stop
	parent UP2 head send "$OK" echo
	adit_start "Upstream http 127.0.0.1:$UP2_PORT" 'DisableViaHeader yes'
	asks a.example:1
	fails grep -qi via "$DIR/UP2.out"
}

# came_back N: a client with the address and port of a connection of the proxy
# to 127.0.0.2; its reply is in $DIR/reply.
came_back() {
	local near

	client_start TUNNEL 127.0.0.1 "$PORT" tunnel "127.0.0.2:$PORT" \
	    rtt 1 9 say up wait "$DIR/go-$1" rst
	wait_for peer_said TUNNEL '^up$'
	near=$("${INSIDE[@]}" awk -v far="0200007F:$(printf %04X "$PORT")" \
	    '$3 == far && $4 == "01" { split($2, p, ":"); print p[2] }' /proc/net/tcp)
	touch "$DIR/go-$1"
	peer_wait TUNNEL
	wait_for grep -q "127.0.0.2.* 200/client_reset" "$DIR/access"
	: >"$DIR/access"
	client -b 127.0.0.1 -p "$((16#$near))" -- \
	    send 'CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n' refused 502 \
	    >"$DIR/reply" 2>"$DIR/bind"
}

@test "upstream: a connection of the proxy that leads back to it is recognized" {
	local try

	need_linux
	# In a network where no other process takes the port of the connection.
	[ "$(id -u)" != 0 ] || network
	adit_start "AccessLog \"$DIR/access\""
	# The same port at another address may be another client.
	"$PEER" server -a 127.0.0.2 -p "$PORT" echo >"$DIR/far.out" 2>"$DIR/far.err" 3>&- &
	own_pid $!
	wait_for grep -q . "$DIR/far.out"
	for try in $(seq 20); do
		came_back "$try" && break
		grep -q 'in use' "$DIR/bind"
	done
	grep -q 'error=proxy_loop_detected' "$DIR/reply"
	refusal 502 connection_refused 127.0.0.1:1
}

@test "upstream: the error in a line is reported, and its credentials are not shown" {
	local line

	while IFS= read -r line; do
		adit_conf "Upstream $line"
		fails "$ADIT" -t -c "$CONF" 2>"$DIR/errors" >"$DIR/out"
		grep -q "adit.conf:[0-9]*: Upstream: " "$DIR/errors" || {
			echo "no complaint about: $line"
			return 1
		}
		fails grep -q sesame "$DIR/errors"
	done <<-'EOF'
		127.0.0.1:3128
		http
		http 127.0.0.1
		http 127.0.0.1:70000
		http 127.1:80
		http joe@127.0.0.1:80
		http :sesame@127.0.0.1:80
		http joe:sesame@
		socks6 127.0.0.1:80
		none
		none example
		http 127.0.0.1:80 example
		http 127.0.0.1:80 "example" "x"
		http 127.0.0.1:80 ""
		http 127.0.0.1:80 "10.0.0.0/33"
		http 127.0.0.1:80 "10.0.0.0/255.0.255.0"
		http 127.0.0.1:80 "a b"
		http 127.0.0.1:80 "a..b"
		http 127.0.0.1:80 "1.2.3"
		http joe:sesame@[::1:80
	EOF
	adit_conf "Upstream HTTP proxy.example:3128 \".Example.\"" \
	    "upstream socks5 a:b:c@[::1]:1080" "Upstream none \".\""
	"$ADIT" -t -c "$CONF"
}

# real NAME COMMAND...: starts a real proxy, and waits until it listens on $UP.
real() {
	local name=$1

	shift
	"$@" >"$DIR/$name.out" 2>"$DIR/$name.err" 3>&- &
	own_pid $!
	wait_for -t 40 "$PEER" client 127.0.0.1 "$UP" || {
		cat "$DIR/$name.err"
		return 1
	}
}

# through KIND: sends a megabyte each way through the parent at $UP, and asks
# for a target that refuses.
through() {
	peer_start ECHO server echo
	peer_start DEAD closed
	adit_start "Upstream $1:$UP"
	asks "127.0.0.1:$ECHO_PORT"
	asks "localhost:$ECHO_PORT"
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 4 256K shut eof
	client send "CONNECT 127.0.0.1:$DEAD_PORT HTTP/1.1\r\n\r\n" skip 'Proxy-Status: adit; error=' gone
}

@test "upstream: tunnels through a real Squid" {
	need_command squid
	UP=$(free_port)
	mkdir -m 777 "$DIR/squid"
	printf '%s\n' "http_port 127.0.0.1:$UP" 'acl all_of_us src 127.0.0.0/8' \
	    'http_access allow all_of_us' "pid_filename none" 'access_log none' \
	    "cache_log $DIR/squid/log" 'cache deny all' "coredump_dir $DIR/squid" \
	    'shutdown_lifetime 0 seconds' >"$DIR/squid.conf"
	real squid squid -N -f "$DIR/squid.conf"
	through "http 127.0.0.1"
}

@test "upstream: tunnels through a real tinyproxy, with credentials" {
	need_command tinyproxy
	UP=$(free_port)
	printf '%s\n' "Port $UP" "Listen 127.0.0.1" "Allow 127.0.0.1" \
	    "BasicAuth joe sesame" "Timeout 60" >"$DIR/tinyproxy.conf"
	real tinyproxy tinyproxy -d -c "$DIR/tinyproxy.conf"
	through "http joe:sesame@127.0.0.1"
}

@test "upstream: tunnels through a real microsocks, with and without credentials" {
	need_command microsocks
	UP=$(free_port)
	real one microsocks -i 127.0.0.1 -p "$UP"
	through "socks5 127.0.0.1"
	adit_stop
	UP=$(free_port)
	real two microsocks -i 127.0.0.1 -p "$UP" -u joe -P sesame
	through "socks5 joe:sesame@127.0.0.1"
}

@test "upstream: tunnels through a real Dante, SOCKS4 and SOCKS5" {
	need_command danted
	need_root
	UP=$(free_port)
	printf '%s\n' "logoutput: $DIR/dante.log" "internal: 127.0.0.1 port = $UP" \
	    'external: lo' 'socksmethod: none' 'clientmethod: none' \
	    'user.privileged: root' 'user.unprivileged: nobody' \
	    'client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }' \
	    'socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }' >"$DIR/danted.conf"
	real dante danted -f "$DIR/danted.conf"
	through "socks5 127.0.0.1"
	adit_stop
	# This proxy does not support names in SOCKS4.
	adit_start "Upstream socks4 127.0.0.1:$UP"
	asks "127.0.0.1:$ECHO_PORT"
}
