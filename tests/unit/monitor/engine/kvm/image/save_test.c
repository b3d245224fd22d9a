/* SPDX-License-Identifier: MIT */
/* Whole machines of engine kvm, saved and restored. Their guest does nothing but
 * count in memory, which any /dev/kvm can do that makes machines. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "monitor/engine/kvm/kvm.h"
#include "monitor/engine/kvm/machine.h"

#define MIB        (1ull << 20)
#define MARK_GPA   (40 * MIB)
#define DISK_BYTES (1 * MIB)
#define COUNT_GPA  0x1400000ull /* as in the kernel's text */

struct kernel {
	Elf64_Ehdr header;
	Elf64_Phdr code;
	uint8_t text[64];
};

/* A monitor without processes around it. */
struct world {
	struct monitor_settings settings;
	struct monitor_disk disk;
	struct iothread io;
	struct engine engine;
	sd_event *event;
	int done_status;
	char done_text[160];
	char event_text[256];
	uint64_t progress_bytes;
	bool is_done;
	bool has_ended;
	bool has_no_privilege; /* for userfaultfd */
};

static struct world one, two;
static bool is_disk_held; /* atomic, as the next */
static bool is_held_disk_synchronised;

/* In place of the C library's: a disk of this host that does not answer. */
int fdatasync(int fd)
{
	while (__atomic_load_n(&is_disk_held, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&is_held_disk_synchronised, true,
				 __ATOMIC_RELEASE);
		(void)usleep(1000);
	}
	return 0;
}

static void hold_disk(void)
{
	__atomic_store_n(&is_disk_held, true, __ATOMIC_RELEASE);
}

static void await_held_disk(void)
{
	while (!__atomic_load_n(&is_held_disk_synchronised, __ATOMIC_ACQUIRE))
		(void)usleep(1000);
}

static void release_disk(void)
{
	__atomic_store_n(&is_disk_held, false, __ATOMIC_RELEASE);
}

static void on_ready(void *context, enum guest_state state)
{
	CHECK_EQ(state, GUEST_PAUSED);
}

static void on_changed(void *context, enum guest_state state)
{
}

static void on_done(void *context, uint32_t request_id, int status,
		    const char *text)
{
	struct world *world = context;

	CHECK_EQ(request_id, 5);
	world->is_done = true;
	world->done_status = status;
	(void)snprintf(world->done_text, sizeof(world->done_text), "%s",
		       text ? text : "");
}

static void on_progress(void *context, uint32_t request_id, uint64_t done_bytes,
			uint64_t total_bytes)
{
	struct world *world = context;

	CHECK(done_bytes <= total_bytes);
	world->progress_bytes = done_bytes;
}

static void on_event(void *context, enum event_level level, const char *text)
{
	struct world *world = context;

	(void)snprintf(world->event_text, sizeof(world->event_text), "%s",
		       text);
}

static void on_refused(void *context, const struct refusal *refusal)
{
	on_event(context, EVENT_ERROR, refusal->text);
}

static void on_ended(void *context, int exit_status, bool by_guest)
{
	struct world *world = context;

	world->has_ended = true;
}

static const struct engine_handler handler = {
	.ready = on_ready,
	.changed = on_changed,
	.done = on_done,
	.progress = on_progress,
	.event = on_event,
	.refused = on_refused,
	.ended = on_ended,
};

static int new_file(uint64_t bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static int new_kernel(void)
{
	const struct kernel kernel = {
		.header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
					 ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_entry = 16 * MIB,
			    .e_phoff = offsetof(struct kernel, code),
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 1 },
		.code = { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_offset = offsetof(struct kernel, text),
			  .p_vaddr = 16 * MIB,
			  .p_paddr = 16 * MIB,
			  .p_filesz = 64,
			  .p_memsz = 64 },
		/* 1: incq 0x1400000; jmp 1b */
		.text = { 0x48, 0xff, 0x04, 0x25, 0, 0, 0x40, 0x01, 0xeb,
			  0xf6 },
	};
	int fd = new_file(0);

	CHECK_EQ(write(fd, &kernel, sizeof(kernel)), sizeof(kernel));
	return fd;
}

