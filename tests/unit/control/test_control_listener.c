#include "server/control/control_listener.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct fixture {
    uv_loop_t loop;
    char folder[64];
    char path[128];
    char error[CONTROL_ERROR_SIZE];
    struct control_listener *listener;
    struct control_limits limits;
    /* what on_request() saw and did */
    unsigned n_requests, n_freed;
    unsigned parts_left;
    struct control_request *kept; /* of a command that has not been answered yet */
};

/* ---- what the requests of these tests do ---- */

static void count_free(void *state)
{
    struct fixture *f = state;

    f->n_freed++;
}

static void send_part(struct control_request *r)
{
    struct fixture *f = control_state(r);

    if (f->parts_left == 0) {
        control_ok(r, "that was all");
        return;
    }
    f->parts_left--;
    memset(buf_reserve(control_out(r), CONTROL_CHUNK_BYTES), 'x', CONTROL_CHUNK_BYTES);
    control_out(r)->len += CONTROL_CHUNK_BYTES;
    control_end_line(control_out(r));
    control_send(r, send_part);
}

static void on_request(void *ctx, struct control_request *r)
{
    struct fixture *f = ctx;

    f->n_requests++;
    control_set_state(r, f, count_free);
    if (str_is(control_arg(r, 0), "echo"))
        control_ok(r, "%.*s", STR_ARG(control_arg(r, 1)));
    else if (str_is(control_arg(r, 0), "parts"))
        send_part(r);
    else if (str_is(control_arg(r, 0), "keep"))
        f->kept = control_ref(r);
    else
        control_fail(r, "what?");
}

/* ---- a folder, a loop and a listener for each test ---- */

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    (void)signal(SIGPIPE, SIG_IGN);
    snprintf(f->folder, sizeof(f->folder), "/tmp/linnet-test-control-XXXXXX");
    if (mkdtemp(f->folder) == NULL || uv_loop_init(&f->loop) != 0)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/linnet.sock", f->folder);
    f->limits = control_limits_default;
    *state = f;
    return 0;
}

static enum ln_err open_at(struct fixture *f, const char *path, struct control_listener **ret)
{
    return control_listener_open(&f->loop, path, &f->limits, on_request, f, ret, f->error);
}

static void open_listener(struct fixture *f)
{
    assert_int_equal(open_at(f, f->path, &f->listener), LN_OK);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    control_unref(&f->kept);
    control_listener_close(&f->listener);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&f->loop) != 0)
        return -1; /* a handle was forgotten */
    (void)unlink(f->path);
    (void)rmdir(f->folder);
    free(f);
    return 0;
}

/* ---- a client: a socket that never blocks, and turns of the loop until what is awaited has come ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* One turn of the loop, which waits for its events, but not for long: the client's socket is none of them. */
static void turn(struct fixture *f)
{
    struct pollfd loop_fd = {.fd = uv_backend_fd(&f->loop), .events = POLLIN};

    (void)poll(&loop_fd, 1, 1);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* All that comes until the server closes. */
static struct buf read_to_end(struct fixture *f, int fd)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    struct buf got = {0};

    for (;;) {
        ssize_t n = read(fd, buf_reserve(&got, 65536), 65536);

        if (n > 0) {
            got.len += (size_t)n;
        } else if (n == 0 || errno != EAGAIN) {
            close(fd);
            return got;
        } else {
            assert_true(now_ms() < until);
            turn(f);
        }
    }
}

static void expect_answer(struct fixture *f, int fd, const char *answer)
{
    struct buf got = read_to_end(f, fd);

    buf_append_char(&got, '\0');
    assert_string_equal(got.p, answer);
    buf_deinit(&got);
}

static void expect_error(struct fixture *f, int fd, const char *part)
{
    struct buf got = read_to_end(f, fd);

    buf_append_char(&got, '\0');
    assert_true(str_starts(buf_str(&got), STR("error\t")));
    assert_non_null(strstr(got.p, part));
    buf_deinit(&got);
}

#define wait_until(f, condition)                                                                                       \
    for (uint64_t until_ = now_ms() + PATIENCE_MS; !(condition); turn(f))                                              \
    assert_true(now_ms() < until_)

/* ---- one request, one answer ---- */

