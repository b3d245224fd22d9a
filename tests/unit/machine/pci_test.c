/* SPDX-License-Identifier: MIT */
#include "machine/pci.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/count.h"
#include "base/scope.h"
#include "board.h"
#include "lib/harness.h"

#define SLOT      5
#define OTHER     7
#define BAR_BYTES 0x8000u
#define TABLE     0x4000u
#define PENDING   0x6000u
#define VECTORS   3
#define ENABLE    PCI_MSIX_FLAGS_ENABLE
#define MASKALL   PCI_MSIX_FLAGS_MASKALL

/* A function whose BAR remembers what was written last. */
struct toy {
	struct pci_function function;
	uint64_t at;
	uint64_t value;
	uint64_t decoded;
	int decodings;
	int resets;
	uint8_t state;
};

static struct board board;
static struct toy toy;
static struct toy other;

static uint64_t read_toy(void *device, uint64_t offset, uint32_t width)
{
	struct toy *self = device;

	CHECK(offset + width <= BAR_BYTES);
	if (offset >= PENDING)
		return msix_pending_read(&self->function.msix, offset - PENDING,
					 width);
	if (offset >= TABLE)
		return msix_table_read(&self->function.msix, offset - TABLE,
				       width);
	return self->value;
}

static void write_toy(void *device, uint64_t offset, uint64_t value,
		      uint32_t width)
{
	struct toy *self = device;

	CHECK(offset + width <= BAR_BYTES);
	self->at = offset;
	self->value = value;
	if (offset >= TABLE && offset < PENDING)
		msix_table_write(&self->function.msix, offset - TABLE, value,
				 width);
}

static void decoded_toy(void *device, uint64_t base)
{
	struct toy *self = device;

	self->decoded = base;
	self->decodings++;
}

static void reset_toy(void *device)
{
	((struct toy *)device)->resets++;
}

static void save_toy(const void *device, struct state_writer *writer)
{
	state_put_u8(writer, ((const struct toy *)device)->state);
}

static void restore_toy(void *device, struct state_reader *reader)
{
	struct toy *self = device;

	self->state = state_get_u8(reader);
	if (self->state == 0)
		state_refuse(reader);
}

static const struct pci_ops toy_ops = {
	.bar = { read_toy, write_toy },
	.decoded = decoded_toy,
	.reset = reset_toy,
	.save = save_toy,
	.restore = restore_toy,
};

static const struct pci_identity identity = {
	.vendor = 0x1234,
	.device = 0x5678,
	.subsystem_vendor = 0x9abc,
	.subsystem = 0xdef0,
	.class_code = 0x010203,
	.revision = 4,
	.bar_bytes = BAR_BYTES,
};

static void start_toy(struct toy *self, uint8_t slot)
{
	memset(self, 0, sizeof(*self));
	pci_function_init(&self->function, &identity, &toy_ops, self);
	CHECK_EQ(pci_add(&board.pci, slot, &self->function), 0);
	CHECK(pci_add_msix(&self->function, VECTORS, TABLE, PENDING) == 0);
}

static void start(void)
{
	board_start(&board);
	start_toy(&toy, SLOT);
	start_toy(&other, OTHER);
}

static void stop(void)
{
	board_stop(&board);
}

static void place(uint32_t slot, uint64_t base)
{
	board_set_config(&board, slot, PCI_BASE_ADDRESS_0, base, 4);
}

static void decode(uint32_t slot, bool on)
{
	board_set_config(&board, slot, PCI_COMMAND, on ? PCI_COMMAND_MEMORY : 0,
			 2);
}

static void msix_flags(uint32_t flags)
{
	board_set_config(&board, SLOT,
			 toy.function.msix_capability + PCI_MSIX_FLAGS, flags,
			 2);
}

/* The toy's table, wherever its BAR is. */
static uint64_t entry_at(uint32_t vector, uint32_t word)
{
	return toy.decoded + TABLE + (uint64_t)vector * PCI_MSIX_ENTRY_SIZE +
	       word * 4ULL;
}

static void program(uint32_t vector, uint64_t address, uint32_t data)
{
	board_write(&board, entry_at(vector, 0), (uint32_t)address, 4);
	board_write(&board, entry_at(vector, 1), address >> 32, 4);
	board_write(&board, entry_at(vector, 2), data, 4);
}

static void mask(uint32_t vector, bool on)
{
	board_write(&board, entry_at(vector, 3), on, 4);
}

