import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useMay } from "../api/session";
import { AccountService } from "../gen/imago/v1/account_pb";
import { Wrong } from "../parts/CodeForm";
import { date, moment } from "../parts/format";
import { Time } from "../parts/Time";

// Leaving stands above every page while the account waits to be deleted, with the way to
// keep it.
export default function Leaving() {
  const queries = useQueryClient();
  const mayKeep = useMay("delete_account");
  const found = useQuery(AccountService.method.getDeletion, {}, { refetchInterval: 60_000 });
  const keep = useMutation(AccountService.method.cancelDeletion, {
    onSuccess: () =>
      queries.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: AccountService, cardinality: "finite" }),
      }),
  });
  const d = found.data?.deletion;
  if (!d) return null; // an answer that does not come is told by the page below
  const due = date(d.dueAt);
  return (
    <Alert
      color="red"
      icon={<IconAlertTriangle />}
      mb="md"
      role="region"
      title="This account is to be deleted"
    >
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          {d.askedBy || "An owner"} asked for it <Time at={d.askedAt} />. {due && `On ${moment(due)} `}(
          <Time at={d.dueAt} />) its keys are destroyed, and no snapshot of it opens any more.
        </Text>
        {keep.error && <Wrong error={keep.error} />}
        {mayKeep ? (
          <Group>
            <Button variant="default" loading={keep.isPending} onClick={() => keep.mutate({})}>
              Keep the account
            </Button>
          </Group>
        ) : (
          <Text size="sm">Any owner can keep it until then.</Text>
        )}
      </Stack>
    </Alert>
  );
}
