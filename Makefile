.POSIX:
.SUFFIXES: .c .o

# make, make run, make check, make install; see README.md.
# make LOT=poll chooses the parking lot that every POSIX system has.

PREFIX = /usr/local
SYSCONFDIR = $(PREFIX)/etc/adit
MANDIR = $(PREFIX)/share/man

CC = cc
CFLAGS = -O2 -g
LOT = auto
LIBS =
WARN = -std=c11 -pedantic -Wall -Wextra -Wshadow -Wmissing-prototypes \
	-Wstrict-prototypes -Wpointer-arith -Wcast-qual -Wconversion
DEFS = -DSYSCONFDIR='"$(SYSCONFDIR)"' -DLOT_$(LOT)

OBJS = acl.o addr.o conf.o dial.o gen.o log.o loop.o lot.o parse.o proxy.o \
	relay.o reply.o resolve.o sys.o worker.o

all: adit

adit: $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJS) $(LIBS)

.c.o:
	$(CC) $(WARN) $(DEFS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(OBJS): proxy.h Makefile

run: adit
	./adit -d

check: adit
	@CC='$(CC)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' sh tests/run

clean:
	rm -f adit $(OBJS)

.PHONY: all run check clean
