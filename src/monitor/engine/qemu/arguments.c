/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "channel/scsi_request.h"
#include "virtio/scsi.h"

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
	int r = 0;

	for (size_t i = 0; i < ARRAY_COUNT(fixed) && r == 0; i++)
		r = add(arguments, "%s", fixed[i]);
	return r;
}

static int add_socket(struct qemu_arguments *arguments, const char *id, int fd)
{
	int r = add(arguments, "-chardev");

	if (r == 0)
		r = add(arguments, "socket,id=%s,fd=%d", id, fd);
	return r;
}

/*
 * Before QEMU 8.1 TCG leaves the guest's memory barriers and atomic accesses
 * out where there can be no second processor. But the disk's and the network's
 * other end is another thread: without the barrier a driver reads the index at
 * which we want to be woken before its request is visible, and both sides wait
 * for ever. So there always can be a second one.
 */
static int add_processors(struct qemu_arguments *arguments,
			  const struct monitor_settings *settings)
{
	bool is_alone_in_tcg =
		settings->accelerator != 1 && settings->cpu_count == 1;

	return is_alone_in_tcg ? add(arguments, "1,maxcpus=2")
			       : add(arguments, "%u", settings->cpu_count);
}

static int add_machine(struct qemu_arguments *arguments,
		       const struct monitor_settings *settings)
{
	unsigned long long bytes = settings->memory_bytes;
	int r = 0;

	r |= add(arguments, "-machine");
	/* Only what a guest of ours uses: less to attack, faster to boot. */
	r |= add(arguments,
		 "q35,memory-backend=memory,usb=off,vmport=off,smbus=off,"
		 "sata=off,dump-guest-core=off,graphics=off");
	r |= add(arguments, "-accel");
	r |= add(arguments, "%s",
		 settings->accelerator == 1 ? "kvm" : "tcg,thread=multi");
	r |= add(arguments, "-cpu");
	/* Counters tell of neighbours. Five-level paging costs an emulated
	 * processor a walk step. */
	r |= add(arguments, "%s",
		 settings->accelerator == 1 ? "host,pmu=off"
					    : "max,la57=off,pmu=off");
	r |= add(arguments, "-smp");
	r |= add_processors(arguments, settings);
	r |= add(arguments, "-m");
	r |= add(arguments, "%lluB", bytes);
	r |= add(arguments, "-object");
	r |= add(arguments,
		 "memory-backend-memfd,id=memory,size=%llu,share=on,"
		 "dump=off",
		 bytes);
	return r;
}

static int add_boot(struct qemu_arguments *arguments,
		    const struct monitor_settings *settings)
{
	int r = 0;

	r |= add(arguments, "-kernel");
	r |= add(arguments, QEMU_KERNEL);
	if (settings->has_initrd) {
		r |= add(arguments, "-initrd");
		r |= add(arguments, QEMU_INITRD);
	}
	r |= add(arguments, "-append");
	r |= add(arguments, "%s", settings->cmdline);
	return r;
}

static int add_lines(struct qemu_arguments *arguments)
{
	int r = 0;

	r |= add_socket(arguments, "qmp", QEMU_FD_QMP);
	r |= add(arguments, "-mon");
	r |= add(arguments, "chardev=qmp,mode=control");
	r |= add_socket(arguments, "serial", QEMU_FD_SERIAL);
	r |= add(arguments, "-serial");
	r |= add(arguments, "chardev:serial");
	return r;
}

static uint32_t count_units(const struct engine_machine *machine)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < machine->settings->disk_count; i++)
		count += machine->disks[i].bus == DISK_BUS_SCSI;
	return count;
}

/* What we do not carry is not offered; transfers are bounded by our channel. */
static int add_disk(struct qemu_arguments *arguments,
		    const struct engine_machine *machine, uint32_t index)
{
	const struct monitor_settings *settings = machine->settings;
	const struct monitor_disk *disk = &machine->disks[index];
	char id[16];
	int r = 0;

	if (!engine_disk_has_device(disk))
		return 0;
	(void)snprintf(id, sizeof(id), "disk%u", index);
	r |= add_socket(arguments, id, QEMU_FD_DISK + (int)index);
	r |= add(arguments, "-device");
	if (disk->bus == DISK_BUS_SCSI)
		r |= add(arguments,
			 "vhost-user-scsi-pci,id=%s-device,chardev=%s,"
			 "num_queues=%u,virtqueue_size=%u,cmd_per_lun=%u,"
			 "max_sectors=%u,t10_pi=off,hotplug=off,"
			 "param_change=off",
			 id, id, settings->scsi_queue_count,
			 VIRTIO_SCSI_RING_SIZE,
			 virtio_scsi_unit_depth(count_units(machine)),
			 SCSI_TRANSFER_MAX / 512);
	else
		r |= add(arguments,
			 "vhost-user-blk-pci,id=%s-device,chardev=%s,"
			 "num-queues=%u",
			 id, id, disk->queue_count);
	return r;
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
	int r = 0;

	(void)snprintf(id, sizeof(id), "nic%u", index);
	r |= add(arguments, "-chardev");
	r |= add(arguments, "socket,id=%s,path=" QEMU_NIC, id, index);
	r |= add(arguments, "-netdev");
	r |= add(arguments, "vhost-user,id=%s-net,chardev=%s,queues=%u", id, id,
		 nic->queue_pair_count);
	r |= add(arguments, "-device");
	r |= add(arguments,
		 "virtio-net-pci,id=" QEMU_NIC_DEVICE ",netdev=%s-net,mq=%s,"
		 "mac=%02x:%02x:%02x:%02x:%02x:%02x,host_mtu=%u,"
		 "romfile=%s",
		 index, id, nic->queue_pair_count > 1 ? "on" : "off", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5], nic->mtu, vectors);
	return r;
}

int qemu_arguments(const struct engine_machine *machine,
		   struct qemu_arguments *ret_arguments)
{
	const struct monitor_settings *settings = machine->settings;
	int r = 0;

	memset(ret_arguments, 0, sizeof(*ret_arguments));
	r |= add(ret_arguments, "%s", settings->qemu);
	r |= add_machine(ret_arguments, settings);
	r |= add_fixed(ret_arguments);
	r |= add_boot(ret_arguments, settings);
	r |= add_lines(ret_arguments);
	for (uint32_t i = 0; i < settings->disk_count; i++)
		r |= add_disk(ret_arguments, machine, i);
	for (uint32_t i = 0; i < machine->nic_count; i++)
		r |= add_nic(ret_arguments, settings, &machine->nics[i], i);
	return r == 0 ? 0 : -ENOSPC;
}
