#!/usr/bin/env bats
# Basic credentials: which are accepted, which are refused, and where they must
# never appear.

load helper

# lets_in FIELD..., keeps_out FIELD...: a CONNECT with these fields.
lets_in() {
	client send "$(request "$@")" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' \
	    rtt 1 5 shut eof
}

# From another address each time, since an address with many failures must wait.
keeps_out() {
	TRIES=$((TRIES + 1))
	"$PEER" client -b "127.0.2.$TRIES" 127.0.0.1 "$PORT" \
	    send "$(request "$@")" refused 407 >"$DIR/reply"
	file_says '^Proxy-Authenticate: Basic realm="' "$DIR/reply"
	file_says '^Proxy-Status: adit; error=http_request_denied' "$DIR/reply"
}

request() {
	local field

	printf '%s' "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\\r\\n"
	for field; do
		printf '%s' "$field\\r\\n"
	done
	printf '%s' '\r\n'
}

# auth_start LINE...: adit and an echo server.
auth_start() {
	TRIES=0
	peer_start srv server echo
	adit_start "$@"
}

@test "auth: the right password opens a tunnel, a wrong or missing one does not" {
	auth_start "BasicAuth alice secret"
	lets_in "$(basic alice:secret)"
	keeps_out
	keeps_out "$(basic alice:Secret)"
	keeps_out "$(basic alice:secre)"
	keeps_out "$(basic alice:secrets)"
	keeps_out "$(basic alice:)"
	keeps_out "$(basic Alice:secret)"
	keeps_out "$(basic alic:secret)"
	keeps_out "$(basic alicesecret)"
	keeps_out "$(basic 'alice:secret ')"
	keeps_out "$(basic 'alice:secret\n')"
	keeps_out "$(basic 'alice:secret\0')"
	keeps_out "$(basic ' alice:secret')"
	lets_in "$(basic alice:secret)"
}

@test "auth: without BasicAuth no password is needed, and one that is sent does no harm" {
	auth_start
	lets_in
	lets_in "$(basic alice:secret)"
	lets_in "Proxy-Authorization: Nonsense"
}

@test "auth: each user has a password of its own" {
	auth_start "BasicAuth alice secret" "BasicAuth bob Pass:Wo\"rd" \
	    "BasicAuth carol a" "BasicAuth carol b"
	lets_in "$(basic alice:secret)"
	lets_in "$(basic 'bob:Pass:Wo"rd')"
	lets_in "$(basic carol:a)"
	lets_in "$(basic carol:b)"
	keeps_out "$(basic alice:a)"
	keeps_out "$(basic bob:secret)"
	keeps_out "$(basic bob:Pass)"
}

@test "auth: clients may write the scheme and the field in any case" {
	local token

	auth_start "BasicAuth alice secret"
	token=$(printf alice:secret | base64)
	lets_in "proxy-authorization: basic $token"
	lets_in "PROXY-AUTHORIZATION:BASIC $token"
	lets_in "Proxy-Authorization: \\tBasic  $token \\t"
	lets_in "User-Agent: x" "Proxy-Authorization: Basic $token" "Accept: */*"
}

@test "auth: malformed credentials are refused and affect no other client" {
	local long value

	auth_start "BasicAuth alice secret"
	long=$(head -c 6000 /dev/zero | tr '\0' A)
	for value in '' Basic 'Basic ' 'Basic =' 'Basic ====' 'Basic !!!!' \
	    '"' 'Basic "' 'Basic YWxpY2U' 'Basic YWxpY2U6c2VjcmV0=' \
	    'Basic YWxpY2U6c2VjcmV0 x' 'BasicYWxpY2U6c2VjcmV0' \
	    'Bearer YWxpY2U6c2VjcmV0' 'Digest YWxpY2U6c2VjcmV0' \
	    'YWxpY2U6c2VjcmV0' 'Basic alice:secret' 'Basic \xff\xfe' \
	    "Basic $long" "$long"; do
		keeps_out "Proxy-Authorization: $value"
	done
	for value in : :secret :alice:secret 'alice\0:secret' '\0alice:secret' \
	    'alice:sec\0ret' '\001:\002'; do
		keeps_out "$(basic "$value")"
	done
	lets_in "$(basic alice:secret)"
}

@test "auth: an empty password or user never opens anything" {
	auth_start "BasicAuth alice secret"
	keeps_out "$(basic :)"
	keeps_out "$(basic alice:)"
	keeps_out "$(basic :secret)"
}

@test "auth: two Proxy-Authorization fields are malformed, even if one is right" {
	auth_start "BasicAuth alice secret"
	client send "$(request "$(basic alice:secret)" "$(basic eve:x)")" \
	    refused 400
	client send "$(request "$(basic eve:x)" "$(basic alice:secret)")" \
	    refused 400
}

@test "auth: credentials in another field do not count" {
	auth_start "BasicAuth alice secret"
	keeps_out "Authorization: Basic $(printf alice:secret | base64)"
	keeps_out "X-Proxy-Authorization: Basic $(printf alice:secret | base64)"
	client send "CONNECT alice:secret@127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 400
}

