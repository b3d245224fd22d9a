/* SPDX-License-Identifier: MIT */
#include "definition/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "lib/harness.h"

/* What every accepted document has; the tests append to it. */
#define BASE                              \
	"partition: web1\n"               \
	"boot: {kernel: /boot/vmlinuz}\n" \
	"memory: {size: 512M}\n"
#define DISK "name: root, file: /srv/root.img"

static struct partition_document document;
static struct refusal refusal;

static int parse(const char *text)
{
	memset(&refusal, 0, sizeof(refusal));
	return document_parse(text, strlen(text), &document, &refusal);
}

/* Refused, with this field, and with this text in the sentence. */
static void check_refused(const char *text, const char *field, const char *why)
{
	CHECK_EQ(parse(text), -EINVAL);
	if (strcmp(refusal.field, field) != 0 ||
	    strstr(refusal.text, why) == NULL)
		fprintf(stderr, "got \"%s\": \"%s\"\n", refusal.field,
			refusal.text);
	CHECK_EQ(strcmp(refusal.field, field), 0);
	CHECK(strstr(refusal.text, why) != NULL);
}

/* A document whose memory is in huge pages. */
#define HUGE(size, engine)                                       \
	"partition: a\nboot: {kernel: /k}\nmemory: {size: " size \
	", huge-pages: true}\nengine: " engine "\n"

static void check_accepted(const char *text)
{
	if (parse(text) != 0)
		fprintf(stderr, "got \"%s\": \"%s\"\n", refusal.field,
			refusal.text);
	CHECK_EQ(parse(text), 0);
}

/* The document as text. */
static const char *written(void)
{
	static char text[8192];
	FILE *out = fmemopen(text, sizeof(text), "w");

	document_write(&document, out);
	(void)fclose(out);
	return text;
}

TEST(a_whole_document_becomes_a_definition)
{
	check_accepted("partition: web1\n"
		       "class: mission-critical\n"
		       "engine: qemu\n"
		       "boot:\n"
		       "  kernel: /boot/vmlinuz\n"
		       "  initrd: /boot/initrd.img\n"
		       "  cmdline: \"root=/dev/vda1 ro\"\n"
		       "cpu: {virtual: 2}\n"
		       "memory: {size: 512M}\n"
		       "disks:\n"
		       "  - name: root\n"
		       "    file: /srv/web1.img\n"
		       "    size: 8G\n"
		       "    access: ro\n"
		       "    cache: direct\n"
		       "    service: disk1\n"
		       "    on-outage: \"fail: 30s\"\n"
		       "    hang: 500ms\n"
		       "    queues: 4\n"
		       "console: {log: 1M}\n"
		       "restart: always\n"
		       "autostart: true\n"
		       "stop: {deadline: 2m}\n");

	CHECK_EQ(strcmp(document.partition.name, "web1"), 0);
	CHECK_EQ(document.partition.class, CLASS_MISSION_CRITICAL);
	CHECK_EQ(document.partition.engine, ENGINE_QEMU);
	CHECK_EQ(strcmp(document.partition.initrd, "/boot/initrd.img"), 0);
	CHECK_EQ(strcmp(document.partition.cmdline, "root=/dev/vda1 ro"), 0);
	CHECK_EQ(document.partition.cpu_count, 2);
	CHECK_EQ(document.partition.memory_bytes, 512ll << 20);
	CHECK_EQ(document.partition.disk_count, 1);
	CHECK_EQ(document.partition.disks[0].size_bytes, 8ll << 30);
	CHECK_EQ(document.partition.disks[0].access, DISK_READ_ONLY);
	CHECK_EQ(document.partition.disks[0].cache, DISK_DIRECT);
	CHECK_EQ(strcmp(document.partition.disks[0].service, "disk1"), 0);
	CHECK_EQ(document.partition.disks[0].outage.policy, OUTAGE_FAIL);
	CHECK_EQ(document.partition.disks[0].outage.ms, 30000);
	CHECK_EQ(document.partition.disks[0].hang_ms, 500);
	CHECK_EQ(document.partition.disks[0].queue_count, 4);
	CHECK_EQ(document.partition.console_log_bytes, 1 << 20);
	CHECK_EQ(document.partition.restart, RESTART_ALWAYS);
	CHECK_EQ(document.partition.autostart, 1);
	CHECK_EQ(document.partition.stop_ms, 120000);
}

