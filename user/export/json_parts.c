/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/json_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "model/group.h"

/* ---- values --------------------------------------------------------------------------------- */

json_t *json_part_text(const char *text)
{
	json_t *value = json_string(text); /* NULL as well for what is not UTF-8 */
	size_t size;
	char *valid;

	if (value)
		return value;
	size = 3 * strlen(text) + 1;
	valid = malloc(size);
	if (valid)
		value = json_string(escape_utf8(valid, size, text));
	free(valid);
	return value;
}

json_t *json_part_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *json_part_real(double value)
{
	return json_real(isfinite(value) ? value : 0);
}

void json_part_set(json_t **object, const char *name, json_t *value)
{
	if (!*object) {
		json_decref(value);
	} else if (json_object_set_new(*object, name, value)) {
		json_decref(*object);
		*object = NULL;
	}
}

void json_part_append(json_t **array, json_t *value)
{
	if (!*array) {
		json_decref(value);
	} else if (json_array_append_new(*array, value)) {
		json_decref(*array);
		*array = NULL;
	}
}

void json_part_dump(FILE *out, const char *before, json_t *value, bool *failed)
{
	fputs(before, out);
	/* json_dumpf() fails for a stream that fails, too */
	if (!value || (json_dumpf(value, out, JSON_PARTS_FLAGS) && !ferror(out)))
		*failed = true;
	json_decref(value);
}

static void set_text(json_t **object, const char *name, const char *text)
{
	if (text)
		json_part_set(object, name, json_part_text(text));
}

static void set_count(json_t **object, const char *name, uint64_t count)
{
	json_part_set(object, name, json_part_count(count));
}

static void set_real(json_t **object, const char *name, double value)
{
	json_part_set(object, name, json_part_real(value));
}

static void set_bool(json_t **object, const char *name, bool value)
{
	json_part_set(object, name, json_boolean(value));
}

/* ---- parts ---------------------------------------------------------------------------------- */

json_t *json_part_time(const struct profile *profile)
{
	char day[48] = "1970-01-01T00:00:00", all[64];
	long ms = profile->time.tv_nsec / 1000000;
	struct tm utc;

	if (gmtime_r(&profile->time.tv_sec, &utc) && utc.tm_year <= 9999 - 1900)
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(all, sizeof(all), "%s.%03ldZ", day, ms >= 0 && ms < 1000 ? ms : 0);
	return json_string(all);
}

json_t *json_part_target(const struct profile_target *target)
{
	static const char *const ends[] = {
		[TARGET_EXITED] = "exited", [TARGET_KILLED] = "killed", [TARGET_EXECED] = "execed"};
	json_t *object = json_object(), *words = json_array(), *end;

	set_count(&object, "pid", target->pid > 0 ? (uint64_t)target->pid : 0);
	set_text(&object, "exe", target->exe);
	for (size_t i = 0; i < target->n_cmdline; i++)
		json_part_append(&words, json_part_text(target->cmdline[i]));
	json_part_set(&object, "cmdline", words);
	set_text(&object, "python", target->python);
	set_text(&object, "implementation", target->implementation);
	set_count(&object, "threads", target->threads);
	set_count(&object, "rss_bytes", target->rss_bytes);
	set_bool(&object, "stopped", target->stopped);
	if (target->end > TARGET_RUNS && target->end <= TARGET_EXECED) {
		end = json_object();
		set_text(&end, "how", ends[target->end]);
		if (target->end == TARGET_EXITED && target->end_detail >= 0)
			set_count(&end, "code", (uint64_t)target->end_detail);
		if (target->end == TARGET_KILLED && target->end_detail > 0)
			set_count(&end, "signal", (uint64_t)target->end_detail);
		json_part_set(&object, "end", end);
	}
	return object;
}

json_t *json_part_targets(const struct profile *profile)
{
	json_t *array = json_array();

	for (size_t i = 0; i < profile->n_targets; i++)
		json_part_append(&array, json_part_target(&profile->targets[i]));
	return array;
}

static json_t *trace_parts(const struct profile *profile)
{
	json_t *array = json_array();

	for (size_t i = 0; i < profile->mode.n_parts; i++) {
		const struct trace_part *part = &profile->mode.parts[i];
		json_t *object = json_object(), *domains = json_array();

		if (part->pid)
			set_count(&object, "pid", (uint64_t)part->pid);
		for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
			if (part->domains[domain])
				json_part_append(&domains, json_part_text(domain_name(domain)));
		json_part_set(&object, "domains", domains);
		set_text(&object, "how", trace_how_name(part->how));
		if (part->how == TRACE_ALL || part->how == TRACE_SAMPLED)
			set_real(&object, "since_s", part->since_s);
		if (part->how == TRACE_SAMPLED)
			set_count(&object, "sample_bytes", part->sample_bytes);
		set_count(&object, "windows", part->windows);
		set_real(&object, "windows_s", part->windows_s);
		set_real(&object, "longest_s", part->longest_s);
		set_count(&object, "survivors", part->survivors);
		set_bool(&object, "settled", part->long_enough);
		if (part->demand > 0)
			set_real(&object, "demand", part->demand);
		set_text(&object, "trouble", part->trouble);
		json_part_append(&array, object);
	}
	return array;
}

