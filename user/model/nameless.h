/* SPDX-License-Identifier: BSD-2-Clause
 *
 * nameless: the files whose C functions stand in a report without names -> a sentence that says
 * where to get them.
 *
 * Place      layer 1; used by view and export.
 * Shapes     only what readers see and could name is counted: frames without a function of stacks
 *            that are sure to be outstanding, in files without symbols (frame.stripped); of the
 *            interpreter only leaves, as others of its frames are left out of most reports.
 * Bounds     NAMELESS_FILES are named. Not escaped: the bytes of the target.
 */
#ifndef PYLEAKTRACE_MODEL_NAMELESS_H
#define PYLEAKTRACE_MODEL_NAMELESS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/profile.h"

#define NAMELESS_FILES 3

/* return false: there are none; text is "" */
bool nameless_sentence(const struct profile *profile, char *text, size_t size);

#endif
