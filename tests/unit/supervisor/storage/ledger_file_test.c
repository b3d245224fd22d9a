/* SPDX-License-Identifier: MIT */
#include "supervisor/storage/ledger_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "definition/partition.h"
#include "lib/harness.h"

static char folder[] = "/tmp/ledger_file_XXXXXX";

static void make_folder(void)
{
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(ledger_file_open_folder(folder), 0);
	CHECK_EQ(ledger_file_open_folder(folder), 0);
}

static void remove_folder(void)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/volumes", folder);
	CHECK_EQ(rmdir(path), 0);
	CHECK_EQ(rmdir(folder), 0);
}

TEST(a_ledger_keeps_what_was_written_until_it_is_removed)
{
	SCOPED(close_fd) int again = NO_FD;
	SCOPED(close_fd) int fd = NO_FD;
	char byte = 'x';

	make_folder();
	CHECK_EQ(ledger_file_open(folder, 7, &fd), 0);
	CHECK_EQ(pwrite(fd, &byte, 1, 100), 1);
	close_fd(&fd);
	CHECK_EQ(ledger_file_open(folder, 7, &fd), 0);
	byte = 0;
	CHECK_EQ(pread(fd, &byte, 1, 100), 1);
	CHECK_EQ(byte, 'x');

	ledger_file_remove(folder, 7);
	CHECK_EQ(ledger_file_open(folder, 7, &again), 0);
	CHECK_EQ(pread(again, &byte, 1, 100), 1);
	CHECK_EQ(byte, 0);
	ledger_file_remove(folder, 7);
	remove_folder();
}

TEST(a_hostile_service_cannot_hand_on_a_ledger_that_is_cut_short)
{
	SCOPED(close_fd) int fd = NO_FD;
	struct stat status;

	make_folder();
	CHECK_EQ(ledger_file_open(folder, 7, &fd), 0);
	CHECK_EQ(ftruncate(fd, 5), 0);
	close_fd(&fd);

	CHECK_EQ(ledger_file_open(folder, 7, &fd), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, LEDGER_FILE_BYTES);
	CHECK_EQ(status.st_blocks, 0);
	ledger_file_remove(folder, 7);
	remove_folder();
}

TEST(a_link_in_the_place_of_a_ledger_is_not_followed)
{
	char path[PATH_SIZE];
	int fd;

	make_folder();
	(void)snprintf(path, sizeof(path), "%s/volumes/7.ledger", folder);
	CHECK_EQ(symlink("/dev/null", path), 0);
	CHECK_EQ(ledger_file_open(folder, 7, &fd), -ELOOP);
	ledger_file_remove(folder, 7);
	remove_folder();
}
