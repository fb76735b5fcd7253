#!/usr/bin/env bats
# Bind and BindSame: the address from which targets are connected to.

load helper

setup() {
	common_setup
	need_proc
}

# goes_from ADDRESS [CLIENT-OPTION...]: whether a tunnel to srv is connected
# from that address.
goes_from() {
	local name=t$RANDOM to=${PROXY:-127.0.0.1} from=$1 hex

	shift
	client_start "$name" "$@" "$to" "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 say up wait "$DIR/$name.go" \
	    shut eof
	wait_for peer_said "$name" up
	# shellcheck disable=SC2046
	hex=$(printf '%02X%02X%02X%02X' $(tr . '\n' <<<"$from" | tac))
	local_addresses "$srv_PORT" >"$DIR/addresses"
	touch "$DIR/$name.go"
	peer_wait "$name"
	grep -qx "$hex" "$DIR/addresses"
}

# local_addresses PORT: the local addresses of connections to that port.
local_addresses() {
	awk -v port="$(printf '%04X' "$1")" '$4 == "01" {
		split($2, here, ":")
		split($3, there, ":")
		if (there[2] == port)
			print here[1]
	}' /proc/net/tcp
}

# refused_target TARGET: whether it cannot be reached, and the reply says so.
refused_target() {
	client send "CONNECT $1 HTTP/1.1\r\n\r\n" refused 502 >"$DIR/reply"
}

@test "bind: without Bind the kernel chooses the address" {
	peer_start srv server echo
	adit_start
	goes_from 127.0.0.1
}

@test "bind: targets see the address of Bind" {
	peer_start srv server echo
	adit_start "Bind 127.0.0.5"
	goes_from 127.0.0.5
	goes_from 127.0.0.5
}

@test "bind: the first address of Bind that can be used is taken" {
	peer_start srv server echo
	adit_start "Bind 192.0.2.77" "Bind ::1" "Bind 127.0.0.6" "Bind 127.0.0.7"
	goes_from 127.0.0.6
}

@test "bind: if no address of Bind can be used, the target is not reached from another address" {
	peer_start srv server echo
	adit_start "Bind 192.0.2.77"
	refused_target "127.0.0.1:$srv_PORT"
}

@test "bind: if Bind has no address of a family, targets of that family are not reached" {
	need_ipv6
	peer_start srv server -a ::1 echo
	adit_start "Bind 127.0.0.5"
	refused_target "[::1]:$srv_PORT"
	adit_stop
	: >"$LOG"
	adit_start "Bind 127.0.0.5" "Bind ::1"
	client tunnel "[::1]:$srv_PORT" rtt 1 5 shut eof
}

@test "bind: BindSame connects from the address that the client has connected to" {
	peer_start srv server echo
	adit_start "Listen 127.0.0.1" "Listen 127.0.0.8" "BindSame yes"
	goes_from 127.0.0.1
	PROXY=127.0.0.8 goes_from 127.0.0.8
	adit_stop
	: >"$LOG"
	adit_start "Listen 0.0.0.0" "BindSame yes"
	PROXY=127.0.0.9 goes_from 127.0.0.9
}

@test "bind: BindSame has precedence over Bind" {
	peer_start srv server echo
	adit_start "Listen 127.0.0.8" "BindSame on" "Bind 127.0.0.5"
	PROXY=127.0.0.8 goes_from 127.0.0.8
	adit_stop
	: >"$LOG"
	adit_start "Listen 127.0.0.8" "BindSame off" "Bind 127.0.0.5"
	PROXY=127.0.0.8 goes_from 127.0.0.5
}

@test "bind: many tunnels at once use one address of Bind" {
	peer_start srv echod
	adit_start "Bind 127.0.0.5"
	client -n 300 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

# few_ports: from here on the network has only two ports for connections.
few_ports() {
	"${INSIDE[@]}" sh -c 'echo "50000 50001" \
	    >/proc/sys/net/ipv4/ip_local_port_range' 2>/dev/null ||
		skip "needs ip_local_port_range"
}

# holds N...: clients from these addresses have a tunnel each, and keep it.
holds() {
	local n

	for n; do
		client_start "holder$n" -b "127.0.0.$n" -p 40000 \
		    127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
		    rtt 1 5 say up hold
		wait_for peer_said "holder$n" up
	done
}

@test "bind: when an address of Bind has no port left, the next one is used" {
	network 192.0.2.1 192.0.2.2
	peer_start srv server echo
	adit_start "Bind 192.0.2.77" "Bind 192.0.2.1" "Bind ::1" "Bind 192.0.2.2"
	few_ports
	holds 11 12 13 14
	refused_after 503 connection_limit_reached -b 127.0.0.15 -p 40000 -- \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n"
	log_wait 'Address (already )?in use'
}

@test "bind: ports that have run out are not taken for a target without a route" {
	network
	peer_start srv server echo
	adit_start
	few_ports
	holds 11 12
	refused_after 503 connection_limit_reached -b 127.0.0.13 -p 40000 -- \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n"
}
