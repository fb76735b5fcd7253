#!/usr/bin/env bats
# Names, with a name server of the test that is slow, unreliable or silent.

load helper
LOOKS_INSIDE=yes

setup_file() {
	local dns=${ADIT_TEST_BUILD:-$BATS_TEST_DIRNAME/build}/dns

	DNS=$BATS_FILE_TMPDIR/dns
	export DNS
	if [ -x "$dns" ]; then
		DNS=$dns
	else
		# shellcheck disable=SC2086
		${CC:-cc} $CFLAGS -o "$DNS" "$BATS_TEST_DIRNAME/dns.c"
	fi
}

# Each test has a name server of its own, on an address of its own.
setup() {
	local n

	common_setup
	need_root
	n=$(free_port)
	NAME_SERVER=127.77.$((n / 256)).$((n % 256))
}

# dns_start RULE...: starts it with these rules of dns.c; the names in HOSTS are
# in /etc/hosts.
dns_start() {
	namespaces "${HOSTS[@]}"
	dns_launch "$@"
	grep -q ready "$DIR/dns.out" || skip "port 53 cannot be had"
}

dns_launch() {
	: >"$DIR/dns.out"
	"$DNS" "$NAME_SERVER" 53 "$@" >"$DIR/dns.out" 2>"$DIR/dns.err" 3>&- &
	DNS_PID=$!
	own_pid "$DNS_PID"
	wait_for dns_ready_or_dead "$DNS_PID"
}

# dns_restart RULE...: starts it with other rules, and forgets earlier
# questions.
dns_restart() {
	kill "$DNS_PID"
	wait_for dead "$DNS_PID"
	wait_for dns_again "$@"
}

# dns_again RULE...: starts it again; another process may have the port for a
# moment.
dns_again() {
	dns_launch "$@"
	grep -q ready "$DIR/dns.out"
}

dns_ready_or_dead() {
	grep -q ready "$DIR/dns.out" || dead "$1"
}

# ended NAME WORD: waits until that peer has ended with success; it must have
# printed the word.
ended() {
	peer_wait "$1" >"$DIR/ended" || {
		cat "$DIR/ended"
		return 1
	}
	grep -qx "$2" "$DIR/ended"
}

# asked NAME: whether the name server was asked for it.
asked() {
	grep -qi "^$1 " "$DIR/dns.out"
}

# times_asked N NAME: whether the name server was asked N times for its IPv4
# addresses.
times_asked() {
	local n

	n=$(grep -ci "^$2 1\$" "$DIR/dns.out") || true
	[ "$n" = "$1" ] || {
		echo "$2 was asked for $n times instead of $1"
		return 1
	}
}

# ask_each NAME...: a connection for each name that stays open, and asks for a
# tunnel to srv.
ask_each() {
	local name fd

	for name; do
		exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
		printf 'CONNECT %s:%s HTTP/1.1\r\n\r\n' "$name" \
		    "$srv_PORT" >&"$fd"
	done
}

# reaches NAME...: a tunnel to srv by that name.
reaches() {
	local name

	for name; do
		if ! client tunnel "$name:$srv_PORT" rtt 1 5 shut eof; then
			echo "not reached: $name"
			return 1
		fi
	done
}

# refused STATUS ERROR TARGET
refused() {
	client send "CONNECT $3 HTTP/1.1\r\n\r\n" refused "$1" >"$DIR/reply"
	if ! grep -qi "^Proxy-Status: adit; error=$2" "$DIR/reply"; then
		cat "$DIR/reply"
		return 1
	fi
}

@test "names: names of the name server are reached, in any case, also with a last dot" {
	dns_start a.test=127.0.0.1 b.test=127.0.0.9,127.0.0.1
	peer_start srv server echo
	adit_start
	reaches a.test A.Test a.test. b.test
}

@test "names: a name that has only an IPv6 address is reached" {
	need_ipv6
	dns_start six.test=::1
	peer_start srv server -a ::1 echo
	adit_start
	reaches six.test
}

@test "names: names in /etc/hosts have precedence over those of the name server" {
	HOSTS=("127.0.0.1 both.test")
	dns_start both.test=127.0.0.9
	peer_start srv server echo
	adit_start
	reaches both.test
}

