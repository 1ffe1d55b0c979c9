/* server/modules/bind2.c - XEP-0386 Bind 2 1.1.0: a resource with the login.
 *
 * The resource is the client's tag and what it is known by here (user_agent_name()), so that a client that comes back
 * has the same one, and its older session makes room. What else a client wants for its session, other modules do at
 * HOOK_BIND2. */
#include "common/xmpp/ns.h"
#include "server/im/bind.h"
#include "server/im/user_agents.h"
#include "server/modules/module.h"
#include "server/stream/sasl2.h"

static enum verdict on_features(struct hook_event *e)
{
    struct buf features = {0};
    struct xml_writer w = xml_writer_to(&features);
    struct hook_event inner = {.worker = e->worker, .session = e->session, .out = &w};

    (void)hooks_run(HOOK_BIND2_FEATURES, session_host(e->session), &inner);
    xml_start(e->out, "bind", NS_BIND2);
    if (features.len > 0) {
        xml_start(e->out, "inline", NULL);
        xml_put_raw(e->out, buf_str(&features));
        xml_end(e->out);
    }
    xml_end(e->out);
    buf_deinit(&features);
    return CONTINUE;
}

/* The part that is ours: the same each time, if the client has said who it is. */
static struct str own_part(const struct session *s, char out[USER_AGENT_NAME_LEN])
{
    const struct sasl2_request *r = sasl2_peek_request(s);

    if (r->has_user_agent)
        return user_agent_name(s->worker->server->secret, jid_bare(&s->jid), r->user_agent_id, out);
    return random_hex(out, USER_AGENT_NAME_LEN / 2);
}

/* "AwesomeXMPP/4232f4d4..." (section 3.2.1); a tag that no resource may have is left out. */
static size_t choose_resource(const struct session *s, struct str tag, char out[JID_PART_MAX])
{
    char mem[USER_AGENT_NAME_LEN];
    struct str own = own_part(s, mem);
    struct buf wanted = {0};
    size_t len;

    buf_append_str(&wanted, tag);
    buf_append_char(&wanted, '/');
    buf_append_str(&wanted, own);
    if (tag.len == 0 || jid_prepare_resource(buf_str(&wanted), out, &len) != LN_OK) {
        memcpy(out, own.p, own.len);
        len = own.len;
    }
    buf_deinit(&wanted);
    return len;
}

/* Earlier sessions of the same client, whatever their resources (section 3.2). */
static void close_earlier(struct session *s, struct account *a)
{
    const struct sasl2_request *r = sasl2_peek_request(s);
    struct session *earlier;

    while (r->has_user_agent && (earlier = user_agents_session(a, r->user_agent_id, NULL)) != NULL)
        session_close(earlier, STREAM_ERR_CONFLICT, "replaced by a new connection of the same client");
}

/* There is no answer that says that nothing was bound, so the stream says why and ends. */
static void give_up(struct session *s, enum bind_result why)
{
    if (why == BIND_TOO_MANY_SESSIONS)
        session_close(s, STREAM_ERR_RESOURCE_CONSTRAINT, "too many sessions of this account");
    else if (why == BIND_ACCOUNT_GONE || why == BIND_LOGGED_OUT)
        session_close(s, STREAM_ERR_NOT_AUTHORIZED, "the account, or its client, is gone");
    else
        session_close(s, STREAM_ERR_INTERNAL_SERVER_ERROR, "the account could not be read");
}

static enum verdict on_inline(struct hook_event *e)
{
    struct session *s = e->session;
    const struct xml_element *bind = xml_child(e->element, "bind", NS_BIND2);
    const struct xml_element *tag = bind == NULL ? NULL : xml_child(bind, "tag", NS_BIND2);
    struct hook_event inner = {
        .worker = e->worker, .session = s, .account = e->account, .element = bind, .out = e->out};
    char resource[JID_PART_MAX];
    size_t len;
    enum bind_result result;

    if (bind == NULL)
        return CONTINUE;
    len = choose_resource(s, tag != NULL ? tag->text : STR(""), resource);
    close_earlier(s, e->account);
    result = bind_session(s, e->account, str_make(resource, len));
    if (result != BIND_DONE) {
        give_up(s, result);
        return STOP;
    }
    xml_start(e->out, "bound", NS_BIND2);
    (void)hooks_run(HOOK_BIND2, session_host(s), &inner);
    xml_end(e->out);
    return CONTINUE;
}

const struct module module_bind2 = {
    .name = "bind2",
    .hooks =
        {
            {HOOK_SASL2_FEATURES, PRIORITY_NORMAL, on_features},
            {HOOK_SASL2_INLINE, PRIORITY_NORMAL, on_inline},
        },
};
