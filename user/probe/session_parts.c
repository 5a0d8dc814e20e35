/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/session_parts.h"

#include <stdlib.h>
#include <string.h>

#include "abi/facts.h"
#include "base/clock.h"
#include "probe/leftovers.h"
#include "probe/session_impl.h"
#include "probe/steer.h"
#include "probe/session_syscalls.h"
#include "probe/session_watch.h"
#include "pyleaktrace.skel.h"

/* ---- probes of a part ----------------------------------------------------------------------- */

/* The part that has the blocks of this domain. */
static enum abi_part part_of(const struct session *session, unsigned domain)
{
	return session->split && domain == ABI_OBJECT ? ABI_PART_OBJECT : ABI_PART_NATIVE;
}

/* The part whose functions are steered. */
static enum abi_part steered_part(const struct session *session)
{
	return part_of(session, ABI_OBJECT);
}

/* Are its probes never hit while it is not steered? Then they may stay. */
static bool stays_attached(const struct session *session, enum abi_part part)
{
	return session->split && part == ABI_PART_OBJECT && session->plan->switchable &&
	       !session->parts[part].comes_and_goes;
}

/* Append the place of a probe's entry, of its return, or of the end of a function that has no
 * return probe. */
static void add_place(struct attach_place *places, unsigned *n, struct session *session,
		      const struct plan_probe *probe, bool returns)
{
	places[(*n)++] = (struct attach_place){
		.program = session_program(session, returns || probe->kind == ABI_CALL_END),
		.path = probe->module->host_path,
		.offset = probe->place.offset,
		.cookie = ABI_COOKIE(probe->kind, probe->domain, probe->place.pushed,
				     probe->place.cost),
		.returns = returns,
	};
}

/*
 * A part's probes of the plan from `first` on; all that mark the end of a call before the ones
 * that mark its start: a call whose end is not seen would be remembered for nothing.
 */
static int attach_probes(struct session *session, enum abi_part part, unsigned first,
			 struct err *err)
{
	const struct plan *plan = session->plan;
	struct links *links = &session->parts[part].links;
	struct attach_place *places = calloc(PLAN_MAX_PROBES, sizeof(*places));
	unsigned n = 0;
	int result;

	if (!places)
		return err_set(err, ERR_FAILED, "out of memory");
	for (unsigned i = first; i < plan->n_probes; i++)
		if (part_of(session, plan->probes[i].domain) == part &&
		    (plan->probes[i].returns || plan->probes[i].kind == ABI_CALL_END))
			add_place(places, &n, session, &plan->probes[i], plan->probes[i].returns);
	result = links_attach(links, places, n, session->process->pid, err);
	n = 0;
	for (unsigned i = first; i < plan->n_probes; i++)
		if (part_of(session, plan->probes[i].domain) == part &&
		    plan->probes[i].kind != ABI_CALL_END)
			add_place(places, &n, session, &plan->probes[i], false);
	if (!result)
		result = links_attach(links, places, n, session->process->pid, err);
	free(places);
	return result;
}

static void detach_probes(struct session *session, enum abi_part part)
{
	struct session_part *own = &session->parts[part];
	struct links links;

	/* taken from the sweeper first: closing waits for the kernel, the sweeper need not wait for
	 * us */
	lock_take(&session->sweeping);
	links = own->links;
	own->links = (struct links){.multi = links.multi};
	own->attached = false;
	lock_release(&session->sweeping);
	links_close(&links);
}

/* The words of a part that is steered; not while another thread switches it. */
static void check_steering(struct session *session, const struct session_part *own)
{
	if (own->steered && !session->execed && process_alive(session->process) &&
	    !steer_holds(session->process->pid, session->plan->words, session->plan->n_words))
		session->steering_lost = true;
}

bool session_steering_lost(struct session *session)
{
	if (!session->by_parts)
		check_steering(session, &session->parts[steered_part(session)]);
	return session->steering_lost;
}

