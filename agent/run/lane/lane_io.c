// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* lane_io.c - bytes between a lane's socket, queue and buffer; see lane.h. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "run/agent.h"
#include "run/driver.h"
#include "lane.h"

#define RX_BYTES (256U << 10)
/* Read from one lane, and written to one, before the others have their
 * turn: some tens of microseconds of copying. */
#define READ_TURN_BYTES (64U << 10)
#define WRITE_TURN_BYTES (128U << 10)
/* From here on a copy costs more than a system call of its own. */
#define DIRECT_BYTES (16U << 10)
/* Memory an idle lane may go on holding. */
#define IDLE_BYTES 4096U
#define HEARD_NS 200000000ULL

/* ---- memory --------------------------------------------------------------- */

int lane_buffers_open(struct lane *lane)
{
	void *memory = mmap(NULL, SKERRY_LANE_QUEUE_BYTES + RX_BYTES,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	lane_queue_init(&lane->queue, memory, SKERRY_LANE_QUEUE_BYTES);
	lane->rx = (uint8_t *)memory + SKERRY_LANE_QUEUE_BYTES;
	return 0;
}

void lane_buffers_free(struct lane *lane)
{
	if (lane->queue.data)
		munmap(lane->queue.data, SKERRY_LANE_QUEUE_BYTES + RX_BYTES);
}

/* A message now and then is no reason to keep what a burst once needed. */
void lane_buffers_give_back(struct lane *lane)
{
	if (!lane_queue_used(&lane->queue) &&
	    lane->queue_touched > IDLE_BYTES) {
		madvise(lane->queue.data, SKERRY_LANE_QUEUE_BYTES,
			MADV_DONTNEED);
		lane->queue_touched = 0;
	}
	if (lane->rx_start == lane->rx_end && lane->rx_touched > IDLE_BYTES) {
		madvise(lane->rx, RX_BYTES, MADV_DONTNEED);
		lane->rx_touched = 0;
	}
}

/* ---- polling ---------------------------------------------------------------- */

/* Lives on until libuv has let go of it; the lane does not. */
struct lane_poll {
	uv_poll_t poll;
	struct lane *lane;
};

static void mark_readable(struct lane *lane)
{
	struct lane **list = &lane->agent->lanes.readable_levels[lane->level];

	if (lane->readable)
		return;
	lane->readable = true;
	lane->readable_next = *list;
	*list = lane;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct lane *lane = ((struct lane_poll *)poll)->lane;

	/* An error shows itself to whoever reads, writes or connects. libuv
	 * has stopped polling; there may be bytes to read before the error. */
	if (status < 0) {
		events = UV_READABLE | UV_WRITABLE;
		lane->events = 0;
	}
	if (lane->state == LANE_DIALLING) {
		lane_dial_ready(lane);
		return;
	}
	if (events & UV_WRITABLE) {
		lane->writable = true;
		lane_mark_dirty(lane);
	}
	if (events & UV_READABLE)
		mark_readable(lane);
	lane_interest(lane);
}

void lane_poll_open(struct lane *lane)
{
	struct lane_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		goto err;
	poll->lane = lane;
	if (uv_poll_init(&lane->agent->loop.uv, &poll->poll, lane->fd)) {
		free(poll);
		goto err;
	}
	lane->poll = poll;
	lane->events = 0;
	return;
err:
	lane_end(lane, LANE_END_LOCAL, -ENOMEM, 0, "no memory");
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

void lane_poll_close(struct lane *lane)
{
	if (!lane->poll)
		return;
	uv_close((uv_handle_t *)&lane->poll->poll, on_poll_closed);
	lane->poll = NULL;
	lane->events = 0;
}

static bool held(const struct lane *lane, enum cut_way way)
{
	if (!lane->agent->cuts.count)
		return false;
	if (lane->routed)
		return cuts_hold(lane->agent, lane->peer, way,
				 lane_channel_name(lane));
	return cuts_hold_address(lane->agent, &lane->remote, way);
}

void lane_count_held(struct lane *lane, size_t size_bytes)
{
	if (!held(lane, CUT_TO_PEER))
		return;
	if (lane->routed)
		cuts_held(lane->agent, lane->peer, CUT_TO_PEER,
			  lane_channel_name(lane), size_bytes);
	else
		cuts_held_address(lane->agent, &lane->remote, CUT_TO_PEER,
				  size_bytes);
}

void lane_interest(struct lane *lane)
{
	int events = 0;

	if (!lane->poll)
		return;
	if (lane->state == LANE_DIALLING)
		events = UV_WRITABLE;
	if (lane->state == LANE_CONNECTED) {
		if (!held(lane, CUT_FROM_PEER))
			events |= UV_READABLE;
		if (!lane->writable && !held(lane, CUT_TO_PEER))
			events |= UV_WRITABLE;
	}
	if (events == lane->events)
		return;
	lane->events = events;
	if (events)
		uv_poll_start(&lane->poll->poll, events, on_poll);
	else
		uv_poll_stop(&lane->poll->poll);
}

/* ---- reading ------------------------------------------------------------------ */

static void heard(struct lane *lane)
{
	uint64_t now_ns = lane->agent->now_ns;

	if (lanefsm_state(lane->fsm) != LANEFSM_UP)
		return;
	if (now_ns - lane->heard_ns < HEARD_NS)
		return;
	lane->heard_ns = now_ns;
	driver_lane_heard(lane);
}

static void closed_by_peer(struct lane *lane, int error)
{
	bool draining = lane->drained || lane->peer_draining;

	lane_end(lane, draining ? LANE_END_DRAINED : LANE_END_PEER,
		 draining ? 0 : error, 0,
		 error ? strerror(-error) : "closed by the peer");
}

/* Give what is in the buffer to the state machine. False: the lane ended. */
static bool digest(struct lane *lane)
{
	ssize_t taken = lanefsm_receive(lane->fsm, lane->rx + lane->rx_start,
					lane->rx_end - lane->rx_start);

	if (lane->state != LANE_CONNECTED)
		return false;
	if (taken < 0) {
		/* `closed` has been called, so this is not reached. */
		lane_end(lane, LANE_END_PROTOCOL, (int)taken, 0, "malformed");
		return false;
	}
	lane->rx_start += (size_t)taken;
	if (lane->rx_start == lane->rx_end) {
		lane->rx_start = 0;
		lane->rx_end = 0;
	}
	return true;
}

static size_t make_room(struct lane *lane)
{
	if (RX_BYTES - lane->rx_end < SKERRY_FRAME_MAX_BYTES) {
		memmove(lane->rx, lane->rx + lane->rx_start,
			lane->rx_end - lane->rx_start);
		lane->rx_end -= lane->rx_start;
		lane->rx_start = 0;
	}
	return RX_BYTES - lane->rx_end;
}

static void read_some(struct lane *lane)
{
	size_t budget = READ_TURN_BYTES;
	size_t room;
	ssize_t got;

	lane->agent->now_ns = agent_now_ns();
	while (lane->state == LANE_CONNECTED) {
		room = make_room(lane);
		if (room > budget)
			room = budget;
		got = recv(lane->fd, lane->rx + lane->rx_end, room, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		if (got <= 0) {
			closed_by_peer(lane, got < 0 ? -errno : 0);
			return;
		}
		lane->rx_end += (size_t)got;
		if (lane->rx_end > lane->rx_touched)
			lane->rx_touched = lane->rx_end;
		lane->received_bytes += (uint64_t)got;
		heard(lane);
		if (!digest(lane))
			return;
		if ((size_t)got < room || (size_t)got >= budget)
			break;
		budget -= (size_t)got;
	}
	if (lane->state == LANE_CONNECTED)
		lane_mark_dirty(lane);
}

void lanes_read(struct agent *agent)
{
	struct lane *lane, **list;
	int level;

	for (level = LANE_LEVELS - 1; level >= 0; level--) {
		list = &agent->lanes.readable_levels[level];
		while (*list) {
			lane = *list;
			*list = lane->readable_next;
			lane->readable = false;
			if (lane->state != LANE_CONNECTED ||
			    held(lane, CUT_FROM_PEER))
				continue;
			read_some(lane);
			lane_interest(lane);
		}
	}
}

static void remove_from(struct lane **at, struct lane *lane, bool dirty)
{
	while (*at && *at != lane)
		at = dirty ? &(*at)->dirty_next : &(*at)->readable_next;
	if (*at)
		*at = dirty ? lane->dirty_next : lane->readable_next;
}

void lane_unlist(struct lane *lane)
{
	struct lanes *lanes = &lane->agent->lanes;

	if (lane->dirty) {
		remove_from(&lanes->dirty_levels[lane->level], lane, true);
		lanes->dirty--;
	}
	if (lane->readable)
		remove_from(&lanes->readable_levels[lane->level], lane, false);
	lane->dirty = lane->readable = false;
}

/* ---- writing ------------------------------------------------------------------- */

void lane_mark_dirty(struct lane *lane)
{
	struct lanes *lanes = &lane->agent->lanes;

	if (lane->dirty)
		return;
	lane->dirty = true;
	lane->dirty_next = lanes->dirty_levels[lane->level];
	lanes->dirty_levels[lane->level] = lane;
	lanes->dirty++;
}

/* Bytes taken, 0 when the socket is full, or -errno. */
static ssize_t write_pieces(struct lane *lane, struct iovec *pieces,
			    size_t count)
{
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = count };
	ssize_t sent;

	do {
		sent = sendmsg(lane->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		sent = 0;
	else if (sent < 0)
		return -errno;
	lane->sent_bytes += (uint64_t)sent;
	return sent;
}

static void progress(struct lane *lane, size_t sent, size_t wanted)
{
	if (sent == wanted) {
		lane->writable = true;
		lane->stalled_ns = 0;
		return;
	}
	lane->writable = false;
	if (sent || !lane->stalled_ns)
		lane->stalled_ns = agent_now_ns();
}

static void write_failed(struct lane *lane, ssize_t error)
{
	lane->abort = true;
	closed_by_peer(lane, (int)error);
}

static void tell_fill(struct lane *lane)
{
	size_t used = lane_queue_used(&lane->queue);

	if (!lane->blocked && used > SKERRY_LANE_QUEUE_BYTES / 2) {
		lane->blocked = true;
		driver_lane_blocked(lane);
	} else if (lane->blocked && used < SKERRY_LANE_QUEUE_BYTES / 4) {
		lane->blocked = false;
		driver_lane_writable(lane);
	}
}

void lane_flush(struct lane *lane)
{
	struct core_bytes pieces[2];
	struct iovec iov[2];
	size_t wanted = 0;
	ssize_t sent;
	size_t count, i;

	if (lane->fd < 0 || lane->state == LANE_DIALLING ||
	    held(lane, CUT_TO_PEER)) {
		lane->stalled_ns = 0;
		return;
	}
	count = lane_queue_peek(&lane->queue, pieces);
	if (!count)
		return;
	for (i = 0; i < count && wanted < WRITE_TURN_BYTES; i++) {
		iov[i].iov_base = (void *)pieces[i].data;
		iov[i].iov_len = pieces[i].size_bytes;
		if (iov[i].iov_len > WRITE_TURN_BYTES - wanted)
			iov[i].iov_len = WRITE_TURN_BYTES - wanted;
		wanted += iov[i].iov_len;
	}
	count = i;
	if (lane->queue.tail > lane->queue_touched)
		lane->queue_touched = lane->queue.tail;
	sent = write_pieces(lane, iov, count);
	if (sent < 0) {
		write_failed(lane, sent);
		return;
	}
	progress(lane, (size_t)sent, wanted);
	if (!sent)
		return;
	lane_queue_consume(&lane->queue, (size_t)sent);
	lanefsm_room(lane->fsm);
	if (lane->state == LANE_CONNECTED)
		driver_lane_drained_some(lane);
}

/* Both sides have said that nothing more comes, and nothing is left to say:
 * the dialler closes, the acceptor waits for that. */
static void close_when_drained(struct lane *lane)
{
	if (lane->drained && lane->peer_draining && !lane->accepted &&
	    lane->state == LANE_CONNECTED && !lane_queue_used(&lane->queue))
		lane_end(lane, LANE_END_DRAINED, 0, 0, "drained");
}

static void flush_one(struct lane *lane)
{
	if (lane->state != LANE_CONNECTED)
		return;
	if (lane->writable)
		lane_flush(lane);
	if (lane->state != LANE_CONNECTED)
		return;
	tell_fill(lane);
	close_when_drained(lane);
	lane_interest(lane);
	/* Its turn was over before its queue was. */
	if (lane->writable && lane_queue_used(&lane->queue) &&
	    !held(lane, CUT_TO_PEER))
		lane_mark_dirty(lane);
}

void lanes_flush(struct agent *agent)
{
	struct lanes *lanes = &agent->lanes;
	struct lane *lane, *next;
	int level;

	for (level = LANE_LEVELS - 1; level >= 0; level--) {
		lane = lanes->dirty_levels[level];
		lanes->dirty_levels[level] = NULL;
		for (; lane; lane = next) {
			next = lane->dirty_next;
			lane->dirty = false;
			lanes->dirty--;
			flush_one(lane);
		}
	}
}

/* The header and a large payload without a copy; the rest is queued. */
static int write_directly(struct lane *lane, struct skerry_frame *frame,
			  struct core_bytes extensions,
			  struct core_bytes payload)
{
	struct core_bytes parts[3] = { { frame, sizeof(*frame) },
				       extensions,
				       payload };
	struct iovec iov[3];
	size_t i, wanted = 0;
	ssize_t sent;

	for (i = 0; i < 3; i++) {
		iov[i].iov_base = (void *)parts[i].data;
		iov[i].iov_len = parts[i].size_bytes;
		wanted += parts[i].size_bytes;
	}
	sent = write_pieces(lane, iov, 3);
	if (sent < 0) {
		write_failed(lane, sent);
		return -ENOTCONN;
	}
	progress(lane, (size_t)sent, wanted);
	for (i = 0; i < 3; i++) {
		size_t gone = parts[i].size_bytes < (size_t)sent
				      ? parts[i].size_bytes
				      : (size_t)sent;

		parts[i].data = (const uint8_t *)parts[i].data + gone;
		parts[i].size_bytes -= gone;
		sent -= (ssize_t)gone;
	}
	/* The queue is empty and larger than any frame. */
	if (!lane_queue_put(&lane->queue, parts, 3))
		assert(!"an empty queue has no room for a frame");
	if (lane_queue_used(&lane->queue))
		lane_mark_dirty(lane);
	return 0;
}

int lane_write(struct lane *lane, const struct skerry_frame *frame,
	       struct core_bytes extensions, struct core_bytes payload)
{
	struct skerry_frame header;
	int err;

	if (lane->state != LANE_CONNECTED)
		return -ENOTCONN;
	if (payload.size_bytes >= DIRECT_BYTES && lane->writable &&
	    !lane_queue_used(&lane->queue) &&
	    lanefsm_state(lane->fsm) == LANEFSM_UP &&
	    payload.size_bytes + extensions.size_bytes + sizeof(header) <=
		    SKERRY_FRAME_MAX_BYTES &&
	    !held(lane, CUT_TO_PEER)) {
		header = *frame;
		header.correlation = 0;
		lanefsm_header(&header, extensions.size_bytes,
			       payload.size_bytes);
		return write_directly(lane, &header, extensions, payload);
	}
	err = lanefsm_send(lane->fsm, frame, extensions, payload);
	if (!err) {
		lane_count_held(lane, payload.size_bytes);
		lane_mark_dirty(lane);
	}
	return err;
}
