/* SPDX-License-Identifier: BSD-2-Clause
 *
 * native_names: addresses of machine code -> function, source line, module.
 *
 * Place      layer 3; used by symbolizer.
 * Source     ELF symbol tables (elf_symbols.h), .gnu_debugdata (mini_debug.h), DWARF
 *            (debug_info.h), of the file or of its separate debug file (debug_file.h); of the vdso
 *            what is in the target's memory. C++ and Rust names are demangled (demangle.h). Where
 *            none of these has a name: the unwind information and CPython's tables (unnamed.h), the
 *            procedure linkage table (plt.h).
 * Shapes     one address gives one frame and, where functions were inlined there, one for each of
 *            them: leaf first. frame.kind is FRAME_NATIVE; with nothing but the module known,
 *            function is NULL and offset counts from the module's load bias (the link-time address,
 *            which addr2line takes). A symbol names an address when its size covers it, or when
 *            both lie in one function by the unwind information. A function without one is named
 *            for what CPython calls it for ("list.append"), a part of one that lies elsewhere is
 *            "NAME.cold", an entry of the linkage table "malloc@plt"; else function is NULL, and
 *            frame.start is where it begins. Offsets are those of the address itself, also where it
 *            is a return address, as debuggers have it; function and line are those of the call.
 *            Code that no file is behind has module "generated code" and no path; its offset, as
 *            that of a file that is no ELF file or could not be opened, is the address.
 * Ownership  strings are interned in the profile handed in. The cache is native_names' own.
 * Errors     none: what cannot be read gives less of a name.
 * Bounds     NATIVE_NAMES_MAX addresses and NATIVE_NAMES_BYTES of names remembered (beyond that all
 *            are forgotten and looked up again), NATIVE_MODULES_OPEN files open at a time, with
 *            their debug information if they have any: a file is opened when its first address is
 *            asked for, and closed when nothing new was asked for in NATIVE_NAMES_IDLE lookups. The
 *            files are hostile: nothing in them makes us wait, and what they may cost is bounded
 *            where they are read.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_SYMBOL_NATIVE_NAMES_H
#define PYLEAKTRACE_SYMBOL_NATIVE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "model/profile.h"
#include "target/code_map.h"

#define NATIVE_NAMES_MAX    262144
#define NATIVE_NAMES_BYTES  (64u << 20)
#define NATIVE_NAMES_IDLE   16384
#define NATIVE_MODULES_OPEN 32
#define NATIVE_KNOWN        8
/* frames that one address can become; where more is inlined, what lies between the innermost and
 * the function itself is left out */
#define NATIVE_MAX_INLINED 8

struct native_names;

/* map: borrowed, must live longer; may grow meanwhile. */
struct native_names *native_names_new(const struct code_map *map);
void native_names_free(struct native_names *names);

/* Look below this folder, which must live as long, instead of DEBUG_FILE_ROOT. Before the first
 * lookup. */
void native_names_set_debug_root(struct native_names *names, const char *folder);

/* A function by its address in the target, and its name where no symbol has one; "": none. */
struct native_known {
	uint64_t start;
	char name[16];
};

/* known: NATIVE_KNOWN of them. Before the first lookup. */
void native_names_set_known(struct native_names *names, const struct native_known *known);

/*
 * Name one address.
 *
 * in     module: its id in the code map, or CODE_NO_MODULE exact: the address is the instruction
 *        itself; else it is a return address, and the call before it is meant
 * out    frames: room for NATIVE_MAX_INLINED, leaf first
 * return number of frames, at least 1
 */
size_t native_names_lookup(struct native_names *names, struct profile *profile, uint32_t module,
			   uint64_t address, bool exact, struct frame *frames);

#endif
