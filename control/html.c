/* SPDX-License-Identifier: ISC */
/*
 * The page of /status: one file with its style, its curves and a few lines of
 * script, which only load it again.  Every string that is not a constant here
 * goes through text(), which escapes it.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "addr.h"
#include "answer.h"
#include "board.h"
#include "crowd.h"
#include "gather.h"
#include "html.h"
#include "refusal.h"
#include "sheet.h"
#include "tally.h"
#include "upstream.h"
#include "view.h"

enum {
	CURVE_WIDTH = 360, /* units of the drawing */
	CURVE_HEIGHT = 60
};

static const char style[] =
    "<style>\n"
    ":root{color-scheme:light dark;--ink:#1a1c1f;--dim:#5c636b;"
    "--page:#f6f7f8;--box:#fff;--line:#d9dde1;--mark:#0b62a8;"
    "--good:#136c2e;--bad:#b3261e;--bar:#9cc4e4}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--dim:#a3abb3;"
    "--page:#15171a;--box:#1e2125;--line:#363b41;--mark:#7db9ec;"
    "--good:#6fd18a;--bad:#ff8a80;--bar:#2f5f86}}\n"
    "*{box-sizing:border-box}"
    "body{margin:0;padding:1rem;background:var(--page);color:var(--ink);"
    "font:15px/1.45 system-ui,sans-serif}"
    "main,header{max-width:76rem;margin:0 auto}"
    "h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:0 0 .5rem}"
    "header p{margin:.2rem 0 1rem;color:var(--dim)}"
    "section{background:var(--box);border:1px solid var(--line);"
    "border-radius:.5rem;padding:1rem;margin:0 0 1rem;overflow-x:auto}"
    ".grid{display:grid;gap:1rem;grid-template-columns:"
    "repeat(auto-fit,minmax(min(100%,21rem),1fr))}"
    ".grid section{margin:0}.grid{margin:0 0 1rem}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.15rem .8rem;"
    "margin:0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:"
    "tabular-nums}th,td{text-align:left;padding:.25rem .6rem .25rem 0;"
    "border-bottom:1px solid var(--line);white-space:nowrap}"
    "td.w{white-space:normal;overflow-wrap:anywhere;min-width:6rem}"
    "th{font-weight:600;color:var(--dim)}"
    ".n{text-align:right}.good{color:var(--good)}.bad{color:var(--bad)}"
    "a{color:var(--mark)}a:focus-visible{outline:2px solid var(--mark)}"
    "meter{width:100%;height:.9rem}"
    "svg{display:block;width:100%;height:4rem}"
    "polyline{fill:none;stroke:var(--mark);stroke-width:2;"
    "vector-effect:non-scaling-stroke}.big{font-size:1.6rem}"
    ".none{color:var(--dim)}td meter{min-width:5rem}"
    "@media(max-width:50rem){.cards th{display:none}"
    ".cards tr{display:grid;grid-template-columns:auto 1fr;gap:0 .8rem;"
    "padding:.5rem 0;border-bottom:1px solid var(--line)}"
    ".cards tr:first-child{display:none}"
    ".cards td{display:contents;text-align:left}"
    ".cards td::before{content:attr(data-l);color:var(--dim)}"
    ".cards td>span{overflow-wrap:anywhere;white-space:normal}}\n"
    "</style>\n";

/* Prints a string as the text of an element or the value of an attribute. */
static void
text(FILE *out, const char *from)
{
	for (; *from != '\0'; from++)
		switch (*from) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			if ((unsigned char)*from < 0x20 ||
			    (unsigned char)*from >= 0x7f)
				fprintf(out, "\\x%02x",
				    (unsigned)(unsigned char)*from);
			else
				fputc(*from, out);
		}
}

/* Prints a number of bytes with a unit. */
static void
bytes(FILE *out, uint64_t n)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double value = (double)n;
	int unit = 0;

	for (; value >= 1000 && unit < 4; unit++)
		value /= 1000;
	fprintf(out, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value,
	    units[unit]);
}

