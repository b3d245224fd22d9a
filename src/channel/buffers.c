/* SPDX-License-Identifier: MIT */
#include "channel/buffers.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "channel/channel.h"

#define WORD_PAGES 64u

static uint32_t word_count(const struct buffers *buffers)
{
	return (buffers->page_count + WORD_PAGES - 1) / WORD_PAGES;
}

static uint64_t run_mask(uint32_t first, uint32_t count)
{
	uint64_t ones = count == WORD_PAGES ? ~0ull : (1ull << count) - 1;

	return ones << first;
}

/* Pages of [page, page + count) that lie in page's own word. */
static uint32_t in_word(uint32_t page, uint32_t count)
{
	uint32_t room = WORD_PAGES - page % WORD_PAGES;

	return count < room ? count : room;
}

/* Set or clear a run, word by word. */
static void mark(struct buffers *buffers, uint32_t page, uint32_t count,
		 bool is_taken)
{
	while (count) {
		uint32_t step = in_word(page, count);
		uint64_t mask = run_mask(page % WORD_PAGES, step);
		uint64_t *word = &buffers->taken[page / WORD_PAGES];

		/* A page granted or returned twice is our own mistake. */
		assert(is_taken ? !(*word & mask) : (*word & mask) == mask);
		*word ^= mask;
		page += step;
		count -= step;
	}
}

int buffers_init(struct buffers *buffers, uint32_t reserved_bytes,
		 uint32_t area_bytes)
{
	uint32_t pages = area_bytes / CHANNEL_BUFFER_UNIT;
	uint32_t reserved = reserved_bytes / CHANNEL_BUFFER_UNIT;
	uint32_t rest = pages % WORD_PAGES;

	*buffers = (struct buffers){ .page_count = pages,
				     .free_count = pages - reserved };
	buffers->taken = calloc(word_count(buffers) + 1, sizeof(uint64_t));
	if (!buffers->taken)
		return -ENOMEM;
	/* Pages that do not exist are taken for ever, as those reserved are. */
	if (rest)
		buffers->taken[pages / WORD_PAGES] = ~0ull << rest;
	mark(buffers, 0, reserved, true);
	return 0;
}

void buffers_release(struct buffers *buffers)
{
	free(buffers->taken);
	*buffers = (struct buffers){ 0 };
}

/* The first taken page of [page, page + count), or page + count. */
static uint32_t free_until(const struct buffers *buffers, uint32_t page,
			   uint32_t count)
{
	uint32_t end = page + count;

	while (page < end) {
		uint32_t step = in_word(page, end - page);
		uint64_t mask = run_mask(page % WORD_PAGES, step);
		uint64_t hit = buffers->taken[page / WORD_PAGES] & mask;

		if (hit)
			return page / WORD_PAGES * WORD_PAGES +
			       (uint32_t)__builtin_ctzll(hit);
		page += step;
	}
	return end;
}

/* The first free page from `page` on, or page_count. */
static uint32_t next_free(const struct buffers *buffers, uint32_t page)
{
	uint32_t word = page / WORD_PAGES;
	uint64_t below = (1ull << page % WORD_PAGES) - 1;
	uint64_t free_pages;

	for (; word < word_count(buffers); word++, below = 0) {
		free_pages = ~(buffers->taken[word] | below);
		if (free_pages)
			return word * WORD_PAGES +
			       (uint32_t)__builtin_ctzll(free_pages);
	}
	return buffers->page_count;
}

static int find_run(const struct buffers *buffers, uint32_t count,
		    uint32_t *ret_page)
{
	uint32_t page = buffers->first_word * WORD_PAGES;
	uint32_t end;

	for (;;) {
		page = next_free(buffers, page);
		if (count > buffers->page_count - page)
			return -EAGAIN;
		end = free_until(buffers, page, count);
		if (end == page + count)
			break;
		page = end;
	}
	*ret_page = page;
	return 0;
}

/* Only a single page tells anything about full words: a longer run may have
 * skipped free ones. */
static void skip_full_words(struct buffers *buffers)
{
	while (buffers->first_word < word_count(buffers) &&
	       buffers->taken[buffers->first_word] == ~0ull)
		buffers->first_word++;
}

int buffers_grant(struct buffers *buffers, uint32_t bytes,
		  struct grant *ret_grant)
{
	uint32_t count = bytes / CHANNEL_BUFFER_UNIT +
			 (bytes % CHANNEL_BUFFER_UNIT != 0);
	uint32_t page;
	int r;

	assert(bytes);
	if (count > buffers->free_count)
		return -EAGAIN;
	skip_full_words(buffers);
	r = find_run(buffers, count, &page);
	if (r)
		return r;
	mark(buffers, page, count, true);
	buffers->free_count -= count;
	*ret_grant = (struct grant){
		.offset = page * CHANNEL_BUFFER_UNIT,
		.bytes = count * CHANNEL_BUFFER_UNIT,
	};
	return 0;
}

void buffers_return(struct buffers *buffers, struct grant *grant)
{
	uint32_t page = grant->offset / CHANNEL_BUFFER_UNIT;
	uint32_t count = grant->bytes / CHANNEL_BUFFER_UNIT;

	if (!count)
		return;
	mark(buffers, page, count, false);
	buffers->free_count += count;
	if (page / WORD_PAGES < buffers->first_word)
		buffers->first_word = page / WORD_PAGES;
	*grant = (struct grant){ 0 };
}
