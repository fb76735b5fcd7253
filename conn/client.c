/* SPDX-License-Identifier: ISC */
/*
 * Who is served: a client from the moment when it is accepted until its
 * request is read, by the limits for its address and the rules for clients.
 * Nothing that a client sends is looked at here.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "acl.h"
#include "addr.h"
#include "ask.h"
#include "client.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "log.h"
#include "namecache.h"
#include "question.h"
#include "quota.h"
#include "request.h"
#include "rule.h"
#include "share.h"
#include "socket.h"
#include "stats.h"
#include "sys.h"

enum { COMPLAIN_TIME = 60000 /* ms between two lines on the same limit */ };

/* The limits for one client address. */
enum limit { LIMIT_CLIENTS, LIMIT_RATE, LIMITS, LIMIT_NONE = LIMITS };

static const struct conf *conf;
static int64_t complained_at[LIMITS]; /* ms: of who is over one, last time */

/* To be called once, before the first client is accepted. */
void
client_init(const struct conf *new_conf)
{
	conf = new_conf;
}

/* The rules. */

static void
client_admit(struct conn *c)
{
	c->setup->deaf = false;
	c->setup->left_at = 0;
	conn_state(c, CONN_REQUEST);
	request_read(c);
}

/* Refuses a client because of the rule that is next, or as none matches. */
void
client_deny(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];
	size_t rule = c->setup->rule;

	addr_text(&c->client, client);
	log_line(
	    LOG_LEVEL_NOTICE, "Unauthorized connection from \"%s\".", client);
	if (rule < conf->acl.nrules)
		log_line(LOG_LEVEL_INFO, "Refused client %s: line %lu of %s",
		    client, conf->acl.rules[rule].line, conf->file);
	else
		log_line(LOG_LEVEL_INFO, "Refused client %s: no rule matches",
		    client);
	conn_refuse(c, 403, "http_request_denied",
	    "This proxy does not serve your address.");
}

/*
 * The verdict of the rules for clients, from the one that is next; ACL_ASK when
 * the answer to one of them, the next then, is not known.
 */
static enum verdict
client_verdict(struct conn *c)
{
	size_t *at = &c->setup->rule;
	const struct rule *rule;
	enum verdict verdict;
	bool matches;

	while ((verdict = acl_client(&conf->acl, &c->client, at)) == ACL_ASK) {
		rule = &conf->acl.rules[*at];
		if (!namecache_find_client(rule->name, &c->client, &matches))
			break;
		if (matches)
			return rule->allow ? ACL_ALLOW : ACL_DENY;
		(*at)++;
	}
	return verdict;
}

/* Does what the rules for clients say. */
static void
client_obey(struct conn *c, enum verdict verdict)
{
	switch (verdict) {
	case ACL_ALLOW:
		client_admit(c);
		break;
	case ACL_DENY:
		client_deny(c);
		break;
	case ACL_ASK:
		conn_state(c, CONN_RULE);
		conn_watch(c);
		ask_question(
		    c, QUESTION_CLIENT, conf->acl.rules[c->setup->rule].name);
	}
}

/* Takes the answer whether the client has the name that a rule asks for. */
void
client_named(struct conn *c, const struct answer *answer)
{
	const struct rule *rule = &conf->acl.rules[c->setup->rule];
	enum verdict verdict;

	if (!answer->matches && ask_on(c))
		return;
	verdict = acl_answer(rule, answer->matches, answer->error != 0);
	if (verdict == ACL_ASK) {
		c->setup->rule++;
		verdict = client_verdict(c);
	}
	client_obey(c, verdict);
}

/* The limits for one client address. */

/* Says of which limits clients are over, once a minute for each of the two. */
static void
complain_of_host(enum limit limit, const struct addr *addr)
{
	int64_t *complained = &complained_at[limit];
	char client[ADDR_TEXT_SIZE];

	if (*complained != 0 && clock_now() - *complained < COMPLAIN_TIME)
		return;
	*complained = clock_now();
	if (limit == LIMIT_CLIENTS)
		log_line(LOG_LEVEL_WARNING,
		    "Too many connections from \"%s\": MaxClientsPerHost is "
		    "%u.",
		    addr_text(addr, client), conf->max_clients_per_host);
	else
		log_line(LOG_LEVEL_WARNING,
		    "Too many new connections from \"%s\": MaxRatePerHost is "
		    "%u.",
		    addr_text(addr, client), conf->max_rate_per_host);
}

/* Counts a new client, and says which limit it is over. */
static enum limit
limit_check(const struct addr *client, bool *counted)
{
	enum limit limit = LIMIT_NONE;

	*counted = false;
	if (conf->max_rate_per_host != 0 &&
	    quota_take(QUOTA_CONNECTIONS, client) > 0)
		limit = LIMIT_RATE;
	else if (conf->max_clients_per_host != 0 &&
	    !quota_enter(client, counted))
		limit = LIMIT_CLIENTS;
	if (limit != LIMIT_NONE)
		complain_of_host(limit, client);
	return limit;
}

/* Gets rid of a client for which even an answer is too much. */
static void
limit_drop(int fd, const struct addr *client)
{
	static const struct addr nowhere;
	const struct record record = { .client = client,
		.dialled = &nowhere,
		.reason = "connection_limit_reached" };

	stats_count(TALLY_REFUSED);
	log_access(&record);
	close(fd);
}

/*
 * Answers a client that is over a limit.  One that the rules deny whatever its
 * name is hears of that; nobody is looked up for it.
 */
static void
limit_refuse(struct conn *c)
{
	size_t rule = 0;

	if (acl_client(&conf->acl, &c->client, &rule) == ACL_DENY)
		client_deny(c);
	else
		conn_refuse(c, 503, "connection_limit_reached",
		    "There are too many connections from your address.");
}

/* New clients. */

/* Sets what a listening socket does not hand down to those it accepts. */
static void
client_options(int fd)
{
	int on = 1;

	if (sys_accept_inherits())
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	socket_linger(fd, false);
}

/*
 * Begins a connection.  The limits come first, since they make a flood cheap;
 * of those above them, most get no answer, so that they do not hold places.
 */
static void
client_begin(int fd, const struct addr *client)
{
	bool counted;
	enum limit limit = limit_check(client, &counted);
	char text[ADDR_TEXT_SIZE];
	struct conn *c;

	if (limit != LIMIT_NONE && quota_take(QUOTA_REFUSALS, client) > 0) {
		limit_drop(fd, client);
		return;
	}
	c = conn_new(fd, client);
	if (c == NULL) {
		if (counted)
			quota_leave(client);
		close(fd);
		return;
	}
	c->counted = counted;
	if (log_wants(LOG_LEVEL_CONNECT))
		log_line(LOG_LEVEL_CONNECT, "Connect (file descriptor %d): %s",
		    fd, addr_text(client, text));
	if (limit != LIMIT_NONE)
		limit_refuse(c);
	else
		client_obey(c, client_verdict(c));
}

/* Takes a client that was accepted; the descriptor is the connection's. */
void
client_accepted(int fd, const struct sockaddr_storage *from)
{
	struct addr client;

	addr_from_sockaddr(&client, from);
	client_options(fd);
	client_begin(fd, &client);
}
