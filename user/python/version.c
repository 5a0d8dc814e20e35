/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/version.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python/flow.h"
#include "python/layout.h"
#include "target/remote_mem.h"

#define LEVEL_FINAL 0xf

void py_version_format(struct py_version *version)
{
	unsigned major = PY_VERSION_MAJOR(version->hex), minor = PY_VERSION_MINOR(version->hex);
	unsigned micro = version->hex >> 8 & 0xff, level = version->hex >> 4 & 0xf;
	const char *name = level == 0xa ? "a" : level == 0xb ? "b" : "rc";
	const char *kind = version->free_threaded ? "t" : "";

	if ((version->hex & 0xffff) == 0)
		snprintf(version->text, sizeof(version->text), "%u.%u%s", major, minor, kind);
	else if (level == LEVEL_FINAL)
		snprintf(version->text, sizeof(version->text), "%u.%u.%u%s", major, minor, micro,
			 kind);
	else
		snprintf(version->text, sizeof(version->text), "%u.%u.%u%s%u%s", major, minor,
			 micro, name, version->hex & 0xf, kind);
}

/* A decimal number of at most three digits, at most `max`; *text moves behind it. */
static bool parse_number(const char **text, unsigned max, unsigned *out)
{
	unsigned digits = 0;

	*out = 0;
	while (isdigit((unsigned char)**text) && digits < 3) {
		*out = *out * 10 + (unsigned)(*(*text)++ - '0');
		digits++;
	}
	return digits > 0 && *out <= max;
}

bool py_version_parse(struct py_version *version, const char *text)
{
	unsigned major, minor, micro = 0, level = 0, serial = 0;

	if (!parse_number(&text, 3, &major) || major < 2 || *text++ != '.' ||
	    !parse_number(&text, 255, &minor))
		return false;
	if (*text == '.') {
		text++;
		if (!parse_number(&text, 255, &micro))
			return false;
		level = LEVEL_FINAL;
		if (*text == 'a' || *text == 'b') {
			level = *text++ == 'a' ? 0xa : 0xb;
			if (!parse_number(&text, 15, &serial))
				return false;
		} else if (strncmp(text, "rc", 2) == 0) {
			level = 0xc;
			text += 2;
			if (!parse_number(&text, 15, &serial))
				return false;
		}
	}
	/* "+": built from a checkout behind the release */
	if (*text == '+')
		text++;
	if (*text != '\0' && *text != ' ')
		return false;
	version->hex = major << 24 | minor << 16 | micro << 8 | level << 4 | serial;
	py_version_format(version);
	return true;
}

static bool take_hex(struct py_version *version, uint32_t hex)
{
	unsigned level = hex >> 4 & 0xf;

	if (PY_VERSION_MAJOR(hex) != 3 ||
	    (level != 0xa && level != 0xb && level != 0xc && level != LEVEL_FINAL))
		return false;
	version->hex = hex;
	py_version_format(version);
	return true;
}

/* Py_GetVersion() builds "VERSION (BUILD) COMPILER", and takes VERSION from a string. */
static bool from_text(struct py_version *version, const struct module *module, pid_t pid)
{
	struct flow flow;
	unsigned i;

	flow_trace(&flow, module, pid, "Py_GetVersion", 0);
	for (i = 0; i < flow.n_events; i++) {
		struct py_version found = *version;
		char text[32];

		if (flow.events[i].kind != FLOW_ADDRESS)
			continue;
		if (remote_read_string(pid, flow.events[i].address, text, sizeof(text)) > 0 &&
		    py_version_parse(&found, text) && (found.hex & 0xffff)) {
			*version = found;
			return true;
		}
	}
	return false;
}

/* "libpython3.9.so.1.0", "libpython3.13t.so.1.0", "python3.6m": major.minor, and what kind. */
static bool from_name(struct py_version *version, const char *name)
{
	const char *at = name ? strstr(name, "python") : NULL;
	unsigned major, minor;

	for (; at; at = strstr(at, "python")) {
		at += strlen("python");
		if (!parse_number(&at, 3, &major) || major < 2 || *at++ != '.' ||
		    !parse_number(&at, 255, &minor))
			continue;
		version->hex = major << 24 | minor << 16;
		version->free_threaded = *at == 't';
		py_version_format(version);
		return true;
	}
	return false;
}

/* The name of the library folder, "python3.9", is a string of its own in every build. */
static bool from_strings(struct py_version *version, const struct module *module)
{
	static const char key[] = "\0python3.";
	uint64_t vaddr, size;
	size_t available;
	const uint8_t *bytes, *at;

	if (!elf_file_section(module->elf, ".rodata", &vaddr, &size))
		return false;
	bytes = elf_file_bytes(module->elf, vaddr, &available);
	if (available > size)
		available = size;
	while (bytes && (at = memmem(bytes, available, key, sizeof(key) - 1))) {
		char name[16] = "";
		size_t left = available - (size_t)(at + 1 - bytes);

		memcpy(name, at + 1, left < sizeof(name) - 1 ? left : sizeof(name) - 1);
		if (from_name(version, name))
			return true;
		bytes = at + 1;
		available = left;
	}
	return false;
}

/* 3.13 and later begin _PyRuntime with a cookie, the version, and whether the build has a GIL. */
static void read_debug_offsets(struct py_version *version, pid_t pid, uint64_t runtime)
{
	struct {
		char cookie[8];
		uint64_t version, free_threaded;
	} head;

	if (!runtime || remote_read(pid, runtime, &head, sizeof(head)) != 0 ||
	    memcmp(head.cookie, "xdebugpy", sizeof(head.cookie)) != 0)
		return;
	version->free_threaded = head.free_threaded == 1;
	if (version->hex == 0 && head.version <= UINT32_MAX)
		take_hex(version, (uint32_t)head.version);
	else
		py_version_format(version);
}

bool py_version_find(struct py_version *version, const struct module *module, pid_t pid,
		     uint64_t runtime)
{
	uint64_t address = module_symbol(module, "Py_Version");
	const char *slash = strrchr(module->path, '/');
	uint32_t hex;

	*version = (struct py_version){0};
	if (address && remote_read_u32(pid, address, &hex) == 0)
		take_hex(version, hex);
	read_debug_offsets(version, pid, runtime);
	return version->hex || from_text(version, module, pid) ||
	       from_name(version, elf_file_soname(module->elf)) ||
	       from_name(version, slash ? slash + 1 : module->path) ||
	       from_strings(version, module);
}

void py_version_supported(char *buffer, size_t size)
{
	unsigned lowest[2] = {255, 255}, highest[2] = {0, 0}, i;
	const struct py_layout *row;

	for (i = 0; (row = layout_row(i)); i++) {
		if (row->minor < lowest[row->free_threaded])
			lowest[row->free_threaded] = row->minor;
		if (row->minor > highest[row->free_threaded])
			highest[row->free_threaded] = row->minor;
	}
	snprintf(buffer, size, "3.%u to 3.%u and 3.%ut to 3.%ut", lowest[0], highest[0], lowest[1],
		 highest[1]);
}
