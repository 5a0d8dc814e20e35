/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fit.h"

#include <math.h>

#define TOOTH        0.3   /* of the range: smaller ups and downs are noise on a line */
#define STEP_SHARE   0.6   /* of the whole rise in one interval: a step */
#define FLOOR_RISE   0.1   /* of the range: lowest points that rise by less are level */
#define TROUGHS_MIN  3     /* fewer lowest points prove nothing */
#define START        0.25  /* of the time: what came in it and no later is the start */
#define LATER_POINTS 64    /* of the whole time, at most: of those after the start */
#define LATER_LEAST  16    /* fewer prove nothing */
#define CHANCE       0.001 /* that fit_rises() is wrong */
/* share of a cycle's ups and downs that time explains as well: from there on the two cannot be
 * distinguished */
#define TOO_ALIKE 0.8

/* ---- the line ------------------------------------------------------------------------------- */

static double mean(const double *values, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i] / (double)n;
	return sum;
}

struct fit_line fit_line(const double *x, const double *y, size_t n)
{
	double mean_x = mean(x, n), mean_y = mean(y, n), xx = 0, xy = 0, rest = 0;
	struct fit_line line = {0, -1, n};

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
double fit_t_below(double t, unsigned freedom)
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

		if (fit_t_below(middle, freedom) < 0.95)
			low = middle;
		else
			high = middle;
	}
	return high;
}

double fit_least(struct fit_line line)
{
	return line.error < 0 ? line.slope : line.slope - t_95((unsigned)line.n - 2) * line.error;
}

bool fit_rises(struct fit_line line)
{
	if (!(line.slope > 0) || line.error < 0)
		return false;
	return line.error <= line.slope * 1e-9 ||
	       fit_t_below(line.slope / line.error, (unsigned)line.n - 2) > 1 - CHANCE;
}

double fit_confidence(struct fit_line line)
{
	if (line.error < 0)
		return -1;
	if (line.slope == 0)
		return 0;
	/* points that all lie on the line leave no doubt */
	if (line.error <= fabs(line.slope) * 1e-9)
		return 1;
	return 2 * fit_t_below(fabs(line.slope) / line.error, (unsigned)line.n - 2) - 1;
}

/* ---- the shape ------------------------------------------------------------------------------ */

const char *fit_shape_name(enum fit_shape shape)
{
	static const char *const names[] = {
		[FIT_UNKNOWN] = "unknown", [FIT_STILL] = "still",     [FIT_STEADY] = "steady",
		[FIT_SLOWING] = "slowing", [FIT_STEP] = "step",       [FIT_SAWTOOTH] = "sawtooth",
		[FIT_FALLING] = "falling", [FIT_UNCLEAR] = "unclear",
	};

	return names[shape];
}

/* Runs of a series in one direction, as far as they are longer than a threshold. */
struct legs {
	unsigned up, down;
	size_t troughs[FIT_POINTS_MAX]; /* where a run down ended and one up began */
	size_t n_troughs;
};

/*
 * Follow the series; a turn counts when the way back is longer than the threshold. The first point
 * is a trough when the series sets out upwards from it.
 */
static void find_legs(struct legs *legs, const double *y, size_t n, double threshold)
{
	size_t low = 0, high = 0; /* since the last turn */
	int direction = 0;

	*legs = (struct legs){0};
	for (size_t i = 1; i < n; i++) {
		low = y[i] < y[low] ? i : low;
		high = y[i] > y[high] ? i : high;
		if (direction <= 0 && y[i] - y[low] > threshold) {
			legs->troughs[legs->n_troughs++] = low;
			legs->up++;
			direction = 1;
			high = i;
		} else if (direction >= 0 && y[high] - y[i] > threshold) {
			legs->down++;
			direction = -1;
			low = i;
		}
	}
}

/* The lowest points of a sawtooth, as a line: does it rise for sure? */
static bool floor_rises(const struct legs *legs, const double *x, const double *y, double least,
			struct fit_line *line)
{
	double floor_x[FIT_POINTS_MAX], floor_y[FIT_POINTS_MAX];

	if (legs->n_troughs < TROUGHS_MIN)
		return false;
	for (size_t i = 0; i < legs->n_troughs; i++) {
		floor_x[i] = x[legs->troughs[i]];
		floor_y[i] = y[legs->troughs[i]];
	}
	*line = fit_line(floor_x, floor_y, legs->n_troughs);
	return floor_y[legs->n_troughs - 1] - floor_y[0] >= least && fit_rises(*line);
}

