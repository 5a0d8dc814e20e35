/* SPDX-License-Identifier: BSD-2-Clause
 *
 * roots: a grouped profile -> the same with each stack's group as its first frame, for formats that
 * draw stacks as a tree.
 *
 * Place      layer 5, private to export.
 * Shapes     stacks begin with a frame of FRAME_GROUP: "module numpy", "thread worker-3 (tid
 *            4711)", "pid 4242 (python3 app.py)". Groups by line and function are no roots: the
 *            line is in the stacks already, at their leaves.
 * Ownership  roots_new() gives; profile_free() frees. The profile that was given must live longer.
 * Bounds     as many frames again as the profile has.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_ROOTS_H
#define PYLEAKTRACE_EXPORT_ROOTS_H

#include "model/group.h"
#include "model/profile.h"

/* NULL: memory is out. The profile must be grouped. */
struct profile *roots_new(const struct profile *profile);

#endif
