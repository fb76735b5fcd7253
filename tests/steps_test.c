/* SPDX-License-Identifier: ISC */
/* LINK: all */
/*
 * Tests the steps of a connection with a table: what a client, a server or the
 * desk does, and the state that must follow.  Each row is one connection, in a
 * process of its own, with real sockets on loopback.  Its clock moves only
 * where the table says so.
 */
#define _GNU_SOURCE

#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "parking.h"
#include "world.h"

const char program[] = "steps_test", program_conf[] = "";

enum action {
	DONE,       /* the row ends */
	SAYS,       /* the client sends the text */
	GREETS,     /* the client sends a TLS hello for the name in the text */
	ENDS,       /* the client has said all */
	RESETS,     /* the client is reset */
	ANSWERS,    /* the server or parent sends the text */
	CLOSES,     /* and closes */
	BREAKS,     /* and is reset */
	KNOWS,      /* the desk has the address of the server */
	LACKS,      /* the desk has none: the name does not exist */
	AGREES,     /* the desk says yes: the name, or the password */
	DENIES,     /* the desk says no */
	WAITS,      /* so many ms pass */
	SAYS_LATER, /* the same, and the client has said something meanwhile */
	SAYS_AWAY, /* the client says the text, and the server comes and goes */
	SAYS_ALL,  /* the client says the text, and nothing more */
	SAYS_CLOSED, /* the same, and the server closes before it is seen */
	SAYS_LOST,   /* the server gets the text, and closes */
	SAYS_MORE,   /* the server says OK again before the text is seen */
	MADE,        /* the server has got so many connections */
	KEEPS,       /* whether a connection to the server is open: 0 or 1 */
	ENDED,       /* the server's connection has ended, without a reset */
	OWES,  /* there were eight wrong passwords from the client's address */
	DRAINS /* the worker is to serve nobody once more */
};

struct step {
	enum action action;
	const char *text;
	enum conn_state after;
	const char *got; /* what the client got must have this; or NULL */
};

#define CONNECT_NAME "CONNECT h.test:PORT HTTP/1.1\r\nHost: h\r\n\r\n"
#define CONNECT_IP "CONNECT 127.0.0.1:PORT HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET "GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_NAME "GET http://h.test:PORT/ HTTP/1.1\r\nHost: h\r\n\r\n"
#define A_512 A_64 A_64 A_64 A_64 A_64 A_64 A_64 A_64
#define GET_LONG                                                               \
	"GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                   \
	"A: " A_512 A_512 A_512 "\r\n\r\n"
#define GET_WITH                                                               \
	"GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                   \
	"Content-Length: 1\r\n\r\nx"
#define GET_AS(credentials)                                                    \
	"GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                   \
	"Proxy-Authorization: Basic " credentials "\r\n\r\n"
#define HEAD "HEAD http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n\r\n"
#define GET_CLOSE                                                              \
	"GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                   \
	"Connection: close\r\n\r\n"
#define POST_CLOSE                                                             \
	"POST http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                  \
	"Connection: close\r\nContent-Length: 1\r\n\r\nx"
#define DELETE "DELETE http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST                                                                   \
	"POST http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                  \
	"Content-Length: 1\r\n\r\nx"
#define POST_HALF                                                              \
	"POST http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                  \
	"Content-Length: 2\r\n\r\nx"
#define UPGRADE                                                                \
	"GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"                   \
	"Connection: upgrade\r\nUpgrade: x\r\n\r\n"
#define LOGIN                                                                  \
	"CONNECT 127.0.0.1:PORT HTTP/1.1\r\nHost: h\r\n"                       \
	"Proxy-Authorization: Basic dTpw\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
#define A_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
/* As long as one read with RateLimit 1024. */
#define OK_128                                                                 \
	"HTTP/1.1 200 OK\r\nContent-Length: 89\r\n\r\n" A_64                   \
	"aaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECOND "HTTP/1.1 201 Second\r\nContent-Length: 1\r\n\r\ny"
#define INTERIM "HTTP/1.1 103 Early\r\n\r\n"
#define GOT_OK "HTTP/1.1 200 "
#define GOT_SECOND "HTTP/1.1 201 "
#define PARENT "Upstream http 127.0.0.1:PORT\n"
#define USERS "AuthFile \"USERS\"\n"

