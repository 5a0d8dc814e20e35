/* SPDX-License-Identifier: BSD-2-Clause
 *
 * roots: a profile with groups or findings -> the same with each stack's group, and the finding
 * whose stack it is, as its first frames, for formats that draw stacks as a tree.
 *
 * Place      layer 5, private to export.
 * Shapes     stacks begin with a frame of FRAME_GROUP: "module numpy", "thread worker-3 (tid
 *            4711)", "pid 4242 (python3 app.py)", "container app.cache.SESSIONS". The group is
 *            outside of the finding; other stacks than a finding's stay as they are. Groups by line
 * and function are no roots: the line is in the stacks already, at their leaves. Ownership
 * roots_new() gives; profile_free() frees. The profile that was given must live longer. Bounds as
 * many frames again as the profile has, and two for each stack. Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_ROOTS_H
#define PYLEAKTRACE_EXPORT_ROOTS_H

#include "model/group.h"
#include "model/profile.h"

/* Is there a stack that gets a root? */
bool roots_are_needed(const struct profile *profile, bool findings);

/* in  findings: they become roots, too. NULL: memory is out. */
struct profile *roots_new(const struct profile *profile, bool findings);

#endif
