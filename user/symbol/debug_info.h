/* SPDX-License-Identifier: BSD-2-Clause
 *
 * debug_info: the DWARF of an ELF file -> function, file and line of an address, and what was
 * inlined there.
 *
 * Place      layer 3; used by native_names.
 * Source     DWARF 2 to 5 through elfutils' libdw (0.188 or newer). Which unit holds an address is
 *            taken from the units themselves: not every compiler writes .debug_aranges.
 * Shapes     an address has one source_frame for each function that was inlined there, innermost
 *            first, and then the function that holds them. file:line of the first is the address's
 *            own, that of the others is where the one before was called.
 * Ownership  names are borrowed from the debug_info.
 * Errors     none: what is damaged or missing gives fewer frames.
 * Bounds     the file is hostile; its DWARF is read into memory (debug_image.h). DEBUG_INFO_RANGES
 *            ranges, DEBUG_INFO_DEPTH scopes; DEBUG_INFO_NS of CPU time for all lookups together,
 *            looked at between calls of libdw: then the rest stays without lines. No other file is
 *            opened: split units (.dwo) have lines, but no inlined functions.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_SYMBOL_DEBUG_INFO_H
#define PYLEAKTRACE_SYMBOL_DEBUG_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libelf.h>

#define DEBUG_INFO_RANGES (2u << 20)
#define DEBUG_INFO_DEPTH  64
#define DEBUG_INFO_NS     10000000000ull

struct debug_info; /* opaque */

struct source_frame {
	const char *function; /* as the linker knows it, or by its plain name; NULL: not known */
	const char *file;     /* NULL: not known */
	uint32_t line;        /* 0: not known */
	bool inlined;
	uint64_t start; /* of the contiguous part of the function; when it is not inlined */
	bool entry;     /* that part begins with the function's entry */
};

/* A file with debug information. */
struct debug_source {
	Elf *elf;
	int fd;
};

/*
 * in     alternate: what .gnu_debugaltlink of the file names, or NULL. Both may be closed
 *        afterwards.
 * return NULL: there is no DWARF that can be read
 */
struct debug_info *debug_info_new(const struct debug_source *source,
				  const struct debug_source *alternate);
void debug_info_free(struct debug_info *info);

/*
 * in     out: room for `room` (at least 1) frames; if there are more, the one that holds them stays
 *        and those nearest to it are left out
 * return number of frames; 0: the address is in no unit
 */
size_t debug_info_find(struct debug_info *info, uint64_t vaddr, struct source_frame *out,
		       size_t room);

#endif
