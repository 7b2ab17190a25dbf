package gateway

import (
	"sync"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

// Payments go from the inspection to the index in batches: a few hundred payments, or this much text. So many batches may
// wait, some fifteen hundred payments, while the index is busy with its disk.
const (
	batchPayments = 256
	batchText     = 48 << 10
	batchesWait   = 6
)

// storingMemory is what the batches of one upload hold.
const storingMemory = (batchesWait + 2) * (batchText + batchPayments*256)

// storing stores the payments of a large upload beside the inspection that finds them, in a goroutine of its own: to
// describe, to pack and to write them costs as much as to find them.
type storing struct {
	payments *indexer.Payments
	failed   func(error)
	current  *batch
	queue    chan *batch
	pending  sync.WaitGroup // batches that are not stored
	running  sync.WaitGroup
}

// batch holds payments and their texts. It is used again and again.
type batch struct {
	payments []formats.Payment
	text     []byte
}

var batches = sync.Pool{New: func() any {
	return &batch{make([]formats.Payment, 0, batchPayments), make([]byte, 0, batchText)}
}}

// giveBack returns the batch to its pool, without the payments in it.
func (b *batch) giveBack() {
	clear(b.payments)
	clear(b.text)
	b.payments, b.text = b.payments[:0], b.text[:0]
	batches.Put(b)
}

// newStoring begins to store. failed is told of faults, in that goroutine.
func newStoring(payments *indexer.Payments, failed func(error)) *storing {
	s := &storing{payments: payments, failed: failed, current: batches.Get().(*batch), queue: make(chan *batch, batchesWait)}
	s.running.Go(func() {
		for b := range s.queue {
			s.failed(caught(func() error { return s.store(b) }))
			b.giveBack()
			s.pending.Done()
		}
	})
	return s
}

func (s *storing) store(b *batch) error {
	for i := range b.payments {
		if err := s.payments.Add(&b.payments[i]); err != nil {
			return err
		}
	}
	return nil
}

// add takes a payment, whose bytes may be used again when it returns.
func (s *storing) add(p *formats.Payment) {
	texts := [...][]byte{p.EndToEndID, p.Currency, p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount, p.ExecutionDate, p.Reference}
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if b := s.current; len(b.payments) == batchPayments || len(b.text)+size > batchText {
		s.hand()
	}
	b := s.current
	for i, text := range texts {
		at := len(b.text)
		b.text = append(b.text, text...)
		texts[i] = b.text[at:len(b.text):len(b.text)]
	}
	b.payments = append(b.payments, formats.Payment{
		Index: p.Index, Amount: p.Amount,
		EndToEndID: texts[0], Currency: texts[1], PayerName: texts[2], PayerAccount: texts[3], PayeeName: texts[4], PayeeAccount: texts[5],
		ExecutionDate: texts[6], Reference: texts[7],
	})
}

// hand gives the current batch to be stored, and begins the next.
func (s *storing) hand() {
	if len(s.current.payments) == 0 {
		return
	}
	s.pending.Add(1)
	s.queue <- s.current
	s.current = batches.Get().(*batch)
}

// drain waits until all payments are stored.
func (s *storing) drain() {
	s.hand()
	s.pending.Wait()
}

// end waits for what is under way. The last payments, which nobody waited for, are forgotten with it.
func (s *storing) end() {
	close(s.queue)
	s.running.Wait()
}
