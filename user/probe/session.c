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

#include "abi/facts.h"
#include "probe/facts.h"
#include "probe/session_impl.h"
#include "probe/uprobe_multi.h"
#include "pyleaktrace.skel.h"

/* chunks of frames in the pool per site, on average: real stacks have 10 to 40 Python frames, and as many C frames */
#define CHUNKS_PER_SITE        4
#define CHUNKS_PER_NATIVE_SITE 7

static int print_quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int print_all(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, args);
}

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

static void fill_rodata(struct session *session, const struct session_options *options,
			const struct abi_python *python)
{
	struct abi_facts *facts = (struct abi_facts *)&session->skel->rodata->facts;

	facts->tgid = (uint32_t)session->process->pid;
	facts->domains = session->plan->domains;
	facts->min_size = options->min_size;
	facts->max_size = options->max_size;
	facts->max_sites = session->max_sites;
	facts->max_chunks = session->max_chunks;
	facts->code_frees = session->plan->code_frees;
	facts->native = session->code != NULL;
	facts->loader_state = session->loader.state;
	facts->by_thread = options->by_thread;
	facts->split = session->split;
	facts->small_max = session->plan->small_max;
	facts->pool_size = session->plan->pool_size;
	facts->python = *python;
}

/*
 * The accounts stay empty. The maps that the program writes are filled beforehand: before 6.1 a program on a perf
 * event may not have elements made.
 */
static int size_for_watchpoints(struct pyleaktrace_bpf *skel)
{
	int result = bpf_map__set_max_entries(skel->maps.blocks, 1);

	if (!result)
		result = bpf_map__set_max_entries(skel->maps.mappings, 1);
	if (!result)
		result = bpf_map__set_max_entries(skel->maps.free_sites, 1);
	if (!result)
		result = bpf_map__set_max_entries(skel->maps.threads, SESSION_WATCH_THREADS);
	if (!result)
		result = bpf_map__set_map_flags(skel->maps.threads, 0);
	return result ? result : bpf_map__set_map_flags(skel->maps.stacks, 0);
}

static int size_maps(struct session *session, const struct session_options *options,
		     struct err *err)
{
	struct pyleaktrace_bpf *skel = session->skel;
	int result;

	session->max_sites = options->max_stacks + ABI_FIRST_SITE;
	session->max_chunks =
		session->max_sites * (session->code ? CHUNKS_PER_NATIVE_SITE : CHUNKS_PER_SITE);
	if (bpf_map__set_max_entries(skel->maps.blocks, options->max_blocks) ||
	    bpf_map__set_max_entries(skel->maps.stacks, session->max_sites) ||
	    bpf_map__set_max_entries(skel->maps.sites, session->max_sites) ||
	    bpf_map__set_max_entries(skel->maps.frames, session->max_chunks))
		return err_set(err, ERR_FAILED, "the maps cannot be sized: %s", strerror(errno));
	if (session->n_watched) {
		result = size_for_watchpoints(skel);
		if (result)
			return err_set(err, ERR_FAILED, "the maps cannot be sized: %s",
				       strerror(-result));
	}
	if (!session->code)
		return 0;
	code_tables_size(session->code, &session->code_maps.size);
	if (bpf_map__set_max_entries(skel->maps.code_pages, session->code_maps.size.pages) ||
	    bpf_map__set_max_entries(skel->maps.code_rows, session->code_maps.size.row_blocks) ||
	    bpf_map__set_max_entries(skel->maps.code_rules, session->code_maps.size.rules))
		return err_set(err, ERR_FAILED, "the maps cannot be sized: %s", strerror(errno));
	return 0;
}

static void choose_programs(struct session *session)
{
	struct pyleaktrace_bpf *skel = session->skel;
	bool mappings = session->plan->domains & 1u << ABI_MMAP;
	struct bpf_program *const syscalls[] = {
		skel->progs.on_enter_mmap,   skel->progs.on_enter_munmap,
		skel->progs.on_enter_mremap, skel->progs.on_exit_mapping,
		skel->progs.on_syscall,
	};
	struct bpf_program *const probes[] = {
		skel->progs.on_entry,
		skel->progs.on_return,
		skel->progs.on_nothing,
	};

	for (size_t i = 0; i < sizeof(syscalls) / sizeof(syscalls[0]); i++)
		bpf_program__set_autoload(syscalls[i], mappings);
	bpf_program__set_autoload(skel->progs.on_loader, session->have_loader);
	bpf_program__set_autoload(skel->progs.on_watchpoint, session->n_watched > 0);
	bpf_program__set_autoload(skel->progs.on_moment, session->n_watched && session->moments);
	bpf_program__set_autoload(skel->progs.on_entry, !session->n_watched);
	bpf_program__set_autoload(skel->progs.on_return, !session->n_watched);
	bpf_program__set_autoload(skel->progs.on_fork, session->multi);
	bpf_program__set_autoload(skel->progs.on_nothing, session->multi);
	for (size_t i = 0; session->multi && i < sizeof(probes) / sizeof(probes[0]); i++)
		bpf_program__set_expected_attach_type(probes[i], UPROBE_MULTI_ATTACH_TYPE);
}

