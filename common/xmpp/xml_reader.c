#include "common/xmpp/xml_reader.h"

#include <assert.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_chars.h"
#include "common/xmpp/xml_content.h"
#include "common/xmpp/xml_prolog.h"
#include "common/xmpp/xml_tree.h"

enum state {
    AT_START,    /* not a byte so far: a byte order mark may come */
    BEFORE_DECL, /* only the byte order mark so far: the XML declaration may come */
    BEFORE_ROOT,
    IN_ROOT,
    IN_EMPTY_ROOT, /* the root was <stream:stream/>: its end is yet to be told */
    AFTER_ROOT,
    FAILED,
};

/* What is read in one piece: it is kept when the input cuts it. */
enum unit { UNIT_PROLOG, UNIT_HEADER, UNIT_STANZA, UNIT_END };

struct xml_scratch {
    struct xml_tree tree;
};

struct xml_partial {
    struct xml_tree tree;
    struct xml_limits limits; /* those in force when it began */
    char *bytes;
    uint32_t len, cap;
};

enum { FIRST_SLICE = 512 };

/* The root's context when nothing is declared: that of the stream header itself. */
static const struct xml_binding nothing_bound = {0};
static const struct xml_root_ns no_root = {.bindings = &nothing_bound, .n = 1, .is_static = true};

/* The header that nearly all clients send. */
static const struct xml_binding usual_bindings[] = {
    {.ns = STR_INIT(NS_CLIENT)},
    {.prefix = STR_INIT("stream"), .ns = STR_INIT(NS_STREAM), .outer = &usual_bindings[0]},
};
static const struct xml_root_ns usual_root = {
    .name = STR_INIT("stream:stream"), .bindings = usual_bindings, .n = ARRAY_LEN(usual_bindings), .is_static = true};

struct xml_scratch *xml_scratch_new(void)
{
    return mem_zalloc(sizeof(struct xml_scratch));
}

void xml_scratch_free(struct xml_scratch **s)
{
    if (*s != NULL)
        xml_tree_deinit(&(*s)->tree);
    free(*s);
    *s = NULL;
}

/* What the root declares. */

static bool is_usual_root(const struct xml_element *root, const struct xml_binding *ns)
{
    return str_eq(root->prefix, STR("stream")) && str_eq(root->name, STR("stream")) && root->scope->outer != NULL &&
           root->scope->outer->outer == &nothing_bound && str_eq(ns->ns, STR(NS_CLIENT)) &&
           str_eq(root->ns, STR(NS_STREAM));
}

static char *put_bytes(char *at, struct str from, struct str *to)
{
    if (from.len > 0)
        memcpy(at, from.p, from.len);
    *to = str_make(at, from.len);
    return at + from.len;
}

/* One block: the struct, the bindings, their bytes. */
static struct xml_root_ns *copy_root(const struct xml_element *root, const struct xml_binding *ns, size_t n,
                                     size_t n_bytes)
{
    struct str name = {root->outer.p + 1, root->prefix.len + (root->prefix.len > 0) + root->name.len};
    struct xml_root_ns *copy = mem_alloc(sizeof(*copy) + n * sizeof(struct xml_binding) + n_bytes + name.len);
    struct xml_binding *bindings = (struct xml_binding *)(copy + 1), *next = bindings;
    char *bytes = (char *)(bindings + n);

    *copy = (struct xml_root_ns){.bindings = bindings, .n = (uint16_t)n};
    bytes = put_bytes(bytes, name, &copy->name);
    *next = (struct xml_binding){0};
    bytes = put_bytes(bytes, ns->ns, &next->ns);
    for (const struct xml_binding *b = root->scope; b != NULL; b = b->outer) {
        if (b->prefix.len == 0)
            continue;
        next++;
        *next = (struct xml_binding){.outer = next - 1};
        bytes = put_bytes(bytes, b->prefix, &next->prefix);
        bytes = put_bytes(bytes, b->ns, &next->ns);
    }
    return copy;
}

static enum xml_error remember_root(struct xml_reader *r, const struct xml_element *root, struct str *ret_default_ns)
{
    const struct xml_binding *ns = xml_find_binding(root->scope, STR(""));
    size_t n = 1, n_bytes = ns->ns.len;

