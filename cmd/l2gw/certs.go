package main

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"l2gw/internal/certs"
	"l2gw/internal/cli"
)

// newCerts is the authority of a laboratory.
func newCerts() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Make a small certificate authority and certificates for a lab",
		Long: "Make a small certificate authority and certificates for a lab.\n\n" +
			"Open vSwitch lets in whoever has a certificate of the authority that it is given. Where switches must be\n" +
			"kept from programming one another, make two authorities: one for L2GW, one for the switches.",
	}
	cmd.AddCommand(newCertsInit(), newCertsIssue())
	return cmd
}

func newCertsInit() *cobra.Command {
	var o certs.Options
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make an authority in a folder",
		Args:  cli.Arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			made, err := certs.Init(args[0], o)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			showCertificate(out, made)
			fmt.Fprintf(out, "\nNext:\n  l2gw certs issue %[1]s l2gw\n  l2gw certs issue %[1]s tor1\n", quote(args[0]))
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Days, "days", certs.CADays, "how long it is valid")
	return cmd
}

func newCertsIssue() *cobra.Command {
	var o certs.Options
	cmd := &cobra.Command{
		Use:     "issue DIR NAME",
		Short:   "Make a certificate for a switch or for L2GW",
		Example: "  l2gw certs issue pki tor1 --san tor1.example.org --san 192.0.2.11",
		Args:    cli.Arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			made, err := certs.Issue(args[0], args[1], o)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			showCertificate(out, made)
			commands(out, args[1], made)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&o.SANs, "san", nil, "a further DNS name or IP address (repeatable)")
	cmd.Flags().IntVar(&o.Days, "days", certs.LeafDays, "how long it is valid, if the authority is")
	return cmd
}

func showCertificate(out io.Writer, c certs.Issued) {
	fmt.Fprintf(out, "certificate  %s\nprivate key  %s\nauthority    %s\nvalid until  %s\nfingerprint  sha256:%s\n",
		c.CertFile, c.KeyFile, c.CAFile, c.NotAfter.UTC().Format("2006-01-02 15:04 MST"), c.Fingerprint)
}

// commands prints what to do with a certificate, at either end.
func commands(out io.Writer, name string, c certs.Issued) {
	abs := func(path string) string {
		if a, err := filepath.Abs(path); err == nil {
			path = a
		}
		return quote(path)
	}
	files := func(prefix string) string {
		return fmt.Sprintf("--%[1]sprivate-key=%[2]s \\\n      --%[1]scertificate=%[3]s \\\n      --%[1]sca-cert=%[4]s", prefix, abs(c.KeyFile), abs(c.CertFile), abs(c.CAFile))
	}
	fmt.Fprintf(out, `
If %[1]s is a server (agents name it in --servers by this name, or by one of --san):
  l2gw serve … --fabric-listen 0.0.0.0:9698 --agents agents.yaml \
      %[4]s

If %[1]s is an agent:
  l2gw agent … --host %[1]s --servers SERVER:9698 \
      %[4]s

If %[1]s is what switches see of L2GW (agent or standalone):
  l2gw standalone %[2]s \
      --ovsdb-hosts tor1:ssl:192.0.2.11:6640,tor2:passive --ovsdb-listen pssl:6640

If %[1]s is a switch that L2GW dials:
  ovsdb-server /etc/openvswitch/vtep.db --remote=pssl:6640 \
      %[2]s
  l2gw standalone … --ovsdb-hosts %[1]s:ssl:HOST:6640 --ovsdb-identity %[1]s=sha256:%[3]s

If %[1]s is a switch that dials in to L2GW:
  ovsdb-server /etc/openvswitch/vtep.db --remote=db:hardware_vtep,Global,managers --remote=punix:/run/openvswitch/db.sock \
      %[2]s
  vtep-ctl set-manager ssl:L2GW-ADDRESS:6640
  l2gw standalone … --ovsdb-listen pssl:6640 --ovsdb-hosts %[1]s:passive --ovsdb-identity %[1]s=sha256:%[3]s
`, name, files(""), c.Fingerprint, files("fabric-"))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./+:=@-]+$`)

// quote makes one word of a shell of a path.
func quote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
