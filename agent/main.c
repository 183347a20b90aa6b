// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/*
 * main.c - skerryd: settings, the parts in the order in which they need each
 * other, and what each failure is as an exit code.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/close_range.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "core/codec.h"
#include "run/agent.h"
#include "run/driver.h"
#include "run/hmac.h"
#include "run/log.h"
#include "run/privilege.h"
#include "run/state.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_PERMITTED = 3,
	EXIT_NOT_SUPPORTED = 4,
	EXIT_CONFLICT = 5,
};

/* A core remembers at most this much between starts. */
#define STATE_MAX_BYTES (16U << 20)
/* What the control plane may have queued on a lane beside the flows. */
#define CONTROL_QUEUE_BYTES (512U << 10)
#define LANES_MAX (SKERRY_MEMBERS_MAX * SKERRY_LANES_PER_PAIR_MAX)

static struct agent agent;
static struct agent_config config;
static struct core_hmac hmac;

static int fail(int error, const char *what, const char *why)
{
	log_text(CORE_LOG_ERROR, "not_started", "%s: %s", what, why);
	switch (error) {
	case -EPERM:
	case -EACCES:
		return EXIT_NOT_PERMITTED;
	case -EOPNOTSUPP:
	case -ENOSYS:
		return EXIT_NOT_SUPPORTED;
	case -EADDRINUSE:
	case -EBUSY:
	case -EEXIST:
		return EXIT_CONFLICT;
	case -EINVAL:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}

static gid_t find_group(const char *name)
{
	const struct group *group = name[0] ? getgrnam(name) : NULL;

	return group ? group->gr_gid : (gid_t)-1;
}

/* A block inside the range would be handed out to anybody's sockets. */
static int check_block(void)
{
	unsigned int base = config.core.port_base;
	uint16_t low, high;

	if (links_port_range(&low, &high))
		return EXIT_DONE;
	if (base > high || base + SKERRY_PORT_BLOCK - 1 < low)
		return EXIT_DONE;
	log_text(CORE_LOG_ERROR, "not_started",
		 "[listen] port %u: the block %u-%u lies in this host's "
		 "ip_local_port_range %u-%u; choose another, or move the range",
		 base, base, base + SKERRY_PORT_BLOCK - 1, low, high);
	return EXIT_USAGE;
}

static void *memory(size_t size_bytes)
{
	void *at = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* ---- the parts ------------------------------------------------------------ */

static int open_state(void)
{
	int pid = 0, err;

	err = state_open(config.state_dir, agent.settings.name, &agent.state_fd,
			 &pid);
	if (err == -EBUSY) {
		log_text(CORE_LOG_ERROR, "not_started",
			 "%s runs already, as process %d", agent.settings.name,
			 pid);
		return EXIT_CONFLICT;
	}
	if (err)
		return fail(err, config.state_dir, strerror(-err));
	return EXIT_DONE;
}

static int open_kernel(const void *persisted, size_t persisted_bytes,
		       uint64_t nonce)
{
	struct kernel_config kernel = config.kernel;
	uint64_t stored;
	char text[256] = "";
	int err;

	stored = tlv_find_u64(persisted, persisted_bytes, SKERRY_K_INCARNATION,
			      0);
	kernel.incarnation = agent_wall_us();
	if (stored >= kernel.incarnation)
		kernel.incarnation = stored + 1;
	kernel.boot_nonce = nonce;
	kernel.node = agent.settings.name;
	kernel.port_base = agent.settings.port_base;
	kernel.group = agent.group;
	err = kernel_open(&kernel, &agent.kernel, text);
	if (err) {
		log_text(CORE_LOG_ERROR, "not_started",
			 "kernel: %s: %s; --no-kernel does without", text,
			 strerror(-err));
		return fail(err, "kernel", "cuts cannot be made");
	}
	agent.settings.kernel_cuts =
		!kernel.none && kernel_supported(agent.kernel, KERNEL_BPF);
	agent.settings.fast_demux =
		agent.settings.kernel_cuts &&
		kernel_supported(agent.kernel, KERNEL_SK_ASSIGN);
	agent.settings.cut_loss = agent.settings.kernel_cuts &&
				  kernel_supported(agent.kernel, KERNEL_LOSS);
	agent.settings.cut_reject =
		agent.settings.kernel_cuts &&
		kernel_supported(agent.kernel, KERNEL_REJECT);
	agent.settings.cut_address =
		agent.settings.kernel_cuts &&
		kernel_supported(agent.kernel, KERNEL_ADDRESS);
	return EXIT_DONE;
}

static int make_core(void)
{
	struct core_limits limits = {
		.members_max = agent.settings.members_max,
		.programs_max = SKERRY_PROGRAMS_MAX + 1,
		.watches_max = 4096,
		.partitions_max = SKERRY_PARTITIONS_MAX,
		.rules_max = SKERRY_RULES_MAX,
	};
	struct flow_limits flows = {
		.flows_max = SKERRY_FLOWS_MAX,
		.programs_max = SKERRY_PROGRAMS_MAX + 1,
		.endpoints_max = SKERRY_ENDPOINTS_MAX,
		.lanes_max = LANES_MAX,
		.lane_queue_bytes =
			SKERRY_LANE_QUEUE_BYTES - CONTROL_QUEUE_BYTES,
		.credit_bytes = SKERRY_FLOW_CREDIT_BYTES,
		.ring_bytes = SKERRY_RING_BYTES,
	};
	void *core = memory(core_size(&limits));
	void *table = memory(flowtab_size(&flows));
	int err;

	if (!core || !table)
		return fail(-ENOMEM, "memory", strerror(ENOMEM));
	if (config.record[0]) {
		err = record_open(config.record, &limits, agent.hmac,
				  &agent.record);
		if (err)
			return fail(err, config.record, strerror(-err));
	}
	agent.core = core_init(core, &limits, agent.hmac);
	agent.flows = flowtab_init(table, &flows, &program_flow_ops, &agent);
	if (!agent.core || !agent.flows)
		return fail(-ENOMEM, "core", strerror(ENOMEM));
	for (uint32_t i = 0; i < agent.settings.channel_count; i++)
		if (agent.settings.channels[i].monotonic)
			flow_channel_monotonic(agent.flows, (uint8_t)i);
	return EXIT_DONE;
}

static int start_core(const void *persisted, size_t persisted_bytes,
		      uint64_t seed)
{
	struct core_event event = {
		.type = EV_START,
		.start = { .config = &agent.settings,
			   .persisted = { persisted, persisted_bytes },
			   .seed = seed },
	};
	struct core_bytes spec;
	int err;

	agent.wake_at_ns = UINT64_MAX;
	err = driver_event(&agent, &event);
	if (err)
		return fail(err, "core", strerror(-err));
	agent.devices.told = true;
	spec = core_spec(agent.core);
	agent.boot_nonce = tlv_find_u64(spec.data, spec.size_bytes,
					SKERRY_K_BOOT_NONCE, seed);
	agent.incarnation = tlv_find_u64(spec.data, spec.size_bytes,
					 SKERRY_K_INCARNATION, 0);
	return EXIT_DONE;
}

static int open_network(void)
{
	char text[256] = "";
	int err;

	err = lanes_open(&agent, text);
	if (err)
		return fail(err, "TCP", text);
	err = udp_open(&agent, text);
	if (err)
		return fail(err, "network", text);
	return EXIT_DONE;
}

static int open_parts(void)
{
	void *persisted = memory(STATE_MAX_BYTES);
	char text[256] = "";
	uint64_t seed;
	long size;
	int code, err;

	if (!persisted)
		return fail(-ENOMEM, "memory", strerror(ENOMEM));
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return fail(-EIO, "getrandom", strerror(errno));
	code = open_state();
	if (code)
		return code;
	size = state_read(agent.state_fd, persisted, STATE_MAX_BYTES);
	if (size < 0)
		return fail((int)size, "state", strerror((int)-size));
	err = loop_open(&agent);
	if (!err)
		err = helper_open(&agent.loop.uv, &agent.helper);
	if (err)
		return fail(err, "loop", strerror(-err));
	devices_warn_foreign(&agent);
	code = open_kernel(persisted, (size_t)size, seed);
	if (code)
		return code;
	err = devices_open(&agent);
	if (err)
		return fail(err, "devices", strerror(-err));
	code = open_network();
	if (code)
		return code;
	code = make_core();
	if (code)
		return code;
	code = start_core(persisted, (size_t)size, seed);
	if (code)
		return code;
	err = programs_open(&agent, text);
	if (err)
		return fail(err, "programs", text);
	err = discovery_open(&agent);
	if (err)
		return fail(err, "discovery", strerror(-err));
	munmap(persisted, STATE_MAX_BYTES);
	return EXIT_DONE;
}

static void close_parts(void)
{
	agent.closing = true;
	programs_close(&agent);
	discovery_close(&agent);
	lanes_close(&agent);
	udp_close(&agent);
	helper_close(agent.helper);
	loop_close(&agent);
	devices_close(&agent);
	kernel_close(agent.kernel, true);
	record_close(agent.record);
	cuts_free(&agent.cuts);
	peers_free(&agent.peers);
	hmac_close(&hmac);
	close(agent.state_fd);
}

/* ---- before and after ------------------------------------------------------- */

static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void prepare_process(void)
{
	/* What the parent left open is not passed on either. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	raise_descriptors();
}

static int prepare_agent(void)
{
	int err;

	agent.config = &config;
	agent.settings = config.core;
	agent.group = find_group(config.group);
	agent.admin_group = find_group(config.admin_group);
	if (!config.has_key)
		return EXIT_DONE;
	err = hmac_open(config.key, sizeof(config.key), &hmac);
	if (err)
		return fail(err, "HMAC-SHA-256", strerror(-err));
	agent.hmac = &hmac;
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	bool check = false;
	int err, code;

	err = config_load(&config, argc, argv, stderr, &check);
	if (err > 0)
		return EXIT_DONE;
	if (err)
		return EXIT_USAGE;
	if (check) {
		puts("ok");
		return EXIT_DONE;
	}
	log_setup(config.log_level, config.log_json);
	prepare_process();
	code = check_block();
	if (!code)
		code = prepare_agent();
	if (!code)
		code = open_parts();
	if (code) {
		/* What was attached for nothing is taken off again. */
		if (agent.kernel)
			kernel_close(agent.kernel, true);
		return code;
	}
	err = privilege_drop(!config.kernel.none);
	if (err)
		log_text(CORE_LOG_WARNING, "privileges_kept",
			 "privileges could not be given up: %s",
			 strerror(-err));
	err = helper_start(agent.helper);
	if (err)
		return fail(err, "thread", strerror(-err));
	log_text(CORE_LOG_INFO, "started", "%s on port %u, process %d",
		 agent.settings.name, agent.settings.port_base, getpid());
	sd_notify(0, "READY=1");
	loop_run(&agent);
	sd_notify(0, "STOPPING=1");
	log_end();
	log_text(CORE_LOG_INFO, "stopped", "%s", agent.settings.name);
	close_parts();
	return EXIT_DONE;
}
