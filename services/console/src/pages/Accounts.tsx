import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Card, Group, Stack, Text } from "@mantine/core";
import { useRouter } from "@tanstack/react-router";
import { type Account, TeamService } from "../gen/imago/v1/team_pb";
import { Wrong } from "../parts/CodeForm";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";

// Accounts lists the accounts that a person is a member of, and leads from one to another.
export function Accounts() {
  const list = useQuery(TeamService.method.listAccounts);
  return (
    <Page title="Your accounts" about="A session is for one of them at a time.">
      <Query of={list}>
        {(l) => (
          <Stack gap="sm" maw={640}>
            {l.accounts.map((a) => (
              <Line key={a.id} of={a} />
            ))}
          </Stack>
        )}
      </Query>
    </Page>
  );
}

function Line({ of: a }: { of: Account }) {
  const router = useRouter();
  const go = useMutation(TeamService.method.switchAccount, {
    // The pages are opened anew: nothing of the other account stays in them.
    onSuccess: (r) =>
      r.secondFactor ? router.history.push(`/sign-in?factor=${r.secondFactor}`) : window.location.assign("/"),
  });
  return (
    <Card withBorder padding="md">
      <Group justify="space-between">
        <Stack gap={0}>
          <Text fw={600}>{a.name}</Text>
          <Text size="sm" c="dimmed">
            {a.role}
          </Text>
        </Stack>
        {a.current ? (
          <Text c="dimmed">this one</Text>
        ) : (
          <Button
            variant="default"
            loading={go.isPending || go.isSuccess}
            onClick={() => go.mutate({ accountId: a.id })}
          >
            Switch
          </Button>
        )}
      </Group>
      {go.error && <Wrong error={go.error} />}
    </Card>
  );
}
