/* SPDX-License-Identifier: ISC */
/* LINK: base/record.c base/addr.c base/local.c */
/*
 * Makes a line of each format from records whose texts are hostile, and
 * compares it with what programs that read such logs expect.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../proxy.h"
#include "must.h"

static const struct timespec now = { .tv_sec = 1795761764,
	.tv_nsec = 292000000 };
static struct addr client, dialled, nowhere;

/* The line of a record, without its newline. */
static const char *
line_of(enum record_format format, const struct record *r)
{
	static char line[RECORD_SIZE + 1];
	size_t len = record_line(line, format, r, &now);

	must(len > 0 && len <= RECORD_SIZE && line[len - 1] == '\n',
	    "a line has its end");
	must(memchr(line, '\n', len) == line + len - 1, "and only one");
	line[len - 1] = '\0';
	return line;
}

static void
is(enum record_format format, const struct record *r, const char *wanted)
{
	const char *line = line_of(format, r);

	if (strcmp(line, wanted) == 0)
		return;
	printf("%s\nis not\n%s\n", line, wanted);
	exit(1);
}

static void
has(const struct record *r, const char *part)
{
	const char *line = line_of(RECORD_JSON, r);

	if (strstr(line, part) != NULL)
		return;
	printf("%s\nlacks\n%s\n", line, part);
	exit(1);
}

static struct record
tunnel(void)
{
	return (struct record){ .client = &client,
		.user = "al ice",
		.method = "CONNECT",
		.target = "h.test:443",
		.minor = '1',
		.dialled = &dialled,
		.status = 200,
		.ending = "closed",
		.up = 12,
		.down = 34,
		.ms = 1292,
		.dns = -1,
		.connect = 7,
		.slot = 3,
		.serial = 1207,
		.generation = 2,
		.worker = 1 };
}

static void
test_tunnel(void)
{
	struct record r = tunnel();

	is(RECORD_ADIT, &r,
	    "2026-11-27T06:42:44.292Z 192.0.2.7 al\\x20ice h.test:443 "
	    "198.51.100.9:443 200/closed 12 34 1.292 - 3.1207");
	is(RECORD_SQUID, &r,
	    "1795761764.292   1292 192.0.2.7 TCP_TUNNEL/200 34 CONNECT "
	    "h.test:443 al%20ice HIER_DIRECT/198.51.100.9 -");
	is(RECORD_COMMON, &r,
	    "192.0.2.7 - al\\x20ice [27/Nov/2026:06:42:44 +0000] "
	    "\"CONNECT h.test:443 HTTP/1.1\" 200 34");
	is(RECORD_COMBINED, &r,
	    "192.0.2.7 - al\\x20ice [27/Nov/2026:06:42:44 +0000] "
	    "\"CONNECT h.test:443 HTTP/1.1\" 200 34 \"-\" \"-\"");
	is(RECORD_JSON, &r,
	    "{\"time\":\"2026-11-27T06:42:44.292Z\","
	    "\"start\":\"2026-11-27T06:42:43.000Z\",\"event\":\"end\","
	    "\"id\":\"3.1207\",\"client\":\"192.0.2.7\","
	    "\"client_port\":4711,\"uid\":null,\"via\":null,\"user\":\"al ice\","
	    "\"method\":\"CONNECT\",\"target\":\"h.test:443\","
	    "\"host\":\"h.test\",\"port\":443,\"server_name\":null,"
	    "\"dialled\":\"198.51.100.9:443\",\"parent\":null,\"status\":200,"
	    "\"reason\":\"closed\",\"error\":null,\"rule\":null,"
	    "\"bytes_up\":12,\"bytes_down\":34,\"seconds\":1.292,"
	    "\"dns_seconds\":null,\"connect_seconds\":0.007,"
	    "\"generation\":2,\"worker\":1}");
}

