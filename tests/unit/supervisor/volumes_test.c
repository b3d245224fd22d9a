/* SPDX-License-Identifier: MIT */
/* Two partitions that share a volume: who may, and how it moves. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/definition_message.h"
#include "fuzz/world.h"
#include "lib/harness.h"
#include "scsi/ledger.h"

static struct world world;
static struct reply reply;

/* The status of the reply. */
static int ask(uint32_t type, const void *body, size_t bytes)
{
	struct message message;

	world.is_operator_deaf = true;
	CHECK_EQ(control_send(&world.operator, type, 7, body, bytes, NULL, 0),
		 0);
	world_settle(&world);
	do {
		CHECK_EQ(control_receive(&world.operator, & message), 0);
		message_release(&message);
	} while (message.type != MSG_REPLY || message.request_id != 7);
	world.is_operator_deaf = false;
	memcpy(&reply, message.body, sizeof(reply));
	return reply.status;
}

static int ask_of(uint32_t type, const char *name)
{
	struct partition_name body = { 0 };

	(void)text_copy(body.name, NAME_SIZE, name);
	return ask(type, &body, sizeof(body));
}

/* A request with a definition behind it. */
static int ask_definition(uint32_t type, const void *head, const void *value)
{
	struct definition_message body;
	int bytes = definition_message_make(type, head, value, &body);

	CHECK(bytes > 0);
	return ask(type, &body, (size_t)bytes);
}

static int define_volume(const char *name, const char *file)
{
	static const struct volume_head head;
	struct volume_definition volume = { .size_bytes = 1 << 20 };

	(void)text_copy(volume.name, NAME_SIZE, name);
	(void)text_copy(volume.service, NAME_SIZE, DEFAULT_DISK_SERVICE);
	(void)text_copy(volume.file, PATH_SIZE, world_file(file));
	return ask_definition(MSG_VOLUME_DEFINE, &head, &volume);
}

static int define(const char *name, uint32_t access)
{
	static const struct definition_head head;
	static struct partition_document document;
	struct disk_definition *disk = &document.partition.disks[0];

	world_define(&document, name);
	memset(document.nics, 0, sizeof(document.nics));
	document.nic_count = 0;
	memset(disk, 0, sizeof(*disk));
	(void)text_copy(disk->name, NAME_SIZE, "quorum");
	(void)text_copy(disk->volume, NAME_SIZE, "quorum");
	disk->access = access;
	disk->bus = DISK_BUS_SCSI;
	disk->hang_ms = HANG_MS_DEFAULT;
	disk->queue_count = 1;
	return ask_definition(MSG_PARTITION_DEFINE, &head, &document);
}

static void install(const char *name, uint32_t access)
{
	CHECK_EQ(define(name, access), 0);
	CHECK_EQ(ask_of(MSG_PARTITION_INSTALL, name), 0);
}

static const struct disk *disk_of(const char *partition)
{
	return &partition_find(&world.supervisor, partition)->disks[0];
}

/* Partitions x and y run on the volume. */
static void begin(void)
{
	world_open(&world);
	(void)unlink(world_file("quorum.img"));
	CHECK_EQ(define_volume("quorum", "quorum.img"), 0);
	install("x", DISK_READ_WRITE_SHARED);
	install("y", DISK_READ_WRITE_SHARED);
	CHECK_EQ(ask_of(MSG_PARTITION_START, "x"), 0);
	CHECK_EQ(ask_of(MSG_PARTITION_START, "y"), 0);
	world_pass_ms(&world, 100);
	CHECK_EQ(disk_of("x")->binding.state, BINDING_UP);
	CHECK_EQ(disk_of("y")->binding.state, BINDING_UP);
}

static struct thing *served(const char *partition)
{
	uint64_t id = disk_of(partition)->binding.id;
	struct player *player;

	for (unsigned i = 0; (player = world_player(&world, ROLE_DISK, i)); i++)
		if (player_find_thing(player, THING_DISK, id))
			return player_find_thing(player, THING_DISK, id);
	return NULL;
}

static ino_t inode_of(int fd)
{
	struct stat status;

	CHECK_EQ(fstat(fd, &status), 0);
	return status.st_ino;
}

TEST(all_disks_of_a_volume_are_one_unit_with_one_ledger)
{
	const struct thing *x, *y;

	begin();
	x = served("x");
	y = served("y");

	CHECK_EQ(disk_of("x")->binding.instance ==
			 disk_of("y")->binding.instance,
		 1);
	CHECK_EQ(x->unit.volume_id, y->unit.volume_id);
	CHECK_EQ(memcmp(x->unit.unit_uuid, y->unit.unit_uuid, 16), 0);
	CHECK(memcmp(x->unit.initiator_port, y->unit.initiator_port, 16) != 0);
	CHECK_EQ(x->unit.is_shared, 1);
	CHECK_EQ(inode_of(x->ledger), inode_of(y->ledger));
	CHECK_EQ(inode_of(x->fds[0]), inode_of(y->fds[0]));
	world_close(&world);
}

