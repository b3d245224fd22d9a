/* SPDX-License-Identifier: MIT */
/* Tables as in ACPI 6.4, 5.2; MCFG as in PCI Firmware 3.2, 4.1.2. */
#include "boot/acpi.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/count.h"
#include "boot/dsdt.h"
#include "machine/layout.h"

#define ROOM_BYTES      8192u
#define TABLE_ALIGNMENT 64u
#define TABLE_COUNT     3u /* that the XSDT names */

#define SYSTEM_IO   1
#define ACCESS_BYTE 1

/* FADT flags: 5.2.9, table 5.10. */
#define FADT_WBINVD       (1u << 0)
#define FADT_C1           (1u << 2)
#define FADT_POWER_BUTTON (1u << 4) /* not a fixed one: PNP0C0C */
#define FADT_SLEEP_BUTTON (1u << 5) /* no fixed one */
#define FADT_RTC_WAKE     (1u << 6) /* not in fixed registers */
#define FADT_RESET        (1u << 10)
#define FADT_REDUCED      (1u << 20)
/* IAPC_BOOT_ARCH; no 8042 is said by its bit being clear. */
#define FADT_NO_VGA (1u << 2)

/* MADT: 5.2.12. */
#define MADT_PIC          1u
#define LAPIC_ENABLED     1u
#define LEVEL_HIGH        0x0du /* active high, level triggered */
#define ALL_PROCESSORS    0xff
#define MADT_LAPIC        0
#define MADT_IOAPIC       1
#define MADT_OVERRIDE     2
#define MADT_LAPIC_NMI    4
#define LOCAL_LINE_OF_NMI 1

