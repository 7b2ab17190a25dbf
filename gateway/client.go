package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"syscall"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// Client asks the desk: of the running daemon, or of one that it opened itself because none runs.
type Client struct {
	http  *http.Client
	close func() error
}

// Connect reaches the daemon that runs on cfg's data_dir. If none runs, it opens the data directory itself, for which
// unlock must give the unlock key; nobody else can start on it until Close. It makes no database that is not there.
func Connect(ctx context.Context, cfg *config.Config, unlock func() (*vault.UnlockKey, error), log *slog.Logger) (*Client, error) {
	return connect(ctx, cfg, unlock, log, openToAsk)
}

// ConnectToAdd is Connect for one who adds the first of something: what is not there yet is made, as a start makes it.
func ConnectToAdd(ctx context.Context, cfg *config.Config, unlock func() (*vault.UnlockKey, error), log *slog.Logger) (*Client, error) {
	return connect(ctx, cfg, unlock, log, Open)
}

func connect(ctx context.Context, cfg *config.Config, unlock func() (*vault.UnlockKey, error), log *slog.Logger,
	open func(context.Context, *config.Config, *vault.UnlockKey, *slog.Logger) (*Gateway, error)) (*Client, error) {
	path, outside, err := reachControl(ctx, cfg)
	if err == nil {
		var transport http.RoundTripper = &http.Transport{DialContext: dialAt(path)}
		if outside {
			transport = ofData{transport, cfg.DataDir}
		}
		return &Client{http: &http.Client{Transport: transport}, close: func() error { return nil }}, nil
	}
	if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	key, err := unlock()
	if err != nil {
		return nil, err
	}
	g, err := open(ctx, cfg, key, log)
	if err != nil {
		return nil, err
	}
	return g.Client(ctx), nil
}

// Client is the gateway's own desk, asked from the same process. Closing it closes the gateway.
func (g *Gateway) Client(ctx context.Context) *Client {
	pipe := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	ended := make(chan struct{})
	var serving sync.WaitGroup
	serving.Go(func() { g.serveControl(ctx, pipe, ended) })
	return &Client{
		http: &http.Client{Transport: &http.Transport{DialContext: pipe.dial}},
		close: sync.OnceValue(func() error {
			close(ended)
			serving.Wait()
			return g.Close()
		}),
	}
}

// dialAt dials one socket, whatever address is asked for.
func dialAt(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return dialControl(ctx, path) }
}

func dialControl(ctx context.Context, path string) (net.Conn, error) {
	short, closeDir, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer closeDir()
	var d net.Dialer
	return d.DialContext(ctx, "unix", short)
}

// Close ends the asking.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.close()
}

// Files lists files, newest first.
func (c *Client) Files(ctx context.Context, q FilesQuery) iter.Seq2[FileLine, error] {
	return ask[FileLine](ctx, c, "/files", q)
}

// Payments lists payments.
func (c *Client) Payments(ctx context.Context, q PaymentsQuery) iter.Seq2[PaymentLine, error] {
	return ask[PaymentLine](ctx, c, "/payments", q)
}

// Report sums up files.
func (c *Client) Report(ctx context.Context, q ReportQuery) iter.Seq2[ReportLine, error] {
	return ask[ReportLine](ctx, c, "/report", q)
}

// Remotes tells how the customers' servers are doing.
func (c *Client) Remotes(ctx context.Context) ([]RemoteLine, error) {
	return first(ask[[]RemoteLine](ctx, c, "/remotes", struct{}{}))
}

// Poll looks at a remote now.
func (c *Client) Poll(ctx context.Context, q PollQuery) (RemoteLine, error) {
	return first(ask[RemoteLine](ctx, c, "/poll", q))
}

// Verify lists what is wrong; nothing if all is well. An empty account means all.
func (c *Client) Verify(ctx context.Context, account string) iter.Seq2[VerifyLine, error] {
	return ask[VerifyLine](ctx, c, "/verify", account)
}

