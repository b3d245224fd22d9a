/* SPDX-License-Identifier: MIT */
/*
 * bulkhead-alone: one monitor of engine kvm under a supervisor that does
 * nothing but what a start needs, so that the time from the monitor's exec to
 * its guest is the monitor's own.
 *
 *   bulkhead-alone --monitor FILE --folder EMPTY --memory BYTES
 *                  --kernel FILE [--initrd FILE] [--cmdline TEXT] [--disk]
 *                  [--save FILE | --restore FILE]
 *
 * The guest runs until SIGTERM. SIGUSR1 saves it to the file of --save and
 * ends it. A --disk has a channel, but no service at the other end.
 *
 * Exit status: 0, or 1 if the monitor did not do as it was asked.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/scope.h"
#include "channel/channel.h"
#include "control/control.h"
#include "control/protocol.h"

#define ATTACHMENT_ID 1
#define DISK_BYTES    (16ull << 20)
#define ANSWER_MS     120000
/* Nobody's, where we are root: a monitor is never left with our rights. */
#define MONITOR_UID 65534u

struct options {
	const char *monitor;
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	const char *save;
	const char *restore;
	const char *folder; /* the monitor's root: empty */
	uint64_t memory_bytes;
	bool has_disk;
};

static struct control link_to_monitor;
static pid_t monitor;

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void tell(uint32_t type, const void *body, size_t bytes, const int *fds,
		 size_t count)
{
	int result = control_send(&link_to_monitor, type, 1, body, bytes, fds,
				  count);

	if (result < 0)
		errx(1, "message %u: %s", type, strerror(-result));
}

static void tell_fd(uint32_t type, const void *body, size_t bytes,
		    const char *path, int flags)
{
	SCOPED(close_fd) int fd = open_file(path, flags);

	tell(type, body, bytes, &fd, 1);
}

/* Settings. ------------------------------------------------------------------ */

static void tell_disk(void)
{
	static const struct monitor_disk disk = {
		.attachment_id = ATTACHMENT_ID,
		.size_bytes = DISK_BYTES,
		.logical_block_bytes = 512,
		.physical_block_bytes = 4096,
		.hang_ms = 60000,
		.queue_count = 1,
		.name = "null",
		.serial = "null",
	};
	static const struct channel_shape shape = {
		.kind = CHANNEL_KIND_DISK,
		.slot_count = 256,
		.buffer_bytes = 4u << 20,
		.generation = 1,
	};
	static const struct disk_channel up = { .attachment_id = ATTACHMENT_ID,
						.generation = 1 };
	int fds[] = { NO_FD, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		      eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	tell_fd(MSG_MONITOR_DISK, &disk, sizeof(disk), "/dev/null", O_RDWR);
	if (channel_create(&shape, &fds[0]) < 0)
		errx(1, "no channel");
	tell(MSG_MONITOR_DISK_UP, &up, sizeof(up), fds, 3);
	for (int i = 0; i < 3; i++)
		close_fd(&fds[i]);
}

/* All of it before the exec: the link holds what was said. */
static void describe(const struct options *options)
{
	const struct child_settings who = {
		.name = "alone",
		.role = ROLE_MONITOR,
		.log_level = 4,
		.uid = getuid() == 0 ? MONITOR_UID : 0,
		.gid = getuid() == 0 ? MONITOR_UID : 0,
	};
	struct monitor_settings settings = {
		.engine = ENGINE_KVM,
		.memory_bytes = options->memory_bytes,
		.cpu_count = 1,
		.disk_count = options->has_disk,
		.has_initrd = options->initrd != NULL,
	};

	(void)snprintf(settings.cmdline, sizeof(settings.cmdline), "%s",
		       options->cmdline);
	tell_fd(MSG_CHILD_SETTINGS, &who, sizeof(who), options->folder,
		O_PATH | O_DIRECTORY);
	tell(MSG_MONITOR_CONFIGURE, &settings, sizeof(settings), NULL, 0);
	tell_fd(MSG_MONITOR_KVM, NULL, 0, "/dev/kvm", O_RDWR);
	tell_fd(MSG_MONITOR_KERNEL, NULL, 0, options->kernel, O_RDONLY);
	if (options->initrd)
		tell_fd(MSG_MONITOR_INITRD, NULL, 0, options->initrd, O_RDONLY);
	if (options->restore)
		tell_fd(MSG_MONITOR_IMAGE, NULL, 0, options->restore, O_RDONLY);
	if (options->has_disk)
		tell_disk();
	tell(MSG_MONITOR_LAUNCH, NULL, 0, NULL, 0);
}

/* The monitor. --------------------------------------------------------------- */

static void become_monitor(const char *program, int fd)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd == CONTROL_CHILD_FD)
		(void)fcntl(fd, F_SETFD, 0);
	else
		(void)dup2(fd, CONTROL_CHILD_FD);
	(void)execl(program, "bulkhead-monitor", "[alone]", (char *)NULL);
	_exit(127);
}

