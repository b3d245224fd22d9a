/* SPDX-License-Identifier: MIT */
#include "control/definition_message.h"

#include <errno.h>
#include <string.h>

#include "control/fields.h"
#include "lib/harness.h"

static struct partition_document document = {
	.partition = { .name = "web1", .kernel = "/vm", .cpu_count = 2 },
	.nic_count = 1,
	.nics = { { .name = "lan0",
		    .network = "lan",
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
	CHECK_EQ(definition_message_make(&document, (void *)message.body), 0);
	message.body_bytes =
		(uint32_t)sizeof(*head()) + head()->attribute_bytes;
}

TEST(a_definition_is_taken_from_its_message_as_it_was)
{
	/* What a release writes in the place of nothing. */
	document.partition.stop_ms = 1;
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
