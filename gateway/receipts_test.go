package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// receiptsOf reads all receipts of an account as its customer does, and checks that each is as long as it is listed, the same each
// time, and signed.
func (h *house) receiptsOf(t testing.TB, account string) map[string][]byte {
	t.Helper()
	public, err := vault.ParseReceiptPublicKey([]byte(h.ReceiptKey().PublicKey))
	must(t, err)
	list, err := h.Receipts(t.Context(), account, 1000)
	must(t, err)
	receipts := map[string][]byte{}
	for _, entry := range list {
		text, _, err := h.Receipt(t.Context(), account, entry.Name)
		must(t, err)
		again, _, err := h.Receipt(t.Context(), account, entry.Name)
		if err != nil || !bytes.Equal(text, again) || int64(len(text)) != entry.Size {
			t.Errorf("%s: %d bytes, listed as %d, %v", entry.Name, len(text), entry.Size, err)
		}
		body, err := public.Open(text)
		var r, whole struct {
			ID, Account, Signature string
			Ledger                 receiptLedger
		}
		if err != nil || json.Unmarshal(body, &r) != nil || r.Account != account || r.Signature != "" {
			t.Errorf("%s: %v\n%s", entry.Name, err, text)
		}
		if json.Unmarshal(text, &whole) != nil || len(whole.Signature) != 88 || whole.ID != r.ID || whole.Ledger != r.Ledger {
			t.Errorf("%s is no JSON with a signature:\n%s", entry.Name, text)
		}
		receipts[entry.Name] = text
	}
	return receipts
}

// TestReceiptsAreSigned: those of accepted, held and rejected files, of locked accounts, and those that are delivered; by the same key
// after a restart, and by the same bytes whoever has looked at the file meanwhile.
func TestReceiptsAreSigned(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	accepted, err := h.push(t, "acme", "a \"name\" & <more>\u2028.xml", pain001(t, "a", 2))
	must(t, err)
	h.push(t, "acme", "held.txt", []byte("not a payment"))
	h.push(t, "acme", "empty.xml", nil)
	for _, name := range []string{"one.txt", "two.txt"} {
		must(t, second(h.push(t, "safe", name, []byte(name))))
	}
	before := map[string]map[string][]byte{"acme": h.receiptsOf(t, "acme"), "safe": h.receiptsOf(t, "safe")}
	if len(before["acme"]) != 3 || len(before["safe"]) != 2 {
		t.Fatalf("%d and %d receipts", len(before["acme"]), len(before["safe"]))
	}
	content, err := h.Content(t.Context(), "acme", transport.Sending{Kind: indexer.SendReceipt, File: accepted.ID})
	must(t, err)
	delivered, err := io.ReadAll(content)
	if err != nil || !bytes.Equal(delivered, before["acme"][receiptNameOf(before["acme"], accepted.ID)]) {
		t.Errorf("delivered: %v\n%s", err, delivered)
	}
	_, copy, err := h.HandOut(t.Context(), CopyQuery{ID: accepted.ID, For: "to open"}, "uid:7")
	must(t, err, copy.Close(), h.Hidden(t.Context(), guest, accepted.ID))
	h.reopen(t)
	for account, receipts := range before {
		for name, text := range h.receiptsOf(t, account) {
			if !bytes.Equal(text, receipts[name]) {
				t.Errorf("%s: %s has become\n%s", name, receipts[name], text)
			}
		}
	}
	// Unlocked, a receipt is whole, and names the same row.
	h.unlockFor(t, time.Minute)
	check := h.newCheck(t)
	for _, receipts := range []map[string][]byte{before["safe"], h.receiptsOf(t, "safe")} {
		for name, text := range receipts {
			must(t, check.Receipt(name, text))
		}
	}
	if len(check.rows) != 2 {
		t.Errorf("two files, and rows %v", check.rows)
	}
}

// receiptNameOf finds a receipt by its file's id.
func receiptNameOf(receipts map[string][]byte, id string) string {
	for name := range receipts {
		if strings.HasSuffix(name, "."+shortID(id)+".json") {
			return name
		}
	}
	return ""
}

