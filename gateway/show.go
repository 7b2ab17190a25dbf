package gateway

import (
	"context"
	"path/filepath"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

// Detail is everything that the index knows of one file: `show`.
type Detail struct {
	FileLine
	User           string            `json:"user"`
	Version        string            `json:"version,omitempty"`
	Initiator      string            `json:"initiator,omitempty"`
	Declared       string            `json:"declared,omitempty"`
	Encoding       string            `json:"encoding,omitempty"`
	Packed         string            `json:"packed,omitempty"` // gzip or zip
	Batches        int64             `json:"batches,omitempty"`
	Sentence       string            `json:"sentence,omitempty"` // as it was sent
	FindingsKept   []formats.Finding `json:"findings_kept,omitempty"`
	CopySize       int64             `json:"copy_size,omitempty"`     // of the sealed copy
	CopyPath       string            `json:"copy_path,omitempty"`     // below data_dir; empty when it lies in the index
	AnswersFiles   []LinkLine        `json:"answers_files,omitempty"` // the files that its Answers means
	AnsweredBy     []LinkLine        `json:"answered_by,omitempty"`   // and those whose Answers mean it
	History        []HistoryLine     `json:"history"`                 // its rows of the ledger, oldest first
	LedgerSequence int64             `json:"ledger_sequence"`
	LedgerHash     string            `json:"ledger_hash"`
}

// LinkLine names another file of the account that a file answers, or is answered by. At most 20 are given, the newest.
type LinkLine struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Format     string          `json:"format"`
	ReceivedAt string          `json:"received_at"`
	Verdict    indexer.Verdict `json:"verdict"`
}

// HistoryLine is one change of a file's state: who decided what, when and why.
type HistoryLine struct {
	At     string `json:"at"`
	Kind   string `json:"kind"` // accepted, held, rejected, released, refused, renamed, hidden
	Who    string `json:"who,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Show tells all of one file.
func (g *Gateway) Show(ctx context.Context, id string) (Detail, error) {
	a, f, err := g.find(ctx, "", id)
	if err != nil {
		return Detail{}, err
	}
	history, err := a.index.History(ctx, f.ID)
	if err != nil {
		return Detail{}, err
	}
	d := Detail{
		FileLine: LineOf(f), User: f.User, Version: f.Facts.Version, Initiator: f.Facts.Initiator,
		Declared: f.Facts.Declared, Encoding: f.Facts.Encoding, Packed: f.Facts.Packed, Batches: f.Facts.Batches, Sentence: f.Sentence, FindingsKept: f.Facts.Findings,
		CopySize: f.CopySize, LedgerSequence: f.Ledger.Seq, LedgerHash: f.Ledger.Hash,
	}
	for _, e := range history {
		d.History = append(d.History, HistoryLine{At: utc(e.At), Kind: e.Kind, Who: e.Who, Detail: e.Detail})
	}
	if f.CopyPath != "" {
		d.CopyPath = filepath.Join("accounts", f.Account, f.CopyPath)
	}
	if f.Facts.Answers != "" {
		d.AnswersFiles, err = a.links(ctx, f.ID, indexer.FileFilter{MessageID: f.Facts.Answers})
	}
	if f.Facts.MessageID != "" && err == nil {
		d.AnsweredBy, err = a.links(ctx, f.ID, indexer.FileFilter{Answers: f.Facts.MessageID})
	}
	return d, err
}

// links gives the files of the account that the filter chooses, but for the one at hand.
func (a *account) links(ctx context.Context, id string, q indexer.FileFilter) ([]LinkLine, error) {
	var list []LinkLine
	q.Limit = linksShown + 1
	for f, err := range a.index.Files(ctx, q) {
		if err != nil {
			return nil, err
		}
		if f.ID != id && len(list) < linksShown {
			list = append(list, LinkLine{f.ID, f.Name, f.Facts.Format, utc(f.ReceivedAt), f.Verdict})
		}
	}
	return list, nil
}

const linksShown = 20
