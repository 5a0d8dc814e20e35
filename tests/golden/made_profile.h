/* SPDX-License-Identifier: BSD-2-Clause
 *
 * made_profile: profiles made by hand, for the tests of every view and export.
 *
 * made_profile("service")   a web service that leaks: every domain, kind of frame and part
 * made_profile("hostile")   the same with names that try to break out of every format
 * made_profile("estimated") sampled, with missed frees, killed by a signal
 * made_profile("empty")     nothing collected at all
 * made_profile("freed")     stacks, but nothing is outstanding any more
 * made_profile("wheels")    stacks of Python and C, of two threads, that lead into packages
 * made_profile("by-module") the same grouped; likewise by-line, by-function, by-thread, by-pid
 * made_profile("pids")      the same as two processes, of which one has ended, grouped by pid
 * made_profile("selected")  the same: only stacks with a frame of numpy or json, by module
 * made_profile("answered")  the service with a verdict, with every cause but one
 * made_profile("causes")    a server's leak with every cause; its own code is between others'
 * made_profile("too-early") the same with the other verdicts; likewise no-leak, growing,
 *                           fragmentation
 * made_profile("untraced")  nothing could be traced: notes, containers and types that grow
 *
 * All of them are sorted by size. made_names[] lists them.
 */
#ifndef PYLEAKTRACE_GOLDEN_MADE_PROFILE_H
#define PYLEAKTRACE_GOLDEN_MADE_PROFILE_H

#include <string.h>

#include "model/group.h"
#include "model/heap_types.h"
#include "model/heap_watch.h"
#include "model/profile.h"
#include "model/retention.h"
#include "model/trend.h"
#include "model/verdict.h"

static const char *const made_names[] = {
	"service", "hostile",     "estimated",     "empty",     "freed",  "wheels",
	"by-line", "by-function", "by-module",     "by-thread", "by-pid", "selected",
	"pids",    "below",       "untraced",      "answered",  "causes", "too-early",
	"no-leak", "growing",     "fragmentation", "whole",     NULL};

#define MADE_COPY(profile, array) made_copy(profile, array, sizeof(array))

static inline const void *made_copy(struct profile *profile, const void *array, size_t size)
{
	return memcpy(profile_alloc(profile, size), array, size);
}

static inline struct frame made_python(struct profile *profile, const char *function,
				       const char *file, uint32_t line)
{
	return (struct frame){.kind = FRAME_PYTHON,
			      .function = profile_str(profile, function, -1),
			      .file = profile_str(profile, file, -1),
			      .line = line};
}

static inline struct frame made_native(struct profile *profile, const char *function,
				       uint64_t offset, const char *module)
{
	return (struct frame){.kind = FRAME_NATIVE,
			      .function = profile_str(profile, function, -1),
			      .module = profile_str(profile, module, -1),
			      .offset = offset};
}

static inline struct frame made_gap(struct profile *profile, const char *why)
{
	return (struct frame){.kind = FRAME_GAP, .function = profile_str(profile, why, -1)};
}

static inline void made_target(struct profile *profile)
{
	static const char *const cmdline[] = {"python3.11", "-m", "app.web", "--port=8080"};

	profile->time = (struct timespec){1770127387, 123000000}; /* 2026-02-03 14:03:07 UTC */
	profile->duration_s = 61.7;
	profile->target.pid = 4242;
	profile->target.exe = "/usr/bin/python3.11";
	profile->target.cmdline = cmdline;
	profile->target.n_cmdline = 4;
	profile->target.python = "3.11.2";
	profile->target.implementation = "CPython";
	profile->target.threads = 9;
	profile->target.rss_bytes = 734003200;
	profile->mode.exact = true;
	profile->mode.steered = true;
	profile->mode.older_s = 0.5;
	for (int i = 0; i < DOMAIN_COUNT; i++)
		profile->mode.domains[i] = true;
}

static inline void made_cost(struct profile *profile)
{
	profile->have_cost = true;
	profile->cost = (struct cost){
		.hits_per_s = 200123,
		.ns_per_hit = 1900,
		.target_cpu_fraction = 0.38,
		.syscall_ns = 110,
		.syscalls_counted = true,
		.syscalls_per_s = 50000,
		.other_syscalls_per_s = 200000,
		.tool_cpu_s = 0.31,
		.tool_rss_bytes = 43000000,
		.maps_bytes = 125829120,
	};
}

/* Sums of the stacks; what else was seen is added as freed. */
static inline void made_totals(struct profile *profile, uint64_t freed_bytes, uint64_t freed_count)
{
	for (size_t i = 0; i < profile->n_stacks; i++) {
		profile->totals.outstanding_bytes += profile->stacks[i].outstanding_bytes;
		profile->totals.outstanding_count += profile->stacks[i].outstanding_count;
	}
	profile->totals.allocated_bytes = profile->totals.outstanding_bytes + freed_bytes;
	profile->totals.allocated_count = profile->totals.outstanding_count + freed_count;
	profile->totals.freed_count = freed_count;
	profile->totals.unknown_frees = 4112;
}

