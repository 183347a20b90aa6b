# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# own_mounts.sh - runs the test that sources it, before anything else, again in
# a mount namespace of its own: what it mounts and unmounts, the host does not
# see.

if [ "${SKERRY_OWN_MOUNTS-}" != yes ]; then
	SKERRY_OWN_MOUNTS=yes exec unshare --mount --propagation private -- \
		"$0" "$@"
fi
