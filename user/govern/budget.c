/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/budget.h"

#include <math.h>

/* seconds over which the income is averaged */
#define INCOME_S 2.0

void budget_init(struct budget *budget, double ceiling, double least_cap)
{
	*budget = (struct budget){.ceiling = ceiling * BUDGET_SHARE, .least_cap = least_cap};
}

static double within(double value, double least, double most)
{
	return value < least ? least : value > most ? most : value;
}

void budget_pass(struct budget *budget, double wall_ns, double cpu_ns, double cost_ns)
{
	double own = cpu_ns > cost_ns ? cpu_ns - cost_ns : 0, earned, cap, keep;

	if (!(wall_ns > 0))
		return;
	earned = fmax(budget->ceiling * own, BUDGET_FLOOR * wall_ns);
	keep = exp(-wall_ns / 1e9 / INCOME_S);
	budget->income = keep * budget->income + (1 - keep) * earned / (wall_ns / 1e9);
	cap = fmax(BUDGET_SAVED_S * budget->income, budget->least_cap);
	budget->level = within(budget->level + earned - BUDGET_CAUTION * cost_ns, -cap, cap);
}
