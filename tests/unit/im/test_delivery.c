#include "server/im/delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/mem.h"

/* ---- the table ---- */

enum { N_ADDRESSES = ADDRESS_FULL_NO_MATCH + 1, N_ACCOUNTS = ACCOUNT_NON_NEGATIVE + 1, N_TYPES = TYPE_RESULT + 1 };

static bool kind_has_type(enum stanza_kind kind, enum stanza_type type)
{
    switch (kind) {
    case STANZA_MESSAGE:
        return type >= TYPE_ERROR && type <= TYPE_HEADLINE;
    case STANZA_PRESENCE:
        return type <= TYPE_ERROR || (type >= TYPE_AVAILABLE && type <= TYPE_PROBE);
    case STANZA_IQ:
        return type <= TYPE_ERROR || type >= TYPE_GET;
    case STANZA_OTHER:
        break;
    }
    return false;
}

/* What can be asked: not, for instance, for a connected resource of an account that does not exist. */
static bool can_occur(enum stanza_kind kind, enum stanza_type type, enum delivery_address address,
                      enum delivery_account account)
{
    if (account == ACCOUNT_UNKNOWN && (address == ADDRESS_FULL_MATCH || address == ADDRESS_NONE))
        return false;
    return kind_has_type(kind, type);
}

typedef void (*on_case)(enum stanza_kind kind, enum stanza_type type, enum delivery_address address,
                        enum delivery_account account, const struct delivery *d, void *ctx);

static void for_each_case(on_case visit, void *ctx)
{
    for (int k = STANZA_MESSAGE; k <= STANZA_IQ; k++) {
        for (int t = 0; t < N_TYPES; t++) {
            for (int ad = 0; ad < N_ADDRESSES; ad++) {
                for (int ac = 0; ac < N_ACCOUNTS; ac++) {
                    enum stanza_kind kind = (enum stanza_kind)k;
                    enum stanza_type type = (enum stanza_type)t;
                    enum delivery_address address = (enum delivery_address)ad;
                    enum delivery_account account = (enum delivery_account)ac;
                    struct delivery d = delivery_decide(kind, type, address, account);

                    if (can_occur(kind, type, address, account))
                        visit(kind, type, address, account, &d, ctx);
                }
            }
        }
    }
}

/* RFC 6121 section 8.5.4, table 1, as it is printed: what each cell permits. "1+ non-negative" holds for one as well,
 * where M, A and D mean the same. */
static void messages_are_treated_as_table_1_of_rfc_6121_permits(void **state)
{
    static const enum stanza_type types[] = {TYPE_NORMAL, TYPE_CHAT, TYPE_GROUPCHAT, TYPE_HEADLINE};
    static const struct {
        enum delivery_account account;
        enum delivery_address address;
        const char *permitted[ARRAY_LEN(types)];
    } table[] = {
        {ACCOUNT_UNKNOWN, ADDRESS_BARE, {"SE", "SE", "E", "S"}},
        {ACCOUNT_UNKNOWN, ADDRESS_FULL_NO_MATCH, {"SE", "SE", "SE", "SE"}},
        {ACCOUNT_NO_RESOURCE, ADDRESS_BARE, {"OE", "OE", "E", "S"}},
        {ACCOUNT_NO_RESOURCE,
         ADDRESS_FULL_MATCH,
         {"D", "D", "D", "D"}}, /* connected, but not available: section 8.5.3.1 */
        {ACCOUNT_NO_RESOURCE, ADDRESS_FULL_NO_MATCH, {"SE", "OE", "SE", "SE"}},
        {ACCOUNT_ONLY_NEGATIVE, ADDRESS_BARE, {"OE", "OE", "E", "S"}},
        {ACCOUNT_ONLY_NEGATIVE, ADDRESS_FULL_MATCH, {"D", "D", "D", "D"}},
        {ACCOUNT_ONLY_NEGATIVE, ADDRESS_FULL_NO_MATCH, {"SE", "OE", "SE", "SE"}},
        {ACCOUNT_NON_NEGATIVE, ADDRESS_BARE, {"MA", "M", "E", "A"}},
        {ACCOUNT_NON_NEGATIVE, ADDRESS_FULL_MATCH, {"D", "D", "D", "D"}},
        {ACCOUNT_NON_NEGATIVE, ADDRESS_FULL_NO_MATCH, {"SE", "M", "SE", "SE"}},
    };
    static const char letters[] = {
        [DELIVER_DROP] = 'S',   [DELIVER_REFUSE] = 'E',     [DELIVER_TO_MATCH] = 'D',
        [DELIVER_TO_TOP] = 'M', [DELIVER_TO_OFFLINE] = 'O', [DELIVER_TO_ALL_NON_NEGATIVE] = 'A',
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        for (size_t t = 0; t < ARRAY_LEN(types); t++) {
            struct delivery d = delivery_decide(STANZA_MESSAGE, types[t], table[i].address, table[i].account);

            assert_true((size_t)d.action < sizeof(letters));
            assert_true(letters[d.action] != '\0');
            assert_non_null(strchr(table[i].permitted[t], letters[d.action]));
            assert_int_equal(d.err, STANZA_ERR_SERVICE_UNAVAILABLE);
        }
    }
}

