#!/usr/bin/env bats
# Where make install and make install-tinyproxy install which files, and how the
# program behaves under its second name.

load helper
LOOKS_INSIDE=yes

bats_require_minimum_version 1.5.0

TOP=$BATS_TEST_DIRNAME/..

setup() {
	common_setup
	TINYPROXY=${ADIT%/*}/tinyproxy
	[ -x "$TINYPROXY" ] || skip "needs tinyproxy beside ${ADIT##*/}"
}

# install TARGET [VARIABLE...]: runs make, without building anything again.
install() {
	[ "$ADIT" -ef "$TOP/adit" ] || skip "needs the adit of this directory"
	make -s -C "$TOP" DESTDIR="$DIR/root" "$@" \
	    >"$DIR/make.out" 2>&1 || {
		cat "$DIR/make.out"
		return 1
	}
}

# files: prints all files and links below the root.
files() {
	(cd "$DIR/root" && find . -type f -o -type l) | sort
}

@test "install: adit, its manual pages and a configuration are installed in the right places" {
	install install PREFIX=/usr SYSCONFDIR=/etc/adit
	[ "$(files | grep -v share/adit/)" = "./etc/adit/adit.conf
./usr/sbin/adit
./usr/share/man/man5/adit.conf.5
./usr/share/man/man8/adit.8" ]
	cmp "$ADIT" "$DIR/root/usr/sbin/adit"
	grep -q '^ExecStart=/usr/sbin/adit -d$' \
	    "$DIR/root/usr/share/adit/adit.service"
	grep -q '^CONFIG=/etc/adit/adit.conf$' \
	    "$DIR/root/usr/share/adit/adit.init"
	fails grep -rE '/usr/local/(sbin|etc/adit)' "$DIR/root/usr/share/adit"
	install uninstall PREFIX=/usr SYSCONFDIR=/etc/adit
	[ -z "$(files)" ]
}

@test "install: a program that was built for another SYSCONFDIR is installed with a warning" {
	install install SYSCONFDIR=/etc/adit
	grep -q 'warning: .* another SYSCONFDIR' "$DIR/make.out"
	install install
	fails grep warning "$DIR/make.out"
}

@test "install: a changed configuration survives install and uninstall" {
	mkdir -p "$DIR/root/etc/adit"
	echo "Port 3128" >"$DIR/root/etc/adit/adit.conf"
	install install PREFIX=/usr SYSCONFDIR=/etc/adit
	install uninstall PREFIX=/usr SYSCONFDIR=/etc/adit
	[ "$(files)" = ./etc/adit/adit.conf ]
	[ "$(cat "$DIR/root/etc/adit/adit.conf")" = "Port 3128" ]
}

@test "install: tinyproxy is installed with its manual pages, without a configuration, and removed again" {
	install install-tinyproxy PREFIX=/usr
	[ -x "$DIR/root/usr/bin/tinyproxy" ]
	# Scripts would not find a link to adit as tinyproxy.
	[ ! -L "$DIR/root/usr/bin/tinyproxy" ]
	grep -q 'Dt ADIT 8' "$DIR/root/usr/share/man/man8/tinyproxy.8"
	grep -q 'Dt ADIT.CONF 5' "$DIR/root/usr/share/man/man5/tinyproxy.conf.5"
	[ ! -e "$DIR/root/etc/tinyproxy" ]
	install uninstall-tinyproxy PREFIX=/usr
	fails grep -q tinyproxy <<<"$(files)"
}

@test "install: uninstall does not remove a tinyproxy that is not adit" {
	mkdir -p "$DIR/root/usr/bin" "$DIR/root/usr/share/man/man8"
	printf '#!/bin/sh\necho tinyproxy 1.11.1\n' >"$DIR/root/usr/bin/tinyproxy"
	chmod +x "$DIR/root/usr/bin/tinyproxy"
	: >"$DIR/root/usr/share/man/man8/tinyproxy.8"
	install uninstall-tinyproxy PREFIX=/usr
	[ "$(files)" = "./usr/bin/tinyproxy
./usr/share/man/man8/tinyproxy.8" ]
}

@test "install: tinyproxy prints its name and version as scripts expect, and reads its own configuration" {
	run -0 --separate-stderr "$TINYPROXY" -v
	[[ $output =~ ^tinyproxy\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[ "${output#tinyproxy }" = "$("$ADIT" -v | sed 's/adit //')" ]
	run -0 --separate-stderr "$TINYPROXY" -h
	[[ $output == "usage: tinyproxy "* ]]
	grep -q 'default file is /etc/tinyproxy/tinyproxy\.conf;' <<<"$output"
	run -64 --separate-stderr "$TINYPROXY" -x
	[[ $stderr == *"usage: tinyproxy "* ]]
}

@test "install: tinyproxy uses its name in its log, whatever name it is started by" {
	ADIT=$TINYPROXY
	adit_start
	log_wait '^NOTICE .*: Initializing tinyproxy [0-9]'
	adit_stop
	ln -s "$TINYPROXY" "$DIR/adit"
	run -0 "$DIR/adit" -t -c "$CONF"
	[[ $output == *"tinyproxy: $CONF: the configuration is right" ]]
}

@test "install: processes of tinyproxy are found by that name" {
	local pid

	need_proc
	ADIT=$TINYPROXY
	adit_start
	for pid in "$ADIT_PID" $(child_pids); do
		[ "$(cat "/proc/$pid/comm")" = tinyproxy ]
		[ "$(readlink -f "/proc/$pid/exe")" = "$(readlink -f "$TINYPROXY")" ]
	done
}

@test "install: a missing or wrong filter returns 65, as scripts expect" {
	local option

	echo '[' >"$DIR/broken"
	for option in "-d" "" "-t"; do
		adit_conf "ConnectPort 443" "Filter \"$DIR/none\""
		# shellcheck disable=SC2086
		run -65 timeout 20 "$TINYPROXY" $option -c "$CONF"
		adit_conf "ConnectPort 443" "Filter \"$DIR/broken\""
		# shellcheck disable=SC2086
		run -65 timeout 20 "$TINYPROXY" $option -c "$CONF"
		# Another error, before or after it, decides the status.
		adit_conf "Filter \"$DIR/broken\"" "Nonsense 1"
		# shellcheck disable=SC2086
		run -70 timeout 20 "$TINYPROXY" $option -c "$CONF"
	done
}
