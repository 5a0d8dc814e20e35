/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/elf_file_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_BYTES (256UL << 20) /* read into memory at most, of one segment */

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
		struct elf_segment *segment = &file->segments[file->n_segments];
		GElf_Phdr header;

		if (!gelf_getphdr(file->elf, (int)i, &header))
			return err_set(err, ERR_FAILED, "%s: damaged program headers", file->path);
		if (header.p_type != PT_LOAD || header.p_memsz == 0)
			continue;
		if (file->n_segments == ELF_SEGMENTS_MAX)
			return err_set(err, ERR_FAILED, "%s: more than %d segments", file->path,
				       ELF_SEGMENTS_MAX);
		if (header.p_vaddr + header.p_memsz < header.p_vaddr ||
		    header.p_offset + header.p_filesz < header.p_offset)
			return err_set(err, ERR_FAILED, "%s: a segment of impossible size",
				       file->path);
		*segment = (struct elf_segment){.vaddr = header.p_vaddr,
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
		return err_set(err, ERR_FAILED, "%s: it has no loadable segment", file->path);
	return 0;
}

Elf_Scn *elf_file_next_section(Elf *elf, Elf_Scn *previous, uint32_t type, GElf_Shdr *header)
{
	Elf_Scn *section = previous;

	while ((section = elf_nextscn(elf, section))) {
		if (elf_ndxscn(section) >= ELF_SECTIONS_MAX)
			return NULL;
		if (gelf_getshdr(section, header) && header->sh_type == type)
			return section;
	}
	return NULL;
}

static void read_soname(struct elf_file *file)
{
	GElf_Shdr header;
	Elf_Scn *section = elf_file_next_section(file->elf, NULL, SHT_DYNAMIC, &header);
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

const struct elf_segment *elf_file_segment_at(const struct elf_file *file, uint64_t vaddr)
{
	unsigned i;

	for (i = 0; i < file->n_segments; i++) {
		if (vaddr >= file->segments[i].vaddr &&
		    vaddr - file->segments[i].vaddr < file->segments[i].mem_size)
			return &file->segments[i];
	}
	return NULL;
}

static bool find_section(struct elf_file *file, const char *name, uint64_t *vaddr, uint64_t *size)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(file->elf, &names) != 0)
		return false;
	while ((section = elf_nextscn(file->elf, section)) &&
	       elf_ndxscn(section) < ELF_SECTIONS_MAX) {
		GElf_Shdr header;
		const char *candidate;

		if (!gelf_getshdr(section, &header))
			continue;
		candidate = elf_strptr(file->elf, names, header.sh_name);
		if (!candidate || strcmp(candidate, name) != 0)
			continue;
		if (!(header.sh_flags & SHF_ALLOC) || !elf_file_segment_at(file, header.sh_addr) ||
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
	const struct elf_segment *segment = elf_file_segment_at(file, vaddr);

	if (!segment || vaddr - segment->vaddr >= segment->file_size)
		return false;
	*offset = segment->offset + (vaddr - segment->vaddr);
	return true;
}

static void read_segment(const struct elf_file *file, struct elf_segment *segment)
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
	struct elf_segment *segment = (struct elf_segment *)elf_file_segment_at(file, vaddr);

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
	 * Two segments may share a page of the file (the end of one, the start of the next) and be
	 * loaded at different distances. So the best fit counts: the rights, and a range that
	 * starts where a segment starts. RELRO makes a writable segment's first pages read-only
	 * afterwards.
	 */
	for (i = 0; i < file->n_segments; i++) {
		const struct elf_segment *segment = &file->segments[i];
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
