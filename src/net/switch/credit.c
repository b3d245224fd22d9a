/* SPDX-License-Identifier: MIT */
#include "net/switch/credit.h"

void credit_init(struct credit *credit, uint64_t bytes, uint32_t period_us,
		 uint64_t now_ns)
{
	*credit = (struct credit){
		.bytes = bytes,
		.period_ns = period_us * 1000ull,
		.bucket = bytes > CREDIT_BUCKET_MIN ? bytes : CREDIT_BUCKET_MIN,
		.since_ns = now_ns,
	};
	credit->left = credit->bucket;
}

static void refill(struct credit *credit, uint64_t now_ns)
{
	uint64_t periods;

	if (now_ns < credit->since_ns + credit->period_ns)
		return;
	periods = (now_ns - credit->since_ns) / credit->period_ns;
	credit->since_ns += periods * credit->period_ns;
	if (periods > credit->bucket / credit->bytes)
		credit->left = credit->bucket;
	else
		credit->left += periods * credit->bytes;
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
	uint64_t missing;

	if (credit->bytes == 0 || credit->left >= bytes)
		return credit->since_ns;
	missing = bytes - credit->left;
	return credit->since_ns + (missing + credit->bytes - 1) /
					  credit->bytes * credit->period_ns;
}