func (h *house) newCheck(t testing.TB) *ReceiptCheck {
	t.Helper()
	public, err := vault.ParseReceiptPublicKey([]byte(h.ReceiptKey().PublicKey))
	must(t, err)
	return NewReceiptCheck(public)
}

// printedLedger is what `sealgate ledger --json` prints, a row a line.
func (h *house) printedLedger(t testing.TB, account string) (lines []string) {
	t.Helper()
	for e, err := range h.Ledger(t.Context(), account) {
		must(t, err)
		line, err := json.Marshal(e)
		must(t, err)
		lines = append(lines, string(line))
	}
	return lines
}

// TestReceiptsProveTheLedger: what verify-receipt says of a ledger that was changed, cut or made anew.
func TestReceiptsProveTheLedger(t *testing.T) {
	h := newHouse(t)
	push := func(n int) {
		must(t, second(h.push(t, "acme", fmt.Sprintf("%d.txt", n), fmt.Appendf(nil, "no payment %d", n))))
		h.Hidden(t.Context(), guest, h.files(t, "acme")[0].ID) // a row that no receipt names
	}
	for n := range 3 {
		push(n)
	}
	lines, receipts := h.printedLedger(t, "acme"), h.receiptsOf(t, "acme")
	if len(lines) != 6 || len(receipts) != 3 {
		t.Fatalf("%d rows, %d receipts", len(lines), len(receipts))
	}
	// Another gateway's ledger of the same account, in which the same things happened: sound by itself.
	another := newHouse(t)
	for n := range 3 {
		must(t, second(another.push(t, "acme", fmt.Sprintf("%d.txt", n), fmt.Appendf(nil, "no payment %d", n))))
		another.Hidden(t.Context(), guest, another.files(t, "acme")[0].ID)
	}
	name := map[int64]string{}
	checkOf := func() *ReceiptCheck {
		check := h.newCheck(t)
		for file, text := range receipts {
			must(t, check.Receipt(file, text))
		}
		for at, row := range check.rows {
			name[at.sequence] = row.file
		}
		return check
	}
	checkOf()
	for what, c := range map[string]struct {
		lines  []string
		proven int64
		want   []string
	}{
		"as it is":         {lines, 5, nil},
		"longer since":     {append(slices.Clone(lines), ""), 5, nil},
		"cut after all":    {lines[:5], 5, nil}, // rows behind the newest receipt: nobody can tell
		"cut":              {lines[:4], 3, []string{"row 5, which " + name[5] + " names, is not in it: it ends with row 4, and was cut"}},
		"nothing":          {nil, 0, []string{"row 1, which " + name[1] + " names, is not in it: it ends with row 0, and was cut", "row 3, which", "row 5, which"}},
		"a row taken out":  {slices.Delete(slices.Clone(lines), 2, 3), 1, []string{"row 3 is missing", "row 3, which " + name[3] + " names, was taken out of it"}},
		"another row":      {slices.Delete(slices.Clone(lines), 3, 4), 3, []string{"row 4 is missing"}},
		"a row changed":    {replaced(lines, 3, `"who":"uTEST"`, `"who":"uEVIL"`), 3, []string{"row 4 was changed"}},
		"a proven one":     {replaced(lines, 2, `"who":"uTEST"`, `"who":"uEVIL"`), 1, []string{"row 3 was changed", "row 3 is not the one that " + name[3] + " names: it was rewritten, from a row after 1 on"}},
		"made anew":        {another.printedLedger(t, "acme"), 0, []string{"row 1 is not the one that " + name[1], "row 3 is not", "row 5 is not the one that " + name[5] + " names: it was rewritten, from a row after 0 on; or this is another account's ledger"}},
		"reordered":        {append(append(slices.Clone(lines[:3]), lines[4], lines[3]), lines[5]), 3, []string{"row 4 is missing"}},
		"its beginning":    {lines[1:], 0, []string{"row 1 is missing", "row 1, which " + name[1] + " names, was taken out of it"}},
		"a member twice":   {replaced(lines, 3, `"kind":"hidden"`, `"kind":"held","KIND":"hidden"`), 3, []string{"row 4 is not as it was printed"}},
		"one more":         {replaced(lines, 3, `"kind":"hidden"`, `"kind":"hidden","note":"all is well"`), 3, []string{"row 4 is not as it was printed"}},
		"a row put behind": {append(slices.Clone(lines), lines[5]), 5, []string{"row 6 comes after row 6"}},
	} {
		got, err := checkOf().Ledger(strings.NewReader(strings.Join(c.lines, "\n")))
		must(t, err)
		if got.Proven != c.proven || len(got.Problems) != len(c.want) {
			t.Errorf("%s: %+v, want %d, %q", what, got, c.proven, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got.Problems[i], want) {
				t.Errorf("%s: %q, want %q", what, got.Problems[i], want)
			}
		}
	}
	for _, text := range []string{"row 1\n", "{}{}\n", `{"seq":"1"}`} {
		if _, err := checkOf().Ledger(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q is a ledger", text)
		}
	}
}

