#include "common/xmpp/caps.h"

#include "common/base64.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"

#include <mbedtls/md.h>

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

static void append_s(struct buf *s, const struct xml_element *query)
{
    struct children forms = sorted_children(query, "x", NS_DATA_FORMS, compare_forms);

    append_identities(s, query);
    append_features(s, query);
    for (size_t i = 0; i < forms.n; i++)
        append_form(s, forms.items[i]);
    free(forms.items);
}

/* ---- hashes ---- */

static const struct {
    const char *name; /* XEP-0300 */
    mbedtls_md_type_t type;
    uint8_t bytes;
} algorithms[] = {
    {"sha-1", MBEDTLS_MD_SHA1, 20},
    {"sha-256", MBEDTLS_MD_SHA256, 32},
    {"sha-512", MBEDTLS_MD_SHA512, 64},
};

/* -1: none that we have. */
static int find_algorithm(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        if (str_is(name, algorithms[i].name))
            return (int)i;
    }
    return -1;
}

static void append_hash(struct buf *out, int algorithm, const struct buf *input)
{
    unsigned char hash[MBEDTLS_MD_MAX_SIZE] = {0};

    /* Fails only for a hash that the library does not have. */
    (void)mbedtls_md(mbedtls_md_info_from_type(algorithms[algorithm].type), (const unsigned char *)input->p, input->len,
                     hash);
    base64_encode(out, str_make((const char *)hash, algorithms[algorithm].bytes));
}

void caps_append_ver(struct buf *out, const struct xml_element *query)
{
    struct buf s = {0};

    append_s(&s, query);
    append_hash(out, find_algorithm(STR("sha-1")), &s);
    buf_deinit(&s);
}

/* ---- is an answer well-formed? (XEP-0115 section 5.4) ---- */

static int compare_whole_identities(const void *a, const void *b)
{
    int order = compare_identities(a, b);

    return order != 0
               ? order
               : compare_attr(*(const struct xml_element *const *)a, *(const struct xml_element *const *)b, "name");
}

static bool has_twins(const struct xml_element *query, const char *name, int (*compare)(const void *, const void *))
{
    struct children c = sorted_children(query, name, NS_DISCO_INFO, compare);
    bool found = false;

    for (size_t i = 1; i < c.n && !found; i++)
        found = compare(&c.items[i - 1], &c.items[i]) == 0;
    free(c.items);
    return found;
}

/* Forms without a FORM_TYPE may be as many as they like: they do not count. */
static bool has_twin_forms(const struct xml_element *query)
{
    struct children c = sorted_children(query, "x", NS_DATA_FORMS, compare_forms);
    bool found = false;

    for (size_t i = 1; i < c.n && !found; i++)
        found = form_type(c.items[i]) != NULL && compare_forms(&c.items[i - 1], &c.items[i]) == 0;
    free(c.items);
    return found;
}

static bool has_two_types(const struct xml_element *form)
{
    const struct xml_element *type = form_type(form);

    for (const struct xml_element *v = type; v != NULL; v = xml_next(v, "value", NS_DATA_FORMS)) {
        if (!str_eq(v->text, type->text))
            return true;
    }
    return false;
}

static bool is_well_formed(const struct xml_element *query)
{
    for (const struct xml_element *x = xml_child(query, "x", NS_DATA_FORMS); x != NULL;
         x = xml_next(x, "x", NS_DATA_FORMS)) {
        if (has_two_types(x))
            return false;
    }
    return !has_twins(query, "identity", compare_whole_identities) && !has_twins(query, "feature", compare_vars) &&
           !has_twin_forms(query);
}

/* ---- XEP-0390: the input of the hash ---- */

/* Separators, the innermost last. */
enum { END_OF_PART = 0x1c, END_OF_FORM = 0x1d, END_OF_RECORD = 0x1e, END_OF_TEXT = 0x1f };

/* Strings that are put together in the order of their bytes. */
struct strings {
    char **items; /* owned, with `lens` */
    size_t *lens;
    size_t n;
};

