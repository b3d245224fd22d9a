/* SPDX-License-Identifier: MIT */
#include "supervisor/partition/check_network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define VID_MOST 4094

struct checking {
	const char *prefix;
	struct refusal *refusal;
};

static int refuse_field(const struct checking *checking, const char *field,
			const char *rule)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s%s", checking->prefix, field);
	return refuse(checking->refusal, -EINVAL, name, "%s", rule);
}

static bool is_zero(const void *from, size_t bytes)
{
	const uint8_t *byte = from;

	while (bytes > 0 && *byte == 0) {
		byte++;
		bytes--;
	}
	return bytes == 0;
}

static int check_name_in(const struct checking *checking, const char *field,
			 const char name[NAME_SIZE])
{
	size_t length;

	if (!text_is_terminated(name, NAME_SIZE) ||
	    !text_is_name(name, NAME_SIZE))
		return refuse_field(checking, field,
				    "must be 1 to 31 of a-z 0-9 _ . - and "
				    "begin with a letter or digit");
	length = strlen(name);
	if (!is_zero(name + length, NAME_SIZE - length))
		return refuse_field(checking, field,
				    "has bytes behind its end");
	return 0;
}

static int check_range(const struct checking *checking, const char *field,
		       uint64_t value, uint64_t least, uint64_t most)
{
	char rule[96];

	if (value >= least && value <= most)
		return 0;
	(void)snprintf(rule, sizeof(rule), "must be between %llu and %llu",
		       (unsigned long long)least, (unsigned long long)most);
	return refuse_field(checking, field, rule);
}

/* One tagged VLAN against the untagged one and those before it. */
static int check_vid(const struct checking *checking, uint16_t pvid,
		     const uint16_t *vids, uint16_t index)
{
	int r = check_range(checking, "tagged", vids[index], 1, VID_MOST);

	if (r < 0)
		return r;
	if (vids[index] == pvid)
		return refuse_field(checking, "tagged",
				    "has the untagged VLAN: a port has one "
				    "VLAN without tags, and that one only");
	for (uint16_t i = 0; i < index; i++)
		if (vids[i] == vids[index])
			return refuse_field(checking, "tagged",
					    "has a VLAN twice");
	return 0;
}

static int check_vlans(const struct checking *checking, uint16_t pvid,
		       const uint16_t *vids, uint16_t count)
{
	int r = check_range(checking, "vlan", pvid, 0, VID_MOST);

	if (r == 0 && count > NIC_VID_MAX)
		r = refuse_field(checking, "tagged", "holds more than 20");
	if (r == 0 && pvid == 0 && count == 0)
		r = refuse_field(checking, "vlan",
				 "is missing: a port is in one VLAN at least");
	for (uint16_t i = 0; r == 0 && i < count; i++)
		r = check_vid(checking, pvid, vids, i);
	if (r == 0 &&
	    !is_zero(&vids[count], (NIC_VID_MAX - count) * sizeof(vids[0])))
		r = refuse_field(checking, "tagged",
				 "has bytes behind the last one");
	return r;
}

static int check_mac(const struct checking *checking, const uint8_t mac[6])
{
	if (mac[0] & 1)
		return refuse_field(checking, "mac",
				    "is a group's address, not one "
				    "interface's");
	return 0;
}

static int check_rate(const struct checking *checking,
		      const struct nic_definition *nic)
{
	if (nic->rate.credit_bytes == 0 && nic->rate.period_us == 0)
		return 0;
	if (nic->rate.credit_bytes == 0 ||
	    nic->rate.credit_bytes > NIC_CREDIT_MAX ||
	    nic->rate.period_us == 0 || nic->rate.period_us > NIC_PERIOD_US_MAX)
		return refuse_field(checking, "rate",
				    "wants 1 to 1T bytes in 1us to 1s");
	return 0;
}

static int check_addresses(const struct checking *checking,
			   const struct nic_definition *nic)
{
	if (nic->addresses.ipv4_count > NIC_ADDRESS_MAX ||
	    nic->addresses.ipv6_count > NIC_ADDRESS_MAX)
		return refuse_field(checking, "addresses",
				    "holds more than 4 of one kind");
	if (!is_zero(nic->addresses.ipv4[nic->addresses.ipv4_count],
		     (NIC_ADDRESS_MAX - nic->addresses.ipv4_count) * 4) ||
	    !is_zero(nic->addresses.ipv6[nic->addresses.ipv6_count],
		     (NIC_ADDRESS_MAX - nic->addresses.ipv6_count) * 16))
		return refuse_field(checking, "addresses",
				    "has bytes behind the last one");
	return 0;
}

static int check_numbers(const struct checking *checking,
			 const struct nic_definition *nic)
{
	int r = 0;

	if (nic->flags & ~(uint32_t)NIC_FLAGS_ALL)
		r = refuse_field(checking, "flags", "are not known");
	if (r == 0)
		r = check_range(checking, "priority", nic->priority, 0,
				NIC_PRIORITY_MAX);
	if (r == 0)
		r = check_range(checking, "mtu", nic->mtu, NIC_MTU_MIN,
				NIC_MTU_MAX);
	if (r == 0)
		r = check_range(checking, "queues", nic->queue_pair_count, 1,
				NIC_QUEUE_PAIR_MAX);
	if (r == 0 && (!is_zero(nic->reserved, sizeof(nic->reserved))))
		r = refuse_field(checking, "", "reserved bytes are not zero");
	return r;
}

