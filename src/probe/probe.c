/* SPDX-License-Identifier: MIT */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "base/scope.h"
#include "base/text.h"
#include "probe/probe_rows.h"

/* Where a QEMU may be that the jail can show (jail.h binds /usr). */
static const char *const qemu_paths[] = {
	"/usr/bin/qemu-system-x86_64",
	"/usr/local/bin/qemu-system-x86_64",
	"/usr/libexec/qemu-kvm",
};

void probe_add(struct probe_table *table, const char *id,
	       enum probe_verdict verdict, const char *advice,
	       const char *format, ...)
{
	struct probe_row *row;
	va_list arguments;

	if (table->count == PROBE_ROW_MAX)
		return;
	row = &table->rows[table->count++];
	row->verdict = verdict;
	(void)snprintf(row->id, sizeof(row->id), "%s", id);
	(void)snprintf(row->advice, sizeof(row->advice), "%s",
		       advice ? advice : "");
	va_start(arguments, format);
	(void)vsnprintf(row->detail, sizeof(row->detail), format, arguments);
	va_end(arguments);
}

static void set_failed(struct probe_answer *answer, const char *text)
{
	answer->error = PROBE_FAILED;
	(void)text_copy(answer->text, sizeof(answer->text), text);
}

static void child_main(void (*ask)(const void *, struct probe_answer *),
		       const void *argument, unsigned int seconds, int to)
{
	struct probe_answer answer = { 0 };

	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(seconds);
	ask(argument, &answer);
	(void)!write(to, &answer, sizeof(answer));
	_exit(0);
}

/* A child in the kernel may not even take SIGALRM; it does not hold us up. */
static void collect(pid_t pid, int from, unsigned int seconds,
		    struct probe_answer *answer)
{
	struct pollfd poller = { .fd = from, .events = POLLIN };
	int status = 0;
	char text[PROBE_CHILD_TEXT];

	if (poll(&poller, 1, (int)(seconds + 1) * 1000) != 1) {
		(void)kill(pid, SIGKILL);
		set_failed(answer, "does not return from the kernel");
		return;
	}
	if (read(from, answer, sizeof(*answer)) == (ssize_t)sizeof(*answer)) {
		answer->text[sizeof(answer->text) - 1] = '\0';
		(void)waitpid(pid, NULL, 0);
		return;
	}
	(void)waitpid(pid, &status, 0);
	(void)snprintf(text, sizeof(text),
		       WTERMSIG(status) == SIGALRM
			       ? "not finished after %u s"
			       : "the probe died after at most %u s",
		       seconds);
	set_failed(answer, text);
}

void probe_in_child(void (*ask)(const void *, struct probe_answer *),
		    const void *argument, unsigned int seconds,
		    struct probe_answer *ret_answer)
{
	SCOPED(close_fd) int from = NO_FD;
	SCOPED(close_fd) int to = NO_FD;
	int ends[2];
	pid_t pid;

	memset(ret_answer, 0, sizeof(*ret_answer));
	if (pipe2(ends, O_CLOEXEC) < 0) {
		ret_answer->error = -errno;
		return;
	}
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid == 0)
		child_main(ask, argument, seconds, to);
	close_fd(&to);
	if (pid < 0)
		ret_answer->error = -errno;
	else
		collect(pid, from, seconds, ret_answer);
}

static const char *find_qemu(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(qemu_paths); i++)
		if (access(qemu_paths[i], X_OK) == 0)
			return qemu_paths[i];
	return NULL;
}

static void read_line(int fd, char *line, size_t room)
{
	size_t used = 0;

	while (used < room - 1 && read(fd, line + used, 1) == 1 &&
	       line[used] != '\n')
		used++;
	line[used] = '\0';
}

static void ask_version(const void *path, struct probe_answer *answer)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		answer->error = -errno;
		return;
	}
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)execl(path, path, "-version", (char *)NULL);
		_exit(1);
	}
	(void)close(ends[1]);
	read_line(ends[0], answer->text, sizeof(answer->text));
	if (!strstr(answer->text, "version"))
		answer->error = PROBE_FAILED;
}

