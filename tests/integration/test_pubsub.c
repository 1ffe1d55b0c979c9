/* tests/integration/test_pubsub.c - XEP-0060 on an account: what its use cases ask for, and how they are refused. */
#include "pep.h"

#define NS     "http://jabber.org/protocol/pubsub"
#define OWNER  NS "#owner"
#define ERRORS NS "#errors"
#define NODE   "princely_musings"
#define ENTRY  "<entry xmlns='http://www.w3.org/2005/Atom'><title>Soliloquy</title></entry>"
#define FORM(kind, fields)                                                                                             \
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" NS "#" kind                  \
    "</value></field>" fields "</x>"
#define FIELD(name, value) "<field var='pubsub#" name "'><value>" value "</value></field>"

static const struct node *get(struct client *c, const char *to, const char *what)
{
    return client_request(c, "get", to, "<pubsub xmlns='" NS "'>%s</pubsub>", what);
}
static const struct node *set(struct client *c, const char *to, const char *what)
{
    return client_request(c, "set", to, "<pubsub xmlns='" NS "'>%s</pubsub>", what);
}
static const struct node *owner_get(struct client *c, const char *to, const char *what)
{
    return client_request(c, "get", to, "<pubsub xmlns='" OWNER "'>%s</pubsub>", what);
}
static const struct node *owner_set(struct client *c, const char *to, const char *what)
{
    return client_request(c, "set", to, "<pubsub xmlns='" OWNER "'>%s</pubsub>", what);
}

#define expect_answer(answer, path) expect_answer_(__FILE__, __LINE__, answer, path)
static void expect_answer_(const char *file, int line, const struct node *answer, const char *path)
{
    if (!node_matches(answer, path))
        test_fail_at(file, line, "this is not %s: %s", path, node_describe(answer));
}
#define expect_done(answer)                         expect_answer(answer, "iq[@type='result']")
/* `condition` NULL: none of pubsub's own. */
#define expect_error(answer, type, name, condition) expect_error_(__FILE__, __LINE__, answer, type, name, condition)
static void expect_error_(const char *file, int line, const struct node *answer, const char *type, const char *name,
                          const char *condition)
{
    char *path = text_format("iq[@type='error']/error[@type='%s'][%s]%s%s%s", type, name, condition == NULL ? "" : "[",
                             condition == NULL ? "" : condition, condition == NULL ? "" : "]");

    expect_answer_(file, line, answer, path);
    if (condition == NULL && node_find(answer, "iq/error/*[@xmlns='" ERRORS "']") != NULL)
        test_fail_at(file, line, "there is a condition: %s", node_describe(answer));
    free(path);
}

static void create(struct client *c, const char *fields)
{
    char *what = text_format("<create node='" NODE "'/><configure><x xmlns='jabber:x:data' type='submit'>"
                             "<field var='FORM_TYPE' type='hidden'><value>" NS "#node_config</value></field>%s</x>"
                             "</configure>",
                             fields);

    expect_done(set(c, NULL, what));
    free(what);
}

static void publish(struct client *c, const char *id)
{
    char *what = text_format("<publish node='" NODE "'><item id='%s'>" ENTRY "</item></publish>", id);

    expect_done(set(c, NULL, what));
    free(what);
}

/* The ids of the items, in the order they are given in, with a space behind each. */
static char *ids_in(const struct node *answer)
{
    const struct node *items = node_find(answer, "iq/pubsub/items");
    char *ids = strdup("");

    for (const struct node *e = items == NULL ? NULL : items->child; e != NULL; e = e->next) {
        char *more = text_format("%s%s ", ids, node_attr(e, "id"));

        free(ids);
        ids = more;
    }
    return ids;
}

#define expect_ids(answer, expected) expect_ids_(__FILE__, __LINE__, answer, expected)
static void expect_ids_(const char *file, int line, const struct node *answer, const char *expected)
{
    char *ids = ids_in(answer);

    if (strcmp(ids, expected) != 0)
        test_fail_at(file, line, "the items are %snot %s", ids, expected);
    free(ids);
}

/* `fmt` again and again, with a number. */
static __attribute__((format(printf, 1, 0))) char *many(const char *fmt, unsigned n)
{
    char *all = strdup("");
    size_t len = 0, cap = 0;

    for (unsigned i = 0; i < n; i++) {
        char *one = text_format(fmt, i);
        size_t one_len = strlen(one);

        if (len + one_len >= cap)
            all = realloc(all, cap = 2 * (len + one_len) + 1);
        memcpy(all + len, one, one_len + 1);
        len += one_len;
        free(one);
    }
    return all;
}

/* ---- 5: discovery ---- */

static void an_account_is_discovered_as_a_service_with_nodes(void **state)
{
    static const char *const features[] = {"auto-create",
                                           "auto-subscribe",
                                           "access-presence",
                                           "config-node",
                                           "publish-options",
                                           "persistent-items",
                                           "retrieve-items",
                                           "pubsub-on-a-jid",
                                           "filtered-notifications",
                                           "config-node-max",
                                           "last-published",
                                           "multi-items",
                                           "delete-items",
                                           "retrieve-affiliations",
                                           "retrieve-subscriptions",
                                           "subscription-notifications",
                                           "create-and-configure",
                                           "instant-nodes",
                                           "publish",
                                           "purge-nodes"};
    struct client *c = harness_login(*state);
    const struct node *info =
        client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info'/>");

    expect_answer(info, "iq/query/identity[@category='account'][@type='registered']");
    expect_answer(info, "iq/query/identity[@category='pubsub'][@type='pep']");
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        char *path = text_format("iq/query/feature[@var='" NS "#%s']", features[i]);

        expect_answer(info, path);
        free(path);
    }
    create(c, FIELD("title", "Princely Musings"));
    publish(c, "a");
    expect_answer(client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
                  "iq/query/item[@node='" NODE "'][@name='Princely Musings'][@jid]");
    info = client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info' node='" NODE "'/>");
    expect_answer(info, "iq/query[@node='" NODE "']/identity[@category='pubsub'][@type='leaf']");
    expect_answer(info, "iq/query/x/field[@var='FORM_TYPE']/value[.='" NS "#meta-data']");
    expect_answer(info, "iq/query/x/field[@var='pubsub#title']/value[.='Princely Musings']");
    expect_answer(info, "iq/query/x/field[@var='pubsub#creation_date']/value");
    expect_answer(
        client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#items' node='" NODE "'/>"),
        "iq/query[@node='" NODE "']/item[@name='a'][not(@node)]");
    expect_error(client_request(c, "get", c->bare,
                                "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:example:none'/>"),
                 "cancel", "item-not-found", NULL);
}

/* What a node is about, and who publishes there, is not for contacts who may not read it. */
static void a_closed_node_is_described_to_nobody_else(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);
    const char *ask = "<query xmlns='http://jabber.org/protocol/disco#info' node='" NODE "'/>";

    client_befriend(juliet, romeo);
    create(juliet, FIELD("access_model", "whitelist") FIELD("title", "Of Paris"));
    expect_error(client_request(romeo, "get", juliet->bare, "%s", ask), "cancel", "not-allowed", "closed-node");
    expect_done(client_request(juliet, "get", juliet->bare, "%s", ask));
    expect_done(owner_set(juliet, NULL,
                          "<configure node='" NODE
                          "'>" FORM("node_config", FIELD("access_model", "authorize")) "</configure>"));
    expect_done(client_request(romeo, "get", juliet->bare, "%s", ask));
}

