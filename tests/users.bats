#!/usr/bin/env bats
# Users with hashes of their passwords: an AuthFile, and which users it admits.

load helper
LOOKS_INSIDE=yes

# Hashes of "secret", made with htpasswd -nB, mkpasswd and openssl.
# shellcheck disable=SC2016
{
	BCRYPT='$2b$05$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqGC'
	HTPASSWD='$2y$05$.OERKvBHbs3qE.V39VWrP.wFEWHkPz1YK9ZQFpYlxS1qIgaGg4rrS'
	YESCRYPT='$y$j9T$PssYN24L9CBNzoWHGOO4y0$7Zok5zWVvE/2Tj2/HA.LhZR9PnDwxqVyo52t8xhKJ//'
	SHA512='$6$U7xkkDo1Ks7gnxrU$eJqvPqnbdxlYtItM1P5Y0wI5mE/5/7kE0.XcQzyx2Oh/K2dt/K0jpN/NEPCoa7smvwfvIqV16OVZdg4DISu0r0'
	SHA256='$5$3lv5Ua9HuK4So0Tx$3TBJcJ3bZanwuBuRA3qqHjZJGl/GppQThRb1YFUfJA3'
}

setup() {
	common_setup
	USERS=$DIR/users
	TRIES=0
	case $BATS_TEST_DESCRIPTION in
	*"without crypt"*) ;;
	*) knows "$SHA512" || skip "there is no crypt()" ;;
	esac
}

# users LINE...: writes the user file, readable only for the user who starts
# adit.
users() {
	printf '%s\n' "$@" >"$USERS"
	chmod 600 "$USERS"
}

# costly: prints a hash of "secret" that takes long to check.
costly() {
	openssl passwd -6 -salt "rounds=${1:-600000}\$saltsalt" secret
}

# knows HASH: whether the crypt() that adit is linked with knows it.
knows() {
	"$BUILD/login_test" "$1"
}

request() {
	printf '%s' "CONNECT ${TARGET:-127.0.0.1:$srv_PORT} HTTP/1.1\\r\\n"
	if [ $# != 0 ]; then
		basic "$1"
		printf '%s' '\r\n'
	fi
	printf '%s' '\r\n'
}

established='HTTP/1.1 200 Connection established\r\n\r\n'

# lets_in USER:PASSWORD, keeps_out [USER:PASSWORD]
lets_in() {
	client send "$(request "$1")" expect "$established" rtt 1 5 shut eof
}

# From another address each time, since an address with many failures must wait.
keeps_out() {
	TRIES=$((TRIES + 1))
	"$PEER" client -b "127.0.2.$TRIES" 127.0.0.1 "$PORT" \
	    send "$(request "$@")" refused 407 >"$DIR/reply"
	file_says '^Proxy-Authenticate: Basic realm="' "$DIR/reply"
}

users_start() {
	peer_start srv server echo
	adit_start "AuthFile \"$USERS\"" "$@"
}

reload() {
	local n

	n=$(log_count "Reloading config file $1")
	kill -HUP "$ADIT_PID"
	wait_for reloaded "$1" $((n + 1))
}

reloaded() {
	[ "$(log_count "Reloading config file $1")" -ge "$2" ]
}

# helper_ticks: prints the processor time of all helpers, in hundredths of a
# second.
helper_ticks() {
	local pid

	for pid in $(helper_pids); do
		sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null
	done | awk '{ n += $12 + $13 } END { print n + 0 }'
}

need_proc() {
	[ -r /proc/self/stat ] || skip "needs /proc"
}

desk_stop() {
	DESK=$(desk_pids)
	[ -n "$DESK" ] || skip "needs /proc"
	# shellcheck disable=SC2086
	kill -STOP $DESK
}

desk_go_on() {
	# shellcheck disable=SC2086
	kill -CONT $DESK
}

@test "users: every kind of hash admits a client with the right password, and no other" {
	local kind kinds=(BCRYPT HTPASSWD SHA512 SHA256)

	knows "$YESCRYPT" && kinds+=(YESCRYPT)
	users "$(for kind in "${kinds[@]}"; do
		echo "$kind:${!kind}"
	done)"
	users_start
	for kind in "${kinds[@]}"; do
		keeps_out "$kind:Secret"
		lets_in "$kind:secret"
		keeps_out "$kind:secre"
		keeps_out "$kind:secrets"
		keeps_out "$kind:"
		keeps_out "${kind,}:secret"
		lets_in "$kind:secret"
	done
	keeps_out
	keeps_out nobody:secret
	keeps_out ":secret"
	[ "${#kinds[@]}" = 5 ] ||
		skip "crypt() of this system does not know yescrypt; the others do"
}

