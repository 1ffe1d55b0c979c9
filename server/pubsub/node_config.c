#include "server/pubsub/node_config.h"

#include "common/mem.h"
#include "common/xmpp/data_form.h"

#include <stddef.h>

#define NS_NODE_CONFIG "http://jabber.org/protocol/pubsub#node_config"

/* ---- the table ---- */

enum field_kind { FIELD_BOOL, FIELD_WORD, FIELD_NUMBER, FIELD_TEXT, FIELD_GROUPS };

struct choice {
    const char *word, *label;
};

struct field {
    const char *var;
    enum field_kind kind;
    size_t offset; /* in struct node_config */
    const char *label;
    const struct choice *choices; /* FIELD_WORD: by the value of its enum */
    unsigned n_choices;
    bool is_metadata;
};

static const struct choice access_choices[ACCESS_MODELS] = {
    [ACCESS_OPEN] = {"open", "Anyone may subscribe and retrieve items"},
    [ACCESS_PRESENCE] = {"presence", "Anyone who may see the owner's presence may subscribe and retrieve items"},
    [ACCESS_ROSTER] = {"roster", "Anyone in the specified roster group(s) may subscribe and retrieve items"},
    [ACCESS_AUTHORIZE] = {"authorize", "Subscription requests must be approved and only subscribers may retrieve "
                                       "items"},
    [ACCESS_WHITELIST] = {"whitelist", "Only those on a whitelist may subscribe and retrieve items"},
};

static const struct choice publish_choices[PUBLISH_MODELS] = {
    [PUBLISH_BY_PUBLISHERS] = {"publishers", "Only publishers may publish"},
    [PUBLISH_BY_SUBSCRIBERS] = {"subscribers", "Subscribers may publish"},
    [PUBLISH_BY_ANYBODY] = {"open", "Anyone may publish"},
};

static const struct choice send_last_choices[SEND_LASTS] = {
    [SEND_LAST_NEVER] = {"never", "Never"},
    [SEND_LAST_ON_SUB] = {"on_sub", "When a new subscription is processed"},
    [SEND_LAST_ON_SUB_AND_PRESENCE] = {"on_sub_and_presence", "When a new subscription is processed and whenever a "
                                                              "subscriber comes online"},
};

static const struct choice notification_choices[NOTIFICATION_TYPES] = {
    [NOTIFY_NORMAL] = {"normal", "Messages of type normal"},
    [NOTIFY_HEADLINE] = {"headline", "Messages of type headline"},
};

static const struct choice reply_choices[ITEM_REPLIES] = {
    [REPLY_TO_OWNER] = {"owner", "Statically specify a replyto of the node owner(s)"},
    [REPLY_TO_PUBLISHER] = {"publisher", "Dynamically specify a replyto of the item publisher"},
};

static const struct choice full_choices[WHEN_FULLS] = {
    [FULL_RETRACT_OLDEST] = {"retract-oldest", "Retract the oldest item"},
    [FULL_DISCARD_OLDEST] = {"discard-oldest", "Discard the oldest item"},
    [FULL_REJECT] = {"reject", "Reject publication of the new item"},
};

#define AT(name)      offsetof(struct node_config, name)
#define CHOICES(list) .choices = (list), .n_choices = (unsigned)ARRAY_LEN(list)

/* The rest of a row: what else is to be said of the field. */
#define FIELD(name, of_kind, in, ...)                                                                                  \
    {                                                                                                                  \
        .var = "pubsub#" name, .kind = of_kind, .offset = AT(in), __VA_ARGS__                                          \
    }

