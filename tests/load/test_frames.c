#include "tests/load/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const char stream[] =
    "<?xml version='1.0'?>\n<stream:stream from='localhost' id='a>b' version=\"1.0\">"
    "<stream:features><bind xmlns='b'/><session xmlns='s'><optional/></session></stream:features>\n \n"
    "<message from='a@b/c' type=\"chat\"><body>one &lt; two</body><empty/></message>"
    "<presence/><iq type='result' id='x'/></stream:stream>";

static const struct {
    enum frame_kind kind;
    const char *name;
} expected[] = {
    {FRAME_HEADER, "stream:stream"},
    {FRAME_STANZA, "stream:features"},
    {FRAME_STANZA, "message"},
    {FRAME_STANZA, "presence"},
    {FRAME_STANZA, "iq"},
    {FRAME_FOOTER, "/stream:stream"},
};
enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

/* Feeds the stream `step` bytes at a time, as a connection does that keeps what is not complete. */
static size_t read_in_steps(size_t step)
{
    struct frames s = {0};
    struct frame f;
    struct str bytes = {stream, 0};
    size_t given = 0, n = 0;

    while (given < strlen(stream)) {
        size_t more = strlen(stream) - given < step ? strlen(stream) - given : step;
        given += more;
        bytes.len += more;
        while (frames_next(&s, &bytes, &f) == FRAMES_ONE) {
            assert_true(n < EXPECTED);
            assert_int_equal(f.kind, expected[n].kind);
            assert_true(str_is(f.name, expected[n].name));
            n++;
        }
    }
    assert_int_equal(bytes.len, 0);
    return n;
}

static void a_stream_has_the_same_frames_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t step = 1; step <= strlen(stream); step++)
        assert_int_equal(read_in_steps(step), EXPECTED);
}

static struct frame frame_of(const char *text)
{
    struct frames s = {.has_header = true};
    struct str bytes = str_of(text);
    struct frame f;

    assert_int_equal(frames_next(&s, &bytes, &f), FRAMES_ONE);
    assert_int_equal(bytes.len, 0);
    return f;
}

static void attributes_are_found_whatever_their_quotes_and_what_stands_in_them(void **state)
{
    (void)state;
    struct frame f = frame_of("<message to='a' from=\"it's > id='no'\"\n id='yes'><body id='child'/></message>");

    assert_true(str_is(frame_attribute(&f, STR("to")), "a"));
    assert_true(str_is(frame_attribute(&f, STR("from")), "it's > id='no'"));
    assert_true(str_is(frame_attribute(&f, STR("id")), "yes"));
    assert_null(frame_attribute(&f, STR("type")).p);
    f = frame_of("<presence/>");
    assert_null(frame_attribute(&f, STR("type")).p);
}

static void the_text_of_a_child_is_found_wherever_it_stands(void **state)
{
    static const char *const messages[] = {
        "<message><body>text</body></message>",
        "<message><body>text</body><x/></message>",
        "<message><bodyguard>no</bodyguard><body>text</body></message>",
        "<message><x><body>no</body></x><body xml:lang='en'>text</body></message>",
        "<message><x/><body>text</body></message>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct frame f = frame_of(messages[i]);
        assert_true(str_is(frame_child_text(&f, STR("body")), "text"));
        assert_null(frame_child_text(&f, STR("bod")).p);
    }
    struct frame f = frame_of("<message><x><body>no</body></x></message>");
    assert_null(frame_child_text(&f, STR("body")).p);
    f = frame_of("<message><body>a<b>c</b></body></message>");
    assert_true(str_is(frame_child_text(&f, STR("body")), "a<b>c</b>"));
    f = frame_of("<message><body/></message>");
    assert_int_equal(frame_child_text(&f, STR("body")).len, 0);
}

static void what_no_server_may_send_is_refused(void **state)
{
    static const char *const wrong[] = {"text", "<!-- comment -->", "<a><![CDATA[x]]></a>", "<a><?pi?></a>"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct frames s = {.has_header = true};
        struct str bytes = str_of(wrong[i]);
        struct frame f;
        assert_int_equal(frames_next(&s, &bytes, &f), FRAMES_BAD);
    }
    struct frames s = {0};
    struct str bytes = STR("</stream:stream>");
    struct frame f;
    assert_int_equal(frames_next(&s, &bytes, &f), FRAMES_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_has_the_same_frames_however_it_is_cut),
        cmocka_unit_test(attributes_are_found_whatever_their_quotes_and_what_stands_in_them),
        cmocka_unit_test(the_text_of_a_child_is_found_wherever_it_stands),
        cmocka_unit_test(what_no_server_may_send_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
