/* SPDX-License-Identifier: MIT */
/*
 * Sequences of what a hostile child or client does to the real supervisor.
 *
 * An input names who is hostile and then what happens, step by step: what that
 * one says, how time passes, what an operator asks, that a service or the
 * supervisor dies. Everybody else goes by the book (player.h). After each step
 *
 *  - the supervisor comes to rest (world.c), and has not made more durable than
 *    the messages of that step account for;
 *  - nobody who goes by the book was killed;
 *  - partition b runs under the same monitor as before, and, unless a service
 *    is hostile or was replaced, with the same channel to its disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define STEPS_MAX     64
#define STRANGERS_MAX 64
#define STRANGER_PID  2000000
#define FLOOD_MAX     64
/* What a step makes durable: so many times, and so many per message of it. */
#define SYNCS_PER_STEP    64
#define SYNCS_PER_MESSAGE 4

enum villain {
	VILLAIN_MONITOR, /* of partition a */
	VILLAIN_DISK,
	VILLAIN_CONSOLE,
	VILLAIN_NET,
	VILLAIN_STRANGER, /* reaches the rendezvous, and is no child */
	VILLAIN_CLIENT,
	VILLAIN_COUNT,
};

static const uint32_t villain_roles[VILLAIN_COUNT] = {
	[VILLAIN_MONITOR] = ROLE_MONITOR,
	[VILLAIN_DISK] = ROLE_DISK,
	[VILLAIN_CONSOLE] = ROLE_CONSOLE,
	[VILLAIN_NET] = ROLE_NET,
};

static struct world world;
static enum villain villain;
static bool is_behaving;    /* the villain, for the time being */
static bool is_disturbed;   /* a service was replaced, or may have been */
static uint64_t generation; /* of b's disk */
static const struct process *monitor; /* of b */
static struct control strangers[STRANGERS_MAX];
static unsigned stranger_count;
static unsigned chosen; /* which process of the villain's acts */

/* The input. ------------------------------------------------------------------ */

static const uint8_t *input;
static size_t input_bytes;

static uint8_t next(void)
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

/* Who. ------------------------------------------------------------------------ */

static bool is_villain(const struct player *player)
{
	return player->process && villain_roles[villain] &&
	       player->process->role == villain_roles[villain] &&
	       (villain != VILLAIN_MONITOR ||
		strcmp(player->process->name, "a") == 0);
}

static bool is_absent(const struct player *player)
{
	return !is_behaving && is_villain(player);
}

/* The villain's process that acts: the chosen one of those that live. */
static struct player *actor(void)
{
	struct player *found = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < FAKE_PROCESSES_MAX; i++) {
		struct player *player = &world.players[i];

		if (is_villain(player) && !player->process->is_dead &&
		    (!found || count++ < chosen))
			found = player;
	}
	return found;
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
static size_t mar(uint8_t *body, size_t bytes)
{
	uint8_t count = next();

	for (uint8_t i = 0; i < (count & 15); i++) {
		uint16_t at = next16();
		uint8_t value = next();

		if (bytes)
			body[at % bytes] = value;
	}
	return count & 0x80 ? next16() % (CONTROL_BODY_MAX + 1) : bytes;
}

struct words {
	uint32_t type;
	uint32_t request_id;
	_Alignas(8) uint8_t body[CONTROL_BODY_MAX];
	size_t bytes;
	size_t fd_count;
};

static void say_words(struct control *control, const struct words *words)
{
	int fds[CONTROL_FD_MAX];

	for (size_t i = 0; i < words->fd_count; i++)
		fds[i] = i & 1 ? open("/dev/null", O_RDWR | O_CLOEXEC)
			       : eventfd(0, EFD_CLOEXEC);
	if (control->fd != NO_FD)
		(void)control_send(control, words->type, words->request_id,
				   words->body, words->bytes, fds,
				   words->fd_count);
	for (size_t i = 0; i < words->fd_count; i++)
		close_fd(&fds[i]);
}

