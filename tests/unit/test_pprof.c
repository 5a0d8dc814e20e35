/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Google's own reader has its say in tests/page/test_readers.py; here is what it does not look at.
 * Numbers of fields: profile.proto.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <zlib.h>

#include "golden/golden.h"
#include "golden/protobuf_reader.h"

#include "export/findings.h"
#include "export/formats.h"

/* ---- what was written ----------------------------------------------------------------------- */

static unsigned char unpacked[64 << 20];

static struct message exported(const struct profile *profile)
{
	size_t size;
	char *text = golden_text(export_pprof, profile, &size);
	z_stream stream = {.next_in = (unsigned char *)text,
			   .avail_in = (unsigned)size,
			   .next_out = unpacked,
			   .avail_out = sizeof(unpacked)};

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	inflateEnd(&stream);
	free(text);
	return (struct message){unpacked, unpacked + stream.total_out};
}

static struct message text_at(struct message file, uint64_t number)
{
	return get_message(file, 6, number);
}

/* The text of the sample's label; empty: it has none. */
static struct message label_of(struct message file, struct message sample, const char *name)
{
	struct field field;

	while (read_field(&sample, &field))
		if (field.number == 3 &&
		    message_is_text(text_at(file, get_number(field.inside, 1)), name))
			return text_at(file, get_number(field.inside, 2));
	return (struct message){NULL, NULL};
}

static uint64_t value_of(struct message sample, size_t i)
{
	struct message values = get_message(sample, 2, 0);
	uint64_t value = 0;

	for (size_t n = 0; n <= i; n++)
		value = read_varint(&values);
	return value;
}

static struct message root_name(struct message file, struct message sample)
{
	struct message locations = get_message(sample, 1, 0), location, function;
	uint64_t last = 0;

