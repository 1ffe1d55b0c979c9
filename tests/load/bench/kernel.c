#include "tests/load/bench/kernel.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "common/buf.h"
#include "common/mem.h"

enum {
    FIRST_FD = 64, /* the real kernel's stay below */
    FILES_MAX = 1024,
};

enum file_kind { FILE_NONE, FILE_SOCKET, FILE_EVENT, FILE_EPOLL };

struct file {
    enum file_kind kind;
    int epoll_fd; /* who watches it; 0: nobody */
    struct epoll_event watched;
    struct buf to_server; /* a socket's */
    size_t received;      /* of `to_server` */
    struct buf to_client;
    uint64_t events; /* an event descriptor's count */
    sem_t go_on;     /* epoll: what its thread sleeps on */
};

static struct file files[FILES_MAX];
static int n_files;
static uint64_t counts[KERNEL_CALLS];
static uint64_t dice = 0x9e3779b97f4a7c15;
static bool is_workers_turn; /* else it is the benchmark's */
static sem_t handed_over;    /* back to the benchmark */

/* ---- calls ---- */

/* Callgrind knows it by its name (instructions.sh). */
__attribute__((noinline)) long kernel_enter(const struct kernel_args *a)
{
    long result = a->serve(a);

    counts[a->call]++;
    return result;
}

long kernel_call(const struct kernel_args *a)
{
    return is_workers_turn ? kernel_enter(a) : a->serve(a);
}

uint64_t kernel_count(enum kernel_call call)
{
    return counts[call];
}

void kernel_forget_counts(void)
{
    memset(counts, 0, sizeof(counts));
}

/* ---- descriptors ---- */

bool kernel_owns(int fd)
{
    return fd >= FIRST_FD && fd < FIRST_FD + n_files;
}

static struct file *file_of(int fd, enum file_kind kind)
{
    assert(kernel_owns(fd));
    struct file *f = &files[fd - FIRST_FD];

    assert(f->kind == kind);
    return f;
}

/* Numbers are not used twice: who still has an old one would find a stranger under it. */
static int new_file(enum file_kind kind)
{
    assert(n_files < FILES_MAX);
    files[n_files].kind = kind;
    return FIRST_FD + n_files++;
}

long kernel_new_event(const struct kernel_args *a)
{
    (void)a;
    return new_file(FILE_EVENT);
}

long kernel_new_epoll(const struct kernel_args *a)
{
    int fd = new_file(FILE_EPOLL);

    (void)a;
    (void)sem_init(&files[fd - FIRST_FD].go_on, 0, 0);
    return fd;
}

long kernel_close(const struct kernel_args *a)
{
    struct file *f = &files[a->fd - FIRST_FD];

    buf_deinit(&f->to_server);
    f->kind = FILE_NONE; /* what was written to it can still be looked at */
    f->epoll_fd = 0;
    return 0;
}

/* ---- sockets ---- */

int socket_new(void)
{
    return new_file(FILE_SOCKET);
}

void socket_put(int fd, struct str bytes)
{
    buf_append_str(&file_of(fd, FILE_SOCKET)->to_server, bytes);
}

struct str socket_peek(int fd)
{
    struct buf *b = &files[fd - FIRST_FD].to_client;

    buf_append(b, "", 1);
    b->len--;
    return buf_str(b);
}

void socket_clear(int fd)
{
    buf_clear(&files[fd - FIRST_FD].to_client);
}

bool socket_is_closed(int fd)
{
    return files[fd - FIRST_FD].kind == FILE_NONE;
}

long kernel_recv(const struct kernel_args *a)
{
    struct file *f = file_of(a->fd, FILE_SOCKET);
    size_t n = f->to_server.len - f->received;

    if (n == 0)
        return -EAGAIN;
    if (n > a->len)
        n = a->len;
    memcpy(a->bytes, f->to_server.p + f->received, n);
    f->received += n;
    if (f->received == f->to_server.len) {
        buf_clear(&f->to_server);
        f->received = 0;
    }
    return (long)n;
}

