#!/usr/bin/env bats
# A configuration in several files: Include, and lists of names and addresses.

load helper
load control

bats_require_minimum_version 1.5.0

# conf LINE...: writes only these lines, after User, which is line 1, and Port
# 8888.
conf() {
	printf '%s\n' "User ${ADIT_TEST_USER:-nobody}" "Port 8888" \
	    "ConnectPort 443" "$@" >"$CONF"
}

# t STATUS OPERAND...: runs adit -t with the configuration, and leaves what it
# prints in $DIR/said and $DIR/err.
t() {
	local expected=$1 status=0

	"$ADIT" -t -c "$CONF" "${@:2}" >"$DIR/said" 2>"$DIR/err" </dev/null ||
		status=$?
	[ "$status" = "$expected" ] || {
		echo "status $status, not $expected: $*"
		cat "$DIR/said" "$DIR/err"
		return 1
	}
}

# says FILE LINE...: the file in $DIR is just these lines.
says() {
	local file=$DIR/$1

	shift
	diff <(printf '%s\n' "$@") "$file"
}

# has FILE LINE...: each is a line of the file in $DIR.
has() {
	local line

	for line in "${@:2}"; do
		has_line "$DIR/$1" "$line" || {
			echo "missing: $line"
			cat "$DIR/$1"
			return 1
		}
	done
}

# reloaded N, for wait_for.
reloaded() {
	[ "$(log_count 'Reloading config file finished')" -ge "$1" ]
}

# counted PORT TEXT: whether the JSON of the status has it now; for wait_for.
counted() {
	"$PEER" client 127.0.0.1 "$1" \
	    send "GET /status.json HTTP/1.1\r\n\r\n" print >"$DIR/json"
	grep -qF -e "$2" "$DIR/json"
}

# errs DIRECTIVE-AND-TEXT...: the configuration is refused with just these
# messages, and status 70.
errs() {
	t 70
	says err "$@"
}

@test "include: files are read in the order of their names, in the place of the line, and each is named with its own lines" {
	mkdir "$DIR/conf.d" "$DIR/a[b]c" "$DIR/a[b]c/d"
	printf 'AllowTo b.example\n' >"$DIR/conf.d/B.conf"
	printf '\357\273\277# first\r\nDenyTo b.example\r\n' \
	    >"$DIR/conf.d/10.conf"
	printf 'AllowTo 9.example' >"$DIR/conf.d/9.conf"
	printf 'Bogus\n' | tee "$DIR/conf.d/.x.conf" >"$DIR/conf.d/x.conf~"
	printf 'Include "d/?.conf"\nInclude "e.conf"\nInclude "none*"\n' \
	    >"$DIR/a[b]c/a.conf"
	printf 'AllowTo d.example\n' >"$DIR/a[b]c/d/d.conf"
	printf 'Allow 10.0.0.0/8\n' >"$DIR/a[b]c/e.conf"
	conf 'Include "conf.d/*.conf"' 'AllowTo main.example' \
	    "Include \"$DIR/a[b]c/a.conf\"" "INCLUDE \"$DIR/none/*\"" \
	    'Deny 10.0.0.1'
	# A [ in the name of a file is no pattern if the file is there.
	t 0
	has err "$CONF:8: warning: Deny: no effect, since Allow in line 1 of $DIR/a[b]c/e.conf comes first and matches all these clients; put this line before it" \
	    "$DIR/conf.d/B.conf:1: warning: AllowTo: no effect, since DenyTo in line 2 of $DIR/conf.d/10.conf comes first and matches all these targets; put this line before it"
	t 1 10.0.0.7 - b.example:443
	has said "client 10.0.0.7: allowed by line 1 of $DIR/a[b]c/e.conf: Allow 10.0.0.0/8" \
	    "port 443: allowed by line 3: ConnectPort 443" \
	    "target b.example:443: refused by line 2 of $DIR/conf.d/10.conf: DenyTo b.example"
	t 1 10.0.0.7 - ma1n.example:443
	has said "hint: line 5 is for a name that is spelt differently: AllowTo main.example"
	t 1 10.0.0.7 - dd.example:443
	has said "hint: line 1 of $DIR/a[b]c/d/d.conf is for a name that is spelt differently: AllowTo d.example"
	"$ADIT" -T -c "$CONF" >"$DIR/said" 2>"$DIR/err"
	grep -A 11 '^AllowTo\|^DenyTo' "$DIR/said" | sed '/^AllowTo main/q' \
	    >"$DIR/rules"
	says rules "DenyTo b.example" "# $DIR/conf.d/9.conf:1" \
	    "AllowTo 9.example" "# $DIR/conf.d/B.conf:1" "AllowTo b.example" \
	    "AllowTo main.example"
	# What -T prints is one file that means the same.
	"$ADIT" -T -c "$DIR/said" 2>/dev/null | sed '/^# /d' >"$DIR/again"
	sed '/^# /d' "$DIR/said" | diff - "$DIR/again"
}

