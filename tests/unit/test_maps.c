/* SPDX-License-Identifier: BSD-2-Clause
 * maps, remote_mem and module, tried on this very process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "target/maps.h"
#include "target/module.h"
#include "target/remote_mem.h"

#define PAGE 4096u

/* Two pages, the second one taken away again. */
static uint8_t *page_before_hole(void)
{
	uint8_t *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(munmap(pages + PAGE, PAGE), 0);
	return pages;
}

static void memory_is_read_whole_or_not_at_all(void **state)
{
	uint8_t *page = page_before_hole(), buffer[64];
	uint64_t address = (uint64_t)(uintptr_t)page, word = 1;
	uint32_t half = 1;

	(void)state;
	memset(page, 0x5a, PAGE);
	assert_int_equal(remote_read(getpid(), address, buffer, sizeof(buffer)), 0);
	assert_int_equal(buffer[63], 0x5a);
	/* half of it readable: all or nothing */
	assert_int_equal(remote_read(getpid(), address + PAGE - 32, buffer, sizeof(buffer)),
			 -EFAULT);
	for (unsigned i = 0; i < sizeof(buffer); i++)
		assert_int_equal(buffer[i], 0);
	assert_int_equal(remote_read_u64(getpid(), address + PAGE - 8, &word), 0);
	assert_int_equal(word, 0x5a5a5a5a5a5a5a5aull);
	assert_int_equal(remote_read_u64(getpid(), address + PAGE - 7, &word), -EFAULT);
	assert_int_equal(word, 0);
	assert_int_equal(remote_read_u32(getpid(), UINT64_MAX - 1, &half), -EFAULT);
	assert_int_equal(half, 0);
	assert_int_equal(remote_read(getpid(), address, NULL, 0), 0);
	assert_int_equal(remote_read(getpid(), address, buffer, REMOTE_READ_MAX + 1), -E2BIG);
	assert_int_equal(remote_read_u64(999999999, address, &word), -ESRCH);
	munmap(page, PAGE);
}

static void a_string_ends_at_its_nul_or_is_cut(void **state)
{
	uint8_t *page = page_before_hole();
	uint64_t address = (uint64_t)(uintptr_t)page;
	char text[16];

	(void)state;
	memset(page, 'x', PAGE);
	memcpy(page + PAGE - 4, "end", 4);
	/* ends right before the hole */
	assert_int_equal(remote_read_string(getpid(), address + PAGE - 6, text, sizeof(text)), 5);
	assert_string_equal(text, "xxend");
	/* cut */
	assert_int_equal(remote_read_string(getpid(), address, text, sizeof(text)), 15);
	assert_int_equal(strlen(text), 15);
	/* no NUL before the hole */
	page[PAGE - 1] = 'x';
	assert_int_equal(remote_read_string(getpid(), address + PAGE - 6, text, sizeof(text)),
			 -EFAULT);
	assert_string_equal(text, "");
	assert_int_equal(remote_read_string(getpid(), address, text, 1), 0);
	assert_string_equal(text, "");
	munmap(page, PAGE);
}

/* More items than one call takes; every seventh one lies in a hole, some are empty or too big. */
static void each_of_many_items_has_its_result(void **state)
{
	enum { N = 2000 };
	uint8_t *page = page_before_hole();
	uint64_t address = (uint64_t)(uintptr_t)page;
	struct remote_item *items = calloc(N, sizeof(*items));
	uint8_t(*buffers)[8] = malloc(N * 8);

	(void)state;
	assert_true(items && buffers);
	for (unsigned i = 0; i < PAGE; i++)
		page[i] = (uint8_t)(i / 8);
	memset(buffers, 0xee, N * 8);
	for (unsigned i = 0; i < N; i++) {
		uint64_t at = i % 7 == 0 ? address + PAGE - 4 : address + 8 * (i % 512);

		items[i] = (struct remote_item){.address = at, .buffer = buffers[i], .length = 8};
		if (i % 100 == 1)
			items[i].length = 0;
		if (i % 100 == 2)
			items[i].length = REMOTE_READ_MAX + 1;
		if (i % 100 == 3)
			items[i].address = UINT64_MAX - 3;
	}
	remote_read_many(getpid(), items, N);
	for (unsigned i = 0; i < N; i++) {
		bool empty = i % 100 == 1, big = i % 100 == 2, wrong = i % 100 == 3 || i % 7 == 0;
		int expected = empty ? 0 : big ? -E2BIG : wrong ? -EFAULT : 0;
		uint8_t byte = empty || big ? 0xee : wrong ? 0 : (uint8_t)(i % 512);

		assert_int_equal(items[i].result, expected);
		assert_int_equal(buffers[i][0], byte);
		assert_int_equal(buffers[i][7], byte);
	}
	remote_read_many(999999999, items, N);
	assert_int_equal(items[0].result, -ESRCH);
	assert_int_equal(items[N - 1].result, -ESRCH);
	remote_read_many(getpid(), items, 0);
	free(buffers);
	free(items);
	munmap(page, PAGE);
}

