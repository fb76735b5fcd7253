/* SPDX-License-Identifier: ISC */
/*
 * Who is served: a client from the moment when it is accepted until its
 * request is read, by the limits for its address and the rules for clients.
 * Nothing that a client sends is looked at here.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <netinet/in.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "acl.h"
#include "addr.h"
#include "args.h"
#include "ask.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "log.h"
#include "namecache.h"
#include "question.h"
#include "quota.h"
#include "refusal.h"
#include "relay.h"
#include "rule.h"
#include "socket.h"
#include "stats.h"
#include "steps.h"
#include "sys.h"
#include "tunnel.h"

enum { LEAVE_TIME = 200 /* ms for a tunnel after an early end of file */ };

/* The limits for one client address. */
enum limit { LIMIT_CLIENTS, LIMIT_RATE, LIMITS, LIMIT_NONE = LIMITS };

static const struct conf *conf;
static struct log_rate complaints[LIMITS];

/* To be called once, before the first client is accepted. */
void
client_init(const struct worker_args *args)
{
	conf = args->conf;
}

/* The rules. */

static enum conn_state
client_admit(struct conn *c)
{
	c->setup->deaf = false;
	c->setup->left_at = 0;
	return CONN_REQUEST;
}

/* Refuses a client because of the rule that is next, or as none matches. */
enum conn_state
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
	return conn_refuse(c, REFUSE_CLIENT);
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
static enum conn_state
client_obey(struct conn *c, enum verdict verdict)
{
	switch (verdict) {
	case ACL_ALLOW:
		return client_admit(c);
	case ACL_DENY:
		return client_deny(c);
	case ACL_ASK:
		ask_question(
		    c, QUESTION_CLIENT, conf->acl.rules[c->setup->rule].name);
	}
	return CONN_RULE;
}

/* Takes the answer whether the client has the name that a rule asks for. */
enum conn_state
client_answered(struct conn *c, const struct answer *answer)
{
	const struct rule *rule = &conf->acl.rules[c->setup->rule];
	enum verdict verdict;

	if (!answer->matches && ask_on(c))
		return CONN_RULE;
	verdict = acl_answer(rule, answer->matches, answer->error != 0);
	if (verdict == ACL_ASK) {
		c->setup->rule++;
		verdict = client_verdict(c);
	}
	return client_obey(c, verdict);
}

/*
 * Something came from a client that nothing is read from yet: what it says is
 * the tunnel's.  A client that is reset has left.  An end of file may mean
 * that too; or that the client has said all it has to say, with early data or
 * without any, and waits for an answer.  Without any it is given only a
 * moment, in which the tunnel of a server that is there will stand.
 */
enum conn_state
client_early(struct conn *c, short revents)
{
	bool gone = (revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
	ssize_t n = 1;
	char byte;

	if ((revents & POLLIN) && !c->setup->deaf)
		n = recv(c->tunnel.end[CLIENT].fd, &byte, 1, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return c->state;
	if (gone || n < 0)
		return conn_end(c, END_CLIENT_LEFT);
	c->setup->deaf = true;
	if (n == 0 && !relay_holds(&c->tunnel, CLIENT) && c->exchange == NULL)
		c->setup->left_at = clock_now() + LEAVE_TIME;
	return c->state;
}

/* The limits for one client address. */

/* Says that a client is over a limit; for each limit, a rare line. */
static void
complain_of_host(enum limit limit, const struct addr *addr)
{
	struct log_rate *rate = &complaints[limit];
	char client[ADDR_TEXT_SIZE];

	addr_text(addr, client);
	if (limit == LIMIT_CLIENTS)
		log_rarely(rate, LOG_LEVEL_WARNING,
		    "Too many connections from \"%s\": MaxClientsPerHost is "
		    "%u.",
		    client, conf->max_clients_per_host);
	else
		log_rarely(rate, LOG_LEVEL_WARNING,
		    "Too many new connections from \"%s\": MaxRatePerHost is "
		    "%u.",
		    client, conf->max_rate_per_host);
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
		.reason = refusal_row(REFUSE_LIMIT)->type };

	stats_count(refusal_row(REFUSE_LIMIT)->tally);
	log_access(&record);
	close(fd);
}

/*
 * Answers a client that is over a limit.  One that the rules deny whatever its
 * name is hears of that; nobody is looked up for it.
 */
static enum conn_state
limit_refuse(struct conn *c)
{
	size_t rule = 0;

	if (acl_client(&conf->acl, &c->client, &rule) == ACL_DENY)
		return client_deny(c);
	return conn_refuse(c, REFUSE_LIMIT);
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
 * Takes a client that was accepted.  The limits come first, since they make a
 * flood cheap; of the clients above them, most get no answer, so that they
 * take no place.  Returns the connection, which owns the descriptor, for
 * client_begin(); or NULL: the client is gone.
 */
struct conn *
client_accepted(int fd, const struct sockaddr_storage *from)
{
	char text[ADDR_TEXT_SIZE];
	struct addr client;
	enum limit limit;
	struct conn *c;
	bool counted;

	addr_from_sockaddr(&client, from);
	client_options(fd);
	limit = limit_check(&client, &counted);
	if (limit != LIMIT_NONE && quota_take(QUOTA_REFUSALS, &client) > 0) {
		limit_drop(fd, &client);
		return NULL;
	}
	c = conn_new(fd, &client);
	if (c == NULL) {
		if (counted)
			quota_leave(&client);
		close(fd);
		return NULL;
	}
	c->counted = counted;
	c->setup->limited = limit != LIMIT_NONE;
	if (log_wants(LOG_LEVEL_CONNECT))
		log_line(LOG_LEVEL_CONNECT, "Connect (file descriptor %d): %s",
		    fd, addr_text(&client, text));
	return c;
}

/* The first step of a connection, in CONN_RULE: whether it is served. */
enum conn_state
client_begin(struct conn *c)
{
	if (c->setup->limited)
		return limit_refuse(c);
	return client_obey(c, client_verdict(c));
}
