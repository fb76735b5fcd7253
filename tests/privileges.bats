#!/usr/bin/env bats
# Which privileges of root are left while adit runs.

load helper

bats_require_minimum_version 1.5.0

setup() {
	common_setup
	need_root
}

# id_lines PID: prints real, effective, saved and file-system ids, and the
# groups.
id_line() {
	awk -v what="$2:" '$1 == what {
		for (i = 2; i <= NF; i++)
			printf "%s ", $i
	}' "/proc/$1/status"
}

# runs_as PID UID GID: whether it has these ids and no others.
runs_as() {
	echo "pid $1: $(id_line "$1" Uid)/ $(id_line "$1" Gid)/ $(id_line "$1" Groups)"
	[ "$(id_line "$1" Uid)" = "$2 $2 $2 $2 " ] &&
		[ "$(id_line "$1" Gid)" = "$3 $3 $3 $3 " ] &&
		[ -z "$(id_line "$1" Groups)" ]
}

# children_run_as UID GID
children_run_as() {
	local pid

	[ "$(child_pids | wc -l)" -ge 2 ]
	for pid in $(family_pids); do
		runs_as "$pid" "$1" "$2"
	done
}

@test "privileges: workers, desk and helpers run as User with its group and no other group" {
	need_proc
	adit_start "User nobody"
	helper_wanted
	children_run_as "$(id -u nobody)" "$(id -g nobody)"
}

# helper_wanted: makes sure that a helper is running.
helper_wanted() {
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\n\r\n" refused 502
	[ "$(helper_pids | wc -l)" = 1 ]
}

@test "privileges: supplementary groups of root are dropped" {
	need_proc
	need_command setpriv
	ADIT_WRAP=(setpriv --groups 0,1,2,3)
	adit_start "User nobody"
	children_run_as "$(id -u nobody)" "$(id -g nobody)"
}

@test "privileges: Group may be a name or a number" {
	need_proc
	adit_start "User nobody" "Group daemon"
	children_run_as "$(id -u nobody)" "$(id -g daemon)"
	adit_stop
	: >"$LOG"
	adit_start "User $(id -u nobody)" "Group $(id -g daemon)"
	children_run_as "$(id -u nobody)" "$(id -g daemon)"
	adit_stop
	: >"$LOG"
	adit_start "User daemon"
	children_run_as "$(id -u daemon)" "$(id -g daemon)"
}

@test "privileges: another User, Group or Chroot is in force after a reload" {
	need_proc
	mkdir -m 755 "$DIR/empty"
	peer_start srv server echo
	adit_start "User nobody"
	sed -i.bak '/^User/d' "$CONF"
	printf 'User daemon\nGroup nogroup\nChroot "%s"\n' "$DIR/empty" >>"$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	wait_for old_children_gone
	children_run_as "$(id -u daemon)" "$(getent group nogroup | cut -d : -f 3)"
	for pid in $(worker_pids); do
		[ "$(readlink "/proc/$pid/root")" = "$DIR/empty" ]
	done
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

# desks_run_as UID GID N: the desks and their helpers do, N processes, and
# nobody else.
desks_run_as() {
	local pid title n=0

	family
	for pid in "${FAMILY[@]}"; do
		IFS= read -r -d '' title 2>/dev/null <"/proc/$pid/cmdline" || continue
		case $title in
		*': desk'* | *': helper'*)
			n=$((n + 1))
			runs_as "$pid" "$1" "$2"
			;;
		*)
			runs_as "$pid" "$(id -u nobody)" "$(id -g nobody)"
			;;
		esac
	done
	[ "$n" = "$3" ]
}

@test "privileges: with DeskUser the desks, their helpers and an AuthHelper run as that user, after a reload and an upgrade too" {
	local user group

	need_proc
	user=$(id -u daemon)
	group=$(id -g daemon)
	printf '#!/bin/sh\nwhile read -r u p; do [ "$p" = "$(id -u)" ] && echo OK || echo ERR; done\n' \
	    >"$DIR/authhelper"
	chmod 755 "$DIR/authhelper"
	peer_start srv server echo
	adit_start "User nobody" "DeskUser daemon" "AuthHelper \"$DIR/authhelper\""
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\nProxy-Authorization: Basic $(printf 'anna:%s' "$user" | base64)\r\n\r\n" \
	    refused 502
	desks_run_as "$user" "$group" 4
	# A number that belongs to no user has the group of the workers.
	sed -i.bak 's/^DeskUser .*/DeskUser 54321/; /^AuthHelper/d' "$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	wait_for desks_run_as 54321 "$(id -g nobody)" 1
	helper_wanted
	desks_run_as 54321 "$(id -g nobody)" 2
	kill -USR2 "$ADIT_PID"
	wait_for log_counts 2 'Reloading config file finished'
	wait_for desks_run_as 54321 "$(id -g nobody)" 1
	helper_wanted
	desks_run_as 54321 "$(id -g nobody)" 2
	# The old user serves on when there is no other.
	sed -i.bak 's/^DeskUser .*/DeskUser no-such-user-here/' "$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'DeskUser: no-such-user-here is no user'
	client tunnel "localhost:$srv_PORT" rtt 1 5 shut eof
	desks_run_as 54321 "$(id -g nobody)" 2
}

