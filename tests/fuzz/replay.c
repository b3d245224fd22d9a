/* SPDX-License-Identifier: MIT */
/* Feeds a fuzz target every file of the directories named as arguments. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void replay_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");
	uint8_t *exact;
	size_t bytes;

	if (!file)
		abort();
	bytes = fread(data, 1, sizeof(data), file);
	(void)fclose(file);
	/* A copy of the exact size, so that a sanitizer sees its end. */
	exact = malloc(bytes ? bytes : 1);
	if (!exact)
		abort();
	for (size_t i = 0; i < bytes; i++)
		exact[i] = data[i];
	(void)LLVMFuzzerTestOneInput(exact, bytes);
	free(exact);
}

static int replay_directory(const char *directory)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	int count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", directory,
			       entry->d_name);
		replay_file(path);
		count++;
	}
	(void)closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += replay_directory(argv[i]);
	printf("replayed %d\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
