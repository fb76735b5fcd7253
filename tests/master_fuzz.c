/* SPDX-License-Identifier: ISC */
/* LINK: all */
/*
 * An entry for libFuzzer.  A whole master lives in this process, with children
 * that the script plays: what they say, wish, and write to the memory that they
 * share with it, how they hang and die, what signals come and how much time
 * passes.  Whatever that is, the master signals nobody else, comes to rest, has
 * all children again that it should have as soon as they behave, ends when it is
 * told to, and nothing is left of it then: no descriptor and no memory.
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "baton.h"
#include "must.h"
#include "quota.h"
#include "world.h"

/* The master sleeps as the script says, and its children are played. */

static int world_poll(int timeout);
static pid_t world_fork(int theirs);

#define poll(set, n, timeout) world_poll(timeout)
#include "../master/master.c"
#undef poll
#include "../master/progress.c"
#include "../master/steward.c"
#define fork() world_fork(control[1])
#include "../master/child.c"
#undef fork

const char program[] = "master_fuzz", program_conf[] = "";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	KIDS_MAX = 64, /* that live at a time */
	FIRST_PID = 1000000,
	CLIENTS = 4,
	HEAL_TIME = 200000, /* ms for the children to be as they should */
	STEP = 1000,        /* ms that pass in a turn then */
	STOP_MOST = 5000,   /* ms until a stop is over, whatever children say */
	HURRY_MAX = 4,      /* turns in a row that do not want to sleep */
	TURNS_MAX = 4000    /* until all has ended */
};

/* A process that the master has started. */
struct kid {
	pid_t pid; /* 0: this place is free */
	int fd;    /* its end, or -1 */
	enum { RUNS, STOPS, DIES } state;
	bool told;   /* waitpid() has not said so yet */
	bool silent; /* it does nothing that it is told */
	bool claims; /* it has said that it drains, which may be a lie */
	int status;  /* of waitpid() */
};

static const char *const conf_texts[] = {
	"Workers 2\n",
	"Workers 3\nBasicAuth u p\nStatusListen 127.0.0.1 STATUS\n"
	"ControlSocket \"DIR/control\"\n",
	"Workers 2\nControlSocket \"DIR/control\"\nReloadTunnels judge\n"
	"DrainTimeout 30\nMaxDraining 2\n",
	"Workers 1\nDrainOnTerm Yes\nDrainDelay 3\nDrainTimeout 5\n"
	"ControlSocket \"DIR/other\"\n",
	"Workers 2\nWorkerz\n",
	"Workers 2\nListen 127.0.0.1 OTHER\nStatusListen 127.0.0.1 STATUS\n",
};
enum { CONFS = sizeof(conf_texts) / sizeof(*conf_texts) };

static char paths[CONFS][64];
static unsigned port, other_port, status_port;

static struct kid kids[KIDS_MAX];
static pid_t last_pid;
static int clients[CLIENTS];
static unsigned forks_fail; /* so many fail from now on */
static struct share *share;
static enum { SCRIPT, HEALS, ENDS } act;
static int64_t heal_until, end_until;
static size_t turns, hurried;
static int asked; /* ms that the master wanted to sleep in the last turn */

/* Processes. */

static struct kid *
kid_find(pid_t pid)
{
	for (size_t i = 0; i < KIDS_MAX; i++)
		if (kids[i].pid != 0 && kids[i].pid == pid)
			return &kids[i];
	return NULL;
}

/* The one of that number, counted around, of those that live; or NULL. */
static struct kid *
kid_at(unsigned number)
{
	struct kid *alive[KIDS_MAX];
	size_t n = 0;

	for (struct kid *k = kids; k < kids + KIDS_MAX; k++)
		if (k->pid != 0 && k->state != DIES)
			alive[n++] = k;
	return n > 0 ? alive[number % n] : NULL;
}

static void
kid_die(struct kid *k, int status)
{
	fd_close(&k->fd);
	k->state = DIES;
	k->status = status;
	k->told = true;
}