@test "include: what is wrong with a file or in it is said with the line of that file" {
	mkdir "$DIR/d" "$DIR/x.conf"
	mkfifo "$DIR/fifo"
	printf '\nNonsense 1\nAllowTo a:b\n' >"$DIR/bad"
	printf '\377\376P\0' >"$DIR/utf16"
	conf "Include \"$DIR/none\"" 'Include "x.conf"' 'Include "fifo"' \
	    "Include $DIR/bad" 'Include "bad"' 'Include' 'Include "bad" "bad"' \
	    'Include "utf16"' 'Nonsense'
	errs "$CONF:4: Include: $DIR/none: No such file or directory" \
	    "$CONF:5: Include: $DIR/x.conf: not a regular file" \
	    "$CONF:6: Include: $DIR/fifo: not a regular file" \
	    "$CONF:7: Include: the value must be a path or a pattern in double quotes: \"/...\"" \
	    "$DIR/bad:2: Nonsense: unknown directive; adit.conf(5) lists all of them" \
	    "$DIR/bad:3: AllowTo: \"a:b\": ports must be one number, as in example.com:443, or two, as in example.com:1024-65535, each from 1 to 65535; an IPv6 address with ports needs brackets, as in [2001:db8::1]:443; write a port as a number, such as 443 for https" \
	    "$CONF:9: Include: the value is missing" \
	    "$CONF:10: Include: the value must be a path or a pattern in double quotes: \"/...\"" \
	    "$DIR/utf16:1: the file is in UTF-16; save it as UTF-8" \
	    "$CONF:12: Nonsense: unknown directive; adit.conf(5) lists all of them"
	if [ "$(id -u)" != 0 ]; then
		chmod 0 "$DIR/d"
		conf 'Include "d/*"'
		errs "$CONF:4: Include: Permission denied"
		chmod 700 "$DIR/d"
	fi
}

