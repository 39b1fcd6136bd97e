import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Group, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconFingerprint } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { usePasskeys } from "../api/passkey";
import { FactorService } from "../gen/imago/v1/factor_pb";
import { type Passkey, PasskeyService } from "../gen/imago/v1/passkey_pb";
import AddPasskey from "../parts/AddPasskey";
import { Wrong } from "../parts/CodeForm";
import { Dialog } from "../parts/Dialog";
import { Query } from "../parts/Query";
import { Acts, Rows } from "../parts/Rows";
import { Time } from "../parts/Time";

// useStale has factors and passkeys asked for anew: the one tells of the other.
function useStale() {
  const queries = useQueryClient();
  return () =>
    Promise.all(
      [PasskeyService, FactorService].map((schema) =>
        queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: "finite" }) }),
      ),
    );
}

// Passkeys lists a person's passkeys.
export function Passkeys() {
  const list = useQuery(PasskeyService.method.listPasskeys);
  const usable = usePasskeys();
  const stale = useStale();
  const [adding, add] = useDisclosure();
  const added = () => {
    add.close();
    void stale();
  };
  return (
    <Query of={list} lines={2}>
      {({ passkeys }) => (
        <Stack gap="sm" align="stretch">
          {passkeys.length === 0 && <Text>You have none.</Text>}
          {passkeys.length > 0 && (
            <Rows
              label="Passkeys"
              of={passkeys}
              by={(k) => k.id}
              columns={[
                { name: "Name", cell: (k) => k.name },
                { name: "Added", cell: (k) => <Time at={k.createdAt} /> },
                { name: "Last used", cell: (k) => <Time at={k.usedAt} none="not yet" /> },
                { name: "Where", cell: (k) => (k.synced ? "synced" : "on one device") },
                {
                  name: "Remove it",
                  silent: true,
                  action: true,
                  cell: (k) => <Remove of={k} onEnd={stale} />,
                },
              ]}
            />
          )}
          <Group>
            <Button
              variant="default"
              leftSection={<IconFingerprint size={16} />}
              onClick={add.open}
              disabled={!usable}
            >
              Add a passkey
            </Button>
            {!usable && (
              <Text size="sm" c="dimmed">
                This browser, or this address of Imago, takes none.
              </Text>
            )}
          </Group>
          <Dialog opened={adding} onClose={add.close} title="Add a passkey">
            {adding && <AddPasskey onDone={added} />}
          </Dialog>
        </Stack>
      )}
    </Query>
  );
}

function Remove({ of: k, onEnd }: { of: Passkey; onEnd: () => void }) {
  const remove = useMutation(PasskeyService.method.removePasskey, { onSuccess: onEnd });
  return (
    <Acts>
      {remove.error && <Wrong error={remove.error} />}
      <Button
        size="compact-sm"
        variant="default"
        loading={remove.isPending}
        onClick={() => remove.mutate({ passkeyId: k.id })}
      >
        Remove
      </Button>
    </Acts>
  );
}
