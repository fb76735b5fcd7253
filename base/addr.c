/* SPDX-License-Identifier: ISC */
/*
 * Converts addresses: text and sockaddr to struct addr, and back.  IPv4 is
 * always kept as ::ffff:a.b.c.d, so that a client cannot get around a rule by
 * writing an address in its other form.  Nothing here may look up a name.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "local.h"

enum { MAPPED_BITS = 96 /* of an IPv4 address, before its own */ };

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
	0xff };

/* Returns whether the address is an IPv4 address. */
bool
addr_is4(const struct addr *a)
{
	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

/*
 * Compares two addresses; their ports and zones may differ.  Of Unix sockets,
 * path and user must be the same.
 */
bool
addr_same_ip(const struct addr *a, const struct addr *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 && a->local == b->local;
}

/* Returns whether the address is that of all interfaces, of its family. */
bool
addr_is_any(const struct addr *a)
{
	static const struct addr any4 = { .ip = { [10] = 0xff, 0xff } };
	static const struct addr any6;

	return addr_same_ip(a, &any4) || addr_same_ip(a, &any6);
}

/*
 * Returns whether the first bits of an address are those of net.  For an IPv4
 * block a.b.c.d/n, bits is 96 + n.  A Unix socket is in no block.
 */
bool
addr_in_net(const struct addr *a, const unsigned char net[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a->ip, net, whole) != 0 || a->local != 0)
		return false;
	return rest == 0 || (a->ip[whole] ^ net[whole]) >> (8 - rest) == 0;
}

/* Returns whether an address is in any of n blocks. */
bool
addr_in_blocks(const struct addr *a, const struct block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (addr_in_net(a, blocks[i].net, blocks[i].bits))
			return true;
	return false;
}

/* Clears all bits of net after the first ones. */
void
addr_mask(unsigned char net[16], unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		if (bits >= 8 * (i + 1))
			continue;
		if (bits <= 8 * i)
			net[i] = 0;
		else
			net[i] &=
			    (unsigned char)(0xffu << (8 * (i + 1) - bits));
	}
}

/*
 * Returns what stands for a client that is counted: its address without the
 * bits that the client can choose, as the owner of a block of addresses can.
 * At Unix sockets each user is one client, whichever of them it has connected to.
 */
struct addr
addr_client(const struct addr *a, const struct netblock *block)
{
	struct addr client = *a;
	bool is4 = addr_is4(a);

	client.port = 0;
	if (a->local != 0)
		client.local = UINT16_MAX;
	else
		addr_mask(
		    client.ip, is4 ? MAPPED_BITS + block->bits4 : block->bits6);
	return client;
}

/*
 * Makes an address from the four bytes of an IPv4 address; port and zone are 0.
 */
void
addr_from4(struct addr *a, const unsigned char ip[4])
{
	memset(a, 0, sizeof(*a));
	memcpy(a->ip, mapped, sizeof(mapped));
	memcpy(a->ip + sizeof(mapped), ip, 4);
}

/*
 * Makes the address of a Unix socket from the number of its path, and of a user
 * that is connected to it, or ADDR_NO_UID.
 */
void
addr_from_local(struct addr *a, uint16_t number, uint32_t uid)
{
	memset(a, 0, sizeof(*a));
	a->local = number;
	for (int i = 0; i < 4; i++)
		a->ip[15 - i] = (unsigned char)(uid >> 8 * i);
}

/* The user of a client at a Unix socket, or ADDR_NO_UID. */
uint32_t
addr_uid(const struct addr *a)
{
	uint32_t uid = 0;

	for (int i = 12; i < 16; i++)
		uid = uid << 8 | a->ip[i];
	return a->local != 0 ? uid : ADDR_NO_UID;
}

/*
 * Returns the index of a zone given by name or number, or 0 if it is unknown.
 */
static uint32_t
scope_parse(const char *zone)
{
	uint32_t scope = 0;
	const char *p;

	for (p = zone; *p >= '0' && *p <= '9' && scope < 100000000; p++)
		scope = scope * 10 + (uint32_t)(*p - '0');
	return *p == '\0' ? scope : if_nametoindex(zone);
}

/*
 * Reads a dotted quad in canonical form, or an IPv6 address with or without a
 * zone ("fe80::1%eth0").  Forms that only inet_aton() accepts (127.1,
 * 0x7f000001, 010.0.0.1) are rejected.  Sets the port to 0.  Returns 0 or -1.
 */
int
addr_parse(struct addr *a, const char *text)
{
	char copy[INET6_ADDRSTRLEN + 17], *zone;
	unsigned char ip4[4];
	struct addr made;

	memset(&made, 0, sizeof(made));
	if (inet_pton(AF_INET, text, ip4) == 1) {
		addr_from4(a, ip4);
		return 0;
	}
	if (strlen(text) >= sizeof(copy))
		return -1;
	strcpy(copy, text);
	zone = strchr(copy, '%');
	if (zone != NULL) {
		*zone++ = '\0';
		made.scope = scope_parse(zone);
		if (made.scope == 0)
			return -1;
	}
	if (inet_pton(AF_INET6, copy, made.ip) != 1)
		return -1;
	*a = made;
	return 0;
}

/*
 * Reads an address, or a block: an IPv4 address with /0 to /32, or an IPv6
 * address with /0 to /128.  The bits are counted as for addr_in_net().  Returns
 * 0 or -1.
 */
