/* SPDX-License-Identifier: MIT */
/*
 * Message numbers and bodies; protocol.def says what each is for.
 *
 * Bodies are fixed-size structs of fixed-width integers and terminated char
 * arrays: no pointer, no padding, never an internal struct. fields.def says
 * what each field may be, and every receiver checks it.
 */
#ifndef CONTROL_PROTOCOL_H
#define CONTROL_PROTOCOL_H

#include <stdint.h>

#include "definition/network.h"
#include "definition/partition.h"

#define PROTOCOL_VERSION 1

enum message_type {
#define MESSAGE(number, name, from, to, body, fd_count, text) \
	MSG_##name = (number),
#include "control/protocol.def"
#undef MESSAGE
};

struct message_shape {
	uint32_t type;
	uint32_t body_bytes;
	uint32_t fd_count;
	const char *name;
	const struct body_field *fields; /* of its body (control/fields.h) */
};

/* What a message of this type looks like; NULL for an unknown type. */
const struct message_shape *message_shape(uint32_t type);

/* X(ID, "name"): a role of children, whose program is bulkhead-NAME. */
#define ROLES(X)              \
	X(MONITOR, "monitor") \
	X(DISK, "disk")       \
	X(CONSOLE, "console") \
	X(NET, "net")

enum role {
	ROLE_NONE,
#define ROLE_ID(id, name) ROLE_##id,
	ROLES(ROLE_ID)
#undef ROLE_ID
		ROLE_COUNT,
};
#define ROLE_LAST (ROLE_COUNT - 1)

/* "disk"; "" for none. */
const char *role_name(uint32_t role);

/* ROLE_NONE: no role is called that. */
uint32_t role_find(const char *name);

#define TOKEN_BYTES 16
#define TEXT_SIZE   192

struct child_settings {
	char name[NAME_SIZE]; /* of the partition or the service */
	uint8_t token[TOKEN_BYTES];
	uint32_t role;      /* enum role */
	uint32_t log_level; /* enum log_level */
	uint32_t uid;       /* to become when root; 0: stay */
	uint32_t gid;
	/* Bits of enum sandbox_layer without which it must not run, nor what
	 * it starts in a jail. */
	uint32_t required;
	uint32_t jail_required;
};

struct child_ready {
	uint32_t layers;  /* bits of enum sandbox_layer in place */
	uint32_t missing; /* bits asked for and not in place */
};

struct child_hello {
	uint32_t protocol_version;
	uint32_t role;
	char name[NAME_SIZE];
	uint8_t token[TOKEN_BYTES];
};

enum event_level { EVENT_INFO, EVENT_WARNING, EVENT_ERROR };

struct child_event {
	uint32_t level; /* enum event_level */
	char text[TEXT_SIZE - 4];
	char field[64]; /* of the definition, at fault; may be empty */
};

struct monitor_settings {
	uint32_t engine;      /* enum engine_kind, never ENGINE_AUTO */
	uint32_t accelerator; /* of engine qemu: 0 TCG, 1 KVM */
	uint64_t memory_bytes;
	uint32_t cpu_count;
	uint32_t disk_count;
	uint32_t has_initrd;
	uint32_t has_huge_pages;
	char qemu[PATH_SIZE]; /* the QEMU binary */
	char cmdline[CMDLINE_SIZE];
	uint32_t scsi_queue_count; /* 0: no disk is on bus: scsi */
	uint32_t reserved;
};

/* An attachment joins one disk or console of a partition to a service. */
struct attachment {
	uint64_t id;         /* never reused while the store lives */
	uint64_t generation; /* grows with every instance that serves it */
};

/* What an instance of a service takes at once; who has more starts another. */
#define DISK_SERVICE_DISKS_MAX 256
#define CONSOLE_SERVICE_MAX    128
#define NET_SERVICE_PORTS_MAX  256 /* interfaces and uplinks */

struct console_ring {
	struct attachment attachment;
	char partition[NAME_SIZE];
	uint64_t log_bytes; /* bound of the log file; 0: none */
};

/* The settings of a console that may change while it is served. */
struct console_settings {
	struct attachment attachment;
	uint64_t log_bytes; /* as console_ring.log_bytes */
};

#define SERIAL_SIZE 24

