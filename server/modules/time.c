/* server/modules/time.c - XEP-0202 Entity Time 2.0
 *
 * Always with the offset of UTC: where the server stands says nothing to a client. */
#include <time.h>

#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/modules/module.h"

static enum iq_verdict on_time(struct iq *iq)
{
    time_t now = (time_t)(wall_clock_ms() / 1000);
    struct tm utc;
    char stamp[32]; /* XEP-0082 */
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (gmtime_r(&now, &utc) == NULL || strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return iq_error(iq, STANZA_ERR_INTERNAL_SERVER_ERROR, NULL);
    xml_start(&w, "time", NS_TIME);
    xml_put_text_element(&w, "tzo", STR("+00:00"));
    xml_put_text_element(&w, "utc", str_of(stamp));
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
