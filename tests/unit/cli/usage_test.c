/* SPDX-License-Identifier: MIT */
#include "cli/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/verbs.h"
#include "lib/harness.h"

static struct cli cli;
static struct invocation invocation;

/* The command line, separated by blanks. What is said goes nowhere. */
static int read_line(const char *line)
{
	static char copy[512];
	static char self[] = "bulkhead";
	char *words[32] = { self };
	int count = 1;

	CHECK(freopen("/dev/null", "w", stderr) != NULL);
	memset(&cli, 0, sizeof(cli));
	(void)snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	return usage_read(&cli, count, words, &invocation);
}

TEST(a_verb_its_argument_and_options_are_read)
{
	CHECK_EQ(read_line("stop web1 --deadline 5 --force"), EXIT_DONE);

	CHECK(invocation.verb == &verb_stop);
	CHECK_EQ(strcmp(invocation.positional, "web1"), 0);
	CHECK_EQ(strcmp(invocation_option(&invocation, "deadline"), "5"), 0);
	CHECK(invocation_option(&invocation, "force") != NULL);
}

TEST(an_absent_option_is_null)
{
	CHECK_EQ(read_line("stop web1"), EXIT_DONE);

	CHECK(invocation_option(&invocation, "deadline") == NULL);
	CHECK(invocation_option(&invocation, "force") == NULL);
}

TEST(a_verb_may_want_a_second_word)
{
	CHECK_EQ(read_line("balloon web1 512M"), EXIT_DONE);
	CHECK_EQ(strcmp(invocation.positional, "web1"), 0);
	CHECK_EQ(strcmp(invocation.second, "512M"), 0);

	CHECK_EQ(read_line("balloon web1"), EXIT_REFUSED);
	CHECK_EQ(read_line("balloon web1 512M 1G"), EXIT_REFUSED);
}

TEST(a_verb_may_want_several_second_words)
{
	CHECK_EQ(read_line("set web1 autostart=true restart=never"), EXIT_DONE);
	CHECK_EQ(strcmp(invocation.positional, "web1"), 0);
	CHECK_EQ(strcmp(invocation.second, "autostart=true"), 0);
	CHECK_EQ(invocation.name_count, 2);
	CHECK_EQ(strcmp(invocation.names[1], "restart=never"), 0);

	CHECK_EQ(read_line("set web1"), EXIT_REFUSED);
	CHECK_EQ(read_line("set"), EXIT_REFUSED);
}

TEST(a_value_may_follow_an_equals_sign)
{
	CHECK_EQ(read_line("--socket=/tmp/s stop --deadline=9 web1"),
		 EXIT_DONE);

	CHECK_EQ(strcmp(cli.socket_path, "/tmp/s"), 0);
	CHECK_EQ(strcmp(invocation_option(&invocation, "deadline"), "9"), 0);
}

TEST(global_options_may_stand_anywhere)
{
	CHECK_EQ(read_line("service list --json --socket /tmp/s"), EXIT_DONE);

	CHECK(invocation.verb == &verb_service_list);
	CHECK(cli.is_json);
	CHECK_EQ(strcmp(cli.socket_path, "/tmp/s"), 0);
}

TEST(a_verb_of_two_words_wants_both)
{
	CHECK_EQ(read_line("disk serve d --file f"), EXIT_DONE);
	CHECK(invocation.verb == &verb_disk_serve);
	CHECK_EQ(read_line("disk"), EXIT_REFUSED);
	CHECK_EQ(read_line("disk web1"), EXIT_REFUSED);
}

TEST(a_dash_alone_is_an_argument)
{
	CHECK_EQ(read_line("define -"), EXIT_DONE);

	CHECK_EQ(strcmp(invocation.positional, "-"), 0);
}

TEST(bad_usage_is_refused)
{
	CHECK_EQ(read_line(""), EXIT_REFUSED);
	CHECK_EQ(read_line("explode"), EXIT_REFUSED);
	CHECK_EQ(read_line("start"), EXIT_REFUSED);
	CHECK_EQ(read_line("show a b"), EXIT_REFUSED);
	CHECK_EQ(read_line("list a"), EXIT_REFUSED);
	CHECK_EQ(read_line("start a --gently"), EXIT_REFUSED);
	CHECK_EQ(read_line("stop a --deadline"), EXIT_REFUSED);
	CHECK_EQ(read_line("stop a --force=1"), EXIT_REFUSED);
	CHECK_EQ(read_line("stop a --deadlines 1"), EXIT_REFUSED);
	CHECK_EQ(read_line("list --socket"), EXIT_REFUSED);
}

