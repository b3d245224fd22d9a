/* SPDX-License-Identifier: MIT */
#include "control/definition_message.h"

#include <errno.h>
#include <string.h>

#include "definition/attributes.h"

int definition_message_make(const struct partition_document *document,
			    struct definition_message *ret_message)
{
	int bytes = definition_encode(&partition_record, document,
				      ret_message->attributes,
				      sizeof(ret_message->attributes));

	if (bytes < 0)
		return bytes;
	ret_message->head = (struct definition_head){
		.attribute_bytes = (uint32_t)bytes,
	};
	memcpy(ret_message->head.name, document->partition.name,
	       sizeof(ret_message->head.name));
	return 0;
}

int definition_message_take(const struct message *message,
			    struct partition_document *ret_document,
			    struct refusal *ret_refusal)
{
	const struct definition_head *head = (const void *)message->body;
	int r = definition_decode(&partition_record, head + 1,
				  head->attribute_bytes, ret_document,
				  ret_refusal);

	if (r == 0 && memcmp(head->name, ret_document->partition.name,
			     sizeof(head->name)) != 0)
		r = refuse(ret_refusal, -EINVAL, "partition",
			   "is another name than that of the message");
	return r;
}
