/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * simnet.h - a seeded network of real cores and real lane state machines in
 * virtual time. Lanes are byte pipes that deliver in arbitrary splits;
 * datagrams are delayed, lost and duplicated; links are cut in one direction
 * or both; nodes crash and come back with or without their state. The same
 * seed gives the same run.
 */
#ifndef SKERRY_SIMNET_H
#define SKERRY_SIMNET_H

#include "core.h"
#include "codec.h"
#include "lane/lanefsm.h"

#define SIM_NODES_MAX 40
#define SIM_MS 1000000ULL
#define SIM_SECOND 1000000000ULL
#define SIM_PROGRAM 7U /* commands are given by this one */

struct simnet;
struct sim_event;
struct sim_end;

/* An answer or event record that a program got. */
struct sim_said {
	bool event;
	uint32_t program, id; /* correlation or watch */
	bool more;
	int error;
	uint64_t at_ns;
	size_t size_bytes;
	uint8_t *bytes;
};

struct sim_node {
	struct simnet *net;
	int index;
	bool alive;
	struct core_config config;
	struct core *core;
	uint8_t *state; /* the state file */
	size_t state_bytes;
	bool disk_full; /* EV_PERSISTED with -ENOSPC */
	uint64_t stored; /* incarnation that was said to be stored */
	uint64_t wake_ns;
	uint64_t boot; /* how often it has started */
	uint64_t next_lane;
	bool stopped; /* OP_STOPPED */
	bool frozen; /* SIGSTOP: nothing runs until thawed */
	/* Peer numbers, routes and cuts as the operations said. */
	char peers[SKERRY_MEMBERS_MAX][SKERRY_NAME_MAX_BYTES + 1];
	struct core_cut cuts[64], staged[64];
	uint32_t cut_count, staged_count;
	struct core_event ledger; /* asked for, told after the step */
	bool ledger_due;
	struct sim_said *said;
	size_t said_count, said_room;
	uint64_t ops, steps, errors, dials, routes;
	size_t most_ops;
};

struct sim_link { /* one direction of a pair */
	bool cut;
	bool dead_udp; /* datagrams do not pass, streams do */
};

struct simnet {
	uint64_t now_ns, wall_offset_us;
	uint64_t seed, random[4];
	struct sim_node nodes[SIM_NODES_MAX];
	int count;
	struct sim_link links[SIM_NODES_MAX][SIM_NODES_MAX];
	uint64_t delay_min_ns, delay_max_ns;
	uint32_t loss_ppm, duplicate_ppm; /* of datagrams */
	struct sim_event *heap;
	size_t heap_count, heap_room;
	uint64_t heap_order;
	struct sim_end *ends;
	bool verbose; /* operations and events on stderr */
	uint64_t trace_hash; /* of everything every core did */
};

void sim_init(struct simnet *net, uint64_t seed);
void sim_free(struct simnet *net);
/* A net with so many nodes, node-a, node-b, ..., that have the first as their
 * contact, none started. Verbose where the environment has VERBOSE. */
void sim_cluster(struct simnet *net, uint64_t seed, int count);
/* The same, and all are started, one after the other. */
void sim_boot(struct simnet *net, uint64_t seed, int count);

/* A node with default settings at 10.0.0.(1 + index), not started yet. */
struct sim_node *sim_add(struct simnet *net, const char *name);
/* Give it one contact: that node. */
void sim_contact(struct sim_node *node, const struct sim_node *contact);
/* Boot with what the state file holds. */
void sim_start(struct sim_node *node);
/* Gone at once: peers of its lanes see a reset, unless the host died. */
void sim_crash(struct sim_node *node, bool host);
void sim_forget_state(struct sim_node *node);
void sim_move(struct sim_node *node, uint8_t last_byte);
void sim_freeze(struct sim_node *node, bool frozen);

/* From a to b; both ways with two calls. */
void sim_cut(struct simnet *net, int from, int to, bool cut);
void sim_isolate(struct simnet *net, int node, bool cut);

void sim_run(struct simnet *net, uint64_t for_ns);
/* Until the function is true, at most limit_ns: when that was, else 0. */
typedef bool sim_condition(struct simnet *net, void *data);
uint64_t sim_until(struct simnet *net, sim_condition *condition, void *data,
		   uint64_t limit_ns);

/* A command of an administrator's program; tlvs from a writer. */
void sim_command(struct sim_node *node, uint32_t command, uint32_t correlation,
		 const struct tlv_writer *tlvs);
void sim_command_by(struct sim_node *node, uint32_t program, bool admin,
		    uint32_t command, uint32_t correlation,
		    const struct tlv_writer *tlvs);
/* Any event at once; what core_step() returned. */
int sim_event(struct sim_node *node, struct core_event *event);
/* The answer to a correlation, all parts but the last skipped; NULL. */
const struct sim_said *sim_answer(const struct sim_node *node,
				  uint32_t correlation);
void sim_clear_said(struct sim_node *node);

/* What the core itself says: query "members"; NULL when it is no member. */
const char *sim_state(struct sim_node *node, const char *name);
size_t sim_members(struct sim_node *node);
/* Lanes up to that member, and wanted, as query "peers" says. */
bool sim_lanes(struct sim_node *node, const char *name, uint64_t *ret_up,
	       uint64_t *ret_wanted);
/* Everybody alive has everybody alive as a member, with all lanes up. */
bool sim_complete(struct simnet *net, void *data);
uint64_t sim_random(struct simnet *net, uint64_t below);

#endif
