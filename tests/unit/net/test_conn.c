/* tests/unit/net/test_conn.c - a connection on a real worker: what is held back, what is queued, how it moves and ends.
 *
 * The peer is the other end of a socket pair, in the test's own thread. */
#include "server/net/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/time.h>
#include <uv.h>

#include "server/base/config.h"
#include "server/net/conn_internal.h"
#include "server/net/pool.h"
#include "server/net/worker.h"
#include "tests/unit/net/tls_pair.h"

enum { WORKERS = 2, OUT_MAX = 3 * 1024 * 1024, WAIT_S = 20 };

static struct {
    struct server server;
    struct worker *workers[WORKERS];
    struct config *config;
    struct tls_context *tls;
    struct test_dir dir;
    /* control: counts connections that have ended */
    struct executor control;
    uv_sem_t gone;
    /* the owner's side; the worker's while the connection is there */
    struct conn *conn;
    struct buf in;       /* what was taken; read by the test after `told` */
    size_t take_at_most; /* of each call; then the input is held */
    bool releases;       /* ... and released at once */
    _Atomic size_t n_taken;
    uv_sem_t told; /* posted for each call-back */
    uv_sem_t second;
    enum conn_end lost_why;
    unsigned lost_times;
} t;

/* ---- waiting, with a time-out so that a mistake fails instead of hanging ---- */

static void wait_for(uv_sem_t *sem)
{
    for (unsigned ms = 0; uv_sem_trywait(sem) != 0; ms++) {
        assert_true(ms < WAIT_S * 1000);
        uv_sleep(1);
    }
}

static void post_to_control(struct executor *to, struct task *own_task)
{
    (void)to;
    free(own_task);
    uv_sem_post(&t.gone);
}

/* ---- the owner ---- */

static void on_input(struct conn *c, struct str *in)
{
    size_t n = in->len < t.take_at_most ? in->len : t.take_at_most;

    buf_append(&t.in, in->p, n);
    *in = str_make(in->p + n, in->len - n);
    t.n_taken = t.in.len;
    if (in->len > 0)
        conn_hold(c, CONN_HOLD_STREAM);
    if (in->len > 0 && t.releases)
        conn_release(c, CONN_HOLD_STREAM);
    uv_sem_post(&t.told);
}

static void on_lost(struct conn *c, enum conn_end why)
{
    (void)c;
    t.lost_why = why;
    t.lost_times++;
    conn_close(&t.conn);
    uv_sem_post(&t.told);
}

static const struct conn_events owner = {.on_input = on_input, .on_lost = on_lost};

/* ---- the worker's events ---- */

static void nothing(struct worker *w)
{
    (void)w;
}

static void on_second(struct worker *w)
{
    if (w->index == 0)
        uv_sem_post(&t.second);
}

static const struct worker_events events = {
    .on_start = nothing,
    .on_turn_end = nothing,
    .on_second = on_second,
    .on_drain = nothing,
    .on_stop = nothing,
    .on_free = nothing,
};

/* ---- doing something on a worker, and waiting until it is done ---- */

struct errand {
    void (*fn)(struct worker *w, void *arg);
    void *arg;
    uv_sem_t done;
};

static void run_errand(struct worker *w, void *arg)
{
    struct errand *e = arg;

    e->fn(w, e->arg);
    uv_sem_post(&e->done);
}

static void on_worker(unsigned index, void (*fn)(struct worker *w, void *arg), void *arg)
{
    struct errand e = {.fn = fn, .arg = arg};

    assert_int_equal(uv_sem_init(&e.done, 0), 0);
    worker_call(t.workers[index], run_errand, &e);
    wait_for(&e.done);
    uv_sem_destroy(&e.done);
}

static void accept_parcel(struct worker *w, void *arg)
{
    t.conn = conn_from_parcel(w, arg);
    conn_set_owner(t.conn, &owner, &t);
    conn_set_out_limit(t.conn, OUT_MAX);
}

/* The peer's end of a new connection on worker 0. */
static int connect_peer(void)
{
    struct sockaddr_storage addr = {.ss_family = AF_INET};
    struct timeval limit = {.tv_sec = WAIT_S};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    t.take_at_most = SIZE_MAX;
    on_worker(0, accept_parcel,
              conn_parcel_new(fds[0], &addr, 1, CONN_PLAIN, &t.control, mem_zalloc(sizeof(struct task))));
    return fds[1];
}

