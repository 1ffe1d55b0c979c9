/* server/modules/time.c - XEP-0202 Entity Time 2.0
 *
 * Always with the offset of UTC: where the server stands says nothing to a client. */
#include "common/datetime.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/modules/module.h"

static enum iq_verdict on_time(struct iq *iq)
{
    char stamp[32];
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    xml_start(&w, "time", NS_TIME);
    xml_put_text_element(&w, "tzo", STR("+00:00"));
    xml_put_text_element(&w, "utc", datetime_format(wall_clock_ms(), stamp));
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

const struct module module_time = {
    .name = "time",
    .features = {NS_TIME},
    .iq = {{IQ_GET, NS_TIME, "time", IQ_TO_HOST, on_time}},
};
