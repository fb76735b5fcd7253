#!/usr/bin/env bats
# What the proxy serves itself at its own port: HealthPath, PacFile, and the
# pages of errors with Contact.

load helper

# health BYTES [STATUS]: such a request gets the answer about the health.
health() {
	client send "$1" refused "${2:-200}" >"$DIR/reply"
	grep -qi '^Content-Type: text/plain' "$DIR/reply"
}

@test "front: HealthPath is answered without credentials and without a line in a log" {
	local path

	adit_start 'HealthPath "/healthz"' "BasicAuth joe sesame" \
	    "AccessLog \"$DIR/access\""
	health 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
	grep -qx ok "$DIR/reply"
	health 'GET /healthz HTTP/1.0\r\n\r\n'
	health 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n'
	health 'OPTIONS / HTTP/1.0\r\n\r\n'
	client send 'HEAD /healthz HTTP/1.0\r\n\r\n' expect 'HTTP/1.1 200 OK\r\n'
	for path in / /healthz/ /healthzz '/healthz?x' /HEALTHZ; do
		client send "GET $path HTTP/1.0\r\n\r\n" refused 400
	done
	client send 'POST /healthz HTTP/1.0\r\n\r\n' refused 400
	client send "CONNECT x:443 HTTP/1.0\r\n\r\n" refused 407
	wait_for access_lines 7
	log_wait 'Request .*CONNECT x:443'
	# One for each line of the access log.
	[ "$(log_count 'Connect \(')" = 7 ]
	client send 'GET http://tinyproxy.stats/ HTTP/1.0\r\nProxy-Authorization: Basic am9lOnNlc2FtZQ==\r\n\r\n' \
	    refused 200 >"$DIR/reply"
	grep -q '<tr><th>Requests</th><td>2</td>' "$DIR/reply"
}

@test "front: without HealthPath nothing is asked there, and a client that Deny names gets no answer" {
	adit_start
	client send 'GET /healthz HTTP/1.0\r\n\r\n' refused 400
	client send 'OPTIONS * HTTP/1.0\r\n\r\n' refused 400
	adit_stop
	adit_start 'HealthPath "/healthz"' "Deny 127.0.0.1"
	client send 'GET /healthz HTTP/1.0\r\n\r\n' refused 403
}

@test "front: HealthPath goes before a ReversePath, which keeps all other paths" {
	peer_start srv server head send 'HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nmapped' eof
	adit_start 'HealthPath "/healthz"' \
	    "ReversePath \"/\" \"http://127.0.0.1:$srv_PORT/\""
	health 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
	client send 'OPTIONS / HTTP/1.0\r\n\r\n' refused 200 | grep -qx mapped
	client send 'GET /healthz/x HTTP/1.0\r\n\r\n' refused 200 |
		grep -qx mapped
}

@test "front: the PacFile is served without credentials, and must be readable" {
	local path

	echo 'function FindProxyForURL(u, h) { return "PROXY <&>:1"; }' \
	    >"$DIR/p.pac"
	adit_start "PacFile \"$DIR/p.pac\"" "BasicAuth joe sesame" \
	    "AccessLog \"$DIR/access\""
	for path in /proxy.pac /wpad.dat; do
		client send "GET $path HTTP/1.0\r\n\r\n" refused 200 >"$DIR/reply"
		grep -q '^Content-Type: application/x-ns-proxy-autoconfig' \
		    "$DIR/reply"
		grep -qxFf "$DIR/p.pac" "$DIR/reply"
	done
	client send 'GET /proxy.pac/ HTTP/1.0\r\n\r\n' refused 400
	wait_for access_lines 3
	[ "$(grep -c ' 200/pac ' "$DIR/access")" = 2 ]
	adit_conf "PacFile \"$DIR/none\""
	fails "$ADIT" -t -c "$CONF" >"$DIR/out" 2>&1
	grep -q "PacFile: $DIR/none: No such file" "$DIR/out"
}

@test "front: a page of an error says whom to ask, and what the reader can do, in any template" {
	adit_start 'Contact "ops+proxy@example.com"'
	client send 'CONNECT <x>:1 HTTP/1.0\r\n\r\n' refused 400 >"$DIR/reply"
	grep -qF '<a href="mailto:ops+proxy@example.com">ops+proxy@example.com</a>' \
	    "$DIR/reply"
	adit_stop
	echo '{contact}|{advice}' >"$DIR/page"
	adit_start 'Contact "Jürgen <3 & co"' "Deny 127.0.0.1" \
	    "ErrorFile 400 \"$DIR/page\""
	client send 'GET http://x/ HTTP/1.0\r\n\r\n' refused 403 >"$DIR/reply"
	grep -qF 'ask Jürgen &#60;3 &#38; co.' "$DIR/reply"
	grep -q 'The rules of this proxy decide that' "$DIR/reply"
}
