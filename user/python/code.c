/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python/str.h"
#include "target/remote_mem.h"

#define CODE_SIZE_MAX 512
#define LINES_MAX     (1u << 20)
#define LINES_HEAD    512 /* first read of a line table's object: most end within */

/* ---- reading -------------------------------------------------------------------------------- */

static uint64_t field(const uint8_t *object, int32_t offset, size_t width)
{
	uint64_t value = 0;

	/* offsets out of the object give 0, which no check below lets through */
	if (offset >= 0 && (size_t)offset + width <= CODE_SIZE_MAX)
		memcpy(&value, object + offset, width);
	return value;
}

/* The numbers of the code object itself. */
static int take_numbers(struct py_code *code, const struct py_runtime *runtime,
			const uint8_t *object)
{
	const struct py_layout *layout = &runtime->layout;

	if (field(object, layout->object.ob_type, 8) != runtime->code_type)
		return -EINVAL;
	code->first_line = (int32_t)field(object, layout->code.firstlineno, 4);
	code->first_traceable = (int32_t)field(object, layout->code.firsttraceable, 4);
	code->filename_addr = field(object, layout->code.filename, 8);
	code->name_addr = field(object, layout->code.name, 8);
	code->line_table = layout->line_table;
	if (code->first_line < 0 || code->first_traceable < 0 || !code->filename_addr ||
	    !code->name_addr)
		return -EINVAL;
	return 0;
}

static char *text_copy(pid_t pid, const struct py_layout *layout, const struct remote_item *head,
		       int *result)
{
	char text[PY_CODE_NAME_MAX + 1];
	long length = head->result;

	if (!length)
		length = py_str_finish(pid, layout, head->address, head->buffer, head->length, text,
				       sizeof(text));
	if (length < 0) {
		*result = (int)length;
		return NULL;
	}
	return strndup(text, (size_t)length);
}

/* A bytes object; what is over the bound is cut: lines of the code before that are still right. */
static int take_lines(struct py_code *code, pid_t pid, const struct py_layout *layout,
		      const struct remote_item *head)
{
	const uint8_t *bytes = head->buffer;
	size_t start = (size_t)layout->object.bytes_data;
	size_t have = head->length - start;
	int64_t length;
	int result = 0;

	if (head->result)
		return head->result;
	memcpy(&length, bytes + layout->object.var_size, sizeof(length));
	if (length < 0)
		return -EINVAL;
	code->n_lines = length < LINES_MAX ? (size_t)length : LINES_MAX;
	code->lines = malloc(code->n_lines + 1);
	if (!code->lines)
		return -ENOMEM;
	have = have < code->n_lines ? have : code->n_lines;
	memcpy(code->lines, bytes + start, have);
	if (have < code->n_lines)
		result = remote_read(pid, head->address + start + have, code->lines + have,
				     code->n_lines - have);
	return result;
}

/* bytes of a bytes object's first read: its head, and what of its page follows */
static size_t lines_head_length(const struct py_layout *layout, uint64_t address)
{
	size_t length = 4096 - (address & 4095);
	size_t least = (size_t)layout->object.bytes_data;

	length = length < LINES_HEAD ? length : LINES_HEAD;
	return length < least ? least : length;
}

int py_code_read(struct py_code *code, pid_t pid, const struct py_runtime *runtime,
		 uint64_t address)
{
	const struct py_layout *layout = &runtime->layout;
	uint8_t object[CODE_SIZE_MAX] = {0}, name[PY_STR_HEAD_MAX], filename[PY_STR_HEAD_MAX],
		lines[LINES_HEAD];
	uint64_t name_addr, lines_addr;
	int result;

	memset(code, 0, sizeof(*code));
	if ((size_t)layout->code.size > sizeof(object) ||
	    (size_t)layout->str.ascii_data > PY_STR_HEAD_MAX ||
	    (size_t)layout->object.bytes_data > LINES_HEAD ||
	    (size_t)layout->object.var_size + 8 > (size_t)layout->object.bytes_data)
		return -EINVAL;
	result = remote_read(pid, address, object, (size_t)layout->code.size);
	if (!result)
		result = take_numbers(code, runtime, object);
	if (result)
		return result;
	name_addr = layout->code.qualname == LAYOUT_NONE ? code->name_addr
							 : field(object, layout->code.qualname, 8);
	lines_addr = field(object, layout->code.line_table, 8);

	struct remote_item items[] = {
		{name_addr, name, py_str_head_length(layout, name_addr), 0},
		{code->filename_addr, filename, py_str_head_length(layout, code->filename_addr), 0},
		{lines_addr, lines, lines_head_length(layout, lines_addr), 0},
	};

	remote_read_many(pid, items, sizeof(items) / sizeof(items[0]));
	code->name = text_copy(pid, layout, &items[0], &result);
	code->filename = text_copy(pid, layout, &items[1], &result);
	if (!result)
		result = take_lines(code, pid, layout, &items[2]);
	if (!result && !(code->name && code->filename))
		result = -ENOMEM;
	if (result)
		py_code_fini(code);
	return result;
}

