package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// Rotation: every sealed copy of an account gets a new outer envelope, for another certificate, around the content that it
// has. The private key that opens the old envelope stays with the operator's command: it asks for the envelopes
// (Envelopes), makes new ones, and hands them over (Rewrap). Here no key is needed: that a copy is whole is proven by its
// witness, that the caller could open it by a proof beside the new envelope, and the content is ours to carry over.

// EnvelopesQuery asks for the envelopes of sealed copies; an empty Account means all accounts, and a line with a Fault for each
// that has left the configuration. For is a certificate (PEM):
// copies that are sealed to it already, as they should be, are left out.
type EnvelopesQuery struct {
	Account string
	For     string
}

// EnvelopeLine is a sealed copy with everything that precedes its content. It holds no secret.
type EnvelopeLine struct {
	ID          string `json:"id"`
	Account     string `json:"account"`
	Name        string `json:"name"`
	ReceivedAt  string `json:"received_at"`
	Size        int64  `json:"size"`
	CopySize    int64  `json:"copy_size"`
	Certificate string `json:"certificate"`
	Header      []byte `json:"header,omitempty"`
	UserName    []byte `json:"user_name,omitempty"`    // all of the sealed name of user ID: of a login, not of a file
	DatabaseKey []byte `json:"database_key,omitempty"` // all of a sealed key of the account's database, or of log.db.left, which is no file's copy either
	Form        string `json:"form,omitempty"`         // of a database's key: FormNow, FormBefore or FormLeft
	Fault       string `json:"fault,omitempty"`        // why there is no header
}

// Envelopes gives the envelope of every sealed copy, account by account, the oldest first, then of its users' names, and of its
// database's key where that is protected, in each form that it has, and where log.db.left wants it. Where q has a certificate, that key
// is left out: it follows the configuration (reseal).
func (g *Gateway) Envelopes(ctx context.Context, q EnvelopesQuery) iter.Seq2[EnvelopeLine, error] {
	return func(yield func(EnvelopeLine, error) bool) {
		accounts, err := g.asked(q.Account)
		var wanted *vault.Certificate
		if err == nil {
			accounts, err = g.unlocked(ctx, q.Account, accounts)
		}
		if err == nil && q.For != "" {
			wanted, err = vault.ParseCertificate([]byte(q.For))
		}
		if err != nil {
			yield(EnvelopeLine{}, err)
			return
		}
		if q.Account == "" {
			lines, err := g.elsewhere()
			if err != nil {
				yield(EnvelopeLine{}, err)
				return
			}
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
		}
		for _, a := range accounts {
			for c, err := range a.index.Copies(ctx) {
				if err != nil {
					yield(EnvelopeLine{}, err)
					return
				}
				line, done := g.envelope(ctx, a, &c, wanted)
				if !done && !yield(line, nil) {
					return
				}
			}
			for line, err := range g.names(ctx, a, wanted) {
				if !yield(line, err) || err != nil {
					return
				}
			}
			if wanted != nil {
				continue
			}
			lines, err := a.databaseKeys()
			if err != nil {
				yield(EnvelopeLine{}, err)
				return
			}
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
		}
	}
}

