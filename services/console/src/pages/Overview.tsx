import { useQuery } from "@connectrpc/connect-query";
import { Alert, Anchor, Button, Card, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconPlugConnected } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useConnections } from "../api/connections";
import { sentence } from "../api/problem";
import { useMay } from "../api/session";
import type { Connection } from "../gen/imago/v1/connection_pb";
import { type Overview as OverviewOf, OverviewService } from "../gen/imago/v1/overview_pb";
import type { Snapshot } from "../gen/imago/v1/snapshot_pb";
import { Severity, State } from "../parts/Badges";
import { ExploreDemo } from "../parts/Demo";
import { capital, count, counted, words } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Spark } from "../parts/Spark";
import { Empty, Failed, Loading } from "../parts/States";
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
            <Empty
              icon={IconPlugConnected}
              title="No org is protected yet"
              action={
                <Group gap="sm" justify="center" align="flex-start">
                  {connect}
                  <ExploreDemo />
                </Group>
              }
            >
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
        <Standing of={c} />
      </Stack>
    </Card>
  );
}

// Standing is how well an org is protected.
function Standing({ of: c }: { of: Connection }) {
  const found = useQuery(
    OverviewService.method.getOverview,
    { connectionId: c.id },
    { refetchInterval: 30_000 },
  );
  const o = found.data?.overview;
  if (!o) return found.error ? <Failed error={found.error} /> : <Loading lines={3} />;
  return (
    <>
      <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="md">
        <Fact name="Protected since">
          <Time at={o.protectedSince} none="not yet" />
        </Fact>
        <Fact name="Recovery point">
          <Time at={o.recoveryPoint} none="none yet" />
        </Fact>
        <Fact name={o.running ? "Snapshot under way" : "Last snapshot"}>
          <SnapshotLink of={o.running ?? o.lastTaken} />
        </Fact>
        <Fact name="Last one without a gap">
          <SnapshotLink of={o.lastComplete} />
        </Fact>
        <Fact name="Next snapshot">
          <Time at={o.schedule?.nextRunAt} none="not scheduled" />
        </Fact>
        <Fact name="Rate limit used">
          {Math.round(100 * (o.budget?.rateShare ?? 0))} % at most
          {o.budget && o.budget.callsAMinute > 0 && (
            <Text size="xs" c="dimmed" fw={400}>
              {count(Math.round(o.budget.callsAMinute))} requests a minute {o.running ? "now" : "last time"}
            </Text>
          )}
        </Fact>
      </SimpleGrid>
      <OpenFindings of={o} />
      <Lacks of={o} />
      <Spark of={o.days} />
      {o.followProblem && (
        <Alert color="orange" icon={<IconAlertTriangle />} p="sm">
          The org's log cannot be read: {sentence(o.followProblem)}
        </Alert>
      )}
    </>
  );
}

function SnapshotLink({ of: s }: { of?: Snapshot }) {
  if (!s) return "none yet";
  return (
    <Anchor renderRoot={(p) => <Link to="/snapshots/$snapshotId" params={{ snapshotId: s.id }} {...p} />}>
      <Time at={s.startedAt ?? s.createdAt} />
    </Anchor>
  );
}

// OpenFindings counts what nobody has settled, by severity.
function OpenFindings({ of: o }: { of: OverviewOf }) {
  const open = o.openFindings.reduce((n, s) => n + s.open, 0n);
  const params = { connectionId: o.connectionId };
  return (
    <Group gap="sm">
      <Anchor renderRoot={(p) => <Link to="/orgs/$connectionId/changes" params={params} {...p} />}>
        {open ? counted(open, "open finding") : "No open finding"}
      </Anchor>
      {o.openFindings
        .filter((s) => s.open > 0n)
        .map((s) => (
          <Group key={s.severity} gap={4}>
            <Severity of={s.severity} />
            <Text size="sm" className="numeric">
              {count(s.open)}
            </Text>
          </Group>
        ))}
    </Group>
  );
}

// Lacks tells what the newest snapshot lacks of what the org has.
function Lacks({ of: o }: { of: OverviewOf }) {
  const real = o.gaps.filter((g) => g.reason !== "not_licensed");
  if (real.length === 0 || !o.lastTaken) return null;
  const id = o.lastTaken.id;
  return (
    <Text size="sm">
      The last snapshot has{" "}
      <Anchor
        inherit
        renderRoot={(p) => <Link to="/snapshots/$snapshotId" params={{ snapshotId: id }} {...p} />}
      >
        {counted(
          real.reduce((n, g) => n + g.gaps, 0n),
          "gap",
        )}
      </Anchor>
      : {real.map((g) => `${count(g.gaps)} ${words(g.reason)}`).join(", ")}.
    </Text>
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