static pid_t
world_fork(int theirs)
{
	struct kid *k = kids;

	while (k < kids + KIDS_MAX && k->pid != 0)
		k++;
	if (k == kids + KIDS_MAX || forks_fail > 0) {
		forks_fail -= forks_fail > 0;
		errno = EAGAIN;
		return -1;
	}
	*k = (struct kid){ .pid = ++last_pid, .fd = dup(theirs) };
	must(k->fd >= 0 && fcntl(k->fd, F_SETFL, O_NONBLOCK) == 0, "dup");
	return k->pid;
}

/* These replace those of the system, everywhere in this program. */

pid_t
fork(void)
{
	errno = EAGAIN;
	return -1;
}

int
kill(pid_t pid, int signo)
{
	struct kid *k = kid_find(pid);

	must(k != NULL, "only its children get signals");
	if (signo == SIGKILL && k->state != DIES)
		kid_die(k, SIGKILL);
	if (signo == SIGCONT && k->state == STOPS) {
		k->state = RUNS;
		k->status = 0xffff;
		k->told = true;
	}
	return 0;
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
	must(pid == -1 && (options & WNOHANG), "it never waits for children");
	for (struct kid *k = kids; k < kids + KIDS_MAX; k++) {
		if (k->pid == 0 || !k->told)
			continue;
		k->told = false;
		pid = k->pid;
		*status = k->status;
		if (k->state == DIES)
			k->pid = 0;
		return pid;
	}
	return 0;
}

/* What a child does that behaves: it says what is expected, and leaves. */
static void
kid_behave(struct kid *k)
{
	struct note_message note = { .note = NOTE_READY };
	struct order_message order;
	ssize_t n;

	if (k->state != RUNS || k->fd < 0)
		return;
	send(k->fd, &note, sizeof(note), MSG_NOSIGNAL);
	while ((n = recv(k->fd, &order, sizeof(order), 0)) > 0)
		if (order.order == ORDER_DRAIN) {
			note.note = NOTE_DRAINED;
			send(k->fd, &note, sizeof(note), MSG_NOSIGNAL);
			n = 0;
			break;
		}
	if (n == 0)
		kid_die(k, 0);
}

/* The script. */

/* A message of any kind, with up to three descriptors. */
static void
kid_say(struct kid *k, void *bytes, size_t len, unsigned nfds)
{
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} room;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3] = { -1, -1, -1 }, pair[2];

	nfds %= 4;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "a pair");
	fds[0] = pair[0];
	fds[1] = pair[1];
	fds[2] = signals[0];
	if (nfds > 0) {
		msg.msg_control = room.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		memset(&room, 0, sizeof(room));
		room.align.cmsg_level = SOL_SOCKET;
		room.align.cmsg_type = SCM_RIGHTS;
		room.align.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&room.align), fds, nfds * sizeof(int));
	}
	if (k->fd >= 0 && !k->silent)
		sendmsg(k->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(pair[0]);
	close(pair[1]);
}

/* A note or a wish, of which the script writes the first bytes. */
static void
kid_says_any(struct kid *k, size_t len)
{
	union {
		struct note_message note;
		struct wish_message wish;
		uint8_t bytes[512];
	} any;
	unsigned nfds = next();

	memset(&any, 'A', sizeof(any));
	for (size_t i = 0, n = next() % 24; i < n; i++)
		any.bytes[i] = (uint8_t)next();
	k->claims |= any.note.note == NOTE_DRAINED;
	kid_say(k, &any, len, nfds);
}

static void
kid_notes(struct kid *k)
{
	struct note_message note = { .note = (enum note)(next() % 4) };

	memset(note.text, (int)next(), sizeof(note.text));
	note.status = (int)next();
	k->claims |= note.note == NOTE_DRAINED;
	kid_say(k, &note, sizeof(note), 0);
}

