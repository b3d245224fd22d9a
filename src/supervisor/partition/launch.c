/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "base/scope.h"
#include "probe/probe.h"
#include "sandbox/sandbox.h"
#include "supervisor/child/engine.h"
#include "supervisor/errand/errand.h"
#include "supervisor/errand/listener.h"
#include "supervisor/partition/hold.h"
#include "supervisor/partition/memory.h"
#include "supervisor/partition/partition_private.h"
#include "supervisor/service/volume.h"
#include "supervisor/storage/install.h"
#include "supervisor/supervisor.h"

static const struct partition_definition *
definition_of(const struct partition *partition)
{
	return &partition->record.definition;
}

static int take_attachment(void *context,
			   const struct attachment_record *record)
{
	struct partition *partition = context;

	for (unsigned i = 0; i < partition->disk_count; i++) {
		struct disk *disk = &partition->disks[i];

		if (strcmp(disk->definition->name, record->name) != 0)
			continue;
		disk->binding.id = record->id;
		disk->facts.device = record->device;
		disk->facts.inode = record->inode;
		disk->facts.size_bytes = record->size_bytes;
		disk->facts.is_block_device = record->is_block_device;
	}
	return 0;
}

int launch_load_disks(struct partition *partition)
{
	const struct partition_definition *definition =
		definition_of(partition);

	partition->disk_count = definition->disk_count;
	for (unsigned i = 0; i < partition->disk_count; i++) {
		struct disk *disk = &partition->disks[i];

		memset(disk, 0, sizeof(*disk));
		disk->binding.ops = &disk_binding;
		disk->binding.supervisor = partition->supervisor;
		disk->partition = partition;
		disk->owner = &partition_disk_owner;
		disk_resolve(disk, &definition->disks[i]);
		memcpy(disk->service, disk->definition->service, NAME_SIZE);
		disk->index = i;
		disk->witness_fd = NO_FD;
	}
	return store_each_attachment(partition->supervisor->store,
				     definition->name, take_attachment,
				     partition);
}

static int *held_fd_of(const struct disk *disk)
{
	return &disk->partition->held_fds[disk->index];
}

typedef int witness_opener(const struct disk_definition *disk, unsigned index,
			   int *ret_witness_fd, struct storage_facts *ret_facts,
			   struct refusal *ret_refusal);

/* To open an image takes as long as its device takes. */
static int open_aside(struct disk *disk, witness_opener *open,
		      struct refusal *refusal)
{
	struct storage_facts facts = disk->facts;
	int witness_fd = NO_FD;
	int r;

	errand_step_aside();
	r = open(disk->definition, disk->index, &witness_fd, &facts, refusal);
	errand_step_back();
	if (r < 0)
		return r;
	disk->witness_fd = witness_fd;
	disk->facts = facts;
	return 0;
}

static int has_witness(void *context, struct disk *sibling)
{
	return sibling->witness_fd != NO_FD;
}

/* Whoever shares the image has its locks, so nobody else has. */
static bool is_locked_for_all(const struct disk *disk)
{
	return volume_each_sibling(disk, has_witness, NULL);
}

/* One disk of a volume at a time: the locks of one that is not known to have
 * them yet would be taken for somebody else's. */
static int open_in_turn(struct disk *disk, bool is_served,
			struct refusal *refusal)
{
	pthread_mutex_t *opening = disk->volume ? &disk->volume->opening : NULL;
	int r = opening ? errand_lock(opening) : 0;

	if (r < 0)
		return refuse(refusal, r, "disks[].volume",
			      "is being opened for another disk");
	is_served = is_served || is_locked_for_all(disk);
	r = open_aside(disk,
		       is_served ? storage_open_served : storage_open_witness,
		       refusal);
	if (opening)
		(void)pthread_mutex_unlock(opening);
	return r;
}

/* A restore has its locks already, and so has the restart of a monitor whose
 * guest runs on. */
