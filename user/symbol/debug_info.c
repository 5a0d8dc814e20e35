/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/debug_info.h"

#include <stdlib.h>
#include <string.h>

#include <dwarf.h>
#include <elfutils/libdw.h>

#include "base/clock.h"
#include "symbol/debug_image.h"

#define UNITS_MAX     (1u << 20)
#define SCOPES_MAX    32   /* namespaces and types within each other */
#define LOOKS         4096 /* steps between two looks at the clock */
#define RANGES_OF_DIE 65536
#define OVERLAP_MAX   1024

/* [start, end) belongs to `what`: the number of a unit, or the offset of a function's DIE. */
struct range {
	uint64_t start, end;
	uint64_t reach; /* the highest end of this one and all before it */
	uint64_t what;
};

struct ranges {
	struct range *all; /* by start */
	size_t n, capacity;
};

struct unit {
	Dwarf_Off die;
	struct ranges functions;
	bool read; /* functions were looked for */
};

struct debug_info {
	struct debug_image image, alternate_image;
	Dwarf *dwarf, *alternate;
	struct unit *units;
	size_t n_units, capacity;
	struct ranges ranges; /* of the units */
	size_t n_functions;
	uint64_t spent_ns;
	unsigned steps;
	uint64_t began_ns;
};

/* ---- time ----------------------------------------------------------------------------------- */

/* Called between steps: is there time left? */
static bool go_on(struct debug_info *info)
{
	if (info->steps++ % LOOKS == 0 &&
	    info->spent_ns + (clock_cpu_ns() - info->began_ns) > DEBUG_INFO_NS)
		info->spent_ns = DEBUG_INFO_NS + 1;
	return info->spent_ns <= DEBUG_INFO_NS;
}

static void start_clock(struct debug_info *info)
{
	info->began_ns = clock_cpu_ns();
}

static void stop_clock(struct debug_info *info)
{
	info->spent_ns += clock_cpu_ns() - info->began_ns;
}

/* ---- ranges --------------------------------------------------------------------------------- */

static bool add_range(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t what)
{
	if (ranges->n == ranges->capacity) {
		size_t capacity = ranges->capacity ? 2 * ranges->capacity : 64;
		struct range *larger;

		if (capacity > DEBUG_INFO_RANGES)
			return false;
		larger = realloc(ranges->all, capacity * sizeof(*larger));
		if (!larger)
			return false;
		ranges->all = larger;
		ranges->capacity = capacity;
	}
	ranges->all[ranges->n++] = (struct range){.start = start, .end = end, .what = what};
	return true;
}

/* The ranges of one DIE. */
static bool add_ranges_of(struct debug_info *info, struct ranges *ranges, Dwarf_Die *die,
			  uint64_t what)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;

	for (int i = 0; i < RANGES_OF_DIE && go_on(info); i++) {
		offset = dwarf_ranges(die, offset, &base, &start, &end);
		if (offset <= 0)
			return true;
		if (start < end && !add_range(ranges, start, end, what))
			return false;
	}
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1; /* the narrower one last: it is found first */
	return (x->what > y->what) - (x->what < y->what);
}

static void sort_ranges(struct ranges *ranges)
{
	uint64_t reach = 0;

	if (ranges->n)
		qsort(ranges->all, ranges->n, sizeof(*ranges->all), compare_ranges);
	for (size_t i = 0; i < ranges->n; i++) {
		if (ranges->all[i].end > reach)
			reach = ranges->all[i].end;
		ranges->all[i].reach = reach;
	}
}

/* The range that holds the address and begins last, of those before number *n; *n moves there. */
static const struct range *find_before(const struct ranges *ranges, uint64_t vaddr, size_t *n)
{
	for (int i = 0; i<OVERLAP_MAX && * n> 0; i++) {
		const struct range *range = &ranges->all[--*n];

		if (range->reach <= vaddr)
			return NULL;
		if (range->end > vaddr)
			return range;
	}
	return NULL;
}