@test "privileges: DeskUser is another user than root and the workers, and needs root" {
	local bad

	for bad in "67 no-such-user-here is no user" "70 root has all rights" \
	    "70 0 has all rights" "70 nobody is the user of the workers"; do
		# shellcheck disable=SC2086
		set -- $bad
		adit_conf "User nobody" "DeskUser $2"
		run -"$1" --separate-stderr timeout 20 "$ADIT" -d -c "$CONF"
		[[ $stderr == *"$CONF:"*": DeskUser: ${bad#* }"* ]]
	done
	need_command setpriv
	chmod 711 "$DIR"
	adit_conf "DeskUser daemon"
	chmod 644 "$CONF"
	ADIT_WRAP=(setpriv --reuid=nobody "--regid=$(id -g nobody)" --clear-groups)
	"${ADIT_WRAP[@]}" test -x "$ADIT" || skip "others cannot reach $ADIT"
	stderr_expected 'DeskUser: no effect, since only root'
	adit_launch
	adit_ready
	children_run_as "$(id -u nobody)" "$(id -g nobody)"
	[ "$(grep -c 'adit.conf:[0-9]*: warning: DeskUser: no effect' "$STDERR")" = 1 ]
	adit_stop
	run "${ADIT_WRAP[@]}" "$ADIT" -t -c "$CONF"
	[ "$status" = 0 ]
	[[ $output == *"DeskUser: no effect"* ]]
}

old_children_gone() {
	local pid

	for pid in $(child_pids); do
		[[ $(id_line "$pid" Uid) == "$(id -u daemon) "* ]] || return 1
	done
}

@test "privileges: workers have no capabilities and cannot get new privileges" {
	local pid

	need_proc
	adit_start
	for pid in $(child_pids); do
		[[ $(id_line "$pid" CapEff) =~ ^0+\ $ ]]
		[[ $(id_line "$pid" CapPrm) =~ ^0+\ $ ]]
		[ "$(id_line "$pid" NoNewPrivs)" = "1 " ]
	done
}

@test "privileges: of the shared memory each child can write its own part alone" {
	local pid maps

	need_proc
	[ "$(uname)" = Linux ] || skip "looks at /proc/PID/maps"
	adit_start "Workers 2" 'ControlSocket "'"$DIR"'/control"'
	for pid in $(child_pids); do
		maps=$(grep -c 'rw-s .*memfd:adit' "/proc/$pid/maps") || true
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		*worker*) [ "$maps" = 2 ] ;;
		*control*) [ "$maps" = 1 ] ;;
		*) [ "$maps" = 0 ] ;;
		esac
	done
}

@test "privileges: adit runs as root only with User root" {
	need_proc
	adit_start "User root"
	children_run_as 0 0
	client
}

