/* tests/integration/test_operator.c - the operator's side: linnetctl, reload, certificates, signals, the log. */
#include "client.h"
#include "raw.h"
#include "scram_client.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- helpers ---- */

/* linnetctl with these arguments must end with 0 (or must not), and say `word`; NULL: whatever. */
#define expect_ctl(h, works, word, input, ...)                                                                         \
    expect_ctl_(__FILE__, __LINE__, h, works, word, input, (const char *const[]){__VA_ARGS__, NULL})
static void expect_ctl_(const char *file, int line, struct harness *h, bool works, const char *word, const char *input,
                        const char *const args[])
{
    char *output;
    int status = harness_ctl_(h, input, &output, args);

    if ((status == 0) != works || (word != NULL && strstr(output, word) == NULL))
        test_fail_at(file, line, "linnetctl %s ended with %d and said: %s", args[0], status, output);
    free(output);
}

static struct json *session_of(struct harness *h, const char *full_jid, const struct json **ret)
{
    struct json *answer = harness_ctl_json(h, "sessions");

    *ret = json_find(answer->kind == JSON_ARRAY ? answer : json_at(answer, "sessions"), "full_jid", full_jid);
    return answer;
}

static void expect_field(struct harness *h, const char *full_jid, const char *field, const char *wanted)
{
    const struct json *session;
    struct json *answer = session_of(h, full_jid, &session);

    if (session == NULL)
        test_fail("linnetctl does not know %s", full_jid);
    if (json_text(session, field) == NULL || strcmp(json_text(session, field), wanted) != 0)
        test_fail("%s of %s is %s, not %s", field, full_jid, json_text(session, field), wanted);
    json_free(&answer);
}

static int run_linnet(char **ret_output, const char *a, const char *b, const char *c)
{
    const char *const argv[] = {harness_server_program(), a, b, c, NULL};

    return process_run(argv, NULL, test_patience_ms(), ret_output);
}

/* A self-signed certificate for DOMAIN with that serial number. */
static void write_certificate(const char *cert_path, const char *key_path, long serial)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509V3_CTX ctx;
    X509_EXTENSION *names;
    FILE *out;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 90 * 86400L);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)DOMAIN, -1, -1,
                               0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    names = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "DNS:" DOMAIN);
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    out = fopen(cert_path, "w");
    assert_non_null(out);
    PEM_write_X509(out, cert);
    fclose(out);
    out = fopen(key_path, "w");
    assert_non_null(out);
    PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    fclose(out);
    assert_int_equal(chmod(key_path, 0600), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static long serial_of(struct raw *r)
{
    X509 *cert = SSL_get1_peer_certificate(r->ssl);
    long serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));

    X509_free(cert);
    return serial;
}

static long serial_served(struct harness *h)
{
    struct raw *r = raw_connect(h, HARNESS_DIRECT_TLS);
    long serial;

    assert_true(raw_start_tls(r, NULL));
    serial = serial_of(r);
    raw_free(&r);
    return serial;
}

/* ---- linnetctl ---- */

