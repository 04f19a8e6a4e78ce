import assert from "node:assert/strict";
import { Daemon, freePort, startPgplex, tempDir, waitFor } from "../harness/mod.ts";

/** What systemd's side of sd_notify(3) does: prints each datagram on a line. Perl is in every Debian. */
const RECEIVER = `use IO::Socket::UNIX; use Socket; $| = 1;
my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Type => SOCK_DGRAM) or die $!; print "listening\\n";
while (defined $s->recv(my $text, 4096)) { $text =~ s/\\n/ /g; print "<$text>\\n"; }`;

Deno.test("systemd hears when pgplex is ready, that it lives, and that it stops", async () => {
  const dir = (await tempDir()).path;
  const path = `${dir}/notify`;
  await using receiver = await Daemon.start({
    what: "the receiver",
    command: "perl",
    args: ["-e", RECEIVER, path],
    dir,
    ready: () => Deno.stat(path).then(() => true, () => false),
  });
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "trust" },
      clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: freePort() }] } },
    },
    env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: "100000" },
  });
  const heard = (what: string) => receiver.log.split("\n").filter((line) => line === what).length;
  await waitFor(() => heard("<READY=1 STATUS=serving>") === 1, { what: "READY" });
  await waitFor(() => heard("<WATCHDOG=1>") >= 3, { what: "three signs of life" });
  assert.equal(heard("<STOPPING=1 STATUS=stopped>"), 0);
  assert.equal(await pgplex.stop(), 0);
  await waitFor(() => heard("<STOPPING=1 STATUS=stopped>") === 1, { what: "STOPPING" });
});
