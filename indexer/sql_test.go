package indexer

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlans: what is asked often goes by an index, whatever there is in the tables.
func TestPlans(t *testing.T) {
	x := newIndex(t)
	blob := make([]byte, 32)
	eleven := []any{1, 1, 1, "", "", "", "", "", page, "", ""}
	asked := []any{1, 1, 1, 1, "", "", "", 1, nil, nil, nil, nil, 1, "", "", "", ""}
	const allBuckets = sqlBlocksSelect + `, b.summary` + sqlBucketID + sqlBucketAccount + sqlBucketReference + sqlBucketAmount
	const place = "\nSCALAR SUBQUERY 3\nSEARCH files USING COVERING INDEX files_received (received_at>? AND received_at<?)" +
		"\nSCALAR SUBQUERY 4\nSEARCH files USING COVERING INDEX files_received (received_at<?)" +
		"\nSCALAR SUBQUERY 5\nSEARCH files USING COVERING INDEX files_received (received_at<?)"
	type plan struct {
		query, want string
		args        []any
	}
	plans := []plan{
		{sqlEarlierContent, "SEARCH files USING INDEX files_sha256 (sha256=? AND taken=? AND received_at>?)", []any{blob, 1, 1}},
		{sqlEarlierBusiness, "SEARCH files USING INDEX files_business (business=? AND taken=? AND received_at>?)", []any{blob, 1, 1}},
		{sqlEarlierContent, "SEARCH files USING INDEX files_sha256 (sha256=? AND taken=?)" + place, []any{blob, 1, 1}},
		{sqlEarlierBusiness, "SEARCH files USING INDEX files_business (business=? AND taken=?)" + place, []any{blob, 1, 1}},
		{sqlFind, "SEARCH f USING INDEX sqlite_autoindex_files_2 (reversed>? AND reversed<?)", []any{"a", "b", 1}},
		{sqlFilesByTime, "SEARCH f USING INDEX files_received (received_at>? AND received_at<?)", eleven},
		{sqlFilesHeld, "INDEX files_held", eleven}, {sqlFilesTroubled, "INDEX files_troubled", eleven},
		{sqlFilesByMessage, "SEARCH f USING INDEX files_message (message_id=?", eleven},
		{sqlFilesByAnswer, "SEARCH f USING INDEX files_answers (answers=?", eleven},
		{sqlFilesFound, "INDEX files_found", eleven},
		{sqlFilesByContent, "SEARCH f USING INDEX files_sha256 (sha256>? AND sha256<?)", append(eleven[:11:11], blob, blob)},
		{allBuckets + sqlBlocks, "SEARCH b USING INDEX blocks_file (file=?)", asked},
		{allBuckets + sqlBlocks, "USING INDEX files_received (", asked},
		{allBuckets + sqlBlocksByMessage, "USING INDEX files_message (message_id=?", asked},
		{allBuckets + sqlBlocksByMessage, "SEARCH b USING INDEX blocks_file (file=?)", asked},
		{allBuckets + sqlBlocksOf, "SEARCH b USING INDEX blocks_file (file=? AND no>?)", asked},
		{allBuckets + sqlBlocksOf, "SEARCH f USING INDEX sqlite_autoindex_files_1 (id=?)", asked},
		{sqlQueues, "SCAN s USING INDEX sends_waiting", nil},
		{sqlSteps, "SEARCH s USING INDEX segments_file (file=?) LEFT-JOIN\nSEARCH b USING INDEX blocks_file (file=?) LEFT-JOIN", asked},
		{sqlSteps, "USING INDEX files_received (", asked},
		{sqlStepsByMessage, "USING INDEX files_message (message_id=?", asked},
		{sqlStepsByMessage, "SEARCH s USING INDEX segments_file (file=?) LEFT-JOIN\nSEARCH b USING INDEX blocks_file (file=?) LEFT-JOIN", asked},
		{sqlStepsOf, "SEARCH f USING INDEX sqlite_autoindex_files_1 (id=? AND rowid<?)", asked},
		{sqlStepsOf, "SEARCH s USING INDEX segments_file (file=?) LEFT-JOIN\nSEARCH b USING INDEX blocks_file (file=?) LEFT-JOIN", asked},
		{sqlPieces, "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)", []any{32, "[1,2]"}},
		{sqlSteps, "SEARCH t USING COVERING INDEX segments_file (file=? AND first=?)", asked},
		{sqlHunted, "SEARCH files USING INDEX sqlite_autoindex_files_1 (id=?)", []any{""}},
		{sqlListed, "SCAN l\nSCAN n LEFT-JOIN\nSEARCH t USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN", nil}, // the whole list
		{sqlVerifyNames, "SCAN l\nSCAN n LEFT-JOIN\nSEARCH t USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN", nil},
		{sqlKeptNames, "SEARCH names USING INDEX names_kept (kept>? AND kept<?)", []any{1, 1}},
		{sqlOwnNames, "SEARCH names USING INDEX names_file (file=?)", []any{""}},
		{sqlSmallNames, "SEARCH names USING INDEX names_small (grade=?)", []any{1, 1}},
		{sqlKeepNames, "SEARCH names USING INDEX names_file (file=?)", []any{""}},
		{sqlKeepNames, "SEARCH names USING COVERING INDEX names_kept", []any{""}},
		{sqlTakenFiles, "SEARCH files USING INTEGER PRIMARY KEY (rowid>?)", []any{1}},
		{sqlVerifyBlock, "SEARCH b USING INDEX blocks_file (file=? AND no=?)", []any{"", 1}},
	}
	for i, want := range []string{
		"SCAN name_list\nSCALAR SUBQUERY 1\nSEARCH names USING INDEX names_file (file=? AND first>?)", // it has one row
		"SEARCH names USING COVERING INDEX names_file (file=? AND first>?)", "SEARCH names USING COVERING INDEX names_file (file=? AND first>?)",
		"SEARCH names USING INDEX names_file (file=? AND first>?)", "SEARCH s USING COVERING INDEX segments_file (file=? AND first>?)",
		"SEARCH segments USING INDEX segments_file (file=? AND first>?)",
	} {
		plans = append(plans, plan{droppingNames()[i], want, []any{"", 1}})
	}
	check := func(d *database, c plan) {
		rows, err := d.r.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+c.query, c.args...)
		if err != nil {
			t.Fatalf("%s: %v", c.query, err)
		}
		var steps []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			steps = append(steps, detail)
		}
		rows.Close()
		// The two subqueries are of one row each.
		got := strings.NewReplacer("SCAN CONSTANT ROW", "", "SCAN json_each VIRTUAL TABLE", "", "SCAN i VIRTUAL TABLE", "",
			"SCAN (subquery-1)", "", "SCAN (subquery-6)", "").Replace(strings.Join(steps, "\n"))
		if !strings.Contains(got, c.want) || strings.Contains(strings.Replace(got, c.want, "", 1), "SCAN") {
			t.Errorf("%s\nplan:\n%s\nwant %s, and no scan", c.query, got, c.want)
		}
		if strings.Contains(got, "TEMP B-TREE") && !strings.Contains(c.query, "sha256 BETWEEN") {
			t.Errorf("%s\nsorts:\n%s", c.query, got)
		}
	}
	for _, c := range plans {
		check(x.d, c)
	}
	log := newSafe(t).protected(t).sealedLog.d
	for _, c := range []plan{
		{sqlLoggedContent, "SEARCH files USING INDEX files_content (content=? AND received_at>?)", []any{blob, 1, 1}},
		{sqlLoggedContent, "SEARCH files USING INDEX files_content (content=?)" + place, []any{blob, 1, 1}},
		{sqlLoggedBusiness, "SEARCH files USING INDEX files_business (business=? AND received_at>?)", []any{blob, 1, 1}},
		{sqlLoggedBusiness, "SEARCH files USING INDEX files_business (business=?)" + place, []any{blob, 1, 1}},
	} {
		check(log, c)
	}
}

