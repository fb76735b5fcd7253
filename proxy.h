/* SPDX-License-Identifier: ISC */
/*
 * What the files of adit share: limits with their units, the structs, and the
 * prototypes, grouped by the file that owns them.  Whatever one file alone
 * needs is static there and not here.
 */
#ifndef PROXY_H
#define PROXY_H

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __GNUC__
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#else
#define PRINTF_LIKE(at, first)
#endif

/* Limits. */
enum {
	HEAD_MAX = 65536,        /* bytes of a request head */
	REQUEST_LINE_MAX = 8192, /* bytes of a request line */
	HOST_SIZE = 254,         /* bytes of a host name, with its NUL */
	ADDR_TEXT_SIZE = 80,     /* bytes of "[IPv6%scope]:port" */
	URL_SIZE = 26 * 1024,    /* bytes of a URL that is all escapes */
	ADDRS_MAX = 16,          /* addresses of one name that are tried */
	RACE_MAX = 8,            /* connection attempts under way at once */
	LISTEN_MAX = 64,         /* listening sockets */
	BIND_MAX = 16,           /* addresses of Bind */
	WORKERS_MAX = 256,       /* workers of one configuration */
	CHILDREN_MAX = WORKERS_MAX + 1, /* the desk too */
	SLOTS_MAX = 1024,               /* workers, the draining ones too */
	CREDENTIAL_SIZE = 256,    /* bytes of user or password, with its NUL */
	TEMPLATE_MAX = 64 * 1024, /* bytes of the template of a page */
	VALUES_MAX = 64 * 1024,   /* bytes of all values in a page */
	PAGE_MAX = TEMPLATE_MAX + VALUES_MAX,
	LOG_LINE_SIZE = 1024,     /* bytes of a log line */
	RELAY_SIZE = 256 * 1024,  /* bytes copied at once for a busy tunnel */
	SPLICE_SIZE = 256 * 1024, /* bytes moved at once for a busier one */
	PIPE_SIZE = 1024 * 1024,  /* bytes that a pipe for that has room for */
	PIPES_MAX = 32,           /* pipes of a worker for that */
	PARK_AFTER = 20,          /* ms of quiet until a tunnel is parked */
	PARK_TURNS = 16,          /* or turns of the loop */
	RACE_DELAY = 250,         /* ms between two attempts, RFC 8305 */
	LOOKUP_LATE = 1000,    /* ms after which a failure is a late answer */
	LEAVE_TIME = 200,      /* ms for a tunnel after an early end of file */
	LINGER_TIME = 2000,    /* ms for a refused client to close */
	REPLY_TIME = 30000,    /* ms for one to read a long reply */
	FLUSH_TIME = 5000,     /* ms for the rest when a side is lost */
	FLUSH_CHECK = 20,      /* ms to the first look at that */
	LISTEN_BACKLOG = 4096, /* clients that wait to be accepted */
	WOKEN_MAX = 64,        /* parked tunnels woken at once */
	ARRIVE_TIME = 200,     /* ms for clients on their way to a listener */
	PAUSE_TIME = 100,      /* ms a listener rests when all is full */
	NET_KINDS_MAX = 64,    /* kinds of rules for blocks told apart */
	PARENT_SIZE = 16384,   /* bytes of a message of a parent proxy */
	VIA_SIZE = 1024,       /* bytes of all Via that are handed on */
	VIAS_MAX = 8,          /* Via fields of a request */
	OPTIONS_MAX = 8,       /* Connection fields of a message */
	OPTIONS_SIZE = 512,    /* bytes in all of them */
	MADE_MAX = 4096,       /* connections of ours that are remembered */
	OWN_VIA_SIZE = 160,    /* bytes of our part of a Via */
	TOKEN_SIZE = 17        /* bytes of what tells this proxy from others */
};

/* Exit statuses, as sysexits and tinyproxy have them. */
enum {
	STATUS_REFUSED = 1, /* -t explains a refusal */
	STATUS_USAGE = 64,
	STATUS_DATA = 65, /* a filter */
	STATUS_CONF = 70, /* EX_SOFTWARE, as in tinyproxy */
	STATUS_SYSTEM = 71
};

/* name.c */
extern const char program[];
extern const char program_conf[]; /* path of the default configuration */

/*
 * addr.c: an address is 16 bytes, IPv4 as ::ffff:a.b.c.d, so that one
 * comparison serves both families.
 */
struct addr {
	unsigned char ip[16];
	uint32_t scope; /* IPv6 zone index, or 0 */
	uint16_t port;  /* host byte order */
};

/* Addresses that begin with the same bits, 0 to 128. */
struct block {
	unsigned char net[16];
	unsigned bits;
};

bool addr_is4(const struct addr *);
bool addr_same_ip(const struct addr *, const struct addr *);
bool addr_in_net(
    const struct addr *, const unsigned char net[16], unsigned bits);
bool addr_in_blocks(const struct addr *, const struct block *, size_t n);
void addr_mask(unsigned char net[16], unsigned bits);
void addr_from4(struct addr *, const unsigned char ip[4]);
int addr_parse(struct addr *, const char *text);
int addr_parse_net(struct addr *, unsigned *bits, const char *text);
int addr_parse_block(struct block *, const char *text);
void addr_from_sockaddr(struct addr *, const struct sockaddr_storage *);
socklen_t addr_to_sockaddr(const struct addr *, struct sockaddr_storage *);
const char *addr_text(const struct addr *, char text[ADDR_TEXT_SIZE]);
const char *addr_text_port(const struct addr *, char text[ADDR_TEXT_SIZE]);

/* parse.c */
enum parse_result { PARSE_OK, PARSE_MORE, PARSE_BAD };

/* A part of the caller's buffer; the buffer may move between two calls. */
struct slice {
	size_t at;
	size_t len;
};

