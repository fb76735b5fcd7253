#!/usr/bin/env bats
# adit -t client user target: which line decides, and what the answer would be.

load helper

bats_require_minimum_version 1.5.0

# If a name server fails or does not exist, musl waits for another answer until
# its time is over, and reports the same as if no answer had come.
MUSL=
case ${CC:-} in
*musl*)
	MUSL="504 Gateway Timeout, dns_timeout"
	NAME_OPTIONS="timeout:2 attempts:1"
	;;
esac

# explains STATUS CLIENT USER TARGET: writes the output of adit -t to $DIR/said;
# standard error must be empty.
explains() {
	local expected=$1 status=0

	shift
	"${ADIT_WRAP[@]}" "$ADIT" -t -c "$CONF" "$@" \
	    >"$DIR/said" 2>"$DIR/said.err" </dev/null || status=$?
	if [ "$status" != "$expected" ] || { [ -s "$DIR/said.err" ] &&
	    grep -qv ': warning: ' "$DIR/said.err"; }; then
		echo "status $status: $*"
		cat "$DIR/said" "$DIR/said.err"
		return 1
	fi
}

# says LINE...: each is a line of the last output.
says() {
	local line

	for line; do
		has_line "$DIR/said" "$line" || {
			echo "missing: $line"
			cat "$DIR/said"
			return 1
		}
	done
}

# conf LINE...: writes only these lines, after User, which is line 1, and Port
# 8888.
conf() {
	printf '%s\n' "User ${ADIT_TEST_USER:-nobody}" "Port 8888" "$@" >"$CONF"
}

@test "explain: each decision is shown with its line, and at the end the tunnel" {
	conf "Allow 192.0.2.0/24" "BasicAuth bob secret1" \
	    "  basicauth alice   secret2  " "ConnectPort 22" "ConnectPort 443" \
	    "AllowTo 198.51.100.0/24 user bob" "AllowTo 198.51.100.7:443" \
	    "Upstream none \"198.51.100.0/24\""
	explains 0 192.0.2.7 alice 198.51.100.7:443
	diff -u - "$DIR/said" <<-EOF
	client 192.0.2.7: allowed by line 3: Allow 192.0.2.0/24
	user alice: allowed with the password of line 5: basicauth alice
	port 443: allowed by line 7: ConnectPort 443
	filter: none is configured
	upstream: no parent by line 10: Upstream none "198.51.100.0/24"
	address 198.51.100.7: allowed by line 9: AllowTo 198.51.100.7:443
	answer: 200, a tunnel to 198.51.100.7:443
	EOF
	explains 0 192.0.2.7 bob 198.51.100.7:22
	says "address 198.51.100.7: allowed by line 8: AllowTo 198.51.100.0/24 user bob"
}

@test "explain: a request for the statistics gives no tunnel, and no target rule applies" {
	conf "Allow 192.0.2.0/24" "ConnectPort 443" "DenyTo *"
	explains 0 192.0.2.7 - tinyproxy.stats:80
	says "target tinyproxy.stats:80: the default host of the statistics: no StatHost is configured" \
	    "answer: 200 OK, the statistics"
	conf "Allow 192.0.2.0/24" "ConnectPort 443" 'StatHost "192.0.2.1"'
	explains 0 192.0.2.7 - 192.0.2.1:1
	says 'target 192.0.2.1:1: the host of the statistics by line 5: StatHost "192.0.2.1"'
	explains 1 192.0.2.99 - tinyproxy.stats:1
	explains 1 198.51.100.7 - 192.0.2.1:1
}

@test "explain: user, password and fragment of a URL are neither judged nor shown" {
	local target

	echo sesame >"$DIR/filter"
	conf "Filter \"$DIR/filter\"" "FilterURLs yes" "DenyTo 198.51.100.0/24"
	explains 0 192.0.2.7 - 'http://u:sesame@192.0.2.1:/x#sesame'
	says "answer: the server's, by a connection to 192.0.2.1:80"
	fails grep sesame <(grep -v ^filter: "$DIR/said")
	explains 1 192.0.2.7 - 'http://192.0.2.1@198.51.100.7/'
	says "address 198.51.100.7: refused by line 5: DenyTo 198.51.100.0/24"
	for target in https://u:sesame@h/ u:sesame@h:443 http://u:sesame@127.1/; do
		explains 1 192.0.2.7 - "$target"
		fails grep sesame "$DIR/said"
	done
}

