/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names out of files that were made to do harm: damaged everywhere, cut short, with impossible
 * sizes, naming other files that would make us wait. Nothing crashes (run it with sanitizers),
 * hangs, or takes memory beyond bounds.
 */
#include "unit/names_target.h"

#include <fcntl.h>
#include <gelf.h>
#include <sys/stat.h>
#include <zlib.h>

#define CFLAGS     "-O2 -fPIC -shared -Wl,--version-script,$SOURCES/library.map"

#define DAMAGES    300                 /* files in the test of random damage */
#define ADDRESS    0x1000              /* link-time, where the text of the library begins */
#define ZEROS      ((size_t)300 << 20) /* more than MINI_DEBUG_MAX and DEBUG_INFO_MAX */
#define MEMORY_MAX (290L << 20)

static int make_libraries(void **state)
{
	if (make_folder(state))
		return -1;
	run("gcc -g -gdwarf-5 " CFLAGS " -o five.so $SOURCES/library.c\n"
	    "gcc -O2 -fPIC -shared -s -o tables.so $SOURCES/tables.c\n"
	    "gcc -g -gdwarf-4 -gz " CFLAGS " -o four.so $SOURCES/library.c\n"
	    "objcopy --only-keep-debug five.so debug && objcopy --strip-debug debug mini && xz "
	    "mini\n"
	    "strip --strip-all -o stripped.so five.so\n"
	    "objcopy --add-section .gnu_debugdata=mini.xz stripped.so mini.so");
	return 0;
}

/* All that can be asked about a file; what comes out does not matter. */
static void ask_everywhere(const char *name)
{
	struct names_target target;

	names_target_pretend(&target, name);
	for (uint64_t vaddr = ADDRESS; vaddr < ADDRESS + 0x400; vaddr += 7)
		names_at(&target, vaddr, vaddr & 1);
	names_at(&target, 0, false);
	names_at(&target, UINT64_MAX, true);
	names_target_end_pretence(&target);
}

/* The address that was asked for is that of a function; else nothing would have been tried. */
static void assert_function(const char *name, const char *function)
{
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	size_t n;

	names_target_pretend(&target, name);
	n = frames_at(&target, ADDRESS + 7, true, frames);
	assert_string_equal(frames[n - 1].function, function);
	names_target_end_pretence(&target);
}

static char *read_file(const char *name, size_t *size)
{
	FILE *in = fopen(in_folder(name), "r");
	struct stat stat;
	char *bytes;

	assert_non_null(in);
	assert_int_equal(fstat(fileno(in), &stat), 0);
	*size = (size_t)stat.st_size;
	bytes = malloc(*size);
	assert_int_equal(fread(bytes, 1, *size, in), *size);
	fclose(in);
	return bytes;
}

