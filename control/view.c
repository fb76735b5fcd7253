/* SPDX-License-Identifier: ISC */
/*
 * The status as JSON and as lines of text.  Every string is escaped: those of
 * clients hold whatever clients have sent.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "addr.h"
#include "board.h"
#include "crowd.h"
#include "gather.h"
#include "refusal.h"
#include "sheet.h"
#include "tally.h"
#include "upstream.h"
#include "view.h"

/* Prints a JSON string; bytes beyond ASCII are shown as \u00XX. */
static void
json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte >= 0x7f)
			fprintf(out, "\\u%04x", (unsigned)byte);
		else
			fputc(byte, out);
	}
	fputc('"', out);
}

static void
json_text(FILE *out, const char *key, const char *text)
{
	fprintf(out, "\"%s\":", key);
	json_string(out, text);
	fputc(',', out);
}

static void
json_number(FILE *out, const char *key, uint64_t n)
{
	fprintf(out, "\"%s\":%" PRIu64 ",", key, n);
}

/* Prints one session, with JSON as an object in a line of its own. */
static void
session_json(FILE *out, const struct gathered *g, uint64_t rate)
{
	const struct session *s = &g->session;
	char client[ADDR_TEXT_SIZE], dialled[ADDR_TEXT_SIZE] = "";

	if (s->dialled.port != 0 || s->dialled.local != 0)
		addr_text_port(&s->dialled, dialled);
	fprintf(
	    out, "{\"id\":\"%u.%" PRIu64 "\",", (unsigned)g->slot, s->serial);
	json_text(out, "client", addr_text_port(&s->client, client));
	if (addr_uid(&s->client) != ADDR_NO_UID)
		json_number(out, "uid", addr_uid(&s->client));
	json_text(out, "user", s->user);
	json_text(out, "target", s->target);
	json_text(out, "dialled", dialled);
	json_number(out, "bytes_up", s->up);
	json_number(out, "bytes_down", s->down);
	json_number(out, "rate", rate);
	fprintf(out, "\"seconds\":%.3f,\"idle\":%.3f,", (double)s->age / 1000,
	    (double)s->idle / 1000);
	json_number(out, "generation", g->gen);
	json_number(out, "worker", g->worker);
	fprintf(out, "\"tunnel\":%s}", s->tunnel ? "true" : "false");
}

/*
 * Prints a session: as JSON, or as fields between tabs, which are id, client,
 * user, target, address, bytes from the client and from the server, bytes in a
 * second, and the ms of its life and since it was last busy.
 */
void
view_session(FILE *out, const struct gathered *g, uint64_t rate, bool json)
{
	const struct session *s = &g->session;
	char client[ADDR_TEXT_SIZE], dialled[ADDR_TEXT_SIZE] = "-";

	if (json) {
		session_json(out, g, rate);
		return;
	}
	if (s->dialled.port != 0 || s->dialled.local != 0)
		addr_text_port(&s->dialled, dialled);
	fprintf(out, "%u.%" PRIu64 "\t%s\t%s\t%s\t%s\t", (unsigned)g->slot,
	    s->serial, addr_text_peer(&s->client, client),
	    s->user[0] != '\0' ? s->user : "-",
	    s->target[0] != '\0' ? s->target : "-", dialled);
	fprintf(out,
	    "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRId64,
	    s->up, s->down, rate, s->age, s->idle);
}

/* The reason of a refusal; a rule without one is a ReportTo. */
const char *
view_reason(enum refusal refusal)
{
	return refusal == REFUSE_NOTHING ? "reported"
					 : refusal_row(refusal)->reason;
}

/* Where the rule stands that causes a refusal, by the number of its line. */
struct where
view_place(const struct view *v, enum refusal refusal, unsigned long line)
{
	if (refusal == REFUSE_FILTERED && v->filter != NULL)
		return (struct where){ v->filter, line };
	return place_of(v->places, line);
}

static const char *
phase_word(enum board_phase phase)
{
	static const char *const words[] = { [BOARD_STARTING] = "starting",
		[BOARD_RUNNING] = "running",
		[BOARD_LEAVING] = "leaving",
		[BOARD_DRAINING] = "draining",
		[BOARD_STOPPING] = "stopping" };

	return phase <= BOARD_STOPPING ? words[phase] : "unknown";
}

