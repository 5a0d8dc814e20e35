/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session_watch: the watchpoints of a session that has some (session_options.watchpoints), and
 * nothing else.
 *
 * Place      layer 3; containers/container_watch is its user.
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_WATCH_H
#define PYLEAKTRACE_PROBE_SESSION_WATCH_H

#include "probe/session.h"

/* What BPF knows of watchpoint i: changes while one looks. */
const volatile struct abi_watch *session_watch(const struct session *session, unsigned i);

/*
 * Changes of the class that is watched (watchpoint.each), in order; more come while one looks.
 *
 * out    n: how many
 */
const struct abi_class_hit *session_class_hits(const struct session *session, size_t *n);

/*
 * The field had this value, read while its watchpoints were set: of use as long as no hit has been
 * seen, which knows better. return false: one has.
 */
bool session_watch_begin(struct session *session, unsigned i, int64_t value);

/* Hits and samples that may be counted from the start on; at that many recording ends
 * (session_watch_over()). */
void session_allow(struct session *session, uint64_t hits, uint64_t string_ops);
bool session_watch_over(const struct session *session);
bool session_watch_slow(const struct session *session); /* it was the samples */

/* The watchpoints hit no more; what they counted stays readable until session_detach(). */
void session_watch_disarm(struct session *session);

/* What the processor's events counted, all threads together; false: it cannot be read. */
bool session_watch_events(const struct session *session, unsigned i, uint64_t *hits);

/* Samples in which the target moved or filled bytes in bulk, so far, ... */
uint64_t session_watch_string_ops(const struct session *session);
/* ... and how often its threads came or went; only while there are watchpoints. */
uint64_t session_watch_switches(const struct session *session);

/* The program of the watchpoints, for watch_cost_trap(). */
int session_watch_program(const struct session *session);

#endif
