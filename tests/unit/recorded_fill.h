/* SPDX-License-Identifier: BSD-2-Clause
 *
 * recorded_fill: a profile with something in each field that a recording has.
 */
#ifndef PYLEAKTRACE_UNIT_RECORDED_FILL_H
#define PYLEAKTRACE_UNIT_RECORDED_FILL_H

#include "unit/recorded.h"

/* Fill a struct with values that are different, in all of its fields. */
struct filling {
	struct profile *profile;
	uint64_t next;
};

static inline void fill(struct filling *filling, const struct shape *shape, void *to);

static inline void fill_one(struct filling *filling, const struct field *field, void *to)
{
	uint64_t value = ++filling->next;
	size_t n = 0;

	switch (field->kind) {
	case FIELD_BOOL:
		*(bool *)to = true;
		break;
	case FIELD_CHAR:
		*(char *)to = 'R';
		break;
	case FIELD_I32:
	case FIELD_U32:
		*(uint32_t *)to = (uint32_t)value;
		break;
	case FIELD_I64:
	case FIELD_U64:
	case FIELD_SIZE:
		*(uint64_t *)to = value;
		break;
	case FIELD_REAL:
		*(double *)to = (double)value + 0.1;
		break;
	case FIELD_SCALED:
		*(double *)to = (double)value / field->scale;
		break;
	case FIELD_TEXT:
	case FIELD_STRING:
		*(const char **)to =
			profile_format(filling->profile, "text%llu", (unsigned long long)value);
		break;
	case FIELD_CHARS:
		snprintf(to, field->size, "%llu", (unsigned long long)value);
		break;
	case FIELD_NAME:
		while (field->names[n + 1])
			n++;
		*(unsigned *)to = (unsigned)n;
		break;
	case FIELD_SET:
		for (; field->names[n]; n++)
			((bool *)to)[n] = n % 2 == 0;
		break;
	case FIELD_STRUCT:
	case FIELD_PLACED:
		fill(filling, field->of, to);
		break;
	case FIELD_POINTER:
		*(void **)to = profile_alloc(filling->profile, field->of->size);
		fill(filling, field->of, *(void **)to);
		break;
	default:
		break;
	}
}

static inline void fill_member(struct filling *filling, const struct field *field, char *to)
{
	size_t n = field->behind ? 2 : field->times ? field->times : 1;
	char *at = to + field->offset;

	if (field->kind == FIELD_FRAME) {
		const struct stack *stack = *(const struct stack **)(void *)(to + field->count_at);

		*(const struct frame **)(void *)at = &stack->frames[1];
		return;
	}
	if (field->kind == FIELD_FEW) {
		uint32_t *have = (uint32_t *)(void *)(to + field->count_at);

		for (size_t i = 0; field->names[i]; i++) {
			if (i % 2)
				continue;
			((uint64_t *)(void *)at)[i] = ++filling->next;
			*have |= 1u << i;
		}
		return;
	}
	if (field->counted)
		*(size_t *)(void *)(to + field->count_at) = n;
	if (field->behind)
		at = *(void **)(void *)at = profile_alloc(filling->profile, n * field->size);
	for (size_t i = 0; i < n; i++) {
		fill_one(filling, field, at + i * field->size);
		if (field->kind == FIELD_PLACED)
			*(unsigned *)(void *)(at + i * field->size) = (unsigned)i;
	}
}

static inline void fill(struct filling *filling, const struct shape *shape, void *to)
{
	for (const struct field *field = shape->fields; field->name; field++)
		fill_member(filling, field, to);
}

static inline struct profile *filled(void)
{
	struct filling filling = {.profile = profile_new()};

	assert_non_null(filling.profile);
	fill(&filling, &shape_profile, filling.profile);
	return filling.profile;
}

#endif
