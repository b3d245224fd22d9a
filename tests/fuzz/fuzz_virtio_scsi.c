/* SPDX-License-Identifier: MIT */
/*
 * The input is a chain of the control queue or of a request queue, and what the
 * driver wrote to the configuration: whatever it is, decoding and answering it
 * stays in bounds.
 *
 *   byte 0       bit 0: control queue; bits 1 to 3: readable segments; bits 4
 *                to 6: writable ones
 *   bytes 1-6    a configuration write: offset, and four bytes
 *   then         4 bytes a segment: its place and length
 *   then         guest memory
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fake_driver.h"
#include "virtio/scsi.h"

#define HEAD_BYTES 7u
#define SEGMENTS   14u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void insist(int condition)
{
	if (!condition)
		abort();
}

static void serve_command(const struct virtio_scsi_shape *shape,
			  struct guestmem *memory,
			  const struct ring_chain *chain)
{
	static const uint8_t sense[VIRTIO_SCSI_SENSE_MAX] = { 0x70 };
	struct virtio_scsi_outcome outcome = { .sense_bytes = sizeof(sense),
					       .sense = sense };
	struct virtio_scsi_command command;
	uint32_t target;
	int r = virtio_scsi_decode(shape, memory, chain, &command);

	if (r == -EBADMSG)
		return;
	if (r == 0 && virtio_scsi_target(shape, command.lun, &target) == 0)
		insist(target < shape->target_count);
	insist(r < 0 || command.in_bytes == 0 || command.out_bytes == 0);
	(void)virtio_scsi_answer(shape, memory,
				 chain->segments + chain->readable_count,
				 chain->writable_count, 0, &outcome);
}

static void serve_control(struct guestmem *memory,
			  const struct ring_chain *chain)
{
	struct virtio_scsi_control control;

	if (virtio_scsi_decode_control(memory, chain, &control) == -EBADMSG)
		return;
	insist(virtio_scsi_answer_control(
		       memory, chain->segments + chain->readable_count,
		       chain->writable_count, control.type, 0) > 0);
}

/* Within the memory, or at its end and beyond. */
static struct ring_segment segment_at(const uint8_t *data)
{
	return (struct ring_segment){
		.gpa = data[0] < 0xf0 ? FAKE_GPA + data[0] * 16u + data[1]
				      : FAKE_GPA + FAKE_BYTES - data[1],
		.bytes = 1 + data[2] + (data[3] & 3u) * 256u,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct fake_driver driver;
	static struct guestmem memory;
	static struct ring_segment segments[SEGMENTS];
	struct virtio_scsi_shape shape = { .queue_count = 1,
					   .target_count = 4,
					   .transfer_max = 1u << 20 };
	struct ring_chain chain = { .segments = segments };

	if (bytes < HEAD_BYTES + SEGMENTS * 4 || bytes > 1 << 13)
		return 0;
	if (!driver.host) {
		fake_driver_open(&driver, 8);
		fake_driver_map(&driver, &memory);
	}
	chain.readable_count = data[0] >> 1 & 7;
	chain.writable_count = data[0] >> 4 & 7;
	virtio_scsi_reset(&shape);
	virtio_scsi_config_write(&shape, data[1] | data[2] << 8, data + 3, 4);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		segments[i] = segment_at(data + HEAD_BYTES + i * 4);
	memset(driver.host, 0, 1 << 13);
	memcpy(driver.host, data + HEAD_BYTES + SEGMENTS * 4,
	       bytes - HEAD_BYTES - SEGMENTS * 4);
	if (data[0] & 1)
		serve_control(&memory, &chain);
	else
		serve_command(&shape, &memory, &chain);
	return 0;
}
