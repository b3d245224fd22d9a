/* SPDX-License-Identifier: MIT */
#include "lib/race.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "lib/harness.h"

#define ROUNDS          200000u
#define ROUNDS_PER_LOOK 64u
#define RACE_NS         (4 * NS_PER_S)
#define SPINS           20000u
#define DELAY_MASK      1023u

/* How often each thread has come to a meeting; a cache line each. */
struct arrival {
	_Alignas(64) uint32_t count;
};

static struct arrival arrivals[2];
static const struct race *running;
static bool is_over;

/* The other may have to be given the processor first. */
static void meet(int me)
{
	uint32_t count = arrivals[me].count + 1;
	uint32_t spins = 0;

	__atomic_store_n(&arrivals[me].count, count, __ATOMIC_RELEASE);
	while ((int32_t)(__atomic_load_n(&arrivals[!me].count,
					 __ATOMIC_ACQUIRE) -
			 count) < 0)
		if (++spins % SPINS == 0)
			(void)sched_yield();
}

/* A few nanoseconds, other ones each time: no order of the two is left out. */
static void delay(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	for (uint32_t i = (*random >> 16) & DELAY_MASK; i > 0; i--)
		__asm__ volatile("");
}

/* On a processor of its own: taking turns on one is no race. */
static void stay_on(int number)
{
	cpu_set_t all, one;

	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || number-- != 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		(void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	}
}

static void *run_there(void *context)
{
	uint32_t random = 1;

	stay_on(1);

	for (;;) {
		meet(1);
		if (is_over)
			return context;
		delay(&random);
		running->there();
		meet(1);
	}
}

void race_run(const struct race *race)
{
	uint64_t end_ns = clock_now_ns() + RACE_NS;
	cpu_set_t cpus;
	uint32_t random = 2;
	pthread_t thread;

	CHECK_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	if (CPU_COUNT(&cpus) < 2)
		test_skip("on one processor nothing happens at once");
	running = race;
	is_over = false;
	CHECK_EQ(pthread_create(&thread, NULL, run_there, NULL), 0);
	stay_on(0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		if (i % ROUNDS_PER_LOOK == 0 && clock_now_ns() >= end_ns)
			break;
		meet(0);
		delay(&random);
		race->here();
		meet(0);
		race->check();
	}
	is_over = true;
	meet(0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}
