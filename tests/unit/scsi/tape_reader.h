/* SPDX-License-Identifier: MIT */
/* A reader of tape images that shares nothing with src/scsi/tape_image.c. */
#ifndef TESTS_TAPE_READER_H
#define TESTS_TAPE_READER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Tell in words what is on a tape whose blocks are text: "first second | end"
 * for two blocks and a filemark. A block whose lengths differ, or that goes
 * beyond the file, is "broken", and nothing after it is read.
 */
void tape_read_all(const uint8_t *file, size_t file_bytes, char *ret_words,
		   size_t room);

#endif
