#include "tests/load/options.h"

#include "common/str.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_ADDRESS, KIND_UINT, KIND_REAL, KIND_FLAG, KIND_CHOICE, KIND_PIDS };

static const char *const securities[] = {"plain", "starttls", "direct", NULL};
static const char *const mechanism_names[] = {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", NULL};
static const char *const addresses[] = {"bare", "full", NULL};
static const char *const changes[] = {"away", "online", NULL};
static const char *const cuts[] = {"close", "reset", NULL};

/* A row is an option, its place in the struct, its range, and its line of --help. A heading has no name. */
static const struct row {
    const char *name;
    const char *argument; /* NULL: none is taken */
    enum kind kind;
    size_t offset;
    const char *const *choices;
    uint64_t min, max; /* KIND_REAL: max alone */
    const char *initial;
    bool is_kept_out; /* of the report: it has a place of its own there, or is none of the load */
    const char *help;
} rows[] = {
#define AT(field) offsetof(struct options, field)
    {.help = "The server, and who speaks to it"},
    {"host", "ADDRESS", KIND_ADDRESS, AT(host), .initial = "127.0.0.1", .help = "IPv4 address of the server"},
    {"port", "PORT", KIND_UINT, AT(port), NULL, 1, 65535, "5222", .help = "its port"},
    {"domain", "NAME", KIND_TEXT, AT(domain), .initial = "localhost", .help = "the domain it serves"},
    {"users", "N", KIND_UINT, AT(users), NULL, 0, 1000000, "0",
     .help = "accounts to be online; 0: as many as the scenario needs"},
    {"first", "I", KIND_UINT, AT(first), NULL, 0, 1000000000, "0",
     .help = "they are user<I>, user<I+1>, ... with the passwords pass<I>, ..."},
    {"security", "plain|starttls|direct", KIND_CHOICE, AT(security), securities, .initial = "plain",
     .help = "TLS: none, by STARTTLS, or from the first byte. Certificates are not checked"},
    {"mechanism", "NAME", KIND_CHOICE, AT(mechanism), mechanism_names, .initial = "SCRAM-SHA-1",
     .help = "how to log in: SCRAM-SHA-1, SCRAM-SHA-256 or PLAIN"},
    {"resume", NULL, KIND_FLAG, AT(resume), .help = "TLS sessions of earlier connections are resumed"},
    {"sm", NULL, KIND_FLAG, AT(sm),
     .help = "stream management (XEP-0198): acknowledge, and have all acknowledged at the end"},
    {"relay", NULL, KIND_FLAG, AT(relay), .help = "the peer is linnet_relay, which knows no XMPP"},
    {"concurrency", "N", KIND_UINT, AT(concurrency), NULL, 1, 100000, "64", .help = "logins under way at a time"},
    {"keys", "FILE", KIND_TEXT, AT(keys_path), .is_kept_out = true,
     .help = "SCRAM keys are kept in FILE, so that the next run does not derive them again"},
    {"sources", "N", KIND_UINT, AT(sources), NULL, 0, 250, "0",
     .help = "connect from 127.0.0.1 to 127.0.0.N; 0: one for each 5000 connections"},

    {.help = "The load"},
    {"pairs", "N", KIND_UINT, AT(pairs), NULL, 1, 500000, "50", .help = "chat: pairs of a sender and a receiver"},
    {"window", "W", KIND_UINT, AT(window), NULL, 1, 100000, "1",
     .help = "chat, presence, room: how many may be on their way for each sender"},
    {"rate", "R", KIND_UINT, AT(rate), NULL, 0, 100000000, "0",
     .help =
         "chat, presence, room: so many a second in all, at fixed times; 0: each as soon as one before it has come"},
    {"to", "bare|full", KIND_CHOICE, AT(to), addresses, .initial = "bare",
     .help = "chat: kind of JID that messages are sent to"},
    {"body", "BYTES", KIND_UINT, AT(body), NULL, 1, 100000, "100", .help = "length of a message's text"},
    {"contacts", "K", KIND_UINT, AT(contacts), NULL, 1, 100000, "20", .help = "presence: contacts of each user"},
    {"star", NULL, KIND_FLAG, AT(star), .help = "presence: one user has them all, and they listen"},
    {"change", "away|online", KIND_CHOICE, AT(change), changes, .initial = "away",
     .help = "presence: what a user does, go between available and away, or (with --star) leave and come back"},
    {"occupants", "K", KIND_UINT, AT(occupants), NULL, 2, 100000, "100", .help = "room: occupants"},
    {"cut", "close|reset", KIND_CHOICE, AT(cut), cuts, .initial = "close",
     .help = "reconnect: how connections end, closed as by a program that ends, or reset"},
    {"seconds", "S", KIND_REAL, AT(seconds), NULL, 0, 1000000, "10", .help = "measured time"},
    {"warmup", "S", KIND_REAL, AT(warmup), NULL, 0, 100000, "2",
     .help = "time before it, not counted. Scenario login: other than 0, everybody logs in and out once first"},

    {.help = "What is measured besides, and where it goes"},
    {"pid", "PID[,PID...]", KIND_PIDS, AT(pids), .is_kept_out = true,
     .help = "the server's processes: CPU and memory of them and their children are told"},
    {"label", "TEXT", KIND_TEXT, AT(label), .is_kept_out = true, .help = "a name for this run, for the report"},
    {"json", "FILE", KIND_TEXT, AT(json_path), .is_kept_out = true, .help = "the report as one JSON object; -: stdout"},
    {"quiet", NULL, KIND_FLAG, AT(quiet), .is_kept_out = true, .help = "no line of progress on stderr"},
#undef AT
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void *field_of(struct options *o, const struct row *r)
{
    return (char *)o + r->offset;
}

static bool read_uint(const char *text, const struct row *r, uint64_t *ret)
{
    uint64_t n;

    if (!str_to_u64(str_of(text), r->max, &n) || n < r->min)
        return false;
    *ret = n;
    return true;
}

static bool read_real(const char *text, const struct row *r, double *ret)
{
    char *end;
    double n = strtod(text, &end);

    if (end == text || *end != '\0' || !(n >= 0 && n <= (double)r->max))
        return false;
    *ret = n;
    return true;
}

static bool read_choice(const char *text, const struct row *r, uint64_t *ret)
{
    for (uint64_t i = 0; r->choices[i] != NULL; i++) {
        if (strcmp(r->choices[i], text) != 0)
            continue;
        *ret = i;
        return true;
    }
    return false;
}

static bool read_address(const char *text, const char **ret)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1)
        return false;
    *ret = text;
    return true;
}

