import { useMutation } from "@connectrpc/connect-query";
import {
  Accordion,
  Alert,
  Button,
  Card,
  Code,
  CopyButton,
  Group,
  List,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconCopy, IconRefresh } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { useConnection } from "../api/connections";
import { fieldProblem, sentence } from "../api/problem";
import { useMay } from "../api/session";
import {
  type Connection,
  ConnectionService,
  type Credential,
  type TypeAccess,
} from "../gen/imago/v1/connection_pb";
import { Backups } from "../parts/Backups";
import { State } from "../parts/Badges";
import { Wrong } from "../parts/CodeForm";
import { AboutDemo } from "../parts/Demo";
import { capital, counted, words } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Retention } from "../parts/Retention";
import { Rows } from "../parts/Rows";
import { Time } from "../parts/Time";
import { Fact } from "./Overview";

// ConnectionPage is one org: how it is connected, what can be read of it, when snapshots
// are taken. While it is being connected it leads through the steps that are left.
export function ConnectionPage() {
  const { connectionId } = useParams({ from: "/signed-in/orgs/$connectionId/" });
  const connection = useConnection(connectionId);
  const checking = connection.data?.state === "checking" || connection.data?.demo === "preparing";
  const { refetch } = connection;
  useEffect(() => {
    if (!checking) return;
    const timer = setInterval(() => void refetch(), 1_000);
    return () => clearInterval(timer);
  }, [checking, refetch]);
  return (
    <Query of={connection} page="Org">
      {(c) => <Shown of={c} />}
    </Query>
  );
}

function Shown({ of: c }: { of: Connection }) {
  const read = c.credentials.find((k) => k.purpose === "read");
  const write = c.credentials.find((k) => k.purpose === "write");
  return (
    <Page title={c.name} about={c.orgUrl} actions={<Check of={c} />}>
      <Card withBorder padding="lg">
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }}>
          <Fact name="State">
            <State of={c.state} />
          </Fact>
          <Fact name="Engine">{engines[c.engine] ?? "not known yet"}</Fact>
          <Fact name="Checked">
            <Time at={c.checkedAt} />
          </Fact>
          <Fact name="Log read">
            <Time at={c.followedAt} />
          </Fact>
          <Fact name="Of each rate limit">{Math.round(c.rateShare * 100)} %</Fact>
          <Fact name="Next snapshot">
            <Time at={c.schedule?.nextRunAt} none="not scheduled" />
          </Fact>
        </SimpleGrid>
      </Card>
      {c.demo && <AboutDemo of={c} />}
      {c.problem && <Trouble title="It is not ready" text={sentence(c.problem)} />}
      {c.followProblem && <Trouble title="The org's log cannot be read" text={sentence(c.followProblem)} />}
      {!read && !c.demo && <Lost of={c} />}
      {(c.repositoryCheck || c.state === "ready") && <Backups of={c} />}
      {read && !c.demo && <App of={c} credential={read} />}
      {c.access.length > 0 && <Access of={c.access} />}
      {write && !c.demo && <App of={c} credential={write} />}
      <Schedule key={c.id} of={c} />
      <Retention key={`kept ${c.id}`} of={c} />
    </Page>
  );
}

const engines: Record<string, string> = { oie: "Identity Engine", classic: "Classic" };

function Trouble({ title, text }: { title: string; text: string }) {
  return (
    <Alert color="red" icon={<IconAlertTriangle />} title={title} role="alert">
      {text}
    </Alert>
  );
}

function Check({ of: c }: { of: Connection }) {
  const queries = useQueryClient();
  const may = useMay("edit_connection");
  const check = useMutation(ConnectionService.method.checkConnection, {
    onSuccess: () => queries.invalidateQueries(),
  });
  if (!may || c.state === "new") return null;
  return (
    <Button
      variant="default"
      leftSection={<IconRefresh size={16} />}
      loading={check.isPending || c.state === "checking"}
      onClick={() => check.mutate({ connectionId: c.id })}
    >
      Check it now
    </Button>
  );
}

