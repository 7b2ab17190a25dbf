package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	oneDuration = regexp.MustCompile(`^([0-9]+)([smhd])`)
	oneSize     = regexp.MustCompile(`^([0-9]+) ?([a-zA-Z]+)$`)
	onlyDigits  = regexp.MustCompile(`^[0-9]+$`)

	errTooLarge = errors.New("too large")
	errNoUnit   = errors.New("no unit")
	errForm     = errors.New("wrong form")
)

// longest is more than anybody means, and far from where sums of times overflow.
const longest = 100 * 365 * 24 * time.Hour

// parseDuration reads 90s, 10m, 12h, 30d or 1h30m: whole numbers, each with its unit.
func parseDuration(s string) (time.Duration, error) {
	if onlyDigits.MatchString(s) {
		return 0, errNoUnit
	}
	if s == "" {
		return 0, errForm
	}
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	var sum time.Duration
	last := time.Duration(math.MaxInt64)
	for s != "" {
		m := oneDuration.FindStringSubmatch(s)
		if m == nil || units[m[2]] >= last { // 30m1h is more likely a slip than meant
			return 0, errForm
		}
		last = units[m[2]]
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > int64((longest-sum)/last) {
			return 0, errTooLarge
		}
		sum += time.Duration(n) * last
		s = s[len(m[0]):]
	}
	return sum, nil
}

// parseSize reads 512MiB or 10 MB: a whole number with its unit, in bytes.
func parseSize(s string) (int64, error) {
	if onlyDigits.MatchString(s) {
		return 0, errNoUnit
	}
	m := oneSize.FindStringSubmatch(s)
	if m == nil {
		return 0, errForm
	}
	unit, ok := map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
		"kB": 1e3, "MB": 1e6, "GB": 1e9}[m[2]]
	if !ok {
		return 0, errForm
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errTooLarge
	}
	return n * unit, nil
}

// decodeUnits is the hook by which viper turns what the walk let through into durations and sizes.
func decodeUnits(from, to reflect.Type, data any) (any, error) {
	s, isString := data.(string)
	switch {
	case !isString:
		return data, nil
	case to == durationType:
		return parseDuration(s)
	case to.Kind() == reflect.Int64:
		return parseSize(s)
	}
	return data, nil
}

// unitTrouble says what is wrong with a duration or size as written; def is the key's default, whose unit is the
// likeliest one meant.
func unitTrouble(err error, value, def string, duration bool) string {
	noun, other, units := "size", "1GiB", "B KiB MiB GiB TiB kB MB GB"
	if duration {
		noun, other, units = "duration", "12h", "s m h d"
	}
	switch {
	case errors.Is(err, errNoUnit):
		unit := strings.TrimLeft(def, "0123456789")
		if unit == "" { // there is no default to learn from
			unit = "MiB"
			if duration {
				unit = "d"
			}
		}
		if len(value) > 4 { // the smallest unit was meant
			unit = units[:1]
		}
		written := cut(value) + unit
		if written == other {
			return fmt.Sprintf("%s has no unit; write %s", cut(value), written)
		}
		return fmt.Sprintf("%s has no unit; write %s or %s", cut(value), written, other)
	case errors.Is(err, errTooLarge):
		return fmt.Sprintf("%s is too large", cut(value))
	}
	return fmt.Sprintf("%s is not a %s; it is a whole number with one of the units %s", shown(value), noun, units)
}

// cut keeps a value from filling the operator's screen.
func cut(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// shown is a value fit for a message: in quotes, cut, control characters escaped.
func shown(s string) string { return strconv.Quote(cut(s)) }
