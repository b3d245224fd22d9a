/* SPDX-License-Identifier: MIT */
/* Moves between vector registers and memory. */
#include <errno.h>
#include <string.h>

#include "emulate/work.h"

static bool is_masked(const struct work *work)
{
	return work->instruction.avx.mask.reg != ZYDIS_REGISTER_NONE &&
	       work->instruction.avx.mask.reg != ZYDIS_REGISTER_K0;
}

/* The operands of a move; EVEX has its mask among them. */
static int pick(const struct work *work, const ZydisDecodedOperand **ret_to,
		const ZydisDecodedOperand **ret_from)
{
	const ZydisDecodedOperand *picked[2];
	size_t count = 0;

	for (size_t i = 0; i < work->instruction.operand_count_visible; i++) {
		const ZydisDecodedOperand *operand = &work->operands[i];

		if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(operand->reg.value) ==
			    ZYDIS_REGCLASS_MASK)
			continue;
		if (count == 2)
			return -EOPNOTSUPP;
		picked[count++] = operand;
	}
	if (count != 2)
		return -EOPNOTSUPP;
	*ret_to = picked[0];
	*ret_from = picked[1];
	return 0;
}

static int load(struct work *work, const ZydisDecodedOperand *from,
		uint8_t *value, size_t bytes)
{
	struct span span;
	int r = work_operand(work, from, bytes, EMULATE_READ, &span);

	if (r == 0)
		span_read(work, &span, value);
	return r;
}

static int store(struct work *work, const ZydisDecodedOperand *to,
		 const uint8_t *value, size_t bytes)
{
	struct span span;
	int r = work_operand(work, to, bytes, EMULATE_WRITE, &span);

	if (r == 0)
		span_write(work, &span, value);
	return r;
}

/* A masked move touches the elements whose bit is set, and faults for no
 * other. */
struct elements {
	uint64_t mask;
	size_t bytes; /* of one */
	size_t count;
	uint64_t linear;
};

static int elements_of(struct work *work, const ZydisDecodedOperand *operand,
		       enum emulate_access access,
		       struct elements *ret_elements)
{
	unsigned int mask_index = (unsigned int)ZydisRegisterGetId(
		work->instruction.avx.mask.reg);
	size_t bytes = operand->size / 8;

	ret_elements->bytes = operand->element_size / 8;
	if (!is_memory(operand) || bytes > SPAN_BYTES_MAX ||
	    ret_elements->bytes == 0 || ret_elements->bytes > 8)
		return -EOPNOTSUPP;
	ret_elements->count = bytes / ret_elements->bytes;
	ret_elements->mask = work->cpu->masks[mask_index % EMULATE_MASKS];
	return work_address(work, operand, bytes, access,
			    &ret_elements->linear);
}

static bool is_element(const struct elements *elements, size_t i)
{
	return elements->mask >> i & 1;
}

static int element_spans(struct work *work, const struct elements *elements,
			 enum emulate_access access, struct span *spans)
{
	for (size_t i = 0; i < elements->count; i++) {
		int r;

		if (!is_element(elements, i))
			continue;
		r = work_span(work, elements->linear + i * elements->bytes,
			      elements->bytes, access, &spans[i]);
		if (r)
			return r;
	}
	return 0;
}

static int masked_load(struct work *work, const ZydisDecodedOperand *to,
		       const ZydisDecodedOperand *from)
{
	struct span spans[EMULATE_VECTOR_BYTES];
	struct elements elements;
	uint8_t *vector = vector_of(work, to);
	int r = elements_of(work, from, EMULATE_READ, &elements);

	if (r == 0)
		r = element_spans(work, &elements, EMULATE_READ, spans);
	if (r)
		return r;
	for (size_t i = 0; i < elements.count; i++) {
		uint8_t *element = vector + i * elements.bytes;

		if (is_element(&elements, i))
			span_read(work, &spans[i], element);
		else if (work->instruction.avx.mask.mode ==
			 ZYDIS_MASK_MODE_ZEROING)
			memset(element, 0, elements.bytes);
	}
	vector_finish(work, vector, elements.count * elements.bytes);
	return 0;
}

