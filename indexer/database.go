package indexer

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/cgo"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
)

//go:embed migrations
var migrations embed.FS

// Memory and the write-ahead log. A cache of 2 MiB holds the inner pages of millions of rows. The log is put into the
// database when it has grown by logPages, beside the writers (Index.relieve). Measured for a million payments and for
// 10,000 small files by 50 writers: 1,024 pages 0.75 s and 110 µs of processor time each, 2,048 pages 0.68 s and
// 106 µs, 4,096 pages 0.70 s and 96 µs; but what is in the log and not on the disk yet is what the next commit waits for.
const (
	writerCache = "-2048" // KiB
	readerCache = "-512"
	readers     = 4
	readerIdle  = time.Minute
	busyTimeout = 10 * time.Second
	logPages    = 2048      // 8 MiB
	logKept     = "8388608" // bytes of an emptied log that stay allocated
	keyPages    = 64        // pages looked at before a key is said to be wrong
)

// database is one encrypted SQLite file: one connection that writes, a few that read. A locked one has no key, and gives
// ErrLocked to whoever asks.
type database struct {
	path    string
	folder  string // of migrations
	key     *pageKey
	handle  cgo.Handle
	writers *sql.DB
	w       *sql.Conn // nil while it is locked
	r       *sql.DB
	base    context.Context // carries values only: what is begun here is never broken off half-way
	lax     bool            // w is at synchronous=NORMAL just now
	broken  atomic.Bool     // a flush has failed: nothing is written any more
	locked  atomic.Bool     // nobody may read or write

	emptying chan struct{} // one token: a checkpoint is running
	emptied  atomic.Int64  // the log's end at the last one
}

// openDatabase opens the file at path, makes it when it is not there, and brings its tables up to date from the
// numbered files in migrations/folder; "" leaves them as they are. An error tells a wrong key (ErrKey) from damage (ErrDamaged).
func openDatabase(ctx context.Context, path string, key Key, folder string) (*database, error) {
	d, err := lockedDatabase(ctx, path, folder)
	if err != nil {
		return nil, err
	}
	if err := d.unlock(ctx, &key); err != nil {
		d.close()
		return nil, err
	}
	d.show()
	return d, nil
}

// lockedDatabase is a database whose key is still to come.
func lockedDatabase(ctx context.Context, path, folder string) (_ *database, err error) {
	if err := registerVFS(); err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	d := &database{path: path, folder: folder, base: context.WithoutCancel(ctx), key: blankKey(), emptying: make(chan struct{}, 1)}
	d.handle = cgo.NewHandle(d.key)
	d.locked.Store(true)
	d.r = sql.OpenDB(&connector{d: d, cache: readerCache, hook: setUpReader, reads: true})
	d.r.SetMaxOpenConns(readers)
	d.r.SetConnMaxIdleTime(readerIdle)
	return d, nil
}

// unlock opens the database with its key, for w alone; others see it after show. After an error it is locked as before.
func (d *database) unlock(ctx context.Context, key *Key) (err error) {
	if err := d.key.learn(key); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(d.plain(err), d.lock())
		}
	}()
	if err := d.tryKey(); err != nil {
		return err
	}
	d.writers = sql.OpenDB(&connector{d: d, cache: writerCache, hook: d.setUpWriter})
	d.writers.SetMaxOpenConns(1)
	d.lax = false
	if d.w, err = d.writers.Conn(ctx); err != nil {
		return err
	}
	return d.migrate(ctx, d.folder)
}

// show lets everybody read and write.
func (d *database) show() {
	d.emptied.Store(0)
	d.r.SetMaxIdleConns(1)
	d.locked.Store(false)
}

// close locks the database for good. The second call does nothing.
func (d *database) close() error {
	if d.handle == 0 {
		return nil
	}
	err := errors.Join(d.lock(), d.r.Close())
	d.handle.Delete()
	d.handle = 0
	return err
}

// lock closes the connections (the last one empties the log into the database) and forgets the key. Whoever reads at this moment is
// told so at the next page. Whoever calls it keeps others from writing.
func (d *database) lock() error {
	d.locked.Store(true)
	// After a failed flush nobody knows what the log holds. Without the key it is left as it is, and the next start reads what the
	// disk really has.
	if d.broken.Load() {
		d.key.forget()
	}
	d.r.SetMaxIdleConns(0)
	var errs []error
	if d.w != nil {
		errs = append(errs, d.w.Close())
	}
	if d.writers != nil {
		errs = append(errs, d.writers.Close())
	}
	d.w, d.writers = nil, nil
	err := d.plain(errors.Join(errs...))
	d.key.forget()
	stir()
	return err
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// connector opens connections of one database for database/sql; the key is in the address only as a handle.
type connector struct {
	d     *database
	cache string
	hook  func(*sqlite3.SQLiteConn) error
	reads bool // refused while the database is locked
}

// Connect opens one connection. Every pragma is set here, so that no connection is without it.
func (c *connector) Connect(context.Context) (driver.Conn, error) {
	if c.reads && c.d.locked.Load() {
		return nil, ErrLocked
	}
	q := url.Values{
		"vfs": {"sealgate"}, "sealgate": {strconv.FormatUint(uint64(c.d.handle), 10)}, "mode": {"rw"},
		"_txlock": {"immediate"}, "_synchronous": {"FULL"}, "_foreign_keys": {"1"}, "_cache_size": {c.cache},
		"_busy_timeout": {strconv.FormatInt(busyTimeout.Milliseconds(), 10)}, "_stmt_cache_size": {"64"},
	}
	return c.Driver().Open(address(c.d.path, q.Encode()))
}

// address names a file for SQLite.
func address(path, parameters string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + parameters
}

// Driver is the SQLite driver with this connector's hook.
func (c *connector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		if _, err := conn.Exec(`PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON`, nil); err != nil {
			return err
		}
		return c.hook(conn)
	}}
}

