/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/native_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uthash.h>

#include "symbol/elf_names.h"
#include "target/remote_mem.h"

/* the vdso is two pages; more is none */
#define VDSO_MAX_BYTES (1u << 20)

struct text {
	UT_hash_handle hh;
	char text[];
};

struct known_address {
	struct address_key {
		uint64_t address;
		uint32_t module;
		uint32_t exact;
	} key;
	struct frame *frames; /* strings are `texts` */
	size_t n_frames;
	UT_hash_handle hh;
};

struct open_module {
	uint32_t id;
	uint64_t used;           /* the higher, the later; 0: free */
	struct elf_names *names; /* NULL: it cannot be read */
};

struct native_names {
	const struct code_map *map;
	struct text *texts;
	struct known_address *known;
	struct open_module open[NATIVE_MODULES_OPEN];
	uint64_t clock;
};

struct native_names *native_names_new(const struct code_map *map)
{
	struct native_names *names = calloc(1, sizeof(*names));

	if (names)
		names->map = map;
	return names;
}

static void forget_all(struct native_names *names)
{
	struct known_address *known, *next;
	struct text *text, *next_text;

	HASH_ITER (hh, names->known, known, next) {
		HASH_DEL(names->known, known);
		free(known->frames);
		free(known);
	}
	HASH_ITER (hh, names->texts, text, next_text) {
		HASH_DEL(names->texts, text);
		free(text);
	}
}

void native_names_free(struct native_names *names)
{
	if (!names)
		return;
	forget_all(names);
	for (unsigned i = 0; i < NATIVE_MODULES_OPEN; i++)
		elf_names_close(names->open[i].names);
	free(names);
}

/* ---- modules --------------------------------------------------------------------------------- */

/* The vdso has no file: its image is read from the target. */
static int vdso_file(const struct native_names *names, const struct code_module *module)
{
	size_t size = module->end - module->start;
	void *image = size <= VDSO_MAX_BYTES ? malloc(size) : NULL;
	int fd = image ? memfd_create("vdso", MFD_CLOEXEC) : -1;

	if (fd >= 0 && (remote_read(names->map->pid, module->start, image, size) ||
			write(fd, image, size) != (ssize_t)size)) {
		close(fd);
		fd = -1;
	}
	free(image);
	return fd;
}

static struct elf_names *open_elf(const struct native_names *names,
				  const struct code_module *module)
{
	struct elf_names *opened;
	char root[32];
	int fd;

	snprintf(root, sizeof(root), "/proc/%d/root", (int)names->map->pid);
	if (module->kind == CODE_FILE)
		return module->elf ? elf_names_open(module->fd, module->path, module->bias, root)
				   : NULL;
	if (module->kind != CODE_VDSO)
		return NULL;
	fd = vdso_file(names, module);
	if (fd < 0)
		return NULL;
	opened = elf_names_open(fd, module->path, module->bias, root);
	close(fd);
	return opened;
}

/* The opened file of a module, opened now if need be in place of the one that was not used for longest. */
static struct elf_names *module_names(struct native_names *names, uint32_t id)
{
	struct open_module *oldest = &names->open[0];

