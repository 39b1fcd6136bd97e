import { Center, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { Mark } from "../shell/Mark";

// Doorway is the frame of the pages outside of an account.
export function Doorway({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Imago`;
  }, [title]);
  return (
    <Center mih="100vh" p="md" component="main">
      <Stack w="100%" maw={420} gap="lg">
        <Group gap="sm" justify="center">
          <Mark size={36} />
          <Title order={1}>{title}</Title>
        </Group>
        <Paper withBorder p="lg" radius="lg">
          {children}
        </Paper>
        <Text size="sm" c="dimmed" ta="center">
          Backup, drift detection and recovery for your identity provider.
        </Text>
      </Stack>
    </Center>
  );
}
