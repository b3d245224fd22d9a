/* SPDX-License-Identifier: MIT */
#include "base/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(struct refusal *refusal, int error, const char *field,
	   const char *format, ...)
{
	va_list arguments;

	if (!refusal)
		return error;
	(void)snprintf(refusal->field, sizeof(refusal->field), "%s", field);
	va_start(arguments, format);
	(void)vsnprintf(refusal->text, sizeof(refusal->text), format,
			arguments);
	va_end(arguments);
	return error;
}
