/* SPDX-License-Identifier: MIT */
#include "supervisor/config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"

#define FILE_BYTES_MAX (64u << 10)

const char config_usage[] =
	"usage: bulkheadd [--config FILE] [--state DIR] [--keep]\n"
	"       bulkheadd --recover [--config FILE] [--state DIR]\n"
	"       bulkheadd --version | --help\n"
	"\n"
	"  --config FILE  settings, instead of the default file\n"
	"  --state DIR    keep the store there, and sockets in DIR/run\n"
	"  --keep         restart the supervisor whenever it dies\n"
	"  --recover      replace a damaged store by its newest intact copy\n"
	"  --version      print the version\n"
	"  --help         print this\n"
	"\n"
	"See bulkheadd(8) and bulkheadd.conf(5).\n";

/* -- defaults -- */

static int format_path(char *to, size_t room, const char *directory,
		       const char *name)
{
	int length = snprintf(to, room, "%s/%s", directory, name);

	return length < 0 || (size_t)length >= room ? -ENAMETOOLONG : 0;
}

/* $VARIABLE/name, or $HOME/fallback/name. */
static int xdg_path(char to[PATH_SIZE], const char *variable,
		    const char *fallback, const char *name)
{
	const char *base = getenv(variable);
	const char *home = getenv("HOME");
	char directory[PATH_SIZE];
	int r;

	if (base && base[0] == '/')
		return format_path(to, PATH_SIZE, base, name);
	if (!home || home[0] != '/')
		return -ENOENT;
	r = format_path(directory, sizeof(directory), home, fallback);
	return r < 0 ? r : format_path(to, PATH_SIZE, directory, name);
}

static int user_paths(struct config *config)
{
	int r = xdg_path(config->state_dir, "XDG_STATE_HOME", ".local/state",
			 "bulkhead");

	if (r == 0)
		r = xdg_path(config->file, "XDG_CONFIG_HOME", ".config",
			     "bulkhead/bulkheadd.conf");
	if (r < 0)
		return r;
	/* Without a run-time directory of the session, beside the state. */
	if (getenv("XDG_RUNTIME_DIR"))
		return xdg_path(config->runtime_dir, "XDG_RUNTIME_DIR", "",
				"bulkhead");
	return format_path(config->runtime_dir, sizeof(config->runtime_dir),
			   config->state_dir, "run");
}

static void root_paths(struct config *config)
{
	(void)text_copy(config->state_dir, PATH_SIZE, "/var/lib/bulkhead");
	(void)text_copy(config->runtime_dir, PATH_SIZE, "/run/bulkhead");
	(void)text_copy(config->file, PATH_SIZE,
			"/etc/bulkhead/bulkheadd.conf");
}

/* Take DIRECTORY/SUFFIX if PROGRAM is in it. */
static bool try_libexec(struct config *config, const char *directory,
			const char *suffix, const char *program)
{
	char candidate[PATH_SIZE];
	char path[PATH_SIZE];

	if (format_path(candidate, sizeof(candidate), directory, suffix) < 0 ||
	    format_path(path, sizeof(path), candidate, program) < 0 ||
	    access(path, X_OK) < 0)
		return false;
	(void)text_copy(config->libexec_dir, PATH_SIZE, candidate);
	return true;
}

/* Beside our own binary, in the folders of a build tree, or installed. */
static void find_libexec(struct config *config)
{
	char path[PATH_SIZE];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	(void)text_copy(config->libexec_dir, PATH_SIZE,
			"/usr/libexec/bulkhead");
	if (length <= 0)
		return;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return;
	*slash = '\0';
	if (try_libexec(config, path, ".", "bulkhead-monitor") ||
	    try_libexec(config, path, "..", "monitor/bulkhead-monitor"))
		return;
	(void)try_libexec(config, path, "../libexec/bulkhead",
			  "bulkhead-monitor");
}

int config_default(struct config *ret_config, struct refusal *ret_refusal)
{
	struct config config = {
		.qemu = "/usr/bin/qemu-system-x86_64",
		.log_level = LOG_INFO,
		.disk_standby = 1,
		.memory_reserve_mib = 256,
		.ready_ms = 10000,
		.verb_ms = 30000,
		.save_ms = 300000,
		.shutdown_ms = 60000,
		.service_tasks = 256,
		/* Many guests may wait for one of them. */
		.service_weight = 100,
	};

	if (geteuid() == 0)
		root_paths(&config);
	else if (user_paths(&config) < 0)
		return refuse(ret_refusal, -EINVAL, "HOME",
			      "must be set to an absolute path that is not "
			      "too long");
	find_libexec(&config);
	*ret_config = config;
	return 0;
}

