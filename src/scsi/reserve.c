/* SPDX-License-Identifier: MIT */
#include "scsi/reserve.h"

#include <string.h>

#include "scsi/bytes.h"

#define SPEC_I_PT 0x08
#define ALL_TG_PT 0x04
#define APTPL     0x01

#define PROTOCOL_SRP 0x04
#define R_HOLDER     0x01

/* What each type does to those who do not hold it. */
static const struct type_rule {
	bool is_known;
	bool is_exclusive;    /* they may not read either */
	bool has_registrants; /* except who is registered */
	bool is_of_all;       /* each of whom holds it */
} types[RESERVE_TYPE_COUNT] = {
	[RESERVE_WRITE_EXCLUSIVE] = { .is_known = true },
	[RESERVE_EXCLUSIVE_ACCESS] = { true, true, false, false },
	[RESERVE_WRITE_EXCLUSIVE_REGISTRANTS] = { true, false, true, false },
	[RESERVE_EXCLUSIVE_ACCESS_REGISTRANTS] = { true, true, true, false },
	[RESERVE_WRITE_EXCLUSIVE_ALL] = { true, false, true, true },
	[RESERVE_EXCLUSIVE_ACCESS_ALL] = { true, true, true, true },
};

static uint64_t bit(unsigned nexus)
{
	return 1ull << nexus;
}

static const struct type_rule *type_of(const struct scsi_reserve *reserve)
{
	return &types[reserve->type];
}

static bool is_registered(const struct scsi_reserve *reserve, unsigned nexus)
{
	return (reserve->registered & bit(nexus)) != 0;
}

static bool is_holder(const struct scsi_reserve *reserve, unsigned nexus)
{
	if (reserve->type == RESERVE_NONE)
		return false;
	return type_of(reserve)->is_of_all ? is_registered(reserve, nexus)
					   : reserve->holder == nexus;
}

/* Who is registered with this key. */
static uint64_t with_key(const struct scsi_reserve *reserve, uint64_t key)
{
	uint64_t found = 0;

	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++)
		if (is_registered(reserve, i) && reserve->key[i] == key)
			found |= bit(i);
	return found;
}

static void remove_all(struct scsi_reserve *reserve, uint64_t nexuses)
{
	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++)
		if ((nexuses & bit(i)) != 0)
			reserve->key[i] = 0;
	reserve->registered &= ~nexuses;
	if (reserve->registered == 0)
		reserve->type = RESERVE_NONE;
}

static void refuse(struct scsi_reserve_result *result,
		   enum scsi_sense_code code, uint16_t byte, int8_t first_bit)
{
	result->status = SCSI_CHECK_CONDITION;
	result->code = code;
	result->field_byte = byte;
	result->field_bit = first_bit;
}

static void conflict(struct scsi_reserve_result *result)
{
	result->status = SCSI_RESERVATION_CONFLICT;
}

/* Whether a reservation of this kind can be made. */
static bool check_kind(const struct scsi_reserve_request *request,
		       struct scsi_reserve_result *result)
{
	if (request->scope != 0)
		refuse(result, SENSE_BAD_CDB_FIELD, 2, 7);
	else if (request->type >= RESERVE_TYPE_COUNT ||
		 !types[request->type].is_known)
		refuse(result, SENSE_BAD_CDB_FIELD, 2, 3);
	return result->status == SCSI_GOOD;
}

/* PERSISTENT RESERVE OUT. -------------------------------------------------- */

static void unregister(struct scsi_reserve *reserve, unsigned nexus,
		       struct scsi_effects *effects)
{
	const struct type_rule *type = type_of(reserve);
	bool was_holder = is_holder(reserve, nexus);

	remove_all(reserve, bit(nexus));
	if (!was_holder || type->is_of_all)
		return;
	reserve->type = RESERVE_NONE;
	if (type->has_registrants)
		effects->raised[ATTENTION_RELEASED_RESERVATION] |=
			reserve->registered;
}

static void do_register(struct scsi_reserve *reserve, unsigned nexus,
			const struct scsi_reserve_request *request,
			struct scsi_reserve_result *result)
{
	if ((request->flags & (SPEC_I_PT | ALL_TG_PT)) != 0) {
		refuse(result, SENSE_BAD_LIST_FIELD, 20,
		       (request->flags & SPEC_I_PT) != 0 ? 3 : 2);
		return;
	}
	if (!is_registered(reserve, nexus) && request->service_key == 0)
		return;
	if (request->service_key == 0) {
		unregister(reserve, nexus, &result->effects);
	} else {
		reserve->registered |= bit(nexus);
		reserve->key[nexus] = request->service_key;
	}
	reserve->is_aptpl = (request->flags & APTPL) != 0;
	reserve->generation++;
	result->is_changed = true;
}

