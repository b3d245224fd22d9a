/* SPDX-License-Identifier: MIT */
#include "scsi/attention.h"

#include <assert.h>

static const enum scsi_sense_code codes[ATTENTION_COUNT] = {
	[ATTENTION_POWER_ON] = SENSE_POWER_ON,
	[ATTENTION_RESET] = SENSE_RESET,
	[ATTENTION_NEXUS_LOST] = SENSE_NEXUS_LOST,
	[ATTENTION_MEDIUM_CHANGED] = SENSE_MEDIUM_CHANGED,
	[ATTENTION_CAPACITY_CHANGED] = SENSE_CAPACITY_CHANGED,
	[ATTENTION_MODE_CHANGED] = SENSE_MODE_CHANGED,
	[ATTENTION_PREEMPTED_RESERVATION] = SENSE_PREEMPTED_RESERVATION,
	[ATTENTION_RELEASED_RESERVATION] = SENSE_RELEASED_RESERVATION,
	[ATTENTION_PREEMPTED_REGISTRATION] = SENSE_PREEMPTED_REGISTRATION,
};

enum scsi_attention scsi_attention_first(uint32_t pending)
{
	assert((pending & ATTENTION_ALL) != 0);
	return (enum scsi_attention)__builtin_ctz(pending & ATTENTION_ALL);
}

void scsi_attention_outcome(enum scsi_attention attention, bool is_descriptor,
			    bool is_data, struct scsi_outcome *ret_outcome)
{
	struct scsi_sense sense = { .code = codes[attention] };

	*ret_outcome = (struct scsi_outcome){
		.status = is_data ? SCSI_GOOD : SCSI_CHECK_CONDITION,
	};
	ret_outcome->sense_bytes =
		scsi_sense_write(&sense, is_descriptor, ret_outcome->sense);
}
