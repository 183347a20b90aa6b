/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Requests. Each has a number that nobody can guess, and ends exactly once:
 * with its reply, or with the first thing that says there will be none.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "asking.h"

/* ---- those under way ------------------------------------------------------- */

static struct lib_request **bucket(struct lib_asking *a, uint64_t id)
{
	return &a->requests[id % LIB_REQUEST_BUCKETS];
}

struct lib_request *lib_request_find(struct lib_asking *a, uint64_t id)
{
	struct lib_request *r = *bucket(a, id);

	while (r && r->id != id)
		r = r->next;
	return r;
}

static void remove_request(struct lib_asking *a, struct lib_request *request)
{
	struct lib_request **p = bucket(a, request->id);

	while (*p != request)
		p = &(*p)->next;
	*p = request->next;
	request->next = NULL;
	a->request_count--;
}

void lib_request_done(struct skerry *h, struct lib_request *request, int error)
{
	struct lib_asking *a = h->asking;

	remove_request(a, request);
	if (!request->flow_id)
		lib_letter_drop(h, request->id);
	request->done = true;
	request->error = error;
	if (!request->function)
		return;
	*a->done_tail = request;
	a->done_tail = &request->next;
	a->done_count++;
}

#define for_each_request(a, r, next_r)                             \
	for (uint32_t i_ = 0; i_ < LIB_REQUEST_BUCKETS; i_++)      \
		for (struct lib_request *r = (a)->requests[i_],    \
					*next_r = r ? r->next : r; \
		     r; r = next_r, next_r = r ? r->next : r)

void lib_asking_lost(struct lib_flow *f, uint64_t from, int error)
{
	struct skerry *h = f->handle;

	if (!h->asking || !h->asking->request_count)
		return;
	for_each_request(h->asking, r, after) if (r->flow_id == f->flow_id &&
						  r->number >= from)
		lib_request_done(h, r, error);
}

void lib_asking_renewed(struct lib_flow *f, uint64_t old_id, uint64_t number)
{
	if (!f->handle->asking || !f->pending)
		return;
	for_each_request(f->handle->asking, r,
			 after) if (r->flow_id == old_id && r->number == number)
	{
		r->flow_id = f->flow_id;
		r->number = 1;
	}
}

void lib_requests_fail_node(struct skerry *h, const char *node, int error)
{
	for_each_request(h->asking, r, after) if (!strcmp(r->node, node))
		lib_request_done(h, r, error);
}

void lib_requests_tick(struct skerry *h, uint64_t now_ns)
{
	for_each_request(h->asking, r, after)
	{
		/* Who waits in a call has an eye on the time itself. */
		if (!r->function)
			continue;
		if (now_ns >= r->deadline_ns)
			lib_request_done(h, r, -ETIMEDOUT);
		else
			lib_asking_by(h->asking, r->deadline_ns);
	}
}

/* ---- replies come in ---------------------------------------------------------- */

/* Only who was asked may answer. */
static bool fits(const struct skerry *h, const struct lib_request *request,
		 const struct skerry_message *m)
{
	char program[LIB_OWN_ENDPOINT_BYTES];

	if (strcmp(m->node, *request->node ? request->node : h->node))
		return false;
	if (request->endpoint[0] != '#')
		return true;
	lib_ref_program(m->program, program);
	return !strcmp(request->endpoint, program);
}

void lib_reply_take(struct skerry *h, struct skerry_message *m)
{
	struct lib_asking *a = lib_asking_get(h);
	struct lib_request *request;
	int error = -(int)(m->reserved - 1);

	request = a ? lib_request_find(a, m->call) : NULL;
	m->reserved = 0;
	m->call = 0;
	if (!request || !fits(h, request, m)) {
		if (a)
			a->replies_dropped++;
		skerry_release(h, m);
		return;
	}
	request->answered = true;
	if (error)
		skerry_release(h, m);
	else
		request->reply = *m;
	lib_request_done(h, request, error);
}

/* ---- asking ------------------------------------------------------------------- */

static uint64_t new_id(struct lib_asking *a)
{
	uint64_t id;

	do {
		if (!a->ids_left) {
			if (getrandom(a->ids, sizeof(a->ids), 0) !=
			    sizeof(a->ids))
				return 0;
			a->ids_left = LIB_IDS;
		}
		id = a->ids[--a->ids_left];
	} while (!id || lib_request_find(a, id));
	return id;
}

static int add_request(struct skerry *h, const char *node, const char *endpoint,
		       struct lib_request **ret_request)
{
	struct lib_asking *a = h->asking;
	struct lib_request *request;

