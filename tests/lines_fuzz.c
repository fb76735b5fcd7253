/* SPDX-License-Identifier: ISC */
/* LINK: policy/pins.c policy/login.c base/secret.c base/addr.c base/local.c base/array.c base/name.c base/text.c ipc/question.c */
/*
 * An entry for libFuzzer.  Any lines are read as a HostsFile, as the hosts file
 * of the system, and as an AuthFile: each line is refused, or what it says is
 * found again.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

#include "../desk/hosts.c"

const char program[] = "lines_fuzz";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* These replace base/sys.c: a check of a password would take long. */

bool
sys_has_crypt(void)
{
	return true;
}

char *
sys_crypt(const char *password, const char *setting)
{
	static char hash[512];

	if (password[0] == '\0' || strlen(setting) >= sizeof(hash))
		return NULL;
	strcpy(hash, setting);
	return hash;
}

int
sys_random(void *to, size_t len)
{
	memset(to, 7, len);
	return 0;
}

bool
sys_unchanged(const struct stat *a, const struct stat *b)
{
	(void)a, (void)b;
	return true;
}

ssize_t
sys_receive(int fd, void *message, size_t size, int *fds, size_t nfds)
{
	(void)fd, (void)message, (void)size, (void)fds, (void)nfds;
	return -1;
}

int
sys_send(int fd, const void *message, size_t len, const int *fds, size_t nfds)
{
	(void)fd, (void)message, (void)len, (void)fds, (void)nfds;
	return -1;
}

static struct pins all_pins;
static struct logins logins;
static bool users_end; /* a file is refused after its first wrong line */

static void
line_take(unsigned long line, const char *text)
{
	char *copy = strdup(text);
	const char *wrong;

	must(copy != NULL, "memory");
	wrong = pins_add(&all_pins, 0, line, copy);
	must(wrong == NULL || wrong[0] != '\0', "it is told why");
	strcpy(copy, text);
	hosts_line(copy);
	strcpy(copy, text);
	wrong = users_end ? NULL : login_add(&logins, line, copy);
	must(wrong == NULL || wrong[0] != '\0', "it is told why");
	users_end = users_end || wrong != NULL;
	free(copy);
}

/* Each name of the system's file has an address, and not too many. */
static void
hosts_check(void)
{
	struct answer a;

	if (nhosts > 1)
		qsort(hosts, nhosts, sizeof(*hosts), host_compare);
	for (size_t i = 0; i < nhosts; i++) {
		memset(&a, 0, sizeof(a));
		hosts_name(hosts[i].name, &a);
		must(a.error == 0 && a.naddrs > 0 && a.naddrs <= ADDRS_MAX,
		    "a host of the system");
	}
	while (nhosts > 0)
		free(hosts[--nhosts].name);
}

static void
pins_check(void)
{
	bool fits = pins_index(&all_pins) == NULL;
	size_t n;

	for (size_t i = 0; i < all_pins.n && fits; i++) {
		const char *name = pins_name(&all_pins, &all_pins.list[i]);

		must(strlen(name) < HOST_SIZE, "a name is not too long");
		must(pins_find(&all_pins, name, &n) != NULL && n > 0 &&
			n <= ADDRS_MAX,
		    "a name of a HostsFile");
	}
	pins_free(&all_pins);
	memset(&all_pins, 0, sizeof(all_pins));
}

static void
logins_check(void)
{
	const struct login *before;

	if (login_index(&logins, &before) == NULL)
		for (size_t i = 0; i < logins.n; i++)
			must(login_find(&logins, logins.list[i].name) ==
				&logins.list[i],
			    "a user of an AuthFile");
	login_free(&logins);
	memset(&logins, 0, sizeof(logins));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *line, *end;
	unsigned long number = 0;

	must(text != NULL, "memory");
	memcpy(text, data, size);
	text[size] = '\0';
	must(login_begin(&logins, "file") == NULL, "memory");
	users_end = false;
	for (line = text; line != NULL; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		line_take(++number, line);
	}
	free(text);
	hosts_check();
	pins_check();
	logins_check();
	return 0;
}
