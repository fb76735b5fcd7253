#!/usr/bin/env bats
# Pages of the administrator, and the statistics.

load helper
LOOKS_INSIDE=yes

# page NAME: writes a template from standard input.
page() {
	cat >"$DIR/$1"
	chmod 644 "$DIR/$1"
}

# variables: a template line for each variable.
variables() {
	printf '%s={%s}\n' errno errno cause cause request request \
		clientip clientip clienthost clienthost date date \
		website website version version package package \
		detail detail url url error error opens opens reqs reqs \
		badconns badconns deniedconns deniedconns \
		refusedconns refusedconns
}

# body REPLY: prints what comes after the head.
body() {
	sed '1,/^$/d' <<<"$1"
}

# has REPLY LINE...: whether the page has these lines, each whole.
has() {
	local line page

	page=$(body "$1")
	shift
	for line; do
		grep -qxF -e "$line" <<<"$page" || {
			printf 'no "%s" in:\n%s\n' "$line" "$page"
			return 1
		}
	done
}

# stats [ADDRESS]: asks for the statistics; sets STATS to lines of "name
# number".
stats() {
	local reply

	reply=$("$PEER" client -b "${1:-127.0.0.1}" 127.0.0.1 "$PORT" \
		send 'CONNECT tinyproxy.stats:443 HTTP/1.1\r\n\r\n' refused 200)
	STATS=$(body "$reply" | grep .)
}

# stats_start LINE...: adit with a page that contains all numbers.
stats_start() {
	page stats <<<'reqs {reqs} bad {badconns} denied {deniedconns} refused {refusedconns}'
	adit_start "StatFile \"$DIR/stats\"" "$@"
}

reload() {
	local n

	n=$(log_count 'Reloading config file finished')
	kill -HUP "$ADIT_PID"
	wait_for log_counts $((n + 1)) 'Reloading config file finished'
}

@test "pages: an error page of the administrator gets every variable that has a value" {
	local reply

	variables | page all
	peer_start DEAD closed
	adit_start "DefaultErrorFile \"$DIR/all\""
	reply=$(refused_after 502 connection_refused send \
		"CONNECT localhost:$DEAD_PORT HTTP/1.1\r\n\r\n")
	has "$reply" errno=502 'cause=Bad Gateway' \
		"request=CONNECT localhost:$DEAD_PORT HTTP/1.1" \
		clientip=127.0.0.1 clienthost=127.0.0.1 website= \
		"version=$("$ADIT" -v | cut -d ' ' -f 2)" package=adit \
		'detail=The target refused the connection.' \
		"url=localhost:$DEAD_PORT" 'error=Connection refused' \
		"$(grep '^Date: ' <<<"$reply" | sed 's/Date: /date=/')"
	# The numbers do not appear in an error page.
	has "$reply" 'opens={opens}' 'reqs={reqs}' 'badconns={badconns}' \
		'deniedconns={deniedconns}' 'refusedconns={refusedconns}'
	grep -q '^Content-Type: text/html' <<<"$reply"
	reply=$(client send "CONNECT localhost:$DEAD_PORT HTTP/1.0\r\n\r\n" \
		refused 502)
	has "$reply" "request=CONNECT localhost:$DEAD_PORT HTTP/1.0"
}

