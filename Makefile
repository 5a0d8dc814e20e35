# SPDX-License-Identifier: BSD-2-Clause
#
# make                 build/pyleaktrace (with its man pages and completions)
# make unit host-bpf   build and run the tests that need no root
# make bpf bpf-all     the BPF object, for this or for every architecture
# make lint            include direction, headers alone, format
# make install PREFIX=/usr/local DESTDIR=
# make clean
#
# DEBUG=1   no optimisation, BPF log     SAN=address,undefined   sanitizers (own build folder); both
#           check the order of locks
# V=1       show commands                O=DIR                   build folder (default: build)

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
# Ubuntu's /usr/sbin/bpftool is a script that refuses to run on any kernel but Ubuntu's own
BPFTOOL ?= $(shell for tool in /usr/sbin/bpftool $$(command -v bpftool) /usr/lib/linux-tools/*/bpftool; do \
	"$$tool" version > /dev/null 2>&1 && echo "$$tool" && exit; done; echo bpftool)
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL ?= install

O ?= build
comma := ,
OUT := $(O)$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))$(if $(DEBUG),/debug)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

VERSION := 0.1.0
ARCH := $(subst x86_64,x86,$(subst aarch64,arm64,$(shell uname -m)))

.DELETE_ON_ERROR:
.SUFFIXES:
all: $(OUT)/pyleaktrace manual

# ---- flags -------------------------------------------------------------------------------------------

PACKAGES := libbpf libelf libdw liblzma zydis jansson zlib libzstd
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
CPPFLAGS += -D_GNU_SOURCE -Iuser -Ibpf -I$(OUT)/gen -DPYLEAKTRACE_VERSION='"$(VERSION)"' \
	$(if $(DEBUG)$(SAN),-DPYLEAKTRACE_CHECK_LOCKS)
CFLAGS ?= $(if $(DEBUG),-O0 -g3,$(if $(SAN),-O1,-O2) -g)
ALL_CFLAGS := -std=gnu11 $(WARNINGS) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LDLIBS := $(shell $(PKG_CONFIG) --libs $(filter-out zydis,$(PACKAGES)) 2>/dev/null || echo -lbpf -lelf -ldw -llzma -ljansson -lz -lzstd) -lZydis -liberty -lm
DEPFLAGS = -MMD -MP -MF $@.d

# ---- BPF ---------------------------------------------------------------------------------------------

BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter \
	-D__bpf__ -Ibpf $(if $(DEBUG),-DPYLEAKTRACE_DEBUG)

$(OUT)/bpf/%/pyleaktrace.bpf.o: bpf/pyleaktrace.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$* -Ivmlinux/$* $(DEPFLAGS) -c $< -o $@
	$(Q)llvm-strip -g $@

$(OUT)/gen/pyleaktrace.skel.h: $(OUT)/bpf/$(ARCH)/pyleaktrace.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name pyleaktrace_bpf > $@

bpf: $(OUT)/bpf/$(ARCH)/pyleaktrace.bpf.o
bpf-all: $(OUT)/bpf/x86/pyleaktrace.bpf.o $(OUT)/bpf/arm64/pyleaktrace.bpf.o

# ---- the page ------------------------------------------------------------------------------

# bundled beforehand by tools/build-page, so that a build needs no npm
PAGE := user/export/page/bundle/flamegraph.html

# ---- program -------------------------------------------------------------------------------------------

SOURCES := $(sort $(wildcard user/*/*.c))
OBJECTS := $(SOURCES:%.c=$(OUT)/%.o)
MAIN := $(OUT)/user/main.o

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(DEPFLAGS) -c $< -o $@

# the skeleton comes before the first compile that may want it
$(filter $(OUT)/user/probe/% $(OUT)/user/snapshot/%,$(OBJECTS)): | $(OUT)/gen/pyleaktrace.skel.h
$(OUT)/user/export/%.o: CPPFLAGS += -DPYLEAKTRACE_PAGE='"$(PAGE)"'
$(OUT)/user/export/html.o: $(PAGE)

