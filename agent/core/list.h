/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * list.h - doubly linked lists inside the objects they link, in order of
 * insertion. A list head is an element that no object holds.
 */
#ifndef SKERRY_LIST_H
#define SKERRY_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define list_object(at, type, field) \
	((type *)(void *)((char *)(at)-offsetof(type, field)))

#define list_for_each(at, head) \
	for ((at) = (head)->next; (at) != (head); (at) = (at)->next)

/* The same, when the body may take the element off. */
#define list_for_each_safe(at, after, head)                             \
	for ((at) = (head)->next, (after) = (at)->next; (at) != (head); \
	     (at) = (after), (after) = (at)->next)

static inline void list_init(struct list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_add_tail(struct list *head, struct list *element)
{
	element->prev = head->prev;
	element->next = head;
	head->prev->next = element;
	head->prev = element;
}

/* Takes it off; it is then an empty list by itself, so twice is harmless. */
static inline void list_del(struct list *element)
{
	element->prev->next = element->next;
	element->next->prev = element->prev;
	list_init(element);
}

#endif
