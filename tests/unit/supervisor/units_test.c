/* SPDX-License-Identifier: MIT */
/* A partition with SCSI units, besides a disk: what its monitor and its service
 * are told of them, and the ledgers of their volumes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "channel/scsi_request.h"
#include "control/definition_message.h"
#include "fuzz/world.h"
#include "lib/harness.h"

#define UNITS 2 /* disks 1 and 2 of partition u */

static struct world world;

/* The status of the reply. */
static int ask(uint32_t type, const void *body, size_t bytes)
{
	struct message message;
	const struct reply *reply = (const void *)message.body;

	world.is_operator_deaf = true;
	CHECK_EQ(control_send(&world.operator, type, 7, body, bytes, NULL, 0),
		 0);
	world_settle(&world);
	do {
		CHECK_EQ(control_receive(&world.operator, & message), 0);
		message_release(&message);
	} while (message.type != MSG_REPLY || message.request_id != 7);
	world.is_operator_deaf = false;
	if (reply->status)
		(void)fprintf(stderr, "%s: %s\n", reply->field, reply->text);
	return reply->status;
}

static void call(uint32_t type)
{
	const struct partition_name name = { .name = "u" };

	CHECK_EQ(ask(type, &name, sizeof(name)), 0);
}

static void define_disk(struct disk_definition *disk, unsigned index)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "u%u.img", index);
	(void)text_copy(disk->file, PATH_SIZE, world_file(name));
	(void)snprintf(disk->name, NAME_SIZE, "d%u", index);
	disk->bus = index ? DISK_BUS_SCSI : DISK_BUS_BLK;
}

/* Partition u runs, with a disk of its own device and two units. */
static void begin(void)
{
	static struct partition_document document;
	struct partition_definition *partition = &document.partition;
	static const struct definition_head head;
	struct definition_message body;
	int bytes;

	world_open(&world);
	world_define(&document, "u");
	document.nic_count = 0;
	memset(document.nics, 0, sizeof(document.nics));
	partition->scsi_queue_count = 3;
	partition->disk_count = 1 + UNITS;
	for (unsigned i = 0; i < partition->disk_count; i++) {
		partition->disks[i] = partition->disks[0];
		define_disk(&partition->disks[i], i);
	}
	bytes = definition_message_make(MSG_PARTITION_DEFINE, &head, &document,
					&body);
	CHECK(bytes > 0);
	CHECK_EQ(ask(MSG_PARTITION_DEFINE, &body, (size_t)bytes), 0);
	call(MSG_PARTITION_INSTALL);
	call(MSG_PARTITION_START);
	world_pass_ms(&world, 10);
}

static const struct disk *disk_of(unsigned index)
{
	const struct partition *partition =
		partition_find(&world.supervisor, "u");

	CHECK(partition && partition->disk_count == 1 + UNITS);
	return &partition->disks[index];
}

static struct player *monitor(void)
{
	struct player *player;

	for (unsigned i = 0; (player = world_player(&world, ROLE_MONITOR, i));
	     i++)
		if (strcmp(player->process->name, "u") == 0)
			return player;
	return NULL;
}

/* What the service that serves it now has of it. */
static const struct thing *served(unsigned index)
{
	uint64_t id = disk_of(index)->binding.id;
	struct player *player;

	for (unsigned i = 0; (player = world_player(&world, ROLE_DISK, i)); i++)
		if (player_find_thing(player, THING_DISK, id))
			return player_find_thing(player, THING_DISK, id);
	return NULL;
}

static ino_t ledger_inode(unsigned index)
{
	struct stat status;

	CHECK_EQ(fstat(served(index)->ledger, &status), 0);
	return status.st_ino;
}

static void kill_services(void)
{
	struct player *player = world_player(&world, ROLE_DISK, 0);

	CHECK(player != NULL);
	fake_host_exit(player->process);
	world_pass_ms(&world, 1000);
	CHECK_EQ(disk_of(1)->binding.state, BINDING_UP);
}

static bool is_other(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, SCSI_ID_BYTES) != 0;
}

TEST(a_monitor_is_told_the_targets_of_its_units)
{
	const struct thing *thing;

	begin();

	for (unsigned i = 0; i < 1 + UNITS; i++) {
		thing = player_find_thing(monitor(), THING_DISK,
					  disk_of(i)->binding.id);
		CHECK(thing != NULL);
		CHECK_EQ(thing->disk.bus, i ? DISK_BUS_SCSI : DISK_BUS_BLK);
		CHECK_EQ(thing->disk.target, i ? i - 1 : 0);
	}
	world_close(&world);
}

TEST(a_service_is_told_whose_unit_it_serves)
{
	const struct disk_attach *first, *second;

	begin();
	CHECK_EQ(served(0)->ledger, NO_FD);
	first = &served(1)->unit;
	second = &served(2)->unit;

	CHECK_EQ(first->volume_id, disk_of(1)->binding.id);
	CHECK_EQ(first->row_count, 4 * SCSI_QUEUE_ROWS);
	CHECK(strncmp(first->serial, "bh-", 3) == 0);
	CHECK(strcmp(first->serial, second->serial) != 0);
	CHECK(is_other(first->initiator_port, second->initiator_port));
	CHECK(is_other(first->unit_uuid, second->unit_uuid));
	CHECK(is_other(first->unit_uuid, first->initiator_port));
	CHECK(ledger_inode(1) != ledger_inode(2));
	world_close(&world);
}

TEST(a_unit_is_the_same_whoever_serves_it)
{
	struct disk_attach before;
	ino_t ledger;

	begin();
	before = served(1)->unit;
	ledger = ledger_inode(1);
	kill_services();
	CHECK(served(1)->unit.attachment.generation >
	      before.attachment.generation);
	CHECK(!is_other(served(1)->unit.initiator_port, before.initiator_port));
	CHECK(!is_other(served(1)->unit.unit_uuid, before.unit_uuid));
	CHECK_EQ(ledger_inode(1), ledger);

	world_restart(&world, NULL);
	kill_services();
	CHECK(!is_other(served(1)->unit.initiator_port, before.initiator_port));
	CHECK(!is_other(served(1)->unit.unit_uuid, before.unit_uuid));
	CHECK_EQ(ledger_inode(1), ledger);
	world_close(&world);
}

TEST(a_ledger_goes_with_its_disk)
{
	const struct partition_uninstall uninstall = { .name = "u",
						       .removes_images = 1 };
	const struct partition_stop stop = { .name = "u", .is_forced = 1 };
	char name[48];

	begin();
	(void)snprintf(name, sizeof(name), "run/volumes/%llu.ledger",
		       (unsigned long long)disk_of(1)->binding.id);
	CHECK_EQ(access(world_file(name), F_OK), 0);
	CHECK_EQ(ask(MSG_PARTITION_STOP, &stop, sizeof(stop)), 0);
	CHECK_EQ(access(world_file(name), F_OK), 0);
	CHECK_EQ(ask(MSG_PARTITION_UNINSTALL, &uninstall, sizeof(uninstall)),
		 0);
	CHECK_EQ(access(world_file(name), F_OK), -1);
	world_close(&world);
}
