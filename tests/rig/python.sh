# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Python in the emulated machine, with our programs and the guest there.
# Guests run some three times slower there than QEMU's run outside.
export BULKHEAD_BUILD=/project/build BULKHEAD_GUEST=/project/guest
export BULKHEAD_I386=/project/guest-i386 BULKHEAD_SMALL=/project/guest-small
export BULKHEAD_SLOWNESS=3
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=tests/rig
cd /project || exit
exec python3 "$@"
