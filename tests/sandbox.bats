#!/usr/bin/env bats
# What somebody gains who takes a process over: as little as the system allows.

load helper

setup() {
	common_setup
	need_linux
	need_proc
	need_crypt
	DRIVE=$BUILD/drive
}

# said LINE: the log has this line about the sandbox.
said() {
	log_has "Sandbox: $1"
}

# holds WHAT: skips the test unless the system and this build have it.
holds() {
	said "(.*, )?$1" || skip "there is no $1: $(logs_grep Sandbox:)"
}

# start [LINE...]: starts adit with all kinds of processes.
start() {
	free_port
	STATUS_PORT=$FREE_PORT
	# shellcheck disable=SC2016
	echo 'anna:$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.' >"$DIR/users"
	adit_start "LogLevel Info" "Workers 2" "AuthFile \"$DIR/users\"" \
	    "StatusListen 127.0.0.1 $STATUS_PORT" "$@"
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\nProxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n\r\n" \
	    refused 502
	family
}

# reload: waits until the new generation serves.
reload() {
	local n

	n=$(log_count 'Reloading config file finished')
	kill -HUP "$ADIT_PID"
	wait_for finished $((n + 1))
}

# finished N: N reloads have.
finished() {
	[ "$(log_count 'Reloading config file finished')" -ge "$1" ]
}

# process TITLE: sets PROCESS to the first process of adit with it.
process() {
	local pid title

	family
	for pid in "${FAMILY[@]}"; do
		title=
		IFS= read -r -d '' title 2>/dev/null <"/proc/$pid/cmdline" || true
		[[ $title != *": $1"* ]] || {
			PROCESS=$pid
			return 0
		}
	done
	echo "there is no process $1"
	return 1
}

# status_of PID FIELD: sets VALUE to that of /proc/PID/status.
status_of() {
	local line

	VALUE=
	while read -r line; do
		[[ $line != "$2:"* ]] || VALUE=${line##*[[:blank:]]}
	done <"/proc/$1/status"
}

# has PID FIELD VALUE
has() {
	status_of "$1" "$2"
	[ "$VALUE" = "$3" ] || {
		echo "pid $1: $2 is $VALUE, not $3"
		return 1
	}
}

# drives TITLE: makes that process do what standard input says, "RESULT CALL
# ARGUMENT..." on each line; # means any number.
drives() {
	local result call results wanted=() status=0 i

	process "$1"
	while read -r result call; do
		wanted+=("$result $call")
	done
	printf '%s\n' "${wanted[@]#* }" | "$DRIVE" "$PROCESS" \
	    >"$DIR/results" 2>"$DIR/drive.err" || status=$?
	[ "$status" != 77 ] || skip "$(cat "$DIR/drive.err")"
	[ "$status" = 0 ]
	mapfile -t results <"$DIR/results"
	for i in "${!wanted[@]}"; do
		result=${wanted[i]%% *}
		if [ "$result" = '#' ]; then
			[[ ${results[i]} =~ ^[0-9]+$ ]] && continue
		elif [ "${results[i]}" = "$result" ]; then
			continue
		fi
		echo "$1: ${wanted[i]#* }: ${results[i]}, not $result"
		return 1
	done
}

# unreadable PID: others of its user can read nothing of a process.
unreadable() {
	local user=()

	[ "$EUID" != 0 ] ||
		user=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups)
	if "${user[@]}" cat "/proc/$1/environ" >/dev/null 2>&1; then
		echo "others can read the memory of $1"
		return 1
	fi
}

@test "sandbox: no process can be read by others of its user, and none has a right that it does not need" {
	local pid bounding=0000000000000000

	[ "$EUID" != 0 ] || need_command setpriv
	start
	holds limits
	unreadable "$ADIT_PID"
	# Only CAP_SETPCAP allows it.
	status_of "$ADIT_PID" CapEff
	if ! ((0x$VALUE & 0x100)); then
		status_of "$ADIT_PID" CapBnd
		bounding=$VALUE
	fi
	for pid in "${FAMILY[@]}"; do
		unreadable "$pid"
		has "$pid" CapEff 0000000000000000
		has "$pid" CapPrm 0000000000000000
		has "$pid" CapAmb 0000000000000000
		has "$pid" CapBnd "$bounding"
		has "$pid" NoNewPrivs 1
		grep -q '^Max core file size  *0  *0 ' "/proc/$pid/limits"
	done
	for title in "worker 0" "worker 1" control "helper, passwords"; do
		process "$title"
		grep -q '^Max processes  *0  *0 ' "/proc/$PROCESS/limits"
		[[ $(logs_grep Sandbox:) != *seccomp* ]] || has "$PROCESS" Seccomp 2
	done
	process desk
	has "$PROCESS" Seccomp 0
}

