/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/native_allocators.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---------------------------------------------------------------------------------- */

struct known_function {
	const char *name; /* behind the prefix */
	enum abi_call_kind kind;
};

/* C's, and what jemalloc has in addition */
static const struct known_function common[] = {
	{"malloc", ABI_CALL_MALLOC},
	{"calloc", ABI_CALL_CALLOC},
	{"realloc", ABI_CALL_REALLOC},
	{"reallocarray", ABI_CALL_REALLOCARRAY},
	{"free", ABI_CALL_FREE},
	{"cfree", ABI_CALL_DELETE},
	{"free_sized", ABI_CALL_DELETE},
	{"free_aligned_sized", ABI_CALL_DELETE},
	{"posix_memalign", ABI_CALL_POSIX_MEMALIGN},
	{"aligned_alloc", ABI_CALL_ALIGNED},
	{"memalign", ABI_CALL_ALIGNED},
	{"valloc", ABI_CALL_MALLOC},
	{"pvalloc", ABI_CALL_PVALLOC},
	{"mallocx", ABI_CALL_MALLOC},
	{"rallocx", ABI_CALL_REALLOC},
	{"dallocx", ABI_CALL_DELETE},
	{"sdallocx", ABI_CALL_DELETE},
};

static const struct known_function of_mimalloc[] = {
	{"malloc_small", ABI_CALL_MALLOC},
	{"zalloc", ABI_CALL_MALLOC},
	{"zalloc_small", ABI_CALL_MALLOC},
	{"mallocn", ABI_CALL_CALLOC},
	{"reallocn", ABI_CALL_REALLOCARRAY},
	{"reallocf", ABI_CALL_REALLOC},
	{"rezalloc", ABI_CALL_REALLOC},
	{"recalloc", ABI_CALL_REALLOCARRAY},
	{"malloc_aligned", ABI_CALL_MALLOC},
	{"malloc_aligned_at", ABI_CALL_MALLOC},
	{"zalloc_aligned", ABI_CALL_MALLOC},
	{"zalloc_aligned_at", ABI_CALL_MALLOC},
	{"calloc_aligned", ABI_CALL_CALLOC},
	{"calloc_aligned_at", ABI_CALL_CALLOC},
	{"realloc_aligned", ABI_CALL_REALLOC},
	{"realloc_aligned_at", ABI_CALL_REALLOC},
	{"rezalloc_aligned", ABI_CALL_REALLOC},
	{"rezalloc_aligned_at", ABI_CALL_REALLOC},
	{"recalloc_aligned", ABI_CALL_REALLOCARRAY},
	{"recalloc_aligned_at", ABI_CALL_REALLOCARRAY},
	{"free_size", ABI_CALL_DELETE},
	{"free_aligned", ABI_CALL_DELETE},
	{"free_size_aligned", ABI_CALL_DELETE},
	/* a heap comes first, as CPython's context does */
	{"heap_malloc", ABI_CALL_PY_MALLOC},
	{"heap_malloc_small", ABI_CALL_PY_MALLOC},
	{"heap_zalloc", ABI_CALL_PY_MALLOC},
	{"heap_calloc", ABI_CALL_PY_CALLOC},
	{"heap_mallocn", ABI_CALL_PY_CALLOC},
	{"heap_realloc", ABI_CALL_PY_REALLOC},
	{"heap_rezalloc", ABI_CALL_PY_REALLOC},
	{"heap_malloc_aligned", ABI_CALL_PY_MALLOC},
	{"heap_malloc_aligned_at", ABI_CALL_PY_MALLOC},
	{"heap_zalloc_aligned", ABI_CALL_PY_MALLOC},
	{"heap_zalloc_aligned_at", ABI_CALL_PY_MALLOC},
	{"heap_calloc_aligned", ABI_CALL_PY_CALLOC},
	{"heap_calloc_aligned_at", ABI_CALL_PY_CALLOC},
	{"heap_realloc_aligned", ABI_CALL_PY_REALLOC},
	{"heap_realloc_aligned_at", ABI_CALL_PY_REALLOC},
	{"new", ABI_CALL_NEW},
	{"new_aligned", ABI_CALL_NEW},
	{"new_nothrow", ABI_CALL_MALLOC},
	{"new_aligned_nothrow", ABI_CALL_MALLOC},
};

