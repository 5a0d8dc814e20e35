/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/budget.h"

#include <math.h>

/* of the ceiling the part that is handed out: what is left is for uncounted costs (caches, page
 * faults) */
#define SHARE 0.8
/* what a cost is taken for: a hit takes more than its trap and its program (caches, the first hits
 * of a window); measured: 10 us are 15 */
#define CAUTION 1.5
/* seconds over which the income is averaged */
#define INCOME_S 2.0

static const struct {
	double part; /* of the income */
	/* the income of this many seconds is saved at most, or owed */
	double saved_s, owed_s;
} terms[BUDGET_USERS] = {
	[BUDGET_TRACING] = {.part = 0.7, .saved_s = 10, .owed_s = 10},
	/* a round, and the rest after it; one may cost more than that, where it cannot be measured
	 */
	[BUDGET_WATCHPOINTS] = {.part = 0.3, .saved_s = 20, .owed_s = 60},
};

double budget_allowed(double max_overhead)
{
	return max_overhead * SHARE / CAUTION;
}

double budget_floor(double max_overhead)
{
	return BUDGET_FLOOR * fmin(max_overhead / BUDGET_CEILING, 1);
}

double budget_allowed_of(double max_overhead, double cores)
{
	double allowed = budget_allowed(max_overhead), floor = budget_floor(max_overhead) / CAUTION;

	return cores > 0 && floor > allowed * cores ? floor / cores : allowed;
}

static double lately(struct budget *budget, const double *sum)
{
	double cores;

	lock_take(&budget->lock);
	cores = budget->known > 0 ? *sum / budget->known : 0;
	lock_release(&budget->lock);
	return cores;
}

double budget_used_cores(struct budget *budget)
{
	return lately(budget, &budget->used);
}

double budget_allowed_now(struct budget *budget)
{
	return budget_allowed_of(budget->max_overhead, lately(budget, &budget->own));
}

double budget_at_most(double measured_ns)
{
	return CAUTION * measured_ns;
}

void budget_init(struct budget *budget, double max_overhead)
{
	*budget = (struct budget){.max_overhead = max_overhead};
	lock_init(&budget->lock, LOCK_RANK_BUDGET);
}

void budget_fini(struct budget *budget)
{
	lock_destroy(&budget->lock);
}

static double number(double value)
{
	return isfinite(value) && value > 0 ? value : 0;
}

/* Of the income, while it is shared with those who have joined. */
static double part(const struct budget *budget, unsigned user)
{
	double all = 0;

	for (unsigned i = 0; i < BUDGET_USERS; i++)
		if (budget->accounts[i].joined)
			all += terms[i].part;
	return budget->accounts[user].joined ? terms[user].part / all : 0;
}

/* The income of this many seconds, or what may be spent at once. */
static double cap(const struct budget *budget, unsigned user, double seconds)
{
	return fmax(seconds * part(budget, user) * budget->income,
		    budget->accounts[user].least_cap);
}

/* Put it into the account, as far as there is room.  return the rest */
static double put(struct budget *budget, unsigned user, double ns)
{
	struct budget_account *account = &budget->accounts[user];
	double most = cap(budget, user, terms[user].saved_s), level = account->level + ns;

	account->level = fmin(fmax(level, -cap(budget, user, terms[user].owed_s)), most);
	return fmax(level - most, 0);
}

/* To all who have joined, by their parts; what one has no room for is the others'. */
static void distribute(struct budget *budget, double ns)
{
	double rest = 0;

	for (unsigned i = 0; i < BUDGET_USERS; i++)
		if (budget->accounts[i].joined)
			rest += put(budget, i, part(budget, i) * ns);
	for (unsigned i = 0; i < BUDGET_USERS; i++)
		if (budget->accounts[i].joined && rest > 0)
			rest = put(budget, i, rest);
}

void budget_join(struct budget *budget, enum budget_user user, double at_once_ns)
{
	lock_take(&budget->lock);
	budget->accounts[user].joined = true;
	budget->accounts[user].least_cap = CAUTION * number(at_once_ns);
	lock_release(&budget->lock);
}

void budget_leave(struct budget *budget, enum budget_user user)
{
	struct budget_account *account = &budget->accounts[user];
	double level;

	lock_take(&budget->lock);
	level = account->level;
	*account = (struct budget_account){.charged_ns = account->charged_ns};
	distribute(budget, level);
	lock_release(&budget->lock);
}

void budget_pass(struct budget *budget, double wall_ns, double cpu_ns)
{
	double own, earned, keep;

	wall_ns = number(wall_ns);
	if (!(wall_ns > 0))
		return;
	lock_take(&budget->lock);
	own = number(cpu_ns) - budget->uncounted_ns;
	/* a charge may come before the time in which it was made, but not by more than that */
	budget->uncounted_ns = fmin(fmax(-own, 0), wall_ns);
	earned = fmax(budget->max_overhead * SHARE * own,
		      budget_floor(budget->max_overhead) * wall_ns);
	keep = exp(-wall_ns / 1e9 / INCOME_S);
	budget->used = keep * budget->used + (1 - keep) * number(cpu_ns) / wall_ns;
	budget->own = keep * budget->own + (1 - keep) * fmax(own, 0) / wall_ns;
	budget->known = keep * budget->known + (1 - keep);
	budget->income = keep * budget->income + (1 - keep) * earned / (wall_ns / 1e9);
	distribute(budget, earned);
	lock_release(&budget->lock);
}

double budget_lease(struct budget *budget, enum budget_user user, double least_ns)
{
	struct budget_account *account = &budget->accounts[user];
	double ns;

	lock_take(&budget->lock);
	account->lease = fmax(account->level, 0);
	if (!(account->lease >= CAUTION * number(least_ns)))
		account->lease = 0;
	ns = account->lease / CAUTION;
	lock_release(&budget->lock);
	return ns;
}

void budget_return(struct budget *budget, enum budget_user user)
{
	lock_take(&budget->lock);
	budget->accounts[user].lease = 0;
	lock_release(&budget->lock);
}

bool budget_is_spent(struct budget *budget, enum budget_user user)
{
	bool spent;

	lock_take(&budget->lock);
	spent = !(budget->accounts[user].lease > 0);
	lock_release(&budget->lock);
	return spent;
}

void budget_charge(struct budget *budget, enum budget_user user, double measured_ns,
		   double bound_ns)
{
	struct budget_account *account = &budget->accounts[user];
	double taken = number(measured_ns) + number(bound_ns);
	double charge = CAUTION * number(measured_ns) + number(bound_ns);

	lock_take(&budget->lock);
	account->lease = fmax(account->lease - charge, 0);
	account->charged_ns += taken;
	budget->uncounted_ns += taken;
	put(budget, user, -charge);
	lock_release(&budget->lock);
}

double budget_charged(struct budget *budget, enum budget_user user)
{
	double ns;

	lock_take(&budget->lock);
	ns = budget->accounts[user].charged_ns;
	lock_release(&budget->lock);
	return ns;
}

double budget_level(struct budget *budget, enum budget_user user)
{
	double level;

	lock_take(&budget->lock);
	level = budget->accounts[user].level;
	lock_release(&budget->lock);
	return level;
}

double budget_level_s(struct budget *budget, enum budget_user user)
{
	double level_s;

	lock_take(&budget->lock);
	level_s = budget->income > 0 ? budget->accounts[user].level / budget->income : 0;
	lock_release(&budget->lock);
	return level_s;
}
