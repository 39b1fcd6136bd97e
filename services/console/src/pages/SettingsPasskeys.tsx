import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Group, Stack, Table, Text } from "@mantine/core";
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
import { Time } from "../parts/Time";
import { Wide } from "../parts/Wide";

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
            <Wide minWidth={480}>
              <Table verticalSpacing="xs" aria-label="Passkeys">
                <Table.Tbody>
                  {passkeys.map((k) => (
                    <Row key={k.id} of={k} onEnd={stale} />
                  ))}
                </Table.Tbody>
              </Table>
            </Wide>
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

function Row({ of: k, onEnd }: { of: Passkey; onEnd: () => void }) {
  const remove = useMutation(PasskeyService.method.removePasskey, { onSuccess: onEnd });
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500}>
        {k.name}
        {remove.error && <Wrong error={remove.error} />}
      </Table.Th>
      <Table.Td className="nowrap">
        added <Time at={k.createdAt} />
      </Table.Td>
      <Table.Td className="nowrap">
        {k.usedAt ? (
          <>
            used <Time at={k.usedAt} />
          </>
        ) : (
          "not used yet"
        )}
      </Table.Td>
      <Table.Td>{k.synced ? "synced" : "on one device"}</Table.Td>
      <Table.Td ta="right">
        <Button
          size="compact-sm"
          variant="default"
          loading={remove.isPending}
          onClick={() => remove.mutate({ passkeyId: k.id })}
        >
          Remove
        </Button>
      </Table.Td>
    </Table.Tr>
  );
}
