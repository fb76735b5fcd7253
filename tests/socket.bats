#!/usr/bin/env bats
# Unix sockets: clients that come by them, and who they are.

load helper
load control

setup() {
	common_setup
	SOCKET=$DIR/ci.sock
	UID_OF=$(id -u)
	AS=()
}

# client [-o VALUE] ACTION...: a client at the Unix socket.
client() {
	local options=()

	while [ "${1#-}" != "$1" ]; do
		options+=("$1" "$2")
		shift 2
	done
	"$PEER" client "${options[@]}" "$SOCKET" 0 "$@"
}

# reload [OUTCOME]: sends HUP, and waits until the reload has finished.
reload() {
	local outcome=${1:-finished} n

	n=$(log_count "Reloading config file $outcome")
	kill -HUP "$ADIT_PID"
	wait_for reloaded "$outcome" $((n + 1))
}

reloaded() {
	[ "$(log_count "Reloading config file $1")" = "$2" ]
}

# says ARGUMENT...: what -t says of a request is in the file out.
says() {
	"$ADIT" -t -c "$CONF" "$@" >"$DIR/out" 2>&1 || true
	cat "$DIR/out"
}

@test "socket: a client there is served by the rules that name it, is not on this machine, and is logged by path and user" {
	peer_start srv server echo
	adit_start "Listen 127.0.0.1" "Listen \"$SOCKET\" mode 0606" \
	    "Listen \"$DIR/with blank\" mode 0600" \
	    "Deny 127.0.0.9" "Allow 127.0.0.1" \
	    "AllowTo 127.0.0.1 client \"$SOCKET\" 192.0.2.0/24" \
	    "AllowTo 127.0.0.2 client 127.0.0.1 \"$DIR/with blank\"" \
	    "AllowTo 127.0.0.3/32:80" "AllowTo * client \"$SOCKET\"" \
	    "AccessLog \"$DIR/access\"" \
	    "AccessLog \"$DIR/json\" json" "AccessLog \"$DIR/common\" common" \
	    "AccessLog \"$DIR/squid\" squid" "XTinyproxy yes" \
	    "ControlSocket \"$DIR/control\""
	[ "$(stat -c %a "$SOCKET" 2>/dev/null || stat -f %Lp "$SOCKET")" = 606 ]
	client tunnel "127.0.0.1:$srv_PORT" rtt 2 100 shut eof
	client send "CONNECT 127.0.0.2:$srv_PORT HTTP/1.0\r\n\r\n" refused 403
	# The floor: this client is not on loopback, and the rule is for all.
	client send "CONNECT 127.0.0.4:$srv_PORT HTTP/1.0\r\n\r\n" refused 403
	fails "$PEER" client 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT"
	"$PEER" client "$DIR/with blank" 0 send \
	    "CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 403
	log_wait "^CONNECT .*Connect \(file descriptor [0-9]*\): $SOCKET, uid $UID_OF\$"
	log_wait "^NOTICE .*Refused address of 127.0.0.2:$srv_PORT: .* client $SOCKET, uid $UID_OF\)"
	wait_for file_says "Z $SOCKET - 127.0.0.1:$srv_PORT " "$DIR/access"
	wait_for file_says 'Z [^ ]*/with\\x20blank - ' "$DIR/access"
	wait_for file_says "\"client\":\"$SOCKET\",\"client_port\":null,\"uid\":$UID_OF,\"via\":null" "$DIR/json"
	wait_for file_says "^$SOCKET $UID_OF - \[" "$DIR/common"
	wait_for file_says " $SOCKET TCP_TUNNEL/200 " "$DIR/squid"

	# What it is in a table of sessions, and in a plain request.
	client_start held "$SOCKET" 0 tunnel "127.0.0.1:$srv_PORT" hold
	SOCK=$DIR/control
	wait_for sessions_have "$SOCKET, uid $UID_OF"
	asked 0 kill client "$SOCKET"
	[[ $OUT == "1 "* ]]
	peer_start web server skip "\r\nX-Tinyproxy: unknown\r\n" \
	    send 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok' eof
	client send "GET http://127.0.0.1:$web_PORT/ HTTP/1.0\r\n\r\n" \
	    skip '\r\n\r\nok' eof

	# What -t says is the same.
	says "$SOCKET" - "127.0.0.1:$srv_PORT"
	file_says "^client $SOCKET: allowed: for a Unix socket its mode decides" "$DIR/out"
	file_says "allowed by line [0-9]*: AllowTo 127.0.0.1 client \"$SOCKET\"" "$DIR/out"
	says "unix:$SOCKET,uid=77" - "127.0.0.4:80"
	file_says "^client $SOCKET, uid 77: allowed" "$DIR/out"
	file_says '^address 127.0.0.4: refused by a floor' "$DIR/out"
	says "$DIR/with blank" - "127.0.0.1:80"
	file_says '^hint: line [0-9]* is for other clients' "$DIR/out"
	says "$SOCKET,uid=x" - "127.0.0.4:80"
	file_says 'or the number after it is none; write /PATH,uid=1000' "$DIR/out"
	"$ADIT" -T -c "$CONF" >"$DIR/out"
	has_line "$DIR/out" "Listen \"$SOCKET\" mode 0606"
	has_line "$DIR/out" "AllowTo 127.0.0.2 client 127.0.0.1 \"$DIR/with blank\""
	"$ADIT" -t -c "$DIR/out" >"$DIR/out2" 2>&1 || cat "$DIR/out2"
	file_says "note: Listen: $SOCKET is in use, as it is while adit runs" "$DIR/out2"
}

