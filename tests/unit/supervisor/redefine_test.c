/* SPDX-License-Identifier: MIT */
/* A client redefines partition a of the world. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/definition_message.h"
#include "definition/compare.h"
#include "fuzz/world.h"
#include "lib/harness.h"
#include "supervisor/partition/redefine.h"

static struct world world;
static struct {
	struct partition_document document;
	uint64_t expected;
} asked;

static struct partition *partition_a(void)
{
	return partition_find(&world.supervisor, "a");
}

static void begin(void)
{
	world_open(&world);
	memset(&asked, 0, sizeof(asked));
	partition_document(partition_a(), &asked.document);
}

/* The reply's status, with its field in `ret_reply`. */
static int redefine(struct reply *ret_reply)
{
	struct definition_message body;
	struct message message;

	const struct definition_head head = { .expected = asked.expected };
	int bytes = definition_message_make(MSG_PARTITION_REDEFINE, &head,
					    &asked.document, &body);

	CHECK(bytes > 0);
	world.is_operator_deaf = true;
	CHECK_EQ(control_send(&world.operator, MSG_PARTITION_REDEFINE, 7, &body,
			      (size_t)bytes, NULL, 0),
		 0);
	world_settle(&world);
	do {
		CHECK_EQ(control_receive(&world.operator, & message), 0);
		message_release(&message);
	} while (message.type != MSG_REPLY || message.request_id != 7);
	world.is_operator_deaf = false;
	memcpy(ret_reply, message.body, sizeof(*ret_reply));
	return ret_reply->status;
}

static uint64_t digest_of_a(void)
{
	struct partition_document now;

	partition_document(partition_a(), &now);
	return document_digest(&now);
}

TEST(a_change_of_what_is_there_no_more_is_refused)
{
	struct reply reply;

	begin();
	asked.expected = digest_of_a();
	asked.document.partition.stop_ms = 1000;
	CHECK_EQ(redefine(&reply), 0);
	asked.document.partition.stop_ms = 2000;
	CHECK_EQ(redefine(&reply), -EBUSY);
	CHECK(strstr(reply.text, "changed meanwhile") != NULL);
	CHECK_EQ(partition_a()->record.definition.stop_ms, 1000);

	asked.expected = digest_of_a();
	CHECK_EQ(redefine(&reply), 0);
	CHECK_EQ(partition_a()->record.definition.stop_ms, 2000);
	world_close(&world);
}

TEST(what_a_running_partition_cannot_take_is_refused_by_name)
{
	struct reply reply;

	begin();
	asked.document.partition.disks[0].queue_count++;
	CHECK_EQ(redefine(&reply), -EBUSY);
	CHECK_EQ(strcmp(reply.field, "disks[0].queues"), 0);
	CHECK_EQ(strcmp(reply.text, "can be changed only while a is stopped; "
				    "it is running"),
		 0);
	asked.document.nic_count = 0;
	asked.document.partition.disks[0].queue_count--;
	memset(&asked.document.nics[0], 0, sizeof(asked.document.nics[0]));
	CHECK_EQ(redefine(&reply), -EBUSY);
	CHECK_EQ(strcmp(reply.field, "nics"), 0);
	CHECK_EQ(partition_a()->nic_count, 1);
	world_close(&world);
}

TEST(a_service_that_does_not_exist_is_refused)
{
	struct reply reply;

	begin();
	(void)text_copy(asked.document.partition.disks[0].service, NAME_SIZE,
			"fast");
	CHECK_EQ(redefine(&reply), -EINVAL);
	CHECK_EQ(strcmp(reply.field, "disks[0].service"), 0);
	CHECK_EQ(strcmp(reply.text, "there is no disk service fast"), 0);
	world_close(&world);
}

TEST(what_was_redefined_is_there_after_the_supervisors_death)
{
	struct reply reply;

	begin();
	asked.document.partition.disks[0].hang_ms = 7000;
	asked.document.nics[0].vlans.pvid = 9;
	CHECK_EQ(redefine(&reply), 0);
	world_restart(&world, NULL);

	CHECK_EQ(partition_a()->record.definition.disks[0].hang_ms, 7000);
	CHECK_EQ(partition_a()->disks[0].definition->hang_ms, 7000);
	CHECK_EQ(partition_a()->nics[0].definition.vlans.pvid, 9);
	CHECK_EQ(partition_a()->nic_count, 1);
	world_close(&world);
}

TEST(a_mac_address_that_is_kept_may_still_be_that_of_another)
{
	struct partition *b;
	struct reply reply;

	begin();
	b = partition_find(&world.supervisor, "b");
	memcpy(b->nics[0].definition.mac, partition_a()->nics[0].definition.mac,
	       6);
	b->nics[0].definition.vlans.pvid = 9;
	memset(asked.document.nics[0].mac, 0, 6);
	asked.document.nics[0].vlans.pvid = 9;

	CHECK_EQ(redefine(&reply), -EEXIST);
	CHECK_EQ(strcmp(reply.field, "nics[0].mac"), 0);
	world_close(&world);
}

/* Nothing of it is a count, a name or a text that may be believed. */
TEST(a_hostile_client_cannot_redefine_out_of_bounds)
{
	struct reply reply;
	uint64_t before;

	begin();
	before = digest_of_a();
	srand(5);
	for (int i = 0; i < 500; i++) {
		uint8_t *bytes = (void *)&asked.document;
		size_t most = sizeof(asked.document) - NAME_SIZE;

		partition_document(partition_a(), &asked.document);
		for (int j = 0; j < 8; j++)
			bytes[NAME_SIZE + (size_t)rand() % most] =
				(uint8_t)rand();
		(void)redefine(&reply);
		CHECK(reply.status == 0 || digest_of_a() == before);
		before = digest_of_a();
	}
	memset(&asked.document.partition.class, 0xff,
	       sizeof(asked.document) - NAME_SIZE);
	CHECK(redefine(&reply) < 0);
	world_close(&world);
}
