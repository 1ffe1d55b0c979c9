/* tests/load/relay.c - linnet_relay: the limit that the sockets themselves set.
 *
 * A server that does nothing: what one member of a group sends is copied to all the others. It knows no XML, keeps
 * nothing and decides nothing, so what it costs for each message is what reading from one socket and writing to another
 * through libuv costs on this machine, and a real server is judged by its distance from that. For the figure to be
 * worth something it must be as cheap as an honest program can be: one read into a buffer shared by all, one write for
 * each other member straight from there, no allocation. Only when a socket is full are bytes copied and queued, and
 * then whoever writes to it is not read until it has drained.
 *
 * A connection's first line is "GROUP name"; the answer "OK" says that the line was read, and from then on what others
 * of that name send arrives here.
 *
 * So that the generator's verification can be shown to fail, it can be told to do wrong (--drop-every and its like).
 * Only then does it look for frames in the bytes, at a cost of its own. */
#include "common/buf.h"
#include "common/hash_table.h"
#include "common/mem.h"
#include "common/str.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

enum { LINE_MAX_BYTES = 128, SHARED_BYTES = 64 * 1024, BACKLOG = 4096, EXIT_USAGE = 2, EXIT_CANNOT_BEGIN = 3 };

struct member;

struct group {
    char *name;
    struct member **members; /* in no order */
    size_t count;
    size_t cap;
    size_t behind; /* how many members have bytes queued */
};

struct member {
    uv_tcp_t tcp;
    struct group *group; /* NULL until the first line is whole, and after it has left */
    size_t index;        /* in group->members */
    bool is_behind;      /* its socket is full and bytes are queued */
    bool is_paused;      /* not read, since somebody who would get its bytes is behind */
    size_t line_len;
    char line[LINE_MAX_BYTES]; /* until it has a group */
    struct buf unframed;       /* the start of a frame; with faults only */
    struct buf held;           /* a frame that waits to be overtaken; with --swap-every only */
};

/* What a full socket could not take. */
struct leftover {
    uv_write_t req;
    struct member *to;
    char bytes[];
};

/* Every so many frames something is done wrong; 0 is never. */
struct faults {
    uint64_t drop_every, repeat_every, swap_every;
    uint64_t frames; /* seen so far, from all */
};

static struct relay {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_signal_t on_term, on_int;
    struct hash_table groups; /* by name */
    struct faults faults;
    bool has_faults;
    char shared[SHARED_BYTES]; /* whatever is read lies here until the read callback returns */
} relay;

/* ---- groups ---- */

static void group_join(struct member *m, struct str name)
{
    struct group *g = hash_table_get(&relay.groups, name);

    if (g == NULL) {
        g = mem_zalloc(sizeof(*g));
        g->name = str_dup(name);
        (void)hash_table_put(&relay.groups, str_of(g->name), g);
    }
    if (g->count == g->cap) {
        g->cap = g->cap == 0 ? 2 : g->cap * 2;
        g->members = mem_realloc(g->members, g->cap * sizeof(struct member *));
    }
    m->index = g->count;
    m->group = g;
    g->members[g->count++] = m;
}

static void group_free(struct group *g)
{
    (void)hash_table_remove(&relay.groups, str_of(g->name));
    free(g->members);
    free(g->name);
    free(g);
}

static void on_readable(uv_stream_t *stream, ssize_t len, const uv_buf_t *into);
static void on_want_memory(uv_handle_t *handle, size_t hint, uv_buf_t *ret);

/* Reads those again who write to nobody that is behind. */
static void group_resume(struct group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        struct member *m = g->members[i];

        if (!m->is_paused || g->behind > (m->is_behind ? 1U : 0U))
            continue;
        m->is_paused = false;
        (void)uv_read_start((uv_stream_t *)&m->tcp, on_want_memory, on_readable);
    }
}

static void group_leave(struct member *m)
{
    struct group *g = m->group;

    if (g == NULL)
        return;
    m->group = NULL;
    g->members[m->index] = g->members[--g->count];
    g->members[m->index]->index = m->index;
    if (m->is_behind)
        g->behind--;
    if (g->count == 0)
        group_free(g);
    else
        group_resume(g);
}

/* ---- members ---- */

static void on_member_closed(uv_handle_t *handle)
{
    struct member *m = container_of(handle, struct member, tcp);

    buf_deinit(&m->unframed);
    buf_deinit(&m->held);
    free(m);
}

/* May be called again while closing. */
static void member_close(struct member *m)
{
    group_leave(m);
    if (!uv_is_closing((uv_handle_t *)&m->tcp))
        uv_close((uv_handle_t *)&m->tcp, on_member_closed);
}

static void on_leftover_written(uv_write_t *req, int status)
{
    struct leftover *l = container_of(req, struct leftover, req);
    struct member *to = l->to;

    free(l);
    if (status < 0) {
        member_close(to);
        return;
    }
    if (to->group == NULL || uv_stream_get_write_queue_size((uv_stream_t *)&to->tcp) > 0)
        return;
    to->is_behind = false;
    to->group->behind--;
    group_resume(to->group);
}

