/* SPDX-License-Identifier: MIT */
#include "supervisor/network/uplink.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static struct uplink uplink = UPLINK_CLOSED;
static struct refusal refusal;

static struct switch_definition defined(uint32_t kind, const char *name)
{
	struct switch_definition definition = {
		.name = "lan",
		.uplink.kind = kind,
		.vlans.pvid = 10,
	};

	(void)strncpy(definition.uplink.name, name, UPLINK_SIZE - 1);
	return definition;
}

static void expect_refused(uint32_t kind, const char *name, int error,
			   const char *sentence)
{
	const struct switch_definition definition = defined(kind, name);

	CHECK_EQ(uplink_open(&definition, &uplink, &refusal), error);
	CHECK(strstr(refusal.text, sentence));
	CHECK(strcmp(refusal.field, "uplink") == 0);
	CHECK_EQ(uplink.fd, NO_FD);
}

TEST(an_uplink_that_is_not_ours_to_open_is_refused_with_a_sentence)
{
	if (geteuid() == 0)
		CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	/* A search for leaks looks into its own process at the end. */
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
	expect_refused(UPLINK_PACKET, "lo", -EPERM, "needs privileges");
	if (access("/dev/net/tun", F_OK) == 0)
		expect_refused(UPLINK_TAP, "bhtest", -EPERM,
			       "needs privileges");
}

TEST(an_uplink_that_is_not_there_is_refused_with_a_sentence)
{
	expect_refused(UPLINK_PACKET, "nope0", -ENODEV, "no interface nope0");
	expect_refused(UPLINK_BRIDGE, "nope0", -ENODEV, "no bridge nope0");
	expect_refused(UPLINK_BRIDGE, "lo", -ENODEV, "no bridge lo");
}

/* Taken back only by the definition it was opened for. */
TEST(a_hostile_service_cannot_give_back_another_descriptor)
{
	const struct switch_definition wanted[] = {
		defined(UPLINK_TAP, "bhtest"),
		defined(UPLINK_BRIDGE, "bhtest"),
		defined(UPLINK_PACKET, "lo"),
		defined(UPLINK_PASST, ""),
	};
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(uplink_take_back(&wanted[i], &ends[0], &uplink),
			 -EINVAL);
		CHECK(ends[0] != NO_FD);
	}
	CHECK_EQ(uplink_take_back(&wanted[3], &ends[0], &uplink), 0);
	CHECK_EQ(ends[0], NO_FD);
	uplink_close(&uplink);
	close_fd(&ends[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	CHECK_EQ(uplink_take_back(&wanted[3], &ends[0], &uplink), -EINVAL);
	close_fd(&ends[0]);
	close_fd(&ends[1]);
}
