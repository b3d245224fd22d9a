/* SPDX-License-Identifier: MIT */
#include "netrun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "netport.h"

#define MAC_BYTES  6
#define TYPE_AT    12u
#define PLAIN_AT   14u /* the stamp of a frame of no protocol */
#define TCP_AT     34u
#define SEGMENT_AT 54u /* and of a TCP segment */
#define TYPE_IPV4  0x0800
#define MAGIC      0x62686e6cu

#define LOOK_NS  (20 * NS_PER_MS) /* how long the end may be overslept */
#define LOST_NS  (100 * NS_PER_MS)
#define BATCH    32u
#define ACK_EACH 16u
#define TO_ALL   UINT32_MAX

struct stamp {
	uint32_t magic;
	uint32_t port;
	uint64_t number;
	uint64_t sent_ns;
};

struct run;

struct side {
	struct run *run;
	uint32_t index;
	struct netport port;
	pthread_t thread;
	int error;
};

struct run {
	const struct netrun_settings *settings;
	struct netrun_result *result;
	pthread_barrier_t begin;
	uint64_t began_ns;
	uint64_t ended_ns;
	bool has_begun; /* the measured time */
	struct side sides[NETRUN_PORTS_MAX];
};

/* Frames. ------------------------------------------------------------------ */

static void fill_tcp(struct netframe *frame)
{
	static const uint8_t ip[20] = {
		[0] = 0x45, [6] = 0x40, [8] = 64,  [9] = 6,
		[12] = 10,  [15] = 1,   [16] = 10, [19] = 2
	};
	uint8_t *tcp = frame->head + TCP_AT;
	uint16_t length = htons((uint16_t)(frame->bytes - PLAIN_AT));

	memcpy(frame->head + PLAIN_AT, ip, sizeof(ip));
	memcpy(frame->head + PLAIN_AT + 2, &length, sizeof(length));
	memset(tcp, 0, 20);
	tcp[12] = 5 << 4;
	tcp[13] = 0x10; /* ACK */
}

static void make_frame(const struct run *run, struct netframe *frame,
		       uint32_t from, uint32_t to)
{
	const struct netrun_settings *settings = run->settings;
	uint16_t type = htons(settings->gso_bytes ? TYPE_IPV4 : NETPORT_TYPE);

	*frame = (struct netframe){ .bytes = settings->bytes,
				    .head_bytes =
					    SEGMENT_AT + sizeof(struct stamp) };
	/* 02:00:00:00:00:01 is port 0. */
	frame->head[0] = frame->head[MAC_BYTES] = 2;
	frame->head[5] = (uint8_t)(to + 1);
	if (to == TO_ALL)
		memset(frame->head, 0xff, MAC_BYTES);
	frame->head[MAC_BYTES + 5] = (uint8_t)(from + 1);
	memcpy(frame->head + TYPE_AT, &type, sizeof(type));
	if (settings->gso_bytes) {
		fill_tcp(frame);
		frame->gso_bytes = settings->gso_bytes;
	} else {
		frame->head_bytes = PLAIN_AT + sizeof(struct stamp);
	}
}

static void write_stamp(struct netframe *frame, uint32_t port, uint64_t number,
			uint64_t sent_ns)
{
	const struct stamp stamp = { MAGIC, port, number, sent_ns };

	memcpy(frame->head + frame->head_bytes - sizeof(stamp), &stamp,
	       sizeof(stamp));
}

static bool read_stamp(const struct netframe *frame, struct stamp *ret_stamp)
{
	uint16_t type;

	memcpy(&type, frame->head + TYPE_AT, sizeof(type));
	memcpy(ret_stamp,
	       frame->head + (ntohs(type) == TYPE_IPV4 ? SEGMENT_AT : PLAIN_AT),
	       sizeof(*ret_stamp));
	return ret_stamp->magic == MAGIC && ret_stamp->port < NETRUN_PORTS_MAX;
}

/* A small frame to all, so that a switch that learns knows where we are. */
static int greet(struct side *side)
{
	struct netframe frame;
	int error;

	make_frame(side->run, &frame, side->index, TO_ALL);
	frame.bytes = NETRUN_BYTES_MIN;
	frame.gso_bytes = 0;
	frame.head[TYPE_AT] = NETPORT_TYPE >> 8;
	frame.head[TYPE_AT + 1] = NETPORT_TYPE & 0xff;
	memset(frame.head + PLAIN_AT, 0, sizeof(frame.head) - PLAIN_AT);
	error = netport_send(&side->port, &frame);
	netport_flush(&side->port);
	return error;
}

