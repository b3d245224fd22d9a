/* SPDX-License-Identifier: MIT */
/* What differs between two documents, and one field given another value. */
#include "definition/compare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "definition/assign.h"
#include "definition/document.h"
#include "lib/harness.h"

static const char before[] =
	"partition: web1\n"
	"boot: {kernel: /boot/vmlinuz, initrd: /boot/initrd}\n"
	"memory: {size: 1G}\n"
	"disks:\n"
	"  - {name: root, file: /srv/root.img}\n"
	"  - {name: data, file: /srv/data.img, on-outage: \"fail: 20s\"}\n"
	"nics:\n"
	"  - {name: lan0, switch: office, mac: \"02:00:00:00:00:01\","
	" tagged: [10, 20], vlan: 5}\n"
	"stop: {deadline: 30s}\n";

static struct partition_document parse(const char *text)
{
	struct partition_document document;
	struct refusal refusal = { 0 };

	CHECK_EQ(document_parse(text, strlen(text), &document, &refusal), 0);
	return document;
}

/* "FIELD: NOW > THEN (WHILE)" of each, with a line end behind it. */
static int note(void *context, const struct difference *difference)
{
	char *text = context;
	size_t used = strlen(text);

	(void)snprintf(text + used, 1000 - used, "%s: %s > %s (%s)\n",
		       difference->name, difference->now, difference->then,
		       field_change_name(difference->field->change));
	return 0;
}

static void check_differences(const struct partition_document *now,
			      const struct partition_document *then,
			      const char *wanted)
{
	char text[1000] = "";

	CHECK_EQ(document_compare(now, then, note, text), 0);
	if (strcmp(text, wanted) != 0)
		(void)fprintf(stderr, "%s", text);
	CHECK_EQ(strcmp(text, wanted), 0);
	CHECK_EQ(document_digest(now) == document_digest(then),
		 wanted[0] == '\0');
}

TEST(equal_documents_have_no_difference_and_one_digest)
{
	struct partition_document now = parse(before);
	struct partition_document then = parse(before);

	check_differences(&now, &then, "");
	CHECK(document_digest(&now) != 0);
}

TEST(every_field_that_differs_is_named_with_both_values)
{
	struct partition_document now = parse(before);
	struct partition_document then = parse(
		"partition: web1\n"
		"boot: {kernel: /boot/vmlinuz}\n"
		"memory: {size: 2G}\n"
		"disks:\n"
		"  - {name: root, file: /srv/root.img, hang: 5s}\n"
		"  - {name: data, file: /srv/data.img, queues: 2}\n"
		"nics:\n"
		"  - {name: lan0, switch: office, mac: \"02:00:00:00:00:02\","
		" tagged: [10, 30]}\n"
		"restart: always\n");

	check_differences(&now, &then,
			  "boot.initrd: /boot/initrd >  (stopped)\n"
			  "memory.size: 1G > 2G (stopped)\n"
			  "disks[0].hang: 2s > 5s (running)\n"
			  "disks[1].on-outage: fail: 20s > hold (running)\n"
			  "disks[1].queues: 1 > 2 (stopped)\n"
			  "nics[0].mac: 02:00:00:00:00:01 > 02:00:00:00:00:02 "
			  "(stopped)\n"
			  "nics[0].vlan: 5 >  (running)\n"
			  "nics[0].tagged: [10, 20] > [10, 30] (running)\n"
			  "restart: on-failure > always (running)\n");
}

TEST(elements_are_compared_by_name_wherever_they_stand)
{
	struct partition_document now = parse(before);
	struct partition_document then = now;

	then.partition.disks[0] = now.partition.disks[1];
	then.partition.disks[1] = now.partition.disks[0];
	then.partition.disks[0].hang_ms = 7000;
	then.nic_count = 0;
	check_differences(&now, &then,
			  "disks: root, data > data, root (uninstalled)\n"
			  "disks[0].hang: 2s > 7s (running)\n"
			  "nics: lan0 >  (stopped)\n");
}

TEST(a_mac_address_that_is_not_given_stays)
{
	struct partition_document now = parse(before);
	struct partition_document then = now;
	char text[1000] = "";

	memset(then.nics[0].mac, 0, sizeof(then.nics[0].mac));
	CHECK_EQ(document_compare(&now, &then, note, text), 0);
	CHECK_EQ(strcmp(text, ""), 0);
}

static void assign(struct partition_document *document, const char *given)
{
	struct refusal refusal = { 0 };

	if (document_assign(document, given, &refusal) < 0)
		(void)fprintf(stderr, "%s: %s\n", refusal.field, refusal.text);
	CHECK_EQ(document_assign(document, given, &refusal), 0);
}

