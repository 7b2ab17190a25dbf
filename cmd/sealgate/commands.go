package main

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealgate/sealgate/config"
)

// version is set by the linker (-X main.version=1.0.0).
var version string

// versionText is what --version and the log say: the linker's word, or what the module was built as.
func versionText() string {
	if version != "" {
		return strings.TrimPrefix(version, "v")
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "devel"
}

// commands builds the whole command, in the groups in which `sealgate` alone shows it.
func (t *tool) commands() *cobra.Command {
	root := &cobra.Command{
		Use:           "sealgate",
		Short:         "Takes in payment files: each one is inspected, indexed, then sealed or deleted, before its sender hears OK.",
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          t.unknownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { t.helpAll(c); return nil },
		PersistentPreRun: func(*cobra.Command, []string) {
			t.started = true
			if t.utc {
				t.zone = time.UTC
			}
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("sealgate {{.Version}}\n")
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { t.help(c) })
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(c.CommandPath()+" -h", "%s", strings.ReplaceAll(err.Error(), "\n", " "))
	})
	root.SuggestionsMinimumDistance = 2
	t.groups = []commandGroup{
		{"Set up", []*cobra.Command{t.initCommand(), t.checkCommand(), t.userCommand()}},
		{"Run", []*cobra.Command{t.serveCommand(), t.unlockCommand(), t.lockCommand(), t.statusCommand(), t.remotesCommand(), t.pollCommand(), t.sendCommand()}},
		{"Look", []*cobra.Command{t.filesCommand(), t.showCommand(), t.paymentsCommand(), t.reportCommand(), t.inspectCommand(), t.openCommand(), t.exportCommand(), t.ledgerCommand(), t.verifyCommand(), t.verifyReceiptCommand()}},
		{"Decide", []*cobra.Command{t.decideCommand(true), t.decideCommand(false), t.changesCommand(), t.approveCommand()}},
		{"Keys", []*cobra.Command{t.certCommand(), t.accessKeyCommand(), t.rekeyCommand(), t.protectCommand(), t.unprotectCommand(), t.dumpCommand(), t.receiptKeyCommand()}},
	}
	for _, g := range t.groups {
		root.AddCommand(g.commands...)
	}
	root.SetHelpCommand(t.helpCommand())
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		t.holding(c)
	}
	root.AddCommand(&cobra.Command{Use: "version", Short: "Show the version.", Hidden: true, Args: arguments(),
		RunE: func(*cobra.Command, []string) error { t.say("sealgate %s\n", versionText()); return nil }})
	// Before the command or after it, as people type it; -h shows it where it means something.
	root.PersistentFlags().StringVarP(&t.configFile, "config", "c", "", "configuration `FILE` (default ./sealgate.yaml, then /etc/sealgate/sealgate.yaml)")
	return root
}

// commandGroup is what `sealgate` alone shows together, in this order.
type commandGroup struct {
	title    string
	commands []*cobra.Command
}

// readsConfig marks a command that reads the configuration, so that its help shows -c.
const readsConfig = "reads-config"

func (t *tool) withConfig(c *cobra.Command) *cobra.Command {
	c.Annotations = map[string]string{readsConfig: "yes"}
	return c
}

// withDesk gives a command the flags of those that ask the desk.
func (t *tool) withDesk(c *cobra.Command) *cobra.Command {
	t.withConfig(c)
	c.Flags().StringVar(&t.unlockFile, "unlock-key-file", "", "unlock key `F` to use while no gateway runs; - is stdin (default: as configured)")
	return c
}

// withTimes gives a command that shows times the flag --utc.
func (t *tool) withTimes(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&t.utc, "utc", false, "times in UTC, not in the local zone")
	return c
}

// withJSON gives a command the flag --json.
func (t *tool) withJSON(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&t.json, "json", false, "JSON lines, for programs")
	return c
}

// config is the configuration file to read.
func (t *tool) config() string {
	if t.configFile != "" {
		return t.configFile
	}
	return config.Find()
}

// arguments wants exactly the named arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage(c.CommandPath()+" -h", "%s needs %s", c.CommandPath(), strings.Join(names[len(args):], " and "))
		case len(args) > len(names):
			return usage(c.CommandPath()+" -h", "%s does not take %q", c.CommandPath(), args[len(names)])
		}
		return nil
	}
}

