package formats

import (
	"bytes"
	"fmt"
	"testing"
)

// bgMax, and its like below, make a file of so many payments, in lines of 80 characters.
func bgMax(payments int) []byte {
	var b bytes.Buffer
	line(&b, "01BGMAX               0120261120173035010331P")
	line(&b, "050009912346          SEK")
	for n := range payments {
		line(&b, "200054728027%025d%018d23%012d", n, 10_000, n)
		line(&b, "26PAYER NUMBER %d", n)
		line(&b, "27STORGATAN %-25d12345", n%100)
	}
	line(&b, "15%035d2026112000036%018dSEK%08d", 58410000010098232, payments*10_000, payments)
	line(&b, "70%08d%08d%08d%08d", payments, 0, 0, 1)
	return b.Bytes()
}

func bgLoner(payments int) []byte {
	var b bytes.Buffer
	line(&b, "01261120  L\xD6N%46sSEK0047110009912346", "")
	for n := range payments {
		line(&b, "35261125    %016d%012d%18s%010dNOVEMBER", 6000000334223113+n%1000, 2_000_000, "", n)
	}
	line(&b, "09261120%20s%012d%06d%034d", "", payments*2_000_000, payments, 0)
	return b.Bytes()
}

func bgAutogiro(payments int) []byte {
	var b bytes.Buffer
	line(&b, "0120261120AUTOGIRO%44s0047110009912346", "")
	for n := range payments {
		line(&b, "82202611250    %016d%012d0009912346%16d", n, 20_000, n)
	}
	return b.Bytes()
}

func po3(payments int) []byte {
	var b bytes.Buffer
	line(&b, "MH00%8s5560000000%12s0000028803SEK", "", "")
	for n := range payments {
		line(&b, "PI0005%5s54728027%5s20261125%013d%025d", "", "", 12_000, n)
		line(&b, "BE01%18sPAYEE NUMBER %d", "", n)
	}
	line(&b, "MT00%25s%07d%015d", "", payments, payments*12_000)
	return b.Bytes()
}

func line(b *bytes.Buffer, format string, args ...any) {
	fmt.Fprintf(b, "%-80s\r\n", fmt.Sprintf(format, args...))
}

func BenchmarkBankgiro(b *testing.B) {
	b.Run("bgmax", func(b *testing.B) { measure(b, bgMax(100_000), 100_000) })
	b.Run("loner", func(b *testing.B) { measure(b, bgLoner(100_000), 100_000) })
	b.Run("autogiro", func(b *testing.B) { measure(b, bgAutogiro(100_000), 100_000) })
	b.Run("po3", func(b *testing.B) { measure(b, po3(100_000), 100_000) })
}

func TestNoAllocationsBankgiro(t *testing.T) {
	allocations(t, "bgmax", bgMax)
	allocations(t, "loner", bgLoner)
	allocations(t, "autogiro", bgAutogiro)
	allocations(t, "po3", po3)
}
