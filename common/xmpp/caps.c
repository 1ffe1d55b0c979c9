#include "common/xmpp/caps.h"

#include "common/base64.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"

#include <mbedtls/md.h>

enum { SHA1_BYTES = 20 };

/* ---- children in an order ---- */

struct children {
    const struct xml_element **items; /* owned */
    size_t n;
};

static int compare_attr(const struct xml_element *a, const struct xml_element *b, const char *name)
{
    return str_cmp(xml_attr(a, name, NULL), xml_attr(b, name, NULL));
}

static int compare_identities(const void *a, const void *b)
{
    const struct xml_element *x = *(const struct xml_element *const *)a, *y = *(const struct xml_element *const *)b;
    int order = compare_attr(x, y, "category");

    if (order == 0)
        order = compare_attr(x, y, "type");
    return order != 0 ? order : str_cmp(xml_lang(x), xml_lang(y));
}

static int compare_vars(const void *a, const void *b)
{
    return compare_attr(*(const struct xml_element *const *)a, *(const struct xml_element *const *)b, "var");
}

static int compare_texts(const void *a, const void *b)
{
    return str_cmp((*(const struct xml_element *const *)a)->text, (*(const struct xml_element *const *)b)->text);
}

static const struct xml_element *form_type(const struct xml_element *form)
{
    for (const struct xml_element *f = xml_child(form, "field", NS_DATA_FORMS); f != NULL;
         f = xml_next(f, "field", NS_DATA_FORMS)) {
        if (str_is(xml_attr(f, "var", NULL), "FORM_TYPE") && str_is(xml_attr(f, "type", NULL), "hidden"))
            return xml_child(f, "value", NS_DATA_FORMS);
    }
    return NULL;
}

static int compare_forms(const void *a, const void *b)
{
    const struct xml_element *x = form_type(*(const struct xml_element *const *)a);
    const struct xml_element *y = form_type(*(const struct xml_element *const *)b);

    return str_cmp(x == NULL ? STR("") : x->text, y == NULL ? STR("") : y->text);
}

static struct children sorted_children(const struct xml_element *parent, const char *name, const char *ns,
                                       int (*compare)(const void *, const void *))
{
    struct children c = {mem_alloc((xml_count_children(parent) + 1) * sizeof(*c.items)), 0};

    for (const struct xml_element *e = xml_child(parent, name, ns); e != NULL; e = xml_next(e, name, ns))
        c.items[c.n++] = e;
    qsort(c.items, c.n, sizeof(*c.items), compare);
    return c;
}

/* ---- the string S ---- */

static void append_item(struct buf *s, struct str text)
{
    buf_append_str(s, text);
    buf_append_char(s, '<');
}

static void append_identities(struct buf *s, const struct xml_element *query)
{
    struct children c = sorted_children(query, "identity", NS_DISCO_INFO, compare_identities);

    for (size_t i = 0; i < c.n; i++) {
        buf_append_str(s, xml_attr(c.items[i], "category", NULL));
        buf_append_char(s, '/');
        buf_append_str(s, xml_attr(c.items[i], "type", NULL));
        buf_append_char(s, '/');
        buf_append_str(s, xml_lang(c.items[i]));
        buf_append_char(s, '/');
        append_item(s, xml_attr(c.items[i], "name", NULL));
    }
    free(c.items);
}

static void append_features(struct buf *s, const struct xml_element *query)
{
    struct children c = sorted_children(query, "feature", NS_DISCO_INFO, compare_vars);

    for (size_t i = 0; i < c.n; i++)
        append_item(s, xml_attr(c.items[i], "var", NULL));
    free(c.items);
}

static void append_field(struct buf *s, const struct xml_element *field)
{
    struct children values = sorted_children(field, "value", NS_DATA_FORMS, compare_texts);

    append_item(s, xml_attr(field, "var", NULL));
    for (size_t i = 0; i < values.n; i++)
        append_item(s, values.items[i]->text);
    free(values.items);
}

static void append_form(struct buf *s, const struct xml_element *form)
{
    const struct xml_element *type = form_type(form);

    if (type == NULL)
        return;
    struct children fields = sorted_children(form, "field", NS_DATA_FORMS, compare_vars);

    append_item(s, type->text);
    for (size_t i = 0; i < fields.n; i++) {
        if (!str_is(xml_attr(fields.items[i], "var", NULL), "FORM_TYPE"))
            append_field(s, fields.items[i]);
    }
    free(fields.items);
}

void caps_append_ver(struct buf *out, const struct xml_element *query)
{
    struct buf s = {0};
    struct children forms = sorted_children(query, "x", NS_DATA_FORMS, compare_forms);
    unsigned char hash[SHA1_BYTES] = {0};

    append_identities(&s, query);
    append_features(&s, query);
    for (size_t i = 0; i < forms.n; i++)
        append_form(&s, forms.items[i]);
    /* Fails only for a hash that the library does not have. */
    (void)mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), (const unsigned char *)s.p, s.len, hash);
    base64_encode(out, str_make((const char *)hash, sizeof(hash)));
    free(forms.items);
    buf_deinit(&s);
}
