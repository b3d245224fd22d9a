/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"

#if BULKHEAD_FAILPOINTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POINT_MAX 8

struct point {
	char name[48];
	char action[8];
	unsigned nth; /* 0: every time */
	unsigned reached;
};

static struct point points[POINT_MAX];
static int point_count = -1;

static void parse_points(void)
{
	const char *text = getenv("BULKHEAD_FAILPOINT");
	char copy[512];
	char *rest = NULL;

	point_count = 0;
	if (!text)
		return;
	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *item = strtok_r(copy, ",", &rest);
	     item && point_count < POINT_MAX;
	     item = strtok_r(NULL, ",", &rest)) {
		struct point *point = &points[point_count];
		char *action = strchr(item, '=');
		char *nth;

		if (!action)
			continue;
		*action++ = '\0';
		nth = strchr(action, '@');
		if (nth) {
			*nth++ = '\0';
			point->nth = (unsigned)strtoul(nth, NULL, 10);
		}
		(void)snprintf(point->name, sizeof(point->name), "%s", item);
		(void)snprintf(point->action, sizeof(point->action), "%s",
			       action);
		point_count++;
	}
}

static bool act(const struct point *point)
{
	if (strcmp(point->action, "kill") == 0)
		(void)kill(getpid(), SIGKILL);
	if (strcmp(point->action, "stop") == 0)
		(void)raise(SIGSTOP);
	while (strcmp(point->action, "hang") == 0)
		(void)pause();
	return strcmp(point->action, "fail") == 0;
}

bool failpoint(const char *name)
{
	if (point_count < 0)
		parse_points();
	for (int i = 0; i < point_count; i++) {
		struct point *point = &points[i];

		if (strcmp(point->name, name) != 0)
			continue;
		point->reached++;
		if (point->nth == 0 || point->nth == point->reached)
			return act(point);
	}
	return false;
}

#endif
