.POSIX:
.SUFFIXES: .c .o

# make, make run, make check, make bench, make install; see README.md.
# make LOT=poll chooses the parking lot that every POSIX system has.

VERSION = 0.1.0

PREFIX = /usr/local
SBINDIR = $(PREFIX)/sbin
SYSCONFDIR = $(PREFIX)/etc/adit
MANDIR = $(PREFIX)/share/man

CC = cc
CFLAGS = -O2 -g
LOT = auto
# crypt(3) has a library of its own on some systems; on others it is in libc.
LIBS = `echo 'int main(void) { return 0; }' >try.c; \
	$(CC) $(LDFLAGS) -o try try.c -lcrypt 2>/dev/null && echo -lcrypt; \
	rm -f try try.c`
WARN = -std=c11 -pedantic -Wall -Wextra -Wshadow -Wmissing-prototypes \
	-Wstrict-prototypes -Wpointer-arith -Wcast-qual -Wconversion
DEFS = -DADIT_VERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -DLOT_$(LOT)

OBJS = acl.o addr.o auth.o baton.o cache.o conf.o conn.o desk.o dial.o \
	explain.o filter.o forward.o gen.o helper.o hosts.o http.o known.o log.o \
	login.o loop.o lot.o own.o parent.o parse.o path.o pipe.o proxy.o \
	quota.o quote.o relay.o reply.o resolve.o secret.o sys.o target.o \
	upstream.o who.o worker.o

all: adit

adit: $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJS) $(LIBS)

.c.o:
	$(CC) $(WARN) $(DEFS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(OBJS): proxy.h Makefile

run: adit
	./adit -d

check: adit
	@CC='$(CC)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' LIBS="$(LIBS)" sh tests/run

bench: adit
	@CC='$(CC)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' sh tests/bench

lint:
	clang-format --dry-run -Werror *.c *.h tests/*.c tests/*.h
	cppcheck -q --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		$(DEFS) -D__linux__ *.c
	cd man && mandoc -Tlint -Wwarning adit.8 adit.conf.5

install: adit
	mkdir -p $(DESTDIR)$(SBINDIR) $(DESTDIR)$(SYSCONFDIR) \
		$(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8
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

# The configuration is the administrator's, and stays unless it is ours still.
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/adit $(DESTDIR)$(MANDIR)/man8/adit.8 \
		$(DESTDIR)$(MANDIR)/man5/adit.conf.5
	cmp -s adit.conf $(DESTDIR)$(SYSCONFDIR)/adit.conf && \
		rm -f $(DESTDIR)$(SYSCONFDIR)/adit.conf || true
	rmdir $(DESTDIR)$(SYSCONFDIR) 2>/dev/null || true

dist:
	git archive --prefix=adit-$(VERSION)/ -o adit-$(VERSION).tar.gz HEAD

clean:
	rm -rf adit $(OBJS) tests/build adit-$(VERSION).tar.gz

.PHONY: all run check bench lint install uninstall dist clean
