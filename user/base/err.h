/* SPDX-License-Identifier: BSD-2-Clause
 *
 * err: the first function that knows a cause reports it, once; its callers pass it on.
 *
 * Place      layer 0; used everywhere; only user/cli prints an error.
 * Shapes     one struct err on the caller's stack holds one sentence and one code. The code is the
 *            exit code that the program would end with, so no caller translates it.
 * Ownership  the text lives in the struct; nothing to free.
 * Errors     every function that takes a struct err returns 0 or what err_set() returned (negative
 *            code), unless its header says otherwise.
 * Example    if (fd < 0)
 *                    return err_set(err, ERR_PERMISSION, "%s: %s; run as root", path,
 *                    strerror(errno));
 */
#ifndef PYLEAKTRACE_BASE_ERR_H
#define PYLEAKTRACE_BASE_ERR_H

#include <stdbool.h>

enum err_code {
	ERR_NONE = 0,
	ERR_FAILED = 1,      /* failed while running */
	ERR_TARGET = 2,      /* no such process, or not a CPython that is supported */
	ERR_THRESHOLD = 3,   /* a threshold given by the user was crossed */
	ERR_USAGE = 64,      /* the command line is wrong */
	ERR_KERNEL = 69,     /* the kernel lacks something, named in the text */
	ERR_PERMISSION = 77, /* a missing capability or setting, named in the text */
};

struct err {
	enum err_code code;
	/* one sentence with subject and remedy, no line break; cut at the end when longer */
	char text[512];
};

#define ERR_INIT             \
	{                    \
		ERR_NONE, "" \
	}

/*
 * Set code and sentence in one statement. A second call replaces the first.
 *
 * in     err: may be NULL (the caller does not care why)
 * return -code
 */
int err_set(struct err *err, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * What the user can do about an errno that tells of a limit of this shell or machine: "; raise
 * ulimit -n" of too many files, "; raise ulimit -v, or free memory" of no memory; else "".
 */
const char *err_remedy(int error);

/* Is it such a limit, and so no lack of the kernel's and nothing about the target? */
bool err_is_limit(int error);

/*
 * Put words before the sentence that is already there ("python3.9 (pid 7): ..."); the code stays.
 *
 * return -code, as err_set() did
 */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
