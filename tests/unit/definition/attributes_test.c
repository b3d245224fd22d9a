/* SPDX-License-Identifier: MIT */
#include "definition/attributes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition/check.h"
#include "lib/harness.h"

static struct partition_document document;
static struct refusal refusal;
static uint8_t stream[ATTRIBUTES_MAX];
static size_t stream_bytes;

static const struct switch_definition lan = {
	.name = "lan",
	.service = "net0",
	.uplink = { "br0", UPLINK_BRIDGE },
	.vlans = { .pvid = 1, .tagged = { 2, { 20, 30 } } },
};

/* Every field of every record, mostly with another value than its default. */
static const struct partition_document made = {
	.partition = {
		.name = "web1",
		.class = CLASS_BATCH,
		.engine = ENGINE_KVM,
		.restart = RESTART_ALWAYS,
		.autostart = 1,
		.cpu_count = 2,
		.disk_count = 1,
		.memory_bytes = 512ull << 20,
		.console_log_bytes = 4096,
		.stop_ms = 5000,
		.huge_pages = 1,
		.scsi_queue_count = 2,
		.kernel = "/boot/vmlinuz",
		.initrd = "/boot/initrd.img",
		.cmdline = "root=/dev/vda ro",
		.disks = { {
			.name = "root",
			.service = "disk1",
			.file = "/srv/root.img",
			.size_bytes = 8ull << 30,
			.access = DISK_READ_ONLY,
			.cache = DISK_DIRECT,
			.outage = { OUTAGE_PAUSE, 3000 },
			.hang_ms = 500,
			.queue_count = 1,
			.bus = DISK_BUS_SCSI,
			.type = DISK_TYPE_CD,
		} },
	},
	.nic_count = 1,
	.nics = { {
		.name = "lan0",
		.network = "lan",
		.mac = { 2, 0, 0, 0, 0, 10 },
		.vlans = { .pvid = 10, .tagged = { 2, { 20, 4094 } } },
		.flags = NIC_FLAGS_ALL,
		.mtu = 9000,
		.queue_pair_count = 2,
		.rate = { 125 << 10, 10000, 0 },
		.addresses = { .ipv4_count = 1,
			       .ipv6_count = 1,
			       .ipv4 = { { 10, 0, 0, 1 } },
			       .ipv6 = { { 0xfe, 0x80, [15] = 1 } } },
	} },
};

static void encode(void)
{
	int bytes = definition_encode(&partition_record, &made, stream,
				      sizeof(stream));

	CHECK(bytes > 0);
	stream_bytes = (size_t)bytes;
}

static int decode(size_t bytes)
{
	refusal = (struct refusal){ 0 };
	return definition_decode(&partition_record, stream, bytes, &document,
				 &refusal);
}

static void append(unsigned number, const void *payload, size_t bytes)
{
	const struct attribute head = { (uint16_t)number, (uint16_t)bytes };

	memcpy(stream + stream_bytes, &head, sizeof(head));
	memset(stream + stream_bytes + sizeof(head), 0, bytes + 4);
	memcpy(stream + stream_bytes + sizeof(head), payload, bytes);
	stream_bytes += sizeof(head) + ((bytes + 3) & ~3ull);
}

static void append_alone(unsigned number, const void *payload, size_t bytes)
{
	stream_bytes = 0;
	append(number, payload, bytes);
}

static void check_refused(const char *field, const char *why)
{
	CHECK_EQ(decode(stream_bytes), -EINVAL);
	if (strcmp(refusal.field, field) != 0 || !strstr(refusal.text, why))
		(void)fprintf(stderr, "got \"%s\": \"%s\"\n", refusal.field,
			      refusal.text);
	CHECK_EQ(strcmp(refusal.field, field), 0);
	CHECK(strstr(refusal.text, why) != NULL);
}

TEST(a_definition_comes_back_as_it_was)
{
	struct switch_definition got;
	int bytes;

	encode();
	CHECK_EQ(decode(stream_bytes), 0);
	CHECK_EQ(memcmp(&document, &made, sizeof(made)), 0);
	CHECK_EQ(definition_check(&partition_record, &made, "", &refusal), 0);

	bytes = definition_encode(&switch_record, &lan, stream, sizeof(stream));
	CHECK(bytes > 0);
	CHECK_EQ(definition_decode(&switch_record, stream, (size_t)bytes, &got,
				   &refusal),
		 0);
	CHECK_EQ(memcmp(&got, &lan, sizeof(got)), 0);
}

static void fill(char *text, size_t room)
{
	memset(text, 'a', room - 1);
	text[0] = '/';
}

TEST(the_largest_definition_has_room)
{
	static struct partition_document large;
	struct partition_definition *partition = &large.partition;

	large = made;
	fill(partition->kernel, PATH_SIZE);
	fill(partition->initrd, PATH_SIZE);
	fill(partition->cmdline, CMDLINE_SIZE);
	fill(partition->disks[0].file, PATH_SIZE);
	large.nics[0].vlans.tagged.count = NIC_VID_MAX;
	large.nics[0].addresses.ipv4_count = NIC_ADDRESS_MAX;
	large.nics[0].addresses.ipv6_count = NIC_ADDRESS_MAX;
	for (int i = 1; i < 8; i++) {
		partition->disks[i] = partition->disks[0];
		large.nics[i] = large.nics[0];
	}
	partition->disk_count = large.nic_count = 8;

	CHECK(definition_encode(&partition_record, &large, stream,
				sizeof(stream)) > 5000);
	CHECK_EQ(definition_encode(&partition_record, &large, stream, 5000),
		 -EMSGSIZE);
}