static int unsteer(struct session *session, enum abi_part part, struct err *err)
{
	const struct plan *plan = session->plan;
	struct session_part *own = &session->parts[part];
	int result = 0;

	if (own->steered && !session->execed && process_alive(session->process))
		result = steer_restore(session->process->pid, plan->words, plan->n_words, err);
	/* what could not be put back is tried again, at the latest by session_detach() */
	own->steered = result != 0;
	return result;
}

int session_part_on(struct session *session, enum abi_part part, struct err *err)
{
	const struct plan *plan = session->plan;
	struct session_part *own = &session->parts[part];
	int result = 0;

	if (!own->attached) {
		result = part == ABI_PART_NATIVE
				 ? session_syscalls_attach(session, &own->links, err)
				 : 0;
		if (!result)
			result = attach_probes(session, part, 0, err);
		own->attached = true; /* what there is of it */
	}
	if (!result && part == steered_part(session)) {
		/* from here on there may be something to put back; words that hold their aliases
		 * already stay */
		own->steered = plan->n_words > 0;
		result = steer_apply(session->process->pid, plan->words, plan->n_words, err);
	}
	if (result) {
		unsteer(session, part, NULL);
		detach_probes(session, part);
	}
	return result;
}

int session_part_off(struct session *session, enum abi_part part, struct err *err)
{
	int result;

	session_record(session, part, false);
	check_steering(session, &session->parts[part]);
	result = unsteer(session, part, err);
	/* a target that is still steered hits the probes, whether they were to stay or not */
	if (session->parts[part].attached && (result || !stays_attached(session, part)))
		detach_probes(session, part);
	return result;
}

void session_part_detach_idle(struct session *session, enum abi_part part)
{
	session->parts[part].comes_and_goes = true;
	if (session->parts[part].attached)
		detach_probes(session, part);
}

uint64_t session_record(struct session *session, enum abi_part part, bool on)
{
	struct pyleaktrace_bpf__bss *bss = session->skel->bss;
	uint64_t now = clock_now_ns();

	if (on) {
		/* what was remembered before is void; see bpf/maps.bpf.h */
		__atomic_store_n(&bss->began_ns[part], now, __ATOMIC_RELEASE);
		__atomic_add_fetch(&bss->turns[part], 1, __ATOMIC_ACQ_REL);
		__atomic_add_fetch(&bss->code_epoch, 1, __ATOMIC_ACQ_REL);
		__atomic_fetch_or(&bss->recording, 1u << part, __ATOMIC_ACQ_REL);
		return now;
	}
	__atomic_fetch_and(&bss->recording, ~(1u << part), __ATOMIC_ACQ_REL);
	return clock_now_ns();
}

void session_set_sampling(struct session *session, unsigned domain, unsigned shift)
{
	if (domain < ABI_DOMAINS && shift <= ABI_SAMPLE_SHIFT_MAX)
		__atomic_store_n(&session->skel->bss->sample_shift[domain], shift,
				 __ATOMIC_RELEASE);
}

void session_skip_sizes(struct session *session, unsigned domain, uint64_t classes)
{
	if (domain < ABI_DOMAINS)
		__atomic_store_n(&session->skel->bss->skipped_sizes[domain], classes,
				 __ATOMIC_RELEASE);
}

bool session_split(const struct session *session)
{
	return session->split;
}

int session_attach_more(struct session *session, unsigned first, struct err *err)
{
	/* a part that is off gets them when it is switched on */
	return session->parts[ABI_PART_NATIVE].attached
		       ? attach_probes(session, ABI_PART_NATIVE, first, err)
		       : 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* What is hit so rarely that it stays all the time: threads and forks, exec(), the loader. */
static int attach_lifecycle(struct session *session, struct err *err)
{
	struct pyleaktrace_bpf *skel = session->skel;
	struct bpf_program *const programs[] = {skel->progs.on_fork, skel->progs.on_thread_exit,
						skel->progs.on_exec};
	const struct attach_place loader = {.program = skel->progs.on_loader,
					    .path = session->loader.module.host_path,
					    .offset = session->loader.offset};
	int result = 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]) && !result; i++)
		if (bpf_program__autoload(programs[i]))
			result = links_attach_tracepoint(&session->links, programs[i], err);
	/* without it a trace is as good as of a process that has no such loader */
	if (!result && session->have_loader)
		links_attach(&session->links, &loader, 1, session->process->pid, NULL);
	return result;
}

