#!/usr/bin/env bats
# The recipes of adit.conf(5), each in a network like the one it is for: what it
# lets through, and what it refuses to clients that try more.

load helper

RECIPES=(office guests bastion egress ci sandbox transparent ldap parent reverse)
OPEN_PORTS=(22 80 443)
LISTS=$BATS_TEST_DIRNAME/recipes/lists

# recipe NAME [LISTS]: starts adit with this recipe; only the paths and, if the
# tests have another one, the user are changed.
recipe() {
	sed -e "s,\"/var/log/adit/,\"$DIR/," -e "s,\"/run/adit/,\"$DIR/," \
	    -e "s,\"/etc/adit/,\"${2:-$LISTS}/," \
	    -e "s/^User .*/User ${ADIT_TEST_USER:-nobody}/" \
	    "$BATS_TEST_DIRNAME/recipes/$1.conf" >"$CONF"
	PORT=8888
	adit_launch
	adit_ready
}

# open_everywhere: an echo server on all addresses, so that every request that is
# not refused gets a tunnel.
open_everywhere() {
	local port

	for port in "${OPEN_PORTS[@]}"; do
		# It accepts IPv4 too.
		peer_start OPEN echod -a :: -p "$port"
	done
}

# ask FROM USER TARGET ACTION...: sends the request to $AT.
ask() {
	local from=$1 user=$2 target=$3 field=

	shift 3
	case $user in
	-) ;;
	*) field="Proxy-Authorization: Basic $(printf %s "$user" | base64)\\r\\n" ;;
	esac
	"$PEER" client -b "$from" "$AT" 8888 \
	    send "CONNECT $target HTTP/1.1\\r\\n$field\\r\\n" "$@"
}

# goes FROM USER TARGET...: each of these gets a tunnel to an echo.
goes() {
	local from=$1 user=$2 target

	shift 2
	for target; do
		ask "$from" "$user" "$target" \
		    expect 'HTTP/1.1 200 Connection established\r\n\r\n' \
		    rtt 1 5 shut eof || {
			echo "refused: $from $user $target"
			return 1
		}
	done
}

# stays CODE FROM USER TARGET...: each of these is refused.
stays() {
	local code=$1 from=$2 user=$3 target

	shift 3
	for target; do
		ask "$from" "$user" "$target" refused "$code" >"$DIR/reply" || {
			echo "not refused with $code: $from $user $target"
			return 1
		}
	done
}

# decides LINE CLIENT USER TARGET: whether this line of the recipe refuses it.
decides() {
	"${ADIT_WRAP[@]}" "$ADIT" -t -c "$CONF" "$2" "$3" "$4" >"$DIR/said" ||
		true
	grep -qE "refused by line [0-9]+: $1\$" "$DIR/said" || {
		cat "$DIR/said"
		return 1
	}
}

# full_for CLIENT: opens connections until one is refused; for wait_for.  Places
# of refused connections are soon free again.
full_for() {
	client_start MORE -n 10 -b "$1" "$AT" 8888 send C hold
	ask "$1" - 8.8.8.8:443 refused 503 >/dev/null 2>&1
}

# asked NAME: whether the name server was asked for it or a name below it.
asked() {
	grep -qiF "$1 " "$DIR/dns.out"
}

@test "recipes: the manual shows exactly these files" {
	local name

	awk -v dir="$DIR" '/^\.Sh/ { in_recipes = $2 == "RECIPES" }
		/^\.Ed/ { shown = 0 }
		shown { print > (dir "/recipe." shown) }
		in_recipes && /^\.Bd -literal$/ { shown = ++count }' \
	    "$BATS_TEST_DIRNAME/../man/adit.conf.5"
	for name in "$DIR"/recipe.*; do
		sed -i.bak -e 's/\\-/-/g' -e 's/\\e/\\/g' "$name"
		rm "$name.bak"
	done
	for name in "${!RECIPES[@]}"; do
		diff -u "$BATS_TEST_DIRNAME/recipes/${RECIPES[name]}.conf" \
		    "$DIR/recipe.$((name + 1))"
	done
	[ "$(printf '%s\n' "$DIR"/recipe.* | wc -l)" = "${#RECIPES[@]}" ]
	[ "$(printf '%s\n' "$BATS_TEST_DIRNAME"/recipes/*.conf | wc -l)" = "${#RECIPES[@]}" ]
}

