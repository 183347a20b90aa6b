/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * kernel_hooks.h - attach types of tcx, which headers before Linux 6.6 lack
 * and later ones have as enumerators, hence names of our own.
 */
#ifndef SKERRY_KERNEL_HOOKS_H
#define SKERRY_KERNEL_HOOKS_H

#define TCX_INGRESS 46 /* BPF_TCX_INGRESS */
#define TCX_EGRESS 47 /* BPF_TCX_EGRESS */
#define TCX_BEFORE (1U << 3) /* BPF_F_BEFORE: with nothing named, the head */

#endif