static inline void made_service(struct profile *profile)
{
	const struct type_share types[] = {
		{"dict", 81, 8100},
		{"str", 17, 1700},
		{"app.session.Session", 2, 200},
	};
	const struct frame main = made_python(profile, "<module>", "/srv/app/web.py", 120);
	const struct frame serve = made_python(profile, "Server.serve", "/srv/app/web.py", 64);
	const struct frame handle = made_python(profile, "Server.handle", "/srv/app/web.py", 88);
	const struct frame remember[] = {main, serve, handle,
					 made_python(profile, "remember", "/srv/app/cache.py", 41)};
	const struct frame expire[] = {main, serve,
				       made_python(profile, "expire", "/srv/app/cache.py", 59)};
	const struct frame parse[] = {
		main,
		serve,
		handle,
		made_python(profile, "parse", "/srv/app/body.py", 12),
		made_native(profile, "fast_parse", 0x1c4,
			    "_fastbody.cpython-311-x86_64-linux-gnu.so"),
		{.kind = FRAME_NATIVE,
		 .function = "copy_field",
		 .file = "fields.c",
		 .line = 77,
		 .offset = 0x21},
		made_native(profile, NULL, 0x8f20, "libbody.so.2"),
	};
	const struct frame map[] = {made_gap(profile, "the thread has no Python"),
				    made_native(profile, "worker_start", 0x30, "libwork.so.1")};
	const struct stack stacks[] = {
		{.domain = DOMAIN_MALLOC,
		 .outstanding_bytes = 7340032,
		 .outstanding_count = 1792,
		 .allocated_bytes = 7340032,
		 .allocated_count = 1792,
		 .oldest_s = 61,
		 .growth_bytes_per_s = 118959.5,
		 .frames = MADE_COPY(profile, parse),
		 .n_frames = 7},
		{.domain = DOMAIN_OBJECT,
		 .outstanding_bytes = 12582912,
		 .outstanding_count = 120031,
		 .allocated_bytes = 12600000,
		 .allocated_count = 120100,
		 .freed_count = 69,
		 .oldest_s = 58.2,
		 .growth_bytes_per_s = 209000,
		 .types = MADE_COPY(profile, types),
		 .n_types = 3,
		 .types_sampled = 100,
		 .frames = MADE_COPY(profile, remember),
		 .n_frames = 4},
		{.domain = DOMAIN_MMAP,
		 .outstanding_bytes = 2097152,
		 .outstanding_count = 1,
		 .allocated_bytes = 2097152,
		 .allocated_count = 1,
		 .oldest_s = 33,
		 .frames = MADE_COPY(profile, map),
		 .n_frames = 2},
		{.domain = DOMAIN_OBJECT,
		 .outstanding_bytes = 65536,
		 .outstanding_count = 12,
		 .allocated_bytes = 265536,
		 .allocated_count = 500,
		 .freed_count = 488,
		 .oldest_s = 0.8,
		 .growth_bytes_per_s = -2048,
		 .frames = MADE_COPY(profile, expire),
		 .n_frames = 3},
		{.domain = DOMAIN_OBJECT,
		 .allocated_bytes = 5000,
		 .allocated_count = 50,
		 .freed_count = 50,
		 .frames = MADE_COPY(profile, expire),
		 .n_frames = 2},
	};
	const struct loss losses[] = {
		{"stacks_cut",
		 "the stack was deeper than what is recorded; its outermost frames are missing",
		 12},
	};
	const struct native_gap gaps[] = {
		{"[C frames end: code without unwind information]", 1200}};

	profile->stacks = (struct stack *)MADE_COPY(profile, stacks);
	profile->native_gaps = MADE_COPY(profile, gaps);
	profile->n_native_gaps = 1;
	profile->n_stacks = 5;
	profile->losses = MADE_COPY(profile, losses);
	profile->n_losses = 1;
	made_cost(profile);
	made_totals(profile, 3650722201, 30081192);
}

/* Each of these would do harm somewhere, if it were not escaped there. */
static const char *const made_hostile_names[] = {
	"\033[2J\033[31mred\007",
	"line\nbreak\r\ttab",
	"\xff\xfe broken \xc3( \xe2\x82 \xf8\x88\x80\x80\x80",
	"</script><img src=x onerror=window.pwned=1>",
	"<!--<script>window.pwned=1</script>",
	"\"><svg onload='window.pwned=1'>&amp;&#60;",
	"semi;colon;;",
	"]]>--><?xml?>",
	"\xe2\x80\xae"
	"gnp.exe \xe2\x80\xa8 \xe2\x80\xa9 \xc2\x9b"
	"31m",
	"%s%n%100000d \\x1b \\u003c",
	"@DATA@ @SCRIPT@",
	"",
};

static inline void made_hostile_losses(struct profile *profile)
{
	const size_t n = sizeof(made_hostile_names) / sizeof(made_hostile_names[0]);
	struct loss *losses = profile_alloc(profile, n * sizeof(*losses));

	for (size_t i = 0; i < n; i++)
		losses[i] = (struct loss){made_hostile_names[i], made_hostile_names[i], i + 1};
	profile->losses = losses;
	profile->n_losses = n;
}