// unknownCommand is for a command that only holds others.
func (t *tool) unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := c.CommandPath() + " -h"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean: " + c.CommandPath() + " " + near[0]
	}
	return usage(hint, "%s has no command %q", c.CommandPath(), args[0])
}

// group is a command that only holds others.
func (t *tool) group(name, sentence string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: sentence}
	c.AddCommand(commands...)
	return t.holding(c)
}

// holding has a command that only holds others refuse to do without one of them.
func (t *tool) holding(c *cobra.Command) *cobra.Command {
	c.Args, c.SuggestionsMinimumDistance = t.unknownCommand, 2
	c.RunE = func(c *cobra.Command, _ []string) error {
		return usage(c.CommandPath()+" -h", "%s needs one of its commands", c.CommandPath())
	}
	return c
}

// helpAll is what `sealgate` alone says: the commands in their groups.
func (t *tool) helpAll(root *cobra.Command) {
	t.say("%s\n\nUsage: sealgate COMMAND\n", root.Short)
	var all []*cobra.Command
	for _, g := range t.groups {
		all = append(all, g.commands...)
	}
	wide := widest(all)
	for _, g := range t.groups {
		t.say("\n%s\n", g.title)
		for _, c := range g.commands {
			t.say("  %-*s  %s\n", wide, c.Name(), c.Short)
		}
	}
	t.say("\nsealgate COMMAND -h tells more, with examples; sealgate completion bash|zsh|fish writes a completion.\n")
}

// widest is how long the longest name is.
func widest(commands []*cobra.Command) (wide int) {
	for _, c := range commands {
		wide = max(wide, len(c.Name()))
	}
	return wide
}

// help is what -h says: one sentence, the usage, real examples, the flags.
func (t *tool) help(c *cobra.Command) {
	if !c.HasParent() {
		t.helpAll(c)
		return
	}
	use := c.UseLine()
	if c.HasAvailableSubCommands() {
		use = c.CommandPath() + " COMMAND"
	}
	t.say("%s\n\nUsage: %s\n", c.Short, use)
	if c.HasAvailableSubCommands() {
		t.say("\n")
		wide := widest(c.Commands())
		for _, sub := range c.Commands() {
			t.say("  %-*s  %s\n", wide, sub.Name(), sub.Short)
		}
	}
	if c.Example != "" {
		t.say("\nExamples:\n%s\n", c.Example)
	}
	var flags []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden && (f.Name != "config" || c.Annotations[readsConfig] != "") {
			flags = append(flags, flagLine(f))
		}
	})
	if len(flags) > 0 {
		t.say("\nFlags:\n%s", strings.Join(flags, ""))
	}
}

// helpCommand is `sealgate help COMMAND`, for those who try that before -h.
func (t *tool) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help COMMAND", Short: "Help about a command.", Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("sealgate -h", "there is no command %q", strings.Join(args, " "))
			}
			found.InitDefaultHelpFlag()
			t.help(found)
			return nil
		},
	}
}

func flagLine(f *pflag.Flag) string {
	kind, sentence := pflag.UnquoteUsage(f)
	name := "    --" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	if kind != "" {
		name += " " + kind
	}
	return fmt.Sprintf("  %-28s %s\n", name, sentence)
}

// examples are lines of a help text.
func examples(lines ...string) string { return "  " + strings.Join(lines, "\n  ") }

// load reads the configuration for a command that asks the desk: files that only the daemon may read need not be
// readable here.
func (t *tool) load() (*config.Config, error) {
	return config.Load(t.config(), config.Examine{KeyElsewhere: t.unlockFile != ""})
}

// configTrouble tells a configuration's mistakes, all of them; after is added to the sentence that counts them.
func (t *tool) configTrouble(err error, after string) error {
	var mistakes *config.Mistakes
	if errors.As(err, &mistakes) {
		return t.mistakesTold(mistakes, after)
	}
	if errors.Is(err, fs.ErrPermission) {
		return usage("ask as root, as the gateway's user, or as a member of its group", "%s", cause(err))
	}
	return usage("name it with -c FILE, or make a gateway with: sealgate init DIR", "%s", cause(err))
}
