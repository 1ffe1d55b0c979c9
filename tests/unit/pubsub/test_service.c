/* A service that no account owns: the same code, with another owner. */
#include "tests/unit/im/fake_server.h"

#include "server/im/batch.h"
#include "server/pubsub/request.h"

/* ---- played: what the service needs beside the fake server ---- */

void batch_storage_begin(struct worker *w, size_t bytes)
{
    (void)w, (void)bytes;
}
void batch_storage_settled(struct worker *w, size_t bytes)
{
    (void)w, (void)bytes;
}
void router_route_to(struct worker *w, struct stanza *st, const struct jid *to)
{
    assert_ptr_equal(w, fake.worker);
    stanza_write(&fake.routed, st, to->full);
}
uint64_t worker_next_id(struct worker *w)
{
    return ++w->last_id;
}
struct str random_hex(char *out, size_t n)
{
    memset(out, 'f', 2 * n);
    out[2 * n] = '\0';
    return str_make(out, 2 * n);
}

/* ---- the owner: a domain where everybody may make nodes ---- */

static struct {
    struct pubsub_service *service;
    unsigned pins;
    unsigned n_changes;
    unsigned n_broadcasts;
} owner;

static void relate(const struct pubsub_service *sv, struct str bare, const struct node_config *config,
                   struct relation *ret)
{
    (void)sv, (void)bare, (void)config;
    ret->sees_presence = true; /* nobody is a stranger to a public service */
}
static bool may_create(const struct pubsub_service *sv, struct str bare)
{
    (void)sv, (void)bare;
    return true;
}
static struct node_config profile(struct str node)
{
    (void)node;
    return node_config_generic();
}
static void prepare(const struct pubsub_service *sv, struct storage_txn *t, bool is_first)
{
    (void)sv, (void)t, (void)is_first;
}
static bool is_kept_from(const struct pubsub_service *sv, const struct jid *to)
{
    (void)sv;
    return str_is(jid_domain(to), "blocked.example");
}
static void broadcast(struct pubsub_service *sv, const struct pubsub_node *node, struct stanza *event)
{
    (void)sv, (void)node;
    assert_true(event->is_filtered);
    owner.n_broadcasts++;
}
static void changed(struct pubsub_service *sv, const struct node_change *change)
{
    (void)sv, (void)change;
    owner.n_changes++;
}
static void pin(struct pubsub_service *sv)
{
    (void)sv;
    owner.pins++;
}
static void unpin(struct pubsub_service *sv)
{
    (void)sv;
    assert_true(owner.pins > 0);
    owner.pins--;
}

static const struct pubsub_owner domain = {relate,    may_create, profile, prepare, is_kept_from,
                                           broadcast, changed,    pin,     unpin};

static enum iq_verdict on_request(struct iq *iq)
{
    return pubsub_request(owner.service, iq);
}

static const struct module module_service = {
    .name = "service",
    .iq = {{IQ_GET_OR_SET, NS_PUBSUB, "pubsub", IQ_TO_HOST, on_request},
           {IQ_GET_OR_SET, NS_PUBSUB_OWNER, "pubsub", IQ_TO_HOST, on_request}},
};

static struct jid address;

static void make_service(bool has_nodes)
{
    address = jid_view(fake.host.name);
    owner.service = pubsub_service_new(fake.worker, &address, &domain, NULL, has_nodes);
}

static int start(void **state)
{
    static const struct module *const table[] = {&module_service, NULL};
    static const char *const names[] = {"service"};

    (void)fake_start(state);
    fake.host.modules = (struct config_list){1, names};
    fake.config.limits.pubsub_nodes = 2;
    fake.config.limits.pubsub_items = 3;
    fake.config.limits.pubsub_item_bytes = 1000;
    fake.config.limits.pubsub_node_bytes = 2000;
    fake.config.limits.pubsub_affiliates = 2;
    fake.config.limits.pubsub_cache_bytes = 100000;
    fake.config.limits.out_queue_bytes = 4000;
    hooks_start(table, &fake.server);
    pubsub_start(&fake.server);
    memset(&owner, 0, sizeof(owner));
    make_service(false);
    return 0;
}

static int stop(void **state)
{
    assert_int_equal(owner.pins, 0);
    assert_null(owner.service->first);
    pubsub_service_free(&owner.service);
    return fake_stop(state);
}

/* ---- asking ---- */