static inline void made_hostile(struct profile *profile)
{
	const size_t n = sizeof(made_hostile_names) / sizeof(made_hostile_names[0]);
	struct frame *frames = profile_alloc(profile, (n * 3 + 1) * sizeof(*frames));
	struct stack *stacks = profile_alloc(profile, 3 * sizeof(*stacks));
	struct type_share *types = profile_alloc(profile, n * sizeof(*types));
	const char **words = profile_alloc(profile, n * sizeof(*words));
	struct loss *losses = profile_alloc(profile, sizeof(*losses));
	char huge[20000];

	memset(huge, 'A', sizeof(huge));
	for (size_t i = 0; i < n; i++) {
		const char *name = made_hostile_names[i];

		words[i] = profile_str(profile, name, -1);
		types[i] = (struct type_share){words[i], 1, 1};
		frames[3 * i] = made_python(profile, name, name, (uint32_t)i);
		frames[3 * i + 1] = made_native(profile, name, UINT64_MAX, name);
		frames[3 * i + 2] = made_gap(profile, name);
	}
	frames[3 * n] = (struct frame){.kind = FRAME_PYTHON,
				       .function = profile_str(profile, huge, sizeof(huge)),
				       .file = profile_str(profile, huge, sizeof(huge)),
				       .line = UINT32_MAX};
	stacks[0] = (struct stack){.domain = DOMAIN_OBJECT,
				   .outstanding_bytes = 3000,
				   .outstanding_count = 3,
				   .frames = frames,
				   .n_frames = 3 * n + 1,
				   .types = types,
				   .n_types = n,
				   .types_sampled = n,
				   .growth_bytes_per_s = 0.0 / 0.0,
				   .oldest_s = 1.0 / 0.0};
	stacks[1] = (struct stack){.domain = DOMAIN_MALLOC,
				   .outstanding_bytes = 2000,
				   .outstanding_count = 2,
				   .frames = frames + 3 * n,
				   .n_frames = 1};
	stacks[2] = (struct stack){
		.domain = DOMAIN_MMAP, .outstanding_bytes = 1000, .outstanding_count = 1};
	*losses = (struct loss){"names_bad", made_hostile_names[3], 1};
	profile->stacks = stacks;
	profile->n_stacks = 3;
	profile->losses = losses;
	profile->n_losses = 1;
	profile->target.exe = made_hostile_names[3];
	profile->target.cmdline = words;
	profile->target.n_cmdline = n;
	profile->target.python = made_hostile_names[2];
	profile->target.implementation = made_hostile_names[0];
	profile->mode.object_coverage = made_hostile_names[1];
	made_totals(profile, 0, 0);
}

static inline void made_estimated(struct profile *profile)
{
	const struct frame frames[] = {made_python(profile, "<module>", "/srv/job.py", 3),
				       made_python(profile, "Job.run", "/srv/job.py", 30)};
	const struct stack stacks[] = {
		{.domain = DOMAIN_OBJECT,
		 .estimated = true,
		 .outstanding_bytes = 1048576,
		 .outstanding_count = 8192,
		 .allocated_bytes = 2097152,
		 .allocated_count = 16384,
		 .freed_count = 8192,
		 .oldest_s = 7300,
		 .frames = MADE_COPY(profile, frames),
		 .n_frames = 2},
	};

	profile->duration_s = 7322;
	profile->stacks = (struct stack *)MADE_COPY(profile, stacks);
	profile->n_stacks = 1;
	profile->mode.exact = false;
	profile->mode.steered = false;
	profile->mode.domains[DOMAIN_MMAP] = false;
	profile->mode.min_size = 64;
	profile->mode.max_size = 1 << 20;
	profile->mode.object_coverage =
		"Small objects are not seen, because the target is not written to (-X steer=no).";
	profile->target.end = TARGET_KILLED;
	profile->target.end_detail = 9;
	made_totals(profile, 1048576, 8192);
	profile->totals.missed_frees = 3;
}

/* Below a ceiling: windows only, between two of which nothing is hit; what was allocated in all is
 * not known. */
static inline void made_below(struct profile *profile)
{
	const struct frame frames[] = {made_python(profile, "<module>", "/srv/app/main.py", 34),
				       made_python(profile, "handle", "/srv/app/main.py", 21)};
	const struct stack stacks[] = {{.domain = DOMAIN_MALLOC,
					.estimated = true,
					.outstanding_bytes = 1433550,
					.outstanding_count = 3763,
					.bytes_error = 590000,
					.count_error = 1540,
					.seen = 33,
					.oldest_s = 18,
					.newest_s = 10,
					.growth_bytes_per_s = 71680,
					.frames = MADE_COPY(profile, frames),
					.n_frames = 2}};
	const struct trace_part parts[] = {
		{.domains = {[DOMAIN_MALLOC] = true, [DOMAIN_MMAP] = true},
		 .how = TRACE_WINDOWS,
		 .windows = 5,
		 .windows_s = 0.369,
		 .longest_s = 0.132,
		 .survivors = 33,
		 .long_enough = true,
		 .demand = 0.14},
		{.domains = {[DOMAIN_OBJECT] = true},
		 .how = TRACE_WINDOWS,
		 .windows = 4,
		 .windows_s = 0.137,
		 .longest_s = 0.051,
		 .survivors = 3298,
		 .long_enough = true,
		 .demand = 7.66}};

	profile->duration_s = 20;
	profile->mode.exact = false;
	profile->mode.parts = MADE_COPY(profile, parts);
	profile->mode.n_parts = 2;
	profile->stacks = (struct stack *)MADE_COPY(profile, stacks);
	profile->n_stacks = 1;
	profile->totals.outstanding_bytes = 1433550;
	profile->totals.outstanding_count = 3763;
	profile->totals.estimated = true;
	profile->have_cost = true;
	profile->cost = (struct cost){.ns_per_hit = 573,
				      .target_cpu_used = 0.4,
				      .ceiling = 0.05,
				      .floor = 0.0005,
				      .own_share = 0.0231,
				      .own_share_most = 0.0342,
				      .syscalls_counted = true,
				      .tool_cpu_s = 0.7,
				      .tool_rss_bytes = 74239180,
				      .maps_bytes = 39111884};
}

#define MADE_SITE "/opt/venv/lib/python3.12/site-packages/"
#define MADE_LIB  "/usr/lib/x86_64-linux-gnu/"

static inline struct frame made_elf(struct profile *profile, const char *function, const char *path)
{
	struct frame frame = made_native(profile, function, 0x10, strrchr(path, '/') + 1);

	frame.path = profile_str(profile, path, -1);
	return frame;
}

