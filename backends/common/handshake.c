/* SPDX-License-Identifier: MIT */
/*
 * The handshake of a split driver, seen from the backend.
 *
 * Job:    from the two states in the store and what this process holds to the next step. There is
 *         no memory in it: a process that is started anew takes the next step where the last one
 *         was killed.
 * Enter:  common/device.c.
 * State:  none.  Locks: none.
 * Holds:  1. A ring is served only when the store says that we are connected (again), or when the
 *            frontend answered an offer.
 *         2. Whatever the frontend writes, in whatever order, gives a step, and the same pair of
 *            states without a change gives HS_NOTHING after it.
 * Tests:  tests/host/test_handshake.c
 */
#include "device.h"

enum handshake handshake(int back, int front, bool online, bool connected, bool failed)
{
	switch (front) {
	case XS_INITIALISING:
	case XS_INIT_WAIT:
		/* A frontend that begins anew without having closed: its old rings are void. */
		if (connected)
			return HS_CLOSE;
		if (!online)
			return back == XS_CLOSED ? HS_NOTHING : HS_CLOSE;
		return back == XS_INIT_WAIT ? HS_NOTHING : HS_OFFER;
	case XS_INITIALISED:
	case XS_CONNECTED:
		if (connected || failed)
			return HS_NOTHING;
		if (back == XS_CONNECTED)
			return HS_CONNECT_AGAIN;
		if (back == XS_INIT_WAIT)
			return HS_CONNECT;
		return HS_NOTHING;
	case XS_CLOSING:
		return back == XS_CLOSING || back == XS_CLOSED ? HS_NOTHING : HS_CLOSING;
	case XS_UNKNOWN:
		if (back == XS_INITIALISING)
			return HS_NOTHING;	/* the tools are at it */
		/* fall through */
	case XS_CLOSED:
		return connected || back != XS_CLOSED ? HS_CLOSE : HS_NOTHING;
	default:
		return HS_NOTHING;
	}
}