static void strings_add(struct strings *list, struct buf *own)
{
    list->items = mem_realloc(list->items, (list->n + 1) * sizeof(*list->items));
    list->lens = mem_realloc(list->lens, (list->n + 1) * sizeof(*list->lens));
    list->items[list->n] = buf_take(own, &list->lens[list->n]);
    list->n++;
}

static int compare_spans(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void strings_join(struct buf *out, struct strings *list, int end)
{
    struct str *spans = mem_alloc((list->n + 1) * sizeof(*spans));

    for (size_t i = 0; i < list->n; i++)
        spans[i] = str_make(list->items[i], list->lens[i]);
    qsort(spans, list->n, sizeof(*spans), compare_spans);
    for (size_t i = 0; i < list->n; i++)
        buf_append_str(out, spans[i]);
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    buf_append_char(out, (char)end);
    free(spans);
    free(list->items);
    free(list->lens);
}

static void append_text(struct buf *out, struct str text)
{
    buf_append_str(out, text);
    buf_append_char(out, END_OF_TEXT);
}

static void append_new_features(struct buf *out, const struct xml_element *query)
{
    struct strings list = {0};

    for (const struct xml_element *f = xml_child(query, "feature", NS_DISCO_INFO); f != NULL;
         f = xml_next(f, "feature", NS_DISCO_INFO)) {
        struct buf b = {0};

        append_text(&b, xml_attr(f, "var", NULL));
        strings_add(&list, &b);
    }
    strings_join(out, &list, END_OF_PART);
}

static void append_new_identities(struct buf *out, const struct xml_element *query)
{
    struct strings list = {0};

    for (const struct xml_element *i = xml_child(query, "identity", NS_DISCO_INFO); i != NULL;
         i = xml_next(i, "identity", NS_DISCO_INFO)) {
        struct buf b = {0};

        append_text(&b, xml_attr(i, "category", NULL));
        append_text(&b, xml_attr(i, "type", NULL));
        append_text(&b, xml_lang(i));
        append_text(&b, xml_attr(i, "name", NULL));
        buf_append_char(&b, END_OF_RECORD);
        strings_add(&list, &b);
    }
    strings_join(out, &list, END_OF_PART);
}

static void append_new_field(struct buf *out, const struct xml_element *field)
{
    struct children values = sorted_children(field, "value", NS_DATA_FORMS, compare_texts);

    append_text(out, xml_attr(field, "var", NULL));
    for (size_t i = 0; i < values.n; i++)
        append_text(out, values.items[i]->text);
    buf_append_char(out, END_OF_RECORD);
    free(values.items);
}

static void append_new_forms(struct buf *out, const struct xml_element *query)
{
    struct strings forms = {0};

    for (const struct xml_element *x = xml_child(query, "x", NS_DATA_FORMS); x != NULL;
         x = xml_next(x, "x", NS_DATA_FORMS)) {
        struct strings fields = {0};
        struct buf form = {0};

        for (const struct xml_element *f = xml_child(x, "field", NS_DATA_FORMS); f != NULL;
             f = xml_next(f, "field", NS_DATA_FORMS)) {
            struct buf b = {0};

            append_new_field(&b, f);
            strings_add(&fields, &b);
        }
        strings_join(&form, &fields, END_OF_FORM);
        strings_add(&forms, &form);
    }
    strings_join(out, &forms, END_OF_PART);
}

/* Section 4.1: there is nothing but what the hash is made of. */
static bool has_hash_input(const struct xml_element *query)
{
    for (const struct xml_element *e = query->child; e != NULL; e = e->next) {
        if (xml_is(e, "x", NS_DATA_FORMS)) {
            if (form_type(e) == NULL || xml_child(e, "reported", NS_DATA_FORMS) != NULL ||
                xml_child(e, "item", NS_DATA_FORMS) != NULL)
                return false;
        } else if (!xml_is(e, "identity", NS_DISCO_INFO) && !xml_is(e, "feature", NS_DISCO_INFO)) {
            return false;
        }
    }
    return true;
}

/* ---- of a presence ---- */

static struct caps new_caps(const struct xml_element *presence)
{
    const struct xml_element *c = xml_child(presence, "c", NS_CAPS2);
    const struct xml_element *hash = c == NULL ? NULL : xml_child(c, "hash", NS_HASHES);
    struct caps caps = {0};

    for (; hash != NULL; hash = xml_next(hash, "hash", NS_HASHES)) {
        struct caps found = {
            .is_there = true, .is_new = true, .algo = xml_attr(hash, "algo", NULL), .hash = str_trim(hash->text)};

        /* The strongest that we have: they are listed in that order. */
        if (!caps.is_there || find_algorithm(found.algo) > find_algorithm(caps.algo))
            caps = found;
    }
    return caps;
}

struct caps caps_of_presence(const struct xml_element *presence)
{
    const struct xml_element *c = xml_child(presence, "c", NS_CAPS);
    struct caps caps = new_caps(presence);

    if (c == NULL || (caps.is_there && caps_can_verify(&caps)))
        return caps;
    caps = (struct caps){.is_there = true,
                         .algo = xml_attr(c, "hash", NULL),
                         .hash = xml_attr(c, "ver", NULL),
                         .node = xml_attr(c, "node", NULL)};
    return caps;
}

bool caps_can_verify(const struct caps *c)
{
    return find_algorithm(c->algo) >= 0 && c->hash.len > 0;
}

void caps_append_node(struct buf *out, const struct caps *c)
{
    buf_append_str(out, c->is_new ? STR(NS_CAPS2) : c->node);
    buf_append_char(out, '#');
    if (c->is_new) {
        buf_append_str(out, c->algo);
        buf_append_char(out, '.');
    }
    buf_append_str(out, c->hash);
}

/* ---- an old hash is of a string that can be read in several ways ---- */

#define NOTIFY "+notify"

static bool says_notify(struct str text)
{
    size_t len = sizeof(NOTIFY) - 1;

    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.p + i, NOTIFY, len) == 0)
            return true;
    }
    return false;
}