@test "explain: a URL is judged as a plain request, and a path as the URL it is mapped to" {
	local mapped='/shop/ http://127.0.0.1:8080/s/'

	printf '%s\n' '/secret' >"$DIR/filter"
	conf "ConnectPort 443" "Filter \"$DIR/filter\"" "FilterURLs yes" \
	    "DenyTo 198.51.100.0/24" "RateLimit 2048" \
	    "ReversePath \"${mapped% *}\" \"${mapped#* }\""
	explains 0 192.0.2.7 - http://192.0.2.1/x
	says "port 80: allowed: ConnectPort is for CONNECT alone" \
	    "filter: allowed: no pattern of $DIR/filter matches" \
	    "address 192.0.2.1: allowed: no DenyTo matches" \
	    "limit: the content is slowed down by line 7: RateLimit 2048" \
	    "answer: the server's, by a connection to 192.0.2.1:80"
	explains 1 192.0.2.7 - http://192.0.2.1/%73ecret
	says "filter: refused by line 1 of $DIR/filter: /secret"
	explains 1 192.0.2.7 - http://198.51.100.7:443/
	says "address 198.51.100.7: refused by line 6: DenyTo 198.51.100.0/24"
	explains 1 192.0.2.7 - http://127.0.0.1:8080/s/
	explains 0 192.0.2.7 - /shop/a?b
	says "target /shop/a?b: mapped by line 8: ReversePath \"${mapped% *}\" \"${mapped#* }\"" \
	    "target /shop/a?b: becomes http://127.0.0.1:8080/s/a?b" \
	    "address 127.0.0.1: no floor, by line 8: ReversePath \"${mapped% *}\" \"${mapped#* }\"" \
	    "answer: the server's, by a connection to 127.0.0.1:8080"
	explains 1 192.0.2.7 - /shop/secret
	explains 0 127.0.0.1 - /shop/a?b
	fails grep floor "$DIR/said"
	explains 0 192.0.2.7 - /shop
	says "answer: 301 Moved Permanently, to /shop/"
	explains 1 192.0.2.7 - /other
	says "target /other: refused: No mapping found for requested url." \
	    "answer: 400 Bad Request, http_request_error"
	explains 1 192.0.2.7 - /shop/%2e%2e/
	explains 1 192.0.2.7 - https://192.0.2.1/
	explains 1 192.0.2.7 - http://u@/
	explains 1 192.0.2.7 - $'http://192.0.2.1/ HTTP/1.0\r\nA: b\r\n\r\n'
	says "answer: 400 Bad Request, http_request_error"
	explains 1 192.0.2.7 - "http://192.0.2.1/$(printf '%09000d' 0)"
	says "answer: 414 URI Too Long, http_request_error"
	conf "Upstream http 192.0.2.8:3128" "ReversePath \"/\" \"http://127.0.0.1/\"" \
	    "ReverseOnly yes"
	explains 1 192.0.2.7 - http://192.0.2.1/
	says "target http://192.0.2.1/: no ReversePath is for a URL, refused by line 5: ReverseOnly yes"
	# The line does not refer to a parent.
	explains 1 192.0.2.7 - /
	explains 0 127.0.0.1 - /
	says "answer: the server's, by a connection through http 192.0.2.8:3128"
}

@test "explain: without any rule every client is served, and each step says so" {
	conf
	explains 0 2001:db8::1 - '[2001:db8::2]:1'
	diff -u - "$DIR/said" <<-EOF
	client 2001:db8::1: allowed: no Allow and no Deny is configured
	user -: no credentials are required
	port 1: allowed: no ConnectPort is configured
	filter: none is configured
	upstream: none is configured
	address 2001:db8::2: allowed: no AllowTo and no DenyTo is configured
	answer: 200, a tunnel to [2001:db8::2]:1
	EOF
	explains 0 2001:db8::1 alice '[2001:db8::2]:1'
	says "user alice: no credentials are required, and no rule sees the name"
}

@test "explain: without a configuration file the built-in one is explained" {
	! [ -e /usr/local/etc/adit/adit.conf ] ||
		skip "there is a configuration file in the default place"
	run -0 --separate-stderr "$ADIT" -t 127.0.0.1 - 127.0.0.1:443
	[ -z "$stderr" ]
	[ "${lines[0]}" = \
	    "client 127.0.0.1: allowed by the built-in Allow 127.0.0.0/8" ]
	[ "${lines[2]}" = "port 443: allowed by the built-in ConnectPort 443" ]
	[ "${lines[6]}" = "answer: 200, a tunnel to 127.0.0.1:443" ]
	run -1 "$ADIT" -t 192.0.2.1 - 127.0.0.1:443
	[ "${lines[1]}" = "answer: 403 Forbidden by proxy rules, http_request_denied" ]
	run -1 "$ADIT" -t ::1 - 127.0.0.1:80
	[ "${lines[2]}" = "port 80: refused: no ConnectPort names it" ]
}

@test "explain: the step that refuses is the last one before the answer" {
	conf "Deny 192.0.2.66" "Allow 192.0.2.0/24" "BasicAuth alice secret2" \
	    "ConnectPort 443" "ConnectPort 8888" "AllowTo 192.0.2.1:8888" \
	    "DenyTo private" "AllowTo 8.8.8.0/24" "Listen 192.0.2.1"
	explains 1 192.0.2.66 alice 8.8.8.8:443
	diff -u - "$DIR/said" <<-EOF
	client 192.0.2.66: refused by line 3: Deny 192.0.2.66
	answer: 403 Forbidden by proxy rules, http_request_denied
	EOF
	explains 1 10.0.0.1 alice 8.8.8.8:443
	says "client 10.0.0.1: refused: no Allow matches"
	explains 1 192.0.2.7 - 8.8.8.8:443
	says "user -: refused: credentials are required" \
	    "answer: 407 Proxy Authentication Required, http_request_denied"
	explains 1 192.0.2.7 Alice 8.8.8.8:443
	says "user Alice: refused: unknown user"
	explains 1 192.0.2.7 alice 8.8.8.8:22
	says "port 22: refused: no ConnectPort names it"
	explains 1 192.0.2.7 alice 8.8.9.8:443
	says "address 8.8.9.8: refused: no AllowTo matches" \
	    "answer: 403 Forbidden by proxy rules, destination_ip_prohibited"
	explains 1 192.0.2.7 alice '[::ffff:10.0.0.1]:443'
	says "address 10.0.0.1: refused by line 9: DenyTo private"
	explains 1 192.0.2.7 alice 192.0.2.1:8888
	says "address 192.0.2.1: refused by a floor: adit listens on this address"
	explains 1 192.0.2.7 alice example.com
	says "target example.com: this is not host:port" \
	    "answer: 400 Bad Request, http_request_error"
	explains 1 192.0.2.7 - 127.1:443
	says "answer: 400 Bad Request, http_request_error"
}

