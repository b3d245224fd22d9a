/* SPDX-License-Identifier: MIT */
#include "scsi/command.h"

#include "base/count.h"
#include "scsi/bytes.h"
#include "scsi/handlers.h"
#include "scsi/limits.h"

#define NONE     SCSI_NO_ACTION
#define DISK     SCSI_TYPE_BIT(SCSI_DISK)
#define TAPE     SCSI_TYPE_BIT(SCSI_TAPE)
#define CD       SCSI_TYPE_BIT(SCSI_CD)
#define THIN     SCSI_ONLY_THIN
#define ANY_TYPE (DISK | TAPE | CD)

/* The code of a command whose rows differ by service action (SPC-4 4.3.4). */
#define ACTION_MASK 0x1f

/* clang-format off */
#define COMMAND(name_, code_, action_, types_, place_, class_, direction_,    \
		need_, access_, handler_, ...)                                \
	{                                                                      \
		.name = (name_), .handler = (handler_), .types = (types_),     \
		.code = (code_), .action = (action_),                          \
		.cdb_bytes = 1 + sizeof((uint8_t[]){ __VA_ARGS__ }),           \
		.place = SCSI_PLACE_##place_, .class = SCSI_CLASS_##class_,    \
		.direction = SCSI_DATA_##direction_,                           \
		.need = SCSI_NEED_##need_, .access = SCSI_ACCESS_##access_,    \
		.usage = { (code_), __VA_ARGS__ },                             \
	},
/* clang-format on */

static const struct scsi_command table[] = {
#include "scsi/command.def"
};

_Static_assert(4 + ARRAY_COUNT(table) * SCSI_REPORT_ROW_BYTES <=
		       SCSI_REPORT_BYTES,
	       "all of them are reported at once");

const struct scsi_command *scsi_command_table(size_t *ret_count)
{
	*ret_count = ARRAY_COUNT(table);
	return table;
}

static bool has_action(const struct scsi_command *command, uint8_t byte)
{
	return command->action == SCSI_NO_ACTION ||
	       command->action == (byte & ACTION_MASK);
}

const struct scsi_command *scsi_command_find(enum scsi_type type,
					     const uint8_t *cdb,
					     bool *ret_is_known_code)
{
	*ret_is_known_code = false;
	for (size_t i = 0; i < ARRAY_COUNT(table) && table[i].code <= cdb[0];
	     i++) {
		if (table[i].code != cdb[0] ||
		    !(table[i].types & SCSI_TYPE_BIT(type)))
			continue;
		*ret_is_known_code = true;
		if (has_action(&table[i], cdb[1]))
			return &table[i];
	}
	return NULL;
}

/* The conditional rows of SPC-4 table 67 and SBC-3 table 13. */
enum scsi_access scsi_command_access(const struct scsi_command *command,
				     const uint8_t *cdb)
{
	if (command->access != SCSI_ACCESS_BY_CDB)
		return (enum scsi_access)command->access;
	if (command->code == SCSI_START_STOP_UNIT)
		return (cdb[4] & 0xf1) == 0x01 ? SCSI_ACCESS_ALWAYS
					       : SCSI_ACCESS_WRITE;
	return (cdb[4] & 0x03) == 0 ? SCSI_ACCESS_ALWAYS : SCSI_ACCESS_WRITE;
}

bool scsi_command_has_stray_bit(const struct scsi_command *command,
				const uint8_t *cdb, uint16_t *ret_byte,
				int8_t *ret_bit)
{
	for (uint16_t i = 1; i < command->cdb_bytes; i++) {
		uint8_t stray = cdb[i] & (uint8_t)~command->usage[i];

		if (stray == 0)
			continue;
		*ret_byte = i;
		*ret_bit = (int8_t)(31 - __builtin_clz(stray));
		return true;
	}
	return false;
}

void scsi_command_blocks(const struct scsi_command *command, const uint8_t *cdb,
			 uint64_t *ret_lba, uint32_t *ret_count)
{
	*ret_lba = 0;
	*ret_count = 0;
	switch ((enum scsi_place)command->place) {
	case SCSI_PLACE_6:
		*ret_lba = get_be24(cdb + 1) & 0x1fffff;
		*ret_count = cdb[4] ? cdb[4] : 256;
		return;
	case SCSI_PLACE_10:
		*ret_lba = get_be32(cdb + 2);
		*ret_count = get_be16(cdb + 7);
		return;
	case SCSI_PLACE_12:
		*ret_lba = get_be32(cdb + 2);
		*ret_count = get_be32(cdb + 6);
		return;
	case SCSI_PLACE_16:
		*ret_lba = get_be64(cdb + 2);
		*ret_count = get_be32(cdb + 10);
		return;
	case SCSI_PLACE_COMPARE:
		*ret_lba = get_be64(cdb + 2);
		*ret_count = cdb[13];
		return;
	case SCSI_PLACE_NONE:
	case SCSI_PLACE_WHOLE:
		return;
	}
}

/* Whether a count of 0 means all that follows. */
static bool reaches_end(const struct scsi_command *command, uint32_t count)
{
	return command->place == SCSI_PLACE_WHOLE ||
	       (count == 0 && (command->code == SCSI_WRITE_SAME_10 ||
			       command->code == SCSI_WRITE_SAME_16));
}

void scsi_command_decode(enum scsi_type type, const uint8_t cdb[SCSI_CDB_BYTES],
			 uint32_t block_bytes, struct scsi_extent *ret_extent)
{
	bool is_known_code;
	const struct scsi_command *command =
		scsi_command_find(type, cdb, &is_known_code);
	uint64_t lba;
	uint32_t count;

	*ret_extent = (struct scsi_extent){ .class = SCSI_CLASS_ONCE };
	if (!command)
		return;
	ret_extent->class = (enum scsi_class)command->class;
	ret_extent->direction = (enum scsi_direction)command->direction;
	scsi_command_blocks(command, cdb, &lba, &count);
	ret_extent->length_bytes = (uint64_t)count * block_bytes;
	if (reaches_end(command, count))
		ret_extent->length_bytes = UINT64_MAX;
	if (__builtin_mul_overflow(lba, block_bytes,
				   &ret_extent->offset_bytes)) {
		ret_extent->offset_bytes = 0;
		ret_extent->length_bytes = UINT64_MAX;
	}
}