static void kill_service(void)
{
	struct player *player = world_player(&world, ROLE_DISK, 0);

	CHECK(player != NULL);
	fake_host_exit(player->process);
}

static bool is_disk_service(const struct player *player)
{
	return player->process && player->process->role == ROLE_DISK;
}

TEST(no_disk_of_a_volume_comes_up_before_the_fence_of_all)
{
	SCOPED(close_fd) int kept = NO_FD;

	begin();
	/* As if a request of y's were in the kernel still. */
	kept = dup(served("y")->fds[0]);
	kill_service();
	world_pass_ms(&world, 1000);
	CHECK_EQ(disk_of("y")->binding.state, BINDING_FENCING);
	CHECK_EQ(disk_of("x")->binding.state, BINDING_WAITING);

	close_fd(&kept);
	world_pass_ms(&world, 100);
	CHECK_EQ(disk_of("x")->binding.state, BINDING_UP);
	CHECK_EQ(disk_of("y")->binding.state, BINDING_UP);
	CHECK_EQ(disk_of("x")->binding.instance ==
			 disk_of("y")->binding.instance,
		 1);
	world_close(&world);
}

TEST(the_fence_of_all_stands_over_the_supervisors_death)
{
	SCOPED(close_fd) int kept = NO_FD;

	begin();
	kept = dup(served("y")->fds[0]);
	kill_service();
	world_restart(&world, NULL);
	world_pass_ms(&world, 1000);
	CHECK(disk_of("x")->binding.state != BINDING_UP);
	CHECK(disk_of("y")->binding.state != BINDING_UP);

	close_fd(&kept);
	world_pass_ms(&world, 100);
	CHECK_EQ(disk_of("x")->binding.state, BINDING_UP);
	CHECK_EQ(disk_of("y")->binding.state, BINDING_UP);
	world_close(&world);
}

static struct player *monitor_of(const char *partition)
{
	struct player *player;

	for (unsigned i = 0; (player = world_player(&world, ROLE_MONITOR, i));
	     i++)
		if (strcmp(player->process->name, partition) == 0)
			return player;
	return NULL;
}

static void kill_monitor(const char *partition)
{
	struct player *player = monitor_of(partition);

	CHECK(player != NULL);
	fake_host_exit(player->process);
}

TEST(the_fence_of_a_dead_and_forgotten_monitor_stands_as_well)
{
	SCOPED(close_fd) int kept = NO_FD;

	begin();
	/* The later one, which a new supervisor turns to last. */
	kept = dup(served("y")->fds[0]);
	kill_service();
	world_pass_ms(&world, 1000);
	kill_monitor("y");
	world_pass_ms(&world, 100);
	world_restart(&world, NULL);
	world_pass_ms(&world, 1000);
	CHECK(disk_of("x")->binding.state != BINDING_UP);

	close_fd(&kept);
	world_pass_ms(&world, 100);
	CHECK_EQ(disk_of("x")->binding.state, BINDING_UP);
	world_close(&world);
}

static void poison(const char *partition)
{
	const struct binding *binding = &disk_of(partition)->binding;
	const struct disk_channel channel = { binding->id, binding->generation,
					      0, 0 };

	player_say(monitor_of(partition), MSG_MONITOR_POISON, 0, &channel, NULL,
		   0);
	world_pass_ms(&world, 1000);
}

static void stop(const char *partition)
{
	struct partition_stop body = { .is_forced = 1 };

	(void)text_copy(body.name, NAME_SIZE, partition);
	CHECK_EQ(ask(MSG_PARTITION_STOP, &body, sizeof(body)), 0);
	world_pass_ms(&world, 1000);
}

TEST(a_poisoned_request_moves_the_whole_volume)
{
	const struct disk *x, *y;

	begin();
	x = disk_of("x");
	y = disk_of("y");
	poison("x");

	CHECK_EQ(x->binding.state, BINDING_UP);
	CHECK_EQ(y->binding.state, BINDING_UP);
	CHECK_EQ(x->binding.instance == y->binding.instance, 1);
	CHECK_EQ(x->binding.instance->duty, DUTY_ALONE);
	/* And goes on when the one that it began with is gone. */
	stop("x");
	CHECK_EQ(y->binding.state, BINDING_UP);
	CHECK_EQ(y->binding.instance->duty, DUTY_ALONE);
	world_close(&world);
}

