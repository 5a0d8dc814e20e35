/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/formats.h"
#include "export/json_parts.h"
#include "model/group.h"

/*
 * One value at a time, so that a profile of many stacks never is in memory a second time.
 * json_dumpf() fails for a stream that fails, too: that is left to whoever owns the stream.
 */
static void dump(FILE *out, const char *before, json_t *value, bool *failed)
{
	fputs(before, out);
	if (!value)
		*failed = true;
	else if (json_dumpf(value, out, JSON_PARTS_FLAGS) && !ferror(out))
		*failed = true;
	json_decref(value);
}

static void put_groups(FILE *out, const struct profile *profile, bool *failed)
{
	const struct grouping *grouping = profile->grouping;

	fprintf(out, ",\n\"group_by\": \"%s\",\n\"groups\": [", group_by_name(grouping->by));
	for (size_t i = 0; i < grouping->n_groups && !*failed; i++)
		dump(out, i ? ",\n" : "\n", json_part_group(profile, i), failed);
	fputs("\n]", out);
}

int export_json(FILE *out, const struct profile *profile, struct err *err)
{
	bool failed = false;

	fputs("{\n\"schema\": \"pyleaktrace/1\",\n", out);
	dump(out, "\"version\": ", json_part_text(PYLEAKTRACE_VERSION), &failed);
	dump(out, ",\n\"time\": ", json_part_time(profile), &failed);
	dump(out, ",\n\"duration_s\": ", json_part_real(profile->duration_s), &failed);
	if (profile->n_targets)
		dump(out, ",\n\"targets\": ", json_part_targets(profile), &failed);
	else
		dump(out, ",\n\"target\": ", json_part_target(&profile->target), &failed);
	dump(out, ",\n\"mode\": ", json_part_mode(profile), &failed);
	dump(out, ",\n\"totals\": ", json_part_totals(profile), &failed);
	if (profile->selection.n_modules)
		dump(out, ",\n\"selection\": ", json_part_selection(profile), &failed);
	if (profile->grouping)
		put_groups(out, profile, &failed);
	fputs(",\n\"stacks\": [", out);
	for (size_t i = 0; i < profile->n_stacks && !failed; i++)
		dump(out, i ? ",\n" : "\n", json_part_stack(profile, i), &failed);
	fputs("\n]", out);
	if (profile->have_cost)
		dump(out, ",\n\"cost\": ", json_part_cost(profile), &failed);
	dump(out, ",\n\"losses\": ", json_part_losses(profile), &failed);
	fputs("\n}\n", out);
	if (failed)
		return err_set(err, ERR_FAILED, "no memory to write %zu stacks as JSON",
			       profile->n_stacks);
	return 0;
}
