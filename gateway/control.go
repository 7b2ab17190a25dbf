package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/indexer"
)

// The control socket: the operators' command asks the running daemon, since only the daemon may hold the unlock key and
// the databases. Questions and answers are JSON over HTTP on a local socket, 0660: who may open it may ask. With the
// daemon stopped the command opens the same desk itself and talks to it through a pipe (client.go).

// answer is one line of an answer: an item of it, or the end that it came to.
type answer[T any] struct {
	Item  *T     `json:"item,omitempty"`
	No    *No    `json:"no,omitempty"`
	Fault string `json:"fault,omitempty"`
}

// desk is the handler of all questions.
func (g *Gateway) desk() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /files", many(func(ctx context.Context, _ string, q FilesQuery) iter.Seq2[FileLine, error] {
		return g.Files(ctx, q)
	}))
	mux.Handle("POST /payments", many(func(ctx context.Context, _ string, q PaymentsQuery) iter.Seq2[PaymentLine, error] {
		return g.Payments(ctx, q)
	}))
	mux.Handle("POST /report", many(func(ctx context.Context, _ string, q ReportQuery) iter.Seq2[ReportLine, error] {
		return g.Report(ctx, q)
	}))
	mux.Handle("POST /remotes", one(func(ctx context.Context, _ string, _ struct{}) ([]RemoteLine, error) { return g.Remotes(ctx) }))
	mux.Handle("POST /poll", one(func(ctx context.Context, _ string, q PollQuery) (RemoteLine, error) { return g.Poll(ctx, q) }))
	mux.Handle("POST /verify", many(func(ctx context.Context, _ string, account string) iter.Seq2[VerifyLine, error] {
		return g.verify(ctx, account, 200*time.Millisecond)
	}))
	mux.Handle("POST /ledger", many(func(ctx context.Context, _ string, account string) iter.Seq2[*indexer.LedgerEntry, error] {
		return g.Ledger(ctx, account)
	}))
	mux.Handle("POST /dumped", one(func(ctx context.Context, who string, account string) (string, error) {
		return "", g.NoteDump(ctx, account, who)
	}))
	mux.Handle("POST /receipt-key", one(func(context.Context, string, struct{}) (ReceiptKeyLine, error) { return g.ReceiptKey(), nil }))
	mux.Handle("POST /names", many(func(ctx context.Context, who string, account string) iter.Seq2[NamesLine, error] {
		return g.RenewNames(ctx, account, who)
	}))
	mux.Handle("POST /show", one(func(ctx context.Context, _ string, id string) (Detail, error) { return g.Show(ctx, id) }))
	mux.Handle("POST /decide", one(func(ctx context.Context, who string, d Decision) (FileLine, error) {
		return g.Decide(ctx, d, who)
	}))
	mux.Handle("POST /changes", one(func(ctx context.Context, _ string, _ struct{}) (Changes, error) { return g.Changes(ctx) }))
	mux.Handle("POST /changes/approve", one(func(ctx context.Context, who string, q Approval) (Approved, error) {
		return g.Approve(ctx, q, who)
	}))
	mux.Handle("POST /status", one(func(ctx context.Context, _ string, _ struct{}) (Status, error) { return g.Status(ctx) }))
	g.keysDesk(mux)
	mux.Handle("POST /unlock", one(func(context.Context, string, unlocking) (string, error) { return "", errUnlockedAlready }))
	mux.HandleFunc("POST /copy", g.serveCopy)
	mux.HandleFunc("POST /send", g.serveSend)
	return mux
}

// keysDesk is the part of the desk for users, certificates and protected accounts.
func (g *Gateway) keysDesk(mux *http.ServeMux) {
	mux.Handle("POST /users/add", one(func(ctx context.Context, who string, n NewUser) (UserLine, error) {
		return g.AddUser(ctx, n, who)
	}))
	mux.Handle("POST /users/password", one(func(ctx context.Context, who string, c PasswordChange) (UserLine, error) {
		return g.SetPassword(ctx, c, who)
	}))
	mux.Handle("POST /users/factor", one(func(ctx context.Context, who string, c FactorChange) (UserLine, error) {
		return g.SetFactor(ctx, c, who)
	}))
	mux.Handle("POST /users/change", one(func(ctx context.Context, who string, c UserChange) (UserLine, error) {
		return g.ChangeUser(ctx, c, who)
	}))
	mux.Handle("POST /users/unlock", one(func(ctx context.Context, who string, n NewUser) (UserLine, error) {
		return g.Unlock(ctx, n.Account, n.Login, who)
	}))
	mux.Handle("POST /users/remove", one(func(ctx context.Context, who string, n NewUser) (UserLine, error) {
		return g.RemoveUser(ctx, n.Account, n.Login, who)
	}))
	mux.Handle("POST /users/list", one(func(ctx context.Context, _ string, account string) ([]UserLine, error) {
		return g.Users(ctx, account)
	}))
	mux.Handle("POST /envelopes", many(func(ctx context.Context, _ string, q EnvelopesQuery) iter.Seq2[EnvelopeLine, error] {
		return g.Envelopes(ctx, q)
	}))
	mux.Handle("POST /rewrap", one(func(ctx context.Context, who string, q RewrapQuery) ([]RewrapLine, error) {
		return g.Rewrap(ctx, q, who)
	}))
	mux.Handle("POST /copies", one(func(ctx context.Context, _ string, account string) ([]CopyCount, error) {
		return g.CopyCounts(ctx, account)
	}))
	mux.Handle("POST /accounts/in-force", one(func(ctx context.Context, _ string, _ struct{}) ([]InForce, error) { return g.InForce(ctx) }))
	mux.Handle("POST /certificate/remove", one(func(ctx context.Context, who string, r Removal) ([]CopyCount, error) {
		return g.RemoveCertificate(ctx, r, who)
	}))
	mux.Handle("POST /accounts/key", one(func(ctx context.Context, _ string, account string) ([][]byte, error) {
		return g.SealedKeys(ctx, account)
	}))
	mux.Handle("POST /accounts/handover", one(func(ctx context.Context, _ string, _ struct{}) ([]byte, error) { return g.Handover(ctx) }))
	mux.Handle("POST /accounts/unlock", one(func(ctx context.Context, who string, q SealedAccountKey) (AccountStatus, error) {
		return g.UnlockAccount(ctx, q, who)
	}))
	mux.Handle("POST /accounts/lock", one(func(ctx context.Context, who string, account string) (AccountStatus, error) {
		return g.LockAccount(ctx, account, who)
	}))
	mux.Handle("POST /accounts/leave", one(func(ctx context.Context, who string, account string) (AccountStatus, error) {
		return g.LeaveAccount(ctx, account, who)
	}))
}