// setUpWriter: the room for nonce and tag must be reserved before the first page is written, and the write-ahead log
// turned on only after that, since turning it on writes the first page.
func (d *database) setUpWriter(conn *sqlite3.SQLiteConn) error {
	if err := conn.SetFileControlInt("main", sqlite3.SQLITE_FCNTL_RESERVE_BYTES, reserved); err != nil {
		return err
	}
	_, err := conn.Exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = `+logKept, nil)
	return err
}

func setUpReader(conn *sqlite3.SQLiteConn) error {
	_, err := conn.Exec(`PRAGMA query_only = ON`, nil)
	return err
}

// migrate runs the files of migrations/folder that this database has not seen: each is a transaction that also sets
// user_version to its number. Die between two, and the next start goes on with the second.
func (d *database) migrate(ctx context.Context, folder string) error {
	if folder == "" {
		return nil
	}
	names, err := migrations.ReadDir("migrations/" + folder)
	if err != nil {
		return err
	}
	var have, newest int
	if err := d.w.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&have); err != nil {
		return err
	}
	for _, n := range names {
		number, err := strconv.Atoi(n.Name()[:4])
		if err != nil {
			return fmt.Errorf("migration %s: %w", n.Name(), err)
		}
		if newest = number; number <= have {
			continue
		}
		script, err := migrations.ReadFile("migrations/" + folder + "/" + n.Name())
		if err != nil {
			return err
		}
		tx, err := d.w.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(script)); err != nil {
			tx.Rollback()
			return fmt.Errorf("migration %s: %w", n.Name(), err)
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("migration %s: %w", n.Name(), err)
		}
	}
	if have > newest {
		return fmt.Errorf("its tables are of version %d, this program knows %d: run a newer sealgate", have, newest)
	}
	return nil
}

// write runs f in one transaction; the caller holds the write lock. durable: on the disk when it returns (with all
// that was written before it); otherwise it may be lost in a power cut, but never in part, and is durable with the next
// durable one. The context's end does not break it off: others' files may be in the same transaction.
func (d *database) write(ctx context.Context, durable bool, f func(ctx context.Context) error) (err error) {
	if d.locked.Load() {
		return ErrLocked
	}
	return d.transact(ctx, durable, f)
}

// transact is write for the one who unlocks the database and has it alone.
func (d *database) transact(ctx context.Context, durable bool, f func(ctx context.Context) error) (err error) {
	ctx = context.WithoutCancel(ctx)
	if d.broken.Load() {
		return fmt.Errorf("%s: %w", d.path, ErrBroken)
	}
	if d.lax == durable {
		query := `PRAGMA synchronous = NORMAL`
		if durable {
			query = `PRAGMA synchronous = FULL`
		}
		if _, err := d.w.ExecContext(ctx, query); err != nil {
			return d.plain(err)
		}
		d.lax = !durable
	}
	if _, err := d.w.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return d.plain(err)
	}
	done := false
	defer func() {
		if !done {
			d.w.ExecContext(ctx, `ROLLBACK`) // when SQLite has rolled back by itself, this is an error and no matter
		}
	}()
	if err := f(ctx); err != nil {
		return d.plain(err)
	}
	if _, err := d.w.ExecContext(ctx, `COMMIT`); err != nil {
		d.doubt(err)
		if err = d.plain(err); !errors.Is(err, ErrFull) {
			err = fmt.Errorf("%w: %w", ErrUnsure, err)
		}
		return err
	}
	done = true
	return nil
}

// doubt closes the database for writing when a commit or a checkpoint met an I/O error. The system tells a failed flush
// once and then forgets which pages it lost, frames of running uploads among them: a later commit behind them would be
// answered OK and be gone after a power cut. A restart reads back what the disk really has.
func (d *database) doubt(err error) {
	var e sqlite3.Error
	if errors.As(err, &e) && e.Code == sqlite3.ErrIoErr && e.ExtendedCode != errKeyless && !quota(&e) {
		d.broken.Store(true)
	}
}

// checkpoint copies what is in the log into the database, as far as readers let it.
func checkpoint(ctx context.Context, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) error {
	var busy, log, copied int
	return q.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &log, &copied)
}

// quota says whether the owner's share of the disk is used up, which SQLite tells as an I/O error. A flush that says so is a
// failed flush all the same: what it lost is not known.
func quota(e *sqlite3.Error) bool {
	return e.SystemErrno == syscall.EDQUOT && e.ExtendedCode == sqlite3.ErrIoErrWrite
}

// errKeyless is what vfs.c says of a page that was asked for while the key was not there: by now it may be again.
var errKeyless = sqlite3.ErrIoErr.Extend(28)

// plain turns SQLite's errors about a full disk into ErrFull, and those about pages that do not open into ErrDamaged.
// While SQLite reads its schema it forgets the finer code, hence the look at the key's own count.
func (d *database) plain(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) || errors.Is(err, ErrDamaged) {
		return err
	}
	if d.key.forgotten() || e.ExtendedCode == errKeyless {
		return ErrLocked
	}
	page := e.ExtendedCode == sqlite3.ErrIoErr.Extend(32) || e.ExtendedCode == sqlite3.ErrNoExtended(sqlite3.ErrIoErr) && d.key.failed.Load()
	if e.Code == sqlite3.ErrFull || quota(&e) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	if page || e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB {
		return fmt.Errorf("%s: %w: %w", d.path, ErrDamaged, err)
	}
	return err
}
