/* SPDX-License-Identifier: MIT */
/*
 * What a child may take of the host, so that one that runs wild, or is made to,
 * is the only one to notice: a service that leaks is killed at its limit and
 * replaced, one that spins takes its share of the processors and no more.
 */
#ifndef SUPERVISOR_SERVICE_LIMITS_H
#define SUPERVISOR_SERVICE_LIMITS_H

#include <stdint.h>

#include "sandbox/cgroup.h"
#include "supervisor/config.h"

/* For a child of this role, on a host with so much memory. */
struct cgroup_limits limits_for(const struct config *config, uint32_t role,
				uint64_t host_bytes);

uint64_t limits_host_bytes(void);

#endif
