package transport

import (
	"context"
	"io"
	"time"

	"github.com/sealgate/sealgate/config"
)

// Depot is what the poller asks of the gateway behind it. gateway.Gateway is the real one.
type Depot interface {
	// Account, Room and Receive are those of the House: a polled file goes the way of every other one.
	Account(id string) *config.Account
	Room(guest Guest, name string) error
	Receive(ctx context.Context, guest Guest, door, name string) (Incoming, error)
	// Outcome tells what became of a delivery, asked after a crash or an answer that left it open.
	Outcome(ctx context.Context, account, id string) (Outcome, error)
	// Polled gives what is known of a remote's files, by path, but for those that are gone; PolledFile what is known of one,
	// gone or not, and whether anything is. NotePolled keeps what has changed, durable when it returns if it says "taking";
	// ForgetPolled drops one, SweepPolled those that were gone before a time.
	Polled(ctx context.Context, account, remote string) (map[string]Polled, error)
	PolledFile(ctx context.Context, account, remote, path string) (Polled, bool, error)
	NotePolled(ctx context.Context, account, remote string, p Polled) error
	ForgetPolled(ctx context.Context, account, remote, path string) error
	SweepPolled(ctx context.Context, account, remote string, before time.Time) error
	// Remembered gives how a remote was doing before a restart, and Remember keeps it.
	Remembered(ctx context.Context, account, remote string) (RemoteMemory, error)
	Remember(ctx context.Context, account, remote string, m RemoteMemory) error
	// Sends gives what is to be delivered to a remote and due by a time, the oldest first; NextSend when something is due
	// next, the zero time if nothing waits. NoteSend keeps how far one has come, durable
	// when it returns. Content gives the bytes of one. ErrWithdrawn, also in reading them: it is not to be sent any more.
	Sends(ctx context.Context, account, remote string, by time.Time, limit int) ([]Sending, error)
	NextSend(ctx context.Context, account, remote string) (time.Time, error)
	NoteSend(ctx context.Context, account string, s Sending) error
	Content(ctx context.Context, account string, s Sending) (io.Reader, error)
}

// Sending is one thing on its way to a customer's server. From "waiting" it goes to "placing", which is durable before the
// temporary file there gets its name, and to "sent". Whoever finds "placing" after a crash looks for the temporary file: if
// it is not there any more, it has got its name.
type Sending struct {
	N      int64 // its number
	Remote string
	Kind   string // receipt or file
	File   string // id
	Name   string // under which it arrives
	State  string // waiting, placing, sent
	Tries  int
	NextAt time.Time

	Trouble string // why the last try failed
}

// The states of what is sent.
const (
	sendWaiting = "waiting"
	sendPlacing = "placing"
	sendSent    = "sent"
)

// Outcome is what became of a delivery, and of what bytes.
type Outcome struct {
	Fate   Fate
	Size   int64  // as many as came: of a refused one, perhaps not all
	SHA256 []byte // of these
}

// Fate is what became of a delivery.
type Fate int

// The fates.
const (
	NeverTaken Fate = iota // the index does not know it
	WasTaken               // accepted or held
	WasRefused
)

// RemoteMemory is what is to be known of a remote after a restart. Times are zero for never.
type RemoteMemory struct {
	LastGood, LastFile, DownSince time.Time
}

// PolledState is how far a remote's file has come. From "seen" it goes to "taking", which is durable before a byte of it is
// read, to "taken" or "refused"; a taken one that was then removed or moved there is "gone". Whoever finds "taking" after a
// crash asks for the Outcome, and so neither takes the file twice, nor refuses it twice, nor loses it.
type PolledState string

// The states.
const (
	PolledSeen    PolledState = "seen"    // looked at, not taken yet
	PolledAgain   PolledState = "again"   // as seen, in the place of one that was read or left: a marker beside it may be that one's
	PolledTaking  PolledState = "taking"  // about to be read, and accepted
	PolledTaken   PolledState = "taken"   // accepted or held
	PolledRefused PolledState = "refused" // rejected; it stays there
	PolledLeft    PolledState = "left"    // not fetched, by rule: too large, too old
	PolledGone    PolledState = "gone"    // taken, and not there any more
)

// Polled is what is known of one file of a remote.
type Polled struct {
	Path   string // below the remote's folder, the server's bytes
	Size   int64
	Listed time.Time // its time in a listing
	Time   time.Time // its time when it was read, as exactly as the server tells it
	Sure   bool      // that minute of Listed is over, so that no other file can have it any more
	SHA256 []byte    // nil unless it was read whole
	State  PolledState
	File   string // the delivery's id, from taking on
	At     time.Time
}

// is tells whether a listing shows the file as it did before.
func (p *Polled) is(f RemoteFile) bool { return p.Size == f.Size && p.Listed.Equal(f.Time) }

// decided tells whether the file was read and judged.
func (p *Polled) decided() bool {
	return p.State == PolledTaken || p.State == PolledRefused || p.State == PolledGone
}
