/* SPDX-License-Identifier: MIT */
#include "control/definition_message.h"

#include <errno.h>
#include <string.h>

#include "control/fields.h"
#include "control/protocol.h"
#include "definition/network.h"
#include "lib/harness.h"

static struct partition_document document = {
	.partition = { .name = "web1",
		       .kernel = "/vm",
		       .cpu_count = 2,
		       .memory_bytes = MEMORY_BYTES_MIN,
		       .stop_ms = 1,
		       .scsi_queue_count = 1 },
	.nic_count = 1,
	.nics = { { .name = "lan0",
		    .network = "lan",
		    .vlans.pvid = 1,
		    .mtu = 1500,
		    .queue_pair_count = 1 } },
};
static struct message message = { .type = MSG_PARTITION_DEFINE };
static struct partition_document taken;
static struct refusal refusal;

static struct definition_head *head(void)
{
	return (void *)message.body;
}

static void make(void)
{
	static const struct definition_head none;
	int bytes = definition_message_make(message.type, &none, &document,
					    (void *)message.body);

	CHECK(bytes > 0);
	message.body_bytes = (uint32_t)bytes;
}

TEST(a_definition_is_taken_from_its_message_as_it_was)
{
	make();
	CHECK(message_is_valid(&message));
	CHECK_EQ(definition_message_take(&message, &taken, &refusal), 0);

	CHECK_EQ(memcmp(&taken, &document, sizeof(taken)), 0);
}

TEST(a_hostile_peer_cannot_send_a_definition_without_its_head)
{
	make();
	message.body_bytes = sizeof(struct definition_head) - 1;
	CHECK(!message_is_valid(&message));

	make();
	message.body[0] = '/';
	CHECK(!message_is_valid(&message));
}

TEST(a_hostile_peer_cannot_send_one_name_and_define_another)
{
	make();
	message.body[0] = 'x';

	CHECK(message_is_valid(&message));
	CHECK_EQ(definition_message_take(&message, &taken, &refusal), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "partition"), 0);
}

TEST(a_hostile_peer_cannot_send_a_definition_that_cannot_be)
{
	document.partition.cpu_count = CPU_COUNT_MAX + 1;
	make();

	CHECK(message_is_valid(&message));
	CHECK_EQ(definition_message_take(&message, &taken, &refusal), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "cpu.virtual"), 0);
}

TEST(a_hostile_peer_cannot_send_a_definition_that_ends_too_early)
{
	make();
	message.body_bytes -= 2;
	CHECK(!message_is_valid(&message));

	head()->attribute_bytes -= 2;
	CHECK(message_is_valid(&message));
	CHECK_EQ(definition_message_take(&message, &taken, &refusal), -EINVAL);
	CHECK(refusal.text[0] != '\0');
}

TEST(only_a_definition_has_bytes_behind_its_head)
{
	struct message other = { .type = MSG_PARTITION_START,
				 .body = "web1",
				 .body_bytes = sizeof(struct partition_name) };

	CHECK(message_is_valid(&other));
	other.body_bytes++;
	CHECK(!message_is_valid(&other));
}