static void a_request_is_answered_and_the_connection_closed(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "1\techo\ttwo\\nlines\n");
    expect_answer(f, fd, "ok\ttwo\\nlines\n");
    wait_until(f, f->n_freed == 1);
}

static void a_request_may_come_in_pieces(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "1\tec");
    for (int i = 0; i < 5; i++)
        turn(f);
    assert_int_equal(f->n_requests, 0);
    send_text(fd, "ho\tx\n");
    expect_answer(f, fd, "ok\tx\n");
}

static void an_answer_may_come_later(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "1\tkeep\n");
    wait_until(f, f->kept != NULL);
    control_ok(f->kept, "at last");
    control_fail(f->kept, "this one is not heard");
    expect_answer(f, fd, "ok\tat last\n");
    assert_true(control_is_over(f->kept));
}

static void a_long_answer_goes_out_as_it_is_taken(void **state)
{
    struct fixture *f = *state;
    struct buf got;
    int fd;

    open_listener(f);
    f->parts_left = 200;
    fd = connect_to(f->path);
    send_text(fd, "1\tparts\n");
    wait_until(f, f->n_requests == 1);
    for (int i = 0; i < 50; i++)
        turn(f);
    assert_in_range(f->parts_left, 150, 199); /* the kernel holds a few; the rest has not been made yet */
    got = read_to_end(f, fd);
    assert_int_equal(got.len, 200 * (CONTROL_CHUNK_BYTES + 1) + strlen("ok\tthat was all\n"));
    assert_memory_equal(got.p + 200 * (CONTROL_CHUNK_BYTES + 1), "ok\tthat was all\n", 16);
    buf_deinit(&got);
}

/* ---- what is refused ---- */

static void what_is_no_request_is_refused(void **state)
{
    static const char *const wrong[] = {"\n", "1\n", "1\t\n", "1\techo\t\\x\n"};
    struct fixture *f = *state;

    open_listener(f);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        int fd = connect_to(f->path);

        send_text(fd, wrong[i]);
        expect_error(f, fd, "not a request");
    }
    assert_int_equal(f->n_requests, 0);
}

static void another_version_is_told_what_to_do(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "2\techo\tx\n");
    expect_error(f, fd, "different versions");
}

static void a_request_has_a_bounded_length(void **state)
{
    struct fixture *f = *state;
    char bytes[CONTROL_REQUEST_MAX + 1];
    int fd;

    open_listener(f);
    memset(bytes, 'x', sizeof(bytes));
    fd = connect_to(f->path);
    assert_int_equal(write(fd, bytes, CONTROL_REQUEST_MAX), CONTROL_REQUEST_MAX);
    expect_error(f, fd, "longer than");
}

static void one_who_asks_nothing_is_sent_away(void **state)
{
    struct fixture *f = *state;

    f->limits.request_ms = 20;
    open_listener(f);
    expect_error(f, connect_to(f->path), "no request came");
}

static void one_who_waits_too_long_is_told_so(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->limits.run_ms = 20;
    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "1\tkeep\n");
    expect_error(f, fd, "waits no longer");
}

static void one_who_does_not_take_the_answer_is_dropped(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->limits.write_ms = 20;
    f->parts_left = 1000;
    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "1\tparts\n");
    wait_until(f, f->n_freed == 1);
    assert_in_range(f->parts_left, 900, 999);
    close(fd);
}

static void one_who_goes_away_is_forgotten(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->parts_left = 1000;
    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "1\tparts\n");
    wait_until(f, f->n_requests == 1);
    close(fd);
    wait_until(f, f->n_freed == 1);
    assert_true(f->parts_left > 0);
}

static void those_beyond_the_most_wait_for_their_turn(void **state)
{
    struct fixture *f = *state;
    int fds[CONTROL_CLIENTS_MAX], late;

    open_listener(f);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = connect_to(f->path);
    late = connect_to(f->path);
    send_text(late, "1\techo\tlate\n");
    for (int i = 0; i < 50; i++)
        turn(f);
    assert_int_equal(f->n_requests, 0);
    close(fds[0]);
    expect_answer(f, late, "ok\tlate\n");
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

/* ---- the socket's file ---- */

static void the_socket_is_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    mode_t before = umask(0);

    open_listener(f);
    umask(before);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_missing_folder_is_made_for_the_owner_only(void **state)
{
    struct fixture *f = *state;
    struct control_listener *l;
    char path[128], folder[96];
    struct stat st;

    snprintf(folder, sizeof(folder), "%s/new", f->folder);
    snprintf(path, sizeof(path), "%s/s", folder);
    assert_int_equal(open_at(f, path, &l), LN_OK);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    control_listener_close(&l);
    assert_int_equal(rmdir(folder), 0); /* so the socket is gone too */
}

static void a_folder_where_others_may_write_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(chmod(f->folder, 0777), 0);
    assert_int_equal(open_at(f, f->path, &f->listener), LN_E_INVALID);
    assert_non_null(strstr(f->error, "others may write"));
    assert_int_not_equal(access(f->path, F_OK), 0);
}

