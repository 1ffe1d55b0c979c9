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

/* ---- reading ---- */

/* Takes `n` digits from the front; -1: they are not there. */
static int take_digits(struct str *s, size_t n)
{
    int value = 0;

    if (s->len < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return -1;
        value = value * 10 + (s->p[i] - '0');
    }
    *s = str_make(s->p + n, s->len - n);
    return value;
}

static bool take_char(struct str *s, char c)
{
    if (s->len == 0 || s->p[0] != c)
        return false;
    *s = str_make(s->p + 1, s->len - 1);
    return true;
}

struct number {
    size_t digits;
    int min, max;
};

/* Numbers with `separator` between them, each within its range. */
static bool take_numbers(struct str *s, char separator, const struct number *numbers, size_t n, int *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && !take_char(s, separator))
            return false;
        ret[i] = take_digits(s, numbers[i].digits);
        if (ret[i] < numbers[i].min || ret[i] > numbers[i].max)
            return false;
    }
    return true;
}

/* As many digits as there are; what is finer than a millisecond is cut. */
static bool take_fraction(struct str *s, int *ret_ms)
{
    int weight = 100, digit;
    bool any = false;

    *ret_ms = 0;
    if (!take_char(s, '.'))
        return true;
    while ((digit = take_digits(s, 1)) >= 0) {
        *ret_ms += digit * weight;
        weight /= 10;
        any = true;
    }
    return any;
}

static bool take_zone(struct str *s, int *ret_minutes)
{
    static const struct number clock[] = {{2, 0, 14}, {2, 0, 59}};
    bool is_behind = s->len > 0 && s->p[0] == '-';
    int part[2];

    *ret_minutes = 0;
    if (take_char(s, 'Z'))
        return true;
    if ((!take_char(s, '+') && !take_char(s, '-')) || !take_numbers(s, ':', clock, 2, part))
        return false;
    *ret_minutes = (part[0] * 60 + part[1]) * (is_behind ? -1 : 1);
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_day(const int date[3])
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return date[2] <= days[date[1] - 1] + (date[1] == 2 && is_leap(date[0]) ? 1 : 0);
}

/* Days since 1970-01-01. Years are taken to begin in March, so that the day that comes now and then is their last. */
static int64_t days_of(const int date[3])
{
    int64_t year = date[0] - (date[1] <= 2 ? 1 : 0), month = (date[1] + 9) % 12;

    return year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + date[2] - 1 - 719468;
}

bool datetime_parse(struct str text, int64_t *ret_ms)
{
    static const struct number date_numbers[] = {{4, 1, 9999}, {2, 1, 12}, {2, 1, 31}};
    static const struct number time_numbers[] = {{2, 0, 23}, {2, 0, 59}, {2, 0, 60}}; /* a leap second is the next */
    int date[3], time[3], ms, zone_minutes;
    struct str s = text;

    if (!take_numbers(&s, '-', date_numbers, 3, date) || !is_day(date) || !take_char(&s, 'T') ||
        !take_numbers(&s, ':', time_numbers, 3, time) || !take_fraction(&s, &ms) || !take_zone(&s, &zone_minutes) ||
        s.len > 0)
        return false;
    int64_t minutes = days_of(date) * 1440 + time[0] * 60 + time[1] - zone_minutes;

    *ret_ms = (minutes * 60 + time[2]) * 1000 + ms;
    return true;
}
