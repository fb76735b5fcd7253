/* SPDX-License-Identifier: ISC */
/*
 * The decisions on a request, in the one order in which a worker makes them and
 * -t explains them.  A decision looks no name up, writes nothing, and says
 * which refusal follows and by what; what is done about it is the caller's.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>

#include "acl.h"
#include "addr.h"
#include "conf.h"
#include "decision.h"
#include "filter.h"
#include "parse.h"
#include "refusal.h"
#include "reverse.h"
#include "rewrite.h"
#include "rule.h"
#include "self.h"
#include "stats.h"
#include "target.h"

static enum refusal
mapping_decide(struct decision *d)
{
	enum refusal refusal;

	d->why =
	    reverse_refuses(&d->conf->reverse, d->request, d->target, &refusal);
	if (d->why != NULL)
		return refusal;
	return d->request->origin ? REFUSE_REDIRECTED : REFUSE_NOTHING;
}

static enum refusal
filter_decide(struct decision *d)
{
	static char text[URL_SIZE];

	d->filtered = text;
	return filter_refuses(
		   &d->conf->filter, d->request, d->head, text, &d->line)
	    ? REFUSE_FILTERED
	    : REFUSE_NOTHING;
}

/* A name that is denied whatever its addresses are is not looked up. */
static enum refusal
name_decide(struct decision *d)
{
	const struct request *req = d->request;

	d->rule = NULL;
	d->verdict = ACL_ASK;
	if (req->literal)
		return REFUSE_NOTHING;
	d->verdict = target_name(
	    &d->conf->acl.targets, req->host, req->port, &d->asker, &d->rule);
	return d->verdict == ACL_DENY ? REFUSE_TARGET : REFUSE_NOTHING;
}

/*
 * Makes one of the decisions from CHECK_MAPPING to CHECK_NAME.  Returns
 * REFUSE_NOTHING: the next one is made; or what the answer is.
 */
enum refusal
decision_make(struct decision *d, enum check check)
{
	const struct request *req = d->request;

	switch (check) {
	case CHECK_MAPPING:
		return mapping_decide(d);
	case CHECK_STATISTICS:
		return stats_asked(&d->conf->stat_host, req) ? REFUSE_STATISTICS
							     : REFUSE_NOTHING;
	case CHECK_PORT:
		return req->plain || acl_port(&d->conf->acl, req->port)
		    ? REFUSE_NOTHING
		    : REFUSE_PORT;
	case CHECK_FILTER:
		return filter_decide(d);
	case CHECK_HOPS:
		d->here = req->plain && rewrite_ends_here(req, d->head);
		return REFUSE_NOTHING;
	case CHECK_NAME:
		return name_decide(d);
	case CHECK_CLIENT:
	case CHECK_HEAD:
	case CHECK_LOOP:
	case CHECK_USER:
	case CHECK_PARENT:
	case CHECK_ADDRESS:
	case CHECKS:
		break;
	}
	return REFUSE_NOTHING;
}

/*
 * Decides, for CHECK_PARENT, whether a name may be asked of a parent, which
 * looks it up: its addresses cannot be judged here.  A refusal with a rule that
 * allows it, or without any, is that of the floor.
 */
enum refusal
decision_parent(struct decision *d)
{
	const struct request *req = d->request;

	d->rule = NULL;
	d->verdict = target_unresolved(
	    &d->conf->acl.targets, req->host, req->port, &d->asker, &d->rule);
	if (d->verdict != ACL_ALLOW)
		return REFUSE_TARGET;
	return acl_name(req->host, d->asker.client) ? REFUSE_NOTHING
						    : REFUSE_TARGET;
}

/*
 * Decides, for CHECK_ADDRESS, whether an address, with its port, may be
 * connected to for this request.
 */
enum refusal
decision_address(struct decision *d, const struct addr *addr)
{
	const struct request *req = d->request;
	bool allowed = acl_target(&d->conf->acl,
	    req->literal ? NULL : req->host, addr, &d->asker, &d->rule);

	d->own = allowed && self_socket(addr);
	return allowed && !d->own ? REFUSE_NOTHING : REFUSE_ADDRESS;
}
