#!/usr/bin/env bats
# Compares Debian's tinyproxy with adit, to show that the notes of -t and the
# table of the man page are true.  Each test starts one after the other with the
# same lines.

load helper
load packages

setup_file() {
	packages_fetch tinyproxy-bin
}

setup() {
	common_setup
	need_packages tinyproxy-bin
	OURS=$ADIT
	THEIRS=$DIR/tinyproxy
	package_file tinyproxy-bin /usr/bin/tinyproxy >"$THEIRS"
	chmod 755 "$THEIRS"
	"$THEIRS" -v >/dev/null 2>&1 || skip "Debian's tinyproxy does not run here"
	# adit reports directives that tinyproxy does not know on standard
	# error.
	stderr_expected '(notice|warning): '
	: >"$DIR/filter"
	chmod 644 "$DIR/filter"
}

# each COMMAND...: runs the command with each of the two.  A failure in it ends
# the test.
each() {
	local which

	for which in THEIRS OURS; do
		ADIT=${!which}
		"$@"
	done
}

# web: a web server on another address than that of the proxy, as tinyproxy
# needs it; <web> in requests stands for its host and port.
WEB=127.0.0.3
web() {
	need_linux
	peer_start web server -a "$WEB" head send \
	    'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nweb'
}

# ask REQUEST [ADDRESS]: sends a request from that address, with the empty line
# at its end; the answer goes to $DIR/answer.
ask() {
	local request=${1//<web>/$WEB:$web_PORT}

	: >"$DIR/web.out"
	"$PEER" client -b "${2:-127.0.0.1}" "${TO:-127.0.0.1}" "$PORT" \
	    send "$request\r\n\r\n" print >"$DIR/answer"
}

# answers THEIRS OURS REQUEST [ADDRESS]: whether these are the statuses of
# tinyproxy and of adit.
answers() {
	local wanted=$2

	[ "$ADIT" = "$OURS" ] || wanted=$1
	ask "$3" "${4:-}"
	head -n 1 "$DIR/answer" | grep -qE "^HTTP/1\.[01] $wanted " || {
		echo "not $wanted: $3"
		cat "$DIR/answer"
		return 1
	}
}

# got THEIRS OURS REGEX FILE: whether each of them has a matching line in its
# file.
got() {
	local has=no wanted=$2

	[ "$ADIT" = "$OURS" ] || wanted=$1
	! tr -d '\r' <"$4" | grep -qaE "$3" || has=yes
	[ "$has" = "$wanted" ] || {
		echo "$3: $has"
		cat "$4"
		return 1
	}
}

GET='GET http://<web>/ HTTP/1.1\r\nHost: x\r\nConnection: close'

# differ THEIRS OURS REQUEST ADDRESS LINE...: as answers, with these lines.
differ() {
	adit_start "${@:5}"
	answers "$1" "$2" "$3" "$4"
	adit_stop
}

@test "beside: requests are answered as the table says" {
	web
	requests() {
		adit_start 'StatHost "stats.example"'
		answers 200 200 "$GET"
		answers 500 502 "GET http://127.0.0.1:$dead_PORT/ HTTP/1.1\r\nHost: x"
		answers 200 400 'GET / HTTP/1.1\r\nHost: <web>'
		answers 200 400 'GET https://<web>/ HTTP/1.1\r\nHost: <web>'
		answers 200 200 'GET http://u:p@<web>/ HTTP/1.1\r\nHost: x'
		answers 200 400 'GET http://<web>/ HTTP/1.1'
		answers 200 400 "GET http://127.3:$web_PORT/ HTTP/1.1\r\nHost: x"
		answers 200 400 'GET / HTTP/1.1\r\nHost: stats.example'
		answers 200 200 'GET http://stats.example/ HTTP/1.1\r\nHost: stats.example'
		answers 500 200 'GET http://Stats.Example/ HTTP/1.1\r\nHost: x'
		adit_stop
	}
	peer_start dead closed
	each requests
}

@test "beside: fields go to servers as the table says" {
	web
	fields() {
		adit_start 'ViaProxyName "tinyproxy"' 'XTinyproxy yes'
		ask 'GET http://<web>/ HTTP/1.1\r\nHost: x\r\nX-Tinyproxy: 192.0.2.1\r\nUpgrade: x\r\nConnection: Upgrade'
		got yes no '^Via: 1\.1 tinyproxy \(tinyproxy' "$DIR/web.out"
		got no yes '^Via: 1\.1 tinyproxy-[0-9a-f]+ \(adit\)' "$DIR/web.out"
		got yes no '^X-Tinyproxy: 192\.0\.2\.1' "$DIR/web.out"
		got yes yes '^X-Tinyproxy: 127\.0\.0\.1' "$DIR/web.out"
		got no yes '^Upgrade: x' "$DIR/web.out"
		adit_stop
		adit_start 'Anonymous "Accept"' 'DisableViaHeader yes'
		ask 'GET http://<web>/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: a\r\nCookie: c\r\nExpect: 100-continue\r\nVia: 1.1 z'
		got yes yes '^Accept: a' "$DIR/web.out"
		got no no '^Cookie' "$DIR/web.out"
		got no yes '^Expect' "$DIR/web.out"
		got no yes '^Via: 1.1 z' "$DIR/web.out"
		adit_stop
	}
	each fields
}

@test "beside: names in Allow and Deny match as the notes say" {
	name_server 5.0.0.127.in-addr.arpa=evilexample.com evilexample.com=127.0.0.5 \
	    6.0.0.127.in-addr.arpa=sub.example.com sub.example.com=127.0.0.6
	web
	each differ 200 403 "$GET" 127.0.0.5 'Allow example.com'
	each differ 200 200 "$GET" 127.0.0.6 'Allow example.com'
	each differ 403 403 "$GET" 127.0.0.7 'Allow example.com'
	each differ 200 200 "$GET" 127.0.0.6 'Allow .example.com'
	each differ 403 403 "$GET" 127.0.0.5 'Allow .example.com'
	each differ 403 200 "$GET" 127.0.0.5 'Deny example.com' 'Allow 127.0.0.0/8'
}

@test "beside: without an answer from a name server Deny works as the notes say" {
	NAME_SERVER=127.0.0.9 NAME_OPTIONS='timeout:1 attempts:1' namespaces
	# No server listens there, and only DNS is asked.
	echo 'hosts: dns' >"$DIR/nsswitch.conf"
	web
	each differ 200 403 "$GET" 127.0.0.6 'Deny .example.com' 'Allow 127.0.0.0/8'
}

@test "beside: the filter compares as the notes say" {
	namespaces "$WEB web.test"
	web
	echo '*.Test' >"$DIR/filter"
	each differ 200 403 "GET http://web.test:$web_PORT/ HTTP/1.1\r\nHost: x" '' \
	    "Filter \"$DIR/filter\"" 'FilterType fnmatch'
	echo '^web\.test$' >"$DIR/filter"
	each differ 403 403 "GET http://web.test:$web_PORT/ HTTP/1.1\r\nHost: x" '' \
	    "Filter \"$DIR/filter\""
	each differ 500 403 "GET http://web.test.:$web_PORT/ HTTP/1.1\r\nHost: x" '' \
	    "Filter \"$DIR/filter\""
	echo '/secret' >"$DIR/filter"
	each differ 200 403 'GET http://<web>/%73ecret HTTP/1.1\r\nHost: x' '' \
	    "Filter \"$DIR/filter\"" 'FilterURLs yes'
}

@test "beside: credentials are asked for as the table says" {
	web
	credentials() {
		adit_start 'BasicAuth alice wonderland'
		answers 407 407 "$GET"
		got yes no '^Proxy-Authenticate: Basic realm="Tinyproxy"' "$DIR/answer"
		got no yes '^Proxy-Authenticate: Basic realm="adit"' "$DIR/answer"
		answers 401 407 "$GET\r\nProxy-Authorization: Basic eDp5"
		answers 401 200 "$GET\r\nProxy-Authorization: BASIC $(printf alice:wonderland | base64)"
		answers 401 407 'GET http://tinyproxy.stats/ HTTP/1.1\r\nHost: tinyproxy.stats'
		adit_stop
	}
	each credentials
}

@test "beside: parents get what the notes say" {
	# Without a parent tinyproxy looks up the names.
	namespaces
	web
	parents() {
		local tunnel='CONNECT some.test:443 HTTP/1.1\r\nHost: x\r\nUser-Agent: q\r\nProxy-Authorization: Basic eDp5'

		adit_start "Upstream http $WEB:$web_PORT" 'XTinyproxy yes' \
		    'AddHeader "A" "b"'
		ask "$tunnel"
		got yes no '^(User-Agent|Proxy-Authorization|A|X-Tinyproxy): ' "$DIR/web.out"
		got yes yes '^Via: ' "$DIR/web.out"
		ask 'GET http://some.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nProxy-Authorization: Basic eDp5'
		got yes no '^Proxy-Authorization: ' "$DIR/web.out"
		got yes yes '^A: b' "$DIR/web.out"
		adit_stop
		differ 502 200 "$tunnel" '' "Upstream http 127.0.0.1:$dead_PORT" \
		    "Upstream http $WEB:$web_PORT"
		differ 502 200 "$tunnel" '' \
		    "Upstream http $WEB:$web_PORT \"some.test\"" \
		    "Upstream http 127.0.0.1:$dead_PORT \"some.test\""
		differ 500 200 'CONNECT single:443 HTTP/1.1\r\nHost: x' '' \
		    "Upstream http $WEB:$web_PORT \".\""
		differ 500 200 "$tunnel" '' "Upstream HTTP $WEB:$web_PORT"
	}
	peer_start dead closed
	each parents
}

@test "beside: a silent client has the time that the note on Timeout says" {
	silent() {
		local first='eof'

		[ "$ADIT" = "$THEIRS" ] || first='quiet 3000'
		adit_start 'Timeout 1'
		# shellcheck disable=SC2086
		client $first
		adit_stop
	}
	each silent
}

@test "beside: groups and log file are as the notes say" {
	local group

	need_root
	stderr_expected 'Could not create file .*: Permission denied'
	mkdir "$DIR/logs"
	chmod 755 "$DIR/logs"
	group=$(id -g "${ADIT_TEST_USER:-nobody}")
	rights() {
		local wanted=0

		rm -f "$DIR/logs/log"
		adit_conf "LogFile \"$DIR/logs/log\""
		adit_launch
		wait_for client
		[ "$ADIT" = "$THEIRS" ] || wanted=$group
		wait_for runs_as "$wanted"
		if [ "$ADIT" = "$THEIRS" ]; then
			[ ! -e "$DIR/logs/log" ]
		else
			[ -s "$DIR/logs/log" ]
		fi
		adit_stop
	}
	each rights
}

@test "beside: clients elsewhere reach loopback as the note on AllowTo says" {
	TO=192.0.2.1
	network "$TO"
	web
	each differ 200 403 "$GET" "$TO" "Listen $TO" "Allow $TO"
}

@test "beside: errors in a file are accepted or refused as the table says" {
	local line

	for line in 'Timeout 010' 'FilterDefaultDeny yes' 'Allow 192.0.2.0/33'; do
		adit_conf "$line"
		fails "$OURS" -t -c "$CONF" 2>>"$DIR/wrong"
		ADIT=$THEIRS
		adit_start "$line"
		adit_stop
	done
}

# runs_as GROUP: whether a child, or the only process, has this group; children
# that serve one client end at any time.
runs_as() {
	local pid

	pid=$(child_pids | head -n 1)
	[ "$(awk '/^Gid/ { print $2 }' "/proc/${pid:-$ADIT_PID}/status" 2>/dev/null)" = "$1" ]
}