static void
test_refusal(void)
{
	struct record r = tunnel();

	r.dialled = &nowhere;
	r.status = 403;
	r.denied = true;
	r.error = "http_request_denied; x=y";
	r.reason = "port";
	r.rule_file = "/etc/adit/adit.conf";
	r.rule = 12;
	is(RECORD_SQUID, &r,
	    "1795761764.292   1292 192.0.2.7 TCP_DENIED/403 34 CONNECT "
	    "h.test:443 al%20ice HIER_NONE/- -");
	is(RECORD_ADIT, &r,
	    "2026-11-27T06:42:44.292Z 192.0.2.7 al\\x20ice h.test:443 - "
	    "403/http_request_denied 12 34 1.292 port 3.1207");
	has(&r,
	    "\"dialled\":null,\"parent\":null,\"status\":403,"
	    "\"reason\":\"port\",\"error\":\"http_request_denied\","
	    "\"rule\":\"/etc/adit/adit.conf:12\"");
	r.status = 0;
	r.serial = 0;
	r.user = r.method = r.target = NULL;
	is(RECORD_COMMON, &r,
	    "192.0.2.7 - - [27/Nov/2026:06:42:44 +0000] \"-\" 444 34");
	has(&r, "\"id\":null");
}

static void
test_events(void)
{
	struct record r = tunnel();

	r.event = RECORD_START;
	is(RECORD_ADIT, &r,
	    "2026-11-27T06:42:44.292Z 192.0.2.7 al\\x20ice h.test:443 "
	    "198.51.100.9:443 200/start 12 34 1.292 - 3.1207");
	has(&r, "\"event\":\"start\"");
	r.event = RECORD_OPEN;
	has(&r, "\"event\":\"open\"");
	for (int i = 0; i < RECORD_FORMATS; i++)
		must(record_wanted((enum record_format)i, RECORD_OPEN) ==
			(i == RECORD_ADIT || i == RECORD_JSON),
		    "programs that count lines get one for each request");
}

static void
test_sites(void)
{
	static const struct {
		const char *target, *wanted;
	} sites[] = {
		{ "[2001:db8::1]:443",
		    "\"host\":\"2001:db8::1\",\"port\":443" },
		{ "::1:443", "\"host\":\"::1\",\"port\":443" },
		{ "http://h.test/a:1", "\"host\":\"h.test\",\"port\":80" },
		{ "http://u:p@h.test:8080/",
		    "\"host\":\"h.test\",\"port\":8080" },
		{ "http://[::1]?x", "\"host\":\"::1\",\"port\":80" },
		{ "/path", "\"host\":null,\"port\":null" },
		{ "*", "\"host\":\"*\",\"port\":null" },
		{ ":", "\"host\":\":\",\"port\":null" },
	};
	struct record r = tunnel();

	for (size_t i = 0; i < sizeof(sites) / sizeof(*sites); i++) {
		r.target = sites[i].target;
		has(&r, sites[i].wanted);
	}
}

/* Bytes of a peer never end a value, and JSON stays valid. */
static void
test_hostile(void)
{
	struct record r = tunnel();

	r.user = "\"\\\n\x1f\x7f\xc3\xbc\xff\xed\xa0\x80\xf0\x9f\x98\x80";
	has(&r,
	    "\"user\":\"\\\"\\\\\\n\\u001f\\u007f\xc3\xbc\\u00ff\\u00ed\\u00a0"
	    "\\u0080\xf0\x9f\x98\x80\"");
	r.user = NULL;
	r.target = "a\"\\\tb\xff";
	is(RECORD_COMMON, &r,
	    "192.0.2.7 - - [27/Nov/2026:06:42:44 +0000] "
	    "\"CONNECT a\\\"\\\\\\tb\\xff HTTP/1.1\" 200 34");
	is(RECORD_SQUID, &r,
	    "1795761764.292   1292 192.0.2.7 TCP_TUNNEL/200 34 CONNECT "
	    "a%22%5c%09b%ff - HIER_DIRECT/198.51.100.9 -");
}