long kernel_send(const struct kernel_args *a)
{
    buf_append(&file_of(a->fd, FILE_SOCKET)->to_client, a->bytes, a->len);
    return (long)a->len;
}

/* How much the peer's TCP has not acknowledged: it is quick. */
long kernel_unsent(const struct kernel_args *a)
{
    *(int *)a->bytes = 0;
    return 0;
}

/* The other end answers a shutdown with its own at once; so it is as good as closed. */
long kernel_shutdown(const struct kernel_args *a)
{
    (void)a;
    return -ENOTCONN;
}

/* ---- events ---- */

long kernel_read_event(const struct kernel_args *a)
{
    struct file *f = file_of(a->fd, FILE_EVENT);

    if (f->events == 0)
        return -EAGAIN;
    assert(a->len >= sizeof(f->events));
    memcpy(a->bytes, &f->events, sizeof(f->events));
    f->events = 0;
    return sizeof(f->events);
}

long kernel_write_event(const struct kernel_args *a)
{
    file_of(a->fd, FILE_EVENT)->events++;
    return (long)a->len;
}

long kernel_epoll_ctl(const struct kernel_args *a)
{
    struct file *f = &files[a->other_fd - FIRST_FD];

    assert(kernel_owns(a->other_fd) && f->kind != FILE_NONE);
    if (a->operation == EPOLL_CTL_DEL) {
        f->epoll_fd = 0;
        return 0;
    }
    if (a->operation == EPOLL_CTL_ADD && f->epoll_fd != 0)
        return -EEXIST;
    f->epoll_fd = a->fd;
    f->watched = *(const struct epoll_event *)a->bytes;
    return 0;
}

static bool is_readable(const struct file *f)
{
    return f->kind == FILE_EVENT ? f->events > 0 : f->kind == FILE_SOCKET && f->received < f->to_server.len;
}

static uint32_t ready_events(const struct file *f)
{
    return f->watched.events & ((is_readable(f) ? EPOLLIN : 0u) | (f->kind == FILE_SOCKET ? EPOLLOUT : 0u));
}

static size_t take_events(int epoll_fd, struct epoll_event *out, size_t max)
{
    size_t n = 0;

    for (int i = 0; i < n_files && n < max; i++) {
        const struct file *f = &files[i];

        if (f->epoll_fd != epoll_fd || ready_events(f) == 0)
            continue;
        out[n] = f->watched;
        out[n++].events = ready_events(f);
    }
    return n;
}

static void await(sem_t *s)
{
    while (sem_wait(s) != 0)
        continue; /* EINTR */
}

/* The clock stands still meanwhile, so time is never up. */
long kernel_epoll_wait(const struct kernel_args *a)
{
    size_t n;

    while ((n = take_events(a->fd, a->bytes, a->len)) == 0 && a->operation != 0) {
        is_workers_turn = false;
        (void)sem_post(&handed_over);
        await(&file_of(a->fd, FILE_EPOLL)->go_on);
    }
    return (long)n;
}

void kernel_await_sleep(void)
{
    await(&handed_over);
}

bool kernel_let_run(int epoll_fd)
{
    struct epoll_event event;

    if (take_events(epoll_fd, &event, 1) == 0)
        return false;
    is_workers_turn = true;
    (void)sem_post(&file_of(epoll_fd, FILE_EPOLL)->go_on);
    await(&handed_over);
    return true;
}

/* ---- time and chance ---- */

static uint64_t passed_ms;

void kernel_pass_time(unsigned ms)
{
    passed_ms += ms;
}

long kernel_clock(const struct kernel_args *a)
{
    uint64_t ns = 123456789 + passed_ms % 1000 * 1000000;

    *(struct timespec *)a->bytes = (struct timespec){
        .tv_sec = 1700000000 + (time_t)(passed_ms / 1000 + ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    return 0;
}

long kernel_random(const struct kernel_args *a)
{
    uint8_t *out = a->bytes;

    for (size_t i = 0; i < a->len; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        out[i] = (uint8_t)(dice >> 32);
    }
    return (long)a->len;
}

long kernel_nothing(const struct kernel_args *a)
{
    (void)a;
    return 0;
}