/* first is the state of a connection right after it was accepted. */
static const struct row {
	const char *name, *conf;
	enum conn_state first;
	const char *got;
	struct step steps[8];
} rows[] = { { "a client of a TransparentPort that leaves", "", CONN_NAME, NULL,
		 { { ENDS, NULL, CONN_FREE, NULL } } },
	{ "a hello stands for a request", "", CONN_NAME, NULL,
	    { { GREETS, "h.test", CONN_RESOLVE, NULL },
		{ RESETS, NULL, CONN_FREE, NULL } } },
	{ "a hello for a name that does not exist", "", CONN_NAME, NULL,
	    { { GREETS, "h.test", CONN_RESOLVE, NULL },
		{ LACKS, NULL, CONN_LINGER, NULL } } },
	{ "a hello for what is no name", "", CONN_NAME, NULL,
	    { { GREETS, "127.1", CONN_LINGER, "\025\003" } } },
	{ "a hello for an address", "", CONN_NAME, NULL,
	    { { GREETS, "127.0.0.1", CONN_LINGER, "\025\003" } } },
	{ "a hello that does not come in time", "", CONN_NAME, NULL,
	    { { SAYS, "\026\003\001", CONN_NAME, NULL },
		{ WAITS, "29999", CONN_NAME, NULL },
		{ WAITS, "1", CONN_LINGER, NULL } } },
	{ "a hello that ends too early", "", CONN_NAME, NULL,
	    { { SAYS, "\026\003\001", CONN_NAME, NULL },
		{ ENDS, NULL, CONN_FREE, NULL } } },
	{ "a client that does not speak TLS", "", CONN_NAME, NULL,
	    { { SAYS, "SSH-2.0-x\r\n", CONN_LINGER, NULL } } },
	{ "a client that no rule refuses is served", "", CONN_REQUEST, NULL,
	    { { ENDS, NULL, CONN_FREE, NULL } } },
	{ "a client that a rule denies is told so", "Deny 127.0.0.1\n",
	    CONN_LINGER, "HTTP/1.1 403 ", { { ENDS, NULL, CONN_FREE, NULL } } },
	{ "a name in an Allow that matches", "Allow c.test\n", CONN_RULE, NULL,
	    { { AGREES, NULL, CONN_REQUEST, NULL } } },
	{ "a name in an Allow that does not match", "Allow c.test\n", CONN_RULE,
	    NULL, { { DENIES, NULL, CONN_LINGER, "HTTP/1.1 403 " } } },
	{ "a name in an Allow that is not looked up in time", "Allow c.test\n",
	    CONN_RULE, NULL,
	    { { WAITS, "29999", CONN_RULE, NULL },
		{ WAITS, "1", CONN_LINGER, "HTTP/1.1 403 " } } },
	{ "a client that leaves during the look-up of a rule", "Allow c.test\n",
	    CONN_RULE, NULL, { { RESETS, NULL, CONN_FREE, NULL } } },
	{ "a head in pieces", "", CONN_REQUEST, NULL,
	    { { SAYS, "CONNECT 127.0.0.1:PO", CONN_REQUEST, NULL },
		{ SAYS, "RT HTTP/1.1\r\n", CONN_LINGER, "HTTP/1.1 400 " } } },
	{ "a head that does not come in time", "", CONN_REQUEST, NULL,
	    { { SAYS, "GET ", CONN_REQUEST, NULL },
		{ WAITS, "29999", CONN_REQUEST, NULL },
		{ WAITS, "1", CONN_LINGER, "HTTP/1.1 408 " } } },
	{ "a head that ends too early", "", CONN_REQUEST, NULL,
	    { { SAYS, "GET ", CONN_REQUEST, NULL },
		{ ENDS, NULL, CONN_FREE, "HTTP/1.1 400 " } } },
	{ "a version that is not served", "", CONN_REQUEST, NULL,
	    { { SAYS, "GET http://h/ HTTP/2.0\r\n", CONN_LINGER,
		"HTTP/1.1 505 " } } },
	{ "a port that is not allowed", "ConnectPort 1\n", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_LINGER, "HTTP/1.1 403 " } } },
	{ "a target that is denied by name", "DenyTo h.test\n", CONN_REQUEST,
	    NULL, { { SAYS, CONNECT_NAME, CONN_LINGER, "HTTP/1.1 403 " } } },
	{ "a target that is denied by address", "DenyTo 127.0.0.1\n",
	    CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ KNOWS, NULL, CONN_LINGER, "HTTP/1.1 403 " } } },
	{ "a name that has the address of a server", "", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ KNOWS, NULL, CONN_RELAY, GOT_OK },
		{ ANSWERS, "x", CONN_RELAY, GOT_OK },
		{ ENDS, NULL, CONN_RELAY, GOT_OK },
		{ CLOSES, NULL, CONN_FREE, GOT_OK } } },
	{ "a name that does not exist", "", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ LACKS, NULL, CONN_LINGER, "HTTP/1.1 502 " } } },
	{ "a name that is not looked up in time", "ConnectTimeout 5\n",
	    CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ WAITS, "4999", CONN_RESOLVE, NULL },
		{ WAITS, "1", CONN_LINGER, "HTTP/1.1 504 " } } },
	{ "a client that leaves during the look-up", "", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ RESETS, NULL, CONN_FREE, NULL } } },
	{ "a client that has said all during the look-up", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ ENDS, NULL, CONN_RESOLVE, NULL },
		{ WAITS, "200", CONN_FREE, NULL } } },
	{ "a server that is not there", "", CONN_REQUEST, NULL,
	    { { SAYS, "CONNECT 127.0.0.1:CLOSED HTTP/1.1\r\nHost: h\r\n\r\n",
		CONN_LINGER, "HTTP/1.1 502 " } } },
	{ "a server that closes and is reset before it is looked at", "",
	    CONN_REQUEST, NULL,
	    { { SAYS_AWAY, CONNECT_IP, CONN_LINGER, "HTTP/1.1 502 " } } },
	{ "a server that does so before it gets a request", "", CONN_REQUEST,
	    NULL, { { SAYS_AWAY, GET, CONN_LINGER, "HTTP/1.1 502 " } } },
	{ "early data", "", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP "early", CONN_RELAY, GOT_OK } } },
	{ "a tunnel that is quiet", "Timeout 5\n", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP, CONN_RELAY, GOT_OK },
		{ WAITS, "4000", CONN_RELAY, NULL },
		{ SAYS, "x", CONN_RELAY, NULL },
		{ WAITS, "4999", CONN_RELAY, NULL },
		{ WAITS, "1", CONN_FREE, NULL } } },
	{ "a tunnel that has lived long enough", "TunnelTimeout 5\n",
	    CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP, CONN_RELAY, GOT_OK },
		{ WAITS, "4999", CONN_RELAY, NULL },
		{ WAITS, "1", CONN_FREE, NULL } } },
	{ "a tunnel whose server is reset", "", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP, CONN_RELAY, GOT_OK },
		{ BREAKS, NULL, CONN_FREE, NULL } } },
	{ "a tunnel with a rate limit", "RateLimit 1024\n", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP, CONN_RELAY, GOT_OK },
		{ SAYS, "x", CONN_RELAY, NULL },
		{ WAITS, "1000", CONN_RELAY, NULL },
		{ CLOSES, NULL, CONN_RELAY, NULL },
		{ ENDS, NULL, CONN_FREE, NULL } } },
	{ "a client that closes after a refusal", "ConnectPort 1\n",
	    CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP, CONN_LINGER, "HTTP/1.1 403 " },
		{ SAYS, "more", CONN_LINGER, NULL },
		{ ENDS, NULL, CONN_FREE, NULL } } },
	{ "a client that does not close after a refusal", "ConnectPort 1\n",
	    CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP, CONN_LINGER, "HTTP/1.1 403 " },
		{ WAITS, "1999", CONN_LINGER, NULL },
		{ WAITS, "1", CONN_FREE, NULL } } },
	{ "missing credentials", "BasicAuth u p\n", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_IP, CONN_LINGER, "HTTP/1.1 407 " } } },
	{ "wrong credentials", "BasicAuth u q\n", CONN_REQUEST, NULL,
	    { { SAYS, LOGIN, CONN_LINGER, "HTTP/1.1 407 " } } },
	{ "right credentials", "BasicAuth u p\n", CONN_REQUEST, NULL,
	    { { SAYS, LOGIN, CONN_RELAY, GOT_OK } } },
	{ "a password that the desk finds right", USERS, CONN_REQUEST, NULL,
	    { { SAYS, LOGIN, CONN_USER, NULL },
		{ AGREES, NULL, CONN_RELAY, GOT_OK } } },
	{ "a password that the desk finds wrong", USERS, CONN_REQUEST, NULL,
	    { { SAYS, LOGIN, CONN_USER, NULL },
		{ DENIES, NULL, CONN_LINGER, "HTTP/1.1 407 " } } },
	{ "a password that has to wait, and a client that says more", USERS,
	    CONN_REQUEST, NULL,
	    { { OWES, NULL, CONN_REQUEST, NULL },
		{ SAYS, LOGIN, CONN_USER, NULL },
		{ SAYS_LATER, "4000", CONN_USER, NULL },
		{ AGREES, NULL, CONN_RELAY, GOT_OK } } },
	{ "a password that is not checked in time", USERS, CONN_REQUEST, NULL,
	    { { SAYS, LOGIN, CONN_USER, NULL },
		{ WAITS, "30000", CONN_LINGER, "HTTP/1.1 503 " } } },
	{ "a client that leaves during the check of its password", USERS,
	    CONN_REQUEST, NULL,
	    { { SAYS, LOGIN, CONN_USER, NULL },
		{ RESETS, NULL, CONN_FREE, NULL } } },
	{ "a request, its answer, and another", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, "GET htt", CONN_REQUEST, NULL },
		{ SAYS, "p://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n\r\n",
		    CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ WAITS, "30000", CONN_FREE, NULL } } },
	{ "two requests at once", "", CONN_REQUEST, NULL,
	    { { SAYS, GET GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_FORWARD, GOT_OK },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ ENDS, NULL, CONN_FREE, NULL } } },
	{ "a worker that drains lets idle clients go", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ DRAINS, NULL, CONN_FREE, NULL } } },
	{ "a worker that drains lets a client have its answer", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ DRAINS, NULL, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_LINGER, GOT_OK } } },
	{ "a server that closes without an answer", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ CLOSES, NULL, CONN_LINGER, "HTTP/1.1 502 " } } },
	{ "a server that does not answer", "Timeout 5\n", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ WAITS, "5000", CONN_LINGER, "HTTP/1.1 504 " } } },
	{ "a client whose content does not come", "Timeout 5\n", CONN_REQUEST,
	    NULL,
	    { { SAYS,
		  "PUT http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"
		  "Content-Length: 5\r\n\r\nx",
		  CONN_FORWARD, NULL },
		{ WAITS, "5000", CONN_LINGER, "HTTP/1.1 408 " } } },
	{ "a server that changes the protocol", "", CONN_REQUEST, NULL,
	    { { SAYS,
		  "GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: h\r\n"
		  "Connection: upgrade\r\nUpgrade: x\r\n\r\n",
		  CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n"
		    "\r\n",
		    CONN_RELAY, "HTTP/1.1 101 " },
		{ CLOSES, NULL, CONN_RELAY, NULL },
		{ ENDS, NULL, CONN_FREE, NULL } } },
	{ "a request that ends here", "", CONN_REQUEST, NULL,
	    { { SAYS,
		"OPTIONS http://h/ HTTP/1.1\r\nHost: h\r\n"
		"Max-Forwards: 0\r\n\r\n",
		CONN_LINGER, GOT_OK } } },
	{ "a parent that agrees", PARENT, CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_PARENT, NULL },
		{ ANSWERS, "HTTP/1.1 200 OK\r\n\r\n", CONN_RELAY, GOT_OK } } },
	{ "a parent that refuses", PARENT, CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_PARENT, NULL },
		{ ANSWERS, "HTTP/1.1 418 No\r\n\r\n", CONN_LINGER,
		    "HTTP/1.1 418 " } } },
	{ "a parent that asks for credentials", PARENT, CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_PARENT, NULL },
		{ ANSWERS, "HTTP/1.1 407 No\r\n\r\n", CONN_LINGER,
		    "HTTP/1.1 502 " } } },
	{ "a parent that hangs up", PARENT, CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_PARENT, NULL },
		{ CLOSES, NULL, CONN_LINGER, "HTTP/1.1 502 " } } },
	{ "a parent that says nothing", PARENT, CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_PARENT, NULL },
		{ WAITS, "30000", CONN_LINGER, "HTTP/1.1 504 " } } },
	{ "a parent that hangs up, and another", PARENT PARENT, CONN_REQUEST,
	    NULL,
	    { { SAYS, CONNECT_NAME, CONN_PARENT, NULL },
		{ CLOSES, NULL, CONN_PARENT, NULL },
		{ ANSWERS, "HTTP/1.1 200 OK\r\n\r\n", CONN_RELAY, GOT_OK } } },
	{ "a parent that does not exist, and another",
	    "Upstream http p.test:1\n" PARENT, CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ LACKS, NULL, CONN_PARENT, NULL } } },
	{ "a parent that does not exist, and no other",
	    "Upstream http p.test:1\n", CONN_REQUEST, NULL,
	    { { SAYS, CONNECT_NAME, CONN_RESOLVE, NULL },
		{ LACKS, NULL, CONN_LINGER, "HTTP/1.1 502 " } } },
	{ "a kept server gets the next request", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND },
		{ SAYS, POST, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ MADE, "1", CONN_IDLE, NULL } } },
	{ "a kept server that closes", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ CLOSES, NULL, CONN_IDLE, NULL },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "a kept server that closes is let go at once", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ KEEPS, "1", CONN_IDLE, NULL },
		{ CLOSES, NULL, CONN_IDLE, NULL },
		{ KEEPS, "0", CONN_IDLE, NULL } } },
	{ "a kept server that says more is let go at once", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ ANSWERS, "H", CONN_IDLE, NULL },
		{ KEEPS, "0", CONN_IDLE, NULL } } },
	{ "a client that wants its connection closed", "", CONN_REQUEST, NULL,
	    { { SAYS, GET_CLOSE, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_FREE, GOT_OK },
		{ ENDED, NULL, CONN_FREE, NULL } } },
	{ "a client that wants its connection closed, and sends content", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, POST_CLOSE, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_LINGER, GOT_OK },
		{ ENDED, NULL, CONN_LINGER, NULL } } },
	{ "a kept server that closes before the next request is seen", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_CLOSED, POST, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "a kept server that closes when it gets the next request", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_LOST, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL } } },
	{ "a request that is sent again, but not twice", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_LOST, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ CLOSES, NULL, CONN_LINGER, "HTTP/1.1 502 " },
		{ MADE, "2", CONN_LINGER, NULL } } },
	{ "a request with more after it that is sent again", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_LOST, GET GET, CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_FORWARD, GOT_SECOND },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND },
		{ MADE, "2", CONN_IDLE, NULL } } },
	{ "a request that must not be sent again", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_LOST, POST, CONN_LINGER, "HTTP/1.1 502 " },
		{ MADE, "1", CONN_LINGER, NULL } } },
	{ "a long request that is sent again", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_LOST, GET_LONG, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "a request that changes something is not sent again", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_LOST, DELETE, CONN_LINGER, "HTTP/1.1 502 " },
		{ MADE, "1", CONN_LINGER, NULL } } },
	{ "a request with content is not sent again", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_LOST, GET_WITH, CONN_LINGER, "HTTP/1.1 502 " },
		{ MADE, "1", CONN_LINGER, NULL } } },
	{ "a kept server that closes after a byte of its answer", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "H", CONN_FORWARD, NULL },
		{ CLOSES, NULL, CONN_LINGER, "HTTP/1.1 502 " },
		{ MADE, "1", CONN_LINGER, NULL } } },
	{ "a kept server that closes after an interim answer", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, INTERIM, CONN_FORWARD, NULL },
		{ CLOSES, NULL, CONN_LINGER, NULL },
		{ MADE, "1", CONN_LINGER, NULL } } },
	{ "a new server that closes", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ CLOSES, NULL, CONN_LINGER, "HTTP/1.1 502 " },
		{ MADE, "1", CONN_LINGER, NULL } } },
	{ "a kept server that says more", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ ANSWERS, OK, CONN_IDLE, NULL },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "a kept server that says more when the next request has come", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS_MORE, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "a server that answers twice at once, and two requests", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK OK, CONN_FORWARD, GOT_OK },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, NULL } } },
	{ "a server that answers twice, in two reads, and two requests",
	    "RateLimit 1024\n", CONN_REQUEST, NULL,
	    { { SAYS, GET GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK_128 OK, CONN_FORWARD, GOT_OK },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "a kept server for as long as its client", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ WAITS, "29999", CONN_IDLE, NULL },
		{ WAITS, "1", CONN_FREE, NULL },
		{ ENDED, NULL, CONN_FREE, NULL } } },
	{ "a kept server when the client leaves", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ ENDS, NULL, CONN_FREE, NULL },
		{ ENDED, NULL, CONN_FREE, NULL } } },
	{ "a kept server when the worker drains", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ DRAINS, NULL, CONN_FREE, NULL },
		{ ENDED, NULL, CONN_FREE, NULL } } },
	{ "a kept server is not for a request that can be sent only once, later",
	    "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ WAITS, "2000", CONN_IDLE, NULL },
		{ SAYS, POST, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL } } },
	{ "a kept server is for one that can be repeated, later", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ WAITS, "20000", CONN_IDLE, NULL },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "1", CONN_FORWARD, NULL } } },
	{ "a kept server is not for a tunnel", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, CONNECT_IP, CONN_RELAY, GOT_OK },
		{ MADE, "2", CONN_RELAY, NULL },
		{ ENDED, NULL, CONN_RELAY, NULL } } },
	{ "a kept server is not for another protocol", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, UPGRADE, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL } } },
	{ "a kept server is not for another name of it", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET_NAME, CONN_RESOLVE, NULL },
		{ ENDED, NULL, CONN_RESOLVE, NULL },
		{ KNOWS, NULL, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL } } },
	{ "the name of a kept server is not looked up again", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, GET_NAME, CONN_RESOLVE, NULL },
		{ KNOWS, NULL, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ WAITS, "20000", CONN_IDLE, NULL },
		{ SAYS, GET_NAME, CONN_FORWARD, NULL },
		{ MADE, "1", CONN_FORWARD, NULL } } },
	{ "a kept server is not for another user",
	    "BasicAuth u p\nBasicAuth v p\n", CONN_REQUEST, NULL,
	    { { SAYS, GET_AS("dTpw"), CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET_AS("dTpw"), CONN_FORWARD, NULL },
		{ MADE, "1", CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET_AS("djpw"), CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL } } },
	{ "a kept parent gets requests for all servers", PARENT, CONN_REQUEST,
	    NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET_NAME, CONN_FORWARD, NULL },
		{ MADE, "1", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND },
		{ SAYS_LOST, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL } } },
	{ "after an answer in chunks with a trailer a server is kept", "",
	    CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: u\r\n\r\n",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "1", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a 304 a server is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 304 No\r\n\r\n", CONN_IDLE,
		    "HTTP/1.1 304" },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "1", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a 204 a server is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 204 No\r\n\r\n", CONN_IDLE,
		    "HTTP/1.1 204" },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "1", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a close that is announced none is kept", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after an answer of HTTP/1.0 none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a length and chunks none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after two equal lengths none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a list of lengths none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a blank before a colon none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a folded field none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a line that is no field none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 200 OK\r\nA\r\nContent-Length: 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after another coding none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after an empty line before an answer none is kept", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "\r\n" OK, CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after chunks with odd ends of lines none is kept", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after an odd trailer none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: u\n\r\n",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after an interim answer none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, INTERIM OK, CONN_IDLE, "HTTP/1.1 103" },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after more than the length none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK "y", CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after more than the last chunk none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\ny",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a HEAD with a length none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, HEAD, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a HEAD with content none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, HEAD, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		    CONN_IDLE, GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a 204 with a length none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n",
		    CONN_IDLE, "HTTP/1.1 204" },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a 204 with content none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 204 No\r\n\r\nx", CONN_IDLE,
		    "HTTP/1.1 204" },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after a 304 with chunks none is kept", "", CONN_REQUEST, NULL,
	    { { SAYS, GET, CONN_FORWARD, NULL },
		{ ANSWERS,
		    "HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n",
		    CONN_IDLE, "HTTP/1.1 304" },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL },
		{ ANSWERS, SECOND, CONN_IDLE, GOT_SECOND } } },
	{ "after an answer that came too early none is kept", "", CONN_REQUEST,
	    NULL,
	    { { SAYS, POST_HALF, CONN_FORWARD, NULL },
		{ ANSWERS, "HTTP/1.1 ", CONN_FORWARD, NULL },
		{ SAYS, "y", CONN_FORWARD, NULL },
		{ ANSWERS, "200 OK\r\nContent-Length: 1\r\n\r\nx", CONN_IDLE,
		    GOT_OK },
		{ SAYS, GET, CONN_FORWARD, NULL },
		{ MADE, "2", CONN_FORWARD, NULL } } },
	{ "a client that has said all: its server is not kept", "",
	    CONN_REQUEST, NULL,
	    { { SAYS_ALL, GET GET, CONN_FORWARD, NULL },
		{ ANSWERS, OK, CONN_FORWARD, GOT_OK },
		{ MADE, "2", CONN_FORWARD, NULL } } } };

