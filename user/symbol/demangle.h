/* SPDX-License-Identifier: BSD-2-Clause
 *
 * demangle: a symbol as the linker knows it -> the name that its source has.
 *
 * Place      layer 3; used by native_names.
 * Source     libiberty: the Itanium C++ ABI, Rust's legacy and v0 schemes.
 * Shapes     a version ("memcpy@@GLIBC_2.14") is left off first. C++ functions come without their
 *            parameters ("ns::f"), Rust's without their hashes. What is in none of these schemes
 *            stays as it is.
 * Bounds     the name is hostile: one of more than DEMANGLE_MAX bytes stays as it is, libiberty's
 *            limit on recursion is on, and what grows beyond the room given is cut, with "..." at
 *            its end (short names can stand for texts of any length).
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_SYMBOL_DEMANGLE_H
#define PYLEAKTRACE_SYMBOL_DEMANGLE_H

#include <stddef.h>

#define DEMANGLE_MAX 4096

/*
 * Write the name for people.
 *
 * out    text: terminated; size at least 16
 * return text
 */
const char *demangle(const char *symbol, char *text, size_t size);

#endif