    for (const struct xml_binding *b = root->scope; b != NULL; b = b->outer) {
        if (b->prefix.len > 0) {
            n++;
            n_bytes += b->prefix.len + b->ns.len;
        }
    }
    if (n > XML_ROOT_BINDINGS_MAX)
        return XML_TOO_MANY_ATTRS;
    if (n_bytes > XML_ROOT_NS_BYTES_MAX)
        return XML_TOO_LARGE;
    r->root_ns = is_usual_root(root, ns) ? &usual_root : copy_root(root, ns, n, n_bytes);
    *ret_default_ns = ns->ns;
    return XML_OK;
}

static void forget_root(struct xml_reader *r)
{
    if (r->root_ns != NULL && !r->root_ns->is_static)
        free((void *)(uintptr_t)r->root_ns);
    r->root_ns = NULL;
}

/* Life. */

void xml_reader_init(struct xml_reader *r, const struct xml_limits *limits)
{
    assert(limits->stanza_bytes > 0);
    *r = (struct xml_reader){.limits = limits, .state = AT_START};
}

static void partial_free(struct xml_partial **p)
{
    if (*p == NULL)
        return;
    xml_tree_deinit(&(*p)->tree);
    free((*p)->bytes);
    free(*p);
    *p = NULL;
}

void xml_reader_deinit(struct xml_reader *r)
{
    partial_free(&r->partial);
    forget_root(r);
}

void xml_reader_restart(struct xml_reader *r)
{
    xml_reader_deinit(r);
    xml_reader_init(r, r->limits);
}

void xml_reader_rename_default(struct xml_reader *r, const char *ns)
{
    assert(!r->root_ns->is_static); /* that is jabber:client already */
    ((struct xml_binding *)(uintptr_t)&r->root_ns->bindings[0])->ns = str_of(ns);
}

void xml_reader_set_limits(struct xml_reader *r, const struct xml_limits *limits)
{
    assert(limits->stanza_bytes > 0);
    r->limits = limits;
}

bool xml_reader_is_partial(const struct xml_reader *r)
{
    return r->partial != NULL;
}

size_t xml_reader_kept_bytes(const struct xml_reader *r)
{
    const struct xml_partial *p = r->partial;

    return p == NULL ? 0 : sizeof(*p) + p->cap + xml_tree_memory(&p->tree);
}

static enum xml_event fail(struct xml_reader *r, enum xml_error error, struct xml_result *ret)
{
    partial_free(&r->partial);
    r->state = FAILED;
    r->error = (uint8_t)error;
    *ret = (struct xml_result){.error = error};
    return XML_ERROR;
}

/* Units. */

static enum xml_step read_header(struct xml_tree *t, struct xml_source *src)
{
    enum xml_step step;

    src->root = &no_root;
    step = xml_read_start_tag(t, src);
    if (step == XML_TAKEN && t->open != XML_NO_NODE) { /* the tag is all that is wanted of it */
        t->nodes[0].inner_end = t->nodes[0].outer_end = t->pos;
        t->nodes[0].after = 1;
    }
    return step;
}

/* What begins with "<?" or "<!". */
static enum xml_step read_restricted(const struct xml_reader *r, struct xml_tree *t, struct xml_source *src)
{
    if (src->bytes[1] == '?' && r->state <= BEFORE_DECL)
        return xml_read_declaration(t, src);
    return xml_wrong(src, XML_RESTRICTED);
}

static enum unit unit_of(const struct xml_reader *r, const struct xml_source *src)
{
    if (src->bytes[1] == '?' || src->bytes[1] == '!')
        return UNIT_PROLOG;
    if (r->state < IN_ROOT)
        return UNIT_HEADER;
    return src->bytes[1] == '/' ? UNIT_END : UNIT_STANZA;
}

