/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fmt: numbers -> short text for people, and what people type -> numbers.
 *
 * Place      layer 0; used by cli (parsing), view and export (writing).
 * Shapes     struct fmt holds one written number; it is returned by value, so that a call can stand
 *            inside printf(): printf("%s of %s\n", fmt_bytes(used).text, fmt_bytes(all).text).
 * Units      bytes with binary units (KiB is 1024); seconds as double; times parsed to ns.
 * Errors     the parsers return -ERR_USAGE with a sentence that quotes the text (escaped and cut)
 *            and says what would be right; then the result is untouched. cli puts the option's name
 *            before it (err_prefix()).
 * Bounds     no memory; text of any length is read to its first wrong character at most.
 * Threads    safe from any.
 * Example    if (fmt_parse_time(arg, &older_ns, err))
 *                    return err_prefix(err, "--older: ");
 */
#ifndef PYLEAKTRACE_BASE_FMT_H
#define PYLEAKTRACE_BASE_FMT_H

#include <stdint.h>

#include "base/err.h"

struct fmt {
	char text[40];
};

/* "0 B", "1023 B", "1.0 KiB", "204.1 KiB", "12.0 MiB", up to EiB */
struct fmt fmt_bytes(uint64_t bytes);

/* "812", "120,031" */
struct fmt fmt_count(uint64_t count);

/* "1 item", "5,030 items"; thing: a few letters, and its plural ends with s */
struct fmt fmt_things(uint64_t count, const char *thing);

/*
 * Events per second from a double, without a unit: "0", "0.4", "12", "812,000". Three digits are
 * kept.
 */
struct fmt fmt_per_second(double per_s);

/* With its sign: "+204.1 KiB/s", "-3.0 MiB/s", "+0 B/s" */
struct fmt fmt_rate(double bytes_per_s);

/*
 * "0 s", "260 ns", "1.9 us", "500 ms", "3.2 s", "48 s", "5 min", "5 min 12 s", "2 h 5 min", "3 d 4
 * h"
 */
struct fmt fmt_duration(double seconds);

/* Of a fraction: "0 %", "<0.1 %", "0.4 %", "38 %", "412 %" */
struct fmt fmt_percent(double fraction);

/* The longest time that is accepted: a year of 366 days. */
#define FMT_TIME_MAX_NS (366ull * 24 * 3600 * 1000000000ull)

/*
 * Parse a time: digits, with a decimal fraction if wanted, and ns, us, ms, s, m, h or d (none:
 * seconds).
 *
 * in     text: the whole text is the time; no sign, no spaces
 * out    ns: 0 .. FMT_TIME_MAX_NS, fractions of a ns cut off; untouched on failure
 * return 0, or -ERR_USAGE
 */
int fmt_parse_time(const char *text, uint64_t *ns, struct err *err);

/*
 * Parse a size: digits and k, m, g or t (1024 each step; also K, KB, KiB), none: bytes.
 *
 * out    bytes: 0 .. INT64_MAX; untouched on failure
 * return 0, or -ERR_USAGE
 */
int fmt_parse_size(const char *text, uint64_t *bytes, struct err *err);

/*
 * Parse a whole number, decimal digits only.
 *
 * out    result: least .. most; untouched on failure
 * return 0, or -ERR_USAGE
 */
int fmt_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *result,
		     struct err *err);

#endif
