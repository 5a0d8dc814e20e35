/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/verdict_json.h"

#include <string.h>

#include "export/findings.h"

static void set_text(json_t **object, const char *name, const char *text)
{
	if (text && *text)
		json_part_set(object, name, json_part_text(text));
}

static void set_real(json_t **object, const char *name, double value)
{
	json_part_set(object, name, json_part_real(value));
}

static json_t *evidence(const struct finding *finding)
{
	json_t *array = json_array();

	for (size_t i = 0; i < finding->n_evidence; i++) {
		json_t *object = json_object();

		set_text(&object, "kind", finding->evidence[i].kind);
		set_text(&object, "text", finding->evidence[i].text);
		set_real(&object, "value", finding->evidence[i].value);
		json_part_append(&array, object);
	}
	return array;
}

static json_t *next(const struct finding *finding)
{
	json_t *array = json_array();

	for (size_t i = 0; i < FINDING_WORDS && finding->next[i]; i++)
		json_part_append(&array, json_part_text(finding->next[i]));
	return array;
}

/* Which of the document's stacks is it?  return n_stacks: none */
static size_t find_stack(const struct profile *profile, const struct finding *finding)
{
	size_t i = 0;

	while (i < profile->n_stacks && !findings_is_stack(finding, &profile->stacks[i]))
		i++;
	return i;
}

static void set_stack(json_t **object, const struct finding *finding, const struct profile *profile)
{
	size_t i = find_stack(profile, finding);

	set_text(object, "by", finding->by);
	json_part_set(object, "frames", json_part_frames(finding->stack));
	if (i < profile->n_stacks)
		json_part_set(object, "stack", json_part_count(i));
	if (finding->where)
		json_part_set(object, "where", json_part_frame(finding->where));
	set_text(object, "c_function", finding->c_function);
}

static json_t *finding_part(const struct finding *finding, const struct profile *profile)
{
	json_t *object = json_object();

	set_text(&object, "cause", finding_cause_name(finding->cause));
	set_text(&object, "sentence", finding->sentence);
	set_real(&object, "bytes_per_s", finding->bytes_per_s);
	set_real(&object, "least", finding->least_per_s);
	set_real(&object, "most", finding->most_per_s);
	set_real(&object, "confidence", finding->confidence);
	set_real(&object, "share", finding->share);
	set_text(&object, "path", finding->path);
	set_text(&object, "type", finding->type);
	if (finding->stack)
		set_stack(&object, finding, profile);
	if (finding->n_evidence)
		json_part_set(&object, "evidence", evidence(finding));
	if (finding->next[0])
		json_part_set(&object, "next", next(finding));
	return object;
}

json_t *json_part_verdict(const struct verdict *verdict, const struct profile *profile)
{
	json_t *object = json_object(), *findings = json_array();

	for (size_t i = 0; i < verdict->n_findings; i++)
		json_part_append(&findings, finding_part(&verdict->findings[i], profile));
	set_text(&object, "state", verdict_state_name(verdict->state));
	set_text(&object, "sentence", verdict->sentence);
	if (verdict->pid)
		json_part_set(&object, "pid", json_part_count((uint64_t)verdict->pid));
	set_real(&object, "growth_bytes_per_s", verdict->growth_per_s);
	set_real(&object, "growth_least", verdict->least_per_s);
	set_real(&object, "growth_most", verdict->most_per_s);
	if (verdict->explained >= 0)
		set_real(&object, "explained", verdict->explained);
	if (verdict->unexplained_per_s > 0)
		set_real(&object, "unexplained_bytes_per_s", verdict->unexplained_per_s);
	if (verdict->limit_in_s > 0)
		set_real(&object, "limit_in_s", verdict->limit_in_s);
	if (verdict->look_again_s > 0)
		set_real(&object, "look_again_s", verdict->look_again_s);
	json_part_set(&object, "findings", findings);
	return object;
}
