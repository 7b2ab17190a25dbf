package formats

import (
	"strings"
	"testing"
)

// TestAnswers: which earlier message a file is about: none if its entries come of several.
func TestAnswers(t *testing.T) {
	files := testdata(t)
	details := func(ids ...string) string {
		statement := string(files["camt053-typical.xml"])
		for _, id := range ids {
			statement = strings.Replace(statement, "</Ntry>", "<NtryDtls><Btch><MsgId>"+id+"</MsgId></Btch></NtryDtls></ Ntry>", 1)
		}
		return strings.ReplaceAll(statement, "</ Ntry>", "</Ntry>")
	}
	request := strings.Replace(string(files["camt055-typical.xml"]), "<OrgnlPmtInfAndCxl>",
		"<OrgnlPmtInfAndCxl><OrgnlGrpInf><OrgnlMsgId>MSG-9</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.03</OrgnlMsgNmId></OrgnlGrpInf>", 1)
	for what, c := range map[string]struct{ content, want string }{
		"a statement of nobody's":     {details(), ""},
		"a statement of one message":  {details("MSG-1"), "MSG-1"},
		"of one message, twice":       {details("MSG-1", "MSG-1"), "MSG-1"},
		"of two messages":             {details("MSG-1", "MSG-2"), ""},
		"a report":                    {string(files["pain002-typical.xml"]), "MSG-1"},
		"a request to cancel":         {request, "MSG-9"},
		"a message that answers none": {string(files["pain001-typical.xml"]), ""},
	} {
		got := inspect([]byte(c.content), always(100))
		if got.Facts.Answers != c.want || len(got.Problems) > 0 {
			t.Errorf("%s: %q, want %q; %v", what, got.Facts.Answers, c.want, got.Problems)
		}
	}
}