struct request {
	/* The answer. */
	size_t length;              /* PARSE_OK: bytes of the whole head */
	int status;                 /* PARSE_BAD: what to answer */
	const char *why;            /* PARSE_BAD: what is wrong, a sentence */
	struct slice line;          /* the request line, without its CR LF */
	struct slice target;        /* the request target as it was sent */
	struct slice credentials;   /* value of Proxy-Authorization */
	struct slice via[VIAS_MAX]; /* values of Via */
	unsigned nvias; /* how many there are; those that find no room too */
	char host[HOST_SIZE]; /* lower case, no brackets, no last dot */
	bool literal;         /* host is an address: addr */
	struct addr addr;
	uint16_t port;
	/* What the parser has to remember from one call to the next. */
	size_t next;    /* where the next line begins */
	size_t scanned; /* bytes known to hold no end of that line */
	int empty;      /* empty lines before the request line */
	bool has_host, has_length, has_credentials;
	bool wrong_target; /* of another method than CONNECT */
	bool takes_paths;  /* set by the caller: origin-form is one */
	/* Another method than CONNECT, to be forwarded: */
	bool plain;
	bool is_head; /* HEAD: no answer to it has content */
	bool minor;   /* HTTP/1.1, not HTTP/1.0 */
	bool chunked; /* there is content, in chunks */
	bool upgrade; /* there is an Upgrade */
	bool limited; /* there is a Max-Forwards: forwards */
	uint32_t forwards;
	uint64_t content; /* bytes of content, with has_length */
	struct slice method;
	struct slice path;                 /* and query; may be empty */
	struct slice options[OPTIONS_MAX]; /* values of Connection */
	unsigned noptions;
	size_t options_size; /* bytes of all of them */
	bool origin;         /* the target is a path alone, RFC 9112 3.2.1 */
	const struct mapping *mapping; /* of such a one: reverse.c */
};

enum parse_result parse_head(struct request *, const char *head, size_t len);
bool parse_is_token(const char *, size_t len);
bool parse_ends_in_number(const char *host);
int parse_authority(struct request *, const char *text, size_t len);
int parse_url(struct request *, const char *text, size_t len);
int parse_basic(const char *value, size_t len, char user[CREDENTIAL_SIZE],
    char password[CREDENTIAL_SIZE]);

/* http.c */

/* A field of a head; all points into that. */
struct http_field {
	const char *line, *value;
	size_t len, name_len, value_len;
};

/* The head of an answer. */
struct http_answer {
	const char *why; /* PARSE_BAD */
	const char *head;
	size_t head_len, scanned, first_field;
	int status;
	bool minor; /* HTTP/1.1, not HTTP/1.0 */
	bool chunked, has_length;
	uint64_t length;
	struct slice options[OPTIONS_MAX]; /* values of Connection */
	unsigned noptions;
	size_t options_size; /* bytes of all of them */
};

enum body_kind { BODY_LENGTH, BODY_CHUNKED, BODY_TO_END };

/* Content that is passed on. */
struct body {
	enum body_kind kind;
	bool done, strip;
	uint64_t left; /* bytes; of a chunk, if there are chunks */
	int step;
	uint32_t line, digits, trailer; /* bytes so far */
	char name[64];                  /* of a trailer field */
};

bool http_field(const char *head, size_t len, size_t *at, struct http_field *);
bool http_is(const struct http_field *, const char *name);
bool http_lists(
    const char *list, size_t len, const char *token, size_t token_len);
enum parse_result http_answer(
    struct http_answer *, const char *head, size_t len);
void body_begin(struct body *, enum body_kind, uint64_t length, bool strip);
ssize_t body_take(struct body *, char *bytes, size_t len, size_t *used);

/* conf.c */
enum log_level {
	LOG_LEVEL_CRITICAL,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_CONNECT,
	LOG_LEVEL_INFO
};

enum rule_kind { RULE_NET, RULE_NAME, RULE_SUFFIX, RULE_ANY };

/* One Allow or Deny. */
struct rule {
	bool allow;
	enum rule_kind kind;
	struct addr net; /* RULE_NET */
	unsigned bits;   /* RULE_NET: 0 to 128 */
	char *name;      /* the others: with the dot of a suffix */
	unsigned long line;
};

/*
 * For whom a rule for targets is, when it is not for everybody.  It owns what
 * it points to.
 */
struct who {
	char *users;      /* names, each with its NUL */
	size_t nusers;    /* 0: whatever the user */
	size_t users_len; /* bytes */
	struct block *clients;
	size_t nclients; /* 0: wherever the client is */
	struct who *next;
};

/* Who asks for a target. */
struct asker {
	const struct addr *client;
	const char *user; /* or NULL: somebody without credentials */
	bool named; /* the configuration itself leads to this very target */
};

/* One AllowTo or DenyTo, or a part of one. */
struct target_rule {
	bool allow;
	bool wholesale; /* a part of "private" */
	uint16_t port_min, port_max;
	enum rule_kind kind;
	unsigned bits;         /* RULE_NET: 0 to 128 */
	unsigned char net[16]; /* RULE_NET */
	char *name;            /* owned; RULE_SUFFIX: with its dot */
	const struct who *who; /* or NULL: everybody */
	unsigned long line;
	uint32_t next; /* the next with the same key */
};

/* The rules for targets, in the order of the file, and their index. */
struct targets {
	struct target_rule *rules;
	size_t n, size;
	struct who *whos; /* owned: all that rules refer to */
	bool has_allow;
	bool bits[129];     /* lengths of blocks that there are */
	uint32_t any;       /* the first with RULE_ANY, or UINT32_MAX */
	uint32_t first_net; /* the first with RULE_NET likewise */
	/* The first rules with RULE_NET of each verdict, ports and who, and
	 * the first of a kind that is not among them, or UINT32_MAX. */
	uint32_t net_kinds[NET_KINDS_MAX];
	size_t nnet_kinds;
	uint32_t other_net;
	uint32_t *table; /* the first of each key */
	size_t mask;     /* places in the table, less one */
};

enum upstream_kind {
	UPSTREAM_NONE, /* no parent */
	UPSTREAM_HTTP,
	UPSTREAM_SOCKS4,
	UPSTREAM_SOCKS5
};

/* One Upstream: a parent proxy, and for which targets it is. */
struct upstream {
	enum upstream_kind kind;
	char *host;   /* owned, without brackets; NULL: no parent */
	bool literal; /* host is an address: addr */
	struct addr addr;
	uint16_t port;
	char *user, *password; /* owned, or NULL */
	struct rule site;      /* owned; RULE_ANY: all that have no other */
	unsigned long line;
};

/* In the order of the file. */
struct upstreams {
	struct upstream *list;
	size_t n;
};

enum filter_type { FILTER_BRE, FILTER_ERE, FILTER_FNMATCH };

