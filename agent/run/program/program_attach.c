// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* program_attach.c - how a program comes; see ring.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/agent.h"
#include "run/driver.h"
#include "run/log.h"
#include "program.h"

#define ATTACH_NS 5000000000ULL
#define GROUPS_MAX 256
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/* Lives on until libuv has let go of it; the program does not. */
struct program_poll {
	uv_poll_t poll;
	struct program *program;
};

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static struct program_poll *poll_open(struct program *program, int fd,
				      uv_poll_cb callback)
{
	struct program_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return NULL;
	poll->program = program;
	if (uv_poll_init(&program->agent->loop.uv, &poll->poll, fd)) {
		free(poll);
		return NULL;
	}
	uv_poll_start(&poll->poll, UV_READABLE, callback);
	return poll;
}

static void poll_close(struct program_poll **poll)
{
	if (*poll)
		uv_close((uv_handle_t *)&(*poll)->poll, on_poll_closed);
	*poll = NULL;
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void program_close_handles(struct program *program)
{
	poll_close(&program->socket_poll);
	poll_close(&program->wake_poll);
	fd_close(&program->socket);
	fd_close(&program->wake_agent);
	fd_close(&program->wake_program);
}

/* ---- who it is ---------------------------------------------------------------- */

static bool in_group(int socket, gid_t first, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t length = sizeof(groups);
	size_t i;

	if (group == (gid_t)-1)
		return false;
	if (first == group)
		return true;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length))
		return false;
	for (i = 0; i < length / sizeof(gid_t); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

static int look_at_peer(struct program *program)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);

	if (getsockopt(program->socket, SOL_SOCKET, SO_PEERCRED, &cred,
		       &length))
		return -errno;
	program->uid = cred.uid;
	program->pid = (uint32_t)cred.pid;
	/* Who runs the agent can do more than ask it. */
	program->admin = cred.uid == 0 || cred.uid == geteuid() ||
			 in_group(program->socket, cred.gid,
				  program->agent->admin_group);
	return 0;
}

/* ---- attaching ----------------------------------------------------------------- */

static int reply(struct program *program, int error, const char *text)
{
	struct skerry_attached attached = {
		.magic = SKERRY_RING_MAGIC,
		.abi = SKERRY_RING_ABI,
		.error = error,
		.boot_nonce = program->agent->boot_nonce,
		.mapping_bytes = program->control.bytes,
		.flags = program->admin ? SKERRY_ATTACH_ADMIN : 0,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	int fds[3] = { program->control.fd, program->wake_agent,
		       program->wake_program };
	struct iovec iov = { &attached, sizeof(attached) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	strncpy(attached.text, text, sizeof(attached.text) - 1);
	if (!error) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fds));
		memcpy(CMSG_DATA(c), fds, sizeof(fds));
	}
	return sendmsg(program->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) <
			       0
		       ? -errno
		       : 0;
}

static void refuse(struct program *program, int error, const char *text)
{
	reply(program, error, text);
	program_doom(program, 0, "refused");
}

static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

/*
 * The same handle attaches again while we have not seen its end yet. An
 * instance is no secret: only its own user ends an attachment so. False: it
 * is somebody else's.
 */
static bool end_old_attachment(struct program *program)
{
	struct programs *programs = &program->agent->programs;
	uint32_t i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		struct program *old = programs->list[i];

		if (!old || old == program || !old->attached ||
		    memcmp(old->instance, program->instance, 16))
			continue;
		if (old->uid != program->uid)
			return false;
		program_doom(old, 0, "attached again");
	}
	programs_settle(program->agent);
	return true;
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
	struct program *program = ((struct program_poll *)poll)->program;
	uint64_t count;

	/* The rings are looked at before the loop sleeps again. */
	if (read(program->wake_agent, &count, sizeof(count)) < 0)
		return;
}

static int make_rings(struct program *program)
{
	int err = shm_open_rings(&program->control, SHM_CONTROL, 0,
				 program->agent->boot_nonce);

	if (err)
		return err;
	program->wake_agent = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	program->wake_program = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (program->wake_agent < 0 || program->wake_program < 0)
		return -errno;
	program->wake_poll = poll_open(program, program->wake_agent, on_wake);
	return program->wake_poll ? 0 : -ENOMEM;
}

/*
 * The endpoint every program has. One that attaches again asks for it itself,
 * when it has said how far its inflows have come: flows that lead there may
 * be waiting for it.
 */
static int give_endpoint(struct program *program, uint32_t flags)
{
	struct agent *agent = program->agent;
	char name[PROGRAM_OWN_BYTES];
	int err;

	if (flags & SKERRY_ATTACH_AGAIN)
		return 0;
	program_own_endpoint(program, name);
	err = flow_endpoint(agent->flows, program->number, name, agent->now_ns);
	if (err)
		flow_program_gone(agent->flows, program->number, agent->now_ns);
	return err;
}

