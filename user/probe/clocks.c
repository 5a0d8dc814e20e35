/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/clocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include <bpf/libbpf.h>

struct clocks {
	int n;
	int fds[];
};

static int open_clock(int cpu, uint64_t period_ns)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = period_ns,
		.disabled = 1,
		.exclude_idle = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

int clocks_open(struct clocks **out, uint64_t period_ns, int program_fd, struct err *err)
{
	int n_cpus = libbpf_num_possible_cpus();
	struct clocks *clocks = calloc(1, sizeof(*clocks) + (n_cpus > 0 ? (size_t)n_cpus : 0) *
								    sizeof(clocks->fds[0]));

	*out = NULL;
	if (!clocks)
		return err_set(err, ERR_FAILED, "out of memory");
	for (int cpu = 0; cpu < n_cpus; cpu++) {
		int fd = open_clock(cpu, period_ns);

		if (fd < 0 && errno == ENODEV)
			continue;
		if (fd >= 0)
			clocks->fds[clocks->n++] = fd;
		if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd) ||
		    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
			int result = err_set(err, err_is_limit(errno) ? ERR_FAILED : ERR_KERNEL,
					     "cannot open a clock on CPU %d: %s%s", cpu,
					     strerror(errno), err_remedy(errno));

			clocks_close(clocks);
			return result;
		}
	}
	*out = clocks;
	return 0;
}

void clocks_close(struct clocks *clocks)
{
	if (!clocks)
		return;
	for (int i = 0; i < clocks->n; i++)
		close(clocks->fds[i]);
	free(clocks);
}