/* Prints a time of so many ms in its two largest units. */
static void
duration(FILE *out, int64_t ms)
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s >= 86400)
		fprintf(out, "%" PRId64 " d %" PRId64 " h", s / 86400,
		    s / 3600 % 24);
	else if (s >= 3600)
		fprintf(out, "%" PRId64 " h %" PRId64 " min", s / 3600,
		    s / 60 % 60);
	else if (s >= 60)
		fprintf(out, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else
		fprintf(out, "%" PRId64 " s", s);
}

/* Prints a time since the epoch. */
static void
moment(FILE *out, int64_t at)
{
	time_t when = (time_t)at;
	char shown[40] = "";
	struct tm tm;

	if (gmtime_r(&when, &tm) != NULL)
		strftime(shown, sizeof(shown), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(out, "<time datetime=\"");
	if (gmtime_r(&when, &tm) != NULL) {
		char exact[40];

		strftime(exact, sizeof(exact), "%Y-%m-%dT%H:%M:%SZ", &tm);
		fputs(exact, out);
	}
	fprintf(out, "\">%s</time>", shown);
}

/* What it is, and since when. */
static void
print_about(FILE *out, const struct view *v)
{
	const struct board_view *b = &v->sheet->view;
	const struct board_reload *r = &b->reload;

	fputs("<section aria-labelledby=\"about\"><h2 id=\"about\">About</h2>"
	      "<dl>\n<dt>State</dt><dd id=\"state\">",
	    out);
	if (v->unready == NULL)
		fputs("<strong class=\"good\">ready</strong>", out);
	else {
		fputs("<strong class=\"bad\">not ready</strong>: ", out);
		text(out, v->unready);
	}
	fprintf(out, "</dd>\n<dt>Version</dt><dd>%s</dd>\n", ADIT_VERSION);
	fprintf(out, "<dt>Started</dt><dd>");
	moment(out, b->started);
	fprintf(out, ", process %ld</dd>\n<dt>Configuration</dt><dd>",
	    (long)b->master);
	text(out, b->file);
	fprintf(
	    out, "</dd>\n<dt>Generation</dt><dd>%" PRIu64 ", since ", b->gen);
	moment(out, b->loaded);
	fputs("</dd>\n<dt>Last reload</dt><dd id=\"reload\">", out);
	if (r->at == 0)
		fputs("none", out);
	else {
		fprintf(out, "<span class=\"%s\">%s</span>, ",
		    r->ok ? "good" : "bad", r->ok ? "succeeded" : "failed");
		moment(out, r->at);
	}
	if (r->at != 0 && !r->ok && r->error[0] != '\0') {
		fputs(": ", out);
		text(out, r->error);
	}
	fputs("</dd>\n</dl></section>\n", out);
}

static uint64_t
sample_value(const struct history_sample *s, int which)
{
	return which == 0 ? s->requests : s->up + s->down;
}

/*
 * Prints a curve of what was counted in a second, over the time that the
 * history covers.
 */
static void
print_curve(FILE *out, const struct board *board, int which, const char *label)
{
	double rates[HISTORY_SIZE], most = 0;
	size_t n = 0;
	const struct history_sample *last = NULL;

	for (size_t i = 0; i < HISTORY_SIZE; i++) {
		const struct history_sample *s =
		    &board->history[(board->next + i) % HISTORY_SIZE];

		if (s->at == 0)
			continue;
		if (last != NULL && s->at > last->at) {
			uint64_t now = sample_value(s, which),
				 then = sample_value(last, which);

			rates[n] = now < then ? 0
					      : (double)(now - then) * 1000 /
				(double)(s->at - last->at);
			if (rates[n] > most)
				most = rates[n];
			n++;
		}
		last = s;
	}
	if (n < 2) {
		fputs("<p class=\"none\">a curve comes in a moment</p>\n", out);
		return;
	}
	fprintf(out,
	    "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
	    "role=\"img\" aria-label=\"%s in the last %zu minutes, at most "
	    "%.0f in a second\"><polyline points=\"",
	    CURVE_WIDTH, CURVE_HEIGHT, label,
	    (n * HISTORY_STEP / 1000 + 59) / 60, most);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%.1f,%.1f ",
		    (double)i * CURVE_WIDTH / (double)(n - 1),
		    CURVE_HEIGHT - 2 -
			(most > 0 ? rates[i] / most * (CURVE_HEIGHT - 4) : 0));
	fputs("\"/></svg>\n", out);
}