/* The rare way: the socket is full, so what it did not take is copied and waits. */
static void member_queue(struct member *to, const char *bytes, size_t len)
{
    struct leftover *l = mem_alloc(sizeof(*l) + len);
    uv_buf_t part = uv_buf_init(l->bytes, (unsigned)len);

    l->to = to;
    memcpy(l->bytes, bytes, len);
    if (!to->is_behind) {
        to->is_behind = true;
        to->group->behind++;
    }
    if (uv_write(&l->req, (uv_stream_t *)&to->tcp, &part, 1, on_leftover_written) == 0)
        return;
    free(l);
    member_close(to);
}

static inline void member_send(struct member *to, char *bytes, size_t len)
{
    uv_buf_t all = uv_buf_init(bytes, (unsigned)len);
    int taken = uv_try_write((uv_stream_t *)&to->tcp, &all, 1);

    if (taken == (int)len)
        return;
    if (taken == UV_EAGAIN)
        taken = 0;
    if (taken < 0)
        member_close(to);
    else
        member_queue(to, bytes + taken, len - (size_t)taken);
}

/* Copies to all others of the group. Backwards, since a member whose connection broke is closed on the way and its
 * place is taken by the last, which has been served. */
static void copy_to_others(struct member *from, char *bytes, size_t len)
{
    struct group *g = from->group;

    for (size_t i = g->count; i-- > 0;) {
        if (g->members[i] != from)
            member_send(g->members[i], bytes, len);
    }
    if (g->behind > (from->is_behind ? 1U : 0U)) {
        from->is_paused = true;
        (void)uv_read_stop((uv_stream_t *)&from->tcp);
    }
}

/* ---- doing wrong on purpose ---- */

static bool is_nth(uint64_t every)
{
    return every > 0 && relay.faults.frames % every == 0;
}

static void copy_frame_wrongly(struct member *from, char *frame, size_t len)
{
    relay.faults.frames++;
    if (is_nth(relay.faults.drop_every))
        return;
    if (is_nth(relay.faults.swap_every) && from->held.len == 0) {
        buf_append(&from->held, frame, len); /* until its successor has gone */
        return;
    }
    copy_to_others(from, frame, len);
    if (is_nth(relay.faults.repeat_every))
        copy_to_others(from, frame, len);
    if (from->held.len > 0) {
        copy_to_others(from, from->held.p, from->held.len);
        buf_clear(&from->held);
    }
}

/* The length of the first whole frame, 0 if there is none. `bytes` are not empty. */
static size_t frame_len(struct str bytes)
{
    static const struct str ends[] = {STR_INIT("</message>"), STR_INIT("</presence>")};
    size_t first = 0;

    assert(bytes.p != NULL);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        const char *end = memmem(bytes.p, bytes.len, ends[i].p, ends[i].len);
        size_t len = end == NULL ? 0 : (size_t)(end - bytes.p) + ends[i].len;

        if (len > 0 && (first == 0 || len < first))
            first = len;
    }
    return first;
}

static void copy_wrongly(struct member *from, const char *bytes, size_t len)
{
    buf_append(&from->unframed, bytes, len);
    while (from->unframed.len > 0) {
        size_t frame = frame_len(buf_str(&from->unframed));

        if (frame == 0)
            break;
        copy_frame_wrongly(from, from->unframed.p, frame);
        buf_consume(&from->unframed, frame);
    }
}

/* ---- reading ---- */

static void on_want_memory(uv_handle_t *handle, size_t hint, uv_buf_t *ret)
{
    (void)handle;
    (void)hint;
    *ret = uv_buf_init(relay.shared, sizeof(relay.shared));
}

static void copy(struct member *from, char *bytes, size_t len)
{
    if (relay.has_faults)
        copy_wrongly(from, bytes, len);
    else
        copy_to_others(from, bytes, len);
}

/* "GROUP name\n"; what lies behind it in the same read is for the others already. */
static void read_first_line(struct member *m, char *bytes, size_t len)
{
    static const struct str command = STR_INIT("GROUP ");
    char *end = memchr(bytes, '\n', len);
    size_t part = end == NULL ? len : (size_t)(end - bytes);

    if (part > sizeof(m->line) - m->line_len) {
        member_close(m);
        return;
    }
    memcpy(m->line + m->line_len, bytes, part);
    m->line_len += part;
    if (end == NULL)
        return;
    struct str line = {m->line, m->line_len};

    if (!str_starts(line, command) || line.len == command.len) {
        member_close(m);
        return;
    }
    group_join(m, str_make(line.p + command.len, line.len - command.len));
    char ok[] = "OK\n";

    member_send(m, ok, 3);
    if (m->group != NULL && part + 1 < len)
        copy(m, end + 1, len - part - 1);
}

