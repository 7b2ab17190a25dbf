package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// VerifyLine is one thing that verify found wrong (ledger, database, sealed copy, orphan), or, with NotChecked alone, that an
// account could not be checked, and why: that is no problem. With Progress alone it tells how far the check of the account is.
type VerifyLine struct {
	Account    string `json:"account"`
	Progress   string `json:"progress,omitempty"`
	What       string `json:"what,omitempty"`
	Problem    string `json:"problem,omitempty"`
	NotChecked string `json:"not_checked,omitempty"`
	Hint       string `json:"hint,omitempty"` // what to type, so that it can be
}

// Verify checks the ledger, the database, every sealed copy and that nothing lies about which no row knows. It needs no
// account's key: a sealed copy is checked by its witness. No lines means that all is well.
func (g *Gateway) Verify(ctx context.Context, account string) iter.Seq2[VerifyLine, error] {
	return g.verify(ctx, account, 0)
}

// verify is Verify that tells how far it is, not more often than every so often; 0 is never.
func (g *Gateway) verify(ctx context.Context, account string, every time.Duration) iter.Seq2[VerifyLine, error] {
	var told time.Time
	return func(yield func(VerifyLine, error) bool) {
		for _, a := range g.outs() {
			if account != "" && account != a.ID {
				continue
			}
			if !yield(VerifyLine{Account: a.ID, What: "database", Problem: a.why()}, nil) || account == a.ID {
				return
			}
		}
		accounts, err := g.asked(account)
		if err != nil {
			yield(VerifyLine{}, err)
			return
		}
		for _, line := range g.mismatched(account) {
			if !yield(line, nil) {
				return
			}
		}
		for _, a := range accounts {
			var lines []VerifyLine
			gone := false // he who asked
			err := g.verifyAccount(ctx, a, func(what, problem string) {
				lines = append(lines, VerifyLine{Account: a.ID, What: what, Problem: problem})
			}, func(progress string) {
				if every > 0 && !gone && time.Since(told) >= every {
					told, gone = time.Now(), !yield(VerifyLine{Account: a.ID, Progress: progress}, nil)
				}
			})
			if gone {
				return
			}
			if locked := g.locked(ctx, a); locked != nil && errors.Is(err, indexer.ErrLocked) {
				lines = append(lines, VerifyLine{Account: a.ID, NotChecked: "it is locked; its log is checked, its ledger, index and sealed copies are not", Hint: locked.Hint})
				err = nil
			}
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
			if err != nil {
				yield(VerifyLine{}, err)
				return
			}
		}
	}
}

// verifyAccount verifies one account. Of one that is locked, or comes to be meanwhile, that is the log (ErrLocked).
func (g *Gateway) verifyAccount(ctx context.Context, a *account, report func(what, problem string), tell func(progress string)) error {
	tell("ledger and index")
	if _, err := os.Stat(filepath.Join(a.dir, "index.db")); errors.Is(err, fs.ErrNotExist) {
		report("database", "index.db is gone from the disk, and only this gateway, which has it open, can still read it")
	}
	if err := a.index.Verify(ctx, report); err != nil {
		return err
	}
	checked := 0
	for c, err := range a.index.Copies(ctx) {
		if err != nil {
			return err
		}
		tell("sealed copies checked: " + strconv.Itoa(checked))
		checked++
		f := &indexer.File{ID: c.ID, CopyPath: c.Path, CopySize: c.Size, Witness: c.Witness}
		err := a.verifyCopy(ctx, f)
		for tries := 0; err != nil && tries < 3; tries++ {
			now, fault := g.one(ctx, a, c.ID)
			if fault != nil || bytes.Equal(now.Witness, f.Witness) {
				break
			}
			f, err = now, nil
			if now.CopySize > 0 { // rewrapped since we began, and not released or refused
				err = a.verifyCopy(ctx, now)
			}
		}
		if errors.Is(err, indexer.ErrLocked) {
			return err
		}
		if err != nil {
			report("sealed copy "+c.ID, err.Error())
		}
	}
	tell("names of users")
	if err := g.verifyNames(ctx, a, report); err != nil {
		return err
	}
	orphans, err := a.orphans(ctx, func(path string) bool {
		_, placing := g.placing.Load(filepath.Join(a.dir, path))
		return placing
	})
	for _, path := range orphans {
		problem := " has lost its row: restore the index from a backup, or move the copy away"
		if id, _, ours := copyName(path); ours {
			if f, err := g.one(ctx, a, id); err == nil {
				problem = a.leftover(path, f)
			}
		}
		report("orphan", path+problem)
	}
	return err
}