static void probe_qemu(struct probe_table *table)
{
	static const char advice[] =
		"install it: apt-get install qemu-system-x86";
	const char *path = find_qemu();
	struct probe_answer answer;

	if (!path) {
		probe_add(table, "qemu", PROBE_NO, advice,
			  "qemu-system-x86_64 is not below /usr");
		return;
	}
	probe_in_child(ask_version, path, 10, &answer);
	if (answer.error)
		probe_add(table, "qemu", PROBE_NO, advice,
			  "%s does not tell its version", path);
	else
		probe_add(table, "qemu", PROBE_YES, NULL, "%s: %s", path,
			  answer.text);
}

void probe_engines(struct probe_table *ret_table)
{
	ret_table->count = 0;
	probe_qemu(ret_table);
	probe_kvm(ret_table);
}

void probe_all(struct probe_table *ret_table)
{
	probe_engines(ret_table);
	probe_host(ret_table);
}

const struct probe_row *probe_find(const struct probe_table *table,
				   const char *id)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->rows[i].id, id) == 0)
			return &table->rows[i];
	return NULL;
}

const char *probe_verdict_name(enum probe_verdict verdict)
{
	switch (verdict) {
	case PROBE_YES:
		return "yes";
	case PROBE_PARTIAL:
		return "partial";
	case PROBE_NO:
		break;
	}
	return "no";
}

static void judge_kvm(const struct probe_table *table,
		      struct probe_engine *engine)
{
	const struct probe_row *kvm = probe_find(table, "kvm");
	const struct probe_row *missing;

	engine->has_kvm = probe_can_kvm(table, &missing);
	if (engine->has_kvm)
		missing = kvm;
	(void)snprintf(engine->kvm_reason, sizeof(engine->kvm_reason), "%s%s",
		       missing == kvm ? "" : "KVM lacks ",
		       missing ? missing->detail : "KVM was not probed");
}

static int take_kvm(const struct probe_row *kvm, struct probe_engine *engine)
{
	engine->engine = ENGINE_KVM;
	(void)snprintf(engine->reason, sizeof(engine->reason), "kvm: %s",
		       kvm->detail);
	return 0;
}

static int take_qemu(const struct probe_row *qemu, struct probe_engine *engine)
{
	bool has_kvm = engine->accelerator == PROBE_KVM;

	engine->engine = ENGINE_QEMU;
	if (!engine->qemu[0]) {
		(void)snprintf(engine->reason, sizeof(engine->reason),
			       "no engine: %s",
			       qemu ? qemu->detail : "QEMU was not probed");
		return -ENOENT;
	}
	(void)snprintf(engine->reason, sizeof(engine->reason),
		       "qemu with %s: %.170s", has_kvm ? "KVM" : "TCG",
		       engine->kvm_reason);
	return 0;
}

int probe_engine(const struct probe_table *table,
		 struct probe_engine *ret_engine)
{
	const struct probe_row *qemu = probe_find(table, "qemu");
	const struct probe_row *kvm = probe_find(table, "kvm");
	const char *path = find_qemu();

	memset(ret_engine, 0, sizeof(*ret_engine));
	judge_kvm(table, ret_engine);
	if (kvm && kvm->verdict == PROBE_YES)
		ret_engine->accelerator = PROBE_KVM;
	if (path && qemu && qemu->verdict != PROBE_NO)
		(void)text_copy(ret_engine->qemu, sizeof(ret_engine->qemu),
				path);
	return ret_engine->has_kvm ? take_kvm(kvm, ret_engine)
				   : take_qemu(qemu, ret_engine);
}

const char *probe_engine_name(const struct probe_engine *engine)
{
	if (engine->engine == ENGINE_KVM)
		return "kvm";
	return engine->qemu[0] ? "qemu" : "none";
}
