/* SPDX-License-Identifier: GPL-2.0-only */
/* build_dir.h - where the programs are that a test runs. */
#ifndef TESTS_LIB_BUILD_DIR_H
#define TESTS_LIB_BUILD_DIR_H

/* SKERRY_BUILD, or else the build this test is itself part of: a test never
 * meets the programs of another one by mistake. The text stays ours. */
const char *build_dir(void);

#endif
