# paramiko as people use it: put(), open(), utime(). usage: OP LOCAL REMOTE [TEMP]
import os, sys
import paramiko

op, local, remote = sys.argv[1:4]
t = paramiko.Transport((os.environ["SG_HOST"], int(os.environ["SG_PORT"])))
t.connect(username=os.environ["SG_USER"], password=os.environ["SG_PASS"])
s = paramiko.SFTPClient.from_transport(t)
try:
    if op == "put":
        s.put(local, remote)
    elif op == "put-blind":  # no check of the size afterwards
        s.put(local, remote, confirm=False)
    elif op == "modes":
        s.put(local, remote)
        s.utime(remote, (1600000000, 1600000000))
        s.chmod(remote, 0o640)
        if int(s.stat(remote).st_mtime) != 1600000000:
            raise Exception("the time set is not shown")
    elif op == "rename":
        s.put(local, sys.argv[4])
        s.posix_rename(sys.argv[4], remote)
    elif op == "rename3":
        s.put(local, sys.argv[4])
        s.rename(sys.argv[4], remote)
    elif op == "resume":
        at = s.stat(remote).st_size
        with open(local, "rb") as src, s.open(remote, "r+") as dst:
            src.seek(at)
            dst.seek(at)
            dst.write(src.read())
    else:
        raise Exception("no such op " + op)
except Exception as e:
    print("%s: %s" % (type(e).__name__, e), file=sys.stderr)
    sys.exit(1)
finally:
    t.close()
