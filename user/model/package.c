/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/package.h"

#include <ctype.h>
#include <string.h>

#define FROZEN "<frozen "

/* ---- paths ---------------------------------------------------------------------------------- */

/* A piece of text that is not terminated. */
struct piece {
	const char *text;
	size_t length;
};

static bool is(struct piece piece, const char *text)
{
	return strlen(text) == piece.length && !memcmp(piece.text, text, piece.length);
}

static bool ends_with(struct piece piece, const char *end)
{
	size_t n = strlen(end);

	return piece.length > n && !memcmp(piece.text + piece.length - n, end, n);
}

/* The component that begins here; what follows it is "" or begins with a slash. */
static struct piece component(const char *path)
{
	return (struct piece){path, strcspn(path, "/")};
}

static const char *after(struct piece component)
{
	const char *rest = component.text + component.length;

	return rest + strspn(rest, "/");
}

/* python3.12, python3.13t, python312.zip */
static bool is_stdlib_folder(struct piece piece)
{
	size_t i = strlen("python3");

	if (piece.length <= i || memcmp(piece.text, "python3", i))
		return false;
	if (piece.text[i] == '.')
		i++;
	else if (!ends_with(piece, ".zip"))
		return false;
	if (i == piece.length || !isdigit((unsigned char)piece.text[i]))
		return false;
	while (i < piece.length && isdigit((unsigned char)piece.text[i]))
		i++;
	if (i < piece.length && piece.text[i] == 't')
		i++;
	return i == piece.length || (ends_with(piece, ".zip") && i == piece.length - 4);
}

/* What is below the last site-packages or dist-packages, eggs opened; NULL when there is none. */
static const char *below_site(const char *path)
{
	const char *found = NULL;
	struct piece at;

	for (; *path; path = after(at)) {
		at = component(path);
		if ((is(at, "site-packages") || is(at, "dist-packages")) && *after(at))
			found = after(at);
	}
	if (found && ends_with(component(found), ".egg") && *after(component(found)))
		found = after(component(found));
	return found;
}

/* What is below lib/python3.N, or in "<frozen ...>"; NULL when there is none. */
static const char *below_stdlib(const char *path)
{
	struct piece before = {"", 0}, at;

	if (!strncmp(path, FROZEN, strlen(FROZEN)))
		return path + strlen(FROZEN);
	for (; *path; path = after(at), before = at) {
		at = component(path);
		if ((is(before, "lib") || is(before, "lib64")) && is_stdlib_folder(at) &&
		    *after(at)) {
			path = after(at);
			return is(component(path), "lib-dynload") && *after(component(path))
				       ? after(component(path))
				       : path;
		}
	}
	return NULL;
}

/* The first name of a path below such a folder: of a folder, or of a file up to its first dot. */
static struct piece first_name(const char *path)
{
	struct piece first = component(path);

	if (first.text[first.length] == '/') {
		if (ends_with(first, ".libs"))
			first.length -= strlen(".libs");
	} else if (strcspn(path, ".>")) {
		first.length = strcspn(path, ".>");
	}
	return first;
}

/* ---- ELF files of no package -------------------------------------------------------------- */

/*
 * Is it the file `stem`, whatever stands behind that: a version, a variant? Both "libc.so.6" and
 * "libc-2.31.so" are libc; "libcap.so" is not.
 */
static bool is_file_of(const char *base, const char *stem)
{
	size_t n = strlen(stem);

	return !strncmp(base, stem, n) && (!base[n] || base[n] == '.' || base[n] == '-');
}

static bool is_runtime(const char *base)
{
	static const char *const stems[] = {
		/* libc, its parts and the dynamic linker, of glibc and musl; the kernel's page */
		"libc", "libpthread", "libdl", "librt", "libm", "ld", "[vdso]", "linux-vdso",
		/* of compilers */
		"libstdc++", "libc++", "libc++abi", "libgcc_s",
		/* allocators in place of libc's */
		"libjemalloc", "libtcmalloc", "libtcmalloc_minimal", "libtcmalloc_debug",
		"libtcmalloc_minimal_debug", "libtcmalloc_and_profiler", "libmimalloc",
		"libsnmallocshim", "librpmallocwrap", "libhoard",
		/* what calls a function for someone else */
		"libffi", "_ctypes", "_cffi_backend"};

	for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++)
		if (is_file_of(base, stems[i]))
			return true;
	return false;
}

