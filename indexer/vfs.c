// A thin VFS over SQLite's own "unix" one: every page that goes to a file is sealed on its way, and opened on its way
// back. Locks, shared memory, syncs and sizes are the unix VFS's, untouched. The cryptography is Go's (page.go).
//
// What is stored, and where the page's bytes are found in it:
//   main database     page n at (n-1)*4096, sealed; even the first 100 bytes tell nothing
//   write-ahead log   32 bytes header (page size and random salts only, as SQLite writes it), then frames: 24 bytes
//                     header (page number and commit size in clear, salts and checksums enciphered), 4096 sealed
//   rollback journal  written only while a database is made or copied; its 4096-byte records are sealed
// All other files (temporary ones above all) are refused: nothing of a database is ever written in clear.
#include "vfs.h"
#include "_cgo_export.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAIN = 1, LOG = 2, JOURNAL = 3 };

typedef struct {
	sqlite3_file base;
	int kind;
	uintptr_t key;           /* a handle of the Go side; never the key itself */
	sg_int64 held;           /* offset of the frame header that waits in frame[] for its page; -1: none */
	unsigned char *ahead;    /* pages of the main database as they are on the disk; NULL before the first */
	sg_int64 ahead_at;       /* where they were read; -1: none are there */
	sg_int64 next;           /* where the page behind the last one lies that was read */
	unsigned char frame[SG_FRAME_HEADER + SG_PAGE];
	sqlite3_file *real;      /* the unix VFS's file, right behind this struct */
} sg_file;

/* A process with a protected account has SQLite zero what it frees: its pages in memory are plain, and so is all that was made of them. */
static sg_mem_methods plain_memory;
static int zeroing;

static int zeroes(void) { return __atomic_load_n(&zeroing, __ATOMIC_RELAXED); }

static void zero(void *p, size_t n) {
	if (!zeroes()) return;
	memset(p, 0, n);
	__asm__ __volatile__("" : : "r"(p) : "memory"); /* else a compiler leaves it out, since nobody reads what is freed */
}

static void zero_free(void *p) {
	if (p) zero(p, plain_memory.xSize(p));
	plain_memory.xFree(p);
}

static void *zero_realloc(void *p, int n) {
	int had = plain_memory.xSize(p);
	if (!zeroes() || n == had) return plain_memory.xRealloc(p, n);
	void *moved = plain_memory.xMalloc(n);
	if (!moved) return 0;
	memcpy(moved, p, n < had ? n : had);
	zero_free(p);
	return moved;
}

void sealgate_zero_freed(void) { __atomic_store_n(&zeroing, 1, __ATOMIC_RELAXED); }

void sealgate_stir(void) {
	unsigned char drawn[128];
	sqlite3_randomness(sizeof drawn, drawn);
}

static int enrolled = SG_CANTOPEN;

/* It is off until it is asked for. It can be put there only before anybody uses SQLite, so that is done before main begins. */
__attribute__((constructor)) static void enrol_memory(void) {
	enrolled = sqlite3_config(SG_CONFIG_GETMALLOC, &plain_memory);
	if (enrolled != SG_OK) return;
	sg_mem_methods m = plain_memory;
	m.xFree = zero_free;
	m.xRealloc = zero_realloc;
	enrolled = sqlite3_config(SG_CONFIG_MALLOC, &m);
}

static sqlite3_vfs *unix_vfs;
#define F(f) ((sg_file *)(f))
#define REAL(f) (F(f)->real)
#define CALL(f, m, ...) (REAL(f)->pMethods->m(REAL(f), ##__VA_ARGS__))

/* release writes a frame header that SQLite gave us without its page (it rewrites checksums that way). */
static int release(sqlite3_file *f) {
	sg_file *s = F(f);
	if (s->held < 0) return SG_OK;
	sg_int64 at = s->held;
	s->held = -1;
	return CALL(f, xWrite, s->frame, SG_FRAME_HEADER, at);
}

