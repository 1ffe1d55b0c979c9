/* import: accounts that come from another server, many in one request, with the SCRAM keys that it kept for them.
 *
 * Nothing is hashed, and the accounts of one request are written together (group commit), so tens of thousands take
 * seconds. An account that there is already stays as it is. */
#include "server/control/control_commands.h"

#include "common/mem.h"
#include "server/im/account.h"
#include "server/stream/credentials.h"

/* One request; freed when all its accounts have been answered for. */
struct import {
    struct control_request *request; /* a reference */
    unsigned unanswered;             /* and one more while they are being begun */
    int64_t made, refused;
};

struct import_account {
    struct import *import;
    struct jid_buf mem;
    struct jid jid;
};

static void refuse(struct import *import, struct str address, const char *why)
{
    struct buf *out = control_out(import->request);

    import->refused++;
    control_begin_line(out, "row");
    control_put_str(out, address);
    control_put_cstr(out, why);
    control_end_line(out);
}

static void finish_one(struct import *import)
{
    static const struct control_column columns[] = {{"made", CONTROL_INT, false}, {"refused", CONTROL_INT, false}};
    struct buf *out = control_out(import->request);

    if (--import->unanswered > 0)
        return;
    control_put_table(out, "accounts", CONTROL_ONE, columns, ARRAY_LEN(columns));
    control_begin_line(out, "row");
    control_put_int(out, import->made);
    control_put_int(out, import->refused);
    control_end_line(out);
    control_ok(import->request, "%s", "");
    control_unref(&import->request);
    free(import);
}

static const char *why_not(enum ln_err err)
{
    switch (err) {
    case LN_E_EXISTS:
        return "there is such an account already";
    case LN_E_NOT_FOUND:
        return "the host is not served any more";
    case LN_E_FULL:
        return "the disk is full; make room and try again";
    default:
        return "it could not be written; the server's log says more";
    }
}

static void on_imported(void *ctx, enum ln_err err)
{
    struct import_account *account = ctx;

    if (err == LN_OK)
        account->import->made++;
    else
        refuse(account->import, account->jid.full, why_not(err));
    finish_one(account->import);
    free(account);
}

/* NULL: all is well. */
static const char *check(const struct control *c, struct str address, struct str keys, struct import_account *ret,
                         struct credentials *ret_keys)
{
    if (jid_parse(address, &ret->mem, &ret->jid) != LN_OK || ret->jid.local_len == 0 || !jid_is_bare(&ret->jid))
        return "this is not an account's address; one looks like juliet@linnet.example";
    if (config_host(control_config(c), jid_domain(&ret->jid)) == NULL)
        return "this host is not served here";
    if (credentials_parse(keys, ret_keys) != LN_OK)
        return "these are not SCRAM keys; they look like SCRAM-SHA-1$4096:SALT$STOREDKEY:SERVERKEY";
    return NULL;
}

static void import_one(struct control *c, struct import *import, struct str address, struct str keys)
{
    struct import_account *account = mem_alloc(sizeof(*account));
    struct credentials credentials;
    const char *why = check(c, address, keys, account, &credentials);

    if (why != NULL) {
        refuse(import, address, why);
        free(account);
        return;
    }
    account->import = import;
    import->unanswered++;
    account_import(c->server, &account->jid, &credentials, c->server->control, on_imported, account);
    mem_wipe(&credentials, sizeof(credentials));
}

/* The arguments are pairs: an address, its keys. */
void control_import(struct control *c, struct control_request *r)
{
    static const struct control_column columns[] = {{"jid", CONTROL_TEXT, false}, {"why", CONTROL_TEXT, false}};
    struct import *import;
    size_t n = control_n_args(r);

    if (n % 2 == 0) {
        control_fail(r, "import: an account without keys");
        return;
    }
    import = mem_zalloc(sizeof(*import));
    import->request = control_ref(r);
    import->unanswered = 1;
    control_put_table(control_out(r), "refused", CONTROL_MANY, columns, ARRAY_LEN(columns));
    for (size_t i = 1; i < n; i += 2)
        import_one(c, import, control_arg(r, i), control_arg(r, i + 1));
    finish_one(import);
}
