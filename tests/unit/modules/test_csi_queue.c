#include "server/modules/csi_queue.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/modules/attention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define OWN     "juliet@h.example/phone"
#define ROMEO   "from='romeo@h.example/orchard'"
#define STAMP   "2026-01-01T00:00:00.000Z"
#define DELAY   "<delay xmlns='urn:xmpp:delay' from='h.example' stamp='" STAMP "'/>"
#define MESSAGE "<message type='chat' " ROMEO ">"

static const int64_t now_ms = 1767225600000; /* STAMP */

static enum csi_fate fate(const char *xml)
{
    struct stanza *st = stanza_from_bytes(str_of(xml));

    assert_non_null(st);
    enum csi_fate f = csi_fate_of(st, STR(OWN));

    stanza_unref(&st);
    return f;
}

static bool wants(const char *xml)
{
    struct stanza *st = stanza_from_bytes(str_of(xml));

    assert_non_null(st);
    bool is_wanted = attention_is_wanted(st);

    stanza_unref(&st);
    return is_wanted;
}

/* ---- what matters ---- */

static void requests_answers_and_errors_are_sent(void **state)
{
    (void)state;
    assert_int_equal(fate("<iq type='get' id='1' " ROMEO "><q xmlns='x'/></iq>"), CSI_SEND);
    assert_int_equal(fate("<iq type='result' id='1' " ROMEO "/>"), CSI_SEND);
    assert_int_equal(fate("<message type='error' " ROMEO "/>"), CSI_SEND);
    assert_int_equal(fate("<presence type='error' " ROMEO "/>"), CSI_SEND);
    assert_int_equal(fate("<presence type='subscribe' from='romeo@h.example'/>"), CSI_SEND);
    assert_int_equal(fate("<presence type='unsubscribed' from='romeo@h.example'/>"), CSI_SEND);
}

static void presence_is_held_unless_it_is_about_the_client_itself(void **state)
{
    (void)state;
    assert_int_equal(fate("<presence " ROMEO "/>"), CSI_HOLD);
    assert_int_equal(fate("<presence type='unavailable' " ROMEO "/>"), CSI_HOLD);
    assert_int_equal(fate("<presence from='juliet@h.example/desk'/>"), CSI_HOLD);
    assert_int_equal(fate("<presence from='" OWN "'/>"), CSI_SEND);
    assert_int_equal(fate("<presence from='room@muc.example/romeo'><x xmlns='" NS_MUC_USER "'><status code='100'/></x>"
                          "</presence>"),
                     CSI_HOLD);
    assert_int_equal(fate("<presence from='room@muc.example/juliet'><x xmlns='" NS_MUC_USER "'><status code='100'/>"
                          "<status code='110'/></x></presence>"),
                     CSI_SEND);
}

static void chat_states_are_dropped_unless_something_is_said_with_them(void **state)
{
    (void)state;
    assert_int_equal(fate(MESSAGE "<composing xmlns='" NS_CHAT_STATES "'/></message>"), CSI_DROP);
    assert_int_equal(fate(MESSAGE "<gone xmlns='" NS_CHAT_STATES
                                  "'/><thread>t</thread><body/><no-store xmlns='" NS_HINTS
                                  "'/><origin-id xmlns='" NS_SID "' id='o'/></message>"),
                     CSI_DROP);
    assert_int_equal(fate("<message type='groupchat' " ROMEO "><paused xmlns='" NS_CHAT_STATES "'/></message>"),
                     CSI_DROP);
    assert_int_equal(fate(MESSAGE "<active xmlns='" NS_CHAT_STATES "'/><body>x</body></message>"), CSI_SEND);
    assert_int_equal(fate(MESSAGE "<active xmlns='" NS_CHAT_STATES "'/><other xmlns='x'/></message>"), CSI_HOLD);
    assert_int_equal(fate(MESSAGE "<thread>t</thread></message>"), CSI_HOLD);
}

static void what_a_person_reads_is_sent_and_the_rest_is_held(void **state)
{
    (void)state;
    assert_int_equal(fate("<message type='groupchat' " ROMEO "><body>x</body></message>"), CSI_SEND);
    assert_int_equal(fate("<message type='groupchat' " ROMEO "><subject>x</subject></message>"), CSI_SEND);
    assert_int_equal(fate("<message type='groupchat' " ROMEO "><displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"
                          "</message>"),
                     CSI_HOLD);
    assert_int_equal(fate("<message type='headline' " ROMEO "><body>x</body></message>"), CSI_HOLD);
}

