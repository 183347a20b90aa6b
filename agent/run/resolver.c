// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* resolver.c - c-ares under libuv; see resolver.h. */
#include "resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "netaddr.h"

/* The first wait for one server; the second is twice that. */
#define TRY_MS 1500
#define TRIES 2
/* How often what has waited too long is looked for. */
#define PULSE_MS 200
/* Fits the paths there are: RFC 6891, 6.2.5 and after. */
#define UDP_BYTES 1232

struct resolver_poll {
	uv_poll_t poll;
	struct resolver *resolver;
	ares_socket_t fd;
	struct resolver_poll *next;
};

struct resolver {
	ares_channel channel;
	uv_loop_t *loop;
	uv_timer_t pulse;
	struct resolver_poll *polls;
	unsigned int handles; /* of libuv, not closed yet */
	unsigned int depth; /* inside of c-ares */
	bool closing, closed;
};

struct question {
	struct resolver *resolver;
	enum resolver_kind kind;
	resolver_answer_fn *function;
	void *data;
};

/* ---- the end ----------------------------------------------------------- */

static void handle_gone(struct resolver *r)
{
	if (!--r->handles && r->closed)
		free(r);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct resolver_poll *poll = handle->data;

	handle_gone(poll->resolver);
	free(poll);
}

static void on_pulse_closed(uv_handle_t *handle)
{
	handle_gone(handle->data);
}

/* c-ares must not be taken down from inside of it. */
static void close_now(struct resolver *r)
{
	if (r->closed)
		return;
	ares_destroy(r->channel);
	r->closed = true;
	uv_close((uv_handle_t *)&r->pulse, on_pulse_closed);
}

static void leave(struct resolver *r)
{
	if (!--r->depth && r->closing)
		close_now(r);
}

void resolver_close(struct resolver *resolver)
{
	if (!resolver)
		return;
	resolver->closing = true;
	if (!resolver->depth)
		close_now(resolver);
}

/* ---- sockets ----------------------------------------------------------- */

static void process(struct resolver *r, ares_socket_t readable,
		    ares_socket_t writable)
{
	r->depth++;
	ares_process_fd(r->channel, readable, writable);
	leave(r);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct resolver_poll *poll = handle->data;
	/* An error shows when c-ares reads. */
	bool any = status < 0;

	process(poll->resolver,
		any || (events & UV_READABLE) ? poll->fd : ARES_SOCKET_BAD,
		any || (events & UV_WRITABLE) ? poll->fd : ARES_SOCKET_BAD);
}

static void on_pulse(uv_timer_t *timer)
{
	process(timer->data, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static struct resolver_poll *add_poll(struct resolver *r, ares_socket_t fd)
{
	struct resolver_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return NULL;
	if (uv_poll_init(r->loop, &poll->poll, fd)) {
		free(poll);
		return NULL;
	}
	poll->poll.data = poll;
	poll->resolver = r;
	poll->fd = fd;
	poll->next = r->polls;
	r->polls = poll;
	r->handles++;
	return poll;
}

/* A socket that cannot be watched is one on which no answer comes. */
static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = data;
	struct resolver_poll **at = &r->polls, *poll;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	poll = *at;
	if (readable || writable) {
		if (!poll)
			poll = add_poll(r, fd);
		if (poll)
			uv_poll_start(&poll->poll,
				      (readable ? UV_READABLE : 0) |
					      (writable ? UV_WRITABLE : 0),
				      on_poll);
		return;
	}
	if (!poll)
		return;
	*at = poll->next;
	uv_poll_stop(&poll->poll);
	uv_close((uv_handle_t *)&poll->poll, on_poll_closed);
}

/* ---- answers ------------------------------------------------------------ */

static enum resolver_verdict verdict_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return RESOLVER_FOUND;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return RESOLVER_NOTHING;
	default:
		return RESOLVER_FAILED;
	}
}

static const char *why_of(int status)
{
	switch (status) {
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
		return "no such name, or nothing of that kind";
	case ARES_ETIMEOUT:
		return "no answer in time";
	case ARES_ECONNREFUSED:
		return "no name server can be reached, or each has failed";
	case ARES_EBADRESP:
		return "an answer that cannot be read";
	default:
		return ares_strerror(status);
	}
}

static int read_addresses(const struct question *q, const unsigned char *bytes,
			  int size_bytes, struct resolver_answer *answer)
{
	static struct skerry_addr list[RESOLVER_COUNT_MAX];
	static struct ares_addrttl v4[RESOLVER_COUNT_MAX];
	static struct ares_addr6ttl v6[RESOLVER_COUNT_MAX];
	int count = RESOLVER_COUNT_MAX, status, i;

	if (q->kind == RESOLVER_A)
		status =
			ares_parse_a_reply(bytes, size_bytes, NULL, v4, &count);
	else
		status = ares_parse_aaaa_reply(bytes, size_bytes, NULL, v6,
					       &count);
	if (status != ARES_SUCCESS)
		return status;
	for (i = 0; i < count; i++) {
		struct sockaddr_storage s = { .ss_family = AF_INET6 };

		if (q->kind == RESOLVER_A) {
			s.ss_family = AF_INET;
			((struct sockaddr_in *)&s)->sin_addr = v4[i].ipaddr;
		} else {
			memcpy(&((struct sockaddr_in6 *)&s)->sin6_addr,
			       &v6[i].ip6addr, 16);
		}
		netaddr_from_sockaddr(&s, &list[i]);
	}
	answer->addresses = list;
	answer->count = (uint32_t)count;
	return count ? ARES_SUCCESS : ARES_ENODATA;
}

