/* SPDX-License-Identifier: MIT */
#include "definition/schema.h"

#include <string.h>

#include "base/count.h"
#include "definition/rules.h"

static const char *const class_choices[] = { "production", "mission-critical",
					     "non-production", "batch", NULL };
static const char *const engine_choices[] = { "auto", "kvm", "qemu", "foreign",
					      NULL };
static const char *const restart_choices[] = { "on-failure", "never", "always",
					       NULL };
static const char *const access_choices[] = {
	"rw", "ro", "rw-unfenced", "rw-shared", "rw-published", "ro-stale", NULL
};
static const char *const bus_choices[] = { "blk", "scsi", NULL };
static const char *const type_choices[] = { "disk", "cd", "tape", NULL };
static const char *const cache_choices[] = { "buffered", "direct", NULL };
static const char *const local_reads_choices[] = { "on", "off", NULL };

_Static_assert(ARRAY_COUNT(class_choices) == CLASS_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(engine_choices) == ENGINE_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(restart_choices) == RESTART_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(access_choices) == DISK_ACCESS_COUNT + 1,
	       "one each");
_Static_assert(ARRAY_COUNT(bus_choices) == DISK_BUS_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(type_choices) == DISK_TYPE_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(cache_choices) == DISK_CACHE_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(local_reads_choices) == DISK_LOCAL_READS_COUNT + 1,
	       "one each");

static uint32_t engine_of(const void *record)
{
	return ((const struct partition_document *)record)->partition.engine;
}

static bool is_own(const void *record)
{
	return engine_of(record) != ENGINE_FOREIGN;
}

static bool is_foreign(const void *record)
{
	return engine_of(record) == ENGINE_FOREIGN;
}

static bool is_kvm(const void *record)
{
	return engine_of(record) == ENGINE_KVM ||
	       engine_of(record) == ENGINE_AUTO;
}

static bool has_own_file(const void *record)
{
	return !((const struct disk_definition *)record)->volume[0];
}

static const struct need own_file = { has_own_file,
				      "is the volume's, and goes without one" };
static const struct need own = { is_own, "does not go with engine: foreign" };
static const struct need foreign = { is_foreign,
				     "goes with engine: foreign only" };
static const struct need kvm = { is_kvm, "goes with the kvm engine only" };

#define AT(record, member) .offset = offsetof(struct record, member)
#define TEXT_AT(record, member) \
	AT(record, member), .room = sizeof(((struct record *)0)->member)

