# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# make            build everything into build/ (no root, no BTF needed)
# make check      tests that need no root
# sudo make test  install what is needed, build, run every test
# sudo make demo  install what is needed, build, show the main job for real
# make bench      measure, side by side with raw TCP
# make install    into $(DESTDIR)$(PREFIX)
#
# V=1 shows commands, WERROR=1 makes warnings errors, SANITIZE=1 builds with
# ASan and UBSan into build-sanitize/.

PREFIX ?= /usr/local
DESTDIR ?=
V ?= 0
WERROR ?= 0
SANITIZE ?= 0
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

VERSION := 0.1.0
SANITIZE_B := build-sanitize
B := $(if $(filter 1,$(SANITIZE)),$(SANITIZE_B),build)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s%s\n' $(1) $(2))

# Under sudo, compiling is the invoking user's business, not root's - where
# that user may write at all.
AS_USER := $(if $(and $(filter 0,$(shell id -u)),$(SUDO_USER)),$(shell \
	runuser -u $(SUDO_USER) -- test -w . && echo runuser -u $(SUDO_USER) --))
# All processors, unless the caller has said how many.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes \
	-Wstrict-prototypes -Wvla $(if $(filter 1,$(WERROR)),-Werror,)
ifeq ($(SANITIZE),1)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -DSKERRY_SANITIZE
endif
PKGS := libuv libbpf jansson libcrypto libnl-3.0 libnl-route-3.0 libcap-ng \
	libsystemd inih libxxhash
pkg_cflags := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
pkg_libs = $(shell pkg-config --libs $(1) 2>/dev/null)
ALL_CFLAGS := -std=gnu17 -D_GNU_SOURCE= $(CFLAGS) $(WARN) $(SAN) -Iinclude -Iagent -Iagent/core \
	-I$(B)/gen $(pkg_cflags) -DSKERRY_VERSION_STRING='"$(VERSION)"' -MMD -MP
LDFLAGS += $(SAN)

core_src := $(wildcard agent/core/*.c agent/core/*/*.c)
run_src := $(wildcard agent/run/*.c agent/run/*/*.c)
lib_src := $(wildcard tools/lib/*.c)
ctl_src := $(wildcard tools/skerryctl/*.c)
test_lib_src := $(wildcard tests/lib/*.c)
test_src := $(wildcard tests/*.c)
example_src := $(wildcard tools/examples/*.c)
bench_src := $(wildcard tools/bench/*.c)
replay_src := $(wildcard tools/replay/*.c)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
pic = $(patsubst %.c,$(B)/pic/%.o,$(1))

# The library carries the core's codec and flow filter, nothing else of it.
lib_core_src := agent/core/codec.c agent/core/ringbuf.c

programs := $(if $(wildcard agent/main.c),$(B)/skerryd) \
	$(if $(ctl_src),$(B)/skerryctl) \
	$(if $(replay_src),$(B)/skerry-replay) \
	$(if $(lib_src),$(B)/libskerry.a $(B)/libskerry.so.0 $(B)/skerry.pc)
examples := $(patsubst tools/examples/%.c,$(B)/examples/%,$(example_src))
demo_programs := $(patsubst tools/demo/%.c,$(B)/demo/%,$(wildcard tools/demo/*.c))
benches := $(patsubst tools/bench/%.c,$(B)/bench/%,$(bench_src))
test_programs := $(patsubst tests/programs/%.c,$(B)/tests/programs/%,$(wildcard tests/programs/*.c)) \
	$(B)/tests/programs/mallocs.so
tests_c := $(patsubst tests/%.c,$(B)/tests/%,$(test_src))

.PHONY: all tests tests-free check test demo demo-down bench install clean format \
	check-format deps
.DELETE_ON_ERROR:
.SECONDARY:

all: $(programs) $(examples) $(demo_programs) $(benches)
tests: $(tests_c) $(test_programs)
# Those that need no root: they are run with sanitizers as well.
tests-free: $(filter-out $(addprefix $(B)/tests/,bpf_% net_% api_%),$(tests_c))

# ---- BPF ------------------------------------------------------------------

BPF_CFLAGS := -O2 -g -target bpf -Wall -Wextra -Wno-unused-parameter \
	$(if $(filter 1,$(WERROR)),-Werror,) -Iinclude -Ibpf \
	-I/usr/include/$(shell gcc -print-multiarch 2>/dev/null) \
	-mcpu=v2 -D__TARGET_ARCH_x86
bpf_obj := $(patsubst bpf/%.bpf.c,$(B)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
skeletons := $(patsubst bpf/%.bpf.c,$(B)/gen/%.skel.h,$(wildcard bpf/*.bpf.c))

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) $(wildcard include/skerry/*.h)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp && $(BPFTOOL) gen object $@ $@.tmp

$(B)/gen/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@

# ---- objects and archives ---------------------------------------------------

$(call obj,$(run_src)) $(call obj,$(ctl_src)) $(call obj,$(test_lib_src)): | $(skeletons)

$(B)/obj/%.o: %.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(extra_cflags) -c $< -o $@

$(B)/pic/%.o: %.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -fvisibility=hidden -c $< -o $@

$(B)/libcore.a: $(call obj,$(core_src))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/librun.a: $(call obj,$(run_src))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libskerry.a: $(call pic,$(lib_src) $(lib_core_src))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libskerry.so.0: $(call pic,$(lib_src) $(lib_core_src)) tools/lib/libskerry.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libskerry.so.0 \
		-Wl,--version-script=tools/lib/libskerry.map \
		-o $@ $(filter %.o,$^) && ln -sf libskerry.so.0 $(B)/libskerry.so

$(B)/skerry.pc: tools/lib/skerry.pc.in
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@VERSION@|$(VERSION)|g' $< > $@

# ---- programs ---------------------------------------------------------------

run_libs := $(call pkg_libs,$(PKGS)) -lpthread

$(B)/skerryd: $(B)/obj/agent/main.o $(B)/librun.a $(B)/libcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(run_libs)

$(B)/skerryctl: $(call obj,$(ctl_src)) $(B)/libskerry.a $(B)/librun.a $(B)/libcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(run_libs)

$(B)/skerry-replay: $(call obj,$(replay_src)) $(B)/libcore.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pkg_libs,libcrypto libxxhash)

$(B)/examples/%: tools/examples/%.c $(B)/libskerry.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c99 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(SAN) -Iinclude -o $@ $^

$(B)/demo/%: tools/demo/%.c $(B)/libskerry.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^)

$(B)/bench/%: tools/bench/%.c $(B)/libskerry.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) -lpthread

# ---- tests --------------------------------------------------------------------

# Where the kernel's test harness is; tests/Makefile names its tree's own.
KSELFTEST_DIR := $(B)/kselftest
KSELFTEST := $(KSELFTEST_DIR)/kselftest_harness.h
linux_source := $(lastword $(sort $(wildcard /usr/src/linux-source-*.tar.xz)))

# Debian's kernel source has the harness; it is extracted, never copied in.
$(B)/kselftest/kselftest_harness.h:
	$(call say,TAR,$@)
	@mkdir -p $(@D)
	@test -n "$(linux_source)" || { echo "no /usr/src/linux-source-*.tar.xz: run tools/install-deps test" >&2; exit 2; }
	$(Q)tar -xJf $(linux_source) -C $(@D) --strip-components=4 \
		--wildcards '*/tools/testing/selftests/kselftest.h' \
		'*/tools/testing/selftests/kselftest_harness.h' && touch $(@D)/*.h

test_libs := $(call obj,$(test_lib_src)) $(if $(lib_src),$(B)/libskerry.a) \
	$(if $(run_src),$(B)/librun.a) $(B)/libcore.a

$(B)/tests/%: tests/%.c $(KSELFTEST) $(test_libs)
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -Wno-sign-compare -isystem $(KSELFTEST_DIR) -Itests/lib \
		$(LDFLAGS) -o $@ $< $(filter %.o %.a,$^) $(run_libs)

$(B)/tests/programs/%: tests/programs/%.c $(B)/libskerry.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) -lpthread

