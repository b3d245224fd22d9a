/* SPDX-License-Identifier: MIT */
/* Whether an ordinary user can make a user namespace, on which the sandboxes of
 * such a user rest, and passt's, whoever starts it. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/count.h"
#include "probe/probe_rows.h"
#include "sandbox/sandbox.h"

#define SECONDS 5
#define NOBODY  65534

/* Settings that refuse them, at these values. */
static const struct {
	const char *path;
	const char *refuses;
	const char *advice;
} settings[] = {
	{ "/proc/sys/user/max_user_namespaces", "0",
	  "set sysctl user.max_user_namespaces to 10000" },
	{ "/proc/sys/kernel/unprivileged_userns_clone", "0",
	  "set sysctl kernel.unprivileged_userns_clone to 1" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
	  "set sysctl kernel.apparmor_restrict_unprivileged_userns to 0" },
};

static bool is_set(const char *path, const char *value)
{
	FILE *file = fopen(path, "re");
	char line[32] = "";

	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		line[strcspn(line, "\n")] = '\0';
	(void)fclose(file);
	return strcmp(line, value) == 0;
}

/* The root of a chroot is no mount, unless somebody mounted it there. */
static bool is_chroot(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	bool has_root = !mounts;
	char where[256];

	while (mounts &&
	       fscanf(mounts, "%*s %*s %*s %*s %255s%*[^\n]", where) == 1)
		has_root |= strcmp(where, "/") == 0;
	if (mounts)
		(void)fclose(mounts);
	return !has_root;
}

static const char *advice_for(int error)
{
	if (error == -ENOSPC)
		return settings[0].advice;
	for (size_t i = 0; i < ARRAY_COUNT(settings); i++)
		if (is_set(settings[i].path, settings[i].refuses))
			return settings[i].advice;
	if (is_chroot())
		return "they are not available in a chroot: leave it";
	return "a chroot, a container or a security module refuses them";
}

static void ask(const void *argument, struct probe_answer *answer)
{
	/* Root of a namespace may have no other user to become. */
	if (geteuid() == 0 && setgroups(0, NULL) == 0 &&
	    setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	    setresuid(NOBODY, NOBODY, NOBODY) == 0)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	answer->error = sandbox_try_namespaces();
}

int probe_userns(char *to, size_t room)
{
	struct probe_answer answer;

	probe_in_child(ask, NULL, SECONDS, &answer);
	to[0] = '\0';
	if (answer.error == 0)
		return 0;
	(void)snprintf(to, room, "no user namespaces here (%s): %s",
		       answer.error == PROBE_FAILED
			       ? answer.text
			       : strerrorname_np(-answer.error),
		       advice_for(answer.error));
	return answer.error;
}