@test "pages: a variable without a value, and an unknown one, stays as it is" {
	local reply

	page odd <<-'END'
	{request} {url} {error} {detail}
	{unknown} {errn} {errnoo} {ERRNO} { errno} {errno } {} {{errno}} {errno
	body { color: red } p {margin:0} {errno}{errno} {abcdefghijklmnopqrstuvwxyzabcdefg}
	{
	END
	printf '{errno' >>"$DIR/odd"
	adit_start "DefaultErrorFile \"$DIR/odd\"" "Deny 127.0.0.9" \
		"Allow 127.0.0.0/8"
	reply=$("$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" refused 403)
	has "$reply" '{request} {url} {error} This proxy does not serve your address.' \
		'{unknown} {errn} {errnoo} {ERRNO} { errno} {errno } {} {403} {errno' \
		'body { color: red } p {margin:0} 403403 {abcdefghijklmnopqrstuvwxyzabcdefg}' \
		'{' '{errno'
}

@test "pages: text from a client never becomes HTML, and never shows its password" {
	local reply

	variables | page all
	adit_start "DefaultErrorFile \"$DIR/all\""
	reply=$(client send \
		'CONNECT <script>"x"&'"'y'"'</script>:1 HTTP/1.1\r\n\r\n' refused 400)
	has "$reply" 'request=CONNECT &#60;script&#62;&#34;x&#34;&#38;&#39;y&#39;&#60;/script&#62;:1 HTTP/1.1'
	reply=$(client send 'CONNECT a\x80\xff<:1 HTTP/1.1\r\n\r\n' refused 400)
	has "$reply" 'request=CONNECT a&#128;&#255;&#60;:1 HTTP/1.1'
	reply=$(client send 'CONNECT {clientip}:1 HTTP/1.1\r\n\r\n' refused 400)
	has "$reply" 'request=CONNECT {clientip}:1 HTTP/1.1'
	reply=$(client send 'CONNECT joe:sesame@a:1 HTTP/1.1\r\n\r\n' refused 400)
	has "$reply" 'request=CONNECT a:1 HTTP/1.1'
	reply=$(client send 'joe:sesame@a x HTTP/1.1\r\n\r\n' refused 400)
	has "$reply" 'request=a x HTTP/1.1'
	reply=$(client send \
		'GET http://joe:ses@me@a/p@th?q=a@b HTTP/1.1\r\n\r\n' refused 400)
	has "$reply" 'request=GET http://a/p@th?q=a@b HTTP/1.1'
	reply=$(client send 'CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic am9lOnNlc2FtZQ==\r\nHost: <b>\r\n\r\n' refused 400)
	fails grep -q -e sesame -e am9l -e '<b>' <<<"$reply"
}

@test "pages: the longest request makes no page longer than the limit" {
	local reply i

	for i in $(seq 50); do
		printf '{request}'
	done | page many
	adit_start "ErrorFile 400 \"$DIR/many\""
	reply=$(client send 'CONNECT ' fillup '<' 8100 \
		send ' HTTP/1.1\r\n\r\n' refused 400)
	i=$(sed -n 's/^Content-Length: \([0-9]*\).*/\1/p' <<<"$reply")
	echo "$i bytes"
	[ "$i" -gt 65000 ]
	[ "$i" -le 65536 ]
}

@test "pages: the page of a status is used before the default, and of two pages the first" {
	local reply

	page 400 <<<'the page of 400'
	page 403 <<<'the page of 403'
	page other <<<'another page of 403'
	page default <<<'the default'
	stderr_expected 'warning: ErrorFile: a line before has the page for 403 already'
	adit_start "ErrorFile 400 \"$DIR/400\"" "DefaultErrorFile \"$DIR/default\"" \
		"ErrorFile 403 \"$DIR/403\"" "ErrorFile 403 \"$DIR/other\"" \
		"ConnectPort 1"
	has "$(client send 'x\r\n\r\n' refused 400)" 'the page of 400'
	has "$(client send 'CONNECT a:2 HTTP/1.1\r\n\r\n' refused 403)" \
		'the page of 403'
	has "$(client send 'GET / HTTP/2.0\r\n\r\n' refused 505)" 'the default'
}

@test "pages: a template that cannot be read gives a warning, and the built-in page is used" {
	head -c 65537 /dev/zero | page long
	head -c 65536 /dev/zero | tr '\0' x | page just
	stderr_expected 'warning: (ErrorFile|DefaultErrorFile|StatFile): /[^ ]*: .+; the built-in page is used'
	adit_start "DefaultErrorFile \"$DIR/none\"" "ErrorFile 400 \"$DIR/long\"" \
		"ErrorFile 403 \"$DIR/just\"" "ErrorFile 505 \"$DIR\"" \
		"StatFile \"$DIR/none\"" "ConnectPort 1"
	[ "$(grep -c 'the built-in page is used' "$STDERR")" = 4 ]
	client send 'x\r\n\r\n' refused 400 | grep -q '<h1>400 Bad Request</h1>'
	client send 'CONNECT a:1 HTTP/2.0\r\n\r\n' refused 505 |
		grep -q '<h1>505 '
	client send 'CONNECT a:2 HTTP/1.1\r\n\r\n' skip '\r\n\r\n' print |
		cmp - "$DIR/just"
	client send 'CONNECT tinyproxy.stats:1 HTTP/1.1\r\n\r\n' refused 200 |
		grep -q '<h1>Statistics</h1>'
}

@test "pages: templates that only root can read work, also with Chroot" {
	local reply

	need_root
	page secret <<<'the page'
	chmod 600 "$DIR/secret"
	mkdir "$DIR/empty"
	adit_start "DefaultErrorFile \"$DIR/secret\"" \
		"StatFile \"$DIR/secret\"" "Chroot \"$DIR/empty\""
	has "$(client send 'x\r\n\r\n' refused 400)" 'the page'
	has "$(client send 'CONNECT tinyproxy.stats:1 HTTP/1.1\r\n\r\n' \
		refused 200)" 'the page'
}

@test "pages: a reload reads the templates again, and only a reload does" {
	page error <<<'old'
	page stats <<<'old'
	adit_start "DefaultErrorFile \"$DIR/error\"" "StatFile \"$DIR/stats\""
	echo new >"$DIR/error"
	echo new >"$DIR/stats"
	has "$(client send 'x\r\n\r\n' refused 400)" old
	reload
	has "$(client send 'x\r\n\r\n' refused 400)" new
	has "$(client send 'CONNECT tinyproxy.stats:1 HTTP/1.1\r\n\r\n' \
		refused 200)" new
	rm "$DIR/error"
	reload
	log_wait '^WARNING .*: DefaultErrorFile: .*No such file or directory'
	client send 'x\r\n\r\n' refused 400 | grep -q '<h1>400 '
}

# long_start LINE...: adit with a page for 400 of 64 KiB, whose parts differ.
# With -M 88 and -R 1 the kernel of a client takes about half of it at once.
long_start() {
	seq 100000 | head -c 65536 | page long
	adit_start "ErrorFile 400 \"$DIR/long\"" "$@"
}

@test "pages: a long page arrives whole, however slowly it is read" {
	need_linux
	long_start
	# These are the longest pauses that a client may make.
	"$PEER" client -M 88 -R 1 127.0.0.1 "$PORT" \
		send 'x\r\n\r\n' pause 2500 skip '\r\n\r\n' take 40000 \
		pause 2500 print >"$DIR/rest"
	tail -c +40001 "$DIR/long" | cmp - "$DIR/rest"
	client -n 50 -- send 'x\r\n\r\n' refused 400 >/dev/null
}

@test "pages: a client that has shut its side gets a long page whole" {
	need_linux
	long_start
	"$PEER" client -M 88 -R 1 127.0.0.1 "$PORT" \
		send 'x\r\n\r\n' shut pause 200 skip '\r\n\r\n' \
		print >"$DIR/page"
	cmp "$DIR/long" "$DIR/page"
	# So does a client that goes on sending.
	"$PEER" client -M 88 -R 1 127.0.0.1 "$PORT" \
		send 'x\r\n\r\n' pattern 64K pause 200 pattern 64K \
		skip '\r\n\r\n' print >"$DIR/page"
	cmp "$DIR/long" "$DIR/page"
}

@test "pages: clients that never read a long page cost little, and only for a short time" {
	local before after fds

	need_linux
	need_proc
	long_start "Workers 1"
	fds=$(fd_count)
	client -n 50 -- send 'x\r\n\r\n' refused 400 >/dev/null
	wait_for fd_count_is "$fds"
	before=$(resident)
	client_start DEAF -n 50 -M 88 -R 1 127.0.0.1 "$PORT" \
		send 'x\r\n\r\n' touch "$DIR/sent" hold
	wait_for test -e "$DIR/sent"
	wait_for log_counts 100 'Refused request'
	after=$(resident)
	echo "$before KiB, $after KiB with them"
	sanitized || [ $((after - before)) -lt $((50 * 70 + 1000)) ]
	wait_for -t 30 fd_count_is "$fds"
}

@test "pages: a client that leaves in the middle of a long page frees everything" {
	local fds

	need_linux
	need_proc
	long_start "Workers 1"
	fds=$(fd_count)
	client -n 20 -M 88 -R 1 -- send 'x\r\n\r\n' take 4096 rst
	client -n 20 -M 88 -R 1 -- send 'x\r\n\r\n' take 4096 close
	client -n 20 -M 88 -R 1 -- send 'x\r\n\r\n' shut take 4096 rst
	wait_for fd_count_is "$fds"
}

@test "stats: the statistics are at StatHost, in any case and at any port" {
	local host reply

	adit_start "ConnectPort 443" "AccessLog \"$DIR/access\"" \
		"DenyTo *" "Workers 1"
	for host in tinyproxy.stats:443 TinyProxy.Stats:80 tinyproxy.stats.:1; do
		reply=$(client send "CONNECT $host HTTP/1.1\r\n\r\n" refused 200)
		grep -qx 'Proxy-Status: adit' <<<"$reply"
		grep -qx 'Cache-Control: no-store' <<<"$reply"
		grep -qx 'Connection: close' <<<"$reply"
		grep -q '^Date: ' <<<"$reply"
		grep -q '<tr><th>Open connections</th><td>[12]</td></tr>' \
			<<<"$reply"
	done
	wait_for log_counts 3 '^NOTICE .*: Request for the stathost\. \(file descriptor [0-9]+, client 127\.0\.0\.1\)$'
	for host in tinyproxy.stat:443 a.tinyproxy.stats:443; do
		client send "CONNECT $host HTTP/1.1\r\nHost: tinyproxy.stats\r\n\r\n" \
			refused 403 >/dev/null
	done
	wait_for access_lines 5
	sed -n 1p "$DIR/access" | grep -qE \
		'^[^ ]+ 127\.0\.0\.1 - tinyproxy\.stats:443 - 200/statistics 0 0 [0-9.]+ statistics [0-9.]+$'
}

@test "stats: StatHost may be an address, which then cannot be a target" {
	need_ipv6
	peer_start ECHO server echo
	adit_start "StatHost \"127.0.0.127\""
	client send 'CONNECT 127.0.0.127:80 HTTP/1.1\r\n\r\n' refused 200
	client send 'CONNECT [::ffff:127.0.0.127]:80 HTTP/1.1\r\n\r\n' refused 200
	client tunnel "127.0.0.1:$ECHO_PORT" rtt 1 5 shut eof
	client send 'CONNECT tinyproxy.stats:80 HTTP/1.1\r\n\r\n' refused 502
	sed -i.bak 's/^StatHost.*/StatHost "::1"/' "$CONF"
	reload
	client send 'CONNECT [0:0:0:0:0:0:0:1]:80 HTTP/1.1\r\n\r\n' refused 200
	client send 'CONNECT ::1:80 HTTP/1.1\r\n\r\n' refused 200
}

@test "stats: only clients that may use the proxy see the statistics" {
	adit_start "Deny 127.0.0.9" "Allow 127.0.0.0/8" "BasicAuth joe sesame"
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" \
		send 'CONNECT tinyproxy.stats:1 HTTP/1.1\r\n\r\n' refused 403 |
		grep -qv Statistics
	client send 'CONNECT tinyproxy.stats:1 HTTP/1.1\r\n\r\n' refused 407 |
		grep -q '^Proxy-Authenticate: Basic '
	client send 'CONNECT tinyproxy.stats:1 HTTP/1.1\r\nProxy-Authorization: Basic am9lOnNlc2FtZQ==\r\n\r\n' \
		refused 200 | grep -q '<h1>Statistics</h1>'
}

@test "stats: bytes after a request for the statistics go nowhere" {
	peer_start ECHO server echo
	adit_start
	client send "CONNECT tinyproxy.stats:1 HTTP/1.1\r\n\r\nCONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\n\r\n" \
		refused 200
	fails log_has 'Established'
}

@test "stats: a page of the administrator gets the numbers and the other variables" {
	local reply

	variables | page all
	adit_start "StatFile \"$DIR/all\"" "Workers 1"
	reply=$(client send 'CONNECT tinyproxy.stats:80 HTTP/1.1\r\n\r\n' refused 200)
	has "$reply" errno=200 cause=OK opens=1 reqs=1 badconns=0 \
		deniedconns=0 refusedconns=0 clientip=127.0.0.1 package=adit \
		'request=CONNECT tinyproxy.stats:80 HTTP/1.1' \
		url=tinyproxy.stats:80 'detail={detail}' 'error={error}'
}

@test "stats: a browser sees them by plain HTTP, and HEAD gets their size" {
	local reply

	adit_start "AccessLog \"$DIR/access\""
	reply=$(client send \
		'GET http://Tinyproxy.Stats/ HTTP/1.1\r\nHost: x\r\n\r\n' refused 200)
	grep -q '<h1>Statistics</h1>' <<<"$reply"
	reply=$(client send \
		'HEAD http://tinyproxy.stats:99/x HTTP/1.1\r\nHost: x\r\n\r\n' print)
	grep -q '^Content-Length: [1-9]' <<<"$reply"
	fails grep -q Statistics <<<"$reply"
	wait_for grep -q ' http://Tinyproxy.Stats/ - 200/statistics 0 0 ' "$DIR/access"
	if command -v curl >/dev/null; then
		curl -sf -x "http://127.0.0.1:$PORT" http://tinyproxy.stats/ |
			grep -q '<h1>Statistics</h1>'
	fi
}

@test "stats: every request of every worker is counted, by its kind" {
	peer_start ECHO echod
	stats_start "Workers 4" "Deny 127.0.0.9" "Allow 127.0.0.0/8" \
		"ConnectPort $ECHO_PORT" "ConnectPort 2" "DenyTo a.example" \
		"MaxClientsPerHost 50"
	client -n 40 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 shut eof
	client -n 40 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 shut eof
	client -n 7 -- send 'x\r\n\r\n' refused 400 >/dev/null
	client -n 2 -- send 'GET / HTTP/1.1\r\n\r\n' refused 400 >/dev/null
	client -n 3 -- send 'CONNECT a:3 HTTP/1.1\r\n\r\n' refused 403 >/dev/null
	client send 'CONNECT a.example:2 HTTP/1.1\r\n\r\n' refused 403 >/dev/null
	"$PEER" client -b 127.0.0.9 -n 5 127.0.0.1 "$PORT" refused 403 >/dev/null
	stats
	[ "$STATS" = 'reqs 85 bad 9 denied 9 refused 0' ]
	stats 127.0.0.2
	[ "$STATS" = 'reqs 86 bad 9 denied 9 refused 0' ]
}

@test "stats: a client above a limit is counted, whether it gets a reply or not" {
	peer_start ECHO echod
	stats_start "MaxClientsPerHost 1"
	client_start HELD -b 127.0.0.5 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$ECHO_PORT" rtt 1 5 say up hold
	wait_for peer_said HELD up
	"$PEER" client -b 127.0.0.5 -n 40 127.0.0.1 "$PORT" gone
	stats
	[ "$STATS" = 'reqs 2 bad 0 denied 0 refused 40' ]
}

@test "stats: open connections are the sum of all workers" {
	page stats <<<'{opens}'
	peer_start ECHO echod
	adit_start "StatFile \"$DIR/stats\"" "Workers 3"
	client_start HELD -n 30 127.0.0.1 "$PORT" \
		tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 say up \
		wait "$DIR/go" shut eof
	wait_for peer_said HELD up
	wait_for stats_are 31
	touch "$DIR/go"
	peer_wait HELD
	wait_for stats_are 1
}

# stats_are TEXT: for wait_for.
stats_are() {
	stats && [ "$STATS" = "$1" ]
}

@test "stats: no count is lost by a reload or by the death of a worker" {
	local pid n

	need_proc
	peer_start ECHO echod
	stats_start "Workers 2"
	client -n 20 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 shut eof
	client -n 3 -- send 'x\r\n\r\n' refused 400 >/dev/null
	reload
	client -n 20 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 shut eof
	CRASH_OK=1
	n=0
	for pid in $(worker_pids); do
		know_pid "$pid"
		kill -KILL "$pid"
		wait_for dead "$pid"
		n=$((n + 1))
		wait_for log_counts "$n" 'Worker .* died from signal 9'
	done
	[ "$n" = 2 ]
	wait_for workers_are 2
	client -n 20 -- tunnel "127.0.0.1:$ECHO_PORT" rtt 1 9 shut eof
	stats
	[ "$STATS" = 'reqs 61 bad 3 denied 0 refused 0' ]
}

workers_are() {
	[ "$(worker_pids | wc -l)" = "$1" ]
}