static const struct known_function of_tcmalloc[] = {
	{"malloc_skip_new_handler", ABI_CALL_MALLOC},
	{"new", ABI_CALL_NEW},
	{"newarray", ABI_CALL_NEW},
	{"new_aligned", ABI_CALL_NEW},
	{"newarray_aligned", ABI_CALL_NEW},
	{"new_nothrow", ABI_CALL_MALLOC},
	{"newarray_nothrow", ABI_CALL_MALLOC},
	{"new_aligned_nothrow", ABI_CALL_MALLOC},
	{"newarray_aligned_nothrow", ABI_CALL_MALLOC},
	{"delete", ABI_CALL_DELETE},
	{"deletearray", ABI_CALL_DELETE},
	{"delete_sized", ABI_CALL_DELETE},
	{"deletearray_sized", ABI_CALL_DELETE},
	{"delete_nothrow", ABI_CALL_DELETE},
	{"deletearray_nothrow", ABI_CALL_DELETE},
	{"delete_aligned", ABI_CALL_DELETE},
	{"deletearray_aligned", ABI_CALL_DELETE},
	{"delete_sized_aligned", ABI_CALL_DELETE},
	{"deletearray_sized_aligned", ABI_CALL_DELETE},
	{"delete_aligned_nothrow", ABI_CALL_DELETE},
	{"deletearray_aligned_nothrow", ABI_CALL_DELETE},
};

#define NOTHROW "RKSt9nothrow_t"
#define ALIGNED "St11align_val_t"

/* The operators of C++, by their names in the file. */
static const struct {
	const char *mangled, *name;
	enum abi_call_kind kind;
} operators[] = {
	{"_Znwm", "operator new", ABI_CALL_NEW},
	{"_Znam", "operator new[]", ABI_CALL_NEW},
	{"_Znwm" ALIGNED, "operator new, aligned", ABI_CALL_NEW},
	{"_Znam" ALIGNED, "operator new[], aligned", ABI_CALL_NEW},
	{"_Znwm" NOTHROW, "operator new, nothrow", ABI_CALL_MALLOC},
	{"_Znam" NOTHROW, "operator new[], nothrow", ABI_CALL_MALLOC},
	{"_Znwm" ALIGNED NOTHROW, "operator new, aligned, nothrow", ABI_CALL_MALLOC},
	{"_Znam" ALIGNED NOTHROW, "operator new[], aligned, nothrow", ABI_CALL_MALLOC},
	{"_ZdlPv", "operator delete", ABI_CALL_DELETE},
	{"_ZdaPv", "operator delete[]", ABI_CALL_DELETE},
	{"_ZdlPvm", "operator delete, sized", ABI_CALL_DELETE},
	{"_ZdaPvm", "operator delete[], sized", ABI_CALL_DELETE},
	{"_ZdlPv" NOTHROW, "operator delete, nothrow", ABI_CALL_DELETE},
	{"_ZdaPv" NOTHROW, "operator delete[], nothrow", ABI_CALL_DELETE},
	{"_ZdlPv" ALIGNED, "operator delete, aligned", ABI_CALL_DELETE},
	{"_ZdaPv" ALIGNED, "operator delete[], aligned", ABI_CALL_DELETE},
	{"_ZdlPvm" ALIGNED, "operator delete, sized, aligned", ABI_CALL_DELETE},
	{"_ZdaPvm" ALIGNED, "operator delete[], sized, aligned", ABI_CALL_DELETE},
	{"_ZdlPv" ALIGNED NOTHROW, "operator delete, aligned, nothrow", ABI_CALL_DELETE},
	{"_ZdaPv" ALIGNED NOTHROW, "operator delete[], aligned, nothrow", ABI_CALL_DELETE},
};

/* Names that identify an allocator, after its prefix; the prefix must end with `family`. */
static const struct {
	const char *name, *family, *brand;
} marks[] = {
	{"malloc_aligned", "mi_", "mimalloc"},
	{"malloc_usable_size", "mi_", "mimalloc"},
	{"malloc_skip_new_handler", "tc_", "tcmalloc"},
	{"malloc_size", "tc_", "tcmalloc"},
	{"mallocx", "", "jemalloc"},
	{"rallocx", "", "jemalloc"},
	{"malloc_usable_size", "", NULL},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- which prefixes ------------------------------------------------------------------------- */

struct search {
	struct native_allocator *out;
	bool is_libc, is_python;
	bool malloc_exported, free_exported;
};

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t n = strlen(end);

	return length >= n && memcmp(text + length - n, end, n) == 0;
}

/* A prefix is shown to the user: nothing but what C names have. */
static void add_prefix(struct native_allocator *out, const char *prefix, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)prefix[i]) && prefix[i] != '_')
			return;
	if (out->n_prefixes == NATIVE_MAX_PREFIXES || length >= sizeof(out->prefixes[0]))
		return;
	for (unsigned i = 0; i < out->n_prefixes; i++)
		if (strlen(out->prefixes[i]) == length &&
		    memcmp(out->prefixes[i], prefix, length) == 0)
			return;
	memcpy(out->prefixes[out->n_prefixes], prefix, length);
	out->prefixes[out->n_prefixes++][length] = '\0';
}

