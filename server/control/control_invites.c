/* invite, invites, uninvite: invitations (modules/invite.h). */
#include "server/control/control_commands.h"

#include "common/mem.h"
#include "server/modules/invite.h"

enum { USES_MAX = 100000, LIFETIME_S_MAX = 10 * 366 * 86400 };

/* An invitation command under way: the host is kept, since the configuration may change. */
struct invite_command {
    struct control *control;
    struct control_request *request; /* a reference */
    struct jid_buf contact_mem;
    char name[JID_PART_MAX];
    size_t host_len;
    char host[JID_PART_MAX];
};

static struct str host_of(const struct invite_command *cmd)
{
    return str_make(cmd->host, cmd->host_len);
}

static void end(struct invite_command *cmd)
{
    control_unref(&cmd->request);
    free(cmd);
}

/* NULL: this is no host of ours, and the request has been ended. */
static struct invite_command *begin(struct control *c, struct control_request *r, struct str host)
{
    struct invite_command *cmd = mem_zalloc(sizeof(*cmd));

    cmd->control = c;
    if (jid_prepare_domain(host, cmd->host, &cmd->host_len) != LN_OK ||
        config_host(control_config(c), host_of(cmd)) == NULL) {
        control_fail_host(c, r, host);
        free(cmd);
        return NULL;
    }
    cmd->request = control_ref(r);
    return cmd;
}

static void fail_storage(struct control_request *r, enum ln_err err)
{
    if (err == LN_E_FULL)
        control_fail(r, "the disk is full; make room and try again");
    else
        control_fail(r, "it could not be done (%s); the server's log says more", ln_err_name(err));
}

/* ---- one more ---- */

static void put_invitation(struct invite_command *cmd, const struct invite *i)
{
    static const struct control_column columns[] = {{"uri", CONTROL_TEXT, false},
                                                    {"url", CONTROL_TEXT, false},
                                                    {"token", CONTROL_TEXT, false},
                                                    {"expires", CONTROL_TIME, false},
                                                    {"uses", CONTROL_INT, false}};
    const struct config_host *host = config_host(control_config(cmd->control), host_of(cmd));
    struct buf *out = control_out(cmd->request);
    struct buf uri = {0}, url = {0};

    invite_write_uri(&uri, i, host_of(cmd));
    if (host != NULL)
        invite_write_url(&url, str_of(host->invites.url), i->token, buf_str(&uri));
    control_put_table(out, "invitation", CONTROL_ONE, columns, ARRAY_LEN(columns));
    control_begin_line(out, "row");
    control_put_str(out, buf_str(&uri));
    if (url.len > 0)
        control_put_str(out, buf_str(&url));
    else
        control_put_none(out);
    control_put_str(out, i->token);
    control_put_int(out, i->expires_ms);
    control_put_int(out, i->uses);
    control_end_line(out);
    buf_deinit(&uri);
    buf_deinit(&url);
}

static void on_made(void *ctx, enum ln_err err, const struct invite *i)
{
    struct invite_command *cmd = ctx;

    if (err == LN_OK) {
        put_invitation(cmd, i);
        control_ok(cmd->request, "%s", "");
    } else if (err == LN_E_EXISTS) {
        control_fail(cmd->request, "there is an account of that name, or another invitation keeps it");
    } else if (err == LN_E_NOT_FOUND) {
        control_fail(cmd->request, "the contact has no account here");
    } else {
        fail_storage(cmd->request, err);
    }
    end(cmd);
}

static bool read_contact(struct invite_command *cmd, struct str text, struct invite *i)
{
    struct jid jid;

    if (text.len == 0)
        return true;
    if (!control_parse_jid(cmd->request, text, &cmd->contact_mem, &jid))
        return false;
    if (jid.local_len == 0 || !jid_is_bare(&jid) || !str_eq(jid_domain(&jid), host_of(cmd))) {
        control_fail(cmd->request, "%.*s: this is not the address of an account of %.*s", STR_ARG(text),
                     STR_ARG(host_of(cmd)));
        return false;
    }
    i->inviter = jid.full;
    i->for_contact = true;
    return true;
}

static bool read_name(struct invite_command *cmd, struct str text, struct invite *i)
{
    size_t len;

    if (text.len == 0)
        return true;
    if (jid_prepare_local(text, cmd->name, &len) != LN_OK) {
        control_fail(cmd->request, "%.*s: no account can have that name", STR_ARG(text));
        return false;
    }
    i->name = str_make(cmd->name, len);
    return true;
}

/* Empty: as the configuration says, and once. */
static bool read_numbers(struct invite_command *cmd, struct str lifetime, struct str uses, struct invite *i)
{
    const struct config_host *host = config_host(control_config(cmd->control), host_of(cmd));
    uint64_t lifetime_s = host->invites.lifetime_s, n = 1;

    if (lifetime.len > 0 && (!str_to_u64(lifetime, LIFETIME_S_MAX, &lifetime_s) || lifetime_s == 0)) {
        control_fail(cmd->request, "an invitation lasts from a second to ten years");
        return false;
    }
    if (uses.len > 0 && (!str_to_u64(uses, USES_MAX, &n) || n == 0)) {
        control_fail(cmd->request, "%.*s: an invitation is for 1 to %d uses", STR_ARG(uses), USES_MAX);
        return false;
    }
    if (n > 1 && i->name.len > 0) {
        control_fail(cmd->request, "an invitation for one name is for one use");
        return false;
    }
    i->created_ms = wall_clock_ms();
    i->expires_ms = i->created_ms + (int64_t)lifetime_s * 1000;
    i->uses = (uint32_t)n;
    return true;
}