/* The way from the start of the program, or of a thread, to the first frame of the application. */
static inline size_t made_start(struct profile *profile, bool thread, struct frame frames[16])
{
	static const char *const of_program[] = {"_start", "Py_BytesMain",
						 "pymain_run_python.constprop.0", "run_mod",
						 "_PyEval_EvalFrame"};
	static const char python[] = "/usr/bin/python3.12", libc[] = MADE_LIB "libc.so.6";
	size_t n = 0;

	if (thread) {
		frames[n++] = made_elf(profile, "__clone3", libc);
		frames[n++] = made_elf(profile, "start_thread", libc);
		frames[n++] = made_elf(profile, "thread_run", python);
		frames[n++] = made_python(profile, "Thread.run", "/usr/lib/python3.12/threading.py",
					  1010);
	} else {
		for (size_t i = 0; i < 5; i++)
			frames[n++] = made_elf(profile, of_program[i], python);
		frames[n++] = made_python(profile, "<module>", "/srv/app/main.py", 9);
	}
	return n;
}

/* What one stack of made_wheels() leads to, and its figures. */
static inline struct stack made_wheel_stack(struct profile *profile, enum domain domain,
					    bool thread, uint64_t bytes, uint64_t count,
					    const struct frame *to, size_t n_to)
{
	struct frame frames[32];
	size_t n = made_start(profile, thread, frames);
	struct type_share types[] = {{"[buffer]", count, bytes - 3}, {"str", 1, 3}};

	memcpy(frames + n, to, n_to * sizeof(*to));
	return (struct stack){
		.domain = domain,
		.outstanding_bytes = bytes,
		.outstanding_count = count,
		.allocated_bytes = bytes + 1000,
		.allocated_count = count + 10,
		.freed_count = 10,
		.oldest_s = (double)count,
		.growth_bytes_per_s = 100,
		.types = made_copy(profile, types, sizeof(types)),
		.n_types = 2,
		.types_sampled = count + 1,
		.frames = made_copy(profile, frames, (n + n_to) * sizeof(*frames)),
		.n_frames = n + n_to,
		.thread_id = thread ? 4711 : 4242,
		.thread = thread ? "worker-3" : "python3.12",
	};
}

static inline void made_wheels(struct profile *profile)
{
	static const char python[] = "/usr/bin/python3.12", libc[] = MADE_LIB "libc.so.6";
	static const char umath[] =
		MADE_SITE "numpy/core/_multiarray_umath.cpython-312-x86_64-linux-gnu.so";
	const struct frame load = made_python(profile, "load", "/srv/app/data.py", 20);
	const struct frame call = made_elf(profile, "PyObject_Vectorcall", python);
	const struct frame tp_call = made_elf(profile, "_PyObject_MakeTpCall", python);
	const struct frame unnamed = made_elf(profile, NULL, python);
	const struct frame malloc_frame = made_elf(profile, "malloc", libc);
	const struct frame array = made_elf(profile, "array_new", umath);
	/* malloc <- numpy's C <- the interpreter's calls <- numpy's Python <- the application */
	const struct frame zeros[] = {
		load,        made_python(profile, "zeros", MADE_SITE "numpy/core/numeric.py", 77),
		call,        tp_call,
		unnamed,     array,
		malloc_frame};
	const struct frame solve[] = {
		load,
		made_python(profile, "solve", MADE_SITE "numpy/linalg/linalg.py", 12),
		call,
		array,
		made_elf(profile, "dgesv",
			 MADE_SITE "numpy.libs/libopenblas64_p-r0-0cf96a72.3.23.so"),
		malloc_frame};
	const struct frame parse[] = {load,
				      made_python(profile, "JSONDecoder.decode",
						  "/usr/lib/python3.12/json/decoder.py", 337),
				      call, made_elf(profile, "PyList_Append", python)};
	const struct frame own[] = {load, tp_call, call, made_elf(profile, "PyDict_New", python)};
	const struct frame own_too[] = {made_python(profile, "load", "/srv/app/data.py", 31)};
	const struct frame tls[] = {
		made_python(profile, "SSLSocket.send", "/usr/lib/python3.12/ssl.py", 1180), call,
		made_elf(profile, "_ssl__SSLSocket_write",
			 "/usr/lib/python3.12/lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so"),
		made_elf(profile, "CRYPTO_malloc", MADE_LIB "libcrypto.so.3"), malloc_frame};
#define MADE_WHEEL(domain, thread, bytes, count, to) \
	made_wheel_stack(profile, domain, thread, bytes, count, to, sizeof(to) / sizeof(to[0]))
	const struct stack stacks[] = {
		MADE_WHEEL(DOMAIN_MALLOC, false, 6000000, 60, zeros),
		MADE_WHEEL(DOMAIN_MALLOC, true, 1500000, 30, zeros),
		MADE_WHEEL(DOMAIN_MALLOC, true, 500000, 5, solve),
		MADE_WHEEL(DOMAIN_OBJECT, false, 700000, 7000, parse),
		MADE_WHEEL(DOMAIN_OBJECT, false, 640000, 10, own),
		MADE_WHEEL(DOMAIN_OBJECT, false, 160000, 2, own_too),
		MADE_WHEEL(DOMAIN_MALLOC, true, 500000, 500, tls),
	};
#undef MADE_WHEEL

	profile->target.exe = "/usr/bin/python3.12";
	profile->target.python = "3.12.1";
	profile->target.python_module = "python3.12";
	profile->stacks = (struct stack *)MADE_COPY(profile, stacks);
	profile->n_stacks = sizeof(stacks) / sizeof(stacks[0]);
	made_totals(profile, 7000, 70);
}

