/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmt.h"
#include "leak/findings.h"
#include "leak/object_findings.h"
#include "model/retention.h"
#include "model/trend.h"

/* That less than this of the growth is left is not worth a row. */
#define LEAST_LEFT 0.05

/* What is left of a growth that is nearly all garbage is no growth of its own: the two are measured
 * in different ways. */
#define PASSING_ERROR 0.15

/* The limit of a control group further away than this is no news. */
#define LIMIT_AHEAD_S (7.0 * 24 * 3600)

/* ---- the growth ----------------------------------------------------------------------------- */

static const enum trend_kind in_use[] = {TREND_PART_OBJECTS, TREND_PART_PYMALLOC, TREND_PART_MALLOC,
					 TREND_PART_STACKS, TREND_PART_MAPPINGS};

#define N_IN_USE (sizeof(in_use) / sizeof(in_use[0]))

/* return looks that have all parts; 0: it is not known */
static size_t add_up(const struct trend *trend, double *seconds, double *bytes, double *cycle,
		     bool *have_cycle)
{
	size_t n = 0;

	*have_cycle = true;
	for (size_t i = 0; i < trend->n_looks; i++) {
		const struct trend_look *look = &trend->looks[i];
		bool all = true;

		bytes[n] = 0;
		for (size_t part = 0; part < N_IN_USE; part++) {
			all &= trend_has(look, in_use[part]);
			bytes[n] += (double)look->value[in_use[part]];
		}
		if (!all)
			continue;
		*have_cycle &= trend_has(look, TREND_SINCE_FULL);
		cycle[n] = (double)look->value[TREND_SINCE_FULL];
		seconds[n++] = look->at_s;
	}
	return n;
}

enum growth {
	GROWS_NOT,
	GROWS_MAYBE,
	GROWS, /* for sure */
};

static enum growth measure_growth(struct verdict *verdict, const struct trend *trend)
{
	double seconds[TREND_LOOKS_MAX] = {0}, bytes[TREND_LOOKS_MAX] = {0},
	       cycle[TREND_LOOKS_MAX] = {0};
	bool have_cycle;
	size_t n = add_up(trend, seconds, bytes, cycle, &have_cycle);
	struct fit_line line = {0};
	enum fit_shape shape = fit_shape(seconds, bytes, have_cycle ? cycle : NULL, n, &line);

	verdict->growth_per_s = line.slope;
	verdict->least_per_s = fit_least(line);
	verdict->most_per_s = 2 * line.slope - verdict->least_per_s;
	if (n < JUDGE_LOOKS || (shape != FIT_STEADY && shape != FIT_UNCLEAR) ||
	    !(verdict->least_per_s > GROWTH_LEAST_PER_S) ||
	    !(line.slope * trend_span_s(trend) > GROWTH_LEAST_BYTES))
		return GROWS_NOT;
	return shape == FIT_STEADY && fit_confidence(line) >= GROWTH_SURE ? GROWS : GROWS_MAYBE;
}

/*
 * Each was measured by itself, and errs by itself: together they are no more than the growth. What
 * each is sure of stays; above that they have equal shares of their intervals.
 */
static void fit_into(struct finding *findings, size_t n, double sum, double least, double growth)
{
	double share = (growth - least) / (sum - least);

	for (size_t i = 0; i < n; i++)
		findings[i].bytes_per_s =
			findings[i].least_per_s +
			share * (findings[i].bytes_per_s - findings[i].least_per_s);
}

/* What the findings do not explain, of a growth that is not smaller than what they are sure of. */
static void reconcile(struct verdict *verdict, struct finding *findings, bool grows)
{
	double sum = 0, least = 0;

	for (size_t i = 0; i < verdict->n_findings; i++) {
		sum += findings[i].bytes_per_s;
		least += findings[i].least_per_s;
	}
	/* what was measured by itself is there, though the whole be too rough to show it */
	if (!grows || verdict->growth_per_s < least) {
		verdict->growth_per_s = sum;
	} else if (verdict->growth_per_s < sum) {
		fit_into(findings, verdict->n_findings, sum, least, verdict->growth_per_s);
		sum = verdict->growth_per_s;
	}
	verdict->explained = -1;
	if (!(verdict->growth_per_s > 0))
		return;
	verdict->explained = fmin(sum / verdict->growth_per_s, 1);
	verdict->unexplained_per_s = fmax(verdict->growth_per_s - sum, 0);
	if (verdict->unexplained_per_s < LEAST_LEFT * verdict->growth_per_s)
		verdict->unexplained_per_s = 0;
	for (size_t i = 0; i < verdict->n_findings; i++)
		findings[i].share = fmin(findings[i].bytes_per_s / verdict->growth_per_s, 1);
}

