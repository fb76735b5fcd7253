/* SPDX-License-Identifier: ISC */
/*
 * Stands in for libFuzzer where a test has but a moment: runs a *_fuzz.c with
 * some files, and with random changes of them.  These are the same in each run.
 * It does not look for inputs that reach new code, as `make fuzz` does.
 *
 * usage: NAME_fuzz RUNS [FILE...]
 *
 * When a run fails, the input is printed in the form that printf(1) reads.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	INPUT_MAX = 1024, /* bytes */
	SEEDS_MAX = 64,
	FRESH = 4 /* one of so many inputs is all random */
};

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	size_t len;
	uint8_t bytes[INPUT_MAX];
};

static struct input seeds[SEEDS_MAX], input;
static size_t nseeds;
static uint32_t state = 1;

/* A random number below most. */
static uint32_t
any(uint32_t most)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return (uint32_t)((uint64_t)state * most >> 32);
}

/* Prints the input that is being tried. */
static void
show(void)
{
	char text[4];
	ssize_t n = 0;

	for (size_t i = 0; i < input.len && n >= 0; i++) {
		text[0] = '\\';
		text[1] = (char)('0' + (input.bytes[i] >> 6));
		text[2] = (char)('0' + (input.bytes[i] >> 3 & 7));
		text[3] = (char)('0' + (input.bytes[i] & 7));
		n = write(STDERR_FILENO, text, 4);
	}
	if (input.len > 0 && n >= 0)
		n = write(STDERR_FILENO, "\n", 1);
	input.len = 0;
}

static void
crash(int number)
{
	show();
	signal(number, SIG_DFL);
	raise(number);
}

static void
seed_read(const char *path)
{
	struct input *seed = &seeds[nseeds++];
	FILE *f = fopen(path, "rb");

	if (f == NULL || nseeds == SEEDS_MAX) {
		perror(path);
		exit(2);
	}
	seed->len = fread(seed->bytes, 1, INPUT_MAX, f);
	fclose(f);
	/* Changes need a byte to begin with. */
	nseeds -= seed->len == 0;
}

static void
fresh(void)
{
	input.len = 1 + any(INPUT_MAX / 4);
	for (size_t i = 0; i < input.len; i++)
		input.bytes[i] = (uint8_t)any(256);
}

/* Puts some bytes in place of others. */
static void
splice(const uint8_t *from, size_t len, size_t at, size_t instead)
{
	static uint8_t piece[INPUT_MAX];
	size_t rest = input.len - at - instead;

	if (len > INPUT_MAX - at - rest)
		return;
	memcpy(piece, from, len);
	memmove(input.bytes + at + len, input.bytes + at + instead, rest);
	memcpy(input.bytes + at, piece, len);
	input.len = at + len + rest;
}

static void
change(void)
{
	static const uint8_t odd[] = { 0, 1, 9, 10, 13, 32, 127, 128, 255 };
	size_t at = any((uint32_t)input.len), from;
	uint8_t byte = any(2) ? odd[any(sizeof(odd))] : (uint8_t)any(256);
	const struct input *other = &input;

	if (nseeds > 0 && any(2))
		other = &seeds[any((uint32_t)nseeds)];
	switch (any(5)) {
	case 0:
		input.bytes[at] = byte;
		break;
	case 1:
		input.bytes[at] ^= (uint8_t)(1 << any(8));
		break;
	case 2:
		splice(&byte, 1, at, 0);
		break;
	case 3:
		if (input.len > 1)
			splice(&byte, 0, at, 1);
		break;
	case 4:
		from = any((uint32_t)other->len);
		splice(other->bytes + from,
		    1 + any((uint32_t)(other->len - from)), at,
		    any((uint32_t)(input.len - at)));
		break;
	}
}

static void
try(void)
{
	/* Exactly as long as the input, so that a sanitizer sees what is read. */
	uint8_t *copy = malloc(input.len);

	if (copy == NULL)
		exit(2);
	memcpy(copy, input.bytes, input.len);
	LLVMFuzzerTestOneInput(copy, input.len);
	free(copy);
}

int
main(int argc, char **argv)
{
	long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

	for (int i = 2; i < argc; i++)
		seed_read(argv[i]);
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	signal(SIGABRT, crash);
	signal(SIGSEGV, crash);
	/* A driver that finds something wrong may call exit(). */
	atexit(show);
	for (size_t i = 0; i < nseeds; i++) {
		input = seeds[i];
		try();
	}
	for (long i = 0; i < runs; i++) {
		if (nseeds == 0 || any(FRESH) == 0)
			fresh();
		else
			input = seeds[any((uint32_t)nseeds)];
		for (uint32_t n = any(8); n > 0; n--)
			change();
		try();
	}
	input.len = 0;
	return 0;
}
