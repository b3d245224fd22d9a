/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "sandbox/layers.h"

static void release_filter(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
	*filter = NULL;
}

static struct scmp_arg_cmp compare(const struct sandbox_condition *condition)
{
	struct scmp_arg_cmp cmp = {
		.arg = condition->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = condition->mask,
		.datum_b = condition->value,
	};

	return cmp;
}

static bool is_valid(const struct sandbox_call *call)
{
	if (call->condition_count > SANDBOX_CONDITION_COUNT || !call->reason)
		return false;
	for (uint32_t i = 0; i < call->condition_count; i++)
		if (call->conditions[i].argument > 5)
			return false;
	return true;
}

static int add_call(scmp_filter_ctx filter, const struct sandbox_call *call)
{
	struct scmp_arg_cmp cmps[SANDBOX_CONDITION_COUNT];
	uint32_t action =
		call->error ? SCMP_ACT_ERRNO(call->error) : SCMP_ACT_ALLOW;

	if (!is_valid(call))
		return -EINVAL;
	for (uint32_t i = 0; i < call->condition_count; i++)
		cmps[i] = compare(&call->conditions[i]);
	return seccomp_rule_add_array(filter, action, call->number,
				      call->condition_count, cmps);
}

static int add_calls(scmp_filter_ctx filter, const struct sandbox_call *calls,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int error = add_call(filter, &calls[i]);

		if (error < 0)
			return error;
	}
	return 0;
}

/* A process may signal itself and nobody else. */
static int add_own_signals(scmp_filter_ctx filter)
{
	const struct sandbox_call own[] = {
		SANDBOX_CALL_IF(tgkill, 0, getpid(), "abort, raise"),
		SANDBOX_CALL_IF(kill, 0, getpid(), "ending itself"),
	};

	return add_calls(filter, own, ARRAY_COUNT(own));
}

static int set_attributes(scmp_filter_ctx filter)
{
	int error;

	error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
				 SCMP_ACT_KILL_PROCESS);
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (error < 0)
		return error;
	/* Both are conveniences: a log line, and a binary tree of calls. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return 0;
}

static int build(scmp_filter_ctx filter, const struct sandbox_call *calls,
		 size_t count)
{
	int error = set_attributes(filter);

	if (error == 0)
		error = add_calls(filter, sandbox_base_calls,
				  sandbox_base_call_count);
	if (error == 0)
		error = add_own_signals(filter);
	if (error == 0)
		error = add_calls(filter, calls, count);
	return error;
}

int sandbox_seal(const struct sandbox_call *calls, size_t count,
		 struct sandbox_layers *layers)
{
	SCOPED(release_filter)
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error;

	if (!filter)
		return -ENOMEM;
	error = build(filter, calls, count);
	if (error < 0)
		return error;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
		layers_record(layers, SANDBOX_SECCOMP, -errno);
		return 0;
	}
	error = seccomp_load(filter);
	if (error == 0)
		layers_record(layers, SANDBOX_SECCOMP, 0);
	return error;
}
