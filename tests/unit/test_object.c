/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Strings, types and the objects in allocators' blocks, as running interpreters state them about
 * themselves; and bytes that are no objects.
 */
#include "unit/each_minor.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "python/object.h"
#include "target/remote_mem.h"

/* ---- against running interpreters ----------------------------------------------------------- */

static char *unhex(const char *hex)
{
	char *text = calloc(1, strlen(hex) / 2 + 2);
	size_t n = 0;

	assert_non_null(text);
	for (; hex[0] && hex[0] != '-'; hex += 2) {
		char digits[3] = {hex[0], hex[1], '\0'};

		text[n++] = (char)strtoul(digits, NULL, 16);
	}
	return text;
}

static bool is_continued(const char *text, size_t at)
{
	return (text[at] & 0xc0) == 0x80;
}

/* Whole, and cut at every small buffer's end on a character's border. */
static void compare_str(const struct python_child *child, uint64_t address, const char *hex)
{
	const struct py_layout *layout = &child->runtime.layout;
	char *text = unhex(hex), buffer[32768];
	long length = py_str_read(child->pid, layout, address, buffer, sizeof(buffer));

	assert_int_equal(length, strlen(text));
	assert_string_equal(buffer, text);
	for (size_t size = 1; size < 40; size++) {
		memset(buffer, 'x', sizeof(buffer));
		length = py_str_read(child->pid, layout, address, buffer, size);
		assert_true(length >= 0 && (size_t)length < size);
		assert_int_equal(strlen(buffer), length);
		assert_memory_equal(buffer, text, length);
		if (strlen(text) >= size) {
			assert_true((size_t)length + 4 >= size);
			/* a byte of a surrogate escape looks like the middle of a character */
			assert_true(!is_continued(text, (size_t)length) || strstr(text, "/x/"));
		}
		assert_int_equal(buffer[size], 'x');
	}
	free(text);
}

/* `name` may be cut: 255 bytes in all, 160 of module, 95 of class */
static void assert_type_name(const char *name, const char *whole)
{
	if (strlen(whole) < 90 || !strncmp(whole, name, strlen(name) + 1)) {
		assert_string_equal(name, whole);
	} else {
		assert_true(strlen(name) >= 90);
		assert_memory_equal(name, whole, 90);
	}
}

static void compare_type(const struct python_child *child, struct py_types *types, uint64_t address,
			 const char *hex)
{
	const struct py_type *type = py_types_get(types, address);
	char *name = unhex(hex);
	struct py_type read;

	if (!type)
		fail_msg("%s at 0x%lx is not seen as a type", name, address);
	assert_type_name(type->name, name);
	assert_int_equal(type->address, address);
	/* the same without what other types had taught */
	assert_int_equal(py_type_read(&read, child->pid, &child->runtime, address), 0);
	assert_string_equal(read.name, type->name);
	free(name);
}

/* The object with one of its words changed is an object no more. */
static void assert_spoiled(struct py_types *types, uint64_t size, const uint8_t *head,
			   size_t length, size_t place, uint64_t word)
{
	uint8_t spoiled[PY_BLOCK_HEAD_MAX];

	memcpy(spoiled, head, length);
	memcpy(spoiled + place, &word, sizeof(word));
	if (py_block_type(types, 4096, size, spoiled, length))
		fail_msg("with 0x%lx at %zu it still is an object", word, place);
}