/* The rows of docs/delivery-rules.md, each with the cases that tell it from its neighbours. */
struct expectation {
    const char *rule;
    enum stanza_kind kind;
    enum stanza_type type;
    enum delivery_address address;
    enum delivery_account account;
    enum delivery_action action;
};

#define MESSAGE(rule, type, address, account, action)                                                                  \
    {                                                                                                                  \
        rule, STANZA_MESSAGE, TYPE_##type, ADDRESS_##address, ACCOUNT_##account, DELIVER_##action                      \
    }
#define PRESENCE(rule, type, address, account, action)                                                                 \
    {                                                                                                                  \
        rule, STANZA_PRESENCE, TYPE_##type, ADDRESS_##address, ACCOUNT_##account, DELIVER_##action                     \
    }
#define IQ(rule, type, address, account, action)                                                                       \
    {                                                                                                                  \
        rule, STANZA_IQ, TYPE_##type, ADDRESS_##address, ACCOUNT_##account, DELIVER_##action                           \
    }

static const struct expectation expectations[] = {
    MESSAGE("M1", CHAT, HOST, UNKNOWN, TO_HOST),
    MESSAGE("M1", ERROR, HOST, UNKNOWN, TO_HOST),
    MESSAGE("M2", NORMAL, FULL_MATCH, NO_RESOURCE, TO_MATCH),
    MESSAGE("M2", CHAT, FULL_MATCH, ONLY_NEGATIVE, TO_MATCH),
    MESSAGE("M2", GROUPCHAT, FULL_MATCH, NON_NEGATIVE, TO_MATCH),
    MESSAGE("M2", HEADLINE, FULL_MATCH, ONLY_NEGATIVE, TO_MATCH),
    MESSAGE("M2", ERROR, FULL_MATCH, ONLY_NEGATIVE, TO_MATCH),
    MESSAGE("M3", ERROR, NONE, NON_NEGATIVE, DROP),
    MESSAGE("M3", ERROR, BARE, UNKNOWN, DROP),
    MESSAGE("M3", ERROR, BARE, NON_NEGATIVE, DROP),
    MESSAGE("M3", ERROR, FULL_NO_MATCH, NON_NEGATIVE, DROP),
    MESSAGE("M4", HEADLINE, BARE, UNKNOWN, DROP),
    MESSAGE("M5", CHAT, BARE, UNKNOWN, REFUSE),
    MESSAGE("M5", NORMAL, FULL_NO_MATCH, UNKNOWN, REFUSE),
    MESSAGE("M5", GROUPCHAT, BARE, UNKNOWN, REFUSE),
    MESSAGE("M5", HEADLINE, FULL_NO_MATCH, UNKNOWN, REFUSE),
    MESSAGE("M6", GROUPCHAT, BARE, NON_NEGATIVE, REFUSE),
    MESSAGE("M6", GROUPCHAT, NONE, NON_NEGATIVE, REFUSE),
    MESSAGE("M6", GROUPCHAT, FULL_NO_MATCH, NON_NEGATIVE, REFUSE),
    MESSAGE("M7", CHAT, BARE, NO_RESOURCE, TO_OFFLINE),
    MESSAGE("M7", NORMAL, BARE, ONLY_NEGATIVE, TO_OFFLINE),
    MESSAGE("M7", CHAT, NONE, ONLY_NEGATIVE, TO_OFFLINE),
    MESSAGE("M8", CHAT, BARE, NON_NEGATIVE, TO_TOP),
    MESSAGE("M8", NORMAL, NONE, NON_NEGATIVE, TO_TOP),
    MESSAGE("M9", HEADLINE, BARE, NO_RESOURCE, DROP),
    MESSAGE("M9", HEADLINE, BARE, ONLY_NEGATIVE, DROP),
    MESSAGE("M10", HEADLINE, BARE, NON_NEGATIVE, TO_ALL_NON_NEGATIVE),
    MESSAGE("M11", CHAT, FULL_NO_MATCH, NO_RESOURCE, TO_OFFLINE),
    MESSAGE("M11", CHAT, FULL_NO_MATCH, ONLY_NEGATIVE, TO_OFFLINE),
    MESSAGE("M12", CHAT, FULL_NO_MATCH, NON_NEGATIVE, TO_TOP),
    MESSAGE("M13", NORMAL, FULL_NO_MATCH, NO_RESOURCE, REFUSE),
    MESSAGE("M13", NORMAL, FULL_NO_MATCH, NON_NEGATIVE, REFUSE),
    MESSAGE("M13", HEADLINE, FULL_NO_MATCH, NO_RESOURCE, REFUSE),
    MESSAGE("M13", HEADLINE, FULL_NO_MATCH, NON_NEGATIVE, REFUSE),

    PRESENCE("P1", INVALID, NONE, NON_NEGATIVE, REFUSE),
    PRESENCE("P1", INVALID, BARE, NON_NEGATIVE, REFUSE),
    PRESENCE("P2", AVAILABLE, HOST, UNKNOWN, TO_HOST),
    PRESENCE("P2", SUBSCRIBE, HOST, UNKNOWN, TO_HOST),
    PRESENCE("P3", AVAILABLE, NONE, NO_RESOURCE, TO_BROADCAST),
    PRESENCE("P3", UNAVAILABLE, NONE, NON_NEGATIVE, TO_BROADCAST),
    PRESENCE("P4", SUBSCRIBE, NONE, NON_NEGATIVE, DROP),
    PRESENCE("P4", PROBE, NONE, NON_NEGATIVE, DROP),
    PRESENCE("P4", ERROR, NONE, NON_NEGATIVE, DROP),
    PRESENCE("P5", PROBE, BARE, UNKNOWN, UNSUBSCRIBED),
    PRESENCE("P5", PROBE, FULL_NO_MATCH, UNKNOWN, UNSUBSCRIBED),
    PRESENCE("P6", AVAILABLE, BARE, UNKNOWN, DROP),
    PRESENCE("P6", SUBSCRIBE, BARE, UNKNOWN, DROP),
    PRESENCE("P6", SUBSCRIBE, FULL_NO_MATCH, UNKNOWN, DROP),
    PRESENCE("P6", UNSUBSCRIBED, BARE, UNKNOWN, DROP),
    PRESENCE("P7", AVAILABLE, FULL_MATCH, NO_RESOURCE, TO_MATCH),
    PRESENCE("P7", UNAVAILABLE, FULL_MATCH, ONLY_NEGATIVE, TO_MATCH),
    PRESENCE("P7", ERROR, FULL_MATCH, NON_NEGATIVE, TO_MATCH),
    PRESENCE("P8", AVAILABLE, FULL_NO_MATCH, NON_NEGATIVE, DROP),
    PRESENCE("P8", ERROR, FULL_NO_MATCH, NON_NEGATIVE, DROP),
    PRESENCE("P9", AVAILABLE, BARE, NO_RESOURCE, DROP),
    PRESENCE("P10", UNAVAILABLE, BARE, ONLY_NEGATIVE, TO_ALL_AVAILABLE),
    PRESENCE("P10", AVAILABLE, BARE, NON_NEGATIVE, TO_ALL_AVAILABLE),
    PRESENCE("P10", ERROR, BARE, NON_NEGATIVE, TO_ALL_AVAILABLE),
    PRESENCE("P11", SUBSCRIBED, FULL_NO_MATCH, NON_NEGATIVE, DROP),
    PRESENCE("P11", UNSUBSCRIBE, FULL_NO_MATCH, NO_RESOURCE, DROP),
    PRESENCE("P11", UNSUBSCRIBED, FULL_NO_MATCH, NON_NEGATIVE, DROP),
    PRESENCE("P12", SUBSCRIBE, BARE, NO_RESOURCE, TO_SUBSCRIPTION),
    PRESENCE("P12", SUBSCRIBE, FULL_NO_MATCH, NON_NEGATIVE, TO_SUBSCRIPTION),
    PRESENCE("P12", SUBSCRIBED, BARE, NO_RESOURCE, TO_SUBSCRIPTION),
    PRESENCE("P12", UNSUBSCRIBE, FULL_MATCH, NON_NEGATIVE, TO_SUBSCRIPTION),
    PRESENCE("P12", UNSUBSCRIBED, BARE, ONLY_NEGATIVE, TO_SUBSCRIPTION),
    PRESENCE("P13", PROBE, BARE, NO_RESOURCE, TO_PROBE),
    PRESENCE("P13", PROBE, FULL_MATCH, NON_NEGATIVE, TO_PROBE),
    PRESENCE("P13", PROBE, FULL_NO_MATCH, NON_NEGATIVE, TO_PROBE),

    IQ("Q1", INVALID, BARE, NON_NEGATIVE, REFUSE),
    IQ("Q1", INVALID, HOST, UNKNOWN, REFUSE),
    IQ("Q2", GET, HOST, UNKNOWN, TO_HOST),
    IQ("Q2", RESULT, HOST, UNKNOWN, TO_HOST),
    IQ("Q3", GET, BARE, UNKNOWN, REFUSE),
    IQ("Q3", SET, FULL_NO_MATCH, UNKNOWN, REFUSE),
    IQ("Q4", RESULT, BARE, UNKNOWN, DROP),
    IQ("Q4", ERROR, FULL_NO_MATCH, UNKNOWN, DROP),
    IQ("Q5", SET, NONE, NO_RESOURCE, TO_ACCOUNT),
    IQ("Q5", GET, BARE, NO_RESOURCE, TO_ACCOUNT),
    IQ("Q5", GET, BARE, NON_NEGATIVE, TO_ACCOUNT),
    IQ("Q5", RESULT, NONE, NON_NEGATIVE, TO_ACCOUNT),
    IQ("Q6", GET, FULL_MATCH, NO_RESOURCE, TO_MATCH_IF_SEEN),
    IQ("Q6", SET, FULL_MATCH, NON_NEGATIVE, TO_MATCH_IF_SEEN),
    IQ("Q7", GET, FULL_NO_MATCH, NON_NEGATIVE, REFUSE),
    IQ("Q8", RESULT, FULL_MATCH, ONLY_NEGATIVE, TO_MATCH),
    IQ("Q8", ERROR, FULL_MATCH, NON_NEGATIVE, TO_MATCH),
    IQ("Q9", RESULT, FULL_NO_MATCH, NON_NEGATIVE, DROP),
    IQ("Q9", ERROR, FULL_NO_MATCH, NO_RESOURCE, DROP),
};

