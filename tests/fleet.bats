#!/usr/bin/env bats
# Three adit behind a real HAProxy, with the very configuration of
# docs/scale-out.md, in a network of their own.

load helper

PAGE=$BATS_TEST_DIRNAME/../docs/scale-out.md

setup() {
	common_setup
	need_command haproxy curl openssl
	network 10.0.0.5 10.0.0.11 10.0.0.12 10.0.0.13 198.51.100.1 \
	    192.0.2.{1..20}
	# What the page leaves out: targets of the test, and logs.
	peer_start srv server head send \
	    'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok' eof
}

# part NAME: prints a part of the page.
part() {
	sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$PAGE" | sed '/^```/d'
}

# fleet: starts the three adit, with their numbers in ADITS, and HAProxy.
fleet() {
	local n

	ADITS=()
	for n in 1 2 3; do
		part adit | sed -e "s/^\(ListenProxy 10.0.0.1\).*/\1$n/" \
		    -e "s/^ConnectPort .*/ConnectPort $srv_PORT/" >"$DIR/$n.conf"
		printf '%s\n' "AllowTo 127.0.0.1" \
		    "AccessLog \"$DIR/access$n\"" \
		    "StatusListen 10.0.0.1$n 9888" "StatusAllow 10.0.0.0/24" \
		    >>"$DIR/$n.conf"
		"${INSIDE[@]}" "$ADIT" -d -c "$DIR/$n.conf" >"$DIR/log$n" \
		    2>"$DIR/err$n" 3>&- &
		own_pid $!
		ADITS[n]=$!
		wait_for grep -q 'Starting main loop' "$DIR/log$n"
	done
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$DIR/key" -out "$DIR/cert" -days 2 -subj /CN=proxy \
	    -addext subjectAltName=IP:10.0.0.5 2>/dev/null
	cat "$DIR/cert" "$DIR/key" >"$DIR/proxy.pem"
	{
		printf 'global\n\tstats socket %s/stats\n' "$DIR"
		part haproxy
		part haproxy-tls | sed "s,/etc/haproxy/proxy.pem,$DIR/proxy.pem,"
	} >"$DIR/haproxy.cfg"
	"${INSIDE[@]}" haproxy -db -f "$DIR/haproxy.cfg" >"$DIR/haproxy" 2>&1 \
	    3>&- &
	own_pid $!
	wait_for asks 192.0.2.1
}

# asks CLIENT [OPTION...]: whether a CONNECT from this address works.
asks() {
	local from=$1

	shift
	"${INSIDE[@]}" curl -sS -m 10 -p --interface "$from" \
	    -x http://10.0.0.5:3128 "$@" "http://127.0.0.1:$srv_PORT/" \
	    >"$DIR/curl" 2>"$DIR/curl.out" && grep -q ok "$DIR/curl"
}

# served: prints which adit has served which client, once each.
served() {
	local n

	for n in 1 2 3; do
		awk -v n="$n" '$2 ~ /^192[.]0[.]2[.]/ && $4 != "-" {
			print $2, n
		}' "$DIR/access$n"
	done | sort -u
}

@test "fleet: each adit sees the clients' own addresses, a client stays with one, and checks leave no line" {
	local i

	fleet
	for i in {1..20} {1..20}; do
		asks "192.0.2.$i"
	done
	wait_for bash -c '[ "$(cat "$1"/access? | grep -c " 192[.]0[.]2[.]20 ")" = 2 ]' - "$DIR"
	[ "$(served | wc -l)" = 20 ]
	[ "$(served | cut -d ' ' -f 2 | sort -u | wc -l)" -gt 1 ]
	fails grep -h ' 10\.0\.0\.' "$DIR"/access?
	fails grep -h 'healthz\|10\.0\.0\.5:' "$DIR"/log?
	# Not in an Allow.
	fails asks 198.51.100.1
}