static void only_the_owner_may_open_the_control_socket(void **state)
{
    struct harness *h = *state;
    struct stat st;

    assert_int_equal(stat(h->socket_path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_uid, geteuid());
}

static void accounts_are_made_listed_changed_and_removed(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c;
    struct json *users = harness_ctl_json(h, "users");

    assert_non_null(json_find(users->kind == JSON_ARRAY ? users : json_at(users, "users"), "jid", a->jid));
    json_free(&users);
    expect_ctl(h, false, "already", "x\n", "adduser", a->jid);
    expect_ctl(h, false, NULL, "x\n", "adduser", "not an address");
    expect_ctl(h, false, NULL, "x\n", "adduser", "somebody@unknown.example");
    expect_ctl(h, false, NULL, "\n", "adduser", "emptypassword@" DOMAIN);
    c = client_login(h, a, "one", 0);
    expect_ctl(h, true, NULL, "changed\n", "passwd", a->jid);
    client_expect_closed(c, "reset");
    assert_false(client_wait_login(client_connect(h, a->jid, a->password, 0)));
    c = client_connect(h, a->jid, "changed", 0);
    assert_true(client_wait_login(c));
    expect_ctl(h, false, NULL, "x\n", "passwd", "nobody-at-all@" DOMAIN);
    expect_ctl(h, true, NULL, NULL, "deluser", "--yes", a->jid);
    client_expect_closed(c, "not-authorized");
    assert_false(client_wait_login(client_connect(h, a->jid, "changed", 0)));
    expect_ctl(h, false, NULL, NULL, "deluser", "--yes", a->jid);
}

/* The keys of the examples in RFC 5802 section 5 and RFC 7677 section 3. */
#define PENCIL_SHA_1 "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="
#define PENCIL_SHA_256                                                                                                 \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void expect_scram(struct harness *h, const char *user, const char *mechanism, bool works)
{
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);
    const struct node *answer;

    raw_negotiate_tls(r, NULL);
    answer = scram_login(r, user, "pencil", mechanism, NULL);
    assert_int_equal(strcmp(answer->name, "success") == 0, works);
    raw_free(&r);
}

static void accounts_of_another_server_are_imported_and_log_in_with_their_passwords(void **state)
{
    struct harness *h = *state;
    struct account moved = {.jid = text_format("%s", harness_nobody(h)), .password = text_format("pencil")};
    struct account both = {.jid = text_format("%s", harness_nobody(h)), .password = text_format("pencil")};
    const struct account *present = harness_account(h);
    char *list, *output;
    struct raw *r;

    moved.user = text_format("%.*s", (int)strcspn(moved.jid, "@"), moved.jid);
    both.user = text_format("%.*s", (int)strcspn(both.jid, "@"), both.jid);
    list = text_format("# from elsewhere\n\n%s\t" PENCIL_SHA_1 "\r\n%s\t" PENCIL_SHA_1 " " PENCIL_SHA_256 "\n",
                       moved.jid, both.jid);
    expect_ctl(h, true, "2 accounts were made, 0 refused", list, "import");
    expect_scram(h, moved.user, "SCRAM-SHA-1", true);
    expect_scram(h, moved.user, "SCRAM-SHA-256", false); /* there are no keys of it */
    expect_scram(h, both.user, "SCRAM-SHA-256", true);
    r = raw_connect(h, HARNESS_STARTTLS);
    raw_negotiate_tls(r, NULL);
    raw_plain(r, &moved);
    raw_bind(r, "one");
    raw_free(&r);
    expect_ctl(h, false, "there is such an account already", list, "import");
    free(list);
    list = text_format("%s\t" PENCIL_SHA_1 "\n", present->jid);
    expect_ctl(h, false, "0 accounts were made, 1 refused", list, "import");
    client_login(h, present, "one", 0); /* with its own password */
    assert_int_not_equal(harness_ctl(h, list, &output, "--json", "import"), 0);
    assert_non_null(strstr(output, "{\"made\": 0, \"refused\": [\n  {\"jid\": \""));
    free(output);
    free(list);
    free(moved.jid);
    free(moved.user);
    free(moved.password);
    free(both.jid);
    free(both.user);
    free(both.password);
}

static void lines_that_cannot_be_imported_are_told_and_the_others_are_taken(void **state)
{
    struct harness *h = *state;
    const char *jid = harness_nobody(h);
    char *list = text_format("not an address\t" PENCIL_SHA_1 "\n"
                             "somebody@unknown.example\t" PENCIL_SHA_1 "\n"
                             "without-keys@" DOMAIN "\n"
                             "with-password@" DOMAIN "\tpencil\n"
                             "%s/balcony\t" PENCIL_SHA_1 "\n"
                             "%s\t" PENCIL_SHA_1,
                             jid, jid);
    char *output;

    assert_int_equal(harness_ctl(h, list, &output, "import"), 1);
    assert_non_null(strstr(output, "not an address: "));
    assert_non_null(strstr(output, "unknown.example: this host is not served"));
    assert_non_null(strstr(output, "line 3: "));
    assert_non_null(strstr(output, "with-password@" DOMAIN ": these are not SCRAM keys"));
    assert_non_null(strstr(output, "/balcony: "));
    assert_non_null(strstr(output, "1 accounts were made, 5 refused"));
    free(output);
    free(list);
}

