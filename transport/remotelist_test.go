package transport

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseListing(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	at := func(year int, month time.Month, day, hour, minute, second int) time.Time {
		return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	}
	for line, want := range map[string]RemoteFile{
		// Unix
		"-rw-r--r--    1 0        0            1234 Feb 02 10:20 a b.xml": {Name: "a b.xml", Size: 1234, Time: at(2026, 2, 2, 10, 20, 0)},
		"-rw-r--r--    1 0        0            1234 Nov 20 10:20 old.xml": {Name: "old.xml", Size: 1234, Time: at(2025, 11, 20, 10, 20, 0)},
		"-rw-r--r--    1 0        0            1234 Nov 20 2019  two":     {Name: " two", Size: 1234, Time: at(2019, 11, 20, 0, 0, 0)},
		"-rw-rw-r--+ 1 Domain Users x 0 Jan  1 00:00 acl":                 {Name: "acl", Size: 0, Time: at(2026, 1, 1, 0, 0, 0)},
		"-rw-r--r--    1 ftp      50           1234 Feb 02 10:20 a.xml":   {Name: "a.xml", Size: 1234, Time: at(2026, 2, 2, 10, 20, 0)},
		"-rw-r--r-- 1 owner 77 Jan 01 2020 no group":                      {Name: "no group", Size: 77, Time: at(2020, 1, 1, 0, 0, 0)},
		"-rw-r--r-- 1 o g 5 Jan 01 2020 x 9 Jan 02 2021 y":                {Name: "x 9 Jan 02 2021 y", Size: 5, Time: at(2020, 1, 1, 0, 0, 0)},
		"-rw-r--r-- 1 o g 5 okt 01 2020 l\xf6ner":                         {Name: "l\xf6ner", Size: 5},
		"drwxr-xr-x    2 0        0            4096 Jan 31 23:59 done":    {Name: "done", Size: 4096, Folder: true, Time: at(2026, 1, 31, 23, 59, 0)},
		"drwxrwsrwt 2 0 0 4096 Feb 04 10:00 a day ahead":                  {Name: "a day ahead", Size: 4096, Folder: true, Time: at(2026, 2, 4, 10, 0, 0)},
		"lrwxrwxrwx 1 0 0 11 Jan 01 2020 link -> /etc/passwd":             {Name: "link", Size: 11, Special: true, Time: at(2020, 1, 1, 0, 0, 0)},
		"crw-rw-rw- 1 0 0 1, 3 Jan 01 2020 null":                          {Name: "null", Size: -1, Special: true, Time: at(2020, 1, 1, 0, 0, 0)},
		"prw-rw-rw- 1 0 0 0 Jan 01 2020 pipe":                             {Name: "pipe", Size: 0, Special: true, Time: at(2020, 1, 1, 0, 0, 0)},
		"-rw-r--r-- 1 0 0 99999999999999999999 Jan 01 2020 huge":          {Name: "huge", Size: -1, Hostile: true, Time: at(2020, 1, 1, 0, 0, 0)},
		"-rw-r--r-- 1 0 0 3 Jan 01 2020 ../../etc/passwd":                 {Name: "../../etc/passwd", Size: 3, Hostile: true, Time: at(2020, 1, 1, 0, 0, 0)},
		// DOS
		"11-20-26  07:08AM              1234 a b.xml": {Name: "a b.xml", Size: 1234, Time: at(2026, 11, 20, 7, 8, 0)},
		"11-20-2026  19:08              1234  lead":   {Name: " lead", Size: 1234, Time: at(2026, 11, 20, 19, 8, 0)},
		"11-20-26  07:08PM       <DIR>          done": {Name: "done", Size: -1, Folder: true, Time: at(2026, 11, 20, 19, 8, 0)},
		"11-20-26  07:08PM       <JUNCTION>     j":    {Name: "j", Size: -1, Special: true, Time: at(2026, 11, 20, 19, 8, 0)},
		// MLSD
		"type=file;size=5;modify=20261120070809; a; b=c d":     {Name: "a; b=c d", Size: 5, Exact: true, Time: at(2026, 11, 20, 7, 8, 9)},
		"Modify=20261120070809.123;Type=dir;UNIX.mode=0755; d": {Name: "d", Size: -1, Folder: true, Exact: true, Time: at(2026, 11, 20, 7, 8, 9).Add(123 * time.Millisecond)},
		"type=OS.unix=slink:/etc/passwd;size=5; link":          {Name: "link", Size: 5, Special: true},
		"type=OS.unix=symlink;size=5; link":                    {Name: "link", Size: 5, Special: true},
		"type=file;size=5;  leading":                           {Name: " leading", Size: 5},
		"type=file;size=0x10; hex":                             {Name: "hex", Size: -1, Hostile: true},
		"type=file;size=1; ":                                   {Size: 1, Hostile: true},
		"what is this":                                         {Name: "what is this", Size: -1, Hostile: true},
	} {
		const known = "type=file;size=1; known\r\n"
		files, err := parseListing([]byte("total 8\r\n"+known+line+"\r\n"), now)
		if err != nil || len(files) != 2 || files[1] != want {
			t.Errorf("%q:\n got %+v, %v\nwant %+v", line, files, err, want)
		}
	}
	for _, text := range []string{"", "\r\n", "total 0\n", "type=cdir; .\r\ntype=pdir; ..\r\n", "drwxr-xr-x 2 0 0 4096 Jan 31 23:59 .\r\ndrwxr-xr-x 2 0 0 4096 Jan 31 23:59 ..\r\n"} {
		if files, err := parseListing([]byte(text), now); len(files) != 0 || err != nil {
			t.Errorf("%q: %+v, %v", text, files, err)
		}
	}
	if files, err := parseListing([]byte("hello\r\nworld\r\n"), now); err != errListing || files != nil {
		t.Errorf("%+v, %v", files, err)
	}
}

