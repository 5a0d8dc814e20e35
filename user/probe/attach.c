/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "probe/prober.h"

/* ---- the file first ------------------------------------------------------------------------- */

/*
 * Have the pages with the instructions in the page cache. The kernel reads them while it holds the
 * target's address space for writing, so that each page fault of the target would wait for our
 * disk.
 */
static void read_text(const char *path, const uint64_t *offsets, unsigned n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char instruction[16];

	for (unsigned i = 0; fd >= 0 && i < n; i++)
		if (pread(fd, instruction, sizeof(instruction), (off_t)offsets[i]) < 0)
			break; /* the kernel will say why */
	if (fd >= 0)
		close(fd);
}

/* ---- perf events ---------------------------------------------------------------------------- */

/* One place, in its thread. */
struct job {
	const struct attach_place *place;
	pid_t pid;
	int fd;    /* < 0: failed */
	int error; /* errno then */
	pthread_t thread;
	bool started;
};

static void *attach(void *context)
{
	struct job *job = context;
	const struct attach_place *place = job->place;

	read_text(place->path, &place->offset, 1);
	job->fd = prober_attach(bpf_program__fd(place->program), place->path, place->offset,
				place->cookie, place->returns, job->pid);
	job->error = job->fd < 0 ? errno : 0;
	return NULL;
}

static int attach_each(struct links *links, const struct attach_place *places, unsigned n_places,
		       bool returns, pid_t pid, struct err *err)
{
	struct job jobs[LINKS_MAX];
	unsigned n = 0;
	int result = 0;

	for (unsigned i = 0; i < n_places; i++) {
		if (places[i].returns != returns)
			continue;
		if (n == LINKS_MAX - links->n_events) {
			result = err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX);
			break;
		}
		jobs[n] = (struct job){.place = &places[i], .pid = pid};
		jobs[n].started = pthread_create(&jobs[n].thread, NULL, attach, &jobs[n]) == 0;
		if (!jobs[n].started)
			attach(&jobs[n]);
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		if (jobs[i].started)
			pthread_join(jobs[i].thread, NULL);
		if (jobs[i].fd >= 0)
			links->events[links->n_events++] = jobs[i].fd;
		else
			result = err_set(err, ERR_FAILED, "cannot probe %s at 0x%llx: %s",
					 jobs[i].place->path,
					 (unsigned long long)jobs[i].place->offset,
					 strerror(jobs[i].error));
	}
	return result;
}

/* ---- uprobe_multi --------------------------------------------------------------------------- */

static bool same_link(const struct attach_place *a, const struct attach_place *b)
{
	return a->program == b->program && a->returns == b->returns &&
	       strcmp(a->path, b->path) == 0;
}

/* Is this place the first one of its link? */
static bool begins_link(const struct attach_place *places, unsigned index)
{
	for (unsigned i = 0; i < index; i++)
		if (same_link(&places[i], &places[index]))
			return false;
	return true;
}

static void multi_link_close(struct multi_link *link)
{
	if (link->fd >= 0)
		prober_close(link->fd);
	free(link->path);
	free(link->offsets);
	free(link->cookies);
}

/* The link that begins at `first`, with all places that belong to it; not attached yet. */
static bool gather(struct multi_link *link, const struct attach_place *first, unsigned n_places)
{
	link->fd = -1;
	link->returns = first->returns;
	link->n = 0;
	link->path = strdup(first->path);
	link->offsets = calloc(n_places, sizeof(*link->offsets));
	link->cookies = calloc(n_places, sizeof(*link->cookies));
	if (!link->path || !link->offsets || !link->cookies)
		return false;
	for (const struct attach_place *place = first; place < first + n_places; place++) {
		if (!same_link(place, first))
			continue;
		link->offsets[link->n] = place->offset;
		link->cookies[link->n++] = place->cookie;
	}
	return true;
}

