/* probe: what a client goes through, with a clock. The client is libstrophe, which nobody here wrote, so what the probe
 * says is what users see. */
#include "server/control/linnetctl.h"

#include "common/mem.h"

#include <stdio.h>
#include <strophe.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_DEFAULT_S = 10, TURN_MS = 20 };

/* In the order in which they are reached; a step that libstrophe does not let us see is counted into the next one. */
enum step { STEP_CONNECT, STEP_TLS, STEP_LOGIN, STEP_BIND, STEP_MESSAGE, STEP_LOGOUT, STEPS };

static const char *const step_names[STEPS] = {"connect", "tls", "login", "bind", "message", "logout"};

struct probe {
    const struct ctl_options *opt;
    xmpp_conn_t *conn;
    int socket; /* libstrophe's; -1 before it has one */
    char message_id[40];
    double started_ms;
    double reached_ms[STEPS]; /* since `started_ms`; negative: not reached */
    bool is_over;             /* libstrophe has ended the connection */
    char reason[256];         /* why it failed; empty: not known */
};

/* libstrophe calls some of its handlers without a pointer of ours. */
static struct probe *current;

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static bool is_reached(const struct probe *p, enum step step)
{
    return p->reached_ms[step] >= 0;
}

static void reach(struct probe *p, enum step step)
{
    if (!is_reached(p, step))
        p->reached_ms[step] = now_ms() - p->started_ms;
}

static void set_reason(struct probe *p, const char *reason)
{
    if (p->reason[0] == '\0')
        (void)snprintf(p->reason, sizeof(p->reason), "%s", reason);
}

/* ---- what libstrophe tells ---- */

static int on_socket(xmpp_conn_t *conn, void *sock)
{
    (void)conn;
    current->socket = *(int *)sock;
    return 0;
}

static int on_bad_certificate(const xmpp_tlscert_t *cert, const char *const error)
{
    char reason[256];

    (void)cert;
    if (current->opt->insecure)
        return 1;
    (void)snprintf(reason, sizeof(reason), "the certificate is not trusted (%s); --insecure accepts any", error);
    set_reason(current, reason);
    return 0;
}

/* The condition of a SASL failure: the name of the first element in it. */
static void note_failure(struct probe *p, const char *failure)
{
    const char *child = strchr(failure, '>');
    char reason[256];
    size_t len;

    child = child == NULL ? NULL : strchr(child, '<');
    if (child == NULL)
        return;
    len = strcspn(++child, "/> \t\n");
    (void)snprintf(reason, sizeof(reason), "the login was refused: %.*s", len < 64 ? (int)len : 64, child);
    set_reason(p, reason);
}

/* Its debug lines hold what goes to and fro. They are looked at for what no call tells, and shown to nobody: there are
 * secrets in them. Where another version words them otherwise, a step is missing from the report, and nothing else. */
static void on_log(void *userdata, xmpp_log_level_t level, const char *area, const char *msg)
{
    struct probe *p = userdata;
    const char *failure = strstr(msg, "<failure");

    (void)level;
    (void)area;
    if (strstr(msg, "_xmpp_bind1") != NULL)
        reach(p, STEP_LOGIN); /* it asks for a resource, so SASL is behind it */
    if (failure != NULL)
        note_failure(p, failure);
}

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *st, void *userdata)
{
    struct probe *p = userdata;
    const char *id = xmpp_stanza_get_id(st), *type = xmpp_stanza_get_type(st);

    if (id == NULL || strcmp(id, p->message_id) != 0)
        return 1;
    if (type != NULL && strcmp(type, "error") == 0)
        set_reason(p, "the server sent the message back as an error");
    else
        reach(p, STEP_MESSAGE);
    xmpp_disconnect(conn);
    return 0;
}

/* To its own full JID, so it comes back here, and as a headline, so nobody keeps it if it does not. */
static void send_message(struct probe *p)
{
    xmpp_ctx_t *ctx = xmpp_conn_get_context(p->conn);
    xmpp_stanza_t *message = xmpp_message_new(ctx, "headline", xmpp_conn_get_bound_jid(p->conn), p->message_id);

    (void)xmpp_message_set_body(message, "linnetctl probe");
    xmpp_send(p->conn, message);
    xmpp_stanza_release(message);
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error,
                          void *userdata)
{
    struct probe *p = userdata;

    (void)error;
    if (event == XMPP_CONN_CONNECT) {
        reach(p, STEP_BIND);
        xmpp_handler_add(conn, on_message, NULL, "message", NULL, p);
        send_message(p);
        return;
    }
    if (stream_error != NULL && stream_error->text != NULL)
        set_reason(p, stream_error->text);
    p->is_over = true;
    if (is_reached(p, STEP_MESSAGE))
        reach(p, STEP_LOGOUT);
}

