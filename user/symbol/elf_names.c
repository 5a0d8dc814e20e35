/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/elf_names.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dwarf.h>
#include <elfutils/libdwfl.h>
/* libiberty's own declaration of basename() differs from glibc's */
#define HAVE_DECL_BASENAME 1
#include <libiberty/demangle.h>

/* symbols of one file that are looked at for neighbours */
#define MAX_SYMBOLS (4u << 20)

struct elf_names {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwfl_Callbacks callbacks;
	char *debug_path;
	uint64_t bias;
	/* where functions begin, sorted; made when a neighbour is asked for first */
	struct neighbour {
		uint64_t address;
		const char *name; /* of the library */
	} * functions;
	size_t n_functions;
	bool have_functions;
};

static int find_no_elf(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
		       char **file, Elf **elf)
{
	(void)module;
	(void)data;
	(void)name;
	(void)base;
	(void)file;
	(void)elf;
	return -1;
}

struct elf_names *elf_names_open(int fd, const char *name, uint64_t bias, const char *root)
{
	struct elf_names *names = calloc(1, sizeof(*names));
	char path[PATH_MAX + 128];
	int own = dup(fd);

	if (!names || own < 0)
		goto failed;
	/* ":" begins with what lies beside the file; "+" checks debug files found by link against their CRC */
	snprintf(path, sizeof(path), "+:.debug:%s/usr/lib/debug:/usr/lib/debug", root);
	names->debug_path = strdup(path);
	names->bias = bias;
	names->callbacks = (Dwfl_Callbacks){
		.find_elf = find_no_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.debuginfo_path = &names->debug_path,
	};
	names->dwfl = dwfl_begin(&names->callbacks);
	if (!names->dwfl || !names->debug_path)
		goto failed;
	dwfl_report_begin(names->dwfl);
	snprintf(path, sizeof(path), "%s%s", *name == '/' ? root : "", name);
	names->module = dwfl_report_elf(names->dwfl, name, path, own, bias, true);
	if (names->module)
		own = -1; /* the library's now */
	dwfl_report_end(names->dwfl, NULL, NULL);
	if (names->module)
		return names;
failed:
	if (own >= 0)
		close(own);
	elf_names_close(names);
	return NULL;
}

void elf_names_close(struct elf_names *names)
{
	if (!names)
		return;
	if (names->dwfl)
		dwfl_end(names->dwfl);
	free(names->functions);
	free(names->debug_path);
	free(names);
}

/* ---- symbols --------------------------------------------------------------------------------- */

/* C++ and Rust names as people write them, without parameters; free() it. NULL: it is none of these. */
static char *demangle(const char *name)
{
	if (name[0] != '_' || strnlen(name, ELF_NAMES_TEXT_MAX) == ELF_NAMES_TEXT_MAX)
		return NULL;
	return cplus_demangle(name, DMGL_ANSI);
}

/* A symbol as people write it; free() it. NULL: there is none that could be shown. */
static char *plain_symbol(const char *symbol)
{
	size_t length = symbol ? strnlen(symbol, ELF_NAMES_TEXT_MAX) : 0;
	char *name, *version;

	if (length == 0 || length == ELF_NAMES_TEXT_MAX)
		return NULL;
	name = demangle(symbol);
	if (name)
		return name;
	name = strdup(symbol);
	/* the version of a versioned symbol: memcpy@@GLIBC_2.14 */
	version = name ? strchr(name, '@') : NULL;
	if (version && version != name)
		*version = '\0';
	return name;
}

