/* SPDX-License-Identifier: MIT */
#include "monitor/engine/kvm/notes.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "monitor/engine/kvm/machine.h"

/* How exact the guest's own clock interrupts are. */
#define CLOCK_ACCURACY_US 100

static void tell_changed(struct kvm_machine *machine, enum guest_state state)
{
	const struct engine_handler *handler = &machine->engine->handler;

	handler->changed(handler->context, state);
}

static void end(struct kvm_machine *machine, const char *why)
{
	const struct engine_handler *handler = &machine->engine->handler;

	if (machine->is_over)
		return;
	machine->engine->is_stuck = machine_is_stuck(machine);
	if (machine->engine->is_stuck)
		vcpus_park(&machine->vcpus);
	else
		vcpus_park_all(&machine->vcpus);
	__atomic_store_n(&machine->is_over, true, __ATOMIC_RELEASE);
	machine->engine->last_words = why;
	kvm_console_drain(&machine->console);
	handler->ended(handler->context, *why ? EXIT_FAILURE : EXIT_SUCCESS,
		       *why == '\0');
}

/* On with a guest that was reset, unless it was paused before. */
int machine_start_over(struct kvm_machine *machine)
{
	struct refusal refusal = { 0 };
	int r;

	vcpus_park_all(&machine->vcpus);
	/* What it had noted is of the life that is over. */
	(void)machine_take_notes(machine);
	r = machine_reset(machine, &refusal);
	if (r < 0) {
		machine_fail(machine, refusal.text);
		end(machine, machine->failure);
		return r;
	}
	kvm_console_run_timers(&machine->console);
	if (!machine->engine->is_paused)
		vcpus_run(&machine->vcpus);
	return 0;
}

static int on_clock(sd_event_source *source, uint64_t usec, void *context)
{
	struct kvm_machine *machine = context;

	(void)pthread_mutex_lock(&machine->board);
	rtc_tick(&machine->rtc);
	(void)pthread_mutex_unlock(&machine->board);
	return 0;
}

static void set_clock(struct kvm_machine *machine)
{
	uint64_t deadline_ns;

	(void)pthread_mutex_lock(&machine->board);
	deadline_ns = machine->clock_ns;
	(void)pthread_mutex_unlock(&machine->board);
	if (deadline_ns == RTC_NEVER) {
		(void)sd_event_source_set_enabled(machine->clock_source,
						  SD_EVENT_OFF);
		return;
	}
	(void)sd_event_source_set_time(machine->clock_source,
				       deadline_ns / NS_PER_US + 1);
	(void)sd_event_source_set_enabled(machine->clock_source,
					  SD_EVENT_ONESHOT);
}

/* A guest can cause as many as it likes. */
static void warn(struct kvm_machine *machine, const char *text)
{
	const struct engine_handler *handler = &machine->engine->handler;

	if (log_limit_passes(&machine->warnings))
		handler->event(handler->context, EVENT_WARNING, text);
}

static void give_up(struct kvm_machine *machine, bool has_faulted)
{
	machine_fail(machine, has_faulted ? RESETS_HOPELESS " (triple fault)"
					  : RESETS_HOPELESS);
	end(machine, machine->failure);
}

static void handle_reset(struct kvm_machine *machine, bool has_faulted)
{
	switch (resets_note(&machine->resets, clock_now_ns())) {
	case RESETS_GIVE_UP:
		give_up(machine, has_faulted);
		break;
	case RESETS_GO_ON:
		(void)machine_start_over(machine);
		break;
	case RESETS_TELL:
		/* A guest that resets itself rarely does so by this. */
		if (has_faulted)
			warn(machine, "a processor of the guest shut down "
				      "(triple fault)");
		if (machine_start_over(machine) == 0)
			tell_changed(machine, GUEST_RESET);
		break;
	}
}

static void handle_notes(struct kvm_machine *machine, uint32_t notes)
{
	if (notes & NOTE_CONSOLE)
		kvm_console_run_timers(&machine->console);
	if (notes & NOTE_CLOCK)
		set_clock(machine);
	if (notes & NOTE_BALLOON)
		machine_apply_balloon(machine);
	if (notes & NOTE_PANIC)
		tell_changed(machine, GUEST_PANICKED);
	if (notes & NOTE_CRASH_KERNEL)
		warn(machine, "the guest panicked and starts its crash kernel");
	if (notes & NOTE_FAILED) {
		end(machine, machine->failure);
	} else if (notes & NOTE_OFF) {
		end(machine, "");
	} else if (notes & (NOTE_RESET | NOTE_TRIPLE_FAULT)) {
		handle_reset(machine, (notes & NOTE_TRIPLE_FAULT) != 0);
	}
}

void machine_handle_notes(struct kvm_machine *machine)
{
	if (!machine->is_over)
		handle_notes(machine, machine_take_notes(machine));
}

static int on_note(sd_event_source *source, int fd, uint32_t events,
		   void *context)
{
	machine_handle_notes(context);
	return 0;
}

int machine_watch_notes(struct kvm_machine *machine, sd_event *event)
{
	int result =
		sd_event_add_io(event, &machine->note_source, machine->note_fd,
				EPOLLIN, on_note, machine);

	if (result >= 0)
		result = sd_event_add_time(
			event, &machine->clock_source, CLOCK_REALTIME,
			UINT64_MAX, CLOCK_ACCURACY_US, on_clock, machine);
	return result < 0 ? result : 0;
}
