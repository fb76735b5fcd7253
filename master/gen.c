/* SPDX-License-Identifier: ISC */
/*
 * A generation: one configuration, the sockets it listens on, and the workers
 * and the desk that serve it.  A reload starts a new one and drains the old.
 * This is the master's side; it forks, counts and restarts children, and
 * never reads a byte that a client sent.
 */
#define _XOPEN_SOURCE 700

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "baton.h"
#include "bounds.h"
#include "conf.h"
#include "desk.h"
#include "gen.h"
#include "log.h"
#include "login.h"
#include "orders.h"
#include "pipe.h"
#include "program.h"
#include "question.h"
#include "quota.h"
#include "service.h"
#include "share.h"
#include "socket.h"
#include "sys.h"
#include "worker.h"

enum {
	QUESTIONS_MIN = 128,       /* of a worker in a queue at once */
	QUESTIONS_MAX = 256,       /* and of all, if that leaves so many */
	OWN_DESCRIPTORS = 32,      /* of a worker, besides its sockets */
	OWN_BELLS = 8,             /* among these; more workers need more */
	DESCRIPTORS_MAX = 1 << 18, /* of one process that are made use of */
	DELAY_MIN = 100,           /* ms: restarts slow down from here */
	DELAY_MAX = 4000,          /* ms: to here */
	PATIENCE = 5000,           /* ms for a worker that does not obey */
	GOOD_LIFE = 10000,         /* ms: who lived so long did not crash */
	LOOK_TIME = 1000,          /* ms between looks at who waits */
	LOOK_IDLE = 5000,          /* ms while there are no clients */
	LOOK_AGAIN = 100           /* ms to a second look */
};

static struct share *share;
static struct gen *gens; /* all there are */
static int *private[4];  /* descriptors that no child may have */
static size_t nprivate;

/* How many descriptors one process may have, as far as it matters. */
static size_t
descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	return limit.rlim_cur < DESCRIPTORS_MAX ? (size_t)limit.rlim_cur
						: DESCRIPTORS_MAX;
}

/* How many pipes a worker may have: with two ends each a small part of all. */
static size_t
pipes_per_worker(void)
{
	size_t n = descriptor_limit() / 64;

	return n < PIPES_MAX ? n : PIPES_MAX;
}

/* How many connections the descriptors of one worker allow. */
static size_t
conns_per_worker(size_t nlisteners, size_t nworkers)
{
	size_t own = OWN_DESCRIPTORS + nlisteners + 2 * pipes_per_worker();
	size_t limit = descriptor_limit();

	if (nworkers > OWN_BELLS)
		own += nworkers - OWN_BELLS;
	return limit > own + 2 ? (limit - own) / 2 : 1;
}

/*
 * One per processor, or as many as MaxClients needs.  Each more has a bell
 * that takes a descriptor of all the others.
 */
static size_t
workers_wanted(const struct conf *conf, size_t nlisteners)
{
	size_t n = conf->workers, most;

	if (n == 0)
		n = sys_processors();
	if (n > WORKERS_MAX)
		n = WORKERS_MAX;
	most = n * conns_per_worker(nlisteners, n);
	if (conf->workers == 0)
		for (size_t i = n; i <= WORKERS_MAX; i++) {
			size_t serves = i * conns_per_worker(nlisteners, i);

			if (most >= conf->max_clients)
				break;
			if (serves > most) {
				n = i;
				most = serves;
			}
		}
	if (most < conf->max_clients)
		log_line(LOG_LEVEL_WARNING,
		    "MaxClients %u is more than %zu workers can serve with "
		    "their descriptors: they serve %zu",
		    conf->max_clients, n, most);
	return n;
}

static bool
is_desk(const struct gen *gen, const struct child *child)
{
	return (size_t)(child - gen->children) >= gen->nworkers;
}

static void
pair_init(int pair[2])
{
	pair[0] = pair[1] = -1;
}

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * A generation without sockets or children yet.  Takes the configuration
 * over, and the share for good.  Returns NULL with errno ENOMEM.
 */
