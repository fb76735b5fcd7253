/* SPDX-License-Identifier: ISC */
/* Wrappers for calls that are not POSIX, or differ between systems. */
#ifndef SYS_H
#define SYS_H

#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

struct sockaddr_storage;
struct stat;

enum sys_dir { SYS_DIR_FOLLOW, SYS_DIR_NOFOLLOW };

void sys_close_from(int first);
int sys_accept(int listener, struct sockaddr_storage *);
int sys_socket(int family);
bool sys_accept_inherits(void);
bool sys_tells_failures(void);
void sys_accept_late(int listener, bool on);
void sys_bind_late(int fd);
int sys_reuseport(int fd, bool on);
int sys_bind_free(int fd, int family);
int sys_unsent(int fd);
void sys_probe(int fd);
short sys_poll_end(void);
int sys_pipe(int fds[2], int size);
ssize_t sys_splice(int from, int to, size_t len);
bool sys_is_file(int fd);
int sys_drop(uid_t, gid_t);
void sys_bound(void);
void sys_give_up(void);
void sys_confine(void);
int sys_chroot(const char *dir);
int sys_syslog_open(void);
int sys_syslog_connect(int fd);
int sys_tell(int fd, const char *line, size_t len);
void *sys_share(size_t);
void sys_unshare(void *, size_t);
int sys_aim(int fd, struct sockaddr_storage *);
int sys_peer(int fd, uid_t *, pid_t *);
uid_t sys_overflow_uid(void);
int sys_memory(size_t);
void *sys_share_map(int fd, size_t);
int sys_share_protect(int fd, void *, size_t offset, size_t);
void sys_share_clear(void *, size_t);
void sys_close_on_exec(int first);
int sys_random(void *to, size_t len);
bool sys_has_crypt(void);
char *sys_crypt(const char *password, const char *setting);
int sys_bell(int bell[2]);
void sys_bell_ring(int fd);
void sys_bell_hear(int fd);
unsigned sys_processors(void);
void sys_die_with_parent(void);
void sys_title_init(int argc, char **argv);
void sys_title(const char *format, ...) PRINTF_LIKE(1, 2);
int sys_open_dir(int at, const char *name, enum sys_dir);
bool sys_unchanged(const struct stat *, const struct stat *);
void sys_window(unsigned *rows, unsigned *columns);
int sys_send(int fd, const void *message, size_t, const int *fds, size_t nfds);
void sys_refuse_descriptors(int fd);
void sys_close_sent(int fd);
void sys_drain(int fd);
ssize_t sys_receive(int fd, void *message, size_t, int *fds, size_t nfds);

#endif