	if (a->request_count + a->done_count >= SKERRY_CALLS_PER_PROGRAM_MAX)
		return lib_fail(h, -ENOSPC,
				"%u calls are under way; wait for some",
				SKERRY_CALLS_PER_PROGRAM_MAX);
	request = calloc(1, sizeof(*request));
	if (!request)
		return lib_fail_fast(h, -ENOMEM, "no memory");
	request->node = lib_intern(h, node);
	request->id = new_id(a);
	if (!request->node || !request->id) {
		free(request);
		return lib_fail_fast(h, -ENOMEM, "no memory");
	}
	strncpy(request->endpoint, endpoint, sizeof(request->endpoint) - 1);
	request->next = *bucket(a, request->id);
	*bucket(a, request->id) = request;
	a->request_count++;
	*ret_request = request;
	return 0;
}

static int send_request(struct skerry *h, struct lib_request *request,
			const void *data, size_t size_bytes,
			const struct skerry_forward_opts *opts)
{
	struct skerry_forward_opts own = { .size = sizeof(own) };
	struct lib_flow *flow = NULL;
	uint8_t extension[16];
	struct tlv_writer w;
	struct lib_message message = {
		.data = data,
		.size_bytes = size_bytes,
		.extensions = extension,
		.ret_flow = &flow,
	};
	uint64_t id = request->id, number = 0;
	int r = -EAGAIN;

	if (opts)
		own = *opts;
	own.ret_number = &number;
	tlv_writer_init(&w, extension, sizeof(extension));
	tlv_put_u64(&w, SKERRY_K_CALL, id);
	message.extension_bytes = w.used_bytes;
	if (!lib_letter_waits(h, request->node, request->endpoint, own.channel))
		r = lib_forward(h, request->node, request->endpoint, &message,
				&own);
	if (request->function && lib_letter_better(h, r))
		return lib_letter_keep(h, request->node, request->endpoint,
				       &message, &own, id);
	if (!r) {
		request->flow_id = flow->flow_id;
		request->number = number;
		if (opts && opts->ret_number)
			*opts->ret_number = number;
	}
	return r;
}

static void drop_request(struct skerry *h, struct lib_request *request)
{
	if (!request->done)
		remove_request(h->asking, request);
	free(request);
}

static int check(struct skerry *h, const char *endpoint,
		 const struct skerry_forward_opts *opts)
{
	if (opts && opts->size < sizeof(*opts))
		return lib_fail(h, -EINVAL,
				"call options: size is %zu; set it to "
				"sizeof(struct skerry_forward_opts)",
				opts->size);
	if (!endpoint || strlen(endpoint) > SKERRY_ENDPOINT_MAX_BYTES)
		return lib_fail(h, -EINVAL,
				"endpoint %.80s: give 1 to %u bytes",
				endpoint ? endpoint : "(none)",
				SKERRY_ENDPOINT_MAX_BYTES);
	if (!lib_asking_get(h))
		return -ENOMEM;
	return 0;
}

static int begin(struct skerry *h, const char *node, const char *endpoint,
		 const void *data, size_t size_bytes,
		 const struct skerry_forward_opts *opts,
		 skerry_reply_fn *function, void *function_data,
		 struct lib_request **ret_request)
{
	struct lib_request *request = NULL;
	struct skerry_ref ref;
	int r;

	r = lib_ref_resolve(h, &node, &endpoint, &ref);
	if (!r)
		r = check(h, endpoint, opts);
	if (r)
		return r;
	if (!node || !strcmp(node, h->node))
		node = "";
	if (*node)
		r = lib_asking_watch(h);
	if (!r)
		r = add_request(h, node, endpoint, &request);
	if (r)
		return r;
	request->function = function;
	request->data = function_data;
	request->deadline_ns = lib_deadline(h, opts ? opts->timeout_ms : 0);
	r = send_request(h, request, data, size_bytes, opts);
	if (r) {
		drop_request(h, request);
		return r;
	}
	*ret_request = request;
	return 0;
}

/* ---- the end of one ------------------------------------------------------------- */