TEST(a_json_document_means_the_same)
{
	struct partition_document yaml;

	check_accepted(BASE "disks: [{" DISK ", size: 1G}]\n");
	yaml = document;
	check_accepted("{\"partition\": \"web1\",\n"
		       " \"boot\": {\"kernel\": \"/boot/vmlinuz\"},\n"
		       " \"memory\": {\"size\": 536870912},\n"
		       " \"disks\": [{\"name\": \"root\",\n"
		       "   \"file\": \"/srv/root.img\", \"size\": \"1G\"}]}");

	CHECK_EQ(memcmp(&yaml, &document, sizeof(yaml)), 0);
}

TEST(a_cd_or_a_tape_is_a_unit_of_the_scsi_controller)
{
	const struct disk_definition *disks = document.partition.disks;

	check_accepted(BASE "scsi: {queues: 2}\ndisks:\n"
			    "- {name: a, file: /a}\n"
			    "- {name: b, file: /b, bus: scsi}\n"
			    "- {name: c, file: /c, type: cd}\n"
			    "- {name: t, file: /t, type: tape}\n");
	CHECK_EQ(document.partition.scsi_queue_count, 2);
	CHECK_EQ(disks[0].bus, DISK_BUS_BLK);
	CHECK_EQ(disks[1].bus, DISK_BUS_SCSI);
	CHECK_EQ(disks[1].type, DISK_TYPE_DISK);
	CHECK_EQ(disks[2].bus, DISK_BUS_SCSI);
	CHECK_EQ(disks[2].type, DISK_TYPE_CD);
	CHECK_EQ(disks[2].access, DISK_READ_ONLY);
	CHECK_EQ(disks[3].bus, DISK_BUS_SCSI);
	CHECK_EQ(disks[3].type, DISK_TYPE_TAPE);

	check_refused(BASE "disks: [{" DISK ", bus: ide}]\n", "disks[0].bus",
		      "blk | scsi");
	check_refused(BASE "disks: [{" DISK ", bus: scsi, queues: 2}]\n",
		      "disks[0].queues", "scsi.queues");
}

TEST(a_volume_has_a_document_of_its_own)
{
	static const char text[] = "volume: quorum\n"
				   "file: /srv/q.img\nsize: 1G\n";
	struct volume_definition volume;
	char *written = NULL;
	size_t bytes = 0;
	FILE *out;

	CHECK_EQ(document_parse_record(&volume_record, text, strlen(text),
				       &volume, &refusal),
		 0);
	CHECK_EQ(strcmp(volume.name, "quorum"), 0);
	CHECK_EQ(strcmp(volume.service, DEFAULT_DISK_SERVICE), 0);
	CHECK_EQ(volume.size_bytes, 1 << 30);
	out = open_memstream(&written, &bytes);
	document_write_record(&volume_record, &volume, out);
	CHECK_EQ(fclose(out), 0);
	CHECK(strstr(written, "volume: quorum\nfile: ") != NULL);
	free(written);

	CHECK_EQ(document_parse_record(&volume_record, "volume: a\nbus: blk",
				       18, &volume, &refusal),
		 -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "bus"), 0);
	CHECK(strstr(refusal.text, "not a field of a volume") != NULL);
	CHECK_EQ(document_parse_record(&volume_record, "volume: a", 9, &volume,
				       &refusal),
		 -EINVAL);
	CHECK_EQ(strcmp(refusal.field, "file"), 0);
}

TEST(absent_fields_get_their_defaults)
{
	check_accepted(BASE "disks: [{" DISK "}]\n");

	CHECK_EQ(document.partition.engine, ENGINE_AUTO);
	CHECK_EQ(document.partition.class, CLASS_PRODUCTION);
	CHECK_EQ(document.partition.cpu_count, 1);
	CHECK_EQ(document.partition.console_log_bytes,
		 (long long)CONSOLE_LOG_DEFAULT);
	CHECK_EQ(document.partition.stop_ms, STOP_MS_DEFAULT);
	CHECK_EQ(document.partition.disks[0].hang_ms, HANG_MS_DEFAULT);
	CHECK_EQ(document.partition.disks[0].queue_count, 1);
	CHECK_EQ(document.partition.disks[0].outage.policy, OUTAGE_HOLD);
	CHECK_EQ(document.partition.disks[0].size_bytes, 0);
	CHECK_EQ(strcmp(document.partition.disks[0].service,
			DEFAULT_DISK_SERVICE),
		 0);
}