@test "fleet: one that drains or dies costs no CONNECT that comes later" {
	local i workers

	fleet
	kill -QUIT "${ADITS[1]}"
	for i in {1..20}; do
		asks "192.0.2.$i"
	done
	CRASH_OK=yes
	mapfile -t workers < <(ps -o pid= --ppid "${ADITS[2]}" | tr -d ' ')
	kill -KILL "${ADITS[2]}"
	# Until they have gone too, the system takes connections for them.
	for i in "${workers[@]}"; do
		wait_for dead "$i"
	done
	for i in {1..20}; do
		asks "192.0.2.$i"
	done
}

@test "fleet: a client may use TLS to the proxy" {
	fleet
	wait_for asks 192.0.2.7 -x https://10.0.0.5:8443 \
	    --proxy-cacert "$DIR/cert"
	wait_for bash -c 'grep -q " 192[.]0[.]2[.]7 " "$1"/access?' - "$DIR"
}

@test "fleet: HTTP/2 to HAProxy becomes a CONNECT for each stream" {
	need_command python3
	cat >"$DIR/h2.py" <<-'END'
	import socket, ssl, struct, sys
	cert, target = sys.argv[1:]
	context = ssl.create_default_context(cafile=cert)
	context.set_alpn_protocols(["h2"])
	raw = socket.create_connection(("10.0.0.5", 8443), 10, ("192.0.2.9", 0))
	s = context.wrap_socket(raw, server_hostname="10.0.0.5")
	assert s.selected_alpn_protocol() == "h2"

	def frame(kind, flags, stream, body):
	    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + \
	        struct.pack(">I", stream) + body

	def literal(name, value):
	    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

	connect = literal(b":method", b"CONNECT") + \
	    literal(b":authority", target.encode())
	get = b"GET / HTTP/1.0\r\n\r\n"
	s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") +
	    frame(1, 4, 1, connect) + frame(1, 4, 3, connect))

	def exactly(n):
	    data = b""
	    while len(data) < n:
	        more = s.recv(n - len(data))
	        assert more, "closed"
	        data += more
	    return data

	got, sent = {1: b"", 3: b""}, set()
	while not all(b"ok" in data for data in got.values()):
	    head = exactly(9)
	    body = exactly(int.from_bytes(head[:3], "big"))
	    kind, flags = head[3], head[4]
	    stream = int.from_bytes(head[5:], "big")
	    if kind == 4 and not flags & 1:
	        s.sendall(frame(4, 1, 0, b""))
	    elif kind == 1 and stream not in sent:
	        assert body[0] == 0x88, body
	        sent.add(stream)
	        s.sendall(frame(0, 0, stream, get))
	    elif kind == 0:
	        got[stream] += body
	    assert kind not in (3, 7), (kind, body)
	END
	fleet
	timeout 30 "${INSIDE[@]}" python3 "$DIR/h2.py" "$DIR/cert" \
	    "127.0.0.1:$srv_PORT"
	wait_for bash -c '[ "$(cat "$1"/access? | grep -c " 192[.]0[.]2[.]9 ")" = 2 ]' - "$DIR"
}

# checks_up: whether HAProxy has found all servers up by a check.
checks_up() {
	printf 'show stat\n' | "${INSIDE[@]}" nc -N -U "$DIR/stats" \
	    >"$DIR/stat" && grep -q '^check,a,' "$DIR/stat" || return
	fails awk -F , '$1 ~ /^check/ && $2 ~ /^[a-z]$/ &&
		($18 != "UP" || $37 !~ /^L[47]OK$/) { print; bad = 1 }
		END { exit !bad }' "$DIR/stat"
}

