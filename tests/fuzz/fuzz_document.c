/* SPDX-License-Identifier: MIT */
/* Whatever the text: refused with a sentence, or written back the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_written(const struct partition_document *document)
{
	struct partition_document again;
	struct refusal refusal;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		abort();
	document_write(document, out);
	(void)fclose(out);
	if (document_parse(text, bytes, &again, &refusal) < 0 ||
	    memcmp(document, &again, sizeof(again)) != 0)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct partition_document document;
	struct refusal refusal = { .text = "" };
	int r = document_parse((const char *)data, bytes, &document, &refusal);

	if (r == 0)
		check_written(&document);
	else if (!refusal.text[0])
		abort();
	return 0;
}