static const struct field fields[] = {
    FIELD("title", FIELD_TEXT, title, .label = "A friendly name for the node", .is_metadata = true),
    FIELD("description", FIELD_TEXT, description, .label = "A description of the node", .is_metadata = true),
    FIELD("type", FIELD_TEXT, type, .label = "The type of data in the node, usually a namespace", .is_metadata = true),
    FIELD("language", FIELD_TEXT, language, .label = "The default language of the node", .is_metadata = true),
    FIELD("access_model", FIELD_WORD, access_model, .label = "Who may subscribe and retrieve items",
          CHOICES(access_choices), .is_metadata = true),
    FIELD("roster_groups_allowed", FIELD_GROUPS, groups,
          .label = "The roster group(s) allowed to subscribe and retrieve items"),
    FIELD("publish_model", FIELD_WORD, publish_model, .label = "The publisher model", CHOICES(publish_choices),
          .is_metadata = true),
    FIELD("persist_items", FIELD_BOOL, persist_items, .label = "Whether to persist items to storage"),
    FIELD("max_items", FIELD_NUMBER, max_items, .label = "The maximum number of items to persist, or \"max\"",
          .is_metadata = true),
    FIELD("publish_node_full", FIELD_WORD, when_full, .label = "What to do when publishing on a full node",
          CHOICES(full_choices)),
    FIELD("item_expire", FIELD_NUMBER, item_expire, .label = "Seconds after which items are removed, or \"max\""),
    FIELD("max_payload_size", FIELD_NUMBER, max_payload_size, .label = "The maximum payload size in bytes"),
    FIELD("send_last_published_item", FIELD_WORD, send_last, .label = "When to send the last published item",
          CHOICES(send_last_choices)),
    FIELD("deliver_notifications", FIELD_BOOL, deliver_notifications,
          .label = "Whether to deliver event notifications"),
    FIELD("deliver_payloads", FIELD_BOOL, deliver_payloads,
          .label = "Whether to deliver payloads with event notifications"),
    FIELD("notification_type", FIELD_WORD, notification_type, .label = "The delivery style for notifications",
          CHOICES(notification_choices)),
    FIELD("notify_config", FIELD_BOOL, notify_config,
          .label = "Whether to notify subscribers when the node configuration changes"),
    FIELD("notify_delete", FIELD_BOOL, notify_delete,
          .label = "Whether to notify subscribers when the node is deleted"),
    FIELD("notify_retract", FIELD_BOOL, notify_retract,
          .label = "Whether to notify subscribers when items are removed from the node"),
    FIELD("notify_sub", FIELD_BOOL, notify_sub,
          .label = "Whether to notify owners about new subscribers and unsubscribes"),
    FIELD("itemreply", FIELD_WORD, item_reply, .label = "Whether owners or publishers should receive replies to items",
          CHOICES(reply_choices)),
    FIELD("subscribe", FIELD_BOOL, subscribe, .label = "Whether to allow subscriptions"),
};

/* Fields that clients send along, of which there is only one value here. */
static const struct {
    const char *var, *value;
} constants[] = {
    {"pubsub#node_type", "leaf"}, {"pubsub#collection", ""},     {"pubsub#presence_based_delivery", "0"},
    {"pubsub#tempsub", "0"},      {"pubsub#purge_offline", "0"},
};

static const struct field *find_field(struct str var)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (str_is(var, fields[i].var))
            return &fields[i];
    }
    return NULL;
}

/* The field of a configuration, whatever it is. */
static void *at(struct node_config *c, const struct field *f)
{
    return (char *)c + f->offset;
}

static const void *peek(const struct node_config *c, const struct field *f)
{
    return (const char *)c + f->offset;
}

/* ---- made, copied, freed ---- */

struct node_config node_config_generic(void)
{
    return (struct node_config){
        .access_model = ACCESS_OPEN,
        .publish_model = PUBLISH_BY_PUBLISHERS,
        .send_last = SEND_LAST_ON_SUB_AND_PRESENCE,
        .notification_type = NOTIFY_HEADLINE,
        .item_reply = REPLY_TO_OWNER,
        .when_full = FULL_RETRACT_OLDEST,
        .deliver_notifications = true,
        .deliver_payloads = true,
        .persist_items = true,
        .subscribe = true,
        .notify_delete = true,
        .notify_retract = true,
        .max_items = NODE_CONFIG_MAX,
        .max_payload_size = NODE_CONFIG_MAX,
        .item_expire = NODE_CONFIG_MAX,
    };
}