TEST(a_written_document_parses_to_the_same_definition)
{
	struct partition_document before;

	check_accepted(BASE "disks: [{" DISK ", on-outage: \"pause: 5s\"}, "
			    "{name: b, file: \"/srv/a b\\\"c\"}]\n"
			    "console: {log: 0}\n");
	before = document;
	check_accepted(written());
	CHECK_EQ(memcmp(&before, &document, sizeof(before)), 0);
}

TEST(a_description_is_free_text)
{
	char text[512];

	check_accepted(BASE "description: \"Shop, of \\\"Anna\\\"\"\n");
	CHECK_EQ(strcmp(document.partition.description, "Shop, of \"Anna\""),
		 0);
	check_accepted("partition: x\nengine: foreign\nvhost-user: /s\n"
		       "disks: [{" DISK "}]\ndescription: a disk\n");
	check_accepted(BASE "description: Zürich, 東京\n");
	check_accepted(written());
	CHECK_EQ(strcmp(document.partition.description, "Zürich, 東京"), 0);
	(void)snprintf(text, sizeof(text), BASE "description: a%0255d\n", 0);
	check_refused(text, "description", "255 bytes");
}

TEST(a_hostile_definition_cannot_drive_the_terminal_that_shows_it)
{
	static const char *const texts[] = { "a\x9b"
					     "2J",
					     "\xc2\x9b"
					     "2J",
					     "\033[2J", "\xff\x7f" };

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		const char *text;

		(void)text_copy(document.partition.description,
				DESCRIPTION_SIZE, texts[i]);
		text = written();
		for (const char *c = text; *c; c++)
			CHECK(*c == 10 || (*c >= 32 && *c < 127));
	}
}

TEST(a_foreign_document_parses_and_is_written_back)
{
	struct partition_document before;

	check_accepted("partition: x\nengine: foreign\n"
		       "vhost-user: /run/x.sock\ndisks: [{" DISK "}]\n");
	CHECK_EQ(document.partition.cpu_count, 0);
	CHECK_EQ(document.partition.console_log_bytes, 0);
	before = document;
	check_accepted(written());
	CHECK_EQ(memcmp(&before, &document, sizeof(before)), 0);
}

TEST(a_foreign_document_has_an_interface_in_place_of_a_disk)
{
	check_accepted("partition: x\nengine: foreign\nvhost-user: /s\n"
		       "nics: [{name: lan0, switch: lan}]\n");
	CHECK_EQ(document.nic_count, 1);
	check_refused("partition: x\nengine: foreign\nvhost-user: /s\n"
		      "disks: [{" DISK "}]\n"
		      "nics: [{name: lan0, switch: lan}]\n",
		      "disks", "exactly one");
}

TEST(a_foreign_document_has_no_machine_of_its_own)
{
	check_refused("partition: x\nengine: foreign\nvhost-user: /s\n"
		      "cpu: {virtual: 1}\ndisks: [{" DISK "}]\n",
		      "cpu.virtual", "foreign");
	check_refused("partition: x\nengine: foreign\ndisks: [{" DISK "}]\n",
		      "vhost-user", "missing");
	check_refused("partition: x\nengine: foreign\nvhost-user: /s\n",
		      "disks", "exactly one");
	check_refused(BASE "vhost-user: /s\n", "vhost-user", "foreign only");
}

TEST(a_document_has_the_interfaces_of_the_guest)
{
	const struct nic_definition *nic = document.nics;

	check_accepted(BASE
		       "nics:\n"
		       "  - {name: lan0, switch: lan, vlan: 10, trunk: true,\n"
		       "     tagged: [20, 4094], mac: 02:00:00:00:00:0A,\n"
		       "     rate: 125K/10ms, mtu: 9000, queues: 2,\n"
		       "     addresses: [10.0.0.1, \"fe80::1\"]}\n"
		       "  - {name: lan1, switch: lan}\n");

	CHECK_EQ(document.nic_count, 2);
	CHECK_EQ(strcmp(nic->network, "lan"), 0);
	CHECK_EQ(nic->vlans.pvid, 10);
	CHECK_EQ(nic->vlans.tagged.count, 2);
	CHECK_EQ(nic->vlans.tagged.vids[1], 4094);
	CHECK_EQ(nic->flags, NIC_TRUNK);
	CHECK_EQ(nic->mac[5], 10);
	CHECK_EQ(nic->rate.credit_bytes, 125 << 10);
	CHECK_EQ(nic->rate.period_us, 10000);
	CHECK_EQ(nic->mtu, 9000);
	CHECK_EQ(nic->queue_pair_count, 2);
	CHECK_EQ(nic->addresses.ipv4_count, 1);
	CHECK_EQ(nic->addresses.ipv6[0][15], 1);
	/* What is not given. */
	CHECK_EQ(nic[1].vlans.pvid, 1);
	CHECK_EQ(nic[1].mtu, NIC_MTU_DEFAULT);
	CHECK_EQ(nic[1].queue_pair_count, 1);
	CHECK_EQ(nic[1].rate.credit_bytes, 0);
}