static int take_witness(struct disk *disk, struct refusal *refusal)
{
	int *held_fd = held_fd_of(disk);
	int r = 0;

	if (*held_fd != NO_FD &&
	    storage_check_witness(*held_fd, disk->definition, &disk->facts) < 0)
		close_fd(held_fd);
	if (*held_fd == NO_FD)
		return open_in_turn(disk, false, refusal);
	if (!is_locked_for_all(disk))
		r = storage_check_alone(*held_fd, disk->definition, disk->index,
					refusal);
	if (r == 0)
		disk->witness_fd = take_fd(held_fd);
	return r;
}

static int check_installed(struct disk *disk, struct refusal *refusal)
{
	return install_check_disk(disk->partition->supervisor->store,
				  disk->binding.id, disk->index, &disk->facts,
				  refusal);
}

static int open_witness(struct disk *disk, struct refusal *refusal)
{
	int r = take_witness(disk, refusal);

	if (r == 0)
		r = check_installed(disk, refusal);
	if (r == 0 && partition_state(disk->partition) == PARTITION_SAVED)
		r = hold_check(disk, refusal);
	return r;
}

static int open_witnesses(struct partition *partition, struct refusal *refusal)
{
	int r;

	if (partition->is_half_uninstalled)
		return refuse(refusal, -EBUSY, "state",
			      "partition %s is partly uninstalled; uninstall "
			      "it again",
			      partition->record.definition.name);
	r = launch_load_disks(partition);
	if (r < 0)
		return refuse(refusal, r, "", "the store cannot be read: %s",
			      store_error(partition->supervisor->store));
	for (unsigned i = 0; i < partition->disk_count; i++) {
		struct disk *disk = &partition->disks[i];

		if (!service_find(partition->supervisor,
				  disk->definition->service))
			return refuse(refusal, -ENOENT, "disks[].service",
				      "there is no service %s",
				      disk->definition->service);
		r = disk_choose_service(disk, refusal);
		if (r == 0)
			r = open_witness(disk, refusal);
		if (r < 0)
			return r;
	}
	return 0;
}

static int reopen_witness(struct disk *disk, struct refusal *refusal)
{
	int r = open_in_turn(disk, true, refusal);

	if (r == 0)
		r = check_installed(disk, refusal);
	if (r < 0)
		close_fd(&disk->witness_fd);
	return r;
}

void launch_reopen_witnesses(struct partition *partition)
{
	struct refusal refusal = { 0 };

	for (unsigned i = 0; i < partition->disk_count; i++) {
		struct disk *disk = &partition->disks[i];

		if (disk->witness_fd == NO_FD &&
		    reopen_witness(disk, &refusal) < 0) {
			partition_event_text(partition, EVENT_WARNING, "%s: %s",
					     refusal.field, refusal.text);
			continue;
		}
		disk_may_be_served(disk);
	}
}

/* What all others that run have been promised, in pages of this kind. */
static uint64_t booked_bytes(const struct partition *partition)
{
	uint32_t kind = partition->record.definition.huge_pages;
	const struct partition *other;
	uint64_t bytes = 0;

	TAILQ_FOREACH(other, &partition->supervisor->partitions, link)
		if (other != partition && other->engine != ENGINE_FOREIGN &&
		    partition_has_monitor(partition_state(other)) &&
		    other->record.definition.huge_pages == kind)
			bytes += other->record.definition.memory_bytes;
	return bytes;
}

static int check_memory(const struct partition *partition,
			struct refusal *refusal)
{
	const struct config *config = &partition->supervisor->config;
	struct memory_host host = memory_of_host();
	struct memory_demand demand = {
		.has_huge_pages = partition->record.definition.huge_pages,
		.wanted_bytes = partition->record.definition.memory_bytes,
		.booked_bytes = booked_bytes(partition),
		.reserve_bytes = (uint64_t)config->memory_reserve_mib << 20,
	};

	return memory_check(&host, &demand, refusal);
}

