# asyncssh. usage: OP LOCAL REMOTE [TEMP]
import asyncio, os, sys
import asyncssh

op, local, remote = sys.argv[1:4]


async def main():
    async with asyncssh.connect(os.environ["SG_HOST"], int(os.environ["SG_PORT"]), known_hosts=None, client_keys=None,
                                username=os.environ["SG_USER"], password=os.environ["SG_PASS"]) as c:
        async with c.start_sftp_client() as s:
            if op == "put":
                await s.put(local, remote)
            elif op == "modes":
                await s.put(local, remote, preserve=True)
            elif op == "rename":
                await s.put(local, sys.argv[4])
                await s.posix_rename(sys.argv[4], remote)
            elif op == "rename3":
                await s.put(local, sys.argv[4])
                await s.rename(sys.argv[4], remote)
            elif op == "resume":
                at = (await s.stat(remote)).size
                with open(local, "rb") as src:
                    src.seek(at)
                    async with s.open(remote, "r+b") as dst:
                        await dst.seek(at)
                        await dst.write(src.read())
            elif op == "append":  # 'ab': its offsets begin at 0 again in every write()
                at = (await s.stat(remote)).size
                with open(local, "rb") as src:
                    src.seek(at)
                    async with s.open(remote, "ab") as dst:
                        while True:
                            part = src.read(65536)
                            if not part:
                                break
                            await dst.write(part)
            else:
                raise Exception("no such op " + op)


try:
    asyncio.run(main())
except Exception as e:
    print("%s: %s" % (type(e).__name__, e), file=sys.stderr)
    sys.exit(1)
