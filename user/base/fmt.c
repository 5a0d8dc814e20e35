/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fmt.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"

#define QUOTE_MAX 48

/* ---- writing -------------------------------------------------------------------------------- */

static struct fmt number(const char *format, double value)
{
	struct fmt out;

	snprintf(out.text, sizeof(out.text), format, value);
	return out;
}

struct fmt fmt_bytes(uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double scaled = (double)bytes / 1024;
	size_t unit = 0;
	struct fmt out;

	if (bytes < 1024) {
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " B", bytes);
		return out;
	}
	/* 1023.95 would be written as 1024.0 */
	while (scaled >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		scaled /= 1024;
		unit++;
	}
	snprintf(out.text, sizeof(out.text), "%.1f %s", scaled, units[unit]);
	return out;
}

struct fmt fmt_count(uint64_t count)
{
	char digits[24];
	struct fmt out;
	size_t n = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count), used = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			out.text[used++] = ',';
		out.text[used++] = digits[i];
	}
	out.text[used] = '\0';
	return out;
}

struct fmt fmt_things(uint64_t count, const char *thing)
{
	struct fmt text;

	snprintf(text.text, sizeof(text.text), "%.26s %.10s%s", fmt_count(count).text, thing,
		 count == 1 ? "" : "s");
	return text;
}

/* A double as a whole number that fits; what is not a number is 0. */
static uint64_t whole(double value)
{
	if (!(value > 0))
		return 0;
	return value < 1e18 ? (uint64_t)llround(value) : UINT64_C(1000000000000000000);
}

struct fmt fmt_per_second(double per_s)
{
	uint64_t step = 1;

	if (!(per_s >= 0.05))
		return number("%.0f", 0.0);
	if (per_s < 9.95)
		return number("%.1f", per_s);
	while ((double)step * 1000 <= per_s && step < UINT64_C(1000000000000000))
		step *= 10;
	return fmt_count(whole(per_s / (double)step) * step);
}

struct fmt fmt_rate(double bytes_per_s)
{
	struct fmt out;

	snprintf(out.text, sizeof(out.text), "%c%.30s/s", bytes_per_s <= -0.5 ? '-' : '+',
		 fmt_bytes(whole(fabs(bytes_per_s))).text);
	return out;
}

/* "5 min 12 s"; the smaller part is left out when it is 0 */
static struct fmt two_parts(uint64_t big, const char *big_unit, uint64_t small,
			    const char *small_unit)
{
	struct fmt out;
	int n = snprintf(out.text, sizeof(out.text), "%" PRIu64 " %s", big, big_unit);

	if (small)
		snprintf(out.text + n, sizeof(out.text) - (size_t)n, " %" PRIu64 " %s", small,
			 small_unit);
	return out;
}

struct fmt fmt_duration(double seconds)
{
	static const struct {
		double below, scale; /* below: in seconds, where the next unit's rounding begins */
		const char *small, *large;
	} units[] = {
		{999.5e-9, 1e9, "%.0f ns", "%.0f ns"},
		{999.5e-6, 1e6, "%.1f us", "%.0f us"},
		{999.5e-3, 1e3, "%.1f ms", "%.0f ms"},
		{59.5, 1, "%.1f s", "%.0f s"},
	};
	uint64_t s;

	if (!(seconds >= 0.5e-9))
		return number("%.0f s", 0.0);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double scaled = seconds * units[i].scale;

		if (seconds >= units[i].below)
			continue;
		/* "3 s" and "500 ms", but "3.2 s" */
		if (scaled >= 9.95 || fabs(scaled - round(scaled)) < 0.05)
			return number(units[i].large, scaled);
		return number(units[i].small, scaled);
	}
	s = whole(seconds);
	if (s < 3600)
		return two_parts(s / 60, "min", s % 60, "s");
	if (s < 48 * 3600)
		return two_parts(s / 3600, "h", s / 60 % 60, "min");
	return two_parts(s / 86400, "d", s / 3600 % 24, "h");
}

struct fmt fmt_percent(double fraction)
{
	double percent = fraction * 100;