/* Some lines are refused as what they are; none makes a request that is too long, which would end the import. */
static void lines_that_grow_on_their_way_do_not_keep_those_behind_them_out(void **state)
{
    enum { LINES = 60, BACKSLASHES = 264 };
    struct harness *h = *state;
    const char *jid = harness_nobody(h);
    char *path = text_format("%s/growing", h->dir), *output;
    char backslashes[BACKSLASHES + 1];
    FILE *list = fopen(path, "w");

    memset(backslashes, '\\', BACKSLASHES);
    backslashes[BACKSLASHES] = '\0';
    for (int i = 0; i < LINES; i++)
        fprintf(list, "%s\t\n", backslashes);
    fprintf(list, "%s\t" PENCIL_SHA_1 "\n", jid);
    fclose(list);
    assert_int_equal(harness_ctl(h, NULL, &output, "import", path), 1);
    assert_non_null(strstr(output, "1 accounts were made, 60 refused"));
    free(output);
    free(path);
}

static void more_accounts_than_a_request_holds_are_imported(void **state)
{
    struct harness *h = *state;
    const char *jid = harness_nobody(h);
    char *path = text_format("%s/list", h->dir);
    struct json *users;
    FILE *list = fopen(path, "w");

    for (int i = 0; i < 1000; i++)
        fprintf(list, "n%d-%s\t" PENCIL_SHA_1 "\n", i, jid);
    fclose(list);
    expect_ctl(h, true, "1000 accounts were made, 0 refused", NULL, "import", path);
    users = harness_ctl_json(h, "users");
    for (int i = 0; i < 1000; i += 37) {
        char *wanted = text_format("n%d-%s", i, jid);

        assert_non_null(json_find(users, "jid", wanted));
        free(wanted);
    }
    json_free(&users);
    free(path);
    expect_ctl(h, false, "No such file", NULL, "import", "/nowhere/at/all");
}

static void sessions_show_their_fields_as_they_are_now(void **state)
{
    struct harness *h = *state;
    struct client *c = client_login(h, harness_account(h), "balcony", 0);
    const struct json *session;
    struct json *answer = session_of(h, c->jid, &session);

    assert_non_null(session);
    assert_string_equal(json_text(session, "username"), c->user);
    assert_string_equal(json_text(session, "host"), DOMAIN);
    assert_string_equal(json_text(session, "resource"), "balcony");
    assert_string_equal(json_text(session, "type"), "c2s");
    assert_string_equal(json_text(session, "secure"), "true");
    assert_non_null(strstr(json_text(session, "mechanism"), "SCRAM-SHA-"));
    assert_non_null(strstr(json_text(session, "address"), "127.0.0.1"));
    json_free(&answer);
    expect_field(h, c->jid, "interested", "false");
    expect_field(h, c->jid, "available", "false");
    client_request(c, "get", NULL, "<query xmlns='jabber:iq:roster'/>");
    client_go_online(c, 7);
    expect_field(h, c->jid, "interested", "true");
    expect_field(h, c->jid, "available", "true");
    expect_field(h, c->jid, "priority", "7");
    client_send(c, "<presence type='unavailable'/>");
    client_barrier(c);
    expect_field(h, c->jid, "available", "false");
    expect_field(h, c->jid, "priority", "0");
    client_logout(c);
    for (long until = now_ms() + test_patience_ms(); harness_worker_of(h, c->jid) >= 0;)
        assert_true(now_ms() < until);
}

