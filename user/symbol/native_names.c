/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/native_names.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "symbol/demangle.h"
#include "symbol/native_module.h"
#include "symbol/plt.h"

struct key {
	uint64_t address;
	uint32_t module;
	uint32_t exact;
};

/* An address with its names; lives in the store, with all that it points to. */
struct known {
	struct key key;
	const struct frame *frames;
	size_t n;
	UT_hash_handle hh;
};

struct open_module {
	uint32_t id;
	uint64_t used; /* when, counted in lookups; 0: this place is free */
	struct native_module module;
};

struct native_names {
	const struct code_map *map;
	struct debug_places places;
	struct native_known given[NATIVE_KNOWN];
	struct open_module open[NATIVE_MODULES_OPEN];
	uint64_t lookups;
	unsigned idle; /* known addresses asked for since the last that was not */
	struct known *known;
	struct profile *store; /* strings and frames of what is known */
	size_t store_bytes;    /* at most; equal strings are counted each time */
};

/* ---- what is known -------------------------------------------------------------------------- */

struct native_names *native_names_new(const struct code_map *map)
{
	struct native_names *names = calloc(1, sizeof(*names));
	char root[32];

	if (!names)
		return NULL;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)map->pid);
	names->map = map;
	names->places.host = DEBUG_FILE_ROOT;
	names->places.own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	names->places.target_root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	names->store = profile_new();
	if (!names->store) {
		native_names_free(names);
		return NULL;
	}
	return names;
}

static void forget_all(struct native_names *names)
{
	HASH_CLEAR(hh, names->known);
	profile_free(names->store);
	names->store = NULL;
	names->store_bytes = 0;
}

static void close_module(struct open_module *open)
{
	if (open->used)
		native_module_close(&open->module);
	open->used = 0;
}

static void close_modules(struct native_names *names)
{
	for (int i = 0; i < NATIVE_MODULES_OPEN; i++)
		close_module(&names->open[i]);
}

void native_names_free(struct native_names *names)
{
	if (!names)
		return;
	close_modules(names);
	forget_all(names);
	if (names->places.own_root >= 0)
		close(names->places.own_root);
	if (names->places.target_root >= 0)
		close(names->places.target_root);
	free(names);
}

void native_names_set_debug_root(struct native_names *names, const char *folder)
{
	names->places.host = folder;
}

void native_names_set_known(struct native_names *names, const struct native_known *known)
{
	memcpy(names->given, known, sizeof(names->given));
}

static const char *keep(struct native_names *names, const char *text)
{
	if (text)
		names->store_bytes += strlen(text) + 1;
	return profile_str(names->store, text, -1);
}

/* ---- modules -------------------------------------------------------------------------------- */

/* The module, opened when it is not: in the place of the one that was not used for longest. */
static struct native_module *get_module(struct native_names *names, uint32_t id)
{
	struct open_module *place = &names->open[0];

	names->lookups++;
	for (int i = 0; i < NATIVE_MODULES_OPEN; i++) {
		struct open_module *open = &names->open[i];

		if (open->used && open->id == id) {
			open->used = names->lookups;
			return &open->module;
		}
		if (open->used < place->used)
			place = open;
	}
	close_module(place);
	native_module_open(&place->module, &names->map->modules[id], names->map->pid,
			   &names->places);
	place->id = id;
	place->used = names->lookups;
	return &place->module;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- naming --------------------------------------------------------------------------------- */

static const char *readable(struct native_names *names, const char *symbol)
{
	char text[PROFILE_STRING_MAX];

	return symbol && *symbol ? keep(names, demangle(symbol, text, sizeof(text))) : NULL;
}

/* A name with what says what kind of name it is. */
static const char *marked(struct native_names *names, const char *name, const char *mark)
{
	char text[PROFILE_STRING_MAX];

	snprintf(text, sizeof(text), "%.*s%s", (int)(sizeof(text) - strlen(mark) - 1), name, mark);
	return keep(names, text);
}

/* The function, or the part of one, that holds an address, by the unwind information. */
static const struct unwind_function *function_at(struct native_module *module, uint64_t vaddr)
{
	if (module->fd < 0 || !module->elf)
		return NULL;
	unnamed_load(&module->unnamed, module->elf, module->fd);
	return unnamed_function(&module->unnamed, vaddr);
}

/*
 * The symbol for an address. One that does not say where it ends, or ends before, is the function's
 * when it lies in it.
 */
static const struct elf_function *symbol_of(struct native_module *module, uint64_t pc)
{
	const struct elf_function *below, *symbol = elf_symbols_find(&module->symbols, pc, &below);
	const struct unwind_function *function;

	if (symbol && symbol->sized)
		return symbol;
	function = function_at(module, pc);
	if (!symbol)
		return below && function && below->start >= function->start ? below : NULL;
	if (function)
		return symbol->start >= function->start ? symbol : NULL;
	return function_at(module, symbol->start) ? NULL : symbol;
}

/* What is known of a function that begins there, by its symbol or what CPython calls it for. */
static const char *name_of_start(struct native_names *names, const struct native_module *module,
				 uint64_t start)
{
	const struct elf_function *below,
		*symbol = elf_symbols_find(&module->symbols, start, &below);

	if (symbol && symbol->start == start)
		return readable(names, symbol->name);
	for (int i = 0; i < NATIVE_KNOWN; i++)
		if (*names->given[i].name && names->given[i].start == start + module->bias)
			return keep(names, names->given[i].name);
	return keep(names, api_tables_find(&module->unnamed.tables, start));
}

/* Of a function without a symbol: what it is for, or where it begins. */
static void describe_function(struct native_names *names, struct native_module *module,
			      uint64_t vaddr, uint64_t pc, struct frame *out)
{
	const struct unwind_function *function = function_at(module, pc), *owner;
	uint64_t start;
	const char *target = plt_target(module->elf, pc, &start);

	if (target && *target) {
		out->function = marked(names, readable(names, target), "@plt");
		out->offset = vaddr - start;
		return;
	}
	if (!function)
		return;
	owner = unnamed_owner(&module->unnamed, function);
	if (owner)
		out->function = name_of_start(names, module, owner->start);
	if (out->function)
		out->function = marked(names, out->function, ".cold");
	else if (function->called)
		out->function = name_of_start(names, module, function->start);
	if (out->function)
		out->offset = vaddr - function->start;
	else
		out->start = function->start;
}

/*
 * Function and offset of the frame that is no inlined one, from the symbols; else from the debug
 * information; else from what CPython does with it.
 *
 * in     source: what the debug information says, or NULL
 * return false when no function holds the address
 */
static bool name_function(struct native_names *names, struct native_module *module, uint64_t vaddr,
			  uint64_t pc, const struct source_frame *source, struct frame *out)
{
	const struct elf_function *symbol = symbol_of(module, pc);

	out->offset = vaddr;
	if (symbol) {
		out->function = readable(names, symbol->name);
		out->offset = vaddr - symbol->start;
	} else if (source && source->function && source->entry) {
		out->function = readable(names, source->function);
		out->offset = vaddr - source->start;
	} else if (module->elf) {
		describe_function(names, module, vaddr, pc, out);
		out->stripped = module->stripped;
	}
	return symbol || (source && source->function);
}

/* return number of frames */
static size_t name_in_module(struct native_names *names, uint32_t id, uint64_t vaddr, uint64_t pc,
			     struct frame *out)
{
	struct native_module *module = get_module(names, id);
	struct source_frame sources[NATIVE_MAX_INLINED];
	size_t n =
		module->info ? debug_info_find(module->info, pc, sources, NATIVE_MAX_INLINED) : 0;
	struct frame function = {.kind = FRAME_NATIVE};

