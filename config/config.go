// Package config reads sealgate.yaml: one struct whose field comments are the manual, loaded, checked whole and then
// never changed. Begin with Config, then Load.
//
// The tags say what the walk over the YAML nodes enforces: default (as it would be written), one (the only values),
// min, need (compulsory; its text is the example), or (a list that may be one text) and eg (an example for the manual).
package config

import (
	"path"
	"path/filepath"
	"time"
)

// Config is the whole configuration, checked. Paths are absolute.
type Config struct {
	// File is the main file as it was given to Load.
	File string `yaml:"-"`
	// Files are all files that were read: File and the included ones.
	Files []string `yaml:"-"`
	// DataDir holds everything the gateway keeps: databases, sealed copies, uploads under way (sealed). It is made at
	// the first start, with mode 0700.
	DataDir string `yaml:"data_dir" need:"./data"`
	// UnlockKeyFile opens the databases: 32 random bytes as text, from outside, mode 0600, never inside data_dir.
	// credential:NAME reads $CREDENTIALS_DIRECTORY/NAME (systemd). wait: the gateway starts locked, and opens no door before
	// `sealgate unlock` has brought the key.
	UnlockKeyFile string `yaml:"unlock_key_file" need:"credential:unlock.key"`
	// DiskFloor: uploads are refused while less than this is free under data_dir.
	DiskFloor int64 `yaml:"disk_floor" default:"1GiB"`
	// Log is the form of the log on stderr: lines of key=value, or one JSON object a line.
	Log string `yaml:"log" default:"text" one:"text json"`
	// SFTP is the door that customers push files to.
	SFTP SFTP `yaml:"sftp" need:"{listen: 127.0.0.1:2022, host_keys: [./host_ed25519]}"`
	// RemotesAtOnce is how many remotes are connected to at once, in total; each by one connection.
	RemotesAtOnce int `yaml:"remotes_at_once" default:"8" min:"1"`
	// FourEyes: whether changes to after_indexing, to certificates and access keys, to protect_database, to what remotes are trusted by
	// and where they are, to the removal of accounts and to this rule itself wait until two of the operators have signed them; so does the
	// addition of an account that has remotes or was removed before, and of a remote.
	FourEyes string `yaml:"four_eyes" default:"false" one:"true false" eg:"true"`
	// Operators is a file with the public keys of those who may sign such changes, in the form of OpenSSH's allowed signers (see
	// ssh-keygen(1)): one name and one key a line, at least two names.
	Operators string `yaml:"operators" eg:"./operators"`
	// Accounts are the customers, a list. An account without users cannot be logged in to.
	Accounts []*Account `yaml:"accounts"`
	// Include: globs of further files, each with nothing but a list `accounts:`. Wildcards stand in the last part of the
	// path only; names that begin with a dot are passed over.
	Include []string `yaml:"include" eg:"[accounts.d/*.yaml]"`

	// Warnings are doubts that keep nothing from starting: print each with Mistake.Warning.
	Warnings []Mistake `yaml:"-"`
	// KeyElsewhere: it was loaded with Examine.KeyElsewhere.
	KeyElsewhere bool `yaml:"-"`
}

// SFTP is the SFTP door: where it listens, how it shows who it is, and what it takes at once.
type SFTP struct {
	// Listen is the address and port of the door. An address left out means all of the machine's.
	Listen string `yaml:"listen" need:"127.0.0.1:2022"`
	// HostKeys are files with OpenSSH private keys, mode 0600, by which customers know the gateway.
	HostKeys []string `yaml:"host_keys" need:"[./host_ed25519]"`
	// Algorithms: what is offered; compat adds ecdh-nistp256 and ECDSA host keys, for old clients.
	Algorithms string `yaml:"algorithms" default:"default" one:"default compat"`
	// StopWithin is how long running uploads may go on after SIGTERM.
	StopWithin time.Duration `yaml:"stop_within" default:"30s"`
	// Park is how long an upload whose connection dropped is kept in memory, so that the client can go on with it.
	Park time.Duration `yaml:"park" default:"10m"`
	// Limits: how much all customers together can take.
	Limits Limits `yaml:"limits"`
}

