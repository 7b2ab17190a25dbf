package formats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// remakes turn a generated pain.001 into another message with the same payments.
var remakes = map[string]func(pain001 []byte) []byte{
	"pain.008": replacer("CstmrCdtTrfInitn", "CstmrDrctDbtInitn", "CdtTrfTxInf", "DrctDbtTxInf", "pain.001.001.09", "pain.008.001.08",
		"Cdtr", "Dbtr", "Dbtr", "Cdtr", "ReqdExctnDt>", "ReqdColltnDt>", "<Dt>", "", "</Dt>", "", "<Amt>", "", "</Amt>", ""),
	"pain.002": replacer("CstmrCdtTrfInitn", "CstmrPmtStsRpt", "pain.001.001.09", "pain.002.001.10", "PmtInf>", "OrgnlPmtInfAndSts>",
		"<CdtTrfTxInf>", "<TxInfAndSts>", "</CdtTrfTxInf>", "</OrgnlTxRef></TxInfAndSts>", "<PmtId>", "", "</PmtId>", "<OrgnlTxRef>",
		"EndToEndId", "OrgnlEndToEndId"),
	"camt.055": func(b []byte) []byte {
		b = replacer("CstmrCdtTrfInitn", "CstmrPmtCxlReq", "pain.001.001.09", "camt.055.001.08", "<PmtInf>", "<Undrlyg><OrgnlPmtInfAndCxl>",
			"</PmtInf>", "</OrgnlPmtInfAndCxl></Undrlyg>", "<CdtTrfTxInf>", "<TxInf>", "</CdtTrfTxInf>", "</OrgnlTxRef></TxInf>",
			"<PmtId>", "", "</PmtId>", "<OrgnlTxRef>", "EndToEndId", "OrgnlEndToEndId", "<MsgId>", "<Id>", "</MsgId>", "</Id>")(b)
		b = bytes.Replace(b, []byte("<GrpHdr>"), []byte("<Assgnmt>"), 1)
		b = bytes.Replace(b, []byte("<NbOfTxs>"), []byte("</Assgnmt><CtrlData><NbOfTxs>"), 1)
		b = bytes.Replace(b, []byte("<InitgPty>"), []byte("</CtrlData><Any><InitgPty>"), 1)
		return bytes.Replace(b, []byte("</GrpHdr>"), []byte("</Any>"), 1)
	},
	"pacs.008": func(b []byte) []byte {
		b = replacer("CstmrCdtTrfInitn", "FIToFICstmrCdtTrf", "pain.001.001.09", "pacs.008.001.08", "InstdAmt", "IntrBkSttlmAmt",
			"<Amt>", "", "</Amt>", "", "<PmtInf>", "<!--", "</PmtInf>", "", "</DbtrAgt>", "-->")(b)
		return bytes.ReplaceAll(b, []byte("</CdtTrfTxInf>"),
			[]byte("<IntrBkSttlmDt>2026-11-23</IntrBkSttlmDt><Dbtr><Nm>Exempel Handel AB</Nm></Dbtr></CdtTrfTxInf>"))
	},
}

func replacer(pairs ...string) func([]byte) []byte {
	r := strings.NewReplacer(pairs...)
	return func(b []byte) []byte { return []byte(r.Replace(string(b))) }
}

// codes are those of a file's findings.
func codes(r read) string {
	var all []string
	for _, f := range r.Facts.Findings {
		all = append(all, f.Code)
	}
	return strings.Join(all, " ")
}

// wantList holds what was handed over against what is wanted, a line each.
func wantList(t *testing.T, got read, want ...string) {
	t.Helper()
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}

func TestPain008Payments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["pain008-batches.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "SEK" from "Björn Öberg" "SE4550000000058398257466" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-23" for "Faktura 4711"`,
		`2 "E2" 149.50 "SEK" from "Måleri & Färg HB" "9912346" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-23" for "1234567897"`,
		`3 "E3" 20.1 "EUR" from "Björn Öberg" "SE4550000000058398257466" to "Exempel Åkeri AB" "NO9386011117947" on "2026-12-01" for "Faktura 4711"`)
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-12-01" || f.Declared != "3 payments, 270.1" || f.MessageID != "MSG-1" ||
		f.Initiator != "Exempel Åkeri AB" || f.BusinessKey != "pain.008\x1fMSG-1\x1fExempel Åkeri AB\x1fSE4550000000058398257466" ||
		f.CreatedAt != "2026-11-20T15:02:11" || len(f.Payers) != 2 || f.Payers[1].Account != "NO9386011117947" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got = inspect(files["pain008-findings.xml"], always(1))
	want := "date-shape iban-check-digits bic-shape iban-check-digits currency-shape end-to-end-id-missing"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

