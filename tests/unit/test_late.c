/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Chains whose newest link is replaced between the scan of a running interpreter and the search:
 * they are followed from the links that the scan does not have. And objects that are inserted into
 * a table, or asked for by an address.
 */
#include "unit/each_minor.h"

#include <inttypes.h>

#include "census/chain.h"
#include "census/classify.h"
#include "census/heap_target.h"
#include "target/remote_mem.h"

#define STEPS 20 /* of print_moving.py, for each byte */

struct subject {
	const char *python;
	struct python_child child;
	char **facts;
	struct heap_target target;
	struct reach reach;
	struct edges edges;
};

/* in  what: "g": some links; "l": more than can be followed */
static void step(struct subject *subject, const char *what)
{
	assert_int_equal(write(subject->child.input, what, 1), 1);
	child_facts_free(child_facts(&subject->child));
	child_sleeps(&subject->child);
}

/* in  before, between: what is done before the scan, and between it and the search; NULL: nothing
 */
static void begin(struct subject *subject, const char *python, const char *before,
		  const char *between)
{
	struct err err = ERR_INIT;

	memset(subject, 0, sizeof(*subject));
	subject->python = python;
	child_start(&subject->child, python, "tests/unit/print_moving.py", NULL);
	subject->facts = child_facts(&subject->child);
	child_sleeps(&subject->child);
	if (heap_target_open(&subject->target, subject->child.pid, &err)) {
		child_facts_free(subject->facts);
		heap_target_close(&subject->target);
		child_end(&subject->child);
		if (err.code != ERR_PERMISSION)
			fail_msg("%s: %s", python, err.text);
		print_message("skip: no process may read its child here: %s\n", err.text);
		skip();
	}
	if (before)
		step(subject, before);
	if (reach_scan(&subject->reach, subject->target.census, &err))
		fail_msg("%s: %s", python, err.text);
	if (between)
		step(subject, between);
	assert_int_equal(reach_search(&subject->reach, &err), 0);
	reach_rest(&subject->reach);
	assert_int_equal(edges_init(&subject->edges, &subject->reach, &err), 0);
}

static void end(struct subject *subject)
{
	edges_fini(&subject->edges);
	reach_fini(&subject->reach);
	heap_target_close(&subject->target);
	child_facts_free(subject->facts);
	child_end(&subject->child);
}

static uint32_t object_at(const struct subject *subject, uint64_t address)
{
	uint32_t object = objects_find(&subject->reach.objects, address);

	if (object == OBJECTS_NONE)
		fail_msg("%s: 0x%" PRIx64 " is not known", subject->python, address);
	return object;
}

/* in  fact: "chain ADDRESS PATH MORE", of the newest link of the scan; MORE: what each since adds.
 * Or the address of what the newest link refers to, and PATH leads to that. */
static void check_chain(struct subject *subject, const char *fact, bool changed)
{
	struct heap_chain chain = {0};
	char path[64], expected[1024];
	struct err err = ERR_INIT;
	uint64_t address;
	uint32_t object;
	int used = 0;

	assert_int_equal(sscanf(fact, "chain %" SCNx64 " %63s%n", &address, path, &used), 2);
	object = object_at(subject, address);
	if (subject->reach.how[object] != REACH_NAMED)
		fail_msg("%s: %s is held as %u", subject->python, path, subject->reach.how[object]);
	snprintf(expected, sizeof(expected), "%s", path);
	for (unsigned i = 0; i < STEPS; i++)
		strcat(expected, fact + used + 1);
	assert_int_equal(chain_build(&chain, &subject->edges, object, &err), 0);
	assert_string_equal(chain.path, expected);
	assert_int_equal(chain.changed, changed);
	heap_chain_fini(&chain);
}

static void check_chains(struct subject *subject, bool changed)
{
	for (size_t i = 0; i < 4; i++)
		check_chain(subject, subject->facts[i], changed);
}

/* A list that is made anew each time: the new one holds what the scan has. */
static void check_copy(struct subject *subject)
{
	struct heap_chain chain = {0};
	struct err err = ERR_INIT;
	uint64_t address;

	assert_int_equal(sscanf(subject->facts[4], "copied %" SCNx64, &address), 1);
	assert_int_equal(chain_build(&chain, &subject->edges, object_at(subject, address), &err),
			 0);
	assert_string_equal(chain.path, "app.COPY[29]");
	heap_chain_fini(&chain);
}

#define HEAD 32

