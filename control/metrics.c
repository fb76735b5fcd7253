/* SPDX-License-Identifier: ISC */
/*
 * Prints the metrics in Prometheus' text format, version 0.0.4.  No label has
 * a value that a client can choose: those that are not words of this program
 * come from the configuration.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "board.h"
#include "metrics.h"
#include "refusal.h"
#include "sheet.h"
#include "tally.h"
#include "upstream.h"

static void
head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
single(FILE *out, const char *name, const char *type, const char *help,
    uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void
labelled(FILE *out, const char *name, const char *label, const char *value,
    uint64_t n)
{
	fprintf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, n);
}

/* What the proxy is, and since when. */
static void
print_process(FILE *out, const struct sheet *s)
{
	const struct board_view *v = &s->view;

	head(out, "adit_build_info", "gauge", "The version of adit.");
	fprintf(out, "adit_build_info{version=\"%s\"} 1\n", ADIT_VERSION);
	single(out, "process_start_time_seconds", "gauge",
	    "When the master was started, in seconds since 1970.",
	    (uint64_t)v->started);
	single(out, "adit_ready", "gauge",
	    "Whether new clients are welcome, as far as the master knows; "
	    "/ready also asks the workers.",
	    sheet_unready(s) == NULL);
	single(out, "adit_generation", "gauge",
	    "The number of the configuration in use; it grows with each "
	    "reload.",
	    v->gen);
	single(out, "adit_generations_draining", "gauge",
	    "Configurations that were replaced and still have connections.",
	    v->ngens > 0 ? v->ngens - 1 : 0);
}

static void
print_workers(FILE *out, const struct sheet *s)
{
	const struct board_view *v = &s->view;

	head(out, "adit_workers", "gauge",
	    "Workers of the configuration in use.");
	labelled(out, "adit_workers", "state", "ready", s->workers_ready);
	labelled(out, "adit_workers", "state", "stopped", s->workers_stopped);
	labelled(out, "adit_workers", "state", "dead", s->workers_dead);
	head(out, "adit_children_died_total", "counter",
	    "Processes that have ended and should not have.");
	labelled(out, "adit_children_died_total", "child", "worker",
	    v->workers_died);
	labelled(
	    out, "adit_children_died_total", "child", "desk", v->desks_died);
	labelled(out, "adit_children_died_total", "child", "helper",
	    v->helpers_died);
	labelled(out, "adit_children_died_total", "child", "control",
	    v->controls_died);
}

static void
print_reloads(FILE *out, const struct sheet *s)
{
	const struct board_view *v = &s->view;

	head(out, "adit_config_reloads_total", "counter",
	    "Reloads of the configuration.");
	labelled(out, "adit_config_reloads_total", "result", "success",
	    v->reload.done);
	labelled(out, "adit_config_reloads_total", "result", "failure",
	    v->reload.failed);
	single(out, "adit_config_last_reload_successful", "gauge",
	    "Whether the last reload has succeeded; 1 if there was none.",
	    v->reload.at == 0 || v->reload.ok);
	single(out, "adit_config_last_reload_success_timestamp_seconds",
	    "gauge",
	    "When the configuration in use was loaded, in seconds since 1970.",
	    (uint64_t)v->loaded);
}

static void
print_load(FILE *out, const struct sheet *s)
{
	uint64_t live = 0;

	for (size_t i = 0; i < s->view.ngens; i++)
		if (s->view.gens[i].number == s->view.gen)
			live += s->gen_clients[i];
	head(out, "adit_connections", "gauge", "Connections of clients.");
	labelled(out, "adit_connections", "generation", "live", live);
	labelled(out, "adit_connections", "generation", "draining",
	    s->clients > live ? s->clients - live : 0);
	single(out, "adit_connections_limit", "gauge",
	    "How many connections of clients there may be at once.", s->limit);
	single(
	    out, "adit_tunnels", "gauge", "Tunnels that are open.", s->tunnels);
	single(out, "adit_connections_accepted_total", "counter",
	    "Connections of clients that were accepted.",
	    s->count[COUNT_ACCEPTED]);
	head(out, "adit_requests_total", "counter",
	    "Requests with a complete head.");
	labelled(out, "adit_requests_total", "method", "connect",
	    s->count[COUNT_CONNECTS]);
	labelled(out, "adit_requests_total", "method", "other",
	    s->count[COUNT_OTHERS]);
	single(out, "adit_tunnels_established_total", "counter",
	    "Tunnels that were established.", s->count[COUNT_TUNNELS]);
	head(out, "adit_received_bytes_total", "counter",
	    "Bytes that were read to be passed on, counted as they come.");
	labelled(out, "adit_received_bytes_total", "from", "client",
	    s->count[COUNT_UP]);
	labelled(out, "adit_received_bytes_total", "from", "server",
	    s->count[COUNT_DOWN]);
	single(out, "adit_reported_total", "counter",
	    "Requests that only a ReportTo allows.", s->count[COUNT_REPORTED]);
	single(out, "adit_log_lines_lost_total", "counter",
	    "Lines, or batches of them, that a log did not take.",
	    s->count[COUNT_LINES_LOST]);
}

