/* server/modules/commands.c - XEP-0050 Ad-Hoc Commands 1.3.0
 *
 * The frame around the commands of other modules (commands.h). A command under way belongs to the session that gave it:
 * only that finds it by its id, it goes with it, and after a while by itself. */
#include "server/modules/commands.h"

#include <assert.h>

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "server/base/config.h"
#include "server/im/slots.h"

enum { SESSIONS_OF_A_CLIENT = 4, SESSION_LIFETIME_MS = 10 * 60 * 1000, FORM_BYTES_MAX = 16384, ID_BYTES = 16 };

static const struct command *commands[COMMANDS_MAX]; /* [start] */
static size_t n_commands;
static unsigned slot; /* [start] of sessions: struct under_way */

/* What of a run outlives its requests. */
struct command_session {
    struct command_session *next, **prev;
    struct wheel_timer timer;
    char id[2 * ID_BYTES + 1];
    unsigned stage;
    struct command_run run;
    struct arena *arenas[COMMAND_STAGES_MAX]; /* of run.forms */
};

/* Commands that a client has begun, the newest first. */
struct under_way {
    struct command_session *first;
};

static void on_start(struct server *server)
{
    (void)server;
    n_commands = 0;
    slot = session_slot_new();
}

void command_register(const struct command *command)
{
    assert(n_commands < COMMANDS_MAX && command->n_stages <= COMMAND_STAGES_MAX);
    commands[n_commands++] = command;
}

/* ---- who may what ---- */

static bool is_own_user(const struct iq *iq)
{
    return iq->session != NULL && session_is_connected(iq->session) && str_eq(iq->session->host, iq->host);
}

bool command_sender_is_admin(const struct iq *iq)
{
    const struct config_host *host = iq_host(iq);

    for (size_t i = 0; host != NULL && i < host->admins.n; i++) {
        if (str_is(jid_bare(&iq->st->from), host->admins.items[i]))
            return true;
    }
    return false;
}

static bool is_allowed(const struct command *command, const struct iq *iq)
{
    return is_own_user(iq) && command->is_allowed(iq);
}

/* NULL: there is none on this host. */
static const struct command *find_command(const struct iq *iq, struct str node)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (str_is(node, commands[i]->node) && hooks_is_on(commands[i]->module, iq_host(iq)))
            return commands[i];
    }
    return NULL;
}

/* ---- sessions ---- */

static void session_end(struct command_session *cs)
{
    wheel_cancel(&cs->timer);
    *cs->prev = cs->next;
    if (cs->next != NULL)
        cs->next->prev = cs->prev;
    for (size_t i = 0; i < COMMAND_STAGES_MAX; i++)
        arena_free(&cs->arenas[i]);
    free(cs);
}

static void on_forgotten(struct wheel_timer *t)
{
    session_end(container_of(t, struct command_session, timer));
}

static struct command_session *first_of(const struct session *s)
{
    const struct under_way *all = session_slot_peek(s, slot);

    return all == NULL ? NULL : all->first;
}

static struct command_session **place_for_first(struct session *s)
{
    void **all = session_slot(s, slot);

    if (*all == NULL)
        *all = mem_zalloc(sizeof(struct under_way));
    return &((struct under_way *)*all)->first;
}

/* Clients close a form without a word: the oldest makes room. */
static void make_room(struct session *s)
{
    struct command_session *oldest = first_of(s);
    unsigned n = 0;

    for (struct command_session *cs = oldest; cs != NULL; cs = cs->next) {
        n++;
        oldest = cs;
    }
    if (n >= SESSIONS_OF_A_CLIENT)
        session_end(oldest);
}

static struct command_session *session_begin(struct iq *iq, const struct command *command)
{
    struct command_session *cs = mem_zalloc(sizeof(*cs));
    struct command_session **first = place_for_first(iq->session);

    make_room(iq->session);
    (void)random_hex(cs->id, ID_BYTES);
    cs->run = (struct command_run){.command = command, .iq = iq, .session = cs};
    cs->prev = first;
    cs->next = *first;
    if (cs->next != NULL)
        cs->next->prev = &cs->next;
    *first = cs;
    cs->timer.fire = on_forgotten;
    return cs;
}

