#!/usr/bin/env bats
# Load balancers in front: ListenProxy, ProxyFrom and SendProxy.

load helper

SIG='\r\n\r\n\x00\r\nQUIT\n'
V1='PROXY TCP4 198.51.100.7 192.0.2.1 12345 443\r\n'
V2="$SIG"'\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x01\x30\x39\x01\xbb'
# The bytes of a check of Amazon's Network Load Balancer.
AWS="$SIG"'\x20\x11\x00\x54\x03\x00\x04\xbc\xe5\x95\x1f\x04\x00\x4a'
printf -v ZEROS '\\x00%.0s' {1..74}
AWS+=$ZEROS
STATS='GET http://tinyproxy.stats/ HTTP/1.0\r\n\r\n'

# front LINE...: adit with a Listen and a ListenProxy for 127.0.0.1, and a
# server at srv_PORT that clients in 198.51.100.0/24 may reach.
front() {
	peer_start srv server echo
	port_take
	FRONT=$FREE_PORT
	adit_start "Listen 127.0.0.1" "ListenProxy 127.0.0.1 $FRONT" \
	    "ProxyFrom 127.0.0.1" "Allow 198.51.100.0/24" "Allow 127.0.0.0/8" \
	    "AllowTo 127.0.0.1" "AccessLog \"$DIR/access\"" "$@"
}

# balancer [-o VALUE] ACTION...: a connection to the ListenProxy.
balancer() {
	local options=()

	while [ "${1#-}" != "$1" ]; do
		options+=("$1" "$2")
		shift 2
	done
	"$PEER" client "${options[@]}" 127.0.0.1 "$FRONT" "$@"
}

# carries BYTES: a tunnel works after these bytes.
carries() {
	balancer send "$1" tunnel "127.0.0.1:$srv_PORT" rtt 2 100 shut eof
}

# resets BYTES: the connection is reset after these bytes.
resets() {
	balancer send "$1" reset
}

# reload: sends HUP, and waits until the reload has finished.
reload() {
	local n

	n=$(log_count 'Reloading config file finished')
	kill -HUP "$ADIT_PID"
	wait_for reloaded $((n + 1))
}

reloaded() {
	[ "$(log_count 'Reloading config file finished')" = "$1" ]
}

@test "proxied: the client in a header of either version counts for rules, logs and what is passed on" {
	front "XTinyproxy yes" "DenyTo * client 198.51.100.8"
	carries "$V1"
	wait_for access_lines 1
	grep -q '^[^ ]* 198\.51\.100\.7 - 127\.0\.0\.1:' "$DIR/access"
	log_wait 'Connect \(file descriptor [0-9]+\): 198\.51\.100\.7 via 127\.0\.0\.1$'
	carries "$V2"
	wait_for access_lines 2
	[ "$(grep -c ' 198\.51\.100\.7 - ' "$DIR/access")" = 2 ]
	# Not in an Allow.
	balancer send 'PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\nCONNECT 127.0.0.1:1 HTTP/1.0\r\n\r\n' refused 403
	log_wait 'Unauthorized connection from "203\.0\.113\.7"'
	# On a Listen a header is no request, and has no effect.
	client send "${V1}CONNECT 127.0.0.1:1 HTTP/1.0\r\n\r\n" refused 400
	wait_for access_lines 4
	[ "$(tail -n 1 "$DIR/access" | cut -d ' ' -f 2)" = 127.0.0.1 ]
}

