/* From a connected socket to a session, as RFC 6120 has it: a table of what the server must say next, and what is done
 * then. Whatever else it says ends the connection, and is told. */
#include "tests/load/client_private.h"

#include "common/mem.h"

#include <stdio.h>

struct negotiation_step {
    struct str awaited; /* the name of the element */
    const char *doing;
    void (*take)(struct client *c, const struct frame *f);
};

static void take_header(struct client *c, const struct frame *f);
static void take_features(struct client *c, const struct frame *f);
static void take_proceed(struct client *c, const struct frame *f);
static void take_challenge(struct client *c, const struct frame *f);
static void take_success(struct client *c, const struct frame *f);
static void take_bind_features(struct client *c, const struct frame *f);
static void take_bound(struct client *c, const struct frame *f);
static void take_session(struct client *c, const struct frame *f);
static void take_enabled(struct client *c, const struct frame *f);
static void take_resumed(struct client *c, const struct frame *f);
static void take_pong(struct client *c, const struct frame *f);

enum step {
    STEP_HEADER,
    STEP_FEATURES,
    STEP_PROCEED,
    STEP_CHALLENGE,
    STEP_SUCCESS,
    STEP_BIND_HEADER,
    STEP_BIND_FEATURES,
    STEP_BOUND,
    STEP_SESSION,
    STEP_ENABLED,
    STEP_RESUMED,
    STEP_PONG,
};
static const struct negotiation_step steps[] = {
    [STEP_HEADER] = {STR_INIT("stream:stream"), "opening the stream", take_header},
    [STEP_FEATURES] = {STR_INIT("stream:features"), "waiting for the features", take_features},
    [STEP_PROCEED] = {STR_INIT("proceed"), "asking for TLS", take_proceed},
    [STEP_CHALLENGE] = {STR_INIT("challenge"), "authenticating", take_challenge},
    [STEP_SUCCESS] = {STR_INIT("success"), "authenticating", take_success},
    [STEP_BIND_HEADER] = {STR_INIT("stream:stream"), "opening the stream after logging in", take_header},
    [STEP_BIND_FEATURES] = {STR_INIT("stream:features"), "waiting for the features after logging in",
                            take_bind_features},
    [STEP_BOUND] = {STR_INIT("iq"), "binding a resource", take_bound},
    [STEP_SESSION] = {STR_INIT("iq"), "asking for a session", take_session},
    [STEP_ENABLED] = {STR_INIT("enabled"), "enabling stream management", take_enabled},
    [STEP_RESUMED] = {STR_INIT("resumed"), "resuming the session", take_resumed},
    [STEP_PONG] = {STR_INIT("iq"), "sending initial presence", take_pong},
};

static void await(struct client *c, enum step step)
{
    c->login->awaited = &steps[step];
}

const char *negotiation_awaited(const struct client *c)
{
    return c->login->awaited->doing;
}

static const struct options *options(const struct client *c)
{
    return c->pool->settings.options;
}

static void open_stream(struct client *c, enum step step)
{
    buf_printf(&c->out,
               "<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' "
               "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
               options(c)->domain);
    client_touch(c);
    c->frames = (struct frames){0};
    await(c, step);
}

void negotiation_start(struct client *c)
{
    c->login = mem_zalloc(sizeof(*c->login));
    (void)snprintf(c->login->user, sizeof(c->login->user), "user%llu",
                   (unsigned long long)(options(c)->first + c->index));
    (void)snprintf(c->login->password, sizeof(c->login->password), "pass%llu",
                   (unsigned long long)(options(c)->first + c->index));
    open_stream(c, STEP_HEADER);
}

void negotiation_restart(struct client *c)
{
    open_stream(c, STEP_HEADER);
}

void negotiation_end(struct client *c)
{
    if (c->login == NULL)
        return;
    sasl_free(&c->login->sasl);
    free(c->login);
    c->login = NULL;
}

