/* SPDX-License-Identifier: MIT */
/* The ways out of a damaged store. */
#include "supervisor/store/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "lib/harness.h"
#include "store_rig.h"
#include "supervisor/store/journal.h"

static struct store_rig rig;
static char said[1024];

static void say(const char *sentence)
{
	(void)strncat(said, sentence, sizeof(said) - strlen(said) - 1);
	(void)strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

static int recover(void)
{
	log_open("recover_test", NULL, (enum log_level)0);
	said[0] = '\0';
	return store_recover(rig.directory, say, &rig.refusal);
}

static char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", rig.directory, name);
	return path;
}

static void put(const char *name)
{
	struct partition_record record = store_rig_partition(name);

	CHECK_EQ(store_put_partition(rig.store, &record), 0);
}

static void overwrite(const char *name)
{
	static const char junk[1024] = "junk";
	struct stat status;
	int fd = open(path_of(name), O_WRONLY);

	CHECK_EQ(fstat(fd, &status), 0);
	for (off_t at = 0; at < status.st_size; at += 4096)
		CHECK(pwrite(fd, junk, sizeof(junk), at) > 0);
	CHECK_EQ(close(fd), 0);
}

/* Does a file whose name begins so lie there? */
static bool has_kept(const char *pattern)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "ls %s/%s >/dev/null 2>&1",
		       rig.directory, pattern);
	return system(command) == 0;
}

/* web1 is in both copies, web2 in the newer one, web3 in none. */
static void make_copies(void)
{
	store_rig_open(&rig);
	put("web1");
	CHECK_EQ(store_copy(rig.store), 0);
	put("web2");
	CHECK_EQ(store_copy(rig.store), 0);
	put("web3");
	store_close(rig.store);
}

TEST(a_damaged_store_is_refused_with_the_way_out)
{
	make_copies();
	overwrite("store.db");

	CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal), -EUCLEAN);

	CHECK(strstr(rig.refusal.text, "--recover") != NULL);
	store_rig_remove(&rig);
}

TEST(a_lost_store_is_not_begun_anew_beside_its_copy)
{
	make_copies();
	CHECK_EQ(truncate(path_of("store.db"), 0), 0);
	CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal), -EUCLEAN);
	CHECK(strstr(rig.refusal.text, "--recover") != NULL);

	CHECK_EQ(unlink(path_of("store.db")), 0);
	CHECK_EQ(store_open(&rig.store, rig.directory, &rig.refusal), -EUCLEAN);

	CHECK_EQ(access(path_of("store.db"), F_OK), -1);
	CHECK_EQ(unlink(path_of("store.copy")), 0);
	CHECK_EQ(unlink(path_of("store.copy.1")), 0);
	store_rig_open(&rig);
	store_rig_close(&rig);
}

TEST(a_recovery_takes_the_newest_whole_copy_and_keeps_what_was_damaged)
{
	uint8_t fact = 0;

	make_copies();
	overwrite("store.db");

	CHECK_EQ(recover(), 0);

	CHECK(strstr(said, "took the store's copy store.copy of ") != NULL);
	CHECK(strstr(said, "2 partitions") != NULL);
	CHECK(strstr(said, "kept as store.db.damaged-") != NULL);
	CHECK(has_kept("store.db.damaged-*"));
	store_rig_open(&rig);
	CHECK_EQ(store_rig_partitions(&rig), 2);
	CHECK_EQ(store_get_fact(rig.store, STORE_IS_RECOVERED, &fact, 1), 0);
	store_rig_close(&rig);
}

TEST(a_recovery_passes_over_a_damaged_copy)
{
	make_copies();
	CHECK_EQ(unlink(path_of("store.db")), 0);
	overwrite("store.copy");

	CHECK_EQ(recover(), 0);

	CHECK(strstr(said, "store.copy is damaged as well") != NULL);
	store_rig_open(&rig);
	CHECK_EQ(store_rig_partitions(&rig), 1);
	store_rig_close(&rig);
}

TEST(a_recovery_without_a_whole_copy_changes_nothing)
{
	make_copies();
	overwrite("store.db");
	overwrite("store.copy");
	overwrite("store.copy.1");

	CHECK_EQ(recover(), -ENOENT);

	CHECK(strstr(rig.refusal.text, "no intact copy") != NULL);
	CHECK_EQ(access(path_of("store.db"), F_OK), 0);
	CHECK(!has_kept("store.db.damaged-*"));
	store_rig_remove(&rig);
}

TEST(a_whole_store_is_left_alone_by_a_recovery)
{
	make_copies();

	CHECK_EQ(recover(), 0);

	CHECK(strstr(said, "nothing was changed") != NULL);
	store_rig_open(&rig);
	CHECK_EQ(store_rig_partitions(&rig), 3);
	store_rig_close(&rig);
}

TEST(a_recovery_beside_a_running_supervisor_is_refused)
{
	int status;
	pid_t pid;

	make_copies();
	store_rig_open(&rig);
	pid = fork();
	if (pid == 0)
		_exit(recover() == -EBUSY ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	store_rig_close(&rig);
}

TEST(a_recovered_store_gives_no_number_twice)
{
	uint64_t before = 0, after = 0;

	make_copies();
	store_rig_open(&rig);
	CHECK_EQ(store_next(rig.store, STORE_GENERATION, &before), 0);
	store_close(rig.store);
	overwrite("store.db");
	CHECK_EQ(recover(), 0);

	store_rig_open(&rig);
	CHECK_EQ(store_next(rig.store, STORE_GENERATION, &after), 0);
	CHECK(after > before + 1000000);
	store_rig_close(&rig);
}

static int count_intent(void *context, const struct journal_entry *entry)
{
	++*(int *)context;
	return 0;
}

TEST(a_recovery_undoes_no_install_that_was_under_way_in_the_copy)
{
	uint64_t id;
	int count = 0;

	store_rig_open(&rig);
	put("web1");
	CHECK_EQ(
		journal_intend(rig.store, JOURNAL_INSTALL, "web1", "x", 1, &id),
		0);
	CHECK_EQ(store_copy(rig.store), 0);
	CHECK_EQ(journal_end(rig.store, id), 0);
	store_close(rig.store);
	overwrite("store.db");

	CHECK_EQ(recover(), 0);

	CHECK(strstr(said, "1 installs or uninstalls were in progress") !=
	      NULL);
	store_rig_open(&rig);
	CHECK_EQ(journal_each(rig.store, count_intent, &count), 0);
	CHECK_EQ(count, 0);
	store_rig_close(&rig);
}
