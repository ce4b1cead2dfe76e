// SPDX-License-Identifier: GPL-2.0-only
/* Job: the pool of common/pool.c, once for each module. Tests: tests/drivers */
#include "../common/pool.c"
