/* SPDX-License-Identifier: ISC */
/*
 * Judges a list of requests, so that the rules can have tests of their own.
 * Each line has client, user and target as adit -t takes them, perhaps the
 * address of the target, and perhaps the verdict that it must have.  All rules
 * are those of explain.c; only the outcome is printed, a line for each request.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "addr.h"
#include "batch.h"
#include "compiler.h"
#include "explain.h"
#include "log.h"
#include "program.h"
#include "refusal.h"
#include "text.h"

enum {
	WORDS_MAX = 6,   /* client user target "at" address verdict */
	WRONG_MAX = 10,  /* errors of a file that are told */
	SHOWN_SIZE = 300 /* bytes of a word, as it is printed */
};

/* The file, and what has come of it so far. */
static struct {
	const char *file;
	unsigned long line;
	FILE *out;
	size_t judged, failed, wrong;
} b;

/* One line. */
struct item {
	struct asked asked;
	struct addr at;
	bool has_at;
	const char *expected; /* or NULL */
};

static bool wrong(const char *, ...) PRINTF_LIKE(1, 2);

/* Says what is wrong with the line.  Returns false, for its callers. */
static bool
wrong(const char *format, ...)
{
	va_list ap;

	if (b.wrong++ >= WRONG_MAX)
		return false;
	fprintf(stderr, "%s:%lu: ", b.file, b.line);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

/* Words. */

/*
 * Takes the next word off the text; what stands in double quotes is one, and a
 * '#' begins a comment.  Returns NULL at the end of the line.
 */
static char *
word_take(char **text)
{
	char *word = *text + strspn(*text, " \t"), *end;

	if (word[0] == '\0' || word[0] == '#')
		return NULL;
	end = word + strcspn(word, " \t");
	if (word[0] == '"' && strchr(word + 1, '"') != NULL) {
		word++;
		end = strchr(word, '"');
	}
	*text = end;
	if (*end != '\0')
		*(*text)++ = '\0';
	return word;
}

/* Returns how many words there are; one more than WORDS_MAX for too many. */
static size_t
words_take(char *text, char *words[WORDS_MAX])
{
	char *word;
	size_t n = 0;

	while ((word = word_take(&text)) != NULL) {
		if (n == WORDS_MAX)
			return n + 1;
		words[n++] = word;
	}
	return n;
}

/* Verdicts. */

/* Words for the verdict of an outcome, other than the numbers of statuses. */
static const char *const verdicts[] = { "allow", "report", "deny", "limit",
	"answer", "reported" };

static const char *
verdict_of(const struct outcome *o)
{
	if (o->reset)
		return "deny";
	return o->reported ? "report" : refusal_verdict(o->refusal);
}

/* The word for the reason, as in the access log; "-": it is allowed. */
static const char *
reason_of(const struct outcome *o)
{
	const char *reason = refusal_row(o->refusal)->reason;

	if (o->reset || o->reported)
		return o->reset ? "sender" : "reported";
	return reason[0] == '\0' ? "-" : reason;
}

/* Whether a row of the refusals has this word as its status or its reason. */
static bool
row_has(enum refusal refusal, const char *word)
{
	const struct refusal_row *row = refusal_row(refusal);
	char status[12];

	snprintf(status, sizeof(status), "%d", row->status);
	return refusal != REFUSE_NOTHING &&
	    (strcmp(word, status) == 0 || strcasecmp(word, row->reason) == 0);
}

/* Whether an outcome is what was expected. */
static bool
is_expected(const struct outcome *o, const char *word)
{
	return strcasecmp(word, verdict_of(o)) == 0 ||
	    strcasecmp(word, reason_of(o)) == 0 || row_has(o->refusal, word);
}

/* Returns whether a word can be the verdict of some request. */
static bool
is_verdict(const char *word)
{
	const char *names[REFUSALS + 7] = { "sender" }, *near;
	size_t n = 1;

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
		names[n++] = verdicts[i];
	for (enum refusal r = REFUSE_NOTHING + 1; r < REFUSALS; r++) {
		if (row_has(r, word))
			return true;
		names[n++] = refusal_row(r)->reason;
	}
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(word, names[i]) == 0)
			return true;
	near = text_near(word, names, n);
	if (near != NULL)
		return wrong("\"%.40s\" is no verdict; did you mean \"%s\"?",
		    word, near);
	return wrong("\"%.40s\" is no verdict; write allow, deny, a status "
		     "such as 407, or a reason such as target_rule",
	    word);
}

/* Lines. */

