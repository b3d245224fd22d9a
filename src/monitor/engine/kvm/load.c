/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/load.h"

#include <string.h>

#include "monitor/engine/kvm/machine.h"
#include "monitor/thread/thread.h"

static int load(struct kvm_machine *machine, struct boot_entry *ret_entry,
		struct refusal *refusal)
{
	const struct boot_config config = {
		.kernel_fd = machine->kernel_fd,
		.initrd_fd = machine->initrd_fd,
		.cmdline = machine->settings->cmdline,
		.memory_bytes = machine->settings->memory_bytes,
		.cpu_count = machine->settings->cpu_count,
	};

	return boot_load(&machine->guest, &config, ret_entry, refusal);
}

static void *run(void *context)
{
	struct loading *loading = context;

	loading->result =
		load(loading->machine, &loading->entry, &loading->refusal);
	return NULL;
}

void loading_begin(struct loading *loading, struct kvm_machine *machine)
{
	memset(loading, 0, sizeof(*loading));
	loading->machine = machine;
	loading->has_thread =
		thread_start(&loading->thread, "load", run, loading) == 0;
	if (!loading->has_thread)
		(void)run(loading);
}

int loading_end(struct loading *loading, struct refusal *refusal)
{
	if (loading->has_thread)
		(void)pthread_join(loading->thread, NULL);
	loading->has_thread = false;
	if (loading->result < 0)
		*refusal = loading->refusal;
	return loading->result;
}

int machine_begin(struct kvm_machine *machine, const struct boot_entry *entry,
		  struct refusal *refusal)
{
	int r = machine_start_at(machine, entry);

	return r < 0 ? refuse(refusal, r, "boot.kernel",
			      "KVM does not accept its entry point: %s",
			      strerror(-r))
		     : 0;
}

int machine_load(struct kvm_machine *machine, struct refusal *refusal)
{
	struct boot_entry entry;
	int r = load(machine, &entry, refusal);

	return r == 0 ? machine_begin(machine, &entry, refusal) : r;
}
