/* SPDX-License-Identifier: MIT */
/*
 * Job:    messages, assertions, refusals, panics, the trace buffer: for every layer.
 * Holds:  ASSERT is never used on guest input; a refusal carries its reason.
 * Tests:  tests/host/test_format.c
 */
#ifndef HV_DEBUG_H
#define HV_DEBUG_H

#include <trace.h>
#include <hv/types.h>

/* loglvl: a message is printed when its level <= the limit (loglvl=, guest_loglvl=) */
#define LOG_ERR 0
#define LOG_WARN 1
#define LOG_INFO 2
#define LOG_DEBUG 3
extern int log_level;		/* hypervisor messages: default LOG_WARN (errors, warnings) ... */
extern int guest_log_level;	/* ... and about guests' doings: LOG_ERR */

void printk(const char *fmt, ...) __printf(1, 2);	/* always printed */
void vprintk(const char *fmt, va_list ap);
#define log_msg(level, ...) do { if ((level) <= log_level) printk(__VA_ARGS__); } while (0)
#define log_err(...) log_msg(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
bool guest_log_allowed(void);		/* a guest can cause these at will: 20 in a second */
#define guest_log(level, ...) \
	do { if ((level) <= guest_log_level && guest_log_allowed()) printk(__VA_ARGS__); } while (0)

/* What they know: debug/format.c. */
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);

void console_write(const char *s, size_t len);	/* guests' console_io: ring, then the devices */
void console_force_sync(void);		/* from panic on: do not wait for the lock's holder */
/*
 * Copies up to len characters of the ring; how many. incremental: from *index on (which moves to
 * where the copy ends), else from the oldest; clear: those who begin there get none of these again.
 */
size_t console_ring_read(char *dst, size_t len, u32 *index, bool clear, bool incremental);
/* What was typed at the console while input goes to dom0; number of characters (console_io). */
size_t console_input_read(char *dst, size_t len);
void keys_init(void);
void debug_key(char key);		/* nothing when there is no such key */

void panic(const char *fmt, ...) __printf(1, 2) __noreturn;
void bug_at(const char *file, int line, const char *what) __noreturn;
#define BUG_ON(x) do { if (unlikely(x)) bug_at(__FILE__, __LINE__, #x); } while (0)
#define ASSERT(x) do { if (unlikely(!(x))) bug_at(__FILE__, __LINE__, #x); } while (0)

/* The error is the value; with guest_loglvl=debug reason, file and line are printed, not too often. */
#define refuse(err, ...) ({ \
	if (unlikely(guest_log_level >= LOG_DEBUG)) \
		refuse_note(__FILE__, __LINE__, (err), __VA_ARGS__); \
	(err); })
void refuse_note(const char *file, int line, int err, const char *fmt, ...) __printf(4, 5);

/* trace buffer: fixed 32-byte records per CPU */
#define TRACE_EVENT(name, fmt) TRC_##name,
enum trace_event { PARAPET_TRACE_EVENTS(TRACE_EVENT) NR_TRACE_EVENTS };
extern bool trace_enabled;
void trace_record(enum trace_event e, u64 a, u64 b);
#define trace(e, a, b) do { if (unlikely(trace_enabled)) trace_record(TRC_##e, a, b); } while (0)
void trace_dump(void);		/* print the last records of each CPU, oldest first */
int trace_init_cpu(unsigned int cpu);	/* -ENOMEM: this CPU records nothing */
long trace_control(struct parapet_sysctl_trace *t);	/* dom0's; -ENOMEM -ENOENT -EFAULT -EINVAL */

const char *symbol_lookup(u64 addr, u64 *offset);	/* NULL when unknown */

#endif
