package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// What goes out to customers: receipts to their own servers, and the outbox, which they fetch over SFTP or are delivered.

// OutboxLine is a file that was put into an account's outbox: the answer to `send`.
type OutboxLine struct {
	ID      string   `json:"id"`
	Account string   `json:"account"`
	Name    string   `json:"name"` // under which it is shown
	Size    int64    `json:"size"`
	SHA256  string   `json:"sha256"`
	Remotes []string `json:"remotes,omitempty"` // which it is delivered to
}

// receiptRemotes are the remotes that a receipt of each file goes to.
func (a *account) receiptRemotes() (names []string) {
	for _, r := range a.Remotes {
		if r.Send != nil && r.Send.Receipts == "yes" {
			names = append(names, r.Name)
		}
	}
	return names
}

func (a *account) sendRemotes() (names []string) {
	for _, r := range a.Remotes {
		if r.Send != nil {
			names = append(names, r.Name)
		}
	}
	return names
}

// wake tells the poller that something may have to be delivered.
func (g *Gateway) wake(a *account) {
	if poller := g.poller.Load(); poller != nil && len(a.sendRemotes()) > 0 {
		poller.Wake(a.ID)
	}
}

// Send puts a file into an account's outbox.
func (g *Gateway) Send(ctx context.Context, account, name string, content io.Reader, who string) (OutboxLine, error) {
	a := g.account(account)
	if a == nil {
		return OutboxLine{}, g.notThere(account)
	}
	if !transport.PlainName(name) {
		return OutboxLine{}, &No{Text: fmt.Sprintf("%q is not a name that every client can take; rename the file", name), Wrong: true}
	}
	var refusal *transport.Refusal
	if err := g.Room(transport.Guest{Account: account}, name); errors.As(err, &refusal) {
		return OutboxLine{}, &No{Text: refusal.Sentence, Hint: "sealgate status"}
	} else if err != nil {
		return OutboxLine{}, err
	}
	if locked := g.locked(ctx, a); locked != nil {
		return OutboxLine{}, locked
	}
	sum := sha256.New()
	in := &measured{r: io.LimitReader(content, a.MaxFileSize+1), sum: sum}
	f := &indexer.OutboxFile{ID: g.newID(), Name: name, MadeAt: g.now(), Who: who}
	err := a.index.AddOutboxPieces(ctx, f.ID, in)
	if err == nil && in.n > a.MaxFileSize {
		err = &No{Text: fmt.Sprintf("%s is longer than the account's max_file_size", plain(name))}
	}
	f.Size, f.SHA256 = in.n, hex.EncodeToString(sum.Sum(nil))
	remotes := a.sendRemotes()
	if err == nil {
		err = a.index.AddOutbox(ctx, f, func(n int) string { return transport.Beside(name, f.ID, n) }, remotes)
	}
	if err != nil {
		// What was stored of it is nobody's; if it cannot go now, it is swept at the next start.
		return OutboxLine{}, errors.Join(err, a.index.DropOutboxPieces(ctx, f.ID))
	}
	g.log.Info("outbox", "account", account, "file", f.ID, "user", who, "size", f.Size)
	g.wake(a)
	return OutboxLine{ID: f.ID, Account: account, Name: f.Name, Size: f.Size, SHA256: f.SHA256, Remotes: remotes}, nil
}

// measured counts and hashes what is read.
type measured struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.sum.Write(p[:n])
	m.n += int64(n)
	return n, err
}

