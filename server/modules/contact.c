/* server/modules/contact.c - XEP-0157 Contact Addresses for XMPP Services 1.1.1 */
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/modules/module.h"

static const struct {
    const char *var;
    size_t offset; /* in struct config_host_contact */
} fields[] = {
    {"abuse-addresses", offsetof(struct config_host_contact, abuse)},
    {"admin-addresses", offsetof(struct config_host_contact, admin)},
    {"feedback-addresses", offsetof(struct config_host_contact, feedback)},
    {"sales-addresses", offsetof(struct config_host_contact, sales)},
    {"security-addresses", offsetof(struct config_host_contact, security)},
    {"status-addresses", offsetof(struct config_host_contact, status)},
    {"support-addresses", offsetof(struct config_host_contact, support)},
};

static const struct config_list *addresses_of(const struct config_host *host, size_t field)
{
    return (const void *)((const char *)&host->contact + fields[field].offset);
}

static bool has_any(const struct config_host *host)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (addresses_of(host, i)->n > 0)
            return true;
    }
    return false;
}

static void put_field(struct xml_writer *w, const char *var, const struct config_list *addresses)
{
    xml_start(w, "field", NULL);
    xml_put_attr(w, "var", str_of(var));
    xml_put_attr(w, "type", STR("list-multi"));
    for (size_t i = 0; i < addresses->n; i++)
        xml_put_text_element(w, "value", str_of(addresses->items[i]));
    xml_end(w);
}

static enum verdict add_form(struct hook_event *e)
{
    struct xml_writer *w = e->out;

    if (!has_any(e->host))
        return CONTINUE;
    xml_start(w, "x", NS_DATA_FORMS);
    xml_put_attr(w, "type", STR("result"));
    xml_start(w, "field", NULL);
    xml_put_attr(w, "var", STR("FORM_TYPE"));
    xml_put_attr(w, "type", STR("hidden"));
    xml_put_text_element(w, "value", STR(NS_SERVER_INFO));
    xml_end(w);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (addresses_of(e->host, i)->n > 0)
            put_field(w, fields[i].var, addresses_of(e->host, i));
    }
    xml_end(w);
    return CONTINUE;
}

const struct module module_contact = {
    .name = "contact",
    .hooks = {{HOOK_DISCO_INFO, PRIORITY_NORMAL, add_form}},
};
