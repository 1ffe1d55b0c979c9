/* server/modules/clients.c - XEP-0494 Client Access Management 0.1.0: what has access to the own account.
 *
 * Clients that say who they are when they log in (XEP-0388) are known, online or not; of others, their sessions are all
 * there is. A client that has shown the password may know it: it is logged out, and its owner told that only another
 * password keeps it out. */
#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/im/user_agents.h"
#include "server/modules/module.h"

#include <stdio.h>

/* ---- the list ---- */

static void put_time(struct xml_writer *w, const char *element, int64_t ms)
{
    char text[32];

    xml_put_text_element(w, element, datetime_format(ms, text));
}

static void begin_client(struct xml_writer *w, struct str id, bool is_connected, int64_t first_ms, int64_t last_ms)
{
    xml_start(w, "client", NULL);
    xml_put_attr(w, "connected", is_connected ? STR("true") : STR("false"));
    xml_put_attr(w, "id", id);
    xml_put_attr(w, "type", STR("session"));
    put_time(w, "first-seen", first_ms);
    put_time(w, "last-seen", last_ms);
}

static void end_client(struct xml_writer *w, bool by_password, bool by_token, struct str software, struct str device)
{
    xml_start(w, "auth", NULL);
    if (by_password)
        xml_put_empty(w, "password", NULL);
    if (by_token)
        xml_put_empty(w, "fast", NULL);
    xml_end(w);
    xml_start(w, "permission", NULL);
    xml_put_attr(w, "status", STR("unrestricted"));
    xml_end(w);
    xml_start(w, "user-agent", NULL);
    if (software.len > 0)
        xml_put_text_element(w, "software", software);
    if (device.len > 0)
        xml_put_text_element(w, "device", device);
    xml_end(w);
    xml_end(w);
}

static void put_user_agent(struct xml_writer *w, const struct account *a, const struct user_agent *ua, int64_t now_ms)
{
    char mem[USER_AGENT_NAME_LEN];
    struct str name = user_agent_name(a->worker->server->secret, a->jid.full, ua->id, mem);
    bool is_connected = user_agents_session(a, ua->id, NULL) != NULL;

    begin_client(w, name, is_connected, ua->first_seen_ms, is_connected ? now_ms : ua->last_seen_ms);
    end_client(w, user_agents_knows_password(a, ua), fast_has_any(&ua->tokens, now_ms), user_agent_software(ua),
               user_agent_device(ua));
}

/* The id of a session, told from the name of a client by its first letter. */
static struct str session_name(const struct session *s, char out[24])
{
    int len = snprintf(out, 24, "s%llx", (unsigned long long)s->id);

    return str_make(out, (size_t)len);
}

static bool has_said_who(const struct session *s)
{
    static const uint8_t nobody[USER_AGENT_ID_BYTES];

    return memcmp(s->user_agent, nobody, sizeof(nobody)) != 0;
}

static enum iq_verdict on_list(struct iq *iq)
{
    const struct account *a = iq->account;
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);
    struct user_agent ua;
    int64_t now_ms = wall_clock_ms();
    char mem[24];

    xml_start(&w, "clients", NS_CAM);
    for (const void *cursor = NULL; user_agents_next(a, &cursor, &ua);)
        put_user_agent(&w, a, &ua, now_ms);
    for (const struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        if (has_said_who(s))
            continue;
        begin_client(&w, session_name(s, mem), true, s->bound_ms, now_ms);
        end_client(&w, true, false, STR(""), STR(""));
    }
    xml_end(&w);
    (void)iq_result(iq, buf_str(&out));
    buf_deinit(&out);
    return IQ_ANSWERED;
}

/* ---- logging out ---- */

struct revocation {
    struct iq *iq; /* kept */
    bool knows_password;
};

static enum iq_verdict say_done(struct iq *iq, bool knows_password)
{
    if (!knows_password)
        return iq_result(iq, STR(""));
    return iq_error_with(iq, STANZA_ERR_SERVICE_UNAVAILABLE,
                         "it was logged out, but may know the password; a new one keeps it out",
                         STR("<password-reset-required xmlns='" NS_CAM "'/>"));
}

static void on_logged_out(void *ctx, enum ln_err err)
{
    struct revocation *r = ctx;

    if (err != LN_OK)
        (void)iq_error(r->iq, stanza_err_of_storage(err), NULL);
    else
        (void)say_done(r->iq, r->knows_password);
    free(r);
}

static enum iq_verdict end_session(struct iq *iq, struct str name)
{
    char mem[24];

    for (struct session *s = iq->account->sessions; s != NULL; s = s->next_of_account) {
        if (has_said_who(s) || !str_eq(name, session_name(s, mem)))
            continue;
        (void)say_done(iq, true);
        session_close(s, STREAM_ERR_NOT_AUTHORIZED, "logged out by another client");
        return IQ_ANSWERED;
    }
    return iq_error(iq, STANZA_ERR_ITEM_NOT_FOUND, "there is no such client");
}

static enum iq_verdict on_revoke(struct iq *iq)
{
    struct str name = xml_attr(iq->query, "id", NULL);
    struct user_agent ua;
    struct revocation *r;

    if (name.len == 0)
        return iq_error(iq, STANZA_ERR_BAD_REQUEST, "which client?");
    if (!user_agents_find(iq->account, name, &ua))
        return end_session(iq, name);
    r = mem_alloc(sizeof(*r));
    r->iq = iq_keep(iq);
    r->knows_password = user_agents_knows_password(iq->account, &ua);
    user_agents_log_out(iq->account, &ua, on_logged_out, r);
    return IQ_LATER;
}

const struct module module_clients = {
    .name = "clients",
    .account_features = {NS_CAM},
    .iq =
        {
            {IQ_GET, NS_CAM, "list", IQ_TO_OWN_ACCOUNT, on_list},
            {IQ_SET, NS_CAM, "revoke", IQ_TO_OWN_ACCOUNT, on_revoke},
        },
};
