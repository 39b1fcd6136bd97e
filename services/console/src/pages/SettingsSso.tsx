import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import {
  Button,
  Code,
  CopyButton,
  Group,
  List,
  PasswordInput,
  Stack,
  Switch,
  Text,
  TextInput,
} from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { fieldProblem, trouble } from "../api/problem";
import { useMay } from "../api/session";
import { type Sso, SsoService } from "../gen/imago/v1/sso_pb";
import { Wrong } from "../parts/CodeForm";
import { Confirmed } from "../parts/Confirmed";
import { counted } from "../parts/format";
import { Query } from "../parts/Query";
import { Section } from "./Settings";

// useStale has the account's provider asked for anew.
function useStale() {
  const queries = useQueryClient();
  return () =>
    queries.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: SsoService, cardinality: "finite" }),
    });
}

// SettingsSso is where the account's members sign in: owners say so, the others see it.
export function SettingsSso() {
  const may = useMay("edit_sso");
  const found = useQuery(SsoService.method.getSso, {}, { select: (r) => r.sso });
  if (!may && !found.data?.issuer) return null;
  return (
    <Section
      title="Your company's sign-in"
      about="Members come in by your own identity provider (OpenID Connect). Owners always get in by a mailed code or a passkey, too: should it break, nobody is locked out for good."
    >
      <Query of={found} lines={3}>
        {(s) => (may ? <Own key={s.issuer} of={s} /> : <Shown of={s} />)}
      </Query>
    </Section>
  );
}

function Shown({ of: s }: { of: Sso }) {
  return (
    <Text>
      At {s.issuer}, by the name <Code>{s.slug}</Code>
      {s.required && ", and in no other way"}.
    </Text>
  );
}

function Own({ of: s }: { of: Sso }) {
  const [setting, set] = useState(s.issuer !== "");
  if (s.redirectUri === "") {
    return (
      <Text>
        This installation has no address of its own, which a provider could send people back to: its operator
        sets <Code>IMAGO_PUBLIC_URL</Code>.
      </Text>
    );
  }
  if (!setting) {
    return (
      <Group>
        <Button variant="default" onClick={() => set(true)}>
          Set it up
        </Button>
      </Group>
    );
  }
  return <Form of={s} />;
}

const fields = ["slug", "issuer", "client_id", "client_secret", "required"];

function Form({ of: s }: { of: Sso }) {
  const stale = useStale();
  const [slug, setSlug] = useState(s.slug);
  const [issuer, setIssuer] = useState(s.issuer);
  const [clientId, setClientId] = useState(s.clientId);
  const [clientSecret, setClientSecret] = useState("");
  const [required, setRequired] = useState(s.required);
  const save = useMutation(SsoService.method.setSso, {
    onSuccess: () => {
      setClientSecret("");
      return stale();
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate({
      slug: slug.trim(),
      issuer: issuer.trim(),
      clientId: clientId.trim(),
      clientSecret,
      required,
    });
  };
  const wrong = (field: string) => fieldProblem(save.error, field);
  const elsewhere = save.error && !fields.includes(trouble(save.error).field);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md" maw={560}>
        {s.issuer === "" && <How redirect={s.redirectUri} />}
        <TextInput
          label="Issuer"
          placeholder="https://acme.okta.com"
          description="As the provider writes it"
          required
          value={issuer}
          onChange={(e) => setIssuer(e.currentTarget.value)}
          error={wrong("issuer")}
        />
        <TextInput
          label="Client ID"
          required
          value={clientId}
          onChange={(e) => setClientId(e.currentTarget.value)}
          error={wrong("client_id")}
        />
        <PasswordInput
          label="Client secret"
          description={s.issuer ? "Empty: it stays as it is" : "It is sealed, and never shown again"}
          required={s.issuer === ""}
          autoComplete="off"
          visibilityToggleButtonProps={{ "aria-label": "Show the secret" }}
          value={clientSecret}
          onChange={(e) => setClientSecret(e.currentTarget.value)}
          error={wrong("client_secret")}
        />
        <TextInput
          label="Your company's name here"
          description="What members write on the sign-in page; everybody may know it"
          placeholder="acme-robotics"
          required
          value={slug}
          onChange={(e) => setSlug(e.currentTarget.value)}
          error={wrong("slug")}
        />
        <Switch
          label="Members come in by it alone"
          description={
            s.members > 0 || s.required
              ? "All but owners. Their other sessions end"
              : "Once somebody has come in by it: sign in there yourself first"
          }
          checked={required}
          disabled={s.members === 0 && !s.required}
          onChange={(e) => setRequired(e.currentTarget.checked)}
          error={wrong("required")}
        />
        {elsewhere && <Wrong error={save.error} />}
        <Group justify="space-between">
          <Group gap="sm">
            <Button type="submit" loading={save.isPending}>
              Check and save
            </Button>
            <Verdict of={s} saved={save.isSuccess} />
          </Group>
          {s.issuer !== "" && <Remove />}
        </Group>
        {s.issuer !== "" && (
          <Text size="sm" c="dimmed" component="div">
            Registered there as <Redirect of={s.redirectUri} />
          </Text>
        )}
      </Stack>
    </form>
  );
}

// How says what to register at the provider.
function How({ redirect }: { redirect: string }) {
  return (
    <List type="ordered" spacing="xs">
      <List.Item>
        At your provider, make a web application with OpenID Connect (authorization code).
      </List.Item>
      <List.Item>
        As where people are sent back to, give it <Redirect of={redirect} />
      </List.Item>
      <List.Item>
        Copy its issuer, client ID and secret here. The issuer is checked before they are kept.
      </List.Item>
    </List>
  );
}

function Redirect({ of }: { of: string }) {
  return (
    <Group gap="xs">
      <Code>{of}</Code>
      <CopyButton value={of}>
        {({ copied, copy }) => (
          <Button
            size="compact-sm"
            variant="light"
            onClick={copy}
            leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          >
            {copied ? "Copied" : "Copy"}
          </Button>
        )}
      </CopyButton>
    </Group>
  );
}

function Verdict({ of: s, saved }: { of: Sso; saved: boolean }) {
  if (s.issuer === "") return null;
  return (
    <Text size="sm" role="status">
      {saved && "The issuer answers as one. "}
      {s.members === 0 ? "Nobody has come in by it yet." : `${counted(s.members, "member")} came in by it.`}
    </Text>
  );
}

function Remove() {
  const remove = useMutation(SsoService.method.deleteSso, { onSuccess: useStale() });
  return (
    <Confirmed
      label="Take it away"
      title="Take the company's sign-in away?"
      text="The sessions that it let in end, and members sign in by mailed codes and passkeys again."
      of={remove}
      onYes={() => remove.mutate({})}
    />
  );
}