TEST(written_interfaces_parse_to_the_same)
{
	struct partition_document before;

	check_accepted(BASE
		       "nics: [{name: a, switch: lan, tagged: [7, 8], "
		       "mac: 02:00:00:00:00:01, isolated: true, "
		       "rate: 1M/250us, addresses: [\"::1\"]},"
		       "{name: b, switch: lan, vlan: 7, any-mac: true}]\n");
	before = document;
	check_accepted(written());
	CHECK_EQ(memcmp(&before, &document, sizeof(before)), 0);
}

#define NIC(more) BASE "nics: [{name: a, switch: lan" more "}]\n"

TEST(an_interface_that_cannot_be_is_refused_by_name)
{
	check_refused(NIC(", vlan: 0"), "nics[0].vlan", "1 to 4094");
	check_refused(NIC(", vlan: 4095"), "nics[0].vlan", "1 to 4094");
	check_refused(NIC(", vlan: 1, vlan: 2"), "nics[0].vlan", "twice");
	check_refused(NIC(", tagged: [0]"), "nics[0].tagged", "1 to 4094");
	check_refused(NIC(", tagged: [5, 5]"), "nics[0].tagged", "different");
	check_refused(NIC(", tagged: 5"), "nics[0].tagged", "list");
	check_refused(NIC(", tagged: [[5]]"), "nics[0].tagged", "list");
	check_refused(NIC(", vlan: 5, tagged: [5]"), "nics[0].tagged", "vlan");
	check_refused(NIC(", trunk: true"), "nics[0].trunk", "VLANs");
	check_refused(NIC(", mtu: 67"), "nics[0].mtu", "68");
	check_refused(NIC(", mac: 01:00:00:00:00:00"), "nics[0].mac", "group");
	check_refused(NIC(", mac: 02:00"), "nics[0].mac", "six bytes");
	check_refused(NIC(", rate: 5M"), "nics[0].rate", "BYTES/PERIOD");
	check_refused(NIC(", rate: 5M/2s"), "nics[0].rate", "BYTES/PERIOD");
	check_refused(NIC(", addresses: [host]"), "nics[0].addresses", "4");
	check_refused(BASE "nics: [{name: a}]\n", "nics[0].switch", "missing");
	check_refused(BASE "nics: [{name: a, switch: x}, {name: a, switch: y}]",
		      "nics[1].name", "nics[0]");
	check_refused(BASE "nics: [{name: a, switch: x, vlan: 3, "
			   "mac: 02:00:00:00:00:01}, {name: b, switch: x, "
			   "tagged: [3], mac: 02:00:00:00:00:01}]",
		      "nics[1].mac", "nics[0]");
}

TEST(an_unknown_field_is_refused_with_its_line)
{
	check_refused(BASE "colour: red\n", "colour", "line 4");
	check_refused(BASE "cpu: {speed: 3}\n", "cpu.speed", "not a field");
	check_refused(BASE "disks: [{" DISK ", heads: 4}]\n", "disks[0].heads",
		      "not a field");
	check_refused(BASE "cpu.virtual: 3\n", "cpu.virtual", "not a field");
	check_refused(BASE "\"disks[]\": 3\n", "disks[]", "not a field");
}

TEST(a_field_given_twice_is_refused)
{
	check_refused(BASE "partition: b\n", "partition", "twice");
	check_refused(BASE "boot: {}\n", "boot", "twice");
	check_refused(BASE "disks: [{" DISK ", name: c}]\n", "disks[0].name",
		      "twice");
	check_refused(BASE "disks: []\ndisks: []\n", "disks", "twice");
}

