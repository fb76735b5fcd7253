/* SPDX-License-Identifier: ISC */
/* LINK: ipc/share.c base/program.c base/sys.c */
/*
 * Runs children that write to the memory which all processes share, and must
 * not be able to write what is not theirs.
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "../proxy.h"
#include "must.h"

enum { MINE = 3, OTHER = 4, PAGE = 4096 };

static struct share *share;

/*
 * Whether a child that has kept one slot can write somewhere, even after it has
 * asked for the right to do so.
 */
static bool
can_write(size_t slot, atomic_uint *where)
{
	uintptr_t page = (uintptr_t)where & ~(uintptr_t)(PAGE - 1);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		if (share_keep(share, slot) != 0)
			_exit(1);
#ifdef __linux__
		mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
#endif
		atomic_store(where, 7);
		_exit(0);
	}
	(void)page;
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "a child");
	must(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "it keeps a slot");
	return WIFEXITED(status);
}

int
main(void)
{
	share = share_new();
	must(share != NULL, "memory");
	must(can_write(MINE, &share->slots[MINE].clients), "one's own slot");
	must(can_write(MINE, &share->common.turns[OTHER].baton), "the baton");
	must(!can_write(MINE, &share->slots[OTHER].clients), "no other slot");
	must(!can_write(MINE, &share->slots[MINE - 1].state),
	    "nor the one before");
	must(!can_write(MINE, &share->phase), "nor what the master says");
	must(!can_write(SLOTS_MAX, &share->slots[0].clients),
	    "nor any with none");
	must(!can_write(SLOTS_MAX, &share->common.turns[0].baton),
	    "nor a baton");
	must(atomic_load(&share->slots[MINE].clients) == 7 &&
		atomic_load(&share->slots[OTHER].clients) == 0,
	    "what is written is seen, and no more");
	atomic_store(&share->nslots, MINE + 1);
	must(share_clients(share) == 0,
	    "no more clients count than there may be");
	atomic_store(&share->places[MINE], 5);
	must(share_clients(share) == 5, "so many count");
	return 0;
}