/* Filter and what belongs to it. */
struct filter {
	char *file;              /* owned, or NULL: there is no Filter */
	unsigned long line;      /* of Filter in the configuration */
	unsigned long deny_line; /* and of FilterDefaultDeny */
	unsigned long case_line; /* and of FilterCaseSensitive */
	enum filter_type type;
	bool urls, default_deny;
	bool case_sensitive;      /* for URLs */
	struct pattern *patterns; /* owned; in the order of the file */
	size_t n, size;
};

/* One ReversePath: what is below a path is asked for below a URL. */
struct mapping {
	char *path; /* owned; ends in "/", as the URL does */
	char *url;  /* owned */
	char *host; /* owned; as it is in a request for the URL */
	uint16_t port;
	size_t base; /* where its path begins in the URL */
	bool named;  /* it says itself that it is for a local address */
	unsigned long line;
};

/* They, in the order of the file, and what belongs to them. */
struct reverse {
	struct mapping *list; /* owned */
	size_t n;
	bool only, magic;
	char *base_url; /* owned; ends in "/"; or NULL */
	unsigned long only_line;
};

/* secret.c */
enum { SECRET_KEY_SIZE = 16 /* bytes */ };

struct digest {
	uint64_t half[2];
};

struct digest secret_digest(
    const unsigned char key[SECRET_KEY_SIZE], const void *, size_t);
bool secret_same(const struct digest *, const struct digest *);
void secret_wipe(void *, size_t);

/* One user of an AuthFile. */
struct login {
	char *name; /* owned */
	/* In the blocks: gone with them. */
	const char *hash;
	const char *file;
	unsigned long line;
	size_t order; /* in which they were read */
};

enum { LOGIN_KINDS_MAX = 32 /* kinds of hashes, with their costs */ };

/* The users of all AuthFiles, sorted by name. */
struct logins {
	bool wanted; /* there is an AuthFile, with users or without */
	/* Secret, of this configuration: for all its digests. */
	unsigned char key[SECRET_KEY_SIZE];
	struct login *list;
	size_t n, size;
	struct login_block *blocks; /* NULL once they are forgotten */
	/* What is known while the files are read. */
	const char *file;
	unsigned long weak; /* the first line with a hash of MD5, or 0 */
	const char *kinds[LOGIN_KINDS_MAX]; /* a hash of each */
	size_t nkinds, probes;
};

/* A template of a page; it owns its text, which is NULL when there is none. */
struct page {
	char *text;
	size_t len;
};

/* One ErrorFile. */
struct error_page {
	int status;
	struct page page;
};

/* They, DefaultErrorFile and StatFile. */
struct pages {
	struct error_page *list; /* owned; each status once */
	size_t n;
	struct page error; /* of all other errors */
	struct page stat;
};

/* StatHost: a folded name, or an address. */
struct stat_host {
	char *name; /* owned */
	bool literal;
	struct addr addr;
};

/* One BasicAuth; both are padded with NULs for acl_user(). */
struct user {
	char name[CREDENTIAL_SIZE];
	char password[CREDENTIAL_SIZE];
};

/* A configuration. Times are in seconds. Owns all it points to. */
struct conf {
	char *file; /* absolute path, or NULL: the built-in configuration */
	char *user, *group;
	char *realm;
	char *logfile, *accesslog, *pidfile, *chroot;
	enum log_level loglevel;
	bool syslog, bind_same;
	uint16_t port;
	unsigned timeout, header_timeout, connect_timeout;
	unsigned tunnel_timeout, drain_timeout;
	unsigned max_clients; /* 0: what the descriptors allow */
	unsigned max_clients_per_host, max_rate_per_host; /* 0: no limit */
	unsigned rate_limit; /* bytes per second; 0: no limit */
	unsigned workers;    /* 0: auto */
	size_t nlisten, nbind, nrules, nusers;
	struct addr listen[LISTEN_MAX];
	struct addr bind[BIND_MAX];
	struct rule *rules;
	struct targets targets;
	struct upstreams upstreams;
	char *via_name; /* or NULL */
	bool disable_via, xtinyproxy;
	char **
	    anonymous; /* owned: the fields that pass; all, if there are none */
	struct add_header {
		char *name, *value;
	} * add_headers; /* owned */
	size_t nanonymous, nadd_headers;
	struct filter filter;
	struct reverse reverse;
	struct pages pages;
	struct stat_host stat_host;
	struct user *users;
	struct logins logins;
	bool has_ports; /* there is a ConnectPort */
	unsigned char ports[65536 / 8];
};

struct conf *conf_read(const char *file,
    void (*say)(enum log_level, const char *text), int *status);
struct conf *conf_builtin(void);
void conf_free(struct conf *);
bool conf_has_user(const struct conf *, const char *name);
FILE *conf_open(const struct conf *);
char *conf_split(char *line, char **arg);

enum verdict { ACL_ALLOW, ACL_DENY, ACL_ASK };

/* who.c */
const char *who_add(struct who **list, char *text, const char **at);
bool who_holds(const struct who *, const struct asker *);
void who_free(struct who *list);

/* login.c */
const char *login_begin(struct logins *, const char *file);
const char *login_add(struct logins *, unsigned long line, char *text);
const struct login *login_index(struct logins *, const struct login **before);
const struct login *login_find(const struct logins *, const char *name);
const char *login_name(const struct logins *, const char *name);
bool login_check(const struct logins *, const char *name, const char *password,
    bool *failed);
void login_forget(struct logins *);
void login_free(struct logins *);

/* known.c */
const char *known_find(const struct digest *, int64_t now);
void known_put(const struct digest *, const char *user, int64_t now);
void known_tidy(int64_t now);
int64_t known_tidy_at(void);

/* target.c */
bool name_fold(char *name);
const char *target_add(struct targets *, bool allow, unsigned long line,
    char *text, const char **at);
int target_index(struct targets *);
void target_free(struct targets *);
enum verdict target_name(const struct targets *, const char *name,
    uint16_t port, const struct asker *, const struct target_rule **rule);
enum verdict target_unresolved(const struct targets *, const char *name,
    uint16_t port, const struct asker *, const struct target_rule **rule);
enum verdict target_addr(const struct targets *, const char *name,
    const struct addr *, const struct asker *, const struct target_rule **rule);

