/* SPDX-License-Identifier: MIT */
/* Death at every step of install and uninstall, and power cuts; each life in a
 * process of its own. */
#include "install_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/count.h"
#include "lib/harness.h"
#include "lib/power_cut.h"
#include "supervisor/store/journal.h"

typedef void (*life_t)(void);

static int live(life_t life, const char *failpoints)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		(void)setenv("BULKHEAD_FAILPOINT", failpoints, 1);
		open_store();
		life();
		store_close(store);
		_exit(0);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

static void define_life(void)
{
	CHECK_EQ(store_put_partition(store, &record), 0);
}

static void install_life(void)
{
	(void)install_partition(store, &record, &refusal);
}

static void uninstall_life(void)
{
	(void)uninstall(IMAGES_SCRUB);
}

static void recover_life(void)
{
	(void)recover();
}

static void check_old_life(void)
{
	CHECK_EQ(stored_state(), PARTITION_UNINSTALLED);
	check_uninstalled();
	CHECK_EQ(first_byte_of("old.img"), 0xaa);
	/* And nothing stands in the way of another try. */
	CHECK_EQ(install_partition(store, &record, &refusal), 0);
}

static void check_new_life(void)
{
	CHECK_EQ(stored_state(), PARTITION_STOPPED);
	check_installed();
	CHECK_EQ(uninstall(IMAGES_REMOVE), 0);
}

static void check_released_life(void)
{
	CHECK_EQ(stored_state(), PARTITION_UNINSTALLED);
	check_uninstalled();
	CHECK_EQ(first_byte_of("old.img"), 0);
}

struct death {
	const char *point;
	unsigned nth;
	life_t then; /* what must be found after recovery */
};

static void kill_text(char to[64], const struct death *death)
{
	(void)snprintf(to, 64, "%s=kill@%u", death->point, death->nth);
}

/* What follows a death: the host lives on, or its power is cut, at once or
 * once its system has made all durable and recovery is over. */
enum end { KILL, CUT, CUT_LATER };

static void watch_images(void)
{
	char images[PATH_SIZE], attic[PATH_SIZE];

	path_of(images, "");
	path_of(attic, "../attic");
	CHECK(mkdir(attic, 0700) == 0 || errno == EEXIST);
	power_watch(images, attic);
}

/* Recovery twice, as it may itself be killed after its work. The store is
 * durable by itself: that is SQLite's business. */
static void die_and_check(life_t life, const struct death *death, enum end end)
{
	char failpoints[64];

	kill_text(failpoints, death);
	(void)fprintf(stderr, "%s\n", failpoints);
	watch_images();
	CHECK_EQ(live(life, failpoints), SIGKILL);
	if (end == CUT)
		power_cut();
	else
		watch_images();
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(live(recover_life, ""), 0);
		if (end != KILL)
			power_cut();
	}
	CHECK_EQ(live(death->then, ""), 0);
	remove_world();
}

static const struct death install_deaths[] = {
	{ "install.begun", 1, check_old_life },
	{ "install.intended", 1, check_old_life },
	{ "install.created", 1, check_old_life },
	{ "install.created", 2, check_old_life },
	{ "install.sized", 1, check_old_life },
	{ "install.sized", 2, check_old_life },
	{ "install.noted", 1, check_old_life },
	{ "install.noted", 2, check_old_life },
	{ "install.named", 1, check_old_life },
	{ "install.named", 2, check_old_life },
	{ "install.completing", 1, check_old_life },
	{ "install.completed", 1, check_new_life },
};

static const struct death uninstall_deaths[] = {
	{ "uninstall.begun", 1, check_new_life },
	{ "uninstall.intended", 1, check_released_life },
	{ "uninstall.scrubbed", 1, check_released_life },
	{ "uninstall.scrubbed", 3, check_released_life },
	{ "uninstall.removed", 1, check_released_life },
	{ "uninstall.removed", 3, check_released_life },
	{ "uninstall.completing", 1, check_released_life },
	{ "uninstall.completed", 1, check_released_life },
};

static const struct death undo_death = { "undo.removed", 1, check_old_life };

static void die_at_install(enum end end)
{
	for (size_t i = 0; i < ARRAY_COUNT(install_deaths); i++) {
		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		die_and_check(install_life, &install_deaths[i], end);
	}
}

static void die_at_uninstall(enum end end)
{
	for (size_t i = 0; i < ARRAY_COUNT(uninstall_deaths); i++) {
		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		CHECK_EQ(live(install_life, ""), 0);
		die_and_check(uninstall_life, &uninstall_deaths[i], end);
	}
}

static void die_at_recovery(enum end end)
{
	make_world();
	CHECK_EQ(live(define_life, ""), 0);
	CHECK_EQ(live(install_life, "install.named=kill@2"), SIGKILL);

	die_and_check(recover_life, &undo_death, end);
}

TEST(a_kill_at_any_point_of_install_leaves_the_old_state_or_the_new)
{
	die_at_install(KILL);
}

