#!/usr/bin/env bats
# ReloadTunnels: open tunnels are judged by the rules of a reload.

load helper

# reload [N]: reloads, and waits until the judge has ended N tunnels (0).
reload() {
	local n

	n=$(log_count 'ReloadTunnels: the new rules refuse')
	kill -HUP "$ADIT_PID"
	wait_for log_counts $((n + 1)) 'ReloadTunnels: the new rules refuse'
	grep 'ReloadTunnels: the new rules refuse' "$LOG" | tail -n 1 |
		grep -q "refuse ${1:-0} open tunnel" || {
		grep ReloadTunnels "$LOG"
		return 1
	}
}

# tunnel NAME [OPTION...] TARGET: begins a tunnel that ends with a reset.
tunnel() {
	local name=$1 target=${*: -1}

	client_start "$name" "${@:2:$#-2}" 127.0.0.1 "$PORT" tunnel "$target" \
	    rtt 1 5 say up reset say torn
	wait_for peer_said "$name" up
}

# cut NAME...: these tunnels are reset.
cut_off() {
	local name

	for name; do
		wait_for peer_said "$name" torn
	done
}

# open NAME...: these tunnels are still there.
stands() {
	local name pid

	for name; do
		pid=${name}_PID
		alive "${!pid}"
		fails peer_said "$name" torn
	done
}

