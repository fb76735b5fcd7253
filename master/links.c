/* SPDX-License-Identifier: ISC */
/*
 * The channels between the workers and the desk, and the bells between the
 * workers.  Each worker process has a channel of its own: the desk knows by it
 * who asks, and what a worker has done to its channel harms no other.  The master
 * keeps the desk's ends, for a desk that takes the place of one that has died.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>

#include "baton.h"
#include "bounds.h"
#include "links.h"
#include "share.h"
#include "socket.h"
#include "sys.h"

/* Nothing is open yet. */
void
links_init(struct links *links, struct share *share)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		links->channels[i] = -1;
	links->fresh = -1;
	baton_init(&links->baton, share);
}

/*
 * Opens a new channel for a worker that is about to be started, in place of
 * its predecessor's.  Returns 0, or -1 with errno.
 */
int
links_renew(struct links *links, size_t worker)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		return -1;
	sys_refuse_descriptors(pair[0]);
	socket_close(&links->channels[worker]);
	links->channels[worker] = pair[0];
	links->fresh = pair[1];
	return 0;
}

/* In the master: the worker has its end now. */
void
links_given(struct links *links)
{
	socket_close(&links->fresh);
}

/* In a worker: closes what others use. */
void
links_keep_worker(struct links *links, uint32_t worker)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		socket_close(&links->channels[i]);
	baton_keep(&links->baton, worker);
}

/* In the desk: closes what the workers use. */
void
links_keep_desk(struct links *links)
{
	baton_close(&links->baton);
}

/* In the control process: closes all but the bells. */
void
links_keep_control(struct links *links)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		socket_close(&links->channels[i]);
	socket_close(&links->fresh);
}

/* Closes all that is open here. */
void
links_close(struct links *links)
{
	links_keep_control(links);
	baton_close(&links->baton);
}
