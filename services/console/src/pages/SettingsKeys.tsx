import {
  callUnaryMethod,
  createConnectQueryKey,
  useMutation,
  useQuery,
  useTransport,
} from "@connectrpc/connect-query";
import { Badge, Button, Code, Group, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDownload, IconKeyOff, IconPlus, IconRefresh } from "@tabler/icons-react";
import { useMutation as useAct, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { fieldProblem } from "../api/problem";
import { useMay, useSession } from "../api/session";
import { type Escrow, KeyService, type Keys } from "../gen/imago/v1/key_pb";
import { Wrong } from "../parts/CodeForm";
import { Confirmed } from "../parts/Confirmed";
import { Dialog } from "../parts/Dialog";
import { count, counted } from "../parts/format";
import { Query } from "../parts/Query";
import { Acts, Rows } from "../parts/Rows";
import { Time } from "../parts/Time";
import { Fact } from "./Overview";
import { Section } from "./Settings";

const wrappers: Record<string, string> = {
  local: "a master key of this installation",
  "aws-kms": "AWS KMS",
  vault: "Vault",
};

// useStale has the keys asked for anew.
function useStale() {
  const queries = useQueryClient();
  return () =>
    queries.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: KeyService, cardinality: "finite" }),
    });
}

// SettingsKeys is under which keys the account's data is sealed, and who else can open it.
export function SettingsKeys() {
  const keys = useQuery(KeyService.method.getKeys, {}, { refetchInterval: underway });
  return (
    <Section title="Keys" about="Everything that is kept of this account is sealed under keys of its own.">
      <Query of={keys} lines={2}>
        {({ keys: k }) => k && <Shown of={k} />}
      </Query>
    </Section>
  );
}

// underway looks again while a worker is at it.
function underway(q: { state: { data?: { keys?: Keys } } }): number | false {
  const k = q.state.data?.keys;
  return k && (k.rotating || k.retiring || k.escrows.some((e) => e.version < k.version)) ? 3_000 : false;
}

function Shown({ of: k }: { of: Keys }) {
  const may = useMay("edit_keys");
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, sm: 4 }}>
        <Fact name="Data key that seals">
          <Group gap="xs">
            {k.version || "not known"}
            {k.rotating && (
              <Badge variant="light" tt="none">
                a new one is being made
              </Badge>
            )}
          </Group>
        </Fact>
        <Fact name="Older ones">
          <Older of={k} />
        </Fact>
        <Fact name="Wrapped by">{wrappers[k.wrappedBy] ?? "not known"}</Fact>
        <Fact name="Changed">
          <Time at={k.renewedAt} none="not since the account was made" />
        </Fact>
      </SimpleGrid>
      {may && <Renew of={k} />}
      <Escrows of={k} may={may} />
    </Stack>
  );
}