@test "recipes: each file has no error and gives no warning" {
	local name

	for name in "${RECIPES[@]}"; do
		recipe_print "$BATS_TEST_DIRNAME/recipes/$name.conf" \
		    >"$DIR/$name.conf"
		checks "$DIR/$name.conf" "$DIR/out" "$DIR/err"
		# The manual says why this one is right.
		[ "$name" != parent ] || sed -i.bak \
		    '/: warning: DenyTo: no effect on names that go to the parent/d' \
		    "$DIR/err"
		# So it does here: this one is to be taken out in the end.
		[ "$name" != sandbox ] || sed -i.bak \
		    '/: notice: ReportTo: what this line matches is allowed/d' \
		    "$DIR/err"
		[ ! -s "$DIR/err" ]
		grep -q 'the configuration is right' "$DIR/out"
	done
}

@test "recipes: an office gateway lets the office reach HTTPS on the internet, and nothing else" {
	network 10.1.0.1 10.1.2.3 10.1.0.5 10.2.0.1 192.168.7.7 198.51.100.1 \
	    169.254.169.254 8.8.8.8 2001:db8:1::1 2001:db8:1::9 2001:db8:2::9 \
	    2600::1 fd00::5 64:ff9b::a01:5 2002:a01:5::1
	name_server web.example=8.8.8.8,2600::1 rebind.example=10.1.0.5 \
	    half.example=10.1.0.5,8.8.8.8 six.example=2001:db8:1::9 \
	    nat64.example=64:ff9b::a01:5 meta.example=169.254.169.254 \
	    outside.example=198.51.100.1
	open_everywhere
	AT=10.1.0.1
	recipe office

	goes 10.1.2.3 - web.example:443 8.8.8.8:443 '[2600::1]:443' \
	    half.example:443
	AT=2001:db8:1::1 goes 2001:db8:1::9 - web.example:443
	wait_for grep -q ' half.example:443 8\.8\.8\.8:443 ' "$DIR/access.log"

	# Clients outside the office.
	stays 403 10.2.0.1 - web.example:443
	AT=2001:db8:1::1 stays 403 2001:db8:2::9 - web.example:443
	fails "$PEER" client 198.51.100.1 8888
	# Other ports.
	stays 403 10.1.2.3 - web.example:80 web.example:22 8.8.8.8:22
	# The office, the gateway, other private networks, in any form.
	stays 403 10.1.2.3 - 10.1.0.5:443 '[::ffff:10.1.0.5]:443' \
	    '[64:ff9b::a01:5]:443' '[2002:a01:5::1]:443' '[fd00::5]:443' \
	    192.168.7.7:443 169.254.169.254:443 '[::ffff:a9fe:a9fe]:443' \
	    '[2001:db8:1::9]:443' 198.51.100.1:443 \
	    '[::ffff:198.51.100.1]:443' 127.0.0.1:443 '[::1]:443' 0.0.0.0:443 \
	    '[::]:443' localhost:443 10.1.0.1:8888 '[2001:db8:1::1]:8888'
	# Names that lead there.
	stays 403 10.1.2.3 - rebind.example:443 six.example:443 \
	    nat64.example:443 meta.example:443 outside.example:443
	# Each rule is needed, also where private holds these addresses too.
	decides 'DenyTo 198\.51\.100\.1' 10.1.2.3 - 198.51.100.1:443
	decides 'DenyTo 2001:db8:1::/48' 10.1.2.3 - six.example:443
	decides 'DenyTo private' 10.1.2.3 - rebind.example:443
	# A machine with very many connections leaves room for another.
	client_start MANY -n 200 -b 10.1.2.3 "$AT" 8888 send C hold
	wait_for full_for 10.1.2.3
	goes 10.1.0.5 - web.example:443
}

