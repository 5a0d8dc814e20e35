/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_held: `pyleaktrace heap --holders`, `--chain` and `--backrefs`: who holds what.
 *
 * Place      layer 6; called by cmd_heap.c, and by heap_census.c for holders that grow.
 * Errors     heap_held() prints them to stderr and returns an exit code.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_HELD_H
#define PYLEAKTRACE_CLI_HEAP_HELD_H

#include "census/reach.h"
#include "cli/heap_options.h"
#include "census/heap_target.h"
#include "model/heap_graph.h"

int heap_held(const struct heap_options *options);

/*
 * Scan, search, and find what the options ask for.
 *
 * in     reach: zero; scans: earlier ones, oldest first, for the growth of holders
 * out    held: to be freed with heap_held_fini(); reach: with reach_fini(); also after a failure
 */
int heap_held_find(struct heap_held *held, struct reach *reach, const struct heap_options *options,
		   struct heap_target *heap, struct heap_scan *const *scans, size_t n_scans,
		   struct err *err);

#endif
