/* SPDX-License-Identifier: BSD-2-Clause
 *
 * steer: write the planned words into the target, and put them back. The only place that writes to
 * a target.
 *
 * Each word is an aligned function pointer in the target's data. Where old and new differ in one
 * byte, that byte alone is written; else all threads are held by ptrace for the moment of the write
 * (about 0.1 ms), so that no thread can load half a pointer. A word is only written when it holds
 * what we expect, and read back after. When the tool is killed the alias stays: the target goes on
 * correctly, without the inlining.
 *
 * Place      layer 3; used by session and by `doctor --restore`.
 * Source     proc(5) /proc/PID/mem, where that may not be opened process_vm_writev(2); ptrace(2).
 * Effect     the page of each word becomes the target's own, if it shared it with a forked process:
 *            the tables lie in one or two pages.
 * Errors     -ERR_FAILED: a word holds something else, or cannot be written; whatever was written
 *            before in the same call has been put back. -ERR_PERMISSION.
 */
#ifndef PYLEAKTRACE_PROBE_STEER_H
#define PYLEAKTRACE_PROBE_STEER_H

#include <stdbool.h>

#include "probe/plan.h"

/* Write all aliases. */
int steer_apply(pid_t pid, const struct plan_word *words, unsigned n_words, struct err *err);

/* Write the plain values back where the aliases still are. Words that hold something else are left
 * alone. */
int steer_restore(pid_t pid, const struct plan_word *words, unsigned n_words, struct err *err);

/* Do all words still hold their aliases? A process that has ended has none; that says nothing:
 * true. */
bool steer_holds(pid_t pid, const struct plan_word *words, unsigned n_words);

/*
 * Which words of the runtime's tables hold an alias? (A tool steered and could not restore.)
 *
 * out    words: at least PLAN_MAX_WORDS; plain and alias filled in
 * return how many
 */
unsigned steer_find(const struct py_runtime *runtime, struct plan_word *words);

#endif
