/* SPDX-License-Identifier: MIT */
/*
 * Sequences of what a hostile child or client does to the real supervisor.
 *
 * An input names who is hostile and then what happens, step by step: what that
 * one says, how time passes, what an operator asks, that a service or the
 * supervisor dies. Everybody else goes by the book (player.h). After each step
 *
 *  - the supervisor comes to rest (world.c), and has waited for the disk at one
 *    moment no more often than is worth it, however much was said;
 *  - nobody who goes by the book was killed;
 *  - partition b runs under the same monitor as before, and, unless a service
 *    is hostile or was replaced, with the same channel to its disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "words.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define STEPS_MAX     64
#define STRANGERS_MAX 64
#define STRANGER_PID  2000000
#define FLOOD_MAX     64
/* How often something is made durable while no time passes: for what a child
 * says and for an accident, and for each request of a client. */
#define SYNCS_OF_CHILDREN 16
#define SYNCS_OF_REQUEST  8

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
static struct {
	unsigned syncs; /* when it began */
	unsigned requests;
} moment;
static struct control strangers[STRANGERS_MAX];
static unsigned stranger_count;
static unsigned chosen; /* which process of the villain's acts */

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

static void begin_moment(void)
{
	moment.syncs = fake_host_syncs();
	moment.requests = 0;
}

/* Steps. ---------------------------------------------------------------------- */

static void step_say(void)
{
	static struct words words;
	struct player *player = actor();
	unsigned times = next() % FLOOD_MAX + 1;

	if (!player)
		return;
	choose_words(player, &words);
	say_words(&player->process->control, &words, times);
}

static void step_request(void)
{
	static struct words words;
	unsigned times = next() % FLOOD_MAX + 1;

	choose_request(&words);
	moment.requests += times;
	say_words(&world.operator, & words, times);
}

/* What an operator may ask while somebody else is hostile. */
static const struct {
	uint32_t type;
	const char *name;
} verbs[] = {
	{ MSG_PARTITION_START, "a" },    { MSG_PARTITION_STOP, "a" },
	{ MSG_PARTITION_PAUSE, "a" },    { MSG_PARTITION_RESUME, "a" },
	{ MSG_PARTITION_RESET, "a" },    { MSG_PARTITION_SAVE, "a" },
	{ MSG_PARTITION_RESTORE, "a" },  { MSG_PARTITION_SHOW, "a" },
	{ MSG_PARTITION_BALLOON, "a" },  { MSG_PARTITION_UNINSTALL, "a" },
	{ MSG_PARTITION_LIST, "" },      { MSG_DISK_LIST, "" },
	{ MSG_SERVICE_LIST, "" },        { MSG_SUPERVISOR_SHOW, "" },
	{ MSG_SWITCH_SHOW, "lan" },      { MSG_SERVICE_RESTART, "disk0" },
	{ MSG_SERVICE_RESTART, "net0" }, { MSG_SERVICE_RESTART, "console0" },
};

static void step_verb(void)
{
	static struct words words;
	size_t verb = next() % ARRAY_COUNT(verbs);

	memset(&words, 0, sizeof(words));
	words.type = verbs[verb].type;
	words.bytes = message_shape(words.type)->body_bytes;
	(void)text_copy((char *)words.body, NAME_SIZE, verbs[verb].name);
	if (words.type == MSG_PARTITION_STOP)
		words.body[offsetof(struct partition_stop, is_forced)] =
			next() & 1;
	if (words.type == MSG_PARTITION_BALLOON)
		words.body[offsetof(struct partition_balloon, memory_bytes) +
			   2] = next();
	is_disturbed |= words.type == MSG_SERVICE_RESTART;
	say_words(&world.operator, & words, 1);
}

static void step_serve(void)
{
	struct player *player = actor();

	if (player)
		(void)player_serve(player, next() % 8 + 1);
}

/* A client does so by listening. */
static void step_behave(void)
{
	is_behaving = next() & 1;
	world.is_operator_deaf = !is_behaving && villain == VILLAIN_CLIENT;
}

static void step_time(void)
{
	static const uint32_t ms[] = { 1,    5,     20,     50,   100,
				       200,  500,   1000,   2000, 3000,
				       5000, 10000, 3600000 };

	begin_moment();
	world_pass_ms(&world, ms[next() % ARRAY_COUNT(ms)]);
	begin_moment();
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

static void step_break_disk(void)
{
	fake_host_break_disk(next() & 1);
}

static void step_restart(void)
{
	begin_moment();
	fake_host_break_disk(false); /* a store is opened for writing */
	world_restart(&world, next() & 1 ? step_strange : NULL);
	begin_moment();
}

static void leave_strangers(void)
{
	while (stranger_count)
		control_close(&strangers[--stranger_count]);
}

/* The oldest process of a service dies, also one that goes by the book. */
static void step_accident(void)
{
	uint32_t role = ROLE_DISK + next() % 3;

	for (size_t i = 0; i < FAKE_PROCESSES_MAX; i++) {
		struct player *player = &world.players[i];

		if (!player->process || player->process->is_dead ||
		    player->process->role != role)
			continue;
		is_disturbed = true;
		fake_host_exit(player->process);
		return;
	}
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
	if (b->disks[0].binding.state != BINDING_UP ||
	    b->disks[0].binding.generation != generation)
		world_fail("the disk of partition b has lost its channel");
}

static void check(void)
{
	unsigned syncs = fake_host_syncs() - moment.syncs;

	if (syncs > SYNCS_OF_CHILDREN + moment.requests * SYNCS_OF_REQUEST)
		world_fail("too much was made durable at one moment");
	if (villain == VILLAIN_CLIENT)
		return;
	check_players();
	check_b();
}

/* A run. ---------------------------------------------------------------------- */

static void (*const steps[])(void) = {
	step_say,     step_serve,      step_behave, step_time,
	step_link,    step_die,        step_choose, step_restart,
	step_strange, step_accident,   step_verb,   step_say,
	step_say,     step_break_disk, step_serve,  step_say,
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
	generation = b->disks[0].binding.generation;
	monitor = b->monitor;
	begin_moment();
}

static void run_step(void)
{
	uint8_t choice = next() % ARRAY_COUNT(steps);
	void (*step)(void) = steps[choice];

	if (villain == VILLAIN_CLIENT &&
	    (step == step_say || step == step_serve))
		step = step_request;
	if (step == step_restart)
		monitor = NULL;
	step();
	world_settle(&world);
	check();
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

	input_open(data, bytes);
	begin();
	for (unsigned i = 0;
	     i < STEPS_MAX && !input_is_over() && !world.is_over; i++)
		run_step();
	leave_strangers();
	world_close(&world);
	if (!is_first && free_descriptor() != free_before)
		world_fail("a descriptor was left open");
	is_first = false;
	return 0;
}