static const char *const states[] = { [CONN_FREE] = "FREE",
	[CONN_PREFACE] = "PREFACE",
	[CONN_RULE] = "RULE",
	[CONN_REQUEST] = "REQUEST",
	[CONN_NAME] = "NAME",
	[CONN_USER] = "USER",
	[CONN_RESOLVE] = "RESOLVE",
	[CONN_CONNECT] = "CONNECT",
	[CONN_PARENT] = "PARENT",
	[CONN_FORWARD] = "FORWARD",
	[CONN_IDLE] = "IDLE",
	[CONN_HELLO] = "HELLO",
	[CONN_GREETED] = "GREETED",
	[CONN_RELAY] = "RELAY",
	[CONN_FLUSH] = "FLUSH",
	[CONN_LINGER] = "LINGER" };

/* The sockets and buffers of a row. */
static int client = -1, server = -1, listener = -1;
static unsigned server_port, closed_port;
static int made; /* connections that the server has got */
static enum fate { OPEN, CLOSED_WELL, CLOSED_BADLY } fate; /* of its last */
static int desk[2]; /* the worker's end, and ours */
static char got[4096];
static size_t got_len;

static void
die(const char *what)
{
	perror(what);
	_exit(2);
}

/* Returns a text of the table, in a static buffer, with ports and paths. */
static const char *
fill(const char *text, const char *users)
{
	static char filled[2048];
	char port[16], closed[16];
	const struct {
		const char *word, *value;
	} words[] = { { "PORT", port }, { "CLOSED", closed },
		{ "USERS", users } };
	size_t n = 0;

	snprintf(port, sizeof(port), "%u", server_port);
	snprintf(closed, sizeof(closed), "%u", closed_port);
	while (*text != '\0') {
		size_t i = 0;

		while (i < 3 &&
		    strncmp(text, words[i].word, strlen(words[i].word)) != 0)
			i++;
		if (i == 3) {
			filled[n++] = *text++;
			continue;
		}
		n += (size_t)sprintf(filled + n, "%s", words[i].value);
		text += strlen(words[i].word);
	}
	filled[n] = '\0';
	return filled;
}

