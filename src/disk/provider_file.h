/* SPDX-License-Identifier: MIT */
/*
 * A file or block device as the backing store of a disk.
 *
 * Nothing is cached here: when a job is done its data is in the buffer, or in
 * the kernel.
 */
#ifndef DISK_PROVIDER_FILE_H
#define DISK_PROVIDER_FILE_H

#include "target/provider.h"

extern const struct provider_ops provider_file;

#endif
