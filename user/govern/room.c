/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/room.h"

#include <math.h>

bool room_is_full(const struct room *room, uint64_t blocks)
{
	return (double)blocks > ROOM_FULL * room->most;
}

void room_counted(struct room *room, uint64_t blocks, uint64_t now_ns)
{
	double usual = room->most * ROOM_NS, wait = usual, grew = (double)blocks - room->counted,
	       left = fmax(room->most - (double)blocks, 0),
	       passed = (double)(now_ns - room->counted_ns);

	/* half of the time in which it would be full */
	if (grew > 0 && room->counted_ns)
		wait = fmin(usual, passed / grew * left / 2);
	room->counted = (double)blocks;
	room->counted_ns = now_ns;
	room->next_ns = now_ns + (uint64_t)fmax(wait, usual / ROOM_SOONER);
}
