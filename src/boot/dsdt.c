/* SPDX-License-Identifier: MIT */
#include "boot/dsdt.h"

#include "machine/layout.h"

#define SYSTEM_IO       1
#define FIELD_BYTES     1 /* access by bytes, no lock, preserve */
#define NOTIFY_PRESSED  0x80
#define OSC_UNSUPPORTED 0x04 /* a UUID that is not known */
#define OSC_REVISION    0x08 /* a revision that is not known */
/* Of PCI Firmware 3.3, table 4-6: PME, AER, the PCIe capability structure. */
#define OSC_GRANTED 0x1c

static void begin_device(struct aml *aml, const char *name)
{
	aml_begin(aml, AML_DEVICE);
	aml_path(aml, name);
}

static void begin_method(struct aml *aml, const char *name, uint8_t arguments)
{
	aml_begin(aml, AML_METHOD);
	aml_path(aml, name);
	aml_byte(aml, (uint8_t)(arguments | AML_SERIALIZED));
}

/* CreateDWordField(Arg3, offset, name): a word of what _OSC is asked. */
static void osc_word(struct aml *aml, uint8_t offset, const char *name)
{
	aml_op(aml, AML_DWORD_FIELD);
	aml_op(aml, AML_ARG3);
	aml_integer(aml, offset);
	aml_path(aml, name);
}

/* name = name OP value */
static void change(struct aml *aml, enum aml_operator operator,
		   const char * name, uint64_t value)
{
	aml_op(aml, operator);
	aml_path(aml, name);
	aml_integer(aml, value);
	aml_path(aml, name);
}

/* Whether Arg0 is the UUID of PCI host bridges: begins an If. */
static void begin_if_osc_is_pci(struct aml *aml)
{
	/* 33db4d5b-1ff7-401c-9657-7441c03dd766, mixed endian */
	static const uint8_t uuid[] = { 0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f,
					0x1c, 0x40, 0x96, 0x57, 0x74, 0x41,
					0xc0, 0x3d, 0xd7, 0x66 };

	aml_begin(aml, AML_IF);
	aml_op(aml, AML_EQUAL);
	aml_op(aml, AML_ARG0);
	aml_begin(aml, AML_BUFFER);
	aml_integer(aml, sizeof(uuid));
	aml_bytes(aml, uuid, sizeof(uuid));
	aml_end(aml);
}

/* The guest drives PCIe itself; hot plug, which is not there, is not given. */
static void write_osc(struct aml *aml)
{
	begin_method(aml, "_OSC", 4);
	osc_word(aml, 0, "CDW1");
	begin_if_osc_is_pci(aml);
	osc_word(aml, 8, "CDW3");
	change(aml, AML_AND, "CDW3", OSC_GRANTED);
	aml_begin(aml, AML_IF);
	aml_op(aml, AML_NOT);
	aml_op(aml, AML_EQUAL);
	aml_op(aml, AML_ARG1);
	aml_integer(aml, 1);
	change(aml, AML_OR, "CDW1", OSC_REVISION);
	aml_end(aml);
	aml_op(aml, AML_RETURN);
	aml_op(aml, AML_ARG3);
	aml_end(aml);
	change(aml, AML_OR, "CDW1", OSC_UNSUPPORTED);
	aml_op(aml, AML_RETURN);
	aml_op(aml, AML_ARG3);
	aml_end(aml);
}

