/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "sandbox/sandbox.h"
#include "supervisor/config.h"

#define MS_MAX  3600000
#define MIB_MAX (64u << 20)

enum kind { KIND_PATH, KIND_GROUP, KIND_LOG_LEVEL, KIND_NUMBER, KIND_LAYERS };

struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	uint32_t least; /* of a number */
	uint32_t most;
};

#define OF(member) offsetof(struct config, member)

/* clang-format off */
static const struct key keys[] = {
	{ "state_dir",    KIND_PATH,      OF(state_dir),    0, 0 },
	{ "runtime_dir",  KIND_PATH,      OF(runtime_dir),  0, 0 },
	{ "libexec_dir",  KIND_PATH,      OF(libexec_dir),  0, 0 },
	{ "qemu",         KIND_PATH,      OF(qemu),         0, 0 },
	{ "socket_group", KIND_GROUP,     OF(socket_group), 0, 0 },
	{ "log_level",    KIND_LOG_LEVEL, OF(log_level),    0, 0 },
	{ "disk_standby", KIND_NUMBER,    OF(disk_standby), 0, 1 },
	{ "memory_reserve_mib", KIND_NUMBER, OF(memory_reserve_mib), 0, MIB_MAX },
	{ "ready_ms",     KIND_NUMBER,    OF(ready_ms),     100, MS_MAX },
	{ "verb_ms",      KIND_NUMBER,    OF(verb_ms),      100, MS_MAX },
	{ "save_ms",      KIND_NUMBER,    OF(save_ms),      100, MS_MAX },
	{ "shutdown_ms",  KIND_NUMBER,    OF(shutdown_ms),  1000, MS_MAX },
	{ "service_memory_mib", KIND_NUMBER, OF(service_memory_mib), 64, 1u << 24 },
	{ "service_tasks", KIND_NUMBER,   OF(service_tasks), 64, 32768 },
	{ "service_weight", KIND_NUMBER,  OF(service_weight), 1, 10000 },
	{ "core_scheduling", KIND_NUMBER, OF(core_scheduling), 0, 1 },
	{ "allow_missing", KIND_LAYERS,   OF(allow_missing), 0, 0 },
};

static const struct {
	const char *name;
	enum log_level level;
} log_levels[] = {
	{ "error", LOG_ERROR },
	{ "warn",  LOG_WARN },
	{ "info",  LOG_INFO },
	{ "debug", LOG_DEBUG },
};
/* clang-format on */

/* Where in the file, and for whom. */
struct reading {
	struct config *config;
	const char *file;
	unsigned line;
	uint64_t seen; /* bit per key */
	struct refusal *refusal;
};

static int refuse_line(const struct reading *reading, const char *key,
		       const char *rule)
{
	char field[64];

	(void)snprintf(field, sizeof(field), "%.50s:%u", reading->file,
		       reading->line);
	return refuse(reading->refusal, -EINVAL, field, "%.40s %s", key, rule);
}

static int set_path(const struct reading *reading, const struct key *key,
		    const char *value)
{
	char *to = (char *)reading->config + key->offset;

	if (value[0] != '/')
		return refuse_line(reading, key->name,
				   "must be an absolute path");
	if (text_copy(to, PATH_SIZE, value) < 0)
		return refuse_line(reading, key->name, "is too long");
	return 0;
}

static int set_group(const struct reading *reading, const struct key *key,
		     const char *value)
{
	char *to = (char *)reading->config + key->offset;

	if (text_copy(to, NAME_SIZE, value) < 0)
		return refuse_line(reading, key->name, "is too long");
	return 0;
}

static int set_log_level(const struct reading *reading, const struct key *key,
			 const char *value)
{
	for (size_t i = 0; i < ARRAY_COUNT(log_levels); i++) {
		if (strcmp(log_levels[i].name, value) != 0)
			continue;
		reading->config->log_level = log_levels[i].level;
		return 0;
	}
	return refuse_line(reading, key->name,
			   "must be error, warn, info or debug");
}

static int set_number(const struct reading *reading, const struct key *key,
		      const char *value)
{
	char *to = (char *)reading->config + key->offset;
	uint64_t number;
	char rule[64];

	if (text_parse_u64(value, key->most, &number) == 0 &&
	    number >= key->least) {
		memcpy(to, &(uint32_t){ (uint32_t)number }, sizeof(uint32_t));
		return 0;
	}
	(void)snprintf(rule, sizeof(rule), "must be a number from %u to %u",
		       key->least, key->most);
	return refuse_line(reading, key->name, rule);
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r", end[-1]))
		end--;
	*end = '\0';
	return text;
}

/* A bit of SANDBOX_REQUIRED_OF_ROOT by its name; 0: none. */
static uint32_t find_required(const char *name)
{
	for (unsigned int i = 0; i < SANDBOX_LAYER_COUNT; i++)
		if (strcmp(sandbox_layer_name(i), name) == 0)
			return SANDBOX_REQUIRED_OF_ROOT & (1u << i);
	return 0;
}

static int set_layers(const struct reading *reading, const struct key *key,
		      const char *value)
{
	char names[128], *rest = names, rule[192], layers[128];
	uint32_t bits = 0;

	(void)snprintf(names, sizeof(names), "%s", value);
	for (char *name = strsep(&rest, ","); name; name = strsep(&rest, ",")) {
		uint32_t bit = find_required(trim(name));

		if (!bit) {
			sandbox_layer_list(SANDBOX_REQUIRED_OF_ROOT, layers,
					   sizeof(layers));
			(void)snprintf(rule, sizeof(rule), "must be some of %s",
				       layers);
			return refuse_line(reading, key->name, rule);
		}
		bits |= bit;
	}
	memcpy((char *)reading->config + key->offset, &bits, sizeof(bits));
	return 0;
}

static int set_key(const struct reading *reading, const struct key *key,
		   const char *value)
{
	switch (key->kind) {
	case KIND_PATH:
		return set_path(reading, key, value);
	case KIND_GROUP:
		return set_group(reading, key, value);
	case KIND_LOG_LEVEL:
		return set_log_level(reading, key, value);
	case KIND_NUMBER:
		return set_number(reading, key, value);
	case KIND_LAYERS:
		return set_layers(reading, key, value);
	}
	return -EINVAL;
}

static int read_pair(struct reading *reading, char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (reading->seen & (1ull << i))
			return refuse_line(reading, name, "is given twice");
		reading->seen |= 1ull << i;
		return set_key(reading, &keys[i], value);
	}
	return refuse_line(reading, name, "is not a setting");
}

static int read_line(struct reading *reading, char *line)
{
	char *value;

	line[strcspn(line, "#")] = '\0';
	line = trim(line);
	if (!line[0])
		return 0;
	value = strchr(line, '=');
	if (!value)
		return refuse_line(reading, line, "has no value");
	*value++ = '\0';
	return read_pair(reading, trim(line), trim(value));
}

int config_parse(struct config *config, const char *file, char *text,
		 struct refusal *ret_refusal)
{
	struct reading reading = { .config = config,
				   .file = file,
				   .refusal = ret_refusal };
	int r = 0;

	for (char *line = text; r == 0 && line;) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		reading.line++;
		r = read_line(&reading, line);
		line = end;
	}
	return r;
}