@test "recipes: a bastion lets each administrator reach the right SSH servers, and nothing else" {
	local alice=alice:wonderland bob=bob:builder

	network 192.0.2.1 203.0.113.9 198.51.100.9 10.0.0.1 10.0.5.5 10.0.3.7 \
	    10.1.0.1 8.8.8.8 169.254.169.254 fd12:3456:789a::1 \
	    fd12:3456:789a::5 fd00::5 64:ff9b::a00:505
	name_server db.inside.example=10.0.5.5 web.example=8.8.8.8 \
	    self.example=10.0.0.1,127.0.0.1,fd12:3456:789a::1
	open_everywhere
	AT=192.0.2.1
	recipe bastion

	goes 203.0.113.9 "$alice" 10.0.5.5:22 db.inside.example:22 10.0.3.7:22 \
	    '[fd12:3456:789a::5]:22'
	goes 203.0.113.9 "$bob" 10.0.3.7:22

	# Unknown users, and clients from elsewhere.
	stays 407 203.0.113.9 - 10.0.5.5:22
	stays 407 203.0.113.9 alice:builder 10.0.5.5:22
	stays 407 203.0.113.9 Alice:wonderland 10.0.5.5:22
	stays 403 198.51.100.9 "$alice" 10.0.5.5:22
	fails "$PEER" client 10.0.0.1 8888
	# Servers of the other administrator.
	stays 403 203.0.113.9 "$bob" 10.0.5.5:22 db.inside.example:22 \
	    '[fd12:3456:789a::5]:22'
	# Other ports, the bastion itself, and targets outside the network.
	stays 403 203.0.113.9 "$alice" 10.0.5.5:443 10.0.5.5:80 10.0.0.1:22 \
	    '[::ffff:10.0.0.1]:22' '[fd12:3456:789a::1]:22' self.example:22 \
	    127.0.0.1:22 '[::1]:22' localhost:22 192.0.2.1:22 192.0.2.1:8888 \
	    10.1.0.1:22 8.8.8.8:22 web.example:22 169.254.169.254:22 \
	    '[fd00::5]:22' '[64:ff9b::a00:505]:22' 0.0.0.0:22
	decides 'DenyTo 10\.0\.0\.1' 203.0.113.9 alice 10.0.0.1:22
	decides 'DenyTo fd12:3456:789a::1' 203.0.113.9 alice \
	    '[fd12:3456:789a::1]:22'
}

@test "recipes: sandboxes reach only the names on the list, and no other name is looked up" {
	network 10.200.0.1 10.200.3.4 10.200.3.5 10.9.9.9 8.8.8.8 9.9.9.9 192.168.7.7 \
	    169.254.169.254 2600::1 fd00::5 64:ff9b::a9fe:a9fe \
	    2002:a9fe:a9fe::1
	name_server git.example.com=8.8.8.8,2600::1 \
	    pip.packages.example.org=9.9.9.9 a.b.packages.example.org=9.9.9.9 \
	    packages.example.org=9.9.9.9 other.example.com=8.8.8.8 \
	    '*.evil.test=8.8.8.8' evilgit.example.com=8.8.8.8 \
	    sub.git.example.com=8.8.8.8 \
	    private.packages.example.org=192.168.7.7 \
	    meta.packages.example.org=169.254.169.254 \
	    nat64.packages.example.org=64:ff9b::a9fe:a9fe \
	    6to4.packages.example.org=2002:a9fe:a9fe::1 \
	    ula.packages.example.org=fd00::5 \
	    loop.packages.example.org=127.0.0.1,::1 \
	    self.packages.example.org=10.200.0.1 \
	    'turns.packages.example.org/=9.9.9.9,169.254.169.254'
	open_everywhere
	AT=10.200.0.1
	recipe egress

	goes 10.200.3.4 - git.example.com:443 GIT.Example.COM.:443 \
	    pip.packages.example.org:443 a.b.packages.example.org:443

	# Clients that are not sandboxes.
	stays 403 10.9.9.9 - git.example.com:443
	fails "$PEER" client 127.0.0.1 8888
	# Other names, even similar ones, and messages in names.
	stays 403 10.200.3.4 - other.example.com:443 packages.example.org:443 \
	    evilgit.example.com:443 sub.git.example.com:443 \
	    git.example.com.evil.test:443 c2VjcmV0.evil.test:443 \
	    xpackages.example.org:443 localhost:443 com:443
	for name in other.example.com evilgit.example.com evil.test \
	    sub.git.example.com xpackages.example.org localhost; do
		fails asked "$name"
	done
	# Other ports; the right address without its name.
	stays 403 10.200.3.4 - git.example.com:22 git.example.com:80 \
	    8.8.8.8:443 9.9.9.9:443 '[2600::1]:443' '[::ffff:8.8.8.8]:443'
	# Private targets, by address and by a name on the list.
	stays 403 10.200.3.4 - 169.254.169.254:443 127.0.0.1:443 '[::1]:443' \
	    192.168.7.7:443 10.200.0.1:443 10.200.0.1:8888 0.0.0.0:443 \
	    '[64:ff9b::a9fe:a9fe]:443' private.packages.example.org:443 \
	    meta.packages.example.org:443 nat64.packages.example.org:443 \
	    6to4.packages.example.org:443 ula.packages.example.org:443 \
	    loop.packages.example.org:443 self.packages.example.org:443 \
	    self.packages.example.org:8888
	decides 'DenyTo private' 10.200.3.4 - meta.packages.example.org:443
	# A sandbox with very many connections leaves room for another.
	client_start MANY -n 100 -b 10.200.3.4 "$AT" 8888 send C hold
	wait_for full_for 10.200.3.4
	goes 10.200.3.5 - git.example.com:443
	# A name that changes its address: only the judged address is used.
	for name in 1 2 3 4; do
		ask 10.200.3.5 - turns.packages.example.org:443 head >"$DIR/reply"
		grep -qE '^HTTP/1.1 (200|403) ' "$DIR/reply"
	done
	fails awk '$5 ~ /^169\.254\./ { found = 1 } END { exit !found }' \
	    "$DIR/access.log"
}

