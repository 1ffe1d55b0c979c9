#include "common/datetime.h"

#include <stdio.h>
#include <time.h>

struct str datetime_format(int64_t ms, char out[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    size_t n;

    (void)gmtime_r(&seconds, &tm);
    n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    return str_make(out, n + (size_t)snprintf(out + n, 32 - n, ".%03dZ", (int)(ms % 1000)));
}