/* ---- 8.1, 8.2, 8.3: create, configure, defaults ---- */

static void a_node_is_created_once_and_with_a_configuration_or_without_a_name(void **state)
{
    struct client *c = harness_login(*state);

    expect_done(set(c, NULL, "<create node='" NODE "'/>"));
    expect_error(set(c, NULL, "<create node='" NODE "'/>"), "cancel", "conflict", NULL);
    expect_answer(set(c, NULL, "<create/>"), "iq[@type='result']/pubsub/create[@node]");
    expect_error(
        set(c, NULL, "<create node='n'/><configure>" FORM("node_config", FIELD("access_model", "pay")) "</configure>"),
        "modify", "not-acceptable", "unsupported-access-model");
    expect_error(set(c, NULL, "<create node='n'/><configure node='n'>" FORM("node_config", "") "</configure>"),
                 "modify", "bad-request", NULL);
    expect_error(set(c, NULL, "<configure>" FORM("node_config", "") "</configure><create node='n'/>"), "modify",
                 "bad-request", NULL);
    expect_error(
        set(c, NULL, "<create node='n'/><configure>" FORM("node_config", FIELD("max_items", "some")) "</configure>"),
        "modify", "not-acceptable", NULL);
    expect_error(owner_get(c, NULL, "<configure node='n'/>"), "cancel", "item-not-found", NULL);
}

static void a_node_is_configured_by_a_form(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *form;

    create(c, FIELD("access_model", "open"));
    form = owner_get(c, NULL, "<configure node='" NODE "'/>");
    expect_answer(form, "iq[@type='result']/pubsub[@xmlns='" OWNER "']/configure[@node='" NODE
                        "']/x[@type='form']/field[@var='pubsub#access_model'][@type='list-single'][@label][option/value"
                        "[.='whitelist']]/value[.='open']");
    expect_answer(form, "iq/pubsub/configure/x/field[@var='pubsub#max_items']/value[.='1']");
    expect_done(owner_set(c, NULL,
                          "<configure node='" NODE
                          "'>" FORM("node_config", FIELD("max_items", "max") FIELD("access_model", "whitelist")
                                                       FIELD("node_type", "leaf")
                                                           FIELD("body_xslt", "http://example.net/")) "</configure>"));
    form = owner_get(c, NULL, "<configure node='" NODE "'/>");
    expect_answer(form, "iq/pubsub/configure/x/field[@var='pubsub#max_items']/value[.='max']");
    expect_answer(form, "iq/pubsub/configure/x/field[@var='pubsub#access_model']/value[.='whitelist']");
    expect_error(owner_set(c, NULL,
                           "<configure node='" NODE
                           "'>" FORM("node_config", FIELD("persist_items", "2")) "</configure>"),
                 "modify", "not-acceptable", NULL);
    expect_error(owner_set(c, NULL, "<configure node='" NODE "'/>"), "modify", "bad-request", NULL);
    expect_error(owner_set(c, NULL, "<configure/>"), "modify", "bad-request", "nodeid-required");
    expect_done(owner_set(c, NULL, "<configure node='" NODE "'><x xmlns='jabber:x:data' type='cancel'/></configure>"));
    form = owner_get(c, NULL, "<default/>");
    expect_answer(
        form, "iq[@type='result']/pubsub/default[not(@node)]/x/field[@var='pubsub#access_model']/value[.='presence']");
    expect_answer(form,
                  "iq/pubsub/default/x/field[@var='pubsub#send_last_published_item']/value[.='on_sub_and_presence']");
    expect_error(get(c, NULL, "<default/>"), "cancel", "feature-not-implemented",
                 "unsupported[@feature='retrieve-default-sub']");
    expect_error(get(c, NULL, "<options node='" NODE "' jid='a@b'/>"), "cancel", "feature-not-implemented",
                 "unsupported[@feature='subscription-options']");
}

/* ---- 7.1: publish ---- */

static void what_is_published_is_retrieved(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *answer;

    create(c, FIELD("max_items", "max"));
    publish(c, "a");
    publish(c, "b");
    answer = set(c, NULL, "<publish node='" NODE "'><item>" ENTRY "</item></publish>");
    expect_answer(answer, "iq[@type='result']/pubsub/publish[@node='" NODE "']/item[@id]");
    char *all = text_format("a b %s ", node_attr(node_find(answer, "iq/pubsub/publish/item"), "id"));

    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), all);
    free(all);
    expect_answer(get(c, NULL, "<items node='" NODE "'><item id='a'/></items>"),
                  "iq/pubsub/items[@node='" NODE
                  "']/item[@id='a']/entry[@xmlns='http://www.w3.org/2005/Atom']/title[.='Soliloquy']");
    expect_ids(get(c, NULL, "<items node='" NODE "'><item id='b'/><item id='none'/><item id='a'/></items>"), "b a ");
    /* Publishing again is modifying, and what was modified is the newest. */
    publish(c, "a");
    expect_ids(get(c, NULL, "<items node='" NODE "' max_items='1'/>"), "a ");
    expect_ids(get(c, NULL, "<items node='" NODE "'><item id='none'/></items>"), "");
    expect_error(get(c, NULL, "<items node='none'/>"), "cancel", "item-not-found", NULL);
    expect_error(get(c, NULL, "<items/>"), "modify", "bad-request", "nodeid-required");
    expect_error(get(c, NULL, "<items node='" NODE "' max_items='few'/>"), "modify", "bad-request", NULL);
}

static void what_does_not_fit_the_node_is_refused(void **state)
{
    struct client *c = harness_login(*state);

    create(c, FIELD("max_items", "2") FIELD("max_payload_size", "100"));
    expect_error(set(c, NULL, "<publish node='" NODE "'/>"), "modify", "bad-request", "item-required");
    expect_error(set(c, NULL, "<publish node='" NODE "'><item id='a'/></publish>"), "modify", "bad-request",
                 "payload-required");
    expect_error(set(c, NULL, "<publish node='" NODE "'><item id='a'><x xmlns='a'/><y xmlns='b'/></item></publish>"),
                 "modify", "bad-request", "invalid-payload");
    expect_error(set(c, NULL, "<publish node='" NODE "'><item id='a'>text</item></publish>"), "modify", "bad-request",
                 "invalid-payload");
    expect_error(set(c, NULL,
                     "<publish node='" NODE
                     "'><item><x xmlns='urn:example:a-namespace-that-is-long-enough-to-fill-what-there-is-"
                     "room-for-in-an-item-of-this-node'/></item></publish>"),
                 "modify", "not-acceptable", "payload-too-big");
    expect_error(set(c, NULL, "<publish><item>" ENTRY "</item></publish>"), "modify", "bad-request", "nodeid-required");
    expect_error(set(c, NULL,
                     "<publish node='" NODE "'><item id='a'><x xmlns='a'/></item><item id='b'><x xmlns='a'/></item>"
                     "<item id='c'><x xmlns='a'/></item></publish>"),
                 "cancel", "not-allowed", "max-items-exceeded");
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "");
    expect_done(set(c, NULL,
                    "<publish node='" NODE
                    "'><item id='a'><x xmlns='a'/></item><item id='b'><x xmlns='a'/></item></publish>"));
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "a b ");
    expect_error(set(c, NULL, "<nonsense node='" NODE "'/>"), "modify", "bad-request", NULL);
}

