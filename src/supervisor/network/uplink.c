/* SPDX-License-Identifier: MIT */
#include "supervisor/network/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/major.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "base/failpoint.h"
#include "base/scope.h"
#include "supervisor/child/spawn_child.h"
#include "supervisor/errand/errand.h"

#define TUN_MINOR         200 /* /dev/net/tun */
#define VNET_HEADER_BYTES 12  /* struct virtio_net_hdr_v1 */
/* How long one that is in use is waited for. */
#define BUSY_TRIES    20
#define BUSY_PAUSE_MS 10
/* Room for a whole window of TCP on its way to passt. */
#define STREAM_BYTES (4 << 20)
#define PASST_FD     "3" /* spawn_program() puts it there */

static int refuse_uplink(struct refusal *refusal, int error, const char *name,
			 const char *what)
{
	if (error == -EPERM || error == -EACCES)
		return refuse(refusal, -EPERM, "uplink",
			      "%s cannot be opened: %s needs privileges", name,
			      what);
	if (error == -EBUSY)
		return refuse(refusal, error, "uplink",
			      "%s is in use by someone else", name);
	return refuse(refusal, error, "uplink", "%s: %s fails: %s", name, what,
		      strerror(-error));
}

/* TAP. ----------------------------------------------------------------------- */

static int set_up(const char *interface)
{
	SCOPED(close_fd)
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	(void)snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -errno;
	if (request.ifr_flags & IFF_UP)
		return 0;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* `name` may have a %d, of which the kernel makes a free number. */
static int open_tap(const char *name, struct uplink *uplink)
{
	const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	const int header = VNET_HEADER_BYTES, little = 1;
	struct ifreq request = { .ifr_flags =
					 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	SCOPED(close_fd)
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
	    ioctl(fd, TUNSETVNETLE, &little) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
		return -errno;
	(void)snprintf(uplink->interface, sizeof(uplink->interface), "%s",
		       request.ifr_name);
	uplink->fd = take_fd(&fd);
	return 0;
}

static int open_named_tap(const struct switch_definition *definition,
			  struct uplink *uplink, struct refusal *refusal)
{
	int r = open_tap(definition->uplink.name, uplink);

	if (r == 0)
		r = set_up(uplink->interface);
	return r < 0 ? refuse_uplink(refusal, r, definition->uplink.name,
				     "a TAP interface")
		     : 0;
}

static bool is_bridge(const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
	return access(path, F_OK) == 0;
}

static int join_bridge(const char *bridge, const char *interface)
{
	SCOPED(close_fd)
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	(void)snprintf(request.ifr_name, IFNAMSIZ, "%s", bridge);
	request.ifr_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || ioctl(fd, SIOCBRADDIF, &request) < 0)
		return -errno;
	return 0;
}

static int open_bridge(const struct switch_definition *definition,
		       struct uplink *uplink, struct refusal *refusal)
{
	const char *bridge = definition->uplink.name;
	int r;

	if (!is_bridge(bridge))
		return refuse(refusal, -ENODEV, "uplink",
			      "there is no bridge %s", bridge);
	r = open_tap("bulkhead%d", uplink);
	if (r == 0)
		r = set_up(uplink->interface);
	if (r == 0)
		r = join_bridge(bridge, uplink->interface);
	return r < 0 ? refuse_uplink(refusal, r, bridge,
				     "a TAP interface in it")
		     : 0;
}

/* Packet socket. ------------------------------------------------------------- */

static int set_packet(int fd, int option)
{
	const int on = 1;

	return setsockopt(fd, SOL_PACKET, option, &on, sizeof(on));
}

static int bind_packet(int fd, int index)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = index,
	};
	const struct packet_mreq all = { .mr_ifindex = index,
					 .mr_type = PACKET_MR_PROMISC };

	if (set_packet(fd, PACKET_VNET_HDR) < 0 ||
	    set_packet(fd, PACKET_AUXDATA) < 0 ||
	    set_packet(fd, PACKET_IGNORE_OUTGOING) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all,
		       sizeof(all)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static int open_packet(const struct switch_definition *definition,
		       struct uplink *uplink, struct refusal *refusal)
{
	int index = (int)if_nametoindex(definition->uplink.name);
	SCOPED(close_fd) int fd = NO_FD;
	int r;

	if (index == 0)
		return refuse(refusal, -ENODEV, "uplink",
			      "there is no interface %s",
			      definition->uplink.name);
	/* Protocol 0: nothing of other interfaces before it is bound. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_packet(fd, index);
	if (r < 0)
		return refuse_uplink(refusal, r, definition->uplink.name,
				     "a packet socket");
	(void)snprintf(uplink->interface, sizeof(uplink->interface), "%s",
		       definition->uplink.name);
	uplink->fd = take_fd(&fd);
	return 0;
}

/* passt. ---------------------------------------------------------------------- */

static void set_room(int fd)
{
	const int bytes = STREAM_BYTES;

	/* A user's limit may be less; then frames are dropped sooner. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) <
	    0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
				 sizeof(bytes));
}

/* A line of the kernel's table of routes that leads anywhere. */
static bool is_default_route(const char *line)
{
	unsigned destination, gateway, flags, mask;

	return sscanf(line, "%*s %x %x %x %*d %*d %*d %x", &destination,
		      &gateway, &flags, &mask) == 4 &&
	       destination == 0 && mask == 0;
}

static bool has_route_out(void)
{
	FILE *routes = fopen("/proc/net/route", "re");
	bool is_found = false;
	char line[256];

	while (routes && !is_found && fgets(line, sizeof(line), routes))
		is_found = is_default_route(line);
	if (routes)
		(void)fclose(routes);
	return is_found;
}

/* Its guests have the addresses of the host's way out, and it ends if there is
 * none; then they get these. */
static const char *const secluded[] = {
	"-4", "-i", "lo",       "-a", "10.0.2.15",         "-n",
	"24", "-g", "10.0.2.2", "-M", "02:00:00:00:00:01",
};

/* The gateway's address is not the host's loopback, unless asked for. */
static void passt_arguments(const struct switch_definition *definition,
			    const char **arguments)
{
	static const char *const always[] = { "passt", "-f", "-q", "-F",
					      PASST_FD };
	size_t count = ARRAY_COUNT(always);

	memcpy(arguments, always, sizeof(always));
	if (!definition->uplink.name[0])
		arguments[count++] = "--no-map-gw";
	if (!has_route_out()) {
		memcpy(arguments + count, secluded, sizeof(secluded));
		count += ARRAY_COUNT(secluded);
	}
	arguments[count] = NULL;
}

static int open_passt(const struct switch_definition *definition,
		      struct uplink *uplink, struct refusal *refusal)
{
	const char *arguments[8 + ARRAY_COUNT(secluded)];
	struct spawn spawn = { .log_fd = NO_FD, .group_fd = NO_FD };
	struct spawned spawned;
	int fds[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return refuse_uplink(refusal, -errno, "passt", "a socket");
	uplink->fd = fds[0];
	set_room(fds[0]);
	set_room(fds[1]);
	passt_arguments(definition, arguments);
	spawn.control_fd = fds[1];
	r = spawn_program(arguments, &spawn, &spawned);
	close_fd(&fds[1]);
	if (r == -ENOENT)
		return refuse(refusal, r, "uplink", "passt is not installed");
	if (r < 0)
		return refuse_uplink(refusal, r, "passt", "starting it");
	uplink->passt_pidfd = spawned.pidfd;
	return 0;
}

static int open_once(const struct switch_definition *definition,
		     struct uplink *ret_uplink, struct refusal *ret_refusal)
{
	struct uplink uplink = UPLINK_CLOSED;
	int r = -EINVAL;

	errand_step_aside();
	(void)failpoint("uplink.open");
	if (definition->uplink.kind == UPLINK_TAP)
		r = open_named_tap(definition, &uplink, ret_refusal);
	if (definition->uplink.kind == UPLINK_BRIDGE)
		r = open_bridge(definition, &uplink, ret_refusal);
	if (definition->uplink.kind == UPLINK_PACKET)
		r = open_packet(definition, &uplink, ret_refusal);
	if (definition->uplink.kind == UPLINK_PASST)
		r = open_passt(definition, &uplink, ret_refusal);
	errand_step_back();
	if (r < 0)
		uplink_close(&uplink);
	else
		*ret_uplink = uplink;
	return r;
}

/*
 * One that was closed a moment ago may still be open in a child of ours that is
 * being started: it has a copy of every descriptor until its program runs.
 */
int uplink_open(const struct switch_definition *definition,
		struct uplink *ret_uplink, struct refusal *ret_refusal)
{
	int r = open_once(definition, ret_uplink, ret_refusal);

	for (int i = 0; r == -EBUSY && i < BUSY_TRIES; i++) {
		errand_step_aside();
		(void)poll(NULL, 0, BUSY_PAUSE_MS);
		errand_step_back();
		r = open_once(definition, ret_uplink, ret_refusal);
	}
	return r;
}

/* Taking back. ---------------------------------------------------------------- */

bool uplink_is_in_bridge(const struct uplink *uplink, const char *bridge)
{
	char path[64], target[128];
	const char *name;
	ssize_t bytes;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/master",
		       uplink->interface);
	bytes = readlink(path, target, sizeof(target) - 1);
	if (bytes < 0)
		return false;
	target[bytes] = '\0';
	name = strrchr(target, '/');
	return strcmp(name ? name + 1 : target, bridge) == 0;
}

static bool is_tap(int fd, const struct switch_definition *definition,
		   struct uplink *uplink)
{
	struct ifreq request = { 0 };
	struct stat stat;

	if (fstat(fd, &stat) < 0 || !S_ISCHR(stat.st_mode) ||
	    stat.st_rdev != makedev(MISC_MAJOR, TUN_MINOR) ||
	    ioctl(fd, TUNGETIFF, &request) < 0)
		return false;
	request.ifr_name[IFNAMSIZ - 1] = '\0';
	(void)snprintf(uplink->interface, sizeof(uplink->interface), "%s",
		       request.ifr_name);
	return definition->uplink.kind == UPLINK_BRIDGE
		       ? uplink_is_in_bridge(uplink, definition->uplink.name)
		       : strcmp(uplink->interface, definition->uplink.name) ==
				 0;
}

static bool is_socket(int fd, int option, int wanted)
{
	socklen_t size = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 &&
	       value == wanted;
}

static bool is_packet(int fd, const struct switch_definition *definition,
		      struct uplink *uplink)
{
	struct sockaddr_ll address = { 0 };
	socklen_t size = sizeof(address);

	(void)snprintf(uplink->interface, sizeof(uplink->interface), "%s",
		       definition->uplink.name);
	return is_socket(fd, SO_DOMAIN, AF_PACKET) &&
	       getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	       address.sll_ifindex > 0 &&
	       address.sll_ifindex ==
		       (int)if_nametoindex(definition->uplink.name);
}

int uplink_take_back(const struct switch_definition *definition, int *fd,
		     struct uplink *ret_uplink)
{
	struct uplink uplink = UPLINK_CLOSED;
	bool is_it = false;

	if (definition->uplink.kind == UPLINK_TAP ||
	    definition->uplink.kind == UPLINK_BRIDGE)
		is_it = is_tap(*fd, definition, &uplink);
	if (definition->uplink.kind == UPLINK_PACKET)
		is_it = is_packet(*fd, definition, &uplink);
	if (definition->uplink.kind == UPLINK_PASST)
		is_it = is_socket(*fd, SO_DOMAIN, AF_UNIX) &&
			is_socket(*fd, SO_TYPE, SOCK_STREAM);
	if (!is_it)
		return -EINVAL;
	uplink.fd = take_fd(fd);
	*ret_uplink = uplink;
	return 0;
}

void uplink_close(struct uplink *uplink)
{
	struct uplink closing = *uplink;
	siginfo_t info;

	*uplink = (struct uplink)UPLINK_CLOSED;
	if (closing.fd == NO_FD && closing.passt_pidfd == NO_FD)
		return;
	errand_step_aside();
	if (closing.passt_pidfd != NO_FD) {
		(void)pidfd_send_signal(closing.passt_pidfd, SIGKILL, NULL, 0);
		(void)waitid(P_PIDFD, (id_t)closing.passt_pidfd, &info,
			     WEXITED);
	}
	close_fd(&closing.passt_pidfd);
	close_fd(&closing.fd);
	errand_step_back();
}
