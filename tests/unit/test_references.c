/* SPDX-License-Identifier: BSD-2-Clause
 *
 * References of running interpreters, followed from outside: paths to containers and objects,
 * chains, owners, holders, the graph of referrers; each compared with what the script says of
 * itself.
 */
#include "unit/each_minor.h"

#include <inttypes.h>

#include "census/backrefs.h"
#include "census/heap_target.h"
#include "census/holders.h"
#include "census/owners.h"
#include "census/path_find.h"
#include "census/type_name.h"

struct subject {
	const char *python;
	struct python_child child;
	char **facts;
	struct heap_target target;
	struct reach reach;
	struct edges edges;
	int memory; /* of the child */
};

static bool is_type(const void *context, const char *type)
{
	return type_name_is(context, type);
}

static uint64_t word_at(const struct subject *subject, uint64_t address)
{
	uint64_t word;

	assert_int_equal(pread(subject->memory, &word, sizeof(word), (off_t)address), sizeof(word));
	return word;
}

static void begin(struct subject *subject, const char *python)
{
	struct err err = ERR_INIT;
	char path[32];

	memset(subject, 0, sizeof(*subject));
	subject->python = python;
	child_start(&subject->child, python, "tests/unit/print_references.py", NULL);
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
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)subject->child.pid);
	subject->memory = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(subject->memory >= 0);
	census_collect(subject->target.census);
	if (reach_scan(&subject->reach, subject->target.census, &err) ||
	    reach_search(&subject->reach, &err))
		fail_msg("%s: %s", python, err.text);
	reach_rest(&subject->reach);
	assert_int_equal(edges_init(&subject->edges, &subject->reach, &err), 0);
}

static void end(struct subject *subject)
{
	edges_fini(&subject->edges);
	reach_fini(&subject->reach);
	heap_target_close(&subject->target);
	close(subject->memory);
	child_facts_free(subject->facts);
	child_end(&subject->child);
}

/* The next fact of a kind behind *at, which is moved there: the text behind the kind's name, or
 * NULL. */
static const char *next_fact(const struct subject *subject, const char *kind, size_t *at)
{
	size_t n = strlen(kind);

	while (subject->facts[*at]) {
		const char *fact = subject->facts[(*at)++];

		if (!strncmp(fact, kind, n) && fact[n] == ' ')
			return fact + n + 1;
	}
	return NULL;
}

static uint32_t object_at(const struct subject *subject, uint64_t address)
{
	uint32_t object = objects_find(&subject->reach.objects, address);

	if (object == OBJECTS_NONE)
		fail_msg("%s: 0x%" PRIx64 " is not known", subject->python, address);
	return object;
}