struct gen *
gen_new(struct conf *conf, struct share *shared)
{
	struct gen *gen = calloc(1, sizeof(*gen));

	if (gen == NULL)
		return NULL;
	share = shared;
	gen->conf = conf;
	gen->logs = (struct logs){ -1, -1, false, LOG_LEVEL_INFO, false };
	for (int queue = 0; queue < QUEUES; queue++)
		pair_init(gen->queues[queue]);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		pair_init(gen->answers[i]);
	baton_init(&gen->baton, share);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		gen->children[i] = (struct child){
			.pid = -1, .control = -1, .slot = SLOTS_MAX
		};
	gen->next = gens;
	gens = gen;
	return gen;
}

/* Closes what a generation listens, asks, answers and rings by. */
static void
sockets_close(struct gen *gen)
{
	for (size_t i = 0; i < gen->nlisteners; i++)
		fd_close(&gen->listeners[i]);
	for (int queue = 0; queue < QUEUES; queue++) {
		fd_close(&gen->queues[queue][0]);
		fd_close(&gen->queues[queue][1]);
	}
	for (size_t i = 0; i < gen->nworkers; i++) {
		fd_close(&gen->answers[i][0]);
		fd_close(&gen->answers[i][1]);
	}
	baton_close(&gen->baton);
}

/* Closes and frees a generation whose children are all gone. */
void
gen_free(struct gen *gen)
{
	struct gen **at = &gens;

	while (*at != gen)
		at = &(*at)->next;
	*at = gen->next;
	sockets_close(gen);
	log_close(&gen->logs);
	conf_free(gen->conf);
	free(gen);
}

static int
number_of(const char *name, unsigned long *n)
{
	char *end;

	if (name[strspn(name, "0123456789")] != '\0')
		return -1;
	errno = 0;
	*n = strtoul(name, &end, 10);
	return errno != 0 || *n > INT32_MAX ? -1 : 0;
}

static int
group_find(const char *name, gid_t *gid)
{
	const struct group *gr = getgrnam(name);
	unsigned long n;

	if (gr != NULL)
		*gid = gr->gr_gid;
	else if (number_of(name, &n) == 0)
		*gid = (gid_t)n;
	else
		return -1;
	return 0;
}

static int
user_find(const char *name, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(name);
	unsigned long n;

	if (pw == NULL && number_of(name, &n) == 0) {
		pw = getpwuid((uid_t)n);
		*uid = (uid_t)n;
	} else if (pw == NULL) {
		return -1;
	}
	if (pw != NULL) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
	return 0;
}

static bool
is_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode);
}

/*
 * Finds out who the children are to be.  Only root can change that, and must
 * say to whom; without any configuration it is nobody.  Returns 0, or an exit
 * status after an error message in the log.
 */
int
gen_identity(struct gen *gen)
{
	const struct conf *conf = gen->conf;
	const char *user = conf->user, *file = conf->file;

	if (conf->chroot != NULL && !is_directory(conf->chroot)) {
		log_line(LOG_LEVEL_ERROR, "%s: Chroot: %s: %s", file,
		    conf->chroot, strerror(errno));
		return 70;
	}
	if (geteuid() != 0) {
		if (conf->chroot != NULL) {
			log_line(LOG_LEVEL_ERROR,
			    "%s: Chroot: only root can do that", file);
			return 70;
		}
		return 0;
	}
	if (user == NULL && file == NULL)
		user = "nobody";
	if (user == NULL) {
		log_line(LOG_LEVEL_ERROR,
		    "%s: User: missing; workers do not run as root unless "
		    "the file says User root",
		    file);
		return 70;
	}
	gen->gid = (gid_t)-1;
	if (user_find(user, &gen->uid, &gen->gid) != 0) {
		log_line(LOG_LEVEL_ERROR, "%s: User: there is no user \"%s\"",
		    file != NULL ? file : program, user);
		return 67;
	}
	if (gen->gid == (gid_t)-1 && conf->group == NULL) {
		log_line(LOG_LEVEL_ERROR,
		    "%s: Group: missing; user %s has no group of its own", file,
		    user);
		return 67;
	}
	if (conf->group != NULL && group_find(conf->group, &gen->gid) != 0) {
		log_line(LOG_LEVEL_ERROR, "%s: Group: there is no group \"%s\"",
		    file, conf->group);
		return 67;
	}
	gen->drop = true;
	return 0;
}

