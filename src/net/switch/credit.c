/* SPDX-License-Identifier: MIT */
#include "net/switch/credit.h"

/* A period's credit times a period's length does not fit in 64 bits. */
__extension__ typedef unsigned __int128 wide;

/* How long credit for so many bytes takes to come, rounded up. */
static uint64_t time_for(const struct credit *credit, uint64_t bytes)
{
	return (uint64_t)(((wide)bytes * credit->period_ns + credit->bytes -
			   1) /
			  credit->bytes);
}

static uint64_t come_within(const struct credit *credit, uint64_t ns)
{
	return (uint64_t)((wide)ns * credit->bytes / credit->period_ns);
}

void credit_init(struct credit *credit, uint64_t bytes, uint32_t period_us,
		 uint64_t now_ns)
{
	*credit = (struct credit){
		.bytes = bytes,
		.period_ns = period_us * 1000ull,
		.bucket = bytes > CREDIT_BUCKET_MIN ? bytes : CREDIT_BUCKET_MIN,
		.since_ns = now_ns,
		.looked_ns = now_ns,
	};
	credit->left = credit->bucket;
	if (bytes)
		credit->full_ns = time_for(credit, credit->bucket);
}

static void refill(struct credit *credit, uint64_t now_ns)
{
	uint64_t come;

	if (now_ns <= credit->looked_ns)
		return;
	credit->looked_ns = now_ns;
	if (now_ns - credit->since_ns >= credit->full_ns) {
		credit->left = credit->bucket;
		credit->since_ns = now_ns;
		return;
	}
	come = come_within(credit, now_ns - credit->since_ns);
	credit->since_ns += time_for(credit, come);
	credit->left += come;
	if (credit->left > credit->bucket)
		credit->left = credit->bucket;
}

bool credit_spend(struct credit *credit, uint32_t bytes, uint64_t now_ns)
{
	if (credit->bytes == 0)
		return true;
	refill(credit, now_ns);
	if (credit->left < bytes)
		return false;
	credit->left -= bytes;
	return true;
}

uint64_t credit_ready_ns(const struct credit *credit, uint32_t bytes)
{
	uint64_t wanted;

	if (credit->bytes == 0 || credit->left >= bytes)
		return credit->since_ns;
	wanted = come_within(credit, CREDIT_GRAIN_NS);
	if (wanted > credit->bucket)
		wanted = credit->bucket;
	if (wanted < bytes)
		wanted = bytes;
	return credit->since_ns + time_for(credit, wanted - credit->left);
}