@test "users: the output of openssl passwd works unchanged" {
	users "alice:$(openssl passwd -6 'p: ä#"')" "# bob" "" \
	    "	bob:$(openssl passwd -5 bobs) 	"$'\r'
	users_start
	lets_in 'alice:p: ä#"'
	lets_in bob:bobs
	keeps_out bob:alices
}

@test "users: with AuthFile and BasicAuth, credentials that are valid in one are enough" {
	users "alice:$BCRYPT" "bob:$BCRYPT"
	printf 'carol:%s\n' "$SHA512" >"$DIR/more"
	users_start "AuthFile \"$DIR/more\"" "BasicAuth dave plain" \
	    "BasicAuth bob plain"
	lets_in alice:secret
	lets_in bob:secret
	lets_in bob:plain
	lets_in carol:secret
	lets_in dave:plain
	keeps_out alice:plain
	keeps_out dave:secret
	keeps_out carol:plain
}

@test "users: a file without users lets no client in" {
	users "# nobody yet"
	stderr_expected 'users: warning: the file has no user'
	users_start
	keeps_out
	keeps_out alice:secret
	lets_in_nobody=$(log_count 'Established connection')
	[ "$lets_in_nobody" = 0 ]
}

# refuses LINE_NUMBER TEXT LINE...: these users stop the start, with a message
# that has the line number and the text, and no secret.
refuses() {
	local number=$1 text=$2

	shift 2
	users "$@"
	adit_conf "AuthFile \"$USERS\""
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	# shellcheck disable=SC2154
	grep -F "$USERS:$number: " <<<"$stderr" | grep -qF "$text"
	fails grep -qE 'saltsalt|sesame|[$]2b' <<<"$stderr"
}

bats_require_minimum_version 1.5.0

@test "users: a line without a user and a hash stops the start, with its number and the reason" {
	refuses 2 'user:hash' "alice:$BCRYPT" "sesame"
	refuses 1 'no user' ":$BCRYPT"
	refuses 1 'no hash' "alice:"
	refuses 1 'second colon' "alice:$BCRYPT:19000:0:99999:7:::"
	refuses 3 'plain text' "alice:$BCRYPT" "" "bob:sesame"
	refuses 1 'htpasswd -B' 'alice:$apr1$8qLfBbYa$QNVhEvCPyrEiVSjkPcZ2p/'
	refuses 1 'htpasswd -B' 'alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='
	refuses 1 'does not support' 'alice:$99$saltsalt$sesame'
	refuses 1 'too weak' 'alice:aaH8BuB6qyqXU'
	refuses 1 'damaged' "alice:${SHA512%??}"
	refuses 1 'damaged' "alice:${BCRYPT%?}"
	refuses 2 'in line 1 of' "alice:$BCRYPT" "alice:$SHA512"
	refuses 1 'control character' "$(printf 'ali\001ce:%s' "$BCRYPT")"
}

@test "users: a hash that this system does not know is an error, not a password that never matches" {
	if knows "$YESCRYPT"; then
		users "alice:$YESCRYPT"
		adit_conf "AuthFile \"$USERS\""
		"$ADIT" -t -c "$CONF" 2>>"$STDERR"
		skip "crypt() of this system knows yescrypt"
	fi
	refuses 1 'does not support' "alice:$YESCRYPT"
}