/* What was counted in a second, over the last two samples. */
static double
rate_now(const struct board *board, const struct sheet *s, int which)
{
	const struct history_sample *last =
	    &board->history[(board->next + HISTORY_SIZE - 2) % HISTORY_SIZE];
	uint64_t now = which == 0
	    ? s->count[COUNT_CONNECTS] + s->count[COUNT_OTHERS]
	    : s->count[COUNT_UP] + s->count[COUNT_DOWN];
	uint64_t then = sample_value(last, which);

	if (last->at == 0 || s->now <= last->at || now < then)
		return 0;
	return (double)(now - then) * 1000 / (double)(s->now - last->at);
}

static void
print_load(FILE *out, const struct view *v)
{
	const struct sheet *s = v->sheet;

	fputs("<section aria-labelledby=\"load\"><h2 id=\"load\">Load</h2>\n",
	    out);
	fprintf(out,
	    "<p><span class=\"big\">%" PRIu64 "</span> of %" PRIu64
	    " connections, <span id=\"tunnels\">%" PRIu64
	    "</span> tunnels</p>\n",
	    s->clients, s->limit, s->tunnels);
	fprintf(out,
	    "<meter min=\"0\" max=\"%" PRIu64 "\" high=\"%" PRIu64
	    "\" value=\"%" PRIu64 "\" aria-label=\"places taken\">%" PRIu64
	    " of %" PRIu64 "</meter>\n</section>\n",
	    s->limit, s->limit / 10 * 9, s->clients, s->clients, s->limit);
	fprintf(out,
	    "<section aria-labelledby=\"requests\"><h2 id=\"requests\">"
	    "Requests</h2>\n<p><span class=\"big\">%.1f</span> in a second, "
	    "%" PRIu64 " in all</p>\n",
	    rate_now(v->board, s, 0),
	    s->count[COUNT_CONNECTS] + s->count[COUNT_OTHERS]);
	print_curve(out, v->board, 0, "requests");
	fputs("</section>\n<section aria-labelledby=\"traffic\"><h2 "
	      "id=\"traffic\">Traffic</h2>\n<p><span class=\"big\">",
	    out);
	bytes(out, (uint64_t)rate_now(v->board, s, 1));
	fputs("</span> in a second, ", out);
	bytes(out, s->count[COUNT_UP] + s->count[COUNT_DOWN]);
	fputs(" in all</p>\n", out);
	print_curve(out, v->board, 1, "bytes");
	fputs("</section>\n", out);
}

static void
print_refusals(FILE *out, const struct sheet *s)
{
	bool any = false;

	fputs("<section aria-labelledby=\"refusals\"><h2 id=\"refusals\">"
	      "Refusals</h2>\n",
	    out);
	for (enum refusal r = REFUSE_NOTHING + 1; r < REFUSALS; r++) {
		const struct refusal_row *row = refusal_row(r);

		if (s->refused[r] == 0 || row->status < 400)
			continue;
		if (!any)
			fputs("<table><tr><th scope=\"col\">Reason</th><th "
			      "scope=\"col\">Status</th><th scope=\"col\" "
			      "class=\"n\">Count</th></tr>\n",
			    out);
		any = true;
		fprintf(out,
		    "<tr><td>%s</td><td>%d</td><td class=\"n\">%" PRIu64
		    "</td></tr>\n",
		    row->reason, row->status, s->refused[r]);
	}
	fputs(any ? "</table>" : "<p class=\"none\">none</p>", out);
	fputs("</section>\n", out);
}

