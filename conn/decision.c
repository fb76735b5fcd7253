/* SPDX-License-Identifier: ISC */
/*
 * The decisions on a request, shared by the workers and by -t, which explains
 * them.  A decision looks up no name and writes nothing.  It returns the
 * refusal and stores the reason; the caller acts on it.
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

/* Judges a name alone: one that is denied already need not be looked up. */
static enum refusal
name_decide(struct decision *d)
{
	const struct request *req = d->request;

	d->rule = NULL;
	d->verdict = ACL_ASK;
	if (req->literal)
		return REFUSE_NOTHING;
	d->asker.plain = req->plain;
	d->verdict = target_name(
	    &d->conf->acl.targets, req->host, req->port, &d->asker, &d->rule);
	return d->verdict == ACL_DENY ? REFUSE_TARGET : REFUSE_NOTHING;
}

/*
 * Makes one of the decisions from CHECK_MAPPING to CHECK_NAME.  Returns
 * REFUSE_NOTHING: the next check follows; or the answer of this proxy.
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
 * Decides, for CHECK_PARENT, whether a name may be sent to a parent.  The
 * parent looks it up, so its addresses cannot be judged here.  If this refuses
 * and verdict is ACL_ALLOW, a floor has refused it.
 */
enum refusal
decision_parent(struct decision *d)
{
	const struct request *req = d->request;

	d->rule = NULL;
	d->asker.plain = req->plain;
	d->verdict = target_unresolved(
	    &d->conf->acl.targets, req->host, req->port, &d->asker, &d->rule);
	if (d->verdict != ACL_ALLOW)
		return REFUSE_TARGET;
	return acl_name(&d->conf->acl, req->host, d->asker.client)
	    ? REFUSE_NOTHING
	    : REFUSE_TARGET;
}

/* Whether the rules for targets alone allow what was decided on. */
static bool
rule_allows(const struct decision *d)
{
	return d->rule != NULL ? d->rule->allow
			       : !d->conf->acl.targets.has_allow;
}

/*
 * Decides, for CHECK_ADDRESS, whether this request may be connected to an
 * address and port.
 */
enum refusal
decision_address(struct decision *d, const struct addr *addr)
{
	const struct request *req = d->request;
	bool allowed;

	d->asker.plain = req->plain;
	allowed = acl_target(&d->conf->acl, req->literal ? NULL : req->host,
	    addr, &d->asker, &d->rule);

	d->own = allowed && self_socket(addr);
	d->floor = !allowed && rule_allows(d)
	    ? acl_floor(&d->conf->acl, addr, &d->asker, d->rule)
	    : NULL;
	return allowed && !d->own ? REFUSE_NOTHING : REFUSE_ADDRESS;
}
