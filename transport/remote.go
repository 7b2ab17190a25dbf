package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pkg/sftp"

	"github.com/sealgate/sealgate/config"
)

// Remote is one session with a customer's server: one control connection, used by one goroutine. Two implementations: SFTP
// and FTPS. A path is below the URL's folder, or from the server's root if it begins with a slash; its names are opaque
// bytes. A session that has lost its connection, or its place in the dialogue, gives an error ever after: dial again.
type Remote interface {
	// List gives what lies in a folder ("" is the folder of the URL), never "empty" for a listing that failed. Sizes and times
	// are as exact as the server's listing, which for some FTP servers means minutes: compare what Stat says with what Stat
	// says. A size that the listing does not tell is -1.
	List(ctx context.Context, folder string) ([]RemoteFile, error)
	// Real gives a folder's whole name as the server knows it, whatever links lead there.
	Real(ctx context.Context, folder string) (string, error)
	// Stat gives size and time as exactly as the server can; ErrGone when the path is not there.
	Stat(ctx context.Context, path string) (RemoteFile, error)
	// Read calls take with the bytes from offset on, in order. nil means that the server itself ended the file and said that
	// all is well. take's error ends it and is returned as it is.
	Read(ctx context.Context, path string, offset int64, take func(p []byte) error) error
	// Remove removes a file; ErrGone when it is not there.
	Remove(ctx context.Context, path string) error
	// Rename never overwrites: ErrExists when the target is there.
	Rename(ctx context.Context, from, to string) error
	// Twin says whether two paths are names of one file: what a server that died in the middle of a rename may leave. False
	// where that cannot be told.
	Twin(ctx context.Context, a, b string) (bool, error)
	// MakeFolder makes a folder and those above it; nil when it is there.
	MakeFolder(ctx context.Context, folder string) error
	// Store writes a file under path (the caller uses a temporary name, since what is there is overwritten) from r. nil means
	// that the server has confirmed all of it and that its size agrees.
	Store(ctx context.Context, path string, r io.Reader) error
	// Close ends the session.
	Close() error
}

// RemoteFile is an entry of a customer's folder.
type RemoteFile struct {
	Name string    // bytes as the server sent them, without a folder
	Size int64     // -1 if it is not known
	Time time.Time // zero if it is not known
	// Exact: Time is true to the second, and in a zone that is known. Otherwise it may be told to the minute or the day only,
	// and two files of the same size can have the same one.
	Exact bool
	// Folder and Special (links, devices, sockets) are what is no plain file.
	Folder, Special bool
	// Hostile: the name cannot be one ("..", a slash, control characters, nothing), or the line of the listing could not be
	// read, and Name is the line. Nothing may be done with it but to tell it once.
	Hostile bool
}

// fileTime is a file's time as it can be kept: to the microsecond, and none where a server without clocks says 1970.
func fileTime(t time.Time) time.Time {
	if t = t.UTC().Truncate(time.Microsecond); t.Unix() == 0 {
		return time.Time{}
	}
	return t
}

var (
	// ErrGone says that a file is not on the customer's server.
	ErrGone = errors.New("there is no such file")
	// ErrExists says that there is a file of that name on the customer's server.
	ErrExists = errors.New("there is a file of that name already")
)

// Steps of a session, for RemoteError.
const (
	stepConnect = "connect"
	stepTLS     = "tls"
	stepHostKey = "hostkey"
	stepLogin   = "login"
	stepList    = "list"
	stepFetch   = "fetch"
	stepRemove  = "remove"
	stepRename  = "rename"
	stepSend    = "send"
)

// RemoteError says at which step a remote failed and why: Step is one of connect, tls, hostkey, login, list, fetch, remove,
// rename, send. Its text is for operators: no password, no path of ours, one line, and at most 200 bytes of the server's
// own words.
type RemoteError struct {
	Step string
	Err  error
}

func (e *RemoteError) Error() string { return e.Step + ": " + plainWords(e.Err.Error()) }

