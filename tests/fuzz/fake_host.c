/* SPDX-License-Identifier: MIT */
#include "fake_host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "control/protocol.h"
#include "sandbox/cgroup.h"
#include "supervisor/child/engine.h"
#include "supervisor/child/spawn_child.h"
#include "supervisor/errand/errand.h"
#include "supervisor/network/uplink.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* since Linux 6.5 */
#endif

#define FIRST_PID 1000000
#define FD_MAX    4096
/* What a process without a connection's name is asked for. */
#define PEER_NAME "fuzz/%d/%u"

static struct {
	bool is_on;
	bool is_disk_broken;
	uint64_t now_ns;
	unsigned syncs;
	uint8_t random;
	pid_t last_pid;
	pid_t pid_of_fd[FD_MAX]; /* of pidfds */
	struct fake_process processes[FAKE_PROCESSES_MAX];
} host;

void fake_host_begin(void)
{
	memset(&host, 0, sizeof(host));
	host.is_on = true;
	host.now_ns = 1000 * NS_PER_S;
	host.last_pid = FIRST_PID;
}

void fake_host_end(void)
{
	for (size_t i = 0; i < FAKE_PROCESSES_MAX; i++) {
		if (!host.processes[i].pid)
			continue;
		control_close(&host.processes[i].control);
		close_fd(&host.processes[i].pidfd);
	}
	host.is_on = false;
}

void fake_host_pass_ms(uint64_t ms)
{
	host.now_ns += ms * NS_PER_MS;
}

struct fake_process *fake_host_processes(void)
{
	return host.processes;
}

unsigned fake_host_syncs(void)
{
	return host.syncs;
}

static struct fake_process *find(pid_t pid)
{
	for (size_t i = 0; i < FAKE_PROCESSES_MAX; i++)
		if (pid && host.processes[i].pid == pid)
			return &host.processes[i];
	return NULL;
}

void fake_host_exit(struct fake_process *process)
{
	if (process->is_dead)
		return;
	process->is_dead = true;
	control_close(&process->control);
	(void)eventfd_write(process->pidfd, 1);
}

int fake_host_connect(const char *path, pid_t pid, uid_t uid)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static unsigned count;
	SCOPED(close_fd)
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);

	/* An abstract name tells who it is; the number keeps names apart. */
	(void)snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
		       PEER_NAME "/%d/%u", (int)pid, (unsigned)uid,
		       (int)getpid(), count++);
	(void)text_copy(address.sun_path, sizeof(address.sun_path), path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		abort();
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return NO_FD;
	return take_fd(&fd);
}

/* Time. ----------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	/* The date is nobody's business, and libFuzzer's: it asks how long an
	 * input takes while it is at it. */
	if (!host.is_on || clock == CLOCK_REALTIME)
		return (int)syscall(SYS_clock_gettime, clock, time);
	time->tv_sec = (time_t)(host.now_ns / NS_PER_S);
	time->tv_nsec = (long)(host.now_ns % NS_PER_S);
	return 0;
}

/* The loop looks at its timers at every turn, and no turn waits. */
int timerfd_settime(int fd, int flags, const struct itimerspec *new,
		    struct itimerspec *old)
{
	return host.is_on
		       ? 0
		       : (int)syscall(SYS_timerfd_settime, fd, flags, new, old);
}

/* Disks. ---------------------------------------------------------------------- */

void fake_host_break_disk(bool is_broken)
{
	host.is_disk_broken = is_broken;
}

static int sync_nothing(void)
{
	host.syncs++;
	errno = EIO;
	return host.is_disk_broken ? -1 : 0;
}

int fsync(int fd)
{
	return host.is_on ? sync_nothing() : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return host.is_on ? sync_nothing() : (int)syscall(SYS_fdatasync, fd);
}

/* Processes. ------------------------------------------------------------------ */