static void release(struct worker *w, void *arg)
{
    (void)w;
    (void)arg;
    conn_release(t.conn, CONN_HOLD_STREAM);
}

static void take_all_and_release(struct worker *w, void *arg)
{
    t.take_at_most = SIZE_MAX;
    release(w, arg);
}

static void close_conn(struct worker *w, void *arg)
{
    (void)w;
    (void)arg;
    conn_close(&t.conn);
}

/* Byte i of what is sent in all tests: a gap or a repetition shows. */
static char byte_at(size_t i)
{
    return (char)((i * 2654435761u) >> 13);
}

static char *bytes(size_t n)
{
    char *p = mem_alloc(n);

    for (size_t i = 0; i < n; i++)
        p[i] = byte_at(i);
    return p;
}

static void assert_bytes(const char *p, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != byte_at(from + i))
            fail_msg("byte %zu is wrong", from + i);
    }
}

static void write_all(struct worker *w, void *arg)
{
    const struct str *text = arg;

    (void)w;
    if (t.conn != NULL) /* it may have been cut */
        (void)conn_send(t.conn, *text);
}

/* Reads in pieces of `piece` until there were `n`, or the end; returns how many there were. */
static size_t read_in_pieces(int fd, size_t from, size_t n, size_t piece)
{
    char *p = mem_alloc(piece);
    size_t got = 0;

    while (got < n) {
        ssize_t len = recv(fd, p, n - got < piece ? n - got : piece, 0);

        if (len <= 0)
            break;
        assert_bytes(p, from + got, (size_t)len);
        got += (size_t)len;
    }
    free(p);
    return got;
}

static void assert_end(int fd)
{
    char c;

    assert_int_equal(recv(fd, &c, 1, 0), 0);
}

/* ---- the tests ---- */

static void what_the_peer_sends_is_taken_in_order(void **state)
{
    size_t n = 300000;
    char *p = bytes(n);
    int fd = connect_peer();

    (void)state;
    for (size_t sent = 0; sent < n;) {
        ssize_t len = send(fd, p + sent, n - sent, MSG_NOSIGNAL);

        assert_true(len > 0);
        sent += (size_t)len;
    }
    (void)shutdown(fd, SHUT_WR);
    wait_for(&t.gone);
    assert_int_equal(t.lost_why, CONN_EOF);
    assert_int_equal(t.in.len, n);
    assert_bytes(t.in.p, 0, n);
    close(fd);
    free(p);
}

