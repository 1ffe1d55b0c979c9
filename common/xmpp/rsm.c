#include "common/xmpp/rsm.h"

#include "common/xmpp/ns.h"

/* The only child of that name; false: there are several. */
static bool find_one(const struct xml_element *set, const char *name, const struct xml_element **ret)
{
    *ret = xml_child(set, name, NS_RSM);
    return *ret == NULL || xml_next(*ret, name, NS_RSM) == NULL;
}

static bool parse_id(const struct xml_element *set, const char *name, bool *ret_has, struct str *ret)
{
    const struct xml_element *e;

    if (!find_one(set, name, &e))
        return false;
    *ret_has = e != NULL;
    if (e != NULL)
        *ret = str_trim(e->text);
    return true;
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return s.len > 0;
}

static bool parse_number(const struct xml_element *set, const char *name, bool *ret_has, uint32_t *ret)
{
    uint64_t n = UINT32_MAX;
    struct str text;

    if (!parse_id(set, name, ret_has, &text))
        return false;
    if (!*ret_has)
        return true;
    if (!is_digits(text))
        return false;
    (void)str_to_u64(text, UINT32_MAX, &n);
    *ret = (uint32_t)n;
    return true;
}

bool rsm_parse(const struct xml_element *parent, struct rsm_request *ret)
{
    const struct xml_element *set = xml_child(parent, "set", NS_RSM);

    *ret = (struct rsm_request){0};
    if (set == NULL)
        return true;
    ret->is_there = true;
    return xml_next(set, "set", NS_RSM) == NULL && parse_number(set, "max", &ret->has_max, &ret->max) &&
           parse_number(set, "index", &ret->has_index, &ret->index) &&
           parse_id(set, "after", &ret->has_after, &ret->after) &&
           parse_id(set, "before", &ret->has_before, &ret->before);
}

static void write_number(struct xml_writer *w, const char *name, uint64_t n)
{
    struct buf text = {0};

    buf_append_u64(&text, n);
    xml_put_text_element(w, name, buf_str(&text));
    buf_deinit(&text);
}

void rsm_write(struct xml_writer *w, const struct rsm_page *page)
{
    xml_start(w, "set", NS_RSM);
    if (page->first.len > 0) {
        xml_start(w, "first", NULL);
        if (page->has_index)
            xml_put_attr_u64(w, "index", page->index);
        xml_put_text(w, page->first);
        xml_end(w);
        xml_put_text_element(w, "last", page->last);
    }
    if (page->has_count)
        write_number(w, "count", page->count);
    xml_end(w);
}
