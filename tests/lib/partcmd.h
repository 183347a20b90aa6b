/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * partcmd.h - commands to the registries of a partnet, and what comes of
 * them, in few words. For one test file each.
 */
#ifndef SKERRY_TEST_PARTCMD_H
#define SKERRY_TEST_PARTCMD_H

#include <stdio.h>
#include <string.h>

#include "partnet.h"

/* One command being written. */
static uint8_t command_bytes[65536];
static struct tlv_writer command;

static inline struct tlv_writer *begin(const char *shape, const char *origin)
{
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	if (shape)
		tlv_put_str(&command, SKERRY_K_SHAPE, shape);
	if (origin)
		tlv_put_str(&command, SKERRY_K_ORIGIN, origin);
	return &command;
}

static inline void component(const char *names)
{
	size_t mark = tlv_begin(&command, SKERRY_K_COMPONENT);
	char copy[256];
	char *name;

	snprintf(copy, sizeof(copy), "%s", names);
	for (name = strtok(copy, ","); name; name = strtok(NULL, ","))
		tlv_put_str(&command, SKERRY_K_NAME, name);
	tlv_end(&command, mark);
}

static inline struct partnet_answer *inject(struct partnet *net, int i,
					    uint32_t correlation)
{
	partnet_command(net, i, SKERRY_CMD_INJECT, correlation, &command);
	partnet_wait(net, i, correlation, 20000);
	return &net->nodes[i].answers[correlation];
}

static inline struct partnet_answer *resolve(struct partnet *net, int i,
					     uint32_t correlation,
					     const uint8_t *reference)
{
	tlv_writer_init(&command, command_bytes, sizeof(command_bytes));
	if (reference)
		tlv_put(&command, SKERRY_K_REFERENCE, reference, 16);
	else
		tlv_put_bool(&command, SKERRY_K_ALL, true);
	partnet_command(net, i, SKERRY_CMD_RESOLVE, correlation, &command);
	partnet_wait(net, i, correlation, 20000);
	return &net->nodes[i].answers[correlation];
}

static char text[65536];

static inline const char *cuts(struct partnet *net, int i)
{
	partnet_cuts(net, i, text, sizeof(text));
	return text;
}

static inline const char *rows(struct partnet *net, int i)
{
	partnet_rows(net, i, text, sizeof(text));
	return text;
}

#endif
