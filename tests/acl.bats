#!/usr/bin/env bats
# Which clients may use the proxy (Allow, Deny), and for what (ConnectPort,
# floors).

load helper

# from ADDRESS ACTION...: a client that has this address.
from() {
	local address=$1

	shift
	"$PEER" client -b "$address" 127.0.0.1 "$PORT" "$@"
}

# allowed ADDRESS...: clients with these addresses get a tunnel.
allowed() {
	local address

	for address; do
		if ! from "$address" tunnel "127.0.0.1:$srv_PORT" rtt 1 5 \
		    shut eof; then
			echo "not allowed: $address"
			return 1
		fi
	done
}

# denied ADDRESS...: clients with these addresses get 403 before they send
# anything.
denied() {
	local address

	for address; do
		if ! from "$address" refused 403 >"$DIR/reply"; then
			echo "not denied: $address"
			return 1
		fi
	done
}

# acl_start LINE...: adit with these rules, and an echo server.
acl_start() {
	peer_start srv server echo
	adit_start "$@"
}

# target_refused STATUS TARGET...
target_refused() {
	local status=$1 target

	shift
	for target; do
		if ! client send "CONNECT $target HTTP/1.1\r\n\r\n" \
		    refused "$status" >"$DIR/reply"; then
			echo "not refused with $status: $target"
			return 1
		fi
	done
}

@test "acl: without any rule every client is served" {
	acl_start
	adit_stop
	sed -i.bak '/^Allow/d' "$CONF"
	: >"$LOG"
	adit_launch
	adit_ready
	allowed 127.0.0.1 127.9.8.7
}

@test "acl: if there is a rule, a client that no rule allows is refused" {
	acl_start "Allow 127.0.0.1"
	allowed 127.0.0.1
	denied 127.0.0.2 127.1.0.1
	log_wait '^INFO .*: Refused client 127\.1\.0\.1: no rule matches \(file descriptor [0-9]+\)$'
}

@test "acl: if all rules are Deny, every client is refused" {
	acl_start "Deny 127.0.0.9"
	denied 127.0.0.1 127.0.0.9
}

@test "acl: rules are tried in the order of the file, and the first that matches decides" {
	acl_start "Deny 127.1.2.3" "Allow 127.1.0.0/16" "Deny 127.0.0.0/8" \
	    "Allow 0.0.0.0/0"
	allowed 127.1.2.4 127.1.0.0 127.1.255.254
	denied 127.1.2.3 127.0.0.1 127.2.0.0
}

@test "acl: a block matches exactly the addresses of its prefix" {
	acl_start "Allow 127.0.1.128/25" "Allow 127.0.3.77/32" \
	    "Allow 127.0.4.200/30"
	allowed 127.0.1.128 127.0.1.255 127.0.3.77 127.0.4.200 127.0.4.203
	denied 127.0.1.127 127.0.2.0 127.0.3.76 127.0.3.78 127.0.4.199 \
	    127.0.4.204 127.0.0.1
}

@test "acl: an IPv4 rule matches an IPv4 client on a socket for both families" {
	acl_start "Listen 0.0.0.0" "Listen ::" "Deny 127.0.0.9" \
	    "Allow ::ffff:127.0.0.1" "Allow 127.0.0.2" "Allow ::1"
	allowed 127.0.0.1 127.0.0.2
	denied 127.0.0.9 127.0.0.3
}

@test "acl: IPv6 clients have rules of their own" {
	need_ipv6
	acl_start "Listen ::1" "Allow ::/127"
	"$PEER" client ::1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	adit_stop
	: >"$LOG"
	adit_start "Listen ::1" "Allow ::2" "Allow ::/128" "Allow 0.0.0.0/0" \
	    "Allow ::1.0.0.0/120"
	"$PEER" client ::1 "$PORT" refused 403
}

@test "acl: a denied client gets its reply at once, however little or much it sends" {
	local line

	acl_start "Deny 127.0.0.9" "Allow 127.0.0.0/8"
	from 127.0.0.9 refused 403 >"$DIR/reply"
	grep -qi '^Proxy-Status: adit; error=http_request_denied' "$DIR/reply"
	from 127.0.0.9 send C refused 403
	from 127.0.0.9 send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 403
	from 127.0.0.9 send "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n" \
	    refused 403
	from 127.0.0.9 send '\0\0\0' refused 403
	from 127.0.0.9 shut refused 403
	log_wait '^NOTICE .*: Unauthorized connection from "127\.0\.0\.9"\.$'
	line=$(grep -n '^Deny' "$CONF" | cut -d : -f 1)
	log_wait "^INFO .*: Refused client 127\\.0\\.0\\.9: line $line of $CONF \\(file descriptor [0-9]+\\)\$"
	fails log_has 'Established connection'
}

