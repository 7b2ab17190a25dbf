package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// sftpRemote is a session with a customer's SFTP server.
type sftpRemote struct {
	leash  *leash
	wire   *wire
	ssh    *ssh.Client
	client *sftp.Client
	screen *nameScreen
	base   string // the URL's folder
	// last is what the last operation, if that was Stat, has heard of a path; known the same for the operation under way, if it is
	// on that path.
	last, known *statted
}

type statted struct {
	RemoteFile
	whole string
}

// dialSFTP connects and logs in.
func dialSFTP(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) {
	trust, err := trustedKeys(r)
	if err != nil {
		return nil, remoteError(stepHostKey, err)
	}
	algorithms, err := sshAlgorithms(r.Legacy)
	if err != nil {
		return nil, remoteError(stepConnect, err)
	}
	login, err := newSSHLogin(r, log)
	if err != nil {
		return nil, remoteError(stepLogin, err)
	}
	offer := trust.algorithms(algorithms.HostKeys)
	var strange error // that of the first key that was not the right one
	for {
		s := &sftpRemote{leash: newLeash(r.Silence)}
		s.leash.hide(login.password)
		shown, err := s.handshake(ctx, r, login, algorithms, offer, trust.has)
		if err == nil {
			err = s.enter(ctx, r)
		}
		if err == nil {
			login.tell(agreed(s.ssh)) // what was not told before
			return s, nil
		}
		s.leash.close()
		var negotiation *ssh.AlgorithmNegotiationError
		switch {
		case errors.Is(err, errHostKey):
			strange = cmp.Or(strange, err)
		case strange != nil && errors.As(err, &negotiation):
			return nil, strange // it has no key of another kind
		default:
			return nil, err
		}
		// The server may have keys of several kinds, and a fingerprint does not say of which one it is: ask for another.
		offer = slices.DeleteFunc(offer, func(a string) bool { return keyTypeOf(a) == shown })
		if len(trust.fingerprints) == 0 || len(offer) == 0 {
			return nil, strange
		}
	}
}

// handshake connects, proves who the server is by its host key, and logs in, unless login is nil. It gives the type of the
// key that the server has shown.
func (s *sftpRemote) handshake(ctx context.Context, r *config.Remote, login *sshLogin, a ssh.Algorithms, offer []string, trusts func(ssh.PublicKey) bool) (shown string, err error) {
	_, address, _ := r.Server()
	step := stepConnect
	err = s.leash.operate(ctx, step, func() error {
		var err error
		if s.wire, err = s.leash.dialWire(ctx, address, true); err != nil {
			return err
		}
		s.wire.begin(replyLimit)
		s.wire.listen()
		offered := a
		offered.HostKeys = offer
		c := &ssh.ClientConfig{
			Config:            ssh.Config{KeyExchanges: a.KeyExchanges, Ciphers: a.Ciphers, MACs: a.MACs},
			User:              r.User,
			HostKeyAlgorithms: offer,
			HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
				strange := fmt.Errorf("%w: it shows %s %s", errHostKey, key.Type(), ssh.FingerprintSHA256(key))
				switch trusted := trusts(key); {
				case trusted && step == stepLogin: // a later key exchange
					return nil
				case step == stepLogin: // which the library compares with nothing
					s.leash.cut(strange)
					return strange
				case !trusted:
					step, shown = stepHostKey, key.Type()
					return strange
				}
				step, shown = stepLogin, key.Type()
				if login != nil {
					login.tell(chosen(offered, s.wire.heard()))
				}
				s.wire.begin(replyLimit)
				return nil
			},
		}
		if login != nil {
			c.Auth = login.methods()
		}
		conn, channels, requests, err := ssh.NewClientConn(s.wire, address, c)
		if err != nil {
			return &RemoteError{Step: step, Err: plainSSH(err)}
		}
		s.ssh = ssh.NewClient(conn, channels, requests)
		s.wire.rest()
		return nil
	})
	return shown, err
}

