/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Source     github.com/open-telemetry/opentelemetry-proto 1.11.0 (2026-07):
 *            profiles/v1development/profiles.proto, common.proto and resource.proto; names of
 *            attributes: OpenTelemetry semantic conventions. The format is "alpha": a later one may
 *            differ.
 *
 * A profile of theirs has one number for each sample, so there is one for each of ours. Each
 * process is a resource. Attributes are written with their texts, and not by the numbers of texts
 * that 1.10 added, so that older readers know them.
 *
 * Tables stand behind the profiles, when all is known.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "export/findings.h"
#include "export/formats.h"
#include "export/frame_tables.h"
#include "export/labels.h"
#include "export/protobuf.h"

/* numbers of the fields */
enum {
	DATA_RESOURCE_PROFILES = 1,
	DATA_DICTIONARY = 2,

	RESOURCE_PROFILES_RESOURCE = 1,
	RESOURCE_PROFILES_SCOPE_PROFILES = 2,

	RESOURCE_ATTRIBUTES = 1,

	SCOPE_PROFILES_SCOPE = 1,
	SCOPE_PROFILES_PROFILES = 2,

	SCOPE_NAME = 1,
	SCOPE_VERSION = 2,

	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLES = 2,
	PROFILE_TIME = 3,
	PROFILE_DURATION = 4,
	PROFILE_ATTRIBUTES = 11,

	VALUE_TYPE = 1,
	VALUE_UNIT = 2,

	SAMPLE_STACK = 1,
	SAMPLE_ATTRIBUTES = 2,
	SAMPLE_VALUES = 4,

	TABLE_MAPPINGS = 1,
	TABLE_LOCATIONS = 2,
	TABLE_FUNCTIONS = 3,
	TABLE_LINKS = 4,
	TABLE_STRINGS = 5,
	TABLE_ATTRIBUTES = 6,
	TABLE_STACKS = 7,

	MAPPING_FILENAME = 4,

	LOCATION_MAPPING = 1,
	LOCATION_ADDRESS = 2,
	LOCATION_LINES = 3,
	LOCATION_ATTRIBUTES = 4,

	LINE_FUNCTION = 1,
	LINE_LINE = 2,

	FUNCTION_NAME = 1,
	FUNCTION_FILENAME = 3,

	LINK_TRACE_ID = 1,
	LINK_SPAN_ID = 2,

	STACK_LOCATIONS = 1,

	ATTRIBUTE_KEY = 1, /* the number of a text in the table, a text in a resource */
	ATTRIBUTE_VALUE = 2,

	ANY_STRING = 1,
	ANY_INT = 3,
	ANY_ARRAY = 5,

	ARRAY_VALUES = 1,
};

/* A key of the dictionary of attributes. */
struct attribute {
	uint32_t name;     /* text */
	uint32_t kind;     /* ANY_STRING, ANY_INT, ANY_ARRAY */
	uint64_t values[]; /* the number; or texts, one or many */
};

#define ATTRIBUTE_SIZE(n_values) (sizeof(struct attribute) + (n_values) * sizeof(uint64_t))

/* What all the numbers of a stack or finding share. */
struct sample {
	const struct profile_target *target;
	uint32_t stack, attributes[LABELS_MAX];
	size_t n_attributes;
};

struct otlp {
	const struct profile *profile;
	struct frame_tables tables;
	struct dictionary stacks, attributes; /* of arrays of locations; of struct attribute */
	struct protobuf out;
	uint32_t *locations;    /* of one stack */
	struct sample *samples; /* of the profile's stacks, then of the findings */
	size_t n_findings;
	struct attribute *said;
	size_t n_said;
	uint32_t said_number;
	bool failed;
};

/* ---- what is known before anything is written ----------------------------------------------- */

static uint32_t attribute_number(struct otlp *otlp, const struct label *label)
{
	union {
		struct attribute attribute;
		uint64_t room[2];
	} key;

	if (!label->attribute)
		return 0;
	key.attribute.name = frame_tables_text(&otlp->tables, label->attribute);
	key.attribute.kind = label->text ? ANY_STRING : ANY_INT;
	key.attribute.values[0] =
		label->text ? frame_tables_text(&otlp->tables, label->text) : label->number;
	return dictionary_number(&otlp->attributes, &key, ATTRIBUTE_SIZE(1));
}

