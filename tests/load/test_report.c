#include "tests/load/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *text_of(void (*print)(FILE *, const struct report *), const struct report *r)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    print(out, r);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void a_whole_run_is_told_as_one_json_object(void **state)
{
    static const double marks[] = {100, 102.5};
    static const struct report_field options[] = {
        {"window", REPORT_INT, {.integer = 16}},
        {"seconds", REPORT_REAL, {.real = 2.5}},
        {"domain", REPORT_TEXT, {.text = "a \"b\" \\ \n"}},
        {"resume", REPORT_BOOL, {.boolean = false}},
    };
    static const struct report_field soak[] = {{"marks", REPORT_REALS, {.reals = {marks, 2}}},
                                               {"ratio", REPORT_REAL, {.real = NAN}}};
    static const struct report_group extra[] = {{"soak", soak, 2}};
    struct histogram *h = histogram_new();
    struct report r = {.scenario = "chat",
                       .label = "x",
                       .unit = "messages",
                       .ok = true,
                       .options = {"options", options, 4},
                       .extra = extra,
                       .extra_count = 1,
                       .elapsed_s = 2,
                       .count = 1000,
                       .latency = h,
                       .has_server = true,
                       .server_cpu = {0.25, 0.75},
                       .pss_kib_before = 1000,
                       .pss_kib_after = 1500,
                       .sessions = 100,
                       .generator_cpu_s = 0.5};

    (void)state;
    for (int i = 1; i <= 1000; i++)
        histogram_record(h, (uint64_t)i * 1000);
    char *text = text_of(report_print_json, &r);

    assert_string_equal(
        text, "{\"scenario\":\"chat\",\"label\":\"x\",\"ok\":true,\"options\":{\"window\":16,\"seconds\":2.5,"
              "\"domain\":\"a \\\"b\\\" \\\\ \\u000a\",\"resume\":false},\"lost\":0,\"duplicated\":0,"
              "\"out_of_order\":0,\"failed\":0,\"elapsed_s\":2,\"count\":1000,\"rate\":500,\"latency_ms\":{"
              "\"min\":0.001,\"mean\":0.5005,\"p50\":0.500223,\"p90\":0.900095,\"p99\":0.990207,\"p999\":0.999423,"
              "\"max\":1},\"server\":{\"cpu_user_s\":0.25,\"cpu_system_s\":0.75,\"cpu_us_each\":1000,"
              "\"pss_kib_before\":1000,\"pss_kib_after\":1500,\"pss_kib_each\":5},\"generator\":{\"cpu_s\":0.5,"
              "\"cpu_us_each\":500},\"soak\":{\"marks\":[100,102.5],\"ratio\":null}}\n");
    free(text);
    histogram_free(&h);
}

static void what_was_not_measured_is_null(void **state)
{
    struct report r = {.scenario = "idle", .unit = "sessions", .why_not = "nobody came"};
    char *text = text_of(report_print_json, &r);

    (void)state;
    assert_string_equal(text, "{\"scenario\":\"idle\",\"label\":null,\"ok\":false,\"why_not\":\"nobody came\","
                              "\"options\":{},\"lost\":0,\"duplicated\":0,\"out_of_order\":0,\"failed\":0,"
                              "\"elapsed_s\":0,\"count\":0,\"rate\":0,\"latency_ms\":null,\"server\":null,"
                              "\"generator\":{\"cpu_s\":0,\"cpu_us_each\":null}}\n");
    free(text);
    r.has_server = true;
    text = text_of(report_print_json, &r);
    assert_non_null(strstr(text, "\"cpu_us_each\":null,\"pss_kib_before\":null,\"pss_kib_after\":null,"
                                 "\"pss_kib_each\":null}"));
    free(text);
}

static void the_table_says_at_once_what_went_wrong(void **state)
{
    struct report r = {.scenario = "chat",
                       .label = "linnet",
                       .unit = "messages",
                       .why_not = "1 message never came",
                       .lost = 1,
                       .elapsed_s = 2,
                       .count = 1234567,
                       .generator_cpu_s = 1};
    char *text = text_of(report_print, &r);

    (void)state;
    assert_string_equal(text, "chat linnet: FAILED: 1 message never came\n"
                              "  wrong       lost 1   duplicated 0   out of order 0   failed 0\n"
                              "  messages    1 234 567 in 2.00 s, 617 284 a second\n"
                              "  generator   CPU µs each 0.810   (1.00 s)\n");
    free(text);
}

static void a_file_that_cannot_be_written_is_told(void **state)
{
    struct report r = {.scenario = "chat", .unit = "messages"};
    char path[] = "/tmp/linnet-report-XXXXXX", text[16];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_true(report_save_json(path, &r));
    assert_int_equal(read(fd, text, sizeof(text)), sizeof(text));
    assert_memory_equal(text, "{\"scenario\":\"cha", sizeof(text));
    (void)close(fd);
    (void)unlink(path);
    assert_false(report_save_json("/nonexistent/x.json", &r));
    assert_false(report_save_json("/dev/full", &r));
}

/* What is written to stderr while `call` runs, until the next call. */
static const char *stderr_of(void (*call)(void))
{
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    static char text[4096];

    assert_non_null(file);
    (void)fflush(stderr);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    call();
    (void)fflush(stderr);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    (void)close(before);
    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static void progress_often(void)
{
    struct report_progress p = {.quiet = false};

    for (uint64_t i = 0; i < 1000; i++)
        report_progress(&p, "measuring", 40, i, "messages", 9.6);
    report_progress_end(&p);
}

static void progress_quiet(void)
{
    struct report_progress p = {.quiet = true};

    report_progress(&p, "measuring", 40, 1, "messages", 9.6);
    report_progress_end(&p);
}

static void progress_is_told_seldom_and_not_at_all_when_quiet(void **state)
{
    (void)state;
    assert_string_equal(stderr_of(progress_often), "measuring: 40 online   0 messages   0 a second   10 s left\n");
    assert_string_equal(stderr_of(progress_quiet), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_run_is_told_as_one_json_object),
        cmocka_unit_test(what_was_not_measured_is_null),
        cmocka_unit_test(the_table_says_at_once_what_went_wrong),
        cmocka_unit_test(a_file_that_cannot_be_written_is_told),
        cmocka_unit_test(progress_is_told_seldom_and_not_at_all_when_quiet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