TEST(a_verb_takes_several_names_where_each_is_done_on_its_own)
{
	CHECK_EQ(read_line("stop web1 web2 --force web3"), EXIT_DONE);

	CHECK_EQ(invocation.name_count, 3);
	CHECK_EQ(strcmp(invocation.names[0], "web1"), 0);
	CHECK_EQ(strcmp(invocation.names[2], "web3"), 0);
	CHECK(invocation_option(&invocation, "force") != NULL);
	CHECK_EQ(read_line("service restart disk0 disk1"), EXIT_DONE);
	CHECK_EQ(invocation.name_count, 2);
}

/* What is printed on standard output. */
static const char *help_of(const char *line)
{
	static char text[8192];
	int out = dup(STDOUT_FILENO);
	FILE *into = tmpfile();

	CHECK(out >= 0 && into != NULL);
	(void)fflush(stdout);
	CHECK_EQ(dup2(fileno(into), STDOUT_FILENO), STDOUT_FILENO);
	CHECK_EQ(read_line(line), EXIT_DONE);
	CHECK(invocation.verb == NULL);
	(void)fflush(stdout);
	CHECK_EQ(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
	(void)close(out);
	rewind(into);
	text[fread(text, 1, sizeof(text) - 1, into)] = '\0';
	(void)fclose(into);
	return text;
}

TEST(help_explains_all_a_group_or_one_however_it_is_asked)
{
	static const char *const lines[][2] = {
		{ "help", "service remove" },
		{ "--help", "service remove" },
		{ "help stop", "bulkhead stop NAME..." },
		{ "stop --help", "bulkhead stop NAME..." },
		{ "stop web1 --help", "bulkhead stop NAME..." },
		{ "help disk serve", "bulkhead disk serve NAME" },
		{ "disk serve --help", "bulkhead disk serve NAME" },
		{ "help disk", "disk list" },
		{ "disk --help", "disk list" },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CHECK(strstr(help_of(lines[i][0]), lines[i][1]) != NULL);
	CHECK_EQ(read_line("help explode"), EXIT_REFUSED);
	CHECK_EQ(read_line("explode --help"), EXIT_REFUSED);
}

TEST(every_verb_is_explained)
{
	char line[64];

	for (size_t i = 0; verbs[i]; i++) {
		(void)snprintf(line, sizeof(line), "help %s", verbs[i]->name);
		CHECK(strstr(help_of(line), verbs[i]->summary) != NULL);
	}
}

TEST(a_line_with_too_many_words_is_refused)
{
	static char *words[200];
	static char word[] = "list";

	CHECK(freopen("/dev/null", "w", stderr) != NULL);
	for (size_t i = 0; i < 200; i++)
		words[i] = word;

	CHECK_EQ(usage_read(&cli, 200, words, &invocation), EXIT_REFUSED);
}

static const char *file_text(const char *path)
{
	static char text[1 << 16];
	FILE *in = fopen(path, "r");

	CHECK(in != NULL);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	(void)fclose(in);
	return text;
}

TEST(the_shell_completion_has_every_verb_and_option)
{
	const char *text = file_text(COMPLETION);

	for (size_t i = 0; verbs[i]; i++) {
		char line[256];
		size_t used =
			(size_t)snprintf(line, sizeof(line),
					 "\t\"%s\") echo \"", verbs[i]->name);

		for (size_t j = 0;
		     j < VERB_OPTION_MAX && verbs[i]->options[j].name; j++)
			used += (size_t)snprintf(
				line + used, sizeof(line) - used, "%s--%s",
				j ? " " : "", verbs[i]->options[j].name);
		(void)snprintf(line + used, sizeof(line) - used, "\" ;;\n");
		if (!strstr(text, line))
			fprintf(stdout, "missing: %s", line);
		CHECK(strstr(text, line) != NULL);
	}
}

TEST(the_manual_page_has_every_verb_and_option)
{
	const char *text = file_text(MANUAL);

	for (size_t i = 0; verbs[i]; i++) {
		char word[64];

		(void)snprintf(word, sizeof(word), ".Ic %s", verbs[i]->name);
		if (!strstr(text, word))
			(void)snprintf(word, sizeof(word), ".It Ic %s",
				       verbs[i]->name);
		CHECK(strstr(text, word) != NULL);
		for (size_t j = 0;
		     j < VERB_OPTION_MAX && verbs[i]->options[j].name; j++) {
			(void)snprintf(word, sizeof(word), "Fl -%s",
				       verbs[i]->options[j].name);
			CHECK(strstr(text, word) != NULL);
		}
	}
}