json_t *json_part_mode(const struct profile *profile)
{
	json_t *object = json_object(), *domains = json_array();

	set_bool(&object, "exact", profile->mode.exact);
	for (int i = 0; i < DOMAIN_COUNT; i++)
		if (profile->mode.domains[i])
			json_part_append(&domains, json_string(domain_name((enum domain)i)));
	json_part_set(&object, "domains", domains);
	set_bool(&object, "steered", profile->mode.steered);
	set_text(&object, "object_coverage", profile->mode.object_coverage);
	if (profile->mode.min_size)
		set_count(&object, "min_size_bytes", profile->mode.min_size);
	if (profile->mode.max_size != UINT64_MAX)
		set_count(&object, "max_size_bytes", profile->mode.max_size);
	set_real(&object, "older_s", profile->mode.older_s);
	if (profile->mode.n_parts)
		json_part_set(&object, "parts", trace_parts(profile));
	return object;
}

json_t *json_part_totals(const struct profile *profile)
{
	json_t *object = json_object();

	set_count(&object, "outstanding_bytes", profile->totals.outstanding_bytes);
	set_count(&object, "outstanding_count", profile->totals.outstanding_count);
	if (profile_counts_calls(profile)) {
		set_count(&object, "allocated_bytes", profile->totals.allocated_bytes);
		set_count(&object, "allocated_count", profile->totals.allocated_count);
		set_count(&object, "freed_count", profile->totals.freed_count);
		set_count(&object, "unknown_frees", profile->totals.unknown_frees);
	}
	if (profile->totals.estimated)
		set_bool(&object, "estimated", true);
	set_count(&object, "missed_frees", profile->totals.missed_frees);
	return object;
}

json_t *json_part_frame(const struct frame *from)
{
	json_t *object = json_object();

	set_text(&object, "kind", frame_kind_name(from->kind));
	set_text(&object, "function", from->function);
	if (from->kind == FRAME_GAP)
		return object;
	set_text(&object, "file", from->file);
	if (from->line)
		set_count(&object, "line", from->line);
	if (from->kind == FRAME_NATIVE) {
		set_text(&object, "module", from->module);
		set_text(&object, "path", from->path);
		if (from->start)
			set_count(&object, "start", from->start);
		if (from->inlined)
			set_bool(&object, "inlined", true);
		set_count(&object, "offset", from->offset);
		if (from->address)
			set_count(&object, "address", from->address);
	}
	return object;
}

static json_t *types(const struct stack *stack)
{
	json_t *array = json_array();

	for (size_t i = 0; i < stack->n_types; i++) {
		json_t *object = json_object();

		set_text(&object, "name", stack->types[i].name ? stack->types[i].name : "?");
		set_count(&object, "count", stack->types[i].count);
		set_count(&object, "bytes", stack->types[i].bytes);
		json_part_append(&array, object);
	}
	return array;
}

/* What stacks and groups of them have in common. */
static void set_figures(json_t **object, const struct stack *figures)
{
	set_count(object, "outstanding_bytes", figures->outstanding_bytes);
	set_count(object, "outstanding_count", figures->outstanding_count);
	if (!figures->estimated) {
		set_count(object, "allocated_bytes", figures->allocated_bytes);
		set_count(object, "allocated_count", figures->allocated_count);
		set_count(object, "freed_count", figures->freed_count);
	}
	set_real(object, "oldest_s", figures->oldest_s > 0 ? figures->oldest_s : 0);
	set_real(object, "newest_s", figures->newest_s > 0 ? figures->newest_s : 0);
	set_real(object, "growth_bytes_per_s", figures->growth_bytes_per_s);
	set_bool(object, "estimated", figures->estimated);
	if (figures->estimated) {
		set_real(object, "bytes_error", figures->bytes_error);
		set_real(object, "count_error", figures->count_error);
		set_count(object, "seen", figures->seen);
	}
	if (figures->types_sampled) {
		set_count(object, "types_sampled", figures->types_sampled);
		json_part_set(object, "types", types(figures));
	}
}

static void set_thread(json_t **object, const struct stack *stack)
{
	if (stack->thread_id)
		set_count(object, "thread_id", stack->thread_id);
	set_text(object, "thread", stack->thread);
}

json_t *json_part_frames(const struct stack *stack)
{
	json_t *frames = json_array();

	for (size_t i = 0; i < stack->n_frames; i++)
		json_part_append(&frames, json_part_frame(&stack->frames[i]));
	return frames;
}

json_t *json_part_stack(const struct profile *profile, size_t i)
{
	const struct stack *stack = &profile->stacks[i];
	json_t *object = json_object();

	set_figures(&object, stack);
	set_text(&object, "domain", domain_name(stack->domain));
	set_thread(&object, stack);
	if (stack->pid)
		set_count(&object, "pid", (uint64_t)stack->pid);
	if (profile->grouping)
		set_count(&object, "group", profile->grouping->of_stack[i]);
	json_part_set(&object, "frames", json_part_frames(stack));
	return object;
}

