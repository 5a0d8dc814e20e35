/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/class_births.h"

#include <stdlib.h>
#include <string.h>

#define NO_REGISTER ABI_CLASS_HIT_REGISTERS

/* of the hits of one instruction that may contradict: an instance that dies between the end and our
 * look, an object of other code at its place */
#define TOLERATED(n) ((n) / 20)

/* References of other code may be on their way at the end, a few in each thread; kept ones make
 * births that were overlooked possible. */
#define OTHERS_TOLERATED 8
#define OTHERS_SHARE     5 /* one in so many of those that stay */

#define USER_END         (1ull << 47)

/* An instruction that has increased the count, and the register that points to the new object. */
struct birthplace {
	uint64_t ip;
	size_t n;
	unsigned reg; /* NO_REGISTER: it makes no instances */
};

/* An object that was born and has not died; of the run that `turn` says. */
struct slot {
	uint64_t object;
	uint32_t birth; /* index of the hit + 1; 0: none */
	uint32_t turn;
};

struct work {
	const struct class_hits *in;
	struct birthplace places[CLASS_BIRTHS_PLACES];
	size_t n_places;
	uint8_t *place_of; /* of each hit; CLASS_BIRTHS_PLACES: none */
	uint8_t *ends;     /* of each hit: the instance that it made is gone */
	unsigned death_reg;
	struct slot *slots;
	size_t mask;
	uint32_t turn;
};

/* ---- objects by address --------------------------------------------------------------------- */

static struct slot *slot_of(struct work *work, uint64_t object)
{
	size_t at = (object >> 4) * 0x9e3779b97f4a7c15ull >> 20;

	for (;; at++) {
		struct slot *slot = &work->slots[at & work->mask];

		if (slot->turn != work->turn)
			*slot = (struct slot){.object = object, .turn = work->turn};
		if (slot->object == object)
			return slot;
	}
}

static bool is_plausible(uint64_t object)
{
	return object >= 4096 && object < USER_END && !(object & 7);
}

static bool is_death(const struct class_hits *in, size_t i)
{
	const struct abi_class_hit *hit = &in->hits[i];

	return hit->step == -1 && hit->ip >= in->dealloc_start && hit->ip < in->dealloc_end;
}

/* ---- places --------------------------------------------------------------------------------- */

static int more_hits(const void *a, const void *b)
{
	const struct birthplace *x = a, *y = b;

	return x->n != y->n ? (x->n > y->n ? -1 : 1) : x->ip < y->ip ? -1 : x->ip > y->ip;
}

static int by_ip(const void *a, const void *b)
{
	const struct birthplace *x = a, *y = b;

	return x->ip < y->ip ? -1 : x->ip > y->ip;
}

/* The instructions that may make instances. */
static int find_places(struct work *work, struct err *err)
{
	const struct class_hits *in = work->in;
	struct birthplace *all = calloc(in->n + 1, sizeof(*all));
	size_t n = 0, kept = 0;

	if (!all)
		return err_set(err, ERR_FAILED, "no memory for the hits of a class");
	for (size_t i = 0; i < in->n; i++)
		if (in->hits[i].step == 1)
			all[n++] = (struct birthplace){.ip = in->hits[i].ip, .n = 1};
	qsort(all, n, sizeof(*all), by_ip);
	for (size_t i = 0; i < n; i++) {
		if (kept && all[kept - 1].ip == all[i].ip)
			all[kept - 1].n++;
		else
			all[kept++] = all[i];
	}
	qsort(all, kept, sizeof(*all), more_hits);
	for (size_t i = 0; i < kept && work->n_places < CLASS_BIRTHS_PLACES; i++)
		if (!in->in_loop(in->context, all[i].ip))
			work->places[work->n_places++] = all[i];
	free(all);
	for (size_t i = 0; i < in->n; i++) {
		work->place_of[i] = CLASS_BIRTHS_PLACES;
		for (size_t k = 0; k < work->n_places && in->hits[i].step == 1; k++)
			if (work->places[k].ip == in->hits[i].ip)
				work->place_of[i] = (uint8_t)k;
	}
	return 0;
}

/* ---- registers ------------------------------------------------------------------------------ */

/* Hits that contradict: this register has the new object, and that one the dead; cut off at `most`
 * + 1. */
