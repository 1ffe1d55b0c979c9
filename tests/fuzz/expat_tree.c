#include "tests/fuzz/expat_tree.h"

#include <expat.h>

#include "common/mem.h"
#include "common/xmpp/xml.h"

/* Parts of a name as expat gives it; XML cannot contain it, not even as a reference. */
enum { SEPARATOR = '\f' };

void dump_text(struct buf *log, const char *mark, struct str text)
{
    buf_append_cstr(log, mark);
    buf_append_u64(log, text.len); /* lest content should look like the format */
    buf_append_char(log, ':');
    buf_append_str(log, text);
}

void dump_name(struct buf *log, const char *mark, struct str ns, struct str prefix, struct str name)
{
    buf_append_cstr(log, mark);
    dump_text(log, "", ns);
    dump_text(log, "|", prefix);
    dump_text(log, "|", name);
}

void dump_element(struct buf *log, const struct xml_element *e, bool with_prefixes)
{
    dump_name(log, "(", e->ns, with_prefixes ? e->prefix : STR(""), e->name);
    for (size_t i = 0; i < e->n_attrs; i++) {
        const struct xml_attr *a = &e->attrs[i];

        dump_name(log, " @", a->ns, with_prefixes ? a->prefix : STR(""), a->name);
        dump_text(log, "=", a->value);
    }
    dump_text(log, " ", e->text);
    for (const struct xml_element *child = e->child; child != NULL; child = child->next)
        dump_element(log, child, with_prefixes);
    buf_append_cstr(log, ")\n");
}

/* An element whose end tag has not come. */
struct open_element {
    struct buf head, text, children;
};

struct reading {
    struct expat_outcome *outcome;
    struct open_element *open;
    size_t depth, cap;
};

static void dump_expat_name(struct buf *log, const char *mark, const char *triplet)
{
    struct str parts[3] = {{0}};
    size_t n = 0;

    for (const char *p = triplet, *end; p != NULL && n < 3; p = end == NULL ? NULL : end + 1) {
        end = strchr(p, SEPARATOR);
        parts[n++] = end == NULL ? str_of(p) : str_make(p, (size_t)(end - p));
    }
    if (n == 1)
        dump_name(log, mark, STR(""), STR(""), parts[0]);
    else
        dump_name(log, mark, parts[0], parts[2], parts[1]);
}

static void on_start(void *data, const char *name, const char **attrs)
{
    struct reading *r = data;
    struct open_element e = {.head = {0}};

    dump_expat_name(&e.head, "(", name);
    for (size_t i = 0; attrs[i] != NULL; i += 2) {
        dump_expat_name(&e.head, " @", attrs[i]);
        dump_text(&e.head, "=", str_of(attrs[i + 1]));
    }
    if (r->depth == r->cap) {
        r->cap = r->cap * 2 + 8;
        r->open = mem_realloc(r->open, r->cap * sizeof(*r->open));
    }
    r->open[r->depth++] = e;
    if (r->depth == 1) {
        buf_append_cstr(&r->outcome->log, "open ");
        buf_append_str(&r->outcome->log, buf_str(&e.head));
        buf_append_char(&r->outcome->log, '\n');
    }
}

static void element_deinit(struct open_element *e)
{
    buf_deinit(&e->head);
    buf_deinit(&e->text);
    buf_deinit(&e->children);
}

static void on_end(void *data, const char *name)
{
    struct reading *r = data;
    struct open_element *e = &r->open[--r->depth];
    struct buf *to = r->depth > 1 ? &r->open[r->depth - 1].children : &r->outcome->log;

    (void)name;
    if (r->depth == 0) {
        buf_append_cstr(to, "close\n");
    } else {
        buf_append_str(to, buf_str(&e->head));
        dump_text(to, " ", buf_str(&e->text));
        buf_append_str(to, buf_str(&e->children));
        buf_append_cstr(to, ")\n");
    }
    element_deinit(e);
}

static void on_text(void *data, const char *text, int len)
{
    struct reading *r = data;
    struct str s = str_make(text, (size_t)len);

    if (r->depth > 1)
        buf_append_str(&r->open[r->depth - 1].text, s);
    else if (str_trim(s).len > 0)
        r->outcome->has_outside_text = true;
}

static void on_comment(void *data, const char *text)
{
    (void)text;
    ((struct reading *)data)->outcome->has_restricted = true;
}

static void on_instruction(void *data, const char *target, const char *text)
{
    (void)target;
    on_comment(data, text);
}

static void on_doctype(void *data, const char *name, const char *system_id, const char *public_id, int has_subset)
{
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    on_comment(data, name);
}

static void on_cdata(void *data)
{
    struct reading *r = data;

    if (r->depth <= 1)
        r->outcome->has_restricted = true;
}

void expat_read(struct str input, bool is_final, struct expat_outcome *ret)
{
    struct reading r = {.outcome = ret};
    XML_Parser p = XML_ParserCreateNS("UTF-8", SEPARATOR);

    *ret = (struct expat_outcome){.error_at = -1};
    XML_SetReturnNSTriplet(p, 1);
    XML_SetUserData(p, &r);
    XML_SetElementHandler(p, on_start, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    XML_SetCommentHandler(p, on_comment);
    XML_SetProcessingInstructionHandler(p, on_instruction);
    XML_SetStartDoctypeDeclHandler(p, on_doctype);
    XML_SetStartCdataSectionHandler(p, on_cdata);
    ret->is_error = XML_Parse(p, input.p, (int)input.len, is_final) != XML_STATUS_OK;
    if (ret->is_error) {
        ret->error = XML_GetErrorCode(p);
        ret->error_at = XML_GetCurrentByteIndex(p);
    }
    ret->depth = (unsigned)r.depth;
    while (r.depth > 0)
        element_deinit(&r.open[--r.depth]);
    free(r.open);
    XML_ParserFree(p);
}

bool expat_can_judge(struct str input)
{
    if (input.len < 2)
        return true;
    return input.p[0] != '\0' && input.p[1] != '\0' && memcmp(input.p, "\xfe\xff", 2) != 0 &&
           memcmp(input.p, "\xff\xfe", 2) != 0;
}