struct monitor_disk {
	uint64_t attachment_id;
	uint64_t size_bytes;
	uint32_t index; /* 0 to disk_count - 1 */
	uint32_t read_only;
	uint32_t logical_block_bytes;
	uint32_t physical_block_bytes;
	uint32_t outage; /* enum outage_policy */
	uint32_t outage_ms;
	uint32_t hang_ms;
	uint32_t queue_count;
	char name[NAME_SIZE];
	char serial[SERIAL_SIZE]; /* VIRTIO_BLK_T_GET_ID takes the first 20 */
	uint32_t bus;             /* enum disk_bus */
	uint32_t type;            /* enum disk_type */
	uint32_t target;          /* its place among those on bus: scsi */
	uint32_t local_reads; /* what is cached is read without the service */
	uint32_t is_shared;   /* others may write its volume as well */
	uint32_t reserved;
};

/* The settings of a disk that may change while it is in use. */
struct disk_settings {
	uint64_t attachment_id;
	uint32_t index;
	uint32_t outage; /* enum outage_policy */
	uint32_t outage_ms;
	uint32_t hang_ms;
};

struct disk_channel {
	uint64_t attachment_id;
	uint64_t generation;
	uint32_t index;
	/* MONITOR_DISK_UP: the service instance serves this disk alone, so a
	 * request that kills it once more may be failed. */
	uint32_t is_alone;
};

/* A status beyond it is no errno. */
#define ERRNO_MAX 4095

/* Why a service is lost to a disk. */
enum disk_down_cause {
	DISK_DOWN_LEAVING = 1, /* it is drained: its answers still count */
	DISK_DOWN_DRAINED,     /* that is done: nothing more comes of it */
	DISK_DOWN_CRASHED,     /* by a fault of its own */
	DISK_DOWN_KILLED,      /* it ended otherwise, or nobody knows how */
	DISK_DOWN_HUNG,        /* and is being killed */
	DISK_DOWN_BROKEN,      /* the channel is; never sent */
};

struct disk_down {
	uint64_t attachment_id;
	uint64_t generation;
	uint32_t index;
	uint32_t cause; /* enum disk_down_cause */
};

struct monitor_result {
	int32_t status; /* 0 or -errno */
	uint32_t reserved;
	char text[TEXT_SIZE];
};

/* Of guest memory; a balloon cannot be driven exactly. */
struct monitor_balloon {
	uint64_t memory_bytes;
};

struct progress {
	uint64_t done_bytes;
	uint64_t total_bytes;
};

/* Counted since the monitor's start. */
struct emulation {
	char mnemonic[16];
	uint64_t count;
};

/* A saved guest. */
struct image_row {
	uint64_t saved_us; /* CLOCK_REALTIME */
	uint64_t bytes;    /* that it takes on disk */
};

enum guest_state {
	GUEST_RUNNING = 1, /* also answers CHILD_WELCOME */
	GUEST_PAUSED,      /* also answers CHILD_WELCOME */
	GUEST_RESET,       /* reset by itself, runs on */
	GUEST_OFF,         /* powered off; the engine has ended */
	GUEST_PANICKED,
	GUEST_ENGINE_DIED,  /* ended without the guest asking for it */
	GUEST_CONNECTED,    /* foreign engine: a front end came */
	GUEST_DISCONNECTED, /* foreign engine: it went */
};

struct guest_change {
	uint32_t state; /* enum guest_state */
	uint32_t engine_pid;
	int32_t exit_status;
	uint32_t reserved;
};

struct disk_suspect {
	struct disk_channel channel;
	uint64_t oldest_ms; /* age of the oldest request */
};

/* Monotonic counters of one disk, since the monitor's start. */
struct disk_counters {
	uint64_t attachment_id;
	uint64_t generation;
	uint64_t reads;
	uint64_t writes;
	uint64_t flushes;
	uint64_t others;
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t errors;   /* answered with an error */
	uint64_t replayed; /* requests submitted again after an outage */
	uint64_t outages;
	uint64_t outage_longest_us; /* down to first answer */
	uint64_t outage_total_us;
	uint64_t violations; /* rule broken by the guest */
	uint64_t in_flight;  /* now */
	uint64_t held;       /* of those, waiting for a service or for room */
	uint32_t index;
	uint32_t is_up;
	uint64_t local_reads; /* of the reads: answered without the service */
};

#define SCSI_ID_BYTES 16