static void
json_reload(FILE *out, const struct board_reload *r)
{
	fprintf(out, "\"reload\":{");
	json_number(out, "succeeded", r->done);
	json_number(out, "failed", r->failed);
	json_text(out, "error", r->error);
	fprintf(out, "\"at\":%" PRId64 ",\"ok\":%s},", r->at,
	    r->at == 0 || r->ok ? "true" : "false");
}

static void
json_gens(FILE *out, const struct sheet *s)
{
	fprintf(out, "\"generations\":[");
	for (size_t i = 0; i < s->view.ngens; i++) {
		const struct board_gen *gen = &s->view.gens[i];

		fprintf(out, "%s{", i > 0 ? "," : "");
		json_number(out, "number", gen->number);
		json_number(out, "workers", gen->workers);
		json_number(out, "connections", s->gen_clients[i]);
		json_number(out, "tunnels", s->gen_tunnels[i]);
		fprintf(out, "\"since\":%.3f,\"draining\":%s}",
		    (double)(s->now - gen->since) / 1000,
		    gen->draining ? "true" : "false");
	}
	fprintf(out, "],");
}

static void
json_workers(FILE *out, const struct sheet *s)
{
	bool any = false;

	fprintf(out, "\"workers\":[");
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		const struct board_worker *w = &s->view.workers[i];

		if (w->gen == 0)
			continue;
		fprintf(out, "%s{", any ? "," : "");
		any = true;
		json_number(out, "slot", i);
		json_number(out, "index", w->index);
		json_number(out, "generation", w->gen);
		json_number(out, "restarts", w->restarts);
		json_number(out, "connections", s->slot_clients[i]);
		json_number(out, "tunnels", s->slot_tunnels[i]);
		fprintf(out, "\"pid\":%ld,\"state\":\"%s\"}", (long)w->pid,
		    sheet_worker(s, i));
	}
	fprintf(out, "],");
}

static void
json_refusals(FILE *out, const struct sheet *s)
{
	bool any = false;

	fprintf(out, "\"refusals\":[");
	for (enum refusal r = REFUSE_NOTHING + 1; r < REFUSALS; r++) {
		const struct refusal_row *row = refusal_row(r);

		if (s->refused[r] == 0)
			continue;
		fprintf(out, "%s{", any ? "," : "");
		any = true;
		json_text(out, "reason", row->reason);
		json_text(out, "error", row->type);
		json_number(out, "status", (uint64_t)row->status);
		fprintf(out, "\"count\":%" PRIu64 "}", s->refused[r]);
	}
	fprintf(out, "],");
}

static void
json_rules(FILE *out, const struct view *v)
{
	const struct sheet *s = v->sheet;

	fprintf(out, "\"rules\":[");
	for (size_t i = 0; i < s->nrules; i++) {
		const struct sheet_rule *r = &s->rules[i];
		struct where at = view_place(v, r->refusal, r->line);

		fprintf(out, "%s{", i > 0 ? "," : "");
		json_text(out, "reason", view_reason(r->refusal));
		json_text(out, "file", at.file);
		json_number(out, "line", at.line);
		fprintf(out, "\"count\":%" PRIu64 "}", r->count);
	}
	fprintf(out, "],");
}

static void
json_sums(FILE *out, const char *key, const struct crowd_list *list)
{
	fprintf(out, "\"%s\":[", key);
	for (size_t i = 0; i < list->n && i < CROWD_SHOWN; i++) {
		fprintf(out, "%s{", i > 0 ? "," : "");
		json_text(out, "name", list->sums[i].name);
		json_number(out, "connections", list->sums[i].sessions);
		json_number(out, "bytes", list->sums[i].bytes);
		fprintf(out, "\"rate\":%" PRIu64 "}", list->sums[i].rate);
	}
	fprintf(out, "],");
}

