/* SPDX-License-Identifier: ISC */
/*
 * Digests of secrets, which identify a secret but do not reveal it (SipHash-2-4
 * with 128 bits), and a way to wipe secrets.  Like parse.c, this file makes no
 * system calls.  Anyone who has both the key and a digest can try passwords at
 * great speed: a digest may be kept in memory only, and only for a short time.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

struct sip {
	uint64_t v[4];
};

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

/* Returns len bytes at p, up to 8, as a little-endian number. */
static uint64_t
number_at(const unsigned char *p, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n |= (uint64_t)p[i] << 8 * i;
	return n;
}

static void
sip_rounds(struct sip *s, int rounds)
{
	uint64_t *v = s->v;

	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static void
sip_take(struct sip *s, uint64_t n)
{
	s->v[3] ^= n;
	sip_rounds(s, 2);
	s->v[0] ^= n;
}

/* Returns one half of the result; flip makes the two halves differ. */
static uint64_t
sip_half(struct sip *s, int at, uint64_t flip)
{
	s->v[at] ^= flip;
	sip_rounds(s, 4);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

/*
 * Returns the digest of len bytes under a key, as the reference implementation
 * of SipHash-2-4 with 128 bits computes it.  Each half is eight bytes of that,
 * as a little-endian number.
 */
struct digest
secret_digest(
    const unsigned char key[SECRET_KEY_SIZE], const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t k0 = number_at(key, 8), k1 = number_at(key + 8, 8);
	struct sip s = { { k0 ^ UINT64_C(0x736f6d6570736575),
	    k1 ^ UINT64_C(0x646f72616e646f83),
	    k0 ^ UINT64_C(0x6c7967656e657261),
	    k1 ^ UINT64_C(0x7465646279746573) } };
	struct digest digest;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8)
		sip_take(&s, number_at(p, 8));
	sip_take(&s, number_at(p, left) | (uint64_t)len << 56);
	digest.half[0] = sip_half(&s, 2, 0xee);
	digest.half[1] = sip_half(&s, 1, 0xdd);
	secret_wipe(&s, sizeof(s));
	return digest;
}

/* Compares two digests, in a time that does not depend on their values. */
bool
secret_same(const struct digest *a, const struct digest *b)
{
	return ((a->half[0] ^ b->half[0]) | (a->half[1] ^ b->half[1])) == 0;
}

/*
 * Overwrites a secret that is no longer needed.  The compiler cannot optimise
 * this away.
 */
void
secret_wipe(void *secret, size_t len)
{
	volatile unsigned char *p = secret;

	while (len-- > 0)
		*p++ = 0;
}
