/* SPDX-License-Identifier: BSD-2-Clause
 *
 * json_parts: parts of a profile -> JSON values, for json.c and for the data inside the page
 * (html.c).
 *
 * Place      layer 5, private to export.
 * Source     pyleaktrace-2.schema.json.
 * Ownership  each function gives a new reference, or NULL when memory is out.
 * Degrades   what the profile does not have is absent; numbers that JSON cannot write (infinite,
 *            not a number) are 0; counts above INT64_MAX are INT64_MAX; bytes that are not UTF-8
 *            become U+FFFD.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_JSON_PARTS_H
#define PYLEAKTRACE_EXPORT_JSON_PARTS_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "model/profile.h"

/* Digits of a real number; seconds and rates need no more. */
#define JSON_PARTS_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(10))

json_t *json_part_target(const struct profile_target *target);
json_t *json_part_targets(const struct profile *profile); /* only when profile->n_targets */
json_t *json_part_mode(const struct profile *profile);
json_t *json_part_totals(const struct profile *profile);
json_t *json_part_selection(const struct profile *profile);       /* only of some modules */
json_t *json_part_group(const struct profile *profile, size_t i); /* only of a grouped profile */
json_t *json_part_frame(const struct frame *frame);
json_t *json_part_frames(const struct stack *stack); /* an array, root first */
json_t *json_part_stack(const struct profile *profile, size_t i);
json_t *json_part_cost(const struct profile *profile); /* only when profile->have_cost */
json_t *json_part_native_gaps(const struct profile *profile);
json_t *json_part_losses(const struct profile *profile);

/* "2026-02-03T14:03:07.123Z" */
json_t *json_part_time(const struct profile *profile);

json_t *json_part_text(const char *text); /* not NULL */
json_t *json_part_count(uint64_t count);
json_t *json_part_real(double value);

/*
 * Put a value under a name. The value is taken, also on failure. A value NULL, which every function
 * above gives when memory is out, makes the object useless: it is freed and NULL.
 */
void json_part_set(json_t **object, const char *name, json_t *value);

/* The same for an array. */
void json_part_append(json_t **array, json_t *value);

/*
 * Write a value behind some bytes, and free it: one at a time, so that a document of many rows
 * never is in memory a second time. failed: set where memory is out; a stream that fails is left to
 * its owner.
 */
void json_part_dump(FILE *out, const char *before, json_t *value, bool *failed);

#endif