TEST(a_service_is_restarted_whichever_disk_its_instance_is_for)
{
	static const struct service_name disk0 = { .name = "disk0" };
	const struct disk *x, *y;
	uint64_t before;

	begin();
	x = disk_of("x");
	y = disk_of("y");
	poison("x");
	/* The instance goes on for y, and its successor begins for x. */
	stop("x");
	CHECK_EQ(ask_of(MSG_PARTITION_START, "x"), 0);
	world_pass_ms(&world, 1000);
	CHECK_EQ(y->binding.instance->alone_for == y, 1);
	before = y->binding.instance->process->id;
	CHECK_EQ(control_send(&world.operator, MSG_SERVICE_RESTART, 7, &disk0,
			      sizeof(disk0), NULL, 0),
		 0);
	world_pass_ms(&world, 5000);

	CHECK_EQ(x->binding.state, BINDING_UP);
	CHECK_EQ(y->binding.state, BINDING_UP);
	CHECK_EQ(x->binding.instance == y->binding.instance, 1);
	CHECK(y->binding.instance->process->id != before);
	world_close(&world);
}

static struct partition *partition_of(const char *name)
{
	return partition_find(&world.supervisor, name);
}

TEST(a_held_witness_goes_with_those_of_its_volume)
{
	begin();
	/* Whose guest runs on without its monitor. */
	partition_of("y")->engine = ENGINE_FOREIGN;
	kill_monitor("y");
	world_pass_ms(&world, 100);
	world_pass_ms(&world, 1000);
	CHECK_EQ(partition_of("y")->record.lifecycle.state, PARTITION_RUNNING);
	CHECK_EQ(disk_of("y")->binding.state, BINDING_UP);
	world_close(&world);
}

TEST(a_disk_finds_its_volume_whatever_service_it_was_with)
{
	const struct binding *binding;

	begin();
	binding = &disk_of("y")->binding;
	CHECK_EQ(service_define(&world.supervisor, "disk0.2", ROLE_DISK, 0), 0);
	service_settle(service_find(&world.supervisor, "disk0.2"));
	world_settle(&world);
	world_pass_ms(&world, 1000);
	/* As when x was found in the one that was beside it. */
	(void)text_copy(partition_of("y")->disks[0].service, NAME_SIZE,
			"disk0.2");
	player_say(monitor_of("y"), MSG_MONITOR_DISK_REFUSED, 0,
		   &(struct disk_channel){ binding->id, binding->generation, 0,
					   0 },
		   NULL, 0);
	world_settle(&world);
	world_pass_ms(&world, 5000);
	CHECK_EQ(binding->state, BINDING_UP);
	CHECK_EQ(strcmp(disk_of("y")->service, "disk0"), 0);
	world_close(&world);
}

TEST(writers_that_exclude_each_other_are_refused)
{
	world_open(&world);
	(void)unlink(world_file("quorum.img"));
	CHECK_EQ(define_volume("quorum", "quorum.img"), 0);
	install("x", DISK_READ_WRITE_SHARED);
	CHECK_EQ(define("y", DISK_READ_WRITE), 0);
	CHECK_EQ(ask_of(MSG_PARTITION_INSTALL, "y"), -EBUSY);
	CHECK_EQ(strcmp(reply.field, "disks[0].access"), 0);
	CHECK(strstr(reply.text, "partition x") != NULL);
	CHECK_EQ(partition_find(&world.supervisor, "y")->record.lifecycle.state,
		 PARTITION_UNINSTALLED);
	world_close(&world);
}

TEST(a_volume_that_is_named_stays_and_its_file_is_its_own)
{
	struct partition_uninstall uninstall = { .name = "x",
						 .removes_images = 1 };

	world_open(&world);
	(void)unlink(world_file("quorum.img"));
	CHECK_EQ(define("x", DISK_READ_WRITE_SHARED), -EINVAL);
	CHECK_EQ(strcmp(reply.field, "disks[0].volume"), 0);
	CHECK_EQ(define_volume("quorum", "quorum.img"), 0);
	CHECK_EQ(define_volume("quorum", "other.img"), -EEXIST);
	CHECK_EQ(define_volume("other", "quorum.img"), -EBUSY);
	install("x", DISK_READ_WRITE_SHARED);
	CHECK_EQ(ask_of(MSG_VOLUME_UNDEFINE, "quorum"), -EBUSY);

	CHECK_EQ(ask(MSG_PARTITION_UNINSTALL, &uninstall, sizeof(uninstall)),
		 0);
	CHECK_EQ(access(world_file("quorum.img"), F_OK), 0);
	CHECK_EQ(ask_of(MSG_PARTITION_UNDEFINE, "x"), 0);
	world_restart(&world, NULL);
	CHECK_EQ(ask_of(MSG_VOLUME_UNDEFINE, "quorum"), 0);
	CHECK_EQ(access(world_file("quorum.img"), F_OK), 0);
	CHECK_EQ(ask_of(MSG_VOLUME_UNDEFINE, "quorum"), -ENOENT);
	world_close(&world);
}

