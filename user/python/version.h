/* SPDX-License-Identifier: BSD-2-Clause
 *
 * version: the file that holds CPython -> which CPython that is.
 *
 * Place      layer 2; called by locate and runtime.
 * Source     Py_Version (3.11+), _Py_DebugOffsets (3.13+), the text that Py_GetVersion builds
 *            (all), names of the file (all); PY_VERSION_HEX of Include/patchlevel.h.
 * Shapes     hex as in sys.hexversion: major, minor, micro, level (a, b, c or f) and serial. Its
 *            low 16 bits are 0 when only major.minor is known; text is "3.9" then, else as in
 *            sys.version, "3.15.0b1"; behind it a "t" when the build is free-threaded.
 * Bounds     reads the target's memory and the file; no state.
 */
#ifndef PYLEAKTRACE_PYTHON_VERSION_H
#define PYLEAKTRACE_PYTHON_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "target/module.h"

struct py_version {
	uint32_t hex;
	char text[32];
	bool free_threaded;
};

#define PY_VERSION_MAJOR(hex) ((hex) >> 24)
#define PY_VERSION_MINOR(hex) ((hex) >> 16 & 0xff)

/*
 * in     runtime: address of _PyRuntime in the target, 0 when there is none
 * return false when nothing says the version
 */
bool py_version_find(struct py_version *version, const struct module *module, pid_t pid,
		     uint64_t runtime);

/* "3.9.18 (main, ...", "3.15.0b1", "3.13.0rc2+", "3.9" -> version; false when it is not such a
 * text. */
bool py_version_parse(struct py_version *version, const char *text);

/* The reverse: text from hex. */
void py_version_format(struct py_version *version);

/* "3.6 to 3.15 and 3.13t to 3.15t", from the rows of layout. */
#define PY_VERSION_RANGE_BYTES 64
void py_version_supported(char *buffer, size_t size);

#endif
