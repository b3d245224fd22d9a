/* SPDX-License-Identifier: MIT */
#include "memory_holder.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/harness.h"

#define PAGE      4096ul
#define SETTLE_US 200000

/* Any address that the process has. */
static void *some_address(pid_t pid)
{
	char path[32], line[64] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	CHECK(file != NULL);
	CHECK(fgets(line, sizeof(line), file) != NULL);
	(void)fclose(file);
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): an address it is */
	return (void *)strtoul(line, NULL, 16);
}

/* A page whose first use waits for a handler that never comes. */
static void *page_without_end(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register registration = {
		.range.len = PAGE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(fd >= 0);
	CHECK(page != MAP_FAILED);
	CHECK_EQ(ioctl(fd, UFFDIO_API, &api), 0);
	registration.range.start = (uintptr_t)page;
	CHECK_EQ(ioctl(fd, UFFDIO_REGISTER, &registration), 0);
	return page;
}

/* Copy one byte of its memory to where the copy never ends. */
static void hold(pid_t pid)
{
	struct iovec here = { page_without_end(), 1 };
	struct iovec there = { some_address(pid), 1 };

	(void)process_vm_readv(pid, &here, 1, &there, 1, 0);
	perror("process_vm_readv");
	_exit(1);
}

pid_t memory_hold(pid_t pid)
{
	pid_t holder = fork();

	if (holder == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(pid);
	}
	(void)usleep(SETTLE_US);
	CHECK_EQ(waitpid(holder, NULL, WNOHANG), 0);
	return holder;
}

void memory_let_go(pid_t holder)
{
	(void)kill(holder, SIGKILL);
	(void)waitpid(holder, NULL, 0);
}
