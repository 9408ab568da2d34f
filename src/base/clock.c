#include "base/clock.h"

#include <string.h>
#include <time.h>

#define NS_PER_SECOND INT64_C(1000000000)
/* 0001-01-01 and the last microsecond of 9999. */
#define FIRST_US      (INT64_C(-62135596800) * US_PER_SECOND)
#define LAST_US       (INT64_C(253402300800) * US_PER_SECOND - 1)

/* Days since 1970 of a date in the proleptic Gregorian calendar; years start in March, so that the
 * leap day is the last one and months follow one linear formula. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static char *put_digits(char *out, unsigned value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

static bool take_digits(const char **text, int width, int *value)
{
    *value = 0;
    for (int i = 0; i < width; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return false;
        *value = *value * 10 + (c - '0');
    }
    *text += width;
    return true;
}

static bool take(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(const char **text, int64_t *days)
{
    int year, month, day;
    if (!take_digits(text, 4, &year) || !take(text, '-') || !take_digits(text, 2, &month) ||
        !take(text, '-') || !take_digits(text, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_date(year, month, day);
    return true;
}

/* Digits behind the sixth are cut: they are below a microsecond. */
static bool take_fraction(const char **text, int64_t *us)
{
    *us = 0;
    if (!take(text, '.'))
        return true;
    int64_t unit = US_PER_SECOND / 10;
    const char *start = *text;
    for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
        *us += (**text - '0') * unit;
    return *text > start;
}

/* Second 60 (a leap second) is read as the second after 59, as PostgreSQL does. */
static bool take_time(const char **text, int64_t *us)
{
    int hour, minute, second;
    int64_t fraction;
    if (!take_digits(text, 2, &hour) || !take(text, ':') || !take_digits(text, 2, &minute) ||
        !take(text, ':') || !take_digits(text, 2, &second) || !take_fraction(text, &fraction))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *us = ((int64_t)hour * 3600 + minute * 60 + second) * US_PER_SECOND + fraction;
    return true;
}

static bool take_offset(const char **text, int64_t *us)
{
    *us = 0;
    if (take(text, 'Z') || take(text, 'z'))
        return true;
    char sign = **text;
    int hour, minute;
    if (sign != '+' && sign != '-')
        return false;
    (*text)++;
    if (!take_digits(text, 2, &hour) || !take(text, ':') || !take_digits(text, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *us = ((int64_t)hour * 3600 + minute * 60) * US_PER_SECOND * (sign == '-' ? -1 : 1);
    return true;
}

static int64_t ns_of(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

int64_t clock_ticks_ns(void)
{
    return ns_of(CLOCK_MONOTONIC);
}

int64_t clock_now_us(void)
{
    return ns_of(CLOCK_REALTIME) / 1000;
}

char *clock_format(int64_t us, char *text)
{
    us = us < FIRST_US ? FIRST_US : us > LAST_US ? LAST_US : us;
    int64_t days = us / US_PER_DAY - (us % US_PER_DAY < 0);
    int64_t rest = us - days * US_PER_DAY;
    unsigned seconds = (unsigned)(rest / US_PER_SECOND);
    unsigned fraction = (unsigned)(rest % US_PER_SECOND);
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    char *out = put_digits(text, (unsigned)year, 4);
    *out++ = '-';
    out = put_digits(out, (unsigned)month, 2);
    *out++ = '-';
    out = put_digits(out, (unsigned)day, 2);
    *out++ = 'T';
    out = put_digits(out, seconds / 3600, 2);
    *out++ = ':';
    out = put_digits(out, seconds / 60 % 60, 2);
    *out++ = ':';
    out = put_digits(out, seconds % 60, 2);
    if (fraction) {
        *out++ = '.';
        out = put_digits(out, fraction, 6);
    }
    *out++ = 'Z';
    *out = '\0';
    return text;
}

bool clock_parse(const char *text, int64_t *us)
{
    int64_t days, time = 0, offset = 0;
    if (!take_date(&text, &days))
        return false;
    if (*text) {
        if (!take(&text, 'T') && !take(&text, 't') && !take(&text, ' '))
            return false;
        if (!take_time(&text, &time) || !take_offset(&text, &offset) || *text)
            return false;
    }
    int64_t moment = days * US_PER_DAY + time - offset;
    if (moment < FIRST_US || moment > LAST_US)
        return false;
    *us = moment;
    return true;
}
