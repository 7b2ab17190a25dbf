package transport

import (
	"context"
	"net/netip"
	"time"

	"github.com/sealgate/sealgate/config"
)

// House is what a door asks of the gateway behind it. gateway.Gateway is the real one.
type House interface {
	// Welcome says whether anybody at all may log in from an address: the door hangs up at once on others.
	Welcome(addr netip.Addr) bool
	// Trusts says whether any account takes the user certificates of an authority, whose key is in wire form.
	Trusts(authority []byte) bool
	// Admit turns a login into a guest, or asks for *More. A refusal is a *Refusal or a plain error; the door tells the
	// client no more than "no". It takes as long for an unknown login as for a wrong password.
	Admit(ctx context.Context, try LoginTry) (Guest, error)
	// Account is the account's present configuration; nil when it was taken out of the configuration.
	Account(id string) *config.Account
	// Room says whether a new upload of this name may begin now (disk floor, closing down); a *Refusal if not.
	Room(guest Guest, name string) error
	// Receive begins one delivery under the name that the client gave (a plain name, not a path).
	Receive(ctx context.Context, guest Guest, door, name string) (Incoming, error)
	// Shown lists the files of the account accepted or held since a time, for the view after a restart.
	Shown(ctx context.Context, account string, since time.Time) ([]Ghost, error)
	// Renamed and Hidden record what a client did to the name of a file already taken; the file itself stays.
	Renamed(ctx context.Context, guest Guest, id, name string) error
	Hidden(ctx context.Context, guest Guest, id string) error
	// Receipts lists the account's receipts, newest first, at most limit; Receipt gives one's bytes.
	// A receipt's name is NAME.SHORTID.json.
	Receipts(ctx context.Context, account string, limit int) ([]ReceiptEntry, error)
	Receipt(ctx context.Context, account, name string) ([]byte, time.Time, error)
	// Outbox lists what the account's people may fetch, the oldest first, no two under the same name; ReadOutbox reads one,
	// like io.ReaderAt, and gives ErrWithdrawn once it has left; Fetched takes one out.
	Outbox(ctx context.Context, account string) ([]OutboxEntry, error)
	ReadOutbox(ctx context.Context, account, id string, p []byte, off int64) (int, error)
	Fetched(ctx context.Context, guest Guest, id string) error
}

// LoginTry is one step of a login: the answer to a Question, or a public key (OpenSSH wire form) whose possession is
// (Proven) or is not yet proven. For an unproven key, Admit only says whether it would do and leaves no trace.
type LoginTry struct {
	Door        string
	Login       string
	So          Progress // what was proven before, as More said it
	Ask         Question // which question is answered, if PublicKey is nil
	Password    []byte
	Code        string
	NewPassword []byte
	PublicKey   []byte
	// Authority is the key that signed, where PublicKey is a user certificate. The door has found all else of it good: its
	// signature, its time, and that it is for this login and from this address.
	Authority []byte
	Proven    bool
	Addr      netip.Addr
	Client    string // the client's version string, hostile
}

// Question is what a client is asked for.
type Question int

// The questions. A login begins with a password, or with a public key, which needs no question.
const (
	AskPassword Question = iota
	AskCode
	AskNewPassword
)

// Progress is what a client has proven on its connection, and for which user. Whoever hands it to Admit must have it from a
// More of the same connection and login, and from the step that was taken last: that is how it cannot belong to a key that
// was only offered.
//
// It says which key, which password and which second factor that was: what an operator has changed or taken away meanwhile counts no more.
type Progress struct {
	User     string
	Key      bool
	With     []byte // the key, in wire form; of a user certificate, its authority's
	Password bool
	Set      time.Time // when the password was set
	Code     bool
	Factor   [32]byte // by a code of which second factor: a hash of its secret
}

// More is Admit's answer to a try that was right and is not enough: ask this, and hand So back with the answer.
type More struct {
	Ask Question
	So  Progress
	Say string // one sentence for the person who is asked, or ""
}

func (*More) Error() string { return "more is asked for" }

// Guest is a login that was let in, or the poller: it has no user and no address, and nobody behind it can be told to send
// something again.
type Guest struct {
	Account string // the account's id
	User    string // the user's id, fit for logs; never the login's name
	Addr    netip.Addr
	// Entered waits until the login stands in the ledger; nothing is done for the guest before. nil: nothing to wait for.
	Entered func()
}

// Incoming is one delivery on its way in; gateway.Upload is the real one. Its methods may be called from several
// goroutines; the first error sticks and every later call gives it again.
type Incoming interface {
	ID() string // ULID
	// WriteAt takes bytes at an offset, out of order within a bounded window. It copies what it keeps. A *Refusal says
	// that nothing of the delivery will be taken. Of the writes that came in order, the last one is answered when all their
	// bytes are inspected, an earlier one perhaps before.
	WriteAt(p []byte, off int64) (int, error)
	// Write takes the next bytes, of a source that has them in order, and says at a later call what is wrong with them.
	Write(p []byte) (int, error)
	// Prefix is how many bytes have arrived without a gap: what a parked upload shows as its size.
	Prefix() int64
	// Whole says whether the file could end with the bytes that have arrived, by its content.
	Whole() bool
	// Declare says the size that the client announced (FSETSTAT size=N); at Commit, fewer bytes mean incomplete.
	Declare(size int64)
	// Commit ends the delivery under this name. nil error: it is hashed, inspected, indexed and durable, or held. A
	// *Refusal with Resumable set leaves the bytes in memory, so that WriteAt may go on from Prefix (or one byte before
	// it, if that byte is equal) and Commit be called again; any other error ends the delivery.
	Commit(ctx context.Context, name string) (Receipt, error)
	// Gap forgets the bytes that wait behind a gap (a connection dropped, the upload is parked): Prefix stays.
	Gap()
	// Expire ends a delivery that was not continued in time: nothing of it stays but a record, so that its sender can see
	// that it was not taken.
	Expire()
	// Discard ends the delivery and leaves nothing behind. why is for the operator's log.
	Discard(why string)
}

// Receipt is what a sender is told of a delivery that was taken.
type Receipt struct {
	ID       string
	Verdict  string // accepted or held
	Size     int64
	Sentence string // one line for the channel's stderr; "" if nothing is to be said
}

// Ghost is a file already taken, still shown in the inbox.
type Ghost struct {
	ID      string
	Name    string
	Size    int64
	TakenAt time.Time
}

// ReceiptEntry is a line of the listing of /receipts.
type ReceiptEntry struct {
	Name    string
	Size    int64
	TakenAt time.Time
}

// OutboxEntry is a file that the customer may fetch.
type OutboxEntry struct {
	ID     string
	Name   string
	Size   int64
	MadeAt time.Time
}

// Refusal is a no with one sentence for the sender: one line, ASCII, at most 200 bytes, no internals.
type Refusal struct {
	Sentence   string
	Permission bool // PERMISSION_DENIED rather than FAILURE: for permission only, never for verdicts
	Resumable  bool // incomplete: what has arrived is kept in memory
	// Verdict: it is on the file, which would be refused again, and is recorded. Otherwise the trouble is the gateway's own or
	// passes, and the same file may be taken later.
	Verdict bool
	Code    string // why, in a word that is fit for a log
}

func (r *Refusal) Error() string { return r.Sentence }
