/* SPDX-License-Identifier: MIT */
#include "scsi/ledger.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "scsi/ledger_memory.h"

#define ALL_NEXUSES UINT64_MAX

/* No host counts further. */
#define SEQUENCE_MAX (1ull << 62)

static uint64_t bit(uint32_t nexus)
{
	return 1ull << nexus;
}

void ledger_copy(void *to, const void *from, size_t bytes)
{
	uint64_t *next = to;
	const uint8_t *bytes_from = from;
	uint64_t word;

	for (size_t at = 0; at < bytes; at += sizeof(word)) {
		memcpy(&word, bytes_from + at, sizeof(word));
		STORE(*next++, word);
	}
}

/* Things in two slots begin like this. */
struct slot {
	uint64_t sequence;
	uint32_t crc;
};

static uint32_t slot_crc(const void *slot, size_t bytes)
{
	const uint8_t *all = slot;
	uint32_t sum = crc32c(0, all, offsetof(struct slot, crc));
	size_t rest = offsetof(struct slot, crc) + sizeof(uint32_t);

	return crc32c(sum, all + rest, bytes - rest);
}

/* Make `next` current; `slots` are `stride` bytes each. */
static void slot_commit(uint64_t *current, void *slots, size_t stride,
			void *next, size_t bytes)
{
	struct slot *head = next;
	uint8_t *to = slots;

	head->sequence = *current + 1;
	head->crc = slot_crc(next, bytes);
	ledger_copy(to + (head->sequence & 1) * stride, next, bytes);
	STORE(*current, head->sequence);
}

static bool slot_read(uint64_t current, const void *slots, size_t stride,
		      void *ret, size_t bytes)
{
	const uint8_t *from = slots;
	struct slot *head = ret;

	memcpy(ret, from + (current & 1) * stride, bytes);
	return current != 0 && current <= SEQUENCE_MAX &&
	       head->sequence == current && head->crc == slot_crc(ret, bytes);
}

/* Attentions. -------------------------------------------------------------- */

static void notes_commit(struct scsi_ledger *ledger, uint32_t nexus)
{
	struct ledger_nexus *in_memory = &memory_of(ledger)->nexuses[nexus];

	slot_commit(&in_memory->current, in_memory->slots,
		    sizeof(in_memory->slots[0]), &ledger->notes[nexus],
		    sizeof(ledger->notes[nexus]));
}

static void notes_add(struct scsi_ledger *ledger, uint32_t nexus,
		      uint32_t attentions)
{
	struct scsi_nexus_notes *notes = &ledger->notes[nexus];

	if ((attentions & ~notes->pending) == 0)
		return;
	notes->pending |= attentions;
	notes_commit(ledger, nexus);
}

static bool is_used(const struct scsi_ledger *ledger, uint32_t nexus)
{
	return ledger->state.ports[nexus].row_count != 0;
}

void scsi_ledger_raise(struct scsi_ledger *ledger, uint64_t nexuses,
		       enum scsi_attention attention)
{
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if ((nexuses & bit(i)) != 0 && is_used(ledger, i))
			notes_add(ledger, i, ATTENTION_BIT(attention));
}

/* The row of the command that was told ends with that. */
static void notes_settle(struct scsi_ledger *ledger, uint32_t nexus,
			 struct scsi_outcome *ret_outcome)
{
	const struct scsi_nexus_notes *notes = &ledger->notes[nexus];
	struct scsi_origin origin = {
		.nexus = nexus,
		.row_sequence = notes->told_sequence,
		.row = notes->told_row,
	};

	scsi_attention_outcome((enum scsi_attention)notes->told,
			       notes->is_descriptor, notes->is_data,
			       ret_outcome);
	ledger_row_end(ledger, &origin, ret_outcome);
	STORE(memory_of(ledger)->nexuses[nexus].settled, notes->told_count);
}

void scsi_ledger_tell(struct scsi_ledger *ledger,
		      const struct scsi_origin *origin, bool is_descriptor,
		      bool is_data, struct scsi_outcome *ret_outcome)
{
	struct scsi_nexus_notes *notes = &ledger->notes[origin->nexus];
	enum scsi_attention attention = scsi_attention_first(notes->pending);

	notes->pending &= ~ATTENTION_BIT(attention);
	notes->told_count++;
	notes->told = (uint8_t)attention;
	notes->is_descriptor = is_descriptor;
	notes->is_data = is_data;
	notes->told_row = origin->row;
	notes->told_sequence = origin->row_sequence;
	notes_commit(ledger, origin->nexus);
	notes_settle(ledger, origin->nexus, ret_outcome);
}