@test "explain: floors are called floors, and an IPv4 address inside an IPv6 one is judged" {
	local floor="refused by a floor: loopback and link-local addresses are for clients on loopback"

	conf "AllowTo 127.0.0.1" "AllowTo 169.254.0.0/16:80" "DenyTo 10.0.0.0/8" "AllowTo *" "NAT64Prefix 2600:64::/96"
	explains 0 192.0.2.7 - 127.0.0.1:443
	explains 1 192.0.2.7 - 127.0.0.2:443
	says "address 127.0.0.2: $floor"
	explains 0 127.0.0.1 - 127.0.0.2:443
	explains 1 192.0.2.7 - 169.254.169.254:443
	says "address 169.254.169.254: refused by a floor: the metadata addresses of clouds are for clients on loopback"
	explains 1 192.0.2.7 - 169.254.169.253:443
	says "address 169.254.169.253: $floor"
	explains 0 192.0.2.7 - 169.254.169.254:80
	explains 1 192.0.2.7 - '[fec0::1]:80'
	says "address fec0::1: refused by a floor: site-local addresses are for clients on loopback"
	explains 1 192.0.2.7 - '[64:ff9b::7f00:1]:443'
	says "address 64:ff9b::7f00:1: $floor"
	explains 1 127.0.0.1 - '[2002:e000:1::]:443'
	says "address 2002:e000:1::: refused by a floor: unspecified, broadcast and multicast addresses are refused to everybody"
	explains 1 192.0.2.7 - '[64:ff9b::a00:1]:443'
	says "address 64:ff9b::a00:1: refused, for the IPv4 address inside it, by line 5: DenyTo 10.0.0.0/8"
	explains 1 192.0.2.7 - '[2600:64::a00:1]:443'
	says "address 2600:64::a00:1: refused, for the IPv4 address inside it, by line 5: DenyTo 10.0.0.0/8"
	explains 1 192.0.2.7 - '[2600:64::7f00:1]:443'
	says "address 2600:64::7f00:1: $floor"
	explains 0 192.0.2.7 - '[2600:64::808:808]:443'
	explains 1 192.0.2.7 - 0.0.0.0:443
	says "address 0.0.0.0: refused by a floor: unspecified, broadcast and multicast addresses are refused to everybody"
}

@test "explain: with DistrustLoopback clients on loopback are under the floors, and a rule for an address still lifts them" {
	conf "AllowTo 127.0.0.1:80" "AllowTo *" "DistrustLoopback yes"
	explains 1 127.0.0.1 - 127.0.0.2:443
	says "address 127.0.0.2: refused by a floor: with DistrustLoopback loopback and link-local addresses are refused to everybody"
	explains 1 ::1 - '[::1]:443'
	explains 1 127.0.0.1 - 169.254.169.254:443
	explains 1 127.0.0.1 - '[64:ff9b::7f00:2]:443'
	explains 0 127.0.0.1 - 127.0.0.1:80
	explains 0 127.0.0.1 - 192.0.2.1:443
	conf "Upstream http 192.0.2.9:3128" "DistrustLoopback yes"
	explains 1 127.0.0.1 - localhost:443
	says "target localhost:443: looked up by the parent, refused by a floor: with DistrustLoopback nobody may use names of loopback"
}

@test "explain: the pattern of a filter is shown with its line" {
	printf '%s\n' "# comment" "" "  ^ads\\." "198\\.51" >"$DIR/filter"
	conf "Filter \"$DIR/filter\""
	explains 1 192.0.2.7 - ADS.example.com:443
	says "filter: refused by line 3 of $DIR/filter: ^ads\\." \
	    "answer: 403 Forbidden by proxy rules, http_request_denied"
	explains 0 192.0.2.7 - 192.0.2.1:443
	says "filter: allowed: no pattern of $DIR/filter matches"
	conf "Filter \"$DIR/filter\"" "FilterDefaultDeny yes"
	explains 0 192.0.2.7 - 198.51.100.1:443
	says "filter: allowed by line 4 of $DIR/filter: 198\\.51"
	explains 1 192.0.2.7 - 192.0.2.1:443
	says "filter: refused: no pattern of $DIR/filter matches"
}

