/* SPDX-License-Identifier: ISC */
/* LINK: control/answer.c control/talk.c control/crowd.c base/addr.c base/local.c base/format.c base/log.c base/record.c base/clock.c base/name.c base/safefile.c base/array.c base/socket.c base/secret.c base/sys.c base/program.c */
/*
 * Tries what the control process reads and sums up: requests for pages, commands,
 * and the sessions of the workers.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "answer.h"
#include "crowd.h"
#include "gather.h"
#include "must.h"
#include "talk.h"

static struct page_request
request(const char *head)
{
	struct page_request r;

	answer_parse(&r, head);
	return r;
}

static void
test_requests(void)
{
	struct page_request r = request("GET /metrics HTTP/1.1\r\n\r\n");

	must(r.error == 0 && r.page == PAGE_METRICS && !r.head, "a GET");
	r = request("HEAD /ready HTTP/1.0\n\n");
	must(r.error == 0 && r.page == PAGE_READY && r.head, "a HEAD");
	must(request("GET /live?x HTTP/1.1\r\n").page == PAGE_LIVE, "a query");
	must(request("GET /liv HTTP/1.1\r\n").error == 404, "a shorter path");
	must(request("GET /livee HTTP/1.1\r\n").error == 404, "a longer one");
	must(request("PUT /live HTTP/1.1\r\n").error == 405, "a method");
	must(request("PUT / HTTP/1.1\r\n").error == 404, "404 before 405");
}

static void
test_bad_requests(void)
{
	static const char *const bad[] = { "", "\r\n\r\n", " ", "GET", "GET ",
		"GET /live", "GET /live ", "GET /live HTTP/1.2\r\n",
		"GET /live HTTP/1.1 \r\n", "GET  /live HTTP/1.1\r\n",
		"GET *\r\n", "GET\r\n/live HTTP/1.1\r\n", "GET / \r\n" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		must(request(bad[i]).error == 400, bad[i]);
}

static void
test_queries(void)
{
	struct page_request r =
	    request("GET /status?sort=age&refresh=5 HTTP/1.1\r\n");

	must(r.sort == 'a' && r.refresh == 5, "both");
	r = request("GET /status?refresh=99999999999999999999 HTTP/1.1\r\n");
	must(r.refresh == 0 && r.sort == 'b', "too large");
	r = request("GET /status?refresh=-5&sort=&&sort=rate HTTP/1.1\r\n");
	must(r.refresh == 0 && r.sort == 'r', "negative, and empty ones");
	r = request("GET /status?sort=ratee HTTP/1.1\r\n");
	must(r.sort == 'b', "another word");
}

static const char *
command(struct talk *t, const char *text)
{
	static char line[1024];

	snprintf(line, sizeof(line), "%s", text);
	return talk_parse(t, line);
}

static void
test_commands(void)
{
	struct talk t;

	must(command(&t, " status\t") == NULL && t.command == COMMAND_STATUS &&
		!t.json,
	    "blanks around it");
	must(command(&t, "-j Sessions USER Alice") == NULL && t.json &&
		t.filter == FILTER_USER && strcmp(t.text, "Alice") == 0,
	    "a user");
	must(command(&t, "kill 3.1207") == NULL && t.filter == FILTER_ID &&
		t.slot == 3 && t.serial == 1207,
	    "an id");
	must(command(&t, "log Warning") == NULL && t.level == LOG_LEVEL_WARNING,
	    "a level");
	must(command(&t, "") != NULL && command(&t, "-j") != NULL &&
		command(&t, "kill") != NULL && command(&t, "stop 1") != NULL &&
		command(&t, "log") != NULL && command(&t, "state") != NULL,
	    "what is wrong");
	must(command(&t, "kill 4294967296.1") != NULL &&
		command(&t, "kill 1.1x") != NULL &&
		command(&t, "kill +1.1") != NULL,
	    "wrong ids");
}

static bool
matches(const char *text, const struct session *s)
{
	struct talk t;

	must(command(&t, text) == NULL, text);
	return talk_matches(&t, s, 3);
}

static void
test_filters(void)
{
	struct session s = { .serial = 7,
		.user = "j\\xc3\\xbcrgen",
		.target = "Host.example:443" };

	must(addr_parse(&s.client, "10.1.2.3") == 0, "an address");
	must(matches("sessions", &s) && matches("sessions 3.7", &s), "an id");
	must(!matches("sessions 3.8", &s) && !matches("sessions 2.7", &s),
	    "another id");
	must(matches("sessions client 10.0.0.0/8", &s) &&
		!matches("sessions client 10.1.2.4", &s),
	    "a client");
	must(matches("sessions user j\xc3\xbcrgen", &s) &&
		!matches("sessions user jurgen", &s),
	    "a user as the worker writes it");
	must(matches("kill target host.EXAMPLE", &s) &&
		matches("kill target host.example:443", &s) &&
		!matches("kill target host.exampl", &s) &&
		!matches("kill target host.example:44", &s),
	    "a target");
	snprintf(s.target, sizeof(s.target), "[2001:db8::1]:443");
	must(matches("kill target 2001:db8::1", &s) &&
		matches("kill target [2001:db8::1]", &s) &&
		matches("kill target [2001:db8::1]:443", &s) &&
		!matches("kill target 2001:db8::", &s),
	    "an IPv6 target");
	snprintf(s.target, sizeof(s.target), "http://h.example/x");
	must(matches("kill target h.example", &s) &&
		!matches("kill target http", &s),
	    "a URL");
}

static struct gathered
session(uint64_t serial, uint64_t bytes, int64_t age, const char *target)
{
	struct gathered g = { .session = {
				  .serial = serial, .up = bytes, .age = age } };

	snprintf(g.session.target, sizeof(g.session.target), "%s", target);
	addr_parse(&g.session.client, "10.0.0.1");
	return g;
}

static void
test_crowd(void)
{
	static struct crowd c;
	char target[40];
	struct gathered g;

	must(crowd_init() == 0, "random bytes");
	crowd_begin(&c, 'b');
	for (uint64_t i = 0; i < 3 * CROWD_NAMES; i++) {
		snprintf(target, sizeof(target), "t%u:1", (unsigned)i);
		g = session(i, i * 7919 % 100003, 1, target);
		crowd_add(&c, &g, 1000);
	}
	crowd_sort(&c);
	must(c.sessions == 3 * CROWD_NAMES && c.nrows == CROWD_TOP,
	    "all are counted, the largest shown");
	for (size_t i = 1; i < c.nrows; i++)
		must(c.rows[i - 1].of.session.up >= c.rows[i].of.session.up,
		    "in their order");
	must(c.targets.n == CROWD_NAMES && c.targets.rest == 2 * CROWD_NAMES,
	    "names without a place are counted");
	must(c.clients.n == 1 && c.clients.sums[0].sessions == c.sessions,
	    "one client");
	must(c.users.n == 0, "no user");
}

static void
test_rates(void)
{
	struct gathered g = session(1000000, 5000, 5000, "a:1");

	must(crowd_rate(&g, 10000) == 1000, "since it began");
	g.session.down = 4000;
	must(crowd_rate(&g, 10100) == 1000, "too soon for another");
	must(crowd_rate(&g, 12000) == 2000, "since it was last seen");
	g.session.up = 0;
	g.session.down = 1000;
	g.session.age = 0;
	must(crowd_rate(&g, 13000) == 1000, "fewer bytes: another session");
}

int
main(void)
{
	test_requests();
	test_bad_requests();
	test_queries();
	test_commands();
	test_filters();
	test_crowd();
	test_rates();
	printf("control_test: done\n");
	return 0;
}
