/* SPDX-License-Identifier: ISC */
/*
 * Pages written by the administrator: a template is read with the
 * configuration, kept, and filled in with values for each reply.  A value must
 * stay text in HTML, and must not reveal the user and password of a URL.  The
 * size of a page is limited.  Nothing here knows what a page is for.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page.h"

enum {
	NAME_MAX_LEN = 32, /* bytes of a name in braces */
	ESCAPED_MAX = 6    /* bytes that one byte of a value may become */
};

/* Reads to the end of a file, or up to size bytes.  Returns how many, or -1. */
static ssize_t
read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (len < size && n > 0) {
		n = read(fd, text + len, size - len);
		if (n > 0)
			len += (size_t)n;
	}
	return n < 0 ? -1 : (ssize_t)len;
}

/*
 * Reads a template from a file, replacing the one of the page.  Returns 0, or
 * -1 with errno, EFBIG if the file has more than TEMPLATE_MAX bytes; the page
 * is then unchanged.
 */
int
page_read(struct page *page, const char *path)
{
	static char buffer[TEMPLATE_MAX + 1];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), error;
	ssize_t len;
	char *text;

	if (fd < 0)
		return -1;
	len = read_all(fd, buffer, sizeof(buffer));
	error = errno;
	close(fd);
	errno = len > TEMPLATE_MAX ? EFBIG : error;
	if (len < 0 || len > TEMPLATE_MAX)
		return -1;
	/* One more byte, because malloc(0) may return NULL. */
	text = malloc((size_t)len + 1);
	if (text == NULL)
		return -1;
	memcpy(text, buffer, (size_t)len);
	page_free(page);
	page->text = text;
	page->len = (size_t)len;
	return 0;
}

/* Frees the template of a page, which then has none. */
void
page_free(struct page *page)
{
	free(page->path);
	page->path = NULL;
	free(page->text);
	page->text = NULL;
	page->len = 0;
}

/* Returns where the host begins in the authority of a URL, RFC 3986 3.2. */
static const char *
host_in(const char *authority)
{
	size_t len = strcspn(authority, " /?#");

	while (len > 0 && authority[len - 1] != '@')
		len--;
	return authority + len;
}

/* Writes a byte escaped for HTML, text or attribute.  Returns the length. */
static size_t
byte_put(char *out, unsigned char c)
{
	size_t n = 0;

	if (c >= 0x20 && c < 0x7f && strchr("&<>\"'", c) == NULL) {
		out[0] = (char)c;
		return 1;
	}
	out[n++] = '&';
	out[n++] = '#';
	if (c >= 100)
		out[n++] = (char)('0' + c / 100);
	if (c >= 10)
		out[n++] = (char)('0' + c / 10 % 10);
	out[n++] = (char)('0' + c % 10);
	out[n++] = ';';
	return n;
}

/*
 * Writes a value, cut to what fits, without the user and password of a URL.  An
 * authority can begin only at the start of a word or after two slashes.
 * Returns the length.
 */
static size_t
value_put(char *out, size_t room, const char *value)
{
	const char *p = host_in(value);
	size_t n = 0;

	while (*p != '\0' && n + ESCAPED_MAX <= room) {
		n += byte_put(out + n, (unsigned char)*p);
		p++;
		if (p[-1] == ' ' ||
		    (p - value >= 2 && p[-1] == '/' && p[-2] == '/'))
			p = host_in(p);
	}
	return n;
}

/* The same for a value of the administrator, in which a @ is only that. */
static size_t
own_put(char *out, size_t room, const char *value)
{
	size_t n = 0;

	for (; *value != '\0' && n + ESCAPED_MAX <= room; value++)
		if ((unsigned char)*value >= 0x80)
			out[n++] = *value;
		else
			n += byte_put(out + n, (unsigned char)*value);
	return n;
}

/*
 * Returns the value whose name stands in braces at the start of text, or NULL.
 * *len is the length of the name with its braces.
 */
static const struct page_value *
value_named(const char *text, size_t text_len, const struct page_value *values,
    size_t nvalues, size_t *len)
{
	size_t n = 1;

	if (text[0] != '{')
		return NULL;
	while (n < text_len && n <= NAME_MAX_LEN && text[n] >= 'a' &&
	    text[n] <= 'z')
		n++;
	if (n == text_len || text[n] != '}')
		return NULL;
	*len = n + 1;
	for (size_t i = 0; i < nvalues; i++)
		if (strlen(values[i].name) == n - 1 &&
		    memcmp(values[i].name, text + 1, n - 1) == 0)
			return values[i].value != NULL ? &values[i] : NULL;
	return NULL;
}

/*
 * Writes a template of at most TEMPLATE_MAX bytes with each {name} replaced by
 * the value of that name; a name without a value stays as it is.  All values
 * together are cut to VALUES_MAX bytes.  Returns the length, at most PAGE_MAX.
 */
size_t
page_fill(char out[PAGE_MAX], const char *text, size_t len,
    const struct page_value *values, size_t nvalues)
{
	size_t n = 0, left = VALUES_MAX, name_len, put;
	const struct page_value *value;

	for (size_t i = 0; i < len;) {
		value =
		    value_named(text + i, len - i, values, nvalues, &name_len);
		if (value == NULL) {
			out[n++] = text[i++];
			continue;
		}
		put = value->own ? own_put(out + n, left, value->value)
				 : value_put(out + n, left, value->value);
		n += put;
		left -= put;
		i += name_len;
	}
	return n;
}
