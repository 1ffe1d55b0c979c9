/* import: a list of accounts from a file or a pipe, sent to the server in portions. */
#include "server/control/linnetctl.h"

#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    PORTION_BYTES = 8000, /* below half of CONTROL_REQUEST_MAX, since what is escaped takes twice as much */
    PORTION_ACCOUNTS = (CONTROL_FIELDS_MAX - 2) / 2,
};

struct import {
    const struct ctl_options *opt; /* names the socket itself */
    struct buf text;               /* addresses and keys of the portion at hand */
    size_t ends[2 * PORTION_ACCOUNTS];
    size_t n; /* of `ends` */
    int64_t made, refused;
    struct buf refusals; /* with --json: what they were */
};

static void tell_refusal(struct import *im, struct str who, const char *why, size_t why_len)
{
    im->refused++;
    if (!im->opt->json) {
        fprintf(stderr, "linnetctl: %.*s: %.*s\n", STR_ARG(who), (int)why_len, why);
        return;
    }
    buf_append_cstr(&im->refusals, im->refusals.len == 0 ? "\n  {\"jid\": " : ",\n  {\"jid\": ");
    ctl_json_string(&im->refusals, who);
    buf_append_cstr(&im->refusals, ", \"why\": ");
    ctl_json_string(&im->refusals, str_make(why, why_len));
    buf_append_char(&im->refusals, '}');
}

static void take_answer(struct import *im, const struct ctl_answer *answer)
{
    for (const struct ctl_table *t = answer->tables; t != NULL; t = t->next) {
        int64_t made = 0;

        if (str_is(t->name, "refused"))
            for (size_t i = 0; i < t->n_rows; i++)
                tell_refusal(im, t->cells[2 * i], t->cells[2 * i + 1].p, t->cells[2 * i + 1].len);
        else if (t->n_rows == 1 && str_to_i64(t->cells[0], 0, INT64_MAX, &made))
            im->made += made;
    }
}

static enum ctl_exit send_portion(struct import *im)
{
    struct str request[1 + ARRAY_LEN(im->ends)] = {STR("import")};
    struct ctl_answer answer;
    enum ctl_exit verdict;

    if (im->n == 0)
        return CTL_DONE;
    for (size_t i = 0, at = 0; i < im->n; at = im->ends[i++])
        request[1 + i] = str_make(im->text.p + at, im->ends[i] - at);
    verdict = ctl_ask(im->opt, request, 1 + im->n, &answer);
    if (verdict == CTL_DONE) {
        take_answer(im, &answer);
        ctl_answer_deinit(&answer);
    }
    mem_wipe(im->text.p, im->text.len);
    buf_clear(&im->text);
    im->n = 0;
    return verdict;
}

/* ADDRESS, a tab, KEYS; lines that are empty or begin with # are passed over. */
static enum ctl_exit take_line(struct import *im, struct str line, size_t number)
{
    static const char malformed[] = "this is not an address, a tab, and SCRAM keys, in 8000 bytes at most";
    ptrdiff_t tab = str_find(line, '\t');
    enum ctl_exit verdict = CTL_DONE;
    char where[32];

    if (line.len == 0 || line.p[0] == '#')
        return CTL_DONE;
    if (tab <= 0 || line.len > PORTION_BYTES) {
        (void)snprintf(where, sizeof(where), "line %zu", number);
        tell_refusal(im, str_of(where), malformed, strlen(malformed));
        return CTL_DONE;
    }
    if (im->n == ARRAY_LEN(im->ends) || im->text.len + line.len > PORTION_BYTES)
        verdict = send_portion(im);
    buf_append(&im->text, line.p, (size_t)tab);
    im->ends[im->n++] = im->text.len;
    buf_append(&im->text, line.p + tab + 1, line.len - (size_t)tab - 1);
    im->ends[im->n++] = im->text.len;
    return verdict;
}

static enum ctl_exit read_lines(struct import *im, FILE *in, const char *name)
{
    enum ctl_exit verdict = CTL_DONE;
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t len;

    while (verdict == CTL_DONE && (len = getline(&line, &cap, in)) > 0) {
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            len--;
        verdict = take_line(im, str_make(line, (size_t)len), ++number);
    }
    if (verdict == CTL_DONE && ferror(in)) {
        ctl_error(im->opt, "%s: %s", name, strerror(errno));
        verdict = CTL_FAILED;
    }
    if (line != NULL)
        mem_wipe(line, cap);
    free(line);
    return verdict == CTL_DONE ? send_portion(im) : verdict;
}

/* Also when it broke off: what was made stays made, and a second run tells it as there already. */
static void tell(const struct import *im)
{
    if (im->opt->json)
        printf("{\"made\": %" PRId64 ", \"refused\": [%.*s]}\n", im->made, (int)im->refusals.len,
               im->refusals.len == 0 ? "" : im->refusals.p);
    else
        printf("%" PRId64 " accounts were made, %" PRId64 " refused\n", im->made, im->refused);
}

enum ctl_exit ctl_import(const struct ctl_options *opt, const char *path)
{
    struct ctl_options once = *opt;
    struct import im = {.opt = &once};
    char *socket = ctl_find_socket(opt); /* once, not for each portion */
    FILE *in = path == NULL ? stdin : fopen(path, "r");
    enum ctl_exit verdict = socket == NULL ? CTL_UNREACHABLE : CTL_FAILED;

    if (in == NULL)
        ctl_error(opt, "%s: %s", path, strerror(errno));
    if (socket != NULL && in != NULL) {
        once.socket = socket;
        verdict = read_lines(&im, in, path == NULL ? "standard input" : path);
        if (verdict == CTL_DONE || im.made > 0)
            tell(&im);
        if (verdict == CTL_DONE && im.refused > 0)
            verdict = CTL_FAILED;
    }
    if (in != NULL && in != stdin)
        (void)fclose(in);
    buf_deinit(&im.text);
    buf_deinit(&im.refusals);
    free(socket);
    return verdict;
}