sessions_have() {
	ask sessions
	[[ $OUT == *"$1"* ]]
}

@test "socket: the path of a client is a socket where some line listens on it or it is there, and else a list of addresses" {
	local line why

	printf '127.0.0.1\n192.0.2.0/24\n' >"$DIR/office"
	printf '127.0.0.9\n' >"$DIR/guests"
	printf '192.0.2.9\n' >"$DIR/far"
	peer_start srv server echo
	# Lines that listen come last.
	adit_start "Allow \"$SOCKET\"" "Deny \"$DIR/other\"" "Deny \"$DIR/guests\"" \
	    "Allow 127.0.0.0/8" "BasicAuth u p" "NoAuth \"$SOCKET\"" \
	    "NoAuth \"$DIR/office\"" \
	    "AllowTo 127.0.0.1/32:$srv_PORT client \"$DIR/far\" \"$DIR/office\" \"$SOCKET\"" \
	    "AllowTo 127.0.0.4 client \"$DIR/far\"" \
	    "Listen \"$SOCKET\"" "Listen \"$DIR/other\"" "Listen \"$DIR/third\"" \
	    "Listen 127.0.0.1"
	client tunnel "127.0.0.1:$srv_PORT" rtt 2 100 shut eof
	"$PEER" client 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 2 100 shut eof
	"$PEER" client -b 127.0.0.7 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 407
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" send '' refused 403
	"$PEER" client "$DIR/other" 0 send '' refused 403
	"$PEER" client "$DIR/third" 0 send '' refused 403
	client send "CONNECT 127.0.0.4:1 HTTP/1.0\r\n\r\n" refused 403
	log_wait "Refused client $DIR/other, uid $UID_OF: line [0-9]* of"
	log_wait "Refused client $DIR/third, uid $UID_OF: no rule matches"

	says "$SOCKET" - "127.0.0.1:$srv_PORT"
	file_says "^client $SOCKET: allowed by line [0-9]*: Allow \"$SOCKET\"" "$DIR/out"
	file_says "no credentials are required, by line [0-9]*: NoAuth \"$SOCKET\"" "$DIR/out"
	file_says '^answer: 200' "$DIR/out"
	says "$DIR/third" - "127.0.0.1:$srv_PORT"
	file_says "^client $DIR/third: refused: no Allow matches" "$DIR/out"
	says 127.0.0.1 - "127.0.0.1:$srv_PORT"
	file_says "^list $DIR/office: matched by line 1: 127.0.0.1" "$DIR/out"
	"$ADIT" -T -c "$CONF" >"$DIR/out"
	has_line "$DIR/out" "Allow \"$SOCKET\""
	has_line "$DIR/out" "NoAuth \"$DIR/office\""
	has_line "$DIR/out" "AllowTo 127.0.0.1:$srv_PORT client \"$SOCKET\" \"$DIR/far\" \"$DIR/office\""
	# A reload that denies the socket ends its tunnels, where that is wanted.
	client_start held "$SOCKET" 0 tunnel "127.0.0.1:$srv_PORT" rtt 1 10 hold
	wait_for log_has "Established connection"
	sed -i.bak "s,^Allow \"$SOCKET\",Deny \"$SOCKET\"\nReloadTunnels judge," "$CONF"
	reload
	log_wait 'ReloadTunnels: the new rules refuse 1 open tunnel'

	# What is neither, and what is wrong in a list.
	printf 'name.example\n' >"$DIR/names"
	while IFS='|' read -r line why; do
		adit_conf "$line"
		says
		grep -qF -- "$why" "$DIR/out"
	done <<-END
	AllowTo * client "$DIR/none"|AllowTo: $DIR/none: No such file or directory, and no Listen has this path
	Allow "$DIR/none"|Allow: $DIR/none: No such file or directory, and no Listen has this path
	NoAuth "$DIR/none"|NoAuth: $DIR/none: No such file or directory, and no Listen has this path
	AllowTo * client "$DIR"|AllowTo: $DIR: not a regular file
	AllowTo * client "$DIR/names"|$DIR/names:1: clients in a list must be addresses or blocks
	AllowTo * client "s"|in double quotes there must be the absolute path of a Unix socket or of a list
	AllowTo "$DIR/none"|AllowTo: $DIR/none: No such file or directory
	END
	# One that is there may be handed over.
	adit_conf "Allow \"$DIR/third\"" "AllowTo * client \"$DIR/third\""
	says "$DIR/third" - 192.0.2.1:80
	file_says '^answer: 200' "$DIR/out"
}