	while (locations.at < locations.end)
		last = read_varint(&locations);
	location = get_message(file, 4, last - 1);
	assert_int_equal(get_number(location, 1), last);
	function = get_message(file, 5, get_number(get_message(location, 4, 0), 1) - 1);
	return text_at(file, get_number(function, 2));
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void check_tables(struct message file)
{
	size_t n_texts = count_fields(file, 6), n_mappings = count_fields(file, 3),
	       n_locations = count_fields(file, 4), n_functions = count_fields(file, 5);
	size_t seen[8] = {0};
	struct field field, line;

	assert_true(message_is_text(text_at(file, 0), ""));
	while (read_field(&file, &field)) {
		struct message inside = field.inside, locations;

		if (field.number < 8 && field.number >= 3 && field.number <= 5)
			assert_int_equal(get_number(inside, 1), ++seen[field.number]);
		if (field.number == 2)
			for (locations = get_message(inside, 1, 0); locations.at < locations.end;) {
				uint64_t location = read_varint(&locations);

				assert_true(location >= 1 && location <= n_locations);
			}
		if (field.number == 3)
			assert_true(get_number(inside, 5) < n_texts);
		if (field.number == 4) {
			assert_true(get_number(inside, 2) <= n_mappings);
			while (read_field(&inside, &line)) {
				uint64_t function;

				if (line.number != 4)
					continue;
				function = get_number(line.inside, 1);
				assert_true(function >= 1 && function <= n_functions);
			}
		}
		if (field.number == 5) {
			assert_true(get_number(inside, 2) > 0 && get_number(inside, 2) < n_texts);
			assert_true(get_number(inside, 4) < n_texts);
		}
		if (field.number == 6)
			for (const unsigned char *at = inside.at; at < inside.end; at++)
				assert_true(*at >= 0x20 && *at != 0x7f);
	}
}

static void all_made_profiles_have_whole_tables(void **state)
{
	(void)state;
	for (const char *const *name = made_names; *name; name++) {
		struct profile *profile = made_profile(*name);
		struct message file = exported(profile);
		uint64_t bytes = 0, count = 0, allocated = 0;
		size_t n_types = count_fields(file, 1);

		check_tables(file);
		assert_true(n_types == 3 || n_types == 5);
		assert_int_equal(count_fields(file, 2),
				 profile->n_stacks +
					 (profile->verdict ? profile->verdict->n_findings : 0));
		for (size_t i = 0; i < count_fields(file, 2); i++) {
			bytes += value_of(get_message(file, 2, i), 0);
			count += value_of(get_message(file, 2, i), 1);
			allocated += value_of(get_message(file, 2, i), 2);
		}
		for (size_t i = 0; i < profile->n_stacks; i++) {
			bytes -= profile->stacks[i].outstanding_bytes;
			count -= profile->stacks[i].outstanding_count;
			allocated -= n_types == 5 ? profile->stacks[i].allocated_bytes : 0;
		}
		assert_int_equal(bytes, 0);
		assert_int_equal(count, 0);
		assert_true(n_types == 3 || !allocated);
		profile_free(profile);
	}
}

static void findings_are_labels_and_samples(void **state)
{
	struct profile *profile = made_profile("causes");
	struct message file = exported(profile), sample;
	bool said = false;

	(void)state;
	for (size_t i = 0; i < profile->n_stacks; i++)
		if (findings_is_stack(&profile->verdict->findings[0], &profile->stacks[i])) {
			sample = get_message(file, 2, i);
			assert_true(message_is_text(label_of(file, sample, "finding"),
						    "container app.cache.SESSIONS"));
			assert_true(message_is_text(label_of(file, sample, "domain"), "object"));
		}
	/* behind the stacks: all that a finding's sample has is growth */
	sample = get_message(file, 2, profile->n_stacks);
	assert_true(
		message_is_text(label_of(file, sample, "finding"), "container app.cache.SESSIONS"));
	assert_true(message_is_text(root_name(file, sample), "container app.cache.SESSIONS"));
	assert_int_equal(value_of(sample, 0), 0);
	assert_int_equal(value_of(sample, 4), 42000000);
	sample = get_message(file, 2, profile->n_stacks + 3);
	assert_true(message_is_text(root_name(file, sample), "C memory strdup()"));
	for (size_t i = 0; i < count_fields(file, 13); i++)
		said |= message_is_text(
			text_at(file, get_field(file, 13, i).value),
			"1. app.cache.SESSIONS (dict, 120,431 Session, +5,700/min) only grows");
	assert_true(said);
	profile_free(profile);
}

/* A finding without a stack, or with one that was not traced. */
static void findings_need_no_traced_stack(void **state)
{
	struct profile *profile = made_profile("answered");
	struct message file = exported(profile), sample;

	(void)state;
	assert_true(message_is_text(text_at(file, get_number(file, 14)), "inuse_space"));
	profile->n_stacks = 0;
	file = exported(profile);
	/* and then growth is what a reader sees first */
	assert_true(message_is_text(text_at(file, get_number(file, 14)), "growth_per_minute"));
	check_tables(file);
	assert_int_equal(count_fields(file, 2), 3);
	sample = get_message(file, 2, 0);
	assert_true(message_is_text(root_name(file, sample), "container app.cache.SESSIONS"));
	assert_true(message_is_text(label_of(file, sample, "type"), "app.cache.Session"));
	assert_true(message_is_text(root_name(file, get_message(file, 2, 1)), "C memory"));
	profile_free(profile);
}

/* What is not known is no 0. */
static void allocations_that_are_not_counted_are_left_out(void **state)
{
	struct profile *profile = made_profile("below");
	struct message file = exported(profile);

	(void)state;
	assert_false(profile_counts_calls(profile));
	assert_int_equal(count_fields(file, 1), 3);
	assert_true(message_is_text(text_at(file, get_number(get_message(file, 1, 2), 1)),
				    "growth_per_minute"));
	profile_free(profile);
}

static void groups_are_labels(void **state)
{
	struct profile *profile = made_profile("by-module");
	struct message file = exported(profile);

	(void)state;
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct grouping *grouping = profile->grouping;

		assert_true(message_is_text(label_of(file, get_message(file, 2, i), "module"),
					    grouping->groups[grouping->of_stack[i]].title));
	}
	profile_free(profile);
}

