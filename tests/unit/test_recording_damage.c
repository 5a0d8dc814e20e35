/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Recordings that are damaged, cut, or made to do harm: whatever is in the file, what is whole is
 * shown, what is not is said, and nothing crashes. With an argument, so many rounds of each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>

#include "unit/recorded.h"
#include "unit/recorded_fill.h"

#include "model/difference.h"
#include "record/format.h"
#include "record/frames.h"
#include "view/difference_text.h"

#define LOOKS 6

static unsigned rounds = 300;
static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* ---- files ---------------------------------------------------------------------------------- */

struct bytes {
	char *at;
	size_t n;
};

static struct bytes read_file(const char *path)
{
	FILE *in = fopen(path, "r");
	struct bytes bytes = {0};
	struct stat about;

	assert_non_null(in);
	assert_int_equal(fstat(fileno(in), &about), 0);
	bytes.n = (size_t)about.st_size;
	bytes.at = malloc(bytes.n + 1);
	assert_int_equal(fread(bytes.at, 1, bytes.n, in), bytes.n);
	fclose(in);
	return bytes;
}

static void write_file(const char *path, const char *at, size_t n)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(at, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

/* Reports 0 to LOOKS - 1, the second half in a segment of its own. out  ends: of the frames */
static struct bytes record_some(const char *path, const char *name, size_t ends[LOOKS])
{
	struct recorder *recorder = recorded_begin(path);
	struct stat about;

	for (int i = 0; i < LOOKS; i++) {
		struct profile *profile = made_profile(name);

		if (i == LOOKS / 2)
			recorder_begin_segment(recorder);
		profile->duration_s = i;
		recorded_add(recorder, profile, i);
		assert_int_equal(stat(path, &about), 0);
		ends[i] = (size_t)about.st_size;
		profile_free(profile);
	}
	recorder_close(recorder);
	return read_file(path);
}

/* What grew from one to the next, and back. */
static void compare(const struct profile *before, struct profile *after)
{
	const struct difference *difference = difference_make(before, after);
	struct profile *growth = difference_growth(difference);
	const struct document document = {
		.kind = DOCUMENT_DIFF, .profile = growth, .difference = difference};
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	difference_text(out, difference, &(struct difference_text_options){.all_frames = true});
	assert_int_equal(export_json(out, &document, &err), 0);
	fclose(out);
	free(text);
	free(golden_text(export_folded, growth, NULL));
	profile_free(growth);
}

/* Show all there is in every format; return how many reports could be. */
static size_t show_all(const char *path)
{
	struct err err = ERR_INIT;
	struct recording *recording = recording_open(path, &err);
	struct profile *other = made_profile("answered");
	size_t n = 0;

	if (!recording) {
		profile_free(other);
		assert_true(err.code == ERR_USAGE && err.text[0]);
		return 0;
	}
	for (size_t i = 0; i < recording->n_looks; i++) {
		struct profile *profile;

		if (recording_read(recording, i, &profile, NULL, &err)) {
			assert_null(profile);
			continue;
		}
		n++;
		profile_sort(profile, ORDER_GROWTH);
		profile_group(profile, GROUP_MODULE, ORDER_SIZE);
		for (size_t k = 0; k < RECORDED_WRITERS; k++)
			free(golden_text(recorded_writers[k], profile, NULL));
		compare(other, profile);
		compare(profile, other);
		profile_free(profile);
	}
	profile_free(other);
	recording_close(recording);
	return n;
}

/* ---- damage --------------------------------------------------------------------------------- */

static void a_flipped_byte_costs_what_needs_its_frame(void **state)
{
	const char *path = recorded_path();
	size_t ends[LOOKS];
	struct bytes whole = record_some(path, "service", ends);

	(void)state;
	for (int hit = 0; hit < LOOKS; hit++) {
		size_t from = hit ? ends[hit - 1] : 0, at = (from + ends[hit]) / 2;
		/* the first report of a segment has the names of all */
		size_t left = hit % 3 ? LOOKS - 1 : LOOKS / 2;
		struct recording *recording;

		whole.at[at] ^= 4;
		write_file(path, whole.at, whole.n);
		whole.at[at] ^= 4;
		recording = recorded_open(path);
		assert_int_equal(recording->n_looks, LOOKS - 1);
		assert_int_equal(recording->n_damages, 1);
		assert_int_equal(recording->damages[0].offset, from);
		assert_int_equal(recording->damages[0].bytes, ends[hit] - from);
		assert_false(recording->damages[0].cut);
		recording_close(recording);
		assert_int_equal(show_all(path), left);
	}
	free(whole.at);
	recorded_remove(path);
}

static void a_file_that_is_cut_has_what_is_before(void **state)
{
	const char *path = recorded_path();
	size_t ends[LOOKS];
	struct bytes whole = record_some(path, "service", ends);

	(void)state;
	for (size_t n = 1; n < whole.n; n += 1 + n % 7) {
		size_t left = 0;
		struct recording *recording;
		struct err err = ERR_INIT;

		while (ends[left] <= n)
			left++;
		write_file(path, whole.at, n);
		recording = recording_open(path, &err);
		if (!recording) {
			assert_int_equal(left, 0);
			continue;
		}
		assert_int_equal(recording->n_looks, left);
		assert_int_equal(recording->n_damages, n != ends[left - 1]);
		if (recording->n_damages) {
			assert_int_equal(recording->damages[0].offset, ends[left - 1]);
			assert_int_equal(recording->damages[0].bytes, n - ends[left - 1]);
			assert_true(recording->damages[0].cut);
		}
		recording_close(recording);
	}
	free(whole.at);
	recorded_remove(path);
}

static void bytes_between_reports_are_passed_over(void **state)
{
	const char *path = recorded_path();
	size_t ends[LOOKS], n = 0;
	struct bytes whole = record_some(path, "service", ends);
	/* one of them looks like the beginning of a frame */
	static const char rubbish[] = "rubbish \x28\xb5\x2f\xfd\x24 and more of it (((";
	char *mixed = malloc(whole.n + LOOKS * sizeof(rubbish));
	struct recording *recording;

	(void)state;
	for (int i = 0; i < LOOKS; i++) {
		size_t from = i ? ends[i - 1] : 0;

		memcpy(mixed + n, rubbish, sizeof(rubbish));
		n += sizeof(rubbish);
		memcpy(mixed + n, whole.at + from, ends[i] - from);
		n += ends[i] - from;
	}
	write_file(path, mixed, n);
	recording = recorded_open(path);
	assert_int_equal(recording->n_looks, LOOKS);
	assert_int_equal(recording->n_damages, LOOKS);
	assert_int_equal(recording->damaged_bytes, LOOKS * sizeof(rubbish));
	recording_close(recording);
	assert_int_equal(show_all(path), LOOKS);
	free(mixed);
	free(whole.at);
	recorded_remove(path);
}

static void a_later_format_is_refused(void **state)
{
	static const char text[] =
		"{\"pyleaktrace_recording\":2,\"segment\":0}\n{\"look\":0,\"at_s\":1}\n";
	const char *path = recorded_path();
	struct err err = ERR_INIT;
	size_t size;
	void *packed = frames_pack(text, sizeof(text) - 1, &size, &err);

	(void)state;
	write_file(path, packed, size);
	assert_null(recording_open(path, &err));
	assert_non_null(strstr(err.text, "later pyleaktrace (format 2"));
	free(packed);
	recorded_remove(path);
}

/* What a later version of format 1 may add. */
static void names_that_are_not_known_are_passed_over(void **state)
{
	static const char text[] =
		"{\"pyleaktrace_recording\":1,\"segment\":0,\"more\":{}}\n"
		"{\"look\":0,\"at_s\":1,\"more\":3}\n"
		"{\"columns\":\"stacks\",\"are\":[\"new\",\"site\",\"outstanding_bytes\"]}\n"
		"{\"columns\":\"frames\",\"are\":[\"function\",\"new\"]}\n"
		"{\"stack\":0,\"is\":{\"domain\":\"mmap\",\"frames\":[[\"f\",{}],[\"g\"]]}}\n"
		"{\"profile\":{\"stacks\":[[[1],0,77]],\"new\":[1,2],\"cost\":{\"new\":1}}}\n";
	const char *path = recorded_path();
	struct err err = ERR_INIT;
	size_t size;
	void *packed = frames_pack(text, sizeof(text) - 1, &size, &err);
	struct recording *recording;
	struct profile *profile;

	(void)state;
	write_file(path, packed, size);
	recording = recorded_open(path);
	profile = recorded_read(recording, 0);
	assert_int_equal(profile->n_stacks, 1);
	assert_int_equal(profile->stacks[0].outstanding_bytes, 77);
	assert_int_equal(profile->stacks[0].domain, DOMAIN_MMAP);
	assert_string_equal(profile->stacks[0].frames[1].function, "g");
	assert_int_equal(profile->mode.max_size, 0);
	profile_free(profile);
	recording_close(recording);
	free(packed);
	recorded_remove(path);
}

/* ---- harm ----------------------------------------------------------------------------------- */

/* The lines of a recording, packed as they are. */
static void show_text(const char *path, const char *text, size_t n)
{
	struct err err = ERR_INIT;
	size_t size;
	void *packed = frames_pack(text, n, &size, &err);

	assert_non_null(packed);
	write_file(path, packed, size);
	show_all(path);
	free(packed);
}

static void numbers_and_names_that_lead_nowhere(void **state)
{
	static const char *const texts[] = {
		"{\"stack\":0,\"is\":0}\n{\"profile\":{\"stacks\":[[0]]}}\n",
		"{\"stack\":0,\"is\":[0]}\n{\"profile\":{\"stacks\":[[0]]}}\n",
		"{\"stack\":4194304,\"is\":{}}\n{\"profile\":{\"stacks\":[[4194304]]}}\n",
		"{\"stack\":-1,\"is\":{}}\n{\"profile\":{\"stacks\":[[-1]]}}\n",
		"{\"profile\":{\"stacks\":[[99999]]}}\n",
		"{\"profile\":{\"stacks\":[[0.5]],\"time_s\":9223372036854775807}}\n",
		"{\"profile\":{\"stacks\":{\"a\":1},\"trend\":{\"looks\":[0,1,2]}}}\n",
		"{\"profile\":{\"trend\":{\"looks\":[{}],\"series\":[[\"rss\",1]]}}}\n",
		"{\"profile\":{\"trend\":7,\"verdict\":{\"findings\":[{\"where\":9}]}}}\n",
		"{\"profile\":{\"verdict\":{\"findings\":[{\"next\":[1,\"a\",2],\"stack\":{}}]}}}"
		"\n",
		"{\"profile\":{\"notes\":[{}],\"losses\":[{}],\"native_gaps\":[{}]}}\n",
		"{\"profile\":{\"growing_containers\":{\"rows\":[{}]},\"lists\":{\"threads\":{}}}}"
		"\n",
		"{\"profile\":{\"growing_classes\":{\"rows\":[{},{\"row\":{\"fate\":\"replaced\"}}]"
		"}}}\n",
		"{\"profile\":{\"duration_s\":1e308,\"cost\":{\"hits_per_s\":1e300}}}\n",
		"{\"profile\":[]}\n{\"profile\":{}}\n",
		"{\"profile\":{\"stacks\":[[0,-1,-1,9e18,9e18,9e18,true,-1]]}}\n",
	};
	const char *path = recorded_path();

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text;
		int n = asprintf(&text,
				 "{\"pyleaktrace_recording\":1}\n{\"look\":0,\"at_s\":1}\n"
				 "{\"columns\":\"stacks\",\"are\":[\"site\",\"outstanding_bytes\","
				 "\"outstanding_count\",\"oldest_ms\",\"newest_ms\","
				 "\"growth_bytes_per_s\",\"estimated\",\"bytes_error\"]}\n"
				 "{\"columns\":\"series\",\"are\":[\"kind\",\"n\"]}\n%s",
				 texts[i]);

		show_text(path, text, (size_t)n);
		free(text);
	}
	recorded_remove(path);
}