int check_nic(const struct nic_definition *nic, const char *prefix,
	      struct refusal *ret_refusal)
{
	const struct checking checking = { prefix, ret_refusal };
	int r = check_name_in(&checking, "name", nic->name);

	if (r == 0)
		r = check_name_in(&checking, "switch", nic->network);
	if (r == 0)
		r = check_mac(&checking, nic->mac);
	if (r == 0)
		r = check_vlans(&checking, nic->vlans.pvid, nic->vlans.vids,
				nic->vlans.vid_count);
	if (r == 0)
		r = check_numbers(&checking, nic);
	if (r == 0)
		r = check_rate(&checking, nic);
	return r < 0 ? r : check_addresses(&checking, nic);
}

static bool has_vid(const struct nic_definition *nic, uint16_t vid)
{
	if (nic->vlans.pvid == vid)
		return true;
	for (uint16_t i = 0; i < nic->vlans.vid_count && i < NIC_VID_MAX; i++)
		if (nic->vlans.vids[i] == vid)
			return true;
	return false;
}

bool check_nics_collide(const struct nic_definition *a,
			const struct nic_definition *b)
{
	if (strcmp(a->network, b->network) != 0 ||
	    is_zero(a->mac, sizeof(a->mac)) ||
	    memcmp(a->mac, b->mac, sizeof(a->mac)) != 0)
		return false;
	for (uint16_t vid = 1; vid <= VID_MOST; vid++)
		if (has_vid(a, vid) && has_vid(b, vid))
			return true;
	return false;
}

static int check_pair(const struct checking *checking,
		      const struct nic_definition *nic,
		      const struct nic_definition *earlier)
{
	if (strcmp(nic->name, earlier->name) == 0)
		return refuse_field(checking, "name",
				    "is the name of another interface");
	if (check_nics_collide(nic, earlier))
		return refuse_field(checking, "mac",
				    "is that of another interface in the same "
				    "VLAN");
	return 0;
}

int check_nics(const struct partition_document *document,
	       struct refusal *ret_refusal)
{
	uint32_t count = document->nic_count;
	struct checking all = { "", ret_refusal };
	int r = 0;

	if (count > NIC_COUNT_MAX)
		return refuse_field(&all, "nics", "are more than 8");
	if (document->partition.engine == ENGINE_FOREIGN &&
	    document->partition.disk_count + count != 1)
		return refuse_field(&all, "disks",
				    "engine: foreign takes exactly one disk "
				    "or one interface");
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		char prefix[24];
		struct checking checking = { prefix, ret_refusal };

		(void)snprintf(prefix, sizeof(prefix), "nics[%u].", i);
		r = check_nic(&document->nics[i], prefix, ret_refusal);
		for (uint32_t j = 0; r == 0 && j < i; j++)
			r = check_pair(&checking, &document->nics[i],
				       &document->nics[j]);
	}
	if (r == 0 &&
	    (document->reserved ||
	     !is_zero(&document->nics[count],
		      (NIC_COUNT_MAX - count) * sizeof(document->nics[0]))))
		r = refuse_field(&all, "nics",
				 "have bytes behind the last one");
	return r;
}

static int check_uplink_name(const struct checking *checking,
			     const struct switch_definition *definition)
{
	const char *name = definition->uplink.name;
	bool needs_name = definition->uplink.kind == UPLINK_TAP ||
			  definition->uplink.kind == UPLINK_BRIDGE ||
			  definition->uplink.kind == UPLINK_PACKET;
	size_t length;

	if (!text_is_terminated(name, UPLINK_SIZE))
		return refuse_field(checking, "uplink", "is too long");
	length = strlen(name);
	if (!is_zero(name + length, UPLINK_SIZE - length))
		return refuse_field(checking, "uplink",
				    "has bytes behind its end");
	if (needs_name && !length)
		return refuse_field(checking, "uplink",
				    "wants an interface: KIND:INTERFACE");
	if (definition->uplink.kind == UPLINK_PASST && length &&
	    strcmp(name, UPLINK_PASST_HOST) != 0)
		return refuse_field(checking, "uplink",
				    "of this kind is passt or passt:host");
	if (definition->uplink.kind == UPLINK_NONE && length)
		return refuse_field(checking, "uplink",
				    "of this kind takes no interface");
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] == '/' || name[i] == '%' ||
		    name[i] == 0x7f)
			return refuse_field(checking, "uplink",
					    "is not an interface's name");
	return 0;
}

int check_switch(const struct switch_definition *definition,
		 struct refusal *ret_refusal)
{
	const struct checking checking = { "", ret_refusal };
	int r = check_name_in(&checking, "name", definition->name);

	if (r == 0)
		r = check_name_in(&checking, "service", definition->service);
	if (r == 0 && definition->uplink.kind >= UPLINK_COUNT)
		r = refuse_field(&checking, "uplink", "is not a choice");
	if (r == 0)
		r = check_uplink_name(&checking, definition);
	if (r < 0 || definition->uplink.kind != UPLINK_NONE)
		return r < 0 ? r
			     : check_vlans(&checking, definition->vlans.pvid,
					   definition->vlans.vids,
					   definition->vlans.vid_count);
	if (definition->vlans.pvid || definition->vlans.vid_count ||
	    !is_zero(definition->vlans.vids, sizeof(definition->vlans.vids)))
		return refuse_field(&checking, "vlan",
				    "is the uplink's, and there is none");
	return 0;
}