@test "acl: denied clients that do not close do not keep other clients out" {
	local i

	acl_start "Deny 127.0.0.9" "Allow 127.0.0.0/8" "Workers 1"
	for i in 1 2 3 4 5 6 7 8; do
		client_start "bad$i" -b 127.0.0.9 -n 20 127.0.0.1 "$PORT" hold
	done
	allowed 127.0.0.1 127.0.0.1 127.0.0.1
}

@test "acl: Allow with a name allows the addresses of that name" {
	acl_start "Allow LocalHost"
	allowed 127.0.0.1
	denied 127.0.0.9
}

@test "acl: Deny with a name denies the addresses of that name" {
	local line

	acl_start "Deny localhost" "Allow 127.0.0.0/8"
	denied 127.0.0.1
	line=$(grep -n '^Deny' "$CONF" | cut -d : -f 1)
	log_wait "^INFO .*: Refused client 127\\.0\\.0\\.1: line $line of $CONF \\(file descriptor [0-9]+\\)\$"
	allowed 127.0.0.9
}

@test "acl: a name after a rule that matches is not looked up" {
	acl_start "Allow 127.0.0.1" "Deny localhost"
	allowed 127.0.0.1
	denied 127.0.0.9
}

@test "acl: a name that does not resolve allows no client" {
	acl_start "Allow no-such-name.invalid" "Allow 127.0.0.8"
	denied 127.0.0.1
	allowed 127.0.0.8
}

@test "acl: a suffix allows only names that have a dot before it" {
	local host

	host=$(getent hosts 127.0.0.1 | awk '{ print $2; exit }')
	[ "$host" = localhost ] || skip "127.0.0.1 is not localhost here"
	acl_start "Allow .localhost" "Allow ocalhost" "Allow .ocalhost" \
	    "Allow local" "Allow host" "Allow .host"
	denied 127.0.0.1
}

@test "acl: a client may send its request while its name is looked up" {
	acl_start "Allow localhost"
	from 127.0.0.1 \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\nearly" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\nearly' shut eof
	from 127.0.0.1 drip 1 "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 1
}

@test "acl: only the ports that ConnectPort names are reached" {
	peer_start srv server echo
	peer_start other server echo
	adit_start "ConnectPort 443" "ConnectPort $srv_PORT"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	client tunnel "localhost:$srv_PORT" rtt 1 5
	target_refused 403 "127.0.0.1:$other_PORT" "localhost:$other_PORT" \
	    127.0.0.1:22 127.0.0.1:25 "[::1]:$other_PORT" "::1:$other_PORT" \
	    127.0.0.1:1 127.0.0.1:65535 no-such-name.invalid:25
	grep -qi '^Proxy-Status: adit; error=http_request_denied' "$DIR/reply"
	log_wait "^INFO .*: Refused CONNECT method on port $other_PORT \\(file descriptor [0-9]+, client 127\\.0\\.0\\.1\\)\$"
}

@test "acl: another spelling of an allowed port is malformed" {
	acl_start "ConnectPort 443"
	target_refused 400 127.0.0.1:65979 127.0.0.1:4294967739 \
	    127.0.0.1:0443 127.0.0.1:+443 127.0.0.1:443x 127.0.0.1: \
	    127.0.0.1:443:443 127.0.0.1:-65093
}

@test "acl: ConnectPort 0 as the only line allows no CONNECT" {
	acl_start "ConnectPort 0"
	target_refused 403 "127.0.0.1:$srv_PORT" 127.0.0.1:443 127.0.0.1:65535
	target_refused 400 127.0.0.1:0
}

@test "acl: without ConnectPort every port is reached" {
	acl_start
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	target_refused 502 127.0.0.1:1
}

@test "acl: no client reaches the unspecified address, broadcast or multicast" {
	local target

	acl_start
	target_refused 403 "0.0.0.0:$srv_PORT" "255.255.255.255:$srv_PORT" \
	    "224.0.0.1:$srv_PORT" "239.1.2.3:$srv_PORT" "[::]:$srv_PORT" \
	    ":::$srv_PORT" "[ff02::1]:$srv_PORT" "[::ffff:0.0.0.0]:$srv_PORT" \
	    "[::ffff:224.0.0.1]:$srv_PORT" "[64:ff9b::0.0.0.0]:$srv_PORT" \
	    "[2002:e000:1::]:$srv_PORT" "0.0.0.1:$srv_PORT"
	grep -qi '^Proxy-Status: adit; error=destination_ip_prohibited' \
	    "$DIR/reply"
}

