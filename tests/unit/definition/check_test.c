/* SPDX-License-Identifier: MIT */
#include "definition/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "definition/rules.h"
#include "lib/harness.h"

static struct partition_document document;
#define definition (document.partition)
static struct refusal refusal;

static void make_disk(struct disk_definition *disk, const char *name)
{
	(void)text_copy(disk->name, sizeof(disk->name), name);
	(void)text_copy(disk->service, sizeof(disk->service), "disk0");
	(void)snprintf(disk->file, sizeof(disk->file), "/srv/%s.img", name);
	disk->hang_ms = HANG_MS_DEFAULT;
	disk->queue_count = 1;
}

static void make_definition(void)
{
	memset(&document, 0, sizeof(document));
	(void)text_copy(definition.name, sizeof(definition.name), "web1");
	(void)text_copy(definition.kernel, sizeof(definition.kernel), "/vm");
	definition.cpu_count = 2;
	definition.memory_bytes = 512ull << 20;
	definition.stop_ms = STOP_MS_DEFAULT;
	definition.scsi_queue_count = 1;
	definition.disk_count = 2;
	make_disk(&definition.disks[0], "root");
	make_disk(&definition.disks[1], "data");
}

static void make_foreign(void)
{
	make_definition();
	memset(definition.kernel, 0, sizeof(definition.kernel));
	memset(&definition.disks[1], 0, sizeof(definition.disks[1]));
	definition.engine = ENGINE_FOREIGN;
	definition.cpu_count = 0;
	definition.memory_bytes = 0;
	definition.scsi_queue_count = 0;
	definition.disk_count = 1;
	(void)text_copy(definition.vhost_user, sizeof(definition.vhost_user),
			"/run/vm.sock");
}

static int check(void)
{
	return definition_check(&partition_record, &document, "", &refusal);
}

/* The definition as it stands is refused for `field`. */
static void check_refused(const char *field)
{
	memset(&refusal, 0, sizeof(refusal));
	CHECK_EQ(check(), -EINVAL);
	if (strcmp(refusal.field, field) != 0)
		(void)fprintf(stderr, "field %s instead of %s\n", refusal.field,
			      field);
	CHECK_EQ(strcmp(refusal.field, field), 0);
	CHECK(refusal.text[0] != '\0');
}

TEST(a_complete_definition_passes)
{
	make_definition();
	CHECK_EQ(check(), 0);

	make_foreign();
	CHECK_EQ(check(), 0);
}

#define REFUSED(field, change)        \
	do {                          \
		make_definition();    \
		definition.change;    \
		check_refused(field); \
	} while (0)

TEST(a_number_out_of_range_is_refused_by_name)
{
	REFUSED("cpu.virtual", cpu_count = 0);
	REFUSED("cpu.virtual", cpu_count = CPU_COUNT_MAX + 1);
	REFUSED("memory.size", memory_bytes = 1);
	REFUSED("memory.size", memory_bytes = MEMORY_BYTES_MAX * 2);
	REFUSED("memory.size", memory_bytes = MEMORY_BYTES_MIN + 512);
	REFUSED("console.log", console_log_bytes = CONSOLE_LOG_MAX + 1);
	REFUSED("stop.deadline", stop_ms = 0);
	REFUSED("stop.deadline", stop_ms = STOP_MS_MAX + 1);
	REFUSED("disks[1].size", disks[1].size_bytes = 1000);
	REFUSED("disks[1].size", disks[1].size_bytes = DISK_BYTES_MAX + 512);
	REFUSED("disks[0].hang", disks[0].hang_ms = HANG_MS_MIN - 1);
	REFUSED("disks[0].hang", disks[0].hang_ms = HANG_MS_MAX + 1);
	REFUSED("disks[0].queues", disks[0].queue_count = 0);
	REFUSED("disks[0].queues", disks[0].queue_count = 9);
	REFUSED("scsi.queues", scsi_queue_count = 0);
	REFUSED("scsi.queues", scsi_queue_count = 9);
	REFUSED("disks[0].on-outage", disks[0].outage.policy = OUTAGE_FAIL);
	REFUSED("disks[0].on-outage", disks[0].outage.ms = 5);
}