/* The peer's kernel buffer and ours fill up, and not our memory: also when each release leaves something. */
static void input_that_is_held_makes_the_peer_wait(void **state)
{
    size_t n = 8 * 1024 * 1024, sent = 0, was;
    char *p = bytes(n);
    int fd = connect_peer();

    (void)state;
    t.take_at_most = 1000;
    for (int i = 0; i < 50; i++) {
        ssize_t len;

        was = sent;
        while ((len = send(fd, p + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
            sent += (size_t)len;
        wait_for(&t.told);
        on_worker(0, release, NULL);
    }
    /* All that was taken is 50 pieces; what was sent may exceed it by two kernel buffers and one reading. */
    assert_true(sent - was < 1024 * 1024);
    assert_true(sent < 2 * 1024 * 1024);
    on_worker(0, take_all_and_release, NULL);
    (void)shutdown(fd, SHUT_WR);
    wait_for(&t.gone);
    assert_int_equal(t.in.len, sent);
    assert_bytes(t.in.p, 0, sent);
    close(fd);
    free(p);
}

static void let_it_release(struct worker *w, void *arg)
{
    (void)w;
    (void)arg;
    t.take_at_most = 100;
    t.releases = true;
}

/* Many small requests, each of which holds the input for less than a turn of the loop. */
static void input_that_is_held_shortly_and_often_does_not_pile_up(void **state)
{
    size_t n = 4 * 1024 * 1024, sent = 0;
    char *p = bytes(n);
    int fd = connect_peer();

    (void)state;
    on_worker(0, let_it_release, NULL);
    while (sent < n) {
        ssize_t len = send(fd, p + sent, n - sent < 4096 ? n - sent : 4096, MSG_NOSIGNAL);

        assert_true(len > 0);
        sent += (size_t)len;
        assert_true(sent - t.n_taken < 1024 * 1024); /* two kernel buffers and one reading */
    }
    (void)shutdown(fd, SHUT_WR);
    wait_for(&t.gone);
    assert_int_equal(t.in.len, n);
    assert_bytes(t.in.p, 0, n);
    close(fd);
    free(p);
}

static void a_slow_reader_gets_all_in_order(void **state)
{
    size_t n = 2 * 1024 * 1024;
    char *p = bytes(n);
    struct str first = str_make(p, n / 2), second = str_make(p + n / 2, n - n / 2);
    int fd = connect_peer();

    (void)state;
    on_worker(0, write_all, &first);
    assert_int_equal(read_in_pieces(fd, 0, 100000, 1000), 100000);
    on_worker(0, write_all, &second); /* behind a queue of which a part has gone */
    assert_int_equal(read_in_pieces(fd, 100000, n - 100000, 1000), n - 100000);
    on_worker(0, close_conn, NULL);
    assert_end(fd);
    close(fd);
    wait_for(&t.gone);
    free(p);
}

static void who_does_not_read_is_cut_once(void **state)
{
    size_t n = OUT_MAX / 2;
    char *p = bytes(n);
    struct str text = str_make(p, n);
    int fd = connect_peer();

    (void)state;
    for (int i = 0; i < 4; i++)
        on_worker(0, write_all, &text);
    wait_for(&t.gone);
    assert_int_equal(t.lost_why, CONN_SLOW);
    assert_int_equal(t.lost_times, 1);
    close(fd);
    free(p);
}

static void cork(struct worker *w, void *arg)
{
    (void)w;
    conn_cork(t.conn, *(bool *)arg);
}

static void end_a_turn(struct worker *w, void *arg)
{
    (void)w;
    (void)arg;
}

static void assert_nothing_came(int fd)
{
    char c;

    on_worker(0, end_a_turn, NULL); /* the turns before this one have ended, and written what they would */
    on_worker(0, end_a_turn, NULL);
    assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
}

static void what_is_sent_while_it_is_corked_waits_in_its_order(void **state)
{
    char *p = bytes(3000);
    struct str first = str_make(p, 1000), second = str_make(p + 1000, 1000), third = str_make(p + 2000, 1000);
    int fd = connect_peer();

    (void)state;
    on_worker(0, write_all, &first);
    assert_int_equal(read_in_pieces(fd, 0, 1000, 1000), 1000);
    on_worker(0, cork, &(bool){true});
    on_worker(0, write_all, &second);
    on_worker(0, write_all, &third);
    assert_nothing_came(fd);
    on_worker(0, cork, &(bool){false});
    assert_int_equal(read_in_pieces(fd, 1000, 2000, 2000), 2000);
    on_worker(0, close_conn, NULL);
    assert_end(fd);
    close(fd);
    wait_for(&t.gone);
    free(p);
}

static void a_corked_connection_is_closed_like_any_other(void **state)
{
    char *p = bytes(1000);
    struct str text = str_make(p, 1000);
    int fd = connect_peer();

    (void)state;
    on_worker(0, cork, &(bool){true});
    on_worker(0, write_all, &text);
    assert_nothing_came(fd);
    on_worker(0, close_conn, NULL);
    assert_int_equal(read_in_pieces(fd, 0, 1000, 1000), 1000);
    assert_end(fd);
    close(fd);
    wait_for(&t.gone);
    free(p);
}

static void what_was_queued_is_written_before_the_end(void **state)
{
    size_t n = 1024 * 1024;
    char *p = bytes(n);
    struct str text = str_make(p, n);
    int fd = connect_peer();

    (void)state;
    on_worker(0, write_all, &text);
    on_worker(0, close_conn, NULL);
    assert_int_equal(read_in_pieces(fd, 0, n, 65536), n);
    assert_end(fd);
    close(fd);
    wait_for(&t.gone);
    assert_int_equal(t.lost_times, 0);
    free(p);
}

static void read_idle_time(struct worker *w, void *arg)
{
    *(uint64_t *)arg = uv_metrics_idle_time(&w->loop);
}

static void measure_idle(struct worker *w, void *arg)
{
    (void)arg;
    (void)uv_loop_configure(&w->loop, UV_METRICS_IDLE_TIME);
}

/* The queue cannot be written, and the end of the peer's side stays readable for ever. */
static void closing_to_a_peer_that_has_ended_and_does_not_read_is_no_busy_loop(void **state)
{
    size_t n = 2 * 1024 * 1024;
    char *p = bytes(n);
    struct str text = str_make(p, n);
    uint64_t idle_before, idle_after, start;
    int fd = connect_peer();

    (void)state;
    on_worker(0, measure_idle, NULL);
    on_worker(0, write_all, &text);
    on_worker(0, close_conn, NULL);
    (void)shutdown(fd, SHUT_WR);
    on_worker(0, read_idle_time, &idle_before);
    start = uv_hrtime();
    wait_for(&t.gone); /* it is given up after a while */
    on_worker(0, read_idle_time, &idle_after);
    /* Most of that time was slept. */
    assert_true(idle_after - idle_before > (uv_hrtime() - start) / 2);
    close(fd);
    free(p);
}

static void expect_mostly_idle_for_a_second(void)
{
    uint64_t idle_before, idle_after, start;

    while (uv_sem_trywait(&t.second) == 0)
        ;
    wait_for(&t.second);
    on_worker(0, read_idle_time, &idle_before);
    start = uv_hrtime();
    wait_for(&t.second);
    on_worker(0, read_idle_time, &idle_after);
    assert_true(idle_after - idle_before > (uv_hrtime() - start) / 2);
}

/* Polling for input goes on when it is held, until some comes that may not be read. */
static void holding_the_input_of_a_peer_that_goes_on_and_ends_is_no_busy_loop(void **state)
{
    char *p = bytes(3000);
    int fd = connect_peer();

    (void)state;
    on_worker(0, measure_idle, NULL);
    t.take_at_most = 10;
    assert_int_equal(send(fd, p, 1000, MSG_NOSIGNAL), 1000);
    wait_for(&t.told); /* 10 are taken, the rest is held */
    expect_mostly_idle_for_a_second();
    assert_int_equal(send(fd, p + 1000, 2000, MSG_NOSIGNAL), 2000);
    expect_mostly_idle_for_a_second();
    (void)shutdown(fd, SHUT_WR);
    expect_mostly_idle_for_a_second();
    close(fd);
    expect_mostly_idle_for_a_second();
    assert_int_equal(t.lost_times, 0);
    on_worker(0, take_all_and_release, NULL);
    wait_for(&t.gone); /* with all that came before the end */
    assert_int_equal(t.in.len, 3000);
    assert_bytes(t.in.p, 0, 3000);
    assert_int_equal(t.lost_why, CONN_EOF);
    free(p);
}

static void start_tls(struct worker *w, void *arg)
{
    (void)w;
    conn_start_tls(t.conn, tls_new(t.tls, true, STR("")));
    *(bool *)arg = t.conn->backlog != NULL;
}

static void a_connection_that_begins_with_tls_keeps_no_memory_for_what_was_in_the_clear(void **state)
{
    int fd = connect_peer();
    bool has_backlog;

    (void)state;
    on_worker(0, start_tls, &has_backlog);
    assert_false(has_backlog);
    (void)shutdown(fd, SHUT_WR);
    wait_for(&t.gone);
    close(fd);
}

struct moving {
    struct conn_parcel *parcel;
};

static void take_away(struct worker *w, void *arg)
{
    struct moving *m = arg;

    (void)w;
    m->parcel = conn_take_parcel(&t.conn);
}

static void bring(struct worker *w, void *arg)
{
    struct moving *m = arg;

    accept_parcel(w, m->parcel);
}

static void a_connection_moves_with_what_is_unread_and_unwritten(void **state)
{
    size_t n = 2 * 1024 * 1024;
    char *p = bytes(n);
    struct str text = str_make(p, n / 2), rest = str_make(p + n / 2, n - n / 2);
    struct moving m;
    int fd = connect_peer();

    (void)state;
    t.take_at_most = 10;
    assert_int_equal(send(fd, p, 5000, MSG_NOSIGNAL), 5000);
    wait_for(&t.told); /* 10 are taken, the rest is held */
    on_worker(0, release, NULL);
    wait_for(&t.told); /* and 10 more */
    on_worker(0, write_all, &text);
    assert_int_equal(read_in_pieces(fd, 0, 300000, 4096), 300000); /* a part of the queue has gone */
    on_worker(0, take_away, &m);
    t.take_at_most = SIZE_MAX;
    on_worker(1, bring, &m);
    on_worker(1, write_all, &rest);
    assert_int_equal(send(fd, p + 5000, 5000, MSG_NOSIGNAL), 5000);
    assert_int_equal(read_in_pieces(fd, 300000, n - 300000, 4096), n - 300000);
    (void)shutdown(fd, SHUT_WR);
    wait_for(&t.gone);
    assert_int_equal(t.in.len, 10000);
    assert_bytes(t.in.p, 0, 10000);
    close(fd);
    free(p);
}

static void lose_and_take_away(struct worker *w, void *arg)
{
    conn_cut(t.conn);
    take_away(w, arg);
}

static void a_connection_that_broke_before_it_moved_is_reported_where_it_came_to(void **state)
{
    struct moving m;
    int fd = connect_peer();

    (void)state;
    on_worker(0, lose_and_take_away, &m);
    on_worker(1, bring, &m);
    wait_for(&t.gone);
    assert_int_equal(t.lost_times, 1);
    assert_int_equal(t.lost_why, CONN_SLOW);
    close(fd);
}

/* ---- around the tests ---- */

static int start(void **state)
{
    struct buf errors = {0};
    char error[256], warning[256] = "";
    struct tls_host host = {.name = STR("x.example")};

    (void)state;
    dir_init(&t.dir);
    host.certificate_path = dir_file(&t.dir, "x.crt");
    host.key_path = dir_file(&t.dir, "x.key");
    assert_int_equal(tls_make_self_signed(&host.name, 1, host.certificate_path, host.key_path, error), LN_OK);
    assert_int_equal(tls_context_new(&host, 1, NULL, &t.tls, error, warning), LN_OK);
    assert_int_equal(config_parse(STR("[[host]]\nname = 'x.example'\n"), "x", NULL, &t.config, &errors), LN_OK);
    buf_deinit(&errors);
    t.server.n_workers = WORKERS;
    t.server.workers = t.workers;
    t.server.events = &events;
    t.server.pool = pool_new(1, 16);
    t.control.post = post_to_control;
    assert_int_equal(uv_sem_init(&t.second, 0), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_true(worker_make(&t.server, i, t.config, t.tls));
    for (unsigned i = 0; i < WORKERS; i++)
        assert_true(worker_start(t.workers[i]));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++)
        worker_stop(t.workers[i]);
    pool_free(&t.server.pool);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_free(&t.workers[i]);
    uv_sem_destroy(&t.second);
    config_unref(&t.config);
    tls_context_unref(&t.tls);
    dir_deinit(&t.dir);
    return 0;
}

static int before(void **state)
{
    (void)state;
    t.lost_times = 0;
    t.releases = false;
    t.n_taken = 0;
    assert_int_equal(uv_sem_init(&t.gone, 0), 0);
    assert_int_equal(uv_sem_init(&t.told, 0), 0);
    return 0;
}

static int after(void **state)
{
    (void)state;
    buf_deinit(&t.in);
    uv_sem_destroy(&t.gone);
    uv_sem_destroy(&t.told);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_peer_sends_is_taken_in_order, before, after),
        cmocka_unit_test_setup_teardown(input_that_is_held_makes_the_peer_wait, before, after),
        cmocka_unit_test_setup_teardown(input_that_is_held_shortly_and_often_does_not_pile_up, before, after),
        cmocka_unit_test_setup_teardown(a_slow_reader_gets_all_in_order, before, after),
        cmocka_unit_test_setup_teardown(what_is_sent_while_it_is_corked_waits_in_its_order, before, after),
        cmocka_unit_test_setup_teardown(a_corked_connection_is_closed_like_any_other, before, after),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_cut_once, before, after),
        cmocka_unit_test_setup_teardown(what_was_queued_is_written_before_the_end, before, after),
        cmocka_unit_test_setup_teardown(closing_to_a_peer_that_has_ended_and_does_not_read_is_no_busy_loop, before,
                                        after),
        cmocka_unit_test_setup_teardown(holding_the_input_of_a_peer_that_goes_on_and_ends_is_no_busy_loop, before,
                                        after),
        cmocka_unit_test_setup_teardown(a_connection_that_begins_with_tls_keeps_no_memory_for_what_was_in_the_clear,
                                        before, after),
        cmocka_unit_test_setup_teardown(a_connection_moves_with_what_is_unread_and_unwritten, before, after),
        cmocka_unit_test_setup_teardown(a_connection_that_broke_before_it_moved_is_reported_where_it_came_to, before,
                                        after),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
