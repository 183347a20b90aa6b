// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - what a program writes into its rings, its mapping and its flags,
 * read by the agent's own code with a flow table and a core behind it. Beside
 * it is an honest program, which must not notice.
 *
 * Records of type COMMAND go into the control ring, those from 0xd0 on are
 * for us, all others go into a message ring.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec.h"
#include "core_script.h"
#include "run/agent.h"
#include "run/driver.h"
#include "run/log.h"
#include "skerry/barrier.h"
#include "spec.h"

#define HOSTILE 1U
#define HONEST 2U
#define RECORDS_MAX 200
#define ROUNDS_MAX 1000
#define TIME_MS_MAX 20000

enum {
	DO_RAW = 0xd0, /* payload: bytes at the tail; sequence: by how much it
			* moves; flag 1: control ring */
	DO_CHANNEL, /* flow: whose ring from now on */
	DO_POKE, /* payload: written into a mapping at sequence; flag 1: the
		  * control mapping */
	DO_TIME, /* sequence: ms */
	DO_READ, /* take what is in its rings; flow: how many records */
	DO_HEAD, /* sequence: into the head of a ring; flag 1: control */
	DO_HONEST, /* the honest program sends to itself */
	DO_LEAVE, /* it goes, and comes again */
	DO_END,
};

static const uint8_t types[] = {
	SKERRY_FRAME_DATA,
	SKERRY_FRAME_DATA,
	SKERRY_REC_WANT,
	SKERRY_REC_SYNC,
	SKERRY_REC_CLOSE,
	SKERRY_REC_COMMAND,
	SKERRY_REC_COMMAND,
	SKERRY_REC_INFLOW,
	DO_RAW,
	DO_CHANNEL,
	DO_POKE,
	DO_TIME,
	DO_READ,
	DO_HEAD,
	DO_HONEST,
	DO_LEAVE,
};

static const char *const words[] = {
	"hostile",     "honest",     "skerry/manager", "nobody",
	"me",	       "peer",	     "other",	       "",
	"default",     "membership", "second",	       "fast",
	"connections", "endpoints",  "channels",       "programs",
	"limits",      "kernel",     "rules",	       "members",
	"status",      "#",	     "10.0.0.9:17280",
};

const struct fuzz_format fuzz_format = {
	.kind = FUZZ_RECORDS,
	.types = types,
	.type_count = sizeof(types),
	.words = words,
	.word_count = sizeof(words) / sizeof(words[0]),
	.payload_is_data = true,
	.data_type = SKERRY_FRAME_DATA,
};

static const struct flow_limits limits = {
	.flows_max = 64,
	.programs_max = 4,
	.endpoints_max = 32,
	.lanes_max = 4,
	.lane_queue_bytes = 1U << 20,
	.credit_bytes = SKERRY_FLOW_CREDIT_BYTES,
	.ring_bytes = SKERRY_RING_BYTES,
};

static struct agent agent;
static struct agent_config config;
static struct script *script;
static void *flow_memory;
static int offers[HONEST + 1]; /* the programs' ends of their sockets */
static struct ringbuf out[HONEST + 1][SKERRY_CHANNELS_MAX + 1];
static struct ringbuf in[HONEST + 1][SKERRY_CHANNELS_MAX + 1];
static bool has[HONEST + 1][SKERRY_CHANNELS_MAX + 1];
static uint32_t channel_now;
static uint64_t honest_got, honest_sent, honest_number, honest_count;
static bool honest_ready;
static uint32_t honest_slot;

#define CONTROL SKERRY_CHANNELS_MAX /* its place among them */

/* ---- the agent's surroundings ------------------------------------------------ */

int __wrap_driver_event(struct agent *a, struct core_event *event);
uint64_t __wrap_agent_now_ns(void);

uint64_t __wrap_agent_now_ns(void)
{
	return script->now_ns;
}

int __wrap_driver_event(struct agent *a, struct core_event *event)
{
	return script_step(script, event);
}

static void on_op(void *data, const struct core_op *op)
{
	if (op->type == OP_ANSWER)
		program_answer(&agent, op->answer.program,
			       op->answer.correlation, op->answer.more, 0, NULL,
			       op->bytes);
	else if (op->type == OP_EVENT)
		program_event(&agent, op->answer.program, op->answer.watch,
			      op->bytes);
}

