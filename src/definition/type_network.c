/* SPDX-License-Identifier: MIT */
/* The types of network interfaces and of switches. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "definition/type.h"
#include "definition/units.h"

/* MAC addresses. -------------------------------------------------------------- */

static bool parse_mac(const struct field *field, const struct scalar *scalar,
		      void *at, char why[WHY_SIZE])
{
	return mac_parse(scalar->text, at) == 0;
}

static bool check_mac(const struct field *field, const void *at,
		      char why[WHY_SIZE])
{
	return (*(const uint8_t *)at & 1) == 0;
}

static enum value_kind write_mac(const struct field *field, const void *at,
				 char text[VALUE_SIZE])
{
	mac_write(text, at);
	return type_is_zero(at, 6) ? VALUE_ABSENT : VALUE_TEXT;
}

const struct type_ops type_mac = {
	.bytes = 6,
	.range = "six bytes such as 02:00:00:00:00:01, not a group's address",
	.parse = parse_mac,
	.check = check_mac,
	.write = write_mac,
};

/* VLANs. ---------------------------------------------------------------------- */

static bool parse_vid(const struct scalar *scalar, uint16_t *ret_vid)
{
	uint64_t value;

	if (scalar->is_quoted ||
	    text_parse_u64(scalar->text, VLAN_MAX, &value) < 0 || value == 0)
		return false;
	*ret_vid = (uint16_t)value;
	return true;
}

static bool parse_vlan(const struct field *field, const struct scalar *scalar,
		       void *at, char why[WHY_SIZE])
{
	return parse_vid(scalar, at);
}

static bool check_vlan(const struct field *field, const void *at,
		       char why[WHY_SIZE])
{
	return *(const uint16_t *)at <= VLAN_MAX;
}

static enum value_kind write_vlan(const struct field *field, const void *at,
				  char text[VALUE_SIZE])
{
	uint16_t vid = *(const uint16_t *)at;

	(void)snprintf(text, VALUE_SIZE, "%u", vid);
	return vid ? VALUE_NUMBER : VALUE_ABSENT;
}

const struct type_ops type_vlan = {
	.bytes = sizeof(uint16_t),
	.may_be_none = true,
	.range = "1 to 4094",
	.parse = parse_vlan,
	.check = check_vlan,
	.write = write_vlan,
};

static bool parse_vlans(const struct field *field, const struct scalar *scalar,
			void *at, char why[WHY_SIZE])
{
	struct vid_list *list = at;

	return list->count < NIC_VID_MAX &&
	       parse_vid(scalar, &list->vids[list->count]) && ++list->count;
}

static bool check_vlans(const struct field *field, const void *at,
			char why[WHY_SIZE])
{
	const struct vid_list *list = at;

	if (list->count > NIC_VID_MAX)
		return false;
	for (uint16_t i = 0; i < list->count; i++) {
		if (list->vids[i] == 0 || list->vids[i] > VLAN_MAX)
			return false;
		for (uint16_t earlier = 0; earlier < i; earlier++)
			if (list->vids[i] == list->vids[earlier])
				return false;
	}
	return true;
}

static enum value_kind write_vlans(const struct field *field, const void *at,
				   char text[VALUE_SIZE])
{
	const struct vid_list *list = at;
	size_t used = 0;

	for (uint16_t i = 0; i < list->count && i < NIC_VID_MAX; i++)
		used += (size_t)snprintf(text + used, VALUE_SIZE - used, "%s%u",
					 i ? ", " : "[", list->vids[i]);
	(void)snprintf(text + used, VALUE_SIZE - used, "]");
	return used ? VALUE_LIST : VALUE_ABSENT;
}

static void describe_vlans(const struct field *field, char *to, size_t room)
{
	(void)snprintf(to, room,
		       "list of up to %llu different numbers, 1 to 4094, "
		       "without vlan",
		       (unsigned long long)field->most);
}

static uint32_t encode_vlans(const struct field *field, const void *at,
			     uint8_t *to)
{
	const struct vid_list *list = at;
	uint32_t bytes =
		(uint32_t)min_u64(list->count, NIC_VID_MAX) * sizeof(uint16_t);

	memcpy(to, list->vids, bytes);
	return bytes;
}

static bool decode_vlans(const struct field *field, void *at,
			 const uint8_t *from, uint32_t bytes)
{
	struct vid_list *list = at;

	if (bytes % sizeof(uint16_t) || bytes > sizeof(list->vids))
		return false;
	list->count = (uint16_t)(bytes / sizeof(uint16_t));
	memcpy(list->vids, from, bytes);
	return true;
}