/* The verdict on a request, for the DecisionLog alone. */
static void
test_verdict(void)
{
	struct addr addrs[2] = { client, dialled };
	struct record r = tunnel();

	r.event = RECORD_VERDICT;
	r.verdict = "deny";
	r.reason = "target_address";
	r.status = 403;
	r.rule_file = "/etc/adit/adit.conf";
	r.rule = 12;
	r.because = "no \xc3\xbc\\";
	r.server_name = "x\"\n";
	r.addrs = addrs;
	r.naddrs = 2;
	is(RECORD_DECISION, &r,
	    "{\"time\":\"2026-11-27T06:42:44.292Z\",\"id\":\"3.1207\","
	    "\"client\":\"192.0.2.7\",\"client_port\":4711,\"uid\":null,\"via\":null,"
	    "\"user\":\"al ice\",\"method\":\"CONNECT\","
	    "\"target\":\"h.test:443\",\"host\":\"h.test\",\"port\":443,"
	    "\"server_name\":\"x\\\"\\n\",\"parent\":null,"
	    "\"addresses\":[\"192.0.2.7\",\"198.51.100.9\"],"
	    "\"verdict\":\"deny\",\"reason\":\"target_address\","
	    "\"status\":403,\"rule\":\"/etc/adit/adit.conf:12\","
	    "\"because\":\"no \xc3\xbc\\\\\",\"generation\":2,"
	    "\"worker\":1}");
	for (int i = 0; i < RECORD_FORMATS; i++)
		must(!record_wanted((enum record_format)i, RECORD_VERDICT),
		    "an access log has no verdicts");
	for (int i = RECORD_END; i <= RECORD_VERDICT; i++)
		must(record_wanted(RECORD_DECISION, (enum record_event)i) ==
			(i == RECORD_VERDICT),
		    "and a DecisionLog nothing else");
	r = tunnel();
	r.reported = true;
	is(RECORD_ADIT, &r,
	    "2026-11-27T06:42:44.292Z 192.0.2.7 al\\x20ice h.test:443 "
	    "198.51.100.9:443 200/closed 12 34 1.292 reported 3.1207");
}

/* Each value is cut, and never within a character or an escape. */
static void
test_long(void)
{
	static char text[20000];
	struct addr addrs[16];
	struct record r = tunnel();
	const char *line;

	for (int i = 0; i < 16; i++)
		addr_parse(&addrs[i],
		    "fe80:1111:2222:3333:4444:5555:6666:7777%4294967295");
	r.addrs = addrs;
	r.naddrs = 16;
	r.reason = r.verdict = "server_malformed";
	for (int byte = 1; byte < 256; byte++) {
		memset(text, byte, sizeof(text) - 1);
		r.user = r.method = r.target = r.parent = r.rule_file = text;
		r.because = r.server_name = text;
		r.rule = 4294967295;
		r.up = r.down = UINT64_MAX;
		r.ms = INT64_C(1000000000000);
		for (int i = 0; i < RECORD_FORMATS; i++) {
			line = line_of((enum record_format)i, &r);
			must(i != RECORD_JSON ||
				strstr(line, ",\"worker\":1}") != NULL,
			    "a line of JSON is whole");
		}
		r.event = RECORD_VERDICT;
		line = line_of(RECORD_DECISION, &r);
		r.event = RECORD_END;
		must(strstr(line, ",\"worker\":1}") != NULL,
		    "a line of the DecisionLog is whole");
	}
}

int
main(void)
{
	setenv("TZ", "UTC0", 1);
	tzset();
	addr_parse(&client, "192.0.2.7");
	addr_parse(&dialled, "198.51.100.9");
	client.port = 4711;
	dialled.port = 443;
	test_tunnel();
	test_refusal();
	test_events();
	test_verdict();
	test_sites();
	test_hostile();
	test_long();
	return 0;
}
