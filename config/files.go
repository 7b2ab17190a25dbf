package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const credential = "credential:"

// dataDir makes the path absolute. A folder that is not there yet is made by the daemon.
func (l *loading) dataDir(dir *string) {
	if *dir == "" {
		return
	}
	p, written := l.places["data_dir"], *dir
	*dir = l.absolute(p, written)
	info, err := os.Stat(*dir)
	if errors.Is(err, syscall.ENOTDIR) || err == nil && !info.IsDir() {
		l.note(p, written+": a file, not a directory")
	}
}

// unlockKey checks the secret that opens the databases. It comes from outside: inside data_dir it would be stolen
// together with what it opens.
func (l *loading) unlockKey(c *Config) {
	if c.UnlockKeyFile == "" || c.UnlockKeyFile == UnlockLater || l.examine.KeyElsewhere {
		return
	}
	p, written := l.places["unlock_key_file"], c.UnlockKeyFile
	others := fs.FileMode(0o077)
	if name, ok := strings.CutPrefix(written, credential); ok {
		if name == "" || name != filepath.Base(name) || name == ".." || name == "." {
			l.note(p, shown(written)+" is not credential:NAME")
			return
		}
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" { // as for an operator who types `sealgate check`; the daemon then fails to open it
			if l.examine.UnlockKey != nil {
				l.warn(p, written+": cannot be looked at from here: $CREDENTIALS_DIRECTORY is not set",
					"only systemd sets it, for the service")
			}
			return
		}
		c.UnlockKeyFile = filepath.Join(dir, name)
		others = 0o007 // systemd gives the service an ACL, which shows as the group's rights
	} else {
		c.UnlockKeyFile = l.absolute(p, written)
	}
	if c.DataDir != "" && inside(c.UnlockKeyFile, c.DataDir) {
		l.note(p, named(written)+"inside data_dir, so whoever steals the one has the other; keep it elsewhere")
		return
	}
	if !l.file(p, written, c.UnlockKeyFile, others, l.examine.UnlockKey != nil) {
		return
	}
	if l.examine.UnlockKey != nil {
		if err := l.examine.UnlockKey(c.UnlockKeyFile); err != nil {
			l.examined(p, written, c.UnlockKeyFile, err)
			return
		}
	}
	if c.DataDir != "" && sameDisk(c.UnlockKeyFile, c.DataDir) {
		l.warn(p, "on the same disk as data_dir, so a stolen disk opens the index",
			"load it from a systemd credential or tmpfs, see docs/keys.md")
	}
}

// hostKeys checks the host keys, each beside the good ones before it, and makes their paths absolute.
func (l *loading) hostKeys(s *SFTP) {
	good := SFTP{Algorithms: s.Algorithms}
	for i, written := range s.HostKeys {
		if written == "" {
			continue
		}
		p := l.places[fmt.Sprintf("sftp.host_keys.%d", i)]
		abs := l.absolute(p, written)
		s.HostKeys[i] = abs
		if !l.file(p, written, abs, 0o077, l.examine.HostKeys != nil) || l.examine.HostKeys == nil {
			continue
		}
		more := good
		more.HostKeys = append(slices.Clone(good.HostKeys), abs)
		if err := l.examine.HostKeys(more); err != nil {
			l.examined(p, written, abs, err)
			continue
		}
		good = more
	}
}

// certificate checks a certificate or the public half of an access key and gives its absolute path.
func (l *loading) certificate(p place, written, hint string) string {
	abs := l.absolute(p, written)
	if !l.file(p, written, abs, 0, l.examine.Certificate != nil) || l.examine.Certificate == nil {
		return abs
	}
	warning, err := l.examine.Certificate(abs)
	if err != nil {
		l.examined(p, written, abs, err)
	} else if warning != "" {
		l.warn(p, written+": "+warning, hint)
	}
	return abs
}

// sealKey checks the key of Bankgirot's seals and gives its absolute path.
func (l *loading) sealKey(p place, written string) string {
	abs := l.absolute(p, written)
	if !l.file(p, written, abs, 0o077, l.examine.SealKey != nil) || l.examine.SealKey == nil {
		return abs
	}
	if err := l.examine.SealKey(abs); err != nil {
		l.examined(p, written, abs, err)
	}
	return abs
}