static uint64_t address_of(const struct subject *subject, uint32_t object)
{
	return subject->reach.objects.address[object];
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* A path leads to the object, and the object's chain is called by the path. */
static void check_objects(struct subject *subject)
{
	struct path_found found;
	size_t at = 0, n = 0;
	const char *fact;

	while ((fact = next_fact(subject, "object", &at))) {
		struct heap_chain chain = {0};
		struct err err = ERR_INIT;
		uint64_t address;
		int used = 0;

		assert_int_equal(sscanf(fact, "%" SCNx64 " %n", &address, &used), 1);
		if (path_find_object(&found, &subject->edges, fact + used, &err))
			fail_msg("%s: %s", subject->python, err.text);
		assert_int_equal(address_of(subject, found.named), address);
		assert_int_equal(found.container, found.named);
		assert_int_equal(chain_build(&chain, &subject->edges, found.named, &err), 0);
		assert_string_equal(chain.path, fact + used);
		assert_string_equal(chain.root, "module app.cache");
		assert_int_equal(chain.links[chain.n_links - 1].address, address);
		assert_false(chain.changed);
		heap_chain_fini(&chain);
		n++;
	}
	assert_int_equal(n, 13);
}

/* A path leads to the container, and to the field in which it has its size. */
static void check_containers(struct subject *subject)
{
	struct path_found found;
	size_t at = 0, n = 0;
	const char *fact;

	while ((fact = next_fact(subject, "container", &at))) {
		struct err err = ERR_INIT;
		uint64_t address, length, items;
		int used = 0;

		assert_int_equal(
			sscanf(fact, "%" SCNx64 " %" SCNu64 " %n", &address, &length, &used), 2);
		if (path_find(&found, &subject->edges, fact + used, &err))
			fail_msg("%s: %s", subject->python, err.text);
		assert_int_equal(address_of(subject, found.container), address);
		assert_int_equal(word_at(subject, found.field), length);
		/* bytes are no items */
		if (edges_items(&subject->edges, found.container, &items))
			assert_int_equal(items, length);
		else
			assert_string_equal(fact + used, "app.cache.BYTES");
		assert_true(path_is_there(&subject->edges, &found));
		/* by its address the same */
		assert_int_equal(path_find_address(&found, &subject->edges, address, false, &err),
				 0);
		assert_int_equal(address_of(subject, found.container), address);
		assert_int_equal(word_at(subject, found.field), length);
		n++;
	}
	assert_int_equal(n, 14);
}

/* What an lru_cache holds is in a dict of its own. */
static void check_cache(struct subject *subject)
{
	struct err err = ERR_INIT;
	struct path_found found;

	if (path_find(&found, &subject->edges, "app.cache.cached", &err))
		fail_msg("%s: %s", subject->python, err.text);
	assert_string_equal(edges_type(&subject->edges, found.container)->py->name, "dict");
	assert_int_equal(word_at(subject, found.field), 60);
	assert_int_equal(edges_cache(&subject->edges, found.named), found.container);
}

static void check_counts_of_references(struct subject *subject)
{
	struct err err = ERR_INIT;
	struct path_found found;
	const char *fact;
	size_t at = 0;

	fact = next_fact(subject, "references", &at);
	assert_int_equal(path_find_object(&found, &subject->edges, "app.cache.NESTED['a']", &err),
			 0);
	/* without a GIL they are counted in two places; from 3.14 on there are flags above the
	 * count */
	if (!subject->target.target->runtime.layout.free_threaded)
		assert_int_equal((uint32_t)word_at(subject, found.field), strtoul(fact, NULL, 10));
}

static void expect_no_path(struct subject *subject, const char *path, const char *said)
{
	struct err err = ERR_INIT;
	struct path_found found;
	char expected[256];

	snprintf(expected, sizeof(expected), said, (int)subject->child.pid);
	assert_int_equal(path_find(&found, &subject->edges, path, &err), -ERR_TARGET);
	assert_string_equal(err.text, expected);
}

static void check_wrong_paths(struct subject *subject)
{
	static const char *const nothing[] = {
		"app.cache.NOTHING",
		"app.cache.SESSION",
		"app.cache.SESSIONSS",
		"app.cache.LIST[41]",
		"app.cache.LIST[-1]",
		"app.cache.LIST[",
		"app.cache.NESTED['b']",
		"app.cache..LIST",
		"app.cach",
		"nowhere.cache.LIST",
		"local `batch` of wait",
		"local `bat` of main",
		"",
	};
	struct err err = ERR_INIT;
	struct path_found found;
	char said[128];

	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		snprintf(said, sizeof(said), "pid %%d has nothing called %s", nothing[i]);
		expect_no_path(subject, nothing[i], said);
	}
	expect_no_path(subject, "app.\033[2J", "pid %d has nothing called app.\\x1b[2J");
	expect_no_path(
		subject, "app.cache.TUPLE",
		"app.cache.TUPLE of pid %d is not a container: tuple, without a size to watch");
	assert_int_equal(path_find_address(&found, &subject->edges, 0x1000, true, &err),
			 -ERR_TARGET);
}

/* ---- chains --------------------------------------------------------------------------------- */

/* Each object on the way; what a module consists of is hidden. */
static void check_chain(struct subject *subject)
{
	static const char *const types[] = {"dict",  "module", "dict", "dict",         "list",
					    "tuple", "dict",   "list", "shapes.Nested"};
	static const char *const via[] = {"",    "",    "",      ".NESTED", "['a']",
					  "[1]", "[1]", "['b']", "[0]"};
	struct heap_chain chain = {0};
	struct err err = ERR_INIT;
	struct path_found found;
	size_t at = 0;
	char *fact = (char *)next_fact(subject, "chain", &at);

	assert_int_equal(path_find_object(&found, &subject->edges,
					  "app.cache.NESTED['a'][1][1]['b'][0]", &err),
			 0);
	assert_int_equal(chain_build(&chain, &subject->edges, found.named, &err), 0);
	assert_int_equal(chain.n_links, 9);
	assert_int_equal(chain.cut, 0);
	for (size_t i = 0; i < chain.n_links; i++) {
		const struct heap_link *link = &chain.links[i];

		assert_int_equal(link->address, strtoull(fact, &fact, 16));
		assert_string_equal(link->type, types[i]);
		assert_string_equal(link->via, via[i]);
		assert_int_equal(link->hidden, i < 3);
		assert_int_equal(link->have_items, i != 1 && i != 8);
	}
	assert_int_equal(chain.links[4].items, 2);
	heap_chain_fini(&chain);
}

