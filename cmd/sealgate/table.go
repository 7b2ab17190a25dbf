package main

import (
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// column is a column of a table. A head may hold %Z: the zones of the times below it.
type column struct {
	head  string
	right bool // numbers
	name  bool // the one column that gives way on a narrow terminal
}

// cell is a text, cleaned when it is added, and a colour of one word.
type cell struct{ text, colour string }

// table prints rows in columns: two spaces between them, no frames. It measures a block of rows at a time, so that a
// long list neither waits for its end nor is held in memory; widths only grow.
type table struct {
	tool    *tool
	columns []column
	widths  []int
	rows    [][]cell
	headed  bool
}

// tableBlock is how many rows are measured together.
const tableBlock = 1000

func (t *tool) newTable(columns ...column) *table {
	return &table{tool: t, columns: columns, widths: make([]int, len(columns))}
}

func text(words ...string) []cell {
	cells := make([]cell, len(words))
	for i, w := range words {
		cells[i].text = w
	}
	return cells
}

func (b *table) add(cells ...cell) {
	for i := range cells {
		if cells[i].text = clean(cells[i].text); cells[i].text == "" {
			cells[i].text = "-"
		}
	}
	if b.rows = append(b.rows, cells); len(b.rows) == tableBlock {
		b.flush()
	}
}

// flush prints what was added. A table without a row prints nothing.
func (b *table) flush() {
	if len(b.rows) == 0 {
		return
	}
	if !b.headed {
		b.headed = true
		head := make([]cell, len(b.columns))
		for i, c := range b.columns {
			head[i].text = strings.ReplaceAll(c.head, "%Z", b.tool.zoneNames())
		}
		b.rows = append([][]cell{head}, b.rows...)
	}
	for _, row := range b.rows {
		for i, c := range row {
			b.widths[i] = max(b.widths[i], utf8.RuneCountInString(c.text))
		}
	}
	widths := b.fitted()
	for _, row := range b.rows {
		b.tool.say("%s\n", b.line(row, widths))
	}
	b.rows = b.rows[:0]
}

// fitted narrows the name's column to what a terminal can show; elsewhere nothing is ever cut.
func (b *table) fitted() []int {
	widths := append([]int(nil), b.widths...)
	if !b.tool.screen {
		return widths
	}
	wide, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || wide <= 0 {
		return widths
	}
	over := -wide - 2
	for _, w := range widths {
		over += w + 2
	}
	for i, c := range b.columns {
		if c.name && over > 0 {
			widths[i] = min(widths[i], max(12, widths[i]-over))
		}
	}
	return widths
}

func (b *table) line(row []cell, widths []int) string {
	var line strings.Builder
	blanks := 0 // written only before something, so that no line ends in blanks
	for i, c := range row {
		if n := utf8.RuneCountInString(c.text); n > widths[i] {
			c.text = string([]rune(c.text)[:widths[i]-1]) + "…"
		}
		fill := widths[i] - utf8.RuneCountInString(c.text)
		if b.columns[i].right {
			blanks += fill
			fill = 0
		}
		line.WriteString(strings.Repeat(" ", blanks))
		line.WriteString(b.tool.coloured(c.text, c.colour))
		blanks = fill + 2
	}
	return line.String()
}
