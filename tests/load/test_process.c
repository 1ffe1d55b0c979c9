#include "tests/load/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1024 * 1024)

/* A child that says a byte when it has done its part, and stays until it is told to go. */
struct child {
    pid_t pid;
    int said;
};

static void fill(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        _exit(1);
    memset(p, 7, bytes);
}

static void burn(double cpu_s)
{
    for (double from = process_own_cpu_s(); process_own_cpu_s() - from < cpu_s;)
        ;
}

/* The part: memory and CPU time; if `has_child`, of a child of its own. */
static struct child child_start(size_t bytes, double cpu_s, bool has_child)
{
    int pipe_fds[2];
    struct child c;

    assert_int_equal(pipe(pipe_fds), 0);
    c.pid = fork();
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        (void)setpgid(0, 0); /* so that one signal ends both */
        if (has_child && fork() != 0)
            for (;;)
                (void)pause();
        fill(bytes);
        burn(cpu_s);
        if (write(pipe_fds[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    char byte;

    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    (void)close(pipe_fds[1]);
    c.said = pipe_fds[0];
    return c;
}

static void child_end(struct child *c)
{
    (void)kill(-c->pid, SIGKILL);
    (void)waitpid(c->pid, NULL, 0);
    (void)close(c->said);
}

static void a_list_of_pids_is_read_and_anything_else_refused(void **state)
{
    static const char *const bad[] = {"",
                                      ",",
                                      "12,",
                                      ",12",
                                      "0",
                                      "-4",
                                      "+4",
                                      "12 ",
                                      " 12",
                                      "12x",
                                      "12,,13",
                                      "99999999999999999999",
                                      "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    struct process_list list = {.count = 77};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(process_list_parse(bad[i], &list));
        assert_int_equal(list.count, 77);
    }
    assert_true(process_list_parse("12,345", &list));
    assert_int_equal(list.count, 2);
    assert_int_equal(list.pids[0], 12);
    assert_int_equal(list.pids[1], 345);
}

static void the_memory_of_a_descendant_is_counted(void **state)
{
    struct child small = child_start(MIB, 0, true), large = child_start(33 * MIB, 0, true);
    struct process_list small_list = {{small.pid}, 1}, large_list = {{large.pid}, 1},
                        both = {{small.pid, large.pid}, 2};
    uint64_t small_kib = 0, large_kib = 0, both_kib = 0;

    (void)state;
    assert_true(process_pss(&small_list, &small_kib));
    assert_true(process_pss(&large_list, &large_kib));
    assert_true(process_pss(&both, &both_kib));
    child_end(&small);
    child_end(&large);
    assert_in_range(large_kib - small_kib, 31 * 1024, 33 * 1024);
    assert_in_range(both_kib, large_kib + small_kib - 1024, large_kib + small_kib + 1024);
}

static void the_time_of_a_descendant_is_counted(void **state)
{
    struct child c = child_start(1, 0.3, true);
    struct process_list list = {{c.pid}, 1};
    struct process_cpu cpu;
    bool is_known = process_cpu(&list, &cpu);

    (void)state;
    child_end(&c);
    assert_true(is_known);
    assert_true(cpu.user_s + cpu.system_s > 0.27 && cpu.user_s + cpu.system_s < 1.0);
}

static void a_process_that_is_listed_twice_or_below_another_counts_once(void **state)
{
    struct child c = child_start(32 * MIB, 0, false);
    struct process_list list = {{c.pid}, 1}, nested = {{getpid(), c.pid, c.pid}, 3}, self = {{getpid()}, 1};
    uint64_t kib = 0, nested_kib = 0, self_kib = 0;

    (void)state;
    assert_true(process_pss(&list, &kib));
    assert_true(process_pss(&nested, &nested_kib));
    assert_true(process_pss(&self, &self_kib));
    child_end(&c);
    assert_true(kib >= 32 * 1024 && kib < 48 * 1024);
    assert_true(nested_kib < self_kib + 1024 && self_kib < nested_kib + 1024);
}

static void a_process_that_has_gone_is_told(void **state)
{
    struct child c = child_start(1, 0, false);
    struct process_list list = {{getpid(), c.pid}, 2};
    struct process_cpu cpu = {-1, -1};
    uint64_t kib = 12345;

    (void)state;
    child_end(&c);
    assert_false(process_cpu(&list, &cpu));
    assert_false(process_pss(&list, &kib));
    assert_true(cpu.user_s < 0 && kib == 12345);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_pids_is_read_and_anything_else_refused),
        cmocka_unit_test(the_memory_of_a_descendant_is_counted),
        cmocka_unit_test(the_time_of_a_descendant_is_counted),
        cmocka_unit_test(a_process_that_is_listed_twice_or_below_another_counts_once),
        cmocka_unit_test(a_process_that_has_gone_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