#define SET(inside)  "<iq type='set' id='1' to='h.example'><pubsub xmlns='" NS_PUBSUB "'>" inside "</pubsub></iq>"
#define GET(inside)  "<iq type='get' id='1' to='h.example'><pubsub xmlns='" NS_PUBSUB "'>" inside "</pubsub></iq>"
#define OSET(inside) "<iq type='set' id='1' to='h.example'><pubsub xmlns='" NS_PUBSUB_OWNER "'>" inside "</pubsub></iq>"
#define ITEM(id)     "<publish node='n'><item id='" id "'><x xmlns='urn:x'/></item></publish>"

static void ask(const char *xml)
{
    fake_ask(&fake.session, IQ_TO_HOST, xml);
}

static void expect(const char *part)
{
    buf_append_char(&fake.session.out, '\0');
    if (strstr(fake.session.out.p, part) == NULL)
        fail_msg("there is no %s in %s", part, fake.session.out.p);
    buf_clear(&fake.session.out);
}

/* So many answers of the storage, then this one. */
static void ask_and_expect(const char *xml, unsigned answers, const char *part)
{
    ask(xml);
    fake_run(answers);
    expect(part);
}

static void expect_routed(const char *part)
{
    buf_append_char(&fake.routed, '\0');
    if (strstr(fake.routed.p, part) == NULL)
        fail_msg("there is no %s in %s", part, fake.routed.p);
    buf_clear(&fake.routed);
}

/* From juliet@far.example/balcony, whose answer is routed. */
static void ask_from_afar(const char *xml, unsigned answers, const char *part)
{
    fake_ask(NULL, IQ_TO_HOST, xml);
    fake_run(answers);
    expect_routed(part);
}

/* ---- stories ---- */

static void who_makes_a_node_owns_it(void **state)
{
    (void)state;
    ask_and_expect(SET("<create node='n'/>"), 1, "type='result'");
    ask_and_expect(SET(ITEM("a")), 1, "<item id='a'/>");
    assert_int_equal(owner.n_changes, 1);
    assert_int_equal(owner.n_broadcasts, 1);
    ask_from_afar(SET(ITEM("b")), 0, "<forbidden");
    ask_from_afar(OSET("<delete node='n'/>"), 0, "<forbidden");
    ask_from_afar(GET("<items node='n'/>"), 0, "<item id='a' publisher='romeo@h.example'><x xmlns='urn:x'/></item>");
    ask_and_expect(
        OSET("<affiliations node='n'><affiliation jid='romeo@h.example' affiliation='none'/></affiliations>"), 1,
        "<affiliation jid='romeo@h.example' affiliation='owner'/>"); /* the last one */
    ask_and_expect(OSET("<delete node='n'/>"), 1, "type='result'");
    ask_and_expect(GET("<items node='n'/>"), 0, "<item-not-found");
}

static void subscribers_elsewhere_are_sent_events(void **state)
{
    (void)state;
    ask_and_expect(SET("<create node='n'/>"), 1, "type='result'");
    ask_and_expect(SET(ITEM("a")), 1, "<item id='a'/>");
    fake_ask(NULL, IQ_TO_HOST, SET("<subscribe node='n' jid='juliet@far.example'/>"));
    fake_run(1);
    buf_append_char(&fake.routed, '\0');
    /* The last item, and that it is subscribed. */
    assert_non_null(strstr(fake.routed.p, "<delay"));
    assert_non_null(strstr(fake.routed.p, "subscription='subscribed'"));
    buf_clear(&fake.routed);
    ask_and_expect(SET(ITEM("b")), 1, "<item id='b'/>");
    expect_routed("to='juliet@far.example'");
    ask_and_expect(
        OSET("<affiliations node='n'><affiliation jid='juliet@far.example' affiliation='outcast'/></affiliations>"), 1,
        "type='result'");
    expect_routed("subscription='none'");
    ask_and_expect(SET(ITEM("c")), 1, "<item id='c'/>");
    assert_int_equal(fake.routed.len, 0);
    ask_and_expect(OSET("<subscriptions node='n'><subscription jid='tybalt@blocked.example' "
                        "subscription='subscribed'/></subscriptions>"),
                   1, "type='result'");
    buf_clear(&fake.routed);
    ask_and_expect(SET(ITEM("d")), 1, "<item id='d'/>");
    assert_int_equal(fake.routed.len, 0);
}

