# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# make            build everything into build/ (no root, no BTF needed)
# make check      tests that need no root
# sudo make test  install what is needed, build, run every test
# sudo make test-kernels  those that meet the kernel again, on Debian's kernels
# sudo make demo  install what is needed, build, show the main job for real
# make bench      measure, side by side with raw TCP
# make install    into $(DESTDIR)$(PREFIX)
# make deb        Debian packages, into build/deb
#
# make soak       fuzz every target for five minutes (SOAK_SECONDS=)
#
# V=1 shows commands, WERROR=1 makes warnings errors, SANITIZE=1 builds with
# ASan and UBSan into build-sanitize/, SANITIZE=thread with TSan into
# build-thread/.

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
THREAD_B := build-thread
B := $(if $(filter 1,$(SANITIZE)),$(SANITIZE_B),$(if $(filter \
	thread,$(SANITIZE)),$(THREAD_B),build))
Q := $(if $(filter 1,$(V)),,@)
comma := ,
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
ifeq ($(SANITIZE),thread)
SAN := -fsanitize=thread -fno-omit-frame-pointer
endif
PKGS := libuv libbpf jansson libcrypto libnl-3.0 libnl-route-3.0 libcap-ng \
	libsystemd inih libxxhash libcares libzstd
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

# The library carries what the core reads bytes with, nothing else of it.
lib_core_src := agent/core/codec.c agent/core/ringbuf.c agent/core/spec.c \
	agent/core/state_read.c

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

.PHONY: all tests tests-free tests-thread check test demo demo-down bench install clean format \
	check-format deps
.DELETE_ON_ERROR:
.SECONDARY:

all: $(programs) $(examples) $(demo_programs) $(benches)
tests: $(tests_c) $(test_programs)
# Those that need no root: they are run with sanitizers as well.
tests-free: $(filter-out $(addprefix $(B)/tests/,bpf_% net_% api_%),$(tests_c))

# The programs' side, for net_threads.sh.
tests-thread: $(B)/tests/ring_buffer $(B)/tests/programs/threads

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

# What the library itself needs.
lib_libs := $(call pkg_libs,libzstd)

$(B)/libskerry.so.0: $(call pic,$(lib_src) $(lib_core_src)) tools/lib/libskerry.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libskerry.so.0 \
		-Wl,--version-script=tools/lib/libskerry.map \
		-o $@ $(filter %.o,$^) $(lib_libs) && ln -sf libskerry.so.0 $(B)/libskerry.so

$(B)/skerry.pc: tools/lib/skerry.pc.in
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)$(fill) $< > $@

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
	$(Q)$(CC) -std=c99 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(SAN) -Iinclude -o $@ $^ $(lib_libs)

$(B)/demo/%: tools/demo/%.c $(B)/libskerry.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(lib_libs)

$(B)/bench/%: tools/bench/%.c $(B)/libskerry.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(lib_libs) -lpthread

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

# See tests/lib/leaks.c.
leak_flags := $(if $(filter 1,$(SANITIZE)),-Wl$(comma)--wrap=_exit)
$(B)/tests/%: tests/%.c $(KSELFTEST) $(test_libs)
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -Wno-sign-compare -isystem $(KSELFTEST_DIR) -Itests/lib \
		-include tests/lib/scale.h \
		$(LDFLAGS) $(leak_flags) -o $@ $< $(filter %.o %.a,$^) $(run_libs)

$(B)/tests/programs/%: tests/programs/%.c $(B)/libskerry.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(lib_libs) -lpthread

# A peer is made of what an agent is made of.
$(B)/tests/programs/badpeer: tests/programs/badpeer.c $(B)/librun.a $(B)/libcore.a
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(run_libs)

