#!/usr/bin/env bats
# StatusListen: the pages, what they count, and that they answer when nothing
# else does.

load helper
load control
LOOKS_INSIDE=yes

TOP=$BATS_TEST_DIRNAME/..

setup() {
	common_setup
	SOCK=$DIR/control
	AS=()
}

# status_start [LINE...]: starts adit with StatusListen at STATUS_PORT.
status_start() {
	port_take
	STATUS_PORT=$FREE_PORT
	adit_start "StatusListen 127.0.0.1 $STATUS_PORT" \
	    "AccessLog \"$DIR/access\"" "$@"
}

# page PATH [METHOD [FIELDS]]: asks for a page; sets CODE and leaves its head in
# $DIR/head and its content in $DIR/page.
page() {
	"$PEER" client 127.0.0.1 "$STATUS_PORT" \
	    send "${2:-GET} $1 HTTP/1.1\r\nHost: x\r\n${3:-}\r\n" print \
	    >"$DIR/got" || return
	sed '/^\r*$/q' "$DIR/got" >"$DIR/head"
	sed '1,/^\r*$/d' "$DIR/got" >"$DIR/page"
	CODE=$(sed -n '1s/^HTTP\/1\.1 \([0-9]*\) .*/\1/p' "$DIR/head")
}

# page_is CODE PATH...: whether the answer has that status.
page_is() {
	page "${@:2}"
	[ "$CODE" = "$1" ] || {
		echo "$2: $CODE, not $1"
		return 1
	}
}

# metric NAME: prints its value, for a name with its labels.
metric() {
	page_is 200 /metrics >&2
	awk -v name="$1" 'index($0, name " ") == 1 {
		print substr($0, length(name) + 2)
	}' "$DIR/page"
}

# metric_is N NAME; for wait_for.
metric_is() {
	[ "$(metric "$2")" = "$1" ]
}

# control_pid: prints the control process of adit, which has its socket.
control_pid() {
	worker_pids "$STATUS_PORT" | head -n 1
}

@test "status: each page has its type, and nothing goes to the access log" {
	local path type

	status_start
	while read -r path type; do
		page_is 200 "$path"
		grep -qiF "Content-Type: $type" "$DIR/head"
		[ -s "$DIR/page" ]
		grep -qix "Content-Length: $(wc -c <"$DIR/page")" "$DIR/head"
		page_is 200 "$path" HEAD
		[ ! -s "$DIR/page" ]
	done <<-'END'
	/live text/plain
	/ready text/plain
	/metrics text/plain; version=0.0.4
	/status text/html; charset=utf-8
	/status?sort=age&refresh=7 text/html
	/status.json application/json
	END
	page_is 200 '/status?sort=age&refresh=7'
	grep -q '<meta http-equiv="refresh" content="7">' "$DIR/page"
	page_is 200 /ready
	[ "$(cat "$DIR/page")" = ready ]
	[ ! -s "$DIR/access" ]
	[ "$(metric adit_connections_accepted_total)" -le 2 ]
}

@test "status: promtool finds no fault with the metrics" {
	need_command promtool
	peer_start srv server echo
	status_start "Upstream http 127.0.0.1:9 \".example\""
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	page_is 200 /metrics
	grep -q '^adit_parent_up{' "$DIR/page"
	promtool check metrics <"$DIR/page" >"$DIR/promtool" 2>&1 || {
		cat "$DIR/promtool"
		return 1
	}
	[ ! -s "$DIR/promtool" ]
	# The manual names each of them.
	awk '/^# TYPE/ { print $3 }' "$DIR/page" | while read -r name; do
		grep -q "$name" "$TOP/man/adit.conf.5" || {
			echo "adit.conf(5) does not name $name"
			return 1
		}
	done
}

