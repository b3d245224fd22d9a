# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# run_pytest ARGUMENT...: our tests in the emulated machine, for a list.
run_pytest()
{
	sh /project/tests/rig/python.sh -m pytest -p no:terminal \
		-p no:cacheprovider -p results --assert=plain "$@"
}
