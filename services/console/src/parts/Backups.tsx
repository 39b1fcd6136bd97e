import { useQuery } from "@connectrpc/connect-query";
import { Alert, Card, Code, Group, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconAlertTriangle, IconShieldCheck } from "@tabler/icons-react";
import { type Connection, ConnectionService, type RepositoryCheck } from "../gen/imago/v1/connection_pb";
import { capital, counted } from "./format";
import { Rows } from "./Rows";
import { Failed, Loading } from "./States";
import { Time } from "./Time";

// Backups says how an org's snapshots were found in the store, when a worker last looked.
export function Backups({ of: c }: { of: Connection }) {
  const check = c.repositoryCheck;
  if (check && check.damaged > 0) return <Damage of={c} check={check} />;
  return (
    <Card withBorder padding="lg" component="section" aria-label="Backups">
      <Group gap="sm" wrap="nowrap" align="flex-start">
        <ThemeIcon variant="light" color={check ? "green" : "gray"} radius="xl" aria-hidden>
          <IconShieldCheck size={16} />
        </ThemeIcon>
        <Stack gap={4}>
          <Title order={2}>{check ? "The backups are whole" : "Not checked yet"}</Title>
          <Text c="dimmed">
            {check ? (
              <>
                Checked <Time at={check.checkedAt} />: {counted(check.snapshots, "snapshot")},{" "}
                {counted(check.segments, "segment")}, no damage.
              </>
            ) : (
              "They are checked with the first snapshot of each day, and a part is read once a week."
            )}
          </Text>
        </Stack>
      </Group>
    </Card>
  );
}

function Damage({ of: c, check }: { of: Connection; check: RepositoryCheck }) {
  const found = useQuery(ConnectionService.method.getRepositoryCheck, { connectionId: c.id });
  const objects = found.data?.check?.objects ?? [];
  return (
    <Card withBorder padding="lg" component="section" aria-label="Backups">
      <Stack gap="md">
        <Alert
          color="red"
          role="alert"
          icon={<IconAlertTriangle />}
          title={`${counted(check.damaged, "object")} of the backups ${check.damaged === 1 ? "is" : "are"} damaged or missing`}
        >
          <Stack gap="xs">
            <Text size="sm">
              Checked <Time at={check.checkedAt} />: {check.snapshotsConcerned} of{" "}
              {counted(check.snapshots, "snapshot")} may not open whole. The others are as they were written.
            </Text>
            <Text size="sm">
              Tell who runs this installation of Imago: what is gone may come back from the bucket's own
              versions, or from a copy. Then take a snapshot, so that what the org has now is kept. A snapshot
              that is lost for good can be given up on its page. What is damaged is looked at again each day.
            </Text>
          </Stack>
        </Alert>
        {found.error ? <Failed error={found.error} /> : !found.data && <Loading lines={2} />}
        {objects.length > 0 && (
          <Rows
            label="What is damaged"
            of={objects}
            by={(o) => o.object}
            columns={[
              { name: "Object", cell: (o) => <Code>{o.object}</Code> },
              { name: "What", cell: (o) => capital(o.what) },
              { name: "Snapshots", number: true, cell: (o) => o.snapshots },
              { name: "The oldest", cell: (o) => <Time at={o.firstSnapshotAt} none="not known" /> },
              { name: "The newest", cell: (o) => <Time at={o.lastSnapshotAt} none="not known" /> },
            ]}
          />
        )}
      </Stack>
    </Card>
  );
}
