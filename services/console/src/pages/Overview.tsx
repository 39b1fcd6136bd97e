import { useQuery } from "@connectrpc/connect-query";
import { Alert, Anchor, Button, Card, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconPlugConnected } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useConnections } from "../api/connections";
import { isProblem, sentence } from "../api/problem";
import { useMay } from "../api/session";
import type { Connection } from "../gen/imago/v1/connection_pb";
import { SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { State } from "../parts/Badges";
import { capital, counted } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";

// Overview answers at a glance whether every org is protected, and since when.
export function Overview() {
  const connections = useConnections();
  const mayConnect = useMay("edit_connection");
  const connect = mayConnect && (
    <Button renderRoot={(p) => <Link to="/connect" {...p} />} leftSection={<IconPlugConnected size={16} />}>
      Connect an org
    </Button>
  );
  return (
    <Page title="Overview" actions={connections.data?.length ? connect : undefined}>
      <Query of={connections}>
        {(all) =>
          all.length === 0 ? (
            <Empty icon={IconPlugConnected} title="No org is protected yet" action={connect}>
              Connect your Okta org by a read-only service app. The first snapshot is taken as soon as it is
              in.
            </Empty>
          ) : (
            <SimpleGrid cols={{ base: 1, lg: 2 }}>
              {all.map((c) => (
                <Org key={c.id} of={c} />
              ))}
            </SimpleGrid>
          )
        }
      </Query>
    </Page>
  );
}

function Org({ of: c }: { of: Connection }) {
  const params = { connectionId: c.id };
  return (
    <Card withBorder padding="lg" component="section" aria-label={c.name}>
      <Stack gap="md">
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <Stack gap={0}>
            <Title order={2}>
              <Anchor inherit renderRoot={(p) => <Link to="/orgs/$connectionId" params={params} {...p} />}>
                {c.name}
              </Anchor>
            </Title>
            <Text size="sm" c="dimmed">
              {c.orgUrl}
            </Text>
          </Stack>
          <State of={c.state} />
        </Group>
        {c.problem && (
          <Alert color="red" icon={<IconAlertTriangle />} p="sm">
            {capital(sentence(c.problem))}
          </Alert>
        )}
        <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="md">
          <LastSnapshot connectionId={c.id} />
          <Fact name="Open findings">
            <Anchor renderRoot={(p) => <Link to="/orgs/$connectionId/changes" params={params} {...p} />}>
              {counted(c.openFindings, "finding")}
            </Anchor>
          </Fact>
          <Fact name="Log read">
            <Time at={c.followedAt} />
          </Fact>
          <Fact name="Next snapshot">
            <Time at={c.schedule?.nextRunAt} none="not scheduled" />
          </Fact>
        </SimpleGrid>
      </Stack>
    </Card>
  );
}

function LastSnapshot({ connectionId }: { connectionId: string }) {
  const last = useQuery(
    SnapshotService.method.getSnapshot,
    { snapshotId: "latest", connectionId },
    { retry: false },
  );
  const s = last.data?.snapshot;
  return (
    <Fact name="Last snapshot">
      {s && (
        <Anchor renderRoot={(p) => <Link to="/snapshots/$snapshotId" params={{ snapshotId: s.id }} {...p} />}>
          <Time at={s.createdAt} />
        </Anchor>
      )}
      {isProblem(last.error, "not_found") && "none yet"}
    </Fact>
  );
}

// Fact is one number and what it is of.
export function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <Stack gap={2}>
      <Text size="xs" c="dimmed">
        {name}
      </Text>
      <Text component="div" fw={500} className="numeric">
        {children}
      </Text>
    </Stack>
  );
}
