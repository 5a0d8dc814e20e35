/* SPDX-License-Identifier: BSD-2-Clause
 *
 * bss: a range without a file -> how much of it is the end of a program's or library's data.
 *
 * The part of the data that is all zeros at first (.bss) is mapped without a file, right behind the
 * file's last mapping; the program's own mappings may end up right behind that, in one range.
 *
 * Place      layer 1; called by the census.
 * Source     ELF gABI: program headers of the file, read where they are mapped.
 * Bounds     BSS_HEADERS program headers; two small reads of the target.
 */
#ifndef PYLEAKTRACE_TARGET_BSS_H
#define PYLEAKTRACE_TARGET_BSS_H

#include <stdint.h>
#include <sys/types.h>

#include "target/maps.h"

#define BSS_HEADERS 64

/* Where the data ends that reaches into range i; 0: none does. */
uint64_t bss_end(const struct maps *maps, size_t i);

#endif
