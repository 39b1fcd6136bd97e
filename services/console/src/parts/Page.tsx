import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from "@mantine/core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";

export interface Crumb {
  label: string;
  link: LinkProps;
}

// Page is the frame of every page: its name, which is also the tab's, and what can be done
// with all of it. A page that is opened takes the focus at its name, so that a screen reader
// says where one is.
export function Page(p: {
  title: string;
  crumbs?: Crumb[];
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${p.title} · Imago`;
  }, [p.title]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <Stack gap="lg">
      <Stack gap={4}>
        {p.crumbs && <Trail crumbs={p.crumbs} />}
        <Group justify="space-between" align="flex-start" gap="sm">
          <Title order={1} ref={heading} tabIndex={-1}>
            {p.title}
          </Title>
          {p.actions && <Group gap="xs">{p.actions}</Group>}
        </Group>
        {p.about && (
          <Text c="dimmed" component="div">
            {p.about}
          </Text>
        )}
      </Stack>
      {p.children}
    </Stack>
  );
}

function Trail({ crumbs }: { crumbs: Crumb[] }) {
  return (
    <nav aria-label="Breadcrumb">
      <Breadcrumbs separatorMargin={6}>
        {crumbs.map((c) => (
          <Anchor key={c.label} size="sm" renderRoot={(props) => <Link {...c.link} {...props} />}>
            {c.label}
          </Anchor>
        ))}
      </Breadcrumbs>
    </nav>
  );
}
