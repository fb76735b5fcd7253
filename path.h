/* SPDX-License-Identifier: ISC */
#ifndef PATH_H
#define PATH_H

int path_append(const char *path);
int path_create(const char *path);
int path_remove(const char *path, int fd);

#endif
