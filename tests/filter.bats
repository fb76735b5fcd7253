#!/usr/bin/env bats
# Filter: which names a file of patterns refuses, and which it allows.

load helper

# patterns LINE...: writes the filter's file.
patterns() {
	printf '%s\n' "$@" >"$DIR/filter"
}

# filter_start LINE...: adit with that filter, these lines, and an echo server.
filter_start() {
	[ -n "$srv_PORT" ] || peer_start srv server echo
	adit_start "Filter \"$DIR/filter\"" "$@"
}

# filter_restart LINE...: the same again, after a stop.
filter_restart() {
	adit_stop
	: >"$LOG"
	filter_start "$@"
}

# filtered TARGET...: they get 403, and the log says why.
filtered() {
	local target

	for target; do
		if ! client send "CONNECT $target HTTP/1.1\r\n\r\n" \
		    refused 403 >"$DIR/reply" ||
		    ! grep -qi '^Proxy-Status: adit; error=http_request_denied' \
			"$DIR/reply"; then
			echo "not filtered: $target"
			cat "$DIR/reply"
			return 1
		fi
	done
}

# passed TARGET...: the filter lets them through; the look-up then fails, since
# these names do not exist.
passed() {
	local target

	for target; do
		client -t 60 -- send "CONNECT $target HTTP/1.1\r\n\r\n" \
		    head >"$DIR/reply"
		if grep -qE '^HTTP/1.1 (403|400) ' "$DIR/reply"; then
			echo "filtered: $target"
			return 1
		fi
	done
}

# reached TARGET...: each of them gets a tunnel.
reached() {
	local target

	for target; do
		if ! client tunnel "$target" rtt 1 5 shut eof; then
			echo "not reached: $target"
			return 1
		fi
	done
}

reload() {
	local n

	n=$(log_count "Reloading config file $1")
	kill -HUP "$ADIT_PID"
	wait_for log_counts $((n + 1)) "Reloading config file $1"
}

# refuses LINE...: with these lines adit -t reports an error, which goes to
# $DIR/err.
refuses() {
	local status=0

	adit_conf "ConnectPort 443" "$@"
	timeout 20 "$ADIT" -t -c "$CONF" >"$DIR/out" 2>"$DIR/err" </dev/null ||
		status=$?
	[ "$status" = 70 ] || [ "$status" = 65 ] || {
		echo "status $status"
		cat "$DIR/err"
		return 1
	}
}

# says TEXT...: whether there is exactly one line, and it contains all these
# texts.
says() {
	local text

	[ "$(wc -l <"$DIR/err")" = 1 ] || return 1
	for text; do
		grep -qF -e "$text" "$DIR/err" || {
			echo "not said: $text"
			cat "$DIR/err"
			return 1
		}
	done
}

@test "filter: a name in which a pattern is found is refused, and no other" {
	patterns 'ads' '^tracker\.' '\.bad\.test$' '^127\.0\.0\.9$'
	filter_start
	filtered ads.test:443 www.loads.test:443 tracker.test:443 \
	    a.bad.test:443 127.0.0.9:443
	log_wait '^NOTICE .*: Proxying refused on filtered domain "www\.loads\.test" \(file descriptor [0-9]+, client 127\.0\.0\.1\)$'
	log_wait '^NOTICE .*: Proxying refused on filtered domain "127\.0\.0\.9" \(file descriptor [0-9]+, client 127\.0\.0\.1\)$'
	reached "127.0.0.1:$srv_PORT" "localhost:$srv_PORT"
	wait_for log_counts 5 'Proxying refused'
	[ "$(log_count 'Proxying refused')" = 5 ]
}

@test "filter: with FilterDefaultDeny only names that a pattern matches are reached" {
	patterns '^localhost$' '^127\.0\.0\.1$'
	filter_start "FilterDefaultDeny Yes"
	reached "127.0.0.1:$srv_PORT" "localhost:$srv_PORT" \
	    "LocalHost.:$srv_PORT" "[::ffff:127.0.0.1]:$srv_PORT"
	filtered "127.0.0.2:$srv_PORT" "[::1]:$srv_PORT" \
	    "localhost.evil.test:$srv_PORT" "127.0.0.1.test:$srv_PORT"
}

