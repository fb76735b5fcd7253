#!/usr/bin/env bats
# Calls of the system and of libc that fail, one at a time; see faulty.c.

load helper

@test "faults: a call that fails costs a client its request at most, and leaves nothing behind" {
	local status=0 most=1

	[ -z "${ADIT_TEST_SOAK:-}" ] || most=40
	[ "${ADIT_TEST_SOAK:-60}" -ge 60 ] || skip "takes three minutes"
	sanitized && skip "a sanitizer has an allocator of its own"
	[ -r "/proc/$$/task/$$/children" ] || skip "needs Linux"
	need_crypt
	"${CC:-cc}" -O1 -o "$DIR/faulty" "$BATS_TEST_DIRNAME/faulty.c"
	"${CC:-cc}" -O1 -shared -fPIC -o "$DIR/faults.so" \
	    "$BATS_TEST_DIRNAME/faults.c" -ldl 2>"$DIR/cc.err" ||
		skip "needs glibc"
	# Workers of another user read this.
	chmod 755 "$DIR/faults.so"
	head -c 4096 /dev/zero >"$DIR/page"
	# "secret", with as little work as there can be.
	for ((i = 0; i < 1000; i++)); do
		echo "u$i:\$5\$rounds=1000\$abcdefgh\$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6VjyOmkx5i4"
	done >"$DIR/users"
	LD_PRELOAD=$DIR/faults.so FAULTS=$DIR/page adit_start "Workers 1" \
	    "AuthFile \"$DIR/users\"" "AccessLog \"$DIR/access\"" \
	    "ConnectTimeout 2" "DrainTimeout 20"
	need_descriptors
	"$DIR/faulty" "$DIR/page" "$ADIT_PID" "$PORT" "$LOG" \
	    "$most" || status=$?
	[ "$status" != 77 ] || skip "adit loads no library"
	[ "$status" = 0 ]
	adit_stop
	[ "$STATUS" = 0 ]
}