static int by_priority(const void *a, const void *b)
{
	const struct resolver_service *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return strcmp(x->host, y->host);
}

/* The first ones by priority; of equal ones always the same. */
static int read_services(const unsigned char *bytes, int size_bytes,
			 struct ares_srv_reply **ret_reply,
			 struct resolver_answer *answer)
{
	static struct resolver_service list[RESOLVER_COUNT_MAX];
	struct ares_srv_reply *reply = NULL, *at;
	uint32_t count = 0;
	int status;

	status = ares_parse_srv_reply(bytes, size_bytes, &reply);
	if (status != ARES_SUCCESS)
		return status;
	for (at = reply; at && count < RESOLVER_COUNT_MAX; at = at->next) {
		/* RFC 2782: the root for a target means there is none. */
		if (!at->host[0] || !strcmp(at->host, "."))
			continue;
		list[count].host = at->host;
		list[count].priority = at->priority;
		list[count++].port = at->port;
	}
	qsort(list, count, sizeof(list[0]), by_priority);
	*ret_reply = reply;
	answer->services = list;
	answer->count = count;
	return count ? ARES_SUCCESS : ARES_ENODATA;
}

static void on_answer(void *data, int status, int timeouts,
		      unsigned char *bytes, int size_bytes)
{
	struct question *q = data;
	struct resolver_answer answer = { 0 };
	struct ares_srv_reply *reply = NULL;

	if (status == ARES_SUCCESS)
		status =
			q->kind == RESOLVER_SRV
				? read_services(bytes, size_bytes, &reply,
						&answer)
				: read_addresses(q, bytes, size_bytes, &answer);
	answer.verdict = verdict_of(status);
	if (answer.verdict != RESOLVER_FOUND) {
		answer.count = 0;
		answer.why = why_of(status);
	}
	if (!q->resolver->closing)
		q->function(q->data, &answer);
	ares_free_data(reply);
	free(q);
}

void resolver_ask(struct resolver *resolver, enum resolver_kind kind,
		  const char *name, bool absolute, resolver_answer_fn *function,
		  void *data)
{
	static const int types[] = { [RESOLVER_A] = ns_t_a,
				     [RESOLVER_AAAA] = ns_t_aaaa,
				     [RESOLVER_SRV] = ns_t_srv };
	struct resolver_answer none = { .verdict = RESOLVER_FAILED,
					.why = strerror(ENOMEM) };
	struct question *q = malloc(sizeof(*q));

	if (!q) {
		function(data, &none);
		return;
	}
	q->resolver = resolver;
	q->kind = kind;
	q->function = function;
	q->data = data;
	resolver->depth++;
	if (absolute)
		ares_query(resolver->channel, name, ns_c_in, types[kind],
			   on_answer, q);
	else
		ares_search(resolver->channel, name, ns_c_in, types[kind],
			    on_answer, q);
	leave(resolver);
}

/* ---- opening ------------------------------------------------------------ */

static int set_servers(struct resolver *r, const struct skerry_addr *servers,
		       uint32_t count)
{
	struct ares_addr_port_node nodes[SKERRY_DNS_SERVERS_MAX];
	uint32_t i;

	memset(nodes, 0, sizeof(nodes));
	for (i = 0; i < count; i++) {
		struct ares_addr_port_node *node = &nodes[i];

		node->next = i + 1 < count ? node + 1 : NULL;
		node->udp_port = node->tcp_port = servers[i].port;
		if (netaddr_is_v4(&servers[i])) {
			node->family = AF_INET;
			memcpy(&node->addr.addr4, servers[i].ip + 12, 4);
		} else {
			node->family = AF_INET6;
			memcpy(&node->addr.addr6, servers[i].ip, 16);
		}
	}
	return ares_set_servers_ports(r->channel, nodes);
}

int resolver_open(uv_loop_t *loop, const struct skerry_addr *servers,
		  uint32_t server_count, struct resolver **ret_resolver)
{
	struct ares_options options = {
		.flags = ARES_FLAG_EDNS,
		.timeout = TRY_MS,
		.tries = TRIES,
		.ednspsz = UDP_BYTES,
	};
	struct resolver *r;
	int status;

	if (server_count > SKERRY_DNS_SERVERS_MAX)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->loop = loop;
	options.sock_state_cb = on_socket;
	options.sock_state_cb_data = r;
	status = ares_init_options(&r->channel, &options,
				   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS |
					   ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
					   ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS)
		goto err;
	if (server_count)
		status = set_servers(r, servers, server_count);
	if (status != ARES_SUCCESS) {
		ares_destroy(r->channel);
		goto err;
	}
	uv_timer_init(loop, &r->pulse);
	r->pulse.data = r;
	r->handles = 1;
	uv_timer_start(&r->pulse, on_pulse, PULSE_MS, PULSE_MS);
	*ret_resolver = r;
	return 0;
err:
	free(r);
	return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}
