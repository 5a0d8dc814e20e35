/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shapes: the structs of the model, as a recording has them. Which fields there are, and what each
 * means, is said in the headers of the model.
 *
 * Place      record.
 * Shapes     all of a profile but what is made from it when it is shown (selection, grouping), and
 *            the verdicts of several processes that are shown as one.
 */
#ifndef PYLEAKTRACE_RECORD_SHAPES_H
#define PYLEAKTRACE_RECORD_SHAPES_H

#include "model/profile.h"
#include "record/shape.h"

extern const struct shape shape_profile, shape_target, shape_mode;

/*
 * Bring the figures of the stacks to what a recording keeps of them: ages in ms, growth and errors
 * in whole bytes and blocks. What is shown of the profile then is what will be shown of the
 * recording.
 */
void shapes_round(struct profile *profile);

/* The same of one number. */
double shapes_rounded(const struct field *field, double value);

#endif
