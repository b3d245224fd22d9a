/* SPDX-License-Identifier: MIT */
/* What the files of requests share. */
#ifndef SUPERVISOR_REQUEST_PRIVATE_H
#define SUPERVISOR_REQUEST_PRIVATE_H

#include "supervisor/client/client_private.h"
#include "supervisor/supervisor.h"

/* One request as its handler sees it. */
struct request {
	struct client *client;
	struct supervisor *supervisor;
	struct message *message;
	struct ticket ticket;
	struct refusal refusal;
};

/* Answer now: 0 is done, negative is refused with request->refusal. */
int request_answer(struct request *request, int r);

/* For a verb that answers its ticket itself when it was accepted. */
int request_answer_if_refused(struct request *request, int r);

/* The partition a request names, whose body begins with the name; NULL: there
 * is none, and that was answered. */
struct partition *request_partition(struct request *request);

/* The store failed: say so. */
int request_refuse_store(struct request *request, int error);

/* The service a request names, whose body begins with the name; NULL: there is
 * none, and that was answered. */
struct service *request_service(struct request *request);

/* request_define.c */
int request_define(void *data, struct message *message);
int request_redefine(void *data, struct message *message);

/* request_service.c */
int request_service_remove(void *data, struct message *message);
int request_quarantine_list(void *data, struct message *message);
int request_quarantine_end(void *data, struct message *message);

/* request_volume.c */
int request_volume_define(void *data, struct message *message);
int request_volume_undefine(void *data, struct message *message);
int request_volume_list(void *data, struct message *message);
int request_volume_show(void *data, struct message *message);

/* The volume a request names, whose body is the name; NULL: there is none, and
 * that was answered. */
struct volume *request_volume(struct request *request);

/* request_reservations.c */
int request_reservations(void *data, struct message *message);

/* request_network.c */
int request_switch_define(void *data, struct message *message);
int request_switch_undefine(void *data, struct message *message);
int request_switch_list(void *data, struct message *message);
int request_switch_show(void *data, struct message *message);
int request_switch_capture(void *data, struct message *message);

/* The switch a request names, whose body begins with the name; NULL: there is
 * none, and that was answered. */
struct network *request_switch(struct request *request);

/* request_mirror.c */
int request_mirror(void *data, struct message *message);

/* request_nic.c */

/* An interface on this switch; refused if there is none. */
int request_find_port(struct request *request, const char *network,
		      const char *partition_name, const char *name,
		      struct nic **ret_nic);

/* Check a document's interfaces, each and against all that are defined but
 * those of `self`. */
int request_check_nics(struct request *request,
		       const struct partition_document *document,
		       const struct partition *self);

#endif
