// Package indexer keeps what the gateway knows of each file: its facts, payments, small sealed copies and the ledger,
// in one encrypted SQLite database per account, and the logins in another.
//
// Begin with Index.Commit (commit.go): what it writes in one transaction is the whole truth about a file. Then
// payments.go (blocks of payments written while the file still arrives), find.go and findpayments.go (questions),
// ledger.go and verify.go (proof). Below them: database.go opens SQLite, page.go and vfs.c encrypt its pages.
package indexer

// Key is the 256-bit key of one database.
type Key = [32]byte
