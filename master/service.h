/* SPDX-License-Identifier: ISC */
/* What a service manager hands over, and what it is told. */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>
#include <stddef.h>

struct addr;

enum { SERVICE_FIRST = 3 /* descriptors that are handed over begin here */ };

size_t service_init(void);
size_t service_sockets(void);
bool service_names(size_t i, const char *name);
int service_socket(size_t i, struct addr *at);
void service_ready(void);
void service_reloading(void);
void service_failed(const char *what, const char *why);
void service_leaving(unsigned seconds);
void service_draining(unsigned long connections);
void service_stopping(void);

#endif