@test "fleet: the checks that HAProxy makes by default find adit up, and leave no line" {
	need_command nc
	printf '%s\n' "Port 8888" "Listen 10.0.0.11" "ListenProxy 10.0.0.11 8889" \
	    "ProxyFrom 10.0.0.5" "Allow 10.0.0.5" "User nobody" \
	    "ConnectPort 443" 'HealthPath "/healthz"' \
	    "AccessLog \"$DIR/access\"" >"$DIR/one.conf"
	"${INSIDE[@]}" "$ADIT" -d -c "$DIR/one.conf" >"$DIR/log1" \
	    2>"$DIR/err1" 3>&- &
	own_pid $!
	wait_for grep -q 'Starting main loop' "$DIR/log1"
	cat >"$DIR/haproxy.cfg" <<-END
	global
		stats socket $DIR/stats
	defaults
		mode http
		timeout connect 5s
		timeout client 5s
		timeout server 5s
		source 10.0.0.5
		default-server check inter 200
	backend check
		option httpchk
		server a 10.0.0.11:8888
		server b 10.0.0.11:8889 send-proxy
		server c 10.0.0.11:8889 send-proxy-v2
	backend check-path
		option httpchk GET /healthz
		http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host x
		server a 10.0.0.11:8888
		server b 10.0.0.11:8889 send-proxy-v2
	backend check-tcp
		mode tcp
		server a 10.0.0.11:8889 send-proxy-v2
	END
	"${INSIDE[@]}" haproxy -db -f "$DIR/haproxy.cfg" >"$DIR/haproxy" 2>&1 \
	    3>&- &
	own_pid $!
	wait_for checks_up
	[ ! -s "$DIR/access" ]
	fails grep 'Refused\|Connect (' "$DIR/log1"
}

# prometheus_start: starts Prometheus with the configuration and the rules in
# etc/, except that it looks often.
prometheus_start() {
	local etc=$BATS_TEST_DIRNAME/../etc/prometheus

	sed -e 's/\(_interval:\) 15s/\1 200ms/' \
	    -e 's/- 127.0.0.1:9888/- 10.0.0.11:9888\n          - 10.0.0.12:9888\n          - 10.0.0.13:9888/' \
	    "$etc/prometheus.yml" >"$DIR/prometheus.yml"
	sed 's/for: 1m/for: 200ms/' "$etc/alerts.yml" >"$DIR/alerts.yml"
	"${INSIDE[@]}" prometheus --config.file="$DIR/prometheus.yml" \
	    --storage.tsdb.path="$DIR/tsdb" \
	    --web.listen-address=10.0.0.5:9090 >"$DIR/prometheus" 2>&1 3>&- &
	own_pid $!
	wait_for -t 60 metric_is 'count(up{job="adit"} == 1)' 3
}

# asks_prometheus PATH [OPTION...]: prints what its HTTP API answers.
asks_prometheus() {
	local path=$1

	shift
	"${INSIDE[@]}" curl -sS -m 10 -G "http://10.0.0.5:9090/api/v1/$path" \
	    "$@" 2>>"$DIR/curl.out"
}

# metric EXPRESSION: sets METRIC to the value, or to nothing.
metric() {
	METRIC=$(asks_prometheus query --data-urlencode "query=$1" |
		sed -n 's/.*"value":\[[0-9.]*,"\([^"]*\)"\].*/\1/p')
}

metric_is() {
	metric "$1"
	[ "$METRIC" = "$2" ]
}

metric_is_more() {
	metric "$1"
	[ "${METRIC:-0}" -gt "$2" ]
}

# fires ALERT INSTANCE: whether Prometheus says so.
fires() {
	metric_is "count(ALERTS{alertname=\"$1\",alertstate=\"firing\",instance=\"$2\"})" 1
}

