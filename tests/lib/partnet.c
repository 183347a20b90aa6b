// SPDX-License-Identifier: GPL-2.0-only
/* partnet.c - registries wired to each other in memory; see partnet.h. */
#include "partnet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct partnet_packet {
	struct partnet_packet *next;
	uint64_t at_ns;
	int from;
	int to; /* -1: a commit of `from`; -2: its ledger */
	uint32_t boot; /* of from, for commits */
	uint64_t generation;
	size_t size_bytes;
	uint8_t body[];
};

/* ---- what the registry is given ------------------------------------------ */

static bool env_node(void *data, size_t i, const char **ret_name,
		     uint32_t *ret_peer)
{
	struct partnet_node *self = data;
	size_t seen = 0;
	int n;

	for (n = 0; n < self->net->count; n++) {
		if (n != self->index && self->unknown[n])
			continue;
		if (seen++ != i)
			continue;
		*ret_name = self->net->nodes[n].name;
		*ret_peer = n == self->index ? CORE_PEER_SELF : (uint32_t)n;
		return true;
	}
	return false;
}

static int find(const struct partnet *net, const char *name)
{
	int i;

	for (i = 0; i < net->count; i++)
		if (strcmp(net->nodes[i].name, name) == 0)
			return i;
	return -1;
}

static bool env_within(void *data, const char *origin, uint32_t ttl,
		       const char *name)
{
	struct partnet_node *self = data;
	int a = find(self->net, origin);
	int b = find(self->net, name);

	if (a < 0 || b < 0)
		return false;
	if (!self->net->hops)
		return a == b || ttl >= 1;
	return (uint32_t)abs(a - b) <= ttl;
}

static void queue(struct partnet *net, struct partnet_packet *packet)
{
	struct partnet_packet **at = &net->packets;

	while (*at && (*at)->at_ns <= packet->at_ns)
		at = &(*at)->next;
	packet->next = *at;
	*at = packet;
}

static void post(struct partnet *net, int from, int to, struct core_bytes body)
{
	struct partnet_packet *packet;

	packet = calloc(1, sizeof(*packet) + body.size_bytes);
	packet->from = from;
	packet->to = to;
	packet->size_bytes = body.size_bytes;
	memcpy(packet->body, body.data, body.size_bytes);
	packet->at_ns =
		net->now_ns + PARTNET_MS / 10 +
		rng_below(&net->rng, net->delay_max_ms * PARTNET_MS + 1);
	queue(net, packet);
}

static int env_datagram(void *data, const char *name, struct core_bytes body)
{
	struct partnet_node *self = data;
	struct partnet *net = self->net;
	int to = find(net, name);

	if (to < 0)
		return -EHOSTUNREACH;
	if (body.size_bytes > self->largest_body)
		self->largest_body = (uint32_t)body.size_bytes;
	self->sent++;
	if (net->cut_links || rng_below(&net->rng, 100) < net->loss_percent)
		return 0;
	post(net, self->index, to, body);
	if (rng_below(&net->rng, 100) < net->repeat_percent)
		post(net, self->index, to, body);
	return 0;
}

static struct partnet_cut *find_cut(struct partnet_node *self, uint32_t handle)
{
	uint32_t i;

	for (i = 0; i < PARTNET_CUTS_MAX; i++)
		if (self->cuts[i].used && !self->cuts[i].going &&
		    self->cuts[i].cut.handle == handle)
			return &self->cuts[i];
	return NULL;
}

static void die(const char *what)
{
	printf("# partnet: %s\n", what);
	fflush(stdout);
	abort();
}

static void env_cut_add(void *data, const struct core_cut *cut)
{
	struct partnet_node *self = data;
	uint32_t i;

	if (find_cut(self, cut->handle))
		die("a handle is used twice");
	for (i = 0; i < PARTNET_CUTS_MAX && self->cuts[i].used; i++)
		continue;
	if (i == PARTNET_CUTS_MAX)
		die("too many cuts for this model");
	memset(&self->cuts[i], 0, sizeof(self->cuts[i]));
	self->cuts[i].used = true;
	self->cuts[i].cut = *cut;
}

