import { Alert, Button, Center, Group, Skeleton, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconAlertTriangle, IconLock, IconMapPinOff, type IconProps } from "@tabler/icons-react";
import type { ComponentType, ReactNode } from "react";
import { trouble } from "../api/problem";
import { capital } from "../parts/format";

// Loading stands where something is on its way.
export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <Stack gap="sm" aria-busy="true" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are alike and stay
        <Skeleton key={i} height={i === 0 ? 28 : 18} width={i === 0 ? "40%" : `${95 - 9 * i}%`} />
      ))}
    </Stack>
  );
}

// Empty says why there is nothing here, and what would change that.
export function Empty(p: {
  icon: ComponentType<IconProps>;
  title: string;
  order?: 1 | 2;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <Center py={48}>
      <Stack align="center" gap="xs" maw={440} ta="center">
        <ThemeIcon size={56} radius="xl" variant="light" aria-hidden>
          <p.icon size={28} stroke={1.5} />
        </ThemeIcon>
        <Title order={p.order ?? 2} mt="xs">
          {p.title}
        </Title>
        {p.children && (
          <Text c="dimmed" component="div">
            {p.children}
          </Text>
        )}
        {p.action && <Group mt="sm">{p.action}</Group>}
      </Stack>
    </Center>
  );
}

// Failed words an error: what is wrong and the way out. What a role does not allow is no
// failure of ours, and has a state of its own.
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const t = trouble(error);
  if (t.kind === "denied") {
    return (
      <Empty icon={IconLock} title="This is not open to you">
        {capital(t.what)}. {t.hint && `${capital(t.hint)}.`}
      </Empty>
    );
  }
  if (t.kind === "not_found") {
    return (
      <Empty icon={IconMapPinOff} title={`${capital(t.what)}`}>
        {t.hint && `${capital(t.hint)}.`}
      </Empty>
    );
  }
  return (
    <Alert color="red" icon={<IconAlertTriangle />} title={capital(t.what)} role="alert">
      <Stack gap="sm" align="flex-start">
        {t.hint && <Text size="sm">{capital(t.hint)}.</Text>}
        {again && (
          <Button size="xs" variant="default" onClick={again}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

// NotFound is the page of an address that leads nowhere.
export function NotFound() {
  return (
    <main>
      <Empty
        icon={IconMapPinOff}
        title="There is no such page"
        order={1}
        action={
          <Button component="a" href="/">
            Go to the overview
          </Button>
        }
      >
        The address may be mistyped, or what it showed was deleted.
      </Empty>
    </main>
  );
}
