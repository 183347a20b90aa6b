#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What `make install` puts where, and that it works from there: programs run,
# a program is built by pkg-config against the installed header and library
# alone, completion loads. Nothing is built here that was not.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-$PWD/build}
case $build in /*) ;; *) build=$PWD/$build ;; esac

# shellcheck source=tests/lib/check.sh
. tests/lib/check.sh

# What a make above this one was told is not for this one.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES DESTDIR PREFIX
install_to() { # DESTDIR PREFIX
	make -s -o all install B="$build" DESTDIR="$1" PREFIX="$2"
}

umask 022
root=$scratch/root
check "make install" install_to "$root" /usr
check "a second time over the first" install_to "$root" /usr

# ---- what and where -----------------------------------------------------------

{
	echo "755 usr/bin/skerry-replay"
	echo "755 usr/bin/skerryctl"
	echo "755 usr/sbin/skerryd"
	echo "644 usr/lib/libskerry.a"
	echo "777 usr/lib/libskerry.so"
	echo "755 usr/lib/libskerry.so.0"
	echo "644 usr/lib/pkgconfig/skerry.pc"
	echo "644 usr/share/bash-completion/completions/skerryctl"
	for name in barrier keys limits maps ring skerry wire; do
		echo "644 usr/include/skerry/$name.h"
	done
	for name in tools/man/*.[1-8]; do
		echo "644 usr/share/man/man${name##*.}/${name##*/}"
	done
	for name in ask.c cut.c echo.c members.c skerry.conf; do
		echo "644 usr/share/doc/skerry/examples/$name"
	done
	echo "644 usr/lib/systemd/system/skerryd.service"
	echo "644 usr/lib/systemd/system/skerryd@.service"
	echo "644 usr/lib/sysusers.d/skerry.conf"
	echo "644 usr/lib/tmpfiles.d/skerry.conf"
} | LC_ALL=C sort >"$scratch/wanted"
(cd "$root" && find . ! -type d -printf '%m %P\n') | LC_ALL=C sort \
	>"$scratch/found"
check "these files with these modes, and no others" \
	diff "$scratch/wanted" "$scratch/found"
sources() {
	local file
	for file in include/skerry/*.h tools/man/*.[1-8]; do
		grep -q "/${file##*/}\$" "$scratch/found" ||
			{ echo "$file is not installed"; return 1; }
	done
}
check "every header and manual page of the tree is one of them" sources
for page in skerryctl.1 skerry-replay.1 skerry.conf.5 skerry-wire.7 skerryd.8
do
	check "$page is there" [ -s \
		"$root/usr/share/man/man${page##*.}/$page" ]
done
check "libskerry.so leads to the library" [ "$(readlink \
	"$root/usr/lib/libskerry.so")" = libskerry.so.0 ]
