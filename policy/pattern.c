/* SPDX-License-Identifier: ISC */
/*
 * The parser of patterns: basic and extended regular expressions with the
 * meaning and the extensions that glibc gives them in the C locale, whatever
 * the library is, and the patterns of fnmatch(3).  It makes a tree of each, and
 * matches nothing.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "bracket.h"
#include "pattern.h"

enum token_kind {
	TOKEN_END,
	TOKEN_BYTE,
	TOKEN_ANY,
	TOKEN_BRACKET,
	TOKEN_WORD,  /* \w or \W, and */
	TOKEN_SPACE, /* \s or \S: their byte says which */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_OR,
	TOKEN_STAR,
	TOKEN_PLUS,
	TOKEN_MAYBE,
	TOKEN_BRACE,
	TOKEN_PLACE,
	TOKEN_BACK
};

struct token {
	enum token_kind kind;
	unsigned char value; /* the byte, place, or number of the group */
	unsigned char len;   /* bytes that it takes */
};

struct parser {
	struct pattern *p;
	const char *at;
	const char *why; /* what is wrong, or NULL */
	bool extended, folds;
	bool caret; /* a '^' here is an anchor */
	struct token token;
	unsigned depth, groups;
	unsigned closed; /* a bit for each group that is complete */
};

/* The tree. */

static uint32_t
node_add(struct parser *r, enum node_kind kind, uint32_t value)
{
	struct pattern *p = r->p;
	struct node *grown = array_room(p->nodes, p->n, sizeof(*grown));

	if (grown == NULL) {
		r->why = strerror(ENOMEM);
		return 0;
	}
	p->nodes = grown;
	grown[p->n] = (struct node){ .kind = kind, .value = value };
	return (uint32_t)p->n++;
}

static uint32_t
byte_add(struct parser *r, char c)
{
	if (r->folds && c >= 'A' && c <= 'Z')
		c = (char)(c + ('a' - 'A'));
	return node_add(r, NODE_BYTE, (unsigned char)c);
}

static uint32_t
set_add(struct parser *r, const struct byte_set *set)
{
	struct pattern *p = r->p;
	struct byte_set *grown = array_room(p->sets, p->nsets, sizeof(*grown));

	if (grown == NULL) {
		r->why = strerror(ENOMEM);
		return 0;
	}
	p->sets = grown;
	grown[p->nsets] = *set;
	return node_add(r, NODE_SET, (uint32_t)p->nsets++);
}

/* Adds what repeats a node. */
static uint32_t
repeat_add(struct parser *r, uint32_t child, unsigned least, unsigned most)
{
	uint32_t n = node_add(r, NODE_REPEAT, 0);

	if (n != 0) {
		r->p->nodes[n].child = child;
		r->p->nodes[n].least = (uint16_t)least;
		r->p->nodes[n].most = (uint16_t)most;
	}
	return n;
}

/* Appends a child to a node whose last child is *last. */
static void
child_add(struct parser *r, uint32_t parent, uint32_t *last, uint32_t child)
{
	struct node *nodes = r->p->nodes;

	if (parent == 0 || child == 0)
		return;
	*(*last == 0 ? &nodes[parent].child : &nodes[*last].next) = child;
	*last = child;
}

/* Words of the language. */

static struct token
token_make(enum token_kind kind, char value, unsigned len)
{
	return (struct token){ .kind = kind,
		.value = (unsigned char)value,
		.len = (unsigned char)len };
}

/*
 * Returns what a backslash and a byte mean in both syntaxes, or a byte with the
 * length 0: nothing.
 */
static struct token
token_escaped(char c)
{
	switch (c) {
	case '<':
		return token_make(TOKEN_PLACE, PLACE_WORD_BEGIN, 2);
	case '>':
		return token_make(TOKEN_PLACE, PLACE_WORD_END, 2);
	case 'b':
		return token_make(TOKEN_PLACE, PLACE_EDGE, 2);
	case 'B':
		return token_make(TOKEN_PLACE, PLACE_NO_EDGE, 2);
	case '`':
		return token_make(TOKEN_PLACE, PLACE_BEGIN, 2);
	case '\'':
		return token_make(TOKEN_PLACE, PLACE_END, 2);
	case 'w':
	case 'W':
		return token_make(TOKEN_WORD, c, 2);
	case 's':
	case 'S':
		return token_make(TOKEN_SPACE, c, 2);
	default:
		if (c >= '1' && c <= '9')
			return token_make(TOKEN_BACK, (char)(c - '0'), 2);
		return token_make(TOKEN_BYTE, c, 0);
	}
}

