#!/usr/bin/env bats
# adit in place of Debian's tinyproxy, with the scripts and the configuration of
# that package; and started in the ways of other systems.

load helper
load root
load packages

# 8888 is the port in the configuration of the package.
CONFIG=/etc/tinyproxy/tinyproxy.conf
PIDFILE=/run/tinyproxy/tinyproxy.pid
TLOG=/var/log/tinyproxy/tinyproxy.log
TOP=$BATS_TEST_DIRNAME/..

setup_file() {
	[ "$(id -u)" = 0 ] || return 0
	packages_fetch tinyproxy tinyproxy-bin
}

# Installs Debian's package with its user, and adit as its program.
setup() {
	common_setup
	TINYPROXY=${ADIT%/*}/tinyproxy
	[ -x "$TINYPROXY" ] || skip "needs tinyproxy beside ${ADIT##*/}"
	need_root
	need_packages tinyproxy tinyproxy-bin
	root_start
	stderr_expected "^$CONFIG:[0-9]+: notice: "
	inside sh -c 'for f; do
	    dpkg-deb --fsys-tarfile "$f" |
	        tar -x --keep-directory-symlink -f - -C / || exit 1
	done' - "$BATS_FILE_TMPDIR"/tinyproxy*.deb
	dpkg-deb -e "$BATS_FILE_TMPDIR"/tinyproxy_*.deb "$DIR/control"
	# Only the part about users: the rest would start it.
	sed '/Automatically/,$d' "$DIR/control/postinst" |
		inside sh -s configure >"$DIR/postinst.out" 2>&1
	inside cp "$TINYPROXY" /usr/bin/tinyproxy
	peer_inside
}

# script ACTION: runs the init script, which must succeed.
script() {
	inside /etc/init.d/tinyproxy "$@" >>"$DIR/script.out" 2>>"$STDERR"
}

master() {
	inside cat "$PIDFILE"
}

# logged REGEX [FILE]: whether a line of the log matches.
logged() {
	inside grep -qsE -e "$1" "${2:-$TLOG}"
}

# logged_times N REGEX: for wait_for.
logged_times() {
	[ "$(inside grep -cE -e "$2" "$TLOG")" = "$1" ]
}

# runs: whether any of its processes is running.
runs() {
	inside_is pidof tinyproxy
}

# unprivileged: whether all but the master run as tinyproxy.
unprivileged() {
	local n

	inside pgrep -x tinyproxy -u root >"$DIR/roots"
	[ "$(cat "$DIR/roots")" = "$(master)" ]
	n=$(inside pgrep -c -x -u tinyproxy tinyproxy)
	[ "$n" -ge 2 ]
}

@test "debian: the init script starts it with the stock configuration, and it serves and logs" {
	script start
	serves_inside 8888
	unprivileged
	[ "$(inside readlink "/proc/$(master)/exe")" = /usr/bin/tinyproxy ]
	# tinyproxy itself cannot write where its package lets only root write.
	wait_for logged 'Established connection to host'
	# A second start does not start a second daemon.
	script start
	unprivileged
}

@test "debian: the init script reloads it, and the new configuration is in force" {
	script start
	tunnel_inside t 8888
	before=$(master)
	inside sed -i 's/^Port .*/Port 8889/' "$CONFIG"
	script reload
	wait_for logged 'Reloading config file finished'
	serves_inside 8889
	wait_for fails inside_is "$PEER" client 127.0.0.1 8888 >/dev/null
	script force-reload
	wait_for logged_times 2 'Reloading config file finished'
	[ "$(master)" = "$before" ]
	touch "$DIR/go"
	peer_wait t | grep -qx whole
}

@test "debian: the init script stops it, whatever its tunnels carry" {
	script start
	tunnel_inside t 8888
	script stop
	wait_for fails runs
	inside_is test ! -e "$PIDFILE"
	# A second stop is not an error.
	script stop
	fails peer_wait t >/dev/null
}

@test "debian: the init script can restart it, although it waits only one second" {
	script start
	before=$(master)
	tunnel_inside t 8888
	script restart
	[ "$(master)" != "$before" ]
	serves_inside 8888
	unprivileged
	inside_is start-stop-daemon --status --pidfile "$PIDFILE" \
	    --exec /usr/bin/tinyproxy
}

