import { Code } from "@connectrpc/connect";
import { useMutation } from "@connectrpc/connect-query";
import {
  Avatar,
  Group,
  Menu,
  Stack,
  Text,
  UnstyledButton,
  useMantineColorScheme,
  VisuallyHidden,
} from "@mantine/core";
import {
  IconArrowsExchange,
  IconDeviceDesktop,
  IconLogout,
  IconMoon,
  IconSettings,
  IconSun,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useSession } from "../api/session";
import { door } from "../api/transport";
import { SignInService } from "../gen/imago/v1/sign_in_pb";
import { Wrong } from "../parts/CodeForm";

// UserMenu is who is signed in, to which account, as what; how it looks; and the way out.
export function UserMenu() {
  const session = useSession();
  const signOut = useMutation(SignInService.method.signOut, {
    transport: door,
    onSuccess: out,
    // A session that has ended already is left, too.
    onError: (error) => error.code === Code.Unauthenticated && out(),
  });
  return (
    <Menu position="bottom-end" width={260} shadow="md">
      <Menu.Target>
        <UnstyledButton>
          <Group gap="xs" wrap="nowrap">
            <Stack gap={0} align="flex-end" visibleFrom="sm">
              <Text size="sm" lh={1.2}>
                {session.email}
              </Text>
              <Text size="xs" c="dimmed" lh={1.2}>
                {session.accountName} · {session.role}
              </Text>
            </Stack>
            <Avatar size={32} color="teal" name={session.email} aria-hidden />
            <VisuallyHidden>Account menu</VisuallyHidden>
          </Group>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{session.email}</Menu.Label>
        <Appearance />
        <Menu.Divider />
        <Menu.Item
          leftSection={<IconSettings size={16} />}
          renderRoot={(props) => <Link to="/settings" {...props} />}
        >
          Settings
        </Menu.Item>
        <Menu.Item
          leftSection={<IconArrowsExchange size={16} />}
          renderRoot={(props) => <Link to="/accounts" {...props} />}
        >
          Switch account
        </Menu.Item>
        <Menu.Item
          leftSection={<IconLogout size={16} />}
          onClick={() => signOut.mutate({})}
          closeMenuOnClick={false}
          disabled={signOut.isPending}
        >
          Sign out
        </Menu.Item>
        {signOut.error && <Wrong error={signOut.error} />}
      </Menu.Dropdown>
    </Menu>
  );
}

const out = () => window.location.assign("/sign-in");

const schemes = [
  { value: "light", label: "Light", icon: IconSun },
  { value: "dark", label: "Dark", icon: IconMoon },
  { value: "auto", label: "As this device", icon: IconDeviceDesktop },
] as const;

function Appearance() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <>
      <Menu.Label>Appearance</Menu.Label>
      {schemes.map((s) => (
        <Menu.Item
          key={s.value}
          role="menuitemradio"
          aria-checked={colorScheme === s.value}
          leftSection={<s.icon size={16} />}
          onClick={() => setColorScheme(s.value)}
          closeMenuOnClick={false}
          fw={colorScheme === s.value ? 600 : undefined}
        >
          {s.label}
        </Menu.Item>
      ))}
    </>
  );
}