/* What a listening socket has, those that it accepts have too. */
static void
listener_options(int fd)
{
	int on = 1;

	socket_linger(fd, false);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	sys_accept_late(fd, true);
}

/* What matters when it is bound. */
static void
bind_options(int fd, bool is4)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!is4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

/* Returns a listening socket, or -1 with errno. */
static int
listener_open(const struct addr *addr, bool beside_old)
{
	struct sockaddr_storage ss;
	const void *sa = &ss;
	socklen_t len = addr_to_sockaddr(addr, &ss);
	int fd = sys_socket(ss.ss_family), error;

	if (fd < 0)
		return -1;
	listener_options(fd);
	bind_options(fd, addr_is4(addr));
	if (beside_old)
		sys_reuseport(fd, true);
	if (bind(fd, sa, len) == 0 && listen(fd, LISTEN_BACKLOG) == 0) {
		sys_reuseport(fd, false);
		return fd;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* The place of an address among those that a generation listens on, or -1. */
static int
listener_find(const struct gen *gen, const struct addr *addr)
{
	for (size_t i = 0; gen != NULL && i < gen->nlisteners; i++)
		if (gen->listening[i].port == addr->port &&
		    gen->listening[i].scope == addr->scope &&
		    addr_same_ip(&gen->listening[i], addr))
			return (int)i;
	return -1;
}

static void
listener_put(struct gen *gen, int fd, const struct addr *addr)
{
	gen->listeners[gen->nlisteners] = fd;
	gen->listening[gen->nlisteners++] = *addr;
}

static int
listener_add(struct gen *gen, struct addr addr, const struct gen *old)
{
	int fd, at;

	at = listener_find(old, &addr);
	if (at >= 0)
		fd = dup(old->listeners[at]);
	else
		fd = listener_open(&addr, old != NULL);
	if (fd < 0)
		return -1;
	listener_put(gen, fd, &addr);
	return 0;
}

/* Takes the sockets that the service manager has handed over. */
static int
listen_given(struct gen *gen)
{
	gen->given = true;
	if (service_sockets() > LISTEN_MAX) {
		log_line(LOG_LEVEL_ERROR,
		    "The service manager hands over more than %d sockets",
		    LISTEN_MAX);
		return -1;
	}
	for (size_t i = 0; i < service_sockets(); i++) {
		struct addr addr;
		int fd = service_socket(i, &addr);

		if (fd < 0)
			return -1;
		listener_options(fd);
		listener_put(gen, fd, &addr);
	}
	return 0;
}

/* Goes on with all sockets of the old generation. */
static int
listen_on(struct gen *gen, const struct gen *old)
{
	gen->given = true;
	for (size_t i = 0; i < old->nlisteners; i++) {
		int fd = dup(old->listeners[i]);

		if (fd < 0) {
			log_line(LOG_LEVEL_ERROR, "Cannot go on listening: %s",
			    strerror(errno));
			return -1;
		}
		listener_put(gen, fd, &old->listening[i]);
	}
	return 0;
}

static void
reuseport_all(const struct gen *gen, bool on)
{
	for (size_t i = 0; gen != NULL && i < gen->nlisteners; i++)
		sys_reuseport(gen->listeners[i], on);
}

static int
listen_each(struct gen *gen, const struct gen *old, const struct addr *addrs,
    size_t n, bool any_family)
{
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < n; i++) {
		struct addr addr = addrs[i];

		if (listener_add(gen, addr, old) == 0)
			continue;
		if (any_family &&
		    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			continue;
		log_line(LOG_LEVEL_ERROR, "Cannot listen on %s: %s",
		    addr_text_port(&addr, text), strerror(errno));
		return -1;
	}
	return gen->nlisteners > 0 ? 0 : -1;
}

/*
 * Opens the listening sockets: those that the old generation has too are
 * shared with it, so that no client falls between.  Those that a service
 * manager has handed over take the place of all others, for good.  Returns 0,
 * or -1 after an error message in the log.
 */
int
gen_listen(struct gen *gen, struct gen *old)
{
	struct addr at[LISTEN_MAX];
	size_t n = conf_addresses(gen->conf, at);
	int result;

	if (old == NULL && service_sockets() > 0)
		return listen_given(gen);
	if (old != NULL && old->given)
		return listen_on(gen, old);
	reuseport_all(old, true);
	result = listen_each(gen, old, at, n, gen->conf->nlisten == 0);
	reuseport_all(old, false);
	return result;
}

/*
 * Names a place of the master's for a descriptor that no child may have; it
 * holds -1 while there is none.
 */
void
gen_private(int *fd)
{
	assert(nprivate < sizeof(private) / sizeof(*private));
	private[nprivate++] = fd;
}

/* In a child: closes what belongs to the master and to other children. */
static void
close_others(const struct gen *own, const struct child *self)
{
	for (size_t i = 0; i < nprivate; i++)
		fd_close(private[i]);
	for (struct gen *gen = gens; gen != NULL; gen = gen->next) {
		for (size_t i = 0; i < gen->nchildren; i++)
			if (&gen->children[i] != self)
				fd_close(&gen->children[i].control);
		if (gen == own)
			continue;
		sockets_close(gen);
		log_close(&gen->logs);
		login_forget(&gen->conf->logins);
	}
}

/* In a child: signals are the master's business. */
static void
ignore_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP,
		SIGUSR1, SIGPIPE };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

/*
 * In a child: ends it with a message, on standard error too, where somebody
 * may be waiting for the outcome of the start.
 */
static _Noreturn void
child_fail(int status, const char *what)
{
	int error = errno;

	log_line(LOG_LEVEL_CRITICAL, "%s: %s", what, strerror(error));
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(error));
	_exit(status);
}

