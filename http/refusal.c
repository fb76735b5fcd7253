/* SPDX-License-Identifier: ISC */
/*
 * A table of all answers of this proxy itself.  The reply, the log, the
 * counters and -t use its rows, and adit(8) lists them.  Several rows may have
 * one status and type, but the reason tells each from all others.  The reason phrases of
 * the statuses follow it.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stddef.h>

#include "refusal.h"
#include "tally.h"

/* clang-format off */
static const struct refusal_row rows[] = {
	[REFUSE_NOTHING] = { 0, "", "", "", false, TALLY_NONE },
	[REFUSE_CLIENT] = { 403, "client_rule", "http_request_denied",
	    "This proxy does not serve your address.", false, TALLY_DENIED },
	[REFUSE_LIMIT] = { 503, "client_limit", "connection_limit_reached",
	    "There are too many connections from your address.", false, TALLY_REFUSED },
	[REFUSE_MALFORMED] = { 400, "malformed", "http_request_error",
	    "The request is malformed.", false, TALLY_BAD },
	[REFUSE_LINE_SIZE] = { 414, "line_size", "http_request_error",
	    "The request line is too long.", false, TALLY_BAD },
	[REFUSE_HEAD_SIZE] = { 431, "head_size", "http_request_error",
	    "The request head is too large.", false, TALLY_BAD },
	[REFUSE_VERSION] = { 505, "http_version", "http_request_error",
	    "Only HTTP/1.0 and HTTP/1.1 are served.", false, TALLY_BAD },
	[REFUSE_CODING] = { 501, "transfer_coding", "http_request_error",
	    "The only transfer coding of requests that is served is chunked.", false, TALLY_BAD },
	[REFUSE_INCOMPLETE] = { 400, "head_incomplete", "http_request_error",
	    "The request head is incomplete.", false, TALLY_BAD },
	[REFUSE_SLOW_HEAD] = { 408, "head_timeout", "http_request_error",
	    "The request head did not come in time.", false, TALLY_BAD },
	[REFUSE_LOOP] = { 502, "loop", "proxy_loop_detected",
	    "The request has come back to the proxy that sent it.", false, TALLY_NONE },
	[REFUSE_CREDENTIALS] = { 407, "credentials", "http_request_denied",
	    "This proxy requires a user name and a password.", false, TALLY_DENIED },
	[REFUSE_GUESSES] = { 429, "guesses", "http_request_denied",
	    "There were too many wrong passwords from your address.", false, TALLY_DENIED },
	[REFUSE_ANONYMOUS] = { 403, "anonymous", "http_request_denied",
	    "This proxy requires a password, which cannot be sent here.", false, TALLY_DENIED },
	[REFUSE_UNCHECKED] = { 503, "password_unchecked", "proxy_internal_error",
	    "The proxy could not check the password in time.", false, TALLY_NONE },
	[REFUSE_PEER] = { 403, "peer_unknown", "http_request_denied",
	    "The system does not say by which name it knows you.", false, TALLY_DENIED },
	[REFUSE_UNMAPPED] = { 400, "unmapped", "http_request_error",
	    "No mapping found for requested url.", false, TALLY_BAD },
	[REFUSE_REDIRECTED] = { 301, "redirected", "redirected",
	    "The path ends in a slash.", false, TALLY_NONE },
	[REFUSE_STATISTICS] = { 200, "statistics", "statistics",
	    NULL, false, TALLY_NONE },
	[REFUSE_HEALTH] = { 200, "health", "health",
	    "This proxy takes requests.", false, TALLY_NONE },
	[REFUSE_DRAINING] = { 503, "draining", "proxy_internal_response",
	    "This proxy takes no more requests.", false, TALLY_NONE },
	[REFUSE_PAC] = { 200, "pac", "pac",
	    "This is the PacFile.", false, TALLY_NONE },
	[REFUSE_PORT] = { 403, "port", "http_request_denied",
	    "CONNECT to this port is not allowed.", false, TALLY_DENIED },
	[REFUSE_FILTERED] = { 403, "filtered", "http_request_denied",
	    "This target is filtered.", false, TALLY_DENIED },
	[REFUSE_TARGET] = { 403, "target_rule", "http_request_denied",
	    "This target is not allowed.", false, TALLY_DENIED },
	[REFUSE_ADDRESS] = { 403, "target_address", "destination_ip_prohibited",
	    "The address of the target is not allowed.", false, TALLY_DENIED },
	[REFUSE_NO_NAME] = { 502, "name_unknown", "dns_error; rcode=\"NXDOMAIN\"",
	    "has a name that does not resolve.", true, TALLY_NONE },
	[REFUSE_LOOKUP] = { 502, "lookup_failed", "dns_error",
	    "has a name that does not resolve.", true, TALLY_NONE },
	[REFUSE_SLOW_LOOKUP] = { 504, "lookup_timeout", "dns_timeout",
	    "has a name that could not be looked up in time.", true, TALLY_NONE },
	[REFUSE_NOT_LISTENING] = { 502, "connect_refused", "connection_refused",
	    "refused the connection.", true, TALLY_NONE },
	[REFUSE_SLOW_CONNECT] = { 504, "connect_timeout", "connection_timeout",
	    "did not answer in time.", true, TALLY_NONE },
	[REFUSE_NO_ROUTE] = { 502, "no_route", "destination_ip_unroutable",
	    "cannot be reached: no route leads to it.", true, TALLY_NONE },
	[REFUSE_NO_SOURCE] = { 502, "no_source_address", "destination_ip_unroutable",
	    "cannot be reached from any address of this proxy.", true, TALLY_NONE },
	[REFUSE_DESCRIPTORS] = { 503, "no_descriptor", "connection_limit_reached",
	    "was not tried: the proxy has no descriptor left.", true, TALLY_REFUSED },
	[REFUSE_PORTS] = { 503, "no_source_port", "connection_limit_reached",
	    "was not tried: the proxy has no port left for it.", true, TALLY_REFUSED },
	[REFUSE_CONNECT] = { 500, "connect_failed", "proxy_internal_error",
	    "could not be connected to.", true, TALLY_NONE },
	[REFUSE_PARENT_DENIES] = { 403, "parent_denied", "http_request_denied",
	    "The parent proxy has refused this target.", false, TALLY_NONE },
	[REFUSE_PARENT_FAILS] = { 502, "parent_failed", "destination_unavailable",
	    "The parent proxy has refused this target.", false, TALLY_NONE },
	[REFUSE_PARENT_SLOW] = { 504, "parent_timeout", "connection_timeout",
	    "The parent proxy has refused this target.", false, TALLY_NONE },
	[REFUSE_PARENT_LOGIN] = { 502, "parent_credentials", "http_request_denied",
	    "does not accept the credentials of this proxy.", true, TALLY_NONE },
	[REFUSE_PARENT_MALFORMED] = { 502, "parent_malformed", "http_protocol_error",
	    "sent a malformed answer.", true, TALLY_NONE },
	[REFUSE_PARENT_EARLY] = { 502, "parent_early_data", "http_protocol_error",
	    "sent data before it had the request.", true, TALLY_NONE },
	[REFUSE_PARENT_CLOSED] = { 502, "parent_closed", "connection_terminated",
	    "closed the connection.", true, TALLY_NONE },
	[REFUSE_SOCKS_REJECTED] = { 502, "socks_rejected", "destination_unavailable",
	    "The parent proxy has refused this target.", false, TALLY_NONE },
	[REFUSE_SOCKS_FAILED] = { 502, "socks_failed", "destination_unavailable",
	    "The parent proxy could not reach the target.", false, TALLY_NONE },
	[REFUSE_SOCKS_RULES] = { 502, "socks_rule", "destination_ip_prohibited",
	    "The parent proxy does not allow this target.", false, TALLY_NONE },
	[REFUSE_SOCKS_ROUTE] = { 502, "socks_no_route", "destination_ip_unroutable",
	    "The parent proxy has no route to the target.", false, TALLY_NONE },
	[REFUSE_SOCKS_REFUSED] = { 502, "socks_connect_refused", "connection_refused",
	    "The target refused the connection.", false, TALLY_NONE },
	[REFUSE_SOCKS_SLOW] = { 504, "socks_timeout", "connection_timeout",
	    "The target did not answer in time.", false, TALLY_NONE },
	[REFUSE_SOCKS_COMMAND] = { 502, "socks_command", "destination_unavailable",
	    "The parent proxy does not support this command.", false, TALLY_NONE },
	[REFUSE_SOCKS_ADDRESS] = { 502, "socks_address_type", "destination_unavailable",
	    "The parent proxy does not support this type of address.", false, TALLY_NONE },
	[REFUSE_SERVER] = { 502, "server_malformed", "http_protocol_error",
	    "sent a malformed answer.", true, TALLY_NONE },
	[REFUSE_SILENCE] = { 504, "server_timeout", "http_response_timeout",
	    "did not answer in time.", true, TALLY_NONE },
	[REFUSE_CONTENT] = { 400, "content_malformed", "http_request_error",
	    "The content of the request is malformed.", false, TALLY_BAD },
	[REFUSE_SLOW_CONTENT] = { 408, "content_timeout", "http_request_error",
	    "The content of the request did not come in time.", false, TALLY_BAD },
	[REFUSE_NOT_TLS] = { 200, "not_tls", "not_tls",
	    "The tunnel does not begin with a TLS handshake.", false, TALLY_DENIED },
	[REFUSE_OTHER_NAME] = { 200, "other_name", "other_name",
	    "The TLS handshake names another server.", false, TALLY_DENIED },
	[REFUSE_ECH] = { 200, "ech", "ech",
	    "The TLS handshake may hide the name of the server.", false, TALLY_DENIED },
	[REFUSE_MEMORY] = { 500, "no_memory", "proxy_internal_error",
	    "The proxy has no memory left.", false, TALLY_NONE }
};

