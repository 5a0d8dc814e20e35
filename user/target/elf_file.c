/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"

#define SEGMENTS_MAX  64 /* PT_LOADs; real files have 2 to 8 */
#define SECTIONS_MAX  65536
#define SYMBOLS_MAX   (4u << 20)
#define SEGMENT_BYTES (256UL << 20) /* read into memory at most, of one segment */
#define VERSYM_HIDDEN 0x8000        /* gABI symbol versioning: not the default version */

struct segment {
	uint64_t vaddr, offset;
	uint64_t file_size; /* as the program header says, cut at the end of the file */
	uint64_t mem_size;
	unsigned flags; /* PF_R, PF_W, PF_X */
	uint8_t *bytes; /* the first n_bytes of the file part; read when first asked for */
	uint64_t n_bytes;
	bool tried;
};

struct elf_file {
	struct lock lock; /* of elf, and of what segments have read so far; recursive */
	char *path;
	int fd;
	Elf *elf;
	uint16_t machine, type;
	uint64_t size;
	char *soname;
	/* in the order of the file; never empty, never wrapping around */
	struct segment segments[SEGMENTS_MAX];
	unsigned n_segments;
};

static int check_header(struct elf_file *file, struct err *err)
{
	GElf_Ehdr header;

	/* the class is looked at first: gelf would happily read 32-bit files too */
	if (elf_kind(file->elf) != ELF_K_ELF || !gelf_getehdr(file->elf, &header))
		return err_set(err, ERR_FAILED, "%s: not an ELF file, or a damaged one",
			       file->path);
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		return err_set(err, ERR_FAILED, "%s: a 32-bit file; only 64-bit ones are read",
			       file->path);
	if (header.e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(err, ERR_FAILED,
			       "%s: a big-endian file; only little-endian ones are read",
			       file->path);
	if (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64)
		return err_set(err, ERR_FAILED,
			       "%s: made for machine %u; only x86-64 and AArch64 are read",
			       file->path, header.e_machine);
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return err_set(err, ERR_FAILED, "%s: neither a program nor a shared library",
			       file->path);
	file->machine = header.e_machine;
	file->type = header.e_type;
	return 0;
}

static int read_segments(struct elf_file *file, struct err *err)
{
	size_t count, i;

	if (elf_getphdrnum(file->elf, &count) != 0)
		return err_set(err, ERR_FAILED, "%s: damaged program headers", file->path);
	for (i = 0; i < count; i++) {
		struct segment *segment = &file->segments[file->n_segments];
		GElf_Phdr header;

		if (!gelf_getphdr(file->elf, (int)i, &header))
			return err_set(err, ERR_FAILED, "%s: damaged program headers", file->path);
		if (header.p_type != PT_LOAD || header.p_memsz == 0)
			continue;
		if (file->n_segments == SEGMENTS_MAX)
			return err_set(err, ERR_FAILED, "%s: more than %d segments", file->path,
				       SEGMENTS_MAX);
		if (header.p_vaddr + header.p_memsz < header.p_vaddr ||
		    header.p_offset + header.p_filesz < header.p_offset)
			return err_set(err, ERR_FAILED, "%s: a segment of impossible size",
				       file->path);
		*segment = (struct segment){.vaddr = header.p_vaddr,
					    .offset = header.p_offset,
					    .file_size = header.p_filesz,
					    .mem_size = header.p_memsz,
					    .flags = header.p_flags};
		if (segment->file_size > segment->mem_size)
			segment->file_size = segment->mem_size;
		if (segment->offset >= file->size)
			segment->file_size = 0;
		else if (segment->file_size > file->size - segment->offset)
			segment->file_size = file->size - segment->offset;
		file->n_segments++;
	}
	if (file->n_segments == 0)
		return err_set(err, ERR_FAILED, "%s: nothing in it is ever loaded", file->path);
	return 0;
}

/* The next section of this type after `previous` (NULL: the first), with its header. */
static Elf_Scn *next_section(Elf *elf, Elf_Scn *previous, uint32_t type, GElf_Shdr *header)
{
	Elf_Scn *section = previous;

	while ((section = elf_nextscn(elf, section))) {
		if (elf_ndxscn(section) >= SECTIONS_MAX)
			return NULL;
		if (gelf_getshdr(section, header) && header->sh_type == type)
			return section;
	}
	return NULL;
}

static void read_soname(struct elf_file *file)
{
	GElf_Shdr header;
	Elf_Scn *section = next_section(file->elf, NULL, SHT_DYNAMIC, &header);
	Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
	GElf_Dyn entry;
	int i;

	if (!data)
		return;
	for (i = 0; gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
		if (entry.d_tag == DT_SONAME) {
			const char *name = elf_strptr(file->elf, header.sh_link, entry.d_un.d_val);

			file->soname = name ? strdup(name) : NULL;
			return;
		}
	}
}

static int open_regular(struct elf_file *file, struct err *err)
{
	struct stat stat;

	/* non-blocking: a FIFO may lie where the file was */
	file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file->fd < 0)
		return err_set(err, errno == EACCES || errno == EPERM ? ERR_PERMISSION : ERR_FAILED,
			       "%s: %s", file->path, strerror(errno));
	if (fstat(file->fd, &stat) != 0 || !S_ISREG(stat.st_mode))
		return err_set(err, ERR_FAILED, "%s: not a regular file", file->path);
	file->size = (uint64_t)stat.st_size;
	elf_version(EV_CURRENT);
	/* reading, not mapping: a mapped file that its owner truncates would end us with SIGBUS */
	file->elf = elf_begin(file->fd, ELF_C_READ, NULL);
	if (!file->elf)
		return err_set(err, ERR_FAILED, "%s: %s", file->path, elf_errmsg(-1));
	return 0;
}

