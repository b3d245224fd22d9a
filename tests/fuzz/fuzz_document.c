/* SPDX-License-Identifier: MIT */
/* Whatever the text: refused with a sentence, or written back the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_written(const struct partition_definition *definition)
{
	struct partition_definition again;
	struct refusal refusal;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		abort();
	document_write(definition, out);
	(void)fclose(out);
	if (document_parse(text, bytes, &again, &refusal) < 0 ||
	    memcmp(definition, &again, sizeof(again)) != 0)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct partition_definition definition;
	struct refusal refusal = { .text = "" };
	int r = document_parse((const char *)data, bytes, &definition,
			       &refusal);

	if (r == 0)
		check_written(&definition);
	else if (!refusal.text[0])
		abort();
	return 0;
}
