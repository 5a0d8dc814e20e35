/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe/facts.h"
#include "probe/features.h"
#include "probe/map_memory.h"
#include "probe/session_events.h"
#include "probe/session_impl.h"
#include "probe/session_maps.h"
#include "pyleaktrace.skel.h"

static int on_event(void *context, void *data, size_t size)
{
	struct session *session = context;
	const struct abi_event *event = data;

	if (size < sizeof(*event))
		return 0;
	switch (event->kind) {
	case ABI_EVENT_EXEC:
		session->execed = true;
		break;
	case ABI_EVENT_EXIT:
		session->wait_status = (int)event->value;
		break;
	case ABI_EVENT_CODE:
		session->wants_code = true;
		break;
	case ABI_EVENT_OVER:
		session->watch_over = true;
		session->watch_slow = event->value != 0;
		break;
	case ABI_EVENT_SITE:
		if (session->on_site)
			session->on_site(session->on_site_context, event->value);
	}
	return 0;
}

static size_t page_up(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) & ~(page - 1);
}

static size_t array_bytes(const struct bpf_map *map)
{
	return page_up((size_t)bpf_map__max_entries(map) * bpf_map__value_size(map));
}

static void *map_array(const struct bpf_map *map, int protection)
{
	void *at = mmap(NULL, array_bytes(map), protection, MAP_SHARED, bpf_map__fd(map), 0);

	return at == MAP_FAILED ? NULL : at;
}

static void unmap_array(void *at, const struct bpf_map *map)
{
	if (at)
		munmap(at, array_bytes(map));
}

/* Have the maps of the unwind tables in our memory, and fill them. */
static bool map_code(struct session *session)
{
	struct pyleaktrace_bpf *skel = session->skel;
	const int both = PROT_READ | PROT_WRITE;
	struct code_tables_maps *maps = &session->code_maps;

	if (!session->code)
		return true;
	maps->ranges = map_array(skel->maps.code_ranges, both);
	maps->pages = map_array(skel->maps.code_pages, both);
	maps->rows = map_array(skel->maps.code_rows, both);
	maps->rules = map_array(skel->maps.code_rules, both);
	maps->state = &skel->bss->code_state;
	if (!maps->ranges || !maps->pages || !maps->rows || !maps->rules)
		return false;
	session_publish_code(session, true);
	return true;
}

static void unmap_code(struct session *session)
{
	struct code_tables_maps *maps = &session->code_maps;

	unmap_array(maps->ranges, session->skel->maps.code_ranges);
	unmap_array(maps->pages, session->skel->maps.code_pages);
	unmap_array(maps->rows, session->skel->maps.code_rows);
	unmap_array(maps->rules, session->skel->maps.code_rules);
}

/* Have the maps that are written and read all the time in our memory. */
static int map_all(struct session *session, struct err *err)
{
	struct pyleaktrace_bpf *skel = session->skel;

	session->events = ring_buffer__new(bpf_map__fd(skel->maps.events), on_event, session, NULL);
	session->sites = map_array(skel->maps.sites, PROT_READ | PROT_WRITE);
	session->frames = map_array(skel->maps.frames, PROT_READ);
	session->free_sites = map_array(skel->maps.free_sites, PROT_READ | PROT_WRITE);
	session->class_hits = map_array(skel->maps.class_hits, PROT_READ);
	if (!session->events || !session->sites || !session->frames || !session->free_sites ||
	    !session->class_hits || !map_code(session))
		return err_set(err, ERR_FAILED, "the maps cannot be read: %s", strerror(errno));
	return 0;
}

int session_open(struct session **out, const struct process *process,
		 const struct py_runtime *runtime, const struct plan *plan,
		 const struct session_options *options, struct err *err)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct abi_python python;
	struct session *session;
	int result;

	*out = NULL;
	result = facts_fill(&python, runtime, err);
	if (result)
		return result;
	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11 charge maps to it */
	session = calloc(1, sizeof(*session));
	if (!session)
		return err_set(err, ERR_FAILED, "out of memory");
	session->process = process;
	session->plan = plan;
	session->wait_status = -1;
	session->code = options->code;
	/* news of code is not needed for a container that is watched without C frames */
	session->have_loader = (options->code || !options->n_watchpoints) &&
			       loader_find(&session->loader, process->pid);
	session->multi = options->multi && !options->n_watchpoints;
	for (unsigned part = 0; part < ABI_PARTS; part++)
		session->parts[part].links.multi = session->multi;
	session->by_parts = options->by_parts;
	session->split = plan->split;
	lock_init(&session->sweeping, LOCK_RANK_SWEEPING);
	session->watched = options->watchpoints;
	session->n_watched = options->n_watchpoints;
	session->aim = options->aim;
	session->context = options->context;
	session->string_ops = options->string_ops;
	result = session_load(session, options, &python, err);
	if (!result)
		result = map_all(session, err);
	if (result) {
		session_close(session);
		return result;
	}
	*out = session;
	return 0;
}

