/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Debug information that is not in the file itself: found by build id and by link, in containers
 * and on servers, in two parts, packed; what is not the file's own is not believed.
 */
#include "unit/names_library.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "symbol/debug_file.h"
#include "symbol/elf_part.h"

static void a_debug_file_is_found_by_build_id(void **state)
{
	(void)state;
	run("id=$(readelf -n plain.so | sed -n 's/.*Build ID: //p')\n"
	    "folder=ids/.build-id/$(echo $id | cut -c 1-2)\n"
	    "mkdir -p $folder && cp plain.debug $folder/$(echo $id | cut -c 3-).debug");
	check_against_addr2line("stripped.so", "ids", "plain.so", 300);
	check_against_addr2line("symtab.so", "ids", "plain.so", 300);
}

/* What is at its place, but of another build, is not believed. */
static void a_debug_file_of_another_build_is_not_believed(void **state)
{
	struct names_target target;

	(void)state;
	run("id=$(readelf -n plain.so | sed -n 's/.*Build ID: //p')\n"
	    "folder=wrong/.build-id/$(echo $id | cut -c 1-2)\n"
	    "gcc -g " CFLAGS " -O1 -o other.so $SOURCES/library.c\n"
	    "mkdir -p $folder && cp other.so $folder/$(echo $id | cut -c 3-).debug");
	names_target_load(&target, "stripped.so", "wrong");
	assert_string_equal(names_at(&target, exported(&target, "names_first"), true),
			    "names_first+0x0 [stripped.so]");
	names_target_unload(&target);
}

static void a_debug_file_is_found_by_link(void **state)
{
	struct names_target target;

	(void)state;
	run("gcc -g " CFLAGS " -Wl,--build-id=none -o linked.full $SOURCES/library.c\n"
	    "objcopy --only-keep-debug linked.full linked.debug\n"
	    "for place in adjacent below root gone; do\n"
	    "	objcopy --strip-all --add-gnu-debuglink=linked.debug linked.full $place.so\n"
	    "	mkdir $place && mv $place.so $place\n"
	    "done\n"
	    "cp linked.debug adjacent\n"
	    "mkdir below/.debug && cp linked.debug below/.debug\n"
	    "mkdir -p roots/$PWD/root && cp linked.debug roots/$PWD/root\n"
	    "cp linked.debug gone && printf x >> gone/linked.debug");
	check_against_addr2line("adjacent/adjacent.so", NULL, "linked.full", 300);
	check_against_addr2line("below/below.so", NULL, "linked.full", 300);
	check_against_addr2line("root/root.so", "roots", "linked.full", 300);
	/* the checksum is wrong */
	names_target_load(&target, "gone/gone.so", "roots");
	assert_string_equal(names_at(&target, exported(&target, "names_first"), true),
			    "names_first+0x0 [gone.so]");
	names_target_unload(&target);
}

