/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/attach.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <bpf/libbpf.h>

/* One place, in its thread. */
struct job {
	const struct attach_place *place;
	pid_t pid;
	struct bpf_link *link; /* NULL: failed */
	int error;             /* errno then */
	pthread_t thread;
	bool started;
};

static void *attach(void *context)
{
	struct job *job = context;
	const struct attach_place *place = job->place;
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = place->returns, .bpf_cookie = place->cookie);

	job->link = bpf_program__attach_uprobe_opts(place->program, job->pid, place->path,
						    place->offset, &opts);
	job->error = job->link ? 0 : errno;
	return NULL;
}

int links_attach(struct links *links, const struct attach_place *places, unsigned n_places,
		 pid_t pid, struct err *err)
{
	struct job jobs[LINKS_MAX];
	int result = 0;

	if (n_places > LINKS_MAX - links->n)
		return err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX);
	for (unsigned i = 0; i < n_places; i++) {
		jobs[i] = (struct job){.place = &places[i], .pid = pid};
		jobs[i].started = pthread_create(&jobs[i].thread, NULL, attach, &jobs[i]) == 0;
		if (!jobs[i].started)
			attach(&jobs[i]);
	}
	for (unsigned i = 0; i < n_places; i++) {
		if (jobs[i].started)
			pthread_join(jobs[i].thread, NULL);
		if (jobs[i].link)
			links->links[links->n++] = jobs[i].link;
		else
			result = err_set(err, ERR_FAILED, "cannot probe %s at 0x%llx: %s",
					 places[i].path, (unsigned long long)places[i].offset,
					 strerror(jobs[i].error));
	}
	return result;
}

int links_attach_tracepoint(struct links *links, struct bpf_program *program, struct err *err)
{
	struct bpf_link *link;

	if (links->n == LINKS_MAX)
		return err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX);
	link = bpf_program__attach(program);
	if (!link)
		return err_set(err, ERR_KERNEL, "cannot attach to %s: %s",
			       bpf_program__section_name(program), strerror(errno));
	links->links[links->n++] = link;
	return 0;
}

static void *close_link(void *link)
{
	bpf_link__destroy(link);
	return NULL;
}

void links_close(struct links *links)
{
	pthread_t threads[LINKS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < links->n; i++) {
		if (pthread_create(&threads[n], NULL, close_link, links->links[i]) == 0)
			n++;
		else
			close_link(links->links[i]);
	}
	while (n > 0)
		pthread_join(threads[--n], NULL);
	memset(links, 0, sizeof(*links));
}
