import type { DescService } from "@bufbuild/protobuf";
import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Card, Group, SimpleGrid, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDeviceMobile, IconShieldCheck } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, lazy, type ReactNode, Suspense, useState } from "react";
import { fieldProblem } from "../api/problem";
import { sessionQuery, useMay, useSession } from "../api/session";
import { FactorService, type GetFactorsResponse } from "../gen/imago/v1/factor_pb";
import { PasskeyService } from "../gen/imago/v1/passkey_pb";
import { SessionService, type SignedIn } from "../gen/imago/v1/session_pb";
import { TeamService } from "../gen/imago/v1/team_pb";
import { Wrong } from "../parts/CodeForm";
import { Dialog } from "../parts/Dialog";
import { counted } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Acts, Rows } from "../parts/Rows";
import { Loading } from "../parts/States";
import { Time } from "../parts/Time";
import { Fact } from "./Overview";
import { SettingsDeletion } from "./SettingsDeletion";
import { SettingsKeys } from "./SettingsKeys";
import { MailChoices } from "./SettingsMail";
import { Passkeys } from "./SettingsPasskeys";
import { SettingsSso } from "./SettingsSso";

const Enroll = lazy(() => import("../parts/Enroll"));

// Settings is what a person sets for themselves and, where they may, for the account.
export function Settings() {
  const session = useSession();
  const maySecure = useMay("edit_security");
  const factors = useQuery(FactorService.method.getFactors);
  const passkeys = useQuery(PasskeyService.method.listPasskeys);
  return (
    <Page title="Settings">
      <Section title="You">
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <Fact name="Mail address">{session.email}</Fact>
          <Fact name="Account">{session.accountName}</Fact>
          <Fact name="Role">{session.role}</Fact>
        </SimpleGrid>
      </Section>
      <Section
        title="Second factor"
        about="The codes of an authenticator app, asked for at sign-in and before what cannot be taken back."
      >
        <Query of={factors} lines={2}>
          {(f) => <Authenticator of={f} />}
        </Query>
      </Section>
      <Section
        title="Passkeys"
        about="Sign in with a finger, your face or a PIN, without a mail. A passkey is both factors at once."
      >
        <Passkeys />
      </Section>
      <Section title="Where you are signed in" about="In all of your accounts. End what you do not know.">
        <Sessions />
      </Section>
      <Section title="Mails" about={`Which mails you get of ${session.accountName}, and when.`}>
        <MailChoices />
      </Section>
      <Section
        title="API tokens"
        about="Programs act by them for you, with what you allow each."
        aside={
          <Button variant="default" renderRoot={(p) => <Link to="/settings/tokens" {...p} />}>
            Tokens
          </Button>
        }
      />
      <SettingsSso />
      <SettingsKeys />
      {maySecure && (
        <Section title={`Everybody in ${session.accountName}`}>
          <AccountName />
          <Query of={factors} lines={1}>
            {(f) => (
              <Required
                on={f.accountRequires}
                own={f.totpConfirmedAt !== undefined || !!passkeys.data?.passkeys.length}
              />
            )}
          </Query>
        </Section>
      )}
      <SettingsDeletion />
    </Page>
  );
}

export function Section(p: { title: string; about?: string; aside?: ReactNode; children?: ReactNode }) {
  return (
    <Card withBorder padding="lg" component="section" aria-label={p.title}>
      <Stack gap="md">
        <Group justify="space-between" align="flex-start">
          <Stack gap={4}>
            <Title order={2}>{p.title}</Title>
            {p.about && <Text c="dimmed">{p.about}</Text>}
          </Stack>
          {p.aside}
        </Group>
        {p.children}
      </Stack>
    </Card>
  );
}

// useStale has a service's answers asked for anew.
function useStale(schema: DescService) {
  const queries = useQueryClient();
  return () =>
    queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: "finite" }) });
}

