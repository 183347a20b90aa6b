/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * barrier.h - ordered access to memory shared with another process.
 *
 * Names and meaning follow the Linux kernel's memory model
 * (Documentation/memory-barriers.txt): a load-acquire pairs with the
 * store-release that wrote the value. Each use names its partner.
 */
#ifndef SKERRY_BARRIER_H
#define SKERRY_BARRIER_H

#define skerry_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define skerry_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define skerry_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define skerry_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define skerry_exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/*
 * Full barrier: orders an earlier store before a later load, and that alone:
 * what is read from the other side is published with a release or an
 * exchange. So ThreadSanitizer, which knows no fences, is given the
 * instruction itself and learns nothing from it.
 */
#if defined(__SANITIZE_THREAD__) && defined(__x86_64__)
#define skerry_fence() __asm__ __volatile__("mfence" ::: "memory")
#elif defined(__SANITIZE_THREAD__) && defined(__aarch64__)
#define skerry_fence() __asm__ __volatile__("dmb ish" ::: "memory")
#else
#define skerry_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

#if defined(__x86_64__) || defined(__i386__)
#define skerry_cpu_relax() __builtin_ia32_pause()
#else
#define skerry_cpu_relax() __asm__ __volatile__("" ::: "memory")
#endif

#endif
