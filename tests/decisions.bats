#!/usr/bin/env bats
# What people learn of decisions: ReportTo, DecisionLog, the reasons of rules.

load helper

# judges STATUS: judges the requests of standard input with $CONF; the output is
# in $DIR/said.
judges() {
	local status=0

	"$ADIT" -t -c "$CONF" -f - >"$DIR/said" 2>"$DIR/said.err" || status=$?
	[ "$status" = "$1" ] || {
		echo "status $status"
		cat "$DIR/said" "$DIR/said.err"
		return 1
	}
}

# decided N PART...: line N of the DecisionLog has these parts.
decided() {
	local line part

	wait_for lines_are "$DIR/decisions" "$1"
	line=$(sed -n "$1p" "$DIR/decisions")
	for part in "${@:2}"; do
		case $line in
		*"$part"*) ;;
		*)
			echo "$line lacks $part"
			return 1
			;;
		esac
	done
}

# answer LINE...: sends a head of these lines to adit; the answer is in
# $DIR/answer.
answer() {
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	printf '%s\r\n' "$@" '' >&7
	cat <&7 >"$DIR/answer"
	exec 7>&-
}

@test "decisions: ReportTo allows what nothing else allows; DenyTo and floors hold" {
	adit_conf "DenyTo .evil.test" "AllowTo .good.test" \
	    "ReportTo 169.254.0.0/16" 'ReportTo .test user alice because "new?"' \
	    "ReportTo 192.0.2.0/24:443 client 192.0.2.9" "ConnectPort 443" \
	    "BasicAuth alice secret1" "BasicAuth bob secret2" "Allow 192.0.2.0/24" "Allow 127.0.0.1"
	judges 0 <<-EOF
	192.0.2.9 alice a.evil.test:443 deny
	192.0.2.9 alice a.good.test:443 allow
	192.0.2.9 alice a.test:443 report
	192.0.2.9 alice a.test:443 at 127.0.0.1 deny
	192.0.2.9 bob a.test:443 deny
	192.0.2.9 bob a.test:443 at 192.0.2.5 report
	192.0.2.8 bob 192.0.2.5:443 deny
	192.0.2.9 alice 169.254.169.254:443 target_address
	127.0.0.1 alice 169.254.169.254:443 reported
	EOF
	"$ADIT" -t -c "$CONF" 192.0.2.9 alice 192.0.2.1:443 >"$DIR/said" 2>&1
	grep -q '^address 192.0.2.1: allowed, but reported, by line [0-9]*: ReportTo 192' "$DIR/said"
	has_line "$DIR/said" "answer: 200, a tunnel to 192.0.2.1:443"
	"$ADIT" -t -c "$CONF" >"$DIR/said" 2>&1
	grep -q ":[0-9]*: notice: ReportTo: what this line matches is allowed and reported" "$DIR/said"
	# What -T prints means the same.
	"$ADIT" -T -c "$CONF" 2>/dev/null | grep -E 'To |^Dec' >"$DIR/shown"
	diff -u - "$DIR/shown" <<-EOF
	DenyTo .evil.test
	AllowTo .good.test
	ReportTo 169.254.0.0/16
	ReportTo .test user alice because "new?"
	ReportTo 192.0.2.0/24:443 client 192.0.2.9
	EOF
}

@test "decisions: words after because are taken whole, or refused" {
	local rule

	for rule in 'because ""' 'because "a' "because \"$(printf %0201d 0)\"" \
	    'because no' 'because "a" user bob' $'because "a\tb"'; do
		adit_conf "DenyTo a.test $rule"
		fails "$ADIT" -t -c "$CONF" 2>/dev/null || {
			echo "$rule"
			return 1
		}
	done
	adit_conf 'DenyTo  a.test	BECAUSE  "Ä <b>@\ because"' 'DenyTo because'
	"$ADIT" -T -c "$CONF" 2>/dev/null | has_line /dev/stdin \
	    'DenyTo a.test because "Ä <b>@\ because"'
}

