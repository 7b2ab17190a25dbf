/* libssh. usage: OP LOCAL REMOTE [TEMP] */
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *step, ssh_session s, sftp_session f) {
	fprintf(stderr, "%s: %s (sftp %d)\n", step, ssh_get_error(s), f ? sftp_get_error(f) : -1);
	return 1;
}

static int put(ssh_session s, sftp_session f, const char *local, const char *remote, int resume) {
	static char buf[32768];
	uint64_t at = 0;
	int flags = O_WRONLY | O_CREAT | O_TRUNC, in = open(local, O_RDONLY);
	if (in < 0) { perror(local); return 1; }
	if (resume) {
		sftp_attributes a = sftp_stat(f, remote);
		if (!a) return fail("stat", s, f);
		at = a->size;
		flags = O_WRONLY;
	}
	sftp_file h = sftp_open(f, remote, flags, 0644);
	if (!h) return fail("open", s, f);
	if (at) { sftp_seek64(h, at); lseek(in, at, SEEK_SET); }
	ssize_t n;
	while ((n = read(in, buf, sizeof buf)) > 0)
		if (sftp_write(h, buf, n) != n) { fail("write", s, f); sftp_close(h); return 1; }
	if (sftp_close(h) != SSH_NO_ERROR) return fail("close", s, f);
	return 0;
}

int main(int argc, char **v) {
	if (argc < 4) return 3;
	int port = atoi(getenv("SG_PORT")), rc = 1;
	ssh_session s = ssh_new();
	ssh_options_set(s, SSH_OPTIONS_HOST, getenv("SG_HOST"));
	ssh_options_set(s, SSH_OPTIONS_PORT, &port);
	ssh_options_set(s, SSH_OPTIONS_USER, getenv("SG_USER"));
	if (ssh_connect(s) != SSH_OK) return fail("connect", s, NULL);
	if (ssh_userauth_password(s, NULL, getenv("SG_PASS")) != SSH_AUTH_SUCCESS) return fail("login", s, NULL);
	sftp_session f = sftp_new(s);
	if (!f || sftp_init(f) != SSH_OK) return fail("sftp", s, f);
	if (!strcmp(v[1], "put")) rc = put(s, f, v[2], v[3], 0);
	else if (!strcmp(v[1], "resume")) rc = put(s, f, v[2], v[3], 1);
	else if (!strcmp(v[1], "modes")) {
		rc = put(s, f, v[2], v[3], 0);
		if (!rc && sftp_chmod(f, v[3], 0640) < 0) rc = fail("chmod", s, f);
		struct timeval t[2] = {{1600000000, 0}, {1600000000, 0}};
		if (!rc && sftp_utimes(f, v[3], t) < 0) rc = fail("utimes", s, f);
	} else if (!strcmp(v[1], "rename3")) {
		rc = put(s, f, v[2], v[4], 0);
		if (!rc && sftp_rename(f, v[4], v[3]) < 0) rc = fail("rename", s, f);
	}
	sftp_free(f);
	ssh_disconnect(s);
	ssh_free(s);
	return rc;
}