void session_close(struct session *session)
{
	if (!session)
		return;
	if (session->skel) {
		if (session->skel->bss)
			session_detach(session, NULL);
		unmap_array(session->sites, session->skel->maps.sites);
		unmap_array(session->frames, session->skel->maps.frames);
		unmap_array(session->free_sites, session->skel->maps.free_sites);
		unmap_array(session->class_hits, session->skel->maps.class_hits);
		unmap_code(session);
	}
	ring_buffer__free(session->events);
	loader_close(&session->loader);
	pyleaktrace_bpf__destroy(session->skel);
	lock_destroy(&session->sweeping);
	free(session);
}

bool session_active(const struct session *session)
{
	return __atomic_load_n(&session->skel->bss->active, __ATOMIC_ACQUIRE) != 0;
}

bool session_execed(const struct session *session)
{
	return session->execed;
}

int session_wait_status(const struct session *session)
{
	return session->wait_status;
}

const char *session_no_native(const struct session *session)
{
	return session->no_native[0] ? session->no_native : NULL;
}

void session_look(const struct session *session, struct session_view *view)
{
	uint32_t n = session->skel->bss->next_site;

	view->blocks_fd = bpf_map__fd(session->skel->maps.blocks);
	view->mappings_fd = bpf_map__fd(session->skel->maps.mappings);
	view->threads_fd = bpf_map__fd(session->skel->maps.threads);
	view->sites = session->sites;
	view->frames = session->frames;
	view->max_sites = session->max_sites;
	view->max_chunks = session->max_chunks;
	view->n_sites = n < session->max_sites ? n : session->max_sites;
}

int session_counters(const struct session *session, uint64_t *counts)
{
	int n_cpus = libbpf_num_possible_cpus();
	uint64_t *values;
	uint32_t zero = 0;
	int result = -1;

	memset(counts, 0, ABI_COUNTERS * sizeof(*counts));
	if (n_cpus <= 0)
		return -1;
	values = calloc((size_t)n_cpus, ABI_COUNTERS * sizeof(*values));
	if (values &&
	    bpf_map_lookup_elem(bpf_map__fd(session->skel->maps.counts), &zero, values) == 0) {
		for (int cpu = 0; cpu < n_cpus; cpu++)
			for (unsigned i = 0; i < ABI_COUNTERS; i++)
				counts[i] += values[(size_t)cpu * ABI_COUNTERS + i];
		result = 0;
	}
	free(values);
	return result;
}

uint64_t session_maps_bytes(const struct session *session)
{
	unsigned kernel = features_kernel();
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, session->skel->obj) sum +=
		map_memory(bpf_map__fd(map), kernel);
	return sum;
}

void session_print_maps(FILE *out, const struct session *session)
{
	unsigned kernel = features_kernel();
	struct bpf_map *map;

	bpf_object__for_each_map(map, session->skel->obj)
		fprintf(out, "  map %-16s %9u entries at most, %8.1f MiB now\n", bpf_map__name(map),
			bpf_map__max_entries(map),
			(double)map_memory(bpf_map__fd(map), kernel) / (1 << 20));
}

void session_read_code(struct session *session)
{
	session->wants_code = false;
	session->code_gone = __atomic_load_n(&session->skel->bss->code_gone, __ATOMIC_SEQ_CST);
}

void session_publish_code(struct session *session, bool changed)
{
	if (changed && session->code)
		code_tables_publish(session->code, &session->code_maps);
	if (changed)
		__atomic_store_n(&session->skel->bss->code_wanted, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&session->skel->bss->code_known, session->code_gone, __ATOMIC_SEQ_CST);
}

bool session_wants_code(const struct session *session)
{
	return session->wants_code;
}

int session_events_fd(const struct session *session)
{
	return ring_buffer__epoll_fd(session->events);
}

int session_events(struct session *session, void (*on_site)(void *context, uint32_t site),
		   void *context)
{
	int n;

	session->on_site = on_site;
	session->on_site_context = context;
	n = ring_buffer__consume(session->events);
	session->on_site = NULL;
	return n < 0 ? 0 : n;
}

bool session_multi(const struct session *session)
{
	return session->multi;
}

struct bpf_program *session_program(const struct session *session, bool returns)
{
	return returns ? session->skel->progs.on_return : session->skel->progs.on_entry;
}
