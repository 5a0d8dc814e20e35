/* SPDX-License-Identifier: BSD-2-Clause */
#include "trend/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define LIST_MAX  (1UL << 20) /* of /proc/PID/cgroup and mountinfo */
#define STAT_MAX  (64UL << 10)
#define UNLIMITED (INT64_MAX - (1 << 20)) /* v1 has no limit as INT64_MAX, less part of a page */

/* The files of one version. */
struct names {
	int version;
	const char *usage, *limit, *cache;
};

static const struct names v1 = {1, "memory.usage_in_bytes", "memory.limit_in_bytes", "total_cache"};
static const struct names v2 = {2, "memory.current", "memory.max", "file"};

/* Where a hierarchy is mounted: `root` of it is seen at `point`. */
struct mount {
	char root[PATH_MAX], point[PATH_MAX];
};

/* ---- where ---------------------------------------------------------------------------------- */

/* Is this word in a list with commas? */
static bool lists(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ',') && (!at[n] || at[n] == ','))
			return true;
	return false;
}

/* The group in "N:CONTROLLERS:PATH"; with controller NULL that of version 2, "0::PATH". */
static bool find_group(const char *text, const char *controller, char *path, size_t size)
{
	char *copy = strdup(text), *save = NULL, *line;
	bool found = false;

	for (line = copy ? strtok_r(copy, "\n", &save) : NULL; line && !found;
	     line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':'),
		     *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group || group[1] != '/')
			continue;
		*group = '\0';
		found = controller ? lists(controllers + 1, controller) : !controllers[1];
		if (found)
			found = (size_t)snprintf(path, size, "%s", group + 1) < size;
	}
	free(copy);
	return found;
}

/* mountinfo writes a space as \040, and so on */
static void undo_escapes(char *text)
{
	char *out = text;

	for (; *text; text++) {
		unsigned code;

		if (text[0] == '\\' && sscanf(text + 1, "%3o", &code) == 1 && code && code < 256) {
			*out++ = (char)code;
			text += 3;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

/* "ID PARENT MAJ:MIN ROOT POINT OPTIONS [FIELDS] - TYPE SOURCE SUPEROPTIONS" */
static bool take_mount(struct mount *mount, char *line, const char *type, const char *controller)
{
	char *rest = strstr(line, " - "), found[32], options[1024] = "";

	if (!rest || sscanf(rest + 3, "%31s %*s %1023s", found, options) < 1 ||
	    strcmp(found, type) != 0 || (controller && !lists(options, controller)))
		return false;
	*rest = '\0';
	if (sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root, mount->point) != 2)
		return false;
	undo_escapes(mount->root);
	undo_escapes(mount->point);
	return true;
}

static bool find_mount(struct mount *mount, const char *text, const char *type,
		       const char *controller)
{
	char *copy = strdup(text), *save = NULL, *line;
	bool found = false;

	for (line = copy ? strtok_r(copy, "\n", &save) : NULL; line && !found;
	     line = strtok_r(NULL, "\n", &save))
		found = take_mount(mount, line, type, controller);
	free(copy);
	return found;
}

/* ---- figures -------------------------------------------------------------------------------- */

static bool read_number(const char *folder, const char *name, uint64_t *value)
{
	char path[2 * PATH_MAX + 64], text[64], *end;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (file_read(path, text, sizeof(text)) <= 0)
		return false;
	*value = strtoull(text, &end, 10);
	return end != text;
}

/* "NAME NUMBER" in memory.stat */
static uint64_t read_cache(const char *folder, const char *name)
{
	char path[2 * PATH_MAX + 64], *text = NULL;
	size_t length, n = strlen(name);
	uint64_t value = 0;

	snprintf(path, sizeof(path), "%s/memory.stat", folder);
	if (file_read_all(path, STAT_MAX, &text, &length))
		return 0;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, n) && line[n] == ' ')
			value = strtoull(line + n, NULL, 10);
	}
	free(text);
	return value;
}

/* One level; false: it has no such files. */
static bool read_level(struct trend_cgroup *level, const struct names *names, const char *folder,
		       const char *path)
{
	*level = (struct trend_cgroup){.version = names->version};
	if (!read_number(folder, names->usage, &level->usage_bytes))
		return false;
	level->have = true;
	level->have_limit = read_number(folder, names->limit, &level->limit_bytes) &&
			    level->limit_bytes < (uint64_t)UNLIMITED;
	level->cache_bytes = read_cache(folder, names->cache);
	snprintf(level->path, sizeof(level->path), "%.255s", path[0] ? path : "/");
	return true;
}

static int read_levels(struct trend_cgroup *cgroup, const struct names *names,
		       const struct mount *mount, char *path, struct err *err)
{
	size_t root = strcmp(mount->root, "/") ? strlen(mount->root) : 0;
	char folder[2 * PATH_MAX], *slash;
	struct trend_cgroup level;

	/* a container sees its own group as the mount's root */
	if (strncmp(path, mount->root, root) != 0 || strstr(path, "/.."))
		root = strlen(path);
	for (unsigned i = 0; i < CGROUP_LEVELS; i++) {
		snprintf(folder, sizeof(folder), "%s%s", mount->point, path + root);
		if (read_level(&level, names, folder, path) &&
		    (!cgroup->have ||
		     (level.have_limit &&
		      (!cgroup->have_limit || level.limit_bytes < cgroup->limit_bytes))))
			*cgroup = level;
		slash = strrchr(path + root, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return cgroup->have ? 0
			    : err_set(err, ERR_FAILED, "%s%s has no memory figures", mount->point,
				      path + root);
}

int cgroup_read(struct trend_cgroup *cgroup, const char *proc, pid_t pid, struct err *err)
{
	char file[PATH_MAX], group[PATH_MAX], *groups = NULL, *mounts = NULL;
	struct mount mount;
	size_t length;
	int result;

	memset(cgroup, 0, sizeof(*cgroup));
	snprintf(file, sizeof(file), "%s/%d/cgroup", proc, (int)pid);
	result = file_read_all(file, LIST_MAX, &groups, &length);
	if (!result) {
		snprintf(file, sizeof(file), "%s/self/mountinfo", proc);
		result = file_read_all(file, LIST_MAX, &mounts, &length);
	}
	if (result)
		result = err_set(err, ERR_FAILED, "%s: %s", file, strerror(-result));
	else if (find_group(groups, "memory", group, sizeof(group)))
		result = find_mount(&mount, mounts, "cgroup", "memory")
				 ? read_levels(cgroup, &v1, &mount, group, err)
				 : err_set(err, ERR_FAILED,
					   "the memory controller (version 1) is not mounted here");
	else if (find_group(groups, NULL, group, sizeof(group)))
		result = find_mount(&mount, mounts, "cgroup2", NULL)
				 ? read_levels(cgroup, &v2, &mount, group, err)
				 : err_set(err, ERR_FAILED, "cgroup2 is not mounted here");
	else
		result = err_set(err, ERR_FAILED, "pid %d is in no control group for memory",
				 (int)pid);
	free(groups);
	free(mounts);
	return result;
}
