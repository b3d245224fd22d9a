/* SPDX-License-Identifier: MIT */
#include "definition/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "definition/units.h"

static const char *const class_choices[] = { "production", "mission-critical",
					     "non-production", "batch", NULL };
static const char *const engine_choices[] = { "auto", "kvm", "qemu", "foreign",
					      NULL };
static const char *const restart_choices[] = { "on-failure", "never", "always",
					       NULL };
static const char *const access_choices[] = { "rw", "ro", "rw-unfenced", NULL };
static const char *const cache_choices[] = { "buffered", "direct", NULL };

_Static_assert(ARRAY_COUNT(class_choices) == CLASS_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(engine_choices) == ENGINE_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(restart_choices) == RESTART_COUNT + 1, "one each");
_Static_assert(ARRAY_COUNT(access_choices) == DISK_ACCESS_COUNT + 1,
	       "one each");
_Static_assert(ARRAY_COUNT(cache_choices) == DISK_CACHE_COUNT + 1, "one each");

#define OF(member) .offset = offsetof(struct partition_definition, member)
#define TEXT_OF(member) \
	OF(member), .room = sizeof(((struct partition_definition *)0)->member)
#define OF_DISK(member) .offset = offsetof(struct disk_definition, member)
#define TEXT_OF_DISK(member) \
	OF_DISK(member), .room = sizeof(((struct disk_definition *)0)->member)

#define OF_NIC(member) .offset = offsetof(struct nic_definition, member)
#define TEXT_OF_NIC(member) \
	OF_NIC(member), .room = sizeof(((struct nic_definition *)0)->member)

