/* SPDX-License-Identifier: MIT */
/*
 * The filters of a process of ours, of a thread's own, and of a jail. They are made here and
 * not by libseccomp, which takes a tenth of a monitor's start for it. The
 * kernel remembers which calls are always allowed; others are checked line by
 * line, so what a process or thread lives on stands first in its table.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "sandbox/layers.h"

#if defined(__x86_64__)
#define AUDIT_HERE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define AUDIT_HERE AUDIT_ARCH_AARCH64
#else
#error "no name for this architecture"
#endif

/* Calls of x32 have this bit, and share the architecture's number. */
#define X32_BIT 0x40000000u

/* Of a line: number; per condition two halves of three each; the verdict. */
#define LINE_MAX_STEPS (1 + SANDBOX_CONDITION_COUNT * 6 + 1 + 1)
#define HEAD_STEPS     6
#define OWN_LINES      2

struct assembly {
	struct sock_filter *steps;
	size_t count;
};

static void put(struct assembly *assembly, uint16_t code, uint32_t value,
		uint8_t if_true, uint8_t if_false)
{
	assembly->steps[assembly->count++] = (struct sock_filter){
		.code = code,
		.jt = if_true,
		.jf = if_false,
		.k = value,
	};
}

static void load(struct assembly *assembly, size_t offset)
{
	put(assembly, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void end_with(struct assembly *assembly, uint32_t verdict)
{
	put(assembly, BPF_RET | BPF_K, verdict, 0, 0);
}

static void put_head(struct assembly *assembly)
{
	load(assembly, offsetof(struct seccomp_data, arch));
	put(assembly, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_HERE, 1, 0);
	end_with(assembly, SECCOMP_RET_KILL_PROCESS);
	load(assembly, offsetof(struct seccomp_data, nr));
	put(assembly, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	end_with(assembly, SECCOMP_RET_KILL_PROCESS);
}

/* To be set to the end of the line. */
#define TO_NEXT 0xff

static void put_half(struct assembly *assembly, size_t offset, uint32_t mask,
		     uint32_t value)
{
	if (!mask)
		return;
	load(assembly, offset);
	if (mask != UINT32_MAX)
		put(assembly, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	put(assembly, BPF_JMP | BPF_JEQ | BPF_K, value, 0, TO_NEXT);
}

/* Halves in the order of a little-endian machine. */
static void put_condition(struct assembly *assembly,
			  const struct sandbox_condition *condition)
{
	size_t at = offsetof(struct seccomp_data, args) +
		    condition->argument * sizeof(uint64_t);

	put_half(assembly, at, (uint32_t)condition->mask,
		 (uint32_t)condition->value);
	put_half(assembly, at + sizeof(uint32_t),
		 (uint32_t)(condition->mask >> 32),
		 (uint32_t)(condition->value >> 32));
}

static uint32_t verdict_of(const struct sandbox_call *call)
{
	return call->error ? SECCOMP_RET_ERRNO | (uint32_t)call->error
			   : SECCOMP_RET_ALLOW;
}

/* A condition that fails goes on with the next line, which wants the number
 * again; a number that is another has it still. */
static void put_line(struct assembly *assembly, const struct sandbox_call *call)
{
	size_t first = assembly->count, end;

	put(assembly, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 0);
	for (uint32_t i = 0; i < call->condition_count; i++)
		put_condition(assembly, &call->conditions[i]);
	end_with(assembly, verdict_of(call));
	end = assembly->count;
	for (size_t i = first + 1; i < end; i++)
		if (assembly->steps[i].jf == TO_NEXT)
			assembly->steps[i].jf = (uint8_t)(end - i - 1);
	load(assembly, offsetof(struct seccomp_data, nr));
	assembly->steps[first].jf = (uint8_t)(assembly->count - first - 1);
}

static bool is_valid(const struct sandbox_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!calls[i].reason ||
		    calls[i].condition_count > SANDBOX_CONDITION_COUNT)
			return false;
		for (uint32_t j = 0; j < calls[i].condition_count; j++)
			if (calls[i].conditions[j].argument > 5)
				return false;
	}
	return true;
}

static void put_lines(struct assembly *assembly,
		      const struct sandbox_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_line(assembly, &calls[i]);
}

/* A table, and what those who have one have in common. */
struct lines {
	const struct sandbox_call *calls;
	size_t count;
	const struct sandbox_call *common;
	size_t common_count;
	size_t own_count;
	uint32_t otherwise; /* of calls that no line is of */
};

/* A process may signal itself and nobody else; a thread aborts. */
static void put_all(struct assembly *assembly, const struct lines *lines)
{
	const struct sandbox_call own[OWN_LINES] = {
		SANDBOX_CALL_IF(tgkill, 0, getpid(), "abort, raise"),
		SANDBOX_CALL_IF(kill, 0, getpid(), "ending itself"),
	};

	put_head(assembly);
	put_lines(assembly, lines->calls, lines->count);
	put_lines(assembly, lines->common, lines->common_count);
	put_lines(assembly, own, lines->own_count);
	end_with(assembly, lines->otherwise);
}

static int assemble(const struct lines *from,
		    struct sandbox_program *ret_program)
{
	size_t lines = from->count + from->common_count + OWN_LINES;
	size_t room = HEAD_STEPS + lines * LINE_MAX_STEPS + 1;
	struct assembly assembly = { 0 };

	*ret_program = (struct sandbox_program){ 0 };
	if (from->count > BPF_MAXINSNS || room > BPF_MAXINSNS ||
	    !is_valid(from->calls, from->count))
		return -EINVAL;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		return 0;
	assembly.steps = calloc(room, sizeof(*assembly.steps));
	if (!assembly.steps)
		return -ENOMEM;
	put_all(&assembly, from);
	ret_program->steps = assembly.steps;
	ret_program->count = (uint16_t)assembly.count;
	return 0;
}

int sandbox_prepare(const struct sandbox_call *calls, size_t count,
		    struct sandbox_program *ret_program)
{
	const struct lines lines = {
		.calls = calls,
		.count = count,
		.common = sandbox_thread_calls,
		.common_count = sandbox_thread_call_count,
		.own_count = 1,
		.otherwise = SECCOMP_RET_KILL_PROCESS,
	};

	return assemble(&lines, ret_program);
}

void sandbox_program_release(struct sandbox_program *program)
{
	free(program->steps);
	*program = (struct sandbox_program){ 0 };
}

static int install(const struct sandbox_program *program, unsigned int flags)
{
	struct sock_fprog code = {
		.len = program->count,
		.filter = program->steps,
	};
	long result;

	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &code);
	if (result > 0)
		return -ESRCH; /* a thread that has a filter of another kind */
	return result < 0 ? -errno : 0;
}

static int bind_process(const struct sandbox_program *program,
			unsigned int flags)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return install(program, SECCOMP_FILTER_FLAG_TSYNC | flags);
}