const struct type_ops type_vlans = {
	.bytes = sizeof(struct vid_list),
	.is_list = true,
	.may_be_none = true,
	.describe = describe_vlans,
	.parse = parse_vlans,
	.check = check_vlans,
	.write = write_vlans,
	.encode = encode_vlans,
	.decode = decode_vlans,
};

/* Rates. ---------------------------------------------------------------------- */

static bool parse_rate(const struct field *field, const struct scalar *scalar,
		       void *at, char why[WHY_SIZE])
{
	struct rate *rate = at;

	return rate_parse(scalar->text, NIC_CREDIT_MAX, NIC_PERIOD_US_MAX,
			  &rate->credit_bytes, &rate->period_us) == 0;
}

static bool check_rate(const struct field *field, const void *at,
		       char why[WHY_SIZE])
{
	const struct rate *rate = at;

	return rate->credit_bytes && rate->credit_bytes <= NIC_CREDIT_MAX &&
	       rate->period_us && rate->period_us <= NIC_PERIOD_US_MAX &&
	       !rate->reserved;
}

static enum value_kind write_rate(const struct field *field, const void *at,
				  char text[VALUE_SIZE])
{
	const struct rate *rate = at;

	rate_write(text, rate->credit_bytes, rate->period_us);
	return rate->credit_bytes ? VALUE_TEXT : VALUE_ABSENT;
}

const struct type_ops type_rate = {
	.bytes = sizeof(struct rate),
	.may_be_none = true,
	.range = "BYTES/PERIOD such as 125K/10ms, 1 to 1T in 1us to 1s",
	.parse = parse_rate,
	.check = check_rate,
	.write = write_rate,
};

/* Addresses. ------------------------------------------------------------------ */

static bool add_address(struct address_set *set, int family,
			const uint8_t *address)
{
	uint32_t *count =
		family == AF_INET ? &set->ipv4_count : &set->ipv6_count;

	if (*count >= NIC_ADDRESS_MAX)
		return false;
	if (family == AF_INET)
		memcpy(set->ipv4[*count], address, 4);
	else
		memcpy(set->ipv6[*count], address, 16);
	++*count;
	return true;
}

static bool parse_addresses(const struct field *field,
			    const struct scalar *scalar, void *at,
			    char why[WHY_SIZE])
{
	uint8_t address[16];

	if (inet_pton(AF_INET, scalar->text, address) == 1)
		return add_address(at, AF_INET, address);
	return inet_pton(AF_INET6, scalar->text, address) == 1 &&
	       add_address(at, AF_INET6, address);
}

static bool check_addresses(const struct field *field, const void *at,
			    char why[WHY_SIZE])
{
	const struct address_set *set = at;

	return set->ipv4_count <= NIC_ADDRESS_MAX &&
	       set->ipv6_count <= NIC_ADDRESS_MAX;
}