/* The answer to a request of ours, which is known by its id. Other requests may come in between. */
static bool is_answer(const struct frame *f, const char *id)
{
    struct str type = frame_attribute(f, STR("type"));

    return str_is(frame_attribute(f, STR("id")), id) && (str_is(type, "result") || str_is(type, "error"));
}

static bool is_for_the_step(const struct frame *f, const struct negotiation_step *step)
{
    static const char *const ids[] = {[STEP_BOUND] = "bind", [STEP_SESSION] = "session", [STEP_PONG] = "ready"};

    if (!str_eq(f->name, step->awaited))
        return false;
    return !str_is(f->name, "iq") || is_answer(f, ids[step - steps]);
}

bool negotiation_take(struct client *c, const struct frame *f)
{
    const struct negotiation_step *step = c->login->awaited;

    if (is_for_the_step(f, step)) {
        step->take(c, f);
        return true;
    }
    /* Once bound, anybody may write to us. */
    if (step > &steps[STEP_BOUND] && f->kind == FRAME_STANZA &&
        (str_is(f->name, "message") || str_is(f->name, "presence") || str_is(f->name, "iq")))
        return false;
    client_refuse(c, step->doing, f->bytes);
    return true;
}

static void take_header(struct client *c, const struct frame *f)
{
    (void)f;
    await(c, c->login->awaited == &steps[STEP_HEADER] ? STEP_FEATURES : STEP_BIND_FEATURES);
}

