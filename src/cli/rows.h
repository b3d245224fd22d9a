/* SPDX-License-Identifier: MIT */
/* The supervisor's rows as JSON, as the contract with scripts has them. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <jansson.h>

#include "control/protocol.h"
#include "definition/schema.h"

json_t *json_partition(const struct partition_row *row);
/* A definition; that of a partition is the document itself, which `bulkhead
 * define` takes back. */
json_t *json_record(const struct record_type *record, const void *value);
json_t *json_disk(const struct disk_row *row);
json_t *json_emulation(const struct emulation *row);
json_t *json_image(const struct image_row *row);
json_t *json_image_left(const struct image_left_row *row);
json_t *json_layers(const struct layer_row *row);
json_t *json_service(const struct service_row *row);
json_t *json_quarantine(const struct quarantine_row *row);
json_t *json_event(const struct event_row *row);
json_t *json_supervisor(const struct supervisor_row *row);

/* A member of a row; the text is of someone else. */
void json_set_text(json_t *object, const char *key, const char *text);
void json_set_number(json_t *object, const char *key, uint64_t value);
void json_set_flag(json_t *object, const char *key, bool value);

/* "qemu"; "?" for a number this version does not know. */
const char *engine_name(uint32_t engine);

/* "info", "warning" or "error". */
const char *event_level_name(uint32_t level);

#endif
