#!/usr/bin/env bats
# TransparentPort: clients that know nothing of a proxy.

load helper

# stand LINE...: adit with a TransparentPort of both kinds, HTTP and TLS.
stand() {
	port_take
	HTTP=$FREE_PORT
	port_take
	TLS=$FREE_PORT
	adit_start "TransparentPort $HTTP" "TransparentPort $TLS tls" \
	    "AccessLog \"$DIR/access\"" "DecisionLog \"$DIR/decisions\"" \
	    "HeaderTimeout 3" "$@"
}

# hello NAME [OPTION...]: sets HELLO to a hello, as a TEXT of the peer.
hello() {
	HELLO=$("$BUILD/flight_test" "$1" "${*:2}")
}

# unaware PORT ACTION...: a client that takes adit for its server.
unaware() {
	"$PEER" client 127.0.0.1 "$@"
}

# ends TEXT ALERT: a client sends TEXT and gets only an alert ("-": not even
# that) and an end of file.
ends() {
	local expect=()

	[ "$2" = - ] || expect=(expect '\x15\x03\x01\x00\x02\x02'"$2")
	unaware "$TLS" send "$1" "${expect[@]}" eof
}

# counts N REGEX FILE: whether so many lines of the log match; for wait_for.
counts() {
	[ "$(grep -c -e "$2" "$DIR/$3")" = "$1" ]
}

# results_are WORD...: the targets and results in the access log.
results_are() {
	wait_for access_lines "$#"
	awk '{ print $4 ":" $6 }' "$DIR/access" >"$DIR/results"
	diff <(printf '%s\n' "$@") "$DIR/results"
}

