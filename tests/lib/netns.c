// SPDX-License-Identifier: GPL-2.0-only
/* Network namespaces for tests. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"

static int home = -1;

static int home_fd(void)
{
	if (home < 0)
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return home;
}

int netns_enter(int netns)
{
	if (home_fd() < 0)
		return -errno;
	return setns(netns, CLONE_NEWNET) ? -errno : 0;
}

int netns_home(void)
{
	return netns_enter(home_fd());
}

static int shell(int netns, const char *command, char *out, int room)
{
	char scratch[4096];
	int status, used = 0;
	ssize_t got;
	int pipes[2];
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	child = fork();
	if (child == 0) {
		if (netns >= 0 && setns(netns, CLONE_NEWNET))
			_exit(126);
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(pipes[1]);
	if (!out) {
		out = scratch;
		room = sizeof(scratch);
	}
	while ((got = read(pipes[0], out + used, room - 1 - used)) > 0)
		used += got;
	out[used] = 0;
	close(pipes[0]);
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	if (WEXITSTATUS(status) && out == scratch)
		fprintf(stderr, "# %s: exit %d: %s\n", command,
			WEXITSTATUS(status), out);
	return WEXITSTATUS(status);
}

int netns_run(int netns, const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return shell(netns, command, NULL, 0);
}

int netns_read(char *out, int room, const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return shell(-1, command, out, room);
}

int netns_make(void)
{
	int fd, ret = 0;

	if (home_fd() < 0 || unshare(CLONE_NEWNET))
		return -errno;
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ret = -errno;
	if (setns(home, CLONE_NEWNET) && !ret)
		ret = -errno;
	if (!ret && netns_run(fd, "ip link set lo up"))
		ret = -EIO;
	if (ret && fd >= 0)
		close(fd);
	return ret ? ret : fd;
}

static int join(struct netns_lan *lan, int i)
{
	if (netns_run(lan->bridge,
		      "ip link add port%d type veth peer name eth0 "
		      "netns /proc/%d/fd/%d && "
		      "ip link set port%d master br0 up",
		      i, getpid(), lan->host[i], i))
		return -EIO;
	if (netns_run(lan->host[i],
		      "ip link set eth0 up && "
		      "ip addr add 10.77.0.%d/24 dev eth0 && "
		      "ip addr add fd77::%x/64 dev eth0 nodad",
		      i + 1, i + 1))
		return -EIO;
	return 0;
}

int netns_lan_make(struct netns_lan *lan, int count)
{
	int i, ret = 0;

	memset(lan, 0, sizeof(*lan));
	lan->bridge = netns_make();
	if (lan->bridge < 0)
		return lan->bridge;
	if (netns_run(lan->bridge, "ip link add br0 type bridge && "
				   "ip link set br0 up"))
		ret = -EIO;
	for (i = 0; !ret && i < count; i++) {
		lan->host[i] = netns_make();
		if (lan->host[i] < 0) {
			ret = lan->host[i];
			break;
		}
		lan->count++;
		ret = join(lan, i);
	}
	if (ret)
		netns_lan_free(lan);
	return ret;
}

void netns_lan_free(struct netns_lan *lan)
{
	int i;

	for (i = 0; i < lan->count; i++)
		close(lan->host[i]);
	if (lan->bridge > 0)
		close(lan->bridge);
	lan->count = 0;
	lan->bridge = -1;
}

struct skerry_addr netns_addr(int host, bool six, uint16_t port)
{
	struct skerry_addr addr = { .port = port };

	if (six) {
		addr.ip[0] = 0xfd;
		addr.ip[1] = 0x77;
		addr.ip[15] = host + 1;
	} else {
		addr.ip[10] = addr.ip[11] = 0xff;
		addr.ip[12] = 10;
		addr.ip[13] = 77;
		addr.ip[15] = host + 1;
	}
	return addr;
}