static void env_cut_del(void *data, uint32_t handle)
{
	struct partnet_node *self = data;
	struct partnet_cut *cut = find_cut(self, handle);

	if (!cut)
		die("a cut that is not there is deleted");
	cut->going = true;
}

static void env_cut_commit(void *data, uint64_t generation)
{
	struct partnet_node *self = data;
	struct partnet_packet *packet = calloc(1, sizeof(*packet));

	packet->from = self->index;
	packet->to = -1;
	packet->boot = self->boots;
	packet->generation = generation;
	packet->at_ns = self->net->now_ns + 5 * PARTNET_MS +
			rng_below(&self->net->rng, 10 * PARTNET_MS);
	queue(self->net, packet);
}

static void env_ledger(void *data, uint64_t token, const uint8_t reference[16])
{
	struct partnet_node *self = data;
	struct partnet_packet *packet = calloc(1, sizeof(*packet) + 16);

	packet->from = self->index;
	packet->to = -2;
	packet->boot = self->boots;
	packet->generation = token;
	memcpy(packet->body, reference, 16);
	packet->at_ns = self->net->now_ns + PARTNET_MS / 10;
	queue(self->net, packet);
}

static void env_part(void *data, uint32_t program, uint32_t correlation,
		     struct core_bytes tlvs)
{
	struct partnet_node *self = data;
	struct partnet_answer *answer = &self->answers[correlation];

	if (answer->given)
		die("a part behind the answer");
	answer->parts =
		realloc(answer->parts, answer->parts_bytes + tlvs.size_bytes);
	memcpy(answer->parts + answer->parts_bytes, tlvs.data, tlvs.size_bytes);
	answer->parts_bytes += tlvs.size_bytes;
}

static void note_missing(struct partnet_answer *answer,
			 const struct tlv_reader *r)
{
	if (!answer->missing++)
		tlv_str(r, answer->first_missing,
			sizeof(answer->first_missing));
}

static void env_answer(void *data, uint32_t program, uint32_t correlation,
		       int error, const char *reason, struct core_bytes tlvs)
{
	struct partnet_node *self = data;
	struct partnet_answer *answer = &self->answers[correlation];
	struct tlv_reader r;

	if (answer->given)
		die("answered twice");
	answer->given = true;
	answer->error = error;
	answer->at_ns = self->net->now_ns;
	snprintf(answer->reason, sizeof(answer->reason), "%s",
		 reason ? reason : "");
	tlv_reader_init(&r, tlvs.data, tlvs.size_bytes);
	while (tlv_next(&r)) {
		if (r.key == SKERRY_K_REFERENCE) {
			tlv_id(&r, answer->reference);
			answer->references++;
		} else if (r.key == SKERRY_K_PARTICIPANT) {
			answer->participants++;
		} else if (r.key == SKERRY_K_MISSING) {
			note_missing(answer, &r);
		} else if (r.key == SKERRY_K_UNABLE) {
			answer->unable++;
		} else if (r.key == SKERRY_K_SEED) {
			answer->has_seed = tlv_u64(&r, &answer->seed) == 0;
		}
	}
	if (r.bad)
		die("a malformed answer");
}

static void env_log(void *data, enum core_log_level level, const char *event,
		    const char *text, struct core_bytes tlvs)
{
	struct partnet_node *self = data;

	if (level == CORE_LOG_ERROR)
		self->errors_logged++;
	snprintf(self->logged, sizeof(self->logged), "%s %s", event, text);
}

/* ---- running -------------------------------------------------------------- */

static void tick(struct partnet *net, struct partnet_node *node)
{
	int rounds = 0;

	if (!node->p || node->stopped)
		return;
	do {
		node->wake_ns = partition_tick(node->p, net->now_ns, 0);
		if (++rounds > 100000)
			die("a tick never ends");
	} while (node->wake_ns <= net->now_ns);
}