@test "names: if one address never answers, the other one is used, of either family" {
	need_ipv6
	dns_start dual.test=127.0.0.1,::1
	peer_start srv server -p "$(free_port)" echo
	peer_start hole full -a ::1 -p "$srv_PORT"
	adit_start "ConnectTimeout 10"
	reaches dual.test
	kill "$srv_PID" "$hole_PID"
	wait_for dead "$srv_PID" "$hole_PID"
	peer_start srv server -a ::1 -p "$(free_port)" echo
	peer_start hole full -p "$srv_PORT"
	reaches dual.test
}

@test "names: an address that refuses does not hide the one that answers" {
	local i

	need_ipv6
	dns_start dual.test=127.0.0.1,::1 three.test=127.0.0.8,127.0.0.9,127.0.0.1
	peer_start srv server echo
	adit_start
	for i in 1 2 3; do
		reaches dual.test three.test
	done
}

@test "names: a name that does not exist, and a failure of the name server, give 502 with dns_error" {
	dns_start fail.test=fail empty.test=
	adit_start "ConnectTimeout 20"
	refused 502 dns_error none.test:443
	refused 502 dns_error empty.test:443
	# Some resolvers ask again until their time is over.
	client -t 60 -- send "CONNECT fail.test:443 HTTP/1.1\r\n\r\n" print \
	    >"$DIR/reply"
	grep -qE "error=(dns_error|dns_timeout)" "$DIR/reply"
	log_wait '^ERROR .*: opensock: Could not retrieve address info for none\.test:443: .'
}

@test "names: a name server that never answers gives 504 with dns_timeout" {
	dns_start slow.test=never
	adit_start "ConnectTimeout 1" "AccessLog \"$DIR/access\""
	refused 504 dns_timeout slow.test:443
	wait_for grep -q ' - slow\.test:443 - 504/dns_timeout 0 0 ' "$DIR/access"
}

@test "names: a name server that never answers delays neither addresses nor names in /etc/hosts" {
	HOSTS=("127.0.0.1 near.test")
	dns_start slow.test=never
	peer_start srv server echo
	adit_start "ConnectTimeout 20"
	client_start old 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 5 \
	    say up wait "$DIR/go" rtt 3 100 say whole
	wait_for peer_said old up
	client_start lost -n 60 127.0.0.1 "$PORT" \
	    send "CONNECT slow.test:$srv_PORT HTTP/1.1\r\n\r\n" say sent hold
	wait_for peer_said lost sent
	wait_for asked slow.test
	client -t 10 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	client -t 10 -- tunnel "near.test:$srv_PORT" rtt 1 5 shut eof
	client -t 10 -- tunnel "localhost:$srv_PORT" rtt 1 5 shut eof
	touch "$DIR/go"
	ended old whole
	# They still have no answer.
	alive "$lost_PID"
	[ "$(log_count 'Could not retrieve address info')" = 0 ]
}

@test "names: look-ups without an answer keep no process alive when the master is gone" {
	local children signal

	need_linux
	dns_start kill.test=never term.test=never
	for signal in KILL TERM; do
		: >"$LOG"
		adit_start "ConnectTimeout 60"
		client_start lost -n 20 127.0.0.1 "$PORT" \
		    send "CONNECT $signal.test:443 HTTP/1.1\r\n\r\n" say sent gone
		wait_for peer_said lost sent
		wait_for asked "$signal.test"
		children=$(family_pids)
		[ -n "$(helper_pids)" ]
		# shellcheck disable=SC2086
		know_pid $children
		kill -$signal "$ADIT_PID"
		# shellcheck disable=SC2086
		wait_for dead "$ADIT_PID" $children
	done
}

