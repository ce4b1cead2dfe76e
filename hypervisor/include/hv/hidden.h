/* SPDX-License-Identifier: MIT */
/*
 * Job:    every symbol is hidden, declared or defined. The compiler includes this first (Makefile),
 *         so that it addresses everything directly instead of through a global offset table:
 *         -fvisibility covers definitions only.
 * Tests:  every link
 */
#pragma GCC visibility push(hidden)