# rules [LINE...]: puts these lines in the place of those after "LogLevel".
rules() {
	sed -i.bak '/^LogLevel/q' "$CONF"
	[ $# = 0 ] || printf '%s\n' "$@" >>"$CONF"
}

start() {
	adit_start "AccessLog \"$DIR/access\"" "ReloadTunnels judge" \
	    "LogLevel Info" "$@"
}

@test "judge: tunnels to a port that ConnectPort no longer names are cut, the others go on" {
	peer_start one server echo
	peer_start two server echo
	start "ConnectPort $one_PORT" "ConnectPort $two_PORT"
	tunnel a "127.0.0.1:$one_PORT"
	tunnel b "127.0.0.1:$two_PORT"
	rules "ConnectPort $two_PORT"
	reload 1
	cut_off a
	stands b
	wait_for access_lines 1
	grep -q ' 200/judged ' "$DIR/access"
	log_wait "ReloadTunnels: refused \\(port\\): line $(wc -l <"$CONF") of $CONF: 1 tunnel; the first: client 127.0.0.1, target 127.0.0.1:$one_PORT"
	stands b
}

@test "judge: tunnels to a name or an address that is denied now are cut" {
	peer_start srv server echo
	start
	tunnel name "localhost:$srv_PORT"
	tunnel address "127.0.0.1:$srv_PORT"
	rules "DenyTo localhost"
	reload 1
	cut_off name
	stands address
	rules "DenyTo 127.0.0.0/16"
	reload 1
	cut_off address
	log_wait "ReloadTunnels: refused \\(target[a-z_]*\\): line [0-9]+ of $CONF: 1 tunnel"
}

@test "judge: a block that is denied cuts tunnels that were asked for by name" {
	peer_start srv server echo
	start
	tunnel name "localhost:$srv_PORT"
	rules "DenyTo 127.0.0.1"
	reload 1
	cut_off name
}

@test "judge: a filter that was changed cuts tunnels" {
	peer_start srv server echo
	echo 'nothing' >"$DIR/filter"
	start "Filter \"$DIR/filter\""
	tunnel name "localhost:$srv_PORT"
	tunnel address "127.0.0.1:$srv_PORT"
	printf '%s\n' nothing '^local' >"$DIR/filter"
	reload 1
	cut_off name
	stands address
	log_wait "ReloadTunnels: refused \\(filtered\\): line 2 of $DIR/filter: 1 tunnel"
}

# login NAME USER: begins a tunnel with these credentials, as tunnel does.
login() {
	local basic

	basic=$(printf '%s:x' "$2" | base64)
	client_start "$1" 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\\r\\nHost: a\\r\\nProxy-Authorization: Basic $basic\\r\\n\\r\\n" \
	    skip '\r\n\r\n' rtt 1 5 say up reset say torn
	wait_for peer_said "$1" up
}

@test "judge: tunnels of a user who is removed are cut, and so are those without one once users are required" {
	need_command base64
	peer_start srv server echo
	start
	tunnel nobody "127.0.0.1:$srv_PORT"
	rules "BasicAuth alice x" "BasicAuth b\"o,b x" "BasicAuth carol x"
	reload 1
	cut_off nobody
	login alice alice
	login bob 'b"o,b'
	login carol carol
	rules "BasicAuth alice x" "BasicAuth b\"o,b x"
	reload 1
	cut_off carol
	stands alice bob
	log_wait "ReloadTunnels: refused \\(credentials\\): their user is not known any more: 1 tunnel"
	rules "BasicAuth alice x" "BasicAuth b\"o,b x" \
	    "DenyTo 127.0.0.1 user b\"o,b"
	reload 1
	cut_off bob
	stands alice
}

@test "judge: tunnels of a client that is denied now are cut, and rules for names of clients cut none" {
	need_linux
	peer_start srv server echo
	start "Allow 127.0.0.0/8"
	tunnel a -b 127.0.0.2 "127.0.0.1:$srv_PORT"
	tunnel b "127.0.0.1:$srv_PORT"
	rules "Deny 127.0.0.2" "Allow 127.0.0.0/8"
	reload 1
	cut_off a
	stands b
	rules "Deny .example" "Deny 127.0.0.1"
	reload 0
	stands b
	rules "Allow 127.0.0.9"
	reload 1
	cut_off b
	log_wait "ReloadTunnels: refused \\([a-z_]*\\): no line allows them"
}

@test "judge: with keep, the default, no tunnel is cut" {
	local n

	peer_start srv server echo
	adit_start "LogLevel Info"
	tunnel a "127.0.0.1:$srv_PORT"
	rules "ConnectPort 1" "DenyTo *"
	for n in 1 2; do
		kill -HUP "$ADIT_PID"
		wait_for log_counts "$n" 'Reloading config file finished'
		echo "ReloadTunnels keep" >>"$CONF"
	done
	stands a
	fails log_has ReloadTunnels:
}

@test "judge: the tunnels of all older generations are judged, and those of several workers" {
	local i

	peer_start srv server echo
	peer_start other server echo
	start "Workers 2" "ConnectPort $srv_PORT" "ConnectPort $other_PORT"
	for i in 1 2 3; do
		tunnel "a$i" "127.0.0.1:$srv_PORT"
		tunnel "b$i" "127.0.0.1:$other_PORT"
		reload 0
	done
	tunnel a4 "127.0.0.1:$srv_PORT"
	rules "Workers 1" "ConnectPort $other_PORT"
	reload 4
	cut_off a1 a2 a3 a4
	stands b1 b2 b3
}

@test "judge: hundreds of tunnels are cut, and as many go on" {
	peer_start one echod
	peer_start two echod
	start "Workers 2"
	client_start a -n 400 127.0.0.1 "$PORT" tunnel "127.0.0.1:$one_PORT" \
	    say up reset say torn
	client_start b -n 400 127.0.0.1 "$PORT" tunnel "localhost:$two_PORT" \
	    say up wait "$DIR/go" rtt 1 5 shut eof say well
	wait_for peer_said a up
	wait_for peer_said b up
	rules "DenyTo *:$one_PORT"
	reload 400
	cut_off a
	touch "$DIR/go"
	wait_for peer_said b well
	log_wait "line [0-9]+ of $CONF: 400 tunnels; the first"
	wait_for access_lines 800
	[ "$(grep -c ' 200/judged ' "$DIR/access")" = 400 ]
}

@test "judge: a request that is on its way during the reload is judged when it is a tunnel" {
	need_linux
	peer_start srv server echo
	start
	client_start late 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\\r\\n" say begun \
	    wait "$DIR/go" send 'Host: a\r\n\r\n' skip '\r\n\r\n' reset say torn
	wait_for peer_said late begun
	rules "ConnectPort 1"
	reload 0
	touch "$DIR/go"
	cut_off late
	# The line comes once the judged worker has told of it.
	log_wait "the new rules refuse 1 open tunnel"
}

@test "judge: tunnels through a parent are judged by their target, not by the address of the parent" {
	local ok='HTTP/1.1 200 OK\r\n\r\n'

	peer_start http server head send "$ok" echo
	peer_start socks server skip '\x05\x01\x00' send '\x05\x00' \
	    expect '\x05\x01\x00\x03' skip '\x01\xbb' \
	    send '\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34' echo
	start "Upstream http 127.0.0.1:$http_PORT" \
	    "Upstream socks5 127.0.0.1:$socks_PORT \".example\""
	tunnel name "host.test:443"
	tunnel literal "9.9.9.9:443"
	tunnel socks "deep.example:443"
	# Nothing is looked up, and these are no addresses of the targets.
	rules "DenyTo 127.0.0.0/8" "DenyTo private"
	reload 0
	stands name literal socks
	rules "DenyTo 9.9.0.0/16"
	reload 1
	cut_off literal
	stands name socks
	rules "DenyTo .example"
	reload 1
	cut_off socks
	rules "DenyTo host.test"
	reload 1
	cut_off name
	log_wait "ReloadTunnels: refused \\(target[a-z_]*\\): line [0-9]+ of $CONF: 1 tunnel; the first: client 127.0.0.1, target host.test:443"
}

# judge_found: sets JUDGE to the process number of the judge.
judge_found() {
	local pid

	for pid in $(child_pids); do
		if grep -qas '^adit: judge' "/proc/$pid/cmdline"; then
			JUDGE=$pid
			know_pid "$pid"
			return
		fi
	done
	return 1
}

@test "judge: one that dies or stops cuts nothing and holds nothing up, and the next reload judges again" {
	need_proc
	need_linux
	peer_start srv server echo
	start
	CRASH_OK=1
	tunnel a "127.0.0.1:$srv_PORT"
	# The judge waits for this request to become a tunnel.
	client_start late 127.0.0.1 "$PORT" send "CONNECT 127.0.0.1:" say begun \
	    wait "$DIR/go"
	wait_for peer_said late begun
	reload 0
	wait_for judge_found
	kill -KILL "$JUDGE"
	log_wait "ReloadTunnels: the judge \\(pid $JUDGE\\) died from signal 9; open tunnels may go on unjudged"
	reload 0
	wait_for judge_found
	kill -STOP "$JUDGE"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	stands a
	rules "DenyTo 127.0.0.0/8"
	reload 1
	cut_off a
	wait_for dead "$JUDGE"
	touch "$DIR/go"
}
