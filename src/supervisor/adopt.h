/* SPDX-License-Identifier: MIT */
/*
 * What a new supervisor does with what an earlier one left running (I5).
 *
 * It knows from the store who should be there. Each child that still runs is
 * expected at the rendezvous (rendezvous.h), says who it is (token and peer
 * credentials), and reports what it holds; one that does not come back in time
 * is killed. When all have reported or died, record and world are made to
 * agree: disks that both sides say share a channel stay up, everything else is
 * fenced and handed over anew. It never refuses to start because the two
 * differ; what it repairs it tells as events. Clients are listened to only
 * after that.
 */
#ifndef SUPERVISOR_ADOPT_H
#define SUPERVISOR_ADOPT_H

struct supervisor;

/*
 * Expect the children of the store. `finished` runs from the event loop when
 * record and world agree.
 */
int adopt_begin(struct supervisor *supervisor,
		int (*finished)(struct supervisor *supervisor));

/*
 * Expect one that is ours and not in the store, or not in the copy that the
 * store was. Its partition runs then.
 *
 * -EEXIST  another has its place, or it comes too late for it
 * -ENOENT  there is no such partition or service
 * -EBUSY   not now
 */
struct process;
struct process_record;
int adopt_unrecorded(struct supervisor *supervisor,
		     const struct process_record *record,
		     struct process **ret_process);

void adopt_close(struct supervisor *supervisor);

#endif
