/* SPDX-License-Identifier: ISC */
#ifndef SAFEFILE_H
#define SAFEFILE_H

int safefile_append(const char *path);
int safefile_create(const char *path);
int safefile_remove(const char *path, int fd);

#endif