/* The file that holds the interpreter, or a program that only starts it. */
static bool is_interpreter(const char *base, const char *interpreter)
{
	const char *rest = base + strlen("python3");

	if (interpreter && !strcmp(base, interpreter))
		return true;
	if (!strncmp(base, "libpython3", strlen("libpython3")))
		return true;
	if (strncmp(base, "python3", strlen("python3")))
		return false;
	return !*rest || (*rest == '.' && isdigit((unsigned char)rest[1]));
}

/* ---- packages ------------------------------------------------------------------------------- */

const char *package_kind_name(enum package_kind kind)
{
	static const char *const names[] = {"package", "stdlib",  "application",
					    "library", "no-file", "interpreter",
					    "runtime", "gap",     "none"};

	return (unsigned)kind <= PACKAGE_NONE ? names[kind] : "none";
}

static struct package made(enum package_kind kind, struct piece name)
{
	return (struct package){kind, name.text, name.length};
}

static struct piece whole(const char *text)
{
	return (struct piece){text, strlen(text)};
}

/* The folder of a file; of one that is named without a folder, the file itself. */
static struct piece folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!slash)
		return whole(file);
	return (struct piece){file, slash == file ? 1 : (size_t)(slash - file)};
}

static bool installed_or_stdlib(const char *path, struct package *package)
{
	const char *rest = below_site(path);

	if (rest) {
		*package = made(PACKAGE_INSTALLED, first_name(rest));
		return true;
	}
	rest = below_stdlib(path);
	if (rest)
		*package = made(PACKAGE_STDLIB, first_name(rest));
	return rest;
}

static struct package of_native(const struct frame *frame, const char *interpreter)
{
	const char *base = frame->module;
	struct package package;

	if (!base || !*base)
		return (struct package){.kind = PACKAGE_NONE};
	if (is_interpreter(base, interpreter))
		return made(PACKAGE_INTERPRETER, whole(base));
	if (is_runtime(base))
		return made(PACKAGE_RUNTIME, whole(base));
	if (frame->path && installed_or_stdlib(frame->path, &package))
		return package;
	/* what is no file has no path, and a name that says so: "generated code", "[heap]" */
	if (!frame->path && (*base == '[' || strchr(base, ' ')))
		return made(PACKAGE_NO_FILE, whole(base));
	return made(PACKAGE_LIBRARY, whole(base));
}

static struct package of_python(const struct frame *frame)
{
	const char *file = frame->file;
	struct package package;

	if (!file || !*file)
		return (struct package){.kind = PACKAGE_NONE};
	if (installed_or_stdlib(file, &package))
		return package;
	if (*file == '<')
		return made(PACKAGE_NO_FILE, whole(file));
	return made(PACKAGE_APPLICATION, folder_of(file));
}

struct package package_of(const struct frame *frame, const char *interpreter)
{
	if (frame->kind == FRAME_PYTHON)
		return of_python(frame);
	if (frame->kind == FRAME_NATIVE)
		return of_native(frame, interpreter);
	if (!frame->function || !*frame->function)
		return (struct package){.kind = PACKAGE_NONE};
	return made(PACKAGE_GAP, whole(frame->function));
}

bool package_is_own(const struct frame *frame)
{
	return frame->kind == FRAME_PYTHON && of_python(frame).kind > PACKAGE_STDLIB;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* Does the path begin with the dotted name, and end there or go on with a new part? */
static bool begins_with(const char *path, const char *name)
{
	for (; *name; name++, path++)
		if (*path != *name && !(*path == '/' && *name == '.'))
			return false;
	return !*path || *path == '/' || *path == '.' || *path == '>';
}

bool package_has(const struct frame *frame, const char *name)
{
	const char *path = frame->kind == FRAME_PYTHON ? frame->file : frame->path, *rest;

	if (frame->kind == FRAME_GAP || !*name)
		return false;
	if (frame->kind == FRAME_NATIVE && frame->module && begins_with(frame->module, name))
		return true;
	if (!path)
		return false;
	rest = below_site(path);
	if (!rest)
		rest = below_stdlib(path);
	if (rest)
		return begins_with(rest, name);
	if (frame->kind == FRAME_NATIVE)
		return false;
	/* where the packages of an application begin cannot be known: each folder may be one */
	if (begins_with(path, name))
		return true;
	for (; *path; path = after(component(path)))
		if (begins_with(path, name))
			return true;
	return false;
}