static void do_reserve(struct scsi_reserve *reserve, unsigned nexus,
		       const struct scsi_reserve_request *request,
		       struct scsi_reserve_result *result)
{
	if (!check_kind(request, result))
		return;
	if (reserve->type == RESERVE_NONE) {
		reserve->type = request->type;
		reserve->holder = (uint8_t)nexus;
		result->is_changed = true;
	} else if (!is_holder(reserve, nexus) ||
		   reserve->type != request->type) {
		conflict(result);
	}
}

static void do_release(struct scsi_reserve *reserve, unsigned nexus,
		       const struct scsi_reserve_request *request,
		       struct scsi_reserve_result *result)
{
	if (!is_holder(reserve, nexus))
		return;
	if (request->scope != 0 || request->type != reserve->type) {
		refuse(result, SENSE_BAD_RELEASE, 0, -1);
		return;
	}
	if (type_of(reserve)->has_registrants)
		result->effects.raised[ATTENTION_RELEASED_RESERVATION] |=
			reserve->registered & ~bit(nexus);
	reserve->type = RESERVE_NONE;
	result->is_changed = true;
}

static void do_clear(struct scsi_reserve *reserve, unsigned nexus,
		     const struct scsi_reserve_request *request,
		     struct scsi_reserve_result *result)
{
	(void)request;
	result->effects.raised[ATTENTION_PREEMPTED_RESERVATION] |=
		reserve->registered & ~bit(nexus);
	remove_all(reserve, reserve->registered);
	reserve->generation++;
	result->is_changed = true;
}

/* Take the registrations of others, and tell them. */
static void take_registrations(struct scsi_reserve *reserve, unsigned nexus,
			       uint64_t victims,
			       struct scsi_reserve_result *result)
{
	result->effects.raised[ATTENTION_PREEMPTED_REGISTRATION] |=
		victims & ~bit(nexus);
	result->effects.aborted |= victims & ~bit(nexus);
	remove_all(reserve, victims);
	reserve->generation++;
	result->is_changed = true;
}

/* Take the reservation too (SPC-4 5.13.11.2.4). */
static void take_reservation(struct scsi_reserve *reserve, unsigned nexus,
			     const struct scsi_reserve_request *request,
			     uint64_t victims,
			     struct scsi_reserve_result *result)
{
	uint8_t old_type = reserve->type;

	if (!check_kind(request, result))
		return;
	take_registrations(reserve, nexus, victims & ~bit(nexus), result);
	reserve->type = request->type;
	reserve->holder = (uint8_t)nexus;
	if (old_type != reserve->type)
		result->effects.raised[ATTENTION_RELEASED_RESERVATION] |=
			reserve->registered & ~bit(nexus);
}

static void do_preempt_and_abort(struct scsi_reserve *reserve, unsigned nexus,
				 const struct scsi_reserve_request *request,
				 struct scsi_reserve_result *result)
{
	uint64_t key = request->service_key;
	uint64_t victims = with_key(reserve, key);
	bool is_of_all = type_of(reserve)->is_of_all;

	if (is_of_all && key == 0)
		take_reservation(reserve, nexus, request, reserve->registered,
				 result);
	else if (reserve->type != RESERVE_NONE && !is_of_all &&
		 key == reserve->key[reserve->holder])
		take_reservation(reserve, nexus, request, victims, result);
	else if (key == 0)
		refuse(result, SENSE_BAD_LIST_FIELD, 8, -1);
	else if (victims == 0)
		conflict(result);
	else
		take_registrations(reserve, nexus, victims, result);
}

static void do_preempt(struct scsi_reserve *reserve, unsigned nexus,
		       const struct scsi_reserve_request *request,
		       struct scsi_reserve_result *result)
{
	do_preempt_and_abort(reserve, nexus, request, result);
	result->effects.aborted = 0;
}

/* What a registered nexus' key must be; who is not has no use of a key. */
static bool key_fits(const struct scsi_reserve *reserve, unsigned nexus,
		     const struct scsi_reserve_request *request)
{
	if (request->action == RESERVE_REGISTER_AND_IGNORE)
		return true;
	if (is_registered(reserve, nexus))
		return request->key == reserve->key[nexus];
	return request->action == RESERVE_REGISTER && request->key == 0;
}