/* The thread becomes a process of its own. */
static inline void made_targets(struct profile *profile)
{
	struct profile_target targets[] = {profile->target, profile->target};

	targets[1].pid = 4243;
	targets[1].end = TARGET_EXITED;
	targets[1].end_detail = 3;
	for (size_t i = 0; i < profile->n_stacks; i++)
		profile->stacks[i].pid = profile->stacks[i].thread_id == 4711 ? 4243 : 4242;
	profile->target = (struct profile_target){0};
	profile->targets = MADE_COPY(profile, targets);
	profile->n_targets = 2;
}

/* The wheels, grouped as the name says. */
static inline void made_groups(struct profile *profile, const char *name)
{
	static const char *const modules[] = {"numpy", "json"};
	enum group_by by = GROUP_STACK;

	made_wheels(profile);
	if (!strcmp(name, "selected")) {
		profile_select(profile, modules, 2);
		by = GROUP_MODULE;
	}
	if (!strcmp(name, "pids")) {
		made_targets(profile);
		by = GROUP_PID;
	}
	for (int i = 0; i < GROUP_BY_COUNT; i++)
		if (!strncmp(name, "by-", 3) && !strcmp(name + 3, group_by_name(i)))
			by = i;
	profile_sort(profile, ORDER_SIZE);
	profile_group(profile, by, ORDER_SIZE);
}

static inline void made_untraced(struct profile *profile)
{
	const struct growing_container rows[] = {
		{.row = {.path = "app.cache.SESSIONS",
			 .type = "dict",
			 .address = 0x7f0000001000,
			 .items_before = 12345,
			 .items_after = 12345},
		 .items_per_s = 12.5,
		 .least_per_s = 11,
		 .ago_s = 4},
	};
	const struct heap_growth_row types[] = {
		{.name = (char *)"app.Session",
		 .count = 12345,
		 .bytes = 1234500,
		 .count_delta = 7000,
		 .bytes_delta = 700000,
		 .count_per_min = 700,
		 .bytes_per_min = 70000,
		 .confidence = 0.99},
	};
	const struct profile_growing_containers growing = {
		.rows = (struct growing_container *)MADE_COPY(profile, rows), .n_rows = 1};
	const struct profile_growing_types grows = {.rows = MADE_COPY(profile, types),
						    .n_rows = 1,
						    .span_s = 60,
						    .n_scans = 20,
						    .cpu_fraction = 0.004};

	profile->mode.untraced = true;
	profile_note(profile, "children_work",
		     "This process does nothing itself (<0.1 % of a core); its 2 children are "
		     "CPython and use 35 %. To trace them: -p 4243,4244");
	profile_note(profile, "not_traced",
		     "Allocations are not traced; the heap is only scanned from outside: bpf() is "
		     "\033[2Jdenied.");
	profile->growing_containers =
		(struct profile_growing_containers *)made_copy(profile, &growing, sizeof(growing));
	profile->growing_types =
		(struct profile_growing_types *)made_copy(profile, &grows, sizeof(grows));
	profile->cost.tool_cpu_s = 0.5;
	profile->cost.tool_rss_bytes = 20 << 20;
}

static inline void made_answered(struct profile *profile)
{
	struct finding findings[] = {
		{.cause = CAUSE_CONTAINER,
		 .sentence = "app.cache.SESSIONS (dict, 120,431 app.cache.Session, +5,700/min) "
			     "only grows",
		 .bytes_per_s = 700000,
		 .least_per_s = 690000,
		 .most_per_s = 710000,
		 .confidence = 0.9999,
		 .share = 0.7,
		 .path = "app.cache.SESSIONS",
		 .type = "app.cache.Session",
		 .by = "filled by",
		 .next = {"pyleaktrace", "chain", "-p", "4242", "app.\033[2JIt's"},
		 .evidence = {{"items", "120,431 app.cache.Session", 120431},
			      {"items_per_min", "5,700 more a minute", 5700}},
		 .n_evidence = 2},
		{.cause = CAUSE_C_MEMORY,
		 .sentence = "what strdup() allocates is never freed",
		 .bytes_per_s = 200000,
		 .least_per_s = 150000,
		 .most_per_s = 250000,
		 .confidence = 0.99,
		 .share = 0.2},
		{.cause = CAUSE_REFERENCE,
		 .sentence = "C code, or a reference that was lost, keeps app.Record",
		 .bytes_per_s = 0.5,
		 .least_per_s = 0.4,
		 .most_per_s = 0.6,
		 .confidence = 0.96,
		 .next = {"pyleaktrace", "trend", "-p", "4242"}},
	};
	struct verdict verdict = {.state = VERDICT_LEAK,
				  .sentence = "+57.2 MiB/min; 90 % of it explained. The 2.0 GiB "
					      "limit of its control group is reached in about "
					      "29 min.",
				  .growth_per_s = 1000000,
				  .least_per_s = 900000,
				  .most_per_s = 1100000,
				  .unexplained_per_s = 100000,
				  .explained = 0.9,
				  .limit_in_s = 1740,
				  .look_again_s = 30,
				  .n_findings = 3};
	struct stack *stack = profile_alloc(profile, sizeof(*stack));

	*stack = profile->stacks[0];
	findings[0].stack = stack;
	for (size_t i = stack->n_frames; i-- > 0 && !findings[0].where;)
		if (stack->frames[i].kind == FRAME_PYTHON)
			findings[0].where = &stack->frames[i];
	verdict.findings = MADE_COPY(profile, findings);
	profile->verdict = made_copy(profile, &verdict, sizeof(verdict));
}

