/* SPDX-License-Identifier: MIT */
/*
 * Round trips and streams between two machines.
 *
 *   netbench server                      for ever: UDP echo on port 5001; TCP on 5002, whose first byte says what is done
 *   netbench client PREFIX IP [MIB]      prints `BENCH PREFIX.NAME VALUE ...`: ns a round trip, ns a KiB of a stream;
 *                                        NAME_tenth: the longest of the fastest tenth of the round trips, which is
 *                                        disturbed least by what else the host does
 *   netbench check IP SECONDS            a stream of known bytes there and back over one connection; prints
 *                                        `CHECK ok BYTES longest MS ms, N pauses of 5 ms and more: median MS ...`; a
 *                                        pause is a time without a byte
 *
 * Used by: tests/bench/run, tests/tools-tests/dom0/net, in dom0 and in guests.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What tests/bench/counts.c looks for: 1 begins a section, 2 ends it. */
#define MARK(n) __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long %c0" :: "i" (0x52494700 + (n)) : "memory")
#define ROUNDS 500
#define WARM 4000			/* rounds before: an emulator, too, must have seen the code */
#define TRIES 10			/* of them, until one must have been answered */

static char buf[65536];
static const char *prefix = "net";

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	printf("BENCH %s.error %s\n", prefix, what);
	exit(1);
}

static struct sockaddr_in address(const char *ip, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	a.sin_addr.s_addr = ip ? inet_addr(ip) : INADDR_ANY;
	return a;
}

static int dial(const char *ip, char mode)
{
	struct sockaddr_in a = address(ip, 5002);
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(s, (void *)&a, sizeof(a)))
		die("connect");
	if (write(s, &mode, 1) != 1)
		die("write");
	return s;
}

static void read_all(int s, char *to, size_t n)
{
	while (n) {
		ssize_t k = read(s, to, n > sizeof(buf) ? sizeof(buf) : n);

		if (k <= 0)
			die("read");
		n -= (size_t)k;
	}
}

static void write_all(int s, const char *from, size_t n)
{
	while (n) {
		ssize_t k = write(s, from, n);

		if (k <= 0)
			die("write");
		from += k;
		n -= (size_t)k;
	}
}

/* --- server --- */

static void serve_udp(void)
{
	struct sockaddr_in a = address(NULL, 5001), from;
	int u = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(u, (void *)&a, sizeof(a)))
		die("bind");
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t k = recvfrom(u, buf, sizeof(buf), 0, (void *)&from, &len);

		if (k >= 0)
			sendto(u, buf, (size_t)k, 0, (void *)&from, len);
	}
}

/* S: takes all. E: echoes. G: sends for ever. A: takes the 8-byte number of bytes that comes first, then answers. */
static void serve_one(int c)
{
	uint64_t n;
	ssize_t k;
	char mode;

	if (read(c, &mode, 1) != 1)
		return;
	while (mode == 'S' && read(c, buf, sizeof(buf)) > 0)
		;
	while (mode == 'E' && (k = read(c, buf, sizeof(buf))) > 0)
		for (ssize_t done = 0; done < k;) {
			ssize_t w = write(c, buf + done, (size_t)(k - done));

			if (w <= 0)
				return;
			done += w;
		}
	while (mode == 'G' && write(c, buf, sizeof(buf)) > 0)
		;
	if (mode == 'A' && read(c, &n, 8) == 8) {
		while (n && (k = read(c, buf, sizeof(buf))) > 0)
			n -= (uint64_t)k;
		if (write(c, &mode, 1) != 1)
			return;
	}
}

static int server(void)
{
	struct sockaddr_in a = address(NULL, 5002);
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	signal(SIGCHLD, SIG_IGN);
	if (!fork())
		serve_udp();
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (void *)&a, sizeof(a)) || listen(s, 5))
		die("listen");
	for (;;) {
		int c = accept(s, NULL, NULL);

		if (c < 0)
			continue;
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!fork()) {
			serve_one(c);
			_exit(0);
		}
		close(c);
	}
}

/* --- client --- */

static uint64_t ticks[ROUNDS];	/* of each round trip; a clock's system call would be a part of it where it is one */

static int compare(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : *(const uint64_t *)a > *(const uint64_t *)b;
}

/* ns: all of them together. */
static void tell(const char *what, uint64_t ns, const char *more)
{
	uint64_t all = 0;

	for (int i = 0; i < ROUNDS; i++)
		all += ticks[i];
	qsort(ticks, ROUNDS, sizeof(ticks[0]), compare);
	printf("BENCH %s.%s %.0f%s\n", prefix, what, (double)ns / ROUNDS, more);
	printf("BENCH %s.%s_tenth %.0f\n", prefix, what, (double)ns * (double)ticks[ROUNDS / 10] / (double)(all ? all : 1));
}

