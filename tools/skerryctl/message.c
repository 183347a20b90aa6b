// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* message.c - skerryctl message: send, cast, call and listen by hand. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "message.h"
#include "skerry/limits.h"

/* All of a file, up to the largest message and one byte more. */
static int read_all(int fd, struct payload *payload)
{
	size_t room = 0, used = 0;
	char *data = NULL, *grown;

	for (;;) {
		ssize_t size;

		if (used == room) {
			room = room ? 2 * room : 65536;
			grown = realloc(data, room);
			if (!grown) {
				free(data);
				return -ENOMEM;
			}
			data = grown;
		}
		size = read(fd, data + used, room - used);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0) {
			free(data);
			return -errno;
		}
		if (size == 0)
			break;
		used += (size_t)size;
		if (used > SKERRY_MESSAGE_MAX_BYTES) {
			free(data);
			return -EMSGSIZE;
		}
	}
	payload->data = data;
	payload->size_bytes = used;
	return 0;
}

static int join_words(int argc, char **argv, struct payload *payload)
{
	size_t size = 0, used = 0;
	int i;

	for (i = 0; i < argc; i++)
		size += strlen(argv[i]) + 1;
	payload->data = malloc(size);
	if (!payload->data)
		return -ENOMEM;
	for (i = 0; i < argc; i++) {
		if (i)
			payload->data[used++] = ' ';
		memcpy(payload->data + used, argv[i], strlen(argv[i]));
		used += strlen(argv[i]);
	}
	payload->size_bytes = used;
	return 0;
}

/* From the words, else from the file, else from stdin. */
int message_payload(const char *what, int argc, char **argv, const char *file,
		    struct payload *payload)
{
	int fd = STDIN_FILENO, error;

	if (argc > 0 && file)
		return ctl_usage(what, "--file",
				 "a text is given too; one of both");
	if (argc > 0) {
		error = join_words(argc, argv, payload);
	} else {
		if (file && strcmp(file, "-")) {
			fd = open(file, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				return ctl_error_text(-errno, what, file,
						      strerror(errno));
		}
		error = read_all(fd, payload);
		if (fd != STDIN_FILENO)
			close(fd);
	}
	if (error == -EMSGSIZE)
		return ctl_error_text(error, what, file ? file : "stdin",
				      "more than 64MiB; send it in parts");
	if (error)
		return ctl_error_text(error, what, file ? file : "stdin",
				      strerror(-error));
	return 0;
}

int message_target(const char *what, int argc, char **argv,
		   struct target *ret_target)
{
	struct target t = { .words = 2 };

