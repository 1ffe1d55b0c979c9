#include "common/xmpp/stanza.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_copy.h"
#include "common/xmpp/xml_reader.h"

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
    arena_free(&arena);
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

void stanza_write(struct buf *out, const struct stanza *st, struct str to)
{
    stanza_write_with(out, st, to, STR(""));
}

void stanza_write_with(struct buf *out, const struct stanza *st, struct str to, struct str extra)
{
    const struct xml_element *root = st->root;

    xml_copy_name(out, root);
    xml_copy_context(out, root, NS_CLIENT);
    for (size_t i = 0; i < root->n_attrs; i++) {
        if (!is_rewritten(&root->attrs[i]))
            xml_copy_attr(out, root, &root->attrs[i]);
    }
    put_attr_opt(out, STR("from"), st->from.full);
    put_attr_opt(out, STR("to"), to.len > 0 ? to : st->to.full);
    put_attr_opt(out, STR("xml:lang"), st->lang);
    xml_copy_content(out, root, extra);
}

const char *stanza_kind_name(enum stanza_kind kind)
{
    return kind == STANZA_OTHER ? "other" : kinds[kind].name.p;
}