@test "proxied: a header that comes byte by byte, with the request or before it, is read" {
	local i bytes

	front
	balancer send "${V1}CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 5 shut eof
	bytes=()
	for ((i = 0; i < 28; i++)); do
		bytes+=(send "$(printf '%b' "$V2" | od -An -v -tx1 |
			tr -d ' \n' | cut -c $((2 * i + 1))-$((2 * i + 2)) |
			sed 's/^/\\x/')" pause 1)
	done
	balancer "${bytes[@]}" tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "proxied: clients that a load balancer must not name, bad headers and strangers are reset" {
	local header

	front
	for header in 'PROXY UNKNOWN\r\n' \
	    'PROXY TCP4 127.0.0.1 192.0.2.1 1 2\r\n' \
	    'PROXY TCP6 fe80::1 2001:db8::1 1 2\r\n' \
	    'PROXY TCP6 ::ffff:127.0.0.1 ::1 1 2\r\n' \
	    'PROXY TCP4 198.51.100.7 192.0.2.1 1\r\n' \
	    'GET / HTTP/1.1\r\n\r\n' "$SIG"'\x21\x31\x00\xd8' \
	    "$SIG"'\x21\x00\x00\x00' "$SIG"'\x21\x11\xff\xff'; do
		resets "$header"
	done
	log_wait 'Refused a connection of'
	[ "$(log_count 'Refused a connection of "127\.0\.0\.1" to ListenProxy: ')" = 1 ]
	balancer send "${V1}${V1}CONNECT 127.0.0.1:1 HTTP/1.0\r\n\r\n" refused 400
	# A port of this machine, from an address that is not trusted.
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$FRONT" send "$V1" reset
	# Nobody but the doubled header has left a line.
	wait_for access_lines 1
}

@test "proxied: a connection without a whole header is not kept, and silence leaves no line" {
	front "HeaderTimeout 1"
	balancer send 'PROXY TCP4' reset
	log_wait 'its PROXY header did not come in time'
	balancer shut
	[ ! -s "$DIR/access" ]
}

@test "proxied: a load balancer that speaks for itself may see the statistics and nothing else" {
	front 'HealthPath "/healthz"' "Deny 127.0.0.1"
	balancer send "$AWS"'GET /healthz HTTP/1.0\r\n\r\n' refused 200
	balancer send "$AWS$STATS" expect 'HTTP/1.1 200 OK\r\n'
	balancer send "$SIG"'\x20\x00\x00\x00'"CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 403
	balancer send "$SIG"'\x20\x00\x00\x00GET http://127.0.0.1/ HTTP/1.0\r\n\r\n' refused 403
	balancer send "$SIG"'\x20\x00\x00\x00' shut eof
	log_wait 'Refused a request of the load balancer itself'
	wait_for access_lines 3
}

@test "proxied: the limits for one client are for the one in the header" {
	front "MaxClientsPerHost 1"
	"$PEER" client 127.0.0.1 "$FRONT" send "$V1" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up wait "$DIR/go" shut eof \
	    >"$DIR/first.out" 2>"$DIR/first.err" 3>&- &
	own_pid $!
	wait_for grep -q up "$DIR/first.out"
	balancer send "${V1}CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 503
	carries 'PROXY TCP4 198.51.100.8 192.0.2.1 1 2\r\n'
	touch "$DIR/go"
}

@test "proxied: a reload turns a Listen into a ListenProxy and back" {
	peer_start srv server echo
	adit_start "AllowTo 127.0.0.1" "Allow 127.0.0.0/8" \
	    "Allow 198.51.100.7" "ProxyFrom 127.0.0.1"
	FRONT=$PORT
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	sed -i 's/^Listen /ListenProxy /' "$CONF"
	reload
	carries "$V1"
	resets 'CONNECT 127.0.0.1:1 HTTP/1.0\r\n\r\n'
	sed -i 's/^ListenProxy /Listen /' "$CONF"
	reload
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	client send "$V1" refused 400
}

@test "proxied: a socket of the service manager that is named proxy wants the header" {
	local manager=("$BUILD/manager" -o "$DIR/notes")

	peer_start srv server echo
	ADIT_WRAP=("${manager[@]}" -l 127.0.0.1 -l 127.0.0.1 -n web:proxy)
	adit_start "AllowTo 127.0.0.1" "Allow 127.0.0.0/8" \
	    "Allow 198.51.100.7" "ProxyFrom 127.0.0.1"
	FRONT=$(sed -n 's/^port //p' "$DIR/notes" | sed -n 2p)
	carries "$V1"
	resets 'GET / HTTP/1.0\r\n\r\n'
}

@test "proxied: a file with ListenProxy says whom to believe, and -t explains it" {
	local out

	printf '%s\n' "Port 8888" "ListenProxy 127.0.0.1" "ConnectPort 443" \
	    "Listen 127.0.0.1" >"$CONF"
	fails "$ADIT" -t -c "$CONF" >"$DIR/out" 2>&1
	grep -q ':2: ListenProxy: there is no ProxyFrom, ' "$DIR/out"
	grep -q ':4: Listen: 127.0.0.1 is already covered' "$DIR/out"
	printf '%s\n' "Port 8888" "User nobody" "ListenProxy 127.0.0.1 8889" "ConnectPort 443" \
	    "Listen 127.0.0.1" "ProxyFrom 10.0.0.0/24" "Allow 192.0.2.0/24" \
	    >"$CONF"
	"$ADIT" -T -c "$CONF" >"$DIR/out"
	grep -qx 'ListenProxy 127.0.0.1 8889' "$DIR/out"
	grep -qx 'Listen 127.0.0.1' "$DIR/out"
	grep -qx 'ProxyFrom 10.0.0.0/24' "$DIR/out"
	out=$("$ADIT" -t -c "$CONF" 192.0.2.7@10.0.0.5 - 8.8.8.8:443)
	[[ $out = *'sender 10.0.0.5: trusted by line 6: ProxyFrom 10.0.0.0/24'* ]]
	[[ $out = *'client 192.0.2.7: allowed by line 7'* ]]
	out=$("$ADIT" -t -c "$CONF" 192.0.2.7@10.1.0.5 - 8.8.8.8:443) || true
	[[ $out = *'answer: none, the connection is reset'* ]]
	out=$("$ADIT" -t -c "$CONF" 127.0.0.1@10.0.0.5 - 8.8.8.8:443) || true
	[[ $out = *'no client of a load balancer has this address'* ]]
}

@test "proxied: a parent gets a header in one write with the CONNECT, and before a plain request" {
	local answer='HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

	peer_start UP server expect 'PROXY TCP4 127.0.0.1 127.0.0.1 ' head \
	    send 'HTTP/1.1 200 OK\r\n\r\n' echo
	adit_start "Upstream http 127.0.0.1:$UP_PORT" \
	    "SendProxy v1 127.0.0.1:$UP_PORT"
	client tunnel some.example:443 rtt 1 5 shut eof
	adit_stop
	peer_start UP2 server expect "$SIG"'\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01' \
	    head send "$answer" eof
	adit_start "Upstream http 127.0.0.1:$UP2_PORT" \
	    "SendProxy v2 127.0.0.1:$UP2_PORT"
	client send 'GET http://some.example/ HTTP/1.0\r\n\r\n' \
	    expect 'HTTP/1.1 200 OK\r\n'
	printf '%s\n' "Port 8888" "Upstream http 10.0.0.1:8888" \
	    "SendProxy v2 10.0.0.1:8889" >"$CONF"
	fails "$ADIT" -t -c "$CONF" >"$DIR/out" 2>&1
	grep -q ':3: SendProxy: no Upstream has this host and port' "$DIR/out"
}
