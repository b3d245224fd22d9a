# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# run_pytest ARGUMENT...: our tests in the emulated machine, read by a list.
# Guests run some three times slower there than QEMU's run outside.
run_pytest()
{
	cd /project || exit
	BULKHEAD_BUILD=/project/build BULKHEAD_GUEST=/project/guest \
		PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/rig \
		python3 -m pytest -p no:terminal \
		-p no:cacheprovider -p results --assert=plain \
		--slowness 3 "$@"
}
