// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* helper.c - the thread that may wait; see helper.h. */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct job {
	struct job *next;
	helper_work_fn *work;
	helper_done_fn *done;
	void *data;
	uint64_t token;
	int error;
	size_t size_bytes;
	uint8_t bytes[];
};

struct job_list {
	struct job *first;
	struct job **last;
};

struct helper {
	uv_thread_t thread;
	uv_mutex_t lock;
	uv_cond_t wake;
	uv_async_t finished;
	struct job_list todo, done; /* under lock */
	bool stop; /* under lock */
	bool started;
};

static void list_init(struct job_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_put(struct job_list *list, struct job *job)
{
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
}

static struct job *list_take(struct job_list *list)
{
	struct job *job = list->first;

	if (!job)
		return NULL;
	list->first = job->next;
	if (!list->first)
		list->last = &list->first;
	return job;
}

static void helper_main(void *data)
{
	struct helper *helper = data;
	struct job *job;

	uv_mutex_lock(&helper->lock);
	for (;;) {
		job = list_take(&helper->todo);
		if (!job) {
			if (helper->stop)
				break;
			uv_cond_wait(&helper->wake, &helper->lock);
			continue;
		}
		uv_mutex_unlock(&helper->lock);
		job->error = job->work(job->data, job->bytes, job->size_bytes);
		uv_mutex_lock(&helper->lock);
		list_put(&helper->done, job);
		uv_async_send(&helper->finished);
	}
	uv_mutex_unlock(&helper->lock);
}

static void helper_finished(uv_async_t *async)
{
	struct helper *helper = async->data;
	struct job *job;

	for (;;) {
		uv_mutex_lock(&helper->lock);
		job = list_take(&helper->done);
		uv_mutex_unlock(&helper->lock);
		if (!job)
			break;
		job->done(job->data, job->token, job->error);
		free(job);
	}
}

int helper_open(uv_loop_t *loop, struct helper **ret_helper)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	int err;

	if (!helper)
		return -ENOMEM;
	list_init(&helper->todo);
	list_init(&helper->done);
	err = uv_mutex_init(&helper->lock);
	if (err)
		goto err_free;
	err = uv_cond_init(&helper->wake);
	if (err)
		goto err_mutex;
	err = uv_async_init(loop, &helper->finished, helper_finished);
	if (err)
		goto err_cond;
	helper->finished.data = helper;
	*ret_helper = helper;
	return 0;
err_cond:
	uv_cond_destroy(&helper->wake);
err_mutex:
	uv_mutex_destroy(&helper->lock);
err_free:
	free(helper);
	return err;
}

int helper_start(struct helper *helper)
{
	sigset_t all, old;
	int err;

	/* Signals are the loop's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = uv_thread_create(&helper->thread, helper_main, helper);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	helper->started = !err;
	return err;
}

static void helper_free(uv_handle_t *handle)
{
	struct helper *helper = handle->data;

	uv_cond_destroy(&helper->wake);
	uv_mutex_destroy(&helper->lock);
	free(helper);
}

void helper_close(struct helper *helper)
{
	struct job *job;

	if (!helper)
		return;
	uv_mutex_lock(&helper->lock);
	helper->stop = true;
	uv_cond_signal(&helper->wake);
	uv_mutex_unlock(&helper->lock);
	if (helper->started)
		uv_thread_join(&helper->thread);
	while ((job = list_take(&helper->done)) ||
	       (job = list_take(&helper->todo)))
		free(job);
	uv_close((uv_handle_t *)&helper->finished, helper_free);
}

int helper_submit(struct helper *helper, helper_work_fn *work,
		  helper_done_fn *done, void *data, uint64_t token,
		  const void *bytes, size_t size_bytes)
{
	struct job *job = malloc(sizeof(*job) + size_bytes);

	if (!job)
		return -ENOMEM;
	*job = (struct job) { .work = work,
			      .done = done,
			      .data = data,
			      .token = token,
			      .size_bytes = size_bytes };
	if (size_bytes)
		memcpy(job->bytes, bytes, size_bytes);
	uv_mutex_lock(&helper->lock);
	list_put(&helper->todo, job);
	uv_cond_signal(&helper->wake);
	uv_mutex_unlock(&helper->lock);
	return 0;
}
