/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "abi/facts.h"
#include "probe/features.h"
#include "probe/load_log.h"
#include "probe/session_impl.h"
#include "probe/uprobe_multi.h"
#include "pyleaktrace.skel.h"

/* chunks of frames in the pool per site, on average: real stacks have 10 to 40 Python frames, and
 * as many C frames */
#define CHUNKS_PER_SITE        4
#define CHUNKS_PER_NATIVE_SITE 7

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
	facts->loader_version = session->loader.version;
	facts->by_thread = options->by_thread;
	facts->split = session->split;
	facts->small_max = session->plan->small_max;
	facts->pool_size = session->plan->pool_size;
	facts->python = *python;
}

/*
 * The accounts stay empty. The maps that the program writes are filled beforehand: before 6.1 a
 * program on a perf event may not have elements made.
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

/* All their elements are there from the start (features_must_preallocate()). */
static int preallocate(struct session *session)
{
	struct pyleaktrace_bpf *skel = session->skel;
	struct bpf_map *const maps[] = {skel->maps.blocks, skel->maps.mappings, skel->maps.threads,
					skel->maps.stacks};
	int result = bpf_map__set_max_entries(skel->maps.threads, SESSION_WATCH_THREADS);

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]) && !result; i++)
		result = bpf_map__set_map_flags(maps[i], 0);
	return result;
}

static int size_maps(struct session *session, const struct session_options *options,
		     struct err *err)
{
	struct pyleaktrace_bpf *skel = session->skel;
	bool keep_each = false;
	int result;

	for (unsigned i = 0; i < session->n_watched; i++)
		keep_each |= session->watched[i].each;
	session->max_sites = options->max_stacks + ABI_FIRST_SITE;
	session->max_chunks =
		session->max_sites * (session->code ? CHUNKS_PER_NATIVE_SITE : CHUNKS_PER_SITE);
	if (bpf_map__set_max_entries(skel->maps.blocks, options->max_blocks) ||
	    bpf_map__set_max_entries(skel->maps.stacks, session->max_sites) ||
	    bpf_map__set_max_entries(skel->maps.sites, session->max_sites) ||
	    bpf_map__set_max_entries(skel->maps.frames, session->max_chunks) ||
	    (keep_each && bpf_map__set_max_entries(skel->maps.class_hits, ABI_CLASS_HITS)))
		return err_set(err, ERR_FAILED, "the maps cannot be sized: %s", strerror(errno));
	result = features_must_preallocate() ? preallocate(session) : 0;
	if (!result && session->n_watched)
		result = size_for_watchpoints(skel);
	if (result)
		return err_set(err, ERR_FAILED, "the maps cannot be sized: %s", strerror(-result));
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
	bpf_program__set_autoload(skel->progs.on_string_op,
				  session->n_watched && session->string_ops);
	bpf_program__set_autoload(skel->progs.on_entry, !session->n_watched);
	bpf_program__set_autoload(skel->progs.on_return, !session->n_watched);
	bpf_program__set_autoload(skel->progs.on_fork, session->multi);
	bpf_program__set_autoload(skel->progs.on_nothing, session->multi);
	for (size_t i = 0; session->multi && i < sizeof(probes) / sizeof(probes[0]); i++)
		bpf_program__set_expected_attach_type(probes[i], UPROBE_MULTI_ATTACH_TYPE);
}

/*
 * For tests: have the verifier refuse a program, as older and newer ones do;
 * PYLEAKTRACE_WITHOUT=all_load: always; native_load: with C frames. To the filter of a socket it
 * denies nearly all helpers.
 */
static void spoil(struct session *session)
{
	const char *list = getenv("PYLEAKTRACE_WITHOUT");

	if (list && strstr(list, session->code ? "load" : "all_load"))
		bpf_program__set_type(session->n_watched ? session->skel->progs.on_watchpoint
							 : session->skel->progs.on_return,
				      BPF_PROG_TYPE_SOCKET_FILTER);
}

/* Open the object and load it, as it is for this target, with C frames if session->code has the
 * tables for them. */
static int load(struct session *session, const struct session_options *options,
		const struct abi_python *python, struct load_log *log, struct err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .kernel_log_buf = log->text,
		    .kernel_log_size = LOAD_LOG_BYTES,
		    .kernel_log_level = load_log_level(features_kernel()));
	char reason[2 * LOAD_LOG_LINE];
	int result;

	session->skel = pyleaktrace_bpf__open_opts(&opts);
	if (!session->skel)
		return err_set(err, load_log_code(log, errno),
			       "the BPF object cannot be opened: %s%s", strerror(errno),
			       err_remedy(errno));
	result = size_maps(session, options, err);
	if (result)
		return result;
	fill_rodata(session, options, python);
	choose_programs(session);
	spoil(session);
	result = pyleaktrace_bpf__load(session->skel);
	if (!result)
		return 0;
	load_log_reason(log, -result, reason, sizeof(reason));
	if (options->verbose)
		load_log_tail(log, stderr);
	if (options->refusals)
		load_log_tail(log, options->refusals);
	return err_set(err, load_log_code(log, -result), "%s%s", reason,
		       features_jit() || load_log_code(log, -result) != ERR_KERNEL
			       ? ""
			       : "; the kernel's JIT compiler for BPF is off: sysctl -w "
				 "net.core.bpf_jit_enable=1");
}

int session_load(struct session *session, const struct session_options *options,
		 const struct abi_python *python, struct err *err)
{
	struct load_log log;
	int result;

	if (!load_log_begin(&log, options->verbose))
		return err_set(err, ERR_FAILED, "out of memory");
	result = load(session, options, python, &log, err);
	load_log_end(&log);
	if (result != -ERR_KERNEL || !session->code || !log.program[0])
		return result;
	if (err)
		snprintf(session->no_native, sizeof(session->no_native), "%.200s", err->text);
	pyleaktrace_bpf__destroy(session->skel);
	session->skel = NULL;
	session->code = NULL;
	if (!load_log_begin(&log, options->verbose))
		return err_set(err, ERR_FAILED, "out of memory");
	result = load(session, options, python, &log, err);
	load_log_end(&log);
	return result;
}
