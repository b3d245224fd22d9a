/* SPDX-License-Identifier: MIT */
/*
 * virtio-scsi (virtio 1.2, 5.6): requests of the control and request queues
 * decoded, and their answers written. Framing is the driver's choice (2.7.4):
 * headers and data are found by byte position, wherever segments begin and end.
 * Data goes one way: bidirectional commands and T10 protection information are
 * not offered.
 *
 * Trust      Chains and configuration are a hostile guest's. A request that is
 *            no request is answered with VIRTIO_SCSI_S_FAILURE, or with nothing
 *            if it has no room for that; it affects no other guest.
 * Threads    As guestmem.
 * Errors     0 or a negative errno.
 */
#ifndef VIRTIO_SCSI_H
#define VIRTIO_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_scsi.h>

#include "virtio/ring.h"

#define SCSI_CONTROL_QUEUE 0u
#define SCSI_EVENT_QUEUE   1u
#define SCSI_REQUEST_QUEUE 2u /* the first one */

/* Of a request queue. */
#define VIRTIO_SCSI_RING_SIZE 256u

/* Longest CDB and sense data that a driver can choose (5.6.4). */
#define VIRTIO_SCSI_CDB_MAX   VIRTIO_SCSI_CDB_DEFAULT_SIZE
#define VIRTIO_SCSI_SENSE_MAX 252u

/* The controller as the guest sees it. */
struct virtio_scsi_shape {
	uint16_t queue_count;  /* request queues */
	uint16_t target_count; /* each with LUN 0 alone */
	uint32_t transfer_max; /* bytes of data of a command */
	/* The driver's choice, until a reset. */
	uint32_t cdb_bytes;
	uint32_t sense_bytes;
};

/* A command, and where its parts are in the chain. */
struct virtio_scsi_command {
	uint8_t lun[8];
	uint64_t tag;
	uint8_t attribute; /* VIRTIO_SCSI_S_SIMPLE, ... */
	uint8_t cdb[VIRTIO_SCSI_CDB_MAX];
	uint64_t out_bytes; /* of data, behind the header */
	uint64_t in_bytes;  /* of data, behind the response */
};

/* Task management, or a question about notifications. */
struct virtio_scsi_control {
	uint32_t type;     /* VIRTIO_SCSI_T_... */
	uint32_t function; /* VIRTIO_SCSI_T_TMF_... */
	uint8_t lun[8];
	uint64_t tag;
};

struct virtio_scsi_outcome {
	uint8_t response; /* VIRTIO_SCSI_S_... */
	uint8_t status;   /* SAM */
	uint8_t sense_bytes;
	uint32_t residual;
	const uint8_t *sense;
};

/* Commands that a driver may have out per unit: all units share the ring, and
 * one whose commands are held must not take it from the others. */
uint32_t virtio_scsi_unit_depth(uint32_t target_count);

/* The driver's choices as they are after a reset. */
void virtio_scsi_reset(struct virtio_scsi_shape *shape);

/* VERSION_1, INDIRECT_DESC and EVENT_IDX. */
uint64_t virtio_scsi_features(void);

/* Fill the configuration space; returns its length. */
size_t virtio_scsi_config(const struct virtio_scsi_shape *shape, uint8_t *space,
			  size_t room_bytes);

/* The driver wrote these bytes of it. What it may not write, and a size out of
 * range, changes nothing. */
void virtio_scsi_config_write(struct virtio_scsi_shape *shape,
			      uint32_t offset_bytes, const uint8_t *bytes,
			      uint32_t count);

/* The bytes before the data of a command, and before that of its answer. */
uint32_t virtio_scsi_header_bytes(const struct virtio_scsi_shape *shape);
uint32_t virtio_scsi_response_bytes(const struct virtio_scsi_shape *shape);

/* The target of which LUN 0 is addressed. -ENODEV: no such target or LUN */
int virtio_scsi_target(const struct virtio_scsi_shape *shape,
		       const uint8_t lun[8], uint32_t *ret_target);

/*
 * Decode a chain of a request queue.
 *
 * -EINVAL   a bad request: answer it with VIRTIO_SCSI_S_FAILURE
 * -EBADMSG  no room to answer in: push the chain with 0 bytes
 */
int virtio_scsi_decode(const struct virtio_scsi_shape *shape,
		       struct guestmem *memory, const struct ring_chain *chain,
		       struct virtio_scsi_command *ret_command);

/*
 * Write the answer before the data, of which so many bytes were written.
 * `writable` are the segments of the chain. Returns the number of bytes written
 * for the used ring.
 */
uint32_t virtio_scsi_answer(const struct virtio_scsi_shape *shape,
			    struct guestmem *memory,
			    const struct ring_segment *writable, uint32_t count,
			    uint32_t in_bytes,
			    const struct virtio_scsi_outcome *outcome);

/* Decode a chain of the control queue. Errors as virtio_scsi_decode(); the
 * answer is virtio_scsi_answer_control(). */
int virtio_scsi_decode_control(struct guestmem *memory,
			       const struct ring_chain *chain,
			       struct virtio_scsi_control *ret_control);

/* Write the answer of a control request of this type; no event is supported.
 * Returns as virtio_scsi_answer(). */
uint32_t virtio_scsi_answer_control(struct guestmem *memory,
				    const struct ring_segment *writable,
				    uint32_t count, uint32_t type,
				    uint8_t response);

#endif