/* From the start of a thread, through a server of the standard library, to the application. */
static inline size_t made_request(struct profile *profile, struct frame frames[16])
{
	static const struct {
		const char *function, *file;
		uint32_t line;
	} server[] = {{"Thread._bootstrap", "threading.py", 937},
		      {"Thread._bootstrap_inner", "threading.py", 1016},
		      {"Thread.run", "threading.py", 953},
		      {"ThreadingMixIn.process_request_thread", "socketserver.py", 683},
		      {"BaseServer.finish_request", "socketserver.py", 361},
		      {"BaseRequestHandler.__init__", "socketserver.py", 755},
		      {"BaseHTTPRequestHandler.handle", "http/server.py", 436},
		      {"BaseHTTPRequestHandler.handle_one_request", "http/server.py", 424}};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(server) / sizeof(server[0]); i++)
		frames[n++] = made_python(
			profile, server[i].function,
			profile_format(profile, "/usr/lib/python3.11/%s", server[i].file),
			server[i].line);
	frames[n++] = made_python(profile, "Handler.do_GET", "/srv/app/web.py", 88);
	return n;
}

static inline struct stack *made_request_stack(struct profile *profile, enum domain domain,
					       uint64_t bytes, uint64_t count,
					       const struct frame *to, size_t n_to)
{
	struct frame frames[32];
	size_t n = made_request(profile, frames);
	struct stack *stack = profile_alloc(profile, sizeof(*stack));

	memcpy(frames + n, to, n_to * sizeof(*to));
	*stack = (struct stack){
		.domain = domain,
		.outstanding_bytes = bytes,
		.outstanding_count = count,
		.allocated_bytes = bytes,
		.allocated_count = count,
		.oldest_s = 58,
		.growth_bytes_per_s = (double)bytes / 60,
		.frames = made_copy(profile, frames, (n + n_to) * sizeof(*frames)),
		.n_frames = n + n_to,
	};
	return stack;
}

static inline void made_causes(struct profile *profile)
{
	static const char python[] = "/usr/bin/python3.11", libc[] = MADE_LIB "libc.so.6";
	const struct frame strdup_frame = made_elf(profile, "strdup", libc);
	const struct frame call = made_elf(profile, "_PyObject_MakeTpCall", python);
	const struct frame remember[] = {made_python(profile, "remember", "/srv/app/cache.py", 41)};
	const struct frame decode[] = {
		made_python(profile, "decode", "/srv/app/wire.py", 27),
		made_python(profile, "loads", "/usr/lib/python3.11/json/__init__.py", 346),
		made_python(profile, "JSONDecoder.decode", "/usr/lib/python3.11/json/decoder.py",
			    337),
		made_python(profile, "JSONDecoder.raw_decode",
			    "/usr/lib/python3.11/json/decoder.py", 353)};
	const struct frame place[] = {
		made_python(profile, "place", "/srv/app/orders.py", 29),
		made_python(profile, "Order.__init__", "/srv/app/orders.py", 18),
		made_python(profile, "Line.__init__", "/srv/app/lines.py", 9)};
	const struct frame watermark[] = {
		made_python(profile, "render", "/srv/app/images.py", 16),
		made_python(profile, "watermark", "/srv/app/images.py", 12), call, strdup_frame};
	const struct frame grow[] = {made_python(profile, "resize", "/srv/lib/app/images.py", 70),
				     call, made_elf(profile, "PyMem_Malloc", python)};
	const struct frame map[] = {made_python(profile, "scratch", "/srv/app/files.py", 7),
				    made_elf(profile, "mmap", libc)};
	const struct frame start[] = {
		made_python(profile, "notify", "/srv/app/mail.py", 33),
		made_python(profile, "Thread.start", "/usr/lib/python3.11/threading.py", 935)};
	struct stack *stacks[] = {
#define MADE_REQUEST(domain, bytes, count, to) \
	made_request_stack(profile, domain, bytes, count, to, sizeof(to) / sizeof(to[0]))
		MADE_REQUEST(DOMAIN_OBJECT, 42000000, 300000, remember),
		MADE_REQUEST(DOMAIN_OBJECT, 12000000, 90000, decode),
		MADE_REQUEST(DOMAIN_OBJECT, 6000000, 50000, place),
		MADE_REQUEST(DOMAIN_MALLOC, 3000000, 3000, watermark),
		MADE_REQUEST(DOMAIN_OBJECT, 1000000, 30000, grow),
		MADE_REQUEST(DOMAIN_MMAP, 500000, 5, map),
		MADE_REQUEST(DOMAIN_MALLOC, 100000, 80, start),
#undef MADE_REQUEST
	};
	static const struct {
		enum finding_cause cause;
		const char *sentence, *by;
	} rows[] = {
		{CAUSE_CONTAINER,
		 "app.cache.SESSIONS (dict, 120,431 Session, +5,700/min) only grows", "filled by"},
		{CAUSE_REFERENCE,
		 "C code, or a reference that was lost, keeps app.wire.Record (5,856 objects, "
		 "+2,000/min)",
		 "made by"},
		{CAUSE_CYCLE,
		 "cycles of app.orders.Line wait for a collection (900 objects, +90/min)",
		 "made by"},
		{CAUSE_C_MEMORY, "what strdup() allocates is never freed", "called by"},
		{CAUSE_PYMALLOC,
		 "blocks of CPython's allocators that hold no object are never freed", "called by"},
		{CAUSE_MAPPING, "anonymous mappings are never unmapped", "mapped by"},
		{CAUSE_THREAD, "threads do not end: 12 became 90 (+80/min)", "started by"},
	};
	struct finding findings[7] = {{0}};
	struct verdict verdict = {.state = VERDICT_LEAK,
				  .sentence = "+61.6 MiB/min; 98 % of it explained. The 2.0 GiB "
					      "limit of its control group is reached in about "
					      "29 min.",
				  .growth_per_s = 1076667,
				  .unexplained_per_s = 22000,
				  .explained = 0.98,
				  .limit_in_s = 1740,
				  .look_again_s = 30,
				  .n_findings = 7};

	for (size_t i = 0; i < 7; i++) {
		findings[i] = (struct finding){.cause = rows[i].cause,
					       .sentence = rows[i].sentence,
					       .by = rows[i].by,
					       .bytes_per_s = stacks[i]->growth_bytes_per_s,
					       .confidence = 0.99,
					       .stack = stacks[i]};
		findings[i].share = findings[i].bytes_per_s / verdict.growth_per_s;
	}
	findings[0].path = "app.cache.SESSIONS";
	findings[3].c_function = "strdup";
	findings[1].next[0] = "pyleaktrace";
	findings[1].next[1] = "chain";
	findings[1].next[2] = "-p";
	findings[1].next[3] = "4242";
	findings[1].next[4] = "app.wire.Record";
	verdict.findings = MADE_COPY(profile, findings);
	profile->verdict = made_copy(profile, &verdict, sizeof(verdict));
	profile->stacks = profile_alloc(profile, 7 * sizeof(*profile->stacks));
	profile->n_stacks = 7;
	for (size_t i = 0; i < 7; i++)
		profile->stacks[i] = *stacks[i];
	made_cost(profile);
	made_totals(profile, 3650722201, 30081192);
}

