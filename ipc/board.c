/* SPDX-License-Identifier: ISC */
/*
 * The board: memory in which the master shows what it knows of its children,
 * and that the control process reads without a lock.  Workers and the desk do
 * not have it, so none of them can write there.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "board.h"
#include "sys.h"

enum { READS_MAX = 1000 /* tries to read what is being written */ };

_Static_assert(offsetof(struct board, next) % SHARE_PAGE == 0,
    "what is protected ends with a page");

static int memory = -1; /* descriptor of the board, or -1 */

/* Returns an empty board, or NULL with errno. */
struct board *
board_new(void)
{
	memory = sys_memory(sizeof(struct board));
	if (memory < 0)
		return sys_share(sizeof(struct board));
	return sys_share_map(memory, sizeof(struct board));
}

/* Begins to write.  Returns what may be changed until board_end(). */
struct board_view *
board_begin(struct board *board)
{
	atomic_fetch_add(&board->version, 1);
	return &board->view;
}

void
board_end(struct board *board)
{
	atomic_fetch_add(&board->version, 1);
}

/*
 * Copies what is shown.  Returns 0, or -1: it was being written all the time,
 * as when the master was stopped in the middle; the copy may be inconsistent.
 */
int
board_read(const struct board *board, struct board_view *view)
{
	for (int i = 0; i < READS_MAX; i++) {
		unsigned before = atomic_load(&board->version);

		*view = board->view;
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 && atomic_load(&board->version) == before)
			return 0;
	}
	return -1;
}

/* Lets this process forget by which descriptor the board was mapped. */
static void
memory_close(void)
{
	if (memory >= 0)
		close(memory);
	memory = -1;
}

/*
 * In a control process: from now on it can write the history alone.  Returns 0,
 * or -1 with errno.
 */
int
board_keep(struct board *board)
{
	int kept =
	    sys_share_protect(memory, board, 0, offsetof(struct board, next));

	memory_close();
	return kept;
}

/* Takes the board out of a process that must not have it. */
void
board_unmap(struct board *board)
{
	memory_close();
	sys_unshare(board, sizeof(*board));
}
