/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/session_watch.h"

#include <bpf/libbpf.h>

#include "abi/facts.h"
#include "probe/session_impl.h"
#include "pyleaktrace.skel.h"

const volatile struct abi_watch *session_watch(const struct session *session, unsigned i)
{
	return &session->skel->bss->watches[i];
}

bool session_watch_begin(struct session *session, unsigned i, int64_t value)
{
	__s64 none = ABI_NOT_SEEN;

	return __atomic_compare_exchange_n(&session->skel->bss->watches[i].last, &none, value,
					   false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

const struct abi_class_hit *session_class_hits(const struct session *session, size_t *n)
{
	uint32_t seen = __atomic_load_n(&session->skel->bss->class_hits_seen, __ATOMIC_ACQUIRE);
	uint32_t room = bpf_map__max_entries(session->skel->maps.class_hits);

	*n = seen < room ? seen : room;
	return session->class_hits;
}

void session_allow(struct session *session, uint64_t hits, uint64_t string_ops)
{
	__atomic_store_n(&session->skel->bss->watch_allowance, hits, __ATOMIC_RELEASE);
	__atomic_store_n(&session->skel->bss->string_op_samples.allowed, string_ops,
			 __ATOMIC_RELEASE);
}

uint64_t session_watch_string_ops(const struct session *session)
{
	return __atomic_load_n(&session->skel->bss->string_op_samples.at_string, __ATOMIC_RELAXED);
}

uint64_t session_watch_switches(const struct session *session)
{
	return watchpoints_switches(session->watchpoints);
}

bool session_watch_over(const struct session *session)
{
	return session->watch_over;
}

bool session_watch_slow(const struct session *session)
{
	return session->watch_slow;
}

void session_watch_disarm(struct session *session)
{
	watchpoints_stop(session->watchpoints);
}

bool session_watch_events(const struct session *session, unsigned i, uint64_t *hits)
{
	return watchpoints_count(session->watchpoints, i, hits);
}

int session_watch_program(const struct session *session)
{
	return bpf_program__fd(session->skel->progs.on_watchpoint);
}