/* Each thing that is compared is needed: size, reference count, type, GC head, pre-header. */
static void spoil_block(const struct python_child *child, struct py_types *types,
			const struct py_type *type, uint64_t size, const uint8_t *head,
			size_t length, const char *label)
{
	const struct py_layout *layout = &child->runtime.layout;
	static const char *const fixed[] = {"float", "complex", "dict",    "list",
					    "set",   "cell",    "property"};
	size_t object = 0, refcount, gc_head;
	int64_t shared;

	while (object + 8 < length &&
	       memcmp(head + object + layout->object.ob_type, &type->address, 8) != 0)
		object += 8;
	refcount = object + (size_t)layout->object.refcount;
	assert_null(py_block_type(types, 4096, object + 8, head, length));
	assert_null(
		py_block_type(types, 4096, size, head, object + (size_t)layout->object.ob_type));
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		/* a debug header has the size in it, so a larger block is none of its */
		if (!strcmp(label, fixed[i]) && head[9] != 0xfd && head[9] != 0xfb)
			assert_null(py_block_type(types, 4096, size + 64, head, length));
	}
	memcpy(&shared, head + refcount + 4, sizeof(shared));
	/* only the collector frees a free-threaded object that counts like this: it may have no
	 * references */
	if (!layout->free_threaded || shared < 1ll << 40)
		assert_spoiled(types, size, head, length, refcount, 0);
	if (layout->free_threaded) {
		/* an owner that is no thread; a lock that is more than locked; too many
		 * references */
		assert_spoiled(types, size, head, length, object, 0x12);
		assert_spoiled(types, size, head, length, object + 8, 0x040000);
		assert_spoiled(types, size, head, length, refcount + 4, 1ull << 40);
	} else {
		assert_spoiled(types, size, head, length, refcount, child->runtime.type_type);
		assert_spoiled(types, size, head, length, refcount, 1ull << 40 | 1);
	}
	assert_spoiled(types, size, head, length, object + (size_t)layout->object.ob_type,
		       type->address + 8);
	if (!type->has_gc)
		return;
	gc_head = object - layout->gc_head_size;
	if (layout->gc_refs != LAYOUT_NONE) {
		assert_spoiled(types, size, head, length, gc_head + (size_t)layout->gc_refs,
			       (uint64_t)-100);
	} else if (layout->gc_head_size) {
		assert_spoiled(types, size, head, length, gc_head, 0x12);
		assert_spoiled(types, size, head, length, gc_head + 8, 0x12);
	}
	if (type->flags & (PY_TYPE_MANAGED_DICT | PY_TYPE_MANAGED_WEAKREF)) {
		assert_spoiled(types, size, head, length, gc_head - 16, 0x12);
		assert_spoiled(types, size, head, length, gc_head - 8, 0x12);
	}
}

/* return 1 when the block is an object */
static unsigned compare_block(const struct python_child *child, struct py_types *types,
			      const char *fact)
{
	uint64_t block, size;
	char hex[512], label[64], *name;
	uint8_t head[PY_BLOCK_HEAD_MAX];
	size_t length;
	const struct py_type *type;

	assert_int_equal(sscanf(fact, "block %lx %lx %511s %63s", &block, &size, hex, label), 4);
	length = size < sizeof(head) ? size : sizeof(head);
	assert_int_equal(remote_read(child->pid, block, head, length), 0);
	type = py_block_type(types, block, size, head, length);
	name = unhex(hex);
	if (strcmp(type ? type->name : "", name) != 0)
		fail_msg("%s: block 0x%lx of %lu bytes: \"%s\", should be \"%s\"", label, block,
			 size, type ? type->name : "", name);
	free(name);
	if (type)
		spoil_block(child, types, type, size, head, length, label);
	return hex[0] != '-';
}

static void compare_debug_offsets(const struct python_child *child, uint64_t address)
{
	struct py_layout refined = child->runtime.layout;
	uint8_t bytes[1024];
	struct err err = ERR_INIT;

	assert_int_equal(remote_read(child->pid, address, bytes, sizeof(bytes)), 0);
	if (layout_refine(&refined, bytes, sizeof(bytes), &err))
		fail_msg("%s", err.text);
	assert_memory_equal(&refined, &child->runtime.layout, sizeof(refined));
}

static void write_name(const struct python_child *child, uint64_t at, const char *name)
{
	const struct iovec local = {(char *)(uintptr_t)name, strlen(name)},
			   remote = {(void *)at, local.iov_len};

	assert_int_equal(process_vm_writev(child->pid, &local, 1, &remote, 1, 0), local.iov_len);
}