static void start(const struct options *options)
{
	struct control theirs;

	if (control_pair(&link_to_monitor, &theirs) < 0)
		errx(1, "no control link");
	describe(options);
	monitor = fork();
	if (monitor == 0)
		become_monitor(options->monitor, theirs.fd);
	control_close(&theirs);
}

/* Until it says this; what it says of events is shown. */
static void expect(uint32_t type)
{
	struct pollfd wait = { .fd = link_to_monitor.fd, .events = POLLIN };
	struct message message;
	struct monitor_result done = { 0 };
	uint32_t got;

	do {
		if (poll(&wait, 1, ANSWER_MS) != 1 ||
		    control_receive(&link_to_monitor, &message) < 0)
			errx(1, "the monitor is gone or mute");
		got = message.type;
		if (got == MSG_MONITOR_DONE)
			memcpy(&done, message.body, sizeof(done));
		message_release(&message);
	} while (got != type);
	if (done.status < 0)
		errx(1, "%s: %.*s", strerror(-done.status), TEXT_SIZE,
		     done.text);
}

static void save(const char *path)
{
	tell(MSG_MONITOR_PAUSE, NULL, 0, NULL, 0);
	expect(MSG_MONITOR_DONE);
	tell_fd(MSG_MONITOR_SAVE, NULL, 0, path, O_RDWR | O_CREAT | O_TRUNC);
	expect(MSG_MONITOR_DONE);
}

static void run(const struct options *options, const sigset_t *wanted)
{
	int got;

	start(options);
	expect(MSG_CHILD_READY);
	tell(MSG_MONITOR_RESUME, NULL, 0, NULL, 0);
	expect(MSG_MONITOR_DONE);
	if (sigwait(wanted, &got) == 0 && got == SIGUSR1 && options->save)
		save(options->save);
	(void)kill(monitor, SIGKILL);
	(void)waitpid(monitor, NULL, 0);
}

/* Options. ------------------------------------------------------------------- */

static const struct option known[] = {
	{ "monitor", required_argument, NULL, 'm' },
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "cmdline", required_argument, NULL, 'c' },
	{ "memory", required_argument, NULL, 'b' },
	{ "save", required_argument, NULL, 's' },
	{ "restore", required_argument, NULL, 'r' },
	{ "folder", required_argument, NULL, 'f' },
	{ "disk", no_argument, NULL, 'd' },
	{ NULL, 0, NULL, 0 },
};

static bool read_option(struct options *options, int letter)
{
	switch (letter) {
	case 'm':
		options->monitor = optarg;
		return true;
	case 'k':
		options->kernel = optarg;
		return true;
	case 'i':
		options->initrd = optarg;
		return true;
	case 'c':
		options->cmdline = optarg;
		return true;
	case 'b':
		options->memory_bytes = strtoull(optarg, NULL, 10);
		return true;
	case 's':
		options->save = optarg;
		return true;
	case 'r':
		options->restore = optarg;
		return true;
	case 'f':
		options->folder = optarg;
		return true;
	case 'd':
		options->has_disk = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct options options = { .cmdline = "" };
	sigset_t wanted;
	int letter;

	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (!read_option(&options, letter))
			return 2;
	if (!options.monitor || !options.kernel || !options.folder ||
	    options.memory_bytes == 0)
		errx(2, "--monitor, --kernel, --folder, --memory are needed");
	(void)sigemptyset(&wanted);
	(void)sigaddset(&wanted, SIGTERM);
	(void)sigaddset(&wanted, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &wanted, NULL);
	run(&options, &wanted);
	return 0;
}
