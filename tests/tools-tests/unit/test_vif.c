/* SPDX-License-Identifier: MIT */
/* What a `vif` of a configuration says: keys, defaults, what is refused, and that its text means the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dom0-tools/lib/network.h"
#include "dom0-tools/lib/vif.h"

static struct vif_config v, w;

static void test_defaults(void **state)
{
	assert_null(vif_parse(&v, ""));
	assert_string_equal(v.bridge, "xenbr0");
	assert_true(v.antispoof);
	assert_false(v.have_mac);
	assert_int_equal(v.mtu, 1500);
	assert_int_equal(v.devid, -1);
}

static void test_keys(void **state)
{
	static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0xaa, 0xbb, 0xcc };
	char text[512];

	assert_null(vif_parse(&v, "mac=00:16:3e:aa:bb:cc, bridge=br1 ,ip=10.0.0.2 fd00::2,rate=10MB/s@20ms,mtu=9000,"
			      "vlan=7,antispoof=0,devid=3,type=vif,model=e1000"));
	assert_memory_equal(v.mac, mac, 6);
	assert_string_equal(v.bridge, "br1");
	assert_string_equal(v.ip, "10.0.0.2 fd00::2");
	assert_int_equal(v.rate_bytes, 200000);
	assert_int_equal(v.rate_us, 20000);
	assert_int_equal(v.mtu, 9000);
	assert_int_equal(v.vlan, 7);
	assert_false(v.antispoof);
	assert_int_equal(v.devid, 3);
	vif_text(&v, text, sizeof(text));
	assert_null(vif_parse(&w, text));
	assert_memory_equal(&v, &w, sizeof(v));
}

static void test_network(void **state)
{
	char text[512];

	assert_null(vif_parse(&v, "network=blue-2_Xy8,ip=10.0.0.2"));
	assert_string_equal(v.bridge, "pnet-blue-2_Xy8");
	assert_true(network_is_private(v.bridge));
	vif_text(&v, text, sizeof(text));
	assert_null(vif_parse(&w, text));
	assert_memory_equal(&v, &w, sizeof(v));
	assert_false(network_is_private("xenbr0"));
	assert_false(network_is_private("pnet-"));
	assert_false(network_is_private("pnet-a b"));
	assert_false(network_is_private(""));
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"mac=00:16:3e:aa:bb", "mac=01:16:3e:aa:bb:cc", "mac=00:16:3e:aa:bb:zz", "bridge=a/b", "bridge=a234567890123456",
		"rate=10", "rate=fast", "rate=10MB", "rate=1MB/s@", "rate=0MB/s", "mtu=67", "mtu=9001", "mtu=x", "vlan=4095",
		"vlan=-1", "antispoof=2", "type=ioemu", "foo=1", "nonsense", "devid=256",
		"network=", "network=a/b", "network=..", "network=a2345678901", "network=a b",
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!vif_parse(&v, bad[i]))
			fail_msg("%s was taken", bad[i]);
}

static void test_rates(void **state)
{
	static const struct { const char *text; uint64_t bytes, us; } good[] = {
		{ "1B/s@1s", 1, 1000000 }, { "8Kb/s", 50, 50000 }, { "100Mb/s", 625000, 50000 }, { "1GB/s@1ms", 1000000, 1000 },
		{ "0", 0, 0 },
	};

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(vif_rate(&v, good[i].text));
		assert_int_equal(v.rate_bytes, good[i].bytes);
		assert_int_equal(v.rate_us, good[i].us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_keys), cmocka_unit_test(test_network),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