static void
complain(enum log_level level, const char *text)
{
	if (level <= LOG_LEVEL_ERROR)
		fprintf(stderr, "%s\n", text);
}

static void
file_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) != 0)
		die(path);
}

static struct conf *
conf_make(const char *dir, const struct row *row)
{
	char path[512], users[512], text[4096];

	snprintf(users, sizeof(users), "%s/users", dir);
	snprintf(path, sizeof(path), "%s/conf", dir);
	file_write(users,
	    "u:$6$abcdefgh$"
	    "oQbvXSLQpnR0DUOWE8Rkpbw.Bq3lMzRzXyLcYzZ9fD1gQ3L1m4cY"
	    "6d5pM2QnGm3oVbE2h7Vd8mZQ1nT9bW0uQ/\n");
	snprintf(text, sizeof(text), "Port 1\n%s%s",
	    strstr(row->conf, "ConnectPort") ? "" : "", fill(row->conf, users));
	file_write(path, text);
	return conf_read(path, complain, NULL);
}

static void
world_make(const char *dir, const struct row *row)
{
	static struct baton baton;
	static struct worker_args args;
	struct share *share = share_new();

	/* It is held, so that nobody else listens there. */
	loopback(&closed_port, -1);
	listener = loopback(&server_port, 8);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, desk) != 0)
		die("socketpair");
	args = (struct worker_args){ .conf = conf_make(dir, row),
		.share = share,
		.baton = &baton,
		.desks = { desk[0], desk[0] },
		.max_conns = 8,
		.max_attempts = 8,
		.max_questions = 8 };
	if (args.conf == NULL || share == NULL || quota_init(share) != 0)
		die("the configuration of a row");
	atomic_store(&share->nslots, 1);
	atomic_store(&share->places[0], SLOTS_MAX);
	atomic_store(&share->slots[0].serial, 41);
	quota_begin(0, &args.conf->per_host);
	if (life_init(&args) != 0 || loop_init(args.max_conns) != 0 ||
	    lot_init(watch_max(args.max_conns), parking_end) != 0)
		die("life_init");
}

