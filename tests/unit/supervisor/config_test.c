/* SPDX-License-Identifier: MIT */
#include "supervisor/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/count.h"
#include "lib/harness.h"
#include "sandbox/sandbox.h"

static struct config config;
static struct refusal refusal;

static int parse(const char *text)
{
	char copy[1024];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	memset(&refusal, 0, sizeof(refusal));
	CHECK_EQ(config_default(&config, &refusal), 0);
	return config_parse(&config, "b.conf", copy, &refusal);
}

static int load(int count, const char *const *arguments)
{
	char *list[8] = { NULL };

	for (int i = 0; i < count; i++)
		list[i] = (char *)arguments[i];
	/* No settings of whoever runs this. */
	(void)setenv("XDG_CONFIG_HOME", "/nowhere", 1);
	memset(&refusal, 0, sizeof(refusal));
	return config_load(&config, count, list, &refusal);
}

#define LOAD(...)                                                              \
	load((int)ARRAY_COUNT(((const char *[]){ "bulkheadd", __VA_ARGS__ })), \
	     (const char *[]){ "bulkheadd", __VA_ARGS__ })

TEST(every_setting_can_be_set)
{
	CHECK_EQ(parse("# settings\n"
		       "state_dir = /a\n"
		       "  runtime_dir=/b # where sockets are\n"
		       "\n"
		       "libexec_dir = /c d\n"
		       "qemu = /e\n"
		       "socket_group = bulkhead\n"
		       "log_level = debug\r\n"
		       "disk_standby = 0\n"
		       "ready_ms = 100\n"
		       "memory_reserve_mib = 64\n"
		       "verb_ms = 300\n"
		       "save_ms = 200\n"
		       "shutdown_ms = 3600000\n"
		       "service_memory_mib = 512\n"
		       "service_tasks = 128\n"
		       "service_weight = 200\n"
		       "core_scheduling = 1\n"
		       "allow_missing = uid, root"),
		 0);

	CHECK_EQ(strcmp(config.state_dir, "/a"), 0);
	CHECK_EQ(strcmp(config.runtime_dir, "/b"), 0);
	CHECK_EQ(strcmp(config.libexec_dir, "/c d"), 0);
	CHECK_EQ(strcmp(config.qemu, "/e"), 0);
	CHECK_EQ(strcmp(config.socket_group, "bulkhead"), 0);
	CHECK_EQ(config.log_level, LOG_DEBUG);
	CHECK_EQ(config.disk_standby, 0);
	CHECK_EQ(config.ready_ms, 100);
	CHECK_EQ(config.memory_reserve_mib, 64);
	CHECK_EQ(config.verb_ms, 300);
	CHECK_EQ(config.save_ms, 200);
	CHECK_EQ(config.shutdown_ms, 3600000);
	CHECK_EQ(config.service_memory_mib, 512);
	CHECK_EQ(config.service_tasks, 128);
	CHECK_EQ(config.service_weight, 200);
	CHECK_EQ(config.core_scheduling, 1);
	CHECK_EQ(config.allow_missing, SANDBOX_UID | SANDBOX_ROOT);
}

static void check_refused(const char *text, const char *field, const char *rule)
{
	CHECK_EQ(parse(text), -EINVAL);
	(void)fprintf(stderr, "%s: %s\n", refusal.field, refusal.text);
	CHECK_EQ(strcmp(refusal.field, field), 0);
	CHECK(strstr(refusal.text, rule) != NULL);
}

TEST(a_bad_line_is_refused_with_its_number_and_the_rule)
{
	check_refused("\n# x\ncolour = red\n", "b.conf:3", "not a setting");
	check_refused("qemu\n", "b.conf:1", "no value");
	check_refused("qemu = /a\nqemu = /a\n", "b.conf:2", "twice");
	check_refused("qemu = bin/qemu\n", "b.conf:1", "absolute");
	check_refused("log_level = loud\n", "b.conf:1", "debug");
	check_refused("disk_standby = 2\n", "b.conf:1", "from 0 to 1");
	check_refused("ready_ms = 10\n", "b.conf:1", "from 100");
	check_refused("ready_ms = 10s\n", "b.conf:1", "number");
	check_refused("ready_ms =\n", "b.conf:1", "number");
}

TEST(a_value_too_long_is_refused)
{
	char text[400] = "state_dir = /";

	memset(text + strlen(text), 'a', PATH_SIZE);
	check_refused(text, "b.conf:1", "too long");
	check_refused("socket_group = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
		      "b.conf:1", "too long");
}

TEST(root_has_the_paths_of_the_system)
{
	if (geteuid() != 0)
		test_skip("only root has them");
	CHECK_EQ(config_default(&config, &refusal), 0);

	CHECK_EQ(strcmp(config.state_dir, "/var/lib/bulkhead"), 0);
	CHECK_EQ(strcmp(config.runtime_dir, "/run/bulkhead"), 0);
	CHECK_EQ(strcmp(config.file, "/etc/bulkhead/bulkheadd.conf"), 0);
}