/* In a child: gives up root. */
static void
become_unprivileged(const struct gen *gen, const char *root)
{
	if (root != NULL && sys_chroot(root) != 0)
		child_fail(71, "Chroot");
	if (gen->drop && sys_drop(gen->uid, gen->gid) != 0)
		child_fail(77, "cannot change to User and Group");
}

/*
 * Enough to keep all helpers busy and as many in reserve; and some in any
 * case, so that no worker's names stand behind those that are slow.
 */
static size_t
questions_per_worker(size_t nworkers)
{
	size_t n = QUESTIONS_MAX / nworkers;

	return n < QUESTIONS_MIN ? QUESTIONS_MIN : n;
}

static _Noreturn void
worker_main(struct gen *gen, const struct child *self, int control)
{
	size_t index = (size_t)(self - gen->children);
	struct worker_args args = {
		.conf = gen->conf,
		.share = share,
		.slot = self->slot,
		.baton = &gen->baton,
		.index = (uint32_t)index,
		.master = control,
		.answers = gen->answers[index][1],
		.logs = gen->logs,
		.listeners = gen->listeners,
		.listening = gen->listening,
		.nlisteners = gen->nlisteners,
		.max_conns = gen->max_conns,
		.max_pipes = gen->max_pipes,
		.max_questions = questions_per_worker(gen->nworkers),
	};

	for (int queue = 0; queue < QUEUES; queue++) {
		args.queues[queue] = gen->queues[queue][0];
		fd_close(&gen->queues[queue][1]);
	}
	for (size_t i = 0; i < gen->nworkers; i++) {
		fd_close(&gen->answers[i][0]);
		if (i != index)
			fd_close(&gen->answers[i][1]);
	}
	baton_keep(&gen->baton, (uint32_t)index);
	login_forget(&gen->conf->logins);
	become_unprivileged(gen, gen->conf->chroot);
	worker_run(&args);
}