/* ---- programs ------------------------------------------------------------------ */

static void take_offers(uint32_t number)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct skerry_offer offer;
	struct iovec iov = { &offer, sizeof(offer) };
	struct cmsghdr *c;
	int fd;

	for (;;) {
		struct msghdr message = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = control.bytes,
					  .msg_controllen = sizeof(control) };

		if (recvmsg(offers[number], &message, MSG_DONTWAIT) <= 0)
			return;
		c = CMSG_FIRSTHDR(&message);
		FUZZ_CHECK(c && c->cmsg_len == CMSG_LEN(sizeof(fd)));
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		close(fd);
		FUZZ_CHECK(offer.channel < agent.settings.channel_count);
	}
}

static void program_side(uint32_t number, uint32_t place, const struct shm *shm)
{
	if (has[number][place])
		return;
	has[number][place] = true;
	ringbuf_init(&out[number][place], &shm->map->agent_ring, shm->in_data,
		     shm->ring_bytes, 0);
	ringbuf_init(&in[number][place], &shm->map->program_ring, shm->out_data,
		     shm->ring_bytes, 0);
}

static void look_at_rings(uint32_t number)
{
	struct program *program = agent.programs.list[number];
	uint32_t i;

	if (!program)
		return;
	program_side(number, CONTROL, &program->control);
	for (i = 0; i < agent.settings.channel_count; i++)
		if (program->channels[i])
			program_side(number, i, &program->channels[i]->shm);
}