static size_t choose_fd_count(uint32_t type)
{
	uint8_t wish = next();

	return wish & 0x80 ? wish % (CONTROL_FD_MAX + 1)
			   : message_shape(type)->fd_count;
}

/* A child's. ------------------------------------------------------------------ */

static const char *const role_names[] = {
	[ROLE_MONITOR] = "monitor",
	[ROLE_DISK] = "disk",
	[ROLE_CONSOLE] = "console",
	[ROLE_NET] = "net",
};

static bool is_about_a_thing(uint32_t type)
{
	return type != MSG_CHILD_READY && type != MSG_CHILD_EVENT &&
	       type != MSG_MONITOR_DONE && type != MSG_MONITOR_GUEST &&
	       type != MSG_MONITOR_PROGRESS && type != MSG_MONITOR_INTERVENTION;
}

/* Bodies that are about a thing begin with its id and its generation. */
static void name_thing(const struct player *player, uint8_t pick, uint8_t *body)
{
	const struct thing *thing;
	struct disk_channel channel = { 0 };

	if (!player->thing_count)
		return;
	thing = &player->things[pick % player->thing_count];
	channel.attachment_id = thing->id;
	channel.generation = thing->generation;
	channel.index = thing->index;
	memcpy(body, &channel, sizeof(channel));
}

static void choose_words(const struct player *player, struct words *words)
{
	uint8_t request_id;

	memset(words, 0, sizeof(*words));
	words->type = choose_type(role_names[player->process->role], next());
	words->fd_count = choose_fd_count(words->type);
	request_id = next();
	words->request_id = request_id < 128
				    ? player->last_request_id + request_id
				    : UINT32_MAX - 255 + request_id;
	if (words->type == MSG_CHILD_HELLO)
		memcpy(words->body, &player->hello, sizeof(player->hello));
	else if (is_about_a_thing(words->type))
		name_thing(player, next(), words->body);
	words->bytes = mar(words->body, message_shape(words->type)->body_bytes);
}

static void step_say(void)
{
	static struct words words;
	struct player *player = actor();
	unsigned times = next() % FLOOD_MAX + 1;

	if (!player)
		return;
	choose_words(player, &words);
	while (times--)
		say_words(&player->process->control, &words);
}

/* A client's. ----------------------------------------------------------------- */

static const char *const client_names[] = { "a",    "b",        "c", "disk0",
					    "net0", "console0", "",  "disk1",
					    "lan",  "wan" };

/* Only files of the world, whatever the definition has become. */
static void use_own_files(struct partition_definition *definition)
{
	char file[32];

	memset(definition->kernel, 0, sizeof(definition->kernel));
	memset(definition->initrd, 0, sizeof(definition->initrd));
	memset(definition->vhost_user, 0, sizeof(definition->vhost_user));
	if (definition->engine != ENGINE_FOREIGN)
		(void)text_copy(definition->kernel, PATH_ROOM,
				world_file("kernel"));
	else
		(void)text_copy(definition->vhost_user, SOCKET_PATH_ROOM,
				world_file("run/foreign"));
	for (unsigned i = 0; i < DISK_COUNT_MAX; i++) {
		char *path = definition->disks[i].file;
		char first = path[0];

		memset(path, 0, PATH_ROOM);
		if (!first)
			continue;
		(void)snprintf(file, sizeof(file), "%c%u.img",
			       "abc"[(uint8_t)first % 3], i);
		(void)text_copy(path, PATH_ROOM, world_file(file));
	}
}

static void prepare_request(struct words *words)
{
	const char *name = client_names[next() % ARRAY_COUNT(client_names)];
	static struct partition_document document;
	struct switch_definition definition;

	(void)text_copy((char *)words->body, NAME_ROOM, name);
	if (words->type == MSG_SWITCH_DEFINE) {
		world_define_switch(&definition, name);
		memcpy(words->body, &definition, sizeof(definition));
	}
	if (words->type == MSG_PARTITION_DEFINE ||
	    words->type == MSG_PARTITION_DEFINE_WHOLE) {
		world_define(&document, name);
		memcpy(words->body, &document, sizeof(document));
	}
}