@test "explain: parents are named in the order in which they are tried" {
	local name

	conf "Upstream http proxy1.example:3128" \
	    "Upstream socks5 [2001:db8::1]:1080" \
	    "Upstream none \".direct.example\"" \
	    "Upstream http 0.0.0.0:0 \".ads.example\"" \
	    "AllowTo .example" "AllowTo 198.51.100.1" "DenyTo .secret.test"
	explains 0 192.0.2.7 - www.example:443
	says "target www.example:443: allowed by line 7: AllowTo .example" \
	    "upstream: line 3: Upstream http proxy1.example:3128" \
	    "upstream: if that fails, line 4: Upstream socks5 [2001:db8::1]:1080" \
	    "target www.example:443: looked up by the parent, allowed by line 7: AllowTo .example" \
	    "answer: 200, a tunnel through http proxy1.example:3128"
	explains 0 192.0.2.7 - 198.51.100.1:443
	says "address 198.51.100.1: allowed by line 8: AllowTo 198.51.100.1"
	explains 1 192.0.2.7 - x.ads.example:443
	says "upstream: port 0 cannot be connected to" \
	    "answer: 502 Bad Gateway, connection_refused"
	explains 1 192.0.2.7 - other.test:443
	says "target other.test:443: looked up by the parent, refused: no AllowTo matches"
	explains 1 192.0.2.7 - x.secret.test:443
	explains 1 192.0.2.7 - 127.0.0.1:443
	says "answer: 403 Forbidden by proxy rules, destination_ip_prohibited"
	conf "Upstream http proxy1.example:3128" "DenyTo 10.0.0.0/8"
	explains 1 192.0.2.7 - localhost:443
	says "target localhost:443: looked up by the parent, refused by a floor: only clients on loopback may use names of loopback"
	for name in localhost4 localhost6 localhost6.localdomain6 \
	    localhost.localdomain ip6-localhost ip6-loopback; do
		explains 1 192.0.2.7 - "$name:443"
		explains 0 127.0.0.1 - "$name:443"
	done
	explains 0 127.0.0.1 - localhost:443
	explains 0 192.0.2.7 - notlocalhost:443
}

@test "explain: with ReverseOnly no CONNECT goes anywhere, and the line is named" {
	conf 'ReversePath "/a/" "http://198.51.100.1/"' "ReverseOnly yes"
	explains 1 127.0.0.1 - 198.51.100.1:80
	says "target 198.51.100.1:80: no ReversePath is for a CONNECT, refused by line 4: ReverseOnly yes" \
	    "answer: 400 Bad Request, http_request_error"
	explains 1 127.0.0.1 - tinyproxy.stats:80
	sed -i.bak 's/Only yes/Only no/' "$CONF"
	explains 0 127.0.0.1 - 198.51.100.1:80
}

@test "explain: limits are shown with their lines" {
	conf "MaxClientsPerHost 10" "MaxClientsPerHost 20" "MaxRatePerHost 5" \
	    "RateLimit 65536"
	explains 0 192.0.2.7 - 198.51.100.1:443
	says "limit: 503 if the client has more connections than allowed by line 4: MaxClientsPerHost 20" \
	    "limit: 503 if the client connects more often than allowed by line 5: MaxRatePerHost 5" \
	    "limit: the tunnel is slowed down by line 6: RateLimit 65536"
	conf "RateLimit 65536" "Upstream http proxy.example:3128"
	explains 0 192.0.2.7 - 198.51.100.1:443
	says "limit: the tunnel is slowed down by line 3: RateLimit 65536"
}

@test "explain: no password is ever shown" {
	conf "BasicAuth alice wonderland" \
	    "Upstream http joe:s@sa:me@proxy.example:3128 \"." \
	    "UPSTREAM	socks5	joe:sesame@[2001:db8::1]:1080"
	sed -i 's/"\.$/".example"/' "$CONF"
	explains 0 192.0.2.7 alice www.example:443
	says 'upstream: line 4: Upstream http ***@proxy.example:3128 ".example"'
	fails grep -qE 'wonder|sesa|s@|joe' "$DIR/said"
	explains 0 192.0.2.7 alice www.test:443
	fails grep -qE 'wonder|sesa|joe' "$DIR/said"
}

@test "explain: a very long line is cut, and control characters do not reach the terminal" {
	conf "AllowTo 198.51.100.1 client $(printf '192.0.%d.0/24 ' {0..99})" \
	    "AllowTo *"
	explains 0 192.0.2.7 - 198.51.100.1:443
	grep -qx 'address 198.51.100.1: allowed by line 3: AllowTo .*\.\.\.' "$DIR/said"
	fails awk 'length > 260 { long = 1 } END { exit !long }' "$DIR/said"
	explains 1 192.0.2.7 $'al\e[1mice' $'\e[2Jx:443\e'
	fails grep -q "$(printf '\033')" "$DIR/said"
}

@test "explain: one, two or four operands and a malformed address are not taken for a request" {
	local args

	conf
	for args in "192.0.2.7" "192.0.2.7 -" "192.0.2.7 - x:1 y" "x - y:1" \
	    "192.0.2.0/24 - y:1"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr "$ADIT" -t -c "$CONF" $args
		[ -z "$output" ]
		[ -n "$stderr" ]
	done
	run -64 "$ADIT" -d -c "$CONF" 192.0.2.7 - x:1
	echo "Nonsense 1" >>"$CONF"
	run -70 "$ADIT" -t -c "$CONF" 192.0.2.7 - x:1
}

# near STATUS CLIENT USER TARGET HINT: the decision comes with this hint.
near() {
	explains "$1" "$2" "$3" "$4"
	grep -qxF "hint: $5" "$DIR/said" || {
		cat "$DIR/said"
		return 1
	}
}

