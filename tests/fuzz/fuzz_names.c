/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fuzz_names: hostile bytes -> names of native addresses (libFuzzer).
 *
 * Shapes     the first byte of an input says what the rest is:
 *            E  an ELF file, as if it were loaded with bias 0
 *            V  the image of a vdso
 *            S  a symbol
 * Errors     what must hold of every frame is asserted; crashes, leaks, time and memory are
 *            libFuzzer's and the sanitizers' to find. tools/fuzz-names runs it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbol/demangle.h"
#include "symbol/native_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool fits(const char *text)
{
	return !text || strlen(text) < PROFILE_STRING_MAX;
}

static void ask(const struct code_map *map, uint64_t from)
{
	struct native_names *names = native_names_new(map);
	struct profile *profile = profile_new();
	struct frame frames[NATIVE_MAX_INLINED];

	require(names && profile);
	native_names_set_debug_root(names, "/nowhere");
	for (uint64_t at = 0; at < 0x500; at += 37) {
		size_t n = native_names_lookup(names, profile, 0, from + at, at & 1, frames);

		require(n >= 1 && n <= NATIVE_MAX_INLINED);
		for (size_t i = 0; i < n; i++) {
			require(frames[i].kind == FRAME_NATIVE && frames[i].inlined == (i + 1 < n));
			require(fits(frames[i].function) && fits(frames[i].file));
			require(!frames[i].start || !frames[i].function);
		}
	}
	profile_free(profile);
	native_names_free(names);
}

static void try_file(const uint8_t *bytes, size_t size)
{
	struct code_module module = {.kind = CODE_FILE,
				     .path = (char *)"/nowhere/fuzz.so",
				     .elf = true,
				     .fd = memfd_create("fuzz", MFD_CLOEXEC),
				     .end = UINT64_MAX};
	const struct code_map map = {.pid = getpid(), .modules = &module, .n_modules = 1};

	require(module.fd >= 0 && write(module.fd, bytes, size) == (ssize_t)size);
	ask(&map, 0x1000);
	close(module.fd);
}

static void try_vdso(const uint8_t *bytes, size_t size)
{
	uint8_t *image = malloc(size);
	uint64_t start = (uint64_t)(uintptr_t)image;
	struct code_module module = {.kind = CODE_VDSO,
				     .path = (char *)"[vdso]",
				     .fd = -1,
				     .start = start,
				     .end = start + size,
				     .bias = start};
	const struct code_map map = {.pid = getpid(), .modules = &module, .n_modules = 1};

	require(image);
	memcpy(image, bytes, size);
	ask(&map, start + 0x1000);
	free(image);
}

static void try_symbol(const uint8_t *bytes, size_t size)
{
	char text[1024], *symbol = malloc(size + 1);

	require(symbol);
	memcpy(symbol, bytes, size);
	symbol[size] = '\0';
	demangle(symbol, text, sizeof(text));
	require(memchr(text, '\0', sizeof(text)));
	free(symbol);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 2)
		return 0;
	switch (bytes[0]) {
	case 'E':
		try_file(bytes + 1, size - 1);
		break;
	case 'V':
		try_vdso(bytes + 1, size - 1);
		break;
	case 'S':
		try_symbol(bytes + 1, size - 1);
		break;
	}
	return 0;
}
