package config

import (
	"errors"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, test := range []struct {
		in   string
		want time.Duration
		err  error
	}{
		{"0s", 0, nil}, {"90s", 90 * time.Second, nil}, {"10m", 10 * time.Minute, nil}, {"12h", 12 * time.Hour, nil},
		{"30d", 720 * time.Hour, nil}, {"1d12h30m5s", 36*time.Hour + 30*time.Minute + 5*time.Second, nil},
		{"36500d", longest, nil}, {"36501d", 0, errTooLarge}, {"36500d1s", 0, errTooLarge}, {"106752d", 0, errTooLarge},
		{"30", 0, errNoUnit}, {"0", 0, errNoUnit}, {"", 0, errForm}, {"m", 0, errForm}, {"-1m", 0, errForm},
		{"1.5h", 0, errForm}, {"10ms", 0, errForm}, {"1w", 0, errForm}, {"10 m", 0, errForm}, {"1h1h", 0, errForm},
		{"5m1h", 0, errForm}, {"1h5", 0, errForm}, {"99999999999999999999s", 0, errTooLarge},
	} {
		if got, err := parseDuration(test.in); got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: %v, %v", test.in, got, err)
		}
	}
}

func TestParseSize(t *testing.T) {
	for _, test := range []struct {
		in   string
		want int64
		err  error
	}{
		{"0B", 0, nil}, {"1B", 1, nil}, {"2KiB", 2048, nil}, {"3MiB", 3 << 20, nil}, {"4 GiB", 4 << 30, nil},
		{"5TiB", 5 << 40, nil}, {"6kB", 6000, nil}, {"7MB", 7e6, nil}, {"8GB", 8e9, nil},
		{"8388607TiB", 8388607 << 40, nil}, {"8388608TiB", 0, errTooLarge}, {"99999999999999999999B", 0, errTooLarge},
		{"512", 0, errNoUnit}, {"", 0, errForm}, {"MiB", 0, errForm}, {"-1MiB", 0, errForm}, {"1.5GiB", 0, errForm},
		{"1M", 0, errForm}, {"1mib", 0, errForm}, {"1KB", 0, errForm}, {"1  MiB", 0, errForm}, {"1MiB2KiB", 0, errForm},
	} {
		if got, err := parseSize(test.in); got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: %v, %v", test.in, got, err)
		}
	}
}
