/* SPDX-License-Identifier: ISC */
/*
 * What Frama-C's value analysis begins with: each function here gives one of
 * adit's every input of up to N bytes.  tests/prove/values runs it.
 */
#define _POSIX_C_SOURCE 200809L

#include <string.h>

#include "__fc_builtin.h"

#include "acl.h"
#include "addr.h"
#include "bounds.h"
#include "flight.h"
#include "hello.h"
#include "http.h"
#include "list.h"
#include "parse.h"
#include "preface.h"
#include "who.h"

static char text[N];
static volatile int more;

/* Any bytes; returns how many of them there are. */
static size_t
bytes(void)
{
	Frama_C_make_unknown(text, N);
	return Frama_C_size_t_interval(0, N);
}

void
try_addr(void)
{
	size_t len = Frama_C_size_t_interval(0, N - 1);
	struct addr a;

	for (size_t i = 0; i < len; i++)
		text[i] = Frama_C_char_interval(1, 127);
	text[len] = '\0';
	/*@ split len; */
	addr_parse(&a, text);
}

void
try_net(void)
{
	unsigned char net[16], block[16];
	unsigned bits = Frama_C_unsigned_int_interval(0, 128);
	struct addr a;

	/*@ split bits; */
	Frama_C_make_unknown((char *)net, sizeof(net));
	Frama_C_make_unknown((char *)block, sizeof(block));
	Frama_C_make_unknown((char *)&a, sizeof(a));
	addr_mask(net, bits);
	addr_in_net(&a, block, bits);
}

static bool
any(void)
{
	return Frama_C_interval(0, 1) != 0;
}

bool
list_has_addr(const struct list *list, const struct addr *a)
{
	(void)list;
	(void)a;
	return any();
}

/* A configuration with up to N rules of each kind, and any client and target. */
void
try_acl(void)
{
	static struct rule rules[N];
	static struct user users[N];
	static char passwords[N][CREDENTIAL_SIZE];
	static struct acl acl;
	char name[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE];
	struct addr client, target;
	struct target_rule rule = { .allow = true };
	struct asker asker = { .client = &client };
	struct block block;
	size_t at = 0;

	Frama_C_make_unknown((char *)&client, sizeof(client));
	Frama_C_make_unknown((char *)&target, sizeof(target));
	Frama_C_make_unknown((char *)acl.ports, sizeof(acl.ports));
	Frama_C_make_unknown(name, sizeof(name));
	Frama_C_make_unknown(password, sizeof(password));
	acl.has_ports = any();
	acl.distrust_loopback = any();
	for (size_t i = 0; i < N; i++) {
		rules[i].allow = any();
		rules[i].kind =
		    (enum rule_kind)Frama_C_interval(0, RULE_SOCKET);
		rules[i].bits = Frama_C_unsigned_int_interval(0, 128);
		rules[i].socket = Frama_C_unsigned_short_interval(0, 65535);
		Frama_C_make_unknown(
		    (char *)rules[i].net.ip, sizeof(rules[i].net.ip));
		Frama_C_make_unknown(users[i].name, sizeof(users[i].name));
		Frama_C_make_unknown(passwords[i], CREDENTIAL_SIZE);
		users[i].password = passwords[i];
	}
	acl.rules = rules;
	acl.nrules = Frama_C_size_t_interval(0, N);
	acl.users = users;
	acl.nusers = Frama_C_size_t_interval(0, N);
	while (more) {
		Frama_C_make_unknown((char *)block.net, sizeof(block.net));
		block.bits = Frama_C_unsigned_int_interval(0, 128);
		acl_nat64_add(&acl, &block);
	}
	asker.named = any();
	rule.kind = (enum rule_kind)Frama_C_interval(0, RULE_LIST);
	rule.bits = Frama_C_unsigned_int_interval(0, 128);
	rule.wholesale = any();
	rule.report = any();
	Frama_C_make_unknown((char *)rule.net, sizeof(rule.net));
	acl_client(&acl, &client, &at);
	acl_port(&acl, Frama_C_unsigned_short_interval(0, 65535));
	acl_floor(&acl, &target, &asker, any() ? &rule : NULL);
	acl_is_loopback(&target, Frama_C_unsigned_int_interval(0, 128));
	acl_user(&acl, name, password);
	acl_answer(&rules[0], any(), any());
}

void
try_block(void)
{
	struct block block;

	Frama_C_make_unknown(text, N);
	text[N - 1] = '\0';
	addr_parse_block(&block, text);
}

void
try_lists(void)
{
	http_lists(text, bytes(), "close", 5);
}

void
try_body(void)
{
	struct body b;
	struct body_part part;

	body_begin(&b, Frama_C_interval(0, 2),
	    Frama_C_unsigned_long_long_interval(0, 0xffffffffffffffffu),
	    Frama_C_unsigned_int_interval(0, 3));
	while (more)
		if (body_take(&b, text, bytes(), &part) < 0 || b.done)
			return;
}

void
try_basic(void)
{
	char user[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE];

	parse_basic(text, bytes(), user, password);
}

void
try_authority(void)
{
	struct request req;

	memset(&req, 0, sizeof(req));
	parse_authority(&req, text, bytes());
}

void
try_hello(void)
{
	struct hello h;

	hello_parse(&h, (unsigned char *)text, bytes());
}

void
try_flight(void)
{
	struct flight up = { .nheader = 0 }, down = { .nheader = 0 };
	enum flight_event event = FLIGHT_MORE;

	while (more && event != FLIGHT_BAD) {
		flight_client(&up, (unsigned char *)text, bytes(), &event);
		up.held = event == FLIGHT_HELLO ? 0 : up.held;
	}
	while (more)
		if (flight_server(&down, (unsigned char *)text, bytes()) !=
		    FLIGHT_MORE)
			return;
}

void
try_preface(void)
{
	struct preface p;

	preface_parse(&p, text, bytes());
}

/* The whole head of a request, in any pieces. */
void
try_head(void)
{
	struct request req;
	size_t len = 0;

	memset(&req, 0, sizeof(req));
	req.takes_paths = Frama_C_interval(0, 1);
	Frama_C_make_unknown(text, N);
	do
		len = Frama_C_size_t_interval(len, N);
	while (parse_head(&req, text, len) == PARSE_MORE && more);
}

/* The head of an answer, in any pieces. */
void
try_answer(void)
{
	struct http_answer a;
	size_t len = 0;

	memset(&a, 0, sizeof(a));
	Frama_C_make_unknown(text, N);
	do
		len = Frama_C_size_t_interval(len, N);
	while (http_answer(&a, text, len) == PARSE_MORE && more);
}