TEST(a_missing_field_is_refused_by_name)
{
	check_refused("memory: {size: 1G}\nboot: {kernel: /k}\n", "partition",
		      "missing");
	check_refused("partition: a\nmemory: {size: 1G}\n", "boot.kernel",
		      "missing");
	check_refused("partition: a\nboot: {kernel: /k}\n", "memory.size",
		      "missing");
	check_refused(BASE "disks: [{" DISK "}, {name: b}]\n", "disks[1].file",
		      "missing");
	check_refused(BASE "disks: [{file: /b}]\n", "disks[0].name", "missing");
}

TEST(a_field_not_in_this_release_is_refused_by_name)
{
	check_refused(BASE "cpu: {entitlement: 0.5}\n", "cpu.entitlement",
		      "not in this release");
	check_refused(BASE "cpu: {mode: capped}\n", "cpu.mode",
		      "not in this release");
	check_refused(BASE "cpu: {weight: 128}\n", "cpu.weight",
		      "not in this release");
	check_refused("partition: a\nmemory: {size: 1G, max: 2G}\n",
		      "memory.max", "not in this release");
	check_refused("partition: a\nboot: {firmware: uefi}\n", "boot.firmware",
		      "not in this release");
}

TEST(huge_pages_go_with_the_kvm_engine_and_whole_pages)
{
	check_accepted(HUGE("32M", "kvm"));
	CHECK_EQ(document.partition.huge_pages, 1);
	check_accepted(HUGE("32M", "auto"));

	check_refused(HUGE("33M", "kvm"), "memory.size", "2M");
	check_refused(HUGE("32M", "qemu"), "memory.huge-pages", "kvm");
}

TEST(a_name_has_few_characters)
{
	check_refused("partition: A\n", "partition", "a-z 0-9");
	check_refused("partition: a/b\n", "partition", "a-z 0-9");
	check_refused("partition: -a\n", "partition", "a-z 0-9");
	check_refused("partition: \"\"\n", "partition", "a-z 0-9");
	check_refused("partition: abcdefghijklmnopqrstuvwxyz012345\n",
		      "partition", "1 to 31");
	check_refused(BASE "disks: [{name: a b, file: /f}]\n", "disks[0].name",
		      "a-z 0-9");
}

TEST(text_that_looks_like_something_else_wants_quotes)
{
	check_refused("partition: 42\n", "partition", "quotes");
	check_refused("partition: true\n", "partition", "quotes");
	check_refused("partition: null\n", "partition", "quotes");
	check_refused("partition:\n", "partition", "quotes");
	check_refused("partition: 1.5\n", "partition", "quotes");
	check_accepted("partition: \"42\"\nboot: {kernel: /k}\n"
		       "memory: {size: 1G}\n");
}

TEST(text_has_no_control_characters)
{
	check_refused("partition: a\nboot: {cmdline: \"a\\nb\"}\n",
		      "boot.cmdline", "control");
	check_refused("partition: a\nboot: {cmdline: \"a\\0b\"}\n",
		      "boot.cmdline", "control");
	check_refused("partition: a\nmemory: {size: \"1G\\0T\"}\n",
		      "memory.size", "control");
	check_refused("partition: a\nboot: {kernel: \"/k\\e[2J\"}\n",
		      "boot.kernel", "control");
}

TEST(a_path_is_absolute_and_fits)
{
	char text[512];

	check_refused("partition: a\nboot: {kernel: vmlinuz}\n", "boot.kernel",
		      "absolute");
	check_refused("partition: a\nboot: {kernel: \"\"}\n", "boot.kernel",
		      "absolute");
	(void)snprintf(text, sizeof(text),
		       "partition: a\nboot: {kernel: /%0300d}\n", 0);
	check_refused(text, "boot.kernel", "255");
}

TEST(a_number_is_plain_and_within_its_range)
{
	check_refused(BASE "cpu: {virtual: many}\n", "cpu.virtual", "1 to 64");
	check_refused(BASE "cpu: {virtual: 0}\n", "cpu.virtual", "1 to 64");
	check_refused(BASE "cpu: {virtual: 65}\n", "cpu.virtual", "1 to 64");
	check_refused(BASE "cpu: {virtual: -1}\n", "cpu.virtual", "1 to 64");
	check_refused(BASE "cpu: {virtual: 1.5}\n", "cpu.virtual", "1 to 64");
	check_refused(BASE "cpu: {virtual: \"2\"}\n", "cpu.virtual", "1 to 64");
	check_refused(BASE "cpu: {virtual: 18446744073709551617}\n",
		      "cpu.virtual", "1 to 64");
	check_refused(BASE "cpu: {virtual: [2]}\n", "cpu.virtual", "list");
	check_refused(BASE "cpu: {virtual: {a: 2}}\n", "cpu.virtual", "map");
	check_refused(BASE "disks: [{" DISK ", queues: 9}]\n",
		      "disks[0].queues", "1 to 8");
	check_accepted(BASE "cpu: {virtual: 64}\n");
}