struct disk_attach {
	struct attachment attachment;
	uint64_t size_bytes;
	uint32_t read_only;
	uint32_t direct; /* O_DIRECT is set on the file */
	uint32_t logical_block_bytes;
	uint32_t is_block_device;
	char partition[NAME_SIZE];
	char disk[NAME_SIZE];
	/* What holds its state as a SCSI unit; a private disk is a volume with
	 * the id of its attachment. */
	uint64_t volume_id;
	uint32_t kind;      /* of its channel: enum channel_kind */
	uint32_t unit_type; /* enum disk_type */
	uint32_t row_count; /* of all queues, that for control included */
	uint32_t physical_block_bytes;
	/* Of the attachment, which keeps it for its life; of the volume; and of
	 * this life of the host, of which a ledger may not be. */
	uint8_t initiator_port[SCSI_ID_BYTES];
	uint8_t unit_uuid[SCSI_ID_BYTES];
	uint8_t boot_id[SCSI_ID_BYTES];
	char serial[SERIAL_SIZE];
	/* What is in the drive, told from what was before (scsi/medium.h). */
	uint64_t medium;
	uint64_t recorded_bytes; /* of a tape */
	uint32_t is_shared;      /* others may have its volume as well */
	uint32_t reserved;
	uint64_t initiator_life; /* another one with every monitor */
};

struct monitor_nic {
	uint64_t attachment_id;
	uint32_t index;
	uint32_t queue_pair_count;
	uint32_t mtu;
	uint8_t mac[6];
	uint16_t reserved;
	uint32_t hang_ms;
	char name[NAME_SIZE];
};

struct nic_channel {
	uint64_t attachment_id;
	uint64_t generation;
	uint32_t index;
	uint32_t reserved;
};

/* Bits of nic_features.offloads: what the receiver takes unfinished. */
enum nic_offload {
	NIC_OFFLOAD_CHECKSUM = 1u << 0,
	NIC_OFFLOAD_TSO4 = 1u << 1,
	NIC_OFFLOAD_TSO6 = 1u << 2,
	NIC_OFFLOAD_ECN = 1u << 3,
	NIC_OFFLOAD_USO4 = 1u << 4,
	NIC_OFFLOAD_USO6 = 1u << 5,
	NIC_OFFLOAD_ALL = (1u << 6) - 1,
};

#define NIC_GROUP_MAX      64
#define NIC_FRAME_OVERHEAD 18 /* beyond the MTU: Ethernet's header and a tag */

struct nic_features {
	uint64_t attachment_id;
	uint32_t offloads;        /* bits of enum nic_offload */
	uint32_t frame_bytes_max; /* longest that the guest can receive */
	uint32_t all_multicast;   /* also while it has more groups than fit */
	uint32_t group_count;
	uint8_t groups[NIC_GROUP_MAX][6];
	uint8_t mac[6]; /* that its guest uses; zero: not known */
	uint16_t reserved;
};

struct nic_counters {
	uint64_t attachment_id;
	uint64_t generation;
	uint64_t in_frames; /* received by the guest */
	uint64_t in_bytes;
	uint64_t out_frames;
	uint64_t out_bytes;
	uint64_t in_dropped; /* longer than the guest's buffers */
	uint64_t violations;
	uint64_t outages;
	uint64_t outage_longest_us;
	uint32_t index;
	uint32_t is_up;
};

struct net_switch {
	char name[NAME_SIZE];
};

struct net_uplink {
	struct attachment attachment;
	uint32_t reserved;
	uint32_t attribute_bytes; /* of the switch */
	uint8_t attributes[0];
};

struct net_attach {
	struct attachment attachment;
	char partition[NAME_SIZE];
	uint32_t reserved;
	uint32_t attribute_bytes; /* of the interface, with its MAC */
	uint8_t attributes[0];
};

#define NET_DROP_MAX 32

/* Counters of a port since its service's start. */
struct net_port {
	uint64_t attachment_id;
	char network[NAME_SIZE];
	char partition[NAME_SIZE]; /* empty: the uplink */
	char nic[NAME_SIZE];
	uint64_t in_frames;
	uint64_t in_bytes;
	uint64_t out_frames;
	uint64_t out_bytes;
	uint64_t finished;
	uint64_t moves;
	uint64_t drops[NET_DROP_MAX]; /* by enum switch_drop */
	uint32_t is_trunk_active;     /* of any VLAN */
	uint32_t is_uplink;
};

/* A position in a report; zero is its beginning. */
struct net_report {
	uint32_t port;
	uint32_t network;
	uint64_t entry;
	uint32_t is_over;
	uint32_t reserved;
};

