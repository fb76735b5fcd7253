# shellcheck shell=bash
# A throw-away machine for tests that need files in /etc, /usr and /var, users,
# scripts and daemons of their own.  It sees the file system of this machine,
# but writes to memory, and has its own processes, network and name.  It ends
# with the process that holds it.
#
# After root_start, `inside COMMAND...` runs there as root.  $DIR and the files
# of this project are the same there.

# root_start [systemd]: starts it and waits until it is ready, or skips the
# test.  Its first process waits for the others, or is systemd.
root_start() {
	local spaces=(-m -p -n -u -i)

	need_root
	need_command unshare nsenter ip start-stop-daemon
	ROOT_PID=
	ROOT_GROUPS=()
	mkdir "$DIR/space"
	unshare "${spaces[@]}" --fork --kill-child true 2>/dev/null ||
		skip "needs namespaces"
	if [ "${1:-}" = systemd ]; then
		root_groups
		spaces+=(-C)
	fi
	root_script "${1:-}" >"$DIR/space.sh"
	sh -c 'for d in $1; do
	    echo $$ >"$d/cgroup.procs" || true
	done 2>/dev/null
	shift
	exec "$@"' - "${ROOT_GROUPS[*]}" \
	    unshare "${spaces[@]}" --fork --kill-child sh "$DIR/space.sh" \
	    >"$DIR/space.out" 2>"$DIR/space.err" </dev/null 3>&- &
	ROOT_KEEPER=$!
	own_pid "$ROOT_KEEPER"
	wait_for root_ready_or_dead
	grep -q ready "$DIR/space.out" ||
		skip "needs overlay file systems ($(tail -n 1 "$DIR/space.err"))"
	ROOT_PID=$(child_pids "$ROOT_KEEPER")
	INSIDE=(nsenter -t "$ROOT_PID" -m -p -n -u -i -r -w env
	    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
	[ "${1:-}" != systemd ] || root_systemd_wait
}

# root_groups: makes a control group for systemd in each hierarchy, so that it
# makes its own below them; sets ROOT_GROUPS.
root_groups() {
	local d name=adit-test.$$.$RANDOM

	[ -x /lib/systemd/systemd ] || skip "needs systemd"
	for d in /sys/fs/cgroup /sys/fs/cgroup/*; do
		if [ -w "$d/cgroup.procs" ] && [ ! -L "$d" ] &&
		    mkdir "$d/$name" 2>/dev/null; then
			ROOT_GROUPS+=("$d/$name")
			[ "$d" != /sys/fs/cgroup ] || break
		fi
	done
	[ "${#ROOT_GROUPS[@]}" -gt 0 ] || skip "needs control groups"
}

root_systemd_wait() {
	wait_for inside_is systemctl --quiet is-active sockets.target || {
		tail -n 5 "$DIR/space.out"
		skip "systemd does not start here"
	}
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
	if [ "${#ROOT_GROUPS[@]}" -gt 0 ]; then
		wait_for -t 5 root_groups_end || true
	fi
}

# root_groups_end: whether its control groups could be removed.
root_groups_end() {
	local d

	find "${ROOT_GROUPS[@]}" -depth -type d -exec rmdir {} + 2>/dev/null
	for d in "${ROOT_GROUPS[@]}"; do
		[ ! -e "$d" ] || return 1
	done
}

teardown() {
	root_end
	common_teardown
}

# Its first process: sh waits for the others, so that none stays a zombie.
root_script() {
	local init="exec chroot root sh -c 'while :; do sleep 1; done'"

	if [ "$1" = systemd ]; then
		init=$(root_systemd)
	fi
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
	$init
	END
}

# root_systemd: prints what starts systemd there, with its journal and nothing
# else.
root_systemd() {
	cat <<-'END'
	mount -t sysfs -o ro none root/sys
	if [ -e /sys/fs/cgroup/systemd ]; then
		mount -t tmpfs -o mode=755 none root/sys/fs/cgroup
		mkdir root/sys/fs/cgroup/systemd
		mount -t cgroup -o none,name=systemd none \
		    root/sys/fs/cgroup/systemd
	else
		mount -t cgroup2 none root/sys/fs/cgroup
	fi
	rm -f root/etc/fstab root/etc/systemd/system/*.wants/*
	find root/lib/systemd/system/sysinit.target.wants \
	    root/lib/systemd/system/sockets.target.wants \
	    ! -name '*journald*' ! -type d -delete
	# Its sockets leave links in /dev.
	umount -l root/dev
	mount -t tmpfs -o mode=755 none root/dev
	mkdir root/dev/shm root/dev/pts
	for d in null zero full random urandom tty; do
		touch root/dev/$d
		mount --bind /dev/$d root/dev/$d
	done
	ln -s pts/ptmx root/dev/ptmx
	rm -f root/etc/machine-id
	echo 0123456789abcdef0123456789abcdef >root/etc/machine-id
	exec chroot root env -i container=other \
	    PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	    /lib/systemd/systemd --unit=basic.target --log-target=journal
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