TEST(assignments_find_elements_by_name_and_by_number)
{
	struct partition_document now = parse(before);
	struct partition_document then = now;

	assign(&then, "stop.deadline=60s");
	assign(&then, "disks[data].hang=5s");
	assign(&then, "disks[0].on-outage=pause: 1m");
	assign(&then, "nics[lan0].tagged=7,8");
	assign(&then, "nics[0].rate=1M/10ms");
	assign(&then, "nics[0].isolated=true");
	assign(&then, "boot.cmdline=true");
	check_differences(&now, &then,
			  "boot.cmdline:  > true (stopped)\n"
			  "disks[0].on-outage: hold > pause: 1m (running)\n"
			  "disks[1].hang: 2s > 5s (running)\n"
			  "nics[0].tagged: [10, 20] > [7, 8] (running)\n"
			  "nics[0].isolated: false > true (running)\n"
			  "nics[0].rate:  > 1M/10ms (running)\n"
			  "stop.deadline: 30s > 1m (running)\n");
}

/* Every leaf can go back to what an absent one means. */
TEST(an_empty_value_is_what_an_absent_field_means)
{
	struct partition_document now = parse(before);
	struct partition_document then = now;

	now.partition.stop_ms = 1;
	now.partition.disks[1].queue_count = 4;
	now.nics[0].flags = NIC_ROUTER | NIC_ISOLATED;
	now.nics[0].rate.credit_bytes = 1;
	now.nics[0].rate.period_us = 10;
	now.nics[0].addresses.ipv4_count = 1;
	then = now;
	assign(&then, "stop.deadline=");
	assign(&then, "boot.initrd=");
	assign(&then, "disks[data].on-outage=");
	assign(&then, "disks[data].queues=");
	assign(&then, "nics[lan0].router=");
	assign(&then, "nics[lan0].vlan=none");
	assign(&then, "nics[lan0].tagged=none");
	assign(&then, "nics[lan0].rate=none");
	assign(&then, "nics[lan0].addresses=none");
	check_differences(&now, &then,
			  "boot.initrd: /boot/initrd >  (stopped)\n"
			  "disks[1].on-outage: fail: 20s > hold (running)\n"
			  "disks[1].queues: 4 > 1 (stopped)\n"
			  "nics[0].vlan: 5 >  (running)\n"
			  "nics[0].tagged: [10, 20] >  (running)\n"
			  "nics[0].router: true > false (running)\n"
			  "nics[0].rate: 1/10us >  (running)\n"
			  "nics[0].addresses: [\"0.0.0.0\"] >  (running)\n"
			  "stop.deadline: 1ms > 30s (running)\n");
}

TEST(what_cannot_be_assigned_is_refused_and_changes_nothing)
{
	static const char *const refused[][2] = {
		{ "stop.deadline", "" },
		{ "stop.deadline=60", "stop.deadline" },
		{ "stop.patience=60s", "stop.patience" },
		{ "stop=60s", "stop" },
		{ "disks=none", "disks" },
		{ "disks[].hang=5s", "disks[].hang" },
		{ "disks[2].hang=5s", "disks[2].hang" },
		{ "disks[swap].hang=5s", "disks[swap].hang" },
		{ "disks]0[.hang=5s", "disks]0[.hang" },
		{ "disks[0.hang=5s", "disks[0.hang" },
		{ "disks[0]hang=5s", "disks[0]hang" },
		{ "stop[0].deadline=5s", "stop[0].deadline" },
		{ "vhost-user=/run/socket", "vhost-user" },
		{ "nics[lan0].tagged=7,7", "nics[lan0].tagged" },
		{ "nics[lan0].tagged=7,,8", "nics[lan0].tagged" },
		{ "memory.max=8G", "memory.max" },
		{ "autostart=yes", "autostart" },
	};
	struct partition_document now = parse(before);
	struct partition_document then = now;
	char long_name[200];

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct refusal refusal = { 0 };

		CHECK_EQ(document_assign(&then, refused[i][0], &refusal),
			 -EINVAL);
		CHECK_EQ(strcmp(refusal.field, refused[i][1]), 0);
		CHECK(refusal.text[0] != '\0');
	}
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 2] = '=';
	long_name[sizeof(long_name) - 1] = '\0';
	CHECK_EQ(document_assign(&then, long_name, NULL), -EINVAL);
	CHECK_EQ(memcmp(&now, &then, sizeof(now)), 0);
}

TEST(a_hostile_definition_is_compared_within_its_bounds)
{
	struct partition_document now = parse(before);
	struct partition_document then;
	char text[1000] = "";

	memset(&then, 0xff, sizeof(then));
	(void)document_compare(&now, &then, note, text);
	text[0] = '\0';
	(void)document_compare(&then, &now, note, text);
	CHECK(document_digest(&then) != 0);
}