/* In a container the files are below its root; absolute links there do not lead out of it. */
static void a_debug_file_in_a_container_is_below_its_root(void **state)
{
	struct debug_places places = {.host = in_folder("none")};
	struct debug_file file;
	char here[4096], inside[4096];
	int fd = open(in_folder("stripped.so"), O_RDONLY | O_CLOEXEC);
	Elf *elf = elf_part_open(fd);
	ssize_t n;

	(void)state;
	assert_non_null(elf);
	run("id=$(readelf -n plain.so | sed -n 's/.*Build ID: //p')\n"
	    "name=.build-id/$(echo $id | cut -c 1-2)/$(echo $id | cut -c 3-).debug\n"
	    "mkdir -p jail/usr/lib/debug/$(dirname $name) jail/opt\n"
	    "cp plain.debug jail/opt/real.debug\n"
	    "ln -s /opt/real.debug jail/usr/lib/debug/$name\n"
	    "ln -s ../../../../../../../../opt/real.debug jail/opt/up.debug");
	places.own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	places.target_root = open(in_folder("jail"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	debug_file_find(&file, &places, elf, "/lib/stripped.so");
	assert_true(file.fd >= 0);
	assert_int_equal(file.root, places.target_root);
	snprintf(here, sizeof(here), "/proc/self/fd/%d", file.fd);
	n = readlink(here, inside, sizeof(inside) - 1);
	assert_true(n > 0);
	inside[n] = '\0';
	assert_string_equal(inside, in_folder("jail/opt/real.debug"));
	close(file.fd);
	/* the same seen from outside: /opt/real.debug is another file, or none */
	close(places.target_root);
	places.target_root = -1;
	places.host = in_folder("jail/usr/lib/debug");
	debug_file_find(&file, &places, elf, "/lib/stripped.so");
	assert_int_equal(file.fd, -1);
	close(places.own_root);
	elf_end(elf);
	close(fd);
}

/* A server of debug files, for one request. */
struct server {
	int socket;
	unsigned port;
	char asked[256]; /* the first line */
};

static void *serve(void *context)
{
	struct server *server = context;
	char request[4096], head[128];
	int peer = accept(server->socket, NULL, NULL);
	FILE *in = fopen(in_folder("plain.debug"), "r");
	static char bytes[1 << 20];
	size_t size = in ? fread(bytes, 1, sizeof(bytes), in) : 0;
	ssize_t n = read(peer, request, sizeof(request) - 1);

	if (in)
		fclose(in);
	request[n > 0 ? n : 0] = '\0';
	snprintf(server->asked, sizeof(server->asked), "%.*s", (int)strcspn(request, "\r\n"),
		 request);
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", size);
	if (write(peer, head, (size_t)n) < 0 || write(peer, bytes, size) < 0)
		server->asked[0] = '\0';
	close(peer);
	return NULL;
}

static void start_server(struct server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	memset(server, 0, sizeof(*server));
	server->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->socket, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(server->socket, 4), 0);
	assert_int_equal(getsockname(server->socket, (struct sockaddr *)&address, &length), 0);
	server->port = ntohs(address.sin_port);
}

/* Servers are asked only by the wish of the user. */
static void servers_are_asked_only_on_demand(void **state)
{
	struct names_target target;
	struct server server;
	pthread_t thread;
	char urls[64], *first;
	void *client = dlopen("libdebuginfod.so.1", RTLD_NOW);

	(void)state;
	if (!client) {
		print_message(
			"skip: libdebuginfod is not installed; elfutils cannot ask servers\n");
		skip();
	}
	start_server(&server);
	snprintf(urls, sizeof(urls), "http://127.0.0.1:%u", server.port);
	setenv("DEBUGINFOD_CACHE_PATH", in_folder("cache"), 1);
	/* not set, and set to nothing: nobody knocks */
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			unsetenv("DEBUGINFOD_URLS");
		else
			setenv("DEBUGINFOD_URLS", "", 1);
		names_target_load(&target, "stripped.so", NULL);
		assert_string_equal(names_at(&target, exported(&target, "names_first"), true),
				    "names_first+0x0 [stripped.so]");
		names_target_unload(&target);
	}
	fcntl(server.socket, F_SETFL, O_NONBLOCK);
	assert_int_equal(accept(server.socket, NULL, NULL), -1);
	fcntl(server.socket, F_SETFL, 0);
	setenv("DEBUGINFOD_URLS", urls, 1);
	assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
	names_target_load(&target, "stripped.so", NULL);
	first = strdup(names_at(&target, exported(&target, "names_first"), true));
	names_target_unload(&target);
	pthread_join(thread, NULL);
	unsetenv("DEBUGINFOD_URLS");
	assert_non_null(strstr(server.asked, "/debuginfo"));
	assert_non_null(strstr(first, "names_first+0x0 (library.c:"));
	free(first);
	close(server.socket);
	dlclose(client);
}

/* dwz moves what two files have in common into a third. */
static void parts_shared_with_another_file_are_found(void **state)
{
	if (system("command -v dwz > /dev/null") != 0) {
		print_message("skip: dwz is not installed\n");
		skip();
	}
	(void)state;
	run("mkdir -p dwz/.build-id/sh\n"
	    "for n in 1 2; do gcc -g " CFLAGS " -DCOPY=$n -o shared$n.so $SOURCES/library.c; done\n"
	    "cp shared1.so shared.full\n"
	    "dwz -m common.debug shared1.so shared2.so");
	check_against_addr2line("shared1.so", NULL, "shared.full", 300);
	/* without the third file half of the information is none */
	run("rm common.debug && cp shared1.so shared3.so");
	{
		struct names_target target;

		names_target_load(&target, "shared3.so", NULL);
		assert_string_equal(names_at(&target, exported(&target, "names_first"), true),
				    "names_first+0x0 [shared3.so]");
		names_target_unload(&target);
	}
}

static void mini_debug_info_gives_names(void **state)
{
	struct names_target target;
	uint64_t inside = local("plain.so", "local_function") + 5;

	(void)state;
	run("objcopy --strip-debug plain.debug mini && xz mini\n"
	    "objcopy --add-section .gnu_debugdata=mini.xz stripped.so mini.so\n"
	    "printf damaged > damaged.xz\n"
	    "objcopy --add-section .gnu_debugdata=damaged.xz stripped.so damaged.so");
	names_target_load(&target, "mini.so", NULL);
	assert_string_equal(names_at(&target, inside, true), "local_function+0x5 [mini.so]");
	assert_string_equal(names_at(&target, exported(&target, "names_alias"), true),
			    "names_alias+0x0 [mini.so]");
	names_target_unload(&target);
	names_target_load(&target, "damaged.so", NULL);
	assert_non_null(strstr(names_at(&target, inside, true), "damaged.so+0x"));
	names_target_unload(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_debug_file_is_found_by_build_id),
		cmocka_unit_test(a_debug_file_of_another_build_is_not_believed),
		cmocka_unit_test(a_debug_file_is_found_by_link),
		cmocka_unit_test(a_debug_file_in_a_container_is_below_its_root),
		cmocka_unit_test(servers_are_asked_only_on_demand),
		cmocka_unit_test(parts_shared_with_another_file_are_found),
		cmocka_unit_test(mini_debug_info_gives_names),
	};

	return cmocka_run_group_tests(tests, make_libraries, empty_folder);
}
