#!/usr/bin/env bats
# The configuration file: what is accepted, what is refused, and the messages.

load helper

bats_require_minimum_version 1.5.0

# base: the three lines that every file here begins with.
base() {
	printf 'Port 8888\nConnectPort 443\nUser %s\n' "${ADIT_TEST_USER:-nobody}"
}

# checked TEXT: lets adit -t read base and the text (with printf's escapes); sets
# SAID to the lines of standard error.
checked() {
	local status=0

	{
		base
		printf '%b' "$1"
	} >"$CONF"
	"$ADIT" -t -c "$CONF" >"$DIR/out" 2>"$DIR/err" </dev/null || status=$?
	mapfile -t SAID <"$DIR/err"
	return "$status"
}

# takes TEXT: the text is accepted without a message, unless it says that a line
# replaces one of base.
takes() {
	if ! checked "$1" ||
	    grep -qv ': this line replaces line [13];' "$DIR/err"; then
		echo "not taken: $1"
		cat "$DIR/err"
		return 1
	fi
	has_line "$DIR/out" "adit: $CONF: the configuration is right"
}

# warns KIND DIRECTIVE TEXT: the text is accepted, with a notice or warning for
# its line.
warns() {
	if ! checked "$3" || [ "${#SAID[@]}" != 1 ] ||
	    [[ ${SAID[0]#adit: } != "$CONF:4: $1: $2: "?* ]]; then
		echo "not taken with a $1: $3"
		cat "$DIR/err"
		return 1
	fi
}

# refuses DIRECTIVE TEXT [LINE]: status 70, and only a message about that
# directive on that line (4, the first after base).
refuses() {
	local status=0

	checked "$2" || status=$?
	if [ "$status" != 70 ] || [ "${#SAID[@]}" != 1 ] || [ -s "$DIR/out" ] ||
	    [[ ${SAID[0]#adit: } != "$CONF:${3:-4}: "$1": "?* ]]; then
		echo "status $status, not refused as it should be: $2"
		cat "$DIR/out" "$DIR/err"
		return 1
	fi
}

# refuses_line TEXT: the same when the message is about the whole line.
refuses_line() {
	local status=0

	checked "$1" || status=$?
	if [ "$status" != 70 ] || ! file_says "^(adit: )?$CONF:4: ." "$DIR/err"
	then
		echo "status $status, not refused as it should be: $1"
		cat "$DIR/out" "$DIR/err"
		return 1
	fi
}

# number_directive NAME MIN MAX: both bounds are accepted; numbers beyond them
# and other words are refused.
number_directive() {
	local bad

	# Only root can listen on the first ports.
	[ "$1" = Port ] && [ "$EUID" != 0 ] || takes "$1 $2\n"
	takes "$1 $3\n"
	refuses "$1" "$1 $(($3 + 1))\n"
	for bad in -1 -0 +1 01 007 0x10 1.5 1e3 1s '"5"' five 4294967297 \
	    18446744073709551617 99999999999999999999999 '5 5' '5;' '5,' ''; do
		refuses "$1" "$1 $bad\n"
	done
	if [ "$2" -gt 0 ]; then
		refuses "$1" "$1 $(($2 - 1))\n"
	fi
}

# string_directive NAME: it accepts text in double quotes and nothing else.
string_directive() {
	local bad

	for bad in x '""' "'/x'" '"/x' '/x"' '"/x" "/y"' '"/x"y' '"/x" # no' \
	    '"/a"b"' ''; do
		refuses "$1" "$1 $bad\n"
	done
}

# path_directive NAME
path_directive() {
	string_directive "$1"
	takes "$1 \"$DIR/x y\"\n"
	refuses "$1" "$1 /tmp/x\n"
	refuses "$1" "$1 \"relative/path\"\n"
}

# bool_directive NAME: yes, no, on and off in any case.
bool_directive() {
	local word

	for word in yes no on off YES No oN OFF; do
		takes "$1 $word\n"
	done
	for word in true 1 0 '"On"' y n yess 'yes no' enabled ''; do
		refuses "$1" "$1 $word\n"
	done
}

@test "conf: numbers out of range or badly written are refused, never clipped" {
	number_directive HeaderTimeout 1 86400
	number_directive ConnectTimeout 1 86400
	number_directive TunnelTimeout 0 2147483
	number_directive HalfClosedTimeout 1 2147483
	number_directive DrainTimeout 0 2147483
	number_directive MaxClients 1 1000000
	number_directive MaxClientsPerHost 1 1000000
	number_directive MaxRatePerHost 1 100000
	number_directive RateLimit 1024 1000000000
	number_directive Workers 1 256
	number_directive Port 1 65535
}

@test "conf: Timeout may be up to 2147483, and 0 means the default with a warning" {
	takes 'Timeout 1\n'
	takes 'Timeout 2147483\n'
	warns warning Timeout 'Timeout 0\n'
	for bad in 2147484 -1 01 1.5 5s '"5"' five '' 4294967297; do
		refuses Timeout "Timeout $bad\n"
	done
}

@test "conf: ConnectPort accepts ports and 0" {
	takes 'ConnectPort 1\nConnectPort 65535\nConnectPort 22\n'
	takes 'ConnectPort 0\n'
	for bad in 65536 65979 -1 +443 0443 00 443x https '"443"' '443 563' \
	    443-563 443,563 '*' ''; do
		refuses ConnectPort "ConnectPort $bad\n"
	done
}

@test "conf: Workers may be auto" {
	takes 'Workers auto\n'
	takes 'Workers AUTO\n'
	refuses Workers 'Workers automatic\n'
}

@test "conf: a file without ConnectPort is accepted with a warning that every port is open" {
	printf 'Port 8888\nUser nobody\n' >"$CONF"
	run -0 --separate-stderr "$ADIT" -t -c "$CONF"
	[[ $stderr =~ warning:.*ConnectPort ]]
}

@test "conf: a file without Port is refused" {
	printf 'ConnectPort 443\nUser nobody\n' >"$CONF"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	[[ $stderr == *"Port: missing"* ]]
	: >"$CONF"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	[[ $stderr == *"Port: missing"* ]]
}

@test "conf: a bool is yes, no, on or off, and nothing else" {
	bool_directive BindSame
	bool_directive Syslog
	takes 'BindSame YES\nSyslog oFF\n'
}

@test "conf: a path must be absolute and in double quotes" {
	path_directive LogFile
	path_directive PidFile
	path_directive AccessLog
	for format in adit squid common combined json JSON; do
		takes "AccessLog \"$DIR/a\" $format\n"
	done
	refuses AccessLog "AccessLog \"$DIR/a\" jsno\n"
	refuses AccessLog "AccessLog \"$DIR/a\" json squid\n"
	refuses AccessLog "AccessLog \"$DIR/a\"json\n"
	takes "AccessLog \"$DIR/a\"\nAccessLog \"$DIR/b\" json\n"
	refuses AccessLog \
	    "AccessLog \"$DIR/a\"\nAccessLog \"$DIR/a\" json\n" 5
	refuses AccessLog \
	    "AccessLog \"/dev/stdout\"\nAccessLog \"/dev/fd/1\"\n" 5
	refuses AccessLog "$(printf 'AccessLog "/tmp/%s"\\n' 1 2 3 4 5)" 8
	takes 'AccessLogInterval 0\n'
	takes 'AccessLogInterval 10\n'
	refuses AccessLogInterval 'AccessLogInterval 9\n'
	bool_directive AccessLogStart
	takes 'LogTime classic\n'
	takes 'LogTime RFC3339\n'
	refuses LogTime 'LogTime iso\n'
	string_directive Chroot
	refuses Chroot 'Chroot /tmp\n'
	refuses Chroot 'Chroot "relative/path"\n'
	mkdir "$DIR/empty dir"
	[ "$(id -u)" != 0 ] || takes "Chroot \"$DIR/empty dir\"\n"
}

@test "conf: a realm is a string in double quotes" {
	takes 'BasicAuthRealm "a realm, with blanks"\n'
	string_directive BasicAuthRealm
	refuses BasicAuthRealm 'BasicAuthRealm word\n'
}

@test "conf: Listen and Bind accept only addresses" {
	local d bad

	for d in Listen Bind; do
		takes "$d 127.0.0.1\n$d ::1\n"
		takes "$d 0.0.0.0\n$d ::\n"
		for bad in localhost '*' 127.1 127.0.0.01 256.0.0.1 0x7f.0.0.1 \
		    2130706433 127.0.0.1:80 '[::1]' 127.0.0.0/8 '"127.0.0.1"' \
		    '127.0.0.1 127.0.0.2' ::1::1 fe80::1%nosuchinterface ''; do
			refuses $d "$d $bad\n"
		done
	done
}

@test "conf: 64 Listen lines and 16 Bind lines are accepted, and not one more" {
	takes "$(printf 'Listen 127.0.0.%d\\n' $(seq 64))"
	refuses Listen "$(printf 'Listen 127.0.0.%d\\n' $(seq 65))" 68
	takes "$(printf 'Bind 127.0.0.%d\\n' $(seq 16))"
	refuses Bind "$(printf 'Bind 127.0.0.%d\\n' $(seq 17))" 20
}

@test "conf: Allow and Deny accept addresses, blocks, names and suffixes" {
	local d good

	for d in Allow Deny; do
		for good in 127.0.0.1 10.0.0.0/8 0.0.0.0/0 1.2.3.4/32 \
		    ::1 2001:db8::/32 ::/0 ::1/128 host.example .example \
		    localhost a-b_c.example 3com.example xn--bcher-kva.example; do
			takes "$d $good\n"
		done
	done
}

@test "conf: a malformed rule is an error, and never ignored" {
	local d bad

	for d in Allow Deny; do
		for bad in 10.0.0.0/33 10.0.0.0/-1 10.0.0.0/ 10.0.0.0/08 \
		    10.0.0.0/8x 10.0.0.0/255.0.0.0 ::1/129 ::1/ ::/x 10 127.1 \
		    10.0.0 999.1.1.1 10.0.0.0.0 10.0.0.010 '*' '*.example' \
		    host.example/8 .example/8 '10.0.0.1 10.0.0.2' '"10.0.0.1"' \
		    '10.0.0.1,10.0.0.2' 10.0.0.1-10.0.0.9 '[::1]' 10.0.0.1:80 \
		    'host!' 'hést.example' ::g 1:2:3 '' '# nobody' \
		    10.0.0.0/4294967304; do
			refuses $d "$d $bad\n"
		done
	done
}

@test "conf: BasicAuth accepts exactly two words" {
	local bad

	takes 'BasicAuth user pass\n'
	takes 'BasicAuth user pass  \t\nBasicAuth other pass:word\n'
	takes 'BasicAuth #user #pass\n'
	takes "BasicAuth $(printf 'u%.0s' $(seq 255)) $(printf 'p%.0s' $(seq 255))\n"
	for bad in user 'user pass word' 'us:er pass' 'user p@ss' '' \
	    "$(printf 'u%.0s' $(seq 256)) p" "u $(printf 'p%.0s' $(seq 256))"; do
		refuses BasicAuth "BasicAuth $bad\n"
	done
}

@test "conf: LogLevel accepts its six words in any case" {
	local level

	for level in critical error warning notice connect info Info CRITICAL; do
		takes "LogLevel $level\n"
	done
	for level in debug '"info"' 3 'info info' inf information ''; do
		refuses LogLevel "LogLevel $level\n"
	done
}

@test "conf: Filter accepts a path, and FilterType its three words in any case" {
	local word

	string_directive Filter
	: >"$DIR/filter"
	takes "Filter \"$DIR/filter\"\n"
	for word in bre ere fnmatch BRE Ere FnMatch; do
		takes "FilterType $word\n"
	done
	for word in pcre '"ere"' 'bre ere' regex ''; do
		refuses FilterType "FilterType $word\n"
	done
	bool_directive FilterURLs
	takes 'FilterDefaultDeny no\nFilterCaseSensitive no\n'
	refuses FilterDefaultDeny 'FilterDefaultDeny yes\n'
	refuses FilterDefaultDeny 'FilterDefaultDeny 1\n'
	warns notice FilterCaseSensitive 'FilterCaseSensitive yes\n'
	takes 'FilterCaseSensitive yes\nFilterURLs yes\n'
	refuses FilterCaseSensitive 'FilterCaseSensitive x\n'
	warns warning FilterExtended 'FilterExtended yes\n'
	warns warning FilterExtended 'FilterExtended no\n'
	refuses FilterExtended 'FilterExtended x\n'
}

@test "conf: User and Group accept one word" {
	takes 'Group nogroup\n'
	takes 'User 65534\nGroup 65534\n'
	for d in User Group; do
		for bad in '"nobody"' 'a b' 'a:b' 'a/b' ''; do
			refuses $d "$d $bad\n"
		done
	done
}

@test "conf: directives are accepted in any case, with any blanks around them" {
	takes 'timeout 5\nSYSLOG No\nlOgLeVeL\tinfo\n  \t BindSame  \t no \t \n'
}

@test "conf: comments may be indented and may have any length" {
	takes '# a comment\n  # indented\n\t#\n#\n##\n#Timeout x\n'
	takes "#$(printf 'x%.0s' $(seq 5000))\nTimeout 5\n"
	refuses Timeout "#$(printf 'x%.0s' $(seq 5000))\nTimeout x\n" 5
}

@test "conf: a comment after a value is an error, as in tinyproxy" {
	refuses Timeout 'Timeout 5 # five\n'
	grep -qF ': a comment must have a line of its own; move "# five" there' \
	    "$DIR/err"
	refuses ConnectPort 'ConnectPort 443 #https\n'
	refuses User 'User nobody # x\n'
	refuses Port 'Port # 8888\n'
	refuses LogFile 'LogFile "/x" # "y"\n'
	refuses BasicAuth 'BasicAuth alice wonderland # x\n'
	fails grep -q wonderland "$DIR/err"
	refuses Allow 'Allow 10.0.0.1\t# x\n'
	takes 'BasicAuthRealm "a # b"\nAddHeader "X-Y" "z # \t#"\n'
}

@test "conf: CR LF ends a line as LF does" {
	takes 'Timeout 5\r\n\r\n# x\r\n  \r\nLogFile "'$DIR/x'"\r\nSyslog no\r\n'
	refuses Timeout 'Timeout x\r\n'
	refuses_line 'Timeout 5\r\r\n'
	refuses_line 'Timeout 5\rTimeout 6\n'
}

@test "conf: the last line counts even without a newline" {
	takes 'Timeout 5'
	takes 'Timeout 5\r'
	takes '# x'
	takes '   '
	refuses Timeout 'Timeout x'
	refuses Nonsense 'Nonsense'
}

@test "conf: blank lines are ignored" {
	takes '\n\n   \n\t\n \t \n'
}

@test "conf: a line of any length is one line" {
	takes "Timeout$(printf ' %.0s' $(seq 5000))5\n"
	refuses Timeout "Timeout $(printf '5%.0s' $(seq 5000))\n"
	refuses LogLevel "Timeout$(printf ' %.0s' $(seq 5000))5\nLogLevel x\n" 5
}

@test "conf: a NUL byte is an error, and hides nothing" {
	refuses_line 'Timeout 5\0 and more\n'
	refuses_line '# a comment\0\nTimeout 5\n'
}

@test "conf: binary data is refused without harm" {
	{
		base
		head -c 200000 /dev/urandom
	} >"$CONF"
	run -70 timeout 20 "$ADIT" -t -c "$CONF"
	run -70 timeout 20 "$ADIT" -t -c "$ADIT"
	run -70 timeout 20 "$ADIT" -t -c /dev/null
}

# marked FILE: puts a byte order mark before a file.
marked() {
	printf '\357\273\277' | cat - "$1" >"$1.marked"
	mv "$1.marked" "$1"
}

@test "conf: a byte order mark at the start of a file is skipped" {
	need_crypt
	local hash='$2b$05$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqGC'

	echo "alice:$hash" >"$DIR/users"
	echo "^bad" >"$DIR/filter"
	{
		echo 'BasicAuth bob builder'
		base
		printf 'AuthFile "%s"\n' "$DIR/users"
		printf 'Filter "%s"\n' "$DIR/filter"
		echo 'AllowTo * user alice bob'
	} >"$CONF"
	marked "$CONF"
	marked "$DIR/users"
	marked "$DIR/filter"
	run -0 --separate-stderr "$ADIT" -t -c "$CONF"
	[ -z "$stderr" ]
	run -0 "$ADIT" -t -c "$CONF" 192.0.2.1 bob 127.0.0.1:443 ||
		[ "$status" = 1 ]
	grep -qx 'user bob: allowed with the password of line 1: BasicAuth bob' \
	    <<<"$output"
	run -1 "$ADIT" -t -c "$CONF" 192.0.2.1 bob bad.example:443
	grep -q '^filter: refused by line 1 of .*: ^bad$' <<<"$output"
}

@test "conf: a file in UTF-16 is refused with one message that says so" {
	printf '\377\376P\0o\0r\0t\0\n\0' >"$CONF"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	[ "$stderr" = "$CONF:1: the file is in UTF-16; save it as UTF-8" ]
}

@test "conf: an unknown directive is an error that names it" {
	refuses Nonsense 'Nonsense 5\n'
	refuses Timeouts 'Timeouts 5\n'
	refuses Timeou 'Timeou 5\n'
	refuses 'Timeout=5' 'Timeout=5\n'
	refuses 'Timeout:' 'Timeout: 5\n'
	refuses no 'no upstream "x"\n'
	refuses Timeout 'Timeout\n'
	refuses Timeout 'Timeout   \n'
	refuses '"Timeout"' '"Timeout" 5\n'
}

# meant KEYWORD [DIRECTIVE]: the message about an unknown directive asks whether
# this one was meant, or no question.
meant() {
	refuses "$1" "$1 5\n"
	if [ -n "${2:-}" ]; then
		grep -qF ": $1: unknown directive; did you mean \"$2\"?" \
		    "$DIR/err"
	else
		fails grep -q 'did you mean' "$DIR/err"
		grep -qF ": $1: unknown directive; " "$DIR/err"
	fi
}

@test "conf: the message about a misspelt directive names the one that was meant" {
	meant Listn Listen
	meant Lissten Listen
	meant ConectPort ConnectPort
	meant connectports ConnectPort
	meant ConnectTimout ConnectTimeout
	meant Prot Port
	meant Alow Allow
	meant maxclientperhosts MaxClientsPerHost
	meant AllowFrom
	meant Nonsense
	meant Log
	meant x
	meant "$(printf 'Listen%.0s' $(seq 7))" ''
}

@test "conf: a message says what would be right" {
	refuses Timeout 'Timeout 0600\n'
	grep -q '"0600" has leading zeros; write 600$' "$DIR/err"
	refuses Port 'Port x\n'
	grep -q '"x" is not a number from 1 to 65535$' "$DIR/err"
	refuses Timeout 'Timeout\n'
	grep -q 'the value is missing; the default is 600$' "$DIR/err"
	says 'LogLevel warn' 'did you mean "warning"?'
	says 'LogLevel debug' 'did you mean "info"?'
	says 'LogLevel notise' 'did you mean "notice"?'
	says 'LogLevel "info"' 'write info without quotes'
	says 'Syslog true' 'did you mean "yes"?'
	says 'Syslog offf' 'did you mean "off"?'
	says 'FilterType glob' 'did you mean "fnmatch"?'
	says 'FilterType fnmach' 'did you mean "fnmatch"?'
	says 'Upstream https p.example:1' 'did you mean "http"?'
	says 'Upstream sock5 p.example:1' 'did you mean "socks5"?'
	says 'Upstream direct "a.example"' 'did you mean "none"?'
	says 'AllowTo x.example users alice' 'did you mean "user"?'
	says 'AllowTo x.example clent 10.0.0.1' 'did you mean "client"?'
	says 'AllowTo x client 10.0.0.1 user alice' 'users must come before'
	says 'AllowTo *.example.com' 'write .name, without the *'
	says 'Allow *.example.com' 'write .name, without the *'
	says 'AllowTo https://x.example/' 'write host:port, not a URL'
	says 'AllowTo x.example:https' 'write a port as a number'
	says 'Allow *' 'for all clients write 0.0.0.0/0 and ::/0'
	says 'Allow from all' 'without "from"'
	says 'Listen *' 'for all addresses leave this line out'
	says 'Listen 127.0.0.1:8888' 'the port to listen on belongs to Port'
	says 'Listen localhost' 'write 127.0.0.1'
	says 'AuthHelper /bin/sh' 'must be a command in double quotes'
	says 'AuthHelper "sh -c"' 'must begin with an absolute path'
	says "AuthHelper \"/bin/sh 'a\"" 'a single quote has no end'
	says 'AuthHelper "/nonexistent/helper x"' '/nonexistent/helper: No such file'
	says 'AuthHelper "/bin"' '/bin is not a program'
	takes 'AuthHelper "/bin/sh"\nAllowTo * user anybody\nUserGroup ci alice\n'
	says 'NoAuth office.example' 'is not an address or a block'
	says 'NoAuth "10.0.0.1"' 'an address or a name stands without quotes'
	says 'UserGroup ci' 'the users of the group must follow'
	says 'UserGroup @ci alice' 'without @ here'
	says 'UserGroup ci @ops' 'a group has users alone'
	says 'AllowTo * user @' 'the name of a group must follow the @'
	says 'NAT64Prefix 2001:db8::/33' 'must have 32, 40, 48, 56, 64 or 96 bits'
	says 'NAT64Prefix 10.0.0.0/8' 'must have 32, 40, 48, 56, 64 or 96 bits'
	says 'NAT64Prefix ::ffff:0:0/96' 'is not a prefix, as in 2001:db8:64::/96'
	says 'NAT64Prefix 2001:db8::x/96' 'is not a prefix, as in 2001:db8:64::/96'
	says 'NAT64Prefix 2001:db8:0:0:ff00::/96' 'bits 64 to 71 of the prefix must be zero'
	checked 'BasicAuth alice pw\nAllowTo * user alcie\n' || true
	grep -q 'there is no user "alcie"; did you mean "alice"?$' "$DIR/err"
	checked 'BasicAuth alice pw\nUserGroup build alice bob\nAllowTo * user @biuld @x\n' || true
	grep -Eq ':[0-9]+: UserGroup: there is no user "bob"; add a BasicAuth' "$DIR/err"
	grep -Eq ':[0-9]+: AllowTo: there is no group "@biuld"; did you mean "@build"[?]$' "$DIR/err"
	grep -Eq ':[0-9]+: AllowTo: there is no group "@x"; add a UserGroup x' "$DIR/err"
}

# says LINE TEXT: the line is an error whose message has the text.
says() {
	refuses "${1%% *}" "$1\n"
	grep -qF -e "$2" "$DIR/err" || {
		cat "$DIR/err"
		return 1
	}
}

@test "conf: a directive that is given wrong is not called missing as well" {
	local d

	for d in ConnectPort Filter ReversePath; do
		printf 'User nobody\nPort 8888\n\n%s x\n' "$d" >"$CONF"
		[ "$d" = ConnectPort ] || echo "ConnectPort 443" >>"$CONF"
		[ "$d" != Filter ] || echo "FilterDefaultDeny yes" >>"$CONF"
		[ "$d" != ReversePath ] || echo "ReverseOnly yes" >>"$CONF"
		run -70 --separate-stderr "$ADIT" -t -c "$CONF"
		grep -q "^$CONF:4: $d: " <<<"$stderr"
		[ "$(wc -l <<<"$stderr")" = 1 ]
	done
	refuses BasicAuth 'BasicAuth alice\nAllowTo * user alice\n'
	refuses Port 'Port\n'
	printf 'Port x\n' >"$CONF"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	[ "$(wc -l <<<"$stderr")" = 1 ]
}

# doubts TEXT PATTERN...: the text is accepted with just these warnings.
doubts() {
	local pattern

	checked "$1"
	for pattern in "${@:2}"; do
		grep -qE "^$CONF:$pattern" "$DIR/err" || {
			echo "no warning $pattern: $1"
			cat "$DIR/err"
			return 1
		}
	done
	[ "$(wc -l <"$DIR/err")" = $(($# - 1)) ] || {
		cat "$DIR/err"
		return 1
	}
}

@test "conf: a rule that an earlier one hides gives a warning that names both lines" {
	doubts 'Allow 0.0.0.0/0\nDeny 10.0.0.66\n' \
	    '5: warning: Deny: no effect, since Allow in line 4 '
	doubts 'Allow 10.0.0.0/8\nAllow 10.0.0.66\n' \
	    '5: warning: Allow: no effect, since line 4 .* already'
	doubts 'Allow ::/0\nDeny bad.example\n' '5: warning: Deny: no effect'
	doubts 'AllowTo *\nDenyTo private\n' \
	    '5: warning: DenyTo: no effect, since AllowTo in line 4 '
	doubts 'AllowTo *:443\nDenyTo private\n' \
	    '5: warning: DenyTo: no effect, since AllowTo in line 4 '
	doubts 'DenyTo private\nAllowTo 10.1.2.3:443\nAllowTo *\n' \
	    '5: warning: AllowTo: no effect, since DenyTo in line 4 '
	doubts 'AllowTo .a.example\nDenyTo bad.a.example:80\n' \
	    '5: warning: DenyTo: no effect'
	doubts 'BasicAuth alice pw\nBasicAuth bob pw\nUserGroup ci alice bob\nDenyTo * user @ci\nAllowTo a.example user bob\n' \
	    '8: warning: AllowTo: no effect, since DenyTo in line 7 '
	doubts 'NoAuth 10.0.0.0/8\n' '4: warning: NoAuth: no effect, since no client'
	doubts "$(printf 'Deny 10.1.0.%d\\n' 0 0 0 0 0 0 0 0 0 0 0 0 0)" \
	    {5..14}': warning: Deny: no effect' ' warning: 2 more lines '
}

@test "conf: a rule that still has an effect gives no warning" {
	takes 'Deny 10.0.0.66\nAllow 10.0.0.0/8\n'
	takes 'Allow ::/0\nAllow 0.0.0.0/0\n'
	takes 'DenyTo private\nAllowTo *:443\n'
	takes 'AllowTo 10.1.2.3\nDenyTo private\nAllowTo *\n'
	takes 'AllowTo *:443\nDenyTo private\nAllowTo *\n'
	takes 'AllowTo *:443\nDenyTo *\n'
	takes 'AllowTo a.example\nDenyTo *\n'
	takes 'DenyTo *:25\nAllowTo a.example\n'
	takes 'BasicAuth alice pw\nAllowTo * user alice\nDenyTo private\nAllowTo *\n'
}

@test "conf: a DenyTo for addresses gives a warning where a parent looks up the names" {
	local parent='Upstream http p.example:3128'

	doubts "DenyTo private\n$parent\n" \
	    '4: warning: DenyTo: no effect on names .* line 5'
	doubts "DenyTo 10.0.0.0/8\nAllowTo *\n$parent \"a.example\"\n" \
	    '4: warning: DenyTo: no effect on names .* line 6'
	takes "DenyTo private\nUpstream none \"a.example\"\n"
	takes "DenyTo private\n$parent \"10.0.0.0/8\"\n"
	takes "DenyTo private\nAllowTo 8.8.8.0/24\n$parent\n"
	takes "DenyTo a.example\n$parent\n"
}

@test "conf: what probably has another meaning than it seems to have gives a warning" {
	local word

	warns warning BasicAuth 'BasicAuth alice "wonderland"\n'
	grep -q 'the quotes are a part of the password' "$DIR/err"
	fails grep -q wonderland "$DIR/err"
	warns warning BasicAuth "BasicAuth 'alice' pw\n"
	warns warning Upstream 'Upstream http joe:"pw"@p.example:1\n'
	for word in all ANY none everyone private; do
		warns warning Allow "Allow $word\n"
		warns warning Deny "Deny $word\n"
	done
	for word in all any none privat; do
		warns warning AllowTo "AllowTo $word\n"
	done
	warns warning Upstream 'Upstream http p.example:1 "all"\n'
	takes 'Allow all.example\nAllowTo any.example\nAllowTo private\n'
	warns warning AllowTo 'AllowTo 2001:db8::5:443\n'
	warns warning DenyTo 'DenyTo fe80::1:22 client ::1\n'
	takes 'AllowTo [2001:db8::5:443]\nAllowTo [2001:db8::5]:443\n'
	takes 'AllowTo 2001:db8::443\nAllowTo 2001:db8:0:1:2:3:4:443\n'
	takes 'AllowTo 2001:db8::a:1\nAllowTo ::ffff:10.0.0.1\n'
}

@test "conf: bits after the prefix of a block give a warning, in every directive alike" {
	local line

	for line in 'Allow 10.1.2.3/16' 'Deny 10.1.2.3/16' 'AllowTo 10.1.2.3/16' \
	    'DenyTo 10.1.2.3/16:443' 'AllowTo x client 10.1.2.3/16' \
	    'Upstream none "10.1.2.3/16"'; do
		warns warning "${line%% *}" "$line\n"
		grep -qF '10.1.2.3/16 has bits set beyond the prefix and is taken as 10.1.0.0/16;' \
		    "$DIR/err"
	done
	warns warning AllowTo 'AllowTo [2001:db8::1/32]:443\n'
	grep -qF 'taken as 2001:db8::/32;' "$DIR/err"
	timeout 20 "$ADIT" -T -c "$CONF" 2>/dev/null |
		grep -qxF 'AllowTo [2001:db8::/32]:443'
}

@test "conf: a value that a later line replaces gives a warning" {
	doubts 'Port 8889\nTimeout 5\nTimeout 6\n' \
	    '4: warning: Port: this line replaces line 1;' \
	    '6: warning: Timeout: this line replaces line 5;'
	takes 'ConnectPort 80\nListen 127.0.0.1\nListen 127.0.0.2\n'
}

@test "conf: a user who is there twice gives a warning, since both passwords are right" {
	need_crypt
	local hash='$2b$05$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqGC'

	doubts 'BasicAuth alice a\nBasicAuth bob b\nBasicAuth alice c\n' \
	    '6: warning: BasicAuth: user "alice" is in line 4 already'
	printf '# users\nalice:%s\n' "$hash" >"$DIR/users"
	doubts "BasicAuth alice a\nAuthFile \"$DIR/users\"\n" \
	    "4: warning: BasicAuth: user \"alice\" is in line 2 of $DIR/users"
	printf '"bob":%s\n' "$hash" >"$DIR/users"
	checked "AuthFile \"$DIR/users\"\n"
	grep -q "^$DIR/users:1: warning: the quotes are a part of the user" \
	    "$DIR/err"
}

@test "conf: all errors of a file are reported, each with its line" {
	local n status=0

	checked 'Timeout x\nUser nobody\nNonsense 1\nAllow 10.0.0.0/99\n\nListen x\n' ||
		status=$?
	[ "$status" = 70 ]
	[ "$(wc -l <"$DIR/err")" = 5 ]
	for n in 4:\ Timeout 6:\ Nonsense 7:\ Allow 9:\ Listen; do
		grep -qE "^(adit: )?$CONF:$n: ." "$DIR/err"
	done
}

@test "conf: control characters in a file do not reach the terminal" {
	local status=0

	checked 'Nons\033[31mense 5\nTimeout \033[2J\nLogFile "\033]0;x\007\n' ||
		status=$?
	[ "$status" = 70 ]
	fails grep -q "$(printf '\033')" "$DIR/err"
	fails grep -q "$(printf '\007')" "$DIR/err"
}

@test "conf: the obsolete directives of tinyproxy are accepted with a warning" {
	local d

	for d in MinSpareServers MaxSpareServers StartServers \
	    MaxRequestsPerChild; do
		warns warning $d "$d 5\n"
		warns warning $d "$d 0\n"
		refuses $d "$d x\n"
		refuses $d "$d\n"
	done
}

@test "conf: any field can be added or left out by name, except those that say where a message ends" {
	local name

	bool_directive XTinyproxy
	takes 'Anonymous "Accept"\nanonymous "x-y"\n'
	for name in 'Accept' '"Accept' '""' '"A B"' '"A:"' '"A" "B"' '"\xc3\xa4"'; do
		refuses Anonymous "Anonymous $name\n"
	done
	takes 'AddHeader "X-My-Header" "Powered by \xe2\x98\x95, (x)"\n'
	for name in '"X"' '"X" ""' '"" "x"' 'X "x"' '"X" x' '"X" "x" "y"' \
	    '"X Y" "x"' '"X:" "x"' '"X""x"'; do
		refuses AddHeader "AddHeader $name\n"
	done
	for name in Connection Content-Length Host TE Transfer-Encoding \
	    trailer Upgrade VIA Proxy-Authorization Max-Forwards; do
		refuses AddHeader "AddHeader \"$name\" \"5\"\n"
		grep -q "$name says where a message goes or ends" "$DIR/err"
	done
}

@test "conf: a mapping is a path and a URL that both end in a slash, and nothing else" {
	local url

	takes 'ReversePath "/x/" "http://h/"\nReversePath "/y" "http://h:81"\n'
	takes 'ReversePath "http://127.0.0.1:8080/"\nReversePath	"/a/b/"	"http://[::1]/c/"\n'
	for url in x '"x"' '""' '/x "http://h/"' '"/x" http://h/' '"/x" "/y"' \
	    '"/x/" "http://h/" "/y/"' '"/x/" "http://h/" y' '"/x/""http://h/"' \
	    '"/x/" ""' '"x/" "http://h/"' '"/x/../" "http://h/"' \
	    '"//x/" "http://h/"' '"/x;y/" "http://h/"' '"/x/" "https://h/"' \
	    '"/x/" "ftp://h/"' '"/x/" "http://u:p@h/"' '"/x/" "http://h/a"' \
	    '"/x/" "http://h/?q="' '"/x/" "http://h/#"' '"/x/" "http://h:0/"' \
	    '"/x/" "http://127.1/"' '"http://h/a"' '"/x/" "http://h/../"'; do
		refuses ReversePath "ReversePath $url\n"
	done
	refuses ReversePath 'ReversePath "/x/" "http://h/a"\n'
	grep -q ': the URL must end in /' "$DIR/err"
	refuses ReversePath 'ReversePath "/x/" "https://h/"\n'
	grep -q ': the URL must be http://host/' "$DIR/err"
	refuses ReversePath 'ReversePath "x/" "http://h/"\n'
	grep -q ': the path must begin with one /' "$DIR/err"
}

@test "conf: a mapping that hides an earlier one gives a warning" {
	if ! checked 'ReversePath "/a/b/" "http://h/"\nReversePath "/a" "http://i/"\n' ||
	    ! grep -qF "$CONF:5: warning: ReversePath: this line takes \"/a/b/\" of line 4 too" \
		"$DIR/err"; then
		cat "$DIR/err"
		return 1
	fi
	takes 'ReversePath "/a" "http://i/"\nReversePath "/a/b/" "http://h/"\n'
}

@test "conf: ReverseOnly without a mapping is an error: everything would be open" {
	local map='ReversePath "/x/" "http://h/"\n' d

	for d in ReverseOnly ReverseMagic; do
		takes "$map$d yes\n"
		takes "$d Off\n"
		refuses $d "$d x\n"
	done
	refuses ReverseOnly "ReverseOnly on\n"
	grep -q ': there is no ReversePath' "$DIR/err"
	takes "ReverseOnly yes\n$map"
	checked "ReverseOnly yes\nReverseOnly no\n"
}

@test "conf: ReverseBaseURL is a URL that ends in a slash" {
	local url

	for url in http://h/ https://h:8443/a/ http://h 'https://[::1]/'; do
		takes "ReverseBaseURL \"$url\"\n"
	done
	for url in h / ftp://h/ http://h/a 'https://h/?' http://u@h/ https:// \
	    'https://h /'; do
		refuses ReverseBaseURL "ReverseBaseURL \"$url\"\n"
	done
	refuses ReverseBaseURL 'ReverseBaseURL http://h/\n'
	refuses ReverseBaseURL 'ReverseBaseURL ""\n'
}

@test "conf: a page has an absolute path, and a status unless it is the default page" {
	local d bad

	echo page >"$DIR/page"
	for d in StatFile DefaultErrorFile "ErrorFile 403"; do
		takes "$d \"$DIR/page\"\n"
		warns warning "${d% *}" "$d \"$DIR/none\"\n"
		for bad in /x '"x"' '""' "'/x'" '"/x" "/y"' ''; do
			refuses "${d% *}" "$d $bad\n"
		done
	done
	for bad in 99 600 0403 x -1 '"403"' '' 4294967699; do
		refuses ErrorFile "ErrorFile $bad \"$DIR/page\"\n"
	done
	takes "ErrorFile 100 \"$DIR/page\"\nErrorFile 599 \"$DIR/page\"\n"
}

@test "conf: StatHost is a name or an address" {
	local bad

	takes 'StatHost "tinyproxy.stats"\n'
	takes 'StatHost "X.Example."\n'
	takes 'StatHost "127.0.0.1"\n'
	takes 'StatHost "::1"\n'
	for bad in word '""' '"a:80"' '"127.1"' '"a b"' '"http://a/"' '"[::1]"' \
	    '"a..b"' ''; do
		refuses StatHost "StatHost $bad\n"
	done
}

@test "conf: a malformed target rule stops the start" {
	refuses AllowTo 'AllowTo *.example.com\n'
	refuses DenyTo 'DenyTo 2001:db8::1:443-80\n'
	refuses DenyTo 'DenyTo [2001:db8::1]:0\n'
	refuses AllowTo 'AllowTo example.com:https\n'
	refuses AllowTo 'AllowTo\n'
	checked 'AllowTo *\nDenyTo private\n'
}

@test "conf: a target rule for users or clients that cannot exist stops the start" {
	takes 'BasicAuth alice pw\nAllowTo * user alice\n'
	takes 'AllowTo *:443 user alice client 10.0.0.0/8 ::1\nBasicAuth alice pw\n'
	takes 'DenyTo private client 192.0.2.0/25 2001:db8::/32\n'
	takes 'BasicAuth client pw\nDenyTo * user client client 10.0.0.1\n'
	refuses AllowTo 'AllowTo * user alice\n'
	grep -q 'there is no user "alice"' "$DIR/err"
	refuses DenyTo 'DenyTo * user alice bob\nBasicAuth bob pw\n'
	refuses DenyTo 'DenyTo * user Bob\nBasicAuth bob pw\n'
	refuses DenyTo 'BasicAuth bob pw\nAllowTo *:1 user bob\nDenyTo private user bo\n' 6
	refuses AllowTo 'AllowTo * client 10.0.0.1 user alice\nBasicAuth alice pw\n'
	refuses AllowTo 'AllowTo * client host.example\n'
	refuses AllowTo 'AllowTo * client\n'
	refuses AllowTo 'AllowTo * user\n'
	refuses AllowTo 'AllowTo a.example b.example\n'
	grep -q '"b.example": .*user NAME.*client ADDRESS' "$DIR/err"
	refuses AllowTo 'AllowTo * # comment\n'
}

@test "conf: of two values the last one counts" {
	PORT=$(free_port)
	adit_start "Port 1" "Port $PORT" "ConnectPort 443" "Timeout 5" "Timeout 6"
	client
}

@test "conf: Debian's tinyproxy.conf works unchanged, except for users and paths that this machine lacks" {
	adit_conf - <<-END
	##
	## tinyproxy.conf -- tinyproxy daemon configuration file
	##
	## This example tinyproxy.conf file contains example settings
	## with explanations in comments.

	#
	# User/Group: This allows you to set the user and group that will be
	# used for tinyproxy after the initial binding to the port has been done
	# as the root user.
	#
	User $(id -un)
	Group $(id -gn)

	Port $(free_port)
	#Listen 192.168.0.1
	#Bind 192.168.0.1
	#BindSame yes
	Timeout 600

	#ErrorFile 404 "/usr/share/tinyproxy/404.html"
	DefaultErrorFile "/usr/share/tinyproxy/default.html"
	#StatHost "tinyproxy.stats"
	StatFile "/usr/share/tinyproxy/stats.html"

	LogFile "$DIR/tinyproxy.log"
	#Syslog On
	LogLevel Info
	PidFile "$DIR/tinyproxy.pid"

	#XTinyproxy Yes
	#Upstream http some.remote.proxy:port
	MaxClients 100

	Allow 127.0.0.1
	Allow ::1
	#Allow 192.168.0.0/16

	#BasicAuth user password
	#AddHeader "X-My-Header" "Powered by Tinyproxy"
	ViaProxyName "tinyproxy"
	#DisableViaHeader Yes
	#Filter "/etc/tinyproxy/filter"
	#Anonymous "Host"
	#ConnectPort 443
	#ConnectPort 563
	#ReversePath "/google/" "http://www.google.com/"
	END
	stderr_expected ': (notice|warning): '
	peer_start srv server echo
	"$ADIT" -c "$CONF" 2>>"$STDERR" 3>&-
	ADIT_PID=$(cat "$DIR/tinyproxy.pid")
	own_pid "$ADIT_PID"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5
	wait_for grep -q 'CONNECT .* Established connection' "$DIR/tinyproxy.log"
}

@test "conf: the file that OpenWrt writes works unchanged" {
	adit_conf - <<-END
	User $(id -un)
	Group $(id -gn)
	Port $(free_port)
	Listen 127.0.0.1
	Timeout 600
	DefaultErrorFile "/usr/share/tinyproxy/default.html"
	StatFile "/usr/share/tinyproxy/stats.html"
	Syslog Off
	LogFile "$DIR/tinyproxy.log"
	LogLevel Info
	StatHost "127.0.0.1"
	XTinyproxy No
	MaxClients 100
	MinSpareServers 5
	MaxSpareServers 20
	StartServers 10
	MaxRequestsPerChild 0
	FilterURLs Off
	FilterExtended Off
	FilterCaseSensitive Off
	FilterDefaultDeny No
	Allow 127.0.0.1
	ViaProxyName "tinyproxy"
	ConnectPort 443
	ConnectPort 563
	END
	stderr_expected ': (notice|warning): '
	adit_launch
	adit_ready
	client send "CONNECT 127.0.0.2:22 HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n" refused 200
}

@test "conf: the sample configuration has no errors" {
	# The user need not exist here.
	sed 's/^User adit$/User nobody/' "$BATS_TEST_DIRNAME/../adit.conf" >"$CONF"
	run -0 --separate-stderr "$ADIT" -t -c "$CONF"
	[ -z "$stderr" ]
}

@test "conf: the sample configuration shows every directive that has an effect" {
	local top=$BATS_TEST_DIRNAME/.. d

	for d in $(conf_directives worked); do
		grep -qE "^#?[[:blank:]]*$d([[:blank:]]|\$)" "$top/adit.conf" ||
			missing+=" $d"
	done
	echo "missing:$missing"
	[ -z "$missing" ]
}

# conf_directives [worked]: prints the directives in the table, all of them or
# those that have an effect and are not deprecated.
conf_directives() {
	sed -n 's/^[[:blank:]]*{ *"\([A-Za-z]*\)", *\(take_[a-z0-9_]*\).*/\1 \2/p' \
	    "$BATS_TEST_DIRNAME/../conf/directives.c" |
		if [ -n "$1" ]; then
			grep -vE 'take_(obsolete|filter_extended)'
		else
			cat
		fi | cut -d ' ' -f 1
}

# printed FILE: writes the output of adit -T for it to $DIR/out; there must be no
# error.
printed() {
	timeout 20 "$ADIT" -T -c "$1" >"$DIR/out" 2>"$DIR/err" </dev/null &&
		! grep -Ev ': (warning|notice): ' "$DIR/err" || {
		cat "$DIR/err"
		return 1
	}
}

# unmasked: puts back the values that adit -T hides, in standard input.
unmasked() {
	sed -e '/^BasicAuth/s/[*][*][*]$/sesame/' \
	    -e '/^Upstream/s/[*][*][*]@/joe:sesame@/'
}

# all_set: prints a configuration as adit -T does, with every directive that has
# an effect, and none with its default.
all_set() {
	local user=${ADIT_TEST_USER:-nobody} chroot="Chroot \"$DIR\""

	[ "$(id -u)" = 0 ] || chroot='# Chroot is not set'
	cat <<-END
	AccessLog "$DIR/access log"
	AccessLog "$DIR/access json" json
	AccessLogInterval 30
	AccessLogStart yes
	AddHeader "X-B" "b  b"
	AddHeader "X-A" "a"
	Deny 10.0.0.0/8
	Allow ::1
	Allow .example
	Deny host.example
	Allow 2001:db8::/32
	DenyTo private user alice bob client 10.0.0.0/8 ::1
	AllowTo *:443
	AllowTo [2001:db8::/32]:80-90
	DenyTo 10.0.0.0/8:22 client 192.0.2.7
	AllowTo .example:443 user alice
	DenyTo 2001:db8::1
	AllowTo host.example
	AllowTo .tls.example:443 tls noech user bob because "c"
	AllowTo 2001:db8::7 tls
	ReportTo .report.example:443 client 192.0.2.7 because "a, b"
	Anonymous "Accept"
	Anonymous "A"
	AuthFile "$DIR/users"
	AuthFile "$DIR/more users"
	AuthHelper "/bin/sh -c 'a b'"
	BasicAuth alice ***
	BasicAuth bob ***
	BasicAuthRealm "a realm, with blanks"
	Bind 127.0.0.2
	Bind ::1
	BindSame yes
	$chroot
	ConnectPort 22
	ConnectPort 443
	ConnectPort 65535
	ConnectTimeout 31
	Contact "help@example.com"
	ControlGroup $(id -gn "$user")
	ControlMode 0600
	ControlSocket "$DIR/control"
	DecisionLog "$DIR/decision log"
	DefaultErrorFile "$DIR/page"
	DeskUser daemon
	DisableViaHeader yes
	DistrustLoopback yes
	DrainDelay 7
	DrainOnTerm yes
	DrainTimeout 0
	ErrorFile 403 "$DIR/page"
	ErrorFile 400 "$DIR/page"
	Filter "$DIR/filter"
	FilterCaseSensitive yes
	FilterDefaultDeny yes
	FilterType fnmatch
	FilterURLs yes
	FreeBind yes
	Group $(id -gn "$user")
	HalfClosedTimeout 40
	HealthPath "/healthz"
	HeaderTimeout 32
	HostsFile "$DIR/hosts"
	HostsFile "$DIR/more hosts"
	Listen ::1
	Listen 127.0.0.1
	ListenProxy 127.0.0.1 37
	ListenProxy ::2
	LogFile "$DIR/log"
	LogLevel notice
	LogTime rfc3339
	MaxClients 33
	MaxClientsPerHost 34
	MaxDraining 5
	MaxRatePerHost 35
	NAT64Prefix 2001:db8:64::/96
	NAT64Prefix 2600:64::/32
	NoAuth 10.2.0.0/16
	NoAuth ::1
	PacFile "$DIR/page"
	PeerUser yes
	PerHostNetBlockSize 24:56
	PidFile "$DIR/pid"
	Port 36
	ProxyFrom 10.0.0.0/8
	ProxyFrom 2001:db8::5
	RateLimit 1037
	ReloadTunnels judge
	ReverseBaseURL "https://h.example/a/"
	ReverseMagic yes
	ReverseOnly yes
	ReversePath "/" "http://h.example/"
	ReversePath "/a/" "http://[::1]:81/b/"
	Sandbox no
	SendProxy v1 proxy.example:3128
	SendProxy v2 [::1]:1080
	StatFile "$DIR/page"
	StatHost "stats.example"
	StatusAllow 10.0.0.0/8
	StatusAllow ::1
	StatusDetails no
	StatusListen 127.0.0.1 9001
	StatusListen ::1 9888
	Syslog yes
	Timeout 38
	Transparent yes
	TransparentPort 42
	TransparentPort 43 tls
	TunnelTimeout 39
	Upstream http ***@proxy.example:3128
	Upstream socks5 ***@[::1]:1080 ".example"
	Upstream socks4 192.0.2.1:0 "10.0.0.0/8"
	Upstream none "."
	Upstream none "2001:db8::/32"
	User $user
	UserGroup ci alice carol
	UserGroup ops carol
	ViaProxyName "via"
	Workers 40
	XTinyproxy yes
	END
}

@test "conf: the output of -T can be read again, for every directive" {
	need_crypt
	local d

	echo page >"$DIR/page"
	touch "$DIR/filter" "$DIR/more hosts"
	echo '192.0.2.7 pinned.example' >"$DIR/hosts"
	printf 'carol:%s\n' '$2b$05$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqGC' \
	    >"$DIR/users"
	printf 'dave:%s\n' '$2b$05$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqGC' \
	    >"$DIR/more users"
	all_set >"$DIR/all"
	for d in $(conf_directives worked); do
		[[ $d =~ ^(Chroot|Include)$ ]] || grep -q "^$d " "$DIR/all" || missing+=" $d"
	done
	echo "missing:$missing"
	[ -z "$missing" ]
	unmasked <"$DIR/all" >"$CONF"
	printed "$CONF"
	diff "$DIR/all" "$DIR/out"
}

@test "conf: -T prints defaults, and a directive without a value as a comment" {
	local d value n=0

	base >"$CONF"
	printed "$CONF"
	while read -r d value; do
		grep -qxF "$d $value" "$DIR/out"
		n=$((n + 1))
	done < <(tr '\n' ' ' <"$BATS_TEST_DIRNAME/../conf/directives.c" |
		sed 's/{ "/\n&/g; s/\\"/"/g' |
		sed -n 's/^{ "\([A-Za-z]*\)", *take_.* \.value = "\(.*\)"[, ].*/\1 \2/p')
	[ "$n" -gt 15 ]
	grep -qxF 'BasicAuthRealm "adit"' "$DIR/out"
	grep -qxF 'Timeout 600' "$DIR/out"
	for d in Allow Deny AllowTo DenyTo LogFile Listen Upstream MaxClients; do
		grep -qxF "# $d is not set" "$DIR/out"
	done
	cp "$DIR/out" "$CONF"
	printed "$CONF"
	cmp "$CONF" "$DIR/out"
}

@test "conf: -T prints the same for every spelling of a file" {
	{
		base
		cat <<-END
		BASICAUTH client sesame
		allow 10.0.0.0/8
		Allow HOST.example.
		Deny ::ffff:10.0.0.1
		AllowTo PRIVATE:443
		AllowTo private.
		DenyTo Host.Example.:1-2 user client client ::
		AllowTo [10.0.0.0/8]:5
		ConnectPort 0
		ReversePath "http://h"
		ReversePath "/x" "http://h/y/"
		Upstream SOCKS5 a:b:c@Proxy.example:1080 "10.0.0.0/255.0.0.0"
		StatHost "Stats.Example."
		Workers AUTO
		FilterType ERE
		Timeout 5
		Timeout 6
		END
	} >"$CONF"
	printed "$CONF"
	cat >"$DIR/expected" <<-END
	Allow 10.0.0.0/8
	Allow HOST.example
	Deny 10.0.0.1
	AllowTo private:443
	AllowTo private.
	DenyTo host.example:1-2 user client client ::
	AllowTo 10.0.0.0/8:5
	ReversePath "/" "http://h/"
	ReversePath "/x/" "http://h/y/"
	StatHost "stats.example"
	Timeout 6
	Upstream socks5 ***@proxy.example:1080 "10.0.0.0/8"
	Workers auto
	END
	grep -E '^(Allow|Deny|Reverse(Path|Base)|StatHost|Timeout|Upstream|Workers)' \
	    "$DIR/out" | diff "$DIR/expected" -
	cp "$DIR/out" "$DIR/first"
	unmasked <"$DIR/first" >"$CONF"
	printed "$CONF"
	diff "$DIR/first" "$DIR/out"
}

@test "conf: -T prints no password, and its replacement is not accepted as one" {
	local name

	{
		base
		echo 'BasicAuth alice sesame'
		echo 'Upstream http joe:sesame@proxy.example:3128'
	} >"$CONF"
	printed "$CONF"
	fails grep -q sesame "$DIR/out"
	grep -qxF 'BasicAuth alice ***' "$DIR/out"
	grep -qxF 'Upstream http ***@proxy.example:3128' "$DIR/out"
	cp "$DIR/out" "$CONF"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	for name in BasicAuth Upstream; do
		[ "$(grep -c ": $name: " <<<"$stderr")" = 1 ]
	done
	refuses BasicAuth 'BasicAuth alice ***\n'
	grep -q 'write the password itself' "$DIR/err"
}

@test "conf: every directive is in its man page" {
	local page=$BATS_TEST_DIRNAME/../man/adit.conf.5 d

	[ "$(conf_directives | wc -l)" -gt 40 ]
	for d in $(conf_directives); do
		grep -qE "^\.(It|Ic|Cm|It Ic|It Cm|Sx|Xo).*\b$d\b" "$page" ||
			missing+=" $d"
	done
	echo "missing:$missing"
	[ -z "$missing" ]
}

@test "conf: every option and every exit status is in its man page" {
	local page=$BATS_TEST_DIRNAME/../man/adit.8 option status

	for option in c d h T t v; do
		grep -qE "^\.It Fl $option\b" "$page"
	done
	for status in 0 1 64 67 70 71 77; do
		grep -qE "\b$status\b" "$page"
	done
}

@test "conf: the example configurations of the man page have no errors" {
	local file n

	# Each example is what stands between .Bd and .Ed and has a Port.
	awk -v dir="$DIR" '/^\.Sh/ { in_examples = $2 == "EXAMPLES" }
		/^\.Ed/ { n = 0 }
		n { print > (dir "/example." n) }
		in_examples && /^\.Bd/ { n = ++count }' \
	    "$BATS_TEST_DIRNAME/../man/adit.conf.5"
	n=0
	for file in "$DIR"/example.[0-9]; do
		sed -i.bak 's/\\-/-/g' "$file"
		sed -i.user "s/^User adit\$/User nobody/" "$file"
		checks "$file" "$DIR/out" "$DIR/err"
		[ ! -s "$DIR/err" ]
		n=$((n + 1))
	done
	[ "$n" -ge 2 ]
}
