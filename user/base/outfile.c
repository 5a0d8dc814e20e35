/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/write_stream.h"

#define QUOTE_MAX       256
#define TEMPORARY_TRIES 16

struct outfile {
	int folder; /* the file's folder, so that both names stay in the same one whatever is
		       renamed above it */
	FILE *stream;
	struct write_stream writing; /* behind it */
	char *path;                  /* as given, for messages */
	char name[NAME_MAX + 1];
	char temporary[NAME_MAX + 1];
};

static int fail_errno(struct err *err, const char *path, int error)
{
	char quoted[QUOTE_MAX];

	return err_set(err, error == EACCES || error == EPERM ? ERR_PERMISSION : ERR_FAILED,
		       "%s: cannot be written: %s", escape_copy(quoted, sizeof(quoted), path),
		       strerror(error));
}

static int refuse(struct err *err, const char *path, const char *why)
{
	char quoted[QUOTE_MAX];

	return err_set(err, ERR_USAGE, "%s: %s", escape_copy(quoted, sizeof(quoted), path), why);
}

int outfile_name(const char *pattern, pid_t pid, time_t time, char *path, size_t size,
		 struct err *err)
{
	size_t used = 0;
	struct tm local;
	char piece[32];

	if (!*pattern)
		return err_set(err, ERR_USAGE, "the name of the output file is empty");
	for (const char *at = pattern; *at; at++) {
		size_t n = 1;

		piece[0] = *at;
		if (*at == '%') {
			at++;
			if (*at == 'p')
				n = (size_t)snprintf(piece, sizeof(piece), "%ld", (long)pid);
			else if (*at == 't' && localtime_r(&time, &local))
				n = strftime(piece, sizeof(piece), "%Y%m%dT%H%M%S", &local);
			else if (*at != '%')
				return refuse(err, pattern,
					      "only %p (pid), %t (time) and %% can follow a % in a "
					      "file's name");
		}
		if (used + n >= size)
			return refuse(err, pattern, "the name is too long");
		memcpy(path + used, piece, n);
		used += n;
	}
	path[used] = '\0';
	return 0;
}

/*
 * Only a regular file is replaced: renaming over /dev/stdout or /dev/null would break the machine.

 */
static int check_place(const struct outfile *file, struct err *err)
{
	struct stat st;

	if (fstatat(file->folder, file->name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)
			return 0;
		return fail_errno(err, file->path, errno);
	}
	if (S_ISREG(st.st_mode))
		return 0;
	if (S_ISLNK(st.st_mode))
		return refuse(err, file->path,
			      "is a symbolic link, which is not followed; name the file itself");
	if (S_ISDIR(st.st_mode))
		return refuse(err, file->path, "is a folder; name a file");
	return refuse(err, file->path, "is not a regular file");
}

static int open_temporary(struct outfile *file, struct err *err)
{
	for (int i = 0; i < TEMPORARY_TRIES; i++) {
		uint32_t random;
		int fd;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return fail_errno(err, file->path, errno);
		/* a long name is cut, so that the temporary one is not too long */
		snprintf(file->temporary, sizeof(file->temporary), ".%.200s.%08x~", file->name,
			 random);
		fd = openat(file->folder, file->temporary,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd >= 0) {
			file->stream = write_stream_open(&file->writing, fd);
			if (file->stream)
				return 0;
			close(fd);
			unlinkat(file->folder, file->temporary, 0);
			return fail_errno(err, file->path, ENOMEM);
		}
		if (errno != EEXIST)
			return fail_errno(err, file->path, errno);
	}
	return fail_errno(err, file->path, EEXIST);
}

static int open_folder(struct outfile *file, struct err *err)
{
	const char *slash = strrchr(file->path, '/');
	const char *name = slash ? slash + 1 : file->path;
	char *folder;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return refuse(err, file->path, "is a folder; name a file");
	if (strlen(name) > NAME_MAX)
		return refuse(err, file->path, "the name is too long");
	strcpy(file->name, name);
	folder = !slash                ? strdup(".")
		 : slash == file->path ? strdup("/")
				       : strndup(file->path, (size_t)(slash - file->path));
	if (!folder)
		return fail_errno(err, file->path, ENOMEM);
	file->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->folder < 0)
		fail_errno(err, file->path, errno);
	free(folder);
	return file->folder < 0 ? -1 : 0;
}

struct outfile *outfile_open(const char *path, struct err *err)
{
	struct outfile *file = calloc(1, sizeof(*file));

	if (file) {
		file->folder = -1;
		file->path = strdup(path);
	}
	if (!file || !file->path) {
		free(file);
		fail_errno(err, path, ENOMEM);
		return NULL;
	}
	if (open_folder(file, err) || check_place(file, err) || open_temporary(file, err)) {
		outfile_abandon(file);
		return NULL;
	}
	return file;
}

FILE *outfile_stream(struct outfile *file)
{
	return file->stream;
}

int outfile_commit(struct outfile *file, struct err *err)
{
	FILE *stream = file->stream;
	int error = 0, result;

	if (fflush(stream) || ferror(stream))
		error = file->writing.error ? file->writing.error : EIO;
	if (!error && fsync(file->writing.fd) && errno != EINVAL && errno != EROFS)
		error = errno; /* some network disks know only here that they are full */
	file->stream = NULL;
	if (fclose(stream) && !error)
		error = errno;
	result = error ? fail_errno(err, file->path, error) : check_place(file, err);
	if (!result && renameat(file->folder, file->temporary, file->folder, file->name))
		result = fail_errno(err, file->path, errno);
	if (!result)
		file->temporary[0] = '\0';
	outfile_abandon(file);
	return result;
}

void outfile_abandon(struct outfile *file)
{
	if (!file)
		return;
	if (file->stream)
		fclose(file->stream);
	if (file->folder >= 0) {
		if (file->temporary[0])
			unlinkat(file->folder, file->temporary, 0);
		close(file->folder);
	}
	free(file->path);
	free(file);
}