struct net_entry {
	char network[NAME_SIZE];
	char partition[NAME_SIZE]; /* empty: the uplink */
	char nic[NAME_SIZE];
	uint8_t mac[6];
	uint16_t vid;
	uint32_t is_static;
	uint32_t age_ms;
};

struct net_mirror {
	uint64_t attachment_id;
	uint64_t from_id; /* the port that is copied; 0: none */
	uint32_t vid;     /* the VLAN that is copied; 0: none */
	uint32_t reserved;
};

struct net_capture {
	char network[NAME_SIZE];
	uint64_t attachment_id; /* 0: every port */
	uint32_t snap_bytes;    /* of each frame; 0: whole */
	uint32_t reserved;
};

enum console_mode { CONSOLE_WRITE, CONSOLE_READ, CONSOLE_TAKE_OVER };

struct console_client {
	struct attachment attachment;
	uint32_t mode; /* enum console_mode */
	uint32_t reserved;
};

struct reply {
	int32_t status;   /* 0, or -errno: -EINVAL and kin mean refused */
	uint32_t refused; /* 1: bad input or not allowed now (exit 2, 4xx) */
	char field[64];   /* the field at fault; may be empty */
	char text[TEXT_SIZE];
};

/* The definition of a partition; the rest of the message are its attributes. */
struct definition_head {
	char name[NAME_SIZE];
	/* PARTITION_REDEFINE: document_digest() of the one that was changed,
	 * which must be there still; 0: whatever is there. */
	uint64_t expected;
	uint32_t reserved;
	uint32_t attribute_bytes;
	uint8_t attributes[0];
};

/* That of a switch. */
struct switch_head {
	char name[NAME_SIZE];
	uint32_t reserved;
	uint32_t attribute_bytes;
	uint8_t attributes[0];
};

/* That of a volume. */
struct volume_head {
	char name[NAME_SIZE];
	uint32_t reserved;
	uint32_t attribute_bytes;
	uint8_t attributes[0];
};

struct partition_name {
	char name[NAME_SIZE];
};

struct partition_stop {
	char name[NAME_SIZE];
	uint32_t deadline_ms; /* 0: the definition's */
	uint32_t is_forced;   /* power off at once */
};

struct partition_balloon {
	char name[NAME_SIZE];
	uint64_t memory_bytes; /* what the guest is to keep */
};

struct partition_uninstall {
	char name[NAME_SIZE];
	uint32_t is_scrubbed;    /* overwrite, then remove, what it may */
	uint32_t removes_images; /* that install created */
};

/* An image that an uninstall leaves where it is. */
struct image_left_row {
	char file[PATH_SIZE];
	uint64_t bytes;
};

struct partition_row {
	char name[NAME_SIZE];
	uint32_t state;       /* enum partition_state of the supervisor */
	uint32_t engine;      /* the one in use, or the one defined */
	uint32_t monitor_pid; /* 0: none */
	uint32_t engine_pid;
	uint32_t cpu_count;
	uint32_t disk_count;
	uint32_t disks_up;
	uint32_t restarts; /* of the monitor, by policy */
	uint64_t memory_bytes;
	uint64_t running_ms; /* since it was started */
	char state_name[NAME_SIZE];
	char reason[TEXT_SIZE]; /* why it is stopped or held; may be empty */
};

struct disk_row {
	char partition[NAME_SIZE];
	char disk[NAME_SIZE];
	char service[NAME_SIZE];
	char file[PATH_SIZE];
	char state[NAME_SIZE]; /* "up", "down", "fencing", "detached" */
	uint64_t size_bytes;
	uint32_t read_only;
	uint32_t instance_pid;
	struct disk_counters counters;
};

struct layer_row {
	char process[64]; /* "bulkhead-disk [disk0]" */
	uint32_t pid;
	uint32_t layers;
	uint32_t missing;
	uint32_t reserved;
};

struct nic_row {
	char partition[NAME_SIZE];
	char state[NAME_SIZE]; /* "up", "down" */
	struct nic_counters counters;
	uint32_t reserved;
	uint32_t attribute_bytes; /* of the interface */
	uint8_t attributes[0];
};

struct switch_name {
	char name[NAME_SIZE];
};

struct switch_row {
	char uplink_state[NAME_SIZE]; /* "up", "down", "none" */
	char interface[UPLINK_SIZE];  /* the TAP in use */
	uint32_t port_count;
	uint32_t instance_pid;
	uint32_t reserved;
	uint32_t attribute_bytes; /* of the switch */
	uint8_t attributes[0];
};