static void fill_sample(struct otlp *otlp, struct sample *sample, const struct labels *labels,
			size_t n_locations)
{
	for (size_t i = 0; i < labels->n; i++) {
		uint32_t number = attribute_number(otlp, &labels->rows[i]);

		if (number)
			sample->attributes[sample->n_attributes++] = number;
	}
	sample->stack = dictionary_number(&otlp->stacks, otlp->locations,
					  n_locations * sizeof(*otlp->locations));
}

static void collect_stacks(struct otlp *otlp)
{
	const struct profile *profile = otlp->profile;
	struct labels labels;

	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];
		size_t n = frame_tables_stack(&otlp->tables, stack, otlp->locations);

		labels_of_stack(&labels, profile, i);
		otlp->samples[i].target = profile_target_of(profile, stack);
		fill_sample(otlp, &otlp->samples[i], &labels, n);
	}
}

static void collect_findings(struct otlp *otlp)
{
	const struct profile *profile = otlp->profile;
	const struct finding *finding;
	const struct verdict *verdict;
	struct labels labels;

	for (size_t i = 0; (finding = findings_at(profile, i, &verdict)); i++) {
		const struct stack of = {.pid = verdict->pid};
		struct sample *sample = &otlp->samples[profile->n_stacks + i];
		size_t n = frame_tables_finding(&otlp->tables, finding, otlp->locations);

		labels_of_finding(&labels, finding, verdict->pid);
		sample->target = profile_target_of(profile, &of);
		fill_sample(otlp, sample, &labels, n);
	}
}

static void add_said(void *context, const char *text)
{
	struct otlp *otlp = context;
	struct attribute *more = realloc(otlp->said, ATTRIBUTE_SIZE(otlp->n_said + 1));

	if (!more) {
		otlp->failed = true;
		return;
	}
	more->values[otlp->n_said++] = frame_tables_text(&otlp->tables, text);
	otlp->said = more;
}

static void collect_said(struct otlp *otlp)
{
	findings_say(otlp->profile, add_said, otlp);
	if (otlp->failed)
		return;
	otlp->said->name = frame_tables_text(&otlp->tables, "pyleaktrace.said");
	otlp->said->kind = ANY_ARRAY;
	otlp->said_number =
		dictionary_number(&otlp->attributes, otlp->said, ATTRIBUTE_SIZE(otlp->n_said));
}

/* ---- profiles ------------------------------------------------------------------------------- */

/* The numbers of a stack; a finding's are of another kind. */
static const struct value {
	const char *type, *unit;
	size_t offset; /* in struct stack */
	bool allocated;
} values[] = {
	{"inuse_space", "bytes", offsetof(struct stack, outstanding_bytes), false},
	{"inuse_objects", "count", offsetof(struct stack, outstanding_count), false},
	{"alloc_space", "bytes", offsetof(struct stack, allocated_bytes), true},
	{"alloc_objects", "count", offsetof(struct stack, allocated_count), true},
};

static const struct value growth = {"growth_per_minute", "bytes", 0, false};

static void put_sample(struct otlp *otlp, const struct sample *sample,
		       const struct profile_target *target, uint64_t value)
{
	size_t mark, packed;

	/* what is 0 says nothing, and may mean that it is not known */
	if (!value || sample->target != target)
		return;
	mark = protobuf_begin(&otlp->out, PROFILE_SAMPLES);
	protobuf_uint(&otlp->out, SAMPLE_STACK, sample->stack);
	packed = protobuf_begin(&otlp->out, SAMPLE_ATTRIBUTES);
	for (size_t i = 0; i < sample->n_attributes; i++)
		protobuf_varint(&otlp->out, sample->attributes[i]);
	protobuf_end(&otlp->out, packed);
	packed = protobuf_begin(&otlp->out, SAMPLE_VALUES);
	protobuf_varint(&otlp->out, value < INT64_MAX ? value : INT64_MAX);
	protobuf_end(&otlp->out, packed);
	protobuf_end(&otlp->out, mark);
}

