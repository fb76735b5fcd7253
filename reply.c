/* SPDX-License-Identifier: ISC */
/*
 * What the proxy itself answers: the 200 that opens a tunnel, and the error
 * replies with their fields and a short page.  Nothing that a client sent
 * goes into a reply without being escaped, and credentials never do.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proxy.h"

/* RFC 9110 9.3.6: neither Content-Length nor Transfer-Encoding. */
const char reply_established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
const size_t reply_established_len = sizeof(reply_established) - 1;

/* The reason phrases of RFC 9110 15. */
const char *
reply_reason(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 407:
		return "Proxy Authentication Required";
	case 408:
		return "Request Timeout";
	case 414:
		return "URI Too Long";
	case 429:
		return "Too Many Requests"; /* RFC 6585 4 */
	case 431:
		return "Request Header Fields Too Large";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	case 505:
		return "HTTP Version Not Supported";
	case 500:
		return "Internal Server Error";
	default: /* what a parent has sent */
		return status < 500 ? "Request Refused" : "Server Error";
	}
}

/* RFC 9110 5.6.7, in English whatever the locale. */
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

/* Escapes for HTML, and cuts to what fits. */
static void
html_escape(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 7 < size; text++) {
		if (strchr("&<>\"'", *text) == NULL)
			out[n++] = *text;
		else
			n += (size_t)snprintf(
			    out + n, size - n, "&#%d;", (unsigned char)*text);
	}
	out[n] = '\0';
}

/* Escapes for a quoted-string, RFC 9110 5.6.4, and cuts to what fits. */
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

/* The fields that only some statuses have. */
static void
special_fields(char *out, size_t size, int status, const char *realm)
{
	char quoted[256];

	out[0] = '\0';
	/* What is exceeded is a limit on how many, and they come and go. */
	if (status == 503)
		snprintf(out, size, "Retry-After: 1\r\n");
	/* So long the wait of an address is at most, and then a place free. */
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
 * Writes a whole error reply: the status, with error one of RFC 9209's types
 * and its parameters, and a page that says detail.  Host is the target or
 * NULL; realm counts for 407 alone.  Returns the length, less than
 * REPLY_SIZE.
 */
size_t
reply_make(char out[REPLY_SIZE], int status, const char *error,
    const char *detail, const char *host, const char *realm)
{
	const char *reason = reply_reason(status);
	char date[40], special[320], target[320] = "", why[256], page[1024];
	int n;

	date_text(date);
	special_fields(special, sizeof(special), status, realm);
	html_escape(why, sizeof(why), detail);
	if (host != NULL)
		html_escape(target, sizeof(target), host);
	n = snprintf(page, sizeof(page),
	    "<!DOCTYPE html>\n<html lang=\"en\"><head><title>%d %s</title>"
	    "</head>\n<body><h1>%d %s</h1>\n<p>%s</p>\n%s%s%s"
	    "<hr>\n<p>adit</p></body></html>\n",
	    status, reason, status, reason, why,
	    target[0] != '\0' ? "<p>Target: " : "", target,
	    target[0] != '\0' ? "</p>\n" : "");
	n = snprintf(out, REPLY_SIZE,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: text/html\r\n"
	    "Content-Length: %d\r\nConnection: close\r\n"
	    "Proxy-Status: adit; error=%s\r\n%s\r\n%s",
	    status, reason, date, n, error, special, page);
	return (size_t)n;
}
