/* SPDX-License-Identifier: MIT */
/*
 * What engine kvm asks of the KVM API. Numbers, not versions: distributions
 * carry features back, and nested KVMs leave some out.
 */
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/count.h"
#include "probe/probe_rows.h"

/* Older headers than the kernel that runs. */
#ifndef KVM_CAP_XSAVE2
#define KVM_CAP_XSAVE2 208
#endif
#ifndef KVM_CAP_EXIT_ON_EMULATION_FAILURE
#define KVM_CAP_EXIT_ON_EMULATION_FAILURE 204
#endif

/* The engine cannot do without these. */
static const struct {
	const char *id;
	const char *name; /* for people */
	int capabilities[3];
} needs[] = {
	{ "kvm.irqchip",
	  "interrupt controllers and timer in the kernel",
	  { KVM_CAP_IRQCHIP, KVM_CAP_IRQ_ROUTING, KVM_CAP_PIT2 } },
	{ "kvm.irqfd", "interrupts from eventfds", { KVM_CAP_IRQFD } },
	{ "kvm.ioeventfd", "doorbells to eventfds", { KVM_CAP_IOEVENTFD } },
	{ "kvm.exit",
	  "interrupting a running processor",
	  { KVM_CAP_IMMEDIATE_EXIT } },
};

static const char kernel_advice[] = "run a kernel of 5.17 or later";

static bool has_all(int kvm, const int *capabilities, size_t count)
{
	for (size_t i = 0; i < count && capabilities[i]; i++)
		if (ioctl(kvm, KVM_CHECK_EXTENSION, capabilities[i]) <= 0)
			return false;
	return true;
}

static void probe_needs(struct probe_table *table, int kvm)
{
	for (size_t i = 0; i < ARRAY_COUNT(needs); i++) {
		bool has = has_all(kvm, needs[i].capabilities,
				   ARRAY_COUNT(needs[i].capabilities));

		probe_add(table, needs[i].id, has ? PROBE_YES : PROBE_NO,
			  has ? NULL : "this KVM lacks what engine kvm needs",
			  "%s", needs[i].name);
	}
}

static void probe_emulation(struct probe_table *table, int kvm)
{
	bool has = ioctl(kvm, KVM_CHECK_EXTENSION,
			 KVM_CAP_EXIT_ON_EMULATION_FAILURE) > 0;

	probe_add(table, "kvm.emulation", has ? PROBE_YES : PROBE_PARTIAL,
		  has ? NULL : kernel_advice,
		  has ? "instructions that KVM cannot emulate are passed to "
			"the monitor"
		      : "an instruction that KVM cannot emulate raises #UD in "
			"user programs");
}

static void probe_xstate(struct probe_table *table, int kvm)
{
	int bytes = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	probe_add(table, "kvm.xstate", bytes > 0 ? PROBE_YES : PROBE_PARTIAL,
		  bytes > 0 ? NULL : kernel_advice,
		  "processor state of a guest takes %d bytes%s",
		  bytes > 0 ? bytes : 4096, bytes > 0 ? "" : " at most");
}

static void probe_processors(struct probe_table *table, int kvm)
{
	int advised = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	int most = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	probe_add(table, "kvm.processors", most > 0 ? PROBE_YES : PROBE_NO,
		  NULL, "%d virtual processors for a guest, %d advised", most,
		  advised);
}

void probe_capabilities(struct probe_table *table, int kvm)
{
	probe_needs(table, kvm);
	probe_emulation(table, kvm);
	probe_xstate(table, kvm);
	probe_processors(table, kvm);
}

static bool has_row(const struct probe_table *table, const char *id,
		    const struct probe_row **ret_missing)
{
	*ret_missing = probe_find(table, id);
	return *ret_missing && (*ret_missing)->verdict == PROBE_YES;
}

bool probe_can_kvm(const struct probe_table *table,
		   const struct probe_row **ret_missing)
{
	if (!has_row(table, "kvm", ret_missing))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(needs); i++)
		if (!has_row(table, needs[i].id, ret_missing))
			return false;
	*ret_missing = NULL;
	return true;
}
