/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/section.h"

#include <dwarf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "abi/registers.h"

#define MAX_SECTIONS   65536
#define MAX_PHDRS      4096
#define ZEROS          64 /* behind the bytes */
#define ONLY_THE_END   4  /* bytes of an .eh_frame that has but the length of 0 at its end */
#define EH_HDR_VERSION 1
#define EH_HDR_BYTES   32 /* more than version, encodings and the pointer to .eh_frame take */

static int check_header(Elf *elf, struct err *err)
{
	GElf_Ehdr header;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
		return err_set(err, ERR_FAILED, "not an ELF file, or a damaged one");
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != ABI_UNWIND_MACHINE)
		return err_set(err, ERR_FAILED, "not made for " ABI_UNWIND_MACHINE_NAME);
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return err_set(err, ERR_FAILED, "neither a program nor a shared library");
	return 0;
}

/* ---- segments ------------------------------------------------------------------------------- */

/* The first program header of this type; of the ones that hold the address in their file part, if
 * an address is given. */
static bool find_segment(Elf *elf, unsigned type, const uint64_t *vaddr, GElf_Phdr *out)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count && i < MAX_PHDRS; i++) {
		if (!gelf_getphdr(elf, (int)i, out) || out->p_type != type)
			continue;
		if (!vaddr || (*vaddr >= out->p_vaddr && *vaddr - out->p_vaddr < out->p_filesz))
			return true;
	}
	return false;
}

static int find_text(struct unwind_section *section, Elf *elf, struct err *err)
{
	uint64_t least = UINT64_MAX, most = 0;
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0 || count > MAX_PHDRS)
		return err_set(err, ERR_FAILED, "damaged program headers");
	for (size_t i = 0; i < count; i++) {
		struct unwind_text *text = &section->text[section->n_text];
		GElf_Phdr header;

		if (!gelf_getphdr(elf, (int)i, &header))
			return err_set(err, ERR_FAILED, "damaged program headers");
		if (header.p_type != PT_LOAD || !(header.p_flags & PF_X) || header.p_memsz == 0)
			continue;
		if (section->n_text == UNWIND_MAX_SEGMENTS)
			return err_set(err, ERR_FAILED, "more than %d executable segments",
				       UNWIND_MAX_SEGMENTS);
		text->start = header.p_vaddr;
		if (__builtin_add_overflow(header.p_vaddr, header.p_memsz, &text->end))
			return err_set(err, ERR_FAILED, "a segment of impossible size");
		least = text->start < least ? text->start : least;
		most = text->end > most ? text->end : most;
		section->n_text++;
	}
	if (section->n_text == 0)
		return err_set(err, ERR_FAILED, "it has no executable segment");
	if (most - least > UNWIND_MAX_TEXT)
		return err_set(err, ERR_FAILED, "its code spans more than %llu GiB",
			       UNWIND_MAX_TEXT >> 30);
	return 0;
}

/* ---- sections ------------------------------------------------------------------------------- */

static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *header)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return NULL;
	while ((scn = elf_nextscn(elf, scn)) && elf_ndxscn(scn) < MAX_SECTIONS) {
		const char *candidate;

		if (!gelf_getshdr(scn, header) || header->sh_size == 0 ||
		    (header->sh_type != SHT_PROGBITS && header->sh_type != SHT_X86_64_UNWIND))
			continue;
		candidate = elf_strptr(elf, names, header->sh_name);
		if (candidate && strcmp(candidate, name) == 0)
			return scn;
	}
	return NULL;
}

static int take_bytes(struct unwind_section *section, const Elf_Data *data, struct err *err)
{
	if (!data || !data->d_buf || data->d_size == 0)
		return err_set(err, ERR_FAILED, "its unwind information cannot be read");
	section->bytes = malloc(data->d_size + ZEROS);
	if (!section->bytes)
		return err_set(err, ERR_FAILED, "out of memory");
	memcpy(section->bytes, data->d_buf, data->d_size);
	memset(section->bytes + data->d_size, 0, ZEROS);
	section->size = data->d_size;
	section->bases.bytes = section->bytes;
	return 0;
}

static int load_raw(struct unwind_section *section, Elf *elf, uint64_t offset, uint64_t size,
		    struct err *err)
{
	/* looked at first: libelf allocates what the header says */
	if (size > UNWIND_MAX_BYTES)
		return err_set(err, ERR_FAILED, "it has more than %llu MiB of unwind information",
			       UNWIND_MAX_BYTES >> 20);
	if (offset > INT64_MAX)
		return err_set(err, ERR_FAILED, "its unwind information lies outside the file");
	return take_bytes(section, elf_getdata_rawchunk(elf, (int64_t)offset, size, ELF_T_BYTE),
			  err);
}

