/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "model/package.h"

static struct frame python(const char *file)
{
	return (struct frame){.kind = FRAME_PYTHON, .function = "f", .file = file, .line = 1};
}

/* A C frame of the file with this path; a name without a slash: the path is not known. */
static struct frame native(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (struct frame){.kind = FRAME_NATIVE,
			      .module = slash ? slash + 1 : path,
			      .path = slash ? path : NULL};
}

static void check(const struct frame *frame, enum package_kind kind, const char *name)
{
	struct package package = package_of(frame, "uwsgi");
	const char *of = frame->kind == FRAME_PYTHON ? frame->file : frame->module;

	if (package.kind != kind || package.length != strlen(name) ||
	    (package.length && memcmp(package.name, name, package.length)))
		fail_msg("%s: %s \"%.*s\", not %s \"%s\"", of ? of : "NULL",
			 package_kind_name(package.kind), (int)package.length,
			 package.length ? package.name : "", package_kind_name(kind), name);
}

static void python_files_have_packages(void **state)
{
	static const struct {
		const char *file;
		enum package_kind kind;
		const char *name;
	} cases[] = {
		{"/opt/venv/lib/python3.11/site-packages/numpy/core/numeric.py", PACKAGE_INSTALLED,
		 "numpy"},
		{"/usr/lib/python3/dist-packages/six.py", PACKAGE_INSTALLED, "six"},
		{"/usr/local/lib/python3.11/dist-packages/google/cloud/storage/blob.py",
		 PACKAGE_INSTALLED, "google"},
		{"/v/site-packages/shop-1.0-py3.11.egg/shop/cart.py", PACKAGE_INSTALLED, "shop"},
		{"/v/site-packages/outer/site-packages/inner/x.py", PACKAGE_INSTALLED, "inner"},
		{"site-packages/relative/x.py", PACKAGE_INSTALLED, "relative"},
		{"/v//site-packages//doubled//x.py", PACKAGE_INSTALLED, "doubled"},
		{"/usr/lib/python3.11/json/decoder.py", PACKAGE_STDLIB, "json"},
		{"/usr/lib/python3.11/threading.py", PACKAGE_STDLIB, "threading"},
		{"/root/.pyenv/versions/3.8.18/lib/python3.8/re.py", PACKAGE_STDLIB, "re"},
		{"/usr/lib64/python3.13t/os.py", PACKAGE_STDLIB, "os"},
		{"/opt/lib/python312.zip/json/scanner.py", PACKAGE_STDLIB, "json"},
		{"<frozen importlib._bootstrap_external>", PACKAGE_STDLIB, "importlib"},
		{"<frozen os>", PACKAGE_STDLIB, "os"},
		{"/srv/app/web.py", PACKAGE_APPLICATION, "/srv/app"},
		{"/main.py", PACKAGE_APPLICATION, "/"},
		{"main.py", PACKAGE_APPLICATION, "main.py"},
		{"./app/main.py", PACKAGE_APPLICATION, "./app"},
		/* folders that only look like those of packages */
		{"/srv/python3.11/x.py", PACKAGE_APPLICATION, "/srv/python3.11"},
		{"/srv/lib/python3/x.py", PACKAGE_APPLICATION, "/srv/lib/python3"},
		{"/srv/lib/python3.x/x.py", PACKAGE_APPLICATION, "/srv/lib/python3.x"},
		{"/srv/lib/python3.11-dbg/x.py", PACKAGE_APPLICATION, "/srv/lib/python3.11-dbg"},
		{"/srv/my-site-packages/x.py", PACKAGE_APPLICATION, "/srv/my-site-packages"},
		{"/srv/site-packages", PACKAGE_APPLICATION, "/srv"},
		{"/srv/site-packages/", PACKAGE_APPLICATION, "/srv/site-packages"},
		{"////", PACKAGE_APPLICATION, "///"},
		{"<string>", PACKAGE_NO_FILE, "<string>"},
		{"<attrs generated init shop.Cart>", PACKAGE_NO_FILE,
		 "<attrs generated init shop.Cart>"},
		{"", PACKAGE_NONE, ""},
		{NULL, PACKAGE_NONE, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame frame = python(cases[i].file);

		check(&frame, cases[i].kind, cases[i].name);
	}
}

static void elf_files_have_packages(void **state)
{
	static const struct {
		const char *path;
		enum package_kind kind;
		const char *name;
	} cases[] = {
		{"/v/site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so",
		 PACKAGE_INSTALLED, "numpy"},
		{"/v/site-packages/numpy.libs/libopenblas64_p-r0-0cf96a72.3.23.so",
		 PACKAGE_INSTALLED, "numpy"},
		{"/v/site-packages/_brotli.cpython-311-x86_64-linux-gnu.so", PACKAGE_INSTALLED,
		 "_brotli"},
		{"/v/site-packages/_argon2.abi3.so", PACKAGE_INSTALLED, "_argon2"},
		{"/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
		 PACKAGE_STDLIB, "_ssl"},
		{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", PACKAGE_LIBRARY, "libcrypto.so.3"},
		{"/srv/app/_speed.abi3.so", PACKAGE_LIBRARY, "_speed.abi3.so"},
		{"_umath.cpython-311-x86_64-linux-gnu.so", PACKAGE_LIBRARY,
		 "_umath.cpython-311-x86_64-linux-gnu.so"},
		{"libcap.so.2", PACKAGE_LIBRARY, "libcap.so.2"},
		{"libmagic.so.1", PACKAGE_LIBRARY, "libmagic.so.1"},
		{"/usr/bin/python3.11", PACKAGE_INTERPRETER, "python3.11"},
		{"/usr/bin/python3", PACKAGE_INTERPRETER, "python3"},
		{"/usr/lib/libpython3.12.so.1.0", PACKAGE_INTERPRETER, "libpython3.12.so.1.0"},
		{"/usr/sbin/uwsgi", PACKAGE_INTERPRETER, "uwsgi"},
		{"python3-config", PACKAGE_LIBRARY, "python3-config"},
		{"/lib/x86_64-linux-gnu/libc.so.6", PACKAGE_RUNTIME, "libc.so.6"},
		{"libc-2.31.so", PACKAGE_RUNTIME, "libc-2.31.so"},
		{"/lib/ld-musl-x86_64.so.1", PACKAGE_RUNTIME, "ld-musl-x86_64.so.1"},
		{"ld-linux-x86-64.so.2", PACKAGE_RUNTIME, "ld-linux-x86-64.so.2"},
		{"libstdc++.so.6.0.30", PACKAGE_RUNTIME, "libstdc++.so.6.0.30"},
		{"libtcmalloc_minimal.so.4", PACKAGE_RUNTIME, "libtcmalloc_minimal.so.4"},
		{"libmimalloc-secure.so.2", PACKAGE_RUNTIME, "libmimalloc-secure.so.2"},
		{"libffi.so.8", PACKAGE_RUNTIME, "libffi.so.8"},
		{"/usr/lib/python3.11/lib-dynload/_ctypes.cpython-311-x86_64-linux-gnu.so",
		 PACKAGE_RUNTIME, "_ctypes.cpython-311-x86_64-linux-gnu.so"},
		{"[vdso]", PACKAGE_RUNTIME, "[vdso]"},
		{"generated code", PACKAGE_NO_FILE, "generated code"},
		{"[anon:jit]", PACKAGE_NO_FILE, "[anon:jit]"},
		{"/srv/my app/plug in.so", PACKAGE_LIBRARY, "plug in.so"},
		{"", PACKAGE_NONE, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame frame = native(cases[i].path);

		check(&frame, cases[i].kind, cases[i].name);
	}
}

static void gaps_say_why(void **state)
{
	struct frame gap = {.kind = FRAME_GAP, .function = "[not a Python thread]"};
	struct package package = package_of(&gap, NULL);

	(void)state;
	assert_int_equal(package.kind, PACKAGE_GAP);
	assert_int_equal(package.length, strlen(gap.function));
	gap.function = NULL;
	assert_int_equal(package_of(&gap, NULL).kind, PACKAGE_NONE);
}

static void modules_are_found_by_name(void **state)
{
	static const struct {
		const char *path;
		bool native;
		const char *yes[5], *no[6];
	} cases[] = {
		{"/v/lib/python3.11/site-packages/numpy/core/numeric.py",
		 false,
		 {"numpy", "numpy.core", "numpy.core.numeric"},
		 {"num", "numpy.cor", "core", "numpy.core.numeric.x", "python3", "v"}},
		{"/v/site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so",
		 true,
		 {"numpy", "numpy.core", "numpy.core._umath", "_umath"},
		 {"umath", "core", "_umath.cp", "site-packages"}},
		{"/v/site-packages/numpy.libs/libopenblas-0cf96a72.3.23.so",
		 true,
		 {"numpy", "libopenblas-0cf96a72", "libopenblas-0cf96a72.3.23.so"},
		 {"libopenblas", "open"}},
		{"/v/site-packages/six.py", false, {"six"}, {"si", "sixty"}},
		{"/usr/lib/python3.11/json/decoder.py",
		 false,
		 {"json", "json.decoder"},
		 {"decoder", "lib", "usr"}},
		{"/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
		 true,
		 {"_ssl"},
		 {"ssl", "lib-dynload"}},
		{"<frozen importlib._bootstrap>", false, {"importlib"}, {"frozen", "import"}},
		{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		 true,
		 {"libcrypto", "libcrypto.so", "libcrypto.so.3"},
		 {"libcrypt", "libcrypto.so.30", "usr"}},
		{"/srv/shop/db/models.py",
		 false,
		 {"shop", "shop.db", "db.models", "models", "/srv/shop"},
		 {"sho", "shop.models", "models.db", "rv"}},
		{"main.py", false, {"main", "main.py"}, {"mai", "."}},
		{"<string>", false, {"<string>"}, {"string"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame frame =
			cases[i].native ? native(cases[i].path) : python(cases[i].path);

		for (size_t n = 0; n < 5 && cases[i].yes[n]; n++)
			if (!package_has(&frame, cases[i].yes[n]))
				fail_msg("%s is not of %s", cases[i].path, cases[i].yes[n]);
		for (size_t n = 0; n < 6 && cases[i].no[n]; n++)
			if (package_has(&frame, cases[i].no[n]))
				fail_msg("%s is of %s", cases[i].path, cases[i].no[n]);
	}
}

/* Whatever a group is called, --module takes that name. */
static void names_of_packages_are_found(void **state)
{
	static const char *const paths[] = {
		"/v/site-packages/numpy.libs/libopenblas-0cf96a72.3.23.so",
		"/v/site-packages/six.py",
		"/v/site-packages/shop-1.0.egg/shop/cart.py",
		"/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/bin/python3.11",
		"/srv/app.d/web.py",
		"main.py",
		"<string>",
		"<frozen os>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		for (int elf = 0; elf < 2; elf++) {
			struct frame frame = elf ? native(paths[i]) : python(paths[i]);
			struct package package = package_of(&frame, NULL);
			char name[128];

			assert_true(package.length > 0 && package.length < sizeof(name));
			memcpy(name, package.name, package.length);
			name[package.length] = '\0';
			if (!package_has(&frame, name))
				fail_msg("%s is not of its own %s", paths[i], name);
		}
	}
}

static void odd_frames_have_no_module(void **state)
{
	struct frame frames[] = {{.kind = FRAME_PYTHON},
				 {.kind = FRAME_NATIVE},
				 {.kind = FRAME_GAP, .function = "json"},
				 python("")};

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		assert_false(package_has(&frames[i], "json"));
		assert_false(package_has(&frames[i], ""));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(python_files_have_packages),
		cmocka_unit_test(elf_files_have_packages),
		cmocka_unit_test(gaps_say_why),
		cmocka_unit_test(modules_are_found_by_name),
		cmocka_unit_test(names_of_packages_are_found),
		cmocka_unit_test(odd_frames_have_no_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