// Ledger gives the rows of an account's ledger, the oldest first.
func (c *Client) Ledger(ctx context.Context, account string) iter.Seq2[*indexer.LedgerEntry, error] {
	return ask[*indexer.LedgerEntry](ctx, c, "/ledger", account)
}

// NoteDump enters that a plain copy of an account's database is about to be taken.
func (c *Client) NoteDump(ctx context.Context, account string) error {
	_, err := first(ask[string](ctx, c, "/dumped", account))
	return err
}

// ReceiptKey tells the public half of the gateway's own key.
func (c *Client) ReceiptKey(ctx context.Context) (ReceiptKeyLine, error) {
	return first(ask[ReceiptKeyLine](ctx, c, "/receipt-key", struct{}{}))
}

// RenewNames makes the lists of names anew. An empty account means all.
func (c *Client) RenewNames(ctx context.Context, account string) iter.Seq2[NamesLine, error] {
	return ask[NamesLine](ctx, c, "/names", account)
}

// Show tells all of one file.
func (c *Client) Show(ctx context.Context, id string) (Detail, error) {
	return first(ask[Detail](ctx, c, "/show", id))
}

// Decide releases or refuses a held file.
func (c *Client) Decide(ctx context.Context, d Decision) (FileLine, error) {
	return first(ask[FileLine](ctx, c, "/decide", d))
}

// Status tells whether all is well.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return first(ask[Status](ctx, c, "/status", struct{}{}))
}

// Changes tells what waits for signatures.
func (c *Client) Changes(ctx context.Context) (Changes, error) {
	return first(ask[Changes](ctx, c, "/changes", struct{}{}))
}

// Approve brings an operator's signature of what waits.
func (c *Client) Approve(ctx context.Context, q Approval) (Approved, error) {
	return first(ask[Approved](ctx, c, "/changes/approve", q))
}

// AddUser makes a login.
func (c *Client) AddUser(ctx context.Context, n NewUser) (UserLine, error) {
	return first(ask[UserLine](ctx, c, "/users/add", n))
}

// SetPassword gives a user another password.
func (c *Client) SetPassword(ctx context.Context, change PasswordChange) (UserLine, error) {
	return first(ask[UserLine](ctx, c, "/users/password", change))
}

// SetFactor gives a user a second factor, or takes it away.
func (c *Client) SetFactor(ctx context.Context, change FactorChange) (UserLine, error) {
	return first(ask[UserLine](ctx, c, "/users/factor", change))
}

// ChangeUser changes how a user logs in.
func (c *Client) ChangeUser(ctx context.Context, change UserChange) (UserLine, error) {
	return first(ask[UserLine](ctx, c, "/users/change", change))
}

// UnlockUser lifts a user's lock.
func (c *Client) UnlockUser(ctx context.Context, account, login string) (UserLine, error) {
	return first(ask[UserLine](ctx, c, "/users/unlock", NewUser{Account: account, Login: login}))
}

// RemoveUser takes a login away.
func (c *Client) RemoveUser(ctx context.Context, account, login string) (UserLine, error) {
	return first(ask[UserLine](ctx, c, "/users/remove", NewUser{Account: account, Login: login}))
}

// Users lists users; an empty account means all.
func (c *Client) Users(ctx context.Context, account string) ([]UserLine, error) {
	return first(ask[[]UserLine](ctx, c, "/users/list", account))
}

// Envelopes gives the envelopes of sealed copies.
func (c *Client) Envelopes(ctx context.Context, q EnvelopesQuery) iter.Seq2[EnvelopeLine, error] {
	return ask[EnvelopeLine](ctx, c, "/envelopes", q)
}

// CopyCounts counts sealed copies by their certificates; an empty account means all.
func (c *Client) CopyCounts(ctx context.Context, account string) ([]CopyCount, error) {
	return first(ask[[]CopyCount](ctx, c, "/copies", account))
}

