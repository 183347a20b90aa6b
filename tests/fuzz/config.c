// SPDX-License-Identifier: GPL-2.0-only
/*
 * config.c - the text of a configuration file. Every mistake has its
 * sentence; what is found good a core starts with.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "run/config/config.h"

const struct fuzz_format fuzz_format = { .kind = FUZZ_TEXT };

int __wrap_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints,
		       struct addrinfo **ret_list);
int __real_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints,
		       struct addrinfo **ret_list);

/* Nothing is looked up here. */
int __wrap_getaddrinfo(const char *node, const char *service,
		       const struct addrinfo *hints, struct addrinfo **ret_list)
{
	struct addrinfo numbers = { 0 };

	if (hints)
		numbers = *hints;
	numbers.ai_flags |= AI_NUMERICHOST;
	return __real_getaddrinfo(node, service, &numbers, ret_list);
}

static void check_sentences(const char *text, size_t size)
{
	size_t i;

	FUZZ_CHECK(size && text[size - 1] == '\n');
	for (i = 0; i < size; i++)
		FUZZ_CHECK(text[i] == '\n' || (unsigned char)text[i] >= 0x20);
}

static void check_core(struct core_config *config)
{
	static const struct core_limits limits = {
		.members_max = 4,
		.programs_max = 1,
		.watches_max = 1,
		.partitions_max = 1,
		.rules_max = 1,
	};
	struct core_event event = { .type = EV_START };
	struct core_update update;
	static void *memory;
	int err;

	if (!memory)
		memory = aligned_alloc(16,
				       (core_size(&limits) + 15) & ~(size_t)15);
	if (!memory)
		abort();
	event.now_ns = 1;
	event.start.config = config;
	err = core_step(core_init(memory, &limits, NULL), &event, &update);
	/* All of it is fine, only too much for one spec. */
	FUZZ_CHECK(!err || err == -ENOSPC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct agent_config config;
	char path[64], *sentences = NULL;
	char *argv[] = { "skerryd", "--config", path, NULL };
	int fd = memfd_create("config", MFD_CLOEXEC), err;
	size_t sentence_bytes = 0;
	bool check = false;
	FILE *errors;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	errors = open_memstream(&sentences, &sentence_bytes);
	if (!errors)
		abort();
	err = config_load(&config, 3, argv, errors, &check);
	fclose(errors);
	close(fd);
	FUZZ_CHECK(err == 0 || err == -EINVAL);
	FUZZ_CHECK(!check);
	if (err)
		check_sentences(sentences, sentence_bytes);
	else
		FUZZ_CHECK(!sentence_bytes);
	if (!err)
		check_core(&config.core);
	free(sentences);
	return 0;
}
