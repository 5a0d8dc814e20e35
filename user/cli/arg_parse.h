/* SPDX-License-Identifier: BSD-2-Clause
 *
 * arg_parse: what a command line has behind an option -> a value, or one line on stderr that says
 * what is expected.
 *
 *      pyleaktrace: --older: expected at least 10 ms
 *                   option   sentence
 *
 * Place      layer 6; the rows of option_rows.c.
 * Units      times in ns, sizes in bytes, percentages as shares.
 * Errors     0, or EINVAL after the line; the value is untouched
 *            then.
 * Bounds     every number has a range.
 */
#ifndef PYLEAKTRACE_CLI_ARG_PARSE_H
#define PYLEAKTRACE_CLI_ARG_PARSE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* in  option: "--older"; "": it is about none of them */
error_t arg_wrong(const char *option, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

error_t arg_number(const char *option, const char *word, uint64_t least, uint64_t most,
		   uint64_t *number);
error_t arg_u32(const char *option, const char *word, uint64_t least, uint64_t most,
		uint32_t *number);
error_t arg_size(const char *option, const char *word, uint64_t least, uint64_t most,
		 uint64_t *bytes);
error_t arg_time(const char *option, const char *word, uint64_t least_ns, uint64_t *ns);

/* SIZE/TIME ("10MiB/h", "200k/30s"; a unit of time alone is one of it). out  per_s: bytes a second
 */
error_t arg_rate(const char *option, const char *word, double *per_s);

/*
 * A moment of a recording: since its start (90, 5m), before its end (-5m, negative), or by the
 * clock (14:03, 14:03:07; seconds of the day).
 */
error_t arg_moment(const char *option, const char *word, bool *clock, double *seconds);

/* in  least: percent; a % may stand behind the number */
error_t arg_share(const char *option, const char *word, double least, double *share);

/* in  names: n of them, of which the word is one. out  choice: which */
error_t arg_choice(const char *option, const char *word, const char *const *names, unsigned n,
		   unsigned *choice);

#endif
