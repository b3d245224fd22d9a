/* SPDX-License-Identifier: MIT */
#include "boot/acpi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/boot_guest.h"
#include "lib/harness.h"
#include "machine/layout.h"

#define MEMORY (16ull << 20)

static struct boot_guest guest;
static gpa_t rsdp;

static void write_tables(uint32_t cpu_count)
{
	boot_guest_open(&guest, MEMORY);
	CHECK_EQ(acpi_write(&guest.memory, cpu_count, &rsdp), 0);
}

static const uint8_t *at(gpa_t gpa, uint64_t bytes)
{
	const uint8_t *place = guestmem_at(&guest.memory, gpa, bytes);

	CHECK(place);
	return place;
}

static uint32_t u32_at(gpa_t gpa)
{
	uint32_t value;

	memcpy(&value, at(gpa, sizeof(value)), sizeof(value));
	return value;
}

static uint64_t u64_at(gpa_t gpa)
{
	uint64_t value;

	memcpy(&value, at(gpa, sizeof(value)), sizeof(value));
	return value;
}

static unsigned int sum(gpa_t gpa, uint32_t bytes)
{
	const uint8_t *place = at(gpa, bytes);
	unsigned int total = 0;

	for (uint32_t i = 0; i < bytes; i++)
		total += place[i];
	return total & 0xff;
}

/* A table by its signature; the XSDT's are FACP, APIC and MCFG. */
static gpa_t table(const char *signature)
{
	gpa_t xsdt = u64_at(rsdp + 24);
	uint32_t count = (u32_at(xsdt + 4) - 36) / 8;

	if (strcmp(signature, "XSDT") == 0)
		return xsdt;
	if (strcmp(signature, "DSDT") == 0)
		return u64_at(table("FACP") + 140);
	for (uint32_t i = 0; i < count; i++) {
		gpa_t gpa = u64_at(xsdt + 36 + i * 8ull);

		if (memcmp(at(gpa, 4), signature, 4) == 0)
			return gpa;
	}
	CHECK(!"the table is there");
	return 0;
}

TEST(every_table_has_its_signature_and_a_checksum)
{
	static const char *const names[] = { "XSDT", "DSDT", "FACP", "APIC",
					     "MCFG" };

	write_tables(2);

	CHECK_EQ(rsdp % 16, 0);
	CHECK(memcmp(at(rsdp, 8), "RSD PTR ", 8) == 0);
	CHECK_EQ(sum(rsdp, 20), 0);
	CHECK_EQ(sum(rsdp, 36), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		gpa_t gpa = table(names[i]);

		CHECK(memcmp(at(gpa, 4), names[i], 4) == 0);
		CHECK_EQ(sum(gpa, u32_at(gpa + 4)), 0);
	}

	boot_guest_close(&guest);
}

TEST(the_fadt_says_how_to_reset_and_to_switch_off)
{
	gpa_t fadt;

	write_tables(1);
	fadt = table("FACP");

	CHECK(u32_at(fadt + 112) & 1u << 20); /* hardware-reduced */
	CHECK(u32_at(fadt + 112) & 1u << 10); /* the reset register is there */
	CHECK_EQ(u64_at(fadt + 120), PORT_RESET);
	CHECK_EQ(*at(fadt + 128, 1), RESET_VALUE);
	CHECK_EQ(u64_at(fadt + 248), PORT_SLEEP);
	CHECK_EQ(u64_at(fadt + 260), PORT_SLEEP + 1);
	CHECK_EQ(*at(fadt + 109, 1) & 0x22, 0); /* no 8042; a clock */
	CHECK_EQ(u32_at(fadt + 40), u64_at(fadt + 140));

	boot_guest_close(&guest);
}

TEST(the_madt_has_a_local_apic_per_processor)
{
	static const uint32_t counts[] = { 1, 2, 64 };

	for (size_t i = 0; i < 3; i++) {
		gpa_t madt, last;

		write_tables(counts[i]);
		madt = table("APIC");
		last = madt + 72 + (counts[i] - 1) * 8;

		CHECK_EQ(u32_at(madt + 36), LAYOUT_LAPIC);
		CHECK_EQ(u32_at(madt + 4), 72 + counts[i] * 8);
		CHECK_EQ(*at(last + 3, 1), counts[i] - 1);
		CHECK_EQ(u32_at(last + 4), 1);
		boot_guest_close(&guest);
	}
}

TEST(no_or_too_many_processors_are_refused)
{
	boot_guest_open(&guest, MEMORY);

	CHECK_EQ(acpi_write(&guest.memory, 0, &rsdp), -ERANGE);
	CHECK_EQ(acpi_write(&guest.memory, VCPU_MAX + 1, &rsdp), -ERANGE);

	boot_guest_close(&guest);
}

TEST(memory_that_is_not_mapped_is_refused)
{
	boot_guest_open(&guest, LAYOUT_ACPI_BASE);

	CHECK_EQ(acpi_write(&guest.memory, 1, &rsdp), -EFAULT);

	boot_guest_close(&guest);
}

