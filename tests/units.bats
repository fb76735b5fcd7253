#!/usr/bin/env bats
# The pure parts: small programs that tests/run builds feed them from tables.

load helper

# driver NAME: prints the path of the program, or skips the test.
driver() {
	DRIVER=${ADIT_TEST_BUILD:-$BATS_TEST_DIRNAME/build}/$1
	[ -x "$DRIVER" ] || skip "needs $1, which sh tests/run builds"
}

# fuzz NAME RUNS: runs NAME_fuzz with its corpus, and with so many random changes
# of that; `make fuzz` does more.
fuzz() {
	driver "$1_fuzz"
	"$DRIVER" "$2" "$BATS_TEST_DIRNAME/corpus/$1"/*
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

@test "units: the baton goes to the worker with the fewest clients that can take more, and a reserve sleeps" {
	driver baton_test
	"$DRIVER"
}

@test "units: descriptors that a process has sent do not keep another one waiting when that hangs up" {
	driver sys_test
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
	fuzz pattern 10000
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
	driver matter_test
	"$DRIVER"
}

@test "units: digests are those of SipHash, and valid credentials are remembered for a minute" {
	driver secret_test
	"$DRIVER"
}

@test "units: a line put together by hand is what vsnprintf(3) makes of it" {
	driver format_test
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

@test "units: whatever clients, servers, desks and the master do, a worker rests after it, and keeps nothing" {
	fuzz worker 1000
}

@test "units: whatever its children, signals and clients do, the master restores what it should have, ends, and keeps nothing" {
	fuzz master 500
}

@test "units: bytes go through a tunnel whole and in order, however slowly they are taken, and ends and resets are told" {
	driver relay_test
	"$DRIVER"
}

@test "units: a judge of tunnels that hangs or dies is replaced or killed, and the log says so" {
	driver court_test
	"$DRIVER"
}

@test "units: the judge asks a few workers at a time, and sleeps while these say nothing" {
	driver judge_test
	"$DRIVER"
}

@test "units: adit(8) lists exactly the errors that the proxy can answer with" {
	driver refusal_test
	"$DRIVER" | sort -u >"$DIR/table"
	sed -n 's/^\.It \([1-9][0-9][0-9]\) Ta \([a-z_]*\) Ta .*/\1 \2/p' \
	    "$BATS_TEST_DIRNAME/../man/adit.8" | sort -u >"$DIR/manual"
	diff "$DIR/table" "$DIR/manual"
}

@test "units: random bytes do not break the parser" {
	fuzz parse 10000
}

@test "units: a PROXY header is read to its last byte, and nothing that is none is taken for one" {
	driver preface_test
	"$DRIVER"
}

@test "units: random bytes are no PROXY header, or one that means the same when it is written again" {
	fuzz preface 10000
}

@test "units: a TLS hello in any pieces is read in one way, and only its own name is found in it" {
	driver flight_test
	"$DRIVER"
}

@test "units: random bytes are no TLS hello, or one whose name is found within it" {
	fuzz flight 10000
}

@test "units: random bytes of a client do not break a line of an access log" {
	fuzz record 10000
}

@test "units: random bytes of a server do not change where its answer ends" {
	fuzz http 10000
}

@test "units: whatever client and server send, exactly one well-formed message is passed on, or none" {
	fuzz forward 10000
}

@test "units: what is asked of the control process, and what it sums up" {
	driver control_test
	"$DRIVER"
}

@test "units: random bytes to the control process are a request, a command, or refused" {
	fuzz control 10000
}

@test "units: random messages to a desk are each answered once, or not at all" {
	fuzz desk 1000
}

@test "units: random bytes are a configuration, or refused with a message" {
	fuzz conf 300
}

@test "units: random bytes for the program that follows are refused, or mean the same twice" {
	fuzz handover 2000
}

@test "units: random values bring no markup into a page" {
	fuzz page 1000
}

@test "units: random lines name hosts and users that are found, or are refused" {
	fuzz lines 5000
}

@test "units: whatever a service manager hands over, only what listens is taken" {
	fuzz service 1000
}

@test "units: random bytes hold no name of a server, or one that can stand in a request" {
	fuzz vet 5000
}

@test "units: random lines are a list, or refused" {
	fuzz list 2000
}