static void find_prefix(void *context, const char *name, const struct elf_symbol *symbol)
{
	struct search *search = context;
	size_t length = strlen(name);

	if (symbol->ifunc)
		return;
	if (strcmp(name, "_Unwind_RaiseException") == 0)
		search->out->throws = symbol->vaddr + search->out->module->bias;
	if (symbol->exported) {
		search->malloc_exported |= strcmp(name, "malloc") == 0;
		search->free_exported |= strcmp(name, "free") == 0;
	}
	for (size_t i = 0; i < COUNT(marks); i++) {
		size_t prefix;

		if (!ends_with(name, length, marks[i].name))
			continue;
		prefix = length - strlen(marks[i].name);
		if (!ends_with(name, prefix, marks[i].family))
			continue;
		/* libc's own; CPython has a copy of mimalloc in its inside, for its objects */
		if (search->is_libc && prefix == 0 && !marks[i].brand)
			continue;
		if (search->is_python && !symbol->exported && ends_with(name, prefix, "mi_"))
			continue;
		add_prefix(search->out, name, prefix);
		if (marks[i].brand && !search->out->brand)
			search->out->brand = marks[i].brand;
	}
}

/* "" first: of several names of a function the one that everybody knows is shown. */
static void plain_first(struct native_allocator *out)
{
	for (unsigned i = 1; i < out->n_prefixes; i++) {
		if (out->prefixes[i][0])
			continue;
		memcpy(out->prefixes[i], out->prefixes[0], sizeof(out->prefixes[0]));
		out->prefixes[0][0] = '\0';
		return;
	}
}

/* ---- which functions ------------------------------------------------------------------------ */

/* Is this the better name of the two? The shorter, if they are of one kind: "operator new",
 * "operator new[]". */
static bool is_plainer(const char *name, const char *other)
{
	return strncmp(name, other, 3) == 0 && strlen(name) < strlen(other);
}

static void add_function(struct native_allocator *out, const char *prefix, const char *rest,
			 enum abi_call_kind kind, const struct elf_symbol *symbol)
{
	uint64_t address = symbol->vaddr + out->module->bias;
	struct native_function *function;
	char name[sizeof(function->name)];

	snprintf(name, sizeof(name), "%s%s", prefix, rest);
	for (unsigned i = 0; i < out->n_functions; i++) {
		function = &out->functions[i];
		if (function->address != address)
			continue;
		if (is_plainer(name, function->name))
			memcpy(function->name, name, sizeof(name));
		return;
	}
	if (out->n_functions == NATIVE_MAX_FUNCTIONS)
		return;
	function = &out->functions[out->n_functions++];
	memcpy(function->name, name, sizeof(name));
	function->kind = kind;
	function->address = address;
}

/* The functions of one prefix, while the names of a file are looked at one by one. */
struct names {
	struct native_allocator *out;
	const char *prefix;
	size_t length;
	bool gives, takes; /* there is one that allocates, one that frees */
};

static void find_in(struct names *names, const char *rest, const struct known_function *known,
		    size_t n, const struct elf_symbol *symbol)
{
	for (size_t i = 0; i < n; i++) {
		bool takes = known[i].kind == ABI_CALL_FREE || known[i].kind == ABI_CALL_DELETE;

		if (strcmp(known[i].name, rest) != 0)
			continue;
		names->takes |= takes;
		names->gives |= !takes;
		add_function(names->out, names->prefix, rest, known[i].kind, symbol);
	}
}

static void find_function(void *context, const char *name, const struct elf_symbol *symbol)
{
	struct names *names = context;
	const char *rest = name + names->length;

	if (symbol->ifunc || strncmp(name, names->prefix, names->length) != 0)
		return;
	find_in(names, rest, common, COUNT(common), symbol);
	if (ends_with(names->prefix, names->length, "mi_"))
		find_in(names, rest, of_mimalloc, COUNT(of_mimalloc), symbol);
	if (ends_with(names->prefix, names->length, "tc_"))
		find_in(names, rest, of_tcmalloc, COUNT(of_tcmalloc), symbol);
}

static void find_operator(void *context, const char *name, const struct elf_symbol *symbol)
{
	struct native_allocator *out = context;

	if (name[0] != '_' || name[1] != 'Z' || symbol->ifunc)
		return;
	for (size_t i = 0; i < COUNT(operators); i++)
		if (strcmp(operators[i].mangled, name) == 0)
			add_function(out, "", operators[i].name, operators[i].kind, symbol);
}

