import { useMutation } from "@connectrpc/connect-query";
import { Button, Card, Code, Group, Stack, Text, Title } from "@mantine/core";
import { IconDownload, IconLock, IconLockOpen } from "@tabler/icons-react";
import { useMay } from "../api/session";
import { type Snapshot, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Wrong } from "./CodeForm";

// save has the browser fetch what an address gives, once, into a file.
function save(url: string, name: string) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

// Download takes a snapshot away: sealed, as it lies in the store, or decrypted.
export function Download({ of: s }: { of: Snapshot }) {
  const may = useMay("download");
  const ask = useMutation(SnapshotService.method.createDownload, {
    onSuccess: (offer) => save(offer.url, offer.fileName),
  });
  if (!may) return null;
  const one = { connectionId: s.connectionId, snapshotId: s.id };
  return (
    <Card withBorder padding="lg" component="section" aria-label="Download">
      <Stack gap="sm">
        <Title order={2}>Take it away</Title>
        <Text size="sm">
          Sealed, it is a tar archive of what lies in the store. Unpacked, <Code>imago open</Code> reads it
          without us, with an escrow or the operator's master key; nobody reads it without one. Decrypted, it
          is everything in this snapshot as plain JSON Lines, for whoever gets hold of the file. Each download
          stands in the activity log.
        </Text>
        <Group gap="sm">
          <Button
            variant="default"
            leftSection={<IconLock size={16} />}
            loading={ask.isPending}
            onClick={() => ask.mutate(one)}
          >
            Download sealed
          </Button>
          <Button
            variant="default"
            leftSection={<IconDownload size={16} />}
            loading={ask.isPending}
            onClick={() => ask.mutate({ connectionId: s.connectionId, snapshotId: "all" })}
          >
            Download all snapshots, sealed
          </Button>
          <Button
            variant="default"
            color="red"
            leftSection={<IconLockOpen size={16} />}
            loading={ask.isPending}
            onClick={() => ask.mutate({ ...one, plain: true })}
          >
            Download decrypted
          </Button>
        </Group>
        {ask.error && <Wrong error={ask.error} />}
      </Stack>
    </Card>
  );
}
