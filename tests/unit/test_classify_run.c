/* SPDX-License-Identifier: BSD-2-Clause
 *
 * classify_run() against classify_block(): the pools of real interpreters, as they are and with
 * words in them changed, give the same objects of the same types, whichever way they are
 * classified.
 */
#include "unit/each_minor.h"

#include <stdbool.h>

#include "census/classify_run.h"
#include "census/walk.h"
#include "target/maps.h"

#define ROUNDS   12
#define RUNS_MAX 200 /* of each interpreter */

struct totals {
	uint64_t count[TYPES_MAX], tracked[TYPES_MAX];
};

struct comparison {
	struct classifier classifier;
	struct run_classifier run_classifier;
	struct buffers buffers;
	struct type_table *types;
	struct totals slow;
	uint64_t seed;
	size_t n_runs, n_objects, n_shown;
};

static uint64_t random_word(struct comparison *comparison)
{
	comparison->seed ^= comparison->seed << 13;
	comparison->seed ^= comparison->seed >> 7;
	comparison->seed ^= comparison->seed << 17;
	return comparison->seed;
}

static void show(void *context, const struct found *found)
{
	struct comparison *comparison = context;

	comparison->n_shown++;
	found->type->count++;
	found->type->tracked += found->tracked;
}

static void classify_slowly(struct comparison *comparison, const struct block_run *run)
{
	memset(&comparison->slow, 0, sizeof(comparison->slow));
	for (uint32_t i = 0; i < run->n; i++) {
		struct block block = {
			.kind = run->kind,
			.address = run->address + (uint64_t)i * run->size,
			.size = run->size,
			.resident = run->size,
			.head = run->bytes + (size_t)i * run->size,
			.head_length = run->size < BLOCK_HEAD_MAX ? run->size : BLOCK_HEAD_MAX,
			.range_start = run->range_start,
			.range_end = run->range_end,
		};
		struct found found;

		if (run->is_free[i / 64] >> i % 64 & 1 ||
		    !classify_block(&comparison->classifier, &block, &found))
			continue;
		comparison->slow.count[found.type->index]++;
		comparison->slow.tracked[found.type->index] += found.tracked;
		comparison->n_objects++;
	}
}

static void classify_fast(struct comparison *comparison, const struct block_run *run)
{
	size_t shown = comparison->n_shown, n = 0;
	uint32_t counted;

	for (size_t i = 0; i < type_table_length(comparison->types); i++) {
		type_table_at(comparison->types, i)->count = 0;
		type_table_at(comparison->types, i)->tracked = 0;
	}
	counted = classify_run(&comparison->run_classifier, run);
	for (size_t i = 0; i < type_table_length(comparison->types); i++) {
		const struct census_type *type = type_table_at(comparison->types, i);

		assert_int_equal(type->count, comparison->slow.count[i]);
		assert_int_equal(type->tracked, comparison->slow.tracked[i]);
		n += type->count;
	}
	assert_int_equal(counted + comparison->n_shown - shown, n);
}

/* A type is not met in just any object: only when all are known the order is of no weight. */
static void compare(struct comparison *comparison, const struct block_run *run)
{
	size_t n;

	do {
		n = type_table_length(comparison->types);
		classify_slowly(comparison, run);
	} while (type_table_length(comparison->types) != n);
	classify_fast(comparison, run);
}

/* What may stand in a block: counts, flags, links, types, other words of the pool, anything. */
static uint64_t odd_word(struct comparison *comparison, const uint8_t *bytes, size_t words)
{
	static const uint64_t odd[] = {0,
				       1,
				       2,
				       3,
				       0xffff,
				       0x10000,
				       0x10008,
				       0x3fffffff,
				       0xffffffff,
				       0x80000000,
				       1ull << 32,
				       1ull << 48,
				       (1ull << 48) + 1,
				       (uint64_t)-2 << 1,
				       (uint64_t)-3 << 1,
				       (uint64_t)-4 << 1,
				       (uint64_t)-4,
				       0xfdfdfdfdfdfdfd6full,
				       0xfbfbfbfbfbfbfb6full,
				       0x0800000000000000ull};
	uint64_t word = random_word(comparison), other;
	size_t n = type_table_length(comparison->types);

	memcpy(&other, bytes + word % words * 8, sizeof(other));
	switch (random_word(comparison) % 6) {
	case 0:
		return odd[word % (sizeof(odd) / sizeof(odd[0]))];
	case 1:
		return n ? type_table_at(comparison->types, word % n)->address : 1;
	case 2:
		return other;
	case 3:
		return other ^ 1ull << word % 64;
	case 4:
		return other + word % 17 - 8;
	default:
		return word;
	}
}

