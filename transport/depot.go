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
	// Polled gives what is known of a remote's files, by path; NotePolled keeps what has changed, durable when it
	// returns but for files that were only seen; ForgetPolled drops one.
	Polled(ctx context.Context, account, remote string) (map[string]Polled, error)
	NotePolled(ctx context.Context, account, remote string, p Polled) error
	ForgetPolled(ctx context.Context, account, remote, path string) error
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

// Outcome is what became of a delivery.
type Outcome int

// The outcomes.
const (
	NeverTaken Outcome = iota // the index does not know it
	WasTaken                  // accepted or held
	WasRefused
)

// PolledState is how far a remote's file has come. From "seen" it goes to "taking", which is durable before the file can be
// accepted, to "taken" or "refused"; a taken one that was then removed or moved there is "gone". Whoever finds "taking"
// after a crash asks for the Outcome, and so neither takes the file twice nor loses it.
type PolledState string

// The states.
const (
	PolledSeen    PolledState = "seen"    // looked at, not taken yet
	PolledTaking  PolledState = "taking"  // about to be accepted
	PolledTaken   PolledState = "taken"   // accepted or held
	PolledRefused PolledState = "refused" // rejected; it stays there
	PolledLeft    PolledState = "left"    // not fetched, by rule: too large, too old, a name that cannot be one
	PolledGone    PolledState = "gone"    // taken, and then removed or moved there by us
)

// Polled is what is known of one file of a remote.
type Polled struct {
	Path  string // below the remote's folder, the server's bytes
	Size  int64
	Time  time.Time // as the server tells it
	State PolledState
	File  string // the delivery's id, from taking on
	At    time.Time
}

// is tells whether the file that a listing shows is the one that is known.
func (p *Polled) is(f RemoteFile) bool { return p.Size == f.Size && p.Time.Equal(f.Time) }