/* As if it had died, and another one had been made of the very same memory. */
static void assert_renamed(const struct python_child *child, struct py_types *types,
			   uint64_t address)
{
	uint64_t name;

	assert_string_equal(py_types_get(types, address)->name, "__main__.Renamed");
	assert_int_equal(remote_read_u64(child->pid,
					 address + (uint64_t)child->runtime.layout.type.name,
					 &name),
			 0);
	write_name(child, name, "Another");
	assert_string_equal(py_types_get(types, address)->name, "__main__.Renamed");
	py_types_begin(types);
	assert_string_equal(py_types_get(types, address)->name, "__main__.Another");
	/* the interpreter looks for it at its end */
	write_name(child, name, "Renamed");
	py_types_begin(types);
	assert_string_equal(py_types_get(types, address)->name, "__main__.Renamed");
}

static void assert_not_types(const struct python_child *child, struct py_types *types)
{
	assert_null(py_types_get(types, child->runtime.none));
	assert_null(py_types_get(types, 0));
	assert_null(py_types_get(types, 8));
	assert_null(py_types_get(types, UINT64_MAX - 7));
	assert_null(py_types_get(types, child->runtime.type_type + 8));
	assert_null(py_types_get(types, child->runtime.type_type + 1));
	assert_null(py_types_get(types, child->runtime.type_type + 1));
}

static void compare_objects(const char *python, const char *environment)
{
	struct python_child child;
	struct py_types *types;
	char **facts;
	unsigned n_strs = 0, n_types = 0, n_objects = 0, n_blocks = 0;

	child_start(&child, python, "tests/unit/print_objects.py", environment);
	facts = child_facts(&child);
	child_runtime(&child, facts[0]);
	types = py_types_new(child.pid, &child.runtime);
	assert_non_null(types);
	/* twice, since the second time all is remembered and has been verified */
	for (int round = 0; round < 2; round++) {
		py_types_begin(types);
		for (size_t i = 1; facts[i]; i++) {
			char text[65536];
			uint64_t address;

			if (sscanf(facts[i], "debug_offsets %lx", &address) == 1) {
				compare_debug_offsets(&child, address);
			} else if (sscanf(facts[i], "str %lx %65535s", &address, text) == 2) {
				compare_str(&child, address, text);
				n_strs++;
			} else if (sscanf(facts[i], "renamed %lx", &address) == 1) {
				assert_renamed(&child, types, address);
			} else if (sscanf(facts[i], "type %lx %65535s", &address, text) == 2) {
				compare_type(&child, types, address, text);
				n_types++;
			} else {
				n_objects += compare_block(&child, types, facts[i]);
				n_blocks++;
			}
		}
		assert_not_types(&child, types);
	}
	assert_true(n_strs >= 34 && n_types > 1000);
	if (child.runtime.layout.free_threaded && !environment)
		assert_int_equal(n_blocks, 0); /* see the script */
	else
		assert_true(n_objects > 200 && n_blocks > n_objects + 4000);
	child_facts_free(facts);
	child_end(&child);
	/* the target is gone: what was a type is not any more */
	py_types_begin(types);
	assert_null(py_types_get(types, child.runtime.type_type));
	py_types_free(types);
}

static void compare_objects_plainly(const char *python)
{
	compare_objects(python, NULL);
}

static void compare_objects_debug(const char *python)
{
	compare_objects(python, "PYTHONMALLOC=debug");
}

static void objects_are_what_the_script_states(void **state)
{
	with_pythons(minor_of(state), compare_objects_plainly);
}

static void objects_behind_debug_headers_are_what_the_script_states(void **state)
{
	with_pythons(minor_of(state), compare_objects_debug);
}

