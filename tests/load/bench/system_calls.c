/* tests/load/bench/system_calls.c - kernel.h under the names of libc.
 *
 * A program's own symbols go before those of libraries, so these are what the server calls, and what libuv calls.
 * Descriptors of the real kernel (libuv's pipe for signals) are passed on to it. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/load/bench/kernel.h"

/* Newer versions of libuv reach epoll through io_uring, unless the kernel has none. */
long syscall(long number, ...)
{
    static long (*libc)(long number, ...);
    long args[6];
    va_list list;

    if (number == SYS_io_uring_setup) {
        errno = ENOSYS;
        return -1;
    }
    if (libc == NULL)
        *(void **)(void *)&libc = dlsym(RTLD_NEXT, "syscall");
    va_start(list, number);
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        args[i] = va_arg(list, long);
    va_end(list);
    return libc(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static long call(const struct kernel_args *a)
{
    long result = kernel_call(a);

    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    const struct kernel_args a = {.serve = kernel_recv, .call = KERNEL_RECV, .fd = fd, .bytes = buf, .len = len};

    (void)flags;
    return call(&a);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    const struct kernel_args a = {
        .serve = kernel_send, .call = KERNEL_SEND, .fd = fd, .bytes = (void *)(uintptr_t)buf, .len = len};

    (void)flags;
    return call(&a);
}

ssize_t read(int fd, void *buf, size_t len)
{
    const struct kernel_args a = {.serve = kernel_read_event, .call = KERNEL_EVENT, .fd = fd, .bytes = buf, .len = len};

    return kernel_owns(fd) ? call(&a) : syscall(SYS_read, fd, buf, len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
    const struct kernel_args a = {.serve = kernel_write_event, .call = KERNEL_EVENT, .fd = fd, .len = len};

    return kernel_owns(fd) ? call(&a) : syscall(SYS_write, fd, buf, len);
}

int eventfd(unsigned count, int flags)
{
    const struct kernel_args a = {.serve = kernel_new_event, .call = KERNEL_OTHER};

    (void)count, (void)flags;
    return (int)call(&a);
}

int epoll_create1(int flags)
{
    const struct kernel_args a = {.serve = kernel_new_epoll, .call = KERNEL_OTHER};

    (void)flags;
    return (int)call(&a);
}

/* What the real kernel keeps is not watched: nothing ever happens there. */
int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    const struct kernel_args a = {.serve = kernel_owns(fd) ? kernel_epoll_ctl : kernel_nothing,
                                  .call = KERNEL_EPOLL_CTL,
                                  .fd = epoll_fd,
                                  .other_fd = fd,
                                  .operation = operation,
                                  .bytes = event};

    return (int)call(&a);
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int n, int timeout_ms)
{
    const struct kernel_args a = {
        .serve = kernel_epoll_wait,
        .call = KERNEL_EPOLL,
        .fd = epoll_fd,
        .operation = timeout_ms,
        .bytes = events,
        .len = (size_t)n,
    };

    return (int)call(&a);
}

/* Which of the two it is depends on libuv's version. */
int epoll_pwait(int epoll_fd, struct epoll_event *events, int n, int timeout_ms, const sigset_t *mask)
{
    (void)mask;
    return epoll_wait(epoll_fd, events, n, timeout_ms);
}

/* FIONBIO of a socket that never blocks, SIOCOUTQ, and whatever the real kernel is asked for. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (!kernel_owns(fd))
        return (int)syscall(SYS_ioctl, fd, request, arg);
    const struct kernel_args a = {
        .serve = request == SIOCOUTQ ? kernel_unsent : kernel_nothing, .call = KERNEL_OTHER, .fd = fd, .bytes = arg};

    return (int)call(&a);
}

int shutdown(int fd, int how)
{
    const struct kernel_args a = {.serve = kernel_shutdown, .call = KERNEL_OTHER, .fd = fd};

    (void)how;
    return (int)call(&a);
}

int close(int fd)
{
    const struct kernel_args a = {.serve = kernel_close, .call = KERNEL_OTHER, .fd = fd};

    return kernel_owns(fd) ? (int)call(&a) : (int)syscall(SYS_close, fd);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    const struct kernel_args a = {.serve = kernel_clock, .call = KERNEL_CLOCK, .bytes = ret};

    (void)clock;
    return (int)call(&a);
}

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
    const struct kernel_args a = {.serve = kernel_random, .call = KERNEL_RANDOM, .bytes = buf, .len = len};

    (void)flags;
    return call(&a);
}
