/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/open_below.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int open_below(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	/* first without opening it for good: opening some devices already does something */
	struct open_how look = {.flags = O_PATH | O_CLOEXEC, .resolve = how.resolve};
	struct stat seen;
	int fd = (int)syscall(SYS_openat2, root, path, &look, sizeof(look));

	if (fd < 0)
		return -1;
	if (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode)) {
		close(fd);
		return -1;
	}
	close(fd);
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd >= 0 && (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}
