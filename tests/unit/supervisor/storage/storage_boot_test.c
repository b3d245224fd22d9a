/* SPDX-License-Identifier: MIT */
/* Kernels and initial RAM disks. */
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"
#include "storage_rig.h"

static struct storage_rig rig;

static int open_kernel(void)
{
	int fd = NO_FD;
	int r = storage_open_kernel(rig.disk.file, &fd, &rig.refusal);

	close_fd(&fd);
	return r;
}

/* The least that is a bzImage: a setup sector and `paragraphs` behind it. */
static void make_bzimage(off_t bytes, uint32_t paragraphs)
{
	const struct setup_header header = {
		.setup_sects = 1,
		.syssize = paragraphs,
		.boot_flag = 0xaa55,
		.jump = 0x60eb, /* over it: it ends at 0x262 */
		.header = 0x53726448,
		.version = 0x0206,
		.loadflags = LOADED_HIGH,
		.code32_start = 0x100000,
	};

	storage_rig_make(&rig, bytes);
	storage_rig_write(&rig, &header, sizeof(header), 0x1f1);
}

TEST(a_kernel_must_be_a_whole_bzimage)
{
	storage_rig_make(&rig, 4096);
	CHECK_EQ(open_kernel(), -EINVAL);
	CHECK(strstr(rig.refusal.text, "bzImage") != NULL);
	(void)unlink(rig.disk.file);

	make_bzimage(4096, 100);
	CHECK_EQ(open_kernel(), 0);
	(void)unlink(rig.disk.file);

	make_bzimage(4096, 193);
	CHECK_EQ(open_kernel(), -EINVAL);
	CHECK(strstr(rig.refusal.text, "truncated") != NULL);
	(void)unlink(rig.disk.file);
}

TEST(a_kernel_may_lack_what_fills_its_last_paragraph)
{
	make_bzimage(4096, 192);
	CHECK_EQ(truncate(rig.disk.file, 4081), 0);
	CHECK_EQ(open_kernel(), 0);

	CHECK_EQ(truncate(rig.disk.file, 4080), 0);
	CHECK_EQ(open_kernel(), -EINVAL);
	(void)unlink(rig.disk.file);
}

/* An ELF image of 32 bits, entered by the note at its end. */
struct elf_image {
	Elf32_Ehdr header;
	Elf32_Phdr code;
	Elf32_Phdr note;
	Elf32_Nhdr note_header;
	char name[4];
	uint32_t entry;
};

static const struct elf_image elf_kernel = {
	.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB,
				 EV_CURRENT },
		    .e_type = ET_EXEC,
		    .e_machine = EM_386,
		    .e_phoff = offsetof(struct elf_image, code),
		    .e_phentsize = sizeof(Elf32_Phdr),
		    .e_phnum = 2 },
	.code = { .p_type = PT_LOAD,
		  .p_paddr = 0x100000,
		  .p_filesz = sizeof(struct elf_image),
		  .p_memsz = sizeof(struct elf_image) },
	.note = { .p_type = PT_NOTE,
		  .p_offset = offsetof(struct elf_image, note_header),
		  .p_filesz = 20 },
	.note_header = { .n_namesz = 4, .n_descsz = 4, .n_type = 18 },
	.name = "Xen",
	.entry = 0x100000,
};

static int open_elf(const struct elf_image *elf, off_t bytes)
{
	int r;

	storage_rig_make(&rig, bytes);
	storage_rig_write(&rig, elf, sizeof(*elf), 0);
	CHECK_EQ(truncate(rig.disk.file, bytes), 0);
	r = open_kernel();
	(void)unlink(rig.disk.file);
	return r;
}

TEST(a_kernel_may_be_an_elf_image_of_32_bits_with_a_pvh_note)
{
	struct elf_image elf = elf_kernel;

	CHECK_EQ(open_elf(&elf, sizeof(elf)), 0);
	CHECK_EQ(open_elf(&elf, sizeof(elf) - 1), -EINVAL);
	elf.note_header.n_type = 1;
	CHECK_EQ(open_elf(&elf, sizeof(elf)), -EINVAL);
	CHECK(strstr(rig.refusal.text, "without a PVH note") != NULL);
}

TEST(a_kernel_must_be_for_this_architecture)
{
	struct elf_image elf = elf_kernel;

	elf.header.e_machine = EM_ARM;
	CHECK_EQ(open_elf(&elf, sizeof(elf)), -EINVAL);
	CHECK(strstr(rig.refusal.text, "not x86") != NULL);
}

TEST(an_initial_ram_disk_must_be_a_file_with_something_in_it)
{
	int fd = NO_FD;

	storage_rig_make(&rig, 10);
	CHECK_EQ(storage_open_initrd(rig.disk.file, &fd, &rig.refusal), 0);
	close_fd(&fd);
	CHECK_EQ(truncate(rig.disk.file, 0), 0);
	CHECK_EQ(storage_open_initrd(rig.disk.file, &fd, &rig.refusal),
		 -EINVAL);
	CHECK_EQ(storage_open_initrd("/tmp", &fd, &rig.refusal), -EINVAL);
	(void)unlink(rig.disk.file);
	CHECK_EQ(storage_open_initrd(rig.disk.file, &fd, &rig.refusal),
		 -ENOENT);
	CHECK_EQ(strcmp(rig.refusal.field, "boot.initrd"), 0);
}
