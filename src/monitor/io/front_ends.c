/* SPDX-License-Identifier: MIT */
/* Which devices are served over vhost-user, and as what. */
#include "monitor/io/iothread.h"

#include "base/scope.h"

/* Of vhost-user, as all our devices have it. */
#define FRONT_END_PROTOCOL                         \
	(1ull << VHOSTUSER_PROTOCOL_MQ |           \
	 1ull << VHOSTUSER_PROTOCOL_REPLY_ACK |    \
	 1ull << VHOSTUSER_PROTOCOL_RESET_DEVICE | \
	 1ull << VHOSTUSER_PROTOCOL_CONFIGURE_MEM_SLOTS)

/* One that is gone leaves its place to the next. */
static void attach(struct iothread *io, int fd, enum notice_kind event,
		   uint32_t index, const struct vhostuser_settings *settings)
{
	struct front_end *front_end = io->front_ends;

	while (front_end->backend.fd != NO_FD)
		front_end++;
	if (front_end == &io->front_ends[io->front_end_count])
		io->front_end_count++;
	front_end->event = event;
	front_end->index = index;
	vhostuser_backend_init(&front_end->backend, fd, settings);
}

void iothread_attach_front(struct iothread *io, uint32_t index, int fd,
			   bool has_region)
{
	struct front *front = &io->fronts[index];
	struct vhostuser_settings settings = {
		.ops = front->ops->device,
		.device = front,
		.memory = &front->memory,
		.queue_count = front->queue_count,
		.protocol = FRONT_END_PROTOCOL,
	};

	/* Of a SCSI controller it is the front end's. */
	if (!front->ops->is_shared)
		settings.protocol |= 1ull << VHOSTUSER_PROTOCOL_CONFIG;
	if (has_region)
		settings.protocol |= 1ull << VHOSTUSER_PROTOCOL_INFLIGHT_SHMFD;
	attach(io, fd, NOTICE_EVENT, front->disks[0]->settings.index,
	       &settings);
}

/* Its configuration space is the front end's. */
void iothread_attach_nic(struct iothread *io, uint32_t index, int fd)
{
	struct nic *nic = &io->nics[index];
	const struct vhostuser_settings settings = {
		.ops = &nic_device_ops,
		.device = nic,
		.memory = &nic->memory,
		.queue_count = nic_queue_count(nic),
		.protocol = FRONT_END_PROTOCOL,
	};

	attach(io, fd, NOTICE_NIC_EVENT, index, &settings);
}