TEST(an_attribute_of_a_later_release_is_refused_unless_it_may_be_ignored)
{
	static const uint32_t value = 1;

	encode();
	append(99, &value, sizeof(value));
	check_refused("", "attribute 99 is none of a partition");
	append_alone(11 | ATTRIBUTE_NESTED, "\143\0\4\0abcd", 8);
	check_refused("disks[0].", "attribute 99 is none of a disk");
	append_alone(0, &value, sizeof(value));
	check_refused("", "attribute 0");

	encode();
	append(99 | ATTRIBUTE_MAY_IGNORE, &value, sizeof(value));
	append(98 | ATTRIBUTE_MAY_IGNORE | ATTRIBUTE_NESTED, "abcd", 4);
	CHECK_EQ(decode(stream_bytes), 0);
}

TEST(a_field_that_its_writer_did_not_know_has_its_fallback)
{
	append_alone(1, "web1", 4);
	append(11 | ATTRIBUTE_NESTED, "\1\0\4\0root", 8);
	CHECK_EQ(decode(stream_bytes), 0);

	CHECK_EQ(document.partition.cpu_count, 1);
	CHECK_EQ(document.partition.stop_ms, STOP_MS_DEFAULT);
	CHECK_EQ(document.partition.console_log_bytes,
		 (long long)CONSOLE_LOG_DEFAULT);
	CHECK_EQ(document.partition.disks[0].hang_ms, HANG_MS_DEFAULT);
	CHECK_EQ(strcmp(document.partition.disks[0].service,
			DEFAULT_DISK_SERVICE),
		 0);
}

TEST(a_hostile_peer_cannot_cut_a_definition_off)
{
	encode();
	for (size_t bytes = 0; bytes < stream_bytes; bytes++) {
		/* Of this very size, for a sanitizer to see what is behind. */
		uint8_t *cut = malloc(bytes + !bytes);
		int r;

		CHECK(cut != NULL);
		memcpy(cut, stream, bytes);
		r = definition_decode(&partition_record, cut, bytes, &document,
				      &refusal);
		free(cut);
		CHECK(r == 0 || r == -EINVAL);
		CHECK(r == -EINVAL || bytes % 4 == 0);
	}
}

TEST(a_hostile_peer_cannot_send_an_attribute_that_cannot_be)
{
	static const uint8_t many[300];

	encode();
	append(8, many, 4);
	check_refused("cpu.virtual", "twice");
	append_alone(8, many, 3);
	check_refused("cpu.virtual", "3 bytes");
	append_alone(8 | ATTRIBUTE_NESTED, many, 4);
	check_refused("cpu.virtual", "is nested");
	append_alone(11, many, 4);
	check_refused("disks", "not nested");
	append_alone(1, "a\0b", 3);
	check_refused("partition", "3 bytes");
	append_alone(5, many, 256);
	check_refused("boot.kernel", "256 bytes");
	append_alone(1, "abcde", 5);
	stream[stream_bytes - 1] = 'x';
	check_refused("", "attribute 1 does not end");
	append_alone(1, "abcd", 4);
	stream_bytes -= 4;
	check_refused("", "attribute 1 does not end");
}

TEST(a_hostile_peer_cannot_send_more_elements_than_there_is_room_for)
{
	stream_bytes = 0;
	for (int i = 0; i < DISK_COUNT_MAX; i++)
		append(11 | ATTRIBUTE_NESTED, "", 0);
	CHECK_EQ(decode(stream_bytes), 0);
	append(11 | ATTRIBUTE_NESTED, "", 0);
	check_refused("disks", "more than 8 disks");
}

TEST(a_hostile_peer_cannot_send_a_list_of_values_that_is_too_long)
{
	static const uint8_t many[100] = { 5 };
	static const uint8_t numbers[] = { 5, 13 };
	struct nic_definition nic;

	for (size_t i = 0; i < sizeof(numbers); i++) {
		append_alone(numbers[i], many, sizeof(many));
		CHECK_EQ(definition_decode(&nic_record, stream, stream_bytes,
					   &nic, &refusal),
			 -EINVAL);
		CHECK(strstr(refusal.text, "100 bytes") != NULL);
	}
}

/* What is stored stays readable, and means the same. */
TEST(a_definition_is_written_as_the_first_release_wrote_it)
{
	char *text = calloc(4, ATTRIBUTES_MAX);
	char *golden = calloc(4, ATTRIBUTES_MAX);
	FILE *in = fopen(GOLDEN, "r");
	const char *bytes;
	size_t at = 0;

	CHECK(in && text && golden);
	CHECK(fread(golden, 1, 4 * ATTRIBUTES_MAX - 1, in) <
	      4 * ATTRIBUTES_MAX);
	(void)fclose(in);
	encode();
	for (size_t i = 0; i < stream_bytes; i++)
		at += (size_t)sprintf(
			text + at, "%02x%s", stream[i],
			i % 32 == 31 || i + 1 == stream_bytes ? "\n" : "");
	bytes = strchr(golden, '\n') + 1; /* behind the licence */
	if (strcmp(text, bytes) != 0)
		(void)fprintf(stderr, "it is now:\n%s", text);
	CHECK_EQ(strcmp(text, bytes), 0);
	free(text);
	free(golden);
}