@test "users: a system without crypt() refuses user files, and does not start with users that cannot log in" {
	if knows "$SHA512"; then
		skip "there is crypt()"
	fi
	users "alice:$SHA512"
	adit_conf "AuthFile \"$USERS\""
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	grep -qF "$USERS: this adit was built without crypt(3)" \
	    <<<"$stderr"
}

@test "users: a file that is missing, unreadable or not a regular file stops the start" {
	local path

	mkfifo "$DIR/fifo"
	for path in "$DIR/nothing" "$DIR" "$DIR/fifo"; do
		adit_conf "AuthFile \"$path\""
		run -70 --separate-stderr timeout 20 "$ADIT" -t -c "$CONF"
		grep -qF "AuthFile: $path: " <<<"$stderr"
	done
	adit_conf 'AuthFile "users"'
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	adit_conf "AuthFile $DIR/users"
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
}

@test "users: two files that name the same user stop the start" {
	users "bob:$BCRYPT" "alice:$BCRYPT"
	printf 'carol:%s\nalice:%s\n' "$BCRYPT" "$BCRYPT" >"$DIR/more"
	adit_conf "AuthFile \"$USERS\"" "AuthFile \"$DIR/more\""
	run -70 --separate-stderr "$ADIT" -t -c "$CONF"
	grep -qF "$DIR/more:2: the user is in line 2 of $USERS already" \
	    <<<"$stderr"
}

@test "users: a deleted user is refused after a reload, even right after a valid login" {
	users "alice:$BCRYPT" "bob:$BCRYPT"
	users_start
	lets_in alice:secret
	lets_in bob:secret
	users "bob:$BCRYPT" "carol:$BCRYPT"
	lets_in alice:secret
	reload finished
	keeps_out alice:secret
	lets_in bob:secret
	lets_in carol:secret
	users "bob:$(openssl passwd -6 changed)"
	reload finished
	keeps_out bob:secret
	lets_in bob:changed
}

@test "users: a reload with a broken user file changes nothing, and names the line" {
	users "alice:$BCRYPT"
	users_start
	users "bob:$BCRYPT" "alice:sesame"
	reload 'failed!'
	log_wait "^ERROR .*$USERS:2: .*plain text"
	lets_in alice:secret
	keeps_out bob:secret
	rm "$USERS"
	reload 'failed!'
	lets_in alice:secret
	fails grep -q sesame "$LOG"
}

@test "users: early data waits until the password is checked, and goes nowhere if it is wrong" {
	peer_start srv server print
	users "alice:$(costly 100000)"
	adit_start "AuthFile \"$USERS\""
	client send "$(request alice:wrong)EVIL" refused 407
	client send "$(request alice:secret)early" expect "$established" shut
	wait_for peer_said srv early
	fails grep -q EVIL "$DIR/srv.out"
}

@test "users: a hundred connections of one user need one check" {
	local single many

	need_proc
	users "alice:$(costly)" "bob:$(costly)"
	users_start
	peer_start many echod
	lets_in bob:secret
	single=$(helper_ticks)
	TARGET=127.0.0.1:$many_PORT
	client -n 100 -- send "$(request alice:secret)" \
	    expect "$established" rtt 1 5 shut eof
	many=$(($(helper_ticks) - single))
	echo "one check: $single, a hundred connections: $many"
	[ "$many" -lt $((single * 4 + 10)) ]
	# And again, without any check at all.
	client -n 100 -- send "$(request alice:secret)" \
	    expect "$established" rtt 1 5 shut eof
	[ $(($(helper_ticks) - single - many)) -lt $((single / 2 + 5)) ]
}

