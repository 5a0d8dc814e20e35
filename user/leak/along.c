/* SPDX-License-Identifier: BSD-2-Clause */
#include "leak/along.h"

#include <math.h>
#include <string.h>

/* Bytes of memory that comes with each thread: the guard of its stack, what libc keeps for it; on
 * Linux 6.18 with glibc 2.36 up to 12,000. */
#define WITH_A_THREAD 16384

/*
 * With each interpreter: PyInterpreterState and its allocator's state (100 to 460 KiB), tables of
 * dicts and types, what the modules in C keep; and objects that only data of CPython leads to, or
 * that are immortal.
 */
#define WITH_AN_INTERPRETER    (1u << 20)
#define OBJECTS_OF_INTERPRETER (128u << 10)

/* Rates that are alike: one for each thread. */
#define ALIKE 0.25

static bool comes_with_threads(const struct finding *finding, double threads_per_s)
{
	switch (finding->cause) {
	case CAUSE_C_MEMORY:
	case CAUSE_MAPPING:
	case CAUSE_PYMALLOC:
		return finding->bytes_per_s < WITH_A_THREAD * threads_per_s;
	case CAUSE_CONTAINER: /* evidence[1]: items a minute */
	case CAUSE_REFERENCE: /* C code holds what the thread was started with */
		return (!finding->path || !*finding->path ||
			strncmp(finding->path, "threading.", 10) == 0) &&
		       fabs(finding->evidence[1].value / 60 - threads_per_s) <
			       ALIKE * threads_per_s;
	default:
		return false;
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Nothing of the program's own holds it: data of CPython does, or a class that interpreters share,
 * which knows those that derive from it. */
static bool is_of_cpython(const struct finding *finding)
{
	return !finding->path || !*finding->path || strncmp(finding->path, "data of ", 8) == 0 ||
	       strncmp(finding->path, "the interpreter", 15) == 0 ||
	       ends_with(finding->path, ".__subclasses__");
}

static bool comes_with_interpreters(const struct finding *finding, double interpreters_per_s)
{
	switch (finding->cause) {
	case CAUSE_C_MEMORY:
	case CAUSE_MAPPING:
	case CAUSE_PYMALLOC:
		return finding->bytes_per_s < WITH_AN_INTERPRETER * interpreters_per_s;
	case CAUSE_CONTAINER:
	case CAUSE_REFERENCE:
		return is_of_cpython(finding) &&
		       finding->bytes_per_s < OBJECTS_OF_INTERPRETER * interpreters_per_s;
	default:
		return false;
	}
}

/* What came along was made by whom the others were made, too. */
static void add(struct finding *to, const struct finding *from)
{
	to->bytes_per_s += from->bytes_per_s;
	to->least_per_s += from->least_per_s;
	to->most_per_s += from->most_per_s;
	if (to->cause != CAUSE_INTERPRETER || to->stack || !from->stack)
		return;
	to->stack = from->stack;
	to->where = from->where;
}

size_t along_absorb(struct finding *findings, size_t n, enum finding_cause cause, double per_s)
{
	struct finding *to = NULL;
	size_t left = 0;

	for (size_t i = 0; i < n && !to; i++)
		if (findings[i].cause == cause)
			to = &findings[i];
	for (size_t i = 0; to && i < n; i++) {
		if (!(cause == CAUSE_THREAD ? comes_with_threads
					    : comes_with_interpreters)(&findings[i], per_s)) {
			findings[left++] = findings[i];
			continue;
		}
		add(to, &findings[i]);
	}
	return to ? left : n;
}
