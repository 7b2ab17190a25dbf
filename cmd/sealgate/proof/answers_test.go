package proof

import (
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// spelling is a text as a file has it, and as whoever looks for it may type it.
type spelling struct{ written, typed string }

var (
	spelledNames = []spelling{{"", ""}, {"Åkeri Öst", "akeri ost"}, {"A\u030akeri  O\u0308ST", "Åkeri Öst"}, {"straße", "STRAßE"}, {"İz ısı ſ", "iz ısı"}, {"שלום\u202e", "לום"},
		{"日本😀", "本😀"}, {"a\u009b31m\u007f\u2028b", "31m"}, {"50% _*?[x]", "% _*?[X"}, {strings.Repeat("Lång ", 27) + "!", "ng la"}, {"O'Neill\tAB", "neill ab"}}
	spelledAccounts = []spelling{{"SE4550000000058398257466", "se45 5000 0000 0583 9825 7466"}, {"5555-1234", "55551234"}, {"0055551234", "5555-1234"}, {"åÅ-1", "åÅ1"}, {"000", "00"}}
	spelledIDs      = []spelling{{"NOTPROVIDED", "not provided"}, {"Faktura 7-11", "FAKTURA711"}, {"é/É", "é/É"}, {"x\u2028y", "X\u2028Y"}, {strings.Repeat("9", 35), strings.Repeat("9", 35)}}
	spelledAmounts  = []string{"0", "0.01", "1.5", "1.50", "001.500", "999999999999999999", "9999999999999.99999", "700", "4711.50"}
	spelledCurrency = []string{"SEK", "JPY", "KWD", "EUR"}
)

// asked is a file as it was sent, and the line that `files` has of it.
type asked struct {
	name     spelling
	message  string
	verdict  string
	payments []askedPayment
	id, at   string
}

type askedPayment struct {
	no                                   int64
	id, payer, payee, payerName, payName int // in the tables above
	reference                            int
	amount, currency, date               string
}

// write makes a pain.001 of n payments.
func (f *asked) write(r *rand.Rand, n int) []byte {
	var b strings.Builder
	safe := strings.NewReplacer("&", "&amp;", "<", "&lt;")
	f.message = fmt.Sprintf("MSG %d é", r.IntN(1_000_000))
	fmt.Fprintf(&b, `<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"><CstmrCdtTrfInitn><GrpHdr><MsgId>%s</MsgId><CreDtTm>2026-11-20T15:02:11</CreDtTm><NbOfTxs>%d</NbOfTxs><InitgPty/></GrpHdr>`, f.message, n)
	for no := 1; no <= n; {
		batch := askedPayment{payer: r.IntN(len(spelledAccounts)), payerName: r.IntN(len(spelledNames)), date: fmt.Sprintf("2026-12-%02d", 1+r.IntN(28))}
		fmt.Fprintf(&b, `<PmtInf><PmtInfId>P</PmtInfId><ReqdExctnDt>%s</ReqdExctnDt><Dbtr><Nm>%s</Nm></Dbtr><DbtrAcct><Id><Othr><Id>%s</Id></Othr></Id></DbtrAcct>`,
			batch.date, safe.Replace(spelledNames[batch.payerName].written), spelledAccounts[batch.payer].written)
		for last := min(n, no+r.IntN(500)); no <= last; no++ {
			p := batch
			p.no, p.id, p.reference, p.payee, p.payName = int64(no), r.IntN(len(spelledIDs)), r.IntN(len(spelledIDs)), r.IntN(len(spelledAccounts)), r.IntN(len(spelledNames))
			p.amount, p.currency = spelledAmounts[r.IntN(len(spelledAmounts))], spelledCurrency[r.IntN(len(spelledCurrency))]
			if r.IntN(3) > 0 {
				p.amount = fmt.Sprintf("%d.%02d", r.IntN(5000), r.IntN(100))
			}
			f.payments = append(f.payments, p)
			fmt.Fprintf(&b, `<CdtTrfTxInf><PmtId><EndToEndId>%s</EndToEndId></PmtId><Amt><InstdAmt Ccy="%s">%s</InstdAmt></Amt><Cdtr><Nm>%s</Nm></Cdtr><CdtrAcct><Id><Othr><Id>%s</Id></Othr></Id></CdtrAcct><RmtInf><Ustrd>%s</Ustrd></RmtInf></CdtTrfTxInf>`,
				spelledIDs[p.id].written, p.currency, p.amount, safe.Replace(spelledNames[p.payName].written), spelledAccounts[p.payee].written, spelledIDs[p.reference].written)
		}
		b.WriteString(`</PmtInf>`)
	}
	return []byte(b.String() + `</CstmrCdtTrfInitn></Document>`)
}

type condition func(f *asked, p *askedPayment) bool

// question is a random one about payments, about this one at least.
func question(r *rand.Rand, f *asked, p *askedPayment) (args []string, all condition) {
	same := func(typed, written int) bool { return typed == written || typed*written == 2 } // 1 and 2 of a table mean each other
	value := func(a string) *big.Rat { v, _ := new(big.Rat).SetString(a); return v }
	var conditions []condition
	add := func(flag, v string, c condition) { args, conditions = append(args, flag+"="+v), append(conditions, c) }
	for _, i := range r.Perm(14)[:1+r.IntN(3)] {
		switch i {
		case 0:
			add("--min", p.amount, func(_ *asked, q *askedPayment) bool { return value(q.amount).Cmp(value(p.amount)) >= 0 })
		case 1:
			add("--max", p.amount, func(_ *asked, q *askedPayment) bool { return value(q.amount).Cmp(value(p.amount)) <= 0 })
		case 2:
			add("--currency", strings.ToLower(p.currency), func(_ *asked, q *askedPayment) bool { return q.currency == p.currency })
		case 3:
			add("--end-to-end-id", spelledIDs[p.id].typed, func(_ *asked, q *askedPayment) bool { return q.id == p.id })
		case 4:
			add("--reference", spelledIDs[p.reference].typed, func(_ *asked, q *askedPayment) bool { return q.reference == p.reference })
		case 5:
			add("--iban", spelledAccounts[p.payee].typed, func(_ *asked, q *askedPayment) bool {
				return same(p.payee, q.payee) || same(p.payee, q.payer)
			})
		case 6, 7:
			add("--name", spelledNames[p.payName].typed, func(_ *asked, q *askedPayment) bool {
				return p.payName == 0 || same(p.payName, q.payName) || same(p.payName, q.payerName)
			})
		case 8:
			add("--from", p.date, func(_ *asked, q *askedPayment) bool { return q.date >= p.date })
		case 9:
			add("--to", p.date, func(_ *asked, q *askedPayment) bool { return q.date <= p.date })
		case 10:
			add("--since", f.at, func(g *asked, _ *askedPayment) bool { return g.at >= f.at })
		case 11:
			add("--until", f.at, func(g *asked, _ *askedPayment) bool { return g.at < f.at })
		case 12:
			add("--verdict", f.verdict, func(g *asked, _ *askedPayment) bool { return g.verdict == f.verdict })
		case 13:
			add("--file", strings.ToLower(f.id[16:]), func(g *asked, _ *askedPayment) bool { return g == f })
		}
	}
	return args, func(g *asked, q *askedPayment) bool {
		return !slices.ContainsFunc(conditions, func(c condition) bool { return !c(g, q) })
	}
}

// lines are the answers to a question with --json; as a table it must have as many, and nothing that a terminal would obey.
func lines[T any](g *gateway, args ...string) (list []T) {
	g.t.Helper()
	for d := json.NewDecoder(strings.NewReader(g.must(append(args, "--json", "-c", g.config)...))); ; {
		var line T
		if err := d.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			g.t.Fatal(err)
		}
		list = append(list, line)
	}
	if args[0] == "files" || len(list) < 200 {
		table := g.must(append(args, "-c", g.config)...)
		if n := strings.Count(table, "\n"); n != len(list)+min(1, len(list)) {
			g.t.Errorf("%q: %d lines for %d answers", args, n, len(list))
		}
		if strings.ContainsFunc(table, func(c rune) bool {
			return c != '\n' && (!unicode.IsGraphic(c) || unicode.In(c, unicode.Zl, unicode.Bidi_Control))
		}) {
			g.t.Errorf("%q: %q", args, table)
		}
	}
	return list
}