/* ---- the run ---- */

/* What can only be asked for: looked at after each event. */
static void look(struct probe *p)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);

    if (!is_reached(p, STEP_TLS) && !p->is_over && xmpp_conn_is_secured(p->conn))
        reach(p, STEP_TLS);
    /* With direct TLS libstrophe does both in one go, and the time is that of both. */
    else if (!is_reached(p, STEP_CONNECT) && !is_reached(p, STEP_TLS) && p->socket >= 0 &&
             getpeername(p->socket, (struct sockaddr *)&peer, &len) == 0)
        reach(p, STEP_CONNECT);
}

static long flags_of(const struct ctl_options *opt)
{
    long flags = XMPP_CONN_FLAG_DISABLE_SM;

    if (opt->tls != NULL && strcmp(opt->tls, "none") == 0)
        flags |= XMPP_CONN_FLAG_DISABLE_TLS;
    else if (opt->tls != NULL && strcmp(opt->tls, "direct") == 0)
        flags |= XMPP_CONN_FLAG_LEGACY_SSL;
    else
        flags |= XMPP_CONN_FLAG_MANDATORY_TLS;
    if (opt->insecure)
        flags |= XMPP_CONN_FLAG_TRUST_TLS;
    return flags;
}

static void run(struct probe *p, xmpp_ctx_t *ctx, const char *host, unsigned short port, double timeout_ms)
{
    p->started_ms = now_ms();
    if (xmpp_connect_client(p->conn, host, port, on_connection, p) != XMPP_EOK) {
        set_reason(p, "no connection could be begun: does the name resolve, and is anybody listening there?");
        p->is_over = true;
    }
    while (!p->is_over && now_ms() - p->started_ms < timeout_ms) {
        xmpp_run_once(ctx, TURN_MS);
        look(p);
    }
    if (!p->is_over)
        set_reason(p, "it took longer than --timeout allows");
}

/* ---- the report ---- */

static bool is_expected(const struct probe *p, enum step step)
{
    return step != STEP_TLS || (flags_of(p->opt) & XMPP_CONN_FLAG_DISABLE_TLS) == 0;
}

/* The first one that was not reached: where it failed. A step that was skipped over was not seen, and did not fail. */
static enum step failed_step(const struct probe *p)
{
    enum step last = STEPS;

    while (last > 0 && !is_reached(p, last - 1))
        last--;
    while (last < STEPS && !is_expected(p, last))
        last++;
    return last;
}

static const char *guess_reason(const struct probe *p, enum step failed)
{
    static const char *const guesses[STEPS] = {
        [STEP_CONNECT] = "the connection was refused, or nobody answers there",
        [STEP_TLS] = "the server does not do TLS this way, or the handshake failed",
        [STEP_LOGIN] = "the login was refused, or the server closed the connection",
        [STEP_BIND] = "the login was refused, or the server closed the connection",
        [STEP_MESSAGE] = "the message did not come back",
        [STEP_LOGOUT] = "the server did not close its stream",
    };

    if (failed == STEP_LOGIN && !is_expected(p, STEP_TLS))
        return "the login was refused, or the server wants TLS first";
    return guesses[failed];
}

/* How long the step took after the one before. */
static double duration_of(const struct probe *p, enum step step)
{
    double from = 0;

    for (enum step before = 0; before < step; before++)
        if (is_reached(p, before) && p->reached_ms[before] > from)
            from = p->reached_ms[before];
    return p->reached_ms[step] > from ? p->reached_ms[step] - from : 0;
}