@test "explain: the AllowTo that nearly matches a refused target is shown" {
	adit_conf - <<-END
	Allow 192.0.2.0/24
	BasicAuth alice wonderland
	BasicAuth bob builder
	ConnectPort 443
	ConnectPort 22
	DenyTo deny.example
	AllowTo www.example.com:443
	AllowTo .below.example.com
	AllowTo a.example user bob
	AllowTo b.example client 10.0.0.0/8
	AllowTo 10.0.0.0/8:22 user bob
	AllowTo deny.example
	END
	lines() {
		grep -n "^$1\$" "$CONF" | cut -d : -f 1
	}
	near 1 192.0.2.7 alice www.example.com:22 \
	    "line $(lines 'AllowTo www.example.com:443') is for other ports: AllowTo www.example.com:443"
	near 1 192.0.2.7 alice x.www.example.com:443 \
	    "line $(lines 'AllowTo www.example.com:443') is for one name, not for names below it: AllowTo www.example.com:443"
	near 1 192.0.2.7 alice wwww.example.com:443 \
	    "line $(lines 'AllowTo www.example.com:443') is for a name that is spelt differently: AllowTo www.example.com:443"
	near 1 192.0.2.7 alice below.example.com:443 \
	    "line $(lines 'AllowTo .below.example.com') is for names below this one, not for the name itself: AllowTo .below.example.com"
	near 1 192.0.2.7 alice a.example:443 \
	    "line $(lines 'AllowTo a.example user bob') is for other users: AllowTo a.example user bob"
	near 1 192.0.2.7 alice b.example:443 \
	    "line $(lines 'AllowTo b.example client 10.0.0.0/8') is for other clients: AllowTo b.example client 10.0.0.0/8"
	near 1 192.0.2.7 alice 10.1.2.3:443 \
	    "line $(lines 'AllowTo 10.0.0.0/8:22 user bob') is for other ports and other users: AllowTo 10.0.0.0/8:22 user bob"
	near 1 192.0.2.7 alice deny.example:443 \
	    "line $(lines 'AllowTo deny.example') would allow this, but it comes too late: AllowTo deny.example"
	near 1 192.0.2.7 alice www.example.com:25 'ConnectPort allows 22, 443'
	near 1 192.0.2.7 alcie www.example.com:443 'there is a user "alice"'
	near 1 192.0.2.7 alice:wonderland www.example.com:443 \
	    'write the user only, without the password'
	explains 1 192.0.2.7 alice quite.another.test:443
	fails grep -q '^hint:' "$DIR/said"
}

@test "explain: a target in the wrong form comes with the right one" {
	conf
	near 1 192.0.2.7 - https://www.example.com/x \
	    'for such a URL a client sends CONNECT: write www.example.com:443'
	near 1 192.0.2.7 - 'https://u:p@[2001:db8::1]:8443/x@y' \
	    'for such a URL a client sends CONNECT: write [2001:db8::1]:8443'
	near 1 192.0.2.7 - www.example.com \
	    'write www.example.com:443 as for https, or http://www.example.com/'
	near 1 192.0.2.7 - www.example.com/x \
	    'a URL begins with http://: write http://www.example.com/x'
	near 1 192.0.2.7 www.example.com:443 - \
	    'the order is client, user, target'
	near 1 192.0.2.7 - ftp://www.example.com/ \
	    'only http:// URLs are sent as they are; for others write host:port'
}

@test "explain: a client that is no address is named, and what would be right" {
	local case

	conf
	for case in "localhost - x:1|write the address that" \
	    "192.0.2.0/24 - x:1|not a block" "192.0.2.7:80 - x:1|without the port" \
	    "[::1] - x:1|without brackets" "alice 192.0.2.7 x:1|the order is" \
	    "x:1 - 192.0.2.7|the order is"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr "$ADIT" -t -c "$CONF" ${case%|*}
		[[ $stderr == *"client \"${case%% *}\" is not an IPv4 or IPv6 address; "*"${case#*|}"* ]]
	done
	run -64 --separate-stderr "$ADIT" -t -c "$CONF" 192.0.2.7 x:1
	[[ $stderr == *"needs client, user and target; without a user write -"* ]]
}

@test "explain: nothing is connected to, and no port is needed" {
	peer_start srv server say connected
	adit_start "ConnectPort $srv_PORT"
	explains 0 127.0.0.1 - "127.0.0.1:$srv_PORT"
	fails grep -q connected "$DIR/srv.out"
	fails log_has 'Connect '
}

@test "explain: names in rules for clients are looked up, and rules that do not match are shown" {
	name_server 5.2.0.192.in-addr.arpa=pc.office.test pc.office.test=192.0.2.5 \
	    6.2.0.192.in-addr.arpa=pc.bad.test pc.bad.test=192.0.2.6
	conf "Deny .bad.test" "Allow pc.office.test"
	explains 0 192.0.2.5 - 198.51.100.1:443
	says "client 192.0.2.5: not matched by line 3: Deny .bad.test" \
	    "client 192.0.2.5: allowed by line 4: Allow pc.office.test"
	explains 1 192.0.2.6 - 198.51.100.1:443
	says "client 192.0.2.6: refused by line 3: Deny .bad.test"
	explains 1 192.0.2.7 - 198.51.100.1:443
	says "client 192.0.2.7: not matched by line 4: Allow pc.office.test" \
	    "client 192.0.2.7: refused: no Allow matches"
}