static void come(uint32_t number)
{
	struct program *program = calloc(1, sizeof(*program));
	struct core_event event = { .type = EV_PROGRAM_UP };
	int pair[2];

	if (!program ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		abort();
	program->agent = &agent;
	program->number = number;
	program->socket = pair[0];
	offers[number] = pair[1];
	program->wake_agent = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	program->wake_program = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	program->admin = number == HOSTILE;
	program->instance[0] = (uint8_t)number;
	strcpy(program->name, number == HOSTILE ? "hostile" : "honest");
	if (shm_open_rings(&program->control, SHM_CONTROL, 0, 1))
		abort();
	agent.programs.list[number] = program;
	agent.programs.count++;
	FUZZ_CHECK(!flow_program(agent.flows, number, program->instance));
	FUZZ_CHECK(!flow_endpoint(agent.flows, number, program->name,
				  script->now_ns));
	program->attached = true;
	event.program.program = number;
	driver_event(&agent, &event);
	memset(has[number], 0, sizeof(has[number]));
	look_at_rings(number);
}

static void go(uint32_t number)
{
	struct program *program = agent.programs.list[number];

	if (program) {
		program_last_words(program);
		program_doom(program, 0, "gone");
		programs_settle(&agent);
	}
	FUZZ_CHECK(!agent.programs.list[number]);
	close(offers[number]);
}

/* ---- what the agent does ----------------------------------------------------------- */

static void agent_works(void)
{
	int rounds = 0;

	while (programs_serve(&agent))
		FUZZ_CHECK(++rounds < ROUNDS_MAX);
	if (flow_wake(agent.flows) <= script->now_ns)
		flow_tick(agent.flows, script->now_ns);
	programs_settle(&agent);
	programs_publish(&agent);
	if (programs_sleep(&agent))
		programs_serve(&agent);
	programs_awake(&agent);
	programs_settle(&agent);
	programs_publish(&agent);
	look_at_rings(HONEST);
	FUZZ_CHECK(agent.programs.list[HONEST]);
	take_offers(HONEST);
	take_offers(HOSTILE);
	if (!agent.programs.list[HOSTILE]) {
		close(offers[HOSTILE]);
		come(HOSTILE);
	}
	look_at_rings(HOSTILE);
}

static void pass_time(uint64_t ms)
{
	uint64_t until_ns = script->now_ns + ms * 1000000;
	int rounds = 0;

	while (flow_wake(agent.flows) <= until_ns) {
		if (flow_wake(agent.flows) > script->now_ns)
			script->now_ns = flow_wake(agent.flows);
		flow_tick(agent.flows, script->now_ns);
		FUZZ_CHECK(++rounds < 100000);
	}
	script->now_ns = until_ns;
}

/* ---- the honest program --------------------------------------------------------- */

static void honest_put(uint32_t place, const struct skerry_frame *frame,
		       const void *payload, size_t size)
{
	if (!ringbuf_write(&out[HONEST][place], frame, NULL, 0, payload, size))
		ringbuf_publish(&out[HONEST][place]);
}

static void honest_opens(void)
{
	struct skerry_frame frame = { .type = SKERRY_REC_COMMAND,
				      .flow = SKERRY_CMD_FLOW_OPEN,
				      .correlation = 77 };
	uint8_t bytes[128];
	struct tlv_writer w;

	tlv_writer_init(&w, bytes, sizeof(bytes));
	tlv_put_u64(&w, SKERRY_K_FLOW_ID, 1);
	tlv_put_str(&w, SKERRY_K_NODE, "");
	tlv_put_str(&w, SKERRY_K_ENDPOINT, "honest");
	honest_put(CONTROL, &frame, bytes, w.used_bytes);
}

static void honest_record(const struct ringbuf_record *r)
{
	uint64_t error;

	if (r->frame.type == SKERRY_REC_ANSWER && r->frame.correlation == 77) {
		error = tlv_find_u64(r->payload, r->payload_bytes,
				     SKERRY_K_ERROR, 0);
		FUZZ_CHECK(!error);
		honest_slot =
			(uint32_t)tlv_find_u64(r->payload, r->payload_bytes,
					       SKERRY_K_SLOT, 0);
		honest_ready = true;
	} else if (r->frame.type == SKERRY_FRAME_DATA &&
		   r->payload_bytes == 8 &&
		   !memcmp(r->payload, "honestly", 8)) {
		honest_got++;
	}
	FUZZ_CHECK(r->frame.type != SKERRY_REC_DETACH);
}

static void honest_reads(void)
{
	struct ringbuf_record r;
	uint64_t offset;
	uint32_t i;
	int err;

	for (i = 0; i <= CONTROL; i++) {
		if (!has[HONEST][i])
			continue;
		offset = 0;
		while ((err = ringbuf_read(&in[HONEST][i], &offset, &r)) > 0) {
			if (i == CONTROL)
				FUZZ_CHECK(fuzz_tlvs_whole((struct core_bytes) {
					r.payload, r.payload_bytes }));
			honest_record(&r);
		}
		FUZZ_CHECK(!err);
		ringbuf_advance(&in[HONEST][i], offset);
	}
}

static void honest_sends(void)
{
	const struct program *program = agent.programs.list[HONEST];
	const struct skerry_flow_slot *slot;
	struct skerry_frame frame = { .type = SKERRY_FRAME_DATA };

	honest_reads();
	if (!honest_ready)
		return;
	slot = &program->control.slots[honest_slot];
	if (slot->state != SKERRY_SLOT_OPEN ||
	    honest_count + 32 > slot->granted)
		return;
	frame.flow = honest_slot;
	frame.correlation = slot->epoch;
	frame.sequence = ++honest_number;
	honest_count += 32;
	honest_put(1, &frame, "honestly", 8);
	honest_sent++;
}

/* ---- the other one ----------------------------------------------------------------- */

static struct ringbuf *ring_at(uint32_t place)
{
	return has[HOSTILE][place] ? &out[HOSTILE][place] : NULL;
}

static void put_record(const struct fuzz_record *r)
{
	struct ringbuf *rb = ring_at(
		r->frame.type == SKERRY_REC_COMMAND ? CONTROL : channel_now);

	if (!rb || ringbuf_write(rb, &r->frame, r->extensions.data,
				 r->extensions.size_bytes, r->payload.data,
				 r->payload.size_bytes))
		return;
	ringbuf_publish(rb);
}

static void put_raw(const struct fuzz_record *r)
{
	struct ringbuf *rb =
		ring_at(r->frame.flags & 1 ? CONTROL : channel_now);
	size_t size = r->payload.size_bytes;

	if (!rb)
		return;
	if (size > rb->size_bytes)
		size = rb->size_bytes;
	if (size)
		memcpy(rb->data + (rb->own & (rb->size_bytes - 1)),
		       r->payload.data, size);
	rb->own += r->frame.sequence;
	skerry_store_release(&rb->positions->tail, rb->own);
}

static void poke(const struct fuzz_record *r)
{
	struct program *program = agent.programs.list[HOSTILE];
	struct shm *shm = &program->control;
	size_t size = r->payload.size_bytes, at;

	if (!(r->frame.flags & 1) && program->channels[channel_now])
		shm = &program->channels[channel_now]->shm;
	at = r->frame.sequence % shm->header_bytes;
	if (size > shm->header_bytes - at)
		size = shm->header_bytes - at;
	if (size)
		memcpy((uint8_t *)shm->map + at, r->payload.data, size);
}

static void hostile_reads(uint32_t count)
{
	struct ringbuf_record r;
	uint64_t offset;
	uint32_t i;

	for (i = 0; i <= CONTROL; i++) {
		offset = 0;
		if (!has[HOSTILE][i])
			continue;
		while (count && ringbuf_read(&in[HOSTILE][i], &offset, &r) > 0)
			count--;
		ringbuf_advance(&in[HOSTILE][i], offset);
	}
}

static void play(const struct fuzz_record *r)
{
	struct ringbuf *rb;

	switch (r->frame.type) {
	case DO_RAW:
		put_raw(r);
		break;
	case DO_CHANNEL:
		channel_now = r->frame.flow % agent.settings.channel_count;
		break;
	case DO_POKE:
		poke(r);
		break;
	case DO_TIME:
		pass_time(r->frame.sequence % TIME_MS_MAX);
		break;
	case DO_READ:
		hostile_reads(r->frame.flow);
		break;
	case DO_HEAD:
		rb = ring_at(r->frame.flags & 1 ? CONTROL : channel_now);
		if (rb)
			skerry_store_release(
				&in[HOSTILE]
				   [r->frame.flags & 1 ? CONTROL : channel_now]
					   .positions->head,
				r->frame.sequence);
		break;
	case DO_HONEST:
		honest_sends();
		break;
	case DO_LEAVE:
		go(HOSTILE);
		come(HOSTILE);
		break;
	default:
		put_record(r);
	}
}

/* ---- beginning and end ---------------------------------------------------------------- */

static void make_agent(void)
{
	struct kernel_config none = { .none = true };
	static const char *const channels[] = { "membership", "default",
						"second" };
	char text[256];
	uint32_t i;

	strcpy(config.pin_root, "/nowhere");
	none.pin_root = config.pin_root;
	none.node = "me";
	agent.config = &config;
	strcpy(agent.settings.name, "me");
	agent.settings.port_base = SKERRY_PORT_BASE;
	agent.settings.members_max = 8;
	for (i = 0; i < 3; i++) {
		strcpy(agent.settings.channels[i].name, channels[i]);
		agent.settings.channels[i].parallelism = 1;
	}
	agent.settings.channel_count = 3;
	agent.group = agent.admin_group = (gid_t)-1;
	agent.boot_nonce = 1;
	flow_memory = aligned_alloc(64, (flowtab_size(&limits) + 63) & ~63UL);
	if (!flow_memory || kernel_open(&none, &agent.kernel, text))
		abort();
	log_setup(CORE_LOG_ERROR, false);
}

static void begin(void)
{
	if (!flow_memory)
		make_agent();
	script = script_begin();
	script->on_op = on_op;
	memset(flow_memory, 0, flowtab_size(&limits));
	agent.flows =
		flowtab_init(flow_memory, &limits, &program_flow_ops, &agent);
	flow_tick(agent.flows, script->now_ns);
	agent.now_ns = script->now_ns;
	channel_now = 1;
	honest_got = honest_sent = honest_number = honest_count = 0;
	honest_ready = false;
	come(HOSTILE);
	come(HONEST);
	honest_opens();
	agent_works();
	honest_reads();
}

static void end(void)
{
	struct flow_counters counters;

	honest_sends();
	agent_works();
	honest_reads();
	FUZZ_CHECK(honest_got == honest_sent && honest_sent);
	go(HOSTILE);
	go(HONEST);
	pass_time(70000);
	flow_counters(agent.flows, &counters);
	FUZZ_CHECK(!counters.flows_in && !counters.flows_out &&
		   !counters.endpoints);
	FUZZ_CHECK(!agent.programs.count && !agent.programs.dirty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct core_bytes left = { data, size };
	struct fuzz_record r;
	int count = 0;

	begin();
	while (count++ < RECORDS_MAX && fuzz_next(&left, &r)) {
		play(&r);
		fuzz_free(&r);
		agent_works();
	}
	end();
	return 0;
}
