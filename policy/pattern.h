/* SPDX-License-Identifier: ISC */
/* Patterns: regular expressions and those of fnmatch(3), as trees. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bracket.h"

enum filter_type { FILTER_BRE, FILTER_ERE, FILTER_FNMATCH };

enum {
	NEST_MAX = 200,     /* groups in each other */
	REPEAT_MAX = 32767, /* the largest number in an interval */
	ENDLESS = 65535,    /* the greatest number of a repetition: none */
	BACK_MAX = 9        /* groups that a pattern can refer back to */
};

enum node_kind {
	NODE_LIST,   /* its children, one after the other */
	NODE_GROUP,  /* one of its children, which are lists */
	NODE_REPEAT, /* its child, from least to most times */
	NODE_BYTE,
	NODE_ANY,
	NODE_SET,
	NODE_PLACE, /* a place between bytes */
	NODE_BACK   /* what a group has matched */
};

/* Places between bytes. */
enum place {
	PLACE_BEGIN,
	PLACE_END,
	PLACE_WORD_BEGIN,
	PLACE_WORD_END,
	PLACE_EDGE, /* either of these two */
	PLACE_NO_EDGE
};

/* A part of a pattern.  Others are named by their numbers; 0 is none. */
struct node {
	enum node_kind kind;
	/* The byte, place, set or group; the number of a NODE_GROUP, from 1. */
	uint32_t value;
	uint16_t least, most;
	uint32_t child; /* the first one */
	uint32_t next;  /* the next child of the same parent */
};

/* The tree of a pattern; node 1 is a group.  The arrays serve many patterns. */
struct pattern {
	struct node *nodes; /* owned */
	size_t n;
	struct byte_set *sets; /* owned */
	size_t nsets;
	bool goes_back; /* it has a NODE_BACK */
	char doubt[80]; /* what may not be meant, or empty */
};

const char *pattern_parse(
    struct pattern *, enum filter_type, const char *text, bool folds);
void pattern_free(struct pattern *);

#endif
