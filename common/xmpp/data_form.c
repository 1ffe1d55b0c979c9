#include "common/xmpp/data_form.h"

#include "common/xmpp/ns.h"

#define FORM_TYPE "FORM_TYPE"

/* ---- reading ---- */

const struct xml_element *data_form_find(const struct xml_element *parent, const char *form_type)
{
    for (const struct xml_element *x = xml_child(parent, "x", NS_DATA_FORMS); x != NULL;
         x = xml_next(x, "x", NS_DATA_FORMS)) {
        if (form_type == NULL || str_is(data_form_form_type(x), form_type))
            return x;
    }
    return NULL;
}

struct str data_form_type(const struct xml_element *x)
{
    return xml_attr(x, "type", NULL);
}

/* A field of another type that is named FORM_TYPE is nothing special (XEP-0068 section 3.1). */
struct str data_form_form_type(const struct xml_element *x)
{
    const struct xml_element *field = data_form_field(x, FORM_TYPE);
    struct str type = field == NULL ? str_make(NULL, 0) : xml_attr(field, "type", NULL);

    if (field == NULL || (!str_is(type, "hidden") && (type.len > 0 || !str_is(data_form_type(x), "submit"))))
        return str_make(NULL, 0);
    return data_form_field_value(field);
}

const struct xml_element *data_form_field(const struct xml_element *x, const char *var)
{
    for (const struct xml_element *f = xml_child(x, "field", NS_DATA_FORMS); f != NULL;
         f = xml_next(f, "field", NS_DATA_FORMS)) {
        if (str_is(xml_attr(f, "var", NULL), var))
            return f;
    }
    return NULL;
}

const struct xml_element *data_form_next_field(const struct xml_element *x, const struct xml_element *field)
{
    const struct xml_element *f =
        field == NULL ? xml_child(x, "field", NS_DATA_FORMS) : xml_next(field, "field", NS_DATA_FORMS);

    while (f != NULL && str_is(xml_attr(f, "var", NULL), FORM_TYPE))
        f = xml_next(f, "field", NS_DATA_FORMS);
    return f;
}

struct str data_form_var(const struct xml_element *field)
{
    return xml_attr(field, "var", NULL);
}

bool data_form_has_value(const struct xml_element *field)
{
    return field != NULL && xml_child(field, "value", NS_DATA_FORMS) != NULL;
}

struct str data_form_field_value(const struct xml_element *field)
{
    const struct xml_element *value = field == NULL ? NULL : xml_child(field, "value", NS_DATA_FORMS);

    return value == NULL ? str_make(NULL, 0) : value->text;
}

bool data_form_next_value(const struct xml_element *field, const struct xml_element **cursor, struct str *ret)
{
    const struct xml_element *value;

    if (field == NULL)
        return false;
    value = *cursor == NULL ? xml_child(field, "value", NS_DATA_FORMS) : xml_next(*cursor, "value", NS_DATA_FORMS);
    if (value == NULL)
        return false;
    *cursor = value;
    *ret = value->text;
    return true;
}

struct str data_form_value(const struct xml_element *x, const char *var, bool *ret_found)
{
    const struct xml_element *field = data_form_field(x, var);

    if (ret_found != NULL)
        *ret_found = data_form_has_value(field);
    return data_form_field_value(field);
}

bool data_form_parse_bool(struct str value, bool *ret)
{
    bool is_true = str_is(value, "1") || str_is(value, "true");

    if (!is_true && !str_is(value, "0") && !str_is(value, "false"))
        return false;
    *ret = is_true;
    return true;
}

/* ---- writing ---- */

void data_form_start(struct xml_writer *w, const char *type, const char *form_type)
{
    xml_start(w, "x", NS_DATA_FORMS);
    xml_put_attr(w, "type", str_of(type));
    if (form_type != NULL)
        data_form_put_text(w, FORM_TYPE, "hidden", NULL, str_of(form_type));
}

void data_form_end(struct xml_writer *w)
{
    xml_end(w);
}

void data_form_field_start(struct xml_writer *w, const char *var, const char *type, const char *label)
{
    xml_start(w, "field", NULL);
    xml_put_attr(w, "var", str_of(var));
    xml_put_attr_opt(w, "type", str_of(type));
    xml_put_attr_opt(w, "label", str_of(label));
}

void data_form_put_value(struct xml_writer *w, struct str value)
{
    xml_put_text_element(w, "value", value);
}

void data_form_put_option(struct xml_writer *w, const char *label, struct str value)
{
    xml_start(w, "option", NULL);
    xml_put_attr_opt(w, "label", str_of(label));
    data_form_put_value(w, value);
    xml_end(w);
}

void data_form_field_end(struct xml_writer *w)
{
    xml_end(w);
}

void data_form_put_text(struct xml_writer *w, const char *var, const char *type, const char *label, struct str value)
{
    data_form_field_start(w, var, type, label);
    data_form_put_value(w, value);
    data_form_field_end(w);
}

void data_form_put_bool(struct xml_writer *w, const char *var, const char *label, bool value)
{
    data_form_put_text(w, var, "boolean", label, value ? STR("1") : STR("0"));
}

void data_form_put_u64(struct xml_writer *w, const char *var, const char *type, const char *label, uint64_t value)
{
    struct buf digits = {0};

    buf_append_u64(&digits, value);
    data_form_put_text(w, var, type, label, buf_str(&digits));
    buf_deinit(&digits);
}

void data_form_put_title(struct xml_writer *w, struct str title)
{
    xml_put_text_element(w, "title", title);
}

void data_form_put_instructions(struct xml_writer *w, struct str text)
{
    xml_put_text_element(w, "instructions", text);
}