static size_t count_up_to(const struct ranges *ranges, uint64_t vaddr)
{
	size_t low = 0, high = ranges->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->all[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- units ---------------------------------------------------------------------------------- */

static bool add_unit(struct debug_info *info, Dwarf_Die *die)
{
	if (info->n_units == info->capacity) {
		size_t capacity = info->capacity ? 2 * info->capacity : 64;
		struct unit *larger;

		if (capacity > UNITS_MAX)
			return false;
		larger = realloc(info->units, capacity * sizeof(*larger));
		if (!larger)
			return false;
		info->units = larger;
		info->capacity = capacity;
	}
	info->units[info->n_units] = (struct unit){.die = dwarf_dieoffset(die)};
	return add_ranges_of(info, &info->ranges, die, info->n_units++);
}

static void read_units(struct debug_info *info)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Half version;
	uint8_t type;
	Dwarf_Die die;

	start_clock(info);
	while (go_on(info) &&
	       dwarf_get_units(info->dwarf, unit, &unit, &version, &type, &die, NULL) == 0)
		if ((type == DW_UT_compile || type == DW_UT_skeleton) && die.addr &&
		    !add_unit(info, &die))
			break;
	sort_ranges(&info->ranges);
	stop_clock(info);
}

struct debug_info *debug_info_new(const struct debug_source *source,
				  const struct debug_source *alternate)
{
	struct debug_info *info = calloc(1, sizeof(*info));

	if (!info)
		return NULL;
	/* the images have no .gnu_debugaltlink: libdw would open what it names, even a FIFO */
	if (debug_image_load(&info->image, source->elf, source->fd))
		info->dwarf = dwarf_begin_elf(info->image.elf, DWARF_C_READ, NULL);
	if (alternate && debug_image_load(&info->alternate_image, alternate->elf, alternate->fd))
		info->alternate = dwarf_begin_elf(info->alternate_image.elf, DWARF_C_READ, NULL);
	if (!info->dwarf || (alternate && !info->alternate)) {
		debug_info_free(info);
		return NULL;
	}
	if (info->alternate)
		dwarf_setalt(info->dwarf, info->alternate);
	read_units(info);
	return info;
}

void debug_info_free(struct debug_info *info)
{
	if (!info)
		return;
	for (size_t i = 0; i < info->n_units; i++)
		free(info->units[i].functions.all);
	free(info->units);
	free(info->ranges.all);
	dwarf_end(info->dwarf);
	dwarf_end(info->alternate);
	debug_image_free(&info->image);
	debug_image_free(&info->alternate_image);
	free(info);
}

/* ---- functions ------------------------------------------------------------------------------ */

/* Can there be functions inside? */
static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_enumeration_type || tag == DW_TAG_interface_type ||
	       tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block;
}

/* All functions with code in a unit, also those in namespaces, types and other functions. */
static void read_functions(struct debug_info *info, struct unit *unit, Dwarf_Die *unit_die)
{
	Dwarf_Die path[SCOPES_MAX];
	int depth = 0;

	unit->read = true;
	if (dwarf_child(unit_die, &path[0]) != 0)
		return;
	while (go_on(info)) {
		Dwarf_Die *die = &path[depth];
		int tag = dwarf_tag(die);

		if (tag == DW_TAG_subprogram &&
		    (info->n_functions + unit->functions.n > DEBUG_INFO_RANGES ||
		     !add_ranges_of(info, &unit->functions, die, dwarf_dieoffset(die))))
			break;
		if (is_scope(tag) && depth + 1 < SCOPES_MAX &&
		    dwarf_child(die, &path[depth + 1]) == 0) {
			depth++;
			continue;
		}
		while (dwarf_siblingof(&path[depth], &path[depth]) != 0)
			if (depth-- == 0)
				goto out;
	}
out:
	info->n_functions += unit->functions.n;
	sort_ranges(&unit->functions);
}

/* The part of a function that holds the address. */
static const struct range *find_function(struct debug_info *info, struct unit *unit,
					 Dwarf_Die *unit_die, uint64_t vaddr)
{
	size_t n;

	if (!unit->read)
		read_functions(info, unit, unit_die);
	n = count_up_to(&unit->functions, vaddr);
	return find_before(&unit->functions, vaddr, &n);
}

/* ---- names and lines ------------------------------------------------------------------------ */