/* clang-format off */
static const struct field disk_fields[] = {
	{ "name", 1, FIELD_NAME, .change = CHANGE_UNINSTALLED, .is_required = true, TEXT_AT(disk_definition, name),
	  .help = "The name of the disk, unique in the partition; also its serial number." },
	{ "volume", 14, FIELD_NAME, .change = CHANGE_UNINSTALLED, TEXT_AT(disk_definition, volume),
	  .help = "A volume, which has the file, its size, service and cache, and may be named by several disks." },
	{ "file", 2, FIELD_PATH, .need = &own_file, .change = CHANGE_UNINSTALLED, .is_required = true, TEXT_AT(disk_definition, file),
	  .help = "A raw image or a block device; required unless there is a volume." },
	{ "size", 3, FIELD_SIZE, .need = &own_file, .change = CHANGE_UNINSTALLED, AT(disk_definition, size_bytes), .least = DISK_BYTES_MIN, .most = DISK_BYTES_MAX, .unit = 512, .fallback_text = "the size of the file",
	  .help = "The size of the disk, a multiple of 512, and of a tape how much it can hold; a file that does not exist is created at install, a disk with its size and a tape empty." },
	{ "access", 4, FIELD_CHOICE, .change = CHANGE_UNINSTALLED, AT(disk_definition, access), .choices = access_choices,
	  .help = "Whether the guest may write; rw wants a block device or a file system on which a write ends with its writer, and rw-unfenced takes any other, where a write of a service that died may land on later ones; the last three share a volume with other disks, rw-shared on bus: scsi only." },
	{ "cache", 5, FIELD_CHOICE, .need = &own_file, .change = CHANGE_STOPPED, AT(disk_definition, cache), .choices = cache_choices,
	  .help = "Whether the host's page cache is used (buffered) or passed by (direct)." },
	{ "service", 6, FIELD_NAME, .need = &own_file, .change = CHANGE_STOPPED, .fallback_text = DEFAULT_DISK_SERVICE, TEXT_AT(disk_definition, service),
	  .help = "The disk service that serves it." },
	{ "on-outage", 7, FIELD_OUTAGE, .change = CHANGE_RUNNING, AT(disk_definition, outage), .least = 1, .most = OUTAGE_MS_MAX,
	  .help = "What happens to requests while the disk's service is gone: they are held, or after the time given answered with an error, or the guest is paused." },
	{ "hang", 8, FIELD_TIME, .change = CHANGE_RUNNING, AT(disk_definition, hang_ms), .least = HANG_MS_MIN, .most = HANG_MS_MAX, .fallback = HANG_MS_DEFAULT,
	  .help = "A service that stands still for this long with requests waiting is killed and replaced." },
	{ "queues", 9, FIELD_COUNT, .change = CHANGE_STOPPED, AT(disk_definition, queue_count), .least = 1, .most = QUEUE_COUNT_MAX, .fallback = 1,
	  .help = "How many virtqueues the disk offers to the guest; those of a unit on bus: scsi are its controller's." },
	{ "bus", 10, FIELD_CHOICE, .change = CHANGE_STOPPED, AT(disk_definition, bus), .choices = bus_choices, .fallback_text = "blk, of a cd or tape scsi",
	  .help = "How the guest sees the disk: as a virtio-blk device of its own, or as a unit of its virtio-scsi controller, by its place among those units." },
	{ "type", 11, FIELD_CHOICE, .change = CHANGE_UNINSTALLED, AT(disk_definition, type), .choices = type_choices,
	  .help = "What it is to the guest: a disk, a CD of 2048-byte blocks that is only read, or a tape in a SIMH image, which grows as it is written; a cd and a tape are units on bus: scsi." },
	{ "local-reads", 12, FIELD_CHOICE, .change = CHANGE_STOPPED, AT(disk_definition, local_reads), .choices = local_reads_choices,
	  .help = "Whether what the host's page cache has is read by the partition's own monitor, which is quicker and goes on while the service is gone; never with cache: direct, nor on bus: scsi." },
};

static const struct field nic_fields[] = {
	{ "name", 1, FIELD_NAME, .change = CHANGE_STOPPED, .is_required = true, TEXT_AT(nic_definition, name),
	  .help = "The name of the interface, unique in the partition." },
	{ "switch", 2, FIELD_NAME, .change = CHANGE_STOPPED, .is_required = true, TEXT_AT(nic_definition, network),
	  .help = "The switch of which it is a port." },
	{ "mac", 3, FIELD_MAC, .change = CHANGE_STOPPED, AT(nic_definition, mac), .fallback_text = "an address of our own",
	  .help = "Its MAC address; one that is not given is made at definition and stays." },
	{ "vlan", 4, FIELD_VLAN, .change = CHANGE_RUNNING, AT(nic_definition, vlans.pvid), .fallback_text = "1, or with tagged none",
	  .help = "The VLAN of its frames without a tag." },
	{ "tagged", 5, FIELD_VLANS, .change = CHANGE_RUNNING, AT(nic_definition, vlans.tagged), .most = NIC_VID_MAX,
	  .help = "VLANs whose frames carry a tag; without them the guest knows nothing of VLANs." },
	{ "trunk", 6, FIELD_FLAG, .change = CHANGE_RUNNING, AT(nic_definition, flags), .unit = NIC_TRUNK,
	  .help = "Whether it takes frames for addresses that the switch does not know, as a guest that bridges or routes does, and may send from any address; wants vlan or tagged." },
	{ "isolated", 7, FIELD_FLAG, .change = CHANGE_RUNNING, AT(nic_definition, flags), .unit = NIC_ISOLATED,
	  .help = "Whether it exchanges frames only with ports that are not isolated." },
	{ "any-mac", 8, FIELD_FLAG, .change = CHANGE_RUNNING, AT(nic_definition, flags), .unit = NIC_ANY_MAC,
	  .help = "Whether the guest may send from other MAC addresses than its own." },
	{ "router", 9, FIELD_FLAG, .change = CHANGE_RUNNING, AT(nic_definition, flags), .unit = NIC_ROUTER,
	  .help = "Whether the guest may advertise itself as a router, redirect others and answer DHCP, by IPv4 and IPv6; a trunk may." },
	{ "mtu", 10, FIELD_COUNT, .change = CHANGE_STOPPED, AT(nic_definition, mtu), .least = NIC_MTU_MIN, .most = NIC_MTU_MAX, .fallback = NIC_MTU_DEFAULT,
	  .help = "The longest packet in bytes." },
	{ "queues", 11, FIELD_COUNT, .change = CHANGE_STOPPED, AT(nic_definition, queue_pair_count), .least = 1, .most = NIC_QUEUE_PAIR_MAX, .fallback = 1,
	  .help = "How many pairs of queues the interface offers to the guest." },
	{ "rate", 12, FIELD_RATE, .change = CHANGE_RUNNING, AT(nic_definition, rate), .fallback_text = "no limit",
	  .help = "What the guest may send: so many bytes a period, evenly, and what it saved up." },
	{ "addresses", 13, FIELD_ADDRESSES, .change = CHANGE_RUNNING, AT(nic_definition, addresses), .most = NIC_ADDRESS_MAX, .fallback_text = "any",
	  .help = "IPv4 and IPv6 addresses; when any are given the guest sends from no others." },
};

