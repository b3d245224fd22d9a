/* SPDX-License-Identifier: MIT */
/*
 * The definition of a partition: the typed form of its document.
 *
 * The CLI (and later the admin) parses the document into this struct; it is sent
 * and stored as attributes (attributes.h). The supervisor checks every field
 * again, and hands monitors and services only the parts they need.
 */
#ifndef DEFINITION_PARTITION_H
#define DEFINITION_PARTITION_H

#include <stdint.h>

#include "base/text.h"

#define PATH_SIZE        256
#define CMDLINE_SIZE     1024
#define DESCRIPTION_SIZE 256
#define SOCKET_PATH_SIZE 108 /* of struct sockaddr_un */
#define DISK_COUNT_MAX   8

enum partition_class {
	CLASS_PRODUCTION,
	CLASS_MISSION_CRITICAL,
	CLASS_NON_PRODUCTION,
	CLASS_BATCH,
	CLASS_COUNT,
};

/* ENGINE_FOREIGN: someone else's VMM; the monitor only serves its disks. */
enum engine_kind {
	ENGINE_AUTO,
	ENGINE_KVM,
	ENGINE_QEMU,
	ENGINE_FOREIGN,
	ENGINE_COUNT
};

enum restart_policy {
	RESTART_ON_FAILURE,
	RESTART_NEVER,
	RESTART_ALWAYS,
	RESTART_COUNT,
};

enum disk_access {
	DISK_READ_WRITE,
	DISK_READ_ONLY,
	DISK_READ_WRITE_UNFENCED, /* where the fence may not hold (I4) */
	/* Of a volume: beside others that write, as the one writer beside
	 * readers that it surprises, and as one of those. */
	DISK_READ_WRITE_SHARED,
	DISK_READ_WRITE_PUBLISHED,
	DISK_READ_STALE,
	DISK_ACCESS_COUNT
};

/* How the guest sees a disk: as a device of its own, or as a unit of its SCSI
 * controller. */
enum disk_bus { DISK_BUS_BLK, DISK_BUS_SCSI, DISK_BUS_COUNT };

/* What it is to the guest; all but a disk want DISK_BUS_SCSI. */
enum disk_type {
	DISK_TYPE_DISK,
	DISK_TYPE_CD,
	DISK_TYPE_TAPE,
	DISK_TYPE_COUNT
};

enum disk_cache { DISK_BUFFERED, DISK_DIRECT, DISK_CACHE_COUNT };

/* Whether the monitor reads by itself what the host's page cache has. */
enum disk_local_reads {
	DISK_LOCAL_READS_ON,
	DISK_LOCAL_READS_OFF,
	DISK_LOCAL_READS_COUNT
};

/* What a long outage of the disk's service does (invariant I6). */
enum outage_policy {
	OUTAGE_HOLD,  /* hold requests until the service is back */
	OUTAGE_FAIL,  /* after outage_ms answer with an I/O error */
	OUTAGE_PAUSE, /* after outage_ms pause the partition */
	OUTAGE_COUNT,
};

struct outage {
	uint32_t policy; /* enum outage_policy */
	uint32_t ms;     /* for OUTAGE_FAIL and OUTAGE_PAUSE */
};

struct disk_definition {
	char name[NAME_SIZE];
	char service[NAME_SIZE]; /* the disk service that serves it */
	char volume[NAME_SIZE];  /* what has its file; empty: it has its own */
	char file[PATH_SIZE];    /* absolute */
	uint64_t size_bytes;     /* 0: the size the file has at install */
	uint32_t access;         /* enum disk_access */
	uint32_t cache;          /* enum disk_cache */
	struct outage outage;
	uint32_t hang_ms;     /* a silent service is killed after this */
	uint32_t queue_count; /* virtqueues, 1 to 8 */
	uint32_t bus;         /* enum disk_bus */
	uint32_t type;        /* enum disk_type */
	uint32_t local_reads; /* enum disk_local_reads */
};

struct partition_definition {
	char name[NAME_SIZE];
	uint32_t class;     /* enum partition_class */
	uint32_t engine;    /* enum engine_kind */
	uint32_t restart;   /* enum restart_policy */
	uint32_t autostart; /* 0 or 1 */
	uint32_t cpu_count; /* virtual processors */
	uint32_t disk_count;
	uint64_t memory_bytes;
	uint64_t console_log_bytes; /* bound of the log on disk; 0: none */
	uint32_t stop_ms;           /* how long a guest may take to power off */
	uint32_t huge_pages; /* 0 or 1: guest memory in huge pages, or refuse */
	char kernel[PATH_SIZE]; /* empty for ENGINE_FOREIGN */
	char initrd[PATH_SIZE]; /* may be empty */
	char cmdline[CMDLINE_SIZE];
	char vhost_user[SOCKET_PATH_SIZE]; /* ENGINE_FOREIGN only */
	/* Request queues of its SCSI controller; 0 for ENGINE_FOREIGN. */
	uint32_t scsi_queue_count;
	char description[DESCRIPTION_SIZE]; /* may be empty */
	struct disk_definition disks[DISK_COUNT_MAX];
};

/* Limits that both the document parser and the supervisor apply. */
#define CPU_COUNT_MAX        64
#define MEMORY_BYTES_MIN     (16ull << 20)
#define MEMORY_BYTES_MAX     (4ull << 40)
#define HUGE_PAGE_BYTES      (2ull << 20)
#define DISK_BYTES_MIN       512ull
#define DISK_BYTES_MAX       (1ull << 50)
#define DISK_BLOCK_BYTES_MIN 512u
#define DISK_BLOCK_BYTES_MAX 4096u
#define QUEUE_COUNT_MAX      8
#define HANG_MS_MIN          100
#define HANG_MS_DEFAULT      2000
#define HANG_MS_MAX          600000
#define OUTAGE_MS_MAX        86400000
#define STOP_MS_DEFAULT      30000
#define STOP_MS_MAX          3600000
#define CONSOLE_LOG_DEFAULT  (256ull << 10)
#define CONSOLE_LOG_MAX      (1ull << 30)
#define DEFAULT_DISK_SERVICE "disk0"

#endif
