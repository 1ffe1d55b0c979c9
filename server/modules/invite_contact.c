/* Contacts on both sides, when an account was made with an invitation: neither has a client that could do it. */
#include "server/modules/invite.h"

#include "common/mem.h"
#include "server/im/roster_change.h"
#include "server/im/shard.h"

struct friend
{
    struct jid contact;
    struct jid account;
    struct jid_buf contact_mem, account_mem;
};

/* At the account's home. Whichever side is first: the other's request finds its approval, or is answered by it. */
static void befriend_ready(struct account *a, void *ctx)
{
    struct friend *f = ctx;

    if (a->state == ACCOUNT_LOADED) {
        roster_change_in_name_of(a, SUB_OUT_SUBSCRIBED, &f->contact);
        roster_change_in_name_of(a, SUB_OUT_SUBSCRIBE, &f->contact);
    }
    free(f);
}

static void befriend_at_home(struct worker *w, void *arg)
{
    struct friend *f = arg;

    if (account_when_ready(shard_of(w), &f->account, befriend_ready, f) != LN_OK)
        free(f);
}

static void befriend(struct server *server, const struct jid *account, const struct jid *contact)
{
    struct friend *f = mem_alloc(sizeof(*f));

    f->account = jid_join(jid_local(account), jid_domain(account), STR(""), &f->account_mem);
    f->contact = jid_join(jid_local(contact), jid_domain(contact), STR(""), &f->contact_mem);
    worker_call(server_home_of(server, f->account.full), befriend_at_home, f);
}

void invite_account_made(struct server *server, const struct invite *i, const struct jid *account)
{
    struct jid inviter = jid_view(i->inviter);

    if (!i->for_contact)
        return;
    befriend(server, account, &inviter);
    befriend(server, &inviter, account);
}
