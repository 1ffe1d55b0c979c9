#include "tests/load/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what both forms are made from ---- */

static const struct {
    const char *name;
    double percent;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}};

#define PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

static double to_ms(double ns)
{
    return ns / 1e6;
}

static bool has_latency(const struct report *r)
{
    return r->latency != NULL && histogram_count(r->latency) > 0;
}

static double rate_of(const struct report *r)
{
    return r->elapsed_s > 0 ? (double)r->count / r->elapsed_s : 0;
}

/* Microseconds of CPU for each thing counted; NaN if nothing was. */
static double us_each(const struct report *r, double cpu_s)
{
    return r->count > 0 ? cpu_s * 1e6 / (double)r->count : NAN;
}

static double server_cpu_s(const struct report *r)
{
    return r->server_cpu.user_s + r->server_cpu.system_s;
}

/* Growth for each session; NaN if one of the two was not taken. */
static double pss_kib_each(const struct report *r)
{
    if (r->pss_kib_before == 0 || r->pss_kib_after == 0 || r->sessions == 0)
        return NAN;
    return ((double)r->pss_kib_after - (double)r->pss_kib_before) / (double)r->sessions;
}

/* ---- JSON (RFC 8259) ---- */

static void json_text(FILE *out, const char *text)
{
    if (text == NULL) {
        (void)fputs("null", out);
        return;
    }
    (void)fputc('"', out);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            (void)fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            (void)fprintf(out, "\\u%04x", (unsigned)(unsigned char)*c);
        else
            (void)fputc(*c, out);
    }
    (void)fputc('"', out);
}

/* JSON knows neither NaN nor infinity: what was not measured is null. */
static void json_real(FILE *out, double x)
{
    if (isfinite(x))
        (void)fprintf(out, "%.9g", x);
    else
        (void)fputs("null", out);
}

static void json_named_real(FILE *out, const char *name, double x)
{
    (void)fprintf(out, "\"%s\":", name);
    json_real(out, x);
}

static void json_value(FILE *out, const struct report_field *f)
{
    switch (f->kind) {
    case REPORT_TEXT:
        json_text(out, f->as.text);
        break;
    case REPORT_INT:
        (void)fprintf(out, "%" PRId64, f->as.integer);
        break;
    case REPORT_REAL:
        json_real(out, f->as.real);
        break;
    case REPORT_BOOL:
        (void)fputs(f->as.boolean ? "true" : "false", out);
        break;
    case REPORT_REALS:
        (void)fputc('[', out);
        for (size_t i = 0; i < f->as.reals.count; i++) {
            if (i > 0)
                (void)fputc(',', out);
            json_real(out, f->as.reals.p[i]);
        }
        (void)fputc(']', out);
        break;
    }
}

/* A member and the comma before it. */
static void json_group(FILE *out, const struct report_group *g)
{
    (void)fputc(',', out);
    json_text(out, g->name);
    (void)fputs(":{", out);
    for (size_t i = 0; i < g->count; i++) {
        if (i > 0)
            (void)fputc(',', out);
        json_text(out, g->fields[i].name);
        (void)fputc(':', out);
        json_value(out, &g->fields[i]);
    }
    (void)fputc('}', out);
}

static void json_latency(FILE *out, const struct report *r)
{
    (void)fputs(",\"latency_ms\":", out);
    if (!has_latency(r)) {
        (void)fputs("null", out);
        return;
    }
    (void)fputc('{', out);
    json_named_real(out, "min", to_ms((double)histogram_min(r->latency)));
    (void)fputc(',', out);
    json_named_real(out, "mean", to_ms(histogram_mean(r->latency)));
    for (size_t i = 0; i < PERCENTILES; i++) {
        (void)fputc(',', out);
        json_named_real(out, percentiles[i].name,
                        to_ms((double)histogram_percentile(r->latency, percentiles[i].percent)));
    }
    (void)fputc(',', out);
    json_named_real(out, "max", to_ms((double)histogram_max(r->latency)));
    (void)fputc('}', out);
}

/* 0 KiB means that it was not taken. */
static double known_kib(uint64_t kib)
{
    return kib == 0 ? NAN : (double)kib;
}