/* filter.c */
int filter_read(struct filter *,
    void (*tell)(void *teller, enum log_level, const char *text), void *teller);
void filter_free(struct filter *);
bool filter_refuses(const struct filter *, const struct request *,
    const char *head, char text[URL_SIZE], unsigned long *line);

/* acl.c */
enum verdict acl_client(
    const struct conf *, const struct addr *client, size_t *rule);
enum verdict acl_answer(const struct rule *, bool matches, bool failed);
bool acl_name_matches(const char *rule, const char *name);
bool acl_port(const struct conf *, uint16_t port);
bool acl_name(const char *name, const struct addr *client);
bool acl_is_loopback(const struct addr *, unsigned bits);
bool acl_target(const struct conf *, const char *name,
    const struct addr *target, const struct asker *,
    const struct target_rule **rule);
const char *acl_floor(const struct addr *target, const struct asker *,
    const struct target_rule *rule);
const char *acl_user(const struct conf *, const char name[CREDENTIAL_SIZE],
    const char password[CREDENTIAL_SIZE]);

/* reverse.c */
enum { REVERSE_COOKIE_SIZE = 512 /* bytes of a Set-Cookie, with its NUL */ };

const char *reverse_add(
    struct reverse *, unsigned long line, const char *path, const char *url);
const struct mapping *reverse_hidden(const struct reverse *);
const char *reverse_base(struct reverse *, const char *text);
void reverse_free(struct reverse *);
void reverse_map(
    const struct reverse *, struct request *, char **head, size_t *len);
const char *reverse_refuses(const struct reverse *, const struct request *,
    const char *target, int *status);
void reverse_cookie(const struct mapping *, char text[REVERSE_COOKIE_SIZE]);
const struct mapping *reverse_location(const struct reverse *,
    const struct mapping *, const char *url, size_t len, size_t *skip);

/* page.c */

/* What a {name} in a template stands for; NULL: it stays as it is. */
struct page_value {
	const char *name;
	const char *value;
};

int page_read(struct page *, const char *path);
void page_free(struct page *);
size_t page_fill(char out[PAGE_MAX], const char *text, size_t len,
    const struct page_value *values, size_t nvalues);

/* reply.c */

/* A reply of our own, and what its page may say.  Only status must be there. */
struct reply {
	int status;
	const char *error;   /* one of RFC 9209's types with its parameters */
	const char *detail;  /* a sentence */
	const char *why;     /* what the system says of it */
	const char *request; /* the request line */
	const char *target;  /* as asked */
	const struct addr *client;
	const struct stats *stats; /* the page shows these */
	const char *location;      /* of a 301, of the configuration */
	bool bodiless; /* the page is left out, as an answer to HEAD has it */
};

size_t reply_make(const char **text, const struct reply *, const struct conf *);
const char *reply_reason(int status);
extern const char reply_established[];
extern const size_t reply_established_len;

/* log.c */

/* Where lines go. The descriptors are -1 where there is nothing to write. */
struct logs {
	int fd;
	int access;
	bool syslog;
	enum log_level level;
	bool bare; /* no time and level, for standard error at the start */
};

/* What the access log says of a connection that has ended. */
struct record {
	const struct addr *client;
	const char *user;   /* or NULL */
	const char *target; /* as asked, or NULL */
	const struct addr *dialled;
	int status; /* 0: no answer was sent */
	const char *reason;
	uint64_t up, down; /* bytes */
	int64_t ms;
};