// many answers a question with a list, line by line as it is found.
func many[Q, T any](ask func(ctx context.Context, who string, q Q) iter.Seq2[T, error]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, flushed := json.NewEncoder(w), time.Now()
		out.SetEscapeHTML(false)
		for item, err := range ask(r.Context(), caller(r.Context()), q) {
			line := answer[T]{Item: &item}
			if err != nil {
				line = ending[T](err)
			}
			if out.Encode(line) != nil {
				return // the caller has gone
			}
			if time.Since(flushed) >= 200*time.Millisecond { // what is found slowly is told at once
				_ = http.NewResponseController(w).Flush()
				flushed = time.Now()
			}
		}
	})
}

// one answers a question with one item.
func one[Q, T any](ask func(ctx context.Context, who string, q Q) (T, error)) http.Handler {
	return many(func(ctx context.Context, who string, q Q) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) { yield(ask(ctx, who, q)) }
	})
}

func ending[T any](err error) answer[T] {
	var no *No
	if errors.As(err, &no) {
		return answer[T]{No: no}
	}
	if errors.Is(err, indexer.ErrLocked) { // while it was being asked
		return answer[T]{No: &No{Text: "the account's database was locked meanwhile", Hint: "sealgate status"}}
	}
	return answer[T]{Fault: err.Error()}
}

// serveCopy gives a sealed copy's bytes as they are: one line of JSON, then the copy.
func (g *Gateway) serveCopy(w http.ResponseWriter, r *http.Request) {
	var q CopyQuery
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f, copy, err := g.HandOut(r.Context(), q, caller(r.Context()))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		json.NewEncoder(w).Encode(ending[FileLine](err))
		return
	}
	defer copy.Close()
	line, err := json.Marshal(LineOf(f))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Sealgate-File", string(line))
	w.Header().Set("Content-Length", strconv.FormatInt(f.CopySize, 10))
	io.Copy(w, copy) // a copy cut short is noticed by its length
}

// listenAt opens a socket in the place of a stale one.
func listenAt(path string) (net.Listener, error) {
	short, closeDir, err := shortPath(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	defer closeDir()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", short)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it would look for the short name
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// shortPath names a socket by its open folder: the kernel takes at most 107 bytes, data_dir may be longer.
func shortPath(path string) (short string, closeDir func() error, err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), dir.Close, nil
}

// serveControl answers until the doors have ended: an operator may still ask while uploads run out. Whoever has locked an account is himself
// served with buffers that others' answers were in; they are let go with his connection.
func (g *Gateway) serveControl(ctx context.Context, l net.Listener, doorsEnded <-chan struct{}) error {
	return serveDesk(ctx, l, onlyData(g.cfg.Load().DataDir, g.desk()), doorsEnded, g.sessions.overwrite)
}

// serveDesk answers until ended is closed, and calls gone after each connection.
func serveDesk(ctx context.Context, l net.Listener, desk http.Handler, ended <-chan struct{}, gone func()) error {
	server := &http.Server{
		Handler: desk, ConnContext: withCaller, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				gone()
			}
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("control socket: %w", err)
	case <-ended:
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(bound); err != nil {
		server.Close() // whoever still reads a long answer is cut
	}
	<-served
	return nil
}

type callerKey struct{}

// withCaller notes who is at the other end of a connection, as the kernel says: it goes into the ledger.
func withCaller(ctx context.Context, conn net.Conn) context.Context {
	who := fmt.Sprintf("uid:%d", os.Getuid()) // the command itself, at its own desk
	if u, ok := conn.(*net.UnixConn); ok {
		who = "uid:unknown"
		if raw, err := u.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) {
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					who = fmt.Sprintf("uid:%d", cred.Uid)
				}
			})
		}
	}
	return context.WithValue(ctx, callerKey{}, who)
}

func caller(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(string)
	return who
}
