/* SPDX-License-Identifier: MIT */
#include "supervisor/client/client.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/scope.h"
#include "control/fields.h"
#include "supervisor/client/client_room.h"
#include "supervisor/errand/errand.h"
#include "supervisor/supervisor.h"

/* Rows a client has not read yet; one that is further behind is dropped. */
#define OUTBOX_BYTES (4u << 20)
/* Guests may be waiting for a child's message: children go first. */
#define CLIENT_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)
/* Connections a second; also while no descriptor is left to accept one. */
#define CONNECT_USEC  1000000
#define CONNECT_BURST 500

struct client_list {
	struct client_queue all; /* the one silent longest first */
	uint64_t last_id;
	int listen_fd;
	gid_t group; /* that may connect besides us and root */
	sd_event_source *source;
};

static void follow_event(void *context, const struct event_row *row);

static void client_free(struct client *client)
{
	struct client_list *list = client->supervisor->clients;

	if (client->follow_id)
		events_unfollow(client->supervisor->events, follow_event,
				client);
	TAILQ_REMOVE(&list->all, client, link);
	sd_event_source_disable_unref(client->source);
	control_close(&client->control);
	outbox_clear(&client->outbox);
	free(client);
}

static struct client *find_client(struct supervisor *supervisor, uint64_t id)
{
	struct client *client;

	if (!supervisor->clients || id == 0)
		return NULL;
	TAILQ_FOREACH(client, &supervisor->clients->all, link)
		if (client->id == id)
			return client;
	return NULL;
}

/* A client that does not read is dropped at its next message. */
static void send_to(struct client *client, uint32_t type, uint32_t request_id,
		    const void *body, const int *fds)
{
	const struct message_shape *shape = message_shape(type);
	int r;

	if (client->is_broken)
		return;
	r = outbox_send(&client->outbox, type, request_id, body,
			message_bytes(shape, body), fds, shape->fd_count);
	if (r == -EAGAIN)
		r = sd_event_source_set_io_events(client->source,
						  EPOLLIN | EPOLLOUT);
	if (r >= 0)
		return;
	client->is_broken = true;
	(void)shutdown(client->control.fd, SHUT_RDWR);
}

static bool is_waiting(struct supervisor *supervisor, uint64_t id)
{
	return find_client(supervisor, id) != NULL;
}

static void deliver_row(struct supervisor *supervisor,
			const struct ticket *ticket, uint32_t type,
			const void *body, const int *fds)
{
	struct client *client = find_client(supervisor, ticket->client);

	if (client)
		send_to(client, type, ticket->request_id, body, fds);
}

static void deliver_reply(struct supervisor *supervisor,
			  const struct ticket *ticket,
			  const struct reply *reply)
{
	struct client *client = find_client(supervisor, ticket->client);

	if (!client)
		return;
	send_to(client, MSG_REPLY, ticket->request_id, reply, NULL);
	client->pending_count--;
	TAILQ_REMOVE(&supervisor->clients->all, client, link);
	TAILQ_INSERT_TAIL(&supervisor->clients->all, client, link);
}

static const struct ticket_delivery delivery = {
	.is_waiting = is_waiting,
	.row = deliver_row,
	.reply = deliver_reply,
};

static void follow_event(void *context, const struct event_row *row)
{
	struct client *client = context;

	send_to(client, MSG_EVENT_ROW, client->follow_id, row, NULL);
}

int client_follow(struct supervisor *supervisor, const struct ticket *ticket)
{
	struct client *client = find_client(supervisor, ticket->client);
	int r;

	if (!client)
		return 0;
	if (client->follow_id)
		return -EALREADY;
	r = events_follow(supervisor->events, follow_event, client);
	if (r == 0)
		client->follow_id = ticket->request_id;
	return r;
}

/* An errand: most requests wait for the store, or for an image. */
static void carry_out(void *context)
{
	struct client *client = context;

	client_request(client, &client->message);
	message_release(&client->message);
	client->is_busy = false;
	if (client->is_broken)
		client_free(client);
	else
		(void)sd_event_source_set_enabled(client->source, SD_EVENT_ON);
}

static int on_message(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct client *client = data;
	int r;

	if ((events & EPOLLOUT) && !client->is_broken &&
	    outbox_flush(&client->outbox) == 0)
		(void)sd_event_source_set_io_events(source, EPOLLIN);
	r = control_receive(&client->control, &client->message);
	if (r == -EAGAIN)
		return 0;
	if (r < 0) {
		client_free(client);
		return 0;
	}
	client->is_busy = true;
	client->pending_count++;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	errand_run(client->supervisor->errands, carry_out, client);
	return 0;
}

/* A child of ours, or what it has started: its engine. Where children have the
 * uid of their user, the uid does not tell. */
static bool is_child(const struct supervisor *supervisor, pid_t pid)
{
	const struct process *process;
	pid_t parent = process_parent(pid);

	TAILQ_FOREACH(process, &supervisor->processes, link)
		if (process->pid > 0 &&
		    (process->pid == pid || process->pid == parent))
			return true;
	return false;
}

/* Fills in who it is. */
static bool may_ask(const struct supervisor *supervisor, int fd,
		    struct client *newcomer)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	gid_t groups[64];
	socklen_t groups_size = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ||
	    is_child(supervisor, who.pid))
		return false;
	newcomer->uid = who.uid;
	newcomer->is_privileged = who.uid == 0 || who.uid == geteuid();
	if (newcomer->is_privileged)
		return true;
	if (supervisor->clients->group == (gid_t)-1)
		return false;
	if (who.gid == supervisor->clients->group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_size) < 0)
		return false;
	for (size_t i = 0; i < groups_size / sizeof(groups[0]); i++)
		if (groups[i] == supervisor->clients->group)
			return true;
	return false;
}

