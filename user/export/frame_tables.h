/* SPDX-License-Identifier: BSD-2-Clause
 *
 * frame_tables: frames -> the tables that pprof and OTLP share: texts, functions, mappings,
 * locations, each different one once, by numbers from 1. 0 is none.
 *
 * Place      layer 5, private to export; used by pprof, otlp and speedscope.
 * Shapes     a location is one place in the program. Functions that a compiler inlined belong to
 *            the location of their caller, as further lines before it. A mapping is an ELF file;
 *            Python frames have none. A function without a name goes by where it begins:
 *            "libfoo.so+0x4f0".
 * Safe       texts are as for terminals (base/escape.h): valid UTF-8, and what cannot be shown is a
 *            visible escape, since `go tool pprof` prints names as they are.
 * Ownership  zeroed is empty; frame_tables_fini() frees.
 * Errors     frame_tables_failed(): memory is out.
 * Bounds     texts are cut at FRAME_TABLES_TEXT bytes, and a location has FRAME_TABLES_LINES lines:
 *            what is inlined deeper is a location of its own. Memory is proportional to the
 *            different frames.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_EXPORT_FRAME_TABLES_H
#define PYLEAKTRACE_EXPORT_FRAME_TABLES_H

#include "export/dictionary.h"
#include "export/findings.h"
#include "model/profile.h"

#define FRAME_TABLES_TEXT  FRAME_TEXT_MAX
#define FRAME_TABLES_LINES 32

/* The keys of the dictionaries; that of texts is the bytes, that of mappings the text's number. */
struct table_function {
	uint32_t name, file; /* texts */
};

struct table_line {
	uint32_t function, line; /* 0: not known */
};

struct table_location {
	uint64_t address; /* link-time address in the mapping; 0: not known */
	uint32_t mapping;
	uint32_t kind; /* enum frame_kind */
	struct table_line lines[FRAME_TABLES_LINES];
};

struct frame_tables {
	struct dictionary texts, functions, mappings, locations;
};

/* The number of a text; 0 for NULL and the empty one. */
uint32_t frame_tables_text(struct frame_tables *tables, const char *text);

/* The number of the function of a frame. */
uint32_t frame_tables_function(struct frame_tables *tables, const struct frame *frame);

/* The number of the mapping of a file; 0 for NULL. */
uint32_t frame_tables_mapping(struct frame_tables *tables, const char *path);

/*
 * The locations of a stack. One without frames has a location that says so.
 *
 * out    locations: leaf first; has room for n_frames, and for 1
 * return how many there are
 */
size_t frame_tables_stack(struct frame_tables *tables, const struct stack *stack,
			  uint32_t *locations);

/* The same of a finding: its title is the root of its stack, or stands alone. Room for 2 more. */
size_t frame_tables_finding(struct frame_tables *tables, const struct finding *finding,
			    uint32_t *locations);

/* The room that any stack of the profile, or of its findings, needs. */
size_t frame_tables_room(const struct profile *profile);

/* The frame that stands for those of a stack without frames. */
extern const struct frame frame_tables_no_frames;

/* The number of lines of an entry of tables.locations. */
size_t frame_tables_lines(const struct dictionary_entry *location);

bool frame_tables_failed(const struct frame_tables *tables);
void frame_tables_fini(struct frame_tables *tables);

#endif
