/* SPDX-License-Identifier: BSD-2-Clause
 *
 * package: a frame -> the package that its code belongs to, by the path of its file.
 *
 * Place      layer 1; used by group, and by cli for --module.
 * Source     where packages are installed: Python's documentation of site and sysconfig; bundled
 *            libraries of wheels (NAME.libs): auditwheel's.
 * Shapes     an installed package is the first folder or file below the last site-packages or
 *            dist-packages of the path: "numpy" of .../site-packages/numpy/core/_core.so and of
 *            .../site-packages/numpy.libs/libopenblas-0cf96a72.so. The name is that of the folder,
 *            which is not always the one that pip knows (sklearn and scikit_learn.libs).
 *            A module of the standard library is the first folder or file below lib/python3.N.
 *            Any other Python file belongs to the folder that it is in.
 * Ownership  names point into the frame's own strings.
 * Degrades   no files are looked at: a package whose path says nothing of all that (a zip file, a
 *            checkout that is on sys.path) counts as the application's.
 * Bounds     no memory; time is linear in the length of the path.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_MODEL_PACKAGE_H
#define PYLEAKTRACE_MODEL_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/profile.h"

/* In the order in which they decide whose a stack is: the first four do, wherever they stand. */
enum package_kind {
	PACKAGE_INSTALLED,
	PACKAGE_STDLIB,
	PACKAGE_APPLICATION, /* a folder of Python files */
	PACKAGE_LIBRARY,     /* an ELF file elsewhere */
	PACKAGE_NO_FILE,     /* code without a file: "<string>", generated machine code */
	PACKAGE_INTERPRETER,
	PACKAGE_RUNTIME, /* what allocates or calls for others: libc, ld.so, allocators, libffi */
	PACKAGE_GAP,     /* name: why there is no frame */
	PACKAGE_NONE,    /* no name */
};

/* "package", "stdlib", "application", "library", "no-file", "interpreter", "runtime", "gap",
 * "none" */
const char *package_kind_name(enum package_kind kind);

struct package {
	enum package_kind kind;
	const char *name; /* of `length` bytes, not terminated; NULL with length 0 */
	size_t length;
};

/* Does a package of this kind decide whose a stack is? */
static inline bool package_decides(enum package_kind kind)
{
	return kind <= PACKAGE_LIBRARY;
}

/* Is it code of the program's authors: Python that is neither installed nor of the standard
 * library? */
bool package_is_own(const struct frame *frame);

/* interpreter: base name of the ELF file that holds it (profile_target.python_module), or NULL */
struct package package_of(const struct frame *frame, const char *interpreter);

/*
 * Is the frame of the module `name`, or of one below it?
 *
 * in     name: a package or module as Python names it ("numpy", "numpy.core", "json.decoder"), the
 *        base name of an ELF file, whole or up to one of its dots ("libcrypto.so.3", "libcrypto"),
 *        or whatever package_of() calls it
 */
bool package_has(const struct frame *frame, const char *name);

#endif