TEST(a_size_is_within_its_range_and_unit)
{
	check_refused("partition: a\nmemory: {size: 15M}\n", "memory.size",
		      "16M to 4T");
	check_refused("partition: a\nmemory: {size: 5T}\n", "memory.size",
		      "16M to 4T");
	check_refused("partition: a\nmemory: {size: 99999999999999999999G}\n",
		      "memory.size", "16M to 4T");
	check_refused("partition: a\nmemory: {size: 16777217}\n", "memory.size",
		      "multiple of 1M");
	check_refused(BASE "disks: [{" DISK ", size: 1000}]\n", "disks[0].size",
		      "multiple of 512");
	check_refused(BASE "disks: [{" DISK ", size: 0}]\n", "disks[0].size",
		      "512");
	check_refused(BASE "console: {log: 2G}\n", "console.log", "0 to 1G");
}

TEST(a_size_may_say_that_it_is_binary_and_must_not_be_in_doubt)
{
	check_accepted("partition: a\nboot: {kernel: /k}\n"
		       "memory: {size: 64MiB}\n");
	CHECK_EQ(document.partition.memory_bytes, 64 << 20);
	check_refused("partition: a\nmemory: {size: 8GB}\n", "memory.size",
		      "K, M, G or T after the number, or KiB to TiB, all "
		      "powers of 1024, not GB");
	check_refused("partition: a\nmemory: {size: 64 X}\n", "memory.size",
		      "not X");
	check_refused("partition: a\nmemory: {size: 64iB}\n", "memory.size",
		      "not iB");
	check_refused("partition: a\nmemory: {size: 64m}\n", "memory.size",
		      "not m");
}

TEST(json_has_no_comma_before_a_closing_bracket)
{
	check_refused("{\"partition\": \"a\",\n \"memory\": {\"size\":\n"
		      "\"64M\",\n}}",
		      "", "comma before a closing bracket (line 4)");
	check_refused("{\"partition\": \"a\", \"disks\": [1, ]}", "", "line 1");
	check_accepted("{\"partition\": \"web1\", \"boot\": {\"kernel\": "
		       "\"/k,]\", \"cmdline\": \"a\\\",}\"}, "
		       "\"memory\": {\"size\": \"64M\"}}");
	/* YAML's own way. */
	check_accepted("partition: a\nboot: {kernel: /k,}\n"
		       "memory: {size: 64M,}\n");
}

TEST(a_time_has_a_unit_and_is_within_its_range)
{
	check_refused(BASE "stop: {deadline: 30}\n", "stop.deadline",
		      "1ms to 1h");
	check_refused(BASE "stop: {deadline: 2h}\n", "stop.deadline",
		      "1ms to 1h");
	check_refused(BASE "disks: [{" DISK ", hang: 1ms}]\n", "disks[0].hang",
		      "100ms to 10m");
}

TEST(a_choice_is_one_of_its_words)
{
	check_refused(BASE "engine: vax\n", "engine", "auto | kvm | qemu");
	check_refused(BASE "class: royal\n", "class", "production");
	check_refused(BASE "restart: sometimes\n", "restart", "on-failure");
	check_refused(BASE "disks: [{" DISK ", access: append}]\n",
		      "disks[0].access", "rw | ro");
	check_refused(BASE "disks: [{" DISK ", cache: none}]\n",
		      "disks[0].cache", "buffered | direct");
}

TEST(a_switch_is_true_or_false)
{
	check_refused(BASE "autostart: yes\n", "autostart", "true | false");
	check_refused(BASE "autostart: \"true\"\n", "autostart",
		      "true | false");
	check_refused(BASE "autostart: 1\n", "autostart", "true | false");
}