/* A test may play the monitor where KVM cannot run guests. */
static bool is_kvm_played(void)
{
	return failpoint("engine.kvm");
}

/* The descriptor or -errno. */
static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 && is_kvm_played())
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int choose_kvm(struct partition *partition,
		      const struct probe_engine *probe, struct refusal *refusal)
{
	int fd;

	if (!probe->has_kvm && !is_kvm_played())
		return refuse(refusal, -EOPNOTSUPP, "engine",
			      "kvm cannot run here: %s", probe->kvm_reason);
	fd = open_kvm();
	if (fd < 0)
		return refuse(refusal, fd, "engine",
			      "/dev/kvm cannot be opened: %s", strerror(-fd));
	close_fd(&partition->kvm_fd);
	partition->kvm_fd = fd;
	partition->engine = ENGINE_KVM;
	return 0;
}

/*
 * An ordinary user's QEMU has its jail from user namespaces. Without one it may
 * run if the configuration says so, but has no place for the sockets of its
 * network interfaces.
 */
static int check_jail(struct partition *partition,
		      const struct probe_engine *probe, struct refusal *refusal)
{
	const struct config *config = &partition->supervisor->config;

	if (geteuid() == 0 || !probe->userns_refusal[0])
		return 0;
	if (!(config->allow_missing & SANDBOX_ROOT))
		return refuse(refusal, -EPERM, "engine",
			      "qemu cannot be jailed, %s",
			      probe->userns_refusal);
	if (partition->nic_count)
		return refuse(refusal, -EPERM, "nics",
			      "need a jail for qemu, %s",
			      probe->userns_refusal);
	return 0;
}

static int choose_engine(struct partition *partition, struct refusal *refusal)
{
	uint32_t wanted = definition_of(partition)->engine;
	const struct probe_engine *probe;

	partition->engine = wanted;
	partition->accelerator = PROBE_TCG;
	if (wanted == ENGINE_FOREIGN)
		return 0;
	probe = engine_probe_wait(partition->supervisor->probe);
	if (wanted == ENGINE_KVM ||
	    partition_state(partition) == PARTITION_SAVED ||
	    (wanted == ENGINE_AUTO && probe->engine == ENGINE_KVM))
		return choose_kvm(partition, probe, refusal);
	if (definition_of(partition)->huge_pages)
		return refuse(refusal, -EOPNOTSUPP, "memory.huge-pages",
			      "goes with the kvm engine only, which cannot run "
			      "here: %s",
			      probe->kvm_reason);
	if (!probe->qemu[0])
		return refuse(refusal, -ENOENT, "engine", "%s", probe->reason);
	partition->engine = ENGINE_QEMU;
	partition->accelerator = probe->accelerator;
	return check_jail(partition, probe, refusal);
}

static void close_boot(struct partition *partition)
{
	close_fd(&partition->kernel_fd);
	close_fd(&partition->initrd_fd);
	close_fd(&partition->kvm_fd);
}

static int open_boot(struct partition *partition, struct refusal *refusal)
{
	const struct partition_definition *definition =
		definition_of(partition);
	int kernel_fd = NO_FD, initrd_fd = NO_FD;
	int r;

	errand_step_aside();
	r = storage_open_kernel(definition->kernel, &kernel_fd, refusal);
	if (r == 0 && definition->initrd[0])
		r = storage_open_initrd(definition->initrd, &initrd_fd,
					refusal);
	errand_step_back();
	close_fd(&partition->kernel_fd);
	close_fd(&partition->initrd_fd);
	partition->kernel_fd = kernel_fd;
	partition->initrd_fd = initrd_fd;
	return r;
}

static int check_guest(struct partition *partition, struct refusal *refusal)
{
	const struct partition_definition *definition =
		definition_of(partition);
	int r;

	r = choose_engine(partition, refusal);
	if (r < 0)
		return r;
	if (partition->engine == ENGINE_FOREIGN)
		return listener_clear(definition->vhost_user, refusal);
	return open_boot(partition, refusal);
}