/* A frame that says it is huge, or is: it is not unpacked. */
static void a_frame_that_is_too_large_is_damage(void **state)
{
	const char *path = recorded_path();
	size_t n = RECORD_FRAME_MAX + 1, size;
	char *text = malloc(n);
	struct err err = ERR_INIT;
	void *packed;

	(void)state;
	memset(text, ' ', n);
	packed = frames_pack(text, n, &size, &err);
	write_file(path, packed, size);
	assert_null(recording_open(path, &err));
	assert_non_null(strstr(err.text, "no report"));
	free(packed);
	free(text);
	recorded_remove(path);
}

static void any_byte_of_the_file_may_be_another(void **state)
{
	const char *path = recorded_path();
	size_t ends[LOOKS];
	struct bytes whole = record_some(path, "answered", ends);

	(void)state;
	for (unsigned i = 0; i < rounds; i++) {
		char *copy = malloc(whole.n);
		size_t n = next_random() % 4 ? whole.n : next_random() % whole.n;

		memcpy(copy, whole.at, whole.n);
		for (uint64_t k = next_random() % 5; k-- > 0;)
			copy[next_random() % whole.n] = (char)next_random();
		write_file(path, copy, n);
		show_all(path);
		free(copy);
	}
	free(whole.at);
	recorded_remove(path);
}

