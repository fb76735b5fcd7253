#!/usr/bin/env bats
# Reloads, upgrades, deaths and stopped processes under load, and then very many
# connections: nothing may be left over.  `make soak` runs it.

load helper
LOOKS_INSIDE=yes

setup() {
	common_setup
	CRASH_OK=yes
	[ -n "${ADIT_TEST_CONNECTIONS:-}" ] || skip "make soak runs it"
	[ -r "/proc/$$/task/$$/children" ] || skip "needs Linux"
	"${CC:-cc}" -O1 -o "$DIR/storm" "$BATS_TEST_DIRNAME/storm.c"
	# The same storm each time; another seed gives another one.
	RANDOM=${ADIT_TEST_SEED:-1}
	echo "seed ${ADIT_TEST_SEED:-1}"
	ROUNDS=$((ADIT_TEST_CONNECTIONS / 2000))
	[ "$ROUNDS" -ge 20 ] || ROUNDS=20
}

# metric NAME: prints its value.
metric() {
	curl -s -m 30 "http://127.0.0.1:$STATUS_PORT/metrics" |
		awk -v name="$1" '$1 == name { print $2 }'
}

# storm N [FILE]: so many connections, eight at a time, or until there is the
# file; leaves what has become of them in $DIR/storm.out.
storm() {
	"$DIR/storm" "$PORT" "$srv_PORT" 8 "$@" >"$DIR/storm.out" 2>&1
}

# stormed NAME: prints how many of them there were.
stormed() {
	sed -n "s/.*$1 \([0-9]*\).*/\1/p" "$DIR/storm.out"
}

# held: sets HELD to how many descriptors each process of adit has, in order.
held() {
	local pid

	family
	HELD=$(for pid in "$ADIT_PID" "${FAMILY[@]}"; do
		find "/proc/$pid/fd" -type l 2>/dev/null | wc -l
	done | sort -n | tr '\n' ' ')
}

held_is() {
	held
	[ "$HELD" = "$1" ]
}

# harm: does something at random to a process of adit at random.
harm() {
	local pid

	family
	pid=${FAMILY[RANDOM % ${#FAMILY[@]}]}
	case $((RANDOM % 10)) in
	0 | 1 | 2 | 3) kill -HUP "$ADIT_PID" ;;
	4 | 5) kill -KILL "$pid" 2>/dev/null || true ;;
	6)
		kill -HUP "$ADIT_PID"
		kill -KILL "$pid" 2>/dev/null || true
		;;
	7)
		kill -STOP "$pid" 2>/dev/null || true
		sleep "0.$((RANDOM % 3))"
		kill -CONT "$pid" 2>/dev/null || true
		;;
	8)
		kill -STOP "$ADIT_PID"
		kill -KILL "$pid" 2>/dev/null || true
		sleep "0.$((RANDOM % 3))"
		kill -CONT "$ADIT_PID"
		;;
	9) kill -USR2 "$ADIT_PID" ;;
	esac
	sleep "0.0$((RANDOM % 10))"
}

# settled: whether both workers are ready, and no older configuration is left.
settled() {
	[ "$(metric 'adit_workers{state="ready"}')" = 2 ] &&
		[ "$(metric adit_generations_draining)" = 0 ] &&
		[ "$(metric adit_connections_accepted_total)" != "" ]
}

@test "soak: after reloads, upgrades, deaths and a million connections all is as before" {
	local i pid accepted tunnels made before memory

	port_take
	STATUS_PORT=$FREE_PORT
	peer_start srv echod -a 0.0.0.0
	adit_start "Workers 2" "StatusListen 127.0.0.1 $STATUS_PORT" \
	    "DrainTimeout 2" "LogLevel Error"
	need_descriptors
	storm 400
	[ "$(stormed tunnels)" = 400 ]
	wait_for settled
	held
	before=$HELD
	accepted=$(metric adit_connections_accepted_total)

	storm 1000000000 "$DIR/calm" &
	pid=$!
	own_pid "$pid"
	for ((i = 0; i < ROUNDS; i++)); do
		harm
	done
	touch "$DIR/calm"
	wait "$pid" || { cat "$DIR/storm.out"; false; }
	cat "$DIR/storm.out"
	wait_for -t 60 settled
	wait_for -t 60 held_is "$before"
	# None was counted twice.
	made=$(metric adit_connections_accepted_total)
	[ $((made - accepted)) -le "$(stormed made)" ]
	[ $((made - accepted)) -ge "$(stormed tunnels)" ]

	accepted=$made
	tunnels=$(metric adit_tunnels_established_total)
	storm $((ADIT_TEST_CONNECTIONS / 10))
	memory=$(resident)
	storm $((ADIT_TEST_CONNECTIONS - ADIT_TEST_CONNECTIONS / 10))
	made=$ADIT_TEST_CONNECTIONS
	wait_for -t 60 held_is "$before"
	[ "$(metric adit_connections_accepted_total)" = $((accepted + made)) ]
	[ "$(metric adit_tunnels_established_total)" = $((tunnels + made)) ]
	[ "$(metric 'adit_connections{generation="live"}')" = 0 ]
	echo "memory: $memory KiB, then $(resident) KiB"
	[ "$(resident)" -le $((memory + 2048)) ]
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "soak: a stop at any moment ends adit, and all of its processes" {
	local i pid

	peer_start srv echod -a 0.0.0.0
	for ((i = 0; i < ROUNDS / 10; i++)); do
		adit_start "Workers 2" "DrainTimeout 2"
		harm
		harm
		family
		adit_stop
		[ "$STATUS" = 0 ]
		for pid in "${FAMILY[@]}"; do
			wait_for dead "$pid"
		done
	done
}
