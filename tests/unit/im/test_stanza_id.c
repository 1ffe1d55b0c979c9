#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/im/stanza_id.h"

#define ID UINT64_C(1732310000123456)

static const struct str romeo = STR_INIT("romeo@linnet.example");
static const struct str juliet = STR_INIT("juliet@linnet.example");

static int start(void **state)
{
    static const uint8_t secret[32] = "a secret of thirty-two bytes...";

    (void)state;
    stanza_ids_start(secret);
    return 0;
}

static struct str format(struct str by, uint64_t id)
{
    static char mem[4][STANZA_ID_LEN];
    static unsigned next;

    return stanza_id_format(by, id, mem[next++ % 4]);
}

static void an_id_is_read_back_as_it_was_given(void **state)
{
    static const uint64_t ids[] = {0, 1, ID, UINT64_C(9999999999999999)};
    uint64_t id = 42;

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        assert_true(stanza_id_parse(romeo, format(romeo, ids[i]), &id));
        assert_int_equal(id, ids[i]);
    }
}

static void later_ids_sort_behind_earlier_ones(void **state)
{
    (void)state;
    for (uint64_t id = ID; id < ID + 100; id++)
        assert_true(str_cmp(format(romeo, id), format(romeo, id + 1)) < 0);
}

static void an_id_that_was_made_up_is_refused(void **state)
{
    char text[STANZA_ID_LEN];
    struct str good = stanza_id_format(romeo, ID, text);
    uint64_t id = 42;

    (void)state;
    assert_false(stanza_id_parse(juliet, good, &id)); /* another's */
    assert_false(stanza_id_parse(romeo, str_make(text, STANZA_ID_LEN - 1), &id));
    assert_false(stanza_id_parse(romeo, STR(""), &id));
    assert_false(stanza_id_parse(romeo, STR("1732310000123456"), &id));
    for (size_t i = 0; i < STANZA_ID_LEN; i++) {
        char old = text[i];

        text[i] = old == '9' ? '0' : (char)(old + 1);
        assert_false(stanza_id_parse(romeo, good, &id));
        text[i] = 'x';
        assert_false(stanza_id_parse(romeo, good, &id));
        text[i] = old;
    }
    assert_int_equal(id, 42);
    assert_true(stanza_id_parse(romeo, good, &id));
}

static void another_secret_gives_other_ids(void **state)
{
    static const uint8_t other[32] = "another secret, as long as that";
    struct str before = format(romeo, ID);

    stanza_ids_start(other);
    assert_false(str_eq(before, format(romeo, ID)));
    (void)start(state);
    assert_true(str_eq(before, format(romeo, ID)));
}

static struct stanza *message(const char *children)
{
    struct buf b = {0};

    buf_printf(&b, "<message from='juliet@linnet.example/b' to='romeo@linnet.example'><body>x</body>%s</message>",
               children);
    struct stanza *st = stanza_from_bytes(buf_str(&b));

    assert_non_null(st);
    buf_deinit(&b);
    return st;
}

static void it_is_found_where_it_was_added_and_where_it_was_read(void **state)
{
    struct stanza *plain = message("");
    struct buf suffix = {0}, xml = {0};
    uint64_t id = 0;

    (void)state;
    assert_false(stanza_id_find(plain, romeo, &id));
    buf_append_cstr(&suffix, "<other/>");
    stanza_id_write(&suffix, juliet, ID + 1);
    stanza_id_write(&suffix, romeo, ID);
    buf_append_cstr(&suffix, "<other/>");
    struct stanza *st = stanza_with(plain, buf_str(&suffix));

    assert_true(stanza_id_find(st, romeo, &id));
    assert_int_equal(id, ID);
    stanza_write(&xml, st, STR(""));
    struct stanza *again = stanza_from_bytes(buf_str(&xml));

    id = 0;
    assert_true(stanza_id_find(again, romeo, &id));
    assert_int_equal(id, ID);
    assert_true(stanza_id_find(again, juliet, &id));
    assert_int_equal(id, ID + 1);
    buf_deinit(&xml);
    buf_deinit(&suffix);
    stanza_unref(&again);
    stanza_unref(&st);
    stanza_unref(&plain);
}

static void a_forged_one_is_not_found_but_known_for_what_it_claims(void **state)
{
    struct stanza *st = message("<stanza-id xmlns='urn:xmpp:sid:0' by='Romeo@Linnet.example.' id='17'/>");
    const struct xml_element *e = xml_child(st->root, "stanza-id", NULL);
    uint64_t id;

    (void)state;
    assert_false(stanza_id_find(st, romeo, &id));
    assert_true(stanza_id_is_by(e, romeo));
    assert_false(stanza_id_is_by(e, juliet));
    assert_false(stanza_id_is_by(st->root->child, romeo));
    stanza_unref(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_read_back_as_it_was_given),
        cmocka_unit_test(later_ids_sort_behind_earlier_ones),
        cmocka_unit_test(an_id_that_was_made_up_is_refused),
        cmocka_unit_test(another_secret_gives_other_ids),
        cmocka_unit_test(it_is_found_where_it_was_added_and_where_it_was_read),
        cmocka_unit_test(a_forged_one_is_not_found_but_known_for_what_it_claims),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
