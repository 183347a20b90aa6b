// SPDX-License-Identifier: GPL-2.0-only
#include "nodes.h"
#include "build_dir.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"

#define PORT 17280
#define BLOCK 128
#define START_MS 10000

static const char *const *extra;

void nodes_flags(const char *const *flags)
{
	extra = flags;
}

const char *nodes_name(int node)
{
	static const char *const names[NODES_MAX] = { "n0", "n1", "n2" };

	return names[node];
}

const char *nodes_run_dir(const struct nodes *nodes)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/run", nodes->directory);
	return path;
}

static void run_agent(const struct nodes *nodes, int node)
{
	char program[256], port[16], state[96], log[96];
	const char *argv[64] = {
		"skerryd",
		"--config",
		"/dev/null",
		"--node-name",
		nodes_name(node),
		"--listen-port",
		port,
		"--listen-address",
		"127.0.0.1",
		"--no-kernel",
		"--api-run_dir",
		nodes_run_dir(nodes),
		"--state-dir",
		state,
		"--channel",
		"other:parallelism=2",
		"--channel",
		"ticks:transport=datagram",
	};
	int count = 18;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(program, sizeof(program), "%s/skerryd", build_dir());
	snprintf(port, sizeof(port), "%d", PORT + BLOCK * node);
	snprintf(state, sizeof(state), "%s/state", nodes->directory);
	snprintf(log, sizeof(log), "%s/log.%d", nodes->directory, node);
	if (!freopen(log, "a", stderr) || !freopen("/dev/null", "w", stdout))
		_exit(127);
	for (int i = 0; extra && extra[i] && count < 63; i++)
		argv[count++] = extra[i];
	argv[count] = NULL;
	execv(program, (char *const *)argv);
	_exit(127);
}

static bool there(const struct nodes *nodes, int node)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/api.sock", nodes_run_dir(nodes),
		 nodes_name(node));
	return stat(path, &st) == 0;
}

int nodes_start_one(struct nodes *nodes, int node)
{
	char path[160];
	pid_t pid;

	/* What a killed one has left must not pass for a new one. */
	snprintf(path, sizeof(path), "%s/%s/api.sock", nodes_run_dir(nodes),
		 nodes_name(node));
	unlink(path);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_agent(nodes, node);
	nodes->pid[node] = pid;
	for (int ms = 0; ms < START_MS; ms += 10) {
		if (there(nodes, node))
			return 0;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

int nodes_start(struct nodes *nodes, int count)
{
	char path[96];
	int r, netns;

	memset(nodes, 0, sizeof(*nodes));
	strcpy(nodes->directory, "/tmp/skerry-api.XXXXXX");
	if (!mkdtemp(nodes->directory))
		return -errno;
	snprintf(path, sizeof(path), "%s/state", nodes->directory);
	mkdir(path, 0700);
	netns = netns_make();
	if (netns < 0)
		return netns;
	r = netns_enter(netns);
	close(netns);
	nodes->count = count;
	for (int i = 0; i < count && !r; i++)
		r = nodes_start_one(nodes, i);
	return r;
}

int nodes_join(struct nodes *nodes)
{
	char address[32];
	int r = 0;

	snprintf(address, sizeof(address), "127.0.0.1:%d", PORT);
	for (int i = 1; i < nodes->count && !r; i++) {
		struct skerry *h = nodes_open(nodes, i, SKERRY_OPEN_ADMIN);

		if (!h)
			return -ENOTCONN;
		r = skerry_sync_join(h, address, START_MS);
		if (r)
			printf("# join: %s\n", skerry_last_error(h));
		skerry_close(h);
	}
	return r;
}

int nodes_start_joined(struct nodes *nodes, int count)
{
	int r = nodes_start(nodes, count);

	return r ? r : nodes_join(nodes);
}

void nodes_signal(struct nodes *nodes, int node, int signal)
{
	if (!nodes->pid[node])
		return;
	kill(nodes->pid[node], signal);
	if (signal != SIGKILL)
		return;
	waitpid(nodes->pid[node], NULL, 0);
	nodes->pid[node] = 0;
}

void nodes_stop(struct nodes *nodes)
{
	char command[128];

	for (int i = 0; i < nodes->count; i++)
		nodes_signal(nodes, i, SIGKILL);
	if (strncmp(nodes->directory, "/tmp/skerry-api.", 16))
		return;
	snprintf(command, sizeof(command), "rm -rf %s", nodes->directory);
	if (system(command))
		printf("# %s stays\n", nodes->directory);
}

struct skerry *nodes_open(const struct nodes *nodes, int node, unsigned flags)
{
	struct skerry_open_opts opts = {
		.size = sizeof(opts),
		.node = nodes_name(node),
		.program = "test",
		.flags = flags,
		.timeout_ms = 10000,
		.run_dir = nodes_run_dir(nodes),
	};
	struct skerry *h;

	/* The socket is there a moment before somebody listens. */
	for (int tries = 0; tries < 20; tries++) {
		if (!skerry_open(&opts, &h))
			return h;
		usleep(50000);
	}
	printf("# open: %s\n", skerry_last_error(NULL));
	return NULL;
}

int nodes_pair(struct nodes *nodes, unsigned flags, struct skerry **ret_a,
	       struct skerry **ret_b)
{
	int r = nodes_start_joined(nodes, 2);
	struct skerry *a, *b;

	if (r)
		return r;
	a = nodes_open(nodes, 0, flags);
	b = nodes_open(nodes, 1, 0);
	if (!a || !b) {
		skerry_close(a);
		skerry_close(b);
		return -ENOTCONN;
	}
	*ret_a = a;
	*ret_b = b;
	return 0;
}