/* return false: it is none of the verdicts */
static inline bool made_state(struct profile *profile, const char *name)
{
	static const struct {
		const char *name;
		enum verdict_state state;
		const char *sentence;
	} states[] = {
		{"too-early", VERDICT_TOO_EARLY, "3 looks in 4.1 s; look again in 10 s."},
		{"no-leak", VERDICT_NO_LEAK, "Memory in use does not grow (31 looks in 1 min)."},
		{"growing", VERDICT_GROWING,
		 "+61.6 MiB/min; 98 % of it explained; it may still be a warm-up, or a cache that "
		 "fills."},
		{"fragmentation", VERDICT_FRAGMENTATION,
		 "RSS does not fall: 410.2 MiB of it is free inside the allocators (pymalloc 12 % "
		 "full, malloc 55 % full) and is not given back."},
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct verdict verdict = {
			.state = states[i].state, .sentence = states[i].sentence, .explained = -1};

		if (strcmp(name, states[i].name))
			continue;
		made_causes(profile);
		if (states[i].state == VERDICT_GROWING) {
			verdict = *profile->verdict;
			verdict.state = states[i].state;
			verdict.sentence = states[i].sentence;
			verdict.n_findings = 1;
			verdict.unexplained_per_s = 0;
		} else {
			profile->n_stacks = 1;
			profile->totals.outstanding_bytes = profile->stacks[0].outstanding_bytes =
				41000;
			profile->totals.outstanding_count = profile->stacks[0].outstanding_count =
				300;
			profile->stacks[0].growth_bytes_per_s = 0;
		}
		profile->verdict = made_copy(profile, &verdict, sizeof(verdict));
		return true;
	}
	return false;
}

/* Five looks at a process that grows by 1 MiB/s, most of it objects; one thread more each time. */
static inline void made_trend(struct profile *profile)
{
	enum { LOOKS = 5 };
	struct trend trend = {.n_looks = LOOKS, .n_made = LOOKS, .have_account = true};
	struct trend_look *looks = profile_alloc(profile, LOOKS * sizeof(*looks));
	const struct trend_thread thread = {.ident = 1,
					    .tid = 4243,
					    .state = 'S',
					    .name = (char *)"worker",
					    .function = (char *)"wait",
					    .file = (char *)"/srv/app/pool.py",
					    .line = 9};

	for (uint64_t i = 0; i < LOOKS; i++) {
		looks[i].at_s = 100 + 10 * (double)i;
		trend_set(&looks[i], TREND_RSS, (100 + 10 * i) << 20);
		for (int kind = TREND_PART_FIRST; kind <= TREND_PART_LAST; kind++)
			trend_set(&looks[i], (enum trend_kind)kind, 1 << 20);
		trend_set(&looks[i], TREND_PART_OBJECTS, (60 + 9 * i) << 20);
		trend_set(&looks[i], TREND_PART_MALLOC, (20 + i) << 20);
		trend_set(&looks[i], TREND_THREADS, 4 + i);
	}
	for (int kind = 0; kind < TREND_KINDS; kind++) {
		trend.rows[kind] = (struct trend_row){.kind = (enum trend_kind)kind};
		if (!trend_has(&looks[0], (enum trend_kind)kind))
			continue;
		trend.rows[kind].n = LOOKS;
		trend.rows[kind].first = looks[0].value[kind];
		trend.rows[kind].last = looks[LOOKS - 1].value[kind];
	}
	trend.looks = looks;
	trend.have_threads = true;
	trend.threads = (struct trend_threads){
		.rows = (struct trend_thread *)made_copy(profile, &thread, sizeof(thread)),
		.n_rows = 1,
		.n_tasks = 8,
		.have_flow = true,
		.came = 4};
	trend.unexplained_bytes = 11 << 20;
	profile->trend = made_copy(profile, &trend, sizeof(trend));
}