static void become_user(void)
{
	if (geteuid() == 0)
		CHECK_EQ(seteuid(65534), 0);
	(void)unsetenv("XDG_STATE_HOME");
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)setenv("HOME", "/home/u", 1);
}

/* Leak checkers want their own user back. */
static void become_oneself(void)
{
	CHECK_EQ(seteuid(getuid()), 0);
}

TEST(an_ordinary_user_has_the_paths_of_xdg)
{
	become_user();
	CHECK_EQ(config_default(&config, &refusal), 0);
	CHECK_EQ(strcmp(config.state_dir, "/home/u/.local/state/bulkhead"), 0);
	CHECK_EQ(
		strcmp(config.runtime_dir, "/home/u/.local/state/bulkhead/run"),
		0);

	(void)setenv("XDG_STATE_HOME", "/s", 1);
	(void)setenv("XDG_RUNTIME_DIR", "/r", 1);
	(void)setenv("XDG_CONFIG_HOME", "/c", 1);
	CHECK_EQ(config_default(&config, &refusal), 0);
	CHECK_EQ(strcmp(config.state_dir, "/s/bulkhead"), 0);
	CHECK_EQ(strcmp(config.runtime_dir, "/r/bulkhead"), 0);
	CHECK_EQ(strcmp(config.file, "/c/bulkhead/bulkheadd.conf"), 0);
	become_oneself();
}

TEST(a_user_without_a_home_is_refused)
{
	become_user();
	(void)unsetenv("HOME");

	CHECK_EQ(config_default(&config, &refusal), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "HOME"), 0);

	(void)setenv("HOME", "here", 1);
	refusal.field[0] = '\0';
	CHECK_EQ(config_default(&config, &refusal), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "HOME"), 0);
	become_oneself();
}

TEST(a_state_directory_of_ones_own_brings_its_sockets)
{
	CHECK_EQ(LOAD("--state", "/s/x", "--keep"), 0);

	CHECK(config.is_kept);
	CHECK_EQ(strcmp(config.state_dir, "/s/x"), 0);
	CHECK_EQ(strcmp(config.runtime_dir, "/s/x/run"), 0);
	CHECK_EQ(strcmp(config.socket, "/s/x/run/bulkhead.sock"), 0);
	CHECK_EQ(strcmp(config.meet_dir, "/s/x/children/meet"), 0);
}

TEST(a_relative_state_directory_is_made_absolute)
{
	CHECK_EQ(chdir("/tmp"), 0);
	CHECK_EQ(LOAD("--state", "x"), 0);

	CHECK_EQ(strcmp(config.state_dir, "/tmp/x"), 0);
}

TEST(a_socket_path_too_long_is_refused)
{
	char directory[PATH_SIZE];

	memset(directory, 'a', sizeof(directory));
	directory[0] = '/';
	directory[99] = '\0';
	CHECK_EQ(LOAD("--state", directory), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "runtime_dir"), 0);

	directory[99] = 'a';
	directory[PATH_SIZE - 1] = '\0';
	CHECK_EQ(LOAD("--state", directory), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "--state"), 0);
}

TEST(an_unknown_option_is_refused_by_name)
{
	CHECK_EQ(LOAD("--colour"), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "--colour"), 0);
	CHECK_EQ(LOAD("now"), -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "now"), 0);
	CHECK_EQ(LOAD("--state"), -EINVAL);
}

TEST(version_and_help_need_no_file)
{
	CHECK_EQ(LOAD("--version", "--config", "/nowhere"), 0);
	CHECK_EQ(config.action, CONFIG_VERSION);
	CHECK_EQ(LOAD("--help"), 0);
	CHECK_EQ(config.action, CONFIG_HELP);
}

TEST(a_file_that_is_named_must_be_there)
{
	char path[] = "/tmp/config_test_XXXXXX";
	int fd = mkstemp(path);

	CHECK_EQ(LOAD("--config", "/nowhere.conf"), -ENOENT);
	CHECK(strstr(refusal.text, "/nowhere.conf") != NULL);

	CHECK_EQ(write(fd, "ready_ms = 123\n", 15), 15);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(LOAD("--config", path), 0);
	CHECK_EQ(config.ready_ms, 123);
	(void)unlink(path);
}

TEST(a_layer_that_cannot_be_required_cannot_be_allowed_to_miss)
{
	check_refused("allow_missing = landlock\n", "b.conf:1",
		      "must be some of no-new-privs,root,uid,capabilities,");
	check_refused("allow_missing = uid,\n", "b.conf:1", "must be some of");
}
