/* SPDX-License-Identifier: BSD-2-Clause
 *
 * debug_image: an ELF file -> its DWARF in memory, so that a hostile one cannot lead libdw astray.
 *
 * Place      layer 3; used by debug_info.
 * Source     ELF gABI (compressed sections); .zdebug_ sections as older linkers wrote them.
 * Shapes     an ELF image with the sections that names and lines need, unpacked, and nothing else.
 *            Behind each of them are DEBUG_IMAGE_GAP bytes of zero: libdw (0.188) takes strings to
 *            their end without looking for the end of their section.
 * Ownership  debug_image_load() allocates, debug_image_free() frees; the file may be closed in
 *            between.
 * Errors     false: there is no .debug_info, or it cannot be read.
 * Bounds     DEBUG_IMAGE_MAX bytes; a file that promises more has none. Sections are read, never
 *            mapped.
 */
#ifndef PYLEAKTRACE_SYMBOL_DEBUG_IMAGE_H
#define PYLEAKTRACE_SYMBOL_DEBUG_IMAGE_H

#include <stdbool.h>

#include <libelf.h>

#define DEBUG_IMAGE_MAX (256ull << 20)
#define DEBUG_IMAGE_GAP 64

struct debug_image {
	Elf *elf;
	char *bytes;
};

/* in     fd: of the same file */
bool debug_image_load(struct debug_image *image, Elf *elf, int fd);
void debug_image_free(struct debug_image *image); /* accepts a zeroed struct */

#endif