// InForce tells by what each account seals now.
func (c *Client) InForce(ctx context.Context) ([]InForce, error) {
	return first(ask[[]InForce](ctx, c, "/accounts/in-force", struct{}{}))
}

// RemoveCertificate records that a certificate's private key is destroyed.
func (c *Client) RemoveCertificate(ctx context.Context, r Removal) ([]CopyCount, error) {
	return first(ask[[]CopyCount](ctx, c, "/certificate/remove", r))
}

// SealedKeys are the sealed forms of the key of a protected account's database: the newest first, then the one that was opened last, if
// nobody has opened the newest yet.
func (c *Client) SealedKeys(ctx context.Context, account string) ([][]byte, error) {
	return first(ask[[][]byte](ctx, c, "/accounts/key", account))
}

// UnlockAccount brings that key, sealed for the way. Waiting of its answer is how many deliveries were merged.
func (c *Client) UnlockAccount(ctx context.Context, q AccountKey) (AccountStatus, error) {
	public, err := first(ask[[]byte](ctx, c, "/accounts/handover", struct{}{}))
	if err != nil {
		return AccountStatus{}, err
	}
	sealed, err := SealAccountKey(public, q)
	if err != nil {
		return AccountStatus{}, err
	}
	return first(ask[AccountStatus](ctx, c, "/accounts/unlock", sealed))
}

// LockAccount ends a session before its time.
func (c *Client) LockAccount(ctx context.Context, account string) (AccountStatus, error) {
	return first(ask[AccountStatus](ctx, c, "/accounts/lock", account))
}

// LeaveAccount ends the session that AccountKey.Join has begun, unless it is somebody else's by now.
func (c *Client) LeaveAccount(ctx context.Context, account string) (AccountStatus, error) {
	return first(ask[AccountStatus](ctx, c, "/accounts/leave", account))
}

// Copy gives a file's sealed copy and what the index knows of the file, once the ledger has that it was handed out.
func (c *Client) Copy(ctx context.Context, q CopyQuery) (FileLine, io.ReadCloser, error) {
	resp, err := c.post(ctx, "/copy", q)
	if err != nil {
		return FileLine{}, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_, err := first(answers[FileLine](resp))
		return FileLine{}, nil, err
	}
	var line FileLine
	if err := json.Unmarshal([]byte(resp.Header.Get("Sealgate-File")), &line); err != nil {
		resp.Body.Close()
		return FileLine{}, nil, fmt.Errorf("control socket: %w", err)
	}
	return line, resp.Body, nil
}

func (c *Client) post(ctx context.Context, path string, q any) (*http.Response, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", "http://sealgate"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if fault := (*url.Error)(nil); errors.As(err, &fault) {
		err = fault.Err // without the method and the address, which are ours
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return resp, nil
}

func ask[T any](ctx context.Context, c *Client, path string, q any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		resp, err := c.post(ctx, path, q)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		answers[T](resp)(yield)
	}
}

// answers reads the lines of an answer to their end.
func answers[T any](resp *http.Response) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer resp.Body.Close()
		var none T
		if resp.StatusCode == http.StatusBadRequest {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
			yield(none, fmt.Errorf("control socket: %s", bytes.TrimSpace(text)))
			return
		}
		for in := json.NewDecoder(resp.Body); ; {
			var line answer[T]
			err := in.Decode(&line)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(none, fmt.Errorf("control socket: %w", err))
				return
			case line.No != nil:
				yield(none, line.No)
				return
			case line.Fault != "":
				yield(none, errors.New(line.Fault))
				return
			case line.Item == nil: // an empty list
				line.Item = &none
			}
			if !yield(*line.Item, nil) {
				return
			}
		}
	}
}

func first[T any](list iter.Seq2[T, error]) (T, error) {
	for item, err := range list {
		return item, err
	}
	var none T
	return none, errors.New("control socket: no answer")
}

// pipeListener lets the desk serve the process it runs in.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
