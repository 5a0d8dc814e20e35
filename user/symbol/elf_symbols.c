/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/elf_symbols.h"

#include <stdlib.h>
#include <string.h>

#include <gelf.h>

#define SECTIONS_MAX      65536
#define TEXTS_MAX         64 /* executable sections; real files have 3 to 6 */
#define NAME_MAX_COMPARED 4096

/* An executable section: the bounds of the symbols in it. */
struct text {
	uint64_t start, end;
	uint32_t number;
};

struct texts {
	struct text all[TEXTS_MAX];
	size_t n;
};

static void find_texts(struct texts *texts, Elf *elf)
{
	Elf_Scn *section = NULL;

	texts->n = 0;
	while ((section = elf_nextscn(elf, section)) && elf_ndxscn(section) < SECTIONS_MAX &&
	       texts->n < TEXTS_MAX) {
		GElf_Shdr header;

		/* of a debug file these sections have no contents; their headers are as good */
		if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_EXECINSTR) ||
		    !(header.sh_flags & SHF_ALLOC) ||
		    header.sh_addr + header.sh_size < header.sh_addr)
			continue;
		texts->all[texts->n++] =
			(struct text){header.sh_addr, header.sh_addr + header.sh_size,
				      (uint32_t)elf_ndxscn(section)};
	}
}

/* The section of this number if it is an executable one that holds the address. */
static const struct text *text_of(const struct texts *texts, uint32_t number, uint64_t vaddr)
{
	for (size_t i = 0; i < texts->n; i++)
		if (texts->all[i].number == number)
			return vaddr >= texts->all[i].start && vaddr < texts->all[i].end
				       ? &texts->all[i]
				       : NULL;
	return NULL;
}

static bool add(struct elf_symbols *symbols, const struct elf_function *function)
{
	if (symbols->n == symbols->capacity) {
		size_t capacity = symbols->capacity ? 2 * symbols->capacity : 1024;
		struct elf_function *larger;

		if (capacity > ELF_SYMBOLS_MAX)
			return false;
		larger = realloc(symbols->functions, capacity * sizeof(*larger));
		if (!larger)
			return false;
		symbols->functions = larger;
		symbols->capacity = capacity;
	}
	symbols->functions[symbols->n++] = *function;
	return true;
}

/* Lower says more to a reader; the rest of the order is in compare(). */
static uint32_t rank_of(const GElf_Sym *symbol, const char *name)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info), bind = GELF_ST_BIND(symbol->st_info);
	/* "__GI_name" is what glibc calls `name` within itself */
	size_t underscores = strncmp(name, "__GI_", 5) == 0 ? 15 : strspn(name, "_");
	/* what an IFUNC points to is not the function of its name, but the one that chooses it */
	uint32_t rank = type == STT_FUNC ? 0 : type == STT_GNU_IFUNC ? 1 : 2;

	rank = rank << 1 | (bind == STB_LOCAL);
	rank = rank << 4 | (underscores < 15 ? (uint32_t)underscores : 15);
	return rank << 1 | (bind == STB_WEAK);
}

static void add_table(struct elf_symbols *symbols, Elf *elf, Elf_Scn *section,
		      const GElf_Shdr *header, const struct texts *texts)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Sym symbol;

	for (int i = 0; data && (unsigned)i < 2 * ELF_SYMBOLS_MAX && gelf_getsym(data, i, &symbol);
	     i++) {
		unsigned type = GELF_ST_TYPE(symbol.st_info);
		struct elf_function function = {.start = symbol.st_value};
		const struct text *text;

		if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
			continue;
		/* numbers from SHN_LORESERVE on are no sections, or need a table that only giants
		 * have */
		if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE)
			continue;
		text = text_of(texts, symbol.st_shndx, symbol.st_value);
		function.name = text ? elf_strptr(elf, header->sh_link, symbol.st_name) : NULL;
		if (!function.name || !*function.name)
			continue;
		function.section_end = text->end;
		function.sized = symbol.st_size != 0;
		function.end = text->end; /* size 0: elf_symbols_sort() brings it down */
		if (function.sized && symbol.st_size < text->end - symbol.st_value)
			function.end = symbol.st_value + symbol.st_size;
		function.rank = rank_of(&symbol, function.name);
		if (!add(symbols, &function))
			return;
	}
}

