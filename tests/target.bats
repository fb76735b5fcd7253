#!/usr/bin/env bats
# Which clients may connect where: AllowTo and DenyTo, by user and by client,
# and tricks that have got around such rules elsewhere.

load helper

# as USER: the field with this user's credentials; the password is pw.
as() {
	printf 'Proxy-Authorization: Basic %s' "$(printf '%s:pw' "$1" | base64)"
}

# goes USER TARGET [CLIENT-OPTION...]: this user (- is none) gets a tunnel to
# an echo server.
goes() {
	local user=$1 target=$2

	shift 2
	"$PEER" client "$@" 127.0.0.1 "$PORT" \
	    send "$(request "$user" "$target")" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' \
	    rtt 1 5 shut eof || {
		echo "refused: $user $target $*"
		return 1
	}
}

# stays USER TARGET [CLIENT-OPTION...]: this user gets 403.
stays() {
	local user=$1 target=$2

	shift 2
	"$PEER" client "$@" 127.0.0.1 "$PORT" \
	    send "$(request "$user" "$target")" refused 403 >"$DIR/reply" || {
		echo "not refused: $user $target $*"
		return 1
	}
}

request() {
	printf '%s' "CONNECT $2 HTTP/1.1\\r\\n"
	[ "$1" = - ] || printf '%s' "$(as "$1")\\r\\n"
	printf '%s' '\r\n'
}

# refused STATUS TARGET [FIELD]
refused() {
	client send "CONNECT $2 HTTP/1.1\r\n${3:+$3\r\n}\r\n" refused "$1" \
	    >"$DIR/reply" || {
		echo "not refused with $1: $2"
		return 1
	}
}

@test "target: a rule for some users lets only these through" {
	peer_start srv server echo
	adit_start "BasicAuth alice pw" "BasicAuth bob pw" "BasicAuth al pw" \
	    "AllowTo 127.0.0.0/8:$srv_PORT user alice bob"
	goes alice "127.0.0.1:$srv_PORT"
	goes bob "127.0.0.1:$srv_PORT"
	stays al "127.0.0.1:$srv_PORT"
	stays alice 127.0.0.1:1
	# If no rule for the name matches, it is refused at once.
	stays al no-such-name.invalid:1
	grep -qi 'error=http_request_denied' "$DIR/reply"
}

@test "target: a DenyTo for one user does not affect the others, and the log names its line" {
	local line

	peer_start srv server echo
	adit_start "BasicAuth alice pw" "BasicAuth bob pw" \
	    "DenyTo 127.0.0.1:$srv_PORT user bob"
	line=$(grep -n '^DenyTo' "$CONF" | cut -d : -f 1)
	goes alice "127.0.0.1:$srv_PORT"
	stays bob "127.0.0.1:$srv_PORT"
	log_wait "Refused address of 127.0.0.1:$srv_PORT: line $line of "
}

@test "target: a rule for some clients holds only for these" {
	peer_start srv server echo
	adit_start "DenyTo * client 127.0.1.0/25 ::1" \
	    "AllowTo 127.0.0.1:$srv_PORT client 127.0.0.0/8"
	goes - "127.0.0.1:$srv_PORT"
	goes - "127.0.0.1:$srv_PORT" -b 127.0.1.128
	stays - "127.0.0.1:$srv_PORT" -b 127.0.1.127
	stays - "127.0.0.1:$srv_PORT" -b 127.0.1.1
}

@test "target: a rule for users and clients needs both to match" {
	peer_start srv server echo
	adit_start "BasicAuth alice pw" "BasicAuth bob pw" \
	    "AllowTo *:$srv_PORT user alice client 127.0.2.0/24 127.0.3.3"
	goes alice "127.0.0.1:$srv_PORT" -b 127.0.2.9
	goes alice "127.0.0.1:$srv_PORT" -b 127.0.3.3
	stays alice "127.0.0.1:$srv_PORT"
	stays alice "127.0.0.1:$srv_PORT" -b 127.0.3.4
	stays bob "127.0.0.1:$srv_PORT" -b 127.0.2.9
}

@test "target: a reload with a rule for a user who does not exist keeps the old rules" {
	peer_start srv server echo
	adit_start "BasicAuth alice pw" "AllowTo *:$srv_PORT user alice"
	echo "AllowTo * user alcie" >>"$CONF"
	stderr_expected 'AllowTo'
	kill -HUP "$ADIT_PID"
	wait_for grep -q 'AllowTo: there is no user "alcie"' "$LOG" "$STDERR"
	goes alice "127.0.0.1:$srv_PORT"
	stays alice 127.0.0.1:1
}

@test "target: no name server is asked for a name that this user may not reach" {
	name_server inside.test=127.0.0.1 other.test=127.0.0.1
	peer_start srv server echo
	adit_start "BasicAuth alice pw" "BasicAuth bob pw" \
	    "AllowTo 127.0.0.0/8 user alice" \
	    "AllowTo 127.0.0.0/8:1 user bob" "AllowTo right.test user bob"
	stays bob "secret-of-bob.test:$srv_PORT"
	grep -qi 'error=http_request_denied' "$DIR/reply"
	goes alice "inside.test:$srv_PORT"
	grep -q '^inside.test ' "$DIR/dns.out"
	fails grep -q secret-of-bob "$DIR/dns.out"
}