static void json_server(FILE *out, const struct report *r)
{
    (void)fputs(",\"server\":", out);
    if (!r->has_server) {
        (void)fputs("null", out);
        return;
    }
    const struct {
        const char *name;
        double x;
    } members[] = {
        {"cpu_user_s", r->server_cpu.user_s},           {"cpu_system_s", r->server_cpu.system_s},
        {"cpu_us_each", us_each(r, server_cpu_s(r))},   {"pss_kib_before", known_kib(r->pss_kib_before)},
        {"pss_kib_after", known_kib(r->pss_kib_after)}, {"pss_kib_each", pss_kib_each(r)},
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        (void)fputc(i == 0 ? '{' : ',', out);
        json_named_real(out, members[i].name, members[i].x);
    }
    (void)fputc('}', out);
}

void report_print_json(FILE *out, const struct report *r)
{
    (void)fputs("{\"scenario\":", out);
    json_text(out, r->scenario);
    (void)fputs(",\"label\":", out);
    json_text(out, r->label);
    (void)fprintf(out, ",\"ok\":%s", r->ok ? "true" : "false");
    if (r->why_not != NULL) {
        (void)fputs(",\"why_not\":", out);
        json_text(out, r->why_not);
    }
    json_group(out, &(struct report_group){"options", r->options.fields, r->options.count});
    (void)fprintf(
        out, ",\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"out_of_order\":%" PRIu64 ",\"failed\":%" PRIu64 ",",
        r->lost, r->duplicated, r->out_of_order, r->failed);
    json_named_real(out, "elapsed_s", r->elapsed_s);
    (void)fprintf(out, ",\"count\":%" PRIu64 ",", r->count);
    json_named_real(out, "rate", rate_of(r));
    json_latency(out, r);
    json_server(out, r);
    (void)fputs(",\"generator\":{", out);
    json_named_real(out, "cpu_s", r->generator_cpu_s);
    (void)fputc(',', out);
    json_named_real(out, "cpu_us_each", us_each(r, r->generator_cpu_s));
    (void)fputc('}', out);
    for (size_t i = 0; i < r->extra_count; i++)
        json_group(out, &r->extra[i]);
    (void)fputs("}\n", out);
}

bool report_save_json(const char *path, const struct report *r)
{
    if (strcmp(path, "-") == 0) {
        report_print_json(stdout, r);
        return fflush(stdout) == 0;
    }
    FILE *out = fopen(path, "we");

    if (out == NULL)
        return false;
    report_print_json(out, r);
    bool is_whole = ferror(out) == 0;

    return fclose(out) == 0 && is_whole;
}

/* ---- the table ---- */

/* "1 234 567": long counts are read in groups. `text` needs 32 bytes. */
static const char *grouped(uint64_t n, char *text)
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            text[at++] = ' ';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

/* Three digits that count, whatever the size. */
static void print_real(FILE *out, double x)
{
    double size = fabs(x);

    if (!isfinite(x))
        (void)fputs("-", out);
    else
        (void)fprintf(out, "%.*f", size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3, x);
}

static void print_verdict(FILE *out, const struct report *r)
{
    char text[32];

    (void)fprintf(out, "%s%s%s: ", r->scenario, r->label != NULL ? " " : "", r->label != NULL ? r->label : "");
    if (r->ok)
        (void)fprintf(out, "ok, %s %s verified\n", grouped(r->count, text), r->unit);
    else
        (void)fprintf(out, "FAILED%s%s\n", r->why_not != NULL ? ": " : "", r->why_not != NULL ? r->why_not : "");
    if (r->lost + r->duplicated + r->out_of_order + r->failed > 0)
        (void)fprintf(out,
                      "  wrong       lost %" PRIu64 "   duplicated %" PRIu64 "   out of order %" PRIu64
                      "   failed %" PRIu64 "\n",
                      r->lost, r->duplicated, r->out_of_order, r->failed);
}

static void print_latency(FILE *out, const struct report *r)
{
    if (!has_latency(r))
        return;
    (void)fputs("  latency ms  min ", out);
    print_real(out, to_ms((double)histogram_min(r->latency)));
    (void)fputs("   mean ", out);
    print_real(out, to_ms(histogram_mean(r->latency)));
    for (size_t i = 0; i < PERCENTILES; i++) {
        (void)fprintf(out, "   %s ", percentiles[i].name);
        print_real(out, to_ms((double)histogram_percentile(r->latency, percentiles[i].percent)));
    }
    (void)fputs("   max ", out);
    print_real(out, to_ms((double)histogram_max(r->latency)));
    (void)fputc('\n', out);
}