// operators checks the file with those who sign changes, and makes its path absolute.
func (l *loading) operators(c *Config) {
	p, there := l.places["operators"]
	if !there {
		if c.TwoPersons() {
			l.note(l.places["four_eyes"], "true needs operators: FILE, with the public keys of those who sign")
		}
		return
	}
	written := c.Operators
	if written == "" {
		return
	}
	c.Operators = l.absolute(p, written)
	if !l.file(p, written, c.Operators, 0o022, l.examine.Operators != nil) || l.examine.Operators == nil {
		return
	}
	warning, err := l.examine.Operators(c.Operators)
	if err != nil {
		l.examined(p, written, c.Operators, err)
	} else if warning != "" {
		l.warn(p, written+": "+warning, "")
	}
}

// absolute is a path written in a file, seen from that file.
func (l *loading) absolute(p place, written string) string {
	abs, err := filepath.Abs(beside(p.file, written))
	if err != nil { // the working directory is gone
		l.note(p, named(written)+reason(err))
	}
	return abs
}

// file checks that a file is there, is one, that others may not read it where it is secret (others: the mode's bits
// that must not be set), and, if open is set, that we may.
func (l *loading) file(p place, written, abs string, others fs.FileMode, open bool) bool {
	l.looked = append(l.looked, abs)
	info, err := os.Stat(abs)
	if err == nil && open && info.Mode().IsRegular() {
		var f *os.File
		if f, err = os.Open(abs); err == nil {
			_ = f.Close()
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		if open {
			l.note(p, named(written)+"permission denied"+ownership(info))
		}
		return false
	case err != nil:
		l.note(p, named(written)+reason(err))
		return false
	case info.IsDir():
		l.note(p, named(written)+"a directory, not a file")
		return false
	case !info.Mode().IsRegular():
		l.note(p, named(written)+errNotAFile.Error())
		return false
	}
	mode, fix := info.Mode().Perm()&others, "chmod 600 "+beside(p.file, written)
	switch {
	case mode == 0:
		return true
	case mode&0o004 != 0:
		l.note(p, named(written)+"world-readable: "+fix)
	case mode&0o040 != 0:
		l.note(p, named(written)+"group-readable: "+fix)
	default:
		l.note(p, named(written)+"others may write or run it: "+fix)
	}
	return false
}

// examined notes what Examine found, with the path as it was written.
func (l *loading) examined(p place, written, abs string, err error) {
	text := strings.ReplaceAll(err.Error(), abs, written)
	if !strings.Contains(text, written) {
		text = named(written) + text
	}
	l.note(p, text)
}

// named is a path to begin a sentence with; nothing if it may be a secret that was pasted in place of a path.
func named(written string) string {
	if len(written) >= 32 && !strings.ContainsAny(written, ".:") && !filepath.IsAbs(written) {
		return "(not shown: it may be a key and not a path) "
	}
	return cut(written) + ": "
}

// reason is an error of the system without the call and the path.
func reason(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "no such file"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// reading is why a file of its own could not be read.
func reading(file string, err error) string {
	return strings.TrimPrefix(file+": "+strings.TrimPrefix(reason(err), file+": "), "./")
}

// ownership says who may read a file and who we are: " (0600 root; sealgate runs as uid 997)".
func ownership(info fs.FileInfo) string {
	if info == nil {
		return fmt.Sprintf(" (sealgate runs as uid %d)", os.Getuid())
	}
	owner := "unknown owner"
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = "uid " + strconv.Itoa(int(st.Uid))
		if u, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
			owner = u.Username
		}
	}
	return fmt.Sprintf(" (%04o %s; sealgate runs as uid %d)", info.Mode().Perm(), owner, os.Getuid())
}

// inside reports whether a file lies in a directory, whatever links and spellings lead there. Where neither is there
// yet, the names decide.
func inside(file, dir string) bool {
	home, err := os.Stat(dir)
	real, err2 := filepath.EvalSymlinks(file)
	if err != nil || err2 != nil {
		rel, err := filepath.Rel(dir, file)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	}
	for d := filepath.Dir(real); ; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && os.SameFile(info, home) {
			return true
		}
		if d == filepath.Dir(d) {
			return false
		}
	}
}

// sameDisk reports whether a file and a directory (or where it will be made) are on one file system.
func sameDisk(file, dir string) bool {
	a, ok := device(file)
	for d := dir; ok; d = filepath.Dir(d) {
		if b, there := device(d); there {
			return a == b
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	return false
}

func device(path string) (uint64, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Dev), true
}
