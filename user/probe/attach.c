/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/attach.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "probe/uprobe_multi.h"

static int attach_multi(struct links *links, struct bpf_program *program,
			const struct attach_places *places, bool returns, pid_t pid,
			struct err *err)
{
	int fd;

	if (links->n_fds == LINKS_MAX)
		return err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX);
	fd = uprobe_multi_attach(bpf_program__fd(program), places->path, places->offsets,
				 places->cookies, places->n, returns, pid);
	if (fd < 0)
		return err_set(err, ERR_FAILED, "cannot probe %u places of %s: %s", places->n,
			       places->path, strerror(errno));
	links->fds[links->n_fds++] = fd;
	return 0;
}

static int attach_single(struct links *links, struct bpf_program *program,
			 const struct attach_places *places, unsigned i, bool returns, pid_t pid,
			 struct err *err)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = returns, .bpf_cookie = places->cookies[i]);
	struct bpf_link *link;

	if (links->n_links == LINKS_MAX)
		return err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX);
	link = bpf_program__attach_uprobe_opts(program, pid, places->path, places->offsets[i],
					       &opts);
	if (!link)
		return err_set(err, ERR_FAILED, "cannot probe %s at 0x%llx: %s", places->path,
			       (unsigned long long)places->offsets[i], strerror(errno));
	links->links[links->n_links++] = link;
	return 0;
}

int links_attach(struct links *links, struct bpf_program *program,
		 const struct attach_places *places, bool returns, pid_t pid, bool multi,
		 struct err *err)
{
	if (places->n == 0)
		return 0;
	if (multi)
		return attach_multi(links, program, places, returns, pid, err);
	for (unsigned i = 0; i < places->n; i++) {
		int result = attach_single(links, program, places, i, returns, pid, err);

		if (result)
			return result;
	}
	return 0;
}

int links_attach_tracepoint(struct links *links, struct bpf_program *program, struct err *err)
{
	struct bpf_link *link;

	if (links->n_links == LINKS_MAX)
		return err_set(err, ERR_FAILED, "more than %d links", LINKS_MAX);
	link = bpf_program__attach(program);
	if (!link)
		return err_set(err, ERR_KERNEL, "cannot attach to %s: %s",
			       bpf_program__section_name(program), strerror(errno));
	links->links[links->n_links++] = link;
	return 0;
}

static void *close_fd(void *fd)
{
	close((int)(intptr_t)fd);
	return NULL;
}

static void *close_link(void *link)
{
	bpf_link__destroy(link);
	return NULL;
}

/* Run in a thread of its own; here and now when there is none to be had. */
static bool start(pthread_t *thread, void *(*function)(void *), void *argument)
{
	if (pthread_create(thread, NULL, function, argument) == 0)
		return true;
	function(argument);
	return false;
}

/* Each detach waits for a grace period of the kernel (0.1 s): all wait at once. */
void links_close(struct links *links)
{
	pthread_t threads[2 * LINKS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < links->n_fds; i++)
		n += start(&threads[n], close_fd, (void *)(intptr_t)links->fds[i]);
	for (unsigned i = 0; i < links->n_links; i++)
		n += start(&threads[n], close_link, links->links[i]);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	memset(links, 0, sizeof(*links));
}