static uint32_t role_of(const char *path)
{
	static const char *const programs[] = {
		[ROLE_MONITOR] = "bulkhead-monitor",
		[ROLE_DISK] = "bulkhead-disk",
		[ROLE_CONSOLE] = "bulkhead-console",
		[ROLE_NET] = "bulkhead-net",
	};

	for (uint32_t role = ROLE_MONITOR; role <= ROLE_NET; role++)
		if (strstr(path, programs[role]))
			return role;
	abort();
}

int pidfd_open(pid_t pid, unsigned flags)
{
	const struct fake_process *process = find(pid);
	int fd;

	if (!process || process->is_dead) {
		errno = ESRCH;
		return -1;
	}
	fd = dup(process->pidfd);
	if (fd >= FD_MAX)
		abort();
	host.pid_of_fd[fd] = pid;
	return fd;
}

int __wrap_spawn_child(const char *directory, const char *program,
		       const char *name, const struct spawn *spawn,
		       struct spawned *ret_spawned);
int __wrap_spawn_program(const char *const *arguments,
			 const struct spawn *spawn,
			 struct spawned *ret_spawned);

int __wrap_spawn_child(const char *directory, const char *program,
		       const char *name, const struct spawn *spawn,
		       struct spawned *ret_spawned)
{
	struct fake_process *process = host.processes;

	while (process->pid &&
	       process < &host.processes[FAKE_PROCESSES_MAX - 1])
		process++;
	if (process->pid)
		return -EAGAIN;
	*process = (struct fake_process){
		.pid = ++host.last_pid,
		.role = role_of(program),
		.control = { dup(spawn->control_fd) },
		.pidfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	(void)snprintf(process->name, sizeof(process->name), "%s", name);
	ret_spawned->pid = process->pid;
	ret_spawned->pidfd = pidfd_open(process->pid, 0);
	ret_spawned->is_in_group = false;
	return 0;
}

int __wrap_spawn_program(const char *const *arguments,
			 const struct spawn *spawn, struct spawned *ret_spawned)
{
	return -ENOENT;
}

static int kill_process(struct fake_process *process)
{
	if (!process) {
		errno = ESRCH;
		return -1;
	}
	if (!process->is_dead)
		process->was_killed = true;
	fake_host_exit(process);
	return 0;
}

int pidfd_send_signal(int fd, int signal, siginfo_t *info, unsigned flags)
{
	/* The numbers of what is played are those of others: whoever asks
	 * before he touches one learns that there is no such process. */
	if (signal == 0) {
		errno = ESRCH;
		return -1;
	}
	if (signal != SIGKILL)
		abort();
	return kill_process(find(host.pid_of_fd[fd]));
}

int kill(pid_t pid, int signal)
{
	return host.is_on ? kill_process(find(pid))
			  : (int)syscall(SYS_kill, pid, signal);
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	const struct fake_process *process;

	if (!host.is_on)
		return (int)syscall(SYS_waitid, type, id, info, options, NULL);
	process = type == P_PIDFD ? find(host.pid_of_fd[id]) : find((pid_t)id);
	if (!process) {
		errno = ECHILD;
		return -1;
	}
	if (info && process->is_dead) {
		info->si_pid = process->pid;
		info->si_code = process->was_killed ? CLD_KILLED : CLD_EXITED;
		info->si_status = process->was_killed ? SIGKILL : 0;
	}
	return 0;
}

/* /proc/PID/stat: field 22 is when it was started. */
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *__real_fopen64(const char *path, const char *mode);

/* Whom the supervisor has not started yet is younger than it. */
static pid_t ticks_of(pid_t pid)
{
	const struct fake_process *process = find(pid);

	if (host.is_on && pid == getpid())
		return host.last_pid;
	return process && !process->is_dead ? pid : 0;
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	static char line[256];
	int pid, end = 0;
	pid_t ticks;

	if (sscanf(path, "/proc/%d/stat%n", &pid, &end) != 1 || !end)
		return __real_fopen64(path, mode);
	ticks = ticks_of(pid);
	if (!ticks)
		return NULL;
	(void)snprintf(line, sizeof(line),
		       "%d (child) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d 0",
		       pid, ticks);
	return fmemopen(line, strlen(line), "r");
}

/* Peers. ---------------------------------------------------------------------- */

static int fake_credentials(int fd, void *to, socklen_t *size)
{
	struct sockaddr_un name = { 0 };
	socklen_t name_size = sizeof(name) - 1;
	struct ucred who = { 0 };
	int pid = 0;

	if (getpeername(fd, (struct sockaddr *)&name, &name_size) < 0)
		return -1;
	(void)sscanf(name.sun_path + 1, PEER_NAME, &pid, &who.uid);
	who.pid = pid;
	who.gid = who.uid;
	if (*size < sizeof(who))
		abort();
	memcpy(to, &who, sizeof(who));
	*size = sizeof(who);
	return 0;
}

int getsockopt(int fd, int level, int option, void *restrict to,
	       socklen_t *restrict size)
{
	if (host.is_on && level == SOL_SOCKET && option == SO_PEERCRED)
		return fake_credentials(fd, to, size);
	/* As a kernel that cannot tell: who asks opens it by number. */
	if (host.is_on && level == SOL_SOCKET && option == SO_PEERPIDFD) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_getsockopt, fd, level, option, to, size);
}

