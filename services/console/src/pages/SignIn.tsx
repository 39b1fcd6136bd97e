import { Center, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useRouter, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { CodeForm } from "../parts/CodeForm";
import { Mark } from "../shell/Mark";

// local keeps a way back that leads out of this console from being followed.
function local(to: string | undefined): string {
  if (!to) return "/";
  const url = new URL(to, window.location.origin);
  return url.origin === window.location.origin && to.startsWith("/")
    ? url.pathname + url.search + url.hash
    : "/";
}

// SignIn is the door.
export function SignIn() {
  const { to } = useSearch({ from: "/sign-in" });
  const router = useRouter();
  const queries = useQueryClient();
  useEffect(() => {
    document.title = "Sign in · Imago";
  }, []);
  const enter = () => {
    queries.clear();
    router.history.push(local(to));
  };
  return (
    <Center mih="100vh" p="md" component="main">
      <Stack w="100%" maw={400} gap="lg">
        <Group gap="sm" justify="center">
          <Mark size={36} />
          <Title order={1}>Sign in to Imago</Title>
        </Group>
        <Paper withBorder p="lg" radius="lg">
          <CodeForm onDone={enter} />
        </Paper>
        <Text size="sm" c="dimmed" ta="center">
          Backup, drift detection and recovery for your identity provider.
        </Text>
      </Stack>
    </Center>
  );
}
