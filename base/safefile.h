/* SPDX-License-Identifier: ISC */
/* Files that are written in directories of anybody, and files that are read. */
#ifndef SAFEFILE_H
#define SAFEFILE_H

#include <sys/types.h>

#include <stdio.h>

int safefile_append(const char *path, uid_t user);
int safefile_append_check(const char *path, uid_t user);
void safefile_leave(void);
int safefile_create(const char *path);
int safefile_create_check(const char *path);
int safefile_directory(const char *path);
int safefile_remove(const char *path, int fd);
FILE *safefile_read(const char *path);
int safefile_standard(const char *path);
const char *safefile_why(void);

#endif