struct elf_file *elf_file_open(const char *path, struct err *err)
{
	struct elf_file *file = calloc(1, sizeof(*file));

	if (file) {
		lock_init(&file->lock, LOCK_RANK_ELF_FILE);
		lock_make_recursive(&file->lock);
		file->fd = -1;
		file->path = strdup(path);
	}
	if (!file || !file->path) {
		err_set(err, ERR_FAILED, "%s: out of memory", path);
		elf_file_close(file);
		return NULL;
	}
	if (open_regular(file, err) || check_header(file, err) || read_segments(file, err)) {
		elf_file_close(file);
		return NULL;
	}
	read_soname(file);
	return file;
}

void elf_file_close(struct elf_file *file)
{
	unsigned i;

	if (!file)
		return;
	for (i = 0; i < file->n_segments; i++)
		free(file->segments[i].bytes);
	if (file->elf)
		elf_end(file->elf);
	if (file->fd >= 0)
		close(file->fd);
	lock_destroy(&file->lock);
	free(file->soname);
	free(file->path);
	free(file);
}

uint16_t elf_file_machine(const struct elf_file *file)
{
	return file->machine;
}

const char *elf_file_soname(const struct elf_file *file)
{
	return file->soname;
}

/* The segment that the address belongs to in memory, file part or zeroed part. */
static const struct segment *segment_at(const struct elf_file *file, uint64_t vaddr)
{
	unsigned i;

	for (i = 0; i < file->n_segments; i++) {
		if (vaddr >= file->segments[i].vaddr &&
		    vaddr - file->segments[i].vaddr < file->segments[i].mem_size)
			return &file->segments[i];
	}
	return NULL;
}

static bool usable(const struct elf_file *file, const GElf_Sym *symbol)
{
	switch (GELF_ST_TYPE(symbol->st_info)) {
	case STT_FUNC:
	case STT_GNU_IFUNC:
	case STT_OBJECT:
	case STT_NOTYPE: /* hand-written assembly */
		return segment_at(file, symbol->st_value) != NULL;
	case STT_TLS:
		return true; /* an offset in a block, not an address */
	default:
		return false;
	}
}

/* The version numbers beside a table of dynamic symbols, or NULL. */
static Elf_Data *versions_of(Elf *elf, const Elf_Scn *symbols)
{
	GElf_Shdr header;
	Elf_Scn *section = NULL;

	while ((section = next_section(elf, section, SHT_GNU_versym, &header))) {
		if (header.sh_link == elf_ndxscn((Elf_Scn *)symbols))
			return elf_getdata(section, NULL);
	}
	return NULL;
}

static void describe(const GElf_Sym *symbol, bool exported, struct elf_symbol *out)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info);

	*out = (struct elf_symbol){
		.vaddr = symbol->st_value,
		.size = symbol->st_size,
		.function = type == STT_FUNC || type == STT_GNU_IFUNC,
		.ifunc = type == STT_GNU_IFUNC,
		.exported = exported,
	};
}

