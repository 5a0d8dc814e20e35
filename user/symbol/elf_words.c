/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/elf_words.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gelf.h>

#define SECTIONS_MAX 65536

/* Fewer bytes than the header says: the file was cut short. */
static uint64_t read_bytes(int fd, uint8_t *bytes, uint64_t size, uint64_t offset)
{
	uint64_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, bytes + done, size - done, (off_t)(offset + done));

		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

static bool add_segment(struct elf_words *words, const GElf_Phdr *header, int fd)
{
	struct elf_words_segment *segment = &words->segments[words->n];

	if (words->n == ELF_WORDS_SEGMENTS || header->p_offset > INT64_MAX - header->p_filesz)
		return false;
	*segment = (struct elf_words_segment){
		.start = header->p_vaddr, .reach = header->p_memsz, .code = header->p_flags & PF_X};
	segment->bytes = malloc(header->p_filesz + 1);
	if (!segment->bytes)
		return false;
	words->n++;
	segment->size = read_bytes(fd, segment->bytes, header->p_filesz, header->p_offset);
	if (segment->reach < segment->size)
		segment->reach = segment->size;
	return true;
}

static bool read_segments(struct elf_words *words, Elf *elf, int fd)
{
	uint64_t sum = 0;
	size_t count;

	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count && i < SECTIONS_MAX; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
			continue;
		if (header.p_filesz > ELF_WORDS_BYTES - sum || !add_segment(words, &header, fd))
			return false;
		sum += header.p_filesz;
	}
	return words->n > 0;
}

/* The bytes from an address to the end of its segment in the file. */
static uint8_t *bytes_at(const struct elf_words *words, uint64_t vaddr, uint64_t *available)
{
	for (unsigned i = 0; i < words->n; i++) {
		const struct elf_words_segment *segment = &words->segments[i];

		if (vaddr >= segment->start && vaddr - segment->start < segment->size) {
			*available = segment->size - (vaddr - segment->start);
			return segment->bytes + (vaddr - segment->start);
		}
	}
	return NULL;
}

/* What the loader would write when it loads the file at its link-time addresses. */
static void relocate(struct elf_words *words, Elf *elf)
{
	uint64_t relative = words->machine == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
	uint64_t left = ELF_WORDS_BYTES;
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section)) && elf_ndxscn(section) < SECTIONS_MAX) {
		Elf_Data *data;
		GElf_Shdr header;
		GElf_Rela entry;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA ||
		    !(header.sh_flags & SHF_ALLOC) || header.sh_size > left)
			continue;
		left -= header.sh_size;
		data = elf_getdata(section, NULL);
		for (int i = 0; data && gelf_getrela(data, i, &entry); i++) {
			uint64_t available, value = (uint64_t)entry.r_addend;
			uint8_t *word;

			if (GELF_R_TYPE(entry.r_info) != relative)
				continue;
			word = bytes_at(words, entry.r_offset, &available);
			if (word && available >= sizeof(value))
				memcpy(word, &value, sizeof(value));
		}
	}
}

bool elf_words_load(struct elf_words *words, Elf *elf, int fd)
{
	GElf_Ehdr header;

	*words = (struct elf_words){0};
	if (gelf_getehdr(elf, &header) && read_segments(words, elf, fd)) {
		words->machine = header.e_machine;
		relocate(words, elf);
		return true;
	}
	elf_words_fini(words);
	return false;
}

void elf_words_fini(struct elf_words *words)
{
	for (unsigned i = 0; i < words->n; i++)
		free(words->segments[i].bytes);
	*words = (struct elf_words){0};
}

const uint8_t *elf_words_bytes(const struct elf_words *words, uint64_t vaddr, uint64_t *available)
{
	return bytes_at(words, vaddr, available);
}

uint64_t elf_words_at(const struct elf_words *words, uint64_t vaddr)
{
	uint64_t available, value = 0;
	const uint8_t *bytes = bytes_at(words, vaddr, &available);

	if (bytes && available >= sizeof(value))
		memcpy(&value, bytes, sizeof(value));
	return value;
}

bool elf_words_holds(const struct elf_words *words, uint64_t vaddr)
{
	for (unsigned i = 0; i < words->n; i++) {
		const struct elf_words_segment *segment = &words->segments[i];

		if (vaddr >= segment->start && vaddr - segment->start < segment->reach)
			return true;
	}
	return false;
}

const char *elf_words_string(const struct elf_words *words, uint64_t vaddr, size_t most)
{
	uint64_t available;
	const uint8_t *bytes = bytes_at(words, vaddr, &available);

	if (!bytes || !memchr(bytes, '\0', available < most ? available : most))
		return NULL;
	return (const char *)bytes;
}
