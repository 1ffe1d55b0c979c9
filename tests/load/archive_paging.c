/* tests/load/archive_paging.c - linnet_archive_paging: a page from the middle of a long archive, and of a short one.
 *
 * Two accounts, each with a server of its own: one has a thousand messages, the other a million. The same pages are
 * asked of both in turn, so that what else the machine does meets both alike: by id, by time, of one contact, and the
 * last one. Told are medians, through the wire and of the read alone; with --limit it fails where the long archive
 * takes more than so many times as long. On the way it tells how fast the archive was written. */
#include "common/datetime.h"
#include "common/mem.h"
#include "server/storage/storage.h"
#include "tests/integration/archive.h"
#include "tests/integration/raw.h"

#include <inttypes.h>
#include <semaphore.h>
#include <time.h>

enum { CONTACTS = 50, PAGE_SIZE = 50, KINDS = 4, RUNS_MAX = 10000 };

static const char *const kinds[KINDS] = {"by id", "by time", "of a contact", "the last"};

struct archive {
    uint64_t n;
    struct harness *h;
    struct raw *r;
    const struct account *account;
    char path[512];
    char *jid;
    uint64_t first, step; /* ids */
    char query[KINDS][512];
    struct storage *storage;
    double wire_us[KINDS][RUNS_MAX], read_us[KINDS][RUNS_MAX];
};

static double now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* ---- a storage of our own, and waiting for it ---- */

static struct {
    struct executor base;
    struct mpsc_queue queue;
    sem_t wake;
} inbox;

static void post(struct executor *to, struct task *own_task)
{
    (void)to;
    if (mpsc_push(&inbox.queue, &own_task->node))
        sem_post(&inbox.wake);
}

static void await(const bool *is_there)
{
    while (!*is_there) {
        sem_wait(&inbox.wake);
        for (struct mpsc_node *node = mpsc_take_all(&inbox.queue), *next; node != NULL; node = next) {
            struct task *task = container_of(node, struct task, node);

            next = node->next;
            task->run(task);
        }
    }
}

static void open_storage(struct archive *a)
{
    const struct storage_options options = {.backend = "sqlite", .path = a->path, .readers = 2};
    char error[256];

    if (storage_open(&options, &a->storage, error) != LN_OK)
        test_fail("%s", error);
}

/* ---- filling ---- */

static void on_committed(void *ctx, enum ln_err err)
{
    assert_int_equal(err, LN_OK);
    *(bool *)ctx = true;
}

static void append(struct storage_txn *t, const struct archive *a, uint64_t i)
{
    uint64_t id = a->first + i * a->step;
    char bytes[512], peer[64];

    snprintf(peer, sizeof(peer), "contact%" PRIu64 "@example.org/phone", i % CONTACTS);
    int len =
        snprintf(bytes, sizeof(bytes),
                 "<message xmlns='jabber:client' type='chat' id='m%" PRIu64 "' from='%s' to='%s'><body>message number "
                 "%" PRIu64 ": but soft, what light through yonder window breaks? It is the East</body></message>",
                 i, peer, a->jid, i);

    storage_txn_append(t, str_of(a->jid), STR("archive"), id, (int64_t)(id / 1000), str_of(peer),
                       str_make(bytes, (size_t)len));
}

static void fill(struct archive *a)
{
    double began = now_us();

    a->step = 30 * 1000000; /* one every half minute, until now */
    a->first = (uint64_t)time(NULL) * 1000000 - a->n * a->step;
    open_storage(a);
    for (uint64_t i = 0; i < a->n;) {
        struct storage_txn *t = storage_txn_new();
        bool is_there = false;

        for (int j = 0; j < 1000 && i < a->n; j++)
            append(t, a, i++);
        storage_commit(a->storage, t, &inbox.base, on_committed, &is_there);
        await(&is_there);
    }
    storage_close(&a->storage);
    printf("%" PRIu64 " entries written, %.0f a second\n", a->n, (double)a->n / (now_us() - began) * 1e6);
}

static void make_archive(struct archive *a, uint64_t n)
{
    static const struct harness_options options = {.workers = 1};
    double began;

    a->n = n;
    a->h = harness_new(&options);
    harness_start(a->h);
    a->account = harness_account(a->h);
    a->jid = a->account->jid;
    harness_stop(a->h);
    snprintf(a->path, sizeof(a->path), "%s/data/linnet.sqlite", a->h->dir);
    fill(a);
    began = now_us();
    harness_start(a->h);
    printf("the server was up after %.0f ms\n", (now_us() - began) / 1000);
}

/* ---- asking ---- */