static int start_sweeper(struct session *session, struct err *err)
{
	const struct sweep sweep = {
		.pid = session->process->pid,
		.links = {&session->parts[ABI_PART_NATIVE].links,
			  &session->parts[ABI_PART_OBJECT].links},
		.lock = &session->sweeping,
		.program_fd = bpf_program__fd(session->skel->progs.on_nothing),
		.ring_fd = bpf_map__fd(session->skel->maps.forks),
	};

	return session->multi ? sweeper_start(&session->sweeper, &sweep, err) : 0;
}

static int attach_watchpoints(struct session *session, struct err *err)
{
	int result = 0;

	/* first, so that all that the watchpoints take is seen */
	if (session->string_ops)
		result = clocks_open(&session->clocks, SESSION_STRING_OP_NS,
				     bpf_program__fd(session->skel->progs.on_string_op), err);
	if (session->aim)
		session->aim(session->context);
	for (unsigned i = 0; i < session->n_watched; i++)
		session->skel->bss->watches[i] = (struct abi_watch){
			.field = session->watched[i].field,
			.type_field = session->watched[i].type_field,
			.type = session->watched[i].type,
			.refs = session->watched[i].refs,
			.each = session->watched[i].each,
			.last = ABI_NOT_SEEN,
			.first = ABI_NOT_SEEN,
		};
	return result ? result
		      : watchpoints_open(&session->watchpoints, session->process->pid,
					 session->watched, session->n_watched,
					 session_watch_program(session), err);
}

void session_start(struct session *session)
{
	session->skel->bss->next_site = ABI_FIRST_SITE;
	session->skel->bss->recording = session->by_parts ? 0 : (1u << ABI_PARTS) - 1;
	__atomic_store_n(&session->skel->bss->active, 1, __ATOMIC_RELEASE);
}

void session_stop(struct session *session)
{
	__atomic_store_n(&session->skel->bss->active, 0, __ATOMIC_RELEASE);
}

/*
 * All parts. By parts none is: each is when it is switched on for the first time; even probes that
 * should not be hit before (stays_attached()) may be, and its cost has not been measured yet.
 */
static int attach_parts(struct session *session, struct err *err)
{
	int result = 0;

	for (unsigned part = 0; part < ABI_PARTS && !session->by_parts && !result; part++)
		result = session_part_on(session, part, err);
	return result;
}

/* What a killed tool has left there. What cannot be removed costs the target no more than
 * before. */
static void remove_leftovers(const struct session *session)
{
	struct leftovers leftovers;

	if (leftovers_find(&leftovers, session->process->pid, NULL))
		return;
	leftovers_remove(&leftovers, session->process->pid, NULL);
	leftovers_free(&leftovers);
}

int session_attach(struct session *session, struct err *err)
{
	int result;

	remove_leftovers(session);
	result = start_sweeper(session, err);

	if (!result)
		result = attach_lifecycle(session, err);
	if (!result && session->n_watched)
		result = attach_watchpoints(session, err);
	else if (!result)
		result = attach_parts(session, err);
	if (result)
		session_detach(session, NULL);
	return result;
}

int session_detach(struct session *session, struct err *err)
{
	int result = 0;

	session_stop(session);
	for (unsigned part = 0; part < ABI_PARTS; part++) {
		int failed = unsteer(session, part, err);

		result = result ? result : failed;
	}
	session_count_syscalls(session, false);
	watchpoints_close(session->watchpoints);
	session->watchpoints = NULL;
	clocks_close(session->clocks);
	session->clocks = NULL;
	sweeper_stop(session->sweeper);
	session->sweeper = NULL;
	for (unsigned part = 0; part < ABI_PARTS; part++)
		detach_probes(session, part);
	links_close(&session->links);
	return result;
}