/* ---- a cycle that is known ------------------------------------------------------------------ */

/*
 * How much y rises with the cycle, on top of the line over x: the coefficient c of y = a + b x + c
 * cycle that fits best. By what is left of the cycle when its own line over x is taken away.
 *
 * out    widen: how many times larger the error of b is than without the cycle
 * return 0: it does not for sure, or cycle and x cannot be distinguished
 */
static double share_of_cycle(const double *x, const double *y, const double *cycle, size_t n,
			     double *widen)
{
	double left[FIT_POINTS_MAX], mean_x = mean(x, n), mean_y = mean(y, n);
	double mean_cycle = mean(cycle, n), all = 0, qq = 0, qy = 0, rest = 0, c, error;
	struct fit_line of_cycle = fit_line(x, cycle, n), line;

	for (size_t i = 0; i < n; i++) {
		left[i] = cycle[i] - mean_cycle - of_cycle.slope * (x[i] - mean_x);
		all += (cycle[i] - mean_cycle) * (cycle[i] - mean_cycle);
		qq += left[i] * left[i];
		qy += left[i] * (y[i] - mean_y);
	}
	if (!(qq > (1 - TOO_ALIKE) * all))
		return 0;
	c = qy / qq;
	line = fit_line(x, y, n);
	for (size_t i = 0; i < n; i++) {
		double off = y[i] - mean_y - line.slope * (x[i] - mean_x) - c * left[i];

		rest += off * off;
	}
	error = sqrt(rest / (double)(n - 3) / qq);
	*widen = sqrt(all / qq);
	if (!(c > 0))
		return 0;
	return error <= c * 1e-9 || fit_t_below(c / error, (unsigned)n - 3) > 0.99 ? c : 0;
}

/*
 * Does the series bend down for sure, so that it ends with less than half the slope that it began
 * with? By the parabola y = a + b u + c (u^2 - k u - m) that fits best, u from the mean of x; k and
 * m make the three terms independent of each other, so that each coefficient is found alone.
 */
static bool bends_down(const double *x, const double *y, size_t n, struct fit_line line)
{
	double mean_x = mean(x, n), mean_y = mean(y, n), s2 = 0, s3 = 0, k, m, qq = 0, qy = 0;
	double c, rest = 0, error, first, last;

	for (size_t i = 0; i < n; i++) {
		double u = x[i] - mean_x;

		s2 += u * u;
		s3 += u * u * u;
	}
	k = s3 / s2;
	m = s2 / (double)n;
	for (size_t i = 0; i < n; i++) {
		double u = x[i] - mean_x, q = u * u - k * u - m;

		qq += q * q;
		qy += q * y[i];
	}
	if (!(qq > 0))
		return false;
	c = qy / qq;
	for (size_t i = 0; i < n; i++) {
		double u = x[i] - mean_x, q = u * u - k * u - m;
		double off = y[i] - mean_y - line.slope * u - c * q;

		rest += off * off;
	}
	error = sqrt(rest / (double)(n - 3) / qq);
	first = line.slope + c * (2 * (x[0] - mean_x) - k);
	last = line.slope + c * (2 * (x[n - 1] - mean_x) - k);
	if (!(c < 0) || last > first / 2)
		return false;
	return error <= fabs(c) * 1e-9 || fit_t_below(-c / error, (unsigned)n - 3) > 0.95;
}

/* Most of the rise came in one interval, which is a small part of the time. */
static bool is_step(const double *x, const double *y, size_t n, double range)
{
	for (size_t i = 1; i < n; i++) {
		double rise = (y[i] - y[i - 1]) / range;

		if (rise >= STEP_SHARE && (x[i] - x[i - 1]) / (x[n - 1] - x[0]) < rise / 2)
			return true;
	}
	return false;
}

/*
 * y without what it has of the cycle.
 *
 * in     cycle: NULL: there is none
 * out    widen: as above
 * return false: it has nothing of it
 */
static bool take_out(double *rest, const double *x, const double *y, const double *cycle, size_t n,
		     double *widen)
{
	double c = cycle ? share_of_cycle(x, y, cycle, n, widen) : 0;

	for (size_t i = 0; c > 0 && i < n; i++)
		rest[i] = y[i] - c * cycle[i];
	return c > 0;
}