static void make_harmless(struct words *words)
{
	if (words->type == MSG_PARTITION_DEFINE ||
	    words->type == MSG_PARTITION_DEFINE_WHOLE)
		use_own_files((void *)words->body);
	/* Scrubbing is done by a thread, at a pace of its own. */
	if (words->type == MSG_PARTITION_UNINSTALL)
		memset(words->body + NAME_ROOM, 0, 8);
}

static void step_request(void)
{
	static struct words words;

	memset(&words, 0, sizeof(words));
	words.type = choose_type("client", next());
	words.fd_count = choose_fd_count(words.type);
	words.request_id = next();
	prepare_request(&words);
	words.bytes = mar(words.body, message_shape(words.type)->body_bytes);
	make_harmless(&words);
	say_words(&world.operator, & words);
}

/* What an operator may ask while somebody else is hostile. */
static void step_verb(void)
{
	static const uint32_t verbs[] = {
		MSG_PARTITION_START,   MSG_PARTITION_STOP,
		MSG_PARTITION_PAUSE,   MSG_PARTITION_RESUME,
		MSG_PARTITION_RESET,   MSG_PARTITION_SAVE,
		MSG_PARTITION_RESTORE, MSG_PARTITION_SHOW,
		MSG_PARTITION_LIST,    MSG_DISK_LIST,
		MSG_SERVICE_LIST,      MSG_SUPERVISOR_SHOW,
		MSG_PARTITION_BALLOON, MSG_PARTITION_UNINSTALL,
	};
	static struct words words;

	memset(&words, 0, sizeof(words));
	words.type = verbs[next() % ARRAY_COUNT(verbs)];
	words.bytes = message_shape(words.type)->body_bytes;
	words.body[0] = words.bytes ? 'a' : 0;
	if (words.type == MSG_PARTITION_STOP)
		words.body[offsetof(struct partition_stop, is_forced)] =
			next() & 1;
	if (words.type == MSG_PARTITION_BALLOON)
		words.body[offsetof(struct partition_balloon, memory_bytes) +
			   2] = next();
	say_words(&world.operator, & words);
}

/* Other steps. ---------------------------------------------------------------- */

static void step_serve(void)
{
	struct player *player = actor();

	if (player)
		(void)player_serve(player, next() % 8 + 1);
}

static void step_behave(void)
{
	is_behaving = next() & 1;
}

static void step_time(void)
{
	static const uint32_t ms[] = { 1,    5,     20,     50,   100,
				       200,  500,   1000,   2000, 3000,
				       5000, 10000, 3600000 };

	world_pass_ms(&world, ms[next() % ARRAY_COUNT(ms)]);
}

static void step_link(void)
{
	struct player *player = actor();

	if (player && next() & 1)
		control_close(&player->process->control);
	else if (player)
		(void)player_return(player, world_rendezvous());
}

static void step_die(void)
{
	struct player *player = actor();

	is_disturbed |= villain != VILLAIN_MONITOR;
	if (player)
		fake_host_exit(player->process);
}

static void step_choose(void)
{
	chosen = next() % 4;
}

/*
 * Somebody at the rendezvous with the words of a child: the villain itself, or
 * one who is no child, of a uid that may be one or not.
 */
static void step_strange(void)
{
	static const uid_t uids[] = { 65534, 0x42480001, 0 };
	const struct player *villain_player = actor();
	struct child_hello hello = world.players[next() % 8].hello;
	uint8_t how = next();
	unsigned times = next() % 32 + 1;

	if (how & 2)
		hello.token[0] ^= 1;
	while (times-- && stranger_count < STRANGERS_MAX) {
		struct control *link = &strangers[stranger_count++];
		pid_t pid = STRANGER_PID + (how & 1 ? (pid_t)times : 0);

		if (villain_player)
			pid = villain_player->process->pid;
		link->fd = fake_host_connect(world_rendezvous(), pid,
					     uids[(how >> 4) % 3]);
		if (link->fd != NO_FD && !(how & 4))
			(void)control_send(link, MSG_CHILD_HELLO, 0, &hello,
					   sizeof(hello), NULL, 0);
		if (how & 8)
			control_close(link);
	}
}

