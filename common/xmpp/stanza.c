#include "common/xmpp/stanza.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_copy.h"
#include "common/xmpp/xml_reader.h"
#include "common/xmpp/xml_writer.h"

#define BIT(kind) (1u << (kind))

/* Every value of the type attribute, and the kinds that know it. */
static const struct {
    struct str name;
    enum stanza_type type;
    unsigned kinds;
} types[] = {
    {STR_INIT("error"), TYPE_ERROR, BIT(STANZA_MESSAGE) | BIT(STANZA_PRESENCE) | BIT(STANZA_IQ)},
    {STR_INIT("normal"), TYPE_NORMAL, BIT(STANZA_MESSAGE)},
    {STR_INIT("chat"), TYPE_CHAT, BIT(STANZA_MESSAGE)},
    {STR_INIT("groupchat"), TYPE_GROUPCHAT, BIT(STANZA_MESSAGE)},
    {STR_INIT("headline"), TYPE_HEADLINE, BIT(STANZA_MESSAGE)},
    {STR_INIT("unavailable"), TYPE_UNAVAILABLE, BIT(STANZA_PRESENCE)},
    {STR_INIT("subscribe"), TYPE_SUBSCRIBE, BIT(STANZA_PRESENCE)},
    {STR_INIT("subscribed"), TYPE_SUBSCRIBED, BIT(STANZA_PRESENCE)},
    {STR_INIT("unsubscribe"), TYPE_UNSUBSCRIBE, BIT(STANZA_PRESENCE)},
    {STR_INIT("unsubscribed"), TYPE_UNSUBSCRIBED, BIT(STANZA_PRESENCE)},
    {STR_INIT("probe"), TYPE_PROBE, BIT(STANZA_PRESENCE)},
    {STR_INIT("get"), TYPE_GET, BIT(STANZA_IQ)},
    {STR_INIT("set"), TYPE_SET, BIT(STANZA_IQ)},
    {STR_INIT("result"), TYPE_RESULT, BIT(STANZA_IQ)},
};

static const struct {
    struct str name;
    enum stanza_type without_type;
    enum stanza_type unknown_type;
} kinds[] = {
    [STANZA_MESSAGE] = {STR_INIT("message"), TYPE_NORMAL, TYPE_NORMAL},
    [STANZA_PRESENCE] = {STR_INIT("presence"), TYPE_AVAILABLE, TYPE_INVALID},
    [STANZA_IQ] = {STR_INIT("iq"), TYPE_INVALID, TYPE_INVALID},
};

static enum stanza_kind kind_of(const struct xml_element *root)
{
    if (!str_eq(root->ns, STR(NS_CLIENT)))
        return STANZA_OTHER;
    for (size_t i = STANZA_MESSAGE; i < ARRAY_LEN(kinds); i++) {
        if (str_eq(root->name, kinds[i].name))
            return (enum stanza_kind)i;
    }
    return STANZA_OTHER;
}

static enum stanza_type type_of(const struct xml_element *root, enum stanza_kind kind)
{
    bool is_there;
    struct str name = xml_attr(root, "type", &is_there);

    if (!is_there)
        return kinds[kind].without_type;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if ((types[i].kinds & BIT(kind)) != 0 && str_eq(name, types[i].name))
            return types[i].type;
    }
    return kinds[kind].unknown_type;
}

struct stanza *stanza_from_element(struct arena *own_arena, const struct xml_element *root)
{
    struct stanza *st = arena_alloc(own_arena, sizeof(*st));

    *st = (struct stanza){
        .kind = kind_of(root),
        .root = root,
        .id = xml_attr(root, "id", NULL),
        .lang = xml_lang(root),
        .arena = own_arena,
    };
    st->type = type_of(root, st->kind);
    atomic_init(&st->refs, 1);
    return st;
}

static bool parse_address(struct stanza *st, const char *attr, struct jid *ret)
{
    bool is_there;
    struct str text = xml_attr(st->root, attr, &is_there);

    return !is_there || jid_parse_arena(text, st->arena, ret) == LN_OK;
}

bool stanza_parse_to(struct stanza *st)
{
    return parse_address(st, "to", &st->to);
}

bool stanza_parse_from(struct stanza *st)
{
    return parse_address(st, "from", &st->from);
}

struct stanza *stanza_from_bytes(struct str xml)
{
    const struct xml_element *root;
    struct arena *arena;
    struct stanza *st;

    if (xml_parse(xml, STR(NS_CLIENT), &arena, &root) != LN_OK)
        return NULL;
    st = stanza_from_element(arena, root);
    if (st->kind == STANZA_OTHER || !stanza_parse_to(st) || !stanza_parse_from(st))
        stanza_unref(&st);
    return st;
}

struct stanza *stanza_ref(struct stanza *st)
{
    /* Who makes a reference has one, so nothing needs to be ordered. */
    (void)atomic_fetch_add_explicit(&st->refs, 1, memory_order_relaxed);
    return st;
}

