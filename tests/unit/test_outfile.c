/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/outfile.h"

static char folder[] = "/tmp/outfile-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int n_entries(void)
{
	DIR *dir = opendir(folder);
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	(void)state;
	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	closedir(dir);
	return rmdir(folder);
}

static void put(const char *name, const char *text)
{
	FILE *out = fopen(in_folder(name), "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void expect(const char *name, const char *text)
{
	char got[64] = "";
	FILE *in = fopen(in_folder(name), "r");

	assert_non_null(in);
	got[fread(got, 1, sizeof(got) - 1, in)] = '\0';
	fclose(in);
	assert_string_equal(got, text);
}

static void commit_replaces_at_once(void **state)
{
	struct err err = ERR_INIT;
	struct outfile *file;

	(void)state;
	put("report.txt", "old");
	file = outfile_open(in_folder("report.txt"), &err);
	assert_non_null(file);
	fputs("new", outfile_stream(file));
	fflush(outfile_stream(file));
	expect("report.txt", "old"); /* nothing is seen before the end */
	assert_int_equal(outfile_commit(file, &err), 0);
	expect("report.txt", "new");
	assert_int_equal(n_entries(), 1);
}

static void abandoned_leaves_nothing(void **state)
{
	struct outfile *file = outfile_open(in_folder("report.txt"), NULL);

	(void)state;
	assert_non_null(file);
	assert_int_equal(n_entries(), 1);
	outfile_abandon(file);
	outfile_abandon(NULL);
	assert_int_equal(n_entries(), 0);
}

static void links_are_refused_and_not_followed(void **state)
{
	struct err err = ERR_INIT;
	struct outfile *file;
	struct stat st;

	(void)state;
	put("victim", "precious");
	assert_int_equal(symlink("victim", in_folder("report.txt")), 0);
	assert_null(outfile_open(in_folder("report.txt"), &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.text, "symbolic link"));
	/* and one that is put there while the report is being written */
	assert_int_equal(unlink(in_folder("report.txt")), 0);
	file = outfile_open(in_folder("report.txt"), &err);
	assert_non_null(file);
	fputs("new", outfile_stream(file));
	assert_int_equal(symlink("victim", in_folder("report.txt")), 0);
	assert_int_equal(outfile_commit(file, &err), -ERR_USAGE);
	expect("victim", "precious");
	assert_int_equal(lstat(in_folder("report.txt"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(n_entries(), 2);
}

static void only_regular_files_are_replaced(void **state)
{
	static const char *const wrong[] = {"/dev/null", "/dev/stdout", "/tmp", "/",
					    "/tmp/",     ".",           "..",   ""};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err.code = ERR_NONE;
		assert_null(outfile_open(wrong[i], &err));
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	assert_null(outfile_open(in_folder("fifo"), &err));
	assert_non_null(strstr(err.text, "is not a regular file"));
	assert_null(outfile_open(in_folder("no/such/folder"), &err));
	assert_int_equal(err.code, ERR_FAILED);
	assert_non_null(strstr(err.text, "No such file or directory"));
}

static void a_full_disk_changes_nothing(void **state)
{
	struct rlimit limit, small;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	struct err err = ERR_INIT;
	struct outfile *file;
	int result;

	(void)state;
	put("report.txt", "old");
	file = outfile_open(in_folder("report.txt"), &err);
	assert_non_null(file);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 100000; i++)
		fputc('x', outfile_stream(file));
	result = outfile_commit(file, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, handler);
	assert_int_equal(result, -ERR_FAILED);
	/* why the first write failed, not what came later */
	assert_non_null(strstr(err.text, "cannot be written: File too large"));
	expect("report.txt", "old");
	assert_int_equal(n_entries(), 1);
}

static void names_are_filled_in(void **state)
{
	struct err err = ERR_INIT;
	char path[64];

	(void)state;
	assert_int_equal(outfile_name("leak-%p-%t.json", 42, 1770127387, path, sizeof(path), &err),
			 0);
	assert_string_equal(path, "leak-42-20260203T140307.json");
	assert_int_equal(outfile_name("100%%/%p%p", 7, 0, path, sizeof(path), &err), 0);
	assert_string_equal(path, "100%/77");
	assert_int_equal(outfile_name("a%d", 7, 0, path, sizeof(path), &err), -ERR_USAGE);
	assert_int_equal(outfile_name("a%", 7, 0, path, sizeof(path), &err), -ERR_USAGE);
	assert_int_equal(outfile_name("", 7, 0, path, sizeof(path), &err), -ERR_USAGE);
	assert_int_equal(outfile_name("123456", 7, 0, path, 6, &err), -ERR_USAGE);
	assert_int_equal(outfile_name("12345", 7, 0, path, 6, &err), 0);
}

static void long_names_work(void **state)
{
	char name[300];
	struct err err = ERR_INIT;
	struct outfile *file;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	file = outfile_open(in_folder(name), &err);
	assert_non_null(file);
	assert_int_equal(outfile_commit(file, &err), 0);
	assert_int_equal(n_entries(), 1);
	name[255] = 'n';
	name[256] = '\0';
	assert_null(outfile_open(in_folder(name), &err));
	assert_non_null(strstr(err.text, "too long"));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(commit_replaces_at_once),
		IN_FOLDER(abandoned_leaves_nothing),
		IN_FOLDER(links_are_refused_and_not_followed),
		IN_FOLDER(only_regular_files_are_replaced),
		IN_FOLDER(a_full_disk_changes_nothing),
		IN_FOLDER(names_are_filled_in),
		IN_FOLDER(long_names_work),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