/* Every object is known by its first bytes; not when it is freed, or of no type, or elsewhere. */
static void check_heads(struct subject *subject)
{
	const struct reach *reach = &subject->reach;
	const struct type_table *types = census_types(reach->census);
	const struct py_layout *layout = &census_runtime(reach->census)->layout;
	size_t n = 0, shifted = 0;

	for (uint32_t i = 0; i < reach->objects.n; i++) {
		const struct census_type *type = edges_type(&subject->edges, i);
		uint8_t bytes[CLASSIFY_BEFORE + HEAD + 8], *object = bytes + CLASSIFY_BEFORE;

		/* types in data of C code have no GC head */
		if (reach->how[i] != REACH_NAMED || !reach->objects.size[i] ||
		    !edges_still_there(&subject->edges, i) ||
		    remote_read(subject->child.pid, reach->objects.address[i] - CLASSIFY_BEFORE,
				bytes, sizeof(bytes)))
			continue;
		n++;
		assert_ptr_equal(classify_at(layout, types, object, HEAD), type);
		shifted += classify_at(layout, types, object + 8, HEAD) != NULL;
		assert_null(classify_at(layout, types, object, (size_t)layout->object.ob_type));
		object[layout->object.ob_type] ^= 0x08;
		assert_ptr_not_equal(classify_at(layout, types, object, HEAD), type);
		object[layout->object.ob_type] ^= 0x08;
		/* all counts: a free-threaded build has two */
		memset(object, 0, (size_t)layout->object.ob_type);
		assert_null(classify_at(layout, types, object, HEAD));
	}
	assert_true(n > 5000);
	assert_true(shifted < n / 1000);
}

static void check(const char *python)
{
	struct subject subject;

	begin(&subject, python, NULL, "g");
	check_heads(&subject);
	check_chains(&subject, false);
	check_copy(&subject);
	/* what was read is called so when it has been replaced once more */
	step(&subject, "g");
	check_chains(&subject, true);
	end(&subject);
}

static void chains_whose_newest_link_is_replaced_have_a_path(void **state)
{
	with_pythons(minor_of(state), check);
}

/* What is behind more links than the bound is not known to be held by the program, and all else is.
 */
static void check_bound(const char *python)
{
	struct subject subject;
	uint64_t address;
	uint32_t object;

	begin(&subject, python, NULL, "l");
	assert_int_equal(sscanf(subject.facts[0], "chain %" SCNx64, &address), 1);
	assert_int_not_equal(subject.reach.how[object_at(&subject, address)], REACH_NAMED);
	assert_true(subject.reach.objects.n - subject.reach.late.n_scanned <= LATE_MAX);
	assert_true(subject.reach.objects.n - subject.reach.late.n_scanned > LATE_MAX / 4);
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(sscanf(subject.facts[i], "chain %" SCNx64, &address), 1);
		object = object_at(&subject, address);
		assert_int_equal(subject.reach.how[object], REACH_NAMED);
	}
	end(&subject);
}

static void a_chain_is_followed_up_to_a_bound(void **state)
{
	with_pythons(minor_of(state), check_bound);
}

/* ---- long chains ---------------------------------------------------------------------------- */

/* The path of the oldest link has its beginning, and not each step. */
static void check_long(const char *python)
{
	struct heap_chain chain = {0};
	struct err err = ERR_INIT;
	struct subject subject;
	uint64_t address;

	begin(&subject, python, "l", NULL);
	assert_int_equal(sscanf(subject.facts[0], "chain %" SCNx64, &address), 1);
	assert_int_equal(chain_build(&chain, &subject.edges, object_at(&subject, address), &err),
			 0);
	assert_string_equal(chain.path, "app.HEAD.next.next.next.next ... .next (200 times)");
	assert_string_equal(chain.root, "module app");
	assert_int_equal(chain.n_links, HEAP_LINKS_MAX);
	/* sys.modules, app, its dict, and the links up to this one */
	assert_int_equal(chain.cut, 3 + 70000 + 1 - HEAP_LINKS_MAX);
	assert_false(chain.changed);
	heap_chain_fini(&chain);
	end(&subject);
}

static void paths_of_long_chains_are_short(void **state)
{
	with_pythons(minor_of(state), check_long);
}

/* ---- the table ------------------------------------------------------------------------------ */

static void objects_are_inserted_among_others(void **state)
{
	struct objects objects = {0};
	struct err err = ERR_INIT;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		objects_add(&objects, 0x10000 + 64 * i, 1, 64);
	assert_int_equal(objects_build_index(&objects, &err), 0);
	assert_int_equal(objects_find(&objects, 0x8000), OBJECTS_NONE);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(objects_insert(&objects, 0x8000 + 16 * i + 8, 2, 32), 1000 + i);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(objects_find(&objects, 0x10000 + 64 * i), i);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(objects_find(&objects, 0x8000 + 16 * i + 8), 1000 + i);
	assert_int_equal(objects.type[999], 1);
	assert_int_equal(objects.type[1000], 2);
	assert_int_equal(objects_find(&objects, 0x8000 + 16 * 5000 + 8), OBJECTS_NONE);
	/* another object has the place of one */
	assert_int_equal(objects_insert(&objects, 0x10000, 3, 64), 6000);
	assert_int_equal(objects_find(&objects, 0x10000), 6000);
	assert_int_equal(objects.type[0], 1);
	objects_fini(&objects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(chains_whose_newest_link_is_replaced_have_a_path),
		ON_EACH_MINOR(a_chain_is_followed_up_to_a_bound),
		ON_EACH_MINOR(paths_of_long_chains_are_short),
		cmocka_unit_test(objects_are_inserted_among_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