@test "status: what is counted, and while a tunnel runs" {
	peer_start srv echod
	status_start "ConnectPort $srv_PORT" "ConnectPort 9" "DenyTo 127.0.0.9"
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 1000 say open wait "$DIR/go" shut eof
	wait_for peer_said t open
	wait_for metric_is 1000 'adit_received_bytes_total{from="client"}'
	metric_is 1000 'adit_received_bytes_total{from="server"}'
	metric_is 1 adit_tunnels
	metric_is 1 'adit_connections{generation="live"}'
	metric_is 1 adit_tunnels_established_total
	metric_is 1 'adit_requests_total{method="connect"}'
	metric_is 1 adit_connects_total
	metric_is 1 adit_connect_duration_seconds_count
	metric_is 1 'adit_connect_duration_seconds_bucket{le="+Inf"}'
	metric_is 0 adit_tunnel_duration_seconds_count
	metric_is 0 adit_lookups_total
	: >"$DIR/go"
	peer_wait t
	wait_for metric_is 0 adit_tunnels
	metric_is 1 adit_tunnel_duration_seconds_count
	client send "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.9:9 HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.9:9 HTTP/1.1\r\n\r\n" refused 403
	client send "nonsense\r\n\r\n" refused 400
	client send "CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n" gone
	page_is 200 /metrics
	grep -E '^adit_refusals_total.* [1-9]' "$DIR/page"
	[ "$(awk '/^adit_refusals_total.*status="403"/ { n += $NF }
		END { print n }' "$DIR/page")" = 3 ]
	[ "$(awk '/^adit_refusals_total.*status="400"/ { n += $NF }
		END { print n }' "$DIR/page")" = 1 ]
	metric_is 1 adit_connect_failures_total
}

@test "status: look-ups are counted" {
	namespaces "127.0.0.1 there.test"
	peer_start srv server echo
	status_start
	client tunnel "there.test:$srv_PORT" rtt 1 5 shut eof
	client send "CONNECT nowhere.test:$srv_PORT HTTP/1.1\r\n\r\n" gone
	metric_is 2 adit_lookups_total
	metric_is 1 adit_lookup_failures_total
	metric_is 2 adit_lookup_duration_seconds_count
}

@test "status: no page for others than StatusAllow names" {
	status_start "StatusAllow 127.0.0.2"
	page_is 403 /metrics
	page_is 403 /nothing
	"$PEER" client -b 127.0.0.2 127.0.0.1 "$STATUS_PORT" \
	    send "GET /live HTTP/1.1\r\n\r\n" skip " 200 OK"
}

@test "status: other paths, other methods, and what is no request" {
	local line

	status_start
	for line in / /metrics/ /Metrics /status.jso /live%20 //live /..; do
		page_is 404 "$line"
	done
	for line in POST PUT OPTIONS CONNECT get; do
		page_is 405 /metrics "$line"
		grep -q '^Allow: GET, HEAD' "$DIR/head"
	done
	while read -r line; do
		"$PEER" client 127.0.0.1 "$STATUS_PORT" send "$line\r\n\r\n" \
		    skip "HTTP/1.1 400 " gone || {
			echo "$line"
			return 1
		}
	done <<-'END'
	GET
	GET /live
	GET /live HTTP/1.1 x
	GET /live HTTP/2.0
	GET  /live HTTP/1.1
	GET http://x/live HTTP/1.1
	GET live HTTP/1.1
	GET /live\0 HTTP/1.1
	\x16\x03\x01\x02
	END
	"$PEER" client 127.0.0.1 "$STATUS_PORT" send "GET /live HTTP/1.1\r\n" \
	    fillup x 8172 skip "HTTP/1.1 431 " gone
	page_is 200 /live
}

@test "status: a slow request is cut, and many that say nothing keep nobody away" {
	status_start
	client_start slow -n 60 127.0.0.1 "$STATUS_PORT" send "GET /live" \
	    touch "$DIR/slow" gone
	wait_for [ -e "$DIR/slow" ]
	page_is 200 /live
	peer_wait slow
}

@test "status: many scrapers leave the proxy untouched" {
	local i

	peer_start srv echod
	status_start
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 5 touch "$DIR/open" wait "$DIR/go" rtt 10 5 shut eof
	wait_for [ -e "$DIR/open" ]
	for i in 1 2 3 4; do
		client_start s$i -n 250 127.0.0.1 "$STATUS_PORT" send \
		    "GET /status HTTP/1.1\r\n\r\n" gone
	done
	client tunnel "127.0.0.1:$srv_PORT" rtt 20 5 shut eof
	: >"$DIR/go"
	peer_wait t
	for i in 1 2 3 4; do
		peer_wait s$i
	done
	page_is 200 /ready
}

@test "status: /ready says no while all workers are stopped, and /live yes" {
	local pid

	need_proc
	status_start "Workers 2"
	for pid in $(worker_pids); do
		kill -STOP "$pid"
	done
	page_is 503 /ready
	page_is 200 /live
	page_is 200 /metrics
	page_is 200 /status
	for pid in $(worker_pids); do
		kill -CONT "$pid"
	done
	wait_for page_is 200 /ready
}

@test "status: /ready says no while the proxy is full or drains, and it still answers" {
	peer_start srv echod
	status_start "MaxClients 1"
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 5 touch "$DIR/open" wait "$DIR/go" shut eof
	wait_for [ -e "$DIR/open" ]
	wait_for page_is 503 /ready
	grep -q 'too few places' "$DIR/page"
	page_is 200 /live
	kill -QUIT "$ADIT_PID"
	log_wait 'raining'
	wait_for drains
	page_is 200 /live
	page_is 200 /metrics
	metric_is 1 'adit_tunnels'
	: >"$DIR/go"
	peer_wait t
	wait_for dead "$ADIT_PID"
}

# Whether /ready says so.
drains() {
	page_is 503 /ready
	[ "$(cat "$DIR/page")" = draining ]
}

@test "status: names that clients choose do no harm" {
	local user='<script>alert(1)</script>"&'\''\'

	need_command python3
	peer_start srv echod
	status_start "BasicAuth <script>alert(1)</script>\"&'\\ b"
	client_start t 127.0.0.1 "$PORT" send \
	    "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\nProxy-Authorization: Basic $(printf '%s:b' "$user" | base64 -w 0)\r\n\r\n" \
	    head rtt 1 5 touch "$DIR/open" wait "$DIR/go" shut eof
	wait_for [ -e "$DIR/open" ]
	client_start plain 127.0.0.1 "$PORT" send \
	    "GET http://127.0.0.1:$srv_PORT/<img/src=x/onerror=alert(2)>\"' HTTP/1.1\r\nProxy-Authorization: Basic $(printf '%s:b' "$user" | base64 -w 0)\r\n\r\n" \
	    touch "$DIR/asked" gone
	wait_for [ -e "$DIR/asked" ]
	page_is 200 /status
	fails grep -q '<script>alert' "$DIR/page"
	fails grep -q '<img' "$DIR/page"
	grep -q '&lt;script&gt;alert(1)&lt;/script&gt;.*&amp;&#39;' "$DIR/page"
	page_is 200 /status.json
	USERNAME=$user python3 - "$DIR/page" <<-'END'
	import json, os, sys
	d = json.load(open(sys.argv[1]))
	assert d["ready"] is True and d["tunnels"] == 1, d
	users = [s["user"] for s in d["sessions"]]
	name = os.environ["USERNAME"]
	assert users and all(u.startswith(name[:25]) for u in users), users
	assert d["users"][0]["connections"] == len(users)
	END
}

@test "status: StatusDetails no shows neither clients, users nor targets" {
	peer_start srv echod
	status_start "StatusDetails no"
	client_start t 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 5 touch "$DIR/open" wait "$DIR/go" shut eof
	wait_for [ -e "$DIR/open" ]
	page_is 200 /status
	fails grep -qF "127.0.0.1:$srv_PORT" "$DIR/page"
	page_is 200 /status.json
	fails grep -qE "127.0.0.1:$srv_PORT|sessions|clients" "$DIR/page"
}

@test "status: a control process that is killed comes back" {
	local pid

	need_proc
	CRASH_OK=yes
	status_start
	pid=$(control_pid)
	[ -n "$pid" ]
	kill -KILL "$pid"
	wait_for page_is 200 /ready
	metric_is 1 'adit_children_died_total{child="control"}'
	[ "$(control_pid)" != "$pid" ]
	log_wait 'Control process \(pid [0-9]*\) died from signal 9; restarting'
	client close
}

# reloaded N: whether the page says that so many reloads have succeeded.
reloaded() {
	metric_is "$1" 'adit_config_reloads_total{result="success"}'
}

@test "status: reloads, with the same address and with another" {
	local old

	status_start
	page_is 200 /metrics
	[ "$(metric 'adit_config_reloads_total{result="success"}')" = 0 ]
	kill -HUP "$ADIT_PID"
	wait_for metric_is 2 adit_generation
	reloaded 1
	metric_is 1 adit_config_last_reload_successful
	echo Prot >>"$CONF"
	kill -HUP "$ADIT_PID"
	wait_for metric_is 1 'adit_config_reloads_total{result="failure"}'
	metric_is 0 adit_config_last_reload_successful
	metric_is 2 adit_generation
	page_is 200 /status
	grep -qi 'unknown directive' "$DIR/page"
	old=$STATUS_PORT
	port_take
	STATUS_PORT=$FREE_PORT
	sed -i.bak "/^Prot/d; s/^StatusListen.*/StatusListen 127.0.0.1 $STATUS_PORT/" \
	    "$CONF"
	kill -HUP "$ADIT_PID"
	wait_for page_is 200 /ready
	wait_for metric_is 3 adit_generation
	wait_for fails "$PEER" client 127.0.0.1 "$old" close
	sed -i.bak '/^StatusListen/d' "$CONF"
	kill -HUP "$ADIT_PID"
	wait_for fails "$PEER" client 127.0.0.1 "$STATUS_PORT" close
	client close
}

@test "status: no request is refused while reloads go on" {
	local i

	status_start
	for i in 1 2 3; do
		kill -HUP "$ADIT_PID"
		client_start "s$i" -c 20 127.0.0.1 "$STATUS_PORT" send \
		    "GET /live HTTP/1.1\r\n\r\n" skip " 200 OK" gone
		peer_wait "s$i"
	done
}

@test "status: -t finds an address that cannot be had" {
	local status

	need_linux
	adit_conf "StatusListen 192.0.2.77"
	for options in -t -d; do
		status=0
		timeout 20 "$ADIT" "$options" -c "$CONF" >"$DIR/out" 2>&1 ||
			status=$?
		cat "$DIR/out"
		[ "$status" = 71 ]
		grep -qF "192.0.2.77:9888" "$DIR/out"
		grep -qF "$CONF:$(grep -n StatusListen "$CONF" | cut -d : -f 1): StatusListen" \
		    "$DIR/out"
	done
	status_start
	"$ADIT" -t -c "$CONF" >"$DIR/out"
	grep -qF "note: StatusListen: 127.0.0.1:$STATUS_PORT is in use" "$DIR/out"
}

@test "status: StatusListen that stands twice or has no such port is an error" {
	local lines

	for lines in 'StatusListen 127.0.0.1 9\nStatusListen 127.0.0.1 9' \
	    'StatusListen 127.0.0.1 0' 'StatusListen 127.0.0.1 65536' \
	    'StatusListen host.example' 'StatusListen' \
	    'StatusAllow host.example' 'StatusAllow 10.0.0.1/8' \
	    'ControlMode 888' 'ControlMode 7777' 'ControlMode rw'; do
		# shellcheck disable=SC2059
		adit_conf "$(printf "$lines")"
		fails "$ADIT" -t -c "$CONF" >"$DIR/out" 2>&1
		grep -qE ":[0-9]+: ${lines%% *}: " "$DIR/out" || {
			cat "$DIR/out"
			return 1
		}
	done
}

@test "status: Prometheus' rules and their tests are right" {
	need_command promtool
	cd "$TOP/etc/prometheus"
	promtool check rules alerts.yml
	promtool test rules alerts-test.yml
	promtool check config prometheus.yml
}

@test "status: the rules and the dashboard name only metrics that there are" {
	need_command jq
	status_start "Upstream http 127.0.0.1:9 \".example\""
	page_is 200 /metrics
	jq -r '.. | .expr? // empty' "$TOP/etc/grafana-dashboard.json" >"$DIR/exprs"
	grep -v '^ *#' "$TOP/etc/prometheus/alerts.yml" >>"$DIR/exprs"
	[ "$(grep -c . "$DIR/exprs")" -gt 20 ]
	grep -oE '(adit|process)_[a-z_]+' "$DIR/exprs" | sort -u |
	    while read -r name; do
		grep -q "^$name[{ ]" "$DIR/page" || {
			echo "there is no $name"
			return 1
		}
	done
}

# dom FILE: prints the page as Chromium has it after its script has run.
dom() {
	local chromium

	chromium=$(command -v chromium || command -v chromium-browser ||
		command -v google-chrome) || skip "needs chromium"
	timeout 100 "$chromium" --headless --no-sandbox --disable-gpu \
	    --disable-dev-shm-usage --user-data-dir="$DIR/chromium" \
	    --window-size=400,900 --dump-dom "$1" 2>"$DIR/chromium.err" ||
		skip "chromium does not work here"
}

@test "status: Chromium shows the page" {
	local user='<b>eve</b>'

	peer_start srv echod
	status_start "BasicAuth $user b"
	client_start t 127.0.0.1 "$PORT" send \
	    "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\nProxy-Authorization: Basic $(printf '%s:b' "$user" | base64 -w 0)\r\n\r\n" \
	    head rtt 1 5 touch "$DIR/open" wait "$DIR/go" shut eof
	wait_for [ -e "$DIR/open" ]
	HOME=$DIR dom "http://127.0.0.1:$STATUS_PORT/status" >"$DIR/dom" 3>&-
	grep -qF '<title>adit: ready</title>' "$DIR/dom"
	grep -qF '<strong class="good">ready</strong>' "$DIR/dom"
	grep -qF '<span id="tunnels">1</span>' "$DIR/dom"
	grep -qF '&lt;b&gt;eve&lt;/b&gt;' "$DIR/dom"
	fails grep -qF '<b>' "$DIR/dom"
	grep -qF "127.0.0.1:$srv_PORT" "$DIR/dom"
	grep -q '<polyline points="[0-9]' "$DIR/dom" ||
		grep -q 'a curve comes' "$DIR/dom"
	# The text of each heading labels its section.
	for id in about load refusals sessions gens workers; do
		grep -q "aria-labelledby=\"$id\"" "$DIR/dom"
		grep -q "id=\"$id\"" "$DIR/dom"
	done
}