static void the_oldest_items_make_room_or_the_new_one_is_refused(void **state)
{
    struct client *c = harness_login(*state);

    create(c, FIELD("max_items", "2"));
    publish(c, "a");
    publish(c, "b");
    publish(c, "c");
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "b c ");
    publish(c, "b");
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "c b ");
    expect_done(owner_set(c, NULL,
                          "<configure node='" NODE
                          "'>" FORM("node_config", FIELD("publish_node_full", "reject")) "</configure>"));
    expect_error(set(c, NULL, "<publish node='" NODE "'><item id='d'>" ENTRY "</item></publish>"), "cancel", "conflict",
                 "node-full");
    publish(c, "c");
    expect_done(
        owner_set(c, NULL, "<configure node='" NODE "'>" FORM("node_config", FIELD("max_items", "1")) "</configure>"));
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "c ");
}

static void transient_nodes_keep_nothing(void **state)
{
    struct client *c = harness_login(*state);

    create(c, FIELD("persist_items", "0"));
    publish(c, "a");
    expect_error(get(c, NULL, "<items node='" NODE "'/>"), "cancel", "feature-not-implemented",
                 "unsupported[@feature='persistent-items']");
    expect_error(set(c, NULL, "<retract node='" NODE "'><item id='a'/></retract>"), "cancel", "feature-not-implemented",
                 "unsupported[@feature='persistent-items']");
    expect_error(owner_set(c, NULL, "<purge node='" NODE "'/>"), "cancel", "feature-not-implemented",
                 "unsupported[@feature='persistent-items']");
    expect_done(owner_set(
        c, NULL, "<configure node='" NODE "'>" FORM("node_config", FIELD("deliver_payloads", "0")) "</configure>"));
    expect_error(set(c, NULL, "<publish node='" NODE "'><item id='a'>" ENTRY "</item></publish>"), "modify",
                 "bad-request", "item-forbidden");
    expect_done(set(c, NULL, "<publish node='" NODE "'/>"));
}

static void items_expire(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *answer;

    create(c, FIELD("max_items", "max") FIELD("item_expire", "1"));
    publish(c, "a");
    /* Asked again and again: the answer changes when the time has come. */
    do
        answer = get(c, NULL, "<items node='" NODE "'/>");
    while (node_find(answer, "iq/pubsub/items/item") != NULL);
    publish(c, "b");
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "b ");
}

/* ---- 7.1.5: options ---- */

#define WITH_OPTIONS(node, fields)                                                                                     \
    "<publish node='" node "'><item id='current'><x xmlns='urn:example:x'/></item></publish><publish-options>" FORM(   \
        "publish-options", fields) "</publish-options>"

static void options_configure_a_node_that_is_made_and_are_conditions_for_one_that_is_there(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *form;

    expect_done(set(c, NULL,
                    WITH_OPTIONS("urn:example:n",
                                 FIELD("access_model", "whitelist") FIELD("max_items", "max")
                                     FIELD("persist_items", "true") FIELD("send_last_published_item", "never"))));
    form = owner_get(c, NULL, "<configure node='urn:example:n'/>");
    expect_answer(form, "iq/pubsub/configure/x/field[@var='pubsub#access_model']/value[.='whitelist']");
    expect_answer(form, "iq/pubsub/configure/x/field[@var='pubsub#send_last_published_item']/value[.='never']");
    expect_done(set(c, NULL, WITH_OPTIONS("urn:example:n", FIELD("access_model", "whitelist"))));
    /* As many as the server allows is "max", too. */
    expect_done(set(c, NULL, WITH_OPTIONS("urn:example:n", FIELD("max_items", "10000"))));
    expect_error(set(c, NULL, WITH_OPTIONS("urn:example:n", FIELD("access_model", "open"))), "cancel", "conflict",
                 "precondition-not-met");
    expect_error(set(c, NULL, WITH_OPTIONS("urn:example:n", FIELD("max_items", "1"))), "cancel", "conflict",
                 "precondition-not-met");
    expect_error(set(c, NULL, WITH_OPTIONS("urn:example:n", FIELD("no_such_field", "1"))), "cancel", "conflict",
                 "precondition-not-met");
    expect_error(set(c, NULL, WITH_OPTIONS("urn:example:m", FIELD("no_such_field", "1"))), "cancel", "conflict",
                 "precondition-not-met");
    expect_error(set(c, NULL,
                     "<publish node='urn:example:m'><item id='a'>" ENTRY
                     "</item></publish><publish-options>" FORM("node_config", "") "</publish-options>"),
                 "modify", "bad-request", NULL);
    expect_error(get(c, NULL, "<items node='urn:example:m'/>"), "cancel", "item-not-found", NULL);
}

/* The form as it came, but for who may read: what clients of OMEMO send when the options are not met. */
static char *form_with_access(const struct node *answer, const char *access)
{
    const struct node *x = node_find(answer, "iq/pubsub/configure/x");
    char *fields = strdup("");

    for (const struct node *f = x == NULL ? NULL : x->child; f != NULL; f = f->next) {
        const char *var = node_attr(f, "var");

        if (var == NULL)
            continue;
        for (const struct node *v = f->child; v != NULL; v = v->next) {
            bool is_access = strcmp(var, "pubsub#access_model") == 0;
            const char *value = is_access ? access : v->text == NULL ? "" : v->text;
            char *more;

            if (strcmp(v->name, "value") != 0)
                continue;
            more = text_format("%s<field var='%s'><value>%s</value></field>", fields, var, value);
            free(fields);
            fields = more;
        }
    }
    return fields;
}

static void a_client_mends_the_configuration_that_does_not_meet_its_options(void **state)
{
    struct client *c = harness_login(*state);
    const char *publication =
        WITH_OPTIONS("urn:example:list", FIELD("persist_items", "true") FIELD("access_model", "open"));
    const struct node *form;
    char *fields, *what;

    expect_done(set(c, NULL, "<publish node='urn:example:list'><item id='current'>" ENTRY "</item></publish>"));
    expect_error(set(c, NULL, publication), "cancel", "conflict", "precondition-not-met");
    form = owner_get(c, NULL, "<configure node='urn:example:list'/>");
    expect_answer(form, "iq[@type='result']/pubsub/configure/x[@type='form']/field[@var='pubsub#access_model']"
                        "/value[.='presence']");
    fields = form_with_access(form, "open");
    what = text_format("<configure node='urn:example:list'><x xmlns='jabber:x:data' type='submit'>%s</x></configure>",
                       fields);
    expect_done(owner_set(c, NULL, what));
    expect_done(set(c, NULL, publication));
    expect_answer(owner_get(c, NULL, "<configure node='urn:example:list'/>"),
                  "iq/pubsub/configure/x/field[@var='pubsub#access_model']/value[.='open']");
    free(what);
    free(fields);
}

