/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/elf_file_impl.h"

#include <string.h>

#define SYMBOLS_MAX   (4u << 20)
#define VERSYM_HIDDEN 0x8000 /* gABI symbol versioning: not the default version */

/* ---- all defined symbols, one after the other ----------------------------------------------- */

struct symbols {
	struct elf_file *file;
	unsigned table;   /* 0: .dynsym comes first */
	Elf_Scn *section; /* NULL: none of this table has been met yet */
	GElf_Shdr header; /* of the section */
	Elf_Data *data;
	unsigned next;
	GElf_Sym symbol; /* the one that it is at */
};

static bool next_table(struct symbols *symbols)
{
	static const uint32_t tables[] = {SHT_DYNSYM, SHT_SYMTAB};

	for (; symbols->table < 2; symbols->table++) {
		symbols->section = elf_file_next_section(symbols->file->elf, symbols->section,
							 tables[symbols->table], &symbols->header);
		if (symbols->section) {
			symbols->data = elf_getdata(symbols->section, NULL);
			symbols->next = 0;
			return true;
		}
	}
	return false;
}

/* Go on to the first one, or the next; false: there is none. */
static bool next_symbol(struct symbols *symbols)
{
	for (;;) {
		while (symbols->data && symbols->next < SYMBOLS_MAX &&
		       gelf_getsym(symbols->data, (int)symbols->next, &symbols->symbol)) {
			symbols->next++;
			if (symbols->symbol.st_shndx != SHN_UNDEF)
				return true;
		}
		if (!next_table(symbols))
			return false;
	}
}

/* NULL or empty: it has none. */
static const char *name_of(const struct symbols *symbols)
{
	return elf_strptr(symbols->file->elf, symbols->header.sh_link, symbols->symbol.st_name);
}

/* Is it a version that is only there for old binaries? */
static bool is_old_version(const struct symbols *symbols)
{
	Elf *elf = symbols->file->elf;
	Elf_Scn *section = NULL;
	GElf_Versym version;
	GElf_Shdr header;

	while ((section = elf_file_next_section(elf, section, SHT_GNU_versym, &header)))
		if (header.sh_link == elf_ndxscn(symbols->section))
			return gelf_getversym(elf_getdata(section, NULL), (int)symbols->next - 1,
					      &version) &&
			       version & VERSYM_HIDDEN;
	return false;
}

static bool usable(const struct elf_file *file, const GElf_Sym *symbol)
{
	switch (GELF_ST_TYPE(symbol->st_info)) {
	case STT_FUNC:
	case STT_GNU_IFUNC:
	case STT_OBJECT:
	case STT_NOTYPE: /* hand-written assembly */
		return elf_file_segment_at(file, symbol->st_value) != NULL;
	case STT_TLS:
		return true; /* an offset in a block, not an address */
	default:
		return false;
	}
}

static void describe(const struct symbols *symbols, struct elf_symbol *out)
{
	const GElf_Sym *symbol = &symbols->symbol;
	unsigned type = GELF_ST_TYPE(symbol->st_info);

	*out = (struct elf_symbol){
		.vaddr = symbol->st_value,
		.size = symbol->st_size,
		.function = type == STT_FUNC || type == STT_GNU_IFUNC,
		.ifunc = type == STT_GNU_IFUNC,
		.exported = symbols->header.sh_type == SHT_DYNSYM,
	};
}

/* ---- look-ups ------------------------------------------------------------------------------- */

/* A version that is only there for old binaries gives way to the default of the same table. */
static bool find_symbol(struct elf_file *file, const char *name, struct elf_symbol *out)
{
	struct symbols symbols = {.file = file};
	const Elf_Scn *found = NULL;

	while (next_symbol(&symbols) && (!found || found == symbols.section)) {
		const char *candidate = symbols.symbol.st_name ? name_of(&symbols) : NULL;
		bool old;

		if (!candidate || strcmp(candidate, name) != 0 || !usable(file, &symbols.symbol))
			continue;
		old = is_old_version(&symbols);
		if (found && old)
			continue;
		describe(&symbols, out);
		found = symbols.section;
		if (!old)
			break;
	}
	return found;
}

bool elf_file_symbol(struct elf_file *file, const char *name, struct elf_symbol *out)
{
	bool found;

	lock_take(&file->lock);
	found = find_symbol(file, name, out);
	lock_release(&file->lock);
	return found;
}

void elf_file_functions(struct elf_file *file,
			void (*each)(void *context, const char *name,
				     const struct elf_symbol *symbol),
			void *context)
{
	struct symbols symbols = {.file = file};
	struct elf_symbol out;

	lock_take(&file->lock);
	while (next_symbol(&symbols)) {
		const char *name = name_of(&symbols);

		describe(&symbols, &out);
		if (out.function && name && *name && usable(file, &symbols.symbol))
			each(context, name, &out);
	}
	lock_release(&file->lock);
}

uint64_t elf_file_symbol_before(struct elf_file *file, uint64_t vaddr)
{
	struct symbols symbols = {.file = file};
	uint64_t best = 0;

	lock_take(&file->lock);
	while (next_symbol(&symbols)) {
		const GElf_Sym *symbol = &symbols.symbol;

		if (GELF_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_value <= vaddr &&
		    symbol->st_value > best)
			best = symbol->st_value;
	}
	lock_release(&file->lock);
	return best;
}

/* ---- imports -------------------------------------------------------------------------------- */

/* The first relocation by symbol that is of this name, or (name NULL) at this address. */
static const char *search_imports(struct elf_file *file, const char *name, uint64_t *vaddr)
{
	GElf_Shdr header, symbols_header;
	Elf_Scn *section = NULL, *symbols_section;

	while ((section = elf_file_next_section(file->elf, section, SHT_RELA, &header))) {
		Elf_Data *data = elf_getdata(section, NULL), *symbols;
		GElf_Rela entry;

		symbols_section = elf_getscn(file->elf, header.sh_link);
		if (!symbols_section || !gelf_getshdr(symbols_section, &symbols_header) ||
		    symbols_header.sh_type != SHT_DYNSYM)
			continue;
		symbols = elf_getdata(symbols_section, NULL);
		for (unsigned i = 0; data && symbols && i < SYMBOLS_MAX; i++) {
			const char *found;
			GElf_Sym symbol;

			if (!gelf_getrela(data, (int)i, &entry))
				break;
			if ((!name && entry.r_offset != *vaddr) || !GELF_R_SYM(entry.r_info) ||
			    !gelf_getsym(symbols, (int)GELF_R_SYM(entry.r_info), &symbol))
				continue;
			found = elf_strptr(file->elf, symbols_header.sh_link, symbol.st_name);
			if (!found || (name && strcmp(found, name) != 0))
				continue;
			*vaddr = entry.r_offset;
			return found;
		}
	}
	return NULL;
}

static const char *find_import(struct elf_file *file, const char *name, uint64_t *vaddr)
{
	const char *found;

	lock_take(&file->lock);
	found = search_imports(file, name, vaddr);
	lock_release(&file->lock);
	return found;
}

const char *elf_file_import_at(struct elf_file *file, uint64_t vaddr)
{
	return find_import(file, NULL, &vaddr);
}

uint64_t elf_file_import_of(struct elf_file *file, const char *name)
{
	uint64_t vaddr = 0;

	return find_import(file, name, &vaddr) ? vaddr : 0;
}