// Lost is of a connection that came back from the bucket, which holds no credentials.
function Lost({ of: c }: { of: Connection }) {
  const queries = useQueryClient();
  const may = useMay("edit_connection");
  const replace = useMutation(ConnectionService.method.replaceKey, {
    onSuccess: () => queries.invalidateQueries(),
  });
  const both = () =>
    replace.mutate(
      { connectionId: c.id, purpose: "write" },
      { onSuccess: () => replace.mutate({ connectionId: c.id, purpose: "read" }) },
    );
  if (!may) return null;
  return (
    <Card withBorder padding="lg" component="section" aria-label="New keys">
      <Stack gap="sm" align="flex-start">
        <Title order={2}>It needs new keys</Title>
        <Text c="dimmed">
          Its snapshots are there, and the keys of the two service apps are not. New ones are made here, and
          added to the apps in Okta.
        </Text>
        {replace.error && <Wrong error={replace.error} />}
        <Button loading={replace.isPending} onClick={both}>
          Make new keys
        </Button>
      </Stack>
    </Card>
  );
}

const purposes: Record<string, { title: string; about: string; app: string }> = {
  read: {
    title: "The app that reads",
    about: "Imago takes snapshots and follows the log with it. It can change nothing.",
    app: "Imago backup",
  },
  write: {
    title: "The app that restores",
    about:
      "Leave it deactivated: you activate it for one approved plan, and Imago proves afterwards that it is off again.",
    app: "Imago restore",
  },
};

// App leads through making one of the service apps in the org.
function App({ of: c, credential: k }: { of: Connection; credential: Credential }) {
  const may = useMay("edit_connection");
  const p = purposes[k.purpose];
  if (!p) return null;
  return (
    <Card withBorder padding="lg" component="section" aria-label={p.title}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={2}>{p.title}</Title>
          {k.clientId && (
            <Text size="sm">
              Client ID <Code>{k.clientId}</Code>
            </Text>
          )}
        </Group>
        <Text c="dimmed">{p.about}</Text>
        {may && (
          <Accordion defaultValue={k.clientId ? null : "how"}>
            <Accordion.Item value="how">
              <Accordion.Control>
                {k.clientId ? "How it is set up" : "Set it up in Okta"}: “{p.app}”
              </Accordion.Control>
              <Accordion.Panel>
                <SetUp of={c} credential={k} name={p.app} />
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
        )}
      </Stack>
    </Card>
  );
}

function SetUp({ of: c, credential: k, name }: { of: Connection; credential: Credential; name: string }) {
  return (
    <Stack>
      <List type="ordered" spacing="sm">
        <List.Item>
          In the Okta admin console: <b>Applications → Create App Integration → API Services</b>. Call it “
          {name}”.
        </List.Item>
        <List.Item>
          Under <b>General → Client Credentials</b> choose <b>Public key / Private key</b>, add a key, and
          paste this one:
          <Paste text={pretty(k.publicJwk)} label="the public key" />
        </List.Item>
        <List.Item>
          On the same tab switch <b>Require Demonstrating Proof of Possession (DPoP)</b> as your policy wants:
          Imago does both.
        </List.Item>
        <List.Item>
          Under <b>Okta API Scopes</b> grant these {counted(k.scopes.length, "scope")}:
          <Paste text={k.scopes.join(" ")} label="the scopes" />
        </List.Item>
        <List.Item>
          Under <b>Admin roles</b> give it the role <b>{words(k.adminRole)}</b>.
        </List.Item>
        {k.purpose === "write" && (
          <List.Item>
            Then <b>deactivate</b> the app. It stays off until you restore something.
          </List.Item>
        )}
        <List.Item>Copy the app's client ID here:</List.Item>
      </List>
      <ClientID of={c} credential={k} />
    </Stack>
  );
}

function pretty(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2);
}

function Paste({ text, label }: { text: string; label: string }) {
  return (
    <Stack gap={4} align="flex-start" mt={4}>
      <Code block w="100%" mah={180} tabIndex={0}>
        {text}
      </Code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Button
            size="compact-sm"
            variant="light"
            onClick={copy}
            leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          >
            {copied ? "Copied" : `Copy ${label}`}
          </Button>
        )}
      </CopyButton>
    </Stack>
  );
}

