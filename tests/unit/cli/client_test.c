/* SPDX-License-Identifier: MIT */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/count.h"
#include "control/fields.h"
#include "lib/harness.h"

static struct client client;
static struct control supervisor;
static struct reply reply;
static int rows;

static void begin(void)
{
	CHECK_EQ(control_pair(&client.control, &supervisor), 0);
	client.last_request_id = 0;
	rows = 0;
}

static void end(void)
{
	client_close(&client);
	control_close(&supervisor);
}

static int count_row(void *data, struct message *row)
{
	rows++;
	return 0;
}

/* Ask for the list; what the supervisor answers was queued before. */
static int ask(void)
{
	const struct request request = { .type = MSG_PARTITION_LIST,
					 .on_row = count_row };

	return client_call(&client, &request, &reply);
}

static void say(uint32_t type, uint32_t request_id, const void *body,
		size_t bytes)
{
	CHECK_EQ(control_send(&supervisor, type, request_id, body, bytes, NULL,
			      0),
		 0);
}

TEST(rows_come_before_the_reply)
{
	struct partition_row row = { .name = "web1" };
	struct reply done = { .status = 0 };

	begin();
	say(MSG_PARTITION_ROW, 1, &row, sizeof(row));
	say(MSG_PARTITION_ROW, 1, &row, sizeof(row));
	say(MSG_REPLY, 1, &done, sizeof(done));

	CHECK_EQ(ask(), 0);
	CHECK_EQ(rows, 2);

	end();
}

TEST(a_refusal_arrives_with_field_and_text)
{
	struct reply refused = { .status = -EINVAL,
				 .refused = 1,
				 .field = "name",
				 .text = "is taken" };

	begin();
	say(MSG_REPLY, 1, &refused, sizeof(refused));

	CHECK_EQ(ask(), 0);
	CHECK_EQ(reply.status, -EINVAL);
	CHECK_EQ(strcmp(reply.text, "is taken"), 0);

	end();
}

TEST(a_supervisor_that_goes_away_is_an_error)
{
	begin();
	control_close(&supervisor);

	CHECK_EQ(ask(), -EPIPE);

	end();
}

TEST(a_client_that_is_turned_away_hears_why)
{
	struct reply refused = { .status = -EBUSY,
				 .refused = 1,
				 .text = "too many" };

	begin();
	say(MSG_REPLY, 0, &refused, sizeof(refused));
	control_close(&supervisor);
	CHECK_EQ(ask(), 0);
	CHECK_EQ(strcmp(reply.text, "too many"), 0);
	end();
}

TEST(a_client_that_is_dropped_with_its_request_unread_hears_why)
{
	struct reply refused = { .status = -EBUSY, .refused = 1 };

	begin();
	CHECK_EQ(control_send(&client.control, MSG_PARTITION_LIST, 1, NULL, 0,
			      NULL, 0),
		 0);
	say(MSG_REPLY, 0, &refused, sizeof(refused));
	control_close(&supervisor);
	CHECK_EQ(ask(), 0);
	CHECK_EQ(reply.status, -EBUSY);
	end();
}

TEST(no_supervisor_is_an_error)
{
	CHECK_EQ(client_open(&client, "/nowhere/socket"), -ENOENT);
}

TEST(a_path_too_long_for_a_socket_is_an_error)
{
	char path[200];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';

	CHECK_EQ(client_open(&client, path), -ENAMETOOLONG);
}

TEST(a_hostile_peer_cannot_send_an_unterminated_text)
{
	struct partition_row row;
	struct reply done = { .status = 0 };

	begin();
	memset(&row, 'x', sizeof(row));
	say(MSG_PARTITION_ROW, 1, &row, sizeof(row));
	CHECK_EQ(ask(), -EBADMSG);
	memset(&done.text, 'x', sizeof(done.text));
	say(MSG_REPLY, 2, &done, sizeof(done));
	CHECK_EQ(ask(), -EBADMSG);

	end();
}

/* The messages of the supervisor to its clients; a reply comes last. */
static const struct row {
	uint32_t type;
	const char *from;
	uint32_t bytes;
} of_supervisor[] = {
#define MESSAGE(number, name, from, to, body, fd_count, text) \
	{ number, #from "-" #to, sizeof(body) },
#include "control/protocol.def"
#undef MESSAGE
};

static bool has_text(uint32_t type)
{
	const struct body_field *field = message_shape(type)->fields;

	for (; field->name; field++)
		if (field->kind == BODY_TEXT || field->kind == BODY_NAME ||
		    field->kind == BODY_NESTED)
			return true;
	return false;
}

TEST(a_hostile_peer_cannot_send_a_row_with_a_text_without_an_end)
{
	uint8_t body[CONTROL_BODY_MAX];
	unsigned tried = 0;

	memset(body, 'x', sizeof(body));
	for (size_t i = 0; i < ARRAY_COUNT(of_supervisor); i++) {
		const struct row *row = &of_supervisor[i];

		if (strcmp(row->from, "supervisor-client") != 0 ||
		    !has_text(row->type))
			continue;
		begin();
		say(row->type, 1, body, row->bytes);
		CHECK_EQ(ask(), -EBADMSG);
		CHECK_EQ(rows, 0);
		end();
		tried++;
	}
	CHECK(tried >= 17);
}

TEST(a_hostile_peer_cannot_send_a_row_of_another_size)
{
	struct partition_row row = { .name = "web1" };

	begin();
	say(MSG_PARTITION_ROW, 1, &row, sizeof(row) - 1);

	CHECK_EQ(ask(), -EBADMSG);
	CHECK_EQ(rows, 0);

	end();
}

TEST(a_hostile_peer_cannot_answer_another_request)
{
	struct reply done = { .status = 0 };

	begin();
	say(MSG_REPLY, 7, &done, sizeof(done));

	CHECK_EQ(ask(), -EBADMSG);

	end();
}

TEST(a_hostile_peer_cannot_send_an_unknown_message_or_rows_not_asked_for)
{
	const struct request request = { .type = MSG_PARTITION_LIST };
	struct partition_row row = { .name = "web1" };

	begin();
	say(9999, 1, NULL, 0);
	CHECK_EQ(ask(), -EBADMSG);
	say(MSG_PARTITION_ROW, 2, &row, sizeof(row));
	CHECK_EQ(client_call(&client, &request, &reply), -EBADMSG);

	end();
}

TEST(a_hostile_peer_cannot_make_us_keep_its_descriptors)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct reply done = { .status = 0 };

	begin();
	CHECK_EQ(control_send(&supervisor, MSG_CONSOLE_LOG_FILE, 1, NULL, 0,
			      &fd, 1),
		 0);

	say(MSG_REPLY, 1, &done, sizeof(done));

	/* Nobody takes it; the harness sees a descriptor that stays open. */
	CHECK_EQ(ask(), 0);

	(void)close(fd);
	end();
}