/* All that a trace can find: a verdict, stacks, types, a container, a class, and the trend. */
static inline void made_whole(struct profile *profile)
{
	static const struct heap_watch_instances instances = {
		.known = true, .made = 40, .died = 2, .followed_s = 0.5};
	const struct frame line[] = {made_python(profile, "<module>", "/srv/app/web.py", 120),
				     made_python(profile, "place", "/srv/app/orders.py", 29)};
	const struct heap_watch_stack maker = {
		.inserted = 40, .stack = {.frames = MADE_COPY(profile, line), .n_frames = 2}};
	const struct growing_class class = {
		.name = "app.orders.Line",
		.per_s = 12,
		.row = {.type = "type",
			.path = "",
			.instances = &instances,
			.stacks = made_copy(profile, &maker, sizeof(maker)),
			.n_stacks = 1}};
	const struct profile_growing_classes classes = {
		.rows = (struct growing_class *)made_copy(profile, &class, sizeof(class)),
		.n_rows = 1};
	const struct retention held = {.path = (char *)"app.cache.SESSIONS",
				       .type = (char *)"dict",
				       .item_type = (char *)"app.cache.Session",
				       .containers = 1,
				       .items = 12345,
				       .items_per_s = 12.5,
				       .bytes = 30 << 20,
				       .bytes_per_s = 700000,
				       .least_bytes_per_s = 690000,
				       .most_bytes_per_s = 710000,
				       .confidence = 0.9999};
	const struct profile_retention retention = {
		.rows = made_copy(profile, &held, sizeof(held)), .n_rows = 1, .n_looks = 9};
	struct growing_container *container;

	made_untraced(profile);
	profile->mode.untraced = false;
	profile->n_notes = 0;
	container = profile->growing_containers->rows;
	container->row.stacks = made_copy(profile, &maker, sizeof(maker));
	container->row.n_stacks = 1;
	made_causes(profile);
	profile->stacks[1].estimated = profile->stacks[3].estimated = true;
	profile->stacks[1].bytes_error = 3600000;
	profile->stacks[1].count_error = 27000;
	profile->stacks[3].bytes_error = 3100000;
	profile->growing_classes = made_copy(profile, &classes, sizeof(classes));
	profile->retention = made_copy(profile, &retention, sizeof(retention));
	made_trend(profile);
}

/* A thousand stacks of sixty frames with names that do harm; they grow in a number of ways. */
static inline struct profile *made_large(void)
{
	const size_t n = sizeof(made_hostile_names) / sizeof(made_hostile_names[0]);
	enum { STACKS = 1000, FRAMES = 60 };
	struct profile *profile = profile_new();
	char huge[3000];

	assert_non_null(profile);
	memset(huge, 'A', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	made_target(profile);
	made_causes(profile);
	profile->stacks = profile_alloc(profile, STACKS * sizeof(*profile->stacks));
	profile->n_stacks = STACKS;
	for (size_t i = 0; i < STACKS; i++) {
		struct frame *frames = profile_alloc(profile, FRAMES * sizeof(*frames));
		struct type_share types[] = {
			{made_hostile_names[i % n], 1, 10},
			{profile_str(profile, huge, (long)(i % sizeof(huge))), 1, 9}};

		for (size_t j = 0; j < FRAMES; j++) {
			const char *name = made_hostile_names[(i + j) % n];

			frames[j] = (i + j / 7) % 3 == 0
					    ? made_native(profile, name, i, "python3.11")
				    : (i + j / 5) % 3 == 1
					    ? made_python(profile, name,
							  "/usr/lib/python3.11/json/a.py", 7)
					    : made_python(profile, j % 9 ? name : huge,
							  j % 11 ? name : huge, UINT32_MAX);
		}
		profile->stacks[i] = (struct stack){
			.domain = (enum domain)(i % DOMAIN_COUNT),
			.outstanding_bytes = 1000000000000 + i,
			.outstanding_count = 1000000000 + i,
			.growth_bytes_per_s = 1e12,
			.oldest_s = 1e7,
			.newest_s = 1e6,
			.estimated = i % 2,
			.bytes_error = i % 4 == 1 ? 1e11 : 1e14,
			.seen = 100000,
			.types = MADE_COPY(profile, types),
			.n_types = 2,
			.types_sampled = 2,
			.frames = frames,
			.n_frames = FRAMES,
		};
	}
	for (size_t i = 0; i < n; i++)
		profile_note(profile, "not_read", i % 2 ? made_hostile_names[i] : huge);
	made_hostile_losses(profile);
	profile->mode.object_coverage = profile_str(profile, huge, -1);
	profile->target.end = TARGET_EXITED;
	profile->target.end_detail = 3;
	profile_sort(profile, ORDER_SIZE);
	return profile;
}

static inline struct profile *made_profile(const char *name)
{
	struct profile *profile = profile_new();

	if (!profile || !strcmp(name, "empty"))
		return profile;
	made_target(profile);
	if (!strcmp(name, "hostile"))
		made_hostile(profile);
	else if (!strcmp(name, "estimated"))
		made_estimated(profile);
	else if (!strcmp(name, "below"))
		made_below(profile);
	else if (!strcmp(name, "untraced"))
		made_untraced(profile);
	else if (!strcmp(name, "whole"))
		made_whole(profile);
	else if (!strcmp(name, "causes"))
		made_causes(profile);
	else if (made_state(profile, name))
		;
	else if (!strncmp(name, "by-", 3) || !strcmp(name, "wheels") || !strcmp(name, "selected") ||
		 !strcmp(name, "pids"))
		made_groups(profile, name);
	else
		made_service(profile);
	if (!strcmp(name, "freed")) {
		for (size_t i = 0; i < profile->n_stacks; i++)
			profile->stacks[i].outstanding_bytes =
				profile->stacks[i].outstanding_count = 0;
		profile->totals.outstanding_bytes = profile->totals.outstanding_count = 0;
		profile->n_losses = 0;
		profile->target.end = TARGET_EXITED;
		profile->target.end_detail = 3;
	}
	if (!profile->grouping)
		profile_sort(profile, ORDER_SIZE);
	if (!strcmp(name, "answered"))
		made_answered(profile);
	return profile;
}

#endif
