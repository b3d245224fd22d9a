/* SPDX-License-Identifier: MIT */
/* Switches, interfaces and mirrors in the store. */
#include <errno.h>
#include <string.h>

#include "lib/harness.h"
#include "store_rig.h"

static struct store_rig rig;

static struct nic_record make_nic(uint64_t id, const char *name)
{
	struct nic_record nic = { .id = id, .partition = "web1" };

	(void)text_copy(nic.definition.name, NAME_SIZE, name);
	(void)text_copy(nic.definition.network, NAME_SIZE, "lan");
	nic.definition.vlans.pvid = 10;
	return nic;
}

struct seen_nics {
	unsigned count;
	struct nic_record last;
};

static int see_nic(void *context, const struct nic_record *record)
{
	struct seen_nics *seen = context;

	seen->count++;
	seen->last = *record;
	return 0;
}

static struct seen_nics look_at_nics(void)
{
	struct seen_nics seen = { 0 };

	CHECK_EQ(store_each_nic(rig.store, see_nic, &seen), 0);
	return seen;
}

TEST(interfaces_are_kept_and_go_with_their_partition)
{
	struct partition_record partition = store_rig_partition("web1");
	struct nic_record first = make_nic(3, "lan0");
	struct nic_record second = make_nic(7, "lan1");

	struct seen_nics seen;

	store_rig_open(&rig);
	CHECK_EQ(store_put_nic(rig.store, &first), -EBUSY);
	CHECK_EQ(store_put_partition(rig.store, &partition), 0);
	CHECK_EQ(store_put_nic(rig.store, &second), 0);
	CHECK_EQ(store_put_nic(rig.store, &first), 0);
	store_rig_reopen(&rig);

	seen = look_at_nics();
	CHECK_EQ(seen.count, 2);
	CHECK_EQ(memcmp(&seen.last, &second, sizeof(second)), 0);
	CHECK_EQ(store_delete_nic(rig.store, 7), 0);
	CHECK_EQ(store_delete_nic(rig.store, 7), -ENOENT);
	CHECK_EQ(look_at_nics().count, 1);
	CHECK_EQ(store_delete_partition(rig.store, "web1"), 0);
	CHECK_EQ(look_at_nics().count, 0);
	store_rig_close(&rig);
}

static int see_mirror(void *context, const struct mirror_record *record)
{
	struct mirror_record *seen = context;

	*seen = *record;
	return 0;
}

TEST(a_mirror_is_kept_and_goes_with_its_interface)
{
	struct partition_record partition = store_rig_partition("web1");
	struct nic_record nic = make_nic(3, "lan0");
	struct mirror_record put = { .id = 3, .from_id = 9 };
	struct mirror_record got = { 0 };

	store_rig_open(&rig);
	CHECK_EQ(store_put_partition(rig.store, &partition), 0);
	CHECK_EQ(store_put_nic(rig.store, &nic), 0);
	CHECK_EQ(store_put_mirror(rig.store, &put), 0);
	put = (struct mirror_record){ .id = 3, .vid = 10 };
	CHECK_EQ(store_put_mirror(rig.store, &put), 0);
	CHECK_EQ(store_put_nic(rig.store, &nic), 0);
	store_rig_reopen(&rig);

	CHECK_EQ(store_each_mirror(rig.store, see_mirror, &got), 0);
	CHECK_EQ(memcmp(&put, &got, sizeof(put)), 0);
	CHECK_EQ(store_delete_nic(rig.store, 3), 0);
	got.id = 0;
	CHECK_EQ(store_each_mirror(rig.store, see_mirror, &got), 0);
	CHECK_EQ(got.id, 0);
	store_rig_close(&rig);
}

static int see_switch(void *context, const struct switch_record *record)
{
	struct switch_record *seen = context;

	*seen = *record;
	return 0;
}

TEST(a_switch_is_kept_changed_and_forgotten)
{
	struct switch_record put = {
		.id = 5, .definition = { .name = "lan", .service = "net0" }
	};
	struct switch_record got = { 0 };

	store_rig_open(&rig);
	CHECK_EQ(store_put_switch(rig.store, &put), 0);
	put.definition.uplink.kind = UPLINK_PASST;
	CHECK_EQ(store_put_switch(rig.store, &put), 0);
	store_rig_reopen(&rig);

	CHECK_EQ(store_each_switch(rig.store, see_switch, &got), 0);
	CHECK_EQ(memcmp(&put, &got, sizeof(put)), 0);
	CHECK_EQ(store_delete_switch(rig.store, "lan"), 0);
	CHECK_EQ(store_delete_switch(rig.store, "lan"), -ENOENT);
	store_rig_close(&rig);
}
