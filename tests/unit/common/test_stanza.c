#include "common/xmpp/stanza.h"

#include <pthread.h>

#include "tests/unit/common/xml_feed.h"

/* A stanza as a client of the usual stream sends it. */
static struct stanza *receive(const char *xml)
{
    struct xml_scratch *scratch = xml_scratch_new();
    struct xml_result result;
    struct xml_reader r;
    struct str in = STR(HEADER);

    xml_reader_init(&r, &wide_limits);
    assert_int_equal(xml_reader_next(&r, scratch, &in, &result), XML_STREAM_OPEN);
    arena_free(&result.arena);
    in = str_of(xml);
    assert_int_equal(xml_reader_next(&r, scratch, &in, &result), XML_STANZA);
    xml_reader_deinit(&r);
    xml_scratch_free(&scratch);
    return stanza_from_element(result.arena, result.element);
}

static void set_from(struct stanza *st, const char *jid)
{
    assert_int_equal(jid_parse_arena(str_of(jid), st->arena, &st->from), LN_OK);
}

static void expect_kind(const char *xml, enum stanza_kind kind, enum stanza_type type)
{
    struct stanza *st = receive(xml);

    assert_int_equal(st->kind, kind);
    assert_int_equal(st->type, type);
    stanza_unref(&st);
}

static void messages_presences_and_iqs_are_told_by_name_and_namespace(void **state)
{
    (void)state;
    expect_kind("<message/>", STANZA_MESSAGE, TYPE_NORMAL);
    expect_kind("<presence/>", STANZA_PRESENCE, TYPE_AVAILABLE);
    expect_kind("<iq type='get'/>", STANZA_IQ, TYPE_GET);
    expect_kind("<message xmlns='jabber:client'/>", STANZA_MESSAGE, TYPE_NORMAL);
    expect_kind("<c:message xmlns:c='jabber:client'/>", STANZA_MESSAGE, TYPE_NORMAL);
    expect_kind("<message xmlns='jabber:server'/>", STANZA_OTHER, TYPE_INVALID);
    expect_kind("<message xmlns=''/>", STANZA_OTHER, TYPE_INVALID);
    expect_kind("<stream:message/>", STANZA_OTHER, TYPE_INVALID);
    expect_kind("<r xmlns='urn:xmpp:sm:3' type='get'/>", STANZA_OTHER, TYPE_INVALID);
}

static void a_type_counts_for_the_kinds_that_know_it(void **state)
{
    (void)state;
    expect_kind("<message type='chat'/>", STANZA_MESSAGE, TYPE_CHAT);
    expect_kind("<message type='normal'/>", STANZA_MESSAGE, TYPE_NORMAL);
    expect_kind("<message type='groupchat'/>", STANZA_MESSAGE, TYPE_GROUPCHAT);
    expect_kind("<message type='headline'/>", STANZA_MESSAGE, TYPE_HEADLINE);
    expect_kind("<message type='error'/>", STANZA_MESSAGE, TYPE_ERROR);
    expect_kind("<presence type='unavailable'/>", STANZA_PRESENCE, TYPE_UNAVAILABLE);
    expect_kind("<presence type='subscribe'/>", STANZA_PRESENCE, TYPE_SUBSCRIBE);
    expect_kind("<presence type='probe'/>", STANZA_PRESENCE, TYPE_PROBE);
    expect_kind("<presence type='error'/>", STANZA_PRESENCE, TYPE_ERROR);
    expect_kind("<iq type='result'/>", STANZA_IQ, TYPE_RESULT);
}