@test "sandbox: a process started with a capability by an ordinary user gives it up" {
	local pid

	need_root
	need_command setpriv
	chmod 777 "$DIR"
	ADIT_WRAP=(setpriv --reuid nobody --regid "$(id -g nobody)"
		--clear-groups --inh-caps +net_bind_service
		--ambient-caps +net_bind_service)
	start
	has "$ADIT_PID" CapEff 0000000000000400
	for pid in "${FAMILY[@]}"; do
		has "$pid" CapEff 0000000000000000
		has "$pid" CapAmb 0000000000000000
		has "$pid" NoNewPrivs 1
	done
}

@test "sandbox: a worker that is taken over opens no file, starts nothing, and reaches no other process" {
	local other call

	CRASH_OK=yes
	start
	holds 'seccomp,'
	process "worker 1"
	other=$PROCESS
	# Descriptor 9999 is not open: what is refused is the call.
	drives "worker 0" <<-END
		EBADF setsockopt 9999 1 13 stack 8
		ENOSYS mremap stack 4096 8192 1
		EACCES socket 1 1 0
		EACCES openat -100 @/etc/passwd 0
		EACCES openat -100 @$DIR/new 0x41 0600
		ENOSYS unlinkat -100 @$CONF 0
		ENOSYS clone 17
		ENOSYS memfd_create @x 0
		EACCES socket 1 2 0
		EACCES socket 1 5 0
		EACCES socket 16 3 0
		EACCES socket 17 3 0
		EACCES socket 2 2 0
		EACCES socket 2 3 6
		EACCES socket 0x100000002 1 0
		EACCES mprotect stack 4096 5
		EACCES mmap 0 4096 7 0x22 -1 0
		ENOSYS listen 9999 1
		EBADF shutdown 9999 2
		ENOSYS ftruncate 9999 0
		ENOSYS fallocate 9999 0 0 1
		EACCES fcntl 9999 4 0
		EACCES fcntl 9999 0 0
		EACCES setsockopt 9999 1 26 stack 16
		EACCES ioctl 9999 0x5412 stack
		ENOSYS prctl 4 1
		ENOSYS prlimit64 $other 7 0 stack
		ENOSYS setuid 0
		EACCES kill $other 9
		EACCES kill $ADIT_PID 9
		EACCES tgkill $other $other 6
		# socket 2 1 0
		EBADF connect 9999 +0200000100000000 16
		EBADF close 9999
		killed ptrace 16 $other
	END
	wait_for log_has "Worker 0 \\(pid [0-9]+\\) died from signal 31"
	alive "$other"
	for call in "execve @/bin/sh 0 0" "process_vm_readv $other stack 1 stack 1 0" \
	    "bpf 0 stack 16" "keyctl 0" "unshare 0x10000000" "io_uring_setup 1 stack"; do
		wait_for -t 10 process "worker 0"
		drives "worker 0" <<<"killed $call"
		wait_for dead "$PROCESS"
	done
}

# listener PID: sets FD to that of a process for the listening socket.
listener() {
	local inode

	inode=$(awk -v port="$(printf ':%04X' "$PORT")" \
	    '$4 == "0A" && substr($2, 9) == port { print $10 }' /proc/net/tcp)
	FD=$(find "/proc/$1/fd" -lname "socket:\[$inode\]" -printf '%f\n' 2>/dev/null) ||
		FD=
	[ -n "$FD" ] || skip "cannot see the descriptors of a worker"
}

