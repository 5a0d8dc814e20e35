/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/demangle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

/* libiberty's own declaration of basename() differs from glibc's */
#define HAVE_DECL_BASENAME 1
#include <libiberty/demangle.h>

/* Where the demanglers put their text, piece by piece. */
struct sink {
	char *text;
	size_t size, used;
	jmp_buf full;
};

/*
 * A demangler cannot be made to stop; it is left with a jump. That loses nothing: the C++ one
 * keeps all on the stack, Rust's allocates (and may lose) one small array, in identifiers that are
 * not ASCII.
 */
static void put(const char *piece, size_t length, void *opaque)
{
	struct sink *sink = opaque;
	size_t room = sink->size - 1 - sink->used;

	if (!length) /* then piece may be NULL */
		return;
	memcpy(sink->text + sink->used, piece, length < room ? length : room);
	if (length > room) {
		memcpy(sink->text + sink->size - sizeof("..."), "...", sizeof("..."));
		longjmp(sink->full, 1);
	}
	sink->used += length;
	sink->text[sink->used] = '\0';
}

/* return false when the name is of neither scheme, or is damaged */
static bool try_all(const char *name, struct sink *sink)
{
	if (setjmp(sink->full))
		return true;
	/* Rust first: its legacy scheme looks like C++ */
	if (rust_demangle_callback(name, DMGL_RUST, put, sink) && sink->used)
		return true;
	sink->used = 0;
	return cplus_demangle_v3_callback(name, DMGL_ANSI, put, sink) && sink->used;
}

static void copy(char *text, size_t size, const char *name)
{
	size_t length = strnlen(name, size);

	if (length < size) {
		memcpy(text, name, length + 1);
		return;
	}
	memcpy(text, name, size - sizeof("..."));
	memcpy(text + size - sizeof("..."), "...", sizeof("..."));
}

const char *demangle(const char *symbol, char *text, size_t size)
{
	char name[DEMANGLE_MAX + 1];
	size_t length = strnlen(symbol, sizeof(name));
	const char *version;
	struct sink sink = {.text = text, .size = size};

	if (length == sizeof(name)) {
		copy(text, size, symbol);
		return text;
	}
	memcpy(name, symbol, length + 1);
	version = length ? strchr(name + 1, '@') : NULL;
	if (version)
		name[version - name] = '\0';
	if (!try_all(name, &sink))
		copy(text, size, name);
	return text;
}