/* fetch reads n bytes of the file itself. past: all of it lies behind the end; cut in the middle is damage. */
static int fetch(sqlite3_file *f, void *buf, int n, sg_int64 at, int *past) {
	int rc = CALL(f, xRead, buf, n, at);
	*past = 0;
	if (rc == SG_IOERR_SHORT_READ) {
		sg_int64 size = 0;
		if ((rc = CALL(f, xFileSize, &size)) != SG_OK) return rc;
		if (at < size) return SG_IOERR_DATA;
		*past = 1;
		return SG_OK;
	}
	return rc;
}

/* give copies the part of piece (which lies at `start`) that the reader of [at, at+n) asked for. */
static void give(unsigned char *out, int n, sg_int64 at, const unsigned char *piece, int len, sg_int64 start) {
	sg_int64 from = at > start ? at : start;
	sg_int64 to = at + n < start + len ? at + n : start + len;
	if (from < to) memcpy(out + (from - at), piece + (from - start), to - from);
}

/* Who reads the main database page after page gets eight at once: a scan takes a tenth less of the processor. They are good for one
   transaction. What it finds there does not change before its end: a checkpoint writes only pages that it finds in the log, and whoever
   begins or ends a transaction takes or leaves a lock, with which they are forgotten. */
enum { AHEAD = 8 * SG_PAGE };

static void forget_ahead(sqlite3_file *f) { F(f)->ahead_at = F(f)->next = -1; }

/* from_ahead gives the sealed page that lies at start, or NULL: it must be read by itself. */
static unsigned char *from_ahead(sqlite3_file *f, sg_int64 start) {
	sg_file *s = F(f);
	int follows = start == s->next;
	s->next = start + SG_PAGE;
	if (s->ahead_at < 0 || start < s->ahead_at || start >= s->ahead_at + AHEAD) {
		if (!follows || (!s->ahead && !(s->ahead = malloc(AHEAD)))) return 0;
		s->ahead_at = CALL(f, xRead, s->ahead, AHEAD, start) == SG_OK ? start : -1; /* the end is near, or the disk fails: one by one */
		if (s->ahead_at < 0) return 0;
	}
	return s->ahead + (start - s->ahead_at);
}

/* read_page brings the sealed page number no, which lies at start, and opens it into plain. */
static int read_page(sqlite3_file *f, sg_int64 no, sg_int64 start, unsigned char *plain, int *past) {
	sg_file *s = F(f);
	unsigned char own[SG_PAGE], *sealed = s->kind == MAIN ? from_ahead(f, start) : 0;
	*past = 0;
	if (!sealed) {
		int rc = fetch(f, sealed = own, SG_PAGE, start, past);
		if (rc != SG_OK || *past) return rc;
	}
	return openPage(s->key, s->kind, no, sealed, plain);
}

static int read_main(sqlite3_file *f, unsigned char *out, int n, sg_int64 at, unsigned char *plain) {
	int past = 0;
	/* The header's 100 bytes are read first of all, for the page size alone. If page 1 was torn by a power cut, the log
	   still has it, and recovery must get that far; whoever needs the page itself is told of the damage below. */
	if (at == 0 && n == 100 && read_page(f, 1, 0, plain, &past) == SG_IOERR_DATA) {
		memset(out, 0, n);
		out[16] = SG_PAGE >> 8;
		out[18] = out[19] = 2;
		out[20] = SG_RESERVED;
		return SG_OK;
	}
	past = 0;
	for (sg_int64 p = at / SG_PAGE; p * SG_PAGE < at + n; p++) {
		sg_int64 start = p * SG_PAGE;
		int whole = at <= start && at + n >= start + SG_PAGE;
		unsigned char *to = whole ? out + (start - at) : plain;
		int rc = read_page(f, p + 1, start, to, &past);
		if (rc != SG_OK) return rc;
		if (past) {
			sg_int64 from = start > at ? start - at : 0;
			memset(out + from, 0, n - from);
			return SG_IOERR_SHORT_READ;
		}
		if (!whole) give(out, n, at, plain, SG_PAGE, start);
	}
	return SG_OK;
}

/* read_log reads any piece of a write-ahead log. Recovery reads a frame's header and page in one: there a page that
   does not open must not be an error (it is what a torn write leaves) but must end the log, so the salts, which
   SQLite compares before all else, are made wrong. Anywhere else such a page is damage. */