@test "socket: limits count each user of it, in all its sockets, and no client that has an address" {
	peer_start srv server echo
	adit_start "Listen 127.0.0.1" "Listen \"$SOCKET\"" \
	    "Listen \"$DIR/other\"" "AllowTo 127.0.0.1" "MaxClientsPerHost 2" \
	    "PerHostNetBlockSize 8:8"
	client_start one "$SOCKET" 0 tunnel "127.0.0.1:$srv_PORT" touch "$DIR/is_one" hold
	client_start two "$DIR/other" 0 tunnel "127.0.0.1:$srv_PORT" touch "$DIR/is_two" hold
	wait_for test -e "$DIR/is_one" -a -e "$DIR/is_two"
	limited
	log_wait "Too many connections from \"$SOCKET, uid $UID_OF\": MaxClientsPerHost is 2"
	"$PEER" client 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" rtt 1 1
}

limited() {
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 503
}

@test "socket: a load balancer there is trusted, and a parent is told that the client has no address" {
	peer_start srv server echo
	peer_start v1 server expect 'PROXY UNKNOWN\r\nCONNECT one:1' skip '\r\n\r\n' \
	    send 'HTTP/1.0 200 OK\r\n\r\n' echo
	peer_start v2 server expect \
	    '\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00CONNECT two:1' \
	    skip '\r\n\r\n' send 'HTTP/1.0 200 OK\r\n\r\n' echo
	adit_start "Listen 127.0.0.1" "Listen \"$DIR/plain\"" \
	    "ListenProxy \"$SOCKET\"" "Allow 198.51.100.0/24" \
	    "AccessLog \"$DIR/access\" json" \
	    "AllowTo 127.0.0.1 client 198.51.100.7" \
	    "AllowTo one" "AllowTo two" \
	    "Upstream http 127.0.0.1:$v1_PORT \"one\"" \
	    "Upstream http 127.0.0.1:$v2_PORT \"two\"" \
	    "SendProxy v1 127.0.0.1:$v1_PORT" "SendProxy v2 127.0.0.1:$v2_PORT"
	client send 'PROXY TCP4 198.51.100.7 192.0.2.1 12345 443\r\n' \
	    tunnel "127.0.0.1:$srv_PORT" rtt 2 100 shut eof
	wait_for file_says "\"client\":\"198.51.100.7\",\"client_port\":12345,\"uid\":null,\"via\":\"$SOCKET\"" \
	    "$DIR/access"
	client send 'PROXY TCP4 192.0.2.7 192.0.2.1 12345 443\r\n' \
	    send "CONNECT one:1 HTTP/1.0\r\n\r\n" refused 403
	"$PEER" client "$DIR/plain" 0 tunnel one:1 rtt 2 100 shut eof
	"$PEER" client "$DIR/plain" 0 tunnel two:1 rtt 2 100 shut eof
	says "198.51.100.7@$SOCKET" - "127.0.0.1:$srv_PORT"
	file_says "^sender $SOCKET: trusted: the mode of its socket decides" "$DIR/out"
}

