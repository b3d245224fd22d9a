/* SPDX-License-Identifier: MIT */
/*
 * vector: reach a device by instructions that KVM cannot emulate.
 *
 *   vector read RESOURCE AT     32 bytes by two LDDQU, and by eight moves of
 *                               4 bytes; prints whether they are the same
 *   vector unknown RESOURCE AT  by an addition, which nobody carries out
 *
 * RESOURCE is a PCI device's resource0 below /sys. (Not AVX, which a guest of
 * an emulated machine may not have: QEMU 7.2 keeps a guest's XSETBV from KVM.)
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES 32

static void read_vector(const volatile void *from, uint8_t *to)
{
	__asm__ volatile("lddqu (%0), %%xmm7\n"
			 "movups %%xmm7, (%1)\n"
			 "lddqu 16(%0), %%xmm7\n"
			 "movups %%xmm7, 16(%1)\n"
			 :
			 : "r"(from), "r"(to)
			 : "xmm7", "memory");
}

static void add_vector(const volatile void *from)
{
	__asm__ volatile("addps (%0), %%xmm7\n"
			 :
			 : "r"(from)
			 : "xmm7", "memory");
}

static const volatile uint8_t *map(const char *resource, unsigned long at)
{
	int fd = open(resource, O_RDWR | O_SYNC);
	const volatile uint8_t *bar;

	if (fd < 0)
		return NULL;
	bar = mmap(NULL, at + BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return bar == MAP_FAILED ? NULL : bar + at;
}

static int compare(const volatile uint8_t *from)
{
	uint32_t words[BYTES / 4];
	uint8_t bytes[BYTES];

	for (int i = 0; i < BYTES / 4; i++)
		words[i] = ((const volatile uint32_t *)from)[i];
	read_vector(from, bytes);
	printf("same=%d first=%u\n", memcmp(words, bytes, BYTES) == 0,
	       words[0]);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const volatile uint8_t *from =
		argc == 4 ? map(argv[2], strtoul(argv[3], NULL, 0)) : NULL;

	if (!from) {
		perror("vector");
		return EXIT_FAILURE;
	}
	if (strcmp(argv[1], "read") == 0)
		return compare(from);
	add_vector(from);
	printf("came back\n");
	return EXIT_SUCCESS;
}
