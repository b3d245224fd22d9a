/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"

static const char sandbox[] =
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
	"resourcecontrol=deny";

__attribute__((format(printf, 2, 3))) static int
add(struct qemu_arguments *arguments, const char *format, ...)
{
	char *to = arguments->text + arguments->text_bytes;
	size_t room = sizeof(arguments->text) - arguments->text_bytes;
	va_list values;
	int bytes;

	va_start(values, format);
	bytes = vsnprintf(to, room, format, values);
	va_end(values);
	if (bytes < 0 || (size_t)bytes >= room ||
	    arguments->count == QEMU_ARGUMENT_MAX)
		return -ENOSPC;
	arguments->list[arguments->count++] = to;
	arguments->text_bytes += (size_t)bytes + 1;
	return 0;
}

/* What does not depend on the partition. */
static int add_fixed(struct qemu_arguments *arguments)
{
	static const char *const fixed[] = {
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-sandbox",
		sandbox,
		/* Its processors wait for MONITOR_RESUME. */
		"-S",
		/* A panicked guest is the supervisor's to judge. */
		"-action",
		"panic=pause",
		"-device",
		"pvpanic",
		"-object",
		"rng-builtin,id=rng",
		"-device",
		"virtio-rng-pci,rng=rng",
		"-rtc",
		"base=utc",
	};
	int result = 0;

	for (size_t i = 0; i < ARRAY_COUNT(fixed) && result == 0; i++)
		result = add(arguments, "%s", fixed[i]);
	return result;
}

static int add_socket(struct qemu_arguments *arguments, const char *id, int fd)
{
	int result = add(arguments, "-chardev");

	if (result == 0)
		result = add(arguments, "socket,id=%s,fd=%d", id, fd);
	return result;
}

static int add_machine(struct qemu_arguments *arguments,
		       const struct monitor_settings *settings)
{
	unsigned long long bytes = settings->memory_bytes;
	int result = 0;

	result |= add(arguments, "-machine");
	/* Only what a guest of ours uses: less to attack, faster to boot. */
	result |= add(arguments,
		      "q35,memory-backend=memory,usb=off,vmport=off,smbus=off,"
		      "sata=off,dump-guest-core=off,graphics=off");
	result |= add(arguments, "-accel");
	result |= add(arguments, "%s",
		      settings->accelerator == 1 ? "kvm" : "tcg,thread=multi");
	result |= add(arguments, "-cpu");
	/* Counters tell of neighbours. Five-level paging costs an emulated
	 * processor a walk step. */
	result |= add(arguments, "%s",
		      settings->accelerator == 1 ? "host,pmu=off"
						 : "max,la57=off,pmu=off");
	result |= add(arguments, "-smp");
	result |= add(arguments, "%u", settings->cpu_count);
	result |= add(arguments, "-m");
	result |= add(arguments, "%lluB", bytes);
	result |= add(arguments, "-object");
	result |= add(arguments,
		      "memory-backend-memfd,id=memory,size=%llu,share=on,"
		      "dump=off",
		      bytes);
	return result;
}

static int add_boot(struct qemu_arguments *arguments,
		    const struct monitor_settings *settings)
{
	int result = 0;

	result |= add(arguments, "-kernel");
	result |= add(arguments, QEMU_KERNEL);
	if (settings->has_initrd) {
		result |= add(arguments, "-initrd");
		result |= add(arguments, QEMU_INITRD);
	}
	result |= add(arguments, "-append");
	result |= add(arguments, "%s", settings->cmdline);
	return result;
}

static int add_lines(struct qemu_arguments *arguments)
{
	int result = 0;

	result |= add_socket(arguments, "qmp", QEMU_FD_QMP);
	result |= add(arguments, "-mon");
	result |= add(arguments, "chardev=qmp,mode=control");
	result |= add_socket(arguments, "serial", QEMU_FD_SERIAL);
	result |= add(arguments, "-serial");
	result |= add(arguments, "chardev:serial");
	return result;
}

static int add_disk(struct qemu_arguments *arguments,
		    const struct monitor_disk *disk, uint32_t index)
{
	char id[16];
	int result = 0;

	(void)snprintf(id, sizeof(id), "disk%u", index);
	result |= add_socket(arguments, id, QEMU_FD_DISK + (int)index);
	result |= add(arguments, "-device");
	result |= add(arguments,
		      "vhost-user-blk-pci,id=%s-device,chardev=%s,"
		      "num-queues=%u",
		      id, id, disk->queue_count);
	return result;
}

/* The link is up from the start, and the guest is offered all that the switch
 * carries. Without KVM a network device of QEMU's that is served over vhost-user
 * dies when the guest unmasks a message-signalled interrupt, so it has none. */
static int add_nic(struct qemu_arguments *arguments,
		   const struct monitor_settings *settings,
		   const struct monitor_nic *nic, uint32_t index)
{
	const char *vectors = settings->accelerator == 1 ? "" : ",vectors=0";
	const uint8_t *mac = nic->mac;
	char id[16];
	int result = 0;

	(void)snprintf(id, sizeof(id), "nic%u", index);
	result |= add(arguments, "-chardev");
	result |= add(arguments, "socket,id=%s,path=" QEMU_NIC, id, index);
	result |= add(arguments, "-netdev");
	result |= add(arguments, "vhost-user,id=%s-net,chardev=%s,queues=%u",
		      id, id, nic->queue_pair_count);
	result |= add(arguments, "-device");
	result |=
		add(arguments,
		    "virtio-net-pci,id=" QEMU_NIC_DEVICE ",netdev=%s-net,mq=%s,"
		    "mac=%02x:%02x:%02x:%02x:%02x:%02x,host_mtu=%u,"
		    "romfile=%s",
		    index, id, nic->queue_pair_count > 1 ? "on" : "off", mac[0],
		    mac[1], mac[2], mac[3], mac[4], mac[5], nic->mtu, vectors);
	return result;
}

int qemu_arguments(const struct engine_machine *machine,
		   struct qemu_arguments *ret_arguments)
{
	const struct monitor_settings *settings = machine->settings;
	int result = 0;

	memset(ret_arguments, 0, sizeof(*ret_arguments));
	result |= add(ret_arguments, "%s", settings->qemu);
	result |= add_machine(ret_arguments, settings);
	result |= add_fixed(ret_arguments);
	result |= add_boot(ret_arguments, settings);
	result |= add_lines(ret_arguments);
	for (uint32_t i = 0; i < settings->disk_count; i++)
		result |= add_disk(ret_arguments, &machine->disks[i], i);
	for (uint32_t i = 0; i < machine->nic_count; i++)
		result |=
			add_nic(ret_arguments, settings, &machine->nics[i], i);
	return result == 0 ? 0 : -ENOSPC;
}