function Authenticator({ of: f }: { of: GetFactorsResponse }) {
  const stale = useStale(FactorService);
  const [adding, add] = useDisclosure();
  const [removing, removal] = useDisclosure();
  const remove = useMutation(FactorService.method.removeTotp, {
    onSuccess: () => {
      removal.close();
      return stale();
    },
  });
  const added = () => {
    add.close();
    void stale();
  };
  const has = f.totpConfirmedAt !== undefined;
  return (
    <Stack gap="sm" align="flex-start">
      {has ? (
        <Group gap="xs">
          <Badge
            color="green"
            variant="light"
            tt="none"
            leftSection={<IconShieldCheck size={12} aria-hidden />}
          >
            on
          </Badge>
          <Text>
            Authenticator app, since <Time at={f.totpConfirmedAt} />.{" "}
            {counted(f.recoveryCodesLeft, "recovery code")} left.
          </Text>
        </Group>
      ) : (
        <Text>You have none: whoever reads your mail can sign in as you.</Text>
      )}
      <Group gap="xs">
        <Button
          variant={has ? "default" : "filled"}
          leftSection={<IconDeviceMobile size={16} />}
          onClick={add.open}
        >
          {has ? "Set up another app" : "Set up an authenticator app"}
        </Button>
        {has && !f.required && (
          <Button variant="default" onClick={removal.open}>
            Remove it
          </Button>
        )}
      </Group>
      {has && f.required && (
        <Text size="sm" c="dimmed">
          An account of yours wants a second factor, so it cannot be removed.
        </Text>
      )}
      <Dialog opened={adding} onClose={add.close} title="Set up an authenticator app">
        <Suspense fallback={<Loading lines={3} />}>{adding && <Enroll onDone={added} />}</Suspense>
      </Dialog>
      <Dialog opened={removing} onClose={removal.close} title="Remove the authenticator app?">
        <Stack gap="md">
          <Text size="sm">
            You sign in with mailed codes alone after, and its recovery codes are worth nothing.
          </Text>
          {remove.error && <Wrong error={remove.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={removal.close}>
              Keep it
            </Button>
            <Button color="red" loading={remove.isPending} onClick={() => remove.mutate({})}>
              Remove it
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </Stack>
  );
}

function AccountName() {
  const queries = useQueryClient();
  const session = useSession();
  const [name, setName] = useState(session.accountName);
  const update = useMutation(TeamService.method.updateAccount, {
    onSuccess: () => queries.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    update.mutate({ name });
  };
  const wrong = fieldProblem(update.error, "name");
  return (
    <form onSubmit={submit} noValidate>
      <Group align="flex-start" gap="sm">
        <TextInput
          label="Name of the account"
          flex="0 1 320px"
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
          error={wrong}
        />
        <Button
          type="submit"
          variant="default"
          mt={25}
          loading={update.isPending}
          disabled={name === session.accountName}
        >
          Rename
        </Button>
      </Group>
      {update.error && !wrong && <Wrong error={update.error} />}
    </form>
  );
}

// Required is for who has one: nobody locks everybody out, oneself among them.
function Required({ on, own }: { on: boolean; own: boolean }) {
  const stale = useStale(FactorService);
  const set = useMutation(FactorService.method.requireSecondFactor, { onSuccess: stale });
  return (
    <Stack gap="xs">
      <Switch
        label="Everybody needs a second factor"
        description={own || on ? "Who has none sets one up at their next sign-in" : "Set up your own first"}
        checked={set.isPending ? set.variables.required : on}
        disabled={set.isPending || !(own || on)}
        onChange={(e) => set.mutate({ required: e.currentTarget.checked })}
      />
      {set.error && <Wrong error={set.error} />}
    </Stack>
  );
}

function Sessions() {
  const list = useQuery(SessionService.method.listSessions);
  const stale = useStale(SessionService);
  const others = useMutation(SessionService.method.revokeOtherSessions, { onSuccess: stale });
  return (
    <Query of={list}>
      {({ sessions }) => (
        <Stack gap="sm">
          <Rows
            label="Sessions"
            of={sessions}
            by={(s) => s.id}
            columns={[
              { name: "With", cell: (s) => (s.kind === "cli" ? "Command line" : browser(s.userAgent)) },
              { name: "From", cell: (s) => s.sourceIp || "unknown" },
              { name: "Account", cell: (s) => s.accountName },
              { name: "Last used", cell: (s) => <Time at={s.seenAt} /> },
              { name: "End it", silent: true, action: true, cell: (s) => <End of={s} onEnd={stale} /> },
            ]}
          />
          {others.error && <Wrong error={others.error} />}
          {sessions.length > 1 && (
            <Group>
              <Button variant="default" loading={others.isPending} onClick={() => others.mutate({})}>
                Sign out everywhere else
              </Button>
            </Group>
          )}
        </Stack>
      )}
    </Query>
  );
}

function End({ of: s, onEnd }: { of: SignedIn; onEnd: () => void }) {
  const revoke = useMutation(SessionService.method.revokeSession, { onSuccess: onEnd });
  if (s.current) {
    return (
      <Text size="sm" c="dimmed">
        this one
      </Text>
    );
  }
  return (
    <Acts>
      {revoke.error && <Wrong error={revoke.error} />}
      <Button
        size="compact-sm"
        variant="default"
        loading={revoke.isPending}
        onClick={() => revoke.mutate({ sessionId: s.id })}
      >
        End
      </Button>
    </Acts>
  );
}

const browsers: [RegExp, string][] = [
  [/Edg\//, "Edge"],
  [/Firefox\//, "Firefox"],
  [/Chrome\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const systems: [RegExp, string][] = [
  [/Windows/, "Windows"],
  [/iPhone|iPad/, "iOS"],
  [/Mac OS X/, "macOS"],
  [/Android/, "Android"],
  [/Linux/, "Linux"],
];

// browser names what a browser calls itself as people know it.
function browser(agent: string): string {
  const named = (of: [RegExp, string][]) => of.find(([sign]) => sign.test(agent))?.[1];
  const [name, system] = [named(browsers), named(systems)];
  if (!name) return agent || "unknown";
  return system ? `${name} on ${system}` : name;
}