same() { cmp "$build/$1" "$root/usr/$2"; }
check "skerryd is the one that was built" same skerryd sbin/skerryd
check "skerryctl too" same skerryctl bin/skerryctl
check "the library too" same libskerry.so.0 lib/libskerry.so.0
paths() { # no trace of where it was built or staged
	local file
	for file in "$root"/usr/{bin,sbin}/* "$root"/usr/lib/libskerry.so.0; do
		readelf -d "$file" | grep -E 'R(UN)?PATH' && return 1
	done
	! grep -F "$scratch" "$root/usr/lib/pkgconfig/skerry.pc"
}
check "nothing looks for libraries where it was built" paths

# ---- programs -------------------------------------------------------------------

export PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig
# /usr is where compilers look anyway: not so below another root.
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
version=$(pkg-config --modversion skerry 2>&1)
says() { # REGEX COMMAND...
	local regex=$1 out
	shift
	out=$("$@" 2>&1)
	echo "$out"
	grep -qxE -- "$regex" <<<"$out"
}
check "pkg-config knows its version" says '[0-9]+\.[0-9]+\.[0-9]+' \
	echo "$version"
check "skerryd is of it" says "skerryd ${version//./\\.}" \
	"$root/usr/sbin/skerryd" --version
check "skerryctl is of it" says "skerryctl ${version//./\\.}" \
	"$root/usr/bin/skerryctl" --version
check "skerry-replay is of it" says "skerry-replay ${version//./\\.}.*" \
	"$root/usr/bin/skerry-replay" --version

# ---- a user's program -------------------------------------------------------------

cp tools/examples/echo.c "$scratch/echo.c"
cp tools/examples/echo.c "$scratch/echo.cc"
compile() { # OUTPUT COMPILER...
	local out=$1
	shift
	# shellcheck disable=SC2046
	(cd "$scratch" && "$@" -Wall -Wextra -Wno-unused-parameter -Werror \
		-o "$out" $(pkg-config --cflags --libs skerry))
}
check "an example is built by pkg-config, C99" compile shared \
	"${CC:-gcc}" -std=c99 -pedantic -D_GNU_SOURCE echo.c
archived() {
	# shellcheck disable=SC2046
	(cd "$scratch" && "${CC:-gcc}" -std=c99 -D_GNU_SOURCE echo.c \
		$(pkg-config --cflags skerry) -o static \
		"$root/usr/lib/libskerry.a" \
		$(pkg-config --static --libs-only-l skerry | sed 's/-lskerry//'))
}
check "and against the archive" archived
cat >"$scratch/plus.cc" <<'EOF'
#include <skerry/skerry.h>
#include <skerry/ring.h>
int main() { return skerry_version()[0] == '\0'; }
EOF
check "C++17 too" compile plus "${CXX:-g++}" -std=c++17 plus.cc
headers() { # all headers of ours that the example takes in are installed ones
	# shellcheck disable=SC2046
	(cd "$scratch" && "${CC:-gcc}" -M echo.c \
		$(pkg-config --cflags skerry)) | tr ' ' '\n' |
		grep '/skerry/' >"$scratch/used"
	[ -s "$scratch/used" ] && ! grep -v "^$root/" "$scratch/used"
}
check "by the installed headers" headers
needs() { readelf -d "$scratch/shared" | grep -F '[libskerry.so.0]'; }
check "it names the library by its version" needs
export SKERRY_RUN_DIR=$scratch/none
runs() { # PROGRAM - it gets as far as asking for an agent
	local out
	out=$(LD_LIBRARY_PATH=$root/usr/lib "$scratch/$1" serve 2>&1) && return 1
	echo "$out"
	grep -qF "$SKERRY_RUN_DIR" <<<"$out"
}
check "it runs with the installed library" runs shared
check "the one with the archive without it" runs static
check "the C++ one runs" env LD_LIBRARY_PATH="$root/usr/lib" "$scratch/plus"

# ---- units -------------------------------------------------------------------------

units=$root/usr/lib/systemd/system
filled() { ! grep -rn '@[A-Z]*@' "$units" "$root/usr/lib/pkgconfig"; }
check "no blank in a unit is left open" filled
starts() { # UNIT LINE
	grep -qxF -- "ExecStart=$2" "$units/$1"
}
check "skerryd.service starts what was installed" starts skerryd.service \
	/usr/sbin/skerryd
check "skerryd@NAME the one of that file" starts skerryd@.service \
	"/usr/sbin/skerryd --config /etc/skerry/%I.conf"
alike() { # but for what makes it one of several
	diff <(grep -v '^#\|%I\|^Desc\|^ExecStart' "$units/skerryd@.service") \
		<(grep -v '^#\|^Desc\|^ExecStart' "$units/skerryd.service")
}
check "both are as hardened" alike
settings() { # as an agent would read them; none is set
	"$root/usr/sbin/skerryd" --check-config --config \
		"$root/usr/share/doc/skerry/examples/skerry.conf"
}
check "the example of settings is one" settings
if command -v systemd-analyze >/dev/null; then
	analyzed() { # [COMMAND...]
		# It looks for the program that is started, too.
		sed "s|=/usr/sbin/|=$root/usr/sbin/|" "$units/$1" >"$scratch/$1"
		shift
		systemd-analyze "$@"
	}
	check "systemd takes skerryd.service" analyzed skerryd.service \
		verify --man=no "$scratch/skerryd.service"
	check "and skerryd@.service" analyzed skerryd@.service \
		verify --man=no "$scratch/skerryd@.service"
	check "systemd finds it well closed" analyzed skerryd.service security \
		--offline=yes --threshold=40 "$scratch/skerryd.service"
	check "systemd-sysusers takes its file" systemd-sysusers --dry-run \
		"$root/usr/lib/sysusers.d/skerry.conf"
	if [ "$(id -u)" = 0 ]; then
		check "systemd-tmpfiles too" systemd-tmpfiles --create \
			--root="$scratch/tmpfiles" \
			"$root/usr/lib/tmpfiles.d/skerry.conf"
	else
		skip "systemd-tmpfiles too" "it gives files to root"
	fi
else
	skip "systemd takes the units" "systemd-analyze is not installed"
fi

# ---- the rest ------------------------------------------------------------------------

complete_it() { # in a shell of its own, as bash-completion would load it
	# shellcheck disable=SC2016
	bash --norc -c '. "$1" && complete -p skerryctl' bash \
		"$root/usr/share/bash-completion/completions/skerryctl"
}
check "completion loads, for skerryctl" says \
	'complete .*-F _skerryctl .*skerryctl' complete_it
check "make install elsewhere, nothing built anew" \
	install_to "$scratch/other" /opt/skerry
elsewhere() {
	[ "$(PKG_CONFIG_LIBDIR=$scratch/other/opt/skerry/lib/pkgconfig \
		PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=libdir skerry)" \
		= /opt/skerry/lib ]
}
check "pkg-config says where it is then" elsewhere
check "all of it is there" [ "$(find "$scratch/other" ! -type d | wc -l)" \
	-eq "$(wc -l <"$scratch/wanted")" ]

check_done