// Asked is a button that says what it does before it does it.
function Asked(is: {
  name: string;
  icon: ReactNode;
  off: boolean;
  yes: string;
  act: {
    error: Error | null;
    isPending: boolean;
    mutate: (request: object, then: { onSuccess: () => void }) => void;
  };
  children: ReactNode;
}) {
  const [asking, ask] = useDisclosure();
  return (
    <>
      <Button variant="default" leftSection={is.icon} disabled={is.off} onClick={ask.open}>
        {is.name}
      </Button>
      <Dialog opened={asking} onClose={ask.close} title={`${is.name}?`}>
        <Stack gap="md">
          <Text size="sm">{is.children}</Text>
          {is.act.error && <Wrong error={is.act.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={ask.close}>
              Back
            </Button>
            <Button loading={is.act.isPending} onClick={() => is.act.mutate({}, { onSuccess: ask.close })}>
              {is.yes}
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </>
  );
}

function Renew({ of: k }: { of: Keys }) {
  const rotate = useMutation(KeyService.method.rotateKey, { onSuccess: useStale() });
  const retire = useMutation(KeyService.method.retireKeys, { onSuccess: useStale() });
  return (
    <Group>
      <Asked
        name="Make a new data key"
        icon={<IconRefresh size={16} />}
        off={k.rotating}
        yes="Make it"
        act={rotate}
      >
        What is sealed from then on is sealed under it. What was sealed before stays as it is and opens by the
        old keys, which are kept. It takes some minutes; nothing stands still meanwhile.
      </Asked>
      {k.version > k.oldest && (
        <Asked
          name="Retire the older keys"
          icon={<IconKeyOff size={16} />}
          off={k.retiring || k.rotating}
          yes="Retire them"
          act={retire}
        >
          All snapshots that lie under them are sealed anew under key {k.version}, in the background, which
          may take hours. Then nothing that is sealed under an older key is read, or believed, any more: who
          got hold of one cannot put anything in your backups' place. Copies that they took before they still
          read.
        </Asked>
      )}
    </Group>
  );
}

// Older says what became of the data keys before the one that seals.
function Older({ of: k }: { of: Keys }) {
  if (k.version <= 1) return "none";
  return (
    <Group gap="xs">
      {k.oldest >= k.version ? "retired" : k.oldest > 1 ? `kept from ${k.oldest}` : "kept"}
      {k.retiring && (
        <>
          <Badge variant="light" tt="none">
            snapshots are sealed anew
          </Badge>
          <Text size="xs" c="dimmed">
            {resealed(k)}
          </Text>
        </>
      )}
    </Group>
  );
}

// resealed is how far that is, as it was counted last.
function resealed(k: Keys): string {
  const all = k.uses.reduce((sum, u) => sum + u.objects, 0n);
  const done = k.uses.find((u) => u.version === k.version)?.objects ?? 0n;
  return all > 0n ? `${count(done)} of ${counted(all, "object")}` : "";
}

// Escrows are the keys, sealed to recipients of the account's own.
function Escrows({ of: k, may }: { of: Keys; may: boolean }) {
  const [adding, add] = useDisclosure();
  return (
    <Stack gap="sm">
      <Text>
        {k.escrows.length === 0
          ? "Nobody but Imago can open the backups."
          : "The keys are sealed to these age recipients, too: whoever has such a file and its identity opens copies of the backups without Imago."}
      </Text>
      {k.escrows.length > 0 && (
        <Rows
          label="Escrows"
          spacing="sm"
          of={k.escrows}
          by={(e) => e.id}
          columns={[
            { name: "Recipient", cell: (e) => <Code>{short(e.recipient)}</Code> },
            { name: "Holds", cell: (e) => holds(e, k) },
            { name: "Made", cell: (e) => <Time at={e.madeAt} none="not yet" /> },
            { name: "What to do", silent: true, action: true, cell: (e) => may && <Act of={e} /> },
          ]}
        />
      )}
      {may && (
        <Group>
          <Button variant="default" leftSection={<IconPlus size={16} />} onClick={add.open}>
            Add an escrow
          </Button>
        </Group>
      )}
      <Dialog opened={adding} onClose={add.close} title="Seal the keys to an age recipient">
        {adding && <Add onDone={add.close} />}
      </Dialog>
    </Stack>
  );
}

// short is a recipient in one line: a post-quantum one has two thousand characters.
function short(recipient: string): string {
  return recipient.length > 66 ? `${recipient.slice(0, 66)}…` : recipient;
}

function holds(e: Escrow, k: Keys): string {
  if (e.version === 0) return "nothing yet";
  return e.version < k.version ? `up to key ${e.version}; being made anew` : "all keys";
}

function Act({ of: e }: { of: Escrow }) {
  const transport = useTransport();
  const session = useSession();
  const get = useAct({
    mutationFn: () => callUnaryMethod(transport, KeyService.method.getEscrow, { escrowId: e.id }),
    onSuccess: (r) => save(`imago-${session.accountName}.age`, r.file),
  });
  const remove = useMutation(KeyService.method.deleteEscrow, { onSuccess: useStale() });
  return (
    <Acts>
      {get.error && <Wrong error={get.error} />}
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<IconDownload size={14} />}
        disabled={e.version === 0}
        loading={get.isPending}
        onClick={() => get.mutate()}
      >
        Download
      </Button>
      <Confirmed
        label="Remove"
        title="Remove this escrow?"
        text="It is made no more. Who has the file and its identity still opens what was sealed until now: make a new data key if they should not."
        of={remove}
        onYes={() => remove.mutate({ escrowId: e.id })}
      />
    </Acts>
  );
}

// save has the browser keep a text as a file.
function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replaceAll(/[^\w.-]+/g, "-");
  link.click();
  URL.revokeObjectURL(url);
}

function Add({ onDone }: { onDone: () => void }) {
  const stale = useStale();
  const [recipient, setRecipient] = useState("");
  const create = useMutation(KeyService.method.createEscrow, {
    onSuccess: () => {
      onDone();
      return stale();
    },
  });
  const wrong = fieldProblem(create.error, "recipient");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    create.mutate({ recipient: recipient.trim() });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Text size="sm">
          Make an identity with <Code>age-keygen</Code> and keep it where no server is. Whoever has it and the
          file opens every backup of this account. Every owner is told by mail.
        </Text>
        <TextInput
          label="Recipient"
          description="The public key that age-keygen prints"
          placeholder="age1…"
          required
          value={recipient}
          onChange={(e) => setRecipient(e.currentTarget.value)}
          error={wrong}
          data-autofocus
        />
        {create.error && !wrong && <Wrong error={create.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            Back
          </Button>
          <Button type="submit" loading={create.isPending}>
            Seal the keys to it
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