static bool
has_come(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* One turn of the loop, as in worker.c.  Returns whether anything happened. */
static bool
turn(void)
{
	struct tunnel *t;
	unsigned which;
	short revents;
	bool any = watch_poll(20) > 0 || has_come(desk[0]);

	while (lot_next(&t, &which, &revents))
		life_event(t, which, revents);
	for (size_t i = watch_count(); i-- > 0;) {
		revents = watch_take(i, &t, &which);
		if (revents != 0)
			life_event(t, which, revents);
	}
	life_answers(HELPER_NAMES);
	life_answers(HELPER_PASSWORDS);
	while ((t = deadline_due()) != NULL)
		life_expire(t);
	for (int queue = 0; queue < QUEUES; queue++)
		ask_send((enum queue)queue);
	return any;
}

/*
 * Reads all that the server gets: if bytes were left unread, close() would send
 * a reset.  Notes how its connection has ended, if it has.
 */
static void
server_read(void)
{
	char waste[1024];
	ssize_t n = 1;

	while (server >= 0 && n > 0)
		n = recv(server, waste, sizeof(waste), 0);
	if (server >= 0 && n == 0)
		fate = CLOSED_WELL;
	else if (server >= 0 && errno != EAGAIN)
		fate = CLOSED_BADLY;
}

/* Runs turns until nothing happens; the server accepts and both sides read. */
static void
settle(void)
{
	ssize_t n;
	int fd;

	for (int i = 0; i < 50 && turn(); i++)
		;
	server_read();
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (fd >= 0) {
		made++;
		close(server);
		server = fd;
		server_read();
	}
	while (client >= 0 && got_len < sizeof(got) - 1 &&
	    (n = recv(client, got + got_len, sizeof(got) - 1 - got_len,
		 MSG_DONTWAIT)) > 0)
		got_len += (size_t)n;
}

static void
reset(int *fd)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(*fd);
	*fd = -1;
}

