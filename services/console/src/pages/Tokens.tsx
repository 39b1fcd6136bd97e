import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Checkbox, Code, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useClipboard, useDisclosure } from "@mantine/hooks";
import { IconCheck, IconCopy, IconKey, IconPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { fieldProblem, trouble } from "../api/problem";
import { useSession } from "../api/session";
import { type ApiToken, TokenService } from "../gen/imago/v1/token_pb";
import { Wrong } from "../parts/CodeForm";
import { Confirmed } from "../parts/Confirmed";
import { Dialog } from "../parts/Dialog";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Acts, Rows } from "../parts/Rows";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";

// What a token can be allowed, and what that comes to.
const scopes: Record<string, [name: string, about: string]> = {
  view_account: [
    "See states",
    "lists of connections, snapshots, findings and members; nothing of the directory",
  ],
  open_snapshot: ["Open snapshots", "browse, search and compare: all of the directory"],
  take_snapshot: ["Take snapshots", "and pin them"],
  resolve_finding: ["Answer findings", "acknowledge, accept, snooze, resolve"],
  plan_restore: ["Plan restores", "a person approves them"],
  edit_connection: ["Connect orgs", "with their schedules and credentials"],
  edit_account: ["Rename the account", ""],
  view_activity: ["Read the activity log", ""],
};

const lives = [7, 30, 90, 364].map((days) => ({
  value: String(days),
  label: days === 364 ? "a year" : `${days} days`,
}));

// useStale has the tokens asked for anew.
function useStale() {
  const queries = useQueryClient();
  return () =>
    queries.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: TokenService, cardinality: "finite" }),
    });
}

// Tokens is by what programs act for a member.
export function Tokens() {
  const list = useQuery(TokenService.method.listTokens);
  const [making, make] = useDisclosure();
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={make.open}>
      Make a token
    </Button>
  );
  return (
    <Page
      title="API tokens"
      about="Programs act by them for a member: never with more than that member may, and none approves a restore or changes who comes in."
      crumbs={[{ label: "Settings", link: { to: "/settings" } }]}
      actions={list.data?.tokens.length ? add : undefined}
    >
      <Query of={list}>
        {({ tokens }) =>
          tokens.length === 0 ? (
            <Empty icon={IconKey} title="No token yet" action={add}>
              A script, a pipeline or a monitor needs one. It ends by itself, and you can end it at any time.
            </Empty>
          ) : (
            <List of={tokens} />
          )
        }
      </Query>
      <Dialog opened={making} onClose={make.close} title="Make a token">
        {making && <Make onDone={make.close} />}
      </Dialog>
    </Page>
  );
}

function List({ of }: { of: ApiToken[] }) {
  return (
    <Rows
      label="API tokens"
      spacing="sm"
      of={of}
      by={(t) => t.id}
      columns={[
        { name: "Name", cell: (t) => t.name },
        { name: "It may", cell: (t) => <Scopes of={t.scopes} /> },
        { name: "Acts for", cell: (t) => t.owner },
        { name: "Made", cell: (t) => <Time at={t.createdAt} /> },
        { name: "Last used", cell: (t) => <Time at={t.lastUsedAt} none="never" /> },
        { name: "Ends", cell: (t) => <Time at={t.expiresAt} /> },
        { name: "Revoke it", silent: true, action: true, cell: (t) => <Revoke of={t} /> },
      ]}
    />
  );
}

function Scopes({ of }: { of: string[] }) {
  return (
    <Group gap={4}>
      {of.map((s) => (
        <Badge key={s} variant="light" color="gray" tt="none" fw={500}>
          {scopes[s]?.[0] ?? s}
        </Badge>
      ))}
    </Group>
  );
}

function Revoke({ of: t }: { of: ApiToken }) {
  const revoke = useMutation(TokenService.method.revokeToken, { onSuccess: useStale() });
  return (
    <Acts>
      <Confirmed
        label="Revoke"
        title={`Revoke ${t.name}?`}
        text="Whatever uses it is refused from now on. It cannot be taken back: a new token is another one."
        of={revoke}
        onYes={() => revoke.mutate({ tokenId: t.id })}
      />
    </Acts>
  );
}

// Make asks what a token is for, and shows it once.
function Make({ onDone }: { onDone: () => void }) {
  const stale = useStale();
  const { actions } = useSession();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState(["view_account"]);
  const [life, setLife] = useState("90");
  const make = useMutation(TokenService.method.createToken, { onSuccess: stale });
  if (make.data) return <Made token={make.data.token} onDone={onDone} />;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const expiresAt = timestampFromMs(Date.now() + Number(life) * 86_400_000);
    make.mutate({ name, scopes: chosen, expiresAt });
  };
  const elsewhere = make.error && !["name", "scopes", "expires_at"].includes(trouble(make.error).field);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Name"
          description="Of the program that will use it"
          required
          data-autofocus
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
          error={fieldProblem(make.error, "name")}
        />
        <Checkbox.Group
          label="It may"
          value={chosen}
          onChange={setChosen}
          error={fieldProblem(make.error, "scopes")}
        >
          <Stack gap={6} mt={4}>
            {Object.entries(scopes)
              .filter(([action]) => actions.includes(action))
              .map(([action, [label, about]]) => (
                <Checkbox key={action} value={action} label={label} description={about} />
              ))}
          </Stack>
        </Checkbox.Group>
        <Select
          label="It ends after"
          data={lives}
          allowDeselect={false}
          value={life}
          onChange={(days) => days && setLife(days)}
          error={fieldProblem(make.error, "expires_at")}
        />
        {elsewhere && <Wrong error={make.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            Not now
          </Button>
          <Button type="submit" loading={make.isPending}>
            Make it
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Made({ token, onDone }: { token: string; onDone: () => void }) {
  const clipboard = useClipboard();
  return (
    <Stack gap="md">
      <Text size="sm">
        This is the token. It is shown this once: Imago itself keeps only its fingerprint.
      </Text>
      <Code block aria-label="Token" style={{ overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>
        {token}
      </Code>
      <Text size="sm" c="dimmed">
        Programs send it in the header <Code>Authorization: Bearer …</Code>
      </Text>
      <Group justify="space-between">
        <Button
          variant="default"
          data-autofocus
          leftSection={clipboard.copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          onClick={() => clipboard.copy(token)}
        >
          {clipboard.copied ? "Copied" : "Copy"}
        </Button>
        <Button onClick={onDone}>I have put it away</Button>
      </Group>
    </Stack>
  );
}