static void a_person_wants_text_calls_and_invitations(void **state)
{
    (void)state;
    assert_true(wants(MESSAGE "<body>x</body></message>"));
    assert_true(wants("<message " ROMEO "><subject>x</subject></message>"));
    assert_true(wants(MESSAGE "<encrypted xmlns='eu.siacs.conversations.axolotl'/></message>"));
    assert_true(wants(MESSAGE "<encrypted xmlns='urn:xmpp:omemo:2'/></message>"));
    assert_true(wants(MESSAGE "<encryption xmlns='urn:xmpp:eme:0' namespace='x'/></message>"));
    assert_true(wants(MESSAGE "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/></message>"));
    assert_true(wants("<message " ROMEO "><x xmlns='jabber:x:conference' jid='r@m.example'/></message>"));
    assert_true(wants("<message " ROMEO "><x xmlns='" NS_MUC_USER "'><invite from='a@b'/></x></message>"));
}

static void a_person_wants_no_receipts_markers_or_headlines(void **state)
{
    (void)state;
    assert_false(wants(MESSAGE "</message>"));
    assert_false(wants(MESSAGE "<body></body></message>"));
    assert_false(wants(MESSAGE "<received xmlns='urn:xmpp:receipts' id='1'/></message>"));
    assert_false(wants(MESSAGE "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/></message>"));
    assert_false(wants(MESSAGE "<reactions xmlns='urn:xmpp:reactions:0' id='1'/></message>"));
    assert_false(wants(MESSAGE "<retract xmlns='urn:xmpp:jingle-message:0' id='1'/></message>"));
    assert_false(wants("<message " ROMEO "><x xmlns='" NS_MUC_USER "'/></message>"));
    assert_false(wants("<message type='headline' " ROMEO "><body>x</body></message>"));
    assert_false(wants("<message type='error' " ROMEO "><body>x</body></message>"));
    assert_false(wants("<presence " ROMEO "/>"));
    assert_false(wants("<iq type='get' id='1' " ROMEO "/>"));
}

#define COPY(direction, content)                                                                                       \
    "<message type='chat' from='juliet@h.example'><" direction " xmlns='urn:xmpp:carbons:2'><forwarded "               \
    "xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' " ROMEO ">" content                         \
    "</message></forwarded></" direction "></message>"

static void a_copy_counts_as_what_it_is_a_copy_of(void **state)
{
    (void)state;
    assert_true(wants(COPY("received", "<body>x</body>")));
    assert_false(wants(COPY("received", "<received xmlns='urn:xmpp:receipts' id='1'/>")));
    assert_false(wants(COPY("sent", "<body>x</body>")));
    assert_int_equal(fate(COPY("received", "<paused xmlns='" NS_CHAT_STATES "'/>")), CSI_DROP);
    assert_int_equal(fate(COPY("sent", "<paused xmlns='" NS_CHAT_STATES "'/>")), CSI_DROP);
}

/* ---- the queue ---- */

static int start(void **state)
{
    static const struct siphash_key key;
    struct csi_queue *q = mem_alloc(sizeof(*q));

    csi_queue_init(q, &key);
    *state = q;
    return 0;
}

static int stop(void **state)
{
    csi_queue_deinit(*state);
    free(*state);
    return 0;
}

static void put(struct csi_queue *q, const char *xml)
{
    struct stanza *st = stanza_from_bytes(str_of(xml));

    assert_non_null(st);
    csi_queue_put(q, st, STR(OWN), STR("h.example"), now_ms);
    assert_int_equal(atomic_load(&st->refs), 1); /* nobody's acknowledgement waits for it */
    stanza_unref(&st);
}

static void expect(struct csi_queue *q, const char *xml)
{
    struct buf b = {0};

    assert_true(csi_queue_take(q, &b));
    buf_append_char(&b, '\0');
    assert_string_equal(b.p, xml);
    buf_deinit(&b);
}

static void expect_empty(struct csi_queue *q)
{
    struct buf b = {0};

    assert_false(csi_queue_take(q, &b));
    assert_int_equal(b.len, 0);
    assert_int_equal(q->n, 0);
    assert_int_equal(q->bytes, 0);
}

static void what_was_held_comes_out_in_order_with_the_time_it_came(void **state)
{
    put(*state, "<presence from='a@h.example/1'/>");
    put(*state, "<message type='headline' from='b@h.example'><body>x</body></message>");
    put(*state, "<presence from='c@h.example/1' type='unavailable'/>");
    expect(*state, "<presence from='a@h.example/1' to='" OWN "'>" DELAY "</presence>");
    expect(*state, "<message type='headline' from='b@h.example' to='" OWN "'><body>x</body>" DELAY "</message>");
    expect(*state, "<presence type='unavailable' from='c@h.example/1' to='" OWN "'>" DELAY "</presence>");
    expect_empty(*state);
}

static void what_was_late_before_keeps_its_time(void **state)
{
    put(*state,
        "<presence from='a@h.example/1'><delay xmlns='urn:xmpp:delay' stamp='2025-01-01T00:00:00Z'/></presence>");
    expect(*state, "<presence from='a@h.example/1' to='" OWN
                   "'><delay xmlns='urn:xmpp:delay' stamp='2025-01-01T00:00:00Z'/></presence>");
}