TEST(an_enum_out_of_range_is_refused_by_name)
{
	REFUSED("class", class = CLASS_COUNT);
	REFUSED("engine", engine = ENGINE_COUNT);
	REFUSED("restart", restart = RESTART_COUNT);
	REFUSED("autostart", autostart = 2);
	REFUSED("disks[0].access", disks[0].access = DISK_ACCESS_COUNT);
	REFUSED("disks[0].cache", disks[0].cache = DISK_CACHE_COUNT);
	REFUSED("disks[0].bus", disks[0].bus = DISK_BUS_COUNT);
	REFUSED("disks[0].type", disks[0].type = DISK_TYPE_COUNT);
	REFUSED("disks[0].on-outage", disks[0].outage.policy = OUTAGE_COUNT);
}

TEST(huge_pages_go_with_the_kvm_engine_and_whole_pages)
{
	make_definition();
	definition.huge_pages = 1;
	CHECK_EQ(check(), 0);
	definition.engine = ENGINE_KVM;
	CHECK_EQ(check(), 0);

	definition.memory_bytes += 1ull << 20;
	check_refused("memory.size");
	definition.memory_bytes -= 1ull << 20;
	definition.engine = ENGINE_QEMU;
	check_refused("memory.huge-pages");
	make_foreign();
	definition.huge_pages = 1;
	check_refused("memory.huge-pages");
	REFUSED("memory.huge-pages", huge_pages = 2);
}

TEST(a_relative_path_is_refused)
{
	REFUSED("boot.kernel", kernel[0] = 'v');
	REFUSED("boot.initrd", initrd[0] = 'v');
	REFUSED("disks[0].file", disks[0].file[0] = 'v');
}

TEST(a_control_character_is_refused)
{
	REFUSED("boot.kernel", kernel[1] = '\n');
	REFUSED("boot.cmdline", cmdline[0] = '\x1b');
	REFUSED("disks[0].file", disks[0].file[1] = '\x7f');
}

TEST(a_hostile_peer_cannot_send_text_that_commands_a_terminal)
{
	static const char *const texts[] = {
		"a\x9b"
		"2J", /* CSI as one byte */
		"a\xc2\x9b"
		"2J", /* and as a character */
		"\xc0\x9b",
		"\xe0\x82\x9b", /* written longer than need be */
		"a\xc3",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xff",
		"\xfc\x80\x80\x80",
		"a\x7f",
		"a\033[2J",
	};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		make_definition();
		(void)text_copy(definition.description, DESCRIPTION_SIZE,
				texts[i]);
		check_refused("description");
	}
	make_definition();
	(void)text_copy(definition.description, DESCRIPTION_SIZE,
			"Zürich, 東京, 😀");
	CHECK_EQ(check(), 0);
}

TEST(two_disks_with_one_name_or_one_file_are_refused)
{
	make_definition();
	make_disk(&definition.disks[1], "root");
	check_refused("disks[1].name");

	make_definition();
	memcpy(definition.disks[1].file, definition.disks[0].file, PATH_SIZE);
	check_refused("disks[1].file");
	definition.disks[0].access = DISK_READ_ONLY;
	definition.disks[1].access = DISK_READ_ONLY;
	CHECK_EQ(check(), 0);
}

TEST(what_is_no_disk_is_a_unit_and_a_cd_is_only_read)
{
	make_definition();
	definition.disks[0].bus = DISK_BUS_SCSI;
	CHECK_EQ(check(), 0);
	definition.disks[0].type = DISK_TYPE_TAPE;
	CHECK_EQ(check(), 0);
	definition.disks[0].cache = DISK_DIRECT;
	check_refused("disks[0].cache");
	definition.disks[0].cache = DISK_BUFFERED;
	definition.disks[0].type = DISK_TYPE_CD;
	check_refused("disks[0].access");
	definition.disks[0].access = DISK_READ_ONLY;
	CHECK_EQ(check(), 0);
	definition.disks[0].queue_count = 2;
	check_refused("disks[0].queues");
	REFUSED("disks[1].bus", disks[1].type = DISK_TYPE_TAPE);
	make_foreign();
	definition.disks[0].bus = DISK_BUS_SCSI;
	check_refused("disks[0].bus");
}

static void name_volume(struct disk_definition *disk, uint32_t access)
{
	memset(disk->file, 0, sizeof(disk->file));
	memset(disk->service, 0, sizeof(disk->service));
	(void)text_copy(disk->volume, sizeof(disk->volume), "quorum");
	disk->access = access;
	disk->bus = DISK_BUS_SCSI;
}