@test "users: wrong passwords are checked each time, and never remembered" {
	users "alice:$BCRYPT"
	users_start
	lets_in alice:secret
	keeps_out alice:wrong
	keeps_out alice:wrong
	lets_in alice:secret
	keeps_out alice:secret1
}

@test "users: a check that never ends delays no tunnel, and the client gets a reply in time" {
	users "alice:$BCRYPT" "bob:$BCRYPT"
	users_start "ConnectTimeout 1"
	peer_start open server echo
	client_start tunnel 127.0.0.1 "$PORT" \
	    send "$(TARGET=127.0.0.1:$open_PORT request bob:secret)" \
	    expect "$established" touch "$DIR/stands" wait "$DIR/checked" \
	    rtt 10 5 shut eof
	wait_for test -e "$DIR/stands"
	desk_stop
	client send "$(request alice:secret)" refused 503 >"$DIR/reply"
	touch "$DIR/checked"
	peer_wait tunnel
	grep -qi '^Proxy-Status: adit; error=proxy_internal_error' "$DIR/reply"
	log_wait '^WARNING .*: Could not check the password of "127.0.0.1"'
	# A user who was admitted a moment ago needs no check, in the same
	# worker.
	desk_go_on
	wait_for lets_in alice:secret
}

@test "users: a client that leaves while its password is checked frees its place at once" {
	users "alice:$BCRYPT"
	users_start "AccessLog \"$DIR/access\"" "ConnectTimeout 300"
	desk_stop
	client send "$(request alice:secret)" pause 100 rst
	client send "$(request alice:secret)" pause 100 close
	wait_for access_left 2
	fails grep -q alice "$DIR/access"
	desk_go_on
	lets_in alice:secret
}

access_left() {
	[ "$(grep -c -- "- 127.0.0.1:$srv_PORT - -/client_left 0 0" \
	    "$DIR/access")" = "$1" ]
}

@test "users: many wrong passwords do not delay look-ups of names" {
	local i n

	# Work for half a minute, or less with more than eight processors.
	n=$((30 * $(getconf _NPROCESSORS_ONLN)))
	[ "$n" -le 240 ] || n=240
	name_server '*.example=127.0.0.1'
	users "alice:$(costly 2000000)"
	peer_start srv server echo
	adit_start "AuthFile \"$USERS\"" "BasicAuth bob plain"
	for i in $(seq "$n"); do
		client_start "flood$i" -b "127.0.1.$i" 127.0.0.1 "$PORT" \
		    send "$(request "alice:wrong$i")" refused 407
	done
	wait_for flood_arrived "$n"
	for i in 1 2 3 4 5; do
		TARGET=name$i.example:$srv_PORT
		client send "$(request bob:plain)" \
		    expect "$established" rtt 1 5 shut eof
	done
	# That happened while the checks were running.
	[ "$(log_count 'Failed auth attempt')" -lt $((n / 2)) ]
}

flood_arrived() {
	[ "$(log_count 'Request .*CONNECT')" -ge "$1" ]
}

# wrong N ADDRESS: sends N wrong passwords at once; all of them are checked.
wrong() {
	local i

	for i in $(seq "$1"); do
		client_start "wrong$i" -b "$2" 127.0.0.1 "$PORT" \
		    wait "$DIR/go" send "$(request "alice:wrong$i")" refused 407
	done
	touch "$DIR/go"
	for i in $(seq "$1"); do
		peer_wait "wrong$i" >/dev/null
	done
}

# from ADDRESS USER:PASSWORD: as lets_in, from that address.
from() {
	"$PEER" client -b "$1" 127.0.0.1 "$PORT" send "$(request "$2")" \
	    expect "$established" rtt 1 5 shut eof
}

# slow_start LINE...: admits alice from 127.0.0.5, and then sends many wrong
# passwords from there.
slow_start() {
	users "alice:$BCRYPT" "bob:$BCRYPT" "carol:$BCRYPT"
	peer_start srv server echo
	adit_start "$@" "AuthFile \"$USERS\"" "BasicAuth dave plain"
	from 127.0.0.5 alice:secret
	wrong 12 127.0.0.5
}