/* Receives the question that is under way, as the desk, and answers it. */
static void
desk_answer(enum action action)
{
	struct answer answer = { .error = action == LACKS ? EAI_NONAME : 0,
		.matches = action == AGREES,
		.naddrs = action == KNOWS ? 1 : 0 };
	struct question q;
	ssize_t n = recv(desk[1], &q, sizeof(q), MSG_DONTWAIT);

	if (!question_fits(&q, n))
		die("a question");
	answer.ticket = q.ticket;
	addr_parse(&answer.addrs[0], "127.0.0.1");
	if (answer_send(desk[1], &answer) != 0)
		die("an answer");
}

static void
say(int fd, const char *text)
{
	const char *filled = fill(text, "");

	if (send(fd, filled, strlen(filled), MSG_NOSIGNAL) < 0)
		die("send");
}

/* The server accepts, closes and is reset before the worker looks. */
static void
server_leave(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		die("accept");
	shutdown(fd, SHUT_WR);
	reset(&fd);
}

static void
server_close(void)
{
	close(server);
	server = -1;
}

/* The client sends a ClientHello with nothing but a server_name. */
static void
greet(const char *name)
{
	unsigned char hello[512] = { 22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3 };
	size_t len = strlen(name), at = 11 + 32 + 1;
	const unsigned char rest[] = { 0, 2, 19, 1, 1, 0, 0,
		(unsigned char)(len + 9), 0, 0, 0, (unsigned char)(len + 5), 0,
		(unsigned char)(len + 3), 0, 0, (unsigned char)len };

	memcpy(hello + at, rest, sizeof(rest));
	at += sizeof(rest);
	memcpy(hello + at, name, len);
	at += len;
	hello[4] = (unsigned char)(at - 5);
	hello[8] = (unsigned char)(at - 9);
	if (send(client, hello, at, 0) != (ssize_t)at)
		die("send");
}

