/* SPDX-License-Identifier: MIT */
/*
 * The keeper: what stands in for a service manager when there is none.
 *
 * `bulkheadd --keep` starts the supervisor as a child, starts it again when a
 * signal ends it, reaps the orphans a dead supervisor leaves (it is their
 * subreaper) and logs how they ended. It holds no descriptor and no state:
 * what must outlive a supervisor is held by the processes that use it and is
 * handed back at re-adoption.
 *
 * A supervisor that exits by itself has decided to end; its status becomes
 * the keeper's. One that fails while children of its predecessors live is
 * started again, with growing pauses, for as long as they do. SIGTERM and
 * SIGINT are passed on to it.
 */
#ifndef SUPERVISOR_KEEPER_H
#define SUPERVISOR_KEEPER_H

/* Environment variable with the keeper's pid, for `doctor` and events. */
#define KEEPER_VARIABLE "BULKHEAD_KEEPER"

/*
 * Run argv (argv[0] included, without --keep) under this process. Returns the
 * exit status to end with.
 */
int keeper_run(char **argv);

#endif