@test "users: after wrong passwords an address waits, but other addresses and remembered users do not" {
	slow_start "Workers 1"
	client_start slow -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "$(request bob:secret)" expect "$established" say in
	client_start plain -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "$(request dave:plain)" expect "$established" say in
	wait_for requests_are 15
	from 127.0.0.5 alice:secret
	from 127.0.0.6 carol:secret
	from 127.0.0.6 dave:plain
	fails peer_said slow in
	fails peer_said plain in
	wait_for peer_said slow in
	wait_for peer_said plain in
}

requests_are() {
	[ "$(log_count 'Request .*CONNECT')" = "$1" ]
}

# took COMMAND...: sets TOOK to the time of the command in ms.
took() {
	local began=${EPOCHREALTIME/[.,]/}

	"$@"
	TOOK=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
}

@test "users: each further wrong password makes the next one wait longer, with BasicAuth too" {
	peer_start srv server echo
	adit_start "BasicAuth alice secret" "BasicAuth bob secret" "Workers 2"
	wrong 6 127.0.0.5
	took from 127.0.0.5 alice:secret
	echo "after six: $TOOK ms"
	# A second, less a tenth of the time since then.
	[ "$TOOK" -ge 300 ]
	wrong 6 127.0.0.5
	took from 127.0.0.5 bob:secret
	echo "after twelve: $TOOK ms"
	[ "$TOOK" -ge 1000 ]
}

@test "users: if too many passwords of one address wait, the next is refused at once, and no others" {
	local i

	slow_start "Workers 3"
	for i in 1 2 3 4 5 6 7 8; do
		client_start "waits$i" -b 127.0.0.5 127.0.0.1 "$PORT" \
		    send "$(request "bob:guess$i")" gone
	done
	wait_for requests_are 21
	"$PEER" client -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "$(request bob:secret)" refused 429 >"$DIR/reply"
	grep -qi '^Retry-After: 5' "$DIR/reply"
	grep -qi '^Proxy-Status: adit; error=http_request_denied' "$DIR/reply"
	log_wait '^INFO .*: Too many passwords of "127.0.0.5" wait to be checked'
	from 127.0.0.6 bob:secret
	# A client that leaves gives its place back.
	end_pid KILL "$waits1_PID"
	wait_for -t 5 from 127.0.0.5 carol:secret
}

@test "users: the same credentials wait as one after wrong ones, and all get in" {
	slow_start "Workers 3"
	client_start same -n 30 -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "$(request bob:secret)" skip "HTTP/1.1 200" say in
	peer_wait same
	[ "$(log_count 'Too many passwords')" = 0 ]
}

# at_once N PREFIX PASSWORD: N users, PREFIX1 and so on, send a password each
# before the first of them has an answer.
at_once() {
	local i before

	before=$(log_count 'Request .*CONNECT')
	for i in $(seq "$1"); do
		request "$2$i:$3$i"
		echo
	done >"$DIR/requests"
	desk_stop
	client_start "$2" -n "$1" 127.0.0.1 "$PORT" \
	    sendline "$DIR/requests" skip 'HTTP/1.1 ' take 3 gone
	wait_for requests_are $((before + $1))
	desk_go_on
	peer_wait "$2" >/dev/null
}

@test "users: guesses that are sent all at once are slowed down too" {
	users "alice:$BCRYPT"
	users_start "Workers 2" "AccessLog \"$DIR/access\""
	at_once 60 guess wrong
	wait_for access_has 60 '4[0-9][0-9]/'
	# 16 at the desk, eight that wait, and some that are checked between.
	[ "$(grep -c ' 407/' "$DIR/access")" -le 40 ]
	[ "$(grep -c ' 429/' "$DIR/access")" -ge 20 ]
}

# access_has N REGEX: for wait_for.
access_has() {
	[ "$(grep -cE -- "$2" "$DIR/access")" = "$1" ]
}

