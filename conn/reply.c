/* SPDX-License-Identifier: ISC */
/*
 * The answers of the proxy itself: the 200 that opens a tunnel, the error
 * replies and the statistics.  A page is made from a template of the
 * administrator, or from a short built-in one.  Whatever a client sent is
 * escaped before it goes into a reply; credentials never go into one.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "addr.h"
#include "page.h"
#include "refusal.h"
#include "reply.h"
#include "share.h"
#include "tally.h"

/* Without Content-Length and Transfer-Encoding, RFC 9110 9.3.6. */
const char reply_established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
const size_t reply_established_len = sizeof(reply_established) - 1;

enum {
	FIELDS_MAX = 2048, /* bytes of a status line and fields */
	DETAIL_SIZE = 160, /* bytes of a sentence, with its NUL */
	DETAILS_SIZE =
	    256,    /* bytes of "details" in Proxy-Status, with its NUL */
	NUMBERS = 5 /* on the page of statistics */
};

/*
 * The built-in page of errors, in parts: one may name the target, and one links
 * to a mail address of Contact.
 */
static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>{errno} {cause}</title>\n"
    "<style>:root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:36em;"
    "margin:8vh auto;padding:0 1em;overflow-wrap:anywhere}"
    "h1{font-size:1.5em;line-height:1.2}</style></head>\n"
    "<body><main><h1>{errno} {cause}</h1>\n<p>{detail}</p>\n";
static const char page_because[] = "<p>{because}</p>\n";
static const char page_target[] = "<p>Target: <code>{url}</code></p>\n";
static const char page_end[] =
    "<p>{advice}</p>\n<p>If you need help, ask {contact}.\n"
    "It happened at {date}.</p></main></body></html>\n";
static const char page_end_mail[] =
    "<p>{advice}</p>\n<p>If you need help, ask "
    "<a href=\"mailto:{contact}\">{contact}</a>.\n"
    "It happened at {date}.</p></main></body></html>\n";
static const char stat_page[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Statistics</title>"
    "</head>\n<body><h1>Statistics</h1>\n<table>\n"
    "<tr><th>Open connections</th><td>{opens}</td></tr>\n"
    "<tr><th>Requests</th><td>{reqs}</td></tr>\n"
    "<tr><th>Bad requests</th><td>{badconns}</td></tr>\n"
    "<tr><th>Denied by rules</th><td>{deniedconns}</td></tr>\n"
    "<tr><th>Refused by limits</th><td>{refusedconns}</td></tr>\n"
    "</table>\n<hr>\n<p>adit</p></body></html>\n";

static const char page_type[] = "text/html";

static struct {
	const struct pages *pages;
	const char *realm, *contact;
	bool mail; /* contact is a mail address */
} rules;

/*
 * Must be called in a worker before the first reply: the administrator's
 * templates, the realm for a 407, and whom to ask for help, or NULL.  All stay
 * the caller's.
 */
void
reply_use(const struct pages *pages, const char *realm, const char *contact)
{
	const char *at = contact != NULL ? strchr(contact, '@') : NULL;

	rules.pages = pages;
	rules.realm = realm;
	rules.contact =
	    contact != NULL ? contact : "the administrator of this proxy";
	rules.mail = at != NULL && at > contact && at[1] != '\0' &&
	    strchr(at + 1, '@') == NULL && strchr(contact, ' ') == NULL;
}

/* What a reader of a page can do, by the status. */
static const char *
advice_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} list[] = {
		{ 301, "Use the address with a slash at its end." },
		{ 403,
		    "The rules of this proxy decide that; to try again does not "
		    "help." },
		{ 407,
		    "Enter the name and password that you have for this "
		    "proxy." },
		{ 408, "Try again." },
		{ 429,
		    "Check the password that is stored for this proxy, and wait "
		    "a little." },
		{ 500, "Try again in a few minutes." },
		{ 502,
		    "Check the address for typing errors, or try again "
		    "later." },
		{ 503, "Try again in a few seconds." },
		{ 504, "Try again later: it may be slow or down." },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		if (list[i].status == status)
			return list[i].text;
	return "The program that sent this request may not know that it talks "
	       "to a proxy; check its settings.";
}