static void a_session_or_a_whole_account_is_kicked(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *one = client_login(h, a, "one", 0), *two = client_login(h, a, "two", 0),
                  *three = client_login(h, a, "three", 0);

    expect_ctl(h, true, NULL, NULL, "kick", one->jid);
    client_pump(h, 0);
    for (long until = now_ms() + test_patience_ms(); !one->is_closed; client_pump(h, 100))
        assert_true(now_ms() < until);
    client_barrier(two);
    expect_ctl(h, true, NULL, NULL, "kick", a->jid);
    for (long until = now_ms() + test_patience_ms(); !two->is_closed || !three->is_closed; client_pump(h, 100))
        assert_true(now_ms() < until);
    expect_ctl(h, false, NULL, NULL, "kick", "nobody-at-all@" DOMAIN);
}

static void status_counts_and_knows_its_version(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);
    struct json *answer = harness_ctl_json(h, "status");

    assert_true(strlen(json_text(answer, "version")) > 0);
    assert_int_equal(json_number(answer, "pid"), h->server.pid);
    assert_string_equal(json_text(answer, "storage_failing"), "false");
    json_free(&answer);
    expect_ctl(h, true, "version", NULL, "status");
    expect_ctl(h, false, NULL, NULL, "no-such-command");
    client_barrier(c);
}

/* ---- reload ---- */

static void a_reload_takes_new_values_and_keeps_the_connections(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h), *to = harness_login(h);
    char *filler = calloc(1, 15001);

    memset(filler, 'x', 15000);
    client_send(c, "<message to='%s' id='m1'><body>%s</body></message>", to->jid, filler);
    client_expect(to, "message[@id='m1']");
    harness_configure(h, (const char *const[]){"limits.stanza_bytes = 12000", NULL},
                      "\n[[host]]\nname = \"new.example\"\n");
    expect_ctl(h, true, "limits.stanza_bytes", NULL, "reload");
    client_barrier(c);
    client_login(h, harness_account_named(h, "first", "new.example", NULL), "one", 0); /* a host came */
    client_send(c, "<message to='%s' id='m2'><body>%s</body></message>", to->jid, filler);
    client_expect_closed(c, "policy-violation");
    client_barrier(to);
    free(filler);
    harness_configure(h, h->options.settings, h->options.tables);
    expect_ctl(h, true, NULL, NULL, "reload");
    struct client *gone = client_connect(h, "first@new.example", "x", 0);
    assert_false(client_wait_login(gone)); /* and went */
}

static void what_needs_a_restart_is_named(void **state)
{
    struct harness *h = *state;

    harness_configure(h, (const char *const[]){"storage.readers = 3", NULL}, NULL);
    expect_ctl(h, true, "storage.readers", NULL, "reload");
    harness_configure(h, h->options.settings, h->options.tables);
    expect_ctl(h, true, NULL, NULL, "reload");
}

static void a_bad_file_is_refused_with_its_line_and_changes_nothing(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);
    char *output;

    harness_configure(h, (const char *const[]){"limits.stanza_byte = 12000", NULL}, NULL);
    expect_ctl(h, false, "limits.stanza_bytes", NULL, "reload"); /* "did you mean" */
    assert_int_not_equal(run_linnet(&output, "--check-config", "--config", h->config_path), 0);
    assert_non_null(strstr(output, "linnet.toml:"));
    assert_non_null(strstr(output, "limits.stanza_bytes"));
    free(output);
    assert_true(file_write(h->config_path, "this is [ not TOML"));
    expect_ctl(h, false, NULL, NULL, "reload");
    client_barrier(c);
    client_login(h, harness_account(h), "one", 0);
    harness_configure(h, h->options.settings, h->options.tables);
    assert_int_equal(run_linnet(&output, "--check-config", "--config", h->config_path), 0);
    free(output);
}

static void sighup_reloads_too(void **state)
{
    struct harness *h = *state;
    size_t mark = harness_log_mark(h);

    harness_configure(h, (const char *const[]){"limits.idle_s = 599", NULL}, NULL);
    process_signal(&h->server, SIGHUP);
    free(harness_log_wait(h, mark, "limits.idle_s"));
    harness_configure(h, h->options.settings, h->options.tables);
    process_signal(&h->server, SIGHUP);
}

