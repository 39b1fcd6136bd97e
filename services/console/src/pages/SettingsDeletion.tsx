import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Group, List, Stack, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { fieldProblem } from "../api/problem";
import { useMay, useSession } from "../api/session";
import { AccountService } from "../gen/imago/v1/account_pb";
import { Wrong } from "../parts/CodeForm";
import { Dialog } from "../parts/Dialog";
import { Section } from "./Settings";

// SettingsDeletion is how an owner ends the account. What stands while that waits is above
// every page.
export function SettingsDeletion() {
  const may = useMay("delete_account");
  const deletion = useQuery(AccountService.method.getDeletion, {}, { enabled: may });
  const [asking, ask] = useDisclosure();
  if (!may || !deletion.data || deletion.data.deletion) return null;
  return (
    <Section
      title="Delete the account"
      about="After 72 hours, in which any owner can take it back, its keys are destroyed: no snapshot opens any more, wherever copies lie."
      aside={
        <Button variant="default" onClick={ask.open}>
          Delete the account
        </Button>
      }
    >
      <Dialog opened={asking} onClose={ask.close} title="Delete the account?">
        {asking && <Ask onDone={ask.close} />}
      </Dialog>
    </Section>
  );
}

function Ask({ onDone }: { onDone: () => void }) {
  const queries = useQueryClient();
  const session = useSession();
  const [name, setName] = useState("");
  const remove = useMutation(AccountService.method.deleteAccount, {
    onSuccess: () => {
      onDone();
      return queries.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: AccountService, cardinality: "finite" }),
      });
    },
  });
  const wrong = fieldProblem(remove.error, "name");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    remove.mutate({ name });
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <List size="sm" spacing={4}>
          <List.Item>Every owner is told by mail, now.</List.Item>
          <List.Item>For 72 hours everything goes on, and any owner can keep the account.</List.Item>
          <List.Item>
            Then its keys are destroyed and all of it is removed, but for the activity log, whose names nobody
            can read any more. Nobody can bring it back.
          </List.Item>
          <List.Item>Your org is not changed. Who has an escrow still opens copies that they have.</List.Item>
        </List>
        <TextInput
          label="Name of the account"
          description={
            <>
              Type <b>{session.accountName}</b>
            </>
          }
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
          error={wrong}
          autoComplete="off"
          data-autofocus
        />
        {remove.error && !wrong && <Wrong error={remove.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            Back
          </Button>
          <Button
            type="submit"
            color="red.9"
            disabled={name !== session.accountName}
            loading={remove.isPending}
          >
            Delete it in 72 hours
          </Button>
        </Group>
        <Text size="xs" c="dimmed">
          It needs proof of the last ten minutes that it is you. A subscription has to be cancelled before.
        </Text>
      </Stack>
    </form>
  );
}
