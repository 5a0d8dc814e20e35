/* SPDX-License-Identifier: BSD-2-Clause
 *
 * group: the stacks of a profile -> groups of them, by what they have in common; and which stacks
 * there are at all.
 *
 * Place      layer 1; called by cli when a profile is complete and sorted; read by view and export.
 * Shapes     every stack is in one group. What stacks have in common:
 *              line      the innermost line of Python
 *              function  the innermost function of Python, by name and file
 *              module    the package (model/package.h) of the innermost frame that is not of the
 *                        runtime: neither of libc, ld.so, an allocator, libstdc++, libffi nor of
 *                        the interpreter. Where there is no such frame, the most specific one.
 *              thread    the thread
 *              pid       the process
 *            A stack without Python goes by its innermost frame of C that is not of the runtime,
 *            else of the interpreter, else by its innermost frame.
 *            Groups are in the order that was asked for, ties by title; those with nothing
 *            outstanding are last.
 * Units      as in struct stack. share is of all outstanding bytes of the profile, of stacks that
 *            were not selected too.
 * Ownership  all of it lives in the profile.
 * Errors     none; the program ends when memory is out, as with profile_alloc().
 * Bounds     memory is proportional to the number of stacks.
 * Threads    one at a time per profile.
 * Example    profile_select(profile, names, n_names);
 *            profile_sort(profile, ORDER_SIZE);
 *            profile_group(profile, GROUP_MODULE, ORDER_SIZE);
 */
#ifndef PYLEAKTRACE_MODEL_GROUP_H
#define PYLEAKTRACE_MODEL_GROUP_H

#include "model/package.h"
#include "model/profile.h"

enum group_by {
	GROUP_STACK, /* no groups */
	GROUP_LINE,
	GROUP_FUNCTION,
	GROUP_MODULE,
	GROUP_THREAD,
	GROUP_PID,
	GROUP_BY_COUNT,
};

/* "stack", "line", "function", "module", "thread", "pid" */
const char *group_by_name(enum group_by by);

struct group {
	const char *title;  /* "numpy", "remember (/srv/app/cache.py:41)", "worker-3 (tid 4711)" */
	struct frame frame; /* line, function: what they have in common; without a stack's: a gap */
	struct package package; /* module */
	const char *elf_name; /* module: the ELF file whose frames decided in all stacks; or NULL */
	struct stack sum; /* the figures; domain, frames, thread and pid are the largest stack's */
	unsigned domains; /* bits of enum domain: of the stacks with something outstanding */
	size_t n_stacks;  /* those with something outstanding */
	size_t largest;   /* index of the stack that is first in the order */
	double share;     /* 0 .. 1 */
};

struct grouping {
	enum group_by by;
	struct group *groups;
	size_t n_groups;
	const size_t *of_stack; /* of_stack[i]: index of the group of profile->stacks[i] */
};

/*
 * Set profile->grouping. The stacks have to be sorted in the same order, and must not be moved
 * afterwards. GROUP_STACK: there is none.
 */
void profile_group(struct profile *profile, enum group_by by, enum profile_order order);

/*
 * Keep the stacks that have a frame of one of the modules (package_has()); take the others out and
 * say so in profile->selection. With n_modules 0 all stay.
 *
 * in     modules: borrowed as long as the profile lives
 */
void profile_select(struct profile *profile, const char *const *modules, size_t n_modules);

#endif