# A peer is made of what an agent is made of.
$(B)/tests/programs/badpeer: tests/programs/badpeer.c $(B)/librun.a $(B)/libcore.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(run_libs)

$(B)/tests/programs/mallocs.so: tests/preload/mallocs.c
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(CFLAGS) $(WARN) -Wno-missing-prototypes -shared -fPIC -o $@ $<

check: all tests check-format
	$(Q)tests/run --no-root $(B)

test:
	$(Q)tools/install-deps test
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory all tests
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory SANITIZE=1 tests-free
	$(Q)tests/run $(B) $(SANITIZE_B)

demo:
	$(Q)tools/install-deps build
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory all
	$(Q)tools/demo/run $(B)

demo-down:
	$(Q)tools/demo/run --down

bench:
	$(Q)tools/install-deps bench
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory all
	$(Q)tools/bench/run $(B)

# ---- format, install, clean -----------------------------------------------------

c_files = $(shell find agent bpf include tests tools -name '*.[ch]')

format:
	$(Q)clang-format -i $(c_files)

check-format:
	$(Q)clang-format --dry-run --Werror $(c_files)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/skerry \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man7 \
		$(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(B)/skerryctl $(B)/skerry-replay $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(B)/skerryd $(DESTDIR)$(PREFIX)/sbin
	install -m 644 $(B)/libskerry.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(B)/libskerry.so.0 $(DESTDIR)$(PREFIX)/lib
	ln -sf libskerry.so.0 $(DESTDIR)$(PREFIX)/lib/libskerry.so
	sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@VERSION@|$(VERSION)|g' \
		tools/lib/skerry.pc.in >$(DESTDIR)$(PREFIX)/lib/pkgconfig/skerry.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/skerry.pc
	install -m 644 include/skerry/*.h $(DESTDIR)$(PREFIX)/include/skerry
	install -m 644 tools/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 tools/man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 644 tools/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 tools/completion/skerryctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/skerryctl

clean:
	rm -rf build build-sanitize

-include $(shell find $(B) -name '*.d' 2>/dev/null)