int
addr_parse_net(struct addr *net, unsigned *bits, const char *text)
{
	char copy[ADDR_TEXT_SIZE];
	size_t len = strcspn(text, "/"), digits;
	unsigned long width, n;

	if (len >= sizeof(copy))
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (addr_parse(net, copy) != 0)
		return -1;
	n = width = addr_is4(net) ? 32 : 128;
	text += len;
	if (*text == '/') {
		digits = strspn(++text, "0123456789");
		if (digits == 0 || digits > 3 || text[digits] != '\0' ||
		    (text[0] == '0' && digits > 1))
			return -1;
		n = strtoul(text, NULL, 10);
	}
	*bits = (unsigned)(128 - width + n);
	return n > width ? -1 : 0;
}

/*
 * The same for a block that has no zone, and no bits set beyond its prefix.
 * Returns 0; or -1 with EINVAL if it is not a block, or with EDOM if it has
 * such bits: then the block is the one without them.
 */
int
addr_parse_block(struct block *block, const char *text)
{
	struct addr net;

	if (addr_parse_net(&net, &block->bits, text) != 0 || net.scope != 0) {
		errno = EINVAL;
		return -1;
	}
	memcpy(block->net, net.ip, sizeof(block->net));
	addr_mask(block->net, block->bits);
	if (memcmp(block->net, net.ip, sizeof(block->net)) != 0) {
		errno = EDOM;
		return -1;
	}
	return 0;
}

/* Converts an AF_INET or AF_INET6 socket address; any other becomes [::]:0. */
void
addr_from_sockaddr(struct addr *a, const struct sockaddr_storage *ss)
{
	const void *p = ss;
	const struct sockaddr_in *sin = p;
	const struct sockaddr_in6 *sin6 = p;
	unsigned char ip4[4];

	memset(a, 0, sizeof(*a));
	if (ss->ss_family == AF_INET) {
		memcpy(ip4, &sin->sin_addr, sizeof(ip4));
		addr_from4(a, ip4);
		a->port = ntohs(sin->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		memcpy(a->ip, &sin6->sin6_addr, sizeof(a->ip));
		a->port = ntohs(sin6->sin6_port);
		if (!addr_is4(a))
			a->scope = sin6->sin6_scope_id;
	}
}

/* The same for a Unix socket. */
static socklen_t
local_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	void *p = ss;
	struct sockaddr_un *un = p;

	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, local_path(a->local));
	return sizeof(*un);
}

/* Fills in a socket address of the matching family.  Returns its length. */
socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	void *p = ss;
	struct sockaddr_in *sin = p;
	struct sockaddr_in6 *sin6 = p;

	memset(ss, 0, sizeof(*ss));
	if (a->local != 0)
		return local_to_sockaddr(a, ss);
	if (addr_is4(a)) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(a->port);
		memcpy(&sin->sin_addr, a->ip + sizeof(mapped), 4);
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(a->port);
	sin6->sin6_scope_id = a->scope;
	memcpy(&sin6->sin6_addr, a->ip, sizeof(a->ip));
	return sizeof(*sin6);
}

/*
 * Writes an IPv4 address.  Each line about a connection has some, and
 * inet_ntop() needs printf(3) for them.
 */
static void
text4(char *to, const unsigned char ip[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*to++ = '.';
		if (ip[i] >= 100)
			*to++ = (char)('0' + ip[i] / 100);
		if (ip[i] >= 10)
			*to++ = (char)('0' + ip[i] / 10 % 10);
		*to++ = (char)('0' + ip[i] % 10);
	}
	*to = '\0';
}

/*
 * Writes the address without port, and IPv6 without brackets; a Unix socket as
 * its path.  Returns text.
 */
const char *
addr_text(const struct addr *a, char text[ADDR_TEXT_SIZE])
{
	size_t len;

	if (a->local != 0)
		return strcpy(text, local_path(a->local));
	if (addr_is4(a)) {
		text4(text, a->ip + sizeof(mapped));
		return text;
	}
	inet_ntop(AF_INET6, a->ip, text, ADDR_TEXT_SIZE);
	len = strlen(text);
	if (a->scope != 0)
		snprintf(text + len, ADDR_TEXT_SIZE - len, "%%%lu",
		    (unsigned long)a->scope);
	return text;
}

/* The same with the user of a client at a Unix socket. */
const char *
addr_text_peer(const struct addr *a, char text[ADDR_TEXT_SIZE])
{
	uint32_t uid = addr_uid(a);

	addr_text(a, text);
	if (uid != ADDR_NO_UID)
		sprintf(text + strlen(text), ", uid %lu", (unsigned long)uid);
	return text;
}

/*
 * Writes an address with the bits of its prefix, which are counted as
 * addr_in_net() does; without them when they are all.
 */
const char *
addr_text_net(const struct addr *net, unsigned bits, char text[ADDR_TEXT_SIZE])
{
	size_t len = strlen(addr_text(net, text));

	if (bits != 128)
		snprintf(text + len, ADDR_TEXT_SIZE - len, "/%u",
		    addr_is4(net) ? bits - 96 : bits);
	return text;
}

/* The same for a block. */
const char *
addr_text_block(
    const unsigned char net[16], unsigned bits, char text[ADDR_TEXT_SIZE])
{
	struct addr addr = { .scope = 0 };

	memcpy(addr.ip, net, sizeof(addr.ip));
	return addr_text_net(&addr, bits, text);
}

/* Writes 127.0.0.1:443 or [::1]:443, or a path. */
const char *
addr_text_port(const struct addr *a, char text[ADDR_TEXT_SIZE])
{
	char ip[ADDR_TEXT_SIZE];
	const char *form = addr_is4(a) ? "%.70s:%u" : "[%.70s]:%u";

	if (a->local != 0)
		return addr_text(a, text);
	snprintf(
	    text, ADDR_TEXT_SIZE, form, addr_text(a, ip), (unsigned)a->port);
	return text;
}