/* ---- bytes by hand: this process is the target ---------------------------------------------- */

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void a_str_at_the_end_of_a_page_is_read(void **state)
{
	const struct py_layout *layout = layout_find(12, false);
	uint8_t *pages =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buffer[16];

	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(munmap(pages + 4096, 4096), 0);
	/* a compact ASCII "abc" and its NUL are the last bytes that are mapped */
	for (size_t place = 4096 - 44; place < 4096 - 36; place += 8) {
		uint8_t *str = pages + place;

		str[layout->str.length] = 3;
		str[layout->str.state] = 1 << 2 | 1 << 5 | 1 << 6;
		memcpy(str + layout->str.ascii_data, "abc", 4);
		assert_int_equal(
			py_str_read(getpid(), layout, (uint64_t)(uintptr_t)str, buffer, 16), 3);
		assert_string_equal(buffer, "abc");
		/* longer than what is there */
		str[layout->str.length] = 30;
		strcpy(buffer, "old");
		assert_int_equal(
			py_str_read(getpid(), layout, (uint64_t)(uintptr_t)str, buffer, 16),
			-EFAULT);
		assert_string_equal(buffer, "");
	}
	assert_int_equal(munmap(pages, 4096), 0);
}

static void random_bytes_are_a_bounded_str(void **state)
{
	uint64_t seed = 20261124, words[64];
	char buffer[256];

	(void)state;
	for (int round = 0; round < 60000; round++) {
		const struct py_layout *layout = layout_row((unsigned)round % 13);
		size_t size = 1 + random_next(&seed) % sizeof(buffer);
		uint8_t *bytes = (uint8_t *)words;
		long length;

		for (size_t i = 0; i < 64; i++)
			words[i] = random_next(&seed) >> (random_next(&seed) % 64);
		/* half of them point to something */
		if (round & 1)
			memcpy(bytes + layout->str.any_data,
			       &(uint64_t){(uint64_t)(uintptr_t)words}, 8);
		if (round & 2)
			memcpy(bytes + layout->str.length, &(uint64_t){random_next(&seed) % 500},
			       8);
		memset(buffer, 'x', sizeof(buffer));
		length = py_str_read(getpid(), layout, (uint64_t)(uintptr_t)words, buffer, size);
		assert_true(length < (long)size);
		assert_int_equal(strlen(buffer), length < 0 ? 0 : length);
		for (size_t i = size; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], 'x');
	}
}

/* Heads that are all zero, all ones, cut short, or random: no crash, and no object. */
static void random_bytes_are_no_object(void **state)
{
	uint64_t seed = 20261124, words[8];

	(void)state;
	for (unsigned row = 0; layout_row(row); row++) {
		struct py_runtime *runtime = calloc(1, sizeof(*runtime));
		struct py_types *types;

		assert_non_null(runtime);
		runtime->layout = *layout_row(row);
		types = py_types_new(getpid(), runtime);
		for (int round = 0; round < 5000; round++) {
			size_t length = random_next(&seed) % (sizeof(words) + 1);
			uint8_t *head = malloc(length + 1);

			assert_non_null(head);
			for (size_t i = 0; i < 8; i++) {
				uint64_t word = random_next(&seed);

				words[i] = round == 0   ? 0
					   : round == 1 ? UINT64_MAX
					   : word & 1   ? (uint64_t)(uintptr_t)words + word % 64
							: word >> (word % 64);
			}
			memcpy(head, words, length);
			if (round % 5 == 0 && length >= 16)
				memcpy(head + 8, "o\xfd\xfd\xfd\xfd\xfd\xfd\xfd", 8);
			assert_null(py_block_type(types, 4096, random_next(&seed) >> (round % 64),
						  head, length));
			free(head);
		}
		py_types_free(types);
		free(runtime);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_str_at_the_end_of_a_page_is_read),
		cmocka_unit_test(random_bytes_are_a_bounded_str),
		cmocka_unit_test(random_bytes_are_no_object),
		ON_EACH_MINOR(objects_are_what_the_script_states),
		ON_EACH_MINOR(objects_behind_debug_headers_are_what_the_script_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
