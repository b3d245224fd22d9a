/* SPDX-License-Identifier: MIT */
#include "definition/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/count.h"
#include "base/text.h"

void size_write(char to[UNIT_SIZE], uint64_t bytes)
{
	static const char suffixes[] = { '\0', 'K', 'M', 'G', 'T' };
	size_t step = 0;

	while (bytes && bytes % 1024 == 0 && step + 1 < sizeof(suffixes)) {
		bytes /= 1024;
		step++;
	}
	(void)snprintf(to, UNIT_SIZE, "%llu%.1s", (unsigned long long)bytes,
		       &suffixes[step]);
}

bool size_has_unknown_suffix(const char *text, char ret_wants[SIZE_FAULT_SIZE])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t digits = strspn(text, "0123456789");
	const char *suffix = text + digits + strspn(text + digits, " ");
	char one[16];
	uint64_t bytes;

	if (digits == 0 || !*suffix || suffix[strspn(suffix, letters)])
		return false;
	(void)snprintf(one, sizeof(one), "1%.12s", text + digits);
	if (text_parse_size(one, UINT64_MAX, &bytes) == 0)
		return false;
	(void)snprintf(ret_wants, SIZE_FAULT_SIZE,
		       "K, M, G or T after the number, or KiB to TiB, all "
		       "powers of 1024, not %.8s",
		       suffix);
	return true;
}

static const struct time_unit {
	const char *suffix;
	uint64_t ms;
} units[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };

void time_write(char to[UNIT_SIZE], uint64_t ms)
{
	size_t i = 0;

	while (ms % units[i].ms != 0 || (ms == 0 && units[i].ms > 1000))
		i++;
	(void)snprintf(to, UNIT_SIZE, "%llu%s",
		       (unsigned long long)(ms / units[i].ms), units[i].suffix);
}

static const struct time_unit *find_unit(const char *suffix)
{
	for (size_t i = 0; i < ARRAY_COUNT(units); i++)
		if (strcmp(units[i].suffix, suffix) == 0)
			return &units[i];
	return NULL;
}

int time_parse(const char *text, uint64_t most_ms, uint64_t *ret_ms)
{
	size_t digits = strspn(text, "0123456789");
	const struct time_unit *unit = find_unit(text + digits);
	char number[UNIT_SIZE];
	uint64_t value;
	int r;

	if (!unit || digits == 0 || digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	r = text_parse_u64(number, most_ms / unit->ms, &value);
	if (r < 0)
		return r;
	*ret_ms = value * unit->ms;
	return 0;
}

void mac_write(char to[MAC_SIZE], const uint8_t mac[6])
{
	(void)snprintf(to, MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		       mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at;

	if (digit >= 'A' && digit <= 'F')
		digit = (char)(digit - 'A' + 'a');
	at = digit ? strchr(digits, digit) : NULL;
	return at ? (int)(at - digits) : -1;
}

int mac_parse(const char *text, uint8_t ret_mac[6])
{
	static const uint8_t none[6];
	uint8_t mac[6];

	if (strlen(text) != MAC_SIZE - 1)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]);
		int low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		mac[i] = (uint8_t)(high * 16 + low);
	}
	if (mac[0] & 1 || memcmp(mac, none, sizeof(mac)) == 0)
		return -EINVAL;
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

void rate_write(char to[RATE_SIZE], uint64_t bytes, uint32_t period_us)
{
	char size[UNIT_SIZE], period[UNIT_SIZE];

	size_write(size, bytes);
	if (period_us % 1000 == 0)
		time_write(period, period_us / 1000);
	else
		(void)snprintf(period, sizeof(period), "%uus", period_us);
	(void)snprintf(to, RATE_SIZE, "%s/%s", size, period);
}

static int period_parse(const char *text, uint32_t most_us, uint32_t *ret_us)
{
	size_t length = strlen(text);
	char number[UNIT_SIZE];
	uint64_t value;
	int r;

	if (length < 2 || length >= sizeof(number))
		return -EINVAL;
	if (strcmp(text + length - 2, "us") == 0) {
		memcpy(number, text, length - 2);
		number[length - 2] = '\0';
		r = text_parse_u64(number, most_us, &value);
	} else {
		r = time_parse(text, most_us / 1000, &value);
		value *= 1000;
	}
	if (r == 0)
		*ret_us = (uint32_t)value;
	return r;
}

int rate_parse(const char *text, uint64_t most_bytes, uint32_t most_us,
	       uint64_t *ret_bytes, uint32_t *ret_period_us)
{
	const char *slash = strchr(text, '/');
	char size[UNIT_SIZE];
	uint32_t period = 0;
	uint64_t bytes = 0;
	int r;

	if (!slash || (size_t)(slash - text) >= sizeof(size))
		return -EINVAL;
	memcpy(size, text, (size_t)(slash - text));
	size[slash - text] = '\0';
	r = text_parse_size(size, most_bytes, &bytes);
	if (r == 0)
		r = period_parse(slash + 1, most_us, &period);
	if (r < 0)
		return r;
	if (bytes == 0 || period == 0)
		return -ERANGE;
	*ret_bytes = bytes;
	*ret_period_us = period;
	return 0;
}