/* Time. --------------------------------------------------------------------- */

static bool is_over(struct run *run, uint64_t now_ns)
{
	return now_ns >= run->ended_ns || *run->settings->stop;
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Port 0 says when the measured time begins and how it ended. */
static void watch_time(struct run *run, uint64_t now_ns)
{
	struct netrun_result *result = run->result;

	if (!run->has_begun && now_ns >= run->began_ns) {
		run->has_begun = true;
		result->began_ns = now_ns;
		result->cpu_ns = cpu_ns();
	}
}

static void end_time(struct run *run)
{
	run->result->ended_ns = clock_now_ns();
	run->result->cpu_ns = cpu_ns() - run->result->cpu_ns;
}

/* Receiving. ------------------------------------------------------------------ */

static void count(struct run *run, const struct netframe *frame,
		  const struct stamp *stamp)
{
	struct netrun_sender *sender = &run->result->senders[stamp->port];

	sender->frames++;
	sender->bytes += frame->bytes;
}

static int acknowledge(struct side *side, struct netframe *ack, uint64_t number)
{
	int error;

	write_stamp(ack, side->index, number, 0);
	while ((error = netport_send(&side->port, ack)) == -EAGAIN) {
		netport_flush(&side->port);
		if (netport_wait(&side->port, clock_now_ns() + LOOK_NS, true))
			break;
	}
	netport_flush(&side->port);
	return error;
}

static void make_ack(struct run *run, struct netframe *ack)
{
	make_frame(run, ack, 0, 1);
	ack->bytes = 66;
	if (ack->gso_bytes) {
		ack->bytes = SEGMENT_AT + sizeof(struct stamp);
		ack->gso_bytes = 0;
		fill_tcp(ack);
	}
}

/* Of floods and streams. */
static int receive_all(struct side *side)
{
	struct run *run = side->run;
	bool is_stream = run->settings->mode == NETRUN_STREAM;
	struct netframe frame, ack;
	uint64_t newest = 0, unacknowledged = 0, now_ns = clock_now_ns();
	struct stamp stamp;
	int error;

	make_ack(run, &ack);
	while (!is_over(run, now_ns)) {
		uint32_t taken = 0;

		while (taken < BATCH &&
		       (error = netport_receive(&side->port, &frame)) == 0) {
			taken++;
			if (!read_stamp(&frame, &stamp))
				continue;
			if (run->has_begun)
				count(run, &frame, &stamp);
			newest = stamp.number;
			unacknowledged++;
		}
		if (taken < BATCH && error != -EAGAIN)
			return error;
		if (is_stream && unacknowledged &&
		    (unacknowledged >= ACK_EACH || taken < BATCH)) {
			unacknowledged = 0;
			error = acknowledge(side, &ack, newest);
		}
		if (taken < BATCH)
			(void)netport_wait(&side->port,
					   clock_now_ns() + LOOK_NS, false);
		now_ns = clock_now_ns();
		watch_time(run, now_ns);
	}
	end_time(run);
	return 0;
}

/* Sending. --------------------------------------------------------------------- */

static int send_batch(struct side *side, struct netframe *frame,
		      uint64_t *number, uint32_t most)
{
	for (uint32_t i = 0; i < most; i++) {
		int error;

		write_stamp(frame, side->index, *number + 1, 0);
		error = netport_send(&side->port, frame);
		if (error)
			return error;
		(*number)++;
	}
	return 0;
}

/* The newest number that port 0 has seen; what else came is nobody's. */
static void take_acks(struct side *side, uint64_t *seen)
{
	struct netframe frame;
	struct stamp stamp;

	while (netport_receive(&side->port, &frame) == 0)
		if (read_stamp(&frame, &stamp) && stamp.number > *seen)
			*seen = stamp.number;
}

static int flood(struct side *side)
{
	struct run *run = side->run;
	struct netframe frame;
	uint64_t number = 0, none = 0;

	make_frame(run, &frame, side->index, 0);
	while (!is_over(run, clock_now_ns())) {
		int error = send_batch(side, &frame, &number, BATCH);

		netport_flush(&side->port);
		if (error && error != -EAGAIN)
			return error;
		take_acks(side, &none);
		if (error)
			(void)netport_wait(&side->port,
					   clock_now_ns() + LOOK_NS, true);
	}
	run->result->senders[side->index].sent = number;
	return 0;
}

static int stream(struct side *side)
{
	struct run *run = side->run;
	uint64_t number = 0, seen = 0;
	struct netframe frame;

	make_frame(run, &frame, side->index, 0);
	while (!is_over(run, clock_now_ns())) {
		uint32_t room = run->settings->window;
		uint64_t out;
		int error;

		take_acks(side, &seen);
		out = number - seen;
		room = out < room ? room - (uint32_t)out : 0;
		error = send_batch(side, &frame, &number,
				   room < BATCH ? room : BATCH);
		netport_flush(&side->port);
		if (error && error != -EAGAIN)
			return error;
		if (room > BATCH && !error)
			continue;
		/* Nothing comes back: all that was under way is lost. */
		if (netport_wait(&side->port, clock_now_ns() + LOOK_NS,
				 error == -EAGAIN) == -ETIMEDOUT)
			seen = number;
	}
	run->result->senders[side->index].sent = number;
	return 0;
}

/* One frame and back. ------------------------------------------------------------- */

static int reflect(struct side *side)
{
	struct run *run = side->run;
	struct netframe frame, answer;
	uint64_t now_ns = clock_now_ns();
	struct stamp stamp;

	make_frame(run, &answer, 0, 1);
	while (!is_over(run, now_ns)) {
		int error = netport_receive(&side->port, &frame);

		if (error == -EAGAIN) {
			(void)netport_wait(&side->port, now_ns + LOOK_NS,
					   false);
		} else if (error) {
			return error;
		} else if (read_stamp(&frame, &stamp)) {
			write_stamp(&answer, 0, stamp.number, stamp.sent_ns);
			(void)netport_send(&side->port, &answer);
			netport_flush(&side->port);
		}
		now_ns = clock_now_ns();
		watch_time(run, now_ns);
	}
	end_time(run);
	return 0;
}

/* -ETIMEDOUT: lost. */
static int wait_answer(struct side *side, uint64_t number, uint64_t *ret_ns)
{
	uint64_t deadline_ns = clock_now_ns() + LOST_NS;
	struct netframe frame;
	struct stamp stamp;
	int error;

	for (;;) {
		error = netport_receive(&side->port, &frame);
		*ret_ns = clock_now_ns();
		if (error == 0 && read_stamp(&frame, &stamp) &&
		    stamp.number == number)
			return 0;
		if (error == -EAGAIN)
			error = netport_wait(&side->port, deadline_ns, false);
		if (error)
			return error;
	}
}

static int ping(struct side *side)
{
	struct run *run = side->run;
	struct netframe frame;
	uint64_t number = 0, now_ns = clock_now_ns();

	make_frame(run, &frame, side->index, 0);
	while (!is_over(run, now_ns)) {
		uint64_t sent_ns = clock_now_ns();
		int error;

		write_stamp(&frame, side->index, ++number, sent_ns);
		error = netport_send(&side->port, &frame);
		netport_flush(&side->port);
		if (!error)
			error = wait_answer(side, number, &now_ns);
		if (error == -ETIMEDOUT)
			run->result->lost++;
		else if (error)
			return error;
		else if (run->has_begun)
			stats_add_latency(&run->result->stats,
					  now_ns - sent_ns);
	}
	run->result->senders[side->index].sent = number;
	return 0;
}

/* At a pace. ------------------------------------------------------------------------ */

static int send_paced(struct side *side)
{
	struct run *run = side->run;
	uint64_t each_ns = NS_PER_S / run->settings->rate;
	uint64_t number = 0, none = 0, next_ns = clock_now_ns();
	struct netframe frame;
	int error = 0;

	make_frame(run, &frame, side->index, 0);
	while (!is_over(run, clock_now_ns())) {
		while (netport_wait(&side->port, next_ns, false) == 0)
			take_acks(side, &none);
		next_ns += each_ns;
		write_stamp(&frame, side->index, number + 1, clock_now_ns());
		error = netport_send(&side->port, &frame);
		netport_flush(&side->port);
		if (!error)
			number++;
		else if (error != -EAGAIN)
			return error;
	}
	run->result->senders[side->index].sent = number;
	return 0;
}

static void add_gap(struct run *run, const struct netrun_gap *gap)
{
	struct netrun_result *result = run->result;

	if (gap->late_ns < run->settings->gap_least_ns && gap->lost == 0)
		return;
	if (result->gap_count == NETRUN_GAPS_MAX)
		result->gaps_unlisted++;
	else
		result->gaps[result->gap_count++] = *gap;
}

static void judge(struct run *run, const struct stamp *stamp, uint64_t now_ns,
		  uint64_t *last, uint64_t *last_ns)
{
	uint64_t each_ns = NS_PER_S / run->settings->rate;
	struct netrun_gap gap = { .before_ns = *last_ns, .after_ns = now_ns };

	if (stamp->number <= *last) {
		run->result->disordered++;
		return;
	}
	if (*last && run->has_begun) {
		gap.lost = stamp->number - *last - 1;
		if (now_ns - *last_ns > each_ns)
			gap.late_ns = now_ns - *last_ns - each_ns;
		run->result->lost += gap.lost;
		add_gap(run, &gap);
		stats_add_latency(&run->result->stats, now_ns - stamp->sent_ns);
	}
	*last = stamp->number;
	*last_ns = now_ns;
}

static int receive_paced(struct side *side)
{
	struct run *run = side->run;
	uint64_t last = 0, last_ns = 0, now_ns = clock_now_ns();
	struct netframe frame;
	struct stamp stamp;

	while (!is_over(run, now_ns)) {
		int error = netport_receive(&side->port, &frame);

		now_ns = clock_now_ns();
		watch_time(run, now_ns);
		if (error == -EAGAIN)
			(void)netport_wait(&side->port, now_ns + LOOK_NS,
					   false);
		else if (error)
			return error;
		else if (read_stamp(&frame, &stamp))
			judge(run, &stamp, now_ns, &last, &last_ns);
	}
	end_time(run);
	return 0;
}

/* Nothing. ---------------------------------------------------------------------------- */

static int stay(struct side *side)
{
	struct netframe frame;

	while (!is_over(side->run, clock_now_ns())) {
		while (netport_receive(&side->port, &frame) == 0)
			continue;
		(void)netport_wait(&side->port, clock_now_ns() + NS_PER_S,
				   false);
	}
	if (side->index == 0)
		end_time(side->run);
	return 0;
}

/* Threads. ------------------------------------------------------------------------------ */

static const struct {
	int (*receive)(struct side *side);
	int (*send)(struct side *side);
} modes[NETRUN_MODE_COUNT] = {
	[NETRUN_FLOOD] = { receive_all, flood },
	[NETRUN_STREAM] = { receive_all, stream },
	[NETRUN_PING] = { reflect, ping },
	[NETRUN_PACED] = { receive_paced, send_paced },
	[NETRUN_IDLE] = { stay, stay },
};

static void *work(void *context)
{
	struct side *side = context;
	struct run *run = side->run;
	enum netrun_mode mode = run->settings->mode;

	(void)prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	(void)pthread_barrier_wait(&run->begin);
	side->error = side->index == 0 ? modes[mode].receive(side)
				       : modes[mode].send(side);
	return NULL;
}

static int open_all(struct run *run)
{
	const struct netrun_settings *settings = run->settings;
	struct netport_settings port = {
		.frame_bytes_most = settings->bytes,
		.queue_size = settings->queue_size,
		.is_spinning = settings->is_spinning,
	};
	int error = 0;

	for (uint32_t i = 0; i < settings->port_count && !error; i++) {
		run->sides[i].run = run;
		run->sides[i].index = i;
		port.spec = settings->specs[i];
		error = netport_open(&run->sides[i].port, &port);
	}
	for (uint32_t i = 0; i < settings->port_count && !error; i++)
		error = greet(&run->sides[i]);
	return error;
}

static int start_all(struct run *run)
{
	uint32_t count = run->settings->port_count;
	int error = pthread_barrier_init(&run->begin, NULL, count + 1);

	for (uint32_t i = 0; i < count && !error; i++)
		error = pthread_create(&run->sides[i].thread, NULL, work,
				       &run->sides[i]);
	if (error)
		return -error;
	run->began_ns = clock_now_ns() + run->settings->warmup_ns;
	run->ended_ns = run->began_ns + run->settings->duration_ns;
	(void)pthread_barrier_wait(&run->begin);
	for (uint32_t i = 0; i < count; i++) {
		(void)pthread_join(run->sides[i].thread, NULL);
		if (run->sides[i].error && !error)
			error = run->sides[i].error;
	}
	return error;
}

int netrun(const struct netrun_settings *settings,
	   struct netrun_result *ret_result)
{
	struct run run = { .settings = settings, .result = ret_result };
	int error;

	memset(ret_result, 0, sizeof(*ret_result));
	error = open_all(&run);
	if (!error)
		error = start_all(&run);
	for (uint32_t i = 0; i < settings->port_count; i++)
		netport_close(&run.sides[i].port);
	return error;
}