/* A REPLY to request 0: to whatever it will ask, or has asked. */
static void turn_away(struct control *control, const char *text)
{
	struct reply reply = { .status = -EBUSY, .refused = 1 };

	(void)snprintf(reply.text, sizeof(reply.text), "%s", text);
	(void)control_send(control, MSG_REPLY, 0, &reply, sizeof(reply), NULL,
			   0);
}

static bool make_room(struct supervisor *supervisor, struct control *control,
		      const struct client *newcomer)
{
	struct client *leaver;

	if (!client_has_room(&supervisor->clients->all, newcomer, &leaver)) {
		turn_away(control, "too many requests are in progress: wait "
				   "until one has finished");
		return false;
	}
	if (leaver) {
		turn_away(&leaver->control, "the connection was idle while "
					    "others waited for one: try again");
		client_free(leaver);
	}
	return true;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct supervisor *supervisor = data;
	struct client_list *list = supervisor->clients;
	SCOPED(close_fd)
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client newcomer = { .supervisor = supervisor };
	struct client *client;

	if (peer < 0 || !may_ask(supervisor, peer, &newcomer) ||
	    !make_room(supervisor, &(struct control){ peer }, &newcomer))
		return 0;
	client = calloc(1, sizeof(*client));
	if (!client)
		return 0;
	*client = newcomer;
	client->id = ++list->last_id;
	client->control.fd = take_fd(&peer);
	outbox_open(&client->outbox, &client->control, OUTBOX_BYTES);
	TAILQ_INSERT_TAIL(&list->all, client, link);
	if (sd_event_add_io(supervisor->event, &client->source,
			    client->control.fd, EPOLLIN, on_message,
			    client) < 0 ||
	    sd_event_source_set_priority(client->source, CLIENT_PRIORITY) < 0)
		client_free(client);
	return 0;
}

static int find_group(const struct config *config, gid_t *ret_group,
		      struct refusal *refusal)
{
	const struct group *group;

	*ret_group = (gid_t)-1;
	if (!config->socket_group[0])
		return 0;
	group = getgrnam(config->socket_group);
	if (!group)
		return refuse(refusal, -ENOENT, "socket_group",
			      "there is no group %s", config->socket_group);
	*ret_group = group->gr_gid;
	return 0;
}

/* Members of the group reach the socket, and list nothing. */
static int open_directory_to(const char *directory, gid_t group)
{
	struct stat status;

	if (stat(directory, &status) < 0)
		return -errno;
	if (status.st_mode & S_IXOTH)
		return 0;
	return chown(directory, (uid_t)-1, group) < 0 ||
			       chmod(directory, 0710) < 0
		       ? -errno
		       : 0;
}

static int bind_socket(struct supervisor *supervisor, struct refusal *refusal)
{
	const char *path = supervisor->config.socket;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	SCOPED(close_fd) int fd = NO_FD;
	gid_t group = supervisor->clients->group;

	(void)text_copy(address.sun_path, sizeof(address.sun_path), path);
	(void)unlink(path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (group != (gid_t)-1 &&
	     (open_directory_to(supervisor->config.runtime_dir, group) < 0 ||
	      chown(path, (uid_t)-1, group) < 0)) ||
	    chmod(path, group == (gid_t)-1 ? 0600 : 0660) < 0 ||
	    listen(fd, 32) < 0)
		return refuse(refusal, -errno, "runtime_dir",
			      "cannot listen on %s: %s", path, strerror(errno));
	supervisor->clients->listen_fd = take_fd(&fd);
	return 0;
}

int clients_check(struct supervisor *supervisor, struct refusal *refusal)
{
	gid_t group;

	return find_group(&supervisor->config, &group, refusal);
}

int clients_listen(struct supervisor *supervisor, struct refusal *refusal)
{
	struct client_list *list = calloc(1, sizeof(*list));
	int r;

	if (!list)
		return refuse(refusal, -ENOMEM, "", "out of memory");
	supervisor->clients = list;
	supervisor->delivery = &delivery;
	TAILQ_INIT(&list->all);
	list->listen_fd = NO_FD;
	r = find_group(&supervisor->config, &list->group, refusal);
	if (r == 0)
		r = bind_socket(supervisor, refusal);
	if (r < 0)
		return r;
	r = sd_event_add_io(supervisor->event, &list->source, list->listen_fd,
			    EPOLLIN, on_connect, supervisor);
	if (r >= 0)
		r = sd_event_source_set_priority(list->source, CLIENT_PRIORITY);
	if (r >= 0)
		r = sd_event_source_set_ratelimit(list->source, CONNECT_USEC,
						  CONNECT_BURST);
	return r < 0 ? refuse(refusal, r, "", "out of memory") : 0;
}

void clients_close(struct supervisor *supervisor)
{
	struct client_list *list = supervisor->clients;
	struct client *client;

	if (!list)
		return;
	while ((client = TAILQ_FIRST(&list->all)))
		client_free(client);
	sd_event_source_disable_unref(list->source);
	close_fd(&list->listen_fd);
	free(list);
	supervisor->clients = NULL;
	supervisor->delivery = NULL;
}