/* The rules that refuse, with their places. */
static void
print_rules(FILE *out, const struct view *v)
{
	const struct sheet *s = v->sheet;

	if (s->nrules == 0)
		return;
	fputs(
	    "<section aria-labelledby=\"rules\"><h2 id=\"rules\">Rules that "
	    "refuse or report</h2>\n<table><tr><th scope=\"col\">Rule</th><th "
	    "scope=\"col\">Reason</th><th scope=\"col\" class=\"n\">Count"
	    "</th></tr>\n",
	    out);
	for (size_t i = 0; i < s->nrules && i < CROWD_SHOWN; i++) {
		const struct sheet_rule *r = &s->rules[i];
		struct where at = view_place(v, r->refusal, r->line);

		fputs("<tr><td class=\"w\">", out);
		text(out, at.file);
		fprintf(out,
		    ":%lu</td><td>%s</td><td class=\"n\">%" PRIu64
		    "</td></tr>\n",
		    at.line, view_reason(r->refusal), r->count);
	}
	fputs("</table></section>\n", out);
}

/* The busiest of one kind. */
static void
print_sums(FILE *out, const char *title, const struct crowd_list *list)
{
	fprintf(out, "<section><h2>%s</h2>\n", title);
	if (list->n == 0) {
		fputs("<p class=\"none\">none</p></section>\n", out);
		return;
	}
	fputs("<table><tr><th scope=\"col\">Name</th><th scope=\"col\" "
	      "class=\"n\">Open</th><th scope=\"col\" class=\"n\">Bytes</th>"
	      "<th scope=\"col\" class=\"n\">Rate</th></tr>\n",
	    out);
	for (size_t i = 0; i < list->n && i < CROWD_SHOWN; i++) {
		fputs("<tr><td class=\"w\">", out);
		text(out, list->sums[i].name);
		fprintf(out,
		    "</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">",
		    list->sums[i].sessions);
		bytes(out, list->sums[i].bytes);
		fputs("</td><td class=\"n\">", out);
		bytes(out, list->sums[i].rate);
		fputs("/s</td></tr>\n", out);
	}
	fputs("</table></section>\n", out);
}

/* Begins a cell; the label stands in it where there is no heading. */
static void
cell(FILE *out, const char *label, const char *class)
{
	fprintf(out, "<td class=\"%s\" data-l=\"%s\"><span>", class, label);
}

static void
text_cell(FILE *out, const char *label, const char *from)
{
	cell(out, label, "w");
	text(out, from[0] != '\0' ? from : "-");
	fputs("</span></td>", out);
}

static void
number_cell(FILE *out, const char *label, uint64_t n, const char *after)
{
	cell(out, label, "n");
	bytes(out, n);
	fprintf(out, "%s</span></td>", after);
}

static void
time_cell(FILE *out, const char *label, int64_t ms)
{
	cell(out, label, "n");
	duration(out, ms);
	fputs("</span></td>", out);
}

static void
print_row(FILE *out, const struct crowd_row *row)
{
	const struct session *s = &row->of.session;
	char client[ADDR_TEXT_SIZE], dialled[ADDR_TEXT_SIZE] = "";

	if (s->dialled.port != 0 || s->dialled.local != 0)
		addr_text_port(&s->dialled, dialled);
	fputs("<tr>", out);
	cell(out, "Id", "");
	fprintf(out, "%u.%" PRIu64 "</span></td>", (unsigned)row->of.slot,
	    s->serial);
	text_cell(out, "Client", addr_text_peer(&s->client, client));
	text_cell(out, "User", s->user);
	text_cell(out, "Target", s->target);
	text_cell(out, "Address", dialled);
	number_cell(out, "Bytes", s->up + s->down, "");
	number_cell(out, "Rate", row->rate, "/s");
	time_cell(out, "Open", s->age);
	time_cell(out, "Idle", s->idle);
	fputs("</tr>\n", out);
}