static const struct field partition_fields[] = {
	{ "partition", 1, FIELD_NAME, .is_required = true, TEXT_AT(partition_document, partition.name),
	  .help = "The name of the partition, unique on this host." },
	{ "description", 17, FIELD_TEXT, .change = CHANGE_RUNNING, TEXT_AT(partition_document, partition.description),
	  .help = "What the partition is for, in the words of whoever defines it." },
	{ "class", 2, FIELD_CHOICE, .change = CHANGE_RUNNING, AT(partition_document, partition.class), .choices = class_choices,
	  .help = "How much the partition matters; shown, and kept for the scheduler." },
	{ "engine", 3, FIELD_CHOICE, .change = CHANGE_STOPPED, AT(partition_document, partition.engine), .choices = engine_choices,
	  .help = "What runs the guest's code: auto is what this host can do, kvm our own virtual machine monitor, qemu a QEMU process, foreign a virtual machine that is not ours and only takes a disk or an interface from us." },
	{ "vhost-user", 4, FIELD_PATH, .is_required = true, .need = &foreign, .change = CHANGE_STOPPED, TEXT_AT(partition_document, partition.vhost_user),
	  .help = "The socket on which a foreign virtual machine finds its disk or its interface; only for engine: foreign." },
	{ "boot", 0, FIELD_GROUP, .help = "What the guest starts from; not for engine: foreign." },
	{ "boot.kernel", 5, FIELD_PATH, .is_required = true, .need = &own, .change = CHANGE_STOPPED, TEXT_AT(partition_document, partition.kernel),
	  .help = "The Linux kernel image; required unless the engine is foreign." },
	{ "boot.initrd", 6, FIELD_PATH, .need = &own, .change = CHANGE_STOPPED, TEXT_AT(partition_document, partition.initrd),
	  .help = "The initial RAM disk." },
	{ "boot.cmdline", 7, FIELD_TEXT, .need = &own, .change = CHANGE_STOPPED, TEXT_AT(partition_document, partition.cmdline),
	  .help = "The kernel's command line." },
	{ "boot.firmware", 0, FIELD_REFUSED, .help = "firmware is not in this release; give boot.kernel" },
	{ "cpu", 0, FIELD_GROUP, .help = "Processors; not for engine: foreign." },
	{ "cpu.virtual", 8, FIELD_COUNT, .need = &own, .change = CHANGE_STOPPED, AT(partition_document, partition.cpu_count), .least = 1, .most = CPU_COUNT_MAX, .fallback = 1,
	  .help = "How many processors the guest sees." },
	{ "cpu.entitlement", 0, FIELD_REFUSED, .help = "CPU entitlements are not in this release" },
	{ "cpu.mode", 0, FIELD_REFUSED, .help = "capped and uncapped CPU modes are not in this release" },
	{ "cpu.weight", 0, FIELD_REFUSED, .help = "CPU weights are not in this release" },
	{ "memory", 0, FIELD_GROUP, .help = "Memory; not for engine: foreign." },
	{ "memory.size", 9, FIELD_SIZE, .is_required = true, .need = &own, .change = CHANGE_STOPPED, AT(partition_document, partition.memory_bytes), .least = MEMORY_BYTES_MIN, .most = MEMORY_BYTES_MAX, .unit = 1ull << 20,
	  .help = "The guest's memory, a multiple of 1M; required unless the engine is foreign." },
	{ "memory.huge-pages", 10, FIELD_SWITCH, .need = &kvm, .change = CHANGE_STOPPED, AT(partition_document, partition.huge_pages),
	  .help = "Whether the guest's memory is made of the host's huge pages, in which case its size is a multiple of 2M and the partition starts only while enough of them are free; they stay reserved for it until it ends, so it has no balloon; only for the kvm engine." },
	{ "memory.max", 0, FIELD_REFUSED, .help = "growing memory is not in this release" },
	{ "disks", 11, FIELD_LIST, .change = CHANGE_UNINSTALLED, .most = DISK_COUNT_MAX, .element = &disk_record, AT(partition_document, partition.disks), .count_offset = offsetof(struct partition_document, partition.disk_count), .help = "The guest's disks, in the order in which it sees them." },
	{ "scsi", 0, FIELD_GROUP, .help = "The virtio-scsi controller of the disks on bus: scsi; not for engine: foreign." },
	{ "scsi.queues", 18, FIELD_COUNT, .need = &own, .change = CHANGE_STOPPED, AT(partition_document, partition.scsi_queue_count), .least = 1, .most = QUEUE_COUNT_MAX, .fallback = 1,
	  .help = "How many request queues the controller offers to the guest." },
	{ "nics", 12, FIELD_LIST, .change = CHANGE_STOPPED, .most = NIC_COUNT_MAX, .element = &nic_record, AT(partition_document, nics), .count_offset = offsetof(struct partition_document, nic_count), .help = "The guest's network interfaces, in the order in which it sees them." },
	{ "console", 0, FIELD_GROUP, .help = "The console; not for engine: foreign." },
	{ "console.log", 13, FIELD_SIZE, .need = &own, .change = CHANGE_RUNNING, AT(partition_document, partition.console_log_bytes), .most = CONSOLE_LOG_MAX, .unit = 1, .fallback = CONSOLE_LOG_DEFAULT,
	  .help = "How much of the console's output is kept on disk; 0 keeps none." },
	{ "restart", 14, FIELD_CHOICE, .change = CHANGE_RUNNING, AT(partition_document, partition.restart), .choices = restart_choices,
	  .help = "Whether the partition is started again, after growing pauses, when it ends without having been stopped or only resets itself as it begins." },
	{ "autostart", 15, FIELD_SWITCH, .change = CHANGE_RUNNING, AT(partition_document, partition.autostart),
	  .help = "Whether the partition starts with the supervisor." },
	{ "stop", 0, FIELD_GROUP, .help = "How the partition is stopped." },
	{ "stop.deadline", 16, FIELD_TIME, .change = CHANGE_RUNNING, AT(partition_document, partition.stop_ms), .least = 1, .most = STOP_MS_MAX, .fallback = STOP_MS_DEFAULT,
	  .help = "How long the guest may take to power off before it is switched off." },
};