@test "decisions: each verdict is a line with its rule, and a refusal names the reason" {
	local creds id

	creds="Proxy-Authorization: Basic $(printf alice:secret1 | base64)"
	peer_start srv echod
	stderr_expected 'notice: ReportTo'
	adit_start "BasicAuth alice secret1" "AccessLog \"$DIR/access\"" \
	    "DecisionLog \"$DIR/decisions\"" "ConnectPort 443" \
	    "ConnectPort $srv_PORT" \
	    'DenyTo .evil.test because "Ask <it@x.test> for \ an exception, ok?"' \
	    "AllowTo 127.0.0.1:443" "ReportTo 127.0.0.0/8"
	answer "CONNECT a.evil.test:443 HTTP/1.1" "$creds"
	grep -q '^HTTP/1.1 403 Forbidden by proxy rules' "$DIR/answer"
	grep -qF 'error=http_request_denied; details="Ask <it@x.test> for \\ an exception, ok?"' "$DIR/answer"
	grep -qF '<p>Ask &#60;it@x.test&#62; for \ an exception, ok?</p>' "$DIR/answer"
	decided 1 '"verdict":"deny","reason":"target_rule","status":403' \
	    "\"rule\":\"$CONF:" '"user":"alice","method":"CONNECT"' \
	    '"host":"a.evil.test","port":443,' '"addresses":[]' \
	    '"because":"Ask <it@x.test> for \\ an exception, ok?"'
	log_wait 'Refused target a.evil.test:443: line [0-9]* of .*: Ask <it'
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n$creds\r\n\r\n" \
	    head rtt 1 5 shut eof
	decided 2 '"verdict":"report","reason":null' \
	    '"addresses":["127.0.0.1"]' "\"rule\":\"$CONF:"
	log_wait "Reported target 127.0.0.1:$srv_PORT: line [0-9]* of $CONF"
	wait_for access_lines 2
	id=$(sed -n 's/.* reported //p' "$DIR/access")
	decided 2 "\"id\":\"$id\""
	answer "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1"
	decided 3 '"verdict":"407","reason":"credentials","status":407' \
	    '"user":null' '"rule":null'
	answer "CONNECT 127.0.0.1:443 HTTP/1.1" "$creds"
	decided 4 '"verdict":"allow","reason":null'
	# A rotation is followed.
	mv "$DIR/decisions" "$DIR/old"
	kill -HUP "$ADIT_PID"
	wait_for test -e "$DIR/decisions"
	answer "CONNECT 192.0.2.1:9 HTTP/1.1" "$creds"
	wait_for grep -q '"reason":"port"' "$DIR/decisions" "$DIR/old"
	[ "$(cat "$DIR/old" "$DIR/decisions" | wc -l)" = 5 ]
	if command -v jq >/dev/null; then
		[ "$(jq -r .verdict "$DIR/old" "$DIR/decisions" | sort | xargs)" = \
		    "407 allow deny deny report" ]
	fi
}

# report HOST PORT USER CLIENT [VERDICT]: prints a line of a DecisionLog.
report() {
	printf '{"time":"x","user":%s,"client":"%s","host":"%s","port":%s,"addresses":["::1","a"],"verdict":"%s","rule":null}\n' \
	    "$3" "$4" "$1" "$2" "${5:-report}"
}

@test "decisions: reports become rules that can be read back, and nothing else does" {
	{
		report b.example.test 443 '"ci"' 192.0.2.7
		report B.example.test. 443 '"alice"' 192.0.2.8
		report b.example.test 443 '"ci"' 192.0.2.7
		report example.test 443 '"ci"' 192.0.2.7
		report a.example.test 80 null 2001:db8::7
		report denied.test 443 '"ci"' 192.0.2.7 deny
		report 2001:db8::1 8443 '"a\u0062c"' 192.0.2.7
		report private 443 null 192.0.2.7
		report 169.254.169.254 80 null 127.0.0.1
		report 'evil"\nAllowTo *' 443 null 192.0.2.7
		report 'evil\nAllowTo *' 443 null 192.0.2.7
		report 'x y' 443 '"a b"' 192.0.2.7
		report x.test 70000 null 192.0.2.7
		echo 'AllowTo *'
		report cut.test 443 null 192.0.2.7 | cut -c 1-90
		echo '{"verdict":"report","host":"*","port":1}'
		report '*' 443 null 192.0.2.7
		report c.example.test 443 null "$DIR/ci 1.sock"
		report 169.254.169.253 443 '"ci"' "$DIR/ci 1.sock"
		report 127.0.0.1 443 null "$DIR/x\\\"y"
	} >"$DIR/log"
	"$ADIT" -t -r "$DIR/log" >"$DIR/rules" 2>"$DIR/err"
	diff -u - "$DIR/rules" <<-EOF
	AllowTo [2001:db8::1]:8443
	AllowTo 169.254.169.253:443 client "$DIR/ci 1.sock"
	AllowTo 169.254.169.254:80 client 127.0.0.1
	AllowTo private.:443
	AllowTo example.test:443
	AllowTo a.example.test:80
	AllowTo b.example.test:443
	AllowTo c.example.test:443
	EOF
	diff -u - "$DIR/err" <<-EOF
	$DIR/log: 4 lines are cut, or no decisions
	$DIR/log: 5 reports cannot be written as a rule
	EOF
	"$ADIT" -t -r - user client <"$DIR/log" >"$DIR/rules" 2>/dev/null
	has_line "$DIR/rules" "AllowTo b.example.test:443 user alice client 192.0.2.8"
	has_line "$DIR/rules" "AllowTo c.example.test:443 client \"$DIR/ci 1.sock\""
	"$ADIT" -t -r "$DIR/log" user >"$DIR/rules" 2>/dev/null
	has_line "$DIR/rules" "AllowTo b.example.test:443 user alice ci"
	# The rules allow what was reported.
	adit_conf "ConnectPort 443" "ConnectPort 8443" "Allow 192.0.2.0/24" \
	    "BasicAuth alice pw" "BasicAuth ci pw" "BasicAuth abc pw" \
	    "Listen \"$DIR/ci 1.sock\""
	cat "$DIR/rules" >>"$CONF"
	judges 0 <<-EOF
	192.0.2.7 ci b.example.test:443 allow
	192.0.2.7 alice b.example.test:443 allow
	192.0.2.7 abc b.example.test:443 deny
	192.0.2.7 abc [2001:db8::1]:8443 allow
	192.0.2.7 ci denied.test:443 deny
	192.0.2.7 ci http://a.example.test/ allow
	EOF
	run "$ADIT" -t -r "$DIR/none"
	[ "$status" = 66 ]
	run "$ADIT" -t -r "$DIR/log" group
	[ "$status" = 64 ]
}