// generatedCamt is a statement with so many entries, every third one a debit, and right totals.
func generatedCamt(opt payfile.Options) []byte {
	var entries, b bytes.Buffer
	var credits, debits [2]int64 // count, sum
	for i := range int64(opt.Payments) {
		ore, sign, side := 100+i*7919%900_000, "CRDT", "Dbtr"
		part := &credits
		if i%3 == 2 {
			sign, side, part = "DBIT", "Cdtr", &debits
		}
		part[0]++
		part[1] += ore
		fmt.Fprintf(&entries, `
      <Ntry>
        <NtryRef>%d</NtryRef>
        <Amt Ccy="SEK">%s</Amt>
        <CdtDbtInd>%s</CdtDbtInd>
        <Sts><Cd>BOOK</Cd></Sts>
        <BookgDt>
          <Dt>2026-11-%02d</Dt>
        </BookgDt>
        <ValDt>
          <Dt>2026-11-%02d</Dt>
        </ValDt>
        <AcctSvcrRef>REF-%09d</AcctSvcrRef>
        <BkTxCd>
          <Domn>
            <Cd>PMNT</Cd>
            <Fmly>
              <Cd>RCDT</Cd>
              <SubFmlyCd>ESCT</SubFmlyCd>
            </Fmly>
          </Domn>
        </BkTxCd>
        <NtryDtls>
          <TxDtls>
            <Refs>
              <EndToEndId>E2E-%09d</EndToEndId>
            </Refs>
            <RltdPties>
              <%s>
                <Pty>
                  <Nm>Exempel %d AB</Nm>
                </Pty>
              </%s>
              <%sAcct>
                <Id>
                  <IBAN>SE4550000000058398257466</IBAN>
                </Id>
              </%sAcct>
            </RltdPties>
            <RmtInf>
              <Ustrd>Faktura %d</Ustrd>
            </RmtInf>
          </TxDtls>
        </NtryDtls>
      </Ntry>`, i+1, AmountFromMinor(ore, 2), sign, 1+i%28, 1+i%28, i, i, side, i%977, side, side, side, i*31)
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">
  <BkToCstmrStmt>
    <GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-20T15:02:11</CreDtTm></GrpHdr>
    <Stmt>
      <Id>S</Id>
      <Acct><Id><IBAN>SE4550000000058398257466</IBAN></Id></Acct>
      <Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="SEK">0.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
      <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="SEK">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
      <TxsSummry>
        <TtlNtries><NbOfNtries>%d</NbOfNtries><Sum>%s</Sum></TtlNtries>
        <TtlCdtNtries><NbOfNtries>%d</NbOfNtries><Sum>%s</Sum></TtlCdtNtries>
        <TtlDbtNtries><NbOfNtries>%d</NbOfNtries><Sum>%s</Sum></TtlDbtNtries>
      </TxsSummry>%s
    </Stmt>
  </BkToCstmrStmt>
</Document>
`, AmountFromMinor(credits[1]-debits[1], 2), opt.Payments, AmountFromMinor(credits[1]+debits[1], 2),
		credits[0], AmountFromMinor(credits[1], 2), debits[0], AmountFromMinor(debits[1], 2), entries.Bytes())
	if !opt.Minified {
		return b.Bytes()
	}
	var minified []byte
	for _, line := range bytes.Split(b.Bytes(), []byte{'\n'}) {
		minified = append(minified, bytes.TrimLeft(line, " ")...)
	}
	return minified
}

func TestCamtPayments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["camt053-statements.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "SEK" from "Björn Öberg" "DE89370400440532013000" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-19" for "Faktura 4711"`,
		`2 "E2" -50.25 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-19" for "1234567897"`,
		`3 "" 149.50 "SEK" from "" "" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-19" for "2 INBETALNINGAR"`,
		`4 "E3" 20.1 "EUR" from "Karin Ek" "NO9386011117947" to "Exempel Åkeri AB" "NO9386011117947" on "2026-11-20" for "a b"`)
	f := got.Facts
	if f.FirstExecution != "2026-11-19" || f.LastExecution != "2026-11-20" || f.Declared != "4 payments, 320.35" || f.MessageID != "MSG-1" ||
		f.Initiator != "" || f.BusinessKey != "camt.053\x1fMSG-1\x1fS-1\x1fSE4550000000058398257466" || f.Answers != "" ||
		f.CreatedAt != "2026-11-20T05:02:11" || len(f.Payers) != 2 || f.Payers[1].Account != "NO9386011117947" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	for name, want := range map[string]string{
		"camt053-findings.xml": "date-shape message-id-missing iban-check-digits bic-shape iban-check-digits bic-shape date-shape " +
			"date-shape currency-differs iban-check-digits bic-shape date-shape currency-shape currencies-mixed",
		"camt053-no-statement.xml": "statement-missing",
		"camt053-net.xml":          "net-amount-differs",
		"camt053-mixed.xml":        "currency-differs currencies-mixed totals-differ totals-differ",
		"camt053-paged.xml":        "totals-differ totals-differ totals-differ totals-differ",
		"camt053-interim.xml":      "",
		"camt053-pending.xml":      "",
		"camt053-status.xml":       "",
	} {
		if got := codes(inspect(files[name], always(1))); got != want {
			t.Errorf("%s: findings %q, want %q", name, got, want)
		}
	}
}

