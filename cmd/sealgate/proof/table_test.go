package proof

// clients is CLIENTS.md section 2 as a table: every client, what it can do, and what its user sees of a refusal.
// A sentence is seen either in the SFTP status or because the client passes the channel's stderr on.
func clients() []client {
	ssh2 := "/" + peers()[1:] + "/node_modules/ssh2-sftp-client"
	return []client{
		{name: "sftp-b", ops: "put modes fsync rename rename3 resume", needs: []string{"sftp"}, run: (*desk).sftpBatch,
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "sftp-typed", ops: "put modes rename", needs: []string{"sftp"}, run: (*desk).sftpTyped,
			closing: seen{0, true}, writing: seen{0, true}, renaming: seen{0, true}},
		{name: "scp-s", ops: "put modes", needs: []string{"scp"}, run: (*desk).scp,
			closing: seen{1, true}, writing: seen{1, true}},
		{name: "dbclient", ops: "put modes rename", needs: []string{"sftp", "dbclient", "dropbearconvert"}, run: (*desk).dropbear,
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "lftp", ops: "put modes rename3 resume", needs: []string{"lftp"}, run: (*desk).lftp,
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "psftp", ops: "put rename3 resume", needs: []string{"psftp"}, run: (*desk).psftp,
			closing: seen{2, true}, writing: seen{2, true}, renaming: seen{2, true}},
		{name: "pscp", ops: "put modes", needs: []string{"pscp"}, run: (*desk).pscp,
			closing: seen{0, true}, writing: seen{1, true}},
		{name: "curl", ops: "put rename3 resume", needs: []string{"curl"}, run: (*desk).curl,
			closing: seen{0, false}, writing: seen{79, false}, renaming: seen{21, false}},
		{name: "paramiko", ops: "put modes rename rename3 resume", needs: []string{python}, run: script(python, testdata("paramiko_put.py")),
			closing: seen{1, false}, writing: seen{1, false}, renaming: seen{1, true}},
		{name: "asyncssh", ops: "put modes rename rename3 resume", needs: []string{python}, run: script(python, testdata("asyncssh_put.py")),
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "libssh", ops: "put modes rename3 resume", needs: []string{"built:libssh_put"}, run: (*desk).libssh,
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "foreign", ops: "put modes rename atomic resume", needs: []string{"perl", "/usr/share/perl5/Net/SFTP/Foreign.pm"},
			run: script("perl", testdata("foreign_put.pl")), closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "phpseclib", ops: "put modes rename3 resume", needs: []string{"php"}, run: script("php", testdata("seclib_put.php")),
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "jsch", ops: "put modes rename3 resume", needs: []string{"java", jsch, "built:JschPut.class"}, run: (*desk).jsch,
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "rclone", ops: "put rename", needs: []string{"rclone"}, run: (*desk).rclone,
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
		{name: "sshfs", ops: "put modes rename", needs: []string{"sshfs", "fusermount3", "/dev/fuse"}, run: (*desk).sshfs,
			closing: seen{0, false}, writing: seen{-1, false}, renaming: seen{1, false}},
		{name: "ssh2", ops: "put fastput modes rename rename3 resume", needs: []string{"node", ssh2}, run: script("node", testdata("ssh2_put.js")),
			closing: seen{1, true}, writing: seen{1, true}, renaming: seen{1, true}},
	}
}
