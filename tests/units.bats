#!/usr/bin/env bats
# The pure parts: small programs that tests/run builds feed them from tables.

load helper

# driver NAME: prints the path of the program, or skips the test.
driver() {
	DRIVER=${ADIT_TEST_BUILD:-$BATS_TEST_DIRNAME/build}/$1
	[ -z "${ADIT_TEST_SOAK:-}" ] || skip "make check runs it"
	[ -x "$DRIVER" ] || skip "needs $1, which sh tests/run builds"
}

@test "units: every malformed request is refused, whole or in pieces, and no good one is" {
	driver parse_test
	"$DRIVER" "$BATS_TEST_DIRNAME/parse.tab"
}

@test "units: an array grows without losing an entry, and never beyond the memory" {
	driver array_test
	"$DRIVER"
}

@test "units: the filters of system calls allow what each process needs, and nothing else" {
	driver seccomp_test
	"$DRIVER"
}

@test "units: access rules decide as written, and floors hold whatever they say" {
	driver acl_test
	"$DRIVER" "$BATS_TEST_DIRNAME/acl.rules" "$BATS_TEST_DIRNAME/acl.verdicts"
}

@test "units: a rule hides another one only if it matches all that the other one matches" {
	driver cover_test
	"$DRIVER"
}

@test "units: each line of a list is read or refused, and a list has just what is in it" {
	driver list_test
	"$DRIVER"
}

@test "units: a filter refuses exactly what its patterns match, for every type, in any case" {
	driver filter_test
	"$DRIVER" "$DIR"
}

@test "units: patterns mean what they mean in glibc, one by one and many at once" {
	local status=0

	driver pattern_test
	"$DRIVER" 1500 || status=$?
	[ "$status" != 77 ] || skip "needs glibc"
	[ "$status" = 0 ]
}

@test "units: random patterns are refused, or match the same alone, together, and tried way by way" {
	mkdir "$DIR/corpus"
	printf '0^a\(b\|c*\)\{1,2\}\.\1$\n[a-c]x\n\nabc.cx' >"$DIR/corpus/bre"
	printf '1(^|\.)ab$\n\\<a+(b?|[[:alpha:]-])\\b\n.*b{0,3}\n\nx.ab' \
	    >"$DIR/corpus/ere"
	printf '2*.a?[!b-d]\n\\*a*\n\nx.abe' >"$DIR/corpus/fnmatch"
	fuzz pattern
}

@test "units: the index of the target rules gives the same verdicts as trying them one by one" {
	driver target_test
	"$DRIVER" model
}

@test "units: a verdict costs no more with a hundred thousand target rules than with ten" {
	driver target_test
	local status=0

	"$DRIVER" count || status=$?
	[ "$status" != 3 ] || skip "instructions cannot be counted here"
	[ "$status" = 0 ]
}

@test "units: a worker cannot write what other workers count" {
	driver share_test
	"$DRIVER"
}

@test "units: whatever one worker sends to the desk, the others get their answers" {
	driver desk_test
	"$DRIVER"
}

@test "units: names are remembered for a while, and no more of them than there is room for" {
	driver cache_test
	"$DRIVER"
}

@test "units: whatever a parent proxy sends, in any pieces, has one outcome and stays within bounds" {
	driver parent_test
	"$DRIVER"
}

@test "units: the connections and the debts of an address are counted correctly over all workers" {
	driver quota_test
	"$DRIVER"
}

@test "units: clients take turns, and one that asks for everything leaves room for the others" {
	driver turns_test
	"$DRIVER"
}

@test "units: digests are those of SipHash, and valid credentials are remembered for a minute" {
	driver secret_test
	"$DRIVER"
}

@test "units: an event that occurs a thousand times gives one line a minute, with the number of lines left out" {
	driver log_test
	"$DRIVER"
}

@test "units: a worker that sends the desk something else than a question is not believed" {
	driver question_test
	"$DRIVER"
}

@test "units: a client waits for the check of its password no longer than the rules say" {
	driver auth_test
	"$DRIVER"
}

@test "units: each line of a user file is read or refused, also with fifty thousand users" {
	local status=0

	driver login_test
	"$DRIVER" || status=$?
	[ "$status" != 77 ] || skip "there is no crypt()"
	[ "$status" = 0 ]
}

@test "units: each line of a HostsFile is read or refused, and each name found" {
	driver pins_test
	"$DRIVER"
}

