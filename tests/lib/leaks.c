// SPDX-License-Identifier: GPL-2.0-only
/*
 * leaks.c - the harness runs each test in a process that ends by _exit(),
 * where LeakSanitizer does not look. Sanitized tests are linked with
 * --wrap=_exit, and it looks here: a test that leaks fails.
 */
#ifdef SKERRY_SANITIZE
#include <sanitizer/lsan_interface.h>
#include <unistd.h>

void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));

void __wrap__exit(int code)
{
	if (__lsan_do_recoverable_leak_check() && !code)
		code = 1;
	__real__exit(code);
}
#endif
