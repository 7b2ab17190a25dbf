package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

// opening is what `open` was asked for.
type opening struct {
	source         string
	keyFile        string
	accessFile     string
	passphraseFile string
	out            string
	force          bool
}

func (t *tool) openCommand() *cobra.Command {
	var o opening
	c := &cobra.Command{
		Use:   "open ID|FILE.p7m --key KEY.pem",
		Short: "Open a sealed file with the account's keys, here and not in the gateway.",
		Example: examples("sealgate open 7K4M2X0V --key acme.key --access-key-file acme.access -o salaries.xml",
			"sealgate open salaries.p7m --key acme.key -o salaries.xml", "sealgate open 7K4M2X0V --key acme.key | less"),
		Args: arguments("ID or FILE.p7m"),
		RunE: func(c *cobra.Command, args []string) error {
			o.source, o.out = args[0], outFile(o.out)
			return t.open(c.Context(), &o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.keyFile, "key", "", "the certificate's private key, `KEY.pem`")
	f.StringVar(&o.accessFile, "access-key-file", "", "an access key, `F`, if the account has them")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", "passphrase of the key, `F`; - is stdin (default: ask on a terminal)")
	f.StringVarP(&o.out, "out", "o", "", "write to `OUT`; - is stdout (default: stdout)")
	f.BoolVar(&o.force, "force", false, "overwrite OUT")
	c.ValidArgsFunction = t.fileIDs("")
	return t.withDesk(c)
}

// open decrypts a sealed copy. Nothing is written before all of it is proven, and nothing under OUT's name before it is
// whole and on disk.
func (t *tool) open(ctx context.Context, o *opening) error {
	if o.keyFile == "" {
		return usage("", "sealgate open needs --key KEY.pem")
	}
	if err := mayWrite(o.out, o.force); err != nil {
		return err
	}
	bar := t.progress("opening " + o.source)
	defer bar.end()
	key, access, err := t.readKeys(ctx, o)
	if err != nil {
		return err
	}
	sealed, err := t.sealedCopy(ctx, o)
	if err != nil {
		return err
	}
	defer sealed.close()
	hash, written := sha256.New(), &counted{}
	source := metered{sealed.bytes, func(at int64) {
		did := "checked"
		if written.n > 0 {
			did = "opened"
		}
		bar.tell(fmt.Sprintf("%s: %s %s of %s", sealed.name, did, size(at), size(sealed.size)))
	}}
	decrypt := func(w io.Writer) error {
		err := vault.OpenSealed(io.MultiWriter(w, hash, written), until{ctx, source}, sealed.size, key, access)
		if err != nil {
			return o.explain(sealed.name, err)
		}
		if sum := hex.EncodeToString(hash.Sum(nil)); sealed.sha256 != "" && sum != sealed.sha256 {
			return no("sealgate verify", "%s opens, but is not what was received: sha-256 %s, the index says %s%s",
				sealed.name, brief(sum, 8), brief(sealed.sha256, 8), o.nothing())
		}
		return nil
	}
	if o.out == "" {
		err = t.toStdout(decrypt)
	} else {
		err = toFile(o.out, o.force, decrypt)
	}
	bar.end() // before anything is told
	if err != nil {
		return err
	}
	identical := ""
	if sealed.sha256 != "" {
		identical = ", identical to what was received"
	}
	told := fmt.Sprintf("%s%s (sha-256 %s)", count(int(written.n), "byte"), identical, brief(hex.EncodeToString(hash.Sum(nil)), 8))
	if o.out == "" {
		t.talk("%s: %s", sealed.name, told)
		return nil
	}
	t.say("%s: %s\n", clean(o.out), told)
	return nil
}

// nothing says that OUT is as it was.
func (o *opening) nothing() string {
	if o.out == "" {
		return ""
	}
	return "; nothing was written to " + o.out
}

// explain turns what the vault says of keys into the words of people.
func (o *opening) explain(name string, err error) error {
	var keys *vault.KeyError
	if !errors.As(err, &keys) {
		if errors.Is(err, vault.ErrTampered) || errors.Is(err, vault.ErrTruncated) || errors.Is(err, vault.ErrNotSealed) {
			return no("sealgate verify checks every sealed copy", "%s: %s%s", name, strings.TrimPrefix(err.Error(), "vault: "), o.nothing())
		}
		return err
	}
	to := make([]string, len(keys.SealedTo))
	for i, r := range keys.SealedTo {
		to[i] = r.String()
	}
	sealedTo := strings.Join(to, " or ")
	switch {
	case errors.Is(err, vault.ErrWrongAccessKey):
		return no("it was sealed to access key "+sealedTo+o.nothing(),
			"%s does not open %s; the certificate's key does (1 of 2 fits)", o.accessFile, name)
	case errors.Is(err, vault.ErrNeedsAccessKey):
		return no("add --access-key-file with access key "+sealedTo+o.nothing(),
			"%s takes an access key too; the certificate's key fits (1 of 2)", name)
	}
	return no("it was sealed to certificate "+sealedTo+o.nothing(), "%s does not open %s", o.keyFile, name)
}

func (t *tool) readKeys(ctx context.Context, o *opening) (*vault.PrivateKey, *vault.AccessKey, error) {
	if err := keepMemory(); err != nil {
		return nil, nil, err
	}
	key, err := vault.ReadPrivateKey(o.keyFile, func() ([]byte, error) { return t.passphrase(ctx, o) })
	if err != nil {
		return nil, nil, keyTrouble(err)
	}
	if o.accessFile == "" {
		return key, nil, nil
	}
	access, err := vault.ReadAccessKey(o.accessFile)
	if err != nil {
		return nil, nil, keyTrouble(err)
	}
	return key, access, nil
}

func keyTrouble(err error) error {
	var known *trouble
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return usage("", "%s", cause(err))
	}
	text := withoutRooms(err.Error())
	if errors.Is(err, vault.ErrPassphrase) {
		return no("", "%s", text)
	}
	return usage("", "%s", text) // the file is no key, or no certificate
}

// passphrase reads the passphrase of an encrypted key.
func (t *tool) passphrase(ctx context.Context, o *opening) ([]byte, error) {
	if o.passphraseFile != "" {
		return t.readSecret(ctx, o.passphraseFile)
	}
	if !t.typed {
		return nil, usage("", "%s is encrypted; give its passphrase with --passphrase-file F", o.keyFile)
	}
	return t.askSecret(ctx, "Passphrase of "+o.keyFile+": ")
}

// sealedSource is a sealed copy to read at any place, and what the index knows of it.
type sealedSource struct {
	name   string // for messages: the ULID, or the file's name
	bytes  io.ReaderAt
	size   int64
	sha256 string // of what was received; empty for a file
	close  func()
}

// sealedCopy finds what is to be opened: a file that is there, or else a file of the index.
func (t *tool) sealedCopy(ctx context.Context, o *opening) (*sealedSource, error) {
	if strings.ContainsAny(o.source, "./") || o.source == "-" {
		return fileSource(o.source)
	}
	if info, err := os.Stat(o.source); err == nil && info.Mode().IsRegular() {
		return fileSource(o.source)
	}
	client, _, err := t.desk(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	line, sealed, err := client.Copy(ctx, gateway.CopyQuery{ID: o.source, For: "to open"})
	if err != nil {
		return nil, err
	}
	defer sealed.Close()
	dir := ""
	if o.out != "" {
		dir = filepath.Dir(o.out)
	}
	return spool(line.ID, line.SHA256, sealed, dir)
}

func fileSource(path string) (*sealedSource, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usage("", "%s", cause(err))
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, usage("", "%s: not a file", path)
	}
	return &sealedSource{name: path, bytes: file, size: info.Size(), close: func() { file.Close() }}, nil
}

// spool keeps a sealed copy where it can be read at any place: in memory while it is small, or else in a file without a
// name, so that it is gone however we end. What it holds is sealed.
func spool(id, sum string, sealed io.Reader, dir string) (*sealedSource, error) {
	const small = 1 << 20
	var start bytes.Buffer
	n, err := io.CopyN(&start, sealed, small)
	if errors.Is(err, io.EOF) {
		return &sealedSource{name: id, sha256: sum, bytes: bytes.NewReader(start.Bytes()), size: n, close: func() {}}, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, ".sealgate-*.p7m")
	if err != nil {
		return nil, err
	}
	os.Remove(file.Name())
	size, err := io.Copy(file, io.MultiReader(&start, sealed))
	if err != nil {
		file.Close()
		return nil, err
	}
	return &sealedSource{name: id, sha256: sum, bytes: file, size: size, close: func() { file.Close() }}, nil
}
