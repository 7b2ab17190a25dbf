// Command sealgate is the gateway and its operators' tool: `sealgate serve` is the daemon, every other subcommand looks at
// it, decides for it or makes what it needs.
//
// Begin with commands.go, which lists the commands; talk.go has the manners that all of them share: the answer on
// stdout, the talk on stderr, and the exit status.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses. A Go panic exits 2 as well, so nothing may build restart logic on that number.
const (
	exitYes         = 0
	exitNo          = 1 // the answer is no: no such file, something is wrong, not held
	exitUsage       = 2 // the command line or the configuration
	exitInterrupted = 130
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		cancel()
		<-stop // whoever asks twice does not want to wait for what is under way
		os.Exit(exitInterrupted)
	}()
	os.Exit(newTool().run(ctx, os.Args[1:]))
}