static void authenticate(struct client *c, const struct frame *features)
{
    struct str mechanism = sasl_mechanism_name((enum mechanism)options(c)->mechanism);
    char needle[64];
    int len = snprintf(needle, sizeof(needle), ">%.*s<", STR_ARG(mechanism));

    if (memmem(features->inner.p, features->inner.len, needle, (size_t)len) == NULL) {
        client_refuse(c, "looking for the mechanism to log in by", features->bytes);
        return;
    }
    if (c->keys == NULL)
        c->keys = mem_zalloc(sizeof(*c->keys));
    c->login->sasl = sasl_new((enum mechanism)options(c)->mechanism, c->login->user, c->login->password, c->keys);
    buf_printf(&c->out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%.*s'>", STR_ARG(mechanism));
    sasl_begin(c->login->sasl, &c->out);
    buf_append_cstr(&c->out, "</auth>");
    client_touch(c);
    await(c, options(c)->mechanism == MECHANISM_PLAIN ? STEP_SUCCESS : STEP_CHALLENGE);
}

static void take_features(struct client *c, const struct frame *f)
{
    struct frame starttls;

    if (options(c)->security != SECURITY_STARTTLS || c->tls != NULL) {
        authenticate(c, f);
        return;
    }
    if (!frame_child(f, STR("starttls"), &starttls)) {
        client_refuse(c, "looking for STARTTLS", f->bytes);
        return;
    }
    buf_append_cstr(&c->out, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    client_touch(c);
    await(c, STEP_PROCEED);
}

static void take_proceed(struct client *c, const struct frame *f)
{
    (void)f;
    client_begin_tls(c);
}

static void take_challenge(struct client *c, const struct frame *f)
{
    buf_append_cstr(&c->out, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>");
    if (!sasl_answer(c->login->sasl, f->inner, &c->out)) {
        client_refuse(c, "reading the server's SCRAM challenge", f->bytes);
        return;
    }
    buf_append_cstr(&c->out, "</response>");
    client_touch(c);
    await(c, STEP_SUCCESS);
}

static void take_success(struct client *c, const struct frame *f)
{
    if (!sasl_finish(c->login->sasl, f->inner)) {
        client_refuse(c, "checking the server's SCRAM signature", f->bytes);
        return;
    }
    open_stream(c, STEP_BIND_HEADER);
}

static void take_bind_features(struct client *c, const struct frame *f)
{
    struct frame feature, optional;

    if (!frame_child(f, STR("bind"), &feature)) {
        client_refuse(c, "looking for resource binding", f->bytes);
        return;
    }
    c->login->needs_session =
        frame_child(f, STR("session"), &feature) && !frame_child(&feature, STR("optional"), &optional);
    c->login->offers_sm = memmem(f->inner.p, f->inner.len, "urn:xmpp:sm:3", strlen("urn:xmpp:sm:3")) != NULL;
    if (options(c)->sm && !c->login->offers_sm) {
        client_refuse(c, "looking for stream management", f->bytes);
        return;
    }
    if (c->resume_id != NULL) {
        buf_printf(&c->out, "<resume xmlns='urn:xmpp:sm:3' h='%u' previd='%s'/>", c->resume_h, c->resume_id);
        client_touch(c);
        await(c, STEP_RESUMED);
        return;
    }
    buf_append_cstr(&c->out, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                             "<resource>load</resource></bind></iq>");
    client_touch(c);
    await(c, STEP_BOUND);
}

/* Presence is handled before what stands behind it (RFC 6120 section 10.1), so an answer to a ping says that it was. */
static void send_presence(struct client *c)
{
    if (!c->pool->settings.sends_presence) {
        client_set_online(c);
        return;
    }
    buf_printf(&c->out, "<presence/><iq type='get' id='ready' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>",
               options(c)->domain);
    c->sm_sent += 2;
    client_touch(c);
    await(c, STEP_PONG);
}

static void enable_sm(struct client *c)
{
    if (!options(c)->sm) {
        send_presence(c);
        return;
    }
    buf_printf(&c->out, "<enable xmlns='urn:xmpp:sm:3'%s/>", c->pool->settings.resumes ? " resume='true'" : "");
    client_touch(c);
    await(c, STEP_ENABLED);
}

static void take_bound(struct client *c, const struct frame *f)
{
    struct frame bind;
    struct str jid = {NULL, 0};

    if (frame_child(f, STR("bind"), &bind))
        jid = frame_child_text(&bind, STR("jid"));
    ptrdiff_t slash = str_find(jid, '/');
    if (slash <= 0) {
        client_refuse(c, "binding a resource", f->bytes);
        return;
    }
    c->jid = str_dup(jid);
    c->bare_len = (uint16_t)slash;
    if (!c->login->needs_session) {
        enable_sm(c);
        return;
    }
    buf_append_cstr(&c->out, "<iq type='set' id='session'><session "
                             "xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
    client_touch(c);
    await(c, STEP_SESSION);
}

static void take_session(struct client *c, const struct frame *f)
{
    if (str_is(frame_attribute(f, STR("type")), "error"))
        client_refuse(c, "asking for a session", f->bytes);
    else
        enable_sm(c);
}

static void take_enabled(struct client *c, const struct frame *f)
{
    struct str id = frame_attribute(f, STR("id"));

    c->has_sm = true;
    c->sm_received = c->sm_sent = c->sm_acknowledged = 0;
    if (c->pool->settings.resumes && id.p == NULL) {
        client_refuse(c, "asking for a session that can be resumed", f->bytes);
        return;
    }
    if (c->pool->settings.resumes)
        c->resume_id = str_dup(id);
    send_presence(c);
}

/* What had not come before the cut would have to be sent again by either side; here nobody sends then. */
static void take_resumed(struct client *c, const struct frame *f)
{
    uint64_t h;

    c->has_sm = true;
    c->sm_received = c->resume_h;
    if (!str_to_u64(frame_attribute(f, STR("h")), UINT32_MAX, &h) || h != c->sm_sent) {
        client_refuse(c, "resuming the session, with all stanzas acknowledged", f->bytes);
        return;
    }
    c->sm_acknowledged = (uint32_t)h;
    client_set_online(c);
}

static void take_pong(struct client *c, const struct frame *f)
{
    (void)f; /* an error will do: it was answered */
    client_set_online(c);
}