// TestSQLConstant: no SQL is put together from anything but constants. A query is a literal, a constant, a sum of these,
// or a variable named query, and that gets no other values.
func TestSQLConstant(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset, consts, takers, calls := token.NewFileSet(), map[string]bool{}, map[string]int{}, 0
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, name := range []string{"ExecContext", "QueryContext", "QueryRowContext", "PrepareContext"} {
		takers[name] = 1
	}
	for _, name := range []string{"Exec", "Query", "QueryRow", "Prepare"} {
		takers[name] = 0
	}
	each := func(f func(ast.Node)) {
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool { f(n); return true })
		}
	}
	position := func(p *ast.FieldList) int {
		at := 0
		for _, field := range p.List {
			for _, n := range field.Names {
				if n.Name == "query" {
					return at
				}
				at++
			}
		}
		return -1
	}
	each(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.GenDecl:
			for _, s := range n.Specs {
				if v, ok := s.(*ast.ValueSpec); ok && n.Tok == token.CONST {
					for _, id := range v.Names {
						consts[id.Name] = true
					}
				}
			}
		case *ast.FuncDecl:
			if at := position(n.Type.Params); at >= 0 {
				takers[n.Name.Name] = at
			}
		case *ast.AssignStmt:
			if l, ok := n.Rhs[0].(*ast.FuncLit); ok && position(l.Type.Params) >= 0 {
				takers[n.Lhs[0].(*ast.Ident).Name] = position(l.Type.Params)
			}
		}
	})
	var constant func(e ast.Expr) bool
	constant = func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.BasicLit:
			return e.Kind == token.STRING
		case *ast.Ident:
			return consts[e.Name] || e.Name == "query"
		case *ast.BinaryExpr:
			return e.Op == token.ADD && constant(e.X) && constant(e.Y)
		}
		return false
	}
	check := func(e ast.Expr) {
		if calls++; !constant(e) {
			t.Errorf("%s: SQL that is not constant", fset.Position(e.Pos()))
		}
	}
	called := func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.SelectorExpr:
			return e.Sel.Name
		case *ast.Ident:
			return e.Name
		}
		return ""
	}
	migrations := 0
	each(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			at, ok := takers[called(n.Fun)]
			if !ok || len(n.Args) <= at {
				return
			}
			if c, ok := n.Args[at].(*ast.CallExpr); ok && called(c.Fun) == "string" && called(c.Args[0]) == "script" {
				migrations++ // an embedded file
				return
			}
			check(n.Args[at])
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				if id, ok := l.(*ast.Ident); !ok || id.Name != "query" {
					continue
				}
				if c, ok := n.Rhs[0].(*ast.CallExpr); ok && called(c.Fun) == "query" {
					continue
				}
				check(n.Rhs[i])
			}
		case *ast.FuncDecl:
			if n.Name.Name == "query" {
				ast.Inspect(n, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok {
						check(r.Results[0])
					}
					return true
				})
			}
		}
	})
	if calls < 40 || migrations != 1 {
		t.Errorf("looked at %d queries and %d migrations: the test has lost sight of them", calls, migrations)
	}
}