/* What the first client did without options is not held against the second, who wants what the specification wants. */
static void a_well_known_node_begins_as_its_specification_wants_it(void **state)
{
    struct client *c = harness_login(*state);

    expect_done(set(c, NULL,
                    "<publish node='eu.siacs.conversations.axolotl.devicelist'><item id='current'>"
                    "<list xmlns='eu.siacs.conversations.axolotl'/></item></publish>"));
    expect_done(set(c, NULL,
                    WITH_OPTIONS("eu.siacs.conversations.axolotl.devicelist",
                                 FIELD("persist_items", "true") FIELD("access_model", "open"))));
    expect_done(set(c, NULL,
                    "<publish node='urn:xmpp:bookmarks:1'><item id='a@b.example'>"
                    "<conference xmlns='urn:xmpp:bookmarks:1'/></item></publish>"));
    expect_done(set(c, NULL,
                    WITH_OPTIONS("urn:xmpp:bookmarks:1",
                                 FIELD("persist_items", "true") FIELD("max_items", "max")
                                     FIELD("send_last_published_item", "never") FIELD("access_model", "whitelist"))));
}

/* ---- 7.2, 8.4, 8.5: retract, delete, purge ---- */

static void items_and_nodes_go(void **state)
{
    struct client *c = harness_login(*state);

    create(c, FIELD("max_items", "max"));
    publish(c, "a");
    publish(c, "b");
    publish(c, "c");
    expect_done(set(c, NULL, "<retract node='" NODE "' notify='true'><item id='b'/></retract>"));
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "a c ");
    expect_error(set(c, NULL, "<retract node='" NODE "'><item id='b'/></retract>"), "cancel", "item-not-found", NULL);
    expect_error(set(c, NULL, "<retract node='" NODE "'><item id='a'/><item id='b'/></retract>"), "cancel",
                 "item-not-found", NULL);
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "a c ");
    expect_error(set(c, NULL, "<retract node='" NODE "'/>"), "modify", "bad-request", "item-required");
    expect_error(set(c, NULL, "<retract node='" NODE "'><item/></retract>"), "modify", "bad-request", "item-required");
    expect_error(set(c, NULL, "<retract><item id='a'/></retract>"), "modify", "bad-request", "nodeid-required");
    expect_error(set(c, NULL, "<retract node='none'><item id='a'/></retract>"), "cancel", "item-not-found", NULL);
    expect_done(owner_set(c, NULL, "<purge node='" NODE "'/>"));
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "");
    publish(c, "d");
    expect_done(owner_set(c, NULL, "<delete node='" NODE "'/>"));
    expect_error(get(c, NULL, "<items node='" NODE "'/>"), "cancel", "item-not-found", NULL);
    expect_error(owner_set(c, NULL, "<delete node='" NODE "'/>"), "cancel", "item-not-found", NULL);
    expect_error(owner_set(c, NULL, "<purge node='" NODE "'/>"), "cancel", "item-not-found", NULL);
    /* One of the same name has nothing of the old one. */
    create(c, "");
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "");
}

/* ---- 6.5.4: pages ---- */

static void items_are_given_in_pages(void **state)
{
    struct client *c = harness_login(*state);
    const struct node *page;

    create(c, FIELD("max_items", "max"));
    for (const char *id = "abcde"; *id != '\0'; id++)
        publish(c, (const char[]){*id, '\0'});
    page = get(c, NULL, "<items node='" NODE "'/><set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set>");
    expect_ids(page, "a b ");
    expect_answer(
        page,
        "iq/pubsub/set[@xmlns='http://jabber.org/protocol/rsm'][count[.='5']][last[.='b']]/first[@index='0'][.='a']");
    page =
        get(c, NULL,
            "<items node='" NODE "'/><set xmlns='http://jabber.org/protocol/rsm'><max>2</max><after>b</after></set>");
    expect_ids(page, "c d ");
    expect_answer(page, "iq/pubsub/set/first[@index='2'][.='c']");
    page =
        get(c, NULL, "<items node='" NODE "'/><set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set>");
    expect_ids(page, "d e ");
    page =
        get(c, NULL,
            "<items node='" NODE "'/><set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before>d</before></set>");
    expect_ids(page, "b c ");
    page = get(c, NULL, "<items node='" NODE "'/><set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set>");
    expect_ids(page, "");
    expect_answer(page, "iq/pubsub/set[count[.='5']][not(first)]");
    expect_error(
        get(c, NULL, "<items node='" NODE "'/><set xmlns='http://jabber.org/protocol/rsm'><after>none</after></set>"),
        "cancel", "item-not-found", NULL);
    expect_error(get(c, NULL, "<items node='" NODE "'/><set xmlns='http://jabber.org/protocol/rsm'><max>x</max></set>"),
                 "modify", "bad-request", NULL);
}

/* ---- 4.5, 6.1, 6.2: who is let in ---- */

static void access_models_let_in_whom_they_say(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *stranger = harness_login(h);
    static const struct {
        const char *model;
        const char *type, *error, *condition; /* for a contact; NULL: it may read */
        bool is_for_strangers;
    } rows[] = {
        {"open", NULL, NULL, NULL, true},
        {"presence", NULL, NULL, NULL, false},
        {"roster", "auth", "not-authorized", "not-in-roster-group", false},
        {"authorize", "auth", "not-authorized", "not-subscribed", true},
        {"whitelist", "cancel", "not-allowed", "closed-node", false},
    };

    client_befriend(juliet, romeo);
    create(juliet, "");
    publish(juliet, "a");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *form = text_format("<configure node='" NODE "'>" FORM("node_config", "%s") "</configure>", "");
        const struct node *answer;

        free(form);
        form = text_format("<configure node='" NODE
                           "'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'>"
                           "<value>%s</value></field></x></configure>",
                           rows[i].model);
        expect_done(owner_set(juliet, NULL, form));
        free(form);
        answer = get(romeo, juliet->bare, "<items node='" NODE "'/>");
        if (rows[i].error == NULL)
            expect_ids(answer, "a ");
        else
            expect_error(answer, rows[i].type, rows[i].error, rows[i].condition);
        answer = get(stranger, juliet->bare, "<items node='" NODE "'/>");
        if (rows[i].error == NULL && rows[i].is_for_strangers)
            expect_ids(answer, "a ");
        else if (rows[i].is_for_strangers)
            expect_error(answer, rows[i].type, rows[i].error, rows[i].condition);
        else
            expect_error(answer, "cancel", "service-unavailable", NULL);
    }
}