static void what_waits_is_carried_out_in_order(void **state)
{
    (void)state;
    ask(SET("<create node='n'/>"));
    ask(SET(ITEM("a")));
    ask(GET("<items node='n'/>"));
    ask(SET("<retract node='n'><item id='a'/></retract>"));
    ask(GET("<items node='n'/>"));
    assert_int_equal(fake.session.out.len, 0);
    fake_run(3);
    buf_append_char(&fake.session.out, '\0');
    const char *first = strstr(fake.session.out.p, "<item id='a'><x xmlns='urn:x'/></item>");

    if (first == NULL)
        first = strstr(fake.session.out.p, "<x xmlns='urn:x'/>");
    assert_non_null(first);
    assert_null(strstr(first + 1, "<x xmlns='urn:x'/>"));
    assert_int_equal(fake.session.n_stanzas, 5);
    buf_clear(&fake.session.out);
}

static void limits_are_kept(void **state)
{
    (void)state;
    ask_and_expect(SET("<create node='n'/>"), 1, "type='result'");
    for (const char *id = "abcd"; *id != '\0'; id++) {
        struct buf b = {0};

        buf_printf(&b, SET("<publish node='n'><item id='%c'><x xmlns='urn:x'/></item></publish>"), *id);
        buf_append_char(&b, '\0');
        ask_and_expect(b.p, 1, "type='result'");
        buf_deinit(&b);
    }
    ask_and_expect(GET("<items node='n' max_items='9'/>"), 0, "<item id='b'");
    ask_and_expect(GET("<items node='n'><item id='a'/></items>"), 0, "<items node='n'/>");
    ask_and_expect(SET("<create node='m'/>"), 1, "type='result'");
    ask_and_expect(SET("<create node='o'/>"), 0, "<resource-constraint");
    ask_and_expect(SET("<publish node='o'><item><x xmlns='urn:x'/></item></publish>"), 0, "<resource-constraint");
    char large[1500];
    struct buf b = {0};

    memset(large, 'x', sizeof(large));
    buf_printf(&b, SET("<publish node='n'><item><x xmlns='urn:x'>%.*s</x></item></publish>"), 1100, large);
    buf_append_char(&b, '\0');
    ask_and_expect(b.p, 0, "<payload-too-big");
    /* Each small enough, too large together. */
    for (unsigned i = 0; i < 3; i++) {
        buf_clear(&b);
        buf_printf(&b, SET("<publish node='m'><item id='%u'><x xmlns='urn:x'>%.*s</x></item></publish>"), i, 900,
                   large);
        buf_append_char(&b, '\0');
        ask_and_expect(b.p, i < 2, i < 2 ? "type='result'" : "<node-full");
    }
    /* More than is sent in one go is sent in pages. */
    ask_and_expect(GET("<items node='m'/>"), 0, "<count>2</count>");
    buf_deinit(&b);
}

static void all_is_read_again_when_it_is_needed(void **state)
{
    (void)state;
    ask_and_expect(SET("<create node='n'/>"), 1, "type='result'");
    ask_and_expect(SET(ITEM("a")), 1, "type='result'");
    ask_and_expect(SET(ITEM("b")), 1, "type='result'");
    pubsub_service_free(&owner.service);
    make_service(true);
    ask_and_expect(GET("<items node='n'/>"), 2,
                   "<item id='a' publisher='romeo@h.example'><x xmlns='urn:x'/></item><item id='b'");
    /* In memory now. */
    ask_and_expect(GET("<items node='n'/>"), 0, "<item id='a'");
    /* Nothing stays that need not. */
    fake.config.limits.pubsub_cache_bytes = 0;
    ask_and_expect(GET("<items node='n'/>"), 0, "<item id='a'");
    ask_and_expect(GET("<items node='n'/>"), 1, "<item id='a'");
    ask_and_expect(SET(ITEM("c")), 2, "type='result'");
    ask_and_expect(GET("<items node='n'/>"), 1, "<item id='c'");
}

static void a_service_that_is_cleared_begins_anew(void **state)
{
    (void)state;
    ask_and_expect(SET("<create node='n'/>"), 1, "type='result'");
    ask(SET(ITEM("a")));
    pubsub_service_clear(owner.service);
    fake_run(1); /* committed, but there is nothing any more that it could be told of */
    expect("type='result'");
    assert_int_equal(owner.n_broadcasts, 0);
    ask_and_expect(GET("<items node='n'/>"), 0, "<item-not-found");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        T(who_makes_a_node_owns_it), T(subscribers_elsewhere_are_sent_events), T(what_waits_is_carried_out_in_order),
        T(limits_are_kept),          T(all_is_read_again_when_it_is_needed),   T(a_service_that_is_cleared_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
