package transport

import (
	"testing"
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