// Unwrap gives the cause.
func (e *RemoteError) Unwrap() error { return e.Err }

// DialRemote connects, proves the server's identity, logs in and goes to the URL's folder. log gets a line for each legacy
// algorithm in use.
func DialRemote(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) {
	if scheme, _, _ := r.Server(); scheme == config.SchemeSFTP {
		return dialSFTP(ctx, r, log)
	}
	return dialFTPS(ctx, r, log)
}

// remoteError says what went wrong at a step, in words that the libraries lack. What is a RemoteError already stays as it is.
func remoteError(step string, err error) error {
	var known *RemoteError
	if err == nil || errors.As(err, &known) {
		return err
	}
	var path *os.PathError
	if errors.As(err, &path) { // it carries a file's name, which is the caller's to tell
		err = path.Err
	}
	var dial *net.OpError
	switch status := (*sftp.StatusError)(nil); {
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Addr != nil: // the address once, and no calls
		err = said{dial.Addr.String() + ": " + strings.TrimPrefix(dial.Err.Error(), "connect: "), err}
	case errors.Is(err, os.ErrNotExist):
		err = said{"there is no such file or folder", err}
	case errors.Is(err, os.ErrPermission):
		err = said{"the server does not permit it", err}
	case errors.As(err, &status):
		err = said{"the server says " + asLine(strings.TrimPrefix(status.Error(), "sftp: ")), err}
	}
	return &RemoteError{Step: step, Err: err}
}

// said is an error in better words, with its cause.
type said struct {
	words string
	cause error
}

func (s said) Error() string { return s.words }
func (s said) Unwrap() error { return s.cause }

// replyCode is the code of an FTP server's no; 0 if the error is something else.
func replyCode(err error) int {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

// ownPorts is what the net package says before an error, with a port of ours that is another one each time.
var ownPorts = regexp.MustCompile(`\b(?:read|write) tcp \S+->\S+: `)

// plainWords makes a text of one line, and of at most 200 bytes.
func plainWords(text string) string {
	const most = 200
	text = strings.TrimSpace(asLine(text))
	if len(text) <= most {
		return text
	}
	end := most - len("...")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	// Not in the middle of what was written out, which is at most ten bytes long.
	if i := strings.LastIndexByte(text[end-9:end], '\\'); i >= 0 {
		end += i - 9
	}
	return text[:end] + "..."
}

// asLine makes a text of one line, with control characters and what is not UTF-8 written out.
func asLine(text string) string {
	text = ownPorts.ReplaceAllString(text, "")
	var b strings.Builder
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case c == '\n' || c == '\r':
			b.WriteByte(' ')
		case c == utf8.RuneError && n == 1 || !unicode.IsPrint(c):
			spell(&b, c, text[i:i+n])
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}

// hostileName tells whether a name in a listing cannot be one.
func hostileName(name string) bool {
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/') {
		return true
	}
	for i := 0; i < len(name); {
		c, n := utf8.DecodeRuneInString(name[i:])
		if c != utf8.RuneError && unicode.IsControl(c) { // Latin-1 has none above 0x7f that an FTP server would send
			return true
		}
		i += n
	}
	return false
}

// errPath is given for a path that is made of more than names.
var errPath = errors.New("the name has a control character or .. in it")

// joined gives the whole path of one below base, or of one that begins at the server's root.
func joined(base, path string) (string, error) {
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && hostileName(part) {
			return "", errPath
		}
	}
	switch {
	case path == "":
		return base, nil
	case path[0] == '/':
		return path, nil
	case base == "/":
		return "/" + path, nil
	}
	return base + "/" + path, nil
}

// split cuts a whole path into its folder and its name.
func split(path string) (folder, name string) {
	i := strings.LastIndexByte(path, '/')
	if i == 0 {
		return "/", path[1:]
	}
	return path[:max(i, 0)], path[i+1:]
}

// callers is an error of the caller's own function; it is given back as it came.
type callers struct{ error }
