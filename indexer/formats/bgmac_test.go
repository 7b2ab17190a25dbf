package formats

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// testKey is the one that Bankgirot publishes for tests.
const testKey = "1234567890ABCDEF1234567890ABCDEF"

func sealKey(t testing.TB, text string) SealKey {
	t.Helper()
	key, err := ParseSealKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sealOf is the seal written down in another way than bgMAC has it: the whole content at once, bytes replaced by a list.
func sealOf(key SealKey, content []byte) string {
	pairs := []byte("\xc9\x40\xc4\x5b\xd6\x5c\xc5\x5d\xdc\x5e\xe9\x60\xe4\x7b\xf6\x7c\xe5\x7d\xfc\x7e")
	var flat []byte
	for _, c := range content {
		at := bytes.IndexByte(pairs, c)
		switch {
		case c == '\r' || c == '\n':
			continue
		case at >= 0 && at%2 == 0:
			c = pairs[at+1]
		case c < ' ' || c > '~':
			c = 0xC3
		}
		flat = append(flat, c)
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(flat)
	return fmt.Sprintf("%X", mac.Sum(nil)[:16])
}

// sealed puts a seal around the records of a file, with end behind each of its own two.
func sealed(key SealKey, records []byte, end string) []byte {
	head := fmt.Sprintf("00261120HMAC%68s%s", "", end)
	content := append([]byte(head), records...)
	return fmt.Appendf(content, "99261120%s%s%8s%s", sealOf(key, []byte("00000000")), sealOf(key, content), "", end)
}

// verified reads a file with a key.
func verified(key SealKey, data []byte, next func() int) read {
	i := newInspector()
	i.CheckSeal(key)
	for len(data) > 0 {
		n := min(max(next(), 1), len(data))
		i.Write(data[:n])
		data = data[n:]
	}
	return i.close()
}

// sealedFiles are files of this folder, sealed; each is recorded there under its name.
func sealedFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files, key, list := testdata(t), sealKey(t, testKey), map[string][]byte{}
	for name, from := range map[string]string{"seal-lb": "lb-latin1", "seal-lb-utf8": "lb-utf8", "seal-lb-no-breaks": "lb-no-breaks",
		"seal-loner": "loner-iso646", "seal-loner-cp850": "loner-cp850", "seal-autogiro": "autogiro-lf", "seal-autogiro-short": "autogiro-short"} {
		end := "\r\n"
		switch name {
		case "seal-lb-no-breaks":
			end = ""
		case "seal-autogiro":
			end = "\n"
		}
		list[name+".txt"] = sealed(key, files[from+".txt"], end)
	}
	return list
}

func TestSealVerified(t *testing.T) {
	key, files := sealKey(t, testKey), testdata(t)
	for name, data := range sealedFiles(t) {
		if os.Getenv("RECORD_SEALS") != "" {
			if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(data, files[name]) {
			t.Errorf("%s is not as it is made here", name)
		}
		for _, next := range []func() int{whole(data), always(1), always(79), always(81), randomly(3, 300)} {
			got := verified(key, data, next)
			if len(got.Problems) > 0 || got.Facts.FindingsAll > 0 || got.Facts.Format != "bg-sealed" || got.Facts.Payments == 0 {
				t.Errorf("%s: %v, %+v", name, got.Problems, got.Facts)
			}
		}
		bare := bytes.TrimRight(data, " \r\n")
		if got := verified(key, bare, always(7)); len(got.Problems) > 0 {
			t.Errorf("%s, not terminated: %v", name, got.Problems)
		}
		if got := verified(sealKey(t, "000102030405060708090a0b0c0d0e0f"), data, always(64)); !slices.Equal(got.Problems, []Problem{
			{SealMismatch, "its seal was made with another key: the key's check value differs"}}) {
			t.Errorf("%s, another key: %v", name, got.Problems)
		}
	}
	// Line ends are not covered; the letters of ISO-8859-1 and ISO 646 count as one.
	latin := sealedFiles(t)["seal-lb.txt"]
	turned := bytes.ReplaceAll(latin, []byte("\r\n"), []byte("\n\n"))
	for _, pair := range []string{"\xc4[", "\xd6\\", "\xc5]"} {
		turned = bytes.ReplaceAll(turned, []byte(pair[:1]), []byte(pair[1:]))
	}
	if got := verified(key, turned, always(33)); len(got.Problems) > 0 || got.Facts.Encoding != "iso-646-se" {
		t.Errorf("line ends and ISO 646: %v", got.Problems)
	}
	// What was converted to UTF-8 after it was sealed is not what was sealed.
	var utf8 []byte
	for _, c := range latin {
		utf8 = append(utf8, string(rune(c))...)
	}
	if got := verified(key, utf8, always(33)); !slices.Equal(got.Problems, []Problem{{SealMismatch,
		"its seal does not fit its content: it was changed after sealing, perhaps by a conversion to UTF-8"}}) {
		t.Errorf("converted: %v", got.Problems)
	}
	// A file that should have a seal and has none may have lost it. What comes from Bankgirot has none.
	for name, want := range map[string]bool{"lb-latin1.txt": true, "loner-latin1.txt": true, "autogiro-latin1.txt": true,
		"lb-report.txt": false, "bgmax-latin1.txt": false, "autogiro-report-medavi.txt": false, "pain001-typical.xml": false} {
		if got := verified(key, files[name], always(33)); has(got.Problems, SealMismatch) != want {
			t.Errorf("%s, not sealed: %v", name, got.Problems)
		}
	}
}

// TestSealFlips flips a bit of each byte. What the seal covers is never taken: where it is not the seal that tells, the format
// does, or the file is no sealed one any more. Line ends are not covered, but what is made of one is; nor are bytes that the
// seal's alphabet has as one.
func TestSealFlips(t *testing.T) {
	key := sealKey(t, testKey)
	files := sealedFiles(t)
	if real, err := os.ReadFile(filepath.Join(samplesDir, "bg-sealed", "go-bankgiro__blank-rows-signed.txt")); err == nil {
		if got := verified(key, real, always(100)); len(got.Problems) > 0 || got.Facts.Format != "bg-sealed" {
			t.Errorf("the published file: %v", got.Problems)
		}
		files["published"] = real
	}
	for name, data := range files {
		end := bytes.LastIndex(data, []byte("99261120"))
		if name == "published" {
			end = bytes.LastIndex(data, []byte("\n99")) + 1
		}
		mismatches := 0
		for at := range end + 72 {
			for _, bit := range []byte{1, 8} {
				broken := bytes.Clone(data)
				broken[at] ^= bit
				got := verified(key, broken, always(4096))
				if has(got.Problems, SealMismatch) {
					mismatches++
				}
				written := at >= end && at < end+8 // TK99's own code and date
				same := sealOf(key, data[at:at+1]) == sealOf(key, broken[at:at+1])
				if len(got.Problems) == 0 && !written && !same {
					t.Errorf("%s: byte %d, bit %d: taken", name, at, bit)
				}
			}
		}
		if mismatches < 8*(2*end)/10 {
			t.Errorf("%s: only %d of %d flips were told by the seal", name, mismatches, 2*end)
		}
		t.Logf("%s: %d of %d flips were told by the seal, the others by the format", name, mismatches, 2*(end+72))
	}
}

func TestParseSealKey(t *testing.T) {
	for _, text := range []string{"", "12", testKey + "00", testKey[1:] + "G", testKey[:16] + " " + testKey[17:], "\xff" + testKey[1:]} {
		if _, err := ParseSealKey([]byte(text)); err == nil {
			t.Errorf("%q is no key", text)
		}
	}
	if sealKey(t, testKey) != sealKey(t, " 1234567890abcdef1234567890abcdef\r\n") {
		t.Error("case or blanks matter")
	}
	if m := newBGMAC(new(sealKey(t, testKey))); fmt.Sprintf("%X", m.check) != "FF365893D899291C3BF505FB3175E880" {
		t.Errorf("the published key's check value is %X", m.check)
	}
}
