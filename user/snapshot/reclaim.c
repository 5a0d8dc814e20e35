/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/reclaim.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "probe/map_reader.h"
#include "probe/session_maps.h"
#include "probe/session_sites.h"

/* threads that are read, of a map that changes all the while */
#define THREADS_READ (2 * ABI_MAX_THREADS)

enum use {
	USE_LISTED, /* its stack finds it, or it has never been used */
	USE_HIDDEN,
	USE_EMPTY, /* cleared; there is no room for it among the free ones yet */
	USE_FREE,
};

/* One site. */
struct site_use {
	uint64_t allocated; /* allocated_count in the round before */
	uint8_t use;        /* enum use */
	uint8_t idle;       /* rounds */
	bool referred;      /* in this round */
};

struct reclaim {
	uint32_t max_sites;
	struct site_use *sites;
	uint64_t last_ns; /* time of the last round, ... */
	uint64_t took_ns; /* ... and CPU time */
	uint32_t in_use;  /* after it; never used ones not counted */
	bool impossible;
};

struct reclaim *reclaim_new(uint32_t max_sites)
{
	struct reclaim *reclaim = calloc(1, sizeof(*reclaim));

	if (reclaim) {
		reclaim->max_sites = max_sites;
		reclaim->last_ns = clock_now_ns();
		reclaim->sites = calloc(max_sites, sizeof(*reclaim->sites));
	}
	if (reclaim && !reclaim->sites) {
		free(reclaim);
		return NULL;
	}
	return reclaim;
}

void reclaim_free(struct reclaim *reclaim)
{
	if (!reclaim)
		return;
	free(reclaim->sites);
	free(reclaim);
}

/* ---- who refers to a site? ------------------------------------------------------------------ */

static void refer(struct reclaim *reclaim, uint32_t site)
{
	if (site < reclaim->max_sites)
		reclaim->sites[site].referred = true;
}

static void see_block(void *context, uint64_t address, const struct abi_block *block)
{
	(void)address;
	refer(context, block->site);
}

static void see_survivor(void *context, const struct survivor *survivor)
{
	if (!survivor->gone)
		refer(context, survivor->site);
}

/* Blocks that a realloc has taken out, and may put back. */
static void see_thread(void *context, const struct abi_thread *thread)
{
	for (unsigned part = 0; part < ABI_PARTS; part++)
		refer(context, thread->calls[part].old.site);
	refer(context, thread->syscall.old.site);
}

static int see_all(struct reclaim *reclaim, const struct session_view *view,
		   struct survivors *survivors, struct err *err)
{
	int result;

	for (uint32_t id = 0; id < view->n_sites; id++)
		reclaim->sites[id].referred = false;
	if (survivors)
		survivors_each(survivors, see_survivor, reclaim);
	result = map_threads_each(view->threads_fd, see_thread, reclaim, err);
	if (!result)
		result = map_blocks_each(view->blocks_fd, see_block, reclaim, err);
	if (!result)
		result = map_blocks_each(view->mappings_fd, see_block, reclaim, err);
	return result;
}

/* ---- a round -------------------------------------------------------------------------------- */

static void see_taken(void *context, uint32_t id)
{
	struct reclaim *reclaim = context;

	if (id < reclaim->max_sites)
		reclaim->sites[id] = (struct site_use){.use = USE_LISTED};
}

static bool is_short(const struct reclaim *reclaim, const struct session *session)
{
	return reclaim->in_use > RECLAIM_FULL * reclaim->max_sites || session_sites_missed(session);
}

bool reclaim_is_due(const struct reclaim *reclaim, const struct session *session, uint64_t now_ns)
{
	bool map_fill_is_short = is_short(reclaim, session);
	uint64_t period = map_fill_is_short ? RECLAIM_SHORT_NS : RECLAIM_PERIOD_NS;
	uint64_t pause = RECLAIM_PAUSE * reclaim->took_ns;

	if (reclaim->impossible || (reclaim->took_ns > RECLAIM_LONG_NS && !map_fill_is_short))
		return false;
	return now_ns - reclaim->last_ns >= (pause > period ? pause : period);
}

struct round {
	struct reclaim *reclaim;
	struct session *session;
	bool is_short;
	void (*give_up)(void *context, uint32_t site);
	void *context;
};

static void end_site(const struct round *round, uint32_t id)
{
	struct site_use *site = &round->reclaim->sites[id];

	/* its stack was being entered when it was hidden: hits may have found it since, so it is
	 * hidden from now on */
	if (session_site_hide(round->session, id))
		return;
	round->give_up(round->context, id);
	session_site_clear(round->session, id);
	*site = (struct site_use){.use = USE_EMPTY};
}

static void look_at(const struct round *round, uint32_t id, uint64_t allocated)
{
	struct site_use *site = &round->reclaim->sites[id];
	bool used = site->referred || allocated != site->allocated;

	site->allocated = allocated;
	if (site->use == USE_LISTED) {
		site->idle = used ? 0 : (uint8_t)(site->idle + 1);
		if (site->idle < (round->is_short ? 1 : RECLAIM_IDLE))
			return;
		session_site_hide(round->session, id);
		site->use = USE_HIDDEN;
	} else if (site->use == USE_HIDDEN && used) {
		session_site_show(round->session, id);
		*site = (struct site_use){.use = USE_LISTED, .allocated = allocated};
	} else if (site->use == USE_HIDDEN) {
		end_site(round, id);
	}
	if (site->use == USE_EMPTY && session_site_free(round->session, id))
		site->use = USE_FREE;
}

static int look_at_all(const struct round *round, struct survivors *survivors, struct err *err)
{
	struct reclaim *reclaim = round->reclaim;
	uint32_t n[USE_FREE + 1] = {0}, spare;
	struct session_view view;
	int result;

	session_look(round->session, &view);
	result = see_all(reclaim, &view, survivors, err);
	if (result)
		return result;
	for (uint32_t id = ABI_FIRST_SITE; id < view.n_sites; id++) {
		look_at(round, id, view.sites[id].allocated_count);
		n[reclaim->sites[id].use]++;
	}
	reclaim->in_use = n[USE_LISTED] + n[USE_HIDDEN];
	/* hidden ones are about to be free */
	spare = reclaim->max_sites - view.n_sites + n[USE_HIDDEN] + n[USE_EMPTY] + n[USE_FREE];
	if (round->is_short && spare < reclaim->max_sites / RECLAIM_SPARE && survivors)
		survivors_halve(survivors, reclaim->max_sites / RECLAIM_SPARE);
	return 0;
}

int reclaim_round(struct reclaim *reclaim, struct session *session, struct survivors *survivors,
		  void (*give_up)(void *context, uint32_t site), void *context, struct err *err)
{
	const struct round round = {reclaim, session, is_short(reclaim, session), give_up, context};
	uint64_t began = clock_cpu_ns();
	int result = 0;

	session_sites_taken(session, see_taken, reclaim);
	reclaim->impossible = !session_wait_grace_period();
	if (!reclaim->impossible)
		result = look_at_all(&round, survivors, err);
	reclaim->took_ns = clock_cpu_ns() - began;
	reclaim->last_ns = clock_now_ns();
	return result;
}
