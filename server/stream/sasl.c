#include "server/stream/sasl.h"

#include <string.h>

#include "common/base64.h"
#include "common/xmpp/ns.h"
#include "server/stream/sasl2.h"
#include "server/stream/sasl_cache.h"
#include "server/stream/sasl_exchange.h"
#include "server/stream/stream.h"

void sasl_write_features(struct session *s, struct xml_writer *w)
{
    sasl_note_bindings(s);
    if (!sasl_write_mechanisms(s, w, "mechanisms", NS_SASL))
        return;
    xml_end(w);
    sasl2_write_features(s, w);
    if (s->offered_plus)
        sasl_write_bindings(s, w);
}

static void write_with_data(struct session *s, const char *element, struct str data)
{
    struct buf b = {0}, text = {0};
    struct xml_writer w = xml_writer_to(&b);

    base64_encode(&text, data);
    xml_start(&w, element, NS_SASL);
    if (text.len > 0)
        xml_put_text(&w, buf_str(&text));
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
    buf_deinit(&text);
}

static void write_challenge(struct session *s, struct str data)
{
    write_with_data(s, "challenge", data);
}

static void write_failure(struct session *s, const char *condition)
{
    struct buf b = {0};
    struct xml_writer w = xml_writer_to(&b);

    xml_start(&w, "failure", NS_SASL);
    xml_put_empty(&w, condition, NULL);
    xml_end(&w);
    (void)session_send_raw(s, buf_str(&b), 0);
    buf_deinit(&b);
}

static void succeed(struct session *s)
{
    struct sasl *x = s->sasl;
    char username[JID_PART_MAX];
    size_t len = x->jid.local_len;

    memcpy(username, x->jid.full.p, len);
    write_with_data(s, "success", buf_str(&x->success));
    sasl_free(&s->sasl);
    stream_authenticated(s, str_make(username, len));
}

static const struct sasl_profile profile = {
    .during = STREAM_SASL,
    .challenge = write_challenge,
    .failure = write_failure,
    .success = succeed,
};

void sasl_auth(struct session *s, const struct xml_element *e)
{
    if (!sasl_begin(s, &profile, xml_attr(e, "mechanism", NULL), false, NULL))
        return;
    if (e->text.len == 0) /* no initial response: RFC 6120 section 6.4.2 */
        write_challenge(s, str_make(NULL, 0));
    else if (str_is(e->text, "=")) /* an initial response without any bytes */
        sasl_take(s, str_make(NULL, 0));
    else
        sasl_take_base64(s, e->text);
}

void sasl_response(struct session *s, const struct xml_element *e)
{
    sasl_take_base64(s, e->text);
}

void sasl_abort(struct session *s)
{
    sasl_fail_now(s, "aborted");
}

void sasl_forget(struct worker *w, struct str bare_jid)
{
    sasl_cache_forget(w->sasl_cache, bare_jid);
}