void py_code_fini(struct py_code *code)
{
	free(code->name);
	free(code->filename);
	free(code->lines);
	memset(code, 0, sizeof(*code));
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* a line as it is shown: sums over a hostile table go anywhere */
static uint32_t shown(int64_t line)
{
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

/* pairs (bytes of code, lines): a step of the line takes effect behind its step of the code */
static uint32_t line_lnotab(const struct py_code *code, uint64_t at)
{
	int64_t line = code->first_line;
	uint64_t start = 0;

	for (size_t i = 0; i + 1 < code->n_lines; i += 2) {
		start += code->lines[i];
		if (start > at)
			break;
		line += (int8_t)code->lines[i + 1];
	}
	return shown(line);
}

/* pairs (bytes of code, lines): the line is that of these bytes; -128: they have none */
static uint32_t line_pep626(const struct py_code *code, uint64_t at)
{
	int64_t line = code->first_line;
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < code->n_lines; i += 2) {
		int8_t step = (int8_t)code->lines[i + 1];

		end += code->lines[i];
		if (step != -128)
			line += step;
		if (at < end)
			return step == -128 ? 0 : shown(line);
	}
	return 0;
}

/*
 * A number of the location table: six bits a byte, lowest first, bit 6: more follow.
 *
 * in,out at: index of the next byte
 * return false when the table ends within, or the number has more than 32 bits
 */
static bool take_varint(const struct py_code *code, size_t *at, uint32_t *value)
{
	uint64_t sum = 0;
	uint8_t byte;

	for (unsigned shift = 0; shift <= 30; shift += 6) {
		if (*at >= code->n_lines)
			return false;
		byte = code->lines[(*at)++];
		sum |= (uint64_t)(byte & 0x3f) << shift;
		if (!(byte & 0x40)) {
			*value = (uint32_t)sum;
			return sum <= UINT32_MAX;
		}
	}
	return false;
}

static bool take_line_step(const struct py_code *code, size_t *at, int64_t *line)
{
	uint32_t value;

	if (!take_varint(code, at, &value))
		return false;
	*line += value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
	return true;
}

/* Entries: bit 7, kind in bits 3-6, code units less one in bits 0-2; then what the kind says. */
static uint32_t line_location(const struct py_code *code, uint64_t unit)
{
	int64_t line = code->first_line;
	uint64_t end = 0;
	size_t at = 0;

	while (at < code->n_lines) {
		uint8_t head = code->lines[at++];
		unsigned kind = head >> 3 & 15;
		uint32_t ignored;

		if (!(head & 0x80))
			return 0; /* out of step: nothing behind this can be trusted */
		end += (head & 7u) + 1;
		if (kind == 13 || kind == 14) {
			if (!take_line_step(code, &at, &line))
				return 0;
			/* end line, column, end column */
			for (int i = 0; kind == 14 && i < 3; i++) {
				if (!take_varint(code, &at, &ignored))
					return 0;
			}
		} else if (kind >= 10 && kind <= 12) {
			line += kind - 10;
			at += 2;
		} else if (kind < 10) {
			at += 1;
		}
		if (at > code->n_lines)
			return 0;
		if (unit < end)
			return kind == 15 ? 0 : shown(line);
	}
	return 0;
}

uint32_t py_code_line(const struct py_code *code, uint32_t position)
{
	switch (code->line_table) {
	case LINES_LNOTAB:
		return line_lnotab(code, (uint64_t)position * 2);
	case LINES_PEP626:
		return line_pep626(code, (uint64_t)position * 2);
	case LINES_LOCATION:
		return line_location(code, position);
	}
	return 0;
}