static const struct field switch_fields[] = {
	{ "name", 1, FIELD_NAME, .is_required = true, TEXT_AT(switch_definition, name),
	  .help = "The name of the switch, unique on this host." },
	{ "service", 2, FIELD_NAME, .change = CHANGE_NEVER, .fallback_text = DEFAULT_NET_SERVICE, TEXT_AT(switch_definition, service),
	  .help = "The network service that it is part of." },
	{ "uplink", 3, FIELD_UPLINK, .change = CHANGE_RUNNING, AT(switch_definition, uplink),
	  .help = "What connects it with the world outside." },
	{ "vlan", 4, FIELD_VLAN, .change = CHANGE_RUNNING, AT(switch_definition, vlans.pvid), .fallback_text = "1, or with tagged none",
	  .help = "The uplink's VLAN of frames without a tag." },
	{ "tagged", 5, FIELD_VLANS, .change = CHANGE_RUNNING, AT(switch_definition, vlans.tagged), .most = NIC_VID_MAX,
	  .help = "The uplink's VLANs whose frames carry a tag." },
};

static const struct field volume_fields[] = {
	{ "volume", 1, FIELD_NAME, .is_required = true, TEXT_AT(volume_definition, name),
	  .help = "The name of the volume, unique on this host." },
	{ "description", 6, FIELD_TEXT, .change = CHANGE_NEVER, TEXT_AT(volume_definition, description),
	  .help = "What the volume is for, in the words of whoever defines it." },
	{ "file", 2, FIELD_PATH, .change = CHANGE_NEVER, .is_required = true, TEXT_AT(volume_definition, file),
	  .help = "A raw image or a block device." },
	{ "size", 3, FIELD_SIZE, .change = CHANGE_NEVER, AT(volume_definition, size_bytes), .least = DISK_BYTES_MIN, .most = DISK_BYTES_MAX, .unit = 512, .fallback_text = "the size of the file",
	  .help = "The size of the volume, a multiple of 512; a file that does not exist is created with it when the first partition that names the volume is installed." },
	{ "service", 4, FIELD_NAME, .change = CHANGE_NEVER, .fallback_text = DEFAULT_DISK_SERVICE, TEXT_AT(volume_definition, service),
	  .help = "The disk service that serves it, with all its clients." },
	{ "cache", 5, FIELD_CHOICE, .change = CHANGE_NEVER, AT(volume_definition, cache), .choices = cache_choices,
	  .help = "Whether the host's page cache is used (buffered) or passed by (direct)." },
};
/* clang-format on */