void log_init(bool foreground);
const char *log_open(struct logs *, const struct conf *, bool foreground);
void log_detach(void);
void log_close(struct logs *);
void log_use(const struct logs *);
void log_line(enum log_level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_batch(void);
int64_t log_due(void);
void log_flush(void);
bool log_wants(enum log_level);
void log_access(const struct record *);
size_t log_escape(char *out, size_t size, const char *text, size_t len);

/* path.c */
int path_append(const char *path);
int path_create(const char *path);
int path_remove(const char *path, int fd);

/* sys.c */
enum sys_dir { SYS_DIR_FOLLOW, SYS_DIR_NOFOLLOW };

void sys_close_from(int first);
int sys_accept(int listener, struct sockaddr_storage *);
int sys_socket(int family);
bool sys_accept_inherits(void);
bool sys_tells_failures(void);
void sys_accept_late(int listener, bool on);
void sys_bind_late(int fd);
int sys_reuseport(int fd, bool on);
int sys_unsent(int fd);
int sys_pipe(int fds[2], int size);
ssize_t sys_splice(int from, int to, size_t len);
int sys_drop(uid_t, gid_t);
int sys_chroot(const char *dir);
int sys_syslog_open(void);
int sys_syslog_connect(int fd);
int sys_syslog_send(int fd, const char *line, size_t len);
void *sys_share(size_t);
int sys_random(void *to, size_t len);
bool sys_has_crypt(void);
char *sys_crypt(const char *password, const char *setting);
int sys_bell(int bell[2]);
void sys_bell_ring(int fd);
void sys_bell_hear(int fd);
unsigned sys_processors(void);
void sys_die_with_parent(void);
int sys_open_dir(int at, const char *name, enum sys_dir);
int sys_send(int fd, const void *message, size_t, const int *fds, size_t nfds);
ssize_t sys_receive(int fd, void *message, size_t, int *fds, size_t nfds);

/* Sizes of the tables of quota.c. */
enum {
	QUOTA_WAYS = 8,        /* places in a set */
	QUOTA_SETS = 32768,    /* for what is counted */
	QUOTA_DEBT_SETS = 8192 /* for debts */
};

/* What one address owes: quota.c */
struct share_debt {
	atomic_ullong key;
	atomic_llong paid; /* us: when it is paid */
};

/* What is counted, by each worker and in all; adit.conf(5) has the meanings. */
enum tally { TALLY_REQUESTS, TALLY_BAD, TALLY_DENIED, TALLY_REFUSED, TALLIES };

struct stats {
	uint64_t open; /* connections now */
	uint64_t tally[TALLIES];
};

/* What all processes count together; each slot has one writer. */
struct share {
	char token[TOKEN_SIZE]; /* tells this proxy from all others */
	/* Connections of ours that might come back to us: own.c. */
	atomic_llong made_until; /* ms: there are none after this */
	_Atomic uint64_t made[MADE_MAX];
	atomic_llong full_logged; /* ms: when "too many clients" was logged */
	atomic_uint nslots;       /* those from here on were never used */
	struct share_slot {
		_Alignas(64) atomic_uint clients;
		atomic_uint state; /* enum slot_state */
		atomic_uint hosts; /* words in counts, at most */
		/* Whoever has a generation's baton passes it on: baton.c */
		_Alignas(64) atomic_uint baton;
		_Alignas(64) _Atomic uint64_t tally[TALLIES]; /* stats.c */
	} slots[SLOTS_MAX];
	_Alignas(64) atomic_ullong counts[QUOTA_SETS][QUOTA_WAYS];
	_Alignas(64) struct share_debt debts[QUOTA_DEBT_SETS][QUOTA_WAYS];
};

/* What a worker does, as far as others have to know. */
enum slot_state {
	SLOT_AWAY,  /* it takes no clients for now */
	SLOT_READY, /* it can listen, or does */
	SLOT_RESTS  /* it listens again when anybody's client leaves */
};

/* A message from the master to a child, and back. */
enum order { ORDER_LISTEN, ORDER_LOOK, ORDER_LOGS, ORDER_DRAIN };
enum note { NOTE_READY, NOTE_DRAINED, NOTE_HELPER };

struct order_message {
	enum order order;
	/* ORDER_LOGS: which descriptors are sent along, and the rest. */
	bool log, access, syslog;
	enum log_level level;
	/* ORDER_DRAIN: a bit for each listener that nobody else listens to. */
	uint64_t abandoned;
};

_Static_assert(LISTEN_MAX <= 64, "each listener has a bit");

struct note_message {
	enum note note;
	/* NOTE_HELPER: it has died; what waitpid() said. */
	pid_t pid;
	int status;
};

/* Questions to the desk, and its answers; only what is used of them is sent. */
enum desk { DESK_HOSTS, DESK_NAMES, DESK_USERS, DESKS };
enum question_kind { QUESTION_NAME, QUESTION_CLIENT, QUESTION_USER };

/* Who asked: an answer for somebody who is gone finds nobody. */
struct ticket {
	pid_t pid;
	uint32_t worker, desk, place, serial;
};

struct question {
	struct ticket ticket;
	enum question_kind kind;
	struct addr client; /* QUESTION_CLIENT */
	uint32_t len;       /* of the text, with its NULs */
	/* The name, the rule, or the user; that has a password behind it. */
	char text[2 * CREDENTIAL_SIZE];
};

struct answer {
	struct ticket ticket;
	int error;    /* 0, or one of getaddrinfo()'s */
	bool matches; /* QUESTION_CLIENT, QUESTION_USER */
	uint32_t naddrs;
	struct addr addrs[ADDRS_MAX];
};

/* baton.c */
enum { NOBODY = 0xffff /* no worker has this number */ };

/* Who listens.  It owns the bells; those not open here are -1. */
struct baton {
	struct share *share;
	size_t nworkers;
	size_t slots[WORKERS_MAX]; /* of the workers, in the share */
	int bells[WORKERS_MAX][2]; /* heard at 0, rung at 1 */
};

void baton_init(struct baton *, struct share *);
int baton_add(struct baton *, size_t slot);
void baton_close(struct baton *);
void baton_keep(struct baton *, uint32_t me);
uint32_t baton_holder(const struct baton *);
void baton_give(const struct baton *, uint32_t worker);
void baton_pass(const struct baton *, uint32_t me, uint32_t to);
void baton_ring(const struct baton *, uint32_t worker);
void baton_hear(const struct baton *, uint32_t me);
enum slot_state baton_state(
    const struct baton *, uint32_t worker, enum slot_state);
enum slot_state baton_state_of(const struct baton *, uint32_t worker);
unsigned baton_load(const struct baton *, uint32_t worker);
void baton_forget(const struct baton *, uint32_t worker);
uint32_t baton_next(
    const struct baton *, uint32_t me, size_t max_conns, uint64_t *bound);

/* What a worker is given. Everything stays the caller's. */
struct worker_args {
	const struct conf *conf;
	struct share *share;
	size_t slot; /* its place in the share */
	const struct baton *baton;
	uint32_t index;   /* its place among the workers */
	int master;       /* orders come, notes go; end of file: leave */
	int desks[DESKS]; /* where questions go */
	int answers;      /* where answers come from */
	struct logs logs;
	const int *listeners;
	const struct addr *listening; /* what they are bound to */
	size_t nlisteners;
	size_t max_conns;     /* connections its descriptors allow */
	size_t max_pipes;     /* and pipes */
	size_t max_questions; /* at a desk at once */
};

/* stats.c */
void stats_init(struct share *, size_t slot);
void stats_count(enum tally);
void stats_count_error(const char *error);
void stats_sum(struct stats *);
bool stats_asked(const struct stat_host *, const struct request *);

/* own.c */
void own_init(const struct worker_args *);
bool own_socket(const struct addr *);
bool own_via(const struct request *, const char *head);
bool own_via_entry(char text[OWN_VIA_SIZE], bool minor);
int own_via_field(char **field, const struct request *, const char *head);
void own_remember(int fd, const struct addr *to);
bool own_made(const struct addr *from);

/* parent.c */
enum parent_state {
	PARENT_SENDS, /* what stands in bytes */
	PARENT_READS,
	PARENT_AGREED,  /* the tunnel stands */
	PARENT_REFUSED, /* it does not want this target */
	PARENT_BROKEN   /* it is of no use */
};

/* What is said to a parent until the tunnel through it stands. */
struct parent {
	enum parent_state state;
	int step; /* the message that is awaited */
	const struct upstream *upstream;
	const struct request *request;
	const char *via;
	int status; /* PARENT_REFUSED, PARENT_BROKEN: what to answer */
	const char *error, *detail;
	size_t at, len;   /* of bytes */
	size_t scanned;   /* of a head: bytes known to hold no end */
	unsigned interim; /* heads that said only that one will come */
	char bytes[PARENT_SIZE];
};

size_t parent_credentials(char *out, const struct upstream *);
void parent_begin(struct parent *, const struct upstream *,
    const struct request *, const char *via);
enum parent_state parent_take(struct parent *);
enum parent_state parent_talk(struct parent *, int fd);

/* quota.c */
enum quota_kind {
	QUOTA_CONNECTIONS, /* new ones, for MaxRatePerHost */
	QUOTA_REFUSALS,    /* of those above it, with an answer */
	QUOTA_FAILURES,    /* to log in */
	QUOTA_WAITERS,     /* those who have to wait for that, at once */
	QUOTA_CHECKS,      /* passwords that are being checked, at once */
	QUOTA_KINDS
};

int quota_init(struct share *);
void quota_begin(const struct worker_args *);
bool quota_enter(const struct addr *client, bool *counted);
void quota_leave(const struct addr *client);
void quota_forget(size_t slot);
int64_t quota_wait(enum quota_kind, const struct addr *client);
int64_t quota_take(enum quota_kind, const struct addr *client);
void quota_charge(enum quota_kind, const struct addr *client, int n);

/* forward.c */
enum forward_state {
	FORWARD_GOES_ON,
	FORWARD_DONE,
	FORWARD_SWITCHED,
	FORWARD_BAD_REQUEST,
	FORWARD_CLIENT_LOST,
	FORWARD_SERVER_LOST
};

/* One request and its answer. */
struct exchange {
	struct request request;
	char *head; /* owned: that of the request and what came behind */
	size_t len;
	const struct upstream *upstream; /* who gets whole URLs, or NULL */
	const struct reverse *reverse;   /* the configuration's */
	struct body up, down;
	char *bytes; /* owned: a part of the head of the answer, or NULL */
	size_t bytes_len, size;
	unsigned interim; /* answers that said that another one will come */
	struct http_answer answer;
	bool answered; /* the head of the answer is with the client */
	bool over;     /* the client has the answer, and has not sent all */
	bool keep;     /* more requests may come */
	bool cut;      /* the server was reset, and may not have said all */
	bool upgrade;  /* the client wants to change to another protocol */
	char *next;    /* owned: what came behind the content, or NULL */
	size_t next_len;
	const char *why; /* FORWARD_SERVER_LOST */
};

/* conn.c */

/* The sides of a connection, and the attempts to reach the server. */
enum side { CLIENT, SERVER, ATTEMPT };

enum conn_state {
	CONN_FREE,
	CONN_RULE,    /* a rule for names is looked up for the client */
	CONN_REQUEST, /* the head is read */
	CONN_USER,    /* its credentials are checked */
	CONN_RESOLVE, /* the name is looked up */
	CONN_CONNECT, /* its addresses are tried */
	CONN_PARENT,  /* a parent proxy is asked for the tunnel */
	CONN_FORWARD, /* a request goes on, and its answer comes back */
	CONN_RELAY,   /* the tunnel stands */
	CONN_FLUSH,   /* a side is lost; the other gets what it is owed */
	CONN_LINGER   /* refused; the client may read why, and close */
};

/* Why a connection ends; adit(8) has the words. */
enum ending {
	END_CLOSED,    /* both sides had said all; the others are resets */
	END_FORWARDED, /* the client has its answer */
	END_CLIENT_RESET,
	END_SERVER_RESET,
	END_CLIENT_LEFT,
	END_REFUSED,
	END_IDLE,
	END_LIFETIME,
	END_DRAINED,
	END_STOPPED
};

/* One end of a connection; fd and slot are -1 when there is none. */
struct end {
	int fd;
	int slot;      /* in the poll set */
	bool hung_up;  /* both directions have ended; poll() says so for ever */
	bool enrolled; /* known to the lot, parked or not */
};

/* One direction of a tunnel, named after the side that it comes from. */
struct flow {
	/* Owned, and NULL when there is none: what the other side would not
	 * take yet, in memory or in a pipe, never in both. */
	char *kept;
	struct pipe *pipe;
	uint32_t at, len; /* of kept */
	uint32_t size;    /* bytes to read at once */
	bool spliced;     /* not copied, if there is a pipe */
	bool eof;         /* the source has ended */
	bool shut;        /* and the other side was told */
	uint64_t bytes;   /* received */
};

/* The race for a server, RFC 8305. */
struct race {
	struct addr addrs[ADDRS_MAX];
	unsigned naddrs, next;
	struct attempt {
		struct end end;
		unsigned addr;
	} attempts[RACE_MAX];
	unsigned nattempts; /* slots in use, with holes of fd -1 */
	int error;          /* errno of the most telling failure */
	int64_t next_at;    /* ms: when the next attempt is due */
};

/* What a client says to be; both names are padded with NULs. */
struct credentials {
	struct digest digest; /* of both */
	int64_t check_at;     /* ms: not before that */
	int64_t until;        /* ms: it must be done by then, or 0 */
	bool waits;           /* counts among QUOTA_WAITERS */
	char user[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE];
};

/* What a connection needs only until its tunnel stands. */
struct setup {
	struct request request;
	char *head; /* owned: an incomplete head */
	size_t head_len, head_size;
	size_t rule;    /* CONN_RULE: the rule asked about */
	enum desk desk; /* where it asks or has asked */
	enum question_kind kind;
	const char *name;
	struct credentials *credentials; /* owned; CONN_USER */
	struct list *list; /* of those who wait with it, or NULL */
	struct conn *next, *prev;
	int64_t left_at; /* ms: the client counts as gone then, or 0 */
	bool deaf;       /* the client is not listened to for now */
	const struct upstream *upstream; /* the parent that is tried, or NULL */
	uint64_t tried;                  /* those that were, a bit for each */
	int64_t give_up_at;    /* ms: then the next one is tried, or 0 */
	struct parent *parent; /* owned: CONN_PARENT */
	char *via;             /* owned: the Via for it, or NULL */
	struct race race;
};

/*
 * A connection. It owns its descriptors, the setup, what the flows keep and
 * the target; times are in ms of the monotonic clock.
 */
struct conn {
	enum conn_state state;
	enum side lost; /* CONN_FLUSH */
	bool parked;    /* in the lot, not in the poll set */
	bool counted;   /* for MaxClientsPerHost */
	char minor;     /* of the request's HTTP version, a digit */
	bool recorded;  /* its last request is over, and has its record */
	uint32_t turn;  /* of the loop, when it was active last */
	struct end end[2];
	struct flow flow[2];
	struct addr client, server;
	struct setup *setup;
	struct exchange *exchange; /* owned: plain HTTP */
	char *target;              /* as asked */
	const char *user;  /* the configuration's, once it is known, or NULL */
	const char *error; /* refused: one of RFC 9209's types, or what else */
	int status;
	uint32_t rest[2]; /* us, RateLimit: when a side is read again */
	int64_t began, since, active; /* accepted; state entered; last byte */
	int64_t deadline, alarm;      /* when due; when the heap has it */
	size_t heap_at;               /* its place among the deadlines, or 0 */
	size_t lot_at;                /* its place in a lot that has places */
	struct conn *next_free;
};

int conn_init(const struct worker_args *);
size_t conn_count(void);
int64_t conn_ended_at(void);
size_t conn_unsettled(void);
void conn_event(struct conn *, unsigned which, short revents);
void conn_expire(struct conn *);
void conn_answer(struct conn *, const struct answer *);
void conn_wake_parked(void);
void conn_park_quiet(void);
int64_t conn_park_at(void);
void conn_drain(void);
void conn_close_all(enum ending);

/* relay.c */
enum relay_state { RELAY_GOES_ON, RELAY_DONE, RELAY_LOST };

void relay_limit(unsigned rate);
int64_t relay_resumes(const struct conn *);
short relay_events(const struct conn *, enum side);
enum relay_state relay_ready(
    struct conn *, enum side, short revents, enum side *lost);
enum relay_state relay_flush(struct conn *, enum side, enum side *lost);
size_t relay_most(size_t);
bool relay_rests(const struct conn *, enum side);
void relay_charge(struct conn *, enum side, size_t got);
int relay_pass(struct conn *, enum side, const char *bytes, size_t);
void relay_drop(struct conn *, enum side);
int relay_keep(struct conn *, enum side, const char *bytes, size_t);
bool relay_holds(const struct conn *, enum side);
bool relay_owes(const struct conn *, enum side);
void relay_quiet(struct conn *);
void relay_free(struct conn *);
void socket_linger(int fd, bool gracefully);

/* conn.c, for the files that have a part in a connection's life */
struct conn *conn_new(int fd, const struct addr *client);
int conn_setup_new(struct conn *);
void conn_setup_free(struct conn *);
bool conn_has_room(void);
void conn_state(struct conn *, enum conn_state);
void conn_watch(struct conn *);
void conn_busy(struct conn *);
void conn_look_soon(void);
void conn_establish(struct conn *);
void conn_relayed(struct conn *, enum relay_state, enum side lost);
void conn_lost(struct conn *, enum side lost);
void conn_reply(struct conn *, struct reply *);
void conn_refuse(
    struct conn *, int status, const char *error, const char *detail);
void conn_no_memory(struct conn *);
void conn_server_close(struct conn *);
void conn_record(const struct conn *, enum ending);
void conn_close(struct conn *, enum ending);

/* client.c */
void client_init(const struct conf *);
void client_accepted(int fd, const struct sockaddr_storage *from);
void client_named(struct conn *, const struct answer *);
void client_deny(struct conn *);

/* request.c */
void request_init(const struct conf *);
void request_read(struct conn *);
int request_follow(struct conn *, char *bytes, size_t len);
void request_answer(struct conn *, const struct answer *);
void request_expire(struct conn *);

/* reach.c */

/* Why a server cannot be had, and what the client is told of it. */
struct failure {
	int error; /* errno, where it is one */
	int status;
	const char *type;
	const char *what; /* "... does not resolve." */
};

int reach_init(const struct conf *);
bool reach_under_way(enum conn_state);
int64_t reach_until(const struct conn *);
void reach_route(struct conn *);
void reach_answer(struct conn *, const struct answer *);
void reach_event(struct conn *, unsigned which, short revents);
void reach_expire(struct conn *);
void reach_failed(
    struct conn *, const struct failure *, const char *task, const char *why);

/* exchange.c */
void exchange_init(const struct conf *);
void exchange_start(struct conn *);
void exchange_here(struct conn *);
void exchange_event(struct conn *, enum side, short revents);
void exchange_expire(struct conn *);

/* auth.c */
enum auth_wait { AUTH_NOW, AUTH_LATER, AUTH_NEVER };

bool auth_wanted(const struct conf *);
enum verdict auth_begin(
    struct conn *, const struct conf *, const char *value, size_t len);
enum auth_wait auth_delay(struct conn *, const struct conf *);
enum verdict auth_check(struct conn *, const struct conf *);
bool auth_crowded(struct conn *);
bool auth_end(struct conn *, const struct conf *, const struct answer *);
void auth_forget(struct conn *);

/* forward.c */
struct exchange *forward_new(
    const struct request *, const char *head, size_t len);
void forward_free(struct exchange *);
enum forward_state forward_begin(
    struct conn *, const struct upstream *, const struct conf *);
enum forward_state forward_reply(struct conn *);
bool forward_ends_here(const struct exchange *);
short forward_events(const struct conn *, enum side);
enum forward_state forward_ready(struct conn *, enum side, short revents);

/* worker.c */
_Noreturn void worker_run(const struct worker_args *);

/* resolve.c */
void resolve_init(const struct worker_args *);
void resolve_ask(struct conn *, enum question_kind, const char *name);
void resolve_ask_user(struct conn *);
bool resolve_joins(struct conn *);
bool resolve_ask_on(struct conn *);
void resolve_cancel(struct conn *);
bool resolve_waiting(enum desk);
void resolve_send(enum desk);
void resolve_receive(void);

/* upstream.c */
const char *upstream_add(struct upstreams *, unsigned long line, char *text);
void upstream_free(struct upstreams *);
int upstream_init(const struct upstreams *);
const struct upstream *upstream_pick(
    const struct upstreams *, const struct request *, uint64_t *tried);
unsigned upstream_left(
    const struct upstreams *, const struct request *, uint64_t tried);
void upstream_dead(const struct upstreams *, const struct upstream *);
void upstream_alive(const struct upstreams *, const struct upstream *);
const char *upstream_kind(const struct upstream *);
bool upstream_has_substitute(const struct upstreams *, const struct upstream *);

/* cache.c */
const struct addr *cache_find(const char *name, size_t *naddrs);
void cache_put(const char *name, const struct addr *, size_t naddrs);
void cache_forget(const char *name);
bool cache_find_client(
    const char *rule, const struct addr *client, bool *matches);
void cache_put_client(
    const char *rule, const struct addr *client, bool matches);
void cache_tidy(void);
int64_t cache_tidy_at(void);

/* desk.c */

/* What the desk is given. Everything stays the caller's. */
struct desk_args {
	int master;           /* notes go; end of file: leave */
	int questions[DESKS]; /* where they come from */
	const int *answers;   /* where they go, for each worker */
	size_t nworkers;
	unsigned connect_timeout; /* s: who waits longer has left */
	struct logins *logins;    /* for those helpers that check passwords */
};

_Noreturn void desk_run(const struct desk_args *);
int question_send(int fd, const struct question *);
bool question_fits(const struct question *, ssize_t len);
const char *question_password(const struct question *);
void question_wipe(struct question *);
int answer_send(int fd, const struct answer *);
int answer_receive(int fd, struct answer *);

/* hosts.c */
bool hosts_answer(const struct question *, struct answer *);

/* helper.c */
void helper_answer(const struct question *, struct answer *);
_Noreturn void helper_run(int desk, const struct logins *);

/* quote.c */
enum { QUOTE_SIZE = 200 /* bytes of a line that is shown, with its NUL */ };

bool quote_line(const struct conf *, unsigned long line, char text[QUOTE_SIZE]);
bool quote_pattern(
    const struct filter *, unsigned long line, char text[QUOTE_SIZE]);
unsigned long quote_find(
    const struct conf *, const char *directive, const char *word);

/* explain.c */
bool explain(const struct conf *, const struct addr *client, const char *user,
    const char *target);

/* notes.c */
void notes_print(const struct conf *);

/* gen.c */
enum gen_state { GEN_STARTING, GEN_LIVE, GEN_DRAINING, GEN_FAILED };

/* A worker or the desk; pid and control are -1 while there is none. */
struct child {
	pid_t pid;
	int control; /* the master's end */
	size_t slot; /* workers: in the share */
	bool ready, drained;
	int64_t started, restart_at; /* ms; restart_at 0: no restart is due */
	int delay;                   /* ms to wait if it dies soon again */
};

/*
 * A configuration with its sockets, logs and children. It owns all of them.
 */
struct gen {
	struct gen *next;
	enum gen_state state;
	bool stopped;    /* its children were told to end */
	int status;      /* GEN_FAILED: what to exit with */
	bool announced;  /* GEN_DRAINING: that its workers left the sockets */
	int64_t kill_at; /* GEN_DRAINING: ms, the end of patience */
	struct conf *conf;
	struct logs logs;
	uid_t uid;
	gid_t gid;
	bool drop; /* the children change to uid and gid */
	int listeners[LISTEN_MAX];
	struct addr listening[LISTEN_MAX];
	size_t nlisteners;
	bool given; /* by the service manager, whatever Port and Listen say */
	size_t max_conns, max_pipes; /* of one worker */
	int desks[DESKS][2];         /* questions go in at 0, out at 1 */
	int answers[WORKERS_MAX][2]; /* answers likewise */
	struct baton baton;
	int64_t look_at; /* ms: when to look whether clients wait */
	bool waiting;    /* some did at the last look */
	struct child children[CHILDREN_MAX]; /* workers, then the desk */
	size_t nworkers, nchildren;
};

struct gen *gen_new(struct conf *, struct share *);
int gen_identity(struct gen *);
size_t gen_addresses(const struct conf *, struct addr at[LISTEN_MAX]);
int gen_listen(struct gen *, struct gen *old);
int gen_start(struct gen *, int64_t now);
void gen_drain(struct gen *, const struct gen *successor, int64_t now);
void gen_accept(struct gen *);
void gen_logs(const struct gen *, const struct logs *);
void gen_stop(struct gen *, bool kill_all);
void gen_restart(struct gen *, int64_t now);
int64_t gen_restart_next(const struct gen *);
size_t gen_watch(const struct gen *, struct pollfd *);
void gen_notes(struct gen *);
bool gen_reap(struct gen *, pid_t, int status, int64_t now);
bool gen_ready(const struct gen *);
bool gen_drained(const struct gen *);
bool gen_over(const struct gen *);
bool gen_empty(const struct gen *);
struct gen *gen_first(void);
void gen_free(struct gen *);
void gen_private(int *fd);

/* service.c */
enum { SERVICE_FIRST = 3 /* descriptors that are handed over begin here */ };

size_t service_init(void);
size_t service_sockets(void);
int service_socket(size_t i, struct addr *at);
void service_ready(void);
void service_reloading(void);
void service_stopping(void);

/* loop.c */
int loop_init(size_t max_conns);
size_t watch_max(size_t max_conns);
int64_t loop_clock(void);
int64_t loop_now(void);
int watch_add(int fd, short events, struct conn *, unsigned which, int *slot);
void watch_set(int slot, short events);
void watch_remove(int *slot);
size_t watch_count(void);
int watch_poll(int timeout);
short watch_take(size_t at, struct conn **, unsigned *which);
struct conn *watch_conn(size_t at);
void deadline_set(struct conn *, int64_t when);
void deadline_clear(struct conn *);
struct conn *deadline_due(void);
int64_t deadline_next(void);

/* lot.c */
int lot_init(size_t max_conns);
int lot_fd(void);
int lot_park(struct conn *, const int events[2]);
void lot_leave(struct conn *);
int lot_poll(struct pollfd *set, size_t n, int timeout);
size_t lot_woken(struct conn **conns, size_t max);

/* dial.c */
enum race_state { RACE_RUNS, RACE_WON, RACE_LOST };

void race_init(struct race *, const struct addr *addrs, size_t n);
enum race_state race_start(struct conn *, const struct conf *, int64_t now);
enum race_state race_event(struct conn *, const struct conf *, unsigned which,
    short revents, int64_t now);
void race_end(struct race *);

/* pipe.c */
struct pipe {
	int in, out; /* -1: it is not open */
	size_t len;  /* bytes in it */
	struct pipe *next;
};

void pipe_init(size_t max);
struct pipe *pipe_take(void);
void pipe_give(struct pipe *);
void pipe_rest(void);
ssize_t pipe_fill(struct pipe *, int from, size_t max);
int pipe_drain(struct pipe *, int to);
#endif