static size_t append_address(char text[VALUE_SIZE], size_t used, int family,
			     const void *address)
{
	char one[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(family, address, one, sizeof(one));
	return used + (size_t)snprintf(text + used, VALUE_SIZE - used,
				       "%s\"%s\"", used ? ", " : "[", one);
}

static enum value_kind write_addresses(const struct field *field,
				       const void *at, char text[VALUE_SIZE])
{
	const struct address_set *set = at;
	size_t used = 0;

	for (uint32_t i = 0; i < set->ipv4_count && i < NIC_ADDRESS_MAX; i++)
		used = append_address(text, used, AF_INET, set->ipv4[i]);
	for (uint32_t i = 0; i < set->ipv6_count && i < NIC_ADDRESS_MAX; i++)
		used = append_address(text, used, AF_INET6, set->ipv6[i]);
	(void)snprintf(text + used, VALUE_SIZE - used, "]");
	return used ? VALUE_LIST : VALUE_ABSENT;
}

static void describe_addresses(const struct field *field, char *to, size_t room)
{
	(void)snprintf(to, room, "list of up to %llu of each kind",
		       (unsigned long long)field->most);
}

/* The payload: how many of IPv4, in 4 bytes; those, and then those of IPv6. */
static uint32_t encode_addresses(const struct field *field, const void *at,
				 uint8_t *to)
{
	const struct address_set *set = at;
	uint32_t ipv4 = (uint32_t)min_u64(set->ipv4_count, NIC_ADDRESS_MAX);
	uint32_t ipv6 = (uint32_t)min_u64(set->ipv6_count, NIC_ADDRESS_MAX);

	memcpy(to, &ipv4, sizeof(ipv4));
	memcpy(to + 4, set->ipv4, ipv4 * 4);
	memcpy(to + 4 + ipv4 * 4, set->ipv6, ipv6 * 16);
	return ipv4 + ipv6 ? 4 + ipv4 * 4 + ipv6 * 16 : 0;
}

static bool decode_addresses(const struct field *field, void *at,
			     const uint8_t *from, uint32_t bytes)
{
	uint32_t ipv4 = 0;

	if (bytes < sizeof(ipv4))
		return false;
	memcpy(&ipv4, from, sizeof(ipv4));
	if (ipv4 > NIC_ADDRESS_MAX || bytes < 4 + ipv4 * 4 ||
	    (bytes - 4 - ipv4 * 4) % 16)
		return false;
	for (uint32_t i = 0; i < ipv4; i++)
		(void)add_address(at, AF_INET, from + 4 + i * 4);
	for (uint32_t i = 4 + ipv4 * 4; i < bytes; i += 16)
		if (!add_address(at, AF_INET6, from + i))
			return false;
	return true;
}

const struct type_ops type_addresses = {
	.bytes = sizeof(struct address_set),
	.is_list = true,
	.may_be_none = true,
	.describe = describe_addresses,
	.parse = parse_addresses,
	.check = check_addresses,
	.write = write_addresses,
	.encode = encode_addresses,
	.decode = decode_addresses,
};

/* Uplinks. -------------------------------------------------------------------- */

static const char *const uplinks[] = {
	[UPLINK_NONE] = "none",     [UPLINK_TAP] = "tap",
	[UPLINK_BRIDGE] = "bridge", [UPLINK_PACKET] = "packet",
	[UPLINK_PASST] = "passt",
};
_Static_assert(ARRAY_COUNT(uplinks) == UPLINK_COUNT, "one each");

const char *uplink_kind_name(uint32_t kind)
{
	return kind < UPLINK_COUNT ? uplinks[kind] : "?";
}

static bool parse_uplink(const struct field *field, const struct scalar *scalar,
			 void *at, char why[WHY_SIZE])
{
	struct uplink_definition *uplink = at;
	size_t bytes = strcspn(scalar->text, ":");
	const char *name = scalar->text + bytes;

	memset(uplink, 0, sizeof(*uplink));
	while (uplink->kind < UPLINK_COUNT &&
	       (strlen(uplinks[uplink->kind]) != bytes ||
		memcmp(uplinks[uplink->kind], scalar->text, bytes) != 0))
		uplink->kind++;
	return uplink->kind < UPLINK_COUNT &&
	       text_copy(uplink->name, sizeof(uplink->name),
			 *name ? name + 1 : name) == 0;
}

static bool is_interface_name(const char *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name == '/' || *name == '%' ||
		    *name == 0x7f)
			return false;
	return true;
}

static bool check_uplink(const struct field *field, const void *at,
			 char why[WHY_SIZE])
{
	const struct uplink_definition *uplink = at;
	size_t length = strnlen(uplink->name, UPLINK_SIZE);

	if (length == UPLINK_SIZE ||
	    !type_is_zero(uplink->name + length, UPLINK_SIZE - length) ||
	    !is_interface_name(uplink->name))
		return false;
	switch (uplink->kind) {
	case UPLINK_NONE:
		return length == 0;
	case UPLINK_PASST:
		return length == 0 ||
		       strcmp(uplink->name, UPLINK_PASST_HOST) == 0;
	default:
		return uplink->kind < UPLINK_COUNT && length > 0;
	}
}

static enum value_kind write_uplink(const struct field *field, const void *at,
				    char text[VALUE_SIZE])
{
	const struct uplink_definition *uplink = at;

	(void)snprintf(
		text, VALUE_SIZE, "%s%s%.*s", uplink_kind_name(uplink->kind),
		uplink->name[0] ? ":" : "", UPLINK_SIZE - 1, uplink->name);
	return VALUE_TEXT;
}

const struct type_ops type_uplink = {
	.bytes = sizeof(struct uplink_definition),
	.range = "none, tap:NAME, bridge:NAME, packet:NAME, passt or "
		 "passt:host",
	.parse = parse_uplink,
	.check = check_uplink,
	.write = write_uplink,
};
