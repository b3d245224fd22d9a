/* SPDX-License-Identifier: MIT */
/*
 * The guest's console lines (the 16550, and the virtio console once a driver
 * uses it) joined into the partition's one console, a socket to the part of the
 * monitor that all engines share. Output of both goes to it; input goes to the
 * line that last produced output.
 *
 * Nothing blocks: output goes into a buffer here, and what has no room there
 * stays in the device, where the guest can see it.
 *
 * Threads    kvm_console_put() any, with or without the
 *            board lock; its own lock is the last taken. The rest the main
 *            thread.
 * Errors     0 or a negative errno.
 */
#ifndef MONITOR_ENGINE_KVM_CONSOLE_H
#define MONITOR_ENGINE_KVM_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "machine/state.h"

#define KVM_CONSOLE_SIZE 4096

struct kvm_machine;

enum kvm_console_line { LINE_SERIAL, LINE_VIRTIO };

struct kvm_console {
	struct kvm_machine *machine;
	int fd; /* owned: our end of the socket */
	sd_event_source *source;
	pthread_mutex_t lock; /* of the four below */
	uint8_t output[KVM_CONSOLE_SIZE];
	size_t output_bytes;
	enum kvm_console_line speaker; /* the one that spoke last */
	bool has_refused;              /* somebody found no room */
	uint8_t input[512]; /* taken from the socket, not yet by the guest */
	size_t input_bytes;
};

/* Make the socket; the caller owns *ret_their_fd. */
int kvm_console_open(struct kvm_console *console, struct kvm_machine *machine,
		     int *ret_their_fd);
int kvm_console_watch(struct kvm_console *console, sd_event *event);

/* The guest was reset: its first output will come over the serial line. */
void kvm_console_reset(struct kvm_console *console);

/* Pass on the guest's last output, without blocking. */
void kvm_console_drain(struct kvm_console *console);

/* While nothing runs: the line used last, and input that the guest has not
 * taken yet. */
void kvm_console_save(const struct kvm_console *console,
		      struct state_writer *writer);
void kvm_console_restore(struct kvm_console *console,
			 struct state_reader *reader);

/* Safe on one that was not opened. */
void kvm_console_close(struct kvm_console *console);

/* Output of a line; returns how much was taken. */
size_t kvm_console_put(struct kvm_console *console, enum kvm_console_line line,
		       const uint8_t *bytes, size_t count);

/* Handle pending output, and room for input in a line. */
void kvm_console_run_timers(struct kvm_console *console);

#endif
