/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The text of the heap commands: types, growth, holders, chains, graphs, objects; hostile names,
 * top N, and nothing at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/heap_graph.h"
#include "view/census_text.h"

#define TEXT(text) ((char *)(text))
#define COUNT(of)  (sizeof(of) / sizeof((of)[0]))

/* names that would do something to a terminal, or to a report of lines */
#define HOSTILE "a\033[31m\n\xff\xe2\x80\xae"
#define ESCAPED "a\\x1b[31m\\n\\xff\\u202e"

static struct loss losses[] = {
	{"torn", "pools changed while they were read\033[2J", 1234},
	{"lost", "chains were lost", 1},
};

/* A report without rows. */
struct made {
	struct profile about;
	struct heap_scan scan;
	struct heap_report report;
};

static struct heap_report *make(struct made *made)
{
	*made = (struct made){
		.about = {.time = {.tv_sec = 3600 * 24 + 62},
			  .target = {.pid = 42,
				     .python = "3.11.2",
				     .rss_bytes = 3 << 20,
				     .threads = 2}},
		.scan = {.count = 120031,
			 .tracked = 4000,
			 .bytes = 12 << 20,
			 .n_types = 321,
			 .read_bytes = 20 << 20,
			 .duration_s = 0.25},
	};
	made->report = (struct heap_report){.about = &made->about, .scan = &made->scan};
	return &made->report;
}

#define HEAD                                                                          \
	"[00:01:02] pid 42 (CPython 3.11.2): 120,031 objects of 321 types, 12.0 MiB;" \
	" RSS 3.0 MiB, 2 threads\n"
#define FOOT "Read 20.0 MiB in 250 ms; 4,000 of the objects are tracked by the collector.\n"

static void expect(const struct heap_report *report, struct census_text_options options,
		   const char *expected)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	census_text(out, report, &options);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

#define ALL   ((struct census_text_options){0})
#define QUIET ((struct census_text_options){.quiet = true})

/* ---- paths ---------------------------------------------------------------------------------- */

static void equal_steps_of_a_path_are_one_from_a_number_on(void **state)
{
	char dict[] = "", next[] = ".next", held[] = ".held", first[] = ".HEAD";
	struct heap_link links[2 * HEAP_PATH_RUN + 2] = {{.via = first}};
	struct heap_chain chain = {.links = links, .n_links = 2 * HEAP_PATH_RUN + 2};
	char expected[512] = "app.HEAD";

	(void)state;
	/* what is a part of a link is between them */
	for (size_t i = 1; i < chain.n_links; i++)
		links[i].via = i % 2 ? dict : next;
	links[chain.n_links - 1].via = held;
	assert_true(heap_chain_set_path(&chain, "app"));
	assert_string_equal(chain.path, "app.HEAD.next (32 times).held");
	assert_int_equal(chain.path_start, 3);
	links[2].via = held;
	assert_true(heap_chain_set_path(&chain, "app"));
	strcat(expected, ".held");
	for (size_t i = 0; i < HEAP_PATH_RUN - 1; i++)
		strcat(expected, ".next");
	assert_string_equal(chain.path, strcat(expected, ".held"));
	free(chain.path);
}

/* ---- types ---------------------------------------------------------------------------------- */

#define TYPES_HEAD "       count          bytes    average  type\n"

static const struct heap_type dict = {TEXT("dict"), 1000, 1000, 232999},
			      session = {TEXT("app." HOSTILE), 3, 3, 18446744073709551615u},
			      none = {TEXT("gone"), 0, 0, 0};

