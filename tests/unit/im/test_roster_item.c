#include "server/im/roster_item.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "server/im/subscription.h"

#define REQUEST "<presence type='subscribe' from='romeo@a.example' to='juliet@b.example'><nick>R</nick></presence>"

static const struct roster_limits limits = {.name_bytes = 16, .group_bytes = 12, .groups = 4};

static struct roster_content content_of(const char *jid, const char *name, const char *group_1, const char *group_2)
{
    struct roster_content c = {.jid = str_of(jid), .name = str_of(name)};

    if (group_1 != NULL)
        c.groups[c.n_groups++] = str_of(group_1);
    if (group_2 != NULL)
        c.groups[c.n_groups++] = str_of(group_2);
    return c;
}

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.p, expected, s.len);
}

/* The groups, joined by commas. */
static void assert_groups(const struct roster_item *item, const char *expected)
{
    struct buf joined = {0};
    struct str group;
    uint32_t cursor = 0;

    while (roster_item_next_group(item, &cursor, &group)) {
        if (joined.len > 0)
            buf_append_char(&joined, ',');
        buf_append_str(&joined, group);
    }
    assert_str(buf_str(&joined), expected);
    buf_deinit(&joined);
}

/* ---- in memory ---- */

static void an_item_has_what_it_was_made_of(void **state)
{
    struct roster_content c = content_of("romeo@a.example", "Romeo", "Friends", "Verona");
    struct roster_item *item = roster_item_new(&c, NULL);

    (void)state;
    assert_str(roster_item_jid(item), "romeo@a.example");
    assert_str(roster_item_name(item), "Romeo");
    assert_str(roster_item_request(item), "");
    assert_groups(item, "Friends,Verona");
    assert_int_equal(item->state, 0);
    assert_int_equal(item->version, 0);
    roster_item_free(&item);
    assert_null(item);
    roster_item_free(&item);
}

static void new_content_keeps_state_version_and_request(void **state)
{
    struct roster_content c = content_of("romeo@a.example", "R", NULL, NULL);
    struct roster_item *old = roster_item_new_request(str_of("romeo@a.example"), NULL, str_of(REQUEST));
    struct roster_item *item;

    (void)state;
    old->state = SUB_PENDING_IN;
    old->version = 7;
    item = roster_item_new(&c, old);
    assert_str(roster_item_name(item), "R");
    assert_str(roster_item_request(item), REQUEST);
    assert_int_equal(item->state, SUB_PENDING_IN);
    assert_int_equal(item->version, 7);
    assert_groups(item, "");
    roster_item_free(&old);
    roster_item_free(&item);
}

static void a_request_comes_and_goes_and_the_rest_stays(void **state)
{
    struct roster_content c = content_of("romeo@a.example", "Romeo", "Friends", "Verona");
    struct roster_item *old = roster_item_new(&c, NULL);
    struct roster_item *asked, *answered;

    (void)state;
    old->state = SUB_LISTED;
    old->version = 3;
    asked = roster_item_new_request(roster_item_jid(old), old, str_of(REQUEST));
    answered = roster_item_new_request(roster_item_jid(asked), asked, STR(""));
    assert_str(roster_item_request(asked), REQUEST);
    assert_groups(asked, "Friends,Verona");
    assert_str(roster_item_request(answered), "");
    assert_str(roster_item_name(answered), "Romeo");
    assert_groups(answered, "Friends,Verona");
    assert_int_equal(answered->version, 3);
    roster_item_free(&old);
    roster_item_free(&asked);
    roster_item_free(&answered);
}

/* ---- roster sets ---- */

struct parsed {
    struct arena *arena;
    struct roster_set set;
    enum stanza_err err;
    bool is_ok;
};

static void parse(struct parsed *p, const char *query_xml)
{
    const struct xml_element *query;

    assert_int_equal(xml_parse(str_of(query_xml), STR(NS_CLIENT), &p->arena, &query), LN_OK);
    p->is_ok = roster_set_parse(query, STR("juliet@b.example"), &limits, &p->set, &p->err);
}

