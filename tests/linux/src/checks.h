/* SPDX-License-Identifier: MIT */
/*
 * Programs of the tour: one static binary, one function for each name it is called by.
 *
 * Job:   say what went wrong on standard output (the last line is the tour's remark), exit status 0 when nothing did.
 * Tests: they are tests themselves; they pass on native Linux too (qemu-run --native --tour).
 */
#ifndef CHECKS_H
#define CHECKS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FAIL(...) do { printf(__VA_ARGS__); printf("\n"); exit(1); } while (0)

int forkload(int argc, char **argv);
int mixload(int argc, char **argv);
int memcheck(int argc, char **argv);
int aheadcheck(int argc, char **argv);
int sigcheck(int argc, char **argv);
int timercheck(int argc, char **argv);
int fpucheck(int argc, char **argv);
int threadcheck(int argc, char **argv);
int sysentry(int argc, char **argv);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t now_ns(void);
/* The number given as argument n, or the default. */
int number(int argc, char **argv, int n, int otherwise);
/* Wait for count children; the number that did not end with status 0. */
int reap(int count);

/* A cheap generator of repeatable bytes. */
static inline uint64_t mix(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

#endif
