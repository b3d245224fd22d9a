/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/document.h"
#include "cli/verbs.h"
#include "definition/units.h"

/* A path of the definition from one that the user gave: definitions have
 * absolute ones. */
static int take_path(struct cli *cli, const char *option, const char *given,
		     char *to, size_t room)
{
	char folder[PATH_MAX] = "";
	char path[PATH_MAX * 2];

	if (!given || !*given)
		return cli_complain(cli, EXIT_REFUSED, option,
				    "is missing: it wants a path");
	if (*given != '/' && !getcwd(folder, sizeof(folder)))
		return cli_complain(cli, EXIT_FAILED, option,
				    "no working directory: %s",
				    strerror(errno));
	(void)snprintf(path, sizeof(path), "%s%s%s", folder,
		       folder[0] ? "/" : "", given);
	if (text_copy(to, room, path) < 0)
		return cli_complain(cli, EXIT_REFUSED, option,
				    "is longer than %zu bytes", room - 1);
	return EXIT_DONE;
}

static int take_size(struct cli *cli, const char *given, uint64_t *ret_bytes)
{
	char fault[SIZE_FAULT_SIZE];

	if (!given)
		return EXIT_DONE;
	if (size_has_unknown_suffix(given, fault))
		return cli_complain(cli, EXIT_REFUSED, "--size", "wants %s",
				    fault);
	if (text_parse_size(given, DISK_BYTES_MAX, ret_bytes) < 0 ||
	    *ret_bytes < DISK_BYTES_MIN || *ret_bytes % 512)
		return cli_complain(cli, EXIT_REFUSED, "--size",
				    "wants a multiple of 512 such as 8G, up "
				    "to 1024T");
	return EXIT_DONE;
}

static int fill_disk(struct cli *cli, const struct invocation *invocation,
		     struct disk_definition *disk)
{
	(void)text_copy(disk->name, sizeof(disk->name), "disk");
	(void)text_copy(disk->service, sizeof(disk->service),
			DEFAULT_DISK_SERVICE);
	disk->hang_ms = HANG_MS_DEFAULT;
	disk->queue_count = 1;
	if (invocation_option(invocation, "read-only"))
		disk->access = DISK_READ_ONLY;
	if (invocation_option(invocation, "direct"))
		disk->cache = DISK_DIRECT;
	return take_size(cli, invocation_option(invocation, "size"),
			 &disk->size_bytes);
}

static int fill(struct cli *cli, const struct invocation *invocation,
		struct partition_definition *definition)
{
	struct disk_definition *disk = &definition->disks[0];
	int status;

	definition->engine = ENGINE_FOREIGN;
	definition->autostart = 1;
	definition->stop_ms = STOP_MS_DEFAULT;
	definition->disk_count = 1;
	status = cli_take_name(cli, "name", invocation->positional,
			       definition->name);
	if (status == EXIT_DONE)
		status = take_path(cli, "--file",
				   invocation_option(invocation, "file"),
				   disk->file, sizeof(disk->file));
	if (status == EXIT_DONE)
		status = take_path(cli, "--vhost-user",
				   invocation_option(invocation, "vhost-user"),
				   definition->vhost_user,
				   sizeof(definition->vhost_user));
	return status == EXIT_DONE ? fill_disk(cli, invocation, disk) : status;
}

static int call_named(struct cli *cli, uint32_t type, const void *body)
{
	const struct request request = { .type = type, .body = body };

	return cli_call(cli, &request, NOT_LONG);
}

static int pass_over(void *data, struct message *row)
{
	return 0;
}

/* Take back what was done, so that a refusal leaves nothing behind; what was
 * said already says why. */
static void take_back(struct cli *cli, const struct partition_name *name,
		      bool is_installed)
{
	struct partition_uninstall body = { .removes_images = 1 };
	const struct request uninstall = { .type = MSG_PARTITION_UNINSTALL,
					   .body = &body,
					   .on_row = pass_over };
	const struct request undefine = { .type = MSG_PARTITION_UNDEFINE,
					  .body = name };
	struct reply reply;

	memcpy(body.name, name->name, sizeof(body.name));
	if (is_installed)
		(void)client_call(&cli->client, &uninstall, &reply);
	(void)client_call(&cli->client, &undefine, &reply);
}

static int run(struct cli *cli, const struct invocation *invocation)
{
	struct partition_document document = { 0 };
	struct partition_name name = { 0 };
	int status = fill(cli, invocation, &document.partition);

	if (status != EXIT_DONE)
		return status;
	memcpy(name.name, document.partition.name, sizeof(name.name));
	status = document_send(cli, MSG_PARTITION_DEFINE, &document, 0);
	if (status != EXIT_DONE)
		return status;
	status = call_named(cli, MSG_PARTITION_INSTALL, &name);
	if (status != EXIT_DONE) {
		take_back(cli, &name, false);
		return status;
	}
	status = call_named(cli, MSG_PARTITION_START, &name);
	if (status != EXIT_DONE)
		take_back(cli, &name, true);
	else
		cli_done(cli, invocation, document.partition.name);
	return status;
}

const struct verb verb_disk_serve = {
	.name = "disk serve",
	.positional = "NAME",
	.summary = "Serve a disk to a foreign virtual machine, over vhost-user.",
	.options = {
		{ "file", "FILE", "a raw image or a block device (required)" },
		{ "vhost-user", "PATH", "the socket to listen on (required)" },
		{ "size", "SIZE", "the disk's size, such as 8G; creates the "
				  "file if there is none" },
		{ "read-only", NULL, "the machine may not write" },
		{ "direct", NULL, "bypass the host's page cache" },
	},
	.run = run,
};