#define QUERY(content) "<query xmlns='jabber:iq:roster'>" content "</query>"

static void a_roster_set_is_read(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, QUERY("<item jid='Romeo@A.example' name='R &amp; J' ver='1'><group>Friends</group>"
                    "<x xmlns='urn:example'/><group>Ve&lt;rona</group></item><x xmlns='urn:example'/>"));
    assert_true(p.is_ok);
    assert_false(p.set.is_remove);
    assert_str(p.set.content.jid, "romeo@a.example");
    assert_str(p.set.content.name, "R & J");
    assert_int_equal(p.set.content.n_groups, 2);
    assert_str(p.set.content.groups[0], "Friends");
    assert_str(p.set.content.groups[1], "Ve<rona");
    arena_free(&p.arena);
}

static void a_client_cannot_set_the_subscription(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, QUERY("<item jid='romeo@a.example' subscription='both' ask='subscribe' approved='true'/>"));
    assert_true(p.is_ok);
    assert_false(p.set.is_remove);
    assert_int_equal(p.set.content.n_groups, 0);
    arena_free(&p.arena);
}

static void a_removal_needs_nothing_but_the_jid(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p,
          QUERY("<item jid='romeo@a.example' subscription='remove' name='a name beyond the limit'><group/></item>"));
    assert_true(p.is_ok);
    assert_true(p.set.is_remove);
    assert_str(p.set.content.jid, "romeo@a.example");
    arena_free(&p.arena);
}

static void sizes_up_to_the_limits_are_taken(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, QUERY("<item jid='romeo@a.example' name='0123456789abcdef'><group>0123456789ab</group><group>2</group>"
                    "<group>3</group><group>4</group></item>"));
    assert_true(p.is_ok);
    assert_int_equal(p.set.content.n_groups, 4);
    arena_free(&p.arena);
}

static void a_roster_set_that_breaks_the_rules_is_refused(void **state)
{
    static const struct {
        const char *query;
        enum stanza_err err;
    } cases[] = {
        {QUERY(""), STANZA_ERR_BAD_REQUEST},
        {QUERY("<item xmlns='urn:example' jid='romeo@a.example'/>"), STANZA_ERR_BAD_REQUEST},
        {QUERY("<item jid='a@a.example'/><item jid='b@a.example'/>"), STANZA_ERR_BAD_REQUEST},
        {QUERY("<item name='nobody'/>"), STANZA_ERR_BAD_REQUEST},
        {QUERY("<item subscription='remove'/>"), STANZA_ERR_BAD_REQUEST},
        {QUERY("<item jid=''/>"), STANZA_ERR_JID_MALFORMED},
        {QUERY("<item jid='@a.example'/>"), STANZA_ERR_JID_MALFORMED},
        {QUERY("<item jid='@a.example' subscription='remove'/>"), STANZA_ERR_JID_MALFORMED},
        {QUERY("<item jid='juliet@b.example'/>"), STANZA_ERR_NOT_ALLOWED},
        {QUERY("<item jid='juliet@b.example/balcony'/>"), STANZA_ERR_NOT_ALLOWED},
        {QUERY("<item jid='r@a.example' name='0123456789abcdef!'/>"), STANZA_ERR_NOT_ACCEPTABLE},
        {QUERY("<item jid='r@a.example'><group/></item>"), STANZA_ERR_NOT_ACCEPTABLE},
        {QUERY("<item jid='r@a.example'><group></group></item>"), STANZA_ERR_NOT_ACCEPTABLE},
        {QUERY("<item jid='r@a.example'><group>0123456789abc</group></item>"), STANZA_ERR_NOT_ACCEPTABLE},
        {QUERY("<item jid='r@a.example'><group>1</group><group>2</group><group>3</group><group>4</group>"
               "<group>5</group></item>"),
         STANZA_ERR_NOT_ACCEPTABLE},
        {QUERY("<item jid='r@a.example'><group>1</group><group>2</group><group>1</group></item>"),
         STANZA_ERR_BAD_REQUEST},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parsed p;

        parse(&p, cases[i].query);
        assert_false(p.is_ok);
        assert_int_equal(p.err, cases[i].err);
        arena_free(&p.arena);
    }
}

