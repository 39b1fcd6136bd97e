import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Group, List, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconFileOff } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useMay } from "../api/session";
import { ConnectionService } from "../gen/imago/v1/connection_pb";
import { type Snapshot, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Wrong } from "./CodeForm";
import { Dialog } from "./Dialog";
import { mayBeLost } from "./lost";

// GiveUp lets go of a snapshot that is lost from the bucket for good. It is offered where the
// last look at the backups found damage in it; whether it is lost, the server sees for itself.
export function GiveUp({ of: s, onDone }: { of: Snapshot; onDone: () => void }) {
  const queries = useQueryClient();
  const may = useMay("edit_connection");
  const [asking, ask] = useDisclosure();
  const found = useQuery(
    ConnectionService.method.getRepositoryCheck,
    { connectionId: s.connectionId },
    { enabled: may },
  );
  const giveUp = useMutation(SnapshotService.method.giveUpSnapshot, {
    onSuccess: () => {
      ask.close();
      onDone();
      return queries.invalidateQueries();
    },
  });
  if (!may || !mayBeLost(s, found.data?.check)) return null;
  const open = () => {
    giveUp.reset();
    ask.open();
  };
  return (
    <>
      <Button variant="default" leftSection={<IconFileOff size={16} />} onClick={open}>
        Give up as lost…
      </Button>
      <Dialog opened={asking} onClose={ask.close} title="Give up this snapshot as lost?">
        <Stack gap="md">
          <Text size="sm">
            Give it up only if its manifest is gone from the bucket, or damaged there, and comes back neither
            from the bucket's versions nor from a copy.
          </Text>
          <List size="sm" spacing={4}>
            <List.Item>
              It is let go within a day. Until then pinning it takes that back, and it stays if it opens
              again.
            </List.Item>
            <List.Item>After that nobody can bring it back any more, whatever is found.</List.Item>
            <List.Item>
              Then what nothing else stands on is cleared away, and older data keys can be retired. While it
              is missed, both wait.
            </List.Item>
            <List.Item>A snapshot that still opens is refused, and so is the newest of an org.</List.Item>
          </List>
          {giveUp.error && <Wrong error={giveUp.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={ask.close}>
              Back
            </Button>
            <Button
              color="red.9"
              loading={giveUp.isPending}
              onClick={() => giveUp.mutate({ snapshotId: s.id })}
            >
              Give up as lost
            </Button>
          </Group>
          <Text size="xs" c="dimmed">
            It needs proof of the last ten minutes that it is you.
          </Text>
        </Stack>
      </Dialog>
    </>
  );
}