void scsi_reserve_decode(const uint8_t *cdb,
			 const uint8_t list[SCSI_RESERVE_LIST_BYTES],
			 struct scsi_reserve_request *ret_request)
{
	*ret_request = (struct scsi_reserve_request){
		.action = cdb[1] & 0x1f,
		.scope = cdb[2] >> 4,
		.type = cdb[2] & 0xf,
		.key = get_be64(list),
		.service_key = get_be64(list + 8),
		.flags = list[20],
	};
}

bool scsi_reserve_wants_plate(const struct scsi_reserve_request *request)
{
	return (request->flags & APTPL) != 0 &&
	       (request->action == RESERVE_REGISTER ||
		request->action == RESERVE_REGISTER_AND_IGNORE);
}

void scsi_reserve_out(struct scsi_reserve *reserve, unsigned nexus,
		      const struct scsi_reserve_request *request,
		      struct scsi_reserve_result *ret_result)
{
	static void (*const actions[RESERVE_OUT_COUNT])(
		struct scsi_reserve *, unsigned,
		const struct scsi_reserve_request *,
		struct scsi_reserve_result *) = {
		[RESERVE_REGISTER] = do_register,
		[RESERVE_RESERVE] = do_reserve,
		[RESERVE_RELEASE] = do_release,
		[RESERVE_CLEAR] = do_clear,
		[RESERVE_PREEMPT] = do_preempt,
		[RESERVE_PREEMPT_AND_ABORT] = do_preempt_and_abort,
		[RESERVE_REGISTER_AND_IGNORE] = do_register,
	};
	bool was_aptpl = reserve->is_aptpl;

	*ret_result = (struct scsi_reserve_result){ .status = SCSI_GOOD };
	if (request->action >= RESERVE_OUT_COUNT)
		refuse(ret_result, SENSE_BAD_CDB_FIELD, 1, 4);
	else if (reserve->spc2_holder_plus_1 != 0 ||
		 !key_fits(reserve, nexus, request))
		conflict(ret_result);
	else
		actions[request->action](reserve, nexus, request, ret_result);
	ret_result->needs_plate =
		ret_result->is_changed && (was_aptpl || reserve->is_aptpl);
}

/* RESERVE and RELEASE. ----------------------------------------------------- */

/* Of them beside persistent reservations: whose they are not at all to be,
 * they conflict with; to the others they do nothing (SPC-4 5.13.3). */
static bool is_compatible(const struct scsi_reserve *reserve, unsigned nexus)
{
	return is_holder(reserve, nexus) ||
	       (type_of(reserve)->has_registrants &&
		is_registered(reserve, nexus));
}

void scsi_reserve_spc2(struct scsi_reserve *reserve, unsigned nexus,
		       struct scsi_reserve_result *ret_result)
{
	uint8_t own = (uint8_t)(nexus + 1);

	*ret_result = (struct scsi_reserve_result){ .status = SCSI_GOOD };
	if (reserve->registered != 0) {
		if (!is_compatible(reserve, nexus))
			conflict(ret_result);
	} else if (reserve->spc2_holder_plus_1 == 0) {
		reserve->spc2_holder_plus_1 = own;
		ret_result->is_changed = true;
	} else if (reserve->spc2_holder_plus_1 != own) {
		conflict(ret_result);
	}
}

void scsi_release_spc2(struct scsi_reserve *reserve, unsigned nexus,
		       struct scsi_reserve_result *ret_result)
{
	*ret_result = (struct scsi_reserve_result){ .status = SCSI_GOOD };
	if (reserve->registered != 0 && !is_compatible(reserve, nexus))
		conflict(ret_result);
	ret_result->is_changed = reserve->spc2_holder_plus_1 == nexus + 1;
	scsi_reserve_lose(reserve, nexus);
}

void scsi_reserve_reset(struct scsi_reserve *reserve)
{
	reserve->spc2_holder_plus_1 = 0;
}

void scsi_reserve_lose(struct scsi_reserve *reserve, unsigned nexus)
{
	if (reserve->spc2_holder_plus_1 == nexus + 1)
		reserve->spc2_holder_plus_1 = 0;
}

/* PERSISTENT RESERVE IN. --------------------------------------------------- */

static size_t put_keys(const struct scsi_reserve *reserve, uint8_t *to)
{
	size_t used = 0;

	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++)
		if (is_registered(reserve, i)) {
			put_be64(to + used, reserve->key[i]);
			used += 8;
		}
	return used;
}