struct table_header {
	char signature[4];
	uint32_t bytes;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct register_place {
	uint8_t space;
	uint8_t bits;
	uint8_t bit_offset;
	uint8_t access;
	uint64_t address;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t bytes;
	uint64_t xsdt;
	uint8_t all_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct xsdt {
	struct table_header header;
	uint64_t tables[TABLE_COUNT];
} __attribute__((packed));

/* What a hardware-reduced machine leaves zero has no name here. */
struct fadt {
	struct table_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t fixed_hardware[65];
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	struct register_place reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_version;
	uint64_t wide_facs;
	uint64_t wide_dsdt;
	uint8_t wide_fixed_hardware[96];
	struct register_place sleep_control;
	struct register_place sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

struct madt {
	struct table_header header;
	uint32_t lapic;
	uint32_t flags;
	struct madt_ioapic {
		uint8_t type, bytes, id, reserved;
		uint32_t address, first_gsi;
	} __attribute__((packed)) ioapic;
	struct madt_override {
		uint8_t type, bytes, bus, source;
		uint32_t gsi;
		uint16_t flags;
	} __attribute__((packed)) override;
	struct madt_nmi {
		uint8_t type, bytes, processor;
		uint16_t flags;
		uint8_t line;
	} __attribute__((packed)) nmi;
	struct madt_lapic {
		uint8_t type, bytes, processor, id;
		uint32_t flags;
	} __attribute__((packed)) lapics[VCPU_MAX];
} __attribute__((packed));

struct mcfg {
	struct table_header header;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus;
	uint8_t last_bus;
	uint32_t reserved_too;
} __attribute__((packed));

_Static_assert(sizeof(struct table_header) == 36, "5.2.6");
_Static_assert(sizeof(struct rsdp) == 36, "5.2.5.3");
_Static_assert(offsetof(struct fadt, boot_flags) == 109, "5.2.9");
_Static_assert(offsetof(struct fadt, reset) == 116, "5.2.9");
_Static_assert(offsetof(struct fadt, wide_dsdt) == 140, "5.2.9");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "5.2.9");
_Static_assert(sizeof(struct fadt) == 276, "5.2.9");
_Static_assert(sizeof(struct madt_lapic) == 8, "5.2.12.2");
_Static_assert(offsetof(struct madt, ioapic) == 44, "5.2.12");
_Static_assert(offsetof(struct madt, lapics) == 72, "5.2.12");
_Static_assert(sizeof(struct mcfg) == 60, "PCI Firmware 3.2, 4.1.2");

/* The tables as they will be at LAYOUT_ACPI_BASE. */
struct image {
	uint8_t bytes[ROOM_BYTES];
	size_t used;
};

static uint8_t checksum(const uint8_t *bytes, size_t count)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

static struct table_header make_header(const char *signature, uint8_t revision,
				       size_t bytes)
{
	struct table_header header = {
		.bytes = (uint32_t)bytes,
		.revision = revision,
		.oem_revision = 1,
		.creator_revision = 1,
	};

	memcpy(header.signature, signature, sizeof(header.signature));
	memcpy(header.oem, "BULKHD", sizeof(header.oem));
	memcpy(header.oem_table, "BULKHEAD", sizeof(header.oem_table));
	memcpy(header.creator, "BLKH", sizeof(header.creator));
	return header;
}

/* The next table's place; the room is for the largest of all of them. */
static uint8_t *next_place(struct image *image, gpa_t *ret_gpa)
{
	image->used = align_up_u64(image->used, TABLE_ALIGNMENT);
	*ret_gpa = LAYOUT_ACPI_BASE + image->used;
	return image->bytes + image->used;
}

static gpa_t append(struct image *image, const void *table, size_t bytes)
{
	gpa_t gpa;
	uint8_t *place = next_place(image, &gpa);
	size_t at = offsetof(struct table_header, checksum);

	memcpy(place, table, bytes);
	place[at] = checksum(place, bytes);
	image->used += bytes;
	return gpa;
}

static int append_dsdt(struct image *image, gpa_t *ret_gpa)
{
	uint8_t bytes[ROOM_BYTES / 2];
	struct table_header header;
	struct aml aml;
	int r;

	aml_init(&aml, bytes, sizeof(bytes));
	aml_bytes(&aml, &(struct table_header){ .bytes = 0 }, sizeof(header));
	dsdt_write(&aml);
	r = aml_result(&aml);
	if (r < 0)
		return r;
	header = make_header("DSDT", 2, aml.used);
	memcpy(bytes, &header, sizeof(header));
	*ret_gpa = append(image, bytes, aml.used);
	return 0;
}

static struct register_place port(uint16_t address)
{
	return (struct register_place){ .space = SYSTEM_IO,
					.bits = 8,
					.access = ACCESS_BYTE,
					.address = address };
}

static gpa_t append_fadt(struct image *image, gpa_t dsdt)
{
	const struct fadt fadt = {
		.header = make_header("FACP", 6, sizeof(fadt)),
		.dsdt = (uint32_t)dsdt,
		.boot_flags = FADT_NO_VGA,
		.flags = FADT_WBINVD | FADT_C1 | FADT_POWER_BUTTON |
			 FADT_SLEEP_BUTTON | FADT_RTC_WAKE | FADT_RESET |
			 FADT_REDUCED,
		.reset = port(PORT_RESET),
		.reset_value = RESET_VALUE,
		.minor_version = 4,
		.wide_dsdt = dsdt,
		.sleep_control = port(PORT_SLEEP),
		.sleep_status = port(PORT_SLEEP + 1),
	};

	return append(image, &fadt, sizeof(fadt));
}

static gpa_t append_madt(struct image *image, uint32_t cpu_count)
{
	size_t bytes = offsetof(struct madt, lapics) +
		       cpu_count * sizeof(struct madt_lapic);
	struct madt madt = {
		.header = make_header("APIC", 5, bytes),
		.lapic = (uint32_t)LAYOUT_LAPIC,
		.flags = MADT_PIC,
		.ioapic = { .type = MADT_IOAPIC,
			    .bytes = sizeof(madt.ioapic),
			    .address = (uint32_t)LAYOUT_IOAPIC },
		.override = { .type = MADT_OVERRIDE,
			      .bytes = sizeof(madt.override),
			      .source = GSI_EVENTS,
			      .gsi = GSI_EVENTS,
			      .flags = LEVEL_HIGH },
		.nmi = { .type = MADT_LAPIC_NMI,
			 .bytes = sizeof(madt.nmi),
			 .processor = ALL_PROCESSORS,
			 .line = LOCAL_LINE_OF_NMI },
	};

	for (uint32_t i = 0; i < cpu_count; i++)
		madt.lapics[i] = (struct madt_lapic){
			.type = MADT_LAPIC,
			.bytes = sizeof(struct madt_lapic),
			.processor = (uint8_t)i,
			.id = (uint8_t)i,
			.flags = LAPIC_ENABLED,
		};
	return append(image, &madt, bytes);
}

static gpa_t append_mcfg(struct image *image)
{
	const struct mcfg mcfg = {
		.header = make_header("MCFG", 1, sizeof(mcfg)),
		.base = LAYOUT_ECAM_BASE,
		.last_bus = (LAYOUT_ECAM_BYTES >> 20) - 1,
	};

	return append(image, &mcfg, sizeof(mcfg));
}

static void write_rsdp(struct image *image, gpa_t xsdt)
{
	struct rsdp rsdp = { .revision = 2,
			     .bytes = sizeof(rsdp),
			     .xsdt = xsdt };

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem, "BULKHD", sizeof(rsdp.oem));
	rsdp.checksum = checksum((const uint8_t *)&rsdp, 20);
	rsdp.all_checksum = checksum((const uint8_t *)&rsdp, sizeof(rsdp));
	memcpy(image->bytes, &rsdp, sizeof(rsdp));
}

/* The RSDP is first, where kernels without boot parameters look for it. */
static int make(struct image *image, uint32_t cpu_count)
{
	struct xsdt xsdt;
	gpa_t dsdt;
	int r;

	image->used = sizeof(struct rsdp);
	r = append_dsdt(image, &dsdt);
	if (r < 0)
		return r;
	xsdt.header = make_header("XSDT", 1, sizeof(xsdt));
	xsdt.tables[0] = append_fadt(image, dsdt);
	xsdt.tables[1] = append_madt(image, cpu_count);
	xsdt.tables[2] = append_mcfg(image);
	write_rsdp(image, append(image, &xsdt, sizeof(xsdt)));
	return 0;
}

int acpi_write(struct guestmem *memory, uint32_t cpu_count, gpa_t *ret_rsdp)
{
	uint8_t *place =
		guestmem_at(memory, LAYOUT_ACPI_BASE, LAYOUT_ACPI_BYTES);
	struct image image = { .used = 0 };
	int r;

	if (cpu_count < 1 || cpu_count > VCPU_MAX)
		return -ERANGE;
	if (!place)
		return -EFAULT;
	r = make(&image, cpu_count);
	if (r < 0)
		return r;
	memset(place, 0, LAYOUT_ACPI_BYTES);
	memcpy(place, image.bytes, image.used);
	*ret_rsdp = LAYOUT_ACPI_BASE;
	return 0;
}
