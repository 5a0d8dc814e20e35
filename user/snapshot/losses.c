/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/losses.h"

#include "abi/counters.h"

static const struct {
	enum abi_counter counter;
	const char *name, *sentence;
} kernel_losses[] = {{ABI_COUNT_MISSED_FREES, "missed_frees",
		      "blocks were still outstanding when their address was given out again: a "
		      "free was not seen (repaired)"},
#define X(id, name, sentence) {ABI_COUNT_##id, name, sentence},
		     ABI_LOSSES(X)
#undef X
};

#define N_KERNEL (sizeof(kernel_losses) / sizeof(kernel_losses[0]))

static void add(struct loss *losses, size_t *n, const char *name, const char *sentence,
		uint64_t count)
{
	if (count)
		losses[(*n)++] = (struct loss){name, sentence, count};
}

void losses_fill(struct profile *profile, const uint64_t *counts,
		 const struct symbolizer_losses *names)
{
	struct loss *losses = profile_alloc(profile, (N_KERNEL + 2) * sizeof(*losses));
	size_t n = 0;

	for (size_t i = 0; i < N_KERNEL; i++)
		add(losses, &n, kernel_losses[i].name, kernel_losses[i].sentence,
		    counts[kernel_losses[i].counter]);
	add(losses, &n, "names_unreadable",
	    "frames have no name: their code object could not be read any more", names->unreadable);
	add(losses, &n, "names_replaced",
	    "frames have no name: their code object had been replaced before it was read",
	    names->replaced);
	profile->losses = losses;
	profile->n_losses = n;
}