static int read_text(const char *path, char **ret_text)
{
	SCOPED(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	SCOPED(free_pointer) char *text = NULL;
	ssize_t bytes;

	if (fd < 0)
		return -errno;
	text = calloc(1, FILE_BYTES_MAX + 1);
	if (!text)
		return -ENOMEM;
	bytes = read(fd, text, FILE_BYTES_MAX + 1);
	if (bytes < 0)
		return -errno;
	if (bytes > FILE_BYTES_MAX)
		return -EFBIG;
	*ret_text = text;
	text = NULL;
	return 0;
}

static int load_file(struct config *config, const char *path, bool may_miss,
		     struct refusal *refusal)
{
	SCOPED(free_pointer) char *text = NULL;
	int r = read_text(path, &text);

	if (r == -ENOENT && may_miss) {
		config->file[0] = '\0';
		return 0;
	}
	if (r < 0)
		return refuse(refusal, r, "--config", "%.100s: %s", path,
			      strerror(-r));
	if (text_copy(config->file, sizeof(config->file), path) < 0)
		return refuse(refusal, -EINVAL, "--config", "is too long");
	return config_parse(config, path, text, refusal);
}

/* -- the command line -- */

struct command_line {
	const char *file;
	const char *state_dir;
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "state", required_argument, NULL, 's' },
	{ "keep", no_argument, NULL, 'k' },
	{ "recover", no_argument, NULL, 'r' },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int take_option(struct config *config, struct command_line *line,
		       int option)
{
	switch (option) {
	case 'c':
		line->file = optarg;
		return 0;
	case 's':
		line->state_dir = optarg;
		return 0;
	case 'k':
		config->is_kept = true;
		return 0;
	case 'r':
		config->action = CONFIG_RECOVER;
		return 0;
	case 'v':
		config->action = CONFIG_VERSION;
		return 0;
	case 'h':
		config->action = CONFIG_HELP;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse_arguments(struct config *config, struct command_line *line,
			   int count, char *const arguments[],
			   struct refusal *refusal)
{
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(count, arguments, "", options, NULL)) !=
	       -1) {
		if (take_option(config, line, option) < 0)
			return refuse(refusal, -EINVAL, arguments[optind - 1],
				      "is not an option, or lacks its value");
	}
	if (optind < count)
		return refuse(refusal, -EINVAL, arguments[optind],
			      "is not expected");
	return 0;
}

/* The option names a directory of one's own: it brings its run-time one. */
static int set_state_dir(struct config *config, const char *state_dir,
			 struct refusal *refusal)
{
	char absolute[PATH_SIZE];
	int r;

	if (!state_dir)
		return 0;
	if (state_dir[0] == '/') {
		r = text_copy(absolute, sizeof(absolute), state_dir);
	} else {
		char here[PATH_SIZE];

		r = getcwd(here, sizeof(here)) ? 0 : -errno;
		if (r == 0)
			r = format_path(absolute, sizeof(absolute), here,
					state_dir);
	}
	if (r == 0)
		r = text_copy(config->state_dir, PATH_SIZE, absolute);
	if (r == 0)
		r = format_path(config->runtime_dir, PATH_SIZE, absolute,
				"run");
	if (r < 0)
		return refuse(refusal, -EINVAL, "--state", "is too long");
	return 0;
}

/* What follows from the two directories. */
static int derive_paths(struct config *config, struct refusal *refusal)
{
	if (format_path(config->socket, sizeof(config->socket),
			config->runtime_dir, "bulkhead.sock") < 0)
		return refuse(refusal, -EINVAL, "runtime_dir",
			      "is too long: a socket's path has at most %zu "
			      "characters",
			      sizeof(config->socket) - 1);
	if (format_path(config->meet_dir, sizeof(config->meet_dir),
			config->state_dir, "children/meet") < 0)
		return refuse(refusal, -EINVAL, "state_dir", "is too long");
	return 0;
}

int config_load(struct config *ret_config, int argument_count,
		char *const arguments[], struct refusal *ret_refusal)
{
	struct command_line line = { 0 };
	struct config config;
	char file[PATH_SIZE];
	int r = config_default(&config, ret_refusal);

	if (r == 0)
		r = parse_arguments(&config, &line, argument_count, arguments,
				    ret_refusal);
	if (r == 0 && config.action == CONFIG_RECOVER && config.is_kept)
		r = refuse(ret_refusal, -EINVAL, "--recover",
			   "goes without --keep: start bulkheadd --keep "
			   "afterwards");
	if (r == 0 && config.action <= CONFIG_RECOVER) {
		memcpy(file, config.file, sizeof(file));
		r = load_file(&config, line.file ? line.file : file,
			      line.file == NULL, ret_refusal);
	}
	if (r == 0)
		r = set_state_dir(&config, line.state_dir, ret_refusal);
	if (r == 0)
		r = derive_paths(&config, ret_refusal);
	if (r == 0)
		*ret_config = config;
	return r;
}