static void
print_sessions(FILE *out, const struct view *v, char sort)
{
	static const struct {
		char sort;
		const char *word;
	} sorts[] = { { 'b', "bytes" }, { 'r', "rate" }, { 'a', "age" } };
	const struct crowd *c = v->crowd;

	fprintf(out,
	    "<section aria-labelledby=\"sessions\"><h2 id=\"sessions\">Open "
	    "connections</h2>\n<p>%zu of %" PRIu64 ", by ",
	    c->nrows, c->sessions);
	for (size_t i = 0; i < 3; i++)
		if (sorts[i].sort == sort)
			fprintf(out, "%s<strong>%s</strong>", i > 0 ? ", " : "",
			    sorts[i].word);
		else
			fprintf(out, "%s<a href=\"/status?sort=%s\">%s</a>",
			    i > 0 ? ", " : "", sorts[i].word, sorts[i].word);
	if (v->missed > 0)
		fprintf(out,
		    "; <span class=\"bad\">%" PRIu64
		    " workers did not answer</span>",
		    v->missed);
	fputs(
	    "</p>\n<table class=\"cards\"><tr><th scope=\"col\">Id</th><th scope=\"col\">"
	    "Client</th><th scope=\"col\">User</th><th scope=\"col\">Target"
	    "</th><th scope=\"col\">Address</th><th scope=\"col\" "
	    "class=\"n\">Bytes</th><th scope=\"col\" class=\"n\">Rate"
	    "</th><th scope=\"col\" class=\"n\">Open</th><th scope=\"col\" "
	    "class=\"n\">Idle</th></tr>\n",
	    out);
	for (size_t i = 0; i < c->nrows; i++)
		print_row(out, &c->rows[i]);
	fputs("</table></section>\n", out);
}

/* A bar for each generation. */
static void
print_gens(FILE *out, const struct sheet *s)
{
	fputs("<section aria-labelledby=\"gens\"><h2 id=\"gens\">Generations"
	      "</h2>\n<table><tr><th scope=\"col\">Number</th><th "
	      "scope=\"col\">State</th><th scope=\"col\" class=\"n\">Workers"
	      "</th><th scope=\"col\" class=\"n\">Tunnels</th><th "
	      "scope=\"col\">Share of connections</th></tr>\n",
	    out);
	for (size_t i = 0; i < s->view.ngens; i++) {
		const struct board_gen *gen = &s->view.gens[i];

		fprintf(out, "<tr><td>%" PRIu64 "</td><td class=\"w\">%s ",
		    gen->number,
		    gen->draining ? "draining for" : "serving for");
		duration(out, s->now - gen->since);
		if (gen->draining && s->gen_clients[i] > 0)
			fprintf(out, ", waits for %" PRIu64 " connections",
			    s->gen_clients[i]);
		if (gen->draining && gen->kill_at > s->now) {
			fputs(", at most ", out);
			duration(out, gen->kill_at - s->now);
		}
		fprintf(out,
		    "</td><td class=\"n\">%u</td><td class=\"n\">%" PRIu64
		    "</td><td><meter min=\"0\" max=\"%" PRIu64
		    "\" value=\"%" PRIu64 "\" aria-label=\"share of all "
		    "connections\">%" PRIu64 "</meter></td></tr>\n",
		    (unsigned)gen->workers, s->gen_tunnels[i],
		    s->clients > 0 ? s->clients : 1, s->gen_clients[i],
		    s->gen_clients[i]);
	}
	fputs("</table></section>\n", out);
}

/* A row for the worker of a slot, with a bar for its connections. */
static void
print_worker(FILE *out, const struct sheet *s, size_t slot)
{
	const struct board_worker *w = &s->view.workers[slot];
	bool bad = w->pid < 0 || w->stopped;

	fprintf(out,
	    "<tr><td>%u</td><td>%" PRIu64 "</td><td>%ld</td><td%s>%s</td>"
	    "<td class=\"n\">%u</td><td class=\"n\">%u</td><td><meter "
	    "min=\"0\" max=\"%" PRIu64
	    "\" value=\"%u\" aria-label=\"share of all "
	    "connections\">%u</meter></td></tr>\n",
	    (unsigned)w->index, w->gen, (long)w->pid,
	    bad ? " class=\"bad\"" : "", sheet_worker(s, slot), w->restarts,
	    s->slot_clients[slot], s->clients > 0 ? s->clients : 1,
	    s->slot_clients[slot], s->slot_clients[slot]);
}

