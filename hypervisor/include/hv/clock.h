/* SPDX-License-Identifier: MIT */
/*
 * Job:    guests' time: pvclock pages, wall clock, runstate areas, vcpu timers (core/clock.c).
 * Tests:  tests/host/test_clock.c, tests/guests/timer.c
 */
#ifndef HV_CLOCK_H
#define HV_CLOCK_H

#include <hv/domain.h>

void clock_init(void);				/* wall clock from CMOS */
void clock_update_vcpu(struct vcpu *v);		/* refresh its vcpu_time_info; of current also its areas */
void clock_update_wallclock(struct domain *d);	/* publish in d's shared_info */
void clock_set_wallclock(u64 sec, u32 nsec, u64 system_time);	/* XENPF_settime, all domains */
void clock_init_vcpu(struct vcpu *v);		/* timers */
void clock_destroy_vcpu(struct vcpu *v);
void clock_vcpu_switch_out(struct vcpu *v);	/* stop / migrate timers as needed */
void clock_vcpu_switch_in(struct vcpu *v);
/* vcpu_op parts; return the ABI's value */
long clock_set_singleshot(struct vcpu *v, u64 timeout_abs_ns, u32 flags);	/* -ETIME */
long clock_set_periodic(struct vcpu *v, u64 period_ns);
void clock_stop_periodic(struct vcpu *v);
void runstate_get(const struct vcpu *v, struct vcpu_runstate_info *out);

#endif
