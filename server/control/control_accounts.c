/* adduser, passwd, deluser, users: accounts, online or not. */
#include "server/control/control_commands.h"

#include "common/mem.h"
#include "server/im/account.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

enum { USERS_PAGE = 256 };

/* ---- one account ---- */

/* What is said about how it went; NULL: nothing of this command's own. */
struct outcome {
    const char *done;
    const char *exists;
    const char *not_found;
    const char *invalid;
};

static const struct outcome adduser_outcome = {
    .done = "the account was made",
    .exists = "there is such an account already; linnetctl passwd changes its password",
    .not_found = "the host is not served any more",
    .invalid =
        "this password cannot be used: it is empty, too long, not UTF-8, or has characters that RFC 8265 forbids",
};
static const struct outcome passwd_outcome = {
    .done = "the password was changed, and the account's sessions were ended",
    .not_found = "there is no such account; linnetctl adduser makes one",
    .invalid =
        "this password cannot be used: it is empty, too long, not UTF-8, or has characters that RFC 8265 forbids",
};
static const struct outcome deluser_outcome = {
    .done = "the account and all that was kept for it are gone",
    .not_found = "there is no such account",
};

struct account_command {
    struct control_request *request; /* a reference */
    const struct outcome *outcome;
    struct jid_buf mem;
    struct jid jid;
};

static const char *describe(const struct outcome *outcome, enum ln_err err)
{
    const char *text = err == LN_OK            ? outcome->done
                       : err == LN_E_EXISTS    ? outcome->exists
                       : err == LN_E_NOT_FOUND ? outcome->not_found
                       : err == LN_E_INVALID   ? outcome->invalid
                       : err == LN_E_LIMIT     ? "the server has too much to do just now; try again"
                       : err == LN_E_FULL      ? "the disk is full; make room and try again"
                                               : NULL;

    return text;
}

static void on_account_done(void *ctx, enum ln_err err)
{
    struct account_command *cmd = ctx;
    const char *text = describe(cmd->outcome, err);

    if (err == LN_OK)
        control_ok(cmd->request, "%.*s: %s", STR_ARG(cmd->jid.full), text);
    else if (text != NULL)
        control_fail(cmd->request, "%.*s: %s", STR_ARG(cmd->jid.full), text);
    else
        control_fail(cmd->request, "%.*s: it could not be done (%s); the server's log says more",
                     STR_ARG(cmd->jid.full), ln_err_name(err));
    control_unref(&cmd->request);
    free(cmd);
}

/* NULL: the request has been ended. */
static struct account_command *begin_account(struct control *c, struct control_request *r,
                                             const struct outcome *outcome)
{
    struct account_command *cmd = mem_alloc(sizeof(*cmd));

    if (!control_parse_jid(r, control_arg(r, 1), &cmd->mem, &cmd->jid)) {
        free(cmd);
        return NULL;
    }
    if (cmd->jid.local_len == 0 || !jid_is_bare(&cmd->jid)) {
        control_fail(r, "%.*s: an account's address has a name, an @ and a host, as juliet@linnet.example",
                     STR_ARG(cmd->jid.full));
        free(cmd);
        return NULL;
    }
    if (config_host(control_config(c), jid_domain(&cmd->jid)) == NULL) {
        control_fail_host(c, r, jid_domain(&cmd->jid));
        free(cmd);
        return NULL;
    }
    cmd->request = control_ref(r);
    cmd->outcome = outcome;
    return cmd;
}

void control_adduser(struct control *c, struct control_request *r)
{
    struct account_command *cmd = begin_account(c, r, &adduser_outcome);

    if (cmd != NULL)
        account_create(c->server, &cmd->jid, control_arg(r, 2), (uint32_t)control_config(c)->sasl.iterations,
                       c->server->control, on_account_done, cmd);
}

void control_passwd(struct control *c, struct control_request *r)
{
    struct account_command *cmd = begin_account(c, r, &passwd_outcome);

    if (cmd != NULL)
        account_set_password(c->server, &cmd->jid, control_arg(r, 2), (uint32_t)control_config(c)->sasl.iterations, 0,
                             c->server->control, on_account_done, cmd);
}

