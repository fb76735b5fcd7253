#!/usr/bin/env bats
# An upgrade in place: another program takes over from the one that runs.

load helper
LOOKS_INSIDE=yes
load stream

bats_require_minimum_version 1.5.0

setup() {
	common_setup
	REAL=$ADIT
	ADIT=$DIR/sbin/adit
	mkdir "$DIR/sbin"
	chmod 755 "$DIR/sbin"
	cp "$REAL" "$ADIT"
}

# log_text: prints the log, wherever it is.
log_text() {
	logs_find
	cat "${LOGS[@]}" 2>/dev/null
}

says_times() {
	[ "$(log_text | grep -c -e "$2")" = "$1" ]
}

# upgrade: asks for an upgrade, and waits until it has succeeded.
upgrade() {
	local n

	n=$(log_text | grep -c 'Reloading config file finished' || true)
	kill -USR2 "$ADIT_PID"
	wait_for -t 30 says_times $((n + 1)) 'Reloading config file finished'
	alive "$ADIT_PID"
}

# upgrade_fails TEXT: asks for one that fails, for this reason.
upgrade_fails() {
	local n

	n=$(log_text | grep -c 'Upgrade failed: ' || true)
	kill -USR2 "$ADIT_PID"
	wait_for -t 30 says_times $((n + 1)) 'Upgrade failed: '
	log_text | grep 'Upgrade failed: ' | tail -n 1 | grep -F -e "$1" || {
		log_text | grep 'Upgrade failed: '
		return 1
	}
	alive "$ADIT_PID"
}

# program MODE: puts a script with the standard input as its text in the place
# of the program, as a package does.
program() {
	cat >"$DIR/sbin/new"
	chmod "$1" "$DIR/sbin/new"
	mv -f "$DIR/sbin/new" "$ADIT"
}

# program_right: the same with the real one.
program_right() {
	program 755 <"$REAL"
}

# zombies: how many processes of the master are zombies.
zombies() {
	ps -o stat= --ppid "$ADIT_PID" | grep -c '^Z' || true
}

@test "upgrade: three in a row under load refuse and cut nothing, and a tunnel outlives all" {
	local i first

	peer_start srv server echo
	adit_start "Workers 2"
	first=$(child_pids | head -n 1)
	tunnel_start t
	stream_start
	for i in 1 2 3; do
		program_right
		upgrade
	done
	stream_stop
	wait_for log_has 'Upgraded to adit '
	[ "$(log_count 'Upgraded to adit ')" = 3 ]
	tunnel_whole t
	wait_for dead "$first"
	[ "$(zombies)" = 0 ]
	adit_stop
	[ "$STATUS" = 0 ]
}

@test "upgrade: whatever is wrong with the new program, the old one goes on and says what" {
	# One of them dies from a signal.
	CRASH_OK=1
	peer_start srv server echo
	adit_start "Workers 2"
	tunnel_start t
	stream_start
	program 644 </dev/null
	upgrade_fails "$ADIT: exited with status 127: Permission denied"
	rm "$ADIT"
	upgrade_fails "$ADIT: exited with status 127: No such file"
	program 755 <<-'END'
	#!/bin/sh
	echo "adit: error while loading shared libraries: libx.so" >&2
	exit 127
	END
	upgrade_fails "exited with status 127: adit: error while loading shared"
	program 755 <<-'END'
	#!/bin/sh
	kill -SEGV $$
	END
	upgrade_fails "died from signal 11"
	# An older version knows no -U.
	program 755 <<-'END'
	#!/bin/sh
	echo "adit: invalid option -- 'U'" >&2
	echo "usage: adit [-dhtv] [-c file]" >&2
	exit 64
	END
	upgrade_fails "exited with status 64: adit: invalid option -- 'U'"
	program 755 <<-'END'
	#!/bin/sh
	echo "handover 0.1.2"
	END
	upgrade_fails 'its hand-over is another one than this, which is "handover '
	program 755 <<-'END'
	#!/bin/sh
	exit 0
	END
	upgrade_fails 'its hand-over is another one'
	program_right
	echo "Nonsense 1" >>"$CONF"
	upgrade_fails "Nonsense"
	sed -i.bak '/^Nonsense/d' "$CONF"
	upgrade
	stream_stop
	tunnel_whole t
}

