/* SPDX-License-Identifier: MIT */
/* Images on an overlay, where we may mount one. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"
#include "storage_rig.h"

static struct storage_rig rig;
static char folder[64];

/* What is mounted goes with the test. */
static void need_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		test_skip("only root can mount");
}

static const char *below(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void remove_folder(void)
{
	char command[96];

	(void)umount2(below("all"), MNT_DETACH);
	(void)umount2(folder, MNT_DETACH);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}

/* An overlay whose layers lie in `folder`, and an image on it. */
static void mount_overlay(void)
{
	static const char *const parts[] = { "lower", "upper", "work", "all" };
	char options[320];
	int fd;

	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(mkdir(below(parts[i]), 0700), 0);
	(void)snprintf(options, sizeof(options),
		       "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
		       folder, folder, folder);
	if (mount("overlay", below("all"), "overlay", 0, options) < 0) {
		remove_folder();
		test_skip("no overlay is to be had");
	}
	memset(&rig.disk, 0, sizeof(rig.disk));
	(void)snprintf(rig.disk.file, sizeof(rig.disk.file), "%s",
		       below("all/image"));
	fd = open(rig.disk.file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 8192), 0);
	(void)close(fd);
}

static void make_folder(void)
{
	(void)strcpy(folder, "/var/tmp/storage-overlay-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
}

TEST(an_overlay_on_a_file_system_with_blocks_is_taken)
{
	need_mounts();
	make_folder();
	mount_overlay();
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	remove_folder();
}

TEST(an_overlay_on_what_cannot_be_known_is_refused)
{
	need_mounts();
	make_folder();
	CHECK_EQ(mount("tmpfs", folder, "tmpfs", 0, NULL), 0);
	mount_overlay();
	CHECK_EQ(storage_rig_inspect(&rig), -EINVAL);
	CHECK(strstr(rig.refusal.text, "overlay") != NULL);
	rig.disk.access = DISK_READ_ONLY;
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	rig.disk.access = DISK_READ_WRITE_UNFENCED;
	CHECK_EQ(storage_rig_inspect(&rig), 0);
	remove_folder();
}