static _Noreturn void
desk_main(struct gen *gen, int control)
{
	int answers[WORKERS_MAX];
	struct desk_args args = { .master = control,
		.answers = answers,
		.nworkers = gen->nworkers,
		.connect_timeout = gen->conf->connect_timeout,
		.logins = &gen->conf->logins };

	for (size_t i = 0; i < gen->nworkers; i++) {
		answers[i] = gen->answers[i][0];
		fd_close(&gen->answers[i][1]);
	}
	for (int queue = 0; queue < QUEUES; queue++) {
		args.queues[queue] = gen->queues[queue][1];
		fd_close(&gen->queues[queue][0]);
	}
	for (size_t i = 0; i < gen->nlisteners; i++)
		fd_close(&gen->listeners[i]);
	baton_close(&gen->baton);
	log_close(&gen->logs);
	become_unprivileged(gen, NULL);
	log_detach();
	desk_run(&args);
}

/* Forks a child; signals are held back until it ignores them. */
static int
child_start(struct gen *gen, struct child *child, int64_t now)
{
	sigset_t all, before;
	int control[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control) != 0)
		return -1;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child->ready = child->drained = false;
	child->started = now;
	child->restart_at = 0;
	child->control = control[0];
	pid = fork();
	if (pid == 0) {
		close(control[0]);
		child->control = -1;
		log_use(&gen->logs);
		close_others(gen, child);
		ignore_signals();
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (is_desk(gen, child))
			desk_main(gen, control[1]);
		worker_main(gen, child, control[1]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(control[1]);
	if (pid < 0) {
		fd_close(&child->control);
		return -1;
	}
	child->pid = pid;
	return 0;
}

/* A place in the share that no other worker has; SLOTS_MAX: none is left. */
static size_t
slot_take(void)
{
	static bool used[SLOTS_MAX];
	size_t slot;

	memset(used, 0, sizeof(used));
	for (struct gen *gen = gens; gen != NULL; gen = gen->next)
		for (size_t i = 0; i < gen->nworkers; i++)
			if (gen->children[i].slot < SLOTS_MAX)
				used[gen->children[i].slot] = true;
	for (slot = 0; slot < SLOTS_MAX && used[slot]; slot++)
		;
	if (slot < SLOTS_MAX && slot >= atomic_load(&share->nslots))
		atomic_store(&share->nslots, (unsigned)slot + 1);
	return slot;
}

/* What the children have between them, before any of them is forked. */
static int
pairs_open(struct gen *gen)
{
	for (int queue = 0; queue < QUEUES; queue++)
		if (socketpair(
			AF_UNIX, SOCK_SEQPACKET, 0, gen->queues[queue]) != 0)
			return -1;
	for (size_t i = 0; i < gen->nworkers; i++) {
		gen->children[i].slot = slot_take();
		if (gen->children[i].slot == SLOTS_MAX) {
			errno = EAGAIN;
			return -1;
		}
		if (baton_add(&gen->baton, gen->children[i].slot) != 0)
			return -1;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, gen->answers[i]) !=
		    0)
			return -1;
	}
	return 0;
}

/*
 * Starts all children.  Returns 0, or -1 with errno; then gen_stop() ends
 * those that were started.
 */
int
gen_start(struct gen *gen, int64_t now)
{
	gen->nworkers = workers_wanted(gen->conf, gen->nlisteners);
	gen->max_conns = conns_per_worker(gen->nlisteners, gen->nworkers);
	gen->max_pipes = pipes_per_worker();
	gen->nchildren = gen->nworkers + 1;
	if (pairs_open(gen) != 0)
		return -1;
	for (size_t i = 0; i < gen->nchildren; i++)
		if (child_start(gen, &gen->children[i], now) != 0)
			return -1;
	return 0;
}

/*
 * Lets the workers finish what they have, and take nothing new.  Clients that
 * wait at a socket which the successor (or NULL) does not listen on are still
 * served.  Nothing of this generation is started again, so that all its
 * sockets are its children's alone from here on.
 */