static void the_last_presence_of_a_full_jid_stays_behind_what_came_before_it(void **state)
{
    put(*state, "<presence from='a@h.example/1'><show>away</show></presence>");
    put(*state, "<presence from='a@h.example/2'><show>away</show></presence>");
    put(*state, "<message type='headline' from='a@h.example/1'/>");
    put(*state, "<presence from='a@h.example/1'><show>dnd</show></presence>");
    put(*state, "<presence from='a@h.example/1' type='unavailable'/>");
    expect(*state, "<presence from='a@h.example/2' to='" OWN "'><show>away</show>" DELAY "</presence>");
    expect(*state, "<message type='headline' from='a@h.example/1' to='" OWN "'>" DELAY "</message>");
    expect(*state, "<presence type='unavailable' from='a@h.example/1' to='" OWN "'>" DELAY "</presence>");
    expect_empty(*state);
}

#define EVENT(from, node, content)                                                                                     \
    "<message type='headline' from='" from "'><event xmlns='" NS_PUBSUB_EVENT "'><items node='" node "'>" content      \
    "</items></event></message>"

static unsigned count_events(struct csi_queue *q)
{
    struct buf b = {0};
    unsigned n = 0;

    while (csi_queue_take(q, &b))
        n++;
    buf_deinit(&b);
    return n;
}

static void events_are_merged_by_node_and_item(void **state)
{
    put(*state, EVENT("a@h.example", "mood", "<item id='current'><happy xmlns='x'/></item>"));
    put(*state, EVENT("a@h.example", "tune", "<item id='current'/>"));
    put(*state, EVENT("b@h.example", "mood", "<item id='current'/>"));
    put(*state, EVENT("a@h.example", "mood", "<item id='other'/>"));
    put(*state, EVENT("a@h.example", "mood", "<item id='current'><sad xmlns='x'/></item>"));
    assert_int_equal(((struct csi_queue *)*state)->n, 4);
    put(*state, EVENT("a@h.example", "mood", "<retract id='current'/>"));
    assert_int_equal(count_events(*state), 4);
    expect_empty(*state);
}

static void events_of_several_items_or_of_a_whole_node_are_all_kept(void **state)
{
    static const char purge[] = "<message type='headline' from='a@h.example'><event xmlns='" NS_PUBSUB_EVENT
                                "'><purge node='n'/></event></message>";

    put(*state, EVENT("a@h.example", "n", "<item id='1'/><item id='2'/>"));
    put(*state, EVENT("a@h.example", "n", "<item id='1'/><item id='2'/>"));
    put(*state, EVENT("a@h.example", "n", "<item/>"));
    put(*state, EVENT("a@h.example", "n", "<item/>"));
    put(*state, purge);
    put(*state, purge);
    assert_int_equal(count_events(*state), 6);
}

static void names_that_run_into_each_other_are_different(void **state)
{
    put(*state, EVENT("a@h.example", "no", "<item id='de'/>"));
    put(*state, EVENT("a@h.example", "node", "<item id='de'/>"));
    put(*state, EVENT("a@h.example/no", "de", "<item id='de'/>"));
    assert_int_equal(count_events(*state), 3);
}

static void a_flood_from_one_contact_takes_no_more_than_one_place(void **state)
{
    struct csi_queue *q = *state;
    size_t bytes = 0;

    for (int i = 0; i < 10000; i++) {
        put(q, "<presence from='a@h.example/1'><status>again</status></presence>");
        assert_int_equal(q->n, 1);
        bytes = bytes == 0 ? q->bytes : bytes;
        assert_int_equal(q->bytes, bytes);
    }
}

static void what_is_left_is_freed(void **state)
{
    put(*state, "<presence from='a@h.example/1'/>");
    put(*state, EVENT("a@h.example", "n", "<item id='1'/>"));
    put(*state, "<message type='headline' from='b@h.example'/>");
}

int main(void)
{
#define QUEUE_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_answers_and_errors_are_sent),
        cmocka_unit_test(presence_is_held_unless_it_is_about_the_client_itself),
        cmocka_unit_test(chat_states_are_dropped_unless_something_is_said_with_them),
        cmocka_unit_test(what_a_person_reads_is_sent_and_the_rest_is_held),
        cmocka_unit_test(a_person_wants_text_calls_and_invitations),
        cmocka_unit_test(a_person_wants_no_receipts_markers_or_headlines),
        cmocka_unit_test(a_copy_counts_as_what_it_is_a_copy_of),
        QUEUE_TEST(what_was_held_comes_out_in_order_with_the_time_it_came),
        QUEUE_TEST(what_was_late_before_keeps_its_time),
        QUEUE_TEST(the_last_presence_of_a_full_jid_stays_behind_what_came_before_it),
        QUEUE_TEST(events_are_merged_by_node_and_item),
        QUEUE_TEST(events_of_several_items_or_of_a_whole_node_are_all_kept),
        QUEUE_TEST(names_that_run_into_each_other_are_different),
        QUEUE_TEST(a_flood_from_one_contact_takes_no_more_than_one_place),
        QUEUE_TEST(what_is_left_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
