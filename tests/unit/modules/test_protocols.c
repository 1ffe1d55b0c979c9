/* tests/unit/modules/test_protocols.c - docs/protocols.md, docs/linnet.doap and the sources name the same protocols. */
#include <glob.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE LINNET_SOURCE_DIR "/docs/protocols.md"
#define DOAP LINNET_SOURCE_DIR "/docs/linnet.doap"

enum { XEPS_MAX = 200 };

struct xep {
    unsigned number;
    char title[80];
    char version[16];
    char status[16];
    char where[96];
};

struct list {
    struct xep items[XEPS_MAX];
    size_t n;
};

static struct list page, doap;

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t len = 0;

    if (f == NULL)
        fail_msg("cannot read %s", path);
    if (getdelim(&text, &len, '\0', f) < 0)
        fail_msg("%s is empty", path);
    fclose(f);
    return text;
}

static struct xep *add(struct list *l)
{
    assert_true(l->n < XEPS_MAX);
    return &l->items[l->n++];
}

static void copy(char *to, size_t size, const char *from, regmatch_t m)
{
    snprintf(to, size, "%.*s", (int)(m.rm_eo - m.rm_so), from + m.rm_so);
}

/* "| XEP-0198 | Stream Management | 1.6.3 | complete | `modules/sm.c` | ... |" */
static void read_page(void)
{
    char *text = read_file(PAGE), *rest = text, *line;
    regmatch_t m[6];
    regex_t row;

    assert_int_equal(
        regcomp(&row, "^\\| XEP-([0-9]{4}) \\| ([^|]+) \\| ([0-9.]+) \\| ([a-z]+) \\| `([^`]+)` \\|", REG_EXTENDED), 0);
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (regexec(&row, line, 6, m, 0) != 0)
            continue;
        struct xep *x = add(&page);

        x->number = (unsigned)atoi(line + m[1].rm_so);
        copy(x->title, sizeof(x->title), line, m[2]);
        copy(x->version, sizeof(x->version), line, m[3]);
        copy(x->status, sizeof(x->status), line, m[4]);
        copy(x->where, sizeof(x->where), line, m[5]);
    }
    regfree(&row);
    free(text);
}

static void read_doap(void)
{
    char *text = read_file(DOAP);
    regmatch_t m[4];
    regex_t row;

    assert_int_equal(regcomp(&row,
                             "extensions/xep-([0-9]{4})\\.html\"/>[[:space:]]*<xmpp:status>([a-z]+)</xmpp:status>"
                             "[[:space:]]*<xmpp:version>([0-9.]+)</xmpp:version>",
                             REG_EXTENDED),
                     0);
    for (const char *at = text; regexec(&row, at, 4, m, 0) == 0; at += m[0].rm_eo) {
        struct xep *x = add(&doap);

        x->number = (unsigned)atoi(at + m[1].rm_so);
        copy(x->status, sizeof(x->status), at, m[2]);
        copy(x->version, sizeof(x->version), at, m[3]);
    }
    regfree(&row);
    free(text);
}

static int read_both(void **state)
{
    (void)state;
    read_page();
    read_doap();
    return 0;
}

static const struct xep *find(const struct list *l, unsigned number)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->items[i].number == number)
            return &l->items[i];
    }
    return NULL;
}

static void the_page_and_the_doap_file_agree(void **state)
{
    (void)state;
    assert_true(page.n > 50);
    assert_int_equal(page.n, doap.n);
    for (size_t i = 0; i < page.n; i++) {
        const struct xep *x = &page.items[i], *other = find(&doap, x->number);

        if (other == NULL)
            fail_msg("XEP-%04u is on the page, but not in the DOAP file", x->number);
        if (strcmp(x->version, other->version) != 0 || strcmp(x->status, other->status) != 0)
            fail_msg("XEP-%04u: the page says %s %s, the DOAP file %s %s", x->number, x->version, x->status,
                     other->version, other->status);
    }
}

static void rows_are_sorted_and_name_files_that_there_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < page.n; i++) {
        const struct xep *x = &page.items[i];
        char path[512];

        if (i > 0 && page.items[i - 1].number >= x->number)
            fail_msg("XEP-%04u stands in the wrong place", x->number);
        snprintf(path, sizeof(path), "%s/%s%s", LINNET_SOURCE_DIR,
                 strncmp(x->where, "common/", 7) == 0 || strncmp(x->where, "server/", 7) == 0 ? "" : "server/",
                 x->where);
        if (access(path, F_OK) != 0)
            fail_msg("XEP-%04u: there is no %s", x->number, x->where);
    }
}

/* In the comment that a file begins with, "XEP-0198 Stream Management 1.6.3". Returns how many it names. */
static unsigned check_header(const char *path, const char *text)
{
    char head[1024], claim[128];
    unsigned n = 0;
    size_t len = 0;

    for (const char *p = text; p < strstr(text, "*/") && len < sizeof(head) - 1;
         p++) { /* it may go on in the next line */
        char c = *p == '\n' || *p == '*' ? ' ' : *p;

        if (c != ' ' || len == 0 || head[len - 1] != ' ')
            head[len++] = c;
    }
    head[len] = '\0';
    for (size_t i = 0; i < page.n; i++) {
        const struct xep *x = &page.items[i];
        int claim_len = snprintf(claim, sizeof(claim), "XEP-%04u %s ", x->number, x->title);
        const char *at = strstr(head, claim);
        size_t version_len = at == NULL ? 0 : strspn(at + claim_len, "0123456789.");

        while (version_len > 0 && at[claim_len + (int)version_len - 1] == '.')
            version_len--; /* the end of a sentence */
        if (version_len == 0)
            continue;
        n++;
        if (strlen(x->version) != version_len || memcmp(at + claim_len, x->version, version_len) != 0)
            fail_msg("%s: %s%.*s, on the page %s", path, claim, (int)version_len, at + claim_len, x->version);
    }
    return n;
}

static void sources_name_the_versions_of_the_page(void **state)
{
    static const char *const patterns[] = {"/server/modules/*.c", "/server/pubsub/*.[ch]", "/server/stream/*.[ch]"};

    unsigned n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        char pattern[512];
        glob_t files;

        snprintf(pattern, sizeof(pattern), "%s%s", LINNET_SOURCE_DIR, patterns[i]);
        assert_int_equal(glob(pattern, 0, NULL, &files), 0);
        for (size_t k = 0; k < files.gl_pathc; k++) {
            char *text = read_file(files.gl_pathv[k]);

            if (strncmp(text, "/*", 2) == 0 && strstr(text, "*/") != NULL)
                n += check_header(files.gl_pathv[k], text);
            free(text);
        }
        globfree(&files);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_and_the_doap_file_agree),
        cmocka_unit_test(rows_are_sorted_and_name_files_that_there_are),
        cmocka_unit_test(sources_name_the_versions_of_the_page),
    };

    return cmocka_run_group_tests(tests, read_both, NULL);
}
