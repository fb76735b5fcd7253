#!/usr/bin/env bats
# The files in etc/ for init systems, logrotate, fail2ban and others.

load helper
load root

bats_require_minimum_version 1.5.0

ETC=$BATS_TEST_DIRNAME/../etc
PIDFILE=/run/adit/adit.pid
ELOG=/var/log/adit/adit.log
ECONF=/usr/local/etc/adit/adit.conf

# installed: installs adit in a throw-away machine where the scripts look for
# it, with a configuration for them and an echo server.
installed() {
	root_start "${ROOT_KIND:-}"
	stderr_expected 'warning: '
	inside mkdir -p /usr/local/etc/adit /usr/local/sbin /var/log/adit
	inside cp "$ADIT" /usr/local/sbin/adit
	printf '%s\n' "Port 8888" "Listen 127.0.0.1" "Allow 127.0.0.1" \
	    "User nobody" "PidFile \"$PIDFILE\"" "LogFile \"$ELOG\"" |
		inside sh -c "cat >$ECONF"
	peer_inside
}

# script NAME INTERPRETER: installs the script of etc/ as /etc/init.d/adit
# there.
script() {
	inside install -D -m 755 "$(cd "$ETC" && pwd)/$1" /etc/init.d/adit
}

# old_way: from now on the script takes the process for one that is too old for an
# upgrade in place.
old_way() {
	inside sed -i 's/^knows() {/&\n\treturn 1/' /etc/init.d/adit
}

# does ACTION [STATUS]: runs the script, which must return that status.
does() {
	local status=0

	inside /etc/init.d/adit "$1" >"$DIR/does.out" 2>&1 || status=$?
	[ "$status" = "${2:-0}" ] || {
		echo "$1: status $status"
		cat "$DIR/does.out"
		return 1
	}
}

master() {
	inside cat "$PIDFILE"
}

# runs: whether there is an adit, one that has ended and waits for its parent
# not counted.
runs() {
	inside_is pgrep -r D,R,S,T -x adit
}

logged() {
	inside grep -qsE -e "$1" "$ELOG"
}

@test "etc: the init script starts, reloads and stops, with the statuses that LSB requires" {
	installed
	script adit.init
	does status 3
	does reload 7
	does start
	does status
	grep -q "is running, as process $(master)" "$DIR/does.out"
	serves_inside 8888
	does start
	[ "$(inside pgrep -c -x -u root adit)" = 1 ]
	does reload
	wait_for logged 'Reloading config file finished'
	# From now on a reload is asked for at the socket, which tells how it went.
	inside sh -c "echo 'ControlSocket \"/run/adit/control\"' >>$ECONF"
	does reload
	wait_for inside_is test -S /run/adit/control
	inside sh -c "echo 'Listen 192.0.2.77' >>$ECONF"
	does reload 1
	grep -q 'cannot listen on 192.0.2.77' "$DIR/does.out"
	inside sed -i '/192.0.2.77/d' "$ECONF"
	does reload
	does restart
	does stop
	fails runs
	does stop
	does status 3
	inside sh -c "echo 1 >$PIDFILE"
	does status 1
	does nonsense 2
	inside rm /usr/local/sbin/adit
	does start 5
	# One that takes a while to end after it has removed its PID file.
	inside sh -c "cat >/usr/local/sbin/adit && chmod 755 /usr/local/sbin/adit" <<-END
	#!/bin/sh
	case \$1 in
	serve)
		trap 'rm $PIDFILE; sleep 1; exit' TERM
		echo \$\$ >$PIDFILE
		while :; do sleep 0.1; done
		;;
	-c)
		rm -f $PIDFILE
		"\$0" serve >/dev/null 2>&1 &
		until [ -s $PIDFILE ]; do sleep 0.1; done
		;;
	esac
	END
	does start
	does status
	does stop
	fails runs
}