@test "auth: what follows a 407 is never read as another request" {
	auth_start "BasicAuth alice secret"
	client send "$(request)$(request "$(basic alice:secret)")" refused 407
	client send "$(request 'Connection: keep-alive')" refused 407
	[ "$(log_count 'Established connection')" = 0 ]
}

@test "auth: a password is asked for before the port or the name is judged" {
	auth_start "BasicAuth alice secret" "ConnectPort 443"
	keeps_out
	client send "$(request "$(basic alice:secret)")" refused 403
	client send "CONNECT no.such.name.invalid:443 HTTP/1.1\r\n\r\n" \
	    refused 407
}

@test "auth: a client that the rules refuse is not asked for a password" {
	auth_start "BasicAuth alice secret" "Deny 127.0.0.9" "Allow 127.0.0.0/8"
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" \
	    send "$(request "$(basic alice:secret)")" refused 403
	lets_in "$(basic alice:secret)"
}

@test "auth: the realm is adit, or that of the configuration" {
	auth_start "BasicAuth alice secret"
	client send "$(request)" refused 407 >"$DIR/reply"
	grep -qi '^Proxy-Authenticate: Basic realm="adit", charset="UTF-8"' \
	    "$DIR/reply"
	adit_stop
	: >"$LOG"
	adit_start "BasicAuth alice secret" 'BasicAuthRealm "Cave 7, <west>"'
	client send "$(request)" refused 407 >"$DIR/reply"
	grep -qi '^Proxy-Authenticate: Basic realm="Cave 7, <west>"' \
	    "$DIR/reply"
}

@test "auth: a realm with a backslash cannot break out of its quotes" {
	auth_start "BasicAuth alice secret" 'BasicAuthRealm "back\slash\"'
	client send "$(request)" refused 407 >"$DIR/reply"
	grep -qF 'realm="back\\slash\\", charset' "$DIR/reply"
}

@test "auth: user names and passwords may contain any bytes" {
	auth_start "BasicAuth jörg grüß#\"'<>&" "BasicAuth \"q\" %41"
	lets_in "$(basic "jörg:grüß#\"'<>&")"
	lets_in "$(basic '"q":%41')"
	keeps_out "$(basic 'q:A')"
}

@test "auth: users and passwords may have up to 255 bytes" {
	local u p

	u=$(printf 'u%.0s' $(seq 255))
	p=$(printf 'p%.0s' $(seq 255))
	auth_start "BasicAuth $u $p"
	lets_in "$(basic "$u:$p")"
	keeps_out "$(basic "$u:${p}p")"
	keeps_out "$(basic "${u}u:$p")"
	keeps_out "$(basic "$u:${p%p}")"
}

@test "auth: each of five hundred users can log in" {
	local i

	auth_start "$(for i in $(seq 500); do
		echo "BasicAuth user$i pass$i"
	done)"
	lets_in "$(basic user1:pass1)"
	lets_in "$(basic user250:pass250)"
	lets_in "$(basic user500:pass500)"
	keeps_out "$(basic user500:pass499)"
	keeps_out "$(basic user501:pass501)"
}

@test "auth: failed attempts are logged with the address, for fail2ban" {
	auth_start "BasicAuth alice secret"
	"$PEER" client -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "$(request "$(basic alice:wrong)")" refused 407
	log_wait '^INFO .*: Failed auth attempt \(file descriptor: [0-9]+\), ip 127\.0\.0\.5$'
}

@test "auth: credentials never appear in a log or a page, right or wrong" {
	local token wrong

	token=$(printf alice:sesame-open | base64)
	wrong=$(printf mallory:guess-work | base64)
	auth_start "BasicAuth alice sesame-open" "AccessLog \"$DIR/access\""
	lets_in "Proxy-Authorization: Basic $token"
	client send "$(request "Proxy-Authorization: Basic $wrong")" \
	    refused 407 >"$DIR/reply"
	client send "$(request "Proxy-Authorization: Basic $wrong" "Bad : x")" \
	    refused 400 >>"$DIR/reply"
	client send "GET http://mallory:guess-work@h/ HTTP/1.1\r\nProxy-Authorization: Basic $token\r\n\r\n" \
	    refused 400 >>"$DIR/reply"
	client send "CONNECT alice:sesame-open@h:443 HTTP/1.1\r\n\r\n" \
	    refused 400 >>"$DIR/reply"
	client send "CONNECT 127.0.0.1:1 HTTP/1.1\r\nProxy-Authorization: Basic $token\r\n\r\n" \
	    refused 502 >>"$DIR/reply"
	adit_stop
	for secret in "$token" "$wrong" sesame-open guess-work; do
		fails grep -ai -- "$secret" "$LOG" "$DIR/access" "$DIR/reply" \
		    "$STDERR"
	done
	grep -qE '^[^ ]+ 127.0.0.1 alice 127.0.0.1:[0-9]+ ' "$DIR/access"
	fails grep -q mallory "$LOG" "$DIR/access"
}

@test "auth: credentials are not passed on to the target" {
	peer_start srv server print
	adit_start "BasicAuth alice secret"
	client send "$(request "$(basic alice:secret)")early" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' shut
	wait_for peer_said srv early
	[ "$(sed 1d "$DIR/srv.out")" = early ]
}
