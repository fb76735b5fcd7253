#!/usr/bin/env bats
# AllowTo with tls and noech: tunnels that must be TLS for the name asked for.

load helper

# An alert of the proxy: a fatal one, with its number.
alert() {
	ALERT='\x15\x03\x01\x00\x02\x02'"$1"
}

# hello NAME [OPTION...]: sets HELLO to a hello, as a TEXT of the peer.
hello() {
	HELLO=$("$BUILD/flight_test" "$1" "${*:2}")
}

# guard RULE...: adit with these rules, and an access log.
guard() {
	adit_start "AccessLog \"$DIR/access\"" "HeaderTimeout 3" \
	    "LogLevel Notice" "$@"
}

# ends TEXT ALERT: a tunnel to HOST in which the client sends TEXT is ended with
# an alert ("-": none) and an end of file.
ends() {
	local expect=()

	[ "$2" = - ] || {
		alert "$2"
		expect=(expect "$ALERT")
	}
	client tunnel "$HOST" send "$1" "${expect[@]}" eof
}

# results_are WORD...: what the access log says of the connections.
results_are() {
	wait_for access_lines "$#"
	awk '{ print $6 }' "$DIR/access" >"$DIR/results"
	diff <(printf '200/%s\n' "$@") "$DIR/results"
}

# secured NAME OPTION...: a server of openssl with a certificate.
secured() {
	local name=$1

	shift
	need_command openssl curl
	[ -e "$DIR/cert.pem" ] || openssl req -x509 -newkey ec -pkeyopt \
	    ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	    -keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>"$DIR/req.err"
	openssl s_server -accept 127.0.0.1:0 -www -key "$DIR/key.pem" \
	    -cert "$DIR/cert.pem" "$@" >"$DIR/$name.out" \
	    2>"$DIR/$name.err" </dev/null 3>&- &
	own_pid $!
	wait_for grep -q '^ACCEPT.*:[1-9]' "$DIR/$name.out"
	printf -v "${name}_PORT" '%s' \
	    "$(sed -n 's/^ACCEPT.*:\([0-9]*\)$/\1/p' "$DIR/$name.out")"
}

fetch() {
	curl -sSk -o /dev/null -w '%{http_code}\n' -m 60 --noproxy '' \
	    -x "http://127.0.0.1:$PORT" "$@"
}

@test "tls: what is no TLS for the name asked for never reaches the server" {
	local half

	peer_start srv server -n 14 eof
	guard "AllowTo localhost:$srv_PORT tls noech" \
	    "AllowTo 127.0.0.1:$srv_PORT tls"
	HOST=localhost:$srv_PORT
	hello other.test
	ends "$HELLO" '\x70'
	hello localhost.
	ends "$HELLO" '\x70'
	hello 127.0.0.1
	ends "$HELLO" '\x70'
	hello -
	ends "$HELLO" '\x70'
	hello localhost twice
	ends "$HELLO" '\x32'
	hello localhost trailing
	ends "$HELLO" '\x0a'
	hello localhost ech
	ends "$HELLO" '\x31'
	hello localhost esni split
	ends "$HELLO" '\x31'
	ends 'SSH-2.0-x\r\n' -
	ends '\x80\x2e\x01\x03\x01' -
	# Not in time, and not to its end.
	client tunnel "$HOST" eof
	hello localhost
	half=${HELLO:0:200}
	client tunnel "$HOST" send "$half" shut expect '\x15\x03\x01\x00\x02\x02\x0a' eof
	# By address there is no name.
	HOST=127.0.0.1:$srv_PORT
	hello localhost
	ends "$HELLO" '\x70'
	hello 127.0.0.1
	ends "$HELLO" '\x70'
	peer_wait srv
	results_are other_name other_name other_name other_name not_tls \
	    not_tls ech ech not_tls not_tls not_tls not_tls other_name \
	    other_name
	log_wait "Refused tunnel to localhost:$srv_PORT: the TLS hello is for \"other.test\"; line [0-9]+ "
	log_wait 'the TLS hello names no server'
}

@test "tls: a hello may come in any pieces, with early data after it, and then all is carried" {
	local answer pieces early='\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x05abcde'

	answer=$("$BUILD/flight_test" - answer)
	hello localhost ech
	pieces=$("$BUILD/flight_test" localhost split)
	peer_start srv server -n 4 skip abcde send "$answer" \
	    expect more send done sink
	guard "AllowTo localhost:$srv_PORT tls"
	HOST=localhost:$srv_PORT
	client tunnel "$HOST" send "$HELLO$early" expect "$answer" \
	    send more expect "done" shut eof
	client tunnel "$HOST" drip 1 "$pieces" drip 1 "$early" expect "$answer" \
	    send more expect "done" shut eof
	# All of it right after the request.
	client send "CONNECT $HOST HTTP/1.1\r\n\r\n$HELLO$early" \
	    skip '\r\n\r\n' expect "$answer" send more expect "done" shut eof
	# Nobody sees what comes after the server's hello.
	client tunnel "$HOST" send "$HELLO$early" expect "$answer" \
	    send 'more\x16\x03\x01\x00' expect "done" shut eof
	peer_wait srv
	results_are closed closed closed closed
}

