/* SPDX-License-Identifier: MIT */
#include "lib/fake_driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/count.h"

static void insist(bool condition)
{
	if (!condition)
		abort();
}

static uint64_t place(struct fake_driver *driver, uint64_t bytes)
{
	uint64_t at = align_up_u64(driver->next_byte, 16);

	insist(at + bytes <= FAKE_BYTES);
	driver->next_byte = at + bytes;
	return at;
}

void fake_driver_reset(struct fake_driver *driver)
{
	uint64_t descriptors, available, used;

	driver->next_byte = 0;
	driver->next_descriptor = 0;
	driver->next_used = 0;
	descriptors = place(driver, 16ull * driver->size);
	available = place(driver, 6 + 2ull * driver->size);
	used = place(driver, 6 + 8ull * driver->size);
	memset(driver->host, 0, driver->next_byte);
	driver->descriptors = (void *)(driver->host + descriptors);
	driver->available = (void *)(driver->host + available);
	driver->used = (void *)(driver->host + used);
	driver->addresses = (struct ring_addresses){
		.descriptors = FAKE_USER + descriptors,
		.available = FAKE_USER + available,
		.used = FAKE_USER + used,
	};
}

void fake_driver_open(struct fake_driver *driver, uint16_t size)
{
	memset(driver, 0, sizeof(*driver));
	driver->fd = memfd_create("fake-guest", MFD_CLOEXEC);
	insist(driver->fd >= 0);
	insist(ftruncate(driver->fd, (off_t)FAKE_BYTES) == 0);
	driver->host = mmap(NULL, FAKE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED, driver->fd, 0);
	insist(driver->host != MAP_FAILED);
	driver->size = size;
	fake_driver_reset(driver);
}

void fake_driver_close(struct fake_driver *driver)
{
	insist(munmap(driver->host, FAKE_BYTES) == 0);
	insist(close(driver->fd) == 0);
}

void fake_driver_map(const struct fake_driver *driver, struct guestmem *memory)
{
	const struct guestmem_place whole = { .gpa = FAKE_GPA,
					      .user_address = FAKE_USER,
					      .bytes = FAKE_BYTES };

	insist(guestmem_add(memory, &whole, driver->fd) == 0);
}

gpa_t fake_driver_alloc(struct fake_driver *driver, size_t bytes)
{
	return FAKE_GPA + place(driver, bytes);
}

void *fake_driver_at(struct fake_driver *driver, gpa_t gpa)
{
	insist(gpa >= FAKE_GPA && gpa < FAKE_GPA + FAKE_BYTES);
	return driver->host + (gpa - FAKE_GPA);
}

/* `index` is where the table goes on; the ring's own table wraps. */
static void write_chain(vring_desc_t *table, uint16_t first, uint16_t mask,
			const struct fake_buffer *buffers, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		uint16_t next = (uint16_t)((first + i + 1) & mask);
		vring_desc_t *descriptor = &table[(first + i) & mask];

		descriptor->addr = buffers[i].gpa;
		descriptor->len = buffers[i].bytes;
		descriptor->flags =
			buffers[i].is_writable ? VRING_DESC_F_WRITE : 0;
		descriptor->next = 0;
		if (i + 1 == count)
			return;
		descriptor->flags |= VRING_DESC_F_NEXT;
		descriptor->next = next;
	}
}

static uint16_t take_descriptors(struct fake_driver *driver, uint16_t count)
{
	uint16_t first = driver->next_descriptor;

	driver->next_descriptor =
		(uint16_t)((first + count) & (driver->size - 1));
	return first;
}

uint16_t fake_driver_chain(struct fake_driver *driver,
			   const struct fake_buffer *buffers, uint16_t count)
{
	uint16_t head = take_descriptors(driver, count);

	write_chain(driver->descriptors, head, (uint16_t)(driver->size - 1),
		    buffers, count);
	return head;
}

uint16_t fake_driver_indirect(struct fake_driver *driver,
			      const struct fake_buffer *buffers, uint16_t count)
{
	gpa_t table = fake_driver_alloc(driver, 16ull * count);
	uint16_t head = take_descriptors(driver, 1);

	write_chain(fake_driver_at(driver, table), 0, UINT16_MAX, buffers,
		    count);
	driver->descriptors[head] = (vring_desc_t){
		.addr = table,
		.len = 16u * count,
		.flags = VRING_DESC_F_INDIRECT,
	};
	return head;
}

void fake_driver_offer(struct fake_driver *driver, uint16_t head)
{
	uint16_t index = driver->available->idx;

	driver->available->ring[index & (driver->size - 1)] = head;
	__atomic_store_n(&driver->available->idx, (uint16_t)(index + 1),
			 __ATOMIC_RELEASE);
}

bool fake_driver_used(struct fake_driver *driver,
		      struct vring_used_elem *ret_element)
{
	uint16_t index = __atomic_load_n(&driver->used->idx, __ATOMIC_ACQUIRE);

	if (index == driver->next_used)
		return false;
	*ret_element =
		driver->used->ring[driver->next_used & (driver->size - 1)];
	driver->next_used++;
	return true;
}

uint16_t *fake_driver_used_event(struct fake_driver *driver)
{
	return &driver->available->ring[driver->size];
}

uint16_t *fake_driver_avail_event(struct fake_driver *driver)
{
	return (uint16_t *)&driver->used->ring[driver->size];
}