/* Writes the date, RFC 9110 5.6.7; strftime() would depend on the locale. */
static void
date_text(char text[40])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	snprintf(text, 40, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
	    days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100,
	    months + 3 * tm.tm_mon, (unsigned)(tm.tm_year + 1900) % 10000,
	    (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
	    (unsigned)tm.tm_sec % 100);
}

/* Escapes a text for a quoted-string, RFC 9110 5.6.4; cuts it if too long. */
static void
quote(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 2 < size; text++) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	out[n] = '\0';
}

/*
 * Escapes a text for a String of RFC 9651, which is also a quoted-string of RFC
 * 9110; cuts it if too long.  Only ASCII may stand there.
 */
static void
quote_ascii(char *out, size_t size, const char *text)
{
	char copy[DETAILS_SIZE];
	size_t n = 0;

	for (; *text != '\0' && n + 1 < sizeof(copy); text++)
		copy[n++] = (char)(*text >= 0x20 && *text < 0x7f ? *text : '?');
	copy[n] = '\0';
	quote(out, size, copy);
}

/* Writes the fields that only some statuses have. */
static void
special_fields(char *out, size_t size, const struct reply *r, const char *realm)
{
	int status = r->status;
	char quoted[256];

	out[0] = '\0';
	if (status == 200)
		snprintf(out, size, "Cache-Control: %s\r\n",
		    r->refusal == REFUSE_PAC ? "max-age=300" : "no-store");
	if (r->location != NULL)
		snprintf(out, size, "Location: %s\r\n", r->location);
	/* A limit on a number was exceeded; it may fall again at any time. */
	if (status == 503)
		snprintf(out, size, "Retry-After: 1\r\n");
	/* By then a password of this address that waits will be checked. */
	if (status == 429)
		snprintf(out, size, "Retry-After: 5\r\n");
	if (status != 407)
		return;
	quote(quoted, sizeof(quoted), realm);
	snprintf(out, size,
	    "Proxy-Authenticate: Basic realm=\"%s\", charset=\"UTF-8\"\r\n",
	    quoted);
}

/*
 * Writes the value of Proxy-Status, RFC 9209 2: for an error its type, and the
 * status that a parent has sent or the reason that a rule gives; otherwise only
 * the name of the proxy.
 */
static void
proxy_status(char *out, size_t size, const struct reply *r)
{
	char details[2 * DETAILS_SIZE];
	int n = snprintf(out, size, "adit");

	if (r->status < 400)
		return;
	n += snprintf(out + n, size - (size_t)n, "; error=%s",
	    refusal_row(r->refusal)->type);
	if (r->received != 0)
		n += snprintf(out + n, size - (size_t)n, "; received-status=%d",
		    r->received);
	if (r->because == NULL)
		return;
	quote_ascii(details, sizeof(details), r->because);
	snprintf(out + n, size - (size_t)n, "; details=\"%s\"", details);
}

/*
 * Writes the status line, the fields and the empty line of a reply.  Returns
 * their length.
 */
static size_t
fields_make(char out[FIELDS_MAX], const struct reply *r, const char *date,
    size_t page_len)
{
	char special[320], status[128 + 2 * DETAILS_SIZE];
	int n;

	special_fields(special, sizeof(special), r, rules.realm);
	proxy_status(status, sizeof(status), r);
	n = snprintf(out, FIELDS_MAX,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n"
	    "Proxy-Status: %s\r\n%s\r\n",
	    r->status, refusal_answer(r->refusal, r->status), date,
	    r->document != NULL ? r->document->type : page_type, page_len,
	    status, special);
	assert(n > 0 && n < FIELDS_MAX);
	return (size_t)n;
}

/* Returns the template for a reply; without text, a built-in page is used. */
static const struct page *
template_of(const struct reply *r, const struct pages *pages)
{
	if (r->stats != NULL)
		return &pages->stat;
	for (size_t i = 0; i < pages->n; i++)
		if (pages->list[i].status == r->status)
			return &pages->list[i].page;
	return &pages->error;
}

