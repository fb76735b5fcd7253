/* SPDX-License-Identifier: ISC */
/*
 * What a master leaves to the program that takes its place in the same process:
 * a text of lines, each a word and its fields, in one order, with a version in
 * front and a line at the end.  Both programs must have the same version, which
 * covers the messages between the master and its children too.  What is read is
 * believed only if every line is as it must be, and every descriptor is open.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover.h"
#include "orders.h"

enum {
	FORMAT = 4,        /* of the text */
	TEXT_MAX = 1 << 20 /* bytes of it */
};

/* Writes the version that both programs must have. */
void
handover_version(char *text, size_t size)
{
	snprintf(text, size, "handover %d.%zu.%zu", FORMAT,
	    sizeof(struct order_message), sizeof(struct note_message));
}

static void
write_hex(FILE *out, const char *word, const unsigned char *bytes, size_t n)
{
	fprintf(out, "%s ", word);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%02x", (unsigned)bytes[i]);
	fputc('\n', out);
}

static void
write_names(const struct handover *h, FILE *out)
{
	fprintf(out, "names %zu\n", h->nnames);
	for (size_t i = 0; i < h->nnames; i++) {
		const struct local *l = &h->names[i].local;

		fprintf(out,
		    "name %u %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n",
		    (unsigned)h->names[i].number, l->bound, (uint64_t)l->dev,
		    (uint64_t)l->ino, (uint64_t)l->socket, l->path);
	}
}

static void
write_gens(const struct handover *h, FILE *out)
{
	const struct handover_child *c = h->children;

	fprintf(out, "gens %zu\n", h->ngens);
	for (size_t i = 0; i < h->ngens; i++) {
		const struct handover_gen *g = &h->gens[i];

		fprintf(out, "gen %d %d %d %" PRId64 " %" PRIu64 " %zu %zu\n",
		    g->live, g->stopped, g->announced, g->ends, g->abandoned,
		    g->ndesks, g->nchildren);
		for (size_t n = 0; n < g->nchildren; n++, c++)
			fprintf(out, "child %ld %d %zu %d %d %u\n", c->pid,
			    c->control, c->slot, c->ready, c->drained,
			    c->unsent);
	}
}

/* Writes it to a file, from the start.  Returns 0, or -1 with errno. */
int
handover_write(const struct handover *h, int fd)
{
	char version[64];
	FILE *out = fdopen(dup(fd), "w");

	if (out == NULL)
		return -1;
	handover_version(version, sizeof(version));
	fprintf(out, "%s\npid %ld\ncontrol %ld\n", version, h->pid, h->control);
	fprintf(
	    out, "conf %s\npidfile %d %s\n", h->conf, h->pid_fd, h->pidfile);
	fprintf(out, "share %d %" PRIu64 "\ntoken %s\n", h->share, h->layout,
	    h->token);
	write_hex(out, "key", h->key, sizeof(h->key));
	fprintf(out, "log %d %d %u\nmask %" PRIu64 "\n", h->log, h->syslog,
	    h->level, h->mask);
	write_names(h, out);
	fprintf(out, "sockets %zu %d\n", h->nsockets, h->given);
	for (size_t i = 0; i < h->nsockets; i++)
		fprintf(out, "socket %s %d %s\n", h->sockets[i].kind,
		    h->sockets[i].fd, h->sockets[i].at);
	write_gens(h, out);
	fputs("end\n", out);
	if (fflush(out) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
		fclose(out);
		return -1;
	}
	return fclose(out);
}

/* Reading.  What is wrong once stays wrong to the end. */

struct text {
	char *at;
	bool bad;
};

/* Takes a text that must come next. */
static void
take(struct text *t, const char *what)
{
	size_t len = strlen(what);

	if (t->bad || strncmp(t->at, what, len) != 0)
		t->bad = true;
	else
		t->at += len;
}

/* Takes what comes up to a character, at most so many bytes with the NUL. */
static void
take_until(struct text *t, char end, char *to, size_t size)
{
	const char *stop = t->bad ? NULL : strchr(t->at, end);
	size_t len = stop != NULL ? (size_t)(stop - t->at) : 0;

	if (stop == NULL || len >= size || memchr(t->at, '\n', len) != NULL) {
		t->bad = true;
		to[0] = '\0';
		return;
	}
	memcpy(to, t->at, len);
	to[len] = '\0';
	t->at += len + 1;
}

/* Takes a number from min to max and the character after it. */
static int64_t
take_number(struct text *t, char end, int64_t min, int64_t max)
{
	char digits[24], *stop;
	int64_t n;

	take_until(t, end, digits, sizeof(digits));
	errno = 0;
	n = strtoll(digits, &stop, 10);
	if (digits[0] == '\0' || strchr("-0123456789", digits[0]) == NULL ||
	    *stop != '\0' || errno != 0 || n < min || n > max)
		t->bad = true;
	return t->bad ? min : n;
}

static uint64_t
take_bits(struct text *t, char end)
{
	char digits[24], *stop;
	uint64_t n;

	take_until(t, end, digits, sizeof(digits));
	errno = 0;
	n = strtoull(digits, &stop, 10);
	if (digits[0] < '0' || digits[0] > '9' || *stop != '\0' || errno != 0)
		t->bad = true;
	return t->bad ? 0 : n;
}

/* Takes a descriptor that is open, or -1. */
static int
take_fd(struct text *t, char end)
{
	int fd = (int)take_number(t, end, -1, INT32_MAX);

	if (fd >= 0 && (fd <= 2 || fcntl(fd, F_GETFD) < 0))
		t->bad = true;
	return t->bad ? -1 : fd;
}