/* XEP-0163 section 5; one item, as for what tells a state. */
struct node_config node_config_personal(void)
{
    struct node_config c = node_config_generic();

    c.access_model = ACCESS_PRESENCE;
    c.max_items = 1;
    c.item_reply = REPLY_TO_PUBLISHER; /* XEP-0163 section 4.3.1 */
    return c;
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : mem_strndup(text, strlen(text));
}

struct node_config node_config_copy(const struct node_config *c)
{
    struct node_config copy = *c;

    copy.title = copy_text(c->title);
    copy.description = copy_text(c->description);
    copy.type = copy_text(c->type);
    copy.language = copy_text(c->language);
    copy.groups = c->n_groups == 0 ? NULL : mem_alloc(c->n_groups * sizeof(*copy.groups));
    for (size_t i = 0; i < c->n_groups; i++)
        copy.groups[i] = copy_text(c->groups[i]);
    return copy;
}

static void forget_groups(struct node_config *c)
{
    for (size_t i = 0; i < c->n_groups; i++)
        free(c->groups[i]);
    free(c->groups);
    c->groups = NULL;
    c->n_groups = 0;
}

void node_config_deinit(struct node_config *c)
{
    forget_groups(c);
    free(c->title);
    free(c->description);
    free(c->type);
    free(c->language);
    *c = (struct node_config){0};
}

/* ---- values from a form ---- */

static const struct refusal bad_value = {.err = STANZA_ERR_NOT_ACCEPTABLE};
static const struct refusal bad_access_model = {.err = STANZA_ERR_NOT_ACCEPTABLE,
                                                .condition = "unsupported-access-model"};
static const struct refusal unknown_field = {.err = STANZA_ERR_CONFLICT, .condition = "precondition-not-met"};

/* "max", and numbers that are larger than we count. */
static bool parse_number(struct str text, uint32_t *ret)
{
    uint64_t n = NODE_CONFIG_MAX;

    if (!str_is(text, "max") && !str_to_u64(text, UINT64_MAX, &n))
        return false;
    *ret = n >= NODE_CONFIG_MAX ? NODE_CONFIG_MAX : (uint32_t)n;
    return n >= 1;
}