/* Returns what one of the bytes ( ) { | + ? means as an operator. */
static struct token
token_operator(char c, unsigned len)
{
	switch (c) {
	case '(':
		return token_make(TOKEN_OPEN, c, len);
	case ')':
		return token_make(TOKEN_CLOSE, c, len);
	case '{':
		return token_make(TOKEN_BRACE, c, len);
	case '|':
		return token_make(TOKEN_OR, c, len);
	case '+':
		return token_make(TOKEN_PLUS, c, len);
	case '?':
		return token_make(TOKEN_MAYBE, c, len);
	default:
		return token_make(TOKEN_BYTE, c, len);
	}
}

/* Whether an end of the expression or of a group follows, for a '$' of BRE. */
static bool
is_last(const char *at)
{
	return at[0] == '\0' ||
	    (at[0] == '\\' && (at[1] == ')' || at[1] == '|'));
}

/* Returns the token here, which is not taken yet. */
static struct token
token_peek(const struct parser *r)
{
	const char *at = r->at;
	struct token t;

	switch (*at) {
	case '\0':
		return token_make(TOKEN_END, 0, 0);
	case '\\':
		t = token_escaped(at[1]);
		if (t.len != 0)
			return t;
		return r->extended ? token_make(TOKEN_BYTE, at[1], 2)
				   : token_operator(at[1], 2);
	case '.':
		return token_make(TOKEN_ANY, 0, 1);
	case '[':
		return token_make(TOKEN_BRACKET, 0, 1);
	case '*':
		return token_make(TOKEN_STAR, '*', 1);
	case '^':
		if (r->extended || r->caret)
			return token_make(TOKEN_PLACE, PLACE_BEGIN, 1);
		break;
	case '$':
		if (r->extended || is_last(at + 1))
			return token_make(TOKEN_PLACE, PLACE_END, 1);
		break;
	default:
		if (r->extended)
			return token_operator(*at, 1);
	}
	return token_make(TOKEN_BYTE, *at, 1);
}

