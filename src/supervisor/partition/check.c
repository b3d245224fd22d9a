/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/check.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A check ends at the first field at fault. */
struct checking {
	const char *prefix; /* "disks[0]." or "" */
	struct refusal *refusal;
};

static int refuse_field(const struct checking *checking, const char *field,
			const char *rule)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s%s", checking->prefix, field);
	return refuse(checking->refusal, -EINVAL, name, "%s", rule);
}

static int check_range(const struct checking *checking, const char *field,
		       uint64_t value, uint64_t least, uint64_t most)
{
	char rule[96];

	if (value >= least && value <= most)
		return 0;
	(void)snprintf(rule, sizeof(rule), "must be between %llu and %llu",
		       (unsigned long long)least, (unsigned long long)most);
	return refuse_field(checking, field, rule);
}

static int check_choice(const struct checking *checking, const char *field,
			uint32_t value, uint32_t count)
{
	return value < count ? 0
			     : refuse_field(checking, field, "is not a choice");
}

static bool is_zero(const void *from, size_t bytes)
{
	const uint8_t *byte = from;

	while (bytes > 0 && *byte == 0) {
		byte++;
		bytes--;
	}
	return bytes == 0;
}

/* Terminated, zero behind the terminator, nothing that moves a cursor. */
static int check_text(const struct checking *checking, const char *field,
		      const char *text, size_t room)
{
	size_t length;

	if (!text_is_terminated(text, room))
		return refuse_field(checking, field, "is too long");
	length = strlen(text);
	if (!is_zero(text + length, room - length))
		return refuse_field(checking, field,
				    "has bytes behind its end");
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return refuse_field(checking, field,
					    "has a control character");
	return 0;
}

static int check_name_in(const struct checking *checking, const char *field,
			 const char *name)
{
	int r = check_text(checking, field, name, NAME_SIZE);

	if (r == 0 && !text_is_name(name, NAME_SIZE))
		r = refuse_field(
			checking, field,
			"must be 1 to 31 of a-z 0-9 _ . - and begin with a "
			"letter or digit");
	return r;
}

static int check_path(const struct checking *checking, const char *field,
		      const char *path, size_t room)
{
	int r = check_text(checking, field, path, room);

	if (r == 0 && path[0] != '/')
		r = refuse_field(checking, field, "must be an absolute path");
	return r;
}

static int check_outage(const struct checking *checking,
			const struct disk_definition *disk)
{
	int r = check_choice(checking, "on-outage", disk->outage.policy,
			     OUTAGE_COUNT);

	if (r < 0)
		return r;
	if (disk->outage.policy != OUTAGE_HOLD)
		return check_range(checking, "on-outage", disk->outage.ms, 1,
				   OUTAGE_MS_MAX);
	if (disk->outage.ms != 0)
		return refuse_field(checking, "on-outage",
				    "hold takes no time");
	return 0;
}

static int check_disk_size(const struct checking *checking,
			   const struct disk_definition *disk)
{
	if (disk->size_bytes == 0)
		return 0;
	if (disk->size_bytes % 512 != 0)
		return refuse_field(checking, "size",
				    "must be a multiple of 512");
	return check_range(checking, "size", disk->size_bytes, DISK_BYTES_MIN,
			   DISK_BYTES_MAX);
}

static int check_disk_text(const struct checking *checking,
			   const struct disk_definition *disk)
{
	int r = check_name_in(checking, "name", disk->name);

	if (r == 0)
		r = check_name_in(checking, "service", disk->service);
	if (r == 0)
		r = check_path(checking, "file", disk->file,
			       sizeof(disk->file));
	return r;
}

static int check_disk_numbers(const struct checking *checking,
			      const struct disk_definition *disk)
{
	int r = check_disk_size(checking, disk);

	if (r == 0)
		r = check_choice(checking, "access", disk->access,
				 DISK_ACCESS_COUNT);
	if (r == 0)
		r = check_choice(checking, "cache", disk->cache,
				 DISK_CACHE_COUNT);
	if (r == 0)
		r = check_outage(checking, disk);
	if (r == 0)
		r = check_range(checking, "hang", disk->hang_ms, HANG_MS_MIN,
				HANG_MS_MAX);
	if (r == 0)
		r = check_range(checking, "queues", disk->queue_count, 1,
				QUEUE_COUNT_MAX);
	return r;
}

