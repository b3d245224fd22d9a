/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "control/definition_message.h"
#include "control/fields.h"
#include "world.h"

static const uint8_t *input;
static size_t input_bytes;

void input_open(const uint8_t *data, size_t bytes)
{
	input = data;
	input_bytes = bytes;
}

bool input_is_over(void)
{
	return input_bytes == 0;
}

uint8_t next(void)
{
	if (!input_bytes)
		return 0;
	input_bytes--;
	return *input++;
}

static uint16_t next16(void)
{
	uint16_t high = next();

	return (uint16_t)(high << 8 | next());
}

/* Messages. ------------------------------------------------------------------- */

struct kind {
	uint32_t type;
	const char *from;
	const char *to;
};

static const struct kind kinds[] = {
#define MESSAGE(number, name, from, to, body, fd_count, text) \
	{ MSG_##name, #from, #to },
#include "control/protocol.def"
#undef MESSAGE
};

static bool is_said_by(const struct kind *kind, const char *who)
{
	return strcmp(kind->to, "supervisor") == 0 &&
	       (strcmp(kind->from, who) == 0 ||
		(strcmp(kind->from, "child") == 0 &&
		 strcmp(who, "client") != 0));
}

/* A message by its number; one that `who` may not send is another that it may,
 * save for the last numbers. */
static uint32_t choose_type(const char *who, uint8_t number)
{
	uint32_t types[ARRAY_COUNT(kinds)];
	size_t count = 0;

	if (number >= 0xf0)
		return kinds[next() % ARRAY_COUNT(kinds)].type;
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		if (!is_said_by(&kinds[i], who))
			continue;
		if (kinds[i].type == number)
			return number;
		types[count++] = kinds[i].type;
	}
	return types[number % count];
}

/* Write over some of it; a last one cuts it or makes it longer. */
static void mar(struct words *words)
{
	uint8_t count = next();

	if (!words->bytes)
		words->bytes = message_shape(words->type)->body_bytes;
	for (uint8_t i = 0; i < (count & 15); i++) {
		uint16_t at = next16();
		uint8_t value = next();

		if (words->bytes)
			words->body[at % words->bytes] = value;
	}
	if (count & 0x80)
		words->bytes = next16() % (CONTROL_BODY_MAX + 1);
}

/* How many it carries: as its type says, or as the input does; and what. */
static void choose_fds(struct words *words, const struct thing *thing)
{
	uint8_t body = next();

	words->fd_count = body & 0x80 ? body % (CONTROL_FD_MAX + 1)
				      : message_shape(words->type)->fd_count;
	for (size_t i = 0; i < words->fd_count; i++) {
		words->fds[i] = NO_FD;
		if (thing && i < 3 && thing->fds[i] != NO_FD && !(body & 0x40))
			words->fds[i] = dup(thing->fds[i]);
		else if (i & 1)
			words->fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		else
			words->fds[i] = eventfd(0, EFD_CLOEXEC);
	}
}

void say_words(struct control *control, struct words *words, unsigned times)
{
	while (times-- && control->fd != NO_FD)
		(void)control_send(control, words->type, words->request_id,
				   words->body, words->bytes, words->fds,
				   words->fd_count);
	for (size_t i = 0; i < words->fd_count; i++)
		close_fd(&words->fds[i]);
}

/* A child's. ------------------------------------------------------------------ */

static const char *const role_names[] = {
	[ROLE_MONITOR] = "monitor",
	[ROLE_DISK] = "disk",
	[ROLE_CONSOLE] = "console",
	[ROLE_NET] = "net",
};

/* Bodies that are about a thing begin with its id and its generation. */
static void name_thing(const struct thing *thing, uint8_t *body)
{
	const struct disk_channel channel = { thing->id, thing->generation,
					      thing->index, 0 };

	memcpy(body, &channel, sizeof(channel));
}

static void fill_body(const struct player *player, const struct thing *thing,
		      struct words *words)
{
	struct nic_features features = { .frame_bytes_max = 1518 };
	struct guest_change change = { .state = GUEST_RUNNING };

	switch (words->type) {
	case MSG_CHILD_HELLO:
		memcpy(words->body, &player->hello, sizeof(player->hello));
		break;
	case MSG_MONITOR_GUEST:
		memcpy(words->body, &change, sizeof(change));
		break;
	case MSG_MONITOR_NIC_FEATURES:
		features.attachment_id = thing ? thing->id : 0;
		memcpy(words->body, &features, sizeof(features));
		break;
	case MSG_CHILD_READY:
	case MSG_CHILD_EVENT:
	case MSG_MONITOR_DONE:
	case MSG_MONITOR_PROGRESS:
	case MSG_MONITOR_EMULATION:
		break;
	default:
		if (thing)
			name_thing(thing, words->body);
		break;
	}
}

