/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"

#if BULKHEAD_FAILPOINTS

#include <fcntl.h>
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
static struct point armed; /* by the file */

/* NAME=ACTION[@N]; cuts `item` up. */
static bool parse_point(char *item, struct point *point)
{
	char *action = strchr(item, '=');
	char *nth;

	if (!action)
		return false;
	*action++ = '\0';
	nth = strchr(action, '@');
	if (nth)
		*nth++ = '\0';
	(void)snprintf(point->name, sizeof(point->name), "%s", item);
	(void)snprintf(point->action, sizeof(point->action), "%s", action);
	point->nth = nth ? (unsigned)strtoul(nth, NULL, 10) : 0;
	return true;
}

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
	     item && point_count < POINT_MAX; item = strtok_r(NULL, ",", &rest))
		if (parse_point(item, &points[point_count]))
			point_count++;
}

static bool read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, room - 1);

	if (fd >= 0)
		(void)close(fd);
	if (got <= 0)
		return false;
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/* Does the file ask for an action here and now? Then it is gone. */
static bool is_armed(const char *name)
{
	const char *path = getenv("BULKHEAD_FAILPOINT_FILE");
	struct point point = { 0 };
	char text[128];

	if (!path || !read_file(path, text, sizeof(text)) ||
	    !parse_point(text, &point) || strcmp(point.name, name) != 0)
		return false;
	if (strcmp(armed.name, name) != 0)
		armed = point;
	if (++armed.reached < point.nth)
		return false;
	(void)unlink(path);
	armed.name[0] = '\0';
	return true;
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
	if (is_armed(name))
		return act(&armed);
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