@test "debian: after a reload that left a tunnel the init script restarts it too" {
	inside sed -i '$a\Workers 1' "$CONFIG"
	script start
	before=$(master)
	tunnel_inside t 8888
	script reload
	wait_for logged 'Reloading config file finished'
	# The old desk ends; its end would wake the master later.
	wait_for processes_are 4
	script restart
	[ "$(master)" != "$before" ]
	serves_inside 8888
}

# processes_are N: for wait_for.
processes_are() {
	[ "$(inside pgrep -c -x tinyproxy)" = "$1" ]
}

# tinyproxy_itself: makes /usr/bin/tinyproxy the program of the package again;
# adit is beside it.
tinyproxy_itself() {
	stderr_expected 'logging deactivated'
	inside sh -c 'dpkg-deb --fsys-tarfile "$1" |
	    tar -xOf - ./usr/bin/tinyproxy >/usr/bin/tinyproxy.old &&
	    mv /usr/bin/tinyproxy /usr/bin/tinyproxy.new &&
	    mv /usr/bin/tinyproxy.old /usr/bin/tinyproxy &&
	    chmod 755 /usr/bin/tinyproxy' - \
	    "$BATS_FILE_TMPDIR"/tinyproxy-bin_*.deb
	inside /usr/bin/tinyproxy -v | grep -q 'tinyproxy 1\.'
}

