/* The time of its publishing that every event carries in its text: "@t=" and 16 digits, in
 * nanoseconds of the monotonic clock, which is one for all processes of a machine. */
#ifndef STAMP_H
#define STAMP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { STAMP = 3, DIGITS = 16 };

/* The next one between two places of a buffer; NULL where none is complete. */
static inline char *find_stamp(char *at, char *end)
{
    while (end - at >= STAMP + DIGITS
           && (at = memchr(at, '@', (size_t)(end - at) - STAMP - DIGITS + 1))) {
        if (at[1] == 't' && at[2] == '=')
            return at;
        at++;
    }
    return NULL;
}

static inline int64_t read_stamp(const char *at)
{
    int64_t ns = 0;
    for (int i = STAMP; i < STAMP + DIGITS; i++)
        ns = ns * 10 + (at[i] - '0');
    return ns;
}

static inline void write_stamp(char *at, int64_t ns)
{
    for (int i = STAMP + DIGITS - 1; i >= STAMP; i--, ns /= 10)
        at[i] = (char)('0' + ns % 10);
}

#endif
