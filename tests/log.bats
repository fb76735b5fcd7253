#!/usr/bin/env bats
# The log, its levels and files, and the access log.

load helper
LOOKS_INSIDE=yes

bats_require_minimum_version 1.5.0

TIME='[A-Z][a-z]{2} [0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}'

# logged LEVEL REGEX [FILE]: whether a line of this level has this message.
logged() {
	local level

	level=$(printf '%-9s' "$1")
	grep -qaE "^$level $TIME \[[0-9]+\]: $2\$" "${3:-$LOG}"
}

# access_start LINE...: adit with an access log in $DIR/access.
access_start() {
	adit_start "AccessLog \"$DIR/access\"" "$@"
}

# one_tunnel: opens and ends a tunnel to srv.
one_tunnel() {
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "log: every line has level, time, process and message, as in tinyproxy" {
	peer_start srv server echo
	adit_start "Deny 127.0.0.9" "Allow 127.0.0.0/8"
	one_tunnel
	client send "GET http://h/ HTTP/1.1\r\n\r\n" refused 400
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" refused 403
	adit_stop
	fails grep -avE "^(CRITICAL|ERROR|WARNING|NOTICE|CONNECT|INFO) {1,8}$TIME \[[0-9]+\]: .+\$" \
	    "$LOG"
	fails grep -avE '^.{10}[A-Z]' "$LOG"
}

@test "log: the lines that programs look for are as in tinyproxy" {
	local fd='\(file descriptor [0-9]+\)'
	local whom=' \(file descriptor [0-9]+, client 127\.0\.0\.1\)'

	PORT=$(free_port)
	peer_start srv server echo
	peer_start closed closed
	adit_start "Port $PORT"
	client tunnel "localhost:$srv_PORT" rtt 1 5 shut eof
	client send "CONNECT no-such-name.invalid:443 HTTP/1.1\r\n\r\n" \
	    refused 502
	client send "CONNECT 127.0.0.1:$closed_PORT HTTP/1.1\r\n\r\n" \
	    refused 502
	adit_stop
	logged NOTICE 'Initializing adit 0\.1\.0 .*'
	logged INFO "Listening on 127\.0\.0\.1:$PORT"
	logged INFO 'Starting main loop\. Accepting connections\.'
	logged CONNECT "Connect $fd: 127\.0\.0\.1"
	logged CONNECT "Request $fd: CONNECT localhost:$srv_PORT HTTP/1\.1$whom"
	logged CONNECT "Established connection to host \"localhost\" using file descriptor [0-9]+\.$whom"
	logged INFO "Closed connection between local client \(fd:[0-9]+\) and remote client \(fd:[0-9]+\)$whom"
	logged ERROR 'opensock: Could not retrieve address info for no-such-name\.invalid:443: .+'
	logged ERROR "opensock: Could not establish a connection to 127\.0\.0\.1:$closed_PORT: .+"
	logged NOTICE 'Shutting down\.'
}

@test "log: a tunnel has the same descriptor in its first and its last line" {
	local in out

	peer_start srv server echo
	adit_start
	one_tunnel
	log_wait 'Closed connection'
	in=$(sed -n 's/.*Connect (file descriptor \([0-9]*\)): .*/\1/p' "$LOG")
	out=$(sed -n 's/.*using file descriptor \([0-9]*\)\. .*/\1/p' "$LOG")
	log_wait "Closed connection between local client \(fd:$in\) and remote client \(fd:$out\)"
	log_wait "Request \(file descriptor $in\): "
}

@test "log: LogLevel leaves out lines of lower levels" {
	local level

	peer_start srv server echo
	for level in Critical Error Warning Notice Connect Info; do
		: >"$LOG"
		adit_start "LogLevel $level" "ConnectPort $srv_PORT" \
		    "Deny 127.0.0.9" "Allow 127.0.0.0/8"
		one_tunnel
		"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" refused 403
		client send "CONNECT no-such-name.invalid:$srv_PORT HTTP/1.1\r\n\r\n" \
		    refused 502
		adit_stop
		cut -d ' ' -f 1 "$LOG" | sort -u | tr '\n' ' ' >"$DIR/levels"
		case $level in
		Critical) want='' ;;
		Error | Warning) want='ERROR ' ;;
		Notice) want='ERROR NOTICE ' ;;
		Connect) want='CONNECT ERROR NOTICE ' ;;
		Info) want='CONNECT ERROR INFO NOTICE ' ;;
		esac
		echo "$level: $(cat "$DIR/levels")"
		[ "$(cat "$DIR/levels")" = "$want" ]
	done
}