/* State. ------------------------------------------------------------------- */

/* What follows from a state; doing it twice is doing it once. */
static void state_settle(struct scsi_ledger *ledger)
{
	const struct scsi_last *last = &ledger->state.last;
	struct scsi_origin origin = {
		.nexus = last->nexus,
		.row_sequence = last->row_sequence,
		.row = last->row,
	};

	if (last->nexus != SCSI_NEXUS_NONE)
		ledger_row_end(ledger, &origin, &last->outcome);
	for (int i = 0; i < ATTENTION_COUNT; i++)
		scsi_ledger_raise(ledger, last->effects.raised[i],
				  (enum scsi_attention)i);
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if ((last->effects.aborted & bit(i)) != 0)
			ledger_rows_abort(ledger, i);
	STORE(memory_of(ledger)->header.settled, ledger->state.sequence);
}

struct scsi_state *scsi_ledger_prepare(struct scsi_ledger *ledger)
{
	if (ledger->is_prepared)
		return NULL;
	ledger->is_prepared = true;
	ledger->next = ledger->state;
	ledger->next.last = (struct scsi_last){ .nexus = SCSI_NEXUS_NONE };
	return &ledger->next;
}

void scsi_ledger_record(struct scsi_ledger *ledger,
			const struct scsi_origin *origin,
			const struct scsi_outcome *outcome,
			const struct scsi_effects *effects)
{
	ledger->next.last = (struct scsi_last){
		.nexus = origin->nexus,
		.row_sequence = origin->row_sequence,
		.row = origin->row,
		.outcome = *outcome,
	};
	if (effects)
		ledger->next.last.effects = *effects;
}

void scsi_ledger_drop(struct scsi_ledger *ledger)
{
	ledger->is_prepared = false;
}

int scsi_ledger_commit(struct scsi_ledger *ledger)
{
	struct ledger_memory *memory = memory_of(ledger);

	if (!ledger->is_prepared)
		return -EAGAIN;
	ledger->is_prepared = false;
	slot_commit(&memory->header.current, memory->states, STATE_SLOT_BYTES,
		    &ledger->next, sizeof(ledger->next));
	ledger->state = ledger->next;
	state_settle(ledger);
	return 0;
}

/* Nexuses. ----------------------------------------------------------------- */

static bool is_free(const struct scsi_ledger *ledger, uint32_t nexus)
{
	return !ledger->state.ports[nexus].is_attached &&
	       (ledger->state.reserve.registered & bit(nexus)) == 0;
}

/* The index of a port, or else a free one, of those never used first. */
static uint32_t find_nexus(const struct scsi_ledger *ledger,
			   const uint8_t name[SCSI_PORT_BYTES])
{
	uint32_t found = SCSI_NEXUS_NONE;

	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++) {
		const struct scsi_port *port = &ledger->state.ports[i];

		if (memcmp(port->name, name, SCSI_PORT_BYTES) == 0)
			return i;
		if (is_free(ledger, i) &&
		    (found == SCSI_NEXUS_NONE ||
		     (!is_used(ledger, i) && is_used(ledger, found))))
			found = i;
	}
	return found;
}

/* An index changes its owner: nothing of the old one's is left. */
static void clear_notes(struct scsi_ledger *ledger, uint32_t nexus)
{
	ledger->notes[nexus] = (struct scsi_nexus_notes){ 0 };
	STORE(memory_of(ledger)->nexuses[nexus].settled, 0);
	notes_add(ledger, nexus, ATTENTION_BIT(ATTENTION_POWER_ON));
}

/* Rows beyond those it has may be of anybody, in any life. */
static int enter(struct scsi_ledger *ledger, uint32_t nexus,
		 const uint8_t name[SCSI_PORT_BYTES], uint32_t row_count)
{
	struct scsi_port *port = &ledger->state.ports[nexus];

	ledger_rows_free(ledger, nexus, port->is_attached ? port->row_count : 0,
			 row_count);
	scsi_ledger_drop(ledger);
	port = &scsi_ledger_prepare(ledger)->ports[nexus];
	memcpy(port->name, name, SCSI_PORT_BYTES);
	port->is_attached = true;
	port->row_count = (uint16_t)row_count;
	return scsi_ledger_commit(ledger);
}