/* The client says a text, and something else happens before that is answered. */
static void
say_and(const struct step *step)
{
	say(client, step->text);
	if (step->action == SAYS_AWAY) {
		turn();
		server_leave();
	} else if (step->action == SAYS_ALL) {
		shutdown(client, SHUT_WR);
	} else if (step->action == SAYS_MORE) {
		say(server, OK);
	} else {
		if (step->action == SAYS_LOST) {
			turn();
			server_read();
		}
		server_close();
	}
}

static void
act(const struct step *step)
{
	got_len = step->got != NULL && step->action == SAYS ? 0 : got_len;
	switch (step->action) {
	case SAYS:
		say(client, step->text);
		break;
	case GREETS:
		greet(step->text);
		break;
	case ENDS:
		shutdown(client, SHUT_WR);
		break;
	case RESETS:
		reset(&client);
		break;
	case ANSWERS:
		say(server, step->text);
		break;
	case CLOSES:
		server_close();
		break;
	case BREAKS:
		reset(&server);
		break;
	case KNOWS:
	case LACKS:
	case AGREES:
	case DENIES:
		desk_answer(step->action);
		break;
	case SAYS_LATER:
		say(client, "early");
		now += atoi(step->text);
		break;
	case SAYS_AWAY:
	case SAYS_ALL:
	case SAYS_CLOSED:
	case SAYS_LOST:
	case SAYS_MORE:
		say_and(step);
		break;
	case WAITS:
		now += atoi(step->text);
		break;
	case OWES:
		quota_charge(QUOTA_FAILURES, &conn_next(NULL)->client, 8 * 5);
		break;
	case DRAINS:
		life_drain();
		break;
	case MADE:
	case KEEPS:
	case ENDED:
	case DONE:
		break;
	}
	settle();
}