/* Each answer that the proxy gives itself, by reason. */
static void
print_refusals(FILE *out, const struct sheet *s)
{
	head(out, "adit_refusals_total", "counter",
	    "Answers of the proxy itself, with the error type of RFC 9209.");
	for (enum refusal r = REFUSE_NOTHING + 1; r < REFUSALS; r++) {
		const struct refusal_row *row = refusal_row(r);
		int type = (int)strcspn(row->type, ";");

		if (row->status < 400)
			continue;
		fprintf(out,
		    "adit_refusals_total{status=\"%d\",error=\"%.*s\","
		    "reason=\"%s\"} %" PRIu64 "\n",
		    row->status, type, row->type, row->reason, s->refused[r]);
	}
}

/* A histogram; the buckets are added up here, so +Inf is always the count. */
static void
print_span(FILE *out, const struct sheet *s, enum span span, const char *name,
    const char *help)
{
	uint64_t sum = 0;

	head(out, name, "histogram", help);
	for (size_t i = 0; i < SPAN_STEPS; i++) {
		sum += s->span[span][i];
		fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
		    (double)span_steps[span][i] / 1000, sum);
	}
	sum += s->span[span][SPAN_STEPS];
	fprintf(out,
	    "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.3f\n%s_count %" PRIu64
	    "\n",
	    name, sum, name, (double)s->span_ms[span] / 1000, name, sum);
}

static void
print_ways(FILE *out, const struct sheet *s)
{
	single(out, "adit_lookups_total", "counter",
	    "Look-ups of names of targets and parents.",
	    s->count[COUNT_LOOKUPS]);
	single(out, "adit_lookup_failures_total", "counter",
	    "Those of them that gave no address.",
	    s->count[COUNT_LOOKUPS_FAILED]);
	print_span(out, s, SPAN_LOOKUP, "adit_lookup_duration_seconds",
	    "How long look-ups took, without those answered from memory.");
	single(out, "adit_connects_total", "counter",
	    "Targets and parents that were to be connected to.",
	    s->count[COUNT_DIALS]);
	single(out, "adit_connect_failures_total", "counter",
	    "Those of them that could not be.", s->count[COUNT_DIALS_FAILED]);
	print_span(out, s, SPAN_CONNECT, "adit_connect_duration_seconds",
	    "How long it took until they were connected.");
	print_span(out, s, SPAN_TUNNEL, "adit_tunnel_duration_seconds",
	    "How long tunnels were open that have ended.");
}

/* A label's value: quotes and backslashes are escaped, line ends never come. */
static void
print_value(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if (*text >= ' ')
			fputc(*text, out);
	}
}

/* Whether a parent stands in an earlier Upstream too. */
static bool
is_again(const struct upstreams *us, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (us->list[j].host != NULL &&
		    strcmp(us->list[j].host, us->list[i].host) == 0 &&
		    us->list[j].port == us->list[i].port)
			return true;
	return false;
}

static void
print_parents(FILE *out, const struct sheet *s, const struct upstreams *us)
{
	head(out, "adit_parent_up", "gauge",
	    "Whether a parent proxy has answered when it was last asked.");
	for (size_t i = 0; i < us->n && i < 64; i++) {
		const struct upstream *u = &us->list[i];
		char parent[UPSTREAM_TEXT_SIZE];

		if (u->host == NULL || is_again(us, i))
			continue;
		fprintf(out, "adit_parent_up{parent=\"");
		print_value(out, upstream_text(u, parent));
		fprintf(out, "\"} %d\n", (s->parents_down >> i & 1) == 0);
	}
}

/* Prints all of them. */
void
metrics_print(FILE *out, const struct sheet *s, const struct upstreams *us)
{
	print_process(out, s);
	print_workers(out, s);
	print_reloads(out, s);
	print_load(out, s);
	print_refusals(out, s);
	print_ways(out, s);
	if (us->n > 0)
		print_parents(out, s, us);
}
