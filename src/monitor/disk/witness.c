/* SPDX-License-Identifier: MIT */
#include "monitor/disk/witness.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/event.h"
#include "base/scope.h"
#include "monitor/thread/thread.h"

static void synchronise(struct witness *witness, uint64_t asked)
{
	witness->result = fdatasync(witness->fd) < 0 ? -errno : 0;
	witness->answered = asked;
	/* Pairs with the load in witness_take(). */
	__atomic_store_n(&witness->is_full, 1, __ATOMIC_RELEASE);
	event_signal(witness->wake_fd);
}

/* Once, as soon as it may. */
static bool narrow(const struct witness *witness)
{
	const struct sandbox_program *program =
		__atomic_load_n(&witness->program, __ATOMIC_ACQUIRE);
	int r = program ? sandbox_narrow(program) : 0;

	/* Going on unbound would be a promise broken in silence. */
	assert(r == 0);
	return program != NULL;
}

static void *run(void *context)
{
	struct witness *witness = context;
	bool is_narrow = false;
	uint64_t done = 0;
	uint64_t count;

	while (read(witness->ask_fd, &count, sizeof(count)) > 0 &&
	       !__atomic_load_n(&witness->must_end, __ATOMIC_ACQUIRE)) {
		uint64_t asked =
			__atomic_load_n(&witness->asked, __ATOMIC_ACQUIRE);

		is_narrow = is_narrow || narrow(witness);
		/* A full mailbox: witness_take() rings again. */
		if (asked == done ||
		    __atomic_load_n(&witness->is_full, __ATOMIC_ACQUIRE))
			continue;
		synchronise(witness, asked);
		done = asked;
	}
	return NULL;
}

int witness_open(struct witness *witness, int fd, int wake_fd)
{
	int r;

	*witness = (struct witness){ .fd = fd, .wake_fd = wake_fd };
	witness->ask_fd = eventfd(0, EFD_CLOEXEC);
	if (witness->ask_fd < 0)
		return -errno;
	r = thread_start(&witness->thread, "witness", run, witness);
	witness->is_running = r == 0;
	return r;
}

void witness_close(struct witness *witness)
{
	if (witness->is_running) {
		__atomic_store_n(&witness->must_end, true, __ATOMIC_RELEASE);
		event_signal(witness->ask_fd);
		(void)pthread_join(witness->thread, NULL);
	}
	witness->is_running = false;
	close_fd(&witness->ask_fd);
	close_fd(&witness->fd);
}

void witness_narrow(struct witness *witness,
		    const struct sandbox_program *program)
{
	__atomic_store_n(&witness->program, program, __ATOMIC_RELEASE);
	event_signal(witness->ask_fd);
}

void witness_ask(struct witness *witness, uint64_t asked)
{
	__atomic_store_n(&witness->asked, asked, __ATOMIC_RELEASE);
	event_signal(witness->ask_fd);
}

bool witness_take(struct witness *witness, uint64_t *ret_answered,
		  int *ret_result)
{
	if (!__atomic_load_n(&witness->is_full, __ATOMIC_ACQUIRE))
		return false;
	*ret_answered = witness->answered;
	*ret_result = witness->result;
	__atomic_store_n(&witness->is_full, 0, __ATOMIC_RELEASE);
	if (witness->asked != *ret_answered)
		event_signal(witness->ask_fd);
	return true;
}
