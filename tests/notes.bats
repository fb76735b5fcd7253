#!/usr/bin/env bats
# The notes of adit -t for users of tinyproxy: which lines of their
# configuration have another effect here, and which lines they may want to add.

load helper
load packages

bats_require_minimum_version 1.5.0

setup_file() {
	packages_fetch tinyproxy tinyproxy-bin
}

# The path shows that such a file is not one of adit.
setup() {
	common_setup
	CONF=$DIR/tinyproxy.conf
	NOTES=$DIR/notes
	USER=${ADIT_TEST_USER:-nobody}
	[ "$(id -u)" = 0 ] || USER=$(id -un)
	echo '<p>{errno}' >"$DIR/page"
	: >"$DIR/filter"
	chmod 644 "$DIR/page" "$DIR/filter"
}

# told [PROGRAM]: writes the output of -t for $CONF, which must have no error,
# to $NOTES, and its warnings to $DIR/err.
told() {
	checks "$CONF" "$NOTES" "$DIR/err" "$@"
	tail -n 1 "$NOTES" | grep -q ': the configuration is right$'
}

# tells LINE...: the same for these lines and a port.
tells() {
	printf '%s\n' 'Port 8888' "$@" >"$CONF"
	told
}

# note WHERE REGEX: whether a note on this line of the file (a number, or "" for
# the whole file) matches.
note() {
	grep -qE "^$CONF:${1:+$1:} note: ($2)" "$NOTES" || {
		echo "no note on ${1:-the file}: $2"
		cat "$NOTES"
		return 1
	}
}

# about: prints the directives that have notes, each once; those on the whole
# file come last.
about() {
	sed -nE 's/^[^ ]*: note: ([A-Za-z]+):.*/\1/p' "$NOTES" | uniq |
		tr '\n' ' ' | sed 's/ $//'
}

@test "notes: Debian's configuration gets a short list, with the right lines" {
	local line directive

	need_packages tinyproxy
	package_file tinyproxy /etc/tinyproxy/tinyproxy.conf |
		sed -e "s/^User .*/User $USER/" -e "s/^Group .*/Group $(id -gn "$USER")/" \
		    >"$CONF"
	told
	[ "$(about)" = "Timeout LogFile MaxClients ViaProxyName AccessLog" ]
	note '' 'tinyproxy takes a request without a URL'
	[ "$(grep -c ' note: ' "$NOTES")" = 6 ]
	grep -q 'warning: ConnectPort: none given' "$DIR/err"
	for directive in Timeout LogFile MaxClients ViaProxyName; do
		line=$(grep -nE "^$directive " "$CONF")
		note "${line%%:*}" "$directive: tinyproxy .*; adit "
	done
}

@test "notes: a configuration that OpenWrt's script writes gets a short list too" {
	openwrt_conf "$USER" "$(id -gn "$USER")" "Upstream http 192.0.2.9:3128" \
	    "Allow 192.168.1.0/24" >"$CONF"
	told
	[ "$(about)" = "Timeout LogFile MaxClients StatHost Upstream ViaProxyName AccessLog AllowTo DenyTo" ]
	note 4 Timeout
	note 18 StatHost
	note 19 Upstream
	[ "$(grep -c 'warning: .*: obsolete' "$DIR/err")" = 4 ]
}

@test "notes: configurations written for adit get none" {
	local file

	for file in "$BATS_TEST_DIRNAME/../adit.conf" \
	    "$BATS_TEST_DIRNAME"/recipes/*.conf; do
		recipe_print "$file" >"$DIR/adit.conf"
		checks "$DIR/adit.conf" "$NOTES" "$DIR/err"
		[ "$(cat "$NOTES")" = "adit: $DIR/adit.conf: the configuration is right" ]
		fails grep -v ': warning: \|: notice: ReportTo: ' "$DIR/err"
	done
}

@test "notes: the path of the file or the name of the program asks for them" {
	local there=${ADIT%/*}/tinyproxy

	tells "User $USER" "Timeout 600"
	note 3 Timeout
	mkdir tinyproxy
	mv "$CONF" tinyproxy/office.conf
	CONF=$DIR/tinyproxy/office.conf
	told
	note 3 Timeout
	# A relative path is completed.
	(cd tinyproxy && "$ADIT" -t -c office.conf) >"$NOTES" 2>"$DIR/err"
	note 3 Timeout
	mv "$CONF" "$DIR/office.conf"
	CONF=$DIR/office.conf
	told
	fails grep ' note: ' "$NOTES"
	[ -x "$there" ] || skip "needs tinyproxy beside ${ADIT##*/}"
	told "$there"
	note 3 Timeout
}