/* clang-format off */
static const struct field fields[] = {
	{ "partition", FIELD_NAME, .is_required = true, TEXT_OF(name),
	  .help = "The name of the partition, unique on this host." },
	{ "class", FIELD_CHOICE, .change = CHANGE_RUNNING, OF(class), .choices = class_choices,
	  .help = "How much the partition matters; shown, and kept for the scheduler." },
	{ "engine", FIELD_CHOICE, .change = CHANGE_STOPPED, OF(engine), .choices = engine_choices,
	  .help = "What runs the guest's code: auto is what this host can do, kvm our own virtual machine monitor, qemu a QEMU process, foreign a virtual machine that is not ours and only takes a disk or an interface from us." },
	{ "vhost-user", FIELD_PATH, .change = CHANGE_STOPPED, .room = SOCKET_PATH_SIZE, OF(vhost_user),
	  .help = "The socket on which a foreign virtual machine finds its disk or its interface; only for engine: foreign." },
	{ "boot", FIELD_GROUP, .help = "What the guest starts from; not for engine: foreign." },
	{ "boot.kernel", FIELD_PATH, .change = CHANGE_STOPPED, TEXT_OF(kernel),
	  .help = "The Linux kernel image; required unless the engine is foreign." },
	{ "boot.initrd", FIELD_PATH, .change = CHANGE_STOPPED, TEXT_OF(initrd),
	  .help = "The initial RAM disk." },
	{ "boot.cmdline", FIELD_TEXT, .change = CHANGE_STOPPED, TEXT_OF(cmdline),
	  .help = "The kernel's command line." },
	{ "boot.firmware", FIELD_REFUSED, .help = "firmware is not in this release; give boot.kernel" },
	{ "cpu", FIELD_GROUP, .help = "Processors; not for engine: foreign." },
	{ "cpu.virtual", FIELD_COUNT, .change = CHANGE_STOPPED, OF(cpu_count), .least = 1, .most = CPU_COUNT_MAX, .fallback = 1,
	  .help = "How many processors the guest sees." },
	{ "cpu.entitlement", FIELD_REFUSED, .help = "CPU entitlements are not in this release" },
	{ "cpu.mode", FIELD_REFUSED, .help = "capped and uncapped CPU modes are not in this release" },
	{ "cpu.weight", FIELD_REFUSED, .help = "CPU weights are not in this release" },
	{ "memory", FIELD_GROUP, .help = "Memory; not for engine: foreign." },
	{ "memory.size", FIELD_SIZE, .change = CHANGE_STOPPED, OF(memory_bytes), .least = MEMORY_BYTES_MIN, .most = MEMORY_BYTES_MAX, .unit = 1ull << 20,
	  .help = "The guest's memory, a multiple of 1M; required unless the engine is foreign." },
	{ "memory.huge-pages", FIELD_SWITCH, .change = CHANGE_STOPPED, OF(huge_pages),
	  .help = "Whether the guest's memory is made of the host's huge pages, in which case its size is a multiple of 2M and the partition starts only while enough of them are free; they stay reserved for it until it ends, so it has no balloon; only for the kvm engine." },
	{ "memory.max", FIELD_REFUSED, .help = "growing memory is not in this release" },
	{ "disks", FIELD_LIST, .change = CHANGE_UNINSTALLED, .most = DISK_COUNT_MAX, .help = "The guest's disks, in the order in which it sees them." },
	{ "disks[].name", FIELD_NAME, .change = CHANGE_UNINSTALLED, .is_required = true, TEXT_OF_DISK(name),
	  .help = "The name of the disk, unique in the partition; also its serial number." },
	{ "disks[].file", FIELD_PATH, .change = CHANGE_UNINSTALLED, .is_required = true, TEXT_OF_DISK(file),
	  .help = "A raw image or a block device." },
	{ "disks[].size", FIELD_SIZE, .change = CHANGE_UNINSTALLED, OF_DISK(size_bytes), .least = DISK_BYTES_MIN, .most = DISK_BYTES_MAX, .unit = 512, .fallback_text = "the size of the file",
	  .help = "The size of the disk, a multiple of 512; a file that does not exist is created with it at install." },
	{ "disks[].access", FIELD_CHOICE, .change = CHANGE_UNINSTALLED, OF_DISK(access), .choices = access_choices,
	  .help = "Whether the guest may write; rw wants a block device or a file system on which a write ends with its writer, and rw-unfenced takes any other, where a write of a service that died may land on later ones." },
	{ "disks[].cache", FIELD_CHOICE, .change = CHANGE_STOPPED, OF_DISK(cache), .choices = cache_choices,
	  .help = "Whether the host's page cache is used (buffered) or passed by (direct)." },
	{ "disks[].service", FIELD_NAME, .change = CHANGE_STOPPED, .fallback_text = DEFAULT_DISK_SERVICE, TEXT_OF_DISK(service),
	  .help = "The disk service that serves it." },
	{ "disks[].on-outage", FIELD_OUTAGE, .change = CHANGE_RUNNING, .least = 1, .most = OUTAGE_MS_MAX,
	  .help = "What happens to requests while the disk's service is gone: they are held, or after the time given answered with an error, or the guest is paused." },
	{ "disks[].hang", FIELD_TIME, .change = CHANGE_RUNNING, OF_DISK(hang_ms), .least = HANG_MS_MIN, .most = HANG_MS_MAX, .fallback = HANG_MS_DEFAULT,
	  .help = "A service that stands still for this long with requests waiting is killed and replaced." },
	{ "disks[].queues", FIELD_COUNT, .change = CHANGE_STOPPED, OF_DISK(queue_count), .least = 1, .most = QUEUE_COUNT_MAX, .fallback = 1,
	  .help = "How many virtqueues the disk offers to the guest." },
	{ "nics", FIELD_LIST, .change = CHANGE_STOPPED, .most = NIC_COUNT_MAX, .help = "The guest's network interfaces, in the order in which it sees them." },
	{ "nics[].name", FIELD_NAME, .change = CHANGE_STOPPED, .is_required = true, TEXT_OF_NIC(name),
	  .help = "The name of the interface, unique in the partition." },
	{ "nics[].switch", FIELD_NAME, .change = CHANGE_STOPPED, .is_required = true, TEXT_OF_NIC(network),
	  .help = "The switch of which it is a port." },
	{ "nics[].mac", FIELD_MAC, .change = CHANGE_STOPPED, OF_NIC(mac), .fallback_text = "an address of our own",
	  .help = "Its MAC address; one that is not given is made at definition and stays." },
	{ "nics[].vlan", FIELD_VLAN, .change = CHANGE_RUNNING, OF_NIC(vlans.pvid), .fallback_text = "1, or with tagged none",
	  .help = "The VLAN of its frames without a tag." },
	{ "nics[].tagged", FIELD_VLANS, .change = CHANGE_RUNNING, OF_NIC(vlans.vids), .most = NIC_VID_MAX,
	  .help = "VLANs whose frames carry a tag; without them the guest knows nothing of VLANs." },
	{ "nics[].trunk", FIELD_FLAG, .change = CHANGE_RUNNING, OF_NIC(flags), .unit = NIC_TRUNK,
	  .help = "Whether it takes frames for addresses that the switch does not know, as a guest that bridges or routes does, and may send from any address; wants vlan or tagged." },
	{ "nics[].isolated", FIELD_FLAG, .change = CHANGE_RUNNING, OF_NIC(flags), .unit = NIC_ISOLATED,
	  .help = "Whether it exchanges frames only with ports that are not isolated." },
	{ "nics[].any-mac", FIELD_FLAG, .change = CHANGE_RUNNING, OF_NIC(flags), .unit = NIC_ANY_MAC,
	  .help = "Whether the guest may send from other MAC addresses than its own." },
	{ "nics[].router", FIELD_FLAG, .change = CHANGE_RUNNING, OF_NIC(flags), .unit = NIC_ROUTER,
	  .help = "Whether the guest may advertise itself as a router, redirect others and answer DHCP, by IPv4 and IPv6; a trunk may." },
	{ "nics[].mtu", FIELD_COUNT, .change = CHANGE_STOPPED, OF_NIC(mtu), .least = NIC_MTU_MIN, .most = NIC_MTU_MAX, .fallback = NIC_MTU_DEFAULT,
	  .help = "The longest packet in bytes." },
	{ "nics[].queues", FIELD_COUNT, .change = CHANGE_STOPPED, OF_NIC(queue_pair_count), .least = 1, .most = NIC_QUEUE_PAIR_MAX, .fallback = 1,
	  .help = "How many pairs of queues the interface offers to the guest." },
	{ "nics[].rate", FIELD_RATE, .change = CHANGE_RUNNING, OF_NIC(rate), .fallback_text = "no limit",
	  .help = "What the guest may send: so many bytes a period, evenly, and what it saved up." },
	{ "nics[].addresses", FIELD_ADDRESSES, .change = CHANGE_RUNNING, OF_NIC(addresses), .most = NIC_ADDRESS_MAX, .fallback_text = "any",
	  .help = "IPv4 and IPv6 addresses; when any are given the guest sends from no others." },
	{ "console", FIELD_GROUP, .help = "The console; not for engine: foreign." },
	{ "console.log", FIELD_SIZE, .change = CHANGE_RUNNING, OF(console_log_bytes), .most = CONSOLE_LOG_MAX, .unit = 1, .fallback = CONSOLE_LOG_DEFAULT,
	  .help = "How much of the console's output is kept on disk; 0 keeps none." },
	{ "restart", FIELD_CHOICE, .change = CHANGE_RUNNING, OF(restart), .choices = restart_choices,
	  .help = "Whether the partition is started again, after growing pauses, when it ends without having been stopped or only resets itself as it begins." },
	{ "autostart", FIELD_SWITCH, .change = CHANGE_RUNNING, OF(autostart),
	  .help = "Whether the partition starts with the supervisor." },
	{ "stop", FIELD_GROUP, .help = "How the partition is stopped." },
	{ "stop.deadline", FIELD_TIME, .change = CHANGE_RUNNING, OF(stop_ms), .least = 1, .most = STOP_MS_MAX, .fallback = STOP_MS_DEFAULT,
	  .help = "How long the guest may take to power off before it is switched off." },
};
/* clang-format on */

