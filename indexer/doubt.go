package indexer

import "context"

// refusal is one that the index may lack: everything stopped, or the index could not be written, after it was entered here, and before
// its hashes were forgotten. The next unlocking may tell that it was not done (undone). If a file of the same content were new until
// then, both could come to be released.
type refusal struct {
	id                string
	receivedAt        int64
	content, business []byte // keyed
}

// doubt finds the refusals in doubt: those of which the rows of the ledger are still to be merged, or seem to be. While the index is
// locked there come to be no others.
func (l *sealedLog) doubt(ctx context.Context) error {
	rows, err := l.d.w.QueryContext(ctx, `SELECT id, received_at, content, business FROM files
		WHERE verdict = 'rejected' AND seq IN (SELECT n FROM records WHERE file = '') ORDER BY received_at`)
	if err != nil {
		return err
	}
	defer rows.Close()
	list := []refusal{}
	for rows.Next() {
		var f refusal
		if err := rows.Scan(&f.id, &f.receivedAt, &f.content, &f.business); err != nil {
			return err
		}
		list = append(list, f)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	l.doubtful = list
	return nil
}

// forget takes the hashes of a refused file out of the log, once the index has its refusal durably: from then on nobody is a duplicate of
// it, also not where everything stops and the log alone is there to tell. It is not flushed. Die before it, or lose it in a power cut, and
// the refusal is in doubt until the next unlocking. If an older index.db is put back, so that the refusal is undone after all, revise puts
// the hashes back with the verdict. The caller holds the lock.
func (l *sealedLog) forget(id string) error {
	l.doubtful = nil // the account may have been locked meanwhile, and have looked
	return l.d.write(l.d.base, false, func(ctx context.Context) error {
		_, err := l.d.w.ExecContext(ctx, `UPDATE files SET content = NULL, business = NULL WHERE id = ? AND verdict = 'rejected'`, id)
		return err
	})
}