static void types_are_listed_with_what_is_left_out(void **state)
{
	const struct heap_type *types[] = {&dict, &session, &none};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->types = types;
	report->n_types = COUNT(types);
	expect(report, ALL,
	       HEAD TYPES_HEAD "        1000         232999        232  dict\n"
			       "           3 18446744073709551615 6148914691236517205  app." ESCAPED
			       "\n"
			       "           0              0          0  gone\n" FOOT);
	/* of the top, and how many more there are */
	expect(report, (struct census_text_options){.top = 2},
	       HEAD TYPES_HEAD "        1000         232999        232  dict\n"
			       "           3 18446744073709551615 6148914691236517205  app." ESCAPED
			       "\n"
			       "        and 1 more type (-T 0 shows all)\n" FOOT);
	expect(report, (struct census_text_options){.top = 1, .quiet = true},
	       HEAD TYPES_HEAD "        1000         232999        232  dict\n");
	expect(report, (struct census_text_options){.top = 3, .quiet = true},
	       HEAD TYPES_HEAD "        1000         232999        232  dict\n"
			       "           3 18446744073709551615 6148914691236517205  app." ESCAPED
			       "\n"
			       "           0              0          0  gone\n");
}

static void what_is_left_out_is_counted(void **state)
{
	const struct heap_type *types[2000];
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++)
		types[i] = &dict;
	report->types = types;
	report->n_types = COUNT(types);
	expect(report, (struct census_text_options){.top = 1},
	       HEAD TYPES_HEAD "        1000         232999        232  dict\n"
			       "        and 1,999 more types (-T 0 shows all)\n" FOOT);
}

static void no_matching_types_is_said(void **state)
{
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	expect(report, ALL, HEAD TYPES_HEAD "        no matching types\n" FOOT);
	expect(report, QUIET, HEAD TYPES_HEAD "        no matching types\n");
	/* one of each, and a target of which little is known */
	made.about.target.python = NULL;
	made.about.target.threads = 1;
	made.scan.count = 2;
	made.scan.n_types = 1;
	made.scan.bytes = 16;
	expect(report, QUIET,
	       "[00:01:02] pid 42 (CPython ?): 2 objects of 1 type, 16 B; RSS 3.0 MiB, 1 "
	       "thread\n" TYPES_HEAD "        no matching types\n");
	made.about.target.python = HOSTILE;
	expect(report, QUIET,
	       "[00:01:02] pid 42 (CPython " ESCAPED "): 2 objects of 1 type, 16 B; RSS 3.0 MiB, "
	       "1 thread\n" TYPES_HEAD "        no matching types\n");
}

/* ---- growth --------------------------------------------------------------------------------- */

#define GROWTH_HEAD                                           \
	"Growth over 1 min 30 s, 4 scans; steadiest first:\n" \
	"       count       gained    count/min      bytes/min   sure how       type\n"

/* a row of the table; what it does not show is left out */
#define ROW(name_, count_, gained, rate, bytes_rate, least, sure, how)               \
	{                                                                            \
		.name = (name_), .count = (count_), .count_delta = (gained),         \
		.count_per_min = (rate), .bytes_per_min = (bytes_rate),              \
		.least_count_per_min = (least), .confidence = (sure), .shape = (how) \
	}

static void growth_has_its_rates_and_shapes(void **state)
{
	static const struct heap_growth_row up = ROW("app.Session", 5010, 5000, 3400.4, 1234567.8,
						     3000, 0.999, FIT_STEADY),
					    down = ROW(HOSTILE, 7, -12, -0.44, -35.2, -1, 0.5,
						       FIT_FALLING),
					    young = ROW("int", 8, 1, 1.001, 0, 0, -1, FIT_UNKNOWN);
	const struct heap_growth_row *rows[] = {&up, &down, &young};
	struct heap_growth growth = {.span_s = 90, .n_scans = 4, .no_full_collection = true};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->growth = &growth;
	report->rows = rows;
	report->n_rows = COUNT(rows);
	expect(report, ALL,
	       HEAD GROWTH_HEAD
	       "        5010        +5000        +3400       +1234568    99% steady    "
	       "app.Session\n"
	       "           7          -12         -0.4            -35    50% falling   " ESCAPED
	       "\n"
	       "           8           +1           +1             +0      - -         int\n"
	       "        no full collection ran meanwhile: garbage in cycles may be part of "
	       "it\n" FOOT);
	growth.no_full_collection = false;
	expect(report, (struct census_text_options){.top = 1},
	       HEAD GROWTH_HEAD
	       "        5010        +5000        +3400       +1234568    99% steady    "
	       "app.Session\n"
	       "        and 2 more that changed (-T 0 shows all)\n" FOOT);
	growth.no_full_collection = true;
	expect(report, (struct census_text_options){.top = 1, .quiet = true},
	       HEAD GROWTH_HEAD
	       "        5010        +5000        +3400       +1234568    99% steady    "
	       "app.Session\n");
	report->n_rows = 0;
	expect(report, ALL, HEAD GROWTH_HEAD "        nothing changed\n" FOOT);
}

