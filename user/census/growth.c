/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/growth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The line through n points that fits best. */
struct line {
	double slope;
	double error; /* standard error of the slope; < 0: too few points to tell */
};

static struct line fit(const double *x, const double *y, size_t n)
{
	double mean_x = 0, mean_y = 0, xx = 0, xy = 0, rest = 0;
	struct line line = {0, -1};

	for (size_t i = 0; i < n; i++) {
		mean_x += x[i] / (double)n;
		mean_y += y[i] / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		xx += (x[i] - mean_x) * (x[i] - mean_x);
		xy += (x[i] - mean_x) * (y[i] - mean_y);
	}
	if (!(xx > 0))
		return line;
	line.slope = xy / xx;
	if (n < 3)
		return line;
	for (size_t i = 0; i < n; i++) {
		double off = y[i] - mean_y - line.slope * (x[i] - mean_x);

		rest += off * off;
	}
	line.error = sqrt(rest / (double)(n - 2) / xx);
	return line;
}

/*
 * The closed sums for whole degrees of freedom (Abramowitz and Stegun, Handbook of Mathematical
 * Functions, 26.7.3 and 26.7.4).
 */
double growth_t_below(double t, unsigned freedom)
{
	double angle = atan(fabs(t) / sqrt((double)freedom)), cos2 = cos(angle) * cos(angle);
	double term, sum = 0, inside;
	unsigned first = freedom % 2 ? 3 : 2;

	if (freedom == 1) {
		inside = 2 * angle / M_PI;
	} else {
		term = freedom % 2 ? cos(angle) : 1;
		for (unsigned k = first; k <= freedom; k += 2) {
			sum += term;
			term *= cos2 * (double)(k - 1) / (double)k;
		}
		inside = freedom % 2 ? 2 / M_PI * (angle + sin(angle) * sum) : sin(angle) * sum;
	}
	return t >= 0 ? (1 + inside) / 2 : (1 - inside) / 2;
}

/* The t below which 95 % lie. */
static double t_95(unsigned freedom)
{
	double low = 0, high = 7;

	for (int i = 0; i < 40; i++) {
		double middle = (low + high) / 2;

		if (growth_t_below(middle, freedom) < 0.95)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static double least(struct line line, double t)
{
	return line.error < 0 ? line.slope : line.slope - t * line.error;
}

static double confidence(struct line line, size_t n)
{
	if (line.error < 0)
		return -1;
	if (line.slope == 0)
		return 0;
	/* points that all lie on the line leave no doubt */
	if (line.error <= fabs(line.slope) * 1e-9)
		return 1;
	return 2 * growth_t_below(fabs(line.slope) / line.error, (unsigned)n - 2) - 1;
}

static bool changes(const double *values, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (values[i] != values[0])
			return true;
	return false;
}

static void measure(struct heap_growth_row *row, struct heap_scan *const *scans, size_t n,
		    const double *minutes, double t)
{
	double counts[GROWTH_SCANS_MAX], bytes[GROWTH_SCANS_MAX];
	struct line line;
	int64_t first_count = 0, first_bytes = 0;

	for (size_t i = 0; i < n; i++) {
		const struct heap_type *type = heap_scan_find(scans[i], row->name);

		counts[i] = type ? (double)type->count : 0;
		bytes[i] = type ? (double)type->bytes : 0;
		row->count = type ? type->count : 0;
		row->bytes = type ? type->bytes : 0;
		if (!i) {
			first_count = (int64_t)row->count;
			first_bytes = (int64_t)row->bytes;
		}
	}
	row->count_delta = (int64_t)row->count - first_count;
	row->bytes_delta = (int64_t)row->bytes - first_bytes;
	line = fit(minutes, counts, n);
	row->count_per_min = line.slope;
	row->least_count_per_min = least(line, t);
	row->confidence = confidence(line, n);
	line = fit(minutes, bytes, n);
	if (!changes(counts, n)) { /* only larger: what is sure of that? */
		row->count_per_min = row->least_count_per_min = 0;
		row->confidence = confidence(line, n);
	}
	if (!changes(bytes, n))
		return;
	row->bytes_per_min = line.slope;
	row->least_bytes_per_min = least(line, t);
}

/* Every name once, from the last scan that has it. */
static void collect_names(struct heap_growth *growth, struct heap_scan *const *scans, size_t n)
{
	for (size_t i = n; i--;) {
		for (size_t j = 0; j < scans[i]->n_types; j++) {
			const char *name = scans[i]->types[j].name;
			bool later = false;

			for (size_t k = i + 1; k < n && !later; k++)
				later = heap_scan_find(scans[k], name);
			if (!later)
				growth->rows[growth->n_rows++].name = name;
		}
	}
}

struct heap_growth *growth_measure(struct heap_scan *const *scans, size_t n_scans)
{
	struct heap_growth *growth = calloc(1, sizeof(*growth));
	double minutes[GROWTH_SCANS_MAX], t = n_scans > 2 ? t_95((unsigned)n_scans - 2) : 0;
	size_t most = 1;

	for (size_t i = 0; i < n_scans; i++) {
		most += scans[i]->n_types;
		minutes[i] = (scans[i]->at_s - scans[0]->at_s) / 60;
	}
	if (growth)
		growth->rows = calloc(most, sizeof(*growth->rows));
	if (!growth || !growth->rows) {
		free(growth);
		return NULL;
	}
	collect_names(growth, scans, n_scans);
	growth->n_scans = n_scans;
	growth->span_s = minutes[n_scans - 1] * 60;
	for (size_t i = 0; i < growth->n_rows; i++)
		measure(&growth->rows[i], scans, n_scans, minutes, t);
	heap_growth_sort(growth, HEAP_BY_BYTES);
	return growth;
}