# hello NAME: sets HELLO to a TLS hello, as a TEXT of the peer, and ANSWER to
# that of a server.
hello() {
	HELLO=$("$BUILD/flight_test" "$1" "")
	ANSWER=$("$BUILD/flight_test" - answer)
}

# secure FROM TARGET [NAME]: a tunnel in which the client speaks TLS for the name
# of the target or another one.
secure() {
	hello "${3:-${2%:*}}"
	ask "$1" - "$2" expect 'HTTP/1.1 200 Connection established\r\n\r\n' \
	    send "$HELLO" expect "${SAID-$ANSWER}" shut eof
}

# tls_servers ADDRESS...: servers at port 443 that answer to a hello.
tls_servers() {
	hello x
	for at; do
		peer_start TLS server -a "$at" -p 443 skip '\x16\x03' send "$ANSWER" sink
	done
}

@test "recipes: CI runners reach what is on the lists, by TLS for the name they ask for, and nothing else" {
	local alert='\x15\x03\x01\x00\x02\x02'

	network 10.20.0.1 10.20.0.7 10.20.0.8 10.99.0.1 8.8.8.8 9.9.9.9 10.9.9.9
	name_server registry.example.org=8.8.8.8 a.packages.example.org=8.8.8.8 \
	    inner.packages.example.org=10.9.9.9 git.example.com=9.9.9.9 \
	    a.malware.example=8.8.8.8 other.example=8.8.8.8
	tls_servers 8.8.8.8 10.9.9.9
	peer_start SSH echod -a 9.9.9.9 -p 22
	AT=10.20.0.1
	recipe ci

	secure 10.20.0.7 registry.example.org:443
	secure 10.20.0.7 a.packages.example.org:443
	goes 10.20.0.8 - git.example.com:22
	# Another name of the same server, and no TLS.
	SAID=$alert'\x70' secure 10.20.0.7 registry.example.org:443 other.example
	ask 10.20.0.7 - registry.example.org:443 skip '\r\n\r\n' \
	    send 'SSH-2.0-x\r\n' eof
	# Other names, other ports, and a runner that does not release.
	stays 403 10.20.0.7 - other.example:443 8.8.8.8:443 packages.example.org:443 \
	    registry.example.org:22 git.example.com:22 a.malware.example:443 \
	    inner.packages.example.org:443
	decides 'DenyTo private' 10.20.0.7 - inner.packages.example.org:443
	decides 'DenyTo .*blocked" below because .*' 10.20.0.7 - a.malware.example:443
	stays 403 10.99.0.1 - registry.example.org:443
	# Whoever is refused learns why, and so do those who read the log.
	stays 403 10.20.0.7 - a.malware.example:443
	grep -q 'On the list of bad names' "$DIR/reply"
	grep -q 'ci@example.com' "$DIR/reply"
	wait_for grep -q '"host":"a.malware.example".*"verdict":"deny"' "$DIR/decisions.log"
}