static void write_pci(struct aml *aml)
{
	begin_device(aml, "PCI0");
	aml_name_eisa_id(aml, "_HID", "PNP0A08");
	aml_name_eisa_id(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_UID", 0);
	aml_name_integer(aml, "_SEG", 0);
	aml_name_integer(aml, "_BBN", 0);
	aml_begin_resources(aml);
	aml_bus_window(aml, 0, 0);
	aml_ports(aml, PORT_PCI_ADDRESS, 8);
	aml_memory_window(aml, LAYOUT_PCI_BASE, LAYOUT_PCI_BYTES);
	aml_end_resources(aml);
	write_osc(aml);
	aml_end(aml);
}

static void write_motherboard(struct aml *aml)
{
	begin_device(aml, "MBRD");
	aml_name_eisa_id(aml, "_HID", "PNP0C02");
	aml_name_integer(aml, "_UID", 0);
	aml_begin_resources(aml);
	aml_memory(aml, LAYOUT_ECAM_BASE, LAYOUT_ECAM_BYTES);
	aml_ports(aml, PORT_SLEEP, 2);
	aml_ports(aml, PORT_EVENTS, 1);
	aml_ports(aml, PORT_RESET, 1);
	aml_end_resources(aml);
	aml_end(aml);
}

/* Fetch what is pending, clear it, tell whom it concerns. */
static void write_event_method(struct aml *aml)
{
	begin_method(aml, "_EVT", 1);
	aml_op(aml, AML_STORE);
	aml_path(aml, "EVTS");
	aml_op(aml, AML_LOCAL0);
	aml_op(aml, AML_STORE);
	aml_op(aml, AML_LOCAL0);
	aml_path(aml, "EVTS");
	aml_begin(aml, AML_IF);
	aml_op(aml, AML_AND);
	aml_op(aml, AML_LOCAL0);
	aml_integer(aml, EVENT_POWER_BUTTON);
	aml_integer(aml, 0); /* no target */
	aml_op(aml, AML_NOTIFY);
	aml_path(aml, "\\_SB.PWRB");
	aml_integer(aml, NOTIFY_PRESSED);
	aml_end(aml);
	aml_end(aml);
}

static void write_events(struct aml *aml)
{
	begin_device(aml, "GED");
	aml_name_string(aml, "_HID", "ACPI0013");
	aml_name_integer(aml, "_UID", 0);
	aml_begin_resources(aml);
	aml_level_interrupt(aml, GSI_EVENTS);
	aml_end_resources(aml);
	aml_op(aml, AML_REGION);
	aml_path(aml, "EVTR");
	aml_byte(aml, SYSTEM_IO);
	aml_integer(aml, PORT_EVENTS);
	aml_integer(aml, 1);
	aml_begin(aml, AML_FIELD);
	aml_path(aml, "EVTR");
	aml_byte(aml, FIELD_BYTES);
	aml_path(aml, "EVTS");
	aml_byte(aml, 8); /* bits */
	aml_end(aml);
	write_event_method(aml);
	aml_end(aml);
	begin_device(aml, "PWRB");
	aml_name_eisa_id(aml, "_HID", "PNP0C0C");
	aml_name_integer(aml, "_UID", 0);
	aml_end(aml);
}

static void write_serial(struct aml *aml)
{
	begin_device(aml, "COM1");
	aml_name_eisa_id(aml, "_HID", "PNP0501");
	aml_name_integer(aml, "_UID", 1);
	aml_begin_resources(aml);
	aml_ports(aml, PORT_SERIAL, PORT_SERIAL_COUNT);
	aml_isa_interrupt(aml, GSI_SERIAL);
	aml_end_resources(aml);
	aml_end(aml);
}

static void write_clock(struct aml *aml)
{
	begin_device(aml, "RTC0");
	aml_name_eisa_id(aml, "_HID", "PNP0B00");
	aml_begin_resources(aml);
	aml_ports(aml, PORT_RTC, PORT_RTC_COUNT);
	aml_isa_interrupt(aml, GSI_RTC);
	aml_end_resources(aml);
	aml_end(aml);
}

static void write_panic(struct aml *aml)
{
	begin_device(aml, "PEVT");
	aml_name_string(aml, "_HID", "QEMU0001");
	aml_begin_resources(aml);
	aml_ports(aml, PORT_PVPANIC, 1);
	aml_end_resources(aml);
	aml_end(aml);
}

static void write_off(struct aml *aml)
{
	aml_op(aml, AML_NAME);
	aml_path(aml, "\\_S5");
	aml_begin(aml, AML_PACKAGE);
	aml_byte(aml, 4);
	aml_integer(aml, SLEEP_TYPE_OFF);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_end(aml);
}

void dsdt_write(struct aml *aml)
{
	aml_begin(aml, AML_SCOPE);
	aml_path(aml, "\\_SB");
	write_pci(aml);
	write_motherboard(aml);
	write_events(aml);
	write_serial(aml);
	write_clock(aml);
	write_panic(aml);
	aml_end(aml);
	write_off(aml);
}
