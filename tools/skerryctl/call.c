// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* call.c - skerryctl message call, and the answers of message listen. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"
#include "skerry/limits.h"

/* ---- asking ----------------------------------------------------------------- */

static void show(const struct ctl *ctl, char **argv, const struct target *to,
		 const struct skerry_message *reply, bool raw)
{
	json_t *object;

	if (!ctl->json) {
		fwrite(reply->data, 1, reply->size_bytes, stdout);
		if (!raw)
			putchar('\n');
		return;
	}
	object = json_begin();
	message_target_json(object, argv, to);
	json_object_set_new(object, "size_bytes",
			    json_integer((json_int_t)reply->size_bytes));
	json_end(message_data_json(object, reply), false);
}

int message_call(struct ctl *ctl, int argc, char **argv)
{
	const char *channel = NULL, *file = NULL;
	uint64_t key = UINT64_MAX;
	bool raw = false;
	const struct arg args[] = {
		{ "--channel", ARG_TEXT, &channel },
		{ "--key", ARG_COUNT, &key },
		{ "--file", ARG_TEXT, &file },
		{ "--raw", ARG_FLAG, &raw },
		{ NULL, ARG_FLAG, NULL },
	};
	struct skerry_forward_opts opts = { .size = sizeof(opts) };
	struct payload payload = { 0 };
	struct skerry_message reply;
	struct target to;
	int code, error;

	code = args_take("message call", &argc, argv, args, false);
	if (!code)
		code = message_target("message call", argc, argv, &to);
	if (code)
		return code;
	opts.channel = channel;
	opts.timeout_ms = ctl->timeout_ms;
	if (key != UINT64_MAX) {
		opts.partition_key = key;
		opts.flags = SKERRY_FORWARD_KEY;
	}
	code = message_payload("message call", argc - 2 - to.words,
			       argv + 2 + to.words, file, &payload);
	if (!code)
		code = ctl_open(ctl, false);
	if (code)
		goto out;
	error = skerry_call(ctl->handle, to.node, to.endpoint, payload.data,
			    payload.size_bytes, &opts, &reply);
	if (error) {
		code = ctl_error(ctl, error, "message call", to.text);
		goto out;
	}
	show(ctl, argv, &to, &reply, raw);
	skerry_release(ctl->handle, &reply);
out:
	free(payload.data);
	return code;
}

/* ---- answering -------------------------------------------------------------- */

static void say(const char *command, const char *why)
{
	fprintf(stderr, "skerryctl: message listen: %s: %s\n", command, why);
}

/* The command's stdin and stdout; never returns. */
static void become(const char *command, FILE *in, int out)
{
	if (dup2(fileno(in), STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int read_output(int fd, struct payload *output)
{
	size_t room = 0;

	for (;;) {
		ssize_t got;

		if (output->size_bytes == room) {
			char *grown = realloc(output->data, room + 65536);

			if (!grown)
				return -ENOMEM;
			output->data = grown;
			room += 65536;
		}
		got = read(fd, output->data + output->size_bytes,
			   room - output->size_bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		output->size_bytes += (size_t)got;
		if (output->size_bytes > SKERRY_MESSAGE_MAX_BYTES)
			return -EMSGSIZE;
	}
}

/* Through a file: the command may answer before it has read all of it. */
static FILE *input_of(const struct skerry_message *message)
{
	FILE *in = tmpfile();

	if (!in)
		return NULL;
	if (fwrite(message->data, 1, message->size_bytes, in) !=
		    message->size_bytes ||
	    fflush(in) || fseek(in, 0, SEEK_SET)) {
		fclose(in);
		return NULL;
	}
	return in;
}

static int run_command(const struct skerry_message *message,
		       const char *command, struct payload *output)
{
	FILE *in = input_of(message);
	int ends[2], status, error;
	pid_t pid;

	if (!in)
		return -errno;
	if (pipe(ends)) {
		error = -errno;
		goto out;
	}
	pid = fork();
	if (pid == 0)
		become(command, in, ends[1]);
	close(ends[1]);
	error = pid < 0 ? -errno : read_output(ends[0], output);
	close(ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && !error &&
	    (!WIFEXITED(status) || WEXITSTATUS(status)))
		error = -ECANCELED;
out:
	fclose(in);
	return error;
}

void message_answer(struct ctl *ctl, const struct skerry_message *message,
		    const char *command)
{
	struct payload output = { 0 };
	int error = 0;

	if (command)
		error = run_command(message, command, &output);
	if (error == -ECANCELED)
		say(command, "the command failed; the caller is told so");
	else if (error)
		say(command, strerror(-error));
	if (error)
		error = skerry_reply_error(ctl->handle, message, error);
	else if (command)
		error = skerry_reply(ctl->handle, message, output.data,
				     output.size_bytes);
	else
		error = skerry_reply(ctl->handle, message, message->data,
				     message->size_bytes);
	if (error)
		say("reply", skerry_last_error(ctl->handle));
	free(output.data);
}
