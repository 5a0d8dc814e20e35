/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Source     github.com/google/pprof, proto/profile.proto and proto/README.md of 2026-07.
 *
 * The file has the figures of all stacks and, as samples of their own, the growth of each finding:
 * the stack that makes a leak need not be one that was traced. What all stacks allocated is left
 * out where it is not known (profile_counts_calls()), rather than written as 0.
 */
#include <stdlib.h>
#include <time.h>

#include "export/findings.h"
#include "export/formats.h"
#include "export/frame_tables.h"
#include "export/gzip.h"
#include "export/labels.h"
#include "export/protobuf.h"

/* numbers of the fields */
enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,

	VALUE_TYPE = 1,
	VALUE_UNIT = 2,

	SAMPLE_LOCATION = 1,
	SAMPLE_VALUE = 2,
	SAMPLE_LABEL = 3,

	LABEL_KEY = 1,
	LABEL_STR = 2,
	LABEL_NUM = 3,

	MAPPING_ID = 1,
	MAPPING_FILENAME = 5,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILENAMES = 8,
	MAPPING_HAS_LINES = 9,
	MAPPING_HAS_INLINED = 10,

	LOCATION_ID = 1,
	LOCATION_MAPPING = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,

	LINE_FUNCTION = 1,
	LINE_LINE = 2,

	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_FILENAME = 4,
};

struct pprof {
	const struct profile *profile;
	struct frame_tables tables;
	struct protobuf out;
	bool allocated;      /* what was allocated is known */
	uint32_t *locations; /* of one stack */
};

/* Numbers are signed, and no figure of ours is below 0. */
static uint64_t bounded(uint64_t value)
{
	return value < INT64_MAX ? value : INT64_MAX;
}

static void put_sample_type(struct pprof *pprof, const char *type, const char *unit)
{
	size_t mark = protobuf_begin(&pprof->out, PROFILE_SAMPLE_TYPE);

	protobuf_uint(&pprof->out, VALUE_TYPE, frame_tables_text(&pprof->tables, type));
	protobuf_uint(&pprof->out, VALUE_UNIT, frame_tables_text(&pprof->tables, unit));
	protobuf_end(&pprof->out, mark);
}

static void put_sample_types(struct pprof *pprof)
{
	put_sample_type(pprof, "inuse_space", "bytes");
	put_sample_type(pprof, "inuse_objects", "count");
	if (pprof->allocated) {
		put_sample_type(pprof, "alloc_space", "bytes");
		put_sample_type(pprof, "alloc_objects", "count");
	}
	put_sample_type(pprof, "growth_per_minute", "bytes");
	protobuf_uint(&pprof->out, PROFILE_DEFAULT_SAMPLE_TYPE,
		      frame_tables_text(&pprof->tables, findings_are_all(pprof->profile)
								? "growth_per_minute"
								: "inuse_space"));
}

static void put_labels(struct pprof *pprof, const struct labels *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		const struct label *label = &labels->rows[i];
		size_t mark = protobuf_begin(&pprof->out, SAMPLE_LABEL);

		protobuf_uint(&pprof->out, LABEL_KEY,
			      frame_tables_text(&pprof->tables, label->name));
		protobuf_uint(&pprof->out, LABEL_STR,
			      frame_tables_text(&pprof->tables, label->text));
		protobuf_uint(&pprof->out, LABEL_NUM, label->number);
		protobuf_end(&pprof->out, mark);
	}
}

static void put_sample(struct pprof *pprof, size_t n_locations, const struct stack *figures,
		       uint64_t growth, const struct labels *labels)
{
	size_t sample = protobuf_begin(&pprof->out, PROFILE_SAMPLE), mark;

	mark = protobuf_begin(&pprof->out, SAMPLE_LOCATION);
	for (size_t i = 0; i < n_locations; i++)
		protobuf_varint(&pprof->out, pprof->locations[i]);
	protobuf_end(&pprof->out, mark);
	mark = protobuf_begin(&pprof->out, SAMPLE_VALUE);
	protobuf_varint(&pprof->out, bounded(figures->outstanding_bytes));
	protobuf_varint(&pprof->out, bounded(figures->outstanding_count));
	if (pprof->allocated) {
		protobuf_varint(&pprof->out, bounded(figures->allocated_bytes));
		protobuf_varint(&pprof->out, bounded(figures->allocated_count));
	}
	protobuf_varint(&pprof->out, growth);
	protobuf_end(&pprof->out, mark);
	put_labels(pprof, labels);
	protobuf_end(&pprof->out, sample);
}

static void put_stacks(struct pprof *pprof)
{
	const struct profile *profile = pprof->profile;
	struct labels labels;

	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];
		size_t n = frame_tables_stack(&pprof->tables, stack, pprof->locations);

		labels_of_stack(&labels, profile, i);
		put_sample(pprof, n, stack, 0, &labels);
	}
}

/* Growth by finding, with its title as the root of its stack. */
static void put_findings(struct pprof *pprof)
{
	const struct stack nothing = {0};
	const struct verdict *verdict;
	const struct finding *finding;
	struct labels labels;

	for (size_t i = 0; (finding = findings_at(pprof->profile, i, &verdict)); i++) {
		size_t n = frame_tables_finding(&pprof->tables, finding, pprof->locations);

		labels_of_finding(&labels, finding, verdict->pid);
		put_sample(pprof, n, &nothing, findings_per_minute(finding), &labels);
	}
}