static void
json_crowd(FILE *out, const struct crowd *c)
{
	json_sums(out, "clients", &c->clients);
	json_sums(out, "users", &c->users);
	json_sums(out, "targets", &c->targets);
	fprintf(out, "\"sessions\":[");
	for (size_t i = 0; i < c->nrows; i++) {
		fprintf(out, "%s", i > 0 ? "," : "");
		session_json(out, &c->rows[i].of, c->rows[i].rate);
	}
	fprintf(out, "],");
}

/* Prints all as one JSON object in one line. */
void
view_json(FILE *out, const struct view *v)
{
	const struct sheet *s = v->sheet;

	fputc('{', out);
	json_text(out, "version", ADIT_VERSION);
	json_text(out, "file", s->view.file);
	json_text(out, "phase", phase_word(s->view.phase));
	fprintf(out, "\"ready\":%s,", v->unready == NULL ? "true" : "false");
	json_text(out, "unready", v->unready != NULL ? v->unready : "");
	fprintf(out,
	    "\"pid\":%ld,\"started\":%" PRId64 ",\"loaded\":%" PRId64 ",",
	    (long)s->view.master, s->view.started, s->view.loaded);
	json_number(out, "generation", s->view.gen);
	json_number(out, "connections", s->clients);
	json_number(out, "limit", s->limit);
	json_number(out, "tunnels", s->tunnels);
	json_number(out, "accepted", s->count[COUNT_ACCEPTED]);
	json_number(
	    out, "requests", s->count[COUNT_CONNECTS] + s->count[COUNT_OTHERS]);
	json_number(out, "bytes_up", s->count[COUNT_UP]);
	json_number(out, "bytes_down", s->count[COUNT_DOWN]);
	json_number(out, "lines_lost", s->count[COUNT_LINES_LOST]);
	json_number(out, "reported", s->count[COUNT_REPORTED]);
	json_reload(out, &s->view.reload);
	json_refusals(out, s);
	json_rules(out, v);
	json_gens(out, s);
	json_workers(out, s);
	if (v->crowd != NULL)
		json_crowd(out, v->crowd);
	fprintf(out, "\"silent_workers\":%" PRIu64 "}\n", v->missed);
}

/* Prints the main facts as lines of the control socket. */
void
view_lines(FILE *out, const struct view *v)
{
	const struct sheet *s = v->sheet;
	const struct board_reload *r = &s->view.reload;

	fprintf(out, "+version:      %s\n", ADIT_VERSION);
	fprintf(out, "+file:         %s\n", s->view.file);
	fprintf(out, "+state:        %s%s%s\n", phase_word(s->view.phase),
	    v->unready != NULL ? "; not ready: " : "; ready",
	    v->unready != NULL ? v->unready : "");
	fprintf(out, "+master:       %ld, for %" PRId64 " s\n",
	    (long)s->view.master, (int64_t)time(NULL) - s->view.started);
	fprintf(out, "+generation:   %" PRIu64 ", %zu draining\n", s->view.gen,
	    s->view.ngens > 0 ? s->view.ngens - 1 : 0);
	fprintf(out,
	    "+reloads:      %" PRIu64 " done, %" PRIu64 " failed%s%s\n",
	    r->done, r->failed, r->at != 0 && !r->ok ? "; the last one: " : "",
	    r->at != 0 && !r->ok ? r->error : "");
	fprintf(out,
	    "+workers:      %" PRIu64 " ready, %" PRIu64 " stopped, %" PRIu64
	    " dead\n",
	    s->workers_ready, s->workers_stopped, s->workers_dead);
	fprintf(out, "+connections:  %" PRIu64 " of %" PRIu64 "\n", s->clients,
	    s->limit);
	fprintf(out, "+tunnels:      %" PRIu64 "\n", s->tunnels);
	fprintf(out, "+requests:     %" PRIu64 "\n",
	    s->count[COUNT_CONNECTS] + s->count[COUNT_OTHERS]);
	fprintf(out,
	    "+bytes:        %" PRIu64 " from clients, %" PRIu64
	    " from servers\n",
	    s->count[COUNT_UP], s->count[COUNT_DOWN]);
	for (enum refusal i = REFUSE_NOTHING + 1; i < REFUSALS; i++)
		if (s->refused[i] != 0)
			fprintf(out, "+refused:      %" PRIu64 " %s\n",
			    s->refused[i], refusal_row(i)->reason);
}
