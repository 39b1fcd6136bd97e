import { useMutation } from "@connectrpc/connect-query";
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconMovie, IconTrash } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDemo, useSwitchDemoApp } from "../api/demo";
import { useMay } from "../api/session";
import { type Connection, ConnectionService } from "../gen/imago/v1/connection_pb";
import { Wrong } from "./CodeForm";
import { Dialog } from "./Dialog";

// ExploreDemo offers an org with a story in it to who has none to look at yet.
export function ExploreDemo() {
  const demo = useDemo();
  if (!demo) return null;
  return (
    <Stack gap={4} align="center">
      <Button
        variant="default"
        leftSection={<IconMovie size={16} />}
        loading={demo.isPending}
        onClick={() => demo.mutate({})}
      >
        Explore a demo org
      </Button>
      {demo.error && <Wrong error={demo.error} />}
    </Stack>
  );
}

// AboutDemo says on a demo's page what it is, and removes it.
export function AboutDemo({ of: c }: { of: Connection }) {
  const preparing = c.demo === "preparing";
  return (
    <Alert
      color="indigo"
      icon={<IconMovie />}
      title={preparing ? "The demo is being prepared" : "This is a demo org"}
    >
      <Stack gap="sm" align="flex-start">
        <Text size="sm" role="status">
          {preparing
            ? "A made-up company gets to work: snapshots are taken, people come and go, and one administrator does what somebody should have asked about. It takes a minute or two, and you can look on."
            : "A made-up company, with three snapshots and what happened between them. Look at its changes, compare snapshots, and restore the group Finance. Nothing in it is anybody's."}
        </Text>
        <Remove of={c} />
      </Stack>
    </Alert>
  );
}

function Remove({ of: c }: { of: Connection }) {
  const [asked, { open, close }] = useDisclosure(false);
  const may = useMay("delete_connection");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation(ConnectionService.method.deleteConnection, {
    onSuccess: async () => {
      await navigate({ to: "/" });
      await queries.invalidateQueries();
    },
  });
  if (!may) return null;
  return (
    <>
      <Button variant="default" size="compact-md" leftSection={<IconTrash size={16} />} onClick={open}>
        Remove the demo
      </Button>
      <Dialog opened={asked} onClose={close} title="Remove the demo">
        <Stack>
          <Text size="sm">Its snapshots, findings and restores go with it. You can make it again.</Text>
          {remove.error && <Wrong error={remove.error} />}
          <Group justify="flex-end">
            <Button
              color="red"
              loading={remove.isPending}
              onClick={() => remove.mutate({ connectionId: c.id })}
            >
              Remove it
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </>
  );
}

// SwitchDemoApp is the admin's switch in Okta, for a demo, in whose Okta nobody is. What
// Imago does about it is as with any org: it asks, and believes the org's answer alone.
export function SwitchDemoApp({ of: connectionId, active }: { of: string; active: boolean }) {
  const may = useMay("approve_restore");
  const turn = useSwitchDemoApp();
  if (!may) return null;
  return (
    <Stack gap={4} align="flex-start">
      <Text size="sm">
        In a demo you have no Okta console, so you play the org's admin here. Imago is not told: it asks the
        org.
      </Text>
      <Button
        size="compact-md"
        loading={turn.isPending}
        onClick={() => turn.mutate({ connectionId, active })}
      >
        {active ? "Activate it, as the org's admin" : "Deactivate it, as the org's admin"}
      </Button>
      {turn.error && <Wrong error={turn.error} />}
    </Stack>
  );
}