static struct command_session *session_find(const struct session *s, struct str id, const struct command *command)
{
    for (struct command_session *cs = first_of(s); cs != NULL; cs = cs->next) {
        if (str_is(id, cs->id) && cs->run.command == command)
            return cs;
    }
    return NULL;
}

static enum verdict on_closing(struct hook_event *e)
{
    while (first_of(e->session) != NULL)
        session_end(first_of(e->session));
    if (session_slot_peek(e->session, slot) != NULL) {
        free(*session_slot(e->session, slot));
        *session_slot(e->session, slot) = NULL;
    }
    return CONTINUE;
}

/* ---- answers ---- */

static void start_answer(struct xml_writer *w, const struct command *command, const struct command_session *cs,
                         const char *status)
{
    xml_start(w, "command", NS_COMMANDS);
    xml_put_attr(w, "node", str_of(command->node));
    if (cs != NULL)
        xml_put_attr(w, "sessionid", str_of(cs->id));
    xml_put_attr(w, "status", str_of(status));
    xml_put_attr(w, "xml:lang", STR("en"));
}

/* Section 4.4: one of these inside the error says what exactly is wrong. */
static enum iq_verdict refuse(struct iq *iq, enum stanza_err err, const char *condition, const char *text)
{
    struct buf app = {0};
    struct xml_writer w = xml_writer_to(&app);

    xml_put_empty(&w, condition, NS_COMMANDS);
    enum iq_verdict verdict = iq_error_with(iq, err, text, buf_str(&app));

    buf_deinit(&app);
    return verdict;
}

static bool is_last(const struct command_session *cs)
{
    return cs->stage + 1 == cs->run.command->n_stages;
}

static enum iq_verdict show_form(struct command_session *cs)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);
    struct worker *worker = cs->run.iq->worker;

    start_answer(&w, cs->run.command, cs, "executing");
    xml_start(&w, "actions", NULL);
    xml_put_attr(&w, "execute", is_last(cs) ? STR("complete") : STR("next"));
    if (cs->stage > 0)
        xml_put_empty(&w, "prev", NULL);
    xml_put_empty(&w, is_last(cs) ? "complete" : "next", NULL);
    xml_end(&w);
    data_form_start(&w, "form", NULL);
    cs->run.command->write_form(&cs->run, cs->stage, &w);
    data_form_end(&w);
    xml_end(&w);
    wheel_set(&worker->wheel, &cs->timer, SESSION_LIFETIME_MS);
    enum iq_verdict verdict = iq_result(cs->run.iq, buf_str(&payload));

    cs->run.iq = NULL;
    buf_deinit(&payload);
    return verdict;
}

/* The request that is to be answered last. */
static struct iq *run_end(struct command_run *run)
{
    struct iq *iq = run->iq;

    if (run->session != NULL) {
        for (size_t i = 0; i < COMMAND_STAGES_MAX; i++)
            arena_free(&run->session->arenas[i]);
        free(run->session); /* the run lies inside */
    } else {
        free(run);
    }
    return iq;
}

static void end_with(struct command_run *own_run, struct str payload, const char *note)
{
    struct buf answer = {0};
    struct xml_writer w = xml_writer_to(&answer);

    start_answer(&w, own_run->command, own_run->session, "completed");
    if (note != NULL) {
        xml_start(&w, "note", NULL);
        xml_put_attr(&w, "type", STR("error"));
        xml_put_text(&w, str_of(note));
        xml_end(&w);
    }
    if (payload.len > 0)
        xml_put_raw(&w, payload);
    xml_end(&w);
    (void)iq_result(run_end(own_run), buf_str(&answer));
    buf_deinit(&answer);
}

void command_done(struct command_run *own_run, struct str payload)
{
    end_with(own_run, payload, NULL);
}

void command_fail(struct command_run *own_run, const char *text)
{
    end_with(own_run, STR(""), text);
}

void command_refuse(struct command_run *own_run, enum stanza_err err, const char *text)
{
    (void)iq_error(run_end(own_run), err, text);
}

/* ---- steps ---- */

/* From here on nobody finds it by its id: it is completed once. */
static enum iq_verdict complete(struct command_session *cs)
{
    wheel_cancel(&cs->timer);
    *cs->prev = cs->next;
    if (cs->next != NULL)
        cs->next->prev = cs->prev;
    cs->run.iq = iq_keep(cs->run.iq);
    cs->run.command->complete(&cs->run);
    return IQ_LATER;
}

