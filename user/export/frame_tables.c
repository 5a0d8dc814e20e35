/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/frame_tables.h"

#include <string.h>

#include "base/escape.h"

const struct frame frame_tables_no_frames = {.kind = FRAME_GAP, .function = "no frames"};

/* Most names are nothing but printable ASCII, and need no copy. */
static bool is_plain(const char *text)
{
	size_t n = 0;

	while (text[n] >= 0x20 && text[n] < 0x7f)
		n++;
	return !text[n] && n < FRAME_TABLES_TEXT;
}

uint32_t frame_tables_text(struct frame_tables *tables, const char *text)
{
	char visible[FRAME_TABLES_TEXT];

	if (!text || !*text)
		return 0;
	if (!is_plain(text))
		text = escape_copy(visible, sizeof(visible), text);
	return dictionary_number(&tables->texts, text, strlen(text));
}

/* A name alone: the place has fields of its own. Without one it is where the function begins. */
static const char *name_of(const struct frame *frame, char text[FRAME_TEXT_MAX])
{
	bool of_code = frame->kind == FRAME_PYTHON || frame->kind == FRAME_NATIVE;
	struct frame nameless = *frame;

	if (of_code && frame->function && *frame->function)
		return frame->function;
	if (frame->start)
		nameless.offset = frame->start;
	return frame_text(&nameless, text, FRAME_TEXT_MAX);
}

uint32_t frame_tables_function(struct frame_tables *tables, const struct frame *frame)
{
	char text[FRAME_TEXT_MAX];
	const struct table_function function = {
		.name = frame_tables_text(tables, name_of(frame, text)),
		.file = frame_tables_text(tables, frame->file),
	};

	return dictionary_number(&tables->functions, &function, sizeof(function));
}

uint32_t frame_tables_mapping(struct frame_tables *tables, const char *path)
{
	uint32_t file = frame_tables_text(tables, path);

	return file ? dictionary_number(&tables->mappings, &file, sizeof(file)) : 0;
}

static uint32_t mapping_of(struct frame_tables *tables, const struct frame *frame)
{
	if (frame->kind != FRAME_NATIVE)
		return 0;
	return frame_tables_mapping(tables, frame->path ? frame->path : frame->module);
}

size_t frame_tables_stack(struct frame_tables *tables, const struct stack *stack,
			  uint32_t *locations)
{
	const struct frame *frames = stack->n_frames ? stack->frames : &frame_tables_no_frames;
	size_t n_frames = stack->n_frames ? stack->n_frames : 1, n = 0, n_lines = 0;
	struct table_location location;

	for (size_t i = n_frames; i-- > 0;) {
		const struct frame *frame = &frames[i];
		bool into_next = frame->inlined && i > 0 && frames[i - 1].kind == FRAME_NATIVE;

		location.lines[n_lines++] = (struct table_line){
			.function = frame_tables_function(tables, frame), .line = frame->line};
		if (into_next && n_lines < FRAME_TABLES_LINES)
			continue;
		location.address = frame->address;
		location.mapping = mapping_of(tables, frame);
		location.kind = (uint32_t)frame->kind;
		locations[n++] = dictionary_number(&tables->locations, &location,
						   offsetof(struct table_location, lines) +
							   n_lines * sizeof(location.lines[0]));
		n_lines = 0;
	}
	return n;
}

size_t frame_tables_finding(struct frame_tables *tables, const struct finding *finding,
			    uint32_t *locations)
{
	char title[FINDINGS_TITLE_MAX];
	const struct frame frame = {.kind = FRAME_GROUP,
				    .function = findings_title(finding, title)};
	const struct stack root = {.frames = &frame, .n_frames = 1};
	size_t n = finding->stack ? frame_tables_stack(tables, finding->stack, locations) : 0;

	return n + frame_tables_stack(tables, &root, locations + n);
}

size_t frame_tables_room(const struct profile *profile)
{
	const struct finding *finding;
	size_t most = 0;

	for (size_t i = 0; i < profile->n_stacks; i++)
		if (profile->stacks[i].n_frames > most)
			most = profile->stacks[i].n_frames;
	for (size_t i = 0; (finding = findings_at(profile, i, NULL)); i++)
		if (finding->stack && finding->stack->n_frames > most)
			most = finding->stack->n_frames;
	return most + 2;
}

size_t frame_tables_lines(const struct dictionary_entry *location)
{
	return (location->size - offsetof(struct table_location, lines)) /
	       sizeof(struct table_line);
}

bool frame_tables_failed(const struct frame_tables *tables)
{
	return tables->texts.failed || tables->functions.failed || tables->mappings.failed ||
	       tables->locations.failed;
}

void frame_tables_fini(struct frame_tables *tables)
{
	dictionary_fini(&tables->texts);
	dictionary_fini(&tables->functions);
	dictionary_fini(&tables->mappings);
	dictionary_fini(&tables->locations);
}