// plainSSH says in plain words why a handshake failed.
func plainSSH(err error) error {
	var none *ssh.AlgorithmNegotiationError
	if errors.As(err, &none) {
		what, offered, _ := strings.Cut(strings.TrimPrefix(none.Error(), "ssh: "), "; ")
		_, offered, _ = strings.Cut(offered, "peer offered: ")
		names := strings.Fields(strings.NewReplacer("[", "", "]", "", `"`, "").Replace(offered))
		names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "kex-strict-") || strings.HasPrefix(n, "ext-info-") })
		return said{fmt.Sprintf("%s; name one of the server's under legacy, if it has no better: %s", what, strings.Join(names, ", ")), err}
	}
	text := strings.TrimPrefix(err.Error(), "ssh: handshake failed: ")
	switch {
	case strings.HasSuffix(text, "unexpected message type 51 (expected 60)"): // a no where the library awaits a question
		text = "the server does not let us in"
	case strings.Contains(text, "unable to authenticate"):
		text = "the server does not let us in" + strings.TrimPrefix(strings.TrimPrefix(text, "ssh: unable to authenticate"), ", attempted methods [none]")
	}
	return said{strings.TrimPrefix(text, "ssh: "), err}
}

// enter opens the SFTP channel and goes to the URL's folder.
func (s *sftpRemote) enter(ctx context.Context, r *config.Remote) error {
	err := s.leash.operate(ctx, stepLogin, func() error {
		s.wire.begin(replyLimit)
		defer s.wire.rest()
		channel, requests, err := s.ssh.OpenChannel("session", nil)
		var refused *ssh.OpenChannelError
		if err != nil && !errors.As(err, &refused) {
			return io.ErrUnexpectedEOF // the library's word for a lost connection is not fit for people
		} else if err != nil {
			return err
		}
		// Both end with the connection.
		go ssh.DiscardRequests(requests)
		go io.Copy(io.Discard, channel.Stderr())
		ok, err := channel.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
		if err != nil || !ok {
			return cmp.Or(err, errors.New("the server does not serve sftp to this user"))
		}
		s.screen = newNameScreen(channel, s.leash.cut)
		// Concurrent reads would lose bytes when a server answers with fewer than were asked for.
		s.client, err = sftp.NewClientPipe(s.screen, s.screen, sftp.UseConcurrentReads(false), sftp.UseConcurrentWrites(false))
		return err
	})
	if err != nil {
		return err
	}
	_, _, s.base = r.Server()
	return s.leash.operate(ctx, stepList, func() error {
		s.wire.begin(replyLimit)
		defer s.wire.rest()
		if s.base == "" {
			var err error
			s.base, err = s.client.Getwd()
			return err
		}
		info, err := s.client.Stat(s.base)
		if err == nil && !info.IsDir() {
			err = errors.New("the URL's folder is not a folder")
		}
		return err
	})
}

// on runs one operation on a path.
func (s *sftpRemote) on(ctx context.Context, step, name string, op func(whole string) error) error {
	return s.leash.operate(ctx, step, func() error {
		whole, err := joined(s.base, name)
		if err != nil {
			return err
		}
		s.known, s.last = s.last, nil
		if s.known != nil && s.known.whole != whole {
			s.known = nil
		}
		s.wire.begin(replyLimit)
		defer s.wire.rest()
		return op(whole)
	})
}

// gone turns the library's word for a missing file into ours.
func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return ErrGone
	}
	return err
}