static int attach_multi(struct links *links, const struct attach_place *first, unsigned n_places,
			pid_t pid, struct err *err)
{
	struct multi_link *link = &links->multi_links[links->n_multi];

	if (links->n_multi == LINKS_MAX_MULTI)
		return err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX_MULTI);
	if (!gather(link, first, n_places)) {
		multi_link_close(link);
		return err_set(err, ERR_FAILED, "out of memory");
	}
	/* known to the sweeper before there is anything to sweep */
	__atomic_store_n(&links->n_multi, links->n_multi + 1, __ATOMIC_RELEASE);
	read_text(link->path, link->offsets, link->n);
	link->fd = prober_attach_multi(bpf_program__fd(first->program), link->path, link->offsets,
				       link->cookies, link->n, link->returns, pid);
	if (link->fd < 0)
		return err_set(err, ERR_FAILED, "cannot probe %u places of %s: %s", link->n,
			       link->path, strerror(errno));
	return 0;
}

static int attach_together(struct links *links, const struct attach_place *places,
			   unsigned n_places, bool returns, pid_t pid, struct err *err)
{
	int result = 0;

	for (unsigned i = 0; i < n_places && !result; i++)
		if (places[i].returns == returns && begins_link(places, i))
			result = attach_multi(links, &places[i], n_places - i, pid, err);
	return result;
}

/* ---- both ----------------------------------------------------------------------------------- */

int links_attach(struct links *links, const struct attach_place *places, unsigned n_places,
		 pid_t pid, struct err *err)
{
	int result = 0;

	/* returns first: a call whose return is not seen would be remembered for nothing */
	for (unsigned pass = 0; pass < 2 && !result; pass++)
		result = (links->multi ? attach_together : attach_each)(links, places, n_places,
									pass == 0, pid, err);
	return result;
}

/* Keep what was made; NULL: errno says why it was not. */
static int keep_link(struct links *links, struct bpf_link *link, const char *where, struct err *err)
{
	if (!link)
		return err_set(err, err_is_limit(errno) ? ERR_FAILED : ERR_KERNEL,
			       "cannot attach to %s: %s%s", where, strerror(errno),
			       err_remedy(errno));
	if (links->n == LINKS_MAX) {
		bpf_link__destroy(link);
		return err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX);
	}
	links->links[links->n++] = link;
	return 0;
}

int links_attach_tracepoint(struct links *links, struct bpf_program *program, struct err *err)
{
	return keep_link(links, bpf_program__attach(program), bpf_program__section_name(program),
			 err);
}

int links_attach_syscall(struct links *links, struct bpf_program *program, const char *event,
			 uint64_t cookie, struct err *err)
{
	LIBBPF_OPTS(bpf_tracepoint_opts, opts, .bpf_cookie = cookie);

	return keep_link(links,
			 bpf_program__attach_tracepoint_opts(program, "syscalls", event, &opts),
			 event, err);
}

static void *close_link(void *link)
{
	bpf_link__destroy(link);
	return NULL;
}

static void *close_event(void *fd)
{
	prober_close(*(const int *)fd);
	return NULL;
}

static void *close_multi(void *link)
{
	multi_link_close(link);
	return NULL;
}

/* Run in a thread of its own; here and now when none can be made. */
static bool start(pthread_t *thread, void *(*function)(void *), void *argument)
{
	if (pthread_create(thread, NULL, function, argument) == 0)
		return true;
	function(argument);
	return false;
}

void links_close(struct links *links)
{
	pthread_t threads[2 * LINKS_MAX + LINKS_MAX_MULTI];
	bool multi = links->multi;
	unsigned n = 0;

	for (unsigned i = 0; i < links->n_multi; i++)
		n += start(&threads[n], close_multi, &links->multi_links[i]);
	for (unsigned i = 0; i < links->n_events; i++)
		n += start(&threads[n], close_event, &links->events[i]);
	for (unsigned i = 0; i < links->n; i++)
		n += start(&threads[n], close_link, links->links[i]);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	memset(links, 0, sizeof(*links));
	links->multi = multi;
}
