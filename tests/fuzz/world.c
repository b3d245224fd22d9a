/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "control/child.h"
#include "control/definition_message.h"
#include "control/fields.h"

/* More than any step takes; one that needs them never ends. */
#define ROUNDS_MAX 2000
#define TURNS_MAX  20000
#define STORE_SIZE (1u << 20)
#define SETTLE_MS  2
/* How often a world is given time to come up. */
#define BEGINNINGS_MAX 400

static char root[PATH_SIZE / 2];
static uint8_t store[STORE_SIZE]; /* of a world that is about to begin */
static size_t store_bytes;
static bool is_made;

static const char *const programs[] = {
	"bulkhead-monitor",
	"bulkhead-disk",
	"bulkhead-console",
	"bulkhead-net",
};

void world_fail(const char *what)
{
	(void)fprintf(stderr, "world: %s\n", what);
	abort();
}

/* Files. ---------------------------------------------------------------------- */

const char *world_file(const char *name)
{
	static char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

const char *world_rendezvous(void)
{
	return world_file("run/meet/supervisor");
}

const char *world_socket(void)
{
	return world_file("run/bulkhead.sock");
}

static int remove_one(const char *path, const struct stat *status, int type,
		      struct FTW *place)
{
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void remove_root(void)
{
	remove_tree(root);
}

static void write_file(const char *name, const void *bytes, size_t count)
{
	SCOPED(close_fd)
	int fd = open(world_file(name),
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	if (fd < 0 || write(fd, bytes, count) != (ssize_t)count)
		world_fail("the rig cannot be made");
}

static void make_root(void)
{
	const char *directory = getenv("TMPDIR");

	if (!directory)
		directory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(root, sizeof(root), "%s/bulkhead-fuzz-XXXXXX",
		       directory);
	if (!mkdtemp(root) || mkdir(world_file("libexec"), 0700) < 0)
		world_fail("the rig cannot be made");
	(void)atexit(remove_root);
	log_open("fuzz", NULL, (enum log_level)0);
	/* As if KVM ran here, and all did SCSI; guests are played anyway. */
	(void)setenv("BULKHEAD_FAILPOINT", "engine.kvm=fail", 1);
	write_file("kernel", "kernel", 6);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char name[NAME_SIZE * 2];

		(void)snprintf(name, sizeof(name), "libexec/%s", programs[i]);
		write_file(name, "", 0);
	}
}

/* What is defined. ------------------------------------------------------------ */

void world_define_switch(struct switch_definition *ret_definition,
			 const char *name)
{
	*ret_definition = (struct switch_definition){ .uplink.kind = UPLINK_TAP,
						      .vlans.pvid = 1 };
	(void)text_copy(ret_definition->name, NAME_SIZE, name);
	(void)text_copy(ret_definition->service, NAME_SIZE,
			DEFAULT_NET_SERVICE);
	(void)text_copy(ret_definition->uplink.name, UPLINK_SIZE, "fuzz0");
}

static void define_disk(struct disk_definition *disk, const char *partition)
{
	char file[NAME_SIZE + 8];

	(void)snprintf(file, sizeof(file), "%s.img", partition);
	(void)text_copy(disk->name, NAME_SIZE, "root");
	(void)text_copy(disk->service, NAME_SIZE, DEFAULT_DISK_SERVICE);
	(void)text_copy(disk->file, PATH_SIZE, world_file(file));
	disk->size_bytes = 1 << 20;
	disk->hang_ms = HANG_MS_DEFAULT;
	disk->queue_count = 1;
	/* An outage of its disk pauses a alone. */
	disk->outage.policy = partition[0] == 'a' ? OUTAGE_PAUSE : OUTAGE_HOLD;
	disk->outage.ms = disk->outage.policy == OUTAGE_PAUSE ? 1000 : 0;
}

void world_define(struct partition_document *ret_document, const char *name)
{
	struct partition_definition *partition = &ret_document->partition;
	struct nic_definition *nic = &ret_document->nics[0];

	memset(ret_document, 0, sizeof(*ret_document));
	(void)text_copy(partition->name, NAME_SIZE, name);
	partition->restart = RESTART_ON_FAILURE;
	partition->autostart = 1;
	partition->cpu_count = 1;
	partition->memory_bytes = MEMORY_BYTES_MIN;
	partition->stop_ms = STOP_MS_DEFAULT;
	partition->scsi_queue_count = 1;
	partition->disk_count = 1;
	(void)text_copy(partition->kernel, PATH_SIZE, world_file("kernel"));
	define_disk(&partition->disks[0], name);
	ret_document->nic_count = 1;
	(void)text_copy(nic->name, NAME_SIZE, "eth0");
	(void)text_copy(nic->network, NAME_SIZE, "lan");
	nic->vlans.pvid = 1;
	nic->mtu = NIC_MTU_DEFAULT;
	nic->queue_pair_count = 1;
}

/* The supervisor. ------------------------------------------------------------- */

static void set_config(struct config *config)
{
	struct refusal refusal;

	if (config_default(config, &refusal) < 0)
		world_fail("there is no configuration");
	config->socket_group[0] = '\0';
	(void)text_copy(config->state_dir, PATH_SIZE, world_file("state"));
	(void)text_copy(config->runtime_dir, PATH_SIZE, world_file("run"));
	(void)text_copy(config->meet_dir, PATH_SIZE, world_file("run/meet"));
	(void)text_copy(config->libexec_dir, PATH_SIZE, world_file("libexec"));
	(void)text_copy(config->socket, SOCKET_PATH_SIZE, world_socket());
}

static void open_supervisor(struct world *world)
{
	struct refusal refusal = { 0 };

	memset(&world->supervisor, 0, sizeof(world->supervisor));
	world->is_over = false;
	set_config(&world->supervisor.config);
	if (supervisor_open(&world->supervisor, &refusal) < 0) {
		(void)fprintf(stderr, "%s: %s\n", refusal.field, refusal.text);
		world_fail("the supervisor does not open");
	}
}

static unsigned turn(struct world *world)
{
	unsigned count = 0;
	int r = 0;

	while (!world->is_over &&
	       (r = sd_event_run(world->supervisor.event, 0)) > 0)
		if (++count == TURNS_MAX)
			world_fail(
				"the supervisor's loop does not come to rest");
	world->is_over |= r < 0;
	return count;
}

static unsigned serve_players(struct world *world)
{
	struct fake_process *processes = fake_host_processes();
	unsigned count = 0;

	for (size_t i = 0; i < FAKE_PROCESSES_MAX && processes[i].pid; i++) {
		struct player *player = &world->players[i];

		player->process = &processes[i];
		if (processes[i].is_dead)
			player_drop_things(player);
		else if (!world->is_absent || !world->is_absent(player))
			count += player_serve(player, UINT32_MAX);
	}
	return count;
}

/* Of an answer only that it came. */
static unsigned hear_operator(struct world *world)
{
	struct message message;
	unsigned count = 0;

	while (!world->is_operator_deaf &&
	       world->operator.fd != NO_FD &&
		       control_receive(&world->operator, & message) == 0) {
		message_release(&message);
		count++;
	}
	return count;
}

void world_settle(struct world *world)
{
	unsigned rounds = 0;

	while (turn(world) + serve_players(world) + hear_operator(world))
		if (++rounds == ROUNDS_MAX)
			world_fail("the world does not come to rest");
}

/* Somebody has no link and may have one again; they try in turn. */
static bool bring_back(struct world *world)
{
	struct fake_process *processes = fake_host_processes();
	bool is_lost = false;

	for (size_t i = 0; i < FAKE_PROCESSES_MAX && processes[i].pid; i++) {
		struct player *player = &world->players[i];

		if (world->is_absent && world->is_absent(player))
			continue;
		is_lost |= player_return(player, world_rendezvous());
	}
	return is_lost;
}

struct player *world_player(struct world *world, uint32_t role, unsigned nth)
{
	for (size_t i = 0; i < FAKE_PROCESSES_MAX; i++) {
		struct player *player = &world->players[i];

		if (player->process && !player->process->is_dead &&
		    player->process->role == role && nth-- == 0)
			return player;
	}
	return NULL;
}

void world_pass_ms(struct world *world, uint64_t ms)
{
	/* As long as children are on their way they try again and again. */
	while (ms > CHILD_RETRY_MS && bring_back(world)) {
		world_settle(world);
		fake_host_pass_ms(CHILD_RETRY_MS);
		world_settle(world);
		ms -= CHILD_RETRY_MS;
	}
	for (unsigned i = 0; i < 3; i++) {
		fake_host_pass_ms(i ? SETTLE_MS : ms);
		(void)bring_back(world);
		world_settle(world);
	}
}

static void call_operator(struct world *world)
{
	if (world->operator.fd == NO_FD)
		world->operator.fd =
			fake_host_connect(world_socket(), getpid(), 0);
}

void world_restart(struct world *world, void (*comes_first)(void))
{
	control_close(&world->operator);
	(void)turn(world);
	supervisor_close(&world->supervisor);
	(void)serve_players(world);
	open_supervisor(world);
	if (comes_first)
		comes_first();
	world_pass_ms(world, SETTLE_MS);
	call_operator(world);
	world_settle(world);
}

/* The beginning. -------------------------------------------------------------- */

static void ask(struct world *world, uint32_t type, const void *body)
{
	if (control_send(&world->operator, type, 1, body,
			 message_bytes(message_shape(type), body), NULL, 0) < 0)
		world_fail("the rig cannot be made");
	world_settle(world);
}

static void ask_definition(struct world *world, uint32_t type, const void *head,
			   const void *value)
{
	struct definition_message body;

	if (definition_message_make(type, head, value, &body) < 0)
		world_fail("the definition is too long");
	ask(world, type, &body);
}

static void install(struct world *world, const char *name)
{
	static struct partition_document document;
	struct partition_name named = { 0 };
	static const struct definition_head head;

	world_define(&document, name);
	(void)text_copy(named.name, NAME_SIZE, name);
	ask_definition(world, MSG_PARTITION_DEFINE, &head, &document);
	ask(world, MSG_PARTITION_INSTALL, &named);
}

static void begin(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->operator.fd = NO_FD;
	remove_tree(world_file("state"));
	remove_tree(world_file("run"));
	if (mkdir(world_file("state"), 0700) < 0)
		world_fail("the rig cannot be made");
	fake_host_begin();
}

static void make_store(struct world *world)
{
	static const struct switch_head head;
	struct switch_definition definition;
	SCOPED(close_fd) int fd = NO_FD;

	begin(world);
	open_supervisor(world);
	for (unsigned i = 0; i < BEGINNINGS_MAX && !world->supervisor.clients;
	     i++)
		world_pass_ms(world, SETTLE_MS);
	call_operator(world);
	world_define_switch(&definition, "lan");
	ask_definition(world, MSG_SWITCH_DEFINE, &head, &definition);
	install(world, "a");
	install(world, "b");
	world_close(world);
	fd = open(world_file("state/store.db"), O_RDONLY | O_CLOEXEC);
	store_bytes = (size_t)read(fd, store, sizeof(store));
	if (fd < 0 || store_bytes == 0 || store_bytes >= sizeof(store))
		world_fail("the rig cannot be made");
	is_made = true;
}

static bool is_up(struct world *world, const char *name)
{
	const struct partition *partition =
		partition_find(&world->supervisor, name);

	return partition &&
	       partition->record.lifecycle.state == PARTITION_RUNNING &&
	       partition->disks[0].binding.state == BINDING_UP &&
	       partition->nics[0].binding.state == BINDING_UP &&
	       partition->console.binding.instance;
}

/* Images are part of a store: uninstalled ones are made anew with it. */
static void make_what_is_missing(struct world *world)
{
	if (!root[0])
		make_root();
	if (access(world_file("a.img"), F_OK) < 0 ||
	    access(world_file("b.img"), F_OK) < 0)
		is_made = false;
	if (is_made)
		return;
	(void)remove(world_file("a.img"));
	(void)remove(world_file("b.img"));
	make_store(world);
}

void world_open(struct world *world)
{
	unsigned beginnings = 0;

	make_what_is_missing(world);
	begin(world);
	write_file("state/store.db", store, store_bytes);
	open_supervisor(world);
	while (!is_up(world, "a") || !is_up(world, "b")) {
		if (++beginnings == BEGINNINGS_MAX)
			world_fail("the world does not come up");
		world_pass_ms(world, SETTLE_MS);
	}
	call_operator(world);
	world_pass_ms(world, SETTLE_MS);
}

void world_close(struct world *world)
{
	control_close(&world->operator);
	(void)turn(world);
	supervisor_close(&world->supervisor);
	for (size_t i = 0; i < FAKE_PROCESSES_MAX; i++)
		player_drop_things(&world->players[i]);
	fake_host_end();
}
