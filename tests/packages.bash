# shellcheck shell=bash
# Packages of Debian, for tests that need the real program, and configurations
# that other systems write for tinyproxy.  None of their files is in this
# project.

# packages_fetch NAME...: downloads them to the directory of this file of tests,
# and package lists too if the system has none.  Call it in setup_file.
packages_fetch() {
	local state=$BATS_FILE_TMPDIR/state
	local options=(-q)

	command -v apt-get >/dev/null || return 0
	cd "$BATS_FILE_TMPDIR" || return
	[ "$(id -u)" != 0 ] || options+=(-o APT::Sandbox::User=root)
	timeout 60 apt-get "${options[@]}" download "$@" >apt.out 2>&1 && return
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	options+=(-o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache")
	timeout 120 apt-get "${options[@]}" update >>apt.out 2>&1 &&
		timeout 60 apt-get "${options[@]}" download "$@" >>apt.out 2>&1
	return 0
}

# need_packages NAME...: skips the test if these could not be downloaded.
need_packages() {
	local name

	need_command dpkg-deb
	for name; do
		compgen -G "$BATS_FILE_TMPDIR/${name}_*.deb" >/dev/null ||
			skip "apt-get cannot download $name"
	done
}

# package_file NAME PATH: writes a file of a package to standard output.
package_file() {
	dpkg-deb --fsys-tarfile "$BATS_FILE_TMPDIR/$1"_*.deb | tar -xO ".$2"
}

# openwrt_conf USER GROUP [LINE...]: prints a configuration like those of
# OpenWrt's script, with the lines that it always writes, in its order, and
# these lines.
openwrt_conf() {
	local user=$1 group=$2

	shift 2
	cat <<-END
	User $user
	Group $group
	Port 8888
	Timeout 600
	LogFile "/var/log/tinyproxy.log"
	Syslog Off
	LogLevel Info
	XTinyproxy Off
	FilterURLs Off
	FilterExtended Off
	FilterCaseSensitive Off
	FilterDefaultDeny No
	MaxClients 100
	MinSpareServers 5
	MaxSpareServers 20
	StartServers 10
	MaxRequestsPerChild 0
	StatHost "127.0.0.1"
	$(printf '%s\n' "$@")
	Allow 127.0.0.1
	ViaProxyName "tinyproxy"
	END
}