@test "users: many users behind one address can log in all at once" {
	local i hashes lines=()

	mapfile -t hashes < <(printf 'right%d\n' {1..60} |
		openssl passwd -5 -stdin)
	for i in {1..60}; do
		lines+=("user$i:${hashes[i - 1]}")
	done
	users "${lines[@]}"
	users_start "Workers 2" "AccessLog \"$DIR/access\""
	TARGET=127.0.0.1:1 at_once 60 user right
	wait_for access_has 60 ' 502/connection_refused'
	TARGET=127.0.0.1:1 at_once 20 user right
	wait_for access_has 80 ' 502/connection_refused'
}

@test "users: one wrong password on a hundred connections of a browser counts once" {
	slow_start "Workers 1"
	users "alice:$(costly)" "bob:$BCRYPT" "carol:$BCRYPT"
	reload finished
	client -n 100 -- send "$(request alice:old)" refused 407 >/dev/null
	client_start slow -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "$(request bob:secret)" expect "$established" say in
	wait_for requests_are 114
	from 127.0.0.1 carol:secret
	fails peer_said slow in
	wait_for peer_said slow in
}

@test "users: failures are logged with the address for fail2ban, and a missing password is not a failure" {
	users "alice:$BCRYPT"
	users_start
	keeps_out
	"$PEER" client -b 127.0.0.5 127.0.0.1 "$PORT" \
	    send "$(request alice:wrong)" refused 407
	"$PEER" client -b 127.0.0.6 127.0.0.1 "$PORT" \
	    send "$(request nobody:secret)" refused 407
	log_wait '^INFO .*: Failed auth attempt \(file descriptor: [0-9]+\), ip 127\.0\.0\.5$'
	log_wait '^INFO .*: Failed auth attempt \(file descriptor: [0-9]+\), ip 127\.0\.0\.6$'
	[ "$(log_count 'Failed auth attempt')" = 2 ]
}

@test "users: malformed credentials are refused and affect no other client" {
	local value long

	users "alice:$BCRYPT"
	users_start
	long=$(head -c 8000 /dev/zero | tr '\0' A)
	for value in '' Basic 'Basic =' 'Basic !!!!' '"' 'Basic "' \
	    'Basic YWxpY2U' 'Bearer YWxpY2U6c2VjcmV0' 'Basic \xff\xfe' \
	    "Basic $long"; do
		client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\\r\\nProxy-Authorization: $value\\r\\n\\r\\n" \
		    refused 407 >/dev/null
	done
	for value in : ':secret' 'alice' 'alice\0:secret' 'alice:sec\0ret' \
	    "$(printf 'u%.0s' $(seq 255)):$(printf 'p%.0s' $(seq 255))" \
	    "$(printf 'u%.0s' $(seq 256)):p" "u:$(printf 'p%.0s' $(seq 256))"; do
		keeps_out "$value"
	done
	lets_in alice:secret
}

@test "users: passwords and hashes never appear in a log or a page; names of admitted users do" {
	local secret token wrong

	users "alice:$(openssl passwd -6 -salt saltsalt sesame-open)"
	token=$(printf alice:sesame-open | base64)
	wrong=$(printf mallory:guess-work | base64)
	users_start "AccessLog \"$DIR/access\""
	lets_in alice:sesame-open
	for secret in alice:guess-work mallory:guess-work; do
		client send "$(request "$secret")" refused 407 >>"$DIR/reply"
	done
	users "alice:$(openssl passwd -6 -salt saltsalt sesame-open)" \
	    "bob:guess-work"
	reload 'failed!'
	adit_stop
	for secret in "$token" "$wrong" sesame-open guess-work saltsalt; do
		fails grep -ai -- "$secret" "$LOG" "$DIR/access" "$DIR/reply" \
		    "$STDERR"
	done
	grep -qE '^[^ ]+ 127.0.0.1 alice 127.0.0.1:[0-9]+ ' "$DIR/access"
	fails grep -q mallory "$LOG" "$DIR/access"
}

