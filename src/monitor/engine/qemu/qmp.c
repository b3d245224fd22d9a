/* SPDX-License-Identifier: MIT */
#include "monitor/engine/qemu/qmp.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "base/scope.h"
#include "base/text.h"
#include "monitor/engine/qemu/filter.h"

static const struct {
	const char *name;
	enum qmp_event event;
} events[] = {
	{ "SHUTDOWN", QMP_SHUTDOWN },
	{ "RESET", QMP_RESET },
	{ "STOP", QMP_STOP },
	{ "RESUME", QMP_RESUME },
	{ "GUEST_PANICKED", QMP_PANICKED },
};

static void drop_json(json_t **json)
{
	json_decref(*json);
}

void qmp_init(struct qmp *qmp, const struct qmp_handler *handler)
{
	*qmp = (struct qmp){ .handler = *handler };
}

void qmp_release(struct qmp *qmp)
{
	free(qmp->line);
	qmp->line = NULL;
	qmp->line_bytes = 0;
}

/* Events that we do not know are nothing wrong: there are many. */
static int handle_event(struct qmp *qmp, const json_t *object, const char *name)
{
	const json_t *data = json_object_get(object, "data");
	const char *device = json_string_value(json_object_get(data, "name"));
	bool is_guest = json_is_true(json_object_get(data, "guest"));

	if (strcmp(name, "NIC_RX_FILTER_CHANGED") == 0 && device)
		qmp->handler.filter_changed(qmp->handler.context, device);
	for (size_t i = 0; i < ARRAY_COUNT(events); i++)
		if (strcmp(events[i].name, name) == 0)
			qmp->handler.happened(qmp->handler.context,
					      events[i].event, is_guest);
	return 0;
}

/* True if this number was asked and is now answered. */
static bool settle(struct qmp *qmp, json_int_t number)
{
	for (size_t i = 0; i < QMP_PENDING_MAX; i++) {
		if (qmp->pending[i] == 0 || qmp->pending[i] != number)
			continue;
		qmp->pending[i] = 0;
		return true;
	}
	return false;
}

static int handle_answer(struct qmp *qmp, const json_t *object)
{
	const json_t *error = json_object_get(object, "error");
	const json_t *id = json_object_get(object, "id");
	const json_t *returned = json_object_get(object, "return");
	struct nic_filter filter;
	const char *words;
	char text[QMP_TEXT_SIZE] = "";

	if (!json_is_integer(id) || !settle(qmp, json_integer_value(id)))
		return -EBADMSG;
	words = json_string_value(json_object_get(error, "desc"));
	if (words)
		text_escape(text, sizeof(text), words, strlen(words));
	if (json_is_array(returned) && filter_read(returned, &filter) == 0)
		qmp->handler.filtered(qmp->handler.context,
				      (uint32_t)json_integer_value(id),
				      &filter);
	qmp->handler.answered(qmp->handler.context,
			      (uint32_t)json_integer_value(id),
			      error ? -EIO : 0, text);
	return 0;
}

static int handle_line(struct qmp *qmp, const char *line, size_t bytes)
{
	SCOPED(drop_json) json_t *object = NULL;
	const char *event;

	object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object))
		return -EBADMSG;
	event = json_string_value(json_object_get(object, "event"));
	if (event)
		return handle_event(qmp, object, event);
	if (json_object_get(object, "return") ||
	    json_object_get(object, "error"))
		return handle_answer(qmp, object);
	if (!json_object_get(object, "QMP") || qmp->has_greeted)
		return -EBADMSG;
	qmp->has_greeted = true;
	qmp->handler.happened(qmp->handler.context, QMP_GREETING, false);
	return 0;
}

static int keep(struct qmp *qmp, const char *bytes, size_t count)
{
	if (count > QMP_LINE_MAX - qmp->line_bytes)
		return -EBADMSG;
	if (!qmp->line)
		qmp->line = malloc(QMP_LINE_MAX);
	if (!qmp->line)
		return -ENOMEM;
	memcpy(qmp->line + qmp->line_bytes, bytes, count);
	qmp->line_bytes += count;
	return 0;
}

static int end_line(struct qmp *qmp)
{
	int r = 0;

	/* QEMU ends lines with CR LF. */
	if (qmp->line_bytes > 1)
		r = handle_line(qmp, qmp->line, qmp->line_bytes);
	qmp->line_bytes = 0;
	return r;
}

int qmp_feed(struct qmp *qmp, const char *bytes, size_t count)
{
	while (count > 0) {
		const char *end = memchr(bytes, '\n', count);
		size_t piece = end ? (size_t)(end - bytes) + 1 : count;
		int r = keep(qmp, bytes, piece);

		if (r == 0 && end)
			r = end_line(qmp);
		if (r < 0)
			return r;
		bytes += piece;
		count -= piece;
	}
	return 0;
}

int qmp_command(struct qmp *qmp, uint32_t number, const char *command,
		const char *arguments, char *to, size_t room)
{
	for (size_t i = 0; i < QMP_PENDING_MAX; i++) {
		if (qmp->pending[i] != 0)
			continue;
		qmp->pending[i] = number;
		return snprintf(to, room,
				"{\"execute\":\"%s\",%s%s%s\"id\":%u}\r\n",
				command, arguments ? "\"arguments\":" : "",
				arguments ? arguments : "",
				arguments ? "," : "", number);
	}
	return -EBUSY;
}