@test "socket: reloads and upgrades never leave a gap, and only what is ours is removed" {
	local before

	peer_start srv server echo
	adit_start "Listen 127.0.0.1" "Listen \"$SOCKET\" mode 0600" \
	    "AllowTo 127.0.0.1 client \"$SOCKET\"" "Workers 2"
	[ ! -e "$SOCKET.new" ]
	before=$(ls -i "$SOCKET")
	client_start held "$SOCKET" 0 tunnel "127.0.0.1:$srv_PORT" rtt 1 10 hold
	wait_for log_has 'Established connection'
	# 300 connections, one after the other, while it is reloaded twice and
	# upgraded: the connect() of none of them fails.
	client_start load -c 300 "$SOCKET" 0 tunnel "127.0.0.1:$srv_PORT" rtt 1 10
	reload
	sed -i.bak "s,mode 0600,mode 0666," "$CONF"
	reload
	[ "$(stat -c %a "$SOCKET" 2>/dev/null || stat -f %Lp "$SOCKET")" = 666 ]
	kill -USR2 "$ADIT_PID"
	wait_for log_has 'Upgraded to'
	wait_for reloaded finished 3
	wait "$load_PID"
	[ "$(ls -i "$SOCKET")" = "$before" ]
	alive "$held_PID"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 10

	# A socket that is taken out of the file goes; one that somebody has
	# removed comes again; one that is not ours stays.
	sed -i.bak "/^Listen \"/s,.*,Listen \"$DIR/other\"," "$CONF"
	sed -i.bak2 's,client ".*,,' "$CONF"
	reload
	[ ! -e "$SOCKET" ] && [ -S "$DIR/other" ]
	rm "$DIR/other"
	reload
	SOCKET=$DIR/other
	client send "CONNECT 127.0.0.9:1 HTTP/1.0\r\n\r\n" refused 403
	alive "$held_PID"
	rm "$DIR/other"
	echo mine >"$DIR/other"
	kill "$ADIT_PID"
	wait_for dead "$ADIT_PID"
	[ "$(cat "$DIR/other")" = mine ]
}