@test "fleet: Prometheus finds all three with the files in etc/, sees their counters grow, and alerts when one dies" {
	local i before

	need_command prometheus
	fleet
	prometheus_start
	wait_for metric_is 'count(adit_ready == 1)' 3
	wait_for metric_is_more 'sum(adit_requests_total)' 0
	metric 'sum(adit_requests_total)'
	before=$METRIC
	for i in {1..6}; do
		asks "192.0.2.$i"
	done
	wait_for metric_is_more 'sum(adit_requests_total)' $((before + 5))
	[ "$(asks_prometheus rules | grep -o '"health":"ok"' | wc -l)" -ge 10 ]
	asks_prometheus alerts >"$DIR/alerts"
	fails grep '"state":"firing"' "$DIR/alerts"
	CRASH_OK=yes
	kill -KILL "${ADITS[2]}"
	wait_for fires AditDown 10.0.0.12:9888
	wait_for metric_is 'sum(up{job="adit"})' 2
}

# machine NAME ADDRESS: starts a machine with that address on the bridge of the
# network; sets NAME_PID.
machine() {
	network_apart
	printf -v "$1_PID" %s "$APART"
	"${INSIDE[@]}" ip link add "$1" type veth peer name eth0 netns "$APART"
	"${INSIDE[@]}" ip link set "$1" master bridge up
	nsenter -t "$APART" -n sh -c "ip link set lo up && ip link set eth0 up &&
	    ip addr add $2/24 dev eth0"
}

# keeper NAME PID: starts adit and keepalived on that machine; sets ADIT_PID.
keeper() {
	mkdir -m 755 "$DIR/$1"
	printf '%s\n' "Port 8888" "User nobody" "Allow 10.0.0.0/24" \
	    "ConnectPort 443" "Workers 1" 'HealthPath "/healthz"' \
	    "ControlSocket \"$DIR/$1/control\"" >"$DIR/$1.conf"
	nsenter -t "$2" -n "$ADIT" -d -c "$DIR/$1.conf" >"$DIR/$1.log" \
	    2>"$DIR/$1.err" 3>&- &
	own_pid $!
	ADIT_PID=$!
	wait_for grep -q 'Starting main loop' "$DIR/$1.log"
	part keepalived | sed -e '/enable_script_security/d' \
	    -e "s,/usr/local/sbin/adit -s,$ADIT -s -c $DIR/$1.conf," \
	    -e 's/nopreempt/&\n    advert_int 0.3/' \
	    -e 's/global_defs {/&\n    vrrp_version 3/' >"$DIR/$1.keepalived"
	nsenter -t "$2" -n keepalived -n -l -P -f "$DIR/$1.keepalived" \
	    -p "$DIR/$1.pid" -r "$DIR/$1.vrrp" >"$DIR/$1.kept" 2>&1 3>&- &
	own_pid $!
}

# has_address PID: whether that machine has the address that moves.
has_address() {
	nsenter -t "$1" -n ip -4 -o addr show dev eth0 >"$DIR/addresses"
	grep -q ' 10\.0\.0\.5/' "$DIR/addresses"
}

# healthy: whether an adit answers at that address.
healthy() {
	"${INSIDE[@]}" curl -sS -m 2 -o "$DIR/curl" \
	    http://10.0.0.5:8888/healthz 2>"$DIR/curl.out"
}

@test "fleet: keepalived moves the address when adit is not ready, and not back" {
	local worker

	need_command keepalived
	"${INSIDE[@]}" sh -c 'ip addr flush dev lo
	    ip link add bridge type bridge && ip link set bridge up &&
	    ip addr add 10.0.0.1/24 dev bridge' || skip "needs a bridge"
	machine one 10.0.0.11
	machine two 10.0.0.12
	keeper one "$one_PID"
	worker=$(pgrep -P "$ADIT_PID" -f 'adit: worker')
	wait_for has_address "$one_PID"
	keeper two "$two_PID"
	wait_for healthy
	fails has_address "$two_PID"
	kill -STOP "$worker"
	wait_for has_address "$two_PID"
	wait_for fails has_address "$one_PID"
	wait_for healthy
	kill -CONT "$worker"
	wait_for "$ADIT" -s -c "$DIR/one.conf" ready
	healthy
	fails has_address "$one_PID"
	ADIT_PID=
}