/* Functions that were inlined are lines of one location, innermost first. */
static void inlined_functions_share_a_location(void **state)
{
	struct profile *profile = profile_new();
	struct frame frames[40];
	struct stack stack = {.outstanding_bytes = 8, .frames = frames, .n_frames = 3};
	struct message file, location;

	(void)state;
	frames[0] = made_native(profile, "outer", 4, "a.so");
	frames[0].address = 0x1234;
	frames[1] = made_native(profile, "middle", 0, "a.so");
	frames[2] = made_native(profile, "inner", 0, "a.so");
	frames[1].inlined = frames[2].inlined = true;
	profile->stacks = &stack;
	profile->n_stacks = 1;
	file = exported(profile);
	assert_int_equal(count_fields(file, 4), 1);
	location = get_message(file, 4, 0);
	assert_int_equal(count_fields(location, 4), 3);
	assert_int_equal(get_number(location, 3), 0x1234);
	assert_true(
		message_is_text(text_at(file, get_number(get_message(file, 5, 0), 2)), "inner"));
	/* no location has more lines than there is room for */
	for (size_t i = 1; i < 40; i++)
		frames[i] = frames[2];
	stack.n_frames = 40;
	file = exported(profile);
	check_tables(file);
	assert_int_equal(count_fields(file, 4), 2);
	assert_int_equal(count_fields(get_message(file, 4, 0), 4), 32);
	assert_int_equal(count_fields(get_message(file, 4, 1), 4), 8);
	profile_free(profile);
}

/* All addresses of a function without a name are in one function. */
static void a_nameless_function_is_one(void **state)
{
	struct profile *profile = profile_new();
	struct frame frames[2];
	struct stack stack = {.outstanding_bytes = 8, .frames = frames, .n_frames = 2};
	struct message file;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		frames[i] = made_native(profile, NULL, 0x500 + 16 * i, "a.so");
		frames[i].path = "/usr/lib/a.so";
		frames[i].address = frames[i].offset;
		frames[i].start = 0x4f0;
	}
	profile->stacks = &stack;
	profile->n_stacks = 1;
	file = exported(profile);
	assert_int_equal(count_fields(file, 4), 2);
	assert_int_equal(count_fields(file, 5), 1);
	assert_true(message_is_text(text_at(file, get_number(get_message(file, 5, 0), 2)),
				    "a.so+0x4f0"));
	profile_free(profile);
}

static void equal_profiles_give_equal_bytes(void **state)
{
	struct profile *profile = made_profile("hostile");
	size_t size, again;
	char *first = golden_text(export_pprof, profile, &size),
	     *second = golden_text(export_pprof, profile, &again);

	(void)state;
	assert_int_equal(size, again);
	assert_memory_equal(first, second, size);
	free(first);
	free(second);
	profile_free(profile);
}

static void a_large_profile_is_whole(void **state)
{
	struct profile *profile = made_large();

	(void)state;
	check_tables(exported(profile));
	profile_free(profile);
}

/* As of every format: who commits the file looks at the stream. */
static void a_full_disk_stays_in_the_stream(void **state)
{
	struct profile *profile = made_large();
	const struct document document = {.kind = DOCUMENT_TRACE, .profile = profile};
	struct err err = ERR_INIT;
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(export_pprof(full, &document, &err), 0);
	assert_true(fflush(full) != 0 || ferror(full));
	fclose(full);
	profile_free(profile);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_made_profiles_have_whole_tables),
		cmocka_unit_test(findings_are_labels_and_samples),
		cmocka_unit_test(findings_need_no_traced_stack),
		cmocka_unit_test(allocations_that_are_not_counted_are_left_out),
		cmocka_unit_test(groups_are_labels),
		cmocka_unit_test(inlined_functions_share_a_location),
		cmocka_unit_test(a_nameless_function_is_one),
		cmocka_unit_test(equal_profiles_give_equal_bytes),
		cmocka_unit_test(a_large_profile_is_whole),
		cmocka_unit_test(a_full_disk_stays_in_the_stream),
	};

	if (golden_write_all(argc, argv, "pb.gz", export_pprof))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
