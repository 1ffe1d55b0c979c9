#include "tests/load/run.h"

#include "common/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    TICK_MS = 500,
    STUCK_S = 30,    /* nobody came online for so long */
    LEAVE_MS = 5000, /* at the end, for polite goodbyes */
};
static const uint64_t second_ns = 1000000000;

void load_record(struct load *l, uint64_t from_ns, uint64_t now_ns)
{
    if (l->measured_from_ns != 0 && from_ns >= l->measured_from_ns &&
        (l->measured_to_ns == 0 || from_ns < l->measured_to_ns))
        histogram_record(l->latency, now_ns > from_ns ? now_ns - from_ns : 0);
}

static void stop(struct run *r)
{
    r->stage = RUN_OVER;
    uv_stop(r->load.loop);
}

void load_fail(struct load *l, const char *fmt, ...)
{
    struct run *r = run_of(l);
    va_list ap;

    if (r->why[0] == '\0') {
        va_start(ap, fmt);
        (void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
        va_end(ap);
    }
    if (r->stage != RUN_OVER)
        stop(r);
}

/* ---- time ---- */

struct later {
    uv_timer_t timer;
    struct load *load;
    void (*call)(struct load *l);
    struct later *next;
};

static void on_later_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_later(struct later *later)
{
    struct later **at = &run_of(later->load)->laters;

    while (*at != later)
        at = &(*at)->next;
    *at = later->next;
    uv_close((uv_handle_t *)&later->timer, on_later_closed);
}

static void on_later(uv_timer_t *timer)
{
    struct later *later = timer->data;

    later->call(later->load);
    end_later(later); /* its memory lasts until libuv has closed the timer */
}

void load_after(struct load *l, uint64_t ms, void (*call)(struct load *l))
{
    struct later *later = mem_zalloc(sizeof(*later));

    later->load = l;
    later->call = call;
    later->next = run_of(l)->laters;
    run_of(l)->laters = later;
    (void)uv_timer_init(l->loop, &later->timer);
    later->timer.data = later;
    uv_update_time(l->loop);
    (void)uv_timer_start(&later->timer, on_later, ms, 0);
}

void load_set_phase(struct load *l, const char *phase)
{
    struct run *r = run_of(l);

    r->phase = phase;
    r->phase_from_ns = load_now();
    r->phase_to_ns = 0;
}

/* Logging in or out, somebody must get on all the time. */
static void check_that_it_moves(struct run *r)
{
    struct buf who = {0};

    if (r->crowd.on_done == NULL || r->events != r->events_seen) {
        r->events_seen = r->events;
        r->moved_ns = load_now();
        return;
    }
    if (load_now() - r->moved_ns < STUCK_S * second_ns)
        return;
    const struct client *c = crowd_find_stuck(r);
    if (c != NULL)
        client_explain(c, &who);
    load_fail(&r->load, "nothing has happened for %d seconds: %.*s", STUCK_S, STR_ARG(buf_str(&who)));
    buf_deinit(&who);
}

static void on_tick(uv_timer_t *timer)
{
    struct run *r = timer->data;
    uint64_t now = load_now();
    double left_s = r->phase_to_ns > now ? (double)(r->phase_to_ns - now) / (double)second_ns : -1;

    report_progress(&r->progress, r->phase, r->load.n_online, r->load.count, r->scenario->unit, left_s);
    check_that_it_moves(r);
}

/* ---- clients ---- */

static void on_online(void *context, struct client *c)
{
    struct run *r = context;

    r->events++;
    r->load.n_online++;
    if (r->stage == RUN_ON && r->scenario->on_online != NULL)
        r->scenario->on_online(&r->load, c);
    if (!r->crowd.is_leaving)
        crowd_one_done(r);
}

static void on_stanza(void *context, struct client *c, const struct frame *f)
{
    struct run *r = context;

    r->events++;
    if (r->stage == RUN_ON && r->scenario->on_stanza != NULL)
        r->scenario->on_stanza(&r->load, c, f);
}

static void on_closed(void *context, struct client *c, const char *why)
{
    struct run *r = context;

    r->events++;
    if (client_online_ns(c) != 0)
        r->load.n_online--;
    if (why != NULL && r->stage == RUN_ON)
        load_fail(&r->load, "%s", why);
    else if (r->stage == RUN_ON && r->scenario->on_closed != NULL)
        r->scenario->on_closed(&r->load, c);
    if (r->crowd.is_leaving)
        crowd_one_done(r);
}

void load_login(struct load *l, void (*on_done)(struct load *l))
{
    crowd_start(run_of(l), false, on_done);
}

void load_logout(struct load *l, void (*on_done)(struct load *l))
{
    crowd_start(run_of(l), true, on_done);
}

void load_done(struct load *l)
{
    stop(run_of(l));
}

/* ---- beginning and end ---- */

static void lead(struct run *r)
{
    struct load *l = &r->load;

    l->started_ns = load_now();
    load_set_phase(l, "beginning");
    if (r->scenario->prepare != NULL)
        r->scenario->prepare(l);
    samples_begin(r);
    if (r->stage == RUN_OVER)
        return;
    if (r->scenario->is_timed)
        phases_start(r);
    else
        r->scenario->begin(l);
    if (r->stage != RUN_OVER)
        (void)uv_run(l->loop, UV_RUN_DEFAULT);
}

static void all_left(struct load *l)
{
    stop(run_of(l));
}

/* A run that went well ends its sessions politely, so that the next one finds none waiting to be resumed. */
static void leave(struct run *r)
{
    r->stage = RUN_LEAVING;
    load_set_phase(&r->load, "logging out");
    load_logout(&r->load, all_left);
    load_after(&r->load, LEAVE_MS, all_left);
    (void)uv_run(r->load.loop, UV_RUN_DEFAULT);
}

static void finish(struct run *r, const struct report_group **ret_extra, size_t *ret_n)
{
    const struct flow_totals *t = &r->load.totals;

    if (r->scenario->finish != NULL)
        r->scenario->finish(&r->load, ret_extra, ret_n);
    if (t->lost + t->duplicated + t->out_of_order + r->load.failed > 0)
        load_fail(&r->load, "of all %s, %llu were lost, %llu came twice, %llu came out of order, %llu failed",
                  r->scenario->unit, (unsigned long long)t->lost, (unsigned long long)t->duplicated,
                  (unsigned long long)t->out_of_order, (unsigned long long)r->load.failed);
}

static void close_everything(struct run *r)
{
    r->stage = RUN_OVER;
    while (r->laters != NULL)
        end_later(r->laters);
    uv_close((uv_handle_t *)&r->tick, NULL);
    if (r->pool != NULL)
        client_pool_close(r->pool);
    (void)uv_run(r->load.loop, UV_RUN_DEFAULT);
    client_pool_free(&r->pool);
    histogram_free(&r->load.latency);
    free(r->load.clients);
}

static bool open_run(struct run *r)
{
    const struct client_settings settings = {
        .options = r->load.options,
        .sends_presence = r->scenario->sends_presence,
        .resumes = r->scenario->resumes,
        .events = {on_online, on_stanza, on_closed},
        .context = r,
    };

    (void)uv_timer_init(r->load.loop, &r->tick);
    r->tick.data = r;
    r->pool = client_pool_new(r->load.loop, &settings);
    if (r->pool == NULL)
        return false;
    r->load.latency = histogram_new();
    r->load.clients = mem_alloc(r->load.n_clients * sizeof(struct client *));
    for (uint32_t i = 0; i < r->load.n_clients; i++)
        r->load.clients[i] = client_new(r->pool, i);
    const char *keys = r->load.options->keys_path;
    if (keys != NULL && !client_pool_load_keys(r->pool, keys)) {
        fprintf(stderr, "linnet_load: %s: %s\n", keys, strerror(errno));
        return false;
    }
    (void)uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
    return true;
}

int run_scenario(const struct scenario *s, const struct options *o, uint32_t n_clients)
{
    struct run r = {.load = {.options = o, .loop = uv_default_loop(), .n_clients = n_clients}, .scenario = s};
    const struct report_group *extra = NULL;
    size_t n_extra = 0;

    if (!open_run(&r)) {
        close_everything(&r);
        return RUN_CANNOT_BEGIN;
    }
    r.progress.quiet = o->quiet;
    lead(&r);
    finish(&r, &extra, &n_extra);
    if (r.why[0] == '\0')
        leave(&r);
    report_progress_end(&r.progress);
    if (o->keys_path != NULL && !client_pool_save_keys(r.pool, o->keys_path))
        fprintf(stderr, "linnet_load: %s: %s\n", o->keys_path, strerror(errno));
    int status = samples_tell(&r, extra, n_extra);
    if (s->release != NULL)
        s->release(&r.load);
    close_everything(&r);
    (void)uv_loop_close(uv_default_loop());
    return status;
}
