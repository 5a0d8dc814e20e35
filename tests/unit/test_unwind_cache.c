/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The cache of unwind tables: what it gives is what compiling gives; what is damaged, somebody
 * else's, or another file's is not believed. Whether a table came from the cache is seen by its
 * file: compiling puts a new one there.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <elf.h>

#include "unwind/cache.h"
#include "unwind/cache_folder.h"
#include "unwind/fingerprint.h"

/* offsets in a file of the cache; its head, as it stands in cache.c */
#define COMPILER_AT 8
#define N_PAGES_AT  12
#define HEAD_BYTES  72

struct fixture {
	char base[64]; /* in which the cache's folder is */
	int folder;
	char file[320]; /* the only file of the cache */
	int program;    /* whose table it is */
	struct unwind_table compiled;
};

static void find_file(struct fixture *fixture)
{
	char command[256];
	FILE *names;

	snprintf(command, sizeof(command), "ls %s/pyleaktrace/unwind/*", fixture->base);
	names = popen(command, "r");
	assert_non_null(names);
	assert_non_null(fgets(fixture->file, sizeof(fixture->file), names));
	fixture->file[strcspn(fixture->file, "\n")] = '\0';
	assert_int_equal(fgetc(names), EOF);
	pclose(names);
}

static int set_up(void **state)
{
	static struct fixture fixture;
	struct unwind_table first;

	fixture = (struct fixture){.base = "/tmp/pyleaktrace-cache-XXXXXX"};
	*state = &fixture;
	assert_non_null(mkdtemp(fixture.base));
	fixture.folder = cache_folder_open_below(fixture.base);
	assert_true(fixture.folder >= 0);
	fixture.program = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unwind_table_build(&fixture.compiled, fixture.program, NULL), 0);
	assert_int_equal(unwind_cache_get(fixture.folder, &first, fixture.program, NULL), 0);
	unwind_table_fini(&first);
	find_file(&fixture);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	unwind_table_fini(&fixture->compiled);
	close(fixture->program);
	close(fixture->folder);
	snprintf(command, sizeof(command), "rm -r %s", fixture->base);
	return system(command);
}

static bool same_table(const struct unwind_table *a, const struct unwind_table *b)
{
	return a->first_page == b->first_page && a->n_pages == b->n_pages &&
	       a->n_rows == b->n_rows && a->n_rules == b->n_rules &&
	       a->n_functions == b->n_functions && a->damaged == b->damaged &&
	       a->unsupported == b->unsupported &&
	       memcmp(a->pages, b->pages, a->n_pages * sizeof(*a->pages)) == 0 &&
	       memcmp(a->rows, b->rows, a->n_rows * sizeof(*a->rows)) == 0 &&
	       memcmp(a->rules, b->rules, a->n_rules * sizeof(*a->rules)) == 0;
}

static ino_t inode_of(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0 ? stat.st_ino : 0;
}