static void step_restart(void)
{
	world_restart(&world, next() & 1 ? step_strange : NULL);
}

static void leave_strangers(void)
{
	while (stranger_count)
		control_close(&strangers[--stranger_count]);
}

/* A service that goes by the book dies all the same. */
static void step_accident(void)
{
	struct player *player = &world.players[next() % 8];

	if (!player->process || player->process->is_dead ||
	    player->process->role == ROLE_MONITOR)
		return;
	is_disturbed = true;
	fake_host_exit(player->process);
}

/* What must hold. ------------------------------------------------------------- */

static void check_players(void)
{
	for (size_t i = 0; i < FAKE_PROCESSES_MAX; i++) {
		const struct player *player = &world.players[i];

		if (!player->process || !player->process->was_killed ||
		    is_villain(player) ||
		    (player->process->role == ROLE_MONITOR &&
		     strcmp(player->process->name, "b") != 0))
			continue;
		world_fail("one that goes by the book was killed");
	}
}

static void check_b(void)
{
	const struct partition *b = partition_find(&world.supervisor, "b");

	if (!b || b->record.lifecycle.state != PARTITION_RUNNING)
		world_fail("partition b does not run any more");
	if (!b->monitor || (monitor && b->monitor != monitor) ||
	    b->monitor->is_quitting)
		world_fail("partition b has lost its monitor");
	if (villain != VILLAIN_MONITOR && villain != VILLAIN_STRANGER)
		return;
	if (is_disturbed || world.supervisor.is_adopting)
		return;
	if (b->disks[0].state != DISK_IS_UP ||
	    b->disks[0].generation != generation)
		world_fail("the disk of partition b has lost its channel");
}

static void check(unsigned syncs, unsigned messages)
{
	syncs = fake_host_syncs() - syncs;
	messages = fake_host_messages() - messages;
	if (syncs > SYNCS_PER_STEP + messages * SYNCS_PER_MESSAGE)
		world_fail("a step made too much durable");
	if (villain == VILLAIN_CLIENT)
		return;
	check_players();
	check_b();
}

/* A run. ---------------------------------------------------------------------- */

static void (*const steps[])(void) = {
	step_say,     step_serve,    step_behave, step_time,
	step_link,    step_die,      step_choose, step_restart,
	step_strange, step_accident, step_verb,   step_say,
	step_say,     step_time,     step_serve,  step_say,
};

static void begin(void)
{
	const struct partition *b;

	is_behaving = true;
	is_disturbed = false;
	chosen = 0;
	world_open(&world);
	villain = next() % VILLAIN_COUNT;
	world.is_absent = is_absent;
	b = partition_find(&world.supervisor, "b");
	generation = b->disks[0].generation;
	monitor = b->monitor;
}

static void run_step(void)
{
	unsigned syncs = fake_host_syncs();
	unsigned messages = fake_host_messages();
	uint8_t choice = next() % ARRAY_COUNT(steps);
	void (*step)(void) = steps[choice];

	if (villain == VILLAIN_CLIENT &&
	    (step == step_say || step == step_serve))
		step = step_request;
	if (step == step_restart)
		monitor = NULL;
	step();
	world_settle(&world);
	check(syncs, messages);
	if (!monitor && villain != VILLAIN_CLIENT)
		monitor = partition_find(&world.supervisor, "b")->monitor;
}

/* The number that the next descriptor will have. */
static int free_descriptor(void)
{
	int fd = dup(STDERR_FILENO);
	int number = fd;

	close_fd(&fd);
	return number;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static bool is_first = true; /* what libraries keep is theirs */
	int free_before = free_descriptor();

	input = data;
	input_bytes = bytes;
	begin();
	for (unsigned i = 0; i < STEPS_MAX && input_bytes && !world.is_over;
	     i++)
		run_step();
	leave_strangers();
	world_close(&world);
	if (!is_first && free_descriptor() != free_before)
		world_fail("a descriptor was left open");
	is_first = false;
	return 0;
}