static void a_contact_in_a_roster_may_be_a_domain_or_a_full_jid(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, QUERY("<item jid='gateway.example/registered'/>"));
    assert_true(p.is_ok);
    assert_str(p.set.content.jid, "gateway.example/registered");
    arena_free(&p.arena);
}

/* ---- XML ---- */

static void check_xml(const struct roster_item *item, const char *expected)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);

    if (item->state != 0)
        roster_item_write(&w, item);
    else
        roster_item_write_removed(&w, roster_item_jid(item));
    assert_str(buf_str(&out), expected);
    buf_deinit(&out);
}

static void an_item_is_written_with_what_its_state_shows(void **state)
{
    struct roster_content c = content_of("romeo@a.example", "R & J", "Friends", "Ve<rona");
    struct roster_content plain = content_of("romeo@a.example", "", NULL, NULL);
    struct roster_item *item = roster_item_new(&c, NULL);
    struct roster_item *bare = roster_item_new(&plain, NULL);

    (void)state;
    item->state = SUB_LISTED | SUB_TO | SUB_FROM;
    check_xml(item, "<item jid='romeo@a.example' name='R &amp; J' subscription='both'><group>Friends</group>"
                    "<group>Ve&lt;rona</group></item>");
    bare->state = SUB_LISTED | SUB_PENDING_OUT | SUB_APPROVED;
    check_xml(bare, "<item jid='romeo@a.example' subscription='none' ask='subscribe' approved='true'/>");
    bare->state = SUB_LISTED | SUB_TO | SUB_PENDING_IN; /* a waiting request is nobody's business */
    check_xml(bare, "<item jid='romeo@a.example' subscription='to'/>");
    bare->state = 0;
    check_xml(bare, "<item jid='romeo@a.example' subscription='remove'/>");
    roster_item_free(&item);
    roster_item_free(&bare);
}

/* ---- stored ---- */

static struct roster_item *sample(void)
{
    struct roster_content c = content_of("romeo@a.example", "Rom\xc3\xa9o", "Friends", "Verona");
    struct roster_item *plain = roster_item_new(&c, NULL);
    struct roster_item *item = roster_item_new_request(roster_item_jid(plain), plain, str_of(REQUEST));

    roster_item_free(&plain);
    item->state = SUB_LISTED | SUB_TO | SUB_PENDING_IN;
    item->version = 0x0102030405060708;
    return item;
}

static void a_stored_item_comes_back_as_it_was(void **state)
{
    struct roster_item *item = sample(), *back;
    struct buf doc = {0};

    (void)state;
    roster_item_encode(&doc, item);
    assert_int_equal(roster_item_decode(roster_item_jid(item), buf_str(&doc), &back), LN_OK);
    assert_memory_equal(back, item, sizeof(*item)); /* the lengths of what follows, too */
    assert_memory_equal(back->bytes, item->bytes,
                        item->jid_len + item->name_len + item->groups_len + item->request_len);
    roster_item_free(&back);
    roster_item_free(&item);
    buf_deinit(&doc);
}

/* The bytes on somebody's disk: whoever changes the format keeps reading these. */
static void the_document_of_format_1_is_read(void **state)
{
    static const char doc[] = "\x01\x23\x05\0\0\0\0\0\0\0\x01\0\x02R\x01\0F\x02\0VV\0\0\0\0";
    struct roster_item *item;

    (void)state;
    assert_int_equal(roster_item_decode(STR("romeo@a.example"), str_make(doc, sizeof(doc) - 1), &item), LN_OK);
    assert_int_equal(item->state, SUB_LISTED | SUB_TO | SUB_FROM);
    assert_int_equal(item->version, 5);
    assert_str(roster_item_name(item), "R");
    assert_groups(item, "F,VV");
    roster_item_free(&item);
}

