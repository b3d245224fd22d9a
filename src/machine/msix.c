/* SPDX-License-Identifier: MIT */
#include "machine/msix.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>

#include "base/event.h"
#include "base/scope.h"

enum { ADDRESS, ADDRESS_HIGH, DATA, CONTROL };

/* What of each word of an entry can be written. */
static const uint32_t word_masks[] = {
	[ADDRESS] = ~3u,
	[ADDRESS_HIGH] = ~0u,
	[DATA] = ~0u,
	[CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT,
};

static bool may_fire(const struct msix *msix, const struct msix_vector *vector)
{
	return msix->is_enabled && !msix->is_masked &&
	       (vector->words[CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT) == 0;
}

static uint32_t gsi_of(const struct msix *msix,
		       const struct msix_vector *vector)
{
	return msix->gsi + (uint32_t)(vector - msix->vectors);
}

static void unbind(struct msix *msix, struct msix_vector *vector)
{
	if (vector->is_bound)
		(void)msix->ops->bind_irq(msix->ops->context,
					  gsi_of(msix, vector),
					  vector->event_fd, false);
	vector->is_bound = false;
}

/* An interrupt that cannot be had is lost, and its guest alone suffers. */
static void bind(struct msix *msix, struct msix_vector *vector)
{
	const struct machine_ops *ops = msix->ops;
	uint32_t gsi = gsi_of(msix, vector);
	uint64_t address = (uint64_t)vector->words[ADDRESS_HIGH] << 32 |
			   vector->words[ADDRESS];

	if (!vector->is_routed)
		vector->is_routed = ops->route_msi(ops->context, gsi, address,
						   vector->words[DATA]) == 0;
	if (!vector->is_routed)
		unbind(msix, vector);
	else if (!vector->is_bound)
		vector->is_bound = ops->bind_irq(ops->context, gsi,
						 vector->event_fd, true) == 0;
}

/* The one place that decides whether a vector is bound. */
static void settle(struct msix *msix, struct msix_vector *vector)
{
	if (may_fire(msix, vector))
		bind(msix, vector);
	else
		unbind(msix, vector);
}

int msix_init(struct msix *msix, uint16_t count, uint32_t gsi,
	      const struct machine_ops *ops)
{
	assert(count <= MSIX_VECTOR_MAX);
	memset(msix, 0, sizeof(*msix));
	msix->ops = ops;
	msix->gsi = gsi;
	for (uint16_t i = 0; i < count; i++) {
		struct msix_vector *vector = &msix->vectors[i];

		vector->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vector->event_fd < 0) {
			int r = -errno;

			msix_release(msix);
			return r;
		}
		vector->words[CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		msix->count++;
	}
	return 0;
}

void msix_release(struct msix *msix)
{
	for (uint16_t i = 0; i < msix->count; i++) {
		unbind(msix, &msix->vectors[i]);
		close_fd(&msix->vectors[i].event_fd);
	}
	msix->count = 0;
}

static void forget_pending(const struct msix_vector *vector)
{
	uint64_t count;

	/* Nothing to read is nothing pending. */
	if (read(vector->event_fd, &count, sizeof(count)) < 0)
		return;
}

void msix_reset(struct msix *msix)
{
	msix->is_enabled = msix->is_masked = false;
	for (uint16_t i = 0; i < msix->count; i++) {
		struct msix_vector *vector = &msix->vectors[i];

		unbind(msix, vector);
		vector->is_routed = false;
		memset(vector->words, 0, sizeof(vector->words));
		vector->words[CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		forget_pending(vector);
	}
}

void msix_control(struct msix *msix, bool is_enabled, bool is_masked)
{
	msix->is_enabled = is_enabled;
	msix->is_masked = is_masked;
	for (uint16_t i = 0; i < msix->count; i++)
		settle(msix, &msix->vectors[i]);
}

static bool is_table_access(uint64_t offset, uint32_t width)
{
	return (width == 4 || width == 8) && offset % width == 0;
}

static uint32_t read_word(const struct msix *msix, uint64_t offset)
{
	uint64_t index = offset / MSIX_ENTRY_BYTES;

	if (index >= msix->count)
		return 0;
	return msix->vectors[index].words[offset / 4 % 4];
}

uint64_t msix_table_read(const struct msix *msix, uint64_t offset,
			 uint32_t width)
{
	if (!is_table_access(offset, width))
		return 0;
	if (width == 4)
		return read_word(msix, offset);
	return (uint64_t)read_word(msix, offset + 4) << 32 |
	       read_word(msix, offset);
}

static void write_word(struct msix *msix, uint64_t offset, uint32_t value)
{
	uint64_t index = offset / MSIX_ENTRY_BYTES;
	uint32_t word = offset / 4 % 4;
	struct msix_vector *vector = &msix->vectors[index];

	if (index >= msix->count)
		return;
	value &= word_masks[word];
	if (word != CONTROL && vector->words[word] != value)
		vector->is_routed = false;
	vector->words[word] = value;
}

/* Half a message must not be routed: both words of a wide write come first. */
void msix_table_write(struct msix *msix, uint64_t offset, uint64_t value,
		      uint32_t width)
{
	uint64_t index = offset / MSIX_ENTRY_BYTES;

	if (!is_table_access(offset, width) || index >= msix->count)
		return;
	write_word(msix, offset, (uint32_t)value);
	if (width == 8)
		write_word(msix, offset + 4, (uint32_t)(value >> 32));
	settle(msix, &msix->vectors[index]);
}

static bool is_pending(const struct msix_vector *vector)
{
	struct pollfd look = { .fd = vector->event_fd, .events = POLLIN };

	/* The kernel takes what comes while it is bound. */
	return !vector->is_bound && poll(&look, 1, 0) > 0;
}

static uint32_t pending_bits(const struct msix *msix)
{
	uint32_t bits = 0;

	for (uint16_t i = 0; i < msix->count; i++)
		bits |= (uint32_t)is_pending(&msix->vectors[i]) << i;
	return bits;
}

uint64_t msix_pending_read(const struct msix *msix, uint64_t offset,
			   uint32_t width)
{
	if (!is_table_access(offset, width) || offset != 0)
		return 0;
	return pending_bits(msix);
}

int msix_event_fd(const struct msix *msix, uint16_t vector)
{
	return vector < msix->count ? msix->vectors[vector].event_fd : NO_FD;
}

void msix_fire(const struct msix *msix, uint16_t vector)
{
	event_signal(msix_event_fd(msix, vector));
}

void msix_save(const struct msix *msix, struct state_writer *writer)
{
	state_put_u32(writer, pending_bits(msix));
	for (uint16_t i = 0; i < msix->count; i++)
		for (uint32_t word = 0; word < 4; word++)
			state_put_u32(writer, msix->vectors[i].words[word]);
}

void msix_restore(struct msix *msix, struct state_reader *reader)
{
	uint32_t pending = state_get_u32(reader);

	for (uint16_t i = 0; i < msix->count; i++) {
		for (uint32_t word = 0; word < 4; word++)
			write_word(msix, i * MSIX_ENTRY_BYTES + word * 4u,
				   state_get_u32(reader));
		if (pending >> i & 1)
			msix_fire(msix, i);
	}
}
