/* SPDX-License-Identifier: ISC */
/* Addresses and blocks of addresses, of both families. */
#ifndef ADDR_H
#define ADDR_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr_storage;

enum {
	ADDR_TEXT_SIZE = 128 /* bytes of a path and a user, or of an address */
};

#define ADDR_NO_UID UINT32_MAX

/*
 * Sixteen bytes, IPv4 as ::ffff:a.b.c.d: one comparison serves both families.
 * A Unix socket has the number of its path (local.h) instead, and a client that
 * is connected to it has its user's number in the last four bytes.
 */
struct addr {
	unsigned char ip[16];
	uint32_t scope; /* IPv6 zone index, or 0 */
	uint16_t port;  /* host byte order */
	uint16_t local; /* 0: this is an IP address */
};

/* All addresses whose first bits, 0 to 128 of them, are those of net. */
struct block {
	unsigned char net[16];
	unsigned bits;
};

/* How many of its first bits tell one client from another. */
struct netblock {
	unsigned bits4, bits6; /* of 32 and of 128 */
};

bool addr_is4(const struct addr *);
bool addr_same_ip(const struct addr *, const struct addr *);
bool addr_is_any(const struct addr *);
bool addr_in_net(
    const struct addr *, const unsigned char net[16], unsigned bits);
bool addr_in_blocks(const struct addr *, const struct block *, size_t n);
struct addr addr_client(const struct addr *, const struct netblock *);
void addr_mask(unsigned char net[16], unsigned bits);
void addr_from4(struct addr *, const unsigned char ip[4]);
void addr_from_local(struct addr *, uint16_t number, uint32_t uid);
uint32_t addr_uid(const struct addr *);
int addr_parse(struct addr *, const char *text);
int addr_parse_net(struct addr *, unsigned *bits, const char *text);
int addr_parse_block(struct block *, const char *text);
void addr_from_sockaddr(struct addr *, const struct sockaddr_storage *);
socklen_t addr_to_sockaddr(const struct addr *, struct sockaddr_storage *);
const char *addr_text(const struct addr *, char text[ADDR_TEXT_SIZE]);
const char *addr_text_peer(const struct addr *, char text[ADDR_TEXT_SIZE]);
const char *addr_text_net(
    const struct addr *, unsigned bits, char text[ADDR_TEXT_SIZE]);
const char *addr_text_block(
    const unsigned char net[16], unsigned bits, char text[ADDR_TEXT_SIZE]);
const char *addr_text_port(const struct addr *, char text[ADDR_TEXT_SIZE]);

#endif