/* All lines of the first report. */
static struct bytes lines_of(const char *path, struct profile *profile)
{
	struct recorder *recorder;
	struct frame_read frame;
	struct bytes bytes = {0};
	struct err err = ERR_INIT;
	struct frames *frames;
	int fd;

	unlink(path);
	recorder = recorded_begin(path);
	recorded_add(recorder, profile, 1);
	recorder_close(recorder);
	profile_free(profile);
	fd = open(path, O_RDONLY);
	frames = frames_new(fd);
	assert_int_equal(frames_next(frames, &frame, &err), 1);
	bytes = (struct bytes){strdup(frame.text), frame.length};
	frames_free(frames);
	close(fd);
	return bytes;
}

/* Numbers become others, and so do names and what is between them: below the checksum. */
static void change(char *text, size_t n)
{
	static const char marks[] = "0123456789[]{},:\"-e.tn";
	size_t at = next_random() % n;

	if (next_random() % 3) /* a digit, most of the time: the JSON stays one */
		while (at + 1 < n && (text[at] < '0' || text[at] > '9'))
			at++;
	text[at] = next_random() % 3 ? (char)('0' + next_random() % 10)
				     : marks[next_random() % (sizeof(marks) - 1)];
}

static void any_byte_of_the_json_may_be_another(void **state)
{
	static const char *const names[] = {"answered", "causes",  "below",
					    "untraced", "hostile", NULL};
	const char *path = recorded_path();

	(void)state;
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		struct bytes lines = lines_of(path, names[k] ? made_profile(names[k]) : filled());

		for (unsigned i = 0; i < rounds; i++) {
			char *copy = malloc(lines.n);

			memcpy(copy, lines.at, lines.n);
			for (uint64_t m = 1 + next_random() % 4; m-- > 0;)
				change(copy, lines.n);
			show_text(path, copy, lines.n);
			free(copy);
		}
		free(lines.at);
	}
	recorded_remove(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flipped_byte_costs_what_needs_its_frame),
		cmocka_unit_test(a_file_that_is_cut_has_what_is_before),
		cmocka_unit_test(bytes_between_reports_are_passed_over),
		cmocka_unit_test(a_later_format_is_refused),
		cmocka_unit_test(names_that_are_not_known_are_passed_over),
		cmocka_unit_test(numbers_and_names_that_lead_nowhere),
		cmocka_unit_test(a_frame_that_is_too_large_is_damage),
		cmocka_unit_test(any_byte_of_the_file_may_be_another),
		cmocka_unit_test(any_byte_of_the_json_may_be_another),
	};

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