static bool
check(const struct row *row, size_t step, enum conn_state wanted,
    const char *wanted_got)
{
	const struct conn *c = conn_next(NULL);
	enum conn_state state = c != NULL ? c->state : CONN_FREE;

	got[got_len] = '\0';
	if (state == wanted &&
	    (wanted_got == NULL || strstr(got, wanted_got) != NULL))
		return true;
	printf("%s, step %zu: %s, not %s; the client has \"%.30s\"\n",
	    row->name, step, states[state], states[wanted], got);
	return false;
}

/* Checks what a step says of the server. */
static bool
server_check(const struct row *row, const struct step *step)
{
	const struct conn *c = conn_next(NULL);
	bool keeps = c != NULL && c->tunnel.end[SERVER].fd >= 0;

	if (step->action == KEEPS && keeps != (step->text[0] == '1')) {
		printf("%s: a server is %s\n", row->name,
		    keeps ? "kept" : "not kept");
		return false;
	}
	if (step->action == MADE && made != atoi(step->text)) {
		printf("%s: %d connections to the server, not %s\n", row->name,
		    made, step->text);
		return false;
	}
	if (step->action == ENDED && fate != CLOSED_WELL) {
		printf("%s: the server's connection %s\n", row->name,
		    fate == OPEN ? "is open" : "was reset");
		return false;
	}
	return true;
}

/* The id is of the slot, and goes on from the worker before. */
static bool
has_id(const char *wanted)
{
	const char *id = say_id(conn_next(NULL));

	if (strcmp(id, wanted) == 0)
		return true;
	printf("the id is %s, not %s\n", id, wanted);
	return false;
}

static void
client_connect(enum inlet inlet)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct sockaddr_storage from;
	unsigned port;
	int at = loopback(&port, 8), fd, on = 1;
	const void *sa = &to;
	struct addr peer;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)port);
	client = socket(AF_INET, SOCK_STREAM, 0);
	if (client < 0 || connect(client, sa, sizeof(to)) != 0)
		die("connect");
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fd = sys_accept(at, &from);
	if (fd < 0)
		die("accept");
	close(at);
	addr_from_sockaddr(&peer, &from);
	life_accepted(fd, &peer, inlet);
	settle();
}

/* Runs one row, in a process of its own.  Returns whether it passes. */
static bool
row_try(const char *dir, const struct row *row)
{
	signal(SIGPIPE, SIG_IGN);
	world_make(dir, row);
	client_connect(row->first == CONN_NAME ? INLET_TLS : INLET_PROXY);
	if (conn_next(NULL) != NULL && !has_id("0.42"))
		return false;
	if (!check(row, 0, row->first, row->got))
		return false;
	for (size_t i = 0; row->steps[i].action != DONE; i++) {
		act(&row->steps[i]);
		if (!check(
			row, i + 1, row->steps[i].after, row->steps[i].got) ||
		    !server_check(row, &row->steps[i]))
			return false;
	}
	life_end_all(END_STOPPED);
	return check(row, 99, CONN_FREE, NULL) && conn_count() == 0;
}

/* Arguments: a directory for files, and a part of the names of rows to run. */
int
main(int argc, char **argv)
{
	int failed = 0, status;
	pid_t pid;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (argc < 2 ||
		    (argc > 2 && strstr(rows[i].name, argv[2]) == NULL))
			continue;
		/* Without crypt() there are no users of an AuthFile. */
		if (strcmp(rows[i].conf, USERS) == 0 && !sys_has_crypt())
			continue;
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			bool ok = row_try(argv[1], &rows[i]);

			fflush(stdout);
			_exit(!ok);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
			printf("failed: %s (%#x)\n", rows[i].name,
			    (unsigned)status);
			failed++;
		}
	}
	return failed > 0;
}
