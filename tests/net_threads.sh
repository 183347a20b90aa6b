#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The programs' side under ThreadSanitizer: a ring between two threads, and
# several threads with several handles each at a real agent.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
sanitized=${SKERRY_THREAD_BUILD-$PWD/build-thread}
# The sanitizer wants its addresses where it knows them.
tsan() {
	TSAN_OPTIONS="exitcode=66 log_path=$dir/race" \
		setarch -R "$@"
}
no_race() {
	cat "$dir"/race* 2>/dev/null
	! ls "$dir"/race* >/dev/null 2>&1
}

if [ ! -x "$sanitized/tests/programs/threads" ]; then
	skip "the library under ThreadSanitizer" \
		"not built: make SANITIZE=thread tests-thread"
	exit
fi
if ! tsan "$sanitized/tests/programs/threads" >/dev/null 2>"$dir/try" &&
	! grep -q usage "$dir/try"; then
	skip "the library under ThreadSanitizer" "$(tail -1 "$dir/try")"
	exit
fi
hosts_make 1 || die "hosts"
host_start 1 || die "agent 1"
# Both ends in one process: the sanitizer sees each.
ring() {
	tsan "$sanitized/tests/ring_buffer" | tee "$dir/ring"
	grep -q '^ok .*ring.two_threads' "$dir/ring" &&
		! grep '^not ok' "$dir/ring"
}

check "a ring between two threads" ring
check "no race in it" no_race
TSAN_OPTIONS="exitcode=66 log_path=$dir/race" on_host 1 setarch -R \
	"$sanitized/tests/programs/threads" "$(host_name 1)" 6 \
	>"$dir/said" 2>"$dir/errors"
check "threads with handles of their own: no error" test $? -eq 0
sed 's/^/# /' "$dir/said" "$dir/errors"
check "no race between them" no_race
check "they opened many handles" between 8 "$(value "$dir/said" opened)" 100000
check "and sent" between 200 "$(value "$dir/said" sent)" 100000000
check "and received" between 200 "$(value "$dir/said" received)" 100000000
check "the agent answers" ctl 1 status
host_stop 1 TERM
check "the agent ended by itself" grep -q ' stopped ' "$dir/1.log"
