#!/usr/bin/env bats
# The Debian package that make deb builds: lintian, install, upgrade, removal
# and purge.

load helper
load root

PIDFILE=/run/adit/adit.pid
DLOG=/var/log/adit/adit.log

TOP=$BATS_TEST_DIRNAME/..

# Built once, with the flags of the package, not with those of this adit.
setup_file() {
	command -v dpkg-deb >/dev/null && command -v objdump >/dev/null &&
	    ! sanitized || return 0
	cd "$BATS_FILE_TMPDIR" || return
	build "$TOP" "$BATS_FILE_TMPDIR"
}

# build SOURCES DIRECTORY: builds the package of these sources there, with the
# flags of the package except that it is optimized less, which is faster.
build() {
	local sources=$1 flags

	shift
	flags=$(sed -n 's/^: "${CFLAGS:=-O2 -g \(.*\)}"$/-O1 \1/p' \
	    "$sources/etc/debian/build")
	[ -n "$flags" ] || return
	env -u CC -u LDFLAGS VERSION=1.0 DESTINATION="$1" CFLAGS="$flags" \
	    SOURCE_DATE_EPOCH=1767225600 \
	    DEBFULLNAME="A. Builder" DEBEMAIL=builder@example.com \
	    sh "$sources/etc/debian/build" >"$1/build.out" 2>&1 || {
		cat "$1/build.out"
		return 1
	}
}

setup() {
	common_setup
	need_command dpkg-deb objdump
	if sanitized; then
		skip "needs a build without sanitizers, as the package has"
	fi
	DEB=$(echo "$BATS_FILE_TMPDIR"/adit_1.0_*.deb)
	[ -f "$DEB" ]
}

# installed: installs the package in a throw-away machine with an echo server.
installed() {
	need_command dpkg adduser
	root_start
	stderr_expected 'notice: |warning: |debconf|invoke-rc.d|man-db'
	# As on a machine where it was never installed.
	inside rm -rf /etc/adit /run/adit /var/log/adit
	inside dpkg -i --no-triggers --force-depends "$DEB" \
	    >"$DIR/install.out" 2>&1 || {
		cat "$DIR/install.out"
		return 1
	}
	peer_inside
	inside sed -i 's/^ConnectPort.*//' /etc/adit/adit.conf
	inside /etc/init.d/adit reload >/dev/null
	wait_for inside_is grep -q 'Reloading config file finished' "$DLOG"
}

master() {
	inside cat "$PIDFILE"
}

# runs: whether there is an adit, one that has ended and waits for its parent
# not counted.
runs() {
	inside_is pgrep -r D,R,S,T -x adit
}

# newer VERSION: the same package with another version; sets NEWER.
newer() {
	NEWER=$DIR/adit_$1.deb
	dpkg-deb -R "$DEB" "$DIR/newer"
	sed -i "s/^Version:.*/Version: $1/" "$DIR/newer/DEBIAN/control"
	dpkg-deb --root-owner-group -Znone -b "$DIR/newer" "$NEWER" >/dev/null
}

@test "deb: lintian finds nothing wrong with the package" {
	need_command lintian
	fails grep . < <(lintian --no-cfg --allow-root --fail-on error,warning \
	    "$DEB" 2>&1 | grep -v 'running with root')
}

@test "deb: every file of /etc is a configuration file, and nothing is writable for others" {
	dpkg-deb -c "$DEB" >"$DIR/contents"
	awk '$1 ~ /^-/ && $6 ~ /^\.\/etc\// { print substr($6, 2) }' \
	    "$DIR/contents" | sort >"$DIR/in-etc"
	dpkg-deb --ctrl-tarfile "$DEB" | tar -xOf - ./conffiles |
		sort >"$DIR/conffiles"
	diff "$DIR/in-etc" "$DIR/conffiles"
	fails grep -qE '^.(....w|.......w)' "$DIR/contents"
	fails grep -qv 'root/root' "$DIR/contents"
}