/* Two disks of one partition. */
static int check_disk_pair(const struct checking *checking,
			   const struct disk_definition *disk,
			   const struct disk_definition *earlier)
{
	if (strcmp(disk->name, earlier->name) == 0)
		return refuse_field(checking, "name",
				    "is the name of another disk");
	if (strcmp(disk->file, earlier->file) == 0 &&
	    (disk->access != DISK_READ_ONLY ||
	     earlier->access != DISK_READ_ONLY))
		return refuse_field(checking, "file",
				    "is the file of another disk");
	return 0;
}

static int check_disk(const struct partition_definition *definition,
		      uint32_t index, struct refusal *refusal)
{
	const struct disk_definition *disk = &definition->disks[index];
	char prefix[24];
	struct checking checking = { .prefix = prefix, .refusal = refusal };
	int r;

	(void)snprintf(prefix, sizeof(prefix), "disks[%u].", index);
	r = check_disk_text(&checking, disk);
	if (r == 0)
		r = check_disk_numbers(&checking, disk);
	for (uint32_t i = 0; r == 0 && i < index; i++)
		r = check_disk_pair(&checking, disk, &definition->disks[i]);
	return r;
}

static int check_disks(const struct partition_definition *definition,
		       const struct checking *checking)
{
	uint32_t count = definition->disk_count;
	int r = 0;

	if (count > DISK_COUNT_MAX)
		return refuse_field(checking, "disks", "are more than 8");
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = check_disk(definition, i, checking->refusal);
	if (r == 0 &&
	    !is_zero(&definition->disks[count],
		     (DISK_COUNT_MAX - count) * sizeof(definition->disks[0])))
		r = refuse_field(checking, "disks",
				 "has bytes behind the last one");
	return r;
}

static int check_all_text(const struct partition_definition *definition,
			  const struct checking *checking)
{
	int r = check_name_in(checking, "partition", definition->name);

	if (r == 0)
		r = check_text(checking, "boot.kernel", definition->kernel,
			       sizeof(definition->kernel));
	if (r == 0)
		r = check_text(checking, "boot.initrd", definition->initrd,
			       sizeof(definition->initrd));
	if (r == 0)
		r = check_text(checking, "boot.cmdline", definition->cmdline,
			       sizeof(definition->cmdline));
	if (r == 0)
		r = check_text(checking, "vhost-user", definition->vhost_user,
			       sizeof(definition->vhost_user));
	return r;
}

static int check_choices(const struct partition_definition *definition,
			 const struct checking *checking)
{
	int r = check_choice(checking, "class", definition->class, CLASS_COUNT);

	if (r == 0)
		r = check_choice(checking, "engine", definition->engine,
				 ENGINE_COUNT);
	if (r == 0)
		r = check_choice(checking, "restart", definition->restart,
				 RESTART_COUNT);
	if (r == 0)
		r = check_choice(checking, "autostart", definition->autostart,
				 2);
	if (r == 0)
		r = check_range(checking, "stop.deadline", definition->stop_ms,
				1, STOP_MS_MAX);
	if (r == 0)
		r = check_choice(checking, "memory.huge-pages",
				 definition->huge_pages, 2);
	if (r == 0 && definition->reserved_tail)
		r = refuse_field(checking, "", "reserved bytes are not zero");
	return r;
}

static int check_memory(const struct partition_definition *definition,
			const struct checking *checking)
{
	int r = check_range(checking, "memory.size", definition->memory_bytes,
			    MEMORY_BYTES_MIN, MEMORY_BYTES_MAX);

	if (r == 0 && definition->memory_bytes % (1ull << 20) != 0)
		r = refuse_field(checking, "memory.size",
				 "must be a multiple of 1M");
	if (r < 0 || !definition->huge_pages)
		return r;
	if (definition->engine == ENGINE_QEMU)
		return refuse_field(checking, "memory.huge-pages",
				    "goes with the kvm engine only");
	if (definition->memory_bytes % HUGE_PAGE_BYTES != 0)
		return refuse_field(checking, "memory.size",
				    "must be a multiple of 2M with huge pages");
	return 0;
}