static enum xml_step read_unit(const struct xml_reader *r, struct xml_tree *t, struct xml_source *src,
                               enum unit *ret_unit)
{
    *ret_unit = UNIT_PROLOG;
    if (src->bytes[0] == '\xef' && r->state == AT_START)
        return xml_read_byte_order_mark(t, src);
    if (src->bytes[0] != '<')
        return xml_wrong(src, r->state == IN_ROOT ? XML_TEXT_OUTSIDE : XML_NOT_WELL_FORMED);
    if (src->len < 2)
        return XML_CUT;
    *ret_unit = unit_of(r, src);
    if (*ret_unit == UNIT_PROLOG)
        return read_restricted(r, t, src);
    if (*ret_unit == UNIT_HEADER)
        return read_header(t, src);
    if (r->state == AFTER_ROOT)
        return xml_wrong(src, XML_NOT_WELL_FORMED);
    if (*ret_unit == UNIT_END)
        return xml_read_end_tag(t, src, r->root_ns->name);
    return xml_read_element(t, src);
}

static void consume(struct str *in, size_t n)
{
    in->p += n;
    in->len -= n;
}

/* Reads from the input itself; what is cut is kept. */
static enum xml_step begin_unit(struct xml_reader *r, struct xml_scratch *scratch, struct str *in,
                                struct xml_source *src, enum unit *ret_unit)
{
    struct xml_tree *t = &scratch->tree;
    uint32_t limit = r->limits->stanza_bytes;
    enum xml_step step;

    xml_tree_reset(t);
    src->bytes = in->p;
    src->len = in->len < limit ? (uint32_t)in->len : limit;
    src->limits = r->limits;
    step = read_unit(r, t, src, ret_unit);
    if (step == XML_TAKEN)
        consume(in, t->pos);
    if (step != XML_CUT)
        return step;
    if (src->len == limit)
        return xml_wrong(src, XML_TOO_LARGE);
    r->partial = mem_alloc(sizeof(*r->partial));
    *r->partial = (struct xml_partial){.limits = *r->limits, .len = src->len, .cap = src->len};
    xml_tree_copy(&r->partial->tree, t);
    r->partial->bytes = mem_strndup(src->bytes, src->len);
    consume(in, in->len);
    return XML_CUT;
}

/* Moves some of the input to the kept bytes: not more than lies there, lest most of it should have to go back. */
static uint32_t append_slice(struct xml_partial *p, struct str *in)
{
    uint32_t limit = p->limits.stanza_bytes, slice = p->len > FIRST_SLICE ? p->len : FIRST_SLICE;

    if (slice > limit - p->len)
        slice = limit - p->len;
    if (slice > in->len)
        slice = (uint32_t)in->len;
    if (slice > p->cap - p->len) {
        p->cap = p->len + slice > limit / 2 ? limit : (p->len + slice) * 2;
        p->bytes = mem_realloc(p->bytes, p->cap);
    }
    memcpy(p->bytes + p->len, in->p, slice);
    p->len += slice;
    consume(in, slice);
    return slice;
}

static enum xml_step continue_unit(struct xml_reader *r, struct str *in, struct xml_source *src, enum unit *ret_unit)
{
    struct xml_partial *p = r->partial;
    enum xml_step step = XML_CUT;

    while (step == XML_CUT && in->len > 0) {
        uint32_t slice = append_slice(p, in);

        src->bytes = p->bytes;
        src->len = p->len;
        src->limits = &p->limits;
        step = read_unit(r, &p->tree, src, ret_unit);
        if (step == XML_CUT && p->len == p->limits.stanza_bytes)
            return xml_wrong(src, XML_TOO_LARGE);
        if (step == XML_TAKEN) { /* what lies behind the unit goes back */
            uint32_t behind = p->len - p->tree.pos;

            assert(behind <= slice);
            in->p -= behind;
            in->len += behind;
        }
    }
    return step;
}

/* Events. */

static enum xml_event open_stream(struct xml_reader *r, const struct xml_tree *t, const struct xml_source *src,
                                  struct xml_result *ret)
{
    enum xml_error error;

    ret->arena = xml_tree_seal(t, src->bytes, src->root, XML_ARENA_ROOM, &ret->element);
    error = remember_root(r, ret->element, &ret->default_ns);
    if (error != XML_OK) {
        arena_free(&ret->arena);
        return fail(r, error, ret);
    }
    r->state = t->open == XML_NO_NODE ? IN_EMPTY_ROOT : IN_ROOT;
    return XML_STREAM_OPEN;
}