@test "units: an AuthHelper is started with the words of its line, asked in one line, and believed only word for word" {
	driver authhelper_test
	"$DRIVER"
}

@test "units: the end of an answer and of content is found in one way, whole or in pieces" {
	driver http_test
	"$DRIVER"
}

@test "units: with any path or cookie a request goes below the URL of a mapping, or nowhere" {
	driver reverse_test
	"$DRIVER"
}

@test "units: a line of each access log format is what its readers expect, whatever a peer has sent" {
	driver record_test
	"$DRIVER"
}

@test "units: each step of a connection leads to the state that the table says" {
	driver steps_test
	"$DRIVER" "$DIR"
}

@test "units: bytes go through a tunnel whole and in order, however slowly they are taken, and ends and resets are told" {
	driver relay_test
	"$DRIVER"
}

@test "units: a judge of tunnels that hangs or dies is replaced or killed, and the log says so" {
	driver court_test
	"$DRIVER"
}

@test "units: adit(8) lists exactly the errors that the proxy can answer with" {
	driver refusal_test
	"$DRIVER" | sort -u >"$DIR/table"
	sed -n 's/^\.It \([1-9][0-9][0-9]\) Ta \([a-z_]*\) Ta .*/\1 \2/p' \
	    "$BATS_TEST_DIRNAME/../man/adit.8" | sort -u >"$DIR/manual"
	diff "$DIR/table" "$DIR/manual"
}

# fuzz NAME: runs NAME_fuzz.c under libFuzzer for as long as ADIT_TEST_SOAK says,
# with the files that a line in it names, starting from $DIR/corpus.
fuzz() {
	local top=$BATS_TEST_DIRNAME/.. source=$BATS_TEST_DIRNAME/$1_fuzz.c
	local files rooms

	read -ra files < <(sed -n 's,^/\* LINK: \(.*\) \*/$,\1,p' "$source")
	read -ra rooms < <(sed -n 's/^ROOMS = //p' "$top/Makefile")
	[ -n "${ADIT_TEST_SOAK:-}" ] || skip "make soak fuzzes"
	command -v clang >/dev/null || skip "needs clang"
	echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n)' \
	    '{ return p == 0 && n != 0; }' >"$DIR/try.c"
	clang -fsanitize=fuzzer -o "$DIR/try" "$DIR/try.c" 2>/dev/null ||
		skip "needs clang with libFuzzer"
	clang -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -o "$DIR/fuzz" \
	    "${rooms[@]/#-I/-I$top/}" "$source" "${files[@]/#/$top/}"
	unset ASAN_OPTIONS UBSAN_OPTIONS
	"$DIR/fuzz" -max_total_time="$ADIT_TEST_SOAK" -max_len=512 -seed=1 \
	    "$DIR/corpus" >"$DIR/fuzz.err" 2>&1
}

@test "units: random bytes do not break the parser" {
	mkdir "$DIR/corpus"
	printf 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n' \
	    >"$DIR/corpus/name"
	printf 'CONNECT [2001:db8::1]:443 HTTP/1.0\r\n\r\n\026\003\001' \
	    >"$DIR/corpus/ipv6"
	printf '\r\nCONNECT 1.2.3.4:1 HTTP/1.1\r\nProxy-Authorization: Basic dTpw\r\n\r\n' \
	    >"$DIR/corpus/auth"
	printf 'POST http://[::1]:80/p?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\nVia: 1.1 a\r\nContent-Length: 5\r\n\r\nabcde' \
	    >"$DIR/corpus/plain"
	printf 'PUT http://h HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nMax-Forwards: 1\r\n\r\n0\r\n\r\n' \
	    >"$DIR/corpus/chunked"
	fuzz parse
}

@test "units: a PROXY header is read to its last byte, and nothing that is none is taken for one" {
	driver preface_test
	"$DRIVER"
}

@test "units: random bytes are no PROXY header, or one that means the same when it is written again" {
	mkdir "$DIR/corpus"
	printf 'PROXY TCP4 198.51.100.7 192.0.2.1 12345 443\r\n' \
	    >"$DIR/corpus/v1"
	printf 'PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\nGET' \
	    >"$DIR/corpus/six"
	printf '\r\n\r\n\0\r\nQUIT\n\041\021\0\020\306\063\144\007\300\0\002\001\060\071\001\273\001\0\001h' \
	    >"$DIR/corpus/v2"
	printf '\r\n\r\n\0\r\nQUIT\n\040\0\0\003abc' >"$DIR/corpus/local"
	fuzz preface
}