/* ---- the state ------------------------------------------------------------------------------ */

static bool is_early(const struct trend *trend)
{
	return trend->n_made < JUDGE_LOOKS || trend_span_s(trend) < JUDGE_EARLY_S;
}

/* More likely than not it grows, and a little more time will tell. */
static bool is_undecided(const struct verdict *verdict, const struct trend *trend,
			 const struct passing_growth *passing)
{
	double span_s = trend_span_s(trend);

	double least = verdict->least_per_s - passing->most_per_s;

	return span_s < JUDGE_TELLS_S && least > GROWTH_LEAST_PER_S &&
	       least * span_s > GROWTH_LEAST_BYTES;
}

/* Will it end by itself? Not what nothing can reach any more; the rest may be a warm-up for a
 * while. */
static bool is_leak(const struct verdict *verdict, const struct trend *trend)
{
	double span_s = trend_span_s(trend);

	for (size_t i = 0; i < verdict->n_findings; i++) {
		const struct finding *finding = &verdict->findings[i];

		if (finding->share < LEAST_LEFT)
			continue;
		if (finding->ends || (finding->cause == CAUSE_CYCLE && trend->gc.enabled))
			continue;
		if (finding->cause == CAUSE_REFERENCE || span_s >= JUDGE_SPAN_S)
			return true;
	}
	return false;
}

static void find_limit(struct verdict *verdict, const struct trend *trend)
{
	const struct trend_cgroup *cgroup = &trend->cgroup;
	double left;

	if (!cgroup->have || !cgroup->have_limit || !(verdict->growth_per_s > 0))
		return;
	left = (double)cgroup->limit_bytes - (double)(cgroup->usage_bytes - cgroup->cache_bytes);
	left = fmax(left, 0) / verdict->growth_per_s;
	if (left < LIMIT_AHEAD_S)
		verdict->limit_in_s = left;
}

static struct fmt per_minute(double per_s)
{
	struct fmt rate;

	snprintf(rate.text, sizeof(rate.text), "+%.24s/min",
		 fmt_bytes((uint64_t)(fmax(per_s, 0) * 60)).text);
	return rate;
}

/* Does all that grows have a bound of its own? */
static bool all_end(const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->n_findings; i++)
		if (!verdict->findings[i].ends)
			return false;
	return verdict->n_findings > 0 && !(verdict->unexplained_per_s > 0);
}

static struct fmt looks_in(const struct trend *trend)
{
	struct fmt text;

	snprintf(text.text, sizeof(text.text), "%llu look%s in %.20s",
		 (unsigned long long)trend->n_made, trend->n_made == 1 ? "" : "s",
		 fmt_duration(trend_span_s(trend)).text);
	return text;
}

static const char *say_growth(struct profile *profile, const struct verdict *verdict,
			      const struct trend *trend)
{
	char explained[64] = "", limit[160] = "";

	if (verdict->explained >= 0 && verdict->n_findings)
		snprintf(explained, sizeof(explained), "; %.0f %% of it explained",
			 floor(100 * verdict->explained));
	if (verdict->limit_in_s > 0)
		snprintf(limit, sizeof(limit),
			 ". The %s limit of its control group is reached in about %s",
			 fmt_bytes(trend->cgroup.limit_bytes).text,
			 fmt_duration(verdict->limit_in_s).text);
	return profile_format(
		profile, "%s%s%s%s.", per_minute(verdict->growth_per_s).text, explained,
		verdict->state != VERDICT_GROWING ? ""
		: all_end(verdict)                ? "; it ends at the bound"
				   : "; it may still be a warm-up, or a cache that fills",
		limit);
}

