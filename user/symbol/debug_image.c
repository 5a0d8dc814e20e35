/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/debug_image.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "symbol/elf_part.h"

static const char *const wanted[] = {
	".debug_info", ".debug_types",       ".debug_abbrev", ".debug_line",   ".debug_line_str",
	".debug_str",  ".debug_str_offsets", ".debug_addr",   ".debug_ranges", ".debug_rnglists",
};

#define WANTED     (sizeof(wanted) / sizeof(wanted[0]))
#define NAMES_SIZE 256 /* of the section with the names of sections */

/* One section: where it is in the file, and what it will be. */
struct piece {
	uint64_t offset, size; /* in the file; behind the head of a compressed one */
	uint64_t unpacked;
	bool packed, present;
};

static bool read_at(int fd, uint64_t offset, void *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* A section whose contents begin with a head that says how large they are unpacked. */
static bool take_head(struct piece *piece, int fd, size_t head_size, bool old)
{
	union {
		Elf64_Chdr now;
		struct {
			char magic[4];
			uint64_t size; /* big-endian */
		} __attribute__((packed)) old;
	} head;

	if (piece->size < head_size || !read_at(fd, piece->offset, &head, head_size))
		return false;
	if (old ? memcmp(head.old.magic, "ZLIB", 4) != 0 : head.now.ch_type != ELFCOMPRESS_ZLIB)
		return false;
	piece->unpacked = old ? be64toh(head.old.size) : head.now.ch_size;
	piece->offset += head_size;
	piece->size -= head_size;
	piece->packed = true;
	return true;
}

/* return false when it is there and cannot be read */
static bool find_piece(struct piece *piece, Elf *elf, int fd, const char *name)
{
	char old_name[32] = ".z";
	GElf_Shdr header;
	bool old = false;

	*piece = (struct piece){0};
	if (!elf_part_find(elf, name, &header)) {
		strcat(old_name, name + 1);
		old = elf_part_find(elf, old_name, &header) != NULL;
		if (!old)
			return true;
	}
	piece->present = true;
	piece->offset = header.sh_offset;
	piece->size = header.sh_size;
	piece->unpacked = header.sh_size;
	if (old)
		return take_head(piece, fd, 12, true);
	if (header.sh_flags & SHF_COMPRESSED)
		return take_head(piece, fd, sizeof(Elf64_Chdr), false);
	return true;
}

static bool fill(const struct piece *piece, int fd, char *to)
{
	uLongf unpacked = piece->unpacked;
	char *packed;
	bool good;

	if (!piece->packed)
		return read_at(fd, piece->offset, to, piece->size);
	packed = piece->size <= DEBUG_IMAGE_MAX ? malloc(piece->size + 1) : NULL;
	good = packed && read_at(fd, piece->offset, packed, piece->size) &&
	       uncompress((Bytef *)to, &unpacked, (const Bytef *)packed, piece->size) == Z_OK &&
	       unpacked == piece->unpacked;
	free(packed);
	return good;
}

static size_t rounded(uint64_t size)
{
	return (size_t)((size + DEBUG_IMAGE_GAP + 15) & ~15ull);
}

/* Header, sections, names, section headers. */
static bool put_together(struct debug_image *image, const struct piece *pieces, int fd)
{
	Elf64_Ehdr *file = (Elf64_Ehdr *)image->bytes;
	size_t at = rounded(sizeof(*file)), name = 1;
	Elf64_Shdr sections[WANTED + 2] = {{0}};
	char names[NAMES_SIZE] = "";
	unsigned n = 1;

	for (size_t i = 0; i < WANTED; i++) {
		if (!pieces[i].present)
			continue;
		if (!fill(&pieces[i], fd, image->bytes + at))
			return false;
		sections[n++] = (Elf64_Shdr){.sh_name = (Elf64_Word)name,
					     .sh_type = SHT_PROGBITS,
					     .sh_offset = at,
					     .sh_size = pieces[i].unpacked};
		strcpy(names + name, wanted[i]);
		name += strlen(wanted[i]) + 1;
		at += rounded(pieces[i].unpacked);
	}
	sections[n++] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = at, .sh_size = NAMES_SIZE};
	memcpy(image->bytes + at, names, NAMES_SIZE);
	at += rounded(NAMES_SIZE);
	memcpy(image->bytes + at, sections, n * sizeof(sections[0]));
	*file = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT},
			     .e_type = ET_DYN,
			     .e_version = EV_CURRENT,
			     .e_ehsize = sizeof(*file),
			     .e_shoff = at,
			     .e_shentsize = sizeof(sections[0]),
			     .e_shnum = (Elf64_Half)n,
			     .e_shstrndx = (Elf64_Half)(n - 1)};
	image->elf = elf_part_open_image(image->bytes, at + n * sizeof(sections[0]));
	return image->elf;
}

bool debug_image_load(struct debug_image *image, Elf *elf, int fd)
{
	struct piece pieces[WANTED];
	uint64_t all = rounded(sizeof(Elf64_Ehdr)) + rounded(NAMES_SIZE) +
		       (WANTED + 2) * sizeof(Elf64_Shdr);

	*image = (struct debug_image){0};
	for (size_t i = 0; i < WANTED; i++) {
		if (!find_piece(&pieces[i], elf, fd, wanted[i]) ||
		    pieces[i].unpacked > DEBUG_IMAGE_MAX)
			return false;
		all += rounded(pieces[i].unpacked);
	}
	if (!pieces[0].present || all > DEBUG_IMAGE_MAX)
		return false;
	image->bytes = calloc(1, all);
	if (image->bytes && put_together(image, pieces, fd))
		return true;
	debug_image_free(image);
	return false;
}

void debug_image_free(struct debug_image *image)
{
	elf_end(image->elf);
	free(image->bytes);
	*image = (struct debug_image){0};
}