/* A command without stages has no session: nothing of it has to be found again. */
static enum iq_verdict complete_at_once(struct iq *iq, const struct command *command)
{
    struct command_run *run = mem_zalloc(sizeof(*run));

    *run = (struct command_run){.command = command, .iq = iq_keep(iq)};
    command->complete(run);
    return IQ_LATER;
}

/* Section 3.5.1: what is of type cancel counts as submitted, too. */
static const struct xml_element *submitted_form(const struct iq *iq)
{
    const struct xml_element *x = data_form_find(iq->query, NULL);

    if (x == NULL || (!str_is(data_form_type(x), "submit") && !str_is(data_form_type(x), "cancel")))
        return NULL;
    return x->outer.len > FORM_BYTES_MAX ? NULL : x;
}

/* False: it is not what this stage wants; *ret_why says so, if there is more to say. */
static bool take_form(struct command_session *cs, const char **ret_why)
{
    const struct xml_element *x = submitted_form(cs->run.iq);
    struct buf copy = {0};
    struct xml_writer w = xml_writer_to(&copy);
    struct arena *arena;

    *ret_why = NULL;
    if (x == NULL)
        return false;
    xml_put_element(&w, x, "");
    bool is_read = xml_parse(buf_str(&copy), STR(""), &arena, &x) == LN_OK;

    buf_deinit(&copy);
    if (!is_read)
        return false;
    arena_free(&cs->arenas[cs->stage]);
    cs->arenas[cs->stage] = arena;
    cs->run.forms[cs->stage] = x;
    if (cs->run.command->check != NULL)
        *ret_why = cs->run.command->check(&cs->run, cs->stage);
    return *ret_why == NULL;
}

enum action { ACTION_EXECUTE, ACTION_CANCEL, ACTION_PREV, ACTION_NEXT, ACTION_COMPLETE, ACTION_UNKNOWN };

static enum action action_of(const struct iq *iq)
{
    static const char *const names[] = {"execute", "cancel", "prev", "next", "complete"};
    struct str given = xml_attr(iq->query, "action", NULL);

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_is(given, names[i]))
            return (enum action)i;
    }
    return given.len == 0 ? ACTION_EXECUTE : ACTION_UNKNOWN;
}

static enum iq_verdict cancel(struct iq *iq, struct command_session *cs)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    start_answer(&w, cs->run.command, cs, "canceled");
    xml_end(&w);
    session_end(cs);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

static enum iq_verdict step(struct iq *iq, struct command_session *cs, enum action action)
{
    const char *why;

    if (action == ACTION_CANCEL)
        return cancel(iq, cs);
    if (action == ACTION_EXECUTE)
        action = is_last(cs) ? ACTION_COMPLETE : ACTION_NEXT;
    if ((action == ACTION_PREV && cs->stage == 0) || (action == ACTION_NEXT && is_last(cs)) ||
        (action == ACTION_COMPLETE && !is_last(cs)))
        return refuse(iq, STANZA_ERR_BAD_REQUEST, "bad-action", NULL);
    cs->run.iq = iq;
    if (action == ACTION_PREV) {
        cs->stage--;
        return show_form(cs);
    }
    if (!take_form(cs, &why)) {
        cs->run.iq = NULL;
        return refuse(iq, STANZA_ERR_BAD_REQUEST, "bad-payload", why);
    }
    if (action == ACTION_COMPLETE)
        return complete(cs);
    cs->stage++;
    return show_form(cs);
}

static enum iq_verdict begin(struct iq *iq, const struct command *command, enum action action)
{
    if (action != ACTION_EXECUTE)
        return refuse(iq, STANZA_ERR_BAD_REQUEST, "bad-action", NULL);
    if (command->n_stages == 0)
        return complete_at_once(iq, command);
    return show_form(session_begin(iq, command));
}

/* Ids of ours that are not found have ended: completed, cancelled, forgotten. */
static bool looks_like_an_id(struct str id)
{
    bool is_one = id.len == 2 * ID_BYTES;

    for (size_t i = 0; is_one && i < id.len; i++)
        is_one = memchr("0123456789abcdef", id.p[i], 16) != NULL;
    return is_one;
}