/* Byte for byte but for the address: neither what exists nor what is done with it can be seen. */
static void to_a_stranger_a_closed_account_looks_like_none(void **state)
{
    static const char *const requests[] = {
        "<pubsub xmlns='" NS "'><items node='" NODE "'/></pubsub>",
        "<pubsub xmlns='" NS "'><items node='none'/></pubsub>",
        "<pubsub xmlns='" NS "'><items/></pubsub>",
        "<pubsub xmlns='" NS "'><subscriptions/></pubsub>",
        "<pubsub xmlns='" NS "'><affiliations/></pubsub>",
        "<pubsub xmlns='" NS "'><nonsense/></pubsub>",
        "<pubsub xmlns='" NS "'><options node='" NODE "' jid='a@b'/></pubsub>",
        "<pubsub xmlns='" OWNER "'><configure node='" NODE "'/></pubsub>",
        "<pubsub xmlns='" OWNER "'><default/></pubsub>",
        "<query xmlns='http://jabber.org/protocol/disco#items'/>",
        "<query xmlns='http://jabber.org/protocol/disco#items' node='" NODE "'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info' node='" NODE "'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info' node='none'/>",
    };
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *stranger = harness_login(h);
    const char *nobody = harness_nobody(h);

    create(juliet, "");
    publish(juliet, "a");
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        const struct node *one = client_request(stranger, "get", juliet->bare, "%s", requests[i]);
        const struct node *other = client_request(stranger, "get", nobody, "%s", requests[i]);
        char *a = node_describe(node_find(one, "iq/error")), *b = node_describe(node_find(other, "iq/error"));

        assert_string_equal(a, b);
        expect_error(one, "cancel", "service-unavailable", NULL);
        free(a);
        free(b);
    }
}

static void contacts_may_not_change_what_is_not_theirs(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    create(juliet, "");
    publish(juliet, "a");
    expect_error(set(romeo, juliet->bare, "<publish node='" NODE "'><item id='b'>" ENTRY "</item></publish>"), "auth",
                 "forbidden", NULL);
    expect_error(set(romeo, juliet->bare, "<publish node='new'><item id='b'>" ENTRY "</item></publish>"), "cancel",
                 "item-not-found", NULL);
    expect_error(set(romeo, juliet->bare, "<create node='new'/>"), "auth", "forbidden", NULL);
    expect_error(set(romeo, juliet->bare, "<retract node='" NODE "'><item id='a'/></retract>"), "auth", "forbidden",
                 NULL);
    expect_error(owner_set(romeo, juliet->bare, "<delete node='" NODE "'/>"), "auth", "forbidden", NULL);
    expect_error(owner_set(romeo, juliet->bare, "<purge node='" NODE "'/>"), "auth", "forbidden", NULL);
    expect_error(owner_get(romeo, juliet->bare, "<configure node='" NODE "'/>"), "auth", "forbidden", NULL);
    expect_error(owner_get(romeo, juliet->bare, "<affiliations node='" NODE "'/>"), "auth", "forbidden", NULL);
    expect_error(owner_get(romeo, juliet->bare, "<subscriptions node='" NODE "'/>"), "auth", "forbidden", NULL);
    expect_ids(get(juliet, NULL, "<items node='" NODE "'/>"), "a ");
}

static void roster_groups_are_let_in(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    create(juliet, FIELD("access_model", "roster") FIELD("roster_groups_allowed", "Friends"));
    publish(juliet, "a");
    expect_error(get(romeo, juliet->bare, "<items node='" NODE "'/>"), "auth", "not-authorized", "not-in-roster-group");
    expect_done(client_request(juliet, "set", NULL,
                               "<query xmlns='jabber:iq:roster'><item jid='%s'><group>Friends</group></item></query>",
                               romeo->bare));
    expect_ids(get(romeo, juliet->bare, "<items node='" NODE "'/>"), "a ");
}

static void an_open_node_is_subscribed_to_and_unsubscribed_from(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *francisco = harness_login(h);
    char *subscribe, *unsubscribe, *path;

    client_go_online(francisco, 0);
    client_drain(francisco);
    create(juliet, FIELD("access_model", "open"));
    publish(juliet, "a");
    subscribe = text_format("<subscribe node='" NODE "' jid='%s'/>", francisco->bare);
    unsubscribe = text_format("<unsubscribe node='" NODE "' jid='%s'/>", francisco->bare);
    expect_error(set(francisco, juliet->bare, unsubscribe), "cancel", "unexpected-request", "not-subscribed");
    expect_answer(set(francisco, juliet->bare, subscribe),
                  "iq[@type='result']/pubsub/subscription[@node='" NODE "'][@jid][@subscription='subscribed']");
    /* The last item comes with the time it was published. */
    client_expect(francisco,
                  "message[@type='headline'][@from='%s'][delay[@xmlns='urn:xmpp:delay'][@stamp]]/event[@xmlns='" NS
                  "#event']/items[@node='" NODE "']/item[@id='a']/entry",
                  juliet->bare);
    publish(juliet, "b");
    client_expect(francisco, "message[@type='headline'][not(delay)]/event/items/item[@id='b']/entry");
    expect_answer(set(francisco, juliet->bare, subscribe),
                  "iq[@type='result']/pubsub/subscription[@subscription='subscribed']");
    expect_answer(get(francisco, juliet->bare, "<subscriptions/>"),
                  "iq[@type='result']/pubsub/subscriptions/subscription[@node='" NODE "'][@subscription='subscribed']");
    expect_answer(get(francisco, juliet->bare, "<subscriptions node='" NODE "'/>"),
                  "iq[@type='result']/pubsub/subscriptions/subscription");
    path = text_format("iq/pubsub/subscriptions/subscription[@jid='%s'][@subscription='subscribed']", francisco->bare);
    expect_answer(owner_get(juliet, NULL, "<subscriptions node='" NODE "'/>"), path);
    free(path);
    expect_done(set(juliet, NULL, "<retract node='" NODE "' notify='1'><item id='b'/></retract>"));
    client_expect(francisco, "message/event/items[@node='" NODE "']/retract[@id='b']");
    expect_done(owner_set(juliet, NULL, "<purge node='" NODE "'/>"));
    client_expect(francisco, "message/event/purge[@node='" NODE "']");
    expect_answer(set(francisco, juliet->bare, unsubscribe),
                  "iq[@type='result']/pubsub/subscription[@subscription='none']");
    publish(juliet, "c");
    client_barrier_via(juliet, francisco->bare);
    client_expect_none(francisco, "message");
    expect_error(set(francisco, juliet->bare, "<subscribe node='" NODE "' jid='somebody@" DOMAIN "'/>"), "modify",
                 "bad-request", "invalid-jid");
    expect_error(set(francisco, juliet->bare, "<subscribe node='" NODE "'/>"), "modify", "bad-request", "invalid-jid");
    expect_done(owner_set(juliet, NULL,
                          "<configure node='" NODE "'>" FORM("node_config", FIELD("subscribe", "0")) "</configure>"));
    expect_error(set(francisco, juliet->bare, subscribe), "cancel", "feature-not-implemented",
                 "unsupported[@feature='subscribe']");
    free(subscribe);
    free(unsubscribe);
}

/* However many subscriptions somebody has, the owner can still change the node. */
static void a_stranger_cannot_fill_the_list_of_subscribers(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *francisco = harness_login(h);
    char *text = many("0123456789", 100), *what;
    unsigned n = 0;

    create(juliet, FIELD("access_model", "open"));
    for (; n < 100; n++) {
        what = text_format("<subscribe node='" NODE "' jid='%s/%s%u'/>", francisco->bare, text, n);
        const struct node *answer = set(francisco, juliet->bare, what);

        free(what);
        if (!node_matches(answer, "iq[@type='result']")) {
            expect_error(answer, "wait", "policy-violation", "too-many-subscriptions");
            break;
        }
    }
    assert_in_range(n, 1, 50);
    what =
        text_format("<configure node='" NODE "'>" FORM("node_config", FIELD("description", "%s")) "</configure>", text);

    expect_done(owner_set(juliet, NULL, what));
    free(what);
    free(text);
}