static void decide(struct profile *profile, struct verdict *verdict,
		   const struct passing_growth *passing, enum growth growth)
{
	const struct trend *trend = profile->trend;
	const char *fragmented = trend_finding(trend, "fragmentation");
	double span_s = trend_span_s(trend);

	if (is_early(trend) || (!verdict->n_findings && growth == GROWS_MAYBE &&
				is_undecided(verdict, trend, passing))) {
		verdict->state = VERDICT_TOO_EARLY;
		verdict->look_again_s = fmax(JUDGE_EARLY_S - span_s, is_early(trend) ? 2 : 10);
		verdict->sentence =
			profile_format(profile, "%s; look again in %s.", looks_in(trend).text,
				       fmt_duration(verdict->look_again_s).text);
		return;
	}
	if (verdict->n_findings || growth == GROWS) {
		verdict->state = is_leak(verdict, trend) ? VERDICT_LEAK : VERDICT_GROWING;
		find_limit(verdict, trend);
		if (verdict->state == VERDICT_GROWING || verdict->unexplained_per_s > 0)
			verdict->look_again_s = JUDGE_SPAN_S;
		verdict->sentence = say_growth(profile, verdict, trend);
	} else if (fragmented) {
		verdict->state = VERDICT_FRAGMENTATION;
		verdict->sentence = fragmented;
	} else {
		verdict->state = VERDICT_NO_LEAK;
		verdict->sentence = profile_format(
			profile, "Memory in use does not grow%s (%s).",
			passing->garbage_per_s > GROWTH_LEAST_PER_S
				? ", apart from garbage that the next full collection takes"
				: "",
			looks_in(trend).text);
	}
}

void judge(struct profile *profile)
{
	struct verdict *verdict;
	struct finding *findings;
	struct passing_growth passing;
	enum growth growth;

	if (!profile->trend || !profile->retention || !profile->trend->have_room)
		return;
	verdict = profile_alloc(profile, sizeof(*verdict));
	findings = profile_alloc(profile, JUDGE_FINDINGS * sizeof(*findings));
	passing = object_findings_passing(profile);
	growth = measure_growth(verdict, profile->trend);
	if (!(verdict->least_per_s - passing.most_per_s >
	      GROWTH_LEAST_PER_S + PASSING_ERROR * passing.garbage_per_s))
		growth = GROWS_NOT;
	verdict->growth_per_s -= passing.garbage_per_s + passing.tables_per_s;
	verdict->findings = findings;
	if (!is_early(profile->trend))
		verdict->n_findings = findings_collect(findings, JUDGE_FINDINGS, profile);
	reconcile(verdict, findings, growth == GROWS);
	decide(profile, verdict, &passing, growth);
	/* of what was measured as a whole; what is said may be less, or a sum of parts */
	verdict->least_per_s = fmin(verdict->least_per_s, verdict->growth_per_s);
	verdict->most_per_s = fmax(verdict->most_per_s, verdict->growth_per_s);
	profile->verdict = verdict;
}

/* ---- what is explained ---------------------------------------------------------------------- */

/* blocks of an estimate after which its line is not in doubt */
#define SEEN_ENOUGH 12
/* of the growth of a domain, what lines must explain */
#define NEARLY_ALL 0.8

static enum domain domain_of(enum finding_cause cause)
{
	switch (cause) {
	case CAUSE_C_MEMORY:
	case CAUSE_THREAD:
		return DOMAIN_MALLOC;
	case CAUSE_MAPPING:
		return DOMAIN_MMAP;
	default:
		return DOMAIN_OBJECT;
	}
}

static bool has_sure_line(const struct finding *finding)
{
	return finding->stack &&
	       (!finding->stack->estimated || finding->stack->seen >= SEEN_ENOUGH);
}

unsigned judge_explained(const struct profile *profile)
{
	const struct verdict *verdict = profile->verdict;
	double found[DOMAIN_COUNT] = {0}, lines[DOMAIN_COUNT] = {0}, grown[DOMAIN_COUNT] = {0};
	unsigned domains = 0;

	if (!verdict)
		return 0;
	for (size_t i = 0; i < verdict->n_findings; i++) {
		const struct finding *finding = &verdict->findings[i];
		enum domain domain = domain_of(finding->cause);

		found[domain] += finding->bytes_per_s;
		lines[domain] += has_sure_line(finding) ? finding->bytes_per_s : 0;
	}
	grown[DOMAIN_OBJECT] = profile->trend->rows[TREND_PART_OBJECTS].per_s +
			       profile->trend->rows[TREND_PART_PYMALLOC].per_s;
	grown[DOMAIN_MALLOC] = profile->trend->rows[TREND_PART_MALLOC].per_s;
	grown[DOMAIN_MMAP] = profile->trend->rows[TREND_PART_MAPPINGS].per_s;
	for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
		if (lines[domain] > 0 &&
		    lines[domain] >= NEARLY_ALL * fmax(grown[domain], found[domain]))
			domains |= domain_bit(domain);
	return domains;
}