@test "filter: an empty filter refuses nothing, and with FilterDefaultDeny everything" {
	: >"$DIR/filter"
	filter_start "FilterDefaultDeny Yes"
	filtered "127.0.0.1:$srv_PORT" "localhost:$srv_PORT" "[::1]:$srv_PORT"
	filter_restart "FilterDefaultDeny No"
	reached "127.0.0.1:$srv_PORT"
	patterns '# nothing' '' '   '
	filter_restart "FilterDefaultDeny Yes"
	filtered "127.0.0.1:$srv_PORT"
}

@test "filter: FilterType chooses between bre, ere and fnmatch" {
	patterns 'a(b|c)' '[0-9]\{2\}\.test'
	filter_start "FilterType bre"
	filtered a11.test:443
	passed ab.test:443
	reached "localhost:$srv_PORT"
	patterns '^(bc|local)+host$' '[0-9]{2}\.test'
	filter_restart "FilterType ere"
	filtered localhost:443 a11.test:443
	reached "127.0.0.1:$srv_PORT"
	patterns 'local*' '*.b?.test'
	filter_restart "FilterType FNMATCH"
	filtered localhost:443 a.bc.test:443
	passed a.b.test:443 a.bc.test.test:443
	reached "127.0.0.1:$srv_PORT"
}

@test "filter: the other filter directives may come before and after Filter" {
	patterns '^(local)host:4+3$'
	peer_start srv server echo
	adit_start "FilterURLs Yes" "Filter \"$DIR/filter\"" "FilterType ere"
	filtered localhost:443
	reached "localhost:$srv_PORT"
}

@test "filter: FilterExtended is FilterType ere, with a warning" {
	patterns '^(local)host$'
	stderr_expected 'FilterExtended: deprecated; use FilterType ere'
	filter_start "FilterExtended On"
	filtered localhost:443
	grep -q 'warning: FilterExtended: ' "$STDERR" "$LOG"
	filter_restart "FilterExtended Off"
	reached "localhost:$srv_PORT"
}

@test "filter: with FilterURLs a pattern sees the port too" {
	peer_start srv server echo
	patterns "^localhost:$srv_PORT\$" ':22$' '^\[::1\]:443$'
	filter_start "FilterURLs On"
	filtered "localhost:$srv_PORT" "LOCALHOST.:$srv_PORT" 127.0.0.1:22 \
	    '[::1]:22' '[::1]:443' '[0:0:0::0:1]:443' '::1:443'
	log_wait "^NOTICE .*: Proxying refused on filtered url \"localhost:$srv_PORT\" "
	log_wait '^NOTICE .*: Proxying refused on filtered url "\[::1\]:443" '
	reached "127.0.0.1:$srv_PORT"
	# Without FilterURLs it is not.
	filter_restart
	reached "localhost:$srv_PORT"
}

@test "filter: no other spelling of a host gets past a filter" {
	patterns '^example\.com$' '^127\.0\.0\.1$' '^2001:db8::1$'
	filter_start "ConnectTimeout 5"
	filtered example.com:443 EXAMPLE.com:443 example.com.:443 \
	    ExAmPlE.CoM.:443 127.0.0.1:443 '[::ffff:127.0.0.1]:443' \
	    '[::FFFF:7f00:1]:443' '::ffff:127.0.0.1:443' \
	    '[2001:db8::1]:443' '[2001:DB8:0::0:1]:443' \
	    '[2001:0db8:0000:0000:0000:0000:0000:0001]:443' '2001:db8:0::1:443'
	target_malformed '[example.com]:443' '[127.0.0.1]:443' \
	    example.com..:443 '127.0.0.1.:443' 127.1:443 2130706433:443 \
	    0x7f.0.0.1:443 'u:p@example.com:443' 'example.com%00:443' \
	    'http://example.com:443' 'example.com:443/'
}

# target_malformed TARGET...: they get 400.
target_malformed() {
	local target

	for target; do
		if ! client send "CONNECT $target HTTP/1.1\r\n\r\n" \
		    refused 400 >"$DIR/reply"; then
			echo "not malformed: $target"
			return 1
		fi
	done
}

@test "filter: the Host field of a request does not get it past the filter" {
	patterns '^bad\.test$'
	filter_start
	client send "CONNECT bad.test:443 HTTP/1.1\r\nHost: good.test:443\r\n\r\n" \
	    refused 403
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\nHost: bad.test:443\r\n\r\n" \
	    expect 'HTTP/1.1 200 Connection established\r\n\r\n' rtt 1 5
}

