#include "server/modules/invite_commands.h"

#include "common/datetime.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/modules/commands.h"
#include "server/modules/invite.h"

static bool anybody(const struct iq *iq)
{
    (void)iq;
    return true;
}

/* Whether the sender may let people make accounts. */
static bool may_let_in(const struct iq *iq)
{
    const struct config_host *host = iq_host(iq);

    return host != NULL && hooks_is_on(&module_register, host) &&
           (host->invites.new_accounts || command_sender_is_admin(iq));
}

/* ---- making one ---- */

/* XEP-0401 section 3.1: the form of the result. */
static void put_result(struct xml_writer *w, const struct invite *i, const struct config_host *host)
{
    struct buf uri = {0}, url = {0};
    char date[32];

    invite_write_uri(&uri, i, host->name);
    invite_write_url(&url, str_of(host->invites.url), i->token, buf_str(&uri));
    data_form_start(w, "result", NS_INVITE "#invitation");
    data_form_put_text(w, "uri", "text-single", "Invitation", buf_str(&uri));
    if (url.len > 0)
        data_form_put_text(w, "landing-url", "text-single", "Web page", buf_str(&url));
    data_form_put_text(w, "expire", "text-single", "Until", datetime_format(i->expires_ms, date));
    data_form_end(w);
    buf_deinit(&uri);
    buf_deinit(&url);
}

static void on_made(void *ctx, enum ln_err err, const struct invite *i)
{
    struct command_run *run = ctx;
    const struct config_host *host = iq_host(run->iq);
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    if (err == LN_OK && host != NULL) {
        log_info(LOG_MODULE, run->iq->session->id, "invite.made", F_STR("jid", jid_bare(&run->iq->st->from)),
                 F_STR("name", i->name), F_U64("for_account", i->for_account), F_U64("for_contact", i->for_contact));
        put_result(&w, i, host);
        command_done(run, buf_str(&payload));
    } else if (err == LN_E_LIMIT) {
        command_fail(run, "You have as many open invitations as you may have.");
    } else if (err == LN_E_EXISTS) {
        command_fail(run, "The name is taken.");
    } else if (err == LN_OK || err == LN_E_NOT_FOUND) {
        command_refuse(run, STANZA_ERR_SERVICE_UNAVAILABLE, NULL); /* the host went, or the account */
    } else {
        command_refuse(run, stanza_err_of_storage(err), NULL);
    }
    buf_deinit(&payload);
}

/* `i` says what for; who, when and how often is the same for all. */
static void make(struct command_run *own_run, struct invite i)
{
    struct iq *iq = own_run->iq;
    const struct config_host *host = iq_host(iq);

    if (host == NULL) {
        command_refuse(own_run, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    i.inviter = jid_bare(&iq->st->from);
    i.uses = 1;
    i.created_ms = wall_clock_ms();
    i.expires_ms = i.created_ms + (int64_t)host->invites.lifetime_s * 1000;
    invite_make(iq->worker->server, host->name, &i, command_sender_is_admin(iq) ? 0 : host->invites.per_account,
                &iq->worker->executor, on_made, own_run);
}

/* ---- section 3.1: a contact ---- */

static void invite_contact(struct command_run *own_run)
{
    make(own_run, (struct invite){.for_contact = true, .for_account = may_let_in(own_run->iq)});
}

/* ---- section 3.4: an account ---- */

static void ask_for_account(const struct command_run *run, unsigned stage, struct xml_writer *w)
{
    (void)run, (void)stage;
    data_form_put_title(w, STR("Invite somebody to make an account"));
    data_form_put_instructions(w, STR("Without a username, whoever is invited chooses one."));
    data_form_field_start(w, "username", "text-single", "Username");
    data_form_field_end(w);
    data_form_put_bool(w, "roster-subscription", "Become contacts of each other", true);
}

/* False: no account can have that name. */
static bool read_name(const struct xml_element *form, char mem[JID_PART_MAX], struct str *ret)
{
    struct str given = str_trim(data_form_value(form, "username", NULL));
    size_t len = 0;

    if (given.len > 0 && jid_prepare_local(given, mem, &len) != LN_OK)
        return false;
    *ret = str_make(mem, len);
    return true;
}

static bool read_subscription(const struct xml_element *form, bool *ret)
{
    bool is_given;
    struct str value = data_form_value(form, "roster-subscription", &is_given);

    *ret = false;
    return !is_given || data_form_parse_bool(value, ret);
}

static const char *check_account(const struct command_run *run, unsigned stage)
{
    char mem[JID_PART_MAX];
    struct str name;
    bool subscribes;

    if (!read_name(run->forms[stage], mem, &name))
        return "no account can have that name";
    return read_subscription(run->forms[stage], &subscribes) ? NULL : "roster-subscription is true or false";
}

static void invite_account(struct command_run *own_run)
{
    struct invite i = {.for_account = true, .is_to_register = true};
    char mem[JID_PART_MAX];

    (void)read_name(own_run->forms[0], mem, &i.name); /* they were checked */
    (void)read_subscription(own_run->forms[0], &i.for_contact);
    make(own_run, i);
}

void invite_commands_register(void)
{
    static const struct command contact = {&module_invites, NS_INVITE "#invite", "Invite a contact", anybody,
                                           .complete = invite_contact};
    static const struct command account = {&module_invites,
                                           NS_INVITE "#create-account",
                                           "Invite somebody to make an account",
                                           may_let_in,
                                           1,
                                           ask_for_account,
                                           check_account,
                                           invite_account};

    command_register(&contact);
    command_register(&account);
}