static void a_new_certificate_is_served_after_a_reload_and_nobody_is_dropped(void **state)
{
    struct harness *h = *state;
    char *cert = text_format("%s/cert.pem", h->dir), *key = text_format("%s/key.pem", h->dir),
         *stray = text_format("%s/another-key.pem", h->dir);
    static const char tables[] = "certificate = \"cert.pem\"\nprivate_key = \"key.pem\"\n";

    write_certificate(cert, key, 1001);
    harness_configure(h, NULL, tables);
    expect_ctl(h, true, NULL, NULL, "reload");
    assert_int_equal(serial_served(h), 1001);
    struct client *c = harness_login(h);
    struct raw *r = raw_login(h, harness_account(h), "stays");
    write_certificate(cert, key, 1002); /* the same names, another content */
    expect_ctl(h, true, NULL, NULL, "reload");
    assert_int_equal(serial_served(h), 1002);
    client_barrier(c);
    raw_expect_quiet(r);
    assert_int_equal(serial_of(r), 1001);
    /* A key that is not that of the certificate leaves the old pair in force. */
    write_certificate(cert, stray, 1003);
    expect_ctl(h, false, NULL, NULL, "reload");
    assert_int_equal(serial_served(h), 1002);
    client_barrier(c);
    raw_free(&r);
    harness_configure(h, h->options.settings, h->options.tables);
    expect_ctl(h, true, NULL, NULL, "reload");
    free(cert);
    free(key);
    free(stray);
}

/* ---- the log ---- */

static void the_level_of_a_part_is_changed_while_it_runs(void **state)
{
    struct harness *h = *state;
    size_t mark;

    expect_ctl(h, true, NULL, NULL, "log-level", "net", "error");
    mark = harness_log_mark(h);
    client_logout(harness_login(h));
    char *log = file_read(h->log_path);
    assert_null(strstr(log + mark, " connection.accepted"));
    free(log);
    expect_ctl(h, true, NULL, NULL, "log-level", "net", "debug");
    mark = harness_log_mark(h);
    client_logout(harness_login(h));
    free(harness_log_wait(h, mark, " connection.accepted"));
    expect_ctl(h, false, NULL, NULL, "log-level", "net", "shouting");
    expect_ctl(h, false, NULL, NULL, "log-level", "nothing", "info");
}

static void lines_of_a_session_carry_its_id(void **state)
{
    struct harness *h = *state;
    size_t mark = harness_log_mark(h);
    struct client *c = harness_login(h);
    char *bound = harness_log_wait(h, mark, " session.bound ", c->jid), *id = log_value(bound, "s"), *word;

    assert_non_null(id);
    client_logout(c);
    word = text_format(" s=%s ", id);
    free(harness_log_wait(h, mark, " session.closed ", word));
    free(word);
    free(id);
    free(bound);
}

static void no_password_and_no_body_reaches_the_log(void **state)
{
    struct harness *h = *state; /* at level debug */
    const struct account *a = harness_account_named(h, "quiet", DOMAIN, "hunter2-hunter2");
    struct client *c;
    struct raw *r;
    char *log, plain[100], *encoded;
    int len = snprintf(plain, sizeof(plain), "%cquiet%chunter2-hunter2", 0, 0);

    assert_false(client_wait_login(client_connect(h, a->jid, "wrong-hunter3", 0)));
    c = client_login(h, a, "one", 0);
    client_go_online(c, 0);
    client_send(c, "<message to='%s' type='chat'><body>top-secret-body</body></message>", c->bare);
    client_expect(c, "message/body");
    client_send(c, "<message to='%s' type='chat'><body>top-secret-body</body></message>", harness_account(h)->jid);
    client_barrier(c);
    r = raw_login(h, a, "two");
    raw_send(r, "<message><body>top-secret-body</body><broken></message>");
    raw_expect_eof(r);
    raw_free(&r);
    expect_ctl(h, true, NULL, "hunter4-hunter4\n", "passwd", a->jid);
    encoded = base64_encode(plain, (size_t)len);
    log = file_read(h->log_path);
    assert_null(strstr(log, "hunter"));
    assert_null(strstr(log, "top-secret"));
    assert_null(strstr(log, encoded));
    free(encoded);
    free(log);
}

