import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { Anchor, Button, Card, Group, Select, Stack, Text, Textarea, TextInput, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { fieldProblem, trouble } from "../api/problem";
import { useMay } from "../api/session";
import { DriftService, type Finding, type FindingState } from "../gen/imago/v1/drift_pb";
import { State } from "./Badges";
import { Wrong } from "./CodeForm";
import { date, moment } from "./format";

const choices: Record<string, string> = {
  acknowledged: "Seen: somebody looks into it",
  accepted: "Accepted: it is meant to be so",
  snoozed: "Snoozed until a day",
  resolved: "Resolved: it was put right",
  open: "Open again",
};

// Verdict is what people make of a finding: what was said so far, and a form to say more.
export function Verdict({ of: f }: { of: Finding }) {
  const may = useMay("resolve_finding");
  if (!may && f.history.length === 0) return null;
  return (
    <Card withBorder padding="md" component="section" aria-label="What becomes of it">
      <Stack gap="md">
        <Title order={2}>What becomes of it</Title>
        {f.history.length > 0 && (
          <Stack gap="xs">
            {f.history.map((h) => (
              <Said key={`${h.state}${h.changedAt?.seconds}${h.changedAt?.nanos}`} of={h} />
            ))}
          </Stack>
        )}
        {may && <Say key={f.state + f.history.length} of={f} />}
      </Stack>
    </Card>
  );
}

function Said({ of: h }: { of: FindingState }) {
  const at = date(h.changedAt);
  const until = date(h.until);
  return (
    <Group gap="xs" align="baseline">
      <State of={h.state} />
      <Text size="sm">
        {h.changedBy !== "imago" && `by ${h.changedBy}, `}
        {at && moment(at)}
        {until && `, until ${moment(until)}`}
        {h.reason && `: ${h.reason}`}
      </Text>
      {h.restoreId && (
        <Anchor
          size="sm"
          renderRoot={(p) => <Link to="/restores/$restoreId" params={{ restoreId: h.restoreId }} {...p} />}
        >
          the restore
        </Anchor>
      )}
    </Group>
  );
}

const day = 86_400_000;
const written = (t: number) => new Date(t).toISOString().slice(0, 10);

function Say({ of: f }: { of: Finding }) {
  const queries = useQueryClient();
  const [state, setState] = useState(f.state === "open" ? "acknowledged" : "open");
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState(() => written(Date.now() + 7 * day));
  const say = useMutation(DriftService.method.setFindingState, {
    onSuccess: () => queries.invalidateQueries(),
  });
  const snoozes = state === "snoozed";
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const end = snoozes && until ? timestampFromDate(new Date(`${until}T00:00`)) : undefined;
    say.mutate({ findingId: f.id, state, reason: reason.trim(), until: end });
  };
  const elsewhere = say.error && !["reason", "until"].includes(trouble(say.error).field);
  return (
    <form onSubmit={submit}>
      <Stack gap="sm" maw={520}>
        <Select
          label="It is"
          allowDeselect={false}
          value={state}
          data={Object.entries(choices)
            .filter(([value]) => value !== f.state || value === "snoozed")
            .map(([value, label]) => ({ value, label }))}
          onChange={(value) => value && setState(value)}
        />
        {snoozes && (
          <TextInput
            type="date"
            label="Until"
            value={until}
            min={written(Date.now() + day)}
            max={written(Date.now() + 364 * day)}
            error={fieldProblem(say.error, "until")}
            onChange={(e) => setUntil(e.currentTarget.value)}
            required
          />
        )}
        <Textarea
          label="Why"
          autosize
          minRows={2}
          required={snoozes || state === "accepted"}
          value={reason}
          error={fieldProblem(say.error, "reason")}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        {elsewhere && <Wrong error={say.error} />}
        <Group>
          <Button type="submit" variant="default" loading={say.isPending}>
            Say so
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