	/* a line without function is padding, which has the line of what is before it */
	if (!name_function(names, module, vaddr, pc, n ? &sources[n - 1] : NULL, &function) || !n) {
		out[0] = function;
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		if (i == n - 1)
			out[i] = function;
		else
			out[i] = (struct frame){.kind = FRAME_NATIVE,
						.function = readable(names, sources[i].function),
						.inlined = true};
		out[i].file = keep(names, sources[i].file);
		out[i].line = sources[i].line;
	}
	return n;
}

static size_t name_address(struct native_names *names, const struct key *key, struct frame *out)
{
	const struct code_module *code = NULL;
	uint64_t vaddr = key->address;
	size_t n = 1;

	if (key->module < names->map->n_modules)
		code = &names->map->modules[key->module];
	out[0] = (struct frame){.kind = FRAME_NATIVE, .offset = vaddr};
	if (code && (code->kind == CODE_VDSO || (code->kind == CODE_FILE && code->elf))) {
		vaddr -= code->bias;
		/* the call, not what follows it: that may be another line, or another function */
		n = name_in_module(names, key->module, vaddr, key->exact ? vaddr : vaddr - 1, out);
	}
	for (size_t i = 0; i < n; i++) {
		out[i].address = vaddr;
		if (code && code->kind == CODE_ANONYMOUS) {
			out[i].module = keep(names, code->path);
		} else if (code) {
			out[i].module = keep(names, base_name(code->path));
			out[i].path = keep(names, code->path);
		}
	}
	return n;
}

/* NULL: memory is out, or was: what was known is forgotten */
static const struct known *know(struct native_names *names, const struct key *key)
{
	struct frame frames[NATIVE_MAX_INLINED], *kept;
	struct known *known;

	HASH_FIND(hh, names->known, key, sizeof(*key), known);
	if (known) {
		if (names->idle++ == NATIVE_NAMES_IDLE) {
			close_modules(names);
			malloc_trim(0); /* libdw's many small blocks lie between blocks that stay */
		}
		return known;
	}
	names->idle = 0;
	if (HASH_COUNT(names->known) >= NATIVE_NAMES_MAX || names->store_bytes > NATIVE_NAMES_BYTES)
		forget_all(names);
	if (!names->store)
		names->store = profile_new();
	if (!names->store)
		return NULL;
	known = profile_alloc(names->store, sizeof(*known));
	known->key = *key;
	known->n = name_address(names, key, frames);
	kept = profile_alloc(names->store, known->n * sizeof(*kept));
	memcpy(kept, frames, known->n * sizeof(*kept));
	known->frames = kept;
	HASH_ADD(hh, names->known, key, sizeof(known->key), known);
	return known;
}

size_t native_names_lookup(struct native_names *names, struct profile *profile, uint32_t module,
			   uint64_t address, bool exact, struct frame *frames)
{
	const struct key key = {address, module, exact};
	const struct known *known = know(names, &key);

	if (!known) {
		frames[0] = (struct frame){.kind = FRAME_NATIVE, .offset = address};
		return 1;
	}
	for (size_t i = 0; i < known->n; i++) {
		frames[i] = known->frames[i];
		frames[i].function = profile_str(profile, known->frames[i].function, -1);
		frames[i].file = profile_str(profile, known->frames[i].file, -1);
		frames[i].module = profile_str(profile, known->frames[i].module, -1);
		frames[i].path = profile_str(profile, known->frames[i].path, -1);
	}
	return known->n;
}