static void our_own_mappings_are_read_in_order(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)our_own_mappings_are_read_in_order;
	const struct map_range *range;
	struct err err = ERR_INIT;
	struct maps maps;
	char path[256];

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), &err), 0);
	for (size_t i = 1; i < maps.n_ranges; i++)
		assert_true(maps.ranges[i].start >= maps.ranges[i - 1].end);
	range = maps_find(&maps, here);
	assert_non_null(range);
	assert_true(range->start <= here && here < range->end);
	assert_true(range->executable && range->readable && !range->writable && range->inode);
	assert_int_equal(maps_file_path(&maps, range, path, sizeof(path)), 0);
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(maps_file_path(&maps, range, path, 4), -1);
	range = maps_find(&maps, (uint64_t)(uintptr_t)&maps);
	assert_non_null(range);
	assert_true(range->writable && !range->executable);
	assert_int_equal(maps_file_path(&maps, range, path, sizeof(path)), -1);
	assert_null(maps_find(&maps, 0));
	assert_null(maps_find(&maps, UINT64_MAX));
	maps_fini(&maps);
	maps_fini(&maps);
	assert_int_equal(maps_read(&maps, 999999999, &err), -ERR_TARGET);
}

/* A mapped file with an odd name, then without one. */
static void odd_names_of_files_are_kept(void **state)
{
	char folder[] = "/tmp/pyleaktrace-maps-XXXXXX", name[128], path[256];
	const struct map_range *range;
	struct maps maps;
	FILE *file;
	void *page;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/a b\n(deleted)c", folder);
	file = fopen(name, "w+");
	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), PAGE), 0);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fileno(file), 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	for (unsigned gone = 0; gone < 2; gone++) {
		assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
		range = maps_find(&maps, (uint64_t)(uintptr_t)page);
		assert_non_null(range);
		assert_string_equal(range->path, name);
		assert_int_equal(range->deleted, gone);
		assert_true(range->shared);
		if (maps_file_path(&maps, range, path, sizeof(path)) == 0)
			assert_int_equal(access(path, R_OK), 0);
		else /* without privileges a deleted file cannot be reached */
			assert_int_equal(gone, 1);
		maps_fini(&maps);
		unlink(name);
	}
	munmap(page, PAGE);
	fclose(file);
	rmdir(folder);
}

uint64_t well_known_word = 77;

static void our_own_module_is_loaded_from_any_range(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)our_own_module_is_loaded_from_any_range, value, offset;
	struct err err = ERR_INIT;
	struct module module;
	const uint8_t *bytes;
	struct maps maps;
	size_t available;

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), &err), 0);
	/* whichever of its ranges is taken, it is the same module */
	for (size_t i = 0; i < maps.n_ranges; i++) {
		const struct map_range *range = &maps.ranges[i];

		if (range->inode != maps_find(&maps, here)->inode)
			continue;
		assert_int_equal(module_load(&module, &maps, range, &err), 0);
		assert_true(module.start <= here && here < module.end);
		assert_int_equal(module_symbol(&module, "well_known_word"),
				 (uint64_t)(uintptr_t)&well_known_word);
		module_unload(&module);
		module_unload(&module);
	}
	assert_int_equal(module_load(&module, &maps, maps_find(&maps, here), &err), 0);
	assert_int_equal(module_symbol(&module, "our_own_module_is_loaded_from_any_range"), here);
	assert_int_equal(module_symbol(&module, "no_such_name"), 0);
	assert_int_equal(
		remote_read_u64(getpid(), module_symbol(&module, "well_known_word"), &value), 0);
	assert_int_equal(value, 77);
	assert_true(module_offset(&module, here, &offset));
	assert_false(module_offset(&module, (uint64_t)(uintptr_t)&well_known_word, &offset));
	assert_false(module_offset(&module, 0, &offset));
	bytes = elf_file_bytes(module.elf, here - module.bias, &available);
	assert_non_null(bytes);
	assert_memory_equal(bytes, (const void *)(uintptr_t)here, 16);
	module_unload(&module);
	maps_fini(&maps);
}

static void a_file_is_read_whole_or_not_at_all(void **state)
{
	char name[] = "/tmp/pyleaktrace-file-XXXXXX", buffer[8], *text;
	int fd = mkstemp(name);
	size_t length;

	(void)state;
	assert_int_equal(write(fd, "1234567", 7), 7);
	assert_int_equal(file_read(name, buffer, 8), 7);
	assert_string_equal(buffer, "1234567");
	assert_int_equal(file_read(name, buffer, 7), -EFBIG);
	assert_string_equal(buffer, "");
	assert_int_equal(file_read_all(name, 7, &text, &length), 0);
	assert_int_equal(length, 7);
	assert_string_equal(text, "1234567");
	free(text);
	assert_int_equal(file_read_all(name, 6, &text, &length), -EFBIG);
	assert_null(text);
	assert_int_equal(ftruncate(fd, 40000), 0); /* more than one piece */
	assert_int_equal(file_read_all(name, 40000, &text, &length), 0);
	assert_int_equal(length, 40000);
	free(text);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(file_read_all(name, 0, &text, &length), 0);
	assert_int_equal(length, 0);
	free(text);
	close(fd);
	unlink(name);
	assert_int_equal(file_read(name, buffer, 8), -ENOENT);
	assert_int_equal(file_read_all(name, 6, &text, &length), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_read_whole_or_not_at_all),
		cmocka_unit_test(a_string_ends_at_its_nul_or_is_cut),
		cmocka_unit_test(each_of_many_items_has_its_result),
		cmocka_unit_test(our_own_mappings_are_read_in_order),
		cmocka_unit_test(odd_names_of_files_are_kept),
		cmocka_unit_test(our_own_module_is_loaded_from_any_range),
		cmocka_unit_test(a_file_is_read_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
