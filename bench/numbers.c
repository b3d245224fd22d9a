/* SPDX-License-Identifier: MIT */
#include "numbers.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static uint64_t *number_at(void *numbers, const struct number_option *option)
{
	return (uint64_t *)(void *)((char *)numbers + option->at);
}

void numbers_fill(const struct number_option *options, size_t count,
		  void *numbers)
{
	for (size_t i = 0; i < count; i++)
		*number_at(numbers, &options[i]) = options[i].unless_given;
}

int numbers_set(const struct number_option *options, size_t count,
		void *numbers, const char *name, const char *value)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t *number = number_at(numbers, &options[i]);

		if (strcmp(options[i].name, name) != 0)
			continue;
		return text_parse_size(value, options[i].most, number) ||
				       *number < options[i].least
			       ? -EINVAL
			       : 0;
	}
	return -EINVAL;
}