@test "names: client rules with names of /etc/hosts hold while the name server does not answer" {
	HOSTS=("127.0.0.5 near.test")
	dns_start slow.test=never 5.0.0.127.in-addr.arpa=never
	peer_start srv server echo
	adit_start "ConnectTimeout 20" "Allow 127.0.0.1" "Allow near.test"
	client_start lost -n 60 127.0.0.1 "$PORT" \
	    send "CONNECT slow.test:443 HTTP/1.1\r\n\r\n" say sent hold
	wait_for peer_said lost sent
	wait_for asked slow.test
	"$PEER" client -t 10 -b 127.0.0.5 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "names: names without an answer do not delay other names" {
	dns_start slow.test=never quick.test=127.0.0.1
	peer_start srv server echo
	adit_start "ConnectTimeout 20"
	client_start lost -n 8 127.0.0.1 "$PORT" \
	    send "CONNECT slow.test:$srv_PORT HTTP/1.1\r\n\r\n" say sent hold
	wait_for peer_said lost sent
	wait_for asked slow.test
	for i in 1 2 3 4 5; do
		client -t 10 -- tunnel "quick.test:$srv_PORT" rtt 1 5 shut eof
	done
	[ "$(log_count 'Could not retrieve address info')" = 0 ]
}

@test "names: names are found again when the name server is back" {
	dns_start slow.test=never
	peer_start srv server echo
	adit_start "ConnectTimeout 1"
	client -n 40 -- send "CONNECT slow.test:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 504 >"$DIR/reply"
	dns_restart slow.test=127.0.0.1
	# Long before the helpers would have given up.
	wait_for reaches slow.test
	[ "$(log_count 'Helper')" = 0 ]
}

@test "names: the address that was judged is the one that is connected to" {
	local i

	PORT=$(free_port)
	# First an echo server on the port of the proxy, then the proxy itself.
	dns_start "*.flip.test/=127.0.0.9,127.0.0.1"
	peer_start srv server -a 127.0.0.9 -p "$PORT" echo
	adit_start "Port $PORT" "AccessLog \"$DIR/access\""
	for i in 1 2 3 4 5 6 7 8; do
		client send "CONNECT $i.flip.test:$PORT HTTP/1.1\r\n\r\n" \
		    head >>"$DIR/replies"
	done
	[ "$(grep -c '^HTTP/1.1 200 ' "$DIR/replies")" = 4 ]
	[ "$(grep -c '^HTTP/1.1 403 ' "$DIR/replies")" = 4 ]
	wait_for access_lines 8
	[ "$(grep -c "\.flip.test:$PORT 127.0.0.9:$PORT 200/" "$DIR/access")" = 4 ]
	[ "$(grep -c "\.flip.test:$PORT - 403/destination_ip_prohibited" \
	    "$DIR/access")" = 4 ]
	# Each request asked once for IPv4 addresses.
	times_asked 8 '[1-8]\.flip.test'
}

@test "names: every address of a name is judged" {
	dns_start mixed.test=0.0.0.0,224.0.0.1,127.0.0.1 \
	    bad.test=0.0.0.0,224.0.0.1,255.255.255.255 badsix.test=::,ff02::1
	peer_start srv server echo
	adit_start "AccessLog \"$DIR/access\""
	refused 403 destination_ip_prohibited "bad.test:$srv_PORT"
	refused 403 destination_ip_prohibited "badsix.test:$srv_PORT"
	client send "CONNECT mixed.test:$srv_PORT HTTP/1.1\r\n\r\n" \
	    head >"$DIR/reply"
	grep -qE '^HTTP/1.1 (200|403)' "$DIR/reply"
	wait_for access_lines 3
	fails grep -E ' (0\.0\.0\.0|224\.0\.0\.1|255\.255\.255\.255):' \
	    "$DIR/access"
}

@test "names: the proxy cannot be reached by a name of its own" {
	dns_start self.test=127.0.0.1
	adit_start
	refused 403 destination_ip_prohibited "self.test:$PORT"
}

@test "names: of a name with hundreds of addresses a limited number is tried, without delaying others" {
	dns_start many.test=many:300 quick.test=127.0.0.1
	peer_start srv server echo
	adit_start "ConnectTimeout 10"
	client_start m -n 20 127.0.0.1 "$PORT" \
	    send "CONNECT many.test:$srv_PORT HTTP/1.1\r\n\r\n" refused 502
	reaches quick.test quick.test
	peer_wait m >"$DIR/reply"
	# A resolver without TCP does not see the addresses.
	grep -qE "error=(connection_refused|dns_error)" "$DIR/reply"
}

@test "names: no name server is asked for a refused target, or for an address" {
	dns_start a.test=127.0.0.1
	peer_start srv server echo
	adit_start "ConnectPort $srv_PORT" "BasicAuth alice secret"
	client send "CONNECT a.test:$srv_PORT HTTP/1.1\r\n\r\n" refused 407
	adit_stop
	: >"$LOG"
	adit_start "ConnectPort $srv_PORT"
	client send "CONNECT a.test:1 HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT a.test:$srv_PORT HTTP/1.1\r\nBad : x\r\n\r\n" \
	    refused 400
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	[ "$(cat "$DIR/dns.out")" = ready ]
	reaches a.test
	asked a.test
}

@test "names: a client is allowed by a name that its address confirms" {
	dns_start 5.0.0.127.in-addr.arpa=host.lan.test host.lan.test=127.0.0.5 \
	    6.0.0.127.in-addr.arpa=fake.lan.test fake.lan.test=127.0.0.99 \
	    7.0.0.127.in-addr.arpa=host.evillan.test host.evillan.test=127.0.0.7 \
	    8.0.0.127.in-addr.arpa=lan.test lan.test=127.0.0.8 \
	    9.0.0.127.in-addr.arpa=none.lan.test
	peer_start srv server echo
	adit_start "Allow .lan.test"
	from_allowed 127.0.0.5
	# A name that any owner of an address can give it.
	from_denied 127.0.0.6
	from_denied 127.0.0.7
	from_denied 127.0.0.8
	from_denied 127.0.0.9
	from_denied 127.0.0.10
	from_denied 127.0.0.1
}

from_allowed() {
	"$PEER" client -b "$1" 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 5 shut eof
}

from_denied() {
	"$PEER" client -b "$1" 127.0.0.1 "$PORT" refused 403 >"$DIR/reply"
}

@test "names: a name rule matches an address of the name, and names below it that are confirmed" {
	dns_start host.test=127.0.0.5,127.0.0.6 \
	    7.0.0.127.in-addr.arpa=sub.host.test sub.host.test=127.0.0.7 \
	    8.0.0.127.in-addr.arpa=evilhost.test evilhost.test=127.0.0.8 \
	    9.0.0.127.in-addr.arpa=sub.host.test
	peer_start srv server echo
	adit_start "Allow host.test"
	from_allowed 127.0.0.5
	from_allowed 127.0.0.6
	from_allowed 127.0.0.7
	from_denied 127.0.0.8
	from_denied 127.0.0.9
	from_denied 127.0.0.1
}

@test "names: a Deny by name keeps its place among the other rules" {
	dns_start bad.test=127.0.0.5 5.0.0.127.in-addr.arpa=bad.test
	peer_start srv server echo
	adit_start "Allow 127.0.0.4" "Deny bad.test" "Deny .bad.test" \
	    "Allow 127.0.0.0/8"
	from_allowed 127.0.0.4
	from_denied 127.0.0.5
	from_allowed 127.0.0.6
}

@test "names: a rule with a name without an answer lets no client in, and delays no other" {
	dns_start slow.test=never 5.0.0.127.in-addr.arpa=never
	peer_start srv server echo
	adit_start "Allow 127.0.0.4" "Allow slow.test" "ConnectTimeout 2"
	client_start w -n 30 -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" say sent head
	wait_for peer_said w sent
	from_allowed 127.0.0.4
	from_allowed 127.0.0.4
	peer_wait w >"$DIR/reply" || true
	fails grep '^HTTP/1.1 200' "$DIR/reply"
}

@test "names: a Deny with a name that cannot be looked up refuses the client" {
	dns_start fail.test=fail 5.0.0.127.in-addr.arpa=fail
	peer_start srv server echo
	adit_start "ConnectTimeout 5" "Allow 127.0.0.4" "Deny fail.test" \
	    "Allow 127.0.0.0/8"
	from_allowed 127.0.0.4
	from_denied 127.0.0.5
	adit_stop
	: >"$LOG"
	adit_start "ConnectTimeout 5" "Allow 127.0.0.4" "Deny .fail.test" \
	    "Allow 127.0.0.0/8"
	from_allowed 127.0.0.4
	from_denied 127.0.0.5
}

# reverse_asked N: whether the name server was asked N times for the name of
# 127.0.0.5.
reverse_asked() {
	local n

	n=$(grep -c '^5\.0\.0\.127\.in-addr\.arpa 12$' "$DIR/dns.out") || true
	[ "$n" = "$1" ] || {
		echo "asked $n times instead of $1"
		return 1
	}
}

@test "names: the verdict of a rule with a name is remembered, and not looked up for each connection" {
	local i

	dns_start 5.0.0.127.in-addr.arpa=host.lan.test host.lan.test=127.0.0.5 \
	    6.0.0.127.in-addr.arpa=host.bad.test host.bad.test=127.0.0.6
	peer_start srv server echo
	adit_start "Workers 1" "Allow 127.0.0.1" "Deny .bad.test" \
	    "Allow .lan.test"
	from_allowed 127.0.0.5
	from_denied 127.0.0.6
	from_denied 127.0.0.7
	cp "$DIR/dns.out" "$DIR/dns.before"
	for i in 1 2 3; do
		from_allowed 127.0.0.5
		from_denied 127.0.0.6
		from_denied 127.0.0.7
	done
	cmp "$DIR/dns.out" "$DIR/dns.before"
}

@test "names: an answer about one client or rule is not used for another" {
	dns_start 5.0.0.127.in-addr.arpa=a.lan.test a.lan.test=127.0.0.5 \
	    6.0.0.127.in-addr.arpa=b.lan.test b.lan.test=127.0.0.6
	peer_start srv server echo
	adit_start "Workers 1" "Deny b.lan.test" "Allow .lan.test"
	from_allowed 127.0.0.5
	from_denied 127.0.0.6
	from_denied 127.0.0.7
	from_allowed 127.0.0.5
	from_denied 127.0.0.6
	from_denied 127.0.0.7
}

@test "names: if a client loses its name, or gets one, the rules notice within seconds" {
	dns_start 5.0.0.127.in-addr.arpa=host.lan.test host.lan.test=127.0.0.5
	peer_start srv server echo
	adit_start "Workers 1" "Allow .lan.test"
	from_allowed 127.0.0.5
	from_denied 127.0.0.6
	dns_restart 6.0.0.127.in-addr.arpa=host.lan.test host.lan.test=127.0.0.6
	wait_for -t 60 from_denied 127.0.0.5
	wait_for -t 60 from_allowed 127.0.0.6
}

@test "names: after a reload the name of a client is looked up again" {
	dns_start 5.0.0.127.in-addr.arpa=host.lan.test host.lan.test=127.0.0.5
	peer_start srv server echo
	adit_start "Workers 1" "Allow .lan.test"
	from_allowed 127.0.0.5
	dns_restart host.lan.test=127.0.0.5
	kill -HUP "$ADIT_PID"
	log_wait "Reloading config file finished"
	from_denied 127.0.0.5
	reverse_asked 1
}

@test "names: a failed look-up of a client is not remembered" {
	dns_start 5.0.0.127.in-addr.arpa=fail fail.test=fail
	peer_start srv server echo
	adit_start "Workers 1" "ConnectTimeout 5" "Deny fail.test" \
	    "Allow 127.0.0.0/8"
	from_denied 127.0.0.5
	from_denied 127.0.0.5
	dns_restart 5.0.0.127.in-addr.arpa=host.lan.test host.lan.test=127.0.0.5
	# A resolver may try again for so long that the server counts as silent,
	# which is remembered for a few seconds.
	wait_for from_allowed 127.0.0.5
}

@test "names: many connections of a client whose look-up never ends do not delay look-ups for others" {
	dns_start 5.0.0.127.in-addr.arpa=never quick.test=127.0.0.1
	peer_start srv server echo
	adit_start "Workers 1" "ConnectTimeout 60" "Allow 127.0.0.1" \
	    "Allow .lan.test"
	client_start w -n 300 -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send C say sent hold
	wait_for connected_from 127.0.0.5 300
	client -t 15 -- tunnel "quick.test:$srv_PORT" rtt 1 5 shut eof
}

# connected_from ADDRESS N: whether N connections have come from there, for
# wait_for.
connected_from() {
	[ "$(log_count "Connect \(.*: $1\$")" = "$2" ]
}

@test "names: a client that is missing in /etc/hosts is looked up again each time" {
	local i

	HOSTS=("127.0.0.99 near.test")
	dns_start 5.0.0.127.in-addr.arpa=never
	adit_start "Workers 1" "ConnectTimeout 60" "Allow 127.0.0.1" \
	    "Allow .lan.test"
	# That the file lacks the address decides nothing, so they must wait.
	for i in 1 2 3; do
		"$PEER" client -b 127.0.0.5 127.0.0.1 "$PORT" send C quiet 700
	done
}

@test "names: clients that wait for the same answer cause one look-up, and all get the answer" {
	local i

	dns_start slow.test=2000@127.0.0.5
	peer_start srv server echo
	adit_start "Workers 1" "Allow slow.test" "Allow slow.test"
	client_start w -n 30 -b 127.0.0.5 127.0.0.1 "$PORT" \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof say whole
	wait_for asked slow.test
	from_denied 127.0.0.6
	ended w whole
	# Once for each client.
	times_asked 2 slow.test
}

@test "names: a client whose look-up never ends is refused after ConnectTimeout, by Deny and by Allow" {
	local began rule

	dns_start 5.0.0.127.in-addr.arpa=never slow.test=never
	peer_start srv server echo
	for rule in "Allow .slow.test" "Deny .slow.test" "Deny slow.test"; do
		: >"$LOG"
		adit_start "Workers 1" "ConnectTimeout 2" "Allow 127.0.0.4" \
		    "$rule" "$rule" "Allow 127.0.0.6"
		began=$SECONDS
		# Clients that send nothing, and clients that have sent a
		# request.
		client_start w -b 127.0.0.5 127.0.0.1 "$PORT" \
		    refused 403 say refused
		"$PEER" client -b 127.0.0.5 127.0.0.1 "$PORT" \
		    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
		    refused 403 >"$DIR/reply"
		ended w refused
		[ $((SECONDS - began)) -ge 1 ]
		[ $((SECONDS - began)) -le 12 ]
		adit_stop
	done
}

@test "names: a silent client that is denied by its name gives its place back" {
	local began

	dns_start 5.0.0.127.in-addr.arpa=bad.test bad.test=127.0.0.5
	peer_start srv server echo
	adit_start "Workers 1" "MaxClients 1" "Deny bad.test" \
	    "Allow 127.0.0.0/8"
	client_start bad -n 3 -b 127.0.0.5 127.0.0.1 "$PORT" \
	    head say told hold
	wait_for peer_said bad told
	began=$SECONDS
	from_allowed 127.0.0.6
	[ $((SECONDS - began)) -le 15 ]
	alive "$bad_PID"
}

@test "names: names are found with Chroot" {
	dns_start a.test=127.0.0.1
	mkdir -m 755 "$DIR/empty"
	peer_start srv server echo
	adit_start "Chroot \"$DIR/empty\""
	reaches a.test localhost
}

@test "names: a name that many clients of several workers wait for is looked up once" {
	local i

	dns_start slow.test=never "*.quick.test=127.0.0.1"
	peer_start srv server echo
	adit_start "Workers 2" "ConnectTimeout 60"
	for i in $(seq 20 200); do
		ask_each slow.test
		wait_for requests_are "$((i - 19))" slow.test
		if [ "$i" -ge 40 ] && [ "$(askers slow.test)" = 2 ]; then
			break
		fi
	done
	[ "$(askers slow.test)" = 2 ]
	# The later question is answered, so the others were asked too.
	for i in 1 2 3 4 5 6 7 8; do
		reaches "$i.quick.test"
	done
	times_asked 1 slow.test
}

# askers NAME: prints how many workers had requests for it.
askers() {
	grep -E "Request .*: CONNECT $1:" "$LOG" | grep -o '\[[0-9]*\]' |
	    sort -u | wc -l
}

# requests_are N NAME: whether the log has N requests for it, for wait_for.
requests_are() {
	[ "$(log_count "Request .*: CONNECT $2:")" = "$1" ]
}

@test "names: a name that was found is remembered for a while, even if the name server is gone" {
	dns_start a.test=127.0.0.1
	peer_start srv server echo
	adit_start "Workers 1"
	reaches a.test A.Test a.test. a.test
	times_asked 1 a.test
	kill "$DNS_PID"
	wait_for dead "$DNS_PID"
	reaches a.test
}

@test "names: an address that a name no longer has is not used after some seconds" {
	dns_start a.test=127.0.0.1
	peer_start srv server echo
	peer_start other server -a 127.0.0.9 -p "$srv_PORT" echo
	adit_start "Workers 1" "AccessLog \"$DIR/access\""
	reaches a.test
	dns_restart a.test=127.0.0.9
	wait_for -t 60 now_at 127.0.0.9
}

# now_at ADDRESS: whether a tunnel to a.test leads there.
now_at() {
	reaches a.test
	tail -n 1 "$DIR/access" | grep -q " $1:"
}

@test "names: a name that was not found is looked up again for the next request" {
	dns_start fail.test=fail
	peer_start srv server echo
	adit_start "Workers 1"
	refused 502 dns_error "a.test:$srv_PORT"
	dns_restart a.test=127.0.0.1
	reaches a.test
}

@test "names: a name whose addresses all fail is looked up again for the next request" {
	dns_start a.test=127.0.0.8
	peer_start srv server echo
	adit_start "Workers 1"
	refused 502 connection_refused "a.test:$srv_PORT"
	dns_restart a.test=127.0.0.1
	reaches a.test
}

@test "names: remembered addresses are judged again for each request" {
	dns_start a.test=127.0.0.1
	peer_start srv server echo
	adit_start "Workers 1"
	reaches a.test
	refused 403 destination_ip_prohibited "a.test:$PORT"
	reaches a.test
	times_asked 1 a.test
}

@test "names: names without an answer delay only requests for them, however many there are" {
	local i names=()

	need_proc
	HOSTS=("127.0.0.1 near.test")
	dns_start "*.slow.test=never" "*.quick.test=127.0.0.1"
	peer_start srv server echo
	adit_start "Workers 1" "ConnectTimeout 60"
	for i in $(seq 50); do
		names+=("$i.slow.test")
	done
	ask_each "${names[@]}"
	client -t 20 -- tunnel "1.quick.test:$srv_PORT" rtt 1 5 shut eof
	client -t 20 -- tunnel "2.quick.test:$srv_PORT" rtt 1 5 shut eof
	# Now more names than helpers, and more than a worker may ask for.
	names=()
	for i in $(seq 51 350); do
		names+=("$i.slow.test")
	done
	ask_each "${names[@]}"
	wait_for requests_are 350 '[0-9]+.slow.test'
	# This client has half of the helpers that there are for names.
	wait_for helpers_are 56
	client -b 127.0.0.9 -t 20 -- \
	    tunnel "3.quick.test:$srv_PORT" rtt 1 5 shut eof
	client -t 20 -- tunnel "near.test:$srv_PORT" rtt 1 5 shut eof
	client -t 20 -- tunnel "localhost:$srv_PORT" rtt 1 5 shut eof
	client -t 20 -- tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	helpers_are 57
	[ "$(log_count 'Could not retrieve address info')" = 0 ]
}

@test "names: names that one client asks for and leaves do not delay those of another" {
	local i names=()

	need_proc
	dns_start "*.slow.test=never" good.test=127.0.0.1
	peer_start srv server echo
	adit_start "Workers 1" "ConnectTimeout 60"
	for i in $(seq 300); do
		client send "CONNECT $i.slow.test:1 HTTP/1.1\r\n\r\n" rst
	done
	wait_for helpers_are 56
	client -b 127.0.0.9 -t 20 -- \
	    tunnel "good.test:$srv_PORT" rtt 1 5 shut eof
}

@test "names: clients that no rule has let in do not delay the names of others" {
	local i

	need_proc
	dns_start "*.in-addr.arpa=never" good.test=127.0.0.1
	peer_start srv server echo
	adit_start "Workers 1" "Allow 127.0.0.1" "Allow .office.test" \
	    "ConnectTimeout 60"
	for i in $(seq 150); do
		client_start "c$i" -b "127.0.1.$i" 127.0.0.1 "$PORT" hold
	done
	wait_for helpers_are 16
	client -t 20 -- tunnel "good.test:$srv_PORT" rtt 1 5 shut eof
	helpers_are 17
}

@test "names: a name that no name server has answered is not asked for again at once" {
	dns_start slow.test=never
	adit_start "ConnectTimeout 1"
	refused 504 dns_timeout slow.test:443
	refused 504 dns_timeout slow.test:443
	refused 504 dns_timeout slow.test:443
	times_asked 1 slow.test
}

@test "names: attempts to addresses that are silent take no descriptors that others need" {
	dns_start silent.test=127.1.0.1,127.1.0.2,127.1.0.3,127.1.0.4,127.1.0.5,127.1.0.6,127.1.0.7,127.1.0.8
	peer_start srv server echo
	peer_start hole full -a 0.0.0.0
	ADIT_WRAP+=(sh -c 'ulimit -n 128 && exec "$@"' sh)
	adit_start "Workers 1" "ConnectTimeout 60"
	client_start m -n 30 127.0.0.1 "$PORT" \
	    send "CONNECT silent.test:$hole_PORT HTTP/1.1\r\n\r\n" hold
	wait_for requests_are 30 'silent.test'
	# All attempts that a race makes at once would have begun by then.
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" pause 2500 \
	    tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	[ "$(log_count 'Too many open files|descriptor\)')" = 0 ]
}

@test "names: helpers are started when they are needed, and end when they are not" {
	local i names=()

	need_proc
	dns_start "*.slow.test=5000@127.0.0.1"
	peer_start srv server echo
	adit_start "Workers 1"
	helpers_are 0
	reaches localhost
	helpers_are 0
	for i in $(seq 30); do
		names+=("$i.slow.test")
	done
	ask_each "${names[@]}"
	wait_for helpers_are 30
	wait_for established 31
	wait_for -t 60 helpers_are 1
	reaches 31.slow.test
	helpers_are 1
	[ "$(log_count 'Helper')" = 0 ]
}

# established N: whether N tunnels were opened, for wait_for.
established() {
	[ "$(log_count 'Established connection')" = "$1" ]
}

@test "names: if a helper dies, only its own question fails" {
	local pid

	need_proc
	CRASH_OK=1
	dns_start slow.test=never quick.test=127.0.0.1
	peer_start srv server echo
	adit_start "Workers 1" "ConnectTimeout 60"
	client_start lost -n 10 127.0.0.1 "$PORT" \
	    send "CONNECT slow.test:$srv_PORT HTTP/1.1\r\n\r\n" say sent \
	    refused 502 say refused
	wait_for requests_are 10 slow.test
	wait_for asked slow.test
	pid=$(helper_pids)
	reaches quick.test
	kill -KILL "$pid"
	log_wait "^ERROR .*: Helper \(pid $pid\) died from signal 9 \("
	ended lost refused
	reaches quick.test
}

@test "names: helpers end with the configuration that they were started for" {
	local pid

	need_proc
	dns_start slow.test=never quick.test=127.0.0.1
	peer_start srv server echo
	adit_start "ConnectTimeout 60"
	client_start lost 127.0.0.1 "$PORT" \
	    send "CONNECT slow.test:$srv_PORT HTTP/1.1\r\n\r\n" say sent hold
	wait_for asked slow.test
	pid=$(family_pids)
	[ -n "$(helper_pids)" ]
	# shellcheck disable=SC2086
	know_pid $pid
	kill "$lost_PID"
	kill -HUP "$ADIT_PID"
	log_wait "Reloading config file finished"
	# shellcheck disable=SC2086
	wait_for dead $pid
	reaches quick.test
}

@test "names: modules of the C library find in the sandbox what they find without it" {
	local modules answer

	need_linux
	[[ ${CC:-} != *musl* ]] || skip "musl has no modules"
	modules=${ADIT_TEST_MODULES:-$(dirname "$(compgen -G '/lib/*/libnss_myhostname.so.2')")}
	[ -e "$modules/libnss_myhostname.so.2" ] || skip "needs libnss-myhostname"
	peer_start srv server echo
	namespaces
	# The others have no daemon here, so they only are loaded and give up.
	echo 'hosts: files resolve [!UNAVAIL=return] mdns4_minimal myhostname' \
	    >"$DIR/nsswitch.conf"
	ADIT_WRAP=(env "LD_LIBRARY_PATH=$modules" "${ADIT_WRAP[@]}")
	for answer in yes no; do
		adit_start "Sandbox $answer" "AllowTo * client 127.0.0.1"
		client tunnel "module.localhost:$srv_PORT" rtt 1 5 shut eof
		client send "CONNECT no-such-name.local:1 HTTP/1.1\r\n\r\n" refused 502
		fails logs_grep 'Helper .*(died|exited)'
		grep -q libnss_myhostname "/proc/$(helper_pids | head -n 1)/maps"
		adit_stop
		: >"$LOG"
	done
}
