package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pkg/sftp"

	"github.com/sealgate/sealgate/config"
)

// tempHouse is all of a house that a view asks for the rename of a running upload.
type tempHouse struct{ House }

func (tempHouse) Account(string) *config.Account {
	return &config.Account{PartialNames: []string{"*.tmp"}}
}

// TestRenameBeforeAClose: whatever a rename of a running upload has still to do, a CLOSE that comes now is one of its new name.
func TestRenameBeforeAClose(t *testing.T) {
	v, s := newView(tempHouse{}, "acme"), &session{}
	e, _, err := v.begin("a.tmp", sftp.FileOpenFlags{Creat: true}, &upload{session: s})
	if err == nil {
		_, _, err = v.claimForRename(s, "a.tmp", "a.xml")
	}
	if err != nil {
		t.Fatal(err)
	}
	if name := v.claim(e); name != "a.xml" {
		t.Errorf("the upload is closed under %s", name)
	}
}

// TestFolderMadeMeanwhile: while a rename waits for its verdict, somebody makes a folder of its new name.
func TestFolderMadeMeanwhile(t *testing.T) {
	v := newView(tempHouse{}, "acme")
	e, _, err := v.begin("a.tmp", sftp.FileOpenFlags{Creat: true}, &upload{})
	if err == nil {
		err = v.mkdir("a")
	}
	if err != nil {
		t.Fatal(err)
	}
	v.taken(e, "a", Receipt{}, time.Minute)
	if infos, err := v.list(""); err != nil || len(infos) != 1 || !infos[0].IsDir() {
		t.Errorf("listed: %v, %v", infos, err)
	}
}

// fullHouse cannot note a removal, and somebody makes a folder of the name meanwhile.
type fullHouse struct {
	tempHouse
	mkdir func(name string) error
}

func (h *fullHouse) Hidden(context.Context, Guest, string) error {
	return errors.Join(errors.New("no space left"), h.mkdir("a"))
}

// TestFolderMadeBeforeNotRemoved: a file whose removal could not be noted is not shown beside a folder of its name.
func TestFolderMadeBeforeNotRemoved(t *testing.T) {
	h := &fullHouse{}
	v := newView(h, "acme")
	h.mkdir = v.mkdir
	v.put(&entry{name: "a", state: ghost, until: time.Now().Add(time.Minute)})
	if err := v.remove(t.Context(), Guest{}, "a"); err == nil {
		t.Error("removed")
	}
	if infos, err := v.list(""); err != nil || len(infos) != 1 || !infos[0].IsDir() {
		t.Errorf("listed: %v, %v", infos, err)
	}
}

// earlierHouse has taken one file before it was started.
type earlierHouse struct {
	House
	ghost Ghost
}

func (earlierHouse) Account(string) *config.Account { return nil }
func (h earlierHouse) Shown(_ context.Context, _ string, since time.Time) ([]Ghost, error) {
	if h.ghost.TakenAt.Before(since) {
		return nil, nil
	}
	return []Ghost{h.ghost}, nil
}

// TestShownAfterAClockSetBack: after a restart a file is shown for what is left of its while; one that came by a clock that was a year
// ahead, for no longer than any.
func TestShownAfterAClockSetBack(t *testing.T) {
	for ahead, shown := range map[time.Duration]time.Duration{
		-4 * time.Minute: 6 * time.Minute, -defaultLinger - 1: 0, 0: defaultLinger, 365 * 24 * time.Hour: defaultLinger,
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			v := newView(earlierHouse{ghost: Ghost{ID: "1", Name: "a.xml", Size: 3, TakenAt: begun.Add(ahead).Round(0)}}, "acme")
			if err := v.seed(t.Context(), begun); err != nil {
				t.Fatal(err)
			}
			if e := v.find("a.xml", begun.Add(shown)); (e != nil) != (shown > 0) {
				t.Errorf("taken %v from now, %v later: %+v", ahead, shown, e)
			}
			if e := v.find("a.xml", begun.Add(shown+1)); e != nil {
				t.Errorf("taken %v from now, it is shown until %v", ahead, e.until)
			}
		})
	}
}
