/* SPDX-License-Identifier: BSD-2-Clause
 *
 * native_names: addresses of machine code -> function, source line, module.
 *
 * Place      layer 3; used by symbolizer.
 * Source     ELF symbol tables, .gnu_debugdata, DWARF (of the file, or of a separate debug file found by build id
 *            or .gnu_debuglink), all through elfutils' libdwfl. debuginfod is asked only when the user has set
 *            DEBUGINFOD_URLS. C++ and Rust names are demangled.
 * Shapes     one address gives one frame and, where functions were inlined there, one for each of them: leaf
 *            first. frame.kind is FRAME_NATIVE; with nothing but the module known, function is NULL and offset
 *            counts from the module's load bias (the link-time address, which addr2line takes). A symbol names
 *            an address only when its size covers it; in a file without local symbols function is NULL then, and
 *            frame.near names the function that begins before it. Generated code has module "generated code".
 * Ownership  strings are interned in the profile handed in. The cache is native_names' own.
 * Errors     none: what cannot be read gives less of a name.
 * Bounds     NATIVE_NAMES_MAX addresses remembered, NATIVE_MODULES_OPEN files open at a time; the files are
 *            hostile. Debug information of a file is opened when its first address is asked for.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_SYMBOL_NATIVE_NAMES_H
#define PYLEAKTRACE_SYMBOL_NATIVE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "model/profile.h"
#include "target/code_map.h"

#define NATIVE_NAMES_MAX    262144
#define NATIVE_MODULES_OPEN 64
/* frames that one address can become; what is inlined deeper is left out at the root end */
#define NATIVE_MAX_INLINED 8

struct native_names;

/* map: borrowed, must live longer; may grow meanwhile. */
struct native_names *native_names_new(const struct code_map *map);
void native_names_free(struct native_names *names);

/*
 * Name one address.
 *
 * in     module: its id in the code map, or CODE_NO_MODULE
 *        exact: the address is the instruction itself; else it is a return address, and the call before it is meant
 * out    frames: room for NATIVE_MAX_INLINED, leaf first
 * return number of frames, at least 1
 */
size_t native_names_lookup(struct native_names *names, struct profile *profile, uint32_t module,
			   uint64_t address, bool exact, struct frame *frames);

#endif