struct switch_capture {
	char name[NAME_SIZE];
	char partition[NAME_SIZE]; /* with nic: one port; empty: all */
	char nic[NAME_SIZE];
	uint32_t snap_bytes;
	uint32_t reserved;
};

enum mirror_kind {
	MIRROR_OFF,
	MIRROR_NIC,    /* of an interface */
	MIRROR_UPLINK, /* of the switch's uplink */
	MIRROR_VLAN,
	MIRROR_COUNT,
};

struct switch_mirrored {
	char name[NAME_SIZE]; /* the switch */
	char partition[NAME_SIZE];
	char nic[NAME_SIZE];
	uint32_t kind;                  /* enum mirror_kind */
	uint32_t vid;                   /* MIRROR_VLAN */
	char from_partition[NAME_SIZE]; /* MIRROR_NIC; in a row empty: gone */
	char from_nic[NAME_SIZE];
};

struct switch_dead_end {
	char partition[NAME_SIZE];
	char nic[NAME_SIZE];
	struct port_vlans vlans; /* pvid 0: that one leads to somebody */
};

struct volume_name {
	char name[NAME_SIZE];
};

struct volume_row {
	uint64_t id;
	uint32_t disk_count; /* that name it */
	uint32_t disks_up;
	uint32_t reserved;
	uint32_t attribute_bytes; /* of the volume */
	uint8_t attributes[0];
};

/* A disk that names a volume. */
struct volume_disk_row {
	char partition[NAME_SIZE];
	char disk[NAME_SIZE];
	char access[NAME_SIZE];
	char state[NAME_SIZE]; /* as disk_row.state */
};

/* A registration for a volume's reservations. */
struct reservation_row {
	char partition[NAME_SIZE]; /* empty: its disk is not installed */
	char disk[NAME_SIZE];
	char key[NAME_SIZE];  /* as hexadecimal digits */
	char type[NAME_SIZE]; /* of the reservation that it holds; or empty */
	uint32_t is_holder;
	uint32_t is_persistent; /* over the host's end */
};

struct service_name {
	char name[NAME_SIZE];
};

struct service_settings {
	char name[NAME_SIZE];
	uint32_t role;          /* of a new one; 0: there must be one */
	uint32_t standby_count; /* 0 or 1 */
};

struct service_row {
	char name[NAME_SIZE];
	char kind[16];  /* "disk", "console" */
	char state[16]; /* "active", "standby", "starting", "dying" */
	uint32_t pid;
	uint32_t restarts; /* of this service since it was defined */
	uint32_t client_count;
	uint32_t standby_wanted;
	uint64_t instance; /* counts instances of all services */
	uint64_t age_ms;
	uint64_t last_outage_us; /* death seen to clients handed over */
};

struct quarantine_row {
	char name[NAME_SIZE]; /* of its partition or service */
	char kind[16];        /* "monitor", "disk", ... */
	uint32_t pid;
	uint32_t reserved;
	uint64_t age_ms; /* since it came */
};

struct quarantine_end {
	uint32_t pid;
	uint32_t reserved;
};

struct event_query {
	uint64_t after; /* rows with a greater sequence number */
	uint32_t follow;
	uint32_t wants_newest; /* not those after, but a page of the newest */
};

struct event_row {
	uint64_t sequence;
	uint64_t time_us; /* CLOCK_REALTIME */
	uint32_t level;   /* enum event_level */
	uint32_t reserved;
	char subject[64]; /* "partition web1", "service disk0" */
	char text[TEXT_SIZE];
};

struct console_open {
	char name[NAME_SIZE];
	uint32_t mode; /* enum console_mode */
	uint32_t reserved;
};

struct supervisor_row {
	char version[32];
	uint32_t pid;
	uint32_t keeper_pid; /* 0: none */
	uint64_t age_ms;
	uint32_t uid;
	uint32_t adopted; /* children taken over at start */
	char engine[16];  /* what auto takes */
	char engine_reason[TEXT_SIZE];
	char store_trouble[TEXT_SIZE - 4]; /* why it cannot be written, or "" */
	uint32_t quarantined;
};

struct host_shutdown {
	uint32_t deadline_ms;
	uint32_t reserved;
};

struct no_body {
	char nothing[0];
};

#endif