static void each_row_of_the_document_decides_its_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        const struct expectation *e = &expectations[i];
        struct delivery d = delivery_decide(e->kind, e->type, e->address, e->account);
        bool is_invalid = e->type == TYPE_INVALID;

        assert_string_equal(d.rule, e->rule);
        assert_int_equal(d.action, e->action);
        assert_int_equal(d.err, is_invalid ? STANZA_ERR_BAD_REQUEST : STANZA_ERR_SERVICE_UNAVAILABLE);
    }
}

static void check_that_it_is_expected(enum stanza_kind kind, enum stanza_type type, enum delivery_address address,
                                      enum delivery_account account, const struct delivery *d, void *ctx)
{
    bool is_listed = false;

    (void)kind, (void)type, (void)address, (void)account, (void)ctx;
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++)
        is_listed = is_listed || strcmp(expectations[i].rule, d->rule) == 0;
    assert_true(is_listed);
}

static void every_case_is_decided_by_a_numbered_row_that_is_tested(void **state)
{
    (void)state;
    for_each_case(check_that_it_is_expected, NULL);
}

static void check_the_answer(enum stanza_kind kind, enum stanza_type type, enum delivery_address address,
                             enum delivery_account account, const struct delivery *d, void *ctx)
{
    bool is_request = kind == STANZA_IQ && (type == TYPE_GET || type == TYPE_SET);

