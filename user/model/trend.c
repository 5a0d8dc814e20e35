/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/trend.h"

#include <stdlib.h>
#include <string.h>

static const struct trend_kind_info kinds[TREND_KINDS] = {
	[TREND_RSS] = {"rss_bytes", "RSS", true},
	[TREND_PSS] = {"pss_bytes", "PSS", true},
	[TREND_ANONYMOUS] = {"anonymous_bytes", "anonymous", true},
	[TREND_PRIVATE] = {"private_bytes", "private", true},
	[TREND_COMMON] = {"common_bytes", "shared since a fork", true},
	[TREND_SWAP] = {"swap_bytes", "swapped out", true},
	[TREND_CGROUP] = {"cgroup_bytes", "cgroup", true},
	[TREND_OBJECTS] = {"objects", "Python objects", false},
	[TREND_PART_OBJECTS] = {"python_objects_bytes", "Python objects and their buffers", true},
	[TREND_PART_PYMALLOC] = {"pymalloc_other_bytes", "other blocks of pymalloc", true},
	[TREND_PART_MALLOC] = {"malloc_other_bytes", "other blocks of malloc (C code)", true},
	[TREND_PART_POOLS_FREE] = {"pymalloc_free_bytes", "free in pymalloc", true},
	[TREND_PART_MALLOC_FREE] = {"malloc_free_bytes", "free in malloc", true},
	[TREND_PART_STACKS] = {"stacks_bytes", "stacks of threads", true},
	[TREND_PART_MAPPINGS] = {"mappings_bytes", "other anonymous mappings", true},
	[TREND_PART_DATA] = {"data_bytes", "data of program and libraries", true},
	[TREND_PART_FILES] = {"files_bytes", "files (code, mapped files)", true},
	[TREND_PART_SHARED] = {"shared_bytes", "shared memory", true},
	[TREND_PART_OTHER] = {"other_bytes", "mappings that are not read", true},
	[TREND_ARENAS] = {"arenas", "pymalloc arenas", false},
	[TREND_FDS] = {"fds", "file descriptors", false},
	[TREND_THREADS] = {"threads", "threads", false},
	[TREND_INTERPRETERS] = {"interpreters", "interpreters", false},
	[TREND_FULL_COLLECTIONS] = {"full_collections", "full collections", false},
	[TREND_SINCE_FULL] = {"since_full_collection",
			      "containers made since the last full collection", false},
};

const struct trend_kind_info *trend_kind_info(enum trend_kind kind)
{
	return &kinds[kind];
}

const char *trend_label(const struct trend *trend, enum trend_kind kind)
{
	static const char *const of_mimalloc[TREND_KINDS] = {
		[TREND_PART_PYMALLOC] = "other blocks of mimalloc",
		[TREND_PART_POOLS_FREE] = "free in mimalloc",
		[TREND_ARENAS] = "mimalloc segments",
	};

	return trend->room.mimalloc && of_mimalloc[kind] ? of_mimalloc[kind] : kinds[kind].label;
}

struct trend *trend_new(void)
{
	struct trend *trend = calloc(1, sizeof(*trend));

	if (trend)
		trend->looks = calloc(TREND_LOOKS_MAX, sizeof(*trend->looks));
	if (trend && trend->looks)
		return trend;
	free(trend);
	return NULL;
}

void trend_threads_free(struct trend_threads *threads)
{
	for (size_t i = 0; i < threads->n_rows; i++) {
		free(threads->rows[i].name);
		free(threads->rows[i].function);
		free(threads->rows[i].file);
		free(threads->rows[i].entry);
		free(threads->rows[i].entry_file);
	}
	free(threads->rows);
	threads->rows = NULL;
	threads->n_rows = 0;
}

void trend_free(struct trend *trend)
{
	if (!trend)
		return;
	trend_threads_free(&trend->threads);
	free(trend->looks);
	free(trend);
}

double trend_span_s(const struct trend *trend)
{
	return trend->n_looks ? trend->looks[trend->n_looks - 1].at_s - trend->looks[0].at_s : 0;
}

const char *trend_finding(const struct trend *trend, const char *name)
{
	for (size_t i = 0; i < trend->n_findings; i++)
		if (!strcmp(trend->findings[i].name, name))
			return trend->findings[i].sentence;
	return NULL;
}

static void copy_threads(struct profile *profile, struct trend_threads *threads)
{
	struct trend_thread *rows =
		profile_alloc(profile, (threads->n_rows + 1) * sizeof(*threads->rows));

	if (threads->n_rows)
		memcpy(rows, threads->rows, threads->n_rows * sizeof(*rows));
	for (size_t i = 0; i < threads->n_rows; i++) {
		char **texts[] = {&rows[i].name, &rows[i].function, &rows[i].file, &rows[i].entry,
				  &rows[i].entry_file};

		/* interned text is const; that of a copy is never written */
		for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++)
			*texts[j] = (char *)profile_str(profile, *texts[j], -1);
	}
	threads->rows = rows;
}

const struct trend *trend_copy(struct profile *profile, const struct trend *trend)
{
	struct trend *copy = profile_alloc(profile, sizeof(*copy));

	*copy = *trend;
	copy->looks = profile_alloc(profile, (trend->n_looks + 1) * sizeof(*copy->looks));
	memcpy(copy->looks, trend->looks, trend->n_looks * sizeof(*copy->looks));
	copy_threads(profile, &copy->threads);
	return copy;
}

bool trend_grows(const struct trend_row *row)
{
	return row->n >= FIT_SHAPE_LEAST && row->shape == FIT_STEADY &&
	       row->confidence >= GROWTH_SURE && row->least_per_s > GROWTH_LEAST_PER_S &&
	       row->last >= row->first + GROWTH_LEAST_BYTES;
}