@test "units: a TLS hello in any pieces is read in one way, and only its own name is found in it" {
	driver flight_test
	"$DRIVER"
}

@test "units: random bytes are no TLS hello, or one whose name is found within it" {
	mkdir "$DIR/corpus"
	driver flight_test
	for hello in 'good.test ech' 'a big' '- ssl3' 'b.test twice' '- retry'; do
		# shellcheck disable=SC2086
		printf "$("$DRIVER" $hello)" >"$DIR/corpus/${hello// /-}"
	done
	fuzz flight
}

@test "units: random bytes of a client do not break a line of an access log" {
	mkdir "$DIR/corpus"
	printf 'http://u@[::1]:80/\303\274\377"\\\n' >"$DIR/corpus/url"
	fuzz record
}

@test "units: random bytes of a server do not change where its answer ends" {
	mkdir "$DIR/corpus"
	printf '5;a=b\r\nabcde\r\n00\r\nA: b\r\n\r\nx' >"$DIR/corpus/chunks"
	printf 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: a\r\n\r\n' \
	    >"$DIR/corpus/length"
	printf 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' \
	    >"$DIR/corpus/chunked"
	fuzz http
}

@test "units: whatever client and server send, exactly one well-formed message is passed on, or none" {
	local post='POST http://h:81/p?q HTTP/1.1\r\nHost: x\r\nConnection: a\r\nA: b\r\n'

	mkdir "$DIR/corpus"
	printf "${post}Content-Length: 5\r\n\r\nabcde\0\0HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde" \
	    >"$DIR/corpus/length"
	printf "${post}Transfer-Encoding: chunked\r\n\r\n5;a\r\nabcde\r\n0\r\nA: b\r\n\r\n\0\0HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n" \
	    >"$DIR/corpus/chunked"
	printf "${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\0\0HTTP/1.1 407 P\r\n\r\n" \
	    >"$DIR/corpus/both"
	printf 'GET http://h HTTP/1.0\r\n\r\n\0\0HTTP/1.0 200 OK\r\nConnection: x\r\n\r\nabcde' \
	    >"$DIR/corpus/old"
	printf 'HEAD http://[::1]/ HTTP/1.1\r\nHost:\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc\0\0HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabcde' \
	    >"$DIR/corpus/upgrade"
	printf 'OPTIONS http://h HTTP/1.1\r\nHost: x\r\nMax-Forwards: 3\r\nVia: 1.1 a\r\nExpect: 100-continue\r\n\r\n\0\0HTTP/1.1 204 \r\nUpgrade: x\r\n\r\n' \
	    >"$DIR/corpus/options"
	printf 'PUT /a/@x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab\0\0HTTP/1.1 103 E\r\nLocation: http://h:81/p/\r\n\r\nHTTP/1.1 302 F\r\nLocation: http://h:81/p/x#y\r\nContent-Length: 0\r\n\r\n' \
	    >"$DIR/corpus/mapped"
	printf 'GET /x HTTP/1.1\r\nHost: x\r\nCookie: yummy_magical_cookie=/a/\r\n\r\n\0\0HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab' \
	    >"$DIR/corpus/baked"
	fuzz forward
}

@test "units: what is asked of the control process, and what it sums up" {
	driver control_test
	"$DRIVER"
}

@test "units: random bytes to the control process are a request, a command, or refused" {
	mkdir "$DIR/corpus"
	printf 'GET /status?sort=rate&refresh=5 HTTP/1.1\r\nHost: x\r\n\r\n' \
	    >"$DIR/corpus/page"
	printf -- '-j sessions client 10.0.0.0/8' >"$DIR/corpus/client"
	printf 'kill target [2001:db8::1]:443' >"$DIR/corpus/target"
	printf 'sessions 3.1207' >"$DIR/corpus/id"
	printf 'log warning' >"$DIR/corpus/log"
	fuzz control
}

@test "units: random lines are a list, or refused" {
	mkdir "$DIR/corpus"
	printf '||a.example^\n! x\n*.b.example\n.c.example # d\n' \
	    >"$DIR/corpus/names"
	printf '127.0.0.1 localhost\n0.0.0.0 e.example f.example\n' \
	    >"$DIR/corpus/hosts"
	printf '192.0.2.0/24\n2001:db8::1\n10.0.0.1/8\n' \
	    >"$DIR/corpus/blocks"
	fuzz list
}
