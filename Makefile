.POSIX:
.SUFFIXES: .c .o

# make, make run, make check, make soak, make fuzz, make prove, make bench, make install,
# make install-tinyproxy; see README.md.
# make LOT=poll waits for quiet tunnels with poll(), as on every POSIX system.
# make LOT=kqueue CPPFLAGS=-Itests/kqueue does so as the BSDs do, on Linux.
# make check TESTS='acl.bats auth.bats' runs only these files of tests.
# make fuzz FUZZ=600 fuzzes each parser, a desk, a whole worker and a whole master
# for so many seconds, 60 unless given; with TARGETS='worker parse' only these.
# make soak SOAK=600 does so for all, and then lets each call of the system fail;
# CONNECTIONS says how many come after a storm of reloads and deaths.

VERSION = 0.1.0

PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
SYSCONFDIR = $(PREFIX)/etc/adit
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/adit
TINYPROXYDIR = /etc/tinyproxy

CC = cc
CFLAGS = -O2 -g
LOT = auto
SOAK = 60
CONNECTIONS = 1000000
FUZZ = 60
# crypt(3) is in a library of its own on some systems, and in libc on others.
LIBS = `echo 'int main(void) { return 0; }' >try$$$$.c; \
	$(CC) $(LDFLAGS) -o try$$$$ try$$$$.c -lcrypt 2>/dev/null && \
	echo -lcrypt; rm -f try$$$$ try$$$$.c`
WARN = -std=c11 -pedantic -Wall -Wextra -Wshadow -Wmissing-prototypes \
	-Wstrict-prototypes -Wpointer-arith -Wcast-qual -Wconversion
ROOMS = -Ibase -Iipc -Iio -Ihttp -Itls -Ipolicy -Iconf -Iconn -Idesk -Imaster -Icontrol -Icli
# macOS would hide names of POSIX, such as st_mtim.
DEFS = -DADIT_VERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -DLOT_$(LOT) \
	-D_DARWIN_C_SOURCE $(ROOMS)

# The rooms of the source; proxy.h says what each is for.
BASE = base/addr.o base/array.o base/clock.o base/format.o base/intern.o \
	base/landlock.o base/local.o base/log.o base/memo.o base/name.o base/place.o \
	base/record.o base/safefile.o base/sandbox.o base/seccomp.o base/secret.o \
	base/socket.o base/sys.o base/tally.o base/text.o
IPC = ipc/baton.o ipc/board.o ipc/question.o ipc/share.o ipc/turns.o
IO = io/loop.o io/lot.o io/pipe.o io/race.o io/relay.o
HTTP = parse.o http/fields.o http/front.o http/http.o http/page.o \
	http/preface.o http/refusal.o http/reverse.o http/rewrite.o http/stranger.o http/via.o
TLS = tls/alert.o tls/flight.o tls/hello.o
POLICY = acl.o policy/authcache.o policy/authhelper.o policy/automaton.o \
	policy/backtrack.o policy/bracket.o policy/code.o policy/cover.o policy/entry.o \
	policy/filter.o policy/group.o policy/list.o policy/login.o policy/machine.o \
	policy/pattern.o policy/patterns.o policy/pins.o policy/quota.o \
	policy/suffix.o policy/target.o policy/upstream.o policy/who.o
CONF = conf/conf.o conf/directives.o conf/doubts.o conf/include.o \
	conf/lists.o conf/reader.o
CONN = worker.o conn/aim.o conn/ask.o conn/auth.o conn/carry.o conn/client.o conn/conn.o \
	conn/decision.o conn/exchange.o conn/forward.o conn/head.o conn/kept.o conn/life.o \
	conn/namecache.o conn/parent.o conn/parking.o conn/peeruser.o conn/reach.o \
	conn/reply.o conn/request.o conn/say.o conn/self.o \
	conn/sender.o conn/stats.o conn/store.o conn/transparent.o conn/vet.o
DESK = desk/checker.o desk/desk.o desk/helper.o desk/hosts.o desk/matter.o
MASTER = proxy.o master/adopt.o master/budget.o master/child.o master/court.o \
	master/gen.o master/guard.o master/handover.o master/identity.o master/judge.o master/links.o \
	master/listen.o master/master.o master/progress.o master/room.o master/ruling.o \
	master/service.o master/socketfile.o master/steward.o master/trial.o master/upgrade.o