static void attach(struct program *program, struct skerry_attach *hello)
{
	struct agent *agent = program->agent;
	struct core_event event = { .type = EV_PROGRAM_UP };
	char text[256];
	int err;

	memcpy(program->instance, hello->instance, sizeof(program->instance));
	hello->program[sizeof(hello->program) - 1] = 0;
	make_printable(hello->program);
	memcpy(program->name, hello->program, sizeof(program->name));
	if ((hello->flags & SKERRY_ATTACH_ADMIN) && !program->admin) {
		refuse(program, -EACCES,
		       "not an administrator: be root, or in admin_group");
		return;
	}
	if (!end_old_attachment(program)) {
		refuse(program, -EEXIST,
		       "this instance is attached for another user");
		return;
	}
	err = make_rings(program);
	if (!err)
		err = flow_program(agent->flows, program->number,
				   program->instance);
	if (!err) {
		flow_program_owner(agent->flows, program->number, program->uid);
		flow_program_receives(agent->flows, program->number,
				      (uint32_t)hello->features);
		err = give_endpoint(program, hello->flags);
	}
	if (err) {
		snprintf(text, sizeof(text), "no room for this program: %s",
			 strerror(-err));
		refuse(program, err, text);
		return;
	}
	program->attached = true;
	program->since_us = agent_wall_us();
	event.program.program = program->number;
	err = driver_event(agent, &event);
	if (err)
		refuse(program, err, "the control plane has no room for it");
	else if (reply(program, 0, ""))
		program_doom(program, 0, "gone");
	fd_close(&program->control.fd);
}

static void hear(struct program *program)
{
	struct skerry_attach hello;
	ssize_t got = recv(program->socket, &hello, sizeof(hello),
			   MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		if (program->attached)
			program_last_words(program);
		program_doom(program, 0, "gone");
		return;
	}
	if (program->attached) {
		program_doom(program, -EPROTO,
			     "wrote to its socket after attaching");
		return;
	}
	if (got < 16 || hello.magic != SKERRY_RING_MAGIC) {
		program->agent->programs.detached++;
		program_doom(program, 0, "no program");
		return;
	}
	if (hello.abi != SKERRY_RING_ABI) {
		char text[128];

		snprintf(text, sizeof(text),
			 "ring version %u is not spoken here, but %u; update "
			 "the older of skerryd and libskerry",
			 hello.abi, SKERRY_RING_ABI);
		refuse(program, -EPROTO, text);
		return;
	}
	if (got != sizeof(hello)) {
		refuse(program, -EPROTO, "malformed attach");
		return;
	}
	attach(program, &hello);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct program *program = ((struct program_poll *)poll)->program;

	if (program->doomed)
		return;
	hear(program);
	if (program->doomed)
		poll_close(&program->socket_poll);
}

/* ---- the door ------------------------------------------------------------------ */

/* What it has said lies unread: closing so would reset the connection, and
 * the answer be lost with it. */
static void turn_away(struct program *program)
{
	char text[96], unread;

	shutdown(program->socket, SHUT_RD);
	while (recv(program->socket, &unread, 1, MSG_DONTWAIT) > 0)
		;
	snprintf(text, sizeof(text),
		 "%u programs are attached already; end one of them",
		 program->agent->programs.count);
	reply(program, -ENOSPC, text);
	close(program->socket);
}

static bool is_silent(const struct program *program)
{
	return program && !program->attached && !program->doomed;
}

/*
 * Who has said nothing for longest and may be sent away for the newcomer;
 * NULL. An administrator gives way to none but another.
 */
static struct program *oldest_silent(const struct agent *agent,
				     const struct program *newcomer,
				     bool same_user)
{
	struct program *oldest = NULL;
	uint32_t i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		struct program *program = agent->programs.list[i];

		if (!is_silent(program) ||
		    (program->admin && !newcomer->admin) ||
		    (same_user && program->uid != newcomer->uid))
			continue;
		if (!oldest || program->deadline_ns < oldest->deadline_ns)
			oldest = program;
	}
	return oldest;
}

static uint32_t count_silent(const struct agent *agent, uint32_t uid)
{
	uint32_t count = 0, i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		const struct program *program = agent->programs.list[i];

		count += is_silent(program) && program->uid == uid;
	}
	return count;
}

static bool has_place(const struct agent *agent, bool admin)
{
	const struct programs *programs = &agent->programs;
	uint32_t others = 0, i;

	if (programs->count >= SKERRY_PROGRAMS_MAX)
		return false;
	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++)
		others += programs->list[i] && !programs->list[i]->admin;
	return admin ||
	       others < SKERRY_PROGRAMS_MAX - SKERRY_PROGRAMS_FOR_ADMINS;
}

/* What it has said by now is heard first: then it stays. */
static void send_away(struct agent *agent, struct program *program)
{
	hear(program);
	if (is_silent(program))
		program_doom(program, 0, "says nothing, and others wait");
	programs_settle(agent);
}