@test "socket: what is in its place, what is wrong with its line, and how it ends" {
	local line why pid

	mkdir -m 777 "$DIR/open"
	chmod 777 "$DIR/open"
	: >"$DIR/file"
	ln -s "$DIR/file" "$DIR/link"
	peer_start live server -a "$DIR/live" echo
	while IFS='|' read -r line why; do
		adit_conf "Listen $line"
		for options in -t -d; do
			timeout 20 "$ADIT" "$options" -c "$CONF" >"$DIR/out" 2>&1 || true
			cat "$DIR/out"
			[[ $options$why == *"is in use"* ]] && [ "$options" = -d ] &&
				why="cannot listen on $DIR/live: another process listens there"
			grep -qF -- "$why" "$DIR/out"
		done
	done <<-END
	"$DIR/open/s"|Listen: cannot listen on $DIR/open/s: other users can write to its directory
	"$DIR/none/s"|cannot listen on $DIR/none/s: $DIR/none: No such file
	"$DIR/file"|cannot listen on $DIR/file: there is a file that is no socket
	"$DIR/link"|cannot listen on $DIR/link: there is a file that is no socket
	"$DIR/live"|$DIR/live is in use
	"$DIR/s" group no-such-group|cannot listen on $DIR/s: there is no group "no-such-group"
	"$DIR/s" owner no-such-user|cannot listen on $DIR/s: there is no user "no-such-user"
	"$DIR/s" mode 999|"999" is not a mode in octal, as 0660
	"$DIR/s" mode|"" is not a mode in octal
	"$DIR/s" backlog 3|"backlog" is not mode, group or owner
	"$DIR/s/" mode 0600|there must be the absolute path of a socket
	"s"|there must be the absolute path of a socket
	$DIR/s|write the path of a Unix socket in double quotes
	"/$(printf '%0103d' 0)"|the path of a socket has at most 103 bytes
	END
	adit_conf "Listen \"$DIR/s\"" "Listen \"$DIR/s\""
	says
	file_says "$DIR/s is already covered by $DIR/s of an earlier line" "$DIR/out"
	[ -f "$DIR/file" ] && [ -S "$DIR/live" ] && [ ! -e "$DIR/s" ]

	# What a killed one has left is replaced; a drain ends with the file gone.
	SOCKET=$DIR/s
	adit_start "Listen 127.0.0.1" "Listen \"$SOCKET\""
	family
	kill -KILL "$ADIT_PID"
	wait_for dead "$ADIT_PID" "${FAMILY[@]}"
	[ -S "$SOCKET" ]
	: >"$LOG"
	adit_start "Listen 127.0.0.1" "Listen \"$SOCKET\""
	client send "CONNECT 127.0.0.9:1 HTTP/1.0\r\n\r\n" refused 403
	# A reload that fails leaves it, and takes away what it has made.
	echo "Listen \"$DIR/more\"" >>"$CONF"
	echo "Listen \"$DIR/none/x\"" >>"$CONF"
	reload failed
	[ -S "$SOCKET" ] && wait_for test ! -e "$DIR/more"
	client send "CONNECT 127.0.0.9:1 HTTP/1.0\r\n\r\n" refused 403
	kill -QUIT "$ADIT_PID"
	wait_for dead "$ADIT_PID"
	[ ! -e "$SOCKET" ]
}

@test "socket: parents at Unix sockets, for tunnels and plain requests, and what is said of them" {
	local line why

	peer_start srv server echo
	SOCKET="$DIR/a@b parent"
	peer_start http server -a "$SOCKET" expect 'CONNECT one:1 HTTP/1.1\r\n' \
	    skip 'Proxy-Authorization: Basic dTpwQHg=\r\n' skip '\r\n\r\n' \
	    send 'HTTP/1.0 200 OK\r\n\r\n' echo
	chmod 666 "$SOCKET"
	peer_start plain server -a "$DIR/plain" \
	    skip 'GET http://web.test/ HTTP/1.1\r\n' skip '\r\n\r\n' \
	    send 'HTTP/1.0 200 OK\r\n\r\n' fillup a 3M
	chmod 666 "$DIR/plain"
	peer_start socks server -a "$DIR/socks" expect '\x05\x01\x00' send '\x05\x00' \
	    expect '\x05\x01\x00\x03\x03two\x00\x01' \
	    send '\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00' fillup b 3M
	chmod 666 "$DIR/socks"
	# The directory of a test is for its user alone.
	chmod go+x "$DIR"
	adit_start "Upstream http u:p@x@\"$SOCKET\" \"one\"" \
	    "Upstream http \"$DIR/plain\" \"web.test\"" \
	    "Upstream http \"$DIR/none\" \"web.test\"" \
	    "Upstream socks5 \"$DIR/socks\" \"two\"" \
	    "Upstream socks4 \"$LOG\" \"bad.test\"" \
	    "AccessLog \"$DIR/access\" json"
	"$PEER" client 127.0.0.1 "$PORT" tunnel one:1 rtt 2 100 shut eof
	# A parent that closes at once loses nothing of what it has sent.
	"$PEER" client 127.0.0.1 "$PORT" tunnel two:1 take 3M eof
	fails log_has "$DIR/none"
	"$PEER" client 127.0.0.1 "$PORT" send 'GET http://web.test/ HTTP/1.0\r\n\r\n' \
	    skip '\r\n\r\n' take 3M eof
	"$PEER" client 127.0.0.1 "$PORT" send 'CONNECT bad.test:1 HTTP/1.0\r\n\r\n' \
	    refused 502
	log_wait "Could not connect to upstream proxy. \(http $DIR/none: No such file"
	log_wait "Could not connect to upstream proxy. \(socks4 $LOG: "
	log_wait "Established connection to upstream proxy \"$SOCKET\" "
	wait_for file_says "\"dialled\":\"$SOCKET\",\"parent\":\"$SOCKET\"" "$DIR/access"
	says 127.0.0.1 - one:1
	file_says "^upstream: line [0-9]*: Upstream http \*\*\*@\"$SOCKET\"" "$DIR/out"
	file_says "^answer: 200, a tunnel through http $SOCKET" "$DIR/out"
	"$ADIT" -T -c "$CONF" >"$DIR/out"
	has_line "$DIR/out" "Upstream http ***@\"$SOCKET\" \"one\""
	while IFS='|' read -r line why; do
		adit_conf "$line"
		says
		grep -qF -- "$why" "$DIR/out"
	done <<-END
	Upstream http "relative"|must be the absolute path of the parent's Unix socket
	Upstream http /run/x|the path of a Unix socket must be in double quotes
	Upstream http "/run/x" site|the site must be in double quotes
	Upstream http "/run/x"site|must be the absolute path of the parent's Unix socket
	SendProxy v1 "/run/x"|no Upstream has this host and port
	END
	adit_conf "Listen \"$DIR/l\"" "Upstream http \"$DIR/l\""
	says
	file_says "\"$DIR/l\" is a socket that a Listen of this file makes" "$DIR/out"
}

