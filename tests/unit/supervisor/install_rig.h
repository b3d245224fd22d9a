/* SPDX-License-Identifier: MIT */
/*
 * The partition web1 has three disks: old.img, which is there and full of 0xaa,
 * and new0.img and new1.img, which install creates. In memory, as every life
 * of the store syncs a dozen times.
 */
#ifndef TESTS_SUPERVISOR_INSTALL_RIG_H
#define TESTS_SUPERVISOR_INSTALL_RIG_H

#include "supervisor/storage/install.h"
#include "supervisor/storage/install_plan.h"

#define OLD_BYTES 8192
#define NEW_BYTES 1048576

extern struct store *store;
extern struct refusal refusal;
extern int left_count; /* of the last uninstall */
extern struct partition_record record;

/* The folder, and the definition of web1; then the store too, with web1
 * defined, or installed. */
void make_world(void);
void remove_world(void);
void open_store(void);
void open_defined(void);
void open_installed(void);
void close_world(void);

/* Files beside each other, by name; their size is -1 where there is none. */
void path_of(char to[PATH_SIZE], const char *name);
void fill_file(const char *name, uint8_t fill);
off_t size_of(const char *name);
int first_byte_of(const char *name);
int count_files(void);

struct partition_record make_record(const char *name);
void add_disk(struct partition_definition *definition, const char *name,
	      uint64_t bytes);

int uninstall(enum image_disposal disposal);
/* How many were reported. */
int recover(void);

int attachments(void);
int intents(void);
enum partition_state stored_state(void);

/* Store and file system agree that the partition is uninstalled, or that it is
 * installed; or that its images are all there. */
void check_uninstalled(void);
void check_installed(void);
void check_images(void);

#endif