/* ---- what an object refers to --------------------------------------------------------------- */

struct seen {
	const struct subject *subject;
	uint64_t *to;
	size_t n;
};

static bool is_plain(const struct subject *subject, uint64_t address)
{
	uint32_t object = objects_find(&subject->reach.objects, address);

	return object != OBJECTS_NONE && edges_type(&subject->edges, object)->kind != KIND_TYPE;
}

static void see(void *context, const struct ref *ref)
{
	struct seen *seen = context;
	uint64_t address = address_of(seen->subject, ref->to);

	if (!is_plain(seen->subject, address))
		return;
	assert_true(seen->n < 1 << 14);
	seen->to[seen->n++] = address;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What Python itself says, each as often; but for types, and for what is not in the heap. */
static void check_referents(struct subject *subject)
{
	uint64_t *wanted = calloc(1 << 14, sizeof(*wanted));
	struct seen seen = {.subject = subject, .to = calloc(1 << 14, sizeof(*seen.to))};
	size_t at = 0, all = 0, n_wanted;
	char *fact;

	while ((fact = (char *)next_fact(subject, "refers", &at))) {
		uint32_t from = object_at(subject, strtoull(fact, &fact, 16));

		for (n_wanted = 0; fact[0] && fact[1] && n_wanted < 1 << 14;) {
			uint64_t address = strtoull(fact, &fact, 16);

			if (is_plain(subject, address))
				wanted[n_wanted++] = address;
		}
		seen.n = 0;
		edges_each(&subject->edges, from, see, &seen);
		qsort(wanted, n_wanted, sizeof(*wanted), compare);
		qsort(seen.to, seen.n, sizeof(*seen.to), compare);
		if (seen.n != n_wanted)
			fail_msg("%s: %s at 0x%" PRIx64 " has %zu referents, and %zu were found",
				 subject->python, edges_type(&subject->edges, from)->py->name,
				 address_of(subject, from), n_wanted, seen.n);
		assert_memory_equal(seen.to, wanted, seen.n * sizeof(*wanted));
		all += seen.n;
	}
	assert_true(all > 3000 + 1000);
	free(seen.to);
	free(wanted);
}

/* ---- who owns, who is large ----------------------------------------------------------------- */

static void check_owners(struct subject *subject)
{
	struct owners_wanted wanted = {is_type, "__main__.Session"};
	struct err err = ERR_INIT;
	struct heap_held held = {0};

	assert_int_equal(owners_find(&held, &subject->edges, &wanted, 0, &err), 0);
	assert_int_equal(held.type_count, 1540);
	assert_int_equal(held.type_reached, 1540);
	assert_int_equal(held.n_chains, 2);
	assert_int_equal(held.chains[0].count, 1500);
	assert_memory_equal(held.chains[0].path, "app.cache.SESSIONS['k", 21);
	assert_int_equal(held.chains[1].count, 40);
	assert_memory_equal(held.chains[1].path, "app.cache.LIST[", 15);
	heap_held_fini(&held);

	held = (struct heap_held){0};
	assert_int_equal(owners_find(&held, &subject->edges, &wanted, 1, &err), 0);
	assert_int_equal(held.n_chains, 1);
	heap_held_fini(&held);

	held = (struct heap_held){0};
	wanted.context = "Cycle";
	assert_int_equal(owners_find(&held, &subject->edges, &wanted, 0, &err), 0);
	assert_int_equal(held.type_count, 40);
	assert_int_equal(held.type_garbage, 40);
	assert_int_equal(held.n_chains, 0);
	heap_held_fini(&held);
}

static void check_unreached(struct subject *subject)
{
	struct err err = ERR_INIT;
	struct heap_held held = {0};
	unsigned found = 0;

	assert_int_equal(owners_unreached(&held, &subject->reach, &err), 0);
	for (size_t i = 0; i < held.n_unreached; i++) {
		const struct heap_unreached *row = &held.unreached[i];
		bool cycle = !strcmp(row->type, "shapes.Cycle");

		/* what is held otherwise is not among them */
		assert_true(cycle || strncmp(row->type, "shapes.", 7) != 0);
		if (!cycle && strcmp(row->type, "__main__.Slotted") != 0)
			continue;
		assert_int_equal(row->held, 0);
		assert_int_equal(row->through, 0);
		assert_int_equal(row->garbage, 40);
		assert_int_equal(row->has_del, cycle);
		found++;
	}
	assert_int_equal(found, 2);
	heap_held_fini(&held);
}

static void check_holders(struct subject *subject)
{
	static const struct {
		const char *path, *type;
		uint64_t items;
	} wanted[] = {
		{"app.cache.SESSIONS", "dict", 1501},
		{"app.cache.DEQUE", "collections.deque", 1001},
	};
	struct err err = ERR_INIT;
	struct heap_held held = {0};
	size_t found = 0;

	assert_int_equal(holders_find(&held, &subject->edges, &subject->reach.scan, 1, &err), 0);
	assert_int_equal(held.n_scans, 1);
	for (size_t i = 0; i < held.n_holders; i++) {
		const struct heap_holder *holder = &held.holders[i];

		assert_true(holder->items >= HOLDERS_LARGE);
		assert_true(!i || holder->items <= held.holders[i - 1].items);
		if (strncmp(holder->path, "app.", 4))
			continue;
		/* the largest first, and no other of this module */
		assert_true(found < sizeof(wanted) / sizeof(wanted[0]));
		assert_string_equal(holder->path, wanted[found].path);
		assert_string_equal(holder->type, wanted[found].type);
		assert_int_equal(holder->items, wanted[found].items);
		assert_false(holder->have_growth);
		found++;
	}
	assert_int_equal(found, sizeof(wanted) / sizeof(wanted[0]));
	heap_held_fini(&held);
}

/* ---- who refers to it ----------------------------------------------------------------------- */

static void check_backrefs(struct subject *subject)
{
	const struct owners_wanted wanted = {is_type, "Slot"};
	struct err err = ERR_INIT;
	struct heap_held held = {0};
	const struct heap_graph *graph = &held.graph;
	uint64_t slot, slotted;
	size_t at = 0;

	assert_int_equal(
		sscanf(next_fact(subject, "slot", &at), "%" SCNx64 " %" SCNx64, &slot, &slotted),
		2);
	assert_int_equal(
		backrefs_find(&held, &subject->reach, &subject->edges, &wanted, 0, 1, &err), 0);
	assert_int_equal(graph->n_nodes, 2);
	assert_int_equal(graph->nodes[0].address, slot);
	assert_string_equal(graph->nodes[0].type, "shapes.Slot");
	assert_int_equal(graph->nodes[0].depth, 0);
	assert_int_equal(graph->nodes[1].address, slotted);
	assert_string_equal(graph->nodes[1].type, "__main__.Slotted");
	assert_int_equal(graph->nodes[1].depth, 1);
	assert_int_equal(graph->n_edges, 1);
	assert_int_equal(graph->edges[0].from, 1);
	assert_int_equal(graph->edges[0].to, 0);
	assert_string_equal(graph->edges[0].via, ".held");
	heap_held_fini(&held);

	held = (struct heap_held){0};
	assert_int_equal(
		backrefs_find(&held, &subject->reach, &subject->edges, &wanted, 0x1000, 1, &err),
		-ERR_TARGET);
	heap_held_fini(&held);
}

static void check_python(const char *python)
{
	struct subject subject;

	begin(&subject, python);
	check_objects(&subject);
	check_containers(&subject);
	check_cache(&subject);
	check_counts_of_references(&subject);
	check_wrong_paths(&subject);
	check_chain(&subject);
	check_referents(&subject);
	check_owners(&subject);
	check_unreached(&subject);
	check_holders(&subject);
	check_backrefs(&subject);
	end(&subject);
}

static void references_are_those_that_the_script_states(void **state)
{
	with_pythons(minor_of(state), check_python);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(references_are_those_that_the_script_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