@test "explain: each address of a name is judged, and a failed look-up is reported" {
	name_server mixed.test=10.0.0.1,198.51.100.1,198.51.100.2 fail.test=fail \
	    7.2.0.192.in-addr.arpa=fail
	conf "DenyTo 10.0.0.0/8" "Allow 192.0.2.8" "Deny .bad.test" \
	    "Allow 192.0.2.0/24"
	explains 0 192.0.2.8 - mixed.test:443
	says "target mixed.test:443: decided by its addresses" \
	    "address 10.0.0.1: refused by line 3: DenyTo 10.0.0.0/8" \
	    "address 198.51.100.1: allowed: no DenyTo matches"
	grep -qE 'answer: 200, a tunnel to 198\.51\.100\.[12]:443 or 198\.51\.100\.[12]:443' "$DIR/said"
	explains 1 192.0.2.8 - none.test:443
	says 'answer: 502 Bad Gateway, dns_error; rcode="NXDOMAIN"'
	explains 1 192.0.2.8 - fail.test:443
	says "answer: ${MUSL:-502 Bad Gateway, dns_error}"
	explains 1 192.0.2.7 - mixed.test:443
	grep -q '^client 192.0.2.7: the look-up for line 5 failed: ' "$DIR/said"
	says "client 192.0.2.7: refused by line 5: Deny .bad.test"
}

# The output of adit -t is compared with the replies of adit.

NAMES=(www.ok.test inside.ok.test mixed.test none.test fail.test localhost
    WWW.OK.TEST. metadata.test proxy.test x.parent.test x.nowhere.test)
ADDRESSES=(8.8.8.8 10.0.0.1 127.0.0.1 127.0.0.2 169.254.169.254 192.0.2.1
    0.0.0.0 224.0.0.1 255.255.255.255 127.1 '[::1]' '[::ffff:10.0.0.1]'
    '[64:ff9b::a00:1]' '[64:ff9b::808:808]' '[2002:a00:1::1]' '[2600::1]'
    '[::]' '[ff02::1]' ::1 '[fd00::1]')
CLIENTS=(127.0.0.1 192.0.2.1 192.0.2.2 192.0.2.3 10.0.0.1)

# requests: prints "CLIENT USER TARGET" for every target; clients, users and
# ports take turns.
requests() {
	local n=0 host
	local users=(- alice bob carol) ports=(443 443 443 22 8888 22)

	for host in "${NAMES[@]}" "${ADDRESSES[@]}" "${NAMES[@]}" \
	    "${ADDRESSES[@]}" 8.8.8.8 10.0.0.1; do
		# The counts have no factor in common with those of the hosts.
		printf '%s %s %s\n' "${CLIENTS[n % 5]}" \
		    "${users[n * 3 / 2 % 4]}" "$host:${ports[n % 6]}"
		[ $((n % 3)) != 0 ] || printf '%s %s %s\n' "${CLIENTS[n % 5]}" \
		    "${users[n / 3 % 4]}" "http://$host:${ports[n % 6]}/a?b"
		n=$((n + 1))
	done
	printf '%s\n' "192.0.2.1 alice no-port" "192.0.2.1 - 8.8.8.8:0" \
	    "192.0.2.1 alice /" "192.0.2.1 - https://8.8.8.8/"
}

