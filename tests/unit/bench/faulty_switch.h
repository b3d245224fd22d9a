/* SPDX-License-Identifier: MIT */
/*
 * A switch that forwards every frame to all others, over VDE's protocol, and
 * makes one kind of mistake on purpose, each twentieth frame.
 */
#ifndef TESTS_FAULTY_SWITCH_H
#define TESTS_FAULTY_SWITCH_H

#include <pthread.h>
#include <stdint.h>
#include <sys/un.h>

#define FAULTY_PORTS 4

enum switch_fault {
	SWITCH_FAULTLESS,
	SWITCH_LOSES,
	SWITCH_IS_LATE, /* by FAULTY_LATE_MS */
	SWITCH_SWAPS,   /* with the next one */
};

#define FAULTY_LATE_MS 12

struct faulty_switch {
	char folder[64];
	char spec[80]; /* for the generator */
	enum switch_fault fault;
	int control_fd;
	int data_fd;
	int stop_fd;
	uint32_t port_count;
	int port_fds[FAULTY_PORTS];
	struct sockaddr_un ports[FAULTY_PORTS];
	uint32_t frame_count;
	pthread_t thread;
};

void faulty_switch_start(struct faulty_switch *faulty, enum switch_fault fault);
void faulty_switch_stop(struct faulty_switch *faulty);

#endif