static double range_of(const double *values, size_t n)
{
	double low = values[0], high = values[0];

	for (size_t i = 1; i < n; i++) {
		low = fmin(low, values[i]);
		high = fmax(high, values[i]);
	}
	return high - low;
}

/* line: through all points, on the way in */
static enum fit_shape shape_of_all(const double *x, const double *y, size_t n, double range,
				   double widen, struct fit_line *line)
{
	struct legs legs;

	find_legs(&legs, y, n, TOOTH * range);
	if (legs.up && legs.down) {
		struct fit_line lowest;

		if (!floor_rises(&legs, x, y, FLOOR_RISE * range, &lowest))
			return FIT_SAWTOOTH;
		*line = lowest;
		line->error *= widen;
		return FIT_STEADY;
	}
	if (line->slope < 0)
		return fit_confidence(*line) > 0.9 ? FIT_FALLING : FIT_UNCLEAR;
	if (is_step(x, y, n, range))
		return FIT_STEP;
	if (bends_down(x, y, n, *line))
		return FIT_SLOWING;
	return fit_rises(*line) ? FIT_STEADY : FIT_UNCLEAR;
}

/*
 * What slows down or had a step, and then goes on steadily for most of the time, is steady: what
 * was loaded at the start would hide a slow growth for hours. By points that lie about evenly: of a
 * long series the latest are the closest together, and would be most of what is left.
 */
static bool is_steady_later(const double *x, const double *y, size_t n, double widen,
			    struct fit_line *line)
{
	double later_x[FIT_POINTS_MAX], later_y[FIT_POINTS_MAX], span = x[n - 1] - x[0];
	struct fit_line later;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (x[i] - x[0] < START * span ||
		    (kept && x[i] - later_x[kept - 1] < span / LATER_POINTS))
			continue;
		later_x[kept] = x[i];
		later_y[kept++] = y[i];
	}
	if (kept < LATER_LEAST)
		return false;
	later = fit_line(later_x, later_y, kept);
	later.error *= widen;
	if (shape_of_all(later_x, later_y, kept, range_of(later_y, kept), widen, &later) !=
	    FIT_STEADY)
		return false;
	*line = later;
	return true;
}

static enum fit_shape shape_of(const double *x, const double *y, size_t n, double range,
			       double widen, struct fit_line *line)
{
	enum fit_shape shape = shape_of_all(x, y, n, range, widen, line);

	if ((shape == FIT_STEP || shape == FIT_SLOWING) && is_steady_later(x, y, n, widen, line))
		return FIT_STEADY;
	return shape;
}

enum fit_shape fit_shape(const double *x, const double *y, const double *cycle, size_t n,
			 struct fit_line *line)
{
	double rest[FIT_POINTS_MAX], widen = 1, range;
	struct fit_line own;

	line = line ? line : &own;
	*line = fit_line(x, y, n);
	if (n < FIT_SHAPE_LEAST || n > FIT_POINTS_MAX || !(x[n - 1] > x[0]))
		return FIT_UNKNOWN;
	range = range_of(y, n);
	if (!(range > 0))
		return FIT_STILL;
	if (!take_out(rest, x, y, cycle, n, &widen))
		return shape_of(x, y, n, range, 1, line);
	*line = fit_line(x, rest, n);
	line->error *= widen;
	/* nothing is left but what computing leaves */
	if (range_of(rest, n) < 1e-9 * range)
		return FIT_SAWTOOTH;
	return shape_of(x, rest, n, range_of(rest, n), widen, line);
}

struct fit_line fit_line_without_cycle(const double *x, const double *y, const double *cycle,
				       size_t n)
{
	double rest[FIT_POINTS_MAX], widen;
	struct fit_line line;

	if (n < FIT_SHAPE_LEAST || n > FIT_POINTS_MAX || !take_out(rest, x, y, cycle, n, &widen))
		return fit_line(x, y, n);
	line = fit_line(x, rest, n);
	line.error *= widen;
	return line;
}

double fit_poisson_upper(double n)
{
	double k = n + 1, root = 1 - 1 / (9 * k) + 1.96 / (3 * sqrt(k));

	return k * root * root * root;
}
