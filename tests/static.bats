#!/usr/bin/env bats
# A static adit without any other file, as in the image of the Dockerfile.

load helper

setup() {
	common_setup
	need_root
	need_command readelf chroot
	if readelf -lW "$ADIT" | grep -q INTERP; then
		skip "needs a static adit: make CC=musl-gcc LDFLAGS=-static"
	fi
	peer_start srv server echo
	mkdir -p "$DIR/root/etc/adit"
	cp "$ADIT" "$DIR/root/adit"
	install -d -o 65534 -g 65534 -m 755 "$DIR/root/run/adit"
	PORT=$(free_port)
}

# healthy: runs the HEALTHCHECK of the image.
healthy() {
	local words

	words=$(sed -n 's/^HEALTHCHECK .* CMD \[\(.*\)\]$/\1/p' \
	    "$BATS_TEST_DIRNAME/../Dockerfile" | tr -d '",')
	[ -n "$words" ]
	# shellcheck disable=SC2086
	chroot --userspec=65534:65534 --groups= "$DIR/root" \
	    ${words/ -s/ -c /etc/adit/adit.conf -s} >"$DIR/health" 2>&1
}

# image USER [LINE...]: runs it with these lines and its configuration; the echo
# server is a target if they allow it.
image() {
	local user=$1

	shift
	{
		printf '%s\n' "$@"
		sed "s/^Port .*/Port $PORT/
		    s/^ConnectPort 443/ConnectPort $srv_PORT/" \
		    "$BATS_TEST_DIRNAME/../etc/docker.conf"
	} >"$DIR/root/etc/adit/adit.conf"
	chroot --userspec="$user:$user" --groups= "$DIR/root" /adit -d \
	    -c /etc/adit/adit.conf >>"$LOG" 2>>"$STDERR" </dev/null 3>&- &
	ADIT_PID=$!
	own_pid "$ADIT_PID"
	log_wait 'Starting main loop'
}

@test "static: without any other file it serves, as an ordinary user, and says whether it is healthy" {
	local pid

	[ "$(find "$DIR/root" -type f | wc -l)" = 1 ]
	fails healthy
	image 65534 "AllowTo 127.0.0.1"
	healthy
	client tunnel "127.0.0.1:$srv_PORT" rtt 3 100 shut eof
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	client tunnel "127.0.0.1:$srv_PORT" rtt 3 100 shut eof
	for pid in $(worker_pids); do
		kill -STOP "$pid"
	done
	wait_for fails healthy >/dev/null
	for pid in $(worker_pids); do
		kill -CONT "$pid"
	done
	wait_for healthy
	adit_stop
	[ "$STATUS" = 0 ]
	fails healthy
}

@test "static: as root without a user database it needs numbers, and changes to them" {
	local pid

	need_proc
	chown 0:0 "$DIR/root/run/adit"
	image 0 "User 65534" "Group 65534" "AllowTo 127.0.0.1"
	for pid in $(child_pids); do
		grep -qE '^Uid:[[:blank:]]+65534[[:blank:]]' "/proc/$pid/status"
	done
	client tunnel "127.0.0.1:$srv_PORT" rtt 3 100 shut eof
}

@test "static: in the image no client can reach private addresses" {
	image 65534
	client send "CONNECT 10.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
	client send "CONNECT 192.0.2.1:25 HTTP/1.1\r\n\r\n" refused 403
}