static void the_socket_of_a_dead_server_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dead = socket(AF_UNIX, SOCK_STREAM, 0), fd;

    memcpy(address.sun_path, f->path, strlen(f->path));
    assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(dead);
    open_listener(f);
    fd = connect_to(f->path);
    send_text(fd, "1\techo\talive\n");
    expect_answer(f, fd, "ok\talive\n");
}

static void the_socket_of_a_living_server_is_left_to_it(void **state)
{
    struct fixture *f = *state;
    struct control_listener *second;
    int fd;

    open_listener(f);
    assert_int_equal(open_at(f, f->path, &second), LN_E_EXISTS);
    assert_non_null(strstr(f->error, "another server"));
    fd = connect_to(f->path);
    send_text(fd, "1\techo\tstill here\n");
    expect_answer(f, fd, "ok\tstill here\n");
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    int fd = open(f->path, O_CREAT | O_WRONLY, 0600);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(open_at(f, f->path, &f->listener), LN_E_INVALID);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void a_path_that_no_socket_can_have_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[300];

    memset(path, 'x', sizeof(path));
    memcpy(path, f->folder, strlen(f->folder));
    path[strlen(f->folder)] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(open_at(f, path, &f->listener), LN_E_INVALID);
    assert_non_null(strstr(f->error, "107 bytes"));
}

static void the_socket_is_removed_at_the_end(void **state)
{
    struct fixture *f = *state;

    open_listener(f);
    assert_int_equal(access(f->path, F_OK), 0);
    control_listener_close(&f->listener);
    assert_int_not_equal(access(f->path, F_OK), 0);
}

/* As nobody, in a process of its own: writes what the server answers to `report`. */
static _Noreturn void ask_as_nobody(const char *path, int report)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[256];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ssize_t n;

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (setgid(65534) != 0 || setuid(65534) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        _exit(1);
    n = write(fd, "1\techo\tx\n", 9);
    n = read(fd, answer, sizeof(answer));
    _exit(n > 0 && write(report, answer, (size_t)n) == n ? 0 : 2);
}

static void another_user_is_refused_whatever_the_mode(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    pid_t child;

    if (geteuid() != 0)
        skip(); /* only root can become somebody else */
    open_listener(f);
    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_int_equal(chmod(f->path, 0666), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    child = fork();
    if (child == 0)
        ask_as_nobody(f->path, ends[1]);
    close(ends[1]);
    expect_error(f, ends[0], "only root");
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(f->n_requests, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_and_the_connection_closed),
        TEST(a_request_may_come_in_pieces),
        TEST(an_answer_may_come_later),
        TEST(a_long_answer_goes_out_as_it_is_taken),
        TEST(what_is_no_request_is_refused),
        TEST(another_version_is_told_what_to_do),
        TEST(a_request_has_a_bounded_length),
        TEST(one_who_asks_nothing_is_sent_away),
        TEST(one_who_waits_too_long_is_told_so),
        TEST(one_who_does_not_take_the_answer_is_dropped),
        TEST(one_who_goes_away_is_forgotten),
        TEST(those_beyond_the_most_wait_for_their_turn),
        TEST(the_socket_is_for_its_owner_only),
        TEST(a_missing_folder_is_made_for_the_owner_only),
        TEST(a_folder_where_others_may_write_is_refused),
        TEST(the_socket_of_a_dead_server_is_replaced),
        TEST(the_socket_of_a_living_server_is_left_to_it),
        TEST(a_file_that_is_no_socket_is_left_alone),
        TEST(a_path_that_no_socket_can_have_is_refused),
        TEST(the_socket_is_removed_at_the_end),
        TEST(another_user_is_refused_whatever_the_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
