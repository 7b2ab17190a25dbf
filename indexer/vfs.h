// The part of SQLite's stable C interface that the page encryption needs, declared here so that the package builds
// with a plain `go build`: the functions themselves live in the SQLite that mattn/go-sqlite3 compiles, and are found
// when the program is linked. Layouts are those of https://sqlite.org/c3ref/vfs.html and io_methods.html.
#ifndef SEALGATE_VFS_H
#define SEALGATE_VFS_H

#include <stdint.h>

typedef struct sqlite3_file sqlite3_file;
typedef struct sqlite3_vfs sqlite3_vfs;
typedef int64_t sg_int64;

typedef struct {
	int iVersion;
	int (*xClose)(sqlite3_file *);
	int (*xRead)(sqlite3_file *, void *, int, sg_int64);
	int (*xWrite)(sqlite3_file *, const void *, int, sg_int64);
	int (*xTruncate)(sqlite3_file *, sg_int64);
	int (*xSync)(sqlite3_file *, int);
	int (*xFileSize)(sqlite3_file *, sg_int64 *);
	int (*xLock)(sqlite3_file *, int);
	int (*xUnlock)(sqlite3_file *, int);
	int (*xCheckReservedLock)(sqlite3_file *, int *);
	int (*xFileControl)(sqlite3_file *, int, void *);
	int (*xSectorSize)(sqlite3_file *);
	int (*xDeviceCharacteristics)(sqlite3_file *);
	int (*xShmMap)(sqlite3_file *, int, int, int, void volatile **);
	int (*xShmLock)(sqlite3_file *, int, int, int);
	void (*xShmBarrier)(sqlite3_file *);
	int (*xShmUnmap)(sqlite3_file *, int);
	int (*xFetch)(sqlite3_file *, sg_int64, int, void **);
	int (*xUnfetch)(sqlite3_file *, sg_int64, void *);
} sg_io_methods;

struct sqlite3_file {
	const sg_io_methods *pMethods;
};

struct sqlite3_vfs {
	int iVersion;
	int szOsFile;
	int mxPathname;
	sqlite3_vfs *pNext;
	const char *zName;
	void *pAppData;
	int (*xOpen)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
	int (*xDelete)(sqlite3_vfs *, const char *, int);
	int (*xAccess)(sqlite3_vfs *, const char *, int, int *);
	int (*xFullPathname)(sqlite3_vfs *, const char *, int, char *);
	void *(*xDlOpen)(sqlite3_vfs *, const char *);
	void (*xDlError)(sqlite3_vfs *, int, char *);
	void (*(*xDlSym)(sqlite3_vfs *, void *, const char *))(void);
	void (*xDlClose)(sqlite3_vfs *, void *);
	int (*xRandomness)(sqlite3_vfs *, int, char *);
	int (*xSleep)(sqlite3_vfs *, int);
	int (*xCurrentTime)(sqlite3_vfs *, double *);
	int (*xGetLastError)(sqlite3_vfs *, int, char *);
	int (*xCurrentTimeInt64)(sqlite3_vfs *, sg_int64 *);
	/* version 3's system call table is not offered */
};

typedef struct {
	void *(*xMalloc)(int);
	void (*xFree)(void *);
	void *(*xRealloc)(void *, int);
	int (*xSize)(void *);
	int (*xRoundup)(int);
	int (*xInit)(void *);
	void (*xShutdown)(void *);
	void *pAppData;
} sg_mem_methods;

int sqlite3_config(int, ...);
void sqlite3_randomness(int, void *);
sqlite3_vfs *sqlite3_vfs_find(const char *);
int sqlite3_vfs_register(sqlite3_vfs *, int);
const char *sqlite3_uri_parameter(const char *, const char *);
int sqlite3_libversion_number(void);

enum {
	SG_OK = 0,
	SG_BUSY = 5,
	SG_NOMEM = 7,
	SG_NOTFOUND = 12,
	SG_CANTOPEN = 14,
	SG_IOERR_WRITE = 10 | (3 << 8),
	SG_IOERR_SHORT_READ = 10 | (2 << 8),
	SG_IOERR_AUTH = 10 | (28 << 8), /* the key is not there: the database is locked */
	SG_IOERR_DATA = 10 | (32 << 8), /* it is, and does not open the page */

	SG_LOCK_EXCLUSIVE = 4,

	SG_OPEN_MAIN_DB = 0x100,
	SG_OPEN_MAIN_JOURNAL = 0x800,
	SG_OPEN_WAL = 0x80000,

	SG_CONFIG_MALLOC = 4,
	SG_CONFIG_GETMALLOC = 5,

	SG_FCNTL_MMAP_SIZE = 18,
	SG_FCNTL_BEGIN_ATOMIC_WRITE = 31,
	SG_FCNTL_COMMIT_ATOMIC_WRITE = 32,
	SG_FCNTL_ROLLBACK_ATOMIC_WRITE = 33,

	SG_IOCAP_POWERSAFE_OVERWRITE = 0x1000,

	SG_PAGE = 4096,      /* size of a page, on disk as in memory */
	SG_RESERVED = 32,    /* bytes at its end that SQLite leaves to us */
	SG_WAL_HEADER = 32,  /* at the beginning of a write-ahead log */
	SG_FRAME_HEADER = 24 /* before each page of it */
};

/* sealgate_vfs registers the VFS "sealgate" and says SG_OK, or an SQLite error. */
int sealgate_vfs(void);

/* sealgate_zero_freed has SQLite, from now on, zero the memory that it frees. */
void sealgate_zero_freed(void);

/* sealgate_stir has SQLite forget which random bytes it gave last, of which it draws 64 at a time. */
void sealgate_stir(void);

#endif