@test "privileges: root without capabilities runs as itself with User root, as in a container" {
	need_proc
	need_command setpriv
	peer_start srv server echo
	ADIT_WRAP=(setpriv --bounding-set=-all --inh-caps=-all)
	adit_start "User root" "Group root"
	children_run_as 0 0
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	adit_stop
	: >"$LOG"
	# The groups of a container's root cannot be dropped without them.
	ADIT_WRAP=(setpriv --groups 0,1,2 --bounding-set=-all --inh-caps=-all)
	adit_start "User root"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "privileges: as root, a start without User says why and returns 70" {
	local option

	adit_conf
	sed -i.bak '/^User/d' "$CONF"
	for option in -d ""; do
		# shellcheck disable=SC2086
		run -70 --separate-stderr timeout 20 "$ADIT" $option -c "$CONF"
		grep -q User <<<"$stderr"
	done
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "privileges: a user or group that does not exist is named, and returns 67" {
	local option

	for option in -d ""; do
		adit_conf "User no-such-user-here"
		# shellcheck disable=SC2086
		run -67 --separate-stderr timeout 20 "$ADIT" $option -c "$CONF"
		[[ $stderr == *no-such-user-here* ]]
		adit_conf "User nobody" "Group no-such-group-here"
		# shellcheck disable=SC2086
		run -67 --separate-stderr timeout 20 "$ADIT" $option -c "$CONF"
		[[ $stderr == *no-such-group-here* ]]
	done
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "privileges: if root may not change its user, the start returns 77" {
	need_command setpriv
	adit_conf
	run -77 --separate-stderr timeout 20 \
	    setpriv --bounding-set=-setuid,-setgid \
	    "$ADIT" -d -c "$CONF"
	[ -n "$stderr$output" ]
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "privileges: a port below 1024 is bound before privileges are dropped, also at a reload" {
	local low=

	need_proc
	for low in 843 847 851 853; do
		"$PEER" client 127.0.0.1 $low 2>/dev/null || break
	done
	peer_start srv server echo
	adit_start "Port $low"
	children_run_as "$(id -u nobody)" "$(id -g nobody)"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	echo "Listen 127.0.0.2" >>"$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	"$PEER" client 127.0.0.2 "$low" tunnel "127.0.0.1:$srv_PORT" rtt 1 5
}

@test "privileges: a log directory that only root can write to works, also after a rotation" {
	peer_start srv server echo
	mkdir -m 755 "$DIR/log.d"
	adit_start "LogFile \"$DIR/log.d/adit.log\"" \
	    "AccessLog \"$DIR/log.d/access\""
	LOG=$DIR/log.d/adit.log
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	log_wait 'Established connection'
	mv "$LOG" "$LOG.1"
	mv "$DIR/log.d/access" "$DIR/log.d/access.1"
	kill -USR1 "$ADIT_PID"
	wait_for grep -qs 'Reloading config file finished' "$LOG"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	log_wait 'Established connection'
	wait_for grep -q 200/closed "$DIR/log.d/access"
}

@test "privileges: a configuration that only root can read is read again at a reload" {
	peer_start srv server echo
	adit_start
	chmod 600 "$CONF"
	chmod 700 "$DIR"
	echo "ConnectPort 443" >>"$CONF"
	kill -HUP "$ADIT_PID"
	log_wait 'Reloading config file finished'
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" refused 403
}

@test "privileges: workers have no open file that only root may read or write" {
	local fd pid

	need_proc
	adit_start "PidFile \"$DIR/pid\""
	helper_wanted
	for pid in $(family_pids); do
		for fd in "/proc/$pid/fd"/*; do
			case $(readlink "$fd") in
			*/adit.conf | */pid | /etc/* | "$DIR") return 1 ;;
			esac
		done
	done
}

@test "privileges: with Chroot workers are confined to an empty directory, and serve" {
	local pid

	need_proc
	mkdir -m 755 "$DIR/empty"
	peer_start srv server echo
	adit_start "Chroot \"$DIR/empty\"" "AccessLog \"$DIR/access\"" \
	    "LogFile \"$DIR/adit.log\""
	for pid in $(worker_pids); do
		[ "$(readlink "/proc/$pid/root")" = "$DIR/empty" ]
		[ "$(readlink "/proc/$pid/cwd")" = "$DIR/empty" ]
	done
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	client tunnel "localhost:$srv_PORT" rtt 1 5 shut eof
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\n\r\n" refused 502
	wait_for grep -q 'localhost:' "$DIR/access"
	# A reload and a rotation use paths outside the Chroot.
	mv "$DIR/adit.log" "$DIR/adit.log.1"
	kill -HUP "$ADIT_PID"
	wait_for grep -qs 'Reloading config file finished' "$DIR/adit.log"
	client tunnel "localhost:$srv_PORT" rtt 1 5 shut eof
	wait_for grep -q 'Established connection' "$DIR/adit.log"
}

@test "privileges: a start with a Chroot that does not exist fails" {
	adit_conf "Chroot \"$DIR/none\""
	run timeout 20 "$ADIT" -d -c "$CONF"
	[ "$status" = 70 ] || [ "$status" = 71 ] || [ "$status" = 77 ]
	[[ $output == *"$DIR/none"* ]]
	fails "$PEER" client 127.0.0.1 "$PORT"
}

@test "privileges: an ordinary user can start it, and User has no effect then" {
	need_command setpriv
	need_proc
	peer_start srv server echo
	chmod 711 "$DIR"
	adit_conf "User nobody" "ConnectPort $srv_PORT"
	chmod 644 "$CONF"
	ADIT_WRAP=(setpriv --reuid=daemon --regid=daemon --clear-groups)
	"${ADIT_WRAP[@]}" test -x "$ADIT" || skip "others cannot reach $ADIT"
	stderr_expected 'User|root'
	adit_launch
	adit_ready
	children_run_as "$(id -u daemon)" "$(id -g daemon)"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "privileges: a capability that an ordinary user was given is the master's alone" {
	local pid

	need_command setpriv
	need_proc
	chmod 711 "$DIR"
	adit_conf
	chmod 644 "$CONF"
	ADIT_WRAP=(setpriv --reuid=daemon --regid=daemon --clear-groups
		--inh-caps=+net_bind_service --ambient-caps=+net_bind_service)
	"${ADIT_WRAP[@]}" test -x "$ADIT" || skip "others cannot reach $ADIT"
	adit_launch
	adit_ready
	[ "$(id_line "$ADIT_PID" CapEff)" = "0000000000000400 " ]
	for pid in $(child_pids); do
		[ "$(id_line "$pid" CapPrm)" = "0000000000000000 " ]
		[ "$(id_line "$pid" CapAmb)" = "0000000000000000 " ]
		[ "$(id_line "$pid" NoNewPrivs)" = "1 " ]
	done
}