static bool form_says_notify(const struct xml_element *form)
{
    for (const struct xml_element *f = xml_child(form, "field", NS_DATA_FORMS); f != NULL;
         f = xml_next(f, "field", NS_DATA_FORMS)) {
        if (says_notify(xml_attr(f, "var", NULL)))
            return true;
        for (const struct xml_element *v = xml_child(f, "value", NS_DATA_FORMS); v != NULL;
             v = xml_next(v, "value", NS_DATA_FORMS)) {
            if (says_notify(v->text))
                return true;
        }
    }
    return false;
}

static bool identity_says_notify(const struct xml_element *i)
{
    return says_notify(xml_attr(i, "category", NULL)) || says_notify(xml_attr(i, "type", NULL)) ||
           says_notify(xml_lang(i)) || says_notify(xml_attr(i, "name", NULL));
}

/* Two features in one, or written as an identity or as a form, give the same hash (XEP-0115 section 8.1): with that
 * somebody could answer for others' clients that they do not want to be notified. So what says so has to be a feature
 * here, and a feature one. */
static bool has_hidden_notify(const struct xml_element *query)
{
    for (const struct xml_element *e = query->child; e != NULL; e = e->next) {
        if ((xml_is(e, "feature", NS_DISCO_INFO) && str_find(xml_attr(e, "var", NULL), '<') >= 0) ||
            (xml_is(e, "identity", NS_DISCO_INFO) && identity_says_notify(e)) ||
            (xml_is(e, "x", NS_DATA_FORMS) && form_says_notify(e)))
            return true;
    }
    return false;
}

bool caps_verify(const struct caps *c, const struct xml_element *query)
{
    int algorithm = find_algorithm(c->algo);
    struct buf input = {0}, hash = {0};
    bool is_right = false;

    if (algorithm < 0 || !is_well_formed(query) || (c->is_new ? !has_hash_input(query) : has_hidden_notify(query)))
        return false;
    if (c->is_new) {
        append_new_features(&input, query);
        append_new_identities(&input, query);
        append_new_forms(&input, query);
    } else {
        append_s(&input, query);
    }
    append_hash(&hash, algorithm, &input);
    is_right = str_eq(buf_str(&hash), c->hash);
    buf_deinit(&input);
    buf_deinit(&hash);
    return is_right;
}