static int read_log(sqlite3_file *f, unsigned char *out, int n, sg_int64 at, unsigned char *plain) {
	sg_file *s = F(f);
	unsigned char head[SG_FRAME_HEADER];
	int past = 0, rc;
	if (at < SG_WAL_HEADER) {
		unsigned char h[SG_WAL_HEADER];
		rc = CALL(f, xRead, h, SG_WAL_HEADER, 0);
		if (rc != SG_OK && rc != SG_IOERR_SHORT_READ) return rc;
		give(out, n, at, h, SG_WAL_HEADER, 0);
		if (rc != SG_OK) return rc;
	}
	sg_int64 no = at < SG_WAL_HEADER ? 0 : (at - SG_WAL_HEADER) / (SG_FRAME_HEADER + SG_PAGE);
	for (;; no++) {
		sg_int64 start = SG_WAL_HEADER + no * (SG_FRAME_HEADER + SG_PAGE), body = start + SG_FRAME_HEADER;
		if (start >= at + n) return SG_OK;
		int header = at < body;
		if (header) {
			if ((rc = fetch(f, head, SG_FRAME_HEADER, start, &past)) != SG_OK) return rc;
			if (past) break;
			if (!openHeader(s->key, no + 1, head)) return SG_IOERR_AUTH;
			give(out, n, at, head, SG_FRAME_HEADER, start);
		}
		if (at + n <= body) return SG_OK;
		rc = read_page(f, no + 1, body, plain, &past);
		if (past) break;
		if (rc == SG_IOERR_DATA && header && at <= start) {
			for (int i = 8; i < 16; i++) head[i] = ~head[i];
			give(out, n, at, head, SG_FRAME_HEADER, start);
			memset(plain, 0, SG_PAGE);
			rc = SG_OK;
		}
		if (rc != SG_OK) return rc;
		give(out, n, at, plain, SG_PAGE, body);
	}
	sg_int64 end = SG_WAL_HEADER + no * (SG_FRAME_HEADER + SG_PAGE);
	sg_int64 from = end > at ? end - at : 0;
	memset(out + from, 0, n - from);
	return SG_IOERR_SHORT_READ;
}

static int sg_read(sqlite3_file *f, void *buf, int n, sg_int64 at) {
	int past = 0, rc = release(f);
	if (rc != SG_OK) return rc;
	if (F(f)->kind != JOURNAL) {
		unsigned char plain[SG_PAGE];
		rc = F(f)->kind == MAIN ? read_main(f, buf, n, at, plain) : read_log(f, buf, n, at, plain);
		if (F(f)->kind == LOG || n != SG_PAGE) zero(plain, SG_PAGE); /* no thread's stack shall keep a page */
		return rc;
	}
	if (n != SG_PAGE) return CALL(f, xRead, buf, n, at);
	rc = read_page(f, at, at, buf, &past);
	if (past) memset(buf, 0, n);
	return rc == SG_OK && past ? SG_IOERR_SHORT_READ : rc;
}

/* sg_write takes whole pages and frame headers only; SQLite writes nothing else into these files. A frame's header
   waits for its page, so that a frame is one write. */