$(B)/tests/programs/mallocs.so: tests/preload/mallocs.c
	$(call say,CCLD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(CFLAGS) $(WARN) -Wno-missing-prototypes -shared -fPIC -o $@ $<

# ---- fuzzing ------------------------------------------------------------------

# clang's libFuzzer with ASan and UBSan, whatever CC is; its own objects.
# One program for each file of tests/fuzz; make soak runs all of them,
# SOAK_SECONDS each, make test replays the corpus and goes on for seconds.
SOAK_SECONDS ?= 300
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -DSKERRY_SANITIZE
FUZZ_CFLAGS := $(filter-out $(SAN),$(ALL_CFLAGS)) -O1 -g $(FUZZ_SAN) \
	-Itests/fuzz/lib -Itests/lib -Itools/replay
fuzz_src := $(wildcard tests/fuzz/*.c)
fuzz_lib_src := $(wildcard tests/fuzz/lib/*.c)
fuzz_targets := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(fuzz_src))
fuzz_obj = $(patsubst %.c,$(B)/fuzz/obj/%.o,$(1))
fuzz_libs := $(B)/fuzz/libtest.a $(B)/fuzz/librun.a $(B)/fuzz/libcore.a
fuzz_mutator := $(B)/fuzz/obj/tests/fuzz/lib/mutate.o

.PHONY: fuzz soak
fuzz: $(fuzz_targets)

$(call fuzz_obj,$(run_src)): | $(skeletons)

$(B)/fuzz/obj/%.o: %.c
	$(call say,FUZZCC,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c $< -o $@

$(B)/fuzz/libcore.a: $(call fuzz_obj,$(core_src))
$(B)/fuzz/librun.a: $(call fuzz_obj,$(run_src))
$(B)/fuzz/libtest.a: $(call fuzz_obj,$(fuzz_lib_src) \
	$(filter-out tools/replay/main.c,$(replay_src)) \
	tests/lib/coreconf.c tests/lib/flowsim.c tests/lib/flowsim_lib.c)
$(B)/fuzz/lib%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The mutator is only asked for weakly: an archive would keep it.
$(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(fuzz_mutator) $(fuzz_libs)
	$(call say,FUZZLD,$@)
	$(Q)$(CLANG) $(FUZZ_SAN) -fsanitize=fuzzer $(fuzz_wrap) -o $@ $^ \
		$(run_libs)
# Where the world begins, for these.
$(B)/fuzz/config: fuzz_wrap := -Wl,--wrap=getaddrinfo
$(B)/fuzz/ring: fuzz_wrap := -Wl,--wrap=driver_event,--wrap=agent_now_ns

soak:
	$(Q)tools/install-deps test
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory fuzz
	$(Q)$(AS_USER) tests/fuzz/run soak $(B) $(SOAK_SECONDS)

check: all tests check-format
	$(Q)tests/run --no-root $(B)

test:
	$(Q)tools/install-deps test
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory all tests
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory SANITIZE=1 tests-free
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory SANITIZE=thread tests-thread
	$(Q)! tests/fuzz/run able || \
		$(AS_USER) $(MAKE) $(JOBS) --no-print-directory fuzz
	$(Q)tests/run $(B) $(SANITIZE_B)

.PHONY: test-kernels
test-kernels:
	$(Q)tools/install-deps test-kernels
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory all tests
	$(Q)tests/kernels/run $(B)

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

# Where what goes: LIBDIR and UNITDIR differ from system to system.
LIBDIR ?= $(PREFIX)/lib
UNITDIR ?= $(PREFIX)/lib/systemd/system
data := $(PREFIX)/share
fill = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' \
	-e 's|@VERSION@|$(VERSION)|g' -e 's|@SBINDIR@|$(PREFIX)/sbin|g' \
	-e '/^@HARDENING@$$/{r tools/systemd/hardening.in' -e 'd}'

install: all
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(PREFIX)/sbin \
		$(LIBDIR)/pkgconfig $(PREFIX)/include/skerry \
		$(UNITDIR) \
		$(PREFIX)/lib/sysusers.d $(PREFIX)/lib/tmpfiles.d \
		$(data)/bash-completion/completions \
		$(data)/doc/skerry/examples)
	install -m 755 $(B)/skerryctl $(B)/skerry-replay $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(B)/skerryd $(DESTDIR)$(PREFIX)/sbin
	install -m 644 $(B)/libskerry.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(B)/libskerry.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libskerry.so.0 $(DESTDIR)$(LIBDIR)/libskerry.so
	$(fill) tools/lib/skerry.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/skerry.pc
	for unit in skerryd.service skerryd@.service; do \
		$(fill) tools/systemd/$$unit.in >$(DESTDIR)$(UNITDIR)/$$unit && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit; \
	done
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/skerry.pc
	install -m 644 tools/systemd/sysusers.conf \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/skerry.conf
	install -m 644 tools/systemd/tmpfiles.conf \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/skerry.conf
	install -m 644 include/skerry/*.h $(DESTDIR)$(PREFIX)/include/skerry
	for page in tools/man/*.[1-8]; do \
		install -D -m 644 $$page $(DESTDIR)$(data)/man/man$${page##*.}/$${page##*/} || exit; \
	done
	install -m 644 tools/completion/skerryctl.bash \
		$(DESTDIR)$(data)/bash-completion/completions/skerryctl
	install -m 644 tools/examples/*.c tools/examples/skerry.conf \
		$(DESTDIR)$(data)/doc/skerry/examples

# Debian packages in $(B)/deb; nothing is left in the tree. They are compiled
# with Debian's flags, in a folder of their own; DEB_REUSE=1 takes what is
# built, as the test does.
DEB_REUSE ?= 0
deb_flags = CFLAGS="$$(dpkg-buildflags --get CFLAGS) $$(dpkg-buildflags \
	--get CPPFLAGS)" LDFLAGS="$$(dpkg-buildflags --get LDFLAGS) -Wl,-z,now"

.PHONY: deb
ifeq ($(DEB_REUSE),1)
deb:
	$(Q)tools/packaging/build-deb $(VERSION) $(B) $(B)/deb
else
deb:
	$(Q)tools/install-deps deb
	$(Q)$(AS_USER) $(MAKE) $(JOBS) --no-print-directory all \
		B=$(abspath $(B))/deb-build $(deb_flags)
	$(Q)$(AS_USER) tools/packaging/build-deb $(VERSION) $(B)/deb-build $(B)/deb
endif

clean:
	rm -rf build build-sanitize build-thread

-include $(shell find $(B) -name '*.d' 2>/dev/null)