static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	return name ? name : dwarf_diename(die);
}

static void set_line(struct source_frame *frame, Dwarf_Die *unit_die, uint64_t vaddr)
{
	Dwarf_Line *row = dwarf_getsrc_die(unit_die, vaddr);
	int line;

	if (!row)
		return;
	frame->file = dwarf_linesrc(row, NULL, NULL);
	if (frame->file && dwarf_lineno(row, &line) == 0 && line > 0)
		frame->line = (uint32_t)line;
}

static void set_call(struct source_frame *frame, Dwarf_Die *unit_die, Dwarf_Die *inlined)
{
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	size_t n_files;
	Dwarf_Word file, line;

	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0 ||
	    dwarf_getsrcfiles(unit_die, &files, &n_files) != 0 || file >= n_files)
		return;
	frame->file = dwarf_filesrc(files, (size_t)file, NULL, NULL);
	if (frame->file &&
	    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) == 0 &&
	    line <= UINT32_MAX)
		frame->line = (uint32_t)line;
}

/* ---- looking up ----------------------------------------------------------------------------- */

/* The child that holds the address, or false. */
static bool step_inside(struct debug_info *info, Dwarf_Die *die, uint64_t vaddr)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child) != 0)
		return false;
	while (go_on(info)) {
		int tag = dwarf_tag(&child);

		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
		     tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
		    dwarf_haspc(&child, vaddr) > 0) {
			*die = child;
			return true;
		}
		if (dwarf_siblingof(&child, &child) != 0)
			return false;
	}
	return false;
}

/*
 * What is inlined in this function at the address.
 *
 * out    path: path[0] is the function, the others are inlined, each in the one before
 * return their number
 */
static size_t find_inlined(struct debug_info *info, const Dwarf_Die *function, uint64_t vaddr,
			   Dwarf_Die *path)
{
	Dwarf_Die die = *function;
	size_t n = 1;

	path[0] = *function;
	for (int depth = 0; depth < DEBUG_INFO_DEPTH && step_inside(info, &die, vaddr); depth++)
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			path[n++] = die;
	return n;
}

static size_t find_in_unit(struct debug_info *info, struct unit *unit, Dwarf_Die *unit_die,
			   uint64_t vaddr, struct source_frame *out, size_t room)
{
	Dwarf_Die path[DEBUG_INFO_DEPTH + 1], function;
	const struct range *range = find_function(info, unit, unit_die, vaddr);
	struct source_frame frame = {0};
	Dwarf_Addr entry;
	size_t n = 0, n_out = 0;

	if (!range && unit->functions.n)
		return 0; /* padding, or assembly between functions: the lines here are those of
			     what is before */
	if (!range || !dwarf_offdie(info->dwarf, range->what, &function)) {
		set_line(&out[0], unit_die, vaddr);
		return out[0].file != NULL;
	}
	n = find_inlined(info, &function, vaddr, path);
	set_line(&frame, unit_die, vaddr);
	while (n-- > 0) {
		frame.function = name_of(&path[n]);
		frame.inlined = n > 0;
		if (n_out < room - 1 || n == 0)
			out[n_out++] = frame;
		frame = (struct source_frame){0};
		if (n > 0)
			set_call(&frame, unit_die, &path[n]);
	}
	out[n_out - 1].start = range->start;
	out[n_out - 1].entry = dwarf_entrypc(&function, &entry) == 0 && entry == range->start;
	return n_out;
}

size_t debug_info_find(struct debug_info *info, uint64_t vaddr, struct source_frame *out,
		       size_t room)
{
	size_t before = count_up_to(&info->ranges, vaddr), n = 0;
	const struct range *range;

	start_clock(info);
	memset(out, 0, room * sizeof(*out));
	/* of several units that claim the address, the first that has a function there */
	while (n == 0 && go_on(info) && (range = find_before(&info->ranges, vaddr, &before))) {
		struct unit *unit = &info->units[range->what];
		Dwarf_Die die;

		if (dwarf_offdie(info->dwarf, unit->die, &die))
			n = find_in_unit(info, unit, &die, vaddr, out, room);
	}
	stop_clock(info);
	return n;
}
