/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cold_parts: parts of functions that the compiler put elsewhere (`.cold`) -> the functions that
 * they belong to.
 *
 * Place      layer 3; used by unnamed.
 * Source     x86-64: the jumps with 32-bit displacements that lead from a function into a stretch
 *            which the unwind information describes as one whose frame is already set up: no
 *            function begins so (unwind_function.called). Where two functions jump into one part,
 *            it is neither's.
 * Shapes     one number for each of the unwind_functions: of the function that it is a part of.
 * Ownership  cold_parts_find() allocates; the caller frees.
 * Errors     NULL: not x86-64, or out of memory.
 * Bounds     the file is hostile: ELF_WORDS_BYTES of functions are looked at, and
 *            COLD_PARTS_DECODED are decoded to see whether a jump is one.
 */
#ifndef PYLEAKTRACE_SYMBOL_COLD_PARTS_H
#define PYLEAKTRACE_SYMBOL_COLD_PARTS_H

#include <stdint.h>

#include "symbol/elf_words.h"
#include "unwind/functions.h"

#define COLD_PARTS_NONE    UINT32_MAX
#define COLD_PARTS_DECODED (64ull << 20)

uint32_t *cold_parts_find(const struct elf_words *words, const struct unwind_functions *functions);

#endif