TEST(an_empty_bus_has_a_host_bridge)
{
	board_start(&board);
	CHECK_EQ(board_config(&board, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	CHECK_EQ(board_config(&board, 0, PCI_INTERRUPT_PIN, 1), 0);
	for (uint32_t i = 1; i < SLOT_COUNT; i++)
		CHECK_EQ(board_config(&board, i, 0, 4), 0xffffffff);
	stop();
}

TEST(a_function_shows_what_it_is)
{
	start();
	CHECK_EQ(board_config(&board, SLOT, PCI_VENDOR_ID, 4), 0x56781234);
	CHECK_EQ(board_config(&board, SLOT, PCI_CLASS_REVISION, 4), 0x01020304);
	CHECK_EQ(board_config(&board, SLOT, PCI_SUBSYSTEM_VENDOR_ID, 4),
		 0xdef09abc);
	CHECK_EQ(board_config(&board, SLOT, PCI_HEADER_TYPE, 1), 0);
	CHECK_EQ(board_config(&board, SLOT, PCI_CAPABILITY_LIST, 1), 0x40);
	CHECK_EQ(board_config(&board, SLOT, 0x40, 2), PCI_CAP_ID_MSIX);
	CHECK_EQ(board_config(&board, SLOT, 0x42, 2), VECTORS - 1);
	/* Only function 0. */
	CHECK_EQ(board_config(&board, SLOT, 0x1000, 4), 0xffffffff);
	stop();
}

TEST(ports_and_ecam_show_the_same_space)
{
	start();
	board_out(&board, PORT_PCI_ADDRESS,
		  0x80000000 | SLOT << 11 | PCI_SUBSYSTEM_VENDOR_ID, 4);
	CHECK_EQ(board_in(&board, PORT_PCI_ADDRESS, 4),
		 0x80000000 | SLOT << 11 | PCI_SUBSYSTEM_VENDOR_ID);
	CHECK_EQ(board_in(&board, PORT_PCI_DATA, 4), 0xdef09abc);
	CHECK_EQ(board_in(&board, PORT_PCI_DATA + 2, 2), 0xdef0);

	board_out(&board, PORT_PCI_ADDRESS,
		  0x80000000 | SLOT << 11 | PCI_INTERRUPT_LINE, 4);
	board_out(&board, PORT_PCI_DATA, 9, 1);
	CHECK_EQ(board_config(&board, SLOT, PCI_INTERRUPT_LINE, 1), 9);
	stop();
}

TEST(ports_without_the_enable_bit_or_for_another_bus_show_nothing)
{
	start();
	board_out(&board, PORT_PCI_ADDRESS, SLOT << 11, 4);
	CHECK_EQ(board_in(&board, PORT_PCI_DATA, 4), 0xffffffff);
	board_out(&board, PORT_PCI_ADDRESS, 0x80000000 | 1 << 16 | SLOT << 11,
		  4);
	CHECK_EQ(board_in(&board, PORT_PCI_DATA, 4), 0xffffffff);
	/* Only whole words make an address. */
	board_out(&board, PORT_PCI_ADDRESS, 0, 1);
	CHECK_EQ(board_in(&board, PORT_PCI_ADDRESS, 1), 0xff);
	CHECK_EQ(board_in(&board, PORT_PCI_ADDRESS, 4),
		 0x80000000 | 1 << 16 | SLOT << 11);
	stop();
}

static void note_reset(void *context, uint8_t value)
{
	*(int *)context = value;
}

TEST(a_byte_at_port_cf9_is_the_reset_control_register)
{
	int last = -1;

	start();
	board_out(&board, PORT_PCI_ADDRESS + 1, 6, 1);
	board.pci.reset_control = note_reset;
	board.pci.reset_context = &last;

	board_out(&board, PORT_PCI_ADDRESS, 0x80000600, 4);
	board_out(&board, PORT_PCI_ADDRESS + 1, 6, 2);
	board_out(&board, PORT_PCI_ADDRESS + 2, 6, 1);
	CHECK_EQ(last, -1);
	board_out(&board, PORT_PCI_ADDRESS + 1, 6, 1);

	CHECK_EQ(last, 6);
	CHECK_EQ(board_in(&board, PORT_PCI_ADDRESS, 4), 0x80000600);
	stop();
}

TEST(a_hostile_guest_cannot_write_what_is_read_only)
{
	uint8_t before[PCI_CONFIG_BYTES];

	start();
	memcpy(before, toy.function.space, sizeof(before));
	for (uint32_t i = 0; i < 4096; i += 4)
		board_set_config(&board, SLOT, i, 0xffffffff, 4);
	for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++)
		CHECK_EQ((toy.function.space[i] ^ before[i]) &
				 ~toy.function.writable[i],
			 0);
	CHECK_EQ(board_config(&board, SLOT, PCI_VENDOR_ID, 4), 0x56781234);
	CHECK_EQ(board_config(&board, SLOT, PCI_INTERRUPT_PIN, 1), 0);
	CHECK_EQ(board_config(&board, SLOT, PCI_STATUS, 2),
		 PCI_STATUS_CAP_LIST);
	stop();
}

TEST(a_hostile_guest_cannot_access_beyond_configuration_space)
{
	start();
	CHECK_EQ(board_config(&board, SLOT, 0x100, 4), 0xffffffff);
	CHECK_EQ(board_config(&board, SLOT, 0xfd, 8), -1LL);
	CHECK_EQ(board_config(&board, SLOT, 0xfff, 8), -1LL);
	board_set_config(&board, SLOT, 0xfd, 0, 8);
	board_set_config(&board, SLOT, 0xffc, 0, 4);
	CHECK_EQ(board_config(&board, SLOT, 0xf8, 8), 0);
	stop();
}

TEST(a_bar_tells_its_size)
{
	start();
	place(SLOT, 0xffffffff);
	CHECK_EQ(board_config(&board, SLOT, PCI_BASE_ADDRESS_0, 4),
		 ~(BAR_BYTES - 1));
	board_set_config(&board, SLOT, PCI_BASE_ADDRESS_1, 0xffffffff, 4);
	CHECK_EQ(board_config(&board, SLOT, PCI_BASE_ADDRESS_1, 4), 0);
	board_set_config(&board, SLOT, PCI_ROM_ADDRESS, 0xffffffff, 4);
	CHECK_EQ(board_config(&board, SLOT, PCI_ROM_ADDRESS, 4), 0);
	stop();
}

TEST(a_bar_is_decoded_where_it_was_put_while_decoding_is_on)
{
	const uint64_t base = LAYOUT_PCI_BASE + 0x4000000;

	start();
	place(SLOT, base);
	board_write(&board, base, 1, 4);
	CHECK_EQ(toy.value, 0);
	decode(SLOT, true);
	board_write(&board, base + 8, 2, 4);
	CHECK_EQ(toy.value, 2);
	CHECK_EQ(toy.at, 8);
	CHECK_EQ(toy.decoded, base);

	place(SLOT, base + BAR_BYTES);
	board_write(&board, base, 3, 4);
	CHECK_EQ(toy.value, 2);
	CHECK_EQ(toy.decoded, base + BAR_BYTES);
	decode(SLOT, false);
	board_write(&board, base + BAR_BYTES, 3, 4);
	CHECK_EQ(toy.value, 2);
	CHECK_EQ(toy.decoded, 0);
	stop();
}

TEST(bars_have_a_place_before_anyone_gives_them_one)
{
	start();
	decode(SLOT, true);
	decode(OTHER, true);
	CHECK(toy.decoded >= LAYOUT_PCI_BASE && other.decoded > toy.decoded);
	stop();
}

TEST(a_hostile_guest_cannot_put_a_bar_over_memory)
{
	const uint64_t bad[] = {
		0,
		0x1000000,
		LAYOUT_PCI_BASE - BAR_BYTES,
		LAYOUT_ECAM_BASE,
		LAYOUT_ECAM_BASE + BAR_BYTES,
		LAYOUT_IOAPIC,
		LAYOUT_LAPIC,
		0xffff8000,
		0xffffffff,
	};

	start();
	decode(SLOT, true);
	for (uint32_t i = 0; i < ARRAY_COUNT(bad); i++) {
		place(SLOT, bad[i]);
		CHECK_EQ(toy.decoded, 0);
	}
	place(SLOT, LAYOUT_ECAM_BASE - BAR_BYTES);
	CHECK_EQ(toy.decoded, LAYOUT_ECAM_BASE - BAR_BYTES);
	stop();
}

TEST(a_hostile_guest_cannot_put_a_bar_over_another)
{
	start();
	place(SLOT, LAYOUT_PCI_BASE);
	place(OTHER, LAYOUT_PCI_BASE);
	decode(SLOT, true);
	decode(OTHER, true);
	board_write(&board, LAYOUT_PCI_BASE, 7, 4);
	CHECK_EQ(toy.value, 7);
	CHECK_EQ(other.decoded, 0);
	CHECK_EQ(other.value, 0);

	/* It comes to light when the other goes. */
	decode(SLOT, false);
	CHECK_EQ(other.decoded, LAYOUT_PCI_BASE);
	stop();
}

TEST(a_vector_is_bound_while_nothing_masks_it)
{
	const uint32_t gsi = GSI_MSI + 1;

	start();
	decode(SLOT, true);
	program(1, 0xfee01000, 0x4041);
	mask(1, false);
	CHECK_EQ(board_irqs(&board), 0);
	msix_flags(ENABLE);
	CHECK_EQ(board_irq(&board, gsi), msix_event_fd(&toy.function.msix, 1));
	CHECK_EQ(board.addresses[gsi], 0xfee01000);
	CHECK_EQ(board.data[gsi], 0x4041);
	CHECK_EQ(board_irqs(&board), 1);

	mask(1, true);
	CHECK_EQ(board_irqs(&board), 0);
	mask(1, false);
	msix_flags(ENABLE | MASKALL);
	CHECK_EQ(board_irqs(&board), 0);
	msix_flags(ENABLE);
	CHECK_EQ(board_irqs(&board), 1);
	CHECK_EQ(board.routes, 1);
	stop();
}

TEST(a_vector_that_moves_is_routed_anew)
{
	start();
	decode(SLOT, true);
	msix_flags(ENABLE);
	program(0, 0xfee00000, 1);
	mask(0, false);
	mask(0, true);
	program(0, 0xfee02000, 2);
	CHECK_EQ(board.data[GSI_MSI], 1);
	mask(0, false);
	CHECK_EQ(board.data[GSI_MSI], 2);
	CHECK_EQ(board.addresses[GSI_MSI], 0xfee02000);
	stop();
}

TEST(a_vector_without_a_route_is_not_bound)
{
	start();
	decode(SLOT, true);
	msix_flags(ENABLE);
	mask(0, false);
	CHECK_EQ(board_irqs(&board), 1);
	board.refuses_routes = true;
	program(0, 0xfee00000, 1);
	CHECK_EQ(board_irqs(&board), 0);
	stop();
}

TEST(an_interrupt_while_masked_is_pending_and_not_lost)
{
	start();
	decode(SLOT, true);
	msix_flags(ENABLE);
	msix_fire(&toy.function.msix, 2);
	CHECK_EQ(board_read(&board, toy.decoded + PENDING, 4), 1 << 2);
	mask(2, false);
	/* What is bound is the kernel's to take; the count is there. */
	CHECK_EQ(board_read(&board, toy.decoded + PENDING, 4), 0);
	CHECK_EQ(board_count(board_irq(&board, GSI_MSI + 2)), 1);
	stop();
}

TEST(functions_have_gsis_of_their_own)
{
	start();
	CHECK_EQ(toy.function.msix.gsi, GSI_MSI);
	CHECK_EQ(other.function.msix.gsi, GSI_MSI + VECTORS);
	stop();
}

TEST(a_hostile_guest_cannot_make_nonsense_of_the_msix_table)
{
	start();
	decode(SLOT, true);
	msix_flags(ENABLE);
	/* Beyond the table, misaligned, of odd widths. */
	for (uint32_t at = 0; at < PENDING - TABLE; at++)
		for (uint32_t width = 1; width <= 8; width *= 2)
			if (at >= VECTORS * PCI_MSIX_ENTRY_SIZE ||
			    at % width != 0 || width < 4)
				board_write(&board, toy.decoded + TABLE + at, 0,
					    width);
	CHECK_EQ(board_irqs(&board), 0);
	CHECK_EQ(board_read(&board, entry_at(VECTORS, 0), 4), 0);
	CHECK_EQ(board_read(&board, entry_at(0, 0) + 1, 4), 0);
	CHECK_EQ(board_read(&board, entry_at(0, 3), 1), 0);
	CHECK_EQ(board_read(&board, entry_at(0, 3), 4), 1);

	board_write(&board, entry_at(0, 0), -1ull, 8);
	board_write(&board, entry_at(0, 2), -1ull, 8);
	CHECK_EQ(board_read(&board, entry_at(0, 0), 8), -4LL);
	CHECK_EQ(board_read(&board, entry_at(0, 2), 8), 0x1ffffffff);
	board_write(&board, toy.decoded + PENDING, -1ull, 8);
	CHECK_EQ(board_read(&board, toy.decoded + PENDING, 8), 0);
	stop();
}

TEST(a_capability_beyond_the_space_is_refused)
{
	static const uint8_t body[100] = { 0 };
	struct pci_function function;

	pci_function_init(&function, &identity, &toy_ops, NULL);
	CHECK_EQ(pci_add_capability(&function, 9, body, NULL, 100), 0x40);
	CHECK_EQ(pci_add_capability(&function, 9, body, NULL, 100), -ENOSPC);
	CHECK_EQ(pci_add_capability(&function, 9, body, NULL, 80), 0xa4);
	CHECK_EQ(function.space[0x41], 0xa4);
}

TEST(a_slot_can_be_taken_once)
{
	start();
	CHECK_EQ(pci_add(&board.pci, SLOT, &other.function), -EBUSY);
	stop();
}

TEST(a_reset_brings_back_the_state_of_power_on)
{
	uint8_t before[PCI_CONFIG_BYTES];

	start();
	memcpy(before, toy.function.space, sizeof(before));
	place(SLOT, LAYOUT_PCI_BASE + 0x100000);
	decode(SLOT, true);
	msix_flags(ENABLE);
	program(0, 0xfee00000, 1);
	mask(0, false);
	msix_fire(&toy.function.msix, 1);

	pci_reset(&board.pci);
	CHECK(memcmp(before, toy.function.space, sizeof(before)) == 0);
	CHECK_EQ(toy.decoded, 0);
	CHECK_EQ(toy.resets, 1);
	CHECK_EQ(board_irqs(&board), 0);
	CHECK_EQ(board_count(msix_event_fd(&toy.function.msix, 1)), 0);
	decode(SLOT, true);
	CHECK_EQ(board_read(&board, entry_at(0, 0), 4), 0);
	CHECK_EQ(board_read(&board, entry_at(0, 3), 4), 1);
	stop();
}

static struct state_writer saved;

static void save(void)
{
	state_writer_init(&saved);
	place(SLOT, LAYOUT_PCI_BASE + 0x100000);
	decode(SLOT, true);
	msix_flags(ENABLE);
	program(0, 0xfee00000, 77);
	mask(0, false);
	msix_fire(&toy.function.msix, 1);
	toy.state = 42;
	other.state = 43;
	pci_save(&board.pci, &saved);
	CHECK_EQ(state_writer_result(&saved), 0);
}

static int restore(void)
{
	struct state_reader reader;

	state_reader_init(&reader, saved.bytes, saved.used);
	pci_restore(&board.pci, &reader);
	return state_reader_result(&reader);
}

TEST(a_bus_is_restored_as_it_was_saved)
{
	start();
	save();
	stop();

	start();
	CHECK_EQ(restore(), 0);
	CHECK_EQ(toy.decoded, LAYOUT_PCI_BASE + 0x100000);
	CHECK_EQ(toy.state, 42);
	CHECK_EQ(other.state, 43);
	CHECK_EQ(board.data[GSI_MSI], 77);
	CHECK_EQ(board_irqs(&board), 1);
	CHECK_EQ(board_read(&board, toy.decoded + PENDING, 4), 1 << 1);
	stop();
	state_writer_release(&saved);
}

TEST(a_bus_with_other_functions_is_not_restored)
{
	start();
	save();
	stop();

	board_start(&board);
	start_toy(&toy, SLOT);
	start_toy(&other, OTHER + 1);
	CHECK_EQ(restore(), -EBADMSG);
	stop();
	state_writer_release(&saved);
}

TEST(a_hostile_image_cannot_change_what_is_read_only)
{
	start();
	save();
	stop();
	/* Behind the bridge's section (its space and no vectors) comes ours:
	 * head, slot, address, space. */
	saved.bytes[8 + 1 + 4 + 256 + 4 + 8 + 1 + 4 + PCI_VENDOR_ID] ^= 1;
	start();
	CHECK_EQ(restore(), -EBADMSG);
	CHECK_EQ(board_config(&board, SLOT, PCI_VENDOR_ID, 2), 0x1234);
	stop();
	state_writer_release(&saved);
}

TEST(a_hostile_image_cannot_be_short)
{
	start();
	save();
	stop();
	while (saved.used-- > 0) {
		start();
		CHECK_EQ(restore(), -EBADMSG);
		stop();
	}
	state_writer_release(&saved);
}