@test "etc: the init script refuses a wrong configuration, and the running process goes on" {
	local before

	installed
	script adit.init
	does start
	before=$(master)
	inside sh -c "echo 'Nonsense 1' >>$ECONF"
	does reload 6
	grep -q 'Nonsense: unknown directive' "$DIR/does.out"
	does restart 6
	[ "$(master)" = "$before" ]
	serves_inside 8888
	does stop
	does start 70
	inside sed -i '/PidFile/d' "$ECONF"
	does start 6
	grep -q 'no PidFile' "$DIR/does.out"
}

@test "etc: a restart by the init script cuts no tunnel, many times over; its stop ends all" {
	local first second

	installed
	script adit.init
	does restart
	first=$(master)
	tunnel_inside s 8888
	does restart
	does restart
	does try-restart
	[ "$(master)" = "$first" ]
	serves_inside 8888
	old_way
	tunnel_inside t 8888
	first=$(master)
	does restart
	second=$(master)
	[ "$second" != "$first" ]
	tunnel_inside u 8888
	does restart
	does try-restart
	serves_inside 8888
	# Both are still running, and end when their tunnels end.
	inside_is kill -0 "$first"
	inside_is kill -0 "$second"
	touch "$DIR/go"
	peer_wait s | grep -qx whole
	peer_wait t | grep -qx whole
	peer_wait u | grep -qx whole
	wait_for fails inside_is kill -0 "$first"
	wait_for fails inside_is kill -0 "$second"
	rm "$DIR/go"
	tunnel_inside v 8888
	does restart
	[ "$(inside pgrep -c -x -u root adit)" = 2 ]
	does stop
	fails runs
	fails peer_wait v >/dev/null
	[ -z "$(inside ls /run/adit)" ]
}

@test "etc: during a restart by the init script clients wait only for a moment" {
	local i

	installed
	script adit.init
	does start
	for i in 1 2 3; do
		[ "$i" != 2 ] || old_way
		does restart
		# The script has returned, and the service works.
		serves_inside 8888
	done
}

@test "etc: logrotate moves the logs of all processes, including old ones after a restart" {
	need_command logrotate
	installed
	script adit.init
	inside useradd -r -M adit
	inside install -m 644 "$(cd "$ETC" && pwd)/adit.logrotate" \
	    /etc/logrotate.d/adit
	does start
	serves_inside 8888
	wait_for logged 'Established connection'
	tunnel_inside t 8888
	old_way
	does restart
	inside logrotate -f -s /run/state /etc/logrotate.d/adit
	wait_for logged 'Reloading config file finished'
	inside grep -q 'Established connection' "$ELOG.1"
	touch "$DIR/go"
	peer_wait t
	# The tunnel belongs to the old process.
	wait_for logged 'Closed connection between'
}

# The systemd unit.

unit() {
	sed -n "s/^$1=//p" "$ETC/adit.service"
}

@test "etc: the systemd unit is well-formed and leaves little open" {
	need_command systemd-analyze
	mkdir "$DIR/unit"
	cp "$ETC/adit.service" "$ETC/adit.socket" "$DIR/unit"
	sed -i "s,/usr/local/sbin/adit,$(command -v true)," "$DIR/unit/adit.service"
	run systemd-analyze verify --man=no "$DIR/unit/adit.service" \
	    "$DIR/unit/adit.socket"
	fails grep -E 'adit\.(service|socket)' <<<"$output"
	systemd-analyze security --offline=true --threshold=27 \
	    "$DIR/unit/adit.service" >"$DIR/security" 2>&1 || {
		! grep -qE 'unrecognized option|requires|Unknown' "$DIR/security" ||
			skip "systemd-analyze is too old"
		tail -n 30 "$DIR/security"
		return 1
	}
}

# unit_joined KEY: the same of a line that goes on in the next.
unit_joined() {
	sed -e :again -e '/\\$/{N;s/\\\n[[:blank:]]*//;bagain' -e '}' \
	    "$ETC/adit.service" | sed -n "s/^$1=//p" | sed 's/\$\$/$/g'
}

# unit_rights: prints the rights of the unit as setpriv(1) takes them.
unit_rights() {
	unit CapabilityBoundingSet | tr ' ' '\n' |
		sed 's/^CAP_\(.*\)/,+\1/' | tr 'A-Z' 'a-z' | tr -d '\n'
}