@test "socket: with PeerUser the login name is the user for rules and logs, and nobody without one gets in" {
	local name

	[ "$UID_OF" != 65534 ] || skip "this user has the number of others"
	name=$(id -un)
	peer_start srv server echo
	chmod go+x "$DIR"
	adit_start "Listen 127.0.0.1" "Listen \"$SOCKET\" mode 0666" "PeerUser yes" \
	    "BasicAuth other secret" "AllowTo 127.0.0.1 user $name" \
	    "AllowTo 127.0.0.2/32 user other" "AccessLog \"$DIR/access\"" \
	    "MaxClientsPerHost 100"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 10 shut eof
	wait_for file_says "Z $SOCKET $name 127.0.0.1:$srv_PORT " "$DIR/access"
	log_wait "client $SOCKET, uid $UID_OF, user $name\)"
	# The name stays for the requests that follow, and credentials are not
	# looked at.
	client send 'GET http://127.0.0.2:1/ HTTP/1.1\r\nHost: a\r\n' \
	    send 'Proxy-Authorization: Basic b3RoZXI6c2VjcmV0\r\n\r\n' \
	    skip 'HTTP/1.1 403' skip '</html>\n' eof
	# Clients with an address need a password still.
	"$PEER" client 127.0.0.1 "$PORT" send \
	    "CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 407
	says "$SOCKET,uid=$UID_OF" - "127.0.0.1:$srv_PORT"
	file_says "^user $name: the login name of the client, by line [0-9]*: PeerUser yes" "$DIR/out"
	file_says '^answer: 200' "$DIR/out"
	says "$SOCKET" other 127.0.0.2:80
	file_says '^answer: 200' "$DIR/out"
	says "$SOCKET,uid=54321" - 127.0.0.2:80
	file_says '^answer: 403 .*, http_request_denied' "$DIR/out"
	adit_conf "PeerUser yes" "AllowTo * user no-such-user"
	says
	file_says 'there is no user "no-such-user", and none of this system' "$DIR/out"
	need_root
	need_command setpriv
	AS=(setpriv --clear-groups --reuid 54321 --regid 54321)
	"${AS[@]}" "$PEER" client "$SOCKET" 0 \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 403
	log_wait "PeerUser: the number of the user has no name here .* client $SOCKET, uid 54321\)"
	AS=(setpriv --clear-groups --reuid 65534 --regid 65534)
	"${AS[@]}" "$PEER" client "$SOCKET" 0 \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.0\r\n\r\n" refused 403
	log_wait "PeerUser: the system does not say who it is: a user of another"
}
