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

void losses_add_names(struct profile *profile, const struct symbolizer_losses *names)
{
	const struct loss losses[] = {
		{"names_unreadable",
		 "frames have no name: their code object could not be read any more",
		 names->unreadable},
		{"names_replaced",
		 "frames have no name: their code object had been replaced before it was read",
		 names->replaced},
	};

	profile_add_losses(profile, losses, sizeof(losses) / sizeof(losses[0]));
}

void losses_fill(struct profile *profile, const uint64_t *counts,
		 const struct symbolizer_losses *names)
{
	struct loss losses[N_KERNEL];

	for (size_t i = 0; i < N_KERNEL; i++)
		losses[i] = (struct loss){kernel_losses[i].name, kernel_losses[i].sentence,
					  counts[kernel_losses[i].counter]};
	profile_add_losses(profile, losses, N_KERNEL);
	losses_add_names(profile, names);
}