static void a_log_file_is_opened_anew_on_sigusr1_and_may_be_json(void **state)
{
    struct harness *h = harness_new(
        &(struct harness_options){.workers = 1,
                                  .settings = (const char *const[]){"log.target = \"file\"", "log.path = \"log\"",
                                                                    "log.format = \"json\"", NULL}});
    char *moved = text_format("%s/log.1", h->dir), *text, *rest, *line;
    const char *const argv[] = {harness_server_program(), "--config", h->config_path, NULL};
    char *stray = text_format("%s/stderr", h->dir);

    (void)state;
    assert_true(process_start(&h->server, argv, stray));
    free(harness_log_wait(h, 0, "server.ready"));
    assert_int_equal(rename(h->log_path, moved), 0);
    process_signal(&h->server, SIGUSR1);
    for (long until = now_ms() + test_patience_ms(); access(h->log_path, F_OK) != 0; (void)poll(NULL, 0, 5))
        assert_true(now_ms() < until); /* the server makes it */
    process_signal(&h->server, SIGHUP);
    free(harness_log_wait(h, 0, "reload"));
    harness_stop(h);
    for (int i = 0; i < 2; i++) {
        text = file_read(i == 0 ? moved : h->log_path);
        rest = text;
        while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
            struct json *j = json_parse(line);

            if (j == NULL || j->kind != JSON_OBJECT)
                test_fail("this is no line of JSON: %s", line);
            json_free(&j);
        }
        free(text);
    }
    free(moved);
    free(stray);
    harness_free(&h);
}

/* ---- the program ---- */

static void it_tells_its_version_and_its_options(void **state)
{
    char *output;

    (void)state;
    assert_int_equal(run_linnet(&output, "--version", NULL, NULL), 0);
    assert_non_null(strstr(output, "linnet"));
    free(output);
    assert_int_equal(run_linnet(&output, "--help", NULL, NULL), 0);
    assert_non_null(strstr(output, "--check-config"));
    free(output);
    assert_int_not_equal(run_linnet(&output, "--no-such-option", NULL, NULL), 0);
    free(output);
    assert_int_not_equal(run_linnet(&output, "--config", "/no/such/file", NULL), 0);
    assert_non_null(strstr(output, "/no/such/file"));
    free(output);
}

static void a_second_server_on_the_same_data_refuses_to_start(void **state)
{
    struct harness *h = *state;
    char *output;
    struct client *c = harness_login(h);

    assert_int_not_equal(run_linnet(&output, "--config", h->config_path, NULL), 0);
    assert_true(strlen(output) > 0);
    free(output);
    client_barrier(c);
    expect_ctl(h, true, NULL, NULL, "status"); /* whose socket it has not taken */
}

static void probe_logs_in_and_says_how_long_each_step_took(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    char *port = text_format("%u", h->ports[HARNESS_STARTTLS]), *input = text_format("%s\n", a->password);

    expect_ctl(h, true, NULL, input, "probe", "--password-stdin", "--address", "127.0.0.1", "--port", port,
               "--insecure", a->jid);
    expect_ctl(h, false, NULL, "wrong\n", "probe", "--password-stdin", "--address", "127.0.0.1", "--port", port,
               "--insecure", a->jid);
    free(port);
    free(input);
}

/* ---- the end ---- */

