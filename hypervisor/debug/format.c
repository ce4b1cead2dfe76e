/* SPDX-License-Identifier: MIT */
/*
 * Job:    formatted text: vsnprintf and snprintf with %d %u %x %c %s %p %%, l ll z, widths and
 *         precisions (also *), flags - 0; %pS prints an address as symbol+offset. Numbers read
 *         from text; what GCC calls for __builtin_popcount (libgcc is not linked).
 * Enter:  anybody, also NMI and panic: no locks, no state.
 * Holds:  FM1  never writes more than size bytes; always ends with NUL when size > 0.
 *         FM2  returns the length that the whole text has.
 * Tests:  tests/host/test_format.c, test_cmdline.c
 */
#include <hv/debug.h>
#include <hv/string.h>

struct out {
	char *buf;
	size_t size, len;
};

static const char flag_chars[] = "-0";
enum { LEFT = 1, ZERO = 2 };		/* in the order of flag_chars */

struct spec {
	unsigned int flags;
	int width, precision;		/* precision -1: not given */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

/* One field: blanks to its width on one side, prefix, zeros, text. */
static void put_field(struct out *o, const struct spec *s, const char *prefix, int zeros,
		      const char *text, int len)
{
	int blanks = s->width - (int)strlen(prefix) - max(zeros, 0) - len;

	if (!(s->flags & LEFT))
		pad(o, ' ', blanks);
	while (*prefix)
		put(o, *prefix++);
	pad(o, '0', zeros);
	while (len-- > 0)
		put(o, *text++);
	if (s->flags & LEFT)
		pad(o, ' ', blanks);
}

static void put_text(struct out *o, const struct spec *s, const char *text)
{
	text = text ?: "(null)";
	put_field(o, s, "", 0, text,
		  (int)(s->precision < 0 ? strlen(text) : strnlen(text, (size_t)s->precision)));
}

static void put_number(struct out *o, const struct spec *s, u64 val, unsigned int base,
		       const char *prefix)
{
	char tmp[24], *end = tmp + sizeof(tmp), *first = end;
	int zeros;

	for (; val; val /= base)
		*--first = "0123456789abcdef"[val % base];
	if (first == end && s->precision != 0)
		*--first = '0';
	zeros = s->precision - (int)(end - first);
	if ((s->flags & (ZERO | LEFT)) == ZERO && s->precision < 0)
		zeros = s->width - (int)(end - first) - (int)strlen(prefix);
	put_field(o, s, prefix, zeros, first, (int)(end - first));
}

/* %pS: what the address is called, else the number. */
static void put_symbol(struct out *o, u64 addr)
{
	const struct spec plain = { .precision = -1 }, all = { .precision = 16 };
	u64 offset;
	const char *name = symbol_lookup(addr, &offset);

	if (!name)
		return put_number(o, &all, addr, 16, "");
	put_text(o, &plain, name);
	if (offset)
		put_number(o, &plain, offset, 16, "+0x");
}

/* Digits, or '*': the next argument. Moves *f past them. */
static int parse_int(const char **f, va_list *ap)
{
	int n = 0;

	if (**f == '*') {
		++*f;
		return va_arg(*ap, int);
	}
	for (; **f >= '0' && **f <= '9'; ++*f)
		n = n * 10 + (**f - '0');
	return n;
}

/* Flags, width and precision after '%'; returns the first character after them. */
static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
	const char *flag;

	*s = (struct spec){ .precision = -1 };
	for (; *f && (flag = strchr(flag_chars, *f)); f++)
		s->flags |= 1U << (flag - flag_chars);
	s->width = parse_int(&f, ap);
	if (s->width < 0) {
		s->flags |= LEFT;
		s->width = -s->width;
	}
	if (*f == '.') {
		f++;
		s->precision = parse_int(&f, ap);
	}
	return f;
}

/* One conversion from after its '%'; returns where the text goes on. */
static const char *convert(struct out *o, const char *f, va_list *ap)
{
	bool is_long = false;		/* long, long long, size_t */
	struct spec s;
	char c;
	s64 n;
	u64 u;

	f = parse_spec(f, &s, ap);
	for (; *f == 'l' || *f == 'z'; f++)
		is_long = true;
	switch (*f) {
	case 'd':
		n = is_long ? va_arg(*ap, long) : va_arg(*ap, int);
		put_number(o, &s, n < 0 ? -(u64)n : (u64)n, 10, n < 0 ? "-" : "");
		break;
	case 'u':
	case 'x':
		u = is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int);
		put_number(o, &s, u, *f == 'u' ? 10 : 16, "");
		break;
	case 'p':
		u = (u64)(uintptr_t)va_arg(*ap, void *);
		if (f[1] == 'S') {
			put_symbol(o, u);
			return f + 2;
		}
		s.precision = 16;
		put_number(o, &s, u, 16, "");
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_field(o, &s, "", 0, &c, 1);
		break;
	case 's':
		put_text(o, &s, va_arg(*ap, const char *));
		break;
	case '\0':
		return f;
	default:			/* not ours: show it as it stands */
		put(o, '%');
		/* fall through */
	case '%':
		put(o, *f);
	}
	return f + 1;
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		if (*fmt == '%')
			fmt = convert(&o, fmt + 1, &args);
		else
			put(&o, *fmt++);
	}
	va_end(args);
	if (size)
		buf[min(o.len, size - 1)] = '\0';
	return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

/* --- numbers --- */

int __popcountdi2(long x);

int __popcountdi2(long x)
{
	int n = 0;

	for (u64 v = (u64)x; v; v &= v - 1)
		n++;
	return n;
}

bool parse_number(const char **s, unsigned int base, unsigned long *out)
{
	const char *p = *s, *first;
	unsigned long v = 0;
	unsigned int c, d;

	if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 32) == 'x') {
		p += 2;
		base = 16;
	} else if (base == 0) {
		base = p[0] == '0' ? 8 : 10;
	}
	for (first = p;; p++) {
		c = (u8)*p;
		d = c >= '0' && c <= '9' ? c - '0' :
		    (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	if (p == first)
		return false;
	*s = p;
	*out = v;
	return true;
}
