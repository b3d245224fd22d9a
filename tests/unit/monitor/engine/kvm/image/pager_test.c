/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/image/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"
#include "monitor/thread/thread.h"

#define PAGE         IMAGE_PAGE_BYTES
#define CHUNK_COUNT  64u
#define MEMORY_BYTES (CHUNK_COUNT * IMAGE_CHUNK_BYTES)
#define CHUNK_PAGES  (IMAGE_CHUNK_BYTES / PAGE)

static const struct image_machine machine = {
	.memory_bytes = MEMORY_BYTES,
	.layout_version = 1,
	.vcpu_count = 1,
};

static struct pager pager;
static int image_fd;
static int memory_fd;
static uint8_t *views[2];
static sem_t failures;

static void note_failure(void *context)
{
	CHECK_EQ(sem_post(&failures), 0);
}

static int new_file(uint64_t bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

/* Each chunk but the odd ones has data: its number in its second page, and in
 * its third its number again, plus one. */
static void save_memory(void)
{
	static const struct image_progress nobody = { NULL, NULL };
	struct image_writer writer;
	int saved_fd = new_file(MEMORY_BYTES);

	image_fd = new_file(0);
	for (uint32_t i = 0; i < CHUNK_COUNT; i += 2) {
		uint32_t words[2 * PAGE / 4] = { [0] = i + 1, [1024] = i + 2 };

		CHECK_EQ(pwrite(saved_fd, words, sizeof(words),
				(off_t)image_chunk_offset(i) + PAGE),
			 sizeof(words));
	}
	CHECK_EQ(image_writer_open(&writer, image_fd, saved_fd, &machine,
				   &nobody),
		 0);
	CHECK_EQ(image_writer_memory(&writer), 0);
	CHECK_EQ(image_writer_finish(&writer, NULL, 0), 0);
	image_writer_close(&writer);
	CHECK_EQ(close(saved_fd), 0);
}

static void open_pager(void)
{
	struct image image;

	CHECK_EQ(sem_init(&failures, 0, 0), 0);
	CHECK_EQ(image_open(&image, dup(image_fd), &machine, NULL), 0);
	memory_fd = new_file(MEMORY_BYTES);
	pager_init(&pager);
	CHECK_EQ(
		pager_open(&pager, &image, memory_fd, true, note_failure, NULL),
		0);
	for (int i = 0; i < 2; i++) {
		views[i] = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
				MAP_SHARED, memory_fd, 0);
		CHECK(views[i] != MAP_FAILED);
		CHECK_EQ(pager_map(&pager, views[i], 0, MEMORY_BYTES), 0);
	}
	if (!pager_is_lazy(&pager))
		printf("no userfaultfd here: all is loaded at once\n");
}

static void close_pager(void)
{
	pager_stop(&pager);
	pager_stop(&pager);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(munmap(views[i], MEMORY_BYTES), 0);
	CHECK_EQ(close(memory_fd), 0);
	CHECK_EQ(close(image_fd), 0);
}

static uint32_t word_at(int view, uint32_t chunk, uint32_t page)
{
	uint32_t word;

	memcpy(&word, views[view] + image_chunk_offset(chunk) + page * PAGE,
	       sizeof(word));
	return word;
}

static void check_chunk(int view, uint32_t chunk)
{
	bool has_data = chunk % 2 == 0;

	CHECK_EQ(word_at(view, chunk, 0), 0);
	CHECK_EQ(word_at(view, chunk, 1), has_data ? chunk + 1 : 0);
	CHECK_EQ(word_at(view, chunk, 2), has_data ? chunk + 2 : 0);
	CHECK_EQ(word_at(view, chunk, 3), 0);
}

TEST(what_is_touched_is_there_and_the_rest_comes)
{
	struct stat status;

	save_memory();
	open_pager();
	CHECK_EQ(pager_start(&pager, NULL), 0);
	for (uint32_t i = CHUNK_COUNT; i-- > 0;)
		check_chunk((int)(i / 2 % 2), i);
	CHECK_EQ(pager_finish(&pager), 0);
	for (uint32_t i = 0; i < CHUNK_COUNT; i++)
		check_chunk((int)(i / 2 % 2), i);
	/* Nothing is held any more. */
	CHECK_EQ(pager.uffd, NO_FD);
	CHECK_EQ(pager.image.fd, NO_FD);
	CHECK_EQ(fstat(memory_fd, &status), 0);
	CHECK(status.st_size == MEMORY_BYTES);
	close_pager();
}

TEST(all_comes_though_nothing_is_touched_and_no_zeros_with_it)
{
	struct stat status;

	save_memory();
	open_pager();
	CHECK_EQ(pager_start(&pager, NULL), 0);
	CHECK_EQ(pager_finish(&pager), 0);
	CHECK_EQ(fstat(memory_fd, &status), 0);
	CHECK_EQ(status.st_blocks * 512, CHUNK_COUNT / 2 * 2 * PAGE);
	close_pager();
}

static void note_loaded(void *context, uint64_t done, uint64_t total)
{
	*(uint64_t *)context = done;
	CHECK_EQ((long long)total, MEMORY_BYTES);
}