static int sg_write(sqlite3_file *f, const void *buf, int n, sg_int64 at) {
	sg_file *s = F(f);
	unsigned char *page = s->frame + SG_FRAME_HEADER;
	const unsigned char *plain = buf;
	int rc;
	if (s->kind == MAIN) {
		forget_ahead(f);
		if (n != SG_PAGE || at % SG_PAGE) return SG_IOERR_WRITE;
		/* The first page says how many bytes SQLite leaves free: never seal over bytes that it uses. */
		if (at == 0 && (plain[16] != SG_PAGE >> 8 || plain[17] != 0 || plain[20] != SG_RESERVED)) return SG_IOERR_WRITE;
		if (!sealPage(s->key, MAIN, at / SG_PAGE + 1, (unsigned char *)plain, page)) return SG_IOERR_WRITE;
		return CALL(f, xWrite, page, SG_PAGE, at);
	}
	if (s->kind == JOURNAL) {
		if (n != SG_PAGE) return CALL(f, xWrite, buf, n, at);
		if (!sealPage(s->key, JOURNAL, at, (unsigned char *)plain, page)) return SG_IOERR_WRITE;
		return CALL(f, xWrite, page, SG_PAGE, at);
	}
	if (at == 0 && n == SG_WAL_HEADER) {
		if ((rc = release(f)) != SG_OK) return rc;
		return CALL(f, xWrite, buf, n, at);
	}
	sg_int64 no = (at - SG_WAL_HEADER) / (SG_FRAME_HEADER + SG_PAGE);
	sg_int64 in = (at - SG_WAL_HEADER) % (SG_FRAME_HEADER + SG_PAGE);
	if (in == 0 && n == SG_FRAME_HEADER) {
		if ((rc = release(f)) != SG_OK) return rc;
		memcpy(s->frame, buf, n);
		if (!sealHeader(s->key, no + 1, s->frame)) return SG_IOERR_WRITE;
		s->held = at;
		return SG_OK;
	}
	if (in != SG_FRAME_HEADER || n != SG_PAGE) return SG_IOERR_WRITE;
	if (!sealPage(s->key, LOG, no + 1, (unsigned char *)plain, page)) return SG_IOERR_WRITE;
	if (s->held == at - SG_FRAME_HEADER) {
		s->held = -1;
		return CALL(f, xWrite, s->frame, SG_FRAME_HEADER + SG_PAGE, at - SG_FRAME_HEADER);
	}
	if (s->held >= 0) return SG_IOERR_WRITE;
	return CALL(f, xWrite, page, SG_PAGE, at);
}

static int sg_close(sqlite3_file *f) {
	int rc = release(f), rc2 = CALL(f, xClose);
	free(F(f)->ahead);
	f->pMethods = 0;
	return rc != SG_OK ? rc : rc2;
}

static int sg_truncate(sqlite3_file *f, sg_int64 size) {
	int rc = release(f);
	forget_ahead(f);
	return rc != SG_OK ? rc : CALL(f, xTruncate, size);
}

static int sg_sync(sqlite3_file *f, int flags) {
	int rc = release(f);
	return rc != SG_OK ? rc : CALL(f, xSync, flags);
}

static int sg_size(sqlite3_file *f, sg_int64 *size) {
	int rc = release(f);
	return rc != SG_OK ? rc : CALL(f, xFileSize, size);
}

static int sg_control(sqlite3_file *f, int op, void *arg) {
	switch (op) {
	case SG_FCNTL_MMAP_SIZE: /* a mapped page would bypass us */
		*(sg_int64 *)arg = 0;
		return SG_OK;
	case SG_FCNTL_BEGIN_ATOMIC_WRITE:
	case SG_FCNTL_COMMIT_ATOMIC_WRITE:
	case SG_FCNTL_ROLLBACK_ATOMIC_WRITE:
		return SG_NOTFOUND;
	}
	return CALL(f, xFileControl, op, arg);
}

/* The last connection's end asks for the whole database to copy its log into it, and to remove the log then. Nobody does so
   without the key: not even if all was copied once, since after a failed flush the log alone may have what was written. */
static int sg_lock(sqlite3_file *f, int l) {
	forget_ahead(f);
	return l == SG_LOCK_EXCLUSIVE && !holdsKey(F(f)->key) ? SG_BUSY : CALL(f, xLock, l);
}
static int sg_unlock(sqlite3_file *f, int l) {
	forget_ahead(f);
	return CALL(f, xUnlock, l);
}
static int sg_reserved(sqlite3_file *f, int *out) { return CALL(f, xCheckReservedLock, out); }
/* Small sectors keep a journal's header apart from its page records. */
static int sg_sector(sqlite3_file *f) { return 512; }
static int sg_character(sqlite3_file *f) { return CALL(f, xDeviceCharacteristics) & SG_IOCAP_POWERSAFE_OVERWRITE; }
static int sg_shm_map(sqlite3_file *f, int a, int b, int c, void volatile **p) { return CALL(f, xShmMap, a, b, c, p); }
static int sg_shm_lock(sqlite3_file *f, int a, int b, int c) {
	forget_ahead(f);
	return CALL(f, xShmLock, a, b, c);
}
static void sg_shm_barrier(sqlite3_file *f) { CALL(f, xShmBarrier); }
static int sg_shm_unmap(sqlite3_file *f, int d) { return CALL(f, xShmUnmap, d); }

