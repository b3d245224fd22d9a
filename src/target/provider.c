/* SPDX-License-Identifier: MIT */
#include "target/provider.h"

#include <errno.h>

int provider_status(int error)
{
	switch (error) {
	case 0:
	case -ENOSPC:
	case -EOPNOTSUPP:
		return error;
	case -EDQUOT:
		return -ENOSPC;
	default:
		return -EIO;
	}
}
