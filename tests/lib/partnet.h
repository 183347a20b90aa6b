/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * partnet.h - several partition registries in one process: a seeded network
 * that loses, delays, repeats and reorders, and a kernel for each node that
 * takes its time. Time is a number.
 */
#ifndef SKERRY_TEST_PARTNET_H
#define SKERRY_TEST_PARTNET_H

#include "partition/partition.h"
#include "rng.h"
#include "skerry/ring.h"

#define PARTNET_NODES_MAX 256
#define PARTNET_MS 1000000ULL

struct partnet_cut {
	bool used;
	bool in_force;
	bool going; /* to be taken away with the next commit */
	struct core_cut cut;
};

struct partnet_answer {
	bool given;
	int error;
	char reason[512];
	uint8_t reference[16];
	uint32_t references;
	uint32_t participants;
	uint32_t missing;
	char first_missing[64];
	uint32_t unable;
	bool has_seed;
	uint64_t seed;
	uint64_t at_ns;
	/* What came before it, part after part. */
	uint8_t *parts;
	size_t parts_bytes;
};

#define PARTNET_CUTS_MAX 1024
#define PARTNET_ANSWERS_MAX 512

struct partnet_node {
	struct partnet *net;
	int index;
	char name[64];
	void *memory;
	struct partition *p; /* NULL: not running */
	bool stopped; /* neither hears nor ticks */
	bool unknown[PARTNET_NODES_MAX]; /* nodes it does not know */
	struct partnet_cut cuts[PARTNET_CUTS_MAX];
	uint32_t cut_count;
	int fail_commits; /* so many of the next ones fail */
	int fail_error; /* -errno; 0: -ENOSPC */
	struct partnet_answer answers[PARTNET_ANSWERS_MAX];
	uint64_t wake_ns;
	uint32_t boots;
	uint32_t largest_body;
	uint64_t sent;
	uint32_t errors_logged;
	char logged[512]; /* the last line, with its event in front */
	/* What its ledger says of each cut in force. */
	struct core_ledger counters;
	uint32_t hidden; /* so many of its rules are gone from the kernel */
};

struct partnet_packet;

struct partnet {
	struct partition_limits limits;
	struct core_config config;
	struct rng rng;
	uint64_t now_ns;
	int count;
	struct partnet_node *nodes;
	uint64_t seed; /* of the registries; 0: another each time */
	uint32_t loss_percent;
	uint32_t repeat_percent;
	uint32_t delay_max_ms;
	bool cut_links; /* deliver nothing at all */
	struct partnet_packet *packets;
	uint32_t guards; /* of commands */
	uint32_t hops; /* ring topology when not 0, else full mesh */
};

/* name_bytes: how long names are made, 0 for short ones. */
void partnet_open(struct partnet *net, int count, uint64_t seed,
		  size_t name_bytes);
void partnet_close(struct partnet *net);
/* Start node i (again, with empty memory); it learns of the others at once. */
void partnet_start(struct partnet *net, int i);
void partnet_kill(struct partnet *net, int i);
/* Each tells the other's registry that it is up again. */
void partnet_meet(struct partnet *net, int a, int b);
/* Let time pass. */
void partnet_run(struct partnet *net, uint64_t ms);
/* Run until the answer is there, at most ms. */
bool partnet_wait(struct partnet *net, int i, uint32_t correlation,
		  uint64_t ms);

/* Commands; the correlation is an index into answers. */
void partnet_command(struct partnet *net, int i, uint32_t command,
		     uint32_t correlation, const struct tlv_writer *w);

/* All cuts in force at a node, sorted, as "peer:direction:visibility". Lossy
 * ones have ":N" behind, N the parts per million. */
void partnet_cuts(const struct partnet *net, int i, char *out, size_t room);
/* The rows of the table as "name/node=state ", in order. */
void partnet_rows(const struct partnet *net, int i, char *out, size_t room);
/* From node `from` to node `to`: a cut in force at either end drops it. */
bool partnet_dropped(const struct partnet *net, int from, int to);

#endif
