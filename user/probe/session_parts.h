/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session_parts: parts of a session with session_options.by_parts, which are switched on and off
 * one by one.
 *
 * Place      layer 3; the governor switches them.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_PARTS_H
#define PYLEAKTRACE_PROBE_SESSION_PARTS_H

#include "probe/session.h"

/* Are malloc and objects two parts (enum abi_part)? Else there is ABI_PART_NATIVE alone, which has
 * everything. */
bool session_split(const struct session *session);

/*
 * Have the probes of a part in place, and the target steered. Nothing is recorded by that. With
 * plan.switchable part object costs the steering alone: its probes are there from session_attach()
 * on, and nothing hits them.
 *
 * After an error the part is off.
 */
int session_part_on(struct session *session, enum abi_part part, struct err *err);

/* Recording ends, if it has not; then the same backwards. 0, or the error of the steering; the part
 * is off. */
int session_part_off(struct session *session, enum abi_part part, struct err *err);

/*
 * The target hits the probes of a part that is off, and pays for it: they are taken out, and from
 * now on they are there only while the part is on.
 */
void session_part_detach_idle(struct session *session, enum abi_part part);

/*
 * Recording begins or ends, at one moment for all threads. At the start all blocks and calls of the
 * part that are still known become void.
 *
 * return the moment, CLOCK_MONOTONIC: of the start, no block is older; of the end, no block is
 *        younger, except by the time that a hit takes which had begun before
 */
uint64_t session_record(struct session *session, enum abi_part part, bool on);

/*
 * From here on only a sample of the blocks of a domain is recorded, by bytes: a point every 2^shift
 * bytes on the average (bpf/sample.bpf.h). shift: 0: all are; at most ABI_SAMPLE_SHIFT_MAX. Blocks
 * that are known stay so.
 */
void session_set_sampling(struct session *session, unsigned domain, unsigned shift);

/*
 * From here on blocks of these sizes are not recorded in a domain: they cost their traps alone.
 *
 * in  classes: a bit for each (abi/sizes.h); none at the start
 */
void session_skip_sizes(struct session *session, unsigned domain, uint64_t classes);

#endif
