/* SPDX-License-Identifier: BSD-2-Clause
 *
 * locate: the mappings of a process -> the file that holds CPython, and the C library.
 *
 * Place      layer 2; called by runtime.
 * Source     the symbols that every CPython exports to its extension modules; file names prove
 *            nothing (a program that embeds Python is called what it likes), they only say where to
 *            look first.
 * Ownership  the modules are filled here and unloaded by the caller.
 * Errors     -ERR_TARGET: no supported interpreter in it; the sentence says what it is instead.
 * Bounds     LOCATE_MAX_FILES mapped files are looked at.
 */
#ifndef PYLEAKTRACE_PYTHON_LOCATE_H
#define PYLEAKTRACE_PYTHON_LOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "target/maps.h"
#include "target/module.h"
#include "target/process.h"

#define LOCATE_MAX_FILES 1024

int py_locate_python(struct module *python, const struct maps *maps, const struct process *process,
		     struct err *err);

/*
 * The C library: a file of its own, or (static linking) the program itself.
 *
 * out    is_musl: musl, else glibc
 */
int py_locate_libc(struct module *libc, bool *is_musl, const struct maps *maps,
		   const struct process *process, struct err *err);

/*
 * Address of the malloc that the interpreter calls, as its loader has bound it; 0: not known (it
 * has not been called yet). It need not be libc's.
 */
uint64_t py_locate_malloc(const struct module *python, const struct maps *maps);

/*
 * Address of a variable of the interpreter. When the program was linked against a shared libpython,
 * the linker may have moved the variable into the program (copy relocation): that copy is the one
 * in use.
 */
uint64_t py_locate_data(const struct module *python, const struct maps *maps,
			const struct process *process, const char *name);

#endif
