/* What is measured: CPU and memory of the server, CPU of the generator, and the report made of it all. */
#include "tests/load/run.h"

#include <stdio.h>

enum { REST_MS = 2000 }; /* before memory is measured */

static void take_cpu(struct run *r, struct process_cpu *ret)
{
    if (r->load.options->pids.count > 0 && !process_cpu(&r->load.options->pids, ret))
        load_fail(&r->load, "a process named by --pid has gone");
}

static void take_pss(struct run *r, uint64_t *ret)
{
    if (r->load.options->pids.count > 0 && !process_pss(&r->load.options->pids, ret))
        load_fail(&r->load, "the memory of a process named by --pid cannot be read: it has gone, or is another user's");
}

void load_measure_begin(struct load *l)
{
    struct run *r = run_of(l);

    l->count = 0;
    histogram_reset(l->latency);
    take_cpu(r, &r->cpu_before);
    r->own_cpu_before = process_own_cpu_s();
    l->measured_from_ns = load_now();
    l->measured_to_ns = 0;
    l->is_measuring = true;
}

void load_measure_end(struct load *l)
{
    struct run *r = run_of(l);

    l->measured_to_ns = load_now();
    l->is_measuring = false;
    take_cpu(r, &r->cpu);
    r->own_cpu = process_own_cpu_s() - r->own_cpu_before;
    r->cpu.user_s -= r->cpu_before.user_s;
    r->cpu.system_s -= r->cpu_before.system_s;
    r->count = l->count;
}

static void rested(struct load *l)
{
    struct run *r = run_of(l);
    void (*on_done)(struct load *) = r->on_memory;

    take_pss(r, &r->pss_after);
    l->pss_kib = r->pss_after;
    r->pss_sessions = l->n_online;
    on_done(l);
}

void load_take_memory(struct load *l, void (*on_done)(struct load *l))
{
    if (l->options->pids.count == 0) {
        on_done(l);
        return;
    }
    load_set_phase(l, "resting, to measure memory");
    run_of(l)->on_memory = on_done;
    load_after(l, REST_MS, rested);
}

void samples_begin(struct run *r)
{
    take_pss(r, &r->pss_before);
    r->load.pss_kib = r->pss_before;
}

enum { GROUPS_MAX = 8 };

/* What the scenario tells, and what all of them tell when there is TLS. */
static size_t gather_groups(const struct run *r, const struct report_group *extra, size_t n_extra,
                            struct report_group ret[GROUPS_MAX])
{
    static struct report_field tls[] = {{"handshakes", REPORT_INT, {0}}, {"resumed", REPORT_INT, {0}}};
    size_t n = 0;
    uint64_t resumed;

    while (n < n_extra && n < GROUPS_MAX - 1) {
        ret[n] = extra[n];
        n++;
    }
    if (r->load.options->security == SECURITY_PLAIN)
        return n;
    tls[0].as.integer = (int64_t)client_pool_handshakes(r->pool, &resumed);
    tls[1].as.integer = (int64_t)resumed;
    ret[n++] = (struct report_group){"tls", tls, sizeof(tls) / sizeof(tls[0])};
    return n;
}

int samples_tell(struct run *r, const struct report_group *extra, size_t n_extra)
{
    const struct load *l = &r->load;
    struct report_group groups[GROUPS_MAX];
    size_t n_groups = gather_groups(r, extra, n_extra, groups);
    struct report report = {
        .scenario = r->scenario->name,
        .label = l->options->label,
        .unit = r->scenario->unit,
        .ok = r->why[0] == '\0',
        .why_not = r->why[0] == '\0' ? NULL : r->why,
        .options = options_report(l->options),
        .extra = groups,
        .extra_count = n_groups,
        .lost = l->totals.lost,
        .duplicated = l->totals.duplicated,
        .out_of_order = l->totals.out_of_order,
        .failed = l->failed,
        .latency = l->latency,
        .sessions = r->pss_sessions,
        .pss_kib_before = r->pss_before,
        .pss_kib_after = r->pss_after,
    };

    if (l->measured_to_ns != 0) {
        report.elapsed_s = (double)(l->measured_to_ns - l->measured_from_ns) / 1e9;
        report.count = r->count;
        report.has_server = l->options->pids.count > 0;
        report.server_cpu = r->cpu;
        report.generator_cpu_s = r->own_cpu;
    }
    const char *path = l->options->json_path;
    if (path == NULL || strcmp(path, "-") != 0) /* then JSON has standard output to itself */
        report_print(stdout, &report);
    if (path != NULL && !report_save_json(path, &report)) {
        fprintf(stderr, "linnet_load: %s: ", path);
        perror(NULL);
        return RUN_FAILED;
    }
    return report.ok ? 0 : RUN_FAILED;
}