// ask puts many random questions and holds the answers against a look at all that was sent.
func ask(t *testing.T, g *gateway, r *rand.Rand, sent []*asked, n int) {
	t.Helper()
	for i, row := range lines[struct {
		row
		ReceivedAt string `json:"received_at"`
	}](g, "files", "--all") {
		if i >= len(sent) || sent[i].name.written != row.Name || sent[i].verdict != row.Verdict || int64(len(sent[i].payments)) != row.Payments {
			t.Fatalf("line %d of files: %+v", i, row)
		}
		sent[i].id, sent[i].at = row.ID, row.ReceivedAt
	}
	for range n {
		f := sent[r.IntN(len(sent))]
		if f.verdict == "rejected" {
			continue
		}
		args, wanted := question(r, f, &f.payments[r.IntN(len(f.payments))])
		var want []string
		for _, f := range sent {
			for i := range f.payments {
				if p := &f.payments[i]; f.verdict != "rejected" && wanted(f, p) {
					want = append(want, fmt.Sprintln(f.id, p.no, p.currency, p.date, spelledIDs[p.id].written, spelledNames[p.payName].written))
				}
			}
		}
		if r.IntN(3) == 0 && len(want) > 0 {
			limit := 1 + r.IntN(len(want))
			args, want = append(args, fmt.Sprint("--limit=", limit)), want[:limit]
		}
		var got []string
		for _, l := range lines[struct {
			File  string `json:"file_id"`
			Index int64
			Cur   string `json:"currency"`
			ID    string `json:"end_to_end_id"`
			Payee string `json:"payee_name"`
			Date  string `json:"execution_date"`
		}](g, append([]string{"payments"}, args...)...) {
			got = append(got, fmt.Sprintln(l.File, l.Index, l.Cur, l.Date, l.ID, l.Payee))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %d answers, want %d: %.150q, want %.150q", args, len(got), len(want), got, want)
		}
		count := 0
		for _, g := range sent {
			if g.name.typed == f.name.typed && g.verdict == f.verdict && g.at >= f.at {
				count++
			}
		}
		if rows := g.files("--name", f.name.typed, "--verdict", f.verdict, "--since", f.at); len(rows) != count {
			t.Errorf("files --name %q --verdict %s --since %s: %d, want %d", f.name.typed, f.verdict, f.at, len(rows), count)
		}
	}
	taken, payments := 0, int64(0)
	for _, l := range lines[struct{ Payments int64 }](g, "report", "--by", "day,format") {
		payments += l.Payments
	}
	for _, f := range sent {
		if f.verdict == "accepted" {
			taken++
			payments -= int64(len(f.payments))
		}
	}
	if payments != 0 || len(g.files("--verdict", "accepted")) != taken {
		t.Errorf("report has %d payments more than the files", payments)
	}
}