TEST(a_power_cut_at_any_point_of_install_leaves_the_old_state_or_the_new)
{
	die_at_install(CUT);
}

TEST(a_kill_at_any_point_of_uninstall_leaves_the_old_state_or_the_new)
{
	die_at_uninstall(KILL);
}

TEST(a_power_cut_at_any_point_of_uninstall_leaves_the_old_state_or_the_new)
{
	die_at_uninstall(CUT);
}

TEST(a_power_cut_after_recovery_takes_nothing_of_it)
{
	die_at_install(CUT_LATER);
	die_at_uninstall(CUT_LATER);
}

TEST(a_kill_during_recovery_is_recovered_from)
{
	die_at_recovery(KILL);
}

TEST(a_power_cut_during_recovery_is_recovered_from)
{
	die_at_recovery(CUT);
}

static bool is_walked(const char *point)
{
	for (size_t i = 0; i < ARRAY_COUNT(install_deaths); i++)
		if (strcmp(install_deaths[i].point, point) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_COUNT(uninstall_deaths); i++)
		if (strcmp(uninstall_deaths[i].point, point) == 0)
			return true;
	return strcmp(undo_death.point, point) == 0;
}

TEST(the_points_that_are_walked_are_all_that_exist)
{
	for (unsigned i = 0; i < JOURNAL_POINT_COUNT; i++) {
		const char *name = journal_point_name((enum journal_point)i);

		(void)fprintf(stderr, "%s\n", name);
		CHECK(is_walked(name));
	}
}

static void check_whole_life(void)
{
	if (stored_state() == PARTITION_STOPPED)
		check_installed();
	else
		check_uninstalled();
}

/* Every commit of an operation, killed before and after, and failing. */
static int die_at_commits(life_t life, const char *what, life_t prepare)
{
	int commits = 0;

	for (int nth = 1;; nth++) {
		char failpoints[64];
		int status;

		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		if (prepare)
			CHECK_EQ(live(prepare, ""), 0);
		(void)snprintf(failpoints, sizeof(failpoints), "%s@%d", what,
			       nth);
		status = live(life, failpoints);
		CHECK_EQ(live(recover_life, ""), 0);
		CHECK_EQ(live(check_whole_life, ""), 0);
		remove_world();
		if (status == 0)
			return commits;
		commits++;
	}
}

TEST(a_kill_at_any_commit_leaves_the_old_state_or_the_new)
{
	/* At open, the intent, two notes, completion. */
	CHECK_EQ(die_at_commits(install_life, "store.commit.before=kill", NULL),
		 5);
	CHECK_EQ(die_at_commits(install_life, "store.commit.after=kill", NULL),
		 5);
	/* At open, the intent, completion. */
	CHECK_EQ(die_at_commits(uninstall_life, "store.commit.before=kill",
				install_life),
		 3);
}

static void full_install_life(void)
{
	int r = install_partition(store, &record, &refusal);

	if (r == 0)
		return;
	CHECK_EQ(r, -ENOSPC);
	CHECK(strstr(refusal.text, "full") != NULL);
	check_uninstalled();
	_exit(1);
}

TEST(a_store_that_is_full_at_any_commit_refuses_the_install)
{
	for (int nth = 2; nth <= 5; nth++) {
		char failpoints[64];

		make_world();
		CHECK_EQ(live(define_life, ""), 0);
		(void)snprintf(failpoints, sizeof(failpoints),
			       "store.commit.full=fail@%d", nth);
		CHECK_EQ(live(full_install_life, failpoints), 1 << 8);
		CHECK_EQ(live(check_old_life, ""), 0);
		remove_world();
	}
}

static void install_again_life(void)
{
	CHECK_EQ(intents(), 1);
	CHECK_EQ(install_partition(store, &record, &refusal), 0);
	check_installed();
}

/* A call that one point takes is not counted by the next: 5th and 6th. */
TEST(an_install_that_could_not_be_undone_does_not_bar_the_next)
{
	make_world();
	CHECK_EQ(live(define_life, ""), 0);
	CHECK_EQ(live(install_life, "store.commit.full=fail@5,"
				    "store.commit.full=fail@5"),
		 0);

	CHECK_EQ(live(install_again_life, ""), 0);
	remove_world();
}

TEST(a_file_that_appears_meanwhile_is_kept_and_install_refused)
{
	pid_t child;
	int status;

	make_world();
	CHECK_EQ(live(define_life, ""), 0);
	child = fork();
	if (child == 0) {
		(void)setenv("BULKHEAD_FAILPOINT", "install.noted=stop@2", 1);
		open_store();
		CHECK_EQ(install_partition(store, &record, &refusal), -EEXIST);
		CHECK_EQ(strcmp(refusal.field, "disks[2].file"), 0);
		CHECK_EQ(intents(), 0);
		store_close(store);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	fill_file("new1.img", 0xcc);
	CHECK_EQ(kill(child, SIGCONT), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);

	CHECK_EQ(status, 0);
	CHECK_EQ(count_files(), 2);
	CHECK_EQ(first_byte_of("new1.img"), 0xcc);
	remove_world();
}
