/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Numbers of fields: profiles/v1development/profiles.proto of opentelemetry-proto 1.11.0. protoc
 * has its say in tests/page/test_readers.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "golden/golden.h"
#include "golden/protobuf_reader.h"

#include "export/formats.h"

static char *written;

static struct message exported(const struct profile *profile)
{
	size_t size;

	free(written);
	written = golden_text(export_otlp, profile, &size);
	return (struct message){(unsigned char *)written, (unsigned char *)written + size};
}

static struct message text_at(struct message tables, uint64_t number)
{
	return get_message(tables, 5, number);
}

/* The j-th profile of the i-th process. */
static struct message profile_at(struct message file, size_t i, size_t j)
{
	return get_message(get_message(get_message(file, 1, i), 2, 0), 2, j);
}

/* The text of the sample's attribute; empty: it has none. */
static struct message attribute_of(struct message tables, struct message sample, const char *name)
{
	struct message numbers = get_message(sample, 2, 0), attribute;

	while (numbers.at < numbers.end) {
		attribute = get_message(tables, 6, read_varint(&numbers));
		if (message_is_text(text_at(tables, get_number(attribute, 1)), name))
			return get_message(get_message(attribute, 2, 0), 1, 0);
	}
	return (struct message){NULL, NULL};
}

static void check_numbers(struct message packed, size_t n)
{
	while (packed.at < packed.end) {
		uint64_t number = read_varint(&packed);

		assert_true(number >= 1 && number < n);
	}
}

static void check_tables(struct message tables)
{
	size_t n[8];
	struct field field, line;

	for (unsigned i = 1; i < 8; i++)
		n[i] = count_fields(tables, i);
	/* what stands for none: a link has an invalid number there */
	for (unsigned i = 1; i < 8; i++) {
		struct message none = get_message(tables, i, 0);

		assert_int_equal(none.end - none.at, i == 4 ? 2 + 16 + 2 + 8 : 0);
	}
	while (read_field(&tables, &field)) {
		struct message inside = field.inside;

		if (field.number == 1)
			assert_true(get_number(inside, 4) < n[5]);
		if (field.number == 2) {
			assert_true(get_number(inside, 1) < n[1]);
			if (count_fields(inside, 4))
				check_numbers(get_message(inside, 4, 0), n[6]);
			while (read_field(&inside, &line))
				assert_true(line.number != 3 ||
					    (get_number(line.inside, 1) >= 1 &&
					     get_number(line.inside, 1) < n[3]));
		}
		if (field.number == 3)
			assert_true(get_number(inside, 1) < n[5] && get_number(inside, 3) < n[5]);
		if (field.number == 5)
			for (const unsigned char *at = inside.at; at < inside.end; at++)
				assert_true(*at >= 0x20 && *at != 0x7f);
		if (field.number == 6)
			assert_true(get_number(inside, 1) < n[5]);
		if (field.number == 7 && count_fields(inside, 1))
			check_numbers(get_message(inside, 1, 0), n[2]);
	}
}

/* Sum of the values of the j-th profile of each process. */
static uint64_t sum_of(struct message file, size_t j)
{
	struct message tables = get_message(file, 2, 0);
	uint64_t sum = 0;

	for (size_t i = 0; i < count_fields(file, 1); i++) {
		struct message profile = profile_at(file, i, j);
		struct field field;

		while (read_field(&profile, &field)) {
			struct message values;

			if (field.number != 2)
				continue;
			assert_true(get_number(field.inside, 1) < count_fields(tables, 7));
			check_numbers(get_message(field.inside, 2, 0), count_fields(tables, 6));
			values = get_message(field.inside, 4, 0);
			sum += read_varint(&values);
			assert_ptr_equal(values.at, values.end);
		}
	}
	return sum;
}

