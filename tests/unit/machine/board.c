/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "lib/harness.h"

static void set_line(void *context, uint32_t gsi, bool level)
{
	CHECK(gsi < GSI_MSI);
}

static int route_msi(void *context, uint32_t gsi, uint64_t address,
		     uint32_t data)
{
	struct board *board = context;

	CHECK(gsi >= GSI_MSI && gsi < GSI_COUNT);
	if (board->refuses_routes)
		return -1;
	board->addresses[gsi] = address;
	board->data[gsi] = data;
	board->routes++;
	return 0;
}

static struct binding *find(struct binding *bindings, uint64_t where)
{
	for (int i = 0; i < BOARD_BINDINGS; i++)
		if (bindings[i].event_fd > 0 && bindings[i].where == where)
			return &bindings[i];
	return NULL;
}

/* Like KVM, it binds nothing twice and unbinds only what is bound. */
static void change(struct binding *bindings, uint64_t where, int event_fd,
		   bool on)
{
	struct binding *found = find(bindings, where);

	CHECK_EQ(found == NULL, on);
	for (int i = 0; !found; i++) {
		CHECK(i < BOARD_BINDINGS);
		if (bindings[i].event_fd == 0)
			found = &bindings[i];
	}
	if (!on)
		CHECK_EQ(found->event_fd, event_fd);
	*found = (struct binding){ where, on ? event_fd : 0 };
}

static int bind_irq(void *context, uint32_t gsi, int event_fd, bool on)
{
	struct board *board = context;

	change(board->irqs, gsi, event_fd, on);
	return 0;
}

static int bind_doorbell(void *context, uint64_t gpa, int event_fd, bool on)
{
	struct board *board = context;

	if (board->refuses_doorbells)
		return -1;
	change(board->doorbells, gpa, event_fd, on);
	return 0;
}

void board_start(struct board *board)
{
	memset(board, 0, sizeof(*board));
	board->ops = (struct machine_ops){
		.set_line = set_line,
		.route_msi = route_msi,
		.bind_irq = bind_irq,
		.bind_doorbell = bind_doorbell,
		.context = board,
	};
	CHECK_EQ(pci_init(&board->pci, &board->ports, &board->memory,
			  &board->ops),
		 0);
}

void board_stop(struct board *board)
{
	pci_release(&board->pci);
	CHECK_EQ(board_irqs(board), 0);
	CHECK_EQ(board_doorbells(board), 0);
}

int board_irq(const struct board *board, uint32_t gsi)
{
	const struct binding *found = find((struct binding *)board->irqs, gsi);

	return found ? found->event_fd : NO_FD;
}

int board_doorbell(const struct board *board, uint64_t gpa)
{
	const struct binding *found =
		find((struct binding *)board->doorbells, gpa);

	return found ? found->event_fd : NO_FD;
}

static int count_bound(const struct binding *bindings)
{
	int count = 0;

	for (int i = 0; i < BOARD_BINDINGS; i++)
		count += bindings[i].event_fd > 0;
	return count;
}

int board_irqs(const struct board *board)
{
	return count_bound(board->irqs);
}

int board_doorbells(const struct board *board)
{
	return count_bound(board->doorbells);
}

uint64_t board_read(struct board *board, uint64_t address, uint32_t width)
{
	uint64_t value = 0;

	bus_read(&board->memory, address, &value, width);
	return value;
}

void board_write(struct board *board, uint64_t address, uint64_t value,
		 uint32_t width)
{
	bus_write(&board->memory, address, &value, width);
}

uint64_t board_in(struct board *board, uint64_t port, uint32_t width)
{
	uint64_t value = 0;

	bus_read(&board->ports, port, &value, width);
	return value;
}

void board_out(struct board *board, uint64_t port, uint64_t value,
	       uint32_t width)
{
	bus_write(&board->ports, port, &value, width);
}

uint64_t board_config(struct board *board, uint32_t slot, uint32_t offset,
		      uint32_t width)
{
	return board_read(board, LAYOUT_ECAM_BASE + (slot << 15) + offset,
			  width);
}

void board_set_config(struct board *board, uint32_t slot, uint32_t offset,
		      uint64_t value, uint32_t width)
{
	board_write(board, LAYOUT_ECAM_BASE + (slot << 15) + offset, value,
		    width);
}

uint64_t board_count(int event_fd)
{
	uint64_t count;

	return read(event_fd, &count, sizeof(count)) == sizeof(count) ? count
								      : 0;
}
