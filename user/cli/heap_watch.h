/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_watch: `pyleaktrace heap --watch PATH`, `--watch-refs PATH`: who changes the size of a
 * container, or the reference count of an object, by stack, over --for.
 *
 * Place      layer 6; called by cmd_heap.c.
 * Errors     prints one line to stderr, returns an exit code.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_WATCH_H
#define PYLEAKTRACE_CLI_HEAP_WATCH_H

#include "cli/heap_options.h"

int heap_watch(const struct heap_options *options);

#endif