@test "upgrade: a new program that hangs is ended, with what it has started, while clients are served" {
	local pid

	peer_start srv server echo
	adit_start
	program 755 <<-END
	#!/bin/sh
	echo \$\$ >"$DIR/hangs"
	sleep 1000 &
	echo \$! >>"$DIR/hangs"
	wait
	END
	kill -USR2 "$ADIT_PID"
	wait_for lines_are "$DIR/hangs" 2
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	# A reload waits for it.
	kill -HUP "$ADIT_PID"
	wait_for -t 30 log_has 'Upgrade failed: .*: it did not end within 10 seconds'
	wait_for log_has 'Reloading config file finished'
	for pid in $(cat "$DIR/hangs"); do
		wait_for dead "$pid"
	done
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "upgrade: a stop does not wait for a new program that hangs" {
	adit_start
	program 755 <<-END
	#!/bin/sh
	echo \$\$ >"$DIR/hangs"
	exec sleep 1000
	END
	kill -USR2 "$ADIT_PID"
	wait_for lines_are "$DIR/hangs" 1
	adit_stop
	[ "$STATUS" = 0 ]
	wait_for dead "$(cat "$DIR/hangs")"
}

@test "upgrade: a SIGTERM that comes as the new program takes over is not lost" {
	ldd "$REAL" >/dev/null 2>&1 || skip "nothing can be put into this program"
	# The fourth of these is for the hand-over.
	cat >"$DIR/signal.c" <<-'END'
		#define _GNU_SOURCE
		#include <signal.h>
		#include <sys/syscall.h>
		#include <unistd.h>

		int
		memfd_create(const char *name, unsigned flags)
		{
			static int calls;

			if (++calls == 4)
				raise(SIGTERM);
			return (int)syscall(SYS_memfd_create, name, flags);
		}
	END
	gcc -shared -fPIC -o "$DIR/signal.so" "$DIR/signal.c" ||
		skip "gcc makes no library"
	LD_PRELOAD=$DIR/signal.so adit_start
	kill -USR2 "$ADIT_PID"
	wait_for -t 30 dead "$ADIT_PID"
	wait "$ADIT_PID"
	log_text | grep -q 'Upgraded to'
	log_text | grep -q 'Shutting down'
}

@test "upgrade: after upgrades and reloads a stop leaves nothing running, and a drain ends with the last tunnel" {
	local pids

	peer_start srv server echo
	adit_start "Workers 2"
	tunnel_start a
	upgrade
	tunnel_start b
	kill -HUP "$ADIT_PID"
	wait_for says_times 2 'Reloading config file finished'
	upgrade
	mapfile -t pids < <(family_pids)
	adit_stop
	[ "$STATUS" = 0 ]
	for pid in "${pids[@]}"; do
		wait_for dead "$pid"
	done
	: >"$LOG"
	adit_start
	tunnel_start c
	upgrade
	kill -QUIT "$ADIT_PID"
	log_wait 'Draining'
	wait_for fails client
	alive "$ADIT_PID"
	tunnel_whole c
	wait_for dead "$ADIT_PID"
	wait "$ADIT_PID"
}

@test "upgrade: a daemon keeps its number, its PID file and its logs, with paths from another directory" {
	local pid

	peer_start srv server echo
	adit_conf "PidFile \"$DIR/pid\"" "LogFile \"$DIR/adit.log\"" \
	    "AccessLog \"$DIR/access\""
	# By PATH, and with a relative path of the configuration.
	(cd "$DIR" && PATH=$DIR/sbin:$PATH adit -c adit.conf) \
	    >>"$LOG" 2>>"$STDERR" </dev/null 3>&-
	pid=$(cat "$DIR/pid")
	ADIT_PID=$pid
	own_pid "$pid"
	tunnel_start t
	upgrade
	upgrade
	[ "$(cat "$DIR/pid")" = "$pid" ]
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	tunnel_whole t
	wait_for access_lines 2
	adit_stop || true
	wait_for dead "$pid"
	[ ! -e "$DIR/pid" ]
	[ ! -s "$LOG" ]
}

@test "upgrade: descriptors, environment, mask of files and limits are as before, also after many" {
	local n i

	need_proc
	adit_start
	upgrade
	wait_for children_gone
	n=$(fd_count "$ADIT_PID")
	for i in 1 2 3 4 5; do
		upgrade
	done
	wait_for children_gone
	wait_for fd_count_is "$n" "$ADIT_PID"
	fails grep -qz ADIT_HANDOVER "/proc/$ADIT_PID/environ"
	grep -q '^Umask:.*0027' "/proc/$ADIT_PID/status"
	# The master blocks signals except while it sleeps.
	wait_for file_says '^SigBlk:.*0000000000000000' "/proc/$ADIT_PID/status"
}

# children_gone: only the children of one generation are left.
children_gone() {
	[ "$(child_pids | wc -l)" -le "$(($(nproc) + 1))" ]
}

@test "upgrade: when the new program cannot start workers, the old ones go on, and it tries again" {
	peer_start srv server echo
	adit_start "Workers 2"
	tunnel_start t
	program 755 <<-END
	#!/bin/sh
	[ "\$1" = -U ] || echo "Nonsense 1" >>"$CONF"
	exec "$REAL" "\$@"
	END
	kill -USR2 "$ADIT_PID"
	log_wait 'Upgraded to adit'
	log_wait 'Reloading config file failed!'
	for i in 1 2 3; do
		client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	done
	fails log_has 'Reloading config file finished'
	sed -i.bak '/^Nonsense/d' "$CONF"
	wait_for -t 30 log_has 'Reloading config file finished'
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	tunnel_whole t
}

@test "upgrade: signals that come together are obeyed one after the other" {
	peer_start srv server echo
	adit_start
	tunnel_start t
	stream_start
	for i in 1 2 3 4 5; do
		kill -HUP "$ADIT_PID"
		kill -USR2 "$ADIT_PID"
	done
	wait_for -t 30 log_has 'Upgraded to adit'
	wait_for log_has 'Reloading config file finished'
	stream_stop
	tunnel_whole t
	alive "$ADIT_PID"
}

@test "upgrade: under a service manager the given sockets stay, and it learns of a reload" {
	local notes=$DIR/notes

	[ -x "$BUILD/manager" ] || skip "manager was not built"
	peer_start srv server echo
	ADIT_WRAP=("$BUILD/manager" -o "$notes" -l 127.0.0.1 -s "$DIR/notify")
	adit_start
	PORT=$(sed -n 's/^port //p' "$notes")
	tunnel_start t
	upgrade
	wait_for grep -q 'RELOADING=1' "$notes"
	wait_for eval '[ "$(grep -c "READY=1 MAINPID=$ADIT_PID STATUS=Serving" "$notes")" = 2 ]'
	program 755 </dev/null
	upgrade_fails "exited with status 127"
	wait_for grep -q 'READY=1.*STATUS=Upgrade failed: ' "$notes"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	program_right
	upgrade
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	tunnel_whole t
}

@test "upgrade: a hand-over that nobody has left is not believed" {
	adit_conf
	printf 'handover 1\n' >"$DIR/forged"
	run -71 timeout 20 env ADIT_HANDOVER=9 "$ADIT" -d -c "$CONF" 9<"$DIR/forged"
	[[ $output == *"the hand-over is not right"* ]]
	ADIT_WRAP=(env ADIT_HANDOVER=77)
	adit_start
	client
}