/* Search one table; a version that is only there for old binaries gives way to the default. */
static bool search_table(struct elf_file *file, Elf_Scn *section, const GElf_Shdr *header,
			 const char *name, struct elf_symbol *out)
{
	Elf_Data *data = elf_getdata(section, NULL);
	Elf_Data *versions = versions_of(file->elf, section);
	bool found = false;
	unsigned i;
	GElf_Sym symbol;

	for (i = 0; data && i < SYMBOLS_MAX && gelf_getsym(data, (int)i, &symbol); i++) {
		const char *candidate;
		GElf_Versym version;
		bool old;

		if (symbol.st_shndx == SHN_UNDEF || symbol.st_name == 0)
			continue;
		candidate = elf_strptr(file->elf, header->sh_link, symbol.st_name);
		if (!candidate || strcmp(candidate, name) != 0 || !usable(file, &symbol))
			continue;
		old = versions && gelf_getversym(versions, (int)i, &version) &&
		      (version & VERSYM_HIDDEN);
		if (found && old)
			continue;
		describe(&symbol, header->sh_type == SHT_DYNSYM, out);
		found = true;
		if (!old)
			break;
	}
	return found;
}

static bool find_symbol(struct elf_file *file, const char *name, struct elf_symbol *out)
{
	static const uint32_t tables[] = {SHT_DYNSYM, SHT_SYMTAB};
	unsigned i;

	for (i = 0; i < 2; i++) {
		GElf_Shdr header;
		Elf_Scn *section = NULL;

		while ((section = next_section(file->elf, section, tables[i], &header))) {
			if (search_table(file, section, &header, name, out))
				return true;
		}
	}
	return false;
}

bool elf_file_symbol(struct elf_file *file, const char *name, struct elf_symbol *out)
{
	bool found;

	lock_take(&file->lock);
	found = find_symbol(file, name, out);
	lock_release(&file->lock);
	return found;
}

/* All defined symbols, of .dynsym first. name: NULL: it has none */
static void each_symbol(struct elf_file *file,
			void (*see)(void *context, struct elf_file *file, const char *name,
				    const GElf_Sym *symbol, bool exported),
			void *context)
{
	static const uint32_t tables[] = {SHT_DYNSYM, SHT_SYMTAB};

	for (unsigned t = 0; t < 2; t++) {
		GElf_Shdr header;
		Elf_Scn *section = NULL;

		while ((section = next_section(file->elf, section, tables[t], &header))) {
			Elf_Data *data = elf_getdata(section, NULL);
			GElf_Sym symbol;

			for (unsigned i = 0;
			     data && i < SYMBOLS_MAX && gelf_getsym(data, (int)i, &symbol); i++)
				if (symbol.st_shndx != SHN_UNDEF)
					see(context, file,
					    elf_strptr(file->elf, header.sh_link, symbol.st_name),
					    &symbol, header.sh_type == SHT_DYNSYM);
		}
	}
}

struct functions {
	void (*each)(void *context, const char *name, const struct elf_symbol *symbol);
	void *context;
};

static void see_function(void *context, struct elf_file *file, const char *name,
			 const GElf_Sym *symbol, bool exported)
{
	const struct functions *functions = context;
	struct elf_symbol out;

	if (!usable(file, symbol))
		return;
	describe(symbol, exported, &out);
	if (out.function && name && *name)
		functions->each(functions->context, name, &out);
}

void elf_file_functions(struct elf_file *file,
			void (*each)(void *context, const char *name,
				     const struct elf_symbol *symbol),
			void *context)
{
	struct functions functions = {each, context};

	lock_take(&file->lock);
	each_symbol(file, see_function, &functions);
	lock_release(&file->lock);
}

struct nearest {
	uint64_t vaddr, best;
};

static void see_nearest(void *context, struct elf_file *file, const char *name,
			const GElf_Sym *symbol, bool exported)
{
	struct nearest *nearest = context;

	(void)file;
	(void)name;
	(void)exported;
	if (GELF_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_value <= nearest->vaddr &&
	    symbol->st_value > nearest->best)
		nearest->best = symbol->st_value;
}

uint64_t elf_file_symbol_before(struct elf_file *file, uint64_t vaddr)
{
	struct nearest nearest = {.vaddr = vaddr};

	lock_take(&file->lock);
	each_symbol(file, see_nearest, &nearest);
	lock_release(&file->lock);
	return nearest.best;
}

