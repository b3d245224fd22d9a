/* SPDX-License-Identifier: MIT */
#include "supervisor/service/scsi_id.h"

#include <string.h>
#include <systemd/sd-id128.h>

#include "base/text.h"
#include "supervisor/child/token.h"
#include "supervisor/supervisor.h"

static void make(const struct supervisor *supervisor, const char *what,
		 uint64_t id, uint8_t ret_id[SCSI_ID_BYTES])
{
	struct {
		char what[8];
		uint64_t id;
		uint64_t half;
	} name = { .id = id };

	(void)text_copy(name.what, sizeof(name.what), what);
	for (; name.half < SCSI_ID_BYTES / 8; name.half++) {
		uint64_t hash =
			token_hash(supervisor->key, &name, sizeof(name));

		memcpy(ret_id + name.half * 8, &hash, sizeof(hash));
	}
}

void scsi_id_of_port(const struct supervisor *supervisor,
		     uint64_t attachment_id, uint8_t ret_id[SCSI_ID_BYTES])
{
	make(supervisor, "port", attachment_id, ret_id);
}

void scsi_id_of_unit(const struct supervisor *supervisor, uint64_t volume_id,
		     uint8_t ret_id[SCSI_ID_BYTES])
{
	make(supervisor, "unit", volume_id, ret_id);
}

void scsi_id_of_boot(uint8_t ret_id[SCSI_ID_BYTES])
{
	sd_id128_t boot = { 0 };

	(void)sd_id128_get_boot(&boot);
	memcpy(ret_id, &boot, SCSI_ID_BYTES);
}