static void round_trips(const char *ip)
{
	struct sockaddr_in a = address(ip, 5001);
	struct timeval limit = { 1, 0 };
	int u = socket(AF_INET, SOCK_DGRAM, 0), lost = 0, s;
	uint64_t t = 0, from;
	char c = 1, text[32];

	connect(u, (void *)&a, sizeof(a));
	setsockopt(u, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = -WARM; i < ROUNDS; i++) {
		if (i == TRIES - WARM && lost > TRIES - 2)
			die("udp: no answer");
		if (!i) {
			t = now();
			MARK(1);
		}
		from = __builtin_ia32_rdtsc();
		send(u, buf, 64, 0);
		lost += recv(u, buf, 64, 0) < 0;
		ticks[i < 0 ? 0 : i] = __builtin_ia32_rdtsc() - from;
	}
	MARK(2);
	t = now() - t;
	close(u);
	snprintf(text, sizeof(text), " lost=%d", lost);
	tell("udp_rtt", t, text);
	s = dial(ip, 'E');
	for (int i = -WARM; i < ROUNDS; i++) {
		if (!i) {
			t = now();
			MARK(1);
		}
		from = __builtin_ia32_rdtsc();
		if (write(s, &c, 1) != 1 || read(s, &c, 1) != 1)
			die("echo");
		ticks[i < 0 ? 0 : i] = __builtin_ia32_rdtsc() - from;
	}
	MARK(2);
	t = now() - t;
	close(s);
	tell("tcp_rtt", t, "");
}

static void streams(const char *ip, uint64_t mib)
{
	uint64_t total = mib << 20, t = 0;
	char c;
	int s;

	for (int warm = 1; warm >= 0; warm--) {
		s = dial(ip, 'A');
		write_all(s, (char *)&total, 8);
		t = now();
		MARK(1);
		for (uint64_t i = 0; i < total; i += sizeof(buf))
			write_all(s, buf, sizeof(buf));
		read_all(s, &c, 1);
		MARK(2);
		t = now() - t;
		close(s);
	}
	printf("BENCH %s.tcp_send %.1f MiB=%lu\n", prefix, (double)t / (double)(mib * 1024), (unsigned long)mib);
	s = dial(ip, 'G');
	read_all(s, buf, 1 << 20);
	t = now();
	MARK(1);
	read_all(s, buf, total);
	MARK(2);
	t = now() - t;
	close(s);
	printf("BENCH %s.tcp_recv %.1f MiB=%lu\n", prefix, (double)t / (double)(mib * 1024), (unsigned long)mib);
}

/* --- check --- */

static uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

#define PAUSE 5000000u			/* ns */
static uint64_t pauses[4096];
static unsigned int nr_pauses;

static void byte_came(uint64_t *last)
{
	uint64_t t = now();

	if (t - *last >= PAUSE && nr_pauses < sizeof(pauses) / sizeof(pauses[0]))
		pauses[nr_pauses++] = t - *last;
	*last = t;
}

static volatile sig_atomic_t enough;

static void on_term(int sig)
{
	(void)sig;
	enough = 1;
}

static int by_length(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : 1;
}

static double pause_of(unsigned int percent)
{
	return nr_pauses ? (double)pauses[(nr_pauses - 1) * percent / 100] / 1e6 : 0;
}

static int check(const char *ip, unsigned int seconds)
{
	uint64_t sent = 0, got = 0, end = now() + seconds * 1000000000ul, last = now();
	int s = dial(ip, 'E');
	bool more = true;

	signal(SIGTERM, on_term);	/* what was sent comes back, then the end */
	while (more || got < sent) {
		struct pollfd p = { s, (short)(POLLIN | (more && sent - got < 262144 ? POLLOUT : 0)), 0 };
		ssize_t k;
		int n = poll(&p, 1, 20000);

		if (!n || (n < 0 && errno != EINTR))
			die("check: nothing for 20 s");
		if (p.revents & POLLIN) {
			k = read(s, buf, sizeof(buf));
			if (k <= 0)
				die("check: the connection is gone");
			for (ssize_t i = 0; i < k; i++)
				if ((uint8_t)buf[i] != pattern(got + (uint64_t)i))
					die("check: wrong data");
			got += (uint64_t)k;
			byte_came(&last);
		}
		if (p.revents & POLLOUT) {
			for (int i = 0; i < 16384; i++)
				buf[i] = (char)pattern(sent + (uint64_t)i);
			k = send(s, buf, 16384, MSG_DONTWAIT);
			sent += k > 0 ? (uint64_t)k : 0;
		}
		more = more && !enough && now() < end;
	}
	qsort(pauses, nr_pauses, sizeof(pauses[0]), by_length);
	printf("CHECK ok %lu longest %.0f ms, %u pauses of 5 ms and more: median %.1f, 90 %% %.1f, 99 %% %.1f ms\n",
	       (unsigned long)got, pause_of(100), nr_pauses, pause_of(50), pause_of(90), pause_of(99));
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && !strcmp(argv[1], "server"))
		return server();
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check(argv[2], (unsigned int)atoi(argv[3]));
	if (argc < 4 || strcmp(argv[1], "client")) {
		fprintf(stderr, "usage: netbench server | client PREFIX IP [MIB] | check IP SECONDS\n");
		return 2;
	}
	prefix = argv[2];
	round_trips(argv[3]);
	streams(argv[3], argc > 4 ? strtoul(argv[4], NULL, 10) : 8);
	return 0;
}