_Static_assert(ARRAY_COUNT(fields) <= 64, "the parser keeps a bit for each");

const struct field *schema_fields(size_t *ret_count)
{
	*ret_count = ARRAY_COUNT(fields);
	return fields;
}

const struct field *schema_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++)
		if (strcmp(fields[i].path, path) == 0)
			return &fields[i];
	return NULL;
}

enum field_owner field_owner(const struct field *field)
{
	if (!strchr(field->path, ']'))
		return OWNER_PARTITION;
	return field->path[0] == 'd' ? OWNER_DISK : OWNER_NIC;
}

bool field_is_list(const struct field *field)
{
	return field->type == FIELD_VLANS || field->type == FIELD_ADDRESSES;
}

const char *field_key(const struct field *field)
{
	const char *dot = strchr(field->path, '.');

	return dot ? dot + 1 : field->path;
}

static void describe_choices(const struct field *field, char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; field->choices[i] && used < room; i++)
		used += (size_t)snprintf(to + used, room - used, "%s%s",
					 i ? " | " : "", field->choices[i]);
}

/* What needs no more words than these. */
static const char *const ranges[] = {
	[FIELD_SWITCH] = "true | false",
	[FIELD_FLAG] = "true | false",
	[FIELD_MAC] = "six bytes such as 02:00:00:00:00:01, not a group's "
		      "address",
	[FIELD_VLAN] = "1 to 4094",
	[FIELD_RATE] = "BYTES/PERIOD such as 125K/10ms, 1 to 1T in 1us to 1s",
	[FIELD_GROUP] = "map",
	[FIELD_REFUSED] = "refused",
};

