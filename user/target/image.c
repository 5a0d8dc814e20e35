/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* fields of /proc/PID/stat, as proc(5) counts them; the name, field 2, may have blanks and
 * parentheses in it */
#define FIRST_AFTER_NAME 3
#define STARTCODE        26
#define STARTSTACK       28

bool image_read(struct image *image, pid_t pid)
{
	char path[64], line[2048];
	const char *at = NULL;
	struct stat exe;
	FILE *file;

	memset(image, 0, sizeof(*image));
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		at = strrchr(line, ')');
	fclose(file);
	if (!at)
		return false;
	at++;
	for (unsigned field = FIRST_AFTER_NAME; field <= STARTSTACK && *at; field++) {
		at += strspn(at, " ");
		if (field == STARTCODE)
			sscanf(at, "%" SCNu64, &image->start_code);
		else if (field == STARTSTACK)
			sscanf(at, "%" SCNu64, &image->start_stack);
		at += strcspn(at, " ");
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &exe) == 0) {
		image->device = exe.st_dev;
		image->inode = exe.st_ino;
	}
	return true;
}

bool image_differs(const struct image *before, const struct image *now)
{
	if (before->start_code != now->start_code || before->start_stack != now->start_stack)
		return true;
	return before->inode && now->inode &&
	       (before->inode != now->inode || before->device != now->device);
}

bool image_replaced(const struct image *image, pid_t pid)
{
	struct image now;

	/* of a process that ends there is a line for a while, and no memory in it */
	return image_read(&now, pid) && now.start_stack && image_differs(image, &now);
}
