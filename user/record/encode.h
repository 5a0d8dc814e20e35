/* SPDX-License-Identifier: BSD-2-Clause
 *
 * encode: a struct of the model -> JSON, by its shape.
 *
 * Place      record; called by recorder.
 * Ownership  the value is the caller's.
 * Errors     NULL, or names->failed: memory is out.
 */
#ifndef PYLEAKTRACE_RECORD_ENCODE_H
#define PYLEAKTRACE_RECORD_ENCODE_H

#include "record/names.h"

/* An object with the fields that are not zero. */
json_t *encode(struct names_out *names, const struct shape *shape, const void *from);

#endif