/* What grows is red, what shrinks is green, what may do neither has no colour. */
static void what_grows_is_red_and_what_shrinks_green(void **state)
{
	static const struct heap_growth_row up = ROW("up", 1, 1, 60, 600, 1, 0.9, FIT_STEADY),
					    down = ROW("down", 1, -1, -60, -600, -90, 0.9,
						       FIT_FALLING),
					    unclear = ROW("unclear", 1, 1, 60, 600, -1, 0.2,
							  FIT_UNCLEAR);
	const struct heap_growth_row *rows[] = {&up, &down, &unclear};
	struct heap_growth growth = {.span_s = 90, .n_scans = 4};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->growth = &growth;
	report->rows = rows;
	report->n_rows = COUNT(rows);
	expect(report, (struct census_text_options){.color = true, .quiet = true},
	       "\033[1m[00:01:02] pid 42 (CPython 3.11.2): 120,031 objects of 321 types, 12.0 "
	       "MiB;\033[0m RSS 3.0 MiB, 2 threads\n"
	       "Growth over 1 min 30 s, 4 scans; steadiest first:\n"
	       "\033[1m       count       gained    count/min      bytes/min   sure how       "
	       "type\033[0m\n"
	       "           1           +1 \033[31m         +60           +600\033[0m    90% "
	       "steady    up\n"
	       "           1           -1 \033[32m         -60           -600\033[0m    90% "
	       "falling   down\n"
	       "           1           +1 \033[0m         +60           +600\033[0m    20% "
	       "unclear   unclear\n");
}

/* ---- the foot ------------------------------------------------------------------------------- */

static void what_is_known_of_the_collector_is_one_line(void **state)
{
	struct made made;
	struct heap_report *report = make(&made);
	struct heap_gc *gc = &made.scan.gc;

	(void)state;
	*gc = (struct heap_gc){.have_enabled = true};
#define NO_TYPES HEAD TYPES_HEAD "        no matching types\n"
	expect(report, ALL, NO_TYPES "gc: off\n" FOOT);
	*gc = (struct heap_gc){.have_generations = true,
			       .thresholds = {700, 10, 10},
			       .counts = {3, -1, 2147483647}};
	expect(report, ALL, NO_TYPES "gc: thresholds 700 10 10, counts 3 -1 2147483647\n" FOOT);
	gc->have_enabled = gc->enabled = gc->have_garbage = gc->have_frozen = true;
	gc->garbage = 1000;
	/* nothing that is frozen is not worth a word */
	expect(report, ALL,
	       NO_TYPES "gc: on, thresholds 700 10 10, counts 3 -1 2147483647, 1,000 in "
			"gc.garbage\n" FOOT);
	*gc = (struct heap_gc){.have_frozen = true,
			       .frozen = 54321,
			       .have_collections = true,
			       .collections = {1000, 20, 3}};
	expect(report, ALL, NO_TYPES "gc: 54,321 frozen, 1,023 collections so far\n" FOOT);
	gc->watched_s = 60;
	expect(report, ALL,
	       NO_TYPES
	       "gc: 54,321 frozen, 1,023 collections so far, none in the last 1 min\n" FOOT);
	gc->collected = true;
	gc->last_collection_s = 2;
	expect(report, ALL,
	       NO_TYPES
	       "gc: 54,321 frozen, 1,023 collections so far, the last one seen 2 s ago\n" FOOT);
}

