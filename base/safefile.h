/* SPDX-License-Identifier: ISC */
/* Opens files safely where other users can write to the directory. */
#ifndef SAFEFILE_H
#define SAFEFILE_H

int safefile_append(const char *path);
int safefile_create(const char *path);
int safefile_remove(const char *path, int fd);

#endif
