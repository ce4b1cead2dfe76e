/* SPDX-License-Identifier: MIT */
/*
 * netcheck: do packets arrive as they were sent, and in what time?
 *
 *   netcheck server                       for ever: UDP echo on port 5001, TCP on 5002
 *   netcheck client ADDRESS [MIB [UDP-SIZE]]   round trips, then MIB both ways by TCP, every byte checked
 *   netcheck lossy ...                    the same, and datagrams may be lost or come twice
 *
 * IPv4 and IPv6. The client ends with `netcheck ok udp N tcp N ns, send N recv N ns/KiB` and 0, or `netcheck FAIL ...`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint8_t buf[65536];
/* The stream: 64 KiB of noise, over and over, shifted by one byte each time. */
static uint8_t noise[2 * 65536];

static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("netcheck FAIL ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int stream_out(int s, uint64_t n)
{
	for (uint64_t at = 0; at < n;) {
		const uint8_t *from = noise + (at >> 16) % 65536 + (at & 65535);
		size_t len = 65536 - (at & 65535);
		ssize_t w = write(s, from, len < n - at ? len : n - at);

		if (w <= 0)
			return -1;
		at += w;
	}
	return 0;
}

static int stream_in(int s, uint64_t n)
{
	for (uint64_t at = 0; at < n;) {
		size_t len = 65536 - (at & 65535);
		ssize_t r = read(s, buf, len < n - at ? len : n - at);

		if (r <= 0 || memcmp(buf, noise + (at >> 16) % 65536 + (at & 65535), r))
			return r > 0 ? 1 : -1;
		at += r;
	}
	return 0;
}

static void serve(int c)
{
	uint64_t n = 0;
	char mode, verdict;
	ssize_t k;

	if (read(c, &mode, 1) != 1)
		return;
	if (mode == 'E') {
		while ((k = read(c, buf, sizeof(buf))) > 0 && write(c, buf, k) == k)
			;
		return;
	}
	for (size_t got = 0; got < 8; got += k)
		if ((k = read(c, (char *)&n + got, 8 - got)) <= 0)
			return;
	if (mode == 'S') {
		verdict = stream_in(c, n) ? 'n' : 'y';
		if (write(c, &verdict, 1) != 1)
			return;
	} else {
		stream_out(c, n);
	}
}

static void server(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(5001) }, f;
	int one = 1, u = socket(AF_INET6, SOCK_DGRAM, 0), s = socket(AF_INET6, SOCK_STREAM, 0);

	if (bind(u, (void *)&a, sizeof(a)))
		fail("bind: %m");
	if (!fork()) {
		for (;;) {
			socklen_t len = sizeof(f);
			ssize_t k = recvfrom(u, buf, sizeof(buf), 0, (void *)&f, &len);

			if (k >= 0)
				sendto(u, buf, k, 0, (void *)&f, len);
		}
	}
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	a.sin6_port = htons(5002);
	if (bind(s, (void *)&a, sizeof(a)) || listen(s, 16))
		fail("listen: %m");
	for (;;) {
		int c = accept(s, NULL, NULL);

		if (c < 0)
			continue;
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!fork()) {
			serve(c);
			_exit(0);
		}
		close(c);
	}
}

static int dial(const char *ip, int type, int port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int six = !!strchr(ip, ':'), one = 1, s = socket(six ? AF_INET6 : AF_INET, type, 0);
	struct timeval tv = { 20, 0 };

	if (inet_pton(six ? AF_INET6 : AF_INET, ip, six ? (void *)&a6.sin6_addr : (void *)&a4.sin_addr) != 1)
		fail("address %s", ip);
	if (connect(s, six ? (void *)&a6 : (void *)&a4, six ? sizeof(a6) : sizeof(a4)))
		fail("connect: %m");
	if (type == SOCK_STREAM)
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return s;
}

static int stream(const char *ip, char mode, uint64_t n)
{
	int s = dial(ip, SOCK_STREAM, 5002);

	if (write(s, &mode, 1) != 1 || (mode != 'E' && write(s, &n, 8) != 8))
		fail("write: %m");
	return s;
}

/* Is it one of the answers before the I-th, which came twice? */
static bool repeated(const uint8_t *got, unsigned int size, int i)
{
	for (int k = 1; k <= i + 10; k++)
		if (!memcmp(got, noise + i + 10 - k, size))
			return true;
	return false;
}

/* A network whose backends are killed may lose a datagram and bring one twice: LOSSY. */
static uint64_t udp(const char *ip, unsigned int size, int n, bool lossy)
{
	int s = dial(ip, SOCK_DGRAM, 5001), lost = 0;
	static uint8_t got[65536];
	uint64_t t = 0;

	for (int i = -10; i < n; i++) {
		ssize_t k;

		if (!i)
			t = now();
again:
		memcpy(got, noise + i + 10, size);
		if (send(s, got, size, 0) != (ssize_t)size)
			fail("udp send: %m");
		do {
			memset(got, 0, size);
			k = recv(s, got, sizeof(got), 0);
		} while (lossy && k == (ssize_t)size && repeated(got, size, i));
		if (lossy && k < 0 && lost++ < 20)
			goto again;
		if (k != (ssize_t)size)
			fail("udp answer %d: %m", i);
		if (memcmp(got, noise + i + 10, size))
			fail("udp: another answer");
	}
	t = now() - t;
	close(s);
	return t / n;
}

int main(int argc, char **argv)
{
	uint64_t x = 88172645463325252ull, n, t = 0, t_udp, t_tcp, t_send, t_recv;
	uint8_t c = 1;
	int s, rounds = 500;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 65536; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		noise[i] = noise[i + 65536] = x;
	}
	if (argc > 1 && !strcmp(argv[1], "server"))
		server();
	if (argc < 3)
		return 2;
	n = (argc > 3 ? strtoull(argv[3], NULL, 0) : 8) << 20;
	t_udp = udp(argv[2], argc > 4 ? atoi(argv[4]) : 64, rounds, !strcmp(argv[1], "lossy"));
	s = stream(argv[2], 'E', 0);
	for (int i = -10; i < rounds; i++) {
		if (!i)
			t = now();
		if (write(s, &c, 1) != 1 || read(s, &c, 1) != 1)
			fail("tcp echo: %m");
	}
	t_tcp = (now() - t) / rounds;
	close(s);
	s = stream(argv[2], 'S', n);
	t = now();
	if (stream_out(s, n) || read(s, &c, 1) != 1 || c != 'y')
		fail("tcp send: %s", c == 'n' ? "other bytes arrived" : "the stream ended");
	t_send = now() - t;
	close(s);
	s = stream(argv[2], 'G', n);
	t = now();
	if (stream_in(s, n))
		fail("tcp receive");
	t_recv = now() - t;
	printf("netcheck ok udp %llu tcp %llu ns, send %llu recv %llu ns/KiB\n", (unsigned long long)t_udp,
	       (unsigned long long)t_tcp, (unsigned long long)(t_send / (n >> 10)), (unsigned long long)(t_recv / (n >> 10)));
	return 0;
}
