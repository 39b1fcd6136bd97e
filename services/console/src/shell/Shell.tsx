import { Anchor, AppShell, Burger, Group, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect } from "react";
import { Mark } from "./Mark";
import { Nav } from "./Nav";
import { UserMenu } from "./UserMenu";

// There is seldom such a thing, and it need not come before the page.
const Leaving = lazy(() => import("./Leaving"));

// Shell is the frame around every page of an account: what there is at the left, who is
// signed in at the right, the page between.
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (s) => s.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a page that is opened closes the menu
  useEffect(close, [path]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 232, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "md", sm: "xl" }}
    >
      <SkipLink />
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label="Menu"
              aria-expanded={opened}
            />
            <Anchor
              renderRoot={(props) => <Link to="/" {...props} />}
              underline="never"
              c="var(--mantine-color-text)"
            >
              <Group gap={8} wrap="nowrap">
                <Mark />
                <Text fw={650}>Imago</Text>
              </Group>
            </Anchor>
          </Group>
          <UserMenu />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm">
        <AppShell.Section grow component={ScrollArea}>
          <Nav />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" maw={1440}>
        <Suspense fallback={null}>
          <Leaving />
        </Suspense>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

function SkipLink() {
  return (
    <a href="#main" className="skip-link">
      Skip to the page
    </a>
  );
}
