/* SPDX-License-Identifier: MIT */
/*
 * A hostile peer at either end of a channel: the input is a program of steps
 * of four bytes, each a scribble into the shared memory or a turn of the honest
 * end, which must stay within its memory and keep its own count.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel/channel.h"
#include "channel/layout.h"
#include "target/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct channel_shape shape = {
	.kind = CHANNEL_KIND_DISK,
	.slot_count = 8,
	.buffer_bytes = 16 * CHANNEL_BUFFER_UNIT,
	.generation = 1,
};

static const struct disk_limits limits = {
	.size_bytes = 1u << 20,
	.block_bytes = 512,
};

/* What the server does with a request that passed: touch all of its buffer. */
static void carry_out(const struct channel *server,
		      const struct channel_request *request)
{
	assert(request->offset_bytes + request->length_bytes <=
	       limits.size_bytes);
	if (request_has_data(request))
		memset(server->buffers + request->buffer_offset, 1,
		       request->length_bytes);
}

static void serve(struct channel *server)
{
	struct channel_response response = { 0 };
	struct channel_request request;
	int error;

	for (int i = 0; i < 16; i++) {
		if (channel_receive_request(server, &request))
			break;
		error = request_check(&request, server, &limits);
		if (error == -EBADMSG)
			channel_break(server);
		else if (!error)
			carry_out(server, &request);
		assert(channel_outstanding(server) <= shape.slot_count);
		response.id = request.id;
		channel_send_response(server, &response);
	}
	(void)channel_publish(server);
	(void)channel_prepare_sleep(server, 1);
}

static void ask(struct channel *client, uint8_t count)
{
	struct channel_request request = { .op = DISK_READ, .generation = 1 };
	struct channel_response response;

	for (; count && !channel_send_request(client, &request); count--)
		;
	(void)channel_publish(client);
	while (!channel_receive_response(client, &response))
		;
	assert(channel_outstanding(client) <= shape.slot_count);
	(void)channel_prepare_sleep(client, count);
}

/* Any of the words that matter, and the two rings. */
static void scribble(uint8_t *memory, uint8_t where, uint8_t at, uint8_t value)
{
	static const uint32_t words[] = { 384, 512, 640, 768 };

	if (where & 1)
		memory[words[where / 2 % 4] + at % 4] = value;
	else
		memory[LAYOUT_PAGE + (where / 2 * 256u + at) % 1024] = value;
}

static void run(struct channel *honest, uint8_t *memory, const uint8_t *data,
		size_t bytes)
{
	for (; bytes >= 4; data += 4, bytes -= 4) {
		if (data[0] & 0x80)
			scribble(memory, data[1], data[2], data[3]);
		else if (honest->end == CHANNEL_SERVER)
			serve(honest);
		else
			ask(honest, data[1] % 10);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct channel honest;
	uint8_t *memory;
	int memfd;

	if (bytes < 1 || channel_create(&shape, &memfd))
		return 0;
	memory = mmap(NULL, channel_memory_bytes(&shape),
		      PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert(memory != MAP_FAILED);
	if (!channel_open(&honest, memfd,
			  data[0] & 1 ? CHANNEL_SERVER : CHANNEL_CLIENT,
			  CHANNEL_KIND_DISK)) {
		run(&honest, memory, data + 1, bytes - 1);
		channel_close(&honest);
	}
	(void)munmap(memory, channel_memory_bytes(&shape));
	(void)close(memfd);
	return 0;
}