@test "transparent: a hello leads to the server that it names, through a parent and under the rules" {
	local answer again early='\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x05abcde'

	answer=$("$BUILD/flight_test" - answer)
	again=$("$BUILD/flight_test" - retry)
	hello retry.test
	peer_start parent server -n 3 skip 'CONNECT far.test:443 HTTP/1.1\r\n' \
	    skip '\r\n\r\n' send 'HTTP/1.1 200 OK\r\n\r\n' expect '\x16\x03' \
	    skip abcde send "$answer" expect more send "done" sink
	peer_start retry server -n 1 skip '\r\n\r\n' \
	    send 'HTTP/1.1 200 OK\r\n\r\n' take $((${#HELLO} / 4)) \
	    send "$again" eof
	stand "Upstream http 127.0.0.1:$parent_PORT \"far.test\"" \
	    "Upstream http 127.0.0.1:$retry_PORT \"retry.test\"" \
	    "DenyTo denied.test" "AllowTo hidden.test tls noech" \
	    "AllowTo far.test tls" "AllowTo retry.test" "ConnectPort 443"
	hello far.test
	unaware "$TLS" send "$HELLO$early" expect "$answer" send more \
	    expect "done" shut eof
	unaware "$TLS" drip 1 "$HELLO" send "$early" expect "$answer" \
	    send more expect "done" shut eof
	hello FAR.test ech split
	unaware "$TLS" send "$HELLO$early" expect "$answer" send more \
	    expect "done" shut eof
	peer_wait parent
	# The second hello names another server.
	hello retry.test
	again="send $HELLO expect $again"
	hello far.test
	# shellcheck disable=SC2086
	unaware "$TLS" $again send "$HELLO" \
	    expect '\x15\x03\x01\x00\x02\x02\x70' eof
	peer_wait retry
	results_are far.test:443:200/closed far.test:443:200/closed \
	    FAR.test:443:200/closed retry.test:443:200/other_name
	wait_for grep -q '"method":"CONNECT".*far.test.*"verdict":"allow"' \
	    "$DIR/decisions"
	: >"$DIR/access"
	hello denied.test
	ends "$HELLO" '\x31'
	hello other.test
	ends "$HELLO" '\x31'
	results_are denied.test:443:403/http_request_denied \
	    other.test:443:403/http_request_denied
	wait_for grep -q 'denied.test.*"verdict":"deny","reason":"target_rule"' \
	    "$DIR/decisions"
}

@test "transparent: a client that names no server, or speaks no TLS, is refused before any look-up" {
	local half name

	stand "AllowTo 127.0.0.1"
	hello -
	ends "$HELLO" '\x70'
	for name in 127.0.0.1 far.test. 'far.test:443' '[::1]' 0x7f.1 'a/b' \
	    'a@b' 'a b' 'a..b' '.a' 'a%62'; do
		hello "$name"
		ends "$HELLO" '\x70'
	done
	hello far.test twice
	ends "$HELLO" '\x32'
	hello far.test trailing
	ends "$HELLO" '\x0a'
	ends 'GET / HTTP/1.1\r\nHost: far.test\r\n\r\n' -
	ends 'SSH-2.0-x\r\n' -
	ends '\x80\x2e\x01\x03\x01' -
	hello far.test
	half=${HELLO:0:200}
	unaware "$TLS" send "$half" shut \
	    expect '\x15\x03\x01\x00\x02\x02\x0a' eof
	# Not in time.
	unaware "$TLS" eof
	ends "$half" '\x0a'
	# A connection that says nothing is that of a load balancer.
	unaware "$TLS" shut eof
	wait_for access_lines 20
	wait_for counts 12 ' 200/other_name ' access
	wait_for counts 8 ' 200/not_tls ' access
	wait_for counts 12 '"reason":"other_name"' decisions
	wait_for counts 8 '"reason":"not_tls"' decisions
	log_wait 'Refused tunnel to -: the TLS hello names no server \('
	log_wait 'Refused tunnel to -: the TLS hello is for "127.0.0.1" \('
}

@test "transparent: each request goes to the server of its own Host, and tricks are refused" {
	local bad good

	peer_start parent server -n 1 skip 'GET http://far.test/a HTTP/1.1\r\n' \
	    skip 'Host: far.test\r\n' skip '\r\n\r\n' \
	    send 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1' sink
	stand "Upstream http 127.0.0.1:$parent_PORT" "DenyTo denied.test" \
	    'HealthPath "/health"' "ReversePath \"/a\" \"http://wrong.test/\""
	good='GET /a HTTP/1.1\r\nHost: far.test\r\n\r\n'
	# The second request of the connection is judged anew.
	unaware "$HTTP" send "$good" skip '200 OK' skip '\r\n\r\n1' \
	    send 'GET / HTTP/1.1\r\nHost: denied.test\r\n\r\n' \
	    skip 'HTTP/1.1 403 Forbidden by proxy rules' sink
	for bad in '/ HTTP/1.1\r\nHost: far.test\r\nHost: far.test' \
	    '/ HTTP/1.1\r\nHost: far.test:8080' '/ HTTP/1.1\r\nHost: a@far.test' \
	    '/ HTTP/1.1\r\nHost:' '/ HTTP/1.0' '/ HTTP/1.1\r\nHost: far.test:' \
	    '/ HTTP/1.1\r\nHost: far.test:443' '/ HTTP/1.1\r\nHost: far.test:080' \
	    '/ HTTP/1.1\r\nHost: far.test/b' '/ HTTP/1.1\r\nHost: far.test, b' \
	    'http://far.test/ HTTP/1.1\r\nHost: other.test' \
	    'http://far.test:8080/ HTTP/1.1\r\nHost: far.test:8080' \
	    'http://a@far.test/ HTTP/1.1\r\nHost: far.test' \
	    'http://far.test/ HTTP/1.1\r\nHost:' \
	    'http://far.test/#a HTTP/1.1\r\nHost: far.test'; do
		unaware "$HTTP" send "GET $bad\r\n\r\n" refused 400 >"$DIR/reply"
	done
	unaware "$HTTP" send 'CONNECT far.test:80 HTTP/1.1\r\nHost: far.test:80\r\n\r\n' \
	    refused 400 >"$DIR/reply"
	unaware "$HTTP" send '\x16\x03\x01\x00\x05\r\n\r\n' refused 400 >"$DIR/reply"
	# A path of the server is not that of a health check.
	unaware "$HTTP" send 'GET /health HTTP/1.1\r\nHost: denied.test\r\n\r\n' \
	    refused 403 >"$DIR/reply"
	peer_wait parent
	wait_for file_says ' http://far.test/a 127.0.0.1:[0-9]+ 200/' "$DIR/access"
}

@test "transparent: where users need passwords, only clients of a NoAuth are served, as nobody" {
	stand "BasicAuth alice secret" "AllowTo 127.0.0.9 user alice"
	stderr_expected 'TransparentPort: its clients cannot send a password'
	hello far.test
	ends "$HELLO" '\x31'
	unaware "$HTTP" send "GET / HTTP/1.1\r\nHost: 127.0.0.9\r\n$(basic alice:secret)\r\n\r\n" \
	    refused 403 >"$DIR/reply"
	fails grep -q 'Proxy-Authenticate' "$DIR/reply"
	wait_for access_lines 2
	wait_for counts 2 '"reason":"anonymous"' decisions
	adit_stop
	echo "NoAuth 127.0.0.0/8" >>"$CONF"
	adit_launch
	adit_ready
	unaware "$HTTP" send "GET / HTTP/1.1\r\nHost: 127.0.0.9\r\n$(basic alice:secret)\r\n\r\n" \
	    refused 403 >"$DIR/reply"
	wait_for access_lines 3
	wait_for counts 1 '"reason":"target_' decisions
}

# In networks of their own, with real redirection.

# steer PROTOCOL PORT TO [USER]: sends what programs in the network send to a
# port, except those of a user, to a port of this machine.
steer() {
	local except=() family=iptables

	[ -z "$4" ] || except=(-m owner ! --uid-owner "$4")
	[ "$1" = 4 ] || family=ip6tables
	"${INSIDE[@]}" "$family" -t nat -A OUTPUT -p tcp --dport "$2" \
	    "${except[@]}" -j REDIRECT --to-ports "$3" >"$DIR/steer" 2>&1 ||
		skip "needs redirection: $(tail -n 1 "$DIR/steer")"
}

# certified ADDRESS PORT NAME: a server of openssl with a certificate.
certified() {
	[ -e "$DIR/cert.pem" ] || openssl req -x509 -newkey ec -pkeyopt \
	    ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=web.test \
	    -addext subjectAltName=DNS:web.test,DNS:six.test \
	    -keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>"$DIR/req.err"
	"${INSIDE[@]}" openssl s_server -accept "$1:$2" -www -key "$DIR/key.pem" \
	    -cert "$DIR/cert.pem" >"$DIR/$3.out" 2>"$DIR/$3.err" </dev/null 3>&- &
	own_pid $!
	wait_for grep -q '^ACCEPT' "$DIR/$3.out"
}

# fetches URL ADDRESS [OPTION...]: whether curl, which thinks that the name has
# this address, gets the page.
fetches() {
	local name=${1#*://} port=443

	name=${name%%/*}
	case $1 in http:*) port=80 ;; esac
	case $name in *:*) port=${name##*:} ;; esac
	"${INSIDE[@]}" env -u http_proxy -u https_proxy curl -sS -f -m 20 \
	    --cacert "$DIR/cert.pem" --resolve "${name%%:*}:$port:$2" \
	    -o "$DIR/page" "${@:3}" "$1" 2>"$DIR/curl.err"
}

@test "transparent: a firewall's redirection leads to the name, at the client's port, and never to its address" {
	need_command iptables ip6tables openssl curl
	network 10.0.0.5 10.9.9.9 2001:db8::5 2001:db8::9
	name_server web.test=10.0.0.5 six.test=2001:db8::5 \
	    self.test=127.0.0.1 here.test=10.9.9.9
	certified 10.0.0.5 443 web
	certified 10.0.0.5 4443 other
	certified '[2001:db8::5]' 443 six
	peer_start page server -a 10.0.0.5 -p 80 skip '\r\n\r\n' \
	    send 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes' eof
	peer_start page server -a 10.0.0.5 -p 8081 skip 'Host: web.test:8081\r\n' \
	    skip '\r\n\r\n' send 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes' eof
	# What a client would reach without adit.
	certified 10.9.9.9 443 wrong
	for port in 443 4443; do
		steer 4 "$port" 8443 "${ADIT_TEST_USER:-nobody}"
	done
	for port in 80 8081; do
		steer 4 "$port" 8080 "${ADIT_TEST_USER:-nobody}"
	done
	steer 6 443 8443 "${ADIT_TEST_USER:-nobody}"
	adit_start "Port 8888" "Listen 127.0.0.1" "Listen ::1" "Allow 10.0.0.0/8" \
	    "Allow 2001:db8::/32" "Allow 127.0.0.1" "Allow ::1" \
	    "TransparentPort 8443 tls" "TransparentPort 8080" \
	    "DenyTo denied.test" "AccessLog \"$DIR/access\""
	fetches https://web.test/ 10.9.9.9
	fetches https://web.test:4443/ 10.9.9.9
	fetches https://six.test/ '[2001:db8::9]' -6
	fetches http://web.test/ 10.9.9.9
	[ "$(cat "$DIR/page")" = yes ]
	fetches http://web.test:8081/ 10.9.9.9
	# Another port than the client's.
	fails fetches http://web.test/ 10.9.9.9 -H 'Host: web.test:8081'
	fails fetches https://denied.test/ 10.9.9.9
	grep -q 'alert access denied' "$DIR/curl.err"
	fails fetches https://missing.test/ 10.9.9.9
	grep -q 'unrecognized name' "$DIR/curl.err"
	wait_for grep -q ' web.test:443 10\.0\.0\.5:443 200/closed ' "$DIR/access"
	wait_for grep -q ' web.test:4443 10\.0\.0\.5:4443 200/closed ' "$DIR/access"
	wait_for grep -q ' six.test:443 .2001:db8::5.:443 200/closed ' "$DIR/access"
	fails grep -q '10\.9\.9\.9:' "$DIR/access"
}

@test "transparent: connections of adit itself that are redirected to it end at once" {
	local port

	need_command iptables openssl curl
	network 10.0.0.5 10.9.9.9 10.0.0.1
	name_server web.test=10.0.0.5 self.test=10.0.0.1 here.test=10.9.9.9
	certified 10.0.0.5 443 web
	steer 4 443 8443
	steer 4 80 8080
	adit_start "Port 8888" "Listen 127.0.0.1" "Listen 10.0.0.1" \
	    "TransparentPort 8443 tls" "TransparentPort 8080" \
	    "Allow 127.0.0.1" "Allow 10.0.0.0/8" "AccessLog \"$DIR/access\""
	fails fetches https://web.test/ 10.9.9.9
	log_wait 'Prevented endless loop'
	wait_for access_lines 2
	fails fetches http://web.test/ 10.9.9.9
	wait_for access_lines 4
	[ "$(wc -l <"$DIR/access")" = 4 ]
}

@test "transparent: without a firewall names lead here by DNS, and not back to adit itself" {
	need_command openssl curl
	network 10.0.0.5 10.0.0.1
	name_server web.test=10.0.0.5 self.test=10.0.0.1
	certified 10.0.0.5 443 web
	peer_start page server -a 10.0.0.5 -p 80 skip '\r\n\r\n' \
	    send 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes' eof
	adit_start "Port 8888" "Listen 10.0.0.1" "TransparentPort 443 tls" \
	    "TransparentPort 80" "Allow 10.0.0.0/8" "AccessLog \"$DIR/access\""
	fetches https://web.test/ 10.0.0.1
	fetches http://web.test/ 10.0.0.1
	fails fetches https://self.test/ 10.0.0.1
	grep -q 'alert access denied' "$DIR/curl.err"
	fails fetches http://self.test/ 10.0.0.1
	grep -q ' 403$' "$DIR/curl.err"
	wait_for access_lines 4
	wait_for counts 2 ' self.test:443 - 403/\| http://self.test/ - 403/' access
}

# explained TEXT CLIENT USER TARGET: whether -t says that.
explained() {
	"$ADIT" -t -c "$CONF" "${@:2}" >"$DIR/said" 2>"$DIR/err" || true
	grep -qF -e "$1" "$DIR/said" || {
		cat "$DIR/said" "$DIR/err"
		return 1
	}
}

@test "transparent: -t explains such clients, -T prints the lines, and mistakes are named" {
	adit_conf "TransparentPort 8080" "TransparentPort 8443 tls" \
	    "DenyTo denied.test" "AllowTo .test:443 tls" "AllowTo 192.0.2.1:80" \
	    "BasicAuth x y" "NoAuth 127.0.0.1" "AllowTo us.test user x"
	"$ADIT" -T -c "$CONF" >"$DIR/out" 2>"$DIR/err"
	grep -qx 'TransparentPort 8080' "$DIR/out"
	grep -qx 'TransparentPort 8443 tls' "$DIR/out"
	explained 'answer: a TLS alert, in the logs 403 Forbidden by proxy rules' \
	    transparent:127.0.0.1 - denied.test:443
	explained ': TransparentPort 8443 tls' \
	    transparent:127.0.0.1 - denied.test:443
	explained 'answer: a TLS alert, in the logs 200 OK, other_name' \
	    transparent:127.0.0.1 - 192.0.2.1:443
	explained 'no credentials are required, by line ' \
	    transparent:127.0.0.1 x us.test:443
	explained 'refused: no AllowTo matches' transparent:127.0.0.1 x us.example:443
	explained "answer: the server's, by a connection to 192.0.2.1:80" \
	    transparent:127.0.0.1 - http://192.0.2.1/a
	explained 'answer: 403 Forbidden by proxy rules, http_request_denied' \
	    transparent:127.0.0.2 - http://192.0.2.1/a
	sed -i '/8443/d' "$CONF"
	explained 'there is no TransparentPort with tls' \
	    transparent:127.0.0.1 - denied.test:443

	printf '%s\n' "Port 8888" "TransparentPort 8888" "TransparentPort 0" \
	    "TransparentPort 80 ssl" "TransparentPort" "TransparentPort x tls" \
	    "TransparentPort 8443 tls tls" "TransparentPort 8443 tls" \
	    "TransparentPort 8443" >"$DIR/bad"
	fails "$ADIT" -t -c "$DIR/bad" >"$DIR/out" 2>&1
	for line in '2: TransparentPort: port 8888 is taken: Port listens on ' \
	    '3: TransparentPort: ' '4: TransparentPort: "ssl" is not tls' \
	    '5: TransparentPort' '6: TransparentPort: ' \
	    '7: TransparentPort: "tls tls" is not tls' \
	    '9: TransparentPort: port 8443 is taken: TransparentPort listens on '; do
		grep -q "bad:$line" "$DIR/out" || {
			echo "no $line"
			cat "$DIR/out"
			return 1
		}
	done
	printf '%s\n' "Port 8888" "TransparentPort 80" \
	    "ListenProxy 127.0.0.1" "ProxyFrom 127.0.0.1" >"$DIR/bad"
	fails "$ADIT" -t -c "$DIR/bad" >"$DIR/out" 2>&1
	grep -q 'bad:2: TransparentPort: there is no Listen with an address' "$DIR/out"
}

# opens: whether both ports do what they are for; for wait_for.
opens() {
	hello -
	(ends "$HELLO" '\x70') 2>/dev/null &&
	    unaware "$HTTP" send 'GET / HTTP/1.0\r\n\r\n' refused 400 \
		>"$DIR/reply" 2>/dev/null
}

@test "transparent: a reload keeps the ports, and an upgrade hands them over" {
	local other

	stand
	opens
	# The ports change places.
	sed -i -e "s/^TransparentPort $HTTP$/TransparentPort $HTTP tls/" \
	    -e "s/^TransparentPort $TLS tls/TransparentPort $TLS/" "$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	other=$HTTP
	HTTP=$TLS
	TLS=$other
	wait_for opens
	kill -USR2 "$ADIT_PID"
	wait_for -t 30 log_times 2 'Reloading config file finished'
	wait_for opens
}

log_times() {
	[ "$(log_count "$2")" = "$1" ]
}
