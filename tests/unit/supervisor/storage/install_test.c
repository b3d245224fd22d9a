/* SPDX-License-Identifier: MIT */
#include "install_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "supervisor/store/journal.h"

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

TEST(the_file_of_a_volume_stays_when_an_install_is_undone)
{
	static struct plan plan = { .version = PLAN_VERSION, .file_count = 1 };
	struct planned_file *file = &plan.files[0];
	struct stat status;

	make_world();
	path_of(file->disk.file, "old.img");
	CHECK_EQ(stat(file->disk.file, &status), 0);
	file->disk.inode = status.st_ino;
	file->disk.is_created = true;
	file->is_noted = true;
	file->disk.volume_id = 7;
	CHECK_EQ(plan_undo(&plan), 0);
	CHECK_EQ(size_of("old.img"), OLD_BYTES);

	file->disk.volume_id = 0;
	CHECK_EQ(plan_undo(&plan), 0);
	CHECK_EQ(size_of("old.img"), -1);
	remove_world();
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
	char link_path[PATH_SIZE], old_path[PATH_SIZE];

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

static struct disk_definition *
add_disk_of_volume(struct partition_definition *definition)
{
	struct disk_definition *disk =
		&definition->disks[definition->disk_count];

	add_disk(definition, "quorum", 0);
	disk->file[0] = '\0';
	(void)text_copy(disk->volume, NAME_SIZE, "quorum");
	disk->access = DISK_READ_WRITE_SHARED;
	return disk;
}

TEST(a_volume_is_of_one_type_for_all_and_a_tape_is_buffered)
{
	struct volume_record volume = {
		.id = 7,
		.definition = { .name = "quorum",
				.service = "disk0",
				.size_bytes = NEW_BYTES,
				.cache = DISK_DIRECT },
	};
	struct partition_record other = make_record("web2");
	struct disk_definition *disk = add_disk_of_volume(&other.definition);

	open_defined();
	path_of(volume.definition.file, "quorum.img");
	CHECK_EQ(store_put_volume(store, &volume), 0);
	CHECK_EQ(store_put_partition(store, &other), 0);
	disk->type = DISK_TYPE_TAPE;
	CHECK_EQ(install_partition(store, &other, &refusal), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "disks[0].volume"), 0);
	CHECK_EQ(size_of("quorum.img"), -1);

	disk->type = DISK_TYPE_DISK;
	CHECK_EQ(install_partition(store, &other, &refusal), 0);
	add_disk_of_volume(&record.definition)->type = DISK_TYPE_CD;
	CHECK_EQ(install_partition(store, &record, &refusal), -EBUSY);
	CHECK_EQ(strcmp(refusal.field, "disks[3].type"), 0);
	close_world();
}

TEST(one_image_under_two_names_in_one_definition_is_refused)
{
	char link_path[PATH_SIZE], old_path[PATH_SIZE];

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
	char ours[PATH_SIZE], other[PATH_SIZE];

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
	char ours[PATH_SIZE];

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

TEST(a_tape_is_made_empty_and_grows_up_to_its_size)
{
	struct attachment_record attachment;
	struct storage_facts facts = { .is_growing = true, .size_bytes = 512 };

	open_defined();
	record.definition.disks[0].type = DISK_TYPE_TAPE;
	CHECK_EQ(install_partition(store, &record, &refusal), 0);
	CHECK_EQ(size_of("new0.img"), 0);

	CHECK_EQ(store_each_attachment(store, "web1", take_attachment,
				       &attachment),
		 1);
	CHECK_EQ(attachment.size_bytes, NEW_BYTES);
	facts.device = attachment.device;
	facts.inode = attachment.inode;
	CHECK_EQ(install_check_disk(store, attachment.id, 0, &facts, &refusal),
		 0);
	CHECK_EQ(facts.size_bytes, NEW_BYTES);
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

TEST(a_plan_of_another_version_is_not_carried_out)
{
	struct plan plan = { .version = PLAN_VERSION };
	const struct journal_entry entry = { .blob = { &plan, sizeof(plan) } };
	struct plan loaded;

	CHECK_EQ(plan_load(&loaded, &entry), 0);
	plan.version = PLAN_VERSION + 1;
	CHECK_EQ(plan_load(&loaded, &entry), -EUCLEAN);
}
