/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "lib/power_cut.h"

static char folder[64];

static void make_folder(void)
{
	(void)strcpy(folder, "/tmp/image_test_XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(image_open_folder(folder), 0);
	CHECK_EQ(image_open_folder(folder), 0);
}

static void remove_folder(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}

static bool is_there(const char *file)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/saved/%s", folder, file);
	return access(path, F_OK) == 0;
}

static void write_image(const char *partition)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct stat status;
	uint64_t bytes;

	CHECK_EQ(image_create(folder, partition, &fd), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_mode & 07777, 0600);
	CHECK_EQ(write(fd, "guest", 5), 5);
	CHECK_EQ(image_publish(folder, partition, &bytes), 0);
}

TEST(an_image_has_its_name_only_once_it_is_whole)
{
	SCOPED(close_fd) int fd = NO_FD;
	char got[8] = "";
	uint64_t bytes;

	make_folder();
	CHECK_EQ(image_open(folder, "web1", &fd), -ENOENT);
	CHECK_EQ(image_create(folder, "web1", &fd), 0);
	CHECK(is_there("web1.partial") && !is_there("web1.image"));
	CHECK_EQ(write(fd, "guest", 5), 5);
	close_fd(&fd);
	CHECK_EQ(image_publish(folder, "web1", &bytes), 0);
	CHECK(!is_there("web1.partial") && is_there("web1.image"));

	CHECK_EQ(image_open(folder, "web1", &fd), 0);
	CHECK_EQ(read(fd, got, sizeof(got)), 5);
	CHECK_EQ(memcmp(got, "guest", 5), 0);
	CHECK_EQ(image_publish(folder, "web1", &bytes), -ENOENT);
	image_remove(folder, "web1");
	CHECK(!is_there("web1.image"));
	remove_folder();
}

TEST(an_image_begun_anew_is_empty)
{
	SCOPED(close_fd) int first = NO_FD;
	SCOPED(close_fd) int second = NO_FD;
	struct stat status;

	make_folder();
	CHECK_EQ(image_create(folder, "web1", &first), 0);
	CHECK_EQ(write(first, "guest", 5), 5);
	CHECK_EQ(image_create(folder, "web1", &second), 0);
	CHECK_EQ(fstat(second, &status), 0);
	CHECK_EQ(status.st_size, 0);
	remove_folder();
}

static bool is_web(void *context, const char *partition)
{
	return strncmp(partition, "web", 3) == 0;
}

TEST(a_sweep_leaves_the_images_that_count)
{
	SCOPED(close_fd) int fd = NO_FD;

	make_folder();
	write_image("web1");
	write_image("web.image");
	write_image("other");
	CHECK_EQ(image_create(folder, "web2", &fd), 0);

	CHECK_EQ(image_sweep(folder, is_web, NULL), 2);

	CHECK(is_there("web1.image") && is_there("web.image.image"));
	CHECK(!is_there("other.image") && !is_there("web2.partial"));
	remove_folder();
}

static bool keep_none(void *context, const char *partition)
{
	return false;
}

TEST(an_image_is_kept_out_of_the_way_of_a_sweep)
{
	char command[128];

	make_folder();
	write_image("web1");

	CHECK_EQ(image_keep(folder, "web1"), 0);

	CHECK(!is_there("web1.image"));
	CHECK_EQ(image_sweep(folder, keep_none, NULL), 0);
	(void)snprintf(command, sizeof(command),
		       "ls %s/saved/kept/web1-*.image >/dev/null", folder);
	CHECK_EQ(system(command), 0);
	CHECK_EQ(image_keep(folder, "web1"), -ENOENT);
	remove_folder();
}

TEST(a_power_cut_leaves_a_published_image_under_its_name)
{
	char saved[128];
	uint64_t bytes;
	SCOPED(close_fd) int fd = NO_FD;

	make_folder();
	(void)snprintf(saved, sizeof(saved), "%s/saved", folder);
	power_watch(saved, folder);
	CHECK_EQ(image_create(folder, "web1", &fd), 0);
	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(image_publish(folder, "web1", &bytes), 0);

	power_cut();

	CHECK(is_there("web1.image"));
	CHECK(!is_there("web1.partial"));
	remove_folder();
}
