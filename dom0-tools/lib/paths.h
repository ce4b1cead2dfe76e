/* SPDX-License-Identifier: MIT */
/*
 * lib/paths.h: the folders in dom0's file system that tools, daemon and backends share.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef LIB_PATHS_H
#define LIB_PATHS_H

#define RUN_DIR "/run/parapet"		/* gone with the next boot: pid files, the backends' state */
#define BUILDING_DIR "/run/parapet.building"	/* the names that creators at work give */
#define LOG_DIR "/var/log/parapet"	/* parapetd.log, consoles */
#define DUMP_DIR "/var/lib/parapet/dump"
#define AUTO_DIR "/etc/parapet/auto"	/* domains that parapetd starts */

#endif
