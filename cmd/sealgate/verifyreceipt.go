package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

func (t *tool) verifyReceiptCommand() *cobra.Command {
	var keyFile, ledger string
	c := &cobra.Command{
		Use:   "verify-receipt --key GATEWAY.pub FILE...",
		Short: "Check receipts, and a ledger against them, without the gateway; exit 1 if something is wrong.",
		Example: examples("sealgate verify-receipt --key gateway.pub receipts/*.json",
			"sealgate verify-receipt --key gateway.pub --ledger acme.jsonl receipts/*.json"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(c.CommandPath()+" -h", "%s needs FILE", c.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return t.verifyReceipts(keyFile, ledger, args) },
	}
	c.Flags().StringVar(&keyFile, "key", "", "the gateway's public key, `GATEWAY.pub`, as sealgate receipt-key prints it")
	c.Flags().StringVar(&ledger, "ledger", "", "the account's ledger, `F`, as sealgate ledger ACCOUNT --json prints it")
	return t.withJSON(c)
}

// longestReceipt bounds what is read of a file that is said to be a receipt.
const longestReceipt = 16 << 20

// verifyReceipts needs nothing but the files: no configuration, no gateway.
func (t *tool) verifyReceipts(keyFile, ledger string, files []string) error {
	if keyFile == "" {
		return usage("sealgate receipt-key prints it, where the gateway is", "sealgate verify-receipt needs --key GATEWAY.pub")
	}
	pem, err := readBounded(keyFile)
	if err != nil {
		return usage("", "--key %s", cause(err))
	}
	key, err := vault.ParseReceiptPublicKey(pem)
	if err != nil {
		return usage("", "--key %s: %s", keyFile, err)
	}
	check, problems := gateway.NewReceiptCheck(key), 0
	told := func(file string, problem string) error {
		problems++
		if t.json {
			return t.sayJSON(gateway.ReceiptProblem{File: file, Problem: problem})
		}
		t.say("%s: %s\n", clean(file), clean(problem))
		return nil
	}
	for _, file := range files {
		text, err := readBounded(file)
		if err != nil {
			return usage("", "%s", cause(err))
		}
		if err := check.Receipt(file, text); err != nil {
			if err := told(file, err.Error()); err != nil {
				return err
			}
		}
	}
	held := ""
	if ledger != "" {
		if held, err = t.verifyLedger(check, ledger, told); err != nil {
			return err
		}
	}
	if problems > 0 {
		return no("keep these files as they are, fetch the receipts and the public key anew, and compare them with somebody at the gateway by telephone",
			"%s found", count(problems, "problem"))
	}
	if !t.json {
		accounts, newest := check.Accounts()
		for i, account := range accounts {
			accounts[i] = fmt.Sprintf("%s (up to row %d of its ledger)", clean(account), newest[account])
		}
		t.say("ok: %s as the gateway signed them, of account %s%s\n", count(len(files), "receipt"), strings.Join(accounts, ", "), held)
	}
	return nil
}

// verifyLedger holds a ledger against the receipts, and gives what is to be said of a good one.
func (t *tool) verifyLedger(check *gateway.ReceiptCheck, ledger string, told func(file, problem string) error) (string, error) {
	if accounts, _ := check.Accounts(); len(accounts) > 1 {
		return "", usage("give the receipts of one of them at a time", "a ledger is of one account, and the receipts are of %s", strings.Join(accounts, ", "))
	}
	in, err := os.Open(ledger)
	if err != nil {
		return "", usage("", "--ledger %s", cause(err))
	}
	defer in.Close()
	found, err := check.Ledger(in)
	if err != nil {
		return "", no("", "%s: %s", clean(ledger), err)
	}
	for _, problem := range found.Problems {
		if err := told(ledger, problem); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("; the ledger of %s has all that the receipts name, and none before row %d was changed or taken out",
		count(found.Rows, "row"), found.Proven), nil
}

func readBounded(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, longestReceipt+1))
	if err == nil && len(text) > longestReceipt {
		err = fmt.Errorf("%s is too long for a receipt or a key", path)
	}
	return text, err
}
