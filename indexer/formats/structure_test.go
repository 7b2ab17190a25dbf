package formats

import (
	"strings"
	"testing"
)

// The smallest pain.001 with all that is required, in a form to be spoilt.
const orderly = `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>` +
	`<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-20T15:02:11</CreDtTm><NbOfTxs>1</NbOfTxs><CtrlSum>1</CtrlSum><InitgPty><Nm>A</Nm></InitgPty></GrpHdr>` +
	`<PmtInf><PmtInfId>P</PmtInfId><NbOfTxs>1</NbOfTxs><ReqdExctnDt><Dt>2026-11-25</Dt></ReqdExctnDt><Dbtr><Nm>A</Nm></Dbtr>` +
	`<DbtrAcct><Id><IBAN>SE4550000000058398257466</IBAN></Id></DbtrAcct><DbtrAgt><FinInstnId><BICFI>SWEDSESS</BICFI></FinInstnId></DbtrAgt>` +
	`<CdtTrfTxInf><PmtId><EndToEndId>E</EndToEndId></PmtId><Amt><InstdAmt Ccy="SEK">1</InstdAmt></Amt>` +
	`<CdtrAgt><FinInstnId><BICFI>SWEDSESS</BICFI></FinInstnId></CdtrAgt><Cdtr><Nm>B</Nm></Cdtr>` +
	`<CdtrAcct><Id><Othr><Id>9912346</Id><SchmeNm><Prtry>BGNR</Prtry></SchmeNm></Othr></Id></CdtrAcct>` +
	`<RmtInf><Ustrd>one</Ustrd><Ustrd>two</Ustrd></RmtInf></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>`

func findings(r read) string {
	var words []string
	for _, f := range r.Facts.Findings {
		words = append(words, f.Code+": "+f.Where+": "+f.Sentence)
	}
	return strings.Join(words, "\n")
}

func TestStructure(t *testing.T) {
	long := strings.Repeat("å", 141)
	const missing, behind, twice = "the element is missing", "the element stands behind others that belong behind it", "the element is there more than once"
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{"<CreDtTm>2026-11-20T15:02:11</CreDtTm>", "", "structure: GrpHdr/CreDtTm: " + missing},
		{"<MsgId>M</MsgId>", "", "message-id-missing: GrpHdr/MsgId: the file has no message id"},
		{"<MsgId>M</MsgId>", "<MsgId>M</MsgId><MsgId>M</MsgId>", "structure: GrpHdr/MsgId: " + twice},
		{"<MsgId>M</MsgId>", "<MsgId>" + long[:72] + "</MsgId>", "structure: GrpHdr/MsgId: the element has 36 characters, of at most 35"},
		{"<MsgId>M</MsgId>", "<MsgId>" + long[:70] + "</MsgId>", ""},
		{"<MsgId>M</MsgId><CreDtTm>2026-11-20T15:02:11</CreDtTm>", "<CreDtTm>2026-11-20T15:02:11</CreDtTm><MsgId>M</MsgId>", "structure: GrpHdr/MsgId: " + behind},
		{"<PmtInfId>P</PmtInfId>", "", "structure: PmtInf/PmtInfId in PmtInf 1: " + missing},
		{"<PmtInfId>P</PmtInfId><NbOfTxs>1</NbOfTxs>", "<NbOfTxs>1</NbOfTxs><PmtInfId>P</PmtInfId>", "structure: PmtInf/PmtInfId in PmtInf 1: " + behind},
		{"<ReqdExctnDt><Dt>2026-11-25</Dt></ReqdExctnDt>", "", "structure: PmtInf/ReqdExctnDt in PmtInf 1: " + missing},
		{"<DbtrAcct><Id><IBAN>SE4550000000058398257466</IBAN></Id></DbtrAcct>", "", "structure: PmtInf/DbtrAcct in PmtInf 1: " + missing},
		{"<Dbtr><Nm>A</Nm></Dbtr>", "<Dbtr><Nm>" + long + "</Nm></Dbtr>", "structure: PmtInf/Dbtr/Nm in PmtInf 1: the element has 141 characters, of at most 140"},
		{"</CdtTrfTxInf>", "</CdtTrfTxInf><Dbtr><Nm>A</Nm></Dbtr>", "structure: PmtInf/Dbtr/Nm in PmtInf 1: " + twice},
		{"<EndToEndId>E</EndToEndId>", "", "end-to-end-id-missing: PmtId in PmtInf 1, payment 1: the payment has no end-to-end id"},
		{"<EndToEndId>E</EndToEndId>", "<EndToEndId>E</EndToEndId><EndToEndId>F</EndToEndId>", "structure: PmtInf/CdtTrfTxInf/PmtId/EndToEndId in PmtInf 1, payment 1: " + twice},
		{"<Cdtr><Nm>B</Nm></Cdtr>", "<Cdtr><Nm>B</Nm></Cdtr><Cdtr><Nm>B</Nm></Cdtr>", "structure: PmtInf/CdtTrfTxInf/Cdtr/Nm in PmtInf 1, payment 1: " + twice},
		{"<Ustrd>one</Ustrd>", "<Ustrd>" + long + "</Ustrd>", "structure: PmtInf/CdtTrfTxInf/RmtInf in PmtInf 1, payment 1: the element has 141 characters, of at most 140"},
		{"<CdtrAcct><Id><Othr><Id>9912346</Id><SchmeNm><Prtry>BGNR</Prtry></SchmeNm></Othr></Id></CdtrAcct>", "", ""},
		{"<Cdtr><Nm>B</Nm></Cdtr><CdtrAcct><Id><Othr><Id>9912346</Id><SchmeNm><Prtry>BGNR</Prtry></SchmeNm></Othr></Id></CdtrAcct>", "",
			"structure: PmtInf/CdtTrfTxInf/CdtrAcct in PmtInf 1, payment 1: the payment has neither the account nor the name of whom it is with"},
		{"<RmtInf><Ustrd>one</Ustrd><Ustrd>two</Ustrd></RmtInf></CdtTrfTxInf>", "<PmtId><EndToEndId>E</EndToEndId></PmtId></CdtTrfTxInf>",
			"structure: PmtInf/CdtTrfTxInf/PmtId/EndToEndId in PmtInf 1, payment 1: " + twice},
		{`<PmtId><EndToEndId>E</EndToEndId></PmtId><Amt><InstdAmt Ccy="SEK">1</InstdAmt></Amt>`, `<Amt><InstdAmt Ccy="SEK">1</InstdAmt></Amt><PmtId><EndToEndId>E</EndToEndId></PmtId>`,
			"structure: PmtInf/CdtTrfTxInf/PmtId/EndToEndId in PmtInf 1, payment 1: " + behind},
		{"<Id>9912346</Id>", "<Id>9912345</Id>", `bankgiro-check-digit: CdtrAcct in PmtInf 1, payment 1: the bankgiro number "9912345" is not valid`},
		{"<Id>9912346</Id>", "<Id>991-2346</Id>", ""},
		{"15:02:11<", "15:02:11.123+01:00<", ""},
		{"15:02:11<", "15:02:11Z<", ""},
		{"T15:02:11<", "<", `date-shape: GrpHdr/CreDtTm: "2026-11-20" is not a date and time`},
		{"15:02:11<", "15:02:61<", `date-shape: GrpHdr/CreDtTm: "2026-11-20T15:02:61" is not a date and time`},
		{"15:02:11<", "15:02<", `date-shape: GrpHdr/CreDtTm: "2026-11-20T15:02" is not a date and time`},
		{"15:02:11<", "15:02:11+25:00<", `date-shape: GrpHdr/CreDtTm: "2026-11-20T15:02:11+25:00" is not a date and time`},
	} {
		text := []byte(strings.Replace(orderly, c.old, c.new, 1))
		for _, next := range []func() int{whole(text), always(1), randomly(9, 50)} {
			got := inspect(text, next)
			if s := findings(got); s != c.want || len(got.Problems) > 0 {
				t.Errorf("%s -> %s:\n got %s\nwant %s (%v)", c.old, c.new, s, c.want, got.Problems)
			}
		}
	}
}

