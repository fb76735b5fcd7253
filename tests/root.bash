# shellcheck shell=bash
# A throw-away machine for tests that need files in /etc, /usr and /var, users,
# scripts and daemons of their own.  It sees the file system of this machine,
# but writes to memory, and has its own processes, network and name.  It ends
# with the process that holds it.
#
# After root_start, `inside COMMAND...` runs there as root.  $DIR and the files
# of this project are the same there.

# root_start: starts it and waits until it is ready, or skips the test.
root_start() {
	need_root
	need_command unshare nsenter ip start-stop-daemon
	ROOT_PID=
	mkdir "$DIR/space"
	unshare -m -p -n -u -i --fork --kill-child true 2>/dev/null ||
		skip "needs namespaces"
	root_script >"$DIR/space.sh"
	unshare -m -p -n -u -i --fork --kill-child sh "$DIR/space.sh" \
	    >"$DIR/space.out" 2>"$DIR/space.err" </dev/null 3>&- &
	ROOT_KEEPER=$!
	own_pid "$ROOT_KEEPER"
	wait_for root_ready_or_dead
	grep -q ready "$DIR/space.out" ||
		skip "needs overlay file systems ($(tail -n 1 "$DIR/space.err"))"
	ROOT_PID=$(child_pids "$ROOT_KEEPER")
	INSIDE=(nsenter -t "$ROOT_PID" -m -p -n -u -i -r -w env
	    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
}

root_ready_or_dead() {
	grep -q ready "$DIR/space.out" || dead "$ROOT_KEEPER"
}

# root_end: ends its first process, and all others with it.
root_end() {
	if [ -n "$ROOT_PID" ]; then
		kill -KILL "$ROOT_PID" 2>/dev/null || true
		ROOT_PID=
	fi
}

teardown() {
	root_end
	common_teardown
}

# Its first process: it waits for the others, so that none stays a zombie.
root_script() {
	cat <<-END
	set -e
	mount --make-rprivate /
	cd "$DIR/space"
	mount -t tmpfs -o mode=755 none .
	cd "$DIR/space"
	mkdir upper work root
	mount -t overlay overlay \
	    -o lowerdir=/,upperdir=upper,workdir=work root
	mount -t proc proc root/proc
	mount --rbind /dev root/dev
	mount -t tmpfs -o mode=755 none root/run
	mkdir root/run/lock
	for d in "$BATS_RUN_TMPDIR" "$(cd "$BATS_TEST_DIRNAME/.." && pwd)"; do
		mkdir -p "root\$d"
		mount --bind "\$d" "root\$d"
	done
	rm -f root/usr/sbin/policy-rc.d root/usr/sbin/runlevel
	printf '#!/bin/sh\necho N 2\n' >root/usr/sbin/runlevel
	chmod 755 root/usr/sbin/runlevel
	ip link set lo up
	echo ready
	exec chroot root sh -c 'while :; do sleep 1; done'
	END
}

# inside COMMAND...: runs it there, in the directory /.  In the background it
# is "${INSIDE[@]}" COMMAND... &, so that it is one process.
inside() {
	"${INSIDE[@]}" "$@" 3>&-
}

# inside_is COMMAND...: for wait_for, without its output.
inside_is() {
	inside "$@" >/dev/null 2>&1
}

# serves_inside PORT [HOST]: whether a tunnel through 127.0.0.1:PORT to HOST, by
# default 127.0.0.1, works there.  Needs `peer_inside`.
serves_inside() {
	inside "$PEER" client 127.0.0.1 "$1" \
	    tunnel "${2:-127.0.0.1}:$ECHO_PORT" rtt 1 5 shut eof
}

# peer_inside: starts an echo server there; sets ECHO_PORT.
peer_inside() {
	: >"$DIR/echo.out"
	"${INSIDE[@]}" "$PEER" server echo >"$DIR/echo.out" \
	    2>"$DIR/echo.err" </dev/null 3>&- &
	own_pid $!
	wait_for grep -q . "$DIR/echo.out"
	ECHO_PORT=$(head -n 1 "$DIR/echo.out")
}

# tunnel_inside NAME PORT: opens a tunnel there that prints "up", waits for
# $DIR/go, makes round trips and prints "whole".
tunnel_inside() {
	: >"$DIR/$1.out"
	"${INSIDE[@]}" "$PEER" client 127.0.0.1 "$2" \
	    tunnel "127.0.0.1:$ECHO_PORT" rtt 1 5 say up \
	    wait "$DIR/go" rtt 3 100 say whole shut eof \
	    >"$DIR/$1.out" 2>"$DIR/$1.err" </dev/null 3>&- &
	printf -v "$1_PID" %s $!
	own_pid $!
	wait_for peer_said "$1" up
}