TEST(an_outage_policy_has_a_word_and_a_time)
{
	check_refused(BASE "disks: [{" DISK ", on-outage: panic}]\n",
		      "disks[0].on-outage", "hold");
	check_refused(BASE "disks: [{" DISK ", on-outage: fail}]\n",
		      "disks[0].on-outage", "hold");
	check_refused(BASE "disks: [{" DISK ", on-outage: \"fail: soon\"}]\n",
		      "disks[0].on-outage", "hold");
	check_refused(BASE "disks: [{" DISK ", on-outage: \"fail: 0s\"}]\n",
		      "disks[0].on-outage", "hold");
	check_refused(BASE "disks: [{" DISK ", on-outage: {fail: 3s}}]\n",
		      "disks[0].on-outage", "map");
	check_accepted(BASE "disks: [{" DISK ", on-outage: \"pause: 3s\"}]\n");
	CHECK_EQ(document.partition.disks[0].outage.policy, OUTAGE_PAUSE);
	CHECK_EQ(document.partition.disks[0].outage.ms, 3000);
}

TEST(disks_are_a_list_of_different_maps)
{
	check_refused(BASE "disks: root\n", "disks", "list");
	check_refused(BASE "disks: {name: a}\n", "disks", "map");
	check_refused(BASE "disks: [root]\n", "disks", "map");
	check_refused(BASE "disks: [[root]]\n", "disks", "list");
	check_refused(BASE "disks: [{" DISK "}, {name: root, file: /b}]\n",
		      "disks[1].name", "disks[0]");
	check_refused(BASE "disks: [{" DISK
			   "}, {name: b, file: /srv/root.img}]\n",
		      "disks[1].file", "disks[0]");
	check_accepted(BASE "disks: [{" DISK ", access: ro}, {name: b, "
			    "file: /srv/root.img, access: ro}]\n");
}

TEST(nine_disks_are_too_many)
{
	char text[1024] = BASE "disks:\n";

	for (int i = 0; i < 9; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
			       "- {name: d%d, file: /d%d}\n", i, i);

	check_refused(text, "disks", "8");
}

TEST(a_group_is_a_map)
{
	check_refused(BASE "cpu: 2\n", "cpu", "map");
	check_refused(BASE "cpu: [2]\n", "cpu", "list");
	check_refused(BASE "cpu:\n", "cpu", "map");
}

TEST(a_document_is_one_map)
{
	check_refused("", "", "empty");
	check_refused("# nothing\n", "", "empty");
	check_refused("text", "", "map");
	check_refused("[1, 2]", "", "map");
	check_refused(BASE "---\n" BASE, "", "second document");
	check_refused("? {a: b}\n: c\n", "", "name belongs");
	check_refused("partition: [", "partition", "list");
	check_refused("partition: a: b\n", "", "line 1");
}

TEST(anchors_aliases_and_tags_are_refused)
{
	check_refused("partition: &a web1\n", "partition", "anchor");
	check_refused("partition: *a\n", "partition", "alias");
	check_refused("partition: !!str web1\n", "partition", "tag");
	check_refused("&a {partition: web1}\n", "", "anchor");
	check_refused(BASE "cpu: !map {virtual: 1}\n", "cpu", "tag");
	check_refused(BASE "disks: &a [{" DISK "}]\n", "disks", "anchor");
}

TEST(a_hostile_author_cannot_nest_deeper_than_the_schema)
{
	char text[DOCUMENT_BYTES_MAX];

	memset(text, '[', sizeof(text));
	CHECK_EQ(document_parse(text, sizeof(text), &document, &refusal),
		 -EINVAL);
	memset(text, '{', sizeof(text));
	CHECK_EQ(document_parse(text, sizeof(text), &document, &refusal),
		 -EINVAL);
}

TEST(a_hostile_author_cannot_send_more_than_the_bound)
{
	static char text[DOCUMENT_BYTES_MAX + 1];

	memset(text, '\n', sizeof(text));

	CHECK_EQ(document_parse(text, sizeof(text), &document, &refusal),
		 -EINVAL);
	CHECK(strstr(refusal.text, "65536") != NULL);
}

TEST(a_hostile_author_cannot_write_outside_a_refusal)
{
	char text[1100];

	memset(text, 'x', sizeof(text));
	memcpy(text + 1000, ": a\n", 5);

	CHECK_EQ(parse(text), -EINVAL);
	CHECK(strlen(refusal.field) < sizeof(refusal.field));
}

TEST(a_refusal_leaves_the_definition_untouched)
{
	check_accepted(BASE);
	check_refused("partition: other\ncolour: red\n", "colour", "");

	CHECK_EQ(strcmp(document.partition.name, "web1"), 0);
}
