/* server/modules/version.c - XEP-0092 Software Version 1.1
 *
 * The operating system is nobody's business (section 5). */
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/modules/module.h"

static enum iq_verdict on_version(struct iq *iq)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    xml_start(&w, "query", NS_VERSION);
    xml_put_text_element(&w, "name", STR("linnet"));
    xml_put_text_element(&w, "version", STR(LINNET_VERSION));
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

const struct module module_version = {
    .name = "version",
    .features = {NS_VERSION},
    .iq = {{IQ_GET, NS_VERSION, "query", IQ_TO_HOST, on_version}},
};