// Limits are the bounds of what all customers together, one account and one address can take. What is over them is refused with
// a clear error; what was accepted stays accepted.
type Limits struct {
	// Sessions is how many are logged in at once, in total.
	Sessions int `yaml:"sessions" default:"1000" min:"1"`
	// SessionsPerAccount is how many are logged in at once to one account.
	SessionsPerAccount int `yaml:"sessions_per_account" default:"200" min:"1"`
	// SessionsPerAddress is how many are logged in at once from one address (IPv6: from one /64).
	SessionsPerAddress int `yaml:"sessions_per_address" default:"200" min:"1"`
	// Handshakes is how many connections may be not yet logged in, in total.
	Handshakes int `yaml:"handshakes" default:"200" min:"1"`
	// Handles is how many files and folders one session may have open.
	Handles int `yaml:"handles" default:"64" min:"1"`
	// Memory is what uploads may hold in memory, in total: bytes out of order, and parked uploads.
	Memory int64 `yaml:"memory" default:"512MiB" min:"16MiB"`
	// MemoryPerAccount is what the uploads of one account may hold of it.
	MemoryPerAccount int64 `yaml:"memory_per_account" default:"128MiB" min:"16MiB"`
	// MemoryPerAddress is what the uploads from one address may hold of it (IPv6: from one /64).
	MemoryPerAddress int64 `yaml:"memory_per_address" default:"128MiB" min:"16MiB"`
}

// Account is a customer.
type Account struct {
	// ID names the account in commands, logs and reports, and is its folder's name: a-z A-Z 0-9 . _ -, at most 64,
	// beginning with a letter or digit. Two ids may not differ in case only.
	ID string `yaml:"id" need:"acme"`
	// Name is what people read; the id if left out.
	Name string `yaml:"name" eg:"Acme AB"`
	// AfterIndexing: whether an accepted file is deleted, or sealed with the certificate, once it is indexed.
	AfterIndexing string `yaml:"after_indexing" need:"seal" one:"delete seal"`
	// Certificate is a PEM file with the X.509 certificate that seals. Compulsory for seal and wherever policy says
	// hold, since a held file is always sealed.
	Certificate string `yaml:"certificate" eg:"./acme.crt"`
	// RecoveryCertificate is a PEM file with a second certificate that every sealed copy is sealed to as well: its key, with
	// an access key where there are some, opens what the account's opens. Every receipt names it, so the customer knows.
	RecoveryCertificate string `yaml:"recovery_certificate" eg:"./recovery.crt"`
	// AccessKeys are PEM files with the public halves of access keys; with them, opening a file takes the certificate's
	// key and an access key.
	AccessKeys []string `yaml:"access_keys" eg:"[./acme.access.crt]"`
	// BGCSealKeyFile is a file with the key that this customer and Bankgirot share, as 32 hexadecimal digits, mode 0600. With
	// it the seal (TK00 and TK99, HMAC) of LB, Löner and Autogiro files is verified; a wrong one, or none, is seal-mismatch.
	BGCSealKeyFile string `yaml:"bgc_seal_key_file" eg:"./acme.sealkey"`
	// ProtectDatabase: whether the account's database opens only with the certificate's key (and an access key, where there are some),
	// brought by `sealgate unlock` for a while. `sealgate protect` and `unprotect` convert one that is there.
	ProtectDatabase string `yaml:"protect_database" default:"false" one:"true false" eg:"true"`
	// MaxFileSize: a longer file is refused as too-large, while it arrives.
	MaxFileSize int64 `yaml:"max_file_size" default:"512MiB" min:"1KiB"`
	// Duplicates says what counts as sent before.
	Duplicates Duplicates `yaml:"duplicates"`
	// Policy says, for each reason, whether a file is taken.
	Policy Policy `yaml:"policy" eg:"{unrecognised: hold}"`
	// Linger is how long an accepted file is still shown to the customer; it cannot be read back.
	Linger time.Duration `yaml:"linger" default:"10m" min:"1m"`
	// PartialNames are globs of names under which clients upload before they rename: the rename ends the upload.
	PartialNames []string `yaml:"partial_names" default:"['*.filepart', '*.part', '*.tmp', '*.partial', '.in.*']"`
	// Remotes are the customer's own servers, which files are fetched from and delivered to.
	Remotes []*Remote `yaml:"remotes"`
	// Expect says by when a file should have come, by any door.
	Expect *Expect `yaml:"expect"`
	// AllowFrom are the networks that its users may log in from; left out, all. A user may have a list of his own, inside
	// this one.
	AllowFrom []string `yaml:"allow_from" or:"text" eg:"[192.0.2.0/24, '2001:db8::/32']"`
	// DenyFrom are networks that its users may not log in from, whatever allow_from says.
	DenyFrom []string `yaml:"deny_from" or:"text" eg:"[192.0.2.66]"`
	// UserCA is a file with the OpenSSH public keys of certificate authorities, one a line: a user certificate that one of them
	// signed counts as a public key of each login that is among its principals.
	UserCA string `yaml:"user_ca" eg:"./acme-users.pub"`
	// Passwords: what the passwords of its users must be like, how long they are good, and how many wrong ones lock.
	Passwords Passwords `yaml:"passwords"`
	// Say: what the customer is told on the channel's stderr; refusals only, or a line on acceptance too (all).
	Say string `yaml:"say" default:"refusals" one:"refusals all"`
}

