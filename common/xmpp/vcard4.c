#include "common/xmpp/vcard4.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"

/* A word of vcard-temp and of vCard4. */
struct pair {
    const char *temp;
    const char *four;
};

/* A property that both have. Written in the order of the table; each is called for every element of that name. */
struct property {
    const char *temp;
    const char *four;
    void (*to_four)(struct xml_writer *w, const struct property *p, const struct xml_element *e);
    void (*to_temp)(struct xml_writer *w, const struct property *p, const struct xml_element *e);
    const char *value;  /* in vCard4, the element of the value: "text", "uri", "date" */
    const char *prefix; /* of that value; NULL: none */
    const char *inner;  /* in vcard-temp, the element of the value; NULL: the property itself */
    const struct pair *types;
    size_t n_types;
    const struct pair *parts;
    size_t n_parts;
};

static struct str text_of(const struct xml_element *e)
{
    return e == NULL ? STR("") : str_trim(e->text);
}

static struct str child_text(const struct xml_element *e, const char *name)
{
    return text_of(xml_child(e, name, NULL));
}

/* ---- types: <HOME/><VOICE/>, <parameters><type><text>home</text>...</type></parameters> ---- */

static void types_to_four(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    bool any = false;

    for (size_t i = 0; i < p->n_types; i++) {
        if (xml_child(e, p->types[i].temp, NS_VCARD) == NULL)
            continue;
        if (!any) {
            xml_start(w, "parameters", NULL);
            xml_start(w, "type", NULL);
            any = true;
        }
        xml_put_text_element(w, "text", str_of(p->types[i].four));
    }
    if (any) {
        xml_end(w);
        xml_end(w);
    }
}

static void types_to_temp(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    const struct xml_element *parameters = xml_child(e, "parameters", NS_VCARD4);
    const struct xml_element *type = parameters == NULL ? NULL : xml_child(parameters, "type", NS_VCARD4);

    for (size_t i = 0; type != NULL && i < p->n_types; i++) {
        for (const struct xml_element *t = type->child; t != NULL; t = t->next) {
            if (str_eq_nocase(text_of(t), str_of(p->types[i].four))) {
                xml_put_empty(w, p->types[i].temp, NULL);
                break;
            }
        }
    }
}

/* ---- properties with one value ---- */

static void value_to_four(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    struct str value = p->inner == NULL ? text_of(e) : child_text(e, p->inner);

    if (value.len == 0)
        return;
    xml_start(w, p->four, NULL);
    types_to_four(w, p, e);
    xml_start(w, p->value, NULL);
    if (p->prefix != NULL)
        xml_put_text(w, str_of(p->prefix));
    xml_put_text(w, value);
    xml_end(w);
    xml_end(w);
}

/* Whatever kind of value it is; <parameters/> is none. */
static struct str value_of_four(const struct xml_element *e)
{
    for (const struct xml_element *v = e->child; v != NULL; v = v->next) {
        if (!xml_is(v, "parameters", NS_VCARD4))
            return text_of(v);
    }
    return STR("");
}

static struct str without_prefix(struct str value, const char *prefix)
{
    size_t len = prefix == NULL ? 0 : strlen(prefix);

    return len > 0 && str_starts(value, str_of(prefix)) ? str_make(value.p + len, value.len - len) : value;
}

static void value_to_temp(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    struct str value = without_prefix(value_of_four(e), p->prefix);

    if (value.len == 0)
        return;
    if (p->inner == NULL) {
        xml_put_text_element(w, p->temp, value);
        return;
    }
    xml_start(w, p->temp, NULL);
    types_to_temp(w, p, e);
    /* A telephone number may be a URI as well as a text. */
    xml_put_text_element(w, p->inner, without_prefix(value, "tel:"));
    xml_end(w);
}

/* ---- properties with parts: names and addresses ---- */

static void parts_to_four(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    const char *last = "";

    xml_start(w, p->four, NULL);
    types_to_four(w, p, e);
    for (size_t i = 0; i < p->n_parts; i++) {
        struct str value = child_text(e, p->parts[i].temp);

        if (value.len > 0 && strcmp(p->parts[i].four, last) != 0) {
            xml_put_text_element(w, p->parts[i].four, value);
            last = p->parts[i].four;
        }
    }
    xml_end(w);
}