void stanza_unref(struct stanza **st)
{
    struct stanza *mine = *st;

    *st = NULL;
    if (mine == NULL)
        return;
    /* The only reference is the caller's, and none can be made of another: no need to count, which spares most stanzas
     * the one atomic operation that they would cost. Otherwise acq_rel rather than release and a fence: ThreadSanitizer
     * cannot follow fences. */
    if (atomic_load_explicit(&mine->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (mine->on_settled != NULL)
        mine->on_settled(mine);
    struct arena *arena = mine->arena; /* the stanza itself lies inside it */
    struct stanza *base = mine->base;

    arena_free(&arena);
    stanza_unref(&base);
}

/* Derived stanzas. */

struct stanza *stanza_with(struct stanza *st, struct str suffix)
{
    struct arena *arena = arena_new(sizeof(*st) + st->suffix.len + suffix.len);
    struct stanza *derived = arena_alloc(arena, sizeof(*derived));
    char *bytes = arena_alloc(arena, st->suffix.len + suffix.len);

    if (st->suffix.len > 0)
        memcpy(bytes, st->suffix.p, st->suffix.len);
    memcpy(bytes + st->suffix.len, suffix.p, suffix.len);
    *derived = (struct stanza){
        .kind = st->kind,
        .type = st->type,
        .root = st->root,
        .id = st->id,
        .lang = st->lang,
        .from = st->from,
        .to = st->to,
        .arena = arena,
        .base = stanza_ref(st),
        .suffix = str_make(bytes, st->suffix.len + suffix.len),
        .is_filtered = st->is_filtered,
    };
    atomic_init(&derived->refs, 1);
    return derived;
}

/* Writing. */

static void put_attr_opt(struct buf *out, struct str name, struct str value)
{
    if (value.len > 0)
        xml_copy_new_attr(out, name, value);
}

/* Those that are written from the fields of the stanza. */
static bool is_rewritten(const struct xml_attr *a)
{
    if (a->prefix.len > 0)
        return str_eq(a->name, STR("lang")) && str_eq(a->ns, STR(NS_XML));
    return str_eq(a->name, STR("from")) || str_eq(a->name, STR("to"));
}

static void write_start(struct buf *out, const struct stanza *st, struct str to, const char *context_ns)
{
    const struct xml_element *root = st->root;

    xml_copy_name(out, root);
    xml_copy_context(out, root, context_ns);
    for (size_t i = 0; i < root->n_attrs; i++) {
        if (!is_rewritten(&root->attrs[i]))
            xml_copy_attr(out, root, &root->attrs[i]);
    }
    put_attr_opt(out, STR("from"), st->from.full);
    put_attr_opt(out, STR("to"), to.len > 0 ? to : st->to.full);
    put_attr_opt(out, STR("xml:lang"), st->lang);
}

void stanza_write(struct buf *out, const struct stanza *st, struct str to)
{
    stanza_write_with(out, st, to, STR(""));
}

void stanza_write_with(struct buf *out, const struct stanza *st, struct str to, struct str extra)
{
    struct buf both = {0};

    if (st->suffix.len > 0 && extra.len > 0) {
        buf_append_str(&both, st->suffix);
        buf_append_str(&both, extra);
        extra = buf_str(&both);
    }
    write_start(out, st, to, NS_CLIENT);
    xml_copy_content(out, st->root, extra.len > 0 ? extra : st->suffix);
    buf_deinit(&both);
}

void stanza_write_inside(struct buf *out, const struct stanza *st, const char *context_ns)
{
    write_start(out, st, STR(""), context_ns);
    xml_copy_content(out, st->root, st->suffix);
}

/* Under its usual name and without a prefix, so that nothing has to be known of what the children leaned on: each is
 * copied with its own declarations. Attributes with a prefix, which nobody sends, do not survive that. */
struct stanza *stanza_without(struct stanza *st, bool (*is_unwanted)(const struct xml_element *child, const void *ctx),
                              const void *ctx)
{
    const struct xml_element *root = st->root;
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);
    struct stanza *derived;

    xml_start(&w, kinds[st->kind].name.p, NULL);
    for (size_t i = 0; i < root->n_attrs; i++) {
        if (root->attrs[i].prefix.len == 0 && !is_rewritten(&root->attrs[i]))
            xml_copy_attr(&b, root, &root->attrs[i]);
    }
    xml_put_attr_opt(&w, "from", st->from.full);
    xml_put_attr_opt(&w, "to", st->to.full);
    xml_put_attr_opt(&w, "xml:lang", st->lang);
    for (const struct xml_element *e = root->child; e != NULL; e = e->next) {
        if (!is_unwanted(e, ctx))
            xml_put_element(&w, e, NS_CLIENT);
    }
    if (st->suffix.len > 0)
        xml_put_raw(&w, st->suffix);
    xml_end(&w);
    derived = stanza_from_bytes(buf_str(&b));
    if (derived != NULL) {
        derived->base = stanza_ref(st);
        derived->is_filtered = st->is_filtered;
    }
    buf_deinit(&b);
    return derived;
}

const char *stanza_kind_name(enum stanza_kind kind)
{
    return kind == STANZA_OTHER ? "other" : kinds[kind].name.p;
}
