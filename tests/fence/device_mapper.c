/* SPDX-License-Identifier: MIT */
#include "device_mapper.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define NAME         "bulkhead-fence"
#define REMOVE_TRIES 100

struct packet {
	struct dm_ioctl head;
	char room[4096];
};

static int ask(unsigned long request, struct packet *packet)
{
	SCOPED(close_fd)
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	packet->head.version[0] = DM_VERSION_MAJOR;
	packet->head.data_size = sizeof(*packet);
	packet->head.data_start = sizeof(packet->head);
	(void)snprintf(packet->head.name, sizeof(packet->head.name), NAME);
	return ioctl(fd, request, packet);
}

static void load(const struct dm_segment *segments, size_t count)
{
	struct packet packet = { .head.target_count = (uint32_t)count };
	char *at = packet.room;
	uint64_t sector = 0;

	for (size_t i = 0; i < count; i++) {
		struct dm_target_spec *spec = (void *)at;
		size_t bytes = sizeof(*spec) + strlen(segments[i].table) + 1;

		spec->sector_start = sector;
		spec->length = segments[i].sectors;
		spec->next = (uint32_t)((bytes + 7) & ~7ul);
		(void)snprintf(spec->target_type, sizeof(spec->target_type),
			       "%s", segments[i].target);
		(void)strcpy(at + sizeof(*spec), segments[i].table);
		at += spec->next;
		sector += segments[i].sectors;
	}
	CHECK_EQ(ask(DM_TABLE_LOAD, &packet), 0);
}

void dm_create(const struct dm_segment *segments, size_t count,
	       char *ret_device, size_t room)
{
	struct packet left = { 0 }, created = { 0 }, resumed = { 0 };

	(void)ask(DM_DEV_REMOVE, &left); /* of a test that failed */
	CHECK_EQ(ask(DM_DEV_CREATE, &created), 0);
	load(segments, count);
	CHECK_EQ(ask(DM_DEV_SUSPEND, &resumed), 0); /* no flag: resume */
	(void)snprintf(ret_device, room, "/dev/dm-%u", minor(created.head.dev));
}

/* A service that is just ending may have it open a moment longer. */
void dm_remove(void)
{
	int r = -1;

	for (int i = 0; i < REMOVE_TRIES && r != 0; i++) {
		struct packet packet = { 0 };

		r = ask(DM_DEV_REMOVE, &packet);
		if (r != 0)
			(void)usleep(50000);
	}
	CHECK_EQ(r, 0);
}