static void print_server(FILE *out, const struct report *r)
{
    char before[32], after[32];

    if (!r->has_server)
        return;
    (void)fputs("  server      CPU µs each ", out);
    print_real(out, us_each(r, server_cpu_s(r)));
    (void)fprintf(out, "   (user %.2f s, system %.2f s)\n", r->server_cpu.user_s, r->server_cpu.system_s);
    if (isnan(pss_kib_each(r)))
        return;
    (void)fprintf(out, "  memory      PSS %s KiB, then %s KiB   a session ", grouped(r->pss_kib_before, before),
                  grouped(r->pss_kib_after, after));
    print_real(out, pss_kib_each(r));
    (void)fputs(" KiB\n", out);
}

static void print_value(FILE *out, const struct report_field *f)
{
    switch (f->kind) {
    case REPORT_TEXT:
        (void)fputs(f->as.text != NULL ? f->as.text : "-", out);
        break;
    case REPORT_INT:
        (void)fprintf(out, "%" PRId64, f->as.integer);
        break;
    case REPORT_REAL:
        print_real(out, f->as.real);
        break;
    case REPORT_BOOL:
        (void)fputs(f->as.boolean ? "yes" : "no", out);
        break;
    case REPORT_REALS:
        for (size_t i = 0; i < f->as.reals.count; i++) {
            if (i > 0)
                (void)fputc(' ', out);
            print_real(out, f->as.reals.p[i]);
        }
        break;
    }
}

static void print_group(FILE *out, const struct report_group *g)
{
    (void)fprintf(out, "  %-11s", g->name);
    for (size_t i = 0; i < g->count; i++) {
        (void)fprintf(out, "%s%s ", i > 0 ? "   " : " ", g->fields[i].name);
        print_value(out, &g->fields[i]);
    }
    (void)fputc('\n', out);
}

void report_print(FILE *out, const struct report *r)
{
    char text[32];

    print_verdict(out, r);
    (void)fprintf(out, "  %-11s %s in ", r->unit, grouped(r->count, text));
    print_real(out, r->elapsed_s);
    (void)fprintf(out, " s, %s a second\n", grouped((uint64_t)(rate_of(r) + 0.5), text));
    print_latency(out, r);
    print_server(out, r);
    (void)fputs("  generator   CPU µs each ", out);
    print_real(out, us_each(r, r->generator_cpu_s));
    (void)fprintf(out, "   (%.2f s)\n", r->generator_cpu_s);
    for (size_t i = 0; i < r->extra_count; i++)
        print_group(out, &r->extra[i]);
}

/* ---- the live line ---- */

#define SECOND_NS 1000000000ULL

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* The rate since the last line; a phase that began anew has counted less than the last one. */
static double moment_rate(const struct report_progress *p, uint64_t now, uint64_t count)
{
    if (p->shown_ns == 0 || count < p->shown_count)
        return 0;
    return (double)(count - p->shown_count) * (double)SECOND_NS / (double)(now - p->shown_ns);
}

void report_progress(struct report_progress *p, const char *phase, uint64_t online, uint64_t count, const char *unit,
                     double left_s)
{
    char people[32], things[32], rate[32], left[32] = "";

    if (p->quiet)
        return;
    bool is_terminal = isatty(STDERR_FILENO) == 1;
    uint64_t now = now_ns();

    if (p->shown_ns != 0 && now - p->shown_ns < (is_terminal ? SECOND_NS / 2 : 5 * SECOND_NS))
        return;
    if (left_s >= 0)
        (void)snprintf(left, sizeof(left), "   %.0f s left", left_s);
    (void)fprintf(stderr, "%s%s: %s online   %s %s   %s a second%s%s", is_terminal ? "\r" : "", phase,
                  grouped(online, people), grouped(count, things), unit,
                  grouped((uint64_t)(moment_rate(p, now, count) + 0.5), rate), left, is_terminal ? "\033[K" : "\n");
    (void)fflush(stderr);
    p->shown_ns = now;
    p->shown_count = count;
    p->is_open = is_terminal;
}

void report_progress_end(struct report_progress *p)
{
    if (p->is_open)
        (void)fputc('\n', stderr);
    p->is_open = false;
}
