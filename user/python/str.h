/* SPDX-License-Identifier: BSD-2-Clause
 *
 * str: a str object in the target -> UTF-8.
 *
 * Place      layer 2; used by python/code and python/types, and by the census.
 * Source     Include/cpython/unicodeobject.h of each version: compact ASCII, compact, and (up to
 *            3.11 also not ready) strings with their data elsewhere; rows in layout.
 * Shapes     text is UTF-8 and a C string: it is cut at the caller's buffer on a character's
 *            border, and U+0000 in it becomes U+FFFD. Surrogates that stand for an undecodable byte
 *            of a file name (PEP 383) become that byte again; other lone ones U+FFFD.
 * Errors     negative errno of the read; -EINVAL: not a str. The buffer is "" then.
 * Bounds     as many characters are read as the buffer may hold, never more.
 */
#ifndef PYLEAKTRACE_PYTHON_STR_H
#define PYLEAKTRACE_PYTHON_STR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/layout.h"

/* Contents of a str object; returns the length in bytes. size: at least 1. */
long py_str_read(pid_t pid, const struct py_layout *layout, uint64_t address, char *buffer,
		 size_t size);

/*
 * The first n characters as they are, surrogates and others that no text has too.
 *
 * out    points: maybe above U+10FFFF, where the memory is damaged; length: characters of the str
 * return how many were read, or a negative error
 */
long py_str_points(pid_t pid, const struct py_layout *layout, uint64_t address, uint32_t *points,
		   size_t n, uint64_t *length);

/*
 * The first in two steps, so that callers can read many strings in one remote_read_many(): read
 * py_str_head_length() bytes at each address, then finish; most strings are complete by then.
 */
#define PY_STR_HEAD_MAX 256

/*
 * At most PY_STR_HEAD_MAX; ends with the page, since what follows a short string may not be mapped.
 */
size_t py_str_head_length(const struct py_layout *layout, uint64_t address);

long py_str_finish(pid_t pid, const struct py_layout *layout, uint64_t address, const uint8_t *head,
		   size_t head_length, char *buffer, size_t size);

#endif
