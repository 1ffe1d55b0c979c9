#include "server/base/log_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sqlite3.h>

enum { NO_TIME = -1, LINES_OF_ANY_BYTES = 3000 };

/* One event with one field `v`. */
static struct str format_value(enum log_format format, struct str value, char line[LOG_LINE_MAX])
{
    const struct log_field fields[] = {{.key = "x"}, F_STR("v", value)};
    const struct log_event ev = {NO_TIME, LOG_LEVEL_INFO, LOG_NET, -1, 0, fields, 2};

    return str_make(line, log_format_line(format, &ev, line));
}

static void assert_text(struct str value, const char *expected)
{
    char line[LOG_LINE_MAX], whole[LOG_LINE_MAX];
    struct str got = format_value(LOG_AS_TEXT, value, line);

    snprintf(whole, sizeof(whole), "INFO x v=%s\n", expected);
    line[got.len] = '\0';
    assert_string_equal(line, whole);
}

/* ---- text ---- */

static void a_line_has_time_level_worker_session_event_and_fields(void **state)
{
    const struct log_field fields[] = {
        {.key = "session.bound"}, F_STR("jid", STR("juliet@linnet.example/balcony")),
        F_CSTR("tls", "1.3"),     F_U64("ms", 41),
        F_I64("shift", -7),       F_BOOL("resumed", true),
        F_ERR("err", LN_E_FULL),
    };
    const struct log_event ev = {1772366400041, LOG_LEVEL_WARN, LOG_STREAM, 2, 0x7f3a, fields, 7};
    char line[LOG_LINE_MAX];

    (void)state;
    line[log_format_line(LOG_AS_TEXT, &ev, line)] = '\0';
    assert_string_equal(line,
                        "2026-03-01T12:00:00.041Z WARN w=2 s=7f3a session.bound jid=juliet@linnet.example/balcony "
                        "tls=1.3 ms=41 shift=-7 resumed=true err=full\n");
    line[log_format_line(LOG_AS_JSON, &ev, line)] = '\0';
    assert_string_equal(line,
                        "{\"time\":\"2026-03-01T12:00:00.041Z\",\"level\":\"warn\",\"subsystem\":\"stream\",\"w\":2,"
                        "\"s\":\"7f3a\",\"event\":\"session.bound\",\"jid\":\"juliet@linnet.example/balcony\","
                        "\"tls\":\"1.3\",\"ms\":41,\"shift\":-7,\"resumed\":true,\"err\":\"full\"}\n");
}

static void the_time_is_that_of_the_c_library(void **state)
{
    const struct log_field fields[] = {{.key = "x"}};
    struct log_event ev = {0, LOG_LEVEL_INFO, LOG_NET, -1, 0, fields, 1};
    char line[LOG_LINE_MAX], expected[64];

    (void)state;
    /* Steps of a little more than 8 days, to the year 2120: all months, leap years, and 2100, which is none. */
    for (int64_t s = 0; s < 4733510400; s += 700001) {
        time_t t = (time_t)s;
        struct tm tm;

        ev.time_ms = s * 1000 + s % 1000;
        line[log_format_line(LOG_AS_TEXT, &ev, line)] = '\0';
        gmtime_r(&t, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
        assert_memory_equal(line, expected, 19);
        snprintf(expected, sizeof(expected), ".%03dZ INFO x\n", (int)(s % 1000));
        assert_string_equal(line + 19, expected);
    }
}

static void a_value_without_anything_special_is_written_bare(void **state)
{
    (void)state;
    assert_text(STR("a=b,c;d:/e@f"), "a=b,c;d:/e@f");
    assert_text(STR("ju\xc3\xa9liet"), "ju\xc3\xa9liet");
}

static void a_value_cannot_forge_a_field_or_a_line(void **state)
{
    (void)state;
    assert_text(STR(""), "\"\"");
    assert_text(STR("a b=c"), "\"a b=c\"");
    assert_text(STR("a\" b=\"c"), "\"a\\\" b=\\\"c\"");
    assert_text(STR("a\\"), "\"a\\\\\"");
    assert_text(STR("a\n2026-03-01T12:00:00.041Z INFO admin.login"),
                "\"a\\n2026-03-01T12:00:00.041Z INFO admin.login\"");
    assert_text(STR("a\r\t\0z"), "\"a\\r\\t\\u0000z\"");
}

static void a_value_cannot_command_a_terminal_or_turn_the_text_around(void **state)
{
    (void)state;
    assert_text(STR("\x1b[2J\x7f"), "\"\\u001b[2J\\u007f\"");
    assert_text(STR("\xc2\x9b"
                    "31m"),
                "\"\\u009b31m\""); /* CSI as one character */
    assert_text(STR("\xe2\x80\xae"
                    "abc"),
                "\"\\u202eabc\"");                       /* right-to-left override */
    assert_text(STR("a\xe2\x80\xa8z"), "\"a\\u2028z\""); /* line separator */
    assert_text(STR("a\xff\xc3"), "\"a\\xff\\xc3\"");
}

static void addresses_are_written_without_port_and_ipv4_as_ipv4(void **state)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000207)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr.s6_addr = {0x20, 1, 0xd, 0xb8, [15] = 1}};
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6,
                                  .sin6_addr.s6_addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 9}};
    const struct log_field fields[] = {
        {.key = "x"},
        F_ADDR("a", (const struct sockaddr *)&v4),
        F_ADDR("b", (const struct sockaddr *)&v6),
        F_ADDR("c", (const struct sockaddr *)&mapped),
        F_ADDR("d", NULL),
    };
    const struct log_event ev = {NO_TIME, LOG_LEVEL_INFO, LOG_NET, -1, 0, fields, 5};
    char line[LOG_LINE_MAX];

    (void)state;
    line[log_format_line(LOG_AS_TEXT, &ev, line)] = '\0';
    assert_string_equal(line, "INFO x a=192.0.2.7 b=2001:db8::1 c=192.0.2.9 d=\"\"\n");
}