static void put_samples(struct otlp *otlp, const struct value *value,
			const struct profile_target *target)
{
	const struct profile *profile = otlp->profile;

	if (value == &growth)
		for (size_t i = 0; i < otlp->n_findings; i++)
			put_sample(otlp, &otlp->samples[profile->n_stacks + i], target,
				   findings_per_minute(findings_at(profile, i, NULL)));
	else
		for (size_t i = 0; i < profile->n_stacks; i++)
			put_sample(otlp, &otlp->samples[i], target,
				   *(const uint64_t *)((const char *)&profile->stacks[i] +
						       value->offset));
}

static void put_profile(struct otlp *otlp, const struct value *value,
			const struct profile_target *target)
{
	struct protobuf *out = &otlp->out;
	const struct timespec *time = &otlp->profile->time;
	uint64_t duration = (uint64_t)fmax(otlp->profile->duration_s * 1e9, 0);
	uint64_t end = (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
	size_t mark = protobuf_begin(out, SCOPE_PROFILES_PROFILES), inner;

	inner = protobuf_begin(out, PROFILE_SAMPLE_TYPE);
	protobuf_uint(out, VALUE_TYPE, frame_tables_text(&otlp->tables, value->type));
	protobuf_uint(out, VALUE_UNIT, frame_tables_text(&otlp->tables, value->unit));
	protobuf_end(out, inner);
	put_samples(otlp, value, target);
	/* the start of what was seen, so that the look lies at its end */
	protobuf_fixed64(out, PROFILE_TIME, end > duration ? end - duration : end);
	protobuf_uint(out, PROFILE_DURATION, duration);
	inner = protobuf_begin(out, PROFILE_ATTRIBUTES);
	protobuf_varint(out, otlp->said_number);
	protobuf_end(out, inner);
	protobuf_end(out, mark);
}

static void put_scope(struct otlp *otlp, const struct profile_target *target)
{
	struct protobuf *out = &otlp->out;
	const struct profile *profile = otlp->profile;
	bool first = findings_are_all(profile);
	bool allocated = !profile->mode.untraced && profile_counts_calls(profile);
	size_t mark = protobuf_begin(out, RESOURCE_PROFILES_SCOPE_PROFILES), scope;

	scope = protobuf_begin(out, SCOPE_PROFILES_SCOPE);
	protobuf_bytes(out, SCOPE_NAME, "pyleaktrace", strlen("pyleaktrace"));
	protobuf_bytes(out, SCOPE_VERSION, PYLEAKTRACE_VERSION, strlen(PYLEAKTRACE_VERSION));
	protobuf_end(out, scope);
	/* readers show the first of them */
	if (first)
		put_profile(otlp, &growth, target);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (allocated || !values[i].allocated)
			put_profile(otlp, &values[i], target);
	if (otlp->n_findings && !first)
		put_profile(otlp, &growth, target);
	protobuf_end(out, mark);
}

/* An attribute of a resource: these have no table. */
static void put_resource_value(struct otlp *otlp, const char *name, const char *text,
			       uint64_t number)
{
	struct protobuf *out = &otlp->out;
	char visible[FRAME_TABLES_TEXT];
	size_t mark, value;

	if (!text && !number)
		return;
	mark = protobuf_begin(out, RESOURCE_ATTRIBUTES);
	protobuf_bytes(out, ATTRIBUTE_KEY, name, strlen(name));
	value = protobuf_begin(out, ATTRIBUTE_VALUE);
	if (text) {
		escape_copy(visible, sizeof(visible), text);
		protobuf_bytes(out, ANY_STRING, visible, strlen(visible));
	} else {
		protobuf_uint(out, ANY_INT, number);
	}
	protobuf_end(out, value);
	protobuf_end(out, mark);
}

static void put_target(struct otlp *otlp, const struct profile_target *target)
{
	size_t mark = protobuf_begin(&otlp->out, DATA_RESOURCE_PROFILES), resource;

	resource = protobuf_begin(&otlp->out, RESOURCE_PROFILES_RESOURCE);
	if (target->pid > 0)
		put_resource_value(otlp, "process.pid", NULL, (uint64_t)target->pid);
	put_resource_value(otlp, "process.executable.path", target->exe, 0);
	put_resource_value(otlp, "process.runtime.name", target->implementation, 0);
	put_resource_value(otlp, "process.runtime.version", target->python, 0);
	protobuf_end(&otlp->out, resource);
	put_scope(otlp, target);
	protobuf_end(&otlp->out, mark);
}

/* ---- tables: in each the first element is the one that stands for none ---------------------- */

static void put_none(struct otlp *otlp, unsigned field)
{
	protobuf_end(&otlp->out, protobuf_begin(&otlp->out, field));
}

static void put_mappings(struct otlp *otlp)
{
	put_none(otlp, TABLE_MAPPINGS);
	for (const struct dictionary_entry *entry = otlp->tables.mappings.first; entry;
	     entry = dictionary_next(entry)) {
		size_t mark = protobuf_begin(&otlp->out, TABLE_MAPPINGS);

		protobuf_uint(&otlp->out, MAPPING_FILENAME, *(const uint32_t *)entry->key);
		protobuf_end(&otlp->out, mark);
	}
}

static void put_location(struct otlp *otlp, const struct dictionary_entry *entry)
{
	static const char *const kinds[] = {[FRAME_PYTHON] = "cpython", [FRAME_NATIVE] = "native"};
	const struct table_location *location = (const void *)entry->key;
	struct protobuf *out = &otlp->out;
	size_t mark = protobuf_begin(out, TABLE_LOCATIONS), inner;

	protobuf_uint(out, LOCATION_MAPPING, location->mapping);
	protobuf_uint(out, LOCATION_ADDRESS, location->address);
	for (size_t i = 0; i < frame_tables_lines(entry); i++) {
		inner = protobuf_begin(out, LOCATION_LINES);
		protobuf_uint(out, LINE_FUNCTION, location->lines[i].function);
		protobuf_uint(out, LINE_LINE, location->lines[i].line);
		protobuf_end(out, inner);
	}
	if (location->kind <= FRAME_NATIVE) {
		const struct label kind = {.attribute = "profile.frame.type",
					   .text = kinds[location->kind]};

		inner = protobuf_begin(out, LOCATION_ATTRIBUTES);
		protobuf_varint(out, attribute_number(otlp, &kind));
		protobuf_end(out, inner);
	}
	protobuf_end(out, mark);
}

static void put_locations(struct otlp *otlp)
{
	put_none(otlp, TABLE_LOCATIONS);
	for (const struct dictionary_entry *entry = otlp->tables.locations.first; entry;
	     entry = dictionary_next(entry))
		put_location(otlp, entry);
}

static void put_functions(struct otlp *otlp)
{
	put_none(otlp, TABLE_FUNCTIONS);
	for (const struct dictionary_entry *entry = otlp->tables.functions.first; entry;
	     entry = dictionary_next(entry)) {
		const struct table_function *function = (const void *)entry->key;
		size_t mark = protobuf_begin(&otlp->out, TABLE_FUNCTIONS);

		protobuf_uint(&otlp->out, FUNCTION_NAME, function->name);
		protobuf_uint(&otlp->out, FUNCTION_FILENAME, function->file);
		protobuf_end(&otlp->out, mark);
	}
}

/* There are no links; the one that stands for none has zeros, as some readers want them. */
static void put_links(struct otlp *otlp)
{
	static const unsigned char zeros[16];
	size_t mark = protobuf_begin(&otlp->out, TABLE_LINKS);

	protobuf_bytes(&otlp->out, LINK_TRACE_ID, zeros, 16);
	protobuf_bytes(&otlp->out, LINK_SPAN_ID, zeros, 8);
	protobuf_end(&otlp->out, mark);
}

static void put_stacks(struct otlp *otlp)
{
	put_none(otlp, TABLE_STACKS);
	for (const struct dictionary_entry *entry = otlp->stacks.first; entry;
	     entry = dictionary_next(entry)) {
		const uint32_t *locations = (const void *)entry->key;
		size_t mark = protobuf_begin(&otlp->out, TABLE_STACKS);
		size_t packed = protobuf_begin(&otlp->out, STACK_LOCATIONS);

		for (size_t i = 0; i < entry->size / sizeof(*locations); i++)
			protobuf_varint(&otlp->out, locations[i]);
		protobuf_end(&otlp->out, packed);
		protobuf_end(&otlp->out, mark);
	}
}

static void put_text(struct otlp *otlp, const struct dictionary_entry *text)
{
	protobuf_bytes(&otlp->out, ANY_STRING, text ? text->key : NULL, text ? text->size : 0);
}

static void put_attribute(struct otlp *otlp, const struct dictionary_entry *entry,
			  const struct dictionary_entry *const *texts)
{
	const struct attribute *attribute = (const void *)entry->key;
	size_t n = (entry->size - ATTRIBUTE_SIZE(0)) / sizeof(attribute->values[0]);
	size_t mark = protobuf_begin(&otlp->out, TABLE_ATTRIBUTES), value, array;

	protobuf_uint(&otlp->out, ATTRIBUTE_KEY, attribute->name);
	value = protobuf_begin(&otlp->out, ATTRIBUTE_VALUE);
	if (attribute->kind == ANY_INT) {
		protobuf_uint(&otlp->out, ANY_INT, attribute->values[0]);
	} else if (attribute->kind == ANY_STRING) {
		put_text(otlp, texts[attribute->values[0]]);
	} else {
		array = protobuf_begin(&otlp->out, ANY_ARRAY);
		for (size_t i = 0; i < n; i++) {
			size_t element = protobuf_begin(&otlp->out, ARRAY_VALUES);

			put_text(otlp, texts[attribute->values[i]]);
			protobuf_end(&otlp->out, element);
		}
		protobuf_end(&otlp->out, array);
	}
	protobuf_end(&otlp->out, value);
	protobuf_end(&otlp->out, mark);
}

static void put_attributes(struct otlp *otlp)
{
	const struct dictionary_entry **texts = dictionary_by_number(&otlp->tables.texts);

	otlp->failed |= !texts;
	put_none(otlp, TABLE_ATTRIBUTES);
	for (const struct dictionary_entry *entry = otlp->attributes.first; entry && texts;
	     entry = dictionary_next(entry))
		put_attribute(otlp, entry, texts);
	free(texts);
}

static void put_texts(struct otlp *otlp)
{
	put_none(otlp, TABLE_STRINGS);
	for (const struct dictionary_entry *entry = otlp->tables.texts.first; entry;
	     entry = dictionary_next(entry))
		protobuf_bytes(&otlp->out, TABLE_STRINGS, entry->key, entry->size);
}

static void put_dictionary(struct otlp *otlp)
{
	size_t mark = protobuf_begin(&otlp->out, DATA_DICTIONARY);

	put_mappings(otlp);
	put_locations(otlp);
	put_functions(otlp);
	put_links(otlp);
	put_stacks(otlp);
	put_attributes(otlp);
	put_texts(otlp);
	protobuf_end(&otlp->out, mark);
}

static bool lacks_memory(const struct otlp *otlp)
{
	return otlp->failed || otlp->out.failed || otlp->stacks.failed || otlp->attributes.failed ||
	       frame_tables_failed(&otlp->tables);
}

static void make(struct otlp *otlp)
{
	const struct profile *profile = otlp->profile;

	while (findings_at(profile, otlp->n_findings, NULL))
		otlp->n_findings++;
	otlp->locations = malloc(frame_tables_room(profile) * sizeof(*otlp->locations));
	otlp->samples = calloc(profile->n_stacks + otlp->n_findings + 1, sizeof(*otlp->samples));
	if (!otlp->locations || !otlp->samples) {
		otlp->failed = true;
		return;
	}
	collect_stacks(otlp);
	collect_findings(otlp);
	collect_said(otlp);
	if (!profile->n_targets)
		put_target(otlp, &profile->target);
	for (size_t i = 0; i < profile->n_targets; i++)
		put_target(otlp, &profile->targets[i]);
	/* a number of none, where memory is out, would be looked up */
	if (!lacks_memory(otlp))
		put_dictionary(otlp);
}

int export_otlp(FILE *out, const struct document *document, struct err *err)
{
	struct otlp otlp = {.profile = document->profile};
	bool failed;

	make(&otlp);
	failed = lacks_memory(&otlp);
	if (!failed)
		fwrite(otlp.out.bytes, 1, otlp.out.size, out);
	protobuf_fini(&otlp.out);
	dictionary_fini(&otlp.stacks);
	dictionary_fini(&otlp.attributes);
	frame_tables_fini(&otlp.tables);
	free(otlp.locations);
	free(otlp.samples);
	free(otlp.said);
	return failed ? err_set(err, ERR_FAILED, "no memory to write %zu stacks as otlp",
				document->profile->n_stacks)
		      : 0;
}