static int say_why(struct skerry *h, const struct lib_request *r)
{
	const char *why = strerror(-r->error);

	if (r->answered)
		return lib_fail(h, r->error, "%s/%s: answered: %s", r->node,
				r->endpoint, why);
	switch (-r->error) {
	case ETIMEDOUT:
		why = "no reply in time";
		break;
	case ECONNRESET:
		why = "its program ended before it replied";
		break;
	case ENOTCONN:
		why = "the node went before it replied, or the request was "
		      "lost with its lane";
		break;
	case EHOSTUNREACH:
		why = "the node is no member any more";
		break;
	case ENOENT:
		why = "no such endpoint there any more";
		break;
	case ESTALE:
		why = "an agent restarted; whether the request has arrived is "
		      "unknown";
		break;
	}
	return lib_fail(h, r->error, "%s/%s: %s", r->node, r->endpoint, why);
}

static bool over(struct skerry *h, void *data)
{
	return ((struct lib_request *)data)->done || lib_ahead_more(h);
}

SKERRY_API int skerry_call(struct skerry *h, const char *node,
			   const char *endpoint, const void *data,
			   size_t size_bytes,
			   const struct skerry_forward_opts *opts,
			   struct skerry_message *ret_reply)
{
	struct lib_request *request;
	int r;

	if (h->in_callback)
		return lib_fail_fast(h, -EDEADLK,
				     "skerry_call: would wait in a callback; "
				     "use skerry_call_async");
	if (lib_nonblock(h))
		return lib_fail_fast(h, -EINVAL,
				     "skerry_call: this handle does not wait; "
				     "use skerry_call_async");
	r = begin(h, node, endpoint, data, size_bytes, opts, NULL, NULL,
		  &request);
	if (r)
		return r;
	while (!request->done) {
		lib_ahead_read(h, true);
		if (request->done)
			break;
		/* Where much comes in the wait never ends in time. */
		if (lib_now_ns() >= request->deadline_ns)
			lib_request_done(h, request, -ETIMEDOUT);
		else
			lib_wait(h, over, request, request->deadline_ns,
				 LIB_WAIT_CREDIT);
	}
	r = request->error;
	if (r)
		say_why(h, request);
	else if (ret_reply)
		*ret_reply = request->reply;
	else
		skerry_release(h, &request->reply);
	free(request);
	return r;
}

SKERRY_API int skerry_call_async(struct skerry *h, const char *node,
				 const char *endpoint, const void *data,
				 size_t size_bytes,
				 const struct skerry_forward_opts *opts,
				 skerry_reply_fn *function, void *function_data,
				 uint64_t *ret_id)
{
	struct lib_request *request;
	int r;

	if (!function)
		return lib_fail_fast(h, -EINVAL, "a call needs a function");
	r = begin(h, node, endpoint, data, size_bytes, opts, function,
		  function_data, &request);
	if (r)
		return r;
	lib_asking_by(h->asking, request->deadline_ns);
	lib_asking_progress(h);
	lib_arm(h, LIB_WAIT_CREDIT);
	if (ret_id)
		*ret_id = request->id;
	return 0;
}

static struct lib_request *take_done(struct lib_asking *a,
				     struct lib_request **p)
{
	struct lib_request *request = *p;

	*p = request->next;
	if (!*p)
		a->done_tail = p;
	a->done_count--;
	return request;
}

int lib_requests_run(struct skerry *h)
{
	struct lib_asking *a = h->asking;
	/* What the functions cause is for the next dispatch. */
	uint32_t left = a->done_count;
	int n = 0;

	while (left-- && a->done) {
		struct lib_request *r = take_done(a, &a->done);

		if (r->error)
			say_why(h, r);
		h->in_callback = true;
		r->function(r->data, r->error, r->error ? NULL : &r->reply);
		h->in_callback = false;
		if (!r->error)
			skerry_release(h, &r->reply);
		free(r);
		n++;
	}
	return n;
}

static void forget(struct skerry *h, struct lib_request *request)
{
	if (request->done && !request->error)
		skerry_release(h, &request->reply);
	free(request);
}

SKERRY_API int skerry_call_cancel(struct skerry *h, uint64_t id)
{
	struct lib_asking *a = h->asking;
	struct lib_request *request = a ? lib_request_find(a, id) : NULL;
	struct lib_request **p = a ? &a->done : NULL;

	if (request && request->function) {
		remove_request(a, request);
		if (!request->flow_id)
			lib_letter_drop(h, id);
		forget(h, request);
		return 0;
	}
	while (p && *p && (*p)->id != id)
		p = &(*p)->next;
	if (!p || !*p)
		return lib_fail_fast(h, -ENOENT, "no such call is under way");
	forget(h, take_done(a, p));
	return 0;
}

void lib_requests_free(struct skerry *h)
{
	struct lib_asking *a = h->asking;

	for_each_request(a, r, after) free(r);
	while (a->done)
		forget(h, take_done(a, &a->done));
}