int sandbox_narrow(const struct sandbox_program *program)
{
	return program->count == 0 ? 0 : install(program, 0);
}

int sandbox_seal(const struct sandbox_call *calls, size_t count,
		 struct sandbox_layers *layers)
{
	const struct lines lines = {
		.calls = calls,
		.count = count,
		.common = sandbox_base_calls,
		.common_count = sandbox_base_call_count,
		.own_count = OWN_LINES,
		.otherwise = SECCOMP_RET_KILL_PROCESS,
	};
	SCOPED(sandbox_program_release) struct sandbox_program program;
	int r;

	r = assemble(&lines, &program);
	if (r < 0)
		return r;
	if (program.count == 0) {
		layers_record(layers, SANDBOX_SECCOMP, -EINVAL);
		return layers_check(layers, layers->required);
	}
	r = bind_process(&program, SECCOMP_FILTER_FLAG_LOG);
	if (r == 0)
		layers_record(layers, SANDBOX_SECCOMP, 0);
	return r;
}

int layers_refuse(const struct sandbox_call *calls, size_t count)
{
	const struct lines lines = {
		.calls = calls,
		.count = count,
		.otherwise = SECCOMP_RET_ALLOW,
	};
	SCOPED(sandbox_program_release) struct sandbox_program program;
	int r = assemble(&lines, &program);

	if (r < 0)
		return r;
	return program.count ? bind_process(&program, 0) : -EINVAL;
}