static void need_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		test_skip("there is no KVM");
	CHECK_EQ(close(fd), 0);
}

static void plan(struct world *world, uint32_t cpu_count, uint64_t memory_bytes)
{
	memset(world, 0, sizeof(*world));
	world->settings.engine = ENGINE_KVM;
	world->settings.cpu_count = cpu_count;
	world->settings.memory_bytes = memory_bytes;
	world->settings.disk_count = 1;
	world->disk = (struct monitor_disk){
		.size_bytes = DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 512,
		.hang_ms = 1000,
		.queue_count = 1,
		.name = "root",
	};
}

static struct kvm_machine *machine_of(struct world *world)
{
	return world->engine.own;
}

/* As launch.c does it. Takes image_fd. */
static int start(struct world *world, int image_fd)
{
	int kernel_fd = new_kernel();
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int none[2] = { NO_FD, NO_FD };
	const struct engine_machine machine = {
		.settings = &world->settings,
		.disks = &world->disk,
		.kernel_fd = &kernel_fd,
		.initrd_fd = &none[0],
		.kvm_fd = &kvm_fd,
		.image_fd = &image_fd,
		.listener_fd = &none[1],
	};
	struct engine_handler own = handler;
	int result;

	own.context = world;
	engine_init(&world->engine, &own);
	world->engine.ops = &kvm_engine;
	CHECK_EQ(iothread_init(&world->io), 0);
	CHECK_EQ(iothread_add_disk(&world->io, &world->disk, 0,
				   new_file(DISK_BYTES)),
		 0);
	CHECK(sd_event_new(&world->event) >= 0);
	result = kvm_engine.start(&world->engine, &machine);
	if (result == 0)
		result = kvm_engine.attach(&world->engine, &world->io);
	if (world->has_no_privilege)
		close_fd(&machine_of(world)->save.pager.uffd);
	if (result == 0)
		result = iothread_start(&world->io);
	if (result == 0)
		result = kvm_engine.watch(&world->engine, world->event);
	if (result == 0)
		result = kvm_engine.sealed(&world->engine);
	close_fd(&kernel_fd);
	close_fd(&kvm_fd);
	close_fd(&image_fd);
	return result;
}

static void stop(struct world *world)
{
	struct kvm_machine *machine = world->engine.own;

	/* What has not come holds descriptors until the process ends. */
	(void)pager_finish(&machine->save.pager);
	engine_close(&world->engine);
	close_fd(&world->engine.serial_fd);
	iothread_stop(&world->io);
	(void)sd_event_unref(world->event);
}

static void await(struct world *world, const bool *what)
{
	for (int i = 0; i < 1000 && !*what; i++)
		CHECK(sd_event_run(world->event, 100000) >= 0);
	CHECK(*what);
}

/* Returns the image. */
static int save(struct world *world)
{
	int image_fd = new_file(0);
	const struct engine_argument argument = { .image_fd = dup(image_fd) };

	world->is_done = false;
	CHECK_EQ(kvm_engine.command(&world->engine, ENGINE_SAVE, 5, &argument),
		 0);
	await(world, &world->is_done);
	return image_fd;
}

/* For verbs that are answered at once. */
static int outcome_of(struct world *world, enum engine_verb verb,
		      const struct engine_argument *argument)
{
	world->is_done = false;
	CHECK_EQ(kvm_engine.command(&world->engine, verb, 5, argument), 0);
	CHECK(world->is_done);
	return world->done_status;
}

static void put_marks(struct world *world)
{
	uint8_t *memory = machine_of(world)->memory.map;

	for (uint64_t gpa = MARK_GPA; gpa < MARK_GPA + 4 * MIB; gpa += 64 << 10)
		memcpy(memory + gpa, &gpa, sizeof(gpa));
}

static void check_marks(struct world *world)
{
	const uint8_t *memory = machine_of(world)->memory.map;
	uint64_t found;

	for (uint64_t gpa = MARK_GPA; gpa < MARK_GPA + 4 * MIB;
	     gpa += 64 << 10) {
		memcpy(&found, memory + gpa, sizeof(found));
		CHECK_EQ((long long)found, (long long)gpa);
	}
}