function ClientID({ of: c, credential: k }: { of: Connection; credential: Credential }) {
  const queries = useQueryClient();
  const [typed, setTyped] = useState(k.clientId);
  const set = useMutation(ConnectionService.method.setCredential, {
    onSuccess: () => queries.invalidateQueries(),
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    set.mutate({ connectionId: c.id, purpose: k.purpose, clientId: typed.trim() });
  };
  const wrong = fieldProblem(set.error, "client_id");
  return (
    <form onSubmit={submit} noValidate>
      <Group align="flex-end">
        <TextInput
          label="Client ID"
          placeholder="0oa…"
          required
          value={typed}
          onChange={(e) => setTyped(e.currentTarget.value)}
          error={wrong}
        />
        <Button type="submit" loading={set.isPending}>
          {k.purpose === "read" ? "Save and check" : "Save"}
        </Button>
      </Group>
      {set.error && !wrong && <Wrong error={set.error} />}
    </form>
  );
}

// Access says what the read app can read, and what each missing scope or role costs.
function Access({ of }: { of: TypeAccess[] }) {
  const missing = of.filter((a) => !a.readable && a.reason !== "not_licensed");
  const unlicensed = of.filter((a) => a.reason === "not_licensed").length;
  const readable = of.filter((a) => a.readable).length;
  return (
    <Card withBorder padding="lg" component="section" aria-label="What it can read">
      <Stack gap="sm">
        <Title order={2}>
          {counted(readable, "type")} can be read{missing.length > 0 && `, ${missing.length} cannot`}
        </Title>
        {unlicensed > 0 && <Text c="dimmed">{counted(unlicensed, "type")} this org has no licence for.</Text>}
        {missing.length > 0 && (
          <Rows
            label="What is not backed up"
            of={missing}
            by={(a) => a.type}
            columns={[
              { name: "Not backed up", cell: (a) => a.title },
              { name: "Why", cell: reason },
              { name: "It takes", cell: (a) => a.scopes.map((s) => <Code key={s}>{s}</Code>) },
            ]}
          />
        )}
      </Stack>
    </Card>
  );
}

// reason says why a type cannot be read, in the org's own words where there are any.
function reason(a: TypeAccess): string {
  return capital(a.detail ? a.detail.replace(`${a.title}: `, "") : words(a.reason));
}

// Schedule says when snapshots are taken by themselves.
function Schedule({ of: c }: { of: Connection }) {
  const queries = useQueryClient();
  const may = useMay("edit_connection");
  const [cron, setCron] = useState(c.schedule?.cron || "0 2 * * *");
  const [timeZone, setTimeZone] = useState(
    c.schedule?.timeZone || Intl.DateTimeFormat().resolvedOptions().timeZone,
  );
  const [enabled, setEnabled] = useState(c.schedule?.enabled ?? false);
  const set = useMutation(ConnectionService.method.setSchedule, {
    onSuccess: () => queries.invalidateQueries(),
  });
  const wrongCron = fieldProblem(set.error, "cron");
  const wrongZone = fieldProblem(set.error, "time_zone");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    set.mutate({ connectionId: c.id, cron, timeZone, enabled });
  };
  return (
    <Card withBorder padding="lg" component="section" aria-label="Schedule">
      <form onSubmit={submit} noValidate>
        <Stack gap="sm">
          <Title order={2}>Schedule</Title>
          <Switch
            label="Take snapshots by itself"
            checked={enabled}
            disabled={!may}
            onChange={(e) => setEnabled(e.currentTarget.checked)}
          />
          <Group align="flex-start">
            <TextInput
              label="When"
              description="Five fields: minute, hour, day, month, weekday"
              value={cron}
              disabled={!may}
              onChange={(e) => setCron(e.currentTarget.value)}
              error={wrongCron}
            />
            <TextInput
              label="Time zone"
              description="Such as Europe/Berlin"
              value={timeZone}
              disabled={!may}
              onChange={(e) => setTimeZone(e.currentTarget.value)}
              error={wrongZone}
            />
          </Group>
          {set.error && !wrongCron && !wrongZone && <Wrong error={set.error} />}
          {may && (
            <Group>
              <Button type="submit" variant="default" loading={set.isPending}>
                Save
              </Button>
              {set.isSuccess && (
                <Text size="sm" role="status">
                  Saved. Next <Time at={set.data.schedule?.nextRunAt} none="none: it is off" />.
                </Text>
              )}
            </Group>
          )}
        </Stack>
      </form>
    </Card>
  );
}