TEST(without_userfaultfd_all_is_loaded_at_the_start)
{
	uint64_t told = 0;
	const struct image_progress loaded = { note_loaded, &told };

	save_memory();
	open_pager();
	close_fd(&pager.uffd);
	CHECK_EQ(pager_start(&pager, &loaded), 0);
	CHECK_EQ((long long)told, MEMORY_BYTES);
	for (uint32_t i = 0; i < CHUNK_COUNT; i++)
		check_chunk(0, i);
	close_pager();
}

static void *touch_all(void *context)
{
	int view = *(int *)context;

	for (uint32_t i = 0; i < CHUNK_COUNT; i++) {
		uint32_t chunk = (i * 37 + (uint32_t)view * 11) % CHUNK_COUNT;

		check_chunk(view, chunk);
	}
	return NULL;
}

TEST(many_may_wait_for_the_same_page)
{
	static int numbers[] = { 0, 1, 0, 1, 0, 1 };
	pthread_t threads[6];

	save_memory();
	open_pager();
	CHECK_EQ(pager_start(&pager, NULL), 0);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(thread_start(&threads[i], "touch", touch_all,
				      &numbers[i]),
			 0);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(pager_finish(&pager), 0);
	close_pager();
}

TEST(what_the_guest_writes_meanwhile_stays)
{
	save_memory();
	open_pager();
	CHECK_EQ(pager_start(&pager, NULL), 0);
	for (uint32_t i = 0; i < CHUNK_COUNT; i++)
		memset(views[0] + image_chunk_offset(i) + 2 * PAGE, 0x77, 4);
	CHECK_EQ(pager_finish(&pager), 0);
	for (uint32_t i = 0; i < CHUNK_COUNT; i++) {
		CHECK_EQ(word_at(1, i, 2), 0x77777777);
		CHECK_EQ(word_at(1, i, 1), i % 2 == 0 ? i + 1 : 0);
	}
	close_pager();
}

static void punch(uint32_t chunk, uint32_t page)
{
	uint64_t offset = image_chunk_offset(chunk) + page * PAGE;

	pager_discard(&pager, offset, PAGE);
	CHECK_EQ(fallocate(memory_fd,
			   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   (off_t)offset, PAGE),
		 0);
}

TEST(a_page_given_back_does_not_come_from_the_image_again)
{
	struct stat status;

	save_memory();
	open_pager();
	if (!pager_is_lazy(&pager))
		test_skip("userfaultfd is not available");
	CHECK_EQ(word_at(0, 0, 0), 0); /* not served yet: plain memory */
	CHECK_EQ(pager_start(&pager, NULL), 0);
	for (uint32_t i = 0; i < CHUNK_COUNT; i += 2)
		punch(i, 1);
	/* Touched again after it was given back. */
	CHECK_EQ(word_at(0, 8, 1), 0);
	CHECK_EQ(word_at(1, 8, 2), 10);
	CHECK_EQ(pager_finish(&pager), 0);
	CHECK_EQ(fstat(memory_fd, &status), 0);
	CHECK(status.st_blocks * 512 <= (CHUNK_COUNT / 2 + 2) * PAGE);
	for (uint32_t i = 0; i < CHUNK_COUNT; i += 2) {
		CHECK_EQ(word_at(0, i, 1), 0);
		CHECK_EQ(word_at(0, i, 2), i + 2);
	}
	close_pager();
}

static void damage(uint32_t chunk)
{
	struct image image;

	CHECK_EQ(image_open(&image, dup(image_fd), &machine, NULL), 0);
	CHECK_EQ(pwrite(image_fd, "damage", 6,
			(off_t)(image.memory_offset +
				image_chunk_offset(chunk) + PAGE)),
		 6);
	image_close(&image);
}

TEST(a_damaged_chunk_is_told_and_given_to_nobody)
{
	uint32_t chunk;

	save_memory();
	damage(CHUNK_COUNT - 2);
	open_pager();
	if (pager_is_lazy(&pager)) {
		CHECK_EQ(pager_start(&pager, NULL), 0);
		/* Only what the image has: once it has failed, nobody gives
		 * the zeros in between any more. */
		CHECK_EQ(word_at(0, 2, 1), 3);
		while (sem_wait(&failures) < 0)
			CHECK_EQ(errno, EINTR);
		CHECK_EQ(pager_failure(&pager, &chunk), -EBADMSG);
		CHECK_EQ(chunk, CHUNK_COUNT - 2);
		CHECK_EQ(pager_finish(&pager), -EIO);
	}
	pager_stop(&pager);
	close_fd(&pager.uffd); /* the test goes on where a process would end */
	image_close(&pager.image);
	close_pager();
}

TEST(a_damaged_chunk_is_told_when_all_is_loaded_at_once)
{
	save_memory();
	damage(4);
	open_pager();
	close_fd(&pager.uffd);
	CHECK_EQ(pager_start(&pager, NULL), -EBADMSG);
	CHECK_EQ(pager.failed_chunk, 4);
	close_pager();
}