static int masked_store(struct work *work, const ZydisDecodedOperand *to,
			const ZydisDecodedOperand *from)
{
	struct span spans[EMULATE_VECTOR_BYTES];
	struct elements elements;
	const uint8_t *vector = vector_of(work, from);
	int r = elements_of(work, to, EMULATE_WRITE, &elements);

	if (r == 0)
		r = element_spans(work, &elements, EMULATE_WRITE, spans);
	if (r)
		return r;
	for (size_t i = 0; i < elements.count; i++)
		if (is_element(&elements, i))
			span_write(work, &spans[i],
				   vector + i * elements.bytes);
	return 0;
}

static int plain_load(struct work *work, const ZydisDecodedOperand *to,
		      const ZydisDecodedOperand *from)
{
	uint8_t value[SPAN_BYTES_MAX];
	size_t bytes = from->size / 8;
	int r = load(work, from, value, bytes);

	if (r)
		return r;
	memcpy(vector_of(work, to), value, bytes);
	vector_finish(work, vector_of(work, to), bytes);
	return 0;
}

int vector_move(struct work *work)
{
	const ZydisDecodedOperand *to, *from;
	int r = pick(work, &to, &from);

	if (r)
		return r;
	if (is_vector(to) && is_memory(from))
		return is_masked(work) ? masked_load(work, to, from)
				       : plain_load(work, to, from);
	if (is_memory(to) && is_vector(from))
		return is_masked(work) ? masked_store(work, to, from)
				       : store(work, to, vector_of(work, from),
					       to->size / 8);
	return -EOPNOTSUPP;
}

/* A lane that is loaded clears the rest of its 16 bytes. */
int vector_lane(struct work *work)
{
	uint8_t value[16] = { 0 };
	const ZydisDecodedOperand *to, *from;
	int r = pick(work, &to, &from);

	if (r)
		return r;
	if (is_masked(work))
		return -EOPNOTSUPP;
	if (is_memory(to) && is_vector(from) && to->size <= 64)
		return store(work, to, vector_of(work, from), to->size / 8);
	if (!is_vector(to) || !is_memory(from) || from->size > 64)
		return -EOPNOTSUPP;
	r = load(work, from, value, from->size / 8);
	if (r)
		return r;
	memcpy(vector_of(work, to), value, sizeof(value));
	vector_finish(work, vector_of(work, to), sizeof(value));
	return 0;
}

/* Half of 16 bytes; the VEX form takes the other half from a third operand. */
static int half_load(struct work *work, size_t at)
{
	const ZydisDecodedOperand *to = &work->operands[0];
	size_t count = work->instruction.operand_count_visible;
	const ZydisDecodedOperand *from = &work->operands[count - 1];
	const ZydisDecodedOperand *rest = &work->operands[count - 2];
	uint8_t value[16];
	int r;

	if (!is_memory(from) || !is_vector(rest) || from->size != 64)
		return -EOPNOTSUPP;
	memcpy(value, vector_of(work, rest), sizeof(value));
	r = load(work, from, value + at, 8);
	if (r)
		return r;
	memcpy(vector_of(work, to), value, sizeof(value));
	vector_finish(work, vector_of(work, to), sizeof(value));
	return 0;
}

static int half_move(struct work *work, size_t at)
{
	const ZydisDecodedOperand *to = &work->operands[0];
	size_t count = work->instruction.operand_count_visible;

	if (count == 2 && is_memory(to) && is_vector(&work->operands[1]) &&
	    to->size == 64)
		return store(work, to, vector_of(work, &work->operands[1]) + at,
			     8);
	if (is_vector(to) && (count == 2 || count == 3))
		return half_load(work, at);
	return -EOPNOTSUPP;
}

int vector_low(struct work *work)
{
	return half_move(work, 0);
}

int vector_high(struct work *work)
{
	return half_move(work, 8);
}

int vector_repeat(struct work *work)
{
	uint8_t value[SPAN_BYTES_MAX];
	const ZydisDecodedOperand *to, *from;
	size_t bytes, all;
	int r = pick(work, &to, &from);

	if (r)
		return r;
	bytes = from->size / 8;
	all = to->size / 8;
	if (is_masked(work) || !is_vector(to) || !is_memory(from) ||
	    bytes == 0 || bytes > all || all > sizeof(value))
		return -EOPNOTSUPP;
	r = load(work, from, value, bytes);
	if (r)
		return r;
	for (size_t at = 0; at < all; at += bytes)
		memcpy(vector_of(work, to) + at, value, bytes);
	vector_finish(work, vector_of(work, to), all);
	return 0;
}
