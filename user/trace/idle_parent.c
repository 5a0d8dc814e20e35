/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/idle_parent.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "python/target.h"

void idle_parent_begin(struct idle_parent *parent, const struct process *process)
{
	parent->cpu_ns = process_cpu_ns(process);
	parent->began_ns = clock_now_ns();
	parent->n_known = parent->next = 0;
	children_read(&parent->before, process->pid);
}

bool idle_parent_is(double own_ns, double children_ns, double passed_ns)
{
	return passed_ns > 0 && own_ns < IDLE_PARENT_MOST * passed_ns &&
	       children_ns >= IDLE_PARENT_LEAST_NS && children_ns > IDLE_PARENT_TIMES * own_ns;
}

static bool has_runtime(pid_t pid)
{
	struct target target;
	bool is = target_open(&target, pid, NULL) == 0;

	target_close(&target);
	return is;
}

static bool is_cpython(struct idle_parent *parent, const struct image *target, pid_t pid)
{
	struct idle_child *known = NULL;
	struct image image;

	if (!image_read(&image, pid))
		return false;
	/* what was forked runs its parent's file */
	if (image.inode && image.inode == target->inode && image.device == target->device)
		return true;
	for (unsigned i = 0; i < parent->n_known && !known; i++)
		if (parent->known[i].pid == pid)
			known = &parent->known[i];
	if (known && !image_differs(&known->image, &image))
		return known->cpython;
	if (!known) {
		known = &parent->known[parent->next];
		parent->next = (parent->next + 1) % IDLE_PARENT_KNOWN;
		if (parent->n_known < IDLE_PARENT_KNOWN)
			parent->n_known++;
	}
	*known = (struct idle_child){pid, image, has_runtime(pid)};
	return known->cpython;
}

static bool is_traced(pid_t pid, const pid_t *pids, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static int busier(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->cpu_ns != y->cpu_ns)
		return x->cpu_ns > y->cpu_ns ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void add(struct profile *profile, const struct child *rows, size_t n, double own,
		double theirs)
{
	char text[512], count[64], pids[IDLE_PARENT_NAMED * 12] = "";
	size_t used = 0;

	for (size_t i = 0; i < n && i < IDLE_PARENT_NAMED; i++)
		used += (size_t)snprintf(pids + used, sizeof(pids) - used, "%s%d", i ? "," : "",
					 (int)rows[i].pid);
	if (n == 1)
		snprintf(count, sizeof(count), "child is CPython and uses");
	else
		snprintf(count, sizeof(count), "%zu children are CPython and use", n);
	snprintf(text, sizeof(text),
		 "This process does nothing itself (%s of a core); its %s %s. To trace %s: -p %s%s",
		 fmt_percent(own).text, count, fmt_percent(theirs).text, n == 1 ? "it" : "them",
		 pids, n > IDLE_PARENT_NAMED ? " (the busiest)" : "");
	profile_note(profile, "children_work", text);
}

void idle_parent_note(struct idle_parent *parent, const struct process *process, const pid_t *pids,
		      unsigned n, struct profile *profile)
{
	double passed = (double)(clock_now_ns() - parent->began_ns), theirs = 0;
	double own = process_cpu_ns(process) - parent->cpu_ns;
	struct children now;
	struct image image;
	size_t n_python = 0;

	/* the cheap question first: most targets are no idle parents */
	if (!process_alive(process) || !(own < IDLE_PARENT_MOST * passed))
		return;
	children_read(&now, process->pid);
	if (!now.n_rows || !image_read(&image, process->pid))
		return;
	for (size_t i = 0; i < now.n_rows; i++) {
		if (is_traced(now.rows[i].pid, pids, n))
			return;
		now.rows[i].cpu_ns = children_used(&parent->before, &now.rows[i]);
		theirs += now.rows[i].cpu_ns;
	}
	/* whether they are CPython is expensive to find out, and there may be hundreds */
	if (!idle_parent_is(own, theirs, passed))
		return;
	theirs = 0;
	for (size_t i = 0; i < now.n_rows; i++)
		if (is_cpython(parent, &image, now.rows[i].pid)) {
			theirs += now.rows[i].cpu_ns;
			now.rows[n_python++] = now.rows[i];
		}
	if (!idle_parent_is(own, theirs, passed))
		return;
	qsort(now.rows, n_python, sizeof(now.rows[0]), busier);
	add(profile, now.rows, n_python, own / passed, theirs / passed);
}