@test "target: with DistrustLoopback the machine behind stunnel or ssh -R is no target" {
	peer_start srv server echo
	adit_start "DistrustLoopback yes"
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 403 >"$DIR/reply"
	grep -qi '^proxy-status:.*destination_ip_prohibited' "$DIR/reply"
	client send "GET http://localhost:$srv_PORT/ HTTP/1.0\r\n\r\n" \
	    refused 403 >"$DIR/reply"
	echo "AllowTo 127.0.0.1:$srv_PORT" >>"$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "target: a rule that lifts a floor lifts it only for its users and clients" {
	local own

	own=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -vE '^127|:' |
		grep -m 1 .) || skip "this machine has no address but loopback"
	PORT=$(free_port)
	peer_start srv server echo
	adit_start "Port $PORT" "Listen $own" "Allow $own" \
	    "BasicAuth alice pw" "BasicAuth bob pw" \
	    "AllowTo 127.0.0.1:$srv_PORT user alice" "AllowTo *"
	"$PEER" client "$own" "$PORT" \
	    send "$(request alice "127.0.0.1:$srv_PORT")" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 5
	"$PEER" client "$own" "$PORT" \
	    send "$(request bob "127.0.0.1:$srv_PORT")" refused 403 \
	    >"$DIR/reply"
	grep -qi 'error=destination_ip_prohibited' "$DIR/reply"
}

@test "target: an AllowTo that matches no real target allows nothing" {
	peer_start srv server echo
	adit_start "AllowTo nowhere.invalid"
	refused 403 "127.0.0.1:$srv_PORT"
	refused 403 "localhost:$srv_PORT"
	refused 403 "[::1]:$srv_PORT"
}

@test "target: no other spelling of a name gets past its DenyTo" {
	local target

	peer_start srv server echo
	adit_start "DenyTo localhost"
	for target in localhost LOCALHOST LocalHost localhost. LOCALHOST.; do
		refused 403 "$target:$srv_PORT"
	done
	for target in '[localhost]' 'localhost..' '.localhost' 'localhost%00' \
	    'localhost%20' ' localhost' 'localhost\0' 'localhost\t' \
	    'u:p@localhost' 'http://localhost' 'localhost:1'; do
		refused 400 "$target:$srv_PORT"
	done
	goes - "127.0.0.1:$srv_PORT"
}

@test "target: no other spelling of an address gets past its DenyTo" {
	local target

	peer_start srv server echo
	adit_start "DenyTo 127.0.0.1" "DenyTo ::1"
	for target in 127.0.0.1 '[::ffff:127.0.0.1]' '[::ffff:7f00:1]' \
	    '[0:0:0:0:0:FFFF:7F00:0001]' '[::127.0.0.1]' '[::ffff:0:7f00:1]' \
	    '[64:ff9b::7f00:1]' '[2002:7f00:1::]' '[fd00::5efe:127.0.0.1]' \
	    '[2001:0:c000:201:8000:63bf:80ff:fffe]' '[::1]' \
	    '[0:0:0:0:0:0:0:1]' ::1; do
		refused 403 "$target:$srv_PORT"
	done
	for target in 127.0.0.1. 127.1 2130706433 0177.0.0.1 127.0.0.01 127.0.0.010 \
	    0x7f.1 0x7f000001 0 1.2.3.4.5 256.1.1.1 '[127.0.0.1]' \
	    '[::1%25.example.com]' '[::1%lo]' '[::1' '::1]'; do
		refused 400 "$target:$srv_PORT"
	done
}

@test "target: Host opens nothing" {
	peer_start srv server echo
	adit_start "DenyTo localhost" "AllowTo other.test" \
	    "AllowTo 127.0.0.2:$srv_PORT"
	refused 403 "localhost:$srv_PORT" "Host: other.test:$srv_PORT"
	refused 403 "127.0.0.1:$srv_PORT" "Host: 127.0.0.2:$srv_PORT"
	refused 403 "127.0.0.1:$srv_PORT" "Host: other.test"
}

@test "target: of a name with allowed and refused addresses only the allowed ones are connected to" {
	local i

	name_server mixed.test=127.0.0.8,127.0.0.9,127.0.0.1 \
	    bad.test=127.0.0.8,127.0.0.9
	peer_start srv server -p "$(free_port)" echo
	peer_start trap8 server -a 127.0.0.8 -p "$srv_PORT" touch "$DIR/trap" hold
	peer_start trap9 server -a 127.0.0.9 -p "$srv_PORT" touch "$DIR/trap" hold
	adit_start "DenyTo 127.0.0.8/31" "AccessLog \"$DIR/access\""
	for i in 1 2 3; do
		goes - "mixed.test:$srv_PORT"
	done
	refused 403 "bad.test:$srv_PORT"
	grep -qi 'error=destination_ip_prohibited' "$DIR/reply"
	wait_for grep -q 'bad.test' "$DIR/access"
	[ "$(grep -c " mixed.test:$srv_PORT 127.0.0.1:$srv_PORT 200/" \
	    "$DIR/access")" = 3 ]
	fails test -e "$DIR/trap"
}