static void the_foot_says_how_long_it_stood_still_and_what_was_lost(void **state)
{
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	made.scan.pause_s = 0.012;
	made.about.losses = losses;
	made.about.n_losses = COUNT(losses);
	expect(report, ALL,
	       NO_TYPES FOOT "The process was stopped for 12 ms.\n"
			     "1,234: pools changed while they were read\\x1b[2J\n"
			     "1: chains were lost\n");
	expect(report, QUIET, NO_TYPES);
}

/* ---- who holds what ------------------------------------------------------------------------- */

static void containers_are_listed_with_their_growth(void **state)
{
	struct heap_holder holders[] = {
		{.path = TEXT("app.cache.SESSIONS"),
		 .type = TEXT("dict"),
		 .items = 6401,
		 .have_growth = true,
		 .items_delta = 1400,
		 .items_per_s = 23.3333,
		 .least_per_s = 20},
		{.path = TEXT("app['" HOSTILE "']"),
		 .type = TEXT("my." HOSTILE),
		 .items = 2,
		 .have_growth = true,
		 .items_delta = -2,
		 .items_per_s = -0.01},
		{.path = TEXT("app.STILL"), .type = TEXT("list"), .items = 3, .have_growth = true},
	};
	struct heap_held held = {.have_holders = true, .holders = holders, .n_holders = 3};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->held = &held;
	/* instead of the types; the search, when there was one, behind it */
	expect(report, ALL,
	       HEAD "Large containers:\n"
		    "        app.cache.SESSIONS dict 6401 items +1400/min\n"
		    "        app['" ESCAPED "'] my." ESCAPED " 2 items -0.6/min\n"
		    "        app.STILL list 3 items\n" FOOT);
	held.search_s = 1.5;
	held.n_scans = 3;
	held.span_s = 60;
	expect(report, (struct census_text_options){.top = 1},
	       HEAD "Containers that grew in 1 min, steadiest first, and large ones:\n"
		    "        app.cache.SESSIONS dict 6401 items +1400/min\n"
		    "        and 2 more (-T 0 shows all)\n"
		    "References were followed in 1.5 s.\n" FOOT);
	held.n_holders = 0;
	held.n_scans = 1;
	expect(report, QUIET, HEAD "Large containers:\n        none\n");
}

static void unreached_objects_are_listed_by_what_keeps_them(void **state)
{
	struct heap_unreached rows[] = {{TEXT("shapes.Lost"), 30, 0, 0, false},
					{TEXT(HOSTILE), 1, 22, 333, true}};
	struct heap_held held = {.have_unreached = true, .unreached = rows, .n_unreached = 2};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->held = &held;
#define UNREACHED_HEAD                         \
	HEAD "Objects that no root reaches:\n" \
	     "        held   through it      garbage  type\n"
#define UNREACHED_FOOT                                                                    \
	"        held: from C or by a lost reference (more references than were found); " \
	"a few may be in use just now;\n        through it: by such an object; garbage: " \
	"cyclic, awaiting collection\n" FOOT
	expect(report, ALL,
	       UNREACHED_HEAD "          30            0            0  shapes.Lost\n"
			      "           1           22          333  " ESCAPED
			      " (has __del__)\n" UNREACHED_FOOT);
	expect(report, (struct census_text_options){.top = 1},
	       UNREACHED_HEAD "          30            0            0  shapes.Lost\n"
			      "        and 1 more (-T 0 shows all)\n" UNREACHED_FOOT);
	expect(report, QUIET, HEAD);
	held.n_unreached = 0;
	expect(report, ALL, UNREACHED_HEAD "        none\n" UNREACHED_FOOT);
}