/* As the service does that serves it: x is registered and holds it. */
static void reserve(void)
{
	static struct scsi_ledger ledger;
	const struct disk_attach *unit = &served("x")->unit;
	struct scsi_state *state;
	uint32_t nexus;
	void *memory = mmap(NULL, SCSI_LEDGER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED, served("x")->ledger, 0);

	CHECK(memory != MAP_FAILED);
	scsi_ledger_make(&ledger, memory, unit->unit_uuid, unit->boot_id, NULL);
	CHECK_EQ(scsi_ledger_attach(&ledger, unit->initiator_port,
				    unit->row_count, &nexus),
		 0);
	state = scsi_ledger_prepare(&ledger);
	CHECK(state != NULL);
	state->reserve.registered = 1ull << nexus;
	state->reserve.key[nexus] = 0xabc;
	state->reserve.type = RESERVE_EXCLUSIVE_ACCESS;
	state->reserve.holder = (uint8_t)nexus;
	CHECK_EQ(scsi_ledger_commit(&ledger), 0);
	CHECK_EQ(munmap(memory, SCSI_LEDGER_BYTES), 0);
}

/* The rows of the answer; the first one is in `ret_row`. */
static unsigned list_reservations(struct reservation_row *ret_row)
{
	const struct volume_name name = { .name = "quorum" };
	struct message message;
	unsigned count = 0;

	world.is_operator_deaf = true;
	CHECK_EQ(control_send(&world.operator, MSG_RESERVATION_LIST, 7, &name,
			      sizeof(name), NULL, 0),
		 0);
	world_settle(&world);
	do {
		CHECK_EQ(control_receive(&world.operator, & message), 0);
		if (message.type == MSG_RESERVATION_ROW && count++ == 0)
			memcpy(ret_row, message.body, sizeof(*ret_row));
		message_release(&message);
	} while (message.type != MSG_REPLY);
	world.is_operator_deaf = false;
	memcpy(&reply, message.body, sizeof(reply));
	return count;
}

TEST(who_holds_a_volume_is_told_also_without_its_service)
{
	struct reservation_row row = { 0 };

	begin();
	CHECK_EQ(list_reservations(&row), 0);
	CHECK_EQ(reply.status, 0);
	reserve();
	world.is_absent = is_disk_service;
	kill_service();
	world_settle(&world);
	CHECK_EQ(list_reservations(&row), 1);
	CHECK_EQ(strcmp(row.partition, "x"), 0);
	CHECK_EQ(strcmp(row.disk, "quorum"), 0);
	CHECK_EQ(strcmp(row.key, "0xabc"), 0);
	CHECK_EQ(strcmp(row.type, "exclusive-access"), 0);
	CHECK_EQ(row.is_holder, 1);
	world.is_absent = NULL;
	world_close(&world);
}

TEST(a_hostile_service_cannot_spoil_more_than_its_own_ledger)
{
	struct reservation_row row;

	begin();
	reserve();
	CHECK_EQ(pwrite(served("x")->ledger, "x", 1, 8), 1);
	CHECK_EQ(list_reservations(&row), 0);
	CHECK_EQ(reply.status, -EUCLEAN);
	CHECK_EQ(ftruncate(served("x")->ledger, 5), 0);
	CHECK_EQ(list_reservations(&row), 0);
	CHECK_EQ(reply.status, -EUCLEAN);
	world_close(&world);
}

TEST(a_ledger_of_a_volume_outlives_its_partitions)
{
	char name[48];

	begin();
	(void)snprintf(name, sizeof(name), "run/volumes/%llu.ledger",
		       (unsigned long long)disk_of("x")->volume->record.id);
	CHECK_EQ(access(world_file(name), F_OK), 0);
	for (unsigned i = 0; i < 2; i++) {
		const char *partition = i ? "y" : "x";
		struct partition_uninstall uninstall = { 0 };

		(void)text_copy(uninstall.name, NAME_SIZE, partition);
		stop(partition);
		CHECK_EQ(ask(MSG_PARTITION_UNINSTALL, &uninstall,
			     sizeof(uninstall)),
			 0);
		CHECK_EQ(ask_of(MSG_PARTITION_UNDEFINE, partition), 0);
	}
	CHECK_EQ(access(world_file(name), F_OK), 0);
	CHECK_EQ(ask_of(MSG_VOLUME_UNDEFINE, "quorum"), 0);
	CHECK_EQ(access(world_file(name), F_OK), -1);
	world_close(&world);
}