@test "log: what a client sends cannot forge or garble a line" {
	local bad

	adit_start "AccessLog \"$DIR/access\""
	for bad in 'a\x1b[2Jb' 'a\x08b' 'a\x7fb' 'a\x9bb' 'a\xe2\x80\xaeb' \
	    'a"b' 'a\\b' 'a\tb' 'a\0b' 'a\nERROR b' 'a\rb' '%s%s%n' '%0d%0a'; do
		client send "CONNECT $bad:443 HTTP/1.1\r\n\r\n" refused 400
		client send "GET /$bad HTTP/1.1\r\n\r\n" head
		client send "GE$bad / HTTP/1.1\r\n\r\n" head
		client send "CONNECT h:443 HTTP/1.1\r\n$bad: x\r\n\r\n" head
		client send "CONNECT h:443 HTTP/1.1\r\nHost: $bad\r\n\r\n" head
	done >"$DIR/replies"
	adit_stop
	fails grep -aP '[^\x20-\x7e\n]' "$LOG"
	fails grep -aP '[^\x20-\x7e\n]' "$DIR/access"
	fails grep -a '^ERROR b' "$LOG"
	fails grep -vE '^([^ ]+ ){10}[^ ]+$' "$DIR/access"
	[ "$(wc -l <"$DIR/access")" = 65 ]
}

@test "log: a user name in the access log is escaped, and is one field" {
	peer_start srv server echo
	adit_start "AccessLog \"$DIR/access\"" 'BasicAuth jörg"\ secret'
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\nProxy-Authorization: Basic $(printf 'jörg"\\:secret' | base64)\r\n\r\n" \
	    skip '\r\n\r\n' rtt 1 5 shut eof
	wait_for access_lines 1
	[ "$(awk '{ print $3 }' "$DIR/access")" = 'j\xc3\xb6rg\x22\x5c' ]
	[ "$(awk '{ print NF }' "$DIR/access")" = 11 ]
}

@test "log: refused requests are logged with the client's address, for fail2ban" {
	adit_start
	"$PEER" client -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send 'GET http://h/ HTTP/1.1\r\n\r\n' refused 400
	log_wait '^NOTICE .*: Refused request from "127\.0\.0\.5": .'
}

@test "log: a very long request is one line of the log" {
	adit_start "AccessLog \"$DIR/access\""
	client send 'GET /' fillup a 8000 send ' HTTP/1.1\r\n\r\n' refused 400
	client send 'GET /' fillup '"' 8000 send ' HTTP/1.1\r\n\r\n' refused 400
	client send 'CONNECT ' fillup a 8000 send ':443 HTTP/1.1\r\n\r\n' \
	    refused 400
	adit_stop
	[ "$(log_count 'Refused request from')" = 3 ]
	[ "$(wc -l <"$DIR/access")" = 3 ]
	[ "$(awk '{ print length }' "$LOG" "$DIR/access" | sort -n | tail -n 1)" \
	    -lt 2048 ]
	fails grep -vE '^([^ ]+ ){10}[^ ]+$' "$DIR/access"
}

@test "log: a long target or user never pushes out what stands after it" {
	local auth long target user whom

	long=$(printf 'a%.0s' $(seq 4000))$(printf '\x80%.0s' $(seq 1000))
	user=$(printf '\xc3\xbc%.0s' $(seq 120))
	auth="Proxy-Authorization: Basic $(printf '%s:secret' "$user" |
		base64 -w 0)\r\n"
	whom='\(file descriptor [0-9]+, client 127\.0\.0\.1, user (\\x[cb][3c])+\)$'
	echo 'filtered' >"$DIR/filter"
	peer_start closed closed
	adit_start "BasicAuth $user secret" "DenyTo 127.0.0.9" \
	    "AccessLog \"$DIR/access\"" "Filter \"$DIR/filter\"" \
	    "FilterURLs yes"
	for target in "127.0.0.1:$closed_PORT/$long" "127.0.0.9/$long" \
	    "127.0.0.1/filtered/$long"; do
		client send "GET http://$target HTTP/1.0\r\n$auth\r\n" head
	done >"$DIR/replies"
	adit_stop
	log_wait "^ERROR .*: opensock: Could not establish a connection to http://127\.0\.0\.1:$closed_PORT/a+: Connection refused $whom"
	log_wait "^NOTICE .*: Refused address of http://127\.0\.0\.9/a+: line [0-9]+ of $CONF $whom"
	log_wait "^NOTICE .*: Proxying refused on filtered url \"http://127\.0\.0\.1/filtered/a+\" $whom"
	fails grep -aP '[^\x20-\x7e\n]' "$LOG"
	[ "$(awk '{ print length }' "$LOG" | sort -n | tail -n 1)" -lt 1024 ]
	[ "$(grep -cE '^([^ ]+ ){10}[^ ]+$' "$DIR/access")" = 3 ]
}

