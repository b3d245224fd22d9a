/* SPDX-License-Identifier: MIT */
#include "bridge.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

#define FORWARDING '3' /* BR_STATE_FORWARDING */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	CHECK(file);
	CHECK(fputs(text, file) >= 0);
	CHECK_EQ(fclose(file), 0);
}

/* So that nobody else's frames are on our wires, nor the kernel's own. */
static void leave_world(void)
{
	CHECK_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("sysfs", "/sys", "sysfs", 0, NULL), 0);
	write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

static int open_tap(uint16_t port)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)snprintf(request.ifr_name, IFNAMSIZ, "t%u", port);
	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

static void add_address(FILE *script, uint16_t port, uint16_t vid,
			const uint8_t *mac)
{
	(void)fprintf(script,
		      "fdb add %02x:%02x:%02x:%02x:%02x:%02x dev t%u master "
		      "static sticky vlan %u\n",
		      mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], port,
		      vid);
}

static void describe_port(FILE *script, uint16_t port,
			  const struct switch_port_settings *settings)
{
	const struct vlan_membership *vlans = &settings->vlans;

	(void)fprintf(script,
		      "link set dev t%u learning on flood %s mcast_flood on "
		      "isolated %s locked %s\n",
		      port, settings->is_trunk ? "on" : "off",
		      settings->is_isolated ? "on" : "off",
		      settings->guard.checks_mac ? "on" : "off");
	for (uint16_t vid = 1; vid <= VID_MAX; vid++) {
		if (!vlan_set_has(&vlans->members, vid))
			continue;
		(void)fprintf(script, "vlan add dev t%u vid %u%s%s\n", port,
			      vid, vid == vlans->pvid ? " pvid" : "",
			      vlan_leaves_tagged(vlans, vid) ? ""
							     : " untagged");
		if (!mac_is_zero(&settings->mac))
			add_address(script, port, vid, settings->mac.bytes);
	}
}

static void wait_forwarding(uint16_t port)
{
	char path[64];
	int state = 0;

	(void)snprintf(path, sizeof(path), "/sys/class/net/t%u/brport/state",
		       port);
	for (int i = 0; i < 500 && state != FORWARDING; i++) {
		FILE *file = fopen(path, "re");

		CHECK(file);
		state = fgetc(file);
		CHECK_EQ(fclose(file), 0);
		usleep(10000);
	}
	CHECK_EQ(state, FORWARDING);
}

void bridge_open(struct bridge *bridge,
		 const struct switch_port_settings *ports, uint16_t port_count)
{
	FILE *script;

	leave_world();
	bridge->port_count = port_count;
	/* Not busybox' own, which a shell of busybox prefers. */
	script = popen("/usr/bin/ip -batch -", "we");
	CHECK(script);
	(void)fprintf(script, "link add br0 type bridge vlan_filtering 1 "
			      "vlan_default_pvid 0 mcast_snooping 0\n"
			      "link set br0 up\n");
	for (uint16_t i = 0; i < port_count; i++) {
		bridge->taps[i] = open_tap(i);
		(void)fprintf(script, "link set t%u master br0 up\n", i);
	}
	CHECK_EQ(pclose(script), 0);
	script = popen("/usr/sbin/bridge -batch -", "we");
	CHECK(script);
	for (uint16_t i = 0; i < port_count; i++)
		describe_port(script, i, &ports[i]);
	CHECK_EQ(pclose(script), 0);
	for (uint16_t i = 0; i < port_count; i++)
		wait_forwarding(i);
}

void bridge_close(struct bridge *bridge)
{
	for (uint16_t i = 0; i < bridge->port_count; i++)
		close_fd(&bridge->taps[i]);
}

void bridge_send(struct bridge *bridge, uint16_t port, const uint8_t *bytes,
		 uint32_t length)
{
	CHECK_EQ(write(bridge->taps[port], bytes, length), length);
}

uint32_t bridge_receive(struct bridge *bridge, uint16_t port, uint8_t *to)
{
	ssize_t got = read(bridge->taps[port], to, BRIDGE_FRAME_MAX);

	return got > 0 ? (uint32_t)got : 0;
}