void launch_release(struct partition *partition)
{
	for (unsigned i = 0; i < partition->disk_count; i++)
		disk_release(&partition->disks[i]);
	partition->disk_count = 0;
	close_boot(partition);
	for (unsigned i = 0; i < partition->nic_count; i++)
		nic_unwant(&partition->nics[i]);
	console_close(partition);
}

/* One port more than a service can have would be refused again and again. */
static int check_ports(const struct partition *partition,
		       struct refusal *refusal)
{
	for (unsigned i = 0; i < partition->nic_count; i++) {
		const struct network *network =
			network_find(partition->supervisor,
				     partition->nics[i].definition.network);
		const char *service = network->record.definition.service;
		char field[24];

		if (networks_count_ports(partition->supervisor, service,
					 partition) <= NET_SERVICE_PORTS_MAX)
			continue;
		(void)snprintf(field, sizeof(field), "nics[%u].switch", i);
		return refuse(refusal, -EBUSY, field,
			      "%s is a part of service %s, which has room for "
			      "%d ports",
			      network->record.definition.name, service,
			      NET_SERVICE_PORTS_MAX);
	}
	return 0;
}

int launch_prepare(struct partition *partition, struct refusal *refusal)
{
	bool was_held = hold_has_any(partition);
	int r;

	r = check_guest(partition, refusal);
	if (r == 0)
		r = open_witnesses(partition, refusal);
	if (r == 0 && partition->engine != ENGINE_FOREIGN) {
		r = console_open(partition);
		if (r < 0)
			(void)refuse(refusal, r, "console",
				     "the host cannot create its ring: %s",
				     strerror(-r));
	}
	/* Last: both are booked by the change of state, and nobody's turn comes
	 * between. */
	if (r == 0)
		r = check_ports(partition, refusal);
	if (r == 0 && partition->engine != ENGINE_FOREIGN)
		r = check_memory(partition, refusal);
	if (r < 0 && was_held)
		hold_keep(partition);
	if (r < 0)
		launch_release(partition);
	else
		partition->record.engine = partition->engine;
	return r;
}

int launch_begin(struct partition *partition, enum partition_event event,
		 struct refusal *refusal)
{
	int r = launch_prepare(partition, refusal);

	if (r < 0)
		return r;
	partition->record.restarts = 0;
	partition->is_stop_wanted = false;
	r = partition_check_ending(partition, event, refusal);
	if (r == 0) {
		r = partition_try(partition, event, "");
		if (r < 0)
			(void)partition_refuse_store(partition, r, refusal);
	}
	if (r == 0 && partition->end.is_pending)
		return refuse(refusal, -ECANCELED, "state",
			      "partition %s was stopped before it had started",
			      definition_of(partition)->name);
	if (r < 0 && event == PARTITION_EVENT_RESTORE)
		hold_keep(partition);
	if (r < 0)
		launch_release(partition);
	return r;
}

void launch_go(struct partition *partition)
{
	struct refusal refusal = { 0 };
	int r;

	partition->guest_state = 0;
	partition->is_off = false;
	partition->end.field[0] = '\0';
	r = process_spawn(partition->supervisor, ROLE_MONITOR,
			  definition_of(partition)->name, &monitor_ops,
			  partition, &partition->monitor);
	if (r < 0) {
		(void)refuse(&refusal, r, "", "cannot start its monitor: %s",
			     strerror(-r));
		partition->monitor = NULL;
		partition_end(partition, PARTITION_EVENT_FAILED, refusal.text);
		return;
	}
	/* A number that is known again after our own death. */
	partition->console.binding.id = partition->monitor->id;
	binding_want(&partition->console.binding,
		     partition->console.memory != NO_FD);
	r = launch_send(partition, &refusal);
	if (r < 0)
		process_kill(partition->monitor, refusal.text);
	consoles_progress(partition->supervisor);
}
