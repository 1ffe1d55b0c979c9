#include "tests/load/histogram.h"

#include "common/mem.h"

#include <string.h>

/* Values below 2 * STEPS have a bucket each; above, each power of two has STEPS buckets. */
enum {
    STEP_BITS = 10,
    STEPS = 1 << STEP_BITS,
    VALUE_BITS = 40, /* 2^40 ns are 18 minutes */
    BUCKETS = (VALUE_BITS - STEP_BITS + 1) * STEPS,
};

struct histogram {
    uint64_t total;
    uint64_t min, max;
    double sum; /* of double: a run's sum of ns fits 53 bits for 100 days, and merging cannot overflow */
    uint64_t counts[BUCKETS];
};

struct histogram *histogram_new(void)
{
    return mem_zalloc(sizeof(struct histogram));
}

void histogram_free(struct histogram **h)
{
    free(*h);
    *h = NULL;
}

void histogram_reset(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

/* How far a value is shifted so that its STEP_BITS + 1 leading bits remain. */
static unsigned shift_of(uint64_t ns)
{
    return 63U - STEP_BITS - (unsigned)__builtin_clzll(ns | STEPS);
}

static size_t bucket_of(uint64_t ns)
{
    if (ns >> VALUE_BITS != 0)
        return BUCKETS - 1;
    unsigned shift = shift_of(ns);

    /* The leading bit stands for STEPS, so the first two groups of STEPS follow each other without a gap. */
    return (size_t)shift * STEPS + (size_t)(ns >> shift);
}

/* The largest value that falls into bucket `i`. */
static uint64_t bucket_end(size_t i)
{
    if (i < (size_t)2 * STEPS)
        return i;
    unsigned shift = (unsigned)(i / STEPS) - 1;

    return ((uint64_t)(i - (size_t)shift * STEPS + 1) << shift) - 1;
}

void histogram_record(struct histogram *h, uint64_t ns)
{
    if (h->total == 0 || ns < h->min)
        h->min = ns;
    if (ns > h->max)
        h->max = ns;
    h->total++;
    h->sum += (double)ns;
    h->counts[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    if (from->total == 0)
        return;
    if (h->total == 0 || from->min < h->min)
        h->min = from->min;
    if (from->max > h->max)
        h->max = from->max;
    h->total += from->total;
    h->sum += from->sum;
    for (size_t i = 0; i < BUCKETS; i++)
        h->counts[i] += from->counts[i];
}

uint64_t histogram_count(const struct histogram *h)
{
    return h->total;
}

uint64_t histogram_min(const struct histogram *h)
{
    return h->min;
}

uint64_t histogram_max(const struct histogram *h)
{
    return h->max;
}

double histogram_mean(const struct histogram *h)
{
    return h->total == 0 ? 0 : h->sum / (double)h->total;
}

/* How many values must not be above the percentile: at least one, and rounded up, with a grain of mercy for 99.9 of
 * 1 000, which is 999 and not 999.0000000000001. */
static uint64_t rank_of(const struct histogram *h, double percent)
{
    double exact = percent / 100 * (double)h->total;
    uint64_t rank = (uint64_t)exact;

    if (exact - (double)rank > 1e-6)
        rank++;
    if (rank > h->total)
        rank = h->total;
    return rank == 0 ? 1 : rank;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    if (h->total == 0)
        return 0;
    uint64_t left = rank_of(h, percent);
    size_t i = 0;

    /* The last bucket has no end of its own: it holds all that is too long. */
    for (; i < BUCKETS - 1 && h->counts[i] < left; i++)
        left -= h->counts[i];
    return i == BUCKETS - 1 || bucket_end(i) > h->max ? h->max : bucket_end(i);
}
