package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// maxVisits bounds how many values are looked at in all files, whatever aliases multiply them to.
const maxVisits = 200_000

var (
	durationType = reflect.TypeFor[time.Duration]()
	policyType   = reflect.TypeFor[Policy]()
	accountType  = reflect.TypeFor[Account]()
	trustType    = reflect.TypeFor[Trust]()

	idForm    = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
	plainKey  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,60}$`)
	plainInt  = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	boolWords = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false)$`)
)

// place is where a key or list item was written.
type place struct {
	file string
	line int
	show string // the key as people read it: accounts[acme].certificate
}

// field is a key of the configuration: a field of Config or of a struct below it, with its tags.
type field struct {
	key, def, min, need string
	one                 []string
	single              bool // a list that may be one text
	typ                 reflect.Type
}

func fieldsOf(t reflect.Type) []field {
	var list []field
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); key != "-" {
			list = append(list, field{key: key, def: f.Tag.Get("default"), min: f.Tag.Get("min"), need: f.Tag.Get("need"),
				one: strings.Fields(f.Tag.Get("one")), single: f.Tag.Get("or") == "text", typ: f.Type})
		}
	}
	return list
}

// mapping walks keys with values against a struct type and gives what is right of them, defaults filled in. What is
// wrong is noted and left out, so that the checks after it find only good values. at is the path in the tree.
func (l *loading) mapping(n *yaml.Node, t reflect.Type, at string, p place) map[string]any {
	tree, seen := map[string]any{}, map[string]int{}
	fields := fieldsOf(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		kp := place{file: p.file, line: key.Line, show: join(p.show, shownKey(key))}
		if first, twice := seen[key.Value]; twice && key.Kind == yaml.ScalarNode {
			l.note(kp, fmt.Sprintf("is there twice, first on line %d", first))
			continue
		}
		seen[key.Value] = key.Line
		f := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
		if f < 0 || key.Kind != yaml.ScalarNode {
			l.unknown(kp, key.Value, t, fields)
			continue
		}
		path := join(at, key.Value)
		l.places[path] = kp
		if v, ok := l.value(n.Content[i+1], fields[f], path, kp); ok {
			tree[key.Value] = v
		}
	}
	for _, f := range fields {
		_, there := tree[f.key]
		_, tried := seen[f.key]
		switch {
		case there:
		case f.need != "":
			if !tried && (f.typ != trustType || !l.examine.Untrusted) {
				l.note(place{file: p.file, line: p.line, show: join(p.show, f.key)}, "is missing; "+f.wanted())
			}
		case f.typ.Kind() == reflect.Pointer: // a part that may be left out whole
		case f.typ.Kind() == reflect.Slice && f.def != "":
			tree[f.key] = strings.Split(strings.Trim(f.def, "[']"), "', '")
		case f.typ.Kind() == reflect.Int:
			tree[f.key], _ = strconv.Atoi(f.def)
		case f.typ.Kind() == reflect.Struct:
			tree[f.key] = l.mapping(&yaml.Node{}, f.typ, join(at, f.key), p)
		case f.def != "":
			tree[f.key] = f.def
		}
	}
	return tree
}

// value walks one value against the type of its field; false if it is wrong.
func (l *loading) value(n *yaml.Node, f field, at string, p place) (any, bool) {
	if l.visits++; l.visits > maxVisits {
		if l.visits == maxVisits+1 {
			l.note(p, "too many values, or aliases that multiply them")
		}
		return nil, false
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		l.note(p, "has no value; write one, or take the key out")
		return nil, false
	}
	if f.single && n.Kind == yaml.ScalarNode { // a list of one, written without its brackets
		n = &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line, Content: []*yaml.Node{n}}
	}
	want := yaml.ScalarNode
	switch f.typ.Kind() {
	case reflect.Struct, reflect.Map, reflect.Pointer:
		want = yaml.MappingNode
	case reflect.Slice:
		want = yaml.SequenceNode
	}
	if n.Kind != want {
		l.note(p, fmt.Sprintf("%s, but %s wanted%s", kindOf(n), wantedKind(want), f.sample()))
		return nil, false
	}
	switch {
	case f.typ == policyType:
		return l.policy(n, at, p), true
	case f.typ.Kind() == reflect.Struct:
		return l.mapping(n, f.typ, at, p), true
	case f.typ.Kind() == reflect.Pointer:
		return l.mapping(n, f.typ.Elem(), at, p), true
	case f.typ.Kind() == reflect.Slice:
		return l.items(n, f, at, p)
	case f.typ == durationType:
		return l.measure(n, f, p, func(s string) (int64, error) { d, err := parseDuration(s); return int64(d), err })
	case f.typ.Kind() == reflect.Int64:
		return l.measure(n, f, p, parseSize)
	case f.typ.Kind() == reflect.Int:
		return l.count(n, f, p)
	}
	return l.text(n, f, p)
}