	for (unsigned i = 0; i < NATIVE_MODULES_OPEN; i++) {
		struct open_module *open = &names->open[i];

		if (open->used && open->id == id) {
			open->used = ++names->clock;
			return open->names;
		}
		if (open->used < oldest->used)
			oldest = open;
	}
	elf_names_close(oldest->names);
	oldest->id = id;
	oldest->used = ++names->clock;
	oldest->names = open_elf(names, &names->map->modules[id]);
	return oldest->names;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* One copy of each text, as long as the cache is. NULL when there is none, or memory is out. */
static const char *keep_text(struct native_names *names, const char *from)
{
	struct text *text;
	size_t length;

	if (!from)
		return NULL;
	length = strnlen(from, PROFILE_STRING_MAX - 1);
	HASH_FIND(hh, names->texts, from, length, text);
	if (text)
		return text->text;
	text = malloc(sizeof(*text) + length + 1);
	if (!text)
		return NULL;
	memcpy(text->text, from, length);
	text->text[length] = '\0';
	HASH_ADD_KEYPTR(hh, names->texts, text->text, length, text);
	return text->text;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

struct finding {
	struct native_names *names;
	const struct code_module *module;
	struct frame frames[NATIVE_MAX_INLINED];
	size_t n;
};

static void on_found(void *context, const struct elf_name *name)
{
	struct finding *finding = context;
	struct frame *frame = &finding->frames[finding->n];

	if (finding->n == NATIVE_MAX_INLINED)
		return;
	finding->n++;
	*frame = (struct frame){
		.kind = FRAME_NATIVE,
		.function = keep_text(finding->names, name->function),
		.file = keep_text(finding->names, name->file),
		.near = keep_text(finding->names, name->near),
		.module = keep_text(finding->names, base_name(finding->module->path)),
		.path = keep_text(finding->names, finding->module->path),
		.line = name->file ? name->line : 0,
		.offset = name->offset,
		.inlined = name->inlined,
	};
}

static void find(struct finding *finding, uint32_t id, uint64_t address, bool exact)
{
	struct native_names *names = finding->names;
	struct elf_names *elf = NULL;
	struct elf_name nothing = {.offset = address};

	if (id < names->map->n_modules) {
		finding->module = &names->map->modules[id];
		elf = module_names(names, id);
		/* the call, not what follows it: that may be another line, or another function */
		if (elf)
			elf_names_find(elf, exact ? address : address - 1, NATIVE_MAX_INLINED,
				       on_found, finding);
		else if (finding->module->elf)
			nothing.offset -= finding->module->bias;
	}
	if (elf && finding->n) {
		/* the offset is that of the return address, as debuggers have it */
		if (!exact && !finding->frames[finding->n - 1].inlined)
			finding->frames[finding->n - 1].offset++;
		return;
	}
	finding->frames[0] = (struct frame){.kind = FRAME_NATIVE, .offset = nothing.offset};
	finding->n = 1;
	if (!finding->module)
		return;
	if (finding->module->kind == CODE_ANONYMOUS) {
		finding->frames[0].module = "generated code";
		return;
	}
	finding->frames[0].module = keep_text(names, base_name(finding->module->path));
	finding->frames[0].path = keep_text(names, finding->module->path);
}

static const struct known_address *know(struct native_names *names, uint32_t module,
					uint64_t address, bool exact)
{
	struct address_key key = {.address = address, .module = module, .exact = exact};
	struct finding finding = {.names = names};
	struct known_address *known;
	uint64_t bias = 0;

	HASH_FIND(hh, names->known, &key, sizeof(key), known);
	if (known)
		return known;
	/* so many addresses are another program's than the one that was looked at: begin anew */
	if (HASH_COUNT(names->known) >= NATIVE_NAMES_MAX)
		forget_all(names);
	find(&finding, module, address, exact);
	if (finding.module && finding.module->elf)
		bias = finding.module->bias;
	for (size_t i = 0; i < finding.n; i++)
		finding.frames[i].address = address - bias;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->key = key;
	known->frames = malloc(finding.n * sizeof(*known->frames));
	if (!known->frames) {
		free(known);
		return NULL;
	}
	memcpy(known->frames, finding.frames, finding.n * sizeof(*known->frames));
	known->n_frames = finding.n;
	HASH_ADD(hh, names->known, key, sizeof(known->key), known);
	return known;
}

size_t native_names_lookup(struct native_names *names, struct profile *profile, uint32_t module,
			   uint64_t address, bool exact, struct frame *frames)
{
	const struct known_address *known = know(names, module, address, exact);

	if (!known) {
		*frames = (struct frame){.kind = FRAME_NATIVE, .offset = address};
		return 1;
	}
	for (size_t i = 0; i < known->n_frames; i++) {
		frames[i] = known->frames[i];
		frames[i].function = profile_str(profile, frames[i].function, -1);
		frames[i].file = profile_str(profile, frames[i].file, -1);
		frames[i].module = profile_str(profile, frames[i].module, -1);
		frames[i].path = profile_str(profile, frames[i].path, -1);
		frames[i].near = profile_str(profile, frames[i].near, -1);
	}
	return known->n_frames;
}