static enum iq_verdict on_command(struct iq *iq)
{
    const struct command *command = find_command(iq, xml_attr(iq->query, "node", NULL));
    enum action action = action_of(iq);
    struct command_session *cs;
    bool has_id;
    struct str id = xml_attr(iq->query, "sessionid", &has_id);

    if (command == NULL)
        return iq_error(iq, STANZA_ERR_ITEM_NOT_FOUND, NULL);
    if (!is_allowed(command, iq))
        return iq_error(iq, STANZA_ERR_FORBIDDEN, NULL);
    if (action == ACTION_UNKNOWN)
        return refuse(iq, STANZA_ERR_BAD_REQUEST, "malformed-action", NULL);
    if (!has_id)
        return begin(iq, command, action);
    cs = session_find(iq->session, id, command);
    if (cs != NULL)
        return step(iq, cs, action);
    if (looks_like_an_id(id))
        return refuse(iq, STANZA_ERR_NOT_ALLOWED, "session-expired", NULL);
    return refuse(iq, STANZA_ERR_BAD_REQUEST, "bad-sessionid", NULL);
}

/* ---- discovery (sections 2.1, 2.2) ---- */

static enum iq_verdict answer_query(struct iq *iq, const char *ns, struct buf *content)
{
    struct buf payload = {0};
    struct xml_writer w = xml_writer_to(&payload);

    xml_start(&w, "query", ns);
    xml_put_attr(&w, "node", xml_attr(iq->query, "node", NULL));
    xml_put_raw(&w, buf_str(content));
    xml_end(&w);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    buf_deinit(content);
    return verdict;
}

static enum iq_verdict on_items(struct iq *iq)
{
    struct buf content = {0};
    struct xml_writer w = xml_writer_to(&content);

    if (!str_is(xml_attr(iq->query, "node", NULL), NS_COMMANDS))
        return IQ_NOT_MINE;
    for (size_t i = 0; i < n_commands; i++) {
        if (!hooks_is_on(commands[i]->module, iq_host(iq)) || !is_allowed(commands[i], iq))
            continue;
        xml_start(&w, "item", NULL);
        xml_put_attr(&w, "jid", iq->host);
        xml_put_attr(&w, "node", str_of(commands[i]->node));
        xml_put_attr(&w, "name", str_of(commands[i]->name));
        xml_end(&w);
    }
    return answer_query(iq, NS_DISCO_ITEMS, &content);
}

static void put_identity(struct xml_writer *w, const char *type, const char *name)
{
    xml_start(w, "identity", NULL);
    xml_put_attr(w, "category", STR("automation"));
    xml_put_attr(w, "type", str_of(type));
    xml_put_attr(w, "name", str_of(name));
    xml_end(w);
}

static void put_feature(struct xml_writer *w, const char *var)
{
    xml_start(w, "feature", NULL);
    xml_put_attr(w, "var", str_of(var));
    xml_end(w);
}

static enum iq_verdict on_info(struct iq *iq)
{
    struct str node = xml_attr(iq->query, "node", NULL);
    const struct command *command = find_command(iq, node);
    struct buf content = {0};
    struct xml_writer w = xml_writer_to(&content);

    if (command == NULL && !str_is(node, NS_COMMANDS))
        return IQ_NOT_MINE;
    if (command != NULL && !is_allowed(command, iq))
        return iq_error(iq, STANZA_ERR_FORBIDDEN, NULL);
    if (command != NULL)
        put_identity(&w, "command-node", command->name);
    else
        put_identity(&w, "command-list", "Commands");
    put_feature(&w, NS_COMMANDS);
    put_feature(&w, NS_DATA_FORMS);
    return answer_query(iq, NS_DISCO_INFO, &content);
}

const struct module module_commands = {
    .name = "commands",
    .features = {NS_COMMANDS},
    .iq = {{IQ_SET, NS_COMMANDS, "command", IQ_TO_HOST, on_command},
           {IQ_GET, NS_DISCO_ITEMS, "query", IQ_TO_HOST, on_items},
           {IQ_GET, NS_DISCO_INFO, "query", IQ_TO_HOST, on_info}},
    .hooks = {{HOOK_SESSION_CLOSING, PRIORITY_NORMAL, on_closing}},
    .on_start = on_start,
};