// items walks a list. A wrong item leaves a hole, so that places keep their numbers.
func (l *loading) items(n *yaml.Node, f field, at string, p place) (any, bool) {
	if len(n.Content) == 0 && f.need != "" {
		l.note(p, "is empty; "+f.wanted())
		return nil, false
	}
	base := 0
	if at == "accounts" {
		base = l.accounts // included files go on counting
	}
	list, seen := make([]any, len(n.Content)), map[string]bool{}
	for i, item := range n.Content {
		ip := place{file: p.file, line: item.Line, show: fmt.Sprintf("%s[%d]", p.show, i+1)}
		if f.typ.Elem().Kind() == reflect.Pointer {
			ip.show = fmt.Sprintf("%s[%s]", p.show, itemName(item, i))
		}
		path := join(at, strconv.Itoa(base+i))
		l.places[path] = ip
		v, ok := l.value(item, field{typ: f.typ.Elem()}, path, ip)
		switch s, isText := v.(string); {
		case !ok && f.typ.Elem().Kind() == reflect.Pointer:
			list[i] = map[string]any{}
		case !ok:
			list[i] = ""
		case isText && seen[s]:
			l.note(ip, shown(s)+" is there twice")
			list[i] = ""
		default:
			seen[s] = isText
			list[i] = v
		}
	}
	return list, true
}

// itemName is the id of an account or the name of a remote in a list, or its number if that does not serve.
func itemName(n *yaml.Node, i int) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for _, key := range []string{"id", "name"} {
		for k := 0; n.Kind == yaml.MappingNode && k+1 < len(n.Content); k += 2 {
			v := n.Content[k+1]
			if n.Content[k].Value == key && v.Kind == yaml.ScalarNode && idForm.MatchString(v.Value) {
				return v.Value
			}
		}
	}
	return fmt.Sprintf("#%d", i+1)
}

// policy walks reason: accept | hold | reject.
func (l *loading) policy(n *yaml.Node, at string, p place) map[string]any {
	tree, seen := map[string]any{}, map[string]int{}
	var reasons []field
	for _, r := range Reasons() {
		reasons = append(reasons, field{key: r, one: []string{"accept", "hold", "reject"}, typ: reflect.TypeFor[string]()})
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		kp := place{file: p.file, line: key.Line, show: join(p.show, shownKey(key))}
		if first, twice := seen[key.Value]; twice && key.Kind == yaml.ScalarNode {
			l.note(kp, fmt.Sprintf("is there twice, first on line %d", first))
			continue
		}
		seen[key.Value] = key.Line
		f := slices.IndexFunc(reasons, func(f field) bool { return f.key == key.Value })
		if f < 0 || key.Kind != yaml.ScalarNode {
			l.unknown(kp, key.Value, policyType, reasons)
			continue
		}
		l.places[join(at, key.Value)] = kp
		v, ok := l.value(n.Content[i+1], reasons[f], join(at, key.Value), kp)
		if ok && key.Value == "too-large" && v != "reject" {
			l.note(kp, "can only be reject, since the rest of the file is never read; raise max_file_size")
			ok = false
		}
		if ok {
			tree[key.Value] = v
		}
	}
	return tree
}

// text takes a string that is one to every reader of YAML: what others would read as a number or a truth value must
// stand in quotes.
func (l *loading) text(n *yaml.Node, f field, p place) (any, bool) {
	s := n.Value
	if other := notText(n, len(f.one) > 0); other != "" {
		l.note(p, other)
		return nil, false
	}
	switch {
	case s == "":
		l.note(p, "is empty; write a value, or take the key out")
	case strings.ContainsAny(s, "\r\n"):
		l.note(p, "has several lines; one is wanted") // not shown: it may be a pasted key
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }):
		l.note(p, shown(s)+" has a character that cannot be seen")
	case len(f.one) > 0 && !slices.Contains(f.one, s):
		l.note(p, shown(s)+" is not "+alternatives(f.one))
	default:
		return s, true
	}
	return nil, false
}

// notText says why a scalar is no string, or "". One of a few words (oneOf) cannot be taken for anything else.
func notText(n *yaml.Node, oneOf bool) string {
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	what := ""
	switch tag := n.ShortTag(); {
	case n.Style&yaml.TaggedStyle != 0 && tag != "!!str":
		return "has a YAML tag; take the tag out"
	case oneOf:
		return ""
	case tag == "!!bool", plain && boolWords.MatchString(n.Value):
		what = "yes or no"
	case tag == "!!int", tag == "!!float":
		what = "a number"
	case tag == "!!timestamp":
		what = "a date"
	case tag != "!!str":
		what = "something else"
	default:
		return ""
	}
	return fmt.Sprintf("%s means %s in YAML; write it in quotes: %q", cut(n.Value), what, cut(n.Value))
}

// measure takes a duration or a size.
func (l *loading) measure(n *yaml.Node, f field, p place, parse func(string) (int64, error)) (any, bool) {
	v, err := parse(n.Value)
	if err != nil {
		l.note(p, unitTrouble(err, n.Value, f.def, f.typ == durationType))
		return nil, false
	}
	if least, err := parse(f.min); err == nil && v < least {
		l.note(p, fmt.Sprintf("%s is too little; at least %s", cut(n.Value), f.min))
		return nil, false
	}
	return n.Value, true
}

// count takes a whole number.
func (l *loading) count(n *yaml.Node, f field, p place) (any, bool) {
	if n.ShortTag() != "!!int" || !plainInt.MatchString(n.Value) {
		l.note(p, fmt.Sprintf("%s is not a whole number, written plainly like %s", shown(n.Value), f.def))
		return nil, false
	}
	v, err := strconv.Atoi(n.Value)
	if err != nil || v > 1e9 {
		l.note(p, cut(n.Value)+" is too large")
		return nil, false
	}
	if least, err := strconv.Atoi(f.min); err == nil && v < least {
		l.note(p, fmt.Sprintf("%d is too little; at least %d", v, least))
		return nil, false
	}
	return v, true
}