static void take_run(void *context, const struct block_run *run)
{
	struct comparison *comparison = context;
	size_t length = (size_t)run->n * run->size;
	struct block_run changed = *run;
	uint8_t *bytes;

	if (comparison->n_runs++ >= RUNS_MAX)
		return;
	compare(comparison, run);
	bytes = malloc(length);
	assert_non_null(bytes);
	changed.bytes = bytes;
	for (int round = 0; round < ROUNDS; round++) {
		memcpy(bytes, run->bytes, length);
		for (size_t i = 0; i < 1 + length / 512; i++) {
			uint64_t word = odd_word(comparison, bytes, length / 8),
				 at = random_word(comparison) % run->n * run->size +
				      random_word(comparison) %
					      (run->size / 8 < 8 ? run->size / 8 : 8) * 8;

			memcpy(bytes + at, &word, sizeof(word));
		}
		compare(comparison, &changed);
	}
	free(bytes);
}

static void no_block(void *context, const struct block *block)
{
	(void)context;
	(void)block;
}

static void walk_all(struct comparison *comparison, pid_t pid, const struct maps *maps,
		     const struct py_runtime *runtime)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	struct err err = ERR_INIT;

	assert_non_null(walk);
	assert_int_equal(walk_begin(walk, pid, runtime, maps, &err), 0);
	walk->visit = no_block;
	walk->visit_run = take_run;
	walk->context = comparison;
	comparison->buffers = (struct buffers){.layout = &runtime->layout, .memory = &walk->memory};
	for (size_t i = 0; i < maps->n_ranges && comparison->n_runs < RUNS_MAX; i++)
		if (memory_is_heap(&maps->ranges[i]))
			walk_range(walk, &maps->ranges[i]);
	walk_end(walk);
	free(walk);
}

static void check_python(const char *python, const char *environment, bool show_all)
{
	struct comparison *comparison = calloc(1, sizeof(*comparison));
	struct python_child child;
	struct err err = ERR_INIT;
	struct py_types *types;
	struct maps maps;
	char **facts;

	assert_non_null(comparison);
	child_start(&child, python, "tests/unit/print_heap.py", environment);
	facts = child_facts(&child);
	child_runtime(&child, facts[0]);
	child_facts_free(facts);
	assert_int_equal(maps_read(&maps, child.pid, &err), 0);
	types = py_types_new(child.pid, &child.runtime);
	assert_non_null(types);
	py_types_begin(types);
	comparison->types = type_table_new(types);
	assert_non_null(comparison->types);
	comparison->seed = 20260101;
	comparison->classifier = (struct classifier){.layout = &child.runtime.layout,
						     .pid = child.pid,
						     .table = comparison->types,
						     .maps = &maps};
	comparison->run_classifier = (struct run_classifier){.classifier = &comparison->classifier,
							     .buffers = &comparison->buffers,
							     .take = show,
							     .context = comparison,
							     .show_all = show_all};
	walk_all(comparison, child.pid, &maps, &child.runtime);
	assert_true(comparison->n_runs > 20);
	assert_true(comparison->n_objects > 50000);
	/* most are not shown: the fast way was taken; not behind debug allocators' headers */
	if (!show_all && !environment)
		assert_true(comparison->n_shown < comparison->n_objects / 2);
	type_table_free(comparison->types);
	py_types_free(types);
	maps_fini(&maps);
	child_end(&child);
	free(comparison);
}

static void check_all(const char *python)
{
	if (python_is_free_threaded(python)) /* its objects are in no pools */
		return;
	check_python(python, NULL, false);
	check_python(python, NULL, true);
	check_python(python, "PYTHONMALLOC=pymalloc_debug", false);
}

static void runs_are_classified_as_block_by_block(void **state)
{
	with_pythons(minor_of(state), check_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(runs_are_classified_as_block_by_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