static void an_unknown_type_makes_a_message_normal_and_others_invalid(void **state)
{
    (void)state;
    expect_kind("<message type='set'/>", STANZA_MESSAGE, TYPE_NORMAL);
    expect_kind("<message type=''/>", STANZA_MESSAGE, TYPE_NORMAL);
    expect_kind("<presence type='chat'/>", STANZA_PRESENCE, TYPE_INVALID);
    expect_kind("<presence type='available'/>", STANZA_PRESENCE, TYPE_INVALID);
    expect_kind("<presence type=''/>", STANZA_PRESENCE, TYPE_INVALID);
    expect_kind("<iq type='unavailable'/>", STANZA_IQ, TYPE_INVALID);
    expect_kind("<iq/>", STANZA_IQ, TYPE_INVALID);
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(stanza_kind_name(STANZA_MESSAGE), "message");
    assert_string_equal(stanza_kind_name(STANZA_IQ), "iq");
    assert_string_equal(stanza_kind_name(STANZA_OTHER), "other");
}

static void id_and_language_are_read_and_addresses_only_when_asked(void **state)
{
    struct stanza *st = receive("<iq type='get' id='&lt;1&gt;' xml:lang='de' to='A@Example.com/x' from='b@example.com'>"
                                "<query xmlns='u'/></iq>");

    (void)state;
    assert_str(st->id, "<1>");
    assert_str(st->lang, "de");
    assert_true(jid_is_empty(&st->to) && jid_is_empty(&st->from));
    assert_true(stanza_parse_to(st));
    assert_str(jid_full(&st->to), "a@example.com/x");
    assert_true(stanza_parse_from(st));
    assert_str(jid_bare(&st->from), "b@example.com");
    assert_str(stanza_payload(st)->name, "query");
    stanza_unref(&st);
}

static void an_address_that_is_none_is_told(void **state)
{
    struct stanza *st = receive("<message to='@example.com' from=''/>");

    (void)state;
    assert_false(stanza_parse_to(st));
    assert_false(stanza_parse_from(st));
    stanza_unref(&st);
    st = receive("<message/>");
    assert_true(stanza_parse_to(st) && stanza_parse_from(st));
    assert_true(jid_is_empty(&st->to));
    stanza_unref(&st);
}

/* What is written of `xml` for a@b/c -> `to`. */
static void expect_written(const char *xml, const char *to, const char *extra, const char *expected)
{
    struct stanza *st = receive(xml);
    struct buf out = {0};

    set_from(st, "a@b/c");
    assert_true(stanza_parse_to(st));
    stanza_write_with(&out, st, str_of(to), str_of(extra));
    assert_str(buf_str(&out), expected);
    assert_true(is_one_element(buf_str(&out)));
    buf_deinit(&out);
    stanza_unref(&st);
}

static void the_start_tag_is_written_anew_and_the_content_as_it_came(void **state)
{
    (void)state;
    expect_written(
        "<message from='forged@x' id='1'\n type='chat' to='D@E' xml:lang='en' ><body >a&#65;</body></message >", "", "",
        "<message id='1' type='chat' from='a@b/c' to='d@e' xml:lang='en'><body >a&#65;</body></message>");
    expect_written("<presence/>", "", "", "<presence from='a@b/c'/>");
    expect_written("<presence></presence>", "", "", "<presence from='a@b/c'/>");
    expect_written("<presence xmlns='jabber:client'><show>away</show></presence>", "x@y/z", "",
                   "<presence from='a@b/c' to='x@y/z'><show>away</show></presence>");
    expect_written("<iq id='&lt;&apos;' type='get' to='d@e/&amp;'/>", "", "",
                   "<iq id='&lt;&apos;' type='get' from='a@b/c' to='d@e/&amp;'/>");
}

static void more_content_can_be_added_at_the_end(void **state)
{
    (void)state;
    expect_written("<message/>", "", "<delay/>", "<message from='a@b/c'><delay/></message>");
    expect_written("<message><body/></message>", "", "<delay/>", "<message from='a@b/c'><body/><delay/></message>");
}