@test "recipes: an agent without a network reaches what was learned through its socket, and nothing else" {
	local socket=$DIR/agent/proxy.sock

	network 8.8.8.8 9.9.9.9 10.0.0.5 169.254.169.254
	name_server git.example.com=8.8.8.8 pip.example.org=9.9.9.9 \
	    other.example.com=8.8.8.8 meta.example.org=169.254.169.254
	tls_servers 8.8.8.8
	peer_start PIP echod -a 9.9.9.9 -p 443
	mkdir -m 755 "$DIR/agent" "$DIR/agent.d"
	stderr_expected 'notice: ReportTo'
	recipe sandbox "$DIR"
	# The adit in the container, in the lines of the manual.
	printf '%s\n' "User ${ADIT_TEST_USER:-nobody}" "Port 8888" \
	    "Listen 127.0.0.1" "Upstream http \"$socket\"" >"$DIR/inner.conf"
	also_start inner
	AT=127.0.0.1

	# Learning: all names, but no other port and nothing private.
	secure 127.0.0.1 git.example.com:443
	goes 127.0.0.1 - pip.example.org:443
	wait_for grep -q "\"client\":\"$socket\"" "$DIR/access.log"
	# The answer of the one outside comes through as it is.
	stays 403 127.0.0.1 - pip.example.org:80 meta.example.org:443 \
	    127.0.0.1:443 localhost:443 10.0.0.5:443 169.254.169.254:443
	decides 'DenyTo private' "$socket" - meta.example.org:443

	# Enforcement, as the manual says.
	wait_for grep -q '"host":"pip.example.org"' "$DIR/decisions.log"
	"$ADIT" -t -r "$DIR/decisions.log" >"$DIR/agent.d/learned.conf"
	[ "$(cat "$DIR/agent.d/learned.conf")" = "AllowTo pip.example.org:443" ]
	sed -i.bak '/^ReportTo/d' "$CONF"
	kill -HUP "$(cat "$DIR/adit.pid")"
	wait_for grep -q 'Reloading config file finished' "$DIR/adit.log"
	goes 127.0.0.1 - pip.example.org:443
	stays 403 127.0.0.1 - other.example.com:443 8.8.8.8:443 \
	    meta.example.org:443
	fails asked other.example.com
}

@test "recipes: guests reach the internet without a password, and only staff reach the office" {
	local alice=alice:wonderland

	network 10.50.0.1 10.50.0.7 10.50.0.8 10.1.0.5 10.60.0.1 8.8.8.8 198.51.100.1
	name_server web.example=8.8.8.8 wiki.corp.example.com=10.1.0.5 \
	    other.corp.example.com=10.1.0.5
	OPEN_PORTS=(25 443 993)
	open_everywhere
	AT=10.50.0.1
	recipe guests

	goes 10.50.0.7 - web.example:443 web.example:993 8.8.8.8:443
	goes 10.50.0.7 "$alice" wiki.corp.example.com:443 web.example:443
	stays 403 10.50.0.7 - wiki.corp.example.com:443 10.1.0.5:443 \
	    198.51.100.1:443 10.50.0.1:8888 web.example:25 127.0.0.1:443
	stays 403 10.50.0.7 - 10.1.0.5:443
	grep -q 'The office is for staff, with a password' "$DIR/reply"
	stays 403 10.50.0.7 "$alice" 10.1.0.5:443 other.corp.example.com:443
	stays 407 10.50.0.7 alice:other web.example:443
	stays 403 10.60.0.1 - web.example:443
	wait_for grep -q ' 10.50.0.7 alice wiki.corp.example.com:443 ' "$DIR/access.log"
	# How machines find it, and that none of them can have all of it.
	"$PEER" client -b 10.50.0.8 "$AT" 8888 \
	    send 'GET /wpad.dat HTTP/1.1\r\nHost: wpad.example.com\r\n\r\n' \
	    skip 'x-ns-proxy-autoconfig' skip 'PROXY 10.50.0.1:8888'
	client_start MANY -n 60 -b 10.50.0.7 "$AT" 8888 send C hold
	wait_for full_for 10.50.0.7
	goes 10.50.0.8 - web.example:443
}

# directory ADDRESS: a directory with the users alice and dora.
directory() {
	need_command slapd
	[ -x /usr/lib/squid/basic_ldap_auth ] ||
		skip "needs /usr/lib/squid/basic_ldap_auth"
	mkdir "$DIR/ldap"
	cat >"$DIR/slapd.conf" <<-END
	include /etc/ldap/schema/core.schema
	include /etc/ldap/schema/cosine.schema
	include /etc/ldap/schema/inetorgperson.schema
	pidfile $DIR/slapd.pid
	modulepath /usr/lib/ldap
	moduleload back_ldif
	database ldif
	suffix dc=example,dc=org
	directory $DIR/ldap
	END
	slapadd -f "$DIR/slapd.conf" >"$DIR/slapadd" 2>&1 <<-END ||
	dn: dc=example,dc=org
	objectClass: domain
	dc: example

	dn: ou=people,dc=example,dc=org
	objectClass: organizationalUnit
	ou: people

	dn: uid=alice,ou=people,dc=example,dc=org
	objectClass: inetOrgPerson
	uid: alice
	cn: alice
	sn: alice
	userPassword: wonder land

	dn: uid=dora,ou=people,dc=example,dc=org
	objectClass: inetOrgPerson
	uid: dora
	cn: dora
	sn: dora
	userPassword: secret
	END
		skip "needs a slapd that takes a directory: $(tail -n 1 "$DIR/slapadd")"
	"${INSIDE[@]}" slapd -d 0 -f "$DIR/slapd.conf" -h "ldap://$1:389" \
	    >"$DIR/slapd.out" 2>&1 </dev/null 3>&- &
	own_pid $!
	wait_for "$PEER" client "$1" 389
}

