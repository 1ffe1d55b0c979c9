#include "server/base/log.h"

#include "common/buf.h"
#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { QUEUE_BYTES = 16 << 20, SMALL_QUEUE_BYTES = 65536 };

/* ---- syslog, taken over from the C library: under its own name, and under the one that _FORTIFY_SOURCE calls ---- */

struct syslog_call {
    int priority;
    char text[256];
};
static struct syslog_call syslog_calls[8];
static size_t n_syslog_calls;

void syslog(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void __syslog_chk(int priority, int flag, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void record_syslog(int priority, const char *fmt, va_list args)
{
    struct syslog_call *call = &syslog_calls[n_syslog_calls++];

    assert_in_range(n_syslog_calls, 1, ARRAY_LEN(syslog_calls));
    call->priority = priority;
    vsnprintf(call->text, sizeof(call->text), fmt, args);
}

void syslog(int priority, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    record_syslog(priority, fmt, args);
    va_end(args);
}

void __syslog_chk(int priority, int flag, const char *fmt, ...)
{
    va_list args;

    (void)flag;
    va_start(args, fmt);
    record_syslog(priority, fmt, args);
    va_end(args);
}

/* ---- a folder for each test, and a way to read what was written ---- */

struct fixture {
    char folder[64];
    char path[96];
    char renamed[96];
    struct log_stats before;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/linnet-test-log-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/log", f->folder);
    snprintf(f->renamed, sizeof(f->renamed), "%s/log.1", f->folder);
    log_get_stats(&f->before);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    log_stop();
    for (unsigned i = 0; i < LOG_SUBSYSTEMS; i++)
        log_set_level((enum log_subsystem)i, LOG_LEVEL_INFO);
    unlink(f->path);
    unlink(f->renamed);
    rmdir(f->folder);
    free(f);
    return 0;
}

static void start(struct fixture *f, enum log_target target, size_t queue_bytes)
{
    const struct log_options opt = {target, LOG_AS_TEXT, f->path, queue_bytes};
    char why[256] = "";

    assert_int_equal(log_start(&opt, why), LN_OK);
}

static void read_to_end(int fd, struct buf *ret)
{
    ssize_t n;

    while ((n = read(fd, buf_reserve(ret, 65536), 65536)) > 0)
        ret->len += (size_t)n;
}

static struct buf read_file(const char *path)
{
    struct buf text = {0};
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    read_to_end(fd, &text);
    close(fd);
    return text;
}

/* The next line of *rest without its time, which is checked to be one. False: there is none. */
static bool next_line(struct str *rest, char *ret, size_t size)
{
    ptrdiff_t end = str_find(*rest, '\n');

    if (end < 0) {
        assert_int_equal(rest->len, 0);
        return false;
    }
    assert_in_range(end, 26, size);
    assert_int_equal(rest->p[10], 'T');
    assert_memory_equal(rest->p + 23, "Z ", 2);
    snprintf(ret, size, "%.*s", (int)end - 25, rest->p + 25);
    *rest = str_make(rest->p + end + 1, rest->len - (size_t)end - 1);
    return true;
}

static void assert_lines_in(struct str text, const char *const *expected)
{
    char line[512];

    for (; *expected != NULL; expected++) {
        assert_true(next_line(&text, line, sizeof(line)));
        assert_string_equal(line, *expected);
    }
    assert_false(next_line(&text, line, sizeof(line)));
}

static void assert_file(const char *path, const char *const *expected)
{
    struct buf text = read_file(path);

    assert_lines_in(buf_str(&text), expected);
    buf_deinit(&text);
}

/* Stderr becomes a pipe, until restore_stderr(). cmocka writes there itself, so no assertions in between. */
struct captured {
    int saved, reader;
    struct buf text;
    uv_thread_t thread;
};

static void capture_stderr(struct captured *c)
{
    int ends[2];

    *c = (struct captured){.saved = dup(2)};
    if (pipe(ends) != 0 || dup2(ends[1], 2) < 0)
        abort();
    close(ends[1]);
    c->reader = ends[0];
}

static void on_captured(void *arg)
{
    struct captured *c = arg;

    read_to_end(c->reader, &c->text);
}

static void start_reading(struct captured *c)
{
    if (uv_thread_create(&c->thread, on_captured, c) != 0)
        abort();
}

/* Also waits for the reader to have seen all. */
static void restore_stderr(struct captured *c)
{
    dup2(c->saved, 2);
    close(c->saved);
    uv_thread_join(&c->thread);
    close(c->reader);
}

static void wait_for_unwritten(const struct fixture *f, uint64_t n)
{
    struct log_stats stats;

    do {
        sched_yield();
        log_get_stats(&stats);
    } while (stats.unwritten < f->before.unwritten + n);
    assert_int_equal(stats.unwritten, f->before.unwritten + n);
}

/* ---- levels ---- */

static int evaluated;

static uint64_t evaluate(void)
{
    return (uint64_t)++evaluated;
}

static void a_line_below_the_level_is_not_written_nor_its_arguments_evaluated(void **state)
{
    struct fixture *f = *state;
    const char *const expected[] = {"ERROR a", "WARN b", "INFO c n=1", NULL};

    evaluated = 0;
    start(f, LOG_TO_FILE, QUEUE_BYTES);
    log_error(LOG_IM, 0, "a");
    log_warn(LOG_IM, 0, "b");
    log_info(LOG_IM, 0, "c", F_U64("n", evaluate()));
    log_debug(LOG_IM, 0, "d", F_U64("n", evaluate()));
    log_stop();
    assert_file(f->path, expected);
    assert_int_equal(evaluated, 1);
}

static void a_level_is_changed_at_run_time_for_one_subsystem_alone(void **state)
{
    struct fixture *f = *state;
    const char *const expected[] = {"DEBUG net.a", "ERROR im.d", NULL};

    start(f, LOG_TO_FILE, QUEUE_BYTES);
    log_set_level(LOG_NET, LOG_LEVEL_DEBUG);
    log_set_level(LOG_IM, LOG_LEVEL_ERROR);
    log_debug(LOG_NET, 0, "net.a");
    log_debug(LOG_STREAM, 0, "stream.b");
    log_warn(LOG_IM, 0, "im.c");
    log_error(LOG_IM, 0, "im.d");
    log_stop();
    assert_file(f->path, expected);
    assert_int_equal(log_get_level(LOG_NET), LOG_LEVEL_DEBUG);
    assert_int_equal(log_get_level(LOG_STREAM), LOG_LEVEL_INFO);
}

/* ---- targets ---- */

static void before_the_start_and_after_the_stop_lines_go_straight_to_stderr(void **state)
{
    struct fixture *f = *state;
    const char *const expected[] = {"INFO before", "INFO after", NULL};
    const char *const expected_in_file[] = {"INFO between", NULL};
    const struct log_options opt = {LOG_TO_FILE, LOG_AS_TEXT, f->path, QUEUE_BYTES};
    struct captured c;
    char why[256];

    capture_stderr(&c);
    start_reading(&c);
    log_info(LOG_NET, 0, "before");
    enum ln_err err = log_start(&opt, why);
    log_info(LOG_NET, 0, "between");
    log_stop();
    log_info(LOG_NET, 0, "after");
    restore_stderr(&c);
    assert_int_equal(err, LN_OK);
    assert_lines_in(buf_str(&c.text), expected);
    assert_file(f->path, expected_in_file);
    buf_deinit(&c.text);
}

static void a_file_that_cannot_be_opened_is_refused_with_its_name(void **state)
{
    const struct log_options opt = {LOG_TO_FILE, LOG_AS_TEXT, "/nonexistent/log", QUEUE_BYTES};
    char why[256] = "";

    (void)state;
    assert_int_equal(log_start(&opt, why), LN_E_IO);
    assert_string_equal(why, "/nonexistent/log cannot be opened: No such file or directory");
}

static void the_file_is_readable_by_owner_and_group_only(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(0);
    struct stat st;

    start(f, LOG_TO_FILE, QUEUE_BYTES);
    umask(before);
    log_stop();
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void syslog_gets_each_line_with_its_priority_and_without_time(void **state)
{
    struct fixture *f = *state;
    static const struct syslog_call expected[] = {
        {3, "ERROR e"}, {4, "WARN w"}, {6, "INFO i v=\"100%s %n\""}, {7, "DEBUG d"}};

    n_syslog_calls = 0;
    log_set_level(LOG_NET, LOG_LEVEL_DEBUG);
    start(f, LOG_TO_SYSLOG, QUEUE_BYTES);
    log_error(LOG_NET, 0, "e");
    log_warn(LOG_NET, 0, "w");
    log_info(LOG_NET, 0, "i", F_CSTR("v", "100%s %n"));
    log_debug(LOG_NET, 0, "d");
    log_stop();
    assert_int_equal(n_syslog_calls, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(syslog_calls[i].priority, expected[i].priority);
        assert_string_equal(syslog_calls[i].text, expected[i].text);
    }
}

/* ---- reopening ---- */

static void after_a_rename_and_a_reopen_lines_go_to_a_new_file_and_earlier_ones_to_the_old(void **state)
{
    struct fixture *f = *state;
    const char *const old[] = {"INFO a", "INFO b", NULL}, *const new[] = {"INFO c", NULL};

    start(f, LOG_TO_FILE, QUEUE_BYTES);
    log_info(LOG_NET, 0, "a");
    assert_int_equal(rename(f->path, f->renamed), 0);
    log_info(LOG_NET, 0, "b");
    log_reopen();
    log_info(LOG_NET, 0, "c");
    log_stop();
    assert_file(f->renamed, old);
    assert_file(f->path, new);
}

static void a_reopen_that_fails_keeps_the_old_file_and_says_so(void **state)
{
    struct fixture *f = *state;
    char reason[256];
    const char *const expected[] = {reason, "INFO a", NULL};

    snprintf(reason, sizeof(reason), "ERROR log.reopen_failed reason=\"%s cannot be opened: Is a directory\"", f->path);
    start(f, LOG_TO_FILE, QUEUE_BYTES);
    assert_int_equal(rename(f->path, f->renamed), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    log_reopen();
    log_info(LOG_NET, 0, "a");
    log_stop();
    assert_int_equal(rmdir(f->path), 0);
    assert_file(f->renamed, expected);
}

/* ---- when lines cannot be written ---- */

static void lines_that_a_full_disk_refuses_are_counted_and_told_of_when_it_has_room_again(void **state)
{
    struct fixture *f = *state;
    const char *const expected[] = {"ERROR log.unwritten lines=3", "INFO d", NULL};

    assert_int_equal(symlink("/dev/full", f->path), 0);
    start(f, LOG_TO_FILE, QUEUE_BYTES);
    log_info(LOG_NET, 0, "a");
    log_info(LOG_NET, 0, "b");
    log_info(LOG_NET, 0, "c");
    wait_for_unwritten(f, 3);
    assert_int_equal(unlink(f->path), 0);
    log_reopen();
    log_info(LOG_NET, 0, "d");
    log_stop();
    assert_file(f->path, expected);
}

static void a_line_that_was_torn_does_not_run_into_the_next_one(void **state)
{
    struct fixture *f = *state;
    const char *const expected[] = {"INFO thi", "ERROR log.unwritten lines=1", "INFO next", NULL};
    struct rlimit before, small;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){25 + strlen(expected[0]), before.rlim_max};
    start(f, LOG_TO_FILE, QUEUE_BYTES);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_info(LOG_NET, 0, "this.is.too.long");
    wait_for_unwritten(f, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_info(LOG_NET, 0, "next");
    log_stop();
    assert_file(f->path, expected);
}

struct drop_counts {
    uint64_t kept, told;
};

/* Kept lines in order, with those that tell of dropped ones between. */
static struct drop_counts count_kept_and_told(struct str text)
{
    struct drop_counts counts = {0, 0};
    long n, last = -1;
    char line[512];

    while (next_line(&text, line, sizeof(line))) {
        if (sscanf(line, "WARN log.dropped lines=%ld", &n) == 1) {
            counts.told += (uint64_t)n;
            continue;
        }
        assert_int_equal(sscanf(line, "INFO flood n=%ld", &n), 1);
        assert_true(n > last);
        last = n;
        counts.kept++;
    }
    return counts;
}

static void what_exceeds_the_queue_is_dropped_and_told_of(void **state)
{
    struct fixture *f = *state;
    const struct log_options opt = {LOG_TO_STDERR, LOG_AS_TEXT, NULL, SMALL_QUEUE_BYTES};
    struct log_stats stats;
    struct captured c;
    char why[256];
    uint64_t written = 0;

    /* Nobody reads the pipe: the log thread waits in its write until the flood is over. */
    capture_stderr(&c);
    enum ln_err err = log_start(&opt, why);
    do {
        log_info(LOG_NET, 0, "flood", F_U64("n", written++));
        log_get_stats(&stats);
    } while (err == LN_OK && stats.dropped < f->before.dropped + 1000);
    start_reading(&c);
    log_stop();
    restore_stderr(&c);
    assert_int_equal(err, LN_OK);
    log_get_stats(&stats);
    struct drop_counts counts = count_kept_and_told(buf_str(&c.text));
    assert_int_equal(counts.told, stats.dropped - f->before.dropped);
    assert_int_equal(counts.kept + counts.told, written);
    buf_deinit(&c.text);
}

/* ---- threads ---- */

enum { THREADS = 6, LINES = 3000 };

struct flood {
    uv_thread_t thread;
    int index;
    _Atomic(int) *n_logged;
};

static void on_flood(void *arg)
{
    struct flood *flood = arg;

    log_set_thread(flood->index);
    for (int i = 0; i < LINES; i++) {
        log_info(LOG_IM, (uint64_t)flood->index + 1, "flood", F_I64("n", i), F_CSTR("text", "a few words"));
        atomic_fetch_add(flood->n_logged, 1);
    }
}

static void start_floods(struct flood floods[THREADS], _Atomic(int) *n_logged)
{
    for (int i = 0; i < THREADS; i++) {
        floods[i] = (struct flood){.index = i, .n_logged = n_logged};
        assert_int_equal(uv_thread_create(&floods[i].thread, on_flood, &floods[i]), 0);
    }
}

static void join_floods(struct flood floods[THREADS])
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&floods[i].thread), 0);
}

/* Counts in next[i] how many lines of thread i there are: all whole, and in order. */
static void count_flood(struct str text, int next[THREADS])
{
    char line[512], expected[512];

    while (next_line(&text, line, sizeof(line))) {
        int index = -1;

        assert_int_equal(sscanf(line, "INFO w=%d ", &index), 1);
        assert_in_range(index, 0, THREADS - 1);
        snprintf(expected, sizeof(expected), "INFO w=%d s=%x flood n=%d text=\"a few words\"", index,
                 (unsigned)index + 1, next[index]++);
        assert_string_equal(line, expected);
    }
}

static void lines_of_many_threads_arrive_whole_and_each_thread_s_in_order(void **state)
{
    struct fixture *f = *state;
    struct flood floods[THREADS];
    _Atomic(int) n_logged = 0;
    int next[THREADS] = {0};

    start(f, LOG_TO_FILE, QUEUE_BYTES);
    start_floods(floods, &n_logged);
    join_floods(floods);
    log_stop();
    struct buf text = read_file(f->path);
    count_flood(buf_str(&text), next);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES);
    buf_deinit(&text);
}