# users: makes a user and an AuthFile that only root can read, and adds lines
# that need each right of the unit.
users() {
	inside useradd -r -M -s /usr/sbin/nologin adit
	inside sh -c "umask 077; cat >/usr/local/etc/adit/users" <<-END
	alice:\$6\$salt\$$(printf %s "$WONDERLAND")
	END
	inside mkdir -p /var/empty
	inside install -d -o adit -m 750 /srv/adit
	inside install -m 600 -o adit /dev/null /srv/adit/filter
	inside sed -i 's/^Port .*/Port 88/; s/^User .*/User adit/' "$ECONF"
	printf '%s\n' 'AuthFile "/usr/local/etc/adit/users"' \
	    'Chroot "/var/empty"' 'ControlSocket "/run/adit/control"' \
	    'ControlGroup adm' 'Filter "/srv/adit/filter"' |
		inside sh -c "cat >>$ECONF"
}

# The hash of "wonderland" with the salt "salt".
WONDERLAND=aYIgyX7fqH6ghwzyVAOL2sIqJqBdlT3dY0FxMfoqr0L.komU5a6cj5ZoT6kcJ7ZeimiTDLJNlOOcsXrwSZjsv.

# alice PASSWORD ACTION...: what happens to her CONNECT.
alice() {
	local plain

	plain=$(printf 'alice:%s' "$1" | base64)
	shift
	inside "$PEER" client 127.0.0.1 88 send \
	    "CONNECT 127.0.0.1:$ECHO_PORT HTTP/1.1\r\nProxy-Authorization: Basic $plain\r\n\r\n" \
	    "$@"
}

# alice_served: whether her password is taken, and no other.
alice_served() {
	alice wonderland skip '\r\n\r\n' rtt 1 5 shut eof &&
		alice looking-glass refused 407
}

# rights_are PID USER: whether a process is of that user, and without any right
# unless it is root.
rights_are() {
	inside ps -o user= -p "$1" | grep -qx "$2" || return 1
	[ "$2" = root ] || inside grep -q 'CapPrm:[[:blank:]]*0*$' "/proc/$1/status"
}

@test "etc: the command lines and the rights of the systemd unit start, check, reload and stop it" {
	local main

	need_command setpriv
	need_crypt
	[ "$(unit Type)" = notify ]
	installed
	users
	# The directories of RuntimeDirectory= and LogsDirectory=.
	inside mkdir -p "/run/$(unit RuntimeDirectory)" \
	    "/var/log/$(unit LogsDirectory)"
	# shellcheck disable=SC2046
	"${INSIDE[@]}" setpriv --no-new-privs --inh-caps=-all \
	    --bounding-set="-all$(unit_rights)" \
	    "$BUILD/manager" -o "/run/adit/notes" -s /run/adit/notify \
	    sh -c 'echo $$ >/run/adit/main; exec "$@"' - $(unit ExecStart) \
	    >>"$LOG" 2>>"$STDERR" </dev/null 3>&- &
	own_pid $!
	UNIT_PID=$!
	wait_for inside_is grep -q READY=1 /run/adit/notes
	main=$(inside cat /run/adit/main)
	inside grep -q "MAINPID=$main" /run/adit/notes
	alice_served
	inside sh -c "$(unit_joined ExecReload)" >"$DIR/reload.out" 2>&1
	inside grep -q RELOADING=1 /run/adit/notes
	logged 'Reloading config file finished'
	inside sed -i 's/^AuthFile/Nonsense 1\n&/' "$ECONF"
	fails inside sh -c "$(unit_joined ExecReload)" >"$DIR/reload.out" 2>&1
	grep -q 'Nonsense: unknown directive' "$DIR/reload.out"
	# Without a ControlSocket it is checked, and told by a signal.
	inside sed -i '/^ControlSocket/d; /^ControlGroup/d' "$ECONF"
	fails inside env MAINPID="$main" sh -c "$(unit_joined ExecReload)" \
	    >"$DIR/reload.out" 2>&1
	grep -q 'Nonsense: unknown directive' "$DIR/reload.out"
	inside sed -i '/^Nonsense/d' "$ECONF"
	inside env MAINPID="$main" sh -c "$(unit_joined ExecReload)" \
	    >"$DIR/reload.out" 2>&1
	wait_for inside_is test ! -e /run/adit/control
	alice_served
	# KillMode=mixed, and no KillSignal=: TERM to the main process.
	inside kill -TERM "$main"
	wait "$UNIT_PID"
	wait_for fails runs
}

