/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/parts_text.h"

#include "base/fmt.h"

/* shares above that are no figures any more: what is left of the target's own work in a window is
 * noise */
#define MOST_DEMAND 50

static void put_domains(const struct pen *pen, const struct trace_part *part)
{
	bool first = true;

	for (unsigned i = 0; i < DOMAIN_COUNT; i++)
		if (part->domains[i]) {
			fprintf(pen->out, "%s %s", first ? "" : ",", domain_name((enum domain)i));
			first = false;
		}
}

/* Why it is not traced all the time. */
static void put_demand(const struct pen *pen, const struct trace_part *part)
{
	if (part->demand > MOST_DEMAND)
		fprintf(pen->out,
			" Tracing all would cost more than %d times the target's own work.",
			MOST_DEMAND);
	else if (part->demand > 0)
		fprintf(pen->out, " Tracing all would cost %s of the target's own work.",
			fmt_percent(part->demand).text);
}

static void put_windows(const struct pen *pen, const struct profile *profile,
			const struct trace_part *part)
{
	if (!part->windows) {
		fputs(part->idle ? " nothing: no growth there needs a stack. --exact or --sample "
				   "traces all the same."
				 : " not sampled yet: waiting for overhead budget.",
		      pen->out);
		return;
	}
	fprintf(pen->out, " %s window%s, %s of %s", fmt_count(part->windows).text,
		part->windows == 1 ? "" : "s", fmt_duration(part->windows_s).text,
		fmt_duration(profile->duration_s).text);
	fprintf(pen->out, ", the longest %s; %s block%s outlived them.",
		fmt_duration(part->longest_s).text, fmt_count(part->survivors).text,
		part->survivors == 1 ? "" : "s");
	put_demand(pen, part);
	if (part->idle)
		fputs(" No more for now: nothing grows there.", pen->out);
	if (part->survivors && !part->long_enough)
		pen_put(pen, INK_WARNING,
			" Too few so far to separate leaks from work in progress.");
}

void parts_text(const struct pen *pen, const struct profile *profile)
{
	for (size_t i = 0; i < profile->mode.n_parts; i++) {
		const struct trace_part *part = &profile->mode.parts[i];

		fputs("Traced:", pen->out);
		if (part->pid)
			fprintf(pen->out, " pid %d:", part->pid);
		put_domains(pen, part);
		fputc(':', pen->out);
		switch (part->how) {
		case TRACE_ALL:
			fprintf(pen->out, " every call, for %s.", fmt_duration(part->since_s).text);
			break;
		case TRACE_SAMPLED:
			fprintf(pen->out, " a block of every %s, for %s.",
				fmt_bytes(part->sample_bytes).text,
				fmt_duration(part->since_s).text);
			put_demand(pen, part);
			break;
		case TRACE_WINDOWS:
			put_windows(pen, profile, part);
			break;
		case TRACE_NONE:
			fputs(" nothing.", pen->out);
			break;
		}
		if (part->trouble) {
			fputc(' ', pen->out);
			pen_put(pen, INK_WARNING, part->trouble);
		}
		fputc('\n', pen->out);
	}
}

/* "malloc, mmap: 102 ms of 20 s" */
static void put_brief(const struct pen *pen, const struct profile *profile,
		      const struct trace_part *part)
{
	put_domains(pen, part);
	fputc(':', pen->out);
	if (part->trouble || part->how == TRACE_NONE)
		fputs(" nothing", pen->out);
	else if (part->how == TRACE_ALL)
		fputs(" every call", pen->out);
	else if (part->how == TRACE_SAMPLED)
		fprintf(pen->out, " a block of every %s", fmt_bytes(part->sample_bytes).text);
	else if (part->windows)
		fprintf(pen->out, " %s of %s", fmt_duration(part->windows_s).text,
			fmt_duration(profile->duration_s).text);
	else
		fputs(part->idle ? " not needed" : " not yet", pen->out);
}

void parts_text_brief(const struct pen *pen, const struct profile *profile)
{
	for (size_t i = 0; i < profile->mode.n_parts; i++) {
		const struct trace_part *part = &profile->mode.parts[i];

		fputs(i ? ";" : "Traced:", pen->out);
		if (part->pid)
			fprintf(pen->out, " pid %d:", part->pid);
		put_brief(pen, profile, part);
		if (part->trouble) {
			fputs(" (", pen->out);
			pen_put(pen, INK_WARNING, part->trouble);
			fputc(')', pen->out);
		}
	}
	if (profile->mode.n_parts)
		fputs(".\n", pen->out);
}