static bool is_on(const struct config_host *host, const char *module)
{
    for (size_t i = 0; i < host->modules.n; i++) {
        if (strcmp(host->modules.items[i], module) == 0)
            return true;
    }
    return false;
}

static bool can_be_used(struct invite_command *cmd)
{
    const struct config_host *host = config_host(control_config(cmd->control), host_of(cmd));

    if (is_on(host, "invites") && is_on(host, "register"))
        return true;
    control_fail(cmd->request, "nobody could use it: the modules \"invites\" and \"register\" are not both on for %.*s",
                 STR_ARG(host_of(cmd)));
    return false;
}

/* invite HOST CONTACT NAME LIFETIME_S USES, where all but the host may be empty. */
void control_invite(struct control *c, struct control_request *r)
{
    struct invite_command *cmd = begin(c, r, control_arg(r, 1));
    struct invite i = {.for_account = true};

    if (cmd == NULL)
        return;
    if (!can_be_used(cmd) || !read_contact(cmd, control_arg(r, 2), &i) || !read_name(cmd, control_arg(r, 3), &i) ||
        !read_numbers(cmd, control_arg(r, 4), control_arg(r, 5), &i)) {
        end(cmd);
        return;
    }
    i.is_to_register = !i.for_contact || i.name.len > 0;
    invite_make(c->server, host_of(cmd), &i, 0, c->server->control, on_made, cmd);
}

/* ---- all ---- */

struct invites_walk {
    struct control *control;
    size_t n_hosts, at;
};

static void walk_free(void *state)
{
    free(state);
}

static void read_host(struct control_request *r);

static void put_row(struct buf *out, struct str host, const struct invite *i)
{
    control_begin_line(out, "row");
    control_put_str(out, host);
    control_put_str(out, i->token);
    control_put_bool(out, i->for_account);
    if (i->for_contact)
        control_put_str(out, i->inviter);
    else
        control_put_none(out);
    if (i->name.len > 0)
        control_put_str(out, i->name);
    else
        control_put_none(out);
    if (i->inviter.len > 0)
        control_put_str(out, i->inviter);
    else
        control_put_none(out);
    control_put_int(out, i->created_ms);
    control_put_int(out, i->expires_ms);
    control_put_int(out, i->left);
    control_end_line(out);
}

static void on_all(void *ctx, enum ln_err err, const struct invite *invites, size_t n)
{
    struct invite_command *cmd = ctx;
    struct control_request *r = cmd->request;
    struct invites_walk *walk = control_state(r);

    for (size_t i = 0; i < n; i++)
        put_row(control_out(r), host_of(cmd), &invites[i]);
    walk->at++;
    if (err != LN_OK)
        fail_storage(r, err);
    else
        control_send(r, read_host);
    end(cmd);
}

/* The next one of the configuration as it is now; a reload meanwhile may leave one out. */
static void read_host(struct control_request *r)
{
    struct invites_walk *walk = control_state(r);
    const struct config *cfg = control_config(walk->control);

    if (walk->at >= walk->n_hosts || walk->at >= cfg->n_hosts) {
        control_ok(r, "%s", "");
        return;
    }
    struct invite_command *cmd = begin(walk->control, r, cfg->hosts[walk->at].name);

    if (cmd != NULL)
        invite_list(walk->control->server, host_of(cmd), walk->control->server->control, on_all, cmd);
}

void control_invites(struct control *c, struct control_request *r)
{
    static const struct control_column columns[] = {
        {"host", CONTROL_TEXT, false},    {"token", CONTROL_TEXT, false},   {"account", CONTROL_BOOL, false},
        {"contact", CONTROL_TEXT, false}, {"name", CONTROL_TEXT, false},    {"inviter", CONTROL_TEXT, true},
        {"created", CONTROL_TIME, true},  {"expires", CONTROL_TIME, false}, {"left", CONTROL_INT, false}};
    struct invites_walk *walk = mem_zalloc(sizeof(*walk));
    const struct config *cfg = control_config(c);

    walk->control = c;
    walk->n_hosts = cfg->n_hosts;
    if (control_arg(r, 1).p != NULL) {
        struct invite_command *cmd = begin(c, r, control_arg(r, 1));

        if (cmd == NULL) {
            free(walk);
            return;
        }
        walk->at = (size_t)(config_host(cfg, host_of(cmd)) - cfg->hosts);
        walk->n_hosts = walk->at + 1;
        end(cmd);
    }
    control_put_table(control_out(r), "invites", CONTROL_MANY, columns, ARRAY_LEN(columns));
    control_set_state(r, walk, walk_free);
    read_host(r);
}

/* ---- one less ---- */

static void on_revoked(void *ctx, enum ln_err err)
{
    struct invite_command *cmd = ctx;

    if (err == LN_OK)
        control_ok(cmd->request, "the invitation counts no more");
    else if (err == LN_E_NOT_FOUND)
        control_fail(cmd->request, "there is no such invitation");
    else
        fail_storage(cmd->request, err);
    end(cmd);
}

void control_uninvite(struct control *c, struct control_request *r)
{
    struct invite_command *cmd = begin(c, r, control_arg(r, 1));

    if (cmd != NULL)
        invite_revoke(c->server, host_of(cmd), control_arg(r, 2), c->server->control, on_revoked, cmd);
}
