/* SPDX-License-Identifier: MIT */
/*
 * domu: what a PV kernel finds that dom0's tools have started, and a console that can be talked to.
 *
 * Claim:  start_info is that of an unprivileged domain; p2m and M2P agree; the rings of the console
 *         and of the store are mapped and have event channels whose other end is served: the store
 *         tells the domain's name, each line that comes on the console is answered.
 *         `poweroff`, `reboot` and `crash` end the domain so; `name` asks the store. The command line
 *         `reboot` does so at once.
 * Broken: no line `DOMU` on the console, no answers, or an end with another reason.
 * Run:    manual (not as dom0: tests/tools-tests/dom0/guests starts it)
 */
#include "guest.h"

/* Layouts of Xen's io/console.h and io/xs_wire.h. */
struct console_ring {
	char in[1024], out[2048];
	u32 in_cons, in_prod, out_cons, out_prod;
};

struct store_ring {
	char req[1024], rsp[1024];
	u32 req_cons, req_prod, rsp_cons, rsp_prod;
};

struct store_head {
	u32 type, req_id, tx_id, len;
};
#define XS_READ 2

static struct console_ring *con;
static struct store_ring *store;

static void sleep_on(unsigned int port)
{
	struct sched_poll poll = { .ports = (u64)&port, .nr_ports = 1 };

	hc_sched_op(SCHEDOP_poll, &poll);
	evt_clear(port);
}

static void put(const char *s)
{
	for (; *s; s++) {
		while (con->out_prod - READ_ONCE(con->out_cons) >= sizeof(con->out))
			sleep_on(si->console.domU.evtchn);
		con->out[con->out_prod % sizeof(con->out)] = *s;
		__atomic_store_n(&con->out_prod, con->out_prod + 1, __ATOMIC_RELEASE);
	}
	evt_send(si->console.domU.evtchn);
}

#define say(...) do { char _b[300]; snprintf(_b, sizeof(_b), __VA_ARGS__); put(_b); } while (0)

static char get(void)
{
	char c;

	while (con->in_cons == __atomic_load_n(&con->in_prod, __ATOMIC_ACQUIRE))
		sleep_on(si->console.domU.evtchn);
	c = con->in[con->in_cons % sizeof(con->in)];
	__atomic_store_n(&con->in_cons, con->in_cons + 1, __ATOMIC_RELEASE);
	return c;
}

static void get_line(char *buf, size_t size)
{
	size_t n = 0;
	char c;

	while ((c = get()) != '\n' && c != '\r')
		if (n + 1 < size)
			buf[n++] = c;
	buf[n] = 0;
	evt_send(si->console.domU.evtchn);	/* there is room again */
}

static void store_take(void *dst, size_t n)
{
	for (char *d = dst; n; n--, d++) {
		while (store->rsp_cons == __atomic_load_n(&store->rsp_prod, __ATOMIC_ACQUIRE))
			sleep_on(si->store_evtchn);
		*d = store->rsp[store->rsp_cons % sizeof(store->rsp)];
		__atomic_store_n(&store->rsp_cons, store->rsp_cons + 1, __ATOMIC_RELEASE);
	}
}

/* The value of a key of this domain; "" when the store refuses. */
static const char *store_read(const char *key)
{
	static char value[200];
	struct store_head h = { .type = XS_READ, .req_id = 7, .len = (u32)strlen(key) + 1 };
	char req[100];

	memcpy(req, &h, sizeof(h));
	memcpy(req + sizeof(h), key, h.len);
	for (size_t i = 0; i < sizeof(h) + h.len; i++)
		store->req[store->req_prod++ % sizeof(store->req)] = req[i];
	evt_send(si->store_evtchn);
	store_take(&h, sizeof(h));
	REQUIRE(h.len < sizeof(value) && h.req_id == 7, "store: answer %u of %u bytes", h.req_id, h.len);
	store_take(value, h.len);
	value[h.len] = 0;
	return h.type == XS_READ ? value : "";
}

static bool start_is_good(void)
{
	bool good = true;

	good &= CHECK(!memcmp(si->magic, "xen-3.0-x86_64", 14), "magic is %s", si->magic);
	good &= CHECK(!(si->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN)), "flags %#x: dom0's", si->flags);
	good &= CHECK(si->nr_pt_frames >= 4, "nr_pt_frames %lu", si->nr_pt_frames);
	for (u64 pfn = 0; good && pfn < si->nr_pages; pfn++)
		good &= CHECK(m2p[p2m_list()[pfn]] == pfn, "m2p[p2m[%#lx]] = %#lx", pfn, m2p[p2m_list()[pfn]]);
	for (u64 i = 0; i < si->nr_pt_frames; i++)
		good &= CHECK(!(read_pte(si->pt_base + i * PAGE_SIZE) & PTE_RW), "page table %lu is writable", i);
	good &= CHECK(shared->vcpu_info[0].evtchn_upcall_mask, "events are not masked at the start");
	return good;
}

void test_main(void)
{
	char line[100];

	REQUIRE(!(si->flags & SIF_INITDOMAIN), "this is dom0: the test is for domains that dom0 makes");
	con = mfn_to_va(si->console.domU.mfn);
	store = mfn_to_va(si->store_mfn);
	say("DOMU %s: %s, %lu MiB, %u vcpus, command line '%s'\r\n", start_is_good() ? "good" : "WRONG",
	    store_read("name"), si->nr_pages >> 8, nr_vcpus(), (char *)si->cmd_line);
	for (;;) {
		struct sched_shutdown end = { SHUTDOWN_poweroff };

		if (!memcmp(si->cmd_line, "reboot", 7)) {
			end.reason = SHUTDOWN_reboot;
			hc_sched_op(SCHEDOP_shutdown, &end);
		}
		get_line(line, sizeof(line));
		if (!memcmp(line, "name", 5))
			say("name is %s\r\n", store_read("name"));
		else if (!memcmp(line, "poweroff", 9))
			test_end("PASS", "told to power off");
		else if (!memcmp(line, "reboot", 7))
			end.reason = SHUTDOWN_reboot;
		else if (!memcmp(line, "crash", 6))
			end.reason = SHUTDOWN_crash;
		else
			say("you said '%s'\r\n", line);
		if (end.reason != SHUTDOWN_poweroff)
			hc_sched_op(SCHEDOP_shutdown, &end);
	}
}