@test "recipes: users of a directory reach the internet, and its administrators what is inside" {
	network 10.1.0.1 10.1.2.3 10.1.0.9 10.1.9.4 10.2.0.1 8.8.8.8
	directory 10.1.0.9
	name_server web.example=8.8.8.8 ldap.example.org=10.1.0.9
	OPEN_PORTS=(443)
	open_everywhere
	AT=10.1.0.1
	recipe ldap

	goes 10.1.2.3 'alice:wonder land' web.example:443 10.1.2.3:443
	goes 10.1.2.3 dora:secret web.example:443
	stays 403 10.1.2.3 dora:secret 10.1.2.3:443
	stays 407 10.1.2.3 - web.example:443
	stays 407 10.1.2.3 dora:wrong web.example:443
	stays 407 10.1.2.3 '*:secret' web.example:443
	goes 10.1.9.4 - web.example:443
	stays 403 10.1.9.4 - 10.1.2.3:443
	stays 403 10.2.0.1 dora:secret web.example:443
	wait_for grep -q ' 10.1.2.3 alice 10.1.2.3:443 ' "$DIR/access.log"
}

# machine ADDRESS GATEWAY: another machine on a network with the one of network(),
# which is its gateway; sets MACHINE=(COMMAND...) to run commands there.
machine() {
	network_apart
	MACHINE=(nsenter -t "$APART" -n --)
	"${INSIDE[@]}" ip link add br0 type veth peer name eth0 netns "$APART" &&
	    "${INSIDE[@]}" ip addr add "$2/16" dev br0 &&
	    "${INSIDE[@]}" ip link set br0 up &&
	    "${MACHINE[@]}" ip addr add "$1/16" dev eth0 &&
	    "${MACHINE[@]}" ip link set eth0 up &&
	    "${MACHINE[@]}" ip route add default via "$2" ||
		skip "needs a network between namespaces"
}

# unaware URL [OPTION...]: curl on the machine, which knows of no proxy, and to
# which the name has an address where nobody is.
unaware() {
	local name=${1#*://} port=443

	case $1 in http:*) port=80 ;; esac
	"${MACHINE[@]}" curl -sSk -f -m 20 --noproxy '*' \
	    --resolve "${name%%/*}:$port:192.0.2.77" -o "$DIR/page" "${@:2}" \
	    "$1" 2>"$DIR/curl.err"
}

@test "recipes: programs that ignore proxy settings reach the names on the list through a transparent gateway" {
	local port

	need_command curl openssl nft
	network 8.8.8.8 9.9.9.9 192.168.7.7
	machine 10.200.3.4 10.200.0.1
	name_server git.example.com=8.8.8.8 pip.packages.example.org=9.9.9.9 \
	    deb.example.net=9.9.9.9 private.packages.example.org=192.168.7.7 \
	    self.packages.example.org=10.200.0.1 other.example.com=8.8.8.8
	# As the manual has it.
	printf '%s\n' 'add table ip transparent' \
	    'add chain ip transparent in { type nat hook prerouting priority -100; }' \
	    'add rule ip transparent in iifname br0 tcp dport 80 redirect to :8080' \
	    'add rule ip transparent in iifname br0 tcp dport 443 redirect to :8443' |
		"${INSIDE[@]}" nft -f - 2>"$DIR/nft.err" ||
		skip "needs redirection: $(tail -n 1 "$DIR/nft.err")"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	    -nodes -days 2 -subj /CN=x -keyout "$DIR/key.pem" \
	    -out "$DIR/cert.pem" 2>"$DIR/req.err"
	for port in 8.8.8.8:443 9.9.9.9:443; do
		"${INSIDE[@]}" openssl s_server -accept "$port" -www \
		    -key "$DIR/key.pem" -cert "$DIR/cert.pem" \
		    >"$DIR/server.$port" 2>&1 </dev/null 3>&- &
		own_pid $!
		wait_for grep -q '^ACCEPT' "$DIR/server.$port"
	done
	peer_start DEB server -a 9.9.9.9 -p 80 skip '\r\n\r\n' \
	    send 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ndeb' eof
	recipe transparent

	unaware https://git.example.com/
	unaware https://pip.packages.example.org/
	unaware http://deb.example.net/
	grep -qx deb "$DIR/page"
	# Other names, and names on the list that lead elsewhere.
	for port in https://other.example.com/ http://git.example.com/ \
	    https://deb.example.net/ https://private.packages.example.org/ \
	    https://self.packages.example.org/ http://other.example.com/; do
		fails unaware "$port"
	done
	fails unaware http://deb.example.net/ -H 'Host: git.example.com'
	fails asked other.example.com
	# By address there is no name.
	fails "${MACHINE[@]}" curl -sSk -m 20 --noproxy '*' https://8.8.8.8/ \
	    2>"$DIR/curl.err"
	wait_for grep -q ' git.example.com:443 8\.8\.8\.8:443 200/closed' \
	    "$DIR/access.log"
}