static void parts_to_temp(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    const char *last = "";

    xml_start(w, p->temp, NULL);
    types_to_temp(w, p, e);
    for (size_t i = 0; i < p->n_parts; i++) {
        struct str value = child_text(e, p->parts[i].four);

        if (value.len > 0 && strcmp(p->parts[i].four, last) != 0) {
            xml_put_text_element(w, p->parts[i].temp, value);
            last = p->parts[i].four;
        }
    }
    xml_end(w);
}

/* ---- the others ---- */

static void org_to_four(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    xml_start(w, p->four, NULL);
    for (const struct xml_element *part = e->child; part != NULL; part = part->next) {
        if (text_of(part).len > 0)
            xml_put_text_element(w, "text", text_of(part));
    }
    xml_end(w);
}

static void org_to_temp(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    const char *name = "ORGNAME"; /* the first one; then units */

    xml_start(w, p->temp, NULL);
    for (const struct xml_element *part = xml_child(e, "text", NS_VCARD4); part != NULL;
         part = xml_next(part, "text", NS_VCARD4)) {
        xml_put_text_element(w, name, text_of(part));
        name = "ORGUNIT";
    }
    xml_end(w);
}

static void geo_to_four(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    struct str lat = child_text(e, "LAT"), lon = child_text(e, "LON");

    if (lat.len == 0 || lon.len == 0)
        return;
    xml_start(w, p->four, NULL);
    xml_start(w, "uri", NULL);
    xml_put_text(w, STR("geo:"));
    xml_put_text(w, lat);
    xml_put_text(w, STR(","));
    xml_put_text(w, lon);
    xml_end(w);
    xml_end(w);
}

static void geo_to_temp(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    struct str at = without_prefix(value_of_four(e), "geo:");
    ptrdiff_t comma = str_find(at, ',');

    if (comma <= 0)
        return;
    struct str lon = str_make(at.p + comma + 1, at.len - (size_t)comma - 1);

    for (size_t i = 0; i < lon.len; i++) {
        if (lon.p[i] == ',' || lon.p[i] == ';') /* an altitude, parameters */
            lon.len = i;
    }
    xml_start(w, p->temp, NULL);
    xml_put_text_element(w, "LAT", str_make(at.p, (size_t)comma));
    xml_put_text_element(w, "LON", lon);
    xml_end(w);
}

static void categories_to_temp(struct xml_writer *w, const struct property *p, const struct xml_element *e)
{
    xml_start(w, p->temp, NULL);
    for (const struct xml_element *word = xml_child(e, "text", NS_VCARD4); word != NULL;
         word = xml_next(word, "text", NS_VCARD4))
        xml_put_text_element(w, "KEYWORD", text_of(word));
    xml_end(w);
}

/* ---- the table ---- */

/* EXTADR is what the DTD of XEP-0054 says, EXTADD what clients write. */
static const struct pair name_parts[] = {
    {"FAMILY", "surname"}, {"GIVEN", "given"}, {"MIDDLE", "additional"}, {"PREFIX", "prefix"}, {"SUFFIX", "suffix"}};
static const struct pair address_parts[] = {{"POBOX", "pobox"},   {"EXTADD", "ext"},        {"EXTADR", "ext"},
                                            {"STREET", "street"}, {"LOCALITY", "locality"}, {"REGION", "region"},
                                            {"PCODE", "code"},    {"CTRY", "country"}};
static const struct pair places[] = {{"HOME", "home"}, {"WORK", "work"}};
static const struct pair phones[] = {{"HOME", "home"}, {"WORK", "work"},   {"VOICE", "voice"}, {"FAX", "fax"},
                                     {"CELL", "cell"}, {"PAGER", "pager"}, {"VIDEO", "video"}};