/* A letter that is escaped has a meaning elsewhere, and the others seldom do. */
static void
doubt_escape(struct parser *r)
{
	char c = r->at[1];

	if (r->at[0] == '\\' && r->token.kind == TOKEN_BYTE &&
	    ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
		snprintf(r->p->doubt, sizeof(r->p->doubt),
		    "\\%c matches the letter %c alone%s", c, c,
		    c == 'd' ? "; write [0-9] for a digit" : "");
}

/* Takes the token and looks at the next one. */
static void
token_next(struct parser *r)
{
	r->at += r->token.len;
	r->token = token_peek(r);
	if (r->token.kind == TOKEN_BYTE && r->at[0] == '\\' && r->at[1] == '\0')
		r->why = "Trailing backslash";
	else
		doubt_escape(r);
}

/* Looks again at a token, at a place where '^' may have another meaning. */
static void
token_first(struct parser *r, bool caret)
{
	r->caret = caret;
	r->token.len = 0;
	token_next(r);
}

/* Expressions. */

static uint32_t group_parse(struct parser *, uint32_t number);

static uint32_t
bracket_parse(struct parser *r)
{
	const char *at = r->at + 1;
	struct byte_set set;

	r->why = bracket_read(&set, &at, false, r->folds);
	if (r->why != NULL)
		return 0;
	r->token.len = 0;
	r->at = at;
	return set_add(r, &set);
}

/* A class that an escape stands for; a capital letter means all others. */
static uint32_t
escape_parse(struct parser *r)
{
	struct byte_set set = { { 0 } };

	if (r->token.kind == TOKEN_WORD) {
		byte_set_class(&set, "alnum", 5, r->folds);
		set.bits['_' / 8] |= 1 << '_' % 8;
	}
	if (r->token.value == 'W' || r->token.value == 'S')
		byte_set_turn(&set);
	return set_add(r, &set);
}

static uint32_t
back_parse(struct parser *r)
{
	if ((r->closed >> r->token.value & 1) == 0) {
		r->why = "Invalid back reference: no such group is complete";
		return 0;
	}
	r->p->goes_back = true;
	return node_add(r, NODE_BACK, r->token.value);
}

static uint32_t
parentheses_parse(struct parser *r)
{
	unsigned number = ++r->groups;
	uint32_t n;

	if (++r->depth > NEST_MAX) {
		r->why = "Too many groups in each other: 200 are possible";
		return 0;
	}
	r->at += r->token.len;
	token_first(r, true);
	n = group_parse(r, number);
	r->depth--;
	if (r->why == NULL && r->token.kind != TOKEN_CLOSE)
		r->why = "Unmatched ( or \\(: close the group";
	if (number <= BACK_MAX)
		r->closed |= 1U << number;
	return n;
}

/* Reads an operator where an expression has to begin. */
static uint32_t
stray_parse(struct parser *r)
{
	if (r->token.kind == TOKEN_CLOSE && !r->extended) {
		r->why = "Unmatched \\): there is no group to close";
		return 0;
	}
	if ((r->extended && r->token.kind != TOKEN_CLOSE) ||
	    r->token.kind == TOKEN_BRACE) {
		r->why = "Invalid preceding regular expression: there is "
			 "nothing to repeat";
		return 0;
	}
	return byte_add(r, (char)r->token.value);
}

static uint32_t
atom_parse(struct parser *r)
{
	switch (r->token.kind) {
	case TOKEN_BYTE:
		return byte_add(r, (char)r->token.value);
	case TOKEN_ANY:
		return node_add(r, NODE_ANY, 0);
	case TOKEN_BRACKET:
		return bracket_parse(r);
	case TOKEN_WORD:
	case TOKEN_SPACE:
		return escape_parse(r);
	case TOKEN_OPEN:
		return parentheses_parse(r);
	case TOKEN_PLACE:
		return node_add(r, NODE_PLACE, r->token.value);
	case TOKEN_BACK:
		return back_parse(r);
	case TOKEN_CLOSE:
	case TOKEN_STAR:
	case TOKEN_PLUS:
	case TOKEN_MAYBE:
	case TOKEN_BRACE:
		return stray_parse(r);
	case TOKEN_END:
	case TOKEN_OR:
		break;
	}
	return 0;
}

/* Reads a number of an interval; returns ENDLESS if there is none. */
static unsigned
number_read(const char **at)
{
	unsigned n = 0;

	if (**at < '0' || **at > '9')
		return ENDLESS;
	for (; **at >= '0' && **at <= '9'; ++*at)
		if (n <= REPEAT_MAX)
			n = n * 10 + (unsigned)(**at - '0');
	return n;
}

/* Reads an interval, after its brace. */
static uint32_t
interval_parse(struct parser *r, uint32_t child)
{
	const char *at = r->at + r->token.len;
	unsigned least = number_read(&at), most = least;

	if (*at == ',') {
		at++;
		most = number_read(&at);
		if (least == ENDLESS)
			least = 0;
	}
	if (!r->extended && *at == '\\')
		at++;
	else if (!r->extended && *at != '\0')
		at = "?";
	if (*at != '}' || least == ENDLESS)
		r->why = *at == '\0' ? "Unmatched { or \\{: close the interval"
				     : "Invalid content of \\{\\}: as in {2}, "
				       "{2,} or {2,4}";
	else if (most < least)
		r->why = "Invalid content of \\{\\}: the second number is "
			 "lower than the first one";
	else if (least > REPEAT_MAX || (most > REPEAT_MAX && most != ENDLESS))
		r->why = "Regular expression too big: a number is over 32767";
	if (r->why != NULL)
		return 0;
	r->at = at + 1;
	r->token.len = 0;
	return repeat_add(r, child, least, most);
}

static bool
is_repeat(enum token_kind kind)
{
	return kind == TOKEN_STAR || kind == TOKEN_PLUS ||
	    kind == TOKEN_MAYBE || kind == TOKEN_BRACE;
}

/* Reads the operators that repeat an expression. */
static uint32_t
repeats_parse(struct parser *r, uint32_t n)
{
	while (r->why == NULL && is_repeat(r->token.kind)) {
		enum token_kind kind = r->token.kind;

		if (kind == TOKEN_BRACE)
			n = interval_parse(r, n);
		else
			n = repeat_add(r, n, kind == TOKEN_PLUS,
			    kind == TOKEN_MAYBE ? 1 : ENDLESS);
		token_next(r);
		if (!r->extended &&
		    (r->token.kind == TOKEN_STAR ||
			r->token.kind == TOKEN_BRACE))
			r->why = "Invalid preceding regular expression: it is "
				 "repeated already";
	}
	return n;
}

/* Reads one expression with what repeats it; a place is not repeated. */
static uint32_t
expression_parse(struct parser *r)
{
	bool place = r->token.kind == TOKEN_PLACE;
	uint32_t n = atom_parse(r);

	if (r->why != NULL)
		return 0;
	r->caret = false;
	token_next(r);
	return place ? n : repeats_parse(r, n);
}

static uint32_t
list_parse(struct parser *r)
{
	uint32_t n = node_add(r, NODE_LIST, 0), last = 0;

	while (r->why == NULL && r->token.kind != TOKEN_END &&
	    r->token.kind != TOKEN_OR &&
	    (r->depth == 0 || r->token.kind != TOKEN_CLOSE))
		child_add(r, n, &last, expression_parse(r));
	return n;
}

/* A list may only refer back to groups that are complete before it. */
static uint32_t
group_parse(struct parser *r, uint32_t number)
{
	uint32_t n = node_add(r, NODE_GROUP, number), last = 0;
	unsigned before = r->closed, closed;

	child_add(r, n, &last, list_parse(r));
	while (r->why == NULL && r->token.kind == TOKEN_OR) {
		r->at += r->token.len;
		token_first(r, true);
		closed = r->closed;
		r->closed = before;
		child_add(r, n, &last, list_parse(r));
		r->closed |= closed;
	}
	return n;
}

/* Patterns of fnmatch(3). */

/* A '[' that is not closed is a byte like others. */
static uint32_t
glob_bracket_parse(struct parser *r)
{
	const char *at = r->at, *why;
	struct byte_set set;

	why = bracket_read(&set, &at, true, r->folds);
	if (why == bracket_unclosed)
		return byte_add(r, '[');
	r->why = why;
	r->at = at;
	return why == NULL ? set_add(r, &set) : 0;
}

static uint32_t
glob_one_parse(struct parser *r)
{
	char c = *r->at++;

	switch (c) {
	case '*':
		return repeat_add(r, node_add(r, NODE_ANY, 0), 0, ENDLESS);
	case '?':
		return node_add(r, NODE_ANY, 0);
	case '[':
		return glob_bracket_parse(r);
	case '\\':
		if (*r->at == '\0')
			r->why = "Trailing backslash";
		else
			c = *r->at++;
		break;
	}
	return byte_add(r, c);
}

static void
glob_parse(struct parser *r)
{
	uint32_t group = node_add(r, NODE_GROUP, 0), none = 0, last = 0;
	uint32_t list = node_add(r, NODE_LIST, 0);

	child_add(r, group, &none, list);
	child_add(r, list, &last, node_add(r, NODE_PLACE, PLACE_BEGIN));
	while (*r->at != '\0' && r->why == NULL)
		child_add(r, list, &last, glob_one_parse(r));
	child_add(r, list, &last, node_add(r, NODE_PLACE, PLACE_END));
}

/*
 * Parses a pattern, whose bytes are printable ASCII.  folds: without regard to
 * case, for subjects in lower case.  The struct is all zero or has served
 * another pattern.  Returns NULL, or what is wrong.
 */
const char *
pattern_parse(
    struct pattern *p, enum filter_type type, const char *text, bool folds)
{
	struct parser r = { .p = p,
		.at = text,
		.extended = type == FILTER_ERE,
		.folds = folds };

	p->n = p->nsets = 0;
	p->goes_back = false;
	p->doubt[0] = '\0';
	node_add(&r, NODE_LIST, 0); /* number 0 is none */
	if (type == FILTER_FNMATCH) {
		glob_parse(&r);
		return r.why;
	}
	token_first(&r, true);
	group_parse(&r, 0);
	return r.why;
}

/* Frees what a struct pattern owns. */
void
pattern_free(struct pattern *p)
{
	free(p->nodes);
	free(p->sets);
	*p = (struct pattern){ 0 };
}