void
gen_drain(struct gen *gen, const struct gen *successor, int64_t now)
{
	struct order_message order = { .order = ORDER_DRAIN };

	gen->state = GEN_DRAINING;
	gen->kill_at =
	    now + gen->conf->drain_timeout * INT64_C(1000) + PATIENCE;
	for (size_t i = 0; i < gen->nlisteners; i++)
		if (successor != NULL &&
		    listener_find(successor, &gen->listening[i]) < 0) {
			order.abandoned |= UINT64_C(1) << i;
			sys_reuseport(gen->listeners[i], true);
		}
	sockets_close(gen);
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0)
			sys_send(gen->children[i].control, &order,
			    sizeof(order), NULL, 0);
	for (size_t i = 0; i < gen->nchildren; i++)
		gen->children[i].restart_at = 0;
}

/* Whether a worker is there and has said that it is ready. */
static bool
worker_serves(const struct gen *gen, uint32_t worker)
{
	return worker < gen->nworkers && gen->children[worker].pid > 0 &&
	    gen->children[worker].ready;
}

/* Tells a worker something that takes no more than a word. */
static void
worker_order(const struct gen *gen, uint32_t worker, enum order what)
{
	struct order_message order = { .order = what };

	sys_send(gen->children[worker].control, &order, sizeof(order), NULL, 0);
}

/*
 * Gives the baton to the worker with the fewest clients, but to another than
 * that one (or NOBODY).  Who says that it cannot listen gets it when there is
 * nobody else.  Without any it stays where it is.
 */
static void
listener_choose(const struct gen *gen, uint32_t but)
{
	uint32_t best = NOBODY;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < gen->nworkers; i++) {
		uint64_t load = baton_load(&gen->baton, i);

		if (i == but || !worker_serves(gen, i))
			continue;
		if (baton_state_of(&gen->baton, i) == SLOT_AWAY)
			load += UINT32_MAX;
		if (load >= least)
			continue;
		least = load;
		best = i;
	}
	if (best == NOBODY)
		return;
	baton_give(&gen->baton, best);
	worker_order(gen, best, ORDER_LISTEN);
}

/*
 * Sees to it that somebody listens who can, when a worker has come or gone.
 * One that is just starting in the place of who listened may have seen that
 * the baton is there, and must look again.
 */
static void
listener_ensure(const struct gen *gen)
{
	uint32_t holder = baton_holder(&gen->baton);

	if (gen->state != GEN_LIVE || gen->stopped ||
	    worker_serves(gen, holder))
		return;
	listener_choose(gen, NOBODY);
	if (holder < gen->nworkers && gen->children[holder].pid > 0)
		worker_order(gen, holder, ORDER_LOOK);
}

/*
 * A worker may hang, or somebody has stopped it: it gets no baton until it
 * says again that it is ready, which the order makes it do as soon as it can.
 */
static void
worker_doubt(const struct gen *gen, uint32_t worker)
{
	if (gen->state != GEN_LIVE || gen->stopped)
		return;
	if (worker_serves(gen, worker) &&
	    baton_state(&gen->baton, worker, SLOT_AWAY) != SLOT_AWAY)
		worker_order(gen, worker, ORDER_LOOK);
	if (baton_holder(&gen->baton) == worker)
		listener_choose(gen, worker);
}

/* A worker has died. */
static void
worker_gone(const struct gen *gen, uint32_t worker)
{
	uint32_t holder = baton_holder(&gen->baton);

	baton_forget(&gen->baton, worker);
	quota_forget(gen->children[worker].slot);
	/* It may have passed the baton on and not have rung any more. */
	if (gen->state == GEN_LIVE && worker_serves(gen, holder))
		worker_order(gen, holder, ORDER_LOOK);
	listener_ensure(gen);
}

/* Lets a worker accept clients; from then on they see to that themselves. */
void
gen_accept(struct gen *gen)
{
	listener_choose(gen, NOBODY);
}

/* Whether clients wait at one of the listening sockets. */
static bool
clients_wait(const struct gen *gen)
{
	struct pollfd pfds[LISTEN_MAX];

	for (size_t i = 0; i < gen->nlisteners; i++)
		pfds[i] = (struct pollfd){ .fd = gen->listeners[i],
			.events = POLLIN };
	return poll(pfds, (nfds_t)gen->nlisteners, 0) > 0;
}