// leftover says what is wrong with an orphan that has a row.
func (a *account) leftover(path string, f *indexer.File) string {
	sweeper := "start"
	if a.index.Protected() {
		sweeper = "unlocking"
	}
	switch {
	case a.rewrapLeft(path, f):
		return " is left from a rotation, beside the copy that counts: the next " + sweeper + " removes it"
	case a.givenUp(path, f):
		return " is left from a release or a refusal: the next " + sweeper + " removes it"
	}
	return " lies at a place that its row does not name: move it to " + f.CopyPath
}

// NamesLine tells of how many files RenewNames made an account's list of names.
type NamesLine struct {
	Account string `json:"account"`
	Files   int    `json:"files"`
}

// RenewNames makes the lists by which payments are found by name anew, from the payments, of one account or of all. Each is
// noted in the account's ledger.
func (g *Gateway) RenewNames(ctx context.Context, account, who string) iter.Seq2[NamesLine, error] {
	return func(yield func(NamesLine, error) bool) {
		accounts, err := g.asked(account)
		if err != nil {
			yield(NamesLine{}, err)
			return
		}
		for _, a := range accounts {
			files, err := a.index.RenewNames(ctx)
			if err == nil {
				_, err = a.index.Note(ctx, "names-renewed", "", who, strconv.Itoa(files))
			}
			if !yield(NamesLine{a.ID, files}, err) || err != nil {
				return
			}
		}
	}
}

