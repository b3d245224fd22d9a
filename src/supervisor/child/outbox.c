/* SPDX-License-Identifier: MIT */
#include "supervisor/child/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

struct outbox_item {
	STAILQ_ENTRY(outbox_item) link;
	uint32_t type;
	uint32_t request_id;
	size_t body_bytes;
	size_t fd_count;
	int fds[CONTROL_FD_MAX];
	uint8_t body[];
};

static size_t weight(size_t body_bytes)
{
	return sizeof(struct outbox_item) + body_bytes;
}

static void item_free(struct outbox_item *item)
{
	for (size_t i = 0; i < item->fd_count; i++)
		close_fd(&item->fds[i]);
	free(item);
}

static void drop_first(struct outbox *outbox)
{
	struct outbox_item *item = STAILQ_FIRST(&outbox->items);

	STAILQ_REMOVE_HEAD(&outbox->items, link);
	outbox->bytes -= weight(item->body_bytes);
	item_free(item);
}

void outbox_open(struct outbox *outbox, struct control *control,
		 size_t most_bytes)
{
	outbox->control = control;
	STAILQ_INIT(&outbox->items);
	outbox->bytes = 0;
	outbox->most_bytes = most_bytes;
	outbox->is_held = false;
}

void outbox_hold(struct outbox *outbox)
{
	outbox->is_held = true;
}

void outbox_release(struct outbox *outbox)
{
	outbox->is_held = false;
}

void outbox_clear(struct outbox *outbox)
{
	while (!STAILQ_EMPTY(&outbox->items))
		drop_first(outbox);
}

static int keep_fds(struct outbox_item *item, const int *fds, size_t fd_count)
{
	for (; item->fd_count < fd_count; item->fd_count++) {
		int copy = fcntl(fds[item->fd_count], F_DUPFD_CLOEXEC, 3);

		if (copy < 0)
			return -errno;
		item->fds[item->fd_count] = copy;
	}
	return 0;
}

static int keep(struct outbox *outbox, const struct outbox_item *head,
		const void *body, const int *fds, size_t fd_count)
{
	size_t bytes = weight(head->body_bytes);
	struct outbox_item *item;
	int r;

	if (outbox->bytes + bytes > outbox->most_bytes)
		return -ENOBUFS;
	item = calloc(1, bytes);
	if (!item)
		return -ENOMEM;
	*item = *head;
	if (item->body_bytes)
		memcpy(item->body, body, item->body_bytes);
	r = keep_fds(item, fds, fd_count);
	if (r < 0) {
		item_free(item);
		return r;
	}
	STAILQ_INSERT_TAIL(&outbox->items, item, link);
	outbox->bytes += bytes;
	return -EAGAIN;
}

int outbox_send(struct outbox *outbox, uint32_t type, uint32_t request_id,
		const void *body, size_t body_bytes, const int *fds,
		size_t fd_count)
{
	const struct outbox_item head = { .type = type,
					  .request_id = request_id,
					  .body_bytes = body_bytes };
	int r = -EAGAIN;

	if (STAILQ_EMPTY(&outbox->items) && !outbox->is_held)
		r = control_send(outbox->control, type, request_id, body,
				 body_bytes, fds, fd_count);
	return r == -EAGAIN ? keep(outbox, &head, body, fds, fd_count) : r;
}

int outbox_flush(struct outbox *outbox)
{
	const struct outbox_item *item;
	int r;

	while (!outbox->is_held && (item = STAILQ_FIRST(&outbox->items))) {
		r = control_send(outbox->control, item->type, item->request_id,
				 item->body, item->body_bytes, item->fds,
				 item->fd_count);
		if (r < 0)
			return r;
		drop_first(outbox);
	}
	return 0;
}
