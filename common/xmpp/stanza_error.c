/* Error replies (RFC 6120 section 8.3). */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/stanza.h"
#include "common/xmpp/xml_writer.h"

/* The types are those that section 8.3.3 recommends. */
static const struct {
    const char *name;
    const char *type;
} errors[] = {
    [STANZA_ERR_BAD_REQUEST] = {"bad-request", "modify"},
    [STANZA_ERR_CONFLICT] = {"conflict", "cancel"},
    [STANZA_ERR_FEATURE_NOT_IMPLEMENTED] = {"feature-not-implemented", "cancel"},
    [STANZA_ERR_FORBIDDEN] = {"forbidden", "auth"},
    [STANZA_ERR_GONE] = {"gone", "cancel"},
    [STANZA_ERR_INTERNAL_SERVER_ERROR] = {"internal-server-error", "cancel"},
    [STANZA_ERR_ITEM_NOT_FOUND] = {"item-not-found", "cancel"},
    [STANZA_ERR_JID_MALFORMED] = {"jid-malformed", "modify"},
    [STANZA_ERR_NOT_ACCEPTABLE] = {"not-acceptable", "modify"},
    [STANZA_ERR_NOT_ALLOWED] = {"not-allowed", "cancel"},
    [STANZA_ERR_NOT_AUTHORIZED] = {"not-authorized", "auth"},
    [STANZA_ERR_POLICY_VIOLATION] = {"policy-violation", "modify"},
    [STANZA_ERR_RECIPIENT_UNAVAILABLE] = {"recipient-unavailable", "wait"},
    [STANZA_ERR_REDIRECT] = {"redirect", "modify"},
    [STANZA_ERR_REGISTRATION_REQUIRED] = {"registration-required", "auth"},
    [STANZA_ERR_REMOTE_SERVER_NOT_FOUND] = {"remote-server-not-found", "cancel"},
    [STANZA_ERR_REMOTE_SERVER_TIMEOUT] = {"remote-server-timeout", "wait"},
    [STANZA_ERR_RESOURCE_CONSTRAINT] = {"resource-constraint", "wait"},
    [STANZA_ERR_SERVICE_UNAVAILABLE] = {"service-unavailable", "cancel"},
    [STANZA_ERR_SUBSCRIPTION_REQUIRED] = {"subscription-required", "auth"},
    [STANZA_ERR_UNDEFINED_CONDITION] = {"undefined-condition", "cancel"},
    [STANZA_ERR_UNEXPECTED_REQUEST] = {"unexpected-request", "wait"},
};

const char *stanza_err_name(enum stanza_err err)
{
    return errors[err].name;
}

const char *stanza_err_type(enum stanza_err err)
{
    return errors[err].type;
}

/* Section 8.3.1: errors are not answered with errors. Results are not answered at all (section 8.2.3). */
static bool may_be_answered(const struct stanza *st)
{
    return st->kind != STANZA_OTHER && st->type != TYPE_ERROR && st->type != TYPE_RESULT;
}

bool stanza_write_error(struct buf *out, const struct stanza *st, enum stanza_err err, const char *text)
{
    return stanza_write_error_with(out, st, err, text, STR(""));
}

bool stanza_write_error_with(struct buf *out, const struct stanza *st, enum stanza_err err, const char *text,
                             struct str app_condition)
{
    return stanza_write_error_in_full(out, st,
                                      &(struct stanza_error){.err = err, .text = text, .app_condition = app_condition});
}

bool stanza_write_error_in_full(struct buf *out, const struct stanza *st, const struct stanza_error *e)
{
    struct xml_writer w = xml_writer_to(out);

    if (!may_be_answered(st))
        return false;
    xml_start(&w, stanza_kind_name(st->kind), NULL);
    xml_put_attr(&w, "type", STR("error"));
    xml_put_attr_opt(&w, "id", st->id);
    xml_put_attr_opt(&w, "from", st->to.full);
    xml_put_attr_opt(&w, "to", st->from.full);
    xml_put_raw(&w, e->payload);
    xml_start(&w, "error", NULL);
    xml_put_attr(&w, "type", str_of(e->type != NULL ? e->type : stanza_err_type(e->err)));
    xml_put_empty(&w, stanza_err_name(e->err), NS_STANZA_ERRORS);
    if (e->text != NULL) {
        xml_start(&w, "text", NS_STANZA_ERRORS);
        xml_put_attr(&w, "xml:lang", STR("en"));
        xml_put_text(&w, str_of(e->text));
        xml_end(&w);
    }
    xml_put_raw(&w, e->app_condition);
    xml_end(&w);
    xml_end(&w);
    return true;
}