# readme_lines THERE|BACK: prints the commands of the README for coming from
# tinyproxy, the first or the second block.
readme_lines() {
	sed -n '/^## Coming from tinyproxy/,/^## B/p' "$TOP/README.md" |
		awk -v n="$([ "$1" = THERE ] && echo 1 || echo 2)" '
			!/^    / { if (inside) p++; inside = 0; next }
			{ inside = 1 }
			p + 1 == n { sub(/ +#.*/, ""); print }'
}

@test "debian: the commands of the README replace tinyproxy with adit, and adit with tinyproxy" {
	[ "$ADIT" -ef "$TOP/adit" ] || skip "needs the adit of this directory"
	tinyproxy_itself
	inside_is sh -c 'command -v make && command -v dpkg-divert &&
	    command -v service' || skip "needs make, dpkg-divert and service"
	script start
	wait_for inside_is "$PEER" client 127.0.0.1 8888
	[ "$(readme_lines THERE | wc -l)" = 5 ]
	inside sh -ec "cd '$TOP'; $(readme_lines THERE)" >"$DIR/there" 2>&1
	grep -qE "^$CONFIG:[0-9]+: note: Timeout: tinyproxy" "$DIR/there"
	[ "$(inside tinyproxy -v)" = "$("$TINYPROXY" -v)" ]
	[ "$(inside readlink "/proc/$(master)/exe")" = /usr/bin/tinyproxy ]
	unprivileged
	serves_inside 8888
	inside sh -ec "cd '$TOP'; $(readme_lines BACK)" >"$DIR/back" 2>&1
	wait_for inside_is "$PEER" client 127.0.0.1 8888
	inside tinyproxy -v | grep -q 'tinyproxy 1\.'
	fails inside_is test -e /usr/bin/tinyproxy.distrib
}

@test "debian: a restart takes over from the tinyproxy that ran before" {
	local before

	tinyproxy_itself
	script start
	wait_for inside_is "$PEER" client 127.0.0.1 8888
	before=$(master)
	inside mv /usr/bin/tinyproxy.new /usr/bin/tinyproxy
	script restart
	[ "$(master)" != "$before" ]
	serves_inside 8888
	unprivileged
}

@test "debian: after logrotate has moved the log, it writes to the new one" {
	need_command logrotate
	script start
	serves_inside 8888
	before=$(master)
	# It calls the service with invoke-rc.d, which here is the init script.
	inside logrotate -f -s /var/lib/logrotate-test \
	    /etc/logrotate.d/tinyproxy >"$DIR/logrotate.out" 2>&1 || {
		cat "$DIR/logrotate.out"
		return 1
	}
	wait_for logged 'Reloading config file finished'
	serves_inside 8888
	wait_for logged 'Established connection to host'
	inside sh -c 'zcat /var/log/tinyproxy/tinyproxy.log.1.gz' |
		grep -q 'Established connection to host'
	[ "$(master)" = "$before" ]
}

# unit KEY: prints a value of the systemd unit.
unit() {
	inside sed -n "s/^$1=//p" /lib/systemd/system/tinyproxy.service
}

# unit_start: starts the command of the unit in the background; sets MAIN to its
# pid there.
unit_start() {
	[ "$(unit KillMode)" = process ]
	[ -z "$(unit Type)" ]
	"${INSIDE[@]}" sh -c '. /etc/default/tinyproxy; echo $$ >/run/main
	    exec '"$(unit ExecStart)" >>"$LOG" 2>>"$STDERR" </dev/null 3>&- &
	own_pid $!
	UNIT_PID=$!
	wait_for inside_is test -s /run/main
	MAIN=$(inside cat /run/main)
	wait_for logged 'Starting main loop'
}

@test "debian: its systemd unit starts, reloads and stops it" {
	# systemd-tmpfiles(8) does this.
	read -r _ path mode user group _ < <(inside \
	    cat /usr/lib/tmpfiles.d/tinyproxy.conf)
	inside install -d -m "$mode" -o "$user" -g "$group" "$path"
	unit_start
	[ "$(master)" = "$MAIN" ]
	unprivileged
	serves_inside 8888
	inside env MAINPID="$MAIN" sh -c "$(unit ExecReload)"
	wait_for logged 'Reloading config file finished'
	serves_inside 8888
	# KillMode=process: only the main process gets the signal, and the
	# others must notice.
	inside kill -"$(unit KillSignal | sed s/SIG//)" "$MAIN"
	wait_for -t "$(unit TimeoutStopSec)" fails runs
	wait "$UNIT_PID"
}

@test "debian: if it is killed, it leaves no process that systemd would not end" {
	inside install -d /run/tinyproxy
	unit_start
	inside kill -KILL "$MAIN"
	wait_for fails runs
	wait "$UNIT_PID" || true
	# An old PID file does not prevent the next start.
	inside sh -c ': >/var/log/tinyproxy/tinyproxy.log'
	unit_start
	serves_inside 8888
}

@test "debian: killall, pidof and pgrep find it by its name" {
	script start
	inside pidof tinyproxy | tr ' ' '\n' | grep -qx "$(master)"
	inside pgrep -o -x tinyproxy | grep -qx "$(master)"
	if inside_is sh -c 'command -v killall'; then
		inside killall -USR1 tinyproxy
		wait_for logged 'Reloading config file finished'
		serves_inside 8888
		inside killall tinyproxy
	else
		inside pkill -USR1 -x tinyproxy
		wait_for logged 'Reloading config file finished'
		serves_inside 8888
		inside pkill -x tinyproxy
	fi
	wait_for fails runs
}

@test "debian: OpenRC starts and stops it by its PID file, from another path" {
	local pidfile

	inside mv /usr/bin/tinyproxy /usr/sbin/tinyproxy
	# The same as its script does with the directory and the file.
	pidfile=$(inside sed -n 's/^PidFile[ \t]*"\(.*\)"/\1/p' "$CONFIG")
	inside install -d -o tinyproxy "${pidfile%/*}"
	inside start-stop-daemon --start --pidfile "$pidfile" \
	    --startas /usr/sbin/tinyproxy -- -c "$CONFIG" 2>>"$STDERR"
	serves_inside 8888
	unprivileged
	inside start-stop-daemon --stop --signal HUP --pidfile "$pidfile"
	wait_for logged 'Reloading config file finished'
	inside start-stop-daemon --stop --retry 5 --pidfile "$pidfile" \
	    >/dev/null
	fails runs
}

@test "debian: procd starts it in the foreground with OpenWrt's configuration, and stops it" {
	stderr_expected '^/var/etc/tinyproxy.conf:[0-9]+: (notice|warning): '
	inside rm -rf /run/tinyproxy /var/log/tinyproxy /etc/tinyproxy
	inside mkdir -p /var/etc
	openwrt_conf nobody nogroup \
	    'DefaultErrorFile "/usr/share/tinyproxy/default.html"' \
	    'StatFile "/usr/share/tinyproxy/stats.html"' | inside sh -c 'cat >/var/etc/tinyproxy.conf
	    : >/var/log/tinyproxy.log; chmod 666 /var/log/tinyproxy.log'
	"${INSIDE[@]}" sh -c 'echo $$ >/run/main
	    exec /usr/bin/tinyproxy -c /var/etc/tinyproxy.conf -d' \
	    >>"$LOG" 2>>"$STDERR" </dev/null 3>&- &
	own_pid $!
	UNIT_PID=$!
	wait_for logged 'Starting main loop' /var/log/tinyproxy.log
	# 127.0.0.1 is StatHost there.
	serves_inside 8888 localhost
	inside kill "$(inside cat /run/main)"
	wait "$UNIT_PID"
	wait_for fails runs
}