@test "filter: the case of a host never matters, for any type, whatever FilterCaseSensitive says" {
	local type

	stderr_expected 'FilterCaseSensitive: no effect'
	patterns 'LocalHost' '[X-Z]oo'
	filter_start
	for type in bre ere fnmatch; do
		filter_restart "FilterType $type" "FilterCaseSensitive Yes"
		filtered localhost:443 LOCALHOST:443 zoo:443 YOO:443
		reached "127.0.0.1:$srv_PORT"
	done
	grep -q 'notice: FilterCaseSensitive: ' "$STDERR" "$LOG"
	# The pattern allows what it is meant to allow.
	filter_restart "FilterCaseSensitive Yes" "FilterDefaultDeny Yes"
	reached "localhost:$srv_PORT" "LOCALHOST:$srv_PORT"
}

@test "filter: blanks and comments around a pattern are not part of it" {
	patterns '# a comment with localhost' '' '   # and another' \
	    '	 ads # no ads' 'bad#comment' 'x\#127' 'evil behind 127'
	printf 'crlf\\.test$\r\n\r\nlast' >>"$DIR/filter"
	stderr_expected 'filter:7: the pattern ends at the blank'
	filter_start
	filtered ads.test:443 bad.test:443 evil.test:443 crlf.test:443 \
	    last.test:443
	reached "localhost:$srv_PORT" "127.0.0.1:$srv_PORT"
	[ "$(cat "$STDERR" "$LOG" | grep -c 'ends at the blank')" = 1 ]
}

@test "filter: *.name, which is not meant as a regular expression, gives a warning" {
	patterns '*.bad.test'
	adit_conf "ConnectPort 443" "Filter \"$DIR/filter\""
	"$ADIT" -t -c "$CONF" 2>"$DIR/err"
	says 'warning: Filter: ' "$DIR/filter:1: " 'FilterType fnmatch'
	echo "FilterType fnmatch" >>"$CONF"
	"$ADIT" -t -c "$CONF" 2>"$DIR/err"
	[ ! -s "$DIR/err" ]
}

@test "filter: a line of any length is one pattern" {
	patterns "$(printf 'x%.0s' $(seq 5000))localhost" "$(printf ' %.0s' $(seq 5000))ads"
	filter_start
	filtered ads.test:443
	reached "localhost:$srv_PORT"
}

@test "filter: credentials and port are checked first, and no name is looked up" {
	patterns 'bad'
	filter_start "BasicAuth alice secret" "ConnectPort 443" "LogLevel info"
	client send "CONNECT bad.test:443 HTTP/1.1\r\n\r\n" refused 407
	client send "CONNECT bad.test:80 HTTP/1.1\r\nProxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n" \
	    refused 403
	log_wait 'Refused CONNECT method on port 80'
	fails log_has 'Proxying refused'
	client send "CONNECT bad.test:443 HTTP/1.1\r\nProxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n" \
	    refused 403
	log_wait 'Proxying refused on filtered domain "bad.test"'
}

@test "filter: a filtered target is not looked up, and nothing after its request is read" {
	name_server bad.test=127.0.0.1 good.test=127.0.0.1
	patterns '^bad'
	filter_start "AccessLog \"$DIR/access\""
	filtered "bad.test:$srv_PORT"
	client send "CONNECT bad.test:$srv_PORT HTTP/1.1\r\n\r\nCONNECT good.test:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 403
	fails grep test "$DIR/dns.out"
	reached "good.test:$srv_PORT"
	wait_for grep -q " - bad\.test:$srv_PORT - 403/http_request_denied " \
	    "$DIR/access"
}

@test "filter: a name that the filter allows is still judged by the rules for targets" {
	namespaces "127.0.0.2 good.test"
	patterns '\.test$'
	filter_start "FilterDefaultDeny Yes" "DenyTo 127.0.0.2"
	filtered "127.0.0.2:$srv_PORT"
	client send "CONNECT good.test:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 403 >"$DIR/reply"
	grep -q destination_ip_prohibited "$DIR/reply"
}