TEST(a_machine_is_saved_restored_and_saved_again)
{
	int image_fd;
	int again_fd;

	need_kvm();
	plan(&one, 2, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	put_marks(&one);
	image_fd = save(&one);
	CHECK_EQ(one.done_status, 0);
	CHECK_EQ((long long)one.progress_bytes, 64 * MIB);

	plan(&two, 2, 64 * MIB);
	if (start(&two, image_fd) < 0) {
		printf("%s\n", two.event_text);
		CHECK(false);
	}
	check_marks(&two);
	again_fd = save(&two);
	CHECK_EQ(two.done_status, 0);
	stop(&two);
	stop(&one);

	plan(&one, 2, 64 * MIB);
	CHECK_EQ(start(&one, again_fd), 0);
	check_marks(&one);
	stop(&one);
}

static void refuse_other(const char *words)
{
	int image_fd;

	plan(&one, 1, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	image_fd = save(&one);
	stop(&one);
	CHECK(start(&two, image_fd) < 0);
	if (!strstr(two.event_text, words)) {
		printf("%s\n", two.event_text);
		CHECK(false);
	}
	stop(&two);
}

TEST(without_userfaultfd_a_machine_is_restored_too_and_that_is_said)
{
	int image_fd;

	need_kvm();
	plan(&one, 1, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	put_marks(&one);
	image_fd = save(&one);
	stop(&one);

	plan(&two, 1, 64 * MIB);
	two.has_no_privilege = true;
	CHECK_EQ(start(&two, image_fd), 0);
	CHECK(strstr(two.event_text, "userfaultfd is not available"));
	CHECK_EQ((long long)two.progress_bytes, 64 * MIB);
	check_marks(&two);
	stop(&two);
}

static void need_huge_pages(void)
{
	uint64_t bytes = 64 * MIB;
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
				 21 << MAP_HUGE_SHIFT,
			 -1, 0);

	if (map == MAP_FAILED)
		test_skip("no huge pages are to be had");
	CHECK_EQ(munmap(map, bytes), 0);
}

TEST(a_machine_in_huge_pages_is_saved_and_restored)
{
	int image_fd;

	need_kvm();
	need_huge_pages();
	plan(&one, 1, 64 * MIB);
	one.settings.has_huge_pages = 1;
	CHECK_EQ(start(&one, NO_FD), 0);
	put_marks(&one);
	image_fd = save(&one);
	CHECK_EQ(one.done_status, 0);
	stop(&one);

	plan(&two, 1, 64 * MIB);
	two.settings.has_huge_pages = 1;
	CHECK_EQ(start(&two, image_fd), 0);
	check_marks(&two);
	stop(&two);
}

static uint64_t count_of(struct world *world)
{
	uint64_t count;

	memcpy(&count, machine_of(world)->memory.map + COUNT_GPA,
	       sizeof(count));
	return count;
}

static void command(struct world *world, enum engine_verb verb)
{
	CHECK_EQ(kvm_engine.command(&world->engine, verb, 5, NULL), 0);
}

static void run_until_counted(struct world *world, uint64_t from)
{
	command(world, ENGINE_RESUME);
	for (int i = 0; i < 5000 && count_of(world) <= from; i++)
		(void)usleep(1000);
	CHECK(count_of(world) > from);
	command(world, ENGINE_PAUSE);
}

TEST(a_guest_goes_on_where_it_was_saved)
{
	uint64_t count;
	int image_fd;

	need_kvm();
	plan(&one, 2, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	run_until_counted(&one, 0);
	count = count_of(&one);
	image_fd = save(&one);
	CHECK_EQ(one.done_status, 0);
	CHECK_EQ((long long)count_of(&one), (long long)count);

	plan(&two, 2, 64 * MIB);
	CHECK_EQ(start(&two, dup(image_fd)), 0);
	CHECK_EQ((long long)count_of(&two), (long long)count);
	run_until_counted(&two, count);
	stop(&two);

	/* A save may be given up as well. */
	run_until_counted(&one, count);
	stop(&one);
	CHECK_EQ(close(image_fd), 0);
}

TEST(a_machine_with_other_processors_or_memory_does_not_go_on_from_an_image)
{
	need_kvm();
	plan(&two, 2, 64 * MIB);
	refuse_other("saved with 1 virtual processors, not 2");
	plan(&two, 1, 128 * MIB);
	refuse_other("saved with 67108864 bytes of memory");
	plan(&two, 1, 64 * MIB);
	two.disk.size_bytes = 2 * DISK_BYTES;
	refuse_other("device state is invalid");
}

TEST(a_guest_that_runs_or_is_being_saved_is_not_saved)
{
	const struct engine_argument argument = { .image_fd = NO_FD };

	need_kvm();
	plan(&one, 1, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	one.engine.is_paused = false;
	CHECK_EQ(kvm_engine.command(&one.engine, ENGINE_SAVE, 5, &argument),
		 -EBUSY);
	stop(&one);
}

TEST(a_save_that_fails_says_why_and_can_be_tried_again)
{
	struct engine_argument argument;
	int image_fd;

	need_kvm();
	plan(&one, 1, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	put_marks(&one);
	argument.image_fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	CHECK(argument.image_fd >= 0);
	CHECK_EQ(kvm_engine.command(&one.engine, ENGINE_SAVE, 5, &argument), 0);
	await(&one, &one.is_done);
	CHECK_EQ(one.done_status, -ENOSPC);
	CHECK(strstr(one.done_text, "image cannot be written: No space"));
	CHECK(machine_of(&one)->save.is_frozen);

	image_fd = save(&one);
	CHECK_EQ(one.done_status, 0);
	CHECK_EQ(close(image_fd), 0);
	machine_thaw(machine_of(&one));
	CHECK(!one.io.fronts[0].is_frozen);
	stop(&one);
}

TEST(a_save_that_was_given_up_is_in_the_way_of_the_next_one_only)
{
	const struct engine_argument argument = { .image_fd = new_file(0) };
	const struct engine_argument next = { .image_fd = new_file(0) };

	need_kvm();
	plan(&one, 1, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	hold_disk();
	CHECK_EQ(kvm_engine.command(&one.engine, ENGINE_SAVE, 5, &argument), 0);
	await_held_disk();
	CHECK_EQ(outcome_of(&one, ENGINE_RESET, NULL), -EBUSY);
	CHECK(strstr(one.done_text, "the host is still writing"));

	CHECK_EQ(outcome_of(&one, ENGINE_RESUME, NULL), 0);
	CHECK_EQ(outcome_of(&one, ENGINE_RESET, NULL), 0);
	CHECK_EQ(outcome_of(&one, ENGINE_POWERDOWN, NULL), 0);
	CHECK_EQ(outcome_of(&one, ENGINE_PAUSE, NULL), 0);
	CHECK_EQ(outcome_of(&one, ENGINE_SAVE, &next), -EBUSY);
	CHECK(strstr(one.done_text, "the host is still writing"));

	one.is_done = false;
	release_disk();
	await(&one, &one.is_done);
	CHECK_EQ(close(save(&one)), 0);
	CHECK_EQ(one.done_status, 0);
	stop(&one);
}

/* In a process of its own, for the monitor's would end with what is stuck. */
static void expect_damage(int image_fd)
{
	plan(&two, 1, 64 * MIB);
	CHECK_EQ(start(&two, dup(image_fd)), 0);
	await(&two, &two.has_ended);
	CHECK(strstr(two.engine.last_words, "saved image is damaged: memory"));
	CHECK(two.engine.is_stuck);
	_exit(0);
}

TEST(damaged_memory_ends_the_guest_with_a_sentence)
{
	int image_fd, status;
	pid_t pid;

	need_kvm();
	plan(&one, 1, 64 * MIB);
	CHECK_EQ(start(&one, NO_FD), 0);
	put_marks(&one);
	image_fd = save(&one);
	stop(&one);
	CHECK_EQ(pwrite(image_fd, "damage", 6, MARK_GPA + 64 * 1024), 6);

	pid = fork();
	if (pid == 0)
		expect_damage(image_fd);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(close(image_fd), 0);
}