void elf_symbols_add(struct elf_symbols *symbols, Elf *elf)
{
	struct texts texts;
	Elf_Scn *section = NULL;

	find_texts(&texts, elf);
	while ((section = elf_nextscn(elf, section)) && elf_ndxscn(section) < SECTIONS_MAX) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
			add_table(symbols, elf, section, &header, &texts);
	}
}

static int compare(const void *a, const void *b)
{
	const struct elf_function *x = a, *y = b;
	size_t x_length, y_length;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	x_length = strnlen(x->name, NAME_MAX_COMPARED);
	y_length = strnlen(y->name, NAME_MAX_COMPARED);
	if (x_length != y_length)
		return x_length < y_length ? -1 : 1;
	return strncmp(x->name, y->name, NAME_MAX_COMPARED);
}

/* A symbol without a size inside a function that has one is a label in it. */
static void drop_labels(struct elf_symbols *symbols)
{
	uint64_t reach = 0;
	size_t kept = 0;

	for (size_t i = 0; i < symbols->n; i++) {
		const struct elf_function *function = &symbols->functions[i];

		if (function->sized && function->end > reach)
			reach = function->end;
		if (function->sized || function->start >= reach)
			symbols->functions[kept++] = *function;
	}
	symbols->n = kept;
}

void elf_symbols_sort(struct elf_symbols *symbols)
{
	uint64_t next = UINT64_MAX, reach = 0;

	if (!symbols->n)
		return;
	qsort(symbols->functions, symbols->n, sizeof(*symbols->functions), compare);
	drop_labels(symbols);
	/* downwards: where does the next one that begins later begin? */
	for (size_t i = symbols->n; i-- > 0;) {
		struct elf_function *function = &symbols->functions[i];

		if (i + 1 < symbols->n && symbols->functions[i + 1].start != function->start)
			next = symbols->functions[i + 1].start;
		if (!function->sized && function->end > next)
			function->end = next;
	}
	for (size_t i = 0; i < symbols->n; i++) {
		if (symbols->functions[i].end > reach)
			reach = symbols->functions[i].end;
		symbols->functions[i].reach = reach;
	}
}

void elf_symbols_fini(struct elf_symbols *symbols)
{
	free(symbols->functions);
	*symbols = (struct elf_symbols){0};
}

/* Number of functions that begin at or below the address. */
static size_t count_up_to(const struct elf_symbols *symbols, uint64_t vaddr)
{
	size_t low = 0, high = symbols->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->functions[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The best of those before number n that hold the address. */
static const struct elf_function *holder(const struct elf_symbols *symbols, size_t n,
					 uint64_t vaddr, bool sized)
{
	const struct elf_function *best = NULL;

	for (size_t i = n; i-- > 0 && n - i < ELF_SYMBOLS_DEPTH;) {
		const struct elf_function *function = &symbols->functions[i];

		if (function->reach <= vaddr || (best && function->start != best->start))
			break;
		if (function->sized == sized && function->end > vaddr)
			best = function;
	}
	return best;
}

const struct elf_function *elf_symbols_find(const struct elf_symbols *symbols, uint64_t vaddr,
					    const struct elf_function **below)
{
	size_t n = count_up_to(symbols, vaddr);
	const struct elf_function *found = holder(symbols, n, vaddr, true);

	*below = NULL;
	if (!found)
		found = holder(symbols, n, vaddr, false);
	if (found || !n || symbols->functions[n - 1].section_end <= vaddr)
		return found;
	*below = &symbols->functions[n - 1];
	while (*below > symbols->functions && (*below)[-1].start == (*below)->start)
		(*below)--;
	return NULL;
}