func (s *sftpRemote) List(ctx context.Context, folder string) (files []RemoteFile, err error) {
	err = s.on(ctx, stepList, folder, func(whole string) error {
		s.wire.begin(listingLimit)
		s.screen.named.Store(0)
		s.screen.listing.Store(true)
		defer s.screen.listing.Store(false)
		entries, err := s.client.ReadDirContext(ctx, whole)
		for _, e := range entries {
			f := remoteFile(e)
			f.Name = strings.ReplaceAll(f.Name, "\x00", "/") // as the server sent it: see nameScreen
			f.Hostile = f.Hostile || hostileName(f.Name)
			files = append(files, f)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

func remoteFile(info os.FileInfo) RemoteFile {
	f := RemoteFile{
		Name: info.Name(), Size: info.Size(),
		Folder: info.IsDir(), Special: !info.IsDir() && !info.Mode().IsRegular(),
		Hostile: hostileName(info.Name()) || info.Size() < 0,
	}
	f.Time = fileTime(info.ModTime())
	f.Exact = !f.Time.IsZero()
	return f
}

func (s *sftpRemote) Stat(ctx context.Context, name string) (f RemoteFile, err error) {
	err = s.on(ctx, stepFetch, name, func(whole string) error {
		if f, err = s.lstat(whole); err == nil {
			s.last = &statted{f, whole}
		}
		return err
	})
	return f, err
}

func (s *sftpRemote) lstat(whole string) (RemoteFile, error) {
	info, err := s.client.Lstat(whole)
	if err != nil {
		return RemoteFile{}, gone(err)
	}
	f := remoteFile(info)
	_, f.Name = split(whole)
	f.Hostile = hostileName(f.Name)
	return f, nil
}

func (s *sftpRemote) Remove(ctx context.Context, name string) error {
	return s.on(ctx, stepRemove, name, func(whole string) error {
		if s.known == nil {
			f, err := s.lstat(whole)
			if err != nil {
				return err
			}
			s.known = &statted{f, whole}
		}
		if s.known.Folder { // the library would remove an empty one
			return errors.New("it is a folder")
		}
		return gone(s.client.Remove(whole))
	})
}

func (s *sftpRemote) Rename(ctx context.Context, from, to string) error {
	return s.on(ctx, stepRename, from, func(whole string) error {
		target, err := joined(s.base, to)
		if err != nil {
			return err
		}
		// Most servers refuse by themselves, but the protocol's third version does not say that they must.
		if _, err := s.lstat(target); err == nil {
			return ErrExists
		} else if err != ErrGone {
			return err
		}
		if err = s.client.Rename(whole, target); errors.Is(err, os.ErrNotExist) { // the file, or the folder it should go to
			if _, gone := s.lstat(whole); gone == ErrGone {
				return ErrGone
			}
		}
		return err
	})
}

func (s *sftpRemote) MakeFolder(ctx context.Context, folder string) error {
	return s.on(ctx, stepSend, folder, func(whole string) error {
		info, err := s.client.Stat(whole)
		switch {
		case err == nil && info.IsDir():
			return nil
		case err == nil:
			return ErrExists
		}
		if above := path.Dir(whole); above != "/" && above != "." {
			if _, err := s.client.Stat(above); errors.Is(err, os.ErrNotExist) {
				return s.client.MkdirAll(whole)
			}
		}
		return s.client.Mkdir(whole)
	})
}

// Store writes piece by piece with a loop of its own: the library's ReadFrom takes a lost connection for the end of r.
func (s *sftpRemote) Store(ctx context.Context, name string, r io.Reader) error {
	return s.on(ctx, stepSend, name, func(whole string) error {
		file, err := s.client.OpenFile(whole, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return err
		}
		sent, err := s.copyTo(file, r)
		if _, able := s.client.HasExtension("fsync@openssh.com"); able && err == nil {
			err = file.Sync()
		}
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
		s.wire.begin(replyLimit)
		info, err := s.client.Stat(whole)
		if err == nil && info.Size() != sent {
			err = fmt.Errorf("%d bytes were sent, but the server has %d", sent, info.Size())
		}
		return err
	})
}

func (s *sftpRemote) copyTo(file *sftp.File, r io.Reader) (sent int64, err error) {
	buffer := make([]byte, 32<<10)
	var p pace
	for {
		s.wire.rest()
		n, ended := io.ReadFull(r, buffer)
		s.wire.begin(replyLimit)
		if n > 0 {
			began := time.Now()
			m, err := file.Write(buffer[:n])
			sent += int64(m)
			if err != nil {
				return sent, err
			}
			if slow := p.step(m, began, s.leash.silence); slow != nil {
				return sent, slow
			}
		}
		if ended == io.EOF || ended == io.ErrUnexpectedEOF {
			return sent, nil
		} else if ended != nil {
			return sent, callers{ended}
		}
	}
}

func (s *sftpRemote) Close() error {
	s.wire.begin(replyLimit)
	s.ssh.Close() // says so to the server; an error says only that it hung up first
	s.leash.close()
	s.client.Wait()
	return nil
}
