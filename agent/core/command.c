// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* command.c - see command.h. */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core_state.h"
#include "exact.h"
#include "identity.h"
#include "partition/partition.h"
#include "skerry/ring.h"

static void answer(struct core *core, const struct core_event *event, int error,
		   const char *reason)
{
	core_answer(core, event->command.program, event->command.correlation,
		    error, reason);
}

static bool for_administrators(uint32_t command)
{
	switch (command) {
	case SKERRY_CMD_JOIN:
	case SKERRY_CMD_JOIN_WAIT:
	case SKERRY_CMD_LEAVE:
	case SKERRY_CMD_REMOVE:
	case SKERRY_CMD_SET:
	case SKERRY_CMD_CONNECT:
	case SKERRY_CMD_DISCONNECT:
	case SKERRY_CMD_RESERVE:
	case SKERRY_CMD_INJECT:
	case SKERRY_CMD_RESOLVE:
	case SKERRY_CMD_VERIFY:
	case SKERRY_CMD_EXPLAIN:
		return true;
	default:
		return false;
	}
}

static void command_leave(struct core *core, const struct core_event *event)
{
	if (core->leave != LEAVE_NO) {
		answer(core, event, -EAGAIN, "this node is leaving already");
		return;
	}
	core->leave_program = event->command.program;
	core->leave_correlation = event->command.correlation;
	core->leave_asked = true;
	identity_leave(core);
}

static void command_remove(struct core *core, const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	char what[160], why[256];
	struct member *member;
	uint32_t withdrawn;

	if (tlv_find_str(tlvs.data, tlvs.size_bytes, SKERRY_K_NODE, what,
			 sizeof(what)) ||
	    !what[0]) {
		answer(core, event, -EINVAL, "which node?");
		return;
	}
	if (!strcmp(what, core->config.name)) {
		answer(core, event, -EINVAL,
		       "this is the node itself; it can leave");
		return;
	}
	withdrawn = join_withdraw(core, what);
	member = members_find(&core->members, what);
	if (member &&
	    (member_counts(member) || member->status == MEMBER_GUEST)) {
		core->overlay->remove(core, member);
	} else if (!withdrawn) {
		snprintf(why, sizeof(why), "%s: no such member or join", what);
		answer(core, event, -EHOSTUNREACH, why);
		return;
	}
	answer(core, event, 0, NULL);
}

static void command_watch(struct core *core, const struct core_event *event,
			  bool follow)
{
	int rv = watch_command(core, event, follow);
	const char *why = NULL;

	switch (rv) {
	case 0:
		break;
	case -ENOENT:
		why = "no such channel";
		break;
	case -EEXIST:
		why = "this watch number is in use";
		break;
	case -ENOSPC:
		why = "too many watches";
		break;
	default:
		rv = -EINVAL;
		why = "a watch needs a number above 0, and a node, if given, "
		      "must be a name";
	}
	answer(core, event, rv, why);
}

static void command_query(struct core *core, const struct core_event *event)
{
	int rv = query_command(core, event);

	if (rv == -ENOENT)
		answer(core, event, rv,
		       "no such table; there are members, known, peers, "
		       "partitions, joins, status, events, features, myself");
	else if (rv)
		answer(core, event, rv, "too many questions at once");
}

static void command_state(struct core *core, const struct core_event *event)
{
	if (query_state(core, event))
		answer(core, event, -EAGAIN, "too many questions at once");
}

static uint32_t watch_of(const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;

	return (uint32_t)tlv_find_u64(tlvs.data, tlvs.size_bytes,
				      SKERRY_K_WATCH, 0);
}

static void dispatch(struct core *core, const struct core_event *event)
{
	struct core_bytes tlvs = event->command.tlvs;
	uint32_t program = event->command.program;
	int rv;

	switch (event->command.command) {
	case SKERRY_CMD_JOIN:
	case SKERRY_CMD_JOIN_WAIT:
		join_command(core, event,
			     event->command.command == SKERRY_CMD_JOIN_WAIT);
		break;
	case SKERRY_CMD_LEAVE:
		command_leave(core, event);
		break;
	case SKERRY_CMD_REMOVE:
		command_remove(core, event);
		break;
	case SKERRY_CMD_WATCH:
	case SKERRY_CMD_FOLLOW:
		command_watch(core, event,
			      event->command.command == SKERRY_CMD_FOLLOW);
		break;
	case SKERRY_CMD_UNWATCH:
		rv = watch_remove(core, program, watch_of(event));
		answer(core, event, rv, rv ? "no such watch" : NULL);
		break;
	case SKERRY_CMD_WATCH_ACK:
		watch_ack(core, program, watch_of(event),
			  tlv_find_u64(tlvs.data, tlvs.size_bytes,
				       SKERRY_K_COUNT, 0));
		break;
	case SKERRY_CMD_INJECT:
	case SKERRY_CMD_RESOLVE:
	case SKERRY_CMD_VERIFY:
	case SKERRY_CMD_EXPLAIN:
		partition_command(core->partition, event);
		core->partition_at_ns = core->now_ns;
		break;
	case SKERRY_CMD_QUERY:
		command_query(core, event);
		break;
	case SKERRY_CMD_SET:
		exact_command(core, event);
		break;
	case SKERRY_CMD_CONNECT:
		connect_command(core, event);
		break;
	case SKERRY_CMD_DISCONNECT:
		disconnect_command(core, event);
		break;
	case SKERRY_CMD_STATE:
		command_state(core, event);
		break;
	case SKERRY_CMD_RESERVE:
		reserve_command(core, event);
		break;
	default:
		answer(core, event, -EOPNOTSUPP, "no such command here");
	}
}

void command_event(struct core *core, const struct core_event *event)
{
	core_due(core, core->now_ns);
	if (for_administrators(event->command.command) &&
	    !event->command.admin) {
		answer(core, event, -EACCES,
		       "only administrators may do this (uid 0 or the "
		       "admin_group)");
		return;
	}
	if (core->stopping) {
		answer(core, event, -EAGAIN, "this node is stopping");
		return;
	}
	dispatch(core, event);
}