/* clang-format off */
#define VALUE .to_four = value_to_four, .to_temp = value_to_temp
#define PARTS .to_four = parts_to_four, .to_temp = parts_to_temp
#define LIST(field, of) .field = of, .n_##field = ARRAY_LEN(of)
static const struct property properties[] = {
    {"FN", "fn", VALUE, .value = "text"},
    {"N", "n", PARTS, LIST(parts, name_parts)},
    {"NICKNAME", "nickname", VALUE, .value = "text"},
    {"BDAY", "bday", VALUE, .value = "date"},
    {"ADR", "adr", PARTS, LIST(parts, address_parts), LIST(types, places)},
    {"TEL", "tel", VALUE, .value = "text", .inner = "NUMBER", LIST(types, phones)},
    {"EMAIL", "email", VALUE, .value = "text", .inner = "USERID", LIST(types, places)},
    {"JABBERID", "impp", VALUE, .value = "uri", .prefix = "xmpp:"},
    {"TZ", "tz", VALUE, .value = "text"},
    {"GEO", "geo", .to_four = geo_to_four, .to_temp = geo_to_temp},
    {"TITLE", "title", VALUE, .value = "text"},
    {"ROLE", "role", VALUE, .value = "text"},
    {"ORG", "org", .to_four = org_to_four, .to_temp = org_to_temp},
    {"CATEGORIES", "categories", .to_four = org_to_four, .to_temp = categories_to_temp},
    {"URL", "url", VALUE, .value = "uri"},
    /* Clients of vcard-temp write DESC; section 9.1.1 */
    {"DESC", "note", VALUE, .value = "text"},
    {"NOTE", "note", .to_four = value_to_four, .value = "text"},
};
/* clang-format on */

static bool is_of_temp(const struct property *p, const struct xml_element *e)
{
    return xml_is(e, p->temp, NS_VCARD);
}

/* Addresses of other networks are none that vcard-temp has. */
static bool is_of_four(const struct property *p, const struct xml_element *e)
{
    return xml_is(e, p->four, NS_VCARD4) && (p->prefix == NULL || str_starts(value_of_four(e), str_of(p->prefix)));
}

static bool is_common(const struct xml_element *e, bool (*is_of)(const struct property *p, const struct xml_element *e))
{
    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        if (is_of(&properties[i], e))
            return true;
    }
    return false;
}

/* ---- whole cards ---- */

static void put_kept(struct xml_writer *w, const struct xml_element *had, const char *ns,
                     bool (*is_of)(const struct property *p, const struct xml_element *e))
{
    for (const struct xml_element *e = had == NULL ? NULL : had->child; e != NULL; e = e->next) {
        if (!is_common(e, is_of))
            xml_put_element(w, e, ns);
    }
}

void vcard4_of_temp(struct buf *out, const struct xml_element *temp, const struct xml_element *had)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "vcard", NS_VCARD4);
    if (child_text(temp, "FN").len == 0) { /* RFC 6350 section 6.2.1: there is one */
        xml_start(&w, "fn", NULL);
        xml_put_empty(&w, "text", NULL);
        xml_end(&w);
    }
    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        for (const struct xml_element *e = temp->child; e != NULL; e = e->next) {
            if (is_of_temp(&properties[i], e))
                properties[i].to_four(&w, &properties[i], e);
        }
    }
    put_kept(&w, had, NS_VCARD4, is_of_four);
    xml_end(&w);
}

void vcard_temp_of_4(struct buf *out, const struct xml_element *vcard4, const struct xml_element *had)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "vCard", NS_VCARD);
    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        for (const struct xml_element *e = vcard4->child; e != NULL && properties[i].to_temp != NULL; e = e->next) {
            if (is_of_four(&properties[i], e))
                properties[i].to_temp(&w, &properties[i], e);
        }
    }
    put_kept(&w, had, NS_VCARD, is_of_temp);
    xml_end(&w);
}

bool vcard4_agrees(const struct xml_element *vcard4, const struct xml_element *temp)
{
    struct buf said = {0};
    struct buf has = {0};
    struct xml_writer w = xml_writer_to(&has);

    vcard4_of_temp(&said, temp, vcard4);
    xml_put_element(&w, vcard4, "");
    bool same = str_eq(buf_str(&said), buf_str(&has));

    buf_deinit(&said);
    buf_deinit(&has);
    return same;
}