	if (argc > 2 && strncmp(argv[2], "skerry:", 7) == 0)
		t.words = 1;
	if (argc < 2 + t.words)
		return ctl_usage(what, NULL,
				 "node and endpoint are missing; NODE ENDPOINT "
				 "or skerry:NODE/ENDPOINT");
	t.node = t.words == 1 ? NULL : selector_node(argv[2]);
	t.endpoint = argv[1 + t.words];
	snprintf(t.text, sizeof(t.text), t.node ? "%s/%s" : "%s",
		 t.node ? argv[2] : t.endpoint, t.endpoint);
	*ret_target = t;
	return 0;
}

void message_target_json(json_t *object, char **argv,
			 const struct target *target)
{
	if (!target->node) {
		json_object_set_new(object, "reference",
				    json_string(target->endpoint));
		return;
	}
	json_object_set_new(object, "node", json_string(argv[2]));
	json_object_set_new(object, "endpoint", json_string(target->endpoint));
}

static int send_one(struct ctl *ctl, int argc, char **argv, bool cast)
{
	const char *what = cast ? "message cast" : "message send";
	const char *channel = NULL, *file = NULL;
	uint64_t key = UINT64_MAX, number = 0;
	const struct arg args[] = {
		{ "--channel", ARG_TEXT, &channel },
		{ "--key", ARG_COUNT, &key },
		{ "--file", ARG_TEXT, &file },
		{ NULL, ARG_FLAG, NULL },
	};
	struct skerry_forward_opts opts = { .size = sizeof(opts) };
	struct payload payload = { 0 };
	struct target to;
	json_t *object;
	int code, error;

	code = args_take(what, &argc, argv, args, false);
	if (code)
		return code;
	code = message_target(what, argc, argv, &to);
	if (code)
		return code;
	opts.channel = channel;
	opts.timeout_ms = ctl->timeout_ms;
	opts.ret_number = &number;
	if (key != UINT64_MAX) {
		opts.partition_key = key;
		opts.flags = SKERRY_FORWARD_KEY;
	}
	code = message_payload(what, argc - 2 - to.words, argv + 2 + to.words,
			       file, &payload);
	if (!code)
		code = ctl_open(ctl, false);
	if (code)
		goto out;
	error = (cast ? skerry_cast : skerry_forward)(ctl->handle, to.node,
						      to.endpoint, payload.data,
						      payload.size_bytes,
						      &opts);
	if (error < 0) {
		code = ctl_error(ctl, error, what, to.text);
		goto out;
	}
	if (ctl->json) {
		object = json_begin();
		message_target_json(object, argv, &to);
		json_object_set_new(object, "number",
				    json_integer((json_int_t)number));
		json_object_set_new(object, "size_bytes",
				    json_integer(
					    (json_int_t)payload.size_bytes));
		json_end(object, false);
	}
out:
	free(payload.data);
	return code;
}

json_t *message_data_json(json_t *object, const struct skerry_message *message)
{
	json_t *text = json_stringn(message->data, message->size_bytes);
	const uint8_t *bytes = message->data;
	char *hex;
	size_t i;

	if (text) {
		json_object_set_new(object, "data", text);
		return object;
	}
	hex = malloc(2 * message->size_bytes + 1);
	if (!hex)
		return object;
	for (i = 0; i < message->size_bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	json_object_set_new(object, "data_hex",
			    json_stringn(hex, 2 * message->size_bytes));
	free(hex);
	return object;
}

static void show(const struct ctl *ctl, const struct skerry_message *message,
		 bool raw)
{
	json_t *object;

	if (!ctl->json) {
		fwrite(message->data, 1, message->size_bytes, stdout);
		if (!raw)
			putchar('\n');
		fflush(stdout);
		return;
	}
	object = json_begin();
	json_object_set_new(object, "node", json_string(message->node));
	json_object_set_new(object, "endpoint", json_string(message->endpoint));
	json_object_set_new(object, "channel", json_string(message->channel));
	json_object_set_new(object, "number",
			    json_integer((json_int_t)message->number));
	json_object_set_new(object, "cast",
			    json_boolean(message->flags & SKERRY_MESSAGE_CAST));
	json_object_set_new(object, "size_bytes",
			    json_integer((json_int_t)message->size_bytes));
	if (message->flags & SKERRY_MESSAGE_CALL)
		json_object_set_new(object, "request", json_true());
	json_end(message_data_json(object, message), true);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct listening {
	const char *endpoint;
	const char *channel; /* NULL: all */
	uint64_t count; /* UINT64_MAX: for ever */
	bool raw;
	bool echo;
	const char *reply; /* NULL: none */
};

static int listen_loop(struct ctl *ctl, const struct listening *l)
{
	uint64_t end = ctl->timeout_ms ? now_ms() + ctl->timeout_ms : 0;
	struct skerry_message message;
	uint64_t seen = 0;
	int error, wait;

	while (seen < l->count) {
		wait = -1;
		if (end) {
			uint64_t now = now_ms();

			wait = now < end ? (int)(end - now) : 0;
		}
		error = skerry_next(ctl->handle, &message, wait);
		/* The agent restarted: the library attaches again. */
		if (error == -ECONNRESET || error == -ESTALE) {
			fprintf(stderr, "skerryctl: message listen: %s\n",
				skerry_last_error(ctl->handle));
			usleep(200000);
			continue;
		}
		if (error == -EAGAIN || error == -ETIMEDOUT) {
			if (!end || now_ms() < end)
				continue;
			return ctl_error_text(-ETIMEDOUT, "message listen",
					      l->endpoint,
					      "no more messages came");
		}
		if (error < 0)
			return ctl_error(ctl, error, "message listen",
					 l->endpoint);
		if (!l->channel || strcmp(l->channel, message.channel) == 0) {
			show(ctl, &message, l->raw);
			if (message.flags & SKERRY_MESSAGE_CALL &&
			    (l->echo || l->reply))
				message_answer(ctl, &message, l->reply);
			seen++;
		}
		skerry_release(ctl->handle, &message);
		if (ferror(stdout))
			return EXIT_FAILED;
	}
	return 0;
}

static int listen_endpoint(struct ctl *ctl, int argc, char **argv)
{
	struct listening l = { .count = UINT64_MAX };
	const struct arg args[] = {
		{ "--count", ARG_COUNT, &l.count },
		{ "--channel", ARG_TEXT, &l.channel },
		{ "--raw", ARG_FLAG, &l.raw },
		{ "--echo", ARG_FLAG, &l.echo },
		{ "--reply", ARG_TEXT, &l.reply },
		{ NULL, ARG_FLAG, NULL },
	};
	int code, error;

	code = args_take("message listen", &argc, argv, args, false);
	if (code)
		return code;
	if (argc != 3)
		return ctl_usage("message listen", NULL,
				 "one endpoint is needed; ENDPOINT");
	if (l.echo && l.reply)
		return ctl_usage("message listen", "--echo",
				 "--reply is given too; one of both");
	l.endpoint = argv[2];
	/* The time limit is for all of it, not for each call. */
	code = ctl_open(ctl, false);
	if (code)
		return code;
	error = skerry_register(ctl->handle, l.endpoint);
	if (error)
		return ctl_error(ctl, error, "message listen", l.endpoint);
	fprintf(stderr, "listening on %s of %s\n", l.endpoint,
		skerry_mynode(ctl->handle));
	return listen_loop(ctl, &l);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "send") == 0)
		return send_one(ctl, argc, argv, false);
	if (strcmp(verb, "cast") == 0)
		return send_one(ctl, argc, argv, true);
	if (strcmp(verb, "call") == 0)
		return message_call(ctl, argc, argv);
	if (strcmp(verb, "listen") == 0)
		return listen_endpoint(ctl, argc, argv);
	return ctl_usage("message", verb,
			 "no such verb; send, cast, call or listen");
}

const struct noun noun_message = {
	.name = "message",
	.summary = "send, cast, call or listen by hand",
	.help = "usage: skerryctl message send [OPTION...] NODE ENDPOINT "
		"[TEXT...]\n"
		"       skerryctl message cast [OPTION...] NODE ENDPOINT "
		"[TEXT...]\n"
		"       skerryctl message call [OPTION...] NODE ENDPOINT "
		"[TEXT...]\n"
		"       skerryctl message listen [--count N] [--channel NAME] "
		"[--raw]\n"
		"                 [--echo | --reply COMMAND] ENDPOINT\n\n"
		"NODE \".\" is this one; for NODE ENDPOINT a reference does, "
		"skerry:NODE/ENDPOINT\n"
		"or skerry:NODE/#ID. Without TEXT the message is read from "
		"stdin.\n\n"
		"  --channel NAME  the channel; \"default\" without it; when "
		"listening: show\n"
		"                  only messages of that channel\n"
		"  --key N         keep messages with the same N in order on "
		"one lane\n"
		"  --file FILE     read the message from FILE\n"
		"  --count N       end after N messages; else it goes on, or "
		"--timeout ends it\n"
		"  --raw           the bytes alone, no line end after each "
		"message\n"
		"  --echo          answer each request with its own bytes\n"
		"  --reply COMMAND answer each request with what the shell "
		"command prints, given\n"
		"                  the request on stdin; when it fails, with "
		"an error\n\n"
		"Call waits for the reply, for --timeout at most, and prints "
		"it. A cast never waits: without room at the receiver it is "
		"dropped.\n",
	.run = run,
};
