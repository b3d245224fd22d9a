/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAC_CHARACTERS 17

static bool is_word(const json_t *object, const char *key, const char *word)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && strcmp(value, word) == 0;
}

static int read_address(const json_t *item, uint8_t address[6])
{
	const char *text = json_string_value(item);
	int used = 0;

	if (!text || strlen(text) != MAC_CHARACTERS ||
	    sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", address,
		   address + 1, address + 2, address + 3, address + 4,
		   address + 5, &used) != 6)
		return -EBADMSG;
	return used == MAC_CHARACTERS ? 0 : -EBADMSG;
}

static int read_groups(const json_t *table, struct nic_filter *filter)
{
	int r = json_is_array(table) ? 0 : -EBADMSG;

	if (json_array_size(table) > NIC_GROUP_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(table) && r == 0; i++)
		r = read_address(json_array_get(table, i),
				 filter->groups[filter->group_count++]);
	return r;
}

int filter_read(const json_t *returned, struct nic_filter *ret_filter)
{
	const json_t *object = json_array_get(returned, 0);
	bool takes_all =
		!json_is_false(json_object_get(object, "promiscuous")) ||
		!json_is_false(json_object_get(object, "multicast-overflow"));

	*ret_filter = (struct nic_filter){ 0 };
	if (json_array_size(returned) != 1 || !json_is_object(object))
		return -EBADMSG;
	if (read_address(json_object_get(object, "main-mac"), ret_filter->mac) <
	    0)
		memset(ret_filter->mac, 0, sizeof(ret_filter->mac));
	if (is_word(object, "multicast", "none") && !takes_all)
		return 0;
	if (is_word(object, "multicast", "normal") && !takes_all &&
	    read_groups(json_object_get(object, "multicast-table"),
			ret_filter) == 0)
		return 0;
	ret_filter->takes_all_groups = true;
	ret_filter->group_count = 0;
	return 0;
}