static size_t contradictions(struct work *work, size_t place, unsigned reg, unsigned death_reg,
			     size_t most)
{
	const struct class_hits *in = work->in;
	size_t n = 0;

	work->turn++;
	for (size_t i = 0; i < in->n && n <= most; i++) {
		struct slot *slot;

		if (work->place_of[i] == place) {
			if (!is_plausible(in->hits[i].registers[reg])) {
				n++;
				continue;
			}
			slot = slot_of(work, in->hits[i].registers[reg]);
			n += slot->birth != 0;
			slot->birth = (uint32_t)i + 1;
		} else if (death_reg != NO_REGISTER && is_death(in, i)) {
			slot_of(work, in->hits[i].registers[death_reg])->birth = 0;
		}
	}
	for (size_t i = 0; i <= work->mask && n <= most; i++) {
		const struct slot *slot = &work->slots[i];

		n += slot->turn == work->turn && slot->birth &&
		     !in->holds(in->context, slot->object);
	}
	return n;
}

/* Hits of the place in which two registers differ. */
static size_t differences(const struct work *work, size_t place, unsigned a, unsigned b)
{
	const struct class_hits *in = work->in;
	size_t n = 0;

	for (size_t i = 0; i < in->n; i++)
		n += work->place_of[i] == place &&
		     in->hits[i].registers[a] != in->hits[i].registers[b];
	return n;
}

/* The register that fits best; NO_REGISTER: none, or two that contradict each other. */
static unsigned find_register(struct work *work, size_t place, unsigned death_reg, size_t *fits)
{
	size_t n = work->places[place].n, least = TOLERATED(n) + 1;
	size_t bad[ABI_CLASS_HIT_REGISTERS];
	unsigned best = NO_REGISTER;

	*fits = 0;
	for (unsigned reg = 0; reg < ABI_CLASS_HIT_REGISTERS; reg++) {
		bad[reg] = contradictions(work, place, reg, death_reg, TOLERATED(n));
		if (bad[reg] < least) {
			least = bad[reg];
			best = reg;
		}
	}
	if (best == NO_REGISTER)
		return best;
	for (unsigned reg = 0; reg < ABI_CLASS_HIT_REGISTERS; reg++)
		if (bad[reg] <= TOLERATED(n) && differences(work, place, best, reg) > TOLERATED(n))
			return NO_REGISTER;
	*fits = n - least;
	return best;
}

/* May this register have the dead instances? */
static bool may_be_death(const struct class_hits *in, unsigned reg)
{
	size_t n = 0, plausible = 0;

	for (size_t i = 0; i < in->n; i++) {
		if (!is_death(in, i))
			continue;
		n++;
		plausible += is_plausible(in->hits[i].registers[reg]);
	}
	return n && n - plausible <= TOLERATED(n);
}

/* All places, with the dead instances in this register. Return how many hits fit. */
static size_t try_death(struct work *work, unsigned death_reg, struct birthplace *places)
{
	size_t sum = 0, fits;

	memcpy(places, work->places, sizeof(work->places));
	for (size_t i = 0; i < work->n_places; i++) {
		places[i].reg = find_register(work, i, death_reg, &fits);
		sum += fits;
	}
	return sum;
}

static void find_registers(struct work *work)
{
	struct birthplace best[CLASS_BIRTHS_PLACES], places[CLASS_BIRTHS_PLACES];
	size_t most = try_death(work, NO_REGISTER, best);

	work->death_reg = NO_REGISTER;
	for (unsigned reg = 0; reg < ABI_CLASS_HIT_REGISTERS; reg++) {
		size_t fits = may_be_death(work->in, reg) ? try_death(work, reg, places) : 0;

		if (fits <= most)
			continue;
		most = fits;
		work->death_reg = reg;
		memcpy(best, places, sizeof(best));
	}
	memcpy(work->places, best, sizeof(best));
}

/* ---- births --------------------------------------------------------------------------------- */

static bool is_birth(const struct work *work, size_t i)
{
	return work->place_of[i] < CLASS_BIRTHS_PLACES &&
	       work->places[work->place_of[i]].reg != NO_REGISTER;
}

