# Types at OpenSSH's sftp in a terminal: put, Ctrl-C in the middle, ls -l, reput. usage: LOCAL NAME sftp ARG...
import os, pty, re, select, sys, time

local, name, argv = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, tty = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
seen = ""


def until(pattern, what):
    global seen
    end = time.monotonic() + 60
    while not re.search(pattern, seen):
        left = end - time.monotonic()
        if left <= 0 or not select.select([tty], [], [], left)[0]:
            print(seen + "\nnever saw: " + what)
            sys.exit(1)
        try:
            text = os.read(tty, 65536).decode("utf-8", "replace")
        except OSError:
            text = ""
        if text == "":
            print(seen + "\nended before: " + what)
            sys.exit(1)
        sys.stdout.write(text)
        seen += text


def type_(line):
    global seen
    seen = ""
    os.write(tty, line.encode())


until(r"sftp> ", "prompt")
type_("put %s /inbox/%s\n" % (local, name))
until(r" [1-9]\d?%", "a part of the upload")
type_("\x03")
until(r"sftp> ", "prompt after Ctrl-C")
type_("ls -l /inbox\n")
until(r"-[rwx-]{9}.*%s\r?\n(.*\n)*.*sftp> " % re.escape(name), "the parked file")
type_("reput %s /inbox/%s\n" % (local, name))
until(r"100%(.*\n)+.*sftp> ", "the end of reput")
type_("bye\n")
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