/* Files that were stripped of their section headers. */
static int load_by_segment(struct unwind_section *section, Elf *elf, const GElf_Phdr *hdr,
			   struct err *err)
{
	size_t size = hdr->p_filesz < EH_HDR_BYTES ? hdr->p_filesz : EH_HDR_BYTES;
	Elf_Data *data =
		hdr->p_offset > INT64_MAX
			? NULL
			: elf_getdata_rawchunk(elf, (int64_t)hdr->p_offset, size, ELF_T_BYTE);
	struct reader reader;
	struct reader_bases bases;
	GElf_Phdr segment;
	uint64_t version, encoding, vaddr, rest;

	if (!data || !data->d_buf)
		return err_set(err, ERR_FAILED, "its .eh_frame_hdr cannot be read");
	reader = (struct reader){.at = data->d_buf, .end = (uint8_t *)data->d_buf + data->d_size};
	bases = (struct reader_bases){
		.bytes = data->d_buf, .vaddr = hdr->p_vaddr, .data = hdr->p_vaddr};
	version = reader_fixed(&reader, 1);
	encoding = reader_fixed(&reader, 1);
	reader_skip(&reader, 2); /* of its search table, which is not needed */
	vaddr = reader_pointer(&reader, (uint8_t)encoding, &bases);
	if (reader.bad || version != EH_HDR_VERSION ||
	    !find_segment(elf, PT_LOAD, &vaddr, &segment))
		return err_set(err, ERR_FAILED, "its .eh_frame_hdr is damaged");
	/* where it ends is not said: a length of zero will show it, or the end of the segment */
	section->eh_frame = true;
	section->bases.vaddr = vaddr;
	rest = segment.p_filesz - (vaddr - segment.p_vaddr);
	return load_raw(section, elf, segment.p_offset + (vaddr - segment.p_vaddr),
			rest < UNWIND_MAX_BYTES ? rest : UNWIND_MAX_BYTES, err);
}

static int load_debug_frame(struct unwind_section *section, Elf *elf, Elf_Scn *scn,
			    const GElf_Shdr *header, struct err *err)
{
	GElf_Chdr compressed;

	if (!(header->sh_flags & SHF_COMPRESSED))
		return load_raw(section, elf, header->sh_offset, header->sh_size, err);
	if (!gelf_getchdr(scn, &compressed) || compressed.ch_size > UNWIND_MAX_BYTES ||
	    elf_compress(scn, 0, 0) < 0)
		return err_set(err, ERR_FAILED, "its .debug_frame cannot be decompressed");
	return take_bytes(section, elf_getdata(scn, NULL), err);
}

static void find_bases(struct unwind_section *section, Elf *elf)
{
	GElf_Shdr header;

	if (find_section(elf, ".text", &header))
		section->bases.text = header.sh_addr;
	if (find_section(elf, ".got.plt", &header) || find_section(elf, ".got", &header))
		section->bases.data = header.sh_addr;
}

Elf *section_open(int fd, struct err *err)
{
	Elf *elf;

	elf_version(EV_CURRENT);
	/* reading, not mapping: a mapped file that its owner truncates would end us with SIGBUS */
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		err_set(err, ERR_FAILED, "not an ELF file: %s", elf_errmsg(-1));
	return elf;
}

static int load(struct unwind_section *section, Elf *elf, struct err *err)
{
	GElf_Shdr header;
	GElf_Phdr segment;
	Elf_Scn *scn;

	if (find_section(elf, ".eh_frame", &header) && header.sh_size > ONLY_THE_END) {
		section->eh_frame = true;
		section->bases.vaddr = header.sh_addr;
		return load_raw(section, elf, header.sh_offset, header.sh_size, err);
	}
	scn = find_section(elf, ".debug_frame", &header);
	if (scn)
		return load_debug_frame(section, elf, scn, &header, err);
	if (find_segment(elf, PT_GNU_EH_FRAME, NULL, &segment))
		return load_by_segment(section, elf, &segment, err);
	return err_set(err, ERR_FAILED, "it has no unwind information");
}

int section_load(struct unwind_section *section, Elf *elf, struct err *err)
{
	int result;

	*section = (struct unwind_section){0};
	result = check_header(elf, err);
	if (!result)
		result = find_text(section, elf, err);
	if (!result) {
		find_bases(section, elf);
		result = load(section, elf, err);
	}
	if (result)
		section_fini(section);
	return result;
}

void section_fini(struct unwind_section *section)
{
	free(section->bytes);
	*section = (struct unwind_section){0};
}