# installed_unit: installs the unit in a throw-away machine with systemd.
installed_unit() {
	ROOT_KIND=systemd
	installed
	users
	inside cp "$(cd "$ETC" && pwd)/adit.service" /etc/systemd/system
	inside systemctl daemon-reload
}

# journal: prints what systemd and adit have written there.
journal() {
	inside journalctl -q --no-pager -o cat -u adit
}

@test "etc: under a real systemd the master alone is root and reads the AuthFile; reload and upgrade tell how they went" {
	local main pid

	need_crypt
	installed_unit
	inside systemctl start adit || {
		journal
		return 1
	}
	main=$(master)
	rights_are "$main" root
	for pid in $(inside pgrep -P "$main"); do
		rights_are "$pid" adit
	done
	alice_served
	[ "$(inside stat -c %U:%G /run/adit/control)" = root:adm ]
	inside systemctl reload adit
	logged 'Reloading config file finished'
	inside sed -i 's/^AuthFile/Nonsense 1\n&/' "$ECONF"
	fails inside systemctl reload adit 2>"$DIR/reload.err"
	journal | grep -q 'Nonsense: unknown directive'
	inside systemctl show -p StatusText adit | grep -q 'Reload failed'
	inside sed -i '/^Nonsense/d' "$ECONF"
	inside sh -c 'cp /usr/local/sbin/adit /usr/local/sbin/adit.new
	    mv /usr/local/sbin/adit.new /usr/local/sbin/adit'
	inside adit -s upgrade
	wait_for logged 'Upgraded to adit'
	[ "$(inside systemctl show -p MainPID --value adit)" = "$main" ]
	inside systemctl --quiet is-active adit
	wait_for alice_served
	inside systemctl stop adit
	fails runs
	inside systemctl show -p Result adit | grep -qx Result=success
}

# Other systems.

# openrc: stand-ins for what openrc-run defines.
openrc() {
	inside sh -c 'cat >/sbin/openrc-run && chmod 755 /sbin/openrc-run' <<-'END'
	#!/bin/sh
	RC_SVCNAME=${1##*/}
	ebegin() { echo "$*"; }
	eend() { return "$1"; }
	eerror() { echo "$*" >&2; }
	checkpath() { [ "$1 $2 $3" = "-d -m 0755" ] && mkdir -p -m "$3" "$4"; }
	. "$1"
	case $2 in
	start)
		start_pre && start-stop-daemon --start --exec "$command" \
		    --pidfile "$pidfile" -- $command_args
		;;
	stop)
		start-stop-daemon --stop --retry 5 --exec "$command" \
		    --pidfile "$pidfile" >/dev/null
		;;
	*)
		case " $extra_commands $extra_started_commands " in
		*" $2 "*) "$2" ;;
		*) exit 64 ;;
		esac
		;;
	esac
	END
}

@test "etc: the OpenRC script starts, checks, reloads and stops one adit and more" {
	installed
	if inside_is test -x /sbin/openrc-run; then
		skip "there is an OpenRC"
	fi
	openrc
	script adit.openrc
	does checkconfig
	does start
	serves_inside 8888
	does reload
	wait_for logged 'Reloading config file finished'
	inside sed "s/^Port.*/Port 8889/; s,$PIDFILE,/run/office/pid," "$ECONF" |
		inside sh -c 'cat >/usr/local/etc/adit/office.conf'
	inside ln -s adit /etc/init.d/adit.office
	inside /etc/init.d/adit.office start >/dev/null 2>&1
	serves_inside 8889
	inside sh -c "echo 'Nonsense 1' >>$ECONF"
	fails does reload 0 >/dev/null
	grep -q Nonsense "$DIR/does.out"
	does stop
	serves_inside 8889
	fails inside_is "$PEER" client 127.0.0.1 8888
}

