/* SPDX-License-Identifier: MIT */
/* A supervisor works with children that the release before it started. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "control/control.h"
#include "control/protocol.h"
#include "lib/harness.h"

struct release_message {
	uint32_t number;
	const char *name;
	uint32_t body_bytes;
	uint32_t fd_count;
};

struct release_field {
	const char *name;
	size_t offset;
	size_t bytes;
	size_t offset_now;
	size_t bytes_now;
};

static const struct release_message messages[] = {
#define RELEASE_MESSAGE(number, name, bytes, fds) \
	{ (number), #name, (bytes), (fds) },
#define RELEASE_FIELD(body, field, offset, bytes)
#include "release_0_1_0.def"
#undef RELEASE_MESSAGE
#undef RELEASE_FIELD
};

static const struct release_field fields[] = {
#define RELEASE_MESSAGE(number, name, bytes, fds)
#define RELEASE_FIELD(body, field, at, size)                            \
	{ #body "." #field, (at), (size), offsetof(struct body, field), \
	  sizeof(((struct body *)NULL)->field) },
#include "release_0_1_0.def"
#undef RELEASE_MESSAGE
#undef RELEASE_FIELD
};

TEST(every_message_of_the_last_release_is_still_what_it_was)
{
	for (size_t i = 0; i < ARRAY_COUNT(messages); i++) {
		const struct release_message *then = &messages[i];
		const struct message_shape *now = message_shape(then->number);

		CHECK(now != NULL);
		CHECK_EQ(strcmp(now->name, then->name), 0);
		CHECK_EQ(now->body_bytes, then->body_bytes);
		CHECK_EQ(now->fd_count, then->fd_count);
	}
}

TEST(every_field_of_the_last_release_is_where_it_was)
{
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		const struct release_field *field = &fields[i];

		if (field->offset != field->offset_now ||
		    field->bytes != field->bytes_now)
			printf("%s has moved\n", field->name);
		CHECK_EQ(field->offset_now, (long long)field->offset);
		CHECK_EQ(field->bytes_now, (long long)field->bytes);
	}
}