static void write_queries(struct archive *a)
{
    char stamp[32];
    uint64_t middle = a->first + a->n / 2 * a->step;
    struct str at = datetime_format((int64_t)(middle / 1000), stamp);
    struct client *c = client_login(a->h, a->account, "one", 0);
    struct found f =
        archive_ask(c, FORM("<field var='start'><value>%.*s</value></field>") PAGE("<max>1</max>"), STR_ARG(at));
    const char *id = archive_id(&f, 0);

    snprintf(a->query[0], sizeof(a->query[0]), PAGE("<max>50</max><after>%s</after>"), id);
    snprintf(a->query[1], sizeof(a->query[1]),
             FORM("<field var='start'><value>%.*s</value></field>") PAGE("<max>50</max>"), STR_ARG(at));
    snprintf(a->query[2], sizeof(a->query[2]),
             FORM("<field var='with'><value>contact7@example.org</value></field>")
                 PAGE("<max>10</max><after>%s</after>"),
             id);
    snprintf(a->query[3], sizeof(a->query[3]), PAGE("<max>50</max><before/>"));
}

/* Not with the client of the other tests, which takes longer to read a page than the server to send it. */
static double ask_over_the_wire(struct archive *a, int kind)
{
    double began = now_us();

    raw_send(a->r, "<iq type='set' id='q'><query xmlns='" MAM "'>%s</query></iq>", a->query[kind]);
    for (int i = 0; i < (kind == 2 ? 10 : PAGE_SIZE); i++)
        raw_expect(a->r, "message/result");
    raw_expect(a->r, "iq[@id='q'][@type='result']/fin");
    return now_us() - began;
}

struct answer {
    bool is_there;
    size_t n;
};

static void on_rows(void *ctx, const struct storage_rows *rows)
{
    struct answer *answer = ctx;

    *answer = (struct answer){true, rows->n};
}

static double read_alone(struct archive *a, int kind)
{
    uint64_t middle = a->first + a->n / 2 * a->step;
    struct storage_query q = {.kind = STORAGE_READ,
                              .owner = str_of(a->jid),
                              .collection = STR("archive"),
                              .after_id = kind == 3 ? 0 : middle - (kind == 1),
                              .limit = kind == 2 ? 11 : PAGE_SIZE + 1,
                              .is_backwards = kind == 3};
    struct answer answer = {0};
    double began = now_us();

    if (kind == 2)
        q.peer = STR("contact7@example.org");
    storage_read(a->storage, &q, &inbox.base, on_rows, &answer);
    await(&answer.is_there);
    double took = now_us() - began;

    assert_int_equal(answer.n, kind == 2 ? 10 + (a->n >= 1000 * 2) : PAGE_SIZE + 1);
    return took;
}

/* ---- results ---- */

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return (a > b) - (a < b);
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), compare);
    return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static bool tell(struct archive *small, struct archive *large, unsigned runs, double limit)
{
    bool is_good = true;

    printf("%-16s %12s %12s %8s   %12s %12s %8s\n", "a page, us", "wire, short", "wire, long", "ratio", "read, short",
           "read, long", "ratio");
    for (int kind = 0; kind < KINDS; kind++) {
        double wire[2] = {median(small->wire_us[kind], runs), median(large->wire_us[kind], runs)};
        double read[2] = {median(small->read_us[kind], runs), median(large->read_us[kind], runs)};

        printf("%-16s %12.0f %12.0f %8.2f   %12.0f %12.0f %8.2f\n", kinds[kind], wire[0], wire[1], wire[1] / wire[0],
               read[0], read[1], read[1] / read[0]);
        is_good = is_good && (limit == 0 || wire[1] / wire[0] <= limit);
    }
    return is_good;
}

static void measure(void **state)
{
    static struct archive small, large;
    const char *entries = getenv("LINNET_ARCHIVE_ENTRIES"), *repetitions = getenv("LINNET_ARCHIVE_RUNS");
    const char *limit = getenv("LINNET_ARCHIVE_LIMIT");
    unsigned runs = repetitions != NULL ? (unsigned)atoi(repetitions) : 300;

    (void)state;
    assert_in_range(runs, 1, RUNS_MAX);
    mpsc_init(&inbox.queue);
    sem_init(&inbox.wake, 0, 0);
    inbox.base.post = post;
    make_archive(&small, 1000);
    make_archive(&large, entries != NULL ? (uint64_t)atoll(entries) : 1000000);
    write_queries(&small);
    write_queries(&large);
    small.r = raw_login(small.h, small.account, NULL);
    large.r = raw_login(large.h, large.account, NULL);
    for (unsigned i = 0; i < runs; i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            small.wire_us[kind][i] = ask_over_the_wire(&small, kind);
            large.wire_us[kind][i] = ask_over_the_wire(&large, kind);
        }
    }
    raw_free(&small.r);
    raw_free(&large.r);
    harness_stop(small.h);
    harness_stop(large.h);
    open_storage(&small);
    open_storage(&large);
    for (unsigned i = 0; i < runs; i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            small.read_us[kind][i] = read_alone(&small, kind);
            large.read_us[kind][i] = read_alone(&large, kind);
        }
    }
    storage_close(&small.storage);
    storage_close(&large.storage);
    bool is_good = tell(&small, &large, runs, limit != NULL ? atof(limit) : 0);

    harness_free(&small.h);
    harness_free(&large.h);
    assert_true(is_good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(measure)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
