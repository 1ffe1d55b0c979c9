/* tests/load/histogram.h - how long things took: every value counted, none kept.
 *
 * A mean hides the stalls that people notice, so latencies are told as percentiles, and a run has millions of them.
 * Values fall into buckets as in HDR histograms: each power of two is cut into 1 024 equal steps, so a value is known
 * to within a thousandth of itself, from 1 ns to nearly 20 minutes, in a fixed 256 KiB, whatever is recorded. Recording
 * is a shift and an addition. */
#ifndef LINNET_TESTS_LOAD_HISTOGRAM_H
#define LINNET_TESTS_LOAD_HISTOGRAM_H

#include <stdint.h>

struct histogram; /* defined in histogram.c */

/* An empty one; never NULL. */
struct histogram *histogram_new(void);
void histogram_free(struct histogram **h);
/* Forgets all values: what was recorded while warming up. */
void histogram_reset(struct histogram *h);

/* Counts one value. What lies beyond the last bucket is counted there; minimum, mean and maximum are exact always. */
void histogram_record(struct histogram *h, uint64_t ns);
/* Adds all that `from` holds; `from` stays as it is. */
void histogram_merge(struct histogram *h, const struct histogram *from);

uint64_t histogram_count(const struct histogram *h);
/* These are 0 while nothing was recorded. */
uint64_t histogram_min(const struct histogram *h);
uint64_t histogram_max(const struct histogram *h);
double histogram_mean(const struct histogram *h);
/* The smallest value so that `percent` (0 to 100) of all values are not above it, rounded up to its bucket's end,
 * though never above the maximum. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