static bool
has_clients(const struct gen *gen)
{
	for (uint32_t i = 0; i < gen->nworkers; i++)
		if (baton_load(&gen->baton, i) > 0)
			return true;
	return false;
}

/*
 * Looks whether the one who listens does so.  Who dies or is stopped is told
 * of by a signal; a worker that hangs in a loop or in the hands of a debugger
 * is not, and no other process can see that clients wait without being woken
 * by each of them.  Clients who wait at two looks in a row mean that something
 * may be wrong, or that there is much to do; another worker listens then,
 * which does no harm if it was the latter.  Nothing that a worker says counts
 * for that.
 *
 * Such a look is a system call or two in a second.  A worker hangs in what it
 * does, and does nothing without clients: only a debugger stops one that
 * sleeps.  An idle proxy is therefore left in peace but for a look now and
 * then.
 */
static void
listener_look(struct gen *gen, int64_t now)
{
	bool waiting;

	if (gen->state != GEN_LIVE || gen->stopped || gen->nworkers < 2 ||
	    now < gen->look_at)
		return;
	waiting = clients_wait(gen);
	if (waiting && gen->waiting)
		worker_doubt(gen, baton_holder(&gen->baton));
	gen->look_at = now +
	    (waiting && !gen->waiting  ? LOOK_AGAIN
		    : has_clients(gen) ? LOOK_TIME
				       : LOOK_IDLE);
	gen->waiting = waiting && !gen->waiting;
}

/* Sends all workers the logs to write to from now on. */
void
gen_logs(const struct gen *gen, const struct logs *logs)
{
	struct order_message order = { .order = ORDER_LOGS,
		.log = logs->fd >= 0,
		.access = logs->access >= 0,
		.syslog = logs->syslog,
		.level = logs->level };
	int fds[2];
	size_t n = 0;

	if (order.log)
		fds[n++] = logs->fd;
	if (order.access)
		fds[n++] = logs->access;
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0)
			sys_send(gen->children[i].control, &order,
			    sizeof(order), fds, n);
}

/*
 * Ends all children at once: they see that the master has left them, or are
 * killed.
 */
void
gen_stop(struct gen *gen, bool kill_all)
{
	gen->stopped = true;
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];

		child->restart_at = 0;
		fd_close(&child->control);
		if (child->pid > 0 && kill_all)
			kill(child->pid, SIGKILL);
	}
}

/* Starts again the children whose time has come, and looks for clients. */
void
gen_restart(struct gen *gen, int64_t now)
{
	listener_look(gen, now);
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];

		if (child->restart_at == 0 || child->restart_at > now)
			continue;
		if (child_start(gen, child, now) != 0) {
			log_line(LOG_LEVEL_ERROR, "Cannot start a child: %s",
			    strerror(errno));
			child->restart_at = now + DELAY_MAX;
		}
	}
}

/* When gen_restart() is needed next, or -1. */
int64_t
gen_restart_next(const struct gen *gen)
{
	int64_t next = -1;

	if (gen->state == GEN_LIVE && !gen->stopped && gen->nworkers > 1)
		next = gen->look_at;
	for (size_t i = 0; i < gen->nchildren; i++) {
		int64_t at = gen->children[i].restart_at;

		if (at != 0 && (next < 0 || at < next))
			next = at;
	}
	return next;
}

/* How a process has ended, in words. */
static void
cause_text(char *text, size_t size, int status)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "died from signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(
		    text, size, "exited with status %d", WEXITSTATUS(status));
}