static void applied(struct partnet *net, const struct partnet_packet *packet)
{
	struct partnet_node *node = &net->nodes[packet->from];
	bool fail = node->fail_commits > 0;
	int error = 0;
	uint32_t i;

	if (packet->boot != node->boots || !node->p)
		return;
	if (fail)
		node->fail_commits--;
	for (i = 0; i < PARTNET_CUTS_MAX && !fail; i++) {
		if (node->cuts[i].going)
			node->cuts[i].used = node->cuts[i].going = false;
		else if (node->cuts[i].used)
			node->cuts[i].in_force = true;
	}
	if (fail)
		error = node->fail_error ? node->fail_error : -ENOSPC;
	partition_cuts_applied(node->p, packet->generation, error, net->now_ns);
	tick(net, node);
}

static void ledger(struct partnet *net, const struct partnet_packet *packet)
{
	static struct core_ledger rows[PARTNET_CUTS_MAX];
	struct partnet_node *node = &net->nodes[packet->from];
	struct core_event event = { .type = EV_LEDGER, .now_ns = net->now_ns };
	uint32_t i, hidden = node->hidden;

	if (packet->boot != node->boots || !node->p)
		return;
	event.token = packet->generation;
	event.ledger.list = rows;
	for (i = 0; i < PARTNET_CUTS_MAX; i++) {
		const struct partnet_cut *cut = &node->cuts[i];

		if (!cut->used || !cut->in_force ||
		    memcmp(cut->cut.reference, packet->body, 16))
			continue;
		rows[event.ledger.count] = node->counters;
		rows[event.ledger.count].in_force = !hidden;
		rows[event.ledger.count++].peer = cut->cut.peer;
		hidden -= hidden > 0;
	}
	partition_ledger(node->p, &event);
	tick(net, node);
}

static void deliver(struct partnet *net, struct partnet_packet *packet)
{
	struct partnet_node *to;

	if (packet->to == -2) {
		ledger(net, packet);
		return;
	}
	if (packet->to < 0) {
		applied(net, packet);
		return;
	}
	to = &net->nodes[packet->to];
	if (!to->p || to->stopped || to->unknown[packet->from])
		return;
	if (partition_datagram(to->p, net->nodes[packet->from].name,
			       (struct core_bytes) { packet->body,
						     packet->size_bytes },
			       net->now_ns, 0))
		die("a good body was refused");
	tick(net, to);
}

static uint64_t next_time(const struct partnet *net)
{
	uint64_t next = net->packets ? net->packets->at_ns : UINT64_MAX;
	int i;

	for (i = 0; i < net->count; i++) {
		const struct partnet_node *node = &net->nodes[i];

		if (node->p && !node->stopped && node->wake_ns < next)
			next = node->wake_ns;
	}
	return next;
}

static void step(struct partnet *net)
{
	struct partnet_packet *packet;
	int i;

	while (net->packets && net->packets->at_ns <= net->now_ns) {
		packet = net->packets;
		net->packets = packet->next;
		deliver(net, packet);
		free(packet);
	}
	for (i = 0; i < net->count; i++)
		if (net->nodes[i].wake_ns <= net->now_ns)
			tick(net, &net->nodes[i]);
}

void partnet_run(struct partnet *net, uint64_t ms)
{
	uint64_t end = net->now_ns + ms * PARTNET_MS;

	while (next_time(net) <= end) {
		if (next_time(net) > net->now_ns)
			net->now_ns = next_time(net);
		step(net);
	}
	net->now_ns = end;
}

bool partnet_wait(struct partnet *net, int i, uint32_t correlation, uint64_t ms)
{
	uint64_t end = net->now_ns + ms * PARTNET_MS;

	while (!net->nodes[i].answers[correlation].given &&
	       next_time(net) <= end) {
		if (next_time(net) > net->now_ns)
			net->now_ns = next_time(net);
		step(net);
	}
	return net->nodes[i].answers[correlation].given;
}

static void make_name(struct partnet_node *node, size_t name_bytes)
{
	char digits[16];
	size_t length;

	snprintf(digits, sizeof(digits), "n%03d", node->index);
	length = strlen(digits);
	memcpy(node->name, digits, length + 1);
	if (name_bytes <= length)
		return;
	memset(node->name + length, 'x', name_bytes - length);
	node->name[name_bytes] = 0;
}

