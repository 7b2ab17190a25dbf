package transport

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	// unixLine is a line of ls -l: type, links, owner and group, size, date, name. Owners may have spaces, so they are not
	// counted; but links are no size, nor is the owner behind them a month.
	unixLine = regexp.MustCompile(`^([a-zA-Z-])[rwxsStTlL-]{9}[+.@]?(?:\s+\d+)?\s.*?(?:\s(\d+)|,\s*\d+)\s+(\pL{3,}\.?)\s+(\d{1,2})\s+(\d{1,2}:\d\d|\d{4}) (.*)$`)
	// dosLine is a line of DIR.
	dosLine = regexp.MustCompile(`^(\d\d-\d\d-\d{2}(?:\d\d)?)\s+(\d\d:\d\d(?:[AP]M)?)\s+(?:(<\w+>)\s+|(\d+) )(.*)$`)
)

var errListing = errors.New("the listing is in no form that is known")

// parseListing reads a listing, of MLSD or of LIST. Nothing of it is left out but the folder itself and the one above: a
// line that cannot be read becomes a hostile entry, and a listing of which no line can be read is an error.
func parseListing(text []byte, now time.Time) (files []RemoteFile, err error) {
	odd := 0
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		line := string(bytes.TrimSuffix(line, []byte("\r")))
		if line == "" || isTotal(line) {
			continue
		}
		f, here, ok := factsLine(line)
		if !ok {
			f, ok = listLine(line, now)
		}
		switch {
		case !ok:
			odd++
			files = append(files, RemoteFile{Name: line, Size: -1, Hostile: true})
		case here || f.Name == "." || f.Name == "..":
		default:
			f.Hostile = f.Hostile || hostileName(f.Name) || strings.Contains(f.Name, "\xff") // see ftps.path
			files = append(files, f)
		}
	}
	if odd > 0 && odd == len(files) {
		return nil, errListing
	}
	return files, nil
}

// isTotal: the first line of ls -l.
func isTotal(line string) bool {
	rest, ok := strings.CutPrefix(line, "total ")
	_, err := strconv.ParseUint(rest, 10, 64)
	return ok && err == nil
}

// factsLine reads a line of MLSD: "type=file;size=3;modify=20261121120000; NAME". here: it is the folder itself or the one
// above.
func factsLine(line string) (f RemoteFile, here, ok bool) {
	facts, name, found := strings.Cut(line, " ")
	if !found || !strings.Contains(facts, "=") || !strings.HasSuffix(facts, ";") {
		return f, false, false
	}
	f = RemoteFile{Name: name, Size: -1}
	for fact := range strings.SplitSeq(strings.TrimSuffix(facts, ";"), ";") {
		key, value, found := strings.Cut(fact, "=")
		if !found {
			return f, false, false
		}
		switch strings.ToLower(key) {
		case "type":
			switch strings.ToLower(value) {
			case "cdir", "pdir":
				here = true
			case "dir":
				f.Folder = true
			case "file":
			default: // OS.unix=slink:/target and the like
				f.Special = true
			}
		case "size":
			f.Size, f.Hostile = sizeOf(value)
		case "modify":
			t, _ := time.Parse("20060102150405", value) // with or without a fraction
			f.Time = fileTime(t)
			f.Exact = !f.Time.IsZero()
		}
	}
	return f, here, true
}

func sizeOf(text string) (size int64, wrong bool) {
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 0 {
		return -1, true
	}
	return size, false
}

// listLine reads a line of LIST, as Unix or DOS writes it. Their times are in a zone that nobody tells: they are read as UTC.
func listLine(line string, now time.Time) (f RemoteFile, ok bool) {
	if m := unixLine.FindStringSubmatch(line); m != nil {
		f = RemoteFile{Name: m[6], Time: fileTime(unixTime(m[3], m[4], m[5], now)), Folder: m[1] == "d"}
		f.Special = !f.Folder && m[1] != "-"
		f.Size, f.Hostile = sizeOf(m[2])
		if f.Special {
			f.Hostile = false // a device has no size
		}
		if m[1] == "l" {
			f.Name, _, _ = strings.Cut(f.Name, " -> ")
		}
		return f, true
	}
	if m := dosLine.FindStringSubmatch(line); m != nil {
		f = RemoteFile{Name: m[5], Size: -1, Folder: m[3] == "<DIR>", Special: m[3] != "" && m[3] != "<DIR>"}
		if m[3] == "" {
			f.Size, f.Hostile = sizeOf(m[4])
		}
		for _, form := range []string{"01-02-06 03:04PM", "01-02-06 15:04", "01-02-2006 03:04PM", "01-02-2006 15:04"} {
			if t, err := time.Parse(form, m[1]+" "+m[2]); err == nil {
				f.Time = fileTime(t)
			}
		}
		return f, true
	}
	return f, false
}

// unixTime reads the date of ls -l, which has either the year or the time; the zero time if its month is in another language.
func unixTime(month, day, clock string, now time.Time) time.Time {
	if !strings.Contains(clock, ":") {
		t, _ := time.Parse("Jan 2 2006", month+" "+day+" "+clock)
		return t
	}
	for _, year := range []int{now.Year() + 1, now.Year(), now.Year() - 1} {
		t, err := time.Parse("2006 Jan 2 15:4", strconv.Itoa(year)+" "+month+" "+day+" "+clock)
		if err == nil && t.Before(now.Add(36*time.Hour)) { // a clock may be wrong, and a zone a day ahead
			return t
		}
	}
	return time.Time{}
}