static void
print_workers(FILE *out, const struct sheet *s)
{
	fputs("<section aria-labelledby=\"workers\"><h2 id=\"workers\">Workers"
	      "</h2>\n<table><tr><th scope=\"col\">Worker</th><th "
	      "scope=\"col\">Generation</th><th scope=\"col\">Process</th><th "
	      "scope=\"col\">State</th><th scope=\"col\" class=\"n\">Restarts"
	      "</th><th scope=\"col\" class=\"n\">Connections</th><th "
	      "scope=\"col\">Share</th></tr>\n",
	    out);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (s->view.workers[i].gen != 0)
			print_worker(out, s, i);
	fputs("</table></section>\n", out);
}

static void
print_parents(FILE *out, const struct view *v)
{
	if (v->upstreams->n == 0)
		return;
	fputs("<section aria-labelledby=\"parents\"><h2 id=\"parents\">Parent "
	      "proxies</h2><table>\n",
	    out);
	for (size_t i = 0; i < v->upstreams->n && i < 64; i++) {
		const struct upstream *u = &v->upstreams->list[i];
		bool down = v->sheet->parents_down >> i & 1;
		char parent[UPSTREAM_TEXT_SIZE];

		if (u->host == NULL)
			continue;
		fputs("<tr><td>", out);
		text(out, upstream_text(u, parent));
		fprintf(out, "</td><td class=\"%s\">%s</td></tr>\n",
		    down ? "bad" : "good", down ? "does not answer" : "up");
	}
	fputs("</table></section>\n", out);
}

static void
print_head(FILE *out, const struct view *v, const struct page_request *r)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
	      "charset=\"utf-8\">\n<meta name=\"viewport\" "
	      "content=\"width=device-width,initial-scale=1\">\n",
	    out);
	if (r->refresh > 0)
		fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n",
		    r->refresh);
	fprintf(out, "<title>adit: %s</title>\n",
	    v->unready == NULL ? "ready" : "not ready");
	fputs(style, out);
	fputs("</head><body>\n<header><h1>adit</h1><p>as of ", out);
	moment(out, (int64_t)time(NULL));
	fputs(" <label><input type=\"checkbox\" id=\"live\"> refresh every 5 "
	      "seconds</label></p></header>\n<main>\n",
	    out);
}

/* Loads the page again, and keeps what the reader has chosen. */
static const char script[] =
    "<script>\n"
    "const box=document.getElementById('live');\n"
    "box.checked=location.hash==='#live';\n"
    "box.onchange=()=>{history.replaceState(null,'',box.checked?'#live':"
    "location.pathname+location.search)};\n"
    "setInterval(async()=>{if(!box.checked||document.hidden)return;try{"
    "const r=await fetch(location.pathname+location.search);"
    "const d=new DOMParser().parseFromString(await r.text(),'text/html');"
    "document.querySelector('main').replaceWith(d.querySelector('main'));"
    "document.querySelector('header p time').replaceWith("
    "d.querySelector('header p time'));document.title=d.title}catch(e){}},"
    "5000);\n"
    "</script>\n";

/* Prints the page. */
void
html_print(FILE *out, const struct view *v, const struct page_request *r)
{
	print_head(out, v, r);
	fputs("<div class=\"grid\">\n", out);
	print_about(out, v);
	print_refusals(out, v->sheet);
	fputs("</div>\n<div class=\"grid\">\n", out);
	print_load(out, v);
	fputs("</div>\n<div class=\"grid\">\n", out);
	print_rules(out, v);
	if (v->crowd != NULL) {
		print_sums(out, "Busiest clients", &v->crowd->clients);
		print_sums(out, "Busiest users", &v->crowd->users);
		print_sums(out, "Busiest targets", &v->crowd->targets);
	}
	fputs("</div>\n", out);
	if (v->crowd != NULL)
		print_sessions(out, v, r->sort);
	print_gens(out, v->sheet);
	print_workers(out, v->sheet);
	print_parents(out, v);
	fputs("</main>\n", out);
	fputs(script, out);
	fputs("</body></html>\n", out);
}
