/* SPDX-License-Identifier: ISC */
/* LINK: all */
/*
 * An entry for libFuzzer.  Any bytes are read as a configuration.  It is taken,
 * or there is a message that says why not; and nothing is left of it afterwards,
 * no descriptor and no memory.
 */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../proxy.h"
#include "must.h"
#include "world.h"

const char program[] = "conf_fuzz", program_conf[] = "";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/conf_fuzz.XXXXXX", path[64];
static size_t nerrors;

static void
complain(enum log_level level, const char *text)
{
	must(text[0] != '\0' && strchr(text, '\n') == NULL, "a line");
	nerrors += level <= LOG_LEVEL_ERROR;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int status = -1;
	struct conf *conf;

	fds_keep();
	file_put(path, data, size);
	nerrors = 0;
	conf = conf_read(path, complain, &status);
	must(conf != NULL || nerrors > 0, "it is taken, or told why not");
	must(conf != NULL || status > 0, "with a status");
	must(conf == NULL || conf->port != 0, "and has what it must have");
	conf_free(conf);
	fds_check();
	return 0;
}

static void
dir_remove(void)
{
	unlink(path);
	rmdir(dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	tzset();
	must(mkdtemp(dir) != NULL, "a folder");
	snprintf(path, sizeof(path), "%s/conf", dir);
	atexit(dir_remove);
	return 0;
}