@test "log: bytes outside ASCII in a failed request are escaped" {
	peer_start closed closed
	adit_start
	client send "GET http://127.0.0.1:$closed_PORT/\xe2\x80\xae\x80 HTTP/1.0\r\n\r\n" \
	    refused 502 >"$DIR/reply"
	adit_stop
	log_wait "Could not establish a connection to http://127.0.0.1:$closed_PORT/\\\\xe2\\\\x80\\\\xae\\\\x80: "
	fails grep -aP '[^\x20-\x7e\n]' "$LOG"
}

@test "log: a client that speaks another protocol is told so, and the log says which" {
	local name bytes

	adit_start
	while IFS='|' read -r name bytes; do
		client send "$bytes" head >"$DIR/reply"
		log_wait "Refused request from \"127\.0\.0\.1\": This looks like $name: the proxy .* \(file descriptor [0-9]+\)\$"
		: >"$LOG"
	done <<-'END'
	TLS|\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03
	TLS|\x80\x2e\x01\x03\x01\x00\x15
	SOCKS 5|\x05\x01\x00
	SOCKS 4|\x04\x01\x01\xbb\x7f\x00\x00\x01\x00
	the PROXY protocol|PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\nGET / HTTP/1.1\r\n\r\n
	the PROXY protocol|\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c
	HTTP/2|PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n
	SSH|SSH-2.0-OpenSSH_9.2\r\n
	SMTP|EHLO x\r\n
	END
	client send 'GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n' refused 400 \
	    >"$DIR/reply"
	log_wait 'Refused request'
	fails log_has 'This looks like'
	client send '\x16\x03\x01\x02\x00\x01\x00' refused 400 >"$DIR/reply"
	grep -q 'This looks like TLS: the proxy speaks plain HTTP.' "$DIR/reply"
}

@test "log: the longest possible name is logged whole" {
	local name

	name=$(printf 'a%.0s' $(seq 60)).$(printf 'b%.0s' $(seq 60))
	name=$name.$(printf 'c%.0s' $(seq 60)).$(printf 'd%.0s' $(seq 60)).invalid
	adit_start "AccessLog \"$DIR/access\""
	client send "CONNECT $name:65535 HTTP/1.1\r\n\r\n" refused 502
	adit_stop
	log_wait "Request \\(file descriptor [0-9]+\\): CONNECT $name:65535 HTTP/1\\.1 "
	log_wait "Could not retrieve address info for $name:65535: ."
	grep -q " $name:65535 - 502/dns_error " "$DIR/access"
}

@test "log: LogFile gets the log, and the standard output gets nothing" {
	peer_start srv server echo
	adit_start "LogFile \"$DIR/adit.log\""
	one_tunnel
	adit_stop
	[ ! -s "$LOG" ]
	logged CONNECT 'Connect .*' "$DIR/adit.log"
	logged NOTICE 'Shutting down\.' "$DIR/adit.log"
}

@test "log: an existing log is appended to" {
	echo before >"$DIR/adit.log"
	adit_start "LogFile \"$DIR/adit.log\""
	adit_stop
	adit_launch
	wait_for started_twice
	[ "$(sed -n 1p "$DIR/adit.log")" = before ]
}

started_twice() {
	[ "$(grep -c 'Starting main loop' "$DIR/adit.log")" = 2 ]
}

@test "log: several workers do not mix their lines" {
	peer_start srv server echo
	adit_start "Workers 4" "LogFile \"$DIR/adit.log\"" \
	    "AccessLog \"$DIR/access\""
	client_start a -c 100 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    shut eof
	client_start b -c 100 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    shut eof
	peer_wait a
	peer_wait b
	adit_stop
	fails grep -avE "^[A-Z]{4,8} {1,8}$TIME \[[0-9]+\]: .+\$" "$DIR/adit.log"
	[ "$(grep -c 'Established connection' "$DIR/adit.log")" = 200 ]
	[ "$(wc -l <"$DIR/access")" = 200 ]
}

@test "log: a FIFO can be the log" {
	peer_start srv server echo
	mkfifo "$DIR/fifo"
	cat "$DIR/fifo" >"$DIR/got" 3>&- &
	own_pid $!
	adit_conf "LogFile \"$DIR/fifo\""
	adit_launch
	wait_for grep -q 'Starting main loop' "$DIR/got"
	one_tunnel
	wait_for grep -q 'Closed connection' "$DIR/got"
}

@test "log: no child can read from a FIFO that is a log" {
	local pid fd flags n=0

	[ "$(uname)" = Linux ] || skip "looks at /proc/PID/fdinfo"
	mkfifo "$DIR/fifo"
	cat "$DIR/fifo" >"$DIR/got" 3>&- &
	own_pid $!
	adit_conf "LogFile \"$DIR/fifo\"" 'ControlSocket "'"$DIR"'/control"'
	adit_launch
	wait_for grep -q 'Starting main loop' "$DIR/got"
	for pid in $(child_pids); do
		for fd in $(find "/proc/$pid/fd" -lname "$DIR/fifo" -printf '%f\n'); do
			read -r _ flags < <(grep flags: "/proc/$pid/fdinfo/$fd")
			[ $((flags & 3)) = 1 ]
			n=$((n + 1))
		done
	done
	[ "$n" -ge 3 ]
}