TEST(nothing_of_an_earlier_life_stays_behind_the_tables)
{
	boot_guest_open(&guest, MEMORY);
	memset(guestmem_at(&guest.memory, LAYOUT_ACPI_BASE, LAYOUT_ACPI_BYTES),
	       0xff, LAYOUT_ACPI_BYTES);

	CHECK_EQ(acpi_write(&guest.memory, 1, &rsdp), 0);

	CHECK_EQ(*at(LAYOUT_ACPI_BASE + LAYOUT_ACPI_BYTES - 1, 1), 0);
	boot_guest_close(&guest);
}

TEST(the_mcfg_names_the_ecam_of_bus_0)
{
	write_tables(1);

	CHECK_EQ(u64_at(table("MCFG") + 44), LAYOUT_ECAM_BASE);
	CHECK_EQ(u32_at(table("MCFG") + 52), 0);

	boot_guest_close(&guest);
}

/* The disassembly by iasl of one table, without white space, which iasl is free
 * with. */
static char *disassemble(const char *signature)
{
	static char text[1 << 16];
	char folder[] = "/tmp/bulkhead-acpi-XXXXXX";
	char command[256];
	gpa_t gpa = table(signature);
	size_t used = 0;
	FILE *file;
	int c;

	if (system("command -v iasl >/dev/null") != 0) {
		(void)fprintf(stderr, "iasl, of acpica-tools, is missing\n");
		CHECK(!"iasl is there");
	}
	CHECK(mkdtemp(folder));
	(void)snprintf(command, sizeof(command), "%s/table.dat", folder);
	file = fopen(command, "w");
	CHECK(file);
	CHECK_EQ(fwrite(at(gpa, u32_at(gpa + 4)), u32_at(gpa + 4), 1, file), 1);
	CHECK_EQ(fclose(file), 0);
	(void)snprintf(command, sizeof(command),
		       "cd %s && iasl -d table.dat >iasl.log 2>&1 && "
		       "cat table.dsl iasl.log",
		       folder);
	file = popen(command, "r");
	CHECK(file);
	while ((c = fgetc(file)) != EOF && used < sizeof(text) - 1)
		if (c != ' ' && c != '\n' && c != '\t')
			text[used++] = (char)c;
	text[used] = '\0';
	CHECK_EQ(pclose(file), 0);
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	CHECK_EQ(system(command), 0);
	return text;
}

TEST(the_disassembler_reads_the_definition_block_as_it_is_meant)
{
	/* clang-format off */
	static const char *const facts[] = {
		"DefinitionBlock(\"\",\"DSDT\",2,\"BULKHD\",\"BULKHEAD\",0x00000001)",
		"Device(PCI0){Name(_HID,EisaId(\"PNP0A08\")",
		"Name(_CID,EisaId(\"PNP0A03\")",
		"0xC0000000,//RangeMinimum0xDFFFFFFF,//RangeMaximum",
		"If((Arg0==ToUUID(\"33db4d5b-1ff7-401c-9657-7441c03dd766\")",
		"CDW3&=0x1C",
		"If((Arg1!=One)){CDW1|=0x08}Return(Arg3)}CDW1|=0x04Return(Arg3)",
		"Memory32Fixed(ReadWrite,0xE0000000,//AddressBase0x00100000,",
		"Device(GED){Name(_HID,\"ACPI0013\"",
		"Interrupt(ResourceConsumer,Level,ActiveHigh,Exclusive,,,){0x00000009,}",
		"OperationRegion(EVTR,SystemIO,0x0604,One)",
		"Method(_EVT,1,Serialized)",
		"Local0=EVTS/*",
		"EVTS=Local0If((Local0&One)){Notify(\\_SB.PWRB,0x80)",
		"Device(PWRB){Name(_HID,EisaId(\"PNP0C0C\")",
		"Device(COM1){Name(_HID,EisaId(\"PNP0501\")",
		"IRQNoFlags(){4}",
		"Device(RTC0){Name(_HID,EisaId(\"PNP0B00\")",
		"IRQNoFlags(){8}",
		"Device(PEVT){Name(_HID,\"QEMU0001\"",
		"Name(\\_S5,Package(0x04)//_S5_:S5SystemState{0x05,Zero,Zero,Zero})",
	};
	/* clang-format on */
	const char *text;

	write_tables(1);
	text = disassemble("DSDT");

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (!strstr(text, facts[i])) {
			(void)fprintf(stderr, "%s\nlacks: %s\n", text,
				      facts[i]);
			CHECK(!"the fact is there");
		}
	CHECK(!strstr(text, "Warning"));
	CHECK(!strstr(text, "Error"));

	boot_guest_close(&guest);
}

TEST(the_disassembler_finds_no_fault_with_the_other_tables)
{
	static const char *const names[] = { "FACP", "APIC", "MCFG", "XSDT" };

	write_tables(64);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *text = disassemble(names[i]);

		CHECK(!strstr(text, "Warning"));
		CHECK(!strstr(text, "Error"));
		CHECK(!strstr(text, "Unknown"));
	}

	boot_guest_close(&guest);
}
