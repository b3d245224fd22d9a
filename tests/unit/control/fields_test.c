/* SPDX-License-Identifier: MIT */
/* Every field of every message, both ways: what one side may send is what the
 * other takes, and nothing else is. */
#include "control/fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "control/child.h"
#include "control/protocol.h"
#include "lib/harness.h"

static struct child child = { .meet_fd = NO_FD };
static struct control supervisor;
static uint8_t bytes[CONTROL_BODY_MAX];

static const uint32_t types[] = {
#define MESSAGE(number, name, from, to, body, fd_count, text) number,
#include "control/protocol.def"
#undef MESSAGE
};

/* Visit the fields of a body, those of nested ones in their places. */
typedef void (*visitor)(uint32_t type, const struct body_field *field,
			uint32_t offset);

static void walk(uint32_t type, const struct body_field *field, uint32_t offset,
		 visitor visit)
{
	for (; field->name; field++) {
		uint32_t at = offset + field->offset;

		if (field->kind != BODY_NESTED)
			visit(type, field, at);
		else
			for (uint32_t in = 0; in < field->bytes;
			     in += field->nested_bytes)
				walk(type, field->nested, at + in, visit);
	}
}

static void walk_all(visitor visit)
{
	for (size_t i = 0; i < ARRAY_COUNT(types); i++)
		walk(types[i], message_shape(types[i])->fields, 0, visit);
}

static void set_number(const struct body_field *field, uint32_t offset,
		       uint64_t value)
{
	memcpy(bytes + offset, &value, field->bytes);
}

/* The least that the field may be. */
static void set_valid(uint32_t type, const struct body_field *field,
		      uint32_t offset)
{
	if (field->kind <= BODY_LAST_NUMBER)
		set_number(field, offset, (uint64_t)field->least);
	else if (field->kind == BODY_NAME)
		bytes[offset] = 'a';
}

static void fill(uint32_t type)
{
	memset(bytes, 0, sizeof(bytes));
	walk(type, message_shape(type)->fields, 0, set_valid);
}

static int take(void *process, struct message *message)
{
	return 0;
}

/* As a receiver takes it, from a sender that checks nothing. */
static int dispatch(uint32_t type)
{
	const struct message_rule rule = { type, IN_ANY_STATE, take };
	const struct message_shape *shape = message_shape(type);
	static struct message message;

	message.type = type;
	message.body_bytes = (uint32_t)min_u64(message_bytes(shape, bytes),
					       CONTROL_BODY_MAX);
	message.fd_count = shape->fd_count;
	memcpy(message.body, bytes, shape->body_bytes);
	return message_dispatch(&rule, 1, 0, NULL, &message);
}

static void check(uint32_t type, const struct body_field *field, int result)
{
	const struct message_shape *shape = message_shape(type);
	static struct message message;

	if (dispatch(type) != result)
		printf("%s.%s\n", shape->name, field->name);
	CHECK_EQ(dispatch(type), result);
	CHECK_EQ(child_send(&child, type, 0, bytes, shape->body_bytes), result);
	CHECK_EQ(control_receive(&supervisor, &message),
		 result == 0 ? 0 : -EAGAIN);
}

static void check_number(uint32_t type, const struct body_field *field,
			 uint32_t offset)
{
	unsigned bits = 8 * field->bytes - field->is_signed;
	uint64_t greatest = UINT64_MAX >> (64 - bits);
	int64_t least = field->is_signed ? -(int64_t)greatest - 1 : 0;

	set_number(field, offset, (uint64_t)field->least);
	check(type, field, 0);
	if (field->least > least) {
		set_number(field, offset, (uint64_t)field->least - 1);
		check(type, field, -EBADMSG);
		set_number(field, offset, (uint64_t)least);
		check(type, field, -EBADMSG);
	}
	/* A field without bounds says so with those of the widest. */
	if (field->most < greatest) {
		set_number(field, offset, field->most + 1);
		check(type, field, -EBADMSG);
		set_number(field, offset, greatest);
		check(type, field, -EBADMSG);
	}
	set_number(field, offset, min_u64(field->most, greatest));
	check(type, field, 0);
}

static void check_edges(uint32_t type, const struct body_field *field,
			uint32_t offset)
{
	if (field->kind <= BODY_LAST_NUMBER) {
		fill(type);
		check_number(type, field, offset);
	}
}

TEST(what_a_child_may_send_is_what_the_supervisor_takes_at_every_edge)
{
	CHECK_EQ(control_pair(&child.link, &supervisor), 0);
	walk_all(check_edges);
	/* Nothing of it cost the link. */
	CHECK(child_fd(&child) != NO_FD);
	child_close(&child);
	control_close(&supervisor);
}

static void check_end(uint32_t type, const struct body_field *field,
		      uint32_t offset)
{
	if (field->kind != BODY_TEXT && field->kind != BODY_NAME)
		return;
	fill(type);
	check(type, field, 0);
	memset(bytes + offset, 'x', field->bytes);
	check(type, field, -EBADMSG);
}

TEST(a_hostile_peer_cannot_send_a_text_without_an_end)
{
	CHECK_EQ(control_pair(&child.link, &supervisor), 0);
	walk_all(check_end);
	child_close(&child);
	control_close(&supervisor);
}

static void check_name(uint32_t type, const struct body_field *field,
		       uint32_t offset)
{
	if (field->kind != BODY_NAME)
		return;
	fill(type);
	bytes[offset] = '\033';
	CHECK_EQ(dispatch(type), -EBADMSG);
	bytes[offset] = '\0';
	CHECK_EQ(dispatch(type), -EBADMSG);
}

TEST(a_hostile_peer_cannot_send_a_name_that_is_none)
{
	walk_all(check_name);
}

/* Lines beside each other, in any order. */
static void mark(uint32_t type, const struct body_field *field, uint32_t offset)
{
	for (uint32_t i = 0; i < field->bytes; i++)
		bytes[offset + i]++;
}

TEST(every_byte_of_every_message_is_in_the_table_once)
{
	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		const struct message_shape *shape = message_shape(types[i]);

		memset(bytes, 0, sizeof(bytes));
		walk(types[i], shape->fields, 0, mark);
		for (uint32_t at = 0; at < sizeof(bytes); at++) {
			if (bytes[at] != (at < shape->body_bytes))
				printf("%s at %u\n", shape->name, at);
			CHECK_EQ(bytes[at], at < shape->body_bytes);
		}
	}
}

TEST(a_fault_is_told_by_its_field_and_rule)
{
	const struct body_field *fields =
		message_shape(MSG_PARTITION_STOP)->fields;
	struct partition_stop stop = { .name = "a", .is_forced = 1 };
	const struct body_field *fault;
	char rule[80];

	CHECK(body_fault(fields, &stop) == NULL);
	stop.is_forced = 2;
	fault = body_fault(fields, &stop);
	CHECK_EQ(strcmp(fault->name, "is_forced"), 0);
	body_rule(fault, rule, sizeof(rule));
	CHECK_EQ(strcmp(rule, "must be between 0 and 1"), 0);
	stop.name[0] = '/';
	fault = body_fault(fields, &stop);
	CHECK_EQ(strcmp(fault->name, "name"), 0);
	body_rule(fault, rule, sizeof(rule));
	CHECK_EQ(strcmp(rule, TEXT_NAME_RULE), 0);
}
