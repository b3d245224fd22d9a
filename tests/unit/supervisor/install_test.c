/* SPDX-License-Identifier: MIT */
#include "supervisor/install.h"
#include "supervisor/install_plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "supervisor/journal.h"

/*
 * The partition web1 has three disks: old.img, which is there and full of 0xaa,
 * and new0.img and new1.img, which install creates. In memory, as every life
 * of the store syncs a dozen times.
 */
#define OLD_BYTES 8192
#define NEW_BYTES 1048576

static char directory[64];
static struct store *store;
static struct refusal refusal;
static int left_count; /* of the last uninstall */
static struct partition_record record;

static void path_of(char to[PATH_ROOM], const char *name)
{
	(void)snprintf(to, PATH_ROOM, "%s/images/%s", directory, name);
}

static void fill_file(const char *name, uint8_t fill)
{
	char path[PATH_ROOM];
	uint8_t data[OLD_BYTES];
	int fd;

	memset(data, fill, sizeof(data));
	path_of(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, data, sizeof(data)), OLD_BYTES);
	CHECK_EQ(close(fd), 0);
}

static off_t size_of(const char *name)
{
	char path[PATH_ROOM];
	struct stat status;

	path_of(path, name);
	return stat(path, &status) < 0 ? -1 : status.st_size;
}

static int first_byte_of(const char *name)
{
	char path[PATH_ROOM];
	uint8_t byte;
	int fd;

	path_of(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, &byte, 1), 1);
	CHECK_EQ(close(fd), 0);
	return byte;
}

static int count_files(void)
{
	char path[PATH_ROOM];
	struct dirent *entry;
	int count = 0;
	DIR *images;

	path_of(path, "");
	images = opendir(path);
	CHECK(images != NULL);
	while ((entry = readdir(images)))
		count += strcmp(entry->d_name, ".") != 0 &&
			 strcmp(entry->d_name, "..") != 0;
	(void)closedir(images);
	return count;
}

static void add_disk(struct partition_definition *definition, const char *name,
		     uint64_t bytes)
{
	struct disk_definition *disk =
		&definition->disks[definition->disk_count++];
	char file[32];

	(void)text_copy(disk->name, NAME_ROOM, name);
	(void)text_copy(disk->service, NAME_ROOM, "disk0");
	(void)snprintf(file, sizeof(file), "%s.img", name);
	path_of(disk->file, file);
	disk->size_bytes = bytes;
}

static struct partition_record make_record(const char *name)
{
	struct partition_record made = {
		.lifecycle.state = PARTITION_UNINSTALLED,
	};

	(void)text_copy(made.definition.name, NAME_ROOM, name);
	return made;
}

