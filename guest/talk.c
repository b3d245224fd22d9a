/* SPDX-License-Identifier: MIT */
/*
 * talk: what a guest sends and hears over its network interface.
 *
 *   talk echo                       answer every TCP connection with its bytes
 *   talk stream ADDRESS [PORT]      send numbered bytes there, check the echo
 *   talk send INTERFACE SOURCE DESTINATION WORD [VID]...
 *                                   one frame that carries WORD, with any
 *                                   source address and any tags
 *   talk hear INTERFACE [GROUP [COUNT]]
 *                                   say each such frame that arrives, also
 *                                   those to a multicast address, or to so
 *                                   many that differ in their last byte
 *   talk offloads INTERFACE on|off  have the interface, or the guest's own
 *                                   kernel, sum and cut what is sent
 *
 * A stream goes on over one connection until SIGTERM; it says twice a second
 * how far it came, and at the end whether a byte was wrong, the connection
 * broken, and how long nothing arrived at most.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT        7 /* of who echoes */
#define CHUNK_BYTES 16384u
#define FRAME_BYTES 60u
#define TAG_MAX     4u
#define WORD_ROOM   24u
#define REPORT_MS   500
#define OUR_TYPE    0x88b5 /* for local experiments */

static volatile sig_atomic_t is_ending;

static void on_term(int number)
{
	(void)number;
	is_ending = 1;
}

static void fail(const char *what)
{
	printf("BULKHEAD talk failed what=%s error=%d\n", what, errno);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Streams. ------------------------------------------------------------------ */

/* The byte of a stream at an offset: each eight bytes differ from all others. */
static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(((offset / 8 + 1) * 0x9e3779b97f4a7c15ull) >>
			 offset % 8 * 8);
}

static void echo_connection(int fd)
{
	static uint8_t bytes[CHUNK_BYTES];
	ssize_t count;

	while ((count = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t done = 0; done < count;) {
			ssize_t written =
				write(fd, bytes + done, (size_t)(count - done));

			if (written < 0)
				return;
			done += written;
		}
	}
}

static int run_echo(void)
{
	const struct sockaddr_in here = { .sin_family = AF_INET,
					  .sin_port = htons(PORT) };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGCHLD, SIG_IGN);
	if (fd < 0 || bind(fd, (const void *)&here, sizeof(here)) < 0 ||
	    listen(fd, 8) < 0)
		fail("listen");
	puts("BULKHEAD echo ready");
	for (;;) {
		const int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			continue;
		if (fork() == 0) {
			echo_connection(peer);
			_exit(0);
		}
		close(peer);
	}
}

struct stream {
	int fd;
	uint64_t sent;
	uint64_t heard;
	uint64_t wrong;
	bool is_broken;
	int64_t heard_at;
	int64_t longest_ms;
};

static void stream_send(struct stream *stream)
{
	uint8_t bytes[CHUNK_BYTES];
	ssize_t count;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = byte_at(stream->sent + i);
	count = write(stream->fd, bytes, sizeof(bytes));
	if (count > 0)
		stream->sent += (uint64_t)count;
	else if (errno != EAGAIN && errno != EINTR)
		stream->is_broken = true;
}

static void stream_hear(struct stream *stream)
{
	uint8_t bytes[CHUNK_BYTES];
	const ssize_t count = read(stream->fd, bytes, sizeof(bytes));
	const int64_t now = now_ms();

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		stream->is_broken = true;
		return;
	}
	for (ssize_t i = 0; i < count; i++)
		stream->wrong +=
			bytes[i] != byte_at(stream->heard + (uint64_t)i);
	stream->heard += (uint64_t)count;
	if (now - stream->heard_at > stream->longest_ms)
		stream->longest_ms = now - stream->heard_at;
	stream->heard_at = now;
}

static void stream_step(struct stream *stream)
{
	struct pollfd poll_fd = { .fd = stream->fd,
				  .events = POLLIN | POLLOUT };

	if (poll(&poll_fd, 1, REPORT_MS) <= 0)
		return;
	if (poll_fd.revents & (POLLIN | POLLHUP | POLLERR))
		stream_hear(stream);
	if (!stream->is_broken && (poll_fd.revents & POLLOUT))
		stream_send(stream);
}

static void stream_connect(struct stream *stream, const char *address, int port)
{
	struct sockaddr_in there = { .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, address, &there.sin_addr) != 1)
		fail("address");
	stream->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (stream->fd < 0 ||
	    connect(stream->fd, (const void *)&there, sizeof(there)) < 0 ||
	    fcntl(stream->fd, F_SETFL, O_NONBLOCK) < 0)
		fail("connect");
}

