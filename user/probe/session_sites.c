/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/session_sites.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/facts.h"
#include "probe/session_impl.h"
#include "pyleaktrace.skel.h"

static const volatile struct abi_site *site_at(const struct session *session, uint32_t id)
{
	return (const volatile struct abi_site *)session->sites + id;
}

bool session_site_hide(struct session *session, uint32_t site)
{
	int fd = bpf_map__fd(session->skel->maps.stacks);
	uint64_t hash = site_at(session, site)->hash;
	uint32_t listed;

	/* another site may stand there: of the same stack, which was seen when this one was
	 * hidden */
	return hash && !bpf_map_lookup_elem(fd, &hash, &listed) && listed == site &&
	       !bpf_map_delete_elem(fd, &hash);
}

void session_site_show(struct session *session, uint32_t site)
{
	uint64_t hash = site_at(session, site)->hash;

	if (hash)
		bpf_map_update_elem(bpf_map__fd(session->skel->maps.stacks), &hash, &site,
				    BPF_NOEXIST);
}

bool session_wait_grace_period(void)
{
	/* programs on uprobes, tracepoints and perf events run under rcu_read_lock(), and this is
	 * synchronize_rcu() */
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
}

void session_site_clear(struct session *session, uint32_t site)
{
	struct abi_site *cleared = (struct abi_site *)session->sites + site;

	*cleared = (struct abi_site){.first_chunk = cleared->first_chunk,
				     .n_chunks = cleared->n_chunks};
}

void session_sites_taken(struct session *session, void (*see)(void *context, uint32_t site),
			 void *context)
{
	for (uint32_t class = 0; class < ABI_FREE_CLASSES; class ++) {
		struct free_class *seen = &session->free_classes[class];
		const struct abi_free_ring *ring = &session->skel->bss->free_rings[class];
		uint32_t taken = __atomic_load_n(&ring->taken, __ATOMIC_ACQUIRE);
		uint32_t missed = __atomic_load_n(&ring->missed, __ATOMIC_ACQUIRE);

		for (; seen->taken != taken; seen->taken++)
			see(context, (uint32_t)session->free_sites[class * ABI_FREE_ROOM +
								   seen->taken % ABI_FREE_ROOM]);
		seen->wanted = missed - seen->missed;
		seen->missed = missed;
	}
}

bool session_sites_missed(const struct session *session)
{
	for (uint32_t class = 0; class < ABI_FREE_CLASSES; class ++)
		if (__atomic_load_n(&session->skel->bss->free_rings[class].missed,
				    __ATOMIC_RELAXED) != session->free_classes[class].missed)
			return true;
	return false;
}

/* For stacks of its own length, if there was no want of room for shorter ones only. */
static uint32_t class_for(const struct session *session, uint32_t n_chunks)
{
	for (uint32_t class = n_chunks; class > 0; class --)
		if (session->free_classes[class].wanted)
			return class;
	return n_chunks;
}

bool session_site_free(struct session *session, uint32_t site)
{
	uint32_t n_chunks = site_at(session, site)->n_chunks, class;
	struct abi_free_ring *ring;

	if (n_chunks == 0 || n_chunks >= ABI_FREE_CLASSES)
		return false;
	class = class_for(session, n_chunks);
	ring = &session->skel->bss->free_rings[class];
	if (ring->put - session->free_classes[class].taken >= ABI_FREE_ROOM)
		return false;
	session->free_sites[class * ABI_FREE_ROOM + ring->put % ABI_FREE_ROOM] = site;
	__atomic_store_n(&ring->put, ring->put + 1, __ATOMIC_RELEASE);
	if (session->free_classes[class].wanted)
		session->free_classes[class].wanted--;
	return true;
}
