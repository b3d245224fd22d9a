/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/vcpu/vcpu_msrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/count.h"

/* KVM takes 256 in one call. */
#define MSRS_AT_ONCE 128

struct msr_room {
	struct kvm_msrs msrs;
	struct kvm_msr_entry entries[MSRS_AT_ONCE];
};

int vcpu_msrs_init(struct vcpu_msrs *msrs)
{
	msrs->count = 0;
	msrs->list = calloc(VCPU_MSRS_MAX, sizeof(*msrs->list));
	return msrs->list ? 0 : -ENOMEM;
}

void vcpu_msrs_release(struct vcpu_msrs *msrs)
{
	free(msrs->list);
	msrs->list = NULL;
}

int vcpu_msrs_list(struct vcpu_shape *shape, int kvm_fd)
{
	struct {
		struct kvm_msr_list list;
		uint32_t indices[VCPU_MSRS_MAX];
	} room = { .list.nmsrs = VCPU_MSRS_MAX };

	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, &room) < 0)
		return -errno;
	shape->msr_count = room.list.nmsrs;
	shape->msrs = calloc(shape->msr_count, sizeof(*shape->msrs));
	if (!shape->msrs)
		return -ENOMEM;
	memcpy(shape->msrs, room.indices,
	       shape->msr_count * sizeof(*shape->msrs));
	return 0;
}

/* KVM stops at the first one that this processor does not have: skip it. */
int vcpu_msrs_read(struct vcpu_msrs *msrs, int vcpu_fd,
		   const struct vcpu_shape *shape)
{
	struct msr_room room;
	uint32_t next = 0;

	while (next < shape->msr_count) {
		uint32_t count = (uint32_t)min_u64(MSRS_AT_ONCE,
						   shape->msr_count - next);
		int got;

		memset(&room, 0, sizeof(room));
		room.msrs.nmsrs = count;
		for (uint32_t i = 0; i < count; i++)
			room.entries[i].index = shape->msrs[next + i];
		got = ioctl(vcpu_fd, KVM_GET_MSRS, &room);
		if (got < 0)
			return -errno;
		memcpy(msrs->list + msrs->count, room.entries,
		       (uint32_t)got * sizeof(*room.entries));
		msrs->count += (uint32_t)got;
		next += (uint32_t)got + ((uint32_t)got < count);
	}
	return 0;
}

/* Some cannot be written; nothing is lost if it has the value anyhow, or never
 * had one. */
static bool msr_is_so(int vcpu_fd, const struct kvm_msr_entry *wanted)
{
	struct msr_room room = { .msrs.nmsrs = 1 };

	room.entries[0].index = wanted->index;
	return wanted->data == 0 || (ioctl(vcpu_fd, KVM_GET_MSRS, &room) == 1 &&
				     room.entries[0].data == wanted->data);
}

static bool is_state(const struct vcpu_shape *shape, uint32_t index)
{
	for (uint32_t i = 0; i < shape->msr_count; i++)
		if (shape->msrs[i] == index)
			return true;
	return false;
}

/*
 * KVM takes from us what it takes from no guest, so nothing is written but what
 * a save reads. A register that this host does not know and that never had a
 * value is no loss.
 */
int vcpu_msrs_check(struct vcpu_msrs *msrs, const struct vcpu_shape *shape,
		    struct refusal *refusal)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < msrs->count; i++) {
		const struct kvm_msr_entry *entry = &msrs->list[i];

		if (is_state(shape, entry->index))
			msrs->list[kept++] = *entry;
		else if (entry->data != 0)
			return refuse(
				refusal, -ENOTSUP, "image",
				"register %#x, which was saved, is not "
				"part of a processor's state on this host",
				entry->index);
	}
	msrs->count = kept;
	return 0;
}

int vcpu_msrs_write(const struct vcpu_msrs *msrs, int vcpu_fd,
		    struct refusal *refusal)
{
	struct msr_room room;
	uint32_t next = 0;

	while (next < msrs->count) {
		uint32_t count =
			(uint32_t)min_u64(MSRS_AT_ONCE, msrs->count - next);
		int done;

		memset(&room, 0, sizeof(room));
		room.msrs.nmsrs = count;
		memcpy(room.entries, msrs->list + next,
		       count * sizeof(*room.entries));
		done = ioctl(vcpu_fd, KVM_SET_MSRS, &room);
		if (done < 0)
			return -errno;
		next += (uint32_t)done;
		if ((uint32_t)done == count)
			continue;
		if (!msr_is_so(vcpu_fd, &msrs->list[next]))
			return refuse(refusal, -ENOTSUP, "image",
				      "this host does not take the saved value "
				      "of register %#x",
				      msrs->list[next].index);
		next++;
	}
	return 0;
}
