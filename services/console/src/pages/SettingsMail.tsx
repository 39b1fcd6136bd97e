import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Alert, Group, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { IconMailOff } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type DigestTime, type MailPreference, MailService } from "../gen/imago/v1/mail_pb";
import { Wrong } from "../parts/CodeForm";
import { capital } from "../parts/format";
import { Query } from "../parts/Query";

const topics: Record<string, [name: string, about: string]> = {
  drift: ["Changes in your orgs", "what weakens them or takes access away"],
  restores: ["Restores", "receipts, and write windows that stay open"],
  backups: ["Snapshots", "failed and overdue ones, damaged backups, logs that nobody reads"],
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
          <Daily at={p.digestTime} />
          <Text size="sm" c="dimmed" mt="sm">
            Of more than {p.crowd} alerts in an hour, all but worse ones come as one mail.
          </Text>
        </Stack>
      )}
    </Query>
  );
}

// Daily is when the daily digest comes.
function Daily({ at }: { at?: DigestTime }) {
  const update = useUpdate();
  const shown = update.isPending ? { ...at, ...update.variables.digestTime } : at;
  const [hour, zone] = [shown?.hour ?? 0, shown?.timeZone || "UTC"];
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = [...new Set(["UTC", here, zone, ...Intl.supportedValuesOf("timeZone")])];
  return (
    <Group className="row" justify="space-between" gap="xs" py="xs" role="group" aria-label="Daily digest">
      <Stack gap={2} flex="1 1 220px">
        <Text fw={500}>Daily digest</Text>
        <Text size="xs" c="dimmed">
          when what comes once a day comes; what waits already comes as it would have
        </Text>
        {update.error && <Wrong error={update.error} />}
      </Stack>
      <Group gap="sm">
        <Select
          aria-label="Daily digest: hour"
          size="xs"
          w={90}
          allowDeselect={false}
          data={[...Array(24).keys()].map((h) => ({ value: `${h}`, label: `${h}:00` }))}
          value={`${hour}`}
          onChange={(h) => h && update.mutate({ digestTime: { hour: Number(h), timeZone: zone } })}
        />
        <Select
          aria-label="Daily digest: time zone"
          size="xs"
          w={200}
          searchable
          allowDeselect={false}
          limit={40}
          data={zones}
          value={zone}
          onChange={(timeZone) => timeZone && update.mutate({ digestTime: { hour, timeZone } })}
        />
      </Group>
    </Group>
  );
}

// useUpdate changes what is chosen, and has it shown anew.
function useUpdate() {
  const queries = useQueryClient();
  return useMutation(MailService.method.updateMailPreferences, {
    onSuccess: () =>
      queries.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: MailService, cardinality: "finite" }),
      }),
  });
}

function Topic({ of: c }: { of: MailPreference }) {
  const update = useUpdate();
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
