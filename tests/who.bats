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

# request [USER:PASSWORD] TARGET: a CONNECT, for send.
request() {
	local credentials=

	if [ $# = 2 ]; then
		credentials="Proxy-Authorization: Basic $(printf %s "$1" | base64)\\r\\n"
		shift
	fi
	printf '%s' "CONNECT $1 HTTP/1.1\\r\\nHost: a\\r\\n$credentials\\r\\n"
}

established='HTTP/1.1 200 Connection established\r\n\r\n'

@test "who: a group stands for its users in a rule, and a client of NoAuth needs no password but is whom it says" {
	local target

	peer_start srv server echo
	target=127.0.0.1:$srv_PORT
	adit_start "BasicAuth alice secret" "BasicAuth bob secret" \
	    "BasicAuth carol secret" "AllowTo $target user @ci" \
	    "AllowTo 127.0.0.1:1-1024" "UserGroup ci alice" "UserGroup ci bob" \
	    "NoAuth 127.0.0.2" "NoAuth 127.0.1.0/24"
	client send "$(request alice:secret "$target")" expect "$established" rtt 1 5 shut eof
	client send "$(request bob:secret "$target")" expect "$established" rtt 1 5 shut eof
	client send "$(request carol:secret "$target")" refused 403
	client send "$(request "$target")" refused 407
	# A client of NoAuth: nobody, or the user that it says.
	client -b 127.0.0.2 send "$(request "$target")" refused 403
	client -b 127.0.1.9 send "$(request 127.0.0.1:1)" refused 502
	client -b 127.0.0.2 send "$(request alice:secret "$target")" expect "$established" rtt 1 5 shut eof
	client -b 127.0.0.2 send "$(request alice:wrong 127.0.0.1:1)" refused 407
	client -b 127.0.0.3 send "$(request 127.0.0.1:1)" refused 407
	log_wait 'Failed auth attempt .*127\.0\.0\.2$'
	t_says 1 127.0.0.2 - "$target" \
	    "user -: no credentials are required, by line $(grep -n 'NoAuth 127.0.0.2' "$CONF" | cut -d: -f1): NoAuth 127.0.0.2"
	t_says 0 127.0.0.2 - 127.0.0.1:22
	t_says 1 127.0.0.3 - 127.0.0.1:22 \
	    "user -: refused: credentials are required"
	t_says 0 127.0.0.2 alice "$target"
	t_says 1 127.0.0.2 nobody "$target" "user nobody: refused: unknown user"
}

# helper_write: a program for AuthHelper, in which the user says what it does.
helper_write() {
	cat >"$DIR/helper" <<-'END'
	#!/bin/bash
	echo "ready with $# words: $2, $(printf '\33')[31m" >&2
	while read -r user password; do
		case $user in
		alice) [ "$password" = "s%20p" ] && echo "OK x=y" || echo ERR ;;
		dies) exit 3 ;;
		echo) echo "$user $password" ;;
		broken) echo "BH the server is away" ;;
		stray) echo OK; echo OK ;;
		big) head -c 10000000 /dev/zero | tr '\0' x ;;
		wordy) yes noise | head -n 100000 >&2; echo OK ;;
		silent) exec sleep 1000 ;;
		*) echo OK ;;
		esac
	done
	END
	chmod 755 "$DIR/helper"
}

# tries STATUS USER:PASSWORD: what is answered to these credentials.
tries() {
	client send "$(request "$2" 127.0.0.1:1)" refused "$1" >"$DIR/reply"
}

@test "who: an AuthHelper lets in those whom it knows, and nobody when it dies, is silent or talks nonsense" {
	helper_write
	adit_start "AuthHelper \"$DIR/helper -b 'a b'\"" "BasicAuth local secret" \
	    "ConnectTimeout 3" "UserGroup ci Alice" "AllowTo 127.0.0.1:1" \
	    "NoAuth 127.0.0.3" "AllowTo 127.0.0.1:2 user @ci"
	tries 502 "alice:s p"
	log_wait 'AuthHelper \(pid [0-9]+\): ready with 2 words: a b, \?\[31m'
	log_wait ', user Alice\)$'
	tries 407 "alice:s%20p"
	tries 407 "local:other"
	tries 502 "local:secret"
	tries 407 "alice:"
	tries 407 " bob:x"
	tries 503 "broken:x"
	log_wait 'AuthHelper .*: could not check a password: BH the server is away$'
	tries 503 "dies:x"
	log_wait 'AuthHelper .*: exited with status 3$'
	tries 502 "bob:1"
	tries 503 "echo:hushhush"
	log_wait 'AuthHelper .*: gave an answer that is not OK, ERR or BH; it was ended$'
	tries 502 "bob:2"
	tries 503 "big:x"
	log_wait 'AuthHelper .*: gave an answer that is too long; it was ended$'
	tries 502 "wordy:x"
	[ "$(log_count 'AuthHelper .*: noise$')" -lt 11 ]
	tries 503 "silent:x"
	log_wait 'AuthHelper .*: no answer in time; it was ended$'
	tries 502 "bob:3"
	fails log_has 'hushhush|s%20p'
	t_says 0 127.0.0.1 ALICE 127.0.0.1:2 \
	    "user ALICE: allowed with a password that is right for line $(grep -n AuthHelper "$CONF" | cut -d: -f1): AuthHelper \"$DIR/helper -b 'a b'\""
	t_says 1 127.0.0.1 bob 127.0.0.1:2
	# A reload starts new ones, and ends the old.
	pids=$(pgrep -f "^/bin/bash $DIR/helper")
	reload
	wait_for ended $pids
	tries 502 "bob:4"
	know_pid $(pgrep -f "^/bin/bash $DIR/helper")
	helpers=$(pgrep -f "^/bin/bash $DIR/helper")
	adit_stop
	wait_for ended $helpers
}

# ended PID...: for wait_for.
ended() {
	local pid

	for pid; do
		[ ! -e "/proc/$pid" ] || return 1
	done
}

@test "who: Squid's own helpers work as an AuthHelper" {
	local squid=/usr/lib/squid

	[ -x $squid/basic_ncsa_auth ] && [ -x $squid/basic_fake_auth ] ||
		skip "needs squid's helpers, /usr/lib/squid/basic_*"
	echo "dave:$(openssl passwd -apr1 'a %41:b')" >"$DIR/passwd"
	chmod 644 "$DIR/passwd"
	adit_start "AuthHelper \"$squid/basic_ncsa_auth $DIR/passwd\""
	tries 502 'dave:a %41:b'
	tries 407 'dave:a A:b'
	tries 407 'erin:a %41:b'
	sed -i "s,^AuthHelper.*,AuthHelper \"$squid/basic_fake_auth\"," "$CONF"
	reload
	tries 502 'erin:anything'
}