# parent_ready NAME: for wait_for.
parent_ready() {
	grep -q 'Starting main loop' "$DIR/$1.out"
}

# also_start NAME: starts one more adit, with the file of that name.
also_start() {
	"${ADIT_WRAP[@]}" "$ADIT" -d -c "$DIR/$1.conf" >"$DIR/$1.out" \
	    2>"$DIR/$1.err" </dev/null 3>&- &
	own_pid $!
	wait_for parent_ready "$1"
}

# company_proxy NAME ADDRESS: another adit, which needs joe's credentials.
company_proxy() {
	printf '%s\n' "User ${ADIT_TEST_USER:-nobody}" "Port 3128" "Listen $2" \
	    "BasicAuth joe sesame" >"$DIR/$1.conf"
	also_start "$1"
}

@test "recipes: with a corporate parent only programs of this machine go out, through the parents, without knowing the credentials" {
	network 10.7.0.8 10.9.0.1 10.9.0.2 10.3.3.3 8.8.8.8 192.168.7.7 \
	    169.254.169.254 2600::1 64:ff9b::a9fe:a9fe
	name_server proxy1.corp.example.com=10.9.0.1 \
	    proxy2.corp.example.com=10.9.0.2 wiki.corp.example.com=10.3.3.3 \
	    rebind.corp.example.com=127.0.0.1 meta.corp.example.com=169.254.169.254 \
	    web.example=8.8.8.8
	open_everywhere
	AT=127.0.0.1
	company_proxy proxy1 10.9.0.1
	FIRST=$!
	company_proxy proxy2 10.9.0.2
	recipe parent

	# The proxies get joe's credentials; the second replaces the first.
	goes 127.0.0.1 - web.example:443 8.8.8.8:443 '[2600::1]:443'
	AT=::1 goes ::1 - web.example:443
	wait_for grep -q 'CONNECT web.example:443' "$DIR/proxy1.out"
	fails grep -q 'CONNECT' "$DIR/proxy2.out"
	kill "$FIRST"
	wait_for dead "$FIRST"
	goes 127.0.0.1 - web.example:443
	wait_for grep -q 'CONNECT web.example:443' "$DIR/proxy2.out"
	# Targets of the company are reached without them.
	goes 127.0.0.1 - wiki.corp.example.com:443 10.3.3.3:443
	wait_for grep -q ' wiki.corp.example.com:443 10\.3\.3\.3:443 200/' \
	    "$DIR/access.log"
	wait_for grep -q ' 10\.3\.3\.3:443 10\.3\.3\.3:443 200/' \
	    "$DIR/access.log"
	# A name that they look up is not looked up here.
	"$PEER" client -b 127.0.0.1 127.0.0.1 8888 \
	    send 'CONNECT none.example:443 HTTP/1.1\r\n\r\n' refused 502
	wait_for grep -q 'CONNECT none.example:443' "$DIR/proxy2.out"

	# Clients on other machines.
	fails "$PEER" client 10.7.0.8 8888
	# Other ports.
	stays 403 127.0.0.1 - web.example:22 web.example:80 10.3.3.3:22
	# This machine and targets near it, names of the company that lead
	# there, and the machine of the parent.
	stays 403 127.0.0.1 - 127.0.0.1:443 '[::1]:443' \
	    '[::ffff:127.0.0.1]:443' localhost:443 LocalHost.:443 \
	    x.localhost:443 127.0.0.1:8888 169.254.169.254:443 \
	    192.168.7.7:443 '[64:ff9b::a9fe:a9fe]:443' \
	    rebind.corp.example.com:443 meta.corp.example.com:443 0.0.0.0:443
	decides 'DenyTo localhost' 127.0.0.1 - localhost:443
	decides 'DenyTo private' 127.0.0.1 - meta.corp.example.com:443
	fails grep -q 'sesame' "$DIR/adit.log" "$DIR/proxy1.out" "$DIR/reply"
}