void partnet_open(struct partnet *net, int count, uint64_t seed,
		  size_t name_bytes)
{
	int i;

	memset(net, 0, sizeof(*net));
	net->limits.partitions_max = 32;
	net->limits.members_max = (uint32_t)count;
	net->limits.rules_max = 512;
	net->config.cut_max_ms = 3600000;
	net->config.cut_share_percent = 50;
	net->config.cut_loss = true;
	net->config.cut_reject = true;
	net->config.cut_address = true;
	net->config.port_base = SKERRY_PORT_BASE;
	net->delay_max_ms = 2;
	net->now_ns = 1000 * PARTNET_MS;
	net->count = count;
	rng_init(&net->rng, seed, 1);
	net->nodes = calloc((size_t)count, sizeof(*net->nodes));
	for (i = 0; i < count; i++) {
		net->nodes[i].net = net;
		net->nodes[i].index = i;
		make_name(&net->nodes[i], name_bytes);
	}
	for (i = 0; i < count; i++)
		partnet_start(net, i);
	partnet_run(net, 2500);
}

void partnet_kill(struct partnet *net, int i)
{
	free(net->nodes[i].memory);
	net->nodes[i].memory = NULL;
	net->nodes[i].p = NULL;
	memset(net->nodes[i].cuts, 0, sizeof(net->nodes[i].cuts));
	net->nodes[i].boots++;
}

void partnet_start(struct partnet *net, int i)
{
	struct partnet_node *node = &net->nodes[i];
	struct partition_env env = {
		.data = node,
		.node = env_node,
		.within = env_within,
		.datagram = env_datagram,
		.cut_add = env_cut_add,
		.cut_del = env_cut_del,
		.cut_commit = env_cut_commit,
		.answer = env_answer,
		.part = env_part,
		.ledger = env_ledger,
		.log = env_log,
	};
	struct core_config config = net->config;
	size_t size = partition_size(&net->limits);
	int n;

	partnet_kill(net, i);
	memcpy(config.name, node->name, sizeof(config.name));
	node->memory = aligned_alloc(16, (size + 15) & ~(size_t)15);
	memset(node->memory, 0xa5, size);
	node->p = partition_init(node->memory, &net->limits, &env, &config,
				 net->seed ? net->seed : rng_u64(&net->rng));
	for (n = 0; n < net->count; n++)
		if (n != i && !node->unknown[n])
			partition_node(node->p, net->nodes[n].name,
				       net->now_ns);
	tick(net, node);
}

void partnet_meet(struct partnet *net, int a, int b)
{
	struct partnet_node *x = &net->nodes[a];
	struct partnet_node *y = &net->nodes[b];

	if (x->p) {
		partition_node(x->p, y->name, net->now_ns);
		tick(net, x);
	}
	if (y->p) {
		partition_node(y->p, x->name, net->now_ns);
		tick(net, y);
	}
}

void partnet_close(struct partnet *net)
{
	struct partnet_packet *packet;
	int i, k;

	for (i = 0; i < net->count; i++)
		for (k = 0; k < PARTNET_ANSWERS_MAX; k++)
			free(net->nodes[i].answers[k].parts);
	while ((packet = net->packets)) {
		net->packets = packet->next;
		free(packet);
	}
	for (i = 0; i < net->count; i++)
		partnet_kill(net, i);
	free(net->nodes);
}

void partnet_command(struct partnet *net, int i, uint32_t command,
		     uint32_t correlation, const struct tlv_writer *w)
{
	struct partnet_node *node = &net->nodes[i];
	struct core_event event = {
		.type = EV_COMMAND,
		.now_ns = net->now_ns,
	};

	event.command.program = 7;
	event.command.command = command;
	event.command.correlation = correlation;
	event.command.admin = true;
	event.command.uid = 1000;
	event.command.pid = 4711;
	event.command.name = "tester";
	event.command.guards = net->guards;
	event.command.tlvs = (struct core_bytes) { w->data, w->used_bytes };
	free(node->answers[correlation].parts);
	memset(&node->answers[correlation], 0,
	       sizeof(node->answers[correlation]));
	partition_command(node->p, &event);
	tick(net, node);
}
