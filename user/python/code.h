/* SPDX-License-Identifier: BSD-2-Clause
 *
 * code: a code object in the target -> function name, file, and the line of a bytecode position.
 *
 * Place      layer 2; used by symbol.
 * Source     Objects/codeobject.c, Objects/lnotab_notes.txt (3.6-3.10),
 *            InternalDocs/code_objects.md (3.11+).
 * Shapes     py_code is a private copy; nothing points into the target.
 * Units      position: code units (2 bytes) from the start of the bytecode; lines 1-based, 0 =
 *            none.
 * Ownership  py_code_read() allocates, py_code_fini() frees.
 * Errors     negative errno of the read; -EINVAL: not a code object, or its fields are implausible.
 * Bounds     names and file names at most PY_CODE_NAME_MAX bytes of UTF-8, cut; line tables at most
 *            1 MiB.
 */
#ifndef PYLEAKTRACE_PYTHON_CODE_H
#define PYLEAKTRACE_PYTHON_CODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/layout.h"
#include "python/runtime.h"

#define PY_CODE_NAME_MAX 1024

struct py_code {
	char *name; /* co_qualname where the version has it, else co_name */
	char *filename;
	int32_t first_line;
	int32_t first_traceable; /* code units; before it traceback shows no frame; 0 up to 3.10 */
	enum line_table line_table;
	uint8_t *lines;
	size_t n_lines;
	/*
	 * the three facts by which an address is known to be still the same code object
	 * (abi/frame.h)
	 */
	uint64_t name_addr, filename_addr;
};

int py_code_read(struct py_code *code, pid_t pid, const struct py_runtime *runtime,
		 uint64_t address);
void py_code_fini(struct py_code *code);

/* Line of this position; 0 when the table gives none (callers then show first_line). Pure. */
uint32_t py_code_line(const struct py_code *code, uint32_t position);

#endif