static void on_readable(uv_stream_t *stream, ssize_t len, const uv_buf_t *into)
{
    struct member *m = container_of(stream, struct member, tcp);

    if (len > 0 && m->group != NULL)
        copy(m, into->base, (size_t)len);
    else if (len > 0)
        read_first_line(m, into->base, (size_t)len);
    else if (len < 0)
        member_close(m);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status < 0)
        return;
    struct member *m = mem_zalloc(sizeof(*m));

    (void)uv_tcp_init(&relay.loop, &m->tcp);
    if (uv_accept(listener, (uv_stream_t *)&m->tcp) != 0 || uv_tcp_nodelay(&m->tcp, 1) != 0 ||
        uv_read_start((uv_stream_t *)&m->tcp, on_want_memory, on_readable) != 0)
        member_close(m);
}

/* ---- start and end ---- */

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (uv_is_closing(handle))
        return;
    if (handle->type == UV_TCP && handle != (uv_handle_t *)&relay.listener)
        member_close(container_of(handle, struct member, tcp));
    else
        uv_close(handle, NULL);
}

static void on_stop(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    uv_walk(&relay.loop, close_handle, NULL);
}

/* A file descriptor a connection: as many as the system allows without asking. */
static void raise_open_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static void watch(uv_signal_t *handle, int number)
{
    (void)uv_signal_init(&relay.loop, handle);
    (void)uv_signal_start(handle, on_stop, number);
}

/* False: the reason was printed. */
static bool begin(const char *host, int port)
{
    struct sockaddr_in addr;
    int addr_len = sizeof(addr);
    int err = uv_ip4_addr(host, port, &addr);

    if (err == 0)
        err = uv_tcp_init(&relay.loop, &relay.listener);
    if (err == 0)
        err = uv_tcp_bind(&relay.listener, (const struct sockaddr *)&addr, 0);
    if (err == 0)
        err = uv_listen((uv_stream_t *)&relay.listener, BACKLOG, on_connection);
    if (err == 0)
        err = uv_tcp_getsockname(&relay.listener, (struct sockaddr *)&addr, &addr_len);
    if (err != 0) {
        (void)fprintf(stderr, "linnet_relay: cannot listen on %s port %d: %s\n", host, port, uv_strerror(err));
        return false;
    }
    watch(&relay.on_term, SIGTERM);
    watch(&relay.on_int, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    if (port == 0)
        (void)printf("port %d\n", (int)ntohs(addr.sin_port));
    (void)puts("ready");
    (void)fflush(stdout);
    return true;
}

static void print_help(void)
{
    (void)puts(
        "linnet_relay [--host ADDRESS] [--port PORT]\n"
        "\n"
        "Copies what one member of a group sends to all other members, and looks at none of it: the floor that\n"
        "the cost of a real server is measured from. A connection's first line is \"GROUP name\"; \"OK\" is the\n"
        "answer. Prints \"ready\" once it listens; ends on SIGTERM.\n"
        "\n"
        "  --host ADDRESS    IPv4 address to listen on (127.0.0.1)\n"
        "  --port PORT       port to listen on (5230); 0 takes a free one and prints \"port N\" first\n"
        "\n"
        "To show that the generator notices, for frames that end in </message> or </presence>:\n"
        "  --drop-every N    every Nth frame is not copied\n"
        "  --repeat-every N  every Nth frame is copied twice\n"
        "  --swap-every N    every Nth frame is overtaken by the next of the same sender");
}

static const struct option options[] = {
    {"host", required_argument, NULL, 'h'},
    {"port", required_argument, NULL, 'p'},
    {"drop-every", required_argument, NULL, 'd'},
    {"repeat-every", required_argument, NULL, 'r'},
    {"swap-every", required_argument, NULL, 's'},
    {"help", no_argument, NULL, '?' + 256},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *host;
    uint64_t port;
};

/* False: usage. */
static bool read_option(struct arguments *args, int option)
{
    const struct {
        int option;
        uint64_t max;
        uint64_t *into;
    } numbers[] = {
        {'p', UINT16_MAX, &args->port},
        {'d', UINT32_MAX, &relay.faults.drop_every},
        {'r', UINT32_MAX, &relay.faults.repeat_every},
        {'s', UINT32_MAX, &relay.faults.swap_every},
    };

    if (option == 'h') {
        args->host = optarg;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i].option == option)
            return str_to_u64(str_of(optarg), numbers[i].max, numbers[i].into);
    return false;
}

int main(int argc, char **argv)
{
    struct arguments args = {"127.0.0.1", 5230};
    struct siphash_key key;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?' + 256) {
            print_help();
            return 0;
        }
        if (!read_option(&args, option)) {
            (void)fputs("linnet_relay: --help says what there is\n", stderr);
            return EXIT_USAGE;
        }
    }
    relay.has_faults = relay.faults.drop_every + relay.faults.repeat_every + relay.faults.swap_every > 0;
    raise_open_files();
    (void)uv_random(NULL, NULL, &key, sizeof(key), 0, NULL);
    hash_table_init(&relay.groups, &key);
    (void)uv_loop_init(&relay.loop);
    if (!begin(args.host, (int)args.port))
        return EXIT_CANNOT_BEGIN;
    (void)uv_run(&relay.loop, UV_RUN_DEFAULT);
    hash_table_deinit(&relay.groups);
    (void)uv_loop_close(&relay.loop);
    return 0;
}
