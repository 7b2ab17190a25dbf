// ssh2-sftp-client. usage: OP LOCAL REMOTE [TEMP]
const fs = require('fs');
const Client = require(process.env.SG_PEERS + '/node_modules/ssh2-sftp-client');
const [op, local, remote, temp] = process.argv.slice(2);

(async () => {
  const c = new Client();
  let code = 0;
  try {
    await c.connect({ host: process.env.SG_HOST, port: +process.env.SG_PORT, username: process.env.SG_USER,
      password: process.env.SG_PASS });
    if (op === 'put') await c.put(fs.createReadStream(local), remote);
    else if (op === 'fastput') await c.fastPut(local, remote);
    else if (op === 'rename') { await c.fastPut(local, temp); await c.posixRename(temp, remote); }
    else if (op === 'rename3') { await c.put(local, temp); await c.rename(temp, remote); }
    else if (op === 'modes') { await c.fastPut(local, remote); await c.chmod(remote, 0o640); }
    else if (op === 'resume') {
      const at = (await c.stat(remote)).size;
      await c.append(fs.readFileSync(local).subarray(at), remote);
    } else if (op === 'resume-stream') {
      // ssh2 1.17 may write the stream's first piece at offset 0, before it has the answer that tells it where to go on.
      const at = (await c.stat(remote)).size;
      await c.append(fs.createReadStream(local, { start: at }), remote);
    } else throw new Error('no such op ' + op);
  } catch (e) {
    console.error(String(e.message || e));
    code = 1;
  }
  await c.end().catch(() => {});
  process.exit(code);
})();