static size_t put_reservation(const struct scsi_reserve *reserve, uint8_t *to)
{
	if (reserve->type == RESERVE_NONE)
		return 0;
	memset(to, 0, 16);
	if (!type_of(reserve)->is_of_all)
		put_be64(to, reserve->key[reserve->holder]);
	to[13] = reserve->type;
	return 16;
}

static size_t
put_registrations(const struct scsi_reserve *reserve,
		  const uint8_t ports[SCSI_NEXUS_MAX][SCSI_PORT_BYTES],
		  uint8_t *to)
{
	size_t used = 0;

	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++) {
		uint8_t *one = to + used;

		if (!is_registered(reserve, i))
			continue;
		memset(one, 0, 48);
		put_be64(one, reserve->key[i]);
		if (is_holder(reserve, i)) {
			one[12] = R_HOLDER;
			one[13] = reserve->type;
		}
		one[19] = 1; /* the relative target port */
		put_be32(one + 20, 24);
		one[24] = PROTOCOL_SRP;
		memcpy(one + 32, ports[i], SCSI_PORT_BYTES);
		used += 48;
	}
	return used;
}

static size_t put_capabilities(const struct scsi_reserve *reserve,
			       bool has_plate, uint8_t *to)
{
	const uint8_t bytes[8] = {
		[1] = sizeof(bytes),
		[2] = 0x10 | (has_plate ? 1 : 0),         /* CRH, PTPL_C */
		[3] = 0x80 | (reserve->is_aptpl ? 1 : 0), /* TMV, PTPL_A */
		[4] = 0xea,                               /* all types */
		[5] = 0x01,
	};

	memcpy(to, bytes, sizeof(bytes));
	return sizeof(bytes);
}

size_t scsi_reserve_in(const struct scsi_reserve *reserve,
		       enum scsi_reserve_in action, bool has_plate,
		       const uint8_t ports[SCSI_NEXUS_MAX][SCSI_PORT_BYTES],
		       uint8_t ret_bytes[SCSI_RESERVE_IN_MAX])
{
	uint8_t *list = ret_bytes + 8;
	size_t bytes = 0;

	if (action == RESERVE_REPORT_CAPABILITIES)
		return put_capabilities(reserve, has_plate, ret_bytes);
	if (action == RESERVE_READ_KEYS)
		bytes = put_keys(reserve, list);
	else if (action == RESERVE_READ_RESERVATION)
		bytes = put_reservation(reserve, list);
	else
		bytes = put_registrations(reserve, ports, list);
	put_be32(ret_bytes, reserve->generation);
	put_be32(ret_bytes + 4, (uint32_t)bytes);
	return bytes + 8;
}

/* Conflicts. --------------------------------------------------------------- */

bool scsi_reserve_conflicts(const struct scsi_reserve *reserve, unsigned nexus,
			    enum scsi_access access)
{
	const struct type_rule *type = type_of(reserve);

	if (access == SCSI_ACCESS_ALWAYS)
		return false;
	if (reserve->spc2_holder_plus_1 != 0)
		return reserve->spc2_holder_plus_1 != nexus + 1;
	if (reserve->type == RESERVE_NONE || is_holder(reserve, nexus))
		return false;
	if (type->has_registrants && is_registered(reserve, nexus))
		return false;
	return access == SCSI_ACCESS_WRITE || type->is_exclusive;
}

bool scsi_reserve_in_conflicts(const struct scsi_reserve *reserve)
{
	return reserve->spc2_holder_plus_1 != 0;
}

static bool keys_are_sound(const struct scsi_reserve *reserve)
{
	for (unsigned i = 0; i < SCSI_NEXUS_MAX; i++)
		if (is_registered(reserve, i) != (reserve->key[i] != 0))
			return false;
	return true;
}

bool scsi_reserve_is_sound(const struct scsi_reserve *reserve)
{
	if (reserve->type >= RESERVE_TYPE_COUNT || !keys_are_sound(reserve))
		return false;
	if (reserve->spc2_holder_plus_1 > SCSI_NEXUS_MAX ||
	    (reserve->spc2_holder_plus_1 != 0 && reserve->registered != 0))
		return false;
	if (reserve->type == RESERVE_NONE)
		return true;
	if (!type_of(reserve)->is_known || reserve->registered == 0)
		return false;
	return type_of(reserve)->is_of_all ||
	       (reserve->holder < SCSI_NEXUS_MAX &&
		is_registered(reserve, reserve->holder));
}