static enum xml_event finish_unit(struct xml_reader *r, enum unit unit, const struct xml_tree *t,
                                  const struct xml_source *src, struct xml_result *ret)
{
    switch (unit) {
    case UNIT_HEADER:
        return open_stream(r, t, src, ret);
    case UNIT_STANZA:
        ret->arena = xml_tree_seal(t, src->bytes, src->root, XML_ARENA_ROOM, &ret->element);
        return XML_STANZA;
    case UNIT_END:
        r->state = AFTER_ROOT;
        return XML_STREAM_CLOSE;
    default:
        r->state = src->bytes[0] == '<' ? BEFORE_ROOT : BEFORE_DECL;
        return XML_MORE;
    }
}

static void skip_space(struct xml_reader *r, struct str *in)
{
    size_t i = 0;

    while (i < in->len && xml_char_is(in->p[i], XML_C_SPACE))
        i++;
    if (i > 0 && r->state < BEFORE_ROOT)
        r->state = BEFORE_ROOT;
    if (i > 0)
        consume(in, i);
}

/* One unit; XML_MORE: none that makes an event. */
static enum xml_event next_unit(struct xml_reader *r, struct xml_scratch *scratch, struct str *in,
                                struct xml_result *ret)
{
    struct xml_source src = {.root = r->root_ns};
    struct xml_tree *t = r->partial != NULL ? &r->partial->tree : &scratch->tree;
    enum unit unit;
    enum xml_event event;
    enum xml_step step =
        r->partial != NULL ? continue_unit(r, in, &src, &unit) : begin_unit(r, scratch, in, &src, &unit);

    if (step == XML_WRONG)
        return fail(r, src.error, ret);
    if (step == XML_CUT)
        return XML_MORE;
    event = finish_unit(r, unit, t, &src, ret);
    partial_free(&r->partial);
    return event;
}

enum xml_event xml_reader_next(struct xml_reader *r, struct xml_scratch *scratch, struct str *in,
                               struct xml_result *ret)
{
    enum xml_event event = XML_MORE;

    *ret = (struct xml_result){0};
    if (r->state == FAILED)
        return fail(r, (enum xml_error)r->error, ret);
    if (r->state == IN_EMPTY_ROOT) {
        r->state = AFTER_ROOT;
        return XML_STREAM_CLOSE;
    }
    while (event == XML_MORE) {
        if (r->partial == NULL)
            skip_space(r, in);
        if (in->len == 0)
            return XML_MORE;
        event = next_unit(r, scratch, in, ret);
    }
    return event;
}

const char *xml_error_name(enum xml_error e)
{
    static const char *const names[] = {
        [XML_OK] = "ok",
        [XML_NOT_WELL_FORMED] = "not-well-formed",
        [XML_RESTRICTED] = "restricted-xml",
        [XML_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
        [XML_UNSUPPORTED_ENCODING] = "unsupported-encoding",
        [XML_TOO_LARGE] = "too-large",
        [XML_TOO_DEEP] = "too-deep",
        [XML_TOO_MANY_ATTRS] = "too-many-attributes",
        [XML_TOO_MANY_ELEMENTS] = "too-many-elements",
        [XML_TEXT_OUTSIDE] = "text-outside",
    };

    return (size_t)e < ARRAY_LEN(names) ? names[e] : "unknown";
}

enum ln_err xml_parse(struct str xml, struct str default_ns, struct arena **ret_arena, const struct xml_element **ret)
{
    static const struct xml_limits limits = {UINT32_MAX, XML_DEPTH_MAX, XML_ATTRS_MAX, 0};
    struct xml_binding binding = {.ns = default_ns};
    struct xml_root_ns root = {.bindings = &binding, .n = 1};
    struct xml_source src = {.bytes = xml.p, .limits = &limits, .root = &root};
    struct xml_tree t = {0};
    bool is_element;

    if (xml.len == 0 || xml.len >= UINT32_MAX / 2 || xml.p[0] != '<')
        return LN_E_INVALID;
    src.len = (uint32_t)xml.len;
    xml_tree_reset(&t);
    is_element = xml_read_element(&t, &src) == XML_TAKEN && t.pos == src.len;
    if (is_element)
        *ret_arena = xml_tree_seal(&t, src.bytes, &root, XML_ARENA_ROOM, ret);
    xml_tree_deinit(&t);
    return is_element ? LN_OK : LN_E_INVALID;
}
