/* common/xmpp/data_form.h - data forms (XEP-0004), read and written.
 *
 * Settings that clients show to people, or fill in themselves: node configuration, archive queries, commands, push.
 * A form that came in is read where it lies, in the tree of its stanza: nothing is copied. A form that goes out is
 * written field by field. FORM_TYPE (XEP-0068) says what the names of the fields mean. Pure. */
#ifndef LINNET_COMMON_XMPP_DATA_FORM_H
#define LINNET_COMMON_XMPP_DATA_FORM_H

#include "common/buf.h"
#include "common/xmpp/xml.h"
#include "common/xmpp/xml_writer.h"

/* ---- reading: `x` is an <x xmlns='jabber:x:data'/>; spans lie in its stanza ---- */

/* [any] The first <x/> among the children of `parent` whose FORM_TYPE is `form_type` (NULL: any form, with a FORM_TYPE
 * or without); NULL: there is none. */
const struct xml_element *data_form_find(const struct xml_element *parent, const char *form_type);
/* [any] "submit", "cancel", "form" or "result": the attribute as it is, which is empty when there is none. */
struct str data_form_type(const struct xml_element *x);
/* [any] The value of the field FORM_TYPE, of type hidden or, as submitted forms may have it, without a type. Empty:
 * there is none. */
struct str data_form_form_type(const struct xml_element *x);

/* [any] The first <field/> named `var`; NULL: none. A field that is there and has no value asks for nothing to be set:
 * data_form_has_value(). */
const struct xml_element *data_form_field(const struct xml_element *x, const char *var);
/* [any] Walks the fields but FORM_TYPE: start with NULL; NULL ends. */
const struct xml_element *data_form_next_field(const struct xml_element *x, const struct xml_element *field);
/* [any] The name of a field; empty for those that are only text. */
struct str data_form_var(const struct xml_element *field);
/* [any] False also for NULL. */
bool data_form_has_value(const struct xml_element *field);
/* [any] The first value of a field; empty for NULL. */
struct str data_form_field_value(const struct xml_element *field);
/* [any] Walks the values of a field: *cursor starts as NULL; false ends. NULL for `field` has none. */
bool data_form_next_value(const struct xml_element *field, const struct xml_element **cursor, struct str *ret);
/* [any] The first value of the field named `var`; *ret_found (may be NULL) tells an empty value from none. */
struct str data_form_value(const struct xml_element *x, const char *var, bool *ret_found);
/* [any] "1", "true", "0", "false" (XEP-0004 section 3.3). False: none of these; *ret is untouched. */
bool data_form_parse_bool(struct str value, bool *ret);

/* ---- writing ---- */

/* [any] Begins <x type='type'/> with its FORM_TYPE, unless that is NULL. */
void data_form_start(struct xml_writer *w, const char *type, const char *form_type);
void data_form_end(struct xml_writer *w);

/* [any] Begins a field; `type` ("text-single", ...) and `label` may be NULL. Then its options and values. */
void data_form_field_start(struct xml_writer *w, const char *var, const char *type, const char *label);
void data_form_put_value(struct xml_writer *w, struct str value);
/* [any] One choice of a list; `label` may be NULL. */
void data_form_put_option(struct xml_writer *w, const char *label, struct str value);
void data_form_field_end(struct xml_writer *w);

/* [any] A whole field with one value. */
void data_form_put_text(struct xml_writer *w, const char *var, const char *type, const char *label, struct str value);
void data_form_put_bool(struct xml_writer *w, const char *var, const char *label, bool value);
void data_form_put_u64(struct xml_writer *w, const char *var, const char *type, const char *label, uint64_t value);
/* [any] <title/> and <instructions/>: before the fields. */
void data_form_put_title(struct xml_writer *w, struct str title);
void data_form_put_instructions(struct xml_writer *w, struct str text);

#endif
