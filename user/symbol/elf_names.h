/* SPDX-License-Identifier: BSD-2-Clause
 *
 * elf_names: one loaded ELF file -> the functions and lines of its addresses.
 *
 * Place      layer 3; used by native_names, which remembers what is found here.
 * Source     elfutils' libdwfl: symbol tables, .gnu_debugdata, separate debug files, DWARF's inlined subroutines.
 * Units      addresses in the target.
 * Ownership  elf_names_open()/elf_names_close(). Text given to the callback is valid during the call.
 * Errors     elf_names_open(): NULL. Else none: what is damaged gives less of a name.
 * Bounds     names up to ELF_NAMES_TEXT_MAX bytes are demangled and kept, longer ones are cut.
 */
#ifndef PYLEAKTRACE_SYMBOL_ELF_NAMES_H
#define PYLEAKTRACE_SYMBOL_ELF_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define ELF_NAMES_TEXT_MAX 4096

struct elf_names; /* opaque */

/*
 * in     fd: the file, duplicated; name: for messages of the library; bias: address = vaddr + bias
 *        root: of the target ("/proc/PID/root"), where its separate debug files are looked for, too
 */
struct elf_names *elf_names_open(int fd, const char *name, uint64_t bias, const char *root);
void elf_names_close(struct elf_names *names);

struct elf_name {
	const char *function; /* demangled, or NULL */
	const char *file;     /* or NULL */
	const char *near;     /* without function: the one that begins before it, or NULL */
	uint32_t line;        /* 0: not known */
	uint64_t offset;      /* into the function, or link-time address */
	bool inlined;
};

/* Names of one address: `found` is called once for each frame, leaf first, at least once, at most `most` times. */
void elf_names_find(struct elf_names *names, uint64_t address, unsigned most,
		    void (*found)(void *context, const struct elf_name *name), void *context);

#endif