func replaced(lines []string, at int, old, now string) []string {
	lines = slices.Clone(lines)
	lines[at] = strings.Replace(lines[at], old, now, 1)
	return lines
}

// TestReceiptsProveEachOther: two receipts of a ledger that was made anew between them, and what is no receipt.
func TestReceiptsProveEachOther(t *testing.T) {
	h := newHouse(t)
	must(t, second(h.push(t, "acme", "a.txt", []byte("not a payment"))))
	receipts := h.receiptsOf(t, "acme")
	check := h.newCheck(t)
	var one []byte
	for name, text := range receipts {
		must(t, check.Receipt(name, text), check.Receipt("copy of "+name, text))
		one = text
	}
	// What the same gateway would sign, had the ledger been made anew.
	body, err := check.key.Open(one)
	must(t, err)
	var r receipt
	must(t, json.Unmarshal(body, &r))
	sign := func(old, now string) []byte {
		text, err := h.receiptKey.Sign(bytes.Replace(body, []byte(old), []byte(now), 1))
		must(t, err)
		return text
	}
	err = check.Receipt("b.json", sign(r.Ledger.Hash, digest([]byte("another"))))
	if err == nil || !strings.HasPrefix(err.Error(), "it names another row 1 of the ledger of account acme than a.txt") &&
		!strings.HasPrefix(err.Error(), "it names another row 1 of the ledger of account acme than copy of a.txt") {
		t.Errorf("made anew: %v", err)
	}
	err = check.Receipt("c.json", sign(r.ID, "01M7YQ7RB13T9HD8QE7K4M2X0V"))
	if err == nil || !strings.Contains(err.Error(), "which is of another delivery") {
		t.Errorf("another delivery: %v", err)
	}
	for what, text := range map[string][]byte{"sum": sign(r.SHA256, digest([]byte("another"))), "size": sign(`"size": 13`, `"size": 14`)} {
		if err = check.Receipt("d.json", text); err == nil || !strings.Contains(err.Error(), "it tells of another content in row 1 ") {
			t.Errorf("another %s: %v", what, err)
		}
	}
	locked := sign(fmt.Sprintf(",\n  \"sha256\": %q", r.SHA256), "") // names no sum
	must(t, check.Receipt("locked", locked))
	if err = check.Receipt("e.json", sign(r.SHA256, digest([]byte("another")))); err == nil {
		t.Error("a receipt of another content counts beside one without a sum")
	}
	must(t, check.Receipt("of beta", sign(`"account": "acme"`, `"account": "beta"`)))
	for what, text := range map[string][]byte{
		"no hash": sign(r.Ledger.Hash, r.Ledger.Hash[2:]), "no account": sign(`"account": "acme"`, `"account": ""`), "no row": sign(`"sequence": 1`, `"sequence": 0`),
	} {
		if err := check.Receipt(what, text); !errors.Is(err, errNotReceipt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := newHouse(t).newCheck(t).Receipt("a.json", one); !errors.Is(err, vault.ErrForged) {
		t.Errorf("of another gateway: %v", err)
	}
	if names, newest := check.Accounts(); !slices.Equal(names, []string{"acme", "beta"}) || newest["acme"] != 1 {
		t.Errorf("%v, %v", names, newest)
	}
}

// TestAReceiptSaysWhatItsRowSays: a signature does not make an acceptance of a rejection, nor two verdicts of one row.
func TestAReceiptSaysWhatItsRowSays(t *testing.T) {
	h := newHouse(t)
	for _, decision := range []string{"", "release", "refuse"} {
		r, err := h.push(t, "acme", decision+"held.txt", []byte("not a payment"+decision))
		must(t, err)
		if decision != "" {
			must(t, second(h.Gateway.Decide(t.Context(), Decision{ID: r.ID, Release: decision == "release", Reason: "x"}, "uid:7")))
		}
	}
	ledger := strings.Join(h.printedLedger(t, "acme"), "\n")
	verdicts := map[indexer.Verdict]int{}
	for name, text := range h.receiptsOf(t, "acme") {
		check := h.newCheck(t)
		must(t, check.Receipt(name, text))
		if got, err := check.Ledger(strings.NewReader(ledger)); err != nil || len(got.Problems) != 0 {
			t.Errorf("%s as it is: %q, %v", name, got.Problems, err)
		}
		body, err := check.key.Open(text)
		must(t, err)
		var r receipt
		must(t, json.Unmarshal(body, &r))
		verdicts[r.Verdict]++
		for _, other := range []indexer.Verdict{indexer.Accepted, indexer.Held, indexer.Rejected} {
			if other == r.Verdict {
				continue
			}
			forged, err := h.receiptKey.Sign(bytes.Replace(body, fmt.Appendf(nil, `"verdict": %q`, r.Verdict), fmt.Appendf(nil, `"verdict": %q`, other), 1))
			must(t, err)
			if err := check.Receipt("forged", forged); err == nil || !strings.Contains(err.Error(), "another verdict") {
				t.Errorf("%s beside %s: %v", other, r.Verdict, err)
			}
			alone := h.newCheck(t)
			must(t, alone.Receipt("forged", forged))
			got, err := alone.Ledger(strings.NewReader(ledger))
			if err != nil || len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "does not say "+string(other)) || got.Proven != r.Ledger.Sequence {
				t.Errorf("%s over %s: %+v, %v", other, r.Verdict, got, err)
			}
		}
	}
	if len(verdicts) != 3 {
		t.Errorf("not all verdicts are tried: %v", verdicts)
	}
}

// FuzzReceipt: whatever a key has signed, and whatever is said to be a ledger, the check ends, and only a receipt counts.
func FuzzReceipt(f *testing.F) {
	key := vault.NewReceiptKey()
	f.Add([]byte("{\n  \"account\": \"acme\",\n  \"ledger\": {\n    \"sequence\": 1,\n    \"hash\": \""+strings.Repeat("0", 64)+"\"\n  }\n}\n"), []byte("{\"seq\":1,\"at\":\"2026-11-22T00:00:00Z\",\"kind\":\"held\"}\n"))
	f.Add([]byte("{}\n}\n"), []byte(`{"seq":9223372036854775807}`+"\n"+`{"seq":-9223372036854775808}`))
	f.Fuzz(func(t *testing.T, body, ledger []byte) {
		check := NewReceiptCheck(key.Public())
		if check.Receipt("plain", body) == nil {
			t.Errorf("%q counts without a signature", body)
		}
		if signed, err := key.Sign(body); err == nil && check.Receipt("signed", signed) == nil {
			if names, _ := check.Accounts(); len(names) != 1 || !json.Valid(signed) {
				t.Errorf("%q: %v", signed, names)
			}
		}
		found, err := check.Ledger(bytes.NewReader(ledger))
		if err == nil && len(check.rows) > 0 && len(found.Problems) == 0 {
			t.Errorf("%q holds what was never in a ledger", ledger)
		}
	})
}