@test "include: a file that includes itself, or the next one without end, is refused at once" {
	local i

	mkdir "$DIR/d"
	conf 'Include "d/1"'
	printf 'Include "2"\n' >"$DIR/d/1"
	ln -s 1 "$DIR/d/3"
	printf '\nInclude "3"\n' >"$DIR/d/2"
	errs "$DIR/d/2:2: Include: $DIR/d/3: the file includes itself"
	# A pattern that matches the file itself, in each of many files.
	for ((i = 10; i < 50; i++)); do
		printf 'Include "*.conf"\n' >"$DIR/d/$i.conf"
	done
	conf 'Include "d/*.conf"'
	errs "$DIR/d/10.conf:1: Include: $DIR/d/10.conf: the file includes itself"
	rm "$DIR"/d/*
	for ((i = 1; i <= 17; i++)); do
		printf 'Include "%d"\n' "$((i + 1))" >"$DIR/d/$i"
	done
	conf 'Include "d/1"'
	errs "$DIR/d/16:1: Include: files may include each other at most 16 deep"
	: >"$DIR/d/16"
	t 0
}

@test "include: a running adit names the inner file in its logs and pages, and reads all files again at a reload" {
	local status_port

	peer_start srv server echo
	mkdir "$DIR/conf.d"
	port_take
	status_port=$FREE_PORT
	printf '%s\n' "" "StatusListen 127.0.0.1 $status_port" \
	    "AccessLog \"$DIR/access\" json" "ControlSocket \"$DIR/control\"" \
	    "DenyTo 127.0.0.2" >"$DIR/conf.d/1.conf"
	printf '%s\n' "DenyTo 127.0.0.9" "Deny 127.0.0.3" >"$DIR/conf.d/2.conf"
	adit_start 'Include "conf.d/*.conf"' "Allow 127.0.0.0/8"
	client send "CONNECT 127.0.0.2:9 HTTP/1.1\r\n\r\n" refused 403
	"$PEER" client -b 127.0.0.3 127.0.0.1 "$PORT" refused 403
	log_wait "Refused address of 127.0.0.2:9: line 5 of $DIR/conf.d/1.conf "
	log_wait "Refused client 127.0.0.3: line 2 of $DIR/conf.d/2.conf "
	wait_for access_lines 2
	grep -qF "\"rule\":\"$DIR/conf.d/1.conf:5\"" "$DIR/access"
	grep -qF "\"rule\":\"$DIR/conf.d/2.conf:2\"" "$DIR/access"
	wait_for counted "$status_port" \
	    "\"file\":\"$DIR/conf.d/1.conf\",\"line\":5,\"count\":1}"
	# The command line finds the socket in the inner file, too.
	"$ADIT" -c "$CONF" -s status >"$DIR/said"
	echo 'DenyTo nonsense/' >"$DIR/conf.d/3.conf"
	fails "$ADIT" -c "$CONF" -s reload >"$DIR/said" 2>&1
	log_wait "^ERROR .*: $DIR/conf.d/3.conf:1: DenyTo: "
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	echo "DenyTo 127.0.0.1:$srv_PORT" >"$DIR/conf.d/3.conf"
	"$ADIT" -c "$CONF" -s reload
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	log_wait "Refused address of 127.0.0.1:$srv_PORT: line 1 of $DIR/conf.d/3.conf "
	# What a start cannot do is said with the line of the inner file.
	sed -i "s,^DenyTo.*,LogFile \"$DIR/none/log\"," "$DIR/conf.d/3.conf"
	t 71
	cat "$DIR/said" "$DIR/err" |
		grep -F "$DIR/conf.d/3.conf:1: LogFile: $DIR/none/log: "
}

# list NAME LINE...: writes a list into $DIR.
list() {
	printf '%b\n' "${@:2}" >"$DIR/$1"
}

@test "lists: a quoted path stands for targets, clients and sites, and -t names the line of the entry" {
	list reg '\357\273\277registry.example\r' '||both.example^' \
	    '*.star.example' '192.0.2.0/24'
	list ads '! title' '127.0.0.1 localhost' '0.0.0.0 ads.example' \
	    '198.51.100.7 # one'
	list office '10.0.0.0/8' '' '2001:db8::/32'
	list 'my sites' '.intra.example' '172.16.0.0/12'
	list empty
	conf "Allow \"$DIR/office\"" "DenyTo \"$DIR/ads\" below" \
	    "AllowTo \"$DIR/reg\":443 user ci client 10.0.0.0/8" \
	    "AllowTo \"$DIR/reg\":80-90" "BasicAuth ci pw" "BasicAuth bo pw" \
	    'ConnectPort 85' \
	    "Upstream none \"$DIR/my sites\" below" \
	    "Upstream http 192.0.2.9:3128"
	t 0
	[ ! -s "$DIR/err" ]
	"$ADIT" -T -c "$CONF" | grep -F "\"$DIR" >"$DIR/said"
	says said "Allow \"$DIR/office\"" "DenyTo \"$DIR/ads\" below" \
	    "AllowTo \"$DIR/reg\":443 user ci client 10.0.0.0/8" \
	    "AllowTo \"$DIR/reg\":80-90" \
	    "Upstream none \"$DIR/my sites\" below"
	t 0 10.1.1.1 ci registry.example:443
	has said "client 10.1.1.1: allowed by line 4: Allow \"$DIR/office\"" \
	    "list $DIR/office: matched by line 1: 10.0.0.0/8" \
	    "target registry.example:443: looked up by the parent, allowed by line 6: AllowTo \"$DIR/reg\":443 user ci client 10.0.0.0/8" \
	    "answer: 200, a tunnel through http 192.0.2.9:3128"
	grep -q "^list $DIR/reg: matched by line 1: .*registry.example" \
	    "$DIR/said"
	t 0 10.1.1.1 ci a.b.star.example:443
	has said "list $DIR/reg: matched by line 3: *.star.example"
	t 0 2001:db8::7 bo x.both.example:85
	has said "list $DIR/reg: matched by line 2: ||both.example^" \
	    "list $DIR/office: matched by line 3: 2001:db8::/32"
	t 1 10.1.1.1 bo registry.example:443
	has said "hint: line 6 is for other users: AllowTo \"$DIR/reg\":443 user ci client 10.0.0.0/8"
	t 1 10.1.1.1 ci x.registry.example:443
	has said "target x.registry.example:443: looked up by the parent, refused: no AllowTo matches" \
	    "hint: line 6 is for a list that matches only with below: AllowTo \"$DIR/reg\":443 user ci client 10.0.0.0/8"
	t 1 10.1.1.1 ci www.ads.example:443
	has said "list $DIR/ads: matched by line 3: 0.0.0.0 ads.example"
	t 1 10.1.1.1 ci 198.51.100.7:443
	has said "address 198.51.100.7: refused by line 5: DenyTo \"$DIR/ads\" below" \
	    "list $DIR/ads: matched by line 4: 198.51.100.7 # one"
	t 1 10.1.1.1 ci '[64:ff9b::198.51.100.7]:443'
	t 1 10.1.1.1 ci intra.example:85
	has said "upstream: no parent by line 11: Upstream none \"$DIR/my sites\" below" \
	    "list $DIR/my sites: matched by line 1: .intra.example"
	t 1 192.0.2.1 ci registry.example:443
	has said "client 192.0.2.1: refused: no Allow matches"
	# A list without entries allows nobody and nothing, and does not deny.
	conf "Allow \"$DIR/empty\"" "AllowTo \"$DIR/empty\""
	t 1 10.1.1.1 - registry.example:443
	has said "client 10.1.1.1: refused: no Allow matches"
	conf "Allow 10.0.0.0/8" "AllowTo \"$DIR/empty\""
	t 1 10.1.1.1 - registry.example:443
	has err "$DIR/empty: notice: the list is empty"
	has said "target registry.example:443: refused: no AllowTo matches"
	# No list opens the machine itself.
	list local 127.0.0.1 169.254.169.254
	conf "AllowTo \"$DIR/local\""
	t 1 10.1.1.1 - 127.0.0.1:443
	grep -q 'refused by a floor' "$DIR/said"
}

@test "lists: what is wrong with a list is said with its line, and of many errors only ten" {
	local i

	list bad a.example 'a.example b.example' 'c\000d' 10.0.0.1/8 \
	    http://e.example/ '10.0.0.2/8' '.f.example' '.a.example'
	mkdir "$DIR/dir"
	conf "AllowTo \"$DIR/none\"" "DenyTo \"$DIR/dir\"" \
	    "Allow \"$DIR/bad\"" "Upstream none \"$DIR/bad\"" \
	    "AllowTo \"$DIR/bad" "AllowTo \"bad\"" "DenyTo \"$DIR/bad\":x" \
	    "Deny \"$DIR/bad\" below" "Upstream none \"$DIR/bad\" x" \
	    "AllowTo \"$DIR/bad\" beneath"
	t 70
	sed "s,$DIR/,/,g" "$DIR/err" >"$DIR/said"
	for i in "adit.conf:4: AllowTo: /none: No such file or directory" \
	    "adit.conf:5: DenyTo: /dir: not a regular file" \
	    "adit.conf:8: AllowTo: " "adit.conf:9: AllowTo: " \
	    "adit.conf:10: DenyTo: " "adit.conf:11: Deny: " \
	    "adit.conf:12: Upstream: " "adit.conf:13: AllowTo: " \
	    "bad:1: clients in a list must be addresses or blocks" \
	    "bad:2: a line holds one name" "bad:3: the line has a control" \
	    "bad:5: a URL; write the host only" \
	    "bad:4: notice: the block has bits set beyond its prefix and is taken as 10.0.0.0/8, and so are 1 more like it"; do
		grep -qF "/$i" "$DIR/said" || {
			echo "missing: $i"
			cat "$DIR/said"
			return 1
		}
	done
	conf "DenyTo \"$DIR/dots\""
	list dots .a.example .b.example a.example '*.c.example'
	t 0
	has err "$DIR/dots: warning: 1 of the entries, such as .b.example, cover only names below that name, and not the name itself as in Squid; add the names without the dot, or write below after the path of the list"
	conf "DenyTo \"$DIR/dots\" below"
	t 0
	[ ! -s "$DIR/err" ]
	for ((i = 0; i < 30; i++)); do
		echo "$i $i"
	done >"$DIR/dots"
	t 70
	lines_are "$DIR/err" 11
	has err "$DIR/dots: 20 more lines are wrong"
	# Binary data is no list, and harms nothing.
	head -c 100000 "$ADIT" >"$DIR/dots"
	t 70
	lines_are "$DIR/err" 11
}

@test "lists: a running adit goes by its lists, a reload reads them again, and no process keeps the old ones" {
	local size worker

	need_proc
	peer_start srv server echo
	seq -f 'host%.0f.example' 100000 >"$DIR/ads"
	list allowed 127.0.0.1 127.0.0.9
	list office 127.0.0.0/8
	adit_start "Allow \"$DIR/office\"" "DenyTo \"$DIR/ads\"" \
	    "AllowTo \"$DIR/allowed\":$srv_PORT"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	client send "CONNECT host99999.example:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 403
	log_wait "Refused target host99999.example:$srv_PORT: line [0-9]* of $CONF "
	worker=$(worker_pids | head -n 1)
	size=$(grep '^VmSize' "/proc/$worker/status" | tr -dc 0-9)
	list office '127.0.0.0/8' '127.0.0.1/33'
	kill -HUP "$ADIT_PID"
	log_wait "^ERROR .*: $DIR/office:2: "
	log_wait 'Reloading config file failed!'
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	list office '127.0.0.0/8'
	list allowed 127.0.0.9
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	kill -HUP "$ADIT_PID"
	wait_for reloaded 2
	worker=$(worker_pids | head -n 1)
	[ "$(grep '^VmSize' "/proc/$worker/status" | tr -dc 0-9)" -lt \
	    $((size + 1500)) ]
}

@test "lists: a file of a million lines is read at once, and what is wrong in the last one is said" {
	local d file=$DIR/long

	yes '#' | head -n 999999 >"$file" || true
	echo 'a b c d' >>"$file"
	for d in AllowTo HostsFile Include; do
		conf "$d \"$file\""
		t 70
		grep -qE "/long:1000000: " "$DIR/err" || {
			cat "$DIR/err"
			return 1
		}
	done
	conf "DefaultErrorFile \"$file\""
	t 0
}
