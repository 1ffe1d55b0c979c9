#include "server/modules/push_notify.h"

#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/im/iq_ask.h"
#include "server/im/stanza_id.h"
#include "server/modules/attention.h"

enum { BODY_BYTES_MAX = 1024 }; /* as much as a notification of a telephone shows, and more */

static const struct push_outcome *outcome; /* [start] */

void push_notify_start(const struct push_outcome *o)
{
    outcome = o;
}

/* ---- what may be told of a message ---- */

static void forget_message(struct push_app *app)
{
    free(app->last_sender);
    free(app->last_body);
    app->last_sender = app->last_body = NULL;
}

/* Not in the middle of a character. */
static struct str shorten(struct str text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.p[max] & 0xc0) == 0x80)
        max--;
    return str_make(text.p, max);
}

static void remember_message(struct push_app *app, const struct stanza *st)
{
    const struct config *cfg = app->account->worker->config;
    const struct xml_element *message = attention_message(st), *body = xml_child(message, "body", NS_CLIENT);
    struct str sender = message == st->root ? jid_full(&st->from) : xml_attr(message, "from", NULL);

    forget_message(app);
    if (cfg->push.include_sender)
        app->last_sender = str_dup(sender);
    if (cfg->push.include_body && body != NULL)
        app->last_body = str_dup(shorten(body->text, BODY_BYTES_MAX));
}

/* ---- the notification ---- */

static void put_summary(struct xml_writer *w, const struct push_app *app)
{
    data_form_start(w, "submit", NS_PUSH_SUMMARY);
    data_form_put_u64(w, "message-count", NULL, NULL, app->waiting);
    if (app->last_sender != NULL)
        data_form_put_text(w, "last-message-sender", NULL, NULL, str_of(app->last_sender));
    if (app->last_body != NULL)
        data_form_put_text(w, "last-message-body", NULL, NULL, str_of(app->last_body));
    data_form_end(w);
}

static void write_publish(struct buf *out, const struct push_app *app)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "pubsub", NS_PUBSUB);
    xml_start(&w, "publish", NULL);
    xml_put_attr_opt(&w, "node", str_of(app->node));
    xml_start(&w, "item", NULL);
    xml_start(&w, "notification", NS_PUSH);
    put_summary(&w, app);
    xml_end(&w);
    xml_end(&w);
    xml_end(&w);
    if (app->options[0] != '\0') {
        xml_start(&w, "publish-options", NULL);
        xml_put_raw(&w, str_of(app->options));
        xml_end(&w);
    }
    xml_end(&w);
}

/* ---- one after the other ---- */

static void on_answer(void *ctx, struct account *a, const struct stanza *answer);
static void on_pause_over(struct wheel_timer *t);

static void ask(struct push_app *app)
{
    const struct jid to = jid_view(str_of(app->jid));
    const struct config *cfg = app->account->worker->config;
    struct buf payload = {0};

    write_publish(&payload, app);
    app->has_more = false;
    app->is_asking = iq_ask_from_host(app->account, &to, IQ_SET, buf_str(&payload),
                                      (uint32_t)cfg->push.timeout_s * 1000, on_answer, app) == LN_OK;
    forget_message(app);
    buf_deinit(&payload);
}

static void pause_before_next(struct push_app *app)
{
    account_pin(app->account);
    app->timer.fire = on_pause_over;
    wheel_set(&app->account->worker->wheel, &app->timer, app->account->worker->config->push.pause_ms);
}

static void end_pause(struct push_app *app)
{
    if (app->timer.prev == NULL)
        return;
    wheel_cancel(&app->timer);
    account_unpin(app->account);
}

static void on_pause_over(struct wheel_timer *t)
{
    struct push_app *app = container_of(t, struct push_app, timer);
    struct account *a = app->account;

    if (app->has_more)
        ask(app);
    account_unpin(a);
}

static void tell(struct push_app *app, const struct stanza *st)
{
    if (app->account->worker->is_draining)
        return; /* no answer would come in time */
    remember_message(app, st);
    if (app->is_asking || app->timer.prev != NULL)
        app->has_more = true;
    else
        ask(app);
}

/* A message may be said to wait for more than one reason: those in the archive are known by their ids, which rise. */
static bool is_counted(struct push_app *app, const struct stanza *st)
{
    uint64_t id;

    if (!stanza_id_find(st, app->account->jid.full, &id))
        return false;
    if (id <= app->counted)
        return true;
    app->counted = id;
    return false;
}

void push_notify(struct push_app *app, const struct stanza *st)
{
    if (is_counted(app, st))
        return;
    app->waiting++;
    tell(app, st);
}

void push_notify_of(struct push_app *app, uint32_t n, uint64_t since_ms, const struct stanza *last)
{
    if (app->silent_since_ms == since_ms && n <= app->waiting)
        return;
    app->silent_since_ms = since_ms;
    app->waiting = n;
    (void)is_counted(app, last);
    tell(app, last);
}

void push_notify_forget(struct push_app *app)
{
    app->waiting = 0;
    app->counted = 0;
    app->silent_since_ms = 0;
    app->has_more = false;
    forget_message(app);
}

void push_notify_end(struct push_app **own_app)
{
    struct push_app *app = *own_app;

    *own_app = NULL;
    end_pause(app);
    app->is_removed = true;
    if (!app->is_asking)
        push_app_free(&app);
}

/* ---- the answer ---- */

/* What will not be otherwise tomorrow: the node is gone, or the account may not publish there (any more). */
static bool is_for_ever(const struct stanza *answer)
{
    static const char *const conditions[] = {"item-not-found", "gone",        "forbidden",
                                             "not-authorized", "not-allowed", "feature-not-implemented"};
    const struct xml_element *error = answer == NULL ? NULL : xml_child(answer->root, "error", NS_CLIENT);

    for (size_t i = 0; error != NULL && i < ARRAY_LEN(conditions); i++) {
        if (xml_child(error, conditions[i], NS_STANZA_ERRORS) != NULL)
            return !str_is(xml_attr(error, "type", NULL), "wait");
    }
    return false;
}

static void failed(struct push_app *app, const struct stanza *answer)
{
    const struct config *cfg = app->account->worker->config;

    app->errors++;
    log_debug(LOG_MODULE, 0, "push.failed", F_STR("jid", app->account->jid.full), F_CSTR("app", app->jid),
              F_U64("errors", app->errors), F_CSTR("why", answer == NULL ? "timeout" : "error"));
    if (is_for_ever(answer) || app->errors >= cfg->push.max_errors) {
        log_info(LOG_MODULE, 0, "push.ended", F_STR("jid", app->account->jid.full), F_CSTR("app", app->jid),
                 F_U64("errors", app->errors));
        app->has_more = false;
        outcome->on_broken(app);
    } else {
        outcome->on_changed(app);
    }
}

static void succeeded(struct push_app *app)
{
    if (app->errors == 0)
        return;
    app->errors = 0;
    outcome->on_changed(app);
}

static void on_answer(void *ctx, struct account *a, const struct stanza *answer)
{
    struct push_app *app = ctx;

    app->is_asking = false;
    if (app->is_removed) {
        push_app_free(&app);
        return;
    }
    if (a->worker->is_draining)
        return; /* given up by us, not failed */
    pause_before_next(app);
    if (answer != NULL && answer->type == TYPE_RESULT)
        succeeded(app);
    else
        failed(app, answer);
}
