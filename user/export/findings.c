/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/findings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "model/nameless.h"

const struct finding *findings_at(const struct profile *profile, size_t number,
				  const struct verdict **of)
{
	for (size_t i = 0; i < profile->n_verdicts + 1; i++) {
		const struct verdict *verdict = i ? profile->verdicts[i - 1] : profile->verdict;

		if (!verdict)
			continue;
		if (number < verdict->n_findings) {
			if (of)
				*of = verdict;
			return &verdict->findings[number];
		}
		number -= verdict->n_findings;
	}
	return NULL;
}

bool findings_is_stack(const struct finding *finding, const struct stack *stack)
{
	/* copies of a stack share its frames */
	return finding->stack && finding->stack->frames == stack->frames &&
	       finding->stack->domain == stack->domain && stack->n_frames;
}

const struct finding *findings_of(const struct profile *profile, const struct stack *stack)
{
	const struct finding *finding;

	for (size_t i = 0; (finding = findings_at(profile, i, NULL)); i++)
		if (findings_is_stack(finding, stack))
			return finding;
	return NULL;
}

bool findings_have_stacks(const struct profile *profile)
{
	const struct finding *finding;

	for (size_t i = 0; (finding = findings_at(profile, i, NULL)); i++)
		for (size_t j = 0; j < profile->n_stacks; j++)
			if (findings_is_stack(finding, &profile->stacks[j]))
				return true;
	return false;
}

bool findings_are_all(const struct profile *profile)
{
	for (size_t i = 0; i < profile->n_stacks; i++)
		if (stack_is_outstanding(&profile->stacks[i]))
			return false;
	return findings_at(profile, 0, NULL) != NULL;
}

const char *findings_title(const struct finding *finding, char text[FINDINGS_TITLE_MAX])
{
	const char *cause = finding_cause_name(finding->cause);

	if (finding->path && *finding->path)
		snprintf(text, FINDINGS_TITLE_MAX, "%s %s", cause, finding->path);
	else if (finding->type && *finding->type)
		snprintf(text, FINDINGS_TITLE_MAX, "%s %s", cause, finding->type);
	else if (finding->c_function && *finding->c_function)
		snprintf(text, FINDINGS_TITLE_MAX, "%s %s()", cause, finding->c_function);
	else
		snprintf(text, FINDINGS_TITLE_MAX, "%s", cause);
	return text;
}

uint64_t findings_per_minute(const struct finding *finding)
{
	double bytes = round(finding->bytes_per_s * 60);

	return !(bytes > 0) ? 0 : bytes < 9e18 ? (uint64_t)bytes : INT64_MAX;
}

static void say_target(const struct profile_target *target,
		       void (*line)(void *context, const char *text), void *context)
{
	char text[PROFILE_STRING_MAX];

	if (target->pid <= 0)
		return;
	snprintf(text, sizeof(text), "pid %d: %s, %s %s", target->pid,
		 target->exe ? target->exe : "?",
		 target->implementation ? target->implementation : "",
		 target->python ? target->python : "");
	line(context, text);
}

static void say_verdict(const struct verdict *verdict,
			void (*line)(void *context, const char *text), void *context)
{
	char text[2 * PROFILE_STRING_MAX], pid[32] = "";

	if (verdict->pid)
		snprintf(pid, sizeof(pid), "pid %d: ", verdict->pid);
	snprintf(text, sizeof(text), "%s%s: %s", pid, verdict_state_name(verdict->state),
		 verdict->sentence ? verdict->sentence : "");
	line(context, text);
	for (size_t i = 0; i < verdict->n_findings; i++) {
		snprintf(text, sizeof(text), "%s%zu. %s", pid, i + 1,
			 verdict->findings[i].sentence ? verdict->findings[i].sentence : "");
		line(context, text);
	}
}

void findings_say(const struct profile *profile, void (*line)(void *context, const char *text),
		  void *context)
{
	char text[PROFILE_STRING_MAX];

	line(context, "made by pyleaktrace " PYLEAKTRACE_VERSION);
	say_target(&profile->target, line, context);
	for (size_t i = 0; i < profile->n_targets; i++)
		say_target(&profile->targets[i], line, context);
	if (profile->verdict)
		say_verdict(profile->verdict, line, context);
	for (size_t i = 0; i < profile->n_verdicts; i++)
		say_verdict(profile->verdicts[i], line, context);
	for (size_t i = 0; i < profile->n_notes; i++)
		line(context, profile->notes[i].sentence);
	if (nameless_sentence(profile, text, sizeof(text)))
		line(context, text);
	for (size_t i = 0; i < profile->n_losses; i++) {
		const struct loss *loss = &profile->losses[i];

		snprintf(text, sizeof(text), "lost: %" PRIu64 " x %s: %s", loss->count,
			 loss->name ? loss->name : "?", loss->sentence ? loss->sentence : "?");
		line(context, text);
	}
}