    (void)address, (void)account, (void)ctx;
    if (d->action == DELIVER_REFUSE)
        assert_true(type != TYPE_ERROR && type != TYPE_RESULT);
    if (is_request) /* RFC 6120 section 8.2.3: each gets an answer */
        assert_true(d->action != DELIVER_DROP);
    if (d->action == DELIVER_TO_OFFLINE)
        assert_true(kind == STANZA_MESSAGE && (type == TYPE_NORMAL || type == TYPE_CHAT));
}

static void errors_and_results_are_never_answered_and_requests_always(void **state)
{
    (void)state;
    for_each_case(check_the_answer, NULL);
}

/* What the sender sees: an error, or silence. Keeping a message is silence too, but fails where nothing can be kept. */
static bool sender_hears(const struct delivery *d)
{
    return d->action == DELIVER_REFUSE || d->action == DELIVER_TO_OFFLINE || d->action == DELIVER_TO_ACCOUNT;
}

static void without_offline_storage_an_absent_account_looks_like_one_that_does_not_exist(void **state)
{
    static const enum delivery_address addresses[] = {ADDRESS_BARE, ADDRESS_FULL_NO_MATCH};

    (void)state;
    for (int type = TYPE_ERROR; type <= TYPE_HEADLINE; type++) {
        for (size_t a = 0; a < ARRAY_LEN(addresses); a++) {
            struct delivery absent =
                delivery_decide(STANZA_MESSAGE, (enum stanza_type)type, addresses[a], ACCOUNT_NO_RESOURCE);
            struct delivery unknown =
                delivery_decide(STANZA_MESSAGE, (enum stanza_type)type, addresses[a], ACCOUNT_UNKNOWN);

            assert_int_equal(sender_hears(&absent), sender_hears(&unknown));
            assert_int_equal(absent.err, unknown.err);
        }
    }
}