@test "sandbox: a worker that is taken over cannot stop the proxy at ControlSocket, nor before it dies" {
	local fd address text

	CRASH_OK=yes
	mkdir "$DIR/run"
	# An ordinary user starts it, so that all processes have the same rights.
	if [ "$EUID" = 0 ]; then
		need_command setpriv
		chmod 777 "$DIR"
		chown nobody "$DIR/run"
		ADIT_WRAP=(setpriv --reuid nobody --regid "$(id -g nobody)"
			--clear-groups)
	fi
	# With a parent at a Unix socket it may connect to others.
	adit_start "Workers 2" "ControlSocket \"$DIR/run/control\"" \
	    "Upstream http \"$DIR/run/parent\" \"parent.test\""
	process "worker 0"
	drives "worker 0" <<<"# socket 1 1 0"
	read -r fd <"$DIR/results"
	address=0100$(printf '%s' "$DIR/run/control" | od -An -tx1 | tr -d ' \n')00
	text=$(printf 'stop\n' | od -An -tx1 | tr -d ' \n')
	drives "worker 0" <<-END
		0 connect $fd +$address $((${#address} / 2))
		5 write $fd +$text 5
	END
	kill -KILL "$PROCESS"
	log_wait 'NOTICE .*ControlSocket: refused: a process of the proxy itself may not do that'
	alive "$ADIT_PID"
	"$ADIT" -c "$CONF" -s stop
	wait_for dead "$ADIT_PID"
}

@test "sandbox: a listening socket that a worker has made a connection of is opened anew" {
	local echo

	peer_start srv server echo
	echo=$(printf '+0200%04x7f0000010000000000000000' "$srv_PORT")
	adit_start "Workers 2"
	process "worker 0"
	listener "$PROCESS"
	drives "worker 0" <<-END
		0 connect $FD +00000000000000000000000000000000 16
		EINPROGRESS connect $FD $echo 16
	END
	log_wait '^ERROR .*: A worker has shut down a listening socket; opening it anew'
	log_wait 'Reloading config file finished'
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

@test "sandbox: a worker that claims all places and the right to listen does not stop the others" {
	local pid own common i drive

	peer_start srv server echo
	adit_start "LogLevel Info" "Workers 2" "MaxClients 10"
	process "worker 0"
	pid=$PROCESS
	# What it can write: its counts, and what is for all workers.
	mapfile -t own < <(sed -n 's/^\([0-9a-f]*\)-.* rw-s .*memfd:adit.*/\1/p' \
	    "/proc/$pid/maps" 2>/dev/null)
	[ "${#own[@]}" = 2 ] || skip "cannot see the memory of a worker"
	common=$((0x${own[1]}))
	mkfifo "$DIR/orders"
	# The debugger may give up at once.
	exec 7<>"$DIR/orders"
	"$DRIVE" "$pid" <"$DIR/orders" >"$DIR/results" 2>"$DIR/drive.err" 7>&- &
	drive=$!
	own_pid "$drive"
	# Clients, and its state: ready.
	printf 'poke 0x%s 0x00000001ffffffff\n' "${own[0]}" >&7
	for i in 0 1; do
		# It listens, and the other one makes room.
		printf 'poke 0x%x 0x0000000100000000\n' $((common + 64 * i)) >&7
	done
	wait_for results 3 || {
		cat "$DIR/drive.err"
		skip "needs ptrace"
	}
	for i in 1 2 3; do
		client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	done
	exec 7>&-
	wait "$drive"
	client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
}

# results N: so many orders were carried out.
results() {
	[ "$(wc -l <"$DIR/results")" = "$1" ]
}

@test "sandbox: the control process that is taken over reaches nobody, nor does a helper for passwords" {
	local title

	CRASH_OK=yes
	start
	holds 'seccomp,'
	for title in control "helper, passwords"; do
		drives "$title" <<-END
			EACCES openat -100 @/etc/passwd 0
			ENOSYS clone 17
			EACCES socket 2 1 0
			EACCES socket 1 1 0
			EACCES socket 16 3 0
			ENOSYS connect 9999 +0200000100000000 16
			ENOSYS bind 9999 +0200000100000000 16
			ENOSYS listen 9999 1
			EACCES kill $ADIT_PID 9
			EACCES mprotect stack 4096 5
			killed execve @/bin/sh 0 0
		END
	done
	wait_for log_has "Control process \\(pid [0-9]+\\) died from signal 31"
}

@test "sandbox: a control process can write nothing that the others read but the history" {
	local maps

	start
	process control
	maps=$(cat "/proc/$PROCESS/maps" 2>/dev/null) && [ -n "$maps" ] ||
		skip "cannot see the memory of a process"
	[ "$(grep -c ' rw-s ' <<<"$maps")" = 1 ]
	[ "$(grep -c ' r--s .*memfd:' <<<"$maps")" = 2 ]
}

@test "sandbox: the desk and a helper for names read files, and neither write one nor signal others" {
	local title worker

	start
	holds 'Landlock [0-9]+,'
	process "worker 0"
	worker=$PROCESS
	for title in desk "helper, names"; do
		drives "$title" <<-END
			# openat -100 @/etc/hosts 0
			# close $
			EACCES openat -100 @$DIR/new 0x41 0600
			EACCES openat -100 @/dev/null 1
			EACCES unlinkat -100 @$CONF 0
			EPERM ptrace 16 $worker
		END
		if said '.*Landlock ([6-9]|[0-9]{2}),'; then
			drives "$title" <<-END
				EPERM kill $worker 9
				EPERM kill $ADIT_PID 9
			END
		fi
	done
	said '.*Landlock ([4-9]|[0-9]{2}),' || return 0
	# 127.0.0.1:8095
	drives desk <<-END
		# socket 2 1 0
		EACCES bind $ +02001f9f7f0000010000000000000000 16
	END
}

@test "sandbox: with DeskUser a worker that is taken over neither signals nor reads a desk or a helper, even with Sandbox no" {
	local title others=() pid calls=()

	need_root
	start "User nobody" "DeskUser daemon" "Sandbox no"
	for title in desk "desk, passwords" "helper, names" "helper, passwords"; do
		process "$title"
		others+=("$PROCESS")
	done
	for pid in "${others[@]}"; do
		calls+=("EPERM kill $pid 0" "EPERM kill $pid 9" "EPERM ptrace 16 $pid"
			"EACCES openat -100 @/proc/$pid/mem 2"
			"EACCES openat -100 @/proc/$pid/environ 0")
	done
	# It may do so with its like.
	process "worker 1"
	drives "worker 0" < <(printf '%s\n' "0 kill $PROCESS 0" "${calls[@]}")
	for pid in "${others[@]}"; do
		alive "$pid"
	done
	client send "CONNECT no-such-name.invalid:1 HTTP/1.1\r\nProxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n\r\n" \
	    refused 502
}

@test "sandbox: with Sandbox no the processes can be looked into, after a reload too" {
	start
	holds limits
	process "worker 0"
	fails has "$PROCESS" NoNewPrivs 0
	sed -i 's/^LogLevel/Sandbox no\n&/' "$CONF"
	reload
	said no
	process "worker 0"
	has "$PROCESS" Seccomp 0
	has "$PROCESS" NoNewPrivs 1
	fails grep -q '^Max core file size  *0  *0 ' "/proc/$ADIT_PID/limits"
	fails grep -q '^Max processes  *0  *0 ' "/proc/$PROCESS/limits"
	[ "$EUID" = 0 ] || cat "/proc/$ADIT_PID/environ" "/proc/$PROCESS/environ" >/dev/null
	sed -i '/^Sandbox/d' "$CONF"
	reload
	[ "$(log_count 'INFO .*Sandbox: .*limits$')" = 2 ]
	unreadable "$ADIT_PID"
}

@test "sandbox: a system that forbids the calls for it costs a line in the log, not the start" {
	[ "$("$DRIVE" -r landlock -- echo yes)" = yes ] || skip "needs seccomp"
	ADIT_WRAP=("$DRIVE" -r seccomp landlock --)
	start
	holds limits
	said 'seccomp.*, limits'
	log_wait '^NOTICE .*Sandbox: this system has no Landlock$'
	adit_stop
	ADIT_WRAP=("$DRIVE" -r seccomp landlock prctl --)
	start
	log_wait '^NOTICE .*Sandbox: this system has no filter of system calls and no Landlock$'
}