@test "target: a name that changes its address after the verdict does not get past the rules" {
	local i

	# An allowed address for the first question, a refused one for the next.
	name_server "*.flip.test/=127.0.0.1,127.0.0.9"
	peer_start srv server -p "$(free_port)" echo
	peer_start trap server -a 127.0.0.9 -p "$srv_PORT" touch "$DIR/trap" hold
	adit_start "DenyTo 127.0.0.9" "AllowTo .flip.test" \
	    "AccessLog \"$DIR/access\""
	for i in 1 2 3 4 5 6 7 8; do
		client send "CONNECT $i.flip.test:$srv_PORT HTTP/1.1\r\n\r\n" \
		    head >>"$DIR/replies"
	done
	[ "$(grep -c '^HTTP/1.1 200 ' "$DIR/replies")" = 4 ]
	[ "$(grep -c '^HTTP/1.1 403 ' "$DIR/replies")" = 4 ]
	# Each was asked for once.
	[ "$(grep -c 'flip.test 1$' "$DIR/dns.out")" = 8 ]
	fails test -e "$DIR/trap"
}

@test "target: bytes after a request that ends with 504 are never read as a request" {
	need_linux
	peer_start srv server echo
	peer_start FULL full
	adit_start "ConnectTimeout 1"
	client send "$(request - "127.0.0.1:$FULL_PORT")$(request - \
	    "127.0.0.1:$srv_PORT")" refused 504
	[ "$(log_count 'Request .*: CONNECT')" = 1 ]
	fails log_has 'Established connection'
}

# space: from here on adit and clients run in a network namespace that has two
# addresses besides loopback, and names for them.
space() {
	namespaces "192.0.2.1 proxy.test" "2001:db8::1 six.test"
	need_command nsenter ip
	unshare -n true || skip "needs network namespaces"
	unshare -n sh -c 'ip link set lo up && ip addr add 192.0.2.1/32 dev lo &&
		ip addr add 192.0.2.2/32 dev lo &&
		{ ip addr add 2001:db8::1/128 dev lo nodad || echo no six; } &&
		echo ready && exec sleep 1000' >"$DIR/space" 2>&1 3>&- &
	SPACE=$!
	own_pid $SPACE
	wait_for grep -q ready "$DIR/space"
	ADIT_WRAP=(nsenter -t "$SPACE" -n -- "${ADIT_WRAP[@]}")
	PEER_HERE=$PEER
	peer_there() { nsenter -t "$SPACE" -n -- "$PEER_HERE" "$@"; }
	PEER=peer_there
}

# space_start LINE...: adit with only these lines, a port and a user.
space_start() {
	PORT=8888
	printf '%s\n' "Port $PORT" "User ${ADIT_TEST_USER:-nobody}" "$@" \
	    >"$CONF"
	: >"$LOG"
	adit_launch
	adit_ready
}

@test "target: the proxy cannot be reached by any address of its machine, or any name" {
	local target

	space
	space_start "AllowTo 127.0.0.1" "AllowTo ::1" "AllowTo *"
	for target in 127.0.0.1 127.0.0.2 127.255.255.254 0.0.0.0 192.0.2.1 \
	    192.0.2.2 '[::ffff:192.0.2.1]' '[::ffff:127.0.0.1]' '[::1]' \
	    '[::]' localhost proxy.test PROXY.test.; do
		refused 403 "$target:$PORT"
		grep -qi 'error=destination_ip_prohibited' "$DIR/reply"
	done
	if ! grep -q 'no six' "$DIR/space"; then
		refused 403 "[2001:db8::1]:$PORT"
		refused 403 "six.test:$PORT"
	fi
	# Other machines and other ports are ordinary targets.
	refused 502 "192.0.2.1:1"
	refused 502 "192.0.2.9:$PORT"
	PEER=$PEER_HERE
}

@test "target: a proxy on one address cannot be reached there; other addresses are not refused" {
	local target

	space
	space_start "Listen 192.0.2.1" "AllowTo 192.0.2.1:8888" "AllowTo *"
	for target in 192.0.2.1 '[::ffff:192.0.2.1]' '[::ffff:c000:201]' \
	    proxy.test; do
		"$PEER" client 192.0.2.1 "$PORT" \
		    send "CONNECT $target:$PORT HTTP/1.1\r\n\r\n" refused 403
	done
	"$PEER" client 192.0.2.1 "$PORT" \
	    send "CONNECT 192.0.2.2:$PORT HTTP/1.1\r\n\r\n" refused 502
	PEER=$PEER_HERE
}
