/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/live_line.h"

#include <stdarg.h>

#include "base/fmt.h"

#define ASSUMED_WIDTH 80

/* Append a part when it fits as a whole: half a number would be a wrong number. */
static void append(char *line, size_t room, size_t *used, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void append(char *line, size_t room, size_t *used, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line + *used, room - *used, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room - *used)
		line[*used] = '\0';
	else
		*used += (size_t)n;
}

/* "LEAK +5.0 MiB/min", "looking at what grows" */
static void say_state(const struct live_state *state, char *line, size_t room, size_t *used)
{
	if (state->verdict && state->in_use_growth_per_s > 0)
		append(line, room, used, "%s +%s/min", state->verdict,
		       fmt_bytes((uint64_t)(state->in_use_growth_per_s * 60)).text);
	else if (state->verdict)
		append(line, room, used, "%s", state->verdict);
	else
		append(line, room, used, "%s",
		       state->looking    ? "looking at what grows"
		       : state->untraced ? "allocations are not traced"
					 : "tracing");
}

const char *live_line(const struct live_state *state, unsigned width, char *line, size_t size)
{
	size_t used = 0, room = width ? width : ASSUMED_WIDTH;

	if (room > size)
		room = size;
	line[0] = '\0';
	say_state(state, line, room, &used);
	append(line, room, &used, used ? ", %s" : "%s",
	       fmt_duration(state->seconds < 1 ? 0 : (double)(uint64_t)state->seconds).text);
	if (state->left_s >= 0)
		append(line, room, &used, " (%s left)",
		       fmt_duration((double)(uint64_t)state->left_s).text);
	if (state->untraced)
		return line;
	if (state->outstanding_bytes)
		append(line, room, &used, "  %s outstanding %s",
		       fmt_bytes(state->outstanding_bytes).text,
		       fmt_rate(state->growth_bytes_per_s).text);
	if (state->target_cpu_fraction >= 0)
		append(line, room, &used, "  %s of a core",
		       fmt_percent(state->target_cpu_fraction).text);
	if (state->lost)
		append(line, room, &used, "  %s lost", fmt_count(state->lost).text);
	return line;
}

void live_line_draw(FILE *terminal, const char *line)
{
	fprintf(terminal, "\r\033[K%s", line);
	fflush(terminal);
}

void live_line_erase(FILE *terminal)
{
	fputs("\r\033[K", terminal);
	fflush(terminal);
}
