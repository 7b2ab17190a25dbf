package formats

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// gzipped packs data in members of the size.
func gzipped(t testing.TB, data []byte, member int, head gzip.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	for first := true; first || len(data) > 0; first = false {
		n := min(member, len(data))
		w := gzip.NewWriter(&b)
		w.Header = head
		w.Write(data[:n])
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	return b.Bytes()
}

// zipped packs files; method 8 deflates. streamed: sums and sizes stand behind the content.
func zipped(t testing.TB, method uint16, streamed bool, files ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, data := range files {
		h := &zip.FileHeader{Name: "payments/november.txt", Method: method}
		var err error
		var w io.Writer
		if streamed {
			w, err = z.CreateHeader(h)
		} else {
			packed := data
			if method == zip.Deflate {
				packed = deflated(t, data, flate.DefaultCompression)
			}
			h.CRC32, h.CompressedSize64, h.UncompressedSize64 = crc32.ChecksumIEEE(data), uint64(len(packed)), uint64(len(data))
			w, err = z.CreateRaw(h)
			data = packed
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
	}
	z.SetComment("made for a test")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zip64 is a zip of one deflated file whose sizes and offsets all stand in zip64 fields; signed: PK 7 8 stands before the sums.
func zip64(t testing.TB, data []byte, signed bool) []byte {
	t.Helper()
	packed := deflated(t, data, 6)
	le := binary.LittleEndian
	sum := crc32.ChecksumIEEE(data)
	b := append([]byte(zipLocal), 45, 0, 8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 20, 0, 'n', 1, 0, 16, 0)
	b = append(append(b, make([]byte, 16)...), packed...)
	if signed {
		b = append(b, zipAfter...)
	}
	b = le.AppendUint64(le.AppendUint64(le.AppendUint32(b, sum), uint64(len(packed))), uint64(len(data)))
	at := uint64(len(b))
	b = append(b, zipDirectory+"\x2d\x00\x2d\x00\x08\x00\x08\x00\x00\x00\x00\x00"...)
	b = append(le.AppendUint32(b, sum), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 'n', 1, 0, 24, 0)
	b = le.AppendUint64(le.AppendUint64(le.AppendUint64(b, uint64(len(data))), uint64(len(packed))), 0)
	end := uint64(len(b))
	b = le.AppendUint64(append(b, zipEnd64...), 44)
	b = append(b, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint64(le.AppendUint64(le.AppendUint64(le.AppendUint64(b, 1), 1), end-at), at)
	b = append(le.AppendUint64(append(b, zipLocator+"\x00\x00\x00\x00"...), end), 1, 0, 0, 0)
	b = append(b, zipEnd+"\x00\x00\x00\x00\x01\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"...)
	if !signed { // the standard library wants the signature
		return b
	}
	if z, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil || len(z.File) != 1 || z.File[0].UncompressedSize64 != uint64(len(data)) {
		t.Fatal(z, err)
	}
	return b
}

// packings are all the ways in which one file may be packed.
func packings(t testing.TB, data []byte) map[string][]byte {
	return map[string][]byte{
		"gzip":          gzipped(t, data, 1<<30, gzip.Header{}),
		"gzip members":  gzipped(t, data, 1+len(data)/3, gzip.Header{}),
		"gzip header":   gzipped(t, data, 1<<30, gzip.Header{Name: "november.txt", Comment: "made for a test", Extra: []byte("extra")}),
		"gzip head sum": headSummed(gzipped(t, data, 1<<30, gzip.Header{Name: "november.txt"})),
		"zip":           zipped(t, zip.Deflate, false, data),
		"zip streamed":  zipped(t, zip.Deflate, true, data),
		"zip stored":    zipped(t, zip.Store, false, data),
		"zip unsigned":  unsigned(zipped(t, zip.Deflate, true, data)),
		"zip64":         zip64(t, data, true),
		"zip64 bare":    zip64(t, data, false),
	}
}

// headSummed gives a gzip with a name the checksum of its head.
func headSummed(data []byte) []byte {
	end := 10 + bytes.IndexByte(data[10:], 0) + 1
	head := bytes.Clone(data[:end])
	head[3] |= 2
	head = binary.LittleEndian.AppendUint16(head, uint16(crc32.ChecksumIEEE(head)))
	return append(head, data[end:]...)
}

// unsigned takes the signature away that stands before the sums behind the content.
func unsigned(data []byte) []byte {
	at := bytes.LastIndex(data, []byte(zipAfter))
	data = append(bytes.Clone(data[:at]), data[at+4:]...)
	end := bytes.LastIndex(data, []byte(zipEnd))
	binary.LittleEndian.PutUint32(data[end+16:], binary.LittleEndian.Uint32(data[end+16:])-4)
	return data
}

var packedFiles = []string{"lb-latin1.txt", "bai2-typical.txt", "nacha-typical.txt", "pain001-typical.xml", "bgmax-utf8.txt"}

// TestPacked wants a packed file to say what the file says, and to be whole at its own end alone: cut at every byte.
func TestPacked(t *testing.T) {
	files := testdata(t)
	for _, name := range packedFiles {
		data := files[name]
		plain := inspect(data, whole(data))
		for kind, packed := range packings(t, data) {
			want := plain
			want.Facts.Packed, _, _ = strings.Cut(kind, " ")
			want.Facts.Packed = strings.TrimSuffix(want.Facts.Packed, "64")
			for _, n := range []int{1, 3, 50, len(packed)} {
				same(t, name, kind, inspect(packed, always(n)), want)
			}
			same(t, name, kind+" with blanks behind", inspect(append(bytes.Clone(packed), 0, 0, '\n'), always(7)), want)
			going := newInspector()
			for cut := range len(packed) {
				if !complete(going.close()) {
					going.Write(packed[cut : cut+1])
					continue
				}
				if kind == "gzip members" && name == "nacha-typical.txt" && bytes.HasPrefix(packed[cut:], []byte("\x1f\x8b")) {
					going.Write(packed[cut : cut+1]) // its last member holds nothing but padding
					continue
				}
				t.Fatalf("%s, %s: complete at %d of %d", name, kind, cut, len(packed))
			}
			same(t, name, kind+", closed after each byte", going.close(), want)
		}
	}
}

// TestPackedFlips changes one byte at a time: never other totals without a problem.
func TestPackedFlips(t *testing.T) {
	data := testdata(t)["bai2-typical.txt"]
	plain := inspect(data, whole(data))
	sum, drawn, count := sumOf(t, plain)
	for kind, packed := range packings(t, data) {
		taken := 0
		for at := range packed {
			old := packed[at]
			for _, c := range []byte{old ^ 1, old ^ 4, old ^ 0x20, old ^ 0x80, old + 1, 0, 0xFF} {
				if c == old {
					continue
				}
				packed[at] = c
				got := inspect(packed, whole(packed))
				same(t, kind, "flipped, in chunks", inspect(packed, always(5)), got)
				if len(got.Problems) > 0 {
					continue
				}
				taken++
				if s, d, n := sumOf(t, got); s.Cmp(sum) != 0 || d.Cmp(drawn) != 0 || n != count || strings.Join(got.Payments, "") != strings.Join(plain.Payments, "") {
					t.Errorf("%s: byte %d from %x to %x, and it holds other payments", kind, at, old, c)
				}
			}
			packed[at] = old
		}
		t.Logf("%s: %d changes taken, of names, dates and the like", kind, taken)
	}
}

// TestPackedNot wants a plain word about what is not looked into.
func TestPackedNot(t *testing.T) {
	lb := testdata(t)["lb-latin1.txt"]
	head := gzip.Header{}
	packed := gzipped(t, lb, 1<<30, head)
	crc, size, tail := bytes.Clone(packed), bytes.Clone(packed), append(bytes.Clone(packed), "x"...)
	crc[len(crc)-8] ^= 1
	size[len(size)-2] ^= 1
	locked, odd := zipped(t, zip.Deflate, false, lb), zipped(t, zip.Deflate, false, lb)
	locked[6] |= 1
	odd[8] = 12
	for name, c := range map[string]struct {
		data []byte
		want Problem
	}{
		"gzip in zip":   {zipped(t, zip.Store, false, packed), Problem{Unrecognised, "what is packed in it is in no format that is known here"}},
		"zip in gzip":   {gzipped(t, zipped(t, zip.Deflate, true, lb), 1<<30, head), Problem{Unrecognised, "what is packed in it is in no format that is known here"}},
		"unknown":       {gzipped(t, []byte("a,b,c\n1,2,3\n"), 1<<30, head), Problem{Unrecognised, "what is packed in it is in no format that is known here"}},
		"empty":         {gzipped(t, nil, 1<<30, head), Problem{Empty, "what is packed in it is empty"}},
		"empty in zip":  {zipped(t, zip.Store, false, nil), Problem{Empty, "what is packed in it is empty"}},
		"several":       {zipped(t, zip.Deflate, true, lb, lb), Problem{Unrecognised, "it is a zip of several files; only a zip of one is looked into"}},
		"several, big":  {zipped(t, zip.Store, false, lb, nil), Problem{Unrecognised, "it is a zip of several files; only a zip of one is looked into"}},
		"none":          {zipped(t, zip.Deflate, true), Problem{Unrecognised, "it is a zip of no file"}},
		"stored, later": {zipped(t, zip.Store, true, lb), Problem{Unrecognised, "it is a zip that does not say how long its file is"}},
		"encrypted":     {locked, Problem{Unrecognised, "it is a zip that is encrypted; it cannot be looked into"}},
		"other method":  {odd, Problem{Unrecognised, "it is a zip that is packed in a way not known here"}},
		"wrong sum":     {crc, Problem{Malformed, "the checksum or the size in its packing is wrong: it was damaged on its way"}},
		"wrong size":    {size, Problem{Malformed, "the checksum or the size in its packing is wrong: it was damaged on its way"}},
		"tail":          {tail, Problem{Malformed, "something stands behind the end of its packing"}},
		"cut inside":    {gzipped(t, lb[:len(lb)/2], 1<<30, head), Problem{Incomplete, "it ends before its first payment is whole"}},
		"zeros":         {gzipped(t, make([]byte, 64<<20), 1<<30, head), Problem{Unrecognised, "what is packed in it is in no format that is known here"}},
		"a bomb":        {gzipped(t, append(bytes.Clone(lb[:82]), bytes.Repeat([]byte{'\n'}, 64<<20)...), 1<<30, head), Problem{Malformed, "it unpacks to far too much"}},
		"bombs":         {gzipped(t, append(bytes.Clone(lb[:82]), bytes.Repeat([]byte{'\n'}, 64<<20)...), 1<<20, head), Problem{Malformed, "it unpacks to far too much"}},
		"a bomb in zip": {zipped(t, zip.Deflate, true, append(bytes.Clone(lb[:82]), bytes.Repeat([]byte{'\n'}, 64<<20)...)), Problem{Malformed, "it unpacks to far too much"}},
	} {
		got := inspect(c.data, whole(c.data))
		if len(got.Problems) != 1 || got.Problems[0] != c.want {
			t.Errorf("%s: %v, want %v", name, got.Problems, c.want)
		}
		same(t, name, "in chunks", inspect(c.data, always(1000)), got)
		if strings.Contains(name, "bomb") && got.Facts.Packed == "" {
			t.Errorf("%s: %+v", name, got.Facts)
		}
	}
}

// FuzzPacked reads what begins as gzip or zip, and what is packed in them.
func FuzzPacked(f *testing.F) {
	files := testdata(f)
	for _, name := range packedFiles {
		for _, packed := range packings(f, files[name]) {
			f.Add(packed, uint64(3))
		}
	}
	f.Add(zipped(f, zip.Store, true, files["lb-latin1.txt"], nil), uint64(5))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) { checkInspector(t, data, seed) })
}

func BenchmarkPacked(b *testing.B) {
	data := generated(b, "bg-loner", payfile.Options{Payments: 100_000})
	for _, kind := range []string{"gzip", "zip"} {
		packed := packings(b, data)[kind]
		b.Run(kind, func(b *testing.B) {
			measure(b, packed, 100_000)
			b.SetBytes(int64(len(data))) // of what is in it
		})
	}
}

func TestNoAllocationsPacked(t *testing.T) {
	allocations(t, "gzip", func(n int) []byte {
		return gzipped(t, generated(t, "bg-loner", payfile.Options{Payments: n}), 1<<30, gzip.Header{})
	})
	allocations(t, "zip", func(n int) []byte {
		return zipped(t, zip.Deflate, true, generated(t, "bg-loner", payfile.Options{Payments: n}))
	})
}
