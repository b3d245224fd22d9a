/* SPDX-License-Identifier: MIT */
/* Rows of switches and interfaces, as tables and as JSON. */
#ifndef CLI_NETWORK_ROWS_H
#define CLI_NETWORK_ROWS_H

#include <jansson.h>

#include "cli/table.h"
#include "control/drops.h"
#include "control/protocol.h"

void nic_table_init(struct table *table);
void nic_table_add(struct table *table, const struct nic_row *row);
json_t *json_nic(const struct nic_row *row);

void switch_table_init(struct table *table);
void switch_table_add(struct table *table, const struct switch_row *row);
json_t *json_switch(const struct switch_row *row);

void port_table_init(struct table *table);
void port_table_add(struct table *table, const struct net_port *row);
json_t *json_port(const struct net_port *row);

void entry_table_init(struct table *table);
void entry_table_add(struct table *table, const struct net_entry *row);
json_t *json_entry(const struct net_entry *row);

void mirror_table_init(struct table *table);
void mirror_table_add(struct table *table, const struct switch_mirrored *row);
json_t *json_mirror(const struct switch_mirrored *row);

void dead_end_table_init(struct table *table);
void dead_end_table_add(struct table *table, const struct switch_dead_end *row);
json_t *json_dead_end(const struct switch_dead_end *row);

#endif