@test "notes: a configuration with errors gets only the errors" {
	printf '%s\n' "Port 8888" "User $USER" "Timeout 010" "MaxClients 5" >"$CONF"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	[ -z "$output" ]
	[ "$(grep -c "$CONF:3: Timeout: \"010\" has leading zeros; write 10$" <<<"$stderr")" = 1 ]
}

@test "notes: an explained request gets none" {
	printf '%s\n' "Port 8888" "User $USER" "Timeout 600" >"$CONF"
	"$ADIT" -t -c "$CONF" 192.0.2.1 - 192.0.2.9:443 >"$NOTES" 2>"$DIR/err"
	grep -q '^answer: 200' "$NOTES"
	fails grep ' note: ' "$NOTES"
}

@test "notes: a start and a reload print none" {
	adit_start "Timeout 600" "MaxClients 50" "StatHost \"x.example\""
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	adit_stop
	fails grep -E '\bnote:|tinyproxy (waits|has|also)' "$LOG" "$STDERR"
}

@test "notes: they contain no password" {
	tells "User $USER" "BasicAuth alice wonderland" "BasicAuth bob builder" \
	    "Upstream http joe:sesame@192.0.2.9:3128" \
	    "Upstream http joe:sesame@192.0.2.8:3128"
	note 3 BasicAuth
	fails grep -E 'wonderland|builder|sesame' "$NOTES" "$DIR/err"
}

# Each note: a line and what else the file needs, "=>", and its text; or "=>
# not" for a line without a note.
cases() {
	cat <<-END
	AddHeader "A" "b" & Upstream http 192.0.2.9:1 => AddHeader: .*CONNECT
	AddHeader "A" "b" & Upstream socks5 192.0.2.9:1 => not
	Allow example.com => Allow: .*evilexample.com
	Allow .example.com => Allow: .*; adit only one that leads back
	Allow 192.0.2.0/24 => not
	Anonymous "A" => Anonymous: .*Upgrade
	BasicAuth a b => BasicAuth: .*AuthFile
	Deny example.com => Deny: .*refuses a client that cannot be
	Deny .example.com => Deny: .*refuses a client that cannot be
	Deny 192.0.2.1 => not
	ErrorFile 500 "$DIR/page" => ErrorFile: .*502 or 504
	ErrorFile 500 "$DIR/page" & ErrorFile 502 "$DIR/page" & ErrorFile 504 "$DIR/page" => not
	ErrorFile 401 "$DIR/page" => ErrorFile: adit answers 407
	ErrorFile 405 "$DIR/page" => ErrorFile: adit never
	ErrorFile 404 "$DIR/page" & Upstream http 192.0.2.9:1 => not
	ErrorFile 403 "$DIR/page" => not
	Filter "$DIR/filter" => Filter: .*last dot
	FilterType fnmatch & Filter "$DIR/filter" => FilterType: .*case
	FilterType fnmatch & Filter "$DIR/filter" & FilterURLs yes & FilterCaseSensitive yes => not
	FilterType ere & Filter "$DIR/filter" => not
	FilterURLs on & Filter "$DIR/filter" => FilterURLs: .*form
	FilterURLs off & Filter "$DIR/filter" => not
	FilterURLs on => not
	LogFile "$DIR/log" => LogFile: .*syslog
	LogFile "$DIR/log" & Syslog on => not
	MaxClients 100 => MaxClients: .*thread
	MaxClients 5000 => not
	ReversePath "/a/" "http://192.0.2.9/" => ReversePath: .*Host
	ReversePath "/a/" "http://192.0.2.9/" & ReverseOnly yes => not
	StatHost "stats.example" => StatHost: .*Host
	Syslog yes => Syslog: .*name
	Syslog no => not
	Timeout 600 => Timeout: .*HeaderTimeout
	Timeout 600 & ConnectTimeout 30 => not
	Upstream HTTP 192.0.2.9:1 => Upstream: .*upper case
	Upstream none "." => Upstream: .*without a dot
	Upstream socks5 192.0.2.9:1 & Upstream socks5 192.0.2.8:1 => Upstream: .*others
	Upstream socks5 192.0.2.9:1 "a" & Upstream socks5 192.0.2.8:1 "a" => Upstream: .*others
	Upstream socks5 192.0.2.9:1 "a" & Upstream socks5 192.0.2.8:1 "b" => not
	Upstream socks5 192.0.2.9:1 & Upstream socks5 192.0.2.8:1 "b" => not
	Upstream http 192.0.2.9:1 => Upstream: .*user:password@
	Upstream http a:b@192.0.2.9:1 => not
	Upstream http 192.0.2.9:1 & BasicAuth a b => not
	ViaProxyName "x" => ViaProxyName: .*NUMBER
	ViaProxyName "x" & DisableViaHeader yes => not
	XTinyproxy yes & Upstream http 192.0.2.9:1 => XTinyproxy: .*CONNECT
	XTinyproxy no & Upstream http 192.0.2.9:1 => not
	XTinyproxy yes => not
	ConnectPort 443 => not
	Listen 127.0.0.1 => not
	LogLevel info => not
	DisableViaHeader yes => not
	END
}