static void a_chain_is_one_link_a_line(void **state)
{
	struct heap_link links[] = {
		{.address = 0x10, .type = TEXT("module"), .via = TEXT(" local `m`")},
		{.address = 0x20, .type = TEXT("dict"), .via = TEXT(""), .hidden = true},
		{.address = 0x30,
		 .type = TEXT("dict"),
		 .via = TEXT(".SESSIONS"),
		 .have_items = true,
		 .items = 1},
		{.address = 0x7f00,
		 .type = TEXT("app." HOSTILE),
		 .via = TEXT("['" HOSTILE "']"),
		 .have_items = true,
		 .items = 5001,
		 .changed = true},
	};
	struct heap_chain chains[] = {
		{.root = TEXT("module app"),
		 .path = TEXT("app.SESSIONS['" HOSTILE "']"),
		 .links = links,
		 .n_links = COUNT(links),
		 .cut = 1200,
		 .count = 999},
		{.root = TEXT(HOSTILE), .path = TEXT("here"), .count = 1},
	};
	struct heap_held held = {.type = TEXT("app." HOSTILE),
				 .type_count = 1000,
				 .type_reached = 996,
				 .type_held = 3,
				 .type_garbage = 1,
				 .chains = chains,
				 .n_chains = COUNT(chains)};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->held = &held;
	expect(report, QUIET,
	       HEAD "1,000 objects of app." ESCAPED ": 996 reached from roots, 3 held from C or by "
		    "a lost reference, 1 garbage awaiting collection\n"
		    "         999  app.SESSIONS['" ESCAPED "']\n"
		    "        module app\n"
		    "          ... 1,200 more\n"
		    "          local `m`                 module at 0x10\n"
		    "          .SESSIONS                 dict, 1 item at 0x30\n"
		    "          ['" ESCAPED "']  app." ESCAPED
		    ", 5001 items at 0x7f00  (changed during the scan)\n"
		    "           1  here\n"
		    "        " ESCAPED "\n");
	held.type_count = held.type_reached = 1;
	held.type_held = held.type_garbage = held.n_chains = 0;
	expect(report, QUIET,
	       HEAD "1 object of app." ESCAPED ": 1 reached from roots, 0 held from C or by a "
		    "lost reference, 0 garbage awaiting collection\n");
}

#define LONG_PATH                                                       \
	"app.registry.by_name['0123456789'].children[17].children[18]." \
	"children[19].children[20].last"

static void objects_are_a_line_each_and_what_is_in_them(void **state)
{
	struct heap_value_part parts[] = {{TEXT(".user"), TEXT("'ann'")},
					  {TEXT(""), TEXT("<dict of 2>")}};
	struct heap_object rows[] = {
		{.address = 0x7f1360610610,
		 .type = TEXT("app.Session"),
		 .bytes = 64,
		 .have_age = true,
		 .scans = 1,
		 .is_new = true,
		 .most_s = 0.512,
		 .root = TEXT("module app"),
		 .path = TEXT("app." HOSTILE),
		 .have_value = true,
		 .value = {.text = TEXT("<app.Session>"),
			   .parts = parts,
			   .n_parts = COUNT(parts),
			   .more = 1234}},
		{.address = 0x7f1360610680,
		 .type = TEXT("app.Session"),
		 .bytes = 64,
		 .have_age = true,
		 .scans = 3,
		 .is_new = true,
		 .least_s = 1,
		 .most_s = 1.5,
		 .root = TEXT("module app"),
		 .path = TEXT(LONG_PATH),
		 .changed = true},
		{.address = 0x10,
		 .type = TEXT("app.Session"),
		 .bytes = 4096,
		 .have_age = true,
		 .scans = 5,
		 .least_s = 2,
		 .have_items = true,
		 .items = 1,
		 .how = HEAP_HOW_GARBAGE},
	};
	struct heap_held held = {.type = TEXT("Session"),
				 .type_count = 1415,
				 .have_objects = true,
				 .objects = {.rows = rows,
					     .n_rows = COUNT(rows),
					     .n_scans = 5,
					     .span_s = 2,
					     .made = 282}};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->held = &held;
	expect(report, QUIET,
	       HEAD "1,415 objects of Session; 282 made in the last 2 s (5 scans)\n"
		    "                 age     bytes  address           held as\n"
		    "        up to 512 ms        64  0x7f1360610610    app." ESCAPED "\n"
		    "            .user = 'ann'\n"
		    "            <dict of 2>\n"
		    "            and 1,234 more\n"
		    "        1 s to 1.5 s        64  0x7f1360610680    app.registry.by_name['012"
		    "...[19].children[20].last\n"
		    "            (changed during the scan)\n"
		    "            over 2 s      4096  0x10              cyclic garbage awaiting "
		    "collection\n"
		    "            app.Session, 1 item\n"
		    "        and 1,412 more objects (-T N shows more)\n");
	/* none is new; of one scan no age is known */
	held.objects.made = held.objects.n_rows = 0;
	expect(report, QUIET,
	       HEAD "1,415 objects of Session; none made in the last 2 s (5 scans)\n"
		    "Shown are the first by address.\n"
		    "                 age     bytes  address           held as\n"
		    "        and 1,415 more objects (-T N shows more)\n");
	held.objects.n_rows = 1;
	held.objects.n_scans = 1;
	held.objects.single = held.objects.several_types = true;
	expect(report, QUIET,
	       HEAD "One object of Session\n"
		    "     bytes  address           held as\n"
		    "        64  0x7f1360610610    app." ESCAPED "\n"
		    "            <app.Session>\n"
		    "            .user = 'ann'\n"
		    "            <dict of 2>\n"
		    "            and 1,234 more\n");
}

