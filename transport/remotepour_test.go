package transport

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// TestPour: whatever the pieces, take gets all bytes that came, and only the server's own end is a good one: TLS gives
// io.ErrUnexpectedEOF for a connection that ended within a record.
func TestPour(t *testing.T) {
	content := noise(200_001)
	broken, enough := errors.New("broken"), errors.New("enough")
	for name, from := range map[string]func(end error) io.Reader{
		"byte by byte": func(end error) io.Reader {
			return io.MultiReader(iotest.OneByteReader(bytes.NewReader(content)), iotest.ErrReader(end))
		},
		"records": func(end error) io.Reader {
			return io.MultiReader(&records{bytes.NewReader(content)}, iotest.ErrReader(end))
		},
		"with the end": func(end error) io.Reader {
			return iotest.DataErrReader(io.MultiReader(bytes.NewReader(content), iotest.ErrReader(end)))
		},
	} {
		for end, want := range map[error]error{io.EOF: nil, io.ErrUnexpectedEOF: io.ErrUnexpectedEOF, broken: broken} {
			var got []byte
			total, taken, err := pour(from(end), func(p []byte) error { got = append(got, p...); return nil })
			if err != want || taken != nil || total != int64(len(content)) || !bytes.Equal(got, content) {
				t.Errorf("%s, %v: %d bytes, %v, %v", name, end, total, taken, err)
			}
		}
		if _, taken, err := pour(from(io.EOF), func([]byte) error { return enough }); taken != enough || err != nil {
			t.Errorf("%s: %v, %v", name, taken, err)
		}
	}
}

// records gives at most one record of TLS at a time.
type records struct{ io.Reader }

func (r *records) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 16<<10)]) }