# unwind tables in the cache are used by the compiler that made them, and by no other
UNWIND_SOURCES := $(sort $(wildcard user/unwind/*.[ch] bpf/abi/registers*.h)) bpf/abi/unwind.h
UNWIND_COMPILER = $(firstword $(shell cat $(UNWIND_SOURCES) | cksum))u
$(OUT)/user/unwind/cache.o: CPPFLAGS += -DUNWIND_COMPILER=$(UNWIND_COMPILER)
$(OUT)/user/unwind/cache.o: $(UNWIND_SOURCES)

$(OUT)/libpyleaktrace.a: $(OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/pyleaktrace: $(MAIN) $(OUT)/libpyleaktrace.a | lint-layers
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(MAIN) $(OUT)/libpyleaktrace.a $(LDLIBS) -o $@

# ---- man pages and completions: made from the tables of verbs and options -----------------------------------

MAN_PAGES := $(patsubst man/%.in,$(OUT)/man/%,$(sort $(wildcard man/*.8.in)))
COMPLETIONS := $(addprefix $(OUT)/completion/,bash zsh fish)
# verbs that a page of another name describes: verb:page
MAN_ALIASES := growth:heap holders:heap chain:heap backrefs:heap objects:heap trend:heap refs:watch report:record diff:record

$(OUT)/gen/manual: tools/gen-manual.c $(OUT)/libpyleaktrace.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) $< $(OUT)/libpyleaktrace.a $(LDLIBS) -o $@

$(OUT)/man/%: man/%.in $(OUT)/gen/manual
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)$(OUT)/gen/manual man < $< > $@

$(OUT)/completion/%: $(OUT)/gen/manual
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(OUT)/gen/manual $* > $@

manual: $(MAN_PAGES) $(COMPLETIONS)

# ---- tests without root ----------------------------------------------------------------------------------

UNIT_TESTS := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
HOST_TESTS := $(patsubst tests/host_bpf/%.c,$(OUT)/host_bpf/%,$(sort $(wildcard tests/host_bpf/test_*.c)))

$(OUT)/unit/%: tests/unit/%.c $(OUT)/libpyleaktrace.a
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) $< $(OUT)/libpyleaktrace.a $(LDLIBS) -lcmocka -o $@

$(OUT)/host_bpf/%: tests/host_bpf/%.c
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) -D_GNU_SOURCE -Itests/host_bpf -Ibpf -Iuser $(ALL_CFLAGS) -Wno-unused-parameter -Wno-unused-function \
		-fsanitize=address,undefined -fno-sanitize-recover=all -MMD -MP -MF $@.d $< -lcmocka -lm -o $@

unit-build: $(UNIT_TESTS)
unit: $(UNIT_TESTS)
	$(Q)tools/run-tests $(UNIT_TESTS)
host-bpf: $(HOST_TESTS)
	$(Q)tools/run-tests $(HOST_TESTS)

# what tools/bench-unwind-tables runs
$(O)/bench/unwind_tables: tools/bench.d/unwind_tables.c $(OUT)/libpyleaktrace.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) $< $(OUT)/libpyleaktrace.a $(LDLIBS) -o $@

# what tools/verifier-cost runs, and tools/kernels on other kernels
$(O)/tools/verifier-cost: tools/verifier-cost.c user/probe/facts.c user/python/layout.c user/base/err.c $(wildcard bpf/abi/*.h user/python/layout*)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(filter %.c,$^) -lbpf -o $@

# ---- hostile input --------------------------------------------------------------------------------------

# the fuzzer includes cache.c, whose inside it tries too
FUZZED := $(filter-out user/unwind/cache.c,$(sort $(wildcard user/unwind/*.c))) user/base/err.c
FUZZ_FLAGS := -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(O)/fuzz/fuzz_unwind: tests/fuzz/fuzz_unwind.c $(FUZZED) $(UNWIND_SOURCES)
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -Iuser -Ibpf -DUNWIND_COMPILER=$(UNWIND_COMPILER) $(FUZZ_FLAGS) \
		$< $(FUZZED) -lelf -ldw -o $@

NAMED := $(addprefix user/symbol/,api_slots.c api_tables.c cold_parts.c debug_file.c debug_image.c debug_info.c demangle.c \
	elf_part.c elf_symbols.c elf_words.c mini_debug.c native_module.c native_names.c plt.c unnamed.c) \
	$(addprefix user/unwind/,cfi.c cfi_state.c functions.c reader.c section.c) user/target/remote_mem.c user/target/remote_handle.c user/target/open_below.c user/model/profile.c user/base/err.c \
	user/base/lock.c

$(O)/fuzz/fuzz_names: tests/fuzz/fuzz_names.c $(NAMED)
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) -std=gnu11 $(WARNINGS) -D_GNU_SOURCE -Iuser -Ibpf $(FUZZ_FLAGS) $< $(NAMED) -lelf -ldw -llzma -lz -liberty -lZydis -o $@

fuzz-build: $(O)/fuzz/fuzz_unwind $(O)/fuzz/fuzz_names

# ---- checks of the source ----------------------------------------------------------------------------------

lint-layers:
	$(Q)tools/check-layers
lint: lint-layers
	$(Q)tools/check-headers
	$(Q)tools/check-format || [ $$? = 75 ]

# ---- install ---------------------------------------------------------------------------------------------

SHARE = $(DESTDIR)$(PREFIX)/share
install: all
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/sbin $(SHARE)/man/man8 $(SHARE)/pyleaktrace \
		$(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(INSTALL) -m 0755 $(OUT)/pyleaktrace $(DESTDIR)$(PREFIX)/sbin/pyleaktrace
	$(INSTALL) -m 0644 $(MAN_PAGES) $(SHARE)/man/man8/
	$(Q)$(foreach alias,$(MAN_ALIASES),echo .so man8/pyleaktrace-$(lastword $(subst :, ,$(alias))).8 \
		> $(SHARE)/man/man8/pyleaktrace-$(firstword $(subst :, ,$(alias))).8 &&) true
	$(INSTALL) -m 0644 $(OUT)/completion/bash $(SHARE)/bash-completion/completions/pyleaktrace
	$(INSTALL) -m 0644 $(OUT)/completion/zsh $(SHARE)/zsh/site-functions/_pyleaktrace
	$(INSTALL) -m 0644 $(OUT)/completion/fish $(SHARE)/fish/vendor_completions.d/pyleaktrace.fish
	$(INSTALL) -m 0644 user/export/pyleaktrace-2.schema.json $(SHARE)/pyleaktrace/

clean:
	rm -rf $(OUT)/bpf $(OUT)/gen $(OUT)/user $(OUT)/unit $(OUT)/host_bpf $(OUT)/libpyleaktrace.a \
		$(O)/bench $(O)/fuzz $(O)/tools $(O)/clang-* $(OUT)/man $(OUT)/completion $(OUT)/pyleaktrace

-include $(shell find $(addprefix $(OUT)/,bpf user unit host_bpf) -type f -name '*.d' 2>/dev/null)

.PHONY: all manual bpf bpf-all unit unit-build host-bpf fuzz-build lint lint-layers install clean
