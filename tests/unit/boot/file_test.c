/* SPDX-License-Identifier: MIT */
#include "boot/file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/harness.h"

#define BYTES 8192u

static struct refusal refusal;
static struct boot_file file;

static void open_file(void)
{
	file = (struct boot_file){ .fd = memfd_create("file", MFD_CLOEXEC),
				   .field = "boot.initrd",
				   .refusal = &refusal };
	CHECK_EQ(ftruncate(file.fd, BYTES), 0);
	CHECK_EQ(boot_file_open(&file), 0);
}

TEST(a_file_that_shrinks_while_it_is_read_is_refused)
{
	char bytes[BYTES];

	open_file();
	CHECK_EQ(boot_file_read(&file, 0, bytes, BYTES), 0);
	CHECK_EQ(ftruncate(file.fd, BYTES / 2), 0);

	CHECK_EQ(boot_file_read(&file, 0, bytes, BYTES), -EINVAL);

	CHECK(strcmp(refusal.field, "boot.initrd") == 0);
	CHECK(strstr(refusal.text, "shrank"));
	CHECK_EQ(close(file.fd), 0);
}

TEST(a_file_that_grows_has_what_it_had)
{
	char bytes[BYTES + 1];

	open_file();
	CHECK_EQ(ftruncate(file.fd, 2 * BYTES), 0);

	CHECK_EQ(boot_file_read(&file, 0, bytes, BYTES + 1), -EINVAL);

	CHECK(strstr(refusal.text, "is truncated"));
	CHECK_EQ(close(file.fd), 0);
}

TEST(a_file_that_cannot_be_read_is_refused_with_the_reason)
{
	char bytes[1];

	open_file();
	CHECK_EQ(close(file.fd), 0);

	CHECK_EQ(boot_file_read(&file, 0, bytes, 1), -EBADF);
	CHECK(strstr(refusal.text, "cannot be read: Bad file descriptor"));
	CHECK_EQ(boot_file_open(&file), -EBADF);
	CHECK(strstr(refusal.text, "cannot be examined"));
}