@test "deb: two builds give the same package, even with objects of other flags beside the sources" {
	local source

	mkdir "$DIR/again" "$DIR/sources"
	(cd "$TOP" && tar -cf - --exclude='*.o' --exclude=./.git \
	    --exclude=./tests .) | tar -xf - -C "$DIR/sources"
	for source in "$DIR"/sources/*.c "$DIR"/sources/[a-z]*/*.c; do
		: >"${source%.c}.o"
	done
	build "$DIR/sources" "$DIR/again"
	cmp "$DEB" "$DIR/again/${DEB##*/}"
}

@test "deb: once installed, it runs as a user of its own, serves and logs" {
	need_root
	installed
	serves_inside 8888
	[ "$(inside pgrep -c -x -u adit adit)" -ge 2 ]
	[ "$(inside pgrep -x -u root adit)" = "$(master)" ]
	wait_for inside_is grep -q 'Established connection' "$DLOG"
	wait_for inside_is test -s /var/log/adit/access.log
	[ "$(inside stat -c '%U:%G %a' "$DLOG")" = "adit:adm 640" ]
	inside /etc/init.d/adit status | grep -q 'is running'
	inside adit -v | grep -q '^adit '
}

@test "deb: an upgrade goes on as the new program, cuts no tunnel, and keeps the configuration" {
	local before

	need_root
	installed
	tunnel_inside t 8888
	before=$(master)
	inside sh -c 'echo "MaxClients 77" >>/etc/adit/adit.conf'
	newer 1.1
	inside dpkg -i --no-triggers --force-depends --force-confold "$NEWER" \
	    >"$DIR/upgrade.out" 2>&1
	[ "$(master)" = "$before" ]
	[ "$(inside readlink "/proc/$before/exe")" = /usr/sbin/adit ]
	wait_for inside_is grep -q 'Upgraded to adit' "$DLOG"
	inside grep -q '^MaxClients 77' /etc/adit/adit.conf
	serves_inside 8888
	touch "$DIR/go"
	peer_wait t | grep -qx whole
	serves_inside 8888
}

@test "deb: an upgrade with a wrong configuration does not stop the service" {
	local before

	need_root
	installed
	before=$(master)
	inside sh -c 'echo "Nonsense 1" >>/etc/adit/adit.conf'
	newer 1.1
	fails inside dpkg -i --no-triggers --force-depends --force-confold \
	    "$NEWER" >"$DIR/upgrade.out" 2>&1
	grep -q 'Nonsense: unknown directive' "$DIR/upgrade.out"
	[ "$(master)" = "$before" ]
	serves_inside 8888
}

@test "deb: once removed, no process of it runs, not even an old one from before an upgrade" {
	need_root
	installed
	tunnel_inside t 8888
	# A process of a version that is too old for an upgrade in place.
	inside sed -i 's/^knows() {/&\n\treturn 1/' /etc/init.d/adit
	inside sed -i '/^ControlSocket/d' /etc/adit/adit.conf
	inside /etc/init.d/adit reload >/dev/null
	inside /etc/init.d/adit restart >/dev/null
	[ "$(inside pgrep -c -x -u root adit)" = 2 ]
	inside dpkg -r --no-triggers adit >"$DIR/remove.out" 2>&1
	fails runs
	fails peer_wait t >/dev/null
	inside test -f /etc/adit/adit.conf
	inside test ! -e /usr/sbin/adit
}

@test "deb: once purged, no file and no user of it is left, and it can be installed again" {
	need_root
	installed
	inside dpkg -P --no-triggers adit >"$DIR/purge.out" 2>&1 || {
		cat "$DIR/purge.out"
		return 1
	}
	fails runs
	fails inside_is getent passwd adit
	inside find /etc /run /usr/sbin /usr/share/man /usr/share/doc /lib/systemd \
	    /usr/lib/systemd /var/log /var/lib/dpkg/info /var/lib/systemd \
	    -name adit -o -name 'adit[._-]*' >"$DIR/left" 2>/dev/null || true
	fails grep . "$DIR/left"
	inside dpkg -i --no-triggers --force-depends "$DEB" \
	    >"$DIR/install.out" 2>&1
	inside /etc/init.d/adit status | grep -q 'is running'
}