static int load(struct session *session, struct err *err)
{
	struct pyleaktrace_bpf *skel = session->skel;
	int result = pyleaktrace_bpf__load(skel);

	if (result == -EPERM)
		return err_set(err, ERR_PERMISSION,
			       "the kernel does not permit loading the BPF program (lockdown, or "
			       "missing CAP_BPF)");
	if (result)
		return err_set(err, ERR_KERNEL,
			       "the kernel refuses the BPF program: %s (-v shows why)",
			       strerror(-result));
	session->events = ring_buffer__new(bpf_map__fd(skel->maps.events), on_event, session, NULL);
	session->sites = map_array(skel->maps.sites, PROT_READ | PROT_WRITE);
	session->frames = map_array(skel->maps.frames, PROT_READ);
	session->free_sites = map_array(skel->maps.free_sites, PROT_READ | PROT_WRITE);
	if (!session->events || !session->sites || !session->frames || !session->free_sites ||
	    !map_code(session))
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
	libbpf_set_print(options->verbose ? print_all : print_quiet);
	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11 charge maps to it */
	session = calloc(1, sizeof(*session));
	if (!session)
		return err_set(err, ERR_FAILED, "out of memory");
	session->process = process;
	session->plan = plan;
	session->wait_status = -1;
	session->code = options->code;
	/* of a container that is watched without C frames no news of code is of use */
	session->have_loader = (options->code || !options->n_watchpoints) &&
			       loader_find(&session->loader, process->pid);
	session->multi = options->multi && !options->n_watchpoints;
	for (unsigned part = 0; part < ABI_PARTS; part++)
		session->parts[part].links.multi = session->multi;
	session->by_parts = options->by_parts;
	session->split = plan->split;
	pthread_mutex_init(&session->sweeping, NULL);
	session->watched = options->watchpoints;
	session->n_watched = options->n_watchpoints;
	session->moments = options->moments;
	session->skel = pyleaktrace_bpf__open();
	if (!session->skel) {
		pthread_mutex_destroy(&session->sweeping);
		free(session);
		return err_set(err, ERR_KERNEL, "the BPF object cannot be opened: %s",
			       strerror(errno));
	}
	result = size_maps(session, options, err);
	if (!result) {
		fill_rodata(session, options, &python);
		choose_programs(session);
		result = load(session, err);
	}
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
	if (session->skel->bss)
		session_detach(session, NULL);
	unmap_array(session->sites, session->skel->maps.sites);
	unmap_array(session->frames, session->skel->maps.frames);
	unmap_array(session->free_sites, session->skel->maps.free_sites);
	unmap_code(session);
	ring_buffer__free(session->events);
	loader_close(&session->loader);
	pyleaktrace_bpf__destroy(session->skel);
	pthread_mutex_destroy(&session->sweeping);
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

/* The kernel states a map's memory in its fdinfo. */
static uint64_t map_bytes(const struct bpf_map *map)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	info = fopen(path, "re");
	if (!info)
		return 0;
	while (fgets(line, sizeof(line), info))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(info);
	return bytes;
}

uint64_t session_maps_bytes(const struct session *session)
{
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, session->skel->obj) sum += map_bytes(map);
	return sum;
}

void session_print_maps(FILE *out, const struct session *session)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, session->skel->obj)
		fprintf(out, "  map %-16s %9u entries at most, %8.1f MiB now\n", bpf_map__name(map),
			bpf_map__max_entries(map), (double)map_bytes(map) / (1 << 20));
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

/* ---- watchpoints ---------------------------------------------------------------------------------------- */

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

void session_allow(struct session *session, uint64_t hits, uint64_t moments)
{
	__atomic_store_n(&session->skel->bss->watch_allowance, hits, __ATOMIC_RELEASE);
	__atomic_store_n(&session->skel->bss->moments.allowed, moments, __ATOMIC_RELEASE);
}

uint64_t session_watch_moments(const struct session *session)
{
	return __atomic_load_n(&session->skel->bss->moments.at_string, __ATOMIC_RELAXED);
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