/* It is subscribed anyway; that it asks for it as well brings it nothing twice. */
static void who_is_subscribed_in_both_ways_is_told_once(void **state)
{
    static const char *const features[] = {NODE "+notify", NULL};
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *both[] = {juliet, romeo};

    client_befriend(juliet, romeo);
    create(juliet, "");
    for (size_t i = 0; i < 2; i++) {
        char *what = text_format("<subscribe node='" NODE "' jid='%s'/>", i == 0 ? juliet->jid : romeo->bare);

        pep_go_online(both[i], features);
        expect_done(set(both[i], juliet->bare, what));
        free(what);
    }
    publish(juliet, "a");
    publish(juliet, "b");
    for (size_t i = 0; i < 2; i++) {
        client_expect_any(both[i], "message/event/items/item[@id='b']");
        client_barrier_via(juliet, romeo->bare);
        client_barrier(both[i]);
        assert_int_equal(client_count(both[i], "message/event/items/item[@id='a']"), 1);
    }
}

static void owners_are_told_of_subscribers_if_they_want_to_be(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *francisco = harness_login(h);
    char *what;

    client_go_online(juliet, 0);
    client_drain(juliet);
    create(juliet, FIELD("access_model", "open") FIELD("notify_sub", "1"));
    what = text_format("<subscribe node='" NODE "' jid='%s'/>", francisco->jid);
    expect_done(set(francisco, juliet->bare, what));
    free(what);
    client_expect(juliet, "message/event/subscription[@node='" NODE "'][@jid='%s'][@subscription='subscribed']",
                  francisco->jid);
    what = text_format("<unsubscribe node='" NODE "' jid='%s'/>", francisco->jid);
    expect_done(set(francisco, juliet->bare, what));
    free(what);
    client_expect(juliet, "message/event/subscription[@jid='%s'][@subscription='none']", francisco->jid);
}

static void a_subscription_that_lost_its_right_is_cancelled(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *francisco = harness_login(h);
    char *subscribe = text_format("<subscribe node='" NODE "' jid='%s'/>", francisco->jid);

    client_go_online(francisco, 0);
    client_drain(francisco);
    create(juliet, FIELD("access_model", "open"));
    expect_done(set(francisco, juliet->bare, subscribe));
    expect_done(owner_set(juliet, NULL,
                          "<configure node='" NODE
                          "'>" FORM("node_config", FIELD("access_model", "whitelist")) "</configure>"));
    client_expect(francisco, "message/event/subscription[@node='" NODE "'][@jid='%s'][@subscription='none']",
                  francisco->jid);
    publish(juliet, "a");
    client_barrier_via(juliet, francisco->bare);
    client_expect_none(francisco, "message");
    free(subscribe);
}

/* ---- 8.6: requests ---- */

static void expect_question(struct client *owner, const struct client *who)
{
    client_expect(owner,
                  "message[@id][body][x[field[@var='pubsub#subscriber_jid']/value[.='%s']]]"
                  "/x[@type='form']/field[@var='pubsub#allow']",
                  who->bare);
}

static void answer_request(struct client *owner, const struct client *who, const char *allow)
{
    client_send(
        owner,
        "<message to='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" NS
        "#subscribe_authorization</value></field><field var='pubsub#node'><value>" NODE "</value></field>"
        "<field var='pubsub#subscriber_jid'><value>%s</value></field><field "
        "var='pubsub#allow'><value>%s</value></field>"
        "</x></message>",
        owner->bare, who->bare, allow);
}

static void the_owner_decides_about_subscriptions(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *francisco = harness_login(h);
    char *subscribe = text_format("<subscribe node='" NODE "' jid='%s'/>", francisco->bare);

    client_go_online(juliet, 0);
    client_go_online(francisco, 0);
    client_drain(juliet);
    client_drain(francisco);
    create(juliet, FIELD("access_model", "authorize"));
    publish(juliet, "a");
    expect_answer(set(francisco, juliet->bare, subscribe),
                  "iq[@type='result']/pubsub/subscription[@subscription='pending']");
    expect_question(juliet, francisco);
    expect_error(set(francisco, juliet->bare, subscribe), "auth", "not-authorized", "pending-subscription");
    expect_error(get(francisco, juliet->bare, "<items node='" NODE "'/>"), "auth", "not-authorized", "not-subscribed");
    answer_request(juliet, francisco, "0");
    client_expect(francisco, "message/event/subscription[@subscription='none']");
    expect_done(set(francisco, juliet->bare, subscribe));
    expect_question(juliet, francisco);
    answer_request(juliet, francisco, "1");
    client_expect(francisco, "message/event/subscription[@subscription='subscribed']");
    client_expect(francisco, "message/event/items/item[@id='a']");
    expect_ids(get(francisco, juliet->bare, "<items node='" NODE "'/>"), "a ");
    /* Nobody else can allow anything. */
    answer_request(francisco, francisco, "0");
    client_barrier_via(francisco, juliet->bare);
    expect_ids(get(francisco, juliet->bare, "<items node='" NODE "'/>"), "a ");
    free(subscribe);
}

/* ---- 8.8, 8.9: lists ---- */

static void affiliations_give_rights(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *bard = harness_login(h);
    char *what;
    const struct node *list;

    create(juliet, FIELD("access_model", "whitelist") FIELD("max_items", "max"));
    publish(juliet, "a");
    expect_error(get(bard, juliet->bare, "<items node='" NODE "'/>"), "cancel", "service-unavailable", NULL);
    what = text_format("<affiliations node='" NODE "'><affiliation jid='%s' affiliation='member'/></affiliations>",
                       bard->bare);
    expect_done(owner_set(juliet, NULL, what));
    free(what);
    expect_ids(get(bard, juliet->bare, "<items node='" NODE "'/>"), "a ");
    expect_error(set(bard, juliet->bare, "<publish node='" NODE "'><item id='b'>" ENTRY "</item></publish>"), "auth",
                 "forbidden", NULL);
    what = text_format(
        "<affiliations node='" NODE "'><affiliation jid='%s' affiliation='publish-only'/></affiliations>", bard->bare);
    expect_done(owner_set(juliet, NULL, what));
    free(what);
    expect_error(get(bard, juliet->bare, "<items node='" NODE "'/>"), "auth", "forbidden", NULL);
    expect_done(set(bard, juliet->bare, "<publish node='" NODE "'><item id='b'>" ENTRY "</item></publish>"));
    what = text_format("iq/pubsub/items/item[@id='b'][@publisher='%s']", bard->bare);
    expect_answer(get(juliet, NULL, "<items node='" NODE "'><item id='b'/></items>"), what);
    free(what);
    expect_error(set(bard, juliet->bare, "<publish node='" NODE "'><item id='a'>" ENTRY "</item></publish>"), "auth",
                 "forbidden", NULL);
    expect_error(set(bard, juliet->bare, "<retract node='" NODE "'><item id='a'/></retract>"), "auth", "forbidden",
                 NULL);
    expect_done(set(bard, juliet->bare, "<retract node='" NODE "'><item id='b'/></retract>"));
    expect_answer(get(bard, juliet->bare, "<affiliations/>"),
                  "iq/pubsub/affiliations/affiliation[@node='" NODE "'][@affiliation='publish-only']");
    list = owner_get(juliet, NULL, "<affiliations node='" NODE "'/>");
    what = text_format("iq/pubsub/affiliations/affiliation[@jid='%s'][@affiliation='publish-only']", bard->bare);
    expect_answer(list, what);
    free(what);
    what = text_format("iq/pubsub/affiliations/affiliation[@jid='%s'][@affiliation='owner']", juliet->bare);
    expect_answer(list, what);
    free(what);
    what = text_format("<affiliations node='" NODE "'><affiliation jid='%s' affiliation='outcast'/></affiliations>",
                       bard->bare);
    expect_done(owner_set(juliet, NULL, what));
    free(what);
    expect_error(get(bard, juliet->bare, "<items node='" NODE "'/>"), "cancel", "service-unavailable", NULL);
}