@test "log: a FIFO without a reader stops nothing" {
	peer_start srv server echo
	mkfifo "$DIR/fifo"
	adit_conf "LogFile \"$DIR/fifo\"" "AccessLog \"$DIR/fifo\""
	adit_launch
	wait_for client
	# Far more than a FIFO holds.
	client -c 500 -- tunnel "127.0.0.1:$srv_PORT" shut eof
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "log: /dev/stdout and /dev/stderr can be the log, also after privileges were dropped" {
	peer_start srv server echo
	adit_start 'LogFile "/dev/stdout"'
	one_tunnel
	log_wait 'Closed connection'
	adit_stop
	stderr_expected '.'
	adit_conf 'LogFile "/dev/stderr"'
	adit_launch
	wait_for grep -q 'Starting main loop' "$STDERR"
	one_tunnel
	wait_for grep -q 'Closed connection' "$STDERR"
	adit_stop
}

@test "log: /dev/stdout as a pipe can be the log and the access log" {
	peer_start srv server echo
	adit_conf 'LogFile "/dev/stdout"' 'AccessLog "/dev/stdout"'
	mkfifo "$DIR/fifo"
	cat "$DIR/fifo" >"$DIR/got" 3>&- &
	own_pid $!
	LOG=$DIR/fifo
	adit_launch
	LOG=$DIR/log
	wait_for grep -q 'Starting main loop' "$DIR/got"
	one_tunnel
	wait_for grep -q ' 200/closed ' "$DIR/got"
	wait_for grep -q 'Closed connection' "$DIR/got"
}

@test "log: a full disk or a missing log stops nothing" {
	local log

	[ -c /dev/full ] || skip "needs /dev/full"
	peer_start srv server echo
	for log in /dev/null /dev/full; do
		adit_conf "LogFile \"$log\"" "AccessLog \"$log\""
		adit_launch
		wait_for client
		one_tunnel
		client send 'GET / HTTP/1.1\r\n\r\n' refused 400 >"$DIR/reply"
		adit_stop
		[ "$STATUS" = 0 ]
		[ -c "$log" ]
	done
}

@test "log: a daemon logs to the standard output that it was started with" {
	mkfifo "$DIR/fifo"
	cat "$DIR/fifo" >"$DIR/got" 3>&- &
	own_pid $!
	adit_conf 'LogFile "/dev/stdout"' "PidFile \"$DIR/pid\""
	"$ADIT" -c "$CONF" >"$DIR/fifo" 2>>"$STDERR" 3>&-
	ADIT_PID=$(cat "$DIR/pid")
	own_pid "$ADIT_PID"
	client send 'GET / HTTP/1.1\r\n\r\n' refused 400
	wait_for grep -q 'Refused request' "$DIR/got"
}

@test "log: a socket as the standard output can be the log, by every path that leads to it" {
	local path port

	need_linux
	need_command nc
	mkdir -m 755 "$DIR/logs"
	ln -s /dev/stdout "$DIR/logs/link"
	ln -s link "$DIR/logs/second"
	for path in /dev/stdout /dev/fd/1 /proc/self/fd/1 "$DIR/logs/link" \
	    "$DIR/logs/second"; do
		port=$(free_port)
		nc -lk 127.0.0.1 "$port" >"$DIR/got" 2>/dev/null 3>&- &
		own_pid $!
		wait_for "$PEER" client 127.0.0.1 "$port"
		adit_conf "LogFile \"$path\"" "AccessLog \"$path\""
		# shellcheck disable=SC2016
		ADIT_WRAP=(bash -c 'exec "$@" >/dev/tcp/127.0.0.1/"$0"' "$port")
		adit_launch
		wait_for grep -q 'Starting main loop' "$DIR/got"
		client send 'GET / HTTP/1.1\r\n\r\n' refused 400
		wait_for grep -q ' 400/http_request_error ' "$DIR/got"
		kill -HUP "$ADIT_PID"
		wait_for grep -q 'Reloading config file finished' "$DIR/got"
		adit_stop
	done
}

@test "log: only a FIFO is opened for reading too" {
	local fd pid flags

	need_proc
	adit_start "LogFile \"$DIR/adit.log\"" "AccessLog \"$DIR/access\""
	for pid in $(family_pids); do
		for fd in /proc/"$pid"/fd/*; do
			[[ $(readlink "$fd") == "$DIR"/[a]* ]] || continue
			flags=$(sed -n 's/^flags:[[:blank:]]*0*//p' \
			    "/proc/$pid/fdinfo/${fd##*/}")
			echo "$pid $fd $flags"
			[ $((0$flags & 3)) = 1 ]
			echo "$fd" >>"$DIR/seen"
		done
	done
	[ "$(wc -l <"$DIR/seen")" -ge 4 ]
}

@test "log: a log of User in a directory of its group is accepted, as logrotate may make one" {
	need_root
	mkdir -m 775 "$DIR/group" "$DIR/sticky"
	chgrp daemon "$DIR/group"
	chmod 1777 "$DIR/sticky"
	for dir in group sticky; do
		: >"$DIR/$dir/adit.log"
		chown nobody "$DIR/$dir/adit.log"
		adit_conf "User nobody" "LogFile \"$DIR/$dir/adit.log\""
		"$ADIT" -t -c "$CONF" 2>>"$STDERR"
		adit_launch
		wait_for grep -q 'Starting main loop' "$DIR/$dir/adit.log"
		kill -HUP "$ADIT_PID"
		wait_for grep -q 'Reloading config file finished' \
		    "$DIR/$dir/adit.log"
		adit_stop
		# That of another user is not, and neither is a second name.
		chown daemon "$DIR/$dir/adit.log"
		run -71 --separate-stderr timeout 20 "$ADIT" -d -c "$CONF"
		[[ $stderr == *"LogFile: $DIR/$dir/adit.log: it belongs to the user with number $(id -u daemon)"* ]]
		chown nobody "$DIR/$dir/adit.log"
		ln "$DIR/$dir/adit.log" "$DIR/$dir.log"
		run -71 --separate-stderr timeout 20 "$ADIT" -d -c "$CONF"
		[[ $stderr == *"LogFile: $DIR/$dir/adit.log: it has a second name"* ]]
	done
}

@test "log: each refusal of a log says why" {
	mkdir -m 1777 "$DIR/open"
	mkdir "$DIR/victim"
	ln -s "$DIR/victim" "$DIR/open/dir"
	ln -s "$DIR/victim/log" "$DIR/open/link"
	need_command nc
	nc -kluU "$DIR/socket" >/dev/null 2>&1 3>&- &
	own_pid $!
	wait_for test -S "$DIR/socket"
	why "$DIR/open/dir/log" "$DIR/open/dir is a link where other users can write"
	why "$DIR/open/link" "it is a link where other users can write"
	why "$DIR/socket" "it is a socket"
	why "/dev/fd/9" "only the descriptors 0 to 2 stay open"
}

# why PATH TEXT: whether -t and a start refuse this log, for this reason.
why() {
	local option

	adit_conf "LogFile \"$1\""
	for option in -t -d; do
		run -71 --separate-stderr timeout 20 "$ADIT" "$option" -c "$CONF"
		echo "$stderr"
		[[ $stderr == *"$CONF:"*": LogFile: $1: "*"$2"* ]]
	done
}

@test "log: a link in a directory where only root can write is followed" {
	mkdir -m 755 "$DIR/logs" "$DIR/store"
	ln -s "$DIR/store" "$DIR/logs/dir"
	ln -s "$DIR/store/real.log" "$DIR/logs/link.log"
	# They are below /tmp, where others may write; but /tmp has no such
	# link.
	adit_start "LogFile \"$DIR/logs/link.log\"" \
	    "AccessLog \"$DIR/logs/dir/access\""
	adit_stop
	grep -q 'Starting main loop' "$DIR/store/real.log"
	[ -e "$DIR/store/access" ]
}

@test "log: a link in a directory where other users can write is not followed" {
	local d

	for d in LogFile AccessLog; do
		rm -rf "$DIR/open" "$DIR/victim"
		mkdir -m 1777 "$DIR/open"
		echo precious >"$DIR/victim"
		ln -s "$DIR/victim" "$DIR/open/adit.log"
		adit_conf "$d \"$DIR/open/adit.log\""
		run -71 --separate-stderr timeout 20 "$ADIT" -d -c "$CONF"
		[[ $stderr == *"$DIR/open/adit.log"* ]]
		[ "$(cat "$DIR/victim")" = precious ]
	done
}

@test "log: a link to a directory, in a directory where other users can write, is not followed" {
	mkdir -m 1777 "$DIR/open"
	mkdir "$DIR/victim"
	ln -s "$DIR/victim" "$DIR/open/logs"
	adit_conf "LogFile \"$DIR/open/logs/adit.log\""
	run -71 timeout 20 "$ADIT" -d -c "$CONF"
	[ -z "$(ls "$DIR/victim")" ]
}

@test "log: a symbolic or hard link in a directory of another user is not followed" {
	need_root
	mkdir "$DIR/theirs"
	chown nobody "$DIR/theirs"
	echo precious >"$DIR/victim"
	ln -s "$DIR/victim" "$DIR/theirs/adit.log"
	adit_conf "LogFile \"$DIR/theirs/adit.log\""
	run -71 timeout 20 "$ADIT" -d -c "$CONF"
	rm "$DIR/theirs/adit.log"
	ln "$DIR/victim" "$DIR/theirs/adit.log"
	run -71 timeout 20 "$ADIT" -d -c "$CONF"
	[ "$(cat "$DIR/victim")" = precious ]
	# Without links such a log is accepted.
	rm "$DIR/theirs/adit.log"
	adit_start "LogFile \"$DIR/theirs/adit.log\""
}

@test "log: a path with .. or a double slash is handled like the plain path" {
	mkdir -m 755 "$DIR/a" "$DIR/b"
	adit_start "LogFile \"$DIR//a/../b/./adit.log\""
	[ -s "$DIR/b/adit.log" ]
}

@test "log: Syslog has precedence over LogFile" {
	adit_conf "Syslog On" "LogFile \"$DIR/adit.log\""
	adit_launch
	wait_for client
	adit_stop
	[ ! -s "$DIR/adit.log" ]
	[ ! -s "$LOG" ]
}

# syslog_start LINE...: adit with a system logger of its own, which writes to
# $DIR/syslog.
syslog_start() {
	need_root
	need_command unshare nc
	unshare -m true 2>/dev/null || skip "needs mount namespaces"
	nc -h 2>&1 | grep -q -- '-U' || skip "this nc knows no local sockets"
	nc -kluU "$DIR/log.socket" >"$DIR/syslog" 2>"$DIR/nc.err" 3>&- &
	own_pid $!
	wait_for test -S "$DIR/log.socket"
	chmod 666 "$DIR/log.socket"
	# shellcheck disable=SC2016
	ADIT_WRAP=(unshare -m sh -c 'mount -t tmpfs none /dev &&
		mknod -m 666 /dev/null c 1 3 && ln -s "$0" /dev/log &&
		exec "$@"' "$DIR/log.socket")
	adit_conf "Syslog On" "$@"
	adit_launch
	wait_for grep -qs 'Starting main loop' "$DIR/syslog"
}

@test "log: syslog gets the lines with facility user, their level, name and process" {
	syslog_start "Deny 127.0.0.9" "Allow 127.0.0.0/8"
	peer_start srv server echo
	one_tunnel
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" refused 403
	wait_for grep -q 'Unauthorized connection' "$DIR/syslog"
	# 8 for the facility, and 5 for notice or 6 for info.
	tr '\0' '\n' <"$DIR/syslog" | sed 's/</\n</g' >"$DIR/lines"
	grep -qaE '^<14>.* adit\[[0-9]+\]: Connect \(file descriptor' "$DIR/lines"
	grep -qaE '^<14>.* adit\[[0-9]+\]: Closed connection between' "$DIR/lines"
	grep -qaE '^<13>.* adit\[[0-9]+\]: Unauthorized connection from' \
	    "$DIR/lines"
	grep -qa "adit\[$ADIT_PID\]: Starting main loop" "$DIR/lines"
	[ ! -s "$LOG" ]
}

@test "log: syslog gets the lines of tinyproxy under that name" {
	ADIT=${ADIT%/*}/tinyproxy
	[ -x "$ADIT" ] || skip "needs tinyproxy beside adit"
	syslog_start
	tr '\0' '\n' <"$DIR/syslog" | sed 's/</\n</g' >"$DIR/lines"
	grep -qaE "^<14>.* tinyproxy\[$ADIT_PID\]: Starting main loop" "$DIR/lines"
	fails grep -qa ' adit\[' "$DIR/lines"
}

@test "log: syslog gets the lines of new workers after a reload" {
	local pid

	need_proc
	syslog_start "Workers 1"
	peer_start srv server echo
	kill -HUP "$ADIT_PID"
	wait_for grep -q 'Reloading config file finished' "$DIR/syslog"
	one_tunnel
	wait_for grep -q 'Closed connection' "$DIR/syslog"
}

@test "log: a system logger that stops does not stop anything else" {
	local i

	syslog_start
	peer_start srv server echo
	kill "${OWN_PIDS[0]}"
	wait_for dead "${OWN_PIDS[0]}"
	for i in 1 2 3; do
		one_tunnel
	done
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "log: the access log has all fields for every outcome" {
	peer_start srv server echo
	peer_start closed closed
	access_start "BasicAuth alice secret" "Deny 127.0.0.9" \
	    "Allow 127.0.0.0/8" "HeaderTimeout 1"
	token="Proxy-Authorization: Basic $(printf alice:secret | base64)"
	local url="127.0.0.1:$srv_PORT" to='127\.0\.0\.1'

	client send "CONNECT $url HTTP/1.1\r\n$token\r\n\r\n" \
	    skip '\r\n\r\n' rtt 1 5 shut eof
	access_is 1 "alice $to:$srv_PORT $to:$srv_PORT 200/closed 5 5 [0-9]+\.[0-9]{3}"
	client send "CONNECT $url HTTP/1.1\r\n\r\n" refused 407
	access_is 2 "- $to:$srv_PORT - 407/http_request_denied 0 0 [0-9.]+"
	"$PEER" client -b 127.0.0.9 127.0.0.1 "$PORT" refused 403
	access_is 3 "- - - 403/http_request_denied 0 0 [0-9.]+"
	[ "$(awk 'NR == 3 { print $2 }' "$DIR/access")" = 127.0.0.9 ]
	client send "CONNECT 0.0.0.0:80 HTTP/1.1\r\n$token\r\n\r\n" refused 403
	access_is 4 "alice 0\.0\.0\.0:80 - 403/destination_ip_prohibited 0 0 [0-9.]+"
	client send "CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n" refused 400
	access_is 5 "- [^ ]+ - 400/http_request_error 0 0 [0-9.]+"
	client send "GET http://h/ HTTP/1.1\r\n\r\n" refused 400
	access_is 6 "- (http://h/|-) - 400/http_request_error 0 0 [0-9.]+"
	client send "CONNECT h:443 HTTP/2.0\r\n\r\n" refused 505
	access_is 7 "- (h:443|-) - 505/http_request_error 0 0 [0-9.]+"
	client send "CONNECT no-such-name.invalid:443 HTTP/1.1\r\n$token\r\n\r\n" \
	    refused 502
	access_is 8 "alice no-such-name\.invalid:443 - 502/dns_error 0 0 [0-9.]+"
	client send "CONNECT 127.0.0.1:$closed_PORT HTTP/1.1\r\n$token\r\n\r\n" \
	    refused 502
	access_is 9 "alice $to:$closed_PORT ($to:$closed_PORT|-) 502/connection_refused 0 0 [0-9.]+"
	client send 'CONNECT' refused 408
	access_is 10 "- - - 408/http_request_error 0 0 [0-9.]+"
	client fillup a 9000 refused 414
	access_is 11 "- - - 414/http_request_error 0 0 [0-9.]+"
	client send "CONNECT h:443 HTTP/1.1\r\nA: " fillup a 70000 refused 431
	access_is 12 "- (h:443|-) - 431/http_request_error 0 0 [0-9.]+"
	client send C close
	access_is 13 "- - - (-/client_left|400/http_request_error) 0 0 [0-9.]+"
	client send C rst
	access_is 14 "- - - -/client_left 0 0 [0-9.]+"
	[ "$(awk '{ print $10 }' "$DIR/access" | tr '\n' ' ')" = "- credentials client_rule target_address malformed malformed http_version name_unknown connect_refused head_timeout line_size head_size head_incomplete - " ]
	[ -z "$(awk '{ print $11 }' "$DIR/access" | sort | uniq -d)" ]
	# Time (UTC, of the end) and client are in every line.
	[ "$(awk '$1 ~ /^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9][0-9][0-9]Z$/ &&
	    $2 ~ /^127\.0\.0\.[19]$/ && NF == 11' "$DIR/access" | wc -l)" = 14 ]
	fails grep '  ' "$DIR/access"
	[ "$(tail -n 1 "$DIR/access" | cut -c 1-10)" = "$(date -u +%F)" ]
}

@test "log: LogTime rfc3339 writes the year and the offset from UTC" {
	TZ=Asia/Kolkata adit_start "LogTime rfc3339"
	adit_stop
	fails grep -avE '^[A-Z]+ +20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}\.[0-9]{3}[+-][0-9]{2}:[0-9]{2} \[[0-9]+\]: .' "$LOG"
}

@test "log: the journal gets the level of each line, and a file does not" {
	adit_conf 'LogFile "/dev/stdout"'
	: >"$DIR/journal"
	export JOURNAL_STREAM
	JOURNAL_STREAM=$(stat -c %d:%i "$DIR/journal")
	"$ADIT" -d -c "$CONF" >>"$DIR/journal" 2>"$DIR/stderr" &
	ADIT_PID=$!
	wait_for grep -q 'Starting main loop' "$DIR/journal"
	kill "$ADIT_PID"
	wait_for dead "$ADIT_PID"
	grep -q '^<5>NOTICE  ' "$DIR/journal"
	grep -q '^<6>INFO  ' "$DIR/journal"
	fails grep -v '^<[2-6]>' "$DIR/journal"
	ADIT_PID=
}

@test "log: a client that connects and says nothing leaves no line in the access log" {
	access_start "Allow 127.0.0.0/8"
	client close
	client rst
	client send C close
	wait_for access_lines 1
	adit_stop
	[ "$(wc -l <"$DIR/access")" = 1 ]
}

@test "log: the access log says how a tunnel ended, and counts its bytes" {
	peer_start srv server echo
	peer_start cut server take 5 rst
	peer_start talk server send 0123456789 shut sink
	access_start "Timeout 1"
	local to='127\.0\.0\.1'

	client tunnel "127.0.0.1:$srv_PORT" rtt 10 1000 rst
	access_is 1 "- $to:$srv_PORT $to:$srv_PORT 200/client_reset 10000 10000 [0-9.]+"
	client tunnel "127.0.0.1:$cut_PORT" send 12345 reset
	access_is 2 "- $to:$cut_PORT $to:$cut_PORT 200/server_reset 5 0 [0-9.]+"
	client tunnel "127.0.0.1:$srv_PORT" send 123 expect 123 reset
	access_is 3 "- $to:$srv_PORT $to:$srv_PORT 200/idle 3 3 [0-9.]+"
	client tunnel "127.0.0.1:$talk_PORT" send 123 shut expect 0123456789 eof
	access_is 4 "- $to:$talk_PORT $to:$talk_PORT 200/closed 3 10 [0-9.]+"
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\nearly" \
	    skip early shut eof
	access_is 5 "- $to:$srv_PORT $to:$srv_PORT 200/closed 5 5 [0-9.]+"
	[ "$(awk 'NR == 3 { print ($9 >= 1) }' "$DIR/access")" = 1 ]
}

@test "log: the access log shows lifetime, stop and drain" {
	peer_start srv server echo
	access_start "TunnelTimeout 1" "DrainTimeout 1"
	client tunnel "127.0.0.1:$srv_PORT" reset
	access_is 1 "- [^ ]+ [^ ]+ 200/lifetime 0 0 [0-9.]+"
	adit_stop
	: >"$LOG"
	adit_start "AccessLog \"$DIR/access\"" "DrainTimeout 0"
	client_start a 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" say up gone
	client_start b 127.0.0.1 "$PORT" send C pause 100 say up gone
	wait_for peer_said a up
	wait_for peer_said b up
	adit_stop TERM
	[ "$(awk '{ print $6 }' "$DIR/access" | sed 1d | sort | tr '\n' ' ')" = \
	    "-/stopped 200/stopped " ]
	: >"$DIR/access"
	: >"$LOG"
	adit_start "AccessLog \"$DIR/access\"" "DrainTimeout 1"
	client_start a 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" say up gone
	wait_for peer_said a up
	adit_stop QUIT
	access_is 1 "- [^ ]+ [^ ]+ 200/drained 0 0 [0-9.]+"
}

@test "log: an IPv6 address in the access log can be told from its port" {
	need_ipv6
	peer_start srv server -a ::1 echo
	access_start "Listen ::1" "Allow ::1"
	"$PEER" client ::1 "$PORT" tunnel "::1:$srv_PORT" rtt 1 5 shut eof
	wait_for access_lines 1
	grep -qE "^[^ ]+ ::1 - ::1:$srv_PORT \[::1\]:$srv_PORT 200/closed 5 5 " \
	    "$DIR/access"
}

@test "log: the access log has a name as the client sent it, and the address" {
	peer_start srv server echo
	access_start
	client tunnel "LocalHost:$srv_PORT" rtt 1 5 shut eof
	access_is 1 "- LocalHost:$srv_PORT 127\.0\.0\.1:$srv_PORT 200/closed 5 5 [0-9.]+"
}

@test "log: a client that leaves while the target does not answer is in the access log" {
	peer_start full full
	access_start "ConnectTimeout 30"
	client send "CONNECT 127.0.0.1:$full_PORT HTTP/1.1\r\n\r\n" pause 100 \
	    close
	access_is 1 "- [^ ]+ [^ ]+ -/client_left 0 0 [0-9.]+"
}

@test "log: a target that never answers is in the access log" {
	peer_start full full
	access_start "ConnectTimeout 1"
	client send "CONNECT 127.0.0.1:$full_PORT HTTP/1.1\r\n\r\n" refused 504
	access_is 1 "- [^ ]+ [^ ]+ 504/connection_timeout 0 0 [0-9.]+"
}

@test "log: the access log is written even if nothing else is logged" {
	peer_start srv server echo
	access_start "LogLevel critical"
	one_tunnel
	wait_for grep -qE ' 200/closed 5 5 [0-9.]+ - [0-9.]+$' "$DIR/access"
	[ ! -s "$LOG" ]
}

@test "log: other users cannot read the logs" {
	umask 022
	peer_start srv server echo
	adit_start "LogFile \"$DIR/adit.log\"" "AccessLog \"$DIR/access\""
	[ -z "$(find "$DIR/adit.log" "$DIR/access" -perm /037)" ]
}