// elsewhere gives a line for each account that has data and has left the configuration: what is sealed in it nobody can list.
func (g *Gateway) elsewhere() ([]EnvelopeLine, error) {
	folders, err := os.ReadDir(filepath.Join(g.cfg.Load().DataDir, "accounts"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var lines []EnvelopeLine
	for _, folder := range folders {
		if g.account(folder.Name()) == nil {
			lines = append(lines, EnvelopeLine{ID: "account " + plain(folder.Name()), Account: folder.Name(),
				Fault: "it has data and is not in the configuration, so what is sealed there is not known: name it again, or move its folder away"})
		}
	}
	return lines, err
}

// envelope reads one copy's envelope; done: it is wanted's already.
func (g *Gateway) envelope(ctx context.Context, a *account, c *indexer.SealedCopy, wanted *vault.Certificate) (line EnvelopeLine, done bool) {
	line = EnvelopeLine{
		ID: c.ID, Account: a.ID, Name: c.Name, ReceivedAt: utc(c.ReceivedAt), Size: c.FileSize, CopySize: c.Size, Certificate: c.Certificate,
	}
	f := &indexer.File{ID: c.ID, CopyPath: c.Path, CopySize: c.Size}
	sealed, err := a.copyOf(ctx, f)
	if err != nil {
		var now *indexer.File
		if now, err = g.one(ctx, a, c.ID); err == nil { // moved, or gone, since its row was read
			if now.Fate != indexer.Sealed {
				return line, true
			}
			line.Certificate = now.Certificate
			sealed, err = a.copyOf(ctx, now)
		}
	}
	if err != nil {
		line.Fault = err.Error()
		return line, false
	}
	defer sealed.Close()
	header, to, err := vault.Header(sealed)
	if err != nil {
		line.Fault = err.Error()
		return line, false
	}
	line.Header = header
	return line, wanted != nil && line.Certificate == wanted.Fingerprint() && vault.SealedTo(to, a.sealedTo(wanted)...)
}

// RewrapQuery brings new envelopes for sealed copies of an account, all for one certificate (PEM) and, where the account
// has one, for its recovery certificate.
type RewrapQuery struct {
	Account     string
	Certificate string
	Copies      []NewEnvelope
}

// NewEnvelope is vault.Rewrapped for a file, or for the name of a user.
type NewEnvelope struct {
	ID     string
	Header []byte
	Proof  []byte
	IsName bool // of user ID, not of a file
}

// RewrapLine tells what became of one copy; an empty Fault means that it has its new envelope, durably.
type RewrapLine struct {
	ID    string `json:"id"`
	Fault string `json:"fault,omitempty"`
}

// respliced is a copy on its way to its new envelope.
type respliced struct {
	row indexer.Rewrapped
	old string      // where a large copy lay before
	tmp *sealedCopy // where it lies now; nil for a small one
	err error
}

// Rewrap gives copies their new envelopes: small ones, all together, in one transaction, and large ones as files of
// another name, durable before the transaction in which the row comes to name them. Die before it, and the row has the
// old copy; die after it, and it has the new one; the other is swept at the next start.
func (g *Gateway) Rewrap(ctx context.Context, q RewrapQuery, who string) ([]RewrapLine, error) {
	a := g.account(q.Account)
	if a == nil {
		return nil, g.notThere(q.Account)
	}
	certificate, err := vault.ParseCertificate([]byte(q.Certificate))
	if err != nil {
		return nil, &No{Text: "the new certificate: " + err.Error(), Wrong: true}
	}
	if no := g.mayRewrap(a, certificate); no != nil {
		return nil, no
	}
	g.copies.Lock()
	defer g.copies.Unlock()
	all := make([]respliced, len(q.Copies))
	var rows []indexer.Rewrapped
	seen := map[string]bool{}
	for i := range q.Copies {
		if q.Copies[i].IsName {
			continue
		}
		all[i] = g.resplice(ctx, a, &q.Copies[i], certificate, seen)
		if all[i].err == nil {
			rows = append(rows, all[i].row)
		}
	}
	faults, err := a.index.Rewrap(ctx, rows, who)
	lines := make([]RewrapLine, len(all))
	n := 0
	for i := range all {
		lines[i].ID = q.Copies[i].ID
		fault := all[i].err
		if q.Copies[i].IsName {
			fault = g.rewrapName(ctx, a, &q.Copies[i], certificate, who)
		} else if fault == nil {
			if fault = err; err == nil {
				fault = faults[n]
			}
			n++
			g.replaced(a, &all[i], fault)
		}
		if fault != nil {
			lines[i].Fault = strings.TrimPrefix(fault.Error(), "vault: ")
		}
	}
	return lines, nil
}

// resplice makes one copy with the new envelope, durable if it is a file of its own. seen are the files, by their whole ids,
// that the request has named before: the second new copy of one would take the first's place, and be removed for it.
func (g *Gateway) resplice(ctx context.Context, a *account, e *NewEnvelope, certificate *vault.Certificate, seen map[string]bool) (r respliced) {
	f, err := g.one(ctx, a, e.ID)
	if err != nil {
		return respliced{err: err}
	}
	if seen[f.ID] {
		return respliced{err: indexer.ErrChanged}
	}
	seen[f.ID] = true
	anew := vault.Rewrapped{Header: e.Header}
	if f.Fate != indexer.Sealed || len(f.Witness) != len(vault.Witness{}) || copy(anew.Proof[:], e.Proof) != len(anew.Proof) {
		return respliced{err: indexer.ErrChanged}
	}
	r.row = indexer.Rewrapped{ID: f.ID, Was: f.Witness, Certificate: certificate.Fingerprint(), Recovery: a.recoveryFingerprint()}
	var w vault.Witness
	if f.CopyPath == "" {
		var old []byte
		if old, r.err = a.index.CopyOf(ctx, f.ID); r.err != nil {
			return r
		}
		var out bytes.Buffer
		out.Grow(len(old) + len(anew.Header))
		w, r.err = vault.Splice(&out, bytes.NewReader(old), int64(len(old)), vault.Witness(f.Witness), anew, a.sealedTo(certificate)...)
		r.row.Witness, r.row.Copy, r.row.Size = w[:], out.Bytes(), int64(out.Len())
		return r
	}
	file, err := os.Open(filepath.Join(a.dir, f.CopyPath))
	if err != nil {
		return respliced{err: err}
	}
	defer file.Close()
	r.old, r.row.Path = f.CopyPath, nextPath(f.CopyPath)
	if r.tmp, r.err = g.roomFor(a, r.row.Path, f.CopySize); r.err != nil {
		return r
	}
	w, r.err = vault.Splice(r.tmp, file, f.CopySize, vault.Witness(f.Witness), anew, a.sealedTo(certificate)...)
	if r.err == nil {
		r.err = r.tmp.finish()
	}
	if r.err == nil {
		g.placing.Store(filepath.Join(a.dir, r.row.Path), true)
		g.placing.Store(filepath.Join(a.dir, r.old), true)
		r.err = r.tmp.place(a.dir, r.row.Path)
	}
	r.row.Witness, r.row.Size = w[:], r.tmp.size
	if r.err != nil {
		g.replaced(a, &r, r.err)
	}
	return r
}

// roomFor begins the file of a large copy, if the disk has room for it beside the old one.
func (g *Gateway) roomFor(a *account, path string, size int64) (*sealedCopy, error) {
	cfg := g.cfg.Load()
	free, err := freeBytes(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if free-size < cfg.DiskFloor {
		return nil, fmt.Errorf("no room for it on the disk: %s, %s free, floor %s", sizeText(size), sizeText(free), sizeText(cfg.DiskFloor))
	}
	tmp := filepath.Join(a.incoming(), strings.TrimSuffix(filepath.Base(path), ".p7m")+tmpSuffix)
	os.Remove(tmp) // of an attempt that failed half-way
	os.Remove(strings.TrimSuffix(tmp, tmpSuffix) + placedSuffix)
	return newSealedCopy(tmp)
}

// replaced removes the one of two large copies that the row does not name.
func (g *Gateway) replaced(a *account, r *respliced, fault error) {
	if r.tmp == nil {
		return
	}
	defer g.placing.Delete(filepath.Join(a.dir, r.row.Path))
	defer g.placing.Delete(filepath.Join(a.dir, r.old))
	var err error
	switch {
	case errors.Is(fault, indexer.ErrUnsure): // the next start looks which one the row names
	case fault != nil:
		err = r.tmp.remove()
	default:
		if err = os.Remove(filepath.Join(a.dir, r.old)); err == nil {
			err = r.tmp.settled()
		}
	}
	if err != nil {
		g.log.Warn("a sealed copy with another envelope is left behind, the next start or unlocking sweeps it", "account", a.ID, "file", r.row.ID, "err", err)
	}
}

// copyName reads the name of a sealed copy: ULID.p7m as it was received, ULID.N.p7m with its Nth other envelope.
func copyName(path string) (id string, n uint64, ok bool) {
	stem, sealed := strings.CutSuffix(filepath.Base(path), ".p7m")
	id, count, rewrapped := strings.Cut(stem, ".")
	if rewrapped {
		var err error
		if n, err = strconv.ParseUint(count, 10, 32); err != nil || n == 0 || strconv.FormatUint(n, 10) != count {
			return "", 0, false
		}
	}
	_, err := ulid.ParseStrict(id)
	return id, n, sealed && err == nil
}

// nextPath is where a copy lies once it has another envelope: beside the old one, which stays until the row names the new.
func nextPath(path string) string {
	id, n, _ := copyName(path)
	return filepath.Join(filepath.Dir(path), fmt.Sprintf("%s.%d.p7m", id, n+1))
}

// rewrapLeft says whether an orphan is what a crash during a rotation left: beside the copy that its row names, which is
// there as the row says, the same content in the envelope before or after.
func (a *account) rewrapLeft(path string, f *indexer.File) bool {
	if f.Fate != indexer.Sealed || f.CopyPath == "" || path == f.CopyPath || filepath.Dir(path) != filepath.Dir(f.CopyPath) {
		return false
	}
	info, err := os.Stat(filepath.Join(a.dir, f.CopyPath))
	return err == nil && info.Size() == f.CopySize
}