const struct record_type disk_record = {
	.name = "disk",
	.fields = disk_fields,
	.field_count = ARRAY_COUNT(disk_fields),
	.bytes = sizeof(struct disk_definition),
	.complete = rules_complete_disk,
	.check = rules_check_disk,
};

const struct record_type nic_record = {
	.name = "interface",
	.fields = nic_fields,
	.field_count = ARRAY_COUNT(nic_fields),
	.bytes = sizeof(struct nic_definition),
	.complete = rules_complete_nic,
	.check = rules_check_nic,
};

const struct record_type partition_record = {
	.name = "partition",
	.fields = partition_fields,
	.field_count = ARRAY_COUNT(partition_fields),
	.bytes = sizeof(struct partition_document),
	.check = rules_check_partition,
};

const struct record_type switch_record = {
	.name = "switch",
	.fields = switch_fields,
	.field_count = ARRAY_COUNT(switch_fields),
	.bytes = sizeof(struct switch_definition),
	.complete = rules_complete_switch,
	.check = rules_check_switch,
};

const struct record_type volume_record = {
	.name = "volume",
	.fields = volume_fields,
	.field_count = ARRAY_COUNT(volume_fields),
	.bytes = sizeof(struct volume_definition),
};

/* Who reads or decodes a record keeps a bit for each. */
_Static_assert(ARRAY_COUNT(partition_fields) <= 64, "a bit for each");

const struct field *record_find(const struct record_type *record,
				const char *path)
{
	for (size_t i = 0; i < record->field_count; i++)
		if (strcmp(record->fields[i].path, path) == 0)
			return &record->fields[i];
	return NULL;
}

const char *field_key(const struct field *field)
{
	const char *dot = strchr(field->path, '.');

	return dot ? dot + 1 : field->path;
}

bool field_is_needed(const struct field *field, const void *record)
{
	return !field->need || field->need->is_met(record);
}

uint32_t field_list_count(const struct field *field, const void *record)
{
	uint32_t count;

	memcpy(&count, (const char *)record + field->count_offset,
	       sizeof(count));
	return (uint32_t)min_u64(count, field->most);
}

void *field_list_at(const struct field *field, const void *record,
		    uint32_t index)
{
	return (char *)record + field->offset +
	       (size_t)index * field->element->bytes;
}