// TestAnswersAsByScan: of files with whatever may stand in one, accepted, held, rejected, released and refused, every question has the
// answers that a look at all that was sent gives, in the same order, while the gateway runs and while it does not.
func TestAnswersAsByScan(t *testing.T) {
	g, r := newGateway(t, options{accounts: strings.Replace(acme, "duplicate-content: reject", "duplicate-content: hold", 1), env: []string{"TZ=UTC"}}), rand.New(rand.NewPCG(21, 22))
	s := g.door().sit(t)
	names := []spelling{{"Lo\u0308ner.xml", "löner"}, {"LÖNER.xml", "löner"}, {"a[1].xml", "A[1]"}, {"50%😀.xml", "%😀.x"}}
	var sent []*asked
	for i := range 16 {
		f := &asked{name: names[i%len(names)], verdict: "accepted"}
		content := f.write(r, 1+r.IntN(60)+i%5/4*1100)
		sent = append([]*asked{f}, sent...)
		switch i % 4 {
		case 1, 2:
			again := *f
			again.verdict = "held"
			sent = append([]*asked{&again}, sent...)
			s.push(f.name.written, content)
		case 3:
			content = content[:len(content)-9]
			f.verdict = "rejected"
		}
		s.push(f.name.written, content)
	}
	ask(t, g, r, sent, 30)
	for i, f := range sent {
		if f.verdict == "held" && i%3 < 2 {
			g.must([]string{"release", "refuse"}[i%3], f.id, "--reason", "x", "-c", g.config)
			f.verdict = []string{"accepted", "rejected"}[i%3]
		}
	}
	ask(t, g, r, sent, 15)
	g.stop()
	ask(t, g, r, sent, 5)
}