static void
log_death(
    const struct gen *gen, const struct child *child, int status, int64_t now)
{
	char cause[80], name[32] = "Desk", restart[40] = "";

	if (status == 0 && gen->state != GEN_LIVE)
		return;
	cause_text(cause, sizeof(cause), status);
	if (!is_desk(gen, child))
		snprintf(name, sizeof(name), "Worker %zu",
		    (size_t)(child - gen->children));
	if (child->restart_at > now)
		snprintf(restart, sizeof(restart), "; restarting in %d ms",
		    (int)(child->restart_at - now));
	else if (child->restart_at != 0)
		snprintf(restart, sizeof(restart), "; restarting");
	log_line(LOG_LEVEL_ERROR, "%s (pid %ld) %s%s", name, (long)child->pid,
	    cause, restart);
}

/* A helper is the desk's; the next question gets another. */
static void
log_helper_death(const struct note_message *note)
{
	char cause[80];

	cause_text(cause, sizeof(cause), note->status);
	log_line(
	    LOG_LEVEL_ERROR, "Helper (pid %ld) %s", (long)note->pid, cause);
}

/* At once the first time, and slower each time that it dies soon again. */
static void
restart_plan(struct child *child, int64_t now)
{
	int delay = now - child->started >= GOOD_LIFE ? 0 : child->delay;

	child->restart_at = now + delay;
	child->delay = delay == 0   ? DELAY_MIN
	    : 2 * delay < DELAY_MAX ? 2 * delay
				    : DELAY_MAX;
}

/*
 * Takes note of a dead child, if it is one of this generation: whether it is
 * to be started again, and whether the whole start has failed.  One that was
 * stopped lives.
 */
bool
gen_reap(struct gen *gen, pid_t pid, int status, int64_t now)
{
	struct child *child = NULL;

	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid == pid)
			child = &gen->children[i];
	if (child == NULL)
		return false;
	if (WIFSTOPPED(status)) {
		if (!is_desk(gen, child))
			worker_doubt(gen, (uint32_t)(child - gen->children));
		return true;
	}
	if (gen->state == GEN_LIVE && !gen->stopped)
		restart_plan(child, now);
	if (!gen->stopped)
		log_death(gen, child, status, now);
	if (gen->state == GEN_STARTING) {
		gen->state = GEN_FAILED;
		gen->status = WIFEXITED(status) ? WEXITSTATUS(status) : 71;
	}
	fd_close(&child->control);
	child->pid = -1;
	if (!is_desk(gen, child))
		worker_gone(gen, (uint32_t)(child - gen->children));
	return true;
}

/* Adds what to poll for notes from the children; returns how many. */
size_t
gen_watch(const struct gen *gen, struct pollfd *pfd)
{
	size_t n = 0;

	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].control >= 0)
			pfd[n++] =
			    (struct pollfd){ .fd = gen->children[i].control,
				    .events = POLLIN };
	return n;
}

static void
note_take(
    const struct gen *gen, struct child *child, const struct note_message *note)
{
	if (note->note == NOTE_DRAINED)
		child->drained = true;
	if (note->note == NOTE_HELPER)
		log_helper_death(note);
	if (note->note != NOTE_READY)
		return;
	child->ready = true;
	if (!is_desk(gen, child))
		listener_ensure(gen);
}

/* Takes one of the notes that have come from each child. */
void
gen_notes(struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];
		struct note_message note = { .note = NOTE_READY };
		ssize_t n;

		if (child->control < 0)
			continue;
		n = sys_receive(child->control, &note, sizeof(note), NULL, 0);
		if (n == sizeof(note))
			note_take(gen, child, &note);
		else if (n == 0) /* It is dying; who reaps it will see. */
			fd_close(&child->control);
	}
}

/* Whether every child has said that it is ready. */
bool
gen_ready(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++)
		if (!gen->children[i].ready)
			return false;
	return true;
}

/* Whether every worker has left the listening sockets. */
bool
gen_drained(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0 && !gen->children[i].drained)
			return false;
	return true;
}

/* Whether no worker is left, nor will be. */
bool
gen_over(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0 ||
		    gen->children[i].restart_at != 0)
			return false;
	return true;
}

/* Whether no child at all is left. */
bool
gen_empty(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid > 0)
			return false;
	return true;
}

/* The first of all generations there are; the others are next to it. */
struct gen *
gen_first(void)
{
	return gens;
}