@test "notes: each one comes for its lines, and for no others" {
	local case lines wanted line

	while read -r case; do
		lines=${case%% => *}
		wanted=${case##* => }
		# The lines come after Port and User.
		tells "User $USER" "${lines// & /$'\n'}"
		if [ "$wanted" = not ]; then
			fails grep -E "^$CONF:3: note: " "$NOTES"
		else
			note 3 "$wanted"
		fi || {
			echo "of: $lines"
			return 1
		}
		sed -n "s/^$(sed 's,/,\\/,g' <<<"$CONF"):3: note: //p" "$NOTES" >>"$DIR/seen"
	done < <(cases)
	tells "User $USER"
	note 2 'User: .*without Group'
	sed -n 's/^.*:2: note: //p' "$NOTES" >>"$DIR/seen"
	tells "User $USER" "Group $(id -gn "$USER")"
	fails grep -E "note: User" "$NOTES"
	# All notes were tried.
	[ "$(sort -u "$DIR/seen" | wc -l)" = "$(sed -n '/line_hints\[\]/,/^};/p' \
	    "$BATS_TEST_DIRNAME/../cli/hints.c" | grep -cE '^	\{ "')" ]
}

@test "notes: the same note for further lines is short, with the line number" {
	tells "User $USER" "Allow one.example" "Allow 192.0.2.1" "Allow two.example" \
	    "Allow three.example" "BasicAuth a b" "BasicAuth c d"
	note 3 'Allow: tinyproxy'
	note 5 'Allow: as in line 3$'
	note 6 'Allow: as in line 3$'
	note 7 BasicAuth
	[ "$(grep -c 'note: BasicAuth: ' "$NOTES")" = 1 ]
}

@test "notes: a missing directive is named once, and only if it matters" {
	tells "User $USER"
	[ "$(about)" = "User AccessLog Allow AllowTo DenyTo MaxClients" ]
	note '' 'tinyproxy takes a request without a URL'
	tells "User $USER" "Group $(id -gn "$USER")" "AccessLog \"$DIR/access\"" \
	    "MaxClients 5000" "Allow 127.0.0.0/8" "Allow ::1"
	[ "$(about)" = "" ]
	# No other user gets here.
	tells "User $USER" "Listen 127.0.0.1" "Listen ::1"
	[ "$(about)" = "User AccessLog MaxClients" ]
	tells "User $USER" "Listen 127.0.0.1" "Listen 192.0.2.1"
	[ "$(about)" = "User AccessLog Allow AllowTo DenyTo MaxClients" ]
	tells "User $USER" "Allow 127.0.0.1" "Allow 192.0.2.0/24"
	[ "$(about)" = "User AccessLog AllowTo DenyTo MaxClients" ]
	tells "User $USER" "Allow 127.0.0.0/7" "DenyTo private"
	[ "$(about)" = "User AccessLog AllowTo MaxClients" ]
	tells "User $USER" "Allow 192.0.2.0/24" "AllowTo *"
	[ "$(about)" = "User AccessLog MaxClients" ]
	tells "User $USER" "Deny 192.0.2.0/24"
	[ "$(about)" = "User AccessLog MaxClients" ]
	tells "User $USER" "BasicAuth a b"
	[ "$(about)" = "User BasicAuth AccessLog AllowTo BasicAuthRealm DenyTo MaxClients" ]
	tells "User $USER" "BasicAuth a b" 'BasicAuthRealm "Tinyproxy"'
	fails grep BasicAuthRealm "$NOTES"
}

@test "notes: without User an ordinary user learns that root could not start it" {
	need_user
	tells
	note '' 'User: none given'
}