static bool parse_word(const struct field *f, struct str text, uint8_t *ret)
{
    for (unsigned i = 0; i < f->n_choices; i++) {
        if (str_is(text, f->choices[i].word)) {
            *ret = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static void take_text(struct str text, char **to)
{
    free(*to);
    *to = text.len == 0 ? NULL : str_dup(text);
}

static bool take_groups(struct node_config *c, const struct xml_element *field)
{
    const struct xml_element *cursor = NULL;
    struct str group;

    forget_groups(c);
    c->groups = mem_alloc(NODE_GROUPS_MAX * sizeof(*c->groups));
    while (data_form_next_value(field, &cursor, &group)) {
        if (c->n_groups == NODE_GROUPS_MAX || group.len > NODE_TEXT_BYTES_MAX)
            return false;
        if (group.len > 0)
            c->groups[c->n_groups++] = str_dup(group);
    }
    return true;
}

static bool take_value(struct node_config *c, const struct field *f, const struct xml_element *field)
{
    struct str text = data_form_field_value(field);

    switch (f->kind) {
    case FIELD_BOOL:
        return data_form_parse_bool(text, at(c, f));
    case FIELD_WORD:
        return parse_word(f, text, at(c, f));
    case FIELD_NUMBER:
        return parse_number(text, at(c, f));
    case FIELD_GROUPS:
        return take_groups(c, field);
    case FIELD_TEXT:
        break;
    }
    if (text.len > NODE_TEXT_BYTES_MAX)
        return false;
    take_text(text, at(c, f));
    return true;
}

/* Is it one of those that are as they are, with that value? */
static bool is_constant(const struct xml_element *field, bool *ret_has_value)
{
    struct str value = data_form_field_value(field);
    bool truth;

    for (size_t i = 0; i < ARRAY_LEN(constants); i++) {
        if (!str_is(data_form_var(field), constants[i].var))
            continue;
        if (data_form_parse_bool(value, &truth))
            *ret_has_value = str_is(str_of(constants[i].value), truth ? "1" : "0");
        else
            *ret_has_value = str_is(value, constants[i].value);
        return true;
    }
    return false;
}

static const struct refusal *take_field(struct node_config *c, const struct xml_element *field, bool is_strict)
{
    const struct field *f = find_field(data_form_var(field));
    bool has_value = true;

    if (!data_form_has_value(field) && (f == NULL || f->kind != FIELD_GROUPS))
        return NULL;
    if (f == NULL) {
        if (is_constant(field, &has_value))
            return has_value ? NULL : &bad_value;
        return is_strict && data_form_var(field).len > 0 ? &unknown_field : NULL;
    }
    if (take_value(c, f, field))
        return NULL;
    return f->offset == AT(access_model) ? &bad_access_model : &bad_value;
}

const struct refusal *node_config_apply(struct node_config *c, const struct xml_element *x, bool is_strict)
{
    struct node_config changed = node_config_copy(c);
    const struct refusal *refused = NULL;

    for (const struct xml_element *field = x == NULL ? NULL : data_form_next_field(x, NULL);
         field != NULL && refused == NULL; field = data_form_next_field(x, field))
        refused = take_field(&changed, field, is_strict);
    if (refused == NULL) {
        struct node_config old = *c;

        *c = changed;
        changed = old;
    }
    node_config_deinit(&changed);
    return refused;
}

/* ---- preconditions ---- */

static bool is_same_number(uint32_t a, uint32_t b, uint32_t limit)
{
    return a == b || (a >= limit && b >= limit);
}

static bool has_group(const struct node_config *c, struct str group)
{
    for (size_t i = 0; i < c->n_groups; i++) {
        if (str_is(group, c->groups[i]))
            return true;
    }
    return false;
}

static bool has_same_groups(const struct node_config *a, const struct node_config *b)
{
    for (size_t i = 0; i < a->n_groups; i++) {
        if (!has_group(b, str_of(a->groups[i])))
            return false;
    }
    return a->n_groups == b->n_groups;
}

static bool is_same_text(const char *a, const char *b)
{
    return str_eq(str_of(a), str_of(b));
}

static bool is_same(const struct node_config *a, const struct node_config *b, const struct field *f, uint32_t limit)
{
    switch (f->kind) {
    case FIELD_BOOL:
        return *(const bool *)peek(a, f) == *(const bool *)peek(b, f);
    case FIELD_WORD:
        return *(const uint8_t *)peek(a, f) == *(const uint8_t *)peek(b, f);
    case FIELD_NUMBER:
        return is_same_number(*(const uint32_t *)peek(a, f), *(const uint32_t *)peek(b, f),
                              f->offset == AT(max_items) ? limit : NODE_CONFIG_MAX);
    case FIELD_GROUPS:
        return has_same_groups(a, b);
    case FIELD_TEXT:
        break;
    }
    return is_same_text(*(char *const *)peek(a, f), *(char *const *)peek(b, f));
}

bool node_config_meets(const struct node_config *c, const struct xml_element *x, uint32_t max_items_limit)
{
    struct node_config wanted = node_config_copy(c);
    bool is_met = node_config_apply(&wanted, x, true) == NULL;

    for (size_t i = 0; i < ARRAY_LEN(fields) && is_met; i++)
        is_met = is_same(c, &wanted, &fields[i], max_items_limit);
    node_config_deinit(&wanted);
    return is_met;
}

/* ---- written ---- */

static void write_number(struct xml_writer *w, uint32_t n)
{
    struct buf digits = {0};

    if (n == NODE_CONFIG_MAX)
        buf_append_cstr(&digits, "max");
    else
        buf_append_u64(&digits, n);
    data_form_put_value(w, buf_str(&digits));
    buf_deinit(&digits);
}

static void write_values(struct xml_writer *w, const struct node_config *c, const struct field *f)
{
    const void *p = peek(c, f);

    switch (f->kind) {
    case FIELD_BOOL:
        data_form_put_value(w, *(const bool *)p ? STR("1") : STR("0"));
        return;
    case FIELD_WORD:
        data_form_put_value(w, str_of(f->choices[*(const uint8_t *)p].word));
        return;
    case FIELD_NUMBER:
        write_number(w, *(const uint32_t *)p);
        return;
    case FIELD_GROUPS:
        for (size_t i = 0; i < c->n_groups; i++)
            data_form_put_value(w, str_of(c->groups[i]));
        return;
    case FIELD_TEXT:
        data_form_put_value(w, str_of(*(char *const *)p));
        return;
    }
}

static const char *type_of(const struct field *f)
{
    static const char *const types[] = {
        [FIELD_BOOL] = "boolean",     [FIELD_WORD] = "list-single",  [FIELD_NUMBER] = "text-single",
        [FIELD_TEXT] = "text-single", [FIELD_GROUPS] = "text-multi",
    };

    return types[f->kind];
}

static void write_for_people(struct xml_writer *w, const struct node_config *c, const struct field *f)
{
    data_form_field_start(w, f->var, type_of(f), f->label);
    for (unsigned i = 0; i < f->n_choices; i++)
        data_form_put_option(w, f->choices[i].label, str_of(f->choices[i].word));
    write_values(w, c, f);
    data_form_field_end(w);
}

void node_config_write_form(struct xml_writer *w, const struct node_config *c)
{
    data_form_start(w, "form", NS_NODE_CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        write_for_people(w, c, &fields[i]);
    data_form_end(w);
}

static bool is_empty(const struct node_config *c, const struct field *f)
{
    return (f->kind == FIELD_TEXT && *(char *const *)peek(c, f) == NULL) ||
           (f->kind == FIELD_GROUPS && c->n_groups == 0);
}

/* `but`: what is the same there is left out; NULL: what is the owner's only, the groups of a roster. */
static void write_plain(struct xml_writer *w, const struct node_config *c, const char *type,
                        const struct node_config *but)
{
    data_form_start(w, type, NS_NODE_CONFIG);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        bool is_left_out = but == NULL ? fields[i].kind == FIELD_GROUPS : is_same(c, but, &fields[i], NODE_CONFIG_MAX);

        if (is_left_out || is_empty(c, &fields[i]))
            continue;
        data_form_field_start(w, fields[i].var, NULL, NULL);
        write_values(w, c, &fields[i]);
        data_form_field_end(w);
    }
    data_form_end(w);
}

void node_config_write_values(struct xml_writer *w, const struct node_config *c, const char *type)
{
    write_plain(w, c, type, NULL);
}

/* What is stored counts from here: never to be changed. A field that is added gets the value that older nodes have. */
static const struct node_config stored_base = {
    .access_model = ACCESS_PRESENCE,
    .publish_model = PUBLISH_BY_PUBLISHERS,
    .send_last = SEND_LAST_ON_SUB_AND_PRESENCE,
    .notification_type = NOTIFY_HEADLINE,
    .item_reply = REPLY_TO_PUBLISHER,
    .when_full = FULL_RETRACT_OLDEST,
    .deliver_notifications = true,
    .deliver_payloads = true,
    .persist_items = true,
    .subscribe = true,
    .notify_delete = true,
    .notify_retract = true,
    .max_items = 1,
    .max_payload_size = NODE_CONFIG_MAX,
    .item_expire = NODE_CONFIG_MAX,
};

void node_config_write_stored(struct xml_writer *w, const struct node_config *c)
{
    write_plain(w, c, "submit", &stored_base);
}

bool node_config_read_stored(const struct xml_element *x, struct node_config *ret)
{
    struct node_config c = stored_base;

    if (x == NULL || node_config_apply(&c, x, false) != NULL)
        return false;
    *ret = c;
    return true;
}

void node_config_write_metadata(struct xml_writer *w, const struct node_config *c)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!fields[i].is_metadata || is_empty(c, &fields[i]))
            continue;
        data_form_field_start(w, fields[i].var, type_of(&fields[i]), fields[i].label);
        write_values(w, c, &fields[i]);
        data_form_field_end(w);
    }
}