static void entries_that_cannot_be_are_given_back_as_they_are(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *bard = harness_login(h);
    char *what, *path;

    create(juliet, FIELD("access_model", "open"));
    what = text_format("<affiliations node='" NODE "'><affiliation jid='%s' affiliation='none'/>"
                       "<affiliation jid='%s' affiliation='publisher'/></affiliations>",
                       juliet->bare, bard->bare);
    path = text_format(
        "iq[@type='error'][error/not-acceptable]/pubsub/affiliations/affiliation[@jid='%s'][@affiliation='owner']",
        juliet->bare);
    expect_answer(owner_set(juliet, NULL, what), path);
    free(what);
    free(path);
    path = text_format("iq/pubsub/affiliations/affiliation[@jid='%s'][@affiliation='publisher']", bard->bare);
    expect_answer(owner_get(juliet, NULL, "<affiliations node='" NODE "'/>"), path);
    free(path);
    expect_error(owner_set(juliet, NULL, "<affiliations node='" NODE "'/>"), "modify", "bad-request", NULL);
    expect_error(owner_set(juliet, NULL,
                           "<affiliations node='" NODE "'><affiliation jid='a@b' affiliation='member'/>"
                           "<affiliation jid='a@b' affiliation='outcast'/></affiliations>"),
                 "modify", "bad-request", NULL);
    expect_error(owner_set(juliet, NULL,
                           "<affiliations node='" NODE
                           "'><affiliation jid='a@b' affiliation='friend'/></affiliations>"),
                 "modify", "not-acceptable", NULL);
    what =
        text_format("<subscriptions node='" NODE "'><subscription jid='%s' subscription='subscribed'/></subscriptions>",
                    bard->bare);
    client_go_online(bard, 0);
    client_drain(bard);
    expect_done(owner_set(juliet, NULL, what));
    free(what);
    client_expect(bard, "message/event/subscription[@node='" NODE "'][@subscription='subscribed']");
    publish(juliet, "a");
    client_expect(bard, "message/event/items/item[@id='a']");
    what = text_format("<subscriptions node='" NODE "'><subscription jid='%s' subscription='none'/></subscriptions>",
                       bard->bare);
    expect_done(owner_set(juliet, NULL, what));
    free(what);
    client_expect(bard, "message/event/subscription[@subscription='none']");
}

static void anybody_publishes_where_the_publish_model_is_open(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *bard = harness_login(h);

    create(juliet, FIELD("access_model", "open") FIELD("publish_model", "open") FIELD("max_items", "max"));
    publish(juliet, "a");
    expect_done(set(bard, juliet->bare, "<publish node='" NODE "'><item id='b'>" ENTRY "</item></publish>"));
    expect_error(set(bard, juliet->bare, "<retract node='" NODE "'><item id='a'/></retract>"), "auth", "forbidden",
                 NULL);
    expect_done(set(juliet, NULL, "<retract node='" NODE "'><item id='b'/></retract>"));
}

/* ---- what one request may cost ---- */

/* A short question has no answer that is larger than the server would ever send. */
static void what_is_named_again_and_again_is_not_given_again_and_again(void **state)
{
    struct client *c = harness_login(*state);
    char *text = many("0123456789", 2000), *names = many("<item id='a'/>", 5000), *what;

    create(c, "");
    what = text_format("<publish node='" NODE "'><item id='a'><x xmlns='urn:example:x'>%s</x></item></publish>", text);
    expect_done(set(c, NULL, what));
    free(what);
    what = text_format("<items node='" NODE "'>%s</items>", names);
    expect_error(get(c, NULL, what), "modify", "policy-violation", NULL);
    free(what);
    expect_ids(get(c, NULL, "<items node='" NODE "'><item id='a'/><item id='b'/></items>"), "a ");
    free(names);
    free(text);
}
/* Written so that it stands for itself, an item is larger than it came. */
static void an_item_is_as_large_as_it_is_kept(void **state)
{
    struct client *c = harness_login(*state);
    char *ns = many("0123456789", 14000), *what;

    what = text_format("<publish node='" NODE "' xmlns:long='%s'><item id='a'><long:x/></item></publish>", ns);
    expect_error(set(c, NULL, what), "modify", "not-acceptable", "payload-too-big");
    free(what);
    free(ns);
}

/* What a change of the node tells of it is nothing of the owner's roster. */
static void groups_of_the_roster_are_not_told(void **state)
{
    static const char *const features[] = {NODE "+notify", NULL};
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);

    client_befriend(juliet, romeo);
    pep_go_online(romeo, features);
    create(juliet, FIELD("notify_config", "1") FIELD("roster_groups_allowed", "Suitors"));
    expect_done(owner_set(juliet, NULL,
                          "<configure node='" NODE "'>" FORM("node_config", FIELD("title", "New")) "</configure>"));
    expect_answer(client_expect_any(romeo, "message/event/configuration[@node='" NODE "']"),
                  "message/event/configuration/x[not(field[@var='pubsub#roster_groups_allowed'])]"
                  "/field[@var='pubsub#title']/value[.='New']");
    expect_answer(owner_get(juliet, NULL, "<configure node='" NODE "'/>"),
                  "iq/pubsub/configure/x/field[@var='pubsub#roster_groups_allowed']/value[.='Suitors']");
}

/* Each has to be found among all that there are. */
static void one_request_is_about_so_many_items_and_no_more(void **state)
{
    struct client *c = harness_login(*state);
    static const struct {
        unsigned n;
        const char *answer;
    } rows[] = {{100, "iq[@type='result']"}, {101, "iq[@type='error']/error[@type='modify']/policy-violation"}};

    create(c, FIELD("max_items", "max"));
    for (size_t i = 0; i < 2; i++) {
        char *items = many("<item id='%u'>" ENTRY "</item>", rows[i].n), *names = many("<item id='%u'/>", rows[i].n);
        char *what = text_format("<publish node='" NODE "'>%s</publish>", items);

        expect_answer(set(c, NULL, what), rows[i].answer);
        free(what);
        what = text_format("<items node='" NODE "'>%s</items>", names);
        expect_answer(get(c, NULL, what), rows[i].answer);
        free(what);
        what = text_format("<retract node='" NODE "'>%s</retract>", names);
        expect_answer(set(c, NULL, what), rows[i].answer);
        free(what);
        free(items);
        free(names);
    }
}

