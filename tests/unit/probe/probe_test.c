/* SPDX-License-Identifier: MIT */
#include "probe/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/harness.h"
#include "probe/guest.h"
#include "probe/probe_rows.h"

static struct probe_table table;

static void need_qemu(void)
{
	static struct probe_table engines;

	probe_engines(&engines);
	if (probe_find(&engines, "qemu")->verdict != PROBE_YES)
		test_skip("there is no QEMU");
}

/* Everything engine kvm needs, but what is named. */
static void add_kvm_without(const char *missing)
{
	static const char *const ids[] = { "kvm", "kvm.irqchip", "kvm.irqfd",
					   "kvm.ioeventfd", "kvm.exit" };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		probe_add(&table, ids[i],
			  strcmp(ids[i], missing) == 0 ? PROBE_NO : PROBE_YES,
			  NULL, "evidence of %s", ids[i]);
}

TEST(auto_takes_a_kvm_that_runs_its_probe_guests)
{
	struct probe_engine engine;

	probe_add(&table, "qemu", PROBE_YES, NULL, "there");
	add_kvm_without("");

	CHECK_EQ(probe_engine(&table, &engine), 0);
	CHECK_EQ(engine.engine, ENGINE_KVM);
	CHECK(strstr(engine.reason, "evidence of kvm"));
}

TEST(auto_takes_kvm_where_there_is_no_qemu)
{
	struct probe_engine engine;

	probe_add(&table, "qemu", PROBE_NO, "install it", "not there");
	add_kvm_without("");

	CHECK_EQ(probe_engine(&table, &engine), 0);
	CHECK_EQ(engine.engine, ENGINE_KVM);
	CHECK_EQ(engine.qemu[0], '\0');
}

TEST(a_kvm_too_small_for_our_engine_accelerates_qemu)
{
	struct probe_engine engine;

	need_qemu();
	probe_add(&table, "qemu", PROBE_YES, NULL, "there");
	add_kvm_without("kvm.irqfd");

	CHECK_EQ(probe_engine(&table, &engine), 0);
	CHECK_EQ(engine.engine, ENGINE_QEMU);
	CHECK_EQ(engine.accelerator, PROBE_KVM);
	CHECK(strstr(engine.qemu, "qemu"));
	CHECK(strstr(engine.reason, "evidence of kvm.irqfd"));
}

TEST(a_kvm_that_fails_a_probe_guest_is_not_used)
{
	struct probe_engine engine;

	need_qemu();
	probe_add(&table, "qemu", PROBE_YES, NULL, "there");
	probe_add(&table, "kvm", PROBE_NO, NULL, "INT3 fails");

	CHECK_EQ(probe_engine(&table, &engine), 0);
	CHECK_EQ(engine.engine, ENGINE_QEMU);
	CHECK_EQ(engine.accelerator, PROBE_TCG);
	CHECK(strstr(engine.reason, "INT3 fails"));
}

TEST(without_qemu_and_kvm_no_engine_runs_and_the_reason_is_given)
{
	struct probe_engine engine;

	probe_add(&table, "qemu", PROBE_NO, "install it", "not there");
	probe_add(&table, "kvm", PROBE_NO, NULL, "INT3 fails");

	CHECK_EQ(probe_engine(&table, &engine), -ENOENT);
	CHECK(strstr(engine.reason, "not there"));
	CHECK_EQ(engine.qemu[0], '\0');
}

TEST(engine_kvm_needs_its_probe_guests_and_its_capabilities)
{
	static const char *const all[] = { "kvm", "kvm.irqchip", "kvm.irqfd",
					   "kvm.ioeventfd", "kvm.exit" };
	struct probe_engine engine;

	add_kvm_without("");
	(void)probe_engine(&table, &engine);
	CHECK(engine.has_kvm);
	CHECK(strstr(engine.kvm_reason, "evidence of kvm"));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		table.count = 0;
		add_kvm_without(all[i]);
		(void)probe_engine(&table, &engine);
		CHECK(!engine.has_kvm);
		CHECK(strstr(engine.kvm_reason, all[i]));
	}
}

TEST(a_kvm_that_was_not_probed_is_not_to_be_had)
{
	struct probe_engine engine;

	(void)probe_engine(&table, &engine);
	CHECK(!engine.has_kvm);
	CHECK(strstr(engine.kvm_reason, "not probed"));
}

TEST(every_probe_gives_one_row_with_evidence)
{
	static const char *const wanted[] = {
		"qemu",     "kvm",       "namespace.user", "landlock",
		"seccomp",  "cgroup.v2", "cgroup.v1",      "libaio",
		"io_uring", "memory",    "hugepages",      "iommu",
		"memfd",    "pidfd",     "real-time",
	};

	probe_all(&table);

	CHECK(table.count < PROBE_ROW_MAX);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		CHECK(probe_find(&table, wanted[i]));
	for (size_t i = 0; i < table.count; i++) {
		CHECK(table.rows[i].detail[0]);
		CHECK(probe_find(&table, table.rows[i].id) == &table.rows[i]);
	}
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

static void hang(const void *argument, struct probe_answer *answer)
{
	for (;;)
		(void)pause();
}

static void crash(const void *argument, struct probe_answer *answer)
{
	abort();
}

TEST(a_probe_that_hangs_is_given_up)
{
	struct probe_answer answer;

	probe_in_child(hang, NULL, 1, &answer);
	CHECK_EQ(answer.error, PROBE_FAILED);
	CHECK(strstr(answer.text, "not finished"));
}

TEST(a_probe_that_crashes_takes_nobody_along)
{
	struct probe_answer answer;

	probe_in_child(crash, NULL, 5, &answer);
	CHECK_EQ(answer.error, PROBE_FAILED);
	CHECK(strstr(answer.text, "died"));
}

TEST(a_full_table_takes_no_more_rows)
{
	for (int i = 0; i < PROBE_ROW_MAX + 3; i++)
		probe_add(&table, "x", PROBE_YES, NULL, "%d", i);
	CHECK_EQ(table.count, PROBE_ROW_MAX);
}

TEST(the_code_of_every_guest_fits_its_place)
{
	uint8_t *memory = calloc(1, GUEST_BYTES);

	CHECK(memory);
	for (size_t i = 0; i < guest_case_count; i++) {
		const struct guest_case *which = &guest_cases[i];
		size_t bytes = (size_t)(which->code_end - which->code);

		CHECK(bytes > 0 && bytes < GUEST_SUCCESS - GUEST_CODE);
		guest_fill(memory, which);
		CHECK_EQ(memcmp(memory + GUEST_CODE, which->code, bytes), 0);
	}
	free(memory);
}