// serveSend takes a file from the operators' command: its bytes are the body, account and name stand in the header.
func (g *Gateway) serveSend(w http.ResponseWriter, r *http.Request) {
	var q struct{ Account, Name string }
	if err := json.Unmarshal([]byte(r.Header.Get("Sealgate-Send")), &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	line, err := g.Send(r.Context(), q.Account, q.Name, r.Body, caller(r.Context()))
	said := answer[OutboxLine]{Item: &line}
	if err != nil {
		said = ending[OutboxLine](err)
	}
	json.NewEncoder(w).Encode(said)
}

// Outbox lists what the customer may fetch.
func (g *Gateway) Outbox(ctx context.Context, account string) ([]transport.OutboxEntry, error) {
	a := g.account(account)
	if a == nil {
		return nil, nil
	}
	files, err := a.index.Outbox(ctx)
	if err != nil {
		return nil, withdrawn(err)
	}
	list := make([]transport.OutboxEntry, len(files))
	for i, f := range files {
		list[i] = transport.OutboxEntry{ID: f.ID, Name: f.Name, Size: f.Size, MadeAt: f.MadeAt}
	}
	return list, nil
}

// ReadOutbox reads a file of the outbox, like io.ReaderAt.
func (g *Gateway) ReadOutbox(ctx context.Context, account, id string, p []byte, off int64) (int, error) {
	a := g.account(account)
	if a == nil {
		return 0, errNoSuchFile
	}
	n, err := a.index.ReadOutbox(ctx, id, p, off)
	return n, withdrawn(err)
}

// withdrawn says in the doors' words that something has left the outbox.
func withdrawn(err error) error {
	if errors.Is(err, indexer.ErrNotFound) {
		return transport.ErrWithdrawn
	}
	if errors.Is(err, indexer.ErrLocked) {
		return transport.ErrLocked
	}
	return err
}

// Fetched takes a file out of the outbox: the customer has removed it, as one does who has fetched it.
func (g *Gateway) Fetched(ctx context.Context, guest transport.Guest, id string) error {
	a := g.account(guest.Account)
	if a == nil {
		return errNoSuchFile
	}
	return withdrawn(a.index.RemoveOutbox(ctx, id, guest.User))
}

// NextSend is when something is due to be delivered to a remote next; the zero time if nothing waits, or if the account is locked:
// what is delivered lies in its database.
func (g *Gateway) NextSend(ctx context.Context, account, remote string) (time.Time, error) {
	a := g.account(account)
	if a == nil {
		return time.Time{}, nil
	}
	next, err := a.index.NextSend(ctx, remote)
	if errors.Is(err, indexer.ErrLocked) {
		return time.Time{}, nil
	}
	return next, err
}

// Sends gives what is to be delivered to a remote and due by a time.
func (g *Gateway) Sends(ctx context.Context, account, remote string, by time.Time, limit int) ([]transport.Sending, error) {
	a := g.account(account)
	if a == nil {
		return nil, nil
	}
	due, err := a.index.Sends(ctx, remote, by, limit)
	if errors.Is(err, indexer.ErrLocked) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]transport.Sending, len(due))
	for i, s := range due {
		list[i] = transport.Sending{N: s.N, Remote: s.Remote, Kind: s.Kind, File: s.File, Name: s.Name, State: s.State,
			Tries: s.Tries, NextAt: s.NextAt, Trouble: s.Trouble}
	}
	return list, nil
}

// NoteSend keeps how far a thing to be delivered has come.
func (g *Gateway) NoteSend(ctx context.Context, account string, s transport.Sending) error {
	a := g.account(account)
	if a == nil {
		return errNoSuchFile
	}
	return withdrawn(a.index.NoteSend(ctx, &indexer.Send{
		N: s.N, Remote: s.Remote, Kind: s.Kind, File: s.File, Name: s.Name, State: s.State, Tries: s.Tries, NextAt: s.NextAt, Trouble: s.Trouble,
	}))
}

// Content gives the bytes of what is to be delivered. A receipt says what is true of its file now.
func (g *Gateway) Content(ctx context.Context, account string, s transport.Sending) (io.Reader, error) {
	a := g.account(account)
	if a == nil {
		return nil, errNoSuchFile
	}
	if s.Kind == indexer.SendFile {
		r, err := a.index.OutboxReader(ctx, s.File)
		return outgoing{r}, withdrawn(err)
	}
	f, err := g.one(ctx, a, s.File)
	if err != nil {
		return nil, err
	}
	text, err := newReceipt(a.ID, f)
	if err == nil {
		text, err = g.receiptKey.Sign(text)
	}
	return bytes.NewReader(text), err
}

// outgoing reads a file of the outbox for its delivery.
type outgoing struct{ io.Reader }

func (o outgoing) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	return n, withdrawn(err)
}

// Send puts a file into an account's outbox.
func (c *Client) Send(ctx context.Context, account, name string, content io.Reader) (OutboxLine, error) {
	head, err := json.Marshal(struct{ Account, Name string }{account, name})
	if err != nil {
		return OutboxLine{}, err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", "http://sealgate/send", content)
	if err != nil {
		return OutboxLine{}, err
	}
	req.Header.Set("Sealgate-Send", string(head))
	resp, err := c.http.Do(req)
	if err != nil {
		return OutboxLine{}, fmt.Errorf("control socket: %w", err)
	}
	return first(answers[OutboxLine](resp))
}