func TestPacs008Payments(t *testing.T) {
	files := testdata(t)
	wantList(t, inspect(files["pacs008-currencies.xml"], always(3)),
		`1 "E1" 100.50 "EUR" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-24" for "Faktura 4711"`,
		`2 "E2" 20.1 "NOK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-12-01" for "Faktura 4711"`,
		`3 "E3" 5 "EUR" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`)
	got := inspect(files["pacs008-typical.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "EUR" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`,
		`2 "E2" 149.50 "EUR" from "Karin Ek" "NO9386011117947" to "Måleri & Färg HB" "9912346" on "2026-11-23" for "1234567897"`)
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-11-23" || f.Declared != "2 payments, 250.00" || f.MessageID != "MSG-1" ||
		f.Initiator != "SWEDSESS" || f.BusinessKey != "pacs.008\x1fMSG-1\x1fSWEDSESS\x1fSE4550000000058398257466" ||
		f.CreatedAt != "2026-11-20T15:02:11" || len(f.Payers) != 2 || f.Payers[1].Name != "Karin Ek" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got = inspect(files["pacs008-findings.xml"], always(1))
	want := "date-past bic-shape iban-check-digits bic-shape iban-check-digits bic-shape end-to-end-id-missing"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

func TestPain002Payments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["pain002-typical.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`,
		`2 "E2" 149.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-23" for "1234567897"`,
		`3 "E3" 0 "" from "" "" to "" "" on "" for ""`)
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-11-23" || f.Declared != "" || f.MessageID != "ANSWER-1" ||
		f.Initiator != "SWEDSESS" || f.BusinessKey != "pain.002\x1fANSWER-1\x1fSWEDSESS" || f.Answers != "MSG-1" ||
		f.CreatedAt != "2026-11-20T16:00:00" || len(f.Payers) != 1 || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got = inspect(files["pain002-findings.xml"], always(1))
	want := "amount-shape amount-shape date-shape iban-check-digits bic-shape iban-check-digits original-id-missing"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

func TestCamt055Payments(t *testing.T) {
	files := testdata(t)
	for _, name := range []string{"camt055-typical.xml", "camt055-quoted.xml"} {
		got := inspect(files[name], always(3))
		wantList(t, got,
			`1 "E1" 100.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`,
			`2 "E2" 149.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-23" for "1234567897"`)
		f := got.Facts
		if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-11-23" || f.Declared != "2 payments, 250.00" || f.MessageID != "CANCEL-1" ||
			f.Initiator != "Exempel Åkeri AB" || f.BusinessKey != "camt.055\x1fCANCEL-1\x1fExempel Åkeri AB" || f.Answers != "" ||
			f.CreatedAt != "2026-11-20T16:00:00" || len(f.Payers) != 1 || f.FindingsAll != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := inspect(files["camt055-whole.xml"], always(1)).Facts; f.Declared != "9 payments, 999.00" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got := inspect(files["camt055-findings.xml"], always(1))
	want := "date-shape iban-check-digits bic-shape iban-check-digits currency-shape"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

// TestPain002Flips changes one byte at a time of a report, which has no totals of its own: the count stays, and sums may
// only change with a byte of an amount that is quoted.
func TestPain002Flips(t *testing.T) {
	data := testdata(t)["pain002-typical.xml"]
	before := inspect(data, whole(data))
	sum, _, count := sumOf(t, before)
	for at := range data {
		old := data[at]
		tag := bytes.LastIndex(data[:at+1], []byte("<InstdAmt"))
		quoted := tag >= 0 && at < tag+bytes.Index(data[tag:], []byte("</InstdAmt>"))
		for k, c := range []byte{old ^ 1, old ^ 2, old ^ 0x80, '<', '>', '&', '/', ' ', '0', '9', '-', 0} {
			if c == old || (at+k)%3 != 0 {
				continue
			}
			data[at] = c
			got := inspect(data, whole(data))
			if k%5 == 0 && !same(t, "report", "flipped, in chunks of 11", inspect(data, always(11)), got) {
				t.Fatalf("byte %d became %q", at, c)
			}
			s, _, n := sumOf(t, got)
			if len(got.Problems) == 0 && (n != count || !quoted && s.Cmp(sum) != 0) {
				t.Errorf("byte %d from %q to %q, and it holds %d payments, %s, not %d, %s", at, old, c, n, s, count, sum)
			}
		}
		data[at] = old
	}
}
