package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/server/sshd"
)

// newSSHConfigCmd makes `muxward ssh-config`: what people who come by ssh put into
// their ~/.ssh/config.
func newSSHConfigCmd() *cobra.Command {
	var f daemonFlags
	var host, alias string
	cmd := &cobra.Command{
		Use:   "ssh-config",
		Short: "print a Host block for people who come by ssh",
		Long: `Print what people who come by ssh put into their ~/.ssh/config, and, as a comment,
the line for their known_hosts. It goes by the muxward of the state directory, as it
serves or served last.`,
		Example: `  muxward ssh-config --host bastion.example.org
  ssh alice/work@muxward`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := f.serving()
			if err != nil {
				return err
			}
			if at.SSH == nil {
				return errors.New("the ssh door is closed; open it with: muxward serve --ssh :2222")
			}
			listens, port, err := net.SplitHostPort(at.SSH.Addr)
			if err != nil {
				return fmt.Errorf("the ssh door's address %q cannot be read: %w", at.SSH.Addr, err)
			}
			if host == "" {
				host = sshd.ReachedBy(listens)
			}
			if f.json {
				return printJSON(cmd, map[string]string{"host": host, "port": port,
					"fingerprint": at.SSH.Fingerprint, "host_key": at.SSH.HostKey, "authority": at.SSH.Authority})
			}
			kinds := "ssh-ed25519"
			if at.SSH.Authority != "" {
				kinds = "ssh-ed25519-cert-v01@openssh.com," + kinds
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "# or, for all hosts that this authority has certified:\n# @cert-authority [%s]:%s %s\n",
					host, port, at.SSH.Authority)
				if err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `# for ~/.ssh/known_hosts (%s):
# [%s]:%s %s
Host %s
    HostName %s
    Port %s
    HostKeyAlgorithms %s
    ForwardAgent no
    ForwardX11 no
    ServerAliveInterval 20
`, at.SSH.Fingerprint, host, port, at.SSH.HostKey, alias, host, port, kinds)
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&host, "host", "", "the `name` by which people reach this host (default: its own)")
	cmd.Flags().StringVar(&alias, "alias", "muxward", "what the block is called")
	return cmd
}