/* Get the table of a program; true: it was in the cache. It is right in any case. */
static bool get(struct fixture *fixture, int program, const struct unwind_table *expected)
{
	ino_t before = inode_of(fixture->file);
	/* keeps the old file's inode from being taken again */
	int old = open(fixture->file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct unwind_table got;
	bool cached;

	assert_int_equal(unwind_cache_get(fixture->folder, &got, program, NULL), 0);
	assert_true(same_table(&got, expected));
	unwind_table_fini(&got);
	cached = before && inode_of(fixture->file) == before;
	if (old >= 0)
		close(old);
	return cached;
}

static bool cached(struct fixture *fixture)
{
	return get(fixture, fixture->program, &fixture->compiled);
}

/* Flip one bit of the file. */
static void flip(const char *path, off_t at)
{
	int file = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(file >= 0);
	assert_int_equal(pread(file, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(file, &byte, 1, at), 1);
	close(file);
}

static void a_table_that_is_kept_is_used_and_made_young(void **state)
{
	struct fixture *fixture = *state;
	const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct stat stat;

	assert_true(cached(fixture));
	/* using a table makes it young */
	assert_int_equal(utimensat(AT_FDCWD, fixture->file, long_ago, 0), 0);
	assert_true(cached(fixture));
	assert_int_equal(lstat(fixture->file, &stat), 0);
	assert_true(stat.st_mtim.tv_sec > 1000);
	assert_int_equal(stat.st_mode & 07777, 0600);
	/* the file's name is the build id alone */
	assert_int_equal(strlen(strrchr(fixture->file, '/') + 1), 40);
}

static void without_a_cache_tables_are_made(void **state)
{
	struct fixture *fixture = *state;
	struct unwind_table got;

	assert_int_equal(unwind_cache_get(-1, &got, fixture->program, NULL), 0);
	assert_true(same_table(&got, &fixture->compiled));
	unwind_table_fini(&got);
	assert_true(unwind_cache_get(-1, &got, -1, NULL) < 0);
	assert_true(unwind_cache_get(fixture->folder, &got, fixture->folder, NULL) < 0);
}

static void a_damaged_table_is_made_anew(void **state)
{
	struct fixture *fixture = *state;
	struct stat stat;
	off_t places[] = {0, COMPILER_AT, N_PAGES_AT, HEAD_BYTES - 1, HEAD_BYTES, 0, 0};

	assert_int_equal(lstat(fixture->file, &stat), 0);
	places[5] = stat.st_size / 2;
	places[6] = stat.st_size - 1;
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		flip(fixture->file, places[i]);
		assert_false(cached(fixture));
		assert_true(cached(fixture)); /* it was made again */
	}
	for (off_t at = 0; at < HEAD_BYTES; at++) {
		flip(fixture->file, at);
		assert_false(cached(fixture));
	}
	assert_int_equal(truncate(fixture->file, stat.st_size - 1), 0);
	assert_false(cached(fixture));
	assert_int_equal(truncate(fixture->file, stat.st_size + 1), 0);
	assert_false(cached(fixture));
	assert_int_equal(truncate(fixture->file, HEAD_BYTES - 1), 0);
	assert_false(cached(fixture));
	assert_int_equal(truncate(fixture->file, 0), 0);
	assert_false(cached(fixture));
	assert_true(cached(fixture));
}

static void a_file_of_others_is_not_used(void **state)
{
	struct fixture *fixture = *state;
	char other[330];

	/* writable for others */
	assert_int_equal(chmod(fixture->file, 0622), 0);
	assert_false(cached(fixture));
	assert_int_equal(chmod(fixture->file, 0660), 0);
	assert_false(cached(fixture));
	/* a link, to what would be right */
	snprintf(other, sizeof(other), "%s-other", fixture->file);
	assert_int_equal(rename(fixture->file, other), 0);
	assert_int_equal(symlink(other, fixture->file), 0);
	assert_false(cached(fixture));
	assert_true(cached(fixture));
	/* a FIFO is not waited for */
	assert_int_equal(unlink(fixture->file), 0);
	assert_int_equal(mkfifo(fixture->file, 0600), 0);
	assert_false(cached(fixture));
	/* a folder cannot be replaced; what is asked for is there all the same */
	assert_int_equal(unlink(fixture->file), 0);
	assert_int_equal(mkdir(fixture->file, 0700), 0);
	get(fixture, fixture->program, &fixture->compiled);
	if (geteuid() == 0) {
		assert_int_equal(rmdir(fixture->file), 0);
		assert_int_equal(rename(other, fixture->file), 0);
		assert_int_equal(chown(fixture->file, 12345, 0), 0);
		assert_false(cached(fixture));
	}
}

static void a_folder_of_others_is_not_used(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	int folder;

	snprintf(path, sizeof(path), "%s/pyleaktrace", fixture->base);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(cache_folder_open_below(fixture->base), -1);
	assert_int_equal(chmod(path, 0755), 0); /* others may look */
	folder = cache_folder_open_below(fixture->base);
	assert_true(folder >= 0);
	close(folder);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(cache_folder_open_below(fixture->base), -1);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	/* a link in the place of the folder */
	snprintf(path, sizeof(path), "%s/elsewhere", fixture->base);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlink("../pyleaktrace", strcat(path, "/pyleaktrace")), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(cache_folder_open_below(path), -1);
	assert_int_equal(cache_folder_open_below("/nonexistent"), -1);
}

/* A program with this build id and these unwind bytes; false: as it was. */
static int forge(int program, bool change_frames)
{
	int copy = memfd_create("forged", MFD_CLOEXEC);
	struct stat stat;
	uint8_t *bytes;
	const Elf64_Ehdr *header;
	const Elf64_Shdr *sections;

	assert_true(copy >= 0 && fstat(program, &stat) == 0);
	bytes = malloc((size_t)stat.st_size);
	assert_int_equal(pread(program, bytes, (size_t)stat.st_size, 0), stat.st_size);
	header = (const Elf64_Ehdr *)bytes;
	sections = (const Elf64_Shdr *)(bytes + header->e_shoff);
	for (unsigned i = 0; change_frames && i < header->e_shnum; i++) {
		const char *name = (const char *)bytes + sections[header->e_shstrndx].sh_offset +
				   sections[i].sh_name;

		/* the CFA of all functions: the first CIE says DW_CFA_def_cfa rsp, 8 */
		if (strcmp(name, ".eh_frame") == 0) {
			uint8_t *cie = bytes + sections[i].sh_offset;
			uint8_t *cfa = memmem(cie, 32, "\x0c\x07\x08", 3);

			assert_non_null(cfa);
			cfa[2] = 88;
			change_frames = false;
		}
	}
	assert_false(change_frames);
	assert_int_equal(write(copy, bytes, (size_t)stat.st_size), stat.st_size);
	free(bytes);
	return copy;
}

/* Anybody can give his file the build id of libc: it has its own table, and libc never has that
 * one. */
static void a_forged_build_id_has_its_own_table(void **state)
{
	struct fixture *fixture = *state;
	int same = forge(fixture->program, false), forged = forge(fixture->program, true);
	struct unwind_table table;

	assert_true(get(fixture, same, &fixture->compiled));
	assert_int_equal(unwind_table_build(&table, forged, NULL), 0);
	assert_false(same_table(&table, &fixture->compiled));
	assert_false(get(fixture, forged, &table));
	assert_true(get(fixture, forged, &table));
	assert_false(cached(fixture));
	assert_true(cached(fixture));
	unwind_table_fini(&table);
	close(same);
	close(forged);
}

static void put_file(int folder, const char *name, off_t size, time_t used)
{
	const struct timespec times[2] = {{.tv_sec = used}, {.tv_sec = used}};
	int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, size), 0);
	assert_int_equal(futimens(file, times), 0);
	close(file);
}

