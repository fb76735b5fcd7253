/* SPDX-License-Identifier: ISC */
/*
 * The channels between the workers and the desks, and the bells between the
 * workers.  Each worker process has channels of its own.  A desk knows by the
 * channel who asks.  A worker cannot spoil the channels of others.  If a desk
 * dies, the next one gets its ends of the channels from the master.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>

#include "baton.h"
#include "bounds.h"
#include "links.h"
#include "question.h"
#include "share.h"
#include "socket.h"
#include "sys.h"

/* Nothing is open yet. */
void
links_init(struct links *links, struct share *share)
{
	for (size_t desk = 0; desk < HELPER_KINDS; desk++) {
		for (size_t i = 0; i < WORKERS_MAX; i++)
			links->channels[desk][i] = -1;
		links->fresh[desk] = -1;
	}
	links->ndesks = 0;
	baton_init(&links->baton, share);
}

/* Closes the ends of one desk. */
static void
channels_close(struct links *links, size_t desk)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		socket_close(&links->channels[desk][i]);
}

/*
 * Opens new channels for a worker that is about to be started, in place of its
 * predecessor's.  Returns 0, or -1 with errno; then links_given() closes what
 * was opened.
 */
int
links_renew(struct links *links, size_t worker)
{
	int pair[2];

	for (size_t desk = 0; desk < links->ndesks; desk++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
			return -1;
		sys_refuse_descriptors(pair[0]);
		socket_close(&links->channels[desk][worker]);
		links->channels[desk][worker] = pair[0];
		links->fresh[desk] = pair[1];
	}
	return 0;
}

/* In the master: the worker has its ends now. */
void
links_given(struct links *links)
{
	for (size_t desk = 0; desk < HELPER_KINDS; desk++)
		socket_close(&links->fresh[desk]);
}

/* In a worker: closes what others use. */
void
links_keep_worker(struct links *links, uint32_t worker)
{
	for (size_t desk = 0; desk < HELPER_KINDS; desk++)
		channels_close(links, desk);
	baton_keep(&links->baton, worker);
}

/* In a desk: closes what the workers and the other one use. */
void
links_keep_desk(struct links *links, enum helper_kind kind)
{
	for (size_t desk = 0; desk < HELPER_KINDS; desk++)
		if (desk != (size_t)kind)
			channels_close(links, desk);
	baton_close(&links->baton);
}

/* In the control process: closes all but the bells. */
void
links_keep_control(struct links *links)
{
	for (size_t desk = 0; desk < HELPER_KINDS; desk++)
		channels_close(links, desk);
	links_given(links);
}

/* Closes all that is open here. */
void
links_close(struct links *links)
{
	links_keep_control(links);
	baton_close(&links->baton);
}
