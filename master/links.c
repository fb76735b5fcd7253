/* SPDX-License-Identifier: ISC */
/*
 * The sockets between the workers and the desk, and the bells between the
 * workers.  The master opens all of them before it forks the first child, and
 * each child keeps the ends that are its own.
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

/* Nothing is open yet. */
void
links_init(struct links *links, struct share *share)
{
	for (int queue = 0; queue < QUEUES; queue++)
		links->queues[queue][0] = links->queues[queue][1] = -1;
	for (size_t i = 0; i < WORKERS_MAX; i++)
		links->answers[i][0] = links->answers[i][1] = -1;
	baton_init(&links->baton, share);
}

/* Opens the sockets for questions.  Returns 0, or -1 with errno. */
int
links_open(struct links *links)
{
	for (int queue = 0; queue < QUEUES; queue++)
		if (socketpair(
			AF_UNIX, SOCK_SEQPACKET, 0, links->queues[queue]) != 0)
			return -1;
	return 0;
}

/*
 * Adds the next worker, with its slot in the share.  Returns 0, or -1 with
 * errno.
 */
int
links_add(struct links *links, size_t slot)
{
	size_t worker = links->baton.nworkers;

	if (baton_add(&links->baton, slot) != 0)
		return -1;
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, links->answers[worker]);
}

/* In a worker: closes what others use. */
void
links_keep_worker(struct links *links, uint32_t worker)
{
	for (int queue = 0; queue < QUEUES; queue++)
		socket_close(&links->queues[queue][1]);
	for (size_t i = 0; i < links->baton.nworkers; i++) {
		socket_close(&links->answers[i][0]);
		if (i != worker)
			socket_close(&links->answers[i][1]);
	}
	baton_keep(&links->baton, worker);
}

/* In the desk: closes what the workers use. */
void
links_keep_desk(struct links *links)
{
	for (int queue = 0; queue < QUEUES; queue++)
		socket_close(&links->queues[queue][0]);
	for (size_t i = 0; i < links->baton.nworkers; i++)
		socket_close(&links->answers[i][1]);
	baton_close(&links->baton);
}

/* In the control process: closes all but the bells. */
void
links_keep_control(struct links *links)
{
	for (int queue = 0; queue < QUEUES; queue++) {
		socket_close(&links->queues[queue][0]);
		socket_close(&links->queues[queue][1]);
	}
	for (size_t i = 0; i < links->baton.nworkers; i++) {
		socket_close(&links->answers[i][0]);
		socket_close(&links->answers[i][1]);
	}
}

/* Closes all that is open here. */
void
links_close(struct links *links)
{
	links_keep_control(links);
	baton_close(&links->baton);
}