static void describe_bounds(const struct field *field,
			    void (*write)(char *to, uint64_t value), char *to,
			    size_t room)
{
	char least[UNIT_SIZE];
	char most[UNIT_SIZE];

	write(least, field->least);
	write(most, field->most);
	(void)snprintf(to, room, "%s to %s", least, most);
}

/* Lists; and an outage, which is a choice with a time. */
static void describe_most(const struct field *field, char *to, size_t room)
{
	unsigned long long count = field->most;
	char most[UNIT_SIZE];

	if (field->type == FIELD_OUTAGE) {
		time_write(most, field->most);
		(void)snprintf(to, room,
			       "hold | \"fail: TIME\" | \"pause: TIME\", TIME "
			       "up to %s",
			       most);
	} else if (field->type == FIELD_VLANS) {
		(void)snprintf(to, room,
			       "list of up to %llu different numbers, 1 to "
			       "4094, without vlan",
			       count);
	} else if (field->type == FIELD_ADDRESSES) {
		(void)snprintf(to, room, "list of up to %llu of each kind",
			       count);
	} else {
		(void)snprintf(to, room, "list of up to %llu maps", count);
	}
}

void field_describe_range(const struct field *field, char *to, size_t room)
{
	if (field->type < ARRAY_COUNT(ranges) && ranges[field->type])
		(void)snprintf(to, room, "%s", ranges[field->type]);
	else if (field->type == FIELD_NAME)
		(void)snprintf(to, room,
			       "1 to %d of a-z 0-9 _ . -, beginning with a "
			       "letter or digit",
			       NAME_SIZE - 1);
	else if (field->type == FIELD_TEXT)
		(void)snprintf(to, room, "text of up to %u bytes",
			       field->room - 1);
	else if (field->type == FIELD_PATH)
		(void)snprintf(to, room, "absolute path of up to %u bytes",
			       field->room - 1);
	else if (field->type == FIELD_COUNT)
		(void)snprintf(to, room, "%llu to %llu",
			       (unsigned long long)field->least,
			       (unsigned long long)field->most);
	else if (field->type == FIELD_SIZE)
		describe_bounds(field, size_write, to, room);
	else if (field->type == FIELD_TIME)
		describe_bounds(field, time_write, to, room);
	else if (field->type == FIELD_CHOICE)
		describe_choices(field, to, room);
	else
		describe_most(field, to, room);
}

void field_describe_fallback(const struct field *field, char *to, size_t room)
{
	char text[UNIT_SIZE];

	text[0] = '\0';
	if (field->type == FIELD_COUNT)
		(void)snprintf(text, sizeof(text), "%llu",
			       (unsigned long long)field->fallback);
	if (field->type == FIELD_SIZE && field->fallback)
		size_write(text, field->fallback);
	if (field->type == FIELD_TIME)
		time_write(text, field->fallback);
	(void)snprintf(to, room, "%s", text);
	if (field->type == FIELD_CHOICE)
		(void)snprintf(to, room, "%s", field->choices[field->fallback]);
	if (field->type == FIELD_SWITCH || field->type == FIELD_FLAG)
		(void)snprintf(to, room, "false");
	if (field->type == FIELD_OUTAGE)
		(void)snprintf(to, room, "hold");
	if (field->fallback_text)
		(void)snprintf(to, room, "%s", field->fallback_text);
}