void choose_words(const struct player *player, struct words *words)
{
	const struct thing *thing = NULL;
	uint8_t request_id, pick;

	memset(words, 0, sizeof(*words));
	words->type = choose_type(role_names[player->process->role], next());
	pick = next();
	if (player->thing_count)
		thing = &player->things[pick % player->thing_count];
	choose_fds(words, thing);
	/* Near one that it was asked, or near the last of all. */
	request_id = next();
	words->request_id = request_id < 128
				    ? player->last_request_id + request_id
				    : UINT32_MAX - 255 + request_id;
	fill_body(player, thing, words);
	mar(words);
}

/* A client's. ----------------------------------------------------------------- */

static const char *const client_names[] = { "a",    "b",        "c", "disk0",
					    "net0", "console0", "",  "disk1",
					    "lan",  "wan" };

static void fill_mirror(struct words *words, const char *name)
{
	struct switch_mirrored mirrored = { .name = "lan",
					    .nic = "eth0",
					    .kind = MIRROR_NIC,
					    .from_partition = "b",
					    .from_nic = "eth0" };

	(void)text_copy(mirrored.partition, NAME_SIZE, name);
	memcpy(words->body, &mirrored, sizeof(mirrored));
}

static void put_definition(struct words *words, const void *value)
{
	static const struct definition_head head; /* the longest of all */
	int bytes = definition_message_make(words->type, &head, value,
					    (void *)words->body);

	if (bytes > 0)
		words->bytes = (size_t)bytes;
}

static void fill_request(struct words *words)
{
	const char *name = client_names[next() % ARRAY_COUNT(client_names)];
	static struct partition_document document;
	struct switch_definition definition;

	switch (words->type) {
	case MSG_PARTITION_DEFINE:
	case MSG_PARTITION_REDEFINE:
		world_define(&document, name);
		put_definition(words, &document);
		break;
	case MSG_SWITCH_DEFINE:
		world_define_switch(&definition, name);
		put_definition(words, &definition);
		break;
	case MSG_SWITCH_MIRROR:
		fill_mirror(words, name);
		break;
	default:
		(void)text_copy((char *)words->body, NAME_SIZE, name);
		break;
	}
}

/* Whatever the definition has become. */
static void use_own_files(struct partition_definition *definition)
{
	char file[32];

	memset(definition->kernel, 0, sizeof(definition->kernel));
	memset(definition->initrd, 0, sizeof(definition->initrd));
	memset(definition->vhost_user, 0, sizeof(definition->vhost_user));
	if (definition->engine != ENGINE_FOREIGN)
		(void)text_copy(definition->kernel, PATH_SIZE,
				world_file("kernel"));
	else
		(void)text_copy(definition->vhost_user, SOCKET_PATH_SIZE,
				world_file("run/foreign"));
	for (unsigned i = 0; i < DISK_COUNT_MAX; i++) {
		char *path = definition->disks[i].file;
		char first = path[0];

		memset(path, 0, PATH_SIZE);
		if (!first)
			continue;
		(void)snprintf(file, sizeof(file), "%c%u.img",
			       "abc"[(uint8_t)first % 3], i);
		(void)text_copy(path, PATH_SIZE, world_file(file));
	}
}

/* One that cannot be taken apart is refused before it does anything. */
static void make_definition_harmless(struct words *words)
{
	static struct partition_document document;
	static struct message message;
	struct refusal refusal;

	if (words->bytes < sizeof(struct definition_head))
		return;
	message.type = words->type;
	message.body_bytes = (uint32_t)words->bytes;
	memcpy(message.body, words->body, words->bytes);
	if (!message_is_valid(&message) ||
	    definition_message_take(&message, &document, &refusal) < 0)
		return;
	use_own_files(&document.partition);
	put_definition(words, &document);
}

static void make_harmless(struct words *words)
{
	struct partition_uninstall body;

	if (words->type == MSG_PARTITION_DEFINE ||
	    words->type == MSG_PARTITION_REDEFINE)
		make_definition_harmless(words);
	if (words->type != MSG_PARTITION_UNINSTALL)
		return;
	/* Scrubbing is done by a thread, at a pace of its own. */
	memcpy(&body, words->body, sizeof(body));
	body.is_scrubbed = 0;
	memcpy(words->body, &body, sizeof(body));
}

void choose_request(struct words *words)
{
	memset(words, 0, sizeof(*words));
	words->type = choose_type("client", next());
	choose_fds(words, NULL);
	words->request_id = next();
	fill_request(words);
	mar(words);
	make_harmless(words);
}
