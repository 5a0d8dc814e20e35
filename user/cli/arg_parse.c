/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/arg_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fmt.h"

error_t arg_wrong(const char *option, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "pyleaktrace: %s%s", option, *option ? ": " : "");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return EINVAL;
}

error_t arg_number(const char *option, const char *word, uint64_t least, uint64_t most,
		   uint64_t *number)
{
	struct err err = ERR_INIT;

	return fmt_parse_number(word, least, most, number, &err) ? arg_wrong(option, "%s", err.text)
								 : 0;
}

error_t arg_u32(const char *option, const char *word, uint64_t least, uint64_t most,
		uint32_t *number)
{
	uint64_t wide = 0;
	error_t error = arg_number(option, word, least, most, &wide);

	if (!error)
		*number = (uint32_t)wide;
	return error;
}

error_t arg_size(const char *option, const char *word, uint64_t least, uint64_t most,
		 uint64_t *bytes)
{
	struct err err = ERR_INIT;
	uint64_t size;

	if (fmt_parse_size(word, &size, &err))
		return arg_wrong(option, "%s", err.text);
	if (size < least || size > most)
		return arg_wrong(option, "expected a size from %s to %s", fmt_bytes(least).text,
				 fmt_bytes(most).text);
	*bytes = size;
	return 0;
}

error_t arg_time(const char *option, const char *word, uint64_t least_ns, uint64_t *ns)
{
	struct err err = ERR_INIT;
	uint64_t time;

	if (fmt_parse_time(word, &time, &err))
		return arg_wrong(option, "%s", err.text);
	if (time < least_ns)
		return arg_wrong(option, "expected at least %s",
				 fmt_duration((double)least_ns / 1e9).text);
	*ns = time;
	return 0;
}

error_t arg_rate(const char *option, const char *word, double *per_s)
{
	const char *slash = strchr(word, '/');
	struct err err = ERR_INIT;
	char size[32], time[32];
	uint64_t bytes, ns;
	int cut = slash ? snprintf(size, sizeof(size), "%.*s", (int)(slash - word), word) : -1;
	int rest = slash ? snprintf(time, sizeof(time), "%s%s",
				    slash[1] >= '0' && slash[1] <= '9' ? "" : "1", slash + 1)
			 : -1;

	if (!slash || !slash[1] || cut < 1 || cut >= (int)sizeof(size) || rest < 1 ||
	    rest >= (int)sizeof(time) || fmt_parse_size(size, &bytes, &err) ||
	    fmt_parse_time(time, &ns, &err) || ns == 0)
		return arg_wrong(option, "expected a size in a time, as 10MiB/h or 200k/30s");
	*per_s = (double)bytes / ((double)ns / 1e9);
	return 0;
}

/* HH:MM, or HH:MM:SS */
static bool is_clock(const char *word, double *seconds)
{
	static const char *const formats[] = {"%H:%M", "%H:%M:%S"};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm time = {0};
		const char *end = strptime(word, formats[i], &time);

		*seconds = time.tm_hour * 3600.0 + time.tm_min * 60.0 + time.tm_sec;
		if (end && !*end)
			return true;
	}
	return false;
}

error_t arg_moment(const char *option, const char *word, bool *clock, double *seconds)
{
	struct err err = ERR_INIT;
	bool before_end = *word == '-';
	uint64_t ns;

	*clock = strchr(word, ':') != NULL;
	if (*clock)
		return is_clock(word, seconds)
			       ? 0
			       : arg_wrong(option, "expected a time of the day as 14:03 or "
						   "14:03:07");
	if (fmt_parse_time(word + before_end, &ns, &err))
		return arg_wrong(option, "%s", err.text);
	*seconds = (double)ns / 1e9 * (before_end ? -1 : 1);
	/* the end itself */
	if (before_end && !ns)
		*seconds = -0.0005;
	return 0;
}

error_t arg_share(const char *option, const char *word, double least, double *share)
{
	char *end;
	double percent = strtod(word, &end);

	if (end > word && *end == '%')
		end++;
	/* written so that what is no number fails too */
	if (end == word || *end || !(percent >= least && percent <= 100))
		return arg_wrong(option, "expected a percentage from %g to 100", least);
	*share = percent / 100;
	return 0;
}

error_t arg_choice(const char *option, const char *word, const char *const *names, unsigned n,
		   unsigned *choice)
{
	char wanted[128] = "";
	size_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!strcmp(word, names[i])) {
			*choice = i;
			return 0;
		}
		if (at < sizeof(wanted))
			at += (size_t)snprintf(wanted + at, sizeof(wanted) - at, "%s%s",
					       !i           ? ""
					       : i + 1 == n ? " or "
							    : ", ",
					       names[i]);
	}
	return arg_wrong(option, "expected %s", wanted);
}