static struct slot *newborn(struct work *work, size_t i)
{
	const struct birthplace *place = &work->places[work->place_of[i]];

	return slot_of(work, work->in->hits[i].registers[place->reg]);
}

static void see_death(struct work *work, size_t i)
{
	struct slot *slot;

	if (work->death_reg == NO_REGISTER || !is_death(work->in, i))
		return;
	slot = slot_of(work, work->in->hits[i].registers[work->death_reg]);
	if (slot->birth)
		work->ends[slot->birth - 1] = true;
	slot->birth = 0;
}

/* Places that mostly see objects which another one has seen being born make none. */
static void drop_seconds(struct work *work)
{
	size_t seconds[CLASS_BIRTHS_PLACES] = {0};

	work->turn++;
	for (size_t i = 0; i < work->in->n; i++) {
		struct slot *slot;

		see_death(work, i);
		if (!is_birth(work, i))
			continue;
		slot = newborn(work, i);
		if (slot->birth && work->place_of[slot->birth - 1] != work->place_of[i])
			seconds[work->place_of[i]]++;
		else
			slot->birth = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < work->n_places; i++)
		if (seconds[i] > work->places[i].n / 2)
			work->places[i].reg = NO_REGISTER;
}

/* What has become of each. */
static void follow(struct work *work)
{
	const struct class_hits *in = work->in;

	memset(work->ends, 0, in->n);
	work->turn++;
	for (size_t i = 0; i < in->n; i++) {
		struct slot *slot;

		see_death(work, i);
		if (!is_birth(work, i))
			continue;
		slot = newborn(work, i);
		if (slot->birth)
			work->ends[slot->birth - 1] = true;
		slot->birth = (uint32_t)i + 1;
	}
	for (size_t i = 0; i <= work->mask; i++) {
		const struct slot *slot = &work->slots[i];

		if (slot->turn == work->turn && slot->birth &&
		    !in->holds(in->context, slot->object))
			work->ends[slot->birth - 1] = true;
	}
}

static struct watch_hits_site *site_of(struct class_births *births, uint32_t site)
{
	for (size_t i = 0; i < births->n_sites; i++)
		if (births->sites[i].site == site)
			return &births->sites[i];
	births->sites[births->n_sites] = (struct watch_hits_site){.site = site};
	return &births->sites[births->n_sites++];
}

static int sum_up(struct class_births *births, const struct work *work, struct err *err)
{
	const struct class_hits *in = work->in;
	int64_t stay, steps = 0;

	births->sites = calloc(in->n + 1, sizeof(*births->sites));
	if (!births->sites)
		return err_set(err, ERR_FAILED, "no memory for the hits of a class");
	for (size_t i = 0; i < in->n; i++) {
		struct watch_hits_site *site;

		steps += in->hits[i].step;
		births->died += is_death(in, i);
		if (!is_birth(work, i))
			continue;
		births->made++;
		if (in->hits[i].time_ns > in->until_ns)
			continue;
		site = site_of(births, in->hits[i].site);
		site->inserted++;
		site->removed += work->ends[i];
	}
	stay = (int64_t)births->made - (int64_t)births->died;
	births->others = steps - stay;
	births->known = births->made &&
			llabs(births->others) <= OTHERS_TOLERATED + llabs(stay) / OTHERS_SHARE;
	return 0;
}

int class_births_find(struct class_births *births, const struct class_hits *hits, struct err *err)
{
	struct work work = {.in = hits, .mask = 1};
	int result = -ERR_FAILED;

	memset(births, 0, sizeof(*births));
	while (work.mask < 4 * hits->n)
		work.mask = 2 * work.mask;
	work.slots = calloc(work.mask--, sizeof(*work.slots));
	work.place_of = calloc(hits->n + 1, 1);
	work.ends = calloc(hits->n + 1, 1);
	if (!work.slots || !work.place_of || !work.ends)
		err_set(err, ERR_FAILED, "no memory for the hits of a class");
	else
		result = find_places(&work, err);
	if (!result) {
		find_registers(&work);
		drop_seconds(&work);
		follow(&work);
		result = sum_up(births, &work, err);
	}
	free(work.slots);
	free(work.place_of);
	free(work.ends);
	return result;
}

void class_births_fini(struct class_births *births)
{
	free(births->sites);
}