static void all_made_profiles_have_whole_tables(void **state)
{
	(void)state;
	for (const char *const *name = made_names; *name; name++) {
		struct profile *profile = made_profile(*name);
		struct message file = exported(profile);
		uint64_t bytes = 0, count = 0;

		check_tables(get_message(file, 2, 0));
		for (size_t i = 0; i < profile->n_stacks; i++) {
			bytes += profile->stacks[i].outstanding_bytes;
			count += profile->stacks[i].outstanding_count;
		}
		assert_int_equal(sum_of(file, 0), bytes);
		assert_int_equal(sum_of(file, 1), count);
		assert_int_equal(count_fields(file, 1),
				 profile->n_targets ? profile->n_targets : 1);
		profile_free(profile);
	}
}

static void findings_are_attributes_and_a_profile(void **state)
{
	struct profile *profile = made_profile("answered");
	struct message file = exported(profile), tables = get_message(file, 2, 0), growth;
	struct message said, values;

	(void)state;
	assert_true(message_is_text(attribute_of(tables, get_message(profile_at(file, 0, 0), 2, 0),
						 "pyleaktrace.finding"),
				    "container app.cache.SESSIONS"));
	growth = profile_at(file, 0, 4);
	assert_true(message_is_text(text_at(tables, get_number(get_message(growth, 1, 0), 1)),
				    "growth_per_minute"));
	assert_int_equal(count_fields(growth, 2), 3);
	assert_true(message_is_text(
		attribute_of(tables, get_message(growth, 2, 0), "pyleaktrace.finding"),
		"container app.cache.SESSIONS"));
	assert_int_equal(sum_of(file, 4), 42000000 + 12000000 + 30);
	/* and the sentences are those of every profile */
	values = get_message(growth, 11, 0);
	said = get_message(tables, 6, read_varint(&values));
	said = get_message(get_message(said, 2, 0), 5, 0);
	assert_true(message_is_text(get_message(get_message(said, 1, 3), 1, 0),
				    "1. app.cache.SESSIONS (dict, 120,431 app.cache.Session, "
				    "+5,700/min) only grows"));
	/* where nothing was traced growth is what a reader sees first */
	profile->n_stacks = 0;
	file = exported(profile);
	assert_int_equal(sum_of(file, 0), 42000000 + 12000000 + 30);
	assert_int_equal(sum_of(file, 1), 0);
	profile_free(profile);
}

/* Each process is a resource, which has the samples of its own. */
static void processes_are_resources(void **state)
{
	struct profile *profile = made_profile("pids");
	struct message file = exported(profile);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct message resource = get_message(get_message(file, 1, i), 1, 0);
		struct message pid = get_message(resource, 1, 0);
		size_t n = 0;

		assert_true(message_is_text(get_message(pid, 1, 0), "process.pid"));
		assert_int_equal(get_number(get_message(pid, 2, 0), 3), profile->targets[i].pid);
		for (size_t j = 0; j < profile->n_stacks; j++)
			n += profile_target_of(profile, &profile->stacks[j]) ==
			     &profile->targets[i];
		assert_int_equal(count_fields(profile_at(file, i, 0), 2), n);
		assert_true(n > 0);
	}
	profile_free(profile);
}

static void time_is_that_of_what_was_seen(void **state)
{
	struct profile *profile = made_profile("service");
	struct message first = profile_at(exported(profile), 0, 0);

	(void)state;
	assert_int_equal(get_number(first, 3) + get_number(first, 4), 1770127387123000000);
	assert_int_equal(get_number(first, 4), 61700000000);
	profile_free(profile);
}

static void a_large_profile_is_whole(void **state)
{
	struct profile *profile = made_large();
	char *first, *second;
	size_t size, again;

	(void)state;
	check_tables(get_message(exported(profile), 2, 0));
	first = golden_text(export_otlp, profile, &size);
	second = golden_text(export_otlp, profile, &again);
	assert_int_equal(size, again);
	assert_memory_equal(first, second, size);
	free(first);
	free(second);
	profile_free(profile);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_made_profiles_have_whole_tables),
		cmocka_unit_test(findings_are_attributes_and_a_profile),
		cmocka_unit_test(processes_are_resources),
		cmocka_unit_test(time_is_that_of_what_was_seen),
		cmocka_unit_test(a_large_profile_is_whole),
	};

	if (golden_write_all(argc, argv, "otlp.pb", export_otlp))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