/* ---- the document ---- */

enum { RULES_MAX = 64 };

struct rule_names {
    char names[RULES_MAX][4];
    size_t n;
};

static void add_name(struct rule_names *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strlen(r->names[i]) == len && memcmp(r->names[i], name, len) == 0)
            return;
    }
    assert_true(r->n < RULES_MAX && len < sizeof(r->names[0]));
    memcpy(r->names[r->n], name, len);
    r->names[r->n++][len] = '\0';
}

static void collect_name(enum stanza_kind kind, enum stanza_type type, enum delivery_address address,
                         enum delivery_account account, const struct delivery *d, void *ctx)
{
    (void)kind, (void)type, (void)address, (void)account;
    add_name(ctx, d->rule, strlen(d->rule));
}

/* Rows begin with "| M1 |". */
static void read_document(struct rule_names *r)
{
    FILE *f = fopen(LINNET_SOURCE_DIR "/docs/delivery-rules.md", "r");
    char line[1024];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        size_t digits = strspn(line + (strlen(line) > 3 ? 3 : 0), "0123456789");

        if (strncmp(line, "| ", 2) == 0 && strchr("MPQ", line[2]) != NULL && digits > 0)
            add_name(r, line + 2, 1 + digits);
    }
    fclose(f);
}

static void the_document_has_exactly_the_rows_of_the_table(void **state)
{
    static struct rule_names code, doc, both;

    (void)state;
    for_each_case(collect_name, &code);
    read_document(&doc);
    for (size_t i = 0; i < code.n; i++)
        add_name(&both, code.names[i], strlen(code.names[i]));
    for (size_t i = 0; i < doc.n; i++)
        add_name(&both, doc.names[i], strlen(doc.names[i]));
    assert_int_equal(code.n, 13 + 13 + 9);
    assert_int_equal(doc.n, code.n);
    assert_int_equal(both.n, code.n);
}