static void content_that_leans_on_prefixes_takes_their_declarations_along(void **state)
{
    (void)state;
    expect_written("<message><stream:x/></message>", "", "",
                   "<message xmlns:stream='http://etherx.jabber.org/streams' from='a@b/c'><stream:x/></message>");
    expect_written("<message xmlns:p='u' p:v='1'><p:x/></message>", "", "",
                   "<message xmlns:p='u' p:v='1' from='a@b/c'><p:x/></message>");
    expect_written("<c:message xmlns:c='jabber:client'><c:body/></c:message>", "", "",
                   "<message xmlns:c='jabber:client' from='a@b/c'><c:body/></message>");
    expect_written("<c:message xmlns:c='jabber:client' xmlns='u'><x/></c:message>", "", "",
                   "<c:message xmlns='u' xmlns:c='jabber:client' from='a@b/c'><x/></c:message>");
    expect_written("<r xmlns='urn:xmpp:sm:3'/>", "", "", "<r xmlns='urn:xmpp:sm:3' from='a@b/c'/>");
}

static void what_was_written_is_read_back_as_it_was(void **state)
{
    struct stanza *st = receive("<message xmlns:p='u' to='d@e' id='1'>a<p:x/>&lt;</message>"), *back;
    struct buf out = {0};

    (void)state;
    set_from(st, "a@b/c");
    assert_true(stanza_parse_to(st));
    stanza_write(&out, st, STR("f@g"));
    back = stanza_from_bytes(buf_str(&out));
    assert_non_null(back);
    assert_int_equal(back->kind, STANZA_MESSAGE);
    assert_str(jid_full(&back->from), "a@b/c");
    assert_str(jid_full(&back->to), "f@g");
    assert_str(back->id, "1");
    assert_str(back->root->text, "a<");
    assert_true(xml_is(back->root->child, "x", "u"));
    stanza_unref(&back);
    stanza_unref(&st);
    buf_deinit(&out);
}