/* Take the functions of one prefix; false, when they are no allocator (jemalloc has a do_rallocx in
 * its inside). */
static bool find_with_prefix(struct native_allocator *out, const char *prefix)
{
	struct names names = {.out = out, .prefix = prefix, .length = strlen(prefix)};

	elf_file_functions(out->module->elf, find_function, &names);
	return names.gives && names.takes;
}

/* All functions of the prefixes that were found; the names that everybody knows come first. */
static void find_family(struct native_allocator *out)
{
	unsigned n = 0;

	plain_first(out);
	for (unsigned i = 0; i < out->n_prefixes; i++)
		if (find_with_prefix(out, out->prefixes[i]))
			memmove(out->prefixes[n++], out->prefixes[i], sizeof(out->prefixes[0]));
	out->n_prefixes = n;
	out->n_functions = 0;
	if (!n)
		return;
	/* it is one: its operators are of interest */
	if (out->prefixes[0][0])
		elf_file_functions(out->module->elf, find_operator, out);
	for (unsigned i = 0; i < n; i++) {
		find_with_prefix(out, out->prefixes[i]);
		if (!out->prefixes[i][0])
			elf_file_functions(out->module->elf, find_operator, out);
	}
}

bool native_allocator_find(struct native_allocator *out, struct module *module, bool is_libc,
			   bool is_python)
{
	struct search search = {.out = out, .is_libc = is_libc, .is_python = is_python};
	const char *soname = elf_file_soname(module->elf);

	memset(out, 0, sizeof(*out));
	out->module = module;
	/* older ones have a malloc for the time until libc is there */
	if (soname && strncmp(soname, "ld-linux", 8) == 0)
		return false;
	elf_file_functions(module->elf, find_prefix, &search);
	if (search.malloc_exported && search.free_exported && !is_libc) {
		add_prefix(out, "", 0);
		out->replaces_libc = true;
	}
	find_family(out);
	if (!out->n_functions)
		out->brand = NULL;
	else if (!out->brand)
		out->brand = "malloc";
	return out->n_functions || out->throws;
}

/* ---- all files ------------------------------------------------------------------------------ */

static bool is_known(const struct native_allocators *list, const struct map_range *range)
{
	for (size_t i = 0; i < list->n_files; i++)
		if (list->files[i].inode == range->inode &&
		    list->files[i].dev_major == range->dev_major &&
		    list->files[i].dev_minor == range->dev_minor)
			return true;
	return false;
}

static bool remember(struct native_allocators *list, const struct map_range *range)
{
	if (list->n_files == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 256;
		struct native_file *larger;

		if (list->n_files == NATIVE_MAX_FILES)
			return false;
		larger = realloc(list->files, capacity * sizeof(*larger));
		if (!larger)
			return false;
		list->files = larger;
		list->capacity = capacity;
	}
	list->files[list->n_files++] =
		(struct native_file){range->dev_major, range->dev_minor, range->inode};
	return true;
}

static bool is_in(const struct map_range *range, const struct module *module)
{
	return range->start >= module->start && range->start < module->end;
}

/* Look at one file; what it has is appended. */
static void look_at(struct native_allocators *list, const struct maps *maps,
		    const struct map_range *range, bool is_libc, bool is_python)
{
	struct native_allocator *allocator = calloc(1, sizeof(*allocator));
	struct module *module = calloc(1, sizeof(*module));

	if (allocator && module && module_load(module, maps, range, NULL) == 0) {
		if (native_allocator_find(allocator, module, is_libc, is_python)) {
			list->items[list->n++] = allocator;
			return;
		}
		module_unload(module);
	}
	free(module);
	free(allocator);
}

unsigned native_allocators_update(struct native_allocators *list, const struct maps *maps,
				  const struct module *libc, const struct module *python)
{
	unsigned before = list->n;

	for (size_t i = 0; i < maps->n_ranges && list->n < NATIVE_MAX_ALLOCATORS; i++) {
		const struct map_range *range = &maps->ranges[i];

		if (range->executable && range->inode && !is_known(list, range) &&
		    remember(list, range))
			look_at(list, maps, range, is_in(range, libc), is_in(range, python));
	}
	return list->n - before;
}

void native_allocators_fini(struct native_allocators *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		module_unload(list->items[i]->module);
		free(list->items[i]->module);
		free(list->items[i]);
	}
	free(list->files);
	memset(list, 0, sizeof(*list));
}