# memory_has PID TEXT...: whether the writable memory of the process contains one
# of these.
memory_has() {
	local pid=$1 text options=()

	shift
	for text; do
		options+=(-e "$text")
	done
	memory_print "$pid" | grep -qaF "${options[@]}"
}

memory_print() {
	local range rest begin end

	while read -r range rest; do
		case $rest in
		rw*) ;;
		*) continue ;;
		esac
		begin=$((16#${range%-*}))
		end=$((16#${range#*-}))
		[ $((end - begin)) -le $((64 << 20)) ] || continue
		dd if="/proc/$1/mem" bs=4096 skip=$((begin / 4096)) \
		    count=$(((end - begin) / 4096)) 2>/dev/null || true
	done <"/proc/$1/maps"
}

@test "users: no worker has a hash in its memory, and none keeps a password" {
	local pid salt hash whole size secrets old

	need_proc
	salt=salt$RANDOM$RANDOM
	hash=$(openssl passwd -6 -salt "$salt" sesame-open)
	users "alice:$hash"
	users_start 'BasicAuth bob basic-secret' 'BasicAuth carol basic-secret' \
	    'Upstream http user:parent-secret@127.0.0.1:1 "parent.test"'
	memory_has "$ADIT_PID" "$hash" || skip "memory cannot be looked at"
	lets_in alice:sesame-open
	keeps_out alice:sesame-shut
	lets_in alice:sesame-open
	# A head in pieces, and one that never ends.
	whole=$(request alice:sesame-open)
	for size in "" 'X: '"$(printf 'x%.0s' {1..3000})"'\r\n'; do
		client send "${whole%????}" pause 50 send "$size" pause 50 \
		    send '\r\n' expect "$established" shut eof
		client send "${whole%????}$size" pause 50 shut refused 400 >/dev/null
	done
	client send "${whole%????}"'Content-Length: x\r\n\r\n' refused 400 >/dev/null
	for pid in $(worker_pids); do
		fails memory_has "$pid" "${hash#*"$salt"$}" sesame-open \
		    sesame-shut "$(printf alice:sesame-open | base64)"
	done
	# Those for passwords have hashes; a helper that looks up names, and the
	# desk that has started it, have never had one, nor a password.
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\nProxy-Authorization: Basic $(printf alice:sesame-open | base64)\r\n\r\n" refused 502
	[ -n "$(helper_pids)" ]
	for pid in $(family_pids); do
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		*passwords*) secrets=() ;;
		*worker*) continue ;;
		*) secrets=("${hash#*"$salt"$}" basic-secret parent-secret) ;;
		esac
		fails memory_has "$pid" sesame-open sesame-shut "${secrets[@]}"
	done
	# Nor do those that a reload starts keep what the old configuration had.
	old=$(family_pids)
	sed -i 's/basic-secret/other-secret/;s/parent-secret/other-parent/' "$CONF"
	reload finished
	for pid in $old; do
		wait_for dead "$pid"
	done
	for pid in $(family_pids); do
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		*worker*) continue ;;
		esac
		fails memory_has "$pid" basic-secret parent-secret
	done
}

@test "users: fifty thousand users are loaded and found as quickly as one" {
	seq 50000 | sed "s,.*,user&:$BCRYPT," >"$USERS"
	users_start
	lets_in user1:secret
	lets_in user50000:secret
	lets_in user25000:secret
	keeps_out user50001:secret
}

@test "users: ps shows which helpers are for passwords and which for names" {
	case $(uname) in
	Linux | *BSD | DragonFly) ;;
	*) skip "no process can change its title here" ;;
	esac
	users "alice:$SHA512"
	users_start
	lets_in alice:secret
	[ "$(ps -o args= -p "$(helper_pids)")" = 'adit: helper, passwords' ]
}