	if (!(percent > 0))
		return number("%.0f %%", 0.0);
	if (percent < 0.1)
		return number("<%.1f %%", 0.1);
	if (percent < 9.95)
		return number("%.1f %%", percent);
	return number("%.0f %%", percent < 1e9 ? percent : 1e9);
}

/* ---- parsing -------------------------------------------------------------------------------- */

static int wrong(struct err *err, const char *text, const char *hint)
{
	char quoted[QUOTE_MAX];

	if (!*text)
		return err_set(err, ERR_USAGE, "the value is empty; %s", hint);
	if (text[0] == '-' && text[1] >= '0' && text[1] <= '9')
		return err_set(err, ERR_USAGE, "\"%s\" is negative; %s",
			       escape_copy(quoted, sizeof(quoted), text), hint);
	return err_set(err, ERR_USAGE, "\"%s\" is not understood; %s",
		       escape_copy(quoted, sizeof(quoted), text), hint);
}

static int out_of_range(struct err *err, const char *text, const char *range)
{
	char quoted[QUOTE_MAX];

	return err_set(err, ERR_USAGE, "\"%s\" is out of range; %s",
		       escape_copy(quoted, sizeof(quoted), text), range);
}

/*
 * Digits at *text, which is moved behind them; false without any. A number too large is UINT64_MAX.

 */
static bool take_digits(const char **text, uint64_t *value)
{
	const char *at = *text;

	*value = 0;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value)) {
			*value = UINT64_MAX;
			at += strspn(at, "0123456789");
			break;
		}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

int fmt_parse_time(const char *text, uint64_t *ns, struct err *err)
{
	static const char hint[] = "write a time like 90, 90s, 1.5s, 5m, 2h, 1d or 500ms";
	static const struct {
		const char *suffix;
		uint64_t ns;
	} units[] = {
		{"", 1000000000}, {"s", 1000000000},  {"ms", 1000000},      {"us", 1000},
		{"ns", 1},        {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
	};
	const char *at = text, *digits = NULL;
	uint64_t value, unit = 0, part = 0;

	if (!take_digits(&at, &value))
		return wrong(err, text, hint);
	if (*at == '.') {
		digits = ++at;
		at += strspn(at, "0123456789");
		if (at == digits)
			return wrong(err, text, hint);
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(at, units[i].suffix))
			unit = units[i].ns;
	if (!unit)
		return wrong(err, text, hint);
	/* the fraction, digit by digit, as far as it still counts */
	for (uint64_t place = unit; digits && digits < at && place; digits++) {
		part += place * (uint64_t)(*digits - '0') / 10;
		place /= 10;
	}
	if (__builtin_mul_overflow(value, unit, &value) ||
	    __builtin_add_overflow(value, part, &value) || value > FMT_TIME_MAX_NS)
		return out_of_range(err, text, "a time is at most 366d");
	*ns = value;
	return 0;
}

int fmt_parse_size(const char *text, uint64_t *bytes, struct err *err)
{
	static const char hint[] = "write a size like 512, 4k, 1m or 2g";
	static const char letters[] = "kmgt";
	const char *at = text, *letter;
	uint64_t value;
	int shift = 0;

	if (!take_digits(&at, &value))
		return wrong(err, text, hint);
	if (*at) {
		letter = strchr(letters, *at | 0x20);
		if (!letter || !*letter ||
		    (at[1] && strcasecmp(at + 1, "b") && strcasecmp(at + 1, "ib")))
			return wrong(err, text, hint);
		shift = 10 * (int)(letter - letters + 1);
	}
	if (value > (uint64_t)INT64_MAX >> shift)
		return out_of_range(err, text, "a size is less than 8 EiB");
	*bytes = value << shift;
	return 0;
}

int fmt_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *result,
		     struct err *err)
{
	const char *at = text;
	char range[80];
	uint64_t value;

	snprintf(range, sizeof(range), "write a whole number from %" PRIu64 " to %" PRIu64, least,
		 most);
	if (!take_digits(&at, &value) || *at)
		return wrong(err, text, range);
	if (value < least || value > most)
		return out_of_range(err, text, range);
	*result = value;
	return 0;
}