/* Reads `text` into the row's field. */
static bool read_value(struct options *o, const struct row *r, const char *text)
{
    void *field = field_of(o, r);

    switch (r->kind) {
    case KIND_TEXT:
        *(const char **)field = text;
        return true;
    case KIND_ADDRESS:
        return read_address(text, field);
    case KIND_UINT:
        return read_uint(text, r, field);
    case KIND_REAL:
        return read_real(text, r, field);
    case KIND_CHOICE:
        return read_choice(text, r, field);
    case KIND_FLAG:
        *(bool *)field = true;
        return true;
    case KIND_PIDS:
        return process_list_parse(text, field);
    }
    return false;
}

static const struct row *find_row(const char *name, size_t len)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].name != NULL && strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
            return &rows[i];
    return NULL;
}

static enum options_verdict bad(const char *what, const char *text)
{
    fprintf(stderr, "linnet_load: %s: %s. linnet_load --help explains\n", text, what);
    return OPTIONS_BAD;
}

/* One word at argv[*i], and its value in the same word behind "=", or in the next. */
static enum options_verdict read_option(struct options *o, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    const struct row *r = find_row(word + 2, equals != NULL ? (size_t)(equals - word - 2) : strlen(word + 2));
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (r == NULL)
        return bad("there is no such option", word);
    if (r->argument == NULL && value != NULL)
        return bad("this option takes no value", word);
    if (r->argument != NULL && value == NULL) {
        if (*i + 1 >= argc)
            return bad("a value is missing", word);
        value = argv[++*i];
    }
    if (read_value(o, r, value))
        return OPTIONS_RUN;
    fprintf(stderr, "linnet_load: --%s %s: %s is expected", r->name, value, r->argument);
    if (r->kind == KIND_UINT)
        fprintf(stderr, " from %llu to %llu", (unsigned long long)r->min, (unsigned long long)r->max);
    fprintf(stderr, "\n");
    return OPTIONS_BAD;
}

enum options_verdict options_parse(int argc, char **argv, struct options *ret)
{
    *ret = (struct options){0};
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].initial != NULL)
            (void)read_value(ret, &rows[i], rows[i].initial);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return OPTIONS_HELP;
        if (strncmp(argv[i], "--", 2) == 0) {
            if (read_option(ret, argc, argv, &i) != OPTIONS_RUN)
                return OPTIONS_BAD;
        } else if (ret->scenario == NULL) {
            ret->scenario = argv[i];
        } else {
            return bad("one scenario at a time", argv[i]);
        }
    }
    if (ret->scenario == NULL)
        return bad("say which", "no scenario was named");
    return OPTIONS_RUN;
}

void options_print_help(FILE *out)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        char left[64];

        if (r->name == NULL) {
            fprintf(out, "\n%s:\n", r->help);
            continue;
        }
        (void)snprintf(left, sizeof(left), "--%s%s%s", r->name, r->argument != NULL ? " " : "",
                       r->argument != NULL ? r->argument : "");
        fprintf(out, "  %-32s %s", left, r->help);
        if (r->initial != NULL)
            fprintf(out, " (%s)", r->initial);
        fprintf(out, "\n");
    }
}

struct report_group options_report(const struct options *o)
{
    static struct report_field fields[ROWS];
    struct report_group group = {.name = "options", .fields = fields};

    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        const char *field = (const char *)o + r->offset;
        struct report_field *f = &fields[group.count];

        if (r->name == NULL || r->is_kept_out)
            continue;
        group.count++;
        f->name = r->name;
        switch (r->kind) {
        case KIND_UINT:
            f->kind = REPORT_INT;
            f->as.integer = (int64_t) * (const uint64_t *)(const void *)field;
            break;
        case KIND_REAL:
            f->kind = REPORT_REAL;
            f->as.real = *(const double *)(const void *)field;
            break;
        case KIND_FLAG:
            f->kind = REPORT_BOOL;
            f->as.boolean = *(const bool *)(const void *)field;
            break;
        case KIND_CHOICE:
            f->kind = REPORT_TEXT;
            f->as.text = r->choices[*(const uint64_t *)(const void *)field];
            break;
        default:
            f->kind = REPORT_TEXT;
            f->as.text = *(const char *const *)(const void *)field;
            break;
        }
    }
    return group;
}
