/* SPDX-License-Identifier: BSD-2-Clause
 *
 * debug_file: an ELF file without debug information -> the file that has it.
 *
 * Place      layer 3; used by native_names.
 * Source     "Debugging Information in Separate Files" of the gdb manual; .gnu_debugaltlink of
 *            dwz(1). In this order:
 *              by build id        ROOT/.build-id/ab/cdef.debug
 *              by .gnu_debuglink  next to the file, in .debug/ next to it, ROOT/folder of the file
 *            where ROOT is DEBUG_FILE_ROOT on this machine, then the same in the target's file
 *            system (a container). debuginfod servers are asked last, and only when the user has
 *            set DEBUGINFOD_URLS.
 * Shapes     what is found is believed only when it has the same build id, or where there are none
 *            the checksum of .gnu_debuglink.
 * Ownership  the caller closes the fd.
 * Errors     -1: not found.
 * Bounds     the files, their names and the folders are hostile: names are looked up below the
 *            target's root and do not leave it; only regular files are opened, nothing waits for a
 *            FIFO. debuginfod waits as long as DEBUGINFOD_TIMEOUT says.
 */
#ifndef PYLEAKTRACE_SYMBOL_DEBUG_FILE_H
#define PYLEAKTRACE_SYMBOL_DEBUG_FILE_H

#include <limits.h>

#include <libelf.h>

#define DEBUG_FILE_ROOT "/usr/lib/debug"

struct debug_file {
	int fd;
	int root;            /* the directory that path counts from; borrowed */
	char path[PATH_MAX]; /* where it was found; "" from a server */
};

struct debug_places {
	const char *host; /* DEBUG_FILE_ROOT, or another such folder */
	int own_root;     /* "/", open (O_PATH) */
	int target_root;  /* "/" as the target sees it, open (O_PATH), or -1 */
};

/*
 * Find the file with the debug information of an ELF file.
 *
 * in     path: of the file, as the target sees it
 * out    file: fd is -1 when there is none
 */
void debug_file_find(struct debug_file *file, const struct debug_places *places, Elf *elf,
		     const char *path);

/*
 * Find the file that a file with debug information shares parts with (.gnu_debugaltlink).
 *
 * in     of: where that file was found; elf: that file, open
 * out    file: fd is -1 when there is none
 */
void debug_file_find_alternate(struct debug_file *file, const struct debug_places *places,
			       const struct debug_file *of, Elf *elf);

#endif