static void
take_hex(struct text *t, unsigned char *to, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 2 * n && !t->bad; i++) {
		const char *digit =
		    *t->at != '\0' ? strchr(digits, *t->at) : NULL;

		t->at++;
		if (digit == NULL)
			t->bad = true;
		else if (i % 2 == 0)
			to[i / 2] = (unsigned char)((digit - digits) << 4);
		else
			to[i / 2] |= (unsigned char)(digit - digits);
	}
	take(t, "\n");
}

static void
take_names(struct text *t, struct handover *h)
{
	take(t, "names ");
	h->nnames = (size_t)take_number(t, '\n', 0, LOCAL_MAX);
	for (size_t i = 0; i < h->nnames && !t->bad; i++) {
		struct local *l = &h->names[i].local;

		take(t, "name ");
		h->names[i].number =
		    (uint16_t)take_number(t, ' ', 1, LOCAL_MAX);
		l->bound = take_number(t, ' ', 0, 1) != 0;
		l->dev = (dev_t)take_bits(t, ' ');
		l->ino = (ino_t)take_bits(t, ' ');
		l->socket = (ino_t)take_bits(t, ' ');
		take_until(t, '\n', l->path, sizeof(l->path));
	}
}

static void
take_sockets(struct text *t, struct handover *h)
{
	take(t, "sockets ");
	h->nsockets = (size_t)take_number(t, ' ', 0, HANDOVER_SOCKETS);
	h->given = take_number(t, '\n', 0, 1) != 0;
	for (size_t i = 0; i < h->nsockets && !t->bad; i++) {
		struct handover_socket *s = &h->sockets[i];

		take(t, "socket ");
		take_until(t, ' ', s->kind, sizeof(s->kind));
		s->fd = take_fd(t, ' ');
		take_until(t, '\n', s->at, sizeof(s->at));
		t->bad = t->bad || s->fd < 0;
	}
}

static void
take_child(struct text *t, struct handover_child *c)
{
	take(t, "child ");
	c->pid = (long)take_number(t, ' ', -1, INT32_MAX);
	c->control = take_fd(t, ' ');
	c->slot = (size_t)take_number(t, ' ', 0, SLOTS_MAX);
	c->ready = take_number(t, ' ', 0, 1) != 0;
	c->drained = take_number(t, ' ', 0, 1) != 0;
	c->unsent = (unsigned)take_number(t, '\n', 0, INT32_MAX);
	t->bad = t->bad || c->pid == 0 || c->pid == 1;
}

static void
take_gens(struct text *t, struct handover *h)
{
	size_t live = 0;

	take(t, "gens ");
	h->ngens = (size_t)take_number(t, '\n', 1, HANDOVER_GENS);
	for (size_t i = 0; i < h->ngens && !t->bad; i++) {
		struct handover_gen *g = &h->gens[i];

		take(t, "gen ");
		g->live = take_number(t, ' ', 0, 1) != 0;
		g->stopped = take_number(t, ' ', 0, 1) != 0;
		g->announced = take_number(t, ' ', 0, 1) != 0;
		g->ends = take_number(t, ' ', -1, INT64_MAX / 2);
		g->abandoned = take_bits(t, ' ');
		g->ndesks = (size_t)take_number(t, ' ', 1, HELPER_KINDS);
		g->nchildren = (size_t)take_number(
		    t, '\n', (long)g->ndesks, WORKERS_MAX + HELPER_KINDS);
		live += g->live;
		for (size_t n = 0; n < g->nchildren && !t->bad; n++)
			if (h->nchildren == HANDOVER_CHILDREN)
				t->bad = true;
			else
				take_child(t, &h->children[h->nchildren++]);
	}
	t->bad = t->bad || live != 1;
}

static void
take_all(struct text *t, struct handover *h)
{
	char version[64];

	handover_version(version, sizeof(version));
	take(t, version);
	take(t, "\npid ");
	h->pid = (long)take_number(t, '\n', 1, INT32_MAX);
	take(t, "control ");
	h->control = (long)take_number(t, '\n', -1, INT32_MAX);
	t->bad = t->bad || h->control == 0 || h->control == 1;
	take(t, "conf ");
	take_until(t, '\n', h->conf, sizeof(h->conf));
	take(t, "pidfile ");
	h->pid_fd = take_fd(t, ' ');
	take_until(t, '\n', h->pidfile, sizeof(h->pidfile));
	take(t, "share ");
	h->share = take_fd(t, ' ');
	h->layout = take_bits(t, '\n');
	take(t, "token ");
	take_until(t, '\n', h->token, sizeof(h->token));
	take(t, "key ");
	take_hex(t, h->key, sizeof(h->key));
	take(t, "log ");
	h->log = take_fd(t, ' ');
	h->syslog = take_number(t, ' ', 0, 1) != 0;
	h->level = (unsigned)take_number(t, '\n', 0, LOG_LEVEL_INFO);
	take(t, "mask ");
	h->mask = take_bits(t, '\n');
	take_names(t, h);
	take_sockets(t, h);
	take_gens(t, h);
	take(t, "end\n");
}

/*
 * Reads it from a file and checks that it is for this process.  Returns 0, or
 * -1: something is wrong with it.
 */
int
handover_read(struct handover *h, int fd)
{
	char *buffer = malloc(TEXT_MAX + 1);
	struct text t = { buffer, buffer == NULL };
	size_t len = 0;
	ssize_t n = 1;

	while (!t.bad && n > 0 && len < TEXT_MAX) {
		n = read(fd, buffer + len, TEXT_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (t.bad || n < 0 || len == TEXT_MAX)
		t.bad = true;
	else
		buffer[len] = '\0';
	memset(h, 0, sizeof(*h));
	if (!t.bad)
		take_all(&t, h);
	if (t.bad || t.at != buffer + len || h->pid != (long)getpid())
		t.bad = true;
	free(buffer);
	return t.bad ? -1 : 0;
}
