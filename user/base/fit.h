/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fit: a series of measurements -> the straight line through it, how sure its slope is, and what
 * kind of series it is.
 *
 *     steady      goes up all the time                         a leak
 *     slowing     goes up less and less                        a warm-up, a cache that fills
 *     step        one jump                                     something was loaded
 *     sawtooth    up and down, again and again                 a collector, or requests
 *
 * A sawtooth whose lowest points rise is steady: what a collection leaves behind grows. So is what
 * slows down or has a step in the first quarter of the time, and then goes up all the time.
 *
 * Place      layer 0; pure; used by census (types), and trend (memory, threads).
 * Source     ordinary least squares; Student's t for the slope and for the bend of a parabola.
 * Units      the caller's; x may lie unevenly, in rising order.
 * Degrades   fewer than three points: no error; fewer than FIT_SHAPE_LEAST: no shape.
 * Bounds     FIT_POINTS_MAX points; no memory.
 */
#ifndef PYLEAKTRACE_BASE_FIT_H
#define PYLEAKTRACE_BASE_FIT_H

#include <stdbool.h>
#include <stddef.h>

#define FIT_POINTS_MAX  128
#define FIT_SHAPE_LEAST 5

struct fit_line {
	double slope;
	double error; /* standard error of the slope; < 0: too few points to tell */
	size_t n;
};

/* The line through n points (any number) that fits best; slope 0 when all have one x. */
struct fit_line fit_line(const double *x, const double *y, size_t n);

/* Lower end of the 90 % interval of the slope; the slope itself where there is no error. */
double fit_least(struct fit_line line);

/*
 * Does it rise, and not by chance? For what is asked of hundreds of series again and again: of
 * series that only go up and down, one in a thousand is said to rise.
 */
bool fit_rises(struct fit_line line);

/* That the slope really has its sign: 0 .. 1; -1: too few points. */
double fit_confidence(struct fit_line line);

enum fit_shape {
	FIT_UNKNOWN, /* too few points */
	FIT_STILL,   /* all points are equal */
	FIT_STEADY,
	FIT_SLOWING,
	FIT_STEP,
	FIT_SAWTOOTH,
	FIT_FALLING,
	FIT_UNCLEAR, /* none of these for sure */
};

/* "unknown", "still", "steady", ... */
const char *fit_shape_name(enum fit_shape shape);

/*
 * What kind of series it is.
 *
 * in     n: up to FIT_POINTS_MAX; cycle: how far something that makes teeth was at each point, or
 *        NULL: of the collector, what has been made since it last ran. What y has of it is taken
 *        out first: what still grows grows apart from the teeth, and is seen before they are many
 * out    line: may be NULL; of a sawtooth with rising lowest points the line through those, else
 *        that through all
 */
enum fit_shape fit_shape(const double *x, const double *y, const double *cycle, size_t n,
			 struct fit_line *line);

/* The line, with what y has of the cycle taken out before, as fit_shape() does. */
struct fit_line fit_line_without_cycle(const double *x, const double *y, const double *cycle,
				       size_t n);

/* Student's t: the probability that a value of this many degrees of freedom (>= 1) is below t. */
double fit_t_below(double t, unsigned freedom);

/*
 * Of n events that were seen: how many there may have been expected at most, the upper end of the
 * 95 % interval of a Poisson mean. Source: Wilson and Hilferty's approximation of the chi-square
 * distribution; off by less than 1 %.
 */
double fit_poisson_upper(double n);

#endif
