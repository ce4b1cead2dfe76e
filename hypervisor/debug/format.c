/* SPDX-License-Identifier: MIT */
/*
 * Formatted text.
 *
 * Job:    vsnprintf and snprintf: %d %i %u %x %X %o %c %s %p %%, h hh l ll z t, widths and precisions
 *         (also *), flags - 0 + # and space; %pS prints an address as symbol+offset.
 * Enter:  anybody, also NMI and panic: no locks, no state.
 * State:  none
 * Locks:  none
 * Holds:  FM1  never writes more than size bytes; always ends with NUL when size > 0.
 *         FM2  returns the length that the whole text has.
 * Tests:  tests/host/test_format.c
 */
#include <hv/debug.h>

struct out {
	char *buf;
	size_t size, len;
};

struct spec {
	bool left, zero, plus, space, alt, upper;
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

static void put_text(struct out *o, const struct spec *s, const char *text)
{
	int len = 0, i;

	if (!text)
		text = "(null)";
	while ((s->precision < 0 || len < s->precision) && text[len])
		len++;
	if (!s->left)
		pad(o, ' ', s->width - len);
	for (i = 0; i < len; i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', s->width - len);
}

static void put_number(struct out *o, const struct spec *s, u64 val, unsigned int base, bool neg)
{
	const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	const char *prefix = "";
	char tmp[24];
	int n = 0, zeros, total, i;

	if (neg)
		prefix = "-";
	else if (s->plus)
		prefix = "+";
	else if (s->space)
		prefix = " ";
	else if (s->alt && base == 16 && val)
		prefix = s->upper ? "0X" : "0x";
	else if (s->alt && base == 8)
		prefix = "0";
	for (; val; val /= base)
		tmp[n++] = digits[val % base];
	if (!n && s->precision != 0)
		tmp[n++] = '0';
	zeros = s->precision - n;
	total = n + (zeros > 0 ? zeros : 0);
	for (i = 0; prefix[i]; i++)
		total++;
	if (s->zero && !s->left && s->precision < 0 && s->width > total) {
		zeros = s->width - total;
		total = s->width;
	}
	if (!s->left)
		pad(o, ' ', s->width - total);
	for (i = 0; prefix[i]; i++)
		put(o, prefix[i]);
	pad(o, '0', zeros);
	while (n)
		put(o, tmp[--n]);
	if (s->left)
		pad(o, ' ', s->width - total);
}

/* %pS: what the address is called, else the number. */
static void put_symbol(struct out *o, const struct spec *s, u64 addr)
{
	struct spec plain = { .precision = -1, .alt = true };
	struct spec all = { .precision = 16 };
	u64 offset;
	const char *name = symbol_lookup(addr, &offset);

	if (!name) {
		put_number(o, &all, addr, 16, false);
		return;
	}
	put_text(o, &plain, name);
	if (offset) {
		put(o, '+');
		put_number(o, &plain, offset, 16, false);
	}
}

/* Flags, width and precision after '%'; returns the first character after them. */
static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
	*s = (struct spec){ .precision = -1 };
	for (;; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zero = true;
		else if (*f == '+')
			s->plus = true;
		else if (*f == ' ')
			s->space = true;
		else if (*f == '#')
			s->alt = true;
		else
			break;
	}
	if (*f == '*') {
		s->width = va_arg(*ap, int);
		if (s->width < 0) {
			s->left = true;
			s->width = -s->width;
		}
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		s->width = s->width * 10 + (*f - '0');
	if (*f == '.') {
		s->precision = 0;
		if (*++f == '*') {
			s->precision = va_arg(*ap, int);
			f++;
		}
		for (; *f >= '0' && *f <= '9'; f++)
			s->precision = s->precision * 10 + (*f - '0');
	}
	return f;
}

/* One conversion from after its '%'; returns where the text goes on. */
static const char *convert(struct out *o, const char *f, va_list *ap)
{
	struct spec s;
	int size = 0;			/* -2 hh, -1 h, 0 int, 1 long, long long, size_t */
	s64 n;
	u64 u;

	f = parse_spec(f, &s, ap);
	for (;; f++) {
		if (*f == 'l' || *f == 'z' || *f == 't' || *f == 'j')
			size = 1;
		else if (*f == 'h')
			size--;
		else
			break;
	}
	switch (*f) {
	case 'd':
	case 'i':
		n = size > 0 ? va_arg(*ap, long) : va_arg(*ap, int);
		n = size == -1 ? (s16)n : size < -1 ? (s8)n : n;
		put_number(o, &s, n < 0 ? -(u64)n : (u64)n, 10, n < 0);
		break;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		u = size > 0 ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int);
		u = size == -1 ? (u16)u : size < -1 ? (u8)u : u;
		s.plus = s.space = false;
		s.upper = *f == 'X';
		put_number(o, &s, u, *f == 'u' ? 10 : *f == 'o' ? 8 : 16, false);
		break;
	case 'p':
		u = (u64)(uintptr_t)va_arg(*ap, void *);
		if (f[1] == 'S') {
			put_symbol(o, &s, u);
			return f + 2;
		}
		s.precision = 16;
		s.alt = s.plus = s.space = false;
		put_number(o, &s, u, 16, false);
		break;
	case 'c':
		if (!s.left)
			pad(o, ' ', s.width - 1);
		put(o, (char)va_arg(*ap, int));
		if (s.left)
			pad(o, ' ', s.width - 1);
		break;
	case 's':
		put_text(o, &s, va_arg(*ap, const char *));
		break;
	case '%':
		put(o, '%');
		break;
	case '\0':
		return f;
	default:			/* not ours: show it as it stands */
		put(o, '%');
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
		buf[o.len < size ? o.len : size - 1] = '\0';
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
