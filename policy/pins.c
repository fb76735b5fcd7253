/* SPDX-License-Identifier: ISC */
/*
 * The names of the files that HostsFile names, hosts(5), with their addresses:
 * reads them line by line, and finds a name.  There may be a million, so all
 * names are one text.  Nothing is allocated after the configuration has been
 * read, and nothing here may look up a name.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "array.h"
#include "bounds.h"
#include "name.h"
#include "pins.h"
#include "text.h"

enum { TEXT_SIZE = 4096 /* bytes of all names, to begin with */ };

static const char *sorted; /* the names that pin_compare() looks at */

/* Makes room for len more bytes of names.  Returns 0, or -1 with ENOMEM. */
static int
text_room(struct pins *p, size_t len)
{
	size_t size = p->size == 0 ? TEXT_SIZE : p->size;
	char *grown;

	while (size - p->len < len)
		size *= 2;
	if (size == p->size)
		return 0;
	/* Where a name begins is counted in 32 bits. */
	grown = size <= UINT32_MAX ? realloc(p->text, size) : NULL;
	if (grown == NULL) {
		errno = ENOMEM;
		return -1;
	}
	p->text = grown;
	p->size = size;
	return 0;
}

/* Adds one name.  Returns NULL, or what is wrong. */
static const char *
name_add(struct pins *p, const struct pin *pin, char *name)
{
	struct pin *list = array_room(p->list, p->n, sizeof(*list));
	size_t len;

	if (list == NULL)
		return strerror(ENOMEM);
	p->list = list;
	if (name[0] == '.' || name[0] == '*')
		return "a name stands for itself alone; names below it need "
		       "lines of their own";
	if (!name_fold(name))
		return "what follows the address is not the name of a host";
	len = strlen(name) + 1;
	if (text_room(p, len) != 0)
		return strerror(ENOMEM);
	list += p->n++;
	*list = *pin;
	list->name = (uint32_t)p->len;
	memcpy(p->text + p->len, name, len);
	p->len += len;
	return NULL;
}

/*
 * Adds the names of one line of a file, "address name ... # comment"; changes
 * the text.  Returns NULL, or what is wrong with the line.
 */
const char *
pins_add(struct pins *p, uint32_t file, unsigned long line, char *text)
{
	struct pin pin = { .file = file, .line = (uint32_t)line };
	const char *wrong = NULL;
	char *word;
	size_t before = p->n;

	text[strcspn(text, "#")] = '\0';
	word = text_word(&text);
	if (word == NULL)
		return NULL;
	if (strchr(word, '%') != NULL)
		return "the address has a zone, which means something else on "
		       "each machine; write one without %";
	if (addr_parse(&pin.addr, word) != 0)
		return "the line must begin with an address, as in "
		       "192.0.2.7 www.example.com";
	while (wrong == NULL && (word = text_word(&text)) != NULL)
		wrong = name_add(p, &pin, word);
	if (wrong == NULL && p->n == before)
		return "a name must follow the address, as in "
		       "192.0.2.7 www.example.com";
	return wrong;
}

/* By name, and then in the order of the files. */
static int
pin_compare(const void *a, const void *b)
{
	const struct pin *x = a, *y = b;
	int order = strcmp(sorted + x->name, sorted + y->name);

	if (order != 0)
		return order;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Returns whether the last of n pins has the name and address of another. */
static bool
is_double(const struct pins *p, size_t n, const struct pin *pin)
{
	for (; n > 0; n--) {
		const struct pin *before = &p->list[n - 1];

		if (strcmp(p->text + before->name, p->text + pin->name) != 0)
			return false;
		if (addr_same_ip(&before->addr, &pin->addr))
			return true;
	}
	return false;
}

/*
 * Sorts all names for pins_find(), and drops a name that is there twice with
 * the same address.  Must be called after the last file.  Returns NULL, or the
 * first pin that is one too many for its name.
 */
const struct pin *
pins_index(struct pins *p)
{
	size_t n = 0, same = 0;

	sorted = p->text;
	if (p->n > 1)
		qsort(p->list, p->n, sizeof(*p->list), pin_compare);
	for (size_t i = 0; i < p->n; i++) {
		const struct pin *pin = &p->list[i];

		if (is_double(p, n, pin))
			continue;
		same = n > 0 &&
			strcmp(p->text + p->list[n - 1].name,
			    p->text + pin->name) == 0
		    ? same + 1
		    : 1;
		if (same > ADDRS_MAX)
			return pin;
		p->list[n++] = *pin;
	}
	p->n = n;
	return NULL;
}

/*
 * Returns the first of the *n addresses of a name, in the order of the files;
 * or NULL if no file has the name.
 */
const struct pin *
pins_find(const struct pins *p, const char *name, size_t *n)
{
	char folded[HOST_SIZE + 1];
	size_t low = 0, high = p->n;

	*n = 0;
	if (p->n == 0 || strlen(name) >= sizeof(folded))
		return NULL;
	strcpy(folded, name);
	if (!name_fold(folded))
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(p->text + p->list[middle].name, folded) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + *n < p->n &&
	    strcmp(p->text + p->list[low + *n].name, folded) == 0)
		++*n;
	return *n > 0 ? &p->list[low] : NULL;
}

/* The name of a pin. */
const char *
pins_name(const struct pins *p, const struct pin *pin)
{
	return p->text + pin->name;
}

/* Frees all of them. */
void
pins_free(struct pins *p)
{
	free(p->list);
	free(p->text);
	*p = (struct pins){ .n = 0 };
}