static void bytes_that_are_not_one_stanza_are_a_damaged_record(void **state)
{
    static const char *const wrong[] = {
        "",
        "<message",
        "<message/><message/>",
        "<message/> ",
        " <message/>",
        "text",
        "<r xmlns='u'/>",
        "<message xmlns='jabber:server'/>",
        "<iq to='@'/>",
        "<iq from='@'/>",
        "<message>&x;</message>",
        "<!-- --><message/>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_null(stanza_from_bytes(str_of(wrong[i])));
}

static const char *terminated(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return b->p;
}

static unsigned n_settled;

static void on_settled(const struct stanza *st)
{
    assert_str(st->id, "7");
    n_settled += st->origin_seq;
}

static void the_last_reference_settles_the_stanza(void **state)
{
    struct stanza *st = receive("<message id='7'/>"), *other = stanza_ref(st), *none = NULL;

    (void)state;
    assert_ptr_equal(st, other);
    st->on_settled = on_settled;
    st->origin_seq = 5;
    stanza_unref(&st);
    assert_null(st);
    assert_int_equal(n_settled, 0);
    stanza_unref(&other);
    assert_int_equal(n_settled, 5);
    stanza_unref(&none);
}

static _Atomic unsigned n_settled_by_threads;

static void on_settled_by_a_thread(const struct stanza *st)
{
    n_settled_by_threads += str_eq(st->root->text, STR("<shared>"));
}

static void *write_and_let_go(void *own_reference)
{
    struct stanza *st = own_reference;
    struct buf out = {0};

    stanza_write(&out, st, STR("x@y"));
    stanza_unref(&st);
    buf_deinit(&out);
    return NULL;
}

static void threads_that_share_a_stanza_settle_it_once(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 50; round++) {
        struct stanza *st = receive("<message id='1'>&lt;shared><stream:x/></message>");
        pthread_t threads[4];

        st->on_settled = on_settled_by_a_thread;
        for (size_t i = 0; i < ARRAY_LEN(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, write_and_let_go, stanza_ref(st)), 0);
        stanza_unref(&st);
        for (size_t i = 0; i < ARRAY_LEN(threads); i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(n_settled_by_threads, round);
    }
}

static void a_stanza_and_its_addresses_fit_into_the_one_block_of_its_arena(void **state)
{
    struct stanza *st = receive("<message to='juliet@capulet.example'><body>x</body></message>");

    (void)state;
    /* The room that the reader leaves is for this; a second block would be a second allocation for each stanza. */
    assert_true(sizeof(*st) + sizeof("romeo@montague.example/orchard") < XML_ARENA_ROOM);
    assert_true((uintptr_t)st > (uintptr_t)st->arena && (uintptr_t)st < (uintptr_t)st->root->outer.p);
    stanza_unref(&st);
}

static void an_error_goes_back_with_the_same_id_and_swapped_addresses(void **state)
{
    struct stanza *st = receive("<iq type='get' id='a&apos;b' to='d@e/&lt;'><query xmlns='u'/></iq>");
    struct buf out = {0};

    (void)state;
    set_from(st, "a@b/c");
    assert_true(stanza_parse_to(st));
    assert_true(stanza_write_error(&out, st, STANZA_ERR_SERVICE_UNAVAILABLE, NULL));
    assert_str(buf_str(&out), "<iq type='error' id='a&apos;b' from='d@e/&lt;' to='a@b/c'><error type='cancel'>"
                              "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    buf_clear(&out);
    assert_true(stanza_write_error(&out, st, STANZA_ERR_BAD_REQUEST, "no <type>"));
    assert_str(buf_str(&out), "<iq type='error' id='a&apos;b' from='d@e/&lt;' to='a@b/c'><error type='modify'>"
                              "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                              "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no &lt;type&gt;</text>"
                              "</error></iq>");
    buf_deinit(&out);
    stanza_unref(&st);
}

static void errors_results_and_what_is_no_stanza_are_never_answered(void **state)
{
    static const char *const silent[] = {"<iq type='error'/>", "<iq type='result'/>", "<message type='error'/>",
                                         "<presence type='error'/>", "<r xmlns='urn:xmpp:sm:3'/>"};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        struct stanza *st = receive(silent[i]);

        assert_false(stanza_write_error(&out, st, STANZA_ERR_CONFLICT, "x"));
        assert_int_equal(out.len, 0);
        stanza_unref(&st);
    }
    buf_deinit(&out);
}

static void every_condition_has_a_name_and_one_of_the_five_types(void **state)
{
    (void)state;
    for (enum stanza_err err = STANZA_ERR_BAD_REQUEST; err <= STANZA_ERR_UNEXPECTED_REQUEST; err++) {
        static const char *const types[] = {"auth", "cancel", "continue", "modify", "wait"};
        bool is_known = false;

        assert_non_null(stanza_err_name(err));
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
            is_known |= strcmp(stanza_err_type(err), types[i]) == 0;
        assert_true(is_known);
    }
    assert_string_equal(stanza_err_name(STANZA_ERR_UNEXPECTED_REQUEST), "unexpected-request");
}

static unsigned n_settled;

static void count_settled(const struct stanza *st)
{
    (void)st;
    n_settled++;
}

static void expect_bytes(const struct stanza *st, const char *xml)
{
    struct buf out = {0};

    stanza_write(&out, st, STR(""));
    assert_string_equal(terminated(&out), xml);
    buf_deinit(&out);
}

static void a_derived_stanza_is_written_with_what_was_added(void **state)
{
    struct stanza *st = receive("<message id='1'><body>hi</body></message>");
    struct stanza *one = stanza_with(st, STR("<a xmlns='x'/>")), *two = stanza_with(one, STR("<b xmlns='x'/>"));
    struct buf out = {0};

    (void)state;
    expect_bytes(st, "<message id='1'><body>hi</body></message>");
    expect_bytes(two, "<message id='1'><body>hi</body><a xmlns='x'/><b xmlns='x'/></message>");
    stanza_write_with(&out, two, STR(""), STR("<c xmlns='x'/>"));
    assert_string_equal(terminated(&out),
                        "<message id='1'><body>hi</body><a xmlns='x'/><b xmlns='x'/><c xmlns='x'/></message>");
    buf_deinit(&out);
    stanza_unref(&st);
    stanza_unref(&one);
    stanza_unref(&two);
}

static void a_derived_stanza_keeps_the_original_from_being_settled(void **state)
{
    struct stanza *st = receive("<message><body>hi</body></message>");
    struct stanza *derived;

    (void)state;
    st->on_settled = count_settled;
    n_settled = 0;
    derived = stanza_with(st, STR("<a xmlns='x'/>"));
    assert_true(stanza_is_awaited(derived));
    stanza_unref(&st);
    assert_int_equal(n_settled, 0);
    stanza_unref(&derived);
    assert_int_equal(n_settled, 1);
}

static bool is_named(const struct xml_element *child, const void *name)
{
    return str_is(child->name, name);
}

static void a_stanza_without_a_child_keeps_all_else(void **state)
{
    struct stanza *st =
        receive("<message id='1' type='chat' to='a@b'><x xmlns='bad'/><body>h&amp;i</body><y xmlns='good'/></message>");
    struct stanza *less;

    (void)state;
    assert_true(stanza_parse_to(st));
    set_from(st, "c@d/e");
    less = stanza_without(st, is_named, "x");
    assert_non_null(less);
    assert_int_equal(less->type, TYPE_CHAT);
    expect_bytes(less,
                 "<message id='1' type='chat' from='c@d/e' to='a@b'><body>h&amp;i</body><y xmlns='good'/></message>");
    stanza_unref(&st);
    stanza_unref(&less);
}

static void inside_another_namespace_a_stanza_names_its_own(void **state)
{
    struct stanza *st = receive("<message id='1'><body>hi</body></message>");
    struct stanza *stamped = stanza_with(st, STR("<a xmlns='x'/>"));
    struct buf out = {0};

    (void)state;
    stanza_write_inside(&out, stamped, "urn:xmpp:forward:0");
    assert_string_equal(terminated(&out),
                        "<message xmlns='jabber:client' id='1'><body>hi</body><a xmlns='x'/></message>");
    buf_deinit(&out);
    stanza_unref(&st);
    stanza_unref(&stamped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_presences_and_iqs_are_told_by_name_and_namespace),
        cmocka_unit_test(a_type_counts_for_the_kinds_that_know_it),
        cmocka_unit_test(an_unknown_type_makes_a_message_normal_and_others_invalid),
        cmocka_unit_test(every_kind_has_a_name),
        cmocka_unit_test(id_and_language_are_read_and_addresses_only_when_asked),
        cmocka_unit_test(an_address_that_is_none_is_told),
        cmocka_unit_test(the_start_tag_is_written_anew_and_the_content_as_it_came),
        cmocka_unit_test(more_content_can_be_added_at_the_end),
        cmocka_unit_test(content_that_leans_on_prefixes_takes_their_declarations_along),
        cmocka_unit_test(what_was_written_is_read_back_as_it_was),
        cmocka_unit_test(bytes_that_are_not_one_stanza_are_a_damaged_record),
        cmocka_unit_test(the_last_reference_settles_the_stanza),
        cmocka_unit_test(threads_that_share_a_stanza_settle_it_once),
        cmocka_unit_test(a_stanza_and_its_addresses_fit_into_the_one_block_of_its_arena),
        cmocka_unit_test(an_error_goes_back_with_the_same_id_and_swapped_addresses),
        cmocka_unit_test(errors_results_and_what_is_no_stanza_are_never_answered),
        cmocka_unit_test(every_condition_has_a_name_and_one_of_the_five_types),
        cmocka_unit_test(a_derived_stanza_is_written_with_what_was_added),
        cmocka_unit_test(a_derived_stanza_keeps_the_original_from_being_settled),
        cmocka_unit_test(a_stanza_without_a_child_keeps_all_else),
        cmocka_unit_test(inside_another_namespace_a_stanza_names_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
