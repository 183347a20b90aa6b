/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * answerer.h - a program in a process of its own that owns an endpoint and
 * answers requests as their first word says:
 *
 *	echo ...	with the same bytes
 *	size N		with N bytes, each the lowest byte of its place
 *	later MS	after so long, from a copy of the request
 *	twice		two replies
 *	error N		with that error
 *	die		ends without a word
 *	quiet		takes it and says nothing
 *	unregister	gives its endpoint up, then answers
 *	forward REF	replies with nothing, sends "hello" to REF
 */
#ifndef TEST_ANSWERER_H
#define TEST_ANSWERER_H

#include "nodes.h"

/* Its pid, when the endpoint is registered; the program ends with the test
 * process, or by answerer_kill(). -1: it went wrong. */
pid_t answerer_start(const struct nodes *nodes, int node, const char *endpoint,
		     unsigned flags);
void answerer_kill(pid_t pid);

#endif