void control_deluser(struct control *c, struct control_request *r)
{
    struct account_command *cmd = begin_account(c, r, &deluser_outcome);

    if (cmd != NULL)
        account_delete(c->server, &cmd->jid, 0, c->server->control, on_account_done, cmd);
}

/* ---- all accounts, a page at a time ---- */

struct users {
    struct control *control;
    size_t n_hosts; /* still to be walked, the one at hand included */
    struct str *hosts, *host;
    char *after;      /* the last owner of this host that was told */
    struct str names; /* memory of the hosts */
};

static void users_free(void *state)
{
    struct users *u = state;

    free((void *)(uintptr_t)u->names.p);
    free(u->hosts);
    free(u->after);
    free(u);
}

/* The names are copied: the configuration may change between two pages. */
static struct users *users_new(struct control *c, struct str only)
{
    const struct config *cfg = control_config(c);
    struct users *u = mem_zalloc(sizeof(*u));
    struct buf names = {0};

    u->control = c;
    u->n_hosts = only.p != NULL ? 1 : cfg->n_hosts;
    u->hosts = u->host = mem_alloc(u->n_hosts * sizeof(*u->hosts));
    for (size_t i = 0; i < u->n_hosts; i++) {
        u->hosts[i] = only.p != NULL ? only : cfg->hosts[i].name;
        buf_append_str(&names, u->hosts[i]);
    }
    u->names.p = buf_take(&names, &u->names.len);
    for (size_t i = 0, at = 0; i < u->n_hosts; at += u->hosts[i++].len)
        u->hosts[i].p = u->names.p + at;
    return u;
}

static void read_users(struct control_request *r);

static void put_user(struct buf *out, const struct storage_row *row)
{
    struct credentials c;
    bool is_readable = credentials_decode(row->bytes, &c) == LN_OK;

    control_begin_line(out, "row");
    control_put_str(out, row->key);
    if (is_readable) {
        control_put_int(out, c.created_ms);
        control_put_int(out, c.changed_ms);
    } else {
        control_put_none(out);
        control_put_none(out);
    }
    control_end_line(out);
    mem_wipe(&c, sizeof(c));
}

static void on_users(void *ctx, const struct storage_rows *rows)
{
    struct control_request *r = ctx;
    struct users *u = control_state(r);

    for (size_t i = 0; i < rows->n; i++)
        put_user(control_out(r), &rows->rows[i]);
    free(u->after);
    u->after = rows->n == 0 ? NULL : str_dup(rows->rows[rows->n - 1].key);
    if (rows->n < USERS_PAGE) {
        free(u->after);
        u->after = NULL;
        u->host++;
        u->n_hosts--;
    }
    if (rows->err != LN_OK)
        control_fail(r, "the accounts could not be read (%s); the server's log says more", ln_err_name(rows->err));
    else if (u->n_hosts == 0)
        control_ok(r, "%s", "");
    else
        control_send(r, read_users);
    control_unref(&r);
}

static void read_users(struct control_request *r)
{
    struct users *u = control_state(r);
    struct storage_query q = {.kind = STORAGE_LIST_OWNERS,
                              .owner = *u->host,
                              .collection = CREDENTIALS_COLLECTION,
                              .key = CREDENTIALS_KEY,
                              .after_owner = str_of(u->after),
                              .limit = USERS_PAGE};

    storage_read(u->control->server->storage, &q, u->control->server->control, on_users, control_ref(r));
}

void control_users(struct control *c, struct control_request *r)
{
    static const struct control_column columns[] = {
        {"jid", CONTROL_TEXT, false}, {"created", CONTROL_TIME, false}, {"password_changed", CONTROL_TIME, false}};
    struct str host = control_arg(r, 1);
    char prepared[JID_PART_MAX];
    size_t len;

    if (host.p != NULL) {
        if (jid_prepare_domain(host, prepared, &len) != LN_OK ||
            config_host(control_config(c), str_make(prepared, len)) == NULL) {
            control_fail_host(c, r, host);
            return;
        }
        host = str_make(prepared, len);
    }
    control_put_table(control_out(r), "users", CONTROL_MANY, columns, ARRAY_LEN(columns));
    control_set_state(r, users_new(c, host), users_free);
    read_users(r);
}
