/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/trace_parts.h"

#include "base/clock.h"

static enum trace_how how_of(const struct governor_part *part)
{
	switch (part->mode) {
	case PART_ALL:
		return TRACE_ALL;
	case PART_SAMPLED:
		return TRACE_SAMPLED;
	case PART_WINDOWS:
		return TRACE_WINDOWS;
	case PART_ABSENT:
		break;
	}
	return TRACE_NONE;
}

/* How each part was traced. */
void trace_parts_fill(struct profile *profile, const struct governor_state *state)
{
	struct trace_part *parts = profile_alloc(profile, ABI_PARTS * sizeof(*parts));
	uint64_t now = clock_now_ns();
	size_t n = 0;

	for (unsigned i = 0; i < ABI_PARTS; i++) {
		const struct governor_part *from = &state->parts[i];
		struct trace_part *part = &parts[n];

		if (!from->domains)
			continue;
		for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
			part->domains[domain] = from->domains >> domain & 1;
		part->how = how_of(from);
		if (part->how == TRACE_ALL || part->how == TRACE_SAMPLED)
			part->since_s = (double)(now - from->since_ns) / 1e9;
		part->windows = from->windows.n;
		part->windows_s = from->windows.recorded_ns / 1e9;
		part->longest_s = from->windows.longest_ns / 1e9;
		part->survivors = from->windows.kept;
		part->long_enough = from->long_enough || from->windows.n >= GOVERNOR_PROVEN;
		if (part->how == TRACE_SAMPLED)
			part->sample_bytes = 1ull << from->shift;
		part->demand = from->demand;
		part->idle = !from->wanted && part->how == TRACE_WINDOWS;
		if (from->trouble[0])
			part->trouble = profile_str(profile, from->trouble, -1);
		profile->mode.exact &= part->how == TRACE_ALL;
		n++;
	}
	profile->mode.parts = parts;
	profile->mode.n_parts = n;
}

/* --sample: everything, all the time, by samples. */
void trace_parts_sampled(struct profile *profile, unsigned domains, unsigned shift)
{
	struct trace_part *part = profile_alloc(profile, sizeof(*part));

	for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
		part->domains[domain] = domains >> domain & 1;
	part->how = TRACE_SAMPLED;
	part->sample_bytes = 1ull << shift;
	part->since_s = profile->duration_s;
	profile->mode.parts = part;
	profile->mode.n_parts = 1;
	profile->mode.exact = false;
}

/* Domains whose blocks are all in the maps. */
unsigned trace_parts_mapped(const struct governor_state *state)
{
	unsigned domains = 0;

	for (unsigned i = 0; i < ABI_PARTS; i++)
		if (state->parts[i].mode == PART_ALL || state->parts[i].mode == PART_SAMPLED)
			domains |= state->parts[i].domains;
	return domains;
}

unsigned trace_parts_thinned(const struct governor_state *state)
{
	unsigned domains = 0;

	for (unsigned i = 0; i < ABI_PARTS; i++)
		if (state->parts[i].mode == PART_SAMPLED)
			domains |= state->parts[i].domains & ~(1u << ABI_MMAP);
	return domains;
}