TEST(a_disk_has_a_file_or_a_volume_and_sharing_wants_a_volume)
{
	make_definition();
	name_volume(&definition.disks[0], DISK_READ_WRITE_SHARED);
	CHECK_EQ(check(), 0);
	definition.disks[0].bus = DISK_BUS_BLK;
	check_refused("disks[0].access");
	definition.disks[0].access = DISK_READ_WRITE_PUBLISHED;
	CHECK_EQ(check(), 0);
	definition.disks[0].access = DISK_READ_WRITE_UNFENCED;
	check_refused("disks[0].access");
	definition.disks[0].access = DISK_READ_WRITE;
	definition.disks[0].size_bytes = 512;
	check_refused("disks[0].size");
	definition.disks[0].size_bytes = 0;
	definition.disks[0].file[0] = '/';
	check_refused("disks[0].file");
	REFUSED("disks[0].access", disks[0].access = DISK_READ_WRITE_SHARED);
	REFUSED("disks[0].access", disks[0].access = DISK_READ_STALE);
}

TEST(two_disks_of_one_volume_must_go_together)
{
	static const uint32_t together[][2] = {
		{ DISK_READ_ONLY, DISK_READ_ONLY },
		{ DISK_READ_ONLY, DISK_READ_STALE },
		{ DISK_READ_STALE, DISK_READ_STALE },
		{ DISK_READ_WRITE_PUBLISHED, DISK_READ_STALE },
		{ DISK_READ_WRITE_SHARED, DISK_READ_STALE },
		{ DISK_READ_WRITE_SHARED, DISK_READ_WRITE_SHARED },
	};
	unsigned count = 0;

	for (uint32_t a = 0; a < DISK_ACCESS_COUNT; a++)
		for (uint32_t b = 0; b < DISK_ACCESS_COUNT; b++) {
			CHECK_EQ(rules_access_goes_with(a, b),
				 rules_access_goes_with(b, a));
			count += rules_access_goes_with(a, b) && a <= b;
		}
	CHECK_EQ(count, ARRAY_COUNT(together));
	for (size_t i = 0; i < ARRAY_COUNT(together); i++)
		CHECK(rules_access_goes_with(together[i][0], together[i][1]));

	make_definition();
	name_volume(&definition.disks[0], DISK_READ_WRITE_SHARED);
	name_volume(&definition.disks[1], DISK_READ_WRITE_SHARED);
	CHECK_EQ(check(), 0);
	definition.disks[1].access = DISK_READ_WRITE;
	check_refused("disks[1].access");
	definition.disks[1].access = DISK_READ_WRITE_SHARED;
	definition.disks[1].type = DISK_TYPE_TAPE;
	check_refused("disks[1].type");
}

TEST(a_hostile_peer_cannot_send_text_without_an_end)
{
	make_definition();
	memset(definition.name, 'a', sizeof(definition.name));
	check_refused("partition");

	make_definition();
	memset(definition.cmdline, 'a', sizeof(definition.cmdline));
	check_refused("boot.cmdline");

	make_definition();
	memset(definition.disks[1].file, '/', PATH_SIZE);
	check_refused("disks[1].file");
}

TEST(a_hostile_peer_cannot_send_more_disks_than_there_is_room_for)
{
	REFUSED("disks", disk_count = DISK_COUNT_MAX + 1);
	REFUSED("disks", disk_count = UINT32_MAX);
}

TEST(a_name_that_is_no_name_is_refused)
{
	REFUSED("partition", name[0] = '\0');
	REFUSED("partition", name[0] = '.');
	REFUSED("disks[0].name", disks[0].name[0] = 'A');
	REFUSED("disks[0].service", disks[0].service[0] = '/');
}

#define FOREIGN_REFUSED(field, change) \
	do {                           \
		make_foreign();        \
		definition.change;     \
		check_refused(field);  \
	} while (0)

TEST(a_foreign_partition_takes_one_disk_and_a_socket)
{
	make_foreign();
	make_disk(&definition.disks[1], "data");
	definition.disk_count = 2;
	check_refused("disks");
	FOREIGN_REFUSED("boot.kernel", kernel[0] = '/');
	FOREIGN_REFUSED("cpu.virtual", cpu_count = 1);
	FOREIGN_REFUSED("memory.size", memory_bytes = 1);
	FOREIGN_REFUSED("console.log", console_log_bytes = 1);
	FOREIGN_REFUSED("vhost-user", vhost_user[0] = 'r');
	REFUSED("vhost-user", vhost_user[0] = '/');
}