/* Takes what may follow the target: "at ADDRESS", and a verdict. */
static bool
rest_take(struct item *item, char **words, size_t n)
{
	if (n > 0 && strcasecmp(words[0], "at") == 0) {
		item->has_at = n > 1;
		if (!item->has_at || addr_parse(&item->at, words[1]) != 0)
			return wrong(
			    "after \"at\" an address of the target must "
			    "follow, such as 192.0.2.1");
		words += 2;
		n -= 2;
	}
	item->expected = n > 0 ? words[0] : NULL;
	if (n > 1)
		return wrong(
		    "nothing may follow the verdict: \"%.40s\"", words[1]);
	return n == 0 || is_verdict(words[0]);
}

/* Reads a line of n words. */
static bool
item_take(struct item *item, char **words, size_t n)
{
	const char *part;

	*item = (struct item){ .expected = NULL };
	if (n < 3)
		return wrong("a request needs client, user and target; without "
			     "a user write -");
	item->asked.user = words[1];
	item->asked.target = words[2];
	part = explain_client(&item->asked, &words[0]);
	if (part != NULL)
		return wrong("%s \"%.60s\" is not an IPv4 or IPv6 address",
		    part, words[0]);
	if (n > WORDS_MAX)
		return wrong(
		    "too many words; write client, user, target and the "
		    "verdict");
	return rest_take(item, words + 3, n - 3);
}

static void
print_word(const char *word)
{
	char shown[SHOWN_SIZE];

	log_escape(shown, sizeof(shown), word, strlen(word));
	fprintf(b.out, " %s", shown);
}

/* Prints the verdict on a line, and where the rule stands that decides. */
static void
item_print(const struct item *item, char **words, const struct outcome *o)
{
	fprintf(b.out, "%s:%lu: %s %s ", b.file, b.line, verdict_of(o),
	    reason_of(o));
	if (o->line == 0)
		fputc('-', b.out);
	else
		fprintf(b.out, "%s:%lu", o->file, o->line);
	for (size_t i = 0; i < 3; i++)
		print_word(words[i]);
	if (item->expected != NULL && !is_expected(o, item->expected)) {
		b.failed++;
		fprintf(b.out, ", but expected: %s", item->expected);
	}
	fputc('\n', b.out);
}

static void
line_judge(char *line, size_t len)
{
	char *words[WORDS_MAX], asked[SHOWN_SIZE];
	struct outcome outcome;
	struct item item;
	size_t n;

	if (strlen(line) != len) {
		wrong("the line contains a NUL");
		return;
	}
	line[strcspn(line, "\r\n")] = '\0';
	n = words_take(line + text_mark(line), words);
	if (n == 0)
		return;
	snprintf(asked, sizeof(asked), "%s", words[0]);
	if (!item_take(&item, words, n))
		return;
	words[0] = asked;
	outcome = explain_briefly(&item.asked, item.has_at ? &item.at : NULL);
	b.judged++;
	item_print(&item, words, &outcome);
}

/*
 * What explain() prints about each request is for single ones: it goes nowhere.
 * Returns where the verdicts go, the standard output, or NULL with errno.
 */
static FILE *
output_take(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int fd = dup(STDOUT_FILENO);
	FILE *out = NULL;

	fflush(stdout);
	if (null >= 0 && fd >= 0 && dup2(null, STDOUT_FILENO) >= 0)
		out = fdopen(fd, "w");
	if (null >= 0)
		close(null);
	if (out == NULL && fd >= 0)
		close(fd);
	return out;
}

/* Says how it went, if it did not go well.  Returns the exit status. */
static int
result(void)
{
	if (b.wrong > WRONG_MAX)
		fprintf(stderr, "%s: %zu more lines are wrong\n", b.file,
		    b.wrong - WRONG_MAX);
	if (b.failed > 0)
		fprintf(stderr, "%s: %zu of %zu verdicts are not as expected\n",
		    b.file, b.failed, b.judged);
	if (b.wrong > 0)
		return STATUS_DATA;
	return b.failed > 0 ? STATUS_REFUSED : 0;
}

static int
failed(const char *what, int status)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
	return status;
}

/*
 * Judges all requests in a file, or on the standard input for "-", and prints
 * the verdicts.  Returns the exit status: 0 if all are as expected.
 */
int
batch_run(const char *file)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *in = standard ? stdin : fopen(file, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	bool broken;

	b.file = standard ? "stdin" : file;
	if (in == NULL)
		return failed(file, STATUS_INPUT);
	b.out = output_take();
	if (b.out == NULL)
		return failed("standard output", STATUS_SYSTEM);
	while ((len = getline(&line, &size, in)) > 0) {
		b.line++;
		line_judge(line, (size_t)len);
	}
	broken = ferror(in) != 0;
	free(line);
	if (!standard)
		fclose(in);
	if (broken)
		return failed(file, STATUS_INPUT);
	if (fclose(b.out) != 0)
		return failed("standard output", STATUS_SYSTEM);
	return result();
}
