package main

import (
	"github.com/spf13/cobra"
)

func (t *tool) remotesTestCommand() *cobra.Command { return &cobra.Command{Use: "test REMOTE"} }