/* A partition whose virtual machine is ours. */
static int check_own(const struct partition_definition *definition,
		     const struct checking *checking)
{
	int r = check_range(checking, "cpu.virtual", definition->cpu_count, 1,
			    CPU_COUNT_MAX);

	if (r == 0)
		r = check_memory(definition, checking);
	if (r == 0)
		r = check_range(checking, "console.log",
				definition->console_log_bytes, 0,
				CONSOLE_LOG_MAX);
	if (r == 0)
		r = check_path(checking, "boot.kernel", definition->kernel,
			       sizeof(definition->kernel));
	if (r == 0 && definition->initrd[0])
		r = check_path(checking, "boot.initrd", definition->initrd,
			       sizeof(definition->initrd));
	if (r == 0 && definition->vhost_user[0])
		r = refuse_field(checking, "vhost-user",
				 "goes with engine: foreign only");
	return r;
}

/* A disk for someone else's virtual machine, or else an interface: see
 * check_nics(). */
static int check_foreign(const struct partition_definition *definition,
			 const struct checking *checking)
{
	if (definition->disk_count > 1)
		return refuse_field(checking, "disks",
				    "engine: foreign takes one disk only");
	if (definition->kernel[0] || definition->initrd[0] ||
	    definition->cmdline[0])
		return refuse_field(checking, "boot",
				    "does not go with engine: foreign");
	if (definition->cpu_count)
		return refuse_field(checking, "cpu",
				    "does not go with engine: foreign");
	if (definition->memory_bytes || definition->huge_pages)
		return refuse_field(checking, "memory",
				    "does not go with engine: foreign");
	if (definition->console_log_bytes)
		return refuse_field(checking, "console",
				    "does not go with engine: foreign");
	return check_path(checking, "vhost-user", definition->vhost_user,
			  sizeof(definition->vhost_user));
}

int check_definition(const struct partition_definition *definition,
		     struct refusal *ret_refusal)
{
	struct checking checking = { .prefix = "", .refusal = ret_refusal };
	int r = check_all_text(definition, &checking);

	if (r == 0)
		r = check_choices(definition, &checking);
	if (r == 0)
		r = definition->engine == ENGINE_FOREIGN
			    ? check_foreign(definition, &checking)
			    : check_own(definition, &checking);
	return r < 0 ? r : check_disks(definition, &checking);
}

int check_definition_services(const struct partition_definition *definition,
			      bool (*has_service)(void *context,
						  const char *name),
			      void *context, struct refusal *ret_refusal)
{
	for (uint32_t i = 0; i < definition->disk_count; i++) {
		const char *service = definition->disks[i].service;
		char field[32];

		if (has_service(context, service))
			continue;
		(void)snprintf(field, sizeof(field), "disks[%u].service", i);
		return refuse(ret_refusal, -EINVAL, field,
			      "there is no disk service %s", service);
	}
	return 0;
}

int check_name(const char name[NAME_SIZE], const char *field,
	       struct refusal *ret_refusal)
{
	struct checking checking = { .prefix = "", .refusal = ret_refusal };

	return check_name_in(&checking, field, name);
}

int check_service_settings(const struct service_settings *settings,
			   struct refusal *ret_refusal)
{
	struct checking checking = { .prefix = "", .refusal = ret_refusal };
	int r = check_name_in(&checking, "service", settings->name);

	if (r == 0 && settings->role && settings->role != ROLE_DISK &&
	    settings->role != ROLE_CONSOLE && settings->role != ROLE_NET)
		r = refuse_field(&checking, "role",
				 "must be disk, console or net");
	if (r == 0)
		r = check_range(&checking, "standby", settings->standby_count,
				0, 1);
	return r;
}