func (a *account) verifyCopy(ctx context.Context, f *indexer.File) error {
	size := f.CopySize
	copy, err := a.copyOf(ctx, f)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it is gone from the disk")
	}
	if err != nil {
		return err
	}
	defer copy.Close()
	var w vault.Witness
	if len(f.Witness) != len(w) {
		return errors.New("its witness is damaged in the index")
	}
	counted := &counter{r: copy}
	if err := vault.VerifySealed(counted, vault.Witness(f.Witness)); err != nil {
		return err
	}
	if counted.n != size {
		return errors.New("its size has changed")
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// copyOf opens a file's sealed copy; of one in the index it notes the size that it has by now.
func (a *account) copyOf(ctx context.Context, f *indexer.File) (io.ReadCloser, error) {
	if f.CopyPath != "" {
		return os.Open(filepath.Join(a.dir, f.CopyPath))
	}
	b, err := a.index.CopyOf(ctx, f.ID)
	f.CopySize = int64(len(b))
	return io.NopCloser(bytes.NewReader(b)), err
}

// Status is the answer to "is all well?".
type Status struct {
	Locked         bool            `json:"locked,omitempty"`    // it waits for its unlock key: no door is open
	Listening      string          `json:"listening,omitempty"` // empty when no gateway runs
	StartedAt      string          `json:"started_at,omitempty"`
	ConfigLoadedAt string          `json:"config_loaded_at,omitempty"`
	DiskFree       int64           `json:"disk_free"`
	DiskFloor      int64           `json:"disk_floor"`
	DiskRefused    int64           `json:"disk_refused"` // uploads since DiskLowSince
	DiskLowSince   string          `json:"disk_low_since,omitempty"`
	Memory         int64           `json:"memory"` // bytes of uploads under way
	Accounts       []AccountStatus `json:"accounts"`
	OutOfService   []Outage        `json:"out_of_service,omitempty"` // accounts whose folder cannot be used; each is a problem too
	Late           []LateLine      `json:"late,omitempty"`           // expected files that have not come; each is a problem too
	Queues         []QueueOf       `json:"queues,omitempty"`         // what waits to be delivered; what cannot be is a problem too
	Problems       []string        `json:"problems"`                 // each ends with what to do
}

// QueueOf is what waits to be delivered to a remote: a part of Status.
type QueueOf struct {
	Account string `json:"account"`
	Remote  string `json:"remote"`
	QueueLine
}

// AccountStatus is a customer's part of Status.
type AccountStatus struct {
	ID          string `json:"id"`
	Users       int    `json:"users"`
	LastFile    string `json:"last_file,omitempty"`
	Held        int    `json:"held"`
	Certificate string `json:"certificate,omitempty"` // kind and last day
	// Of a protected account:
	Protected     bool   `json:"protected,omitempty"`
	UnlockedUntil string `json:"unlocked_until,omitempty"` // empty: it is locked
	Waiting       int    `json:"waiting,omitempty"`        // deliveries that wait for the next unlocking
	WaitingBytes  int64  `json:"waiting_bytes,omitempty"`
	WaitingSince  string `json:"waiting_since,omitempty"`
	KeyUntried    string `json:"key_untried,omitempty"` // to whom its database's key is sealed now, if nobody has opened that yet
	Joined        bool   `json:"joined,omitempty"`      // of an answer to AccountKey.Join: somebody else's session goes on
}

// Status tells whether all is well.
func (g *Gateway) Status(ctx context.Context) (Status, error) {
	cfg := g.cfg.Load()
	free, err := freeBytes(cfg.DataDir)
	if err != nil {
		return Status{}, err
	}
	s := Status{DiskFree: free, DiskFloor: cfg.DiskFloor, Memory: g.memory.used(), Problems: []string{}}
	if addr := g.listening.Load(); addr != nil {
		s.Listening, s.StartedAt, s.ConfigLoadedAt = *addr, utc(g.started), utc(*g.loaded.Load())
	}
	g.disk.Lock()
	if g.disk.low {
		s.DiskRefused, s.DiskLowSince = g.disk.refused, utc(g.disk.since)
	}
	g.disk.Unlock()
	if free < cfg.DiskFloor {
		s.Problems = append(s.Problems, "disk: refusing uploads, "+sizeText(free)+" free under "+cfg.DataDir+", floor "+sizeText(cfg.DiskFloor))
	}
	remotes, err := g.queued(ctx, g.remoteLines())
	if err != nil {
		return Status{}, err
	}
	for _, r := range remotes {
		if r.State == "down" {
			s.Problems = append(s.Problems, r.down())
		}
		if problem := r.problem(); problem != "" {
			s.Problems = append(s.Problems, problem)
		}
		if r.Queue != nil {
			s.Queues = append(s.Queues, QueueOf{Account: r.Account, Remote: r.Remote, QueueLine: *r.Queue})
		}
	}
	if s.Late, err = g.late(ctx); err != nil {
		return Status{}, err
	}
	for _, l := range s.Late {
		s.Problems = append(s.Problems, l.problem())
	}
	if waits := g.rule.Load().problem(); waits != "" {
		s.Problems = append(s.Problems, waits)
	}
	if refused := fileProblem(cfg); refused != "" {
		s.Problems = append(s.Problems, refused)
	} else if why := g.unloaded.Load(); why != nil {
		s.Problems = append(s.Problems, *why)
	}
	for _, l := range g.mismatched("") {
		s.Problems = append(s.Problems, l.problem())
	}
	accounts, err := g.asked("")
	if err != nil {
		return Status{}, err
	}
	for _, a := range g.outs() {
		o := Outage{Account: a.ID, Why: a.why(), Hint: a.back()}
		s.OutOfService, s.Problems = append(s.OutOfService, o), append(s.Problems, o.problem())
	}
	for _, a := range accounts {
		line, err := g.accountStatus(ctx, a)
		if err != nil {
			return Status{}, err
		}
		s.Accounts = append(s.Accounts, line)
		if problem := a.protection(); problem != "" {
			s.Problems = append(s.Problems, problem)
		}
		if err := a.index.Broken(); err != nil {
			s.Problems = append(s.Problems, "account "+a.ID+": "+err.Error())
		}
		s.Problems = append(s.Problems, a.aging(g.now())...)
	}
	return s, nil
}

// aging says which of the account's certificates run out within 30 days, or have.
func (a *account) aging(now time.Time) (problems []string) {
	for _, c := range []struct {
		what        string
		certificate *vault.Certificate
		remedy      string
	}{
		{"certificate ", a.certificate, "make a new one: sealgate cert new " + a.ID + " --out new"},
		{"recovery certificate ", a.recovery, "name another one at recovery_certificate, then: sealgate check"},
	} {
		if c.certificate == nil {
			continue
		}
		if warning := certificateAge(c.certificate, now); warning != "" {
			problems = append(problems, "account "+a.ID+": "+c.what+warning+"; "+c.remedy)
		}
	}
	return problems
}

func (g *Gateway) accountStatus(ctx context.Context, a *account) (AccountStatus, error) {
	line := AccountStatus{ID: a.ID}
	users, err := g.registry.Users(ctx, a.ID)
	if err != nil {
		return line, err
	}
	line.Users = len(users)
	if a.certificate != nil {
		line.Certificate = a.certificate.Kind() + ", until " + a.certificate.NotAfter().Format(time.DateOnly)
	}
	if a.index.Protected() {
		return line, g.protectedStatus(ctx, a, &line)
	}
	for f, err := range a.index.Files(ctx, indexer.FileFilter{Limit: 1}) {
		if err != nil {
			return line, err
		}
		line.LastFile = utc(f.ReceivedAt)
	}
	for _, err := range a.index.Files(ctx, indexer.FileFilter{Verdict: indexer.Held}) {
		if err != nil {
			return line, err
		}
		line.Held++
	}
	return line, nil
}
