/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "golden/golden.h"

#include "export/exporter.h"
#include "export/formats.h"
#include "export/tree.h"

/* As the tool writes it: with groups at the roots. */
static int grouped(FILE *out, const struct document *document, struct err *err)
{
	return exporter_write(exporter_by_name("svg", document->kind, err), out, document, err);
}

static void golden_files(void **state)
{
	(void)state;
	golden_check("service", "expected.svg", export_svg);
	golden_check("empty", "expected.svg", export_svg);
	golden_check("hostile", "expected.svg", export_svg);
	golden_check("selected", "expected.svg", grouped);
}

static void tree_has_parents_first_and_children_inside(void **state)
{
	struct profile *profile = made_profile("service");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_init(&tree, profile), 0);
	/* root; <module>, serve; handle, remember, parse + 3 native; expire; gap, worker_start */
	assert_int_equal(tree.n_nodes, 12);
	assert_int_equal(tree.depth, 7);
	assert_null(tree.nodes[0].frame);
	assert_int_equal(tree.nodes[0].bytes, 12582912 + 7340032 + 2097152 + 65536);
	assert_int_equal(tree.nodes[0].count, 120031 + 1792 + 1 + 12);
	for (size_t i = 1; i < tree.n_nodes; i++) {
		const struct tree_node *node = &tree.nodes[i], *parent = &tree.nodes[node->parent];

		assert_true(node->parent < i);
		assert_int_equal(node->depth, parent->depth + 1);
		assert_true(node->start_bytes >= parent->start_bytes);
		assert_true(node->start_bytes + node->bytes <= parent->start_bytes + parent->bytes);
		if (i > 1 && tree.nodes[i - 1].parent == node->parent) {
			assert_true(tree.nodes[i - 1].bytes >= node->bytes);
			assert_int_equal(tree.nodes[i - 1].start_bytes + tree.nodes[i - 1].bytes,
					 node->start_bytes);
		}
	}
	tree_fini(&tree);
	profile_free(profile);
}

static void tree_of_nothing_is_a_root(void **state)
{
	struct profile *profile = made_profile("freed");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_init(&tree, profile), 0);
	assert_int_equal(tree.n_nodes, 1);
	assert_int_equal(tree.nodes[0].bytes, 0);
	tree_fini(&tree);
	profile_free(profile);
}

static void tree_is_bounded_in_depth(void **state)
{
	struct profile *profile = profile_new();
	struct frame *frames = profile_alloc(profile, 5000 * sizeof(*frames));
	struct stack *stacks = profile_alloc(profile, 2 * sizeof(*stacks));
	struct tree tree;
	char *text;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		frames[i] = made_python(profile, "again", "r.py", i);
	stacks[0] = (struct stack){.outstanding_bytes = 10, .frames = frames, .n_frames = 5000};
	stacks[1] =
		(struct stack){.outstanding_bytes = UINT64_MAX, .frames = frames, .n_frames = 4999};
	profile->stacks = stacks;
	profile->n_stacks = 2;
	assert_int_equal(tree_init(&tree, profile), 0);
	assert_int_equal(tree.n_nodes, TREE_DEPTH_MAX + 1);
	assert_true(tree.nodes[TREE_DEPTH_MAX].bytes == UINT64_MAX);
	tree_fini(&tree);
	text = golden_text(export_svg, profile, NULL);
	assert_non_null(strstr(text, "</svg>"));
	free(text);
	profile_free(profile);
}

static void nothing_of_the_target_is_markup(void **state)
{
	struct profile *profile = made_profile("hostile");
	char *text = golden_text(export_svg, profile, NULL);

	(void)state;
	assert_null(strstr(text, "<img"));
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "onload='"));
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "\xe2\x80\xae"));
	assert_non_null(strstr(text, "&lt;img src=x"));
	assert_non_null(strstr(text, "\\xff\\xfe broken"));
	free(text);
	profile_free(profile);
}

static void a_finding_is_in_the_legend(void **state)
{
	struct profile *profile = made_profile("answered");
	char *text = golden_text(grouped, profile, NULL);

	(void)state;
	assert_non_null(strstr(text, "<title>container app.cache.SESSIONS\n12,582,912 bytes"));
	assert_non_null(strstr(text, ">finding</text>"));
	free(text);
	profile_free(profile);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_files),
		cmocka_unit_test(tree_has_parents_first_and_children_inside),
		cmocka_unit_test(tree_of_nothing_is_a_root),
		cmocka_unit_test(tree_is_bounded_in_depth),
		cmocka_unit_test(nothing_of_the_target_is_markup),
		cmocka_unit_test(a_finding_is_in_the_legend),
	};

	if (golden_write_all(argc, argv, "svg", grouped))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
