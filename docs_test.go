package sealgate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPages: the README is short and names every page, and no page leads to one that is not there.
func TestPages(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	if lines := strings.Count(readme, "\n"); lines > 150 {
		t.Errorf("the README has %d lines", lines)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range append(pages, "README.md") {
		if page != "README.md" && !strings.Contains(readme, "("+filepath.ToSlash(page)+")") {
			t.Errorf("the README does not name %s", page)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// TestCodes: a sender finds the code of what is not taken in the page that he was given.
func TestCodes(t *testing.T) {
	page, err := os.ReadFile("docs/customers.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("gateway/*.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`notTaken\(.*"([a-z-]+)", (?:""|id|u\.id)\)`) // those of verdicts are the reasons of a policy
	known := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range codes.FindAllStringSubmatch(string(text), -1) {
			if known++; !strings.Contains(string(page), "`"+m[1]+"`") {
				t.Errorf("%s: docs/customers.md does not have the code %s", file, m[1])
			}
		}
	}
	if known < 7 {
		t.Errorf("%d codes were found", known)
	}
}