static void sigterm_tells_clients_and_ends_in_order(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *c = harness_login(h), *acked = client_login(h, harness_account(h), "one", CLIENT_ACKS);
    struct raw *r = raw_login(h, harness_account(h), "one"), *early = raw_secure(h, NULL);

    for (int i = 0; i < 20; i++)
        client_send(acked, "<message to='%s' type='chat' id='m%d'><body>%d</body></message>", a->jid, i, i);
    client_wait_acked(acked);
    process_signal(&h->server, SIGTERM);
    client_expect_closed(c, "system-shutdown");
    raw_skip_to(r, "error/system-shutdown");
    raw_expect_closed(r);
    raw_skip_to(early, "error/system-shutdown");
    raw_expect_closed(early);
    harness_expect_end(h);
    raw_free(&r);
    raw_free(&early);
    client_forget_all(h);
    harness_start(h);
    struct client *juliet = client_login(h, a, "one", 0);
    client_go_online(juliet, 0);
    for (int i = 0; i < 20; i++)
        client_expect(juliet, "message[@id='m%d']", i);
}

static void stop_is_sigterm_by_other_means(void **state)
{
    struct harness *h = *state;
    struct client *c = harness_login(h);

    expect_ctl(h, true, NULL, NULL, "stop");
    client_expect_closed(c, "system-shutdown");
    harness_expect_end(h);
    client_forget_all(h);
    expect_ctl(h, false, NULL, NULL, "status");
    harness_start(h);
}

static void a_client_that_does_not_read_cannot_hold_the_end_up(void **state)
{
    struct harness *h = *state; /* server.shutdown_s = 5 */
    struct client *c = harness_login(h);
    struct raw *deaf = raw_login(h, harness_account(h), "deaf");
    char *filler = calloc(1, 9001);
    long began;

    memset(filler, 'x', 9000);
    for (int i = 0; i < 400; i++)
        client_send(c, "<message to='%s' type='headline'><body>%s</body></message>", deaf->jid, filler);
    client_barrier(c);
    began = now_ms();
    process_signal(&h->server, SIGTERM);
    harness_expect_end(h);
    assert_true(now_ms() - began < 15000);
    raw_free(&deaf);
    free(filler);
    client_forget_all(h);
    harness_start(h);
}

int main(void)
{
    static const struct harness_options options = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(only_the_owner_may_open_the_control_socket),
        HARNESS_TEST(accounts_are_made_listed_changed_and_removed),
        HARNESS_TEST(accounts_of_another_server_are_imported_and_log_in_with_their_passwords),
        HARNESS_TEST(lines_that_cannot_be_imported_are_told_and_the_others_are_taken),
        HARNESS_TEST(lines_that_grow_on_their_way_do_not_keep_those_behind_them_out),
        HARNESS_TEST(more_accounts_than_a_request_holds_are_imported),
        HARNESS_TEST(sessions_show_their_fields_as_they_are_now),
        HARNESS_TEST(a_session_or_a_whole_account_is_kicked),
        HARNESS_TEST(status_counts_and_knows_its_version),
        HARNESS_TEST(a_reload_takes_new_values_and_keeps_the_connections),
        HARNESS_TEST(what_needs_a_restart_is_named),
        HARNESS_TEST(a_bad_file_is_refused_with_its_line_and_changes_nothing),
        HARNESS_TEST(sighup_reloads_too),
        HARNESS_TEST(a_new_certificate_is_served_after_a_reload_and_nobody_is_dropped),
        HARNESS_TEST(the_level_of_a_part_is_changed_while_it_runs),
        HARNESS_TEST(lines_of_a_session_carry_its_id),
        HARNESS_TEST(no_password_and_no_body_reaches_the_log),
        HARNESS_TEST(a_log_file_is_opened_anew_on_sigusr1_and_may_be_json),
        HARNESS_TEST(it_tells_its_version_and_its_options),
        HARNESS_TEST(a_second_server_on_the_same_data_refuses_to_start),
        HARNESS_TEST(probe_logs_in_and_says_how_long_each_step_took),
        HARNESS_TEST(sigterm_tells_clients_and_ends_in_order),
        HARNESS_TEST(stop_is_sigterm_by_other_means),
        HARNESS_TEST(a_client_that_does_not_read_cannot_hold_the_end_up),
    };

    return harness_run_tests("operator", tests, &options);
}