/* The reason phrases of RFC 9110 15; 429 and 431 are of RFC 6585. */
static const struct phrase {
	int status;
	const char *text;
} phrases[] = {
	{ 200, "OK" },
	{ 301, "Moved Permanently" },
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },
	{ 414, "URI Too Long" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" }
};
/* clang-format on */

_Static_assert(
    sizeof(rows) / sizeof(*rows) == REFUSALS, "each refusal has its row");

/* Returns the row of a refusal; it is never NULL. */
const struct refusal_row *
refusal_row(enum refusal refusal)
{
	assert(refusal < REFUSALS && rows[refusal].type != NULL);
	return &rows[refusal];
}

/*
 * Returns the reason phrase of a status.  A status that this proxy does not
 * send itself, but a parent may, gets a general one.
 */
const char *
refusal_phrase(int status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].text;
	return status < 500 ? "Request Refused" : "Server Error";
}

/*
 * Returns the reason phrase of an answer.  Some clients show nothing else, so
 * that of a refusal by rules says that no fault is the cause.
 */
const char *
refusal_answer(enum refusal refusal, int status)
{
	return status == 403 && rows[refusal].tally == TALLY_DENIED
	    ? "Forbidden by proxy rules"
	    : refusal_phrase(status);
}

/*
 * Returns what rules and limits say with an answer of this proxy, in a word:
 * "allow", "deny", "407", "limit", or "answer" if that is no refusal.
 */
const char *
refusal_verdict(enum refusal refusal)
{
	switch (refusal) {
	case REFUSE_NOTHING:
		return "allow";
	case REFUSE_CREDENTIALS:
		return "407";
	case REFUSE_LIMIT:
	case REFUSE_GUESSES:
		return "limit";
	case REFUSE_REDIRECTED:
	case REFUSE_STATISTICS:
	case REFUSE_HEALTH:
	case REFUSE_PAC:
		return "answer";
	default:
		return "deny";
	}
}
