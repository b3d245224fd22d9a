/* SPDX-License-Identifier: MIT */
#include "install_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"
#include "supervisor/store/journal.h"

static char directory[64];
struct store *store;
struct refusal refusal;
int left_count;
struct partition_record record;

void path_of(char to[PATH_SIZE], const char *name)
{
	(void)snprintf(to, PATH_SIZE, "%s/images/%s", directory, name);
}

void fill_file(const char *name, uint8_t fill)
{
	char path[PATH_SIZE];
	uint8_t data[OLD_BYTES];
	int fd;

	memset(data, fill, sizeof(data));
	path_of(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, data, sizeof(data)), OLD_BYTES);
	CHECK_EQ(close(fd), 0);
}

off_t size_of(const char *name)
{
	char path[PATH_SIZE];
	struct stat status;

	path_of(path, name);
	return stat(path, &status) < 0 ? -1 : status.st_size;
}

int first_byte_of(const char *name)
{
	char path[PATH_SIZE];
	uint8_t byte;
	int fd;

	path_of(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, &byte, 1), 1);
	CHECK_EQ(close(fd), 0);
	return byte;
}

int count_files(void)
{
	char path[PATH_SIZE];
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

void add_disk(struct partition_definition *definition, const char *name,
	      uint64_t bytes)
{
	struct disk_definition *disk =
		&definition->disks[definition->disk_count++];
	char file[32];

	(void)text_copy(disk->name, NAME_SIZE, name);
	(void)text_copy(disk->service, NAME_SIZE, "disk0");
	(void)snprintf(file, sizeof(file), "%s.img", name);
	path_of(disk->file, file);
	disk->size_bytes = bytes;
}

struct partition_record make_record(const char *name)
{
	struct partition_record made = {
		.lifecycle.state = PARTITION_UNINSTALLED,
	};

	(void)text_copy(made.definition.name, NAME_SIZE, name);
	return made;
}

void make_world(void)
{
	char path[PATH_SIZE];

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

void remove_world(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_EQ(system(command), 0);
}

void open_store(void)
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

int uninstall(enum image_disposal disposal)
{
	struct uninstall *uninstalling;
	int r = uninstall_begin(&uninstalling, store, "web1", disposal,
				&refusal);

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

int recover(void)
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

int attachments(void)
{
	int count = 0;

	CHECK_EQ(store_each_attachment(store, NULL, count_attachment, &count),
		 0);
	return count;
}

int intents(void)
{
	int count = 0;

	CHECK_EQ(journal_each(store, count_entry, &count), 0);
	return count;
}

/* Store and file system agree that the partition is uninstalled... */
void check_uninstalled(void)
{
	CHECK_EQ(attachments(), 0);
	CHECK_EQ(intents(), 0);
	CHECK_EQ(count_files(), 1);
	CHECK_EQ(size_of("old.img"), OLD_BYTES);
}

/* ... or installed. */
void check_images(void)
{
	CHECK_EQ(count_files(), 3);
	CHECK_EQ(size_of("new0.img"), NEW_BYTES);
	CHECK_EQ(size_of("new1.img"), NEW_BYTES);
	CHECK_EQ(first_byte_of("old.img"), 0xaa);
}

void check_installed(void)
{
	CHECK_EQ(attachments(), 3);
	CHECK_EQ(intents(), 0);
	check_images();
}

enum partition_state stored_state(void)
{
	struct partition_record got;

	CHECK_EQ(store_get_partition(store, "web1", &got), 0);
	return got.lifecycle.state;
}

void open_defined(void)
{
	make_world();
	open_store();
	CHECK_EQ(store_put_partition(store, &record), 0);
}

void open_installed(void)
{
	open_defined();
	CHECK_EQ(install_partition(store, &record, &refusal), 0);
}

void close_world(void)
{
	store_close(store);
	remove_world();
}