/* ---- what is worth keeping ---- */

static void check_offline(const char *xml, enum delivery_action expected)
{
    struct stanza *st = stanza_from_bytes(str_of(xml));

    assert_non_null(st);
    assert_int_equal(delivery_offline(st), expected);
    assert_int_equal(delivery_is_storable(st), expected == DELIVER_TO_OFFLINE);
    stanza_unref(&st);
}

/* A chat message from romeo to juliet with this content. */
#define CHAT(content)                                                                                                  \
    "<message xmlns='jabber:client' type='chat' from='romeo@a.example/x' to='juliet@b.example'>" content "</message>"
#define TYPED(type, content)                                                                                           \
    "<message xmlns='jabber:client' type='" type "' from='romeo@a.example/x' to='juliet@b.example'>" content           \
    "</message>"
#define COMPOSING "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
#define ACTIVE    "<active xmlns='http://jabber.org/protocol/chatstates'/>"
#define THREAD    "<thread>t1</thread>"
#define ORIGIN_ID "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>"
#define HINT(h)   "<" h " xmlns='urn:xmpp:hints'/>"
#define RECEIPT   "<received xmlns='urn:xmpp:receipts' id='7'/>"

static void chat_and_normal_messages_with_a_text_are_kept(void **state)
{
    (void)state;
    check_offline(CHAT("<body>hello</body>"), DELIVER_TO_OFFLINE);
    check_offline(CHAT("<body>hello</body>" ACTIVE THREAD), DELIVER_TO_OFFLINE);
    check_offline(TYPED("normal", "<body>hello</body>"), DELIVER_TO_OFFLINE);
    check_offline(TYPED("normal", "<subject>hello</subject>"), DELIVER_TO_OFFLINE);
    check_offline(TYPED("something", "<body>hello</body>"), DELIVER_TO_OFFLINE);
}

static void a_payload_without_a_text_is_kept(void **state)
{
    (void)state;
    check_offline(CHAT(RECEIPT), DELIVER_TO_OFFLINE);
    check_offline(CHAT("<displayed xmlns='urn:xmpp:chat-markers:0' id='7'/>" ORIGIN_ID), DELIVER_TO_OFFLINE);
    check_offline(CHAT("<encrypted xmlns='eu.siacs.conversations.axolotl'/>" ACTIVE), DELIVER_TO_OFFLINE);
}

