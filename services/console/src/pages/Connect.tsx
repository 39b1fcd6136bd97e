import { useMutation } from "@connectrpc/connect-query";
import { Alert, Button, Card, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { fieldProblem } from "../api/problem";
import { useMay } from "../api/session";
import { ConnectionService } from "../gen/imago/v1/connection_pb";
import { Wrong } from "../parts/CodeForm";
import { ExploreDemo } from "../parts/Demo";
import { Page } from "../parts/Page";
import { Empty } from "../parts/States";

// Connect begins with the org's address; what follows stands on the connection's own page,
// so that it can be left and come back to.
export function Connect() {
  const may = useMay("edit_connection");
  return (
    <Page
      title="Connect an org"
      about="Two service apps: one that can only read, and one for restores that stays switched off."
    >
      {may ? (
        <>
          <Begin />
          <Group>
            <ExploreDemo />
          </Group>
        </>
      ) : (
        <Empty icon={IconLock} title="This is not open to you">
          An owner or an admin of the account connects orgs.
        </Empty>
      )}
    </Page>
  );
}

function Begin() {
  const navigate = useNavigate();
  const [orgUrl, setOrgUrl] = useState("");
  const [name, setName] = useState("");
  const create = useMutation(ConnectionService.method.createConnection, {
    onSuccess: (r) =>
      r.connection && navigate({ to: "/orgs/$connectionId", params: { connectionId: r.connection.id } }),
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    create.mutate({ orgUrl, name });
  };
  const wrongUrl = fieldProblem(create.error, "org_url");
  const wrongName = fieldProblem(create.error, "name");
  return (
    <Card withBorder padding="lg" maw={640}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <Title order={2}>1. Which org?</Title>
          <TextInput
            label="Org URL"
            description="The address that people sign in at, without -admin"
            placeholder="https://acme.okta.com"
            required
            autoComplete="url"
            value={orgUrl}
            onChange={(e) => setOrgUrl(e.currentTarget.value)}
            error={wrongUrl}
          />
          <TextInput
            label="Name"
            description="For your team; the address if you leave it empty"
            placeholder="Production"
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            error={wrongName}
          />
          {create.error && !wrongUrl && !wrongName && <Wrong error={create.error} />}
          <Alert color="gray" icon={<IconLock size={18} />}>
            <Text size="sm">
              Imago makes the keys of both apps and seals the private halves to its workers at once. You paste
              the public halves into Okta. No password and no API token is ever asked for.
            </Text>
          </Alert>
          <Group>
            <Button type="submit" loading={create.isPending}>
              Make the keys
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}
