/* SPDX-License-Identifier: MIT */
#include "lib/service_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "control/definition_message.h"
#include "control/protocol.h"
#include "lib/harness.h"

#define WAIT_MS 5000

static int make_rendezvous(struct service_rig *rig)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(rig->meet_path, sizeof(rig->meet_path),
		       "/tmp/service-rig-XXXXXX");
	CHECK(mkdtemp(rig->meet_path) != NULL);
	(void)snprintf(address.sun_path, sizeof(address.sun_path),
		       "%s/supervisor", rig->meet_path);
	rig->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(rig->listener, (struct sockaddr *)&address,
		      sizeof(address)),
		 0);
	CHECK_EQ(listen(rig->listener, 4), 0);
	return open(rig->meet_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void become_service(int link, const char *program,
			   const char *environment)
{
	/* A test that fails leaves no service behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The leak check of sanitizers wants to trace a sealed process. */
	(void)setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
	if (environment)
		(void)putenv((char *)environment);
	if (link == CONTROL_CHILD_FD)
		(void)fcntl(link, F_SETFD, 0);
	else
		(void)dup2(link, CONTROL_CHILD_FD);
	(void)execl(program, program, (char *)NULL);
	_exit(127);
}

void service_rig_start(struct service_rig *rig, uint32_t role,
		       const char *program, const char *environment)
{
	struct child_settings settings = {
		.name = "test",
		.token = "0123456789abcde",
		.role = role,
		.log_level = LOG_WARN,
	};
	SCOPED(close_fd) int meet = make_rendezvous(rig);
	struct child_ready ready;
	struct control theirs;

	CHECK(program != NULL);
	CHECK_EQ(control_pair(&rig->link, &theirs), 0);
	rig->pid = fork();
	CHECK(rig->pid >= 0);
	if (rig->pid == 0)
		become_service(theirs.fd, program, environment);
	control_close(&theirs);
	CHECK_EQ(control_send(&rig->link, MSG_CHILD_SETTINGS, 0, &settings,
			      sizeof(settings), &meet, 1),
		 0);
	service_rig_expect(rig, MSG_CHILD_READY, &ready, sizeof(ready));
}

void service_rig_stop(struct service_rig *rig)
{
	char path[96];

	(void)kill(rig->pid, SIGKILL);
	(void)waitpid(rig->pid, NULL, 0);
	control_close(&rig->link);
	close_fd(&rig->listener);
	(void)snprintf(path, sizeof(path), "%s/supervisor", rig->meet_path);
	(void)unlink(path);
	(void)rmdir(rig->meet_path);
}

void service_rig_send(struct service_rig *rig, uint32_t type, const void *body,
		      size_t body_bytes, const int *fds, size_t fd_count)
{
	CHECK_EQ(control_send(&rig->link, type, 0, body, body_bytes, fds,
			      fd_count),
		 0);
}

void service_rig_send_definition(struct service_rig *rig, uint32_t type,
				 const void *body, const void *value,
				 const int *fds)
{
	struct definition_message message;
	int bytes = definition_message_make(type, body, value, &message);

	CHECK(bytes > 0);
	service_rig_send(rig, type, &message, (size_t)bytes, fds,
			 message_shape(type)->fd_count);
}

void service_rig_expect(struct service_rig *rig, uint32_t type, void *ret_body,
			size_t body_bytes)
{
	struct pollfd wait = { .fd = rig->link.fd, .events = POLLIN };
	struct message message;

	CHECK_EQ(poll(&wait, 1, WAIT_MS), 1);
	CHECK_EQ(control_receive(&rig->link, &message), 0);
	CHECK_EQ(message.type, type);
	CHECK_EQ(message.body_bytes, body_bytes);
	if (body_bytes)
		memcpy(ret_body, message.body, body_bytes);
	message_release(&message);
}