/*
 * Fills the template of a reply, or the built-in page; a document stays as it
 * is.  Returns the length.
 */
static size_t
page_make(char out[PAGE_MAX], const struct reply *r, const struct page *page,
    const struct page_value *values, size_t nvalues)
{
	const char *parts[] = { page_head,
		r->because != NULL ? page_because : "",
		r->target != NULL ? page_target : "",
		rules.mail ? page_end_mail : page_end };
	size_t n = 0;

	if (r->document != NULL) {
		memcpy(out, r->document->text, r->document->len);
		return r->document->len;
	}
	if (page->text != NULL)
		return page_fill(out, page->text, page->len, values, nvalues);
	if (r->stats != NULL)
		return page_fill(
		    out, stat_page, strlen(stat_page), values, nvalues);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		n += page_fill(
		    out + n, parts[i], strlen(parts[i]), values, nvalues);
	return n;
}

static const char *
count_text(char text[24], uint64_t n)
{
	snprintf(text, 24, "%" PRIu64, n);
	return text;
}

/* Returns the sentence of a reply: its detail, or that of its refusal. */
static const char *
detail_text(char text[DETAIL_SIZE], const struct reply *r)
{
	const struct refusal_row *row = refusal_row(r->refusal);
	const char *sentence = r->detail != NULL ? r->detail : row->sentence;

	if (!row->of_target)
		return sentence;
	snprintf(text, DETAIL_SIZE, "The %s %s",
	    r->of_parent ? "parent proxy" : "target", sentence);
	return text;
}

/*
 * Makes a whole reply: status line, fields and page.  Fills in r->status if it
 * is 0.  *text points into a static buffer, valid until the next call.  Returns
 * the length.
 */
size_t
reply_make(const char **text, struct reply *r)
{
	static char buffer[FIELDS_MAX + PAGE_MAX];
	static const struct stats nothing;
	const struct stats *stats = r->stats != NULL ? r->stats : &nothing;
	char *page = buffer + FIELDS_MAX, fields[FIELDS_MAX];
	char date[40], code[12], client[ADDR_TEXT_SIZE], n[NUMBERS][24];
	char detail[DETAIL_SIZE];
	size_t page_len, fields_len, nvalues;

	if (r->status == 0)
		r->status = refusal_row(r->refusal)->status;
	date_text(date);
	snprintf(code, sizeof(code), "%d", r->status);
	addr_text(r->client, client);
	/* The names are tinyproxy's. */
	const struct page_value values[] = { { "errno", code, false },
		{ "cause", refusal_answer(r->refusal, r->status), false },
		{ "request", r->request, false }, { "clientip", client, false },
		{ "clienthost", client, false }, { "date", date, false },
		{ "website", "", false }, { "version", ADIT_VERSION, false },
		{ "package", "adit", false },
		{ "detail", detail_text(detail, r), false },
		{ "url", r->target, false }, { "error", r->why, false },
		{ "advice", advice_text(r->status), false },
		{ "because", r->because != NULL ? r->because : "", true },
		{ "contact", rules.contact, true },
		{ "opens", count_text(n[0], stats->open), false },
		{ "reqs", count_text(n[1], stats->tally[TALLY_REQUESTS]),
		    false },
		{ "badconns", count_text(n[2], stats->tally[TALLY_BAD]),
		    false },
		{ "deniedconns", count_text(n[3], stats->tally[TALLY_DENIED]),
		    false },
		{ "refusedconns", count_text(n[4], stats->tally[TALLY_REFUSED]),
		    false } };
	/* The last values are for the statistics alone. */
	nvalues = sizeof(values) / sizeof(*values);
	if (r->stats == NULL)
		nvalues -= NUMBERS;
	page_len =
	    page_make(page, r, template_of(r, rules.pages), values, nvalues);
	fields_len = fields_make(fields, r, date, page_len);
	*text = memcpy(page - fields_len, fields, fields_len);
	return r->bodiless ? fields_len : fields_len + page_len;
}