/* version 2: no xFetch, so SQLite never maps a file */
static const sg_io_methods methods = {
	2, sg_close, sg_read, sg_write, sg_truncate, sg_sync, sg_size, sg_lock, sg_unlock, sg_reserved, sg_control,
	sg_sector, sg_character, sg_shm_map, sg_shm_lock, sg_shm_barrier, sg_shm_unmap, 0, 0,
};

static int sg_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out) {
	sg_file *s = F(f);
	s->base.pMethods = 0;
	s->kind = flags & SG_OPEN_MAIN_DB ? MAIN : flags & SG_OPEN_WAL ? LOG : flags & SG_OPEN_MAIN_JOURNAL ? JOURNAL : 0;
	if (!name || !s->kind) return SG_CANTOPEN;
	const char *handle = sqlite3_uri_parameter(name, "sealgate"); /* a journal's name leads to its database's */
	if (!handle) return SG_CANTOPEN;
	s->key = strtoull(handle, 0, 10);
	if (!s->key || !knownKey(s->key)) return SG_CANTOPEN;
	s->held = s->ahead_at = s->next = -1;
	s->ahead = 0;
	s->real = (sqlite3_file *)(s + 1);
	s->real->pMethods = 0;
	int rc = unix_vfs->xOpen(unix_vfs, name, s->real, flags, out);
	if (rc == SG_OK) {
		s->base.pMethods = &methods;
		return SG_OK;
	}
	if (s->real->pMethods) s->real->pMethods->xClose(s->real);
	return rc;
}

static int sg_delete(sqlite3_vfs *v, const char *n, int d) { return unix_vfs->xDelete(unix_vfs, n, d); }
static int sg_access(sqlite3_vfs *v, const char *n, int fl, int *r) { return unix_vfs->xAccess(unix_vfs, n, fl, r); }
static int sg_full(sqlite3_vfs *v, const char *n, int c, char *o) { return unix_vfs->xFullPathname(unix_vfs, n, c, o); }
static void *sg_dl_open(sqlite3_vfs *v, const char *n) { return 0; }
static void sg_dl_error(sqlite3_vfs *v, int n, char *m) { if (n > 0) m[0] = 0; }
static void (*sg_dl_sym(sqlite3_vfs *v, void *h, const char *n))(void) { return 0; }
static void sg_dl_close(sqlite3_vfs *v, void *h) {}
static int sg_random(sqlite3_vfs *v, int n, char *o) { return unix_vfs->xRandomness(unix_vfs, n, o); }
static int sg_sleep(sqlite3_vfs *v, int us) { return unix_vfs->xSleep(unix_vfs, us); }
static int sg_time(sqlite3_vfs *v, double *t) { return unix_vfs->xCurrentTime(unix_vfs, t); }
static int sg_last(sqlite3_vfs *v, int n, char *m) { return unix_vfs->xGetLastError(unix_vfs, n, m); }
static int sg_time64(sqlite3_vfs *v, sg_int64 *t) { return unix_vfs->xCurrentTimeInt64(unix_vfs, t); }

static sqlite3_vfs vfs = {
	2, 0, 0, 0, "sealgate", 0, sg_open, sg_delete, sg_access, sg_full, sg_dl_open, sg_dl_error, sg_dl_sym, sg_dl_close,
	sg_random, sg_sleep, sg_time, sg_last, sg_time64,
};

static int registered = SG_CANTOPEN;

static void enrol(void) {
	/* sqlite3_uri_parameter follows a journal's name to its database's since 3.31 */
	if (sqlite3_libversion_number() < 3031000) return;
	if (enrolled != SG_OK) return;
	unix_vfs = sqlite3_vfs_find("unix");
	if (!unix_vfs || unix_vfs->iVersion < 2) return;
	vfs.szOsFile = sizeof(sg_file) + unix_vfs->szOsFile;
	vfs.mxPathname = unix_vfs->mxPathname;
	registered = sqlite3_vfs_register(&vfs, 0);
}

int sealgate_vfs(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, enrol);
	return registered;
}