// Passwords is what is asked of the passwords of an account's users. The ten thousand commonest, and the login itself, are
// refused whatever the rule.
type Passwords struct {
	// Rule: long, at least 12 characters; classic, at least 8, of them 2 digits and 2 letters.
	Rule string `yaml:"rule" default:"long" one:"long classic"`
	// Expire is how long a password is good: after that it must be changed at the next login. 0d is for ever.
	Expire time.Duration `yaml:"expire" default:"0d" eg:"90d"`
	// LockAfter is how many wrong passwords or codes in a row lock a user until `sealgate user unlock`; 0 is never. The
	// pauses that grow with each wrong one are there anyway.
	LockAfter int `yaml:"lock_after" default:"50" min:"0"`
}

// Duplicates is how far back the same bytes or the same business (message id and payer; sender, date, count and sum)
// count as a duplicate.
type Duplicates struct {
	// Window is how far back is looked.
	Window time.Duration `yaml:"window" default:"30d" min:"1m"`
}

// Policy says what is done for each reason: accept, hold (kept sealed until `sealgate release` or `refuse`) or reject.
// Its keys are the reasons.
type Policy map[string]string

// Reasons are the codes of what can be wrong with a file: the keys of Policy. They never change their meaning.
func Reasons() []string {
	return []string{
		"incomplete",             // its own trailer, totals or closing tag are missing: it was cut off
		"malformed",              // it is of a known format, but breaks that format's rules
		"totals-mismatch",        // the count or sum that it states is not the one that it holds
		"seal-mismatch",          // its Bankgirot seal is not that of its content and the account's key
		"duplicate-content",      // the same bytes came before, within duplicates.window
		"duplicate-business-key", // the same business came before within duplicates.window, in other bytes
		"unrecognised",           // it is of no format that is known here
		"too-large",              // longer than max_file_size; always rejected
		"empty",                  // not one byte
		"expired-certificate",    // the account's certificate has expired
	}
}

// defaultPolicy is what is done for a reason of which an account's policy says nothing.
func defaultPolicy(reason string) string {
	switch reason {
	case "duplicate-content", "duplicate-business-key", "unrecognised":
		return "hold"
	}
	return "reject"
}

// Account gives the account with this id, in exactly this case; nil if there is none.
func (c *Config) Account(id string) *Account {
	for _, a := range c.Accounts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// ControlSocket is where the daemon listens for the operators' command, or a link to where it does.
func (c *Config) ControlSocket() string { return filepath.Join(c.DataDir, "control.sock") }

// UnlockLater is the unlock_key_file of a gateway that starts locked.
const UnlockLater = "wait"

// TwoPersons tells whether some changes are to wait for two signatures.
func (c *Config) TwoPersons() bool { return c.FourEyes == "true" }

// Protected tells whether the account's database is to be protected by its certificate.
func (a *Account) Protected() bool { return a.ProtectDatabase == "true" }

// PolicyFor says what is done with a file for a reason: accept, hold or reject. Where nothing is configured: hold
// duplicates and what is unrecognised, reject the rest. An account without a certificate cannot hold and rejects.
func (a *Account) PolicyFor(reason string) string {
	p := a.Policy[reason]
	if p == "" {
		p = defaultPolicy(reason)
	}
	if p == "hold" && a.Certificate == "" {
		return "reject"
	}
	return p
}

// IsPartial reports whether a client that uploads under this plain name is going to rename it when it is done.
func (a *Account) IsPartial(name string) bool {
	for _, glob := range a.PartialNames {
		if ok, _ := path.Match(glob, name); ok { // Load refused bad globs
			return true
		}
	}
	return false
}
