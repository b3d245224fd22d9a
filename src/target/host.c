/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "target/service.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

static uint8_t digit(char letter)
{
	return (uint8_t)(letter <= '9' ? letter - '0'
				       : (letter | 0x20) - 'a' + 10);
}

/* A ledger's file may lie where it outlives the host; what it says does not.
 * Where there is no such file, all lives of the host are taken for one. */
void service_look_at_host(struct service *service)
{
	SCOPED(close_fd) int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t bytes = fd < 0 ? 0 : read(fd, text, sizeof(text));
	size_t count = 0;

	for (ssize_t i = 0; i < bytes && count < 2 * SCSI_ID_BYTES; i++) {
		uint8_t *byte = &service->boot[count / 2];

		if (!isxdigit((unsigned char)text[i]))
			continue;
		*byte = (uint8_t)(*byte << 4 | digit(text[i]));
		count++;
	}
}