int scsi_ledger_attach(struct scsi_ledger *ledger,
		       const uint8_t name[SCSI_PORT_BYTES], uint32_t row_count,
		       uint32_t *ret_nexus)
{
	static const uint8_t nobody[SCSI_PORT_BYTES];
	uint32_t nexus = find_nexus(ledger, name);
	const struct scsi_port *port;

	if (row_count == 0 || row_count > SCSI_ROWS_MAX ||
	    memcmp(name, nobody, sizeof(nobody)) == 0)
		return -EINVAL;
	if (nexus == SCSI_NEXUS_NONE)
		return -ENOSPC;
	*ret_nexus = nexus;
	port = &ledger->state.ports[nexus];
	if (memcmp(port->name, name, SCSI_PORT_BYTES) != 0)
		clear_notes(ledger, nexus);
	if (port->is_attached && port->row_count >= row_count)
		return 0;
	return enter(ledger, nexus, name, row_count);
}

void scsi_ledger_live(struct scsi_ledger *ledger, uint32_t nexus, uint32_t life)
{
	scsi_ledger_drop(ledger);
	scsi_ledger_prepare(ledger)->ports[nexus].life = life;
	(void)scsi_ledger_commit(ledger);
}

void scsi_ledger_detach(struct scsi_ledger *ledger, uint32_t nexus)
{
	struct scsi_state *next;

	if (!ledger->state.ports[nexus].is_attached)
		return;
	ledger_rows_free(ledger, nexus, 0,
			 ledger->state.ports[nexus].row_count);
	scsi_ledger_drop(ledger);
	next = scsi_ledger_prepare(ledger);
	next->ports[nexus].is_attached = false;
	scsi_reserve_lose(&next->reserve, nexus);
	next->medium.preventing &= ~bit(nexus);
	next->last.effects.raised[ATTENTION_NEXUS_LOST] = bit(nexus);
	(void)scsi_ledger_commit(ledger);
}

/* Open and make. ----------------------------------------------------------- */

static uint32_t header_crc(const struct ledger_header *header)
{
	struct ledger_header copy;

	memcpy(&copy, header, offsetof(struct ledger_header, current));
	copy.crc = 0;
	return crc32c(0, &copy, offsetof(struct ledger_header, current));
}

static bool outcome_is_sound(const struct scsi_outcome *outcome)
{
	return outcome->sense_bytes <= SCSI_SENSE_BYTES;
}

static bool last_is_sound(const struct scsi_state *state)
{
	const struct scsi_last *last = &state->last;

	return last->nexus == SCSI_NEXUS_NONE ||
	       (last->nexus < SCSI_NEXUS_MAX &&
		last->row < state->ports[last->nexus].row_count &&
		outcome_is_sound(&last->outcome));
}

static bool has_name(const struct scsi_port *port)
{
	static const uint8_t nobody[SCSI_PORT_BYTES];

	return memcmp(port->name, nobody, sizeof(nobody)) != 0;
}

/* Whoever is attached or registered has a name, which nobody else has. */
static bool ports_are_sound(const struct scsi_state *state)
{
	for (int i = 0; i < SCSI_NEXUS_MAX; i++) {
		const struct scsi_port *port = &state->ports[i];
		bool is_registered = state->reserve.registered >> i & 1;

		if (port->row_count > SCSI_ROWS_MAX || port->is_attached > 1)
			return false;
		if (port->row_count == 0 &&
		    (port->is_attached != 0 || is_registered))
			return false;
		if ((port->row_count != 0) != has_name(port))
			return false;
		for (int j = 0; j < i && port->row_count != 0; j++)
			if (memcmp(port->name, state->ports[j].name,
				   SCSI_PORT_BYTES) == 0)
				return false;
	}
	return true;
}

bool ledger_state_is_sound(const struct scsi_state *state)
{
	return scsi_reserve_is_sound(&state->reserve) &&
	       ports_are_sound(state) && last_is_sound(state);
}

static bool notes_are_sound(const struct scsi_nexus_notes *notes,
			    uint64_t settled, uint32_t row_count)
{
	if ((notes->pending & ~ATTENTION_ALL) != 0 || settled > UINT32_MAX)
		return false;
	if (notes->told_count == settled)
		return true;
	return notes->told_count == (uint32_t)settled + 1 &&
	       notes->told < ATTENTION_COUNT && notes->told_row < row_count;
}