static void make_world(void)
{
	char path[PATH_ROOM];

	(void)strcpy(directory, "/dev/shm/install_test_XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
	path_of(path, "");
	CHECK_EQ(mkdir(path, 0700), 0);
	fill_file("old.img", 0xaa);
	record = make_record("web1");
	add_disk(&record.definition, "new0", NEW_BYTES);
	add_disk(&record.definition, "old", 0);
	add_disk(&record.definition, "new1", NEW_BYTES);
}

static void remove_world(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

static void open_store(void)
{
	char state[96];

	(void)snprintf(state, sizeof(state), "%s/state", directory);
	CHECK_EQ(store_open(&store, state, &refusal), 0);
}

static void count_left(void *context, const char *file, uint64_t size_bytes)
{
	left_count++;
}

static int finish(struct uninstall *uninstall)
{
	int r;

	for (;;) {
		struct pollfd poller = { .events = POLLIN };

		r = uninstall_finish(uninstall, &refusal);
		if (r != -EAGAIN)
			break;
		poller.fd = uninstall_fd(uninstall);
		CHECK_EQ(poll(&poller, 1, 5000), 1);
	}
	left_count = 0;
	if (r == 0)
		uninstall_each_left(uninstall, count_left, NULL);
	uninstall_free(uninstall);
	return r;
}

static int uninstall(enum image_wish wish)
{
	struct uninstall *uninstalling;
	int r = uninstall_begin(&uninstalling, store, "web1", wish, &refusal);

	return r < 0 ? r : finish(uninstalling);
}

static void finish_recovered(void *context, struct uninstall *uninstalling)
{
	CHECK_EQ(finish(uninstalling), 0);
}

static void count_report(void *context, const char *partition, const char *text)
{
	++*(int *)context;
}

static int recover(void)
{
	int reports = 0;
	struct install_recovery recovery = { &reports, finish_recovered,
					     count_report };

	CHECK_EQ(install_recover(store, &recovery), 0);
	return reports;
}

static int count_attachment(void *context,
			    const struct attachment_record *attachment)
{
	++*(int *)context;
	return 0;
}

static int count_entry(void *context, const struct journal_entry *entry)
{
	++*(int *)context;
	return 0;
}

static int attachments(void)
{
	int count = 0;

	CHECK_EQ(store_each_attachment(store, NULL, count_attachment, &count),
		 0);
	return count;
}

static int intents(void)
{
	int count = 0;

	CHECK_EQ(journal_each(store, count_entry, &count), 0);
	return count;
}

/* Store and file system agree that the partition is uninstalled... */
static void check_uninstalled(void)
{
	CHECK_EQ(attachments(), 0);
	CHECK_EQ(intents(), 0);
	CHECK_EQ(count_files(), 1);
	CHECK_EQ(size_of("old.img"), OLD_BYTES);
}

/* ... or installed. */
static void check_images(void)
{
	CHECK_EQ(count_files(), 3);
	CHECK_EQ(size_of("new0.img"), NEW_BYTES);
	CHECK_EQ(size_of("new1.img"), NEW_BYTES);
	CHECK_EQ(first_byte_of("old.img"), 0xaa);
}

static void check_installed(void)
{
	CHECK_EQ(attachments(), 3);
	CHECK_EQ(intents(), 0);
	check_images();
}

static enum partition_state stored_state(void)
{
	struct partition_record got;

	CHECK_EQ(store_get_partition(store, "web1", &got), 0);
	return got.lifecycle.state;
}

static void open_defined(void)
{
	make_world();
	open_store();
	CHECK_EQ(store_put_partition(store, &record), 0);
}

static void open_installed(void)
{
	open_defined();
	CHECK_EQ(install_partition(store, &record, &refusal), 0);
}

static void close_world(void)
{
	store_close(store);
	remove_world();
}

TEST(install_creates_what_is_missing_and_reserves_all)
{
	open_installed();

	CHECK_EQ(record.lifecycle.state, PARTITION_STOPPED);
	CHECK_EQ(stored_state(), PARTITION_STOPPED);
	check_installed();
	close_world();
}

TEST(uninstall_keeps_every_image_unless_it_is_told_otherwise)
{
	open_installed();
	CHECK_EQ(uninstall(IMAGES_KEEP), 0);

	CHECK_EQ(stored_state(), PARTITION_UNINSTALLED);
	CHECK_EQ(attachments(), 0);
	CHECK_EQ(intents(), 0);
	check_images();
	CHECK_EQ(left_count, 3);
	close_world();
}

TEST(an_image_that_uninstall_kept_is_found_by_the_next_install)
{
	open_installed();
	fill_file("new0.img", 0xbb);
	CHECK_EQ(uninstall(IMAGES_KEEP), 0);
	CHECK_EQ(store_get_partition(store, "web1", &record), 0);

	CHECK_EQ(install_partition(store, &record, &refusal), 0);
	check_installed();
	CHECK_EQ(first_byte_of("new0.img"), 0xbb);
	close_world();
}

TEST(uninstall_does_not_wait_for_an_image_that_it_keeps)
{
	struct storage_facts facts;
	int held = NO_FD;

	open_installed();
	CHECK_EQ(storage_open_witness(&record.definition.disks[0], 0, &held,
				      &facts, &refusal),
		 0);

	CHECK_EQ(uninstall(IMAGES_KEEP), 0);
	close_fd(&held);
	close_world();
}

TEST(uninstall_removes_what_install_created_and_nothing_else)
{
	open_installed();
	CHECK_EQ(uninstall(IMAGES_REMOVE), 0);

	CHECK_EQ(stored_state(), PARTITION_UNINSTALLED);
	check_uninstalled();
	CHECK_EQ(first_byte_of("old.img"), 0xaa);
	CHECK_EQ(left_count, 1);
	close_world();
}

TEST(uninstall_with_scrub_overwrites_what_it_leaves)
{
	open_installed();
	CHECK_EQ(uninstall(IMAGES_SCRUB), 0);

	check_uninstalled();
	CHECK_EQ(first_byte_of("old.img"), 0);
	close_world();
}

TEST(a_partition_can_be_installed_again)
{
	open_installed();
	CHECK_EQ(uninstall(IMAGES_REMOVE), 0);
	CHECK_EQ(store_get_partition(store, "web1", &record), 0);

	CHECK_EQ(install_partition(store, &record, &refusal), 0);
	check_installed();
	close_world();
}

TEST(a_read_only_disk_is_not_scrubbed)
{
	open_defined();
	record.definition.disks[1].access = DISK_READ_ONLY;
	CHECK_EQ(store_put_partition(store, &record), 0);
	CHECK_EQ(install_partition(store, &record, &refusal), 0);

	CHECK_EQ(uninstall(IMAGES_SCRUB), 0);
	CHECK_EQ(first_byte_of("old.img"), 0xaa);
	close_world();
}

TEST(one_bad_disk_leaves_nothing_of_the_others)
{
	open_defined();
	record.definition.disks[2].size_bytes = DISK_BYTES_MAX;
	CHECK_EQ(install_partition(store, &record, &refusal), -ENOSPC);
	CHECK_EQ(strcmp(refusal.field, "disks[2].file"), 0);

	CHECK_EQ(record.lifecycle.state, PARTITION_UNINSTALLED);
	check_uninstalled();
	close_world();
}

TEST(only_an_uninstalled_partition_is_installed_and_only_a_stopped_released)
{
	open_installed();
	CHECK_EQ(install_partition(store, &record, &refusal), -EINVAL);
	check_installed();

	record.lifecycle.state = PARTITION_RUNNING;
	CHECK_EQ(store_put_partition_state(store, &record), 0);
	CHECK_EQ(uninstall(IMAGES_REMOVE), -EINVAL);
	check_installed();
	close_world();
}

TEST(an_image_that_another_partition_reserved_is_refused)
{
	struct partition_record other = make_record("web2");
	char link_path[PATH_ROOM], old_path[PATH_ROOM];

	open_installed();
	path_of(old_path, "old.img");
	path_of(link_path, "link.img");
	CHECK_EQ(link(old_path, link_path), 0);
	add_disk(&other.definition, "old", 0);
	CHECK_EQ(store_put_partition(store, &other), 0);
	CHECK_EQ(install_partition(store, &other, &refusal), -EBUSY);
	CHECK(strstr(refusal.text, "web1") != NULL);

	other.definition.disk_count = 0;
	add_disk(&other.definition, "link", 0);
	CHECK_EQ(install_partition(store, &other, &refusal), -EBUSY);
	other.definition.disks[0].access = DISK_READ_ONLY;
	CHECK_EQ(install_partition(store, &other, &refusal), -EBUSY);
	close_world();
}

TEST(readers_may_reserve_one_image_together)
{
	struct partition_record other = make_record("web2");

	open_defined();
	record.definition.disks[1].access = DISK_READ_ONLY;
	CHECK_EQ(install_partition(store, &record, &refusal), 0);

	add_disk(&other.definition, "old", 0);
	other.definition.disks[0].access = DISK_READ_ONLY;
	CHECK_EQ(store_put_partition(store, &other), 0);
	CHECK_EQ(install_partition(store, &other, &refusal), 0);
	close_world();
}

TEST(one_image_under_two_names_in_one_definition_is_refused)
{
	char link_path[PATH_ROOM], old_path[PATH_ROOM];

	open_defined();
	path_of(old_path, "old.img");
	path_of(link_path, "link.img");
	CHECK_EQ(symlink(old_path, link_path), 0);
	add_disk(&record.definition, "link", 0);

	CHECK_EQ(install_partition(store, &record, &refusal), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "disks[3].file"), 0);
	close_world();
}

TEST(an_image_in_use_is_neither_installed_nor_released)
{
	struct storage_facts facts;
	int witness = NO_FD;

	open_defined();
	CHECK_EQ(storage_open_witness(&record.definition.disks[1], 1, &witness,
				      &facts, &refusal),
		 0);
	CHECK_EQ(install_partition(store, &record, &refusal), -EBUSY);
	check_uninstalled();
	close_fd(&witness);

	CHECK_EQ(install_partition(store, &record, &refusal), 0);
	CHECK_EQ(storage_open_witness(&record.definition.disks[0], 0, &witness,
				      &facts, &refusal),
		 0);
	CHECK_EQ(uninstall(IMAGES_REMOVE), -EBUSY);
	check_installed();
	CHECK(!uninstall_is_pending(store, "web1"));
	close_fd(&witness);
	close_world();
}

TEST(uninstall_leaves_a_file_that_took_the_place_of_ours)
{
	char ours[PATH_ROOM], other[PATH_ROOM];

	open_installed();
	path_of(ours, "new0.img");
	path_of(other, "other.img");
	fill_file("other.img", 0xbb);
	CHECK_EQ(rename(other, ours), 0);

	CHECK_EQ(uninstall(IMAGES_SCRUB), 0);
	CHECK_EQ(first_byte_of("new0.img"), 0xbb);
	CHECK_EQ(attachments(), 0);
	close_world();
}

TEST(uninstall_does_not_miss_a_file_that_was_removed)
{
	char ours[PATH_ROOM];

	open_installed();
	path_of(ours, "new0.img");
	CHECK_EQ(unlink(ours), 0);

	CHECK_EQ(uninstall(IMAGES_SCRUB), 0);
	check_uninstalled();
	close_world();
}

TEST(an_uninstall_that_was_given_up_is_pending_and_can_be_finished)
{
	struct uninstall *uninstalling;

	open_installed();
	CHECK_EQ(uninstall_begin(&uninstalling, store, "web1", IMAGES_SCRUB,
				 &refusal),
		 0);
	uninstall_free(uninstalling);
	CHECK(uninstall_is_pending(store, "web1"));

	CHECK_EQ(uninstall(IMAGES_REMOVE), 0);
	check_uninstalled();
	CHECK_EQ(first_byte_of("old.img"), 0xaa);
	close_world();
}

static int take_attachment(void *context,
			   const struct attachment_record *attachment)
{
	*(struct attachment_record *)context = *attachment;
	return 1;
}

TEST(an_image_that_is_not_the_installed_one_is_not_started)
{
	struct attachment_record attachment;
	struct storage_facts facts = { 0 };

	open_installed();
	CHECK_EQ(store_each_attachment(store, "web1", take_attachment,
				       &attachment),
		 1);
	facts.device = attachment.device;
	facts.inode = attachment.inode;
	facts.size_bytes = NEW_BYTES * 2;
	CHECK_EQ(install_check_disk(store, attachment.id, 0, &facts, &refusal),
		 0);
	CHECK_EQ(facts.size_bytes, NEW_BYTES);

	facts.size_bytes = NEW_BYTES - 512;
	CHECK_EQ(install_check_disk(store, attachment.id, 0, &facts, &refusal),
		 -EINVAL);
	facts.size_bytes = NEW_BYTES;
	facts.inode++;
	CHECK_EQ(install_check_disk(store, attachment.id, 0, &facts, &refusal),
		 -EINVAL);
	CHECK(strstr(refusal.text, "not the image") != NULL);
	close_world();
}

TEST(a_device_number_that_changed_with_a_boot_is_noted)
{
	struct attachment_record attachment;
	struct storage_facts facts = { 0 };

	open_installed();
	CHECK_EQ(store_each_attachment(store, "web1", take_attachment,
				       &attachment),
		 1);
	facts.device = attachment.device + 1;
	facts.inode = attachment.inode;
	facts.size_bytes = NEW_BYTES;
	CHECK_EQ(install_check_disk(store, attachment.id, 0, &facts, &refusal),
		 0);

	CHECK_EQ(store_get_attachment(store, attachment.id, &attachment), 0);
	CHECK_EQ(attachment.device, facts.device);
	close_world();
}

/* -- death at every step; each life in a process of its own -- */

typedef void (*life_t)(void);

static int live(life_t life, const char *failpoints)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		(void)setenv("BULKHEAD_FAILPOINT", failpoints, 1);
		open_store();
		life();
		store_close(store);
		_exit(0);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

static void define_life(void)
{
	CHECK_EQ(store_put_partition(store, &record), 0);
}

static void install_life(void)
{
	(void)install_partition(store, &record, &refusal);
}

static void uninstall_life(void)
{
	(void)uninstall(IMAGES_SCRUB);
}

static void recover_life(void)
{
	(void)recover();
}

static void check_old_life(void)
{
	CHECK_EQ(stored_state(), PARTITION_UNINSTALLED);
	check_uninstalled();
	CHECK_EQ(first_byte_of("old.img"), 0xaa);
	/* And nothing stands in the way of another try. */
	CHECK_EQ(install_partition(store, &record, &refusal), 0);
}

static void check_new_life(void)
{
	CHECK_EQ(stored_state(), PARTITION_STOPPED);
	check_installed();
	CHECK_EQ(uninstall(IMAGES_REMOVE), 0);
}

static void check_released_life(void)
{
	CHECK_EQ(stored_state(), PARTITION_UNINSTALLED);
	check_uninstalled();
	CHECK_EQ(first_byte_of("old.img"), 0);
}

struct death {
	const char *point;
	unsigned nth;
	life_t then; /* what must be found after recovery */
};

static void kill_text(char to[64], const struct death *death)
{
	(void)snprintf(to, 64, "%s=kill@%u", death->point, death->nth);
}

/* Recovery twice, as it may itself be killed after its work. */
static void die_and_check(life_t life, const struct death *death)
{
	char failpoints[64];

	kill_text(failpoints, death);
	(void)fprintf(stderr, "%s\n", failpoints);
	CHECK_EQ(live(life, failpoints), SIGKILL);
	CHECK_EQ(live(recover_life, ""), 0);
	CHECK_EQ(live(recover_life, ""), 0);
	CHECK_EQ(live(death->then, ""), 0);
	remove_world();
}

static const struct death install_deaths[] = {
	{ "install.begun", 1, check_old_life },
	{ "install.intended", 1, check_old_life },
	{ "install.created", 1, check_old_life },
	{ "install.created", 2, check_old_life },
	{ "install.sized", 1, check_old_life },
	{ "install.sized", 2, check_old_life },
	{ "install.noted", 1, check_old_life },
	{ "install.noted", 2, check_old_life },
	{ "install.named", 1, check_old_life },
	{ "install.named", 2, check_old_life },
	{ "install.completing", 1, check_old_life },
	{ "install.completed", 1, check_new_life },
};

static const struct death uninstall_deaths[] = {
	{ "uninstall.begun", 1, check_new_life },
	{ "uninstall.intended", 1, check_released_life },
	{ "uninstall.scrubbed", 1, check_released_life },
	{ "uninstall.scrubbed", 3, check_released_life },
	{ "uninstall.removed", 1, check_released_life },
	{ "uninstall.removed", 3, check_released_life },
	{ "uninstall.completing", 1, check_released_life },
	{ "uninstall.completed", 1, check_released_life },
};

static const struct death undo_death = { "undo.removed", 1, check_old_life };

TEST(a_kill_at_any_point_of_install_leaves_the_old_state_or_the_new)
{
	for (size_t i = 0; i < ARRAY_COUNT(install_deaths); i++) {
		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		die_and_check(install_life, &install_deaths[i]);
	}
}

TEST(a_kill_at_any_point_of_uninstall_leaves_the_old_state_or_the_new)
{
	for (size_t i = 0; i < ARRAY_COUNT(uninstall_deaths); i++) {
		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		CHECK_EQ(live(install_life, ""), 0);
		die_and_check(uninstall_life, &uninstall_deaths[i]);
	}
}

TEST(a_kill_during_recovery_is_recovered_from)
{
	make_world();
	CHECK_EQ(live(define_life, ""), 0);
	CHECK_EQ(live(install_life, "install.named=kill@2"), SIGKILL);

	die_and_check(recover_life, &undo_death);
}

static bool is_walked(const char *point)
{
	for (size_t i = 0; i < ARRAY_COUNT(install_deaths); i++)
		if (strcmp(install_deaths[i].point, point) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_COUNT(uninstall_deaths); i++)
		if (strcmp(uninstall_deaths[i].point, point) == 0)
			return true;
	return strcmp(undo_death.point, point) == 0;
}

TEST(the_points_that_are_walked_are_all_that_exist)
{
	for (unsigned i = 0; i < JOURNAL_POINT_COUNT; i++) {
		const char *name = journal_point_name((enum journal_point)i);

		(void)fprintf(stderr, "%s\n", name);
		CHECK(is_walked(name));
	}
}

static void check_whole_life(void)
{
	if (stored_state() == PARTITION_STOPPED)
		check_installed();
	else
		check_uninstalled();
}

/* Every commit of an operation, killed before and after, and failing. */
static int die_at_commits(life_t life, const char *what, life_t prepare)
{
	int commits = 0;

	for (int nth = 1;; nth++) {
		char failpoints[64];
		int status;

		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		if (prepare)
			CHECK_EQ(live(prepare, ""), 0);
		(void)snprintf(failpoints, sizeof(failpoints), "%s@%d", what,
			       nth);
		status = live(life, failpoints);
		CHECK_EQ(live(recover_life, ""), 0);
		CHECK_EQ(live(check_whole_life, ""), 0);
		remove_world();
		if (status == 0)
			return commits;
		commits++;
	}
}

TEST(a_kill_at_any_commit_leaves_the_old_state_or_the_new)
{
	/* At open, the intent, two notes, completion. */
	CHECK_EQ(die_at_commits(install_life, "store.commit.before=kill", NULL),
		 5);
	CHECK_EQ(die_at_commits(install_life, "store.commit.after=kill", NULL),
		 5);
	/* At open, the intent, completion. */
	CHECK_EQ(die_at_commits(uninstall_life, "store.commit.before=kill",
				install_life),
		 3);
}

static void full_install_life(void)
{
	int r = install_partition(store, &record, &refusal);

	if (r == 0)
		return;
	CHECK_EQ(r, -ENOSPC);
	CHECK(strstr(refusal.text, "full") != NULL);
	check_uninstalled();
	_exit(1);
}

TEST(a_store_that_is_full_at_any_commit_refuses_the_install)
{
	for (int nth = 2; nth <= 5; nth++) {
		char failpoints[64];

		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		(void)snprintf(failpoints, sizeof(failpoints),
			       "store.commit.full=fail@%d", nth);
		CHECK_EQ(live(full_install_life, failpoints), 1 << 8);
		CHECK_EQ(live(check_old_life, ""), 0);
		remove_world();
	}
}

static void install_again_life(void)
{
	CHECK_EQ(intents(), 1);
	CHECK_EQ(install_partition(store, &record, &refusal), 0);
	check_installed();
}

/* A call that one point takes is not counted by the next: 5th and 6th. */
TEST(an_install_that_could_not_be_undone_does_not_bar_the_next)
{
	make_world();
	CHECK_EQ(live(define_life, ""), 0);
	CHECK_EQ(live(install_life, "store.commit.full=fail@5,"
				    "store.commit.full=fail@5"),
		 0);

	CHECK_EQ(live(install_again_life, ""), 0);
	remove_world();
}

TEST(a_file_that_appears_meanwhile_is_kept_and_install_refused)
{
	pid_t child;
	int status;

	make_world();
	CHECK_EQ(live(define_life, ""), 0);
	child = fork();
	if (child == 0) {
		(void)setenv("BULKHEAD_FAILPOINT", "install.noted=stop@2", 1);
		open_store();
		CHECK_EQ(install_partition(store, &record, &refusal), -EEXIST);
		CHECK_EQ(strcmp(refusal.field, "disks[2].file"), 0);
		CHECK_EQ(intents(), 0);
		store_close(store);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	fill_file("new1.img", 0xcc);
	CHECK_EQ(kill(child, SIGCONT), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);

	CHECK_EQ(status, 0);
	CHECK_EQ(count_files(), 2);
	CHECK_EQ(first_byte_of("new1.img"), 0xcc);
	remove_world();
}

TEST(a_plan_of_another_version_is_not_carried_out)
{
	struct plan plan = { .version = PLAN_VERSION };
	const struct journal_entry entry = { .blob = &plan,
					     .blob_bytes = sizeof(plan) };
	struct plan loaded;

	CHECK_EQ(plan_load(&loaded, &entry), 0);
	plan.version = PLAN_VERSION + 1;
	CHECK_EQ(plan_load(&loaded, &entry), -EUCLEAN);
}