static void
kid_wishes(struct kid *k)
{
	unsigned what = next();
	struct wish_message wish = { .wish = (enum wish)(what % 7),
		.slot = next() % 8,
		.level = (enum log_level)(what / 8 % 8) };

	wish.kill = what & 64 ? (uint8_t)next() : 0;
	kid_say(k, &wish, sizeof(wish), 1 + what / 128);
}

static const int endings[] = { 0, 1 << 8, 64 << 8, 71 << 8, 78 << 8, SIGSEGV,
	SIGKILL, SIGSYS };

static void
kid_changes(struct kid *k, unsigned how)
{
	if (how == 255)
		k->silent = true;
	else if (how % 4 == 0)
		kid_die(k, endings[how / 4 % 8]);
	else if (how % 4 == 1 && k->state == RUNS) {
		k->state = STOPS;
		k->status = SIGSTOP << 8 | 0x7f;
		k->told = true;
	} else if (how % 4 == 2)
		kill(k->pid, SIGCONT);
	else
		fd_close(&k->fd);
}

/* A worker that was taken over writes who listens, or to its own place. */
static void
kid_writes(unsigned slot)
{
	unsigned where = next(), value = next();
	char *to = where & 1
	    ? (char *)&share->common.turns[slot % 8] + where / 2 % 2 * 4
	    : share->slots[slot % 8].page + where / 2 % 8 * 4;

	if (value & 128)
		value = UINT32_MAX - (value & 127);
	memcpy(to, &value, sizeof(value));
}

static void
listener_shut(unsigned which)
{
	const struct gen *gen = m.live;

	if (gen != NULL && gen->listeners.n > 0)
		shutdown(
		    gen->listeners.fds[which % gen->listeners.n], SHUT_RDWR);
}

/* Connects to a port. */
static int
reach(unsigned to)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)to) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	const void *sa = &at;

	must(fd >= 0, "a socket");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, sa, sizeof(at)) != 0 && errno != EINPROGRESS)
		fd_close(&fd);
	return fd;
}

static void
client_comes(unsigned which)
{
	int *fd = &clients[which / 2 % CLIENTS];

	if (*fd >= 0)
		fd_reset(fd);
	else
		*fd = reach(which & 1 ? other_port : port);
}

static void
time_pass(unsigned how)
{
	static const int64_t times[] = { 1, 100, 1000, 5000, 11000, 61000,
		400000, 24 * 3600 * 1000 };

	now += times[how % 8];
}

static void
signal_come(unsigned which)
{
	static const int all[] = { SIGHUP, SIGHUP, SIGUSR1, SIGUSR2, SIGUSR2,
		SIGCHLD, SIGQUIT, SIGTERM };

	master_on_signal(which == 255 ? SIGINT : all[which % 8]);
}

/* What a child does, of which there is one. */
static void
kid_step(struct kid *k, unsigned what)
{
	switch (what) {
	case 0:
	case 1:
		kid_notes(k);
		break;
	case 2:
		kid_says_any(k, sizeof(struct note_message));
		break;
	case 3:
		kid_says_any(k, sizeof(struct wish_message));
		break;
	case 4:
		kid_says_any(k, next());
		break;
	case 5:
	case 6:
		kid_wishes(k);
		break;
	default:
		kid_changes(k, next());
		break;
	}
}

static void
all_behave(void)
{
	for (struct kid *k = kids; k < kids + KIDS_MAX; k++)
		if (k->pid != 0 && !k->silent)
			kid_behave(k);
}

static void
step(void)
{
	unsigned what = next() % 16, which = next();

	switch (what) {
	case 8:
		kid_writes(which);
		break;
	case 9:
		listener_shut(which);
		break;
	case 10:
		client_comes(which);
		break;
	case 11:
		m.file = paths[which % CONFS];
		break;
	case 12:
		signal_come(which);
		break;
	case 13:
		time_pass(which);
		break;
	case 14:
		forks_fail = which % 8;
		break;
	case 15:
		all_behave();
		break;
	default:
		if (kid_at(which) != NULL)
			kid_step(kid_at(which), what);
		break;
	}
}

