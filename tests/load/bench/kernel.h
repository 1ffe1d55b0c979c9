/* tests/load/bench/kernel.h - the part of the kernel that a worker meets, played in this process.
 *
 * Sockets whose other end is the benchmark, event descriptors, epoll, a clock that moves when it is told to, random
 * bytes that are always the same: nothing here depends on the machine. system_calls.c puts it under the names of libc,
 * where the server and libuv find it.
 *
 * Of the benchmark's thread and the workers' only one ever runs: a worker that has nothing to wait for in epoll hands
 * over to the benchmark, which lets one of them go on with kernel_let_run(). So a run executes the same instructions
 * each time, and what a worker calls is done through kernel_enter(), which callgrind is told to leave out. */
#ifndef LINNET_TESTS_LOAD_BENCH_KERNEL_H
#define LINNET_TESTS_LOAD_BENCH_KERNEL_H

#include "common/str.h"

#include <sys/epoll.h>

enum kernel_call {
    KERNEL_RECV,
    KERNEL_SEND,
    KERNEL_EPOLL,     /* epoll_wait() */
    KERNEL_EPOLL_CTL, /* what libuv asks of epoll when a connection comes, goes, or is held back */
    KERNEL_EVENT,     /* read() and write() of an event descriptor: waking a worker, and being woken */
    KERNEL_CLOCK,     /* no system call on a real machine, where the kernel lends its code */
    KERNEL_RANDOM,
    KERNEL_OTHER, /* ioctl(), shutdown(), close(), ... */
    KERNEL_CALLS,
};

struct kernel_args {
    long (*serve)(const struct kernel_args *a); /* a result as of a system call: negative is -errno */
    enum kernel_call call;
    int fd, other_fd;
    int operation; /* epoll_wait(): the time-out */
    void *bytes;
    size_t len;
};

/* Serves a call; one of a worker's is counted, and goes through kernel_enter(). */
long kernel_call(const struct kernel_args *a);
/* How many calls of a kind the workers have made. */
uint64_t kernel_count(enum kernel_call call);
void kernel_forget_counts(void);
/* For kernel.c. Callgrind stops collecting here and goes on when it returns. */
long kernel_enter(const struct kernel_args *a);

/* ---- for system_calls.c: what `serve` may be ---- */

/* Whether the descriptor is one of ours, and not of the real kernel. */
bool kernel_owns(int fd);
long kernel_new_event(const struct kernel_args *a);
long kernel_new_epoll(const struct kernel_args *a);
long kernel_recv(const struct kernel_args *a);
long kernel_send(const struct kernel_args *a);
long kernel_read_event(const struct kernel_args *a);
long kernel_write_event(const struct kernel_args *a);
long kernel_epoll_ctl(const struct kernel_args *a);
long kernel_epoll_wait(const struct kernel_args *a);
long kernel_unsent(const struct kernel_args *a);
long kernel_shutdown(const struct kernel_args *a);
long kernel_close(const struct kernel_args *a);
long kernel_random(const struct kernel_args *a);
long kernel_clock(const struct kernel_args *a);
long kernel_nothing(const struct kernel_args *a);

/* ---- the benchmark's end of a socket ---- */

/* A new connection; the server's descriptor of it. */
int socket_new(void);
/* These bytes arrive at the server. */
void socket_put(int fd, struct str bytes);
/* What the server has written since the last socket_clear(), with a NUL behind; borrowed until the next turn. */
struct str socket_peek(int fd);
void socket_clear(int fd);
/* The server has closed it. */
bool socket_is_closed(int fd);

/* ---- turns ---- */

/* The clock, which stands still by itself, goes on: a worker sees that when it runs the next time. */
void kernel_pass_time(unsigned ms);

/* Waits until the thread that uses this epoll descriptor, and was just started, has nothing to do. */
void kernel_await_sleep(void);
/* Lets it go on until it has nothing to do again. False: nothing has come for it. */
bool kernel_let_run(int epoll_fd);

#endif