/* See limits.h, "Programs on one node". */
static bool make_place(struct agent *agent, const struct program *newcomer)
{
	struct program *old;
	int i;

	for (i = 0; i <= (int)SKERRY_PROGRAMS_MAX; i++) {
		if (!newcomer->admin && count_silent(agent, newcomer->uid) >=
						SKERRY_SILENT_PER_USER_MAX)
			old = oldest_silent(agent, newcomer, true);
		else if (has_place(agent, newcomer->admin))
			return true;
		else
			old = oldest_silent(agent, newcomer, false);
		if (!old)
			return false;
		send_away(agent, old);
	}
	return false;
}

static void enlist(struct program *program)
{
	struct programs *programs = &program->agent->programs;
	uint32_t number = 1;

	while (programs->list[number])
		number++;
	program->number = number;
	programs->list[number] = program;
	programs->count++;
}

static void welcome(struct agent *agent, int fd)
{
	struct program *program = calloc(1, sizeof(*program));

	if (!program) {
		close(fd);
		return;
	}
	program->agent = agent;
	program->socket = fd;
	program->wake_agent = -1;
	program->wake_program = -1;
	program->deadline_ns = agent_now_ns() + ATTACH_NS;
	if (look_at_peer(program)) {
		close(fd);
		free(program);
		return;
	}
	if (!make_place(agent, program)) {
		turn_away(program);
		free(program);
		return;
	}
	enlist(program);
	program->socket_poll = poll_open(program, fd, on_socket);
	if (!program->socket_poll)
		program_doom(program, 0, "cannot be polled");
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct agent *agent = poll->data;
	int i, fd;

	for (i = 0; i < 16; i++) {
		fd = accept4(agent->programs.listener, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		welcome(agent, fd);
	}
}

void programs_tick(struct agent *agent, uint64_t now_ns)
{
	struct program *program;
	uint32_t i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		program = agent->programs.list[i];
		if (program && !program->attached &&
		    now_ns > program->deadline_ns)
			program_doom(program, 0, "says nothing");
	}
}

/* run_dir and run_dir/NAME, open to the group. */
static int make_directory(struct agent *agent)
{
	struct programs *programs = &agent->programs;
	const struct agent_config *config = agent->config;

	if (mkdir(config->run_dir, 0755) && errno != EEXIST)
		return -errno;
	snprintf(programs->path, sizeof(programs->path), "%s/%s",
		 config->run_dir, agent->settings.name);
	if (mkdir(programs->path, 0755) && errno != EEXIST)
		return -errno;
	programs->directory =
		open(programs->path, O_DIRECTORY | O_PATH | O_CLOEXEC);
	return programs->directory < 0 ? -errno : 0;
}

/* sun_path holds 107 bytes; through a descriptor of the directory any depth
 * will do. */
static int bind_socket(struct agent *agent)
{
	struct programs *programs = &agent->programs;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	mode_t mask;
	int err = 0;

	snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/api.sock",
		 programs->directory);
	/* The state's lock is ours: who listened here before is dead. */
	if (unlinkat(programs->directory, "api.sock", 0) && errno != ENOENT)
		return -errno;
	mask = umask(0117);
	if (bind(programs->listener, (struct sockaddr *)&at, sizeof(at)))
		err = -errno;
	umask(mask);
	if (err)
		return err;
	if (agent->group != (gid_t)-1 &&
	    fchownat(programs->directory, "api.sock", (uid_t)-1, agent->group,
		     0))
		return -errno;
	return listen(programs->listener, 64) ? -errno : 0;
}

int programs_open(struct agent *agent, char text[256])
{
	struct programs *programs = &agent->programs;
	int err = make_directory(agent);

	if (err)
		goto err;
	programs->listener =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0);
	if (programs->listener < 0) {
		err = -errno;
		goto err;
	}
	err = bind_socket(agent);
	if (err)
		goto err_close;
	err = uv_poll_init(&agent->loop.uv, &programs->poll,
			   programs->listener);
	if (err)
		goto err_close;
	programs->poll.data = agent;
	uv_poll_start(&programs->poll, UV_READABLE, on_listener);
	programs->listening = true;
	return 0;
err_close:
	close(programs->listener);
err:
	snprintf(text, 256, "%.100s/%s/api.sock: %s", agent->config->run_dir,
		 agent->settings.name, strerror(-err));
	return err;
}

void programs_close(struct agent *agent)
{
	struct programs *programs = &agent->programs;
	uint32_t i;

	for (i = 1; i <= SKERRY_PROGRAMS_MAX; i++) {
		if (programs->list[i])
			program_doom(programs->list[i], 0, "the agent ends");
	}
	programs_settle(agent);
	if (!programs->listening)
		return;
	uv_close((uv_handle_t *)&programs->poll, NULL);
	close(programs->listener);
	unlinkat(programs->directory, "api.sock", 0);
	close(programs->directory);
	rmdir(programs->path);
	programs->listening = false;
}