/* ---- bounds ---- */

static void a_long_value_is_cut_and_says_so(void **state)
{
    char value[1000], expected[LOG_VALUE_MAX + 8];

    (void)state;
    memset(value, 'a', sizeof(value));
    memset(expected, 'a', sizeof(expected));
    expected[LOG_VALUE_MAX] = '\0';
    assert_text(str_make(value, LOG_VALUE_MAX), expected);
    expected[0] = '"';
    memset(expected + 1, 'a', LOG_VALUE_MAX);
    strcpy(expected + 1 + LOG_VALUE_MAX, "...\"");
    assert_text(str_make(value, LOG_VALUE_MAX + 1), expected);
    assert_text(str_make(value, sizeof(value)), expected);
}

static void a_character_is_not_cut_in_two(void **state)
{
    char value[LOG_VALUE_MAX + 10], expected[LOG_VALUE_MAX + 8] = "\"";

    (void)state;
    memset(value, 'a', sizeof(value));
    memcpy(value + LOG_VALUE_MAX - 1, "\xe2\x82\xac", 3);
    memset(expected + 1, 'a', LOG_VALUE_MAX - 1);
    strcpy(expected + LOG_VALUE_MAX, "...\"");
    assert_text(str_make(value, sizeof(value)), expected);
}

static void fields_that_do_not_fit_are_left_out_and_the_line_says_so(void **state)
{
    struct log_field fields[40] = {{.key = "x"}};
    const struct log_event ev = {NO_TIME, LOG_LEVEL_INFO, LOG_NET, -1, 0, fields, 40};
    char line[LOG_LINE_MAX], value[LOG_VALUE_MAX] = {0}; /* NUL: the byte that takes most room */

    (void)state;
    for (size_t i = 1; i < 40; i++)
        fields[i] = (struct log_field)F_STR("key", str_make(value, sizeof(value)));
    for (int format = 0; format < LOG_FORMATS; format++) {
        const char *end = format == LOG_AS_JSON ? ",\"cut\":true}\n" : " cut=true\n";
        size_t len = log_format_line((enum log_format)format, &ev, line);

        assert_in_range(len, LOG_LINE_MAX / 2, LOG_LINE_MAX);
        assert_memory_equal(line + len - strlen(end), end, strlen(end));
    }
}

/* ---- JSON, with SQLite's own reader of it as the judge ---- */

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    return stmt;
}

static void json_is_valid_whatever_the_bytes(void **state)
{
    sqlite3 *db;
    unsigned seed = 1;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_stmt *stmt = prepare(db, "SELECT json_valid(?1)");
    for (int i = 0; i < LINES_OF_ANY_BYTES; i++) {
        char value[300], line[LOG_LINE_MAX];
        size_t len = (size_t)rand_r(&seed) % sizeof(value);

        for (size_t k = 0; k < len; k++)
            value[k] = (char)rand_r(&seed);
        struct str got = format_value(LOG_AS_JSON, str_make(value, len), line);
        assert_ptr_equal(memchr(got.p, '\n', got.len), got.p + got.len - 1);
        sqlite3_bind_text(stmt, 1, got.p, (int)got.len - 1, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(stmt, 0), 1);
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void json_gives_back_the_value_and_replaces_invalid_bytes(void **state)
{
    static const struct {
        struct str value;
        const char *read;
    } cases[] = {
        {STR_INIT("a \"b\" \\ \n\t\r\x1b z"), "a \"b\" \\ \n\t\r\x1b z"},
        {STR_INIT("\xe2\x80\xae\xf0\x9f\x90\xa6"), "\xe2\x80\xae\xf0\x9f\x90\xa6"},
        {STR_INIT("a\xff\xed\xa0\x80z"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
        {STR_INIT(""), ""},
    };
    sqlite3 *db;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_stmt *stmt = prepare(db, "SELECT json_extract(?1, '$.v')");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[LOG_LINE_MAX];
        struct str got = format_value(LOG_AS_JSON, cases[i].value, line);

        sqlite3_bind_text(stmt, 1, got.p, (int)got.len, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(stmt, 0), cases[i].read);
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_worker_session_event_and_fields),
        cmocka_unit_test(the_time_is_that_of_the_c_library),
        cmocka_unit_test(a_value_without_anything_special_is_written_bare),
        cmocka_unit_test(a_value_cannot_forge_a_field_or_a_line),
        cmocka_unit_test(a_value_cannot_command_a_terminal_or_turn_the_text_around),
        cmocka_unit_test(addresses_are_written_without_port_and_ipv4_as_ipv4),
        cmocka_unit_test(a_long_value_is_cut_and_says_so),
        cmocka_unit_test(a_character_is_not_cut_in_two),
        cmocka_unit_test(fields_that_do_not_fit_are_left_out_and_the_line_says_so),
        cmocka_unit_test(json_is_valid_whatever_the_bytes),
        cmocka_unit_test(json_gives_back_the_value_and_replaces_invalid_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
