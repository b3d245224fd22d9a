/* SPDX-License-Identifier: MIT */
#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"

static unsigned int layer_index(enum sandbox_layer layer)
{
	return (unsigned int)__builtin_ctz(layer);
}

void layers_record(struct sandbox_layers *layers, enum sandbox_layer layer,
		   int error)
{
	if (error < 0) {
		layers->missing |= layer;
		layers->errors[layer_index(layer)] = -error;
		return;
	}
	layers->in_place |= layer;
}

int layers_check(const struct sandbox_layers *layers, uint32_t required)
{
	return (required & ~layers->in_place) ? -EPERM : 0;
}

static int write_file(const char *path, const char *text)
{
	SCOPED(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t bytes = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, bytes) == (ssize_t)bytes ? 0 : -errno;
}

int layers_map_user(uid_t uid, gid_t gid)
{
	char map[64];
	int r;

	/* Without this an unprivileged gid_map is refused (user_namespaces(7)). */
	r = write_file("/proc/self/setgroups", "deny");
	if (r < 0)
		return r;
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	r = write_file("/proc/self/gid_map", map);
	if (r < 0)
		return r;
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	return write_file("/proc/self/uid_map", map);
}

static const struct {
	int flag;
	enum sandbox_layer layer;
} namespaces[] = {
	{ CLONE_NEWNS, SANDBOX_MOUNT_NAMESPACE },
	{ CLONE_NEWNET, SANDBOX_NETWORK_NAMESPACE },
	{ CLONE_NEWIPC, SANDBOX_IPC_NAMESPACE },
	{ CLONE_NEWUTS, SANDBOX_UTS_NAMESPACE },
};

void layers_unshare(struct sandbox_layers *layers)
{
	int all = 0, r;

	for (size_t i = 0; i < ARRAY_COUNT(namespaces); i++)
		all |= namespaces[i].flag;
	/* One call for all is the usual case; singly only to learn which one
	 * this kernel lacks. */
	r = unshare(all);
	for (size_t i = 0; i < ARRAY_COUNT(namespaces); i++) {
		int single = r < 0 ? unshare(namespaces[i].flag) : 0;

		layers_record(layers, namespaces[i].layer,
			      single < 0 ? -errno : 0);
	}
}

int layers_become(uid_t uid, gid_t gid)
{
	if (geteuid() != 0 || uid == 0)
		return -EPERM;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

int layers_limit(int resource, uint64_t value)
{
	struct rlimit both = { .rlim_cur = value, .rlim_max = value };

	return setrlimit((__rlimit_resource_t)resource, &both) < 0 ? -errno : 0;
}

void layers_drop_bounding(void)
{
	/* Ends with EINVAL beyond the kernel's last capability. Without the
	 * right to (EPERM) no_new_privs still keeps an exec from gaining any. */
	for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++)
		;
}

int layers_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* All names with an errno each, and what is said around them. */
#define TEXT_BYTES 768

static const struct {
	const char *name;
	const char *risk;
} texts[SANDBOX_LAYER_COUNT] = {
	{ "no-new-privs", "a set-uid program could raise rights" },
	{ "not-dumpable",
	  "a process of the same user could attach a debugger" },
	{ "limits", "file descriptors and locked memory are unlimited" },
	{ "user-namespace", "the other namespaces need it for ordinary users" },
	{ "mount-namespace", "the process sees mounts made on the host" },
	{ "network-namespace",
	  "only the system call filter keeps it off the network" },
	{ "ipc-namespace",
	  "the host's System V IPC and POSIX message queues are visible" },
	{ "uts-namespace", "the host's name can be read" },
	{ "root", "the host's paths are visible; Landlock and the system call "
		  "filter still refuse to open them" },
	{ "uid", "it shares its user with other processes, which only the "
		 "system call filter keeps it from signalling" },
	{ "capabilities", "the process keeps root's capabilities" },
	{ "landlock", "only the root directory and the system call filter keep "
		      "it from opening files" },
	{ "seccomp", "the kernel's whole system call interface is exposed" },
	{ "cgroup",
	  "memory and process count are limited only by the host's total" },
	{ "pid-namespace",
	  "the host's process IDs are visible; signals require the same uid" },
	{ "core", "a process on a sibling hyperthread could observe it through "
		  "shared core resources" },
};

const char *sandbox_layer_name(unsigned int index)
{
	return index < SANDBOX_LAYER_COUNT ? texts[index].name : "unknown";
}

const char *sandbox_missing_text(const struct sandbox_layers *layers)
{
	static char text[TEXT_BYTES];
	uint32_t lack = layers->required & layers->missing;
	int used = 0;

	for (unsigned int i = 0; i < SANDBOX_LAYER_COUNT; i++)
		if (lack & (1u << i))
			used += snprintf(text + used, sizeof(text) - used,
					 "%s%s (%s)",
					 used ? ", " : "its sandbox lacks ",
					 texts[i].name,
					 strerrorname_np(layers->errors[i]));
	(void)snprintf(text + used, sizeof(text) - used,
		       "; allow_missing in bulkheadd.conf(5) may name it");
	return text;
}

void sandbox_layer_list(uint32_t bits, char *to, size_t room)
{
	size_t used = 0;

	bits &= (1u << SANDBOX_LAYER_COUNT) - 1;
	(void)snprintf(to, room, "%s", bits ? "" : "none");
	for (unsigned int i = 0; i < SANDBOX_LAYER_COUNT; i++) {
		int more;

		if (!(bits & (1u << i)))
			continue;
		more = snprintf(to + used, room - used, "%s%s", used ? "," : "",
				texts[i].name);
		if (more < 0 || (size_t)more >= room - used)
			return;
		used += (size_t)more;
	}
}