/* From now on children behave, and those that cannot are gone. */
static void
heal_begin(void)
{
	act = HEALS;
	heal_until = now + HEAL_TIME;
	forks_fail = 0;
	m.file = paths[0];
	for (struct kid *k = kids; k < kids + KIDS_MAX; k++)
		if (k->pid != 0 && k->state != DIES &&
		    (k->state == STOPS || k->fd < 0))
			kid_die(k, SIGKILL);
}

/* Whether a child of it says that it drains, and does not end. */
static bool
gen_claims(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++) {
		const struct kid *k = kid_find(gen->children[i].pid);

		if (k != NULL && k->silent && k->claims)
			return true;
	}
	return false;
}

static void
healed_check(void)
{
	if (m.phase != RUNNING)
		return;
	must(m.live != NULL && m.coming == NULL && !m.reload_due,
	    "a reload that was asked for has ended");
	must(m.live->nchildren > 0 && gen_ready(m.live), "all are ready");
	for (size_t i = 0; i < m.live->nchildren; i++)
		must(kid_find(m.live->children[i].pid) != NULL,
		    "each child is there");
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		must(gen == m.live || gen_claims(gen),
		    "no other generation is left");
	must(s.current.n == 0 && s.waiting.n == 0, "each reload was answered");
	must(baton_holder(&m.live->links.baton) < m.live->nworkers ||
		m.live->look_at > now,
	    "one of them listens");
}

static void
end_begin(void)
{
	act = ENDS;
	end_until = now + STOP_MOST;
	master_on_signal(SIGTERM);
	master_on_signal(SIGTERM);
}

/* Those who have asked for what a drain or a stop leaves no room for. */
static void
left_check(void)
{
	if (m.phase == LEAVING || m.phase == DRAINING || m.phase == STOPPING)
		must(s.current.n == 0 && s.waiting.n == 0 && m.upgrader < 0,
		    "nobody waits for what does not come any more");
}

/* Time passes, and children do as they are told. */
static void
calm(void)
{
	left_check();
	must(act != ENDS || now < end_until, "a stop ends soon");
	now += asked >= 0 && asked < STEP ? asked + 1 : STEP;
	all_behave();
}

static int
world_poll(int timeout)
{
	asked = timeout;
	must(turns++ < TURNS_MAX, "it ends");
	hurried = timeout == 0 ? hurried + 1 : 0;
	must(hurried <= HURRY_MAX, "it sleeps until something is due");
	if (act == SCRIPT && script_len > 0)
		step();
	else if (act == SCRIPT)
		heal_begin();
	else if (act == HEALS && now >= heal_until) {
		healed_check();
		end_begin();
	} else
		calm();
	return 0;
}

/* A life, from the start to the end. */

static void
complain(enum log_level level, const char *text)
{
	if (level <= LOG_LEVEL_ERROR)
		fprintf(stderr, "%s\n", text);
}

static struct gen *
master_prepare(const char *path)
{
	int status = STATUS_CONF;
	struct conf *conf = conf_read(path, complain, &status);
	struct gen *gen;

	must(conf != NULL, path);
	share = share_new();
	must(share != NULL && quota_init(share) == 0, "share_new");
	gen = gen_new(conf, share);
	must(gen != NULL, "gen_new");
	must(gen_identity(gen) == 0, "gen_identity");
	steward_own(gen);
	must(gen_listen(gen, NULL) == 0, "gen_listen");
	must(steward_open(gen, NULL) == 0, "steward_open");
	must(master_logs_open(&gen->logs, gen) == NULL, "the logs");
	log_use(&gen->logs);
	return gen;
}

static void
master_live(struct gen *gen)
{
	int status;

	if (gen_start(gen, now) != 0)
		gen->state = GEN_FAILED;
	/* A real one exits if that fails; nothing is left then. */
	master_start(gen, &status);
	master_run();
}