/* A line or a function: of a frame only what the stacks of the group share. */
static json_t *place(const struct frame *from)
{
	json_t *object = json_object();

	set_text(&object, "kind", frame_kind_name(from->kind));
	set_text(&object, "function", from->function);
	set_text(&object, "file", from->file);
	if (from->line)
		set_count(&object, "line", from->line);
	set_text(&object, "module", from->module);
	set_text(&object, "path", from->path);
	if (from->start)
		set_count(&object, "start", from->start);
	if (from->offset)
		set_count(&object, "offset", from->offset);
	return object;
}

static json_t *package(const struct group *group)
{
	json_t *object = json_object();
	char *name = strndup(group->package.name ? group->package.name : "", group->package.length);

	set_text(&object, "kind", package_kind_name(group->package.kind));
	json_part_set(&object, "name", name ? json_part_text(name) : NULL);
	set_text(&object, "elf", group->elf_name);
	free(name);
	return object;
}

json_t *json_part_group(const struct profile *profile, size_t i)
{
	const struct group *group = &profile->grouping->groups[i];
	json_t *object = json_object(), *domains = json_array();

	set_text(&object, "title", group->title);
	switch (profile->grouping->by) {
	case GROUP_LINE:
	case GROUP_FUNCTION:
		json_part_set(&object, "place", place(&group->frame));
		break;
	case GROUP_MODULE:
		json_part_set(&object, "module", package(group));
		break;
	case GROUP_THREAD:
		set_thread(&object, &group->sum);
		break;
	default:
		set_count(&object, "pid", (uint64_t)profile_target_of(profile, &group->sum)->pid);
	}
	set_figures(&object, &group->sum);
	set_real(&object, "share", group->share);
	set_count(&object, "stacks", group->n_stacks);
	set_count(&object, "largest_stack", group->largest);
	for (unsigned d = 0; d < DOMAIN_COUNT; d++)
		if (group->domains & 1u << d)
			json_part_append(&domains, json_string(domain_name((enum domain)d)));
	json_part_set(&object, "domains", domains);
	return object;
}

json_t *json_part_selection(const struct profile *profile)
{
	const struct selection *selection = &profile->selection;
	json_t *object = json_object(), *modules = json_array();

	for (size_t i = 0; i < selection->n_modules; i++)
		json_part_append(&modules, json_part_text(selection->modules[i]));
	json_part_set(&object, "modules", modules);
	set_count(&object, "left_out_bytes", selection->left_out_bytes);
	set_count(&object, "left_out_count", selection->left_out_count);
	set_count(&object, "left_out_stacks", selection->left_out_stacks);
	return object;
}

json_t *json_part_cost(const struct profile *profile)
{
	json_t *object = json_object();

	set_real(&object, "hits_per_s", profile->cost.hits_per_s);
	if (profile->cost.ns_per_hit > 0)
		set_real(&object, "ns_per_hit", profile->cost.ns_per_hit);
	set_real(&object, "target_cpu_fraction", profile->cost.target_cpu_fraction);
	if (profile->cost.ceiling > 0) {
		set_real(&object, "ceiling", profile->cost.ceiling);
		set_real(&object, "floor", profile->cost.floor);
	}
	if (profile->cost.ceiling > 0 && profile->cost.own_share >= 0) {
		set_real(&object, "own_share", profile->cost.own_share);
		set_real(&object, "own_share_most", profile->cost.own_share_most);
	}
	if (profile->cost.target_cpu_used > 0)
		set_real(&object, "target_cpu_used", profile->cost.target_cpu_used);
	if (profile->cost.syscall_ns > 0)
		set_real(&object, "ns_per_system_call", profile->cost.syscall_ns);
	if (profile->cost.syscalls_counted) {
		set_real(&object, "system_calls_per_s", profile->cost.syscalls_per_s);
		set_real(&object, "other_system_calls_per_s", profile->cost.other_syscalls_per_s);
	}
	set_real(&object, "tool_cpu_s", profile->cost.tool_cpu_s);
	set_count(&object, "tool_rss_bytes", profile->cost.tool_rss_bytes);
	set_count(&object, "maps_bytes", profile->cost.maps_bytes);
	return object;
}

json_t *json_part_native_gaps(const struct profile *profile)
{
	json_t *array = json_array();

	for (size_t i = 0; i < profile->n_native_gaps; i++) {
		json_t *object = json_object();

		set_text(&object, "reason", profile->native_gaps[i].reason);
		set_count(&object, "count", profile->native_gaps[i].count);
		json_part_append(&array, object);
	}
	return array;
}

json_t *json_part_losses(const struct profile *profile)
{
	json_t *array = json_array();

	for (size_t i = 0; i < profile->n_losses; i++) {
		json_t *object = json_object();

		set_text(&object, "name", profile->losses[i].name ? profile->losses[i].name : "?");
		set_count(&object, "count", profile->losses[i].count);
		set_text(&object, "sentence",
			 profile->losses[i].sentence ? profile->losses[i].sentence : "?");
		json_part_append(&array, object);
	}
	return array;
}
