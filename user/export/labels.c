/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/labels.h"

#include "model/group.h"

static void add(struct labels *labels, const char *name, const char *attribute, const char *text,
		uint64_t number)
{
	if ((text && *text) || number)
		labels->rows[labels->n++] = (struct label){name, attribute, text, number};
}

static void add_finding(struct labels *labels, const struct finding *finding)
{
	if (finding)
		add(labels, "finding", "pyleaktrace.finding",
		    findings_title(finding, labels->title), 0);
}

void labels_of_stack(struct labels *labels, const struct profile *profile, size_t index)
{
	const struct stack *stack = &profile->stacks[index];
	const struct grouping *grouping = profile->grouping;

	labels->n = 0;
	add(labels, "domain", "pyleaktrace.domain", domain_name(stack->domain), 0);
	add_finding(labels, findings_of(profile, stack));
	if (stack->n_types)
		add(labels, "type", "pyleaktrace.type", stack->types[0].name, 0);
	if (grouping && grouping->by == GROUP_MODULE)
		add(labels, "module", "pyleaktrace.module",
		    grouping->groups[grouping->of_stack[index]].title, 0);
	add(labels, "thread", "thread.name", stack->thread, 0);
	add(labels, "thread_id", "thread.id", NULL, stack->thread_id);
	if (stack->pid > 0)
		add(labels, "pid", NULL, NULL, (uint64_t)stack->pid);
	if (stack->estimated)
		add(labels, "estimated", "pyleaktrace.estimated", "yes", 0);
}

void labels_of_finding(struct labels *labels, const struct finding *finding, int pid)
{
	labels->n = 0;
	add_finding(labels, finding);
	add(labels, "type", "pyleaktrace.type", finding->type, 0);
	if (pid > 0)
		add(labels, "pid", NULL, NULL, (uint64_t)pid);
}