/* a <- b <- c, and b and c refer to each other: the tree ends all the same */
static void a_graph_with_a_circle_comes_to_its_end(void **state)
{
	struct heap_graph_node nodes[] = {
		{.address = 0xa0, .type = TEXT("app." HOSTILE)},
		{.address = 0xa8, .type = TEXT("app.Other"), .root = TEXT("module " HOSTILE)},
		{.address = 0xb0,
		 .type = TEXT("list"),
		 .have_items = true,
		 .items = 3,
		 .depth = 1,
		 .more = 1234},
		{.address = 0xc0,
		 .type = TEXT("dict"),
		 .have_items = true,
		 .items = 2,
		 .depth = 2,
		 .root = TEXT("module app")},
	};
	struct heap_graph_edge edges[] = {
		{2, 0, TEXT("[0]")},
		{3, 2, TEXT("['" HOSTILE "']")},
		{2, 3, TEXT("[1]")},
	};
	struct heap_held held = {
		.type = TEXT("app." HOSTILE),
		.have_graph = true,
		.graph = {.nodes = nodes, .n_nodes = 4, .edges = edges, .n_edges = 3}};
	struct made made;
	struct heap_report *report = make(&made);

	(void)state;
	report->held = &held;
	expect(report, QUIET,
	       HEAD "Who refers to app." ESCAPED ":\n"
		    "        app." ESCAPED " at 0xa0\n"
		    "            <- list, 3 items at 0xb0  [0]\n"
		    "                <- dict, 2 items at 0xc0  ['" ESCAPED "']  root: module app\n"
		    "                    <- list, 3 items at 0xb0  [1]\n"
		    "                <- and 1,234 more\n"
		    "        app.Other at 0xa8  root: module " ESCAPED "\n");
	held.graph.n_nodes = held.graph.n_edges = 0;
	expect(report, QUIET, HEAD "Who refers to app." ESCAPED ":\n");
}

/* What is known of objects whose process is gone. */
static void objects_of_a_target_that_ended_are_shown(void **state)
{
	struct heap_object rows[] = {{.address = 0x7f10,
				      .type = TEXT("app.Session"),
				      .have_age = true,
				      .is_new = true,
				      .most_s = 2,
				      .how = HEAP_HOW_UNKNOWN}};
	struct heap_held held = {
		.type = TEXT("Session"),
		.type_count = 2,
		.have_objects = true,
		.objects = {.rows = rows,
			    .n_rows = 1,
			    .n_scans = 2,
			    .span_s = 3,
			    .made = 1,
			    .target_ended = true},
	};
	struct made made;

	(void)state;
	make(&made)->held = &held;
	made.report.ended_early = true;
	expect(&made.report, QUIET,
	       HEAD "Ended early: the target has ended.\n"
		    "2 objects of Session; 1 made in the last 3 s (2 scans)\n"
		    "                 age     bytes  address           held as\n"
		    "           up to 2 s         -  0x7f10            not known: the target has "
		    "ended\n"
		    "        and 1 more object (-T N shows more)\n");
}