// FuzzParseListing: whatever a server lists, a name that is not marked as hostile is one, and no line is lost.
func FuzzParseListing(f *testing.F) {
	f.Add("type=file;size=5;modify=20261120070809; a\r\n-rw-r--r-- 1 0 0 3 Jan 01 2020 ../../etc/passwd\r\n")
	f.Add("11-20-26  07:08PM       <DIR>          done\r\ntotal 8\r\ntype=cdir; .\n")
	f.Fuzz(func(t *testing.T, text string) {
		files, err := parseListing([]byte(text), time.Now())
		if err != nil {
			return
		}
		for _, file := range files {
			if !file.Hostile && (hostileName(file.Name) || file.Size < -1) {
				t.Errorf("%+v", file)
			}
			if !file.Hostile && !strings.Contains(text, file.Name) {
				t.Errorf("%q is not in the listing", file.Name)
			}
		}
	})
}

// FuzzScreenNames: the packets of a hostile server are only input, and a slash never gets through.
func FuzzScreenNames(f *testing.F) {
	f.Add(lengths(uint32(1), uint32(1), "../x", "long", uint32(15), uint64(1), uint32(0), uint32(0), uint32(0o100644), uint32(1), uint32(1)))
	f.Add(lengths(uint32(1), uint32(1), "../x", "long", uint32(1<<31), uint32(1), "a", "b"))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := len(body)
		if screenNames(body) != nil {
			return
		}
		name, _, ok := packetString(body[8:])
		if len(body) != before || len(body) > 8 && body[7] == 1 && (!ok || strings.Contains(string(name), "/")) {
			t.Errorf("%q", body)
		}
	})
}

func TestRemoteErrorText(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                      "list: plain",
		"two\r\nlines":               "list: two  lines",
		"\x1b[2J\x00\u0085":          `list: \x1b[2J\x00\u0085`,
		"l\xf6ner":                   `list: l\xf6ner`,
		"löner\u202e":                `list: löner\u202e`,
		strings.Repeat("\u202e", 99): "list: " + strings.Repeat(`\u202e`, 32) + "...",
		strings.Repeat("å", 1000):    "list: " + strings.Repeat("å", 98) + "...",
		strings.Repeat("\x00", 99):   "list: " + strings.Repeat(`\x00`, 49) + "...",
	} {
		got := (&RemoteError{Step: stepList, Err: said{text, nil}}).Error()
		if got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