static void chat_states_and_empty_messages_are_dropped_in_silence(void **state)
{
    (void)state;
    check_offline(CHAT(COMPOSING), DELIVER_DROP);
    check_offline(CHAT(COMPOSING THREAD ORIGIN_ID HINT("no-permanent-store")), DELIVER_DROP);
    check_offline(TYPED("normal", COMPOSING), DELIVER_DROP);
    check_offline(CHAT(""), DELIVER_DROP);
    check_offline(CHAT("<body/>"), DELIVER_DROP);
}

static void a_sender_who_forbids_keeping_is_told_when_a_text_was_not_delivered(void **state)
{
    (void)state;
    check_offline(CHAT("<body>secret</body>" HINT("no-store")), DELIVER_REFUSE);
    check_offline(CHAT("<body>secret</body>" HINT("no-store") HINT("store")), DELIVER_REFUSE);
    check_offline(CHAT(RECEIPT HINT("no-store")), DELIVER_DROP);
    check_offline(CHAT(COMPOSING HINT("no-store")), DELIVER_DROP);
}

static void what_may_not_be_kept_for_ever_may_wait_for_its_recipient(void **state)
{
    (void)state;
    check_offline(CHAT("<body>secret</body>" HINT("no-permanent-store")), DELIVER_TO_OFFLINE);
}

static void a_sender_may_ask_for_keeping(void **state)
{
    (void)state;
    check_offline(CHAT(COMPOSING HINT("store")), DELIVER_TO_OFFLINE);
    check_offline(TYPED("error", "<body>x</body>" HINT("store")), DELIVER_DROP);
}

#define COPY(content)                                                                                                  \
    CHAT("<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" CHAT(content) "</forwarded></"      \
                                                                                                 "sent>")

static void a_copy_is_worth_what_it_is_a_copy_of(void **state)
{
    (void)state;
    check_offline(COPY("<body>hello</body>"), DELIVER_TO_OFFLINE);
    check_offline(COPY(RECEIPT), DELIVER_TO_OFFLINE);
    check_offline(COPY(COMPOSING THREAD), DELIVER_DROP);
    check_offline(CHAT("<sent xmlns='urn:xmpp:carbons:2'/>"), DELIVER_TO_OFFLINE);
    /* One is looked into, and not how deep it goes. */
    check_offline(CHAT("<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" COPY(
                      COMPOSING) "</forwarded></sent>"),
                  DELIVER_TO_OFFLINE);
}

static void other_types_are_never_kept(void **state)
{
    (void)state;
    check_offline(TYPED("groupchat", "<body>hello</body>" HINT("store")), DELIVER_REFUSE);
    check_offline(TYPED("headline", "<body>news</body>" HINT("store")), DELIVER_DROP);
    check_offline(TYPED("error", "<body>hello</body>"), DELIVER_DROP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_treated_as_table_1_of_rfc_6121_permits),
        cmocka_unit_test(each_row_of_the_document_decides_its_cases),
        cmocka_unit_test(every_case_is_decided_by_a_numbered_row_that_is_tested),
        cmocka_unit_test(errors_and_results_are_never_answered_and_requests_always),
        cmocka_unit_test(without_offline_storage_an_absent_account_looks_like_one_that_does_not_exist),
        cmocka_unit_test(the_document_has_exactly_the_rows_of_the_table),
        cmocka_unit_test(chat_and_normal_messages_with_a_text_are_kept),
        cmocka_unit_test(a_payload_without_a_text_is_kept),
        cmocka_unit_test(chat_states_and_empty_messages_are_dropped_in_silence),
        cmocka_unit_test(a_sender_who_forbids_keeping_is_told_when_a_text_was_not_delivered),
        cmocka_unit_test(what_may_not_be_kept_for_ever_may_wait_for_its_recipient),
        cmocka_unit_test(a_sender_may_ask_for_keeping),
        cmocka_unit_test(a_copy_is_worth_what_it_is_a_copy_of),
        cmocka_unit_test(other_types_are_never_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