static bool is_there(int folder, const char *name)
{
	return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void the_folder_shrinks_from_the_oldest(void **state)
{
	struct fixture *fixture = *state;
	const char *name = strrchr(fixture->file, '/') + 1;
	struct stat stat;
	uint64_t bytes;

	assert_int_equal(lstat(fixture->file, &stat), 0);
	bytes = (uint64_t)stat.st_size;
	put_file(fixture->folder, "old", 1000, 2000);
	put_file(fixture->folder, "oldest", 100, 1000);
	put_file(fixture->folder, "younger", 10, 3000);
	put_file(fixture->folder, "left-behind~", 1, 500); /* of one that was killed */
	assert_int_equal(mkdirat(fixture->folder, "folder", 0700), 0);
	cache_folder_shrink(fixture->folder, bytes + 1111);
	assert_true(is_there(fixture->folder, "left-behind~"));
	cache_folder_shrink(fixture->folder, bytes + 1110);
	assert_false(is_there(fixture->folder, "left-behind~"));
	assert_true(is_there(fixture->folder, "oldest"));
	cache_folder_shrink(fixture->folder, bytes + 1000);
	assert_false(is_there(fixture->folder, "oldest"));
	assert_false(is_there(fixture->folder, "old"));
	assert_true(is_there(fixture->folder, "younger"));
	/* keeping a table shrinks the folder by itself; a file with a hole is as large as it
	 * says */
	put_file(fixture->folder, "huge", UNWIND_CACHE_MAX_BYTES, 4000);
	flip(fixture->file, 0);
	assert_false(cached(fixture));
	assert_false(is_there(fixture->folder, "huge"));
	assert_false(is_there(fixture->folder, "younger"));
	assert_true(is_there(fixture->folder, name));
	cache_folder_shrink(fixture->folder, 0);
	assert_false(is_there(fixture->folder, name));
	assert_true(is_there(fixture->folder, "folder"));
}

/* Where the folder is, for one who is not root. */
static void the_folder_is_in_the_users_cache(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t child;

	if (geteuid() == 0)
		assert_int_equal(chmod(fixture->base, 0777), 0);
	child = fork();
	if (child == 0) {
		char home[128], path[256];
		int folder;

		if (geteuid() == 0 && setuid(12345) != 0)
			_exit(1);
		snprintf(home, sizeof(home), "%s/home", fixture->base);
		mkdir(home, 0755);
		setenv("HOME", home, 1);
		setenv("XDG_CACHE_HOME", "relative", 1); /* is to be ignored */
		folder = unwind_cache_open();
		snprintf(path, sizeof(path), "%s/.cache/pyleaktrace/unwind", home);
		if (folder < 0 || access(path, W_OK) != 0)
			_exit(2);
		snprintf(path, sizeof(path), "%s/xdg", fixture->base);
		setenv("XDG_CACHE_HOME", path, 1);
		folder = unwind_cache_open();
		strcat(path, "/pyleaktrace/unwind");
		if (folder < 0 || access(path, W_OK) != 0)
			_exit(3);
		unsetenv("XDG_CACHE_HOME");
		unsetenv("HOME");
		_exit(unwind_cache_open() == -1 ? 0 : 4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static uint64_t fingerprint_of(uint64_t key, const char *one, size_t one_size, const char *two,
			       size_t two_size)
{
	struct fingerprint fingerprint;

	fingerprint_init(&fingerprint, key);
	fingerprint_add(&fingerprint, one, one_size);
	fingerprint_add(&fingerprint, two, two_size);
	return fingerprint_value(&fingerprint);
}

/* 3 + 5 by hand: in the field of 2^61 - 1, ((1 * k + 1) * k + byte) and so on */
static void the_fingerprint_is_the_polynomial(void **state)
{
	static const char zeros[32];
	uint64_t value = fingerprint_of(5, "\3", 1, "", 0);

	(void)state;
	/* point 7: sum 1; the length 1; the word 3; the length 0 */
	assert_int_equal(value, ((1 * 7 + 1) * 7 + 3) * 7 + 0);
	assert_int_equal(fingerprint_of(5, "\3", 1, "", 0), value);
	assert_true(fingerprint_of(6, "\3", 1, "", 0) != value);
	assert_true(fingerprint_of(5, "\2", 1, "", 0) != value);
	assert_true(fingerprint_of(5, "", 0, "\3", 1) != value);
	/* lengths count, also where bytes are 0 */
	for (size_t n = 0; n < sizeof(zeros); n++)
		for (size_t m = 0; m < n; m++)
			assert_true(fingerprint_of(9, zeros, n, "", 0) !=
				    fingerprint_of(9, zeros, m, "", 0));
	/* reduction: a product near the field's order */
	assert_true(fingerprint_of(UINT64_MAX, "\377\377\377\377\377\377\377\377", 8, "", 0) <
		    (1ull << 61) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_table_that_is_kept_is_used_and_made_young, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_a_cache_tables_are_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_table_is_made_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_of_others_is_not_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_of_others_is_not_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_forged_build_id_has_its_own_table, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_folder_shrinks_from_the_oldest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_folder_is_in_the_users_cache, set_up,
						tear_down),
		cmocka_unit_test(the_fingerprint_is_the_polynomial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