/* ---- what lasts ---- */

static void nodes_and_items_are_there_after_a_restart_and_go_with_the_account(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = client_login(h, a, "one", 0);

    create(c, FIELD("max_items", "max") FIELD("title", "It lasts"));
    publish(c, "a");
    publish(c, "b");
    client_forget_all(h);
    harness_stop(h);
    harness_start(h);
    c = client_login(h, a, "two", 0);
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "a b ");
    expect_answer(owner_get(c, NULL, "<configure node='" NODE "'/>"),
                  "iq/pubsub/configure/x/field[@var='pubsub#title']/value[.='It lasts']");
    publish(c, "c");
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "a b c ");
    expect_done(client_request(c, "set", DOMAIN, "<query xmlns='jabber:iq:register'><remove/></query>"));
    client_expect_closed(c, "not-authorized");
    char *input = text_format("%s\n", a->password), *output;

    assert_int_equal(harness_ctl(h, input, &output, "adduser", a->jid), 0);
    free(input);
    free(output);
    c = client_login(h, a, "three", 0);
    expect_error(get(c, NULL, "<items node='" NODE "'/>"), "cancel", "item-not-found", NULL);
    create(c, "");
    expect_ids(get(c, NULL, "<items node='" NODE "'/>"), "");
}

/* What was under way when the account went is not there when somebody gets the name again. */
static void what_is_published_while_the_account_goes_goes_as_well(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);
    char *input = text_format("%s\n", a->password), *output;

    for (unsigned i = 0; i < 50; i++)
        client_send(one,
                    "<iq type='set' id='p%u'><pubsub xmlns='" NS "'><publish node='urn:example:%u'><item id='a'>" ENTRY
                    "</item></publish></pubsub></iq>",
                    i, i);
    client_send(two, "<iq type='set' to='" DOMAIN "' id='r'><query xmlns='jabber:iq:register'><remove/></query></iq>");
    client_expect_closed(one, "not-authorized");
    client_expect_closed(two, "not-authorized");
    assert_int_equal(harness_ctl(h, input, &output, "adduser", a->jid), 0);
    free(input);
    free(output);
    one = client_login(h, a, "three", 0);
    expect_answer(client_request(one, "get", one->bare, "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
                  "iq[@type='result']/query[not(item)]");
    create(one, "");
    client_forget_all(h);
    harness_stop(h);
    harness_start(h);
    one = client_login(h, a, "four", 0);
    const struct node *nodes =
        client_request(one, "get", one->bare, "<query xmlns='http://jabber.org/protocol/disco#items'/>");

    assert_int_equal(node_count(node_find(nodes, "iq/query"), "item"), 1);
}

/* Without waiting for answers: each sees what the one before has done. */
static void requests_that_come_at_once_are_carried_out_in_order(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0);

    for (unsigned i = 0; i < 100; i++) {
        client_send(
            one,
            "<iq type='set' id='p%u'><pubsub xmlns='" NS "'><publish node='" NODE "'><item id='i%u'>" ENTRY
            "</item></publish><publish-options>" FORM("publish-options", FIELD("max_items", "5")) "</publish-options>"
                                                                                                  "</pubsub></iq>",
            i, i);
        client_send(two,
                    "<iq type='set' id='q%u'><pubsub xmlns='" NS "'><publish node='" NODE "'><item id='j%u'>" ENTRY
                    "</item></publish></pubsub></iq>",
                    i, i);
    }
    client_send(one, "<iq type='get' id='last'><pubsub xmlns='" NS "'><items node='" NODE "'/></pubsub></iq>");
    for (unsigned i = 0; i < 100; i++) {
        client_expect(one, "iq[@id='p%u']", i);
        client_expect(two, "iq[@id='q%u'][@type='result']", i);
    }
    const struct node *items = node_find(client_expect(one, "iq[@id='last'][@type='result']"), "iq/pubsub/items");

    assert_int_equal(node_count(items, "item") <= 5, 1);
}

int main(void)
{
    static const char *const settings[] = {"limits.stanza_bytes = 262144", NULL};
    static const struct harness_options options = {.settings = settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(an_account_is_discovered_as_a_service_with_nodes),
        HARNESS_TEST(a_closed_node_is_described_to_nobody_else),
        HARNESS_TEST(a_node_is_created_once_and_with_a_configuration_or_without_a_name),
        HARNESS_TEST(a_node_is_configured_by_a_form),
        HARNESS_TEST(what_is_published_is_retrieved),
        HARNESS_TEST(what_does_not_fit_the_node_is_refused),
        HARNESS_TEST(the_oldest_items_make_room_or_the_new_one_is_refused),
        HARNESS_TEST(transient_nodes_keep_nothing),
        HARNESS_TEST(items_expire),
        HARNESS_TEST(options_configure_a_node_that_is_made_and_are_conditions_for_one_that_is_there),
        HARNESS_TEST(a_client_mends_the_configuration_that_does_not_meet_its_options),
        HARNESS_TEST(a_well_known_node_begins_as_its_specification_wants_it),
        HARNESS_TEST(items_and_nodes_go),
        HARNESS_TEST(items_are_given_in_pages),
        HARNESS_TEST(access_models_let_in_whom_they_say),
        HARNESS_TEST(to_a_stranger_a_closed_account_looks_like_none),
        HARNESS_TEST(contacts_may_not_change_what_is_not_theirs),
        HARNESS_TEST(roster_groups_are_let_in),
        HARNESS_TEST(an_open_node_is_subscribed_to_and_unsubscribed_from),
        HARNESS_TEST(a_stranger_cannot_fill_the_list_of_subscribers),
        HARNESS_TEST(who_is_subscribed_in_both_ways_is_told_once),
        HARNESS_TEST(owners_are_told_of_subscribers_if_they_want_to_be),
        HARNESS_TEST(a_subscription_that_lost_its_right_is_cancelled),
        HARNESS_TEST(the_owner_decides_about_subscriptions),
        HARNESS_TEST(affiliations_give_rights),
        HARNESS_TEST(entries_that_cannot_be_are_given_back_as_they_are),
        HARNESS_TEST(anybody_publishes_where_the_publish_model_is_open),
        HARNESS_TEST(what_is_published_while_the_account_goes_goes_as_well),
        HARNESS_TEST(requests_that_come_at_once_are_carried_out_in_order),
        HARNESS_TEST(what_is_named_again_and_again_is_not_given_again_and_again),
        HARNESS_TEST(an_item_is_as_large_as_it_is_kept),
        HARNESS_TEST(groups_of_the_roster_are_not_told),
        HARNESS_TEST(one_request_is_about_so_many_items_and_no_more),
        HARNESS_TEST(nodes_and_items_are_there_after_a_restart_and_go_with_the_account),
    };

    return harness_run_tests("pubsub", tests, &options);
}
