/* SPDX-License-Identifier: BSD-2-Clause
 *
 * max_blocks: the size of a target -> how many live blocks are to have room, where the user does
 * not say.
 *
 * One for 512 bytes of its memory. The map grows as it fills (but for 16 bytes an entry), so room
 * that is not used costs little. On kernels before 6.1 all of it is taken at the start
 * (features_must_preallocate()): there no more than MAX_BLOCKS_SHARE of the memory that the machine
 * has to spare.
 *
 * Place      trace; target_trace.c.
 * Source     proc(5): MemAvailable of /proc/meminfo.
 */
#ifndef PYLEAKTRACE_TRACE_MAX_BLOCKS_H
#define PYLEAKTRACE_TRACE_MAX_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_BLOCKS_LEAST (1u << 20)
#define MAX_BLOCKS_MOST  (1u << 24)

/* where it is taken at the start: 1/32 of what is available, within 8 MiB and 128 MiB or so */
#define MAX_BLOCKS_SHARE       32
#define MAX_BLOCKS_TAKEN_LEAST (1u << 16)
#define MAX_BLOCKS_TAKEN_MOST  (1u << 20)
#define MAX_BLOCKS_BYTES       120 /* that one takes of the map, its bucket included */

/* Pure. in  available: bytes, of a machine that takes it at the start; 0: not known */
uint32_t max_blocks_default(uint64_t rss_bytes, bool taken_at_start, uint64_t available);

/* Memory that the machine has to spare; 0: not known. */
uint64_t max_blocks_available(void);

#endif