static void a_stop_among_lines_of_other_threads_loses_none(void **state)
{
    struct fixture *f = *state;
    struct flood floods[THREADS];
    struct captured c;
    _Atomic(int) n_logged = 0;
    int next[THREADS] = {0};

    start(f, LOG_TO_FILE, QUEUE_BYTES);
    capture_stderr(&c);
    start_reading(&c);
    start_floods(floods, &n_logged);
    while (atomic_load(&n_logged) < THREADS * LINES / 3)
        sched_yield();
    log_stop();
    join_floods(floods);
    restore_stderr(&c);
    struct buf text = read_file(f->path);
    count_flood(buf_str(&text), next);
    count_flood(buf_str(&c.text), next); /* goes on where the file ended */
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES);
    assert_true(text.len > 0);
    buf_deinit(&text);
    buf_deinit(&c.text);
}

static void the_log_can_be_started_again(void **state)
{
    struct fixture *f = *state;
    const char *const expected[] = {"INFO a", "INFO b", NULL};

    start(f, LOG_TO_FILE, QUEUE_BYTES);
    log_info(LOG_NET, 0, "a");
    log_stop();
    log_stop();
    start(f, LOG_TO_FILE, QUEUE_BYTES);
    log_info(LOG_NET, 0, "b");
    log_stop();
    assert_file(f->path, expected);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_line_below_the_level_is_not_written_nor_its_arguments_evaluated),
        IN_FOLDER(a_level_is_changed_at_run_time_for_one_subsystem_alone),
        IN_FOLDER(before_the_start_and_after_the_stop_lines_go_straight_to_stderr),
        IN_FOLDER(a_file_that_cannot_be_opened_is_refused_with_its_name),
        IN_FOLDER(the_file_is_readable_by_owner_and_group_only),
        IN_FOLDER(syslog_gets_each_line_with_its_priority_and_without_time),
        IN_FOLDER(after_a_rename_and_a_reopen_lines_go_to_a_new_file_and_earlier_ones_to_the_old),
        IN_FOLDER(a_reopen_that_fails_keeps_the_old_file_and_says_so),
        IN_FOLDER(lines_that_a_full_disk_refuses_are_counted_and_told_of_when_it_has_room_again),
        IN_FOLDER(a_line_that_was_torn_does_not_run_into_the_next_one),
        IN_FOLDER(what_exceeds_the_queue_is_dropped_and_told_of),
        IN_FOLDER(lines_of_many_threads_arrive_whole_and_each_thread_s_in_order),
        IN_FOLDER(a_stop_among_lines_of_other_threads_loses_none),
        IN_FOLDER(the_log_can_be_started_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