static void a_document_that_was_cut_or_has_more_is_corrupt(void **state)
{
    struct roster_item *item = sample(), *back = NULL;
    struct buf doc = {0};

    (void)state;
    roster_item_encode(&doc, item);
    for (size_t len = 0; len < doc.len; len++) {
        char *cut = mem_strndup(doc.p, len); /* of its own, so that reading on is noticed */

        assert_int_equal(roster_item_decode(roster_item_jid(item), str_make(cut, len), &back), LN_E_CORRUPT);
        free(cut);
    }
    buf_append_char(&doc, 'x');
    assert_int_equal(roster_item_decode(roster_item_jid(item), buf_str(&doc), &back), LN_E_CORRUPT);
    assert_null(back);
    roster_item_free(&item);
    buf_deinit(&doc);
}

/* A flipped bit is corrupt, or gives an item that means something and is stored again as it was read. */
static void a_document_with_a_flipped_bit_never_makes_a_broken_item(void **state)
{
    struct roster_item *item = sample();
    struct buf doc = {0}, again = {0};

    (void)state;
    roster_item_encode(&doc, item);
    for (size_t bit = 0; bit < 8 * doc.len; bit++) {
        struct roster_item *back;

        doc.p[bit / 8] ^= (char)(1 << bit % 8);
        if (roster_item_decode(roster_item_jid(item), buf_str(&doc), &back) == LN_OK) {
            assert_true(subscription_is_valid(back->state));
            buf_clear(&again);
            roster_item_encode(&again, back);
            assert_true(str_eq(buf_str(&again), buf_str(&doc)));
            roster_item_free(&back);
        }
        doc.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    roster_item_free(&item);
    buf_deinit(&doc);
    buf_deinit(&again);
}

static void what_nobody_wrote_is_corrupt(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } docs[] = {
#define DOC(s) {s, sizeof(s) - 1}
        DOC("\x02\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),         /* another format */
        DOC("\x01\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),         /* a state that is never stored */
        DOC("\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),         /* subscribed, but not in the roster */
        DOC("\x01\x20\0\0\0\0\0\0\0\0\x01\0\0\xff\0\0\0\0"),   /* a name that is not UTF-8 */
        DOC("\x01\x20\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0"),   /* an empty group */
        DOC("\x01\x20\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff"), /* a request of 4 GiB */
#undef DOC
    };
    struct roster_item *item = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(docs); i++)
        assert_int_equal(roster_item_decode(STR("romeo@a.example"), str_make(docs[i].bytes, docs[i].len), &item),
                         LN_E_CORRUPT);
    assert_int_equal(roster_item_decode(STR(""), STR("\x01\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), &item), LN_E_CORRUPT);
    assert_null(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_has_what_it_was_made_of),
        cmocka_unit_test(new_content_keeps_state_version_and_request),
        cmocka_unit_test(a_request_comes_and_goes_and_the_rest_stays),
        cmocka_unit_test(a_roster_set_is_read),
        cmocka_unit_test(a_client_cannot_set_the_subscription),
        cmocka_unit_test(a_removal_needs_nothing_but_the_jid),
        cmocka_unit_test(sizes_up_to_the_limits_are_taken),
        cmocka_unit_test(a_roster_set_that_breaks_the_rules_is_refused),
        cmocka_unit_test(a_contact_in_a_roster_may_be_a_domain_or_a_full_jid),
        cmocka_unit_test(an_item_is_written_with_what_its_state_shows),
        cmocka_unit_test(a_stored_item_comes_back_as_it_was),
        cmocka_unit_test(the_document_of_format_1_is_read),
        cmocka_unit_test(a_document_that_was_cut_or_has_more_is_corrupt),
        cmocka_unit_test(a_document_with_a_flipped_bit_never_makes_a_broken_item),
        cmocka_unit_test(what_nobody_wrote_is_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