static void report_json(const struct probe *p, const char *jid, enum step failed, const char *reason)
{
    struct buf out = {0};
    const char *comma = "";

    buf_printf(&out, "{\"ok\": %s, \"jid\": ", failed == STEPS ? "true" : "false");
    ctl_json_string(&out, str_of(jid));
    buf_append_cstr(&out, ", \"steps\": [");
    for (enum step s = 0; s < STEPS; s++) {
        if (!is_reached(p, s))
            continue;
        buf_printf(&out, "%s{\"step\": \"%s\", \"ms\": %.2f}", comma, step_names[s], duration_of(p, s));
        comma = ", ";
    }
    buf_append_char(&out, ']');
    if (failed == STEPS) {
        buf_printf(&out, ", \"total_ms\": %.2f", p->reached_ms[STEP_LOGOUT]);
    } else {
        buf_printf(&out, ", \"failed\": \"%s\", \"error\": ", step_names[failed]);
        ctl_json_string(&out, str_of(reason));
    }
    printf("%.*s}\n", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
}

static void report_text(const struct probe *p, const char *jid, enum step failed, const char *reason)
{
    for (enum step s = 0; s < STEPS; s++)
        if (is_reached(p, s))
            printf("%-8s %8.2f ms\n", step_names[s], duration_of(p, s));
    if (failed == STEPS)
        printf("%-8s %8.2f ms\n", "all", p->reached_ms[STEP_LOGOUT]);
    else
        fprintf(stderr, "linnetctl: %s: %s failed: %s\n", jid, step_names[failed], reason);
}

static enum ctl_exit report(const struct probe *p, const char *jid)
{
    enum step failed = failed_step(p);
    const char *reason = p->reason;

    if (failed < STEPS && reason[0] == '\0')
        reason = guess_reason(p, failed);
    if (p->opt->json)
        report_json(p, jid, failed, reason);
    else
        report_text(p, jid, failed, reason);
    return failed == STEPS ? CTL_DONE : CTL_FAILED;
}

/* ---- the command ---- */

/* A resource that no other probe of the account has, so that several may run at once. */
static char *full_jid(struct probe *p, const char *jid)
{
    struct buf b = {0};
    size_t len;

    (void)snprintf(p->message_id, sizeof(p->message_id), "probe-%lx-%lx", (long)getpid(), (long)(now_ms() * 1000));
    buf_printf(&b, "%s/%s", jid, p->message_id);
    return buf_take(&b, &len);
}

static bool check(const struct ctl_options *opt, const char *jid, uint64_t *ret_port, uint64_t *ret_timeout_s)
{
    const char *at = strchr(jid, '@');

    *ret_port = 0;
    *ret_timeout_s = TIMEOUT_DEFAULT_S;
    if (at == NULL || at == jid || at[1] == '\0' || strchr(jid, '/') != NULL)
        ctl_error(opt, "%s: expected the address of an account, as juliet@linnet.example", jid);
    else if (opt->tls != NULL && strcmp(opt->tls, "starttls") != 0 && strcmp(opt->tls, "direct") != 0 &&
             strcmp(opt->tls, "none") != 0)
        ctl_error(opt, "--tls %s: expected starttls, direct or none", opt->tls);
    else if (opt->port != NULL && (!str_to_u64(str_of(opt->port), 65535, ret_port) || *ret_port == 0))
        ctl_error(opt, "--port %s: expected a number from 1 to 65535", opt->port);
    else if (opt->timeout != NULL && (!str_to_u64(str_of(opt->timeout), 3600, ret_timeout_s) || *ret_timeout_s == 0))
        ctl_error(opt, "--timeout %s: expected a number of seconds from 1 to 3600", opt->timeout);
    else
        return true;
    return false;
}

static bool read_password(const struct ctl_options *opt, const char *jid, char ret[CTL_PASSWORD_MAX])
{
    struct ctl_options with_file = *opt;

    if (with_file.password_file == NULL && !with_file.password_stdin)
        with_file.password_file = getenv("LINNET_PROBE_PASSWORD_FILE");
    return ctl_read_password(&with_file, jid, false, ret);
}

static enum ctl_exit run_probe(struct probe *p, const char *jid, const char *password, uint64_t port,
                               uint64_t timeout_s)
{
    xmpp_log_t log = {on_log, p};
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, &log);
    char *full = full_jid(p, jid);
    /* With a port alone DNS is not asked for one, so the host's name is where to connect. */
    const char *host = p->opt->address != NULL || port == 0 ? p->opt->address : strchr(jid, '@') + 1;
    enum ctl_exit verdict;

    current = p;
    p->conn = xmpp_conn_new(ctx);
    (void)xmpp_conn_set_flags(p->conn, flags_of(p->opt));
    xmpp_conn_set_jid(p->conn, full);
    xmpp_conn_set_pass(p->conn, password);
    xmpp_conn_set_sockopt_callback(p->conn, on_socket);
    xmpp_conn_set_certfail_handler(p->conn, on_bad_certificate);
    run(p, ctx, host, (unsigned short)port, (double)timeout_s * 1000);
    verdict = report(p, jid);
    xmpp_conn_release(p->conn);
    xmpp_ctx_free(ctx);
    free(full);
    return verdict;
}

enum ctl_exit ctl_probe(const struct ctl_options *opt, const char *jid)
{
    struct probe p = {.opt = opt, .socket = -1};
    char password[CTL_PASSWORD_MAX];
    enum ctl_exit verdict = CTL_FAILED;
    uint64_t port, timeout_s;

    if (!check(opt, jid, &port, &timeout_s))
        return CTL_USAGE;
    for (enum step s = 0; s < STEPS; s++)
        p.reached_ms[s] = -1;
    if (!read_password(opt, jid, password))
        return CTL_FAILED;
    xmpp_initialize();
    verdict = run_probe(&p, jid, password, port, timeout_s);
    xmpp_shutdown();
    mem_wipe(password, sizeof(password));
    return verdict;
}
