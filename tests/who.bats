#!/usr/bin/env bats
# Who a client is and what a name means, where the configuration says so in
# other ways than passwords and name servers.

load helper

# t_says STATUS CLIENT USER TARGET LINE...: adit -t prints each line.
t_says() {
	local expected=$1 status=0 line

	"$ADIT" -t -c "$CONF" "$2" "$3" "$4" >"$DIR/said" 2>&1 || status=$?
	shift 4
	for line; do
		has_line "$DIR/said" "$line" || status="no line: $line"
	done
	[ "$status" = "$expected" ] || {
		echo "$status"
		cat "$DIR/said"
		return 1
	}
}

# reload: and waits until it has finished.
reload() {
	local n

	n=$(log_count 'Reloading config file finished')
	kill -HUP "$ADIT_PID"
	wait_for reloaded "$n"
}

reloaded() {
	[ "$(log_count 'Reloading config file finished')" -gt "$1" ]
}

# answers STATUS TARGET: what a request for the target is answered with.
answers() {
	client send "CONNECT $2 HTTP/1.1\r\nHost: a\r\n\r\n" refused "$1" \
	    >"$DIR/reply"
}

@test "who: names of a HostsFile lead where it says, under all rules, and change with a reload" {
	peer_start srv server echo
	printf '%s\n' "127.0.0.1 One.test. two.test # comment" \
	    "127.0.0.9 inside.test two.test" "0.0.0.0 nowhere.test" \
	    "127.0.0.1 localhost" >"$DIR/hosts"
	echo "2001:db8::5 far.test" >"$DIR/more"
	adit_start "HostsFile \"$DIR/hosts\"" "HostsFile \"$DIR/more\"" \
	    "DenyTo 127.0.0.9" "ConnectTimeout 5" "Deny alias.test" \
	    "Allow 127.0.0.0/8"
	client tunnel "one.test:$srv_PORT" rtt 1 5 shut eof
	client tunnel "ONE.TEST.:$srv_PORT" rtt 1 5 shut eof
	client tunnel "two.test:$srv_PORT" rtt 1 5 shut eof
	answers 403 inside.test:443
	answers 403 nowhere.test:443
	grep -qi 'error=destination_ip_prohibited' "$DIR/reply"
	t_says 1 127.0.0.1 - inside.test:443 \
	    "name inside.test: its address is in line 2 of $DIR/hosts" \
	    "address 127.0.0.9: refused by line $(grep -n DenyTo "$CONF" | cut -d: -f1): DenyTo 127.0.0.9"
	t_says 0 127.0.0.1 - two.test:443 \
	    "name two.test: its addresses begin in line 1 of $DIR/hosts" \
	    "answer: 200, a tunnel to 127.0.0.1:443"
	t_says 0 127.0.0.1 - far.test:443 \
	    "answer: 200, a tunnel to [2001:db8::5]:443"
	# A client's name, and one that moves.
	printf '%s\n' "127.0.0.8 alias.test" "127.0.0.9 one.test" >"$DIR/hosts"
	reload
	answers 403 "one.test:$srv_PORT"
	client -b 127.0.0.8 refused 403 >"$DIR/reply"
	# An error changes nothing.
	printf '%s\n' "127.0.0.1 one.test" "fe80::1%lo two.test" >"$DIR/hosts"
	kill -HUP "$ADIT_PID"
	log_wait "$DIR/hosts:2: the address has a zone"
	answers 403 "one.test:$srv_PORT"
}
