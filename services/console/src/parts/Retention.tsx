import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Card, Group, Radio, Stack, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useMay } from "../api/session";
import { type Connection, ConnectionService } from "../gen/imago/v1/connection_pb";
import { Wrong } from "./CodeForm";
import { letGo } from "./letgo";

// Retention says which of an org's snapshots are kept, of those that the plan keeps.
export function Retention({ of: c }: { of: Connection }) {
  const queries = useQueryClient();
  const may = useMay("edit_connection");
  const [thin, setThin] = useState(c.thin);
  const set = useMutation(ConnectionService.method.setRetention, {
    onSuccess: () => queries.invalidateQueries(),
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    set.mutate({ connectionId: c.id, thin });
  };
  return (
    <Card withBorder padding="lg" component="section" aria-label="What is kept">
      <form onSubmit={submit}>
        <Stack gap="sm">
          <Title order={2}>What is kept</Title>
          <Radio.Group
            aria-label="Which snapshots"
            value={thin ? "thin" : "all"}
            onChange={(value) => setThin(value === "thin")}
          >
            <Stack gap="xs">
              <Radio value="all" disabled={!may} label="Every snapshot that the plan keeps" />
              <Radio
                value="thin"
                disabled={!may}
                label="Fewer of the older ones"
                description="The first of each hour for a day, of each day for a week, of each week for a month, of each month for a year"
              />
            </Stack>
          </Radio.Group>
          <Text size="sm" c="dimmed">
            The newest three, the newest without a gap, pinned ones, and what a restore or an open finding
            needs stay either way.
          </Text>
          {thin !== c.thin && <LetGo of={c} thin={thin} />}
          {set.error && <Wrong error={set.error} />}
          {may && (
            <Group>
              <Button type="submit" variant="default" loading={set.isPending} disabled={thin === c.thin}>
                Save
              </Button>
              {set.isSuccess && (
                <Text size="sm" role="status">
                  Saved. {thin && "Nothing is let go before tomorrow."}
                </Text>
              )}
            </Group>
          )}
        </Stack>
      </form>
    </Card>
  );
}

// LetGo says what would be let go, if it were saved so.
function LetGo({ of: c, thin }: { of: Connection; thin: boolean }) {
  const found = useQuery(ConnectionService.method.previewRetention, {
    connectionId: c.id,
    thin,
    pageSize: 1,
  });
  if (found.error) return <Wrong error={found.error} />;
  return (
    <Text size="sm" role="status">
      {found.data && letGo(found.data)}
    </Text>
  );
}