/* Notes that do not check: nobody knows what that nexus was told. */
static void notes_open(struct scsi_ledger *ledger, uint32_t nexus)
{
	struct ledger_nexus *in_memory = &memory_of(ledger)->nexuses[nexus];
	struct scsi_nexus_notes *notes = &ledger->notes[nexus];
	uint32_t row_count = ledger->state.ports[nexus].row_count;
	struct scsi_outcome outcome;

	if (slot_read(in_memory->current, in_memory->slots,
		      sizeof(in_memory->slots[0]), notes, sizeof(*notes)) &&
	    notes_are_sound(notes, in_memory->settled, row_count)) {
		if (notes->told_count != in_memory->settled)
			notes_settle(ledger, nexus, &outcome);
		return;
	}
	*notes = (struct scsi_nexus_notes){
		.told_count = (uint32_t)in_memory->settled,
	};
	STORE(in_memory->settled, notes->told_count);
	notes_add(ledger, nexus, ATTENTION_BIT(ATTENTION_NEXUS_LOST));
}

/* Made in part, by somebody who died over it: it has had no command. */
static bool is_unmade(const struct ledger_memory *memory)
{
	uint64_t sequence;

	memcpy(&sequence, memory->states[0], sizeof(sequence));
	return memory->header.current == 0 && sequence == 0;
}

static int check_header(const struct ledger_header *header,
			const uint8_t volume[SCSI_ID_BYTES],
			const uint8_t boot[SCSI_ID_BYTES])
{
	if (header->magic != LEDGER_MAGIC ||
	    header->version != LEDGER_VERSION ||
	    header->crc != header_crc(header) ||
	    memcmp(header->volume, volume, SCSI_ID_BYTES) != 0)
		return -EUCLEAN;
	if (memcmp(header->boot, boot, SCSI_ID_BYTES) != 0)
		return -ESTALE;
	if (header->settled != header->current &&
	    header->settled + 1 != header->current)
		return -EUCLEAN;
	return 0;
}

int scsi_ledger_look(const void *copy, const uint8_t volume[SCSI_ID_BYTES],
		     const uint8_t boot[SCSI_ID_BYTES],
		     struct scsi_state *ret_state)
{
	const struct ledger_memory *all = copy;
	int r;

	if (is_unmade(all))
		return -ESTALE;
	r = check_header(&all->header, volume, boot);
	if (r < 0)
		return r;
	if (!slot_read(all->header.current, all->states, STATE_SLOT_BYTES,
		       ret_state, sizeof(*ret_state)) ||
	    !ledger_state_is_sound(ret_state))
		return -EUCLEAN;
	return 0;
}

int scsi_ledger_open(struct scsi_ledger *ledger, void *memory,
		     const uint8_t volume[SCSI_ID_BYTES],
		     const uint8_t boot[SCSI_ID_BYTES])
{
	struct ledger_memory *all = memory;
	int r;

	*ledger = (struct scsi_ledger){ .memory = memory };
	r = scsi_ledger_look(memory, volume, boot, &ledger->state);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		if (is_used(ledger, i))
			notes_open(ledger, i);
	if (all->header.settled != all->header.current)
		state_settle(ledger);
	ledger_areas_find(ledger);
	return 0;
}

/* Nobody is attached, and everybody who is known is told of it. */
static void first_state(struct scsi_ledger *ledger,
			const struct scsi_state *first)
{
	ledger->next = first ? *first : (struct scsi_state){ 0 };
	ledger->next.reserve.generation = 0;
	ledger->next.last = (struct scsi_last){ .nexus = SCSI_NEXUS_NONE };
	ledger->next.last.effects.raised[ATTENTION_POWER_ON] = ALL_NEXUSES;
}

void scsi_ledger_make(struct scsi_ledger *ledger, void *memory,
		      const uint8_t volume[SCSI_ID_BYTES],
		      const uint8_t boot[SCSI_ID_BYTES],
		      const struct scsi_state *first)
{
	struct ledger_memory *all = memory;

	*ledger = (struct scsi_ledger){ .memory = memory };
	first_state(ledger, first);
	STORE(all->header.current, 0);
	memset(all->states, 0, sizeof(all->states));
	STORE_STEP();
	memset(all->nexuses, 0, sizeof(all->nexuses));
	STORE_STEP();
	all->header.magic = LEDGER_MAGIC;
	all->header.version = LEDGER_VERSION;
	memcpy(all->header.volume, volume, SCSI_ID_BYTES);
	memcpy(all->header.boot, boot, SCSI_ID_BYTES);
	memset(all->header.reserved, 0, sizeof(all->header.reserved));
	all->header.crc = header_crc(&all->header);
	STORE(all->header.settled, 0);
	ledger->is_prepared = true;
	(void)scsi_ledger_commit(ledger);
}