// TestStructureOfAll holds the same rules against the other messages, and each payment of a batch against its own.
func TestStructureOfAll(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ file, old, new, want string }{
		{"pain008-typical.xml", "PmtInfId", "Other", "structure: PmtInf/PmtInfId in PmtInf 1: the element is missing"},
		{"pain008-typical.xml", "CdtrAcct", "Other", "structure: PmtInf/CdtrAcct in PmtInf 1: the element is missing"},
		{"pacs008-typical.xml", "<CreDtTm>2026-11-20T15:02:11</CreDtTm>", "", "structure: GrpHdr/CreDtTm: the element is missing"},
		{"pain001-v02.xml", "PmtInfId", "Other", ""},
	} {
		data := []byte(strings.ReplaceAll(string(files[c.file]), c.old, c.new))
		got := inspect(data, always(11))
		if s := findings(got); s != c.want || len(got.Problems) > 0 {
			t.Errorf("%s without %s:\n got %s\nwant %s (%v)", c.file, c.old, s, c.want, got.Problems)
		}
	}
	second := strings.Replace(orderly, "</CdtTrfTxInf>", `</CdtTrfTxInf><CdtTrfTxInf><PmtId><EndToEndId>E2</EndToEndId></PmtId><Amt><InstdAmt Ccy="SEK">1</InstdAmt></Amt>`+
		`<RmtInf><Ustrd>one</Ustrd></RmtInf></CdtTrfTxInf>`, 1)
	second = strings.ReplaceAll(strings.ReplaceAll(second, "<NbOfTxs>1<", "<NbOfTxs>2<"), "<CtrlSum>1<", "<CtrlSum>2<")
	want := "structure: PmtInf/CdtTrfTxInf/CdtrAcct in PmtInf 1, payment 2: the payment has neither the account nor the name of whom it is with"
	if got := inspect([]byte(second), always(8)); findings(got) != want || len(got.Problems) > 0 {
		t.Errorf("%s %v", findings(got), got.Problems)
	}
	for id := idMsgID; id < idsOfInitiation; id++ {
		for _, r := range []*roles{&pain001Roles, &pain008Roles, &pacs008Roles} {
			if rule := r.rules[id]; rule.rank != 0 && r.path(id) == "" || rule.rank >= rankPaid {
				t.Errorf("%s, %d: no path or no place", r.message, id)
			}
		}
	}
}
