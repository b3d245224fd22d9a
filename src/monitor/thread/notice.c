/* SPDX-License-Identifier: MIT */
#include "monitor/thread/notice.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/event.h"
#include "base/scope.h"

int notices_open(struct notices *notices)
{
	*notices = (struct notices){ .fd = NO_FD };
	notices->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return notices->fd < 0 ? -errno : 0;
}

void notices_close(struct notices *notices)
{
	close_fd(&notices->fd);
}

void notices_put(struct notices *notices, const struct notice *notice)
{
	uint32_t taken = __atomic_load_n(&notices->taken, __ATOMIC_ACQUIRE);

	if (notices->put - taken == NOTICE_SIZE) {
		notices->dropped++;
		return;
	}
	notices->room[notices->put % NOTICE_SIZE] = *notice;
	/* Pairs with the load in notices_take(). */
	__atomic_store_n(&notices->put, notices->put + 1, __ATOMIC_RELEASE);
	event_signal(notices->fd);
}

int notices_take(struct notices *notices, struct notice *ret_notice)
{
	uint32_t put = __atomic_load_n(&notices->put, __ATOMIC_ACQUIRE);
	uint64_t count;

	if (put == notices->taken) {
		/* Empty it, then look again: one put in between counts. */
		if (read(notices->fd, &count, sizeof(count)) < 0)
			count = 0;
		put = __atomic_load_n(&notices->put, __ATOMIC_ACQUIRE);
		if (put == notices->taken)
			return -EAGAIN;
	}
	*ret_notice = notices->room[notices->taken % NOTICE_SIZE];
	__atomic_store_n(&notices->taken, notices->taken + 1, __ATOMIC_RELEASE);
	return 0;
}