# rc_subr: the part of FreeBSD's rc.subr that the script uses.
rc_subr() {
	inside sh -c 'cat >/etc/rc.subr' <<-'END'
	load_rc_config() { adit_enable=YES; }
	check() { [ -f "$required_files" ] || { echo "no $required_files"; exit 1; }; }
	run_rc_command() {
		eval "[ \"\$$rcvar\" = YES ]" || return 1
		case $1 in
		start)
			check && $start_precmd && $command $command_args
			;;
		stop) kill -TERM "$(cat "$pidfile")" ;;
		*)
			case " $extra_commands reload " in
			*" $1 "*) eval "\$${1}_cmd" ;;
			*) return 64 ;;
			esac
			;;
		esac
	}
	END
}

@test "etc: the rc.d script of FreeBSD starts, checks, reloads and stops it" {
	installed
	rc_subr
	script adit.rc
	inside sed -i 's,/run/adit/adit.pid,/var/run/adit.pid,' "$ECONF"
	PIDFILE=/var/run/adit.pid
	does configtest
	does start
	serves_inside 8888
	does reload
	wait_for logged 'Reloading config file finished'
	inside sh -c "echo 'Nonsense 1' >>$ECONF"
	fails does reload 0 >/dev/null
	fails does configtest 0 >/dev/null
	does stop
	wait_for fails runs
}