# browses CODE PATH: a browser elsewhere gets this status; the reply goes to
# $DIR/reply.
browses() {
	"$PEER" client -b 203.0.113.9 192.0.2.1 80 \
	    send "GET $2 HTTP/1.1\r\nHost: www.example.com\r\n\r\n" \
	    head >"$DIR/reply"
	grep -q "^HTTP/1.1 $1 " "$DIR/reply" || {
		echo "not $1: $2"
		cat "$DIR/reply"
		return 1
	}
}

@test "recipes: a reverse proxy lets browsers reach its two servers, and nothing else" {
	local at

	network 192.0.2.1 203.0.113.9 10.0.0.5 10.0.0.6 8.8.8.8
	name_server web.example=8.8.8.8
	for at in '127.0.0.1 -p 8081' '10.0.0.6 -p 80' '10.0.0.5 -p 8080' \
	    '8.8.8.8 -p 80'; do
		# shellcheck disable=SC2086
		peer_start OTHER server -a $at touch "$DIR/touched" \
		    send 'HTTP/1.1 299 other\r\nContent-Length: 0\r\n\r\n'
	done
	peer_start SITE server -a 10.0.0.5 -p 80 skip '\r\n\r\n' \
	    send 'HTTP/1.1 201 site\r\nContent-Length: 0\r\n\r\n'
	peer_start SHOP server -a 127.0.0.1 -p 8080 skip '\r\n\r\n' \
	    send 'HTTP/1.1 202 shop\r\nLocation: http://127.0.0.1:8080/cart\r\nContent-Length: 0\r\n\r\n'
	recipe reverse

	browses 201 /
	browses 201 /index.html
	browses 201 /shops
	browses 202 /shop/
	browses 202 '/shop/cart?id=7'
	grep -q '^Location: http://www.example.com/shop/cart' "$DIR/reply"
	browses 301 /shop
	wait_for grep -q ' /shop/ 127.0.0.1:8080 202/' "$DIR/access.log"
	# All other requests.
	for at in http://web.example/ http://8.8.8.8/ http://10.0.0.6/ \
	    http://127.0.0.1:8080/ http://127.0.0.1:8081/ http://localhost:8081/ \
	    http://10.0.0.5/ http://10.0.0.5:8080/ http://192.0.2.1/ \
	    http://tinyproxy.stats/ /shop/../admin /shop/%2e%2e/; do
		browses 400 "$at"
	done
	browses 202 /shop/@8.8.8.8/
	browses 201 //8.8.8.8/
	for at in 8.8.8.8:80 127.0.0.1:8080 web.example:443; do
		"$PEER" client -b 203.0.113.9 192.0.2.1 80 \
		    send "CONNECT $at HTTP/1.1\r\n\r\n" refused 400 >/dev/null
	done
	[ ! -e "$DIR/touched" ]
	# A browser with very many connections leaves room for another.
	client_start MANY -n 100 -b 203.0.113.9 192.0.2.1 80 send G say up hold
	wait_for peer_said MANY up
	wait_for crowded
	"$PEER" client -b 10.0.0.6 192.0.2.1 80 \
	    send 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' skip 'HTTP/1.1 201 site'
}

# crowded: whether another connection is refused; for wait_for.
crowded() {
	"$PEER" client -t 5 -b 203.0.113.9 192.0.2.1 80 send G refused 503 \
	    >/dev/null 2>&1
}

@test "recipes: README, manuals, recipes and the files in etc/ agree on user and paths" {
	local top=$BATS_TEST_DIRNAME/.. files

	files=("$top"/README.md "$top"/man/adit.conf.5 "$top"/adit.conf
	    "$top"/tests/recipes/*.conf "$top"/etc/adit.* "$top"/etc/debian/*
	    "$top"/etc/fail2ban/*/*)
	fails grep -nE 'User nobody$' "$top"/README.md "$top"/man/adit.conf.5 \
	    "$top"/adit.conf "$top"/tests/recipes/*.conf
	fails grep -nE '/var/log/adit(\.log|-)|/etc/adit\.conf' "${files[@]}" \
	    "$top"/man/adit.8
	# FreeBSD has /var/run, and all PID files in one directory.
	fails grep -nE '/run/adit\.' "${files[@]/*adit.rc/$top/README.md}"
	grep -q '/run/adit/' "$top"/etc/adit.logrotate
	grep -q '/run/adit/' "$top"/etc/adit.apparmor
	grep -qx 'RuntimeDirectory=adit' "$top"/etc/adit.service
	grep -qx 'LogsDirectory=adit' "$top"/etc/adit.service
	# The master reads files that only root may read.
	fails grep -qE '^(User|Group)=' "$top"/etc/adit.service
}