/* Forgets what the end of the process would. */
static void
master_forget(void)
{
	char bytes[64];

	steward_begin();
	steward_done(0, "");
	upgrader_reply(0, "");
	upgrade_end();
	wants_stop = wants_drain = wants_reload = wants_upgrade = terms = 0;
	while (read(signals[0], bytes, sizeof(bytes)) > 0)
		;
	memset(&m, 0, sizeof(m));
	m.upgrader = -1;
	tell_at = -1;
	/* It may keep its last text. */
	must(strsignal(91) != NULL, "strsignal");
	/* The end of the last ones is not waited for. */
	master_reap(now);
	for (size_t i = 0; i < KIDS_MAX; i++)
		must(kids[i].pid == 0, "no child is left");
	for (size_t i = 0; i < CLIENTS; i++)
		fd_reset(&clients[i]);
	if (share_descriptor() >= 0)
		close(share_descriptor());
	must(munmap(share, sizeof(*share)) == 0, "munmap");
}

static void
life(const uint8_t *data, size_t size)
{
	script = data;
	script_len = size;
	turns = hurried = 0;
	forks_fail = 0;
	act = SCRIPT;
	m.file = paths[next() % (CONFS - 2)];
	master_live(master_prepare(m.file));
	master_forget();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t memory = memory_used();

	fds_keep();
	life(data, size);
	fds_check();
	memory_check(memory);
	return 0;
}

/* The beginning. */

static char dir[] = "/tmp/master_fuzz.XXXXXX";

static void
dir_remove(void)
{
	char path[64];

	for (size_t i = 0; i < CONFS; i++)
		unlink(paths[i]);
	snprintf(path, sizeof(path), "%s/control", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/other", dir);
	unlink(path);
	rmdir(dir);
}

/* Writes a configuration, with its words replaced. */
static void
conf_put(size_t which)
{
	const char *at = conf_texts[which];
	char text[1024];
	size_t n = (size_t)snprintf(text, sizeof(text),
	    "Port %u\nListen 127.0.0.1\n%s", port,
	    geteuid() == 0 ? "User nobody\n" : "");

	while (*at != '\0')
		if (strncmp(at, "STATUS", 6) == 0) {
			n += (size_t)sprintf(text + n, "%u", status_port);
			at += 6;
		} else if (strncmp(at, "OTHER", 5) == 0) {
			n += (size_t)sprintf(text + n, "%u", other_port);
			at += 5;
		} else if (strncmp(at, "DIR", 3) == 0) {
			n += (size_t)sprintf(text + n, "%s", dir);
			at += 3;
		} else
			text[n++] = *at++;
	snprintf(paths[which], sizeof(paths[which]), "%s/conf%zu", dir, which);
	file_put(paths[which], text, n);
}

/*
 * A port that is free.  Where listeners can share it with a socket that does not
 * listen, that one keeps it from other programs.
 */
static unsigned
port_find(void)
{
	unsigned found;
	int fd = loopback(&found, -1);
#ifdef __linux__
	int on = 1;

	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0,
	    "SO_REUSEADDR");
#else
	close(fd);
#endif
	return found;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t each[][6] = { { 0 }, { 1 }, { 2 }, { 3 },
		{ 0, 15, 0, 12, 0, 15 } };

	(void)argc, (void)argv;
	must(mkdtemp(dir) != NULL, "a folder");
	atexit(dir_remove);
	port = port_find();
	other_port = port_find();
	status_port = port_find();
	for (size_t i = 0; i < CONFS; i++)
		conf_put(i);
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i] = -1;
	last_pid = FIRST_PID;
	tzset();
	must(steward_init() == 0 && master_init(paths[0], false) == 0,
	    "the master");
	/* What is kept for good is kept from now on. */
	for (size_t i = 0; i < sizeof(each) / sizeof(*each); i++)
		life(each[i], sizeof(each[i]));
	return 0;
}