static int run_stream(const char *address, int port)
{
	struct stream stream = { .fd = -1 };
	int64_t said_at = 0;

	signal(SIGTERM, on_term);
	signal(SIGPIPE, SIG_IGN);
	stream_connect(&stream, address, port);
	stream.heard_at = now_ms();
	while (!is_ending && !stream.is_broken) {
		stream_step(&stream);
		if (now_ms() - said_at < REPORT_MS)
			continue;
		said_at = now_ms();
		printf("BULKHEAD stream heard=%llu wrong=%llu\n",
		       (unsigned long long)stream.heard,
		       (unsigned long long)stream.wrong);
	}
	printf("BULKHEAD streamed heard=%llu wrong=%llu broken=%d "
	       "longest_ms=%lld\n",
	       (unsigned long long)stream.heard,
	       (unsigned long long)stream.wrong, stream.is_broken,
	       (long long)stream.longest_ms);
	return 0;
}

/* Single frames. ------------------------------------------------------------ */

static int packet_socket(const char *interface)
{
	const struct sockaddr_ll here = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	const int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || bind(fd, (const void *)&here, sizeof(here)) < 0)
		fail("packet");
	return fd;
}

static size_t put_word(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return 2;
}

static int run_send(int argc, char **argv)
{
	uint8_t frame[FRAME_BYTES] = { 0 };
	size_t used = 2 * ETH_ALEN;
	const int fd = packet_socket(argv[0]);

	if (!ether_aton_r(argv[2], (void *)frame) ||
	    !ether_aton_r(argv[1], (void *)(frame + ETH_ALEN)))
		fail("address");
	for (int i = 4; i < argc && i < 4 + (int)TAG_MAX; i++) {
		used += put_word(frame + used, ETH_P_8021Q);
		used += put_word(frame + used, (unsigned)atoi(argv[i]));
	}
	used += put_word(frame + used, OUR_TYPE);
	(void)snprintf((char *)frame + used, WORD_ROOM, "%s", argv[3]);
	if (write(fd, frame, sizeof(frame)) != (ssize_t)sizeof(frame))
		fail("send");
	printf("BULKHEAD sent word=%s\n", argv[3]);
	return 0;
}

/* The word in a frame of ours, behind whatever tags; NULL if it is not. */
static const char *word_of(const uint8_t *frame)
{
	size_t at = 2 * ETH_ALEN;

	for (size_t i = 0; i < TAG_MAX; i++, at += 4)
		if (frame[at] != ETH_P_8021Q >> 8 ||
		    frame[at + 1] != (ETH_P_8021Q & 0xff))
			break;
	if (frame[at] != OUR_TYPE >> 8 || frame[at + 1] != (OUR_TYPE & 0xff))
		return NULL;
	return (const char *)frame + at + 2;
}

static void join(int fd, const char *interface, const char *group, int count)
{
	struct packet_mreq request = {
		.mr_ifindex = (int)if_nametoindex(interface),
		.mr_type = PACKET_MR_MULTICAST,
		.mr_alen = ETH_ALEN,
	};

	if (!ether_aton_r(group, (void *)request.mr_address))
		fail("address");
	for (int i = 0; i < count; i++, request.mr_address[5]++)
		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request,
			       sizeof(request)) < 0)
			fail("join");
}

static void run_hear(const char *interface, const char *group, int count)
{
	const int fd = packet_socket(interface);

	if (group)
		join(fd, interface, group, count);
	puts("BULKHEAD hearing");
	for (;;) {
		uint8_t frame[FRAME_BYTES + 1] = { 0 };
		struct sockaddr_ll from;
		socklen_t from_bytes = sizeof(from);
		const char *word;

		if (recvfrom(fd, frame, FRAME_BYTES, 0, (void *)&from,
			     &from_bytes) <= 0 ||
		    from.sll_pkttype == PACKET_OUTGOING)
			continue;
		word = word_of(frame);
		if (word)
			printf("BULKHEAD heard word=%.*s\n", (int)WORD_ROOM,
			       word);
	}
}

/* Offloads. ----------------------------------------------------------------- */

/* In this order, because the later ones need the earlier, which drop them. */
static int run_offloads(const char *interface, bool is_on)
{
	static const uint32_t verbs[] = { ETHTOOL_STXCSUM, ETHTOOL_SSG,
					  ETHTOOL_STSO, ETHTOOL_SGSO };
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ethtool_value value = { .data = is_on };
	struct ifreq request = { .ifr_data = (void *)&value };

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s",
		       interface);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		value.cmd = verbs[i];
		if (ioctl(fd, SIOCETHTOOL, &request) < 0)
			fail("offloads");
	}
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "echo") == 0)
		return run_echo();
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "stream") == 0)
		return run_stream(argv[2], argc == 4 ? atoi(argv[3]) : PORT);
	if (argc >= 6 && strcmp(argv[1], "send") == 0)
		return run_send(argc - 2, argv + 2);
	if (argc >= 3 && argc <= 5 && strcmp(argv[1], "hear") == 0)
		run_hear(argv[2], argv[3], argc == 5 ? atoi(argv[4]) : 1);
	if (argc == 4 && strcmp(argv[1], "offloads") == 0)
		return run_offloads(argv[2], strcmp(argv[3], "on") == 0);
	puts("usage: talk echo|stream|send|hear|offloads ...");
	return 2;
}
