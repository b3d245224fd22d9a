/* SPDX-License-Identifier: MIT */
#include "channel/spin.h"

#include <sched.h>

#include "base/clock.h"

/* A wait that ended this soon after sleeping might have been caught by a spin:
 * the cap and the wake-ups of both sides, which spinning would have saved. */
#define SHORT_FACTOR 4

#define ARM_AFTER_MIN   4
#define ARM_AFTER_MAX   4096
#define FAILURES_MAX    4
#define TURNS_PER_CLOCK 8

/* With as many busy processes as CPUs (a guest, its monitor, a service), the
 * one we wait for may be waiting for our CPU. */
static bool cpus_are_shared(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return true;
	return CPU_COUNT(&cpus) <= 2;
}

void spin_init(struct spin *spin, uint32_t cap_ns)
{
	*spin = (struct spin){
		.cap_ns = cap_ns,
		.yields = cpus_are_shared(),
		.arm_after = ARM_AFTER_MIN,
	};
}

void spin_set_cap(struct spin *spin, uint32_t cap_ns)
{
	spin->cap_ns = cap_ns;
}

bool spin_is_armed(const struct spin *spin)
{
	return spin->short_waits >= spin->arm_after;
}

static void begin_wait(struct spin *spin)
{
	spin->is_waiting = true;
	spin->gave_up = false;
	spin->turns = 0;
	spin->wait_began_ns = clock_now_ns();
}

/* The spin was for nothing. A few of those in a row disarm, and each time the
 * proof asked for before arming again is longer. */
static void give_up(struct spin *spin)
{
	spin->gave_up = true;
	if (++spin->failures < FAILURES_MAX)
		return;
	spin->failures = 0;
	spin->short_waits = 0;
	if (spin->arm_after < ARM_AFTER_MAX)
		spin->arm_after *= 2;
}

static void relax(const struct spin *spin)
{
	if (spin->yields)
		(void)sched_yield();
	else
		__builtin_ia32_pause();
}

bool spin_again(struct spin *spin)
{
	if (!spin->is_waiting)
		begin_wait(spin);
	if (spin->gave_up || !spin_is_armed(spin))
		return false;
	relax(spin);
	if (++spin->turns % TURNS_PER_CLOCK)
		return true;
	if (clock_now_ns() - spin->wait_began_ns < spin->cap_ns)
		return true;
	give_up(spin);
	return false;
}

bool spin_skip(struct spin *spin)
{
	if (!spin->is_waiting)
		begin_wait(spin);
	spin->gave_up = true;
	return false;
}

/* Caught while spinning: what spinning is for. Some fifty of these make good
 * for any past, which on a crowded machine says little. */
static void count_success(struct spin *spin)
{
	spin->failures = 0;
	if (spin->arm_after > ARM_AFTER_MIN)
		spin->arm_after -= 1 + spin->arm_after / 8;
	if (spin->arm_after < ARM_AFTER_MIN)
		spin->arm_after = ARM_AFTER_MIN;
}

static void count_sleep(struct spin *spin)
{
	uint64_t waited_ns = clock_now_ns() - spin->wait_began_ns;

	if (waited_ns > (uint64_t)SHORT_FACTOR * spin->cap_ns)
		spin->short_waits = 0;
	else if (spin->short_waits < ARM_AFTER_MAX)
		spin->short_waits++;
}

void spin_found(struct spin *spin)
{
	if (!spin->is_waiting)
		return;
	spin->is_waiting = false;
	if (spin_is_armed(spin) && !spin->gave_up)
		count_success(spin);
	else
		count_sleep(spin);
}