uid_t geteuid(void)
{
	return host.is_on ? 0 : (uid_t)syscall(SYS_geteuid);
}

/* Root, as whom the supervisor runs here, owns what we own. */
int stat(const char *restrict path, struct stat *restrict status)
{
	int result = (int)syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);

	if (result == 0 && host.is_on &&
	    status->st_uid == (uid_t)syscall(SYS_geteuid))
		status->st_uid = 0;
	return result;
}

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
	if (!host.is_on)
		return syscall(SYS_getrandom, to, size, flags);
	memset(to, ++host.random, size);
	return (ssize_t)size;
}

/* What the host has. ---------------------------------------------------------- */

int __wrap_cgroup_base_open(const char *name, struct cgroup_base *ret_base);
int __wrap_errands_new(struct errands **ret_errands, sd_event *event);
int __wrap_uplink_open(const struct switch_definition *definition,
		       struct uplink *ret_uplink, struct refusal *ret_refusal);

/* Whoever has an errand carries it out. */
int __wrap_errands_new(struct errands **ret_errands, sd_event *event)
{
	*ret_errands = NULL;
	return 0;
}

int __wrap_cgroup_base_open(const char *name, struct cgroup_base *ret_base)
{
	return -ENOENT;
}

int __wrap_uplink_open(const struct switch_definition *definition,
		       struct uplink *ret_uplink, struct refusal *ret_refusal)
{
	const struct uplink closed = UPLINK_CLOSED;

	*ret_uplink = closed;
	ret_uplink->fd = eventfd(0, EFD_CLOEXEC);
	(void)text_copy(ret_uplink->interface, sizeof(ret_uplink->interface),
			"fuzz0");
	return 0;
}

int engine_probe_start(struct engine_probe **ret_probe, const char *qemu)
{
	*ret_probe = NULL;
	return 0;
}

void engine_probe_free(struct engine_probe *probe)
{
}

int engine_probe_watch(struct engine_probe *probe, sd_event *event,
		       void (*answered)(void *context), void *context)
{
	answered(context);
	return 0;
}

bool engine_probe_has_answered(const struct engine_probe *probe)
{
	return true;
}

const struct probe_engine *engine_probe_wait(struct engine_probe *probe)
{
	static const struct probe_engine engine = {
		.engine = ENGINE_KVM,
		.has_kvm = true,
		.reason = "there is no host",
		.kvm_reason = "there is no host",
	};

	return &engine;
}

int engine_notify_ready(void)
{
	return 0;
}

/* What a kernel must be is fuzz_boot.c's matter. */
int __wrap_boot_check_kernel(int fd, struct refusal *ret_refusal);

int __wrap_boot_check_kernel(int fd, struct refusal *ret_refusal)
{
	return 0;
}