@test "tls: a second hello is judged like the first" {
	local again answer good

	again=$("$BUILD/flight_test" - retry)
	answer=$("$BUILD/flight_test" - answer)
	hello localhost
	good=$HELLO
	hello other.test
	peer_start one server -n 1 take $((${#good} / 4)) send "$again" eof
	guard "AllowTo localhost tls"
	alert '\x70'
	client tunnel "localhost:$one_PORT" send "$good" expect "$again" \
	    send "$HELLO" expect "$ALERT" eof
	peer_wait one
	# It may also come before the server asks for it.
	peer_start two server -n 1 eof
	client tunnel "localhost:$two_PORT" send "$good$HELLO" \
	    expect "$ALERT" eof
	peer_wait two
	peer_start three server -n 1 take $((${#good} / 4)) send "$again" \
	    take $((${#good} / 4)) send "$answer" sink
	client tunnel "localhost:$three_PORT" send "$good" expect "$again" \
	    send "$good" expect "$answer" shut eof
	peer_wait three
	results_are other_name other_name closed
}

@test "tls: a server that speaks first, or not in TLS, is not heard" {
	hello localhost
	peer_start first server send 'SSH-2.0-x\r\n' gone
	peer_start plain server take $((${#HELLO} / 4)) \
	    send 'HTTP/1.1 400 Bad Request\r\n' gone
	peer_start alert server take $((${#HELLO} / 4)) \
	    send '\x15\x03\x01\x00\x02\x02\x28' shut gone
	guard "AllowTo localhost tls"
	client tunnel "localhost:$first_PORT" eof
	client tunnel "localhost:$plain_PORT" send "$HELLO" \
	    expect '\x15\x03\x01\x00\x02\x02\x0a' eof
	client tunnel "localhost:$alert_PORT" send "$HELLO" \
	    expect '\x15\x03\x01\x00\x02\x02\x28' eof
	results_are not_tls not_tls closed
	log_wait 'the server speaks first'
}

@test "tls: curl reaches servers that ask for a second hello, and such that do not" {
	secured once
	secured twice -groups P-384
	secured old -tls1_2
	guard "AllowTo localhost tls"
	for port in "$once_PORT" "$twice_PORT" "$old_PORT"; do
		[ "$(fetch "https://localhost:$port/")" = 200 ]
	done
	! fetch --connect-to "::localhost:$once_PORT" https://other.test/
	results_are closed closed closed other_name
}

@test "tls: rules with it are for tunnels, with parents too, and -t explains them" {
	hello other.test
	peer_start srv server -n 1 eof
	guard "AllowTo localhost:$srv_PORT tls" "AllowTo localhost:1-9 user x tls" \
	    "BasicAuth x y" "BasicAuth tls y" "AllowTo 127.0.0.9 user tls tls noech"
	"$ADIT" -t -c "$CONF" 127.0.0.1 x "localhost:$srv_PORT" >"$DIR/out"
	grep -q '^tls: the tunnel must begin with a TLS handshake for the name localhost$' \
	    "$DIR/out"
	fails "$ADIT" -t -c "$CONF" 127.0.0.1 x "http://localhost:$srv_PORT/"
	"$ADIT" -t -c "$CONF" 127.0.0.9 tls 127.0.0.9:443 >"$DIR/out"
	grep -q '^tls: .* for no name, without ECH$' "$DIR/out"
	adit_stop

	printf 'AllowTo a noech\nDenyTo b tls\nAllowTo c tls user\n' >"$DIR/bad"
	fails "$ADIT" -t -c "$DIR/bad" >"$DIR/out" 2>&1
	grep -q 'bad:1: AllowTo: "noech": it is for a rule with tls$' "$DIR/out"
	grep -q 'bad:2: DenyTo: "tls": only an AllowTo can ask for TLS$' "$DIR/out"

	# A parent that says 200 and passes on what comes.
	peer_start parent server -n 1 skip '\r\n\r\n' \
	    send 'HTTP/1.1 200 OK\r\n\r\n' eof
	rm -f "$DIR/access"
	guard "Upstream http 127.0.0.1:$parent_PORT" "AllowTo far.test:443 tls"
	alert '\x70'
	client tunnel far.test:443 send "$HELLO" expect "$ALERT" eof
	peer_wait parent
	results_are other_name
}

@test "tls: half hellos give way to other clients" {
	local half

	hello localhost
	half=${HELLO:0:100}
	peer_start srv server -n 8 gone
	peer_start echo server echo
	guard "MaxClients 8" "HeaderTimeout 60" "Workers 1" \
	    "AllowTo localhost:$srv_PORT tls" "AllowTo localhost:$echo_PORT"
	client_start many -n 8 127.0.0.1 "$PORT" tunnel \
	    "localhost:$srv_PORT" send "$half" say up gone
	wait_for peer_said many up
	client tunnel "localhost:$echo_PORT" rtt 1 10 shut eof
	wait_for file_says gave_way "$DIR/access"
}