/* The first relocation by symbol that is of this name, or (name NULL) at this address. */
static const char *search_imports(struct elf_file *file, const char *name, uint64_t *vaddr)
{
	GElf_Shdr header, symbols_header;
	Elf_Scn *section = NULL, *symbols_section;

	while ((section = next_section(file->elf, section, SHT_RELA, &header))) {
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

static bool find_section(struct elf_file *file, const char *name, uint64_t *vaddr, uint64_t *size)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(file->elf, &names) != 0)
		return false;
	while ((section = elf_nextscn(file->elf, section)) && elf_ndxscn(section) < SECTIONS_MAX) {
		GElf_Shdr header;
		const char *candidate;

		if (!gelf_getshdr(section, &header))
			continue;
		candidate = elf_strptr(file->elf, names, header.sh_name);
		if (!candidate || strcmp(candidate, name) != 0)
			continue;
		if (!(header.sh_flags & SHF_ALLOC) || !segment_at(file, header.sh_addr) ||
		    header.sh_addr + header.sh_size < header.sh_addr)
			return false;
		*vaddr = header.sh_addr;
		*size = header.sh_size;
		return true;
	}
	return false;
}

bool elf_file_section(struct elf_file *file, const char *name, uint64_t *vaddr, uint64_t *size)
{
	bool found;

	lock_take(&file->lock);
	found = find_section(file, name, vaddr, size);
	lock_release(&file->lock);
	return found;
}

bool elf_file_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset)
{
	const struct segment *segment = segment_at(file, vaddr);

	if (!segment || vaddr - segment->vaddr >= segment->file_size)
		return false;
	*offset = segment->offset + (vaddr - segment->vaddr);
	return true;
}

static void read_segment(const struct elf_file *file, struct segment *segment)
{
	uint64_t wanted = segment->file_size, done = 0;

	segment->tried = true;
	if (wanted > SEGMENT_BYTES)
		wanted = SEGMENT_BYTES;
	segment->bytes = wanted ? malloc(wanted) : NULL;
	while (segment->bytes && done < wanted) {
		ssize_t n = pread(file->fd, segment->bytes + done, wanted - done,
				  (off_t)(segment->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	segment->n_bytes = done; /* less than wanted: the file became shorter meanwhile */
}

const uint8_t *elf_file_bytes(const struct elf_file *file, uint64_t vaddr, size_t *available)
{
	/* the bytes are a cache: for the caller the file stays what it was */
	struct segment *segment = (struct segment *)segment_at(file, vaddr);

	*available = 0;
	if (!segment)
		return NULL;
	lock_take((struct lock *)&file->lock);
	if (!segment->tried)
		read_segment(file, segment);
	lock_release((struct lock *)&file->lock);
	if (vaddr - segment->vaddr >= segment->n_bytes)
		return NULL;
	*available = segment->n_bytes - (vaddr - segment->vaddr);
	return segment->bytes + (vaddr - segment->vaddr);
}

bool elf_file_text(const struct elf_file *file, unsigned index, uint64_t *vaddr, uint64_t *size)
{
	unsigned i;

	for (i = 0; i < file->n_segments; i++) {
		if (!(file->segments[i].flags & PF_X) || index-- != 0)
			continue;
		*vaddr = file->segments[i].vaddr;
		*size = file->segments[i].file_size;
		return true;
	}
	return false;
}

bool elf_file_bias(const struct elf_file *file, const struct map_range *range, uint64_t *bias)
{
	uint64_t page_mask = ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
	int best = -1;
	unsigned i;

	/*
	 * Two segments may share a page of the file (the end of one, the begin of the next) and be
	 * loaded at different distances. So the best fit counts: the rights, and a range that
	 * starts where a segment starts. RELRO makes a writable segment's first pages read-only
	 * afterwards.
	 */
	for (i = 0; i < file->n_segments; i++) {
		const struct segment *segment = &file->segments[i];
		bool executable = segment->flags & PF_X, writable = segment->flags & PF_W;
		uint64_t first = segment->offset & page_mask;
		int score;

		if (range->offset < first ||
		    range->offset >= segment->offset + segment->file_size ||
		    (range->writable && !writable))
			continue;
		score = 4 * (executable == range->executable) + 2 * (range->offset == first) +
			(writable == range->writable);
		if (score <= best)
			continue;
		best = score;
		*bias = range->start - (segment->vaddr - segment->offset + range->offset);
	}
	/* a program with fixed addresses that lies elsewhere was not loaded, only read through
	 * mmap() */
	return best >= 0 && (file->type != ET_EXEC || *bias == 0);
}