CONTROL = control/answer.o control/control.o control/crowd.o control/gather.o \
	control/html.o control/metrics.o control/peer.o control/sheet.o \
	control/talk.o control/view.o
CLI = cli/batch.o cli/explain.o cli/hints.o cli/learn.o cli/near.o cli/quote.o \
	cli/steer.o cli/table.o cli/top.o cli/wire.o

# program.o is apart: the program tinyproxy has tinyproxy.o in its place.
PARTS = $(BASE) $(IPC) $(IO) $(HTTP) $(TLS) $(POLICY) $(CONF) $(CONN) $(DESK) \
	$(MASTER) $(CONTROL) $(CLI)
OBJS = $(PARTS) base/program.o

SOURCES = *.c base/*.c ipc/*.c io/*.c http/*.c tls/*.c policy/*.c conf/*.c conn/*.c \
	desk/*.c master/*.c control/*.c cli/*.c

HEADERS = proxy.h base/*.h ipc/*.h io/*.h http/*.h tls/*.h policy/*.h conf/*.h \
	conn/*.h desk/*.h master/*.h control/*.h cli/*.h

# Files for init systems and other programs.  They are installed as examples,
# since only a package knows where each belongs; etc/debian/build does.
EXTRAS = adit.init adit.service adit.socket adit.openrc adit.rc \
	adit.logrotate adit.apparmor adit.lnav.json kubernetes.yaml compose.yaml fail2ban/filter.d/adit.conf \
	fail2ban/jail.d/adit.conf grafana-dashboard.json \
	prometheus/prometheus.yml prometheus/alerts.yml prometheus/alerts-test.yml

all: adit

adit: $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJS) $(LIBS)

# adit under the name tinyproxy: scripts start it and find it by that name.
tinyproxy: $(PARTS) tinyproxy.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(PARTS) tinyproxy.o $(LIBS)

tinyproxy.o: base/program.c $(HEADERS) Makefile
	$(CC) $(WARN) -DPROGRAM='"tinyproxy"' -DSYSCONFDIR='"$(TINYPROXYDIR)"' \
		$(ROOMS) $(CPPFLAGS) $(CFLAGS) -c -o $@ base/program.c

.c.o:
	$(CC) $(WARN) $(DEFS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(OBJS): $(HEADERS) Makefile

run: adit
	./adit -d

check: adit tinyproxy
	@CC='$(CC)' ROOMS='$(ROOMS)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' LIBS="$(LIBS)" sh tests/run $(TESTS)

# Random input for each parser and for a whole worker, where clang has libFuzzer.
fuzz:
	@FUZZ='$(FUZZ)' ROOMS='$(ROOMS)' LIBS="$(LIBS)" sh tests/fuzz $(TARGETS)

# What takes minutes and need not run each time: random input, calls that fail,
# and a storm of reloads and deaths before so many connections.
soak: adit tinyproxy
	@FUZZ='$(SOAK)' ROOMS='$(ROOMS)' LIBS="$(LIBS)" sh tests/fuzz
	@ADIT_TEST_SOAK='$(SOAK)' ADIT_TEST_CONNECTIONS='$(CONNECTIONS)' BATS_TEST_TIMEOUT=3600 \
		CC='$(CC)' ROOMS='$(ROOMS)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' LIBS="$(LIBS)" sh tests/run faults.bats soak.bats

# The models in tests/models, for Spin, and the parsers, for Frama-C.
prove:
	@sh tests/prove/models
	@sh tests/prove/values
	@sh tests/prove/proofs

bench: adit
	@CC='$(CC)' ROOMS='$(ROOMS)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' LIBS="$(LIBS)" sh tests/bench

lint:
	clang-format --dry-run -Werror *.c *.h */*.c */*.h
	cppcheck -q --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		$(DEFS) -D__linux__ $(SOURCES)
	cd man && mandoc -Tlint -Wwarning adit.8 adit.conf.5

install: adit
	mkdir -p $(DESTDIR)$(SBINDIR) $(DESTDIR)$(SYSCONFDIR) \
		$(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(DATADIR)/fail2ban/filter.d \
		$(DESTDIR)$(DATADIR)/fail2ban/jail.d \
		$(DESTDIR)$(DATADIR)/prometheus
	cp adit $(DESTDIR)$(SBINDIR)/adit.new
	chmod 755 $(DESTDIR)$(SBINDIR)/adit.new
	mv -f $(DESTDIR)$(SBINDIR)/adit.new $(DESTDIR)$(SBINDIR)/adit
	cp man/adit.8 $(DESTDIR)$(MANDIR)/man8/adit.8
	cp man/adit.conf.5 $(DESTDIR)$(MANDIR)/man5/adit.conf.5
	chmod 644 $(DESTDIR)$(MANDIR)/man8/adit.8 \
		$(DESTDIR)$(MANDIR)/man5/adit.conf.5
	test -e $(DESTDIR)$(SYSCONFDIR)/adit.conf || { \
		cp adit.conf $(DESTDIR)$(SYSCONFDIR)/adit.conf && \
		chmod 644 $(DESTDIR)$(SYSCONFDIR)/adit.conf; }
	for f in $(EXTRAS); do \
		sed -e 's,/usr/local/sbin,$(SBINDIR),g' \
			-e 's,/usr/local/etc/adit,$(SYSCONFDIR),g' \
			etc/$$f >$(DESTDIR)$(DATADIR)/$$f && \
		chmod 644 $(DESTDIR)$(DATADIR)/$$f || exit 1; \
	done
	@case `./adit -h 2>/dev/null` in \
	*' $(SYSCONFDIR)/adit.conf;'* | '') ;; \
	*) echo 'warning: this adit was built with another SYSCONFDIR, and' \
		'looks for adit.conf there; run make clean first' >&2 ;; \
	esac

# Installs no configuration: tinyproxy has left one, or the administrator
# writes one.
install-tinyproxy: install tinyproxy
	mkdir -p $(DESTDIR)$(BINDIR)
	cp tinyproxy $(DESTDIR)$(BINDIR)/tinyproxy.new
	chmod 755 $(DESTDIR)$(BINDIR)/tinyproxy.new
	mv -f $(DESTDIR)$(BINDIR)/tinyproxy.new $(DESTDIR)$(BINDIR)/tinyproxy
	ln -sf adit.8 $(DESTDIR)$(MANDIR)/man8/tinyproxy.8
	ln -sf adit.conf.5 $(DESTDIR)$(MANDIR)/man5/tinyproxy.conf.5

# Removes only what belongs to adit; the real tinyproxy stays.
uninstall-tinyproxy:
	! $(DESTDIR)$(BINDIR)/tinyproxy -h 2>/dev/null | grep -q 'adit(8)' || \
		rm -f $(DESTDIR)$(BINDIR)/tinyproxy
	for page in $(DESTDIR)$(MANDIR)/man8/tinyproxy.8 \
	    $(DESTDIR)$(MANDIR)/man5/tinyproxy.conf.5; do \
		! test -L $$page || rm -f $$page; \
	done

# The configuration stays if the administrator has changed it.
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/adit $(DESTDIR)$(MANDIR)/man8/adit.8 \
		$(DESTDIR)$(MANDIR)/man5/adit.conf.5
	cmp -s adit.conf $(DESTDIR)$(SYSCONFDIR)/adit.conf && \
		rm -f $(DESTDIR)$(SYSCONFDIR)/adit.conf || true
	rmdir $(DESTDIR)$(SYSCONFDIR) 2>/dev/null || true
	for f in $(EXTRAS); do rm -f $(DESTDIR)$(DATADIR)/$$f; done
	rmdir $(DESTDIR)$(DATADIR)/fail2ban/* $(DESTDIR)$(DATADIR)/fail2ban \
		$(DESTDIR)$(DATADIR)/prometheus \
		$(DESTDIR)$(DATADIR) 2>/dev/null || true

# Builds a Debian package in this directory, with dpkg-deb.
deb:
	VERSION='$(VERSION)' CC='$(CC)' sh etc/debian/build

dist:
	git archive --prefix=adit-$(VERSION)/ -o adit-$(VERSION).tar.gz HEAD

clean:
	rm -rf adit tinyproxy $(OBJS) tinyproxy.o tests/build \
		adit-$(VERSION).tar.gz adit_$(VERSION)_*.deb

.PHONY: all run check soak fuzz prove bench lint install install-tinyproxy uninstall \
	uninstall-tinyproxy deb dist clean