@test "acl: the sockets of the proxy cannot be reached, by any address or name" {
	PORT=$(free_port)
	acl_start "Port $PORT" "Listen 127.0.0.1" "Listen 127.0.0.7"
	target_refused 403 "127.0.0.1:$PORT" "127.0.0.7:$PORT" \
	    "localhost:$PORT" "[::ffff:127.0.0.1]:$PORT" "LOCALHOST.:$PORT"
	# Another socket on the same port is an ordinary target.
	target_refused 502 "127.0.0.8:$PORT"
}

@test "acl: a proxy that listens on every address cannot be reached on any of them" {
	PORT=$(free_port)
	adit_conf "Port $PORT" "Listen 127.0.0.1"
	sed -i.bak /Listen/d "$CONF"
	adit_launch
	adit_ready
	target_refused 403 "127.0.0.1:$PORT" "127.1.2.3:$PORT" \
	    "localhost:$PORT" "[::ffff:127.0.0.2]:$PORT" "[::1]:$PORT"
}

@test "acl: a client from elsewhere cannot reach this machine's loopback or link-local addresses" {
	local own target

	own=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -vE '^127|:' |
		grep -m 1 .) || skip "this machine has no address but loopback"
	PORT=$(free_port)
	peer_start srv server echo
	adit_start "Port $PORT" "Listen $own" "Allow $own"
	for target in 127.0.0.1 127.9.9.9 localhost '[::1]' 169.254.169.254 \
	    '[fe80::1]' '[::ffff:127.0.0.1]' '[::127.0.0.1]' \
	    '[64:ff9b::7f00:1]' '[2002:7f00:1::]' \
	    '[2001:0:c000:201:8000:63bf:80ff:fffe]' '[fd00::5efe:127.0.0.1]' \
	    '[64:ff9b::169.254.169.254]' 168.63.129.16; do
		"$PEER" client -b "$own" "$own" "$PORT" \
		    send "CONNECT $target:$srv_PORT HTTP/1.1\r\n\r\n" \
		    refused 403 >"$DIR/reply"
		grep -qi 'error=destination_ip_prohibited' "$DIR/reply"
	done
	log_wait 'Refused address of 127.9.9.9:.*: loopback and link-local addresses are for clients on loopback '
	log_wait 'Refused address of 168.63.129.16:.*: the metadata addresses of clouds are for clients on loopback '
}

@test "acl: DenyTo and AllowTo refuse targets by address, block and port" {
	peer_start srv server echo
	adit_start "DenyTo 127.0.0.2" "AllowTo 127.0.0.0/8:$srv_PORT" \
	    "DenyTo [::1]:$srv_PORT"
	allowed 127.0.0.1
	target_refused 403 "127.0.0.2:$srv_PORT" 127.0.0.1:1 10.0.0.1:443 \
	    "[::1]:$srv_PORT"
	grep -qi '^proxy-status:.*destination_ip_prohibited' "$DIR/reply"
	log_wait 'Refused address of \[::1\]:.*: line [0-9]+ of '
}

@test "acl: a name that is denied is not looked up" {
	peer_start srv server echo
	adit_start "DenyTo 10.0.0.0/8" "DenyTo secret.test" \
	    "DenyTo .below.test:443" "ConnectTimeout 5"
	target_refused 403 SECRET.test:80 secret.test.:443 a.below.test:443
	grep -qi '^proxy-status:.*http_request_denied' "$DIR/reply"
	log_wait 'Refused target SECRET.test:80: line [0-9]+ of '
	allowed 127.0.0.1
}

@test "acl: a name does not lead to an address that a rule forbids" {
	namespaces "127.0.0.2 trap.test" "127.0.0.1 good.test inside.test"
	peer_start srv server echo
	adit_start "AllowTo inside.test" "DenyTo 127.0.0.2" \
	    "AllowTo .test:$srv_PORT" "DenyTo private"
	client tunnel "good.test:$srv_PORT" rtt 1 5 shut eof
	client tunnel "inside.test:$srv_PORT" rtt 1 5 shut eof
	target_refused 403 "trap.test:$srv_PORT" "127.0.0.1:$srv_PORT" \
	    localhost:1
}

@test "acl: a reload with a broken target rule keeps the old ones" {
	acl_start "DenyTo 127.0.0.2"
	echo "DenyTo nonsense/99" >>"$CONF"
	kill -HUP "$ADIT_PID"
	wait_for grep -q 'DenyTo: "nonsense/99"' "$LOG" "$STDERR"
	stderr_expected 'DenyTo'
	target_refused 403 "127.0.0.2:$srv_PORT"
	allowed 127.0.0.1
	sed -i.old '$d' "$CONF"
	echo "DenyTo 127.0.0.0/8" >>"$CONF"
	kill -HUP "$ADIT_PID"
	wait_for target_refused 403 "127.0.0.1:$srv_PORT"
}