static int by_address(const void *a, const void *b)
{
	const struct neighbour *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void collect_functions(struct elf_names *names)
{
	int n = dwfl_module_getsymtab(names->module);

	names->have_functions = true;
	if (n <= 0 || (unsigned)n > MAX_SYMBOLS)
		return;
	names->functions = calloc((size_t)n, sizeof(*names->functions));
	for (int i = 0; names->functions && i < n; i++) {
		GElf_Word section;
		GElf_Addr address;
		GElf_Sym symbol;
		const char *name = dwfl_module_getsym_info(names->module, i, &symbol, &address,
							   &section, NULL, NULL);

		if (!name || !*name || section == SHN_UNDEF ||
		    (GELF_ST_TYPE(symbol.st_info) != STT_FUNC &&
		     GELF_ST_TYPE(symbol.st_info) != STT_GNU_IFUNC))
			continue;
		names->functions[names->n_functions].address = address;
		names->functions[names->n_functions++].name = name;
	}
	if (names->n_functions)
		qsort(names->functions, names->n_functions, sizeof(*names->functions), by_address);
}

/* The function that begins before the address, nearest to it. */
static const char *find_neighbour(struct elf_names *names, uint64_t address)
{
	size_t low = 0, high;

	if (!names->have_functions)
		collect_functions(names);
	high = names->n_functions;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? names->functions[low - 1].name : NULL;
}

/* ---- DWARF ----------------------------------------------------------------------------------- */

/* The compilation unit of an address. Not every compiler writes .debug_aranges: then all units are asked. */
static Dwarf_Die *find_unit(struct elf_names *names, uint64_t address, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(names->module, address, bias);

	if (unit || !dwfl_module_getdwarf(names->module, bias))
		return unit;
	while ((unit = dwfl_module_nextcu(names->module, unit, bias)))
		if (dwarf_haspc(unit, address - *bias) == 1)
			return unit;
	return NULL;
}

/* Name of a function in DWARF: its linkage name where it has one; *owned is to be freed. */
static const char *die_name(Dwarf_Die *die, char **owned)
{
	static const unsigned linkage[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	Dwarf_Attribute attribute;

	*owned = NULL;
	for (unsigned i = 0; i < 2; i++) {
		const char *name =
			dwarf_formstring(dwarf_attr_integrate(die, linkage[i], &attribute));

		if (name && (*owned = demangle(name)))
			return *owned;
	}
	return dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
}

static void call_place(Dwarf_Die *die, Dwarf_Die *unit, const char **file, uint32_t *line)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;
	Dwarf_Files *files;
	size_t n_files;

	*file = NULL;
	*line = 0;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &value) == 0 &&
	    dwarf_getsrcfiles(unit, &files, &n_files) == 0 && value < n_files)
		*file = dwarf_filesrc(files, value, NULL, NULL);
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &value) == 0 &&
	    value <= UINT32_MAX)
		*line = (uint32_t)value;
}

/* The scopes around an address, innermost first, as they lie in each other; free() them. */
static int find_scopes(Dwarf_Die *unit, uint64_t address, Dwarf_Die **scopes)
{
	Dwarf_Die *around = NULL;
	int n = dwarf_getscopes(unit, address, &around), result = 0;

	*scopes = NULL;
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&around[i]);

		if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) {
			result = dwarf_getscopes_die(&around[i], scopes);
			break;
		}
	}
	free(around);
	return result;
}

/* ---- together -------------------------------------------------------------------------------- */

void elf_names_find(struct elf_names *names, uint64_t address, unsigned most,
		    void (*found)(void *context, const struct elf_name *name), void *context)
{
	struct elf_name name = {.offset = address - names->bias};
	char *symbol_owned = NULL;
	const char *symbol;
	Dwarf_Die *unit, *scopes = NULL;
	Dwarf_Addr bias = 0;
	GElf_Off offset = 0;
	GElf_Sym sym;
	int n_scopes = 0;

	symbol = dwfl_module_addrinfo(names->module, address, &offset, &sym, NULL, NULL, NULL);
	symbol_owned = plain_symbol(symbol);
	unit = find_unit(names, address, &bias);
	if (unit) {
		Dwarf_Line *line = dwarf_getsrc_die(unit, address - bias);
		int number = 0;

		if (line && dwarf_lineno(line, &number) == 0 && number > 0) {
			name.file = dwarf_linesrc(line, NULL, NULL);
			name.line = (uint32_t)number;
		}
		n_scopes = find_scopes(unit, address - bias, &scopes);
	}
	for (int i = 0; i < n_scopes && most > 1; i++) {
		char *owned;

		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram)
			break;
		if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine)
			continue;
		name.function = die_name(&scopes[i], &owned);
		name.inlined = true;
		name.offset = 0;
		found(context, &name);
		free(owned);
		call_place(&scopes[i], unit, &name.file, &name.line);
		most--;
	}
	free(scopes);
	name.inlined = false;
	name.function = symbol_owned;
	name.offset = name.function ? offset : address - names->bias;
	if (!name.function)
		name.near = find_neighbour(names, address);
	found(context, &name);
	free(symbol_owned);
}
