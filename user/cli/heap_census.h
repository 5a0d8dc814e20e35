/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_census: `pyleaktrace heap` without another view: types, or their growth.
 *
 * Place      layer 6.
 * Errors     prints one line to stderr, returns an exit code.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_CENSUS_H
#define PYLEAKTRACE_CLI_HEAP_CENSUS_H

#include "cli/heap_options.h"

int heap_census(const struct heap_options *options);

#endif
