import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Alert, Group, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { IconMailOff } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type MailPreference, MailService } from "../gen/imago/v1/mail_pb";
import { Wrong } from "../parts/CodeForm";
import { capital } from "../parts/format";
import { Query } from "../parts/Query";

const topics: Record<string, [name: string, about: string]> = {
  drift: ["Changes in your orgs", "what weakens them or takes access away"],
  restores: ["Restores", "receipts, and write windows that stay open"],
  backups: ["Snapshots", "failed and overdue ones, logs that nobody reads"],
  billing: ["Billing", "trials, payments"],
  updates: ["News of Imago", "only if you ask for them"],
};
const timings: Record<string, string> = { now: "At once", daily: "Once a day", never: "Never" };
const stops: Record<string, string> = {
  bounce: "mails to you came back",
  dropped: "your mail server refuses them",
  spam_report: "one was reported as spam",
};

// MailChoices is which mails a person gets from this account, and when.
export function MailChoices() {
  const preferences = useQuery(MailService.method.getMailPreferences);
  return (
    <Query of={preferences} lines={3}>
      {(p) => (
        <Stack gap={0}>
          {p.preferences.map((c) => (
            <Topic key={c.topic} of={c} />
          ))}
          <Text size="sm" c="dimmed" mt="sm">
            What comes once a day comes at {p.digestHour}:00 UTC. Of more than {p.crowd} alerts in an hour,
            all but worse ones come as one mail.
          </Text>
        </Stack>
      )}
    </Query>
  );
}

function Topic({ of: c }: { of: MailPreference }) {
  const queries = useQueryClient();
  const update = useMutation(MailService.method.updateMailPreferences, {
    onSuccess: () =>
      queries.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: MailService, cardinality: "finite" }),
      }),
  });
  const [name, about] = topics[c.topic] ?? [capital(c.topic), ""];
  const shown = update.isPending ? { ...c, ...update.variables.preferences?.[0] } : c;
  const set = (change: { timing?: string; threshold?: string }) =>
    update.mutate({
      preferences: [{ topic: c.topic, timing: c.timing, threshold: c.threshold, ...change }],
    });
  return (
    <Group className="row" justify="space-between" gap="xs" py="xs" role="group" aria-label={name}>
      <Stack gap={2} flex="1 1 220px">
        <Text fw={500}>{name}</Text>
        <Text size="xs" c="dimmed">
          {about}
        </Text>
        {c.stopped && (
          <Alert color="orange" icon={<IconMailOff size={16} />} p="xs" mt={4}>
            Nothing is sent: {stops[c.stopped] ?? c.stopped}. Choose again when to have it sent again.
          </Alert>
        )}
        {update.error && <Wrong error={update.error} />}
      </Stack>
      <Group gap="sm">
        {c.threshold && (
          <Select
            aria-label={`${name}: from which severity`}
            size="xs"
            w={150}
            allowDeselect={false}
            data={["low", "medium", "high", "critical"].map((s) => ({
              value: s,
              label: s === "critical" ? "only critical" : `${s} and worse`,
            }))}
            value={shown.threshold}
            onChange={(threshold) => threshold && set({ threshold })}
          />
        )}
        <SegmentedControl
          aria-label={`${name}: when`}
          size="xs"
          data={c.timings.map((t) => ({ value: t, label: timings[t] ?? t }))}
          value={shown.timing}
          onChange={(timing) => set({ timing })}
        />
      </Group>
    </Group>
  );
}