/* Of a chain that goes deeper than a tree is drawn, as much as fits. */
static void a_deep_graph_is_drawn_as_far_as_it_fits(void **state)
{
	struct heap_graph_node nodes[64];
	struct heap_graph_edge edges[63];
	struct heap_held held = {.type = TEXT("list"),
				 .have_graph = true,
				 .graph = {nodes, COUNT(nodes), edges, COUNT(edges)}};
	char *text = NULL, *line;
	size_t length, lines = 0;
	struct made made;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	for (unsigned i = 0; i < COUNT(nodes); i++)
		nodes[i] = (struct heap_graph_node){.address = i, .type = TEXT("list"), .depth = i};
	for (unsigned i = 0; i < COUNT(edges); i++)
		edges[i] = (struct heap_graph_edge){i + 1, i, TEXT("[0]")};
	make(&made)->held = &held;
	census_text(out, &made.report, &QUIET);
	fclose(out);
	for (line = text; (line = strstr(line, "<- list at ")); line++)
		lines++;
	assert_int_equal(lines, 20);
	free(text);
}

/*
 * Two objects on each level, each referred to by both of the next one: 2^19 ways lead to the last.
 * What refers to an object is shown in one place.
 */
static void every_reference_is_shown_once(void **state)
{
	struct heap_graph_node nodes[40];
	struct heap_graph_edge edges[4 * 19];
	struct heap_held held = {.type = TEXT("list"),
				 .have_graph = true,
				 .graph = {nodes, COUNT(nodes), edges, COUNT(edges)}};
	size_t length, lines = 0;
	char *text = NULL, *line;
	struct made made;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	for (unsigned i = 0; i < COUNT(nodes); i++)
		nodes[i] = (struct heap_graph_node){
			.address = i, .type = TEXT("list"), .depth = i / 2};
	for (unsigned i = 0; i < COUNT(edges); i++)
		edges[i] = (struct heap_graph_edge){2 + i / 4 * 2 + i % 2, i / 4 * 2 + i / 2 % 2,
						    TEXT("[0]")};
	make(&made)->held = &held;
	census_text(out, &made.report, &QUIET);
	fclose(out);
	/* every reference once, and nothing is left out */
	for (line = text; (line = strstr(line, "<- list at ")); line++)
		lines++;
	assert_int_equal(lines, COUNT(edges));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_steps_of_a_path_are_one_from_a_number_on),
		cmocka_unit_test(types_are_listed_with_what_is_left_out),
		cmocka_unit_test(objects_of_a_target_that_ended_are_shown),
		cmocka_unit_test(what_is_left_out_is_counted),
		cmocka_unit_test(no_matching_types_is_said),
		cmocka_unit_test(growth_has_its_rates_and_shapes),
		cmocka_unit_test(what_grows_is_red_and_what_shrinks_green),
		cmocka_unit_test(what_is_known_of_the_collector_is_one_line),
		cmocka_unit_test(the_foot_says_how_long_it_stood_still_and_what_was_lost),
		cmocka_unit_test(containers_are_listed_with_their_growth),
		cmocka_unit_test(unreached_objects_are_listed_by_what_keeps_them),
		cmocka_unit_test(a_chain_is_one_link_a_line),
		cmocka_unit_test(objects_are_a_line_each_and_what_is_in_them),
		cmocka_unit_test(a_graph_with_a_circle_comes_to_its_end),
		cmocka_unit_test(a_deep_graph_is_drawn_as_far_as_it_fits),
		cmocka_unit_test(every_reference_is_shown_once),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