@test "etc: the manifests for Kubernetes and compose are well-formed, and their times and ports fit the configuration" {
	need_command python3
	python3 -c 'import yaml' 2>/dev/null || skip "needs yaml for Python"
	python3 - "$ETC" "$DIR/adit.conf" <<-'END'
	import sys, yaml
	etc, conf = sys.argv[1:]
	all = {d["kind"]: d for d in
	    yaml.safe_load_all(open(etc + "/kubernetes.yaml"))}
	assert set(all) == {"ConfigMap", "Deployment", "Service",
	    "PodDisruptionBudget"}
	text = all["ConfigMap"]["data"]["adit.conf"]
	open(conf, "w").write(text)
	said = dict(line.split(None, 1) for line in text.splitlines()
	    if line and not line.startswith("#"))
	spec = all["Deployment"]["spec"]
	labels = spec["template"]["metadata"]["labels"]
	assert spec["selector"]["matchLabels"] == labels
	assert all["Service"]["spec"]["selector"] == labels
	assert all["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
	assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
	pod = spec["template"]["spec"]
	assert pod["terminationGracePeriodSeconds"] > \
	    int(said["DrainDelay"]) + int(said["DrainTimeout"])
	box, = pod["containers"]
	ports = {p["name"]: p["containerPort"] for p in box["ports"]}
	assert ports["proxy"] == int(said["Port"])
	assert ports["status"] == int(said["StatusListen"].split()[1])
	for probe, path in ("liveness", "/live"), ("readiness", "/ready"):
	    assert box[probe + "Probe"]["httpGet"] == {"path": path,
	        "port": "status"}
	mount, = box["volumeMounts"]
	volume, = pod["volumes"]
	assert mount["name"] == volume["name"]
	assert volume["configMap"]["name"] == all["ConfigMap"]["metadata"]["name"]
	port, = all["Service"]["spec"]["ports"]
	assert port["targetPort"] in ports
	service = yaml.safe_load(open(etc + "/compose.yaml"))["services"]["adit"]
	assert service["stop_signal"] == "SIGQUIT"
	assert service["read_only"] and service["user"] == "65534:65534"
	assert service["tmpfs"] == ["/run/adit:uid=65534,gid=65534,mode=0755"]
	assert 'ControlSocket "/run/adit/control"' in open(etc + "/docker.conf").read()
	END
	if [ "$EUID" = 0 ]; then
		echo "User nobody" >>"$DIR/adit.conf"
	fi
	checks "$DIR/adit.conf" "$DIR/out" "$DIR/err"
}

@test "etc: shellcheck and a strict shell accept the scripts" {
	local f

	for f in adit.init adit.openrc adit.rc debian/build debian/postinst \
	    debian/prerm debian/postrm; do
		sh -n "$ETC/$f"
	done
	need_command shellcheck
	# FreeBSD and OpenRC use the variables.
	shellcheck -s sh -S warning -e SC2034 "$ETC/adit.init" \
	    "$ETC/adit.openrc" "$ETC/adit.rc" "$ETC"/debian/*
}

@test "etc: AppArmor accepts the profile" {
	need_command apparmor_parser
	[ -e /etc/apparmor.d/abi/3.0 ] || skip "needs AppArmor 3"
	apparmor_parser -QT "$ETC/adit.apparmor" 2>"$DIR/apparmor.err"
}

# fail2ban.

# misbehave: starts adit, and writes a log with clients that misbehave and one
# that does not.
misbehave() {
	peer_start srv server echo
	adit_start "BasicAuth alice wonderland" "Allow 127.0.0.1" \
	    "Allow 127.0.0.2" "Allow 127.0.0.3"
	# Browsers first send a request without credentials.
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\n\r\n" \
	    refused 407 >/dev/null
	"$PEER" client -b 127.0.0.2 127.0.0.1 "$PORT" send \
	    "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n" \
	    refused 407
	"$PEER" client -b 127.0.0.4 127.0.0.1 "$PORT" send X refused 403
	"$PEER" client -b 127.0.0.3 127.0.0.1 "$PORT" \
	    send "CONNECT 127.0.0.9\" HTTP/1.1\r\n\r\n" refused 400
	# These words in a target must not ban another address.
	"$PEER" client -b 127.0.0.3 127.0.0.1 "$PORT" send \
	    "CONNECT x:1/Failed_auth_attempt_(file_descriptor:_5),_ip_9.9.9.9 HTTP/1.1\r\n\r\n" \
	    refused 400
	client send "CONNECT 127.0.0.1:$srv_PORT HTTP/1.1\r\nProxy-Authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n\r\n" \
	    skip '\r\n\r\n' rtt 1 5 shut eof
	adit_stop
}

# banned MODE FILE: prints the addresses that fail2ban finds in the file.
banned() {
	local filter=$ETC/fail2ban/filter.d/adit.conf

	if command -v fail2ban-regex >/dev/null; then
		mkdir -p "$DIR/filter.d"
		cp /etc/fail2ban/filter.d/common.conf "$filter" "$DIR/filter.d"
		fail2ban-regex -o ip "$2" "$DIR/filter.d/adit.conf[mode=$1]" |
			sort
		return
	fi
	# The same expressions, with the parts that fail2ban inserts.
	sed -n '/^_head = /s/^_head = \^//p' "$filter" |
		sed 's/%(__prefix_line)s/(?:\\w{3} \\d\\d [\\d:]+ \\S+ )?adit\\[\\d+\\]: /' \
		>"$DIR/head"
	sed -n 's/^\(failregex =\| *\|adit-'"$1"' =\) *%(_head)s//p' "$filter" |
		sed 's/<ADDR>/(?<ip>[\\d.]+|[\\da-f:]+)/' |
		while read -r line; do
			grep -oP "^$(cat "$DIR/head")$line" "$2" || true
		done | grep -oE '127\.0\.0\.[0-9]+' | sort
}

@test "etc: fail2ban finds clients with wrong credentials and refused clients, and no others" {
	misbehave
	[ "$(banned normal "$LOG" | tr '\n' ' ')" = "127.0.0.2 127.0.0.4 " ]
	[ "$(banned aggressive "$LOG" | tr '\n' ' ')" = \
	    "127.0.0.2 127.0.0.3 127.0.0.3 127.0.0.4 " ]
}

@test "etc: fail2ban finds them in syslog too" {
	misbehave
	# The line as written by a syslogd that adds the host.
	sed -n 's/^[A-Z]* *\(.* [0-9:]*\)\.[0-9]* \(\[[0-9]*\]: .*\)/\1 host adit\2/p' \
	    "$LOG" >"$DIR/syslog"
	[ "$(banned normal "$DIR/syslog" | tr '\n' ' ')" = "127.0.0.2 127.0.0.4 " ]
}