static void write_file(const char *name, const char *bytes, size_t size)
{
	FILE *out = fopen(in_folder(name), "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

/* ---- damage --------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Where this section begins and ends in the file. */
static void find_section(const char *name, const char *section, size_t *start, size_t *size)
{
	int fd = open(in_folder(name), O_RDONLY);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	Elf_Scn *scn = NULL;
	size_t names;

	assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
	*size = 0;
	while (!*size && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr header;

		assert_non_null(gelf_getshdr(scn, &header));
		if (strcmp(elf_strptr(elf, names, header.sh_name), section) == 0) {
			*start = header.sh_offset;
			*size = header.sh_size;
		}
	}
	elf_end(elf);
	close(fd);
	assert_int_not_equal(*size, 0);
}

/*
 * Some bytes changed: anywhere, in the headers, in the section headers, in one kind of section. The
 * damage is the same in every run.
 */
static void damaged_files_do_no_harm(void **state)
{
	static const char *const files[] = {"five.so", "four.so", "mini.so"};
	static const char *const sections[] = {".debug_info", ".debug_abbrev", ".debug_line",
					       ".dynsym",     ".dynstr",       ".shstrtab",
					       ".debug_str"};
	uint32_t seed = 1;

	(void)state;
	elf_version(EV_CURRENT);
	for (unsigned i = 0; i < DAMAGES; i++) {
		const char *name = files[i % 3];
		size_t size, start, length;
		char *bytes = read_file(name, &size);
		unsigned kind = i / 3 % 10, n = 1 + next_random(&seed) % 8;

		start = 0;
		length = size;
		if (kind == 0)
			length = sizeof(Elf64_Ehdr);
		else if (kind == 1)
			start = size - 37 * sizeof(Elf64_Shdr);
		else if (kind > 2 && strcmp(name, "mini.so") != 0)
			find_section(name, sections[kind - 3], &start, &length);
		if (kind == 1)
			length = size - start;
		for (unsigned b = 0; b < n; b++)
			bytes[start + next_random(&seed) % length] =
				(char)(next_random(&seed) & 1 ? 0xff : next_random(&seed));
		write_file("damaged.so", bytes, size);
		ask_everywhere("damaged.so");
		free(bytes);
	}
}

/* What the tables of a file without symbols point to, and their relocations. */
static void damaged_tables_do_no_harm(void **state)
{
	static const char *const sections[] = {
		".data", ".data.rel.ro", ".rela.dyn", ".rela.plt", ".eh_frame", ".rodata", ".text"};
	uint32_t seed = 2;

	(void)state;
	elf_version(EV_CURRENT);
	for (unsigned i = 0; i < DAMAGES; i++) {
		size_t size, start, length;
		char *bytes = read_file("tables.so", &size);

		find_section("tables.so", sections[i % 7], &start, &length);
		for (unsigned n = 1 + next_random(&seed) % 32; n; n--)
			bytes[start + next_random(&seed) % length] =
				(char)(next_random(&seed) & 1 ? 0xff : next_random(&seed));
		write_file("damaged.so", bytes, size);
		ask_everywhere("damaged.so");
		free(bytes);
	}
}

static void files_cut_anywhere_do_no_harm(void **state)
{
	size_t size;
	char *bytes = read_file("five.so", &size);

	(void)state;
	for (size_t length = 0; length < size; length += 211) {
		write_file("short.so", bytes, length);
		ask_everywhere("short.so");
	}
	free(bytes);
}

/* Cut while it is open and in use: a file that is mapped would end us here. */
static void a_file_cut_in_use_does_not_end_us(void **state)
{
	struct names_target target;

	(void)state;
	run("cp five.so cut.so");
	names_target_pretend(&target, "cut.so");
	names_at(&target, ADDRESS + 0x140, true);
	assert_int_equal(truncate(in_folder("cut.so"), 0), 0);
	for (uint64_t vaddr = ADDRESS; vaddr < ADDRESS + 0x400; vaddr += 7)
		names_at(&target, vaddr, true);
	names_target_end_pretence(&target);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void reset_peak(void)
{
	FILE *out = fopen("/proc/self/clear_refs", "w");

	if (out) {
		fputs("5", out);
		fclose(out);
	}
}

static long peak_bytes(void)
{
	char line[256];
	long kib = -1;
	FILE *in = fopen("/proc/self/status", "r");

	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	fclose(in);
	assert_true(kib > 0);
	return kib << 10;
}

/* The header of section number i of a file in memory. */
static Elf64_Shdr *section_of(char *bytes, unsigned i)
{
	return (Elf64_Shdr *)(bytes + ((Elf64_Ehdr *)bytes)->e_shoff) + i;
}

/* In a file with a hole of 2 GB every size up to that can be read; each of these would read it
 * all. */
static void impossible_sizes_are_not_read(void **state)
{
	size_t size;
	unsigned n;
	char *bytes = read_file("five.so", &size);

	(void)state;
	reset_peak();
	n = ((Elf64_Ehdr *)bytes)->e_shnum;
	for (unsigned i = 1; i < n; i++) {
		Elf64_Shdr before = *section_of(bytes, i);

		if (before.sh_type == SHT_NOBITS)
			continue;
		section_of(bytes, i)->sh_size = 2ull << 30;
		write_file("large.so", bytes, size);
		assert_int_equal(truncate(in_folder("large.so"), 3ll << 30), 0);
		ask_everywhere("large.so");
		*section_of(bytes, i) = before;
	}
	/* as many sections and segments as 32 bits can count */
	((Elf64_Ehdr *)bytes)->e_shnum = 0;
	section_of(bytes, 0)->sh_size = UINT32_MAX;
	write_file("large.so", bytes, size);
	assert_int_equal(truncate(in_folder("large.so"), 1ll << 40), 0);
	ask_everywhere("large.so");
	((Elf64_Ehdr *)bytes)->e_shnum = (Elf64_Half)n;
	((Elf64_Ehdr *)bytes)->e_phnum = PN_XNUM;
	section_of(bytes, 0)->sh_info = UINT32_MAX;
	write_file("large.so", bytes, size);
	assert_int_equal(truncate(in_folder("large.so"), 1ll << 40), 0);
	ask_everywhere("large.so");
	assert_in_range(peak_bytes(), 0, MEMORY_MAX);
	free(bytes);
}

/* ZEROS bytes of nothing as a compressed section has them; written to a file in the folder. */
static void write_zeros(const char *name)
{
	FILE *out = fopen(in_folder(name), "w");
	Elf64_Chdr header = {.ch_type = ELFCOMPRESS_ZLIB, .ch_size = ZEROS, .ch_addralign = 1};
	static unsigned char zeros[1 << 20], packed[1 << 16];
	z_stream stream = {0};

	assert_non_null(out);
	assert_int_equal(fwrite(&header, sizeof(header), 1, out), 1);
	assert_int_equal(deflateInit(&stream, 1), Z_OK);
	for (size_t done = 0; done <= ZEROS; done += sizeof(zeros)) {
		stream.next_in = zeros;
		stream.avail_in = done < ZEROS ? sizeof(zeros) : 0;
		do {
			stream.next_out = packed;
			stream.avail_out = sizeof(packed);
			deflate(&stream, done < ZEROS ? Z_NO_FLUSH : Z_FINISH);
			fwrite(packed, 1, sizeof(packed) - stream.avail_out, out);
		} while (stream.avail_out == 0);
	}
	deflateEnd(&stream);
	assert_int_equal(fclose(out), 0);
}

/* Bytes that unpack to some hundred times their size. */
static void bombs_are_not_unpacked(void **state)
{
	size_t size;
	char *bytes;

	(void)state;
	write_zeros("zeros");
	run("head -c %zu /dev/zero | xz -0 > zeros.xz\n"
	    "objcopy --add-section .gnu_debugdata=zeros.xz stripped.so xz.so\n"
	    "objcopy --add-section .debug_info=zeros stripped.so zlib.so",
	    ZEROS);
	bytes = read_file("zlib.so", &size);
	/* the last but one: .shstrtab is the last */
	section_of(bytes, ((Elf64_Ehdr *)bytes)->e_shnum - 2u)->sh_flags |= SHF_COMPRESSED;
	write_file("zlib.so", bytes, size);
	free(bytes);
	reset_peak();
	ask_everywhere("xz.so");
	ask_everywhere("zlib.so");
	assert_in_range(peak_bytes(), 0, MEMORY_MAX);
}

/* ---- scopes --------------------------------------------------------------------------------- */

/* Thousands of scopes within each other, in each of which an address is looked for. */
static void deep_nesting_comes_to_an_end(void **state)
{
	FILE *out = fopen(in_folder("deep.s"), "w");
	const int depth = 100000;

	(void)state;
	assert_non_null(out);
	fprintf(out, ".text\n.globl f\nf:\n.fill 4096, 1, 0x90\nend:\n"
		     ".section .debug_abbrev\n.uleb128 1, 0x11\n.byte 1\n.uleb128 0x11, 1, 0x12, "
		     "1, 0, 0\n"
		     ".uleb128 2, 0x2e\n.byte 1\n.uleb128 0x11, 1, 0x12, 1, 0, 0\n"
		     ".uleb128 3, 0x1d\n.byte 1\n.uleb128 0x11, 1, 0x12, 1, 0, 0\n"
		     ".uleb128 4, 0x39\n.byte 1\n.uleb128 0, 0\n.byte 0\n"
		     ".section .debug_info\n.long 2f - 1f\n1:\n.short 3\n.long 0\n.byte 8\n"
		     ".uleb128 1\n.quad f, end\n");
	for (int i = 0; i < depth; i++)
		fprintf(out, ".uleb128 4\n");
	for (int i = 0; i < depth; i++)
		fprintf(out, ".byte 0\n");
	fprintf(out, ".uleb128 2\n.quad f, end\n");
	for (int i = 0; i < depth; i++)
		fprintf(out, ".uleb128 3\n.quad f, end\n");
	for (int i = 0; i < depth + 2; i++)
		fprintf(out, ".byte 0\n");
	fprintf(out, "2:\n");
	fclose(out);
	run("gcc -shared -nostdlib -o deep.so deep.s");
	ask_everywhere("deep.so");
	assert_function("deep.so", "f");
}

/* An inlined function that is made of itself, and one of what is not there. */
static void references_in_circles_come_to_an_end(void **state)
{
	FILE *out = fopen(in_folder("circle.s"), "w");

	(void)state;
	assert_non_null(out);
	fprintf(out, ".text\n.globl f\nf:\n.fill 4096, 1, 0x90\nend:\n"
		     ".section .debug_abbrev\n.uleb128 1, 0x11\n.byte 1\n.uleb128 0x11, 1, 0x12, "
		     "1, 0, 0\n"
		     ".uleb128 2, 0x2e\n.byte 1\n.uleb128 0x11, 1, 0x12, 1, 0x31, 0x13, 0, 0\n"
		     ".uleb128 3, 0x1d\n.byte 1\n.uleb128 0x11, 1, 0x12, 1, 0x31, 0x13, 0x58, 6, "
		     "0x59, 6, 0, 0\n"
		     ".byte 0\n"
		     ".section .debug_info\n0:\n.long 2f - 1f\n1:\n.short 3\n.long 0\n.byte 8\n"
		     ".uleb128 1\n.quad f, end\n"
		     "a:\n.uleb128 2\n.quad f, end\n.long b - 0b\n"
		     "b:\n.uleb128 3\n.quad f, end\n.long a - 0b\n.long 0x7fffffff, 0xffffffff\n"
		     "c:\n.uleb128 3\n.quad f, end\n.long c - 0b\n.long 0, 0\n"
		     "d:\n.uleb128 3\n.quad f, end\n.long 0x7ffffff0\n.long 1, 1\n"
		     ".byte 0, 0, 0, 0, 0\n2:\n");
	fclose(out);
	run("gcc -shared -nostdlib -o circle.so circle.s");
	ask_everywhere("circle.so");
	assert_function("circle.so", "f");
}

/* ---- names ---------------------------------------------------------------------------------- */

/* Names that are long, empty, not text, or that stand for a text without end. */
static void odd_names_are_bounded_text(void **state)
{
	FILE *out = fopen(in_folder("odd.s"), "w");
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	uint64_t start, end;

	(void)state;
	assert_non_null(out);
	fprintf(out, ".text\n");
	for (int i = 0; i < 3; i++) {
		fprintf(out, ".globl \"");
		for (int c = 0; c < (i ? 100000 : 3000); c++)
			fprintf(out, "%s", i == 2 ? "\xc3\x28" : "x");
		fprintf(out, "%d\"\n", i);
	}
	fprintf(out, ".globl \"\033[31mred\"\n.type \"\033[31mred\", @function\n"
		     "\"\033[31mred\":\n.fill 4096, 1, 0x90\n.size \"\033[31mred\", 4096\n");
	for (int i = 0; i < 2; i++) {
		fprintf(out, "\"");
		for (int c = 0; c < (i ? 100000 : 3000); c++)
			fprintf(out, "x");
		fprintf(out, "%d\": nop\n", i);
	}
	fclose(out);
	run("gcc -shared -nostdlib -o odd.so odd.s");
	names_target_pretend(&target, "odd.so");
	text_of("odd.so", &start, &end);
	assert_int_equal(frames_at(&target, start + 3, true, frames), 1);
	assert_string_equal(frames[0].function, "\033[31mred");
	for (uint64_t vaddr = start; vaddr < end; vaddr++) {
		size_t n = frames_at(&target, vaddr, true, frames);

		assert_true(!frames[n - 1].function ||
			    strlen(frames[n - 1].function) < PROFILE_STRING_MAX);
	}
	names_target_end_pretence(&target);
}

/* ---- other files ---------------------------------------------------------------------------- */

/* Files that are named as holding debug information, and never end, or are not files at all. */
static void links_to_what_waits_are_not_followed(void **state)
{
	(void)state;
	run("mkfifo fifo.debug && ln -s /dev/zero zero.debug\n"
	    "ln -s /dev/full full.debug && mkdir folder.debug && ln -s loop.debug loop.debug\n"
	    "for kind in fifo zero full folder loop; do\n"
	    "	printf \"$kind.debug\\0\\0\\0\\0\\0\\0\\0\\0\\0\" > link\n"
	    "	truncate -s %%4 link && printf 'abcd' >> link\n"
	    "	objcopy --add-section .gnu_debuglink=link stripped.so $kind.so\n"
	    "	printf \"$PWD/$kind.debug\\0aaaaaaaaaaaaaaaaaaaa\" > alt\n"
	    "	objcopy --add-section .gnu_debugaltlink=alt five.so $kind.alt.so\n"
	    "	objcopy --add-section .zgnu_debugaltlink=alt five.so $kind.zalt.so\n"
	    "done");
	for (int i = 0; i < 15; i++) {
		static const char *const kinds[] = {"fifo", "zero", "full", "folder", "loop"};
		static const char *const forms[] = {"", ".alt", ".zalt"};
		char name[64];

		snprintf(name, sizeof(name), "%s%s.so", kinds[i / 3], forms[i % 3]);
		alarm(60); /* a hang ends the test */
		ask_everywhere(name);
		alarm(0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_files_do_no_harm),
		cmocka_unit_test(files_cut_anywhere_do_no_harm),
		cmocka_unit_test(a_file_cut_in_use_does_not_end_us),
		cmocka_unit_test(impossible_sizes_are_not_read),
		cmocka_unit_test(bombs_are_not_unpacked),
		cmocka_unit_test(deep_nesting_comes_to_an_end),
		cmocka_unit_test(references_in_circles_come_to_an_end),
		cmocka_unit_test(odd_names_are_bounded_text),
		cmocka_unit_test(links_to_what_waits_are_not_followed),
		/* behind those that measure memory: sanitizers keep what was freed */
		cmocka_unit_test(damaged_tables_do_no_harm),
	};

	return cmocka_run_group_tests(tests, make_libraries, empty_folder);
}