static void put_comment(void *context, const char *text)
{
	struct pprof *pprof = context;

	protobuf_uint(&pprof->out, PROFILE_COMMENT, frame_tables_text(&pprof->tables, text));
}

static void put_head(struct pprof *pprof)
{
	const struct timespec *time = &pprof->profile->time;

	put_sample_types(pprof);
	/* the first mapping is the program's, by which a reader names the profile */
	frame_tables_mapping(&pprof->tables, pprof->profile->n_targets
						     ? pprof->profile->targets[0].exe
						     : pprof->profile->target.exe);
	protobuf_uint(&pprof->out, PROFILE_TIME_NANOS,
		      (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec);
	if (pprof->profile->duration_s > 0)
		protobuf_uint(&pprof->out, PROFILE_DURATION_NANOS,
			      (uint64_t)(pprof->profile->duration_s * 1e9));
	findings_say(pprof->profile, put_comment, pprof);
}

/* That names are known keeps `go tool pprof` from looking for the files where it runs. */
static void put_mappings(struct pprof *pprof)
{
	struct protobuf *out = &pprof->out;

	for (const struct dictionary_entry *entry = pprof->tables.mappings.first; entry;
	     entry = dictionary_next(entry)) {
		size_t mark = protobuf_begin(out, PROFILE_MAPPING);

		protobuf_uint(out, MAPPING_ID, entry->number);
		protobuf_uint(out, MAPPING_FILENAME, *(const uint32_t *)entry->key);
		protobuf_uint(out, MAPPING_HAS_FUNCTIONS, true);
		protobuf_uint(out, MAPPING_HAS_FILENAMES, true);
		protobuf_uint(out, MAPPING_HAS_LINES, true);
		protobuf_uint(out, MAPPING_HAS_INLINED, true);
		protobuf_end(out, mark);
	}
}

static void put_locations(struct pprof *pprof)
{
	struct protobuf *out = &pprof->out;

	for (const struct dictionary_entry *entry = pprof->tables.locations.first; entry;
	     entry = dictionary_next(entry)) {
		const struct table_location *location = (const void *)entry->key;
		size_t mark = protobuf_begin(out, PROFILE_LOCATION);

		protobuf_uint(out, LOCATION_ID, entry->number);
		protobuf_uint(out, LOCATION_MAPPING, location->mapping);
		protobuf_uint(out, LOCATION_ADDRESS, location->address);
		for (size_t i = 0; i < frame_tables_lines(entry); i++) {
			size_t line = protobuf_begin(out, LOCATION_LINE);

			protobuf_uint(out, LINE_FUNCTION, location->lines[i].function);
			protobuf_uint(out, LINE_LINE, location->lines[i].line);
			protobuf_end(out, line);
		}
		protobuf_end(out, mark);
	}
}

/*
 * Names are demangled already. Without a system name a reader takes them as they are; with one that
 * is equal it would take `<module>` for a template's arguments, and leave it out.
 */
static void put_functions(struct pprof *pprof)
{
	struct protobuf *out = &pprof->out;

	for (const struct dictionary_entry *entry = pprof->tables.functions.first; entry;
	     entry = dictionary_next(entry)) {
		const struct table_function *function = (const void *)entry->key;
		size_t mark = protobuf_begin(out, PROFILE_FUNCTION);

		protobuf_uint(out, FUNCTION_ID, entry->number);
		protobuf_uint(out, FUNCTION_NAME, function->name);
		protobuf_uint(out, FUNCTION_FILENAME, function->file);
		protobuf_end(out, mark);
	}
}

/* Last, when all texts are known; number 0 is the empty one. */
static void put_texts(struct pprof *pprof)
{
	protobuf_bytes(&pprof->out, PROFILE_STRING_TABLE, "", 0);
	for (const struct dictionary_entry *entry = pprof->tables.texts.first; entry;
	     entry = dictionary_next(entry))
		protobuf_bytes(&pprof->out, PROFILE_STRING_TABLE, entry->key, entry->size);
}

int export_pprof(FILE *out, const struct document *document, struct err *err)
{
	const struct profile *profile = document->profile;
	struct pprof pprof = {.profile = profile,
			      .allocated =
				      !profile->mode.untraced && profile_counts_calls(profile)};
	bool failed;

	pprof.locations = malloc(frame_tables_room(profile) * sizeof(*pprof.locations));
	failed = !pprof.locations;
	if (!failed) {
		put_head(&pprof);
		put_stacks(&pprof);
		put_findings(&pprof);
		put_mappings(&pprof);
		put_locations(&pprof);
		put_functions(&pprof);
		put_texts(&pprof);
		failed = pprof.out.failed || frame_tables_failed(&pprof.tables) ||
			 gzip_write(out, pprof.out.bytes, pprof.out.size);
	}
	protobuf_fini(&pprof.out);
	frame_tables_fini(&pprof.tables);
	free(pprof.locations);
	return failed ? err_set(err, ERR_FAILED, "no memory to write %zu stacks as pprof",
				profile->n_stacks)
		      : 0;
}