@test "filter: a broken pattern stops the start, and says in which lines of which files" {
	local n

	patterns 'good' '' '\(bad' '[also' 'good'
	refuses "Filter \"$DIR/filter\"" "FilterType bre"
	n=$(grep -n ^Filter "$CONF" | head -n 1 | cut -d : -f 1)
	[ "$(wc -l <"$DIR/err")" = 2 ]
	grep -qE "^(adit: )?$CONF:$n: Filter: $DIR/filter:3: pattern \"\\\\\(bad\": [A-Z]" \
	    "$DIR/err"
	grep -qE "^(adit: )?$CONF:$n: Filter: $DIR/filter:4: pattern \"\[also\": [A-Z]" \
	    "$DIR/err"
	patterns 'a' "b\\"
	refuses "FilterType fnmatch" "Filter \"$DIR/filter\""
	says "$DIR/filter:2: "
}

@test "filter: binary data in a filter is refused, and does not reach the terminal" {
	printf 'good\nb\303\274cher.test\n' >"$DIR/filter"
	refuses "Filter \"$DIR/filter\""
	says "$DIR/filter:2: " "xn--"
	printf 'a\033[2Jb\n' >"$DIR/filter"
	refuses "Filter \"$DIR/filter\""
	says "$DIR/filter:1: "
	fails grep -q "$(printf '\033')" "$DIR/err"
	printf 'a\0b\n' >"$DIR/filter"
	refuses "Filter \"$DIR/filter\""
	says "$DIR/filter:1: " NUL
	printf '(%.0s' $(seq 3000) >"$DIR/filter"
	refuses "Filter \"$DIR/filter\"" "FilterType ere"
	says "$DIR/filter:1: pattern "
	[ "$(wc -c <"$DIR/err")" -lt 900 ]
	head -c 100000 /dev/urandom >"$DIR/filter"
	refuses "Filter \"$DIR/filter\""
	[ "$(wc -l <"$DIR/err")" -le 21 ]
}

@test "filter: a file that cannot be read stops the start" {
	refuses "Filter \"$DIR/none\""
	says "Filter: $DIR/none: No such file"
	mkdir "$DIR/dir"
	refuses "Filter \"$DIR/dir\""
	says "Filter: $DIR/dir: "
	mkfifo "$DIR/fifo"
	refuses "Filter \"$DIR/fifo\""
	says "Filter: $DIR/fifo: "
	refuses "Filter relative"
	says 'Filter: the value must be an absolute path'
}

@test "filter: a file that the user may not read stops the start" {
	need_user
	patterns x
	chmod 000 "$DIR/filter"
	refuses "Filter \"$DIR/filter\""
	says "Filter: $DIR/filter: Permission denied"
}

@test "filter: the user of the workers need not be able to read the file" {
	need_root
	patterns '^bad'
	chmod 600 "$DIR/filter"
	filter_start
	filtered bad.test:443
	patterns '^worse'
	reload finished
	filtered worse.test:443
	passed bad.test:443
}

@test "filter: FilterDefaultDeny without a filter stops the start" {
	refuses "FilterDefaultDeny Yes"
	says "FilterDefaultDeny: there is no Filter"
	adit_conf "ConnectPort 443" "FilterDefaultDeny No" "FilterURLs On" \
	    "FilterType ere"
	"$ADIT" -t -c "$CONF" 2>"$DIR/err"
	[ ! -s "$DIR/err" ]
}

@test "filter: a reload with a wrong filter keeps the old one" {
	patterns '^bad'
	filter_start
	filtered bad.test:443
	patterns '^worse' '\(broken'
	reload 'failed!'
	log_wait "^ERROR .*: $CONF:[0-9]+: Filter: $DIR/filter:2: pattern \"..broken\": "
	filtered bad.test:443
	passed worse.test:443
	rm "$DIR/filter"
	reload 'failed!'
	log_wait "^ERROR .*: $CONF:[0-9]+: Filter: $DIR/filter: No such file"
	filtered bad.test:443
	patterns '^worse'
	reload finished
	filtered worse.test:443
	passed bad.test:443
	# Now without it.
	sed -i.bak '/^Filter/d' "$CONF"
	reload finished
	passed worse.test:443
}

@test "filter: thousands of patterns are in force, including the last one" {
	seq -f '^h%g\.test$' 20000 >"$DIR/filter"
	seq -f '^[h]%g\.text$' 300 >>"$DIR/filter"
	filter_start
	filtered h1.test:443 h20000.test:443 h300.text:443
	reached "127.0.0.1:$srv_PORT"
}
