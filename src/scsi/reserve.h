/* SPDX-License-Identifier: MIT */
/*
 * Who may use a logical unit: persistent reservations (SPC-4 5.13) and those of
 * RESERVE and RELEASE (SPC-2 5.5), which exclude each other as SPC-4 5.13.3 has
 * it for compatible reservation handling.
 *
 * A nexus is known by its index in the ledger, below SCSI_NEXUS_MAX, and has one
 * registration at most. It registers itself alone: SPEC_I_PT, ALL_TG_PT and
 * REGISTER AND MOVE are refused, and reported as not supported. So nobody can
 * take the room that another one's registration needs.
 *
 * Trust      Keys and parameter lists are a guest's; the list was copied before
 *            it comes here.
 * Threads    Pure functions.
 */
#ifndef SCSI_RESERVE_H
#define SCSI_RESERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/attention.h"
#include "scsi/command.h"
#include "scsi/sense.h"

#define SCSI_NEXUS_MAX          64
#define SCSI_NEXUS_NONE         0xffu
#define SCSI_RESERVE_LIST_BYTES 24 /* of PERSISTENT RESERVE OUT */
/* The longest answer to PERSISTENT RESERVE IN. */
#define SCSI_RESERVE_IN_MAX (8 + SCSI_NEXUS_MAX * 48)
#define SCSI_PORT_BYTES     16

/* Types of persistent reservations (SPC-4 table 64). */
enum scsi_reserve_type {
	RESERVE_NONE = 0,
	RESERVE_WRITE_EXCLUSIVE = 1,
	RESERVE_EXCLUSIVE_ACCESS = 3,
	RESERVE_WRITE_EXCLUSIVE_REGISTRANTS = 5,
	RESERVE_EXCLUSIVE_ACCESS_REGISTRANTS = 6,
	RESERVE_WRITE_EXCLUSIVE_ALL = 7,
	RESERVE_EXCLUSIVE_ACCESS_ALL = 8,
	RESERVE_TYPE_COUNT,
};

/* Service actions of PERSISTENT RESERVE IN and OUT. */
enum scsi_reserve_in {
	RESERVE_READ_KEYS,
	RESERVE_READ_RESERVATION,
	RESERVE_REPORT_CAPABILITIES,
	RESERVE_READ_FULL_STATUS,
};

enum scsi_reserve_out {
	RESERVE_REGISTER,
	RESERVE_RESERVE,
	RESERVE_RELEASE,
	RESERVE_CLEAR,
	RESERVE_PREEMPT,
	RESERVE_PREEMPT_AND_ABORT,
	RESERVE_REGISTER_AND_IGNORE,
	RESERVE_OUT_COUNT,
};

/* All of it, of fixed size, since a ledger keeps it. Zeroes: nobody has any. */
struct scsi_reserve {
	uint32_t generation;
	uint8_t type;               /* enum scsi_reserve_type */
	uint8_t holder;             /* of a type that has one holder */
	uint8_t is_aptpl;           /* it outlives the host */
	uint8_t spc2_holder_plus_1; /* 0: no RESERVE is in effect */
	uint64_t registered;        /* a bit for each nexus */
	uint64_t key[SCSI_NEXUS_MAX];
};

/* What PERSISTENT RESERVE OUT asks for. */
struct scsi_reserve_request {
	uint8_t action; /* enum scsi_reserve_out */
	uint8_t scope;
	uint8_t type;
	uint64_t key;
	uint64_t service_key;
	uint8_t flags; /* byte 20 of the list */
};

/* How it, RESERVE or RELEASE went. Anything but GOOD has changed nothing. */
struct scsi_reserve_result {
	enum scsi_status status;
	/* Of CHECK CONDITION: what is wrong, and for the INVALID FIELD ones
	 * where (scsi_refuse_cdb() and scsi_refuse_list()). */
	enum scsi_sense_code code;
	uint16_t field_byte;
	int8_t field_bit;
	bool is_changed; /* false: there is nothing to commit */
	bool needs_plate;
	struct scsi_effects effects;
};

/* Read CDB and list. */
void scsi_reserve_decode(const uint8_t *cdb,
			 const uint8_t list[SCSI_RESERVE_LIST_BYTES],
			 struct scsi_reserve_request *ret_request);

/* Whether it asks that registrations outlive the host (APTPL). */
bool scsi_reserve_wants_plate(const struct scsi_reserve_request *request);

/* Execute PERSISTENT RESERVE OUT of a nexus. */
void scsi_reserve_out(struct scsi_reserve *reserve, unsigned nexus,
		      const struct scsi_reserve_request *request,
		      struct scsi_reserve_result *ret_result);

/* RESERVE and RELEASE, of 6 and of 10 bytes, of the whole unit. */
void scsi_reserve_spc2(struct scsi_reserve *reserve, unsigned nexus,
		       struct scsi_reserve_result *ret_result);
void scsi_release_spc2(struct scsi_reserve *reserve, unsigned nexus,
		       struct scsi_reserve_result *ret_result);

/* A reset of the unit, or with the nexus' index its loss: persistent
 * reservations stay, the other kind ends. */
void scsi_reserve_reset(struct scsi_reserve *reserve);
void scsi_reserve_lose(struct scsi_reserve *reserve, unsigned nexus);

/* What PERSISTENT RESERVE IN returns, of which the caller cuts off what was not
 * asked for: the number of bytes. The ports are those of the nexuses; has_plate
 * tells whether anything can outlive the host. */
size_t scsi_reserve_in(const struct scsi_reserve *reserve,
		       enum scsi_reserve_in action, bool has_plate,
		       const uint8_t ports[SCSI_NEXUS_MAX][SCSI_PORT_BYTES],
		       uint8_t ret_bytes[SCSI_RESERVE_IN_MAX]);

/* Whether others' reservations hold this command of the nexus back. */
bool scsi_reserve_conflicts(const struct scsi_reserve *reserve, unsigned nexus,
			    enum scsi_access access);

/* Whether PERSISTENT RESERVE IN is held back: by any RESERVE in effect. */
bool scsi_reserve_in_conflicts(const struct scsi_reserve *reserve);

/* Whether it could have come about: for one that was read from outside. */
bool scsi_reserve_is_sound(const struct scsi_reserve *reserve);

#endif
