#!/usr/bin/env bats
# The checks of tinyproxy's own tests: the proxy is started as a daemon, asked,
# reloaded, asked again and stopped, with every kind of line in its
# configuration.

load helper

PROXY=127.0.0.2
WEB=127.0.0.3
STATS=127.0.0.127

setup() {
	common_setup
	ADIT=${ADIT%/*}/tinyproxy
	[ -x "$ADIT" ] || skip "needs tinyproxy beside ${ADIT##*/}"
	# Elsewhere loopback has one address.
	need_linux
}

# start USER: a web server, and the daemon.
start() {
	local status lines=()

	peer_start web server -a "$WEB" head send \
	    'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nthe web server'
	echo '{errno} for {clientip}' >"$DIR/error.html"
	echo '{reqs} requests' >"$DIR/stats.html"
	echo '\.ads\.example$' >"$DIR/filter"
	chmod 644 "$DIR"/*.html "$DIR/filter"
	for status in 400 403 501 502; do
		lines+=("ErrorFile $status \"$DIR/error.html\"")
	done
	adit_daemon "User $1" "Listen $PROXY" "Timeout 600" \
	    "StatHost \"$STATS\"" "StatFile \"$DIR/stats.html\"" \
	    "DefaultErrorFile \"$DIR/error.html\"" "${lines[@]}" \
	    "Logfile \"$DIR/tinyproxy.log\"" "LogLevel Info" \
	    "MaxClients 100" "Allow 127.0.0.0/8" "ViaProxyName \"tinyproxy\"" \
	    "ConnectPort 443" "ConnectPort 563" "Filter \"$DIR/filter\"" \
	    "XTinyproxy Yes" 'AddHeader "X-First" "a b"' \
	    'AddHeader "X-Second" "c"' 'AddHeader "X-Third" "d"' \
	    'Upstream http 255.255.255.255:65535 ".invalid"'
	[ "$(ps -o comm= -p "$ADIT_PID")" = tinyproxy ]
}

# ask LINE: sends a request with this line, as a simple client does, and prints
# the answer.
ask() {
	"$PEER" client -b 127.0.0.1 "$PROXY" "$PORT" \
	    send "$1 HTTP/1.0\r\nHost: x\r\n\r\n" print
}

# answers STATUS TEXT LINE: the answer has this status, and this text at its
# end.
answers() {
	local answer

	answer=$(ask "$3")
	[[ $answer == HTTP/1.?" $1 "* && $answer == *"$2" ]] || {
		printf '%s:\n%s\n' "$3" "$answer"
		return 1
	}
}

# basics: asks the web server directly and through the proxy, and asks for the
# statistics.
basics() {
	"$PEER" client "$WEB" "$web_PORT" send 'GET / HTTP/1.0\r\n\r\n' \
	    skip 'the web server' eof
	answers 200 'the web server' "GET http://$WEB:$web_PORT/"
	answers 200 ' requests' "GET http://$STATS"
}

# suite USER: runs all ten checks.
suite() {
	start "$1"
	basics
	kill -HUP "$ADIT_PID"
	# At once, and when the new configuration is in force.
	basics
	wait_for grep -q "Reloading config file finished" "$DIR/tinyproxy.log"
	basics
	answers 400 '400 for 127.0.0.1' "BIG FART http://$WEB:$web_PORT"
	answers 403 '403 for 127.0.0.1' 'GET http://some.ads.example/'
	answers 403 '403 for 127.0.0.1' 'CONNECT localhost:12345'
	answers 502 '502 for 127.0.0.1' 'GET http://bogus.invalid'
	adit_stop
	[ ! -e "$DIR/pid" ]
}

@test "tinyproxy: under that name and with its user it passes the ten checks of tinyproxy's tests" {
	suite "$(id -un)"
}

@test "tinyproxy: started by root for an ordinary user it passes the same ten checks" {
	need_root
	suite "${ADIT_TEST_USER:-nobody}"
}

@test "tinyproxy: servers get the fields that its tests configure" {
	start "${ADIT_TEST_USER:-nobody}"
	answers 200 'the web server' "GET http://$WEB:$web_PORT/"
	tr -d '\r' <"$DIR/web.out" >"$DIR/got"
	grep -qx 'X-Tinyproxy: 127.0.0.1' "$DIR/got"
	grep -qx 'X-First: a b' "$DIR/got"
	grep -qx 'X-Second: c' "$DIR/got"
	grep -qx 'X-Third: d' "$DIR/got"
	grep -q '^Via: 1\.0 tinyproxy' "$DIR/got"
	adit_stop
}

# sent: prints how many packets have been sent to the network.
sent() {
	"${INSIDE[@]}" ip -s link show wire |
		awk '/TX:/ { getline; print $2 }'
}

@test "tinyproxy: a parent at 255.255.255.255 sends no packet to the network" {
	network
	# A route for all packets, and no other program that sends any.
	"${INSIDE[@]}" sh -c 'ip link add wire type veth peer name far &&
	    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 &&
	    ip link set far up && ip link set wire up &&
	    ip addr add 192.0.2.1/24 dev wire &&
	    ip route add default via 192.0.2.2' 2>"$DIR/wire.err" ||
		skip "needs veth ($(cat "$DIR/wire.err"))"
	ADIT_WRAP=()
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${INSIDE[*]}" "$ADIT" \
	    >"$DIR/tinyproxy"
	chmod +x "$DIR/tinyproxy"
	ADIT=$DIR/tinyproxy
	start "${ADIT_TEST_USER:-nobody}"
	before=$(sent)
	answers 502 '502 for 127.0.0.1' 'GET http://bogus.invalid'
	answers 502 '502 for 127.0.0.1' 'CONNECT bogus.invalid:443'
	[ "$(sent)" = "$before" ]
	adit_stop
	# Packets to any other address are counted.
	"$PEER" client -t 1 198.51.100.1 443 || true
	[ "$(sent)" -gt "$before" ]
}