# clients: reads lines of requests, and prints them as lines for `peer clients`.
clients() {
	local client user target to method field
	local -A given=([-]=)

	for user in alice bob carol; do
		given[$user]="Proxy-Authorization: Basic $(printf '%s:pw' \
		    "$user" | base64)\\r\\n"
	done
	while read -r client user target; do
		method=CONNECT field= to=192.0.2.1
		[[ $target != */* ]] || method=GET field='Host: x\r\n'
		[ "$client" != 127.0.0.1 ] || to=127.0.0.1
		printf '%s\t' -b "$client" "$to" 8888 send
		printf '%s\t%s\n' "$method $target HTTP/1.1\\r\\n$field${given[$user]}\\r\\n" \
		    head
	done
}

# answered: asks adit all requests; prints status and error of each reply.
answered() {
	"$PEER" clients <"$DIR/clients" | tr -d '\r' | awk '
		/^HTTP/ { printf "%s", $2 }
		sub(/^Proxy-Status.*error=/, "") { printf " %s", $0 }
		/^$/ { print "" }'
}

# predicted: asks adit -t; prints status and error for each request, or 200.
# The other tests look for leaks, for which each start would take twice as long.
predicted() {
	# shellcheck disable=SC2016
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 \
	"${ADIT_WRAP[@]}" sh -c 'while read -r client user target; do
		"$1" -t -c "$2" "$client" "$user" "$target" 2>/dev/null
		echo "status $?"
	done' sh "$ADIT" "$CONF" <"$DIR/requests" | awk '
		/^answer: / {
			answer = status = $2 == "the" ? 200 : $2 + 0
			if (sub(/^[^,]*, /, "") && status != 200)
				answer = answer " " $0
		}
		/^status / {
			if ($2 + 0 != (status != 200))
				answer = answer " with exit status " $2
			print answer
			answer = "none"
			status = 0
		}'
}

# same LINE...: compares both for all requests, with this configuration.
same() {
	conf "$@"
	adit_launch
	adit_ready
	answered >"$DIR/answered"
	predicted >"$DIR/predicted"
	# Only adit listens on port 8888, and the echo server does not speak
	# HTTP.
	paste "$DIR/requests" "$DIR/predicted" "$DIR/answered" |
		awk -F '\t' '$1 ~ /:8888(\/|$)/ && $2 == "200" &&
		    $3 == "502 connection_refused" { next }
		    $1 ~ /http:/ && $2 == "200" &&
		    $3 == "502 http_protocol_error" { next }
		    $2 != $3' >"$DIR/differences"
	cat "$DIR/differences"
	[ ! -s "$DIR/differences" ]
	lines_are "$DIR/answered" "${#REQUESTS[@]}"
	cat "$DIR/answered" >>"$DIR/statuses"
	adit_stop
	: >"$LOG"
}

# occurred STATUS...: whether adit has given each of these kinds of answers.
occurred() {
	local status

	for status; do
		file_says "^$status( |\$)" "$DIR/statuses" || {
			echo "no answer was $status"
			return 1
		}
	done
}

# asked: a network with all that adit is asked for.
asked() {
	local port

	network 192.0.2.1 192.0.2.2 192.0.2.3 8.8.8.8 10.0.0.1 \
	    169.254.169.254 2600::1 fd00::1 64:ff9b::a00:1 64:ff9b::808:808 \
	    2002:a00:1::1
	name_server www.ok.test=8.8.8.8 inside.ok.test=10.0.0.1 \
	    mixed.test=10.0.0.1,8.8.8.8 fail.test=fail \
	    metadata.test=169.254.169.254 proxy.test=192.0.2.1 \
	    localhost=127.0.0.1 x.parent.test=8.8.8.8 \
	    2.2.0.192.in-addr.arpa=pc.office.test pc.office.test=192.0.2.2 \
	    3.2.0.192.in-addr.arpa=pc.office.test \
	    1.0.0.10.in-addr.arpa=fail
	# They accept IPv4 too.
	for port in 443 22; do
		peer_start "echo$port" echod -a :: -p "$port"
	done
	requests >"$DIR/requests"
	mapfile -t REQUESTS <"$DIR/requests"
	clients <"$DIR/requests" >"$DIR/clients"
}

@test "explain: what adit -t says is what adit answers: ports and targets" {
	asked
	same "AllowTo 8.8.8.8" "AllowTo 2600::1"
	same "AllowTo 127.0.0.2" "AllowTo 169.254.169.254:443" "DenyTo mixed.test" \
	    "DenyTo 10.0.0.1:443" "BasicAuth alice pw"
	occurred 200 400 403 407
}

@test "explain: what adit -t says is what adit answers: clients and their names" {
	asked
	same "Allow 192.0.2.0/24" "Allow 127.0.0.1" "ConnectPort 443" \
	    "DenyTo private" "AllowTo *:443"
	same "Allow pc.office.test" "Deny .bad.test" "Allow 127.0.0.0/8" \
	    "Allow 10.0.0.0/8" "Allow 192.0.2.3" "Listen 192.0.2.1" \
	    "Listen 127.0.0.1" "ConnectPort 443" "ConnectPort 8888"
	occurred 200 400 403 502
}

@test "explain: what adit -t says is what adit answers: users and filters" {
	asked
	same "BasicAuth alice pw" "BasicAuth bob pw" "AllowTo .ok.test user alice" \
	    "DenyTo 10.0.0.0/8 user bob client 192.0.2.0/24" "AllowTo *:1-443"
	printf '%s\n' '\.ok\.test:443$' '^8\.8' ':ff9b:' '^\[2600' >"$DIR/filter"
	same "Filter \"$DIR/filter\"" "FilterURLs yes" "FilterDefaultDeny yes"
	occurred 200 400 403 407
}

@test "explain: what adit -t says is what adit answers: parents" {
	asked
	peer_start up server -a 127.0.0.9 -p 3128 skip '\r\n\r\n' \
	    send 'HTTP/1.1 200 OK\r\n\r\n' echo
	same "Upstream http 127.0.0.9:3128 \".parent.test\"" \
	    "Upstream http 127.0.0.9:3128 \"8.0.0.0/8\"" \
	    "Upstream http 127.0.0.9:3128 \"localhost\"" \
	    "Upstream http 127.0.0.9:3128 \"127.0.0.0/8\"" \
	    "Upstream http 0.0.0.0:0 \".nowhere.test\"" "DenyTo 8.8.8.8:22"
	same "Upstream http 127.0.0.9:3128" "Upstream none \".ok.test\"" \
	    "AllowTo .ok.test" "AllowTo localhost" "AllowTo 8.8.8.8" "AllowTo .test:443"
	occurred 200 400 403 502
}

# judges STATUS [OPTION...]: judges the requests of standard input; the output
# is in $DIR/said, standard error in $DIR/said.err.
judges() {
	local expected=$1 status=0

	shift
	"${ADIT_WRAP[@]}" "$ADIT" -t -c "$CONF" "$@" \
	    >"$DIR/said" 2>"$DIR/said.err" || status=$?
	[ "$status" = "$expected" ] || {
		echo "status $status"
		cat "$DIR/said" "$DIR/said.err"
		return 1
	}
}

@test "explain: a list of requests is judged, and each verdict that is not expected is told" {
	printf '%s\n' '^bad$' '^evil\.' >"$DIR/filter"
	conf "Allow 192.0.2.0/24" "Allow 10.0.0.5" "BasicAuth alice secret1" \
	    "BasicAuth bob secret2" "ConnectPort 443" "ConnectPort 8443" \
	    "DenyTo private" "AllowTo .example.test:443 user alice" \
	    "AllowTo www.example.test client 192.0.2.7" "AllowTo *:8443" \
	    "Filter \"$DIR/filter\"" "FilterType ere" "MaxClientsPerHost 9" \
	    "ListenProxy 127.0.0.1" "ProxyFrom 10.0.0.5"
	printf '%s\n' '# client user target verdict' '' \
	    '192.0.2.7  alice a.example.test:443 allow' \
	    '  192.0.2.7 "alice" a.example.test:443 Allow # the same' \
	    '192.0.2.7 bob   a.example.test:443 TARGET_RULE' \
	    '192.0.2.7 -     a.example.test:443 407' \
	    '192.0.2.7 carol a.example.test:443 credentials' \
	    '192.0.2.7 alice a.example.test:443 at 10.1.1.1 target_address' \
	    '192.0.2.7 alice a.example.test:443 at 1.1.1.1 allow' \
	    '192.0.2.7 alice a.example.test:22 port' \
	    '192.0.2.7 alice http://evil.example.test/ filtered' \
	    '192.0.2.7@10.0.0.5 bob http://www.example.test/ allow' \
	    '192.0.2.7@10.0.0.6 bob http://www.example.test/ sender' \
	    '198.51.100.1 bob www.example.test:443 client_rule' \
	    '10.0.0.5 bob 192.168.1.1:8443 403' \
	    '10.0.0.5 bob 224.0.0.1:8443 deny' \
	    '10.0.0.5 bob https://www.example.test/ malformed' \
	    '10.0.0.5 bob tinyproxy.stats:80 answer' \
	    '10.0.0.5 bob 8.8.8.8:8443' >"$DIR/rules"
	judges 0 -f rules
	diff -u - "$DIR/said" <<-EOF
	rules:3: allow - $CONF:10 192.0.2.7 alice a.example.test:443
	rules:4: allow - $CONF:10 192.0.2.7 alice a.example.test:443
	rules:5: deny target_rule - 192.0.2.7 bob a.example.test:443
	rules:6: 407 credentials - 192.0.2.7 - a.example.test:443
	rules:7: 407 credentials - 192.0.2.7 carol a.example.test:443
	rules:8: deny target_address $CONF:9 192.0.2.7 alice a.example.test:443
	rules:9: allow - $CONF:10 192.0.2.7 alice a.example.test:443
	rules:10: deny port - 192.0.2.7 alice a.example.test:22
	rules:11: deny filtered $DIR/filter:2 192.0.2.7 alice http://evil.example.test/
	rules:12: allow - $CONF:11 192.0.2.7@10.0.0.5 bob http://www.example.test/
	rules:13: deny sender - 192.0.2.7@10.0.0.6 bob http://www.example.test/
	rules:14: deny client_rule - 198.51.100.1 bob www.example.test:443
	rules:15: deny target_address $CONF:9 10.0.0.5 bob 192.168.1.1:8443
	rules:16: deny target_address $CONF:9 10.0.0.5 bob 224.0.0.1:8443
	rules:17: deny malformed - 10.0.0.5 bob https://www.example.test/
	rules:18: answer statistics - 10.0.0.5 bob tinyproxy.stats:80
	rules:19: allow - $CONF:12 10.0.0.5 bob 8.8.8.8:8443
	EOF
	fails test -s "$DIR/said.err"
	# Without a name server ten thousand names take no longer than the file.
	for ((i = 0; i < 10000; i++)); do
		echo "192.0.2.7 bob n$i.example.test:443 allow"
	done | judges 1 -f -
	says "stdin:10000: deny target_rule - 192.0.2.7 bob n9999.example.test:443, but expected: allow"
	has_line "$DIR/said.err" \
	    "stdin: 10000 of 10000 verdicts are not as expected"
}

@test "explain: a list that cannot be read is refused, with file and line" {
	conf "ConnectPort 1" "DenyTo private"
	printf '%s\n' '192.0.2.7 -' '192.0.2.300 - x:1' '192.0.2.7 - x:1 alow' \
	    '192.0.2.7 - x:1 at' '192.0.2.7 - x:1 at 1.1.1.1 deny more' \
	    '192.0.2.7 - x:1 deny more' '192.0.2.7@x - x:1' \
	    '192.0.2.7 - x:1 at x' '192.0.2.7 - x:1 299' \
	    '192.0.2.7 - 192.0.2.1:1 allow' >"$DIR/rules"
	printf '192.0.2.7 - x:1\0 deny\n' >>"$DIR/rules"
	judges 65 -f rules
	cut -d' ' -f 2- "$DIR/said.err" >"$DIR/what"
	diff -u - <(cut -d' ' -f1 "$DIR/said.err") \
	    < <(printf 'rules:%s\n' {1..9}: 11: | sed '$a rules:')
	has_line "$DIR/what" '"alow" is no verdict; did you mean "allow"?'
	has_line "$DIR/what" 'sender "x" is not an IPv4 or IPv6 address'
	says "rules:10: deny target_address $CONF:4 192.0.2.7 - 192.0.2.1:1, but expected: allow"
	judges 66 -f "$DIR/none"
	judges 66 -f "$DIR"
	judges 64 -f rules 192.0.2.7 - x:1
	judges 64 -f rules -T
	judges 0 -f - </dev/null
}
