package indexer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrChanged: the sealed copy is not the one any more that the caller has looked at.
var ErrChanged = errors.New("the sealed copy was changed meanwhile")

// Rewrapped is a sealed copy with a new envelope, about to take the place of the old one.
type Rewrapped struct {
	ID          string
	Was         []byte // witness of the old copy
	Certificate string // fingerprint
	Recovery    string // fingerprint, or ""
	Witness     []byte
	Size        int64
	Copy        []byte // the copy itself, where the index keeps it
	Path        string // else where it lies by now, durable, beside the old one
}

// Rewrap has new sealed copies take the places of the old ones, all in one durable transaction with a row of the ledger
// for each. Where a file's copy is not the one any more that was looked at (it was released, refused or rewrapped
// meanwhile), the error at its place is ErrChanged, and the others go on.
//
// Die before it returns, and each row names its old copy or its new one. The caller removes the one that it does not.
func (x *Index) Rewrap(ctx context.Context, copies []Rewrapped, who string) ([]error, error) {
	faults := make([]error, len(copies))
	err := x.join(ctx, func(ctx context.Context, c *chain) error {
		for i := range copies {
			err := x.rewrap(ctx, c, &copies[i], who)
			if errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) {
				faults[i] = fmt.Errorf("indexer: file %s: %w", copies[i].ID, ErrChanged)
			} else if err != nil {
				return fmt.Errorf("indexer: file %s: %w", copies[i].ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return faults, nil
}

// rewrap changes one row. It changes nothing where it says ErrChanged.
func (x *Index) rewrap(ctx context.Context, c *chain, r *Rewrapped, who string) error {
	row, err := x.rowOf(ctx, r.ID)
	if err != nil {
		return err
	}
	if row.fate != string(Sealed) || !bytes.Equal(row.witness, r.Was) || (row.copyPath == "") != (r.Path == "") {
		return ErrChanged
	}
	if err := row.recover(r.Recovery); err != nil {
		return err
	}
	detail := row.certificate + " to " + r.Certificate
	row.certificate, row.witness, row.copySize, row.copyPath = r.Certificate, r.Witness, r.Size, r.Path
	if r.Path == "" {
		if _, err := x.d.w.ExecContext(ctx, `UPDATE copies SET data = ? WHERE n = ?`, r.Copy, row.n); err != nil {
			return err
		}
	}
	_, err = x.d.w.ExecContext(ctx, `UPDATE files SET certificate = ?, copy_size = ?, copy_path = ?, witness = ?, facts = ? WHERE n = ?`,
		row.certificate, row.copySize, row.copyPath, row.witness, row.facts, row.n)
	if err != nil {
		return err
	}
	_, err = x.seal(ctx, c, row, kindRewrapped, who, detail)
	return err
}

// recover notes another recovery certificate among the facts that have no column.
func (r *fileRow) recover(fingerprint string) error {
	var more rest
	if err := json.Unmarshal([]byte(r.facts), &more); err != nil {
		return err
	}
	if more.Recovery == fingerprint {
		return nil
	}
	more.Recovery = fingerprint
	b, err := json.Marshal(&more)
	r.facts = string(b)
	return err
}
